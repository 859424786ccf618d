/* SPDX-License-Identifier: Apache-2.0
 *
 * conn: see conn.h.
 *
 * I1: h2 exists exactly from the handshake's end on; its streams end before the connection is
 * parked, so no call can reach a dead connection. I2: reading stops only while the socket itself
 * takes no more: a peer whose flow-control window is shut must still be able to open it.
 */
#include "server/net/conn.h"

#include <netdb.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/check.h"

enum { GOODBYE_MS = 1000 };
#define MS_NS 1000000LL

enum conn_state { CONN_HANDSHAKE, CONN_OPEN, CONN_CLOSING, CONN_DEAD };

struct conn {
    TAILQ_ENTRY(conn) link; /* in live or parked */
    TAILQ_ENTRY(conn) dirty_link;
    struct conn_home *home;
    struct tls_io *io;
    struct h2 *h2;
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
    tls_io_stop(conn->io);
    if (conn->h2 != NULL) {
        h2_close_streams(conn->h2); /* I1 */
        home->protocol_errors += h2_protocol_errors(conn->h2);
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
    h2_close_streams(conn->h2);
    enter(conn, CONN_CLOSING);
    tls_io_linger(conn->io);
}

/* --- events of the TLS loop --- */

static void on_output(void *arg)
{
    mark_dirty(arg);
}

static void on_handshake(void *arg)
{
    struct conn *conn = arg;
    struct conn_home *home = conn->home;
    authz_identify(home->roster, tls_io_peer(conn->io), &conn->client.peer->match);
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
    if (!pl_is_ok(h2_new(&options, &conn->h2))) {
        conn_end(conn);
        return;
    }
    enter(conn, CONN_OPEN);
    if (home->draining)
        h2_drain_notice(conn->h2);
    mark_dirty(conn);
}

static void on_bytes(void *arg, struct pl_slice bytes)
{
    struct conn *conn = arg;
    if (conn->state == CONN_OPEN && !pl_is_ok(h2_recv(conn->h2, bytes)))
        conn_end(conn);
}

static void on_read_over(void *arg)
{
    struct conn *conn = arg;
    h2_run(conn->h2);
    mark_dirty(conn);
}

static size_t fill(void *arg, uint8_t *out, size_t room)
{
    struct conn *conn = arg;
    return conn->state == CONN_OPEN ? h2_fill(conn->h2, out, room) : 0;
}

static void on_unblocked(void *arg)
{
    mark_dirty(arg); /* conn_flush looks at everything that waited for this */
}

static void peer_name(const struct conn *conn, char *out, size_t size)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    char host[64], service[16];
    if (getpeername(conn->fd, (struct sockaddr *)&address, &len) != 0 ||
        getnameinfo((struct sockaddr *)&address, len, host, sizeof(host), service, sizeof(service),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        (void)snprintf(out, size, "unknown");
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

static const struct tls_io_events events = {
    .on_handshake = on_handshake,
    .on_bytes = on_bytes,
    .on_read_over = on_read_over,
    .fill = fill,
    .on_unblocked = on_unblocked,
    .on_end = on_end,
};

struct pl_status conn_new(struct conn_home *home, int fd)
{
    struct conn *conn = calloc(1, sizeof(*conn));
    PL_ASSERT(conn != NULL);
    const struct tls_io_options options = {.base = home->base,
                                           .fd = fd,
                                           .context = home->tls,
                                           .scratch = &home->scratch,
                                           .events = &events,
                                           .arg = conn};
    struct pl_status status = tls_io_new(&options, &conn->io);
    if (!pl_is_ok(status)) {
        free(conn);
        return status;
    }
    conn->home = home;
    conn->fd = fd;
    conn->client = (struct rpc_client){&home->rpc, call_peer_new()};
    enter(conn, CONN_HANDSHAKE);
    TAILQ_INSERT_TAIL(&home->live, conn, link);
    home->count++;
    return pl_ok();
}

/* --- the end of a turn --- */

static bool too_much_unsent(const struct conn *conn)
{
    return tls_io_blocked(conn->io) &&
           h2_unsent_bytes(conn->h2) > conn->home->limits.write_high_bytes;
}

static void conn_flush(struct conn *conn)
{
    if (conn->state != CONN_OPEN)
        return;
    tls_io_flush(conn->io);
    if (conn->state != CONN_OPEN)
        return;
    h2_run(conn->h2); /* sending may have made room for requests that waited */
    if (h2_over(conn->h2) && !tls_io_blocked(conn->io)) {
        say_goodbye(conn);
        return;
    }
    tls_io_read_pause(conn->io, too_much_unsent(conn)); /* I2 */
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
    h2_free(conn->h2);
    tls_io_free(conn->io);
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
static bool output_stalled(struct conn *conn, int64_t now)
{
    bool waits = tls_io_blocked(conn->io) || h2_unsent_bytes(conn->h2) > 0;
    uint64_t moved = h2_body_bytes_sent(conn->h2);
    if (tls_io_blocked(conn->io))
        moved += tls_io_sent_bytes(conn->io);
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
    if (!h2_ready(conn->h2) && passed(conn->since_ns, limits->preface_ms, now)) {
        conn_end(conn);
        return;
    }
    if (output_stalled(conn, now)) {
        conn_end(conn);
        return;
    }
    if (limits->request_ms > 0)
        h2_look_for_late(conn->h2, now - limits->request_ms * MS_NS);
    h2_end_early(conn->h2);
    if (h2_stream_count(conn->h2) == 0 && passed(h2_idle_since_ns(conn->h2), limits->idle_ms, now))
        h2_dismiss(conn->h2, NGHTTP2_NO_ERROR, "max_idle");
    if (h2_wants_write(conn->h2))
        mark_dirty(conn);
}

void conn_tick(struct conn *conn, int64_t now)
{
    switch (conn->state) {
    case CONN_HANDSHAKE:
        if (!passed(conn->since_ns, conn->home->limits.handshake_ms, now))
            return;
        refuse(conn, "the TLS handshake took too long");
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
    if (conn->state == CONN_HANDSHAKE)
        conn_end(conn);
    if (conn->state != CONN_OPEN)
        return;
    h2_drain_notice(conn->h2);
    mark_dirty(conn);
}

static void drain_one(struct conn *conn)
{
    if (conn->state != CONN_OPEN)
        return;
    h2_drain(conn->h2);
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
