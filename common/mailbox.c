/* SPDX-License-Identifier: Apache-2.0
 *
 * mailbox: a mutex, a list, an eventfd.
 */
#include "common/mailbox.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/check.h"

struct pl_mailbox {
    pthread_mutex_t lock;
    struct pl_mail *first, *last;
    size_t limit;
    _Atomic size_t count; /* written under the lock, read by anybody as an estimate */
    bool closed;
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
    int failed = pthread_mutex_init(&box->lock, NULL);
    PL_ASSERT(failed == 0);
    *ret = box;
    return pl_ok();
}

void pl_mailbox_free(struct pl_mailbox *box)
{
    if (box == NULL)
        return;
    PL_ASSERT(box->first == NULL);
    (void)pthread_mutex_destroy(&box->lock);
    (void)close(box->fd);
    free(box);
}

static void lock(struct pl_mailbox *box)
{
    int failed = pthread_mutex_lock(&box->lock);
    PL_ASSERT(failed == 0);
}

static void unlock(struct pl_mailbox *box)
{
    int failed = pthread_mutex_unlock(&box->lock);
    PL_ASSERT(failed == 0);
}

bool pl_mailbox_post(struct pl_mailbox *box, struct pl_mail *mail)
{
    lock(box);
    bool taken = !box->closed && (box->limit == 0 || box->count < box->limit);
    bool wake = taken && box->first == NULL;
    if (taken) {
        mail->next = NULL;
        if (box->last != NULL)
            box->last->next = mail;
        else
            box->first = mail;
        box->last = mail;
        box->count++;
    }
    if (wake) { /* under the lock: the box may be freed as soon as its owner saw the last mail */
        uint64_t one = 1;
        ssize_t written = write(box->fd, &one, sizeof(one));
        PL_ASSERT(written == sizeof(one) || errno == EAGAIN);
    }
    unlock(box);
    return taken;
}

struct pl_mail *pl_mailbox_take(struct pl_mailbox *box)
{
    /* The descriptor is readable when there is mail, and only then: whoever looks often and in vain
     * is spared the system call. Mail that comes at this moment is announced. */
    if (pl_mailbox_count(box) == 0)
        return NULL;
    lock(box);
    /* under the lock: between a sender's counting and its writing there would be nothing to read
     * yet, and the descriptor would stay readable over an empty box */
    uint64_t ignored;
    ssize_t got = read(box->fd, &ignored, sizeof(ignored));
    PL_ASSERT(got == sizeof(ignored) || errno == EAGAIN || errno == EINTR);
    struct pl_mail *first = box->first;
    box->first = box->last = NULL;
    box->count = 0;
    unlock(box);
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

void pl_mailbox_close(struct pl_mailbox *box)
{
    lock(box);
    box->closed = true;
    unlock(box);
}

size_t pl_mailbox_count(const struct pl_mailbox *box)
{
    return atomic_load_explicit(&box->count, memory_order_relaxed);
}

int pl_mailbox_fd(const struct pl_mailbox *box)
{
    return box->fd;
}
