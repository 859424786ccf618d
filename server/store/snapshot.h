/* SPDX-License-Identifier: Apache-2.0
 *
 * snapshot: container files for derived state, DIR/<16 hex digits of the batch>.snap: a header that
 * says which log, batch and batch hash the state belongs to, then the payload in pieces, each with
 * a checksum. Written to a temporary name, synced, renamed, directory synced. A snapshot may be
 * deleted at any time: the log tells the same.
 *
 * Thread: whoever has made the writer, or opened the snapshot, and no other at a time; a thread
 * that reads ahead is the snapshot's own. Failures: NO_SPACE and IO of the disk, which leave no
 * snapshot behind; CORRUPT: another byte than was written.
 */
#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H

#include <stdint.h>

#include "common/slice.h"
#include "common/status.h"

struct io;

struct snapshot_meta {
    uint8_t ledger_id[16];
    uint64_t batch;
    uint8_t batch_hash[32];
    uint64_t seq;
    int64_t time_us;
};

struct snapshot_writer;
PL_MUST_CHECK struct pl_status snapshot_create(struct io *io, const char *dir,
                                               const struct snapshot_meta *meta,
                                               struct snapshot_writer **ret);
PL_MUST_CHECK struct pl_status snapshot_write(struct snapshot_writer *writer,
                                              struct pl_slice piece);
/* Both free the writer. */
PL_MUST_CHECK struct pl_status snapshot_commit(struct snapshot_writer *writer);
void snapshot_abandon(struct snapshot_writer *writer);

struct snapshot;
/* The newest one of this ledger that is of a batch before `batch` (UINT64_MAX: any) and whose
 * header is right; NOT_FOUND if none. Its payload is looked at as it is read: who finds it damaged,
 * or of no use, asks for the one before it. */
PL_MUST_CHECK struct pl_status snapshot_open_before(struct io *io, const char *dir,
                                                    const uint8_t ledger_id[16], uint64_t batch,
                                                    struct snapshot **ret);
/* From here on a thread of its own reads pieces and looks at them ahead of who wants them: for a
 * large one. Before the first read. Where no thread is to be had, nothing changes. */
void snapshot_read_ahead(struct snapshot *snapshot);
/* That thread may have pages made for memory that what is read goes to, from its begin on, in the
 * time that it has left; nothing that is there is changed. Only the newest is remembered, and it
 * may be freed at any time. Without the thread nothing is done. */
void snapshot_expect(struct snapshot *snapshot, void *memory, size_t len);
const struct snapshot_meta *snapshot_get_meta(const struct snapshot *snapshot);
/* Exactly `len` payload bytes, in order; CORRUPT if the piece that they are in is not as it was
 * written. What is looked at is what is handed out: a disk may give other bytes the next time. */
PL_MUST_CHECK struct pl_status snapshot_read(struct snapshot *snapshot, uint8_t *into, size_t len);
/* After the last byte: CORRUPT unless what was handed out is all of it. */
PL_MUST_CHECK struct pl_status snapshot_finish(struct snapshot *snapshot);
void snapshot_close(struct snapshot *snapshot);
/* Removes all but the newest `keep`. */
PL_MUST_CHECK struct pl_status snapshot_prune(struct io *io, const char *dir, size_t keep);

#endif
