/* SPDX-License-Identifier: Apache-2.0
 *
 * waiver: see waiver.h. Happy path: a commitment that is past due, or that a payment fell short of,
 * has so much less to come. Failure: more than is still to be paid is refused; a log that says so
 * is CORRUPT.
 */
#include "server/ledger/waiver.h"

#include "common/check.h"
#include "common/date.h"
#include "common/ids.h"
#include "common/money.h"
#include "server/ledger/allocation.h"
#include "server/ledger/closing.h"
#include "server/ledger/period.h"
#include "server/ledger/pledge.h"
#include "server/ledger/schedule.h"
#include "server/ledger/since.h"

enum { OPEN = 1u << STAGE(PLEDGED) | 1u << STAGE(COMMITTED) };

uint32_t waiver_newest(const struct ledger *ledger, const struct state_pledge *pledge)
{
    uint32_t index = (uint32_t)(pledge - ledger->pledge);
    const uint32_t *found = pl_map_get(&ledger->waived, &index);
    return found != NULL ? *found : STATE_NONE;
}

void waiver_sums(const struct ledger *ledger, const struct state_pledge *pledge, int64_t ret[2])
{
    ret[0] = ret[1] = 0;
    if (state_forgiven(pledge) == 0)
        return;
    for (uint32_t i = waiver_newest(ledger, pledge); i != STATE_NONE;
         i = ledger->waiver[i].next_of_pledge) {
        const struct state_waiver *waiver = &ledger->waiver[i];
        int64_t *sum = &ret[waiver->kind != 0];
        bool fine = waiver->reversed_by != 0 || pl_add64(*sum, waiver->amount, sum);
        PL_ASSERT(fine); /* not more than the amount */
    }
}

void waiver_link(struct ledger *ledger, uint32_t index)
{
    struct state_waiver *made = &ledger->waiver[index];
    uint64_t seq = made->seq;
    uint32_t tagged = state_reversible(STATE_REVERSIBLE_WAIVER, index);
    made->next_of_pledge = waiver_newest(ledger, &ledger->pledge[made->pledge]);
    pl_map_put(&ledger->waived, &made->pledge, &index);
    pl_map_put(&ledger->reversible, &seq, &tagged);
}

/* --- facts --- */

/* Nothing is given up before it could have come, by the days of the fund: whatever day somebody
 * gives to it, a day to come has not passed. Without a schedule nobody said when it is due. */
static bool past_due(const struct state_schedule *schedule, int32_t day, int32_t today)
{
    return schedule == NULL ||
           schedule->part[schedule->count - 1].due < (day < today ? day : today);
}

/* Rules before 16 asked in UTC, where a day is over hours too late, or too early. */
static int32_t today_of(const struct ledger *ledger, int64_t time_us)
{
    return state_rules(ledger, 16) ? state_day(ledger, time_us) : pl_date_of_us(time_us);
}

static const Pledged__V1__Money *amount_of(const Pledged__V1__Entry *entry)
{
    return entry->fact_case == FACT(WRITTEN_OFF) ? entry->written_off->amount
                                                 : entry->difference_accepted->amount;
}

struct pl_status waiver_check(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const struct state_pledge *pledge = state_pledge(ledger, apply_pledge_of(entry));
    const Pledged__V1__Money *amount = amount_of(entry);
    bool off = entry->fact_case == FACT(WRITTEN_OFF);
    NEED(pledge != NULL && amount != NULL, "less to pay for an unknown pledge");
    NEED(off ? pledge->stage == STAGE(COMMITTED) : (OPEN >> pledge->stage & 1) != 0,
         "less to pay for what is not open");
    NEED(amount->minor > 0 && pl_currency_index(amount->currency) == pledge->currency &&
             amount->minor <= pledge->amount - state_settled(pledge),
         "less to pay than nothing");
    NEED(ledger->waiver_count < STATE_ROWS_MAX,
         "more write-offs and differences than there may be");
    int32_t today = today_of(ledger, entry->time_us);
    int32_t day = state_rules(ledger, 16) ? period_day_of(entry) : today;
    NEED(!off || !state_rules(ledger, 8) || past_due(schedule_of(ledger, pledge), day, today),
         "a write-off of what could still have come");
    if (off)
        return pl_ok();
    const Pledged__V1__DifferenceAccepted *fact = entry->difference_accepted;
    NEED(state_bank_entry(ledger, fact->bank_entry) != NULL &&
             (fact->kind == PLEDGED__V1__DIFFERENCE_KIND__DIFFERENCE_KIND_FEE ||
              fact->kind == PLEDGED__V1__DIFFERENCE_KIND__DIFFERENCE_KIND_EXCHANGE),
         "a difference of unknown money");
    return pl_ok();
}

