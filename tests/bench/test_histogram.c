/* SPDX-License-Identifier: Apache-2.0
 *
 * histogram: every percentile is at or above the exact one, and by less than one part in 128.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

#include <stdlib.h>

#include "tests/bench/histogram.h"

static void test_empty(void **state)
{
    (void)state;
    static struct histogram histogram;
    assert_int_equal(histogram_at(&histogram, 0.5), 0);
    assert_int_equal(histogram_at(&histogram, 1), 0);
}

static void test_small_values_are_exact(void **state)
{
    (void)state;
    static struct histogram histogram;
    for (int i = 1; i <= 100; i++)
        histogram_add(&histogram, i);
    assert_int_equal(histogram_at(&histogram, 0), 1);
    assert_int_equal(histogram_at(&histogram, 0.5), 50);
    assert_int_equal(histogram_at(&histogram, 0.99), 99);
    assert_int_equal(histogram_at(&histogram, 0.991), 100);
    assert_int_equal(histogram_at(&histogram, 1), 100);
    assert_int_equal(histogram.count, 100);
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void test_against_a_sorted_list(void **state)
{
    (void)state;
    enum { VALUES = 20000 };
    static struct histogram histogram;
    static int64_t value[VALUES];
    uint64_t x = 42;
    for (int i = 0; i < VALUES; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        value[i] = (int64_t)((x >> 20) >> (x % 44)); /* every size from 1 to 2^44 */
        histogram_add(&histogram, value[i]);
    }
    qsort(value, VALUES, sizeof(value[0]), ascending);
    for (int percent = 1; percent <= 100; percent++) {
        int64_t exact = value[VALUES / 100 * percent - 1];
        int64_t told = histogram_at(&histogram, percent / 100.0);
        assert_true(told >= exact);
        assert_true(told - exact <= exact / 128 + 1);
    }
    assert_int_equal(histogram_at(&histogram, 1), value[VALUES - 1]);
}

static void test_the_edges(void **state)
{
    (void)state;
    static struct histogram histogram;
    histogram_add(&histogram, -5);
    assert_int_equal(histogram_at(&histogram, 1), 0);
    histogram_add(&histogram, INT64_MAX);
    assert_int_equal(histogram.max, INT64_MAX);
    assert_true(histogram_at(&histogram, 1) > INT64_C(1) << 46);
    assert_int_equal(histogram.count, 2);
}

static void test_two_as_one(void **state)
{
    (void)state;
    static struct histogram odd, even, all;
    for (int64_t i = 1; i <= 1000; i++) {
        histogram_add(i % 2 != 0 ? &odd : &even, i * 1000);
        histogram_add(&all, i * 1000);
    }
    histogram_join(&odd, &even);
    assert_int_equal(odd.count, 1000);
    assert_int_equal(odd.max, 1000000);
    for (int percent = 1; percent <= 100; percent++)
        assert_int_equal(histogram_at(&odd, percent / 100.0), histogram_at(&all, percent / 100.0));
    histogram_join(&all, &(const struct histogram){0});
    assert_int_equal(all.max, 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_small_values_are_exact),
        cmocka_unit_test(test_against_a_sorted_list),
        cmocka_unit_test(test_the_edges),
        cmocka_unit_test(test_two_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
