/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: every sum is the sum of its parts, under all four keys, and none ever leaves 64 bits (G8).
 */
#include "storm.h"

static void test_each_key_has_its_line(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    submit(&w, NULL, "C000002", NULL, 700, "JPY");
    const struct ledger *l = w.ledger;
    assert_int_equal(sums_by(l, STATE_BY_TIER, "duo", "CHF").pledged, 15000000);
    assert_int_equal(sums_by(l, STATE_BY_TIER, "free", "JPY").pledged, 700);
    assert_int_equal(sums_by(l, STATE_BY_CATEGORY, "government", "JPY").pledges, 1);
    assert_int_equal(sums_by(l, STATE_BY_MONTH, "2026-02", "CHF").pledged, 15000000);
    assert_int_equal(sums_by(l, STATE_BY_CURRENCY, "JPY", "JPY").pledged, 700);
    assert_int_equal(sums_by(l, STATE_BY_CURRENCY, "CHF", "CHF").committed, 0);
    commit(&w, "P000001");
    assert_int_equal(sums_by(l, STATE_BY_CURRENCY, "CHF", "CHF").committed, 15000000);
    assert_int_equal(sums_by(l, STATE_BY_CURRENCY, "CHF", "CHF").pledged, 15000000);
    world_fini(&w);
}

static void test_lines_are_ascending(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    static const char *const currencies[] = {"USD", "CHF", "JPY", "EUR", "AED"};
    for (size_t i = 0; i < 5; i++)
        submit(&w, NULL, "C000001", NULL, 5, currencies[i]);
    const struct state_tallies *by = &w.ledger->tally[STATE_BY_TIER];
    assert_int_equal(by->count, 5);
    for (size_t i = 1; i < by->count; i++)
        assert_true(strcmp(pl_currency_code(by->line[i - 1].currency),
                           pl_currency_code(by->line[i].currency)) < 0);
    world_fini(&w);
}

static void test_held_and_waiting_are_not_promises(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    hold(&w, "top", "C000001", 0);
    wait_in(&w, "top", "C000002");
    assert_int_equal(w.ledger->tally[STATE_BY_TIER].count, 0);
    world_fini(&w);
}

static void test_a_change_of_tier_takes_its_money_along(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    pay(&w, "P000001", 16000000, "CHF", "");
    pay(&w, "P000001", 9, "USD", "");
    change_tier(&w, "P000001", "top", 0);
    assert_accepted(&w);
    const struct ledger *l = w.ledger;
    assert_int_equal(sums_by(l, STATE_BY_TIER, "duo", "CHF").received, 0);
    assert_int_equal(sums_by(l, STATE_BY_TIER, "duo", "USD").received, 0);
    assert_int_equal(sums_by(l, STATE_BY_TIER, "top", "CHF").received, 16000000);
    assert_int_equal(sums_by(l, STATE_BY_TIER, "top", "CHF").allocated, 15000000);
    assert_int_equal(sums_by(l, STATE_BY_TIER, "top", "CHF").unallocated, 1000000);
    assert_int_equal(sums_by(l, STATE_BY_TIER, "top", "CHF").pledged, 25000000);
    assert_int_equal(sums_by(l, STATE_BY_TIER, "top", "USD").unallocated, 9);
    world_fini(&w);
}

static void test_the_kind_at_the_time_of_the_pledge_counts(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", NULL, 5, "CHF");
    COMMAND_INIT_(command);
    Pledged__V1__AmendContributor body = PLEDGED__V1__AMEND_CONTRIBUTOR__INIT;
    body.contributor = (char *)"C000001";
    body.name = (char *)"now private";
    body.kind = PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_PRIVATE_SECTOR;
    command.command_case = COMMAND(AMEND_CONTRIBUTOR);
    command.amend_contributor = &body;
    give(&w, &command);
    assert_accepted(&w);
    submit(&w, NULL, "C000001", NULL, 6, "CHF");
    assert_int_equal(sums_by(w.ledger, STATE_BY_CATEGORY, "government", "CHF").pledged, 5);
    assert_int_equal(sums_by(w.ledger, STATE_BY_CATEGORY, "private-sector", "CHF").pledged, 6);
    withdraw(&w, "P000001"); /* taken out where it was put in */
    assert_int_equal(sums_by(w.ledger, STATE_BY_CATEGORY, "government", "CHF").pledges, 0);
    world_fini(&w);
}

