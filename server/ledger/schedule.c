/* SPDX-License-Identifier: Apache-2.0
 *
 * schedule: see schedule.h. Happy path: the parts add up to the promise and take the place of those
 * before. Failure: SCHEDULE_SUM says what they add up to; a log whose parts do not is CORRUPT.
 */
#include "server/ledger/schedule.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/date.h"
#include "common/money.h"
#include "server/ledger/pledge.h"

enum { OPEN = 1u << STAGE(PLEDGED) | 1u << STAGE(COMMITTED) };

const struct state_schedule *schedule_of(const struct ledger *ledger,
                                         const struct state_pledge *pledge)
{
    uint32_t index = (uint32_t)(pledge - ledger->pledge);
    const uint32_t *found = pl_map_get(&ledger->scheduled, &index);
    return found != NULL ? &ledger->schedule[*found] : NULL;
}

int64_t schedule_left(const struct state_schedule *schedule, int64_t settled, size_t index)
{
    int64_t rest = settled;
    for (size_t i = 0; i < index; i++)
        rest -= rest < schedule->part[i].amount ? rest : schedule->part[i].amount;
    int64_t amount = schedule->part[index].amount;
    return rest < amount ? amount - rest : 0;
}

int64_t schedule_next(const struct ledger *ledger, const struct state_pledge *pledge,
                      int64_t settled)
{
    const struct state_schedule *schedule = schedule_of(ledger, pledge);
    for (size_t i = 0; schedule != NULL && i < schedule->count; i++) {
        int64_t left = schedule_left(schedule, settled, i);
        if (left != 0)
            return left;
    }
    return 0;
}

struct state_schedule *schedule_add(struct ledger *ledger, uint32_t pledge, size_t count)
{
    ledger->schedule = state_grow(ledger->schedule, ledger->schedule_count, &ledger->schedule_cap,
                                  sizeof(*ledger->schedule));
    uint32_t index = (uint32_t)ledger->schedule_count++;
    struct state_schedule *made = &ledger->schedule[index];
    *made = (struct state_schedule){
        .pledge = pledge, .count = count, .part = calloc(count, sizeof(*made->part))};
    PL_ASSERT(made->part != NULL);
    pl_map_put(&ledger->scheduled, &pledge, &index);
    return made;
}

void schedule_follow(struct ledger *ledger, const struct state_pledge *pledge)
{
    uint32_t index = (uint32_t)(pledge - ledger->pledge);
    const uint32_t *found = pl_map_get(&ledger->scheduled, &index);
    if (found == NULL)
        return;
    struct state_schedule *schedule = &ledger->schedule[*found];
    int64_t sum = 0;
    for (size_t i = 0; i < schedule->count; i++)
        sum += schedule->part[i].amount; /* at most the amount before */
    while (sum - schedule->part[schedule->count - 1].amount >= pledge->amount)
        sum -= schedule->part[--schedule->count].amount;
    schedule->part[schedule->count - 1].amount += pledge->amount - sum;
}

/* --- facts --- */

/* Days ascend, every part is of this currency and more than nothing, and they add up. */
static bool adds_up(Pledged__V1__Instalment *const *part, size_t count, int currency,
                    int64_t *ret_sum)
{
    int32_t before = INT32_MIN;
    *ret_sum = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t day;
        if (!pl_is_ok(pl_date_parse(part[i]->due, &day)) || day <= before)
            return false;
        before = day;
        if (part[i]->amount == NULL || part[i]->amount->minor <= 0 ||
            pl_currency_index(part[i]->amount->currency) != currency ||
            !pl_add64(*ret_sum, part[i]->amount->minor, ret_sum))
            return false;
    }
    return count > 0 && count <= SCHEDULE_PARTS_MAX;
}

struct pl_status schedule_check(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__ScheduleSet *fact = entry->schedule_set;
    const struct state_pledge *pledge = state_pledge(ledger, fact->pledge);
    int64_t sum;
    NEED(pledge != NULL && (OPEN >> pledge->stage & 1) != 0, "a schedule of what is not open");
    NEED(adds_up(fact->instalment, fact->n_instalment, pledge->currency, &sum),
         "a schedule with parts of another form");
    NEED(sum == pledge->amount, "a schedule that does not add up to the promise");
    return pl_ok();
}

