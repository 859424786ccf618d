/* SPDX-License-Identifier: Apache-2.0
 *
 * histogram: latencies from a nanosecond to hours in fixed memory, each known to within one part in
 * 128. Recording costs a few instructions, so it can stand in the path that is measured.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_SUB_BITS = 7, /* 128 steps for each doubling */
    HISTOGRAM_DOUBLINGS = 40,
    HISTOGRAM_CELLS = (HISTOGRAM_DOUBLINGS + 1) << HISTOGRAM_SUB_BITS,
};

struct histogram {
    uint64_t count;
    int64_t max; /* exact */
    uint64_t cell[HISTOGRAM_CELLS];
};

/* Negative values count as 0, values beyond the last cell as that cell. */
void histogram_add(struct histogram *histogram, int64_t value);
/* Adds all that the other one counted. */
void histogram_join(struct histogram *histogram, const struct histogram *other);
/* The smallest value that `share` (0 to 1) of all values do not exceed, rounded up to the end of
 * its cell, but never above the maximum; 0 if there are none. */
int64_t histogram_at(const struct histogram *histogram, double share);

#endif
