/* SPDX-License-Identifier: Apache-2.0
 *
 * surplus: what a donor decides about money that is not where it should be: it pays for another
 * pledge (reallocate), or becomes a free contribution (convert). No facts of its own: both are made
 * of reversals, promises and allocations, in one append. Private to server/ledger.
 */
#ifndef LEDGER_SURPLUS_H
#define LEDGER_SURPLUS_H

#include "server/ledger/change.h"

void surplus_decide(struct maker *maker);

#endif