void schedule_apply(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__ScheduleSet *fact = entry->schedule_set;
    uint32_t pledge = (uint32_t)(state_pledge(ledger, fact->pledge) - ledger->pledge);
    const uint32_t *found = pl_map_get(&ledger->scheduled, &pledge);
    struct state_schedule *row;
    if (found == NULL) {
        row = schedule_add(ledger, pledge, fact->n_instalment);
    } else {
        row = &ledger->schedule[*found];
        row->count = fact->n_instalment;
        row->part = reallocarray(row->part, row->count, sizeof(*row->part));
        PL_ASSERT(row->part != NULL);
    }
    row->seq = entry->seq;
    for (size_t i = 0; i < row->count; i++) {
        bool fine = pl_is_ok(pl_date_parse(fact->instalment[i]->due, &row->part[i].due));
        PL_ASSERT(fine); /* checked */
        row->part[i].amount = fact->instalment[i]->amount->minor;
    }
}

/* --- the command --- */

const char *schedule_wrong(const Pledged__V1__SetSchedule *command, Pledged__V1__Reason *ret_reason,
                           const char **ret_field)
{
    *ret_field = "set_schedule.instalment";
    *ret_reason = command->n_instalment == 0 ? REASON(FIELD_REQUIRED) : REASON(FIELD_TOO_LONG);
    if (command->n_instalment == 0)
        return WORDS("one instalment at least is needed");
    if (command->n_instalment > SCHEDULE_PARTS_MAX)
        return WORDS("at most 60 instalments");
    int32_t day, before = INT32_MIN;
    for (size_t i = 0; i < command->n_instalment; i++, before = day) {
        *ret_field = "set_schedule.instalment.due";
        *ret_reason = REASON(DATE_INVALID);
        if (!pl_is_ok(pl_date_parse(command->instalment[i]->due, &day)))
            return pl_date_wrong(command->instalment[i]->due);
        *ret_reason = REASON(FIELD_INVALID);
        if (day <= before)
            return WORDS("every instalment is due after the one before");
        const Pledged__V1__Money *amount = command->instalment[i]->amount;
        *ret_field = "set_schedule.instalment.amount";
        *ret_reason = REASON(AMOUNT_REQUIRED);
        if (amount == NULL)
            return WORDS("an amount is needed");
        *ret_reason = REASON(CURRENCY_UNKNOWN);
        if (pl_currency_index(amount->currency) < 0)
            return WORDS("not a currency of ISO 4217");
        *ret_reason = REASON(AMOUNT_NOT_POSITIVE);
        if (amount->minor <= 0)
            return WORDS("the amount must be more than zero");
    }
    return NULL;
}

/* Which of them is of another currency than the promise; count: none. */
static size_t other_currency(const Pledged__V1__SetSchedule *command, int currency)
{
    size_t i = 0;
    while (i < command->n_instalment &&
           pl_currency_index(command->instalment[i]->amount->currency) == currency)
        i++;
    return i;
}

static bool sum_fits(struct maker *maker, const struct state_pledge *pledge)
{
    const Pledged__V1__SetSchedule *command = maker->command->set_schedule;
    const char *field = "set_schedule.instalment.amount";
    int64_t sum = 0;
    if (other_currency(command, pledge->currency) != command->n_instalment) {
        maker_refuse(maker, REASON(SCHEDULE_SUM), field, pledge->changed_seq, pledge);
        maker_arg(maker, "currency", pl_currency_code(pledge->currency));
        return false;
    }
    bool fits = adds_up(command->instalment, command->n_instalment, pledge->currency, &sum);
    if (fits && sum == pledge->amount)
        return true;
    maker_refuse(maker, REASON(SCHEDULE_SUM), field, pledge->changed_seq, pledge);
    if (fits)
        maker_arg_number(maker, "sum_minor", sum); /* else it leaves 64 bits */
    maker_arg_number(maker, "amount_minor", pledge->amount);
    maker_arg(maker, "currency", pl_currency_code(pledge->currency));
    return false;
}

void schedule_decide(struct maker *maker)
{
    const Pledged__V1__SetSchedule *command = maker->command->set_schedule;
    const struct state_pledge *pledge =
        pledge_find(maker, command->pledge, "set_schedule.pledge", OPEN);
    if (pledge == NULL)
        return;
    if (pledge->stage == STAGE(COMMITTED) && maker->command->n_evidence == 0) {
        maker_refuse(maker, REASON(EVIDENCE_MISSING), "evidence", pledge->changed_seq, pledge);
        return;
    }
    if (!sum_fits(maker, pledge))
        return;
    Pledged__V1__Entry *entry = maker_entry(maker, pledge->last_seq);
    Pledged__V1__ScheduleSet *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__schedule_set__init(fact);
    fact->pledge = command->pledge;
    fact->n_instalment = command->n_instalment;
    fact->instalment = command->instalment;
    entry->fact_case = FACT(SCHEDULE_SET);
    entry->schedule_set = fact;
    pledge_receipt(maker, command->pledge, maker_id(maker, 'C', pledge->contributor + 1),
                   (Pledged__V1__Stage)pledge->stage, pledge->amount, state_settled(pledge),
                   pledge->currency);
}
