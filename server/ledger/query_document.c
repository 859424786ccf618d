/* SPDX-License-Identifier: Apache-2.0
 *
 * query_document: receipts and certificates, issued and open.
 */
#include <string.h>

#include "server/ledger/query_private.h"
#include "server/ledger/receipt.h"

static Pledged__V1__DocumentStatus *document_row(struct query *q, enum state_document_kind kind,
                                                 size_t index)
{
    const struct state_document *document = &q->ledger->document[kind].row[index];
    const struct state_pledge *pledge = &q->ledger->pledge[document->pledge];
    Pledged__V1__DocumentStatus *row = query_row(q, &pledged__v1__document_status__descriptor);
    if (row == NULL)
        return NULL;
    row->number = query_row_id(q, receipt_prefix(kind), index);
    row->pledge = query_row_id(q, 'P', document->pledge);
    row->contributor = query_row_id(q, 'C', pledge->contributor);
    row->contributor_name =
        query_row_text(q, q->ledger->text + q->ledger->contributor[pledge->contributor].name);
    row->amount = query_row_money(q, document->amount, pledge->currency);
    row->sha256.len = sizeof(document->sha256);
    row->sha256.data = pl_arena_alloc(q->arena, sizeof(document->sha256));
    if (row->sha256.data == NULL) {
        q->spent = true;
        return NULL;
    }
    memcpy(row->sha256.data, document->sha256, sizeof(document->sha256));
    row->seq = document->seq;
    row->time_us = document->time_us;
    if (kind == STATE_RECEIPT)
        row->undone = query_row_money(q, document->undone, pledge->currency);
    return q->spent ? NULL : row;
}

static void add_open(struct query *q, uint32_t pledge, Pledged__V1__ListDocumentsResponse *response)
{
    uint32_t open[RECEIPT_ALLOCATIONS_MAX];
    size_t count = receipt_open(q->ledger, &q->ledger->pledge[pledge], open);
    response->open = pl_arena_alloc(q->arena, (count + 1) * sizeof(void *));
    if (response->open == NULL) {
        q->spent = true;
        return;
    }
    for (size_t i = 0; i < count && !q->spent; i++)
        response->open[response->n_open++] =
            query_allocation_row(q, &q->ledger->allocation[open[i]]);
}

static enum pl_code document_page(struct query *q, const Pledged__V1__ListDocumentsRequest *want,
                                  uint32_t pledge, const struct query_page *page,
                                  ProtobufCMessage **ret)
{
    enum state_document_kind kind = want->certificates ? STATE_CERTIFICATE : STATE_RECEIPT;
    const struct state_documents *issued = &q->ledger->document[kind];
    Pledged__V1__ListDocumentsResponse *response =
        query_row(q, &pledged__v1__list_documents_response__descriptor);
    void *rows = query_page_rows(q, page, issued->count);
    if (response == NULL || rows == NULL)
        return query_deny_spent(q);
    response->as_of_seq = q->ledger->size;
    response->document = rows;
    response->next_number = query_row_id(q, receipt_prefix(kind), issued->count);
    if (pledge != STATE_NONE && kind == STATE_RECEIPT)
        add_open(q, pledge, response);
    if (q->spent)
        return query_deny_spent(q);
    size_t i = page->from;
    for (size_t steps = 0; i < issued->count && steps < QUERY_STEPS_MAX; i++, steps++) {
        const struct state_document *document = &issued->row[i];
        if ((pledge != STATE_NONE && document->pledge != pledge) ||
            (want->sha256.len != 0 &&
             memcmp(want->sha256.data, document->sha256, sizeof(document->sha256)) != 0))
            continue;
        if (response->n_document == page->size ||
            (response->n_document > 0 && !query_page_has_room(q)))
            break;
        Pledged__V1__DocumentStatus *row = document_row(q, kind, i);
        if (row == NULL)
            break;
        response->document[response->n_document++] = row;
    }
    if (q->spent && response->n_document == 0)
        return query_deny_spent(q);
    if (i < issued->count)
        response->next_page_token = query_page_token(page, i);
    *ret = &response->base;
    return PL_E_OK;
}

enum pl_code query_list_documents(const struct ledger *ledger, const struct query_log *log,
                                  const ProtobufCMessage *request, struct pl_arena *arena,
                                  ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    struct query q = {ledger, log, arena, ret_refusal, false};
    const Pledged__V1__ListDocumentsRequest *want =
        (const Pledged__V1__ListDocumentsRequest *)request;
    struct query_page page;
    uint32_t pledge = STATE_NONE;
    enum pl_code code = PL_E_OK;
    if (want->pledge[0] != '\0')
        code = query_read_pledge(&q, want->pledge, &pledge);
    if (code == PL_E_OK && want->sha256.len != 0 && want->sha256.len != 32)
        code = query_deny(&q, PLEDGED__V1__REASON__REASON_FIELD_INVALID, "sha256", NULL,
                          "a SHA-256 has 32 bytes");
    enum state_document_kind kind = want->certificates ? STATE_CERTIFICATE : STATE_RECEIPT;
    if (code == PL_E_OK)
        code = query_page_open(&q, want->page_token, want->page_size,
                               want->certificates ? 'z' : 'q', ledger->document[kind].count, &page);
    return code == PL_E_OK ? document_page(&q, want, pledge, &page, ret) : code;
}
