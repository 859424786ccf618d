/* SPDX-License-Identifier: Apache-2.0
 *
 * valuation: see valuation.h. Happy path: the rate is found, the product fits. Failure: without a
 * rate money has no value in francs, which the sums tell apart; and nothing is settled with it.
 */
#include "server/ledger/valuation.h"

#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/money.h"
#include "server/ledger/period.h"

bool valuation_is_home(int currency)
{
    return strcmp(pl_currency_code(currency), RATE_HOME) == 0;
}

/* --- in entries --- */

static char *keep(struct maker *maker, const char *text)
{
    size_t len = strlen(text);
    char *copy = maker_alloc(maker, len + 1);
    memcpy(copy, text, len + 1);
    return copy;
}

static char *day_text(struct maker *maker, int32_t day)
{
    char *text = maker_alloc(maker, 11);
    (void)pl_date_format(day, text);
    return text;
}

size_t valuation_room(void)
{
    return sizeof(Pledged__V1__Valuation) + sizeof(Pledged__V1__Money) + RATE_SOURCE_MAX + 128;
}

/* The value of the amount, with its sign; false: it has none. */
static bool value_of(const struct state_rate *rate, int64_t minor, int currency, int64_t *ret)
{
    int64_t value;
    if (minor == INT64_MIN || !rate_convert(minor < 0 ? -minor : minor, currency, rate,
                                            pl_currency_index(RATE_HOME), NULL, &value))
        return false;
    *ret = minor < 0 ? -value : value;
    return true;
}

Pledged__V1__Valuation *valuation_of(struct maker *maker, const Pledged__V1__Entry *entry,
                                     int64_t minor, int currency)
{
    const struct state_rate *rate = rate_at(maker->ledger, currency, period_day_of(entry));
    int64_t value;
    if (rate == NULL || !value_of(rate, minor, currency, &value))
        return NULL;
    Pledged__V1__Valuation *made = maker_alloc(maker, sizeof(*made));
    pledged__v1__valuation__init(made);
    made->value = maker_money(maker, value, pl_currency_index(RATE_HOME));
    made->rate_date = day_text(maker, rate->day);
    made->mantissa = rate->mantissa;
    made->scale = rate->scale;
    made->source = keep(maker, maker->ledger->text + rate->source);
    made->rate_seq = rate->seq;
    return made;
}

/* The row that a fact names, if it says the same; NULL: none does. */
static const struct state_rate *named(const struct ledger *ledger, int currency, const char *date,
                                      int64_t mantissa, uint32_t scale, const char *source,
                                      uint64_t seq)
{
    int32_t day;
    const struct state_rate *rate =
        pl_is_ok(pl_date_parse(date, &day)) ? rate_of_seq(ledger, currency, day, seq) : NULL;
    bool same = rate != NULL && rate->mantissa == mantissa && rate->scale == scale &&
                strcmp(ledger->text + rate->source, source) == 0;
    return same ? rate : NULL;
}

struct pl_status valuation_check(const struct ledger *ledger, const Pledged__V1__Entry *entry,
                                 const Pledged__V1__Valuation *valuation, int64_t minor,
                                 int currency)
{
    if (valuation == NULL)
        return pl_ok();
    int64_t value;
    const struct state_rate *rate =
        named(ledger, currency, valuation->rate_date, valuation->mantissa, valuation->scale,
              valuation->source, valuation->rate_seq);
    NEED(rate != NULL && rate->day <= period_day_of(entry), "a value by a rate that is not known");
    NEED(valuation->value != NULL && strcmp(valuation->value->currency, RATE_HOME) == 0 &&
             value_of(rate, minor, currency, &value) && valuation->value->minor == value,
         "a value that does not follow from its rate");
    return pl_ok();
}

/* --- in the state --- */

void valuation_keep(struct pl_map *map, uint32_t index, const Pledged__V1__Valuation *valuation)
{
    struct state_valued valued = {.seq = 0};
    if (valuation == NULL)
        return;
    valued.seq = valuation->rate_seq;
    struct pl_status status = pl_date_parse(valuation->rate_date, &valued.day);
    PL_ASSERT(pl_is_ok(status)); /* checked */
    pl_map_put(map, &index, &valued);
}

const struct state_rate *valuation_rate(const struct ledger *ledger, const struct pl_map *map,
                                        uint32_t index, int currency)
{
    struct state_valued valued;
    if (map->count == 0)
        return NULL;
    const void *found = pl_map_get(map, &index);
    if (found == NULL)
        return NULL;
    memcpy(&valued, found, sizeof(valued)); /* it is not aligned there */
    return rate_of_seq(ledger, currency, valued.day, valued.seq);
}

bool valuation_fits(const struct ledger *ledger, uint32_t pledge, int currency, int64_t minor)
{
    const struct state_rate *rate =
        valuation_is_home(currency)
            ? NULL
            : valuation_rate(ledger, &ledger->pledge_rates, pledge, currency);
    int64_t value;
    return rate == NULL || value_of(rate, minor, currency, &value);
}

