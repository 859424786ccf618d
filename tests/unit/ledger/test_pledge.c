/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: the life of a pledge follows the rules: slots, holds, queues, expiry, promotion, change of
 * tier; each refusal names its reason, field and the entry that decides.
 */
#include "fixture.h"

static void test_two_slots_have_two_holders(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 3);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->remaining->count, 1);
    submit(&w, NULL, "C000002", "DUO", 0, NULL); /* case does not matter */
    assert_accepted(&w);
    uint64_t taken = w.receipt->seq;
    submit(&w, NULL, "C000003", "duo", 0, NULL);
    assert_refused(&w, TIER_SOLD_OUT);
    assert_int_equal(w.answer, LEDGER_REFUSED);
    assert_int_equal(w.refusal->deciding_seq, taken);
    assert_string_equal(w.refusal->field, "submit.tier");
    assert_int_equal(w.refusal->seq, ledger_size(w.ledger)); /* it is in the ledger */
    world_fini(&w);
}

static void test_hold_expires_exactly_and_is_written(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    hold(&w, "top", "C000001", 3600);
    assert_accepted(&w);
    int64_t end = w.receipt->outcome->expires_us;
    uint64_t size = ledger_size(w.ledger);
    pass(&w, end - w.now_us - 1);
    assert_int_equal(ledger_size(w.ledger), size); /* one microsecond before */
    hold(&w, "top", "C000002", 3600);
    assert_refused(&w, TIER_SOLD_OUT);
    w.now_us = end;
    pass(&w, 0);
    assert_int_equal(w.ledger->pledge[0].stage, STAGE(EXPIRED));
    hold(&w, "top", "C000002", 3600);
    assert_accepted(&w);
    world_fini(&w);
}

static void test_queue_is_served_in_order_and_in_one_append(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 4);
    wait_in(&w, "top", "C000002");
    assert_refused(&w, TIER_NOT_FULL);
    submit(&w, NULL, "C000001", "top", 0, NULL);
    assert_accepted(&w);
    wait_in(&w, "top", "C000002");
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->waiting_position, 1);
    wait_in(&w, "top", "C000003");
    assert_int_equal(w.receipt->outcome->waiting_position, 2);
    wait_in(&w, "top", "C000002");
    assert_refused(&w, STATE_WRONG);
    withdraw(&w, "P000001");
    assert_accepted(&w);
    assert_int_equal(w.made, 3); /* Withdrawn, WaitPromoted, HoldPlaced */
    assert_int_equal(w.receipt->outcome->remaining->count, 0);
    assert_int_equal(w.ledger->pledge[1].stage, STAGE(HELD));
    pass(&w, 8 * DAY_US); /* the promotion's hold runs out, the next one gets the slot */
    assert_int_equal(w.ledger->pledge[1].stage, STAGE(EXPIRED));
    assert_int_equal(w.ledger->pledge[2].stage, STAGE(HELD));
    world_fini(&w);
}

static void test_queue_skips_who_has_a_slot_already(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 4);
    submit(&w, NULL, "C000001", "top", 0, NULL);
    wait_in(&w, "top", "C000002");
    wait_in(&w, "top", "C000003");
    submit(&w, NULL, "C000002", "duo", 0, NULL); /* took another offer meanwhile */
    assert_accepted(&w);
    withdraw(&w, "P000001");
    assert_int_equal(w.ledger->pledge[1].stage, STAGE(WAITING));
    assert_int_equal(w.ledger->pledge[2].stage, STAGE(HELD));
    world_fini(&w);
}

static void test_one_live_slot_a_contributor(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    hold(&w, "many", "C000001", 0);
    assert_accepted(&w);
    uint64_t first = w.receipt->seq;
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    assert_refused(&w, HAS_SLOT);
    assert_int_equal(w.refusal->deciding_seq, first);
    submit(&w, NULL, "C000001", NULL, 100, "EUR"); /* a free contribution takes no slot */
    assert_accepted(&w);
    world_fini(&w);
}

