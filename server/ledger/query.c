/* SPDX-License-Identifier: Apache-2.0
 *
 * query: what every query works with; the queries themselves are in query_*.c, by what they ask
 * for.
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

#include "common/date.h"
#include "common/ids.h"
#include "common/money.h"
#include "common/pack.h"
#include "common/scan.h"
#include "server/ledger/query_private.h"
#include "server/ledger/valuation.h"

/* One unpacked entry at a time: at most 64 KiB of bytes, and its small structs. */
#define SCRATCH_BYTES (1u << 20)
enum { TOKEN_BYTES = 24 };

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
    arg->name = query_lend(name);
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
    refusal->field = query_lend(field);
    refusal->message = query_lend(message);
    /* A refusal without its argument still says what is wrong. */
    if (value != NULL)
        (void)refusal_add_arg(arena, field, value, refusal);
    return ledger_reason_code(reason);
}

enum pl_code query_deny(struct query *q, Pledged__V1__Reason reason, const char *field,
                        const char *value, const char *message)
{
    return query_refuse(q->arena, reason, field, value, message, q->ret_refusal);
}

enum pl_code query_deny_spent(struct query *q)
{
    (void)query_deny(q, PLEDGED__V1__REASON__REASON_TOO_BIG, "", NULL,
                     "the answer does not fit the memory of one call");
    return PL_E_TOO_BIG;
}

/* The log could not be read: no rule said no, so there is no reason to name. */
enum pl_code query_deny_status(struct query *q, struct pl_status status)
{
    Pledged__V1__Refusal *refusal = query_message(q->arena, &pledged__v1__refusal__descriptor);
    *q->ret_refusal = refusal;
    if (refusal == NULL)
        return PL_E_TOO_BIG;
    refusal->message = query_lend(status.what);
    return status.code;
}

void *query_row(struct query *q, const ProtobufCMessageDescriptor *type)
{
    void *message = query_message(q->arena, type);
    if (message == NULL)
        q->spent = true;
    return message;
}

char *query_row_text(struct query *q, const char *text)
{
    char *copy = pl_arena_strdup(q->arena, text);
    if (copy == NULL)
        q->spent = true;
    return copy;
}

char *query_row_id(struct query *q, char prefix, size_t index)
{
    char id[24];
    return query_row_text(q, pl_id_format(prefix, (uint64_t)index + 1, id));
}

Pledged__V1__Money *query_row_money(struct query *q, int64_t minor, int currency)
{
    Pledged__V1__Money *money = query_row(q, &pledged__v1__money__descriptor);
    if (money == NULL)
        return NULL;
    money->minor = minor;
    money->currency = query_lend(pl_currency_code(currency));
    return money;
}

bool query_page_has_room(const struct query *q)
{
    return q->arena->used <= q->arena->budget / 2;
}

/* NULL: CHF, no rate was known, or more than 64 bits. */
Pledged__V1__Valuation *query_row_valuation(struct query *q, const struct pl_map *map,
                                            uint32_t index, int64_t minor, int currency)
{
    const struct state_rate *rate = valuation_rate(q->ledger, map, index, currency);
    int64_t value;
    char date[11];
    if (rate == NULL || !state_value(valuation_exact(minor, currency, rate), &value))
        return NULL;
    Pledged__V1__Valuation *made = query_row(q, &pledged__v1__valuation__descriptor);
    if (made == NULL)
        return NULL;
    made->value = query_row_money(q, value, pl_currency_index(RATE_HOME));
    made->rate_date = query_row_text(q, pl_date_format(rate->day, date));
    made->mantissa = rate->mantissa;
    made->scale = rate->scale;
    made->source = query_row_text(q, q->ledger->text + rate->source);
    made->rate_seq = rate->seq;
    return made;
}

/* --- fields of requests --- */

/* Reads a canonical id into an index; `unknown` is the reason for one that was never given out. */
enum pl_code query_read_id(struct query *q, const char *field, const char *text, char prefix,
                           size_t count, Pledged__V1__Reason unknown, uint32_t *ret_index)
{
    if (text[0] == '\0')
        return query_deny(q, PLEDGED__V1__REASON__REASON_FIELD_REQUIRED, field, NULL,
                          "the identifier is missing");
    uint64_t number = pl_id_parse(text, prefix);
    if (number == 0)
        return query_deny(q, PLEDGED__V1__REASON__REASON_FIELD_INVALID, field, NULL,
                          "this is not an identifier of the right form");
    if (number > count)
        return query_deny(q, unknown, field, text, "nothing has this identifier");
    *ret_index = (uint32_t)(number - 1);
    return PL_E_OK;
}

enum pl_code query_read_pledge(struct query *q, const char *text, uint32_t *ret_index)
{
    return query_read_id(q, "pledge", text, 'P', q->ledger->pledge_count,
                         PLEDGED__V1__REASON__REASON_PLEDGE_UNKNOWN, ret_index);
}

enum pl_code query_read_currency(struct query *q, const char *text, int *ret)
{
    *ret = -1;
    if (text[0] == '\0')
        return PL_E_OK;
    *ret = pl_currency_index(text);
    if (*ret < 0)
        return query_deny(q, PLEDGED__V1__REASON__REASON_CURRENCY_UNKNOWN, "currency", text,
                          "this is not a currency of ISO 4217");
    return PL_E_OK;
}

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

enum pl_code query_page_open(struct query *q, const char *token, uint32_t size, char letter,
                             size_t count, struct query_page *ret)
{
    *ret = (struct query_page){.size = size, .letter = letter, .resumed = token[0] != '\0'};
    if (size == 0)
        ret->size = QUERY_PAGE_DEFAULT;
    if (size > QUERY_PAGE_MAX)
        ret->size = QUERY_PAGE_MAX;
    if (ret->resumed && !read_token(token, letter, count, &ret->from))
        return query_deny(q, PLEDGED__V1__REASON__REASON_FIELD_INVALID, "page_token", NULL,
                          "this page token was not given by this list");
    ret->token = pl_arena_alloc(q->arena, TOKEN_BYTES);
    return ret->token != NULL ? PL_E_OK : query_deny_spent(q);
}

char *query_page_token(const struct query_page *page, size_t next)
{
    (void)snprintf(page->token, TOKEN_BYTES, "%c:%zu", page->letter, next);
    return page->token;
}

void **query_page_rows(struct query *q, const struct query_page *page, size_t count)
{
    size_t most = page->size < count ? page->size : count;
    void **rows = pl_arena_alloc(q->arena, (most + 1) * sizeof(*rows));
    if (rows == NULL)
        q->spent = true;
    return rows;
}

/* --- entries of the log --- */

void query_walk_init(struct query_walk *walk, const struct query_log *log)
{
    *walk = (struct query_walk){.log = log};
    pl_arena_init(&walk->scratch, SCRATCH_BYTES);
}

void query_walk_fini(struct query_walk *walk)
{
    pl_arena_fini(&walk->scratch);
}

struct pl_status query_walk_read(struct query_walk *walk, uint64_t seq)
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
