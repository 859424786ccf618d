/* SPDX-License-Identifier: Apache-2.0
 *
 * settle: see settle.h.
 */
#include "server/ledger/settle.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/money.h"
#include "server/ledger/allocation.h"
#include "server/ledger/deed.h"
#include "server/ledger/save_private.h"
#include "server/ledger/state.h"
#include "server/ledger/valuation.h"
#include "server/ledger/waiver.h"

static bool valued_fine(const struct ledger *ledger, const struct pl_map *map, uint32_t index,
                        int currency)
{
    return map->count == 0 || pl_map_get(map, &index) == NULL ||
           (currency >= 0 && valuation_rate(ledger, map, index, currency) != NULL);
}

static inline bool begins_chain(const struct state_pledge *p)
{
    return p->tier != STATE_TIER_FREE && state_stage_live(p->stage) && p->slot_prev == STATE_NONE;
}

/* Where the map says that a chain of slots begins, one does. */
static bool slots_fine(const struct ledger *ledger)
{
    const struct pl_map *map = &ledger->slots;
    for (size_t i = 0; i < map->cap; i++) {
        if (!pl_map_is_full(map, i))
            continue;
        const struct state_pledge *p = &ledger->pledge[save_value_of(map, pl_map_slot(map, i))];
        if (!begins_chain(p))
            return false;
        struct state_slot_key key = state_slot_key(p->contributor, ledger->tier[p->tier].catalogue);
        if (memcmp(&key, pl_map_slot(map, i), sizeof(key)) != 0)
            return false;
    }
    return true;
}

static bool maps_fine(const struct ledger *ledger)
{
    return pl_map_settled(&ledger->names) && pl_map_settled(&ledger->bank_refs) &&
           pl_map_settled(&ledger->slots) && slots_fine(ledger) &&
           ledger->names.count == ledger->contributor_count;
}

/* The queue of a tier is all of its waiting pledges, each once. Its backward links follow. */
static bool link_queue(struct ledger *ledger, uint32_t index)
{
    struct state_tier *tier = &ledger->tier[index];
    uint32_t at = tier->wait_first, count = 0, waiting = tier->waiting;
    tier->wait_first = tier->wait_last = STATE_NONE;
    while (at != STATE_NONE && count < waiting) {
        if (at >= ledger->pledge_count || ledger->pledge[at].stage != STAGE(WAITING) ||
            ledger->pledge[at].tier != index ||
            state_wait_of(ledger, ledger->pledge[at].contributor, index) != STATE_NONE)
            return false;
        uint32_t next = ledger->pledge[at].wait_next;
        state_queue_push(ledger, at);
        at = next;
        count++;
    }
    return at == STATE_NONE && count == waiting;
}

static bool queues_fine(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->tier_count; i++) {
        uint32_t last = ledger->tier[i].wait_last;
        if (!link_queue(ledger, (uint32_t)i) || ledger->tier[i].wait_last != last)
            return false;
    }
    return true;
}

/* The list of a pledge's bank entries is in order and holds no others. */
static bool bank_entries_of(const struct ledger *ledger, uint32_t index, size_t *ret_count)
{
    const struct state_pledge *p = &ledger->pledge[index];
    uint32_t last = STATE_NONE;
    for (uint32_t i = p->bank_first; i != STATE_NONE; i = ledger->bank_entry[i].next_of_pledge) {
        if (i >= ledger->bank_entry_count || (last != STATE_NONE && i <= last) ||
            ledger->bank_entry[i].pledge != index)
            return false;
        last = i;
        (*ret_count)++;
    }
    return last == p->bank_last;
}

/* I2: what pays for the pledge, and what could. */
static bool pledge_money_fine(const struct ledger *ledger, const struct state_pledge *p)
{
    int64_t allocated = 0, received = 0;
    for (uint32_t i = state_newest_allocation(p); i != STATE_NONE;
         i = ledger->allocation[i].next_of_pledge) {
        const struct state_allocation *a = &ledger->allocation[i];
        if (a->reversed_by == 0 && !pl_add64(allocated, a->settled, &allocated))
            return false;
    }
    int64_t forgiven = 0;
    for (uint32_t i = waiver_newest(ledger, p); i != STATE_NONE;
         i = ledger->waiver[i].next_of_pledge) {
        const struct state_waiver *w = &ledger->waiver[i];
        if (w->reversed_by == 0 && !pl_add64(forgiven, w->amount, &forgiven))
            return false;
    }
    return allocated == p->allocated && forgiven == state_forgiven(p) &&
           (!tally_counts(p) || p->amount - p->allocated >= forgiven) && /* I8 */
           pl_add64(allocated, allocation_free_of(ledger, p), &received) && received == p->received;
}

static bool entry_money_fine(const struct ledger *ledger, const struct state_bank_entry *b)
{
    int64_t allocated = 0;
    for (uint32_t i = b->alloc_first; i != STATE_NONE; i = ledger->allocation[i].next_of_entry) {
        const struct state_allocation *a = &ledger->allocation[i];
        if (a->reversed_by == 0 && !pl_add64(allocated, a->amount, &allocated))
            return false;
    }
    if (b->debit) /* what it pays is looked at with the refunds; a reversal that was matched, none
                   */
        return allocated == 0 && (!b->reversed || b->allocated == 0);
    return allocated == b->allocated &&
           (!b->reversed || (allocated == 0 && b->refunded == 0 && b->explained == 0));
}

