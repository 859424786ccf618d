/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: without a plan the wrapper is invisible; with one, exactly the planned append goes wrong in
 * exactly the planned way.
 */
#include "conformance.h"

static int setup_over_mem(void **state)
{
    struct store *inner = NULL, *store = NULL;
    assert_true(pl_is_ok(mem_open(&inner)));
    assert_true(pl_is_ok(fault_open(inner, &store)));
    return driver_setup(state, store, NULL);
}

static int setup_over_file(void **state)
{
    struct store *inner = NULL, *store = NULL;
    struct file_report report;
    char *dir = dir_new();
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &inner)));
    assert_true(pl_is_ok(fault_open(inner, &store)));
    return driver_setup(state, store, dir);
}

static void test_every_outcome_can_be_planned(void **state)
{
    struct driver *d = *state;
    struct store_batch batch;
    static const enum store_outcome outcomes[] = {
        STORE_CONFLICT, STORE_FENCED,   STORE_UNKNOWN, STORE_UNAVAILABLE,
        STORE_TOO_BIG,  STORE_NO_SPACE, STORE_CORRUPT,
    };
    for (unsigned i = 0; i < PL_COUNT(outcomes); i++)
        fault_plan(d->store, i, (struct fault){.kind = FAULT_NOT_APPLIED, .outcome = outcomes[i]});
    next_batch(d->store, 1, 10, &d->body, &batch);
    for (unsigned i = 0; i < PL_COUNT(outcomes); i++) {
        assert_int_equal(append_wait(d->store, &batch, i % 2 == 0), outcomes[i]);
        assert_int_equal(count_batches(d->store), 0);
        assert_int_equal(fault_appends(d->store), i + 1);
    }
    assert_int_equal(append_wait(d->store, &batch, true), STORE_DURABLE);
    assert_int_equal(count_batches(d->store), 1);
}

static void test_the_nth_append_from_now(void **state)
{
    struct driver *d = *state;
    struct store_batch batch;
    append_some(d->store, 3, 1, 10);
    fault_plan(d->store, 2,
               (struct fault){.kind = FAULT_NOT_APPLIED, .outcome = STORE_UNAVAILABLE});
    append_some(d->store, 2, 1, 10);
    next_batch(d->store, 1, 10, &d->body, &batch);
    assert_int_equal(append_wait(d->store, &batch, true), STORE_UNAVAILABLE);
    assert_int_equal(append_wait(d->store, &batch, true), STORE_DURABLE);
}

static void test_unknown_but_applied_resolves(void **state)
{
    struct driver *d = *state;
    struct store_batch batch, other;
    fault_plan(d->store, 0, (struct fault){.kind = FAULT_APPLIED_UNKNOWN});
    next_batch(d->store, 1, 10, &d->body, &batch);
    assert_int_equal(append_wait(d->store, &batch, false), STORE_UNKNOWN);
    assert_int_equal(count_batches(d->store), 1); /* it is there all the same */
    other = batch;
    other.time_us++;
    store_batch_seal(&other);
    assert_int_equal(append_wait(d->store, &other, false), STORE_CONFLICT); /* not the same bytes */
    assert_int_equal(append_wait(d->store, &batch, false), STORE_DURABLE);
    assert_int_equal(count_batches(d->store), 1);
}

static void test_unknown_and_not_applied_resolves(void **state)
{
    struct driver *d = *state;
    struct store_batch batch;
    fault_plan(d->store, 0, (struct fault){.kind = FAULT_NOT_APPLIED, .outcome = STORE_UNKNOWN});
    next_batch(d->store, 1, 10, &d->body, &batch);
    assert_int_equal(append_wait(d->store, &batch, true), STORE_UNKNOWN);
    assert_int_equal(count_batches(d->store), 0);
    assert_int_equal(append_wait(d->store, &batch, true), STORE_DURABLE);
    assert_int_equal(count_batches(d->store), 1);
}

static void test_a_real_failure_is_not_covered_up(void **state)
{
    struct driver *d = *state;
    struct store_batch batch;
    fault_plan(d->store, 0, (struct fault){.kind = FAULT_APPLIED_UNKNOWN});
    next_batch(d->store, 1, 10, &d->body, &batch);
    batch.number = 5;
    store_batch_seal(&batch);
    assert_int_equal(append_wait(d->store, &batch, true), STORE_CONFLICT);
}

