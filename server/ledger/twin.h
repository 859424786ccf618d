/* SPDX-License-Identifier: Apache-2.0
 *
 * twin: contributors whose names the eye takes for one (fold.h): they differ in accents, in the
 * form of an apostrophe, or in how letters are composed. Only names with other letters than ASCII
 * are kept here; the rest is in ledger.names. It is asked when a command is decided, never when a
 * log is replayed: older rules let twins in. Follows from the contributors alone, so it is not
 * saved. Private to server/ledger.
 */
#ifndef LEDGER_TWIN_H
#define LEDGER_TWIN_H

#include "server/ledger/change.h"

/* Another contributor than `own` (may be STATE_NONE) with such a name; STATE_NONE: none. */
uint32_t twin_of(const struct ledger *ledger, const char *name, uint32_t own);
/* The contributor has its name now, or is about to lose it. */
void twin_add(struct ledger *ledger, uint32_t index);
void twin_forget(struct ledger *ledger, uint32_t index);

#endif
