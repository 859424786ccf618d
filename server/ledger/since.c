/* SPDX-License-Identifier: Apache-2.0
 *
 * since: see since.h. Happy path: no date is given, and what an entry rests on has come. Failure:
 * DATE_INVALID with the earliest day that is possible; a log that says so is CORRUPT.
 */
#include "server/ledger/since.h"

#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/ids.h"
#include "server/ledger/period.h"
#include "server/ledger/refund.h"
#include "server/ledger/waiver.h"

static const struct since any_day = {.day = INT32_MIN, .posted = INT32_MIN};

/* Not before what that entry says with this day, nor in the books before they have it. As long as
 * no month is opened again, the second follows from the first. */
static void no_sooner(const struct ledger *ledger, struct since *since, int32_t day, uint64_t seq)
{
    if (day > since->day) {
        since->day = day;
        since->seq = seq;
    }
    if (!state_rules(ledger, 15) || !period_was_reopened(ledger))
        return;
    int32_t posted = period_posted_at(ledger, seq, day);
    if (posted > since->posted) {
        since->posted = posted;
        since->posted_seq = seq;
    }
}

/* --- what an entry rests on --- */

/* The day of the promise, or the last one on which it or its amount changed, whatever the change.
 */
static struct state_valued last_of(const struct ledger *ledger, uint32_t pledge)
{
    struct state_valued made = {.seq = ledger->pledge[pledge].first_seq,
                                .day = pl_date_of_us(ledger->pledge[pledge].made_us)};
    const void *found = pl_map_get(&ledger->pledge_since, &pledge);
    if (found != NULL)
        memcpy(&made, found, sizeof(made)); /* it is not aligned there */
    return made;
}

static struct state_days days_of(const struct ledger *ledger, uint32_t pledge)
{
    struct state_days days = {.terms = last_of(ledger, pledge)};
    days.owed = days.terms;
    const void *found = pl_map_get(&ledger->pledge_days, &pledge);
    if (found != NULL)
        memcpy(&days, found, sizeof(days)); /* it is not aligned there */
    return days;
}

/* Rules before 16 have one day for all, which holds up nothing while UTC's is before it. */
static void after_last(const struct ledger *ledger, uint32_t pledge,
                       const Pledged__V1__Entry *entry, struct since *since)
{
    struct state_valued last = last_of(ledger, pledge);
    if (last.day <= pl_date_of_us(entry->time_us))
        no_sooner(ledger, since, last.day, last.seq);
}

/* What was announced holds up nothing until its day has come. */
static void after_owed(const struct ledger *ledger, const struct state_days *days,
                       const Pledged__V1__Entry *entry, struct since *since)
{
    if (days->owed.seq != 0)
        no_sooner(ledger, since, days->owed.day, days->owed.seq);
    if (days->announced.seq != 0 && days->announced.day <= state_day(ledger, entry->time_us))
        no_sooner(ledger, since, days->announced.day, days->announced.seq);
}

static void after_promise(const struct ledger *ledger, const struct state_pledge *pledge,
                          const Pledged__V1__Entry *entry, struct since *since)
{
    uint32_t index = (uint32_t)(pledge - ledger->pledge);
    if (!state_rules(ledger, 16)) {
        after_last(ledger, index, entry, since);
        return;
    }
    const struct state_days days = days_of(ledger, index);
    const Pledged__V1__Money *amount = NULL;
    switch ((int)entry->fact_case) {
    case FACT(COMMITMENT_AMENDED):
    case FACT(TIER_CHANGED):
        amount = entry->fact_case == FACT(TIER_CHANGED) ? entry->tier_changed->amount
                                                        : entry->commitment_amended->amount;
        if (amount == NULL)
            return; /* of what is only held */
        no_sooner(ledger, since, days.terms.day, days.terms.seq);
        if (amount->minor < pledge->amount && amount->minor < days.peak)
            after_owed(ledger, &days, entry, since);
        return;
    case FACT(ALLOCATED):
    case FACT(WRITTEN_OFF):
    case FACT(DIFFERENCE_ACCEPTED):
        break;
    default: /* an end, or a paper about all of it */
        if (days.terms.day <= state_day(ledger, entry->time_us))
            no_sooner(ledger, since, days.terms.day, days.terms.seq);
        break;
    }
    after_owed(ledger, &days, entry, since);
}

