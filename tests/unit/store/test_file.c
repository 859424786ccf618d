/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: whatever happens to the files, a durable batch is never lost or changed unnoticed: a torn
 * tail is cut and kept, any other damage stops the opening and changes nothing.
 */
#include "fixture.h"

#include <errno.h>
#include <pthread.h>

static const char *segment_path(const char *dir, uint64_t first, char out[600])
{
    snprintf(out, 600, "%s/" FILE_SEGMENT_FORMAT, dir, first);
    return out;
}

static void make_log(const char *dir, int batches, uint32_t count, size_t bytes)
{
    struct store *store = NULL;
    struct file_report report;
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
    append_some(store, batches, count, bytes);
    store_close(store);
}

static uint8_t *slurp(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *len = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*len);
    assert_int_equal(fread(bytes, 1, *len, file), *len);
    fclose(file);
    return bytes;
}

static void put_at(const char *path, size_t offset, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, data, len, (off_t)offset), (ssize_t)len);
    close(fd);
}

/* Offset of the n-th record (0: the first). */
static size_t record_at(const uint8_t *bytes, int n)
{
    size_t at = SEGMENT_HEADER_BYTES;
    while (n-- > 0)
        at += segment_record_bytes(pl_get_le64(bytes + at + 8));
    return at;
}

static void test_reopens_where_it_ended(void **state)
{
    (void)state;
    char *dir = dir_new();
    struct store *store = NULL;
    struct file_report report;
    make_log(dir, 10, 3, 500);
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
    assert_int_equal(report.batches_scanned, 10);
    assert_int_equal(report.torn_bytes, 0);
    append_some(store, 5, 1, 50);
    assert_int_equal(count_batches(store), 15);
    store_close(store);
    dir_remove(dir);
}

static void test_rolls_to_the_next_segment(void **state)
{
    (void)state;
    char *dir = dir_new(), path[600];
    struct store *store = NULL;
    struct file_report report;
    make_log(dir, 120, 1, 60000); /* 7 MB in segments of 2 MiB */
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
    assert_true(report.segments >= 4);
    assert_int_equal(count_batches(store), 120);
    store_close(store);
    assert_true(pl_is_ok(open_file(dir, false, 110, &report, &store))); /* a snapshot vouches */
    assert_true(report.segments == 1 && report.batches_scanned < 60);
    assert_int_equal(count_batches(store), 120);
    store_close(store);
    assert_int_equal(unlink(segment_path(dir, 1, path)), 0);
    assert_int_equal(open_file(dir, false, 0, &report, &store).code, PL_E_CORRUPT);
    assert_non_null(strstr(report.damage, "first segment is missing"));
    dir_remove(dir);
}

/* The file ends in a write that a crash cut short at any byte. */
static void test_every_torn_tail_is_cut_and_kept(void **state)
{
    (void)state;
    char *dir = dir_new(), path[600], kept[800];
    size_t len;
    make_log(dir, 3, 2, 700);
    segment_path(dir, 1, path);
    uint8_t *whole = slurp(path, &len);
    size_t from = record_at(whole, 2), to = record_at(whole, 3);
    static const uint8_t zeros[4096];
    for (size_t cut = from; cut < to; cut += cut < from + 200 ? 1 : 37) {
        struct store *store = NULL;
        struct file_report report;
        put_at(path, from, whole + from, to - from);
        put_at(path, cut, zeros, to - cut);
        struct pl_status status = open_file(dir, false, 0, &report, &store);
        if (!pl_is_ok(status))
            fail_msg("cut at %zu: %s", cut - from, report.damage);
        assert_int_equal(count_batches(store), 2);
        if (cut > from) {
            assert_true(report.torn_bytes > 0);
            snprintf(kept, sizeof(kept), "%s/%s", dir, report.torn_kept_in);
            assert_int_equal(access(kept, R_OK), 0);
        }
        append_some(store, 1, 1, 900); /* and life goes on */
        assert_int_equal(count_batches(store), 3);
        store_close(store);
        put_at(path, from, zeros, 2048);
    }
    free(whole);
    dir_remove(dir);
}

static void test_a_missing_sector_is_a_torn_tail(void **state)
{
    (void)state;
    char *dir = dir_new(), path[600];
    size_t len;
    static const uint8_t zeros[512];
    make_log(dir, 2, 1, 5000);
    uint8_t *whole = slurp(segment_path(dir, 1, path), &len);
    size_t from = record_at(whole, 1);
    size_t sector = (from / 512 + 4) * 512; /* written out of order: the middle never came */
    put_at(path, sector, zeros, 512);
    struct store *store = NULL;
    struct file_report report;
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
    assert_int_equal(count_batches(store), 1);
    store_close(store);
    free(whole);
    dir_remove(dir);
}

