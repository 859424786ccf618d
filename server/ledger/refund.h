/* SPDX-License-Identifier: Apache-2.0
 *
 * refund: free money of a bank entry that goes back. Ordered: it is nobody's to allocate any more.
 * Paid: a debit of the account is matched to it. Cancelled: the money is free again. Private to
 * server/ledger.
 */
#ifndef LEDGER_REFUND_H
#define LEDGER_REFUND_H

#include "server/ledger/change.h"

PL_MUST_CHECK struct pl_status refund_check(const struct ledger *ledger,
                                            const Pledged__V1__Entry *entry);
void refund_apply(struct ledger *ledger, const Pledged__V1__Entry *entry);

struct state_refund *refund_of(const struct ledger *ledger, const char *id);
/* One RefundPaid: `debit` is the index of a bank entry, or the next number where it is new. */
void refund_add_paid(struct maker *maker, const struct state_refund *refund, uint32_t debit,
                     const char *value_date, const char *bank_ref);

char *refund_id(struct maker *maker, const struct state_refund *refund);
/* The pledge whose money it is; NULL: none. */
const struct state_pledge *refund_pledge(const struct ledger *ledger,
                                         const struct state_refund *refund);
/* Does the pledge of this id, or none where it is empty, have its history? */
bool refund_is_of(const struct ledger *ledger, const struct state_refund *refund,
                  const char *pledge);
/* Finds one in this state (Pledged__V1__RefundState), or refuses. */
const struct state_refund *refund_find(struct maker *maker, const char *id, uint8_t wanted,
                                       const char *field);
/* The outcome of a command that leaves the credit's own money as it is. */
void refund_tell(struct maker *maker, const struct state_refund *refund);
/* The first refund that this debit (index of a bank entry) pays; NULL: none. */
const struct state_refund *refund_paid_by(const struct ledger *ledger, uint32_t debit);

/* Reversed of the RefundPaid of this refund (index). */
PL_MUST_CHECK struct pl_status refund_check_reversed(const struct ledger *ledger,
                                                     const Pledged__V1__Reversed *fact,
                                                     uint32_t index);
void refund_undo(struct ledger *ledger, uint32_t index, uint64_t seq);
/* Fills it, and the outcome. */
void refund_fill_reversed(struct maker *maker, uint32_t index, Pledged__V1__Reversed *fact);

/* refund, cancel_refund, match_refund */
void refund_decide(struct maker *maker);
/* `pay` of a refund: the debit was seen by hand. day: days since 1970 */
void refund_decide_paid(struct maker *maker, const Pledged__V1__Pay *command, int32_t day);

#endif
