/* SPDX-License-Identifier: Apache-2.0
 *
 * mailbox: the only crossing between threads. Many threads post, one thread receives.
 *
 * A mail is embedded in the struct that travels; posting hands the struct over, the receiver owns
 * it from then on. The eventfd is written only when the box was empty; the receiver takes the
 * whole list at once and sees it in posting order. A box is bounded: a full one refuses the post.
 *
 * `pl_slot` is the one-place variant for immutable values where only the newest matters (views).
 */
#ifndef PL_MAILBOX_H
#define PL_MAILBOX_H

#include <stdatomic.h>
#include <stddef.h>

#include "common/status.h"

struct pl_mail {
    struct pl_mail *next;
};
struct pl_mailbox;

/* limit: most mails in the box at a time; 0: no limit (only for boxes whose senders are bounded).
 */
PL_MUST_CHECK struct pl_status pl_mailbox_new(size_t limit, struct pl_mailbox **ret);
/* Owner; must be empty. Who is still on the way out of the last post is waited for. */
void pl_mailbox_free(struct pl_mailbox *box);
/* Any thread. True: the box owns the mail. False: full; the caller keeps it. */
PL_MUST_CHECK bool pl_mailbox_post(struct pl_mailbox *box, struct pl_mail *mail);

/* The same, from the owner's own thread: wakes nobody. It has to take before it waits. */
PL_MUST_CHECK bool pl_mailbox_post_own(struct pl_mailbox *box, struct pl_mail *mail);

/* Mails of one sender that go together: the owner is woken once, and takes them as one. */
struct pl_parcel {
    struct pl_mail *oldest, *newest; /* NULL: none */
    size_t count;
};
/* As pl_mailbox_post: true, and the mail has its place in the box already, but lies with its sender
 * until the parcel is posted. */
PL_MUST_CHECK bool pl_parcel_add(struct pl_parcel *parcel, struct pl_mailbox *box,
                                 struct pl_mail *mail);
void pl_parcel_post(struct pl_parcel *parcel, struct pl_mailbox *box); /* empty afterwards */
/* The same, but its mails went another way, and their places in the box are free. */
void pl_parcel_forget(struct pl_parcel *parcel, struct pl_mailbox *box);

/* Owner: everything posted so far, oldest first, linked by next; NULL if none. Clears the eventfd,
 * which nobody else may read. */
struct pl_mail *pl_mailbox_take(struct pl_mailbox *box);
/* The same, but sleeps until there is some: for a thread that has nothing else to do. */
struct pl_mail *pl_mailbox_wait(struct pl_mailbox *box);
/* Nothing is there to be taken; what lies in parcels is not there yet. */
bool pl_mailbox_empty(const struct pl_mailbox *box);
/* With what lies in parcels; approximate, any thread. */
size_t pl_mailbox_count(const struct pl_mailbox *box);
/* Whether a post would be refused; likewise. */
bool pl_mailbox_full(const struct pl_mailbox *box);
/* Readable while mail is waiting; also once behind mail that was taken early. */
int pl_mailbox_fd(const struct pl_mailbox *box);

struct pl_slot {
    _Atomic(void *) value;
};
/* Puts a new value; returns the one that was never taken (caller disposes of it), or NULL. */
static inline void *pl_slot_put(struct pl_slot *slot, void *value)
{
    return atomic_exchange_explicit(&slot->value, value, memory_order_acq_rel);
}
/* Takes the newest value, or NULL if nothing new came. */
static inline void *pl_slot_take(struct pl_slot *slot)
{
    if (atomic_load_explicit(&slot->value, memory_order_relaxed) == NULL)
        return NULL;
    return atomic_exchange_explicit(&slot->value, NULL, memory_order_acq_rel);
}

#endif
