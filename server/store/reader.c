/* SPDX-License-Identifier: Apache-2.0
 *
 * reader: entries by seq out of segment files that somebody else is appending to. A reader has its
 * own window and its own sparse marks (one per MARK_BYTES of a segment), so any thread may have
 * one; the descriptors are the store's (struct file_shelf).
 *
 * The newest segment changes under us: what a window shows as empty may be written since. Anything
 * that is not a whole record is looked at once more with a fresh window.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"
#include "server/store/file_private.h"
#include "server/store/segment.h"

enum { MARK_BYTES = 64 * 1024 };

struct mark {
    uint64_t seq, offset; /* a record that begins here has this first seq */
};

struct part { /* a segment */
    int fd;
    uint64_t first_seq;
    struct mark *mark; /* owns; ascending; the first is the first record */
    size_t count, cap;
};

struct file_reader {
    struct store_reader reader; /* first member */
    struct io *io;
    const struct file_shelf *shelf;
    const struct file_part *seen; /* the last one that is in `part`; NULL: none */
    struct part *part;            /* owns; ascending */
    size_t count;
    size_t open_part; /* SIZE_MAX: none */
    struct segment_window window;
    struct mark last; /* record that held the last entry handed out, in open_part; offset 0: none */
    /* A batch that was found good, and is as long as the window holds the same bytes: who reads a
     * large one piece by piece must not pay for its hash each time. Offset 0: none. */
    struct store_batch good;
    uint64_t good_offset, good_loads;
};

static void add_mark(struct part *part, uint64_t seq, uint64_t offset)
{
    if (part->count != 0 && offset < part->mark[part->count - 1].offset + MARK_BYTES)
        return;
    if (part->count == part->cap) {
        part->cap = part->cap != 0 ? part->cap * 2 : 16;
        part->mark = reallocarray(part->mark, part->cap, sizeof(*part->mark));
        PL_ASSERT(part->mark != NULL);
    }
    part->mark[part->count++] = (struct mark){seq, offset};
}

static void close_part(struct file_reader *reader)
{
    if (reader->open_part == SIZE_MAX)
        return;
    segment_window_fini(&reader->window);
    reader->open_part = SIZE_MAX;
    reader->last.offset = 0;
    reader->good_offset = 0;
}

static struct pl_status open_part(struct file_reader *reader, size_t index)
{
    uint64_t bytes = 0;
    if (reader->open_part == index)
        return pl_ok();
    close_part(reader);
    int fd = reader->part[index].fd;
    PL_TRY(reader->io->size(reader->io, fd, &bytes));
    reader->open_part = index;
    segment_window_init(&reader->window, reader->io, fd, bytes);
    return pl_ok();
}

static struct pl_status add_part(struct file_reader *reader, int fd)
{
    uint8_t page[SEGMENT_HEADER_BYTES];
    struct segment_header header;
    PL_TRY(reader->io->pread(reader->io, fd, page, sizeof(page), 0));
    PL_TRY(segment_header_decode(page, &header));
    reader->part = reallocarray(reader->part, reader->count + 1, sizeof(*reader->part));
    PL_ASSERT(reader->part != NULL);
    struct part *part = &reader->part[reader->count++];
    *part = (struct part){.fd = fd, .first_seq = header.first_seq};
    add_mark(part, header.first_seq, SEGMENT_HEADER_BYTES);
    return pl_ok();
}

/* Segments that are new since the last look. */
static struct pl_status refresh(struct file_reader *reader)
{
    for (;;) {
        const struct file_part *next =
            atomic_load_explicit(reader->seen != NULL ? &reader->seen->next : &reader->shelf->first,
                                 memory_order_acquire);
        if (next == NULL)
            return pl_ok();
        PL_TRY(add_part(reader, next->fd));
        reader->seen = next;
    }
}

static size_t part_of(const struct file_reader *reader, uint64_t seq)
{
    size_t low = 0, high = reader->count; /* first part that begins after seq */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (reader->part[middle].first_seq <= seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? SIZE_MAX : low - 1;
}

/* The last known record that begins at or before the entry. */
static uint64_t offset_near(const struct file_reader *reader, const struct part *part, uint64_t seq)
{
    size_t low = 0, high = part->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (part->mark[middle].seq <= seq)
            low = middle + 1;
        else
            high = middle;
    }
    uint64_t offset = part->mark[low - 1].offset;
    if (reader->last.offset > offset && reader->last.seq <= seq)
        offset = reader->last.offset;
    return offset;
}

