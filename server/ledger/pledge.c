/* SPDX-License-Identifier: Apache-2.0
 *
 * pledge: hold, extend, wait, submit. A slot is taken inside the very append that says so: the
 * check against the capacity and the entry that takes the slot are one decision (G2).
 */
#include "server/ledger/pledge.h"

#include <string.h>

#include "common/check.h"
#include "common/money.h"
#include "common/reference.h"
#include "server/ledger/proposal.h"
#include "server/ledger/valuation.h"

/* The tier meant in the catalogue in force; refuses and returns NULL if none. */
static const struct state_tier *tier_in_force(struct maker *maker, const char *text,
                                              const char *field)
{
    if (maker->ledger->catalogue_in_force == STATE_NONE) {
        maker_refuse(maker, REASON(CATALOGUE_UNKNOWN), field, 0, NULL);
        return NULL;
    }
    return pledge_tier_in(maker, maker->ledger->catalogue_in_force, text, field);
}

const struct state_tier *pledge_tier_in(struct maker *maker, uint32_t catalogue, const char *text,
                                        const char *field)
{
    const struct ledger *ledger = maker->ledger;
    const struct catalogue *current = ledger->catalogue[catalogue].current;
    int def = catalogue_find_tier(current, text);
    for (size_t i = 0; def >= 0 && i < ledger->tier_count; i++) {
        if (ledger->tier[i].catalogue == catalogue && ledger->tier[i].def == def)
            return &ledger->tier[i];
    }
    maker_refuse(maker, REASON(TIER_UNKNOWN), field, current->adopted_seq, NULL);
    maker_arg(maker, "tier", text);
    return NULL;
}

static void refuse_sold_out(struct maker *maker, const struct state_tier *tier, const char *field)
{
    maker_refuse(maker, REASON(TIER_SOLD_OUT), field, tier->taken_seq, NULL);
    maker_arg(maker, "tier", tier->code);
    maker_arg_number(maker, "capacity", tier->capacity);
    maker_arg_number(maker, "waiting", tier->waiting);
    if (tier->wait_first != STATE_NONE)
        maker_arg(maker, "next", maker_id(maker, 'P', tier->wait_first + 1));
}

static bool closed(struct maker *maker, const struct state_tier *tier, const char *field)
{
    const struct catalogue *current = maker->ledger->catalogue[tier->catalogue].current;
    if (maker_day(maker) <= current->closes)
        return false;
    maker_refuse(maker, REASON(TIER_CLOSED), field, current->adopted_seq, NULL);
    maker_arg(maker, "closes", current->msg->closes);
    return true;
}

bool pledge_slot_free(struct maker *maker, const struct state_tier *tier, uint32_t contributor,
                      uint32_t own, const char *field)
{
    const struct ledger *ledger = maker->ledger;
    uint32_t index = (uint32_t)(tier - ledger->tier);
    uint32_t slot = state_slot_beside(ledger, contributor, tier->catalogue, own);
    if (closed(maker, tier, field))
        return false;
    if (slot != STATE_NONE && !pledge_catalogue(maker, tier)->policy->many_slots_per_contributor) {
        const struct state_pledge *holder = &ledger->pledge[slot];
        maker_refuse(maker, REASON(HAS_SLOT), field, holder->changed_seq, NULL);
        maker_arg(maker, "pledge", maker_id(maker, 'P', slot + 1));
        return false;
    }
    if (tier->capacity < 0)
        return true;
    if ((int64_t)state_tier_taken(tier) >= tier->capacity) {
        refuse_sold_out(maker, tier, field);
        return false;
    }
    uint32_t ahead = promote_candidate(ledger, index, STATE_NONE);
    if (ahead != STATE_NONE && ledger->pledge[ahead].contributor != contributor) {
        maker_refuse(maker, REASON(WAITING_AHEAD), field, ledger->pledge[ahead].first_seq, NULL);
        maker_arg_number(maker, "waiting", tier->waiting);
        return false;
    }
    return true;
}

