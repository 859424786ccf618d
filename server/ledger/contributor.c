/* SPDX-License-Identifier: Apache-2.0
 *
 * contributor: organisations, in clear; never persons. A name belongs to one contributor (trimmed,
 * case and accents of letters and the form of apostrophes ignored), so that neither a retry under a
 * new request id nor another keyboard makes a twin.
 */
#include <string.h>

#include "server/ledger/twin.h"

static uint32_t holder_of(const struct ledger *ledger, const char *name)
{
    uint8_t key[16];
    state_key_of_name(name, key);
    const uint32_t *index = pl_map_get(&ledger->names, key);
    return index != NULL ? *index : STATE_NONE;
}

/* May the name be that of `own` (STATE_NONE: of a new one)? Else refused. */
static bool is_new(struct maker *maker, const char *name, uint32_t own, const char *field)
{
    uint32_t holder = holder_of(maker->ledger, name);
    bool alike = holder == STATE_NONE || holder == own;
    if (alike)
        holder = twin_of(maker->ledger, name, own);
    if (holder == STATE_NONE)
        return true;
    maker_refuse(maker, REASON(CONTRIBUTOR_DUPLICATE), field,
                 maker->ledger->contributor[holder].seq, NULL);
    maker_arg(maker, "contributor", maker_id(maker, 'C', (uint64_t)holder + 1));
    if (alike)
        maker_say(maker, "why",
                  "its name differs in accents, apostrophes, dashes, or marks that are not seen, "
                  "alone: if it is another one, add the place");
    return false;
}

static void add(struct maker *maker, const Pledged__V1__AddContributor *command)
{
    if (!is_new(maker, command->name, STATE_NONE, "add_contributor.name"))
        return;
    Pledged__V1__Entry *entry = maker_entry(maker, 0);
    Pledged__V1__ContributorAdded *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__contributor_added__init(fact);
    fact->contributor = maker_id(maker, 'C', maker->ledger->contributor_count + 1);
    fact->name = command->name;
    fact->kind = command->kind;
    fact->country = command->country;
    fact->itu_membership = command->itu_membership;
    fact->n_external_ref = command->n_external_ref;
    fact->external_ref = command->external_ref;
    entry->fact_case = FACT(CONTRIBUTOR_ADDED);
    entry->contributor_added = fact;
    maker_outcome(maker)->contributor = fact->contributor;
}

static void amend(struct maker *maker, const Pledged__V1__AmendContributor *command)
{
    const struct state_contributor *known = state_contributor(maker->ledger, command->contributor);
    if (known == NULL) {
        maker_refuse(maker, REASON(CONTRIBUTOR_UNKNOWN), "amend_contributor.contributor", 0, NULL);
        return;
    }
    if (!is_new(maker, command->name, (uint32_t)(known - maker->ledger->contributor),
                "amend_contributor.name"))
        return;
    Pledged__V1__Entry *entry = maker_entry(maker, 0);
    Pledged__V1__ContributorAmended *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__contributor_amended__init(fact);
    fact->contributor = command->contributor;
    fact->name = command->name;
    fact->kind = command->kind;
    fact->country = command->country;
    fact->itu_membership = command->itu_membership;
    fact->n_external_ref = command->n_external_ref;
    fact->external_ref = command->external_ref;
    entry->fact_case = FACT(CONTRIBUTOR_AMENDED);
    entry->contributor_amended = fact;
    maker_outcome(maker)->contributor = fact->contributor;
}

void contributor_decide(struct maker *maker)
{
    const Pledged__V1__Command *command = maker->command;
    if (command->command_case == COMMAND(ADD_CONTRIBUTOR))
        add(maker, command->add_contributor);
    else
        amend(maker, command->amend_contributor);
}
