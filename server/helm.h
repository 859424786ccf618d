/* SPDX-License-Identifier: Apache-2.0
 *
 * helm: who does the writer's turns. The writer belongs to one thread at a time, whoever holds the
 * helm. As a rule that is the writer's own thread, asleep on the inbox, the store and the order to
 * stop. A worker that has the only command there is may take the helm while that thread sleeps and
 * see to the command itself: two hand-overs between threads are spared, and what may be answered
 * when is the writer's to say as ever.
 *
 * What a worker's turns leave behind is announced to the thread by its descriptor (the store, the
 * inbox), or the thread is woken.
 *
 * Previous hop: server/worker, or the inbox. Next hop: server/writer.
 */
#ifndef SERVER_HELM_H
#define SERVER_HELM_H

#include "server/writer.h"

struct helm;

struct helm_options {
    struct writer *writer;    /* borrowed */
    struct store *store;      /* borrowed; the writer's */
    struct pl_mailbox *inbox; /* borrowed; the writer's */
    struct pl_clock *clock;   /* the same */
};

PL_MUST_CHECK struct pl_status helm_new(const struct helm_options *options, struct helm **ret);
/* Starts the writer's thread. */
PL_MUST_CHECK struct pl_status helm_start(struct helm *helm);
/* The thread that takes from the command's home: sees to the command and comes back when it is
 * home, where it has to be looked for (nobody rings), or waits for something that takes time and
 * will come with a ring. False, and nothing was done: somebody else is at the helm, the writer has
 * other work, or the disk takes so long that the caller had better not wait. */
PL_MUST_CHECK bool helm_try(struct helm *helm, struct command *command);
/* Any thread: monotonic time of the last turn, about once a second while it gets on. */
int64_t helm_beat_ns(const struct helm *helm);
/* Waits until the writer is idle and its thread has ended, if it was started; nobody posts or tries
 * any more. NULL is fine. */
void helm_free(struct helm *helm);

#endif
