/* SPDX-License-Identifier: Apache-2.0
 *
 * sample: draws entries so that anybody who has the same ledger, the same filters and the same seed
 * draws the same ones, with nothing but SHA-256 and a calculator.
 *
 *   random     each entry has the rank SHA-256(seed, "\n", seq in decimal digits); the `size`
 * lowest ranks are drawn monetary   the amounts stand in a row, entry by entry, unit after unit.
 * interval = total / size (rounded down), start = the first 8 bytes of SHA-256(seed), big-endian,
 * modulo the interval; drawn are the entries that hold unit start, start + interval, and so on. An
 * amount of two intervals is hit twice and listed once.
 *
 * Two passes over the same entries: count all, then offer all. One thread; memory for what is
 * drawn.
 */
#ifndef CLIENT_SAMPLE_H
#define CLIENT_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/hash.h"
#include "common/slice.h"

enum { SAMPLE_SIZE_MAX = 100000 };

struct sample_item {
    uint8_t rank[PL_SHA256_BYTES];
    uint64_t seq;
    uint64_t hits;  /* monetary: units of it that were drawn */
    uint8_t *bytes; /* owns: the entry */
    size_t len;
};

struct sample {
    const char *seed; /* borrowed */
    size_t size;
    bool monetary;
    uint64_t population; /* entries counted */
    unsigned __int128 total;
    uint64_t interval, start; /* monetary, known once all are counted */
    unsigned __int128 passed; /* units before the entry that is offered next */
    struct sample_item *item; /* owns; random: a heap by rank until it is finished */
    size_t count, cap;
};

/* size: 1 to SAMPLE_SIZE_MAX. */
void sample_init(struct sample *sample, const char *seed, size_t size, bool monetary);
void sample_fini(struct sample *sample);
/* First pass. amount: minor units, at least 0; of no meaning unless monetary. */
void sample_count(struct sample *sample, int64_t amount);
/* Second pass, the same entries in the same order. Keeps a copy of what is drawn. */
void sample_offer(struct sample *sample, uint64_t seq, int64_t amount, struct pl_slice bytes);
/* Items are in the order of the ledger afterwards. */
void sample_finish(struct sample *sample);

#endif
