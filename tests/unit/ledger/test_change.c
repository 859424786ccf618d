/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what was promised changes only in the ways that the rules know, each with its paper; a slot
 * given back goes to the next in the same append; refusals stand in the history of their pledge.
 */
#include "fixture.h"

static bool in_history(const struct world *world, const char *pledge)
{
    return state_pledge(world->ledger, pledge)->last_seq == world->refusal->seq;
}

static void test_committing_freezes_the_catalogue(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    submit(&w, NULL, "C000002", NULL, 5, "EUR");
    commit(&w, "P000001");
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->stage, STAGE(COMMITTED));
    assert_int_equal(w.receipt->outcome->balance->minor, 15000000);
    const Pledged__V1__CommitmentSigned *fact = world_last(&w)->commitment_signed;
    assert_string_equal(fact->catalogue, "test-2026");
    assert_int_equal(fact->catalogue_version, 1);
    assert_memory_equal(fact->catalogue_sha256.data, w.ledger->catalogue[0].current->sha256, 32);
    assert_int_equal(fact->agreement_sha256.len, 32);
    commit(&w, "P000002");
    assert_accepted(&w);
    assert_string_equal(world_last(&w)->commitment_signed->catalogue, "");
    world_fini(&w);
}

/* Other papers may come with the agreement, before it as well. */
static void test_the_agreement_is_found_among_the_papers(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    COMMAND_INIT_(command);
    static uint8_t other[32] = {5}, signed_one[32] = {6};
    Pledged__V1__Document documents[2], *list[2] = {&documents[0], &documents[1]};
    for (int i = 0; i < 2; i++) {
        pledged__v1__document__init(&documents[i]);
        documents[i].sha256 = (ProtobufCBinaryData){32, i == 0 ? other : signed_one};
        documents[i].kind = (char *)(i == 0 ? "letter" : "agreement");
    }
    Pledged__V1__Commit body = PLEDGED__V1__COMMIT__INIT;
    body.pledge = (char *)"P000001";
    command.command_case = COMMAND(COMMIT);
    command.commit = &body;
    command.evidence = list;
    command.n_evidence = 1;
    give(&w, &command);
    assert_refused(&w, EVIDENCE_MISSING);
    command.request_id.len = 0;
    command.n_evidence = 2;
    give(&w, &command);
    assert_accepted(&w);
    assert_memory_equal(world_last(&w)->commitment_signed->agreement_sha256.data, signed_one, 32);
    world_fini(&w);
}

static void test_stages_that_do_not_allow_it(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 3);
    submit(&w, NULL, "C000001", "top", 0, NULL); /* P1 pledged */
    wait_in(&w, "top", "C000002");               /* P2 waiting */
    hold(&w, "duo", "C000003", 0);               /* P3 held */
    submit(&w, NULL, "C000003", NULL, 5, "CHF"); /* P4 pledged, free */
    commit(&w, "P000002");
    assert_refused(&w, STATE_WRONG);
    assert_true(in_history(&w, "P000002"));
    commit(&w, "P000003");
    assert_refused(&w, STATE_WRONG);
    amend(&w, "P000001", 26000000, "CHF");
    assert_refused(&w, STATE_WRONG);
    assert_string_equal(w.refusal->field, "amend_pledge.pledge");
    cancel(&w, "P000001", 0);
    assert_refused(&w, STATE_WRONG);
    change_tier(&w, "P000002", "duo", 0);
    assert_refused(&w, STATE_WRONG);
    change_tier(&w, "P000004", "duo", 0);
    assert_refused(&w, STATE_WRONG);
    assert_true(in_history(&w, "P000004"));
    commit(&w, "P000001");
    withdraw(&w, "P000001");
    assert_refused(&w, STATE_WRONG);
    assert_string_equal(w.refusal->arg[1]->value, "STAGE_COMMITTED");
    commit(&w, "P000009");
    assert_refused(&w, PLEDGE_UNKNOWN);
    assert_int_equal(w.code, PL_E_NOT_FOUND);
    world_fini(&w);
}

static void test_a_new_amount_fits_tier_currency_and_money(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    submit(&w, NULL, "C000002", NULL, 1000, "CHF");
    commit(&w, "P000001");
    commit(&w, "P000002");
    amend(&w, "P000001", 14999999, "CHF");
    assert_refused(&w, AMOUNT_NOT_TIER);
    assert_true(in_history(&w, "P000001"));
    amend(&w, "P000001", 15000000, "EUR");
    assert_refused(&w, AMOUNT_NOT_TIER);
    amend(&w, "P000002", 1000, "EUR");
    assert_refused(&w, FIELD_INVALID);
    pay(&w, "P000002", 600, "CHF", "");
    amend(&w, "P000002", 599, "CHF");
    assert_refused(&w, BELOW_ALLOCATED);
    assert_string_equal(w.refusal->arg[0]->value, "600");
    amend(&w, "P000002", 600, "CHF");
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->balance->minor, 0);
    assert_int_equal(world_last(&w)->commitment_amended->previous->minor, 1000);
    world_fini(&w);
}

