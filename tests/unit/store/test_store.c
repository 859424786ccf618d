/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: one conformance suite for every driver: compare-and-append, one completion each, reading
 * what was appended, room.
 */
#include "fixture.h"

struct driver {
    const char *name;
    struct store *store;
    char *dir;
};

static int setup_file(void **state)
{
    struct driver *d = calloc(1, sizeof(*d));
    struct file_report report;
    d->name = "file";
    d->dir = dir_new();
    assert_true(pl_is_ok(open_file(d->dir, false, 0, &report, &d->store)));
    *state = d;
    return 0;
}

static int setup_mem(void **state)
{
    struct driver *d = calloc(1, sizeof(*d));
    d->name = "mem";
    assert_true(pl_is_ok(mem_open(&d->store)));
    *state = d;
    return 0;
}

static int setup_fault(void **state)
{
    struct driver *d = calloc(1, sizeof(*d));
    struct store *inner = NULL;
    d->name = "fault";
    assert_true(pl_is_ok(mem_open(&inner)));
    assert_true(pl_is_ok(fault_open(inner, &d->store)));
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct driver *d = *state;
    store_close(d->store);
    if (d->dir != NULL)
        dir_remove(d->dir);
    free(d);
    return 0;
}

static void test_empty_log_has_a_head(void **state)
{
    struct driver *d = *state;
    struct store_head head;
    store_head(d->store, &head);
    assert_int_equal(head.batch, 0);
    assert_int_equal(head.next_seq, 1);
    assert_int_equal(count_batches(d->store), 0);
}

static void test_appends_are_read_back(void **state)
{
    struct driver *d = *state;
    append_some(d->store, 20, 7, 100);
    append_some(d->store, 3, 0, 0); /* barriers */
    append_some(d->store, 2, 1, 60000);
    assert_int_equal(count_batches(d->store), 25);
    struct store_head head;
    store_head(d->store, &head);
    assert_int_equal(head.batch, 25);
    assert_int_equal(head.next_seq, 143);
}

static void test_only_the_next_batch_is_taken(void **state)
{
    struct driver *d = *state;
    struct pl_buf body;
    struct store_batch batch;
    pl_buf_init(&body, STORE_BATCH_BYTES_MAX);
    append_some(d->store, 2, 1, 10);
    next_batch(d->store, 1, 10, &body, &batch);
    batch.number++; /* a gap */
    store_batch_seal(&batch);
    assert_int_equal(append_wait(d->store, &batch, false), STORE_CONFLICT);
    batch.number -= 2; /* taken */
    store_batch_seal(&batch);
    assert_int_equal(append_wait(d->store, &batch, false), STORE_CONFLICT);
    next_batch(d->store, 1, 10, &body, &batch);
    batch.prev[0] ^= 1; /* built on something else */
    store_batch_seal(&batch);
    assert_int_equal(append_wait(d->store, &batch, true), STORE_CONFLICT);
    next_batch(d->store, 1, 10, &body, &batch);
    batch.epoch = 0;
    store_batch_seal(&batch);
    assert_int_equal(append_wait(d->store, &batch, true), STORE_FENCED);
    assert_int_equal(count_batches(d->store), 2);
    append_some(d->store, 1, 1, 10); /* none of it stands in the way */
    pl_buf_fini(&body);
}

static void test_readers_find_any_entry(void **state)
{
    struct driver *d = *state;
    struct store_reader *reader = NULL;
    assert_true(pl_is_ok(store_reader_open(d->store, &reader)));
    append_some(d->store, 50, 3, 2000);
    for (uint64_t seq = 150; seq >= 1; seq -= 7) {
        struct seen seen = {.next = seq};
        assert_true(pl_is_ok(store_reader_read(reader, seq, 150, see_entry, &seen)));
        assert_int_equal(seen.next, 151);
        if (seq < 8)
            break;
    }
    struct seen none = {.next = 151};
    assert_int_equal(store_reader_read(reader, 151, 151, see_entry, &none).code, PL_E_NOT_FOUND);
    append_some(d->store, 1, 1, 30);
    assert_true(pl_is_ok(store_reader_read(reader, 151, 151, see_entry, &none)));
    store_reader_close(reader);
}

