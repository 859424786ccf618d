/* SPDX-License-Identifier: Apache-2.0
 *
 * helm: see helm.h.
 *
 * I1: the writer, its store and what is next here are only touched by who has the helm. I2: while
 * the thread sleeps and nobody has the helm, everything that is due has its descriptor in the
 * thread's poll, or its time is not before `asleep_until_ns`.
 */
#include "server/helm.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/check.h"
#include "common/log.h"
#include "server/limits.h"

enum {
    STEADY_WAIT_MS = 1000, /* somebody may ask whether we get on */
    STOP_WAIT_MS = 10,
    TURNS_MAX = 4, /* on a worker's thread: decide and write, complete, and as much once more */
};
#define MS_NS 1000000LL

/* AWAITED: a worker has it, and the writer's thread waits for it. */
enum { HELM_FREE, HELM_TAKEN, HELM_AWAITED };

struct helm {
    struct helm_options options;
    _Atomic int state;
    int64_t asleep_until_ns; /* when the thread looks again by itself; 0: it is on its way */
    int64_t took_ns;         /* what a worker's command takes of late; too long: not tried ... */
    int64_t try_again_ns;    /* ... before this */
    _Atomic int64_t beat_ns;
    pthread_t thread;
    bool running;
    int stop_fd; /* tells the thread to end once the writer is idle */
    int wake_fd; /* what is due has changed */
    int free_fd; /* tells it that it may have the helm, for which it waits */
};

static int64_t now_ns(const struct helm *helm)
{
    return helm->options.clock->mono_ns(helm->options.clock);
}

static void ring(int fd)
{
    const uint64_t one = 1;
    ssize_t written = write(fd, &one, sizeof(one));
    PL_ASSERT(written == sizeof(one));
}

static void hear(int fd)
{
    uint64_t rings;
    ssize_t got = read(fd, &rings, sizeof(rings));
    PL_ASSERT(got == sizeof(rings) || errno == EAGAIN);
}

static bool try_take(struct helm *helm)
{
    int free = HELM_FREE;
    return atomic_compare_exchange_strong_explicit(&helm->state, &free, HELM_TAKEN,
                                                   memory_order_acquire, memory_order_relaxed);
}

/* The thread's way: a worker that has the helm rings when it leaves it. */
static void take(struct helm *helm)
{
    while (!try_take(helm)) {
        int taken = HELM_TAKEN;
        if (atomic_compare_exchange_strong_explicit(&helm->state, &taken, HELM_AWAITED,
                                                    memory_order_relaxed, memory_order_relaxed))
            hear(helm->free_fd);
    }
}

static void leave(struct helm *helm)
{
    if (atomic_exchange_explicit(&helm->state, HELM_FREE, memory_order_release) == HELM_AWAITED)
        ring(helm->free_fd);
}

/* At the helm. True: there is more to do at once. */
static bool turn(struct helm *helm)
{
    bool busy = false;
    struct pl_status status = writer_turn(helm->options.writer, &busy);
    if (!pl_is_ok(status)) {
        /* the log is not ours to write any more: nothing may be answered from this state */
        pl_log_status(PL_LOG_ERROR, "writer", "cannot go on, the daemon ends", status);
        _exit(pl_code_exit(status.code));
    }
    atomic_store_explicit(&helm->beat_ns, now_ns(helm), memory_order_relaxed);
    return busy;
}

/* --- the writer's thread --- */

static int wait_ms(int64_t now, int64_t until_ns)
{
    if (until_ns <= now)
        return 0;
    int64_t left_ns = until_ns - now;
    return left_ns > STEADY_WAIT_MS * MS_NS ? STEADY_WAIT_MS : (int)((left_ns + MS_NS - 1) / MS_NS);
}

enum { INBOX, STORE, WAKE, STOP };

/* What the thread has to know of the writer when it no longer is at the helm. */
struct outlook {
    bool busy, idle, wants_mail;
    int timeout_ms;
};

static struct outlook do_turn(struct helm *helm)
{
    const struct writer *writer = helm->options.writer;
    take(helm);
    struct outlook outlook = {.busy = turn(helm)};
    if (!outlook.busy) {
        int64_t now = atomic_load_explicit(&helm->beat_ns, memory_order_relaxed);
        outlook.idle = writer_idle(writer);
        outlook.wants_mail = writer_wants_mail(writer);
        outlook.timeout_ms = wait_ms(now, writer_next_wake_ns(writer));
        helm->asleep_until_ns = now + outlook.timeout_ms * MS_NS;
    }
    leave(helm);
    return outlook;
}

