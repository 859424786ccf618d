/* SPDX-License-Identifier: Apache-2.0
 *
 * charge: see charge.h. Happy path: all that is left of a bank entry is explained. Failure: what
 * only a person has seen, and what left as a reversal or a return, is refused, and so is an entry
 * of which nothing is left, or of which something is a contribution.
 */
#include "server/ledger/charge.h"

#include "common/check.h"
#include "common/date.h"
#include "common/ids.h"
#include "common/money.h"
#include "server/ledger/allocation.h"
#include "server/ledger/deed.h"
#include "server/ledger/period.h"
#include "server/ledger/since.h"

#define KIND(name_) PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_##name_

/* Money that a statement saw leave and that did not come in before; or come, and pays for nothing:
 * banks give charges back under any name. */
static bool may_be_charge(const struct ledger *ledger, const struct state_bank_entry *entry)
{
    if (entry->movement == STATE_NONE || entry->reversed)
        return false;
    if (!entry->debit)
        return entry->allocated == 0 && entry->refunded == 0;
    uint8_t kind = ledger->movement[entry->movement].kind;
    return kind == KIND(PAYMENT) || kind == KIND(CHARGE) || kind == KIND(BATCH);
}

/* --- facts --- */

static bool is_money(const Pledged__V1__Money *money, int64_t minor, int currency)
{
    return money != NULL && money->minor == minor && pl_currency_index(money->currency) == currency;
}

/* The bank's day; where the money was used for something else in between, the one on which it
 * became free, or it would be there twice on the days before. Older rules: the bank's. */
static int32_t day_of(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    if (!state_rules(ledger, 15))
        return state_bank_entry(ledger, entry->charge_booked->bank_entry)->value_date;
    struct since since = since_of(ledger, NULL, 0, entry);
    return since_first(ledger, &since);
}

struct pl_status charge_check(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__ChargeBooked *fact = entry->charge_booked;
    const struct state_bank_entry *row = state_bank_entry(ledger, fact->bank_entry);
    int32_t day;
    NEED(row != NULL && may_be_charge(ledger, row) && fact->given_back == !row->debit,
         "a charge that is none");
    NEED(allocation_free(row) > 0 && is_money(fact->amount, allocation_free(row), row->currency),
         "a charge of another amount than is left");
    NEED(pl_is_ok(pl_date_parse(fact->value_date, &day)) && day == day_of(ledger, entry),
         "a charge of another day");
    NEED(ledger->deed_count < STATE_ROWS_MAX, "more deeds than there may be");
    return pl_ok();
}

static void mark(struct ledger *ledger, uint32_t index, uint64_t seq)
{
    ledger->movement[ledger->bank_entry[index].movement].charge_seq = seq;
}

