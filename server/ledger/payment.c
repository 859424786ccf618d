/* SPDX-License-Identifier: Apache-2.0
 *
 * payment: money that arrived, and the undoing of entries. Money is never refused for being late,
 * part, too much or in another currency: what cannot be allocated stays with its bank entry, listed
 * and shown. One credit is booked once: its bank reference is remembered while it is not reversed.
 */
#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/money.h"
#include "server/ledger/allocation.h"
#include "server/ledger/closing.h"
#include "server/ledger/deed.h"
#include "server/ledger/pledge.h"
#include "server/ledger/receipt.h"
#include "server/ledger/refund.h"
#include "server/ledger/statement.h"
#include "server/ledger/valuation.h"
#include "server/ledger/waiver.h"

static uint32_t booked_as(const struct ledger *ledger, const char *bank_ref)
{
    uint8_t key[16];
    if (bank_ref[0] == '\0')
        return STATE_NONE;
    state_key_of_text(bank_ref, key);
    const uint32_t *index = pl_map_get(&ledger->bank_refs, key);
    return index != NULL ? *index : STATE_NONE;
}

/* True twins exist, so this is a warning only: same pledge, amount and day. */
static uint64_t similar_payment(const struct ledger *ledger, const struct state_pledge *pledge,
                                int64_t minor, int currency, int32_t day)
{
    for (uint32_t i = pledge->bank_first; i != STATE_NONE;
         i = ledger->bank_entry[i].next_of_pledge) {
        const struct state_bank_entry *entry = &ledger->bank_entry[i];
        if (!entry->reversed && entry->amount == minor && entry->currency == currency &&
            entry->value_date == day)
            return entry->seq;
    }
    return 0;
}

static int64_t allocatable(struct maker *maker, const struct state_pledge *pledge, int64_t minor,
                           int currency)
{
    bool open = pledge->stage == STAGE(PLEDGED) || pledge->stage == STAGE(COMMITTED);
    if (!open) {
        maker_warn(maker, WARNING(PLEDGE_NOT_OPEN), pledge->changed_seq);
        return 0;
    }
    if (currency != pledge->currency) {
        maker_warn(maker, WARNING(PAYMENT_CURRENCY), 0);
        return 0;
    }
    int64_t outstanding = pledge->amount - state_settled(pledge);
    if (minor > outstanding)
        maker_warn(maker, WARNING(PAYMENT_SURPLUS), 0);
    return minor < outstanding ? minor : outstanding;
}

static Pledged__V1__PaymentRecorded *payment_recorded(struct maker *maker,
                                                      const Pledged__V1__Pay *command,
                                                      uint64_t prev_seq, int32_t day)
{
    Pledged__V1__Entry *entry = maker_entry(maker, prev_seq);
    Pledged__V1__PaymentRecorded *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__payment_recorded__init(fact);
    fact->bank_entry = maker_id(maker, 'B', maker->ledger->bank_entry_count + 1);
    fact->pledge = command->pledge;
    fact->amount = command->amount;
    fact->value_date = maker_alloc(maker, 11);
    (void)pl_date_format(day, fact->value_date);
    fact->bank_ref = command->bank_ref;
    maker_dated(maker, entry, day);
    entry->fact_case = FACT(PAYMENT_RECORDED);
    entry->payment_recorded = fact;
    fact->valuation = valuation_of(maker, entry, command->amount->minor,
                                   pl_currency_index(command->amount->currency));
    return fact;
}

static void refuse_booked(struct maker *maker, const struct state_pledge *pledge, uint32_t booked)
{
    maker_refuse(maker, REASON(PAYMENT_DUPLICATE), "pay.bank_ref",
                 maker->ledger->bank_entry[booked].seq, pledge);
    maker_arg(maker, "bank_entry", maker_id(maker, 'B', booked + 1));
}

/* One movement of the account is booked once. */
static bool is_booked(struct maker *maker, const Pledged__V1__Pay *command)
{
    uint32_t booked = booked_as(maker->ledger, command->bank_ref);
    if (booked == STATE_NONE)
        return false;
    refuse_booked(maker, NULL, booked);
    return true;
}

/* Money that was seen has come: its day is not after today, where the sun rises first. False:
 * refused. */
