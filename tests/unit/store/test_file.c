/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: the embedded engine beyond what every driver must do: segments prepared ahead, a full disk
 * told before anything is written, a disk that fails ends the process, old logs stay readable.
 *
 * `store_test_file make-golden DIR` writes the files of a NEW version of the formats into an empty
 * DIR (tests/golden/vN); old ones are never written again.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "conformance.h"

static int setup_file(void **state)
{
    struct store *store = NULL;
    struct file_report report;
    char *dir = dir_new();
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
    return driver_setup(state, store, dir);
}

static void count_temporary(void *arg, const char *name)
{
    *(int *)arg += strstr(name, ".tmp") != NULL;
}

static int temporary_files(const char *dir)
{
    int count = 0;
    assert_true(pl_is_ok(io_system()->list(io_system(), dir, count_temporary, &count)));
    return count;
}

static void test_reopens_where_it_ended(void **state)
{
    (void)state;
    char *dir = dir_new();
    struct store *store = NULL;
    struct file_report report;
    struct store_head before, after;
    for (int i = 0; i < 5; i++) {
        assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
        assert_int_equal(report.batches_scanned, i * 13);
        assert_int_equal(report.torn_bytes, 0);
        if (i > 0) {
            store_head(store, &after);
            assert_memory_equal(&before, &after, sizeof(before));
        }
        append_some(store, 13, 3, 20000);
        assert_int_equal(count_batches(store), (i + 1) * 13);
        store_head(store, &before);
        store_close(store);
    }
    dir_remove(dir);
}

static void test_the_next_segment_is_there_before_it_is_needed(void **state)
{
    (void)state;
    char *dir = dir_new(), path[600];
    struct store *store = NULL;
    struct file_report report;
    struct stat found;
    struct file_list list;
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
    append_some(store, 10, 1, 60000);
    assert_int_equal(stat(segment_path(dir, 1, path), &found), 0);
    assert_int_equal(found.st_size, TEST_SEGMENT_BYTES);
    assert_true(found.st_blocks * 512 >= TEST_SEGMENT_BYTES); /* written, no holes */
    append_some(store, 12, 1, 60000);
    for (int i = 0; i < 1000 && temporary_files(dir) == 0; i++)
        usleep(10000); /* more than half is used: another thread is at it */
    assert_int_equal(temporary_files(dir), 1);
    append_some(store, 120, 1, 60000);
    store_close(store);
    assert_true(pl_is_ok(file_list_read(io_system(), dir, &list)));
    for (size_t i = 0; i < list.count; i++) {
        assert_int_equal(stat(segment_path(dir, list.first_batch[i], path), &found), 0);
        assert_int_equal(found.st_size, TEST_SEGMENT_BYTES);
    }
    assert_in_range(list.count, 4, 6);
    file_list_fini(&list);
    dir_remove(dir);
}

/* A prepared file that a crash left may hold a batch that nobody was told of. */
static void test_what_was_prepared_before_is_not_used(void **state)
{
    (void)state;
    char *dir = dir_new(), path[600];
    struct store *store = NULL;
    struct file_report report;
    for (unsigned i = 0; i < FILE_NEXT_NAMES; i++) {
        snprintf(path, sizeof(path), "%s/" FILE_NEXT_FORMAT, dir, i);
        assert_true(pl_is_ok(io_write_file(io_system(), path, pl_slice_str("old"), 0600)));
    }
    make_log(dir, 1, 1, 10);
    assert_int_equal(temporary_files(dir), 0);
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
    append_some(store, 40, 1, 60000);
    store_close(store);
    assert_true(pl_is_ok(open_file(dir, true, 0, &report, &store)));
    assert_int_equal(count_batches(store), 41);
    store_close(store);
    dir_remove(dir);
}

/* The preparing thread has a job, and is told to stop before it has begun. */
static void test_closing_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        char *dir = dir_new();
        struct store *store = NULL;
        struct file_report report;
        assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
        if (i % 2 == 0)
            append_some(store, 1, 1, 10);
        store_close(store);
        dir_remove(dir);
    }
}

static void test_read_only_takes_no_batch(void **state)
{
    (void)state;
    char *dir = dir_new();
    struct store *store = NULL;
    struct file_report report;
    assert_true(pl_is_ok(open_file(dir, true, 0, &report, &store))); /* empty: fine */
    assert_int_equal(count_batches(store), 0);
    assert_int_equal(store_has_room(store, 1).code, PL_E_UNAVAILABLE);
    store_dispatch(store);
    store_close(store);
    assert_int_equal(temporary_files(dir), 0);
    assert_int_equal(rmdir(dir), 0);
    free(dir);
}

static void test_a_directory_that_is_not_there(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct file_report report;
    assert_int_equal(open_file("/nonexistent/log", false, 0, &report, &store).code, PL_E_NOT_FOUND);
    assert_null(store);
}

/* --- a disk that is full for a while --- */

static _Atomic bool disk_full, claims_room;
static _Atomic int tries;

static struct pl_status full_free_bytes(struct io *io, const char *path, uint64_t *ret)
{
    (void)io;
    if (!disk_full || claims_room)
        return io_system()->free_bytes(io_system(), path, ret);
    *ret = 4096;
    return pl_ok();
}

/* Full for what is new; space that was prepared can be written. */
static struct pl_status full_pwrite(struct io *io, int fd, const void *data, size_t len,
                                    uint64_t offset)
{
    (void)io;
    bool preparing = *(const uint8_t *)data == 0;
    tries += preparing;
    if (disk_full && preparing && offset >= 1 << 20) {
        errno = ENOSPC;
        return pl_fail_errno(NO_SPACE, "write a file");
    }
    return io_system()->pwrite(io_system(), fd, data, len, offset);
}

