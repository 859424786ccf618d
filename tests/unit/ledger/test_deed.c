/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what was said to be done is undone once and exactly, and a saved state remembers both.
 */
#include "common/check.h"
#include "desk.h"
#include "server/ledger/benefit.h"
#include "server/ledger/deed.h"

/* A catalogue in which "duo" grants ten seats. */
static void seats_ready(struct world *world)
{
    Pledged__V1__Catalogue *c;
    world_init(world);
    c = test_catalogue(&world->arena, 1, 2);
    c->section = pl_arena_alloc(&world->arena, sizeof(*c->section));
    c->section[0] = pl_arena_alloc(&world->arena, sizeof(**c->section));
    pledged__v1__section__init(c->section[0]);
    c->section[0]->code = (char *)(uintptr_t) "VIS";
    c->section[0]->n_label = 1;
    c->section[0]->label = test_text(&world->arena, "places");
    c->n_section = 1;
    c->benefit = pl_arena_alloc(&world->arena, sizeof(*c->benefit));
    c->benefit[0] = pl_arena_alloc(&world->arena, sizeof(**c->benefit));
    pledged__v1__benefit__init(c->benefit[0]);
    c->benefit[0]->code = (char *)(uintptr_t) "VIS6";
    c->benefit[0]->section = (char *)(uintptr_t) "VIS";
    c->benefit[0]->n_label = 1;
    c->benefit[0]->label = test_text(&world->arena, "places");
    c->benefit[0]->phase = PLEDGED__V1__PHASE__PHASE_DURING;
    c->n_benefit = 1;
    c->grant = pl_arena_alloc(&world->arena, sizeof(*c->grant));
    c->grant[0] = pl_arena_alloc(&world->arena, sizeof(**c->grant));
    pledged__v1__grant__init(c->grant[0]);
    c->grant[0]->tier = (char *)(uintptr_t) "duo";
    c->grant[0]->benefit = (char *)(uintptr_t) "VIS6";
    c->grant[0]->quantity = 10;
    c->grant[0]->unit = PLEDGED__V1__UNIT__UNIT_SEAT;
    c->n_grant = 1;
    adopt(world, c);
    assert_accepted(world);
    add_contributor(world, "Ministry");
    submit(world, NULL, "C000001", "duo", 0, NULL);
    commit(world, "P000001");
    assert_accepted(world);
}

static void move(struct world *world, Pledged__V1__Command__CommandCase what, int64_t quantity)
{
    COMMAND_INIT_(command);
    Pledged__V1__ClaimBenefit claim = PLEDGED__V1__CLAIM_BENEFIT__INIT;
    Pledged__V1__DeclineBenefit decline = PLEDGED__V1__DECLINE_BENEFIT__INIT;
    Pledged__V1__DeliverBenefit deliver = PLEDGED__V1__DELIVER_BENEFIT__INIT;
    claim.pledge = decline.pledge = deliver.pledge = (char *)(uintptr_t) "P000001";
    claim.benefit = decline.benefit = deliver.benefit = (char *)(uintptr_t) "VIS6";
    claim.quantity = decline.quantity = deliver.quantity = quantity;
    command.command_case = what;
    if (what == COMMAND(CLAIM_BENEFIT))
        command.claim_benefit = &claim;
    else if (what == COMMAND(DECLINE_BENEFIT))
        command.decline_benefit = &decline;
    else
        command.deliver_benefit = &deliver;
    give(world, &command);
    assert_accepted(world);
}

static void assert_moved(const struct world *world, int64_t claimed, int64_t declined,
                         int64_t delivered)
{
    const struct state_fulfilment *row = benefit_of(world->ledger, 0, "VIS6");
    const struct state_fulfilment *sum = &world->ledger->benefit_sum[0];
    assert_int_equal(row->claimed, claimed);
    assert_int_equal(row->declined, declined);
    assert_int_equal(row->delivered, delivered);
    assert_int_equal(sum->claimed, claimed);
    assert_int_equal(sum->declined, declined);
    assert_int_equal(sum->delivered, delivered);
    struct ledger *again = world_reloaded(world->ledger);
    assert_same_state(world->ledger, again);
    assert_int_equal(again->benefit_sum[0].delivered, delivered);
    ledger_free(again);
}

