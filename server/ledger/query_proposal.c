/* SPDX-License-Identifier: Apache-2.0
 *
 * query_proposal: what waits, or waited, for a second person. Happy path: a page of rows,
 * ascending. Failure: a token that no list gave, a pledge that is not there, an arena that is
 * spent.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/ids.h"
#include "common/money.h"
#include "common/scan.h"
#include "server/ledger/meant.h"
#include "server/ledger/proposal.h"
#include "server/ledger/query.h"

static Pledged__V1__Money *money(struct pl_arena *arena, int64_t minor, int currency)
{
    Pledged__V1__Money *made = query_message(arena, &pledged__v1__money__descriptor);
    if (made != NULL) {
        made->minor = minor;
        made->currency = (char *)(uintptr_t)pl_currency_code(currency);
    }
    return made;
}

/* What it would be if it was approved now, where that is another amount. False: the budget is
 * spent. */
static bool put_now(const struct ledger *ledger, const struct state_proposal *proposal,
                    struct pl_arena *arena, Pledged__V1__ProposalStatus *made)
{
    ProtobufCMessage *parsed = NULL;
    if (!pl_is_ok(pl_unpack_trusted(&pledged__v1__command__descriptor,
                                    pl_slice(proposal->bytes, proposal->len), arena, &parsed)))
        return false;
    struct meant now = meant_by(ledger, (const Pledged__V1__Command *)parsed);
    if (now.currency < 0 || meant_is(now, proposal->amount, proposal->currency))
        return true;
    made->now = money(arena, now.minor, now.currency);
    return made->now != NULL;
}

/* What a second person would sign for, where the proposal itself does not say it. False: the budget
 * is spent. */
static bool put_amounts(const struct ledger *ledger, const struct state_proposal *proposal,
                        struct pl_arena *arena, Pledged__V1__ProposalStatus *made)
{
    if (proposal->currency >= 0) {
        made->all = money(arena, proposal->amount, proposal->currency);
        if (made->all == NULL)
            return false;
    }
    return proposal->bytes == NULL || put_now(ledger, proposal, arena, made);
}

/* Borrows nothing from the ledger. NULL: the budget is spent. */
static Pledged__V1__ProposalStatus *
row(const struct ledger *ledger, const struct state_proposal *proposal, struct pl_arena *arena)
{
    Pledged__V1__ProposalStatus *made =
        query_message(arena, &pledged__v1__proposal_status__descriptor);
    const ProtobufCFieldDescriptor *command = protobuf_c_message_descriptor_get_field(
        &pledged__v1__command__descriptor, proposal->command);
    char id[24] = "";
    if (made == NULL)
        return NULL;
    if (proposal->pledge != STATE_NONE)
        (void)pl_id_format('P', (uint64_t)proposal->pledge + 1, id);
    made->seq = proposal->seq;
    made->state = (Pledged__V1__ProposalState)proposal->state;
    made->class_ = (Pledged__V1__CommandClass)proposal->class;
    made->pledge = pl_arena_strdup(arena, id);
    made->maker = pl_arena_strdup(arena, ledger->text + proposal->maker);
    made->time_us = proposal->time_us;
    made->expires_us = proposal->expires_us;
    made->closed_seq = proposal->closed_seq;
    made->command_name = pl_arena_strdup(arena, command != NULL ? command->name : "");
    if (proposal->bytes != NULL)
        made->command = (ProtobufCBinaryData){
            proposal->len, pl_arena_memdup(arena, proposal->bytes, proposal->len)};
    bool fine = made->pledge != NULL && made->maker != NULL && made->command_name != NULL &&
                (proposal->bytes == NULL || made->command.data != NULL) &&
                put_amounts(ledger, proposal, arena, made);
    return fine ? made : NULL;
}

static bool is_open(const struct state_proposal *proposal)
{
    return proposal->state == PLEDGED__V1__PROPOSAL_STATE__PROPOSAL_STATE_OPEN;
}

