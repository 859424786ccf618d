/* SPDX-License-Identifier: Apache-2.0
 *
 * refund: see refund.h. Happy path: refund, then pay (or a statement's debit). Failure: more than
 * is free, or than was ordered, is refused; a refund is paid or cancelled once.
 */
#include "server/ledger/refund.h"

#include "common/check.h"
#include "common/date.h"
#include "common/ids.h"
#include "common/money.h"
#include "server/ledger/allocation.h"
#include "server/ledger/deed.h"
#include "server/ledger/period.h"
#include "server/ledger/pledge.h"
#include "server/ledger/returned.h"
#include "server/ledger/since.h"
#include "server/ledger/statement.h"

#define REFUND(name_) PLEDGED__V1__REFUND_STATE__REFUND_STATE_##name_

struct state_refund *refund_of(const struct ledger *ledger, const char *id)
{
    uint64_t number = pl_id_parse(id, 'R');
    return number == 0 || number > ledger->refund_count ? NULL : &ledger->refund[number - 1];
}

static bool is_money(const Pledged__V1__Money *money, int64_t minor, int currency)
{
    return money != NULL && money->minor == minor && pl_currency_index(money->currency) == currency;
}

/* Whose history it belongs to. */
static bool names(const struct state_bank_entry *entry, const char *pledge)
{
    return entry->pledge == STATE_NONE ? pledge[0] == '\0'
                                       : pl_id_parse(pledge, 'P') == (uint64_t)entry->pledge + 1;
}

bool refund_is_of(const struct ledger *ledger, const struct state_refund *refund,
                  const char *pledge)
{
    return names(&ledger->bank_entry[refund->bank_entry], pledge);
}

/* --- facts --- */

static struct pl_status check_ordered(const struct ledger *ledger,
                                      const Pledged__V1__RefundOrdered *fact)
{
    const struct state_bank_entry *from = state_bank_entry(ledger, fact->bank_entry);
    NEED(pl_id_parse(fact->refund, 'R') == ledger->refund_count + 1 &&
             ledger->refund_count < STATE_ROWS_MAX,
         "a refund's number is not the next one");
    NEED(from != NULL && !from->debit && names(from, fact->pledge), "a refund of unknown money");
    NEED(fact->amount != NULL && fact->amount->minor > 0 &&
             is_money(fact->amount, fact->amount->minor, from->currency) &&
             fact->amount->minor <= allocation_free(from), /* I3 */
         "a refund of more than is free");
    NEED(fact->contributor[0] == '\0' ||
             (from->pledge == STATE_NONE && state_contributor(ledger, fact->contributor) != NULL),
         "a refund to another contributor than its pledge says, or to none that is there");
    return pl_ok();
}

static struct pl_status check_open(const struct ledger *ledger, const char *id, const char *pledge,
                                   const Pledged__V1__Money *amount)
{
    const struct state_refund *refund = refund_of(ledger, id);
    NEED(refund != NULL && refund->state == REFUND(ORDERED), "a refund that is not ordered");
    const struct state_bank_entry *from = &ledger->bank_entry[refund->bank_entry];
    NEED(names(from, pledge) && is_money(amount, refund->amount, from->currency),
         "a refund of another pledge or amount");
    return pl_ok();
}

static struct pl_status check_paid(const struct ledger *ledger, const Pledged__V1__RefundPaid *fact)
{
    PL_TRY(check_open(ledger, fact->refund, fact->pledge, fact->amount));
    const struct state_bank_entry *debit = state_bank_entry(ledger, fact->bank_entry);
    if (debit == NULL) {
        uint8_t key[16];
        state_key_of_text(fact->bank_ref, key);
        NEED(pl_id_parse(fact->bank_entry, 'B') == ledger->bank_entry_count + 1 &&
                 ledger->bank_entry_count < STATE_ROWS_MAX && pl_date_valid(fact->value_date),
             "a bank entry's number is not the next one");
        NEED(fact->bank_ref[0] == '\0' || pl_map_get(&ledger->bank_refs, key) == NULL,
             "one debit is booked twice");
        return pl_ok();
    }
    NEED(debit->debit && !debit->reversed &&
             debit->currency == pl_currency_index(fact->amount->currency) &&
             fact->amount->minor <= allocation_free(debit),
         "a refund that was not paid by this bank entry");
    return pl_ok();
}

