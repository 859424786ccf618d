/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: whatever happened to the files, opening never loses or changes a durable batch unnoticed: a
 * torn tail is cut and kept, any other damage stops the opening, says where, and changes nothing.
 */
#include <errno.h>

#include "failing_io.h"
#include "fixture.h"

enum { SHORT_FILE = 8192 }; /* a short segment reads the same and is quick to look through */

struct log {
    char *dir;
    char path[600];
    uint8_t *whole; /* the first segment's bytes */
    size_t len;
};

static void log_make(struct log *log, int batches, uint32_t count, size_t bytes)
{
    log->dir = dir_new();
    make_log(log->dir, batches, count, bytes);
    segment_path(log->dir, 1, log->path);
    assert_int_equal(truncate(log->path, SHORT_FILE), 0);
    log->whole = slurp(log->path, &log->len);
}

static void log_restore(const struct log *log)
{
    put_at(log->path, 0, log->whole, log->len);
    assert_int_equal(truncate(log->path, (off_t)log->len), 0);
}

static void log_free(struct log *log)
{
    dir_remove(log->dir);
    free(log->whole);
}

static enum pl_code try_open(const struct log *log, struct file_report *report)
{
    struct store *store = NULL;
    struct pl_status status = open_file(log->dir, false, 0, report, &store);
    if (pl_is_ok(status))
        store_close(store);
    return status.code;
}

static void assert_refused(const struct log *log, const char *words)
{
    struct file_report report;
    struct store *store = NULL;
    size_t before_len, after_len;
    uint8_t *before = slurp(log->path, &before_len);
    assert_int_equal(try_open(log, &report), PL_E_CORRUPT);
    assert_int_equal(open_file(log->dir, true, 0, &report, &store).code, PL_E_CORRUPT);
    if (strstr(report.damage, words) == NULL || strstr(report.damage, ".seg") == NULL)
        fail_msg("not said: %s: %s", words, report.damage);
    assert_int_equal(report.torn_bytes, 0);
    uint8_t *after = slurp(log->path, &after_len);
    assert_int_equal(before_len, after_len);
    assert_memory_equal(before, after, after_len);
    free(before);
    free(after);
}

/* --- what a crash leaves --- */

/* Opens after a cut of the third batch at `cut`; what was there must be kept, its place be empty,
 * and life go on, also after the next start. */
static void check_cut(const struct log *log, size_t from, size_t cut)
{
    struct store *store = NULL;
    struct file_report report;
    struct pl_status status = open_file(log->dir, false, 0, &report, &store);
    if (!pl_is_ok(status))
        fail_msg("cut at %zu: %s", cut - from, report.damage);
    assert_int_equal(count_batches(store), 2);
    if (cut > from) {
        char kept[800];
        size_t kept_len, len;
        snprintf(kept, sizeof(kept), "%s/%s", log->dir, report.torn_kept_in);
        uint8_t *bytes = slurp(kept, &kept_len);
        assert_int_equal(kept_len, report.torn_bytes);
        assert_in_range(kept_len, 1, cut - from);
        assert_memory_equal(bytes, log->whole + from, kept_len);
        free(bytes);
        assert_int_equal(unlink(kept), 0);
        bytes = slurp(log->path, &len);
        for (size_t i = from; i < len; i++)
            assert_int_equal(bytes[i], 0);
        free(bytes);
    } else {
        assert_int_equal(report.torn_bytes, 0);
        assert_string_equal(report.torn_kept_in, "");
    }
    append_some(store, 1, 1, 200);
    store_close(store);
    assert_true(pl_is_ok(open_file(log->dir, true, 0, &report, &store)));
    assert_int_equal(count_batches(store), 3);
    store_close(store);
}

static void test_a_tail_torn_at_any_byte_is_cut_and_kept(void **state)
{
    (void)state;
    struct log log;
    static const uint8_t zeros[SHORT_FILE];
    log_make(&log, 3, 2, 150);
    size_t from = record_at(log.whole, 2), to = record_at(log.whole, 3);
    for (size_t cut = from; cut < to; cut++) {
        log_restore(&log);
        put_at(log.path, cut, zeros, to - cut);
        check_cut(&log, from, cut);
    }
    log_free(&log);
}