static void test_holds_have_limits(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    hold(&w, "duo", "C000001", 61 * 86400);
    assert_refused(&w, HOLD_TOO_LONG);
    hold(&w, "duo", "C000001", 60 * 86400 + 1);
    assert_refused(&w, HOLD_TOO_LONG);
    hold(&w, "many", "C000001", 60 * 86400); /* as long as a hold may be */
    assert_accepted(&w);
    withdraw(&w, "P000001");
    hold(&w, "duo", "C000001", INT64_MAX);
    assert_refused(&w, HOLD_TOO_LONG);
    hold(&w, "duo", "C000001", -1);
    assert_refused(&w, FIELD_INVALID);
    hold(&w, "duo", "C000001", 3600);
    assert_accepted(&w);
    extend_hold(&w, "P000002", 86400);
    assert_accepted(&w);
    extend_hold(&w, "P000002", 2 * 86400);
    assert_accepted(&w);
    extend_hold(&w, "P000002", 3 * 86400);
    assert_refused(&w, EXTENSIONS_SPENT);
    pass(&w, DAY_US);
    assert_int_equal(w.ledger->pledge[1].stage, STAGE(HELD));
    pass(&w, DAY_US);
    assert_int_equal(w.ledger->pledge[1].stage, STAGE(EXPIRED));
    extend_hold(&w, "P000002", 86400);
    assert_refused(&w, STATE_WRONG);
    world_fini(&w);
}

static void test_amounts_fit_the_tier(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 4);
    submit(&w, NULL, "C000001", "duo", 14999999, "CHF");
    assert_refused(&w, AMOUNT_NOT_TIER);
    assert_int_equal(w.code, PL_E_INVALID);
    submit(&w, NULL, "C000001", "duo", 15000000, "EUR");
    assert_refused(&w, AMOUNT_NOT_TIER);
    submit(&w, NULL, "C000001", "duo", 15000001, "CHF");
    assert_accepted(&w);
    submit(&w, NULL, "C000002", "ask", 0, NULL);
    assert_refused(&w, AMOUNT_REQUIRED);
    submit(&w, NULL, "C000002", "ask", 1, "JPY");
    assert_accepted(&w);
    submit(&w, NULL, "C000003", "ask", 5, "XXX");
    assert_refused(&w, CURRENCY_UNKNOWN);
    submit(&w, NULL, "C000003", NULL, -5, "CHF");
    assert_refused(&w, AMOUNT_NOT_POSITIVE);
    submit(&w, NULL, "C000003", "gold", 5, "CHF");
    assert_refused(&w, TIER_UNKNOWN);
    submit(&w, NULL, "C000099", "duo", 0, NULL);
    assert_refused(&w, CONTRIBUTOR_UNKNOWN);
    submit(&w, NULL, "anna", "duo", 0, NULL);
    assert_refused(&w, FIELD_INVALID);
    world_fini(&w);
}

/* Who is first in the queue takes the slot himself, before time has given it to him. */
static void test_who_is_next_may_take_the_slot(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    submit(&w, NULL, "C000001", "top", 0, NULL);
    wait_in(&w, "top", "C000002");                /* P2 */
    submit(&w, NULL, "C000002", "many", 0, NULL); /* P3: he has a slot, and is passed over */
    withdraw(&w, "P000001");
    withdraw(&w, "P000003"); /* no more */
    hold(&w, "top", "C000002", 0);
    assert_accepted(&w);
    assert_string_equal(w.receipt->outcome->pledge, "P000004");
    assert_int_equal(w.ledger->pledge[1].stage, STAGE(WAITING));
    ledger_free(world_reloaded(w.ledger));
    world_fini(&w);
}

static void test_held_pledge_is_submitted_and_committed(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    hold(&w, "duo", "C000001", 0);
    submit(&w, "P000001", "C000002", NULL, 0, NULL);
    assert_refused(&w, FIELD_INVALID);
    submit(&w, "P000001", NULL, "top", 0, NULL);
    assert_refused(&w, FIELD_INVALID);
    submit(&w, "P000001", NULL, NULL, 0, NULL);
    assert_accepted(&w);
    assert_int_equal(w.ledger->pledge[0].amount, 15000000);
    pass(&w, 100 * DAY_US); /* a pledge does not expire */
    commit(&w, "P000001");
    assert_accepted(&w);
    commit(&w, "P000001");
    assert_refused(&w, STATE_WRONG);
    amend(&w, "P000001", 1, "CHF");
    assert_refused(&w, AMOUNT_NOT_TIER);
    amend(&w, "P000001", 16000000, "CHF");
    assert_accepted(&w);
    withdraw(&w, "P000001");
    assert_refused(&w, STATE_WRONG);
    cancel(&w, "P000001", 0);
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->remaining->count, 2);
    world_fini(&w);
}

