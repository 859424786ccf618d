/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: every number has one written form, and nothing else is taken for it.
 */
#include "common/ids.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static void test_format(void **state)
{
    (void)state;
    char out[24];
    assert_string_equal(pl_id_format('P', 42, out), "P000042");
    assert_string_equal(pl_id_format('C', 1, out), "C000001");
    assert_string_equal(pl_id_format('B', 999999, out), "B999999");
    assert_string_equal(pl_id_format('B', 1000000, out), "B1000000");
    assert_string_equal(pl_id_format('P', UINT64_MAX, out), "P18446744073709551615");
}

static void test_round_trip(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {
        1, 9, 42, 99999, 100000, 999999, 1000000, 123456789012, 999999999999999999};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char out[24];
        assert_true(pl_id_parse(pl_id_format('P', numbers[i], out), 'P') == numbers[i]);
        assert_true(pl_id_parse_loose(out, 'P') == numbers[i]);
        assert_true(pl_id_parse(out, 'C') == 0);
    }
}

static void test_only_the_canonical_form(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "P",
                                        "P42",
                                        "P00042",
                                        "P0000042",
                                        "p000042",
                                        "C000042",
                                        "P000000",
                                        "P00004x",
                                        "P000042 ",
                                        " P000042",
                                        "P-00042",
                                        "P+00042",
                                        "000042",
                                        "PP000042",
                                        "P18446744073709551617",
                                        "P9999999999999999999",
                                        "P000042P"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_true(pl_id_parse(texts[i], 'P') == 0);
}

static void test_what_people_type(void **state)
{
    (void)state;
    assert_int_equal(pl_id_parse_loose("p42", 'P'), 42);
    assert_int_equal(pl_id_parse_loose("P42", 'P'), 42);
    assert_int_equal(pl_id_parse_loose("p0000042", 'P'), 42);
    static const char *const texts[] = {"", "p", "42", "c42", "p0", "p-1", "p4 2", "p42x", "q42"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_true(pl_id_parse_loose(texts[i], 'P') == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_only_the_canonical_form),
        cmocka_unit_test(test_what_people_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
