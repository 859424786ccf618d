/* SPDX-License-Identifier: Apache-2.0
 *
 * query: one pledge, lists, payments, history and the benefits of a pledge, read from the state.
 *
 * Thread: the writer's; the helpers shared with server/view are pure and run anywhere.
 * Happy path: check the request's fields, walk the state (or the pledge's chain of entries) for at
 * most QUERY_STEPS_MAX rows, copy each row that fits into the arena, say where to go on.
 * Failure modes: a wrong or unknown field is a refusal that names it; a spent arena ends the page
 * early, and is TOO_BIG only if not even one row fits; an unreadable log is handed through.
 *
 * Previous hop: server/writer. Next hop: back to the worker with the reply.
 */
#include "server/ledger/query.h"

#include <stdio.h>

#include "common/check.h"
#include "common/date.h"
#include "common/ids.h"
#include "common/money.h"
#include "common/pack.h"
#include "common/reference.h"
#include "common/scan.h"
#include "server/ledger/allocation.h"
#include "server/ledger/benefit.h"
#include "server/ledger/payer.h"
#include "server/ledger/receipt.h"
#include "server/ledger/schedule.h"
#include "server/ledger/statement.h"
#include "server/ledger/valuation.h"
#include "server/ledger/waiver.h"

/* One unpacked entry at a time: at most 64 KiB of bytes, and its small structs. */
#define SCRATCH_BYTES (1u << 20)
enum { TOKEN_BYTES = 24, STAGE_COUNT = 9 };

/* Generated structs hold `char *`, but nobody writes through them. */
static char *lend(const char *text)
{
    return (char *)(uintptr_t)text;
}

void *query_message(struct pl_arena *arena, const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *message = pl_arena_alloc(arena, type->sizeof_message);
    if (message != NULL)
        protobuf_c_message_init(type, message);
    return message;
}

static bool refusal_add_arg(struct pl_arena *arena, const char *name, const char *value,
                            Pledged__V1__Refusal *refusal)
{
    Pledged__V1__Arg *arg = query_message(arena, &pledged__v1__arg__descriptor);
    Pledged__V1__Arg **args = pl_arena_alloc(arena, sizeof(*args));
    if (arg == NULL || args == NULL)
        return false;
    arg->name = lend(name);
    arg->value = pl_arena_strdup(arena, value);
    if (arg->value == NULL)
        return false;
    args[0] = arg;
    refusal->arg = args;
    refusal->n_arg = 1;
    return true;
}

enum pl_code query_refuse(struct pl_arena *arena, Pledged__V1__Reason reason, const char *field,
                          const char *value, const char *message,
                          Pledged__V1__Refusal **ret_refusal)
{
    Pledged__V1__Refusal *refusal = query_message(arena, &pledged__v1__refusal__descriptor);
    *ret_refusal = refusal;
    if (refusal == NULL)
        return PL_E_TOO_BIG;
    refusal->reason = reason;
    refusal->field = lend(field);
    refusal->message = lend(message);
    /* A refusal without its argument still says what is wrong. */
    if (value != NULL)
        (void)refusal_add_arg(arena, field, value, refusal);
    return ledger_reason_code(reason);
}

/* What every query works with; `spent` remembers that an allocation of a row failed. */
struct query {
    const struct ledger *ledger;
    const struct query_log *log;
    struct pl_arena *arena;
    Pledged__V1__Refusal **ret_refusal;
    bool spent;
};

static enum pl_code refuse(struct query *q, Pledged__V1__Reason reason, const char *field,
                           const char *value, const char *message)
{
    return query_refuse(q->arena, reason, field, value, message, q->ret_refusal);
}

static enum pl_code refuse_spent(struct query *q)
{
    (void)refuse(q, PLEDGED__V1__REASON__REASON_TOO_BIG, "", NULL,
                 "the answer does not fit the memory of one call");
    return PL_E_TOO_BIG;
}

/* The log could not be read: no rule said no, so there is no reason to name. */
static enum pl_code refuse_status(struct query *q, struct pl_status status)
{
    Pledged__V1__Refusal *refusal = query_message(q->arena, &pledged__v1__refusal__descriptor);
    *q->ret_refusal = refusal;
    if (refusal == NULL)
        return PL_E_TOO_BIG;
    refusal->message = lend(status.what);
    return status.code;
}

static void *row_message(struct query *q, const ProtobufCMessageDescriptor *type)
{
    void *message = query_message(q->arena, type);
    if (message == NULL)
        q->spent = true;
    return message;
}

static char *row_text(struct query *q, const char *text)
{
    char *copy = pl_arena_strdup(q->arena, text);
    if (copy == NULL)
        q->spent = true;
    return copy;
}

static char *row_id(struct query *q, char prefix, size_t index)
{
    char id[24];
    return row_text(q, pl_id_format(prefix, (uint64_t)index + 1, id));
}

static Pledged__V1__Money *row_money(struct query *q, int64_t minor, int currency)
{
    Pledged__V1__Money *money = row_message(q, &pledged__v1__money__descriptor);
    if (money == NULL)
        return NULL;
    money->minor = minor;
    money->currency = lend(pl_currency_code(currency));
    return money;
}

static bool page_has_room(const struct query *q)
{
    return q->arena->used <= q->arena->budget / 2;
}

/* --- fields of requests --- */

/* Reads a canonical id into an index; `unknown` is the reason for one that was never given out. */
static enum pl_code read_id(struct query *q, const char *field, const char *text, char prefix,
                            size_t count, Pledged__V1__Reason unknown, uint32_t *ret_index)
{
    if (text[0] == '\0')
        return refuse(q, PLEDGED__V1__REASON__REASON_FIELD_REQUIRED, field, NULL,
                      "the identifier is missing");
    uint64_t number = pl_id_parse(text, prefix);
    if (number == 0)
        return refuse(q, PLEDGED__V1__REASON__REASON_FIELD_INVALID, field, NULL,
                      "this is not an identifier of the right form");
    if (number > count)
        return refuse(q, unknown, field, text, "nothing has this identifier");
    *ret_index = (uint32_t)(number - 1);
    return PL_E_OK;
}

static enum pl_code read_pledge_id(struct query *q, const char *text, uint32_t *ret_index)
{
    return read_id(q, "pledge", text, 'P', q->ledger->pledge_count,
                   PLEDGED__V1__REASON__REASON_PLEDGE_UNKNOWN, ret_index);
}

static enum pl_code read_currency(struct query *q, const char *text, int *ret)
{
    *ret = -1;
    if (text[0] == '\0')
        return PL_E_OK;
    *ret = pl_currency_index(text);
    if (*ret < 0)
        return refuse(q, PLEDGED__V1__REASON__REASON_CURRENCY_UNKNOWN, "currency", text,
                      "this is not a currency of ISO 4217");
    return PL_E_OK;
}

/* Where a list goes on and how many rows it may hold. */
struct page {
    size_t from; /* index of the first row to look at */
    size_t size;
    char *token; /* reserved before the first row, so that a spent arena can still name the rest */
    char letter; /* which list: tokens of another one are refused */
    bool resumed;
};

/* "p:<index>", canonical decimal, 1 <= index <= count. */
static bool read_token(const char *text, char letter, size_t count, size_t *ret)
{
    if (text[0] != letter || text[1] != ':' || text[2] < '1' || text[2] > '9')
        return false;
    uint64_t value = 0;
    size_t digits = 0;
    for (const char *p = text + 2; *p != '\0'; p++) {
        if (*p < '0' || *p > '9' || ++digits > 10)
            return false;
        value = value * 10 + (uint64_t)(*p - '0');
    }
    if (value > count)
        return false;
    *ret = (size_t)value;
    return true;
}

static enum pl_code page_open(struct query *q, const char *token, uint32_t size, char letter,
                              size_t count, struct page *ret)
{
    *ret = (struct page){.size = size, .letter = letter, .resumed = token[0] != '\0'};
    if (size == 0)
        ret->size = QUERY_PAGE_DEFAULT;
    if (size > QUERY_PAGE_MAX)
        ret->size = QUERY_PAGE_MAX;
    if (ret->resumed && !read_token(token, letter, count, &ret->from))
        return refuse(q, PLEDGED__V1__REASON__REASON_FIELD_INVALID, "page_token", NULL,
                      "this page token was not given by this list");
    ret->token = pl_arena_alloc(q->arena, TOKEN_BYTES);
    return ret->token != NULL ? PL_E_OK : refuse_spent(q);
}

static char *page_token(const struct page *page, size_t next)
{
    (void)snprintf(page->token, TOKEN_BYTES, "%c:%zu", page->letter, next);
    return page->token;
}

