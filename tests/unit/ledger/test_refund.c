/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: only free money is paid back, once; what is ordered cannot be allocated; a cancelled order
 * gives the money back to its bank entry; the debit that paid it is booked once.
 */
#include "desk.h"
#include "server/ledger/refund.h"

static void test_ordered_then_paid(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 16000000);
    refund(&w, "B000001", 1000001, "CHF");
    assert_refused(&w, OVER_REFUND);
    refund(&w, "B000001", 5, "EUR");
    assert_refused(&w, FIELD_INVALID);
    assert_says(&w, "the amount is in another currency");
    refund(&w, "B000009", 0, NULL);
    assert_refused(&w, BANK_ENTRY_UNKNOWN);
    refund(&w, "B000001", 600000, "CHF");
    assert_accepted(&w);
    assert_string_equal(w.receipt->outcome->refund, "R000001");
    assert_int_equal(w.receipt->outcome->unallocated->minor, 400000);
    assert_balanced(&w);
    allocate(&w, "B000001", "P000002", 400001, "CHF", 0, NULL);
    assert_refused(&w, ENTRY_SPENT);
    refund_paid(&w, "R000001", 600001, "CHF", "OUT-1");
    assert_refused(&w, FIELD_INVALID);
    assert_says(&w, "a refund leaves as it was ordered, in one sum");
    refund_paid(&w, "R000001", 600000, "CHF", "BANK-1");
    assert_refused(&w, PAYMENT_DUPLICATE);
    refund_paid(&w, "R000001", 600000, "CHF", "OUT-1");
    assert_accepted(&w);
    assert_string_equal(w.receipt->outcome->bank_entry, "B000002");
    assert_int_equal(w.ledger->bank_entry[1].debit, 1);
    assert_balanced(&w);
    refund_paid(&w, "R000001", 600000, "CHF", "OUT-2");
    assert_refused(&w, REFUND_STATE);
    refund_cancel(&w, "R000001");
    assert_refused(&w, REFUND_STATE);
    allocate(&w, "B000002", "P000002", 0, NULL, 0, NULL); /* money that left pays for nothing */
    assert_refused(&w, ENTRY_SPENT);
    refund(&w, "B000002", 0, NULL);
    assert_refused(&w, OVER_REFUND);
    struct state_tally sums = sums_by(w.ledger, STATE_BY_CURRENCY, "CHF", "CHF");
    assert_int_equal(sums.received, 16000000);
    assert_int_equal(sums.refunded, 600000);
    assert_int_equal(sums.unallocated, 400000);
    world_fini(&w);
}

static void test_cancelled(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 16000000);
    uint64_t payment = w.ledger->bank_entry[0].seq;
    refund(&w, "B000001", 0, NULL);
    assert_int_equal(state_money(&w.ledger->pledge[0]), PLEDGED__V1__MONEY_STATE__MONEY_STATE_PAID);
    reverse(&w, payment);
    assert_refused(&w, NOT_REVERSIBLE);
    refund_cancel(&w, "R000002");
    assert_refused(&w, REFUND_UNKNOWN);
    refund_cancel(&w, "R000001");
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->unallocated->minor, 1000000);
    assert_int_equal(state_money(&w.ledger->pledge[0]), PLEDGED__V1__MONEY_STATE__MONEY_STATE_OVER);
    assert_balanced(&w);
    reverse(&w, payment);
    assert_accepted(&w);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_of_a_cancelled_commitment(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 15000000);
    cancel(&w, "P000001", PLEDGED__V1__MONEY_PLAN__MONEY_PLAN_REFUND);
    refund(&w, "B000001", 0, NULL);
    assert_accepted(&w);
    assert_int_equal(state_money(&w.ledger->pledge[0]), PLEDGED__V1__MONEY_STATE__MONEY_STATE_NONE);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_another_payee_is_the_approvers(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 16000000);
    COMMAND_INIT_(command);
    Pledged__V1__Document document, *list[1];
    Pledged__V1__Refund body = PLEDGED__V1__REFUND__INIT;
    with_evidence(&command, &document, list, "letter");
    body.bank_entry = (char *)(uintptr_t) "B000001";
    body.other_payee = true;
    command.command_case = COMMAND(REFUND);
    command.refund = &body;
    give(&w, &command);
    assert_refused(&w, PERMISSION_DENIED);
    assert_int_equal(w.code, PL_E_DENIED);
    command.request_id.len = 0;
    command.n_evidence = 0;
    give(&w, &command);
    assert_int_equal(w.answer, LEDGER_INVALID);
    assert_int_equal(w.refusal->reason, REASON(EVIDENCE_MISSING));
    world_fini(&w);
}

static void give_back(struct world *w, const char *bank_entry, const char *contributor)
{
    COMMAND_INIT_(command);
    Pledged__V1__Document document, *list[1];
    Pledged__V1__Refund body = PLEDGED__V1__REFUND__INIT;
    with_evidence(&command, &document, list, "letter");
    body.bank_entry = (char *)(uintptr_t)bank_entry;
    body.contributor = (char *)(uintptr_t)contributor;
    command.command_case = COMMAND(REFUND);
    command.refund = &body;
    give(w, &command);
}