static void test_each_kind_of_what_was_said_of_a_benefit(void **state)
{
    (void)state;
    static const Pledged__V1__Command__CommandCase whats[] = {
        COMMAND(CLAIM_BENEFIT), COMMAND(DECLINE_BENEFIT), COMMAND(DELIVER_BENEFIT)};
    struct world w;
    uint64_t seq[3];
    seats_ready(&w);
    for (int i = 0; i < 3; i++) {
        move(&w, whats[i], i + 1);
        seq[i] = w.ledger->size;
    }
    assert_moved(&w, 1, 2, 3);
    reverse(&w, seq[2]);
    assert_accepted(&w);
    assert_string_equal(w.receipt->outcome->benefit, "VIS6");
    assert_int_equal(w.receipt->outcome->benefit_quantity, -3);
    assert_int_equal(w.receipt->outcome->benefit_left, 8);
    assert_moved(&w, 1, 2, 0);
    uint64_t by = w.ledger->size;
    reverse(&w, seq[2]);
    assert_refused(&w, ALREADY_REVERSED);
    assert_int_equal(w.refusal->deciding_seq, by);
    reverse(&w, seq[1]);
    assert_moved(&w, 1, 0, 0);
    reverse(&w, seq[0]);
    assert_int_equal(w.receipt->outcome->benefit_left, 10);
    assert_moved(&w, 0, 0, 0);
    move(&w, COMMAND(DELIVER_BENEFIT), 10);
    reverse(&w, by);
    assert_refused(&w, NOT_REVERSIBLE); /* itself a reversal */
    world_fini(&w);
}

/* A commitment ends when all of it is handed over, or the partner does without. */
static void test_a_close_asks_for_what_is_owed(void **state)
{
    (void)state;
    struct world w;
    COMMAND_INIT_(command);
    Pledged__V1__Close body = PLEDGED__V1__CLOSE__INIT;
    seats_ready(&w);
    pay(&w, "P000001", 15000000, "CHF", "");
    move(&w, COMMAND(DELIVER_BENEFIT), 8);
    close_pledge(&w, "P000001");
    assert_refused(&w, OPEN_ITEMS);
    assert_int_equal(w.refusal->n_arg, 1);
    assert_string_equal(w.refusal->arg[0]->name, "benefits");
    assert_string_equal(w.refusal->arg[0]->value, "VIS6");
    body.pledge = (char *)(uintptr_t) "P000001";
    body.waive_benefits = true;
    command.command_case = COMMAND(CLOSE);
    command.close = &body;
    command.reason = (char *)(uintptr_t) "";
    give(&w, &command);
    assert_refused(&w, REASON_REQUIRED);
    command.reason = (char *)(uintptr_t) "they did not come";
    command.request_id.len = 0;
    struct ledger *before = world_before(&w, w.entry_count);
    assert_int_equal(before->pledge[0].stage, STAGE(COMMITTED));
    ledger_free(before);
    move(&w, COMMAND(DECLINE_BENEFIT), 1);
    close_pledge(&w, "P000001");
    assert_refused(&w, OPEN_ITEMS); /* one seat */
    give(&w, &command);
    assert_accepted(&w);
    assert_int_equal(w.ledger->pledge[0].stage, STAGE(CLOSED));
    world_fini(&w);
    seats_ready(&w);
    pay(&w, "P000001", 15000000, "CHF", "");
    move(&w, COMMAND(DELIVER_BENEFIT), 10);
    close_pledge(&w, "P000001");
    assert_accepted(&w);
    world_fini(&w);
}

static void test_a_refund_that_was_not_paid(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 16000000);
    refund(&w, "B000001", 600000, "CHF");
    refund_paid(&w, "R000001", 600000, "CHF", "OUT-1");
    uint64_t paid = w.ledger->size;
    reverse(&w, paid);
    assert_accepted(&w);
    assert_string_equal(w.receipt->outcome->refund, "R000001");
    assert_string_equal(w.receipt->outcome->bank_entry, "B000002");
    assert_int_equal(w.ledger->bank_entry[1].reversed, 1);
    assert_balanced(&w);
    reverse(&w, paid);
    assert_refused(&w, ALREADY_REVERSED);
    refund_paid(&w, "R000001", 600000, "CHF", "OUT-1"); /* the same reference, rightly now */
    assert_accepted(&w);
    assert_balanced(&w);
    reverse(&w, w.ledger->size);
    refund_cancel(&w, "R000001");
    assert_accepted(&w);
    assert_balanced(&w);
    struct state_tally sums = sums_by(w.ledger, STATE_BY_CURRENCY, "CHF", "CHF");
    assert_int_equal(sums.refunded, 0);
    assert_int_equal(sums.unallocated, 1000000);
    world_fini(&w);
}

