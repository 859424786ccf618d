/* SPDX-License-Identifier: Apache-2.0
 *
 * valuation: what money in other currencies is worth in Swiss francs, by the rate that was recorded
 * for its day or the last one before; and what money of one currency settles of a pledge in
 * another. A rate that comes later changes nothing of either. Private to server/ledger.
 */
#ifndef LEDGER_VALUATION_H
#define LEDGER_VALUATION_H

#include "server/ledger/rate.h"

/* How old a rate may be, in days, to settle a pledge: a monthly one serves its month. */
enum { VALUATION_AGE_MAX = 31 };

/* --- in entries: PledgeMade, PaymentRecorded, BankEntryRecorded --- */

/* The value of an entry's amount (negative: a debit) on the entry's day; its fact is there already.
 * NULL: CHF, no rate, or more than 64 bits. */
Pledged__V1__Valuation *valuation_of(struct maker *maker, const Pledged__V1__Entry *entry,
                                     int64_t minor, int currency);
/* None is fine; one that is there follows from a rate that is known. */
PL_MUST_CHECK struct pl_status valuation_check(const struct ledger *ledger,
                                               const Pledged__V1__Entry *entry,
                                               const Pledged__V1__Valuation *valuation,
                                               int64_t minor, int currency);
/* More than one takes of the arena of a decision. */
size_t valuation_room(void);

/* --- in the state: which rate a pledge or a bank entry was valued with --- */

/* `map`: ledger.pledge_rates or ledger.entry_rates. NULL: nothing to keep. */
void valuation_keep(struct pl_map *map, uint32_t index, const Pledged__V1__Valuation *valuation);
const struct state_rate *valuation_rate(const struct ledger *ledger, const struct pl_map *map,
                                        uint32_t index, int currency);
/* Has another amount of this pledge a value within 64 bits, by the rate it was valued with? */
bool valuation_fits(const struct ledger *ledger, uint32_t pledge, int currency, int64_t minor);
/* Exact, in units of 10^-16 CHF, so that the values of parts add up to that of the whole. The rate
 * may be NULL for CHF alone. Sums wrap beyond 10^22 CHF, and come back. */
unsigned __int128 valuation_exact(int64_t minor, int currency, const struct state_rate *rate);
bool valuation_is_home(int currency);

/* --- allocating across currencies --- */

/* The rates of the bank entry's value date; NULL: CHF. */
struct valuation_pair {
    const struct state_rate *from, *to;
};
/* False: refused with RATE_REQUIRED, which names the currency that lacks one. */
bool valuation_find(struct maker *maker, const struct state_bank_entry *entry, int currency,
                    const char *field, struct valuation_pair *ret);
/* Writes them into the fact, so that what was settled can be reckoned again. */
void valuation_name(struct maker *maker, const struct valuation_pair *pair,
                    Pledged__V1__Allocated *fact);
/* Allocated: rates that are named are known, not later than the money, and give what was settled.
 */
PL_MUST_CHECK struct pl_status valuation_check_settled(const struct ledger *ledger,
                                                       const Pledged__V1__Allocated *fact,
                                                       const struct state_bank_entry *entry,
                                                       int currency);

#endif
