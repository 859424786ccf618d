/* SPDX-License-Identifier: Apache-2.0
 *
 * wire: see wire.h.
 */
#include "tests/sim/wire.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/sim/heap.h"

enum { EVENTS_MAX = 512, ROOM = 1 << 20, FD_DOORS = 1 << 20, FD_LINKS = (1 << 20) + WIRE_DOORS };

/* One direction of a connection. */
struct stream {
    uint8_t *bytes; /* owns; ROOM of them */
    size_t start;   /* what was read */
    size_t arrived; /* may be read, up to here */
    size_t end;     /* was written, up to here */
    size_t most;    /* that may be under way */
    bool closing;   /* the writer says no more */
    bool closed;    /* and that has arrived */
};
struct link {
    bool used, accepted, broken;
    bool server_open, client_open;
    unsigned door;
    struct stream to_server, to_client;
};
struct event {
    evutil_socket_t fd;
    short what;
    event_callback_fn callback;
    void *arg;
    int64_t due_ns, every_ns; /* INT64_MAX: no timer */
    bool pending, active;
    int priority;
    unsigned thread;
};

static struct dice *dice;
static struct pl_clock_fake *clock_now;
static struct link links[WIRE_LINKS];
static bool door_open[WIRE_DOORS];
static struct event *events[EVENTS_MAX]; /* borrowed */
static size_t event_count;
static struct wire_report report;
static bool well;
static unsigned thread_now;
static bool thread_runs[WIRE_THREADS], thread_halted[WIRE_THREADS];

int __real_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
ssize_t __real_recv(int fd, void *into, size_t room, int flags);
ssize_t __real_send(int fd, const void *data, size_t len, int flags);
int __real_shutdown(int fd, int how);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
ssize_t __wrap_recv(int fd, void *into, size_t room, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags);
int __wrap_shutdown(int fd, int how);

/* --- streams --- */

static void stream_reset(struct stream *stream)
{
    uint8_t *bytes = stream->bytes;
    static const size_t room[] = {150, 2000, 20000, ROOM / 2};
    *stream = (struct stream){.bytes = bytes, .most = room[dice_below(dice, 4)]};
    if (bytes == NULL) {
        bool daemons = heap_daemon(false); /* kept from run to run */
        stream->bytes = malloc(ROOM);
        (void)heap_daemon(daemons);
    }
    if (stream->bytes == NULL)
        abort();
}

static size_t stream_room(const struct stream *stream)
{
    size_t under_way = stream->end - stream->start;
    size_t most = well ? ROOM / 2 : stream->most;
    return under_way >= most ? 0 : most - under_way;
}

static size_t stream_write(struct stream *stream, const uint8_t *data, size_t len)
{
    size_t take = stream_room(stream) < len ? stream_room(stream) : len;
    if (!well && take > 1 && dice_below(dice, 4) == 0)
        take = 1 + dice_below(dice, take); /* a short write */
    if (stream->end + take > ROOM) {
        memmove(stream->bytes, stream->bytes + stream->start, stream->end - stream->start);
        stream->arrived -= stream->start;
        stream->end -= stream->start;
        stream->start = 0;
    }
    if (take > 0)
        memcpy(stream->bytes + stream->end, data, take);
    stream->end += take;
    return take;
}

static size_t stream_read(struct stream *stream, uint8_t *into, size_t room)
{
    size_t take = stream->arrived - stream->start;
    take = take < room ? take : room;
    if (!well && take > 1 && dice_below(dice, 3) == 0)
        take = 1 + dice_below(dice, take);
    memcpy(into, stream->bytes + stream->start, take);
    stream->start += take;
    return take;
}

static bool stream_ready(const struct stream *stream)
{
    return stream->arrived > stream->start || stream->closed;
}

static bool stream_moves(const struct stream *stream)
{
    return stream->arrived < stream->end || (stream->closing && !stream->closed);
}

static void stream_move(struct stream *stream)
{
    size_t left = stream->end - stream->arrived;
    size_t most[] = {1, 9, 100, 2000, ROOM};
    size_t take = most[dice_below(dice, 5)];
    stream->arrived += well || take > left ? left : take;
    stream->closed = stream->closing && stream->arrived == stream->end;
    report.pieces++;
}

/* --- connections --- */

/* Who came to a listener that is gone by now is never let in, not by the next one either. */
static bool knocks(const struct link *link, int fd)
{
    return link->used && !link->accepted && link->server_open &&
           link->door == (unsigned)(fd - FD_DOORS);
}

static void link_free(struct link *link)
{
    if (!link->server_open && !link->client_open)
        link->used = false;
}