/* Less than the tier costs is a second person's decision, and only where the policy has one. */
static bool exception_possible(const struct maker *maker)
{
    return maker->command->reason[0] != '\0' && proposal_needs(maker->ledger, CLASS(EXCEPTION));
}

const Pledged__V1__Tier *pledge_offer(const struct catalogue *offers, const struct state_tier *tier)
{
    for (size_t i = 0; i < offers->msg->n_tier; i++) {
        if (strcmp(offers->msg->tier[i]->code, tier->code) == 0)
            return offers->msg->tier[i];
    }
    return NULL;
}

bool pledge_amount(struct maker *maker, const struct state_tier *tier,
                   const struct catalogue *offers, const Pledged__V1__Money *given,
                   const char *field, int64_t *ret_minor, int *ret_currency)
{
    const Pledged__V1__Tier *def = pledge_offer(offers, tier);
    PL_ASSERT(def != NULL);
    const Pledged__V1__Money *price =
        def->price_case == PLEDGED__V1__TIER__PRICE_AMOUNT ? def->amount : NULL;
    if (given == NULL && price == NULL) {
        maker_refuse(maker, REASON(AMOUNT_REQUIRED), field, offers->adopted_seq, NULL);
        maker_arg(maker, "tier", tier->code);
        return false;
    }
    const Pledged__V1__Money *amount = given != NULL ? given : price;
    PL_ASSERT(amount != NULL);
    bool other = price != NULL && strcmp(amount->currency, price->currency) != 0;
    bool below = price != NULL && amount->minor < price->minor;
    if (below && !other && exception_possible(maker)) {
        maker_class(maker, CLASS(EXCEPTION));
    } else if (below || other) {
        maker_refuse(maker, REASON(AMOUNT_NOT_TIER), field, offers->adopted_seq, NULL);
        maker_arg(maker, "tier", tier->code);
        maker_arg_number(maker, "minor", price->minor);
        maker_arg(maker, "currency", price->currency);
        return false;
    }
    *ret_minor = amount->minor;
    *ret_currency = pl_currency_index(amount->currency);
    return true;
}

/* G8: refused before a total could wrap. */
static bool sum_fits(struct maker *maker, int64_t minor, int currency)
{
    if (tally_may_pledge(maker->ledger, currency, minor))
        return true;
    maker_refuse(maker, REASON(SUM_OVERFLOW), "submit.amount", 0, NULL);
    return false;
}

const struct state_pledge *pledge_find(struct maker *maker, const char *id, const char *field,
                                       unsigned stages)
{
    const struct state_pledge *pledge = state_pledge(maker->ledger, id);
    if (pledge == NULL) {
        maker_refuse(maker, REASON(PLEDGE_UNKNOWN), field, 0, NULL);
        maker_arg(maker, "pledge", id);
        return NULL;
    }
    maker->about = pledge;
    if ((stages >> pledge->stage & 1) != 0)
        return pledge;
    const ProtobufCEnumValue *name =
        protobuf_c_enum_descriptor_get_value(&pledged__v1__stage__descriptor, pledge->stage);
    maker_refuse(maker, REASON(STATE_WRONG), field, pledge->changed_seq, pledge);
    maker_arg(maker, "pledge", id);
    maker_arg(maker, "stage", name != NULL ? name->name : "");
    return NULL;
}

void pledge_receipt(struct maker *maker, const char *id, const char *contributor,
                    Pledged__V1__Stage stage, int64_t amount, int64_t allocated, int currency)
{
    Pledged__V1__Outcome *outcome = maker_outcome(maker);
    outcome->pledge = (char *)(uintptr_t)id;
    outcome->contributor = (char *)(uintptr_t)contributor;
    outcome->stage = stage;
    if (currency >= 0)
        outcome->balance = maker_money(maker, amount - allocated, currency);
}

static void warn_event_past(struct maker *maker, const struct state_tier *tier)
{
    const struct catalogue *current = maker->ledger->catalogue[tier->catalogue].current;
    if (maker_day(maker) > current->event_ends)
        maker_warn(maker, WARNING(EVENT_PAST), current->adopted_seq);
}

