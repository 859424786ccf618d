/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: the memory of the ledger keeps its shape: deadlines come out in order, a queue loses
 * anybody without losing the others, slots of a contributor are a chain that depends on the pledges
 * alone, names that people take for the same are the same.
 */
#include "storm.h"

_Static_assert(sizeof(struct state_pledge) <= 104, "a pledge and its keys take at most 160 bytes");

static void test_heap_is_in_order_and_knows_its_places(void **state)
{
    (void)state;
    struct world w;
    struct storm dice = {.seed = 3, .contributors = 12, .version = 2};
    world_ready(&w, 12);
    for (int i = 0; i < 1500; i++) {
        storm_step(&w, &dice);
        const struct ledger *l = w.ledger;
        for (size_t k = 0; k < l->due_count; k++) {
            const struct state_pledge *child = &l->pledge[l->due[k]];
            const struct state_pledge *parent = &l->pledge[l->due[k == 0 ? 0 : (k - 1) / 2]];
            assert_int_equal(child->heap_place, k);
            assert_int_equal(child->stage, STAGE(HELD));
            assert_true(parent->expires_us <= child->expires_us);
        }
    }
    world_fini(&w);
}

static void test_equal_deadlines_go_by_index(void **state)
{
    (void)state;
    struct ledger *l = ledger_new();
    l->contributor = calloc(1, sizeof(*l->contributor));
    l->contributor_count = l->contributor_cap = 1;
    for (uint32_t i = 0; i < 40; i++) {
        assert_int_equal(state_add_pledge(l, 0, STATE_TIER_FREE, 1, 1), i);
        l->pledge[i].expires_us = 100;
    }
    for (uint32_t i = 0; i < 40; i++)
        state_due_add(l, (i * 7) % 40);
    state_due_move(l, 5, 99);
    state_due_move(l, 0, 101);
    assert_int_equal(l->due[0], 5);
    state_due_move(l, 5, 102);
    assert_int_equal(l->due[0], 1);
    ledger_free(l);
}

static void test_a_queue_loses_anybody_in_the_middle(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 6);
    submit(&w, NULL, "C000001", "top", 0, NULL);
    for (int i = 2; i <= 6; i++) {
        char c[24];
        snprintf(c, sizeof(c), "C%06d", i);
        wait_in(&w, "top", c);
        assert_accepted(&w);
    }
    const struct state_tier *top = &w.ledger->tier[0];
    withdraw(&w, "P000004"); /* the middle, the end, the beginning */
    assert_int_equal(w.made, 1);
    withdraw(&w, "P000006");
    withdraw(&w, "P000002");
    assert_int_equal(top->waiting, 2);
    assert_int_equal(top->wait_first, 2);
    assert_int_equal(w.ledger->pledge[2].wait_next, 4);
    assert_int_equal(w.ledger->pledge[4].wait_prev, 2);
    assert_int_equal(top->wait_last, 4);
    assert_int_equal(state_wait_of(w.ledger, 3, 0), STATE_NONE);
    assert_int_equal(state_wait_of(w.ledger, 4, 0), 4);
    wait_in(&w, "top", "C000004"); /* who left may come again, at the end */
    assert_int_equal(w.receipt->outcome->waiting_position, 3);
    withdraw(&w, "P000003");
    withdraw(&w, "P000005");
    withdraw(&w, "P000007");
    assert_int_equal(top->wait_first, STATE_NONE);
    assert_int_equal(top->wait_last, STATE_NONE);
    world_fini(&w);
}

static void test_slots_of_a_contributor_are_a_chain_by_index(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    Pledged__V1__Catalogue *c = test_catalogue(&w.arena, 1, 2);
    c->policy->many_slots_per_contributor = true;
    adopt(&w, c);
    add_contributor(&w, "x");
    add_contributor(&w, "y");
    submit(&w, NULL, "C000002", "top", 0, NULL);  /* P1 */
    wait_in(&w, "top", "C000001");                /* P2 */
    submit(&w, NULL, "C000001", "many", 0, NULL); /* P3 */
    submit(&w, NULL, "C000001", "duo", 0, NULL);  /* P4 */
    withdraw(&w, "P000001");                      /* P2 is promoted: its place is the last */
    const struct ledger *l = w.ledger;
    assert_int_equal(state_slot_of(l, 0, 0), 3);
    assert_int_equal(l->pledge[3].slot_next, 2);
    assert_int_equal(l->pledge[2].slot_next, 1);
    assert_int_equal(l->pledge[1].slot_next, STATE_NONE);
    assert_int_equal(l->pledge[1].slot_prev, 2);
    assert_int_equal(state_slot_beside(l, 0, 0, 3), 2);
    assert_int_equal(state_slot_beside(l, 0, 0, 2), 3);
    struct ledger *loaded = world_reloaded(l);
    assert_int_equal(loaded->pledge[2].slot_next, 1);
    assert_int_equal(loaded->pledge[2].slot_prev, 3);
    ledger_free(loaded);
    withdraw(&w, "P000003"); /* the middle */
    assert_int_equal(l->pledge[3].slot_next, 1);
    withdraw(&w, "P000004"); /* the first */
    assert_int_equal(state_slot_of(l, 0, 0), 1);
    withdraw(&w, "P000002");
    assert_int_equal(state_slot_of(l, 0, 0), STATE_NONE);
    world_fini(&w);
}