static void test_a_file_that_ends_at_any_byte_is_a_torn_tail(void **state)
{
    (void)state;
    struct log log;
    char second[600];
    log_make(&log, 3, 2, 150);
    size_t from = record_at(log.whole, 2), to = record_at(log.whole, 3);
    for (size_t cut = from; cut < to; cut++) {
        log_restore(&log);
        (void)unlink(segment_path(log.dir, 3, second)); /* there was no room left in the first */
        assert_int_equal(truncate(log.path, (off_t)cut), 0);
        check_cut(&log, from, cut);
    }
    log_free(&log);
}

static void test_two_cuts_at_one_place_keep_both(void **state)
{
    (void)state;
    struct log log;
    char kept[800], first_name[128];
    struct file_report report;
    log_make(&log, 2, 1, 900);
    size_t from = record_at(log.whole, 1);
    for (int i = 0; i < 2; i++) {
        log_restore(&log);
        put_at(log.path, from + 300, (uint8_t[1000]){0}, record_at(log.whole, 2) - from - 300);
        assert_int_equal(try_open(&log, &report), PL_E_OK);
        if (i == 0)
            snprintf(first_name, sizeof(first_name), "%s", report.torn_kept_in);
        else
            assert_string_not_equal(first_name, report.torn_kept_in);
        snprintf(kept, sizeof(kept), "%s/%s", log.dir, report.torn_kept_in);
        assert_int_equal(access(kept, R_OK), 0);
    }
    snprintf(kept, sizeof(kept), "%s/%s", log.dir, first_name);
    assert_int_equal(access(kept, R_OK), 0);
    log_free(&log);
}

/* A crash while a cut is under way leaves the torn tail, or part of it, to be cut again. */
static struct io crashing;
static int crash_in; /* writes and syncs until everything fails */

static bool crash_now(void)
{
    return --crash_in < 0;
}

static struct pl_status crashing_pwrite(struct io *io, int fd, const void *data, size_t len,
                                        uint64_t offset)
{
    (void)io;
    return crash_now() ? pl_fail(IO, "crash")
                       : io_system()->pwrite(io_system(), fd, data, len, offset);
}

static struct pl_status crashing_datasync(struct io *io, int fd)
{
    (void)io;
    return crash_now() ? pl_fail(IO, "crash") : io_system()->datasync(io_system(), fd);
}

static struct pl_status crashing_sync(struct io *io, int fd)
{
    (void)io;
    return crash_now() ? pl_fail(IO, "crash") : io_system()->sync(io_system(), fd);
}

static struct pl_status crashing_rename(struct io *io, const char *from, const char *to)
{
    (void)io;
    return crash_now() ? pl_fail(IO, "crash") : io_system()->rename(io_system(), from, to);
}

static struct pl_status crashing_sync_dir(struct io *io, const char *path)
{
    (void)io;
    return crash_now() ? pl_fail(IO, "crash") : io_system()->sync_dir(io_system(), path);
}

static void test_a_cut_can_be_interrupted_anywhere(void **state)
{
    (void)state;
    struct log log;
    int failures = 0;
    log_make(&log, 3, 1, 900);
    size_t from = record_at(log.whole, 2);
    crashing = *io_system();
    crashing.pwrite = crashing_pwrite;
    crashing.datasync = crashing_datasync;
    crashing.sync = crashing_sync;
    crashing.rename = crashing_rename;
    crashing.sync_dir = crashing_sync_dir;
    for (int steps = 0;; steps++) {
        struct store *store = NULL;
        struct file_report report;
        log_restore(&log);
        put_at(log.path, from + 400, (uint8_t[700]){0}, record_at(log.whole, 3) - from - 400);
        crash_in = steps;
        struct pl_status status = open_file_io(&crashing, log.dir, false, 0, &report, &store);
        if (pl_is_ok(status)) {
            store_close(store);
            break;
        }
        failures++;
        assert_int_equal(status.code, PL_E_IO);
        assert_non_null(strstr(report.damage, ".seg")); /* which file it was about */
        assert_true(pl_is_ok(open_file(log.dir, false, 0, &report, &store)));
        assert_int_equal(count_batches(store), 2);
        append_some(store, 1, 1, 20);
        store_close(store);
    }
    assert_in_range(failures, 6, 14);
    log_free(&log);
}

/* Not only between writes: within one, at any byte, as a memory page that goes to the disk while it
 * is being written. */
static size_t crash_bytes, crash_from; /* bytes written from there on until everything fails */

