/* SPDX-License-Identifier: Apache-2.0
 *
 * closing: see closing.h. Happy path: one PledgeClosed, which is a deed. Failure: OPEN_ITEMS, with
 * each thing that is open as an argument of the refusal; STATE_WRONG for what a closing rests on.
 */
#include "server/ledger/closing.h"

#include "common/check.h"
#include "common/money.h"
#include "server/ledger/allocation.h"
#include "server/ledger/benefit.h"
#include "server/ledger/deed.h"
#include "server/ledger/period.h"
#include "server/ledger/pledge.h"

struct open_items {
    int64_t outstanding; /* still to be paid */
    int64_t unallocated; /* free money meant for it, in its currency */
    int64_t foreign;     /* bank entries with free money in another currency */
    int64_t refunds;     /* ordered, not paid */
    size_t benefits;     /* neither declined nor delivered, nor waived */
    char named[400];     /* their codes, as many as fit */
};

static bool meant_for(const struct ledger *ledger, uint32_t bank_entry, uint32_t pledge)
{
    return ledger->bank_entry[bank_entry].pledge == pledge;
}

static void look(const struct ledger *ledger, const struct state_pledge *pledge, bool waive,
                 struct open_items *ret)
{
    uint32_t index = (uint32_t)(pledge - ledger->pledge);
    *ret = (struct open_items){.outstanding = pledge->amount - state_settled(pledge),
                               .unallocated = allocation_free_of(ledger, pledge)};
    for (uint32_t i = pledge->bank_first; i != STATE_NONE;
         i = ledger->bank_entry[i].next_of_pledge) {
        const struct state_bank_entry *entry = &ledger->bank_entry[i];
        ret->foreign += entry->currency != pledge->currency && allocation_free(entry) != 0;
    }
    for (size_t i = 0; i < ledger->refund_count; i++) {
        const struct state_refund *refund = &ledger->refund[i];
        ret->refunds += refund->state == PLEDGED__V1__REFUND_STATE__REFUND_STATE_ORDERED &&
                        meant_for(ledger, refund->bank_entry, index);
    }
    if (!waive)
        ret->benefits = benefit_open(ledger, pledge, ret->named, sizeof(ret->named));
}

static bool nothing_open(const struct open_items *items)
{
    return items->outstanding == 0 && items->unallocated == 0 && items->foreign == 0 &&
           items->refunds == 0 && items->benefits == 0;
}

struct pl_status closing_check(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const struct state_pledge *pledge = state_pledge(ledger, entry->pledge_closed->pledge);
    NEED(pledge != NULL && pledge->stage == STAGE(COMMITTED), "a closing of what is not committed");
    NEED(pledge->amount == state_settled(pledge), "a closing of what is not paid");
    NEED(ledger->deed_count < STATE_ROWS_MAX, "more deeds than there may be");
    return pl_ok();
}

/* The sums ask for the stage, so they are taken apart and put together around the move. */
static void move(struct ledger *ledger, uint32_t index, uint8_t stage, uint64_t seq)
{
    struct state_pledge *pledge = &ledger->pledge[index];
    tally_pledge(ledger, pledge, -1);
    state_move(ledger, index, stage, pledge->tier, seq);
    tally_pledge(ledger, pledge, 1);
}

void closing_apply(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    struct state_deed deed = {
        .seq = entry->seq,
        .of = (uint32_t)(state_pledge(ledger, entry->pledge_closed->pledge) - ledger->pledge),
        .day = period_posted_on(entry),
        .dated = period_day_of(entry),
        .fact = FACT(PLEDGE_CLOSED),
    };
    deed_add(ledger, &deed);
    move(ledger, deed.of, STAGE(CLOSED), entry->seq);
}

void closing_undo(struct ledger *ledger, uint32_t pledge, uint64_t seq)
{
    move(ledger, pledge, STAGE(COMMITTED), seq);
}

