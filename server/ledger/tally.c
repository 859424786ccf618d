/* SPDX-License-Identifier: Apache-2.0
 *
 * tally: the sums behind `totals`, kept by four keys at once. What a pledge or a bank entry adds is
 * taken out before it changes and put back afterwards, so a sum can never drift from its parts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/money.h"
#include "server/ledger/allocation.h"
#include "server/ledger/valuation.h"
#include "server/ledger/waiver.h"

/* Under which line of each dimension something counts, as numbers: a month, a currency, a tier, a
 * category. */
struct keys {
    uint32_t number[STATE_DIMENSIONS];
};

enum { MONTH_BYTES = 8, UNMATCHED = -1 };

static const char *category_name(uint8_t kind)
{
    static const char *const names[] = {"other",          "government",
                                        "private-sector", "civil-society",
                                        "academia",       "international-organisation"};
    return kind < PL_COUNT(names) ? names[kind] : names[0];
}

/* YYYY-MM; by hand, for it is made for every entry that moves money. */
static void write_month(int month, char ret[8])
{
    int year = month / 12, of_year = month % 12 + 1;
    PL_ASSERT(month >= 0 && year <= 9999);
    for (int i = 3; i >= 0; i--, year /= 10)
        ret[i] = (char)('0' + year % 10);
    ret[4] = '-';
    ret[5] = (char)('0' + of_year / 10);
    ret[6] = (char)('0' + of_year % 10);
    ret[7] = '\0';
}

/* pledge NULL: money that nobody has matched yet. */
static void make_keys(const struct state_pledge *pledge, int month, int currency, struct keys *ret)
{
    ret->number[STATE_BY_MONTH] = (uint32_t)month;
    ret->number[STATE_BY_CURRENCY] = (uint32_t)currency;
    ret->number[STATE_BY_TIER] = pledge == NULL ? (uint32_t)UNMATCHED : pledge->tier;
    ret->number[STATE_BY_CATEGORY] = pledge == NULL ? (uint32_t)UNMATCHED : pledge->category;
}

/* What the line is called; borrowed from the ledger or from `room`. */
static const char *key_of(const struct ledger *ledger, enum state_dimension dimension,
                          uint32_t number, char room[MONTH_BYTES])
{
    switch (dimension) {
    case STATE_BY_MONTH:
        write_month((int)number, room);
        return room;
    case STATE_BY_CURRENCY:
        return pl_currency_code((int)number);
    case STATE_BY_TIER:
        if (number != (uint32_t)UNMATCHED)
            return number == STATE_TIER_FREE ? "free" : ledger->tier[number].code;
        return "unmatched";
    case STATE_BY_CATEGORY:
        return number != (uint32_t)UNMATCHED ? category_name((uint8_t)number) : "unmatched";
    case STATE_DIMENSIONS:
        break;
    }
    PL_UNREACHABLE();
}

