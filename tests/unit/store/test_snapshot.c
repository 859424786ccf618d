/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a snapshot is believed only when every byte of it is right; the newest right one is found,
 * whatever else lies about.
 */
#include <inttypes.h>
#include <sys/mman.h>

#include "failing_io.h"
#include "fixture.h"

/* Of the payload: a sum stands behind each piece. */
static size_t bytes_of(const char *dir, uint64_t batch)
{
    enum { PIECE = (1 << 18) + 8 };
    char path[600];
    struct stat found;
    snprintf(path, sizeof(path), "%s/%016" PRIx64 ".snap", dir, batch);
    assert_int_equal(stat(path, &found), 0);
    size_t behind = (size_t)found.st_size - 160;
    return behind - (behind + PIECE - 1) / PIECE * 8;
}

static void write_one(const char *dir, uint64_t batch, size_t bytes)
{
    struct snapshot_meta meta = {.batch = batch, .seq = batch * 10, .time_us = 5};
    struct snapshot_writer *writer = NULL;
    memcpy(meta.ledger_id, test_ledger_id, 16);
    assert_true(pl_is_ok(snapshot_create(io_system(), dir, &meta, &writer)));
    uint8_t *data = malloc(bytes + 1);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(i * 7 + batch);
    assert_true(pl_is_ok(snapshot_write(writer, pl_slice(data, bytes / 3))));
    assert_true(pl_is_ok(snapshot_write(writer, pl_slice(data + bytes / 3, bytes - bytes / 3))));
    assert_true(pl_is_ok(snapshot_commit(writer)));
    free(data);
}

static uint8_t big[700000];
static bool ahead; /* by a thread of its own */

/* Of the newest one that is right to its end. */
static uint64_t newest(const char *dir)
{
    uint64_t batch = UINT64_MAX;
    struct snapshot *snapshot = NULL;
    while (pl_is_ok(snapshot_open_before(io_system(), dir, test_ledger_id, batch, &snapshot))) {
        batch = snapshot_get_meta(snapshot)->batch;
        size_t len = bytes_of(dir, batch);
        if (ahead)
            snapshot_read_ahead(snapshot);
        bool whole =
            pl_is_ok(snapshot_read(snapshot, big, len)) && pl_is_ok(snapshot_finish(snapshot));
        snapshot_close(snapshot);
        if (whole)
            return batch;
    }
    return 0;
}

/* The disk gives other bytes than when the snapshot was opened, or than those around them. */
static void test_what_changes_after_opening_is_seen(void **state)
{
    (void)state;
    char *dir = dir_new();
    char path[600];
    const uint8_t other = 0xEE;
    struct snapshot *snapshot = NULL;
    write_one(dir, 12, 700000);
    assert_true(
        pl_is_ok(snapshot_open_before(io_system(), dir, test_ledger_id, UINT64_MAX, &snapshot)));
    snprintf(path, sizeof(path), "%s/%016x.snap", dir, 12);
    assert_true(pl_is_ok(snapshot_read(snapshot, big, 1000)));
    put_at(path, 5000, &other, 1); /* that piece is in memory, and was right */
    put_at(path, 300000, &other, 1);
    assert_true(pl_is_ok(snapshot_read(snapshot, big, 200000)));
    for (size_t i = 0; i < 200000; i++)
        assert_int_equal(big[i], (uint8_t)((i + 1000) * 7 + 12));
    assert_int_equal(snapshot_read(snapshot, big, 300000).code, PL_E_CORRUPT);
    assert_int_equal(snapshot_read(snapshot, big, 1).code, PL_E_CORRUPT); /* and so it stays */
    snapshot_close(snapshot);
    dir_remove(dir);
}

