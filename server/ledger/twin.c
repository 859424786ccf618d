/* SPDX-License-Identifier: Apache-2.0
 *
 * twin: see twin.h. Of several with one name, which older rules let in, the first contributor is
 * kept, and the others are counted: as long as there are none, nobody is looked for.
 */
#include "server/ledger/twin.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/fold.h"

/* False: of ASCII letters only. */
static bool key_of(const char *name, uint8_t key[16])
{
    char *folded = pl_fold(name);
    if (folded == NULL)
        return false;
    state_key_of_name(folded, key);
    free(folded);
    return true;
}

static const char *name_of(const struct ledger *ledger, uint32_t index)
{
    return ledger->text + ledger->contributor[index].name;
}

/* Its own name in other accents, or the same with another country, is no news. */
static bool is_its_own(const struct ledger *ledger, uint32_t own, const uint8_t key[16])
{
    uint8_t now[16];
    if (own == STATE_NONE)
        return false;
    if (!key_of(name_of(ledger, own), now))
        state_key_of_name(name_of(ledger, own), now);
    return memcmp(now, key, sizeof(now)) == 0;
}

uint32_t twin_of(const struct ledger *ledger, const char *name, uint32_t own)
{
    uint8_t key[16];
    bool plain = !key_of(name, key);
    if (plain)
        state_key_of_name(name, key);
    if (is_its_own(ledger, own, key))
        return STATE_NONE;
    const uint32_t *folded = pl_map_get(&ledger->folded, key);
    const uint32_t *ascii = plain ? NULL : pl_map_get(&ledger->names, key);
    return folded != NULL ? *folded : ascii != NULL ? *ascii : STATE_NONE;
}

void twin_add(struct ledger *ledger, uint32_t index)
{
    uint8_t key[16];
    if (!key_of(name_of(ledger, index), key))
        return;
    const uint32_t *holder = pl_map_get(&ledger->folded, key);
    ledger->folded_twins += holder != NULL;
    if (holder == NULL || index < *holder)
        pl_map_put(&ledger->folded, key, &index);
}

void twin_forget(struct ledger *ledger, uint32_t index)
{
    uint8_t key[16], other[16];
    if (!key_of(name_of(ledger, index), key))
        return;
    const uint32_t *holder = pl_map_get(&ledger->folded, key);
    PL_ASSERT(holder != NULL);
    if (*holder != index) {
        ledger->folded_twins--;
        return;
    }
    (void)pl_map_remove(&ledger->folded, key);
    for (uint32_t i = 0; ledger->folded_twins != 0 && i < ledger->contributor_count; i++) {
        if (i == index || !key_of(name_of(ledger, i), other) ||
            memcmp(key, other, sizeof(key)) != 0)
            continue;
        pl_map_put(&ledger->folded, key, &i);
        ledger->folded_twins--;
        return;
    }
}
