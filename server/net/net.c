/* SPDX-License-Identifier: Apache-2.0
 *
 * net: see net.h. Joins listener and connections, and ends their turns.
 *
 * The end of a turn is an event that the first to need it makes active by hand. It has the priority
 * of the sockets' events, so it runs behind all those that were ready in this turn, and one
 * connection's replies leave in one write; a lower priority would let it starve while sockets are
 * never all quiet. Whoever needs a turn's end during one gets the next turn's.
 */
#include "server/net/net.h"

#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/check.h"
#include "server/net/conn.h"
#include "server/net/listener.h"
#include "server/net/tls.h"

enum {
    DRAIN_NOTICE_MS =
        100, /* more than a round trip: requests already on their way are still taken */
    TICK_MIN_MS = 5,
    TICK_MAX_MS = 1000,
    TICKS_IN_A_LIMIT = 4,
};

struct net {
    struct conn_home home;
    struct listener *listener; /* NULL once draining */
    struct event *turn, *tick, *drain, *deadline;
    bool turn_due, in_turn;
    uint64_t accepted;
};

/* --- turns --- */

static void turn_soon(void *arg)
{
    struct net *net = arg;
    struct timeval now = {0, 0};
    if (net->turn_due)
        return;
    net->turn_due = true;
    if (net->in_turn)
        (void)event_add(net->turn, &now);
    else
        event_active(net->turn, EV_TIMEOUT, 0);
}

static void make_room(struct net *net)
{
    if (net->listener != NULL && net->home.count < net->home.limits.connections)
        listener_resume(net->listener);
}

static void turn_over(evutil_socket_t fd, short what, void *arg)
{
    struct net *net = arg;
    (void)fd;
    (void)what;
    net->turn_due = false;
    net->in_turn = true;
    call_pool_run_woken(&net->home.rpc.pool);
    conn_flush_dirty(&net->home);
    if (!TAILQ_EMPTY(&net->home.parked)) {
        conn_free_parked(&net->home);
        make_room(net);
    }
    net->in_turn = false;
}

/* Nothing is left for it: it would be one more look at all sockets. */
static void spare_turn(struct net *net)
{
    const struct conn_home *home = &net->home;
    if (!net->turn_due || !TAILQ_EMPTY(&home->dirty) || !TAILQ_EMPTY(&home->parked) ||
        !TAILQ_EMPTY(&home->rpc.pool.woken))
        return;
    (void)event_del(net->turn);
    net->turn_due = false;
}

void net_flush(struct net *net)
{
    if (net->in_turn)
        return;
    conn_flush_dirty(&net->home);
    spare_turn(net);
}

/* --- connections come --- */

static bool on_accept(void *arg, int fd)
{
    struct net *net = arg;
    net->accepted++;
    if (!pl_is_ok(conn_new(&net->home, fd)))
        net->home.handshake_failures++;
    return net->home.count < net->home.limits.connections;
}

static void tick(evutil_socket_t fd, short what, void *arg)
{
    struct net *net = arg;
    (void)fd;
    (void)what;
    conn_tick_all(&net->home);
    call_pool_expire(&net->home.rpc.pool);
}

/* The timer stands at what was the earliest deadline; it may find that this one is over. */
static void deadline_at(void *arg, int64_t at_ns)
{
    struct net *net = arg;
    int64_t wait_us = (at_ns - net->home.clock->mono_ns(net->home.clock)) / 1000 + 1;
    if (wait_us < 1)
        wait_us = 1;
    struct timeval wait = {wait_us / 1000000, wait_us % 1000000};
    (void)event_add(net->deadline, &wait);
}

static void deadline(evutil_socket_t fd, short what, void *arg)
{
    struct net *net = arg;
    (void)fd;
    (void)what;
    net->home.rpc.pool.timer_ns = INT64_MAX;
    call_pool_expire(&net->home.rpc.pool);
}