static void after_allocations(const struct ledger *ledger, const struct state_bank_entry *from,
                              const struct state_pledge *only, struct since *since)
{
    for (uint32_t i = from->alloc_first; i != STATE_NONE; i = ledger->allocation[i].next_of_entry) {
        const struct state_allocation *allocation = &ledger->allocation[i];
        if (allocation->reversed_by == 0 &&
            (only == NULL || &ledger->pledge[allocation->pledge] == only))
            no_sooner(ledger, since, allocation->day, allocation->seq);
    }
}

/* Where it was used before: what made it free. The last of them did on the day `since`, and earlier
 * ones are posted no later than then, unless it lies in a month that was closed. */
static void after_freed(const struct ledger *ledger, const struct state_bank_entry *from,
                        struct since *since)
{
    uint32_t index = (uint32_t)(from - ledger->bank_entry);
    for (uint32_t i = from->alloc_first; i != STATE_NONE; i = ledger->allocation[i].next_of_entry) {
        if (ledger->allocation[i].reversed_by != 0)
            no_sooner(ledger, since, from->since, ledger->allocation[i].reversed_by);
    }
    for (size_t i = 0; i < ledger->refund_count; i++) {
        const struct state_refund *refund = &ledger->refund[i];
        if (refund->bank_entry == index &&
            refund->state == PLEDGED__V1__REFUND_STATE__REFUND_STATE_CANCELLED)
            no_sooner(ledger, since, from->since, refund->changed_seq);
    }
    for (size_t i = 0; i < ledger->deed_count; i++) {
        const struct state_deed *deed = &ledger->deed[i];
        bool charged = deed->fact == FACT(CHARGE_BOOKED) && deed->of == index;
        bool returned = deed->fact == FACT(REFUND_RETURNED) && deed->credit == index;
        if ((charged || returned) && deed->reversed_by != 0)
            no_sooner(ledger, since, from->since, deed->reversed_by);
    }
}

static void after_money(const struct ledger *ledger, const struct state_bank_entry *from,
                        struct since *since)
{
    no_sooner(ledger, since, from->since, from->seq);
    if (period_was_reopened(ledger) && period_was_closed(ledger, from->since))
        after_freed(ledger, from, since);
}

static void after_settled(const struct ledger *ledger, const struct state_pledge *pledge,
                          struct since *since)
{
    for (uint32_t i = state_newest_allocation(pledge); i != STATE_NONE;
         i = ledger->allocation[i].next_of_pledge) {
        if (ledger->allocation[i].reversed_by == 0)
            no_sooner(ledger, since, ledger->allocation[i].day, ledger->allocation[i].seq);
    }
    for (uint32_t i = waiver_newest(ledger, pledge); i != STATE_NONE;
         i = ledger->waiver[i].next_of_pledge) {
        if (ledger->waiver[i].reversed_by == 0)
            no_sooner(ledger, since, ledger->waiver[i].dated, ledger->waiver[i].seq);
    }
}

static void after_target(const struct ledger *ledger, uint64_t target, struct since *since)
{
    const uint32_t *found = pl_map_get(&ledger->reversible, &target);
    if (found == NULL)
        return;
    uint32_t index = state_reversible_index(*found);
    switch (state_reversible_kind(*found)) {
    case STATE_REVERSIBLE_WAIVER:
        no_sooner(ledger, since, ledger->waiver[index].dated, target);
        return;
    case STATE_REVERSIBLE_ALLOCATION:
        no_sooner(ledger, since, ledger->allocation[index].day, target);
        return;
    case STATE_REVERSIBLE_DEED:
        no_sooner(ledger, since, ledger->deed[index].dated, target);
        return;
    case STATE_REVERSIBLE_ENTRY:
        after_money(ledger, &ledger->bank_entry[index], since);
        after_allocations(ledger, &ledger->bank_entry[index], NULL, since);
        return;
    }
    PL_UNREACHABLE();
}

