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
    WINDOW_BYTES = 256 * 1024,
    WINDOW_CEILING = STORE_BATCH_BYTES_MAX + 2 * WINDOW_BYTES,
};

static const char file_magic[8] = "PLEDGSEG";
static const char record_magic[4] = "PLB1";
static const char record_trailer[8] = "PLB1END\n";

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

/* --- the window --- */

void segment_window_init(struct segment_window *window, struct io *io, int fd, uint64_t file_bytes)
{
    *window = (struct segment_window){.io = io, .fd = fd, .file_bytes = file_bytes};
    pl_buf_init(&window->data, WINDOW_CEILING);
}

void segment_window_fini(struct segment_window *window)
{
    pl_buf_fini(&window->data);
}

void segment_window_forget(struct segment_window *window)
{
    pl_buf_clear(&window->data);
}

struct pl_status segment_window_get(struct segment_window *window, uint64_t offset, size_t len,
                                    const uint8_t **ret)
{
    size_t have = pl_buf_len(&window->data);
    if (offset + len > window->file_bytes || offset + len < offset)
        return pl_fail(CORRUPT, "a segment is shorter than its records say");
    if (offset < window->start || offset + len > window->start + have) {
        uint64_t want = len < WINDOW_BYTES ? WINDOW_BYTES : len;
        if (want > window->file_bytes - offset)
            want = window->file_bytes - offset;
        uint8_t *into = NULL;
        pl_buf_clear(&window->data);
        PL_TRY(pl_buf_reserve(&window->data, (size_t)want, &into));
        PL_TRY(window->io->pread(window->io, window->fd, into, (size_t)want, offset));
        pl_buf_commit(&window->data, (size_t)want);
        window->start = offset;
    }
    *ret = pl_buf_slice(&window->data).data + (offset - window->start);
    return pl_ok();
}

/* --- the verdict --- */

static bool all_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

/* A whole record whose own checksums and hash are right. OK with *ret_valid false if it is not one. */
static struct pl_status read_record(struct segment_window *window, uint64_t offset, bool *ret_valid,
                                    struct store_batch *ret)
{
    const uint8_t *bytes = NULL;
    uint64_t body_bytes = 0, body_sum = 0;
    *ret_valid = false;
    if (offset + SEGMENT_RECORD_HEADER_BYTES > window->file_bytes)
        return pl_ok();
    PL_TRY(segment_window_get(window, offset, SEGMENT_RECORD_HEADER_BYTES, &bytes));
    if (!segment_record_header(bytes, ret, &body_bytes, &body_sum) ||
        segment_record_bytes((size_t)body_bytes) > window->file_bytes - offset)
        return pl_ok();
    size_t whole = (size_t)segment_record_bytes((size_t)body_bytes);
    PL_TRY(segment_window_get(window, offset, whole, &bytes));
    ret->body = pl_slice(bytes + SEGMENT_RECORD_HEADER_BYTES, (size_t)body_bytes);
    size_t padding = whole - sizeof(record_trailer) - SEGMENT_RECORD_HEADER_BYTES - ret->body.len;
    *ret_valid = pl_xxh3(ret->body, ret->number) == body_sum && store_batch_verify(ret) &&
                 all_zero(ret->body.data + ret->body.len, padding) &&
                 memcmp(bytes + whole - sizeof(record_trailer), record_trailer,
                        sizeof(record_trailer)) == 0;
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
        for (size_t i = piece; i > 0; i--) {
            if (bytes[i - 1] != 0) {
                *ret = at + i;
                break;
            }
        }
        at += piece;
    }
    return pl_ok();
}

/* Is there a valid record anywhere between the two places? Only its magic is looked at first. */
static struct pl_status any_record(struct segment_window *window, uint64_t from, uint64_t to,
                                   bool *ret)
{
    *ret = false;
    if (to > window->file_bytes)
        to = window->file_bytes;
    for (uint64_t at = (from + 7) & ~7ull; at + SEGMENT_RECORD_HEADER_BYTES <= to && !*ret;
         at += 8) {
        const uint8_t *bytes = NULL;
        PL_TRY(segment_window_get(window, at, sizeof(record_magic), &bytes));
        struct store_batch batch;
        if (memcmp(bytes, record_magic, sizeof(record_magic)) == 0)
            PL_TRY(read_record(window, at, ret, &batch));
    }
    return pl_ok();
}

/* Did a crash cut this write short? Space is zero before it is written, and disks write whole
 * sectors: then the record's end is missing, or one of its sectors is. */
static struct pl_status looks_torn(struct segment_window *window, uint64_t offset,
                                   uint64_t used_end, bool *ret)
{
    const uint8_t *bytes = NULL;
    struct store_batch batch;
    uint64_t body_bytes = 0, body_sum = 0, end = offset + SEGMENT_RECORD_HEADER_BYTES;
    *ret = true;
    if (used_end < end)
        return pl_ok();
    PL_TRY(segment_window_get(window, offset, SEGMENT_RECORD_HEADER_BYTES, &bytes));
    bool header = segment_record_header(bytes, &batch, &body_bytes, &body_sum);
    end = header ? offset + segment_record_bytes((size_t)body_bytes) : used_end;
    if (used_end < end)
        return pl_ok();
    for (uint64_t at = offset; at < end;) {
        uint64_t next = (at / SEGMENT_SECTOR_BYTES + 1) * SEGMENT_SECTOR_BYTES;
        if (next > end)
            next = end;
        PL_TRY(segment_window_get(window, at, (size_t)(next - at), &bytes));
        if (all_zero(bytes, (size_t)(next - at)))
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
    PL_TRY(read_record(window, offset, &valid, ret));
    if (valid) {
        bool follows = expected->batch == UINT64_MAX ||
                       (ret->number == expected->batch + 1 &&
                        memcmp(ret->prev, expected->hash, STORE_HASH_BYTES) == 0 &&
                        ret->first_seq == expected->next_seq && ret->epoch >= expected->epoch);
        *ret_found = follows ? SEGMENT_RECORD : SEGMENT_DAMAGE;
        return pl_ok();
    }
    PL_TRY(last_used(window, offset, ret_torn_end));
    if (*ret_torn_end == offset) {
        *ret_found = SEGMENT_END;
        return pl_ok();
    }
    PL_TRY(any_record(window, offset + 8, *ret_torn_end + SEGMENT_RECORD_HEADER_BYTES, &more));
    PL_TRY(looks_torn(window, offset, *ret_torn_end, &torn));
    *ret_found = more || !torn ? SEGMENT_DAMAGE : SEGMENT_TORN;
    return pl_ok();
}
