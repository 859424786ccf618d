/* SPDX-License-Identifier: Apache-2.0
 *
 * since: nothing is dated before what it rests on, so that the books of any day, also of one that
 * is long past, have no money that was not there yet. Private to server/ledger.
 *
 * The first day that a fact may have:
 *  - Allocated, RefundOrdered: that of the money's value, and the one on which it became free where
 *    it was used before; Allocated that of the promise, too;
 *  - Reversed: that of what it takes back; of a payment, of all that it paid for, too;
 *  - BankReversal: that of both movements, and of all that the money paid for;
 *  - RefundPaid of a debit that only a person has seen: that of the credit (where a statement has
 *    it, its day is the bank's, and nobody chooses it);
 *  - RefundCancelled: that of the order;
 *  - ChargeBooked: that of the money's value, and the one on which it became free;
 *  - WrittenOff, DifferenceAccepted: as Allocated that of the promise, and the last one on which
 *    more of it became due (below); a difference's allocation, too;
 *  - CommitmentAmended, TierChanged: that of the terms before (below);
 *  - PledgeClosed, Cancelled, Withdrawn, ReceiptIssued: both of these, and that of all that was
 *    allocated or given up.
 * In the books as well: what was posted to a later month because its own was closed stays there
 * when that is opened again, and what rests on it is not posted before it.
 *
 * CommitmentSigned rests on nothing here (rules 15): a paper is of the day on which it was signed,
 * also where the promise was recorded later, on the day of typing, or paid for by mistake
 * meanwhile.
 *
 * What of a promise bounds what (rules 16; before, one day was kept of it, the latest of all, and a
 * raise that was signed before a payment was taken back could not be recorded any more):
 *  - `terms`, the last word on its amount: the promise, an amendment up or down, a change of tier.
 *    The next word is not of an earlier day, since its difference counts from its own day on, and
 *    the books of the days between would have a sum that nobody ever promised. So also where the
 *    last word is of a day to come. What is only held has no amount, and no terms.
 *  - `owed`, the last day on which more became due: the promise, a raise, and what was taken back
 *    of money or of a write-off. What settles it is not earlier: of the days before, the books have
 *    less to be settled than there is now. A cut is none of these: before it there was more.
 *  - `peak`, the most that was ever settled before something of it was taken back. A raise asks
 *    for no money, and a cut to no less than this neither. One below it is not earlier than `owed`:
 *    until that day the books have more settled than it leaves. Nothing that settles is earlier
 *    than `owed`, so the books of no day have more than the peak, or what there is now.
 *  - `announced`, a promise or a raise of a day that was to come when it was recorded: it becomes
 *    `owed` with its day, and until then money may come before it, but nothing older is forgotten.
 *
 * Whatever an entry rests on may have a day to come: the value date of a transfer that the bank has
 * announced. Then so has the entry. A promise of a day to come holds up no money, and no end of it.
 */
#ifndef LEDGER_SINCE_H
#define LEDGER_SINCE_H

#include "server/ledger/change.h"

struct since {
    int32_t day;         /* the earliest one, days since 1970; INT32_MIN: any */
    uint64_t seq;        /* entry that decides it; 0: none */
    int32_t posted;      /* the earliest one on which the books may have it; INT32_MIN: any */
    uint64_t posted_seq; /* entry that decides that; 0: none */
};

/* Of the next entry. The state is that before it; in a decision of several, `before` are the ones
 * that are not applied yet. */
struct since since_of(const struct ledger *ledger, Pledged__V1__Entry *const *before, size_t count,
                      const Pledged__V1__Entry *entry);

/* The first business day by which both are kept. */
int32_t since_first(const struct ledger *ledger, const struct since *since);

/* The entries of a decision. A day that somebody chose and that is too early refuses all; where
 * nobody did, it is today or the first one that may be. What a payment or a statement is allocated
 * to beside being recorded pays for it from that first day on, whenever it is typed or imported: so
 * it was paid in the books of the bank's day, too, and what follows it there can be dated. */
void since_settle(struct maker *maker);
PL_MUST_CHECK struct pl_status since_check(const struct ledger *ledger,
                                           const Pledged__V1__Entry *entry);

/* --- apply --- */

/* Money became free on this day. */
void since_freed(struct state_bank_entry *entry, int32_t day);
void since_made(struct ledger *ledger, uint32_t pledge, const Pledged__V1__Entry *entry);
/* So much is promised from now on; the pledge still has the amount before. */
void since_amended(struct ledger *ledger, uint32_t pledge, int64_t minor,
                   const Pledged__V1__Entry *entry);
/* Something that settled it was taken back; `settled`: with that. */
void since_undone(struct ledger *ledger, uint32_t pledge, int64_t settled,
                  const Pledged__V1__Entry *entry);

#endif
