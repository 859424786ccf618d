/* SPDX-License-Identifier: Apache-2.0
 *
 * allocation: see allocation.h. Whatever a change touches is taken out of the sums before it and
 * put back after it: the pledge, the free rest of the bank entry, the allocation itself. Happy
 * path: a bank entry, then allocations of it until it is spent. Failure: CORRUPT on replay; a
 * command that asks for more than is free, or than is still to be paid, is refused.
 */
#include "server/ledger/allocation.h"

#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/ids.h"
#include "common/money.h"
#include "server/ledger/closing.h"
#include "server/ledger/deed.h"
#include "server/ledger/period.h"
#include "server/ledger/pledge.h"
#include "server/ledger/receipt.h"
#include "server/ledger/since.h"
#include "server/ledger/valuation.h"
#include "server/ledger/waiver.h"

static uint32_t index_of(const struct ledger *ledger, const struct state_pledge *pledge)
{
    return (uint32_t)(pledge - ledger->pledge);
}

static bool money_fine(const Pledged__V1__Money *money)
{
    return money != NULL && money->minor >= 0 && pl_currency_index(money->currency) >= 0;
}

bool allocation_open(const struct state_pledge *pledge)
{
    return pledge->stage == STAGE(PLEDGED) || pledge->stage == STAGE(COMMITTED);
}

/* --- links --- */

/* In ascending order, so that the list depends on the rows alone: mostly at the end. */
static void link_entry(struct ledger *ledger, uint32_t index)
{
    struct state_pledge *pledge = &ledger->pledge[ledger->bank_entry[index].pledge];
    uint32_t before = pledge->bank_last;
    if (before != STATE_NONE && before > index) {
        before = STATE_NONE;
        for (uint32_t i = pledge->bank_first; i < index; i = ledger->bank_entry[i].next_of_pledge)
            before = i;
    }
    uint32_t after =
        before == STATE_NONE ? pledge->bank_first : ledger->bank_entry[before].next_of_pledge;
    ledger->bank_entry[index].next_of_pledge = after;
    if (before == STATE_NONE)
        pledge->bank_first = index;
    else
        ledger->bank_entry[before].next_of_pledge = index;
    if (after == STATE_NONE)
        pledge->bank_last = index;
}

void allocation_link(struct ledger *ledger, uint32_t index)
{
    struct state_allocation *made = &ledger->allocation[index];
    struct state_bank_entry *entry = &ledger->bank_entry[made->bank_entry];
    struct state_pledge *pledge = &ledger->pledge[made->pledge];
    made->next_of_entry = STATE_NONE;
    if (entry->alloc_last == STATE_NONE)
        entry->alloc_first = index;
    else
        ledger->allocation[entry->alloc_last].next_of_entry = index;
    entry->alloc_last = index;
    made->next_of_pledge = pledge->alloc_first;
    pledge->alloc_first = index;
}

/* --- sums --- */

/* The free rest of an entry belongs to the pledge it is meant for, where the currency fits. */
static int64_t counts_for(const struct ledger *ledger, const struct state_bank_entry *entry,
                          const struct state_pledge *pledge)
{
    bool own = entry->pledge != STATE_NONE && &ledger->pledge[entry->pledge] == pledge &&
               entry->currency == pledge->currency;
    return own ? allocation_free(entry) : 0; /* no debit is meant for a pledge */
}

int64_t allocation_free_of(const struct ledger *ledger, const struct state_pledge *pledge)
{
    int64_t sum = 0;
    for (uint32_t i = pledge->bank_first; i != STATE_NONE;
         i = ledger->bank_entry[i].next_of_pledge) {
        bool fine = pl_add64(sum, counts_for(ledger, &ledger->bank_entry[i], pledge), &sum);
        PL_ASSERT(fine); /* the total of the currency is larger */
    }
    return sum;
}

void allocation_count_free(struct ledger *ledger, const struct state_bank_entry *entry, int sign)
{
    tally_bank_entry(ledger, entry, sign);
    if (entry->pledge == STATE_NONE)
        return;
    struct state_pledge *pledge = &ledger->pledge[entry->pledge];
    pledge->received += sign * counts_for(ledger, entry, pledge);
}

