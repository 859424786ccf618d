/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: allocations are zeroed, aligned and apart from each other, and end at the budget.
 */
#include "common/arena.h"
#include "common/check.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static void test_zeroed_and_aligned(void **state)
{
    (void)state;
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, 1 << 20);
    for (size_t size = 0; size < 300; size += 7) {
        uint8_t *place = pl_arena_alloc(&arena, size);
        assert_non_null(place);
        assert_int_equal((uintptr_t)place % 16, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(place[i], 0);
        memset(place, 0xAA, size);
    }
    pl_arena_reset(&arena);
    uint8_t *again = pl_arena_alloc(&arena, 4000); /* memory that was dirty before the reset */
    for (size_t i = 0; i < 4000; i++)
        assert_int_equal(again[i], 0);
}

static void test_blocks_do_not_overlap(void **state)
{
    (void)state;
    enum { BLOCKS = 200 };
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, 1 << 22);
    uint8_t *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = pl_arena_alloc(&arena, i * 97);
        memset(blocks[i], (int)i, i * 97);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        for (size_t k = 0; k < i * 97; k++)
            assert_int_equal(blocks[i][k], (uint8_t)i);
    }
}

static void test_budget_is_exact(void **state)
{
    (void)state;
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, 64);
    assert_non_null(pl_arena_alloc(&arena, 16));
    assert_non_null(pl_arena_alloc(&arena, 17)); /* takes 32 */
    assert_int_equal(arena.used, 48);
    assert_null(pl_arena_alloc(&arena, 17));
    assert_non_null(pl_arena_alloc(&arena, 16));
    assert_null(pl_arena_alloc(&arena, 0)); /* even nothing needs a place of its own */
    assert_int_equal(arena.used, 64);
    pl_arena_reset(&arena);
    assert_int_equal(arena.used, 0);
    assert_non_null(pl_arena_alloc(&arena, 64));
}

static void test_huge_sizes_are_refused(void **state)
{
    (void)state;
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, SIZE_MAX); /* padding must not wrap to a small block */
    for (size_t less = 0; less < 40; less++)
        assert_null(pl_arena_alloc(&arena, SIZE_MAX - less));
    assert_null(pl_arena_memdup(&arena, "x", SIZE_MAX));
    assert_int_equal(arena.used, 0);
}

static void test_a_large_block_keeps_the_rest_usable(void **state)
{
    (void)state;
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, 4 << 20);
    char *before = pl_arena_strdup(&arena, "before");
    uint8_t *large = pl_arena_alloc(&arena, 1 << 20);
    assert_non_null(large);
    memset(large, 1, 1 << 20);
    char *after = pl_arena_strdup(&arena, "after");
    assert_string_equal(before, "before");
    assert_string_equal(after, "after");
}

static void test_copies_are_terminated(void **state)
{
    (void)state;
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, 4096);
    const char bytes[4] = {'a', 'b', 'c', 'd'};
    char *copy = pl_arena_memdup(&arena, bytes, 4);
    assert_string_equal(copy, "abcd");
    assert_string_equal(pl_arena_memdup(&arena, NULL, 0), "");
    assert_string_equal(pl_arena_printf(&arena, "P%06d", 42), "P000042");
    assert_string_equal(pl_arena_printf(&arena, "%s", ""), "");
}

static void test_copies_end_at_the_budget(void **state)
{
    (void)state;
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, 16);
    assert_null(pl_arena_strdup(&arena, "sixteen letters!"));
    assert_null(pl_arena_printf(&arena, "%016d", 1));
    assert_string_equal(pl_arena_printf(&arena, "%015d", 1), "000000000000001");
}

static void test_protobuf_sees_the_budget(void **state)
{
    (void)state;
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, 32);
    ProtobufCAllocator *allocator = &arena.protobuf;
    void *first = allocator->alloc(allocator->allocator_data, 32);
    assert_non_null(first);
    allocator->free(allocator->allocator_data, first); /* does nothing */
    assert_null(allocator->alloc(allocator->allocator_data, 1));
}

static void test_what_is_reserved_is_one_piece(void **state)
{
    (void)state;
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, 1 << 16);
    assert_true(pl_arena_reserve(&arena));
    for (int round = 0; round < 2; round++) { /* it stays through a reset */
        uint8_t *first = pl_arena_alloc(&arena, 16);
        for (int i = 1; i < (1 << 16) / 16; i++)
            assert_ptr_equal(pl_arena_alloc(&arena, 16), first + i * 16);
        assert_null(pl_arena_alloc(&arena, 1));
        pl_arena_reset(&arena);
    }
}

static void test_another_budget_counts_at_once(void **state)
{
    (void)state;
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, 1 << 16);
    assert_non_null(pl_arena_alloc(&arena, 16)); /* there is a chunk with room for much more */
    pl_arena_limit(&arena, 48);
    assert_non_null(pl_arena_alloc(&arena, 32));
    assert_null(pl_arena_alloc(&arena, 1));
    pl_arena_limit(&arena, 1 << 12);
    assert_non_null(pl_arena_alloc(&arena, 4000));
    assert_null(pl_arena_alloc(&arena, 64));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zeroed_and_aligned),
        cmocka_unit_test(test_blocks_do_not_overlap),
        cmocka_unit_test(test_budget_is_exact),
        cmocka_unit_test(test_huge_sizes_are_refused),
        cmocka_unit_test(test_a_large_block_keeps_the_rest_usable),
        cmocka_unit_test(test_copies_are_terminated),
        cmocka_unit_test(test_copies_end_at_the_budget),
        cmocka_unit_test(test_protobuf_sees_the_budget),
        cmocka_unit_test(test_what_is_reserved_is_one_piece),
        cmocka_unit_test(test_another_budget_counts_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
