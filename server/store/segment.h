/* SPDX-License-Identifier: Apache-2.0
 *
 * segment: the bytes of a segment file. All numbers little-endian; a record starts at a multiple
 * of 8. The file has its full size from the start; what is not written yet is zero.
 *
 *   0     "PLEDGSEG"                       8     file header, one page
 *   8     format u32, min_reader u32       8     a reader older than min_reader must not go on
 *   16    ledger id                        16
 *   32    first batch u64, first seq u64   16
 *   48    prev: hash of the batch before   32
 *   80    created, us since 1970 i64       8
 *   88    XXH3-64 of bytes 0..87           8
 *   96    zero                             4000
 *   4096  records
 *
 *   0     "PLB1", header bytes u32 (160)   8     record header
 *   8     body bytes u64                   8
 *   16    number u64, first seq u64        16
 *   32    count u32, zero u32              8
 *   40    epoch u64, acked u64, time i64   24
 *   64    writer id                        16
 *   80    prev hash, hash                  64
 *   144   XXH3-64 of the body, seeded with 8
 *         the number of the batch u64
 *   152   XXH3-64 of bytes 0..151          8
 *   160   body, then zeros up to a multiple of 8
 *   ...   "PLB1END\n"                      8     a whole record never ends in zeros
 *
 * Formats: 1, the first; 2: a command may go on in entries of its own (CommandContinued), and a
 * batch be larger than STORE_BATCH_BYTES_V1; 3: a refund may come back and a charge be given back
 * (ledger_min_reader says which entries need which). A segment has the format that it needs: what
 * is in it, and in the log before it. A batch that needs more begins a segment.
 *
 * What stands at a place where a record may begin (segment_look):
 *   | found                                            | verdict |
 *   |--------------------------------------------------|---------|
 *   | valid header, valid body, hash and chain fit     | RECORD  |
 *   | valid record that does not follow (number, prev) | DAMAGE  |
 *   | only zeros up to the end of the file             | END     |
 *   | after it, a valid header of a batch that may     |         |
 *   |   have come later: the log went on once          | DAMAGE  |
 *   | more bytes than one record has                   | DAMAGE  |
 *   | its end, or a whole 512-byte sector of it, is    |         |
 *   |   zero: a write that a crash cut short (without  |         |
 *   |   its header, it ends where the first end of a   |         |
 *   |   record stands: more may be behind it)          | TORN    |
 *   | anything else: all of it is there, but wrong     | DAMAGE  |
 * TORN counts as such only at the very end of the log: in the newest segment. Elsewhere it is
 * DAMAGE.
 */
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include "common/buf.h"
#include "server/store/io.h"
#include "server/store/store.h"

enum {
    SEGMENT_FORMAT = 5, /* what this version reads */
    SEGMENT_HEADER_BYTES = 4096,
    SEGMENT_RECORD_HEADER_BYTES = 160,
    SEGMENT_RECORD_TRAILER_BYTES = 8,
    SEGMENT_SECTOR_BYTES = 512,
};

struct segment_header {
    uint32_t format, min_reader;
    uint8_t ledger_id[16];
    uint64_t first_batch, first_seq;
    uint8_t prev[STORE_HASH_BYTES];
    int64_t created_us;
};

void segment_header_encode(const struct segment_header *header, uint8_t out[SEGMENT_HEADER_BYTES]);
/* CORRUPT, or UNIMPLEMENTED if a newer version wrote it for newer readers. */
PL_MUST_CHECK struct pl_status segment_header_decode(const uint8_t page[SEGMENT_HEADER_BYTES],
                                                     struct segment_header *ret);

/* Bytes of a record with this body, padding included. */
static inline uint64_t segment_record_bytes(size_t body_bytes)
{
    return ((SEGMENT_RECORD_HEADER_BYTES + (uint64_t)body_bytes + 7) & ~7ull) +
           SEGMENT_RECORD_TRAILER_BYTES;
}
/* Header, body and padding. `out` has segment_record_bytes(). */
void segment_record_encode(const struct store_batch *batch, uint8_t *out);
/* Are the bytes of an encoded record still those that were encoded, as its sums say? */
bool segment_record_intact(const uint8_t *record, size_t len);
/* As space is that nothing was written into. */
bool segment_is_zero(const uint8_t *bytes, size_t len);

/* A file read through a window: one thread. */
struct segment_window {
    struct io *io;
    int fd;
    uint64_t file_bytes;
    uint64_t start; /* of the bytes in `data` */
    size_t ahead;   /* read at once; grows while reading goes straight on */
    uint64_t loads; /* changes whenever the bytes do */
    struct pl_buf data;
};
void segment_window_init(struct segment_window *window, struct io *io, int fd, uint64_t file_bytes);
void segment_window_fini(struct segment_window *window);
void segment_window_forget(struct segment_window *window); /* the file changed */
/* Bytes offset..offset+len of the file, borrowed until the next call. */
PL_MUST_CHECK struct pl_status segment_window_get(struct segment_window *window, uint64_t offset,
                                                  size_t len, const uint8_t **ret);

enum segment_found { SEGMENT_RECORD, SEGMENT_END, SEGMENT_TORN, SEGMENT_DAMAGE };

/* Decodes a record header alone; false if it is not one (magic, checksum, sizes). */
bool segment_record_header(const uint8_t *bytes, struct store_batch *ret, uint64_t *ret_body_bytes,
                           uint64_t *ret_body_sum);
/* Is there a whole record at `offset` whose sums are right? Its batch is *ret then, its body
 * borrowed from the window. `hashed`: its SHA-256 is looked at too, as when a log is opened: a log
 * that this program has opened or written is only to be kept from accidents. Whether it follows
 * what is before it is not asked. */
PL_MUST_CHECK struct pl_status segment_read(struct segment_window *window, uint64_t offset,
                                            bool hashed, bool *ret_valid, struct store_batch *ret);
/* What stands at `offset`. `expected`: the head it must follow (batch UINT64_MAX: any). On
 * RECORD *ret is the batch, its body borrowed from the window. On TORN *ret_torn_end is one past
 * the last byte that is not zero. A status other than OK is an input error. */
PL_MUST_CHECK struct pl_status segment_look(struct segment_window *window, uint64_t offset,
                                            const struct store_head *expected,
                                            enum segment_found *ret_found, struct store_batch *ret,
                                            uint64_t *ret_torn_end);

#endif