static void **page_rows(struct query *q, const struct page *page, size_t count)
{
    size_t most = page->size < count ? page->size : count;
    void **rows = pl_arena_alloc(q->arena, (most + 1) * sizeof(*rows));
    if (rows == NULL)
        q->spent = true;
    return rows;
}

/* --- rows --- */

/* How far the queue of one tier was walked for this answer. Pledges are listed in ascending order
 * and mostly queue in it, so the walk goes on where it stopped and a page costs one pass. */
struct queue_cursor {
    uint32_t at;
    uint32_t position; /* of `at`, 1-based; 0: not begun */
};
struct queues {
    struct queue_cursor *cursor; /* one a tier */
    size_t steps_left;
};

static bool queues_open(struct query *q, struct queues *ret)
{
    ret->steps_left = QUERY_QUEUE_STEPS_MAX;
    ret->cursor = pl_arena_alloc(q->arena, (q->ledger->tier_count + 1) * sizeof(*ret->cursor));
    if (ret->cursor == NULL)
        q->spent = true;
    return ret->cursor != NULL;
}

/* 1 is next; 0 when the walk would be too long. */
static uint32_t queue_position(const struct ledger *ledger, struct queues *queues, uint32_t index)
{
    uint16_t tier = ledger->pledge[index].tier;
    PL_ASSERT(tier < ledger->tier_count); /* only tiers have queues */
    struct queue_cursor *cursor = &queues->cursor[tier];
    for (int pass = 0; pass < 2; pass++) {
        if (cursor->position == 0)
            *cursor = (struct queue_cursor){ledger->tier[tier].wait_first, 1};
        while (cursor->at != STATE_NONE && cursor->at != index) {
            if (queues->steps_left == 0)
                return 0;
            queues->steps_left--;
            cursor->at = ledger->pledge[cursor->at].wait_next;
            cursor->position++;
        }
        if (cursor->at == index)
            return cursor->position;
        cursor->position = 0; /* it stands before where the last walk began */
    }
    PL_UNREACHABLE(); /* I4 of state.h */
}

static void row_schedule(struct query *q, const struct state_pledge *pledge,
                         Pledged__V1__PledgeStatus *row)
{
    const struct state_schedule *schedule = schedule_of(q->ledger, pledge);
    if (schedule == NULL)
        return;
    row->instalment = pl_arena_alloc(q->arena, schedule->count * sizeof(void *));
    q->spent = q->spent || row->instalment == NULL;
    for (size_t i = 0; row->instalment != NULL && i < schedule->count; i++) {
        Pledged__V1__InstalmentStatus *part =
            row_message(q, &pledged__v1__instalment_status__descriptor);
        if (part == NULL)
            return;
        char due[11];
        part->due = row_text(q, pl_date_format(schedule->part[i].due, due));
        part->amount = row_money(q, schedule->part[i].amount, pledge->currency);
        int64_t left = schedule_left(schedule, state_settled(pledge), i);
        part->outstanding =
            row_money(q, state_stage_live(pledge->stage) ? left : 0, pledge->currency);
        row->instalment[row->n_instalment++] = part;
    }
}

/* NULL: CHF, no rate was known, or more than 64 bits. */
static Pledged__V1__Valuation *row_valuation(struct query *q, const struct pl_map *map,
                                             uint32_t index, int64_t minor, int currency)
{
    const struct state_rate *rate = valuation_rate(q->ledger, map, index, currency);
    int64_t value;
    char date[11];
    if (rate == NULL || !state_value(valuation_exact(minor, currency, rate), &value))
        return NULL;
    Pledged__V1__Valuation *made = row_message(q, &pledged__v1__valuation__descriptor);
    if (made == NULL)
        return NULL;
    made->value = row_money(q, value, pl_currency_index(RATE_HOME));
    made->rate_date = row_text(q, pl_date_format(rate->day, date));
    made->mantissa = rate->mantissa;
    made->scale = rate->scale;
    made->source = row_text(q, q->ledger->text + rate->source);
    made->rate_seq = rate->seq;
    return made;
}

static void row_amounts(struct query *q, const struct state_pledge *pledge,
                        Pledged__V1__PledgeStatus *row)
{
    if (pledge->currency < 0)
        return;
    int64_t outstanding = 0; /* nothing is expected of a pledge that ended */
    if (state_stage_live(pledge->stage) && pledge->amount > state_settled(pledge))
        outstanding = pledge->amount - state_settled(pledge);
    row->amount = row_money(q, pledge->amount, pledge->currency);
    row->valuation =
        row_valuation(q, &q->ledger->pledge_rates, (uint32_t)(pledge - q->ledger->pledge),
                      pledge->amount, pledge->currency);
    row->allocated = row_money(q, pledge->allocated, pledge->currency);
    row->outstanding = row_money(q, outstanding, pledge->currency);
    row->unallocated = row_money(q, pledge->received - pledge->allocated, pledge->currency);
    row_schedule(q, pledge, row);
    if (state_forgiven(pledge) == 0)
        return;
    int64_t forgiven[2];
    waiver_sums(q->ledger, pledge, forgiven);
    row->written_off = row_money(q, forgiven[0], pledge->currency);
    row->difference = row_money(q, forgiven[1], pledge->currency);
}

static void row_offer(struct query *q, const struct state_pledge *pledge,
                      Pledged__V1__PledgeStatus *row)
{
    if (pledge->tier == STATE_TIER_FREE)
        return;
    const struct state_tier *tier = &q->ledger->tier[pledge->tier];
    row->tier = row_text(q, tier->code);
    row->catalogue = row_text(q, q->ledger->catalogue[tier->catalogue].current->msg->code);
}

static Pledged__V1__PledgeStatus *pledge_row(struct query *q, struct queues *queues, uint32_t index)
{
    const struct state_pledge *pledge = &q->ledger->pledge[index];
    const struct state_contributor *contributor = &q->ledger->contributor[pledge->contributor];
    Pledged__V1__PledgeStatus *row = row_message(q, &pledged__v1__pledge_status__descriptor);
    if (row == NULL)
        return NULL;
    row->pledge = row_id(q, 'P', index);
    row->contributor = row_id(q, 'C', pledge->contributor);
    row->contributor_name = row_text(q, q->ledger->text + contributor->name);
    row->contributor_kind = (Pledged__V1__ContributorKind)contributor->kind;
    row_offer(q, pledge, row);
    row_amounts(q, pledge, row);
    row->stage = (Pledged__V1__Stage)pledge->stage;
    row->money = state_money(pledge);
    if (pledge->stage == PLEDGED__V1__STAGE__STAGE_HELD)
        row->expires_us = pledge->expires_us;
    if (pledge->stage == PLEDGED__V1__STAGE__STAGE_WAITING)
        row->waiting_position = queue_position(q->ledger, queues, index);
    row->kind = (Pledged__V1__PledgeKind)pledge->kind;
    row->purpose = (Pledged__V1__Purpose)pledge->purpose;
    row->publish = (Pledged__V1__Publish)pledge->publish;
    row->first_seq = pledge->first_seq;
    row->last_seq = pledge->last_seq;
    row->made_us = pledge->made_us;
    row->extensions = pledge->extensions;
    char reference[PL_REFERENCE_BYTES];
    row->reference = row_text(q, pl_reference_scor((uint64_t)index + 1, reference));
    return q->spent ? NULL : row;
}

static Pledged__V1__PaymentStatus *payment_row(struct query *q, uint32_t index)
{
    const struct state_bank_entry *entry = &q->ledger->bank_entry[index];
    Pledged__V1__PaymentStatus *row = row_message(q, &pledged__v1__payment_status__descriptor);
    char date[11];
    if (row == NULL)
        return NULL;
    row->bank_entry = row_id(q, 'B', index);
    if (entry->pledge != STATE_NONE)
        row->pledge = row_id(q, 'P', entry->pledge);
    row->amount = row_money(q, entry->amount, entry->currency);
    row->allocated = row_money(q, entry->allocated, entry->currency);
    row->value_date = row_text(q, pl_date_format(entry->value_date, date));
    row->bank_ref = row_text(q, q->ledger->text + entry->bank_ref);
    row->confirmed = entry->confirmed != 0;
    row->reversed = entry->reversed != 0;
    row->debit = entry->debit != 0;
    row->valuation =
        row_valuation(q, &q->ledger->entry_rates, index, entry->amount, entry->currency);
    if (entry->refunded != 0)
        row->refunded = row_money(q, entry->refunded, entry->currency);
    if (entry->explained != 0)
        row->explained = row_money(q, entry->explained, entry->currency);
    row->seq = entry->seq;
    return q->spent ? NULL : row;
}

