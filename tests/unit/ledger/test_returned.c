/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: money of a paid refund that the bank credits again makes the refund wait once more and is
 * nobody's to allocate; what did not arrive stays with the debit; only while nothing followed can
 * that be undone, and a log that says anything else is damaged.
 */
#include "desk.h"
#include "server/ledger/allocation.h"

#define KIND(name_)   PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_##name_
#define REFUND(name_) PLEDGED__V1__REFUND_STATE__REFUND_STATE_##name_

static const struct state_bank_entry *entry(const struct world *world, size_t number)
{
    return &world->ledger->bank_entry[number - 1];
}

static void refuses(const struct ledger *before, const Pledged__V1__Entry *entry)
{
    assert_false(pl_is_ok(ledger_check(before, entry)));
}

static void bring(struct world *world, const char *id, Pledged__V1__MovementKind kind,
                  int64_t minor, const char *end_to_end_id)
{
    Pledged__V1__Movement movement;
    a_movement(&movement, kind, minor, id);
    movement.end_to_end_id = (char *)(uintptr_t)end_to_end_id;
    give_bank(world, id, PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT, &movement, 1);
    assert_accepted(world);
}

/* R000001 of 3,000 was paid by the debit B000002, and 2,980 came back as B000003. */
static void returned_ready(struct world *world, int64_t arrived)
{
    desk_ready(world, 16000000);
    have_account(world);
    refund(world, "B000001", 300000, "CHF");
    bring(world, "OUT", KIND(PAYMENT), -300000, "R000001");
    assert_int_equal(world->ledger->refund[0].state, REFUND(PAID));
    bring(world, "BACK", KIND(RETURN), arrived, "R000001");
}