static void assert_same_name(const char *a, const char *b, bool same)
{
    uint8_t left[16], right[16];
    state_key_of_name(a, left);
    state_key_of_name(b, right);
    assert_int_equal(memcmp(left, right, 16) == 0, same);
}

static void test_names_are_folded(void **state)
{
    (void)state;
    assert_same_name("ACME Networks", "  acme \t networks ", true);
    assert_same_name("ACME Networks", "ACMENetworks", false);
    assert_same_name("\xc3\x89tat", "\xc3\xa9tat", false); /* only ASCII letters are folded */
    assert_same_name("a[", "A{", false);
    assert_same_name("", "   ", true);
}

static void test_ids_outside_are_not_found(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", "many", 0, NULL);
    pay(&w, "P000001", 5, "CHF", "");
    assert_ptr_equal(state_pledge(w.ledger, "P000001"), &w.ledger->pledge[0]);
    static const char *const wrong[] = {"",        "P000000", "P000002",
                                        "C000001", "P1",      "P99999999999999999999"};
    for (size_t i = 0; i < 6; i++)
        assert_null(state_pledge(w.ledger, wrong[i]));
    assert_null(state_contributor(w.ledger, "C000002"));
    assert_null(state_bank_entry(w.ledger, "B000002"));
    assert_non_null(state_bank_entry(w.ledger, "B000001"));
    assert_int_equal(state_tier(w.ledger, "test-2026", "many"), 2);
    assert_int_equal(state_tier(w.ledger, "test-2027", "many"), -1);
    assert_int_equal(state_tier(w.ledger, "test-2026", "gold"), -1);
    world_fini(&w);
}

static void test_text_grows_and_keeps_its_offsets(void **state)
{
    (void)state;
    struct ledger *l = ledger_new();
    char text[64];
    uint32_t at[3000];
    assert_int_equal(state_add_text(l, ""), 0);
    for (int i = 0; i < 3000; i++) {
        snprintf(text, sizeof(text), "a text of some length, number %d", i);
        at[i] = state_add_text(l, text);
    }
    for (int i = 0; i < 3000; i++) {
        snprintf(text, sizeof(text), "a text of some length, number %d", i);
        assert_string_equal(l->text + at[i], text);
    }
    ledger_free(l);
}

static void test_money_state_follows_from_the_sums(void **state)
{
    (void)state;
    static const struct {
        int stage;
        int64_t amount, allocated, received;
        int money;
    } cases[] = {
        {STAGE(PLEDGED), 100, 0, 0, PLEDGED__V1__MONEY_STATE__MONEY_STATE_NONE},
        {STAGE(PLEDGED), 100, 40, 40, PLEDGED__V1__MONEY_STATE__MONEY_STATE_PART},
        {STAGE(COMMITTED), 100, 100, 100, PLEDGED__V1__MONEY_STATE__MONEY_STATE_PAID},
        {STAGE(COMMITTED), 100, 100, 101, PLEDGED__V1__MONEY_STATE__MONEY_STATE_OVER},
        {STAGE(CANCELLED), 100, 0, 1, PLEDGED__V1__MONEY_STATE__MONEY_STATE_REFUND_DUE},
        {STAGE(WITHDRAWN), 100, 0, 0, PLEDGED__V1__MONEY_STATE__MONEY_STATE_NONE},
        {STAGE(HELD), 0, 0, 0, PLEDGED__V1__MONEY_STATE__MONEY_STATE_NONE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct state_pledge p = {.stage = (uint8_t)cases[i].stage,
                                 .amount = cases[i].amount,
                                 .allocated = cases[i].allocated,
                                 .received = cases[i].received};
        assert_int_equal(state_money(&p), cases[i].money);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heap_is_in_order_and_knows_its_places),
        cmocka_unit_test(test_equal_deadlines_go_by_index),
        cmocka_unit_test(test_a_queue_loses_anybody_in_the_middle),
        cmocka_unit_test(test_slots_of_a_contributor_are_a_chain_by_index),
        cmocka_unit_test(test_names_are_folded),
        cmocka_unit_test(test_ids_outside_are_not_found),
        cmocka_unit_test(test_text_grows_and_keeps_its_offsets),
        cmocka_unit_test(test_money_state_follows_from_the_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
