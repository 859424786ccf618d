/* SPDX-License-Identifier: Apache-2.0
 *
 * query_private: what the rooms of query share, and nobody else: a query under way, the page it
 * fills, the fields it reads and the walk along entries of the log. Thread: the writer's.
 */
#ifndef LEDGER_QUERY_PRIVATE_H
#define LEDGER_QUERY_PRIVATE_H

#include "server/ledger/query.h"
#include "server/ledger/state.h"

/* What every query works with; `spent` remembers that an allocation of a row failed. */
struct query {
    const struct ledger *ledger;
    const struct query_log *log;
    struct pl_arena *arena;
    Pledged__V1__Refusal **ret_refusal;
    bool spent;
};

/* Each makes the refusal and returns the code to end with. */
enum pl_code query_deny(struct query *q, Pledged__V1__Reason reason, const char *field,
                        const char *value, const char *message);
enum pl_code query_deny_spent(struct query *q);
/* The log could not be read: no rule said no. */
enum pl_code query_deny_status(struct query *q, struct pl_status status);

/* --- rows: NULL, and q->spent, when the arena has no room --- */

/* Generated structs hold `char *`, but nobody writes through them. */
static inline char *query_lend(const char *text)
{
    return (char *)(uintptr_t)text;
}
void *query_row(struct query *q, const ProtobufCMessageDescriptor *type);
char *query_row_text(struct query *q, const char *text);
char *query_row_id(struct query *q, char prefix, size_t index);
Pledged__V1__Money *query_row_money(struct query *q, int64_t minor, int currency);
Pledged__V1__Valuation *query_row_valuation(struct query *q, const struct pl_map *map,
                                            uint32_t index, int64_t minor, int currency);

/* --- fields of requests --- */

/* A canonical id as an index; `unknown` is the reason for one that was never given out. */
enum pl_code query_read_id(struct query *q, const char *field, const char *text, char prefix,
                           size_t count, Pledged__V1__Reason unknown, uint32_t *ret_index);
enum pl_code query_read_pledge(struct query *q, const char *text, uint32_t *ret_index);
/* -1 where none is asked for. */
enum pl_code query_read_currency(struct query *q, const char *text, int *ret);

/* --- pages --- */

/* Where a list goes on and how many rows it may hold. */
struct query_page {
    size_t from; /* index of the first row to look at */
    size_t size;
    char *token; /* reserved before the first row, so that a spent arena can still name the rest */
    char letter; /* which list: tokens of another one are refused */
    bool resumed;
};
/* `count`: of the rows there are; `letter`: of this list's tokens. */
enum pl_code query_page_open(struct query *q, const char *token, uint32_t size, char letter,
                             size_t count, struct query_page *ret);
bool query_page_has_room(const struct query *q);
/* Where the next page begins; the page's own memory. */
char *query_page_token(const struct query_page *page, size_t next);
/* Room for the rows of one page. */
void **query_page_rows(struct query *q, const struct query_page *page, size_t count);

/* --- entries of the log, one after another --- */

/* The chain of entries about one pledge, newest first. `scratch` holds one unpacked entry. */
struct query_walk {
    const struct query_log *log;
    struct pl_arena scratch;
    struct pl_slice bytes;           /* of the entry last read; until the next read */
    const Pledged__V1__Entry *entry; /* the same, unpacked; until the next read */
};
void query_walk_init(struct query_walk *walk, const struct query_log *log);
void query_walk_fini(struct query_walk *walk);
struct pl_status query_walk_read(struct query_walk *walk, uint64_t seq);

/* query_payment.c: a payment or a movement of the bank. */
Pledged__V1__PaymentStatus *query_payment_row(struct query *q, uint32_t index);
Pledged__V1__AllocationStatus *query_allocation_row(struct query *q,
                                                    const struct state_allocation *allocation);
/* query_bank.c: reads the movement in the log. */
enum pl_code query_bank_entry_row(struct query *q, struct query_walk *walk, uint32_t index,
                                  Pledged__V1__BankEntryStatus **ret);

/* ASCII letters whatever their case; all other bytes as they are. */
static inline char query_fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

#endif