static struct pl_status crashing_in_pwrite(struct io *io, int fd, const void *data, size_t len,
                                           uint64_t offset)
{
    (void)io;
    if (offset < crash_from)
        return io_system()->pwrite(io_system(), fd, data, len, offset);
    size_t piece = len < crash_bytes ? len : crash_bytes;
    PL_TRY(io_system()->pwrite(io_system(), fd, data, piece, offset));
    crash_bytes -= piece;
    return piece < len ? pl_fail(IO, "crash") : pl_ok();
}

static void forget_kept(const struct log *log, const struct file_report *report)
{
    char kept[800];
    snprintf(kept, sizeof(kept), "%s/%s", log->dir, report->torn_kept_in);
    if (report->torn_kept_in[0] != '\0')
        (void)unlink(kept); /* names are not without end */
}

static void test_a_cut_can_be_interrupted_at_any_byte(void **state)
{
    (void)state;
    struct log log;
    int failures = 0;
    log_make(&log, 3, 1, 100);
    size_t from = record_at(log.whole, 2), to = record_at(log.whole, 3);
    crashing = *io_system();
    crashing.pwrite = crashing_in_pwrite;
    crash_from = from;
    for (size_t torn = 150; torn < to - from; torn += 7) {
        for (size_t bytes = 0; bytes < torn; bytes += 3) {
            struct store *store = NULL;
            struct file_report report;
            log_restore(&log);
            put_at(log.path, from + torn, (uint8_t[700]){0}, to - from - torn);
            crash_bytes = bytes;
            struct pl_status status = open_file_io(&crashing, log.dir, false, 0, &report, &store);
            if (pl_is_ok(status))
                store_close(store);
            failures += !pl_is_ok(status);
            forget_kept(&log, &report);
            status = open_file(log.dir, false, 0, &report, &store);
            if (!pl_is_ok(status))
                fail_msg("torn at %zu, cut to %zu: %s", torn, bytes, report.damage);
            assert_int_equal(count_batches(store), 2);
            store_close(store);
            forget_kept(&log, &report);
        }
    }
    assert_in_range(failures, 100, 10000);
    log_free(&log);
}

/* --- what is no crash's doing --- */

static void test_every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    struct log log;
    struct file_report report;
    size_t len;
    log_make(&log, 3, 1, 40);
    size_t end = record_at(log.whole, 3);
    for (size_t bit = 0; bit < end * 8; bit += bit / 8 >= 100 && bit / 8 < 4090 ? 37 : 3) {
        uint8_t flipped = (uint8_t)(log.whole[bit / 8] ^ (1u << (bit % 8)));
        put_at(log.path, bit / 8, &flipped, 1);
        if (try_open(&log, &report) != PL_E_CORRUPT)
            fail_msg("bit %zu of byte %zu went unnoticed", bit % 8, bit / 8);
        assert_non_null(strstr(report.damage, "Restore"));
        put_at(log.path, bit / 8, log.whole + bit / 8, 1);
    }
    uint8_t *after = slurp(log.path, &len);
    assert_int_equal(len, log.len);
    assert_memory_equal(log.whole, after, len); /* nothing was changed by looking */
    free(after);
    assert_int_equal(try_open(&log, &report), PL_E_OK);
    assert_int_equal(report.batches_scanned, 3);
    log_free(&log);
}

static void test_a_hole_before_the_end_is_damage(void **state)
{
    (void)state;
    struct log log;
    char words[100];
    log_make(&log, 5, 1, 300);
    for (int n = 0; n < 4; n++) {
        size_t from = record_at(log.whole, n), to = record_at(log.whole, n + 1);
        log_restore(&log);
        put_at(log.path, from, (uint8_t[1000]){0}, to - from);
        snprintf(words, sizeof(words), "byte %zu, after batch %d", from, n);
        assert_refused(&log, words);
    }
    log_free(&log);
}

static void test_batches_in_another_order_are_damage(void **state)
{
    (void)state;
    struct log log;
    log_make(&log, 4, 1, 300);
    size_t at1 = record_at(log.whole, 1), at2 = record_at(log.whole, 2);
    size_t len = at2 - at1;
    put_at(log.path, at1, log.whole + at2, len); /* each is fine by itself */
    put_at(log.path, at2, log.whole + at1, len);
    assert_refused(&log, "does not follow");
    log_restore(&log);
    put_at(log.path, record_at(log.whole, 4), log.whole + at2, len); /* an old one once more */
    assert_refused(&log, "after batch 4");
    log_free(&log);
}

