/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a mistyped word finds its neighbour, a strange one finds nothing.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "common/nearest.h"

static const char *const keys[] = {"listen", "port_file", "workers", "log_level", "log_format"};

static void test_finds_the_neighbour(void **state)
{
    (void)state;
    assert_string_equal(pl_nearest("lisen", keys, 5), "listen");
    assert_string_equal(pl_nearest("portfile", keys, 5), "port_file");
    assert_string_equal(pl_nearest("log_levle", keys, 5), "log_level");
    assert_string_equal(pl_nearest("workers", keys, 5), "workers");
}

static void test_finds_nothing_far_away(void **state)
{
    (void)state;
    assert_null(pl_nearest("banana", keys, 5));
    assert_null(pl_nearest("", keys, 5));
    assert_null(
        pl_nearest("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", keys, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_the_neighbour),
        cmocka_unit_test(test_finds_nothing_far_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
