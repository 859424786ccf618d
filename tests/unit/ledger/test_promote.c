/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what happens without anybody asking happens at its moment, in its order, once, and is
 * written with its cause: holds expire, the next in the queue gets the slot.
 */
#include "fixture.h"

static struct ledger_decision due(struct world *world)
{
    struct ledger_decision decision;
    ledger_decide_due(world->ledger, world->now_us, &world->arena, &decision);
    return decision;
}

static void test_nothing_is_due_before_its_time(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    assert_int_equal(ledger_next_due_us(w.ledger), INT64_MAX);
    hold(&w, "duo", "C000001", 100);
    int64_t end = w.receipt->outcome->expires_us;
    hold(&w, "duo", "C000002", 50);
    assert_int_equal(ledger_next_due_us(w.ledger), w.receipt->outcome->expires_us);
    w.now_us = w.receipt->outcome->expires_us - 1;
    assert_int_equal(due(&w).answer, LEDGER_NOTHING);
    w.now_us++;
    struct ledger_decision decision = due(&w);
    assert_int_equal(decision.entry_count, 1);
    assert_string_equal(decision.entry[0]->hold_expired->pledge, "P000002");
    assert_int_equal(decision.entry[0]->cause_seq, w.ledger->pledge[1].last_seq);
    assert_int_equal(decision.entry[0]->prev_seq, w.ledger->pledge[1].last_seq);
    assert_int_equal(decision.entry[0]->request_id.len, 0);
    world_apply(&w, &decision);
    assert_int_equal(due(&w).answer, LEDGER_NOTHING);
    assert_int_equal(ledger_next_due_us(w.ledger), end);
    world_fini(&w);
}

static void test_grace_comes_on_top(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    Pledged__V1__Catalogue *c = test_catalogue(&w.arena, 1, 2);
    c->policy->hold_grace_s = 3600;
    adopt(&w, c);
    add_contributor(&w, "x");
    int64_t now_us = w.now_us;
    hold(&w, "duo", "C000001", 60);
    assert_int_equal(w.receipt->outcome->expires_us, now_us + 3660 * 1000000LL);
    pass(&w, 3600 * 1000000LL);
    assert_int_equal(w.ledger->pledge[0].stage, STAGE(HELD));
    pass(&w, 60 * 1000000LL);
    assert_int_equal(w.ledger->pledge[0].stage, STAGE(EXPIRED));
    world_fini(&w);
}

static void test_expiry_passes_the_slot_on_in_one_decision(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 3);
    hold(&w, "top", "C000001", 100);
    wait_in(&w, "top", "C000002");
    wait_in(&w, "top", "C000003");
    w.now_us = w.ledger->pledge[0].expires_us;
    struct ledger_decision d = due(&w);
    assert_int_equal(d.entry_count, 3);
    assert_int_equal(d.entry[0]->fact_case, FACT(HOLD_EXPIRED));
    assert_int_equal(d.entry[1]->fact_case, FACT(WAIT_PROMOTED));
    assert_int_equal(d.entry[2]->fact_case, FACT(HOLD_PLACED));
    assert_int_equal(d.entry[1]->cause_seq, d.entry[0]->seq);
    assert_int_equal(d.entry[2]->cause_seq, d.entry[0]->seq);
    assert_string_equal(d.entry[2]->hold_placed->pledge, "P000002");
    assert_string_equal(d.entry[2]->hold_placed->contributor, "C000002");
    assert_int_equal(d.entry[2]->prev_seq, d.entry[1]->seq);
    assert_int_equal(d.entry[2]->hold_placed->expires_us, d.entry[2]->time_us + 7 * DAY_US);
    world_apply(&w, &d);
    assert_int_equal(state_tier_taken(&w.ledger->tier[0]), 1);
    assert_int_equal(w.ledger->tier[0].waiting, 1);
    world_fini(&w);
}

static void test_several_that_are_due_go_one_by_one(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 5);
    static const int order[] = {3, 1, 4, 2, 5};
    for (int i = 0; i < 5; i++) {
        char c[24];
        snprintf(c, sizeof(c), "C%06d", i + 1);
        hold(&w, "many", c, 100 * order[i]);
    }
    w.now_us += DAY_US;
    for (int want = 1; want <= 5; want++) {
        struct ledger_decision d = due(&w);
        assert_int_equal(d.entry_count, 1);
        world_apply(&w, &d);
        for (int i = 0; i < 5; i++)
            assert_int_equal(w.ledger->pledge[i].stage == STAGE(EXPIRED), order[i] <= want);
    }
    assert_int_equal(due(&w).answer, LEDGER_NOTHING);
    world_fini(&w);
}

static void test_who_has_a_slot_is_passed_over_and_keeps_waiting(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 3);
    submit(&w, NULL, "C000001", "top", 0, NULL);
    wait_in(&w, "top", "C000002");                /* P2 */
    submit(&w, NULL, "C000002", "many", 0, NULL); /* P3 */
    withdraw(&w, "P000001");
    assert_int_equal(w.made, 1); /* nobody may take it */
    assert_int_equal(w.receipt->outcome->remaining->count, 1);
    assert_int_equal(due(&w).answer, LEDGER_NOTHING);
    withdraw(&w, "P000003"); /* now P2 may */
    uint64_t cause = w.ledger->catalogue[0].current->adopted_seq;
    struct ledger_decision d = due(&w);
    assert_int_equal(d.entry_count, 2);
    assert_string_equal(d.entry[0]->wait_promoted->pledge, "P000002");
    assert_int_equal(d.entry[0]->cause_seq, cause);
    world_apply(&w, &d);
    assert_int_equal(w.ledger->pledge[1].stage, STAGE(HELD));
    world_fini(&w);
}