/* More pieces than are read ahead, in bites that fit none of them; closed at any place. */
static void test_reading_ahead(void **state)
{
    (void)state;
    enum { BYTES = 3000017, BITE = 99991 };
    char *dir = dir_new(), path[600];
    const uint8_t other = 0xEE;
    snprintf(path, sizeof(path), "%s/%016x.snap", dir, 12);
    write_one(dir, 12, BYTES);
    for (size_t until = 0; until <= BYTES + BITE; until += 10 * BITE) {
        struct snapshot *snapshot = NULL;
        size_t at = 0;
        assert_true(pl_is_ok(
            snapshot_open_before(io_system(), dir, test_ledger_id, UINT64_MAX, &snapshot)));
        snapshot_read_ahead(snapshot);
        for (size_t bite; at < BYTES && at < until; at += bite) {
            bite = BYTES - at < BITE ? BYTES - at : BITE;
            assert_true(pl_is_ok(snapshot_read(snapshot, big, bite)));
            for (size_t i = 0; i < bite; i++)
                assert_int_equal(big[i], (uint8_t)((at + i) * 7 + 12));
        }
        assert_int_equal(snapshot_finish(snapshot).code, at == BYTES ? PL_E_OK : PL_E_CORRUPT);
        assert_true(at < BYTES || snapshot_read(snapshot, big, 1).code == PL_E_CORRUPT);
        snapshot_close(snapshot);
    }
    put_at(path, 2000000, &other, 1); /* found long before it is asked for, told when it is */
    struct snapshot *snapshot = NULL;
    assert_true(
        pl_is_ok(snapshot_open_before(io_system(), dir, test_ledger_id, UINT64_MAX, &snapshot)));
    snapshot_read_ahead(snapshot);
    for (size_t at = 0; at < 7 << 18; at += 1 << 18)
        assert_true(pl_is_ok(snapshot_read(snapshot, big, 1 << 18)));
    for (int times = 0; times < 3; times++)
        assert_int_equal(snapshot_read(snapshot, big, 1).code, PL_E_CORRUPT);
    snapshot_close(snapshot);
    dir_remove(dir);
}

static size_t pages_there(void *memory, size_t pages)
{
    unsigned char there[64];
    size_t count = 0;
    assert_true(pages <= sizeof(there));
    assert_int_equal(mincore(memory, pages * (size_t)sysconf(_SC_PAGESIZE), there), 0);
    for (size_t i = 0; i < pages; i++)
        count += there[i] & 1;
    return count;
}

/* The thread makes them when it has read what there is room for; what is in them stays. */
static void test_pages_are_made_ahead(void **state)
{
    (void)state;
    enum { BYTES = 3000017, PAGES = 64, GONE = 16 };
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *dir = dir_new();
    struct snapshot *snapshot = NULL;
    write_one(dir, 12, BYTES);
    assert_true(
        pl_is_ok(snapshot_open_before(io_system(), dir, test_ledger_id, UINT64_MAX, &snapshot)));
    snapshot_read_ahead(snapshot);
    uint8_t *memory =
        mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    memory[page + 5] = 77;
    assert_int_equal(pages_there(memory, PAGES), 1);
    snapshot_expect(snapshot, memory + 1, PAGES * page - 1);     /* all but the first */
    assert_true(pl_is_ok(snapshot_read(snapshot, big, 600000))); /* pieces are given back */
    for (size_t i = 0; pages_there(memory, PAGES) < PAGES - 1; i++) {
        assert_true(i < 20000);
        usleep(1000);
    }
    assert_int_equal(pages_there(memory, 1), 0);
    assert_int_equal(memory[page + 5], 77);
    snapshot_expect(snapshot, memory, GONE * page); /* what is gone does no harm */
    assert_int_equal(munmap(memory, GONE * page), 0);
    for (size_t at = 600000; at < BYTES; at += 1 << 18) {
        size_t left = BYTES - at;
        assert_true(pl_is_ok(snapshot_read(snapshot, big, left < 1 << 18 ? left : 1 << 18)));
        assert_int_equal(big[0], (uint8_t)(at * 7 + 12));
    }
    assert_true(pl_is_ok(snapshot_finish(snapshot)));
    snapshot_close(snapshot);
    assert_int_equal(munmap(memory + GONE * page, (PAGES - GONE) * page), 0);
    dir_remove(dir);
}

