/* SPDX-License-Identifier: Apache-2.0
 *
 * merkle: see merkle.h. A tree is cut into complete subtrees (powers of two, aligned), whose roots
 * are either stored or a few hashes away from what is stored.
 */
#include "common/merkle.h"

#include "common/check.h"
#include "common/hash.h"

_Static_assert(PL_MERKLE_BYTES == PL_SHA256_BYTES, "the tree is over SHA-256");

void pl_merkle_leaf(struct pl_slice entry, struct pl_merkle_hash *ret)
{
    static const uint8_t mark = 0x00;
    const struct pl_slice parts[] = {pl_slice(&mark, 1), entry};
    pl_sha256_parts(parts, PL_COUNT(parts), ret->bytes);
}

void pl_merkle_node(const struct pl_merkle_hash *left, const struct pl_merkle_hash *right,
                    struct pl_merkle_hash *ret)
{
    uint8_t both[1 + 2 * PL_MERKLE_BYTES] = {0x01};
    memcpy(both + 1, left->bytes, PL_MERKLE_BYTES);
    memcpy(both + 1 + PL_MERKLE_BYTES, right->bytes, PL_MERKLE_BYTES);
    pl_sha256(pl_slice(both, sizeof(both)), ret->bytes);
}

bool pl_merkle_eq(const struct pl_merkle_hash *a, const struct pl_merkle_hash *b)
{
    return memcmp(a->bytes, b->bytes, PL_MERKLE_BYTES) == 0;
}

/* --- the right edge --- */

void pl_merkle_append_subtree(struct pl_merkle_frontier *frontier, unsigned level,
                              const struct pl_merkle_hash *root)
{
    PL_ASSERT(level < 62 && frontier->size % (1ull << level) == 0 &&
              frontier->size <= PL_MERKLE_SIZE_MAX - (1ull << level));
    struct pl_merkle_hash carry = *root;
    unsigned k = level;
    for (; (frontier->size >> k & 1) != 0; k++)
        pl_merkle_node(&frontier->hash[k], &carry, &carry);
    frontier->hash[k] = carry;
    frontier->size += 1ull << level;
}

void pl_merkle_append(struct pl_merkle_frontier *frontier, const struct pl_merkle_hash *leaf)
{
    pl_merkle_append_subtree(frontier, 0, leaf);
}

void pl_merkle_root(const struct pl_merkle_frontier *frontier, struct pl_merkle_hash *ret)
{
    if (frontier->size == 0) {
        pl_sha256(pl_slice(NULL, 0), ret->bytes);
        return;
    }
    unsigned k = (unsigned)__builtin_ctzll(frontier->size);
    *ret = frontier->hash[k];
    for (k++; k < 64; k++) {
        if ((frontier->size >> k & 1) != 0)
            pl_merkle_node(&frontier->hash[k], ret, ret);
    }
}

void pl_merkle_root_of(const struct pl_merkle_hash *leaf, size_t count, struct pl_merkle_hash *ret)
{
    struct pl_merkle_frontier frontier = {0};
    for (size_t i = 0; i < count; i++)
        pl_merkle_append(&frontier, &leaf[i]);
    pl_merkle_root(&frontier, ret);
}

/* --- checking --- */

/* Bits needed to write it down; 0 for 0. */
static unsigned bit_length(uint64_t value)
{
    return value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
}

struct pl_status pl_merkle_check_inclusion(uint64_t index, uint64_t size,
                                           const struct pl_merkle_hash *leaf,
                                           const struct pl_merkle_proof *proof,
                                           const struct pl_merkle_hash *root)
{
    if (size > PL_MERKLE_SIZE_MAX || index >= size)
        return pl_fail(INVALID, "the tree has no leaf of this index");
    /* up to where the way to the leaf leaves the right edge: one hash a level; above: only where
     * something is on the left */
    unsigned inner = bit_length(index ^ (size - 1));
    unsigned border = (unsigned)__builtin_popcountll(index >> inner);
    if (proof->count > PL_MERKLE_PROOF_MAX || proof->count != inner + border)
        return pl_fail(INVALID, "the inclusion proof has the wrong length");
    struct pl_merkle_hash hash = *leaf;
    for (unsigned i = 0; i < inner; i++) {
        if ((index >> i & 1) != 0)
            pl_merkle_node(&proof->hash[i], &hash, &hash);
        else
            pl_merkle_node(&hash, &proof->hash[i], &hash);
    }
    for (unsigned i = inner; i < proof->count; i++)
        pl_merkle_node(&proof->hash[i], &hash, &hash);
    return pl_merkle_eq(&hash, root) ? pl_ok()
                                     : pl_fail(INVALID, "the inclusion proof misses the root");
}