static void test_a_batch_of_another_history_is_damage(void **state)
{
    (void)state;
    struct log log, other;
    log_make(&log, 3, 1, 300);
    log_make(&other, 3, 1, 301); /* as large, after padding */
    put_at(log.path, record_at(log.whole, 2), other.whole + record_at(other.whole, 2),
           record_at(log.whole, 3) - record_at(log.whole, 2));
    assert_refused(&log, "does not follow");
    log_free(&log);
    log_free(&other);
}

static void test_another_ledgers_segment_is_refused(void **state)
{
    (void)state;
    struct log log;
    struct store *store = NULL;
    struct file_report report;
    log_make(&log, 1, 1, 10);
    struct file_options options = {.dir = log.dir, .io = io_system(), .segment_bytes = 4 << 20};
    assert_int_equal(file_open(&options, &report, &store).code, PL_E_CORRUPT);
    assert_non_null(strstr(report.damage, "another ledger"));
    log_free(&log);
}

static void test_a_newer_versions_log_is_refused(void **state)
{
    (void)state;
    struct log log;
    struct file_report report;
    struct segment_header header;
    uint8_t page[SEGMENT_HEADER_BYTES];
    log_make(&log, 1, 1, 10);
    assert_true(pl_is_ok(segment_header_decode(log.whole, &header)));
    header.format = header.min_reader = SEGMENT_FORMAT + 1;
    segment_header_encode(&header, page);
    put_at(log.path, 0, page, sizeof(page));
    assert_int_equal(try_open(&log, &report), PL_E_UNIMPLEMENTED);
    assert_non_null(strstr(report.damage, "newer version"));
    assert_non_null(strstr(report.damage, "0000000000000001.seg"));
    log_free(&log);
}

/* --- several segments --- */

static void rolled_log(char **ret_dir, uint64_t first[8], size_t *ret_count)
{
    struct file_list list;
    *ret_dir = dir_new();
    make_log(*ret_dir, 120, 1, 60000); /* 7 MB in segments of 2 MiB */
    assert_true(pl_is_ok(file_list_read(io_system(), *ret_dir, &list)));
    assert_in_range(list.count, 4, 8);
    memcpy(first, list.first_batch, list.count * sizeof(*first));
    *ret_count = list.count;
    file_list_fini(&list);
}

static void test_segments_follow_each_other(void **state)
{
    (void)state;
    char *dir, path[600], aside[700];
    uint64_t first[8];
    size_t count;
    struct store *store = NULL;
    struct file_report report;
    rolled_log(&dir, first, &count);
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
    assert_int_equal(report.segments, count);
    assert_int_equal(report.batches_scanned, 120);
    store_close(store);
    for (size_t i = 0; i + 1 < count; i++) { /* one is missing */
        snprintf(aside, sizeof(aside), "%s.aside", segment_path(dir, first[i], path));
        assert_int_equal(rename(path, aside), 0);
        assert_int_equal(open_file(dir, false, 0, &report, &store).code, PL_E_CORRUPT);
        assert_non_null(strstr(report.damage, i == 0 ? "first segment is missing" : "follow"));
        assert_int_equal(rename(aside, path), 0);
    }
    segment_path(dir, first[1], path); /* one has another's name */
    snprintf(aside, sizeof(aside), "%s/" FILE_SEGMENT_FORMAT, dir, first[1] + 1);
    assert_int_equal(rename(path, aside), 0);
    assert_int_equal(open_file(dir, false, 0, &report, &store).code, PL_E_CORRUPT);
    assert_non_null(strstr(report.damage, "name and header disagree"));
    assert_int_equal(rename(aside, path), 0);
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
    store_close(store);
    dir_remove(dir);
}

/* A batch that was answered, whose header is damaged later, and behind it one that a crash cut
 * short: whichever sectors of that one came to the disk, the first is none that never was whole. */