/* --- one pledge --- */

/* Indexes of the newest payments of a pledge, oldest first, at most QUERY_PAYMENTS_MAX. The chain
 * runs from old to new; one too long to walk is answered from the newest bank entries of all. */
static size_t newest_payments(const struct ledger *ledger, uint32_t pledge,
                              uint32_t ret[QUERY_PAYMENTS_MAX])
{
    uint32_t ring[QUERY_PAYMENTS_MAX];
    size_t seen = 0;
    uint32_t at = ledger->pledge[pledge].bank_first;
    for (; at != STATE_NONE && seen < QUERY_STEPS_MAX; at = ledger->bank_entry[at].next_of_pledge)
        ring[seen++ % QUERY_PAYMENTS_MAX] = at;
    if (at != STATE_NONE) {
        seen = 0;
        size_t least = ledger->bank_entry_count > QUERY_STEPS_MAX
                           ? ledger->bank_entry_count - QUERY_STEPS_MAX
                           : 0;
        for (size_t i = ledger->bank_entry_count; i > least && seen < QUERY_PAYMENTS_MAX; i--)
            if (ledger->bank_entry[i - 1].pledge == pledge)
                ring[QUERY_PAYMENTS_MAX - ++seen] = (uint32_t)(i - 1);
        memcpy(ret, ring + QUERY_PAYMENTS_MAX - seen, seen * sizeof(*ret));
        return seen;
    }
    size_t count = seen < QUERY_PAYMENTS_MAX ? seen : QUERY_PAYMENTS_MAX;
    for (size_t i = 0; i < count; i++)
        ret[i] = ring[(seen - count + i) % QUERY_PAYMENTS_MAX];
    return count;
}

static Pledged__V1__AllocationStatus *allocation_row(struct query *q,
                                                     const struct state_allocation *allocation)
{
    Pledged__V1__AllocationStatus *row =
        row_message(q, &pledged__v1__allocation_status__descriptor);
    if (row == NULL)
        return NULL;
    row->seq = allocation->seq;
    row->bank_entry = row_id(q, 'B', allocation->bank_entry);
    row->pledge = row_id(q, 'P', allocation->pledge);
    row->amount =
        row_money(q, allocation->amount, q->ledger->bank_entry[allocation->bank_entry].currency);
    row->settled =
        row_money(q, allocation->settled, q->ledger->pledge[allocation->pledge].currency);
    if (allocation->receipt != 0)
        row->receipt = row_id(q, 'Q', allocation->receipt - 1);
    char date[11];
    row->value_date =
        row_text(q, pl_date_format(q->ledger->bank_entry[allocation->bank_entry].value_date, date));
    return q->spent ? NULL : row;
}

/* The newest live ones; the chain runs from new to old. */
static void add_allocations(struct query *q, const struct state_pledge *pledge,
                            Pledged__V1__GetPledgeResponse *response)
{
    const struct state_allocation *found[QUERY_PAYMENTS_MAX];
    size_t count = 0, steps = 0;
    for (uint32_t i = state_newest_allocation(pledge);
         i != STATE_NONE && count < QUERY_PAYMENTS_MAX && steps < QUERY_STEPS_MAX;
         i = q->ledger->allocation[i].next_of_pledge, steps++) {
        if (q->ledger->allocation[i].reversed_by == 0)
            found[count++] = &q->ledger->allocation[i];
    }
    response->allocation = pl_arena_alloc(q->arena, (count + 1) * sizeof(void *));
    if (response->allocation == NULL) {
        q->spent = true;
        return;
    }
    while (count > 0 && !q->spent)
        response->allocation[response->n_allocation++] = allocation_row(q, found[--count]);
}

static Pledged__V1__AdjustmentStatus *adjustment_row(struct query *q,
                                                     const struct state_waiver *waiver)
{
    Pledged__V1__AdjustmentStatus *row =
        row_message(q, &pledged__v1__adjustment_status__descriptor);
    if (row == NULL)
        return NULL;
    row->seq = waiver->seq;
    row->kind = (Pledged__V1__DifferenceKind)waiver->kind;
    if (waiver->bank_entry != STATE_NONE)
        row->bank_entry = row_id(q, 'B', waiver->bank_entry);
    row->amount = row_money(q, waiver->amount, q->ledger->pledge[waiver->pledge].currency);
    return q->spent ? NULL : row;
}

/* The newest live ones, like the allocations. */
static void add_adjustments(struct query *q, const struct state_pledge *pledge,
                            Pledged__V1__GetPledgeResponse *response)
{
    const struct state_waiver *found[QUERY_PAYMENTS_MAX];
    size_t count = 0, steps = 0;
    for (uint32_t i = waiver_newest(q->ledger, pledge);
         i != STATE_NONE && count < QUERY_PAYMENTS_MAX && steps < QUERY_STEPS_MAX;
         i = q->ledger->waiver[i].next_of_pledge, steps++) {
        if (q->ledger->waiver[i].reversed_by == 0)
            found[count++] = &q->ledger->waiver[i];
    }
    response->adjustment = pl_arena_alloc(q->arena, (count + 1) * sizeof(void *));
    if (response->adjustment == NULL) {
        q->spent = true;
        return;
    }
    while (count > 0 && !q->spent)
        response->adjustment[response->n_adjustment++] = adjustment_row(q, found[--count]);
}

static Pledged__V1__RefundStatus *refund_row(struct query *q, size_t index)
{
    const struct state_refund *refund = &q->ledger->refund[index];
    Pledged__V1__RefundStatus *row = row_message(q, &pledged__v1__refund_status__descriptor);
    if (row == NULL)
        return NULL;
    row->refund = row_id(q, 'R', index);
    row->bank_entry = row_id(q, 'B', refund->bank_entry);
    if (refund->debit != STATE_NONE)
        row->debit = row_id(q, 'B', refund->debit);
    row->amount = row_money(q, refund->amount, q->ledger->bank_entry[refund->bank_entry].currency);
    row->state = (Pledged__V1__RefundState)refund->state;
    row->other_payee = refund->other_payee != 0;
    row->seq = refund->seq;
    return q->spent ? NULL : row;
}

/* Refunds are few: the newest of all are looked through. */
static void add_refunds(struct query *q, uint32_t pledge, Pledged__V1__GetPledgeResponse *response)
{
    const struct ledger *ledger = q->ledger;
    size_t found[QUERY_PAYMENTS_MAX], count = 0, steps = 0;
    for (size_t i = ledger->refund_count;
         i > 0 && count < QUERY_PAYMENTS_MAX && steps < QUERY_STEPS_MAX; i--, steps++) {
        if (ledger->bank_entry[ledger->refund[i - 1].bank_entry].pledge == pledge)
            found[count++] = i - 1;
    }
    response->refund = pl_arena_alloc(q->arena, (count + 1) * sizeof(void *));
    if (response->refund == NULL) {
        q->spent = true;
        return;
    }
    while (count > 0 && !q->spent)
        response->refund[response->n_refund++] = refund_row(q, found[--count]);
}

enum pl_code query_get_pledge(const struct ledger *ledger, const struct query_log *log,
                              const ProtobufCMessage *request, struct pl_arena *arena,
                              ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    struct query q = {ledger, log, arena, ret_refusal, false};
    const Pledged__V1__GetPledgeRequest *want = (const Pledged__V1__GetPledgeRequest *)request;
    uint32_t index = STATE_NONE;
    enum pl_code code = read_pledge_id(&q, want->pledge, &index);
    if (code != PL_E_OK)
        return code;
    uint32_t payments[QUERY_PAYMENTS_MAX];
    size_t count = newest_payments(ledger, index, payments);
    struct queues queues;
    Pledged__V1__GetPledgeResponse *response =
        row_message(&q, &pledged__v1__get_pledge_response__descriptor);
    void *rows = pl_arena_alloc(arena, (count + 1) * sizeof(void *));
    if (response == NULL || rows == NULL || !queues_open(&q, &queues))
        return refuse_spent(&q);
    response->payment = rows;
    response->as_of_seq = ledger->size;
    response->pledge = pledge_row(&q, &queues, index);
    for (size_t i = 0; i < count && !q.spent; i++)
        response->payment[response->n_payment++] = payment_row(&q, payments[i]);
    add_allocations(&q, &ledger->pledge[index], response);
    if (!query_proposals_of(ledger, index, arena, &response->proposal, &response->n_proposal))
        q.spent = true;
    add_adjustments(&q, &ledger->pledge[index], response);
    add_refunds(&q, index, response);
    if (q.spent)
        return refuse_spent(&q);
    *ret = &response->base;
    return PL_E_OK;
}

