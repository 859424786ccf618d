/* SPDX-License-Identifier: Apache-2.0
 *
 * apply: the only mutator, and the check that replay asks first. Each fact has a checker (const)
 * and an applier side by side: what the checker lets through, the applier does without failing.
 * Happy path: check, then apply. Failure: a log that breaks a rule is CORRUPT, with the rule's
 * words; nothing of it is applied.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/ids.h"
#include "common/money.h"
#include "common/reference.h"
#include "server/ledger/allocation.h"
#include "server/ledger/benefit.h"
#include "server/ledger/charge.h"
#include "server/ledger/closing.h"
#include "server/ledger/contact.h"
#include "server/ledger/learn.h"
#include "server/ledger/movement.h"
#include "server/ledger/payer.h"
#include "server/ledger/period.h"
#include "server/ledger/postings.h"
#include "server/ledger/proposal.h"
#include "server/ledger/rate.h"
#include "server/ledger/receipt.h"
#include "server/ledger/refund.h"
#include "server/ledger/returned.h"
#include "server/ledger/schedule.h"
#include "server/ledger/since.h"
#include "server/ledger/twin.h"
#include "server/ledger/valuation.h"
#include "server/ledger/waiver.h"

static uint32_t index_of(const struct ledger *ledger, const struct state_pledge *pledge)
{
    return (uint32_t)(pledge - ledger->pledge);
}

static bool in_stage(const struct state_pledge *pledge, unsigned mask)
{
    return pledge != NULL && (mask >> pledge->stage & 1) != 0;
}

static bool is_of(const struct state_pledge *pledge, const char *contributor)
{
    return pl_id_parse(contributor, 'C') == (uint64_t)pledge->contributor + 1;
}

/* The word for its tier that an entry carries along. */
static bool names_tier(const struct ledger *ledger, const struct state_pledge *pledge,
                       const char *tier)
{
    return strcmp(tier, pledge->tier == STATE_TIER_FREE ? "" : ledger->tier[pledge->tier].code) ==
           0;
}

static bool money_fine(const Pledged__V1__Money *money)
{
    return money != NULL && money->minor >= 0 && pl_currency_index(money->currency) >= 0;
}

static bool room_in(const struct state_tier *tier)
{
    return tier->capacity < 0 || (int64_t)state_tier_taken(tier) < tier->capacity; /* I1 */
}

/* The first microsecond of the year 3000: later days cannot be written as dates. */
static const int64_t TIME_END_US = 32503680000LL * 1000000;

static int month_of(const Pledged__V1__Entry *entry)
{
    int32_t days;
    if (!pl_is_ok(pl_date_parse(entry->effective_date, &days)))
        days = pl_date_of_us(entry->time_us);
    return pl_date_month(days);
}

/* --- daemon facts --- */

static struct pl_status check_sha256(const ProtobufCBinaryData *sha256)
{
    NEED(sha256->len == 32, "a hash has another length");
    return pl_ok();
}

static struct pl_status check_created(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__LedgerCreated *fact = entry->ledger_created;
    NEED(ledger->size == 0, "a ledger is created once");
    NEED(fact->ledger_id.len == 16 && strlen(fact->origin) < sizeof(ledger->origin),
         "the ledger's identity has another form");
    NEED(fact->format == 1, "the ledger has a format that this version does not know");
    return pl_ok();
}

static void apply_created(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    (void)snprintf(ledger->origin, sizeof(ledger->origin), "%s", entry->ledger_created->origin);
    memcpy(ledger->id, entry->ledger_created->ledger_id.data, sizeof(ledger->id));
}

/* --- catalogue --- */

static struct pl_status check_catalogue(const struct ledger *ledger,
                                        const Pledged__V1__Entry *entry)
{
    const Pledged__V1__CatalogueAdopted *fact = entry->catalogue_adopted;
    struct catalogue *offered = NULL;
    PL_TRY(check_sha256(&fact->sha256));
    struct pl_slice bytes = catalogue_bytes_in_command(proposal_command(ledger, entry));
    NEED(fact->proposal_seq == entry->proposal_seq, "a catalogue of another proposal");
    NEED(bytes.len != 0, "an adopted catalogue is missing");
    PL_TRY(catalogue_new(bytes, entry->seq, &offered));
    bool same = memcmp(offered->sha256, fact->sha256.data, 32) == 0 &&
                strcmp(offered->msg->code, fact->code) == 0 &&
                offered->msg->version == fact->version;
    int known = state_catalogue(ledger, fact->code);
    bool room = ledger->tier_count <= STATE_TIERS_MAX &&
                (known >= 0 || ledger->catalogue_count < STATE_CATALOGUES_MAX);
    bool newer = known < 0 || ledger->catalogue[known].current->msg->version < fact->version;
    bool fits = true;
    for (size_t i = 0; known >= 0 && i < ledger->tier_count; i++) {
        const struct state_tier *tier = &ledger->tier[i];
        int def = catalogue_find_tier(offered, tier->code);
        if (tier->catalogue != (uint32_t)known)
            continue;
        if (def < 0)
            fits = fits && state_tier_taken(tier) == 0 && tier->waiting == 0;
        else if (offered->msg->tier[def]->capacity->value_case == PLEDGED__V1__COUNT__VALUE_COUNT)
            fits =
                fits && offered->msg->tier[def]->capacity->count >= (int64_t)state_tier_taken(tier);
    }
    catalogue_unref(offered);
    NEED(same, "an adopted catalogue is not the one that was hashed");
    NEED(room, "more catalogues or tiers than a ledger holds");
    NEED(newer && fits, "an adopted catalogue does not fit the slots taken");
    return pl_ok();
}

