/* SPDX-License-Identifier: Apache-2.0
 *
 * change: commit, amend, change of tier, withdraw, cancel. Whoever gives back a slot of a capped
 * tier hands it to the next in the queue in the same append: a lost race leaves nothing half done.
 * Failure: each refusal is an entry in the history of the pledge.
 */
#include <string.h>

#include "common/check.h"
#include "common/money.h"
#include "server/ledger/benefit.h"
#include "server/ledger/pledge.h"
#include "server/ledger/valuation.h"

enum { OPEN = 1u << STAGE(HELD) | 1u << STAGE(PLEDGED) | 1u << STAGE(COMMITTED) };

/* The signed agreement; ledger_validate saw that there is one. */
static const Pledged__V1__Document *agreement(const struct maker *maker)
{
    const Pledged__V1__Command *command = maker->command;
    size_t i = 0;
    while (i < command->n_evidence && strcmp(command->evidence[i]->kind, "agreement") != 0)
        i++;
    PL_ASSERT(i < command->n_evidence);
    return command->evidence[i];
}

/* In whatever currency: what came in and was not taken back is somebody's money. */
static bool money_came_in(const struct maker *maker, const struct state_pledge *pledge)
{
    const struct ledger *ledger = maker->ledger;
    for (uint32_t i = pledge->bank_first; i != STATE_NONE;
         i = ledger->bank_entry[i].next_of_pledge) {
        if (!ledger->bank_entry[i].reversed)
            return true;
    }
    return pledge->allocated != 0;
}

static const struct state_tier *tier_of(const struct maker *maker,
                                        const struct state_pledge *pledge)
{
    return pledge->tier == STATE_TIER_FREE ? NULL : &maker->ledger->tier[pledge->tier];
}

static char *contributor_of(struct maker *maker, const struct state_pledge *pledge)
{
    return maker_id(maker, 'C', pledge->contributor + 1);
}

static void commit(struct maker *maker, const Pledged__V1__Commit *command)
{
    const struct state_pledge *pledge =
        pledge_find(maker, command->pledge, "commit.pledge", 1u << STAGE(PLEDGED));
    if (pledge == NULL)
        return;
    Pledged__V1__Entry *entry = maker_entry(maker, pledge->last_seq);
    Pledged__V1__CommitmentSigned *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__commitment_signed__init(fact);
    fact->pledge = command->pledge;
    fact->agreement_sha256 = agreement(maker)->sha256;
    const struct state_tier *tier = tier_of(maker, pledge);
    pledge_receipt(maker, fact->pledge, contributor_of(maker, pledge), STAGE(COMMITTED),
                   pledge->amount, state_settled(pledge), pledge->currency);
    if (tier != NULL) {
        struct catalogue *catalogue = maker->ledger->catalogue[tier->catalogue].current;
        fact->catalogue = catalogue->msg->code;
        fact->catalogue_version = catalogue->msg->version;
        fact->catalogue_sha256 =
            (ProtobufCBinaryData){sizeof(catalogue->sha256), catalogue->sha256};
        fact->grants = catalogue_grants(catalogue, tier->code);
        maker_remaining(maker, tier, 0);
    }
    entry->fact_case = FACT(COMMITMENT_SIGNED);
    entry->commitment_signed = fact;
}

/* A new amount: same currency, not below what the tier costs by these offers (NULL: there is no
 * tier), not below what is allocated. */
static bool new_amount_fits(struct maker *maker, const struct state_pledge *pledge,
                            const struct state_tier *tier, const struct catalogue *offers,
                            const Pledged__V1__Money *amount, const char *field, int64_t *ret_minor,
                            int *ret_currency)
{
    if (offers != NULL) {
        if (!pledge_amount(maker, tier, offers, amount, field, ret_minor, ret_currency))
            return false;
    } else {
        *ret_minor = amount->minor;
        *ret_currency = pl_currency_index(amount->currency);
    }
    if (pledge->currency >= 0 && *ret_currency != pledge->currency) {
        maker_refuse(maker, REASON(FIELD_INVALID), field, pledge->changed_seq, pledge);
        maker_say(maker, "why", "the currency of a pledge does not change");
        return false;
    }
    if (*ret_minor < state_settled(pledge)) {
        maker_refuse(maker, REASON(BELOW_ALLOCATED), field, pledge->changed_seq, pledge);
        maker_arg_number(maker, "minor", state_settled(pledge));
        maker_arg(maker, "currency", pl_currency_code(pledge->currency));
        return false;
    }
    if (!tally_may_pledge(maker->ledger, *ret_currency, *ret_minor - pledge->amount)) {
        maker_refuse(maker, REASON(SUM_OVERFLOW), field, 0, pledge);
        return false;
    }
    if (!valuation_fits(maker->ledger, pledge_index(maker, pledge), *ret_currency, *ret_minor)) {
        maker_refuse(maker, REASON(AMOUNT_OVERFLOW), field, pledge->changed_seq, pledge);
        maker_say(maker, "why", "its value in francs would leave 64 bits");
        return false;
    }
    return true;
}

