/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: the root of every earlier size is the one that the tree had then, across tiles and as far
 * back as it may be named, and no further.
 */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "client/verify_heads.h"
#include "common/merkle.h"
#include "server/ledger/ledger.h"

static void leaf_of(uint64_t i, uint8_t out[PL_SHA256_BYTES])
{
    pl_sha256(pl_slice(&i, sizeof(i)), out);
}

/* Grows as verify does: never across the end of a tile. */
static void grow(struct verify_heads *heads, struct verify_tree *tree, uint64_t from, size_t count)
{
    uint8_t leaf[VERIFY_TILE_HASHES][PL_SHA256_BYTES];
    for (size_t i = 0; i < count; i++)
        leaf_of(from + i, leaf[i]);
    assert_true(pl_is_ok(verify_tree_add(tree, leaf, count, NULL)));
    verify_heads_add(heads, (const uint8_t(*)[PL_SHA256_BYTES])leaf, count,
                     verify_tree_last_tile(tree));
}

static void test_every_earlier_root(void **state)
{
    (void)state;
    enum { SIZE = 3 * VERIFY_TILE_HASHES + 17 };
    static uint8_t roots[SIZE + 1][PL_SHA256_BYTES];
    struct verify_heads *heads = verify_heads_new();
    struct verify_tree *tree = malloc(sizeof(*tree));
    uint8_t root[PL_SHA256_BYTES];
    verify_tree_init(tree, NULL, NULL);
    for (uint64_t i = 0; i < SIZE; i++) {
        verify_tree_root(tree, roots[i]);
        grow(heads, tree, i, 1);
    }
    verify_tree_root(tree, roots[SIZE]);
    for (uint64_t i = 0; i <= SIZE; i++) {
        assert_true(verify_heads_root(heads, i, root));
        assert_memory_equal(root, roots[i], PL_SHA256_BYTES);
    }
    assert_false(verify_heads_root(heads, SIZE + 1, root));
    free(tree);
    verify_heads_free(heads);
    verify_heads_free(NULL);
}

static void test_as_far_back_as_it_may_be_named(void **state)
{
    (void)state;
    struct verify_heads *heads = verify_heads_new();
    struct verify_tree *tree = malloc(sizeof(*tree));
    uint8_t root[PL_SHA256_BYTES], then[PL_SHA256_BYTES];
    const uint64_t named = VERIFY_TILE_HASHES + 5;
    verify_tree_init(tree, NULL, NULL);
    grow(heads, tree, 0, VERIFY_TILE_HASHES);
    grow(heads, tree, VERIFY_TILE_HASHES, 5);
    verify_tree_root(tree, then);
    uint64_t size = named;
    while (size < named + LEDGER_HEAD_BEHIND_MAX) {
        uint64_t room = VERIFY_TILE_HASHES - size % VERIFY_TILE_HASHES;
        uint64_t rest = named + LEDGER_HEAD_BEHIND_MAX - size;
        grow(heads, tree, size, (size_t)(room < rest ? room : rest));
        size += room < rest ? room : rest;
    }
    assert_true(verify_heads_root(heads, named, root));
    assert_memory_equal(root, then, PL_SHA256_BYTES);
    assert_false(verify_heads_root(heads, 5, root)); /* its leaves are gone */
    verify_tree_root(tree, then);
    assert_true(verify_heads_root(heads, size, root));
    assert_memory_equal(root, then, PL_SHA256_BYTES);
    free(tree);
    verify_heads_free(heads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_earlier_root),
        cmocka_unit_test(test_as_far_back_as_it_may_be_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
