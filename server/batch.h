/* SPDX-License-Identifier: Apache-2.0
 *
 * batch: the entries that become durable together, while they gather: their bytes one behind the
 * other, as the store takes them, and where each of them stands, so that one can be read back
 * before it is in the log. It knows nothing of commands, views or replies: those who wait for a
 * batch are the writer's.
 *
 * Thread: the writer's. Happy path: batch_init, then for each batch: batch_begin -> batch_add as
 * long as it is not batch_full -> batch_close -> `header` goes to the store and must not change
 * until that has answered -> batch_begin again, into the same memory. Failure: none; no memory left
 * ends the process.
 *
 * Previous hop: server/writer. Next hop: server/store.
 */
#ifndef SERVER_BATCH_H
#define SERVER_BATCH_H

#include "common/buf.h"
#include "server/store/store.h"

struct batch {
    struct store_batch header; /* all of it is set by batch_close; before, the first sequence number
                                  and the count are, and the reader that the entries need */
    struct pl_buf body;        /* owns */
    uint32_t *offset;          /* owns; of each entry's length in the body */
    size_t offset_cap;
};

void batch_init(struct batch *batch);
void batch_fini(struct batch *batch);

/* Empty, for entries from `first_seq` on. */
void batch_begin(struct batch *batch, uint64_t first_seq);
bool batch_empty(const struct batch *batch);
/* The entries of one more command might not have their room (LIMIT_COMMAND_ENTRIES_BYTES). */
bool batch_full(const struct batch *batch);
/* Most commands have their room in every batch that is not full. A bank statement may need more,
 * and has it in a batch that is filled no further than others are: true if `more` bytes, lengths
 * included, leave it within `most`. */
bool batch_fits(const struct batch *batch, size_t more, size_t most);
/* Copies the entry behind the others; there must be room. `min_reader`: the oldest reader that
 * understands it; the batch needs the newest of them. */
void batch_add(struct batch *batch, struct pl_slice entry, uint32_t min_reader);
/* False: it is not one of these. *ret is valid until the next batch_add or batch_begin. */
bool batch_find(const struct batch *batch, uint64_t seq, struct pl_slice *ret);

/* Nothing comes to it any more: it follows `head`, in this epoch, by this writer
 * (STORE_WRITER_BYTES). */
void batch_close(struct batch *batch, const struct store_head *head, uint64_t epoch,
                 const uint8_t *writer_id, int64_t time_us);

#endif
