/* SPDX-License-Identifier: Apache-2.0
 *
 * settle: the last step of loading a saved state. Its rows are looked at against each other
 * (queues, slots, money of each payment and pledge, refunds, deeds), and what follows from them is
 * counted: links backward, sums. Whatever does not add up is found here or never: the state is not
 * used.
 */
#ifndef LEDGER_SETTLE_H
#define LEDGER_SETTLE_H

#include <stdbool.h>

struct ledger;

/* False: the state contradicts itself, or a sum would leave 64 bits. Any thread that has it to
 * itself; request ids are neither looked at nor changed. */
bool settle_rows(struct ledger *ledger);

#endif
