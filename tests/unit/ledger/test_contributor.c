/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: an organisation exists once, whatever the spelling of its name in blanks and capitals, and
 * its public record can be replaced as a whole.
 */
#include "fixture.h"

static void test_numbers_ascend(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    add_contributor(&w, "One");
    assert_string_equal(w.receipt->outcome->contributor, "C000001");
    add_contributor(&w, "Two");
    assert_string_equal(w.receipt->outcome->contributor, "C000002");
    const struct state_contributor *two = state_contributor(w.ledger, "C000002");
    assert_string_equal(w.ledger->text + two->name, "Two");
    assert_int_equal(two->seq, w.receipt->seq);
    world_fini(&w);
}

static void test_a_twin_is_refused_and_named(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    add_contributor(&w, "Republic of Examples");
    uint64_t first = w.receipt->seq;
    add_contributor(&w, " republic  OF examples ");
    assert_refused(&w, CONTRIBUTOR_DUPLICATE);
    assert_int_equal(w.code, PL_E_REFUSED);
    assert_int_equal(w.refusal->deciding_seq, first);
    assert_string_equal(w.refusal->field, "add_contributor.name");
    assert_string_equal(w.refusal->arg[0]->value, "C000001");
    assert_int_equal(w.ledger->contributor_count, 1);
    world_fini(&w);
}

static void test_amending_replaces_the_whole_record(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    add_contributor(&w, "Old Name");
    amend_contributor(&w, "C000001", "New Name", "CH", "academia");
    assert_accepted(&w);
    const struct state_contributor *c = state_contributor(w.ledger, "C000001");
    assert_string_equal(w.ledger->text + c->name, "New Name");
    assert_string_equal(c->country, "CH");
    assert_string_equal(c->itu_membership, "academia");
    assert_int_equal(c->kind, PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_ACADEMIA);
    assert_int_equal(c->seq, w.receipt->seq);
    amend_contributor(&w, "C000001", "New Name", "", "");
    assert_string_equal(state_contributor(w.ledger, "C000001")->country, "");
    world_fini(&w);
}

static void test_a_name_is_free_again_after_a_change(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    add_contributor(&w, "First");
    add_contributor(&w, "Second");
    amend_contributor(&w, "C000001", "SECOND", "", "");
    assert_refused(&w, CONTRIBUTOR_DUPLICATE);
    assert_string_equal(w.refusal->field, "amend_contributor.name");
    assert_string_equal(w.refusal->arg[0]->value, "C000002");
    amend_contributor(&w, "C000001", "FIRST", "", ""); /* its own name, written otherwise */
    assert_accepted(&w);
    amend_contributor(&w, "C000001", "Third", "", "");
    add_contributor(&w, "first");
    assert_accepted(&w);
    add_contributor(&w, "third");
    assert_refused(&w, CONTRIBUTOR_DUPLICATE);
    world_fini(&w);
}

static void test_unknown_ones_are_not_found(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    amend_contributor(&w, "C000001", "x", "", "");
    assert_refused(&w, CONTRIBUTOR_UNKNOWN);
    assert_int_equal(w.answer, LEDGER_REFUSED); /* it is in the ledger */
    assert_int_equal(w.code, PL_E_NOT_FOUND);
    assert_string_equal(w.refusal->field, "amend_contributor.contributor");
    world_fini(&w);
}

static void test_live_pledges_are_counted(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    hold(&w, "duo", "C000001", 3600);
    submit(&w, NULL, "C000001", NULL, 5, "CHF");
    submit(&w, NULL, "C000002", "top", 0, NULL);
    wait_in(&w, "top", "C000001"); /* takes no slot */
    assert_int_equal(w.ledger->contributor[0].live_pledges, 2);
    pass(&w, DAY_US);
    assert_int_equal(w.ledger->contributor[0].live_pledges, 1);
    withdraw(&w, "P000002");
    assert_int_equal(w.ledger->contributor[0].live_pledges, 0);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_ascend),
        cmocka_unit_test(test_a_twin_is_refused_and_named),
        cmocka_unit_test(test_amending_replaces_the_whole_record),
        cmocka_unit_test(test_a_name_is_free_again_after_a_change),
        cmocka_unit_test(test_unknown_ones_are_not_found),
        cmocka_unit_test(test_live_pledges_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