/* A piece that is right, at its place, of another snapshot. */
static void test_a_piece_of_another_one_is_not_taken(void **state)
{
    (void)state;
    enum { PIECE = (1 << 18) + 8 };
    char *dir = dir_new(), path[600];
    struct snapshot_meta meta = {.batch = 12, .seq = 1};
    struct snapshot_writer *writer = NULL;
    memcpy(meta.ledger_id, test_ledger_id, 16);
    write_one(dir, 12, 700000);
    snprintf(path, sizeof(path), "%s/%016x.snap", dir, 12);
    size_t len;
    uint8_t *first = slurp(path, &len);
    assert_int_equal(len, 160 + 700000 + 3 * 8);
    put_at(path, 160 + PIECE, first + 160, PIECE); /* the first one again */
    assert_int_equal(newest(dir), 0);
    assert_true(pl_is_ok(snapshot_create(io_system(), dir, &meta, &writer)));
    assert_true(pl_is_ok(snapshot_write(writer, pl_slice(big, 700000))));
    assert_true(pl_is_ok(snapshot_commit(writer)));
    assert_int_equal(newest(dir), 12);
    put_at(path, 160, first + 160, PIECE);
    assert_int_equal(newest(dir), 0);
    free(first);
    dir_remove(dir);
}

static void test_the_newest_is_read_back(void **state)
{
    (void)state;
    char *dir = dir_new();
    struct snapshot *snapshot = NULL;
    assert_int_equal(newest(dir), 0);
    write_one(dir, 3, 100);
    write_one(dir, 12, 700000);
    assert_true(
        pl_is_ok(snapshot_open_before(io_system(), dir, test_ledger_id, UINT64_MAX, &snapshot)));
    assert_int_equal(snapshot_get_meta(snapshot)->seq, 120);
    for (size_t i = 0; i < 700000;) {
        uint8_t piece[1000];
        size_t len = 1 + i % 999;
        if (len > 700000 - i)
            len = 700000 - i;
        assert_true(pl_is_ok(snapshot_read(snapshot, piece, len)));
        for (size_t k = 0; k < len; k++, i++)
            assert_int_equal(piece[k], (uint8_t)(i * 7 + 12));
    }
    uint8_t more;
    assert_true(pl_is_ok(snapshot_finish(snapshot)));
    snapshot_close(snapshot);
    assert_true(
        pl_is_ok(snapshot_open_before(io_system(), dir, test_ledger_id, UINT64_MAX, &snapshot)));
    assert_int_equal(snapshot_finish(snapshot).code, PL_E_CORRUPT); /* not all of it was read */
    assert_true(pl_is_ok(snapshot_read(snapshot, big, 700000)));
    assert_int_equal(snapshot_read(snapshot, &more, 1).code, PL_E_CORRUPT);
    snapshot_close(snapshot);
    assert_true(pl_is_ok(snapshot_prune(io_system(), dir, 1)));
    assert_int_equal(newest(dir), 12);
    dir_remove(dir);
}

static void test_a_damaged_one_is_passed_over(void **state)
{
    (void)state;
    char *dir = dir_new(), path[600];
    write_one(dir, 3, 100);
    write_one(dir, 5, 200);
    snprintf(path, sizeof(path), "%s/%016x.snap", dir, 5);
    for (size_t at = 0; at < 160 + 200 + 8; at++) {
        uint8_t byte;
        int fd = open(path, O_RDWR);
        assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
        assert_int_equal(newest(dir), 3);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
        close(fd);
    }
    assert_int_equal(newest(dir), 5);
    assert_int_equal(truncate(path, 300), 0);
    assert_int_equal(newest(dir), 3);
    dir_remove(dir);
}

