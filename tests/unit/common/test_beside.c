/* SPDX-License-Identifier: Apache-2.0
 *
 * beside: the work is done once, beside the caller, and seen when it has ended.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

#include <sched.h>
#include <stdatomic.h>

#include "common/beside.h"

struct sum {
    struct pl_beside beside; /* of who works on it */
    int times;
    bool elsewhere; /* on another thread than who asked for it */
    pthread_t caller;
    _Atomic int turn; /* whose it is */
};

enum { TURNS = 100 };

/* Each waits for the other, so neither is done before the other one runs. */
static void take_turns(struct sum *sum, int mine)
{
    int turn; /* looked at once: it may be the other's, and over, between two looks */
    while ((turn = sum->turn) < TURNS) {
        if (turn % 2 == mine)
            sum->turn = turn + 1;
        else
            (void)sched_yield();
    }
}

static void work(void *arg)
{
    struct sum *sum = arg;
    sum->times++;
    sum->elsewhere = pthread_equal(pthread_self(), sum->caller) == 0;
    take_turns(sum, 0);
}

static void test_both_go_on_and_the_end_sees_the_work(void **state)
{
    (void)state;
    struct sum sum = {.caller = pthread_self()};
    for (int i = 1; i <= 20; i++) {
        sum.turn = 0;
        pl_beside_begin(&sum.beside, work, &sum);
        take_turns(&sum, 1);
        pl_beside_end(&sum.beside);
        assert_int_equal(sum.times, i);
        assert_int_equal(sum.turn, TURNS);
        assert_true(sum.elsewhere);
    }
    pl_beside_end(&sum.beside); /* once is enough */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_go_on_and_the_end_sees_the_work),
    };
    return cmocka_run_group_tests_name("beside", tests, NULL, NULL);
}
