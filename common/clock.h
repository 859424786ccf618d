/* SPDX-License-Identifier: Apache-2.0
 *
 * clock: time as an object that is passed in, so that tests and the simulator own it.
 * Wall time is microseconds since 1970 UTC; monotonic time is nanoseconds from an arbitrary start.
 */
#ifndef PL_CLOCK_H
#define PL_CLOCK_H

#include <stdint.h>

struct pl_clock {
    int64_t (*wall_us)(struct pl_clock *clock);
    int64_t (*mono_ns)(struct pl_clock *clock);
};

/* The machine's clocks; shared, immutable, any thread. */
struct pl_clock *pl_clock_system(void);

/* A clock that stands still until told: for tests. */
struct pl_clock_fake {
    struct pl_clock clock; /* first member */
    int64_t wall_us_now;
    int64_t mono_ns_now;
};
void pl_clock_fake_init(struct pl_clock_fake *fake, int64_t wall_us);
void pl_clock_fake_advance_us(struct pl_clock_fake *fake, int64_t us); /* both clocks */

#endif
