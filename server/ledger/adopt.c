/* SPDX-License-Identifier: Apache-2.0
 *
 * adopt: a catalogue, or a newer version of one. Slots that are taken bind it: no capacity below
 * them, no tier of theirs gone. Slots that it adds for a queue are given out by the next
 * ledger_decide_due. Failure: the refusal names the tier by its place in what was offered.
 */
#include <stdio.h>
#include <string.h>

#include "common/hash.h"
#include "server/ledger/change.h"

/* Place among the tiers offered; n_tier if it is not offered. */
static size_t tier_in(const Pledged__V1__Catalogue *catalogue, const char *code)
{
    size_t i = 0;
    while (i < catalogue->n_tier && strcmp(catalogue->tier[i]->code, code) != 0)
        i++;
    return i;
}

static bool tier_fits(struct maker *maker, const Pledged__V1__Catalogue *offered,
                      const struct state_tier *tier)
{
    int64_t taken = state_tier_taken(tier);
    size_t place = tier_in(offered, tier->code);
    const Pledged__V1__Tier *now = place < offered->n_tier ? offered->tier[place] : NULL;
    if (now == NULL && (taken != 0 || tier->waiting != 0)) {
        maker_refuse(maker, REASON(TIER_IN_USE), "adopt_catalogue.catalogue.tier", tier->taken_seq,
                     NULL);
        maker_arg(maker, "tier", tier->code);
        return false;
    }
    if (now != NULL && now->capacity->value_case == PLEDGED__V1__COUNT__VALUE_COUNT &&
        now->capacity->count < taken) {
        char field[64];
        (void)snprintf(field, sizeof(field), "adopt_catalogue.catalogue.tier[%zu].capacity", place);
        maker_refuse(maker, REASON(CAPACITY_BELOW_TAKEN), field, tier->taken_seq, NULL);
        maker_arg(maker, "tier", tier->code);
        maker_arg_number(maker, "taken", taken);
        return false;
    }
    return true;
}

static bool fits(struct maker *maker, const Pledged__V1__Catalogue *offered)
{
    const struct ledger *ledger = maker->ledger;
    int known = state_catalogue(ledger, offered->code);
    if (ledger->tier_count > STATE_TIERS_MAX ||
        (known < 0 && ledger->catalogue_count >= STATE_CATALOGUES_MAX)) {
        maker_refuse(maker, REASON(TOO_BIG), "adopt_catalogue.catalogue", 0, NULL);
        return false;
    }
    if (known < 0)
        return true;
    const struct catalogue *current = ledger->catalogue[known].current;
    if (offered->version <= current->msg->version) {
        maker_refuse(maker, REASON(CATALOGUE_NOT_NEWER), "adopt_catalogue.catalogue.version",
                     current->adopted_seq, NULL);
        maker_arg_number(maker, "version", current->msg->version);
        return false;
    }
    for (size_t i = 0; i < ledger->tier_count; i++) {
        if (ledger->tier[i].catalogue == (uint32_t)known &&
            !tier_fits(maker, offered, &ledger->tier[i]))
            return false;
    }
    return true;
}

void adopt_decide(struct maker *maker)
{
    const Pledged__V1__Catalogue *offered = maker->command->adopt_catalogue->catalogue;
    if (!fits(maker, offered))
        return;
    Pledged__V1__Entry *entry = maker_entry(maker, 0);
    Pledged__V1__CatalogueAdopted *fact = maker_alloc(maker, sizeof(*fact));
    uint8_t *sha256 = maker_alloc(maker, PL_SHA256_BYTES);
    pledged__v1__catalogue_adopted__init(fact);
    pl_sha256(catalogue_bytes_in_command(maker->command_bytes), sha256);
    fact->code = offered->code;
    fact->version = offered->version;
    fact->sha256 = (ProtobufCBinaryData){PL_SHA256_BYTES, sha256};
    fact->proposal_seq = entry->proposal_seq;
    entry->fact_case = FACT(CATALOGUE_ADOPTED);
    entry->catalogue_adopted = fact;
    maker_outcome(maker)->catalogue_sha256 = fact->sha256;
}
