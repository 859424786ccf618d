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

#include "common/status.h"

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
/* Value of the key, borrowed until the next put or remove; NULL if absent. It stands right behind
 * its key, so that it is aligned only if the sizes of both make it so. */
void *pl_map_get(const struct pl_map *map, const void *key);
/* Has the place of a key brought near, for who knows a while ahead which one will be asked for: a
 * large map is far away from the processor. */
void pl_map_expect(const struct pl_map *map, const void *key);
/* Inserts or overwrites. Memory exhaustion is fatal (PL_ASSERT): the state has no half-applied
 * form. */
void pl_map_put(struct pl_map *map, const void *key, const void *value);
bool pl_map_remove(struct pl_map *map, const void *key);

/* A map as it is, with the place of each pair, for those who save it and want it back without
 * hashing anything again. Where pairs stand follows from the order of puts and removals alone. */
static inline bool pl_map_is_full(const struct pl_map *map, size_t slot)
{
    return (map->full[slot / 64] >> (slot % 64) & 1) != 0;
}
/* The pair in a slot: key, then value. */
static inline uint8_t *pl_map_slot(const struct pl_map *map, size_t slot)
{
    return map->slots + slot * (map->key_size + map->value_size);
}
/* An empty map, made for this, gets `cap` slots (a power of two, or 0) and knows which are to be
 * full; takes `full` (from malloc, a bit a slot). Whoever calls this fills the slots, then asks
 * pl_map_settled. False: more are full than a map lets be, or bits behind the end are set; `full`
 * is freed. */
PL_MUST_CHECK bool pl_map_shape(struct pl_map *map, uint64_t *full, size_t cap);
/* Is each key found where it stands? Then it is a map. */
PL_MUST_CHECK bool pl_map_settled(const struct pl_map *map);

#endif
