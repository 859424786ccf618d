/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: readers see exact entries beside a writer, on other threads, across segments, without
 * reading more of the disk than they need; damage is told, never handed out.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "failing_io.h"
#include "fixture.h"

static struct store_reader *reader_of(struct store *store)
{
    struct store_reader *reader = NULL;
    assert_true(pl_is_ok(store_reader_open(store, &reader)));
    return reader;
}

static void test_any_range_of_several_segments(void **state)
{
    (void)state;
    char *dir = dir_new();
    struct store *store = NULL;
    struct file_report report;
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
    append_some(store, 150, 5, 9000);
    struct store_reader *reader = reader_of(store);
    uint64_t from = 1;
    for (int i = 0; i < 400; i++) { /* forwards, backwards, far and near */
        from = from * 48271 % 750 + 1;
        uint64_t to = from + (uint64_t)(i % 7) * (uint64_t)(i % 5);
        struct seen seen = {.next = from};
        if (to > 750)
            to = 750;
        assert_true(pl_is_ok(store_reader_read(reader, from, to, see_entry, &seen)));
        assert_int_equal(seen.next, to + 1);
    }
    struct seen seen = {.next = 740};
    assert_int_equal(store_reader_read(reader, 740, 751, see_entry, &seen).code, PL_E_NOT_FOUND);
    assert_int_equal(seen.next, 751); /* what there is was handed out, in order */
    store_reader_close(reader);
    store_close(store);
    dir_remove(dir);
}

/* --- on other threads while the log grows and rolls --- */

struct reading {
    struct store *store;
    _Atomic uint64_t durable;
    _Atomic bool stop;
    _Atomic uint64_t read[2];
};

struct one_reading {
    struct reading *reading;
    int which;
};

static void *read_along(void *arg)
{
    struct one_reading *one = arg;
    struct reading *reading = one->reading;
    struct store_reader *reader = reader_of(reading->store);
    struct seen seen = {.next = 1};
    while (!reading->stop || seen.next <= reading->durable) {
        uint64_t to = reading->durable;
        if (to >= seen.next)
            assert_true(pl_is_ok(store_reader_read(reader, seen.next, to, see_entry, &seen)));
        if (one->which == 1 && to > 10) { /* this one also looks back */
            struct seen back = {.next = to / 2};
            assert_true(pl_is_ok(store_reader_read(reader, to / 2, to / 2 + 2, see_entry, &back)));
        }
    }
    reading->read[one->which] = seen.next - 1;
    store_reader_close(reader);
    return NULL;
}

static void test_readers_keep_up_with_the_writer(void **state)
{
    (void)state;
    char *dir = dir_new();
    struct reading reading = {0};
    struct one_reading one[2] = {{&reading, 0}, {&reading, 1}};
    struct file_report report;
    pthread_t thread[2];
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &reading.store)));
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, read_along, &one[i]), 0);
    for (int i = 0; i < 150; i++) {
        append_some(reading.store, 1, 2, 20000);
        reading.durable += 2;
    }
    reading.stop = true;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_int_equal(reading.read[i], 300);
    }
    store_close(reading.store);
    dir_remove(dir);
}

/* Another process that opens the log read-only beside the writer, as a snapshot's does. */
static void *open_along(void *arg)
{
    struct one_reading *one = arg;
    struct reading *reading = one->reading;
    const char *dir = (const char *)(const void *)reading->store; /* the directory, here */
    while (!reading->stop) {
        struct store *store = NULL;
        struct file_report report;
        uint64_t durable = reading->durable;
        struct pl_status status = open_file(dir, true, 0, &report, &store);
        if (!pl_is_ok(status))
            fail_msg("%s: %s", status.what, report.damage);
        assert_true(count_batches(store) >= durable);
        store_close(store);
        reading->read[0]++;
    }
    return NULL;
}