static void fill_and_heal(bool claims)
{
    char *dir = dir_new();
    struct io io = *io_system();
    struct store *store = NULL;
    struct file_report report;
    struct store_batch batch;
    struct pl_buf body;
    int taken = 0;
    pl_buf_init(&body, STORE_BATCH_BYTES_MAX);
    io.free_bytes = full_free_bytes;
    io.pwrite = full_pwrite;
    claims_room = claims;
    disk_full = false;
    assert_true(pl_is_ok(open_file_io(&io, dir, false, 0, &report, &store)));
    append_some(store, 5, 1, 60000);
    disk_full = true;
    for (; taken < 200; taken++) {
        next_batch(store, 1, 60000, &body, &batch);
        if (!pl_is_ok(store_has_room(store, batch.body.len)))
            break;
        assert_int_equal(append_wait(store, &batch, taken % 2 == 0), STORE_DURABLE);
    }
    assert_in_range(taken, 20, 80); /* all that was prepared is used */
    tries = 0;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(store_has_room(store, batch.body.len).code, PL_E_NO_SPACE);
        assert_int_equal(append_wait(store, &batch, i % 2 == 0), STORE_NO_SPACE);
    }
    assert_true(claims ? tries >= 5 : tries == 0); /* a full disk is not written to, to find out */
    assert_int_equal(temporary_files(dir), 0);     /* nor kept full by what did not fit */
    assert_int_equal(count_batches(store), 5 + taken);
    assert_true(pl_is_ok(store_has_room(store, 100))); /* the rest of the segment */
    disk_full = false;
    assert_true(pl_is_ok(store_has_room(store, batch.body.len)));
    assert_int_equal(append_wait(store, &batch, true), STORE_DURABLE);
    assert_int_equal(count_batches(store), 6 + taken);
    pl_buf_fini(&body);
    store_close(store);
    dir_remove(dir);
}

static void test_full_disk_is_told_before_and_heals(void **state)
{
    (void)state;
    fill_and_heal(false);
}

static void test_a_quota_is_a_full_disk(void **state)
{
    (void)state;
    fill_and_heal(true); /* the file system says that there is room, and refuses */
}

/* --- a disk without room for a copy of what is overwritten --- */

/* The page that a write begins in has its copy already, unless the write begins where the page
 * does; there is no other. */
enum { PAGES_BEGIN = 128 };
static _Atomic bool no_copies;
static _Atomic size_t page_bytes, copied_bytes; /* of a file: they have their copy */

static struct pl_status copying_pwrite(struct io *io, int fd, const void *data, size_t len,
                                       uint64_t offset)
{
    (void)io;
    if (!no_copies || offset + len <= copied_bytes)
        return io_system()->pwrite(io_system(), fd, data, len, offset);
    size_t room = (page_bytes - (offset + PAGES_BEGIN) % page_bytes) % page_bytes;
    size_t put = len < room ? len : room;
    PL_TRY(io_system()->pwrite(io_system(), fd, data, put, offset));
    if (put == len)
        return pl_ok();
    errno = ENOSPC;
    return pl_fail_errno(NO_SPACE, "write a file");
}

static struct io copying_io(void)
{
    struct io io = *io_system();
    io.pwrite = copying_pwrite;
    no_copies = false;
    page_bytes = 4096;
    copied_bytes = 0;
    return io;
}

/* The newest segment, named or not, from the n-th record on. */
static void assert_zero_behind(const char *dir, const char *name, int records)
{
    char path[600];
    size_t len;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    uint8_t *bytes = slurp(path, &len);
    size_t at = record_at(bytes, records);
    assert_true(segment_is_zero(bytes + at, len - at));
    free(bytes);
}

/* `before` batches, then one that finds no room, of each size; then there is some again. */
static void fill_copies(int before, bool header, const char *name, int records, bool idle)
{
    static const size_t sizes[] = {70000, 300, 4096, 200000};
    char *dir = dir_new();
    struct io io = copying_io();
    struct store *store = NULL;
    struct file_report report;
    struct store_batch batch;
    struct pl_buf body;
    struct seen seen = {.next = 1};
    struct store_reader *reader = NULL;
    pl_buf_init(&body, STORE_BATCH_BYTES_MAX);
    assert_true(pl_is_ok(open_file_io(&io, dir, false, 0, &report, &store)));
    append_some(store, before, 1, 60000);
    copied_bytes = header ? SEGMENT_HEADER_BYTES : 0;
    assert_true(pl_is_ok(store_has_room(store, 60000)));
    assert_true(pl_is_ok(store_reader_open(store, &reader)));
    for (size_t i = 0; i < PL_COUNT(sizes); i++) {
        next_batch(store, 1, sizes[i], &body, &batch);
        page_bytes = i % 2 == 0 ? 4096 : 256; /* so that each size has no room */
        no_copies = true;
        assert_int_equal(append_wait(store, &batch, idle), STORE_NO_SPACE);
        assert_int_equal(store_has_room(store, 60000).code, PL_E_NO_SPACE);
        assert_int_equal(append_wait(store, &batch, idle), STORE_NO_SPACE);
        assert_true(store_is_there(store));
        assert_int_equal(count_batches(store), before);
        seen = (struct seen){.next = 1};
        assert_true(before == 0 ||
                    pl_is_ok(store_reader_read(reader, 1, (uint64_t)before, see_entry, &seen)));
        assert_zero_behind(dir, name, records);
        no_copies = false;
        assert_true(pl_is_ok(store_has_room(store, 60000)));
    }
    next_batch(store, 2, 100, &body, &batch); /* another one than those it was told of */
    batch.min_reader = SEGMENT_FORMAT;
    assert_int_equal(append_wait(store, &batch, idle), STORE_DURABLE);
    append_some(store, 3, 1, 60000);
    seen = (struct seen){.next = 1};
    assert_true(pl_is_ok(store_reader_read(reader, 1, (uint64_t)before + 5, see_entry, &seen)));
    store_reader_close(reader);
    store_close(store);
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
    assert_int_equal(report.torn_bytes, 0);
    assert_int_equal(count_batches(store), before + 4);
    append_some(store, 1, 1, 10);
    store_close(store);
    pl_buf_fini(&body);
    dir_remove(dir);
}

