/* SPDX-License-Identifier: Apache-2.0
 *
 * batch: see batch.h. The memory of a batch stays with it: the next one of the same struct is
 * filled into it.
 */
#include "server/batch.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/pack.h"
#include "server/limits.h"

enum { LENGTH_BYTES = 4, OFFSETS_FIRST = 1024 };

void batch_init(struct batch *batch)
{
    *batch = (struct batch){.offset = NULL};
    pl_buf_init(&batch->body, LIMIT_BATCH_BODY_BYTES);
}

void batch_fini(struct batch *batch)
{
    pl_buf_fini(&batch->body);
    free(batch->offset);
    batch->offset = NULL;
}

void batch_begin(struct batch *batch, uint64_t first_seq)
{
    pl_buf_clear(&batch->body);
    batch->header = (struct store_batch){.first_seq = first_seq};
}

bool batch_empty(const struct batch *batch)
{
    return batch->header.count == 0;
}

bool batch_full(const struct batch *batch)
{
    return pl_buf_len(&batch->body) + LIMIT_COMMAND_ENTRIES_BYTES > LIMIT_BATCH_FILL_BYTES;
}

bool batch_fits(const struct batch *batch, size_t more, size_t most)
{
    return pl_buf_len(&batch->body) + more <= most;
}

void batch_add(struct batch *batch, struct pl_slice entry, uint32_t min_reader)
{
    uint8_t *into = NULL;
    if (min_reader > batch->header.min_reader)
        batch->header.min_reader = min_reader;
    struct pl_status status = pl_buf_reserve(&batch->body, entry.len + LENGTH_BYTES, &into);
    PL_ASSERT(pl_is_ok(status)); /* batch_full and batch_fits keep the room */
    pl_put_le32(into, (uint32_t)entry.len);
    memcpy(into + LENGTH_BYTES, entry.data, entry.len);
    if (batch->header.count == batch->offset_cap) {
        batch->offset_cap = batch->offset_cap != 0 ? batch->offset_cap * 2 : OFFSETS_FIRST;
        batch->offset = reallocarray(batch->offset, batch->offset_cap, sizeof(*batch->offset));
        PL_ASSERT(batch->offset != NULL);
    }
    batch->offset[batch->header.count++] = (uint32_t)pl_buf_len(&batch->body);
    pl_buf_commit(&batch->body, entry.len + LENGTH_BYTES);
}

bool batch_find(const struct batch *batch, uint64_t seq, struct pl_slice *ret)
{
    if (seq < batch->header.first_seq || seq - batch->header.first_seq >= batch->header.count)
        return false;
    struct pl_slice body = pl_buf_slice(&batch->body);
    size_t offset = batch->offset[seq - batch->header.first_seq];
    *ret = pl_slice(body.data + offset + LENGTH_BYTES, pl_get_le32(body.data + offset));
    return true;
}

void batch_close(struct batch *batch, const struct store_head *head, uint64_t epoch,
                 const uint8_t *writer_id, int64_t time_us)
{
    batch->header.number = head->batch + 1;
    batch->header.epoch = epoch;
    batch->header.acked = head->batch;
    memcpy(batch->header.writer, writer_id, STORE_WRITER_BYTES);
    memcpy(batch->header.prev, head->hash, STORE_HASH_BYTES);
    batch->header.time_us = time_us;
    batch->header.body = pl_buf_slice(&batch->body);
}