/* What many costs, in the next version of the offers. */
static void adopt_at(struct world *w, uint32_t version, int64_t minor)
{
    Pledged__V1__Catalogue *offers = test_catalogue(&w->arena, version, 2);
    offers->tier[2]->amount->minor = minor;
    adopt(w, offers);
    assert_accepted(w);
}

static void test_an_agreement_keeps_the_price_it_was_signed_under(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 3);
    uint64_t first = w.ledger->catalogue[0].current->adopted_seq;
    submit(&w, NULL, "C000001", "many", 0, NULL); /* P1, signed under version 1: 50,000.00 */
    submit(&w, NULL, "C000002", "many", 0, NULL); /* P2, promised then, signed under version 2 */
    commit(&w, "P000001");
    adopt_at(&w, 2, 7000000);
    uint64_t second = w.receipt->seq;
    amend(&w, "P000001", 6000000, "CHF");
    assert_accepted(&w);
    amend(&w, "P000001", 4999999, "CHF");
    assert_refused(&w, AMOUNT_NOT_TIER);
    assert_int_equal(w.refusal->deciding_seq, first);
    assert_string_equal(w.refusal->arg[1]->value, "5000000");
    commit(&w, "P000002");
    adopt_at(&w, 3, 4000000); /* cheaper now: those who signed are held to what they signed */
    amend(&w, "P000001", 4999999, "CHF");
    assert_refused(&w, AMOUNT_NOT_TIER);
    amend(&w, "P000002", 6999999, "CHF");
    assert_refused(&w, AMOUNT_NOT_TIER);
    assert_int_equal(w.refusal->deciding_seq, second);
    amend(&w, "P000002", 7000000, "CHF");
    assert_accepted(&w);
    submit(&w, NULL, "C000003", "many", 4000000, "CHF"); /* who comes now pays what is asked now */
    assert_accepted(&w);
    world_fini(&w);
}

static void test_a_tier_taken_later_costs_what_the_newest_offers_say(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", "many", 0, NULL);
    commit(&w, "P000001");
    Pledged__V1__Catalogue *offers = test_catalogue(&w.arena, 2, 2);
    offers->tier[3] = test_tier(&w.arena, "new", -1, 8000000); /* in the place of "ask" */
    adopt(&w, offers);
    assert_accepted(&w);
    change_tier(&w, "P000001", "new", 7999999);
    assert_refused(&w, AMOUNT_NOT_TIER);
    change_tier(&w, "P000001", "new", 9000000);
    assert_accepted(&w);
    amend(&w, "P000001", 7999999, "CHF");
    assert_refused(&w, AMOUNT_NOT_TIER);
    amend(&w, "P000001", 8000000, "CHF");
    assert_accepted(&w);
    world_fini(&w);
}

static void test_a_held_slot_changes_without_an_amount(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    hold(&w, "duo", "C000001", 3600);
    int64_t end = w.receipt->outcome->expires_us;
    change_tier(&w, "P000001", "top", 0);
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->expires_us, end);
    assert_int_equal(w.receipt->outcome->remaining->count, 0);
    assert_null(w.receipt->outcome->balance);
    assert_null(world_last(&w)->tier_changed->amount);
    assert_int_equal(w.ledger->tier[1].held, 0);
    assert_int_equal(w.ledger->tier[0].held, 1);
    pass(&w, DAY_US); /* its end moved along */
    assert_int_equal(w.ledger->pledge[0].stage, STAGE(EXPIRED));
    world_fini(&w);
}

static void test_a_change_that_is_refused_changes_nothing(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 3);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    submit(&w, NULL, "C000002", "top", 0, NULL);
    uint64_t taken = w.receipt->seq;
    change_tier(&w, "P000001", "top", 0);
    assert_refused(&w, TIER_SOLD_OUT);
    assert_int_equal(w.refusal->deciding_seq, taken);
    assert_true(in_history(&w, "P000001"));
    change_tier(&w, "P000001", "gold", 0);
    assert_refused(&w, TIER_UNKNOWN);
    assert_true(in_history(&w, "P000001"));
    change_tier(&w, "P000001", "DUO", 0);
    assert_refused(&w, SAME_TIER);
    change_tier(&w, "P000001", "ask", 0);
    assert_refused(&w, AMOUNT_REQUIRED);
    assert_int_equal(w.ledger->pledge[0].tier, 1);
    assert_int_equal(w.ledger->pledge[0].amount, 15000000);
    assert_int_equal(w.ledger->tier[1].pledged, 1);
    world_fini(&w);
}

