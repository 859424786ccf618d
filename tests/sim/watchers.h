/* SPDX-License-Identifier: Apache-2.0
 *
 * watchers: people who follow the log by connections (Watch): they come, fall asleep and behind,
 * vanish, and come back for what follows the last entry they saw. Each must see every entry once,
 * in order, as it is in the log, and only what is durable; and nothing more when their role is
 * gone.
 */
#ifndef SIM_WATCHERS_H
#define SIM_WATCHERS_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/dice.h"
#include "tests/sim/model.h"

struct watchers_ground { /* what they stand on; borrowed for the run */
    struct dice *dice;
    struct model *model; /* says what was wrong */
    /* Entries that are durable as everybody is told by now; 0: nobody can say, the process is down.
     * The model has seen them then. */
    uint64_t (*durable)(void);
    uint64_t (*oldest_version)(void); /* of the operator's file, that counts with some worker */
};
struct watchers_report {
    uint64_t streams, messages, entries, heartbeats, resumed, ended;
};

void watchers_begin(const struct watchers_ground *ground);
void watchers_end(void);
/* One of them does something. `life`: of the process; `lied`: the disk may have lost the end since
 * an earlier one. False: the model says what was wrong. */
bool watchers_run(uint64_t life, bool well, bool lied);
/* Every worker has another version of the operator's file. */
void watchers_reloaded(void);
/* After a start: what they saw of the life before is in the log. False: wrong. */
bool watchers_check(void);
/* Who may see entries has seen all of them. */
bool watchers_have_all(void);
const struct watchers_report *watchers_report(void);

#endif
