/* SPDX-License-Identifier: Apache-2.0
 *
 * closing: see closing.h. Happy path: one PledgeClosed. Failure: OPEN_ITEMS, with each thing that
 * is open as an argument of the refusal.
 */
#include "server/ledger/closing.h"

#include "common/check.h"
#include "common/money.h"
#include "server/ledger/allocation.h"
#include "server/ledger/benefit.h"
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
    return pl_ok();
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