static const struct state_contributor *find_contributor(struct maker *maker, const char *id,
                                                        const char *field)
{
    const struct state_contributor *found = state_contributor(maker->ledger, id);
    if (found == NULL) {
        maker_refuse(maker, REASON(CONTRIBUTOR_UNKNOWN), field, 0, NULL);
        maker_arg(maker, "contributor", id);
    }
    return found;
}

static uint32_t contributor_index(const struct maker *maker, const struct state_contributor *who)
{
    return (uint32_t)(who - maker->ledger->contributor);
}

/* End of a hold: given as a length from now or as a moment; grace comes on top. */
static bool hold_end(struct maker *maker, const Pledged__V1__CataloguePolicy *policy, int64_t for_s,
                     int64_t until_us, const char *field, const struct state_pledge *pledge,
                     int64_t *ret_us)
{
    int64_t now_us = maker_time(maker);
    int64_t end_us = until_us;
    if (until_us == 0 && __builtin_mul_overflow(for_s, 1000000, &end_us))
        end_us = INT64_MAX;
    else if (until_us == 0 && !pl_add64(end_us, now_us, &end_us))
        end_us = INT64_MAX;
    if (end_us <= now_us) {
        maker_refuse(maker, REASON(FIELD_INVALID), field, 0, pledge);
        maker_say(maker, "why", "the end is in the past");
        return false;
    }
    if (end_us - now_us > policy->hold_max_s * 1000000) {
        maker_refuse(maker, REASON(HOLD_TOO_LONG), field, 0, pledge);
        maker_arg_number(maker, "max_s", policy->hold_max_s);
        return false;
    }
    *ret_us = end_us + policy->hold_grace_s * 1000000;
    return true;
}

static void hold(struct maker *maker, const Pledged__V1__Hold *command)
{
    const struct state_tier *tier = tier_in_force(maker, command->tier, "hold.tier");
    if (tier == NULL)
        return;
    const struct state_contributor *who =
        find_contributor(maker, command->contributor, "hold.contributor");
    if (who == NULL)
        return;
    const Pledged__V1__CataloguePolicy *policy = pledge_catalogue(maker, tier)->policy;
    bool moment = command->until_case == PLEDGED__V1__HOLD__UNTIL_UNTIL_US;
    int64_t for_s = command->until_case == PLEDGED__V1__HOLD__UNTIL_FOR_S ? command->for_s
                                                                          : policy->hold_default_s;
    int64_t end_us;
    if (!hold_end(maker, policy, for_s, moment ? command->until_us : 0,
                  moment ? "hold.until_us" : "hold.for_s", NULL, &end_us) ||
        !pledge_slot_free(maker, tier, contributor_index(maker, who), STATE_NONE, "hold.tier"))
        return;
    Pledged__V1__Entry *entry = maker_entry(maker, 0);
    Pledged__V1__HoldPlaced *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__hold_placed__init(fact);
    fact->pledge = maker_id(maker, 'P', maker->ledger->pledge_count + 1);
    fact->contributor = command->contributor;
    fact->catalogue = pledge_catalogue(maker, tier)->code;
    fact->tier = (char *)(uintptr_t)tier->code;
    fact->expires_us = end_us;
    entry->fact_case = FACT(HOLD_PLACED);
    entry->hold_placed = fact;
    pledge_receipt(maker, fact->pledge, fact->contributor, STAGE(HELD), 0, 0, -1);
    maker_outcome(maker)->expires_us = end_us;
    maker_remaining(maker, tier, 1);
    warn_event_past(maker, tier);
}

/* Whoever holds a slot has been told until when: the end only moves away. */
static bool ends_later(struct maker *maker, const struct state_pledge *pledge, int64_t end_us,
                       const char *field)
{
    if (end_us > pledge->expires_us)
        return true;
    maker_refuse(maker, REASON(FIELD_INVALID), field, pledge->changed_seq, pledge);
    maker_say(maker, "why", "the hold would not end later than it does");
    maker_arg_number(maker, "expires_us", pledge->expires_us);
    maker_arg_number(maker, "asked_us", end_us);
    return false;
}

