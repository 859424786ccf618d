/* SPDX-License-Identifier: Apache-2.0
 *
 * map: open-addressing hash table from fixed-size keys to fixed-size values, grown by doubling,
 * never shrunk; memory is (key + value) bytes a slot at a load of at most 3/4 plus one bit a slot.
 * Keys are hashed with XXH3 under a seed given at init (0 for state that must be equal on every
 * machine; random where keys come from strangers). Iteration order is never exposed: whoever needs
 * an order keeps one. Owned by one thread.
 */
#ifndef PL_MAP_H
#define PL_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pl_map {
    uint8_t *slots; /* owns; cap * (key_size + value_size) */
    uint64_t *full; /* owns; one bit a slot */
    size_t cap;     /* power of two, or 0 */
    size_t count;
    size_t key_size, value_size;
    uint64_t seed;
};

void pl_map_init(struct pl_map *map, size_t key_size, size_t value_size, uint64_t seed);
void pl_map_fini(struct pl_map *map);
/* Room for so many keys at once, so that putting them does not grow it step by step. */
void pl_map_reserve(struct pl_map *map, size_t count);
/* Value of the key, borrowed until the next put or remove; NULL if absent. It stands right behind
 * its key, so that it is aligned only if the sizes of both make it so. */
void *pl_map_get(const struct pl_map *map, const void *key);
/* Inserts or overwrites. Memory exhaustion is fatal (PL_ASSERT): the state has no half-applied
 * form. */
void pl_map_put(struct pl_map *map, const void *key, const void *value);
bool pl_map_remove(struct pl_map *map, const void *key);

#endif
