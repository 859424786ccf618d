/* SPDX-License-Identifier: Apache-2.0
 *
 * conn: see conn.h.
 *
 * I1: the carrier exists from the handshake's end on, or, without TLS, from the first bytes that
 * tell which it is; its streams end before the connection is parked, so no call can reach a dead
 * connection. I2: reading stops only while the socket itself
 * takes no more: a peer whose flow-control window is shut must still be able to open it.
 */
#include "server/net/conn.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/check.h"
#include "common/rng.h"
#include "server/net/h1.h"
#include "server/net/h2.h"
#include "server/net/plain.h"
#include "server/net/quota.h"
#include "server/net/tls.h"

enum {
    GOODBYE_MS = 1000,
    NOTICE_MS = 100, /* between the two GOAWAYs: requests already on their way are still taken */
    KEEPALIVE_TIMEOUT_MS = 20000,
};
#define MS_NS 1000000LL

enum conn_state { CONN_HANDSHAKE, CONN_OPEN, CONN_CLOSING, CONN_DEAD };
enum leaving { LEAVING_NOT, LEAVING_NOTICED, LEAVING_REFUSES, LEAVING_CUT };

struct conn {
    TAILQ_ENTRY(conn) link; /* in live or parked */
    TAILQ_ENTRY(conn) dirty_link;
    struct conn_home *home;
    struct io *io;
    struct io_transport *transport; /* borrowed from io */
    bool secure;                    /* it is TLS */
    struct carrier *carrier;        /* NULL: not yet known (I1) */
    bool speaks_h2;
    size_t greeted; /* bytes that came so far, all like HTTP/2's first ones */
    struct rpc_client client;
    enum conn_state state;
    bool dirty;
    int fd;               /* borrowed from io */
    int64_t since_ns;     /* when this state began */
    int64_t moved_ns;     /* when output last moved, or began to wait */
    uint64_t moved_bytes; /* how much had moved then */
    bool output_waits;
    const struct tls_context *context; /* borrowed from transport; only compared */
    int64_t expires_us;                /* the peer's certificate */
    enum leaving leaving;              /* because of its age */
    int64_t leave_ns;                  /* when that begins; later: when it began */
    uint64_t heard_bytes;              /* so much had come */
    int64_t heard_ns;                  /* at this time */
    bool asked;                        /* for a sign of life since then */
    int64_t asked_ns;
};

static int64_t now_ns(const struct conn *conn)
{
    return conn->home->clock->mono_ns(conn->home->clock);
}

static void enter(struct conn *conn, enum conn_state state)
{
    conn->state = state;
    conn->since_ns = now_ns(conn);
}

static void mark_dirty(struct conn *conn)
{
    if (conn->dirty || conn->state == CONN_DEAD)
        return;
    conn->dirty = true;
    TAILQ_INSERT_TAIL(&conn->home->dirty, conn, dirty_link);
    conn->home->on_turn(conn->home->arg);
}

static void conn_end(struct conn *conn)
{
    struct conn_home *home = conn->home;
    if (conn->state == CONN_DEAD)
        return;
    io_stop(conn->io);
    if (conn->carrier != NULL) {
        carrier_close_streams(conn->carrier); /* I1 */
        struct carrier_state state = carrier_look(conn->carrier);
        home->protocol_errors += state.protocol_errors;
        home->pings += state.pings;
        home->goaways += state.goaways;
        home->stalled += state.stalled;
        --*(conn->speaks_h2 ? &home->speak_h2 : &home->speak_h1);
    }
    struct call_peer *peer = conn->client.peer; /* NULL: the handshake did not end */
    if (peer != NULL && peer->quota != NULL) {
        quota_disconnect(peer->quota);
        peer->quota = NULL; /* calls outlive this */
    }
    home->bytes_in += io_received_bytes(conn->io);
    home->bytes_out += io_sent_bytes(conn->io);
    if (conn->dirty)
        TAILQ_REMOVE(&home->dirty, conn, dirty_link);
    conn->dirty = false;
    TAILQ_REMOVE(&home->live, conn, link);
    home->count--;
    enter(conn, CONN_DEAD);
    TAILQ_INSERT_TAIL(&home->parked, conn, link);
    home->on_turn(home->arg);
}

