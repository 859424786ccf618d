/* SPDX-License-Identifier: Apache-2.0
 *
 * query_rate: rates of exchange: all there are, or those in force on a day. Happy path: a page of
 * rows by currency, day and entry. Failure: a token that no list gave, no currency, no day; a
 * currency without a rate for that day; an arena that is spent.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/money.h"
#include "server/ledger/query.h"
#include "server/ledger/rate.h"

struct list {
    const struct ledger *ledger;
    struct pl_arena *arena;
    int currency; /* -1: all */
    int32_t day;  /* INT32_MIN: all */
    size_t from, size;
};

/* A whole number up to `most`; *text moves behind it. False: no digit, or too many. */
static bool read_number(const char **text, uint64_t most, uint64_t *ret)
{
    const char *at = *text;
    *ret = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(*ret, 10, ret) ||
            __builtin_add_overflow(*ret, (uint64_t)(*at - '0'), ret) || *ret > most)
            return false;
    }
    bool any = at != *text;
    *text = at;
    return any;
}

/* "USD:DAY:SEQ": the page begins with that row, or where it would be. */
static bool read_token(struct list *list, const char *token)
{
    char code[4] = "";
    uint64_t day, seq;
    if (token[0] == '\0') {
        list->from =
            list->currency < 0 ? 0 : rate_place(list->ledger, list->currency, INT32_MIN, 0);
        return true;
    }
    if (strlen(token) < sizeof("USD:") || strlen(token) > 40 || token[3] != ':')
        return false;
    memcpy(code, token, 3);
    const char *at = token + 4;
    bool before = *at == '-'; /* 1970 */
    at += before;
    if (!read_number(&at, INT32_MAX, &day) || *at++ != ':' || !read_number(&at, UINT64_MAX, &seq) ||
        *at != '\0')
        return false;
    int currency = pl_currency_index(code);
    if (currency < 0 || (list->currency >= 0 && currency != list->currency))
        return false;
    list->from = rate_place(list->ledger, currency, before ? -(int32_t)day : (int32_t)day, seq);
    return true;
}

/* The row after the last one of the same currency. */
static size_t next_currency(const struct list *list, size_t at)
{
    return rate_place(list->ledger, list->ledger->rate[at].currency + 1, INT32_MIN, 0);
}

/* Which row of the table stands for place `at`; NULL: none does. *ret_next: the next place. */
static const struct state_rate *pick(const struct list *list, size_t at, size_t *ret_next)
{
    const struct state_rate *rate = &list->ledger->rate[at];
    *ret_next = at + 1;
    if (list->day == INT32_MIN)
        return rate;
    *ret_next = next_currency(list, at);
    return rate_at(list->ledger, rate->currency, list->day);
}

/* Borrows nothing from the ledger. NULL: the budget is spent. */
static Pledged__V1__RateStatus *row(const struct list *list, const struct state_rate *rate)
{
    const struct ledger *ledger = list->ledger;
    size_t next = (size_t)(rate - ledger->rate) + 1;
    Pledged__V1__RateStatus *made =
        query_message(list->arena, &pledged__v1__rate_status__descriptor);
    Pledged__V1__Rate *shown = query_message(list->arena, &pledged__v1__rate__descriptor);
    char *date = pl_arena_alloc(list->arena, 11);
    if (made == NULL || shown == NULL || date == NULL)
        return NULL;
    made->rate = shown;
    made->seq = rate->seq;
    if (next < ledger->rate_count && ledger->rate[next].currency == rate->currency &&
        ledger->rate[next].day == rate->day)
        made->superseded_by = ledger->rate[next].seq;
    shown->currency = (char *)(uintptr_t)pl_currency_code(rate->currency);
    shown->date = date;
    (void)pl_date_format(rate->day, date);
    shown->mantissa = rate->mantissa;
    shown->scale = rate->scale;
    shown->source = pl_arena_strdup(list->arena, ledger->text + rate->source);
    return shown->source != NULL ? made : NULL;
}

static bool in_list(const struct list *list, size_t at)
{
    return at < list->ledger->rate_count &&
           (list->currency < 0 || list->ledger->rate[at].currency == list->currency);
}

static bool fill(const struct list *list, Pledged__V1__ListRatesResponse *response)
{
    const struct ledger *ledger = list->ledger;
    size_t most = list->size < ledger->rate_count ? list->size : ledger->rate_count;
    size_t at = list->from;
    response->rate = pl_arena_alloc(list->arena, (most + 1) * sizeof(*response->rate));
    if (response->rate == NULL)
        return false;
    while (in_list(list, at)) {
        size_t next;
        const struct state_rate *rate = pick(list, at, &next);
        bool roomy = list->arena->used <= list->arena->budget / 2;
        if (response->n_rate == most || (response->n_rate > 0 && !roomy))
            break;
        if (rate != NULL) {
            Pledged__V1__RateStatus *made = row(list, rate);
            if (made == NULL)
                return false;
            response->rate[response->n_rate++] = made;
        }
        at = next;
    }
    if (!in_list(list, at))
        return true;
    response->next_page_token = pl_arena_printf(list->arena, "%s:%" PRId32 ":%" PRIu64,
                                                pl_currency_code(ledger->rate[at].currency),
                                                ledger->rate[at].day, ledger->rate[at].seq);
    return response->next_page_token != NULL;
}

enum pl_code query_list_rates(const struct ledger *ledger, const struct query_log *log,
                              const ProtobufCMessage *request, struct pl_arena *arena,
                              ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    const Pledged__V1__ListRatesRequest *want = (const Pledged__V1__ListRatesRequest *)request;
    struct list list = {.ledger = ledger,
                        .arena = arena,
                        .currency = pl_currency_index(want->currency),
                        .day = INT32_MIN,
                        .size = want->page_size == 0               ? QUERY_PAGE_DEFAULT
                                : want->page_size > QUERY_PAGE_MAX ? QUERY_PAGE_MAX
                                                                   : want->page_size};
    (void)log;
    if (want->currency[0] != '\0' && list.currency < 0)
        return query_refuse(arena, REASON(CURRENCY_UNKNOWN), "currency", want->currency,
                            "this is not a currency of ISO 4217", ret_refusal);
    if (want->date[0] != '\0' && !pl_is_ok(pl_date_parse(want->date, &list.day)))
        return query_refuse(arena, REASON(DATE_INVALID), "date", want->date,
                            pl_date_wrong(want->date), ret_refusal);
    if (!read_token(&list, want->page_token))
        return query_refuse(arena, REASON(FIELD_INVALID), "page_token", NULL,
                            "this page token was not given by this list", ret_refusal);
    if (list.currency >= 0 && list.day != INT32_MIN &&
        rate_at(ledger, list.currency, list.day) == NULL)
        return query_refuse(arena, REASON(RATE_UNKNOWN), "currency", want->currency,
                            "there is no rate of this currency for that day, nor for one before",
                            ret_refusal);
    Pledged__V1__ListRatesResponse *response =
        query_message(arena, &pledged__v1__list_rates_response__descriptor);
    if (response == NULL || !fill(&list, response))
        return query_refuse(arena, REASON(TOO_BIG), "", NULL,
                            "the answer does not fit the memory of one call", ret_refusal);
    response->as_of_seq = ledger->size;
    *ret = &response->base;
    return PL_E_OK;
}