/* --- pledges --- */

struct pledge_filter {
    bool *tier; /* one a tier, or NULL: any */
    bool free_only;
    uint32_t catalogue;   /* STATE_NONE: any */
    uint32_t contributor; /* STATE_NONE: any */
    bool stage[STAGE_COUNT];
    bool any_stage;
    Pledged__V1__ContributorKind kind;
    Pledged__V1__MoneyState money;
    int currency; /* -1: any */
    int64_t expires_before_us;
    uint64_t since_seq;
};

static bool pledge_matches(const struct ledger *ledger, const struct pledge_filter *filter,
                           const struct state_pledge *pledge)
{
    bool is_free = pledge->tier == STATE_TIER_FREE;
    if (pledge->last_seq < filter->since_seq)
        return false;
    if (!filter->any_stage && !filter->stage[pledge->stage])
        return false;
    if (filter->contributor != STATE_NONE && pledge->contributor != filter->contributor)
        return false;
    if (filter->free_only && !is_free)
        return false;
    if (filter->tier != NULL && (is_free || !filter->tier[pledge->tier]))
        return false;
    if (filter->catalogue != STATE_NONE &&
        (is_free || ledger->tier[pledge->tier].catalogue != filter->catalogue))
        return false;
    if (filter->currency >= 0 && pledge->currency != filter->currency)
        return false;
    if (filter->expires_before_us != 0 && (pledge->stage != PLEDGED__V1__STAGE__STAGE_HELD ||
                                           pledge->expires_us >= filter->expires_before_us))
        return false;
    if (filter->kind != PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_UNSPECIFIED &&
        ledger->contributor[pledge->contributor].kind != filter->kind)
        return false;
    return filter->money == PLEDGED__V1__MONEY_STATE__MONEY_STATE_UNSPECIFIED ||
           state_money(pledge) == filter->money;
}

static uint32_t find_catalogue(const struct ledger *ledger, const char *code)
{
    for (size_t i = 0; i < ledger->catalogue_count; i++)
        if (strcmp(ledger->catalogue[i].current->msg->code, code) == 0)
            return (uint32_t)i;
    return STATE_NONE;
}

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool equal_folded(const char *a, const char *b)
{
    while (*a != '\0' && fold(*a) == fold(*b)) {
        a++;
        b++;
    }
    return fold(*a) == fold(*b);
}

/* Marks the tiers that go by this code or alias, in one catalogue or (STATE_NONE) in all. A tier
 * that is no longer offered is known by its code only. */
static enum pl_code filter_tier(struct query *q, const char *text, uint32_t catalogue,
                                struct pledge_filter *filter)
{
    const struct ledger *ledger = q->ledger;
    if (equal_folded(text, "free")) {
        filter->free_only = true;
        return PL_E_OK;
    }
    filter->tier = pl_arena_alloc(q->arena, ledger->tier_count + 1);
    if (filter->tier == NULL)
        return refuse_spent(q);
    bool any = false;
    for (size_t i = 0; i < ledger->tier_count; i++) {
        const struct state_tier *tier = &ledger->tier[i];
        if (catalogue != STATE_NONE && tier->catalogue != catalogue)
            continue;
        int def = catalogue_find_tier(ledger->catalogue[tier->catalogue].current, text);
        filter->tier[i] = tier->def >= 0 ? def == tier->def : equal_folded(text, tier->code);
        any = any || filter->tier[i];
    }
    if (!any)
        return refuse(q, PLEDGED__V1__REASON__REASON_TIER_UNKNOWN, "tier", text,
                      "no catalogue has this tier");
    return PL_E_OK;
}

static enum pl_code filter_stages(struct query *q, const Pledged__V1__ListPledgesRequest *want,
                                  struct pledge_filter *filter)
{
    filter->any_stage = want->n_stage == 0;
    for (size_t i = 0; i < want->n_stage; i++) {
        if (want->stage[i] <= PLEDGED__V1__STAGE__STAGE_UNSPECIFIED ||
            (size_t)want->stage[i] >= STAGE_COUNT)
            return refuse(q, PLEDGED__V1__REASON__REASON_FIELD_INVALID, "stage", NULL,
                          "this is not a stage");
        filter->stage[want->stage[i]] = true;
    }
    return PL_E_OK;
}

static enum pl_code filter_read(struct query *q, const Pledged__V1__ListPledgesRequest *want,
                                struct pledge_filter *ret)
{
    *ret = (struct pledge_filter){.catalogue = STATE_NONE, .contributor = STATE_NONE};
    enum pl_code code = filter_stages(q, want, ret);
    if (code == PL_E_OK && want->contributor[0] != '\0')
        code = read_id(q, "contributor", want->contributor, 'C', q->ledger->contributor_count,
                       PLEDGED__V1__REASON__REASON_CONTRIBUTOR_UNKNOWN, &ret->contributor);
    if (code == PL_E_OK)
        code = read_currency(q, want->currency, &ret->currency);
    if (code != PL_E_OK)
        return code;
    if (want->expires_before_us < 0)
        return refuse(q, PLEDGED__V1__REASON__REASON_FIELD_INVALID, "expires_before_us", NULL,
                      "a moment before 1970 ends no hold");
    ret->kind = want->contributor_kind;
    ret->money = want->money;
    ret->expires_before_us = want->expires_before_us;
    ret->since_seq = want->since_seq;
    if (want->catalogue[0] != '\0') {
        ret->catalogue = find_catalogue(q->ledger, want->catalogue);
        if (ret->catalogue == STATE_NONE)
            return refuse(q, PLEDGED__V1__REASON__REASON_CATALOGUE_UNKNOWN, "catalogue",
                          want->catalogue, "no such catalogue was adopted");
    }
    if (want->tier[0] != '\0')
        return filter_tier(q, want->tier, ret->catalogue, ret);
    return PL_E_OK;
}

enum pl_code query_list_pledges(const struct ledger *ledger, const struct query_log *log,
                                const ProtobufCMessage *request, struct pl_arena *arena,
                                ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    struct query q = {ledger, log, arena, ret_refusal, false};
    const Pledged__V1__ListPledgesRequest *want = (const Pledged__V1__ListPledgesRequest *)request;
    struct pledge_filter filter;
    struct page page;
    struct queues queues;
    enum pl_code code = filter_read(&q, want, &filter);
    if (code == PL_E_OK)
        code = page_open(&q, want->page_token, want->page_size, 'p', ledger->pledge_count, &page);
    if (code != PL_E_OK)
        return code;
    Pledged__V1__ListPledgesResponse *response =
        row_message(&q, &pledged__v1__list_pledges_response__descriptor);
    void *rows = page_rows(&q, &page, ledger->pledge_count);
    if (response == NULL || rows == NULL || !queues_open(&q, &queues))
        return refuse_spent(&q);
    response->as_of_seq = ledger->size;
    response->pledge = rows;
    size_t i = page.from;
    for (size_t steps = 0; i < ledger->pledge_count && steps < QUERY_STEPS_MAX; i++, steps++) {
        if (!pledge_matches(ledger, &filter, &ledger->pledge[i]))
            continue;
        if (response->n_pledge == page.size || (response->n_pledge > 0 && !page_has_room(&q)))
            break;
        Pledged__V1__PledgeStatus *row = pledge_row(&q, &queues, (uint32_t)i);
        if (row == NULL)
            break;
        response->pledge[response->n_pledge++] = row;
    }
    if (q.spent && response->n_pledge == 0)
        return refuse_spent(&q);
    if (i < ledger->pledge_count)
        response->next_page_token = page_token(&page, i);
    *ret = &response->base;
    return PL_E_OK;
}

/* --- contributors --- */

/* Case-insensitive for ASCII letters; all other bytes as they are. */
static bool contains_folded(const char *text, const char *part)
{
    for (;; text++) {
        size_t i = 0;
        while (part[i] != '\0' && fold(text[i]) == fold(part[i]))
            i++;
        if (part[i] == '\0')
            return true;
        if (*text == '\0')
            return false;
    }
}

static Pledged__V1__ContributorStatus *contributor_row(struct query *q, size_t index)
{
    const struct state_contributor *contributor = &q->ledger->contributor[index];
    Pledged__V1__ContributorStatus *row =
        row_message(q, &pledged__v1__contributor_status__descriptor);
    if (row == NULL)
        return NULL;
    row->contributor = row_id(q, 'C', index);
    row->name = row_text(q, q->ledger->text + contributor->name);
    row->kind = (Pledged__V1__ContributorKind)contributor->kind;
    row->country = row_text(q, contributor->country);
    row->itu_membership = row_text(q, contributor->itu_membership);
    row->live_pledges = contributor->live_pledges;
    row->seq = contributor->seq;
    return q->spent ? NULL : row;
}