struct pl_status refund_check(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    if (entry->fact_case == FACT(REFUND_ORDERED))
        return check_ordered(ledger, entry->refund_ordered);
    if (entry->fact_case == FACT(REFUND_PAID))
        return check_paid(ledger, entry->refund_paid);
    const Pledged__V1__RefundCancelled *fact = entry->refund_cancelled;
    PL_TRY(check_open(ledger, fact->refund, fact->pledge, fact->amount));
    NEED(pl_id_parse(fact->bank_entry, 'B') ==
             (uint64_t)refund_of(ledger, fact->refund)->bank_entry + 1,
         "a refund of another bank entry");
    return pl_ok();
}

/* Takes free money of the credit (positive) or gives it back. */
static void set_aside(struct ledger *ledger, uint32_t bank_entry, int64_t minor)
{
    struct state_bank_entry *from = &ledger->bank_entry[bank_entry];
    allocation_count_free(ledger, from, -1);
    from->refunded += minor;
    PL_ASSERT(from->refunded >= 0 && allocation_free(from) >= 0); /* I3 */
    allocation_count_free(ledger, from, 1);
}

static void apply_ordered(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__RefundOrdered *fact = entry->refund_ordered;
    ledger->refund = state_grow(ledger->refund, ledger->refund_count, &ledger->refund_cap,
                                sizeof(*ledger->refund));
    struct state_refund *made = &ledger->refund[ledger->refund_count++];
    *made = (struct state_refund){
        .amount = fact->amount->minor,
        .seq = entry->seq,
        .changed_seq = entry->seq,
        .bank_entry = (uint32_t)pl_id_parse(fact->bank_entry, 'B') - 1,
        .debit = STATE_NONE,
        .state = REFUND(ORDERED),
        .contributor = fact->contributor[0] == '\0'
                           ? STATE_NONE
                           : (uint32_t)pl_id_parse(fact->contributor, 'C') - 1,
        .dated = period_day_of(entry),
        .other_payee = fact->other_payee != 0,
    };
    set_aside(ledger, made->bank_entry, made->amount);
}

/* The row of a debit that was seen by hand. */
static uint32_t new_debit(struct ledger *ledger, const Pledged__V1__RefundPaid *fact, uint64_t seq)
{
    struct state_bank_entry made = {
        .amount = fact->amount->minor,
        .seq = seq,
        .bank_ref = state_add_text(ledger, fact->bank_ref),
        .movement = STATE_NONE,
        .currency = (int16_t)pl_currency_index(fact->amount->currency),
        .debit = 1,
    };
    struct pl_status status = pl_date_parse(fact->value_date, &made.value_date);
    PL_ASSERT(pl_is_ok(status));
    return allocation_add_entry(ledger, &made);
}

static void apply_paid(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__RefundPaid *fact = entry->refund_paid;
    const struct state_bank_entry *known = state_bank_entry(ledger, fact->bank_entry);
    uint32_t debit = known != NULL ? (uint32_t)(known - ledger->bank_entry)
                                   : new_debit(ledger, fact, entry->seq);
    struct state_refund *refund = refund_of(ledger, fact->refund);
    PL_ASSERT(refund != NULL);
    struct state_deed deed = {
        .seq = entry->seq,
        .of = (uint32_t)(refund - ledger->refund),
        .day = period_posted_on(entry),
        .dated = period_day_of(entry),
        .fact = FACT(REFUND_PAID),
    };
    ledger->bank_entry[debit].allocated += refund->amount;
    refund->state = REFUND(PAID);
    refund->debit = debit;
    refund->changed_seq = entry->seq;
    deed_add(ledger, &deed);
}

