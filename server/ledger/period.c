/* SPDX-License-Identifier: Apache-2.0
 *
 * period: see period.h. Happy path: a month that is over, the one after the last closed, with all
 * its money matched. Failure: refused with what is in the way; a reason and the word of whoever
 * closes may leave unmatched money where it is, and the entry says so.
 */
#include "server/ledger/period.h"

#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/ids.h"
#include "common/money.h"
#include "server/ledger/allocation.h"
#include "server/ledger/since.h"

enum { WAIVED_NAMED_MAX = 100, BLOCKERS_NAMED_MAX = 10, MONTH_BYTES = 8 };

/* -1 if it is no month */
static int month_parse(const char *period)
{
    char first[11];
    int32_t day;
    if (strlen(period) != MONTH_BYTES - 1)
        return -1;
    (void)snprintf(first, sizeof(first), "%.7s-01", period);
    return pl_is_ok(pl_date_parse(first, &day)) ? pl_date_month(day) : -1;
}

static int32_t first_day(int month)
{
    char text[32];
    int32_t day = 0;
    (void)snprintf(text, sizeof(text), "%04d-%02d-01", month / 12, month % 12 + 1);
    struct pl_status status = pl_date_parse(text, &day);
    PL_ASSERT(pl_is_ok(status));
    return day;
}

static char *month_text(struct maker *maker, int month)
{
    char *text = maker_alloc(maker, 16);
    (void)snprintf(text, 16, "%04d-%02d", month / 12, month % 12 + 1);
    return text;
}

bool period_is_closed(const struct ledger *ledger, int32_t day)
{
    return ledger->closed_through >= 0 && pl_date_month(day) <= ledger->closed_through;
}

const char *period_posting(const struct ledger *ledger, int32_t day, char out[11])
{
    out[0] = '\0';
    return period_is_closed(ledger, day)
               ? pl_date_format(first_day(ledger->closed_through + 1), out)
               : out;
}

int32_t period_day_of(const Pledged__V1__Entry *entry)
{
    int32_t day;
    if (entry->fact_case == FACT(PAYMENT_RECORDED) &&
        pl_is_ok(pl_date_parse(entry->payment_recorded->value_date, &day)))
        return day;
    if (entry->fact_case == FACT(BANK_ENTRY_RECORDED) &&
        entry->bank_entry_recorded->movement != NULL &&
        pl_is_ok(pl_date_parse(entry->bank_entry_recorded->movement->value_date, &day)))
        return day;
    if (entry->fact_case == FACT(MOVEMENT_LEARNED) &&
        entry->movement_learned->batch[0] != '\0' && /* a sum gives way to it: it counts at last */
        entry->movement_learned->movement != NULL &&
        pl_is_ok(pl_date_parse(entry->movement_learned->movement->value_date, &day)))
        return day;
    if (entry->fact_case == FACT(REFUND_PAID) &&
        pl_is_ok(pl_date_parse(entry->refund_paid->value_date, &day)))
        return day;
    if (entry->fact_case == FACT(REFUND_RETURNED) &&
        pl_is_ok(pl_date_parse(entry->refund_returned->value_date, &day)))
        return day;
    if (entry->fact_case == FACT(CHARGE_BOOKED) &&
        pl_is_ok(pl_date_parse(entry->charge_booked->value_date, &day)))
        return day;
    return pl_is_ok(pl_date_parse(entry->effective_date, &day)) ? day
                                                                : pl_date_of_us(entry->time_us);
}

static bool has_happened(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const struct state_pledge *pledge;
    switch ((int)entry->fact_case) {
    case FACT(WITHDRAWN):
    case FACT(CANCELLED): /* its money is free for others at once */
        pledge = state_pledge(ledger, apply_pledge_of(entry));
        return pledge != NULL && pledge->allocated != 0;
    case FACT(PLEDGE_CLOSED):
    case FACT(BENEFIT_CLAIMED):
    case FACT(BENEFIT_DECLINED):
    case FACT(BENEFIT_DELIVERED):
    case FACT(PAYMENT_RECORDED):
    case FACT(ALLOCATED):
    case FACT(REVERSED):
    case FACT(STATEMENT_IMPORTED):
    case FACT(BANK_ENTRY_RECORDED):
    case FACT(STATEMENT_REPEATED):
    case FACT(PAYMENT_CONFIRMED):
    case FACT(BANK_REVERSAL):
    case FACT(CHARGE_BOOKED):
    case FACT(REFUND_ORDERED):
    case FACT(REFUND_PAID):
    case FACT(REFUND_RETURNED):
    case FACT(REFUND_CANCELLED):
    case FACT(WRITTEN_OFF):
    case FACT(DIFFERENCE_ACCEPTED):
    case FACT(RECEIPT_ISSUED):
    case FACT(CERTIFICATE_ISSUED):
        return true;
    default:
        return false;
    }
}