static bool contributor_matches(const struct ledger *ledger,
                                const Pledged__V1__ListContributorsRequest *want,
                                const struct state_contributor *contributor)
{
    if (want->kind != PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_UNSPECIFIED &&
        contributor->kind != want->kind)
        return false;
    return contains_folded(ledger->text + contributor->name, want->name_contains);
}

enum pl_code query_list_contributors(const struct ledger *ledger, const struct query_log *log,
                                     const ProtobufCMessage *request, struct pl_arena *arena,
                                     ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    struct query q = {ledger, log, arena, ret_refusal, false};
    const Pledged__V1__ListContributorsRequest *want =
        (const Pledged__V1__ListContributorsRequest *)request;
    struct page page;
    size_t count = ledger->contributor_count;
    enum pl_code code = page_open(&q, want->page_token, want->page_size, 'c', count, &page);
    if (code != PL_E_OK)
        return code;
    Pledged__V1__ListContributorsResponse *response =
        row_message(&q, &pledged__v1__list_contributors_response__descriptor);
    void *rows = page_rows(&q, &page, count);
    if (response == NULL || rows == NULL)
        return refuse_spent(&q);
    response->as_of_seq = ledger->size;
    response->contributor = rows;
    size_t i = page.from;
    for (size_t steps = 0; i < count && steps < QUERY_STEPS_MAX; i++, steps++) {
        if (!contributor_matches(ledger, want, &ledger->contributor[i]))
            continue;
        if (response->n_contributor == page.size ||
            (response->n_contributor > 0 && !page_has_room(&q)))
            break;
        Pledged__V1__ContributorStatus *row = contributor_row(&q, i);
        if (row == NULL)
            break;
        response->contributor[response->n_contributor++] = row;
    }
    if (q.spent && response->n_contributor == 0)
        return refuse_spent(&q);
    if (i < count)
        response->next_page_token = page_token(&page, i);
    *ret = &response->base;
    return PL_E_OK;
}

/* --- payments --- */

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
                                  const struct page *page, uint32_t *ret)
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
        return refuse(q, PLEDGED__V1__REASON__REASON_FIELD_INVALID, "page_token", NULL,
                      "this page token belongs to another pledge");
    return PL_E_OK;
}

static enum pl_code payment_page(struct query *q, const struct payment_filter *filter,
                                 const struct page *page, ProtobufCMessage **ret)
{
    const struct ledger *ledger = q->ledger;
    uint32_t at;
    enum pl_code code = payment_first(q, filter, page, &at);
    if (code != PL_E_OK)
        return code;
    Pledged__V1__ListPaymentsResponse *response =
        row_message(q, &pledged__v1__list_payments_response__descriptor);
    void *rows = page_rows(q, page, ledger->bank_entry_count);
    if (response == NULL || rows == NULL)
        return refuse_spent(q);
    response->as_of_seq = ledger->size;
    response->payment = rows;
    for (size_t steps = 0; at != STATE_NONE && steps < QUERY_STEPS_MAX;
         at = payment_next(ledger, filter, at), steps++) {
        if (!payment_matches(filter, &ledger->bank_entry[at]))
            continue;
        if (response->n_payment == page->size || (response->n_payment > 0 && !page_has_room(q)))
            break;
        Pledged__V1__PaymentStatus *row = payment_row(q, at);
        if (row == NULL)
            break;
        response->payment[response->n_payment++] = row;
    }
    if (q->spent && response->n_payment == 0)
        return refuse_spent(q);
    if (at != STATE_NONE)
        response->next_page_token = page_token(page, at);
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
    struct page page;
    enum pl_code code = PL_E_OK;
    if (want->pledge[0] != '\0')
        code = read_pledge_id(&q, want->pledge, &filter.pledge);
    if (code == PL_E_OK && want->bank_entry[0] != '\0')
        code = read_id(&q, "bank_entry", want->bank_entry, 'B', ledger->bank_entry_count,
                       PLEDGED__V1__REASON__REASON_BANK_ENTRY_UNKNOWN, &filter.bank_entry);
    if (code == PL_E_OK)
        code = read_currency(&q, want->currency, &filter.currency);
    if (code == PL_E_OK)
        code =
            page_open(&q, want->page_token, want->page_size, 'b', ledger->bank_entry_count, &page);
    if (code != PL_E_OK)
        return code;
    return payment_page(&q, &filter, &page, ret);
}

/* --- documents --- */

static Pledged__V1__DocumentStatus *document_row(struct query *q, enum state_document_kind kind,
                                                 size_t index)
{
    const struct state_document *document = &q->ledger->document[kind].row[index];
    const struct state_pledge *pledge = &q->ledger->pledge[document->pledge];
    Pledged__V1__DocumentStatus *row = row_message(q, &pledged__v1__document_status__descriptor);
    if (row == NULL)
        return NULL;
    row->number = row_id(q, receipt_prefix(kind), index);
    row->pledge = row_id(q, 'P', document->pledge);
    row->contributor = row_id(q, 'C', pledge->contributor);
    row->contributor_name =
        row_text(q, q->ledger->text + q->ledger->contributor[pledge->contributor].name);
    row->amount = row_money(q, document->amount, pledge->currency);
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
        row->undone = row_money(q, document->undone, pledge->currency);
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
        response->open[response->n_open++] = allocation_row(q, &q->ledger->allocation[open[i]]);
}

static enum pl_code document_page(struct query *q, const Pledged__V1__ListDocumentsRequest *want,
                                  uint32_t pledge, const struct page *page, ProtobufCMessage **ret)
{
    enum state_document_kind kind = want->certificates ? STATE_CERTIFICATE : STATE_RECEIPT;
    const struct state_documents *issued = &q->ledger->document[kind];
    Pledged__V1__ListDocumentsResponse *response =
        row_message(q, &pledged__v1__list_documents_response__descriptor);
    void *rows = page_rows(q, page, issued->count);
    if (response == NULL || rows == NULL)
        return refuse_spent(q);
    response->as_of_seq = q->ledger->size;
    response->document = rows;
    response->next_number = row_id(q, receipt_prefix(kind), issued->count);
    if (pledge != STATE_NONE && kind == STATE_RECEIPT)
        add_open(q, pledge, response);
    if (q->spent)
        return refuse_spent(q);
    size_t i = page->from;
    for (size_t steps = 0; i < issued->count && steps < QUERY_STEPS_MAX; i++, steps++) {
        const struct state_document *document = &issued->row[i];
        if ((pledge != STATE_NONE && document->pledge != pledge) ||
            (want->sha256.len != 0 &&
             memcmp(want->sha256.data, document->sha256, sizeof(document->sha256)) != 0))
            continue;
        if (response->n_document == page->size || (response->n_document > 0 && !page_has_room(q)))
            break;
        Pledged__V1__DocumentStatus *row = document_row(q, kind, i);
        if (row == NULL)
            break;
        response->document[response->n_document++] = row;
    }
    if (q->spent && response->n_document == 0)
        return refuse_spent(q);
    if (i < issued->count)
        response->next_page_token = page_token(page, i);
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
    struct page page;
    uint32_t pledge = STATE_NONE;
    enum pl_code code = PL_E_OK;
    if (want->pledge[0] != '\0')
        code = read_pledge_id(&q, want->pledge, &pledge);
    if (code == PL_E_OK && want->sha256.len != 0 && want->sha256.len != 32)
        code = refuse(&q, PLEDGED__V1__REASON__REASON_FIELD_INVALID, "sha256", NULL,
                      "a SHA-256 has 32 bytes");
    enum state_document_kind kind = want->certificates ? STATE_CERTIFICATE : STATE_RECEIPT;
    if (code == PL_E_OK)
        code = page_open(&q, want->page_token, want->page_size, want->certificates ? 'z' : 'q',
                         ledger->document[kind].count, &page);
    return code == PL_E_OK ? document_page(&q, want, pledge, &page, ret) : code;
}

/* --- periods --- */

enum { QUERY_PERIODS_MAX = 1000 };

static char *row_month(struct query *q, int month)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%04d-%02d", month / 12, month % 12 + 1);
    return row_text(q, text);
}

