/* SPDX-License-Identifier: Apache-2.0
 *
 * manifest: DIR/MANIFEST, what a backup holds: which ledger, up to which batch, every file with its
 * length and SHA-256, and a SHA-256 of all that in its last line. Text, for people and sha256sum.
 *
 *   pledged-backup 1
 *   origin <name>
 *   ledger <32 hex digits>
 *   made <time>
 *   entries <n>
 *   batches <n>
 *   head <hash of the last batch>
 *   state <SHA-256 of the state>
 *   file <SHA-256> <bytes> <whole bytes> <name>     any number of them
 *   end <SHA-256 of all lines before>
 *
 * A file counts up to `bytes`; what follows (up to `whole bytes`) is zero, and may be missing or,
 * of a segment that a later backup has gone on with, be something else. So a backup that was cut
 * short leaves the older one whole.
 *
 * Thread: any; nothing is shared. A manifest that is not exactly like that is CORRUPT.
 */
#ifndef SERVER_MANIFEST_H
#define SERVER_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

enum { MANIFEST_NAME_BYTES = 40 };

struct manifest_file {
    char name[MANIFEST_NAME_BYTES]; /* "log/0000000000000001.seg" */
    uint64_t bytes, whole_bytes;
    uint8_t sha256[32];
};

struct manifest {
    char origin[128];
    uint8_t ledger_id[16];
    int64_t made_us;
    uint64_t entries, batches;
    uint8_t head[32], state[32];
    struct manifest_file *file; /* owns */
    size_t count, cap;
};

/* A zeroed manifest is empty. */
void manifest_fini(struct manifest *manifest);
/* Adds a file; NULL if a backup has no file of that name. Valid until the next one is added. */
struct manifest_file *manifest_add(struct manifest *manifest, const char *name);
const struct manifest_file *manifest_find(const struct manifest *manifest, const char *name);

/* Reads the first `bytes` of a file and tells their SHA-256. `to` not NULL: they become a new file,
 * filled up with zeros to `whole_bytes`, readable for the owner alone, synced. CORRUPT if there are
 * not as many. */
PL_MUST_CHECK struct pl_status manifest_copy(const char *from, const char *to, uint64_t bytes,
                                             uint64_t whole_bytes, uint8_t ret_sha256[32]);

/* DIR/MANIFEST, replaced as a whole. */
PL_MUST_CHECK struct pl_status manifest_save(const struct manifest *manifest, const char *dir);
/* NO_INPUT if there is none; CORRUPT. `message`: at least 400 bytes, for people. */
PL_MUST_CHECK struct pl_status manifest_load(const char *dir, char *message, struct manifest *ret);

#endif