static void set_tier(struct state_tier *tier, const Pledged__V1__Tier *def, int32_t index)
{
    tier->def = index;
    tier->capacity =
        def->capacity->value_case == PLEDGED__V1__COUNT__VALUE_COUNT ? def->capacity->count : -1;
}

static void set_tiers(struct ledger *ledger, uint32_t index)
{
    const Pledged__V1__Catalogue *msg = ledger->catalogue[index].current->msg;
    for (size_t i = 0; i < ledger->tier_count; i++) {
        if (ledger->tier[i].catalogue == index)
            ledger->tier[i].def = -1;
    }
    for (size_t i = 0; i < msg->n_tier; i++) {
        int known = state_tier(ledger, msg->code, msg->tier[i]->code);
        if (known < 0) {
            ledger->tier =
                reallocarray(ledger->tier, ledger->tier_count + 1, sizeof(*ledger->tier));
            PL_ASSERT(ledger->tier != NULL);
            known = (int)ledger->tier_count++;
            ledger->tier[known] = (struct state_tier){
                .catalogue = index, .wait_first = STATE_NONE, .wait_last = STATE_NONE};
            (void)snprintf(ledger->tier[known].code, sizeof(ledger->tier[known].code), "%s",
                           msg->tier[i]->code);
        }
        set_tier(&ledger->tier[known], msg->tier[i], (int32_t)i);
    }
}

/* Commitments under it go on. */
void apply_older(struct state_catalogue *of, struct catalogue *version)
{
    of->older = reallocarray(of->older, of->older_count + 1, sizeof(struct catalogue *));
    PL_ASSERT(of->older != NULL);
    of->older[of->older_count++] = version;
}

/* Makes it the one in force; takes the reference. */
static void adopt_version(struct ledger *ledger, struct catalogue *adopted)
{
    int known = state_catalogue(ledger, adopted->msg->code);
    if (known < 0) {
        ledger->catalogue = reallocarray(ledger->catalogue, ledger->catalogue_count + 1,
                                         sizeof(*ledger->catalogue));
        PL_ASSERT(ledger->catalogue != NULL);
        known = (int)ledger->catalogue_count++;
        ledger->catalogue[known] = (struct state_catalogue){.current = NULL};
    }
    if (ledger->catalogue[known].current != NULL)
        apply_older(&ledger->catalogue[known], ledger->catalogue[known].current);
    ledger->catalogue[known].current = adopted;
    ledger->catalogue_in_force = (uint32_t)known;
    set_tiers(ledger, (uint32_t)known);
}

static struct pl_status check_roster(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    (void)ledger;
    return check_sha256(&entry->roster_adopted->sha256);
}

static void apply_roster(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    memcpy(ledger->roster_sha256, entry->roster_adopted->sha256.data, 32);
}

static struct pl_status check_policy(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    (void)ledger;
    return proposal_check_policy(entry);
}

/* The accounts that an old log's policy does not name are none. */
static void apply_policy(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__PolicyAdopted *fact = entry->policy_adopted;
    proposal_apply_policy(ledger, fact);
    memcpy(ledger->policy_sha256, fact->sha256.data, 32);
    free(ledger->account);
    ledger->account_count = fact->n_account;
    ledger->account = calloc(fact->n_account + 1, sizeof(*ledger->account));
    PL_ASSERT(ledger->account != NULL);
    for (size_t i = 0; i < fact->n_account; i++) {
        struct state_account *account = &ledger->account[i];
        (void)snprintf(account->account, sizeof(account->account), "%.35s", fact->account[i]->iban);
        account->currency = (int16_t)pl_currency_index(fact->account[i]->currency);
        account->shared = fact->account[i]->shared != 0;
    }
}

static void adopt(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    struct catalogue *adopted = NULL;
    struct pl_status status = catalogue_new(
        catalogue_bytes_in_command(proposal_command(ledger, entry)), entry->seq, &adopted);
    PL_ASSERT(pl_is_ok(status)); /* checked */
    adopt_version(ledger, adopted);
}

/* --- contributors --- */

static struct pl_status check_contributor(const struct ledger *ledger, const char *id,
                                          const char *name, Pledged__V1__ContributorKind kind,
                                          bool is_new)
{
    uint64_t number = pl_id_parse(id, 'C');
    uint8_t key[16];
    NEED(is_new ? number == ledger->contributor_count + 1
                : number != 0 && number <= ledger->contributor_count,
         "a contributor's number is not the next one, or unknown");
    NEED(kind >= 1 && kind <= 5 && name[0] != '\0', "a contributor's kind or name is missing");
    state_key_of_name(name, key);
    const uint32_t *holder = pl_map_get(&ledger->names, key);
    NEED(holder == NULL || (!is_new && *holder == number - 1), "two contributors have one name");
    return pl_ok();
}

