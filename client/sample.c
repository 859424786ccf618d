/* SPDX-License-Identifier: Apache-2.0
 *
 * sample: see sample.h. The lowest ranks so far are a heap whose top is the highest of them: the
 * one that a lower rank puts out.
 */
#include "client/sample.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"

void sample_init(struct sample *sample, const char *seed, size_t size, bool monetary)
{
    PL_ASSERT(size >= 1 && size <= SAMPLE_SIZE_MAX);
    *sample = (struct sample){.seed = seed, .size = size, .monetary = monetary};
}

void sample_fini(struct sample *sample)
{
    for (size_t i = 0; i < sample->count; i++)
        free(sample->item[i].bytes);
    free(sample->item);
}

void sample_count(struct sample *sample, int64_t amount)
{
    sample->population++;
    if (amount > 0)
        sample->total += (unsigned __int128)amount;
}

static void keep(struct sample_item *item, uint64_t seq, uint64_t hits, struct pl_slice bytes)
{
    free(item->bytes);
    item->bytes = malloc(bytes.len + 1);
    PL_ASSERT(item->bytes != NULL);
    memcpy(item->bytes, bytes.data, bytes.len);
    item->len = bytes.len;
    item->seq = seq;
    item->hits = hits;
}

static struct sample_item *add_item(struct sample *sample)
{
    if (sample->count == sample->cap) {
        sample->cap = sample->cap == 0 ? 64 : sample->cap * 2;
        sample->item = reallocarray(sample->item, sample->cap, sizeof(*sample->item));
        PL_ASSERT(sample->item != NULL);
    }
    sample->item[sample->count] = (struct sample_item){.seq = 0};
    return &sample->item[sample->count++];
}

/* --- random --- */

static bool above(const struct sample *sample, size_t one, size_t other)
{
    return memcmp(sample->item[one].rank, sample->item[other].rank, PL_SHA256_BYTES) > 0;
}

static void swap(struct sample *sample, size_t one, size_t other)
{
    struct sample_item kept = sample->item[one];
    sample->item[one] = sample->item[other];
    sample->item[other] = kept;
}

static void rise(struct sample *sample, size_t at)
{
    while (at > 0 && above(sample, at, (at - 1) / 2)) {
        swap(sample, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static void sink(struct sample *sample, size_t at)
{
    for (;;) {
        size_t most = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
            if (child < sample->count && above(sample, child, most))
                most = child;
        }
        if (most == at)
            return;
        swap(sample, at, most);
        at = most;
    }
}

static void offer_random(struct sample *sample, uint64_t seq, struct pl_slice bytes)
{
    char digits[24];
    uint8_t rank[PL_SHA256_BYTES];
    (void)snprintf(digits, sizeof(digits), "\n%" PRIu64, seq);
    const struct pl_slice parts[] = {pl_slice_str(sample->seed), pl_slice_str(digits)};
    pl_sha256_parts(parts, PL_COUNT(parts), rank);
    bool room = sample->count < sample->size;
    if (!room && memcmp(rank, sample->item[0].rank, sizeof(rank)) >= 0)
        return;
    struct sample_item *item = room ? add_item(sample) : &sample->item[0];
    keep(item, seq, 1, bytes);
    memcpy(item->rank, rank, sizeof(rank));
    if (room)
        rise(sample, sample->count - 1);
    else
        sink(sample, 0);
}

/* --- monetary units --- */

static void set_interval(struct sample *sample)
{
    uint8_t hash[PL_SHA256_BYTES];
    uint64_t number = 0;
    unsigned __int128 interval = sample->total / sample->size;
    sample->interval = interval == 0 ? 1 : interval > UINT64_MAX ? UINT64_MAX : (uint64_t)interval;
    pl_sha256(pl_slice_str(sample->seed), hash);
    for (int i = 0; i < 8; i++)
        number = number << 8 | hash[i];
    sample->start = number % sample->interval;
}

/* Drawn units below `end`: start, start + interval, ... */
static uint64_t drawn_below(const struct sample *sample, unsigned __int128 end)
{
    return end <= sample->start ? 0 : (uint64_t)((end - sample->start - 1) / sample->interval) + 1;
}

static void offer_monetary(struct sample *sample, uint64_t seq, int64_t amount,
                           struct pl_slice bytes)
{
    if (sample->interval == 0)
        set_interval(sample);
    if (amount <= 0)
        return;
    unsigned __int128 end = sample->passed + (unsigned __int128)amount;
    uint64_t hits = drawn_below(sample, end) - drawn_below(sample, sample->passed);
    sample->passed = end;
    if (hits > 0)
        keep(add_item(sample), seq, hits, bytes);
}

void sample_offer(struct sample *sample, uint64_t seq, int64_t amount, struct pl_slice bytes)
{
    if (sample->monetary)
        offer_monetary(sample, seq, amount, bytes);
    else
        offer_random(sample, seq, bytes);
}

static int by_seq(const void *one, const void *other)
{
    const struct sample_item *a = one, *b = other;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

void sample_finish(struct sample *sample)
{
    if (sample->count > 0)
        qsort(sample->item, sample->count, sizeof(*sample->item), by_seq);
}
