/* SPDX-License-Identifier: Apache-2.0
 *
 * period: months that are settled. Nothing is ever dated into a closed one (I5): what is recorded
 * later keeps its own business date and is posted to the first open period. Private to
 * server/ledger.
 */
#ifndef LEDGER_PERIOD_H
#define LEDGER_PERIOD_H

#include "server/ledger/change.h"

/* Does this business day lie in a closed period? */
bool period_is_closed(const struct ledger *ledger, int32_t day);
/* Where the books post what has this business day, as the first day of a month; "" if on its day.
 */
const char *period_posting(const struct ledger *ledger, int32_t day, char out[11]);
/* The business day of an entry: its effective date, else the day of its time; of a payment the
 * value date. */
int32_t period_day_of(const Pledged__V1__Entry *entry);
/* The day that the books have it on: the same, or what a closed month leaves for it. */
int32_t period_posted_on(const Pledged__V1__Entry *entry);

/* The same of an entry that is in the ledger, or comes next: by the months that were closed when it
 * was recorded. Where a month was opened again, what was posted behind it stays there. */
int32_t period_posted_at(const struct ledger *ledger, uint64_t seq, int32_t day);
/* Did this business day ever lie in a closed period? Was any period ever opened again? */
bool period_was_closed(const struct ledger *ledger, int32_t day);
bool period_was_reopened(const struct ledger *ledger);

/* Of a day to come, though it says that something has happened: money moved, also by the end of a
 * promise that had some, or a benefit did. A promise, its signature and its end may be of such a
 * day. The pledge is as it was before the entry. since: the first day that it may have, which may
 * be to come itself (see since.h). */
bool period_is_to_come(const struct ledger *ledger, const Pledged__V1__Entry *entry, int32_t since);

/* Where the closing of the last closed month stands; 0: none is closed. */
uint64_t period_closing_seq(const struct ledger *ledger);

void period_decide(struct maker *maker);
/* Any entry's dates: its posting date is what period_posting says of its day, and what has happened
 * has no day to come. */
PL_MUST_CHECK struct pl_status period_check_dates(const struct ledger *ledger,
                                                  const Pledged__V1__Entry *entry);
PL_MUST_CHECK struct pl_status period_check(const struct ledger *ledger,
                                            const Pledged__V1__Entry *entry);
void period_apply(struct ledger *ledger, const Pledged__V1__Entry *entry);

#endif