/* 0 < old_size < size. */
static struct pl_status check_growth(uint64_t old_size, uint64_t size,
                                     const struct pl_merkle_hash *old_root,
                                     const struct pl_merkle_hash *root,
                                     const struct pl_merkle_proof *proof)
{
    if (proof->count == 0 || proof->count > PL_MERKLE_PROOF_MAX)
        return pl_fail(INVALID, "the consistency proof has the wrong length");
    unsigned shift = (unsigned)__builtin_ctzll(old_size);
    unsigned inner = bit_length((old_size - 1) ^ (size - 1)) - shift;
    unsigned border = (unsigned)__builtin_popcountll((old_size - 1) >> (inner + shift));
    /* where the old tree is complete, it is itself what the proof starts from */
    bool complete = old_size == 1ull << shift;
    const struct pl_merkle_hash *rest = proof->hash + (complete ? 0 : 1);
    size_t count = proof->count - (complete ? 0 : 1);
    if (count != inner + border)
        return pl_fail(INVALID, "the consistency proof has the wrong length");
    struct pl_merkle_hash old_hash = complete ? *old_root : proof->hash[0], hash = old_hash;
    uint64_t mask = (old_size - 1) >> shift;
    for (size_t i = 0; i < count; i++) {
        if (i >= inner || (mask >> i & 1) != 0) {
            pl_merkle_node(&rest[i], &old_hash, &old_hash);
            pl_merkle_node(&rest[i], &hash, &hash);
        } else {
            pl_merkle_node(&hash, &rest[i], &hash);
        }
    }
    if (!pl_merkle_eq(&old_hash, old_root))
        return pl_fail(INVALID, "the consistency proof misses the older root");
    return pl_merkle_eq(&hash, root) ? pl_ok()
                                     : pl_fail(INVALID, "the consistency proof misses the root");
}

struct pl_status pl_merkle_check_consistency(uint64_t old_size, uint64_t size,
                                             const struct pl_merkle_hash *old_root,
                                             const struct pl_merkle_hash *root,
                                             const struct pl_merkle_proof *proof)
{
    if (size > PL_MERKLE_SIZE_MAX || old_size > size)
        return pl_fail(INVALID, "the older tree is larger");
    if (old_size != 0 && old_size != size)
        return check_growth(old_size, size, old_root, root, proof);
    if (proof->count != 0)
        return pl_fail(INVALID, "the consistency proof has the wrong length");
    struct pl_merkle_hash empty;
    pl_sha256(pl_slice(NULL, 0), empty.bytes);
    if (old_size == 0 && !pl_merkle_eq(old_root, &empty))
        return pl_fail(INVALID, "the root is not that of the empty tree");
    return old_size == 0 || pl_merkle_eq(old_root, root)
               ? pl_ok()
               : pl_fail(INVALID, "two trees of one size differ");
}

/* --- making --- */

/* Where stored hashes come from. */
struct source {
    pl_merkle_read_fn read;
    void *arg;
};

/* Root of the complete subtree number `index` of 2^level leaves. */
static struct pl_status complete_root(const struct source *source, unsigned level, uint64_t index,
                                      struct pl_merkle_hash *ret)
{
    struct pl_merkle_hash row[PL_MERKLE_TILE_WIDTH / 2];
    unsigned above = level % PL_MERKLE_TILE_HEIGHT;
    size_t count = (size_t)1 << above;
    PL_TRY(source->read(source->arg, level / PL_MERKLE_TILE_HEIGHT, index << above, count, row));
    for (; count > 1; count /= 2) {
        for (size_t i = 0; i < count / 2; i++)
            pl_merkle_node(&row[2 * i], &row[2 * i + 1], &row[i]);
    }
    *ret = row[0];
    return pl_ok();
}

