/* SPDX-License-Identifier: Apache-2.0
 *
 * tree: the hashes of the log's tree as tiles, one file a level.
 *
 * DATA/tiles/<L> holds the hashes of tile level L one behind another (32 bytes each): tile N is the
 * bytes [8192 N, 8192 N + 8192), a partial tile is a prefix of that. Level 0 are leaf hashes, level
 * L + 1 the roots of complete tiles of level L. DATA/tiles/synced says how many leaves are known to
 * be on the disk.
 *
 * All of it follows from the log. Nothing is synced before somebody relies on it: after a crash
 * what lies beyond the mark is not believed, and whoever owns the tree appends it again from the
 * log.
 *
 * Threads: one owner; tree_read may be called from any thread for hashes that the owner said are
 * there (by publishing a size).
 */
#ifndef SERVER_TREE_H
#define SERVER_TREE_H

#include "common/merkle.h"
#include "server/store/io.h"

/* Most leaves of one append. */
#define TREE_APPEND_MAX 4096
/* Levels that are kept: 256^7 leaves do not fit on any disk. */
#define TREE_LEVELS 7

struct tree;

/* Makes the directory and files that are not there; begins at the mark, or at 0. */
PL_MUST_CHECK struct pl_status tree_open(struct io *io, const char *data, struct tree **ret);
void tree_close(struct tree *tree); /* NULL is fine */
uint64_t tree_size(const struct tree *tree);
/* All or, if it fails, none of them. */
PL_MUST_CHECK struct pl_status tree_append(struct tree *tree, const struct pl_merkle_hash *leaf,
                                           size_t count);
/* Root over all leaves; asks no disk. */
void tree_root(const struct tree *tree, struct pl_merkle_hash *ret);
/* Root over the first `size` leaves. */
PL_MUST_CHECK struct pl_status tree_root_at(struct tree *tree, uint64_t size,
                                            struct pl_merkle_hash *ret);
/* Moves the mark to the size. If the disk did not take the hashes, the tree is empty after it: they
 * have to be appended again, since a second sync would not say what the first one lost. */
PL_MUST_CHECK struct pl_status tree_sync(struct tree *tree);
/* Forgets everything: the log is to be appended from its first entry on. */
PL_MUST_CHECK struct pl_status tree_clear(struct tree *tree);
/* A pl_merkle_read_fn; `arg` is the tree. NOT_FOUND beyond the levels that are kept. */
struct pl_status tree_read(void *arg, unsigned level, uint64_t first, size_t count,
                           struct pl_merkle_hash *ret);

#endif
