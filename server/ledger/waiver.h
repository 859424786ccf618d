/* SPDX-License-Identifier: Apache-2.0
 *
 * waiver: why less is to be paid than was promised: parts that are written off, and differences
 * (fees of banks on the way, exchange) that are accepted. The promised amount stays what it is.
 * Each is an entry that can be reversed. Private to server/ledger.
 */
#ifndef LEDGER_WAIVER_H
#define LEDGER_WAIVER_H

#include "server/ledger/change.h"

/* The newest row about the pledge, reversed or not; STATE_NONE: none. */
uint32_t waiver_newest(const struct ledger *ledger, const struct state_pledge *pledge);
/* Splits what is forgiven: [0] written off, [1] differences. Nearly no pledge has any. */
void waiver_sums(const struct ledger *ledger, const struct state_pledge *pledge, int64_t ret[2]);
/* Links a loaded row; rows are loaded in order. */
void waiver_link(struct ledger *ledger, uint32_t index);

PL_MUST_CHECK struct pl_status waiver_check(const struct ledger *ledger,
                                            const Pledged__V1__Entry *entry);
void waiver_apply(struct ledger *ledger, const Pledged__V1__Entry *entry);
PL_MUST_CHECK struct pl_status waiver_check_reversed(const struct ledger *ledger,
                                                     const Pledged__V1__Reversed *fact,
                                                     uint32_t index);
void waiver_undo(struct ledger *ledger, uint32_t index, const Pledged__V1__Entry *entry);

/* write_off, accept_difference */
void waiver_decide(struct maker *maker);
/* `reverse` of one */
void waiver_decide_reverse(struct maker *maker, uint32_t index);

#endif
