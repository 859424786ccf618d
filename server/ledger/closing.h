/* SPDX-License-Identifier: Apache-2.0
 *
 * closing: the end of a commitment that went well: all is paid or forgiven, nothing is open. It
 * keeps its slot. Private to server/ledger.
 */
#ifndef LEDGER_CLOSING_H
#define LEDGER_CLOSING_H

#include "server/ledger/change.h"

/* PledgeClosed: asked before it is applied. */
PL_MUST_CHECK struct pl_status closing_check(const struct ledger *ledger,
                                             const Pledged__V1__Entry *entry);
/* close */
void closing_decide(struct maker *maker);

#endif
