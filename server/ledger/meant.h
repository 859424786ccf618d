/* SPDX-License-Identifier: Apache-2.0
 *
 * meant: how much a command is about that does not say so itself: all that is left of a pledge or
 * of a payment, or what a pledge promises. A proposal keeps it, since the second person signs for
 * an amount and not for whatever it will be by then. Private to server/ledger and server/view.
 */
#ifndef LEDGER_MEANT_H
#define LEDGER_MEANT_H

#include "server/ledger/change.h"

struct meant {
    int64_t minor;
    int currency; /* -1: the command says it itself, or is about no amount */
    bool is_rest; /* all that is left, which one person alone can make more */
};

struct meant meant_by(const struct ledger *ledger, const Pledged__V1__Command *command);
static inline bool meant_is(struct meant meant, int64_t minor, int currency)
{
    return meant.currency == currency && (currency < 0 || meant.minor == minor);
}

#endif
