/* SPDX-License-Identifier: Apache-2.0
 *
 * returned: see returned.h. Happy path: ordered, paid, returned, and paid again or cancelled.
 * Failure: a refund that is not paid, a debit that no statement has, a credit without free money or
 * in another currency is refused; a return is undone only while nothing followed it.
 */
#include "server/ledger/returned.h"

#include "common/check.h"
#include "common/date.h"
#include "common/ids.h"
#include "common/money.h"
#include "server/ledger/allocation.h"
#include "server/ledger/closing.h"
#include "server/ledger/deed.h"
#include "server/ledger/period.h"
#include "server/ledger/refund.h"

#define REFUND(name_) PLEDGED__V1__REFUND_STATE__REFUND_STATE_##name_

/* May this bank entry bring money back? A credit that a statement brought. */
static bool may_be_return(const struct state_bank_entry *credit)
{
    return !credit->debit && !credit->reversed && credit->movement != STATE_NONE;
}

/* What of the credit is the refund's: no more than that was. */
static int64_t arrived_of(const struct state_bank_entry *credit, const struct state_refund *refund)
{
    int64_t minor = allocation_free(credit);
    return minor < refund->amount ? minor : refund->amount;
}

/* A debit that only a person has seen has not left for certain, and cannot come back. Money that
 * came before is not what comes back. */
static bool may_return(const struct ledger *ledger, const struct state_refund *refund,
                       const struct state_bank_entry *credit)
{
    const struct state_bank_entry *from = &ledger->bank_entry[refund->bank_entry];
    return ledger->bank_entry[refund->debit].movement != STATE_NONE && credit != from &&
           credit->currency == from->currency;
}

/* The closing that rests on it that the refund was paid; NULL: none does. */
static const struct state_deed *resting(const struct ledger *ledger,
                                        const struct state_refund *refund)
{
    const struct state_pledge *pledge = refund_pledge(ledger, refund);
    const struct state_deed *closing = pledge != NULL ? closing_of(ledger, pledge) : NULL;
    return closing != NULL && refund->changed_seq < closing->seq ? closing : NULL;
}

/* --- facts --- */

static bool is_bank_entry(const char *id, uint32_t index)
{
    return pl_id_parse(id, 'B') == (uint64_t)index + 1;
}

struct pl_status returned_check(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__RefundReturned *fact = entry->refund_returned;
    const struct state_refund *refund = refund_of(ledger, fact->refund);
    const struct state_bank_entry *credit = state_bank_entry(ledger, fact->bank_entry);
    int32_t day;
    NEED(refund != NULL && refund->state == REFUND(PAID), "a return of a refund that is not paid");
    NEED(credit != NULL && may_be_return(credit) && may_return(ledger, refund, credit),
         "a return of money that did not leave, or did not come");
    NEED(resting(ledger, refund) == NULL, "a return to a pledge that was closed after it was paid");
    NEED(is_bank_entry(fact->original, refund->debit) && refund_is_of(ledger, refund, fact->pledge),
         "a return that names another debit or pledge");
    NEED(state_money_is(fact->amount, refund->amount, credit->currency) &&
             arrived_of(credit, refund) > 0 &&
             state_money_is(fact->arrived, arrived_of(credit, refund), credit->currency),
         "a return of another amount");
    NEED(pl_is_ok(pl_date_parse(fact->value_date, &day)) && day == credit->value_date,
         "a return of another day");
    NEED(ledger->deed_count < STATE_ROWS_MAX, "more deeds than there may be");
    return pl_ok();
}

/* The entry that said that the refund was paid; it cannot be taken back while this one stands. */
static struct state_deed *paying(struct ledger *ledger, const struct state_deed *deed,
                                 uint64_t reversed_by)
{
    for (size_t i = ledger->deed_count; i > 0; i--) {
        struct state_deed *paid = &ledger->deed[i - 1];
        if (paid->fact == FACT(REFUND_PAID) && paid->of == deed->of &&
            paid->reversed_by == reversed_by)
            return paid;
    }
    PL_UNREACHABLE();
}