static struct link *link_of(int fd)
{
    if (fd < FD_LINKS || fd >= FD_LINKS + WIRE_LINKS)
        return NULL;
    return &links[fd - FD_LINKS];
}

/* The daemon lets go of a descriptor of ours. */
static bool on_close(int fd)
{
    struct link *link = link_of(fd);
    if (fd >= FD_DOORS && fd < FD_LINKS) {
        door_open[fd - FD_DOORS] = false;
        for (int i = 0; i < WIRE_LINKS; i++) { /* who was not let in yet never is */
            if (knocks(&links[i], fd))
                links[i].broken = true, links[i].server_open = false, link_free(&links[i]);
        }
        return true;
    }
    if (link == NULL)
        return false;
    /* bytes that nobody has read take the rest of the answer with them */
    if (link->to_server.arrived > link->to_server.start)
        link->broken = true;
    link->to_client.closing = true;
    link->server_open = false;
    link_free(link);
    return true;
}

void wire_reset(struct dice *with, struct pl_clock_fake *clock)
{
    dice = with;
    clock_now = clock;
    memset(&report, 0, sizeof(report));
    memset(door_open, 0, sizeof(door_open));
    event_count = 0;
    thread_now = 0;
    well = false;
    for (int i = 0; i < WIRE_LINKS; i++)
        links[i].used = false;
    heap_on_close(on_close);
}

void wire_be_well(bool on)
{
    well = on;
}

const struct wire_report *wire_report(void)
{
    return &report;
}

int wire_listen(unsigned door)
{
    door_open[door] = true;
    return FD_DOORS + (int)door;
}

int wire_connect(unsigned door)
{
    if (!door_open[door])
        return -1;
    for (int i = 0; i < WIRE_LINKS; i++) {
        struct link *link = &links[i];
        if (link->used)
            continue;
        link->used = link->server_open = link->client_open = true;
        link->accepted = link->broken = false;
        link->door = door;
        stream_reset(&link->to_server);
        stream_reset(&link->to_client);
        report.connections++;
        return i;
    }
    return -1;
}

size_t wire_read(int number, uint8_t *into, size_t room, bool *ret_gone)
{
    struct link *link = &links[number];
    size_t got = link->broken ? 0 : stream_read(&link->to_client, into, room);
    *ret_gone = got == 0 && (link->broken || link->to_client.closed);
    report.bytes += got;
    return got;
}

size_t wire_write(int number, const uint8_t *data, size_t len)
{
    struct link *link = &links[number];
    return link->broken ? len : stream_write(&link->to_server, data, len);
}

void wire_close(int number)
{
    struct link *link = &links[number];
    if (link->to_client.arrived > link->to_client.start)
        link->broken = true;
    link->to_server.closing = true;
    link->client_open = false;
    if (!link->accepted)
        link->server_open = false;
    link_free(link);
}

bool wire_move(void)
{
    struct stream *moving[2 * WIRE_LINKS];
    size_t count = 0;
    for (int i = 0; i < WIRE_LINKS; i++) {
        struct link *link = &links[i];
        if (!link->used || link->broken)
            continue;
        if (stream_moves(&link->to_server))
            moving[count++] = &link->to_server;
        if (stream_moves(&link->to_client))
            moving[count++] = &link->to_client;
    }
    if (count == 0)
        return false;
    stream_move(moving[dice_below(dice, count)]);
    return true;
}

void wire_break(void)
{
    struct link *link = &links[dice_below(dice, WIRE_LINKS)];
    for (int i = 0; i < WIRE_LINKS && (!link->used || link->broken); i++)
        link = &links[i];
    if (!link->used || link->broken)
        return;
    link->broken = true;
    report.broken++;
}

/* --- the daemon's calls --- */

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    if (fd < FD_DOORS)
        return __real_accept4(fd, address, len, flags);
    for (int i = 0; i < WIRE_LINKS; i++) {
        if (knocks(&links[i], fd)) {
            links[i].accepted = true;
            return FD_LINKS + i;
        }
    }
    errno = EAGAIN;
    return -1;
}

ssize_t __wrap_recv(int fd, void *into, size_t room, int flags)
{
    struct link *link = link_of(fd);
    if (link == NULL)
        return __real_recv(fd, into, room, flags);
    if (link->broken) {
        errno = ECONNRESET;
        return -1;
    }
    if (!well && dice_below(dice, 50) == 0) {
        errno = EINTR;
        return -1;
    }
    if (!stream_ready(&link->to_server)) {
        errno = EAGAIN;
        return -1;
    }
    return (ssize_t)stream_read(&link->to_server, into, room);
}

