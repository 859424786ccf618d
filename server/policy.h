/* SPDX-License-Identifier: Apache-2.0
 *
 * policy: what the configuration says that the rules of the ledger depend on: which classes of
 * commands need a second person, limits, bank accounts, who is paid. It becomes a PolicyAdopted,
 * an entry of the ledger, so that replay knows it. server/config reads the file and asks here.
 *
 * Each function that takes a value returns NULL, or what is needed instead, for people: a constant,
 * or text in the draft until the next value. Values are copied into the arena.
 *
 * Thread: main, as server/config.
 */
#ifndef SERVER_POLICY_H
#define SERVER_POLICY_H

#include "common/arena.h"
#include "pledged/v1/entry.pb-c.h"

enum { POLICY_ACCOUNTS_MAX = 32, POLICY_LIMITS_MAX = 32, POLICY_CLASSES = 11 };

struct policy_draft {
    Pledged__V1__PolicyAdopted message; /* points into this draft and the arena */
    Pledged__V1__CommandClass four_eyes[POLICY_CLASSES];
    Pledged__V1__Money *limit[POLICY_LIMITS_MAX];
    Pledged__V1__PolicyAccount *account[POLICY_ACCOUNTS_MAX];
    Pledged__V1__PolicyCreditor creditor;
    char wrong[200]; /* what is said about an account */
};

void policy_init(struct policy_draft *draft);
/* [policy] four_eyes, proposal_ttl, difference_limit, unallocated_limit; [creditor] name, street,
 * number, postal_code, town, country: names are unique over both. */
const char *policy_set(struct policy_draft *draft, struct pl_arena *arena, const char *name,
                       const char *value);
/* [account NAME] iban, currency, qr_iban. *ret_known false: there is no such key. */
const char *policy_account_set(struct policy_draft *draft, struct pl_arena *arena, const char *name,
                               const char *key, const char *value, bool *ret_known);
/* Do clocks show the same there, whatever the time is called? A name that this machine knows, or a
 * rule, or "" for UTC, each; a name that it does not know is the same as none. */
bool policy_same_zone(const char *one, const char *other);
/* When all is read: what is still missing. */
const char *policy_complete(struct policy_draft *draft);

#endif