bool period_is_to_come(const struct ledger *ledger, const Pledged__V1__Entry *entry, int32_t since)
{
    int32_t day;
    return has_happened(ledger, entry) && pl_is_ok(pl_date_parse(entry->effective_date, &day)) &&
           day > pl_date_of_us(entry->time_us) + 1 /* where the sun rises first */ && day > since;
}

int32_t period_posted_on(const Pledged__V1__Entry *entry)
{
    int32_t day;
    return pl_is_ok(pl_date_parse(entry->posting_date, &day)) ? day : period_day_of(entry);
}

bool period_was_reopened(const struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->period_count; i++) {
        if (ledger->period[i].reopened_seq != 0)
            return true;
    }
    return false;
}

bool period_was_closed(const struct ledger *ledger, int32_t day)
{
    for (size_t i = 0; i < ledger->period_count; i++) {
        if (pl_date_month(day) <= ledger->period[i].month)
            return true;
    }
    return false;
}

int32_t period_posted_at(const struct ledger *ledger, uint64_t seq, int32_t day)
{
    int32_t through = -1;
    for (size_t i = 0; i < ledger->period_count; i++) {
        const struct state_period *period = &ledger->period[i];
        bool was_closed =
            period->closed_seq < seq && (period->reopened_seq == 0 || period->reopened_seq > seq);
        if (was_closed && period->month > through)
            through = period->month;
    }
    return pl_date_month(day) <= through ? first_day(through + 1) : day;
}

/* --- closing --- */

struct blockers {
    uint32_t count;
    uint32_t entry[WAIVED_NAMED_MAX]; /* the first of them */
};

/* How old unmatched money must be to hold a period up, in days. Without a policy: any; a policy
 * that says 0: it never does. */
static int64_t limit_days(const struct ledger *ledger)
{
    if (ledger->policy.bytes.len == 0 || ledger->policy.message->rules == 0)
        return -1;
    int64_t limit_s = ledger->policy.message->unallocated_limit_s;
    return limit_s == 0 ? INT64_MAX : limit_s / 86400;
}

/* Money of the period, or from before, that nobody matched for too long: what came for no pledge,
 * and what left for nothing that is known. */
static void find_blockers(const struct ledger *ledger, int month, int32_t today,
                          struct blockers *ret)
{
    int64_t limit = limit_days(ledger);
    ret->count = 0;
    for (uint32_t i = 0; i < ledger->bank_entry_count; i++) {
        const struct state_bank_entry *entry = &ledger->bank_entry[i];
        if (allocation_free(entry) == 0 || pl_date_month(entry->value_date) > month ||
            today - entry->value_date <= limit)
            continue;
        if (ret->count < WAIVED_NAMED_MAX)
            ret->entry[ret->count] = i;
        ret->count++;
    }
}

static void refuse_blocked(struct maker *maker, const struct blockers *blockers)
{
    char named[BLOCKERS_NAMED_MAX * 12] = "";
    size_t used = 0;
    maker_refuse(maker, REASON(PERIOD_BLOCKED), "close_period.period",
                 maker->ledger->bank_entry[blockers->entry[0]].seq, NULL);
    for (size_t i = 0; i < blockers->count && i < BLOCKERS_NAMED_MAX && used < sizeof(named); i++) {
        char id[24];
        used += (size_t)snprintf(named + used, sizeof(named) - used, "%s%s", i == 0 ? "" : " ",
                                 pl_id_format('B', (uint64_t)blockers->entry[i] + 1, id));
    }
    maker_arg_number(maker, "count", blockers->count);
    maker_arg(maker, "bank_entries", named);
}

static void refuse_order(struct maker *maker, Pledged__V1__Reason reason, const char *field)
{
    const struct ledger *ledger = maker->ledger;
    uint64_t seq =
        ledger->period_count != 0 ? ledger->period[ledger->period_count - 1].closed_seq : 0;
    maker_refuse(maker, reason, field, seq, NULL);
    if (ledger->closed_through >= 0)
        maker_arg(maker, "closed", month_text(maker, ledger->closed_through));
}

static int64_t outstanding_of(const struct state_tally *tally)
{
    return tally->pledged - tally->written_off - tally->difference - tally->allocated;
}

static Pledged__V1__PeriodTotals *totals_line(struct maker *maker, const struct state_tally *tally)
{
    Pledged__V1__PeriodTotals *line = maker_alloc(maker, sizeof(*line));
    pledged__v1__period_totals__init(line);
    line->currency = (char *)(uintptr_t)pl_currency_code(tally->currency);
    line->pledges = tally->pledges;
    line->pledged_minor = tally->pledged;
    line->committed_minor = tally->committed;
    line->received_minor = tally->received;
    line->outstanding_minor = outstanding_of(tally);
    line->unallocated_minor = tally->unallocated;
    return line;
}

