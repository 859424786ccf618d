/* SPDX-License-Identifier: Apache-2.0
 *
 * front: see front.h.
 */
#include "tests/sim/front.h"

#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>

#include "common/check.h"
#include "server/limits.h"
#include "server/notary.h"
#include "server/proofs.h"
#include "server/registrar.h"
#include "server/reload.h"
#include "server/service.h"
#include "server/tiles.h"
#include "tests/sim/errand.h"
#include "tests/sim/operator.h"
#include "tests/sim/wire.h"

enum { COMMANDS_MAX = 256, DRAIN_LOOK_MS = 20, MAIN_THREAD = 0 };

struct worker { /* as server/reload knows one; what server/worker keeps for its thread */
    struct front *front;
    struct net *net;
    struct service service;
    struct pl_mailbox *home;
    struct event *on_home, *on_order, *on_bell, *rested, *second, *parcel, *drain_timer;
    struct worker_reload *order; /* borrowed; NULL: none has come */
    struct proofs *proofs;       /* NULL: there is no notary */
    struct net_method *methods;  /* owns */
    uint64_t version;            /* of the operator's file */
    bool drain_ordered, closed, ended;
    int64_t drain_until_ns;
};
struct front {
    struct pl_clock *clock;
    struct pl_mailbox *inbox; /* borrowed */
    struct worker worker[FRONT_DOORS], *workers[FRONT_DOORS];
    struct reload *reload;
    struct command *command[COMMANDS_MAX]; /* at the writer; borrowed from their calls */
    size_t commands;
    bool draining;
};

static struct front *current; /* whose commands are on their way */

bool __real_pl_mailbox_post(struct pl_mailbox *mailbox, struct pl_mail *mail);
bool __wrap_pl_mailbox_post(struct pl_mailbox *mailbox, struct pl_mail *mail);
bool __real_pl_parcel_add(struct pl_parcel *parcel, struct pl_mailbox *box, struct pl_mail *mail);
bool __wrap_pl_parcel_add(struct pl_parcel *parcel, struct pl_mailbox *box, struct pl_mail *mail);
bool __real_registrar_post(struct registrar *registrar, struct command *command);
bool __wrap_registrar_post(struct registrar *registrar, struct command *command);

static bool (*reload_says)(void *arg, const struct command *command);

/* What the world itself asks, to compare, came by no door. */
static bool may_act(void *arg, const struct command *command)
{
    return command->context == NULL || reload_says(arg, command);
}

static void remember(struct command *command)
{
    for (size_t i = 0; i < current->commands; i++) {
        if (current->command[i] == command)
            return; /* the registrar passes it on */
    }
    PL_ASSERT(current->commands < COMMANDS_MAX);
    current->command[current->commands++] = command;
}

/* Remembers what connections have sent to the writer: a process that is killed answers none. */
bool __wrap_pl_mailbox_post(struct pl_mailbox *mailbox, struct pl_mail *mail)
{
    struct command *command = (struct command *)mail; /* its first member */
    if (current != NULL && mailbox == current->inbox && command->kind == COMMAND_ADOPT &&
        command->admission.may_act != may_act) {
        reload_says = command->admission.may_act;
        command->admission.may_act = may_act;
    }
    bool posted = __real_pl_mailbox_post(mailbox, mail);
    if (posted && current != NULL && mailbox == current->inbox && command->context != NULL)
        remember(command);
    if (posted && current != NULL)
        wire_ring(pl_mailbox_fd(mailbox));
    return posted;
}

/* What lies in a parcel is on its way, too. */
bool __wrap_pl_parcel_add(struct pl_parcel *parcel, struct pl_mailbox *box, struct pl_mail *mail)
{
    bool added = __real_pl_parcel_add(parcel, box, mail);
    if (added && current != NULL && box == current->inbox)
        remember((struct command *)mail);
    return added;
}

bool __wrap_registrar_post(struct registrar *registrar, struct command *command)
{
    bool posted = __real_registrar_post(registrar, command);
    if (posted && current != NULL && command->context != NULL)
        remember(command);
    return posted;
}

void __real_pl_bell_ring(struct pl_bell *bell);
void __wrap_pl_bell_ring(struct pl_bell *bell);

void __wrap_pl_bell_ring(struct pl_bell *bell)
{
    struct pollfd fd = {.fd = pl_bell_fd(bell), .events = POLLIN};
    __real_pl_bell_ring(bell);
    if (poll(&fd, 1, 0) > 0)
        wire_ring(fd.fd);
}

/* --- what wakes a worker --- */

static void finish(struct worker *worker, struct command *command)
{
    struct front *front = worker->front;
    for (size_t i = 0; i < front->commands; i++) {
        if (front->command[i] != command)
            continue;
        front->command[i] = front->command[--front->commands];
        service_finish(&worker->service, command);
        return;
    }
    PL_UNREACHABLE(); /* answered twice, or never asked */
}