/* Every bit of a small log: never accepted, never cut away. */
static void test_every_flipped_byte_is_noticed(void **state)
{
    (void)state;
    char *dir = dir_new(), path[600];
    size_t len;
    make_log(dir, 3, 1, 40);
    uint8_t *whole = slurp(segment_path(dir, 1, path), &len);
    size_t end = record_at(whole, 3);
    for (size_t at = 0; at < end; at++) {
        struct store *store = NULL;
        struct file_report report;
        if (at >= 96 && at < SEGMENT_HEADER_BYTES)
            continue; /* the header page's empty rest */
        uint8_t flipped = (uint8_t)(whole[at] ^ (1u << (at % 8)));
        put_at(path, at, &flipped, 1);
        struct pl_status status = open_file(dir, false, 0, &report, &store);
        if (status.code != PL_E_CORRUPT && status.code != PL_E_UNIMPLEMENTED)
            fail_msg("byte %zu went unnoticed: %s", at, pl_code_name(status.code));
        assert_true(strlen(report.damage) > 20);
        put_at(path, at, whole + at, 1);
    }
    size_t again;
    uint8_t *after = slurp(path, &again);
    assert_int_equal(len, again);
    assert_memory_equal(whole, after, len); /* nothing was changed by looking */
    free(after);
    free(whole);
    dir_remove(dir);
}

static void test_damage_before_the_end_stops(void **state)
{
    (void)state;
    char *dir = dir_new(), path[600];
    size_t len;
    static const uint8_t zeros[4096];
    make_log(dir, 5, 1, 300);
    uint8_t *whole = slurp(segment_path(dir, 1, path), &len);
    size_t from = record_at(whole, 2), to = record_at(whole, 3);
    put_at(path, from, zeros, to - from); /* a hole with valid batches after it */
    struct store *store = NULL;
    struct file_report report;
    assert_int_equal(open_file(dir, false, 0, &report, &store).code, PL_E_CORRUPT);
    assert_non_null(strstr(report.damage, "after batch 2"));
    free(whole);
    dir_remove(dir);
}

static void test_another_ledgers_segment_is_refused(void **state)
{
    (void)state;
    char *dir = dir_new();
    struct store *store = NULL;
    struct file_report report;
    make_log(dir, 1, 1, 10);
    struct file_options options = {.dir = dir, .io = io_system(), .segment_bytes = TEST_SEGMENT_BYTES};
    assert_int_equal(file_open(&options, &report, &store).code, PL_E_CORRUPT);
    assert_non_null(strstr(report.damage, "another ledger"));
    dir_remove(dir);
}

static void test_read_only_changes_nothing(void **state)
{
    (void)state;
    char *dir = dir_new(), path[600];
    size_t len, again;
    static const uint8_t zeros[300];
    make_log(dir, 2, 1, 400);
    uint8_t *whole = slurp(segment_path(dir, 1, path), &len);
    put_at(path, record_at(whole, 2) - 300, zeros, 300);
    free(whole);
    whole = slurp(path, &len);
    struct store *store = NULL;
    struct file_report report;
    assert_true(pl_is_ok(open_file(dir, true, 0, &report, &store)));
    assert_int_equal(count_batches(store), 1);
    store_close(store);
    uint8_t *after = slurp(path, &again);
    assert_memory_equal(whole, after, len);
    free(whole);
    free(after);
    dir_remove(dir);
}

/* --- a disk that is full for a while --- */

static bool disk_full;

static struct pl_status full_free_bytes(struct io *io, const char *path, uint64_t *ret)
{
    (void)io;
    if (!disk_full)
        return io_system()->free_bytes(io_system(), path, ret);
    *ret = 4096;
    return pl_ok();
}

static void test_full_disk_is_told_before_and_heals(void **state)
{
    (void)state;
    char *dir = dir_new();
    struct io io = *io_system();
    struct store *store = NULL;
    struct file_report report;
    struct file_options options = {.dir = dir, .io = &io, .segment_bytes = TEST_SEGMENT_BYTES};
    memcpy(options.ledger_id, test_ledger_id, 16);
    io.free_bytes = full_free_bytes;
    disk_full = false;
    assert_true(pl_is_ok(file_open(&options, &report, &store)));
    append_some(store, 5, 1, 60000);
    disk_full = true;
    struct pl_buf body;
    struct store_batch batch;
    pl_buf_init(&body, STORE_BATCH_BYTES_MAX);
    int taken = 0;
    for (; taken < 200; taken++) {
        next_batch(store, 1, 60000, &body, &batch);
        if (!store_has_room(store, batch.body.len))
            break;
        assert_int_equal(append_wait(store, &batch, true), STORE_DURABLE);
    }
    assert_true(taken > 10 && taken < 80);
    assert_int_equal(append_wait(store, &batch, true), STORE_NO_SPACE);
    assert_int_equal(count_batches(store), 5 + taken);
    disk_full = false;
    assert_true(store_has_room(store, batch.body.len));
    assert_int_equal(append_wait(store, &batch, true), STORE_DURABLE);
    assert_int_equal(count_batches(store), 6 + taken);
    pl_buf_fini(&body);
    store_close(store);
    dir_remove(dir);
}

