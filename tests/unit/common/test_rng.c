/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: random bytes differ, request ids are UUIDs of version 7, and only UUIDs are read as such.
 */
#include <string.h>

#include "common/rng.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static void test_bytes_differ(void **state)
{
    (void)state;
    uint8_t a[1000] = {0}, b[1000] = {0};
    pl_rng_bytes(a, sizeof(a));
    pl_rng_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    uint8_t bits = 0;
    for (size_t i = sizeof(a) - 64; i < sizeof(a); i++)
        bits |= a[i];
    assert_int_equal(bits, 0xFF); /* filled to the end */
    uint8_t guard[3] = {1, 2, 3};
    pl_rng_bytes(guard + 1, 0);
    assert_int_equal(guard[1], 2);
}

static void test_version_7(void **state)
{
    (void)state;
    uint8_t id[16], other[16];
    pl_uuid_v7(0x0123456789AB * 1000 + 999, id);
    assert_memory_equal(id, "\x01\x23\x45\x67\x89\xAB", 6);
    assert_int_equal(id[6] >> 4, 7);
    assert_int_equal(id[8] >> 6, 2);
    pl_uuid_v7(0x0123456789AB * 1000, other);
    assert_memory_equal(id, other, 6);
    assert_memory_not_equal(id, other, 16);
    pl_uuid_v7(0x0123456789AC * 1000, other);
    assert_true(memcmp(id, other, 16) < 0); /* later ids sort later */
}

static void test_text_form(void **state)
{
    (void)state;
    uint8_t id[16];
    for (int i = 0; i < 16; i++)
        id[i] = (uint8_t)(i * 17);
    char text[37];
    pl_uuid_format(id, text);
    assert_string_equal(text, "00112233-4455-6677-8899-aabbccddeeff");
    static const char *const forms[] = {"00112233-4455-6677-8899-aabbccddeeff",
                                        "00112233-4455-6677-8899-AABBccDDEEFF",
                                        "00112233445566778899aabbccddeeff"};
    for (size_t i = 0; i < 3; i++) {
        uint8_t back[16] = {0};
        assert_int_equal(pl_uuid_parse(forms[i], back).code, PL_E_OK);
        assert_memory_equal(back, id, 16);
    }
}

static void test_other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "",
        "00112233",
        "00112233-4455-6677-8899-aabbccddeef",
        "00112233-4455-6677-8899-aabbccddeefff",
        "0011223-34455-6677-8899-aabbccddeeff",
        "00112233-4455-6677-8899-aabbccddeefg",
        "0011223344556677-8899-aabbccddeeff--",
        "00112233-4455-6677-8899aabbccddeeff-",
        "------------------------------------",
        "00112233445566778899aabbccddee-f",
        "00112233445566778899aabbccddeef ",
        "{0112233-4455-6677-8899-aabbccddeef}",
        "001122334455667788990aabbccddeeff123",
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        uint8_t id[16], before[16];
        memset(id, 0x5A, 16);
        memcpy(before, id, 16);
        assert_int_equal(pl_uuid_parse(forms[i], id).code, PL_E_INVALID);
        assert_memory_equal(id, before, 16); /* untouched */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_differ),
        cmocka_unit_test(test_version_7),
        cmocka_unit_test(test_text_form),
        cmocka_unit_test(test_other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
