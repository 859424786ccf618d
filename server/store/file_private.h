/* SPDX-License-Identifier: Apache-2.0
 *
 * file_private: what file, scan and reader share: names of segments, the walk over a log.
 * For the store box only.
 */
#ifndef STORE_FILE_PRIVATE_H
#define STORE_FILE_PRIVATE_H

#include <inttypes.h>
#include <stdatomic.h>

#include "server/store/file.h"
#include "server/store/io.h"

enum { FILE_PATH_BYTES = 4096 };
#define FILE_SEGMENT_FORMAT "%016" PRIx64 ".seg"
/* Segments that are being prepared, or prepared and not begun yet. Two names take turns: one may
 * still be on its way to its real name while the next is written. */
#define FILE_NEXT_FORMAT "next-%u.tmp"
enum { FILE_NEXT_NAMES = 2 };

/* Where the log ends and how to go on. */
struct file_tail {
    struct store_head head;
    char name[32];       /* newest segment; "" if there is none */
    uint64_t offset;     /* of the next record in it */
    uint32_t min_reader; /* of the newest segment; 0 if there is none */
};
/* Opening: verifies from the trusted batch's segment on, cuts a torn tail unless read_only. */
PL_MUST_CHECK struct pl_status file_scan(const struct file_options *options,
                                         struct file_report *report, struct file_tail *ret);

/* Batches from..to, verified. */
PL_MUST_CHECK struct pl_status file_walk(struct io *io, const char *dir, uint64_t from_batch,
                                         uint64_t to_batch, store_batch_fn fn, void *arg);

/* The segments of an open log, each by its descriptor: whoever reads it needs no names, which may
 * come to lead elsewhere, or nowhere. One thread adds, behind the last one; any may look. */
struct file_part {
    int fd; /* owns */
    uint64_t first_batch;
    struct file_part *_Atomic next;
};
struct file_shelf {
    struct file_part *_Atomic first;
    struct file_part *last;
};
/* The shelf stays until after the reader. */
struct store_reader *file_reader_new(struct io *io, const struct file_shelf *shelf);

#endif