/* Banks add interest, or another payment: that is free like any money. */
static void test_more_than_the_refund_came(void **state)
{
    (void)state;
    struct world w;
    returned_ready(&w, 310000);
    int64_t unallocated = sums_by(w.ledger, STATE_BY_CURRENCY, "CHF", "CHF").unallocated;
    match_refund(&w, "B000003", "R000001");
    assert_accepted(&w);
    assert_int_equal(entry(&w, 3)->explained, 300000);
    assert_int_equal(allocation_free(entry(&w, 3)), 10000);
    assert_int_equal(entry(&w, 2)->allocated, 300000); /* nothing was kept */
    assert_int_equal(sums_by(w.ledger, STATE_BY_CURRENCY, "CHF", "CHF").unallocated,
                     unallocated - 300000);
    allocate(&w, "B000003", "P000002", 10000, "CHF", 0, NULL);
    assert_accepted(&w);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_it_waits_again(void **state)
{
    (void)state;
    struct world w;
    returned_ready(&w, 300000);
    struct state_tally before = sums_by(w.ledger, STATE_BY_CURRENCY, "CHF", "CHF");
    match_refund(&w, "B000003", "R000001");
    assert_accepted(&w);
    assert_string_equal(w.receipt->outcome->refund, "R000001");
    assert_string_equal(w.receipt->outcome->bank_entry, "B000003");
    assert_int_equal(world_last(&w)->fact_case, FACT(REFUND_RETURNED));
    assert_string_equal(world_last(&w)->refund_returned->pledge, "P000001");
    assert_string_equal(world_last(&w)->refund_returned->original, "B000002");
    assert_int_equal(w.ledger->refund[0].state, REFUND(ORDERED));
    assert_int_equal(entry(&w, 3)->explained, 300000);
    assert_int_equal(entry(&w, 2)->allocated, 300000); /* all of it is explained */
    struct state_tally after = sums_by(w.ledger, STATE_BY_CURRENCY, "CHF", "CHF");
    assert_int_equal(after.received, before.received - 300000);
    assert_int_equal(after.unallocated, before.unallocated - 300000);
    assert_int_equal(after.refunded, 300000);
    assert_balanced(&w);
    match_refund(&w, "B000003", "R000001");
    assert_refused(&w, REFUND_STATE);
    allocate(&w, "B000003", "P000002", 0, NULL, 0, NULL);
    assert_refused(&w, ENTRY_SPENT);
    bring(&w, "AGAIN", KIND(PAYMENT), -300000, "R000001"); /* the right account, now */
    assert_int_equal(w.ledger->refund[0].state, REFUND(PAID));
    assert_int_equal(w.ledger->refund[0].debit, 3);
    assert_balanced(&w);
    match_refund(&w, "B000003", "R000001"); /* it is spent: no money comes back twice */
    assert_refused(&w, ENTRY_SPENT);
    bring(&w, "BACK-2", KIND(PAYMENT), 300000, ""); /* nor does it stay there */
    match_reversal(&w, "B000005", "B000004");
    assert_accepted(&w);
    assert_int_equal(w.ledger->refund[0].state, REFUND(ORDERED));
    refund_cancel(&w, "R000001");
    assert_accepted(&w);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_less_arrives(void **state)
{
    (void)state;
    struct world w;
    returned_ready(&w, 298000);
    match_reversal(&w, "B000003", "B000002");
    assert_accepted(&w);
    uint64_t returned = w.receipt->seq;
    assert_int_equal(world_last(&w)->refund_returned->amount->minor, 300000);
    assert_int_equal(world_last(&w)->refund_returned->arrived->minor, 298000);
    assert_int_equal(entry(&w, 2)->allocated, 298000);
    assert_balanced(&w);
    book_charge(&w, "B000002"); /* what the banks kept */
    assert_accepted(&w);
    assert_int_equal(world_last(&w)->charge_booked->amount->minor, 2000);
    uint64_t charge = w.receipt->seq;
    assert_balanced(&w);
    reverse(&w, returned);
    assert_refused(&w, NOT_REVERSIBLE);
    reverse(&w, charge);
    reverse(&w, returned);
    assert_accepted(&w);
    assert_int_equal(w.ledger->refund[0].state, REFUND(PAID));
    assert_int_equal(w.ledger->refund[0].debit, 1);
    assert_int_equal(entry(&w, 2)->allocated, 300000);
    assert_int_equal(entry(&w, 3)->explained, 0);
    assert_balanced(&w);
    reverse(&w, returned);
    assert_refused(&w, ALREADY_REVERSED);
    world_fini(&w);
}

/* Of a credit that brings more, the rest waits for another explanation. */
static void test_more_arrives(void **state)
{
    (void)state;
    struct world w;
    returned_ready(&w, 300100);
    match_refund(&w, "B000003", "R000001");
    assert_accepted(&w);
    assert_int_equal(allocation_free(entry(&w, 3)), 100);
    assert_balanced(&w);
    book_charge(&w, "B000003");
    assert_accepted(&w);
    assert_int_equal(entry(&w, 3)->explained, 300100);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_what_brings_nothing_back(void **state)
{
    (void)state;
    struct world w;
    returned_ready(&w, 300000);
    refund(&w, "B000001", 5000, "CHF");
    refund_paid(&w, "R000002", 5000, "CHF", "OUT-2"); /* B000004, by hand */
    match_refund(&w, "B000003", "R000002");           /* nobody knows whether it left */
    assert_refused(&w, STATEMENT_CONFLICT);
    match_refund(&w, "B000001", "R000001"); /* it came before it went */
    assert_refused(&w, STATEMENT_CONFLICT);
    match_refund(&w, "B000003", "R000009");
    assert_refused(&w, REFUND_UNKNOWN);
    match_reversal(&w, "B000003", "B000001"); /* neither left */
    assert_refused(&w, STATEMENT_CONFLICT);
    bring(&w, "FEE", KIND(PAYMENT), -700, "");
    match_reversal(&w, "B000003", "B000005"); /* it paid no refund */
    assert_refused(&w, STATEMENT_CONFLICT);
    world_fini(&w);
}

static void test_a_debit_that_paid_two(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 16000000);
    have_account(&w);
    refund(&w, "B000001", 300000, "CHF");
    refund(&w, "B000001", 200000, "CHF");
    bring(&w, "OUT", KIND(PAYMENT), -500000, "");
    match_refund(&w, "B000002", "R000001");
    match_refund(&w, "B000002", "R000002");
    assert_accepted(&w);
    bring(&w, "BACK", KIND(RETURN), 500000, "");
    match_reversal(&w, "B000003", "B000002"); /* which of them? */
    assert_refused(&w, STATEMENT_CONFLICT);
    match_refund(&w, "B000003", "R000002");
    assert_accepted(&w);
    match_reversal(&w, "B000003", "B000002"); /* only one is left */
    assert_accepted(&w);
    assert_int_equal(w.ledger->refund[0].state, REFUND(ORDERED));
    assert_int_equal(allocation_free(entry(&w, 3)), 0);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_the_payment_is_not_undone_beneath_it(void **state)
{
    (void)state;
    struct world w;
    returned_ready(&w, 300000);
    uint64_t paid = w.ledger->deed[0].seq;
    match_refund(&w, "B000003", "R000001");
    uint64_t returned = w.receipt->seq;
    reverse(&w, paid);
    assert_refused(&w, ALREADY_REVERSED);
    bring(&w, "AGAIN", KIND(PAYMENT), -300000, "R000001");
    reverse(&w, returned); /* it is paid by another debit now */
    assert_refused(&w, NOT_REVERSIBLE);
    reverse(&w, paid);
    assert_refused(&w, ALREADY_REVERSED);
    reverse(&w, w.ledger->deed[2].seq);
    assert_accepted(&w);
    assert_balanced(&w);
    world_fini(&w);
}

/* A pledge is closed when nothing is to be paid back: it is a commitment again. */
static void test_a_closed_pledge_owes_again(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 15300000);
    have_account(&w);
    refund(&w, "B000001", 300000, "CHF");
    bring(&w, "OUT", KIND(PAYMENT), -300000, "R000001");
    close_pledge(&w, "P000001");
    assert_accepted(&w);
    bring(&w, "BACK", KIND(RETURN), 300000, "R000001");
    match_refund(&w, "B000003", "R000001");
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->stage, STAGE(COMMITTED));
    assert_int_equal(w.ledger->pledge[0].stage, STAGE(COMMITTED));
    assert_balanced(&w);
    Pledged__V1__Entry *last = world_last(&w);
    assert_int_equal(last->fact_case, FACT(REFUND_RETURNED));
    struct ledger *closed = world_before(&w, w.entry_count - 2);
    last->seq--;
    refuses(closed, last); /* while it is closed */
    last->seq++;
    ledger_free(closed);
    refund_cancel(&w, "R000001");
    assert_accepted(&w);
    world_fini(&w);
}

/* Banks give back the end-to-end id; the money is not taken for a payment, whatever else it says.
 */
static void test_it_waits_as_a_return(void **state)
{
    (void)state;
    struct world w;
    returned_ready(&w, 300000);
    bring(&w, "PLAIN", KIND(PAYMENT), 300000, "R000001");
    assert_int_equal(w.ledger->movement[entry(&w, 4)->movement].queue,
                     PLEDGED__V1__QUEUE_REASON__QUEUE_REASON_RETURN);
    bring(&w, "OTHER", KIND(PAYMENT), 300000, "R000002");
    assert_int_equal(w.ledger->movement[entry(&w, 5)->movement].queue,
                     PLEDGED__V1__QUEUE_REASON__QUEUE_REASON_NO_REFERENCE);
    world_fini(&w);
}

static void test_replay_refuses_what_breaks_a_rule(void **state)
{
    (void)state;
    struct world w;
    returned_ready(&w, 298000);
    match_refund(&w, "B000003", "R000001");
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *last = world_last(&w);
    Pledged__V1__RefundReturned *fact = last->refund_returned;
    Pledged__V1__RefundReturned was = *fact;
    assert_true(pl_is_ok(ledger_check(before, last)));
    fact->amount->minor--;
    refuses(before, last);
    fact->amount->minor++;
    fact->arrived->minor--;
    refuses(before, last);
    fact->arrived->minor++;
    fact->bank_entry = fact->original;
    refuses(before, last);
    fact->bank_entry = was.bank_entry;
    fact->original = fact->bank_entry;
    refuses(before, last);
    fact->original = was.original;
    fact->pledge = (char *)(uintptr_t) "P000002";
    refuses(before, last);
    fact->pledge = was.pledge;
    fact->value_date = (char *)(uintptr_t) "2026-02-01";
    refuses(before, last);
    fact->value_date = was.value_date;
    assert_true(pl_is_ok(ledger_check(before, last)));
    ledger_free(before);
    reverse(&w, w.receipt->seq);
    before = world_before(&w, w.entry_count - 1);
    last = world_last(&w);
    assert_true(pl_is_ok(ledger_check(before, last)));
    last->reversed->amount->minor++;
    refuses(before, last);
    last->reversed->amount->minor--;
    last->reversed->bank_entry = (char *)(uintptr_t) "B000002";
    refuses(before, last);
    ledger_free(before);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_waits_again),
        cmocka_unit_test(test_more_than_the_refund_came),
        cmocka_unit_test(test_less_arrives),
        cmocka_unit_test(test_more_arrives),
        cmocka_unit_test(test_what_brings_nothing_back),
        cmocka_unit_test(test_a_debit_that_paid_two),
        cmocka_unit_test(test_the_payment_is_not_undone_beneath_it),
        cmocka_unit_test(test_a_closed_pledge_owes_again),
        cmocka_unit_test(test_it_waits_as_a_return),
        cmocka_unit_test(test_replay_refuses_what_breaks_a_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
