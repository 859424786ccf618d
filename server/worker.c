/* SPDX-License-Identifier: Apache-2.0
 *
 * worker: see worker.h. The thread ends when it was told to drain, no connection is left (or the
 * drain time is over) and every command has come home.
 */
#include "server/worker.h"

#include <event2/event.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/check.h"
#include "common/log.h"
#include "server/health.h"
#include "server/limits.h"
#include "server/page.h"
#include "server/proofs.h"
#include "server/reflection.h"
#include "server/tiles.h"

enum { DRAIN_LOOK_MS = 20 };

struct worker {
    pthread_t thread;
    struct worker_options options;
    struct event_base *base;
    struct net *net;
    struct service service;
    struct health *health;
    struct reflection *reflection;
    struct proofs *proofs;
    struct net_resource *resources; /* all tables in one */
    struct net_method *methods;     /* all tables in one */
    struct pl_mailbox *home;
    struct pl_mailbox *orders;
    struct pl_mail drain_order;
    _Atomic int64_t beat_ns; /* of the last second's look around */
    struct event *on_home, *on_order, *on_bell, *rested, *second, *parcel, *drain_timer;
    int64_t drain_until_ns; /* 0: not draining */
    bool closed;            /* connections were ended by force */
};

static void home_event(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd;
    (void)what;
    struct pl_mail *mail = pl_mailbox_take(worker->home);
    while (mail != NULL) {
        struct pl_mail *next = mail->next; /* the answer frees the command */
        service_finish(&worker->service, (struct command *)mail);
        mail = next;
    }
    net_flush(worker->net);
}

static void on_parcel(void *arg)
{
    struct worker *worker = arg;
    event_active(worker->parcel, EV_TIMEOUT, 0);
}

static bool try_at_once(void *arg, struct command *command)
{
    struct worker *worker = arg;
    return helm_try(worker->options.helm, command);
}

/* Behind the sockets that were found readable together. */
static void parcel_event(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd;
    (void)what;
    service_end_turn(&worker->service);
    if (!pl_mailbox_empty(worker->home)) /* spares a look at all sockets */
        home_event(fd, what, arg);
}

static void bell_event(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd;
    (void)what;
    int64_t rest_ns = watch_look(worker->service.watch);
    if (rest_ns > 0) {
        const int64_t rest_us = rest_ns / 1000 + 1;
        const struct timeval rest = {rest_us / 1000000, rest_us % 1000000};
        (void)event_add(worker->rested, &rest);
    }
    net_flush(worker->net);
    watch_rest(worker->service.watch);
}

static void second_event(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd;
    (void)what;
    struct net_stats net;
    struct watch_stats watch;
    struct pl_clock *clock = worker->options.net.clock;
    atomic_store_explicit(&worker->beat_ns, clock->mono_ns(clock), memory_order_relaxed);
    watch_tick(worker->service.watch);
    net_flush(worker->net);
    watch_rest(worker->service.watch);
    net_get_stats(worker->net, &net);
    watch_get_stats(worker->service.watch, &watch);
    metrics_worker(worker->options.metrics, worker->options.index, &net, &watch);
}

/* With whose call it was at debug alone: who reads the log for months need not learn it. */
static void log_call(const struct worker *worker, const char *path, const struct net_person *person,
                     enum pl_code code, int64_t took_ns)
{
    unsigned index = worker->service.index;
    if (pl_log_enabled(PL_LOG_DEBUG))
        pl_log_debug("access", "call", "method=%s code=%s us=%" PRId64 " worker=%u person=%s", path,
                     pl_code_name(code), took_ns / 1000, index,
                     person != NULL ? PL_QUOTED(person->person) : "none");
    else if (worker->options.access_log)
        pl_log_info("access", "call", "method=%s code=%s us=%" PRId64 " worker=%u", path,
                    pl_code_name(code), took_ns / 1000, index);
}

static void on_done(void *user, const struct net_method *method, const struct net_person *person,
                    enum pl_code code, int64_t took_ns)
{
    const struct service *service = user;
    const struct worker *worker =
        (const struct worker *)(const void *)((const char *)user -
                                              offsetof(struct worker, service));
    metrics_request(service->metrics, service->index, method, code, took_ns);
    log_call(worker, method != NULL ? method->path : "resource", person, code, took_ns);
}

static void on_refused(void *user, const char *peer, const char *why)
{
    (void)user;
    pl_log_info("net", "a connection was refused", "peer=%s why=%s", PL_QUOTED(peer),
                PL_QUOTED(why));
}

static void drain_look(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd;
    (void)what;
    struct pl_clock *clock = worker->options.net.clock;
    if (!worker->closed &&
        (net_idle(worker->net) || clock->mono_ns(clock) >= worker->drain_until_ns)) {
        worker->closed = true;
        net_close_all(worker->net);
    }
    if (worker->closed && worker->service.outstanding == 0 && proofs_idle(worker->proofs))
        (void)event_base_loopbreak(worker->base);
}