static void test_a_log_can_be_opened_beside_its_writer(void **state)
{
    (void)state;
    char *dir = dir_new();
    struct reading reading = {.store = (struct store *)(void *)dir};
    struct one_reading one = {&reading, 0};
    struct file_report report;
    struct store *store = NULL;
    pthread_t thread;
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
    append_some(store, 1, 1, 100);
    reading.durable = 1;
    assert_int_equal(pthread_create(&thread, NULL, open_along, &one), 0);
    for (int i = 0; i < 1000 || reading.read[0] < 10; i++) {
        append_some(store, 1, 1, i % 50 == 0 && i < 1000 ? 200000 : 700);
        reading.durable++;
        if (i >= 1000) /* the log grows, and so does what the other one has to read */
            (void)usleep(5000);
        if (i > 20000)
            fail_msg("the other one does not get on");
    }
    reading.stop = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    store_close(store);
    dir_remove(dir);
}

/* --- what it costs --- */

static _Atomic uint64_t bytes_read;

static struct pl_status counting_pread(struct io *io, int fd, void *into, size_t len,
                                       uint64_t offset)
{
    (void)io;
    bytes_read += len;
    return io_system()->pread(io_system(), fd, into, len, offset);
}

static void test_one_entry_costs_little(void **state)
{
    (void)state;
    char *dir = dir_new();
    struct io io = *io_system();
    struct store *store = NULL;
    struct file_report report;
    io.pread = counting_pread;
    assert_true(pl_is_ok(open_file_io(&io, dir, false, 0, &report, &store)));
    append_some(store, 600, 1, 2000);
    struct store_reader *reader = reader_of(store);
    struct seen seen = {.next = 1};
    assert_true(
        pl_is_ok(store_reader_read(reader, 1, 600, see_entry, &seen))); /* makes the marks */
    assert_true(bytes_read < 3000000);
    bytes_read = 0;
    for (uint64_t i = 1; i <= 100; i++) { /* anywhere: about one mark's distance */
        uint64_t seq = i * 7919 % 600 + 1;
        seen.next = seq;
        assert_true(pl_is_ok(store_reader_read(reader, seq, seq, see_entry, &seen)));
    }
    assert_true(bytes_read < 100 * 200000);
    bytes_read = 0;
    for (uint64_t i = 601; i <= 700; i++) { /* right behind the writer */
        append_some(store, 1, 1, 2000);
        seen.next = i;
        assert_true(pl_is_ok(store_reader_read(reader, i, i, see_entry, &seen)));
    }
    assert_true(bytes_read < 100 * 80000);
    store_reader_close(reader);
    store_close(store);
    dir_remove(dir);
}

static void test_damage_is_told(void **state)
{
    (void)state;
    char *dir = dir_new(), path[600];
    size_t len;
    struct store *store = NULL;
    struct file_report report;
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
    append_some(store, 10, 1, 300);
    uint8_t *bytes = slurp(segment_path(dir, 1, path), &len);
    size_t at = record_at(bytes, 5) + 200;
    for (int zeros = 0; zeros < 2; zeros++) { /* under our feet: a flipped bit, a hole */
        struct store_reader *reader = reader_of(store);
        struct seen seen = {.next = 1};
        uint8_t wrong[200] = {0};
        wrong[0] = (uint8_t)(bytes[at] ^ 4);
        put_at(path, at, zeros ? wrong + 1 : wrong, zeros ? 199 : 1);
        assert_int_equal(store_reader_read(reader, 1, 10, see_entry, &seen).code, PL_E_CORRUPT);
        assert_int_equal(seen.next, 6); /* all that comes before it is right */
        store_reader_close(reader);
    }
    free(bytes);
    store_close(store);
    dir_remove(dir);
}