/* Makes a row count (sign 1) or not any more (-1; reversed_by is set in between). */
static void forgive(struct ledger *ledger, struct state_waiver *waiver, int sign, uint64_t seq)
{
    struct state_pledge *pledge = &ledger->pledge[waiver->pledge];
    tally_pledge(ledger, pledge, -1);
    pledge->forgiven += sign * waiver->amount;
    PL_ASSERT(pledge->forgiven >= 0 && state_settled(pledge) <= pledge->amount); /* I8 */
    waiver->reversed_by = seq;
    tally_pledge(ledger, pledge, 1);
}

void waiver_apply(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    bool off = entry->fact_case == FACT(WRITTEN_OFF);
    ledger->waiver = state_grow(ledger->waiver, ledger->waiver_count, &ledger->waiver_cap,
                                sizeof(*ledger->waiver));
    uint32_t index = (uint32_t)ledger->waiver_count++;
    struct state_waiver *made = &ledger->waiver[index];
    *made = (struct state_waiver){
        .amount = amount_of(entry)->minor,
        .seq = entry->seq,
        .reversed_by = entry->seq, /* does not count before it is linked */
        .pledge = (uint32_t)(state_pledge(ledger, apply_pledge_of(entry)) - ledger->pledge),
        .bank_entry = off ? STATE_NONE
                          : (uint32_t)pl_id_parse(entry->difference_accepted->bank_entry, 'B') - 1,
        .day = period_posted_on(entry),
        .dated = period_day_of(entry),
        .kind = off ? 0 : (uint8_t)entry->difference_accepted->kind,
    };
    waiver_link(ledger, index);
    forgive(ledger, made, 1, 0);
}

struct pl_status waiver_check_reversed(const struct ledger *ledger,
                                       const Pledged__V1__Reversed *fact, uint32_t index)
{
    const struct state_waiver *waiver = &ledger->waiver[index];
    NEED(waiver->reversed_by == 0, "a reversal of what is reversed already");
    NEED(pl_id_parse(fact->pledge, 'P') == (uint64_t)waiver->pledge + 1 &&
             (waiver->bank_entry == STATE_NONE
                  ? fact->bank_entry[0] == '\0'
                  : pl_id_parse(fact->bank_entry, 'B') == (uint64_t)waiver->bank_entry + 1),
         "a reversal that names another bank entry or pledge");
    NEED(state_money_is(fact->amount, waiver->amount, ledger->pledge[waiver->pledge].currency) &&
             fact->deallocated == NULL,
         "a reversal of another amount");
    return closing_check_guard(ledger, &ledger->pledge[waiver->pledge], waiver->seq);
}

void waiver_undo(struct ledger *ledger, uint32_t index, const Pledged__V1__Entry *entry)
{
    uint32_t pledge = ledger->waiver[index].pledge;
    int64_t settled = state_settled(&ledger->pledge[pledge]);
    forgive(ledger, &ledger->waiver[index], -1, entry->seq);
    since_undone(ledger, pledge, settled, entry);
}

/* --- commands --- */

static void receipt(struct maker *maker, const char *id, const struct state_pledge *pledge,
                    int64_t less)
{
    pledge_receipt(maker, id, maker_id(maker, 'C', pledge->contributor + 1),
                   (Pledged__V1__Stage)pledge->stage, pledge->amount, state_settled(pledge) + less,
                   pledge->currency);
}

/* What is forgiven: the amount that is given, or all that is left. False: refused. */
static bool measure(struct maker *maker, const struct state_pledge *pledge,
                    const Pledged__V1__Money *amount, const char *field, int64_t *ret)
{
    int64_t left = pledge->amount - state_settled(pledge);
    *ret = amount != NULL ? amount->minor : left;
    if (amount != NULL && pl_currency_index(amount->currency) != pledge->currency) {
        maker_refuse_currency(maker, field, pledge->changed_seq, pledge, pledge->currency);
        return false;
    }
    if (*ret == 0 || *ret > left) {
        allocation_refuse_remainder(maker, pledge, field);
        return false;
    }
    return true;
}

static bool could_have_come(struct maker *maker, const struct state_pledge *pledge)
{
    const struct state_schedule *schedule = schedule_of(maker->ledger, pledge);
    if (past_due(schedule, maker_day(maker), today_of(maker->ledger, maker_time(maker))))
        return true;
    char last[11];
    (void)pl_date_format(schedule->part[schedule->count - 1].due, last);
    maker_refuse(maker, REASON(NOT_DUE), "write_off.pledge", schedule->seq, pledge);
    maker_arg(maker, "due", last);
    return false;
}

