/* SPDX-License-Identifier: Apache-2.0
 *
 * charge: see charge.h. Happy path: all that is left of a debit is explained. Failure: a credit,
 * what only a person has seen, a reversal or a return is refused, and so is a debit of which
 * nothing is left.
 */
#include "server/ledger/charge.h"

#include "common/check.h"
#include "common/date.h"
#include "common/ids.h"
#include "common/money.h"
#include "server/ledger/allocation.h"
#include "server/ledger/deed.h"
#include "server/ledger/period.h"

#define KIND(name_) PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_##name_

/* Money that a statement saw leave and that did not come in before. */
static bool may_be_charge(const struct ledger *ledger, const struct state_bank_entry *debit)
{
    if (!debit->debit || debit->movement == STATE_NONE || debit->reversed)
        return false;
    uint8_t kind = ledger->movement[debit->movement].kind;
    return kind == KIND(PAYMENT) || kind == KIND(CHARGE) || kind == KIND(BATCH);
}

/* --- facts --- */

static bool is_money(const Pledged__V1__Money *money, int64_t minor, int currency)
{
    return money != NULL && money->minor == minor && pl_currency_index(money->currency) == currency;
}

struct pl_status charge_check(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__ChargeBooked *fact = entry->charge_booked;
    const struct state_bank_entry *debit = state_bank_entry(ledger, fact->bank_entry);
    int32_t day;
    NEED(debit != NULL && may_be_charge(ledger, debit), "a charge that is none");
    NEED(allocation_free(debit) > 0 &&
             is_money(fact->amount, allocation_free(debit), debit->currency),
         "a charge of another amount than is left");
    NEED(pl_is_ok(pl_date_parse(fact->value_date, &day)) && day == debit->value_date,
         "a charge of another day");
    NEED(ledger->deed_count < STATE_ROWS_MAX, "more deeds than there may be");
    return pl_ok();
}

static void mark(struct ledger *ledger, uint32_t debit, uint64_t seq)
{
    ledger->movement[ledger->bank_entry[debit].movement].charge_seq = seq;
}

void charge_apply(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__ChargeBooked *fact = entry->charge_booked;
    uint32_t debit = (uint32_t)pl_id_parse(fact->bank_entry, 'B') - 1;
    struct state_deed deed = {.seq = entry->seq,
                              .day = period_posted_on(entry),
                              .of = debit,
                              .quantity = fact->amount->minor,
                              .fact = FACT(CHARGE_BOOKED)};
    ledger->bank_entry[debit].allocated += fact->amount->minor;
    mark(ledger, debit, entry->seq);
    deed_add(ledger, &deed);
}

void charge_link(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->deed_count; i++) {
        const struct state_deed *deed = &ledger->deed[i];
        if (deed->fact == FACT(CHARGE_BOOKED) && deed->reversed_by == 0)
            mark(ledger, deed->of, deed->seq);
    }
}

/* --- undoing --- */

struct pl_status charge_check_reversed(const struct ledger *ledger,
                                       const Pledged__V1__Reversed *fact, uint32_t debit,
                                       int64_t minor)
{
    NEED(pl_id_parse(fact->bank_entry, 'B') == (uint64_t)debit + 1 && fact->refund[0] == '\0' &&
             fact->benefit[0] == '\0' && fact->pledge[0] == '\0' && fact->quantity == 0 &&
             is_money(fact->amount, minor, ledger->bank_entry[debit].currency),
         "a reversal that names another charge");
    return pl_ok();
}

/* The debit is still there, and waits for another explanation. */
void charge_undo(struct ledger *ledger, uint32_t debit, int64_t minor)
{
    struct state_bank_entry *row = &ledger->bank_entry[debit];
    row->allocated -= minor;
    PL_ASSERT(row->allocated >= 0);
    mark(ledger, debit, 0);
}

/* --- commands --- */

static char *tell(struct maker *maker, uint32_t debit, int64_t left, int currency)
{
    Pledged__V1__Outcome *outcome = maker_outcome(maker);
    outcome->bank_entry = maker_id(maker, 'B', (uint64_t)debit + 1);
    outcome->unallocated = maker_money(maker, left, currency);
    return outcome->bank_entry;
}

void charge_fill_reversed(struct maker *maker, uint32_t debit, int64_t minor,
                          Pledged__V1__Reversed *fact)
{
    const struct state_bank_entry *row = &maker->ledger->bank_entry[debit];
    fact->amount = maker_money(maker, minor, row->currency);
    fact->bank_entry = tell(maker, debit, allocation_free(row) + minor, row->currency);
}

void charge_add(struct maker *maker, uint32_t debit, int64_t minor, int currency,
                const char *value_date)
{
    Pledged__V1__Entry *entry = maker_entry(maker, 0);
    Pledged__V1__ChargeBooked *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__charge_booked__init(fact);
    fact->bank_entry = maker_id(maker, 'B', (uint64_t)debit + 1);
    fact->amount = maker_money(maker, minor, currency);
    fact->value_date = (char *)(uintptr_t)value_date;
    int32_t day;
    if (pl_is_ok(pl_date_parse(value_date, &day)))
        maker_dated(maker, entry, day);
    entry->fact_case = FACT(CHARGE_BOOKED);
    entry->charge_booked = fact;
}

void charge_decide(struct maker *maker)
{
    const Pledged__V1__BookCharge *command = maker->command->book_charge;
    const struct state_bank_entry *debit =
        allocation_find(maker, command->bank_entry, "book_charge.bank_entry");
    if (debit == NULL)
        return;
    if (!may_be_charge(maker->ledger, debit)) {
        maker_refuse(maker, REASON(STATEMENT_CONFLICT), "book_charge.bank_entry",
                     debit->reversed_by != 0 ? debit->reversed_by : debit->seq, NULL);
        maker_arg(maker, "bank_entry", command->bank_entry);
        return;
    }
    if (allocation_free(debit) == 0) {
        allocation_refuse_spent(maker, debit, "book_charge.bank_entry");
        return;
    }
    uint32_t index = (uint32_t)(debit - maker->ledger->bank_entry);
    char *day = maker_alloc(maker, 11);
    (void)pl_date_format(debit->value_date, day);
    charge_add(maker, index, allocation_free(debit), debit->currency, day);
    (void)tell(maker, index, 0, debit->currency);
}