void returned_apply(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__RefundReturned *fact = entry->refund_returned;
    struct state_refund *refund = refund_of(ledger, fact->refund);
    PL_ASSERT(refund != NULL);
    struct state_deed deed = {
        .seq = entry->seq,
        .quantity = fact->arrived->minor,
        .of = (uint32_t)(refund - ledger->refund),
        .credit = (uint32_t)pl_id_parse(fact->bank_entry, 'B') - 1,
        .debit = refund->debit,
        .day = period_posted_on(entry),
        .dated = period_day_of(entry),
        .fact = FACT(REFUND_RETURNED),
    };
    paying(ledger, &deed, 0)->reversed_by = entry->seq;
    ledger->bank_entry[deed.debit].allocated -= refund->amount - deed.quantity;
    allocation_explain(ledger, deed.credit, deed.quantity);
    refund->state = REFUND(ORDERED);
    refund->debit = STATE_NONE;
    refund->changed_seq = entry->seq;
    deed_add(ledger, &deed);
}

/* --- undoing --- */

/* It is ordered still, and what did not arrive is not explained by anything else. */
static bool may_undo(const struct ledger *ledger, const struct state_deed *deed)
{
    const struct state_refund *refund = &ledger->refund[deed->of];
    return refund->state == REFUND(ORDERED) && refund->changed_seq == deed->seq &&
           allocation_free(&ledger->bank_entry[deed->debit]) >= refund->amount - deed->quantity;
}

struct pl_status returned_check_reversed(const struct ledger *ledger,
                                         const Pledged__V1__Reversed *fact,
                                         const struct state_deed *deed)
{
    const struct state_refund *refund = &ledger->refund[deed->of];
    NEED(may_undo(ledger, deed), "a reversal of a return that something followed");
    NEED(
        refund_of(ledger, fact->refund) == refund && refund_is_of(ledger, refund, fact->pledge) &&
            is_bank_entry(fact->bank_entry, deed->credit) && fact->benefit[0] == '\0' &&
            fact->quantity == 0 &&
            state_money_is(fact->amount, deed->quantity, ledger->bank_entry[deed->credit].currency),
        "a reversal that names another refund, bank entry or pledge");
    return pl_ok();
}

void returned_undo(struct ledger *ledger, const struct state_deed *deed, uint64_t seq)
{
    struct state_refund *refund = &ledger->refund[deed->of];
    allocation_explain(ledger, deed->credit, -deed->quantity);
    ledger->bank_entry[deed->debit].allocated += refund->amount - deed->quantity;
    paying(ledger, deed, deed->seq)->reversed_by = 0;
    refund->state = REFUND(PAID);
    refund->debit = deed->debit;
    refund->changed_seq = seq;
}

bool returned_guards(struct maker *maker, const struct state_deed *deed)
{
    const struct ledger *ledger = maker->ledger;
    const struct state_refund *refund = &ledger->refund[deed->of];
    if (may_undo(ledger, deed))
        return false;
    maker_refuse(maker, REASON(NOT_REVERSIBLE), "reverse.seq", refund->changed_seq,
                 refund_pledge(ledger, refund));
    maker_say(maker, "use",
              "the refund was paid again or cancelled since, or what did not arrive "
              "is a charge: reverse that first");
    return true;
}

static void tell(struct maker *maker, const struct state_refund *refund, uint32_t credit)
{
    refund_tell(maker, refund);
    maker_outcome(maker)->bank_entry = maker_id(maker, 'B', (uint64_t)credit + 1);
}

void returned_fill_reversed(struct maker *maker, const struct state_deed *deed,
                            Pledged__V1__Reversed *fact)
{
    const struct state_refund *refund = &maker->ledger->refund[deed->of];
    fact->refund = refund_id(maker, refund);
    fact->bank_entry = maker_id(maker, 'B', (uint64_t)deed->credit + 1);
    fact->amount =
        maker_money(maker, deed->quantity, maker->ledger->bank_entry[deed->credit].currency);
    tell(maker, refund, deed->credit);
}

/* --- commands --- */

