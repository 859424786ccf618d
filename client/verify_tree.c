/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_tree: a full tile of one level becomes one hash of the level above. The root is what the
 * tiles that are not full fold to, from the lowest on: each power of two in a level's width is one
 * whole subtree, and the smaller ones stand right of the larger ones.
 */
#include "client/verify_tree.h"

#include <string.h>

#include "common/check.h"

void verify_tree_init(struct verify_tree *tree, verify_tile_fn on_tile, void *arg)
{
    tree->size = 0;
    tree->on_tile = on_tile;
    tree->arg = arg;
}

void verify_tree_leaf(struct pl_slice entry, uint8_t out[PL_SHA256_BYTES])
{
    static const uint8_t prefix = 0;
    const struct pl_slice parts[] = {pl_slice(&prefix, 1), entry};
    pl_sha256_parts(parts, PL_COUNT(parts), out);
}

static void hash_node(const uint8_t *left, const uint8_t *right, uint8_t out[PL_SHA256_BYTES])
{
    uint8_t bytes[1 + 2 * PL_SHA256_BYTES] = {1};
    memcpy(bytes + 1, left, PL_SHA256_BYTES);
    memcpy(bytes + 1 + PL_SHA256_BYTES, right, PL_SHA256_BYTES);
    pl_sha256(pl_slice(bytes, sizeof(bytes)), out);
}

/* Root of `count` hashes; count is a power of two, at most 256. */
static void hash_whole(const uint8_t (*hash)[PL_SHA256_BYTES], size_t count,
                       uint8_t out[PL_SHA256_BYTES])
{
    uint8_t row[VERIFY_TILE_HASHES / 2][PL_SHA256_BYTES];
    if (count == 1) {
        memcpy(out, hash[0], PL_SHA256_BYTES);
        return;
    }
    for (size_t i = 0; i < count / 2; i++)
        hash_node(hash[2 * i], hash[2 * i + 1], row[i]);
    for (size_t width = count / 2; width > 1; width /= 2) {
        for (size_t i = 0; i < width / 2; i++)
            hash_node(row[2 * i], row[2 * i + 1], row[i]);
    }
    memcpy(out, row[0], PL_SHA256_BYTES);
}

void verify_tree_tile_root(uint8_t (*hash)[PL_SHA256_BYTES], uint8_t out[PL_SHA256_BYTES])
{
    hash_whole((const uint8_t(*)[PL_SHA256_BYTES])hash, VERIFY_TILE_HASHES, out);
}

/* How many hashes stand in the tile of a level that is being filled. */
static size_t width_of(uint64_t size, unsigned level)
{
    return (size_t)(size >> (8 * level) & (VERIFY_TILE_HASHES - 1));
}

/* A full tile of `level` was shown; its root goes up. `size` is the tree's, this tile included. */
static struct pl_status climb(struct verify_tree *tree, uint64_t size, const uint8_t *tile_root)
{
    uint8_t root[PL_SHA256_BYTES];
    memcpy(root, tile_root, sizeof(root));
    for (unsigned level = 1; level < VERIFY_TREE_LEVELS; level++) {
        size_t place = (width_of(size, level) + VERIFY_TILE_HASHES - 1) % VERIFY_TILE_HASHES;
        memcpy(tree->tile[level][place], root, PL_SHA256_BYTES);
        if (place != VERIFY_TILE_HASHES - 1)
            return pl_ok();
        if (tree->on_tile != NULL)
            PL_TRY(tree->on_tile(tree->arg, level, (size >> (8 * (level + 1))) - 1,
                                 pl_slice(tree->tile[level], VERIFY_TILE_BYTES)));
        verify_tree_tile_root(tree->tile[level], root);
    }
    return pl_ok();
}

static struct pl_status add_some(struct verify_tree *tree, uint8_t (*leaf)[PL_SHA256_BYTES],
                                 size_t count, const uint8_t *tile_root)
{
    uint8_t root[PL_SHA256_BYTES];
    size_t place = width_of(tree->size, 0);
    PL_ASSERT(place + count <= VERIFY_TILE_HASHES);
    memcpy(tree->tile[0][place], leaf, count * PL_SHA256_BYTES);
    tree->size += count;
    if (place + count < VERIFY_TILE_HASHES)
        return pl_ok();
    if (tree->on_tile != NULL)
        PL_TRY(tree->on_tile(tree->arg, 0, (tree->size >> 8) - 1,
                             pl_slice(tree->tile[0], VERIFY_TILE_BYTES)));
    if (tile_root == NULL)
        verify_tree_tile_root(tree->tile[0], root);
    return climb(tree, tree->size, tile_root == NULL ? root : tile_root);
}

struct pl_status verify_tree_add(struct verify_tree *tree, uint8_t (*leaf)[PL_SHA256_BYTES],
                                 size_t count, const uint8_t *tile_root)
{
    PL_ASSERT(tile_root == NULL || (count == VERIFY_TILE_HASHES && width_of(tree->size, 0) == 0));
    while (count > 0) {
        size_t room = VERIFY_TILE_HASHES - width_of(tree->size, 0);
        size_t some = count < room ? count : room;
        PL_TRY(add_some(tree, leaf, some, tile_root));
        leaf += some;
        count -= some;
    }
    return pl_ok();
}

const uint8_t *verify_tree_last_tile(const struct verify_tree *tree)
{
    if (tree->size == 0 || width_of(tree->size, 0) != 0)
        return NULL;
    return tree->tile[1][(width_of(tree->size, 1) + VERIFY_TILE_HASHES - 1) % VERIFY_TILE_HASHES];
}

void verify_tree_root(const struct verify_tree *tree, uint8_t out[PL_SHA256_BYTES])
{
    uint8_t whole[PL_SHA256_BYTES];
    bool any = false;
    for (unsigned level = 0; level < VERIFY_TREE_LEVELS; level++) {
        size_t width = width_of(tree->size, level);
        while (width != 0) {
            size_t lowest = width & (~width + 1);
            width -= lowest;
            hash_whole((const uint8_t(*)[PL_SHA256_BYTES]) & tree->tile[level][width], lowest,
                       whole);
            if (any)
                hash_node(whole, out, out);
            else
                memcpy(out, whole, PL_SHA256_BYTES);
            any = true;
        }
    }
    if (!any)
        pl_sha256(pl_slice("", 0), out);
}

struct pl_status verify_tree_rest(const struct verify_tree *tree)
{
    for (unsigned level = 0; level < VERIFY_TREE_LEVELS; level++) {
        size_t width = width_of(tree->size, level);
        if (width != 0 && tree->on_tile != NULL)
            PL_TRY(tree->on_tile(tree->arg, level, tree->size >> (8 * (level + 1)),
                                 pl_slice(tree->tile[level], width * PL_SHA256_BYTES)));
    }
    return pl_ok();
}
