/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: the tree is that of RFC 6962: known roots and proofs, a second implementation written as
 * the RFC's recursion, and checkers that take every right proof and no wrong one.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../apart.h"
#include "common/check.h"
#include "common/hash.h"
#include "common/merkle.h"

enum { PAIRS_TO = 80, WIDE = 70000 };

/* The vectors that certificate transparency's implementations share. */
static const char *const vector_entries[] = {"",
                                             "00",
                                             "10",
                                             "2021",
                                             "3031",
                                             "40414243",
                                             "5051525354555657",
                                             "606162636465666768696a6b6c6d6e6f"};
static const char *const vector_roots[] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

static void vector_leaf(size_t i, struct pl_merkle_hash *ret)
{
    uint8_t bytes[16];
    size_t len = strlen(vector_entries[i]) / 2;
    assert_true(pl_is_ok(pl_unhex(vector_entries[i], bytes, len)));
    pl_merkle_leaf(pl_slice(bytes, len), ret);
}

static void assert_begins(const struct pl_merkle_hash *hash, const char *hex)
{
    char text[2 * PL_MERKLE_BYTES + 1];
    pl_hex(pl_slice(hash->bytes, PL_MERKLE_BYTES), text);
    assert_memory_equal(text, hex, strlen(hex));
}

/* --- a store of tiles in memory: every level is a plain list --- */

struct forest {
    struct pl_merkle_hash *level[4];
    size_t count[4];
    uint64_t size; /* nothing beyond it may be asked for */
    bool fails;
};

/* Leaf hashes of any content; the levels above by root_of over complete tiles. */
static void forest_grow(struct forest *forest, size_t size)
{
    for (size_t l = 0; l < 4; l++)
        forest->level[l] = calloc(size + 1, sizeof(struct pl_merkle_hash));
    for (uint32_t i = 0; i < size; i++)
        pl_merkle_leaf(pl_slice(&i, sizeof(i)), &forest->level[0][i]);
    forest->count[0] = size;
    for (size_t l = 1; l < 4; l++) {
        forest->count[l] = forest->count[l - 1] / 256;
        for (size_t i = 0; i < forest->count[l]; i++)
            pl_merkle_root_of(&forest->level[l - 1][i * 256], 256, &forest->level[l][i]);
    }
    forest->size = size;
}

static void forest_free(struct forest *forest)
{
    for (size_t l = 0; l < 4; l++)
        free(forest->level[l]);
}

static struct pl_status forest_read(void *arg, unsigned level, uint64_t first, size_t count,
                                    struct pl_merkle_hash *ret)
{
    struct forest *forest = arg;
    if (forest->fails)
        return pl_fail(IO, "read");
    assert_in_range(level, 0, 3);
    assert_int_equal(first / 256, (first + count - 1) / 256);
    assert_true((first + count) << (8 * level) <= forest->size);
    memcpy(ret, &forest->level[level][first], count * sizeof(*ret));
    return pl_ok();
}

/* The RFC's own words: MTH, PATH and SUBPROOF. */
static void naive_root(const struct pl_merkle_hash *leaf, size_t count, struct pl_merkle_hash *ret)
{
    if (count == 1) {
        *ret = leaf[0];
        return;
    }
    size_t k = 1;
    while (2 * k < count)
        k *= 2;
    struct pl_merkle_hash left, right;
    naive_root(leaf, k, &left);
    naive_root(leaf + k, count - k, &right);
    pl_merkle_node(&left, &right, ret);
}

static void naive_path(const struct pl_merkle_hash *leaf, size_t index, size_t count,
                       struct pl_merkle_proof *ret)
{
    if (count == 1)
        return;
    size_t k = 1;
    while (2 * k < count)
        k *= 2;
    struct pl_merkle_hash other;
    if (index < k) {
        naive_path(leaf, index, k, ret);
        naive_root(leaf + k, count - k, &other);
    } else {
        naive_path(leaf + k, index - k, count - k, ret);
        naive_root(leaf, k, &other);
    }
    ret->hash[ret->count++] = other;
}

