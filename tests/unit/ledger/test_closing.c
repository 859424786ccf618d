/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a commitment is closed only when nothing of it is open, and the refusal says what is.
 */
#include "common/check.h"
#include "desk.h"
#include "server/ledger/closing.h"

static const char *arg(const struct world *w, const char *name)
{
    for (size_t i = 0; i < w->refusal->n_arg; i++) {
        if (strcmp(w->refusal->arg[i]->name, name) == 0)
            return w->refusal->arg[i]->value;
    }
    return NULL;
}

static void test_says_what_is_open(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 10000000);
    close_pledge(&w, "P000002");
    assert_refused(&w, STATE_WRONG);
    close_pledge(&w, "P000001");
    assert_refused(&w, OPEN_ITEMS);
    assert_string_equal(arg(&w, "outstanding_minor"), "5000000");
    pay(&w, "P000001", 6000000, "CHF", "");
    pay(&w, "P000001", 7, "USD", "");
    close_pledge(&w, "P000001");
    assert_refused(&w, OPEN_ITEMS);
    assert_null(arg(&w, "outstanding_minor"));
    assert_string_equal(arg(&w, "unallocated_minor"), "1000000");
    assert_string_equal(arg(&w, "payments_in_other_currency"), "1");
    refund(&w, "B000002", 0, NULL);
    refund(&w, "B000003", 0, NULL);
    close_pledge(&w, "P000001");
    assert_string_equal(arg(&w, "refunds"), "2");
    refund_paid(&w, "R000001", 1000000, "CHF", "");
    refund_paid(&w, "R000002", 7, "USD", "");
    close_pledge(&w, "P000001");
    assert_accepted(&w);
    assert_int_equal(w.ledger->pledge[0].stage, STAGE(CLOSED));
    assert_int_equal(w.receipt->outcome->stage, STAGE(CLOSED));
    assert_int_equal(w.ledger->tier[1].closed, 1); /* it keeps its place */
    assert_balanced(&w);
    close_pledge(&w, "P000001");
    assert_refused(&w, STATE_WRONG);
    pay(&w, "P000001", 5, "CHF", ""); /* never refused, never counted as paid for it */
    assert_accepted(&w);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_written_off_is_done(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 10000000);
    write_off(&w, "P000001", 0, NULL);
    close_pledge(&w, "P000001");
    assert_accepted(&w);
    assert_balanced(&w);
    struct ledger *before = world_before(&w, w.entry_count - 2); /* before the write-off */
    Pledged__V1__Entry *entry = world_last(&w);
    assert_false(pl_is_ok(closing_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

/* Each of them by itself is enough. */
static void test_one_open_item_is_enough(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 15000000);
    pay(&w, "P000001", 100, "CHF", "");
    close_pledge(&w, "P000001");
    assert_refused(&w, OPEN_ITEMS); /* free money */
    refund(&w, "B000002", 0, NULL);
    assert_accepted(&w);
    close_pledge(&w, "P000001");
    assert_refused(&w, OPEN_ITEMS); /* a refund that is ordered */
    refund_paid(&w, "R000001", 100, "CHF", "");
    pay(&w, "P000001", 100, "USD", "");
    close_pledge(&w, "P000001");
    assert_refused(&w, OPEN_ITEMS); /* money in another currency */
    refund(&w, "B000004", 0, NULL);
    refund_paid(&w, "R000002", 100, "USD", "");
    close_pledge(&w, "P000001");
    assert_accepted(&w);
    world_fini(&w);
}

/* While it is closed nothing takes away what it was closed for; the closing can be taken back. */
static void test_what_a_closing_rests_on_stays(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 14000000);
    uint64_t paid = w.receipt->seq, allocated = paid + 1;
    write_off(&w, "P000001", 0, NULL);
    uint64_t off = w.receipt->seq;
    close_pledge(&w, "P000001");
    uint64_t closing = w.receipt->seq;
    const uint64_t rests[] = {paid, allocated, off};
    for (size_t i = 0; i < PL_COUNT(rests); i++) {
        reverse(&w, rests[i]);
        assert_refused(&w, STATE_WRONG);
        assert_string_equal(w.refusal->field, "reverse.seq");
        assert_int_equal(w.refusal->deciding_seq, closing);
    }
    pay(&w, "P000001", 5, "CHF", ""); /* came later: no closing rests on it */
    reverse(&w, w.receipt->seq);
    assert_accepted(&w);
    assert_int_equal(w.ledger->pledge[0].stage, STAGE(CLOSED));
    reverse(&w, closing);
    assert_refused(&w, PERMISSION_DENIED); /* a clerk closes nothing, and opens nothing */
    assert_int_equal(w.refusal->deciding_seq, closing);
    reverse_closing(&w, closing);
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->stage, STAGE(COMMITTED));
    assert_int_equal(w.ledger->pledge[0].stage, STAGE(COMMITTED));
    assert_int_equal(w.ledger->tier[1].closed, 0);
    assert_int_equal(w.ledger->tier[1].committed, 1); /* it has its place all the time */
    assert_balanced(&w);
    uint64_t opened = w.receipt->seq;
    reverse(&w, closing);
    assert_refused(&w, ALREADY_REVERSED);
    assert_int_equal(w.refusal->deciding_seq, opened);
    reverse(&w, off);
    assert_accepted(&w);
    close_pledge(&w, "P000001");
    assert_refused(&w, OPEN_ITEMS);
    pay(&w, "P000001", 1000000, "CHF", "");
    close_pledge(&w, "P000001"); /* and again */
    assert_accepted(&w);
    assert_balanced(&w);
    reverse_closing(&w, w.receipt->seq);
    assert_accepted(&w);
    assert_balanced(&w);
    world_fini(&w);
}