static void set_contributor(struct ledger *ledger, uint32_t index, const char *name,
                            Pledged__V1__ContributorKind kind, const char *country,
                            const char *membership, uint64_t seq)
{
    struct state_contributor *contributor = &ledger->contributor[index];
    uint8_t key[16];
    if (contributor->seq != 0) {
        state_key_of_name(ledger->text + contributor->name, key);
        (void)pl_map_remove(&ledger->names, key);
        twin_forget(ledger, index);
    }
    state_key_of_name(name, key);
    pl_map_put(&ledger->names, key, &index);
    contributor->name = state_add_text(ledger, name);
    twin_add(ledger, index);
    contributor->kind = (uint8_t)kind;
    (void)snprintf(contributor->country, sizeof(contributor->country), "%.2s", country);
    (void)snprintf(contributor->itu_membership, sizeof(contributor->itu_membership), "%.19s",
                   membership);
    contributor->seq = seq;
}

static struct pl_status check_contributor_added(const struct ledger *ledger,
                                                const Pledged__V1__Entry *entry)
{
    const Pledged__V1__ContributorAdded *fact = entry->contributor_added;
    return check_contributor(ledger, fact->contributor, fact->name, fact->kind, true);
}

static struct pl_status check_contributor_amended(const struct ledger *ledger,
                                                  const Pledged__V1__Entry *entry)
{
    const Pledged__V1__ContributorAmended *fact = entry->contributor_amended;
    return check_contributor(ledger, fact->contributor, fact->name, fact->kind, false);
}

static void add_contributor(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__ContributorAdded *fact = entry->contributor_added;
    ledger->contributor = state_grow(ledger->contributor, ledger->contributor_count,
                                     &ledger->contributor_cap, sizeof(*ledger->contributor));
    uint32_t index = (uint32_t)ledger->contributor_count++;
    ledger->contributor[index] = (struct state_contributor){.seq = 0};
    set_contributor(ledger, index, fact->name, fact->kind, fact->country, fact->itu_membership,
                    entry->seq);
}

static void amend_contributor(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__ContributorAmended *fact = entry->contributor_amended;
    set_contributor(ledger, (uint32_t)pl_id_parse(fact->contributor, 'C') - 1, fact->name,
                    fact->kind, fact->country, fact->itu_membership, entry->seq);
}

/* --- slots --- */

/* The next new pledge of a known contributor. */
static struct pl_status check_new_pledge(const struct ledger *ledger, uint64_t number,
                                         const char *contributor)
{
    NEED(number == ledger->pledge_count + 1, "a pledge's number is not the next one");
    NEED(state_contributor(ledger, contributor) != NULL, "a pledge of an unknown contributor");
    return pl_ok();
}

static struct pl_status check_hold(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__HoldPlaced *fact = entry->hold_placed;
    const struct state_pledge *pledge = state_pledge(ledger, fact->pledge);
    int tier = state_tier(ledger, fact->catalogue, fact->tier);
    NEED(tier >= 0 && ledger->tier[tier].def >= 0, "a hold of an unknown tier");
    if (pledge == NULL)
        PL_TRY(check_new_pledge(ledger, pl_id_parse(fact->pledge, 'P'), fact->contributor));
    else
        NEED(in_stage(pledge, 1u << STAGE(WAITING)) && pledge->tier == tier &&
                 is_of(pledge, fact->contributor),
             "a hold for a pledge that does not wait");
    NEED(room_in(&ledger->tier[tier]), "more holders than the tier has slots");
    NEED(fact->expires_us > entry->time_us, "a hold that begins expired");
    return pl_ok();
}

static void apply_hold(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__HoldPlaced *fact = entry->hold_placed;
    struct state_pledge *pledge = state_pledge(ledger, fact->pledge);
    uint16_t tier = (uint16_t)state_tier(ledger, fact->catalogue, fact->tier);
    uint32_t index =
        pledge != NULL ? index_of(ledger, pledge)
                       : state_add_pledge(ledger, (uint32_t)pl_id_parse(fact->contributor, 'C') - 1,
                                          tier, entry->seq, entry->time_us);
    ledger->pledge[index].expires_us = fact->expires_us;
    state_move(ledger, index, STAGE(HELD), tier, entry->seq);
}

static struct pl_status check_extended(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const struct state_pledge *pledge = state_pledge(ledger, entry->hold_extended->pledge);
    NEED(in_stage(pledge, 1u << STAGE(HELD)) && entry->hold_extended->expires_us > entry->time_us,
         "an extension of what is not held");
    NEED(!state_rules(ledger, 3) || entry->hold_extended->expires_us > pledge->expires_us,
         "an extension that ends a hold sooner");
    return pl_ok();
}

static void apply_extended(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    struct state_pledge *pledge = state_pledge(ledger, entry->hold_extended->pledge);
    pledge->extensions++;
    state_due_move(ledger, index_of(ledger, pledge), entry->hold_extended->expires_us);
}

static struct pl_status check_expired(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const struct state_pledge *pledge = state_pledge(ledger, entry->hold_expired->pledge);
    NEED(in_stage(pledge, 1u << STAGE(HELD)) && pledge->expires_us <= entry->time_us,
         "an expiry of what is not due");
    NEED(names_tier(ledger, pledge, entry->hold_expired->tier) &&
             entry->cause_seq == pledge->changed_seq,
         "an expiry of another hold");
    return pl_ok();
}

static void set_stage(struct ledger *ledger, const char *id, uint8_t stage, uint64_t seq)
{
    struct state_pledge *pledge = state_pledge(ledger, id);
    tally_pledge(ledger, pledge, -1);
    state_move(ledger, index_of(ledger, pledge), stage, pledge->tier, seq);
    tally_pledge(ledger, pledge, 1);
}