static void test_money_counts_in_the_month_of_its_value_date(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    COMMAND_INIT_(made);
    Pledged__V1__Submit promise = PLEDGED__V1__SUBMIT__INIT;
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    money.minor = 100;
    money.currency = (char *)"CHF";
    promise.contributor = (char *)"C000001";
    promise.offer_case = PLEDGED__V1__SUBMIT__OFFER_FREE;
    promise.free = true;
    promise.amount = &money;
    made.effective_date = (char *)"2025-12-31";
    made.command_case = COMMAND(SUBMIT);
    made.submit = &promise;
    give(&w, &made);
    assert_accepted(&w);
    COMMAND_INIT_(paid);
    Pledged__V1__Pay pay_body = PLEDGED__V1__PAY__INIT;
    pay_body.pledge = (char *)"P000001";
    pay_body.amount = &money;
    pay_body.value_date = (char *)"2026-01-01";
    paid.command_case = COMMAND(PAY);
    paid.pay = &pay_body;
    give(&w, &paid);
    assert_accepted(&w);
    const struct ledger *l = w.ledger;
    assert_int_equal(sums_by(l, STATE_BY_MONTH, "2025-12", "CHF").pledged, 100);
    assert_int_equal(sums_by(l, STATE_BY_MONTH, "2025-12", "CHF").received, 0);
    assert_int_equal(sums_by(l, STATE_BY_MONTH, "2026-01", "CHF").received, 100);
    assert_int_equal(sums_by(l, STATE_BY_MONTH, "2026-02", "CHF").pledges, 0);
    world_fini(&w);
}

static void test_lines_without_parts_go(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", NULL, 100, "EUR");
    pay(&w, "P000001", 40, "EUR", "");
    uint64_t paid = w.receipt->seq;
    withdraw(&w, "P000001");
    assert_int_equal(sums_by(w.ledger, STATE_BY_CURRENCY, "EUR", "EUR").unallocated, 40);
    reverse(&w, paid);
    for (size_t d = 0; d < STATE_DIMENSIONS; d++)
        assert_int_equal(w.ledger->tally[d].count, 0);
    world_fini(&w);
}

static void test_versions_tell_of_changes(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    uint64_t before = w.ledger->tally[STATE_BY_TIER].version;
    hold(&w, "many", "C000001", 0);
    assert_int_equal(w.ledger->tally[STATE_BY_TIER].version, before);
    submit(&w, "P000001", NULL, NULL, 0, NULL);
    assert_true(w.ledger->tally[STATE_BY_TIER].version > before);
    world_fini(&w);
}

static void test_room_in_sums(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    int chf = pl_currency_index("CHF");
    assert_true(tally_may_pledge(w.ledger, chf, INT64_MAX));
    submit(&w, NULL, "C000001", NULL, INT64_MAX - 10, "CHF");
    assert_true(tally_may_pledge(w.ledger, chf, 10));
    assert_false(tally_may_pledge(w.ledger, chf, 11));
    assert_true(tally_may_pledge(w.ledger, pl_currency_index("EUR"), 11));
    assert_true(tally_may_receive(w.ledger, chf, INT64_MAX));
    commit(&w, "P000001");
    amend(&w, "P000001", INT64_MAX, "CHF"); /* it replaces what it amends */
    assert_accepted(&w);
    amend(&w, "P000001", 5, "CHF");
    assert_accepted(&w);
    submit(&w, NULL, "C000001", NULL, INT64_MAX - 5, "CHF");
    assert_accepted(&w);
    amend(&w, "P000001", 6, "CHF");
    assert_refused(&w, SUM_OVERFLOW);
    world_fini(&w);
}

static void test_all_keys_have_the_same_total(void **state)
{
    (void)state;
    struct world w;
    struct storm dice = storm_over(&w, 4, 1);
    for (int i = 0; i < 2000; i++) {
        storm_step(&w, &dice);
        int64_t pledged[STATE_DIMENSIONS] = {0}, received[STATE_DIMENSIONS] = {0};
        int64_t free_money[STATE_DIMENSIONS] = {0};
        for (size_t d = 0; d < STATE_DIMENSIONS; d++) {
            for (size_t k = 0; k < w.ledger->tally[d].count; k++) {
                pledged[d] += w.ledger->tally[d].line[k].pledged;
                received[d] += w.ledger->tally[d].line[k].received;
                free_money[d] += w.ledger->tally[d].line[k].unallocated;
            }
            assert_int_equal(pledged[d], pledged[0]);
            assert_int_equal(received[d], received[0]);
            assert_int_equal(free_money[d], free_money[0]);
        }
    }
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_key_has_its_line),
        cmocka_unit_test(test_lines_are_ascending),
        cmocka_unit_test(test_held_and_waiting_are_not_promises),
        cmocka_unit_test(test_a_change_of_tier_takes_its_money_along),
        cmocka_unit_test(test_the_kind_at_the_time_of_the_pledge_counts),
        cmocka_unit_test(test_money_counts_in_the_month_of_its_value_date),
        cmocka_unit_test(test_lines_without_parts_go),
        cmocka_unit_test(test_versions_tell_of_changes),
        cmocka_unit_test(test_room_in_sums),
        cmocka_unit_test(test_all_keys_have_the_same_total),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
