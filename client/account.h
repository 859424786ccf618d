/* SPDX-License-Identifier: Apache-2.0
 *
 * account: what a contributor promised, paid, got back, and what is still to be paid, line by line:
 * made from the histories of its pledges and the payments that are meant for them. Each currency
 * has its own balance.
 *
 * Entries are taken pledge by pledge, oldest first. Money that came or went has the value date of
 * its bank entry; those that account_unknown names have to be told to account_learn. What it pays
 * for has the day of the allocation, mostly the same: money that was taken from one promise and
 * given to another paid for one after the other, not for both since it came. account_finish puts
 * the lines in the order of their days. An entry that does not fit what came before is CORRUPT.
 */
#ifndef CLIENT_ACCOUNT_H
#define CLIENT_ACCOUNT_H

#include "client/documents.h"
#include "common/arena.h"
#include "pledged/v1/entry.pb-c.h"
#include "pledged/v1/service.pb-c.h"

struct account_item;   /* an allocation or a waiver that was seen */
struct account_entry;  /* a bank entry and its value date */
struct account_refund; /* one whose payment was seen */
struct account {
    struct pl_arena *arena;
    struct documents_line *line;
    size_t count, cap, dated; /* of the first `dated` lines the value date is known */
    struct account_item *item;
    size_t items, item_cap;
    struct account_entry *entry; /* ascending by number */
    size_t entries, entry_cap;
    struct account_refund *refund;
    size_t refunds, refund_cap;
    /* of the pledge whose history is being taken */
    const char *pledge, *currency;
    int64_t promised;
};

void account_init(struct account *account, struct pl_arena *arena);
/* The history of another pledge begins. */
void account_pledge(struct account *account, const char *pledge);
PL_MUST_CHECK struct pl_status account_take(struct account *account,
                                            const Pledged__V1__Entry *entry);
/* A refund of money that is meant for the pledge whose history was taken. Where it was paid before
 * anybody knew whose money that is, the history does not have it. */
PL_MUST_CHECK struct pl_status account_refund(struct account *account,
                                              const Pledged__V1__RefundStatus *refund);
/* Money of the contributor that was meant for no pledge, and goes back. */
PL_MUST_CHECK struct pl_status account_give_back(struct account *account,
                                                 const Pledged__V1__RefundStatus *refund);
/* Money that came in for a pledge of the contributor. */
PL_MUST_CHECK struct pl_status account_receive(struct account *account,
                                               const Pledged__V1__PaymentStatus *payment);
/* A bank entry whose value date has to be learned; NULL: all are known. */
const char *account_unknown(struct account *account);
PL_MUST_CHECK struct pl_status account_learn(struct account *account, const char *bank_entry,
                                             const char *value_date);
/* Orders the lines and works out the balances. last_day: later ones are left out; NULL: none is.
 * CORRUPT: a value date is missing. */
PL_MUST_CHECK struct pl_status account_finish(struct account *account, const char *last_day);

#endif
