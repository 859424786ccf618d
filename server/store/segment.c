/* SPDX-License-Identifier: Apache-2.0
 *
 * segment: encoding, decoding, and the verdict about what stands at a place.
 */
#include "server/store/segment.h"

#include "common/check.h"
#include "common/hash.h"

enum {
    FILE_SUM_AT = 88,
    BODY_SUM_AT = 144,
    RECORD_SUM_AT = 152,
    WINDOW_FIRST_BYTES = 16 * 1024, /* whoever wants one entry does not pay for a page of them */
    WINDOW_BYTES = 256 * 1024,
    WINDOW_CEILING = STORE_BATCH_BYTES_MAX + 2 * WINDOW_BYTES,
};

static const char file_magic[8] = "PLEDGSEG";
static const char record_magic[4] = "PLB1";
static const char record_trailer[8] = "PLB1END\n";

bool segment_is_zero(const uint8_t *bytes, size_t len)
{
    return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

void segment_header_encode(const struct segment_header *header, uint8_t out[SEGMENT_HEADER_BYTES])
{
    memset(out, 0, SEGMENT_HEADER_BYTES);
    memcpy(out, file_magic, sizeof(file_magic));
    pl_put_le32(out + 8, header->format);
    pl_put_le32(out + 12, header->min_reader);
    memcpy(out + 16, header->ledger_id, 16);
    pl_put_le64(out + 32, header->first_batch);
    pl_put_le64(out + 40, header->first_seq);
    memcpy(out + 48, header->prev, STORE_HASH_BYTES);
    pl_put_le64(out + 80, (uint64_t)header->created_us);
    pl_put_le64(out + FILE_SUM_AT, pl_xxh3(pl_slice(out, FILE_SUM_AT), 0));
}

struct pl_status segment_header_decode(const uint8_t page[SEGMENT_HEADER_BYTES],
                                       struct segment_header *ret)
{
    if (memcmp(page, file_magic, sizeof(file_magic)) != 0)
        return pl_fail(CORRUPT, "not a segment file");
    if (pl_get_le64(page + FILE_SUM_AT) != pl_xxh3(pl_slice(page, FILE_SUM_AT), 0))
        return pl_fail(CORRUPT, "a segment's header is damaged");
    ret->format = pl_get_le32(page + 8);
    ret->min_reader = pl_get_le32(page + 12);
    if (ret->min_reader > SEGMENT_FORMAT)
        return pl_fail(UNIMPLEMENTED, "the log was written by a newer version of this program");
    if (ret->format <= SEGMENT_FORMAT &&
        !segment_is_zero(page + FILE_SUM_AT + 8, SEGMENT_HEADER_BYTES - FILE_SUM_AT - 8))
        return pl_fail(CORRUPT, "a segment's header page is damaged");
    memcpy(ret->ledger_id, page + 16, 16);
    ret->first_batch = pl_get_le64(page + 32);
    ret->first_seq = pl_get_le64(page + 40);
    memcpy(ret->prev, page + 48, STORE_HASH_BYTES);
    ret->created_us = (int64_t)pl_get_le64(page + 80);
    return pl_ok();
}

void segment_record_encode(const struct store_batch *batch, uint8_t *out)
{
    uint64_t bytes = segment_record_bytes(batch->body.len);
    memset(out, 0, SEGMENT_RECORD_HEADER_BYTES);
    memcpy(out, record_magic, sizeof(record_magic));
    pl_put_le32(out + 4, SEGMENT_RECORD_HEADER_BYTES);
    pl_put_le64(out + 8, batch->body.len);
    pl_put_le64(out + 16, batch->number);
    pl_put_le64(out + 24, batch->first_seq);
    pl_put_le32(out + 32, batch->count);
    pl_put_le64(out + 40, batch->epoch);
    pl_put_le64(out + 48, batch->acked);
    pl_put_le64(out + 56, (uint64_t)batch->time_us);
    memcpy(out + 64, batch->writer, STORE_WRITER_BYTES);
    memcpy(out + 80, batch->prev, STORE_HASH_BYTES);
    memcpy(out + 112, batch->hash, STORE_HASH_BYTES);
    pl_put_le64(out + BODY_SUM_AT, pl_xxh3(batch->body, batch->number));
    pl_put_le64(out + RECORD_SUM_AT, pl_xxh3(pl_slice(out, RECORD_SUM_AT), 0));
    uint8_t *body = out + SEGMENT_RECORD_HEADER_BYTES;
    if (batch->body.len != 0)
        memcpy(body, batch->body.data, batch->body.len);
    memset(body + batch->body.len, 0,
           (size_t)(bytes - SEGMENT_RECORD_HEADER_BYTES - batch->body.len));
    memcpy(out + bytes - sizeof(record_trailer), record_trailer, sizeof(record_trailer));
}

bool segment_record_header(const uint8_t *bytes, struct store_batch *ret, uint64_t *ret_body_bytes,
                           uint64_t *ret_body_sum)
{
    if (memcmp(bytes, record_magic, sizeof(record_magic)) != 0 ||
        pl_get_le32(bytes + 4) != SEGMENT_RECORD_HEADER_BYTES ||
        pl_get_le64(bytes + RECORD_SUM_AT) != pl_xxh3(pl_slice(bytes, RECORD_SUM_AT), 0))
        return false;
    *ret_body_bytes = pl_get_le64(bytes + 8);
    *ret_body_sum = pl_get_le64(bytes + BODY_SUM_AT);
    memset(ret, 0, sizeof(*ret));
    ret->number = pl_get_le64(bytes + 16);
    ret->first_seq = pl_get_le64(bytes + 24);
    ret->count = pl_get_le32(bytes + 32);
    ret->epoch = pl_get_le64(bytes + 40);
    ret->acked = pl_get_le64(bytes + 48);
    ret->time_us = (int64_t)pl_get_le64(bytes + 56);
    memcpy(ret->writer, bytes + 64, STORE_WRITER_BYTES);
    memcpy(ret->prev, bytes + 80, STORE_HASH_BYTES);
    memcpy(ret->hash, bytes + 112, STORE_HASH_BYTES);
    return *ret_body_bytes <= STORE_BATCH_BYTES_MAX;
}

bool segment_record_intact(const uint8_t *record, size_t len)
{
    struct store_batch batch;
    uint64_t body_bytes, body_sum;
    if (len < segment_record_bytes(0) ||
        !segment_record_header(record, &batch, &body_bytes, &body_sum) ||
        segment_record_bytes((size_t)body_bytes) != len)
        return false;
    const uint8_t *body = record + SEGMENT_RECORD_HEADER_BYTES;
    const uint8_t *trailer = record + len - sizeof(record_trailer);
    size_t padding = (size_t)(trailer - body) - (size_t)body_bytes;
    return pl_xxh3(pl_slice(body, (size_t)body_bytes), batch.number) == body_sum &&
           segment_is_zero(body + body_bytes, padding) &&
           memcmp(trailer, record_trailer, sizeof(record_trailer)) == 0;
}

/* --- the window --- */

void segment_window_init(struct segment_window *window, struct io *io, int fd, uint64_t file_bytes)
{
    *window = (struct segment_window){
        .io = io, .fd = fd, .file_bytes = file_bytes, .ahead = WINDOW_FIRST_BYTES};
    pl_buf_init(&window->data, WINDOW_CEILING);
}

void segment_window_fini(struct segment_window *window)
{
    pl_buf_fini(&window->data);
}

void segment_window_forget(struct segment_window *window)
{
    pl_buf_clear(&window->data);
    window->ahead = WINDOW_FIRST_BYTES;
    window->loads++;
}

struct pl_status segment_window_get(struct segment_window *window, uint64_t offset, size_t len,
                                    const uint8_t **ret)
{
    size_t have = pl_buf_len(&window->data);
    if (offset + len > window->file_bytes || offset + len < offset)
        return pl_fail(CORRUPT, "a segment is shorter than its records say");
    if (offset < window->start || offset + len > window->start + have) {
        bool straight_on = have != 0 && offset >= window->start && offset <= window->start + have;
        if (!straight_on)
            window->ahead = WINDOW_FIRST_BYTES;
        else if (window->ahead < WINDOW_BYTES)
            window->ahead *= 2;
        uint64_t want = len < window->ahead ? window->ahead : len;
        if (want > window->file_bytes - offset)
            want = window->file_bytes - offset;
        uint8_t *into = NULL;
        pl_buf_clear(&window->data);
        window->loads++;
        PL_TRY(pl_buf_reserve(&window->data, (size_t)want, &into));
        PL_TRY(window->io->pread(window->io, window->fd, into, (size_t)want, offset));
        pl_buf_commit(&window->data, (size_t)want);
        window->start = offset;
    }
    *ret = pl_buf_slice(&window->data).data + (offset - window->start);
    return pl_ok();
}

/* --- the verdict --- */

struct pl_status segment_read(struct segment_window *window, uint64_t offset, bool hashed,
                              bool *ret_valid, struct store_batch *ret)
{
    const uint8_t *bytes = NULL;
    uint64_t body_bytes = 0, body_sum = 0;
    *ret_valid = false;
    if (offset + SEGMENT_RECORD_HEADER_BYTES > window->file_bytes)
        return pl_ok();
    PL_TRY(segment_window_get(window, offset, SEGMENT_RECORD_HEADER_BYTES, &bytes));
    PL_ASSERT(bytes != NULL);
    if (!segment_record_header(bytes, ret, &body_bytes, &body_sum) ||
        segment_record_bytes((size_t)body_bytes) > window->file_bytes - offset)
        return pl_ok();
    size_t whole = (size_t)segment_record_bytes((size_t)body_bytes);
    PL_TRY(segment_window_get(window, offset, whole, &bytes));
    ret->body = pl_slice(bytes + SEGMENT_RECORD_HEADER_BYTES, (size_t)body_bytes);
    *ret_valid = segment_record_intact(bytes, whole) && (!hashed || store_batch_verify(ret));
    return pl_ok();
}

/* One past the last byte from `offset` on that is not zero; `offset` if there is none. */
static struct pl_status last_used(struct segment_window *window, uint64_t offset, uint64_t *ret)
{
    *ret = offset;
    for (uint64_t at = offset; at < window->file_bytes;) {
        uint64_t left = window->file_bytes - at;
        size_t piece = left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;
        const uint8_t *bytes = NULL;
        PL_TRY(segment_window_get(window, at, piece, &bytes));
        PL_ASSERT(bytes != NULL);
        for (size_t i = segment_is_zero(bytes, piece) ? 0 : piece; i > 0; i--) {
            if (bytes[i - 1] != 0) {
                *ret = at + i;
                break;
            }
        }
        at += piece;
    }
    return pl_ok();
}

/* A place that is not a valid record, and what is known of it. */
struct wreck {
    uint64_t offset;
    uint64_t used_end; /* one past the last byte that is not zero */
    bool header;       /* its header is right: */
    uint64_t end;      /* where the record ends; else the last place where it can end */
    struct store_batch batch;
};

static struct pl_status wreck_measure(struct segment_window *window, struct wreck *wreck)
{
    const uint8_t *bytes = NULL;
    uint64_t body_bytes = STORE_BATCH_BYTES_MAX, body_sum = 0;
    if (wreck->offset + SEGMENT_RECORD_HEADER_BYTES <= window->file_bytes) {
        PL_TRY(segment_window_get(window, wreck->offset, SEGMENT_RECORD_HEADER_BYTES, &bytes));
        wreck->header = segment_record_header(bytes, &wreck->batch, &body_bytes, &body_sum);
    }
    if (!wreck->header)
        body_bytes = STORE_BATCH_BYTES_MAX;
    wreck->end = wreck->offset + segment_record_bytes((size_t)body_bytes);
    return pl_ok();
}

static bool follows(const struct store_batch *batch, const struct store_head *head)
{
    return head->batch == UINT64_MAX ||
           (store_follows_head(head, batch) && batch->epoch >= head->epoch);
}

/* Does a later batch's header stand after the wreck? Then the wreck was whole once: one batch is
 * written only when the one before it is durable. A number counts as later if that many batches
 * have room in between; entries that look like a header by chance do not stop the daemon. */
static struct pl_status goes_on(struct segment_window *window, const struct wreck *wreck,
                                const struct store_head *head, bool *ret)
{
    *ret = false;
    for (uint64_t at = wreck->header ? wreck->end : wreck->offset + 8;
         at < wreck->used_end && at + SEGMENT_RECORD_HEADER_BYTES <= window->file_bytes; at += 8) {
        const uint8_t *bytes = NULL;
        struct store_batch batch;
        uint64_t body_bytes, body_sum;
        PL_TRY(segment_window_get(window, at, SEGMENT_RECORD_HEADER_BYTES, &bytes));
        if (!segment_record_header(bytes, &batch, &body_bytes, &body_sum))
            continue;
        uint64_t most = 1 + (at - wreck->offset) / segment_record_bytes(0);
        *ret = head->batch == UINT64_MAX ||
               (batch.number > head->batch && batch.number - head->batch <= most);
        if (*ret)
            return pl_ok();
    }
    return pl_ok();
}

/* Where the record ended. Without its header: where the first record's end stands, since behind it
 * a crash may have cut short another one; where the bytes end if there is none. */
static struct pl_status wreck_end(struct segment_window *window, const struct wreck *wreck,
                                  uint64_t *ret)
{
    const uint64_t len = sizeof(record_trailer);
    *ret = wreck->header ? wreck->end : wreck->used_end;
    for (uint64_t end = wreck->offset + segment_record_bytes(0);
         !wreck->header && end <= wreck->used_end; end += 8) {
        const uint8_t *bytes = NULL;
        PL_TRY(segment_window_get(window, end - len, (size_t)len, &bytes));
        if (memcmp(bytes, record_trailer, (size_t)len) == 0) {
            *ret = end;
            break;
        }
    }
    return pl_ok();
}

/* Did a crash cut this write short? Space is zero before it is written, and disks write whole
 * sectors: then the record's end is missing, or one of its sectors is. */
static struct pl_status looks_torn(struct segment_window *window, const struct wreck *wreck,
                                   bool *ret)
{
    uint64_t end = 0;
    PL_TRY(wreck_end(window, wreck, &end));
    *ret = true;
    if (wreck->used_end < wreck->offset + segment_record_bytes(0) || wreck->used_end < end)
        return pl_ok(); /* shorter than any record, or than this one */
    for (uint64_t at = wreck->offset; at < end;) {
        const uint8_t *bytes = NULL;
        uint64_t next = (at / SEGMENT_SECTOR_BYTES + 1) * SEGMENT_SECTOR_BYTES;
        if (next > end)
            next = end;
        PL_TRY(segment_window_get(window, at, (size_t)(next - at), &bytes));
        if (segment_is_zero(bytes, (size_t)(next - at)))
            return pl_ok();
        at = next;
    }
    *ret = false;
    return pl_ok();
}

struct pl_status segment_look(struct segment_window *window, uint64_t offset,
                              const struct store_head *expected, enum segment_found *ret_found,
                              struct store_batch *ret, uint64_t *ret_torn_end)
{
    bool valid = false, more = false, torn = false;
    struct wreck wreck = {.offset = offset};
    PL_TRY(segment_read(window, offset, true, &valid, ret));
    if (valid) {
        *ret_found = follows(ret, expected) ? SEGMENT_RECORD : SEGMENT_DAMAGE;
        return pl_ok();
    }
    PL_TRY(last_used(window, offset, &wreck.used_end));
    *ret_torn_end = wreck.used_end;
    if (wreck.used_end == offset) {
        *ret_found = SEGMENT_END;
        return pl_ok();
    }
    *ret_found = SEGMENT_DAMAGE;
    PL_TRY(wreck_measure(window, &wreck));
    if (wreck.used_end > wreck.end || (wreck.header && !follows(&wreck.batch, expected)))
        return pl_ok();
    PL_TRY(goes_on(window, &wreck, expected, &more));
    if (more)
        return pl_ok();
    PL_TRY(looks_torn(window, &wreck, &torn));
    if (torn)
        *ret_found = SEGMENT_TORN;
    return pl_ok();
}