void refund_apply(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    if (entry->fact_case == FACT(REFUND_ORDERED)) {
        apply_ordered(ledger, entry);
        return;
    }
    if (entry->fact_case == FACT(REFUND_PAID)) {
        apply_paid(ledger, entry);
        return;
    }
    struct state_refund *refund = refund_of(ledger, entry->refund_cancelled->refund);
    PL_ASSERT(refund != NULL);
    refund->state = REFUND(CANCELLED);
    refund->changed_seq = entry->seq;
    set_aside(ledger, refund->bank_entry, -refund->amount);
    since_freed(&ledger->bank_entry[refund->bank_entry], period_day_of(entry));
}

/* --- undoing --- */

const struct state_pledge *refund_pledge(const struct ledger *ledger,
                                         const struct state_refund *refund)
{
    uint32_t pledge = ledger->bank_entry[refund->bank_entry].pledge;
    return pledge == STATE_NONE ? NULL : &ledger->pledge[pledge];
}

struct pl_status refund_check_reversed(const struct ledger *ledger,
                                       const Pledged__V1__Reversed *fact, uint32_t index)
{
    const struct state_refund *refund = &ledger->refund[index];
    const struct state_bank_entry *from = &ledger->bank_entry[refund->bank_entry];
    NEED(refund->state == REFUND(PAID), "a reversal of a refund that is not paid");
    NEED(pl_id_parse(fact->refund, 'R') == (uint64_t)index + 1 && fact->benefit[0] == '\0' &&
             fact->quantity == 0 &&
             pl_id_parse(fact->bank_entry, 'B') == (uint64_t)refund->debit + 1 &&
             names(from, fact->pledge) && is_money(fact->amount, refund->amount, from->currency),
         "a reversal that names another refund, bank entry or pledge");
    return pl_ok();
}

/* The refund waits again. A debit that nobody but a person has seen is gone with its entry; one
 * that a statement brought has still left the account, and waits for another explanation. */
void refund_undo(struct ledger *ledger, uint32_t index, uint64_t seq)
{
    struct state_refund *refund = &ledger->refund[index];
    struct state_bank_entry *debit = &ledger->bank_entry[refund->debit];
    debit->allocated -= refund->amount;
    PL_ASSERT(debit->allocated >= 0);
    if (debit->movement == STATE_NONE) {
        PL_ASSERT(debit->allocated == 0);
        debit->reversed = 1;
        debit->reversed_by = seq;
        allocation_forget_ref(ledger, debit);
    }
    refund->state = REFUND(ORDERED);
    refund->debit = STATE_NONE;
    refund->changed_seq = seq;
}

const struct state_refund *refund_paid_by(const struct ledger *ledger, uint32_t debit)
{
    for (size_t i = 0; i < ledger->refund_count; i++) {
        if (ledger->refund[i].debit == debit)
            return &ledger->refund[i];
    }
    return NULL;
}

/* --- commands --- */

char *refund_id(struct maker *maker, const struct state_refund *refund)
{
    return maker_id(maker, 'R', (uint64_t)(refund - maker->ledger->refund) + 1);
}

/* The pledge that the money was meant for; NULL: none. */
static const struct state_pledge *pledge_of(const struct maker *maker,
                                            const struct state_bank_entry *entry)
{
    return entry->pledge == STATE_NONE ? NULL : &maker->ledger->pledge[entry->pledge];
}

static char *pledge_id_of(struct maker *maker, const struct state_bank_entry *entry)
{
    return entry->pledge == STATE_NONE ? (char *)(uintptr_t) ""
                                       : maker_id(maker, 'P', (uint64_t)entry->pledge + 1);
}

static uint64_t prev_of(const struct maker *maker, const struct state_bank_entry *entry)
{
    const struct state_pledge *pledge = pledge_of(maker, entry);
    return pledge != NULL ? pledge->last_seq : 0;
}