/* A poll loop is all the writer needs. An inbox that it will not look into yet does not wake it. */
static void *run(void *arg)
{
    struct helm *helm = arg;
    (void)pthread_setname_np(pthread_self(), "writer");
    const int inbox_fd = pl_mailbox_fd(helm->options.inbox);
    struct pollfd fds[] = {[INBOX] = {.fd = inbox_fd, .events = POLLIN},
                           [STORE] = {.fd = store_fd(helm->options.store), .events = POLLIN},
                           [WAKE] = {.fd = helm->wake_fd, .events = POLLIN},
                           [STOP] = {.fd = helm->stop_fd, .events = POLLIN}};
    for (;;) {
        struct outlook outlook = do_turn(helm);
        if (outlook.busy)
            continue;
        bool stopping = (fds[STOP].revents & POLLIN) != 0;
        if (stopping && outlook.idle)
            return NULL;
        int timeout_ms = outlook.timeout_ms;
        if (stopping)
            timeout_ms = timeout_ms > STOP_WAIT_MS ? STOP_WAIT_MS : timeout_ms;
        fds[INBOX].fd = outlook.wants_mail ? inbox_fd : -1;
        int failed = poll(fds, stopping ? STOP : PL_COUNT(fds), timeout_ms);
        PL_ASSERT(failed >= 0 || errno == EINTR);
        if ((fds[WAKE].revents & POLLIN) != 0)
            hear(helm->wake_fd);
    }
}

/* --- a worker's --- */

#define TOO_LONG_NS (LIMIT_TURN_ELSEWHERE_US * 1000LL)

/* The caller's other connections wait as long. */
static bool may_wait(const struct helm *helm, int64_t now)
{
    return helm->took_ns <= TOO_LONG_NS || now >= helm->try_again_ns;
}

/* One slow sync does not make a slow disk; of one that was slow, the first try tells. */
static void learn(struct helm *helm, int64_t now, int64_t took_ns)
{
    if (helm->took_ns > TOO_LONG_NS)
        helm->took_ns = took_ns;
    else if (took_ns < 4 * TOO_LONG_NS)
        helm->took_ns += (took_ns - helm->took_ns) / 8;
    else
        helm->took_ns += TOO_LONG_NS / 2;
    int64_t pause_ns = took_ns * LIMIT_SLOW_DISK_TIMES;
    if (pause_ns < LIMIT_SLOW_DISK_MS * MS_NS)
        pause_ns = LIMIT_SLOW_DISK_MS * MS_NS;
    helm->try_again_ns = now + pause_ns;
}

/* I2: what has no descriptor and comes before the thread looks. */
static void wake_in_time(struct helm *helm, bool busy)
{
    if (!busy && writer_next_wake_ns(helm->options.writer) >= helm->asleep_until_ns)
        return;
    helm->asleep_until_ns = 0; /* it is on its way: once is enough */
    ring(helm->wake_fd);
}

bool helm_try(struct helm *helm, struct command *command)
{
    if (!try_take(helm))
        return false;
    int64_t begun_ns = now_ns(helm);
    if (!may_wait(helm, begun_ns) || !writer_at_rest(helm->options.writer)) {
        leave(helm);
        return false;
    }
    command->at_home = true;
    writer_hand(helm->options.writer, command);
    bool busy = true;
    for (int i = 0; i < TURNS_MAX && busy; i++)
        busy = turn(helm);
    command->at_home = false; /* it is answered and not yet taken, or somebody else will */
    int64_t now = atomic_load_explicit(&helm->beat_ns, memory_order_relaxed);
    learn(helm, now, now - begun_ns);
    wake_in_time(helm, busy);
    leave(helm);
    return true;
}

int64_t helm_beat_ns(const struct helm *helm)
{
    return atomic_load_explicit(&helm->beat_ns, memory_order_relaxed);
}

/* --- life --- */

struct pl_status helm_new(const struct helm_options *options, struct helm **ret)
{
    struct helm *helm = calloc(1, sizeof(*helm));
    PL_ASSERT(helm != NULL);
    helm->options = *options;
    atomic_store_explicit(&helm->beat_ns, now_ns(helm), memory_order_relaxed);
    helm->stop_fd = eventfd(0, EFD_CLOEXEC);
    helm->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    helm->free_fd = eventfd(0, EFD_CLOEXEC);
    if (helm->stop_fd < 0 || helm->wake_fd < 0 || helm->free_fd < 0) {
        struct pl_status status = pl_fail_errno(UNAVAILABLE, "make an event descriptor");
        helm_free(helm);
        return status;
    }
    *ret = helm;
    return pl_ok();
}

struct pl_status helm_start(struct helm *helm)
{
    if (pthread_create(&helm->thread, NULL, run, helm) != 0)
        return pl_fail(UNAVAILABLE, "start the writer's thread");
    helm->running = true;
    return pl_ok();
}

void helm_free(struct helm *helm)
{
    if (helm == NULL)
        return;
    if (helm->running) {
        ring(helm->stop_fd);
        int failed = pthread_join(helm->thread, NULL);
        PL_ASSERT(failed == 0);
    }
    if (helm->stop_fd >= 0)
        (void)close(helm->stop_fd);
    if (helm->wake_fd >= 0)
        (void)close(helm->wake_fd);
    if (helm->free_fd >= 0)
        (void)close(helm->free_fd);
    free(helm);
}