static void naive_subproof(const struct pl_merkle_hash *leaf, size_t old, size_t count, bool known,
                           struct pl_merkle_proof *ret)
{
    struct pl_merkle_hash other;
    if (old == count) {
        if (!known) {
            naive_root(leaf, count, &other);
            ret->hash[ret->count++] = other;
        }
        return;
    }
    size_t k = 1;
    while (2 * k < count)
        k *= 2;
    if (old <= k) {
        naive_subproof(leaf, old, k, known, ret);
        naive_root(leaf + k, count - k, &other);
    } else {
        naive_subproof(leaf + k, old - k, count - k, false, ret);
        naive_root(leaf, k, &other);
    }
    ret->hash[ret->count++] = other;
}

static void assert_same_proof(const struct pl_merkle_proof *a, const struct pl_merkle_proof *b)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->hash, b->hash, a->count * sizeof(a->hash[0]));
}

/* --- the cases --- */

static void test_known_roots(void **state)
{
    (void)state;
    struct pl_merkle_frontier frontier = {0};
    struct pl_merkle_hash root;
    for (size_t n = 0; n <= 8; n++) {
        pl_merkle_root(&frontier, &root);
        assert_begins(&root, vector_roots[n]);
        if (n == 8)
            break;
        struct pl_merkle_hash leaf;
        vector_leaf(n, &leaf);
        pl_merkle_append(&frontier, &leaf);
    }
}

static void test_known_proofs(void **state)
{
    (void)state;
    struct forest forest = {.size = 8};
    struct pl_merkle_hash leaves[8], above;
    for (size_t i = 0; i < 8; i++)
        vector_leaf(i, &leaves[i]);
    forest.level[0] = leaves;
    forest.level[1] = &above;
    struct pl_merkle_proof proof;
    assert_true(pl_is_ok(pl_merkle_prove_inclusion(forest_read, &forest, 5, 8, &proof)));
    assert_int_equal(proof.count, 3);
    assert_begins(&proof.hash[0], "bc1a0643");
    assert_begins(&proof.hash[1], "ca854ea1");
    assert_begins(&proof.hash[2], "d37ee418");
    assert_true(pl_is_ok(pl_merkle_prove_consistency(forest_read, &forest, 6, 8, &proof)));
    assert_int_equal(proof.count, 3);
    assert_begins(&proof.hash[0], "0ebc5d34");
    assert_begins(&proof.hash[1], "ca854ea1");
    assert_begins(&proof.hash[2], "d37ee418");
    assert_true(pl_is_ok(pl_merkle_prove_consistency(forest_read, &forest, 3, 7, &proof)));
    assert_int_equal(proof.count, 4);
    assert_begins(&proof.hash[0], "0298d122");
    assert_begins(&proof.hash[1], "07506a85");
    assert_begins(&proof.hash[2], "fac54203");
    assert_begins(&proof.hash[3], "837dbb15");
}

/* Every proof of every pair of sizes is the RFC's, is taken, and is refused when anything in it or
 * around it is different. */