/* Root over the leaves from..to, where `from` is a multiple of the largest power of two among
 * them, as for every subtree that the tree splits into. */
static struct pl_status range_root(const struct source *source, uint64_t from, uint64_t to,
                                   struct pl_merkle_hash *ret)
{
    bool first = true;
    /* complete subtrees from the right, smallest first */
    while (to > from) {
        unsigned level = (unsigned)__builtin_ctzll(to - from);
        struct pl_merkle_hash left;
        PL_TRY(complete_root(source, level, (to >> level) - 1, &left));
        if (first)
            *ret = left;
        else
            pl_merkle_node(&left, ret, ret);
        first = false;
        to -= 1ull << level;
    }
    return pl_ok();
}

/* The largest power of two below n; n > 1. */
static uint64_t split_at(uint64_t n)
{
    PL_ASSERT(n > 1);
    return 1ull << (bit_length(n - 1) - 1);
}

/* Proofs are found from the root down and told from the leaf up. */
static void turn_round(struct pl_merkle_proof *proof)
{
    for (size_t i = 0; i < proof->count / 2; i++) {
        struct pl_merkle_hash kept = proof->hash[i];
        proof->hash[i] = proof->hash[proof->count - 1 - i];
        proof->hash[proof->count - 1 - i] = kept;
    }
}

static struct pl_status add_range(const struct source *source, uint64_t from, uint64_t to,
                                  struct pl_merkle_proof *proof)
{
    PL_ASSERT(proof->count < PL_MERKLE_PROOF_MAX);
    return range_root(source, from, to, &proof->hash[proof->count++]);
}

struct pl_status pl_merkle_prove_inclusion(pl_merkle_read_fn read, void *arg, uint64_t index,
                                           uint64_t size, struct pl_merkle_proof *ret)
{
    const struct source source = {read, arg};
    ret->count = 0;
    if (size > PL_MERKLE_SIZE_MAX || index >= size)
        return pl_fail(INVALID, "the tree has no leaf of this index");
    uint64_t from = 0, to = size;
    while (to - from > 1) {
        uint64_t middle = from + split_at(to - from);
        if (index < middle) {
            PL_TRY(add_range(&source, middle, to, ret));
            to = middle;
        } else {
            PL_TRY(add_range(&source, from, middle, ret));
            from = middle;
        }
    }
    turn_round(ret);
    return pl_ok();
}

struct pl_status pl_merkle_prove_consistency(pl_merkle_read_fn read, void *arg, uint64_t old_size,
                                             uint64_t size, struct pl_merkle_proof *ret)
{
    const struct source source = {read, arg};
    ret->count = 0;
    if (size > PL_MERKLE_SIZE_MAX || old_size > size)
        return pl_fail(INVALID, "the older tree is larger");
    if (old_size == 0 || old_size == size)
        return pl_ok();
    uint64_t from = 0, to = size;
    while (old_size != to) {
        uint64_t middle = from + split_at(to - from);
        if (old_size <= middle) {
            PL_TRY(add_range(&source, middle, to, ret));
            to = middle;
        } else {
            PL_TRY(add_range(&source, from, middle, ret));
            from = middle;
        }
    }
    if (from != 0) /* else the old tree is a subtree itself, and the checker knows its root */
        PL_TRY(add_range(&source, from, to, ret));
    turn_round(ret);
    return pl_ok();
}

struct pl_status pl_merkle_frontier_at(pl_merkle_read_fn read, void *arg, uint64_t size,
                                       struct pl_merkle_frontier *ret)
{
    const struct source source = {read, arg};
    if (size > PL_MERKLE_SIZE_MAX)
        return pl_fail(INVALID, "the tree is larger than any");
    *ret = (struct pl_merkle_frontier){.size = size};
    for (unsigned level = 0; level < 63; level++) {
        if ((size >> level & 1) != 0)
            PL_TRY(complete_root(&source, level, (size >> level) - 1, &ret->hash[level]));
    }
    return pl_ok();
}
