/* SPDX-License-Identifier: Apache-2.0
 *
 * fiber: see fiber.h. Stacks are kept from run to run; a killed fiber's stack is simply used again.
 */
#include "tests/sim/fiber.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/sim/heap.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define START_SWITCH(save_, bottom_, size_) __sanitizer_start_switch_fiber(save_, bottom_, size_)
#define FINISH_SWITCH(fake_)                __sanitizer_finish_switch_fiber(fake_, NULL, NULL)
#define CLEAN_STACK(bottom_, size_)         __asan_unpoison_memory_region(bottom_, size_)
#else
#define START_SWITCH(save_, bottom_, size_) (void)(save_)
#define FINISH_SWITCH(fake_)                (void)(fake_)
#define CLEAN_STACK(bottom_, size_)         (void)(bottom_)
#endif

enum { STACK_BYTES = 1 << 20 };

struct fiber {
    ucontext_t context;
    void *stack; /* kept */
    void *(*main)(void *arg);
    void *arg;
    bool exists;
    bool (*wait)(void *arg); /* NULL: may go on */
    void *wait_arg;
};

static struct fiber fibers[FIBERS_MAX];
static int running = -1;
static ucontext_t outside;
static void *outside_stack;
static size_t outside_stack_bytes;
static bool exited;
static int exit_code;

static void learn_outside_stack(void)
{
    pthread_attr_t attributes;
    if (outside_stack != NULL)
        return;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0 ||
        pthread_attr_getstack(&attributes, &outside_stack, &outside_stack_bytes) != 0)
        abort();
    (void)pthread_attr_destroy(&attributes);
}

static void leave(bool for_ever)
{
    struct fiber *self = &fibers[running];
    void *fake = NULL;
    START_SWITCH(for_ever ? NULL : &fake, outside_stack, outside_stack_bytes);
    if (swapcontext(&self->context, &outside) != 0)
        abort();
    FINISH_SWITCH(fake);
}

static void enter(void)
{
    FINISH_SWITCH(NULL);
    struct fiber *self = &fibers[running];
    (void)self->main(self->arg);
    self->exists = false;
    leave(true);
    abort();
}

static void set_up(struct fiber *fiber)
{
    if (getcontext(&fiber->context) != 0)
        abort();
    CLEAN_STACK(fiber->stack, STACK_BYTES);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = STACK_BYTES;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, enter, 0);
}

int fiber_start(void *(*main)(void *arg), void *arg)
{
    for (int i = 0; i < FIBERS_MAX; i++) {
        struct fiber *fiber = &fibers[i];
        if (fiber->exists)
            continue;
        if (fiber->stack == NULL)
            fiber->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        if (fiber->stack == MAP_FAILED)
            abort();
        fiber->main = main;
        fiber->arg = arg;
        fiber->exists = true;
        fiber->wait = NULL;
        set_up(fiber);
        return i;
    }
    abort();
}

void fiber_resume(int number)
{
    struct fiber *fiber = &fibers[number];
    void *fake = NULL;
    if (running >= 0 || !fiber->exists)
        abort();
    learn_outside_stack();
    fiber->wait = NULL;
    running = number;
    bool before = heap_daemon(true);
    START_SWITCH(&fake, fiber->stack, STACK_BYTES);
    if (swapcontext(&outside, &fiber->context) != 0)
        abort();
    FINISH_SWITCH(fake);
    (void)heap_daemon(before);
    running = -1;
}

bool fiber_exists(int fiber)
{
    return fibers[fiber].exists;
}

bool fiber_ready(int number)
{
    const struct fiber *fiber = &fibers[number];
    return fiber->exists && (fiber->wait == NULL || fiber->wait(fiber->wait_arg));
}

bool fiber_running(void)
{
    return running >= 0;
}

void fiber_pause(void)
{
    if (running >= 0)
        leave(false);
}

void fiber_kill_all(void)
{
    for (int i = 0; i < FIBERS_MAX; i++)
        fibers[i].exists = false;
    exited = false;
}

bool fiber_exited(int *ret_code)
{
    *ret_code = exit_code;
    return exited;
}

void fiber_wait(bool (*fn)(void *arg), void *arg)
{
    while (!fn(arg)) {
        fibers[running].wait = fn;
        fibers[running].wait_arg = arg;
        leave(false);
    }
}

int fiber_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*main)(void *arg),
                         void *arg)
{
    (void)attributes;
    *ret = (pthread_t)fiber_start(main, arg);
    return 0;
}

static bool has_ended(void *arg)
{
    return !fibers[(intptr_t)arg].exists;
}

int fiber_pthread_join(pthread_t thread, void **ret)
{
    intptr_t number = (intptr_t)thread;
    if (ret != NULL)
        *ret = NULL;
    if (running >= 0)
        fiber_wait(has_ended, (void *)number);
    else
        for (int i = 0; i < 1000 && fibers[number].exists; i++)
            fiber_resume((int)number);
    return fibers[number].exists;
}

struct waited { /* of one poll, on its fiber's stack */
    struct pollfd *fds;
    nfds_t count;
    int64_t until_ns;
};

static struct pl_clock *clock_now;

void fiber_use_clock(struct pl_clock *clock)
{
    clock_now = clock;
}

static bool is_over(void *arg)
{
    const struct waited *waited = arg;
    return clock_now->mono_ns(clock_now) >= waited->until_ns ||
           poll(waited->fds, waited->count, 0) > 0;
}

static int poll_from_now(struct pollfd *fds, nfds_t count, int timeout_ms, bool later)
{
    if (running < 0)
        return poll(fds, count, timeout_ms);
    struct waited waited = {fds, count, INT64_MAX};
    if (timeout_ms >= 0)
        waited.until_ns = clock_now->mono_ns(clock_now) + timeout_ms * 1000000LL;
    if (later)
        fiber_pause();
    fiber_wait(is_over, &waited);
    return poll(fds, count, 0);
}

int fiber_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    return poll_from_now(fds, count, timeout_ms, false);
}

int fiber_poll_later(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    return poll_from_now(fds, count, timeout_ms, true);
}

ssize_t fiber_read(int fd, void *into, size_t room)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    if (running >= 0)
        (void)fiber_poll(&wanted, 1, -1);
    return read(fd, into, room);
}

void fiber_exit(int code)
{
    exited = true;
    exit_code = code;
    for (;;)
        leave(false);
}