static void test_damage_before_a_torn_batch_is_damage(void **state)
{
    (void)state;
    struct log log;
    log_make(&log, 3, 1, 900);
    size_t at = record_at(log.whole, 1), from = record_at(log.whole, 2);
    size_t to = record_at(log.whole, 3), first = from / SEGMENT_SECTOR_BYTES;
    unsigned sectors = (unsigned)((to - 1) / SEGMENT_SECTOR_BYTES - first + 1);
    uint8_t *image = malloc(log.len);
    assert_non_null(image);
    for (size_t byte = at; byte < at + SEGMENT_RECORD_HEADER_BYTES; byte += 5) {
        for (unsigned lost = 0; lost < 1u << sectors; lost++) {
            memcpy(image, log.whole, log.len);
            for (size_t i = from; i < to; i++) {
                if ((lost >> (i / SEGMENT_SECTOR_BYTES - first) & 1) != 0)
                    image[i] = 0;
            }
            image[byte] ^= 4;
            put_at(log.path, 0, image, log.len);
            assert_refused(&log, "");
        }
    }
    free(image);
    log_free(&log);
}

static void test_a_torn_batch_before_the_newest_segment_is_damage(void **state)
{
    (void)state;
    char *dir, path[600];
    uint64_t first[8];
    size_t count, len;
    struct store *store = NULL;
    struct file_report report;
    rolled_log(&dir, first, &count);
    uint8_t *bytes = slurp(segment_path(dir, first[0], path), &len);
    size_t last = record_at(bytes, (int)(first[1] - first[0]) - 1);
    put_at(path, last + 5000, (uint8_t[60000]){0}, 60000);
    free(bytes);
    assert_int_equal(open_file(dir, false, 0, &report, &store).code, PL_E_CORRUPT);
    assert_non_null(strstr(report.damage, "the log goes on after it"));
    dir_remove(dir);
}

static void test_a_snapshot_saves_the_walk(void **state)
{
    (void)state;
    char *dir, path[600];
    uint64_t first[8];
    size_t count;
    struct store *store = NULL;
    struct file_report report;
    rolled_log(&dir, first, &count);
    put_at(segment_path(dir, 1, path), 9000, "x", 1); /* damage that is not looked at */
    assert_true(pl_is_ok(open_file(dir, false, first[count - 1] + 3, &report, &store)));
    assert_int_equal(report.segments, 1);
    assert_int_equal(report.batches_scanned, 121 - first[count - 1]);
    struct seen seen = {.next = first[count - 1], .batches = first[count - 1] - 1};
    assert_true(pl_is_ok(store_read(store, first[count - 1], see_batch, &seen)));
    assert_int_equal(seen.batches, 120);
    seen = (struct seen){.next = 1}; /* until somebody reads it */
    assert_int_equal(store_read(store, 1, see_batch, &seen).code, PL_E_CORRUPT);
    store_close(store);
    assert_int_equal(open_file(dir, false, 0, &report, &store).code, PL_E_CORRUPT);
    dir_remove(dir);
}

/* --- read only --- */

static void test_read_only_changes_nothing(void **state)
{
    (void)state;
    struct log log;
    struct store *store = NULL;
    struct file_report report;
    size_t len, again;
    log_make(&log, 2, 1, 400);
    put_at(log.path, record_at(log.whole, 2) - 300, (uint8_t[300]){0}, 300);
    uint8_t *before = slurp(log.path, &len);
    assert_true(pl_is_ok(open_file(log.dir, true, 0, &report, &store)));
    assert_int_equal(count_batches(store), 1);
    store_close(store);
    uint8_t *after = slurp(log.path, &again);
    assert_int_equal(len, again);
    assert_memory_equal(before, after, len);
    struct file_list list;
    assert_true(pl_is_ok(file_list_read(io_system(), log.dir, &list)));
    assert_int_equal(list.count, 1);
    file_list_fini(&list);
    free(before);
    free(after);
    log_free(&log);
}

/* --- what memory shows and the disk has not --- */

static int settled, dirs_synced;

static struct pl_status counting_settle(struct io *io, int fd)
{
    (void)io;
    settled++;
    return io_system()->settle(io_system(), fd);
}

static struct pl_status counting_sync_dir(struct io *io, const char *path)
{
    (void)io;
    dirs_synced++;
    return io_system()->sync_dir(io_system(), path);
}