static void test_no_room_inside_a_segment(void **state)
{
    (void)state;
    for (int idle = 0; idle < 2; idle++) {
        fill_copies(3, false, "0000000000000001.seg", 3, idle != 0);
        /* the rest of it is too small for some */
        fill_copies(34, false, "0000000000000001.seg", 34, idle != 0);
        /* the next one has begun by then, but has no name */
        fill_copies(34, true, "next-1.tmp", 0, idle != 0);
        fill_copies(0, true, "next-0.tmp", 0, idle != 0);
        fill_copies(0, false, "next-0.tmp", 0, idle != 0);
    }
}

static int refused_with; /* of new files; 0: none is */

static struct pl_status refusing_open(struct io *io, const char *path, bool create, bool write,
                                      mode_t mode, int *ret_fd)
{
    (void)io;
    errno = refused_with;
    if (create && refused_with != 0)
        return pl_fail_errno(IO, "open a file");
    return io_system()->open(io_system(), path, create, write, mode, ret_fd);
}

/* Not every disk that takes nothing is full; the batch is in no file, and told so. */
static void test_what_hinders_the_next_segment_is_told(void **state)
{
    (void)state;
    static const int numbers[] = {EROFS, EIO, EMFILE, EACCES};
    char *dir = dir_new();
    struct io io = *io_system();
    struct store *store = NULL;
    struct file_report report;
    struct store_batch batch;
    struct pl_buf body;
    io.open = refusing_open;
    pl_buf_init(&body, STORE_BATCH_BYTES_MAX);
    assert_true(pl_is_ok(open_file_io(&io, dir, false, 0, &report, &store)));
    append_some(store, 3, 1, 60000);
    next_batch(store, 1, TEST_SEGMENT_BYTES - 70000, &body, &batch); /* in another segment */
    for (size_t i = 0; i < PL_COUNT(numbers); i++) {
        refused_with = numbers[i];
        struct pl_status status = store_has_room(store, batch.body.len);
        assert_int_equal(status.code, PL_E_IO);
        assert_int_equal(status.sys_errno, numbers[i]);
        assert_int_equal(append_wait(store, &batch, i % 2 == 0), STORE_UNAVAILABLE);
        assert_true(pl_is_ok(store_has_room(store, 100))); /* the rest of the segment */
    }
    refused_with = 0;
    assert_true(pl_is_ok(store_has_room(store, batch.body.len)));
    assert_int_equal(append_wait(store, &batch, true), STORE_DURABLE);
    assert_int_equal(count_batches(store), 4);
    store_close(store);
    pl_buf_fini(&body);
    dir_remove(dir);
}

/* --- a disk that fails --- */

static _Atomic bool broken;
static const char *broken_call;

static bool breaks(const char *call)
{
    return broken && strcmp(call, broken_call) == 0;
}

static struct pl_status broken_pwrite(struct io *io, int fd, const void *data, size_t len,
                                      uint64_t offset)
{
    (void)io;
    static _Atomic bool begun;
    if (breaks("pwrite"))
        return pl_fail(IO, "write a file");
    if (breaks("pwrite of a part, for good") || breaks("pwrite and the sync behind it")) {
        if (!begun)
            PL_TRY(io_system()->pwrite(io_system(), fd, data, len / 2, offset));
        begun = true;
        return pl_fail(NO_SPACE, "write a file");
    }
    return io_system()->pwrite(io_system(), fd, data, len, offset);
}

static struct pl_status broken_datasync(struct io *io, int fd)
{
    (void)io;
    return breaks("datasync") || breaks("pwrite and the sync behind it")
               ? pl_fail(IO, "sync a file's data")
               : io_system()->datasync(io_system(), fd);
}

static struct pl_status broken_rename(struct io *io, const char *from, const char *to)
{
    (void)io;
    return breaks("rename") ? pl_fail(IO, "rename a file")
                            : io_system()->rename(io_system(), from, to);
}

static bool is_directory(int fd)
{
    struct stat found;
    return fstat(fd, &found) == 0 && S_ISDIR(found.st_mode);
}

static struct pl_status broken_sync(struct io *io, int fd)
{
    (void)io;
    return is_directory(fd) && breaks("sync of the directory") ? pl_fail(IO, "sync a directory")
                                                               : io_system()->sync(io_system(), fd);
}

static void survive(void *arg, enum store_outcome outcome)
{
    (void)arg;
    (void)outcome;
    _exit(1); /* nothing may be told any more */
}