static void test_completions_come_late(void **state)
{
    struct driver *d = *state;
    struct store_batch batch;
    struct outcome outcome = {.done = false};
    fault_plan(d->store, 0,
               (struct fault){.kind = FAULT_NOT_APPLIED, .outcome = STORE_UNAVAILABLE, .delay = 3});
    next_batch(d->store, 1, 10, &d->body, &batch);
    store_append(d->store, &batch, true, on_done, &outcome);
    for (int i = 0; i < 3; i++) {
        store_dispatch(d->store);
        assert_false(outcome.done);
    }
    store_dispatch(d->store);
    assert_true(outcome.done);
}

static void test_a_completion_waits_to_be_told(void **state)
{
    struct driver *d = *state;
    struct store_batch batch;
    struct outcome outcome = {.done = false};
    assert_false(fault_release(d->store));
    fault_plan(d->store, 0, (struct fault){.delay = FAULT_UNTIL_TOLD});
    next_batch(d->store, 1, 10, &d->body, &batch);
    store_append(d->store, &batch, true, on_done, &outcome);
    for (int i = 0; i < 1000; i++)
        store_dispatch(d->store);
    assert_false(outcome.done);
    struct pollfd fd = {.fd = store_fd(d->store), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 0), 0); /* and nobody is kept busy */
    assert_true(fault_release(d->store));
    assert_int_equal(finish(d->store, &outcome), STORE_DURABLE);
    assert_false(fault_release(d->store));
}

static void test_room_can_be_taken_away(void **state)
{
    struct driver *d = *state;
    assert_true(pl_is_ok(store_has_room(d->store, 1)));
    fault_set_room(d->store, pl_fail(NO_SPACE, "write"));
    assert_int_equal(store_has_room(d->store, 1).code, PL_E_NO_SPACE);
    fault_set_room(d->store, pl_ok());
    assert_true(pl_is_ok(store_has_room(d->store, 1)));
}

/* The engine below is slow, and the completion waits to be told all the same. */
static void test_to_be_told_after_a_slow_engine(void **state)
{
    struct driver *d = *state;
    struct store *outer = NULL;
    struct store_batch batch;
    struct outcome outcome = {.done = false};
    fault_plan(d->store, 0, (struct fault){.delay = 3});
    assert_true(pl_is_ok(fault_open(d->store, &outer)));
    d->store = outer;
    fault_plan(outer, 0, (struct fault){.delay = FAULT_UNTIL_TOLD});
    next_batch(outer, 1, 10, &d->body, &batch);
    store_append(outer, &batch, true, on_done, &outcome);
    for (int i = 0; i < 20; i++)
        store_dispatch(outer);
    assert_false(outcome.done);
    assert_true(fault_release(outer));
    assert_int_equal(finish(outer, &outcome), STORE_DURABLE);
    store_append(outer, &batch, true, on_done, &(struct outcome){.done = false});
    assert_false(fault_release(outer)); /* this one waits for nobody */
    store_dispatch(outer);
    assert_int_equal(count_batches(outer), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONFORMANCE(setup_over_mem),
        CONFORMANCE(setup_over_file),
        CONFORMS(test_every_outcome_can_be_planned, setup_over_mem),
        CONFORMS(test_the_nth_append_from_now, setup_over_mem),
        CONFORMS(test_unknown_but_applied_resolves, setup_over_mem),
        CONFORMS(test_unknown_but_applied_resolves, setup_over_file),
        CONFORMS(test_unknown_and_not_applied_resolves, setup_over_mem),
        CONFORMS(test_unknown_and_not_applied_resolves, setup_over_file),
        CONFORMS(test_a_real_failure_is_not_covered_up, setup_over_mem),
        CONFORMS(test_completions_come_late, setup_over_mem),
        CONFORMS(test_a_completion_waits_to_be_told, setup_over_mem),
        CONFORMS(test_room_can_be_taken_away, setup_over_mem),
        CONFORMS(test_to_be_told_after_a_slow_engine, setup_over_mem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
