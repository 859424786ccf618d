/* SPDX-License-Identifier: Apache-2.0
 *
 * load: one thread, one epoll. Connections are opened a few at a time (`opening`), then the clock
 * starts; with --fresh each place of the plan opens, asks, closes, and opens again.
 */
#include "tests/bench/load.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/check.h"
#include "common/clock.h"

enum {
    HANDSHAKES = 32,  /* at a time */
    EVENTS = 256,     /* of one look */
    ROOMY_MAX = 1024, /* connections that keep their buffers between records */
    NS_PER_S = 1000000000,
    NS_PER_MS = 1000000,
    OPEN_WAIT_S = 60,      /* with nothing getting ready */
    LATE_S = 15,           /* answers after the end are waited for */
    FRESH_FAILURES = 1000, /* then nobody is there */
};

struct load {
    const struct bench_options *options;
    struct load_result *result;
    struct link_target target;
    struct work work;
    int epoll;
    unsigned links;
    struct link *link;
    unsigned next_link; /* open loop: whose turn it is */
    unsigned opened, ready, lost;
    bool running, coarse; /* coarse: waits are of whole milliseconds */
    struct pl_status failed;
    int64_t begin_ns, count_from_ns, end_ns, last_ns;
    uint64_t launched, ended;
};

static int64_t now_ns(void)
{
    struct pl_clock *clock = pl_clock_system();
    return clock->mono_ns(clock);
}

/* --- requests --- */

static bool may_launch(const struct load *load, int64_t now)
{
    if (!load->running || !pl_is_ok(load->failed))
        return false;
    return load->options->requests > 0 ? load->launched < load->options->requests
                                       : now < load->end_ns;
}

static void launch(struct load *load, struct link *link, int64_t begun_ns)
{
    struct call *call = link_place(link);
    PL_ASSERT(call != NULL);
    call->begun_ns = begun_ns;
    struct pl_status filled = work_fill(&load->work, call);
    if (pl_is_ok(filled) && !link_begin(call))
        filled = pl_fail(INTERNAL, "beginning a call");
    if (!pl_is_ok(filled))
        load->failed = filled;
    load->launched += !load->options->fresh; /* a fresh one was when its connection was opened */
    link->dirty = true;
}

static void count(struct load *load, enum outcome outcome, int64_t begun_ns, int64_t now,
                  uint64_t units)
{
    load->ended++;
    int64_t moment = load->options->rate > 0 ? begun_ns : now;
    if (load->options->requests == 0 && (moment < load->count_from_ns || moment >= load->end_ns))
        return;
    load->last_ns = now;
    load->result->count[outcome]++;
    if (outcome == OUTCOME_OK) {
        histogram_add(&load->result->good, now - begun_ns);
        load->result->units += units;
    } else if (outcome == OUTCOME_BUSY) {
        histogram_add(&load->result->busy, now - begun_ns);
    }
}

/* --- what links tell --- */

static void on_secure(void *arg, struct link *link)
{
    struct load *load = arg;
    if (load->options->fresh)
        launch(load, link, link->opened_ns);
}

static void on_ready(void *arg, struct link *link)
{
    struct load *load = arg;
    (void)link;
    load->ready++;
}

static void on_done(void *arg, struct call *call)
{
    struct load *load = arg;
    int64_t now = now_ns();
    uint64_t units = 0;
    enum outcome outcome = work_judge(&load->work, call, &units);
    count(load, outcome, call->begun_ns, now, units);
    if (!load->options->fresh && load->options->rate == 0 && may_launch(load, now))
        launch(load, call->link, now);
}

static void lose(struct load *load, struct link *link)
{
    int64_t now = now_ns();
    unsigned calls = link_in_flight(link);
    for (unsigned i = 0; i < link->calls; i++)
        if (link->call[i].stream != 0)
            count(load, OUTCOME_LOST, link->call[i].begun_ns, now, 0);
    if (calls == 0 && link->state != LINK_READY)
        count(load, OUTCOME_CONNECT, link->opened_ns, now, 0);
    load->lost++;
    link_close(link);
}

/* --- turns --- */

static void take_answers(struct load *load, struct link *link)
{
    if (link->state != LINK_CLOSED && !link_read(link))
        lose(load, link);
}

static void send_requests(struct load *load, struct link *link)
{
    if (link->state == LINK_CLOSED)
        return;
    if (!link_flush(link)) {
        lose(load, link);
        return;
    }
    link->dirty = false;
    /* a fresh connection has done its work when its only call has ended */
    if (load->options->fresh && link->state >= LINK_SECURE && link_in_flight(link) == 0)
        link_close(link);
}