/* Does this entry bring the money of that bank entry? */
static bool brings(const Pledged__V1__Entry *made, const char *bank_entry)
{
    return (made->fact_case == FACT(PAYMENT_RECORDED) &&
            strcmp(made->payment_recorded->bank_entry, bank_entry) == 0) ||
           (made->fact_case == FACT(BANK_ENTRY_RECORDED) &&
            strcmp(made->bank_entry_recorded->bank_entry, bank_entry) == 0);
}

/* What this decision has done and nobody has applied yet: it brought the money, or freed it. */
static void after_these(const struct ledger *ledger, Pledged__V1__Entry *const *before,
                        size_t count, const char *bank_entry, struct since *since)
{
    for (size_t i = 0; i < count && i < LEDGER_ENTRIES_PER_COMMAND_MAX; i++) {
        const Pledged__V1__Entry *made = before[count - 1 - i];
        if (made->fact_case == FACT(REVERSED) || brings(made, bank_entry))
            no_sooner(ledger, since, period_day_of(made), made->seq);
    }
}

static void after_bank_reversal(const struct ledger *ledger, const Pledged__V1__BankReversal *fact,
                                struct since *since)
{
    const struct state_bank_entry *back = state_bank_entry(ledger, fact->bank_entry);
    const struct state_bank_entry *from = state_bank_entry(ledger, fact->original);
    if (back == NULL || from == NULL)
        return;
    no_sooner(ledger, since, back->value_date, back->seq);
    after_money(ledger, from, since);
    after_allocations(ledger, from, NULL, since);
}

static void after_credit(const struct ledger *ledger, const Pledged__V1__RefundPaid *fact,
                         struct since *since)
{
    const struct state_refund *refund = refund_of(ledger, fact->refund);
    if (refund == NULL)
        return;
    const struct state_bank_entry *credit = &ledger->bank_entry[refund->bank_entry];
    no_sooner(ledger, since, credit->value_date, credit->seq);
}

struct since since_of(const struct ledger *ledger, Pledged__V1__Entry *const *before, size_t count,
                      const Pledged__V1__Entry *entry)
{
    struct since since = any_day;
    const struct state_bank_entry *from = NULL;
    const struct state_refund *refund;
    const struct state_pledge *pledge = state_pledge(ledger, apply_pledge_of(entry));
    switch ((int)entry->fact_case) {
    case FACT(ALLOCATED):
        from = state_bank_entry(ledger, entry->allocated->bank_entry);
        after_these(ledger, before, count, entry->allocated->bank_entry, &since);
        break;
    case FACT(CHARGE_BOOKED):
        if (state_rules(ledger, 15))
            from = state_bank_entry(ledger, entry->charge_booked->bank_entry);
        pledge = NULL;
        break;
    case FACT(REFUND_ORDERED):
        from = state_bank_entry(ledger, entry->refund_ordered->bank_entry);
        pledge = NULL; /* whose money it is, no more */
        break;
    case FACT(DIFFERENCE_ACCEPTED):
        if (state_bank_entry(ledger, entry->difference_accepted->bank_entry) != NULL)
            after_allocations(ledger,
                              state_bank_entry(ledger, entry->difference_accepted->bank_entry),
                              pledge, &since);
        break;
    case FACT(COMMITMENT_SIGNED):
        if (state_rules(ledger, 15))
            return since;
        break;
    case FACT(WRITTEN_OFF):
    case FACT(COMMITMENT_AMENDED):
    case FACT(TIER_CHANGED):
        break;
    case FACT(PLEDGE_CLOSED):
    case FACT(CANCELLED):
    case FACT(WITHDRAWN):
    case FACT(RECEIPT_ISSUED):
        if (pledge != NULL)
            after_settled(ledger, pledge, &since);
        break;
    case FACT(REVERSED):
        after_target(ledger, entry->reversed->target_seq, &since);
        return since;
    case FACT(BANK_REVERSAL):
        after_bank_reversal(ledger, entry->bank_reversal, &since);
        return since;
    case FACT(REFUND_PAID):
        if (state_bank_entry(ledger, entry->refund_paid->bank_entry) == NULL &&
            (count == 0 || !brings(before[count - 1], entry->refund_paid->bank_entry)))
            after_credit(ledger, entry->refund_paid, &since);
        return since;
    case FACT(REFUND_CANCELLED):
        refund = refund_of(ledger, entry->refund_cancelled->refund);
        if (refund != NULL)
            no_sooner(ledger, &since, refund->dated, refund->seq);
        return since;
    default:
        return since;
    }
    if (from != NULL)
        after_money(ledger, from, &since);
    if (pledge != NULL)
        after_promise(ledger, pledge, entry, &since);
    return since;
}