/* A log of these rules in which a closed pledge loses its money is CORRUPT; so is an opening that
 * says more than that. */
static void test_replay_knows_what_a_closing_rests_on(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 14000000);
    uint64_t paid = w.receipt->seq;
    write_off(&w, "P000001", 0, NULL);
    uint64_t off = w.receipt->seq;
    close_pledge(&w, "P000001");
    uint64_t closing = w.receipt->seq;
    size_t closed = w.entry_count;
    reverse_closing(&w, closing);
    Pledged__V1__Entry *opened = world_last(&w);
    struct ledger *before = world_before(&w, closed);
    before->policy.message->rules = 3;
    assert_true(pl_is_ok(ledger_check(before, opened)));
    opened->reversed->bank_entry = (char *)(uintptr_t) "B000001";
    assert_false(pl_is_ok(ledger_check(before, opened)));
    opened->reversed->bank_entry = (char *)(uintptr_t) "";
    opened->reversed->pledge = (char *)(uintptr_t) "P000002";
    opened->prev_seq = before->pledge[1].last_seq;
    assert_false(pl_is_ok(ledger_check(before, opened)));
    const uint64_t rests[] = {off, paid + 1, paid};
    for (size_t i = 0; i < PL_COUNT(rests); i++) {
        reverse(&w, rests[i]);
        assert_accepted(&w);
        Pledged__V1__Entry *undone = world_last(&w);
        undone->seq = before->size + 1;
        undone->prev_seq = before->pledge[0].last_seq;
        if (rests[i] == paid) /* on this ledger it is still allocated */
            undone->reversed->deallocated->minor = before->bank_entry[0].allocated;
        before->policy.message->rules = 3;
        assert_false(pl_is_ok(ledger_check(before, undone)));
        before->policy.message->rules = 2; /* as daemons of older rules had it */
        assert_true(pl_is_ok(ledger_check(before, undone)));
    }
    ledger_free(before);
    world_fini(&w);
}

/* Nothing was to be paid back any more when it was closed; what came later is another matter. */
static void test_a_refund_that_a_closing_rests_on(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 15000100);
    refund(&w, "B000001", 100, "CHF");
    refund_paid(&w, "R000001", 100, "CHF", "");
    uint64_t paid = w.ledger->size;
    close_pledge(&w, "P000001");
    assert_accepted(&w);
    uint64_t closing = w.receipt->seq;
    size_t closed = w.entry_count;
    reverse(&w, paid);
    assert_refused(&w, STATE_WRONG);
    assert_int_equal(w.refusal->deciding_seq, closing);
    pay(&w, "P000001", 5, "CHF", "");
    refund(&w, "B000003", 5, "CHF");
    refund_paid(&w, "R000002", 5, "CHF", "");
    reverse(&w, w.ledger->size);
    assert_accepted(&w);
    reverse_closing(&w, closing);
    reverse(&w, paid);
    assert_accepted(&w);
    assert_balanced(&w);
    Pledged__V1__Entry *undone = world_last(&w);
    struct ledger *before = world_before(&w, closed);
    undone->seq = before->size + 1;
    undone->prev_seq = before->pledge[0].last_seq;
    before->policy.message->rules = 3; /* which let that through */
    assert_true(pl_is_ok(ledger_check(before, undone)));
    before->policy.message->rules = 4;
    assert_false(pl_is_ok(ledger_check(before, undone)));
    ledger_free(before);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_what_is_open),
        cmocka_unit_test(test_written_off_is_done),
        cmocka_unit_test(test_one_open_item_is_enough),
        cmocka_unit_test(test_what_a_closing_rests_on_stays),
        cmocka_unit_test(test_a_refund_that_a_closing_rests_on),
        cmocka_unit_test(test_replay_knows_what_a_closing_rests_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
