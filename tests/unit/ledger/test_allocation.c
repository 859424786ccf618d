/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: money of one entry pays for many pledges and a pledge is paid from many entries; never more
 * than there is or than is due; every undoing puts everything back, and a saved state is the same.
 */
#include "common/money.h"
#include "fixture.h"
#include "server/ledger/allocation.h"

static void assert_sums(const struct world *w, const char *currency, int64_t received,
                        int64_t unallocated, int64_t outstanding)
{
    const struct state_tallies *t = &w->ledger->tally[STATE_BY_CURRENCY];
    int64_t sums[3] = {0};
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->line[i].key, currency) != 0)
            continue;
        sums[0] = t->line[i].received;
        sums[1] = t->line[i].unallocated;
        sums[2] = t->line[i].pledged - t->line[i].allocated;
    }
    assert_int_equal(sums[0], received);
    assert_int_equal(sums[1], unallocated);
    assert_int_equal(sums[2], outstanding);
}

static void assert_reloads(const struct world *w)
{
    struct ledger *again = world_reloaded(w->ledger);
    assert_same_state(w->ledger, again);
    ledger_free(again);
}

/* Two pledges of 150,000 and a payment of 200,000 for the first: 50,000 are free. */
static void ready(struct world *w)
{
    world_ready(w, 2);
    submit(w, NULL, "C000001", "duo", 0, NULL);
    submit(w, NULL, "C000002", "duo", 0, NULL);
    pay(w, "P000001", 20000000, "CHF", "BANK-1");
    assert_accepted(w);
    assert_sums(w, "CHF", 20000000, 5000000, 15000000);
}

static void test_one_entry_pays_for_two(void **state)
{
    (void)state;
    struct world w;
    ready(&w);
    allocate(&w, "B000001", "P000002", 0, NULL, 0, NULL);
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->balance->minor, 10000000);
    assert_int_equal(w.receipt->outcome->unallocated->minor, 0);
    assert_int_equal(w.ledger->pledge[0].allocated, 15000000);
    assert_int_equal(w.ledger->pledge[0].received, 15000000);
    assert_int_equal(w.ledger->pledge[1].allocated, 5000000);
    assert_int_equal(w.ledger->pledge[1].received, 5000000);
    assert_sums(&w, "CHF", 20000000, 0, 10000000);
    allocate(&w, "B000001", "P000002", 0, NULL, 0, NULL);
    assert_refused(&w, ENTRY_SPENT);
    assert_reloads(&w);
    world_fini(&w);
}

static void test_what_does_not_fit(void **state)
{
    (void)state;
    struct world w;
    ready(&w);
    allocate(&w, "B000009", "P000002", 0, NULL, 0, NULL);
    assert_refused(&w, BANK_ENTRY_UNKNOWN);
    allocate(&w, "B000001", "P000009", 0, NULL, 0, NULL);
    assert_refused(&w, PLEDGE_UNKNOWN);
    allocate(&w, "B000001", "P000002", 5000001, "CHF", 0, NULL);
    assert_refused(&w, ENTRY_SPENT);
    allocate(&w, "B000001", "P000002", 5, "EUR", 0, NULL);
    assert_refused(&w, FIELD_INVALID);
    assert_says(&w, "the amount is in another currency");
    allocate(&w, "B000001", "P000002", 5, "CHF", 6, "CHF");
    assert_refused(&w, FIELD_INVALID);
    assert_says(&w, "money in the pledge's own currency counts as what it is");
    allocate(&w, "B000001", "P000001", 1, "CHF", 0, NULL);
    assert_refused(&w, OVER_REMAINDER);
    withdraw(&w, "P000002");
    allocate(&w, "B000001", "P000002", 0, NULL, 0, NULL);
    assert_refused(&w, PLEDGE_NOT_OPEN);
    assert_sums(&w, "CHF", 20000000, 5000000, 0);
    world_fini(&w);
}

static void test_another_currency_says_what_it_counts(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    pay(&w, "P000001", 17000000, "USD", "");
    assert_int_equal(w.made, 1);
    allocate(&w, "B000001", "P000001", 0, NULL, 0, NULL);
    assert_refused(&w, RATE_REQUIRED);
    allocate(&w, "B000001", "P000001", 0, NULL, 15045000, "CHF");
    assert_refused(&w, OVER_REMAINDER);
    allocate(&w, "B000001", "P000001", 0, NULL, 14045000, "EUR");
    assert_refused(&w, FIELD_INVALID);
    assert_says(&w, "the amount is in another currency");
    allocate(&w, "B000001", "P000001", 16000000, "USD", 14045000, "CHF");
    assert_accepted(&w);
    assert_int_equal(w.ledger->bank_entry[0].allocated, 16000000);
    assert_int_equal(w.ledger->pledge[0].allocated, 14045000);
    assert_int_equal(w.receipt->outcome->balance->minor, 955000);
    assert_string_equal(w.receipt->outcome->unallocated->currency, "USD");
    assert_sums(&w, "USD", 17000000, 1000000, 0);
    assert_sums(&w, "CHF", 0, 0, 955000);
    assert_reloads(&w);
    reverse(&w, w.receipt->seq);
    assert_accepted(&w);
    assert_sums(&w, "CHF", 0, 0, 15000000);
    assert_sums(&w, "USD", 17000000, 17000000, 0);
    world_fini(&w);
}