bool query_proposals_of(const struct ledger *ledger, uint32_t pledge, struct pl_arena *arena,
                        Pledged__V1__ProposalStatus ***ret, size_t *ret_count)
{
    size_t most =
        ledger->proposal_open < QUERY_PAYMENTS_MAX ? ledger->proposal_open : QUERY_PAYMENTS_MAX;
    size_t open = ledger->proposal_open, count = 0;
    Pledged__V1__ProposalStatus **rows = pl_arena_alloc(arena, (most + 1) * sizeof(*rows));
    if (rows == NULL)
        return false;
    for (size_t i = ledger->proposal_count; i > 0 && open > 0 && count < most; i--) {
        const struct state_proposal *proposal = &ledger->proposal[i - 1];
        open -= is_open(proposal);
        if (!is_open(proposal) || proposal->pledge != pledge)
            continue;
        rows[most - ++count] = row(ledger, proposal, arena);
        if (rows[most - count] == NULL)
            return false;
    }
    *ret = rows + (most - count);
    *ret_count = count;
    return true;
}

/* --- the list --- */

struct list {
    const struct ledger *ledger;
    struct pl_arena *arena;
    bool all;
    uint32_t pledge; /* STATE_NONE: any */
    size_t from, size;
};

static bool matches(const struct list *list, const struct state_proposal *proposal)
{
    return (list->all || is_open(proposal)) &&
           (list->pledge == STATE_NONE || proposal->pledge == list->pledge);
}

/* "a:SEQ": the page begins with that proposal. */
static bool read_token(struct list *list, const char *token)
{
    uint64_t seq = 0;
    if (token[0] == '\0')
        return true;
    if (strncmp(token, "a:", 2) != 0 || strlen(token) > 20)
        return false;
    for (const char *at = token + 2; *at != '\0'; at++) {
        if (*at < '0' || *at > '9')
            return false;
        seq = seq * 10 + (uint64_t)(*at - '0');
    }
    const struct state_proposal *first = state_proposal(list->ledger, seq);
    if (first == NULL)
        return false;
    list->from = (size_t)(first - list->ledger->proposal);
    return true;
}

static bool fill(const struct list *list, Pledged__V1__ListProposalsResponse *response)
{
    const struct ledger *ledger = list->ledger;
    size_t most = list->size < ledger->proposal_count ? list->size : ledger->proposal_count;
    response->proposal = pl_arena_alloc(list->arena, (most + 1) * sizeof(*response->proposal));
    if (response->proposal == NULL)
        return false;
    size_t at = list->from, steps = 0;
    for (; at < ledger->proposal_count && steps < QUERY_STEPS_MAX; at++, steps++) {
        if (!matches(list, &ledger->proposal[at]))
            continue;
        bool roomy = list->arena->used <= list->arena->budget / 2;
        if (response->n_proposal == list->size || (response->n_proposal > 0 && !roomy))
            break;
        Pledged__V1__ProposalStatus *made = row(ledger, &ledger->proposal[at], list->arena);
        if (made == NULL)
            return false;
        response->proposal[response->n_proposal++] = made;
    }
    if (at == ledger->proposal_count)
        return true;
    response->next_page_token =
        pl_arena_printf(list->arena, "a:%" PRIu64, ledger->proposal[at].seq);
    return response->next_page_token != NULL;
}

enum pl_code query_list_proposals(const struct ledger *ledger, const struct query_log *log,
                                  const ProtobufCMessage *request, struct pl_arena *arena,
                                  ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    const Pledged__V1__ListProposalsRequest *want =
        (const Pledged__V1__ListProposalsRequest *)request;
    struct list list = {.ledger = ledger,
                        .arena = arena,
                        .all = want->all != 0,
                        .pledge = STATE_NONE,
                        .size = want->page_size == 0               ? QUERY_PAGE_DEFAULT
                                : want->page_size > QUERY_PAGE_MAX ? QUERY_PAGE_MAX
                                                                   : want->page_size};
    (void)log;
    if (want->pledge[0] != '\0') {
        const struct state_pledge *pledge = state_pledge(ledger, want->pledge);
        if (pledge == NULL)
            return query_refuse(arena, REASON(PLEDGE_UNKNOWN), "pledge", want->pledge,
                                "there is no such pledge", ret_refusal);
        list.pledge = (uint32_t)(pledge - ledger->pledge);
    }
    if (!read_token(&list, want->page_token))
        return query_refuse(arena, REASON(FIELD_INVALID), "page_token", NULL,
                            "this page token was not given by this list", ret_refusal);
    Pledged__V1__ListProposalsResponse *response =
        query_message(arena, &pledged__v1__list_proposals_response__descriptor);
    if (response == NULL || !fill(&list, response))
        return query_refuse(arena, REASON(TOO_BIG), "", NULL,
                            "the answer does not fit the memory of one call", ret_refusal);
    response->as_of_seq = ledger->size;
    *ret = &response->base;
    return PL_E_OK;
}