int32_t since_first(const struct ledger *ledger, const struct since *since)
{
    if (since->posted == INT32_MIN)
        return since->day;
    int32_t posted = period_posted_at(ledger, ledger->size + 1, since->day);
    return posted >= since->posted ? since->day : since->posted;
}

/* --- decide --- */

static void refuse(struct maker *maker, const Pledged__V1__Entry *entry, struct since since)
{
    char text[11];
    int32_t day = period_day_of(entry);
    bool posted = since.day <= day; /* it is early in the books alone */
    uint64_t seq = posted ? since.posted_seq : since.seq;
    seq = seq <= maker->ledger->size ? seq : 0;
    bool typed =
        maker->command->command_case == COMMAND(PAY) && maker->command->pay->value_date[0] != '\0';
    maker_refuse(maker, REASON(DATE_INVALID), typed ? "pay.value_date" : "effective_date", seq,
                 NULL);
    maker_say(maker, "why",
              posted ? WORDS("the books have what it rests on only in a later month")
                     : WORDS("it would be dated before what it rests on"));
    maker_arg(maker, "date", pl_date_format(day, text));
    maker_arg(maker, "earliest", pl_date_format(since_first(maker->ledger, &since), text));
}

static void date(struct maker *maker, Pledged__V1__Entry *entry, int32_t day)
{
    entry->effective_date = maker_alloc(maker, 11);
    (void)pl_date_format(day, entry->effective_date);
    maker_dated(maker, entry, day);
}

/* What a payment or a statement brings about beside the money: nobody chose its day. */
static bool is_beside(const struct maker *maker, const Pledged__V1__Entry *entry)
{
    return entry->fact_case == FACT(ALLOCATED) &&
           (maker->command->command_case == COMMAND(PAY) ||
            maker->command->command_case == COMMAND(IMPORT_STATEMENT));
}

static bool is_early(const Pledged__V1__Entry *entry, const struct since *since)
{
    return period_day_of(entry) < since->day || period_posted_on(entry) < since->posted;
}

/* The entry of the decision whose day was chosen and is too early, by the latest first day that any
 * of them may have; NULL: none. */
static const Pledged__V1__Entry *too_early(const struct maker *maker, struct since *ret)
{
    const struct ledger_decision *out = maker->out;
    const Pledged__V1__Entry *found = NULL;
    bool given = maker->command->effective_date[0] != '\0';
    int32_t first = INT32_MIN;
    *ret = any_day;
    for (size_t i = 0; i < out->entry_count; i++) {
        const Pledged__V1__Entry *entry = out->entry[i];
        bool chosen = entry->fact_case == FACT(REFUND_PAID) || (given && !is_beside(maker, entry));
        struct since since = chosen ? since_of(maker->ledger, out->entry, i, entry) : any_day;
        if (!is_early(entry, &since) || since_first(maker->ledger, &since) <= first)
            continue;
        first = since_first(maker->ledger, &since);
        *ret = since;
        found = entry;
    }
    return found;
}

void since_settle(struct maker *maker)
{
    struct ledger_decision *out = maker->out;
    bool given = maker->command->effective_date[0] != '\0';
    if (out->answer != LEDGER_ACCEPTED)
        return;
    struct since since;
    const Pledged__V1__Entry *early = too_early(maker, &since);
    if (early != NULL) {
        refuse(maker, early, since);
        return;
    }
    for (size_t i = 0; i < out->entry_count; i++) {
        Pledged__V1__Entry *entry = out->entry[i];
        since = since_of(maker->ledger, out->entry, i, entry);
        int32_t first = since_first(maker->ledger, &since);
        if (is_early(entry, &since) ||
            (period_day_of(entry) > first && !given && is_beside(maker, entry)))
            date(maker, entry, first);
    }
}