/* Where no pledge says whose money it is, the order may. */
static void test_whose_money_it_was(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 16000000);
    have_account(&w);
    Pledged__V1__Movement movement;
    a_movement(&movement, PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT, 700, "IN");
    give_bank(&w, "A", PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT, &movement, 1);
    assert_accepted(&w);
    give_back(&w, "B000001", "C000001");
    assert_refused(&w, FIELD_INVALID);
    give_back(&w, "B000002", "C000009");
    assert_refused(&w, CONTRIBUTOR_UNKNOWN);
    give_back(&w, "B000002", "P000001");
    assert_int_equal(w.answer, LEDGER_INVALID);
    give_back(&w, "B000002", "C000002");
    assert_accepted(&w);
    assert_int_equal(w.ledger->refund[0].contributor, 1);
    Pledged__V1__Entry *ordered = world_last(&w);
    struct ledger *before = world_before(&w, w.entry_count - 1);
    assert_true(pl_is_ok(ledger_check(before, ordered)));
    ordered->refund_ordered->contributor = (char *)(uintptr_t) "C000009";
    assert_int_equal(ledger_check(before, ordered).code, PL_E_CORRUPT);
    ledger_free(before);
    struct ledger *again = world_reloaded(w.ledger);
    assert_int_equal(again->refund[0].contributor, 1);
    ledger_free(again);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_replay_refuses_what_breaks_a_rule(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 16000000);
    refund(&w, "B000001", 600000, "CHF");
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *entry = world_last(&w);
    assert_true(pl_is_ok(refund_check(before, entry)));
    entry->refund_ordered->amount->minor = 1000001;
    assert_false(pl_is_ok(refund_check(before, entry)));
    entry->refund_ordered->amount->minor = 1;
    entry->refund_ordered->pledge = (char *)(uintptr_t) "P000002";
    assert_false(pl_is_ok(refund_check(before, entry)));
    entry->refund_ordered->pledge = (char *)(uintptr_t) "P000001";
    entry->refund_ordered->refund = (char *)(uintptr_t) "R000002";
    assert_false(pl_is_ok(refund_check(before, entry)));
    ledger_free(before);
    refund_paid(&w, "R000001", 600000, "CHF", "OUT-1");
    before = world_before(&w, w.entry_count - 1);
    entry = world_last(&w);
    assert_true(pl_is_ok(refund_check(before, entry)));
    char *const value_date = entry->refund_paid->value_date;
    entry->refund_paid->value_date = (char *)(uintptr_t) "2020-02-30";
    assert_false(pl_is_ok(refund_check(before, entry)));
    entry->refund_paid->value_date = value_date;
    assert_true(pl_is_ok(refund_check(before, entry)));
    entry->refund_paid->bank_entry = (char *)(uintptr_t) "B000001"; /* it is a credit */
    assert_false(pl_is_ok(refund_check(before, entry)));
    entry->refund_paid->bank_entry = (char *)(uintptr_t) "B000003";
    assert_false(pl_is_ok(refund_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

/* It keeps the day on which the bank paid, and is posted to the first month that is open. */
static void test_paid_in_a_closed_month(void **state)
{
    (void)state;
    struct world w;
    static uint8_t root[32];
    Pledged__V1__Command closing = PLEDGED__V1__COMMAND__INIT, paying = PLEDGED__V1__COMMAND__INIT;
    Pledged__V1__ClosePeriod close = PLEDGED__V1__CLOSE_PERIOD__INIT;
    Pledged__V1__Pay paid = PLEDGED__V1__PAY__INIT;
    Pledged__V1__Money amount = PLEDGED__V1__MONEY__INIT;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    commit(&w, "P000001");
    amount.minor = 15300000;
    amount.currency = (char *)(uintptr_t) "CHF";
    paid.pledge = (char *)(uintptr_t) "P000001";
    paid.amount = &amount;
    paid.value_date = (char *)(uintptr_t) "2026-01-10";
    paying.command_case = COMMAND(PAY);
    paying.pay = &paid;
    give(&w, &paying);
    refund(&w, "B000001", 300000, "CHF");
    assert_accepted(&w);
    close.period = (char *)(uintptr_t) "2026-01";
    close.head_root = (ProtobufCBinaryData){sizeof(root), root};
    closing.command_case = COMMAND(CLOSE_PERIOD);
    closing.close_period = &close;
    give(&w, &closing);
    assert_accepted(&w);
    amount.minor = 300000;
    paid.pledge = (char *)(uintptr_t) "";
    paid.refund = (char *)(uintptr_t) "R000001";
    paid.value_date = (char *)(uintptr_t) "2026-01-15";
    give(&w, &paying);
    assert_accepted(&w);
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *entry = world_last(&w);
    assert_int_equal(entry->fact_case, FACT(REFUND_PAID));
    assert_string_equal(entry->refund_paid->value_date, "2026-01-15");
    assert_string_equal(entry->posting_date, "2026-02-01");
    assert_true(pl_is_ok(ledger_check(before, entry)));
    entry->posting_date = (char *)(uintptr_t) "";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ordered_then_paid),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_of_a_cancelled_commitment),
        cmocka_unit_test(test_another_payee_is_the_approvers),
        cmocka_unit_test(test_whose_money_it_was),
        cmocka_unit_test(test_replay_refuses_what_breaks_a_rule),
        cmocka_unit_test(test_paid_in_a_closed_month),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