unsigned __int128 valuation_exact(int64_t minor, int currency, const struct state_rate *rate)
{
    enum { UNIT = 16 }; /* no currency has more than 4 digits, no rate more than 12 */
    static const uint64_t powers[UNIT + 1] = {1,
                                              10,
                                              100,
                                              1000,
                                              10000,
                                              100000,
                                              1000000,
                                              10000000,
                                              100000000,
                                              1000000000,
                                              10000000000,
                                              100000000000,
                                              1000000000000,
                                              10000000000000,
                                              100000000000000,
                                              1000000000000000,
                                              10000000000000000};
    int power = UNIT - pl_currency_exponent(pl_currency_code(currency));
    unsigned __int128 value = (unsigned __int128)minor;
    if (rate != NULL) {
        value *= (unsigned __int128)rate->mantissa;
        power -= rate->scale;
    }
    PL_ASSERT(power >= 0 && power <= UNIT);
    return value * powers[power];
}

/* --- allocating across currencies --- */

static bool find(struct maker *maker, const struct state_bank_entry *entry, int currency,
                 const char *field, const struct state_rate **ret)
{
    int32_t day = entry->value_date;
    *ret = NULL;
    if (valuation_is_home(currency))
        return true;
    const struct state_rate *rate = rate_at(maker->ledger, currency, day);
    if (rate != NULL && day - rate->day <= VALUATION_AGE_MAX) {
        *ret = rate;
        return true;
    }
    maker_refuse(maker, REASON(RATE_REQUIRED), field, entry->seq, NULL);
    maker_arg(maker, "currency", pl_currency_code(currency));
    maker_arg(maker, "date", day_text(maker, day));
    if (rate != NULL)
        maker_arg(maker, "last", day_text(maker, rate->day));
    return false;
}

bool valuation_find(struct maker *maker, const struct state_bank_entry *entry, int currency,
                    const char *field, struct valuation_pair *ret)
{
    return find(maker, entry, entry->currency, field, &ret->from) &&
           find(maker, entry, currency, field, &ret->to);
}

static void name(struct maker *maker, const struct state_rate *rate, Pledged__V1__Allocated *fact)
{
    if (rate == NULL)
        return;
    Pledged__V1__AppliedRate *applied = maker_alloc(maker, sizeof(*applied));
    pledged__v1__applied_rate__init(applied);
    applied->rate_seq = rate->seq;
    applied->rate = maker_alloc(maker, sizeof(*applied->rate));
    pledged__v1__rate__init(applied->rate);
    applied->rate->currency = (char *)(uintptr_t)pl_currency_code(rate->currency);
    applied->rate->date = day_text(maker, rate->day);
    applied->rate->mantissa = rate->mantissa;
    applied->rate->scale = rate->scale;
    applied->rate->source = keep(maker, maker->ledger->text + rate->source);
    fact->rate[fact->n_rate++] = applied;
}

void valuation_name(struct maker *maker, const struct valuation_pair *pair,
                    Pledged__V1__Allocated *fact)
{
    fact->rate = maker_alloc(maker, 2 * sizeof(*fact->rate));
    name(maker, pair->from, fact);
    name(maker, pair->to, fact);
}

/* The rate of this currency among those named; *used counts them. */
static bool take(const struct ledger *ledger, const Pledged__V1__Allocated *fact, int currency,
                 int32_t day, size_t *used, const struct state_rate **ret)
{
    *ret = NULL;
    if (valuation_is_home(currency))
        return true;
    if (*used >= fact->n_rate || fact->rate[*used]->rate == NULL)
        return false;
    const Pledged__V1__Rate *rate = fact->rate[*used]->rate;
    *ret = pl_currency_index(rate->currency) == currency
               ? named(ledger, currency, rate->date, rate->mantissa, rate->scale, rate->source,
                       fact->rate[*used]->rate_seq)
               : NULL;
    ++*used;
    return *ret != NULL && (*ret)->day <= day;
}

struct pl_status valuation_check_settled(const struct ledger *ledger,
                                         const Pledged__V1__Allocated *fact,
                                         const struct state_bank_entry *entry, int currency)
{
    struct valuation_pair pair;
    size_t used = 0;
    int64_t there, back;
    if (fact->n_rate == 0)
        return pl_ok();
    NEED(entry->currency != currency && fact->settled != NULL &&
             take(ledger, fact, entry->currency, entry->value_date, &used, &pair.from) &&
             take(ledger, fact, currency, entry->value_date, &used, &pair.to) &&
             used == fact->n_rate,
         "an allocation by a rate that is not known");
    NEED(
        (rate_convert(fact->amount->minor, entry->currency, pair.from, currency, pair.to, &there) &&
         there == fact->settled->minor) ||
            (rate_convert(fact->settled->minor, currency, pair.to, entry->currency, pair.from,
                          &back) &&
             back == fact->amount->minor),
        "an allocation that does not follow from its rates");
    return pl_ok();
}
