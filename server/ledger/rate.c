/* SPDX-License-Identifier: Apache-2.0
 *
 * rate: see rate.h. Decimals are mantissas with a scale; products are 128 bits wide and checked.
 * Happy path: each rate becomes an entry. Failure: a day that has not come refuses the whole
 * command; a product that does not fit is told, never wrapped (G8).
 */
#include "server/ledger/rate.h"

#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/money.h"

/* --- arithmetic --- */

static bool times(__int128 *value, int64_t factor)
{
    return !__builtin_mul_overflow(*value, factor, value);
}

static bool times_ten(__int128 *value, int power)
{
    for (; power > 0; power--) {
        if (!times(value, 10))
            return false;
    }
    return true;
}

/* Half to even; both are positive, numerator may be 0. */
static __int128 divide(__int128 numerator, __int128 denominator)
{
    __int128 quotient = numerator / denominator, rest = numerator % denominator;
    __int128 missing = denominator - rest; /* rest against its half, without doubling */
    if (rest > missing || (rest == missing && (quotient & 1) != 0))
        quotient++;
    return quotient;
}

bool rate_convert(int64_t minor, int from, const struct state_rate *from_rate, int to,
                  const struct state_rate *to_rate, int64_t *ret)
{
    __int128 numerator = minor, denominator = 1;
    int power = pl_currency_exponent(pl_currency_code(to)) -
                pl_currency_exponent(pl_currency_code(from)) +
                (to_rate != NULL ? to_rate->scale : 0) - (from_rate != NULL ? from_rate->scale : 0);
    PL_ASSERT(minor >= 0);
    if (!times(&numerator, from_rate != NULL ? from_rate->mantissa : 1) ||
        !times(&denominator, to_rate != NULL ? to_rate->mantissa : 1) ||
        !times_ten(power > 0 ? &numerator : &denominator, power > 0 ? power : -power))
        return false;
    __int128 value = divide(numerator, denominator);
    if (value > INT64_MAX)
        return false;
    *ret = (int64_t)value;
    return true;
}

/* --- the table --- */

static int order(const struct state_rate *rate, int currency, int32_t day, uint64_t seq)
{
    if (rate->currency != currency)
        return rate->currency < currency ? -1 : 1;
    if (rate->day != day)
        return rate->day < day ? -1 : 1;
    return rate->seq < seq ? -1 : rate->seq > seq;
}

size_t rate_place(const struct ledger *ledger, int currency, int32_t day, uint64_t seq)
{
    size_t low = 0, high = ledger->rate_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (order(&ledger->rate[middle], currency, day, seq) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct state_rate *rate_at(const struct ledger *ledger, int currency, int32_t day)
{
    size_t after = rate_place(ledger, currency, day, UINT64_MAX);
    bool found = after > 0 && ledger->rate[after - 1].currency == currency;
    return found ? &ledger->rate[after - 1] : NULL;
}

const struct state_rate *rate_of_seq(const struct ledger *ledger, int currency, int32_t day,
                                     uint64_t seq)
{
    size_t place = rate_place(ledger, currency, day, seq);
    bool found = place < ledger->rate_count && order(&ledger->rate[place], currency, day, seq) == 0;
    return found ? &ledger->rate[place] : NULL;
}

void rate_add(struct ledger *ledger, const struct state_rate *rate)
{
    size_t place = rate_place(ledger, rate->currency, rate->day, rate->seq);
    ledger->rate =
        state_grow(ledger->rate, ledger->rate_count, &ledger->rate_cap, sizeof(*ledger->rate));
    memmove(&ledger->rate[place + 1], &ledger->rate[place],
            (ledger->rate_count - place) * sizeof(*ledger->rate));
    ledger->rate[place] = *rate;
    ledger->rate_count++;
}

/* The entry that recorded the rate of this very day; 0: none. */
static uint64_t seq_of_day(const struct ledger *ledger, int currency, int32_t day)
{
    const struct state_rate *known = rate_at(ledger, currency, day);
    return known != NULL && known->day == day ? known->seq : 0;
}

/* --- the fact --- */

struct pl_status rate_check(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__Rate *rate = entry->rate_recorded->rate;
    int32_t day;
    NEED(rate != NULL && pl_currency_index(rate->currency) >= 0 &&
             strcmp(rate->currency, RATE_HOME) != 0,
         "a rate of no currency");
    NEED(rate->mantissa > 0 && rate->mantissa <= RATE_MANTISSA_MAX && rate->scale <= RATE_SCALE_MAX,
         "a rate that is no number");
    NEED(pl_is_ok(pl_date_parse(rate->date, &day)) && day <= state_day(ledger, entry->time_us),
         "a rate of no day, or of one that had not come");
    NEED(rate->source[0] != '\0' && ledger->rate_count < STATE_ROWS_MAX,
         "a rate without a source, or more than a ledger holds");
    NEED(entry->rate_recorded->supersedes ==
             seq_of_day(ledger, pl_currency_index(rate->currency), day),
         "a rate takes the place of another one");
    return pl_ok();
}

void rate_apply(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__Rate *rate = entry->rate_recorded->rate;
    struct state_rate made = {
        .mantissa = rate->mantissa,
        .seq = entry->seq,
        .source = state_add_text(ledger, rate->source),
        .currency = (int16_t)pl_currency_index(rate->currency),
        .scale = (uint8_t)rate->scale,
    };
    struct pl_status status = pl_date_parse(rate->date, &made.day);
    PL_ASSERT(pl_is_ok(status)); /* checked */
    rate_add(ledger, &made);
}

/* --- the command --- */

size_t rate_room(const Pledged__V1__RecordRates *command)
{
    enum { ROOM_EACH = 2048 }; /* an entry and its fact, as messages and packed */
    return command->n_rate * ROOM_EACH;
}

static bool in_future(struct maker *maker, const Pledged__V1__Rate *rate, int32_t *ret_day)
{
    struct pl_status status = pl_date_parse(rate->date, ret_day);
    PL_ASSERT(pl_is_ok(status)); /* validated */
    if (*ret_day <= state_day(maker->ledger, maker_time(maker)))
        return false;
    maker_refuse(maker, REASON(RATE_INVALID), "record_rates.rate.date", 0, NULL);
    maker_arg(maker, "currency", rate->currency);
    maker_arg(maker, "date", rate->date);
    maker_say(maker, "why", "the day has not come");
    return true;
}

void rate_decide(struct maker *maker)
{
    const Pledged__V1__RecordRates *command = maker->command->record_rates;
    for (size_t i = 0; i < command->n_rate; i++) {
        Pledged__V1__Rate *rate = command->rate[i];
        int32_t day;
        if (in_future(maker, rate, &day))
            return;
        Pledged__V1__Entry *entry = maker_entry(maker, 0);
        Pledged__V1__RateRecorded *fact = maker_alloc(maker, sizeof(*fact));
        pledged__v1__rate_recorded__init(fact);
        fact->rate = rate;
        fact->supersedes = seq_of_day(maker->ledger, pl_currency_index(rate->currency), day);
        entry->fact_case = FACT(RATE_RECORDED);
        entry->rate_recorded = fact;
    }
}
