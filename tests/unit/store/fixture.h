/* SPDX-License-Identifier: Apache-2.0
 *
 * fixture: directories that go away, batches with known contents, one append and wait, segment
 * files as bytes.
 */
#ifndef TEST_STORE_FIXTURE_H
#define TEST_STORE_FIXTURE_H

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// clang-format off: cmocka.h needs others before it
#include <cmocka.h>
// clang-format on

#include "common/buf.h"
#include "common/check.h"
#include "common/hash.h"
#include "server/store/fault.h"
#include "server/store/file.h"
#include "server/store/file_private.h"
#include "server/store/io.h"
#include "server/store/mem.h"
#include "server/store/segment.h"
#include "server/store/snapshot.h"

enum { TEST_SEGMENT_BYTES = 2 << 20 };
static const uint8_t test_ledger_id[16] = "test ledger id!";

static inline char *dir_new(void)
{
    const char *base = getenv("TMPDIR");
    char *path = NULL;
    assert_true(asprintf(&path, "%s/pledged-test-XXXXXX", base != NULL ? base : "/tmp") > 0);
    assert_non_null(mkdtemp(path));
    return path;
}

static inline void dir_remove(char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char file[600];
        snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(file);
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(path);
    free(path);
}

static inline struct pl_status open_file_io(struct io *io, const char *dir, bool read_only,
                                            uint64_t trusted, struct file_report *report,
                                            struct store **ret)
{
    struct file_options options = {.dir = dir,
                                   .io = io,
                                   .segment_bytes = TEST_SEGMENT_BYTES,
                                   .read_only = read_only,
                                   .trusted_batch = trusted};
    memcpy(options.ledger_id, test_ledger_id, 16);
    return file_open(&options, report, ret);
}

static inline struct pl_status open_file(const char *dir, bool read_only, uint64_t trusted,
                                         struct file_report *report, struct store **ret)
{
    return open_file_io(io_system(), dir, read_only, trusted, report, ret);
}

struct outcome {
    bool done;
    enum store_outcome outcome;
};

static inline void on_done(void *arg, enum store_outcome result)
{
    struct outcome *outcome = arg;
    assert_false(outcome->done); /* exactly one completion */
    outcome->done = true;
    outcome->outcome = result;
}

static inline enum store_outcome finish(struct store *store, const struct outcome *outcome)
{
    for (int i = 0; i < 200000 && !outcome->done; i++) {
        struct pollfd fd = {.fd = store_fd(store), .events = POLLIN};
        int ready = poll(&fd, 1, i == 0 ? 0 : 10000);
        assert_true(ready == 1 || i == 0); /* the descriptor tells; of what is over at once, not */
        store_dispatch(store);
        if (!outcome->done)
            (void)usleep(100); /* a wrapped engine asks again and again: give it time */
    }
    assert_true(outcome->done);
    return outcome->outcome;
}

static inline enum store_outcome append_wait(struct store *store, const struct store_batch *batch,
                                             bool idle)
{
    struct outcome outcome = {.done = false};
    store_append(store, batch, idle, on_done, &outcome);
    assert_false(outcome.done); /* never inside append */
    return finish(store, &outcome);
}

/* The next batch after the store's head: `count` entries of `bytes` bytes, contents from the seq.
 */
static inline void next_batch(struct store *store, uint32_t count, size_t bytes,
                              struct pl_buf *body, struct store_batch *ret)
{
    struct store_head head;
    store_head(store, &head);
    *ret = (struct store_batch){.number = head.batch + 1,
                                .first_seq = head.next_seq,
                                .count = count,
                                .epoch = head.epoch != 0 ? head.epoch : 1,
                                .acked = head.batch,
                                .time_us = 1770000000000000 + (int64_t)head.batch,
                                .writer = "writer"};
    memcpy(ret->prev, head.hash, STORE_HASH_BYTES);
    pl_buf_clear(body);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *into = NULL;
        assert_true(pl_is_ok(pl_buf_reserve(body, bytes + 4, &into)));
        pl_put_le32(into, (uint32_t)bytes);
        for (size_t k = 0; k < bytes; k++)
            into[4 + k] = (uint8_t)(1 + (head.next_seq + i + k) % 251);
        pl_buf_commit(body, bytes + 4);
    }
    ret->body = pl_buf_slice(body);
    store_batch_seal(ret);
}

static inline void append_some(struct store *store, int batches, uint32_t count, size_t bytes)
{
    struct pl_buf body;
    struct store_batch batch;
    pl_buf_init(&body, STORE_BATCH_BYTES_MAX);
    for (int i = 0; i < batches; i++) {
        next_batch(store, count, bytes, &body, &batch);
        assert_true(pl_is_ok(store_has_room(store, batch.body.len)));
        assert_int_equal(append_wait(store, &batch, i % 2 == 0), STORE_DURABLE);
    }
    pl_buf_fini(&body);
}

/* --- a log as files --- */

static inline const char *segment_path(const char *dir, uint64_t first, char out[600])
{
    snprintf(out, 600, "%s/" FILE_SEGMENT_FORMAT, dir, first);
    return out;
}

static inline void make_log(const char *dir, int batches, uint32_t count, size_t bytes)
{
    struct store *store = NULL;
    struct file_report report;
    assert_true(pl_is_ok(open_file(dir, false, 0, &report, &store)));
    append_some(store, batches, count, bytes);
    store_close(store);
}

static inline uint8_t *slurp(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *len = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*len + 1);
    assert_int_equal(fread(bytes, 1, *len, file), *len);
    fclose(file);
    return bytes;
}

static inline void put_at(const char *path, size_t offset, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, data, len, (off_t)offset), (ssize_t)len);
    close(fd);
}

/* Offset of the n-th record (0: the first). */
static inline size_t record_at(const uint8_t *bytes, int n)
{
    size_t at = SEGMENT_HEADER_BYTES;
    while (n-- > 0)
        at += segment_record_bytes(pl_get_le64(bytes + at + 8));
    return at;
}

struct seen {
    uint64_t next;
    uint64_t batches;
    size_t bytes;
};

static inline struct pl_status see_entry(void *arg, uint64_t seq, struct pl_slice entry)
{
    struct seen *seen = arg;
    assert_int_equal(seq, seen->next);
    for (size_t k = 0; k < entry.len; k++)
        assert_int_equal(entry.data[k], 1 + (seq + k) % 251);
    seen->next++;
    seen->bytes += entry.len;
    return pl_ok();
}

static inline struct pl_status see_batch(void *arg, const struct store_batch *batch)
{
    struct seen *seen = arg;
    size_t cursor = 0;
    struct pl_slice entry;
    bool damaged = false;
    assert_int_equal(batch->number, seen->batches + 1);
    seen->batches++;
    while (store_body_next(batch->body, &cursor, &entry, &damaged))
        see_entry(seen, seen->next, entry);
    assert_false(damaged);
    return pl_ok();
}

static inline uint64_t count_batches(struct store *store)
{
    struct seen seen = {.next = 1};
    assert_true(pl_is_ok(store_read(store, 1, see_batch, &seen)));
    return seen.batches;
}

#endif