struct pl_status since_check(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    if (!state_rules(ledger, 14))
        return pl_ok();
    struct since since = since_of(ledger, NULL, 0, entry);
    NEED(period_day_of(entry) >= since.day, "an entry is dated before what it rests on");
    NEED(period_posted_on(entry) >= since.posted, "an entry is posted before what it rests on");
    return pl_ok();
}

/* --- apply --- */

void since_freed(struct state_bank_entry *entry, int32_t day)
{
    if (day > entry->since)
        entry->since = day;
}

/* Most promises are of the day on which they are recorded, and need no row. */
void since_made(struct ledger *ledger, uint32_t pledge, const Pledged__V1__Entry *entry)
{
    struct state_valued made = {.seq = entry->seq, .day = period_day_of(entry)};
    if (made.day != pl_date_of_us(ledger->pledge[pledge].made_us))
        pl_map_put(&ledger->pledge_since, &pledge, &made);
    struct state_days days = {.terms = made, .announced = made};
    if (made.day > state_day(ledger, entry->time_us))
        pl_map_put(&ledger->pledge_days, &pledge, &days);
}

/* The later day, and the entry that the books have last, if not that of the last day: rules before
 * 15 did not ask for the books. */
static void put_off(const struct ledger *ledger, bool by_books, struct state_valued *known,
                    const Pledged__V1__Entry *entry)
{
    int32_t day = period_day_of(entry);
    if (known->seq == 0) {
        *known = (struct state_valued){.seq = entry->seq, .day = day};
        return;
    }
    bool later = by_books ? period_posted_at(ledger, entry->seq, day) >
                                period_posted_at(ledger, known->seq, known->day)
                          : day > known->day;
    if (later)
        known->seq = entry->seq;
    if (day > known->day)
        known->day = day;
}

static bool same(const struct state_valued *one, const struct state_valued *two)
{
    return one->seq == two->seq && one->day == two->day;
}

static void put_off_last(struct ledger *ledger, uint32_t pledge, const Pledged__V1__Entry *entry)
{
    const struct state_valued before = last_of(ledger, pledge);
    struct state_valued last = before;
    put_off(ledger, state_rules(ledger, 15), &last, entry);
    if (!same(&last, &before))
        pl_map_put(&ledger->pledge_since, &pledge, &last);
}

/* A row only where the one day of older rules does not say the same. */
static void keep_days(struct ledger *ledger, uint32_t pledge, const struct state_days *days)
{
    const struct state_valued last = last_of(ledger, pledge);
    bool plain = same(&days->terms, &last) && same(&days->owed, &last) &&
                 days->announced.seq == 0 && days->peak == 0;
    if (!plain || pl_map_get(&ledger->pledge_days, &pledge) != NULL)
        pl_map_put(&ledger->pledge_days, &pledge, days);
}

void since_amended(struct ledger *ledger, uint32_t pledge, int64_t minor,
                   const Pledged__V1__Entry *entry)
{
    struct state_days days = days_of(ledger, pledge);
    bool to_come = period_day_of(entry) > state_day(ledger, entry->time_us);
    put_off_last(ledger, pledge, entry);
    put_off(ledger, true, &days.terms, entry);
    if (minor > ledger->pledge[pledge].amount)
        put_off(ledger, true, to_come ? &days.announced : &days.owed, entry);
    keep_days(ledger, pledge, &days);
}

void since_undone(struct ledger *ledger, uint32_t pledge, int64_t settled,
                  const Pledged__V1__Entry *entry)
{
    struct state_days days = days_of(ledger, pledge);
    put_off_last(ledger, pledge, entry);
    put_off(ledger, true, &days.owed, entry);
    days.peak = settled > days.peak ? settled : days.peak;
    keep_days(ledger, pledge, &days);
}