/* What deeds say of a credit's money. */
static bool explained_fine(const struct ledger *ledger)
{
    int64_t *left = calloc(ledger->bank_entry_count + 1, sizeof(*left));
    bool fine = true;
    PL_ASSERT(left != NULL);
    for (size_t i = 0; i < ledger->bank_entry_count; i++)
        left[i] = ledger->bank_entry[i].explained;
    for (size_t i = 0; i < ledger->deed_count && fine; i++) {
        const struct state_deed *d = &ledger->deed[i];
        uint32_t index = d->fact == FACT(REFUND_RETURNED) ? d->credit
                         : d->fact == FACT(CHARGE_BOOKED) ? d->of
                                                          : STATE_NONE;
        if (index == STATE_NONE || d->reversed_by != 0 || ledger->bank_entry[index].debit)
            continue;
        fine = ledger->bank_entry[index].movement != STATE_NONE && d->quantity <= left[index];
        left[index] -= fine ? d->quantity : 0;
    }
    for (size_t i = 0; i < ledger->bank_entry_count; i++)
        fine = fine && left[i] == 0;
    free(left);
    return fine;
}

/* Every refund takes from a credit what it says; every debit pays what is matched to it, is a
 * charge, or came back. */
static bool refunds_fine(const struct ledger *ledger)
{
    int64_t *left = calloc(ledger->bank_entry_count + 1, sizeof(*left));
    bool fine = explained_fine(ledger);
    PL_ASSERT(left != NULL);
    for (size_t i = 0; i < ledger->bank_entry_count; i++) {
        const struct state_bank_entry *b = &ledger->bank_entry[i];
        left[i] = b->debit ? b->allocated : b->refunded;
    }
    for (size_t i = 0; i < ledger->refund_count; i++) {
        const struct state_refund *r = &ledger->refund[i];
        if (r->state == PLEDGED__V1__REFUND_STATE__REFUND_STATE_CANCELLED)
            continue;
        fine = fine && !ledger->bank_entry[r->bank_entry].debit &&
               (r->debit == STATE_NONE || ledger->bank_entry[r->debit].debit) &&
               r->amount <= left[r->bank_entry];
        if (!fine)
            break;
        left[r->bank_entry] -= r->amount;
        if (r->debit == STATE_NONE)
            continue;
        fine = r->amount <= left[r->debit];
        left[r->debit] -= fine ? r->amount : 0;
    }
    for (size_t i = 0; i < ledger->deed_count && fine; i++) {
        const struct state_deed *d = &ledger->deed[i];
        bool back = d->fact == FACT(REFUND_RETURNED);
        uint32_t debit = back ? d->debit : d->of;
        if ((!back && d->fact != FACT(CHARGE_BOOKED)) || d->reversed_by != 0 ||
            (!back && !ledger->bank_entry[debit].debit)) /* a charge that was given back */
            continue;
        fine = ledger->bank_entry[debit].debit && (!back || !ledger->bank_entry[d->credit].debit) &&
               ledger->bank_entry[debit].movement != STATE_NONE && d->quantity <= left[debit];
        left[debit] -= fine ? d->quantity : 0;
    }
    for (size_t i = 0; i < ledger->bank_entry_count; i++)
        fine = fine && left[i] == 0;
    free(left);
    return fine;
}

/* What the rows of pledges are together. */
struct counted {
    size_t bank_entries; /* meant for one */
    size_t closed, chains;
};

/* All that is asked of a pledge when the other rows are there, in one look at it: millions of them
 * are far away from the processor. False also where a sum would leave 64 bits (G8). */
static bool settle_pledge(struct ledger *ledger, uint32_t index, struct tally_gather *gather,
                          struct counted *counted)
{
    const struct state_pledge *p = &ledger->pledge[index];
    counted->closed += p->stage == STAGE(CLOSED);
    counted->chains += begins_chain(p);
    return bank_entries_of(ledger, index, &counted->bank_entries) && pledge_money_fine(ledger, p) &&
           valued_fine(ledger, &ledger->pledge_rates, index, p->currency) &&
           tally_gather(gather, ledger, p);
}

/* Every bank entry is in the list of its pledge, every closed pledge was closed by a deed, every
 * chain of slots is in the map. */
static bool settle_pledges(struct ledger *ledger)
{
    struct counted counted = {.closed = 0};
    for (size_t i = 0; i < ledger->bank_entry_count; i++)
        counted.bank_entries += ledger->bank_entry[i].pledge == STATE_NONE;
    struct tally_gather *gather = tally_gather_new();
    bool fine = true;
    for (size_t i = 0; i < ledger->pledge_count && fine; i++)
        fine = settle_pledge(ledger, (uint32_t)i, gather, &counted);
    return tally_gathered(gather, ledger) && fine &&
           counted.bank_entries == ledger->bank_entry_count &&
           counted.closed == deed_closings(ledger) && counted.chains == ledger->slots.count;
}

/* False where a sum would leave 64 bits (G8). */
static bool settle_bank_entries(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->bank_entry_count; i++) {
        const struct state_bank_entry *b = &ledger->bank_entry[i];
        if (!valued_fine(ledger, &ledger->entry_rates, (uint32_t)i, b->currency))
            return false;
        if (!b->reversed && !b->debit &&
            !tally_may_receive(ledger, b->currency, b->amount - b->explained))
            return false;
        tally_bank_entry(ledger, b, 1);
    }
    for (size_t i = 0; i < ledger->allocation_count; i++)
        tally_allocation(ledger, &ledger->allocation[i], 1);
    return true;
}

static bool entries_money_fine(const struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->bank_entry_count; i++) {
        if (!entry_money_fine(ledger, &ledger->bank_entry[i]))
            return false;
    }
    return true;
}

bool settle_rows(struct ledger *ledger)
{
    return maps_fine(ledger) && queues_fine(ledger) && entries_money_fine(ledger) &&
           refunds_fine(ledger) && deed_all_add_up(ledger) && settle_bank_entries(ledger) &&
           settle_pledges(ledger);
}