static void add_closed(struct maker *maker, const Pledged__V1__ClosePeriod *command,
                       const struct blockers *blockers)
{
    const struct state_tallies *tallies = &maker->ledger->tally[STATE_BY_CURRENCY];
    Pledged__V1__Entry *entry = maker_entry(maker, 0);
    Pledged__V1__PeriodClosed *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__period_closed__init(fact);
    fact->period = command->period;
    fact->head_size = command->head_size;
    fact->head_root = command->head_root;
    fact->totals = maker_alloc(maker, (tallies->count + 1) * sizeof(*fact->totals));
    for (; fact->n_totals < tallies->count; fact->n_totals++)
        fact->totals[fact->n_totals] = totals_line(maker, &tallies->line[fact->n_totals]);
    fact->waived = blockers->count;
    size_t named = blockers->count < WAIVED_NAMED_MAX ? blockers->count : WAIVED_NAMED_MAX;
    fact->waived_bank_entry = maker_alloc(maker, (named + 1) * sizeof(char *));
    for (; fact->n_waived_bank_entry < named; fact->n_waived_bank_entry++)
        fact->waived_bank_entry[fact->n_waived_bank_entry] =
            maker_id(maker, 'B', (uint64_t)blockers->entry[fact->n_waived_bank_entry] + 1);
    entry->fact_case = FACT(PERIOD_CLOSED);
    entry->period_closed = fact;
    maker_outcome(maker)->period = command->period;
}

static void close_period(struct maker *maker, const Pledged__V1__ClosePeriod *command)
{
    const struct ledger *ledger = maker->ledger;
    int month = month_parse(command->period);
    struct blockers blockers;
    if (ledger->closed_through >= 0 && month <= ledger->closed_through) {
        refuse_order(maker, REASON(PERIOD_CLOSED), "close_period.period");
        return;
    }
    if (ledger->closed_through >= 0 && month != ledger->closed_through + 1) {
        refuse_order(maker, REASON(PERIOD_NOT_NEXT), "close_period.period");
        return;
    }
    if (command->head_size > ledger->size) {
        maker_refuse(maker, REASON(FIELD_INVALID), "close_period.head_size", 0, NULL);
        maker_say(maker, "why", "the ledger has fewer entries");
        return;
    }
    if (ledger->size - command->head_size > LEDGER_HEAD_BEHIND_MAX) {
        maker_refuse(maker, REASON(FIELD_INVALID), "close_period.head_size", 0, NULL);
        maker_say(maker, "why", "a newer checkpoint is needed");
        return;
    }
    const int32_t today = state_today(ledger, maker_time(maker));
    if (month >= pl_date_month(today)) {
        maker_refuse(maker, REASON(PERIOD_BLOCKED), "close_period.period", 0, NULL);
        maker_say(maker, "why", "the month is not over");
        return;
    }
    find_blockers(ledger, month, today, &blockers);
    if (blockers.count != 0 && !command->waive)
        refuse_blocked(maker, &blockers);
    else
        add_closed(maker, command, &blockers);
}

/* --- reopening --- */

/* The closing that is in force of the last closed month; NULL: none. */
static const struct state_period *last_closing(const struct ledger *ledger)
{
    for (size_t i = ledger->period_count; i > 0; i--) {
        if (ledger->period[i - 1].reopened_seq == 0)
            return &ledger->period[i - 1];
    }
    return NULL;
}

uint64_t period_closing_seq(const struct ledger *ledger)
{
    const struct state_period *last = last_closing(ledger);
    return last != NULL ? last->closed_seq : 0;
}

static bool was_closed(const struct ledger *ledger, int month)
{
    for (size_t i = 0; i < ledger->period_count; i++) {
        if (ledger->period[i].month == month && ledger->period[i].reopened_seq == 0)
            return true;
    }
    return false;
}

static void reopen_period(struct maker *maker, const Pledged__V1__ReopenPeriod *command)
{
    const struct ledger *ledger = maker->ledger;
    const struct state_period *last = last_closing(ledger);
    int month = month_parse(command->period);
    if (last == NULL || !was_closed(ledger, month)) {
        maker_refuse(maker, REASON(PERIOD_UNKNOWN), "reopen_period.period", 0, NULL);
        maker_arg(maker, "period", command->period);
        return;
    }
    if (last->month != month) {
        refuse_order(maker, REASON(PERIOD_NOT_NEXT), "reopen_period.period");
        return;
    }
    Pledged__V1__Entry *entry = maker_entry(maker, 0);
    Pledged__V1__PeriodReopened *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__period_reopened__init(fact);
    fact->period = command->period;
    fact->closed_seq = last->closed_seq;
    entry->fact_case = FACT(PERIOD_REOPENED);
    entry->period_reopened = fact;
    maker_outcome(maker)->period = command->period;
}

