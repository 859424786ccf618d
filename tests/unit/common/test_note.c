/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: keys have the form of C2SP signed-note, and the verifier key follows from the secret one.
 * The fixed key was made from a seed of 32 bytes 0x07 with Python's view of the same formulas
 * (hashlib) and OpenSSL's command line.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/note.h"

#define FIXED_SECRET                                                                               \
    "PRIVATE+KEY+example.org/fund+0dcf9afc+AQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH"
#define FIXED_VKEY "example.org/fund+0dcf9afc+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"

static void test_new_keys_belong_together(void **state)
{
    (void)state;
    char secret[PL_NOTE_KEY_MAX], vkey[PL_NOTE_KEY_MAX], again[PL_NOTE_KEY_MAX];
    assert_true(pl_is_ok(pl_note_keygen("example.org/fund", secret, vkey)));
    assert_true(pl_is_ok(pl_note_vkey(secret, again)));
    assert_string_equal(vkey, again);
    assert_int_equal(strncmp(vkey, "example.org/fund+", 17), 0);
    assert_null(strstr(vkey, "PRIVATE"));
}

static void test_known_key(void **state)
{
    (void)state;
    char vkey[PL_NOTE_KEY_MAX];
    assert_true(pl_is_ok(pl_note_vkey(FIXED_SECRET, vkey)));
    assert_string_equal(vkey, FIXED_VKEY);
}

static void test_refuses_what_is_no_key(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "PRIVATE+KEY+", "PRIVATE+KEY+a+00000000+AQ==",
                                      "example.org/fund+00000000+AQcH", "PRIVATE+KEY+a+0+AQ=="};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char vkey[PL_NOTE_KEY_MAX];
        assert_int_equal(pl_note_vkey(bad[i], vkey).code, PL_E_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_keys_belong_together),
        cmocka_unit_test(test_known_key),
        cmocka_unit_test(test_refuses_what_is_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
