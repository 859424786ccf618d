/* SPDX-License-Identifier: Apache-2.0
 *
 * query_bank: bank statements and their movements.
 */
#include <string.h>

#include "common/date.h"
#include "common/money.h"
#include "common/pack.h"
#include "server/ledger/learn.h"
#include "server/ledger/payer.h"
#include "server/ledger/query_private.h"
#include "server/ledger/statement.h"

/* The movement as the bank told it, out of the entry that has it. */
static enum pl_code copy_movement(struct query *q, struct query_walk *walk, uint64_t seq,
                                  Pledged__V1__Movement **ret)
{
    struct pl_status status = query_walk_read(walk, seq);
    if (!pl_is_ok(status))
        return query_deny_status(q, status);
    const Pledged__V1__Entry *entry = walk->entry;
    const Pledged__V1__Movement *movement =
        entry->fact_case == PLEDGED__V1__ENTRY__FACT_PAYMENT_CONFIRMED
            ? entry->payment_confirmed->movement
            : entry->bank_entry_recorded->movement;
    *ret = (Pledged__V1__Movement *)pl_message_copy(&movement->base, q->arena);
    q->spent = q->spent || *ret == NULL;
    return PL_E_OK;
}

/* What a person saw and no statement has brought yet: it has no more than its payment. */
static void put_seen_by_hand(struct query *q, uint32_t index, Pledged__V1__BankEntryStatus *row)
{
    const struct state_bank_entry *entry = &q->ledger->bank_entry[index];
    char date[11];
    row->seq = entry->seq;
    row->movement = query_row(q, &pledged__v1__movement__descriptor);
    if (row->movement == NULL)
        return;
    row->movement->kind = PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT;
    row->movement->minor = entry->debit ? -entry->amount : entry->amount;
    row->movement->value_date = query_row_text(q, pl_date_format(entry->value_date, date));
    row->movement->bank_ref = query_row_text(q, q->ledger->text + entry->bank_ref);
}

static ProtobufCBinaryData copy_commitment(struct query *q, const struct state_erasable *record)
{
    uint8_t *copy = pl_arena_memdup(q->arena, record->commitment, LEDGER_COMMITMENT_BYTES);
    q->spent = q->spent || copy == NULL;
    return (ProtobufCBinaryData){copy != NULL ? LEDGER_COMMITMENT_BYTES : 0, copy};
}

/* Who paid, as one statement said or several: readers find the first where it always was. */
static void put_payers(struct query *q, const struct state_movement *from,
                       Pledged__V1__BankEntryStatus *row)
{
    size_t count = 0;
    const struct state_erasable *record = q->ledger->erasable;
    for (uint32_t at = from->detail; at != STATE_NONE; at = record[at].next)
        count++;
    if (count > 1)
        row->more_detail = pl_arena_alloc(q->arena, (count - 1) * sizeof(*row->more_detail));
    q->spent = q->spent || (count > 1 && row->more_detail == NULL);
    row->n_more_detail = q->spent || count == 0 ? 0 : count - 1;
    for (uint32_t at = from->detail; !q->spent && at != STATE_NONE; at = record[at].next) {
        ProtobufCBinaryData *into =
            --count == 0 ? &row->movement->detail_commitment : &row->more_detail[count - 1];
        *into = copy_commitment(q, &record[at]);
    }
}

enum { COPIES_MAX = 32 }; /* each says something new, and there is not more */

/* What later copies said, the first of them first. */
static enum pl_code put_copies(struct query *q, struct query_walk *walk, uint64_t newest,
                               Pledged__V1__Movement *into)
{
    const Pledged__V1__Movement *copy[COPIES_MAX];
    size_t count = 0;
    for (uint64_t seq = newest; seq != 0 && count < COPIES_MAX && !q->spent; count++) {
        struct pl_status status = query_walk_read(walk, seq);
        if (!pl_is_ok(status))
            return query_deny_status(q, status);
        const Pledged__V1__MovementLearned *fact = walk->entry->movement_learned;
        copy[count] = (const void *)pl_message_copy(&fact->movement->base, q->arena);
        q->spent = q->spent || copy[count] == NULL;
        seq = fact->before_seq;
    }
    while (count != 0 && !q->spent)
        learn_show(into, copy[--count]);
    return PL_E_OK;
}

