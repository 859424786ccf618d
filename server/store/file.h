/* SPDX-License-Identifier: Apache-2.0
 *
 * file: the embedded engine: batches in segment files of one directory, written into space that was
 * prepared and synced ahead, one fdatasync a batch.
 *
 * DIR/<first batch number, 16 hex digits>.seg   segments (format: segment.h)
 * DIR/<...>.broken                              bytes cut from a torn tail, kept for people
 *
 * Opening scans the newest segments from the last known good place, and as the disk has them: what
 * the process before left in memory only is written or forgotten first. An incomplete last batch
 * with nothing valid after it is a torn tail and is cut (its bytes copied to .broken first); any
 * other damage is CORRUPT with where it is; nothing is ever truncated or deleted then.
 */
#ifndef STORE_FILE_H
#define STORE_FILE_H

#include "server/store/store.h"

struct io;

struct file_options {
    const char *dir;        /* exists; the caller holds the data directory's lock */
    struct io *io;          /* io_system() but in tests */
    uint64_t segment_bytes; /* size of a new segment; a batch fits into one, see file_batch_max */
    uint8_t ledger_id[16];  /* must match the id in every segment header */
    bool read_only; /* for snapshot, fsck: never writes, never cuts; a torn tail is just the end */
    uint64_t trusted_batch; /* a snapshot vouches for everything up to here: scan from there; 0:
                               from the start */
    store_batch_fn found;   /* if not NULL: gets each batch that opening looks at, in order, as */
    void *found_arg;        /* soon as it is known to be right; what it returns ends the opening */
};
/* What opening found, for the operator's log. */
struct file_report {
    uint64_t segments, batches_scanned, torn_bytes;
    char torn_kept_in[128]; /* file name of the .broken copy, or "" */
    char damage[384];       /* on failure: file, offset, batch, and what to do */
};
/* Most bytes of a batch body that segments of this size take. */
uint64_t file_batch_max(uint64_t segment_bytes);
/* Segments of a directory, ascending by first batch. */
struct file_list {
    uint64_t *first_batch; /* owns */
    size_t count, cap;
};
PL_MUST_CHECK struct pl_status file_list_read(struct io *io, const char *dir,
                                              struct file_list *ret);
void file_list_fini(struct file_list *list);
PL_MUST_CHECK struct pl_status file_open(const struct file_options *options,
                                         struct file_report *ret_report, struct store **ret);
#endif
