/* SPDX-License-Identifier: Apache-2.0
 *
 * map: linear probing; removal shifts the run back, so there are no tombstones.
 */
#define XXH_INLINE_ALL /* a key is hashed in less time than it takes to call somebody for it */
#include "common/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xxhash.h>

#include "common/check.h"
#include "common/hash.h"

enum { CAP_FIRST = 16, LINE_BYTES = 64, EXPECT_LINES = 3 };
enum { LARGE_PAGE = 2 << 20, LARGE_LEAST = 2 * LARGE_PAGE, LARGE_MOST = 32 * LARGE_PAGE };

void pl_map_init(struct pl_map *map, size_t key_size, size_t value_size, uint64_t seed)
{
    *map = (struct pl_map){.key_size = key_size, .value_size = value_size, .seed = seed};
}

void pl_map_fini(struct pl_map *map)
{
    free(map->slots);
    free(map->full);
    map->slots = NULL;
    map->full = NULL;
    map->cap = map->count = 0;
}

static void set_full(struct pl_map *map, size_t i, bool full)
{
    uint64_t bit = 1ull << (i % 64);
    map->full[i / 64] = full ? map->full[i / 64] | bit : map->full[i / 64] & ~bit;
}

/* As pl_xxh3; most keys have 16 bytes, or 8. */
static inline __attribute__((always_inline)) uint64_t hash_of(const struct pl_map *map,
                                                              const void *key)
{
    if (map->key_size == 16)
        return XXH3_64bits_withSeed(key, 16, map->seed);
    if (map->key_size == 8)
        return XXH3_64bits_withSeed(key, 8, map->seed);
    return pl_xxh3(pl_slice(key, map->key_size), map->seed);
}

static inline size_t home(const struct pl_map *map, const void *key)
{
    return (size_t)hash_of(map, key) & (map->cap - 1);
}

/* Most keys have 16 bytes, or 8. */
static inline bool same_key(const struct pl_map *map, const void *a, const void *b)
{
    if (map->key_size == 16)
        return memcmp(a, b, 16) == 0;
    return map->key_size == 8 ? memcmp(a, b, 8) == 0 : memcmp(a, b, map->key_size) == 0;
}

/* Place of the key, or of the free slot where it would go. */
static size_t find(const struct pl_map *map, const void *key)
{
    size_t i = home(map, key);
    while (pl_map_is_full(map, i) && !same_key(map, pl_map_slot(map, i), key))
        i = (i + 1) & (map->cap - 1);
    return i;
}

void pl_map_expect(const struct pl_map *map, const void *key)
{
    if (map->count == 0)
        return;
    size_t i = home(map, key);
    const uint8_t *slot = pl_map_slot(map, i);
    __builtin_prefetch(&map->full[i / 64]);
    for (size_t line = 0; line < EXPECT_LINES;
         line++) /* a key that is not there is looked for on */
        __builtin_prefetch(slot + line * LINE_BYTES);
}

/* A key stands anywhere: with small pages the processor looks up where nearly each time, and even
 * a fetch ahead waits for that. Beyond the most, a machine may take longer to find large pages than
 * they save. */
