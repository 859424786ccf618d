/* SPDX-License-Identifier: Apache-2.0
 *
 * closing: the end of a commitment that went well: all is paid or forgiven, nothing is open. It
 * keeps its slot. What the closing rests on cannot be undone while it stands; the closing itself
 * can be, and is when the bank takes money back. Private to server/ledger.
 */
#ifndef LEDGER_CLOSING_H
#define LEDGER_CLOSING_H

#include "server/ledger/change.h"

/* PledgeClosed: asked before it is applied. */
PL_MUST_CHECK struct pl_status closing_check(const struct ledger *ledger,
                                             const Pledged__V1__Entry *entry);
void closing_apply(struct ledger *ledger, const Pledged__V1__Entry *entry);
/* The closing that stands; NULL: the pledge is not closed. */
const struct state_deed *closing_of(const struct ledger *ledger, const struct state_pledge *pledge);
/* Reversed of a closing: the commitment is open again. */
void closing_undo(struct ledger *ledger, uint32_t pledge, uint64_t seq);
/* Of an entry that is about to be reversed: CORRUPT where the closing of its pledge rests on it. */
PL_MUST_CHECK struct pl_status closing_check_guard(const struct ledger *ledger,
                                                   const struct state_pledge *pledge, uint64_t seq);

/* The same of all that a bank entry pays for. */
PL_MUST_CHECK struct pl_status closing_check_money(const struct ledger *ledger,
                                                   const struct state_bank_entry *entry);

/* close */
void closing_decide(struct maker *maker);
/* Does the closing of the pledge rest on this entry? Then it is refused. */
bool closing_guards(struct maker *maker, const struct state_pledge *pledge, uint64_t seq,
                    const char *field);

#endif