static Pledged__V1__PeriodStatus *period_row(struct query *q, const struct state_period *period)
{
    Pledged__V1__PeriodStatus *row = row_message(q, &pledged__v1__period_status__descriptor);
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
        row_message(&q, &pledged__v1__list_periods_response__descriptor);
    void *rows = pl_arena_alloc(arena, (count + 1) * sizeof(void *));
    if (response == NULL || rows == NULL)
        return refuse_spent(&q);
    response->as_of_seq = ledger->size;
    if (ledger->closed_through >= 0)
        response->closed_through = row_month(&q, ledger->closed_through);
    response->period = rows;
    for (size_t i = ledger->period_count - count; i < ledger->period_count && !q.spent; i++)
        response->period[response->n_period++] = period_row(&q, &ledger->period[i]);
    if (q.spent)
        return refuse_spent(&q);
    *ret = &response->base;
    return PL_E_OK;
}

/* --- history --- */

/* The chain of entries about one pledge, newest first. `scratch` holds one unpacked entry. */
struct walk {
    const struct query_log *log;
    struct pl_arena scratch;
    struct pl_slice bytes;           /* of the entry last read; until the next read */
    const Pledged__V1__Entry *entry; /* the same, unpacked; until the next read */
};

static void walk_init(struct walk *walk, const struct query_log *log)
{
    *walk = (struct walk){.log = log};
    pl_arena_init(&walk->scratch, SCRATCH_BYTES);
}

static void walk_fini(struct walk *walk)
{
    pl_arena_fini(&walk->scratch);
}

static struct pl_status walk_read(struct walk *walk, uint64_t seq)
{
    ProtobufCMessage *message;
    walk->entry = NULL;
    pl_arena_reset(&walk->scratch);
    PL_TRY(walk->log->read(walk->log->arg, seq, &walk->bytes));
    PL_TRY(
        pl_unpack_trusted(&pledged__v1__entry__descriptor, walk->bytes, &walk->scratch, &message));
    walk->entry = (const Pledged__V1__Entry *)message;
    if (walk->entry->seq != seq || walk->entry->prev_seq >= seq)
        return pl_fail(CORRUPT, "an entry of the log has a wrong number or predecessor");
    return pl_ok();
}

/* --- bank statements --- */

/* The movement as the bank told it, out of the entry that has it. */
static enum pl_code copy_movement(struct query *q, struct walk *walk, uint64_t seq,
                                  Pledged__V1__Movement **ret)
{
    struct pl_status status = walk_read(walk, seq);
    if (!pl_is_ok(status))
        return refuse_status(q, status);
    const Pledged__V1__Entry *entry = walk->entry;
    const Pledged__V1__Movement *movement =
        entry->fact_case == PLEDGED__V1__ENTRY__FACT_PAYMENT_CONFIRMED
            ? entry->payment_confirmed->movement
            : entry->bank_entry_recorded->movement;
    *ret = (Pledged__V1__Movement *)pl_message_copy(&movement->base, q->arena);
    q->spent = q->spent || *ret == NULL;
    return PL_E_OK;
}

static enum pl_code bank_entry_row(struct query *q, struct walk *walk, uint32_t index,
                                   Pledged__V1__BankEntryStatus **ret)
{
    const struct ledger *ledger = q->ledger;
    const struct state_bank_entry *entry = &ledger->bank_entry[index];
    const struct state_movement *from = &ledger->movement[entry->movement];
    uint32_t pledge = entry->pledge != STATE_NONE ? entry->pledge : from->meant;
    int64_t unmatched = statement_unmatched(ledger, entry);
    Pledged__V1__BankEntryStatus *row = row_message(q, &pledged__v1__bank_entry_status__descriptor);
    *ret = NULL;
    if (row == NULL)
        return PL_E_OK;
    row->bank_entry = row_id(q, 'B', index);
    row->statement = row_id(q, 'S', from->statement);
    row->currency = lend(pl_currency_code(entry->currency));
    row->allocated_minor = entry->allocated;
    row->unmatched_minor = entry->debit ? -unmatched : unmatched;
    row->queue = statement_queue(ledger, entry);
    row->pledge = pledge != STATE_NONE ? row_id(q, 'P', pledge) : row->pledge;
    row->reversed = entry->reversed != 0;
    row->batch = from->batch != STATE_NONE ? row_id(q, 'B', from->batch) : row->batch;
    row->seq = from->seq;
    row->occurrence = from->occurrence;
    row->detail_erased_seq = payer_erased_seq(ledger, entry);
    row->charge_seq = from->charge_seq;
    row->explained_minor = entry->explained;
    enum pl_code code = copy_movement(q, walk, from->seq, &row->movement);
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
    if (entry->movement == STATE_NONE ||
        (filter->bank_entry != STATE_NONE && filter->bank_entry != index))
        return false;
    const struct state_movement *from = &ledger->movement[entry->movement];
    return (!filter->unmatched_only || statement_unmatched(ledger, entry) != 0) &&
           (filter->queue == 0 || statement_queue(ledger, entry) == filter->queue) &&
           (filter->statement == STATE_NONE || from->statement == filter->statement) &&
           (filter->currency < 0 || entry->currency == filter->currency) &&
           from->booking_date < filter->booked_before;
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
    enum pl_code code = read_currency(q, want->currency, &ret->currency);
    if (code == PL_E_OK && want->statement[0] != '\0')
        code = read_id(q, "statement", want->statement, 'S', q->ledger->statement_count,
                       PLEDGED__V1__REASON__REASON_ENTRY_UNKNOWN, &ret->statement);
    if (code == PL_E_OK && want->bank_entry[0] != '\0')
        code = read_id(q, "bank_entry", want->bank_entry, 'B', q->ledger->bank_entry_count,
                       PLEDGED__V1__REASON__REASON_BANK_ENTRY_UNKNOWN, &ret->bank_entry);
    if (code == PL_E_OK && want->booked_before[0] != '\0' &&
        !pl_is_ok(pl_date_parse(want->booked_before, &ret->booked_before)))
        code = refuse(q, PLEDGED__V1__REASON__REASON_DATE_INVALID, "booked_before", NULL,
                      "a date has the form YYYY-MM-DD");
    return code;
}