static void receipt(struct maker *maker, char *refund, const struct state_bank_entry *from,
                    int64_t free_minor)
{
    const struct state_pledge *pledge = pledge_of(maker, from);
    if (pledge != NULL)
        pledge_receipt(maker, pledge_id_of(maker, from),
                       maker_id(maker, 'C', pledge->contributor + 1),
                       (Pledged__V1__Stage)pledge->stage, pledge->amount, state_settled(pledge),
                       tally_counts(pledge) ? pledge->currency : -1);
    maker_outcome(maker)->refund = refund;
    maker_outcome(maker)->bank_entry =
        maker_id(maker, 'B', (uint64_t)(from - maker->ledger->bank_entry) + 1);
    maker_outcome(maker)->unallocated = maker_money(maker, free_minor, from->currency);
}

static bool measure(struct maker *maker, const Pledged__V1__Refund *command,
                    const struct state_bank_entry *from, int64_t *ret)
{
    int64_t most = from->debit ? 0 : allocation_free(from);
    *ret = command->amount != NULL ? command->amount->minor : most;
    if (command->amount != NULL && pl_currency_index(command->amount->currency) != from->currency) {
        maker_refuse_currency(maker, "refund.amount.currency", from->seq, NULL, from->currency);
        return false;
    }
    if (*ret > 0 && *ret <= most)
        return true;
    maker_refuse(maker, REASON(OVER_REFUND), "refund.amount",
                 from->reversed ? from->reversed_by : from->seq, NULL);
    maker_arg_number(maker, "minor", most);
    maker_arg(maker, "currency", pl_currency_code(from->currency));
    return false;
}

/* Of money for a pledge the pledge says whose it is. False: refused. */
static bool whose(struct maker *maker, const Pledged__V1__Refund *command,
                  const struct state_bank_entry *from)
{
    if (command->contributor[0] == '\0')
        return true;
    if (state_contributor(maker->ledger, command->contributor) == NULL) {
        maker_refuse(maker, REASON(CONTRIBUTOR_UNKNOWN), "refund.contributor", 0, NULL);
        maker_arg(maker, "contributor", command->contributor);
        return false;
    }
    if (from->pledge == STATE_NONE)
        return true;
    maker_refuse(maker, REASON(FIELD_INVALID), "refund.contributor", from->seq, NULL);
    maker_say(maker, "why", "this money is meant for a pledge, which says whose it is");
    return false;
}

static void order(struct maker *maker, const Pledged__V1__Refund *command)
{
    int64_t minor;
    const struct state_bank_entry *from =
        allocation_find(maker, command->bank_entry, "refund.bank_entry");
    if (from == NULL)
        return;
    maker->about = pledge_of(maker, from);
    if (!measure(maker, command, from, &minor) || !whose(maker, command, from))
        return;
    if (command->other_payee && maker->request->actor.role != PLEDGED__V1__ROLE__ROLE_APPROVER) {
        maker_refuse(maker, REASON(PERMISSION_DENIED), "refund.other_payee", from->seq, NULL);
        return;
    }
    Pledged__V1__Entry *entry = maker_entry(maker, prev_of(maker, from));
    Pledged__V1__RefundOrdered *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__refund_ordered__init(fact);
    fact->refund = maker_id(maker, 'R', maker->ledger->refund_count + 1);
    fact->bank_entry = command->bank_entry;
    fact->pledge = pledge_id_of(maker, from);
    fact->amount = maker_money(maker, minor, from->currency);
    fact->other_payee = command->other_payee;
    fact->contributor = command->contributor;
    entry->fact_case = FACT(REFUND_ORDERED);
    entry->refund_ordered = fact;
    receipt(maker, fact->refund, from, allocation_free(from) - minor);
}

static const char *state_name(uint8_t state)
{
    return state == REFUND(ORDERED) ? "ordered" : state == REFUND(PAID) ? "paid" : "cancelled";
}