static int tick_ms(const struct net_limits *limits)
{
    const int times[] = {limits->handshake_ms, limits->preface_ms,          limits->idle_ms,
                         limits->request_ms,   limits->write_stall_ms,      limits->max_age_ms,
                         limits->keepalive_ms, limits->keepalive_timeout_ms};
    int least = TICK_MAX_MS * TICKS_IN_A_LIMIT;
    for (size_t i = 0; i < PL_COUNT(times); i++) {
        if (times[i] > 0 && times[i] < least)
            least = times[i];
    }
    least /= TICKS_IN_A_LIMIT;
    return least < TICK_MIN_MS ? TICK_MIN_MS : least;
}

/* --- making and ending --- */

static size_t or_default(size_t given, size_t otherwise)
{
    return given != 0 ? given : otherwise;
}

static struct net_limits complete(const struct net_limits *given)
{
    struct net_limits limits = *given;
    limits.connections = or_default(given->connections, 1024);
    limits.streams = or_default(given->streams, 256);
    limits.request_bytes = or_default(given->request_bytes, 256ul << 10);
    limits.header_bytes = or_default(given->header_bytes, 16ul << 10);
    limits.arena_bytes = or_default(given->arena_bytes, 1ul << 20);
    limits.calls = or_default(given->calls, 1024);
    limits.write_high_bytes = or_default(given->write_high_bytes, 256ul << 10);
    limits.watchers = or_default(given->watchers, 4096);
    limits.body_bytes = or_default(given->body_bytes, 64ul << 20);
    return limits;
}

static void set_limits(struct net *net, const struct net_limits *given)
{
    struct net_limits limits = complete(given);
    struct rpc *rpc = &net->home.rpc;
    net->home.limits = limits;
    rpc->pool.running_max = limits.calls;
    rpc->pool.watching_max = limits.watchers;
    rpc->pool.body_bytes_max = limits.body_bytes;
    rpc->pool.arena_bytes = limits.arena_bytes;
    rpc->request_bytes = limits.request_bytes;
    rpc->person_requests_per_s = limits.person_requests_per_s;
    rpc->person_burst = limits.person_burst;
}

static void prepare(struct net *net, const struct net_options *options)
{
    struct conn_home *home = &net->home;
    TAILQ_INIT(&home->live);
    TAILQ_INIT(&home->dirty);
    TAILQ_INIT(&home->parked);
    home->base = options->base;
    home->tls = options->tls == NULL ? NULL : tls_context_ref(options->tls);
    home->anonymous = options->anonymous;
    home->roster = authz_roster_ref(options->roster);
    home->quota = options->quota;
    home->clock = options->clock;
    home->on_turn = turn_soon;
    home->arg = net;
    home->on_refused = options->on_refused;
    struct rpc *rpc = &home->rpc;
    call_pool_init(&rpc->pool);
    set_limits(net, &options->limits);
    rpc->pool.user = options->user;
    rpc->pool.on_wake = turn_soon;
    rpc->pool.on_done = options->on_done;
    rpc->pool.on_deadline = deadline_at;
    rpc->pool.clock = options->clock;
    rpc->pool.arg = net;
    rpc->methods = options->methods;
    rpc->method_count = options->method_count;
    rpc->get_only = options->get_only;
    rpc->resources = options->resources;
    rpc->resource_count = options->resource_count;
    rpc->clock = options->clock;
}

static bool start_ticks(struct net *net)
{
    int ms = tick_ms(&net->home.limits);
    struct timeval interval = {ms / 1000, ms % 1000 * 1000L};
    return event_add(net->tick, &interval) == 0;
}

static void drain_now(evutil_socket_t fd, short what, void *arg)
{
    struct net *net = arg;
    (void)fd;
    (void)what;
    conn_drain_all(&net->home);
}

