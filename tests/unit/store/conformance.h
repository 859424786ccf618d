/* SPDX-License-Identifier: Apache-2.0
 *
 * conformance: what every driver must do, whatever is below it: compare-and-append, one completion
 * each, reading what was appended. A test program of a driver says how to open an empty store and
 * runs CONFORMANCE(setup).
 */
#ifndef TEST_STORE_CONFORMANCE_H
#define TEST_STORE_CONFORMANCE_H

#include "fixture.h"

struct driver {
    struct store *store;
    char *dir; /* NULL: none */
    struct pl_buf body;
    size_t most; /* bytes of a body */
};

static inline int driver_setup(void **state, struct store *store, char *dir)
{
    struct driver *d = calloc(1, sizeof(*d));
    d->store = store;
    d->dir = dir;
    d->most = dir == NULL ? STORE_BATCH_BYTES_MAX : (size_t)file_batch_max(TEST_SEGMENT_BYTES);
    pl_buf_init(&d->body, 2 * STORE_BATCH_BYTES_MAX);
    *state = d;
    return 0;
}

static inline int driver_teardown(void **state)
{
    struct driver *d = *state;
    store_close(d->store);
    if (d->dir != NULL)
        dir_remove(d->dir);
    pl_buf_fini(&d->body);
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
    assert_int_equal(head.epoch, 0);
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

static struct pl_status compare_batch(void *arg, const struct store_batch *batch)
{
    const struct store_batch *expected = arg;
    assert_int_equal(batch->number, expected->number);
    assert_int_equal(batch->first_seq, expected->first_seq);
    assert_int_equal(batch->count, expected->count);
    assert_int_equal(batch->epoch, expected->epoch);
    assert_int_equal(batch->acked, expected->acked);
    assert_true(batch->time_us == expected->time_us);
    assert_memory_equal(batch->writer, expected->writer, STORE_WRITER_BYTES);
    assert_memory_equal(batch->prev, expected->prev, STORE_HASH_BYTES);
    assert_memory_equal(batch->hash, expected->hash, STORE_HASH_BYTES);
    assert_int_equal(batch->body.len, expected->body.len);
    assert_memory_equal(batch->body.data, expected->body.data, expected->body.len);
    return pl_ok();
}

static void test_every_field_survives(void **state)
{
    struct driver *d = *state;
    struct store_batch batch;
    struct store_head head;
    append_some(d->store, 2, 1, 10);
    next_batch(d->store, 3, 40, &d->body, &batch);
    batch.epoch = 77;
    batch.acked = 1;
    batch.time_us = -5; /* before 1970: a number like any other here */
    memset(batch.writer, 0xa5, sizeof(batch.writer));
    store_batch_seal(&batch);
    assert_int_equal(append_wait(d->store, &batch, true), STORE_DURABLE);
    assert_true(pl_is_ok(store_read(d->store, 3, compare_batch, &batch)));
    store_head(d->store, &head);
    assert_int_equal(head.epoch, 77);
    assert_true(head.time_us == -5);
    assert_memory_equal(head.hash, batch.hash, STORE_HASH_BYTES);
}

/* Whoever appends a batch leaves its hash to the store. */
static void test_the_store_hashes_what_it_appends(void **state)
{
    struct driver *d = *state;
    struct store_batch batch;
    struct store_head head;
    for (int idle = 0; idle < 2; idle++) {
        next_batch(d->store, 2, 30, &d->body, &batch);
        struct store_batch unsealed = batch;
        memset(unsealed.hash, 0xee, sizeof(unsealed.hash));
        assert_int_equal(append_wait(d->store, &unsealed, idle != 0), STORE_DURABLE);
        store_head(d->store, &head);
        assert_memory_equal(head.hash, batch.hash, STORE_HASH_BYTES);
        assert_true(pl_is_ok(store_read(d->store, head.batch, compare_batch, &batch)));
    }
}

static void test_a_body_is_borrowed_until_the_completion_only(void **state)
{
    struct driver *d = *state;
    struct store_batch batch;
    next_batch(d->store, 2, 500, &d->body, &batch);
    assert_int_equal(append_wait(d->store, &batch, false), STORE_DURABLE);
    memset(d->body.data, 0, pl_buf_len(&d->body));
    assert_int_equal(count_batches(d->store), 1);
}

static void test_only_the_next_batch_is_taken(void **state)
{
    struct driver *d = *state;
    struct store_batch good, batch;
    append_some(d->store, 2, 1, 10);
    next_batch(d->store, 1, 10, &d->body, &good);
    for (int wrong = 0; wrong < 5; wrong++) {
        batch = good;
        batch.number += wrong == 0;   /* a gap */
        batch.number -= wrong == 1;   /* taken */
        batch.prev[31] ^= wrong == 2; /* built on something else */
        batch.first_seq += wrong == 3;
        batch.number -= wrong == 4 ? 2 : 0; /* taken long ago */
        store_batch_seal(&batch);
        assert_int_equal(append_wait(d->store, &batch, wrong % 2 == 0), STORE_CONFLICT);
    }
    assert_int_equal(count_batches(d->store), 2);
    assert_int_equal(append_wait(d->store, &good, true), STORE_DURABLE); /* nothing in its way */
}

static void test_an_old_epoch_is_fenced_and_a_new_one_taken(void **state)
{
    struct driver *d = *state;
    struct store_batch batch;
    next_batch(d->store, 1, 10, &d->body, &batch);
    batch.epoch = 9;
    store_batch_seal(&batch);
    assert_int_equal(append_wait(d->store, &batch, true), STORE_DURABLE);
    next_batch(d->store, 1, 10, &d->body, &batch);
    batch.epoch = 8;
    store_batch_seal(&batch);
    assert_int_equal(append_wait(d->store, &batch, true), STORE_FENCED);
    assert_int_equal(append_wait(d->store, &batch, false), STORE_FENCED);
    batch.epoch = 10;
    store_batch_seal(&batch);
    assert_int_equal(append_wait(d->store, &batch, false), STORE_DURABLE);
    assert_int_equal(count_batches(d->store), 2);
}

static void test_the_head_resubmitted_is_durable_and_there_once(void **state)
{
    struct driver *d = *state;
    struct store_batch batch;
    append_some(d->store, 1, 1, 10);
    next_batch(d->store, 2, 30, &d->body, &batch);
    for (int i = 0; i < 4; i++)
        assert_int_equal(append_wait(d->store, &batch, i % 2 == 0), STORE_DURABLE);
    assert_int_equal(count_batches(d->store), 2);
    append_some(d->store, 1, 1, 10);
    assert_int_equal(append_wait(d->store, &batch, true), STORE_CONFLICT); /* history by now */
    assert_int_equal(count_batches(d->store), 3);
}

static void test_the_largest_body_fits_and_a_larger_one_does_not(void **state)
{
    struct driver *d = *state;
    struct store_batch batch;
    for (int i = 0; i < 5; i++) {
        next_batch(d->store, 1, d->most - 4, &d->body, &batch);
        assert_true(pl_is_ok(store_has_room(d->store, batch.body.len)));
        assert_int_equal(append_wait(d->store, &batch, i % 2 == 0), STORE_DURABLE);
        next_batch(d->store, 1, d->most - 3, &d->body, &batch);
        assert_int_equal(append_wait(d->store, &batch, i % 2 == 0), STORE_TOO_BIG);
    }
    assert_int_equal(count_batches(d->store), 5);
}

static void test_only_dispatch_completes(void **state)
{
    struct driver *d = *state;
    struct store_batch batch;
    struct store_head head;
    for (int i = 0; i < 6; i++) {
        struct outcome outcome = {.done = false};
        next_batch(d->store, 1, d->most - 4, &d->body, &batch);
        assert_true(pl_is_ok(store_has_room(d->store, batch.body.len)));
        store_append(d->store, &batch, i % 2 == 0, on_done, &outcome);
        for (int k = 0; k < 3; k++)
            assert_true(pl_is_ok(store_has_room(d->store, d->most))); /* also with one under way */
        store_head(d->store, &head);
        assert_int_equal(head.batch, i); /* the durable log */
        assert_false(outcome.done);
        assert_int_equal(finish(d->store, &outcome), STORE_DURABLE);
        store_dispatch(d->store); /* nothing to do: harmless */
    }
}

static struct pl_status stop_at_batch(void *arg, const struct store_batch *batch)
{
    *(uint64_t *)arg = batch->number;
    return batch->number == 4 ? pl_fail(BUSY, "enough") : pl_ok();
}

static void test_reading_starts_and_stops_where_it_is_told(void **state)
{
    struct driver *d = *state;
    uint64_t last = 0;
    append_some(d->store, 6, 1, 20);
    assert_int_equal(store_read(d->store, 3, stop_at_batch, &last).code, PL_E_BUSY);
    assert_int_equal(last, 4);
    last = 0;
    assert_true(pl_is_ok(store_read(d->store, 6, stop_at_batch, &last)));
    assert_int_equal(last, 6);
    last = 0;
    assert_true(pl_is_ok(store_read(d->store, 7, stop_at_batch, &last)));
    assert_int_equal(last, 0);
}

static void test_readers_find_any_entry(void **state)
{
    struct driver *d = *state;
    struct store_reader *reader = NULL;
    assert_true(pl_is_ok(store_reader_open(d->store, &reader)));
    struct seen none = {.next = 1};
    assert_int_equal(store_reader_read(reader, 1, 1, see_entry, &none).code, PL_E_NOT_FOUND);
    for (int i = 0; i < 50; i++) {
        append_some(d->store, 1, 3, 2000);
        append_some(d->store, i % 3, 0, 0);
    }
    for (uint64_t seq = 150; seq >= 8; seq -= 7) {
        struct seen seen = {.next = seq};
        assert_true(pl_is_ok(store_reader_read(reader, seq, 150, see_entry, &seen)));
        assert_int_equal(seen.next, 151);
        seen.next = seq;
        assert_true(pl_is_ok(store_reader_read(reader, seq, seq, see_entry, &seen)));
        assert_int_equal(seen.next, seq + 1);
    }
    none.next = 151;
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
    append_some(d->store, 2, 1, 20);
    assert_int_equal(store_trim(d->store, 1).code, PL_E_UNIMPLEMENTED);
    assert_int_equal(count_batches(d->store), 2);
}

/* Sealed, and so what its writer meant; what comes before it can be read. */
static void test_a_body_that_does_not_add_up_is_not_handed_out(void **state)
{
    struct driver *d = *state;
    struct store_batch batch;
    struct store_reader *reader = NULL;
    struct seen seen = {.next = 1};
    append_some(d->store, 1, 2, 20);
    next_batch(d->store, 2, 20, &d->body, &batch);
    batch.body.len -= 3;
    store_batch_seal(&batch);
    assert_int_equal(append_wait(d->store, &batch, true), STORE_DURABLE);
    assert_true(pl_is_ok(store_reader_open(d->store, &reader)));
    assert_int_equal(store_reader_read(reader, 1, 4, see_entry, &seen).code, PL_E_CORRUPT);
    assert_int_equal(seen.next, 4);
    store_reader_close(reader);
}

static void test_from_the_start_is_from_the_first_batch(void **state)
{
    struct driver *d = *state;
    struct seen seen = {.next = 1};
    append_some(d->store, 2, 1, 20);
    assert_true(pl_is_ok(store_read(d->store, 0, see_batch, &seen)));
    assert_int_equal(seen.batches, 2);
}

#define CONFORMS(test_, setup_) cmocka_unit_test_setup_teardown(test_, setup_, driver_teardown)
#define CONFORMANCE(setup_)                                                                        \
    CONFORMS(test_empty_log_has_a_head, setup_), CONFORMS(test_appends_are_read_back, setup_),     \
        CONFORMS(test_every_field_survives, setup_),                                               \
        CONFORMS(test_the_store_hashes_what_it_appends, setup_),                                   \
        CONFORMS(test_a_body_is_borrowed_until_the_completion_only, setup_),                       \
        CONFORMS(test_only_the_next_batch_is_taken, setup_),                                       \
        CONFORMS(test_an_old_epoch_is_fenced_and_a_new_one_taken, setup_),                         \
        CONFORMS(test_the_head_resubmitted_is_durable_and_there_once, setup_),                     \
        CONFORMS(test_the_largest_body_fits_and_a_larger_one_does_not, setup_),                    \
        CONFORMS(test_only_dispatch_completes, setup_),                                            \
        CONFORMS(test_reading_starts_and_stops_where_it_is_told, setup_),                          \
        CONFORMS(test_readers_find_any_entry, setup_),                                             \
        CONFORMS(test_a_reader_that_stops_is_told_so, setup_),                                     \
        CONFORMS(test_a_body_that_does_not_add_up_is_not_handed_out, setup_),                      \
        CONFORMS(test_from_the_start_is_from_the_first_batch, setup_),                             \
        CONFORMS(test_trim_is_honest, setup_)

#endif