static void check_pair(struct forest *forest, size_t index, size_t size)
{
    struct pl_merkle_hash root, other;
    struct pl_merkle_proof proof, naive = {0};
    struct pl_merkle_hash *leaf = forest->level[0];
    naive_root(leaf, size, &root);
    assert_true(pl_is_ok(pl_merkle_prove_inclusion(forest_read, forest, index, size, &proof)));
    naive_path(leaf, index, size, &naive);
    assert_same_proof(&proof, &naive);
    assert_true(pl_is_ok(pl_merkle_check_inclusion(index, size, &leaf[index], &proof, &root)));
    other = leaf[index];
    other.bytes[31] ^= 1;
    assert_false(pl_is_ok(pl_merkle_check_inclusion(index, size, &other, &proof, &root)));
    if (size > 1)
        assert_false(pl_is_ok(pl_merkle_check_inclusion(index == 0 ? 1 : index - 1, size,
                                                        &leaf[index], &proof, &root)));
    for (size_t i = 0; i < proof.count; i++) {
        proof.hash[i].bytes[0] ^= 0x80;
        assert_false(pl_is_ok(pl_merkle_check_inclusion(index, size, &leaf[index], &proof, &root)));
        proof.hash[i].bytes[0] ^= 0x80;
    }
    proof.count++;
    assert_false(pl_is_ok(pl_merkle_check_inclusion(index, size, &leaf[index], &proof, &root)));
    proof.count -= proof.count > 1 ? 2 : 0;
    assert_false(pl_is_ok(pl_merkle_check_inclusion(index, size, &leaf[index], &proof, &root)));
}

static void check_growth(struct forest *forest, size_t old, size_t size)
{
    struct pl_merkle_hash old_root, root;
    struct pl_merkle_proof proof, naive = {0};
    struct pl_merkle_hash *leaf = forest->level[0];
    naive_root(leaf, size, &root);
    naive_root(leaf, old, &old_root);
    assert_true(pl_is_ok(pl_merkle_prove_consistency(forest_read, forest, old, size, &proof)));
    naive_subproof(leaf, old, size, true, &naive);
    assert_same_proof(&proof, &naive);
    assert_true(pl_is_ok(pl_merkle_check_consistency(old, size, &old_root, &root, &proof)));
    assert_int_equal(proof.count == 0, old == size);
    for (size_t i = 0; i < proof.count; i++) {
        proof.hash[i].bytes[7] ^= 4;
        assert_false(pl_is_ok(pl_merkle_check_consistency(old, size, &old_root, &root, &proof)));
        proof.hash[i].bytes[7] ^= 4;
    }
    old_root.bytes[0] ^= 1;
    assert_false(pl_is_ok(pl_merkle_check_consistency(old, size, &old_root, &root, &proof)));
    old_root.bytes[0] ^= 1;
    root.bytes[0] ^= 1;
    assert_false(pl_is_ok(pl_merkle_check_consistency(old, size, &old_root, &root, &proof)));
    root.bytes[0] ^= 1;
    proof.count++;
    assert_false(pl_is_ok(pl_merkle_check_consistency(old, size, &old_root, &root, &proof)));
    if (old != size) {
        proof.count = 0;
        assert_false(pl_is_ok(pl_merkle_check_consistency(old, size, &old_root, &root, &proof)));
    }
}

static void test_all_pairs(void **state)
{
    (void)state;
    struct forest forest = {0};
    const unsigned apart = cases_apart(1);
    forest_grow(&forest, PAIRS_TO);
    for (size_t size = 1; size <= PAIRS_TO; size += apart) {
        for (size_t i = 0; i < size; i++)
            check_pair(&forest, i, size);
        for (size_t old = 1; old <= size; old++)
            check_growth(&forest, old, size);
    }
    forest_free(&forest);
}

/* Sizes around tiles of the first and second level. */
static void test_across_tiles(void **state)
{
    (void)state;
    static const size_t at[] = {1, 255, 256, 257, 511, 512, 1000, 65535, 65536, 65537, 69999, WIDE};
    struct forest forest = {0};
    forest_grow(&forest, WIDE);
    for (size_t s = 0; s < PL_COUNT(at); s++) {
        for (size_t i = s % cases_apart(1); i <= s; i += cases_apart(1)) {
            check_pair(&forest, at[i] - 1, at[s]);
            check_growth(&forest, at[i], at[s]);
        }
        struct pl_merkle_frontier frontier;
        struct pl_merkle_hash root, naive;
        assert_true(pl_is_ok(pl_merkle_frontier_at(forest_read, &forest, at[s], &frontier)));
        pl_merkle_root(&frontier, &root);
        naive_root(forest.level[0], at[s], &naive);
        assert_true(pl_merkle_eq(&root, &naive));
    }
    forest_free(&forest);
}

