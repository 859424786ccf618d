/* SPDX-License-Identifier: Apache-2.0
 *
 * histogram: values below 2^SUB_BITS have a cell each; above, the leading SUB_BITS + 1 bits choose
 * the cell, so that cells widen as values grow.
 */
#include "tests/bench/histogram.h"

static unsigned cell_of(uint64_t value)
{
    if (value < 1u << HISTOGRAM_SUB_BITS)
        return (unsigned)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    /* the leading bit is always set: it counts as one more doubling */
    uint64_t cell = ((uint64_t)shift << HISTOGRAM_SUB_BITS) + (value >> shift);
    return cell < HISTOGRAM_CELLS ? (unsigned)cell : HISTOGRAM_CELLS - 1;
}

/* The largest value of a cell. */
static int64_t end_of(unsigned cell)
{
    if (cell < 2u << HISTOGRAM_SUB_BITS)
        return cell;
    unsigned shift = (cell >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t top = cell - ((uint64_t)shift << HISTOGRAM_SUB_BITS);
    return (int64_t)(((top + 1) << shift) - 1);
}

void histogram_add(struct histogram *histogram, int64_t value)
{
    uint64_t known = value < 0 ? 0 : (uint64_t)value;
    histogram->cell[cell_of(known)]++;
    histogram->count++;
    if ((int64_t)known > histogram->max)
        histogram->max = (int64_t)known;
}

void histogram_join(struct histogram *histogram, const struct histogram *other)
{
    for (unsigned i = 0; i < HISTOGRAM_CELLS; i++)
        histogram->cell[i] += other->cell[i];
    histogram->count += other->count;
    if (other->max > histogram->max)
        histogram->max = other->max;
}

int64_t histogram_at(const struct histogram *histogram, double share)
{
    /* 0.07 of 20,000 are 1,400, whatever binary fractions say */
    double exact = share * (double)histogram->count * (1 - 1e-12);
    uint64_t wanted = (uint64_t)exact;
    wanted += (double)wanted < exact || wanted == 0;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_CELLS && histogram->count > 0; i++) {
        seen += histogram->cell[i];
        if (seen >= wanted)
            return end_of(i) < histogram->max ? end_of(i) : histogram->max;
    }
    return histogram->max;
}
