/* SPDX-License-Identifier: Apache-2.0
 *
 * mailbox: a list that senders push to without a lock, and an eventfd. A lock that is held while
 * the descriptor is written would put the receiver, who has just been woken, to sleep again.
 *
 * Each push to an empty list writes 1 to the eventfd, each taking of a list that is not empty
 * belongs to one such push: the receiver knows how many rings it has not read yet, and reads only
 * while there are some. A ring that comes behind its mail makes the descriptor readable over an
 * empty box; the next look clears it. What the receiver posts itself rings nobody: a list that
 * began with it (`unrung`) has no ring to come.
 */
#include "common/mailbox.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/check.h"

struct pl_mailbox {
    _Atomic(struct pl_mail *) last; /* each mail's next is the one posted before it */
    _Atomic size_t count;
    _Atomic unsigned posting; /* senders that may still touch the box */
    size_t limit;
    uint64_t owed; /* the receiver's: rings of mail it has, not read yet */
    bool unrung;   /* the receiver's: the first mail of the list is its own */
    int fd;
};

struct pl_status pl_mailbox_new(size_t limit, struct pl_mailbox **ret)
{
    struct pl_mailbox *box = calloc(1, sizeof(*box));
    PL_ASSERT(box != NULL);
    box->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (box->fd < 0) {
        struct pl_status status = pl_fail_errno(IO, "make an eventfd");
        free(box);
        return status;
    }
    box->limit = limit;
    *ret = box;
    return pl_ok();
}

void pl_mailbox_free(struct pl_mailbox *box)
{
    if (box == NULL)
        return;
    PL_ASSERT(atomic_load_explicit(&box->last, memory_order_relaxed) == NULL);
    /* who posted the last mail may not have rung yet */
    while (atomic_load_explicit(&box->posting, memory_order_acquire) != 0)
        (void)sched_yield();
    (void)close(box->fd);
    free(box);
}

static void ring(const struct pl_mailbox *box)
{
    const uint64_t one = 1;
    ssize_t written = write(box->fd, &one, sizeof(one));
    PL_ASSERT(written == sizeof(one));
}

static bool claim(struct pl_mailbox *box)
{
    size_t before = atomic_fetch_add_explicit(&box->count, 1, memory_order_relaxed);
    if (box->limit == 0 || before < box->limit)
        return true;
    (void)atomic_fetch_sub_explicit(&box->count, 1, memory_order_relaxed);
    return false;
}

static void release(struct pl_mailbox *box, size_t count)
{
    if (count != 0)
        (void)atomic_fetch_sub_explicit(&box->count, count, memory_order_relaxed);
}

/* True: the list was empty. */
static bool link_mails(struct pl_mailbox *box, struct pl_mail *oldest, struct pl_mail *newest)
{
    struct pl_mail *before = atomic_load_explicit(&box->last, memory_order_relaxed);
    do
        oldest->next = before;
    while (!atomic_compare_exchange_weak_explicit(&box->last, &before, newest, memory_order_release,
                                                  memory_order_relaxed));
    return before == NULL;
}

static void push(struct pl_mailbox *box, struct pl_mail *oldest, struct pl_mail *newest)
{
    (void)atomic_fetch_add_explicit(&box->posting, 1, memory_order_relaxed);
    if (link_mails(box, oldest, newest))
        ring(box);
    (void)atomic_fetch_sub_explicit(&box->posting, 1, memory_order_release);
}

bool pl_mailbox_post(struct pl_mailbox *box, struct pl_mail *mail)
{
    if (!claim(box))
        return false;
    push(box, mail, mail);
    return true;
}

bool pl_mailbox_post_own(struct pl_mailbox *box, struct pl_mail *mail)
{
    if (!claim(box))
        return false;
    if (link_mails(box, mail, mail))
        box->unrung = true;
    return true;
}

bool pl_parcel_add(struct pl_parcel *parcel, struct pl_mailbox *box, struct pl_mail *mail)
{
    if (!claim(box))
        return false;
    mail->next = parcel->newest;
    parcel->newest = mail;
    if (parcel->oldest == NULL)
        parcel->oldest = mail;
    parcel->count++;
    return true;
}

void pl_parcel_post(struct pl_parcel *parcel, struct pl_mailbox *box)
{
    if (parcel->oldest != NULL)
        push(box, parcel->oldest, parcel->newest);
    *parcel = (struct pl_parcel){NULL, NULL, 0};
}

void pl_parcel_forget(struct pl_parcel *parcel, struct pl_mailbox *box)
{
    release(box, parcel->count);
    *parcel = (struct pl_parcel){NULL, NULL, 0};
}

/* How many rings there were. */
static uint64_t hear(const struct pl_mailbox *box)
{
    uint64_t rings = 0;
    ssize_t got = read(box->fd, &rings, sizeof(rings));
    PL_ASSERT(got == sizeof(rings) || errno == EAGAIN || errno == EINTR);
    return got == sizeof(rings) ? rings : 0;
}

struct pl_mail *pl_mailbox_take(struct pl_mailbox *box)
{
    if (atomic_load_explicit(&box->last, memory_order_relaxed) == NULL && box->owed == 0)
        return NULL; /* whoever looks often and in vain is spared the system call */
    /* before the mail: rings of what comes behind it are for the next look */
    uint64_t rings = box->unrung && box->owed == 0 ? 0 : hear(box);
    struct pl_mail *mail = atomic_exchange_explicit(&box->last, NULL, memory_order_acquire);
    box->owed += mail != NULL && !box->unrung;
    box->unrung = false;
    PL_ASSERT(box->owed >= rings);
    box->owed -= rings;
    struct pl_mail *first = NULL;
    size_t taken = 0;
    while (mail != NULL) {
        struct pl_mail *before = mail->next;
        mail->next = first;
        first = mail;
        mail = before;
        taken++;
    }
    release(box, taken);
    return first;
}

struct pl_mail *pl_mailbox_wait(struct pl_mailbox *box)
{
    struct pl_mail *mail;
    while ((mail = pl_mailbox_take(box)) == NULL) {
        struct pollfd fd = {.fd = box->fd, .events = POLLIN};
        int ready = poll(&fd, 1, -1);
        PL_ASSERT(ready > 0 || errno == EINTR);
    }
    return mail;
}

bool pl_mailbox_empty(const struct pl_mailbox *box)
{
    return atomic_load_explicit(&box->last, memory_order_relaxed) == NULL;
}

size_t pl_mailbox_count(const struct pl_mailbox *box)
{
    return atomic_load_explicit(&box->count, memory_order_relaxed);
}

bool pl_mailbox_full(const struct pl_mailbox *box)
{
    return box->limit != 0 && pl_mailbox_count(box) >= box->limit;
}

int pl_mailbox_fd(const struct pl_mailbox *box)
{
    return box->fd;
}