/* What was signed keeps its price, as it keeps its benefits: a later version of the offers is for
 * those who come later. A tier that this version did not have was taken by a change: what it costs
 * only newer ones say. */
static const struct catalogue *signed_offers(const struct maker *maker,
                                             const struct state_pledge *pledge,
                                             const struct state_tier *tier)
{
    const struct catalogue *frozen = benefit_catalogue(maker->ledger, pledge);
    return pledge_offer(frozen, tier) != NULL ? frozen : pledge_offers(maker, tier);
}

static void amend(struct maker *maker, const Pledged__V1__AmendPledge *command)
{
    const struct state_pledge *pledge =
        pledge_find(maker, command->pledge, "amend_pledge.pledge", 1u << STAGE(COMMITTED));
    if (pledge == NULL)
        return;
    const struct state_tier *tier = tier_of(maker, pledge);
    int64_t minor;
    int currency;
    const struct catalogue *offers = tier != NULL ? signed_offers(maker, pledge, tier) : NULL;
    if (!new_amount_fits(maker, pledge, tier, offers, command->amount, "amend_pledge.amount",
                         &minor, &currency))
        return;
    Pledged__V1__Entry *entry = maker_entry(maker, pledge->last_seq);
    Pledged__V1__CommitmentAmended *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__commitment_amended__init(fact);
    fact->pledge = command->pledge;
    fact->amount = maker_money(maker, minor, currency);
    fact->previous = maker_money(maker, pledge->amount, pledge->currency);
    entry->fact_case = FACT(COMMITMENT_AMENDED);
    entry->commitment_amended = fact;
    pledge_receipt(maker, fact->pledge, contributor_of(maker, pledge), STAGE(COMMITTED), minor,
                   state_settled(pledge), currency);
    if (tier != NULL)
        maker_remaining(maker, tier, 0);
}

static void add_tier_changed(struct maker *maker, const struct state_pledge *pledge,
                             const struct state_tier *from, const struct state_tier *to,
                             const char *id, int64_t minor, int currency)
{
    Pledged__V1__Entry *entry = maker_entry(maker, pledge->last_seq);
    Pledged__V1__TierChanged *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__tier_changed__init(fact);
    fact->pledge = (char *)(uintptr_t)id;
    fact->from_tier = (char *)(uintptr_t)from->code;
    fact->to_tier = (char *)(uintptr_t)to->code;
    fact->catalogue = pledge_catalogue(maker, to)->code;
    if (currency >= 0)
        fact->amount = maker_money(maker, minor, currency);
    entry->fact_case = FACT(TIER_CHANGED);
    entry->tier_changed = fact;
    pledge_receipt(maker, id, contributor_of(maker, pledge), (Pledged__V1__Stage)pledge->stage,
                   minor, state_settled(pledge), currency);
    maker_outcome(maker)->expires_us = pledge->stage == STAGE(HELD) ? pledge->expires_us : 0;
    maker_remaining(maker, to, 1);
}

