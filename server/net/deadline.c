/* SPDX-License-Identifier: Apache-2.0
 *
 * deadline: see deadline.h. Places are counted from 1, so that a place's children are twice it and
 * one more; heap[0] is place 1.
 */
#include "server/net/deadline.h"

#include <stdlib.h>

#include "common/check.h"

enum { FIRST_ROOM = 64 };

static struct deadline *at(const struct deadlines *all, size_t place)
{
    return all->heap[place - 1];
}

static void put(struct deadlines *all, size_t place, struct deadline *one)
{
    all->heap[place - 1] = one;
    one->place = place;
}

static void rise(struct deadlines *all, struct deadline *one)
{
    size_t place = one->place;
    while (place > 1 && at(all, place / 2)->at_ns > one->at_ns) {
        put(all, place, at(all, place / 2));
        place /= 2;
    }
    put(all, place, one);
}

static void sink(struct deadlines *all, struct deadline *one)
{
    size_t place = one->place;
    while (2 * place <= all->count) {
        size_t child = 2 * place;
        if (child < all->count && at(all, child + 1)->at_ns < at(all, child)->at_ns)
            child++;
        if (at(all, child)->at_ns >= one->at_ns)
            break;
        put(all, place, at(all, child));
        place = child;
    }
    put(all, place, one);
}

void deadlines_add(struct deadlines *all, struct deadline *one, int64_t at_ns)
{
    PL_ASSERT(one->place == 0);
    if (all->count == all->room) {
        all->room = all->room == 0 ? FIRST_ROOM : 2 * all->room;
        all->heap = realloc(all->heap, all->room * sizeof(struct deadline *));
        PL_ASSERT(all->heap != NULL);
    }
    one->at_ns = at_ns;
    put(all, ++all->count, one);
    rise(all, one);
}

void deadlines_remove(struct deadlines *all, struct deadline *one)
{
    if (one->place == 0)
        return;
    struct deadline *last = at(all, all->count--);
    if (last != one) {
        put(all, one->place, last);
        rise(all, last);
        sink(all, last);
    }
    one->place = 0;
}

struct deadline *deadlines_first(const struct deadlines *all)
{
    return all->count == 0 ? NULL : all->heap[0];
}

void deadlines_fini(struct deadlines *all)
{
    PL_ASSERT(all->count == 0);
    free(all->heap);
    *all = (struct deadlines){0};
}