/* In a process of its own: appends until a batch meets the broken call. */
static void meet(const char *dir, const char *call, bool idle, int batches)
{
    struct io io = *io_system();
    struct store *store = NULL;
    struct file_report report;
    struct store_batch batch;
    struct pl_buf body;
    io.pwrite = broken_pwrite;
    io.datasync = broken_datasync;
    io.rename = broken_rename;
    io.sync = broken_sync;
    broken_call = call;
    pl_buf_init(&body, STORE_BATCH_BYTES_MAX);
    if (!pl_is_ok(open_file_io(&io, dir, false, 0, &report, &store)))
        _exit(2);
    append_some(store, batches, 1, 60000);
    next_batch(store, 1, 60000, &body, &batch);
    if (!pl_is_ok(store_has_room(store, batch.body.len)))
        _exit(3);
    broken = true;
    store_append(store, &batch, idle, survive, NULL);
    for (int i = 0; i < 100; i++) {
        struct pollfd fd = {.fd = store_fd(store), .events = POLLIN};
        (void)poll(&fd, 1, 100);
        store_dispatch(store);
    }
    _exit(4);
}

static void assert_ends(const char *call, bool idle, int batches)
{
    char *dir = dir_new(), said[1000] = "", path[600];
    int how = 0;
    snprintf(path, sizeof(path), "%s/stderr", dir);
    pid_t child = fork();
    if (child == 0) {
        if (freopen(path, "w", stderr) == NULL)
            _exit(5);
        setvbuf(stderr, NULL, _IONBF, 0);
        meet(dir, call, idle, batches);
    }
    assert_int_equal(waitpid(child, &how, 0), child);
    size_t len;
    uint8_t *bytes = slurp(path, &len);
    snprintf(said, sizeof(said), "%.*s", (int)len, (const char *)bytes);
    free(bytes);
    if (!WIFEXITED(how) || WEXITSTATUS(how) != 74)
        fail_msg("%s: ended with %#x: %s", call, (unsigned)how, said);
    assert_non_null(strstr(said, "the log cannot be written"));
    assert_true(strchr(said, '\n') == said + strlen(said) - 1); /* one line */
    struct store *store = NULL;
    struct file_report report;
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
    uint64_t there = count_batches(store);
    assert_true(there == (uint64_t)batches || there == (uint64_t)batches + 1);
    append_some(store, 1, 1, 10);
    store_close(store);
    dir_remove(dir);
}

static void test_a_failed_write_or_sync_ends_the_process(void **state)
{
    (void)state;
    for (int idle = 0; idle < 2; idle++) {
        assert_ends("pwrite", idle != 0, 3);
        assert_ends("datasync", idle != 0, 3);
        /* no room, and it cannot be made undone */
        assert_ends("pwrite of a part, for good", idle != 0, 3);
        assert_ends("pwrite and the sync behind it", idle != 0, 3);
        assert_ends("datasync", idle != 0, 0); /* the very first, in a new segment */
        assert_ends("rename", idle != 0, 0);
        assert_ends("sync of the directory", idle != 0, 0);
        assert_ends("rename", idle != 0, 34); /* 34 of these fill a segment */
    }
}

/* --- a directory that goes away --- */

static char *gone_from, *gone_to; /* where the log's directory is, and where it is put */

static void take_away(void)
{
    assert_int_equal(rename(gone_from, gone_to), 0);
}

static void put_back(void)
{
    assert_int_equal(rename(gone_to, gone_from), 0);
}

static const char *leaves_before; /* this call; NULL: none */

static void leave_before(const char *call)
{
    if (leaves_before == NULL || strcmp(call, leaves_before) != 0)
        return;
    leaves_before = NULL;
    take_away();
}

static struct pl_status leaving_datasync(struct io *io, int fd)
{
    (void)io;
    leave_before("datasync");
    return io_system()->datasync(io_system(), fd);
}

static struct pl_status leaving_rename(struct io *io, const char *from, const char *to)
{
    (void)io;
    leave_before("rename");
    return io_system()->rename(io_system(), from, to);
}

static struct pl_status leaving_sync(struct io *io, int fd)
{
    (void)io;
    if (is_directory(fd))
        leave_before("sync of the directory");
    return io_system()->sync(io_system(), fd);
}

struct absence {
    struct io io;
    struct store *store;
    struct store_batch batch; /* the one that is under way then */
    struct pl_buf body;
    uint64_t before;
};

/* A log of so many batches, and the next one; the directory is about to leave. */
static void absence_init(struct absence *a, int batches)
{
    struct file_report report;
    gone_from = dir_new();
    gone_to = dir_new();
    assert_int_equal(rmdir(gone_to), 0);
    a->io = *io_system();
    a->io.datasync = leaving_datasync;
    a->io.rename = leaving_rename;
    a->io.sync = leaving_sync;
    a->before = (uint64_t)batches;
    pl_buf_init(&a->body, STORE_BATCH_BYTES_MAX);
    assert_true(pl_is_ok(open_file_io(&a->io, gone_from, false, 0, &report, &a->store)));
    append_some(a->store, batches, 1, 60000);
    next_batch(a->store, 1, 60000, &a->body, &a->batch);
    assert_true(
        pl_is_ok(store_has_room(a->store, a->batch.body.len))); /* the next segment, if need be */
    assert_true(store_is_there(a->store));
}

static void absence_fini(struct absence *a)
{
    store_close(a->store);
    pl_buf_fini(&a->body);
    dir_remove(gone_from);
    free(gone_to);
}

/* The directory is back: the same bytes again are the log's next batch, and there after a start. */
static void assert_goes_on(struct absence *a)
{
    struct file_report report;
    assert_true(store_is_there(a->store));
    assert_int_equal(append_wait(a->store, &a->batch, false), STORE_DURABLE);
    assert_int_equal(count_batches(a->store), a->before + 1);
    append_some(a->store, 1, 1, 10);
    store_close(a->store);
    assert_true(pl_is_ok(open_file(gone_from, false, 0, &report, &a->store)));
    assert_int_equal(count_batches(a->store), a->before + 2);
}