void allocation_explain(struct ledger *ledger, uint32_t credit, int64_t minor)
{
    struct state_bank_entry *entry = &ledger->bank_entry[credit];
    allocation_count_free(ledger, entry, -1);
    entry->explained += minor;
    PL_ASSERT(!entry->debit && entry->explained >= 0 && allocation_free(entry) >= 0); /* I3 */
    allocation_count_free(ledger, entry, 1);
}

/* Makes an allocation count (sign 1) or not any more (-1; reversed_by is set afterwards). */
static void settle(struct ledger *ledger, struct state_allocation *allocation, int sign)
{
    struct state_bank_entry *entry = &ledger->bank_entry[allocation->bank_entry];
    struct state_pledge *pledge = &ledger->pledge[allocation->pledge];
    tally_pledge(ledger, pledge, -1);
    allocation_count_free(ledger, entry, -1);
    entry->allocated += sign * allocation->amount;
    pledge->allocated += sign * allocation->settled;
    pledge->received += sign * allocation->settled;
    PL_ASSERT(entry->allocated >= 0 &&
              entry->allocated <= entry->amount - entry->refunded - entry->explained); /* I2 */
    PL_ASSERT(pledge->allocated >= 0 && state_settled(pledge) <= pledge->amount);
    tally_allocation(ledger, allocation, sign); /* in between: no sum is above what it will be */
    allocation_count_free(ledger, entry, 1);
    tally_pledge(ledger, pledge, 1);
}

static void undo(struct ledger *ledger, struct state_allocation *allocation,
                 const Pledged__V1__Entry *by)
{
    int64_t settled = state_settled(&ledger->pledge[allocation->pledge]);
    settle(ledger, allocation, -1);
    allocation->reversed_by = by->seq;
    since_freed(&ledger->bank_entry[allocation->bank_entry], period_day_of(by));
    since_undone(ledger, allocation->pledge, settled, by);
    receipt_undone(ledger, allocation);
}

void allocation_undo_all(struct ledger *ledger, struct state_pledge *pledge,
                         const Pledged__V1__Entry *entry)
{
    for (uint32_t i = state_newest_allocation(pledge); i != STATE_NONE;
         i = ledger->allocation[i].next_of_pledge) {
        if (ledger->allocation[i].reversed_by == 0)
            undo(ledger, &ledger->allocation[i], entry);
    }
}

/* --- bank entries --- */

struct pl_status allocation_check_payment(const struct ledger *ledger,
                                          const Pledged__V1__Entry *entry)
{
    const Pledged__V1__PaymentRecorded *fact = entry->payment_recorded;
    uint8_t key[16];
    NEED(pl_id_parse(fact->bank_entry, 'B') == ledger->bank_entry_count + 1 &&
             ledger->bank_entry_count < STATE_ROWS_MAX,
         "a bank entry's number is not the next one");
    NEED(state_pledge(ledger, fact->pledge) != NULL, "a payment for an unknown pledge");
    NEED(money_fine(fact->amount) && fact->amount->minor > 0 && pl_date_valid(fact->value_date),
         "a payment without amount or date");
    NEED(tally_may_receive(ledger, pl_currency_index(fact->amount->currency), fact->amount->minor),
         "a total leaves 64 bits");
    NEED(!state_rules(ledger, 3) || period_day_of(entry) <= pl_date_of_us(entry->time_us) + 1,
         "a payment of a day to come");
    NEED(!fact->confirmed, "a payment that was confirmed before any statement");
    state_key_of_text(fact->bank_ref, key);
    NEED(fact->bank_ref[0] == '\0' || pl_map_get(&ledger->bank_refs, key) == NULL,
         "one credit is booked twice");
    return valuation_check(ledger, entry, fact->valuation, fact->amount->minor,
                           pl_currency_index(fact->amount->currency));
}