static enum pl_code bank_page(struct query *q, const struct bank_filter *filter,
                              const struct page *page,
                              Pledged__V1__ListBankEntriesResponse *response)
{
    size_t count = q->ledger->bank_entry_count;
    struct walk walk;
    enum pl_code code = PL_E_OK;
    size_t i = page->from;
    walk_init(&walk, q->log);
    for (size_t steps = 0; i < count && steps < QUERY_STEPS_MAX; i++, steps++) {
        Pledged__V1__BankEntryStatus *row = NULL;
        if (!bank_matches(q->ledger, filter, (uint32_t)i))
            continue;
        if (response->n_bank_entry == page->size ||
            (response->n_bank_entry > 0 && !page_has_room(q)))
            break;
        code = bank_entry_row(q, &walk, (uint32_t)i, &row);
        if (code != PL_E_OK || row == NULL)
            break;
        response->bank_entry[response->n_bank_entry++] = row;
    }
    walk_fini(&walk);
    if (i < count)
        response->next_page_token = page_token(page, i);
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
    struct page page;
    enum pl_code code = read_bank_filter(&q, want, &filter);
    if (code == PL_E_OK)
        code =
            page_open(&q, want->page_token, want->page_size, 'e', ledger->bank_entry_count, &page);
    if (code != PL_E_OK)
        return code;
    Pledged__V1__ListBankEntriesResponse *response =
        row_message(&q, &pledged__v1__list_bank_entries_response__descriptor);
    void *rows = page_rows(&q, &page, ledger->bank_entry_count);
    if (response == NULL || rows == NULL)
        return refuse_spent(&q);
    response->as_of_seq = ledger->size;
    response->bank_entry = rows;
    code = bank_page(&q, &filter, &page, response);
    if (code != PL_E_OK)
        return code;
    if (q.spent && response->n_bank_entry == 0)
        return refuse_spent(&q);
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

static enum pl_code statement_page(struct query *q, const char *account, const struct page *page,
                                   Pledged__V1__ListStatementsResponse *response)
{
    const struct ledger *ledger = q->ledger;
    const int64_t *unmatched = count_unmatched(q);
    struct walk walk;
    struct pl_status status = pl_ok();
    size_t i = page->from;
    if (unmatched == NULL)
        return refuse_spent(q);
    walk_init(&walk, q->log);
    for (size_t steps = 0; i < ledger->statement_count && steps < QUERY_STEPS_MAX; i++, steps++) {
        const struct state_statement *from = &ledger->statement[i];
        if (account[0] != '\0' && strcmp(account, ledger->text + from->account) != 0)
            continue;
        if (response->n_statement == page->size || (response->n_statement > 0 && !page_has_room(q)))
            break;
        status = walk_read(&walk, from->seq);
        Pledged__V1__StatementStatus *row =
            pl_is_ok(status)
                ? statement_of_fact(q, walk.entry->statement_imported, from, unmatched[i])
                : NULL;
        if (row == NULL)
            break;
        response->statement[response->n_statement++] = row;
    }
    walk_fini(&walk);
    if (i < ledger->statement_count)
        response->next_page_token = page_token(page, i);
    return pl_is_ok(status) ? PL_E_OK : refuse_status(q, status);
}

enum pl_code query_list_statements(const struct ledger *ledger, const struct query_log *log,
                                   const ProtobufCMessage *request, struct pl_arena *arena,
                                   ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    struct query q = {ledger, log, arena, ret_refusal, false};
    const Pledged__V1__ListStatementsRequest *want =
        (const Pledged__V1__ListStatementsRequest *)request;
    struct page page;
    enum pl_code code =
        page_open(&q, want->page_token, want->page_size, 's', ledger->statement_count, &page);
    if (code != PL_E_OK)
        return code;
    Pledged__V1__ListStatementsResponse *response =
        row_message(&q, &pledged__v1__list_statements_response__descriptor);
    void *rows = page_rows(&q, &page, ledger->statement_count);
    if (response == NULL || rows == NULL)
        return refuse_spent(&q);
    response->as_of_seq = ledger->size;
    response->statement = rows;
    code = statement_page(&q, want->account, &page, response);
    if (code == PL_E_OK && q.spent && response->n_statement == 0)
        return refuse_spent(&q);
    *ret = &response->base;
    return code;
}

/* --- suggestions --- */

enum { SUGGESTIONS_DEFAULT = 10, SUGGESTIONS_MOST = 100 };

struct guesses {
    struct {
        uint32_t pledge;
        Pledged__V1__SuggestionKind kind;
    } best[SUGGESTIONS_MOST];
    size_t count, most;
};

static Pledged__V1__SuggestionKind guess(const struct ledger *ledger,
                                         const struct state_bank_entry *entry, uint32_t index)
{
    const struct state_pledge *pledge = &ledger->pledge[index];
    const struct state_movement *from = &ledger->movement[entry->movement];
    int64_t free_money = allocation_free(entry);
    int64_t outstanding = pledge->amount - state_settled(pledge);
    bool open = pledge->stage == PLEDGED__V1__STAGE__STAGE_PLEDGED ||
                pledge->stage == PLEDGED__V1__STAGE__STAGE_COMMITTED;
    if (from->meant == index)
        return PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_REFERENCE;
    if (!open || outstanding == 0)
        return PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_UNSPECIFIED;
    if (from->instructed_currency >= 0 && from->instructed_currency == pledge->currency &&
        from->instructed_minor == outstanding)
        return PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_INSTRUCTED;
    if (pledge->currency != entry->currency)
        return PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_UNSPECIFIED;
    if (free_money == outstanding)
        return PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_AMOUNT;
    if (free_money == schedule_next(ledger, pledge, state_settled(pledge)))
        return PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_INSTALMENT;
    if (free_money == pledge->amount)
        return PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_PROMISED;
    return free_money < outstanding ? PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_CURRENCY
                                    : PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_UNSPECIFIED;
}

/* Better kinds first, then the older pledge. */
static void keep_guess(struct guesses *guesses, uint32_t pledge, Pledged__V1__SuggestionKind kind)
{
    if (kind == PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_UNSPECIFIED)
        return;
    size_t at = guesses->count;
    while (at > 0 && (guesses->best[at - 1].kind > kind || (guesses->best[at - 1].kind == kind &&
                                                            guesses->best[at - 1].pledge > pledge)))
        at--;
    if (at == guesses->most)
        return;
    size_t last = guesses->count < guesses->most ? guesses->count++ : guesses->most - 1;
    for (size_t i = last; i > at; i--)
        guesses->best[i] = guesses->best[i - 1];
    guesses->best[at].pledge = pledge;
    guesses->best[at].kind = kind;
}

static void look_for_guesses(const struct ledger *ledger, const struct state_bank_entry *entry,
                             struct guesses *ret)
{
    uint32_t meant = ledger->movement[entry->movement].meant;
    size_t least =
        ledger->pledge_count > QUERY_STEPS_MAX ? ledger->pledge_count - QUERY_STEPS_MAX : 0;
    if (entry->debit || entry->reversed || allocation_free(entry) == 0)
        return;
    if (meant != STATE_NONE && meant < least)
        keep_guess(ret, meant, guess(ledger, entry, meant));
    for (size_t i = least; i < ledger->pledge_count; i++)
        keep_guess(ret, (uint32_t)i, guess(ledger, entry, (uint32_t)i));
}

static Pledged__V1__Suggestion *suggestion_row(struct query *q, uint32_t index,
                                               Pledged__V1__SuggestionKind kind)
{
    const struct state_pledge *pledge = &q->ledger->pledge[index];
    const struct state_contributor *who = &q->ledger->contributor[pledge->contributor];
    Pledged__V1__Suggestion *row = row_message(q, &pledged__v1__suggestion__descriptor);
    if (row == NULL)
        return NULL;
    row->kind = kind;
    row->pledge = row_id(q, 'P', index);
    row->contributor = row_id(q, 'C', pledge->contributor);
    row->contributor_name = row_text(q, q->ledger->text + who->name);
    row->stage = (Pledged__V1__Stage)pledge->stage;
    if (pledge->currency >= 0)
        row->outstanding = row_money(q, pledge->amount - state_settled(pledge), pledge->currency);
    return q->spent ? NULL : row;
}

static bool comes_back(const struct ledger *ledger, const struct state_bank_entry *credit)
{
    uint8_t kind = ledger->movement[credit->movement].kind;
    return kind == PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_RETURN ||
           kind == PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_REVERSAL;
}

/* Refunds that were paid, and whose money a credit may bring back: the one that it names, for banks
 * return the end-to-end id, then those of its amount where the bank says that it is a return. */
static bool guess_return(const struct ledger *ledger, const struct state_bank_entry *credit,
                         const struct state_refund *refund, bool named)
{
    return refund->state == PLEDGED__V1__REFUND_STATE__REFUND_STATE_PAID &&
           ledger->bank_entry[refund->debit].movement != STATE_NONE &&
           ledger->bank_entry[refund->bank_entry].currency == credit->currency &&
           allocation_free(credit) <= refund->amount &&
           (named || (comes_back(ledger, credit) && allocation_free(credit) == refund->amount));
}

/* Refunds that a debit may have paid: the one that it names, then those of its amount. */
static bool guess_refund(const struct ledger *ledger, const struct state_bank_entry *debit,
                         const struct state_refund *refund, const char *end_to_end_id,
                         Pledged__V1__SuggestionKind *ret)
{
    bool named = pl_id_parse(end_to_end_id, 'R') == (uint64_t)(refund - ledger->refund) + 1;
    *ret = named ? PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_REFUND_NAMED
                 : PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_REFUND_AMOUNT;
    if (!debit->debit) {
        *ret = named ? PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_RETURN_NAMED
                     : PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_RETURN_AMOUNT;
        return guess_return(ledger, debit, refund, named);
    }
    return refund->state == PLEDGED__V1__REFUND_STATE__REFUND_STATE_ORDERED &&
           ledger->bank_entry[refund->bank_entry].currency == debit->currency &&
           (named || refund->amount == allocation_free(debit));
}

static Pledged__V1__Suggestion *refund_suggestion(struct query *q, uint32_t index,
                                                  Pledged__V1__SuggestionKind kind)
{
    const struct state_refund *refund = &q->ledger->refund[index];
    uint32_t pledge = q->ledger->bank_entry[refund->bank_entry].pledge;
    Pledged__V1__Suggestion *row = pledge != STATE_NONE
                                       ? suggestion_row(q, pledge, kind)
                                       : row_message(q, &pledged__v1__suggestion__descriptor);
    if (row == NULL)
        return NULL;
    row->kind = kind;
    row->refund = row_id(q, 'R', index);
    row->outstanding =
        row_money(q, refund->amount, q->ledger->bank_entry[refund->bank_entry].currency);
    return q->spent ? NULL : row;
}

static bool is_named(Pledged__V1__SuggestionKind kind)
{
    return kind == PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_REFUND_NAMED ||
           kind == PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_RETURN_NAMED;
}

static void suggest_refunds(struct query *q, const struct state_bank_entry *debit,
                            const char *end_to_end_id, size_t most,
                            Pledged__V1__SuggestAllocationsResponse *response)
{
    const struct ledger *ledger = q->ledger;
    Pledged__V1__SuggestionKind kind;
    size_t least =
        ledger->refund_count > QUERY_STEPS_MAX ? ledger->refund_count - QUERY_STEPS_MAX : 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = least; i < ledger->refund_count && response->n_suggestion < most; i++) {
            if (!guess_refund(ledger, debit, &ledger->refund[i], end_to_end_id, &kind) ||
                is_named(kind) != (pass == 0))
                continue;
            Pledged__V1__Suggestion *row = refund_suggestion(q, (uint32_t)i, kind);
            if (row == NULL)
                return;
            response->suggestion[response->n_suggestion++] = row;
        }
    }
}