static void apply_expired(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    set_stage(ledger, entry->hold_expired->pledge, STAGE(EXPIRED), entry->seq);
}

static struct pl_status check_wait(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__WaitAdded *fact = entry->wait_added;
    int tier = state_tier(ledger, fact->catalogue, fact->tier);
    NEED(tier >= 0 && ledger->tier[tier].def >= 0, "a queue of an unknown tier");
    PL_TRY(check_new_pledge(ledger, pl_id_parse(fact->pledge, 'P'), fact->contributor));
    NEED(state_wait_of(ledger, (uint32_t)pl_id_parse(fact->contributor, 'C') - 1, (uint32_t)tier) ==
             STATE_NONE,
         "one contributor waits twice for one tier");
    NEED(!state_rules(ledger, 3) || ledger->tier[tier].capacity != 0,
         "a queue for a tier without a place");
    return pl_ok();
}

static void apply_wait(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__WaitAdded *fact = entry->wait_added;
    uint16_t tier = (uint16_t)state_tier(ledger, fact->catalogue, fact->tier);
    uint32_t index = state_add_pledge(ledger, (uint32_t)pl_id_parse(fact->contributor, 'C') - 1,
                                      tier, entry->seq, entry->time_us);
    state_move(ledger, index, STAGE(WAITING), tier, entry->seq);
}

static struct pl_status check_promoted(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const struct state_pledge *pledge = state_pledge(ledger, entry->wait_promoted->pledge);
    NEED(in_stage(pledge, 1u << STAGE(WAITING)), "a promotion of what does not wait");
    NEED(names_tier(ledger, pledge, entry->wait_promoted->tier), "a promotion in another queue");
    return pl_ok();
}

/* --- the promise --- */

static struct pl_status check_made(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__PledgeMade *fact = entry->pledge_made;
    const uint64_t number = pl_id_parse(fact->pledge, 'P');
    const struct state_pledge *pledge = state_pledge_of(ledger, number);
    NEED(money_fine(fact->amount) && fact->amount->minor > 0, "a pledge without an amount");
    const int currency = pl_currency_index(fact->amount->currency);
    NEED(tally_may_pledge(ledger, currency, fact->amount->minor), "a total leaves 64 bits");
    char reference[PL_REFERENCE_BYTES];
    NEED(fact->reference[0] == '\0' ||
             strcmp(fact->reference, pl_reference_scor(number, reference)) == 0,
         "a pledge with the reference of another one");
    NEED((unsigned)fact->kind <= UINT8_MAX && (unsigned)fact->purpose <= UINT8_MAX &&
             (unsigned)fact->publish <= UINT8_MAX,
         "a pledge of a kind that does not exist");
    PL_TRY(valuation_check(ledger, entry, fact->valuation, fact->amount->minor, currency));
    if (fact->from_hold) {
        NEED(in_stage(pledge, 1u << STAGE(HELD)) && is_of(pledge, fact->contributor),
             "a pledge from a hold that is not there");
        NEED(state_tier(ledger, fact->catalogue, fact->tier) == pledge->tier,
             "a pledge of another tier than its hold");
        return pl_ok();
    }
    PL_TRY(check_new_pledge(ledger, number, fact->contributor));
    NEED(fact->converted_from[0] == '\0' ||
             (fact->tier[0] == '\0' && state_bank_entry(ledger, fact->converted_from) != NULL),
         "a free contribution of unknown money");
    if (fact->tier[0] == '\0')
        return pl_ok();
    int tier = state_tier(ledger, fact->catalogue, fact->tier);
    NEED(tier >= 0 && ledger->tier[tier].def >= 0, "a pledge of an unknown tier");
    NEED(room_in(&ledger->tier[tier]), "more holders than the tier has slots");
    return pl_ok();
}

static void apply_made(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__PledgeMade *fact = entry->pledge_made;
    struct state_pledge *known = state_pledge(ledger, fact->pledge);
    uint16_t tier = fact->tier[0] == '\0'
                        ? STATE_TIER_FREE
                        : (uint16_t)state_tier(ledger, fact->catalogue, fact->tier);
    uint32_t index =
        known != NULL ? index_of(ledger, known)
                      : state_add_pledge(ledger, (uint32_t)pl_id_parse(fact->contributor, 'C') - 1,
                                         tier, entry->seq, entry->time_us);
    struct state_pledge *pledge = &ledger->pledge[index];
    pledge->amount = fact->amount->minor;
    pledge->currency = (int16_t)pl_currency_index(fact->amount->currency);
    pledge->month = (uint16_t)month_of(entry);
    since_made(ledger, index, entry);
    pledge->kind = (uint8_t)fact->kind;
    pledge->purpose = (uint8_t)fact->purpose;
    pledge->publish = (uint8_t)fact->publish;
    valuation_keep(&ledger->pledge_rates, index, fact->valuation);
    pledge->received = allocation_free_of(ledger, pledge); /* its currency is known only now */
    state_move(ledger, index, STAGE(PLEDGED), tier, entry->seq);
    tally_pledge(ledger, &ledger->pledge[index], 1);
}

