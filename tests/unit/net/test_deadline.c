/* SPDX-License-Identifier: Apache-2.0
 *
 * deadline: the earliest one is in front, whatever comes and goes; judged by a plain search.
 */
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "server/net/deadline.h"
#include "unit.h"

enum { MANY = 300, STEPS = 20000 };

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void test_none(void **state)
{
    struct deadlines all = {0};
    struct deadline one = {0};
    (void)state;
    assert_null(deadlines_first(&all));
    deadlines_remove(&all, &one); /* does not wait: nothing happens */
    deadlines_add(&all, &one, 7);
    assert_ptr_equal(deadlines_first(&all), &one);
    assert_int_equal(one.at_ns, 7);
    deadlines_remove(&all, &one);
    deadlines_remove(&all, &one);
    assert_null(deadlines_first(&all));
    deadlines_fini(&all);
}

static void test_the_earliest_is_in_front(void **state)
{
    static struct deadline each[MANY];
    struct deadlines all = {0};
    uint32_t seed = 1;
    (void)state;
    memset(each, 0, sizeof(each));
    for (int step = 0; step < STEPS; step++) {
        struct deadline *one = &each[next_random(&seed) % MANY];
        if (one->place == 0)
            deadlines_add(&all, one, next_random(&seed) % 1000);
        else
            deadlines_remove(&all, one);
        int64_t least = INT64_MAX;
        size_t waiting = 0;
        for (size_t i = 0; i < MANY; i++) {
            waiting += each[i].place != 0;
            if (each[i].place != 0 && each[i].at_ns < least)
                least = each[i].at_ns;
        }
        const struct deadline *first = deadlines_first(&all);
        assert_int_equal(waiting, all.count);
        if (waiting == 0)
            assert_null(first);
        else
            assert_int_equal(first->at_ns, least);
    }
    int64_t before = 0;
    while (deadlines_first(&all) != NULL) {
        struct deadline *first = deadlines_first(&all);
        assert_true(first->at_ns >= before);
        before = first->at_ns;
        deadlines_remove(&all, first);
    }
    deadlines_fini(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_the_earliest_is_in_front),
    };
    return cmocka_run_group_tests_name("deadline", tests, NULL, NULL);
}
