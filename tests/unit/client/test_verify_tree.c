/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: roots are those of RFC 6962 (its known vectors, and the definition applied recursively),
 * and the tiles that are shown are those of C2SP tlog-tiles.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/verify_tree.h"
#include "common/check.h"

enum { MOST = 70000 };
static uint8_t (*leaves)[32];
static struct verify_tree tree;

static struct pl_slice vector(size_t at)
{
    static const char *const hex[] = {"",
                                      "00",
                                      "10",
                                      "2021",
                                      "3031",
                                      "40414243",
                                      "5051525354555657",
                                      "606162636465666768696a6b6c6d6e6f"};
    static uint8_t bytes[16];
    size_t len = strlen(hex[at]) / 2;
    assert_true(pl_is_ok(pl_unhex(hex[at], bytes, len)));
    return pl_slice(bytes, len);
}

static void assert_root(const char *hex)
{
    uint8_t root[32];
    char text[65];
    verify_tree_root(&tree, root);
    pl_hex(pl_slice(root, 32), text);
    assert_string_equal(text, hex);
}

static void test_known_roots(void **state)
{
    (void)state;
    static const char *const roots[] = {
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
    verify_tree_init(&tree, NULL, NULL);
    for (size_t i = 0; i < PL_COUNT(roots); i++) {
        uint8_t leaf[1][32];
        assert_root(roots[i]);
        if (i + 1 == PL_COUNT(roots))
            break;
        verify_tree_leaf(vector(i), leaf[0]);
        assert_true(pl_is_ok(verify_tree_add(&tree, leaf, 1, NULL)));
    }
}

/* MTH of RFC 6962, 2.1, as it stands there. */
static void definition(size_t first, size_t count, uint8_t out[32])
{
    if (count == 1) {
        memcpy(out, leaves[first], 32);
        return;
    }
    size_t split = 1;
    while (split * 2 < count)
        split *= 2;
    uint8_t bytes[65] = {1};
    definition(first, split, bytes + 1);
    definition(first + split, count - split, bytes + 33);
    pl_sha256(pl_slice(bytes, 65), out);
}

static void test_roots_of_many_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {1,   2,   255,  256,  257,   300,   511,   512, 513,
                                   700, 769, 1024, 4097, 65535, 65536, 65537, MOST};
    for (size_t i = 0; i < PL_COUNT(sizes); i++) {
        uint8_t wanted[32], got[32];
        verify_tree_init(&tree, NULL, NULL);
        for (size_t at = 0, step = 1; at < sizes[i]; at += step, step = step % 700 + 3) {
            if (step > sizes[i] - at)
                step = sizes[i] - at;
            assert_true(pl_is_ok(verify_tree_add(&tree, leaves + at, step, NULL)));
        }
        assert_int_equal(tree.size, sizes[i]);
        verify_tree_root(&tree, got);
        definition(0, sizes[i], wanted);
        assert_memory_equal(got, wanted, 32);
    }
}

struct seen {
    unsigned count[4];
    uint64_t next[4];
    size_t last_width[4];
};

/* Tile n of level l has MTH(leaves (n * 256 + i) * 256^l to (n * 256 + i + 1) * 256^l). */
static struct pl_status look(void *arg, unsigned level, uint64_t number, struct pl_slice hashes)
{
    struct seen *seen = arg;
    assert_true(level < 3);
    assert_int_equal(number, seen->next[level]++);
    size_t width = hashes.len / 32, span = (size_t)1 << (8 * level);
    for (size_t i = 0; i < width; i += level == 0 ? 1 : 17) {
        uint8_t wanted[32];
        definition((number * 256 + i) * span, span, wanted);
        assert_memory_equal(hashes.data + 32 * i, wanted, 32);
    }
    seen->count[level]++;
    seen->last_width[level] = width;
    return pl_ok();
}

static void test_tiles_of_seventy_thousand(void **state)
{
    (void)state;
    struct seen seen = {0};
    verify_tree_init(&tree, look, &seen);
    for (size_t at = 0; at < MOST; at += 256) {
        size_t count = MOST - at < 256 ? MOST - at : 256;
        uint8_t root[32];
        if (count == 256)
            verify_tree_tile_root(leaves + at, root);
        assert_true(
            pl_is_ok(verify_tree_add(&tree, leaves + at, count, count == 256 ? root : NULL)));
    }
    assert_int_equal(seen.count[0], 273);
    assert_int_equal(seen.count[1], 1);
    assert_int_equal(seen.count[2], 0);
    assert_true(pl_is_ok(verify_tree_rest(&tree)));
    assert_int_equal(seen.count[0], 274);
    assert_int_equal(seen.last_width[0], 112);
    assert_int_equal(seen.last_width[1], 17);
    assert_int_equal(seen.last_width[2], 1);
}

static int set_up(void **state)
{
    (void)state;
    leaves = calloc(MOST, 32);
    for (uint32_t i = 0; leaves != NULL && i < MOST; i++)
        verify_tree_leaf(pl_slice(&i, sizeof(i)), leaves[i]);
    return leaves == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    free(leaves);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_roots),
        cmocka_unit_test(test_roots_of_many_sizes),
        cmocka_unit_test(test_tiles_of_seventy_thousand),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
