/* SPDX-License-Identifier: Apache-2.0
 *
 * reversal: a debit that the bank called a reversal or a return, and the credit that it takes back.
 * A person says which is which; a pledge that was closed with that money is open again. Private to
 * server/ledger.
 */
#ifndef LEDGER_REVERSAL_H
#define LEDGER_REVERSAL_H

#include "server/ledger/change.h"

/* match_reversal. A credit and the debit of a refund are server/ledger/returned's. */
void reversal_decide(struct maker *maker);

#endif