static void extend(struct maker *maker, const Pledged__V1__Extend *command)
{
    const struct state_pledge *pledge =
        pledge_find(maker, command->pledge, "extend.pledge", 1u << STAGE(HELD));
    if (pledge == NULL)
        return;
    const struct state_tier *tier = &maker->ledger->tier[pledge->tier];
    const Pledged__V1__CataloguePolicy *policy = pledge_catalogue(maker, tier)->policy;
    if (pledge->expires_us <= maker->now_us) { /* due, though the clock does not let it expire */
        maker_refuse(maker, REASON(STATE_WRONG), "extend.pledge", pledge->changed_seq, pledge);
        maker_arg(maker, "pledge", command->pledge);
        maker_arg(maker, "stage", "STAGE_EXPIRED");
        return;
    }
    if (pledge->extensions >= policy->hold_extensions_max) {
        maker_refuse(maker, REASON(EXTENSIONS_SPENT), "extend.pledge", pledge->changed_seq, pledge);
        maker_arg_number(maker, "max", policy->hold_extensions_max);
        return;
    }
    bool moment = command->until_case == PLEDGED__V1__EXTEND__UNTIL_UNTIL_US;
    int64_t for_s = command->until_case == PLEDGED__V1__EXTEND__UNTIL_FOR_S
                        ? command->for_s
                        : policy->hold_default_s;
    int64_t end_us;
    if (!hold_end(maker, policy, for_s, moment ? command->until_us : 0,
                  moment ? "extend.until_us" : "extend.for_s", pledge, &end_us) ||
        !ends_later(maker, pledge, end_us, moment ? "extend.until_us" : "extend.for_s"))
        return;
    Pledged__V1__Entry *entry = maker_entry(maker, pledge->last_seq);
    Pledged__V1__HoldExtended *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__hold_extended__init(fact);
    fact->pledge = command->pledge;
    fact->expires_us = end_us;
    entry->fact_case = FACT(HOLD_EXTENDED);
    entry->hold_extended = fact;
    pledge_receipt(maker, fact->pledge, maker_id(maker, 'C', pledge->contributor + 1), STAGE(HELD),
                   0, 0, -1);
    maker_outcome(maker)->expires_us = end_us;
    maker_remaining(maker, tier, 0);
}

/* Nobody is promoted into a tier without places, nor beside a slot that excludes another: whoever
 * would wait for that would wait for ever. */
static bool may_be_promoted(struct maker *maker, const struct state_tier *tier,
                            uint32_t contributor)
{
    const struct ledger *ledger = maker->ledger;
    if (tier->capacity == 0) {
        maker_refuse(maker, REASON(TIER_CLOSED), "wait.tier",
                     ledger->catalogue[tier->catalogue].current->adopted_seq, NULL);
        maker_say(maker, "why", "the tier has no places at all");
        return false;
    }
    uint32_t slot = state_slot_of(ledger, contributor, tier->catalogue);
    if (slot == STATE_NONE || pledge_catalogue(maker, tier)->policy->many_slots_per_contributor)
        return true;
    maker_refuse(maker, REASON(HAS_SLOT), "wait.contributor", ledger->pledge[slot].changed_seq,
                 NULL);
    maker_arg(maker, "pledge", maker_id(maker, 'P', (uint64_t)slot + 1));
    maker_say(maker, "use", "change the tier of that pledge once a place is free");
    return false;
}

