/* SPDX-License-Identifier: Apache-2.0
 *
 * rate: rates of exchange to the Swiss franc, one entry each, and exact arithmetic with them. A
 * rate is in force on its day and until the next one of its currency. Private to server/ledger.
 */
#ifndef LEDGER_RATE_H
#define LEDGER_RATE_H

#include "server/ledger/change.h"

enum { RATE_COMMAND_MAX = 100, RATE_SCALE_MAX = 12, RATE_SOURCE_MAX = 100 };
#define RATE_MANTISSA_MAX 999999999999999
#define RATE_HOME         "CHF" /* what rates are given in; it has none itself */

/* RateRecorded */
PL_MUST_CHECK struct pl_status rate_check(const struct ledger *ledger,
                                          const Pledged__V1__Entry *entry);
void rate_apply(struct ledger *ledger, const Pledged__V1__Entry *entry);

/* record_rates */
void rate_decide(struct maker *maker);
/* More than a decision about so many rates takes of the arena. */
size_t rate_room(const Pledged__V1__RecordRates *command);

/* A row in its place: by currency, day, seq. Also for loading. */
void rate_add(struct ledger *ledger, const struct state_rate *rate);
/* The one in force on a day: of that day or the last before it; NULL: none. */
const struct state_rate *rate_at(const struct ledger *ledger, int currency, int32_t day);
/* The one that this entry recorded; NULL: none. */
const struct state_rate *rate_of_seq(const struct ledger *ledger, int currency, int32_t day,
                                     uint64_t seq);
/* First row that is not before (currency, day, seq): place in the table, or its end. */
size_t rate_place(const struct ledger *ledger, int currency, int32_t day, uint64_t seq);

/* What `minor` (not negative) of one currency is in another, exactly, rounded half to even. A rate
 * of NULL is that of CHF: 1. False: more than 64 bits, or too much on the way. */
PL_MUST_CHECK bool rate_convert(int64_t minor, int from, const struct state_rate *from_rate, int to,
                                const struct state_rate *to_rate, int64_t *ret);

#endif