uint32_t allocation_add_entry(struct ledger *ledger, const struct state_bank_entry *entry)
{
    ledger->bank_entry = state_grow(ledger->bank_entry, ledger->bank_entry_count,
                                    &ledger->bank_entry_cap, sizeof(*ledger->bank_entry));
    uint32_t index = (uint32_t)ledger->bank_entry_count++;
    struct state_bank_entry *made = &ledger->bank_entry[index];
    *made = *entry;
    made->since = made->value_date;
    made->pledge = made->next_of_pledge = STATE_NONE;
    made->alloc_first = made->alloc_last = STATE_NONE;
    if (made->bank_ref != 0) {
        uint8_t key[16];
        state_key_of_text(ledger->text + made->bank_ref, key);
        pl_map_put(&ledger->bank_refs, key, &index);
    }
    uint64_t seq = made->seq;
    if (!made->debit && made->movement == STATE_NONE) /* no command undoes what the bank says */
        pl_map_put(&ledger->reversible, &seq, &index);
    allocation_count_free(ledger, made, 1);
    return index;
}

/* Says which pledge a bank entry is meant for, once; its free money counts there. */
static void mean(struct ledger *ledger, uint32_t bank_entry, uint32_t pledge)
{
    struct state_bank_entry *entry = &ledger->bank_entry[bank_entry];
    PL_ASSERT(entry->pledge == STATE_NONE);
    allocation_count_free(ledger, entry, -1);
    entry->pledge = pledge;
    link_entry(ledger, bank_entry);
    allocation_count_free(ledger, entry, 1);
}

void allocation_apply_payment(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__PaymentRecorded *fact = entry->payment_recorded;
    struct state_bank_entry made = {
        .amount = fact->amount->minor,
        .seq = entry->seq,
        .bank_ref = state_add_text(ledger, fact->bank_ref),
        .movement = STATE_NONE,
        .currency = (int16_t)pl_currency_index(fact->amount->currency),
        .confirmed = fact->confirmed != 0,
    };
    struct pl_status status = pl_date_parse(fact->value_date, &made.value_date);
    PL_ASSERT(pl_is_ok(status));
    valuation_keep(&ledger->entry_rates, (uint32_t)ledger->bank_entry_count, fact->valuation);
    mean(ledger, allocation_add_entry(ledger, &made), (uint32_t)pl_id_parse(fact->pledge, 'P') - 1);
}

/* --- allocations --- */

struct pl_status allocation_check(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__Allocated *fact = entry->allocated;
    const Pledged__V1__Money *settled = fact->settled != NULL ? fact->settled : fact->amount;
    const struct state_bank_entry *from = state_bank_entry(ledger, fact->bank_entry);
    const struct state_pledge *pledge = state_pledge(ledger, fact->pledge);
    NEED(from != NULL && !from->debit && pledge != NULL && money_fine(fact->amount) &&
             money_fine(settled),
         "an allocation of unknown money");
    NEED(ledger->allocation_count < STATE_ROWS_MAX, "more allocations than there may be");
    NEED(pl_currency_index(fact->amount->currency) == from->currency &&
             fact->amount->minor <= allocation_free(from), /* I2 */
         "an allocation of more than there is");
    NEED(allocation_open(pledge) && pl_currency_index(settled->currency) == pledge->currency &&
             settled->minor <= pledge->amount - state_settled(pledge),
         "an allocation of more than is due");
    return valuation_check_settled(ledger, fact, from, pledge->currency);
}

void allocation_apply(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__Allocated *fact = entry->allocated;
    ledger->allocation = state_grow(ledger->allocation, ledger->allocation_count,
                                    &ledger->allocation_cap, sizeof(*ledger->allocation));
    uint32_t index = (uint32_t)ledger->allocation_count++;
    struct state_allocation *made = &ledger->allocation[index];
    *made = (struct state_allocation){
        .amount = fact->amount->minor,
        .settled = fact->settled != NULL ? fact->settled->minor : fact->amount->minor,
        .seq = entry->seq,
        .bank_entry = (uint32_t)pl_id_parse(fact->bank_entry, 'B') - 1,
        .pledge = (uint32_t)pl_id_parse(fact->pledge, 'P') - 1,
        .day = period_day_of(entry),
    };
    allocation_link(ledger, index);
    if (ledger->bank_entry[made->bank_entry].pledge == STATE_NONE)
        mean(ledger, made->bank_entry, made->pledge);
    settle(ledger, made, 1);
    uint64_t seq = entry->seq;
    index = state_reversible(STATE_REVERSIBLE_ALLOCATION, index);
    pl_map_put(&ledger->reversible, &seq, &index);
}

/* --- reversals --- */

