/* SPDX-License-Identifier: Apache-2.0
 *
 * load_bank: a saved state's rows of what the bank did: credits and debits, refunds, deeds about
 * them, the fund's accounts, statements and their movements. Each is judged by itself and against
 * the rows that came before it; the rows against each other: settle.c.
 *
 * Called by load.c alone, in the order in which save.c wrote them. Failure: CORRUPT, or what the
 * reader of bytes says; the ledger is then only good for ledger_free.
 */
#ifndef LEDGER_LOAD_BANK_H
#define LEDGER_LOAD_BANK_H

#include "server/ledger/intake.h"

/* After the pledges. */
PL_MUST_CHECK struct pl_status load_bank_entries(struct intake *in, struct ledger *ledger);
/* After the entries, whose rows they name. */
PL_MUST_CHECK struct pl_status load_bank_refunds(struct intake *in, struct ledger *ledger);
PL_MUST_CHECK struct pl_status load_bank_deeds(struct intake *in, struct ledger *ledger);
PL_MUST_CHECK struct pl_status load_bank_accounts(struct intake *in, struct ledger *ledger);
PL_MUST_CHECK struct pl_status load_bank_statements(struct intake *in, struct ledger *ledger);
/* After entries, statements and what is erasable. */
PL_MUST_CHECK struct pl_status load_bank_movements(struct intake *in, struct ledger *ledger);

#endif