enum { IN_A_SEGMENT = 3, AT_ITS_END = 34, FRESH = 0 };

/* Written and synced, but no start would find it: never durable, however often it is tried. */
static void test_what_no_start_would_find_is_not_durable(void **state)
{
    (void)state;
    static const int batches[] = {IN_A_SEGMENT, AT_ITS_END, FRESH};
    static const char *const calls[] = {NULL, "datasync", "rename", "sync of the directory"};
    for (size_t i = 0; i < PL_COUNT(batches) * PL_COUNT(calls) * 2; i++) {
        bool idle = i % 2 != 0;
        int many = batches[i / 2 % PL_COUNT(batches)];
        leaves_before = NULL;
        struct absence a;
        absence_init(&a, many);
        leaves_before = calls[i / 2 / PL_COUNT(batches)];
        if (many == IN_A_SEGMENT && leaves_before != NULL)
            leaves_before = "datasync"; /* no other is made there */
        if (leaves_before == NULL)
            take_away();
        assert_int_equal(append_wait(a.store, &a.batch, idle), STORE_UNKNOWN);
        assert_null(leaves_before);
        assert_false(store_is_there(a.store));
        assert_int_equal(append_wait(a.store, &a.batch, idle), STORE_UNKNOWN);
        put_back();
        assert_goes_on(&a);
        absence_fini(&a);
    }
}

/* It was on the disk whole, and readers may have looked ahead: it is not written once more, for
 * which there might be no room, nor ever taken back. */
static void test_what_was_unknown_needs_no_room(void **state)
{
    (void)state;
    static const int batches[] = {IN_A_SEGMENT, AT_ITS_END, FRESH};
    for (size_t i = 0; i < PL_COUNT(batches) * 2; i++) {
        struct absence a;
        struct store_reader *reader = NULL;
        struct seen seen = {.next = 1};
        bool idle = i % 2 != 0;
        leaves_before = NULL;
        absence_init(&a, batches[i / 2]);
        a.io.pwrite = copying_io().pwrite;
        assert_true(pl_is_ok(store_reader_open(a.store, &reader)));
        take_away();
        assert_int_equal(append_wait(a.store, &a.batch, idle), STORE_UNKNOWN);
        put_back();
        if (a.before != 0)
            assert_true(pl_is_ok(store_reader_read(reader, 1, a.before, see_entry, &seen)));
        no_copies = true;
        assert_int_equal(append_wait(a.store, &a.batch, idle), STORE_DURABLE);
        no_copies = false;
        assert_true(
            pl_is_ok(store_reader_read(reader, a.before + 1, a.before + 1, see_entry, &seen)));
        store_reader_close(reader);
        append_some(a.store, 1, 1, 10);
        assert_int_equal(count_batches(a.store), a.before + 2);
        absence_fini(&a);
    }
}

/* Ten segments: an older one is missed within so many looks, and until it is back. */
static void test_an_older_segment_that_is_missing_is_missed(void **state)
{
    (void)state;
    enum { LOOKS = 4 };
    struct file_list list;
    char path[600], aside[600];
    struct absence a;
    absence_init(&a, 10 * AT_ITS_END);
    assert_true(pl_is_ok(file_list_read(io_system(), gone_from, &list)));
    assert_true(list.count >= 10);
    for (size_t i = 0; i + 1 < list.count; i++) {
        segment_path(gone_from, list.first_batch[i], path);
        snprintf(aside, sizeof(aside), "%s/aside", gone_from);
        for (int k = 0; k < LOOKS; k++)
            assert_true(store_is_there(a.store));
        assert_int_equal(rename(path, aside), 0);
        bool missed = false;
        for (int k = 0; k < LOOKS && !missed; k++)
            missed = !store_is_there(a.store);
        assert_true(missed);
        for (int k = 0; k < LOOKS; k++)
            assert_false(store_is_there(a.store));
        assert_int_equal(rename(aside, path), 0);
        for (int k = 0; k < LOOKS; k++)
            assert_true(store_is_there(a.store));
    }
    file_list_fini(&list);
    next_batch(a.store, 1, 10, &a.body, &a.batch);
    assert_goes_on(&a);
    absence_fini(&a);
}

/* A deleted file takes all that is written to it. */
static void test_a_file_that_was_removed_takes_nothing_more(void **state)
{
    (void)state;
    char path[600];
    struct absence a;
    absence_init(&a, IN_A_SEGMENT);
    assert_int_equal(unlink(segment_path(gone_from, 1, path)), 0);
    assert_false(store_is_there(a.store));
    assert_int_equal(append_wait(a.store, &a.batch, true), STORE_UNKNOWN);
    assert_int_equal(append_wait(a.store, &a.batch, false), STORE_UNKNOWN);
    absence_fini(&a);
}

