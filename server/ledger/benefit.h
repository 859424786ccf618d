/* SPDX-License-Identifier: Apache-2.0
 *
 * benefit: what a pledge has coming, and what became of it: claimed, declined, delivered, in the
 * unit of the grant. A commitment keeps the version of the catalogue under which it was signed.
 * Private to server/ledger.
 */
#ifndef LEDGER_BENEFIT_H
#define LEDGER_BENEFIT_H

#include "server/ledger/change.h"

void benefit_decide(struct maker *maker);
PL_MUST_CHECK struct pl_status benefit_check(const struct ledger *ledger,
                                             const Pledged__V1__Entry *entry);
void benefit_apply(struct ledger *ledger, const Pledged__V1__Entry *entry);

/* The commitment's benefits are those of the catalogue before this entry. */
void benefit_freeze(struct ledger *ledger, uint32_t pledge, uint64_t seq);
/* The version that says what a pledge with a tier has coming: of a commitment the frozen one. */
const struct catalogue *benefit_catalogue(const struct ledger *ledger,
                                          const struct state_pledge *pledge);
/* What became of one benefit of a pledge; NULL: nothing yet. */
const struct state_fulfilment *benefit_of(const struct ledger *ledger, uint32_t pledge,
                                          const char *code);
/* A row and its place in the chain of its pledge; for loading, too. */
struct state_fulfilment *benefit_add(struct ledger *ledger, uint32_t pledge, uint32_t code);
/* Counts into the sums that views show. */
void benefit_sum(struct ledger *ledger, const struct state_fulfilment *row, int64_t claimed,
                 int64_t declined, int64_t delivered);
/* What one fact moves of a fulfilment (index), or, with a negative quantity, moves back. */
void benefit_move(struct ledger *ledger, uint32_t index, Pledged__V1__Entry__FactCase fact,
                  int64_t quantity, uint64_t seq);
/* Fills the Reversed of such a fact, and the outcome. */
void benefit_fill_reversed(struct maker *maker, const struct state_deed *deed,
                           Pledged__V1__Reversed *fact);
/* How many benefits of a pledge are neither declined nor delivered; their codes, as many as fit. */
size_t benefit_open(const struct ledger *ledger, const struct state_pledge *pledge, char *named,
                    size_t size);
/* Of `granted`, what is neither declined nor delivered. */
int64_t benefit_left(const struct state_fulfilment *row, int64_t granted);

#endif