static enum pl_code put_told_by_bank(struct query *q, struct query_walk *walk, uint32_t index,
                                     Pledged__V1__BankEntryStatus *row)
{
    const struct ledger *ledger = q->ledger;
    const struct state_bank_entry *entry = &ledger->bank_entry[index];
    const struct state_movement *from = &ledger->movement[entry->movement];
    row->statement = query_row_id(q, 'S', from->statement);
    row->batch = from->batch != STATE_NONE ? query_row_id(q, 'B', from->batch) : row->batch;
    row->seq = from->seq;
    row->occurrence = from->occurrence;
    row->detail_erased_seq = payer_erased_seq(ledger, entry);
    row->charge_seq = from->charge_seq;
    row->learned_seq = payer_learned_seq(ledger, entry);
    enum pl_code code = copy_movement(q, walk, from->seq, &row->movement);
    row->completed_seq = from->learned_seq;
    if (code == PL_E_OK && row->movement != NULL)
        code = put_copies(q, walk, from->learned_seq, row->movement);
    if (code == PL_E_OK && row->movement != NULL)
        put_payers(q, from, row);
    return code;
}

enum pl_code query_bank_entry_row(struct query *q, struct query_walk *walk, uint32_t index,
                                  Pledged__V1__BankEntryStatus **ret)
{
    const struct ledger *ledger = q->ledger;
    const struct state_bank_entry *entry = &ledger->bank_entry[index];
    bool by_hand = entry->movement == STATE_NONE;
    uint32_t pledge = entry->pledge != STATE_NONE || by_hand
                          ? entry->pledge
                          : ledger->movement[entry->movement].meant;
    int64_t unmatched = statement_unmatched(ledger, entry);
    Pledged__V1__BankEntryStatus *row = query_row(q, &pledged__v1__bank_entry_status__descriptor);
    enum pl_code code = PL_E_OK;
    *ret = NULL;
    if (row == NULL)
        return PL_E_OK;
    row->bank_entry = query_row_id(q, 'B', index);
    row->currency = query_lend(pl_currency_code(entry->currency));
    row->allocated_minor = entry->allocated;
    row->unmatched_minor = entry->debit ? -unmatched : unmatched;
    row->queue = statement_queue(ledger, entry);
    row->pledge = pledge != STATE_NONE ? query_row_id(q, 'P', pledge) : row->pledge;
    row->reversed = entry->reversed != 0;
    row->explained_minor = entry->explained;
    if (by_hand)
        put_seen_by_hand(q, index, row);
    else
        code = put_told_by_bank(q, walk, index, row);
    *ret = q->spent ? NULL : row;
    return code;
}

struct bank_filter {
    bool unmatched_only;
    Pledged__V1__QueueReason queue; /* UNSPECIFIED: any */
    uint32_t statement, bank_entry; /* STATE_NONE: any */
    int currency;                   /* -1: any */
    int32_t booked_before;          /* INT32_MAX: any */
};

static bool bank_matches(const struct ledger *ledger, const struct bank_filter *filter,
                         uint32_t index)
{
    const struct state_bank_entry *entry = &ledger->bank_entry[index];
    bool by_hand = entry->movement == STATE_NONE;
    const struct state_movement *from = by_hand ? NULL : &ledger->movement[entry->movement];
    if (filter->bank_entry != STATE_NONE && filter->bank_entry != index)
        return false;
    return (!filter->unmatched_only || statement_unmatched(ledger, entry) != 0) &&
           (filter->queue == 0 || statement_queue(ledger, entry) == filter->queue) &&
           (filter->statement == STATE_NONE ||
            (!by_hand && from->statement == filter->statement)) &&
           (filter->currency < 0 || entry->currency == filter->currency) &&
           (by_hand ? entry->value_date : from->booking_date) < filter->booked_before;
}

