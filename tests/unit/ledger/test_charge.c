/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what is left of a debit of a statement becomes a charge once, by whoever says so, and a
 * credit one that was given back; both are left again when that was wrong; nothing else becomes
 * one, and a log that says so is damaged.
 */
#include "desk.h"

#define KIND(name_) PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_##name_

/* B000002 to B000006: a fee, a credit, what details left over, a return, a debit of 3,000; R000001
 * of 2,950 waits. */
static void charges_ready(struct world *world)
{
    Pledged__V1__Movement movement[5];
    desk_ready(world, 16000000);
    have_account(world);
    refund(world, "B000001", 295000, "CHF");
    a_movement(&movement[0], KIND(PAYMENT), -1250, "X1");
    a_movement(&movement[1], KIND(PAYMENT), 1250, "X2");
    a_movement(&movement[2], KIND(CHARGE), -2600, "X3");
    a_movement(&movement[3], KIND(RETURN), -700, "X4");
    a_movement(&movement[4], KIND(PAYMENT), -300000, "X5");
    give_bank(world, "A", PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT, movement, 5);
    assert_accepted(world);
}

static const struct state_bank_entry *entry(const struct world *world, size_t number)
{
    return &world->ledger->bank_entry[number - 1];
}

static uint64_t charged_by(const struct world *world, size_t number)
{
    return world->ledger->movement[entry(world, number)->movement].charge_seq;
}

static void test_a_charge_explains_a_debit(void **state)
{
    (void)state;
    struct world w;
    charges_ready(&w);
    book_charge(&w, "B000002");
    assert_accepted(&w);
    assert_string_equal(w.receipt->outcome->bank_entry, "B000002");
    assert_int_equal(entry(&w, 2)->allocated, 1250);
    assert_int_equal(charged_by(&w, 2), w.receipt->seq);
    assert_string_equal(world_last(&w)->charge_booked->value_date, "2026-02-02");
    assert_balanced(&w);
    book_charge(&w, "B000002");
    assert_refused(&w, ENTRY_SPENT);
    book_charge(&w, "B000004");
    assert_accepted(&w);
    assert_balanced(&w);
    struct ledger *again = world_reloaded(w.ledger);
    assert_same_state(w.ledger, again);
    assert_int_equal(again->movement[again->bank_entry[3].movement].charge_seq, w.receipt->seq);
    ledger_free(again);
    world_fini(&w);
}

static void test_what_is_no_charge(void **state)
{
    (void)state;
    struct world w;
    charges_ready(&w);
    book_charge(&w, "B000001"); /* typed by hand, a credit */
    assert_refused(&w, STATEMENT_CONFLICT);
    book_charge(&w, "B000005"); /* a return */
    assert_refused(&w, STATEMENT_CONFLICT);
    book_charge(&w, "B000099");
    assert_refused(&w, BANK_ENTRY_UNKNOWN);
    book_charge(&w, "X");
    assert_refused(&w, FIELD_INVALID);
    world_fini(&w);
}

/* A credit for no pledge: the bank gave back what it took before. It is no contribution. */
static void test_given_back(void **state)
{
    (void)state;
    struct world w;
    charges_ready(&w);
    struct state_tally before = sums_by(w.ledger, STATE_BY_CURRENCY, "CHF", "CHF");
    book_charge(&w, "B000003");
    assert_accepted(&w);
    uint64_t booked = w.receipt->seq;
    assert_int_equal(world_last(&w)->charge_booked->amount->minor, 1250);
    assert_int_equal(entry(&w, 3)->explained, 1250);
    assert_int_equal(entry(&w, 3)->allocated, 0);
    assert_int_equal(charged_by(&w, 3), booked);
    struct state_tally after = sums_by(w.ledger, STATE_BY_CURRENCY, "CHF", "CHF");
    assert_int_equal(after.received, before.received - 1250);
    assert_int_equal(after.unallocated, before.unallocated - 1250);
    assert_balanced(&w);
    struct ledger *again = world_reloaded(w.ledger);
    assert_int_equal(again->movement[again->bank_entry[2].movement].charge_seq, booked);
    ledger_free(again);
    book_charge(&w, "B000003");
    assert_refused(&w, ENTRY_SPENT);
    allocate(&w, "B000003", "P000002", 0, NULL, 0, NULL);
    assert_refused(&w, ENTRY_SPENT);
    refund(&w, "B000003", 0, NULL);
    assert_refused(&w, OVER_REFUND);
    reverse(&w, booked);
    assert_accepted(&w);
    assert_int_equal(entry(&w, 3)->explained, 0);
    assert_int_equal(charged_by(&w, 3), 0);
    assert_balanced(&w);
    allocate(&w, "B000003", "P000002", 250, "CHF", 0, NULL); /* it was a gift after all */
    assert_accepted(&w);
    book_charge(&w, "B000003"); /* and is not both */
    assert_refused(&w, STATEMENT_CONFLICT);
    world_fini(&w);
}

