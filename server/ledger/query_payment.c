/* SPDX-License-Identifier: Apache-2.0
 *
 * query_payment: payments, and what of each is allocated.
 */
#include "common/date.h"
#include "server/ledger/allocation.h"
#include "server/ledger/query_private.h"

Pledged__V1__PaymentStatus *query_payment_row(struct query *q, uint32_t index)
{
    const struct state_bank_entry *entry = &q->ledger->bank_entry[index];
    Pledged__V1__PaymentStatus *row = query_row(q, &pledged__v1__payment_status__descriptor);
    char date[11];
    if (row == NULL)
        return NULL;
    row->bank_entry = query_row_id(q, 'B', index);
    if (entry->pledge != STATE_NONE)
        row->pledge = query_row_id(q, 'P', entry->pledge);
    row->amount = query_row_money(q, entry->amount, entry->currency);
    row->allocated = query_row_money(q, entry->allocated, entry->currency);
    row->value_date = query_row_text(q, pl_date_format(entry->value_date, date));
    row->bank_ref = query_row_text(q, q->ledger->text + entry->bank_ref);
    row->confirmed = entry->confirmed != 0;
    row->reversed = entry->reversed != 0;
    row->debit = entry->debit != 0;
    row->valuation =
        query_row_valuation(q, &q->ledger->entry_rates, index, entry->amount, entry->currency);
    if (entry->refunded != 0)
        row->refunded = query_row_money(q, entry->refunded, entry->currency);
    if (entry->explained != 0)
        row->explained = query_row_money(q, entry->explained, entry->currency);
    row->seq = entry->seq;
    return q->spent ? NULL : row;
}

Pledged__V1__AllocationStatus *query_allocation_row(struct query *q,
                                                    const struct state_allocation *allocation)
{
    Pledged__V1__AllocationStatus *row = query_row(q, &pledged__v1__allocation_status__descriptor);
    if (row == NULL)
        return NULL;
    row->seq = allocation->seq;
    row->bank_entry = query_row_id(q, 'B', allocation->bank_entry);
    row->pledge = query_row_id(q, 'P', allocation->pledge);
    row->amount = query_row_money(q, allocation->amount,
                                  q->ledger->bank_entry[allocation->bank_entry].currency);
    row->settled =
        query_row_money(q, allocation->settled, q->ledger->pledge[allocation->pledge].currency);
    if (allocation->receipt != 0)
        row->receipt = query_row_id(q, 'Q', allocation->receipt - 1);
    char date[11];
    row->value_date = query_row_text(
        q, pl_date_format(q->ledger->bank_entry[allocation->bank_entry].value_date, date));
    return q->spent ? NULL : row;
}

struct payment_filter {
    uint32_t pledge;     /* STATE_NONE: any */
    uint32_t bank_entry; /* STATE_NONE: any */
    int currency;        /* -1: any */
    bool unallocated_only;
};

static bool payment_matches(const struct payment_filter *filter,
                            const struct state_bank_entry *entry)
{
    if ((entry->debit && filter->bank_entry == STATE_NONE) ||
        (filter->currency >= 0 && entry->currency != filter->currency) ||
        (filter->pledge != STATE_NONE && entry->pledge != filter->pledge))
        return false;
    return !filter->unallocated_only || (!entry->reversed && allocation_free(entry) > 0);
}

/* The row after `at`: the next bank entry, or the next one of the pledge that is asked for. */
static uint32_t payment_next(const struct ledger *ledger, const struct payment_filter *filter,
                             uint32_t at)
{
    if (filter->bank_entry != STATE_NONE)
        return STATE_NONE;
    if (filter->pledge != STATE_NONE)
        return ledger->bank_entry[at].next_of_pledge;
    return at + 1 < ledger->bank_entry_count ? at + 1 : STATE_NONE;
}

static enum pl_code payment_first(struct query *q, const struct payment_filter *filter,
                                  const struct query_page *page, uint32_t *ret)
{
    const struct ledger *ledger = q->ledger;
    *ret = page->from < ledger->bank_entry_count ? (uint32_t)page->from : STATE_NONE;
    if (filter->bank_entry != STATE_NONE)
        *ret = filter->bank_entry;
    if (filter->pledge == STATE_NONE || filter->bank_entry != STATE_NONE)
        return PL_E_OK;
    if (!page->resumed) {
        *ret = ledger->pledge[filter->pledge].bank_first;
        return PL_E_OK;
    }
    if (*ret == STATE_NONE || ledger->bank_entry[*ret].pledge != filter->pledge)
        return query_deny(q, PLEDGED__V1__REASON__REASON_FIELD_INVALID, "page_token", NULL,
                          "this page token belongs to another pledge");
    return PL_E_OK;
}

static enum pl_code payment_page(struct query *q, const struct payment_filter *filter,
                                 const struct query_page *page, ProtobufCMessage **ret)
{
    const struct ledger *ledger = q->ledger;
    uint32_t at;
    enum pl_code code = payment_first(q, filter, page, &at);
    if (code != PL_E_OK)
        return code;
    Pledged__V1__ListPaymentsResponse *response =
        query_row(q, &pledged__v1__list_payments_response__descriptor);
    void *rows = query_page_rows(q, page, ledger->bank_entry_count);
    if (response == NULL || rows == NULL)
        return query_deny_spent(q);
    response->as_of_seq = ledger->size;
    response->payment = rows;
    for (size_t steps = 0; at != STATE_NONE && steps < QUERY_STEPS_MAX;
         at = payment_next(ledger, filter, at), steps++) {
        if (!payment_matches(filter, &ledger->bank_entry[at]))
            continue;
        if (response->n_payment == page->size ||
            (response->n_payment > 0 && !query_page_has_room(q)))
            break;
        Pledged__V1__PaymentStatus *row = query_payment_row(q, at);
        if (row == NULL)
            break;
        response->payment[response->n_payment++] = row;
    }
    if (q->spent && response->n_payment == 0)
        return query_deny_spent(q);
    if (at != STATE_NONE)
        response->next_page_token = query_page_token(page, at);
    *ret = &response->base;
    return PL_E_OK;
}

enum pl_code query_list_payments(const struct ledger *ledger, const struct query_log *log,
                                 const ProtobufCMessage *request, struct pl_arena *arena,
                                 ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    struct query q = {ledger, log, arena, ret_refusal, false};
    const Pledged__V1__ListPaymentsRequest *want =
        (const Pledged__V1__ListPaymentsRequest *)request;
    struct payment_filter filter = {.pledge = STATE_NONE,
                                    .bank_entry = STATE_NONE,
                                    .unallocated_only = want->unallocated_only != 0};
    struct query_page page;
    enum pl_code code = PL_E_OK;
    if (want->pledge[0] != '\0')
        code = query_read_pledge(&q, want->pledge, &filter.pledge);
    if (code == PL_E_OK && want->bank_entry[0] != '\0')
        code = query_read_id(&q, "bank_entry", want->bank_entry, 'B', ledger->bank_entry_count,
                             PLEDGED__V1__REASON__REASON_BANK_ENTRY_UNKNOWN, &filter.bank_entry);
    if (code == PL_E_OK)
        code = query_read_currency(&q, want->currency, &filter.currency);
    if (code == PL_E_OK)
        code = query_page_open(&q, want->page_token, want->page_size, 'b', ledger->bank_entry_count,
                               &page);
    if (code != PL_E_OK)
        return code;
    return payment_page(&q, &filter, &page, ret);
}
