/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_heads: see verify_heads.h. Happy path: the full tiles left of a size and the leaves after
 * them fold to its root. Failure: a size whose leaves are gone has no root here.
 */
#include "client/verify_heads.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/merkle.h"
#include "server/ledger/ledger.h"

/* One tile more than may be named, so that the leaves of the oldest one's last tile are there. */
enum { RING = LEDGER_HEAD_BEHIND_MAX + VERIFY_TILE_HASHES, TILE_LEVEL = 8 };

struct verify_heads {
    uint8_t (*leaf)[PL_SHA256_BYTES]; /* owns; of leaf i at i % RING */
    uint8_t (*tile)[PL_SHA256_BYTES]; /* owns; roots of the full tiles */
    size_t tile_cap;
    uint64_t size;
};

struct verify_heads *verify_heads_new(void)
{
    struct verify_heads *heads = calloc(1, sizeof(*heads));
    PL_ASSERT(heads != NULL);
    heads->leaf = calloc(RING, sizeof(*heads->leaf)); /* pages come as they are written */
    PL_ASSERT(heads->leaf != NULL);
    return heads;
}

void verify_heads_free(struct verify_heads *heads)
{
    if (heads == NULL)
        return;
    free(heads->leaf);
    free(heads->tile);
    free(heads);
}

static void keep_tile(struct verify_heads *heads, const uint8_t *tile_root)
{
    size_t index = (size_t)(heads->size / VERIFY_TILE_HASHES) - 1;
    if (index == heads->tile_cap) {
        heads->tile_cap = heads->tile_cap != 0 ? 2 * heads->tile_cap : 1024;
        heads->tile = reallocarray(heads->tile, heads->tile_cap, sizeof(*heads->tile));
        PL_ASSERT(heads->tile != NULL);
    }
    memcpy(heads->tile[index], tile_root, PL_SHA256_BYTES);
}

void verify_heads_add(struct verify_heads *heads, const uint8_t (*leaf)[PL_SHA256_BYTES],
                      size_t count, const uint8_t *tile_root)
{
    for (size_t i = 0; i < count; i++)
        memcpy(heads->leaf[(heads->size + i) % RING], leaf[i], PL_SHA256_BYTES);
    heads->size += count;
    PL_ASSERT((heads->size % VERIFY_TILE_HASHES == 0) == (tile_root != NULL));
    if (tile_root != NULL)
        keep_tile(heads, tile_root);
}

bool verify_heads_root(const struct verify_heads *heads, uint64_t size,
                       uint8_t out[PL_SHA256_BYTES])
{
    struct pl_merkle_frontier frontier = {.size = 0};
    struct pl_merkle_hash hash;
    uint64_t tiles = size / VERIFY_TILE_HASHES;
    if (size > heads->size || heads->size - tiles * VERIFY_TILE_HASHES > RING)
        return false;
    for (uint64_t i = 0; i < tiles; i++) {
        memcpy(hash.bytes, heads->tile[i], PL_SHA256_BYTES);
        pl_merkle_append_subtree(&frontier, TILE_LEVEL, &hash);
    }
    for (uint64_t i = tiles * VERIFY_TILE_HASHES; i < size; i++) {
        memcpy(hash.bytes, heads->leaf[i % RING], PL_SHA256_BYTES);
        pl_merkle_append(&frontier, &hash);
    }
    pl_merkle_root(&frontier, &hash);
    memcpy(out, hash.bytes, PL_SHA256_BYTES);
    return true;
}
