/* SPDX-License-Identifier: Apache-2.0
 *
 * promote: what happens to slots without anybody asking: holds expire, the next in the queue gets
 * the slot. Both are entries, so that any past answer can be proven.
 */
#include <string.h>

#include "common/check.h"
#include "server/ledger/proposal.h"

/* A queue may hold many who have a slot meanwhile; nobody waits for a look at all of them. */
enum { QUEUE_LOOK_MAX = 1000 };

static const Pledged__V1__CataloguePolicy *policy_of(const struct ledger *ledger,
                                                     const struct state_tier *tier)
{
    return ledger->catalogue[tier->catalogue].current->msg->policy;
}

uint32_t promote_candidate(const struct ledger *ledger, uint32_t tier_index, uint32_t freed)
{
    const struct state_tier *tier = &ledger->tier[tier_index];
    uint32_t at = tier->wait_first;
    for (int looked = 0; at != STATE_NONE && looked < QUEUE_LOOK_MAX; looked++) {
        uint32_t slot = state_slot_of(ledger, ledger->pledge[at].contributor, tier->catalogue);
        if (slot == STATE_NONE || slot == freed ||
            policy_of(ledger, tier)->many_slots_per_contributor)
            return at;
        at = ledger->pledge[at].wait_next;
    }
    return STATE_NONE;
}

static void add_promoted(struct maker *maker, const struct state_tier *tier, const char *id,
                         const struct state_pledge *pledge, uint64_t cause_seq)
{
    Pledged__V1__Entry *entry = maker_entry(maker, pledge->last_seq);
    Pledged__V1__WaitPromoted *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__wait_promoted__init(fact);
    fact->pledge = (char *)(uintptr_t)id;
    fact->tier = (char *)(uintptr_t)tier->code;
    entry->fact_case = FACT(WAIT_PROMOTED);
    entry->wait_promoted = fact;
    if (entry->cause_seq == 0)
        entry->cause_seq = cause_seq;
}

bool promote(struct maker *maker, uint32_t tier_index, uint32_t freed, uint64_t cause_seq)
{
    const struct ledger *ledger = maker->ledger;
    const struct state_tier *tier = &ledger->tier[tier_index];
    uint32_t next = promote_candidate(ledger, tier_index, freed);
    if (next == STATE_NONE || maker->out->entry_count + 2 > LEDGER_ENTRIES_PER_COMMAND_MAX)
        return false;
    const struct state_pledge *pledge = &ledger->pledge[next];
    const char *id = maker_id(maker, 'P', next + 1);
    add_promoted(maker, tier, id, pledge, cause_seq);
    uint64_t promoted_seq = maker->out->entry[maker->out->entry_count - 1]->seq;
    Pledged__V1__Entry *entry = maker_entry(maker, promoted_seq);
    Pledged__V1__HoldPlaced *fact = maker_alloc(maker, sizeof(*fact));
    const Pledged__V1__CataloguePolicy *policy = policy_of(ledger, tier);
    pledged__v1__hold_placed__init(fact);
    fact->pledge = (char *)(uintptr_t)id;
    fact->contributor = maker_id(maker, 'C', pledge->contributor + 1);
    fact->catalogue = ledger->catalogue[tier->catalogue].current->msg->code;
    fact->tier = (char *)(uintptr_t)tier->code;
    fact->expires_us = entry->time_us + (policy->promotion_hold_s + policy->hold_grace_s) * 1000000;
    entry->fact_case = FACT(HOLD_PLACED);
    entry->hold_placed = fact;
    if (entry->cause_seq == 0)
        entry->cause_seq = cause_seq;
    return true;
}

static void expire(struct maker *maker, uint32_t index)
{
    const struct state_pledge *pledge = &maker->ledger->pledge[index];
    const struct state_tier *tier = &maker->ledger->tier[pledge->tier];
    Pledged__V1__Entry *entry = maker_entry(maker, pledge->last_seq);
    Pledged__V1__HoldExpired *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__hold_expired__init(fact);
    fact->pledge = maker_id(maker, 'P', index + 1);
    fact->tier = (char *)(uintptr_t)tier->code;
    entry->fact_case = FACT(HOLD_EXPIRED);
    entry->hold_expired = fact;
    entry->cause_seq = pledge->changed_seq;
    if (tier->capacity >= 0)
        (void)promote(maker, pledge->tier, index, entry->seq);
}

/* A slot that is free while somebody waits for it: a larger capacity, or a contributor who may take
 * one again. */
static bool promote_anywhere(struct maker *maker)
{
    const struct ledger *ledger = maker->ledger;
    for (uint32_t i = 0; i < ledger->tier_count; i++) {
        const struct state_tier *tier = &ledger->tier[i];
        bool free_slot = tier->capacity < 0 || (int64_t)state_tier_taken(tier) < tier->capacity;
        if (tier->waiting != 0 && free_slot && tier->def >= 0 &&
            promote(maker, i, STATE_NONE, ledger->catalogue[tier->catalogue].current->adopted_seq))
            return true;
    }
    return false;
}

static int64_t hold_due_us(const struct ledger *ledger)
{
    return ledger->due_count != 0 ? ledger->pledge[ledger->due[0]].expires_us : INT64_MAX;
}

void ledger_decide_due(const struct ledger *ledger, int64_t now_us, struct pl_arena *arena,
                       struct ledger_decision *ret)
{
    struct maker maker = {.ledger = ledger, .arena = arena, .out = ret, .now_us = now_us};
    memset(ret, 0, sizeof(*ret));
    ret->answer = LEDGER_NOTHING;
    int64_t hold_us = hold_due_us(ledger), proposal_us = proposal_due_us(ledger);
    if (hold_us <= now_us && hold_us <= proposal_us)
        expire(&maker, ledger->due[0]);
    else if (proposal_us <= now_us)
        proposal_expire(&maker);
    else
        (void)promote_anywhere(&maker);
}

int64_t ledger_next_due_us(const struct ledger *ledger)
{
    int64_t hold_us = hold_due_us(ledger), proposal_us = proposal_due_us(ledger);
    return hold_us < proposal_us ? hold_us : proposal_us;
}
