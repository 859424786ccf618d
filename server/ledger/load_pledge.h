/* SPDX-License-Identifier: Apache-2.0
 *
 * load_pledge: a saved state's rows of pledges and of what hangs on one: the money that pays for
 * it, documents, waivers, the parts of a schedule, benefits. Counters, heap and chains of slots
 * follow from the rows and are made here. Each row is judged by itself and against those that came
 * before it; the rows against each other: settle.c.
 *
 * Called by load.c alone, in the order in which save.c wrote them. Failure: CORRUPT, or what the
 * reader of bytes says; the ledger is then only good for ledger_free.
 */
#ifndef LEDGER_LOAD_PLEDGE_H
#define LEDGER_LOAD_PLEDGE_H

#include "server/ledger/intake.h"

/* After tiers and contributors. */
PL_MUST_CHECK struct pl_status load_pledges(struct intake *in, struct ledger *ledger);
/* After the bank entries. */
PL_MUST_CHECK struct pl_status load_pledge_allocations(struct intake *in, struct ledger *ledger);
/* After the pledges. */
PL_MUST_CHECK struct pl_status load_pledge_benefits(struct intake *in, struct ledger *ledger);
/* After the allocations, which say what a receipt is of. */
PL_MUST_CHECK struct pl_status load_pledge_documents(struct intake *in, struct ledger *ledger);
PL_MUST_CHECK struct pl_status load_pledge_waivers(struct intake *in, struct ledger *ledger);
PL_MUST_CHECK struct pl_status load_pledge_schedules(struct intake *in, struct ledger *ledger);

#endif
