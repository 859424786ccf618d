/* SPDX-License-Identifier: Apache-2.0
 *
 * returned: a refund whose money came back, as it does from an account that is not there. It is to
 * be paid again; the credit that brought the money is explained and nobody's to allocate. What the
 * banks kept on the way is left with the debit. Private to server/ledger.
 */
#ifndef LEDGER_RETURNED_H
#define LEDGER_RETURNED_H

#include "server/ledger/change.h"

/* RefundReturned: asked before it is applied. */
PL_MUST_CHECK struct pl_status returned_check(const struct ledger *ledger,
                                              const Pledged__V1__Entry *entry);
void returned_apply(struct ledger *ledger, const Pledged__V1__Entry *entry);

/* Reversed of a RefundReturned: the refund is paid after all. */
PL_MUST_CHECK struct pl_status returned_check_reversed(const struct ledger *ledger,
                                                       const Pledged__V1__Reversed *fact,
                                                       const struct state_deed *deed);
void returned_undo(struct ledger *ledger, const struct state_deed *deed, uint64_t seq);
/* Refuses what cannot be undone any more. */
bool returned_guards(struct maker *maker, const struct state_deed *deed);
/* Fills it, and the outcome. */
void returned_fill_reversed(struct maker *maker, const struct state_deed *deed,
                            Pledged__V1__Reversed *fact);

/* match_refund of a credit: the refund that it brings back. */
void returned_decide(struct maker *maker, const struct state_bank_entry *credit, const char *id);
/* match_reversal of a credit with the debit whose refund it brings back. */
void returned_decide_debit(struct maker *maker, const struct state_bank_entry *credit,
                           const struct state_bank_entry *debit);

#endif
