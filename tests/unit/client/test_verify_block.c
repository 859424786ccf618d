/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: the pool works on every block and gives them back in order, whatever the number of threads;
 * bytes from strangers become marks, not crashes.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/verify_block.h"
#include "common/rng.h"

static void fill(struct verify_block *block, uint64_t first, size_t count)
{
    block->first_seq = first;
    for (size_t i = 0; i < count; i++) {
        uint64_t seq = first + i;
        assert_true(pl_is_ok(verify_block_add(block, pl_slice(&seq, sizeof(seq)))));
    }
}

static void check(const struct verify_block *block, uint64_t first, size_t count)
{
    uint8_t leaf[32], root[32];
    struct verify_tree *tree = malloc(sizeof(*tree));
    assert_non_null(tree);
    assert_int_equal(block->first_seq, first);
    assert_int_equal(block->count, count);
    verify_tree_init(tree, NULL, NULL);
    for (size_t i = 0; i < count; i++) {
        uint64_t seq = first + i;
        uint8_t one[1][32];
        verify_tree_leaf(pl_slice(&seq, sizeof(seq)), leaf);
        assert_memory_equal(block->leaf[i], leaf, 32);
        memcpy(one[0], leaf, 32);
        assert_true(pl_is_ok(verify_tree_add(tree, one, 1, NULL)));
    }
    verify_tree_root(tree, root);
    if (count == VERIFY_TILE_HASHES)
        assert_memory_equal(block->tile_root, root, 32);
    free(tree);
}

static void run_pool(size_t threads)
{
    struct verify_pool *pool = NULL;
    assert_true(pl_is_ok(verify_pool_new(threads, &pool)));
    uint64_t given = 0, taken = 0;
    while (taken < 100) {
        struct verify_block *block = given < 100 ? verify_pool_empty(pool) : NULL;
        if (block != NULL) {
            fill(block, given * 1000, given % 3 == 0 ? 256 : 1 + given % 200);
            verify_pool_give(pool, block);
            given++;
            continue;
        }
        block = verify_pool_wait(pool);
        assert_non_null(block);
        check(block, taken * 1000, taken % 3 == 0 ? 256 : 1 + taken % 200);
        verify_pool_done(pool, block);
        taken++;
    }
    assert_null(verify_pool_wait(pool));
    verify_pool_free(pool);
}

static void test_order(void **state)
{
    (void)state;
    run_pool(1);
    run_pool(2);
    run_pool(7);
    run_pool(0);
}

static void test_freed_with_work_under_way(void **state)
{
    (void)state;
    struct verify_pool *pool = NULL;
    assert_true(pl_is_ok(verify_pool_new(3, &pool)));
    for (struct verify_block *block; (block = verify_pool_empty(pool)) != NULL;) {
        fill(block, 1, 256);
        verify_pool_give(pool, block);
    }
    verify_pool_free(pool);
    verify_pool_free(NULL);
}

static void test_sizes(void **state)
{
    (void)state;
    struct verify_pool *pool = NULL;
    static uint8_t bytes[VERIFY_ENTRY_BYTES_MAX + 1];
    assert_true(pl_is_ok(verify_pool_new(1, &pool)));
    struct verify_block *block = verify_pool_empty(pool);
    assert_int_equal(verify_block_add(block, pl_slice(bytes, 0)).code, PL_E_TOO_BIG);
    assert_int_equal(verify_block_add(block, pl_slice(bytes, sizeof(bytes))).code, PL_E_TOO_BIG);
    for (size_t i = 0; i < VERIFY_TILE_HASHES; i++)
        assert_true(pl_is_ok(verify_block_add(block, pl_slice(bytes, sizeof(bytes) - 1))));
    assert_int_equal(verify_block_add(block, pl_slice(bytes, 1)).code, PL_E_TOO_BIG);
    verify_pool_give(pool, block);
    verify_pool_free(pool);
}

static void test_what_is_no_entry(void **state)
{
    (void)state;
    struct verify_pool *pool = NULL;
    assert_true(pl_is_ok(verify_pool_new(1, &pool)));
    for (int round = 0; round < 50; round++) {
        struct verify_block *block = verify_pool_empty(pool);
        block->parse = true;
        for (size_t i = 0; i < 100; i++) {
            uint8_t bytes[64];
            pl_rng_bytes(bytes, sizeof(bytes));
            assert_true(pl_is_ok(verify_block_add(block, pl_slice(bytes, 1 + bytes[0] % 63))));
        }
        verify_pool_give(pool, block);
        block = verify_pool_wait(pool);
        for (size_t i = 0; i < block->count; i++)
            assert_true(block->entry[i].message != NULL || block->entry[i].wrong != NULL);
        verify_pool_done(pool, block);
    }
    verify_pool_free(pool);
}

/* What is of a newer version is not called damaged. */
static const char *wrong_with(uint32_t role, const char *more, size_t more_len)
{
    static struct verify_block block;
    Pledged__V1__Actor actor = PLEDGED__V1__ACTOR__INIT;
    Pledged__V1__Entry entry = PLEDGED__V1__ENTRY__INIT;
    uint8_t bytes[256];
    actor.role = (Pledged__V1__Role)role;
    entry.seq = 300;
    entry.actor = &actor;
    size_t len = pledged__v1__entry__pack(&entry, bytes);
    memcpy(bytes + len, more, more_len);
    memset(&block, 0, sizeof(block));
    pl_buf_init(&block.bytes, 1 << 16);
    pl_arena_init(&block.arena, 1 << 20);
    block.parse = true;
    assert_true(pl_is_ok(verify_block_add(&block, pl_slice(bytes, len + more_len))));
    verify_block_work(&block);
    const char *wrong = block.entry[0].wrong;
    if (wrong == NULL || strstr(wrong, "newer version") != NULL)
        assert_int_equal(block.entry[0].seq, 300);
    pl_buf_fini(&block.bytes);
    pl_arena_fini(&block.arena);
    return wrong;
}

static void test_what_a_newer_version_wrote(void **state)
{
    (void)state;
    assert_null(wrong_with(2, "", 0));
    assert_non_null(strstr(wrong_with(77, "", 0), "a newer version wrote it"));
    assert_non_null(strstr(wrong_with(2, "\xA2\x38", 3), "a newer version wrote it"));
    assert_null(strstr(wrong_with(2, "\x0A", 1), "newer")); /* cut off */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_freed_with_work_under_way),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_what_is_no_entry),
        cmocka_unit_test(test_what_a_newer_version_wrote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