static struct pl_status look(struct file_reader *reader, uint64_t offset,
                             enum segment_found *ret_found, struct store_batch *ret)
{
    static const struct store_head any = {.batch = UINT64_MAX};
    uint64_t torn_end;
    bool valid = false;
    *ret_found = SEGMENT_RECORD;
    if (offset == reader->good_offset && reader->window.loads == reader->good_loads) {
        *ret = reader->good;
        return pl_ok();
    }
    PL_TRY(segment_read(&reader->window, offset, false, &valid, ret));
    if (!valid) {
        segment_window_forget(&reader->window);
        PL_TRY(segment_read(&reader->window, offset, false, &valid, ret));
    }
    if (valid) {
        reader->good = *ret;
        reader->good_offset = offset;
        reader->good_loads = reader->window.loads;
        return pl_ok();
    }
    /* the end of a segment, or trouble: rare enough to look at all that comes after */
    return segment_look(&reader->window, offset, &any, ret_found, ret, &torn_end);
}

struct wanted {
    uint64_t next, to;
    store_entry_fn fn;
    void *arg;
};

static struct pl_status hand_out(const struct store_batch *batch, struct wanted *wanted)
{
    size_t cursor = 0;
    bool damaged = false;
    struct pl_slice entry;
    uint64_t seq = batch->first_seq;
    while (wanted->next <= wanted->to && store_body_next(batch->body, &cursor, &entry, &damaged)) {
        if (seq == wanted->next) {
            PL_TRY(wanted->fn(wanted->arg, seq, entry));
            wanted->next++;
        }
        seq++;
    }
    return damaged ? pl_fail(CORRUPT, "a batch body does not add up") : pl_ok();
}

/* Records of the open part from `offset` on. Ends when all is handed out or the part is over. */
static struct pl_status read_part(struct file_reader *reader, uint64_t offset,
                                  struct wanted *wanted)
{
    struct part *part = &reader->part[reader->open_part];
    while (wanted->next <= wanted->to) {
        enum segment_found found;
        struct store_batch batch;
        PL_TRY(look(reader, offset, &found, &batch));
        if (found == SEGMENT_END || found == SEGMENT_TORN)
            return pl_ok();
        if (found == SEGMENT_DAMAGE)
            return pl_fail(CORRUPT, "a batch of the log is damaged");
        add_mark(part, batch.first_seq, offset);
        if (batch.first_seq + batch.count > wanted->next) {
            reader->last = (struct mark){batch.first_seq, offset};
            PL_TRY(hand_out(&batch, wanted));
        }
        offset += segment_record_bytes(batch.body.len);
    }
    return pl_ok();
}

static struct pl_status reader_read(struct store_reader *base, uint64_t from_seq, uint64_t to_seq,
                                    store_entry_fn fn, void *arg)
{
    struct file_reader *reader = (struct file_reader *)base; /* first member */
    struct wanted wanted = {.next = from_seq, .to = to_seq, .fn = fn, .arg = arg};
    bool refreshed = false;
    while (wanted.next <= wanted.to) {
        uint64_t before = wanted.next;
        size_t index = part_of(reader, wanted.next);
        if (index != SIZE_MAX) {
            PL_TRY(open_part(reader, index));
            uint64_t offset = offset_near(reader, &reader->part[index], wanted.next);
            PL_TRY(read_part(reader, offset, &wanted));
        }
        if (wanted.next != before) {
            refreshed = false;
            continue;
        }
        if (refreshed)
            return pl_fail(NOT_FOUND, "the log does not reach that far");
        PL_TRY(refresh(reader));
        refreshed = true;
    }
    return pl_ok();
}

static void reader_close(struct store_reader *base)
{
    struct file_reader *reader = (struct file_reader *)base;
    close_part(reader);
    for (size_t i = 0; i < reader->count; i++)
        free(reader->part[i].mark);
    free(reader->part);
    free(reader);
}

static const struct store_reader_driver reader_driver = {.read = reader_read,
                                                         .close = reader_close};

struct store_reader *file_reader_new(struct io *io, const struct file_shelf *shelf)
{
    struct file_reader *reader = calloc(1, sizeof(*reader));
    PL_ASSERT(reader != NULL);
    reader->reader.driver = &reader_driver;
    reader->io = io;
    reader->shelf = shelf;
    reader->open_part = SIZE_MAX;
    return &reader->reader;
}
