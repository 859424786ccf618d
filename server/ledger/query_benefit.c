/* SPDX-License-Identifier: Apache-2.0
 *
 * query_benefit: what a tier gives and a pledge has coming.
 */
#include <string.h>

#include "common/check.h"
#include "common/pack.h"
#include "common/scan.h"
#include "server/ledger/benefit.h"
#include "server/ledger/query_private.h"

static const Pledged__V1__Section *find_section(const Pledged__V1__Catalogue *catalogue,
                                                const char *code)
{
    for (size_t i = 0; i < catalogue->n_section; i++)
        if (strcmp(catalogue->section[i]->code, code) == 0)
            return catalogue->section[i];
    return NULL;
}

static Pledged__V1__BenefitLine *benefit_line(const Pledged__V1__Catalogue *catalogue,
                                              const Pledged__V1__Benefit *benefit,
                                              const Pledged__V1__Grant *grant,
                                              struct pl_arena *arena)
{
    Pledged__V1__BenefitLine *line = query_message(arena, &pledged__v1__benefit_line__descriptor);
    if (line == NULL)
        return NULL;
    const Pledged__V1__Section *section = find_section(catalogue, benefit->section);
    line->code = benefit->code;
    line->section = benefit->section;
    line->section_label = section != NULL ? section->label : NULL;
    line->n_section_label = section != NULL ? section->n_label : 0;
    line->label = benefit->label;
    line->n_label = benefit->n_label;
    line->tier = grant->tier;
    line->quantity = grant->quantity;
    line->unit = grant->unit;
    line->attribute = grant->attribute;
    line->n_attribute = grant->n_attribute;
    line->note = grant->note;
    line->n_note = grant->n_note;
    line->phase = benefit->phase;
    line->due = benefit->due;
    line->asset = benefit->asset;
    return line;
}

bool query_tier_benefits(const Pledged__V1__Catalogue *catalogue, const char *tier_code,
                         struct pl_arena *arena, Pledged__V1__BenefitLine ***ret, size_t *ret_count)
{
    size_t count = catalogue->n_benefit;
    Pledged__V1__BenefitLine **line = pl_arena_alloc(arena, (count + 1) * sizeof(*line));
    if (line == NULL)
        return false;
    for (size_t g = 0; g < catalogue->n_grant; g++) {
        const Pledged__V1__Grant *grant = catalogue->grant[g];
        if (strcmp(grant->tier, tier_code) != 0)
            continue;
        size_t b = 0;
        while (b < count && strcmp(catalogue->benefit[b]->code, grant->benefit) != 0)
            b++;
        if (b == count)
            continue; /* a validated catalogue has no such grant */
        line[b] = benefit_line(catalogue, catalogue->benefit[b], grant, arena);
        if (line[b] == NULL)
            return false;
    }
    size_t kept = 0;
    for (size_t b = 0; b < count; b++)
        if (line[b] != NULL)
            line[kept++] = line[b];
    *ret = line;
    *ret_count = kept;
    return true;
}

static void add_fulfilment(const struct ledger *ledger, uint32_t pledge,
                           Pledged__V1__BenefitLine *line)
{
    const struct state_fulfilment *row = benefit_of(ledger, pledge, line->code);
    line->left = benefit_left(row, line->quantity);
    if (row == NULL)
        return;
    line->claimed = row->claimed;
    line->declined = row->declined;
    line->delivered = row->delivered;
}

static bool has_benefits(const struct state_pledge *pledge)
{
    return pledge->tier != STATE_TIER_FREE &&
           (state_stage_live(pledge->stage) || pledge->stage == PLEDGED__V1__STAGE__STAGE_WAITING);
}

/* A deep copy, because the catalogue may be gone when the response is packed. */
static bool copy_message(struct query *q, const ProtobufCMessage *message, ProtobufCMessage **ret)
{
    struct pl_slice bytes = pl_pack(message, q->arena);
    return bytes.data != NULL &&
           pl_is_ok(pl_unpack_trusted(message->descriptor, bytes, q->arena, ret));
}

enum pl_code query_pledge_benefits(const struct ledger *ledger, const struct query_log *log,
                                   const ProtobufCMessage *request, struct pl_arena *arena,
                                   ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    struct query q = {ledger, log, arena, ret_refusal, false};
    const Pledged__V1__ListBenefitsRequest *want =
        (const Pledged__V1__ListBenefitsRequest *)request;
    PL_ASSERT(want->of_case == PLEDGED__V1__LIST_BENEFITS_REQUEST__OF_PLEDGE);
    uint32_t index = 0;
    enum pl_code code = query_read_pledge(&q, want->pledge, &index);
    if (code != PL_E_OK)
        return code;
    const struct state_pledge *pledge = &ledger->pledge[index];
    Pledged__V1__ListBenefitsResponse response;
    pledged__v1__list_benefits_response__init(&response);
    response.as_of_seq = ledger->size;
    if (has_benefits(pledge)) {
        const Pledged__V1__Catalogue *catalogue = benefit_catalogue(ledger, pledge)->msg;
        if (!query_tier_benefits(catalogue, ledger->tier[pledge->tier].code, arena,
                                 &response.benefit, &response.n_benefit))
            return query_deny_spent(&q);
        for (size_t i = 0; i < response.n_benefit; i++)
            add_fulfilment(ledger, index, response.benefit[i]);
        response.catalogue = catalogue->code;
        response.catalogue_version = catalogue->version;
    }
    return copy_message(&q, &response.base, ret) ? PL_E_OK : query_deny_spent(&q);
}