static void wait_for(struct maker *maker, const Pledged__V1__Wait *command)
{
    const struct state_tier *tier = tier_in_force(maker, command->tier, "wait.tier");
    if (tier == NULL || closed(maker, tier, "wait.tier"))
        return;
    const struct state_contributor *who =
        find_contributor(maker, command->contributor, "wait.contributor");
    if (who == NULL)
        return;
    if (tier->capacity < 0 || (int64_t)state_tier_taken(tier) < tier->capacity) {
        maker_refuse(maker, REASON(TIER_NOT_FULL), "wait.tier", tier->taken_seq, NULL);
        maker_arg(maker, "tier", tier->code);
        return;
    }
    if (!may_be_promoted(maker, tier, contributor_index(maker, who)))
        return;
    /* one place in a queue is enough */
    uint32_t already = state_wait_of(maker->ledger, contributor_index(maker, who),
                                     (uint32_t)(tier - maker->ledger->tier));
    if (already != STATE_NONE) {
        maker_refuse(maker, REASON(STATE_WRONG), "wait.contributor",
                     maker->ledger->pledge[already].first_seq, NULL);
        maker_arg(maker, "pledge", maker_id(maker, 'P', already + 1));
        maker_arg(maker, "stage", "STAGE_WAITING");
        return;
    }
    Pledged__V1__Entry *entry = maker_entry(maker, 0);
    Pledged__V1__WaitAdded *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__wait_added__init(fact);
    fact->pledge = maker_id(maker, 'P', maker->ledger->pledge_count + 1);
    fact->contributor = command->contributor;
    fact->catalogue = pledge_catalogue(maker, tier)->code;
    fact->tier = (char *)(uintptr_t)tier->code;
    entry->fact_case = FACT(WAIT_ADDED);
    entry->wait_added = fact;
    pledge_receipt(maker, fact->pledge, fact->contributor, STAGE(WAITING), 0, 0, -1);
    maker_outcome(maker)->waiting_position = tier->waiting + 1;
    maker_remaining(maker, tier, 0);
}

/* --- submit --- */

/* number: of the pledge. */
static Pledged__V1__PledgeMade *pledge_made(struct maker *maker, const Pledged__V1__Submit *command,
                                            uint64_t number, uint64_t prev_seq)
{
    Pledged__V1__Entry *entry = maker_entry(maker, prev_seq);
    Pledged__V1__PledgeMade *fact = maker_take(maker, sizeof(*fact));
    pledged__v1__pledge_made__init(fact);
    fact->kind = command->kind != PLEDGED__V1__PLEDGE_KIND__PLEDGE_KIND_UNSPECIFIED
                     ? command->kind
                     : PLEDGED__V1__PLEDGE_KIND__PLEDGE_KIND_CASH;
    fact->campaign = command->campaign;
    fact->agreement_ref = command->agreement_ref;
    fact->reference = maker_take(maker, PL_REFERENCE_BYTES);
    (void)pl_reference_scor(number, fact->reference);
    fact->publish = command->publish != PLEDGED__V1__PUBLISH__PUBLISH_UNSPECIFIED
                        ? command->publish
                        : PLEDGED__V1__PUBLISH__PUBLISH_YES;
    fact->n_external_ref = command->n_external_ref;
    fact->external_ref = command->external_ref;
    entry->fact_case = FACT(PLEDGE_MADE);
    entry->pledge_made = fact;
    return fact;
}

/* Once the amount is there. */
static void value(struct maker *maker, Pledged__V1__PledgeMade *fact)
{
    const Pledged__V1__Entry *entry = maker->out->entry[maker->out->entry_count - 1];
    fact->valuation =
        valuation_of(maker, entry, fact->amount->minor, pl_currency_index(fact->amount->currency));
}