static void test_reversing_an_allocation_leaves_the_others(void **state)
{
    (void)state;
    struct world w;
    ready(&w);
    allocate(&w, "B000001", "P000002", 3000000, "CHF", 0, NULL);
    uint64_t first = w.receipt->seq;
    allocate(&w, "B000001", "P000002", 2000000, "CHF", 0, NULL);
    reverse(&w, first);
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->unallocated->minor, 3000000);
    assert_int_equal(w.ledger->pledge[1].allocated, 2000000);
    reverse(&w, first);
    assert_refused(&w, ALREADY_REVERSED);
    assert_sums(&w, "CHF", 20000000, 3000000, 13000000);
    assert_reloads(&w);
    world_fini(&w);
}

static void test_reversing_a_payment_undoes_what_it_pays_for(void **state)
{
    (void)state;
    struct world w;
    ready(&w);
    uint64_t payment = w.receipt->seq;
    allocate(&w, "B000001", "P000002", 0, NULL, 0, NULL);
    reverse(&w, payment);
    assert_accepted(&w);
    assert_int_equal(w.made, 2); /* one in the history of each pledge */
    assert_string_equal(world_entry(&w, w.entry_count - 2)->reversed->pledge, "P000002");
    assert_string_equal(world_entry(&w, w.entry_count - 1)->reversed->pledge, "P000001");
    assert_sums(&w, "CHF", 0, 0, 30000000);
    assert_int_equal(w.ledger->pledge[1].received, 0);
    pay(&w, "P000002", 100, "CHF", "BANK-1"); /* the reference is free again */
    assert_accepted(&w);
    assert_reloads(&w);
    world_fini(&w);
}

static void test_a_pledge_that_ends_frees_only_its_own(void **state)
{
    (void)state;
    struct world w;
    ready(&w);
    allocate(&w, "B000001", "P000002", 0, NULL, 0, NULL);
    withdraw(&w, "P000002");
    assert_accepted(&w);
    assert_int_equal(w.ledger->bank_entry[0].allocated, 15000000);
    assert_int_equal(w.ledger->pledge[0].received, 20000000); /* free again, and meant for it */
    assert_sums(&w, "CHF", 20000000, 5000000, 0);
    assert_reloads(&w);
    world_fini(&w);
}

/* A later change of tier carries along what was allocated, under the new tier's key. */
static void test_sums_by_tier_follow_the_pledge(void **state)
{
    (void)state;
    struct world w;
    ready(&w);
    allocate(&w, "B000001", "P000002", 0, NULL, 0, NULL);
    change_tier(&w, "P000002", "many", 0);
    assert_accepted(&w);
    assert_int_equal(sums_by(w.ledger, STATE_BY_TIER, "many", "CHF").received, 5000000);
    assert_int_equal(sums_by(w.ledger, STATE_BY_TIER, "duo", "CHF").received, 15000000);
    assert_reloads(&w);
    world_fini(&w);
}

static void test_replay_refuses_what_breaks_a_rule(void **state)
{
    (void)state;
    struct world w;
    ready(&w);
    allocate(&w, "B000001", "P000002", 3000000, "CHF", 0, NULL);
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *entry = world_last(&w);
    Pledged__V1__Money *amount = entry->allocated->amount;
    assert_true(pl_is_ok(allocation_check(before, entry)));
    amount->minor = 5000001;
    assert_false(pl_is_ok(allocation_check(before, entry)));
    amount->minor = -1;
    assert_false(pl_is_ok(allocation_check(before, entry)));
    amount->minor = 3000000;
    amount->currency = (char *)(uintptr_t) "EUR";
    assert_false(pl_is_ok(allocation_check(before, entry)));
    amount->currency = (char *)(uintptr_t) "CHF";
    entry->allocated->pledge = (char *)(uintptr_t) "P000001"; /* it is paid already */
    assert_false(pl_is_ok(allocation_check(before, entry)));
    entry->allocated->bank_entry = (char *)(uintptr_t) "B000002";
    assert_false(pl_is_ok(allocation_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_entry_pays_for_two),
        cmocka_unit_test(test_what_does_not_fit),
        cmocka_unit_test(test_another_currency_says_what_it_counts),
        cmocka_unit_test(test_reversing_an_allocation_leaves_the_others),
        cmocka_unit_test(test_reversing_a_payment_undoes_what_it_pays_for),
        cmocka_unit_test(test_a_pledge_that_ends_frees_only_its_own),
        cmocka_unit_test(test_sums_by_tier_follow_the_pledge),
        cmocka_unit_test(test_replay_refuses_what_breaks_a_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
