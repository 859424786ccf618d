/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: the map does what a table of all possible keys does, through growth and removal.
 */
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/hash.h"
#include "common/map.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static void test_empty(void **state)
{
    (void)state;
    struct pl_map map PL_CLEANUP(pl_map_fini);
    pl_map_init(&map, 8, 8, 0);
    uint64_t key = 1;
    assert_null(pl_map_get(&map, &key));
    assert_false(pl_map_remove(&map, &key));
    assert_int_equal(map.count, 0);
    assert_int_equal(map.cap, 0); /* nothing is paid before the first key */
}

static void test_put_overwrites(void **state)
{
    (void)state;
    struct pl_map map PL_CLEANUP(pl_map_fini);
    pl_map_init(&map, 8, 8, 0);
    uint64_t key = 7, value = 1;
    pl_map_put(&map, &key, &value);
    value = 2;
    pl_map_put(&map, &key, &value);
    assert_int_equal(map.count, 1);
    assert_int_equal(*(uint64_t *)pl_map_get(&map, &key), 2);
    assert_true(pl_map_remove(&map, &key));
    assert_false(pl_map_remove(&map, &key));
    assert_null(pl_map_get(&map, &key));
    assert_int_equal(map.count, 0);
}

static void test_expecting_changes_nothing(void **state)
{
    (void)state;
    struct pl_map map;
    uint8_t key[16] = {7}, other[16] = {8};
    uint64_t value = 11;
    pl_map_init(&map, sizeof(key), sizeof(value), 0);
    pl_map_expect(&map, key); /* nothing is there to look at */
    pl_map_put(&map, key, &value);
    pl_map_expect(&map, key);
    pl_map_expect(&map, other);
    assert_int_equal(map.count, 1);
    assert_memory_equal(pl_map_get(&map, key), &value, sizeof(value));
    assert_null(pl_map_get(&map, other));
    pl_map_fini(&map);
}

static void test_keys_without_values(void **state)
{
    (void)state;
    struct pl_map map PL_CLEANUP(pl_map_fini);
    pl_map_init(&map, 16, 0, 99);
    uint8_t key[16] = {0};
    for (int i = 0; i < 1000; i++) {
        key[3] = (uint8_t)i;
        key[9] = (uint8_t)(i >> 8);
        pl_map_put(&map, key, NULL);
    }
    assert_int_equal(map.count, 1000);
    key[9] = 4;
    key[3] = 0; /* 1024 */
    assert_null(pl_map_get(&map, key));
    key[9] = 3;
    assert_non_null(pl_map_get(&map, key));
}

/* A copy of `map` with the slots and bits given, or as they are. */
static bool shaped(struct pl_map *copy, const struct pl_map *map, size_t cap, uint64_t first)
{
    size_t words = (map->cap + 63) / 64;
    uint64_t *full = malloc(words * sizeof(*full));
    memcpy(full, map->full, words * sizeof(*full));
    full[0] = first;
    pl_map_init(copy, map->key_size, map->value_size, map->seed);
    return pl_map_shape(copy, full, cap);
}

static void test_a_map_is_put_back_slot_by_slot(void **state)
{
    (void)state;
    struct pl_map map PL_CLEANUP(pl_map_fini), copy PL_CLEANUP(pl_map_fini),
        none PL_CLEANUP(pl_map_fini);
    pl_map_init(&map, 4, 4, 0);
    for (uint32_t i = 0; i < 40; i++)
        pl_map_put(&map, &i, &i);
    assert_int_equal(map.cap, 64);
    assert_true(shaped(&copy, &map, map.cap, map.full[0]));
    assert_int_equal(copy.count, 40);
    memcpy(copy.slots, map.slots, map.cap * 8);
    assert_true(pl_map_settled(&copy));
    for (uint32_t i = 0; i < 40; i++)
        assert_int_equal(*(uint32_t *)pl_map_get(&copy, &i), i);
    size_t at = 0;
    while (!pl_map_is_full(&copy, at))
        at++;
    *pl_map_slot(&copy, at) ^= 0x40; /* a key that is not there, or there twice */
    assert_false(pl_map_settled(&copy));
    assert_false(shaped(&none, &map, 64, UINT64_MAX)); /* too full */
    assert_int_equal(none.cap, 0);
    assert_false(shaped(&none, &map, 16, 1u << 16)); /* behind the end */
    assert_true(pl_map_shape(&none, NULL, 0));
    assert_true(pl_map_settled(&none));
}

/* Saved maps depend on it, of whatever build. */
static void test_a_key_stands_where_its_hash_says(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 4, 8, 12, 16, 32};
    for (size_t i = 0; i < PL_COUNT(sizes); i++) {
        for (uint8_t seed = 0; seed < 50; seed++) {
            struct pl_map map PL_CLEANUP(pl_map_fini);
            uint8_t key[32];
            memset(key, 3 * seed, sizeof(key));
            pl_map_init(&map, sizes[i], 1, seed);
            pl_map_put(&map, key, &seed);
            size_t place = (size_t)pl_xxh3(pl_slice(key, sizes[i]), seed) & (map.cap - 1);
            assert_true(pl_map_is_full(&map, place));
        }
    }
}

static bool all_found(const struct pl_map *map)
{
    for (size_t i = 0; i < map->cap; i++) {
        if (pl_map_is_full(map, i) &&
            pl_map_get(map, pl_map_slot(map, i)) != pl_map_slot(map, i) + map->key_size)
            return false;
    }
    return true;
}

