/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a catalogue is adopted whole or not at all; slots that are taken bind every later version;
 * the field that is wrong is named by its place in what was offered.
 */
#include "fixture.h"

#define ROOT "adopt_catalogue.catalogue"

static void test_adopting_records_the_hash_of_the_exact_bytes(void **state)
{
    (void)state;
    struct world w;
    uint8_t sha256[32];
    world_ready(&w, 0);
    Pledged__V1__Entry *e = world_last(&w);
    struct pl_slice bytes = catalogue_bytes_in_command(pl_slice(e->command.data, e->command.len));
    pl_sha256(bytes, sha256);
    assert_int_not_equal(bytes.len, 0);
    assert_memory_equal(e->catalogue_adopted->sha256.data, sha256, 32);
    assert_memory_equal(w.receipt->outcome->catalogue_sha256.data, sha256, 32);
    const struct catalogue *current = w.ledger->catalogue[0].current;
    assert_memory_equal(current->sha256, sha256, 32);
    assert_int_equal(current->adopted_seq, e->seq);
    assert_int_equal(current->refs, 1);
    world_fini(&w);
}

static void test_a_wrong_catalogue_is_no_entry(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    Pledged__V1__Catalogue *c = test_catalogue(&w.arena, 1, 2);
    c->tier[1]->capacity->count = -5;
    adopt(&w, c);
    assert_int_equal(w.answer, LEDGER_INVALID);
    assert_refused(&w, CATALOGUE_INVALID);
    assert_string_equal(w.refusal->field, ROOT ".tier[1].capacity.count");
    assert_int_equal(ledger_size(w.ledger), 3);
    world_fini(&w);
}

static void test_versions_ascend(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    adopt(&w, test_catalogue(&w.arena, 5, 2));
    uint64_t first = w.receipt->seq;
    for (uint32_t version = 4; version <= 5; version++) {
        adopt(&w, test_catalogue(&w.arena, version, 2));
        assert_refused(&w, CATALOGUE_NOT_NEWER);
        assert_string_equal(w.refusal->field, ROOT ".version");
        assert_int_equal(w.refusal->deciding_seq, first);
    }
    adopt(&w, test_catalogue(&w.arena, 6, 2));
    assert_accepted(&w);
    assert_int_equal(w.ledger->catalogue_count, 1);
    assert_int_equal(w.ledger->catalogue[0].current->msg->version, 6);
    world_fini(&w);
}

static void test_capacity_is_not_below_the_slots_taken(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 3);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    hold(&w, "duo", "C000002", 0);
    uint64_t taken = w.receipt->seq;
    adopt(&w, test_catalogue(&w.arena, 2, 1));
    assert_refused(&w, CAPACITY_BELOW_TAKEN);
    assert_string_equal(w.refusal->field, ROOT ".tier[1].capacity");
    assert_int_equal(w.refusal->deciding_seq, taken);
    assert_string_equal(w.refusal->arg[1]->value, "2");
    assert_int_equal(w.ledger->tier[1].capacity, 2);
    withdraw(&w, "P000002");
    adopt(&w, test_catalogue(&w.arena, 2, 1));
    assert_accepted(&w);
    hold(&w, "duo", "C000003", 0);
    assert_refused(&w, TIER_SOLD_OUT);
    world_fini(&w);
}

static void test_a_tier_in_use_stays(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    submit(&w, NULL, "C000001", "ask", 5, "CHF");
    Pledged__V1__Catalogue *c = test_catalogue(&w.arena, 2, 2);
    c->n_tier = 3; /* without "ask" */
    adopt(&w, c);
    assert_refused(&w, TIER_IN_USE);
    assert_string_equal(w.refusal->arg[0]->value, "ask");
    withdraw(&w, "P000001");
    adopt(&w, c);
    assert_accepted(&w);
    assert_int_equal(w.ledger->tier[3].def, -1);
    hold(&w, "ask", "C000001", 0);
    assert_refused(&w, TIER_UNKNOWN);
    adopt(&w, test_catalogue(&w.arena, 3, 2)); /* and offered again */
    assert_int_equal(w.ledger->tier[3].def, 3);
    assert_int_equal(w.ledger->tier_count, 4);
    world_fini(&w);
}

