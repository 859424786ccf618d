/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what is written off or accepted as lost is not expected any more; the promise stays what it
 * was; never more than is still to be paid; each can be reversed, once.
 */
#include "desk.h"
#include "server/ledger/waiver.h"

static void test_a_write_off_leaves_the_promise(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 10000000);
    write_off(&w, "P000001", 2000000, "CHF");
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->balance->minor, 3000000);
    assert_int_equal(w.ledger->pledge[0].amount, 15000000);
    struct state_tally sums = sums_by(w.ledger, STATE_BY_CURRENCY, "CHF", "CHF");
    assert_int_equal(sums.written_off, 2000000);
    assert_int_equal(sums.difference, 0);
    assert_balanced(&w);
    write_off(&w, "P000001", 3000001, "CHF");
    assert_refused(&w, OVER_REMAINDER);
    write_off(&w, "P000001", 0, NULL);
    assert_accepted(&w);
    assert_int_equal(state_money(&w.ledger->pledge[0]), PLEDGED__V1__MONEY_STATE__MONEY_STATE_PAID);
    write_off(&w, "P000001", 0, NULL);
    assert_refused(&w, OVER_REMAINDER);
    write_off(&w, "P000002", 0, NULL);
    assert_refused(&w, STATE_WRONG);
    write_off(&w, "P000009", 0, NULL);
    assert_refused(&w, PLEDGE_UNKNOWN);
    amend(&w, "P000001", 14999999, "CHF"); /* what is written off counts as dealt with */
    assert_refused(&w, AMOUNT_NOT_TIER);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_a_write_off_of_another_currency(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 10000000);
    write_off(&w, "P000001", 5, "EUR");
    assert_refused(&w, FIELD_INVALID);
    world_fini(&w);
}

static void test_a_difference_needs_a_payment(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 14997500);
    accept_fee(&w, "B000009", "P000001", 0, NULL);
    assert_refused(&w, BANK_ENTRY_UNKNOWN);
    accept_fee(&w, "B000001", "P000002", 0, NULL);
    assert_refused(&w, FIELD_INVALID);
    accept_fee(&w, "B000001", "P000001", 2501, "CHF");
    assert_refused(&w, OVER_REMAINDER);
    accept_fee(&w, "B000001", "P000001", 0, NULL);
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->balance->minor, 0);
    assert_int_equal(sums_by(w.ledger, STATE_BY_TIER, "duo", "CHF").difference, 2500);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_reversed_once(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 10000000);
    write_off(&w, "P000001", 0, NULL);
    uint64_t seq = w.receipt->seq;
    reverse(&w, seq);
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->balance->minor, 5000000);
    assert_int_equal(w.ledger->pledge[0].forgiven, 0);
    assert_balanced(&w);
    Pledged__V1__Entry *twice = world_last(&w); /* no log may say it twice either */
    struct ledger *before = world_before(&w, w.entry_count - 1);
    assert_true(pl_is_ok(ledger_check(before, twice)));
    before->waiver[0].reversed_by = seq;
    assert_string_equal(ledger_check(before, twice).what, "a reversal of what is reversed already");
    ledger_free(before);
    reverse(&w, seq);
    assert_refused(&w, ALREADY_REVERSED);
    pay(&w, "P000001", 5000000, "CHF", "");
    assert_int_equal(w.receipt->outcome->balance->minor, 0);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_a_tier_may_change_and_a_commitment_end(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 10000000);
    write_off(&w, "P000001", 2000000, "CHF");
    change_tier(&w, "P000001", "many", 15000000);
    assert_accepted(&w);
    assert_int_equal(sums_by(w.ledger, STATE_BY_TIER, "many", "CHF").written_off, 2000000);
    assert_balanced(&w);
    cancel(&w, "P000001", PLEDGED__V1__MONEY_PLAN__MONEY_PLAN_REFUND);
    assert_accepted(&w);
    assert_int_equal(sums_by(w.ledger, STATE_BY_CURRENCY, "CHF", "CHF").written_off, 0);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_replay_refuses_too_much(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 10000000);
    write_off(&w, "P000001", 2000000, "CHF");
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *entry = world_last(&w);
    assert_true(pl_is_ok(waiver_check(before, entry)));
    entry->written_off->amount->minor = 5000001;
    assert_false(pl_is_ok(waiver_check(before, entry)));
    entry->written_off->amount->minor = 0;
    assert_false(pl_is_ok(waiver_check(before, entry)));
    entry->written_off->amount->minor = 1;
    entry->written_off->pledge = (char *)(uintptr_t) "P000002";
    assert_false(pl_is_ok(waiver_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
    desk_ready(&w, 14997500);
    accept_fee(&w, "B000001", "P000001", 0, NULL);
    before = world_before(&w, w.entry_count - 1);
    entry = world_last(&w);
    Pledged__V1__DifferenceAccepted *fact = entry->difference_accepted, good = *fact;
    assert_true(pl_is_ok(waiver_check(before, entry)));
    fact->kind = PLEDGED__V1__DIFFERENCE_KIND__DIFFERENCE_KIND_UNSPECIFIED;
    assert_false(pl_is_ok(waiver_check(before, entry)));
    *fact = good;
    fact->bank_entry = (char *)(uintptr_t) "B000002";
    assert_false(pl_is_ok(waiver_check(before, entry)));
    *fact = good;
    fact->amount->currency = (char *)(uintptr_t) "USD";
    assert_false(pl_is_ok(waiver_check(before, entry)));
    fact->amount = NULL;
    assert_false(pl_is_ok(waiver_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_write_off_leaves_the_promise),
        cmocka_unit_test(test_a_write_off_of_another_currency),
        cmocka_unit_test(test_a_difference_needs_a_payment),
        cmocka_unit_test(test_reversed_once),
        cmocka_unit_test(test_a_tier_may_change_and_a_commitment_end),
        cmocka_unit_test(test_replay_refuses_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