static void say_goodbye(struct conn *conn)
{
    carrier_close_streams(conn->carrier);
    enter(conn, CONN_CLOSING);
    io_linger(conn->io);
}

/* --- what is spoken --- */

static void on_output(void *arg)
{
    mark_dirty(arg);
}

static void speak_h1(struct conn *conn)
{
    struct conn_home *home = conn->home;
    const struct h1_options options = {
        .events = &rpc_events,
        .arg = &conn->client,
        .on_output = on_output,
        .output_arg = conn,
        .clock = home->clock,
        .header_bytes = home->limits.header_bytes,
        .secure = conn->secure,
    };
    conn->carrier = h1_new(&options);
    home->speak_h1++;
}

static void speak_h2(struct conn *conn)
{
    struct conn_home *home = conn->home;
    const struct h2_options options = {
        .events = &rpc_events,
        .arg = &conn->client,
        .on_output = on_output,
        .output_arg = conn,
        .clock = home->clock,
        .streams = home->limits.streams,
        .header_bytes = home->limits.header_bytes,
        .write_high_bytes = home->limits.write_high_bytes,
    };
    struct h2 *h2 = NULL;
    if (!pl_is_ok(h2_new(&options, &h2)))
        return;
    conn->carrier = h2_carrier(h2);
    conn->speaks_h2 = true;
    home->speak_h2++;
}

/* False: the connection is over. */
static bool speak(struct conn *conn, void (*how)(struct conn *conn))
{
    how(conn);
    if (conn->carrier == NULL) {
        conn_end(conn);
        return false;
    }
    if (conn->home->draining)
        carrier_drain_notice(conn->carrier);
    mark_dirty(conn);
    return true;
}

static void take(struct conn *conn, struct pl_slice bytes)
{
    if (conn->state == CONN_OPEN && !pl_is_ok(carrier_recv(conn->carrier, bytes)))
        conn_end(conn);
}

/* Without TLS nobody has agreed on anything: HTTP/2 begins with "PRI ", which is no verb. */
static void listen_in(struct conn *conn, struct pl_slice bytes)
{
    static const uint8_t preface[] = {'P', 'R', 'I', ' '};
    size_t same = 0;
    while (same < bytes.len && conn->greeted + same < sizeof(preface) &&
           bytes.data[same] == preface[conn->greeted + same])
        same++;
    if (same == bytes.len && conn->greeted + same < sizeof(preface)) {
        conn->greeted += same;
        return;
    }
    bool h2 = conn->greeted + same == sizeof(preface);
    if (!speak(conn, h2 ? speak_h2 : speak_h1))
        return;
    take(conn, pl_slice(preface, conn->greeted));
    take(conn, bytes);
}

/* --- refusing --- */

