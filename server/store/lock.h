/* SPDX-License-Identifier: Apache-2.0
 *
 * lock: one daemon a data directory (flock on DIR/lock, which holds the pid of who has it, and on
 * DIR itself: a lock file is easily taken for a leftover and removed).
 */
#ifndef STORE_LOCK_H
#define STORE_LOCK_H

#include "common/status.h"

struct lock;
/* UNAVAILABLE when another process has it; `message` (at least 400 bytes) says which. */
PL_MUST_CHECK struct pl_status lock_take(const char *data, char *message, struct lock **ret);
/* Whether the locked directory is still the one of this name: whoever writes there by path asks, so
 * that nothing gets into one that took its place. NULL, or one that cannot be told: true. */
bool lock_is_at(const struct lock *lock, const char *data);
void lock_release(struct lock *lock); /* NULL is fine */

#endif
