/* SPDX-License-Identifier: Apache-2.0
 *
 * deadline: who has to be ended when: a heap with the earliest deadline in front. Adding and
 * removing cost a few steps, looking costs none; memory grows with the most that waited at once.
 * Pure: no thread, no timer of its own.
 *
 * Used by server/net/call; server/net/net has the timer.
 */
#ifndef NET_DEADLINE_H
#define NET_DEADLINE_H

#include <stddef.h>
#include <stdint.h>

struct deadline { /* part of whatever has one; zeroed: does not wait */
    int64_t at_ns;
    size_t place; /* in the heap, from 1; 0: does not wait */
};
struct deadlines {          /* zeroed: empty */
    struct deadline **heap; /* owns the array, borrows what it points to */
    size_t count, room;
};

void deadlines_add(struct deadlines *all, struct deadline *one, int64_t at_ns);
void deadlines_remove(struct deadlines *all, struct deadline *one); /* if it waits */
struct deadline *deadlines_first(const struct deadlines *all);      /* NULL: none waits */
void deadlines_fini(struct deadlines *all);                         /* none waits */

#endif
