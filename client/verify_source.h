/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_source: the entries of a ledger on disk, block by block, from a dump (client/dump.h) or
 * from a mirror (a directory as in C2SP tlog-tiles). It reads what is there, never trusts it, and
 * puts what is missing or cannot be read into the report; it goes on where it can, so that one
 * damaged place does not hide the next.
 *
 * One thread. Memory: one block, and 64 KiB of reading ahead. Failure modes: IO (the disk),
 * NO_INPUT (nothing there), INVALID (neither a dump nor a mirror).
 */
#ifndef CLIENT_VERIFY_SOURCE_H
#define CLIENT_VERIFY_SOURCE_H

#include "client/verify_block.h"
#include "client/verify_report.h"
#include "pledged/v1/service.pb-c.h"

struct verify_source;

/* A file, a directory, or "-" for standard input (dumps only). */
PL_MUST_CHECK struct pl_status verify_source_open(const char *path, struct verify_source **ret);
void verify_source_close(struct verify_source *source); /* NULL is fine */
bool verify_source_is_mirror(const struct verify_source *source);
/* Text of the mirror's checkpoint; of a dump it is known only at its end. Empty: none. Borrowed. */
struct pl_slice verify_source_checkpoint(const struct verify_source *source);
/* Mirrors: how many entries to look for. */
void verify_source_expect(struct verify_source *source, uint64_t size);
/* Fills an empty block. OK with count 0 at the end. */
PL_MUST_CHECK struct pl_status verify_source_next(struct verify_source *source,
                                                  struct verify_block *block,
                                                  struct verify_report *report);
/* Dumps: the trailer, after the end; NULL if it never came. */
const Pledged__V1__DumpTrailer *verify_source_trailer(const struct verify_source *source);
/* Mirrors: is the file of this tile there, with these hashes? Says so in the report if not. */
void verify_source_tile(struct verify_source *source, unsigned level, uint64_t number,
                        struct pl_slice hashes, struct verify_report *report);
/* For a progress bar. `ret_whole` 0: nobody knows. */
void verify_source_progress(const struct verify_source *source, uint64_t *ret_done,
                            uint64_t *ret_whole);

#endif
