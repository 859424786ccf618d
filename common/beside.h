/* SPDX-License-Identifier: Apache-2.0
 *
 * beside: one piece of work on a thread of its own, while the caller does another. What the work
 * looks at is not changed, and what it changes is not looked at, before pl_beside_end.
 */
#ifndef PL_BESIDE_H
#define PL_BESIDE_H

#include <pthread.h>
#include <stdbool.h>

struct pl_beside {
    void (*work)(void *arg);
    void *arg;
    pthread_t thread;
    bool threaded;
};

/* Where no thread is to be had the work is done when this returns. */
void pl_beside_begin(struct pl_beside *beside, void (*work)(void *arg), void *arg);
/* The work is done, and seen. */
void pl_beside_end(struct pl_beside *beside);

#endif
