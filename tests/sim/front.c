/* SPDX-License-Identifier: Apache-2.0
 *
 * front: see front.h.
 */
#include "tests/sim/front.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "server/net/net.h"
#include "server/service.h"
#include "tests/sim/wire.h"

enum { COMMANDS_MAX = 256 };

struct front {
    struct service service;
    struct net *net[FRONT_DOORS];
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
    return posted;
}

static void start(struct front *front, enum front_door door, struct pl_clock *clock)
{
    static const struct net_person persons[FRONT_DOORS] = {
        [FRONT_CLERK] = {"anna", PLEDGED__V1__ROLE__ROLE_CLERK},
        [FRONT_APPROVER] = {"berta", PLEDGED__V1__ROLE__ROLE_APPROVER},
        [FRONT_ADMIN] = {"carla", PLEDGED__V1__ROLE__ROLE_ADMIN},
        [FRONT_AUDITOR] = {"dora", PLEDGED__V1__ROLE__ROLE_AUDITOR},
    };
    const struct net_options options = {
        .base = wire_base(),
        .listen_fd = wire_listen((unsigned)door),
        .methods = service_methods,
        .method_count = service_method_count,
        .anonymous = &persons[door],
        .limits = {.calls = 32,
                   .streams = 8,
                   .handshake_ms = 1000,
                   .preface_ms = 1000,
                   .idle_ms = 5000,
                   .request_ms = 3000,
                   .write_stall_ms = 2000,
                   .keepalive_ms = 1500,
                   .keepalive_timeout_ms = 700},
        .clock = clock,
        .user = &front->service,
    };
    struct pl_status status = net_new(&options, &front->net[door]);
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
    for (int door = 0; door < FRONT_DOORS; door++)
        start(front, (enum front_door)door, process->clock);
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
        net_flush(front->net[door]);
}

void front_close(struct front *front)
{
    if (front == NULL)
        return;
    for (int door = 0; door < FRONT_DOORS; door++)
        net_close_all(front->net[door]);
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
        net_close_all(front->net[door]);
        net_free(front->net[door]);
    }
    service_fini(&front->service);
    current = NULL;
    free(front);
}