static struct pl_status check_committed(const struct ledger *ledger,
                                        const Pledged__V1__Entry *entry)
{
    const Pledged__V1__CommitmentSigned *fact = entry->commitment_signed;
    const struct state_pledge *pledge = state_pledge(ledger, fact->pledge);
    NEED(in_stage(pledge, 1u << STAGE(PLEDGED)), "a commitment to what is not pledged");
    PL_TRY(check_sha256(&fact->agreement_sha256));
    if (pledge->tier == STATE_TIER_FREE) {
        NEED(fact->catalogue[0] == '\0' && fact->catalogue_version == 0 &&
                 fact->catalogue_sha256.len == 0 && fact->grants == 0,
             "a free contribution under a catalogue");
        return pl_ok();
    }
    const struct state_tier *tier = &ledger->tier[pledge->tier];
    const struct catalogue *now = ledger->catalogue[tier->catalogue].current;
    NEED(strcmp(fact->catalogue, now->msg->code) == 0 &&
             fact->catalogue_version == now->msg->version &&
             fact->catalogue_sha256.len == sizeof(now->sha256) &&
             memcmp(fact->catalogue_sha256.data, now->sha256, sizeof(now->sha256)) == 0 &&
             fact->grants == catalogue_grants(now, tier->code),
         "a commitment under another catalogue than the one in force");
    return pl_ok();
}

static void freeze(struct ledger *ledger, const struct state_pledge *pledge, uint64_t seq)
{
    if (pledge->tier != STATE_TIER_FREE && pledge->stage == STAGE(COMMITTED))
        benefit_freeze(ledger, index_of(ledger, pledge), seq);
}

static void apply_committed(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    set_stage(ledger, entry->commitment_signed->pledge, STAGE(COMMITTED), entry->seq);
    freeze(ledger, state_pledge(ledger, entry->commitment_signed->pledge), entry->seq);
}

static struct pl_status check_amount(const struct ledger *ledger, const struct state_pledge *pledge,
                                     const Pledged__V1__Money *amount)
{
    NEED(money_fine(amount) && pl_currency_index(amount->currency) == pledge->currency &&
             amount->minor > 0 && amount->minor >= state_settled(pledge),
         "a new amount that does not fit the pledge");
    NEED(tally_may_pledge(ledger, pledge->currency, amount->minor - pledge->amount),
         "a total leaves 64 bits");
    NEED(!state_rules(ledger, 3) ||
             valuation_fits(ledger, index_of(ledger, pledge), pledge->currency, amount->minor),
         "a value leaves 64 bits");
    return pl_ok();
}

static struct pl_status check_amended(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const struct state_pledge *pledge = state_pledge(ledger, entry->commitment_amended->pledge);
    NEED(in_stage(pledge, 1u << STAGE(COMMITTED)), "an amendment of what is not committed");
    const Pledged__V1__Money *previous = entry->commitment_amended->previous;
    NEED(previous != NULL && previous->minor == pledge->amount &&
             pl_currency_index(previous->currency) == pledge->currency,
         "an amendment of another amount than the pledge has");
    return check_amount(ledger, pledge, entry->commitment_amended->amount);
}

static void apply_amended(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    struct state_pledge *pledge = state_pledge(ledger, entry->commitment_amended->pledge);
    tally_pledge(ledger, pledge, -1);
    since_amended(ledger, index_of(ledger, pledge), entry->commitment_amended->amount->minor,
                  entry);
    pledge->amount = entry->commitment_amended->amount->minor;
    schedule_follow(ledger, pledge);
    tally_pledge(ledger, pledge, 1);
}

static struct pl_status check_changed(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__TierChanged *fact = entry->tier_changed;
    const struct state_pledge *pledge = state_pledge(ledger, fact->pledge);
    int tier = state_tier(ledger, fact->catalogue, fact->to_tier);
    NEED(in_stage(pledge, 1u << STAGE(HELD) | 1u << STAGE(PLEDGED) | 1u << STAGE(COMMITTED)) &&
             pledge->tier != STATE_TIER_FREE,
         "a change of tier of what has none");
    NEED(names_tier(ledger, pledge, fact->from_tier), "a change from another tier");
    NEED(tier >= 0 && tier != pledge->tier && ledger->tier[tier].def >= 0,
         "a change to an unknown tier");
    NEED(room_in(&ledger->tier[tier]), "more holders than the tier has slots");
    if (pledge->stage != STAGE(HELD))
        return check_amount(ledger, pledge, fact->amount);
    NEED(fact->amount == NULL, "an amount of what is only held");
    return pl_ok();
}

static void apply_changed(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__TierChanged *fact = entry->tier_changed;
    struct state_pledge *pledge = state_pledge(ledger, fact->pledge);
    tally_all_of(ledger, pledge, -1);
    if (fact->amount != NULL) {
        since_amended(ledger, index_of(ledger, pledge), fact->amount->minor, entry);
        pledge->amount = fact->amount->minor;
    }
    schedule_follow(ledger, pledge);
    state_move(ledger, index_of(ledger, pledge), pledge->stage,
               (uint16_t)state_tier(ledger, fact->catalogue, fact->to_tier), entry->seq);
    freeze(ledger, pledge, entry->seq);
    tally_all_of(ledger, pledge, 1);
}

static struct pl_status check_stage(const struct ledger *ledger, const char *id, unsigned mask)
{
    NEED(in_stage(state_pledge(ledger, id), mask), "an end of what is not open");
    return pl_ok();
}

/* Ends a pledge; what was allocated to it becomes free money of its bank entries. */
static void close_pledge(struct ledger *ledger, const char *id, uint8_t stage, uint8_t money_plan,
                         const Pledged__V1__Entry *entry)
{
    allocation_undo_all(ledger, state_pledge(ledger, id), entry);
    state_pledge(ledger, id)->money_plan = money_plan;
    set_stage(ledger, id, stage, entry->seq);
}