static void test_who_gives_back_may_be_next(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    submit(&w, NULL, "C000001", "top", 0, NULL);
    wait_in(&w, "top", "C000002"); /* P2 */
    submit(&w, NULL, "C000002", "many", 0, NULL);
    change_tier(&w, "P000001", "duo", 0);
    change_tier(&w, "P000003", "top", 0); /* the holder waits for the same tier */
    assert_accepted(&w);
    withdraw(&w, "P000003");
    assert_int_equal(w.made, 3);
    assert_int_equal(w.ledger->pledge[1].stage, STAGE(HELD));
    world_fini(&w);
}

/* Who has a slot is passed over, so a place in the queue would be none. */
static void test_who_has_a_slot_does_not_join_the_queue(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 3);
    submit(&w, NULL, "C000001", "top", 0, NULL);
    hold(&w, "many", "C000002", 0);
    uint64_t held = w.receipt->seq;
    wait_in(&w, "top", "C000002");
    assert_refused(&w, HAS_SLOT);
    assert_string_equal(w.refusal->field, "wait.contributor");
    assert_int_equal(w.refusal->deciding_seq, held);
    wait_in(&w, "top", "C000001"); /* nor for the tier that it is a slot of */
    assert_refused(&w, HAS_SLOT);
    withdraw(&w, "P000002");
    wait_in(&w, "top", "C000002");
    assert_accepted(&w);
    Pledged__V1__Catalogue *c = test_catalogue(&w.arena, 2, 2);
    c->policy->many_slots_per_contributor = true;
    adopt(&w, c);
    assert_accepted(&w);
    wait_in(&w, "top", "C000001"); /* where one may have many, who has one may be promoted */
    assert_accepted(&w);
    world_fini(&w);
}

static void test_nobody_overtakes_the_queue(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 3);
    submit(&w, NULL, "C000001", "top", 0, NULL);
    wait_in(&w, "top", "C000002");
    submit(&w, NULL, "C000002", "many", 0, NULL);
    withdraw(&w, "P000001");
    withdraw(&w, "P000003"); /* the slot is free and C2 may have it, but time has not passed */
    hold(&w, "top", "C000003", 0);
    assert_refused(&w, WAITING_AHEAD);
    assert_int_equal(w.refusal->deciding_seq, w.ledger->pledge[1].first_seq);
    pass(&w, 0);
    assert_int_equal(w.ledger->pledge[1].stage, STAGE(HELD));
    world_fini(&w);
}

static void test_more_slots_serve_the_queue_in_order(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 9);
    for (int i = 1; i <= 9; i++) {
        char c[24];
        snprintf(c, sizeof(c), "C%06d", i);
        if (i <= 2)
            submit(&w, NULL, c, "duo", 0, NULL);
        else
            wait_in(&w, "duo", c);
        assert_accepted(&w);
    }
    adopt(&w, test_catalogue(&w.arena, 2, 8));
    uint64_t adopted = w.receipt->seq;
    for (int i = 3; i <= 8; i++) {
        struct ledger_decision d = due(&w);
        assert_int_equal(d.entry_count, 2);
        assert_int_equal(d.entry[0]->cause_seq, adopted);
        world_apply(&w, &d);
        assert_int_equal(w.ledger->pledge[i - 1].stage, STAGE(HELD));
    }
    assert_int_equal(due(&w).answer, LEDGER_NOTHING);
    assert_int_equal(w.ledger->pledge[8].stage, STAGE(WAITING));
    world_fini(&w);
}

static void test_a_tier_without_limit_empties_its_queue(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 3);
    submit(&w, NULL, "C000001", "top", 0, NULL);
    wait_in(&w, "top", "C000002");
    wait_in(&w, "top", "C000003");
    Pledged__V1__Catalogue *c = test_catalogue(&w.arena, 2, 2);
    c->tier[0]->capacity->value_case = PLEDGED__V1__COUNT__VALUE_UNLIMITED;
    c->tier[0]->capacity->unlimited = true;
    adopt(&w, c);
    assert_accepted(&w);
    pass(&w, 0);
    assert_int_equal(w.ledger->tier[0].waiting, 0);
    assert_int_equal(w.ledger->tier[0].held, 2);
    world_fini(&w);
}

static void test_money_on_an_expired_hold_is_kept(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    hold(&w, "duo", "C000001", 100);
    pay(&w, "P000001", 500, "CHF", "");
    assert_int_equal(w.receipt->outcome->unallocated->minor, 500);
    pass(&w, DAY_US);
    assert_int_equal(w.ledger->pledge[0].stage, STAGE(EXPIRED));
    assert_int_equal(sums_by(w.ledger, STATE_BY_TIER, "duo", "CHF").unallocated, 500);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_due_before_its_time),
        cmocka_unit_test(test_grace_comes_on_top),
        cmocka_unit_test(test_expiry_passes_the_slot_on_in_one_decision),
        cmocka_unit_test(test_several_that_are_due_go_one_by_one),
        cmocka_unit_test(test_who_has_a_slot_is_passed_over_and_keeps_waiting),
        cmocka_unit_test(test_who_gives_back_may_be_next),
        cmocka_unit_test(test_who_has_a_slot_does_not_join_the_queue),
        cmocka_unit_test(test_nobody_overtakes_the_queue),
        cmocka_unit_test(test_more_slots_serve_the_queue_in_order),
        cmocka_unit_test(test_a_tier_without_limit_empties_its_queue),
        cmocka_unit_test(test_money_on_an_expired_hold_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