static uint8_t *new_slots(size_t cap, size_t pair)
{
    size_t bytes;
    bool fine = !__builtin_mul_overflow(cap, pair, &bytes);
    PL_ASSERT(fine);
    if (bytes < LARGE_LEAST || bytes > LARGE_MOST)
        return malloc(bytes);
    bytes = (bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    uint8_t *slots = aligned_alloc(LARGE_PAGE, bytes);
    if (slots != NULL)
        (void)madvise(slots, bytes, MADV_HUGEPAGE); /* a wish; it works without, too */
    return slots;
}

static void grow(struct pl_map *map, size_t cap)
{
    struct pl_map larger = *map;
    larger.cap = cap;
    larger.slots = new_slots(cap, map->key_size + map->value_size);
    larger.full = calloc((larger.cap + 63) / 64, sizeof(*larger.full));
    PL_ASSERT(larger.slots != NULL && larger.full != NULL);
    for (size_t i = 0; i < map->cap; i++) {
        if (!pl_map_is_full(map, i))
            continue;
        size_t place = find(&larger, pl_map_slot(map, i));
        memcpy(pl_map_slot(&larger, place), pl_map_slot(map, i), map->key_size + map->value_size);
        set_full(&larger, place, true);
    }
    free(map->slots);
    free(map->full);
    map->slots = larger.slots;
    map->full = larger.full;
    map->cap = cap;
}

static bool too_full(size_t count, size_t cap)
{
    return count > cap / 4 * 3;
}

void *pl_map_get(const struct pl_map *map, const void *key)
{
    if (map->count == 0)
        return NULL;
    size_t i = find(map, key);
    return pl_map_is_full(map, i) ? pl_map_slot(map, i) + map->key_size : NULL;
}

void pl_map_put(struct pl_map *map, const void *key, const void *value)
{
    if (too_full(map->count + 1, map->cap))
        grow(map, map->cap != 0 ? map->cap * 2 : CAP_FIRST);
    size_t i = find(map, key);
    if (!pl_map_is_full(map, i)) {
        memcpy(pl_map_slot(map, i), key, map->key_size);
        set_full(map, i, true);
        map->count++;
    }
    if (map->value_size != 0)
        memcpy(pl_map_slot(map, i) + map->key_size, value, map->value_size);
}

bool pl_map_remove(struct pl_map *map, const void *key)
{
    if (map->count == 0)
        return false;
    size_t hole = find(map, key);
    if (!pl_map_is_full(map, hole))
        return false;
    size_t mask = map->cap - 1;
    for (size_t i = (hole + 1) & mask; pl_map_is_full(map, i); i = (i + 1) & mask) {
        /* may the entry at i move back into the hole? only if its home is not between them */
        size_t wanted = home(map, pl_map_slot(map, i));
        if (((i - wanted) & mask) >= ((i - hole) & mask)) {
            memcpy(pl_map_slot(map, hole), pl_map_slot(map, i), map->key_size + map->value_size);
            hole = i;
        }
    }
    set_full(map, hole, false);
    map->count--;
    return true;
}

bool pl_map_shape(struct pl_map *map, uint64_t *full, size_t cap)
{
    PL_ASSERT(map->cap == 0 && (cap & (cap - 1)) == 0);
    size_t count = 0, words = (cap + 63) / 64;
    bool behind = cap != 0 && cap < 64 && full[0] >> cap != 0;
    for (size_t i = 0; i < words; i++)
        count += (size_t)__builtin_popcountll(full[i]);
    if (behind || cap > SIZE_MAX / 2 / (map->key_size + map->value_size) || too_full(count, cap)) {
        free(full);
        return false;
    }
    map->slots = new_slots(cap, map->key_size + map->value_size);
    PL_ASSERT(map->slots != NULL || cap == 0);
    map->full = full;
    map->cap = cap;
    map->count = count;
    return true;
}

/* Would a key whose home is `from` be found at `i`, with all of the slots between them full? */
static inline bool is_first(const struct pl_map *map, size_t from, size_t i)
{
    const uint8_t *key = pl_map_slot(map, i);
    for (; from < i; from++) {
        if (same_key(map, pl_map_slot(map, from), key))
            return false;
    }
    return true;
}

bool pl_map_settled(const struct pl_map *map)
{
    size_t run = 0, next = 0; /* from `run` up to `next` all are full */
    for (size_t word = 0; word < (map->cap + 63) / 64; word++) {
        for (uint64_t left = map->full[word]; left != 0; left &= left - 1) {
            size_t i = word * 64 + (size_t)__builtin_ctzll(left);
            const uint8_t *key = pl_map_slot(map, i);
            size_t from = home(map, key);
            run = i == next ? run : i;
            next = i + 1;
            bool between = from >= run && from <= i; /* else it began at the end of the table */
            if (!(between ? is_first(map, from, i) : find(map, key) == i))
                return false;
        }
    }
    return true;
}