static bool value_day(struct maker *maker, const Pledged__V1__Pay *command, int32_t *ret)
{
    bool given = pl_is_ok(pl_date_parse(command->value_date, ret));
    int32_t today = pl_date_of_us(maker_time(maker));
    char text[11];
    if (!given)
        *ret = maker_day(maker);
    if (*ret <= today + 1)
        return true;
    maker_refuse(maker, REASON(DATE_INVALID), given ? "pay.value_date" : "effective_date", 0, NULL);
    maker_say(maker, "why", "money that was seen has no day to come");
    maker_arg(maker, "date", pl_date_format(*ret, text));
    maker_arg(maker, "today", pl_date_format(today, text));
    return false;
}

/* A statement brought this credit before: it is allocated, not booked again. */
static void pay_imported(struct maker *maker, const Pledged__V1__Pay *command,
                         const struct state_pledge *pledge, uint32_t booked)
{
    const struct state_bank_entry *from = &maker->ledger->bank_entry[booked];
    bool open = pledge->stage == STAGE(PLEDGED) || pledge->stage == STAGE(COMMITTED);
    int64_t left = allocation_free(from);
    int64_t outstanding = pledge->amount - state_settled(pledge);
    int64_t part = left < outstanding ? left : outstanding;
    if (!open || from->currency != pledge->currency || part <= 0 || from->pledge != STATE_NONE ||
        from->reversed || from->debit) {
        refuse_booked(maker, pledge, booked);
        return;
    }
    allocation_add(maker, booked, pledge_index(maker, pledge), part, part);
    pledge_receipt(maker, command->pledge, maker_id(maker, 'C', pledge->contributor + 1),
                   (Pledged__V1__Stage)pledge->stage, pledge->amount, state_settled(pledge) + part,
                   pledge->currency);
    maker_outcome(maker)->bank_entry = maker_id(maker, 'B', booked + 1);
    maker_outcome(maker)->unallocated = maker_money(maker, left - part, from->currency);
    maker_warn(maker, WARNING(PAYMENT_IMPORTED), from->seq);
    if (part < left)
        maker_warn(maker, WARNING(PAYMENT_SURPLUS), 0);
}

static void pay(struct maker *maker, const Pledged__V1__Pay *command)
{
    const struct ledger *ledger = maker->ledger;
    const struct state_pledge *pledge = pledge_find(maker, command->pledge, "pay.pledge", ~0u);
    if (pledge == NULL || is_booked(maker, command))
        return;
    int currency = pl_currency_index(command->amount->currency);
    int64_t minor = command->amount->minor;
    int32_t day;
    if (!value_day(maker, command, &day))
        return;
    uint32_t booked = statement_imported_as(ledger, command->bank_ref, minor, currency, day,
                                            pledge_index(maker, pledge));
    if (booked != STATE_NONE) {
        pay_imported(maker, command, pledge, booked);
        return;
    }
    if (!tally_may_receive(ledger, currency, minor)) {
        maker_refuse(maker, REASON(SUM_OVERFLOW), "pay.amount", 0, pledge);
        return;
    }
    Pledged__V1__PaymentRecorded *fact = payment_recorded(maker, command, pledge->last_seq, day);
    uint64_t twin = similar_payment(ledger, pledge, minor, currency, day);
    if (twin != 0)
        maker_warn(maker, WARNING(PAYMENT_SIMILAR), twin);
    int64_t part = allocatable(maker, pledge, minor, currency);
    if (part > 0)
        allocation_add(maker, (uint32_t)ledger->bank_entry_count,
                       (uint32_t)(pledge - ledger->pledge), part, part);
    pledge_receipt(maker, command->pledge, maker_id(maker, 'C', pledge->contributor + 1),
                   (Pledged__V1__Stage)pledge->stage, pledge->amount, state_settled(pledge) + part,
                   tally_counts(pledge) ? pledge->currency : -1);
    maker_outcome(maker)->bank_entry = fact->bank_entry;
    maker_outcome(maker)->unallocated = maker_money(maker, minor - part, currency);
}

/* --- reverse --- */

