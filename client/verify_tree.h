/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_tree: the Merkle tree (RFC 6962) over the leaves of a ledger as they come, in the shape of
 * C2SP tlog-tiles: one tile of at most 256 hashes a level is kept, so a tree of any size (below
 * 2^56) takes 56 KiB. Whole tiles are shown to whoever asks, once each, in the order in which they
 * become full.
 *
 * One thread. Fails only if the one who looks at tiles fails.
 */
#ifndef CLIENT_VERIFY_TREE_H
#define CLIENT_VERIFY_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "common/hash.h"
#include "common/slice.h"
#include "common/status.h"

enum { VERIFY_TILE_HASHES = 256, VERIFY_TREE_LEVELS = 7 };
#define VERIFY_TILE_BYTES ((size_t)VERIFY_TILE_HASHES * PL_SHA256_BYTES)

/* Tile `number` of `level`: its hashes one after the other, 256 of them unless it is the last. */
typedef struct pl_status (*verify_tile_fn)(void *arg, unsigned level, uint64_t number,
                                           struct pl_slice hashes);

struct verify_tree {
    uint64_t size;
    verify_tile_fn on_tile; /* NULL: nobody looks */
    void *arg;
    uint8_t tile[VERIFY_TREE_LEVELS][VERIFY_TILE_HASHES][PL_SHA256_BYTES];
};

void verify_tree_init(struct verify_tree *tree, verify_tile_fn on_tile, void *arg);
/* Leaves from tree->size on. `tile_root`: root over all of them if they are exactly the 256 of one
 * tile and somebody computed it already; else NULL. */
PL_MUST_CHECK struct pl_status verify_tree_add(struct verify_tree *tree,
                                               uint8_t (*leaf)[PL_SHA256_BYTES], size_t count,
                                               const uint8_t *tile_root);
/* Root over everything so far; of the empty tree SHA-256(""). */
/* Root of the leaves' tile that was filled last, if the size is the end of one; else NULL. Valid
 * until the next call. */
const uint8_t *verify_tree_last_tile(const struct verify_tree *tree);
void verify_tree_root(const struct verify_tree *tree, uint8_t out[PL_SHA256_BYTES]);
/* Shows the partial tile of every level to `on_tile`: those of this size that are not full. */
PL_MUST_CHECK struct pl_status verify_tree_rest(const struct verify_tree *tree);

/* leaf = SHA-256(0x00, entry); root of a whole tile. Any thread. */
void verify_tree_leaf(struct pl_slice entry, uint8_t out[PL_SHA256_BYTES]);
void verify_tree_tile_root(uint8_t (*hash)[PL_SHA256_BYTES], uint8_t out[PL_SHA256_BYTES]);

#endif
