/* SPDX-License-Identifier: Apache-2.0
 *
 * front: what server/worker does with a thread and libevent, on the simulated wire: the real net
 * and the real service between connections and the writer. One door (listener) a person, since
 * without TLS a connection is whoever its listener says.
 */
#ifndef SIM_FRONT_H
#define SIM_FRONT_H

#include "server/command.h"
#include "tests/sim/process.h"

struct front;

enum front_door { FRONT_CLERK, FRONT_APPROVER, FRONT_ADMIN, FRONT_AUDITOR, FRONT_DOORS };

/* Lets clients in, to a process that is up. */
struct front *front_open(struct process *process);
/* The process is gone or ends: connections break off, nobody gets an answer any more. */
void front_close(struct front *front); /* NULL is fine */
/* A command of a connection came back from the writer. */
void front_home(struct front *front, struct command *command);
void front_flush(struct front *front);

#endif
