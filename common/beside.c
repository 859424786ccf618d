/* SPDX-License-Identifier: Apache-2.0
 *
 * beside: see beside.h.
 */
#include "common/beside.h"

#include <stddef.h>

#include "common/check.h"

static void *run(void *arg)
{
    struct pl_beside *beside = arg;
    beside->work(beside->arg);
    return NULL;
}

void pl_beside_begin(struct pl_beside *beside, void (*work)(void *arg), void *arg)
{
    beside->work = work;
    beside->arg = arg;
    beside->threaded = pthread_create(&beside->thread, NULL, run, beside) == 0;
    if (!beside->threaded)
        work(arg);
}

void pl_beside_end(struct pl_beside *beside)
{
    if (!beside->threaded)
        return;
    int failed = pthread_join(beside->thread, NULL);
    PL_ASSERT(failed == 0);
    beside->threaded = false;
}
