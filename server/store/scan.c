/* SPDX-License-Identifier: Apache-2.0
 *
 * scan: finding and walking the segments of a directory; the verdict about the log's end when it
 * is opened. The rules are the table in segment.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/hash.h"
#include "server/store/file_private.h"
#include "server/store/segment.h"

enum { BROKEN_NAMES = 1000, LOOKS_MAX = 4 };

/* --- which segments there are --- */

static void add_name(void *arg, const char *name)
{
    struct file_list *list = arg;
    uint8_t bytes[8];
    char digits[17];
    if (strlen(name) != 20 || strcmp(name + 16, ".seg") != 0)
        return;
    memcpy(digits, name, 16);
    digits[16] = '\0';
    if (!pl_is_ok(pl_unhex(digits, bytes, sizeof(bytes))))
        return;
    uint64_t number = 0;
    for (size_t i = 0; i < sizeof(bytes); i++)
        number = number << 8 | bytes[i];
    if (list->count == list->cap) {
        list->cap = list->cap != 0 ? list->cap * 2 : 16;
        list->first_batch = reallocarray(list->first_batch, list->cap, sizeof(*list->first_batch));
        PL_ASSERT(list->first_batch != NULL);
    }
    list->first_batch[list->count++] = number;
}

static int ascending(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

struct pl_status file_list_read(struct io *io, const char *dir, struct file_list *ret)
{
    *ret = (struct file_list){.count = 0};
    PL_TRY(io->list(io, dir, add_name, ret));
    if (ret->count != 0)
        qsort(ret->first_batch, ret->count, sizeof(*ret->first_batch), ascending);
    return pl_ok();
}

void file_list_fini(struct file_list *list)
{
    free(list->first_batch);
    *list = (struct file_list){.count = 0};
}

/* --- a walk over records --- */

struct walk {
    struct io *io;
    const char *dir;
    struct file_list list;
    size_t index; /* of the segment at hand */
    int fd;       /* -1: none open */
    char name[32];
    struct segment_window window;
    struct segment_header header;
    struct store_head head; /* after the last record seen */
    uint64_t offset;        /* of the next record */
};

static void walk_close_segment(struct walk *walk)
{
    if (walk->fd < 0)
        return;
    segment_window_fini(&walk->window);
    walk->io->close(walk->io, walk->fd);
    walk->fd = -1;
}

static void walk_fini(struct walk *walk)
{
    walk_close_segment(walk);
    file_list_fini(&walk->list);
}

static struct pl_status walk_open_segment(struct walk *walk, bool write_too)
{
    char path[FILE_PATH_BYTES];
    uint64_t bytes = 0;
    const uint8_t *page = NULL;
    walk->offset = 0;
    (void)snprintf(walk->name, sizeof(walk->name), FILE_SEGMENT_FORMAT,
                   walk->list.first_batch[walk->index]);
    (void)snprintf(path, sizeof(path), "%s/%s", walk->dir, walk->name);
    PL_TRY(walk->io->open(walk->io, path, false, write_too, 0, &walk->fd));
    struct pl_status status = walk->io->size(walk->io, walk->fd, &bytes);
    segment_window_init(&walk->window, walk->io, walk->fd, bytes);
    PL_TRY(status);
    PL_TRY(segment_window_get(&walk->window, 0, SEGMENT_HEADER_BYTES, &page));
    PL_TRY(segment_header_decode(page, &walk->header));
    if (walk->header.first_batch != walk->list.first_batch[walk->index])
        return pl_fail(CORRUPT, "a segment's name and header disagree");
    walk->offset = SEGMENT_HEADER_BYTES;
    return pl_ok();
}

/* Starts at the newest segment that begins at or before the batch. */
static struct pl_status walk_start(struct walk *walk, uint64_t batch, bool write_too)
{
    walk->index = 0;
    while (walk->index + 1 < walk->list.count && walk->list.first_batch[walk->index + 1] <= batch)
        walk->index++;
    PL_TRY(walk_open_segment(walk, write_too));
    walk->head = (struct store_head){.batch = walk->header.first_batch - 1,
                                     .next_seq = walk->header.first_seq};
    memcpy(walk->head.hash, walk->header.prev, STORE_HASH_BYTES);
    return pl_ok();
}

static void walk_pass(struct walk *walk, const struct store_batch *batch)
{
    store_head_advance(&walk->head, batch);
    walk->offset += segment_record_bytes(batch->body.len);
}

/* On END of a segment that is not the newest: the next one, which must go on where this ended. */
static struct pl_status walk_next_segment(struct walk *walk, bool write_too)
{
    walk_close_segment(walk);
    walk->index++;
    PL_TRY(walk_open_segment(walk, write_too));
    if (walk->header.first_batch != walk->head.batch + 1 ||
        walk->header.first_seq != walk->head.next_seq ||
        memcmp(walk->header.prev, walk->head.hash, STORE_HASH_BYTES) != 0)
        return pl_fail(CORRUPT, "a segment does not follow the one before it");
    return pl_ok();
}

struct pl_status file_walk(struct io *io, const char *dir, uint64_t from_batch, uint64_t to_batch,
                           store_batch_fn fn, void *arg)
{
    struct walk walk PL_CLEANUP(walk_fini) = {.io = io, .dir = dir, .fd = -1};
    if (to_batch == 0 || from_batch > to_batch)
        return pl_ok();
    PL_TRY(file_list_read(io, dir, &walk.list));
    if (walk.list.count == 0)
        return pl_fail(NOT_FOUND, "the log has no segments");
    PL_TRY(walk_start(&walk, from_batch, false));
    while (walk.head.batch < to_batch) {
        enum segment_found found;
        struct store_batch batch;
        uint64_t torn_end;
        PL_TRY(segment_look(&walk.window, walk.offset, &walk.head, &found, &batch, &torn_end));
        if (found == SEGMENT_END && walk.index + 1 < walk.list.count) {
            PL_TRY(walk_next_segment(&walk, false));
            continue;
        }
        if (found != SEGMENT_RECORD)
            return pl_fail(CORRUPT, "the log ends before its head");
        walk_pass(&walk, &batch);
        if (batch.number >= from_batch)
            PL_TRY(fn(arg, &batch));
    }
    return pl_ok();
}

/* --- opening --- */

static struct pl_status damaged(const struct walk *walk, struct file_report *report,
                                const char *what)
{
    (void)snprintf(report->damage, sizeof(report->damage),
                   "%.120s/%s, byte %" PRIu64 ", after batch %" PRIu64
                   ": %s. Nothing was changed. Restore this file from a backup or a mirror.",
                   walk->dir, walk->name, walk->offset, walk->head.batch, what);
    return pl_fail(CORRUPT, "the log is damaged");
}

/* A name that no earlier cut at the same place has taken. */
static struct pl_status name_broken(const struct walk *walk, struct file_report *report,
                                    char path[FILE_PATH_BYTES])
{
    for (unsigned n = 0; n < BROKEN_NAMES; n++) {
        int fd = -1;
        (void)snprintf(report->torn_kept_in, sizeof(report->torn_kept_in),
                       "%.20s.%" PRIu64 ".%u.broken", walk->name, walk->offset, n);
        (void)snprintf(path, FILE_PATH_BYTES, "%s/%s", walk->dir, report->torn_kept_in);
        struct pl_status status = walk->io->open(walk->io, path, false, false, 0, &fd);
        if (status.code == PL_E_NOT_FOUND)
            return pl_ok();
        PL_TRY(status);
        walk->io->close(walk->io, fd);
    }
    return pl_fail(UNAVAILABLE, "too many .broken files of one place: move them elsewhere");
}

/* From the back: the header goes last, and only when nothing is behind it any more. A crash in
 * between leaves something that is still a torn tail. */
static struct pl_status make_empty(struct walk *walk, uint64_t end)
{
    uint64_t behind = walk->offset + SEGMENT_RECORD_HEADER_BYTES;
    if (end > behind) {
        PL_TRY(io_zero(walk->io, walk->fd, behind, end - behind));
        PL_TRY(walk->io->datasync(walk->io, walk->fd));
        end = behind;
    }
    PL_TRY(io_zero(walk->io, walk->fd, walk->offset, end - walk->offset));
    return walk->io->datasync(walk->io, walk->fd);
}

/* Keeps the torn bytes in a file of their own, then makes their place empty: old bytes must never
 * be taken for a record later. */
static struct pl_status cut(struct walk *walk, uint64_t end, struct file_report *report)
{
    char path[FILE_PATH_BYTES];
    size_t len = (size_t)(end - walk->offset);
    PL_TRY(name_broken(walk, report, path));
    uint8_t *bytes = malloc(len);
    PL_ASSERT(bytes != NULL);
    struct pl_status status = walk->io->pread(walk->io, walk->fd, bytes, len, walk->offset);
    if (pl_is_ok(status))
        status = io_write_file(walk->io, path, pl_slice(bytes, len), 0600);
    free(bytes);
    PL_TRY(status);
    PL_TRY(make_empty(walk, end));
    report->torn_bytes = len;
    return pl_ok();
}

/* What a log that nobody else writes shows at once. Beside a writer, a batch may have come between
 * two reads of one look and seem damaged: what is wrong then is right soon after. */
static struct pl_status look(struct walk *walk, bool beside_writer, enum segment_found *ret_found,
                             struct store_batch *ret, uint64_t *ret_torn_end)
{
    int looks = beside_writer ? LOOKS_MAX : 1;
    do {
        PL_TRY(
            segment_look(&walk->window, walk->offset, &walk->head, ret_found, ret, ret_torn_end));
        if (*ret_found == SEGMENT_DAMAGE)
            segment_window_forget(&walk->window);
    } while (*ret_found == SEGMENT_DAMAGE && --looks > 0);
    return pl_ok();
}

static struct pl_status scan_segment(struct walk *walk, const struct file_options *options,
                                     struct file_report *report)
{
    bool newest = walk->index + 1 == walk->list.count;
    if (memcmp(walk->header.ledger_id, options->ledger_id, 16) != 0)
        return damaged(walk, report, "this segment belongs to another ledger");
    report->segments++;
    for (;;) {
        enum segment_found found = SEGMENT_END;
        struct store_batch batch;
        uint64_t torn_end = 0;
        PL_TRY(look(walk, newest && options->read_only, &found, &batch, &torn_end));
        switch (found) {
        case SEGMENT_RECORD:
            walk_pass(walk, &batch);
            report->batches_scanned++;
            if (options->found != NULL)
                PL_TRY(options->found(options->found_arg, &batch));
            continue;
        case SEGMENT_END:
            return pl_ok();
        case SEGMENT_TORN:
            if (!newest)
                return damaged(walk, report, "a batch is incomplete, but the log goes on after it");
            return options->read_only ? pl_ok() : cut(walk, torn_end, report);
        case SEGMENT_DAMAGE:
            return damaged(walk, report, "a batch is damaged or does not follow the one before it");
        }
    }
}

/* The process before us may have been killed between writing a batch (or naming a segment) and its
 * sync, or by a sync that failed: then memory shows a batch that the disk may not have. Nobody was
 * told of it, so it may stay or go; what we go on from must be on the disk (G1). */
static struct pl_status settle(struct walk *walk)
{
    char path[FILE_PATH_BYTES];
    struct io *io = walk->io;
    int fd = -1;
    (void)snprintf(walk->name, sizeof(walk->name), FILE_SEGMENT_FORMAT,
                   walk->list.first_batch[walk->list.count - 1]);
    (void)snprintf(path, sizeof(path), "%s/%s", walk->dir, walk->name);
    PL_TRY(io->open(io, path, false, true, 0, &fd));
    struct pl_status status = io->settle(io, fd);
    io->close(io, fd);
    PL_TRY(status);
    return io->sync_dir(io, walk->dir);
}

static struct pl_status scan_all(struct walk *walk, const struct file_options *options,
                                 struct file_report *report)
{
    bool write_too = !options->read_only;
    if (write_too)
        PL_TRY(settle(walk));
    struct pl_status status =
        walk_start(walk, options->trusted_batch != 0 ? options->trusted_batch : 1, write_too);
    for (;;) {
        if (status.code == PL_E_CORRUPT)
            return damaged(walk, report, status.what);
        PL_TRY(status);
        PL_TRY(scan_segment(walk, options, report));
        if (walk->index + 1 == walk->list.count)
            return pl_ok();
        status = walk_next_segment(walk, write_too);
    }
}

struct pl_status file_scan(const struct file_options *options, struct file_report *report,
                           struct file_tail *ret)
{
    struct walk walk PL_CLEANUP(walk_fini) = {.io = options->io, .dir = options->dir, .fd = -1};
    PL_TRY(file_list_read(options->io, options->dir, &walk.list));
    if (walk.list.count == 0)
        return pl_ok();
    (void)snprintf(walk.name, sizeof(walk.name), FILE_SEGMENT_FORMAT, walk.list.first_batch[0]);
    if (walk.list.first_batch[0] != 1)
        return damaged(&walk, report, "the first segment is missing");
    struct pl_status status = scan_all(&walk, options, report);
    if (!pl_is_ok(status) && report->damage[0] == '\0')
        (void)snprintf(report->damage, sizeof(report->damage), "%.120s/%s: %s%s%.60s", walk.dir,
                       walk.name, status.what, status.sys_errno != 0 ? ": " : "",
                       status.sys_errno != 0 ? strerror(status.sys_errno) : "");
    PL_TRY(status);
    ret->head = walk.head;
    ret->offset = walk.offset;
    ret->min_reader = walk.header.min_reader;
    (void)snprintf(ret->name, sizeof(ret->name), "%s", walk.name);
    return pl_ok();
}