static void test_what_a_refund_leaves(void **state)
{
    (void)state;
    struct world w;
    charges_ready(&w);
    match_refund(&w, "B000006", "R000001");
    assert_accepted(&w);
    book_charge(&w, "B000006");
    assert_accepted(&w);
    assert_int_equal(world_last(&w)->charge_booked->amount->minor, 5000);
    assert_int_equal(entry(&w, 6)->allocated, 300000);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_undone_it_waits_again(void **state)
{
    (void)state;
    struct world w;
    charges_ready(&w);
    book_charge(&w, "B000006");
    uint64_t booked = w.receipt->seq;
    reverse(&w, booked);
    assert_accepted(&w);
    assert_string_equal(w.receipt->outcome->bank_entry, "B000006");
    assert_int_equal(entry(&w, 6)->allocated, 0);
    assert_int_equal(charged_by(&w, 6), 0);
    assert_balanced(&w);
    reverse(&w, booked);
    assert_refused(&w, ALREADY_REVERSED);
    match_refund(&w, "B000006", "R000001"); /* what it was */
    assert_accepted(&w);
    book_charge(&w, "B000006");
    assert_accepted(&w);
    assert_balanced(&w);
    world_fini(&w);
}

/* What is left twice is a charge twice; each is undone by itself. */
static void test_charged_twice(void **state)
{
    (void)state;
    struct world w;
    charges_ready(&w);
    match_refund(&w, "B000006", "R000001");
    uint64_t paid = w.receipt->seq;
    book_charge(&w, "B000006");
    uint64_t first = w.receipt->seq;
    reverse(&w, paid);
    book_charge(&w, "B000006");
    assert_accepted(&w);
    assert_int_equal(charged_by(&w, 6), w.receipt->seq);
    reverse(&w, w.receipt->seq);
    assert_accepted(&w);
    assert_int_equal(charged_by(&w, 6), first);
    assert_balanced(&w);
    reverse(&w, first);
    assert_int_equal(charged_by(&w, 6), 0);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_replay_refuses_what_breaks_a_rule(void **state)
{
    (void)state;
    struct world w;
    charges_ready(&w);
    book_charge(&w, "B000002");
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *last = world_last(&w);
    assert_true(pl_is_ok(ledger_check(before, last)));
    last->charge_booked->amount->minor--;
    assert_false(pl_is_ok(ledger_check(before, last)));
    last->charge_booked->amount->minor++;
    last->charge_booked->bank_entry = (char *)(uintptr_t) "B000001"; /* by hand */
    assert_false(pl_is_ok(ledger_check(before, last)));
    last->charge_booked->bank_entry = (char *)(uintptr_t) "B000002";
    last->charge_booked->value_date = (char *)(uintptr_t) "2026-02-03";
    assert_false(pl_is_ok(ledger_check(before, last)));
    ledger_free(before);
    reverse(&w, w.receipt->seq);
    before = world_before(&w, w.entry_count - 1);
    last = world_last(&w);
    assert_true(pl_is_ok(ledger_check(before, last)));
    last->reversed->amount->minor++;
    assert_false(pl_is_ok(ledger_check(before, last)));
    last->reversed->amount->minor--;
    last->reversed->bank_entry = (char *)(uintptr_t) "B000004";
    assert_false(pl_is_ok(ledger_check(before, last)));
    ledger_free(before);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_charge_explains_a_debit),
        cmocka_unit_test(test_what_is_no_charge),
        cmocka_unit_test(test_given_back),
        cmocka_unit_test(test_what_a_refund_leaves),
        cmocka_unit_test(test_undone_it_waits_again),
        cmocka_unit_test(test_charged_twice),
        cmocka_unit_test(test_replay_refuses_what_breaks_a_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