static bool names(const Pledged__V1__Reversed *fact, uint32_t bank_entry, uint32_t pledge)
{
    return pl_id_parse(fact->bank_entry, 'B') == (uint64_t)bank_entry + 1 &&
           (pledge == STATE_NONE ? fact->pledge[0] == '\0'
                                 : pl_id_parse(fact->pledge, 'P') == (uint64_t)pledge + 1);
}

/* All that is allocated of an entry, but what pays for the pledge it is meant for. */
bool allocation_pays_others(const struct ledger *ledger, const struct state_bank_entry *entry)
{
    for (uint32_t i = entry->alloc_first; i != STATE_NONE;
         i = ledger->allocation[i].next_of_entry) {
        const struct state_allocation *allocation = &ledger->allocation[i];
        if (allocation->reversed_by == 0 && allocation->pledge != entry->pledge)
            return true;
    }
    return false;
}

static struct pl_status check_sums(const struct ledger *ledger, const Pledged__V1__Reversed *fact,
                                   uint32_t bank_entry, int64_t minor, int64_t deallocated)
{
    int currency = ledger->bank_entry[bank_entry].currency;
    NEED(state_money_is(fact->amount, minor, currency) &&
             state_money_is(fact->deallocated, deallocated, currency),
         "a reversal of another amount");
    return pl_ok();
}

struct pl_status allocation_check_reversed(const struct ledger *ledger,
                                           const Pledged__V1__Entry *entry)
{
    const Pledged__V1__Reversed *fact = entry->reversed;
    uint64_t target = fact->target_seq;
    const uint32_t *found = pl_map_get(&ledger->reversible, &target);
    NEED(found != NULL, "a reversal of what cannot be reversed");
    uint32_t index = state_reversible_index(*found);
    enum state_reversible kind = state_reversible_kind(*found);
    NEED(kind == STATE_REVERSIBLE_DEED ||
             (fact->refund[0] == '\0' && fact->benefit[0] == '\0' && fact->quantity == 0),
         "a reversal that names what it is not about");
    if (kind == STATE_REVERSIBLE_WAIVER)
        return waiver_check_reversed(ledger, fact, index);
    if (kind == STATE_REVERSIBLE_DEED)
        return deed_check_reversed(ledger, fact, index);
    if (kind == STATE_REVERSIBLE_ALLOCATION) {
        const struct state_allocation *allocation = &ledger->allocation[index];
        NEED(allocation->reversed_by == 0, "a reversal of what is reversed already");
        NEED(names(fact, allocation->bank_entry, allocation->pledge),
             "a reversal that names another bank entry or pledge");
        PL_TRY(check_sums(ledger, fact, allocation->bank_entry, allocation->amount,
                          allocation->amount));
        return closing_check_guard(ledger, &ledger->pledge[allocation->pledge], allocation->seq);
    }
    const struct state_bank_entry *from = &ledger->bank_entry[*found];
    NEED(!from->reversed, "a reversal of what is reversed already");
    NEED(from->refunded == 0 && from->explained == 0 && !from->debit,
         "a reversal of money that is paid back");
    NEED(names(fact, *found, from->pledge), "a reversal that names another bank entry or pledge");
    NEED(!allocation_pays_others(ledger, from), "a reversal of money that pays for other pledges");
    PL_TRY(check_sums(ledger, fact, *found, from->amount, from->allocated));
    return closing_check_money(ledger, from);
}

void allocation_take_back(struct ledger *ledger, uint32_t bank_entry,
                          const Pledged__V1__Entry *entry)
{
    struct state_bank_entry *from = &ledger->bank_entry[bank_entry];
    for (uint32_t i = from->alloc_first; i != STATE_NONE; i = ledger->allocation[i].next_of_entry) {
        if (ledger->allocation[i].reversed_by == 0)
            undo(ledger, &ledger->allocation[i], entry);
    }
    allocation_count_free(ledger, from, -1);
    from->reversed = 1;
    from->reversed_by = entry->seq;
}

void allocation_split(struct ledger *ledger, uint32_t bank_entry)
{
    struct state_bank_entry *entry = &ledger->bank_entry[bank_entry];
    PL_ASSERT(entry->allocated == 0 && entry->refunded == 0 && entry->explained == 0);
    allocation_count_free(ledger, entry, -1);
    entry->amount = 0;
    allocation_count_free(ledger, entry, 1);
}

