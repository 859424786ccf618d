/* SPDX-License-Identifier: Apache-2.0
 *
 * schedule: when a promise is to be paid, in parts. What comes in fills the parts from the first
 * one on; nothing says which payment was meant for which part. The sum of the parts is the amount
 * of the pledge at every moment: where that is amended, the last part takes the difference, and the
 * one before it where that is not enough. Private to server/ledger.
 */
#ifndef LEDGER_SCHEDULE_H
#define LEDGER_SCHEDULE_H

#include "server/ledger/change.h"

enum { SCHEDULE_PARTS_MAX = 60 };

/* NULL: the pledge has none, and nothing says when it is due. */
const struct state_schedule *schedule_of(const struct ledger *ledger,
                                         const struct state_pledge *pledge);
/* What of part `index` is still to come when `settled` of the pledge is dealt with. */
int64_t schedule_left(const struct state_schedule *schedule, int64_t settled, size_t index);
/* What is still to come of the first part that is not dealt with; 0: no schedule, or nothing. */
int64_t schedule_next(const struct ledger *ledger, const struct state_pledge *pledge,
                      int64_t settled);
/* The amount of the pledge is another one. */
void schedule_follow(struct ledger *ledger, const struct state_pledge *pledge);
/* An empty row for the pledge, which had none; `count` parts for the caller to fill. For loading,
 * too. */
struct state_schedule *schedule_add(struct ledger *ledger, uint32_t pledge, size_t count);

/* set_schedule */
void schedule_decide(struct maker *maker);
/* What the command can be told without the ledger; NULL: nothing. */
const char *schedule_wrong(const Pledged__V1__SetSchedule *command, Pledged__V1__Reason *ret_reason,
                           const char **ret_field);

PL_MUST_CHECK struct pl_status schedule_check(const struct ledger *ledger,
                                              const Pledged__V1__Entry *entry);
void schedule_apply(struct ledger *ledger, const Pledged__V1__Entry *entry);

#endif