static enum pl_code read_bank_filter(struct query *q,
                                     const Pledged__V1__ListBankEntriesRequest *want,
                                     struct bank_filter *ret)
{
    *ret = (struct bank_filter){.unmatched_only = want->unmatched_only != 0,
                                .queue = want->queue,
                                .statement = STATE_NONE,
                                .bank_entry = STATE_NONE,
                                .booked_before = INT32_MAX};
    enum pl_code code = query_read_currency(q, want->currency, &ret->currency);
    if (code == PL_E_OK && want->statement[0] != '\0')
        code = query_read_id(q, "statement", want->statement, 'S', q->ledger->statement_count,
                             PLEDGED__V1__REASON__REASON_ENTRY_UNKNOWN, &ret->statement);
    if (code == PL_E_OK && want->bank_entry[0] != '\0')
        code = query_read_id(q, "bank_entry", want->bank_entry, 'B', q->ledger->bank_entry_count,
                             PLEDGED__V1__REASON__REASON_BANK_ENTRY_UNKNOWN, &ret->bank_entry);
    if (code == PL_E_OK && want->booked_before[0] != '\0' &&
        !pl_is_ok(pl_date_parse(want->booked_before, &ret->booked_before)))
        code = query_deny(q, PLEDGED__V1__REASON__REASON_DATE_INVALID, "booked_before", NULL,
                          pl_date_wrong(want->booked_before));
    return code;
}

static enum pl_code bank_page(struct query *q, const struct bank_filter *filter,
                              const struct query_page *page,
                              Pledged__V1__ListBankEntriesResponse *response)
{
    size_t count = q->ledger->bank_entry_count;
    struct query_walk walk;
    enum pl_code code = PL_E_OK;
    size_t i = page->from;
    query_walk_init(&walk, q->log);
    for (size_t steps = 0; i < count && steps < QUERY_STEPS_MAX; i++, steps++) {
        Pledged__V1__BankEntryStatus *row = NULL;
        if (!bank_matches(q->ledger, filter, (uint32_t)i))
            continue;
        if (response->n_bank_entry == page->size ||
            (response->n_bank_entry > 0 && !query_page_has_room(q)))
            break;
        code = query_bank_entry_row(q, &walk, (uint32_t)i, &row);
        if (code != PL_E_OK || row == NULL)
            break;
        response->bank_entry[response->n_bank_entry++] = row;
    }
    query_walk_fini(&walk);
    if (i < count)
        response->next_page_token = query_page_token(page, i);
    return code;
}

enum pl_code query_list_bank_entries(const struct ledger *ledger, const struct query_log *log,
                                     const ProtobufCMessage *request, struct pl_arena *arena,
                                     ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    struct query q = {ledger, log, arena, ret_refusal, false};
    const Pledged__V1__ListBankEntriesRequest *want =
        (const Pledged__V1__ListBankEntriesRequest *)request;
    struct bank_filter filter;
    struct query_page page;
    enum pl_code code = read_bank_filter(&q, want, &filter);
    if (code == PL_E_OK)
        code = query_page_open(&q, want->page_token, want->page_size, 'e', ledger->bank_entry_count,
                               &page);
    if (code != PL_E_OK)
        return code;
    Pledged__V1__ListBankEntriesResponse *response =
        query_row(&q, &pledged__v1__list_bank_entries_response__descriptor);
    void *rows = query_page_rows(&q, &page, ledger->bank_entry_count);
    if (response == NULL || rows == NULL)
        return query_deny_spent(&q);
    response->as_of_seq = ledger->size;
    response->bank_entry = rows;
    code = bank_page(&q, &filter, &page, response);
    if (code != PL_E_OK)
        return code;
    if (q.spent && response->n_bank_entry == 0)
        return query_deny_spent(&q);
    *ret = &response->base;
    return PL_E_OK;
}