static void test_what_is_read_is_on_the_disk_first(void **state)
{
    (void)state;
    struct log log;
    struct io io = *io_system();
    struct store *store = NULL;
    struct file_report report;
    log_make(&log, 2, 1, 400);
    io.settle = counting_settle;
    io.sync_dir = counting_sync_dir;
    assert_true(pl_is_ok(open_file_io(&io, log.dir, true, 0, &report, &store)));
    store_close(store);
    assert_int_equal(settled, 0); /* whoever only reads writes nothing */
    assert_true(pl_is_ok(open_file_io(&io, log.dir, false, 0, &report, &store)));
    store_close(store);
    assert_int_equal(settled, 1);
    assert_int_equal(dirs_synced, 1);
    log_free(&log);
}

static void test_other_files_do_not_matter(void **state)
{
    (void)state;
    struct log log;
    struct file_report report;
    log_make(&log, 2, 1, 400);
    static const char *const names[] = {"0000000000000001.seg.bak",
                                        "00000000000000zz.seg",
                                        "x.seg",
                                        "0000000000000002.broken",
                                        "README",
                                        "0000000000000003.tmp",
                                        "next-0.tmp"};
    for (size_t i = 0; i < PL_COUNT(names); i++) {
        char path[700];
        snprintf(path, sizeof(path), "%s/%s", log.dir, names[i]);
        assert_true(pl_is_ok(io_write_file(io_system(), path, pl_slice_str("?"), 0600)));
    }
    assert_int_equal(try_open(&log, &report), PL_E_OK);
    assert_int_equal(report.batches_scanned, 2);
    log_free(&log);
}

static struct pl_status take_batch(void *arg, const struct store_batch *batch)
{
    (*(unsigned *)arg)++;
    (void)batch;
    return pl_ok();
}

/* Opens, for reading alone or not, and reads all of it. */
static struct pl_status walk_all(struct io *io, const struct log *log, bool read_only,
                                 unsigned *ret_batches)
{
    struct file_report report = {0};
    struct store *store = NULL;
    *ret_batches = 0;
    PL_TRY(open_file_io(io, log->dir, read_only, 0, &report, &store));
    struct pl_status status = store_read(store, 1, take_batch, ret_batches);
    store_close(store);
    return status;
}

static void remove_if_broken(void *arg, const char *name)
{
    char path[700];
    snprintf(path, sizeof(path), "%s/%s", (const char *)arg, name);
    if (strstr(name, ".broken") != NULL)
        assert_int_equal(unlink(path), 0);
}

static void remove_broken(char *dir)
{
    assert_true(pl_is_ok(io_system()->list(io_system(), dir, remove_if_broken, dir)));
}

/* No call of the disk may fail unnoticed, and none that fails may cost what is there. */
static void test_a_call_that_fails_anywhere_is_told(void **state)
{
    (void)state;
    struct log log;
    log_make(&log, 5, 2, 40);
    for (int read_only = 0; read_only <= 1; read_only++) {
        bool failed = true;
        unsigned n = 0, batches = 0;
        while (failed) {
            struct failing_io failing;
            log_restore(&log);
            remove_broken(
                log.dir); /* a name taken is one call more: the n-th would never move on */
            /* the last batch is torn */
            assert_int_equal(truncate(log.path, SEGMENT_HEADER_BYTES + 4 * 256 + 200), 0);
            failing_io_init(&failing, ++n);
            struct pl_status status = walk_all(&failing.io, &log, read_only == 1, &batches);
            failed = failing_io_failed(&failing);
            unsigned whole = 0;
            assert_true(pl_is_ok(walk_all(io_system(), &log, true, &whole)));
            assert_true(whole >= 3);
            assert_true(!pl_is_ok(status) || batches == whole);
        }
        assert_true(n > (read_only ? 4 : 20));
    }
    log_free(&log);
}

/* The header of a segment, changed and sealed again. */
static void forge_header(const char *path, int field, bool undo)
{
    struct segment_header header;
    size_t len;
    uint8_t *bytes = slurp(path, &len), page[SEGMENT_HEADER_BYTES];
    assert_true(pl_is_ok(segment_header_decode(bytes, &header)));
    header.first_seq += field == 0 ? (undo ? -1ull : 1) : 0;
    header.prev[31] ^= field == 1;
    segment_header_encode(&header, page);
    put_at(path, 0, page, sizeof(page));
    free(bytes);
}