static void test_replay_refuses_what_breaks_a_rule(void **state)
{
    (void)state;
    struct world w;
    seats_ready(&w);
    move(&w, COMMAND(DELIVER_BENEFIT), 3);
    reverse(&w, w.ledger->size);
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *entry = world_last(&w);
    assert_true(pl_is_ok(ledger_check(before, entry)));
    entry->reversed->quantity = 2;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    entry->reversed->quantity = 3;
    entry->reversed->benefit = (char *)(uintptr_t) "VIS7";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    entry->reversed->benefit = (char *)(uintptr_t) "VIS6";
    entry->reversed->refund = (char *)(uintptr_t) "R000001";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    ledger_free(before);
    assert_false(pl_is_ok(deed_check_reversed(w.ledger, entry->reversed, 0)));
    world_fini(&w);
    desk_ready(&w, 16000000);
    refund(&w, "B000001", 600000, "CHF");
    refund_paid(&w, "R000001", 600000, "CHF", "OUT-1");
    reverse(&w, w.ledger->size);
    before = world_before(&w, w.entry_count - 1);
    entry = world_last(&w);
    assert_true(pl_is_ok(ledger_check(before, entry)));
    entry->reversed->amount->minor--;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    entry->reversed->amount->minor++;
    entry->reversed->bank_entry = (char *)(uintptr_t) "B000001";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    entry->reversed->bank_entry = (char *)(uintptr_t) "B000002";
    entry->reversed->refund = (char *)(uintptr_t) "";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

static char *lend(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* The last entry is a reversal: with any one word changed, replay refuses it. */
static void assert_each_word_counts(struct world *w)
{
    struct ledger *before = world_before(w, w->entry_count - 1);
    Pledged__V1__Entry *entry = world_last(w);
    Pledged__V1__Reversed *fact = entry->reversed, good = *fact;
    Pledged__V1__Money other = PLEDGED__V1__MONEY__INIT;
    other.minor = 3;
    other.currency = lend("CHF");
    Pledged__V1__Reversed wrong[8];
    for (size_t i = 0; i < PL_COUNT(wrong); i++)
        wrong[i] = good;
    wrong[0].pledge = lend("P000099");
    wrong[1].bank_entry = lend("B000099");
    wrong[2].refund = lend("R000099");
    wrong[3].benefit = lend("VIS7");
    wrong[4].quantity = good.quantity + 1;
    wrong[5].amount = &other;
    wrong[6].deallocated = &other;
    wrong[7].target_seq = w->ledger->size + 5;
    assert_true(pl_is_ok(ledger_check(before, entry)));
    for (size_t i = 0; i < PL_COUNT(wrong); i++) {
        *fact = wrong[i];
        assert_false(pl_is_ok(ledger_check(before, entry)));
    }
    *fact = good;
    assert_false(pl_is_ok(ledger_check(w->ledger, entry))); /* it is reversed now */
    ledger_free(before);
}

static void test_each_word_of_a_reversal_counts(void **state)
{
    (void)state;
    struct world w;
    seats_ready(&w);
    move(&w, COMMAND(DELIVER_BENEFIT), 3);
    reverse(&w, w.ledger->size);
    assert_accepted(&w);
    assert_each_word_counts(&w);
    world_fini(&w);
    desk_ready(&w, 16000000);
    refund(&w, "B000001", 600000, "CHF");
    refund_paid(&w, "R000001", 600000, "CHF", "OUT-1");
    reverse(&w, w.ledger->size);
    assert_accepted(&w);
    assert_each_word_counts(&w);
    world_fini(&w);
    desk_ready(&w, 10000000);
    write_off(&w, "P000001", 0, NULL);
    reverse(&w, w.ledger->size);
    assert_accepted(&w);
    assert_each_word_counts(&w);
    world_fini(&w);
    desk_ready(&w, 14997500);
    accept_fee(&w, "B000001", "P000001", 0, NULL);
    assert_accepted(&w);
    reverse(&w, w.ledger->size);
    assert_accepted(&w);
    assert_each_word_counts(&w);
    world_fini(&w);
    desk_ready(&w, 10000000);
    write_off(&w, "P000001", 0, NULL);
    close_pledge(&w, "P000001");
    assert_accepted(&w);
    reverse_closing(&w, w.ledger->size);
    assert_accepted(&w);
    assert_each_word_counts(&w);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_of_what_was_said_of_a_benefit),
        cmocka_unit_test(test_a_close_asks_for_what_is_owed),
        cmocka_unit_test(test_a_refund_that_was_not_paid),
        cmocka_unit_test(test_replay_refuses_what_breaks_a_rule),
        cmocka_unit_test(test_each_word_of_a_reversal_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
