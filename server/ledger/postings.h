/* SPDX-License-Identifier: Apache-2.0
 *
 * postings: which months were handed to the accounting system, each once. Private to server/ledger.
 */
#ifndef LEDGER_POSTINGS_H
#define LEDGER_POSTINGS_H

#include "server/ledger/change.h"

void postings_decide(struct maker *maker);
PL_MUST_CHECK struct pl_status postings_check(const struct ledger *ledger,
                                              const Pledged__V1__Entry *entry);
void postings_apply(struct ledger *ledger, const Pledged__V1__Entry *entry);
/* "2026-03" as 12 * year + month - 1; -1 if it is none. */
int postings_month(const char *period);

#endif