/* Rare enough to look at all of them. */
const struct state_deed *closing_of(const struct ledger *ledger, const struct state_pledge *pledge)
{
    uint32_t index = (uint32_t)(pledge - ledger->pledge);
    if (pledge->stage != STAGE(CLOSED))
        return NULL;
    for (size_t i = ledger->deed_count; i > 0; i--) {
        const struct state_deed *deed = &ledger->deed[i - 1];
        if (deed->fact == FACT(PLEDGE_CLOSED) && deed->of == index && deed->reversed_by == 0)
            return deed;
    }
    return NULL;
}

/* What came later, money without a place or a benefit that was waived, the closing does not know.
 */
static const struct state_deed *resting_on(const struct ledger *ledger,
                                           const struct state_pledge *pledge, uint64_t seq)
{
    const struct state_deed *closing = closing_of(ledger, pledge);
    return closing != NULL && seq < closing->seq ? closing : NULL;
}

struct pl_status closing_check_guard(const struct ledger *ledger, const struct state_pledge *pledge,
                                     uint64_t seq)
{
    NEED(!state_rules(ledger, 3) || resting_on(ledger, pledge, seq) == NULL,
         "a reversal of what a closed pledge rests on");
    return pl_ok();
}

struct pl_status closing_check_money(const struct ledger *ledger,
                                     const struct state_bank_entry *entry)
{
    return entry->allocated == 0 || entry->pledge == STATE_NONE
               ? pl_ok()
               : closing_check_guard(ledger, &ledger->pledge[entry->pledge], entry->seq);
}

bool closing_guards(struct maker *maker, const struct state_pledge *pledge, uint64_t seq,
                    const char *field)
{
    const struct state_deed *closing = resting_on(maker->ledger, pledge, seq);
    if (closing == NULL)
        return false;
    maker_refuse(maker, REASON(STATE_WRONG), field, closing->seq, pledge);
    maker_arg(maker, "pledge", maker_id(maker, 'P', (uint64_t)closing->of + 1));
    maker_arg(maker, "stage", "STAGE_CLOSED");
    maker_say(maker, "use", "the pledge is closed because of it: reverse the closing first");
    return true;
}

static void refuse(struct maker *maker, const struct state_pledge *pledge,
                   const struct open_items *items)
{
    maker_refuse(maker, REASON(OPEN_ITEMS), "close.pledge", pledge->changed_seq, pledge);
    if (items->outstanding != 0)
        maker_arg_number(maker, "outstanding_minor", items->outstanding);
    if (items->unallocated != 0)
        maker_arg_number(maker, "unallocated_minor", items->unallocated);
    if (items->outstanding != 0 || items->unallocated != 0)
        maker_arg(maker, "currency", pl_currency_code(pledge->currency));
    if (items->foreign != 0)
        maker_arg_number(maker, "payments_in_other_currency", items->foreign);
    if (items->refunds != 0)
        maker_arg_number(maker, "refunds", items->refunds);
    if (items->benefits != 0)
        maker_arg(maker, "benefits", items->named);
}

void closing_decide(struct maker *maker)
{
    const Pledged__V1__Close *command = maker->command->close;
    struct open_items items;
    const struct state_pledge *pledge =
        pledge_find(maker, command->pledge, "close.pledge", 1u << STAGE(COMMITTED));
    if (pledge == NULL)
        return;
    look(maker->ledger, pledge, command->waive_benefits, &items);
    if (!nothing_open(&items)) {
        refuse(maker, pledge, &items);
        return;
    }
    Pledged__V1__Entry *entry = maker_entry(maker, pledge->last_seq);
    Pledged__V1__PledgeClosed *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__pledge_closed__init(fact);
    fact->pledge = command->pledge;
    entry->fact_case = FACT(PLEDGE_CLOSED);
    entry->pledge_closed = fact;
    pledge_receipt(maker, command->pledge, maker_id(maker, 'C', pledge->contributor + 1),
                   STAGE(CLOSED), pledge->amount, state_settled(pledge), pledge->currency);
    if (pledge->tier != STATE_TIER_FREE)
        maker_remaining(maker, &maker->ledger->tier[pledge->tier], 0);
}
