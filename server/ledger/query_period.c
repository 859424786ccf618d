/* SPDX-License-Identifier: Apache-2.0
 *
 * query_period: months that were closed.
 */
#include <stdio.h>

#include "server/ledger/query_private.h"

enum { QUERY_PERIODS_MAX = 1000 };

static char *row_month(struct query *q, int month)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%04d-%02d", month / 12, month % 12 + 1);
    return query_row_text(q, text);
}

static Pledged__V1__PeriodStatus *period_row(struct query *q, const struct state_period *period)
{
    Pledged__V1__PeriodStatus *row = query_row(q, &pledged__v1__period_status__descriptor);
    if (row == NULL)
        return NULL;
    row->period = row_month(q, period->month);
    row->closed_seq = period->closed_seq;
    row->closed_us = period->closed_us;
    row->reopened_seq = period->reopened_seq;
    row->head_size = period->head_size;
    return q->spent ? NULL : row;
}

enum pl_code query_list_periods(const struct ledger *ledger, const struct query_log *log,
                                const ProtobufCMessage *request, struct pl_arena *arena,
                                ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    struct query q = {ledger, log, arena, ret_refusal, false};
    (void)request;
    size_t count =
        ledger->period_count < QUERY_PERIODS_MAX ? ledger->period_count : QUERY_PERIODS_MAX;
    Pledged__V1__ListPeriodsResponse *response =
        query_row(&q, &pledged__v1__list_periods_response__descriptor);
    void *rows = pl_arena_alloc(arena, (count + 1) * sizeof(void *));
    if (response == NULL || rows == NULL)
        return query_deny_spent(&q);
    response->as_of_seq = ledger->size;
    if (ledger->closed_through >= 0)
        response->closed_through = row_month(&q, ledger->closed_through);
    response->period = rows;
    for (size_t i = ledger->period_count - count; i < ledger->period_count && !q.spent; i++)
        response->period[response->n_period++] = period_row(&q, &ledger->period[i]);
    if (q.spent)
        return query_deny_spent(&q);
    *ret = &response->base;
    return PL_E_OK;
}