static void test_a_tier_that_is_waited_for_stays(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    Pledged__V1__Catalogue *c = test_catalogue(&w.arena, 1, 0); /* "duo" has no slot yet */
    adopt(&w, c);
    add_contributor(&w, "x");
    add_contributor(&w, "y");
    wait_in(&w, "duo", "C000001"); /* nobody waits for what there is not */
    assert_refused(&w, TIER_CLOSED);
    assert_int_equal(w.refusal->deciding_seq, w.ledger->catalogue[0].current->adopted_seq);
    adopt(&w, test_catalogue(&w.arena, 2, 1));
    wait_in(&w, "top", "C000001"); /* there is a place: not waited for either */
    assert_refused(&w, TIER_NOT_FULL);
    hold(&w, "duo", "C000002", 0);
    wait_in(&w, "duo", "C000001"); /* P000002 */
    assert_accepted(&w);
    hold(&w, "many", "C000001", 0); /* P000003: in the queue, but not to be promoted now */
    assert_accepted(&w);
    withdraw(&w, "P000001");
    c = test_catalogue(&w.arena, 3, 2);
    c->tier[1] = c->tier[2];
    c->tier[2] = c->tier[3];
    c->n_tier = 3;
    adopt(&w, c);
    assert_refused(&w, TIER_IN_USE);
    withdraw(&w, "P000002");
    adopt(&w, c);
    assert_accepted(&w);
    wait_in(&w, "duo", "C000002"); /* withdrawn: nothing to wait for */
    assert_refused(&w, TIER_UNKNOWN);
    world_fini(&w);
}

static void test_order_of_tiers_may_change(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    Pledged__V1__Catalogue *c = test_catalogue(&w.arena, 2, 2);
    Pledged__V1__Tier *first = c->tier[0];
    c->tier[0] = c->tier[1];
    c->tier[1] = first;
    adopt(&w, c);
    assert_accepted(&w);
    assert_int_equal(w.ledger->tier[1].def, 0);
    commit(&w, "P000001");
    assert_accepted(&w);
    assert_int_equal(w.ledger->tier[1].committed, 1);
    world_fini(&w);
}

static void test_another_code_is_another_catalogue(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    submit(&w, NULL, "C000001", "top", 0, NULL);
    Pledged__V1__Catalogue *next = test_catalogue(&w.arena, 1, 2);
    next->code = (char *)"test-2027";
    adopt(&w, next);
    assert_accepted(&w);
    assert_int_equal(w.ledger->catalogue_count, 2);
    assert_int_equal(w.ledger->catalogue_in_force, 1);
    assert_int_equal(w.ledger->tier_count, 8);
    submit(&w, NULL, "C000001", "top", 0, NULL); /* a slot a catalogue */
    assert_accepted(&w);
    assert_int_equal(w.ledger->pledge[1].tier, 4);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    assert_refused(&w, HAS_SLOT);
    change_tier(&w, "P000001", "many", 30000000); /* stays within what was pledged for */
    assert_accepted(&w);
    assert_int_equal(w.ledger->pledge[0].tier, 2);
    assert_int_equal(w.ledger->tier[4].pledged, 1);
    world_fini(&w);
}

static void test_limits_are_refused_not_asserted(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 0);
    size_t count = w.ledger->tier_count;
    w.ledger->tier = reallocarray(w.ledger->tier, STATE_TIERS_MAX + 1, sizeof(*w.ledger->tier));
    for (size_t i = count; i <= STATE_TIERS_MAX; i++)
        w.ledger->tier[i] = (struct state_tier){.catalogue = 7, .def = -1};
    w.ledger->tier_count = STATE_TIERS_MAX + 1;
    adopt(&w, test_catalogue(&w.arena, 2, 2));
    assert_refused(&w, TOO_BIG);
    assert_int_equal(w.code, PL_E_TOO_BIG);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adopting_records_the_hash_of_the_exact_bytes),
        cmocka_unit_test(test_a_wrong_catalogue_is_no_entry),
        cmocka_unit_test(test_versions_ascend),
        cmocka_unit_test(test_capacity_is_not_below_the_slots_taken),
        cmocka_unit_test(test_a_tier_in_use_stays),
        cmocka_unit_test(test_a_tier_that_is_waited_for_stays),
        cmocka_unit_test(test_order_of_tiers_may_change),
        cmocka_unit_test(test_another_code_is_another_catalogue),
        cmocka_unit_test(test_limits_are_refused_not_asserted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