/* Every key of a slot by every other one, in tables whose runs go around the end too. */
static void test_settled_is_that_all_keys_are_found(void **state)
{
    (void)state;
    size_t settled = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct pl_map map PL_CLEANUP(pl_map_fini);
        pl_map_init(&map, 1, 1, seed);
        for (uint8_t key = 0; key < 12; key++)
            pl_map_put(&map, &key, &key);
        for (size_t i = 0; i < map.cap; i++) {
            uint8_t *slot = pl_map_slot(&map, i), was = *slot;
            for (unsigned other = 0; other < 256 && pl_map_is_full(&map, i); other++) {
                *slot = (uint8_t)other;
                assert_int_equal(pl_map_settled(&map), all_found(&map));
                settled += pl_map_settled(&map);
            }
            *slot = was;
        }
    }
    assert_true(settled > 60 * 12); /* not only as it was */
}

static void test_load_stays_below_three_quarters(void **state)
{
    (void)state;
    struct pl_map map PL_CLEANUP(pl_map_fini);
    pl_map_init(&map, 4, 4, 0);
    for (uint32_t i = 0; i < 100000; i++) {
        pl_map_put(&map, &i, &i);
        assert_true(map.count * 4 <= map.cap * 3);
        assert_int_equal(map.cap & (map.cap - 1), 0);
    }
    for (uint32_t i = 0; i < 100000; i++) {
        uint32_t *value = pl_map_get(&map, &i);
        assert_non_null(value);
        assert_int_equal(*value, i);
    }
}

enum { KEYS = 3000 };

static void compare(const struct pl_map *map, const uint32_t *model)
{
    size_t count = 0;
    for (uint32_t key = 0; key < KEYS; key++) {
        uint32_t *value = pl_map_get(map, &key);
        count += model[key] != 0;
        assert_int_equal(value != NULL, model[key] != 0);
        if (value != NULL)
            assert_int_equal(*value, model[key]);
    }
    assert_int_equal(map->count, count);
}

/* Random puts and removals, first mostly puts, then mostly removals, against a plain array. */
static void against_model(uint64_t seed)
{
    struct pl_map map PL_CLEANUP(pl_map_fini);
    pl_map_init(&map, 4, 4, seed);
    uint32_t model[KEYS] = {0};
    uint64_t random = seed + 1;
    for (uint32_t step = 1; step <= 40000; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t key = (uint32_t)(random >> 33) % KEYS;
        bool remove = (random >> 20 & 7) < (step < 20000 ? 2 : 6);
        if (remove) {
            assert_int_equal(pl_map_remove(&map, &key), model[key] != 0);
            model[key] = 0;
        } else {
            pl_map_put(&map, &key, &step);
            model[key] = step;
        }
        if (step % 5000 == 0)
            compare(&map, model);
    }
    for (uint32_t key = 0; key < KEYS; key++)
        assert_int_equal(pl_map_remove(&map, &key), model[key] != 0);
    assert_int_equal(map.count, 0);
}

/* Those that get large pages, and those that are too large for them. */
static void test_large_tables(void **state)
{
    (void)state;
    enum { LARGE_PAGE = 2 << 20, MANY = 300000, FEW = 1000 };
    static const size_t keys[] = {MANY, FEW}, caps[] = {0, 1 << 23};
    for (size_t i = 0; i < PL_COUNT(caps); i++) {
        struct pl_map map PL_CLEANUP(pl_map_fini);
        pl_map_init(&map, sizeof(uint64_t), sizeof(uint64_t), 0);
        if (caps[i] != 0)
            assert_true(pl_map_shape(&map, calloc(caps[i] / 64, sizeof(uint64_t)), caps[i]));
        for (uint64_t key = 0; key < keys[i]; key++) {
            uint64_t value = key * 3;
            pl_map_put(&map, &key, &value);
        }
        if (i == 0) /* a large page has to begin where the table does */
            assert_int_equal((uintptr_t)map.slots % LARGE_PAGE, 0);
        for (uint64_t key = 0; key < keys[i]; key += 2)
            assert_true(pl_map_remove(&map, &key));
        for (uint64_t key = 0; key < keys[i]; key++) {
            const uint64_t *value = pl_map_get(&map, &key);
            assert_true(key % 2 == 0 ? value == NULL : value != NULL && *value == key * 3);
        }
        assert_true(pl_map_settled(&map));
    }
}

static void test_equals_a_simple_model(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 5; seed++)
        against_model(seed);
}

/* Long runs that wrap around the end of the table: removal must close the holes. */
static void test_removal_in_a_small_table(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct pl_map map PL_CLEANUP(pl_map_fini);
        pl_map_init(&map, 1, 1, seed);
        for (uint8_t key = 0; key < 12; key++)
            pl_map_put(&map, &key, &key);
        assert_int_equal(map.cap, 16);
        for (uint8_t gone = 0; gone < 12; gone++) {
            assert_true(pl_map_remove(&map, &gone));
            for (uint8_t key = 0; key < 12; key++)
                assert_int_equal(pl_map_get(&map, &key) != NULL, key > gone);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_put_overwrites),
        cmocka_unit_test(test_expecting_changes_nothing),
        cmocka_unit_test(test_keys_without_values),
        cmocka_unit_test(test_a_map_is_put_back_slot_by_slot),
        cmocka_unit_test(test_a_key_stands_where_its_hash_says),
        cmocka_unit_test(test_settled_is_that_all_keys_are_found),
        cmocka_unit_test(test_load_stays_below_three_quarters),
        cmocka_unit_test(test_large_tables),
        cmocka_unit_test(test_equals_a_simple_model),
        cmocka_unit_test(test_removal_in_a_small_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
