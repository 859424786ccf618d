/* SPDX-License-Identifier: Apache-2.0
 *
 * fault: wraps any driver and makes chosen appends go wrong, for tests and the simulator.
 * Deterministic: what happens is said beforehand, append by append.
 */
#ifndef STORE_FAULT_H
#define STORE_FAULT_H

#include "server/store/store.h"

enum fault_kind {
    FAULT_NONE,
    FAULT_NOT_APPLIED,     /* the inner store never sees the batch; `outcome` is told */
    FAULT_APPLIED_UNKNOWN, /* the inner store has it, but UNKNOWN is told */
};
struct fault {
    enum fault_kind kind;
    enum store_outcome outcome; /* of FAULT_NOT_APPLIED: any but DURABLE */
    unsigned delay;             /* completions come this many store_dispatch calls later */
};
#define FAULT_UNTIL_TOLD UINT32_MAX /* as delay: the completion comes after fault_release */

/* Takes the inner store. */
PL_MUST_CHECK struct pl_status fault_open(struct store *inner, struct store **ret);
/* What happens to the n-th append from now on (0: the next one). At most 64 plans wait. A batch
 * that is resubmitted after UNKNOWN and is in the log already is DURABLE, as any engine must say;
 * one of which the inner store said UNKNOWN is only ever told as UNKNOWN or by that store again.
 */
void fault_plan(struct store *store, unsigned nth, struct fault fault);
/* Lets a completion go that waits to be told. False if there is none. */
bool fault_release(struct store *store);
/* What store_has_room says; OK: what the inner store does. */
void fault_set_room(struct store *store, struct pl_status room);
void fault_set_there(struct store *store, bool there); /* what store_is_there says */
unsigned fault_appends(const struct store *store);     /* seen so far */

#endif
