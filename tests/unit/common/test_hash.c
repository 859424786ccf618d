/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: SHA-256 gives the published digests in every form and on every thread; hex is strict.
 */
#include <pthread.h>
#include <string.h>
#include <xxhash.h>

#include "common/hash.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

/* FIPS 180-2, examples B.1 and B.2, and the empty message */
static const struct {
    const char *text, *digest;
} known[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void assert_digest(const uint8_t digest[PL_SHA256_BYTES], const char *expected)
{
    char hex[2 * PL_SHA256_BYTES + 1];
    pl_hex(pl_slice(digest, PL_SHA256_BYTES), hex);
    assert_string_equal(hex, expected);
}

static void test_known_digests(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        uint8_t digest[PL_SHA256_BYTES];
        pl_sha256(pl_slice_str(known[i].text), digest);
        assert_digest(digest, known[i].digest);
    }
    uint8_t digest[PL_SHA256_BYTES];
    pl_sha256(pl_slice(NULL, 0), digest);
    assert_digest(digest, known[0].digest);
}

static void test_parts_are_the_concatenation(void **state)
{
    (void)state;
    const struct pl_slice parts[] = {pl_slice_str("a"), pl_slice(NULL, 0), pl_slice_str(""),
                                     pl_slice_str("bc")};
    uint8_t digest[PL_SHA256_BYTES];
    pl_sha256_parts(parts, 4, digest);
    assert_digest(digest, known[1].digest);
    pl_sha256_parts(NULL, 0, digest);
    assert_digest(digest, known[0].digest);
}

static void test_streams_do_not_mix(void **state)
{
    (void)state;
    struct pl_sha256_stream *one = pl_sha256_new(), *two = pl_sha256_new();
    uint8_t digest[PL_SHA256_BYTES];
    pl_sha256_update(one, pl_slice_str("ab"));
    pl_sha256_update(two, pl_slice_str("something else"));
    pl_sha256(pl_slice_str("in between"), digest);
    pl_sha256_update(one, pl_slice(NULL, 0));
    pl_sha256_update(one, pl_slice_str("c"));
    pl_sha256_final(one, digest);
    assert_digest(digest, known[1].digest);
    pl_sha256_free(one);
    pl_sha256_free(two);
    pl_sha256_free(NULL);
}

static void *hash_a_lot(void *ret)
{
    uint8_t digest[PL_SHA256_BYTES];
    for (int i = 0; i < 500; i++)
        pl_sha256(pl_slice_str("abc"), digest);
    memcpy(ret, digest, sizeof(digest));
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    uint8_t digests[4][PL_SHA256_BYTES];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hash_a_lot, digests[i]), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_digest(digests[i], known[1].digest);
    }
}

static void test_xxh3(void **state)
{
    (void)state;
    /* the value for no bytes and no seed is part of the algorithm's specification */
    assert_true(pl_xxh3(pl_slice("", 0), 0) == 0x2D06800538D394C2);
    uint64_t plain = pl_xxh3(pl_slice_str("abc"), 0);
    assert_true(plain == pl_xxh3(pl_slice_str("abc"), 0));
    assert_true(plain != pl_xxh3(pl_slice_str("abd"), 0));
    assert_true(plain != pl_xxh3(pl_slice_str("abc"), 1));
}

/* Files say it: wide instructions, or none, give one number. */
static void test_xxh3_is_the_same_on_any_processor(void **state)
{
    (void)state;
    static uint8_t bytes[70000];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * i + i / 251);
    for (size_t len = 0; len < sizeof(bytes); len += len < 1200 ? 1 : 997) {
        for (uint64_t seed = 0; seed < 3; seed++)
            assert_true(pl_xxh3(pl_slice(bytes + len % 64, len > 64 ? len - 64 : len), seed) ==
                        XXH3_64bits_withSeed(bytes + len % 64, len > 64 ? len - 64 : len, seed));
    }
}

static void test_hex(void **state)
{
    (void)state;
    char hex[9];
    pl_hex(pl_slice("\x00\x7F\xA0\xFF", 4), hex);
    assert_string_equal(hex, "007fa0ff");
    pl_hex(pl_slice(NULL, 0), hex);
    assert_string_equal(hex, "");
    uint8_t bytes[4];
    assert_int_equal(pl_unhex("007FA0fF", bytes, 4).code, PL_E_OK);
    assert_memory_equal(bytes, "\x00\x7F\xA0\xFF", 4);
    assert_int_equal(pl_unhex("", bytes, 0).code, PL_E_OK);
}

static void test_what_is_not_hex(void **state)
{
    (void)state;
    static const char *const texts[] = {"",          "007",      "007fa0f",  "007fa0fg",
                                        "007fa0ff0", " 07fa0ff", "0x7fa0ff", "007fa0f\xFF",
                                        "00/fa0ff",  "00:fa0ff", "00@fa0ff", "00`fa0ff"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint8_t bytes[4];
        assert_int_equal(pl_unhex(texts[i], bytes, 4).code, PL_E_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_digests),
        cmocka_unit_test(test_parts_are_the_concatenation),
        cmocka_unit_test(test_streams_do_not_mix),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_xxh3),
        cmocka_unit_test(test_xxh3_is_the_same_on_any_processor),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_what_is_not_hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
