/* SPDX-License-Identifier: Apache-2.0
 *
 * statement: bank statements coming in. Private to server/ledger.
 *
 * A file is taken whole or not at all, and taking it again changes nothing. Every movement is
 * looked for before it is recorded: by what the bank calls it, else by what the payer called it,
 * else by what it is. A payment that somebody recorded by hand is confirmed, the details of a batch
 * take the place of its sum, and who paid is learned from the first statement that says it. By
 * itself a movement is allocated only if its reference names an open pledge and its amount is
 * exactly what is still to be paid; everything else waits for a person.
 */
#ifndef LEDGER_STATEMENT_H
#define LEDGER_STATEMENT_H

#include "server/ledger/change.h"

/* Bytes of arena that its decision takes at most. */
size_t statement_room(const Pledged__V1__ImportStatement *command);

/* import_statement. */
void statement_decide(struct maker *maker);

/* What of a bank entry nobody has explained yet, never negative. */
int64_t statement_unmatched(const struct ledger *ledger, const struct state_bank_entry *entry);
/* Why somebody has to look at it; UNSPECIFIED if nothing is unmatched. */
Pledged__V1__QueueReason statement_queue(const struct ledger *ledger,
                                         const struct state_bank_entry *entry);
/* The bank entry of a statement that a payment by hand means (index): by the bank's reference where
 * one is given; else by amount, currency and day, one without a pledge before one of this pledge.
 * STATE_NONE: there is none. */
uint32_t statement_imported_as(const struct ledger *ledger, const char *bank_ref, int64_t minor,
                               int currency, int32_t value_date, uint32_t pledge);
/* The debit of a statement that a refund paid by hand means (index): by the bank's reference where
 * one is given; else by amount, currency and day, one that nothing explains. STATE_NONE: none. */
uint32_t statement_debit_as(const struct ledger *ledger, const char *bank_ref, int64_t minor,
                            int currency, int32_t value_date);

#endif
