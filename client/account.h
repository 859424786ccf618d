/* SPDX-License-Identifier: Apache-2.0
 *
 * account: what a contributor promised, paid, got back, and what is still to be paid, line by line:
 * made from the histories of its pledges. Each currency has its own balance.
 *
 * Entries are taken pledge by pledge, oldest first; account_finish puts the lines in the order of
 * the ledger. An entry that does not fit what came before is CORRUPT.
 */
#ifndef CLIENT_ACCOUNT_H
#define CLIENT_ACCOUNT_H

#include "client/documents.h"
#include "common/arena.h"
#include "pledged/v1/entry.pb-c.h"

struct account_payment; /* an allocation that was seen */
struct account {
    struct pl_arena *arena;
    struct documents_line *line;
    size_t count, cap;
    struct account_payment *payment;
    size_t payments, payment_cap;
    /* of the pledge whose history is being taken */
    const char *pledge, *currency;
    int64_t promised;
};

void account_init(struct account *account, struct pl_arena *arena);
/* The history of another pledge begins. */
void account_pledge(struct account *account, const char *pledge);
PL_MUST_CHECK struct pl_status account_take(struct account *account,
                                            const Pledged__V1__Entry *entry);
/* Orders the lines and works out the balances. */
PL_MUST_CHECK struct pl_status account_finish(struct account *account);

#endif
