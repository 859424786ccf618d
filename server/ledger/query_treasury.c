/* SPDX-License-Identifier: Apache-2.0
 *
 * query_treasury: who is paid and into which accounts, by the policy in force: what slips and
 * letters are drawn with. Happy path: copies of what the newest PolicyAdopted says. Failure: an
 * arena that is spent.
 */
#include "common/pack.h"
#include "server/ledger/query.h"
#include "server/ledger/state.h"

static bool fill(const Pledged__V1__PolicyAdopted *policy, struct pl_arena *arena,
                 Pledged__V1__GetTreasuryResponse *response)
{
    response->account = pl_arena_alloc(arena, (policy->n_account + 1) * sizeof(void *));
    if (response->account == NULL)
        return false;
    for (size_t i = 0; i < policy->n_account; i++) {
        ProtobufCMessage *copy = pl_message_copy(&policy->account[i]->base, arena);
        if (copy == NULL)
            return false;
        response->account[response->n_account++] = (Pledged__V1__PolicyAccount *)copy;
    }
    if (policy->creditor == NULL)
        return true;
    response->creditor =
        (Pledged__V1__PolicyCreditor *)pl_message_copy(&policy->creditor->base, arena);
    return response->creditor != NULL;
}

enum pl_code query_get_treasury(const struct ledger *ledger, const struct query_log *log,
                                const ProtobufCMessage *request, struct pl_arena *arena,
                                ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    Pledged__V1__GetTreasuryResponse *response =
        query_message(arena, &pledged__v1__get_treasury_response__descriptor);
    (void)log, (void)request;
    if (response == NULL || !fill(ledger->policy.message, arena, response)) {
        (void)query_refuse(arena, PLEDGED__V1__REASON__REASON_TOO_BIG, "", NULL,
                           "the answer does not fit the memory of one call", ret_refusal);
        return PL_E_TOO_BIG;
    }
    response->as_of_seq = ledger->size;
    *ret = &response->base;
    return PL_E_OK;
}