static void drain(struct worker *worker)
{
    struct pl_clock *clock = worker->options.net.clock;
    worker->drain_until_ns = clock->mono_ns(clock) + LIMIT_DRAIN_MS * 1000000LL;
    worker->service.draining = true;
    health_look(worker->health); /* before anybody is told to go */
    net_drain(worker->net);
    struct timeval every = {0, DRAIN_LOOK_MS * 1000L};
    (void)event_add(worker->drain_timer, &every);
}

static void reload(struct worker *worker, struct worker_reload *order)
{
    net_reload(worker->net, &order->net);
    worker->options.access_log = order->access_log;
    bool posted = pl_mailbox_post(order->home, &order->mail);
    PL_ASSERT(posted); /* no limit there */
}

static void order_event(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd;
    (void)what;
    struct pl_mail *mail = pl_mailbox_take(worker->orders);
    while (mail != NULL) {
        struct pl_mail *next = mail->next;
        if (mail == &worker->drain_order)
            drain(worker);
        else
            reload(worker, (struct worker_reload *)mail);
        mail = next;
    }
}

static void *run(void *arg)
{
    struct worker *worker = arg;
    char name[16]; /* what the kernel keeps of it */
    (void)snprintf(name, sizeof(name), "worker %u", worker->options.index);
    (void)pthread_setname_np(pthread_self(), name);
    (void)event_base_dispatch(worker->base);
    return NULL;
}

static void worker_free(struct worker *worker)
{
    if (worker->net != NULL) {
        net_close_all(worker->net);
        net_free(worker->net);
    } else if (worker->options.net.listen_fd >= 0) {
        (void)close(worker->options.net.listen_fd);
    }
    if (worker->on_home != NULL)
        event_free(worker->on_home);
    if (worker->on_order != NULL)
        event_free(worker->on_order);
    if (worker->on_bell != NULL)
        event_free(worker->on_bell);
    if (worker->rested != NULL)
        event_free(worker->rested);
    if (worker->second != NULL)
        event_free(worker->second);
    if (worker->parcel != NULL)
        event_free(worker->parcel);
    if (worker->drain_timer != NULL)
        event_free(worker->drain_timer);
    health_free(worker->health);
    reflection_free(worker->reflection);
    proofs_free(worker->proofs);
    free(worker->methods);
    free(worker->resources);
    if (worker->base != NULL)
        event_base_free(worker->base);
    service_fini(&worker->service);
    pl_mailbox_free(worker->home);
    if (worker->orders != NULL)
        (void)pl_mailbox_take(worker->orders); /* a reload that came too late */
    pl_mailbox_free(worker->orders);
    free(worker);
}

/* Each base belongs to one thread: libevent needs no lock. */
static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    PL_ASSERT(config != NULL);
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    PL_ASSERT(base != NULL);
    int failed = event_base_priority_init(base, 3);
    PL_ASSERT(failed == 0);
    return base;
}

/* Every service has a table; net wants one. */
static size_t join_methods(struct net_method **ret)
{
    const struct {
        const struct net_method *method;
        size_t count;
    } tables[] = {
        {service_methods, service_method_count},
        {health_methods, health_method_count},
        {reflection_methods, reflection_method_count},
        {proofs_methods, proofs_method_count},
    };
    size_t count = 0;
    for (size_t i = 0; i < PL_COUNT(tables); i++)
        count += tables[i].count;
    struct net_method *all = calloc(count, sizeof(*all)), *next = all;
    PL_ASSERT(all != NULL);
    for (size_t i = 0; i < PL_COUNT(tables); next += tables[i++].count)
        memcpy(next, tables[i].method, tables[i].count * sizeof(*all));
    *ret = all;
    return count;
}

/* The same table for everybody, so that numbers mean the same; most of it is for nobody here. */
static void make_public(struct worker *worker)
{
    static const struct net_person anybody = {"public", PLEDGED__V1__ROLE__ROLE_PUBLIC};
    static const char *const open[] = {"/pledged.v1.LedgerService/ListTiers",
                                       "/pledged.v1.LedgerService/GetTier"};
    for (size_t i = 0; i < worker->options.net.method_count; i++) {
        bool is_open = false;
        for (size_t k = 0; k < PL_COUNT(open); k++)
            is_open = is_open || strcmp(worker->methods[i].path, open[k]) == 0;
        if (!is_open)
            worker->methods[i].roles = 0;
    }
    worker->options.net.anonymous = &anybody;
    worker->options.net.get_only = true;
}

static size_t join_resources(struct net_resource **ret)
{
    size_t count = page_resource_count + tiles_resource_count;
    *ret = calloc(count, sizeof(**ret));
    PL_ASSERT(*ret != NULL);
    memcpy(*ret, page_resources, page_resource_count * sizeof(**ret));
    memcpy(*ret + page_resource_count, tiles_resources, tiles_resource_count * sizeof(**ret));
    return count;
}