static void submit_held(struct maker *maker, const Pledged__V1__Submit *command)
{
    const struct state_pledge *pledge =
        pledge_find(maker, command->pledge, "submit.pledge", 1u << STAGE(HELD));
    if (pledge == NULL)
        return;
    const struct state_tier *tier = &maker->ledger->tier[pledge->tier];
    char *contributor = maker_id(maker, 'C', pledge->contributor + 1);
    const struct state_tier *named = tier;
    if (command->offer_case == PLEDGED__V1__SUBMIT__OFFER_TIER)
        named = pledge_tier_in(maker, tier->catalogue, command->tier, "submit.tier");
    if (named == NULL)
        return;
    bool other = command->contributor[0] != '\0' && strcmp(command->contributor, contributor) != 0;
    if (other || named != tier || command->offer_case == PLEDGED__V1__SUBMIT__OFFER_FREE) {
        maker_refuse(maker, REASON(FIELD_INVALID), other ? "submit.contributor" : "submit.offer",
                     pledge->first_seq, pledge);
        maker_say(maker, "why", "the hold says otherwise");
        return;
    }
    int64_t minor;
    int currency;
    if (!pledge_amount(maker, tier, pledge_offers(maker, tier), command->amount, "submit.amount",
                       &minor, &currency) ||
        !sum_fits(maker, minor, currency))
        return;
    Pledged__V1__PledgeMade *fact =
        pledge_made(maker, command, (uint64_t)pledge_index(maker, pledge) + 1, pledge->last_seq);
    fact->pledge = command->pledge;
    fact->contributor = contributor;
    fact->catalogue = pledge_catalogue(maker, tier)->code;
    fact->tier = (char *)(uintptr_t)tier->code;
    fact->amount = maker_money(maker, minor, currency);
    value(maker, fact);
    fact->purpose = PLEDGED__V1__PURPOSE__PURPOSE_FORUM;
    fact->from_hold = true;
    pledge_receipt(maker, fact->pledge, contributor, STAGE(PLEDGED), minor, pledge->allocated,
                   currency);
    maker_remaining(maker, tier, 0);
    warn_event_past(maker, tier);
}

static void submit_tier(struct maker *maker, const Pledged__V1__Submit *command)
{
    int64_t minor;
    int currency;
    const struct state_tier *tier = tier_in_force(maker, command->tier, "submit.tier");
    if (tier == NULL)
        return;
    const struct state_contributor *who =
        find_contributor(maker, command->contributor, "submit.contributor");
    if (who == NULL ||
        !pledge_amount(maker, tier, pledge_offers(maker, tier), command->amount, "submit.amount",
                       &minor, &currency) ||
        !sum_fits(maker, minor, currency) ||
        !pledge_slot_free(maker, tier, contributor_index(maker, who), STATE_NONE, "submit.tier"))
        return;
    Pledged__V1__PledgeMade *fact = pledge_made(maker, command, maker->ledger->pledge_count + 1, 0);
    fact->pledge = maker_id(maker, 'P', maker->ledger->pledge_count + 1);
    fact->contributor = command->contributor;
    fact->catalogue = pledge_catalogue(maker, tier)->code;
    fact->tier = (char *)(uintptr_t)tier->code;
    fact->amount = maker_money(maker, minor, currency);
    value(maker, fact);
    fact->purpose = PLEDGED__V1__PURPOSE__PURPOSE_FORUM;
    pledge_receipt(maker, fact->pledge, fact->contributor, STAGE(PLEDGED), minor, 0, currency);
    maker_remaining(maker, tier, 1);
    warn_event_past(maker, tier);
}

static void submit_free(struct maker *maker, const Pledged__V1__Submit *command)
{
    const struct state_contributor *who =
        find_contributor(maker, command->contributor, "submit.contributor");
    if (who == NULL)
        return;
    int currency = pl_currency_index(command->amount->currency);
    if (!sum_fits(maker, command->amount->minor, currency))
        return;
    Pledged__V1__PledgeMade *fact = pledge_made(maker, command, maker->ledger->pledge_count + 1, 0);
    fact->pledge = maker_id(maker, 'P', maker->ledger->pledge_count + 1);
    fact->contributor = command->contributor;
    fact->amount = command->amount;
    value(maker, fact);
    fact->purpose = PLEDGED__V1__PURPOSE__PURPOSE_FUND;
    pledge_receipt(maker, fact->pledge, fact->contributor, STAGE(PLEDGED), command->amount->minor,
                   0, currency);
}

void pledge_decide(struct maker *maker)
{
    const Pledged__V1__Command *command = maker->command;
    if (command->command_case == COMMAND(HOLD))
        hold(maker, command->hold);
    else if (command->command_case == COMMAND(EXTEND))
        extend(maker, command->extend);
    else if (command->command_case == COMMAND(WAIT))
        wait_for(maker, command->wait);
    else if (command->submit->pledge[0] != '\0')
        submit_held(maker, command->submit);
    else if (command->submit->offer_case == PLEDGED__V1__SUBMIT__OFFER_FREE)
        submit_free(maker, command->submit);
    else
        submit_tier(maker, command->submit);
}