static struct pl_status check_withdrawn(const struct ledger *ledger,
                                        const Pledged__V1__Entry *entry)
{
    const Pledged__V1__Withdrawn *fact = entry->withdrawn;
    PL_TRY(check_stage(ledger, fact->pledge,
                       1u << STAGE(WAITING) | 1u << STAGE(HELD) | 1u << STAGE(PLEDGED)));
    NEED(names_tier(ledger, state_pledge(ledger, fact->pledge), fact->tier),
         "an end that names another tier");
    return pl_ok();
}

static void apply_withdrawn(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    close_pledge(ledger, entry->withdrawn->pledge, STAGE(WITHDRAWN), 0, entry);
}

static struct pl_status check_cancelled(const struct ledger *ledger,
                                        const Pledged__V1__Entry *entry)
{
    const Pledged__V1__Cancelled *fact = entry->cancelled;
    const struct state_pledge *pledge = state_pledge(ledger, fact->pledge);
    NEED((unsigned)fact->money_plan <= UINT8_MAX, "a money plan that does not exist");
    PL_TRY(check_stage(ledger, fact->pledge, 1u << STAGE(COMMITTED)));
    NEED(names_tier(ledger, pledge, fact->tier) &&
             state_money_is(fact->deallocated, pledge->allocated, pledge->currency),
         "an end that names another tier, or other money");
    return pl_ok();
}

static void apply_cancelled(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    close_pledge(ledger, entry->cancelled->pledge, STAGE(CANCELLED),
                 (uint8_t)entry->cancelled->money_plan, entry);
}

/* --- the table: one row a fact --- */

static struct pl_status check_refused(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__CommandRefused *fact = entry->command_refused;
    NEED(fact->reason > 0 && fact->deciding_seq <= ledger->size,
         "a refusal without a reason, or by what is still to come");
    return pl_ok();
}

/* CommandRefused: its request id is remembered. WaitPromoted: the HoldPlaced behind it moves. */
static void apply_nothing(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    (void)ledger, (void)entry;
}

/* Whether the bytes are those of the command is a matter of its digest: whoever decides it again
 * puts them together. Here: they are as many as its first entry says, cut where they have to be. */
static struct pl_status check_continued(const struct ledger *ledger,
                                        const Pledged__V1__Entry *entry)
{
    size_t left = ledger->unfinished_bytes;
    NEED(!ledger_is_whole(ledger) && entry->cause_seq == ledger->unfinished_seq &&
             entry->request_id.len != 0,
         "a part of no command");
    NEED(entry->command_continued->bytes.len ==
             (left < LEDGER_COMMAND_PART_BYTES ? left : LEDGER_COMMAND_PART_BYTES),
         "a part of a command that is longer or shorter");
    return pl_ok();
}

static void apply_continued(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    ledger->unfinished_bytes -= entry->command_continued->bytes.len;
    if (ledger->unfinished_bytes == 0)
        ledger->unfinished_seq = 0;
}

struct fact_row {
    struct pl_status (*check)(const struct ledger *ledger, const Pledged__V1__Entry *entry);
    void (*apply)(struct ledger *ledger, const Pledged__V1__Entry *entry);
    size_t pledge; /* where in the fact's message the pledge's id stands; 0: it is about none */
};