/* Nothing of it is taken for ours, and nothing is changed there. */
static void test_another_directory_in_its_place_is_left_alone(void **state)
{
    (void)state;
    static const char theirs[] = "theirs";
    static const int batches[] = {IN_A_SEGMENT, AT_ITS_END};
    for (size_t i = 0; i < PL_COUNT(batches); i++) {
        char path[3][600];
        struct absence a;
        absence_init(&a, batches[i]);
        take_away();
        assert_int_equal(mkdir(gone_from, 0700), 0);
        snprintf(path[0], sizeof(path[0]), "%s/" FILE_NEXT_FORMAT, gone_from, 0);
        snprintf(path[1], sizeof(path[1]), "%s/" FILE_NEXT_FORMAT, gone_from, 1);
        segment_path(gone_from, 1, path[2]);
        for (int k = 0; k < 3; k++)
            assert_true(pl_is_ok(io_write_file(io_system(), path[k], pl_slice_str(theirs), 0600)));
        assert_false(store_is_there(a.store));
        assert_int_equal(append_wait(a.store, &a.batch, true), STORE_UNKNOWN);
        if (batches[i] == IN_A_SEGMENT) /* no new one is prepared there */
            assert_int_equal(store_has_room(a.store, TEST_SEGMENT_BYTES - 70000).code,
                             PL_E_UNAVAILABLE);
        for (int k = 0; k < 3; k++) {
            size_t len;
            uint8_t *bytes = slurp(path[k], &len);
            assert_int_equal(len, sizeof(theirs) - 1);
            assert_memory_equal(bytes, theirs, len);
            free(bytes);
            assert_int_equal(unlink(path[k]), 0);
        }
        assert_int_equal(rmdir(gone_from), 0); /* and nothing else is there */
        put_back();
        assert_goes_on(&a);
        absence_fini(&a);
    }
}

/* Full is what has no room where it is. */
static void test_a_directory_that_went_away_is_not_a_full_disk(void **state)
{
    (void)state;
    struct absence a;
    absence_init(&a, IN_A_SEGMENT);
    next_batch(a.store, 1, 60000, &a.body, &a.batch);
    take_away();
    for (int i = 0; i < 60; i++)
        assert_int_equal(append_wait(a.store, &a.batch, i % 2 == 0), STORE_UNKNOWN);
    next_batch(a.store, 1, TEST_SEGMENT_BYTES - 70000, &a.body, &a.batch); /* in another segment */
    assert_int_equal(store_has_room(a.store, a.batch.body.len).code, PL_E_UNAVAILABLE);
    assert_int_equal(append_wait(a.store, &a.batch, true), STORE_UNKNOWN);
    put_back();
    absence_fini(&a);
}

/* --- golden: what released versions wrote stays readable --- */

#define GOLDEN   SOURCE_DIR "/tests/golden/v1"
#define GOLDEN_2 SOURCE_DIR "/tests/golden/v2"

static struct pl_status keep_hash(void *arg, const struct store_batch *batch)
{
    memcpy(arg, batch->hash, STORE_HASH_BYTES);
    return pl_ok();
}

/* Version 1 had one hash of all of it, version 2 has a sum of each piece. */
static void read_golden_snapshot(const char *dir, const uint8_t *batch_hash)
{
    struct snapshot *snapshot = NULL;
    assert_true(
        pl_is_ok(snapshot_open_before(io_system(), dir, test_ledger_id, UINT64_MAX, &snapshot)));
    const struct snapshot_meta *meta = snapshot_get_meta(snapshot);
    assert_int_equal(meta->batch, 4);
    assert_int_equal(meta->seq, 7);
    assert_true(meta->time_us == 1770000000000003);
    assert_memory_equal(meta->batch_hash, batch_hash, STORE_HASH_BYTES);
    uint8_t payload[7];
    assert_true(pl_is_ok(snapshot_read(snapshot, payload, 7)));
    assert_memory_equal(payload, "payload", 7);
    assert_true(pl_is_ok(snapshot_finish(snapshot)));
    snapshot_close(snapshot);
}

static void test_golden_log_of_version_1(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct file_report report;
    uint8_t hash[STORE_HASH_BYTES];
    size_t len;
    assert_true(pl_is_ok(open_file(GOLDEN, true, 0, &report, &store)));
    assert_int_equal(count_batches(store), 4);
    assert_true(pl_is_ok(store_read(store, 4, keep_hash, hash)));
    uint8_t *known = slurp(GOLDEN "/head.sha256", &len);
    assert_int_equal(len, STORE_HASH_BYTES);
    assert_memory_equal(hash, known, STORE_HASH_BYTES);
    struct store_reader *reader = NULL;
    struct seen seen = {.next = 1};
    assert_true(pl_is_ok(store_reader_open(store, &reader)));
    assert_true(pl_is_ok(store_reader_read(reader, 1, 7, see_entry, &seen)));
    assert_int_equal(seen.bytes, 620);
    store_reader_close(reader);
    store_close(store);
    read_golden_snapshot(GOLDEN, known);
    read_golden_snapshot(GOLDEN_2, known);
    free(known);
}

/* The segment is cut to what is used: a short file reads the same. */
static int make_golden(const char *dir)
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

static void test_the_newest_version_is_written_as_ever(void **state)
{
    (void)state;
    static const char *const names[] = {"0000000000000001.seg", "0000000000000004.snap",
                                        "head.sha256"};
    char *dir = dir_new();
    assert_int_equal(make_golden(dir), 0);
    for (size_t i = 0; i < PL_COUNT(names); i++) {
        char path[600];
        size_t known_len, len;
        snprintf(path, sizeof(path), "%s/%s", GOLDEN_2, names[i]);
        uint8_t *known = slurp(path, &known_len);
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        uint8_t *bytes = slurp(path, &len);
        assert_int_equal(len, known_len);
        assert_memory_equal(bytes, known, len);
        free(known);
        free(bytes);
    }
    dir_remove(dir);
}

/* --- what opening needs of the system --- */

int __real_eventfd(unsigned count, int flags);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *arg), void *arg);

static unsigned eventfds_left = UINT_MAX, threads_left = UINT_MAX;

int __wrap_eventfd(unsigned count, int flags)
{
    errno = EMFILE;
    return eventfds_left != 0 && eventfds_left-- != 0 ? __real_eventfd(count, flags) : -1;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *arg), void *arg)
{
    if (threads_left == 0)
        return EAGAIN;
    threads_left--;
    return __real_pthread_create(thread, attributes, run, arg);
}