static struct pl_status stop_at_once(void *arg, uint64_t seq, struct pl_slice entry)
{
    (void)entry;
    *(uint64_t *)arg = seq;
    return pl_fail(BUSY, "enough");
}

static void test_a_reader_that_stops_is_told_so(void **state)
{
    struct driver *d = *state;
    struct store_reader *reader = NULL;
    uint64_t seen = 0;
    append_some(d->store, 3, 3, 20);
    assert_true(pl_is_ok(store_reader_open(d->store, &reader)));
    assert_int_equal(store_reader_read(reader, 2, 9, stop_at_once, &seen).code, PL_E_BUSY);
    assert_int_equal(seen, 2);
    store_reader_close(reader);
}

static void test_trim_is_honest(void **state)
{
    struct driver *d = *state;
    assert_int_equal(store_trim(d->store, 1).code, PL_E_UNIMPLEMENTED);
}

static void test_plans_of_fault(void **state)
{
    struct driver *d = *state;
    struct pl_buf body;
    struct store_batch batch;
    pl_buf_init(&body, STORE_BATCH_BYTES_MAX);
    fault_plan(d->store, 0, (struct fault){FAULT_NOT_APPLIED, STORE_NO_SPACE, 0});
    fault_plan(d->store, 1, (struct fault){FAULT_APPLIED_UNKNOWN, 0, 3});
    next_batch(d->store, 1, 10, &body, &batch);
    assert_int_equal(append_wait(d->store, &batch, true), STORE_NO_SPACE);
    assert_int_equal(append_wait(d->store, &batch, true), STORE_UNKNOWN);
    assert_int_equal(count_batches(d->store), 1); /* it is there all the same */
    assert_int_equal(append_wait(d->store, &batch, true), STORE_DURABLE); /* the same bytes again */
    assert_int_equal(count_batches(d->store), 1);
    fault_set_room(d->store, false);
    assert_false(store_has_room(d->store, 1));
    pl_buf_fini(&body);
}

static void test_room_of_mem(void **state)
{
    struct driver *d = *state;
    struct pl_buf body;
    struct store_batch batch;
    pl_buf_init(&body, STORE_BATCH_BYTES_MAX);
    mem_set_room(d->store, 100);
    next_batch(d->store, 1, 200, &body, &batch);
    assert_false(store_has_room(d->store, 204));
    assert_int_equal(append_wait(d->store, &batch, true), STORE_NO_SPACE);
    mem_set_room(d->store, 1000);
    assert_int_equal(append_wait(d->store, &batch, true), STORE_DURABLE);
    pl_buf_fini(&body);
}

#define CONFORMANCE(setup_)                                                                        \
    cmocka_unit_test_setup_teardown(test_empty_log_has_a_head, setup_, teardown),                  \
        cmocka_unit_test_setup_teardown(test_appends_are_read_back, setup_, teardown),             \
        cmocka_unit_test_setup_teardown(test_only_the_next_batch_is_taken, setup_, teardown),      \
        cmocka_unit_test_setup_teardown(test_readers_find_any_entry, setup_, teardown),            \
        cmocka_unit_test_setup_teardown(test_a_reader_that_stops_is_told_so, setup_, teardown),    \
        cmocka_unit_test_setup_teardown(test_trim_is_honest, setup_, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONFORMANCE(setup_file),
        CONFORMANCE(setup_mem),
        CONFORMANCE(setup_fault),
        cmocka_unit_test_setup_teardown(test_plans_of_fault, setup_fault, teardown),
        cmocka_unit_test_setup_teardown(test_room_of_mem, setup_mem, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