void period_decide(struct maker *maker)
{
    const Pledged__V1__Command *command = maker->command;
    if (command->command_case == COMMAND(CLOSE_PERIOD))
        close_period(maker, command->close_period);
    else
        reopen_period(maker, command->reopen_period);
}

/* --- check and apply --- */

struct pl_status period_check_dates(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    char expected[11];
    int32_t since = state_rules(ledger, 14) ? since_of(ledger, NULL, 0, entry).day : INT32_MIN;
    NEED(!state_rules(ledger, 12) || !period_is_to_come(ledger, entry, since),
         "what has happened has no day to come");
    if (ledger->closed_through < 0) {
        NEED(entry->posting_date[0] == '\0', "an entry is dated into a closed period");
        return pl_ok();
    }
    NEED(strcmp(entry->posting_date, period_posting(ledger, period_day_of(entry), expected)) == 0,
         "an entry is dated into a closed period"); /* I5 */
    return pl_ok();
}

/* What was unmatched for too long. Other versions of the rules may have other ideas of that. */
static struct pl_status check_waived(const struct ledger *ledger, const Pledged__V1__Entry *entry,
                                     int month)
{
    const Pledged__V1__PeriodClosed *fact = entry->period_closed;
    struct blockers blockers;
    if (ledger->policy.bytes.len == 0 || ledger->policy.message->rules != LEDGER_RULES)
        return pl_ok();
    find_blockers(ledger, month, state_today(ledger, entry->time_us), &blockers);
    size_t named = blockers.count < WAIVED_NAMED_MAX ? blockers.count : WAIVED_NAMED_MAX;
    NEED(fact->waived == blockers.count && fact->n_waived_bank_entry == named,
         "a period that was closed over other money");
    for (size_t i = 0; i < named; i++)
        NEED(pl_id_parse(fact->waived_bank_entry[i], 'B') == (uint64_t)blockers.entry[i] + 1,
             "a period that was closed over other money");
    return pl_ok();
}

static struct pl_status check_closed(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__PeriodClosed *fact = entry->period_closed;
    int month = month_parse(fact->period);
    NEED(month < pl_date_month(state_today(ledger, entry->time_us)),
         "a period is closed that is not over");
    NEED(month >= 0 && (ledger->closed_through < 0 || month == ledger->closed_through + 1),
         "a period is closed out of turn");
    NEED(fact->head_size <= ledger->size &&
             ledger->size - fact->head_size <= LEDGER_HEAD_BEHIND_MAX && fact->head_root.len == 32,
         "a period names a ledger that is not this one");
    const struct state_tallies *tallies = &ledger->tally[STATE_BY_CURRENCY];
    NEED(fact->n_totals == tallies->count, "the totals of a period are not the ledger's");
    for (size_t i = 0; i < tallies->count; i++) {
        const struct state_tally *tally = &tallies->line[i];
        const Pledged__V1__PeriodTotals *line = fact->totals[i];
        NEED(strcmp(line->currency, pl_currency_code(tally->currency)) == 0 &&
                 line->pledges == tally->pledges && line->pledged_minor == tally->pledged &&
                 line->committed_minor == tally->committed &&
                 line->received_minor == tally->received &&
                 line->outstanding_minor == outstanding_of(tally) &&
                 line->unallocated_minor == tally->unallocated,
             "the totals of a period are not the ledger's");
    }
    return check_waived(ledger, entry, month);
}

struct pl_status period_check(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    if (entry->fact_case == FACT(PERIOD_CLOSED))
        return check_closed(ledger, entry);
    const struct state_period *last = last_closing(ledger);
    NEED(last != NULL && last->month == month_parse(entry->period_reopened->period) &&
             last->closed_seq == entry->period_reopened->closed_seq,
         "a period is opened that was not closed last");
    return pl_ok();
}

static void apply_closed(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    ledger->period = state_grow(ledger->period, ledger->period_count, &ledger->period_cap,
                                sizeof(*ledger->period));
    ledger->closed_through = month_parse(entry->period_closed->period);
    ledger->period[ledger->period_count++] =
        (struct state_period){.month = ledger->closed_through,
                              .closed_seq = entry->seq,
                              .head_size = entry->period_closed->head_size,
                              .closed_us = entry->time_us};
}

void period_apply(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    if (entry->fact_case == FACT(PERIOD_CLOSED)) {
        apply_closed(ledger, entry);
        return;
    }
    struct state_period *last = (struct state_period *)(uintptr_t)last_closing(ledger);
    PL_ASSERT(last != NULL);
    last->reopened_seq = entry->seq;
    const struct state_period *before = last_closing(ledger);
    ledger->closed_through = before != NULL ? before->month : -1;
}