#define ABOUT(message_) offsetof(Pledged__V1__##message_, pledge)
static const struct fact_row fact_rows[] = {
    [FACT(LEDGER_CREATED)] = {check_created, apply_created, 0},
    [FACT(ROSTER_ADOPTED)] = {check_roster, apply_roster, 0},
    [FACT(POLICY_ADOPTED)] = {check_policy, apply_policy, 0},
    [FACT(CATALOGUE_ADOPTED)] = {check_catalogue, adopt, 0},
    [FACT(COMMAND_REFUSED)] = {check_refused, apply_nothing, ABOUT(CommandRefused)},
    [FACT(PROPOSED)] = {proposal_check, proposal_apply, ABOUT(Proposed)},
    [FACT(PROPOSAL_REJECTED)] = {proposal_check, proposal_apply, ABOUT(ProposalRejected)},
    [FACT(PROPOSAL_EXPIRED)] = {proposal_check, proposal_apply, ABOUT(ProposalExpired)},
    [FACT(COMMAND_CONTINUED)] = {check_continued, apply_continued, 0},
    [FACT(CONTRIBUTOR_ADDED)] = {check_contributor_added, add_contributor, 0},
    [FACT(CONTRIBUTOR_AMENDED)] = {check_contributor_amended, amend_contributor, 0},
    [FACT(CONTACT_RECORDED)] = {contact_check, contact_apply, 0},
    [FACT(SUBJECT_ERASED)] = {contact_check, contact_apply, 0},
    [FACT(LEGAL_HOLD_SET)] = {contact_check, contact_apply, 0},
    [FACT(HOLD_PLACED)] = {check_hold, apply_hold, ABOUT(HoldPlaced)},
    [FACT(HOLD_EXTENDED)] = {check_extended, apply_extended, ABOUT(HoldExtended)},
    [FACT(HOLD_EXPIRED)] = {check_expired, apply_expired, ABOUT(HoldExpired)},
    [FACT(WAIT_ADDED)] = {check_wait, apply_wait, ABOUT(WaitAdded)},
    [FACT(WAIT_PROMOTED)] = {check_promoted, apply_nothing, ABOUT(WaitPromoted)},
    [FACT(PLEDGE_MADE)] = {check_made, apply_made, ABOUT(PledgeMade)},
    [FACT(COMMITMENT_SIGNED)] = {check_committed, apply_committed, ABOUT(CommitmentSigned)},
    [FACT(COMMITMENT_AMENDED)] = {check_amended, apply_amended, ABOUT(CommitmentAmended)},
    [FACT(TIER_CHANGED)] = {check_changed, apply_changed, ABOUT(TierChanged)},
    [FACT(WITHDRAWN)] = {check_withdrawn, apply_withdrawn, ABOUT(Withdrawn)},
    [FACT(CANCELLED)] = {check_cancelled, apply_cancelled, ABOUT(Cancelled)},
    [FACT(SCHEDULE_SET)] = {schedule_check, schedule_apply, ABOUT(ScheduleSet)},
    [FACT(PLEDGE_CLOSED)] = {closing_check, closing_apply, ABOUT(PledgeClosed)},
    [FACT(BENEFIT_CLAIMED)] = {benefit_check, benefit_apply, ABOUT(BenefitClaimed)},
    [FACT(BENEFIT_DECLINED)] = {benefit_check, benefit_apply, ABOUT(BenefitDeclined)},
    [FACT(BENEFIT_DELIVERED)] = {benefit_check, benefit_apply, ABOUT(BenefitDelivered)},
    [FACT(PAYMENT_RECORDED)] = {allocation_check_payment, allocation_apply_payment,
                                ABOUT(PaymentRecorded)},
    [FACT(ALLOCATED)] = {allocation_check, allocation_apply, ABOUT(Allocated)},
    [FACT(REVERSED)] = {allocation_check_reversed, allocation_apply_reversed, ABOUT(Reversed)},
    [FACT(STATEMENT_IMPORTED)] = {movement_check, movement_apply, 0},
    [FACT(BANK_ENTRY_RECORDED)] = {movement_check, movement_apply, 0},
    [FACT(STATEMENT_REPEATED)] = {movement_check, movement_apply, 0},
    [FACT(PAYMENT_CONFIRMED)] = {movement_check, movement_apply, ABOUT(PaymentConfirmed)},
    [FACT(PAYER_LEARNED)] = {payer_check_learned, payer_apply_learned, 0},
    [FACT(MOVEMENT_LEARNED)] = {learn_check, learn_apply, 0},
    [FACT(BANK_REVERSAL)] = {movement_check, movement_apply, ABOUT(BankReversal)},
    [FACT(CHARGE_BOOKED)] = {charge_check, charge_apply, 0},
    [FACT(REFUND_ORDERED)] = {refund_check, refund_apply, ABOUT(RefundOrdered)},
    [FACT(REFUND_PAID)] = {refund_check, refund_apply, ABOUT(RefundPaid)},
    [FACT(REFUND_RETURNED)] = {returned_check, returned_apply, ABOUT(RefundReturned)},
    [FACT(REFUND_CANCELLED)] = {refund_check, refund_apply, ABOUT(RefundCancelled)},
    [FACT(WRITTEN_OFF)] = {waiver_check, waiver_apply, ABOUT(WrittenOff)},
    [FACT(DIFFERENCE_ACCEPTED)] = {waiver_check, waiver_apply, ABOUT(DifferenceAccepted)},
    [FACT(RATE_RECORDED)] = {rate_check, rate_apply, 0},
    [FACT(RECEIPT_ISSUED)] = {receipt_check, receipt_apply, ABOUT(ReceiptIssued)},
    [FACT(CERTIFICATE_ISSUED)] = {receipt_check, receipt_apply, ABOUT(CertificateIssued)},
    [FACT(PERIOD_CLOSED)] = {period_check, period_apply, 0},
    [FACT(PERIOD_REOPENED)] = {period_check, period_apply, 0},
    [FACT(POSTINGS_EXPORTED)] = {postings_check, postings_apply, 0},
};

/* NULL: a fact that this version does not know. */
static const struct fact_row *row_of(const Pledged__V1__Entry *entry)
{
    size_t fact = (size_t)entry->fact_case;
    return fact < sizeof(fact_rows) / sizeof(fact_rows[0]) && fact_rows[fact].check != NULL
               ? &fact_rows[fact]
               : NULL;
}

const char *apply_pledge_of(const Pledged__V1__Entry *entry)
{
    const struct fact_row *row = row_of(entry);
    const char *pledge = "";
    /* every member of the union is a pointer to a message: any of them is the fact's address */
    if (row != NULL && row->pledge != 0)
        memcpy((void *)&pledge, (const uint8_t *)entry->ledger_created + row->pledge,
               sizeof(pledge));
    return pledge;
}

/* A movement that says which parts of who paid its record holds. */
static bool says_parts(const Pledged__V1__Entry *entry)
{
    const Pledged__V1__Movement *movement = NULL;
    if (entry->fact_case == FACT(BANK_ENTRY_RECORDED))
        movement = entry->bank_entry_recorded->movement;
    if (entry->fact_case == FACT(PAYMENT_CONFIRMED))
        movement = entry->payment_confirmed->movement;
    return movement != NULL && movement->detail_parts != 0;
}