/* Did this entry match what the bank took back with what it had brought? */
static bool is_bank_reversal(const struct ledger *ledger, uint64_t seq)
{
    for (size_t i = 0; i < ledger->movement_count; i++) {
        const struct state_bank_entry *back = &ledger->bank_entry[ledger->movement[i].bank_entry];
        if (back->debit && back->reversed && back->reversed_by == seq)
            return true;
    }
    return false;
}

static void refuse_not_reversible(struct maker *maker, uint64_t seq)
{
    if (seq == 0 || seq > maker->ledger->size) {
        maker_refuse(maker, REASON(ENTRY_UNKNOWN), "reverse.seq", 0, NULL);
        maker_arg_number(maker, "seq", (int64_t)seq);
        return;
    }
    maker_refuse(maker, REASON(NOT_REVERSIBLE), "reverse.seq", seq, NULL);
    if (is_bank_reversal(maker->ledger, seq)) {
        maker_say(maker, "why",
                  "it is itself a reversal: what the bank took back stays taken back, and what was "
                  "none is recorded anew");
        return;
    }
    maker_say(maker, "use",
              "payments, allocations, write-offs, differences, paid refunds, charges, closings and "
              "what was said of a benefit can be reversed; a pledge is withdrawn or cancelled, a "
              "contributor or an amount is amended");
}

/* One Reversed. pledge STATE_NONE: money that was meant for none. */
static Pledged__V1__Reversed *add_reversed(struct maker *maker, uint64_t target,
                                           uint32_t bank_entry, uint32_t pledge, int64_t minor,
                                           int64_t deallocated)
{
    const struct ledger *ledger = maker->ledger;
    int currency = ledger->bank_entry[bank_entry].currency;
    Pledged__V1__Entry *made = maker_entry(maker, maker_prev(maker, pledge));
    Pledged__V1__Reversed *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__reversed__init(fact);
    fact->target_seq = target;
    if (pledge != STATE_NONE)
        fact->pledge = maker_id(maker, 'P', (uint64_t)pledge + 1);
    fact->bank_entry = maker_id(maker, 'B', (uint64_t)bank_entry + 1);
    fact->amount = maker_money(maker, minor, currency);
    fact->deallocated = maker_money(maker, deallocated, currency);
    made->fact_case = FACT(REVERSED);
    made->reversed = fact;
    return fact;
}

static void reversed_receipt(struct maker *maker, uint32_t bank_entry, uint32_t pledge,
                             int64_t settled, int64_t unallocated)
{
    const struct ledger *ledger = maker->ledger;
    if (pledge != STATE_NONE) {
        const struct state_pledge *about = &ledger->pledge[pledge];
        pledge_receipt(maker, maker_id(maker, 'P', (uint64_t)pledge + 1),
                       maker_id(maker, 'C', about->contributor + 1),
                       (Pledged__V1__Stage)about->stage, about->amount,
                       state_settled(about) - settled, tally_counts(about) ? about->currency : -1);
    }
    maker_outcome(maker)->bank_entry = maker_id(maker, 'B', (uint64_t)bank_entry + 1);
    maker_outcome(maker)->unallocated =
        maker_money(maker, unallocated, ledger->bank_entry[bank_entry].currency);
}

static void reverse_allocation(struct maker *maker, const struct state_allocation *allocation)
{
    const struct ledger *ledger = maker->ledger;
    const struct state_bank_entry *entry = &ledger->bank_entry[allocation->bank_entry];
    if (allocation->reversed_by != 0) {
        maker_refuse(maker, REASON(ALREADY_REVERSED), "reverse.seq", allocation->reversed_by,
                     &ledger->pledge[allocation->pledge]);
        return;
    }
    if (closing_guards(maker, &ledger->pledge[allocation->pledge], allocation->seq,
                       "reverse.seq") ||
        receipt_guards(maker, allocation, "reverse.seq"))
        return;
    (void)add_reversed(maker, allocation->seq, allocation->bank_entry, allocation->pledge,
                       allocation->amount, allocation->amount);
    reversed_receipt(maker, allocation->bank_entry, allocation->pledge, allocation->settled,
                     allocation_free(entry) + allocation->amount);
}

static bool undoes_first(const struct state_allocation *allocation,
                         const struct state_bank_entry *entry)
{
    return allocation->reversed_by == 0 && allocation->pledge != entry->pledge;
}