/* Where the line stands, or would. */
static size_t place_of(const struct state_tallies *tallies, const char *key, int currency,
                       bool *ret_there)
{
    size_t low = 0, high = tallies->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct state_tally *line = &tallies->line[middle];
        int order = strcmp(line->key, key);
        if (order == 0)
            order = line->currency - currency; /* the table is ascending by code */
        if (order == 0) {
            *ret_there = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_there = false;
    return low;
}

static void insert_line(struct state_tallies *tallies, size_t place, const char *key, int currency)
{
    tallies->line =
        state_grow(tallies->line, tallies->count, &tallies->cap, sizeof(*tallies->line));
    memmove(&tallies->line[place + 1], &tallies->line[place],
            (tallies->count - place) * sizeof(*tallies->line));
    tallies->count++;
    tallies->shape++;
    struct state_tally *line = &tallies->line[place];
    *line = (struct state_tally){.currency = (int16_t)currency};
    (void)snprintf(line->key, sizeof(line->key), "%s", key);
}

/* Apart, so that the way of those who asked before is short. */
__attribute__((noinline)) static void look_up(struct ledger *ledger, enum state_dimension dimension,
                                              uint32_t number, int currency,
                                              struct state_asked *ret)
{
    struct state_tallies *tallies = &ledger->tally[dimension];
    char room[MONTH_BYTES];
    const char *key = key_of(ledger, dimension, number, room);
    bool there;
    size_t place = place_of(tallies, key, currency, &there);
    if (!there)
        insert_line(tallies, place, key, currency);
    *ret = (struct state_asked){.shape = tallies->shape,
                                .key = number,
                                .currency = (int16_t)currency,
                                .known = true,
                                .place = place};
}

/* It is there afterwards. Mostly it was asked for before: no key is written and none compared. */
static inline struct state_tally *line_of(struct ledger *ledger, enum state_dimension dimension,
                                          const struct keys *keys, int currency)
{
    struct state_tallies *tallies = &ledger->tally[dimension];
    uint32_t number = keys->number[dimension];
    struct state_asked *asked = &tallies->asked[number % STATE_ASKED];
    if (!asked->known || asked->shape != tallies->shape || asked->key != number ||
        asked->currency != currency)
        look_up(ledger, dimension, number, currency, asked);
    return &tallies->line[asked->place];
}

/* A line that says nothing goes, so that the lines are those of the rows that are there and not of
 * what once was: a loaded ledger has the same ones (I7). */
static void drop_if_empty(struct state_tallies *tallies, struct state_tally *line)
{
    if (line->pledges != 0 || line->pledged != 0 || line->committed != 0 || line->received != 0 ||
        line->allocated != 0 || line->refunded != 0 || line->unallocated != 0 ||
        line->written_off != 0 || line->difference != 0)
        return; /* nothing is valued where there is nothing */
    size_t place = (size_t)(line - tallies->line);
    tallies->count--;
    tallies->shape++;
    memmove(line, line + 1, (tallies->count - place) * sizeof(*line));
}

static void add(int64_t *sum, int sign, int64_t amount)
{
    bool fine = pl_add64(*sum, sign * amount, sum);
    PL_ASSERT(fine); /* decide refuses what would overflow */
}

/* What of an amount has a value in CHF: all or nothing of it. */
struct valued {
    int64_t minor;
    unsigned __int128 value;
};

static struct valued value_of(const struct ledger *ledger, const struct pl_map *rates,
                              uint32_t index, int currency, int64_t minor)
{
    bool home = valuation_is_home(currency);
    const struct state_rate *rate = home ? NULL : valuation_rate(ledger, rates, index, currency);
    if (!home && rate == NULL)
        return (struct valued){.minor = 0};
    return (struct valued){.minor = minor, .value = valuation_exact(minor, currency, rate)};
}

static void add_value(int64_t *minor, unsigned __int128 *sum, int sign, struct valued valued)
{
    add(minor, sign, valued.minor);
    *sum += sign > 0 ? valued.value : -valued.value; /* wraps, and comes back */
}

bool state_value(unsigned __int128 sum, int64_t *ret)
{
    const unsigned __int128 unit = 100000000000000; /* 10^-16 CHF in a centime */
    unsigned __int128 whole = sum / unit, rest = sum % unit;
    if (rest > unit / 2 || (rest == unit / 2 && (whole & 1) != 0))
        whole++;
    if (whole > INT64_MAX)
        return false;
    *ret = (int64_t)whole;
    return true;
}

bool tally_counts(const struct state_pledge *pledge)
{
    return pledge->currency >= 0 &&
           (pledge->stage == STAGE(PLEDGED) || pledge->stage == STAGE(COMMITTED) ||
            pledge->stage == STAGE(CLOSED));
}

void tally_pledge(struct ledger *ledger, const struct state_pledge *pledge, int sign)
{
    struct keys keys;
    if (!tally_counts(pledge))
        return;
    int64_t forgiven[2];
    waiver_sums(ledger, pledge, forgiven);
    struct valued valued =
        value_of(ledger, &ledger->pledge_rates, (uint32_t)(pledge - ledger->pledge),
                 pledge->currency, pledge->amount);
    make_keys(pledge, pledge->month, pledge->currency, &keys);
    for (size_t i = 0; i < STATE_DIMENSIONS; i++) {
        struct state_tally *line = line_of(ledger, i, &keys, pledge->currency);
        line->pledges += sign;
        add(&line->pledged, sign, pledge->amount);
        if (pledge->stage != STAGE(PLEDGED))
            add(&line->committed, sign, pledge->amount);
        add(&line->allocated, sign, pledge->allocated);
        add(&line->written_off, sign, forgiven[0]);
        add(&line->difference, sign, forgiven[1]);
        add_value(&line->valued_pledged, &line->value_pledged, sign, valued);
        ledger->tally[i].version++;
        drop_if_empty(&ledger->tally[i], line);
    }
}

/* --- many pledges at once, where a saved state is loaded --- */

enum { GATHERED_MAX = 1024 };

/* What pledges with the same keys add together. */
struct gathered {
    const struct state_pledge *like; /* one of them; NULL: none yet */
    int64_t pledges, pledged, committed, allocated, forgiven[2];
    bool home;            /* in francs: the value of the sum is the sum of the values */
    struct valued valued; /* else */
};
struct tally_gather {
    struct gathered row[GATHERED_MAX]; /* by a hash of their keys, the newest ones */
};

struct tally_gather *tally_gather_new(void)
{
    struct tally_gather *gather = calloc(1, sizeof(*gather));
    PL_ASSERT(gather != NULL);
    return gather;
}

/* False: a sum would leave 64 bits. All amounts are positive, and none is larger than `pledged`. */
static bool put_gathered(struct ledger *ledger, struct gathered *row)
{
    struct keys keys;
    const struct state_pledge *like = row->like;
    if (like == NULL)
        return true;
    if (!tally_may_pledge(ledger, like->currency, row->pledged))
        return false;
    if (row->home)
        row->valued = value_of(ledger, NULL, 0, like->currency, row->pledged);
    make_keys(like, like->month, like->currency, &keys);
    for (size_t i = 0; i < STATE_DIMENSIONS; i++) {
        struct state_tally *line = line_of(ledger, i, &keys, like->currency);
        line->pledges += row->pledges;
        add(&line->pledged, 1, row->pledged);
        add(&line->committed, 1, row->committed);
        add(&line->allocated, 1, row->allocated);
        add(&line->written_off, 1, row->forgiven[0]);
        add(&line->difference, 1, row->forgiven[1]);
        add_value(&line->valued_pledged, &line->value_pledged, 1, row->valued);
        ledger->tally[i].version++;
    }
    *row = (struct gathered){.like = NULL};
    return true;
}

static bool same_keys(const struct state_pledge *a, const struct state_pledge *b)
{
    return a->tier == b->tier && a->month == b->month && a->currency == b->currency &&
           a->category == b->category;
}

bool tally_gather(struct tally_gather *gather, struct ledger *ledger,
                  const struct state_pledge *pledge)
{
    if (!tally_counts(pledge))
        return true;
    uint32_t hash = (uint32_t)pledge->tier * 8 + pledge->category + pledge->month * 61u +
                    (uint32_t)pledge->currency * 257u;
    struct gathered *row = &gather->row[hash % GATHERED_MAX];
    if (row->like != NULL && !same_keys(row->like, pledge) && !put_gathered(ledger, row))
        return false;
    if (!pl_add64(row->pledged, pledge->amount, &row->pledged))
        return false; /* and so nothing below goes beyond */
    if (row->like == NULL)
        row->home = valuation_is_home(pledge->currency);
    if (!row->home) {
        struct valued valued =
            value_of(ledger, &ledger->pledge_rates, (uint32_t)(pledge - ledger->pledge),
                     pledge->currency, pledge->amount);
        row->valued.minor += valued.minor;
        row->valued.value += valued.value;
    }
    row->like = pledge;
    row->pledges++;
    if (state_forgiven(pledge) != 0) {
        int64_t forgiven[2];
        waiver_sums(ledger, pledge, forgiven);
        row->forgiven[0] += forgiven[0];
        row->forgiven[1] += forgiven[1];
    }
    row->allocated += pledge->allocated;
    row->committed += pledge->stage != STAGE(PLEDGED) ? pledge->amount : 0;
    return true;
}

bool tally_gathered(struct tally_gather *gather, struct ledger *ledger)
{
    bool fine = true;
    for (size_t i = 0; i < GATHERED_MAX; i++)
        fine = fine && put_gathered(ledger, &gather->row[i]);
    free(gather);
    return fine;
}

/* --- money --- */

/* Money that came in: `minor` of it under the keys of this pledge. */
static void add_received(struct ledger *ledger, const struct state_bank_entry *entry,
                         const struct state_pledge *pledge, int sign, int64_t minor,
                         int64_t free_minor, int64_t refunded)
{
    struct keys keys;
    struct valued valued = value_of(ledger, &ledger->entry_rates,
                                    (uint32_t)(entry - ledger->bank_entry), entry->currency, minor);
    make_keys(pledge, pl_date_month(entry->value_date), entry->currency, &keys);
    for (size_t i = 0; i < STATE_DIMENSIONS; i++) {
        struct state_tally *line = line_of(ledger, i, &keys, entry->currency);
        add(&line->received, sign, minor);
        add(&line->unallocated, sign, free_minor);
        add(&line->refunded, sign, refunded);
        add_value(&line->valued_received, &line->value_received, sign, valued);
        ledger->tally[i].version++;
        drop_if_empty(&ledger->tally[i], line);
    }
}

void tally_bank_entry(struct ledger *ledger, const struct state_bank_entry *entry, int sign)
{
    if (!entry->reversed && !entry->debit)
        add_received(ledger, entry,
                     entry->pledge == STATE_NONE ? NULL : &ledger->pledge[entry->pledge], sign,
                     entry->amount - entry->allocated - entry->explained, allocation_free(entry),
                     entry->refunded);
}

void tally_allocation(struct ledger *ledger, const struct state_allocation *allocation, int sign)
{
    if (allocation->reversed_by == 0)
        add_received(ledger, &ledger->bank_entry[allocation->bank_entry],
                     &ledger->pledge[allocation->pledge], sign, allocation->amount, 0, 0);
}

void tally_all_of(struct ledger *ledger, const struct state_pledge *pledge, int sign)
{
    tally_pledge(ledger, pledge, sign);
    for (uint32_t i = pledge->bank_first; i != STATE_NONE; i = ledger->bank_entry[i].next_of_pledge)
        tally_bank_entry(ledger, &ledger->bank_entry[i], sign);
    for (uint32_t i = state_newest_allocation(pledge); i != STATE_NONE;
         i = ledger->allocation[i].next_of_pledge)
        tally_allocation(ledger, &ledger->allocation[i], sign);
}

/* All amounts are positive, so the line of the whole currency is the largest of all lines. */
static const struct state_tally *whole(const struct ledger *ledger, int currency)
{
    const struct state_tallies *tallies = &ledger->tally[STATE_BY_CURRENCY];
    for (size_t i = 0; i < tallies->count; i++) {
        if (tallies->line[i].currency == currency)
            return &tallies->line[i];
    }
    return NULL;
}

bool tally_may_pledge(const struct ledger *ledger, int currency, int64_t amount)
{
    const struct state_tally *line = whole(ledger, currency);
    int64_t sum;
    return line == NULL || pl_add64(line->pledged, amount, &sum);
}

bool tally_may_receive(const struct ledger *ledger, int currency, int64_t amount)
{
    const struct state_tally *line = whole(ledger, currency);
    int64_t sum;
    return line == NULL || pl_add64(line->received, amount, &sum);
}
