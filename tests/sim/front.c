/* SPDX-License-Identifier: Apache-2.0
 *
 * front: see front.h.
 */
#include "tests/sim/front.h"

#include <event2/event.h>
#include <stdlib.h>

#include "common/check.h"
#include "server/reload.h"
#include "server/service.h"
#include "tests/sim/operator.h"
#include "tests/sim/wire.h"

enum { COMMANDS_MAX = 256 };

struct worker { /* as server/reload knows one: a thread with a listener */
    struct front *front;
    struct net *net;
    struct event *on_order;
    struct worker_reload *order; /* borrowed; NULL: none has come */
    uint64_t version;            /* of the file */
};
struct front {
    struct service service;
    struct worker worker[FRONT_DOORS], *workers[FRONT_DOORS];
    struct reload *reload;
    struct command *command[COMMANDS_MAX]; /* at the writer; borrowed from their calls */
    size_t commands;
};

static struct front *current; /* whose commands are on their way */

bool __real_pl_mailbox_post(struct pl_mailbox *mailbox, struct pl_mail *mail);
bool __wrap_pl_mailbox_post(struct pl_mailbox *mailbox, struct pl_mail *mail);

/* Remembers what connections have sent to the writer: a process that is killed answers none. */
bool __wrap_pl_mailbox_post(struct pl_mailbox *mailbox, struct pl_mail *mail)
{
    bool posted = __real_pl_mailbox_post(mailbox, mail);
    struct command *command = (struct command *)mail; /* its first member */
    if (posted && current != NULL && mailbox == current->service.inbox &&
        command->context != NULL) {
        PL_ASSERT(current->commands < COMMANDS_MAX);
        current->command[current->commands++] = command;
    }
    if (posted && current != NULL)
        wire_ring(pl_mailbox_fd(mailbox));
    return posted;
}

/* --- orders of server/reload --- */

void worker_reload(struct worker *worker, struct worker_reload *order)
{
    PL_ASSERT(worker->order == NULL);
    worker->order = order;
    event_active(worker->on_order, 0, 0);
}

static void order_event(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    struct worker_reload *order = worker->order;
    (void)fd, (void)what;
    worker->order = NULL;
    net_reload(worker->net, &order->net);
    worker->version = operator_config_version(reload_live(worker->front->reload)->config);
    bool posted = pl_mailbox_post(order->home, &order->mail);
    PL_ASSERT(posted);
}

void front_reload(struct front *front)
{
    reload_begin(front->reload);
}

uint64_t front_version(const struct front *front, unsigned door)
{
    return front->worker[door].version;
}

/* --- coming and going --- */

static void start(struct front *front, unsigned door, struct pl_clock *clock)
{
    struct worker *worker = &front->worker[door];
    const struct reload_set *live = reload_live(front->reload);
    const struct net_options options = {
        .base = wire_base(),
        .listen_fd = wire_listen(door),
        .methods = service_methods,
        .method_count = service_method_count,
        .tls = live->tls,
        .roster = live->roster,
        .limits = live->config->net,
        .clock = clock,
        .user = &front->service,
    };
    worker->front = front;
    worker->version = operator_config_version(live->config);
    worker->on_order = event_new(wire_base(), -1, 0, order_event, worker);
    struct pl_status status = net_new(&options, &worker->net);
    PL_ASSERT(pl_is_ok(status));
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
    front->service = (struct service){
        .inbox = process->inbox,
        .home = process->home,
        .slot = &process->slot[1],
        .store = process->store,
        .clock = process->clock,
        .about = {.store = "sim", .vkey = ""},
    };
    service_init(&front->service);
    current = front;
    start_reload(front, process);
    for (unsigned door = 0; door < FRONT_DOORS; door++)
        start(front, door, process->clock);
    return front;
}

void front_home(struct front *front, struct command *command)
{
    for (size_t i = 0; i < front->commands; i++) {
        if (front->command[i] != command)
            continue;
        front->command[i] = front->command[--front->commands];
        service_finish(&front->service, command);
        return;
    }
    PL_UNREACHABLE(); /* answered twice, or never asked */
}

void front_flush(struct front *front)
{
    for (int door = 0; door < FRONT_DOORS; door++)
        net_flush(front->worker[door].net);
}

void front_close(struct front *front)
{
    if (front == NULL)
        return;
    for (int door = 0; door < FRONT_DOORS; door++)
        net_close_all(front->worker[door].net);
    /* nobody hears these any more; it is how their memory comes back */
    while (front->commands != 0) {
        struct command *command = front->command[front->commands - 1];
        command->phase = COMMAND_DONE;
        command->code = PL_E_UNAVAILABLE;
        command->response = NULL;
        command->refusal = NULL;
        front_home(front, command);
    }
    for (int door = 0; door < FRONT_DOORS; door++) {
        net_close_all(front->worker[door].net);
        net_free(front->worker[door].net);
        event_free(front->worker[door].on_order);
    }
    reload_free(front->reload);
    service_fini(&front->service);
    current = NULL;
    free(front);
}