/* Kernels before 5.11, some sandboxes and valgrind know no epoll_pwait2: there a look may last a
 * millisecond longer than it should. */
static int wait_for_events(struct load *load, struct epoll_event *events, int64_t wait_ns)
{
    struct timespec wait = {.tv_sec = wait_ns / NS_PER_S, .tv_nsec = wait_ns % NS_PER_S};
    if (!load->coarse) {
        int got = epoll_pwait2(load->epoll, events, EVENTS, &wait, NULL);
        load->coarse = got < 0 && (errno == ENOSYS || errno == EPERM);
        if (!load->coarse)
            return got;
    }
    return epoll_wait(load->epoll, events, EVENTS, (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS));
}

static void look(struct load *load, int64_t wait_ns)
{
    struct epoll_event events[EVENTS];
    int got = wait_for_events(load, events, wait_ns);
    /* first all answers, then all requests: these keep the server busy, those are there already */
    for (int i = 0; i < got; i++)
        take_answers(load, events[i].data.ptr);
    for (int i = 0; i < got; i++)
        send_requests(load, events[i].data.ptr);
}

static void open_link(struct load *load, struct link *link)
{
    if (!pl_is_ok(link_open(link, now_ns())))
        lose(load, link);
}

/* --- opening --- */

static void open_all(struct load *load)
{
    int64_t patience = now_ns() + (int64_t)OPEN_WAIT_S * NS_PER_S;
    unsigned settled = 0;
    while (settled < load->links && now_ns() < patience) {
        while (load->opened < load->links && load->opened < settled + HANDSHAKES)
            open_link(load, &load->link[load->opened++]);
        look(load, NS_PER_S / 10);
        if (load->ready + load->lost > settled) {
            settled = load->ready + load->lost;
            patience = now_ns() + (int64_t)OPEN_WAIT_S * NS_PER_S;
        }
    }
    for (unsigned i = 0; i < load->links; i++) /* neither ready nor lost in time */
        if (load->link[i].state == LINK_HANDSHAKE || load->link[i].state == LINK_SECURE)
            lose(load, &load->link[i]);
    load->result->connected = load->ready;
}

/* --- the three ways to run --- */

static void flush_dirty(struct load *load)
{
    for (unsigned i = 0; i < load->links; i++) {
        struct link *link = &load->link[i];
        if (!link->dirty)
            continue;
        link->dirty = false;
        if (!link_flush(link))
            lose(load, link);
    }
}

static struct link *free_link(struct load *load)
{
    for (unsigned i = 0; i < load->links; i++) {
        struct link *link = &load->link[load->next_link++ % load->links];
        if (link->state == LINK_READY && link_place(link) != NULL)
            return link;
    }
    return NULL;
}

static int64_t due_ns(const struct load *load)
{
    return load->begin_ns + (int64_t)((double)load->launched * 1e9 / load->options->rate);
}

/* Sends what is due; how long until the next is. */
static int64_t launch_due(struct load *load)
{
    int64_t now = now_ns();
    while (due_ns(load) <= now && due_ns(load) < load->end_ns && may_launch(load, now)) {
        struct link *link = free_link(load);
        if (link == NULL)
            return NS_PER_S / 100; /* an answer will wake us */
        launch(load, link, due_ns(load));
    }
    int64_t left = due_ns(load) - now;
    return left < 0 ? 0 : left < NS_PER_S / 100 ? left : NS_PER_S / 100;
}

static void start_closed(struct load *load)
{
    for (unsigned i = 0; i < load->links; i++)
        while (load->link[i].state == LINK_READY && link_place(&load->link[i]) != NULL &&
               may_launch(load, now_ns()))
            launch(load, &load->link[i], now_ns());
}

static void renew(struct load *load)
{
    for (unsigned i = 0; i < load->links && load->lost < FRESH_FAILURES; i++)
        if (load->link[i].state == LINK_CLOSED && may_launch(load, now_ns())) {
            load->launched++;
            open_link(load, &load->link[i]);
        }
}

static unsigned in_flight(const struct load *load)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < load->links; i++)
        sum += link_in_flight(&load->link[i]) +
               (load->options->fresh && load->link[i].state == LINK_HANDSHAKE);
    return sum;
}