static struct pl_status make_proofs(struct worker *worker)
{
    const struct proofs_options options = {.base = worker->base,
                                           .notary = worker->options.notary,
                                           .witness = worker->options.witness,
                                           .reader = worker->options.index,
                                           .store = worker->options.store,
                                           .clock = worker->options.net.clock};
    PL_TRY(proofs_new(&options, &worker->proofs));
    worker->service.proofs = worker->proofs;
    return pl_ok();
}

static void make_events(struct worker *worker)
{
    worker->base = base_new();
    worker->on_home = event_new(worker->base, pl_mailbox_fd(worker->home), EV_READ | EV_PERSIST,
                                home_event, worker);
    worker->on_order = event_new(worker->base, pl_mailbox_fd(worker->orders), EV_READ | EV_PERSIST,
                                 order_event, worker);
    worker->drain_timer = event_new(worker->base, -1, EV_PERSIST, drain_look, worker);
    worker->on_bell = event_new(worker->base, pl_bell_fd(worker->options.bell),
                                EV_READ | EV_PERSIST, bell_event, worker);
    worker->rested = event_new(worker->base, -1, 0, bell_event, worker);
    worker->second = event_new(worker->base, -1, EV_PERSIST, second_event, worker);
    worker->parcel = event_new(worker->base, -1, 0, parcel_event, worker);
    PL_ASSERT(worker->on_home != NULL && worker->on_order != NULL && worker->on_bell != NULL &&
              worker->parcel != NULL && worker->rested != NULL && worker->second != NULL &&
              worker->drain_timer != NULL);
    (void)event_priority_set(worker->on_home, 0);
    (void)event_add(worker->on_home, NULL);
    (void)event_add(worker->on_order, NULL);
    (void)event_add(worker->on_bell, NULL);
    const struct timeval second = {1, 0};
    (void)event_add(worker->second, &second);
}

static void make_service(struct worker *worker)
{
    worker->service = (struct service){
        .inbox = worker->options.inbox,
        .home = worker->home,
        .registrar = worker->options.registrar,
        .slot = worker->options.slot,
        .bell = worker->options.bell,
        .store = worker->options.store,
        .clock = worker->options.net.clock,
        .about = worker->options.about,
        .metrics = worker->options.metrics,
        .index = worker->options.index,
        .on_parcel = on_parcel,
        .try_at_once = worker->options.helm != NULL ? try_at_once : NULL,
        .arg = worker,
    };
    service_init(&worker->service);
    worker->health = health_new(worker->base, &worker->service);
    worker->reflection = reflection_new();
    worker->service.health = worker->health;
    worker->service.reflection = worker->reflection;
}

static struct pl_status prepare(struct worker *worker)
{
    PL_TRY(pl_mailbox_new(0, &worker->home)); /* bounded by the calls limit of this worker */
    PL_TRY(pl_mailbox_new(4, &worker->orders));
    make_events(worker);
    make_service(worker);
    PL_TRY(make_proofs(worker));
    struct net_options *net = &worker->options.net;
    net->base = worker->base;
    net->method_count = join_methods(&worker->methods);
    net->methods = worker->methods;
    net->resource_count = join_resources(&worker->resources);
    net->resources = worker->resources;
    net->user = &worker->service;
    net->on_done = on_done;
    net->on_refused = on_refused;
    if (worker->options.is_public)
        make_public(worker);
    metrics_methods(worker->options.metrics, worker->options.index, worker->methods,
                    net->method_count);
    PL_TRY(net_new(net, &worker->net));
    net->listen_fd = -1;
    atomic_store_explicit(&worker->beat_ns, net->clock->mono_ns(net->clock), memory_order_relaxed);
    return pl_ok();
}

struct pl_status worker_start(const struct worker_options *options, struct worker **ret)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    PL_ASSERT(worker != NULL);
    worker->options = *options;
    struct pl_status status = prepare(worker);
    if (pl_is_ok(status) && pthread_create(&worker->thread, NULL, run, worker) != 0)
        status = pl_fail(UNAVAILABLE, "start a worker thread");
    if (!pl_is_ok(status)) {
        worker_free(worker);
        return status;
    }
    *ret = worker;
    return pl_ok();
}

void worker_drain(struct worker *worker)
{
    bool posted = pl_mailbox_post(worker->orders, &worker->drain_order);
    PL_ASSERT(posted);
}

void worker_reload(struct worker *worker, struct worker_reload *order)
{
    bool posted = pl_mailbox_post(worker->orders, &order->mail);
    PL_ASSERT(posted); /* one reload at a time, one drain */
}

int64_t worker_beat_ns(const struct worker *worker)
{
    return atomic_load_explicit(&worker->beat_ns, memory_order_relaxed);
}

void worker_join(struct worker *worker)
{
    int failed = pthread_join(worker->thread, NULL);
    PL_ASSERT(failed == 0);
    worker_free(worker);
}
