/* SPDX-License-Identifier: Apache-2.0
 *
 * bell: wakes one thread from any other, at almost no cost while that thread does not listen.
 *
 * The listener arms the bell, then looks at what it waits for, then sleeps on the descriptor; who
 * rings sees whether it is armed, and writes to the descriptor only then, once. Rings between two
 * armings are one. Nothing travels with a ring: what changed lies elsewhere (pl_slot).
 */
#ifndef PL_BELL_H
#define PL_BELL_H

#include "common/status.h"

struct pl_bell;

PL_MUST_CHECK struct pl_status pl_bell_new(struct pl_bell **ret);
void pl_bell_free(struct pl_bell *bell);    /* nobody rings any more; NULL is fine */
int pl_bell_fd(const struct pl_bell *bell); /* readable after a ring that found it armed */
/* Listener: clears the descriptor and listens from here on. Look after this, not before. */
void pl_bell_arm(struct pl_bell *bell);
/* Listener: clears the descriptor; a ring under way may still make it readable once. */
void pl_bell_disarm(struct pl_bell *bell);
void pl_bell_ring(struct pl_bell *bell); /* any thread */

#endif
