/* SPDX-License-Identifier: Apache-2.0
 *
 * dice: the one source of chance of a run (splitmix64): one seed, one run.
 */
#ifndef SIM_DICE_H
#define SIM_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

static inline uint64_t dice_roll(struct dice *dice)
{
    uint64_t z = dice->state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* 0 .. below-1 */
static inline uint64_t dice_below(struct dice *dice, uint64_t below)
{
    return below == 0 ? 0 : dice_roll(dice) % below;
}

/* True `in_million` times in a million. */
static inline bool dice_hits(struct dice *dice, uint32_t in_million)
{
    return in_million != 0 && dice_below(dice, 1000000) < in_million;
}

#endif