/* Of each statement, the bank entries that somebody has to look at. NULL: no memory. */
static int64_t *count_unmatched(struct query *q)
{
    const struct ledger *ledger = q->ledger;
    int64_t *count = pl_arena_alloc(q->arena, (ledger->statement_count + 1) * sizeof(*count));
    if (count == NULL)
        return NULL;
    for (size_t i = 0; i < ledger->movement_count; i++) {
        const struct state_movement *from = &ledger->movement[i];
        count[from->statement] +=
            statement_unmatched(ledger, &ledger->bank_entry[from->bank_entry]) != 0;
    }
    return count;
}

static Pledged__V1__StatementStatus *statement_of_fact(struct query *q,
                                                       const Pledged__V1__StatementImported *fact,
                                                       const struct state_statement *from,
                                                       int64_t unmatched)
{
    Pledged__V1__StatementStatus status = PLEDGED__V1__STATEMENT_STATUS__INIT;
    Pledged__V1__Remainder remainder = PLEDGED__V1__REMAINDER__INIT;
    remainder.count = from->remainder_count;
    remainder.minor = from->remainder_minor;
    status.statement = fact->statement;
    status.kind = fact->kind;
    status.account = fact->account;
    status.currency = fact->currency;
    status.id = fact->id;
    status.sequence = fact->sequence;
    status.created = fact->created;
    status.from_date = fact->from_date;
    status.to_date = fact->to_date;
    status.opening_minor = fact->opening_minor;
    status.closing_minor = fact->closing_minor;
    status.movements = fact->movements;
    status.remainder = &remainder;
    status.unmatched = unmatched;
    status.seq = from->seq;
    Pledged__V1__StatementStatus *row =
        (Pledged__V1__StatementStatus *)pl_message_copy(&status.base, q->arena);
    q->spent = q->spent || row == NULL;
    return row;
}

static enum pl_code statement_page(struct query *q, const char *account,
                                   const struct query_page *page,
                                   Pledged__V1__ListStatementsResponse *response)
{
    const struct ledger *ledger = q->ledger;
    const int64_t *unmatched = count_unmatched(q);
    struct query_walk walk;
    struct pl_status status = pl_ok();
    size_t i = page->from;
    if (unmatched == NULL)
        return query_deny_spent(q);
    query_walk_init(&walk, q->log);
    for (size_t steps = 0; i < ledger->statement_count && steps < QUERY_STEPS_MAX; i++, steps++) {
        const struct state_statement *from = &ledger->statement[i];
        if (account[0] != '\0' && strcmp(account, ledger->text + from->account) != 0)
            continue;
        if (response->n_statement == page->size ||
            (response->n_statement > 0 && !query_page_has_room(q)))
            break;
        status = query_walk_read(&walk, from->seq);
        Pledged__V1__StatementStatus *row =
            pl_is_ok(status)
                ? statement_of_fact(q, walk.entry->statement_imported, from, unmatched[i])
                : NULL;
        if (row == NULL)
            break;
        response->statement[response->n_statement++] = row;
    }
    query_walk_fini(&walk);
    if (i < ledger->statement_count)
        response->next_page_token = query_page_token(page, i);
    return pl_is_ok(status) ? PL_E_OK : query_deny_status(q, status);
}

enum pl_code query_list_statements(const struct ledger *ledger, const struct query_log *log,
                                   const ProtobufCMessage *request, struct pl_arena *arena,
                                   ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    struct query q = {ledger, log, arena, ret_refusal, false};
    const Pledged__V1__ListStatementsRequest *want =
        (const Pledged__V1__ListStatementsRequest *)request;
    struct query_page page;
    enum pl_code code =
        query_page_open(&q, want->page_token, want->page_size, 's', ledger->statement_count, &page);
    if (code != PL_E_OK)
        return code;
    Pledged__V1__ListStatementsResponse *response =
        query_row(&q, &pledged__v1__list_statements_response__descriptor);
    void *rows = query_page_rows(&q, &page, ledger->statement_count);
    if (response == NULL || rows == NULL)
        return query_deny_spent(&q);
    response->as_of_seq = ledger->size;
    response->statement = rows;
    code = statement_page(&q, want->account, &page, response);
    if (code == PL_E_OK && q.spent && response->n_statement == 0)
        return query_deny_spent(&q);
    *ret = &response->base;
    return code;
}