ssize_t __wrap_send(int fd, const void *data, size_t len, int flags)
{
    struct link *link = link_of(fd);
    if (link == NULL)
        return __real_send(fd, data, len, flags);
    if (link->broken || link->to_client.closing) {
        errno = EPIPE;
        return -1;
    }
    size_t taken = link->client_open ? stream_write(&link->to_client, data, len) : len;
    if (taken > 0)
        return (ssize_t)taken;
    errno = EAGAIN;
    return -1;
}

int __wrap_shutdown(int fd, int how)
{
    struct link *link = link_of(fd);
    if (link == NULL)
        return __real_shutdown(fd, how);
    link->to_client.closing = true;
    return 0;
}

/* --- the loop --- */

struct event_base *wire_base(void)
{
    static char base;
    return (struct event_base *)&base;
}

unsigned wire_own(unsigned thread)
{
    unsigned before = thread_now;
    thread_now = thread;
    return before;
}

void wire_halt(unsigned thread, bool halted)
{
    thread_halted[thread] = halted;
}

struct event *event_new(struct event_base *base, evutil_socket_t fd, short what,
                        event_callback_fn callback, void *arg)
{
    struct event *event = calloc(1, sizeof(*event));
    (void)base;
    if (event == NULL || event_count == EVENTS_MAX)
        abort();
    *event = (struct event){.fd = fd,
                            .what = what,
                            .callback = callback,
                            .arg = arg,
                            .due_ns = INT64_MAX,
                            .priority = 1,
                            .thread = thread_now};
    events[event_count++] = event;
    return event;
}

void event_free(struct event *event)
{
    for (size_t i = 0; i < event_count; i++) {
        if (events[i] == event) {
            events[i] = events[--event_count];
            break;
        }
    }
    free(event);
}

int event_add(struct event *event, const struct timeval *after)
{
    event->pending = true;
    event->due_ns = INT64_MAX;
    event->every_ns = 0;
    if (after != NULL) {
        event->every_ns = (int64_t)after->tv_sec * 1000000000 + (int64_t)after->tv_usec * 1000;
        event->due_ns = clock_now->mono_ns_now + event->every_ns;
    }
    return 0;
}

int event_del(struct event *event)
{
    event->pending = event->active = false;
    event->due_ns = INT64_MAX;
    return 0;
}

void event_active(struct event *event, int result, short calls)
{
    (void)result, (void)calls;
    event->active = true;
}

void wire_ring(int fd)
{
    for (size_t i = 0; i < event_count; i++) {
        if (events[i]->pending && events[i]->fd == fd)
            events[i]->active = true;
    }
}

int event_priority_set(struct event *event, int priority)
{
    event->priority = priority;
    return 0;
}

static bool is_readable(int fd)
{
    struct link *link = link_of(fd);
    if (link != NULL)
        return link->broken || stream_ready(&link->to_server);
    for (int i = 0; i < WIRE_LINKS && fd >= FD_DOORS; i++) {
        if (knocks(&links[i], fd))
            return true;
    }
    return false;
}

static bool is_writable(int fd)
{
    struct link *link = link_of(fd);
    return link != NULL && (link->broken || stream_room(&link->to_client) > 0);
}

static bool is_due(const struct event *event)
{
    if (event->active)
        return true;
    return event->pending && (event->due_ns <= clock_now->mono_ns_now ||
                              ((event->what & EV_READ) != 0 && is_readable(event->fd)) ||
                              ((event->what & EV_WRITE) != 0 && is_writable(event->fd)));
}

static void run(struct event *event)
{
    bool again = (event->what & EV_PERSIST) != 0;
    event->active = false;
    if (event->due_ns <= clock_now->mono_ns_now)
        event->due_ns = again ? clock_now->mono_ns_now + event->every_ns : INT64_MAX;
    event->pending = event->pending && again;
    report.events++;
    unsigned before = wire_own(event->thread), self = event->thread;
    thread_runs[self] = true;
    event->callback(event->fd, event->what, event->arg); /* which may free it */
    thread_runs[self] = false;
    thread_now = before;
}

bool wire_run_event(void)
{
    struct event *due[EVENTS_MAX];
    size_t count = 0;
    int priority = 99;
    for (size_t i = 0; i < event_count; i++) {
        unsigned thread = events[i]->thread;
        if (thread_runs[thread] || thread_halted[thread] || !is_due(events[i]) ||
            events[i]->priority > priority)
            continue;
        if (events[i]->priority < priority)
            count = 0;
        priority = events[i]->priority;
        due[count++] = events[i];
    }
    if (count == 0)
        return false;
    run(due[dice_below(dice, count)]);
    return true;
}
