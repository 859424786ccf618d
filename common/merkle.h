/* SPDX-License-Identifier: Apache-2.0
 *
 * merkle: the tree of RFC 6962, section 2.1, over SHA-256: appending with only the right edge in
 * memory, proofs made from stored hashes, proofs checked from nothing but themselves.
 *
 * leaf = SHA-256(0x00 || entry), node = SHA-256(0x01 || left || right); a tree of n leaves splits
 * at the largest power of two below n; the empty tree's root is SHA-256 of nothing. Entry `seq` of
 * the ledger is leaf `seq - 1`. Pure functions but for the reading callback; no thread of its own.
 */
#ifndef PL_MERKLE_H
#define PL_MERKLE_H

#include "common/slice.h"
#include "common/status.h"

#define PL_MERKLE_BYTES 32
/* Most leaves of a tree, and hashes of the longest proof in it. */
#define PL_MERKLE_SIZE_MAX  (1ull << 62)
#define PL_MERKLE_PROOF_MAX 63
/* Tree levels between two stored ones: a stored tile is 256 hashes wide. */
#define PL_MERKLE_TILE_HEIGHT 8
#define PL_MERKLE_TILE_WIDTH  256

struct pl_merkle_hash {
    uint8_t bytes[PL_MERKLE_BYTES];
};
struct pl_merkle_proof {
    size_t count;
    struct pl_merkle_hash hash[PL_MERKLE_PROOF_MAX];
};

void pl_merkle_leaf(struct pl_slice entry, struct pl_merkle_hash *ret);
/* `ret` may be one of the two. */
void pl_merkle_node(const struct pl_merkle_hash *left, const struct pl_merkle_hash *right,
                    struct pl_merkle_hash *ret);
bool pl_merkle_eq(const struct pl_merkle_hash *a, const struct pl_merkle_hash *b);

/* The right edge of a tree: hash[k] is the root of the complete subtree of 2^k leaves that the tree
 * has if bit k of its size is set; other places are undefined. Zeroed: the empty tree. */
struct pl_merkle_frontier {
    uint64_t size;
    struct pl_merkle_hash hash[64];
};
void pl_merkle_append(struct pl_merkle_frontier *frontier, const struct pl_merkle_hash *leaf);
/* Appends 2^level leaves at once by the root of their tree: what several threads hashed is put
 * together in order. The size must be a multiple of 2^level. */
void pl_merkle_append_subtree(struct pl_merkle_frontier *frontier, unsigned level,
                              const struct pl_merkle_hash *root);
void pl_merkle_root(const struct pl_merkle_frontier *frontier, struct pl_merkle_hash *ret);
/* Root of the tree over `count` leaf hashes in memory: for tests, to compare with. */
void pl_merkle_root_of(const struct pl_merkle_hash *leaf, size_t count, struct pl_merkle_hash *ret);

/* --- checking; OK, or INVALID with what does not hold --- */
PL_MUST_CHECK struct pl_status pl_merkle_check_inclusion(uint64_t index, uint64_t size,
                                                         const struct pl_merkle_hash *leaf,
                                                         const struct pl_merkle_proof *proof,
                                                         const struct pl_merkle_hash *root);
/* That the tree of old_size leaves with old_root is a prefix of the other one. Nothing (a proof
 * without hashes) proves that the empty tree is a prefix; the same size needs the same root. */
PL_MUST_CHECK struct pl_status pl_merkle_check_consistency(uint64_t old_size, uint64_t size,
                                                           const struct pl_merkle_hash *old_root,
                                                           const struct pl_merkle_hash *root,
                                                           const struct pl_merkle_proof *proof);

/* --- making, from the hashes that tiles hold --- */

/* Fills ret[0..count) with the stored hashes `first`... of tile level `level` (0: leaves; L: roots
 * of complete subtrees of 256^L leaves). They never cross a tile (256 hashes), and are never asked
 * for unless the tree has them. A failure is handed through. */
typedef struct pl_status (*pl_merkle_read_fn)(void *arg, unsigned level, uint64_t first,
                                              size_t count, struct pl_merkle_hash *ret);

/* INVALID unless index < size. */
PL_MUST_CHECK struct pl_status pl_merkle_prove_inclusion(pl_merkle_read_fn read, void *arg,
                                                         uint64_t index, uint64_t size,
                                                         struct pl_merkle_proof *ret);
/* INVALID unless old_size <= size. */
PL_MUST_CHECK struct pl_status pl_merkle_prove_consistency(pl_merkle_read_fn read, void *arg,
                                                           uint64_t old_size, uint64_t size,
                                                           struct pl_merkle_proof *ret);
/* The right edge (and with pl_merkle_root the root) of the tree of any size that is stored. */
PL_MUST_CHECK struct pl_status pl_merkle_frontier_at(pl_merkle_read_fn read, void *arg,
                                                     uint64_t size, struct pl_merkle_frontier *ret);

#endif
