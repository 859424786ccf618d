/* SPDX-License-Identifier: Apache-2.0
 *
 * badge: in the place of server/net/tls: a client says in the clear who it is and what it speaks,
 * in a few bytes that arrive as slowly as any others, and the daemon is given that person's
 * certificate. What server/net asks of TLS beside that is answered as TLS would: whether a context
 * lets a peer in, and whether another one still does.
 */
#ifndef SIM_BADGE_H
#define SIM_BADGE_H

#include <stdint.h>

#include "tests/sim/operator.h"

enum { BADGE_BYTES = 4 };

/* What a client says first. */
void badge_say(enum operator_person person, bool h2, uint8_t ret[BADGE_BYTES]);

#endif
