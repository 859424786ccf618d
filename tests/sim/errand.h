/* SPDX-License-Identifier: Apache-2.0
 *
 * errand: a worker's thread at the writer's helm (server/helm): a fiber of its own, for which the
 * worker waits. Meanwhile the writer's thread and the other workers go on, time passes, and the
 * machine may break under it.
 */
#ifndef SIM_ERRAND_H
#define SIM_ERRAND_H

#include "server/command.h"
#include "tests/sim/dice.h"
#include "tests/sim/process.h"

struct errand_ground {
    struct dice *dice;
    struct process *process;
    uint32_t rate; /* how often a worker would rather go itself, in a million */
    /* What else happens while a worker waits. False: the process is no more. */
    bool (*meanwhile)(void);
};
struct errand_report {
    uint64_t tries, taken, cut; /* taken: seen to; cut: the process ended under it */
};

/* `ground` is copied. */
void errand_begin(const struct errand_ground *ground);
struct errand_report errand_report(void); /* since then */
/* A worker has had the only command often enough to think of the helm, says the seed. */
bool errand_wanted(void);
/* What helm_try says. Where the process ends meanwhile it is true: nobody sees to the command any
 * more. */
bool errand_try(struct command *command);

#endif
