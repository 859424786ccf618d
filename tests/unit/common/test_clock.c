/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: the system clock moves and the fake one moves only when told.
 */
#include <time.h>

#include "common/clock.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static void test_system_clock(void **state)
{
    (void)state;
    struct pl_clock *clock = pl_clock_system();
    int64_t before = (int64_t)time(NULL) - 1, wall = clock->wall_us(clock) / 1000000;
    assert_true(wall >= before && wall <= (int64_t)time(NULL) + 1);
    int64_t last = clock->mono_ns(clock);
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock->mono_ns(clock);
        assert_true(now >= last);
        last = now;
    }
    assert_ptr_equal(clock, pl_clock_system());
}

static void test_fake_clock(void **state)
{
    (void)state;
    struct pl_clock_fake fake;
    pl_clock_fake_init(&fake, 1700000000000000);
    struct pl_clock *clock = &fake.clock;
    int64_t mono = clock->mono_ns(clock);
    assert_true(mono > 0); /* 0 means "never" in many rooms */
    assert_true(clock->wall_us(clock) == 1700000000000000);
    assert_true(clock->wall_us(clock) == 1700000000000000);
    pl_clock_fake_advance_us(&fake, 2500);
    assert_true(clock->wall_us(clock) == 1700000000002500);
    assert_true(clock->mono_ns(clock) == mono + 2500000);
    fake.wall_us_now -= 86400000000; /* a wall clock that jumps back does not move the other */
    assert_true(clock->mono_ns(clock) == mono + 2500000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_system_clock),
        cmocka_unit_test(test_fake_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
