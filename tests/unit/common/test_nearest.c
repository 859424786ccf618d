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
    assert_string_equal(pl_nearest("prot_file", keys, 5), "port_file");
    static const char *const options[] = {"ca", "to-seq", "free", "from-seq", "tier"};
    assert_string_equal(pl_nearest("to", options, 5), "to-seq");
    assert_string_equal(pl_nearest("from", options, 5), "from-seq");
    assert_string_equal(pl_nearest("fere", options, 5), "free");
    assert_string_equal(pl_nearest("cq", options, 5), "ca");
    static const char *const words[] = {"ca", "key"}; /* short ones forgive one letter */
    assert_string_equal(pl_nearest("ky", words, 2), "key");
    assert_string_equal(pl_nearest("cxa", words, 2), "ca");
}

static void test_finds_nothing_far_away(void **state)
{
    (void)state;
    assert_null(pl_nearest("banana", keys, 5));
    assert_null(pl_nearest("", keys, 5));
    static const char *const options[] = {"ca", "key"};
    assert_null(pl_nearest("to", options, 2));
    assert_null(pl_nearest("the", options, 2));
    assert_null(pl_nearest("k", options, 2));
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
