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
#include "server/net/h1.h"
#include "server/net/h2.h"
#include "server/net/plain.h"
#include "server/net/tls.h"

enum { GOODBYE_MS = 1000 };
#define MS_NS 1000000LL

enum conn_state { CONN_HANDSHAKE, CONN_OPEN, CONN_CLOSING, CONN_DEAD };

struct conn {
    TAILQ_ENTRY(conn) link; /* in live or parked */
    TAILQ_ENTRY(conn) dirty_link;
    struct conn_home *home;
    struct io *io;
    struct io_transport *transport; /* borrowed from io */
    bool secure;                    /* it is TLS */
    struct carrier *carrier;        /* NULL: not yet known (I1) */
    size_t greeted;                 /* bytes that came so far, all like HTTP/2's first ones */
    struct rpc_client client;
    enum conn_state state;
    bool dirty;
    int fd;               /* borrowed from io */
    int64_t since_ns;     /* when this state began */
    int64_t moved_ns;     /* when output last moved, or began to wait */
    uint64_t moved_bytes; /* how much had moved then */
    bool output_waits;
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
        home->protocol_errors += carrier_look(conn->carrier).protocol_errors;
    }
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
    if (pl_is_ok(h2_new(&options, &h2)))
        conn->carrier = h2_carrier(h2);
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

/* --- events of the loop --- */

static void identify(struct conn *conn)
{
    struct authz_match *match = &conn->client.peer->match;
    X509 *certificate = conn->secure ? tls_peer(conn->transport) : NULL;
    if (certificate != NULL) {
        authz_identify(conn->home->roster, certificate, match);
        return;
    }
    *match = (struct authz_match){.person = conn->home->anonymous};
    (void)snprintf(match->identity, sizeof(match->identity), "anonymous");
}

static void on_handshake(void *arg)
{
    struct conn *conn = arg;
    identify(conn);
    enter(conn, CONN_OPEN);
    if (conn->secure)
        (void)speak(conn, tls_speaks_h2(conn->transport) ? speak_h2 : speak_h1);
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
    mark_dirty(conn);
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

static void refuse(struct conn *conn, const char *why)
{
    struct conn_home *home = conn->home;
    char peer[96];
    home->handshake_failures++;
    if (home->on_refused == NULL)
        return;
    peer_name(conn, peer, sizeof(peer));
    home->on_refused(home->rpc.pool.user, peer, why);
}

static void on_end(void *arg, struct pl_status status, const char *why)
{
    struct conn *conn = arg;
    (void)status;
    if (conn->state == CONN_HANDSHAKE)
        refuse(conn, why);
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
    conn->client = (struct rpc_client){&home->rpc, call_peer_new()};
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

static void tick_open(struct conn *conn, int64_t now)
{
    const struct net_limits *limits = &conn->home->limits;
    struct carrier_state state = {.ready = false};
    if (conn->carrier != NULL)
        state = carrier_look(conn->carrier);
    if (!state.ready && passed(conn->since_ns, limits->preface_ms, now)) {
        conn_end(conn);
        return;
    }
    if (conn->carrier == NULL)
        return;
    if (output_stalled(conn, &state, now)) {
        conn_end(conn);
        return;
    }
    carrier_on_time(conn->carrier,
                    limits->request_ms > 0 ? now - limits->request_ms * MS_NS : INT64_MIN);
    if (state.streams == 0 && passed(state.idle_since_ns, limits->idle_ms, now))
        carrier_dismiss(conn->carrier, CARRIER_NO_ERROR, "max_idle");
    state = carrier_look(conn->carrier);
    if (state.wants_write || state.over)
        mark_dirty(conn);
}

void conn_tick(struct conn *conn, int64_t now)
{
    switch (conn->state) {
    case CONN_HANDSHAKE:
        if (!passed(conn->since_ns, conn->home->limits.handshake_ms, now))
            return;
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
    conn_tick(conn, now_ns(conn));
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
    carrier_drain_notice(conn->carrier);
    mark_dirty(conn);
}

static void drain_one(struct conn *conn)
{
    if (conn->state != CONN_OPEN)
        return;
    carrier_drain(conn->carrier, "");
    mark_dirty(conn);
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