static void test_what_reading_finds_damaged_is_told(void **state)
{
    (void)state;
    char *dir, path[600], aside[700];
    uint64_t first[8];
    size_t count;
    struct store *store = NULL;
    struct file_report report;
    struct seen seen = {.next = 1};
    rolled_log(&dir, first, &count);
    assert_true(pl_is_ok(open_file(dir, true, 0, &report, &store)));
    segment_path(dir, first[1], path);
    for (int field = 0; field < 2; field++) { /* that the next one does not follow */
        forge_header(path, field, false);
        seen = (struct seen){.next = 1};
        assert_int_equal(store_read(store, 1, see_batch, &seen).code, PL_E_CORRUPT);
        assert_int_equal(seen.batches, first[1] - 1); /* and all before it is right */
        forge_header(path, field, true);
    }
    segment_path(dir, first[count - 1], path); /* the newest one begins, and nothing is in it */
    assert_int_equal(truncate(path, SEGMENT_HEADER_BYTES), 0);
    seen = (struct seen){.next = 1};
    assert_int_equal(store_read(store, 1, see_batch, &seen).code, PL_E_CORRUPT);
    assert_int_equal(seen.batches, first[count - 1] - 1);
    for (size_t i = 0; i < count; i++) {
        snprintf(aside, sizeof(aside), "%s.aside", segment_path(dir, first[i], path));
        assert_int_equal(rename(path, aside), 0);
    }
    assert_int_equal(store_read(store, 1, see_batch, &seen).code, PL_E_NOT_FOUND);
    store_close(store);
    dir_remove(dir);
}

static void test_reading_on_a_disk_that_fails_anywhere_is_told(void **state)
{
    (void)state;
    char *dir;
    uint64_t first[8];
    size_t count;
    unsigned n = 0;
    rolled_log(&dir, first, &count);
    for (bool failed = true; failed;) {
        struct failing_io failing;
        unsigned batches = 0;
        failing_io_init(&failing, ++n);
        struct pl_status status = file_walk(&failing.io, dir, 1, 120, take_batch, &batches);
        failed = failing_io_failed(&failing);
        assert_int_equal(status.code, failed ? PL_E_IO : PL_E_OK);
        assert_true(failed || batches == 120);
    }
    assert_true(n > 3 * count); /* each is opened, measured, read */
    dir_remove(dir);
}

static void test_any_number_of_segments_is_listed_in_order(void **state)
{
    (void)state;
    char *dir = dir_new(), path[600];
    struct file_list list;
    for (uint64_t i = 0; i < 50; i++)
        assert_true(pl_is_ok(io_write_file(io_system(), segment_path(dir, i * 29 % 50 + 1, path),
                                           pl_slice_str("?"), 0600)));
    assert_true(pl_is_ok(file_list_read(io_system(), dir, &list)));
    assert_int_equal(list.count, 50);
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(list.first_batch[i], i + 1);
    file_list_fini(&list);
    dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_tail_torn_at_any_byte_is_cut_and_kept),
        cmocka_unit_test(test_a_file_that_ends_at_any_byte_is_a_torn_tail),
        cmocka_unit_test(test_two_cuts_at_one_place_keep_both),
        cmocka_unit_test(test_a_cut_can_be_interrupted_anywhere),
        cmocka_unit_test(test_a_cut_can_be_interrupted_at_any_byte),
        cmocka_unit_test(test_every_flipped_bit_is_noticed),
        cmocka_unit_test(test_a_hole_before_the_end_is_damage),
        cmocka_unit_test(test_batches_in_another_order_are_damage),
        cmocka_unit_test(test_a_batch_of_another_history_is_damage),
        cmocka_unit_test(test_another_ledgers_segment_is_refused),
        cmocka_unit_test(test_a_newer_versions_log_is_refused),
        cmocka_unit_test(test_segments_follow_each_other),
        cmocka_unit_test(test_damage_before_a_torn_batch_is_damage),
        cmocka_unit_test(test_a_torn_batch_before_the_newest_segment_is_damage),
        cmocka_unit_test(test_a_snapshot_saves_the_walk),
        cmocka_unit_test(test_read_only_changes_nothing),
        cmocka_unit_test(test_what_is_read_is_on_the_disk_first),
        cmocka_unit_test(test_other_files_do_not_matter),
        cmocka_unit_test(test_a_call_that_fails_anywhere_is_told),
        cmocka_unit_test(test_what_reading_finds_damaged_is_told),
        cmocka_unit_test(test_reading_on_a_disk_that_fails_anywhere_is_told),
        cmocka_unit_test(test_any_number_of_segments_is_listed_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