/* --- a reader on another thread while the log grows and rolls --- */

struct reading {
    struct store *store;
    _Atomic uint64_t durable;
    _Atomic bool stop;
    uint64_t read;
};

static void *read_along(void *arg)
{
    struct reading *reading = arg;
    struct store_reader *reader = NULL;
    assert_true(pl_is_ok(store_reader_open(reading->store, &reader)));
    struct seen seen = {.next = 1};
    while (!reading->stop || seen.next <= reading->durable) {
        uint64_t to = reading->durable;
        if (to >= seen.next)
            assert_true(pl_is_ok(store_reader_read(reader, seen.next, to, see_entry, &seen)));
    }
    reading->read = seen.next - 1;
    store_reader_close(reader);
    return NULL;
}

static void test_a_reader_keeps_up_with_the_writer(void **state)
{
    (void)state;
    char *dir = dir_new();
    struct reading reading = {0};
    struct file_report report;
    pthread_t thread;
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &reading.store)));
    assert_int_equal(pthread_create(&thread, NULL, read_along, &reading), 0);
    for (int i = 0; i < 150; i++) {
        append_some(reading.store, 1, 2, 20000);
        reading.durable += 2;
    }
    reading.stop = true;
    pthread_join(thread, NULL);
    assert_int_equal(reading.read, 300);
    store_close(reading.store);
    dir_remove(dir);
}

/* --- golden: what released versions wrote stays readable --- */

#define GOLDEN SOURCE_DIR "/tests/golden/v1"

static struct pl_status keep_hash(void *arg, const struct store_batch *batch)
{
    memcpy(arg, batch->hash, STORE_HASH_BYTES);
    return pl_ok();
}

static void test_golden_log_of_version_1(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct file_report report;
    uint8_t hash[STORE_HASH_BYTES], expected[STORE_HASH_BYTES];
    size_t len;
    assert_true(pl_is_ok(open_file(GOLDEN, true, 0, &report, &store)));
    assert_int_equal(count_batches(store), 4);
    assert_true(pl_is_ok(store_read(store, 4, keep_hash, hash)));
    uint8_t *known = slurp(GOLDEN "/head.sha256", &len);
    assert_int_equal(len, STORE_HASH_BYTES);
    memcpy(expected, known, len);
    assert_memory_equal(hash, expected, STORE_HASH_BYTES);
    free(known);
    store_close(store);
    struct snapshot *snapshot = NULL;
    assert_true(pl_is_ok(snapshot_open_latest(io_system(), GOLDEN, test_ledger_id, &snapshot)));
    assert_int_equal(snapshot_get_meta(snapshot)->batch, 4);
    uint8_t payload[7];
    assert_true(pl_is_ok(snapshot_read(snapshot, payload, 7)));
    assert_memory_equal(payload, "payload", 7);
    snapshot_close(snapshot);
}

/* `store_test_file make-golden DIR` writes the files of a NEW version; old ones are never written again.
 * The segment is cut to what is used: a short file reads the same. */
static int make_golden(char *dir)
{
    char path[600];
    uint8_t hash[STORE_HASH_BYTES];
    struct store *store = NULL;
    struct file_report report;
    struct snapshot_writer *writer = NULL;
    struct snapshot_meta meta = {.batch = 4, .seq = 7, .time_us = 1770000000000003};
    make_log(dir, 3, 2, 100);
    make_log(dir, 1, 1, 20);
    assert_true(pl_is_ok(open_file(dir, true, 0, &report, &store)));
    assert_true(pl_is_ok(store_read(store, 4, keep_hash, hash)));
    store_close(store);
    snprintf(path, sizeof(path), "%s/head.sha256", dir);
    assert_true(pl_is_ok(io_write_file(io_system(), path, pl_slice(hash, 32), 0644)));
    memcpy(meta.ledger_id, test_ledger_id, 16);
    memcpy(meta.batch_hash, hash, 32);
    assert_true(pl_is_ok(snapshot_create(io_system(), dir, &meta, &writer)));
    assert_true(pl_is_ok(snapshot_write(writer, pl_slice_str("payload"))));
    assert_true(pl_is_ok(snapshot_commit(writer)));
    return truncate(segment_path(dir, 1, path), 8192);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "make-golden") == 0)
        return make_golden(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reopens_where_it_ended),
        cmocka_unit_test(test_rolls_to_the_next_segment),
        cmocka_unit_test(test_every_torn_tail_is_cut_and_kept),
        cmocka_unit_test(test_a_missing_sector_is_a_torn_tail),
        cmocka_unit_test(test_every_flipped_byte_is_noticed),
        cmocka_unit_test(test_damage_before_the_end_stops),
        cmocka_unit_test(test_another_ledgers_segment_is_refused),
        cmocka_unit_test(test_read_only_changes_nothing),
        cmocka_unit_test(test_full_disk_is_told_before_and_heals),
        cmocka_unit_test(test_a_reader_keeps_up_with_the_writer),
        cmocka_unit_test(test_golden_log_of_version_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
