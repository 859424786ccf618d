/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_rules: the rules of the fund, replayed over the entries of a ledger. Each entry has to be
 * possible (slots, balances, one effect a request id, expiry), to be what the rules make of the
 * command that it names, and to be the act of somebody whose role allowed it by the roster in
 * force.
 *
 * The rules are those of the daemon (server/ledger), which are pure; who may do what is written
 * down here again, on purpose: the daemon's own table is not asked whether the daemon kept to it.
 *
 * One thread. Memory: the ledger's state. Stops at the first entry that breaks a rule, because
 * nothing after it has a state to be judged in.
 */
#ifndef CLIENT_VERIFY_RULES_H
#define CLIENT_VERIFY_RULES_H

#include "client/verify_block.h"
#include "server/ledger/ledger.h"

struct verify_rules;
struct verify_rules *verify_rules_new(void);
void verify_rules_free(struct verify_rules *rules); /* NULL is fine */
/* The next entry. NULL: it obeys; else what is wrong, in English, a literal. Not called again after
 * that. */
const char *verify_rules_take(struct verify_rules *rules, const struct verify_entry *entry,
                              struct pl_slice bytes);
/* Entries so far that rules of another version decided: they were checked, and not decided again.
 */
uint64_t verify_rules_unjudged(const struct verify_rules *rules);
const struct ledger *verify_rules_ledger(const struct verify_rules *rules);

#endif