enum pl_code query_suggest_allocations(const struct ledger *ledger, const struct query_log *log,
                                       const ProtobufCMessage *request, struct pl_arena *arena,
                                       ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    struct query q = {ledger, log, arena, ret_refusal, false};
    const Pledged__V1__SuggestAllocationsRequest *want =
        (const Pledged__V1__SuggestAllocationsRequest *)request;
    struct guesses guesses = {.most = want->most == 0 ? SUGGESTIONS_DEFAULT : want->most};
    struct walk walk;
    uint32_t index = 0;
    guesses.most = guesses.most > SUGGESTIONS_MOST ? SUGGESTIONS_MOST : guesses.most;
    enum pl_code code = read_id(&q, "bank_entry", want->bank_entry, 'B', ledger->bank_entry_count,
                                PLEDGED__V1__REASON__REASON_BANK_ENTRY_UNKNOWN, &index);
    if (code != PL_E_OK)
        return code;
    if (ledger->bank_entry[index].movement == STATE_NONE)
        return refuse(&q, PLEDGED__V1__REASON__REASON_BANK_ENTRY_UNKNOWN, "bank_entry",
                      want->bank_entry, "no statement brought this bank entry");
    Pledged__V1__SuggestAllocationsResponse *response =
        row_message(&q, &pledged__v1__suggest_allocations_response__descriptor);
    void *rows = pl_arena_alloc(arena, SUGGESTIONS_MOST * sizeof(Pledged__V1__Suggestion *));
    if (response == NULL || rows == NULL)
        return refuse_spent(&q);
    response->as_of_seq = ledger->size;
    response->suggestion = rows;
    walk_init(&walk, log);
    code = bank_entry_row(&q, &walk, index, &response->bank_entry);
    walk_fini(&walk);
    look_for_guesses(ledger, &ledger->bank_entry[index], &guesses);
    if (code == PL_E_OK && !q.spent && !ledger->bank_entry[index].reversed &&
        allocation_free(&ledger->bank_entry[index]) != 0)
        suggest_refunds(&q, &ledger->bank_entry[index],
                        response->bank_entry->movement->end_to_end_id, guesses.most, response);
    for (size_t i = 0; i < guesses.count && response->n_suggestion < guesses.most && !q.spent; i++)
        response->suggestion[response->n_suggestion++] =
            suggestion_row(&q, guesses.best[i].pledge, guesses.best[i].kind);
    if (code == PL_E_OK && q.spent)
        return refuse_spent(&q);
    *ret = &response->base;
    return code;
}

/* --- history, by the chain --- */

/* Every fact about a pledge names it in a field of that name. "" if this one is about none. */
static const char *entry_pledge(const Pledged__V1__Entry *entry)
{
    const ProtobufCFieldDescriptor *fact = protobuf_c_message_descriptor_get_field(
        &pledged__v1__entry__descriptor, (unsigned)entry->fact_case);
    if (fact == NULL)
        return "";
    const ProtobufCFieldDescriptor *pledge = protobuf_c_message_descriptor_get_field_by_name(
        (const ProtobufCMessageDescriptor *)fact->descriptor, "pledge");
    if (pledge == NULL || pledge->type != PROTOBUF_C_TYPE_STRING)
        return "";
    const uint8_t *message;
    const char *id;
    memcpy(&message, (const uint8_t *)entry + fact->offset, sizeof(message));
    memcpy(&id, message + pledge->offset, sizeof(id));
    return id;
}

/* A refusal names its pledge without always being a link of its chain. */
static bool entry_in_chain(const Pledged__V1__Entry *entry, const char *pledge)
{
    if (entry->fact_case == PLEDGED__V1__ENTRY__FACT_COMMAND_REFUSED && entry->prev_seq == 0)
        return false;
    return strcmp(entry_pledge(entry), pledge) == 0;
}

/* Newest entry of the pledge's chain below `before`, 0 if none. A `before` that stands in the
 * chain, or just behind one of its links, needs one read or two; any other a walk from the newest
 * on. */
static struct pl_status find_before(struct walk *walk, const struct state_pledge *pledge,
                                    const char *id, uint64_t before, uint64_t *ret)
{
    *ret = pledge->last_seq;
    if (before == 0 || before > pledge->last_seq)
        return pl_ok();
    *ret = 0;
    if (before <= pledge->first_seq)
        return pl_ok();
    PL_TRY(walk_read(walk, before - 1));
    if (entry_in_chain(walk->entry, id)) {
        *ret = before - 1;
        return pl_ok();
    }
    PL_TRY(walk_read(walk, before));
    uint64_t at = entry_in_chain(walk->entry, id) ? walk->entry->prev_seq : pledge->last_seq;
    for (size_t steps = 0; at >= before; steps++) {
        if (steps == QUERY_STEPS_MAX)
            return pl_fail(TOO_BIG, "before_seq is too far from any entry of this pledge");
        PL_TRY(walk_read(walk, at));
        at = walk->entry->prev_seq;
    }
    *ret = at;
    return pl_ok();
}

/* Copies entries from `at` backwards; the response then holds them oldest first. */
static struct pl_status history_fill(struct query *q, struct walk *walk, uint64_t at, size_t most,
                                     Pledged__V1__GetHistoryResponse *response)
{
    ProtobufCBinaryData *entry = response->entry;
    size_t count = 0;
    while (at != 0 && count < most && (count == 0 || page_has_room(q))) {
        PL_TRY(walk_read(walk, at));
        void *copy = pl_arena_memdup(q->arena, walk->bytes.data, walk->bytes.len);
        if (copy == NULL) {
            q->spent = true;
            break;
        }
        entry[count++] = (ProtobufCBinaryData){walk->bytes.len, copy};
        at = walk->entry->prev_seq;
    }
    for (size_t i = 0; i < count / 2; i++) {
        ProtobufCBinaryData swap = entry[i];
        entry[i] = entry[count - 1 - i];
        entry[count - 1 - i] = swap;
    }
    response->n_entry = count;
    response->earlier_before_seq = at == 0 ? 0 : at + 1;
    return pl_ok();
}

enum pl_code query_get_history(const struct ledger *ledger, const struct query_log *log,
                               const ProtobufCMessage *request, struct pl_arena *arena,
                               ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    struct query q = {ledger, log, arena, ret_refusal, false};
    const Pledged__V1__GetHistoryRequest *want = (const Pledged__V1__GetHistoryRequest *)request;
    struct page page;
    uint32_t index = 0;
    enum pl_code code = read_pledge_id(&q, want->pledge, &index);
    if (code == PL_E_OK)
        code = page_open(&q, "", want->page_size, 'h', 0, &page);
    if (code != PL_E_OK)
        return code;
    Pledged__V1__GetHistoryResponse *response =
        row_message(&q, &pledged__v1__get_history_response__descriptor);
    ProtobufCBinaryData *entries = pl_arena_alloc(arena, page.size * sizeof(*entries));
    if (response == NULL || entries == NULL)
        return refuse_spent(&q);
    response->as_of_seq = ledger->size;
    response->entry = entries;
    struct walk walk PL_CLEANUP(walk_fini);
    walk_init(&walk, log);
    uint64_t at;
    struct pl_status status =
        find_before(&walk, &ledger->pledge[index], want->pledge, want->before_seq, &at);
    if (pl_is_ok(status))
        status = history_fill(&q, &walk, at, page.size, response);
    if (!pl_is_ok(status))
        return refuse_status(&q, status);
    if (q.spent && response->n_entry == 0)
        return refuse_spent(&q);
    *ret = &response->base;
    return PL_E_OK;
}

/* --- benefits --- */

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
    enum pl_code code = read_pledge_id(&q, want->pledge, &index);
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
            return refuse_spent(&q);
        for (size_t i = 0; i < response.n_benefit; i++)
            add_fulfilment(ledger, index, response.benefit[i]);
        response.catalogue = catalogue->code;
        response.catalogue_version = catalogue->version;
    }
    return copy_message(&q, &response.base, ret) ? PL_E_OK : refuse_spent(&q);
}