static void peer_name(const struct conn *conn, char *out, size_t size)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(address);
    char host[64], service[16];
    if (getpeername(conn->fd, (struct sockaddr *)&address, &len) != 0 ||
        address.ss_family == AF_UNIX ||
        getnameinfo((struct sockaddr *)&address, len, host, sizeof(host), service, sizeof(service),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        (void)snprintf(out, size, "%s", address.ss_family == AF_UNIX ? "a unix socket" : "unknown");
    else
        (void)snprintf(out, size, "[%s]:%s", host, service);
}

static void tell_refused(struct conn *conn, const char *why)
{
    struct conn_home *home = conn->home;
    char peer[96];
    if (home->on_refused == NULL)
        return;
    peer_name(conn, peer, sizeof(peer));
    home->on_refused(home->rpc.pool.user, peer, why);
}

static void refuse(struct conn *conn, const char *why)
{
    conn->home->handshake_failures++;
    tell_refused(conn, why);
}

/* What runs gets its last words; they leave with the goodbye. */
static void cut_off(struct conn *conn, enum pl_code code, const char *why)
{
    conn->home->cut_off++;
    tell_refused(conn, why);
    if (conn->state != CONN_OPEN || conn->carrier == NULL) {
        conn_end(conn);
        return;
    }
    carrier_cut(conn->carrier, code);
    carrier_dismiss(conn->carrier, CARRIER_NO_ERROR, why);
    mark_dirty(conn);
}

/* --- who is there --- */

static X509 *certificate_of(const struct conn *conn)
{
    return conn->secure ? tls_peer(conn->transport) : NULL;
}

/* A peer is made when it is identified, not before: the roster may change during a handshake, and
 * who is matched must live in the roster that the peer holds. */
static struct call_peer *identify(const struct conn *conn)
{
    const struct conn_home *home = conn->home;
    struct call_peer *peer = call_peer_new(home->roster);
    X509 *certificate = certificate_of(conn);
    peer->admitted = home->reload;
    if (certificate != NULL)
        call_peer_shows(peer, certificate, tls_chain(conn->transport));
    if (certificate != NULL && peer->roster != NULL) {
        authz_identify(peer->roster, certificate, &peer->match);
        return peer;
    }
    peer->match = (struct authz_match){.person = certificate == NULL ? home->anonymous : NULL};
    (void)snprintf(peer->match.identity, sizeof(peer->match.identity), "anonymous");
    return peer;
}

/* False: this certificate has connections enough. */
static bool take_place(struct conn *conn)
{
    struct conn_home *home = conn->home;
    X509 *certificate = certificate_of(conn);
    uint8_t key[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (home->quota == NULL || certificate == NULL)
        return true;
    if (X509_pubkey_digest(certificate, EVP_sha256(), key, &len) != 1 || len < PL_SHA256_BYTES)
        return false;
    conn->client.peer->quota =
        quota_connect(home->quota, key, home->limits.person_connections, now_ns(conn));
    return conn->client.peer->quota != NULL;
}

/* The context may have changed during the handshake. */
static bool check_context(struct conn *conn)
{
    const char *why = NULL;
    if (!conn->secure)
        return true;
    conn->expires_us = tls_expires_us(conn->transport);
    if (conn->context == conn->home->tls ||
        tls_verify(conn->transport, conn->home->tls, &conn->expires_us, &why))
        return true;
    refuse(conn, why);
    conn->home->refused_certificate++;
    conn_end(conn);
    return false;
}

/* --- events of the loop --- */

static void on_handshake(void *arg)
{
    struct conn *conn = arg;
    if (!check_context(conn))
        return;
    conn->client.peer = identify(conn);
    enter(conn, CONN_OPEN);
    if (conn->secure && !speak(conn, tls_speaks_h2(conn->transport) ? speak_h2 : speak_h1))
        return;
    if (take_place(conn))
        return;
    conn->home->refused_quota++;
    tell_refused(conn, "this certificate has too many connections");
    carrier_dismiss(conn->carrier, CARRIER_CALM_DOWN, "too_many_connections");
}

static void on_bytes(void *arg, struct pl_slice bytes)
{
    struct conn *conn = arg;
    if (conn->state != CONN_OPEN)
        return;
    if (conn->carrier == NULL)
        listen_in(conn, bytes);
    else
        take(conn, bytes);
}

static void on_read_over(void *arg)
{
    struct conn *conn = arg;
    if (conn->state != CONN_OPEN || conn->carrier == NULL)
        return;
    carrier_run(conn->carrier);
    struct carrier_state state = carrier_look(conn->carrier);
    if (state.wants_write || state.over)
        mark_dirty(conn); /* an answer that comes later marks it then */
}

static size_t fill(void *arg, uint8_t *out, size_t room)
{
    struct conn *conn = arg;
    return conn->state == CONN_OPEN && conn->carrier != NULL
               ? carrier_fill(conn->carrier, out, room)
               : 0;
}

static void on_unblocked(void *arg)
{
    mark_dirty(arg); /* conn_flush looks at everything that waited for this */
}

static void on_end(void *arg, struct pl_status status, const char *why)
{
    struct conn *conn = arg;
    (void)status;
    if (conn->state == CONN_HANDSHAKE) {
        if (conn->secure && tls_certificate_refused(conn->transport))
            conn->home->refused_certificate++;
        refuse(conn, why);
    }
    conn_end(conn);
}

static const struct io_events events = {
    .on_handshake = on_handshake,
    .on_bytes = on_bytes,
    .on_read_over = on_read_over,
    .fill = fill,
    .on_unblocked = on_unblocked,
    .on_end = on_end,
};

static struct pl_status make_io(struct conn *conn)
{
    struct conn_home *home = conn->home;
    if (conn->secure) {
        struct pl_status status = tls_new(home->tls, conn->fd, &conn->transport);
        if (!pl_is_ok(status)) {
            (void)close(conn->fd);
            return status;
        }
    } else {
        conn->transport = plain_new(conn->fd);
    }
    const struct io_options options = {.base = home->base,
                                       .fd = conn->fd,
                                       .transport = conn->transport,
                                       .scratch = &home->scratch,
                                       .events = &events,
                                       .arg = conn};
    return io_new(&options, &conn->io);
}

/* Not all who came together go together. INT64_MAX: never. */
static int64_t leave_at(const struct conn *conn)
{
    int64_t age_ns = conn->home->limits.max_age_ms * MS_NS;
    uint32_t random = 0;
    if (age_ns == 0)
        return INT64_MAX;
    pl_rng_bytes(&random, sizeof(random));
    return now_ns(conn) + age_ns / 10 * 9 + age_ns / 5 * (random % 1000) / 999;
}

struct pl_status conn_new(struct conn_home *home, int fd)
{
    struct conn *conn = calloc(1, sizeof(*conn));
    PL_ASSERT(conn != NULL);
    conn->home = home;
    conn->fd = fd;
    conn->secure = home->tls != NULL;
    struct pl_status status = make_io(conn);
    if (!pl_is_ok(status)) {
        free(conn);
        return status;
    }
    conn->client = (struct rpc_client){.rpc = &home->rpc};
    conn->context = home->tls;
    conn->expires_us = INT64_MAX;
    conn->heard_ns = now_ns(conn);
    conn->leave_ns = leave_at(conn);
    enter(conn, CONN_HANDSHAKE);
    TAILQ_INSERT_TAIL(&home->live, conn, link);
    home->count++;
    return pl_ok();
}

/* --- the end of a turn --- */

static bool too_much_unsent(const struct conn *conn)
{
    return io_blocked(conn->io) &&
           carrier_look(conn->carrier).unsent_bytes > conn->home->limits.write_high_bytes;
}

static void conn_flush(struct conn *conn)
{
    if (conn->state != CONN_OPEN || conn->carrier == NULL)
        return;
    io_flush(conn->io);
    if (conn->state != CONN_OPEN)
        return;
    carrier_run(conn->carrier); /* sending may have made room for requests that waited */
    if (!io_blocked(conn->io) && carrier_look(conn->carrier).over) {
        say_goodbye(conn);
        return;
    }
    io_read_pause(conn->io, too_much_unsent(conn)); /* I2 */
}

void conn_flush_dirty(struct conn_home *home)
{
    struct conn *last = TAILQ_LAST(&home->dirty, conn_list);
    /* those that become dirty meanwhile have their next turn: nobody can keep the others waiting */
    for (bool more = last != NULL; more;) {
        struct conn *conn = TAILQ_FIRST(&home->dirty);
        if (conn == NULL)
            return;
        more = conn != last;
        TAILQ_REMOVE(&home->dirty, conn, dirty_link);
        conn->dirty = false;
        conn_flush(conn);
    }
}

static void conn_free(struct conn *conn)
{
    carrier_free(conn->carrier);
    io_free(conn->io);
    call_peer_unref(conn->client.peer);
    free(conn);
}

void conn_free_parked(struct conn_home *home)
{
    while (!TAILQ_EMPTY(&home->parked)) {
        struct conn *conn = TAILQ_FIRST(&home->parked);
        TAILQ_REMOVE(&home->parked, conn, link);
        conn_free(conn);
    }
}

/* --- times --- */

static bool passed(int64_t since_ns, int limit_ms, int64_t now)
{
    return limit_ms > 0 && now - since_ns >= limit_ms * MS_NS;
}

/* Output that waits must move: a peer that asks but does not read gives back what it holds. */
static bool output_stalled(struct conn *conn, const struct carrier_state *state, int64_t now)
{
    bool waits = io_blocked(conn->io) || state->unsent_bytes > 0;
    uint64_t moved = state->body_bytes_sent;
    if (io_blocked(conn->io))
        moved += io_sent_bytes(conn->io);
    if (!waits || !conn->output_waits || moved != conn->moved_bytes) {
        conn->moved_ns = now;
        conn->moved_bytes = moved;
    }
    conn->output_waits = waits;
    return waits && passed(conn->moved_ns, conn->home->limits.write_stall_ms, now);
}

/* Anything that comes is a sign of life, the answer to a ping too. */
static bool fell_silent(struct conn *conn, int64_t now)
{
    const struct net_limits *limits = &conn->home->limits;
    int wait_ms = limits->keepalive_timeout_ms;
    uint64_t bytes = io_received_bytes(conn->io);
    if (bytes != conn->heard_bytes) {
        conn->heard_bytes = bytes;
        conn->heard_ns = now;
        conn->asked = false;
    }
    if (conn->asked)
        return passed(conn->asked_ns, wait_ms != 0 ? wait_ms : KEEPALIVE_TIMEOUT_MS, now);
    if (conn->speaks_h2 && passed(conn->heard_ns, limits->keepalive_ms, now)) {
        carrier_ask(conn->carrier);
        conn->asked = true;
        conn->asked_ns = now;
    }
    return false;
}

static void leave(struct conn *conn)
{
    conn->client.draining = true;
    carrier_drain_notice(conn->carrier);
    carrier_announce(conn->carrier);
}

/* One step of leaving because of its age, if it is due. */
static void grow_old(struct conn *conn, int64_t now)
{
    const struct net_limits *limits = &conn->home->limits;
    switch (conn->leaving) {
    case LEAVING_NOT:
        if (now < conn->leave_ns)
            return;
        conn->leaving = LEAVING_NOTICED;
        conn->leave_ns = now;
        leave(conn);
        return;
    case LEAVING_NOTICED:
        if (!passed(conn->leave_ns, NOTICE_MS, now))
            return;
        conn->leaving = LEAVING_REFUSES;
        carrier_drain(conn->carrier, "max_age");
        return;
    case LEAVING_REFUSES:
        if (!passed(conn->leave_ns, limits->max_age_grace_ms, now))
            return;
        conn->leaving = LEAVING_CUT;
        carrier_cut(conn->carrier, PL_E_UNAVAILABLE);
        carrier_dismiss(conn->carrier, CARRIER_NO_ERROR, "max_age");
        return;
    case LEAVING_CUT:
        return;
    }
}

static int64_t before(int64_t now, int limit_ms)
{
    return limit_ms > 0 ? now - limit_ms * MS_NS : INT64_MIN;
}

static void tick_open(struct conn *conn, int64_t now)
{
    const struct net_limits *limits = &conn->home->limits;
    struct carrier_state state = {.ready = false};
    if (conn->home->clock->wall_us(conn->home->clock) >= conn->expires_us) {
        conn->expires_us = INT64_MAX; /* once */
        cut_off(conn, PL_E_UNAUTHENTICATED, "the certificate has expired");
        return;
    }
    if (conn->carrier != NULL)
        state = carrier_look(conn->carrier);
    if (!state.ready && passed(conn->since_ns, limits->preface_ms, now)) {
        conn_end(conn);
        return;
    }
    if (conn->carrier == NULL)
        return;
    carrier_on_time(conn->carrier, before(now, limits->request_ms),
                    before(now, limits->write_stall_ms));
    state = carrier_look(conn->carrier);
    if (output_stalled(conn, &state, now)) {
        conn->home->stalled++;
        conn_end(conn);
        return;
    }
    if (fell_silent(conn, now)) {
        conn_end(conn);
        return;
    }
    grow_old(conn, now);
    if (state.streams == 0 && passed(state.idle_since_ns, limits->idle_ms, now))
        carrier_dismiss(conn->carrier, CARRIER_NO_ERROR, "max_idle");
    state = carrier_look(conn->carrier);
    if (state.wants_write || state.over)
        mark_dirty(conn);
}

static void tick(struct conn *conn, int64_t now)
{
    switch (conn->state) {
    case CONN_HANDSHAKE:
        if (!passed(conn->since_ns, conn->home->limits.handshake_ms, now))
            return;
        conn->home->refused_slow++;
        refuse(conn, conn->secure ? "the TLS handshake took too long" : "nothing was asked");
        conn_end(conn);
        return;
    case CONN_OPEN:
        tick_open(conn, now);
        return;
    case CONN_CLOSING:
        if (passed(conn->since_ns, GOODBYE_MS, now))
            conn_end(conn);
        return;
    case CONN_DEAD:
        return;
    }
}

static void for_each(struct conn_home *home, void (*act)(struct conn *conn))
{
    struct conn *next;
    for (struct conn *conn = TAILQ_FIRST(&home->live); conn != NULL; conn = next) {
        next = TAILQ_NEXT(conn, link); /* acting may park this one, and no other */
        act(conn);
    }
}

static void tick_one(struct conn *conn)
{
    tick(conn, now_ns(conn));
}

void conn_tick_all(struct conn_home *home)
{
    for_each(home, tick_one);
}

static void notice_one(struct conn *conn)
{
    if (conn->state == CONN_HANDSHAKE || conn->carrier == NULL)
        conn_end(conn);
    if (conn->state != CONN_OPEN)
        return;
    leave(conn);
    mark_dirty(conn);
}

static void drain_one(struct conn *conn)
{
    if (conn->state != CONN_OPEN)
        return;
    carrier_drain(conn->carrier, "");
    mark_dirty(conn);
}

/* Calls that began keep the peer that they began with, and those that last learn when it is
 * outdated; so a peer of whom nothing else is said stays, and with it the roster that knows it. */
static void identify_anew(struct conn *conn)
{
    struct call_peer *was = conn->client.peer, *now = identify(conn);
    if (authz_same(&was->match, &now->match)) {
        was->admitted = now->admitted;
        call_peer_unref(now);
        return;
    }
    conn->client.peer = now;
    now->quota = was->quota;
    was->quota = NULL;
    was->outdated = true;
    if (was->match.person != NULL && now->match.person == NULL)
        cut_off(conn, PL_E_UNAUTHENTICATED, "the roster does not know this certificate any more");
    call_peer_unref(was);
}

static void look_anew(struct conn *conn)
{
    if (conn->state == CONN_OPEN)
        identify_anew(conn);
}

static void verify_anew(struct conn *conn)
{
    const char *why = NULL;
    if (conn->state != CONN_OPEN)
        return; /* who is in the handshake is looked at after it */
    if (conn->secure && !tls_verify(conn->transport, conn->home->tls, &conn->expires_us, &why))
        cut_off(conn, PL_E_UNAUTHENTICATED, why);
    else
        identify_anew(conn);
}

void conn_reload_all(struct conn_home *home, bool verify)
{
    for_each(home, verify ? verify_anew : look_anew);
}

void conn_count_all(const struct conn_home *home, struct net_stats *ret)
{
    const struct conn *conn;
    TAILQ_FOREACH(conn, &home->live, link)
    {
        ret->bytes_in += io_received_bytes(conn->io);
        ret->bytes_out += io_sent_bytes(conn->io);
        if (conn->carrier == NULL)
            continue;
        struct carrier_state state = carrier_look(conn->carrier);
        ret->protocol_errors += state.protocol_errors;
        ret->pings += state.pings;
        ret->goaways += state.goaways;
        ret->stalled += state.stalled;
    }
}

void conn_drain_notice_all(struct conn_home *home)
{
    home->draining = true;
    for_each(home, notice_one);
}

void conn_drain_all(struct conn_home *home)
{
    for_each(home, drain_one);
}

void conn_end_all(struct conn_home *home)
{
    for_each(home, conn_end);
}
