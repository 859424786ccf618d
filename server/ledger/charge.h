/* SPDX-License-Identifier: Apache-2.0
 *
 * charge: what the bank takes for itself, or gives back of that. A debit of a statement that no
 * refund explains is booked as a charge, as a whole, and so is a credit; `reverse` takes that back.
 * Private to server/ledger.
 */
#ifndef LEDGER_CHARGE_H
#define LEDGER_CHARGE_H

#include "server/ledger/change.h"

PL_MUST_CHECK struct pl_status charge_check(const struct ledger *ledger,
                                            const Pledged__V1__Entry *entry);
void charge_apply(struct ledger *ledger, const Pledged__V1__Entry *entry);
/* Adds what one person alone booked and stands, in the currency and month of this entry. False: it
 * leaves 64 bits. */
bool charge_sum_alone(const struct ledger *ledger, const struct state_bank_entry *entry,
                      int64_t *ret);

/* Reversed of the ChargeBooked of this bank entry (index). */
PL_MUST_CHECK struct pl_status charge_check_reversed(const struct ledger *ledger,
                                                     const Pledged__V1__Reversed *fact,
                                                     uint32_t index, int64_t minor);
void charge_undo(struct ledger *ledger, uint32_t index, int64_t minor);
/* Fills it, and the outcome. */
void charge_fill_reversed(struct maker *maker, uint32_t index, int64_t minor,
                          Pledged__V1__Reversed *fact);
/* Of a loaded state: says at every bank entry which entry books its charge. */
void charge_link(struct ledger *ledger);

void charge_decide(struct maker *maker);

#endif