static void test_no_descriptors_or_threads_left(void **state)
{
    (void)state;
    char *dir = dir_new();
    struct store *store = NULL;
    struct file_report report;
    make_log(dir, 2, 1, 10);
    for (eventfds_left = 0; eventfds_left < 3;) {
        unsigned left = eventfds_left;
        assert_false(pl_is_ok(open_file(dir, false, 0, &report, &store)));
        assert_null(store);
        eventfds_left = left + 1;
    }
    eventfds_left = UINT_MAX;
    for (unsigned left = 0; left < 2; left++) {
        threads_left = left;
        assert_int_equal(open_file(dir, false, 0, &report, &store).code, PL_E_UNAVAILABLE);
        assert_null(store);
    }
    threads_left = UINT_MAX;
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
    assert_int_equal(count_batches(store), 2);
    store_close(store);
    dir_remove(dir);
}

static void test_segments_smaller_than_the_largest_batch(void **state)
{
    (void)state;
    char *dir = dir_new();
    struct store *store = NULL;
    struct file_report report;
    struct store_batch batch;
    struct pl_buf body;
    struct file_options options = {.dir = dir, .io = io_system(), .segment_bytes = 64 << 10};
    pl_buf_init(&body, STORE_BATCH_BYTES_MAX);
    memcpy(options.ledger_id, test_ledger_id, 16);
    assert_true(pl_is_ok(file_open(&options, &report, &store)));
    size_t most = options.segment_bytes - SEGMENT_HEADER_BYTES - segment_record_bytes(0) - 8;
    for (int i = 0; i < 3; i++) {
        next_batch(store, 1, options.segment_bytes - SEGMENT_HEADER_BYTES, &body, &batch);
        assert_int_equal(append_wait(store, &batch, i % 2 == 0), STORE_TOO_BIG);
        next_batch(store, 1, most, &body, &batch);
        assert_int_equal(append_wait(store, &batch, i % 2 == 0), STORE_DURABLE);
    }
    assert_int_equal(count_batches(store), 3);
    pl_buf_fini(&body);
    store_close(store);
    dir_remove(dir);
}

/* --- who may read it --- */

/* What a segment says: the oldest reader that may read it. */
static uint32_t min_reader_of(const char *dir, uint64_t first_batch)
{
    char path[600];
    size_t len;
    struct segment_header header = {.min_reader = 0};
    uint8_t *bytes = slurp(segment_path(dir, first_batch, path), &len);
    assert_true(len > SEGMENT_HEADER_BYTES);
    assert_true(pl_is_ok(segment_header_decode(bytes, &header)));
    assert_int_equal(header.format, header.min_reader);
    free(bytes);
    return header.min_reader;
}

static size_t segments_of(const char *dir)
{
    struct file_list list;
    assert_true(pl_is_ok(file_list_read(io_system(), dir, &list)));
    size_t count = list.count;
    file_list_fini(&list);
    return count;
}

/* One batch that needs more than the first format: of that many bytes, or with such entries. */
static void append_newer(struct store *store, size_t body_bytes, uint32_t min_reader)
{
    struct store_batch batch;
    struct pl_buf body;
    pl_buf_init(&body, STORE_BATCH_BYTES_MAX);
    next_batch(store, 1, body_bytes - 4, &body, &batch);
    batch.min_reader = min_reader;
    assert_int_equal(batch.body.len, body_bytes);
    assert_int_equal(append_wait(store, &batch, true), STORE_DURABLE);
    pl_buf_fini(&body);
}

static void test_a_batch_for_newer_readers_begins_a_segment_that_says_so(void **state)
{
    (void)state;
    static const struct {
        size_t bytes;
        uint32_t entries, expected;
    } rows[] = {{STORE_BATCH_BYTES_V1, 0, 1},
                {STORE_BATCH_BYTES_V1, 1, 1},
                {STORE_BATCH_BYTES_V1 + 1, 0, 2},
                {1000, 2, 2}};
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        char *dir = dir_new();
        struct store *store = NULL;
        struct file_report report;
        uint64_t newer = rows[i].expected > 1 ? 4 : 1;
        make_log(dir, 3, 1, 10);
        assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
        append_newer(store, rows[i].bytes, rows[i].entries);
        append_some(store, 1, 1, 10); /* in the same segment */
        assert_int_equal(segments_of(dir), newer == 1 ? 1 : 2);
        assert_int_equal(min_reader_of(dir, 1), 1); /* as it was */
        assert_int_equal(min_reader_of(dir, newer), rows[i].expected);
        store_close(store);
        assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
        append_newer(store, rows[i].bytes, rows[i].entries); /* nothing new any more */
        assert_int_equal(segments_of(dir), rows[i].bytes > 1000 ? newer == 1 ? 2 : 3 : 2);
        append_some(store, 70, 1, 60000);
        assert_int_equal(count_batches(store), 76);
        store_close(store);
        struct file_list list; /* a segment never says less than the one before it */
        assert_true(pl_is_ok(file_list_read(io_system(), dir, &list)));
        assert_true(list.count > 3);
        assert_int_equal(min_reader_of(dir, list.first_batch[list.count - 1]), rows[i].expected);
        file_list_fini(&list);
        dir_remove(dir);
    }
}

/* An empty log that begins with one. */
static void test_the_first_batch_may_be_for_newer_readers(void **state)
{
    (void)state;
    char *dir = dir_new();
    struct store *store = NULL;
    struct file_report report;
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
    append_newer(store, 100, 2);
    assert_int_equal(min_reader_of(dir, 1), 2);
    assert_int_equal(segments_of(dir), 1);
    store_close(store);
    dir_remove(dir);
}