const struct state_refund *refund_find(struct maker *maker, const char *id, uint8_t wanted,
                                       const char *field)
{
    const struct state_refund *refund = refund_of(maker->ledger, id);
    if (refund == NULL) {
        maker_refuse(maker, REASON(REFUND_UNKNOWN), field, 0, NULL);
        maker_arg(maker, "refund", id);
        return NULL;
    }
    maker->about = pledge_of(maker, &maker->ledger->bank_entry[refund->bank_entry]);
    if (refund->state == wanted)
        return refund;
    maker_refuse(maker, REASON(REFUND_STATE), field, refund->changed_seq, NULL);
    maker_arg(maker, "refund", id);
    maker_arg(maker, "state", state_name(refund->state));
    return NULL;
}

static const struct state_refund *find_open(struct maker *maker, const char *id, const char *field)
{
    return refund_find(maker, id, REFUND(ORDERED), field);
}

static void cancel(struct maker *maker, const Pledged__V1__CancelRefund *command)
{
    const struct state_refund *refund = find_open(maker, command->refund, "cancel_refund.refund");
    if (refund == NULL)
        return;
    const struct state_bank_entry *from = &maker->ledger->bank_entry[refund->bank_entry];
    Pledged__V1__Entry *entry = maker_entry(maker, prev_of(maker, from));
    Pledged__V1__RefundCancelled *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__refund_cancelled__init(fact);
    fact->refund = command->refund;
    fact->bank_entry = maker_id(maker, 'B', (uint64_t)refund->bank_entry + 1);
    fact->pledge = pledge_id_of(maker, from);
    fact->amount = maker_money(maker, refund->amount, from->currency);
    entry->fact_case = FACT(REFUND_CANCELLED);
    entry->refund_cancelled = fact;
    receipt(maker, command->refund, from, allocation_free(from) + refund->amount);
}

void refund_add_paid(struct maker *maker, const struct state_refund *refund, uint32_t debit,
                     const char *value_date, const char *bank_ref)
{
    const struct state_bank_entry *from = &maker->ledger->bank_entry[refund->bank_entry];
    Pledged__V1__Entry *entry =
        maker_entry(maker, from->pledge == STATE_NONE ? 0 : maker_prev(maker, from->pledge));
    Pledged__V1__RefundPaid *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__refund_paid__init(fact);
    fact->refund = refund_id(maker, refund);
    fact->bank_entry = maker_id(maker, 'B', (uint64_t)debit + 1);
    fact->pledge = pledge_id_of(maker, from);
    fact->amount = maker_money(maker, refund->amount, from->currency);
    fact->value_date = (char *)(uintptr_t)value_date;
    fact->bank_ref = (char *)(uintptr_t)bank_ref;
    int32_t day;
    if (pl_is_ok(pl_date_parse(value_date, &day)))
        maker_dated(maker, entry, day);
    entry->fact_case = FACT(REFUND_PAID);
    entry->refund_paid = fact;
}

void refund_tell(struct maker *maker, const struct state_refund *refund)
{
    const struct state_bank_entry *from = &maker->ledger->bank_entry[refund->bank_entry];
    receipt(maker, refund_id(maker, refund), from, allocation_free(from));
}

static void paid_receipt(struct maker *maker, const struct state_refund *refund, uint32_t debit)
{
    refund_tell(maker, refund);
    maker_outcome(maker)->bank_entry = maker_id(maker, 'B', (uint64_t)debit + 1);
}

void refund_fill_reversed(struct maker *maker, uint32_t index, Pledged__V1__Reversed *fact)
{
    const struct state_refund *refund = &maker->ledger->refund[index];
    const struct state_bank_entry *from = &maker->ledger->bank_entry[refund->bank_entry];
    fact->refund = refund_id(maker, refund);
    fact->bank_entry = maker_id(maker, 'B', (uint64_t)refund->debit + 1);
    fact->amount = maker_money(maker, refund->amount, from->currency);
    paid_receipt(maker, refund, refund->debit);
}

static char *date_text(struct maker *maker, int32_t day)
{
    char *date = maker_alloc(maker, 11);
    (void)pl_date_format(day, date);
    return date;
}