struct pl_status net_new(const struct net_options *options, struct net **ret)
{
    struct net *net = calloc(1, sizeof(*net));
    PL_ASSERT(net != NULL);
    prepare(net, options);
    net->turn = event_new(options->base, -1, 0, turn_over, net);
    net->tick = event_new(options->base, -1, EV_PERSIST, tick, net);
    net->drain = event_new(options->base, -1, 0, drain_now, net);
    net->deadline = event_new(options->base, -1, 0, deadline, net);
    PL_ASSERT(net->turn != NULL && net->tick != NULL && net->drain != NULL);
    PL_ASSERT(net->deadline != NULL);
    const struct listener_options listen = {
        .base = options->base, .fd = options->listen_fd, .on_accept = on_accept, .arg = net};
    struct pl_status status = pl_ok();
    if (!start_ticks(net))
        status = pl_fail(UNAVAILABLE, "start a timer");
    if (pl_is_ok(status)) /* last: it takes the socket */
        status = listener_new(&listen, &net->listener);
    if (!pl_is_ok(status)) {
        net_free(net);
        return status;
    }
    *ret = net;
    return pl_ok();
}

void net_reload(struct net *net, const struct net_reload *reload)
{
    struct conn_home *home = &net->home;
    PL_ASSERT(!net->in_turn && (reload->tls == NULL || home->tls != NULL));
    home->reload = reload->number;
    if (reload->limits != NULL) {
        set_limits(net, reload->limits);
        (void)start_ticks(net); /* if that fails, the old ones go on */
        make_room(net);
    }
    if (reload->tls != NULL) {
        tls_context_unref(home->tls);
        home->tls = tls_context_ref(reload->tls);
    }
    if (reload->roster != NULL) {
        authz_roster_unref(home->roster);
        home->roster = authz_roster_ref(reload->roster);
    }
    if (reload->tls != NULL || reload->roster != NULL)
        conn_reload_all(home, reload->tls != NULL);
}

void net_drain(struct net *net)
{
    struct timeval notice = {0, DRAIN_NOTICE_MS * 1000L};
    if (net->home.draining)
        return;
    listener_free(net->listener);
    net->listener = NULL;
    conn_drain_notice_all(&net->home);
    (void)event_add(net->drain, &notice);
}

bool net_idle(const struct net *net)
{
    return net->home.count == 0;
}

void net_close_all(struct net *net)
{
    PL_ASSERT(!net->in_turn);
    conn_end_all(&net->home);
    call_pool_run_woken(&net->home.rpc.pool); /* streams learn that their peers are gone */
    conn_free_parked(&net->home);
}

void net_free(struct net *net)
{
    if (net == NULL)
        return;
    PL_ASSERT(TAILQ_EMPTY(&net->home.live));
    conn_free_parked(&net->home);
    listener_free(net->listener);
    event_free(net->turn);
    event_free(net->tick);
    event_free(net->drain);
    event_free(net->deadline);
    call_pool_fini(&net->home.rpc.pool);
    authz_roster_unref(net->home.roster);
    tls_context_unref(net->home.tls);
    free(net);
}

void net_get_stats(const struct net *net, struct net_stats *ret)
{
    const struct conn_home *home = &net->home;
    *ret = (struct net_stats){
        .accepted = net->accepted,
        .connections = home->count,
        .handshake_failures = home->handshake_failures,
        .requests = home->rpc.requests,
        .refused_busy = home->rpc.pool.told_busy,
        .protocol_errors = home->protocol_errors,
        .connections_h1 = home->speak_h1,
        .connections_h2 = home->speak_h2,
        .running_calls = home->rpc.pool.running,
        .running_watchers = home->rpc.pool.watching,
        .bytes_in = home->bytes_in,
        .bytes_out = home->bytes_out,
        .pings = home->pings,
        .goaways = home->goaways,
        .refused_certificate = home->refused_certificate,
        .refused_slow = home->refused_slow,
        .refused_quota = home->refused_quota,
        .requests_over_quota = home->rpc.over_quota,
        .cut_off = home->cut_off,
        .stalled = home->stalled,
    };
    conn_count_all(home, ret);
}
