/* SPDX-License-Identifier: Apache-2.0
 *
 * save_private: what save.c writes and load.c, load_pledge.c and settle.c read by, and nobody else.
 */
#ifndef LEDGER_SAVE_PRIVATE_H
#define LEDGER_SAVE_PRIVATE_H

#include <string.h>

#include "common/check.h"
#include "server/ledger/change.h"
#include "server/ledger/state.h"

/* Raised with whatever changes the bytes: a state of another format is not read, but replayed. */
enum { SAVE_FORMAT = 23 };

/* It is in a queue, or has a slot: the next one, either way. */
static inline bool save_is_chained(const struct state_pledge *p)
{
    return p->stage == STAGE(WAITING) || (state_stage_live(p->stage) && p->tier != STATE_TIER_FREE);
}

static inline bool save_is_frozen(const struct ledger *ledger, uint32_t index)
{
    const struct state_pledge *p = &ledger->pledge[index];
    return (p->stage == STAGE(COMMITTED) || p->stage == STAGE(CLOSED)) &&
           pl_map_get(&ledger->frozen, &index) != NULL;
}

static inline uint64_t save_value_of(const struct pl_map *map, const uint8_t *slot)
{
    uint32_t small;
    uint64_t large;
    PL_ASSERT(map->value_size == sizeof(small) || map->value_size == sizeof(large));
    if (map->value_size == sizeof(large)) {
        memcpy(&large, slot + map->key_size, sizeof(large));
        return large;
    }
    memcpy(&small, slot + map->key_size, sizeof(small));
    return small;
}

#endif
