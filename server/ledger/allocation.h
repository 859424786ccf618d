/* SPDX-License-Identifier: Apache-2.0
 *
 * allocation: money in the state: bank entries, and which parts of them pay for which pledges. Many
 * to many. The checks that replay asks, the appliers that cannot fail, and the command `allocate`.
 * Private to server/ledger.
 */
#ifndef LEDGER_ALLOCATION_H
#define LEDGER_ALLOCATION_H

#include "server/ledger/change.h"

/* PaymentRecorded, Allocated, Reversed: asked before they are applied. */
PL_MUST_CHECK struct pl_status allocation_check_payment(const struct ledger *ledger,
                                                        const Pledged__V1__Entry *entry);
PL_MUST_CHECK struct pl_status allocation_check(const struct ledger *ledger,
                                                const Pledged__V1__Entry *entry);
PL_MUST_CHECK struct pl_status allocation_check_reversed(const struct ledger *ledger,
                                                         const Pledged__V1__Entry *entry);
void allocation_apply_payment(struct ledger *ledger, const Pledged__V1__Entry *entry);
void allocation_apply(struct ledger *ledger, const Pledged__V1__Entry *entry);
void allocation_apply_reversed(struct ledger *ledger, const Pledged__V1__Entry *entry);

/* A new row at the end, without pledge, allocation or sum: index of the bank entry. */
uint32_t allocation_add_entry(struct ledger *ledger, const struct state_bank_entry *entry);
/* Undoes what pays for a pledge that ends: free money of its bank entries again. */
void allocation_undo_all(struct ledger *ledger, struct state_pledge *pledge,
                         const Pledged__V1__Entry *entry);
/* The money of a bank entry is gone: whatever it pays for is undone, and it counts no more. */
void allocation_take_back(struct ledger *ledger, uint32_t bank_entry,
                          const Pledged__V1__Entry *entry);
/* The movement that was seen by hand may be booked again, rightly this time. */
void allocation_forget_ref(struct ledger *ledger, const struct state_bank_entry *entry);
/* Does it pay for a pledge besides the one it is meant for? */
bool allocation_pays_others(const struct ledger *ledger, const struct state_bank_entry *entry);
/* The sum of a bank entry gives way to its details: nothing of it is left. */
void allocation_split(struct ledger *ledger, uint32_t bank_entry);
/* Free money meant for the pledge, in its currency. */
int64_t allocation_free_of(const struct ledger *ledger, const struct state_pledge *pledge);
/* Links a loaded row from both sides; the rows are loaded in order. */
void allocation_link(struct ledger *ledger, uint32_t index);

/* What of a bank entry is not used. */
static inline int64_t allocation_free(const struct state_bank_entry *entry)
{
    return entry->reversed ? 0
                           : entry->amount - entry->allocated - entry->refunded - entry->explained;
}

/* Takes out of the sums (sign -1) or puts back (1) the free rest of an entry, around a change. */
void allocation_count_free(struct ledger *ledger, const struct state_bank_entry *entry, int sign);
/* So much of a credit is no contribution; negative: it is one after all. */
void allocation_explain(struct ledger *ledger, uint32_t credit, int64_t minor);
/* Does it take money? */
bool allocation_open(const struct state_pledge *pledge);

/* ENTRY_SPENT and OVER_REMAINDER, with what there is. */
void allocation_refuse_spent(struct maker *maker, const struct state_bank_entry *entry,
                             const char *field);
void allocation_refuse_remainder(struct maker *maker, const struct state_pledge *pledge,
                                 const char *field);
/* What money counts can be said only where it is in another currency than the pledge. */
void allocation_refuse_settled(struct maker *maker, const char *field, uint64_t deciding_seq,
                               const struct state_pledge *pledge);
/* Finds a bank entry or refuses with BANK_ENTRY_UNKNOWN. */
const struct state_bank_entry *allocation_find(struct maker *maker, const char *id,
                                               const char *field);
/* One Allocated entry, and its fact. settled: in the pledge's currency. */
Pledged__V1__Allocated *allocation_add(struct maker *maker, uint32_t bank_entry, uint32_t pledge,
                                       int64_t minor, int64_t settled);
void allocation_decide(struct maker *maker);

#endif