uint32_t ledger_min_reader(const Pledged__V1__Entry *entry)
{
    /* whoever adds a fact, or a field without which an entry means something else, adds it here */
    if (entry->fact_case == FACT(MOVEMENT_LEARNED) || says_parts(entry))
        return 5;
    if (entry->fact_case == FACT(PAYER_LEARNED))
        return 4;
    if (entry->fact_case == FACT(REFUND_RETURNED) ||
        (entry->fact_case == FACT(CHARGE_BOOKED) && entry->charge_booked->given_back))
        return 3;
    return entry->fact_case == FACT(COMMAND_CONTINUED) || entry->command_bytes != 0 ? 2 : 1;
}

/* The first entry of a command has the command; the others point to the first. */
static struct pl_status check_request(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    NEED(entry->command_bytes == 0 || (entry->command.len == LEDGER_COMMAND_PART_BYTES &&
                                       entry->command_bytes > LEDGER_COMMAND_PART_BYTES &&
                                       entry->command_bytes <= LEDGER_IMPORT_BYTES_MAX),
         "a command that goes on and does not");
    if (entry->command.len == 0) {
        NEED(entry->request_id.len == 0 ||
                 (entry->request_id.len == LEDGER_REQUEST_ID_BYTES && entry->cause_seq != 0 &&
                  ledger_find_request(ledger, entry->request_id.data) == entry->cause_seq),
             "an entry of a command that is not there");
        NEED(entry->cause_seq < entry->seq, "an entry that a later one caused");
        return pl_ok();
    }
    NEED(entry->request_id.len == LEDGER_REQUEST_ID_BYTES && entry->command_digest.len == 32,
         "a command without request id or digest");
    NEED(ledger_find_request(ledger, entry->request_id.data) == 0,
         "a request id has a second effect");
    NEED(entry->cause_seq == 0, "a command that another entry caused");
    return pl_ok();
}

struct pl_status ledger_check(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    NEED(entry->seq == ledger->size + 1, "the entry's number is not the next one");
    NEED(entry->time_us > ledger->last_time_us && entry->time_us < TIME_END_US,
         "the entry's time does not follow");
    NEED((ledger->size == 0) == (entry->fact_case == FACT(LEDGER_CREATED)),
         "a ledger begins with its creation");
    if (entry->fact_case == FACT(_NOT_SET) && entry->base.n_unknown_fields != 0)
        return pl_fail(UNIMPLEMENTED, "a fact that this version does not know");
    NEED(entry->actor != NULL, "an entry without an actor");
    NEED(ledger_is_whole(ledger) || entry->fact_case == FACT(COMMAND_CONTINUED),
         "an entry where the rest of a command should be");
    PL_TRY(check_request(ledger, entry));
    PL_TRY(period_check_dates(ledger, entry));
    PL_TRY(since_check(ledger, entry));
    PL_TRY(proposal_check_carried(ledger, entry));
    const char *pledge = apply_pledge_of(entry);
    const struct state_pledge *known = state_pledge(ledger, pledge);
    NEED(entry->prev_seq == (known != NULL ? known->last_seq : 0),
         "the entry does not follow the pledge's last one");
    const struct fact_row *row = row_of(entry);
    NEED(row != NULL, "a fact that this version does not know");
    return row->check(ledger, entry);
}

/* Refusals and proposals stand in a pledge's history, and decide nothing about it. */
static bool changes(const Pledged__V1__Entry *entry)
{
    return entry->fact_case != FACT(COMMAND_REFUSED) && entry->fact_case != FACT(PROPOSED) &&
           entry->fact_case != FACT(PROPOSAL_REJECTED) &&
           entry->fact_case != FACT(PROPOSAL_EXPIRED);
}

/* Of a pledge that takes no money any more: what ended it decides that, and not what came later. 0:
 * it goes on, or is not there. */
static uint8_t stage_over(const struct state_pledge *pledge)
{
    if (pledge == NULL)
        return 0;
    switch ((int)pledge->stage) {
    case STAGE(EXPIRED):
    case STAGE(WITHDRAWN):
    case STAGE(CANCELLED):
    case STAGE(CLOSED):
        return pledge->stage;
    default:
        return 0;
    }
}

void ledger_apply(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    PL_ASSERT(entry->seq == ledger->size + 1 && entry->time_us > ledger->last_time_us);
    const struct fact_row *row = row_of(entry);
    PL_ASSERT(row != NULL); /* checked */
    const uint64_t number = pl_id_parse(apply_pledge_of(entry), 'P');
    uint8_t over = stage_over(state_pledge_of(ledger, number));
    row->apply(ledger, entry);
    proposal_carried(ledger, entry);
    ledger->size = entry->seq;
    ledger->last_time_us = entry->time_us;
    if (entry->command.len != 0) {
        uint64_t seq = entry->seq;
        PL_ASSERT(entry->request_id.len == LEDGER_REQUEST_ID_BYTES);
        pl_map_put(&ledger->requests, entry->request_id.data, &seq);
    }
    if (entry->command_bytes != 0) {
        ledger->unfinished_seq = entry->seq;
        ledger->unfinished_bytes = entry->command_bytes - entry->command.len;
    }
    struct state_pledge *pledge = state_pledge_of(ledger, number);
    if (pledge != NULL)
        pledge->last_seq = entry->seq;
    if (pledge != NULL && changes(entry) && (over == 0 || over != pledge->stage))
        pledge->changed_seq = entry->seq;
}