/* --- who waits for nobody --- */

/* On the caller's thread nobody has to be woken; what others do is told. */
static void test_only_what_others_did_is_announced(void **state)
{
    struct driver *d = *state;
    struct store_batch batch;
    const size_t bytes[] = {10, 10, 20000}; /* the last one is no single client's */
    append_some(d->store, 1, 1, 10);
    for (size_t i = 0; i < PL_COUNT(bytes); i++) {
        struct outcome outcome = {.done = false};
        bool idle = i != 1, here = i == 0;
        next_batch(d->store, 4, bytes[i], &d->body, &batch);
        store_append(d->store, &batch, idle, on_done, &outcome);
        struct pollfd fd = {.fd = store_fd(d->store), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, here ? 0 : 10000), here ? 0 : 1);
        assert_false(outcome.done);
        store_dispatch(d->store);
        assert_true(outcome.done);
        assert_int_equal(outcome.outcome, STORE_DURABLE);
    }
}

/* --- asking for room while something is refused --- */

static void test_a_refused_batch_takes_no_room(void **state)
{
    struct driver *d = *state;
    struct store_batch batch;
    struct outcome outcome = {.done = false};
    append_some(d->store, 1, 1, 10);
    next_batch(d->store, 1, 10, &d->body, &batch);
    batch.number = 9;
    store_batch_seal(&batch);
    store_append(d->store, &batch, true, on_done, &outcome);
    assert_true(pl_is_ok(store_has_room(d->store, STORE_BATCH_BYTES_MAX)));
    assert_int_equal(finish(d->store, &outcome), STORE_CONFLICT);
}

/* --- a prepared segment that can neither be finished nor removed --- */

static _Atomic bool stuck;

static struct pl_status stuck_sync(struct io *io, int fd)
{
    (void)io;
    return stuck && !is_directory(fd) ? pl_fail(IO, "sync a file")
                                      : io_system()->sync(io_system(), fd);
}

static struct pl_status stuck_remove(struct io *io, const char *path)
{
    (void)io;
    return stuck ? pl_fail(IO, "remove a file") : io_system()->remove(io_system(), path);
}

static void test_what_could_not_be_prepared_is_removed_later(void **state)
{
    (void)state;
    char *dir = dir_new();
    struct io io = *io_system();
    struct store *store = NULL;
    struct file_report report;
    io.sync = stuck_sync;
    io.remove = stuck_remove;
    stuck = true;
    make_log(dir, 1, 1, 10);
    assert_int_equal(open_file_io(&io, dir, false, 0, &report, &store).code, PL_E_IO);
    stuck = false;
    char *other = dir_new();
    assert_true(pl_is_ok(open_file_io(&io, other, false, 0, &report, &store)));
    append_some(store, 20, 1, 60000); /* more than half a segment: the next one is there */
    assert_true(pl_is_ok(store_has_room(store, STORE_BATCH_BYTES_MAX)));
    stuck = true;
    append_some(store, 34, 1, 60000);
    for (int i = 0; i < 4; i++) /* with either name, and what an earlier try left in the way */
        assert_int_equal(store_has_room(store, STORE_BATCH_BYTES_MAX).code, PL_E_IO);
    stuck = false;
    assert_true(pl_is_ok(store_has_room(store, STORE_BATCH_BYTES_MAX)));
    append_some(store, 40, 1, 60000);
    assert_int_equal(count_batches(store), 94);
    store_close(store);
    dir_remove(other);
    dir_remove(dir);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "make-golden") == 0)
        return make_golden(argv[2]);
    const struct CMUnitTest tests[] = {
        CONFORMANCE(setup_file),
        cmocka_unit_test(test_reopens_where_it_ended),
        cmocka_unit_test(test_the_next_segment_is_there_before_it_is_needed),
        cmocka_unit_test(test_what_was_prepared_before_is_not_used),
        cmocka_unit_test(test_closing_at_once),
        cmocka_unit_test(test_read_only_takes_no_batch),
        cmocka_unit_test(test_a_directory_that_is_not_there),
        cmocka_unit_test(test_full_disk_is_told_before_and_heals),
        cmocka_unit_test(test_a_quota_is_a_full_disk),
        cmocka_unit_test(test_no_room_inside_a_segment),
        cmocka_unit_test(test_what_no_start_would_find_is_not_durable),
        cmocka_unit_test(test_what_was_unknown_needs_no_room),
        cmocka_unit_test(test_a_file_that_was_removed_takes_nothing_more),
        cmocka_unit_test(test_an_older_segment_that_is_missing_is_missed),
        cmocka_unit_test(test_what_hinders_the_next_segment_is_told),
        cmocka_unit_test(test_another_directory_in_its_place_is_left_alone),
        cmocka_unit_test(test_a_directory_that_went_away_is_not_a_full_disk),
        cmocka_unit_test(test_a_failed_write_or_sync_ends_the_process),
        cmocka_unit_test(test_golden_log_of_version_1),
        cmocka_unit_test(test_the_newest_version_is_written_as_ever),
        cmocka_unit_test(test_no_descriptors_or_threads_left),
        cmocka_unit_test(test_segments_smaller_than_the_largest_batch),
        cmocka_unit_test(test_a_batch_for_newer_readers_begins_a_segment_that_says_so),
        cmocka_unit_test(test_the_first_batch_may_be_for_newer_readers),
        CONFORMS(test_only_what_others_did_is_announced, setup_file),
        CONFORMS(test_a_refused_batch_takes_no_room, setup_file),
        cmocka_unit_test(test_what_could_not_be_prepared_is_removed_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
