/* SPDX-License-Identifier: Apache-2.0
 *
 * mirror: a copy of the ledger as a tree of files (C2SP tlog-tiles) that any static web server can
 * hand out: checkpoint, tile/<level>/<n>, tile/entries/<n>. It grows from one checkpoint to the
 * next.
 *
 * Entries come in and the hashes are computed here; what is new is first kept in DIR/.incoming and
 * gets its place only when it leads to the signed root. So a mirror never holds what was not
 * verified, grows only out of what it held before (which is what "append-only" means), and goes on
 * where it was interrupted. Whole tiles are never replaced; partial ones go when a checkpoint that
 * needs them is no longer the newest; the checkpoint is written last.
 *
 * One thread, one process a directory (a lock file). Failure modes: IO (the disk), CORRUPT (what
 * comes is not what the checkpoint signs, or what is there is damaged), BUSY (somebody else is at
 * it).
 */
#ifndef CLIENT_MIRROR_H
#define CLIENT_MIRROR_H

#include "client/verify_checkpoint.h"
#include "common/slice.h"
#include "common/status.h"

enum { MIRROR_NAME_BYTES = 32 };
struct mirror;

/* Makes the directory if need be. `keys`: verifier keys, one of which must have signed the
 * checkpoint in it, or one of those that it was verified with when it came. They outlive the
 * mirror. */
PL_MUST_CHECK struct pl_status mirror_open(const char *dir, const char *keys, struct mirror **ret);
void mirror_close(struct mirror *mirror); /* NULL is fine; what came so far is kept for next time */
const char *mirror_origin(const struct mirror *mirror); /* of its checkpoint; "": none yet */
bool mirror_key_changed(const struct mirror *mirror);   /* it was signed by none of `keys` */
uint64_t mirror_size(const struct mirror *mirror);      /* entries under its checkpoint */
uint64_t mirror_next_seq(const struct mirror *mirror);  /* first entry that it wants now */
/* The next entry. */
PL_MUST_CHECK struct pl_status mirror_take(struct mirror *mirror, struct pl_slice entry);
/* The root of its tree as it was at an earlier size, from its tiles. CORRUPT: they are damaged. */
PL_MUST_CHECK struct pl_status mirror_root_at(struct mirror *mirror, uint64_t size,
                                              uint8_t out[PL_SHA256_BYTES]);
/* A signed checkpoint that does not continue the mirror is kept beside it (checkpoint.refused, then
 * checkpoint.refused.2 and so on): together they are evidence. *ret_name: its file; "": so many are
 * there already that it was not kept. Of one that was kept before, that one. */
PL_MUST_CHECK struct pl_status mirror_refuse(struct mirror *mirror, struct pl_slice text,
                                             char ret_name[MIRROR_NAME_BYTES]);
/* All entries of this checkpoint are there: compares the root, gives everything its place. CORRUPT
 * if they do not lead to it: what came is thrown away, the mirror is as it was. */
PL_MUST_CHECK struct pl_status mirror_finish(struct mirror *mirror, struct pl_slice text,
                                             const struct verify_checkpoint *checkpoint);

#endif