static void add_returned(struct maker *maker, const struct state_refund *refund,
                         const struct state_bank_entry *credit)
{
    const struct ledger *ledger = maker->ledger;
    const struct state_pledge *pledge = refund_pledge(ledger, refund);
    const struct state_deed *closing = resting(ledger, refund);
    uint32_t index = (uint32_t)(credit - ledger->bank_entry);
    if (closing != NULL) /* it owes something again, as where the bank takes money back */
        deed_reopen(maker, closing);
    Pledged__V1__Entry *entry = maker_entry(
        maker, pledge != NULL ? maker_prev(maker, (uint32_t)(pledge - ledger->pledge)) : 0);
    Pledged__V1__RefundReturned *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__refund_returned__init(fact);
    fact->refund = refund_id(maker, refund);
    fact->bank_entry = maker_id(maker, 'B', (uint64_t)index + 1);
    fact->original = maker_id(maker, 'B', (uint64_t)refund->debit + 1);
    fact->amount = maker_money(maker, refund->amount, credit->currency);
    fact->arrived = maker_money(maker, arrived_of(credit, refund), credit->currency);
    fact->value_date = maker_alloc(maker, 11);
    (void)pl_date_format(credit->value_date, fact->value_date);
    if (pledge != NULL)
        fact->pledge = maker_id(maker, 'P', (uint64_t)(pledge - ledger->pledge) + 1);
    maker_dated(maker, entry, credit->value_date);
    entry->fact_case = FACT(REFUND_RETURNED);
    entry->refund_returned = fact;
    tell(maker, refund, index);
    if (closing != NULL)
        maker_outcome(maker)->stage = STAGE(COMMITTED);
}

/* field: of the command, what names the credit. */
static void decide(struct maker *maker, const struct state_bank_entry *credit,
                   const struct state_refund *refund, const char *field)
{
    maker->about = refund_pledge(maker->ledger, refund);
    if (!may_be_return(credit) || !may_return(maker->ledger, refund, credit)) {
        uint64_t deciding = credit->reversed_by != 0 ? credit->reversed_by : credit->seq;
        maker_refuse(maker, REASON(STATEMENT_CONFLICT), field, deciding, maker->about);
        maker_arg(maker, "bank_entry",
                  maker_id(maker, 'B', (uint64_t)(credit - maker->ledger->bank_entry) + 1));
        return;
    }
    if (allocation_free(credit) == 0)
        allocation_refuse_spent(maker, credit, field);
    else
        add_returned(maker, refund, credit);
}

void returned_decide(struct maker *maker, const struct state_bank_entry *credit, const char *id)
{
    const struct state_refund *refund = refund_find(maker, id, REFUND(PAID), "match_refund.refund");
    if (refund != NULL)
        decide(maker, credit, refund, "match_refund.bank_entry");
}

/* The refund that the debit paid; NULL: none, or several. */
static const struct state_refund *only_paid_by(const struct ledger *ledger, uint32_t debit)
{
    const struct state_refund *only = NULL;
    for (size_t i = 0; i < ledger->refund_count; i++) {
        if (ledger->refund[i].debit != debit)
            continue;
        if (only != NULL)
            return NULL;
        only = &ledger->refund[i];
    }
    return only;
}

void returned_decide_debit(struct maker *maker, const struct state_bank_entry *credit,
                           const struct state_bank_entry *debit)
{
    uint32_t index = (uint32_t)(debit - maker->ledger->bank_entry);
    const struct state_refund *refund = only_paid_by(maker->ledger, index);
    if (refund != NULL) {
        decide(maker, credit, refund, "match_reversal.bank_entry");
        return;
    }
    maker_refuse(maker, REASON(STATEMENT_CONFLICT), "match_reversal.original",
                 debit->reversed_by != 0 ? debit->reversed_by : debit->seq, NULL);
    maker_arg(maker, "bank_entry", maker_id(maker, 'B', (uint64_t)index + 1));
    if (refund_paid_by(maker->ledger, index) != NULL)
        maker_say(maker, "use", "it paid several refunds: name the one that came back");
}
