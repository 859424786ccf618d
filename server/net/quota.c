/* SPDX-License-Identifier: Apache-2.0
 *
 * quota: see quota.h. A table of sets: a key's first bytes choose the set, any slot of it will do.
 *
 * I1: `held` is tag and number of connections in one word, so that a slot cannot change hands while
 *     somebody counts on it. A slot without connections keeps its tag, and with it its debts, until
 *     another key takes it over; that waits until the debts are over.
 *     Two slots with one tag have never both connections for longer than it takes to notice: who
 *     comes looks again after counting, and steps back if there is another.
 * I2: `due_ns` is when all requests so far would have been due at the lasting rate: a request is
 *     allowed while that lies at most a burst ahead (the generic cell rate algorithm).
 */
#include "server/net/quota.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"

enum {
    SETS = 1024,
    SLOTS_A_SET = 16,
    COUNT_BITS = 24,
    TRIES_MAX = 64, /* others are in the way each time: more would be a storm */
};
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)
#define SECOND_NS  INT64_C(1000000000)

struct quota_slot {
    _Atomic uint64_t held; /* tag << COUNT_BITS | connections; 0: never used */
    _Atomic int64_t due_ns;
};
struct net_quota {
    struct quota_slot slots[SETS][SLOTS_A_SET];
};

struct net_quota *net_quota_new(void)
{
    struct net_quota *quota = calloc(1, sizeof(*quota));
    PL_ASSERT(quota != NULL);
    return quota;
}

void net_quota_free(struct net_quota *quota)
{
    free(quota);
}

static uint64_t tag_of(const uint8_t key[PL_SHA256_BYTES])
{
    uint64_t tag = 0;
    for (size_t i = 0; i < 5; i++)
        tag = tag << 8 | key[2 + i];
    return tag == 0 ? 1 : tag;
}

static bool has_connections(uint64_t held)
{
    return (held & COUNT_MASK) != 0;
}

/* Where others are connected, if there are any; else where it was the last time. */
static struct quota_slot *find(struct quota_slot *set, uint64_t tag)
{
    struct quota_slot *found = NULL;
    for (size_t i = 0; i < SLOTS_A_SET; i++) {
        uint64_t held = atomic_load(&set[i].held);
        if (held >> COUNT_BITS != tag)
            continue;
        if (has_connections(held))
            return &set[i];
        if (found == NULL)
            found = &set[i];
    }
    return found;
}

static bool is_alone(const struct quota_slot *set, const struct quota_slot *slot, uint64_t tag)
{
    for (size_t i = 0; i < SLOTS_A_SET; i++) {
        uint64_t held = atomic_load(&set[i].held);
        if (&set[i] != slot && held >> COUNT_BITS == tag && has_connections(held))
            return false;
    }
    return true;
}

/* A slot that nobody needs any more, taken over with one connection. NULL: none, or lost. */
static struct quota_slot *take_over(struct quota_slot *set, uint64_t tag, int64_t mono_ns)
{
    for (size_t i = 0; i < SLOTS_A_SET; i++) {
        uint64_t held = atomic_load(&set[i].held);
        if (has_connections(held) || atomic_load(&set[i].due_ns) > mono_ns)
            continue;
        if (atomic_compare_exchange_strong(&set[i].held, &held, tag << COUNT_BITS | 1))
            return &set[i];
    }
    return NULL;
}

enum joined { JOINED, JOINED_FULL, JOINED_LOST };

static enum joined join(struct quota_slot *slot, uint64_t tag, size_t connections_max)
{
    uint64_t held = atomic_load(&slot->held);
    uint64_t count = held & COUNT_MASK;
    if (held >> COUNT_BITS != tag)
        return JOINED_LOST;
    if (count == COUNT_MASK || (connections_max != 0 && count >= connections_max))
        return JOINED_FULL;
    return atomic_compare_exchange_strong(&slot->held, &held, held + 1) ? JOINED : JOINED_LOST;
}

struct quota_slot *quota_connect(struct net_quota *quota, const uint8_t key[PL_SHA256_BYTES],
                                 size_t connections_max, int64_t mono_ns)
{
    struct quota_slot *set = quota->slots[(key[0] << 8 | key[1]) % SETS];
    uint64_t tag = tag_of(key);
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        struct quota_slot *slot = find(set, tag);
        enum joined joined = JOINED;
        if (slot != NULL)
            joined = join(slot, tag, connections_max);
        else
            slot = take_over(set, tag, mono_ns);
        if (slot == NULL || joined == JOINED_FULL)
            return NULL;
        if (joined == JOINED && is_alone(set, slot, tag))
            return slot;
        if (joined == JOINED)
            quota_disconnect(slot);
    }
    return NULL;
}

void quota_disconnect(struct quota_slot *slot)
{
    uint64_t held = atomic_fetch_sub(&slot->held, 1);
    PL_ASSERT(has_connections(held));
}

bool quota_request(struct quota_slot *slot, size_t a_second, size_t burst, int64_t mono_ns)
{
    if (a_second == 0)
        return true;
    int64_t each_ns = SECOND_NS / (int64_t)a_second;
    int64_t ahead_ns = each_ns * ((int64_t)(burst == 0 ? a_second : burst) - 1);
    int64_t due_ns = atomic_load(&slot->due_ns);
    for (;;) {
        int64_t from_ns = due_ns > mono_ns ? due_ns : mono_ns;
        if (from_ns - mono_ns > ahead_ns)
            return false;
        if (atomic_compare_exchange_weak(&slot->due_ns, &due_ns, from_ns + each_ns))
            return true;
    }
}
