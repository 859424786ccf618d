/* SPDX-License-Identifier: Apache-2.0
 *
 * test_batch: what is put into a batch is found in it, by number, while it gathers and while it is
 * on its way; the store takes it and reads the same entries; it says when it is full, and asks for
 * the newest of the readers that its entries need.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/check.h"
#include "server/batch.h"
#include "server/limits.h"
#include "server/store/mem.h"
// clang-format on

enum { FIRST = 41, MANY = 3000 /* more than the first table of places holds */ };

static const uint8_t nobody[STORE_WRITER_BYTES] = {7, 7, 7};

static struct pl_slice entry_of(char (*text)[32], unsigned number)
{
    int len = snprintf(*text, sizeof(*text), "entry %u%.*s", number, (int)(number % 7), "......");
    return pl_slice(*text, (size_t)len);
}

static void fill(struct batch *batch, unsigned from, unsigned count)
{
    for (unsigned i = from; i < from + count; i++) {
        char text[32];
        batch_add(batch, entry_of(&text, i), 0);
    }
}

static void expect(const struct batch *batch, uint64_t seq, unsigned number)
{
    char text[32];
    struct pl_slice found, wanted = entry_of(&text, number);
    assert_true(batch_find(batch, seq, &found));
    assert_int_equal(found.len, wanted.len);
    assert_memory_equal(found.data, wanted.data, wanted.len);
}

static void finds_each_of_its_entries(void **state)
{
    (void)state;
    struct batch batch;
    struct pl_slice found;
    batch_init(&batch);
    batch_begin(&batch, FIRST);
    assert_true(batch_empty(&batch));
    assert_false(batch_find(&batch, FIRST, &found));
    for (unsigned i = 0; i < MANY; i++) {
        fill(&batch, i, 1);
        expect(&batch, FIRST + i, i);
        assert_false(batch_find(&batch, FIRST + i + 1, &found));
    }
    assert_false(batch_empty(&batch));
    for (unsigned i = 0; i < MANY; i++)
        expect(&batch, FIRST + i, i);
    assert_false(batch_find(&batch, FIRST - 1, &found));
    assert_false(batch_find(&batch, 0, &found));
    assert_false(batch_find(&batch, UINT64_MAX, &found));
    batch_fini(&batch);
}

static void forgets_what_it_held_before(void **state)
{
    (void)state;
    struct batch batch;
    struct pl_slice found;
    batch_init(&batch);
    batch_begin(&batch, FIRST);
    batch_add(&batch, pl_slice("x", 1), 9);
    fill(&batch, 1, 9);
    batch_begin(&batch, FIRST + 10);
    assert_true(batch_empty(&batch));
    assert_int_equal(batch.header.min_reader, 0);
    assert_false(batch_find(&batch, FIRST, &found));
    assert_false(batch_find(&batch, FIRST + 10, &found));
    fill(&batch, 500, 2);
    expect(&batch, FIRST + 10, 500);
    expect(&batch, FIRST + 11, 501);
    batch_fini(&batch);
}

static void says_when_it_is_full(void **state)
{
    (void)state;
    static uint8_t block[4096];
    struct batch batch;
    size_t used = 0;
    batch_init(&batch);
    batch_begin(&batch, FIRST);
    while (!batch_full(&batch)) {
        batch_add(&batch, pl_slice(block, sizeof(block)), 0);
        used += sizeof(block) + 4;
    }
    /* the last one still had all of a command's room, and the next one would not */
    assert_true(used - sizeof(block) - 4 + LIMIT_COMMAND_ENTRIES_BYTES <= LIMIT_BATCH_FILL_BYTES);
    assert_true(used + LIMIT_COMMAND_ENTRIES_BYTES > LIMIT_BATCH_FILL_BYTES);
    assert_true(batch_fits(&batch, LIMIT_BATCH_BODY_BYTES - used, LIMIT_BATCH_BODY_BYTES));
    assert_false(batch_fits(&batch, LIMIT_BATCH_BODY_BYTES - used + 1, LIMIT_BATCH_BODY_BYTES));
    batch_fini(&batch);
}

