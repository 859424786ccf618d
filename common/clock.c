/* SPDX-License-Identifier: Apache-2.0
 *
 * clock: CLOCK_REALTIME and CLOCK_MONOTONIC, and a clock for tests.
 */
#include "common/clock.h"

#include <time.h>

static int64_t system_wall_us(struct pl_clock *clock)
{
    (void)clock;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t system_mono_ns(struct pl_clock *clock)
{
    (void)clock;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct pl_clock *pl_clock_system(void)
{
    static struct pl_clock system_clock = {system_wall_us, system_mono_ns};
    return &system_clock;
}

static int64_t fake_wall_us(struct pl_clock *clock)
{
    return ((struct pl_clock_fake *)clock)->wall_us_now;
}

static int64_t fake_mono_ns(struct pl_clock *clock)
{
    return ((struct pl_clock_fake *)clock)->mono_ns_now;
}

void pl_clock_fake_init(struct pl_clock_fake *fake, int64_t wall_us)
{
    *fake = (struct pl_clock_fake){{fake_wall_us, fake_mono_ns}, wall_us, 1000000000};
}

void pl_clock_fake_advance_us(struct pl_clock_fake *fake, int64_t us)
{
    fake->wall_us_now += us;
    fake->mono_ns_now += us * 1000;
}
