/* SPDX-License-Identifier: Apache-2.0
 *
 * deed: facts that say that something was done, and that may turn out wrong: a refund was paid, or
 * came back, a bank entry is a charge, a commitment was closed, a benefit was claimed, declined or
 * delivered. Each has a row, so that it can be undone once by `reverse`. Private to server/ledger.
 */
#ifndef LEDGER_DEED_H
#define LEDGER_DEED_H

#include "server/ledger/change.h"

/* A row at the end, and its place among what can be reversed; for loading, too. */
void deed_add(struct ledger *ledger, const struct state_deed *deed);
/* Is it about something that is there? */
bool deed_fits(const struct ledger *ledger, const struct state_deed *deed);
/* Of a loaded state: what stands of the rows is what became of the benefits and refunds; whatever
 * was closed is closed, once. */
bool deed_all_add_up(const struct ledger *ledger);
/* How many closings stand. */
size_t deed_closings(const struct ledger *ledger);
/* What pays the refund or brings it back, or is a charge (index of a bank entry); STATE_NONE: it is
 * about no money. */
uint32_t deed_bank_entry(const struct ledger *ledger, uint32_t index);

/* Reversed of row `index`. */
PL_MUST_CHECK struct pl_status
deed_check_reversed(const struct ledger *ledger, const Pledged__V1__Reversed *fact, uint32_t index);
void deed_undo(struct ledger *ledger, uint32_t index, const Pledged__V1__Entry *entry);
void deed_decide_reverse(struct maker *maker, uint32_t index);
/* The closing is taken back, by whatever the command is: its entry, and what the receipt says. */
void deed_reopen(struct maker *maker, const struct state_deed *closing);

#endif