/* However often it was refused: what decides is the entry that made it so. */
static void test_refusals_decide_nothing(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    commit(&w, "P000001");
    uint64_t decides = w.receipt->seq;
    for (int i = 0; i < 3; i++) {
        commit(&w, "P000001");
        assert_refused(&w, STATE_WRONG);
        assert_int_equal(w.refusal->deciding_seq, decides);
        assert_int_equal(world_last(&w)->prev_seq, w.refusal->seq - 1); /* each is in the history */
        hold(&w, "many", "C000001", 0);
        assert_refused(&w, HAS_SLOT);
        assert_int_equal(w.refusal->deciding_seq, decides);
        withdraw(&w, "P000001");
        assert_refused(&w, STATE_WRONG);
        commit(&w, "P000001");
    }
    world_fini(&w);
}

static void test_withdrawing_from_each_stage(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 3);
    hold(&w, "top", "C000001", 0);
    wait_in(&w, "top", "C000002");
    withdraw(&w, "P000002"); /* a place in a queue frees no slot */
    assert_int_equal(w.made, 1);
    assert_int_equal(w.receipt->outcome->remaining->count, 0);
    withdraw(&w, "P000001");
    assert_int_equal(w.receipt->outcome->remaining->count, 1);
    assert_int_equal(w.receipt->outcome->stage, STAGE(WITHDRAWN));
    assert_null(w.receipt->outcome->balance);
    submit(&w, NULL, "C000003", NULL, 5, "CHF");
    withdraw(&w, "P000003");
    assert_null(w.receipt->outcome->remaining); /* no tier is concerned */
    assert_int_equal(w.ledger->due_count, 0);
    world_fini(&w);
}

static void test_cancelling_frees_slot_and_money(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    submit(&w, NULL, "C000001", "top", 0, NULL);
    wait_in(&w, "top", "C000002");
    commit(&w, "P000001");
    pay(&w, "P000001", 700, "CHF", "");
    cancel(&w, "P000001", 0);
    assert_refused(&w, MONEY_PLAN_MISSING);
    assert_int_equal(w.code, PL_E_INVALID);
    cancel(&w, "P000001", PLEDGED__V1__MONEY_PLAN__MONEY_PLAN_MOVE);
    assert_accepted(&w);
    assert_int_equal(w.made, 3);
    assert_int_equal(w.receipt->outcome->unallocated->minor, 700);
    assert_int_equal(w.receipt->outcome->remaining->count, 0); /* the next one has it */
    assert_int_equal(world_entry(&w, w.entry_count - 3)->cancelled->deallocated->minor, 700);
    assert_int_equal(w.ledger->pledge[0].money_plan, PLEDGED__V1__MONEY_PLAN__MONEY_PLAN_MOVE);
    assert_int_equal(w.ledger->bank_entry[0].allocated, 0);
    assert_int_equal(w.ledger->pledge[1].stage, STAGE(HELD));
    world_fini(&w);
}

static void test_money_of_any_currency_needs_a_plan(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    commit(&w, "P000001");
    pay(&w, "P000001", 5, "USD", "");
    uint64_t paid = w.receipt->seq;
    cancel(&w, "P000001", 0);
    assert_refused(&w, MONEY_PLAN_MISSING);
    reverse(&w, paid); /* it never came in */
    cancel(&w, "P000001", 0);
    assert_accepted(&w);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_committing_freezes_the_catalogue),
        cmocka_unit_test(test_the_agreement_is_found_among_the_papers),
        cmocka_unit_test(test_stages_that_do_not_allow_it),
        cmocka_unit_test(test_a_new_amount_fits_tier_currency_and_money),
        cmocka_unit_test(test_an_agreement_keeps_the_price_it_was_signed_under),
        cmocka_unit_test(test_a_tier_taken_later_costs_what_the_newest_offers_say),
        cmocka_unit_test(test_a_held_slot_changes_without_an_amount),
        cmocka_unit_test(test_a_change_that_is_refused_changes_nothing),
        cmocka_unit_test(test_refusals_decide_nothing),
        cmocka_unit_test(test_withdrawing_from_each_stage),
        cmocka_unit_test(test_cancelling_frees_slot_and_money),
        cmocka_unit_test(test_money_of_any_currency_needs_a_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