void allocation_forget_ref(struct ledger *ledger, const struct state_bank_entry *entry)
{
    uint8_t key[16];
    if (entry->bank_ref == 0)
        return;
    state_key_of_text(ledger->text + entry->bank_ref, key);
    (void)pl_map_remove(&ledger->bank_refs, key);
}

void allocation_apply_reversed(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    uint64_t target = entry->reversed->target_seq;
    uint32_t found = *(const uint32_t *)pl_map_get(&ledger->reversible, &target);
    uint32_t index = state_reversible_index(found);
    switch (state_reversible_kind(found)) {
    case STATE_REVERSIBLE_WAIVER:
        waiver_undo(ledger, index, entry);
        return;
    case STATE_REVERSIBLE_DEED:
        deed_undo(ledger, index, entry);
        return;
    case STATE_REVERSIBLE_ALLOCATION:
        undo(ledger, &ledger->allocation[index], entry);
        return;
    case STATE_REVERSIBLE_ENTRY:
        allocation_take_back(ledger, index, entry);
        allocation_forget_ref(ledger, &ledger->bank_entry[index]);
        return;
    }
    PL_UNREACHABLE();
}

/* --- the command --- */

const struct state_bank_entry *allocation_find(struct maker *maker, const char *id,
                                               const char *field)
{
    const struct state_bank_entry *found = state_bank_entry(maker->ledger, id);
    if (found == NULL) {
        maker_refuse(maker, REASON(BANK_ENTRY_UNKNOWN), field, 0, NULL);
        maker_arg(maker, "bank_entry", id);
    }
    return found;
}

Pledged__V1__Allocated *allocation_add(struct maker *maker, uint32_t bank_entry, uint32_t pledge,
                                       int64_t minor, int64_t settled)
{
    const struct ledger *ledger = maker->ledger;
    /* both may be made by this very decision */
    int from = bank_entry < ledger->bank_entry_count ? ledger->bank_entry[bank_entry].currency : -1;
    int to = pledge < ledger->pledge_count ? ledger->pledge[pledge].currency : from;
    from = from >= 0 ? from : to;
    PL_ASSERT(from >= 0 && to >= 0);
    Pledged__V1__Entry *entry = maker_entry(maker, maker_prev(maker, pledge));
    Pledged__V1__Allocated *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__allocated__init(fact);
    fact->bank_entry = maker_id(maker, 'B', (uint64_t)bank_entry + 1);
    fact->pledge = maker_id(maker, 'P', (uint64_t)pledge + 1);
    fact->amount = maker_money(maker, minor, from);
    if (from != to)
        fact->settled = maker_money(maker, settled, to);
    entry->fact_case = FACT(ALLOCATED);
    entry->allocated = fact;
    return fact;
}

void allocation_refuse_spent(struct maker *maker, const struct state_bank_entry *entry,
                             const char *field)
{
    maker_refuse(maker, REASON(ENTRY_SPENT), field,
                 entry->reversed ? entry->reversed_by : entry->seq, NULL);
    maker_arg_number(maker, "minor", entry->debit ? 0 : allocation_free(entry));
    maker_arg(maker, "currency", pl_currency_code(entry->currency));
}

void allocation_refuse_remainder(struct maker *maker, const struct state_pledge *pledge,
                                 const char *field)
{
    maker_refuse(maker, REASON(OVER_REMAINDER), field, pledge->changed_seq, pledge);
    maker_arg_number(maker, "minor", pledge->amount - state_settled(pledge));
    maker_arg(maker, "currency", pl_currency_code(pledge->currency));
}

void allocation_refuse_settled(struct maker *maker, const char *field, uint64_t deciding_seq,
                               const struct state_pledge *pledge)
{
    maker_refuse(maker, REASON(FIELD_INVALID), field, deciding_seq, pledge);
    maker_say(maker, "why", "money in the pledge's own currency counts as what it is");
}