static void test_change_of_tier_is_one_step(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 4);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    submit(&w, NULL, "C000002", "duo", 0, NULL);
    submit(&w, NULL, "C000003", "top", 0, NULL);
    wait_in(&w, "duo", "C000004");
    change_tier(&w, "P000001", "top", 0);
    assert_refused(&w, TIER_SOLD_OUT);
    assert_int_equal(w.ledger->pledge[0].tier, w.ledger->pledge[1].tier); /* kept */
    change_tier(&w, "P000001", "duo", 0);
    assert_refused(&w, SAME_TIER);
    pay(&w, "P000001", 15000000, "CHF", "");
    change_tier(&w, "P000001", "many", 0); /* 50,000 are less than what is allocated */
    assert_refused(&w, BELOW_ALLOCATED);
    change_tier(&w, "P000001", "many", 15000000);
    assert_accepted(&w);
    world_fini(&w);
}

static void test_change_of_tier_promotes_the_next(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 4);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    submit(&w, NULL, "C000002", "duo", 0, NULL);
    wait_in(&w, "duo", "C000004");
    change_tier(&w, "P000001", "top", 0);
    assert_accepted(&w);
    assert_int_equal(w.made, 3);
    assert_int_equal(w.ledger->pledge[0].amount, 25000000);
    assert_int_equal(w.ledger->pledge[2].stage, STAGE(HELD));
    world_fini(&w);
}

static void test_larger_capacity_promotes(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 4);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    submit(&w, NULL, "C000002", "duo", 0, NULL);
    wait_in(&w, "duo", "C000003");
    adopt(&w, test_catalogue(&w.arena, 2, 1));
    assert_refused(&w, CAPACITY_BELOW_TAKEN);
    adopt(&w, test_catalogue(&w.arena, 1, 3));
    assert_refused(&w, CATALOGUE_NOT_NEWER);
    adopt(&w, test_catalogue(&w.arena, 2, 3));
    assert_accepted(&w);
    pass(&w, 0);
    assert_int_equal(w.ledger->pledge[2].stage, STAGE(HELD));
    world_fini(&w);
}

static void test_names_are_unique(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    add_contributor(&w, "  MINISTRY   1 ");
    assert_refused(&w, CONTRIBUTOR_DUPLICATE);
    add_contributor(&w, "   ");
    assert_refused(&w, FIELD_REQUIRED);
    world_fini(&w);
}

static void test_nothing_without_a_catalogue(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    add_contributor(&w, "x");
    hold(&w, "duo", "C000001", 0);
    assert_refused(&w, CATALOGUE_UNKNOWN);
    assert_int_equal(w.code, PL_E_NOT_FOUND);
    world_fini(&w);
}

/* Offers end on the day they say, by the business date; what is held by then may still be
 * submitted, and a past event is a warning only. */
static void test_closed_offers(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    Pledged__V1__Catalogue *c = test_catalogue(&w.arena, 1, 2);
    c->closes = (char *)"2026-02-03";
    c->event = pl_arena_alloc(&w.arena, sizeof(*c->event));
    pledged__v1__event__init(c->event);
    c->event->n_name = 1;
    c->event->name = test_text(&w.arena, "forum");
    c->event->starts = c->event->ends = (char *)"2026-02-02";
    adopt(&w, c);
    assert_accepted(&w);
    for (int i = 1; i <= 3; i++) {
        char name[16];
        snprintf(name, sizeof(name), "x%d", i);
        add_contributor(&w, name);
    }
    hold(&w, "duo", "C000001", 0); /* 2 February */
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->n_warning, 0);
    w.now_us += DAY_US;
    submit(&w, NULL, "C000002", "many", 0, NULL); /* the last day, after the event */
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->warning[0]->kind, WARNING(EVENT_PAST));
    w.now_us += DAY_US;
    hold(&w, "duo", "C000003", 0);
    assert_refused(&w, TIER_CLOSED);
    assert_string_equal(w.refusal->arg[0]->value, "2026-02-03");
    submit(&w, NULL, "C000003", "duo", 0, NULL);
    assert_refused(&w, TIER_CLOSED);
    wait_in(&w, "duo", "C000003");
    assert_refused(&w, TIER_CLOSED);
    submit(&w, NULL, "C000003", NULL, 5, "CHF"); /* no offer */
    assert_accepted(&w);
    submit(&w, "P000001", NULL, NULL, 0, NULL);
    assert_accepted(&w);
    world_fini(&w);
}

