/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: inclusion proofs as RFC 6962 makes them are accepted, for every leaf of every size up to
 * 40, and nothing near them is. Files of proofs: tests/e2e/test_tamper.py.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "client/verify_proof.h"

enum { MOST = 40 };
static uint8_t leaves[MOST][32];

static void root_of(size_t first, size_t count, uint8_t out[32])
{
    if (count == 1) {
        memcpy(out, leaves[first], 32);
        return;
    }
    size_t split = 1;
    while (split * 2 < count)
        split *= 2;
    uint8_t bytes[65] = {1};
    root_of(first, split, bytes + 1);
    root_of(first + split, count - split, bytes + 33);
    pl_sha256(pl_slice(bytes, 65), out);
}

/* PATH of RFC 6962, 2.1.1. */
static size_t path_of(size_t index, size_t first, size_t count, uint8_t (*out)[32])
{
    if (count == 1)
        return 0;
    size_t split = 1;
    while (split * 2 < count)
        split *= 2;
    size_t got;
    if (index < split) {
        got = path_of(index, first, split, out);
        root_of(first + split, count - split, out[got]);
    } else {
        got = path_of(index - split, first + split, count - split, out);
        root_of(first, split, out[got]);
    }
    return got + 1;
}

static bool included(size_t index, size_t size, uint8_t (*proof)[32], size_t count,
                     const uint8_t *leaf, const uint8_t *root)
{
    return verify_inclusion(index, size, leaf, (const uint8_t(*)[32])proof, count, root);
}

static void test_all_pairs(void **state)
{
    (void)state;
    for (size_t size = 1; size <= MOST; size++) {
        uint8_t root[32];
        root_of(0, size, root);
        for (size_t index = 0; index < size; index++) {
            uint8_t proof[8][32];
            size_t count = path_of(index, 0, size, proof);
            assert_true(included(index, size, proof, count, leaves[index], root));
            assert_false(included(index, size, proof, count, leaves[(index + 1) % MOST], root));
            assert_false(included(index, size, proof, count + 1, leaves[index], root));
            assert_false(included(index, index, proof, count, leaves[index], root));
            if (count > 0) {
                assert_false(included(index, size, proof, count - 1, leaves[index], root));
                assert_false(included(index ^ 1, size, proof, count, leaves[index], root));
                proof[count - 1][31] ^= 1;
                assert_false(included(index, size, proof, count, leaves[index], root));
            }
            root[0] ^= 1;
            assert_false(included(index, size, proof, count, leaves[index], root));
            root[0] ^= 1;
        }
    }
}

static void test_large_numbers(void **state)
{
    (void)state;
    uint8_t proof[64][32] = {{0}};
    assert_false(included(0, 0, proof, 0, leaves[0], leaves[0]));
    assert_false(included(0, UINT64_MAX, proof, 64, leaves[0], leaves[0]));
    assert_false(included(UINT64_MAX - 1, UINT64_MAX, proof, 64, leaves[0], leaves[0]));
    assert_true(included(0, 1, proof, 0, leaves[0], leaves[0]));
}

static void judge(const char *text, const char *words)
{
    struct verify_report report;
    struct verify_options options = {.keys = ""};
    memset(&report, 0, sizeof(report));
    verify_proof(pl_slice_str(text), &options, &report);
    assert_int_equal(verify_exit(&report), VERIFY_EXIT_INTEGRITY);
    assert_non_null(strstr(report.verdict[VERIFY_INTEGRITY].words, words));
}

static void test_files_that_are_none(void **state)
{
    (void)state;
    judge(VERIFY_PROOF_MAGIC, "breaks off");
    judge(VERIFY_PROOF_MAGIC "index 0\n", "breaks off");
    judge(VERIFY_PROOF_MAGIC "index 0\n\n", "breaks off");
    judge(VERIFY_PROOF_MAGIC "index 00\n\nx\n", "breaks off");
    judge(VERIFY_PROOF_MAGIC "index -1\n\nx\n", "breaks off");
    judge(VERIFY_PROOF_MAGIC "extra !\nindex 0\n\nx\n", "breaks off");
    judge(VERIFY_PROOF_MAGIC "index 0\nAAAA\n\nx\n", "breaks off");
    judge(VERIFY_PROOF_MAGIC "index 0\n\nx\n", "checkpoint");
}

static int set_up(void **state)
{
    (void)state;
    for (uint8_t i = 0; i < MOST; i++)
        verify_tree_leaf(pl_slice(&i, 1), leaves[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_pairs),
        cmocka_unit_test(test_large_numbers),
        cmocka_unit_test(test_files_that_are_none),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
