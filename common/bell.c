/* SPDX-License-Identifier: Apache-2.0
 *
 * bell: see bell.h.
 */
#include "common/bell.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/check.h"

struct pl_bell {
    int fd;
    atomic_bool armed;
};

struct pl_status pl_bell_new(struct pl_bell **ret)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0)
        return pl_fail_errno(UNAVAILABLE, "make an event descriptor");
    struct pl_bell *bell = calloc(1, sizeof(*bell));
    PL_ASSERT(bell != NULL);
    bell->fd = fd;
    *ret = bell;
    return pl_ok();
}

void pl_bell_free(struct pl_bell *bell)
{
    if (bell == NULL)
        return;
    (void)close(bell->fd);
    free(bell);
}

int pl_bell_fd(const struct pl_bell *bell)
{
    return bell->fd;
}

static void clear(const struct pl_bell *bell)
{
    uint64_t count;
    ssize_t got = read(bell->fd, &count, sizeof(count));
    (void)got; /* nothing rang: nothing to clear */
}

void pl_bell_arm(struct pl_bell *bell)
{
    clear(bell);
    /* Exchanges of one place have an order: a ring before this one is seen with all that was put
     * before it, by the look that follows; a ring behind it finds the bell armed. */
    (void)atomic_exchange_explicit(&bell->armed, true, memory_order_acq_rel);
}

void pl_bell_disarm(struct pl_bell *bell)
{
    atomic_store_explicit(&bell->armed, false, memory_order_relaxed);
    clear(bell);
}

void pl_bell_ring(struct pl_bell *bell)
{
    const uint64_t one = 1;
    if (!atomic_exchange_explicit(&bell->armed, false, memory_order_acq_rel))
        return;
    ssize_t put = write(bell->fd, &one, sizeof(one));
    PL_ASSERT(put == sizeof(one)); /* the counter cannot be full */
}