static void needs_the_newest_reader_of_its_entries(void **state)
{
    (void)state;
    static const uint32_t reader[] = {0, 3, 12, 5};
    static const uint32_t needs[] = {0, 3, 12, 12};
    struct batch batch;
    batch_init(&batch);
    batch_begin(&batch, FIRST);
    for (size_t i = 0; i < PL_COUNT(reader); i++) {
        batch_add(&batch, pl_slice("x", 1), reader[i]);
        assert_int_equal(batch.header.min_reader, needs[i]);
    }
    batch_fini(&batch);
}

/* --- to the store and back --- */

static void on_append(void *arg, enum store_outcome outcome)
{
    *(enum store_outcome *)arg = outcome;
}

static void append(struct store *store, const struct batch *batch)
{
    enum store_outcome outcome = STORE_UNKNOWN;
    store_append(store, &batch->header, true, on_append, &outcome);
    store_dispatch(store);
    assert_int_equal(outcome, STORE_DURABLE);
}

static struct pl_status keep_batch(void *arg, const struct store_batch *batch)
{
    struct store_batch *kept = arg;
    assert_true(store_batch_verify(batch));
    kept[batch->number - 1] = *batch;
    return pl_ok();
}

static struct pl_status see_entry(void *arg, uint64_t seq, struct pl_slice entry)
{
    char text[32];
    unsigned *seen = arg;
    struct pl_slice wanted = entry_of(&text, *seen);
    assert_int_equal(seq, 1 + *seen);
    assert_int_equal(entry.len, wanted.len);
    assert_memory_equal(entry.data, wanted.data, wanted.len);
    ++*seen;
    return pl_ok();
}

static void the_store_reads_what_was_put_into_it(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct store_reader *reader = NULL;
    struct store_head head;
    struct store_batch kept[2] = {{0}};
    struct batch batch;
    unsigned seen = 0;
    assert_true(pl_is_ok(mem_open(&store)));
    batch_init(&batch);
    for (unsigned i = 0; i < 2; i++) {
        store_head(store, &head);
        batch_begin(&batch, head.next_seq);
        fill(&batch, i * MANY, MANY);
        batch_close(&batch, &head, 5 + i, nobody, 1000 + i);
        append(store, &batch);
        expect(&batch, head.next_seq, i * MANY); /* still there, for who asks before the next one */
    }
    assert_true(pl_is_ok(store_read(store, 1, keep_batch, kept)));
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(kept[i].number, 1 + i);
        assert_int_equal(kept[i].first_seq, 1 + i * MANY);
        assert_int_equal(kept[i].count, MANY);
        assert_int_equal(kept[i].epoch, 5 + i);
        assert_int_equal(kept[i].acked, i);
        assert_int_equal(kept[i].time_us, 1000 + i);
        assert_memory_equal(kept[i].writer, nobody, sizeof(nobody));
    }
    assert_memory_equal(kept[1].prev, kept[0].hash, STORE_HASH_BYTES);
    assert_true(pl_is_ok(store_reader_open(store, &reader)));
    assert_true(pl_is_ok(store_reader_read(reader, 1, 2 * MANY, see_entry, &seen)));
    assert_int_equal(seen, 2 * MANY);
    store_reader_close(reader);
    batch_fini(&batch);
    store_close(store);
}

static void a_batch_may_be_empty(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct store_head head;
    struct batch batch;
    assert_true(pl_is_ok(mem_open(&store)));
    batch_init(&batch);
    store_head(store, &head);
    batch_begin(&batch, head.next_seq);
    batch_close(&batch, &head, 1, nobody, 1);
    append(store, &batch);
    store_head(store, &head);
    assert_int_equal(head.batch, 1);
    assert_int_equal(head.next_seq, 1);
    batch_fini(&batch);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_each_of_its_entries),
        cmocka_unit_test(forgets_what_it_held_before),
        cmocka_unit_test(says_when_it_is_full),
        cmocka_unit_test(needs_the_newest_reader_of_its_entries),
        cmocka_unit_test(the_store_reads_what_was_put_into_it),
        cmocka_unit_test(a_batch_may_be_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