/* Of a whole bank entry: what pays for other pledges is undone first, each in its own history. */
static void reverse_entry(struct maker *maker, uint32_t index)
{
    const struct ledger *ledger = maker->ledger;
    const struct state_bank_entry *entry = &ledger->bank_entry[index];
    int64_t own = entry->allocated, settled = 0;
    size_t others = 0;
    if (entry->reversed) {
        maker_refuse(maker, REASON(ALREADY_REVERSED), "reverse.seq", entry->reversed_by,
                     entry->pledge == STATE_NONE ? NULL : &ledger->pledge[entry->pledge]);
        return;
    }
    if (entry->refunded != 0) {
        maker_refuse(maker, REASON(NOT_REVERSIBLE), "reverse.seq", entry->seq, NULL);
        maker_say(maker, "use", "some of it is paid back: cancel the refund first");
        return;
    }
    for (uint32_t i = entry->alloc_first; i != STATE_NONE;
         i = ledger->allocation[i].next_of_entry) {
        const struct state_allocation *allocation = &ledger->allocation[i];
        if (allocation->reversed_by == 0 &&
            closing_guards(maker, &ledger->pledge[allocation->pledge], allocation->seq,
                           "reverse.seq"))
            return;
        if (receipt_guards(maker, allocation, "reverse.seq"))
            return;
        others += undoes_first(allocation, entry);
        own -= undoes_first(allocation, entry) ? allocation->amount : 0;
        if (allocation->reversed_by == 0 && allocation->pledge == entry->pledge)
            settled += allocation->settled;
    }
    if (others >= LEDGER_ENTRIES_PER_COMMAND_MAX) {
        maker_refuse(maker, REASON(NOT_REVERSIBLE), "reverse.seq", entry->seq, NULL);
        maker_say(maker, "use", "it pays for many pledges: reverse some of its allocations first");
        return;
    }
    for (uint32_t i = entry->alloc_first; i != STATE_NONE;
         i = ledger->allocation[i].next_of_entry) {
        const struct state_allocation *allocation = &ledger->allocation[i];
        if (undoes_first(allocation, entry))
            (void)add_reversed(maker, allocation->seq, index, allocation->pledge,
                               allocation->amount, allocation->amount);
    }
    (void)add_reversed(maker, entry->seq, index, entry->pledge, entry->amount, own);
    reversed_receipt(maker, index, entry->pledge, settled, 0);
}

static void reverse_row(struct maker *maker, uint32_t found)
{
    const struct ledger *ledger = maker->ledger;
    uint32_t index = state_reversible_index(found);
    switch (state_reversible_kind(found)) {
    case STATE_REVERSIBLE_WAIVER:
        waiver_decide_reverse(maker, index);
        return;
    case STATE_REVERSIBLE_DEED:
        deed_decide_reverse(maker, index);
        return;
    case STATE_REVERSIBLE_ALLOCATION:
        reverse_allocation(maker, &ledger->allocation[index]);
        return;
    case STATE_REVERSIBLE_ENTRY:
        if (ledger->bank_entry[index].movement == STATE_NONE)
            reverse_entry(maker, index);
        else /* a statement confirms that the money is there */
            refuse_not_reversible(maker, ledger->bank_entry[index].seq);
        return;
    }
    PL_UNREACHABLE();
}

static void reverse(struct maker *maker, const Pledged__V1__Reverse *command)
{
    const struct ledger *ledger = maker->ledger;
    uint64_t seq = command->seq;
    const uint32_t *found = pl_map_get(&ledger->reversible, &seq);
    if (found == NULL)
        refuse_not_reversible(maker, seq);
    else
        reverse_row(maker, *found);
}

void payment_decide(struct maker *maker)
{
    const Pledged__V1__Command *command = maker->command;
    if (command->command_case == COMMAND(PAY) && command->pay->refund[0] != '\0') {
        int32_t day;
        if (!is_booked(maker, command->pay) && value_day(maker, command->pay, &day))
            refund_decide_paid(maker, command->pay, day);
    } else if (command->command_case == COMMAND(PAY))
        pay(maker, command->pay);
    else
        reverse(maker, command->reverse);
}
