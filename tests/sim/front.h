/* SPDX-License-Identifier: Apache-2.0
 *
 * front: what server/worker does with a thread and libevent, on the simulated wire: the real net
 * and the real service between connections and the writer, a listener (door) each; and
 * server/reload beside them, which carries a changed file to the writer and then to one after the
 * other.
 */
#ifndef SIM_FRONT_H
#define SIM_FRONT_H

#include "server/command.h"
#include "tests/sim/process.h"

struct front;

enum { FRONT_DOORS = PROCESS_WORKERS };

/* Lets clients in, to a process that is up. */
struct front *front_open(struct process *process);
/* The process is gone or ends: connections break off, nobody gets an answer any more. */
void front_close(struct front *front); /* NULL is fine */
/* The operator says that the file is another one. */
void front_reload(struct front *front);
/* It is to end: nobody is let in any more, calls that run have their time. */
void front_drain(struct front *front);
bool front_drained(const struct front *front); /* all workers have ended */
/* The version of the file that this one lets people in by. */
uint64_t front_version(const struct front *front, unsigned door);

#endif