void charge_apply(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__ChargeBooked *fact = entry->charge_booked;
    uint32_t index = (uint32_t)pl_id_parse(fact->bank_entry, 'B') - 1;
    struct state_deed deed = {.seq = entry->seq,
                              .day = period_posted_on(entry),
                              .dated = period_day_of(entry),
                              .of = index,
                              .quantity = fact->amount->minor,
                              .fact = FACT(CHARGE_BOOKED),
                              .alone = entry->proposal_seq == 0};
    if (ledger->bank_entry[index].debit)
        ledger->bank_entry[index].allocated += fact->amount->minor;
    else
        allocation_explain(ledger, index, fact->amount->minor);
    mark(ledger, index, entry->seq);
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

bool charge_sum_alone(const struct ledger *ledger, const struct state_bank_entry *entry,
                      int64_t *ret)
{
    int month = pl_date_month(entry->value_date);
    for (size_t i = 0; i < ledger->deed_count; i++) {
        const struct state_deed *deed = &ledger->deed[i];
        if (deed->fact != FACT(CHARGE_BOOKED) || !deed->alone || deed->reversed_by != 0)
            continue;
        const struct state_bank_entry *other = &ledger->bank_entry[deed->of];
        if (other->currency == entry->currency && pl_date_month(other->value_date) == month &&
            !pl_add64(*ret, deed->quantity, ret))
            return false;
    }
    return true;
}

/* --- undoing --- */

struct pl_status charge_check_reversed(const struct ledger *ledger,
                                       const Pledged__V1__Reversed *fact, uint32_t index,
                                       int64_t minor)
{
    NEED(pl_id_parse(fact->bank_entry, 'B') == (uint64_t)index + 1 && fact->refund[0] == '\0' &&
             fact->benefit[0] == '\0' && fact->pledge[0] == '\0' && fact->quantity == 0 &&
             is_money(fact->amount, minor, ledger->bank_entry[index].currency),
         "a reversal that names another charge");
    return pl_ok();
}

/* The newest that stands: what a refund or a return left free may have been charged later. */
static uint64_t standing(const struct ledger *ledger, uint32_t index)
{
    for (size_t i = ledger->deed_count; i > 0; i--) {
        const struct state_deed *deed = &ledger->deed[i - 1];
        if (deed->fact == FACT(CHARGE_BOOKED) && deed->of == index && deed->reversed_by == 0)
            return deed->seq;
    }
    return 0;
}

/* The money is still there, or gone, and waits for another explanation. */
void charge_undo(struct ledger *ledger, uint32_t index, int64_t minor)
{
    struct state_bank_entry *row = &ledger->bank_entry[index];
    if (row->debit)
        row->allocated -= minor;
    else
        allocation_explain(ledger, index, -minor);
    PL_ASSERT(row->allocated >= 0);
    mark(ledger, index, standing(ledger, index));
}

/* --- commands --- */

static char *tell(struct maker *maker, uint32_t index, int64_t left, int currency)
{
    Pledged__V1__Outcome *outcome = maker_outcome(maker);
    outcome->bank_entry = maker_id(maker, 'B', (uint64_t)index + 1);
    outcome->unallocated = maker_money(maker, left, currency);
    return outcome->bank_entry;
}

void charge_fill_reversed(struct maker *maker, uint32_t index, int64_t minor,
                          Pledged__V1__Reversed *fact)
{
    const struct state_bank_entry *row = &maker->ledger->bank_entry[index];
    fact->amount = maker_money(maker, minor, row->currency);
    fact->bank_entry = tell(maker, index, allocation_free(row) + minor, row->currency);
}

static void add(struct maker *maker, uint32_t index, int64_t minor, int currency)
{
    Pledged__V1__Entry *entry = maker_entry(maker, 0);
    Pledged__V1__ChargeBooked *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__charge_booked__init(fact);
    fact->bank_entry = maker_id(maker, 'B', (uint64_t)index + 1);
    fact->amount = maker_money(maker, minor, currency);
    fact->given_back = !maker->ledger->bank_entry[index].debit;
    entry->fact_case = FACT(CHARGE_BOOKED);
    entry->charge_booked = fact;
    int32_t day = day_of(maker->ledger, entry);
    fact->value_date = maker_alloc(maker, 11);
    (void)pl_date_format(day, fact->value_date);
    maker_dated(maker, entry, day);
}

void charge_decide(struct maker *maker)
{
    const Pledged__V1__BookCharge *command = maker->command->book_charge;
    const struct state_bank_entry *row =
        allocation_find(maker, command->bank_entry, "book_charge.bank_entry");
    if (row == NULL)
        return;
    if (!may_be_charge(maker->ledger, row)) {
        maker_refuse(maker, REASON(STATEMENT_CONFLICT), "book_charge.bank_entry",
                     row->reversed_by != 0 ? row->reversed_by : row->seq, NULL);
        maker_arg(maker, "bank_entry", command->bank_entry);
        return;
    }
    if (allocation_free(row) == 0) {
        allocation_refuse_spent(maker, row, "book_charge.bank_entry");
        return;
    }
    uint32_t index = (uint32_t)(row - maker->ledger->bank_entry);
    add(maker, index, allocation_free(row), row->currency);
    (void)tell(maker, index, 0, row->currency);
}
