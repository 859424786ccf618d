/* SPDX-License-Identifier: Apache-2.0
 *
 * pair: two messages of every two lengths have the hashes that each has alone (where the processor
 * has no instructions for it, because they were hashed alone), and what is too long is not put.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

#include <string.h>

#include "common/check.h"
#include "common/pair.h"

enum { LONGEST = 1024 - 9 };

static uint8_t text[2][LONGEST + 1];

static int setup(void **state)
{
    (void)state;
    uint32_t dice = 7;
    for (size_t i = 0; i < 2 * sizeof(text[0]); i++) {
        dice = dice * 1664525u + 1013904223u;
        text[i % 2][i / 2] = (uint8_t)(dice >> 24);
    }
    return 0;
}

static void compare(size_t len_a, size_t len_b)
{
    struct pl_pair_message a, b;
    uint8_t got_a[PL_SHA256_BYTES], got_b[PL_SHA256_BYTES], want[PL_SHA256_BYTES];
    const struct pl_slice whole = pl_slice(text[0], len_a);
    const struct pl_slice parts[] = {pl_slice(text[1], len_b / 3), pl_slice(NULL, 0),
                                     pl_slice(text[1] + len_b / 3, len_b - len_b / 3)};
    memset(&a, 0xEE, sizeof(a)); /* whatever was there before */
    memset(&b, 0xEE, sizeof(b));
    assert_true(pl_pair_put(&a, &whole, 1));
    assert_true(pl_pair_put(&b, parts, PL_COUNT(parts)));
    pl_pair_hash(&a, &b, got_a, got_b);
    pl_sha256(whole, want);
    assert_memory_equal(got_a, want, sizeof(want));
    pl_sha256(pl_slice(text[1], len_b), want);
    assert_memory_equal(got_b, want, sizeof(want));
}

static void test_every_length_beside_others(void **state)
{
    (void)state;
    static const size_t edges[] = {0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 500, 1014, LONGEST};
    for (size_t len = 0; len <= LONGEST; len++) {
        compare(len, len);
        for (size_t i = 0; i < PL_COUNT(edges); i++) {
            compare(len, edges[i]);
            compare(edges[i], len);
        }
    }
}

/* FIPS 180-2, appendix B. */
static void test_known_hashes(void **state)
{
    (void)state;
    static const char *const messages[] = {
        "abc", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"};
    static const uint8_t begins[][4] = {{0xba, 0x78, 0x16, 0xbf}, {0x24, 0x8d, 0x6a, 0x61}};
    struct pl_pair_message message[2];
    uint8_t got[2][PL_SHA256_BYTES];
    for (size_t i = 0; i < 2; i++) {
        const struct pl_slice part = pl_slice_str(messages[i]);
        assert_true(pl_pair_put(&message[i], &part, 1));
    }
    pl_pair_hash(&message[0], &message[1], got[0], got[1]);
    for (size_t i = 0; i < 2; i++)
        assert_memory_equal(got[i], begins[i], sizeof(begins[i]));
}

static void test_what_is_too_long(void **state)
{
    (void)state;
    struct pl_pair_message message;
    const struct pl_slice one = pl_slice(text[0], LONGEST + 1);
    const struct pl_slice two[] = {pl_slice(text[0], LONGEST), pl_slice(text[1], 1)};
    const struct pl_slice huge[] = {pl_slice(text[0], 10), pl_slice(text[0], SIZE_MAX)};
    assert_false(pl_pair_put(&message, &one, 1));
    assert_false(pl_pair_put(&message, two, 2));
    assert_false(pl_pair_put(&message, huge, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_length_beside_others),
        cmocka_unit_test(test_known_hashes),
        cmocka_unit_test(test_what_is_too_long),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