static void home_event(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd, (void)what;
    struct pl_mail *mail = pl_mailbox_take(worker->home);
    while (mail != NULL) {
        struct pl_mail *next = mail->next;
        finish(worker, (struct command *)mail);
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
    (void)arg;
    return errand_try(command);
}

/* That there was one command only for so many turns, the seed says: there are not so many turns. */
static void parcel_event(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    if (errand_wanted())
        worker->service.alone = LIMIT_ALONE_TURNS;
    service_end_turn(&worker->service);
    if (!pl_mailbox_empty(worker->home))
        home_event(fd, what, arg);
}

static void bell_event(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd, (void)what;
    int64_t rest_ns = watch_look(worker->service.watch);
    if (rest_ns > 0) {
        const struct timeval rest = {0, rest_ns / 1000 + 1};
        (void)event_add(worker->rested, &rest);
    }
    net_flush(worker->net);
    watch_rest(worker->service.watch);
}

static void second_event(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd, (void)what;
    watch_tick(worker->service.watch);
    net_flush(worker->net);
    watch_rest(worker->service.watch);
}

/* --- orders: a reload, the end --- */

static void drain_look(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd, (void)what;
    if (!worker->closed &&
        (net_idle(worker->net) ||
         worker->front->clock->mono_ns(worker->front->clock) >= worker->drain_until_ns)) {
        worker->closed = true;
        net_close_all(worker->net);
    }
    worker->ended = worker->closed && worker->service.outstanding == 0 &&
                    (worker->proofs == NULL || proofs_idle(worker->proofs));
}

static void drain(struct worker *worker)
{
    const struct timeval every = {0, DRAIN_LOOK_MS * 1000L};
    worker->drain_ordered = false;
    worker->drain_until_ns =
        worker->front->clock->mono_ns(worker->front->clock) + LIMIT_DRAIN_MS * 1000000LL;
    worker->service.draining = true;
    net_drain(worker->net);
    (void)event_add(worker->drain_timer, &every);
}

static void reload(struct worker *worker)
{
    struct worker_reload *order = worker->order;
    worker->order = NULL;
    net_reload(worker->net, &order->net);
    worker->version = operator_config_version(reload_live(worker->front->reload)->config);
    bool posted = pl_mailbox_post(order->home, &order->mail);
    PL_ASSERT(posted);
}

static void order_event(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd, (void)what;
    if (worker->order != NULL)
        reload(worker);
    if (worker->drain_ordered)
        drain(worker);
}

void worker_reload(struct worker *worker, struct worker_reload *order)
{
    PL_ASSERT(worker->order == NULL);
    worker->order = order;
    event_active(worker->on_order, 0, 0);
}

void front_reload(struct front *front)
{
    if (!front->draining)
        reload_begin(front->reload);
}

uint64_t front_version(const struct front *front, unsigned door)
{
    return front->worker[door].version;
}

/* The main thread's loop ends first. */
void front_drain(struct front *front)
{
    front->draining = true;
    wire_halt(MAIN_THREAD, true);
    for (int door = 0; door < FRONT_DOORS; door++) {
        front->worker[door].drain_ordered = true;
        event_active(front->worker[door].on_order, 0, 0);
    }
}

bool front_drained(const struct front *front)
{
    for (int door = 0; door < FRONT_DOORS; door++) {
        if (!front->worker[door].ended)
            return false;
    }
    return true;
}

/* --- coming and going --- */

static void start_events(struct worker *worker)
{
    struct event_base *base = wire_base();
    const struct timeval second = {1, 0};
    worker->on_home =
        event_new(base, pl_mailbox_fd(worker->home), EV_READ | EV_PERSIST, home_event, worker);
    worker->on_bell =
        event_new(base, pl_bell_fd(worker->service.bell), EV_READ | EV_PERSIST, bell_event, worker);
    worker->on_order = event_new(base, -1, 0, order_event, worker);
    worker->rested = event_new(base, -1, 0, bell_event, worker);
    worker->second = event_new(base, -1, EV_PERSIST, second_event, worker);
    worker->parcel = event_new(base, -1, 0, parcel_event, worker);
    worker->drain_timer = event_new(base, -1, EV_PERSIST, drain_look, worker);
    (void)event_priority_set(worker->on_home, 0);
    (void)event_add(worker->on_home, NULL);
    (void)event_add(worker->on_bell, NULL);
    (void)event_add(worker->second, &second);
}

/* Where there is a notary its workers have what it signs, too. */
static size_t join_methods(struct worker *worker, const struct process *process, unsigned door)
{
    size_t more = process->notary != NULL ? proofs_method_count : 0;
    worker->methods = calloc(service_method_count + more, sizeof(*worker->methods));
    PL_ASSERT(worker->methods != NULL);
    memcpy(worker->methods, service_methods, service_method_count * sizeof(*worker->methods));
    if (more == 0)
        return service_method_count;
    memcpy(worker->methods + service_method_count, proofs_methods, more * sizeof(*worker->methods));
    const struct proofs_options options = {.base = wire_base(),
                                           .notary = process->notary,
                                           .witness = process->witness,
                                           .reader = 1 + door,
                                           .store = process->store,
                                           .clock = process->clock};
    struct pl_status status = proofs_new(&options, &worker->proofs);
    PL_ASSERT(pl_is_ok(status));
    worker->service.proofs = worker->proofs;
    return service_method_count + more;
}

static void start(struct front *front, unsigned door, struct process *process)
{
    struct worker *worker = &front->worker[door];
    const struct reload_set *live = reload_live(front->reload);
    struct pl_status status = pl_mailbox_new(0, &worker->home);
    PL_ASSERT(pl_is_ok(status));
    worker->front = front;
    worker->version = operator_config_version(live->config);
    worker->service = (struct service){
        .inbox = process->inbox,
        .home = worker->home,
        .slot = &process->slot[1 + door],
        .bell = process->bell[1 + door],
        .store = process->store,
        .registrar = process->registrar,
        .clock = process->clock,
        .about = {.store = "sim", .vkey = ""},
        .on_parcel = on_parcel,
        .try_at_once = try_at_once,
        .arg = worker,
    };
    unsigned before = wire_own(MAIN_THREAD + 1 + door);
    size_t methods = join_methods(worker, process, door);
    service_init(&worker->service);
    start_events(worker);
    const struct net_options options = {
        .base = wire_base(),
        .listen_fd = wire_listen(door),
        .methods = worker->methods,
        .method_count = methods,
        .resources = tiles_resources,
        .resource_count = tiles_resource_count,
        .tls = live->tls,
        .roster = live->roster,
        .limits = live->config->net,
        .clock = process->clock,
        .user = &worker->service,
    };
    status = net_new(&options, &worker->net);
    PL_ASSERT(pl_is_ok(status));
    (void)wire_own(before);
}

static void start_reload(struct front *front, struct process *process)
{
    char message[400];
    struct reload_options options = {.base = wire_base(),
                                     .inbox = process->inbox,
                                     .worker = front->workers,
                                     .count = FRONT_DOORS,
                                     .start = {OPERATOR_ORIGIN, process_ledger_id, NULL, NULL}};
    for (int i = 0; i < FRONT_DOORS; i++)
        front->workers[i] = &front->worker[i];
    struct pl_status status = reload_build(process->config, false, message, &options.first);
    if (pl_is_ok(status))
        status = reload_new(&options, &front->reload);
    PL_ASSERT(pl_is_ok(status));
}

struct front *front_open(struct process *process)
{
    struct front *front = calloc(1, sizeof(*front));
    PL_ASSERT(front != NULL);
    front->clock = process->clock;
    front->inbox = process->inbox;
    current = front;
    wire_halt(MAIN_THREAD, false);
    start_reload(front, process);
    for (unsigned door = 0; door < FRONT_DOORS; door++)
        start(front, door, process);
    return front;
}

/* Nobody hears these any more; it is how their memory comes back. */
static void drop_commands(struct front *front)
{
    while (front->commands != 0) {
        struct command *command = front->command[front->commands - 1];
        struct worker *worker = &front->worker[0];
        const struct pl_mailbox *home =
            command->worker_home != NULL ? command->worker_home : command->home;
        while (worker->home != home)
            worker++;
        command->phase = COMMAND_DONE;
        command->code = PL_E_UNAVAILABLE;
        command->response = NULL;
        command->refusal = NULL;
        finish(worker, command);
    }
}

static void end_worker(struct worker *worker)
{
    struct event *all[] = {worker->on_home, worker->on_order, worker->on_bell,    worker->rested,
                           worker->second,  worker->parcel,   worker->drain_timer};
    net_close_all(worker->net);
    if (worker->proofs != NULL)
        proofs_give_up(worker->proofs);
    net_free(worker->net);
    service_fini(&worker->service);
    proofs_free(worker->proofs);
    free(worker->methods);
    for (size_t i = 0; i < PL_COUNT(all); i++)
        event_free(all[i]);
    pl_mailbox_free(worker->home);
}

void front_close(struct front *front)
{
    if (front == NULL)
        return;
    for (int door = 0; door < FRONT_DOORS; door++) {
        net_close_all(front->worker[door].net);
        (void)pl_mailbox_take(front->worker[door].home); /* they are among those dropped */
    }
    drop_commands(front);
    for (int door = 0; door < FRONT_DOORS; door++)
        end_worker(&front->worker[door]);
    reload_free(front->reload);
    current = NULL;
    free(front);
}
