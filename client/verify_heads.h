/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_heads: the root of the tree as it was at an earlier size, for entries that name one (the
 * closing of a period does). Every full tile of leaves is kept as one hash, and of the leaves
 * themselves the newest LEDGER_HEAD_BEHIND_MAX, which is as far back as an entry may name one.
 * Memory: 32 MiB at most for the leaves, 1.25 MiB for the tiles of ten million entries.
 *
 * Thread: the caller's. Next hop: common/merkle.
 */
#ifndef CLIENT_VERIFY_HEADS_H
#define CLIENT_VERIFY_HEADS_H

#include "client/verify_tree.h"

struct verify_heads;

struct verify_heads *verify_heads_new(void);
void verify_heads_free(struct verify_heads *heads); /* NULL is fine */
/* The leaves that follow; as many as fit into the tile that is being filled, at most. tile_root: of
 * the tile that they fill; NULL if they do not fill it. */
void verify_heads_add(struct verify_heads *heads, const uint8_t (*leaf)[PL_SHA256_BYTES],
                      size_t count, const uint8_t *tile_root);
/* False: larger than what was added, or too far back. */
bool verify_heads_root(const struct verify_heads *heads, uint64_t size,
                       uint8_t out[PL_SHA256_BYTES]);

#endif