static bool over(const struct load *load, int64_t now)
{
    if (!pl_is_ok(load->failed) || load->lost >= load->links + FRESH_FAILURES ||
        (!load->options->fresh && load->lost >= load->links))
        return true;
    return load->options->requests > 0 ? load->ended >= load->options->requests
                                       : now >= load->end_ns;
}

static void run(struct load *load)
{
    load->begin_ns = now_ns();
    load->count_from_ns = load->begin_ns + (int64_t)(load->options->warmup * 1e9);
    load->end_ns = load->options->requests > 0
                       ? INT64_MAX
                       : load->count_from_ns + (int64_t)(load->options->seconds * 1e9);
    load->running = true;
    if (load->options->rate == 0 && !load->options->fresh)
        start_closed(load);
    while (!over(load, now_ns())) {
        int64_t wait = NS_PER_S / 100;
        if (load->options->fresh)
            renew(load);
        else if (load->options->rate > 0)
            wait = launch_due(load);
        flush_dirty(load);
        look(load, wait);
    }
    load->running = false;
    int64_t stop = now_ns() + (int64_t)LATE_S * NS_PER_S;
    while (in_flight(load) > 0 && now_ns() < stop && pl_is_ok(load->failed))
        look(load, NS_PER_S / 100);
    load->result->count[OUTCOME_LATE] = in_flight(load);
    load->result->seconds = load->options->requests > 0
                                ? (double)(load->last_ns - load->begin_ns) / 1e9
                                : load->options->seconds;
}

/* --- setting up --- */

static struct pl_status set_up(struct load *load)
{
    const struct bench_options *options = load->options;
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load->epoll < 0)
        return pl_fail_errno(IO, "making an epoll");
    load->target.hooks =
        (struct link_hooks){.secure = on_secure, .ready = on_ready, .done = on_done};
    load->target.arg = load;
    load->target.path = work_path(options);
    load->target.grpc = options->kind != BENCH_GET;
    PL_TRY(link_target_init(&load->target, options->ca, options->cert, options->key));
    if (options->connections > ROOMY_MAX)
        (void)SSL_CTX_set_mode(load->target.context, SSL_MODE_RELEASE_BUFFERS);
    PL_TRY(link_target_address(&load->target, options->host, options->port));
    PL_TRY(work_init(&load->work, options));
    load->link = calloc(options->connections, sizeof(*load->link));
    if (load->link == NULL)
        return pl_fail(TOO_BIG, "preparing connections");
    load->links = options->connections;
    for (unsigned i = 0; i < load->links; i++)
        link_init(&load->link[i], &load->target, load->epoll,
                  options->fresh ? 1 : options->streams);
    return pl_ok();
}

static void tear_down(struct load *load)
{
    for (unsigned i = 0; i < load->links; i++)
        link_fini(&load->link[i]);
    free(load->link);
    work_fini(&load->work);
    SSL_CTX_free(load->target.context);
    if (load->epoll >= 0)
        (void)close(load->epoll);
}

struct pl_status load_run(const struct bench_options *options, pthread_barrier_t *together,
                          struct load_result *ret)
{
    struct load load = {.options = options, .result = ret, .failed = pl_ok(), .epoll = -1};
    struct pl_status status = set_up(&load);
    if (pl_is_ok(status) && !options->fresh)
        open_all(&load);
    if (together != NULL)
        (void)pthread_barrier_wait(together);
    if (pl_is_ok(status)) {
        run(&load);
        status = load.failed;
    }
    tear_down(&load);
    return status;
}

static void hold(struct load *load)
{
    (void)printf("{\"open\": %u}\n", load->ready);
    (void)fflush(stdout);
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;
    while (poll(&input, 1, 0) == 0 || read(STDIN_FILENO, &byte, 1) > 0)
        look(load, NS_PER_S / 10);
    load->result->seconds = (double)(now_ns() - load->begin_ns) / 1e9;
}

struct pl_status load_hold(const struct bench_options *options, struct load_result *ret)
{
    struct load load = {.options = options, .result = ret, .failed = pl_ok(), .epoll = -1};
    struct pl_status status = set_up(&load);
    load.begin_ns = now_ns();
    load.end_ns = INT64_MAX;
    if (pl_is_ok(status)) {
        open_all(&load);
        unsigned lost = load.lost;
        hold(&load);
        ret->count[OUTCOME_LOST] = load.lost - lost;
        ret->count[OUTCOME_OK] = ret->connected - ret->count[OUTCOME_LOST];
    }
    tear_down(&load);
    return status;
}