static void test_refused_submissions_of_a_hold_are_its_history(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    hold(&w, "duo", "C000001", 0);
    submit(&w, "P000001", NULL, NULL, 5, "CHF");
    assert_refused(&w, AMOUNT_NOT_TIER);
    assert_int_equal(w.ledger->pledge[0].last_seq, w.refusal->seq);
    assert_int_equal(w.ledger->pledge[0].stage, STAGE(HELD));
    world_fini(&w);
}

/* While the clock is not believed nothing expires; a hold that is due is not made longer either. */
static void test_a_due_hold_is_not_extended(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    hold(&w, "duo", "C000001", 60);
    w.now_us = w.receipt->outcome->expires_us;
    extend_hold(&w, "P000001", 3600);
    assert_refused(&w, STATE_WRONG);
    world_fini(&w);
}

/* Whoever holds a slot was told until when. */
static void test_an_extension_ends_later(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    hold(&w, "duo", "C000001", 10 * 86400);
    uint64_t held = w.receipt->seq;
    int64_t ends_us = w.receipt->outcome->expires_us;
    extend_hold(&w, "P000001", 9 * 86400);
    assert_refused(&w, FIELD_INVALID);
    assert_string_equal(w.refusal->field, "extend.for_s");
    assert_int_equal(w.refusal->deciding_seq, held);
    assert_int_equal(w.refusal->n_arg, 3);
    assert_string_equal(w.refusal->arg[1]->name, "expires_us");
    assert_int_equal(strtoll(w.refusal->arg[1]->value, NULL, 10), ends_us);
    assert_string_equal(w.refusal->arg[2]->name, "asked_us");
    assert_in_range(ends_us - strtoll(w.refusal->arg[2]->value, NULL, 10), DAY_US - 1000,
                    DAY_US + 1000);
    assert_int_equal(w.ledger->pledge[0].expires_us, ends_us);
    assert_int_equal(w.ledger->pledge[0].extensions, 0); /* and none of them is used up */
    extend_hold(&w, "P000001", 11 * 86400);
    assert_accepted(&w);
    /* an older daemon's log may have shortened a hold; one of these rules has not */
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *entry = world_last(&w);
    entry->hold_extended->expires_us = ends_us;
    assert_true(pl_is_ok(ledger_check(before, entry)));
    before->policy.message->rules = 3;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    entry->hold_extended->expires_us++;
    assert_true(pl_is_ok(ledger_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

/* --- when a hold ends --- */

static void hold_until(struct world *w, const char *pledge, int64_t for_s, int64_t until_us)
{
    COMMAND_INIT_(command);
    Pledged__V1__Hold hold = PLEDGED__V1__HOLD__INIT;
    Pledged__V1__Extend extend = PLEDGED__V1__EXTEND__INIT;
    hold.tier = (char *)"many";
    hold.contributor = (char *)"C000001";
    extend.pledge = (char *)(uintptr_t)pledge;
    if (until_us != 0) {
        hold.until_case = PLEDGED__V1__HOLD__UNTIL_UNTIL_US;
        extend.until_case = PLEDGED__V1__EXTEND__UNTIL_UNTIL_US;
        hold.until_us = extend.until_us = until_us;
    } else if (for_s != 0) {
        hold.until_case = PLEDGED__V1__HOLD__UNTIL_FOR_S;
        extend.until_case = PLEDGED__V1__EXTEND__UNTIL_FOR_S;
        hold.for_s = extend.for_s = for_s;
    }
    command.command_case = pledge == NULL ? COMMAND(HOLD) : COMMAND(EXTEND);
    if (pledge == NULL)
        command.hold = &hold;
    else
        command.extend = &extend;
    give(w, &command);
}

static void test_a_hold_ends_at_a_moment_that_can_be(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    for (int held = 0; held <= 1; held++) {
        const char *pledge = held ? "P000001" : NULL;
        hold_until(&w, pledge, 0, w.now_us - 5);
        assert_refused(&w, FIELD_INVALID);
        hold_until(&w, pledge, 0, w.now_us + 400 * DAY_US);
        assert_refused(&w, HOLD_TOO_LONG);
        hold_until(&w, pledge, INT64_MAX, 0);
        assert_refused(&w, HOLD_TOO_LONG);
        hold_until(&w, pledge, INT64_MAX / 1000000, 0); /* with the time that it is, too much */
        assert_refused(&w, HOLD_TOO_LONG);
        hold_until(&w, pledge, 0, w.now_us + (1 + held) * DAY_US);
        assert_accepted(&w);
        assert_true(w.receipt->outcome->expires_us >= w.now_us + DAY_US - 1000000);
    }
    hold_until(&w, "P000001", 0, 0); /* as long as the catalogue says */
    assert_accepted(&w);
    world_fini(&w);
}

static void submit_held(struct world *w, const char *contributor, const char *tier, bool free_one)
{
    COMMAND_INIT_(command);
    Pledged__V1__Submit body = PLEDGED__V1__SUBMIT__INIT;
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    money.minor = 5000000;
    money.currency = (char *)"CHF";
    body.pledge = (char *)"P000001";
    body.contributor = (char *)(uintptr_t)contributor;
    body.amount = &money;
    if (tier != NULL) {
        body.offer_case = PLEDGED__V1__SUBMIT__OFFER_TIER;
        body.tier = (char *)(uintptr_t)tier;
    } else if (free_one) {
        body.offer_case = PLEDGED__V1__SUBMIT__OFFER_FREE;
        body.free = true;
    }
    command.command_case = COMMAND(SUBMIT);
    command.submit = &body;
    give(w, &command);
}

static void test_what_is_submitted_is_what_was_held(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    hold_until(&w, NULL, 86400, 0);
    submit_held(&w, "C000001", "nowhere", false);
    assert_refused(&w, TIER_UNKNOWN);
    submit_held(&w, "C000002", NULL, false);
    assert_int_not_equal(w.answer, LEDGER_ACCEPTED);
    submit_held(&w, "C000001", "duo", false);
    assert_int_not_equal(w.answer, LEDGER_ACCEPTED);
    submit_held(&w, "C000001", NULL, true);
    assert_int_not_equal(w.answer, LEDGER_ACCEPTED);
    submit(&w, NULL, "C000002", NULL, INT64_MAX - 10, "CHF");
    assert_accepted(&w);
    submit_held(&w, "C000001", "many", false);
    assert_refused(&w, SUM_OVERFLOW);
    withdraw(&w, "P000002");
    submit_held(&w, "C000001", "many", false);
    assert_accepted(&w);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_next_may_take_the_slot),
        cmocka_unit_test(test_two_slots_have_two_holders),
        cmocka_unit_test(test_hold_expires_exactly_and_is_written),
        cmocka_unit_test(test_queue_is_served_in_order_and_in_one_append),
        cmocka_unit_test(test_queue_skips_who_has_a_slot_already),
        cmocka_unit_test(test_one_live_slot_a_contributor),
        cmocka_unit_test(test_holds_have_limits),
        cmocka_unit_test(test_amounts_fit_the_tier),
        cmocka_unit_test(test_held_pledge_is_submitted_and_committed),
        cmocka_unit_test(test_change_of_tier_is_one_step),
        cmocka_unit_test(test_change_of_tier_promotes_the_next),
        cmocka_unit_test(test_larger_capacity_promotes),
        cmocka_unit_test(test_names_are_unique),
        cmocka_unit_test(test_nothing_without_a_catalogue),
        cmocka_unit_test(test_closed_offers),
        cmocka_unit_test(test_refused_submissions_of_a_hold_are_its_history),
        cmocka_unit_test(test_a_due_hold_is_not_extended),
        cmocka_unit_test(test_an_extension_ends_later),
        cmocka_unit_test(test_a_hold_ends_at_a_moment_that_can_be),
        cmocka_unit_test(test_what_is_submitted_is_what_was_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