static void write_off(struct maker *maker, const Pledged__V1__WriteOff *command)
{
    int64_t minor;
    const struct state_pledge *pledge =
        pledge_find(maker, command->pledge, "write_off.pledge", 1u << STAGE(COMMITTED));
    if (pledge == NULL || !could_have_come(maker, pledge) ||
        !measure(maker, pledge, command->amount, "write_off.amount", &minor))
        return;
    Pledged__V1__Entry *entry = maker_entry(maker, pledge->last_seq);
    Pledged__V1__WrittenOff *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__written_off__init(fact);
    fact->pledge = command->pledge;
    fact->amount = maker_money(maker, minor, pledge->currency);
    entry->fact_case = FACT(WRITTEN_OFF);
    entry->written_off = fact;
    receipt(maker, command->pledge, pledge, minor);
}

/* Does money of this entry pay for the pledge? */
static bool pays(const struct ledger *ledger, const struct state_bank_entry *entry,
                 const struct state_pledge *pledge)
{
    for (uint32_t i = entry->alloc_first; i != STATE_NONE;
         i = ledger->allocation[i].next_of_entry) {
        const struct state_allocation *allocation = &ledger->allocation[i];
        if (allocation->reversed_by == 0 && &ledger->pledge[allocation->pledge] == pledge)
            return true;
    }
    return false;
}

static void accept_difference(struct maker *maker, const Pledged__V1__AcceptDifference *command)
{
    int64_t minor;
    const struct state_pledge *pledge =
        pledge_find(maker, command->pledge, "accept_difference.pledge", OPEN);
    if (pledge == NULL)
        return;
    const struct state_bank_entry *from =
        allocation_find(maker, command->bank_entry, "accept_difference.bank_entry");
    if (from == NULL ||
        !measure(maker, pledge, command->amount, "accept_difference.amount", &minor))
        return;
    if (!pays(maker->ledger, from, pledge)) {
        maker_refuse(maker, REASON(FIELD_INVALID), "accept_difference.bank_entry", from->seq,
                     pledge);
        maker_say(maker, "why", "this bank entry does not pay for the pledge");
        return;
    }
    Pledged__V1__Entry *entry = maker_entry(maker, pledge->last_seq);
    Pledged__V1__DifferenceAccepted *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__difference_accepted__init(fact);
    fact->pledge = command->pledge;
    fact->bank_entry = command->bank_entry;
    fact->kind = command->kind;
    fact->amount = maker_money(maker, minor, pledge->currency);
    entry->fact_case = FACT(DIFFERENCE_ACCEPTED);
    entry->difference_accepted = fact;
    receipt(maker, command->pledge, pledge, minor);
    maker_outcome(maker)->bank_entry = command->bank_entry;
}

void waiver_decide_reverse(struct maker *maker, uint32_t index)
{
    const struct state_waiver *waiver = &maker->ledger->waiver[index];
    const struct state_pledge *pledge = &maker->ledger->pledge[waiver->pledge];
    if (waiver->reversed_by != 0) {
        maker_refuse(maker, REASON(ALREADY_REVERSED), "reverse.seq", waiver->reversed_by, pledge);
        return;
    }
    if (closing_guards(maker, pledge, waiver->seq, "reverse.seq"))
        return;
    Pledged__V1__Entry *entry = maker_entry(maker, pledge->last_seq);
    Pledged__V1__Reversed *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__reversed__init(fact);
    fact->target_seq = waiver->seq;
    fact->pledge = maker_id(maker, 'P', (uint64_t)waiver->pledge + 1);
    if (waiver->bank_entry != STATE_NONE)
        fact->bank_entry = maker_id(maker, 'B', (uint64_t)waiver->bank_entry + 1);
    fact->amount = maker_money(maker, waiver->amount, pledge->currency);
    entry->fact_case = FACT(REVERSED);
    entry->reversed = fact;
    receipt(maker, fact->pledge, pledge, -waiver->amount);
    maker_outcome(maker)->bank_entry = fact->bank_entry;
}

void waiver_decide(struct maker *maker)
{
    const Pledged__V1__Command *command = maker->command;
    if (command->command_case == COMMAND(WRITE_OFF))
        write_off(maker, command->write_off);
    else
        accept_difference(maker, command->accept_difference);
}
