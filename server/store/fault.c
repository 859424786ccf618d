/* SPDX-License-Identifier: Apache-2.0
 *
 * fault: see fault.h.
 */
#include "server/store/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/check.h"

enum { PLANS_MAX = 64 };

struct plan {
    unsigned at;
    struct fault fault;
    bool set;
};

struct fault_store {
    struct store store; /* first member */
    struct store *inner;
    struct plan plan[PLANS_MAX];
    unsigned appends;
    struct pl_status room;
    bool there;
    struct fault now;
    store_append_fn done;
    void *done_arg;
    enum store_outcome outcome;
    bool inner_done, inner_unknown;
    int fd;
};

static struct fault_store *of(struct store *store)
{
    return (struct fault_store *)store;
}

static void wake(struct fault_store *fault)
{
    uint64_t one = 1;
    ssize_t written = write(fault->fd, &one, sizeof(one));
    PL_ASSERT(written == sizeof(one) || errno == EAGAIN);
}

static void on_inner(void *arg, enum store_outcome outcome)
{
    struct fault_store *fault = arg;
    fault->inner_done = true;
    fault->inner_unknown = outcome == STORE_UNKNOWN;
    fault->outcome = fault->now.kind == FAULT_APPLIED_UNKNOWN && outcome == STORE_DURABLE
                         ? STORE_UNKNOWN
                         : outcome;
}

static struct fault take_plan(struct fault_store *fault)
{
    for (size_t i = 0; i < PLANS_MAX; i++) {
        if (fault->plan[i].set && fault->plan[i].at == fault->appends) {
            fault->plan[i].set = false;
            return fault->plan[i].fault;
        }
    }
    return (struct fault){.kind = FAULT_NONE};
}

static void fault_append(struct store *store, const struct store_batch *batch, bool idle,
                         store_append_fn done, void *arg)
{
    struct fault_store *fault = of(store);
    PL_ASSERT(fault->done == NULL);
    fault->now = take_plan(fault);
    /* the inner store may have it: nobody can say that it has not */
    if (fault->inner_unknown && fault->now.outcome != STORE_UNKNOWN)
        fault->now.kind = FAULT_NONE;
    fault->appends++;
    fault->done = done;
    fault->done_arg = arg;
    fault->inner_done = false;
    if (fault->now.kind == FAULT_NOT_APPLIED) {
        PL_ASSERT(fault->now.outcome != STORE_DURABLE);
        fault->outcome = fault->now.outcome;
        fault->inner_done = true;
    } else {
        store_append(fault->inner, batch, idle, on_inner, fault);
    }
    wake(fault);
}

static void fault_dispatch(struct store *store)
{
    struct fault_store *fault = of(store);
    uint64_t ignored;
    ssize_t got = read(fault->fd, &ignored, sizeof(ignored));
    PL_ASSERT(got == sizeof(ignored) || errno == EAGAIN);
    store_dispatch(fault->inner);
    if (fault->done == NULL)
        return;
    if (fault->inner_done && fault->now.delay == FAULT_UNTIL_TOLD)
        return; /* fault_release wakes */
    if (!fault->inner_done || fault->now.delay > 0) {
        fault->now.delay -= fault->now.delay > 0 && fault->now.delay != FAULT_UNTIL_TOLD;
        wake(fault);
        return;
    }
    store_append_fn done = fault->done;
    fault->done = NULL;
    done(fault->done_arg, fault->outcome);
}

static struct pl_status fault_read(struct store *store, uint64_t from_batch, store_batch_fn fn,
                                   void *arg)
{
    return store_read(of(store)->inner, from_batch, fn, arg);
}

static void fault_head(struct store *store, struct store_head *ret)
{
    store_head(of(store)->inner, ret);
}

static struct pl_status fault_has_room(struct store *store, size_t body_bytes)
{
    struct fault_store *fault = of(store);
    return pl_is_ok(fault->room) ? store_has_room(fault->inner, body_bytes) : fault->room;
}

static bool fault_is_there(struct store *store)
{
    return of(store)->there && store_is_there(of(store)->inner);
}

static int fault_fd(struct store *store)
{
    return of(store)->fd;
}

static struct pl_status fault_trim(struct store *store, uint64_t upto_batch)
{
    return store_trim(of(store)->inner, upto_batch);
}

static struct pl_status fault_reader_open(struct store *store, struct store_reader **ret)
{
    return store_reader_open(of(store)->inner, ret);
}

static void fault_close(struct store *store)
{
    struct fault_store *fault = of(store);
    store_close(fault->inner);
    (void)close(fault->fd);
    free(fault);
}

static const struct store_driver fault_driver = {
    .name = "fault",
    .append = fault_append,
    .read = fault_read,
    .head = fault_head,
    .has_room = fault_has_room,
    .is_there = fault_is_there,
    .fd = fault_fd,
    .dispatch = fault_dispatch,
    .trim = fault_trim,
    .reader_open = fault_reader_open,
    .close = fault_close,
};

struct pl_status fault_open(struct store *inner, struct store **ret)
{
    struct fault_store *fault = calloc(1, sizeof(*fault));
    PL_ASSERT(fault != NULL);
    fault->store.driver = &fault_driver;
    fault->inner = inner;
    fault->room = pl_ok();
    fault->there = true;
    fault->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    PL_ASSERT(fault->fd >= 0);
    *ret = &fault->store;
    return pl_ok();
}

void fault_plan(struct store *store, unsigned nth, struct fault plan)
{
    struct fault_store *fault = of(store);
    for (size_t i = 0; i < PLANS_MAX; i++) {
        if (!fault->plan[i].set) {
            fault->plan[i] = (struct plan){.at = fault->appends + nth, .fault = plan, .set = true};
            return;
        }
    }
    PL_UNREACHABLE();
}

bool fault_release(struct store *store)
{
    struct fault_store *fault = of(store);
    if (fault->done == NULL || fault->now.delay != FAULT_UNTIL_TOLD)
        return false;
    fault->now.delay = 0;
    wake(fault);
    return true;
}

void fault_set_room(struct store *store, struct pl_status room)
{
    of(store)->room = room;
}

void fault_set_there(struct store *store, bool there)
{
    of(store)->there = there;
}

unsigned fault_appends(const struct store *store)
{
    return ((const struct fault_store *)store)->appends;
}