/* By the rates of the value date. Where all that is free would be too much, as much as is due. */
static bool measure_by_rate(struct maker *maker, const Pledged__V1__Allocate *command,
                            const struct state_bank_entry *entry, const struct state_pledge *pledge,
                            int64_t *ret_minor, int64_t *ret_settled)
{
    struct valuation_pair pair;
    int64_t due = pledge->amount - state_settled(pledge);
    if (!valuation_find(maker, entry, pledge->currency, "allocate.settled", &pair))
        return false;
    bool fits = rate_convert(*ret_minor, entry->currency, pair.from, pledge->currency, pair.to,
                             ret_settled);
    if (command->amount == NULL && (!fits || *ret_settled > due)) {
        *ret_settled = due;
        fits = rate_convert(due, pledge->currency, pair.to, entry->currency, pair.from, ret_minor);
    }
    if (fits && *ret_minor > 0)
        return true;
    allocation_refuse_remainder(maker, pledge, "allocate.amount");
    return false;
}

/* What is taken and what it settles. False: refused. */
static bool measure(struct maker *maker, const Pledged__V1__Allocate *command,
                    const struct state_bank_entry *entry, const struct state_pledge *pledge,
                    int64_t *ret_minor, int64_t *ret_settled)
{
    int64_t due = pledge->amount - state_settled(pledge);
    bool same = entry->currency == pledge->currency;
    const Pledged__V1__Money *amount = command->amount, *settled = command->settled;
    *ret_minor = amount != NULL ? amount->minor : allocation_free(entry);
    if (same && amount == NULL && *ret_minor > due)
        *ret_minor = due;
    if (amount != NULL && pl_currency_index(amount->currency) != entry->currency) {
        maker_refuse_currency(maker, "allocate.amount.currency", entry->seq, pledge,
                              entry->currency);
        return false;
    }
    if (!same && settled == NULL)
        return *ret_minor == 0 /* nothing is free: the caller says so */ ||
               measure_by_rate(maker, command, entry, pledge, ret_minor, ret_settled);
    if (settled != NULL && pl_currency_index(settled->currency) != pledge->currency) {
        maker_refuse_currency(maker, "allocate.settled", pledge->changed_seq, pledge,
                              pledge->currency);
        return false;
    }
    if (settled != NULL && same && settled->minor != *ret_minor) {
        allocation_refuse_settled(maker, "allocate.settled", pledge->changed_seq, pledge);
        return false;
    }
    *ret_settled = same ? *ret_minor : settled->minor;
    return true;
}

static void allocate(struct maker *maker, const Pledged__V1__Allocate *command)
{
    const struct state_bank_entry *entry =
        allocation_find(maker, command->bank_entry, "allocate.bank_entry");
    if (entry == NULL)
        return;
    const struct state_pledge *pledge = pledge_find(maker, command->pledge, "allocate.pledge", ~0u);
    if (pledge == NULL)
        return;
    if (!allocation_open(pledge)) {
        maker_refuse(maker, REASON(PLEDGE_NOT_OPEN), "allocate.pledge", pledge->changed_seq,
                     pledge);
        maker_arg(maker, "pledge", command->pledge);
        return;
    }
    int64_t minor, settled = 0;
    if (!measure(maker, command, entry, pledge, &minor, &settled))
        return;
    if (entry->debit || allocation_free(entry) == 0 || minor > allocation_free(entry)) {
        allocation_refuse_spent(maker, entry, "allocate.amount");
        return;
    }
    if (settled == 0 || settled > pledge->amount - state_settled(pledge)) {
        allocation_refuse_remainder(maker, pledge, "allocate.amount");
        return;
    }
    Pledged__V1__Allocated *fact =
        allocation_add(maker, (uint32_t)(entry - maker->ledger->bank_entry),
                       index_of(maker->ledger, pledge), minor, settled);
    struct valuation_pair pair;
    if (entry->currency != pledge->currency && command->settled == NULL &&
        valuation_find(maker, entry, pledge->currency, "allocate.settled", &pair))
        valuation_name(maker, &pair, fact);
    pledge_receipt(maker, command->pledge, maker_id(maker, 'C', pledge->contributor + 1),
                   (Pledged__V1__Stage)pledge->stage, pledge->amount,
                   state_settled(pledge) + settled, pledge->currency);
    maker_outcome(maker)->bank_entry = command->bank_entry;
    maker_outcome(maker)->unallocated =
        maker_money(maker, allocation_free(entry) - minor, entry->currency);
}

void allocation_decide(struct maker *maker)
{
    allocate(maker, maker->command->allocate);
}