static void change_tier(struct maker *maker, const Pledged__V1__ChangeTier *command)
{
    const struct state_pledge *pledge =
        pledge_find(maker, command->pledge, "change_tier.pledge", OPEN);
    if (pledge == NULL)
        return;
    const struct state_tier *from = tier_of(maker, pledge);
    if (from == NULL) {
        maker_refuse(maker, REASON(STATE_WRONG), "change_tier.pledge", pledge->first_seq, pledge);
        maker_say(maker, "stage", "a free contribution has no tier");
        return;
    }
    const struct state_tier *to =
        pledge_tier_in(maker, from->catalogue, command->tier, "change_tier.tier");
    if (to == NULL)
        return;
    if (to == from) {
        maker_refuse(maker, REASON(SAME_TIER), "change_tier.tier", pledge->changed_seq, pledge);
        maker_arg(maker, "tier", to->code);
        return;
    }
    int64_t minor = 0;
    int currency = -1;
    uint32_t index = pledge_index(maker, pledge);
    if (pledge->stage != STAGE(HELD) &&
        !new_amount_fits(maker, pledge, to, pledge_offers(maker, to), command->amount,
                         "change_tier.amount", &minor, &currency))
        return;
    if (!pledge_slot_free(maker, to, pledge->contributor, index, "change_tier.tier"))
        return;
    add_tier_changed(maker, pledge, from, to, command->pledge, minor, currency);
    if (from->capacity >= 0) /* the contributor keeps a slot, so nothing of theirs is freed */
        (void)promote(maker, pledge->tier, STATE_NONE, 0);
}

static void withdraw(struct maker *maker, const Pledged__V1__Withdraw *command)
{
    const struct state_pledge *pledge =
        pledge_find(maker, command->pledge, "withdraw.pledge",
                    1u << STAGE(WAITING) | 1u << STAGE(HELD) | 1u << STAGE(PLEDGED));
    if (pledge == NULL)
        return;
    const struct state_tier *tier = tier_of(maker, pledge);
    bool had_slot = tier != NULL && state_stage_live(pledge->stage);
    Pledged__V1__Entry *entry = maker_entry(maker, pledge->last_seq);
    Pledged__V1__Withdrawn *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__withdrawn__init(fact);
    fact->pledge = command->pledge;
    fact->tier = tier != NULL ? (char *)(uintptr_t)tier->code : fact->tier;
    entry->fact_case = FACT(WITHDRAWN);
    entry->withdrawn = fact;
    pledge_receipt(maker, fact->pledge, contributor_of(maker, pledge), STAGE(WITHDRAWN), 0, 0, -1);
    bool passed_on = had_slot && tier->capacity >= 0 &&
                     promote(maker, pledge->tier, pledge_index(maker, pledge), 0);
    if (tier != NULL)
        maker_remaining(maker, tier, (had_slot ? -1 : 0) + (passed_on ? 1 : 0));
}

static void cancel(struct maker *maker, const Pledged__V1__Cancel *command)
{
    const struct state_pledge *pledge =
        pledge_find(maker, command->pledge, "cancel.pledge", 1u << STAGE(COMMITTED));
    if (pledge == NULL)
        return;
    if (money_came_in(maker, pledge) &&
        command->money_plan == PLEDGED__V1__MONEY_PLAN__MONEY_PLAN_UNSPECIFIED) {
        maker_refuse(maker, REASON(MONEY_PLAN_MISSING), "cancel.money_plan", pledge->changed_seq,
                     pledge);
        return;
    }
    const struct state_tier *tier = tier_of(maker, pledge);
    Pledged__V1__Entry *entry = maker_entry(maker, pledge->last_seq);
    Pledged__V1__Cancelled *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__cancelled__init(fact);
    fact->pledge = command->pledge;
    fact->tier = tier != NULL ? (char *)(uintptr_t)tier->code : fact->tier;
    fact->money_plan = command->money_plan;
    fact->deallocated = maker_money(maker, pledge->allocated, pledge->currency);
    entry->fact_case = FACT(CANCELLED);
    entry->cancelled = fact;
    pledge_receipt(maker, fact->pledge, contributor_of(maker, pledge), STAGE(CANCELLED), 0, 0, -1);
    maker_outcome(maker)->unallocated = maker_money(maker, pledge->received, pledge->currency);
    bool passed_on = tier != NULL && tier->capacity >= 0 &&
                     promote(maker, pledge->tier, pledge_index(maker, pledge), 0);
    if (tier != NULL)
        maker_remaining(maker, tier, passed_on ? 0 : -1);
}

void change_decide(struct maker *maker)
{
    const Pledged__V1__Command *command = maker->command;
    if (command->command_case == COMMAND(COMMIT))
        commit(maker, command->commit);
    else if (command->command_case == COMMAND(AMEND_PLEDGE))
        amend(maker, command->amend_pledge);
    else if (command->command_case == COMMAND(CHANGE_TIER))
        change_tier(maker, command->change_tier);
    else if (command->command_case == COMMAND(WITHDRAW))
        withdraw(maker, command->withdraw);
    else
        cancel(maker, command->cancel);
}