static void test_a_torn_end_is_where_the_log_ends(void **state)
{
    (void)state;
    char *dir = dir_new(), path[600];
    size_t len;
    struct store *store = NULL;
    struct file_report report;
    struct seen seen = {.next = 1};
    make_log(dir, 4, 1, 300);
    uint8_t *bytes = slurp(segment_path(dir, 1, path), &len);
    put_at(path, record_at(bytes, 4) - 100, (uint8_t[100]){0}, 100);
    free(bytes);
    assert_true(pl_is_ok(open_file(dir, true, 0, &report, &store)));
    struct store_reader *reader = reader_of(store);
    assert_int_equal(store_reader_read(reader, 1, 4, see_entry, &seen).code, PL_E_NOT_FOUND);
    assert_int_equal(seen.next, 4);
    put_at(path, 20, "x", 1); /* its header: only who comes anew looks at that */
    struct store_reader *late = reader_of(store);
    assert_int_equal(store_reader_read(late, 1, 1, see_entry, &seen).code, PL_E_CORRUPT);
    store_reader_close(late);
    store_reader_close(reader);
    store_close(store);
    dir_remove(dir);
}

/* A call that fails costs the answer, not the reader: asked again, it goes on. */
static void test_a_call_that_fails_anywhere_is_told(void **state)
{
    (void)state;
    char *dir = dir_new(), path[600];
    size_t len;
    make_log(dir, 6, 1, 3000);
    uint8_t *bytes = slurp(segment_path(dir, 1, path), &len);
    put_at(path, record_at(bytes, 5) + 2000, (uint8_t[1000]){0}, 1000); /* the last one is torn */
    free(bytes);
    unsigned n = 0;
    for (bool failed = true; failed;) {
        struct failing_io failing;
        struct store_reader *reader = NULL;
        struct seen seen = {.next = 1};
        struct store *store = NULL;
        struct file_report report;
        failing_io_init(&failing, 0);
        assert_true(pl_is_ok(open_file_io(&failing.io, dir, true, 0, &report, &store)));
        reader = reader_of(store);
        atomic_store(&failing.calls, 0);
        failing.fail_at = ++n;
        struct pl_status status = store_reader_read(reader, 1, 6, see_entry, &seen);
        failed = failing_io_failed(&failing);
        assert_int_equal(status.code, failed ? PL_E_IO : PL_E_NOT_FOUND);
        failing.fail_at = 0;
        status = store_reader_read(reader, seen.next, 6, see_entry, &seen);
        assert_int_equal(status.code, PL_E_NOT_FOUND);
        assert_int_equal(seen.next, 6);
        store_reader_close(reader);
        store_close(store);
    }
    assert_true(n > 6);
    dir_remove(dir);
}

/* Whoever reads has no need of names: all of a log whose files were removed can still be had. */
static void test_removed_files_are_read_as_before(void **state)
{
    (void)state;
    char *dir = dir_new();
    struct store *store = NULL;
    struct file_report report;
    struct seen seen = {.next = 1}, late_seen = {.next = 1};
    make_log(dir, 120, 1, 60000); /* several segments */
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
    append_some(store, 60, 1, 60000); /* and some that were not there at the start */
    struct store_reader *reader = reader_of(store);
    assert_true(pl_is_ok(store_reader_read(reader, 1, 10, see_entry, &seen)));
    char *again = strdup(dir);
    dir_remove(dir);
    assert_int_equal(access(again, F_OK), -1);
    free(again);
    assert_true(pl_is_ok(store_reader_read(reader, 11, 180, see_entry, &seen)));
    struct store_reader *late = reader_of(store);
    assert_true(pl_is_ok(store_reader_read(late, 1, 180, see_entry, &late_seen)));
    assert_int_equal(seen.next, 181);
    assert_int_equal(late_seen.next, 181);
    store_reader_close(late);
    store_reader_close(reader);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_range_of_several_segments),
        cmocka_unit_test(test_readers_keep_up_with_the_writer),
        cmocka_unit_test(test_a_log_can_be_opened_beside_its_writer),
        cmocka_unit_test(test_one_entry_costs_little),
        cmocka_unit_test(test_damage_is_told),
        cmocka_unit_test(test_a_torn_end_is_where_the_log_ends),
        cmocka_unit_test(test_a_call_that_fails_anywhere_is_told),
        cmocka_unit_test(test_removed_files_are_read_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