static void test_an_abandoned_one_leaves_nothing(void **state)
{
    (void)state;
    char *dir = dir_new();
    struct snapshot_meta meta = {.batch = 9};
    struct snapshot_writer *writer = NULL;
    assert_true(pl_is_ok(snapshot_create(io_system(), dir, &meta, &writer)));
    snapshot_abandon(writer);
    assert_int_equal(newest(dir), 0);
    assert_int_equal(rmdir(dir), 0);
    free(dir);
}

static unsigned open_files(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* Makes snapshot 4, large enough for several pieces. */
static struct pl_status make_another(struct io *io, const char *dir)
{
    struct snapshot_meta meta = {.batch = 4, .seq = 40};
    struct snapshot_writer *writer = NULL;
    memcpy(meta.ledger_id, test_ledger_id, 16);
    struct pl_status status = snapshot_create(io, dir, &meta, &writer);
    if (!pl_is_ok(status))
        return status;
    uint8_t *data = calloc(1, 600000);
    status = snapshot_write(writer, pl_slice(data, 600000));
    free(data);
    if (!pl_is_ok(status)) {
        snapshot_abandon(writer);
        return status;
    }
    return snapshot_commit(writer);
}

static void test_one_that_fails_anywhere_leaves_the_older_one(void **state)
{
    (void)state;
    char *dir = dir_new();
    write_one(dir, 3, 100);
    unsigned files = open_files(), n = 0;
    bool failed = true;
    while (failed) {
        struct failing_io failing;
        failing_io_init(&failing, ++n);
        struct pl_status status = make_another(&failing.io, dir);
        failed = failing_io_failed(&failing);
        if (!failed)
            assert_true(pl_is_ok(status));
        uint64_t found = newest(dir);
        assert_true(found == 4 || (found == 3 && !pl_is_ok(status)));
        assert_int_equal(open_files(), files);
        if (found == 4)
            assert_true(pl_is_ok(snapshot_prune(io_system(), dir, 2)));
        char path[600];
        snprintf(path, sizeof(path), "%s/%016x.snap", dir, 4);
        if (failed)
            (void)unlink(path);
    }
    assert_true(n > 8);
    dir_remove(dir);
}

/* Reads the newest one whole, then prunes. */
static struct pl_status read_and_prune(struct io *io, const char *dir, uint64_t *ret_batch)
{
    struct snapshot *snapshot = NULL;
    PL_TRY(snapshot_open_before(io, dir, test_ledger_id, UINT64_MAX, &snapshot));
    *ret_batch = snapshot_get_meta(snapshot)->batch;
    uint8_t *into = malloc(600000);
    struct pl_status status = snapshot_read(snapshot, into, *ret_batch == 4 ? 600000 : 100);
    free(into);
    snapshot_close(snapshot);
    PL_TRY(status);
    return snapshot_prune(io, dir, 2);
}

static void test_reading_that_fails_anywhere_says_so(void **state)
{
    (void)state;
    char *dir = dir_new();
    write_one(dir, 3, 100);
    assert_true(pl_is_ok(make_another(io_system(), dir)));
    unsigned files = open_files(), n = 0;
    bool failed = true;
    while (failed) {
        write_one(dir, 2, 10); /* to be pruned */
        struct failing_io failing;
        failing_io_init(&failing, ++n);
        uint64_t batch = 0;
        struct pl_status status = read_and_prune(&failing.io, dir, &batch);
        failed = failing_io_failed(&failing);
        /* an older one may stand in for one that cannot be read */
        assert_true(!pl_is_ok(status) || batch == 4 || (failed && batch == 3));
        assert_int_equal(newest(dir), 4); /* whatever failed, nothing good is gone */
        assert_int_equal(open_files(), files);
    }
    assert_true(n > 6);
    dir_remove(dir);
}

/* Sealed again, as only a program does. */
static void forge_header(const char *path, size_t at, uint32_t value)
{
    uint8_t header[160];
    size_t len;
    uint8_t *bytes = slurp(path, &len);
    memcpy(header, bytes, sizeof(header));
    free(bytes);
    pl_put_le32(header + at, value);
    if (at < 128)
        pl_put_le64(header + 128, pl_xxh3(pl_slice(header, 128), 0));
    put_at(path, 0, header, sizeof(header));
}

static void test_what_another_program_wrote(void **state)
{
    (void)state;
    char *dir = dir_new(), path[600];
    write_one(dir, 3, 100);
    write_one(dir, 4, 200);
    snprintf(path, sizeof(path), "%s/%016x.snap", dir, 4);
    forge_header(path, 8, 3);
    forge_header(path, 140, 77); /* a field of a newer format that an older reader may ignore */
    assert_int_equal(newest(dir), 4);
    forge_header(path, 12, 3); /* or may not */
    assert_int_equal(newest(dir), 3);
    forge_header(path, 12, 2);
    assert_int_equal(newest(dir), 4);
    forge_header(path, 16, 12345); /* another ledger's */
    assert_int_equal(newest(dir), 3);
    dir_remove(dir);
}

static void test_many_and_other_names(void **state)
{
    (void)state;
    char *dir = dir_new(), path[600];
    static const char *const names[] = {"0000000000000099.snip", "99.snap",
                                        "0000000000000099.snap.old", "snapshot.tmp"};
    for (size_t i = 0; i < PL_COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        assert_true(pl_is_ok(io_write_file(io_system(), path, pl_slice_str("?"), 0600)));
    }
    for (uint64_t i = 1; i <= 20; i++)
        write_one(dir, i * 7 % 23 + 1, 10);
    assert_int_equal(newest(dir), 23);
    assert_true(pl_is_ok(snapshot_prune(io_system(), dir, 1)));
    assert_int_equal(newest(dir), 23);
    snprintf(path, sizeof(path), "%s/%016x.snap", dir, 23);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(newest(dir), 0);
    snprintf(path, sizeof(path), "%s/%s", dir, names[1]);
    assert_int_equal(access(path, F_OK), 0); /* what is not ours is not pruned */
    snapshot_close(NULL);
    dir_remove(dir);
}

static void test_a_snapshot_that_was_read_in_part_is_not_finished(void **state)
{
    (void)state;
    char *dir = dir_new();
    struct snapshot *snapshot = NULL;
    write_one(dir, 3, 100); /* small: all of it is read ahead */
    assert_true(
        pl_is_ok(snapshot_open_before(io_system(), dir, test_ledger_id, UINT64_MAX, &snapshot)));
    assert_true(pl_is_ok(snapshot_read(snapshot, big, 99)));
    assert_int_equal(snapshot_finish(snapshot).code, PL_E_CORRUPT);
    assert_true(pl_is_ok(snapshot_read(snapshot, big, 1)));
    assert_true(pl_is_ok(snapshot_finish(snapshot)));
    snapshot_close(snapshot);
    dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_changes_after_opening_is_seen),
        cmocka_unit_test(test_a_piece_of_another_one_is_not_taken),
        cmocka_unit_test(test_reading_ahead),
        cmocka_unit_test(test_pages_are_made_ahead),
        cmocka_unit_test(test_the_newest_is_read_back),
        cmocka_unit_test(test_a_damaged_one_is_passed_over),
        cmocka_unit_test(test_an_abandoned_one_leaves_nothing),
        cmocka_unit_test(test_one_that_fails_anywhere_leaves_the_older_one),
        cmocka_unit_test(test_reading_that_fails_anywhere_says_so),
        cmocka_unit_test(test_what_another_program_wrote),
        cmocka_unit_test(test_many_and_other_names),
        cmocka_unit_test(test_a_snapshot_that_was_read_in_part_is_not_finished),
    };
    int alone = cmocka_run_group_tests(tests, NULL, NULL);
    ahead = true;
    return alone | cmocka_run_group_tests(tests, NULL, NULL);
}