/* By a debit that is there. */
static void pay_by(struct maker *maker, const struct state_refund *refund, uint32_t debit)
{
    int32_t day = maker->ledger->bank_entry[debit].value_date;
    refund_add_paid(maker, refund, debit, date_text(maker, day), "");
    paid_receipt(maker, refund, debit);
}

/* Money that a statement saw leave, and that nothing explains yet. */
static bool may_pay(const struct ledger *ledger, const struct state_bank_entry *debit)
{
    if (!debit->debit || debit->movement == STATE_NONE || debit->reversed)
        return false;
    uint8_t kind = ledger->movement[debit->movement].kind;
    return kind == PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT ||
           kind == PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_BATCH;
}

void refund_decide_paid(struct maker *maker, const Pledged__V1__Pay *command, int32_t day)
{
    const struct state_refund *refund = find_open(maker, command->refund, "pay.refund");
    if (refund == NULL)
        return;
    int currency = maker->ledger->bank_entry[refund->bank_entry].currency;
    if (!is_money(command->amount, refund->amount, currency)) {
        maker_refuse(maker, REASON(FIELD_INVALID), "pay.amount", refund->seq, NULL);
        maker_arg_number(maker, "minor", refund->amount);
        maker_arg(maker, "currency", pl_currency_code(currency));
        maker_say(maker, "why", "a refund leaves as it was ordered, in one sum");
        return;
    }
    uint32_t debit =
        statement_debit_as(maker->ledger, command->bank_ref, refund->amount, currency, day);
    if (debit != STATE_NONE) { /* a statement brought it before: it is not booked again */
        const struct state_bank_entry *known = &maker->ledger->bank_entry[debit];
        if (!may_pay(maker->ledger, known) || allocation_free(known) < refund->amount) {
            maker_refuse(maker, REASON(PAYMENT_DUPLICATE), "pay.bank_ref", known->seq, NULL);
            maker_arg(maker, "bank_entry", maker_id(maker, 'B', (uint64_t)debit + 1));
            return;
        }
        pay_by(maker, refund, debit);
        maker_warn(maker, WARNING(PAYMENT_IMPORTED), known->seq);
        return;
    }
    debit = (uint32_t)maker->ledger->bank_entry_count;
    refund_add_paid(maker, refund, debit, date_text(maker, day), command->bank_ref);
    paid_receipt(maker, refund, debit);
}

static void match(struct maker *maker, const Pledged__V1__MatchRefund *command)
{
    const struct ledger *ledger = maker->ledger;
    const struct state_bank_entry *debit =
        allocation_find(maker, command->bank_entry, "match_refund.bank_entry");
    if (debit == NULL)
        return;
    if (!debit->debit) {
        returned_decide(maker, debit, command->refund);
        return;
    }
    const struct state_refund *refund = find_open(maker, command->refund, "match_refund.refund");
    if (refund == NULL)
        return;
    if (!may_pay(ledger, debit) ||
        debit->currency != ledger->bank_entry[refund->bank_entry].currency) {
        maker_refuse(maker, REASON(STATEMENT_CONFLICT), "match_refund.bank_entry",
                     debit->reversed_by != 0 ? debit->reversed_by : debit->seq, NULL);
        maker_arg(maker, "bank_entry", command->bank_entry);
        return;
    }
    if (allocation_free(debit) < refund->amount) {
        maker_refuse(maker, REASON(ENTRY_SPENT), "match_refund.bank_entry", debit->seq, NULL);
        maker_arg_number(maker, "minor", allocation_free(debit));
        maker_arg(maker, "currency", pl_currency_code(debit->currency));
        return;
    }
    pay_by(maker, refund, (uint32_t)(debit - ledger->bank_entry));
}

void refund_decide(struct maker *maker)
{
    const Pledged__V1__Command *command = maker->command;
    if (command->command_case == COMMAND(REFUND))
        order(maker, command->refund);
    else if (command->command_case == COMMAND(MATCH_REFUND))
        match(maker, command->match_refund);
    else
        cancel(maker, command->cancel_refund);
}