static void test_a_frontier_goes_on(void **state)
{
    (void)state;
    struct forest forest = {0};
    forest_grow(&forest, 1000);
    for (size_t from = 0; from <= 1000; from += 77) {
        struct pl_merkle_frontier frontier;
        struct pl_merkle_hash root, naive;
        assert_true(pl_is_ok(pl_merkle_frontier_at(forest_read, &forest, from, &frontier)));
        for (size_t i = from; i < 1000; i++)
            pl_merkle_append(&frontier, &forest.level[0][i]);
        pl_merkle_root(&frontier, &root);
        naive_root(forest.level[0], 1000, &naive);
        assert_true(pl_merkle_eq(&root, &naive));
    }
    forest_free(&forest);
}

static void test_subtrees_at_once(void **state)
{
    (void)state;
    struct forest forest = {0};
    forest_grow(&forest, 1000);
    struct pl_merkle_frontier frontier = {0};
    struct pl_merkle_hash root, naive, part;
    for (size_t at = 0; at + 64 <= 1000; at += 64) {
        pl_merkle_root_of(&forest.level[0][at], 64, &part);
        pl_merkle_append_subtree(&frontier, 6, &part);
    }
    for (size_t i = frontier.size; i < 1000; i++)
        pl_merkle_append(&frontier, &forest.level[0][i]);
    pl_merkle_root(&frontier, &root);
    naive_root(forest.level[0], 1000, &naive);
    assert_true(pl_merkle_eq(&root, &naive));
    forest_free(&forest);
}

static void test_what_cannot_be(void **state)
{
    (void)state;
    struct forest forest = {0};
    struct pl_merkle_proof proof = {0};
    struct pl_merkle_hash hash = {{0}}, empty;
    pl_merkle_root_of(NULL, 0, &empty);
    forest_grow(&forest, 10);
    assert_int_equal(pl_merkle_prove_inclusion(forest_read, &forest, 10, 10, &proof).code,
                     PL_E_INVALID);
    assert_int_equal(pl_merkle_prove_consistency(forest_read, &forest, 11, 10, &proof).code,
                     PL_E_INVALID);
    assert_int_equal(pl_merkle_check_inclusion(0, 0, &hash, &proof, &hash).code, PL_E_INVALID);
    assert_int_equal(
        pl_merkle_check_inclusion(UINT64_MAX - 1, UINT64_MAX, &hash, &proof, &hash).code,
        PL_E_INVALID);
    assert_int_equal(pl_merkle_check_consistency(2, 1, &hash, &hash, &proof).code, PL_E_INVALID);
    proof.count = SIZE_MAX; /* a count from elsewhere never reads past the array */
    assert_int_equal(pl_merkle_check_inclusion(0, 10, &hash, &proof, &hash).code, PL_E_INVALID);
    assert_int_equal(pl_merkle_check_consistency(1, 10, &hash, &hash, &proof).code, PL_E_INVALID);
    /* the empty tree is a prefix of all, with nothing to show for it */
    proof.count = 0;
    assert_true(pl_is_ok(pl_merkle_check_consistency(0, 10, &empty, &hash, &proof)));
    assert_false(pl_is_ok(pl_merkle_check_consistency(0, 10, &hash, &hash, &proof)));
    forest.fails = true;
    assert_int_equal(pl_merkle_prove_inclusion(forest_read, &forest, 1, 10, &proof).code, PL_E_IO);
    forest_free(&forest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_roots),        cmocka_unit_test(test_known_proofs),
        cmocka_unit_test(test_all_pairs),          cmocka_unit_test(test_across_tiles),
        cmocka_unit_test(test_a_frontier_goes_on), cmocka_unit_test(test_subtrees_at_once),
        cmocka_unit_test(test_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
