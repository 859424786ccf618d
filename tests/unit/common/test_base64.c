/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: bytes become the base64 that RFC 4648 says and come back; what is no base64 is refused, and
 * where formats are signed, so is what is base64 in another way than theirs.
 */
#include <cmocka.h>
#include <string.h>

#include "common/base64.h"
#include "common/check.h"

#define assert_ok(status_) assert_int_equal((status_).code, PL_E_OK)

enum { BUDGET = 1 << 16 };

/* The vectors of RFC 4648, section 10, and one of the digits that differ. */
static const struct {
    const char *plain, *padded, *bare;
} vectors[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xFB\xFF\xBE", "+/++", "+/++"},
};

static void assert_decodes(const char *text, const char *plain)
{
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, BUDGET);
    struct pl_slice bytes;
    assert_ok(pl_unbase64(pl_slice_str(text), &arena, &bytes));
    assert_true(pl_slice_eq_str(bytes, plain));
}

static void test_base64_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < PL_COUNT(vectors); i++) {
        struct pl_buf out PL_CLEANUP(pl_buf_fini);
        pl_buf_init(&out, 100);
        assert_ok(pl_base64(&out, pl_slice_str(vectors[i].plain), true));
        assert_true(pl_slice_eq_str(pl_buf_slice(&out), vectors[i].padded));
        pl_buf_clear(&out);
        assert_ok(pl_base64(&out, pl_slice_str(vectors[i].plain), false));
        assert_true(pl_slice_eq_str(pl_buf_slice(&out), vectors[i].bare));
        assert_decodes(vectors[i].padded, vectors[i].plain);
        assert_decodes(vectors[i].bare, vectors[i].plain);
    }
    assert_decodes("-_--", "\xFB\xFF\xBE"); /* the URL-safe alphabet */
}

static void test_base64_refusals(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "Z",      "Zg=",  "Zg===", "=",        "==",    "====", "Zm8==",    "Zm9v=",
        "Zm9v==", "Z===", "Zm 9v", "Zm9v\n",   "Zm9v!", "Z=g=", "Zg==Zg==", "Zh==",
        "Zm9=",   "Zh",   "Zm9v.", "Zm9v\x80", "Zi==",  "Zk==", "Zo==",     "Zm+=",
    };
    for (size_t i = 0; i < PL_COUNT(texts); i++) {
        struct pl_arena arena PL_CLEANUP(pl_arena_fini);
        pl_arena_init(&arena, BUDGET);
        struct pl_slice bytes;
        struct pl_status status = pl_unbase64(pl_slice_str(texts[i]), &arena, &bytes);
        if (status.code != PL_E_INVALID)
            print_error("accepted: %s\n", texts[i]);
        assert_int_equal(status.code, PL_E_INVALID);
    }
    struct pl_arena small PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&small, 16);
    struct pl_slice bytes;
    struct pl_status status = pl_unbase64(pl_slice_str("AAAAAAAAAAAAAAAAAAAAAAAA"), &small, &bytes);
    assert_int_equal(status.code, PL_E_TOO_BIG);
}

static void test_base64_is_strict(void **state)
{
    (void)state;
    uint8_t out[8];
    size_t len = 9;
    assert_int_equal(pl_unbase64_strict(pl_slice_str("AAH/"), out, 3, &len).code, PL_E_OK);
    assert_int_equal(len, 3);
    assert_memory_equal(out, "\x00\x01\xFF", 3);
    assert_int_equal(pl_unbase64_strict(pl_slice_str("/w=="), out, 1, &len).code, PL_E_OK);
    assert_int_equal(len, 1);
    assert_int_equal(pl_unbase64_strict(pl_slice_str(""), out, 0, &len).code, PL_E_OK);
    assert_int_equal(len, 0);
    assert_int_equal(pl_unbase64_strict(pl_slice_str("AAH/"), out, 2, &len).code, PL_E_TOO_BIG);
    static const char *const bad[] = {
        "A", "AA", "AAA", "A===", "====", "/x==", "AAB=", "AA=A", "A=AA", "AA-_", "AA A", "AAA\n"};
    for (size_t i = 0; i < PL_COUNT(bad); i++)
        assert_int_equal(pl_unbase64_strict(pl_slice_str(bad[i]), out, 8, &len).code, PL_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64_vectors),
        cmocka_unit_test(test_base64_refusals),
        cmocka_unit_test(test_base64_is_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
