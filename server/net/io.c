/* SPDX-License-Identifier: Apache-2.0
 *
 * io: see io.h.
 *
 * I1: bytes that the transport did not take are offered again unchanged (they move to `stuck`).
 * I2: bytes may wait inside the transport where epoll cannot see them; whoever stops reading early
 *     comes back by a timer (`again`).
 */
#include "server/net/io.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/check.h"

enum {
    READ_BYTES_A_TURN = 64 * 1024,
    WRITE_BYTES_A_TURN = 256 * 1024,
    LINGER_BYTES_MAX = 1024 * 1024,
};

enum io_state { IO_HANDSHAKE, IO_OPEN, IO_LINGER, IO_STOPPED };

struct io {
    struct io_options options;
    struct event *on_readable, *on_writable, *again;
    enum io_state state;
    uint8_t *stuck; /* owns; what the transport did not take (I1) */
    size_t stuck_start, stuck_end;
    bool read_paused;
    bool read_wants_write, write_wants_read; /* TLS asked for the other direction */
    bool read_again, write_again;            /* this turn's share was used up */
    uint64_t sent_bytes, received_bytes;
    size_t lingered_bytes;
};

static void end(struct io *io, struct pl_status status, const char *why)
{
    io_stop(io);
    io->options.events->on_end(io->options.arg, status, why);
}

/* Reads and forgets what is there. True: the peer closed, failed, or sent too much. */
static bool swallow(struct io *io)
{
    struct io_scratch *scratch = io->options.scratch;
    while (io->lingered_bytes <= LINGER_BYTES_MAX) {
        ssize_t len = recv(io->options.fd, scratch->in, sizeof(scratch->in), 0);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0 && errno == EAGAIN)
            return false;
        if (len <= 0)
            return true;
        io->lingered_bytes += (size_t)len;
    }
    return true;
}

/* The transport is broken or the peer is gone. */
static void end_failed(struct io *io, enum io_result result)
{
    const struct io_transport *transport = io->options.transport;
    bool in_handshake = io->state == IO_HANDSHAKE;
    if (result == IO_CLOSED) {
        end(io, pl_ok(), "closed by the peer");
        return;
    }
    const char *why = transport->ops->why(transport, in_handshake);
    if (in_handshake) {
        swallow(io); /* so that the alert that says why arrives, and not a reset */
        end(io, pl_fail(UNAUTHENTICATED, "do a handshake"), why);
    } else {
        end(io, pl_fail(UNAVAILABLE, "talk to a peer"), why);
    }
}

static void come_again(struct io *io)
{
    struct timeval now = {0, 0};
    (void)event_add(io->again, &now);
}

static void watch_writable(struct io *io)
{
    (void)event_add(io->on_writable, NULL);
}

static void read_some(struct io *io)
{
    struct io_transport *transport = io->options.transport;
    struct io_scratch *scratch = io->options.scratch;
    size_t taken = 0;
    bool more = true;
    io->read_wants_write = false;
    while (more && io->state == IO_OPEN && !io->read_paused && taken < READ_BYTES_A_TURN) {
        size_t len = 0;
        enum io_result result =
            transport->ops->read(transport, scratch->in, sizeof(scratch->in), &len);
        if (result == IO_DONE) {
            taken += len;
            io->received_bytes += len;
            /* the socket itself is watched by epoll; only what TLS holds needs another look */
            more = transport->ops->has_pending(transport);
            io->options.events->on_bytes(io->options.arg, pl_slice(scratch->in, len));
            continue;
        }
        if (result == IO_WANTS_WRITE) {
            io->read_wants_write = true;
            watch_writable(io);
        } else if (result != IO_WANTS_READ) {
            end_failed(io, result);
        }
        more = false;
    }
    if (more && io->state == IO_OPEN && !io->read_paused) {
        io->read_again = true; /* I2 */
        come_again(io);
    }
    if (taken > 0 && io->state == IO_OPEN)
        io->options.events->on_read_over(io->options.arg);
}

static void handshake(struct io *io)
{
    struct io_transport *transport = io->options.transport;
    enum io_result result = transport->ops->handshake(transport);
    if (result != IO_DONE) {
        if (result == IO_WANTS_WRITE)
            watch_writable(io);
        else if (result != IO_WANTS_READ)
            end_failed(io, result);
        return;
    }
    io->state = IO_OPEN;
    io->options.events->on_handshake(io->options.arg);
    if (io->state == IO_OPEN)
        read_some(io);
}

static void readable(evutil_socket_t fd, short what, void *arg)
{
    struct io *io = arg;
    (void)fd;
    (void)what;
    switch (io->state) {
    case IO_HANDSHAKE:
        handshake(io);
        return;
    case IO_OPEN:
        if (io->write_wants_read)
            io_flush(io);
        if (io->state == IO_OPEN && !io->read_paused)
            read_some(io);
        return;
    case IO_LINGER:
        if (swallow(io))
            end(io, pl_ok(), "closed");
        return;
    case IO_STOPPED:
        return;
    }
}

static void writable(evutil_socket_t fd, short what, void *arg)
{
    struct io *io = arg;
    (void)fd;
    (void)what;
    if (io->state == IO_HANDSHAKE) {
        handshake(io);
        return;
    }
    if (io->state == IO_OPEN && io->read_wants_write && !io->read_paused)
        read_some(io);
    io_flush(io);
    if (io->state == IO_OPEN && !io_blocked(io))
        io->options.events->on_unblocked(io->options.arg);
}

static void go_on(evutil_socket_t fd, short what, void *arg)
{
    struct io *io = arg;
    (void)fd;
    (void)what;
    bool read = io->read_again, write = io->write_again;
    io->read_again = io->write_again = false;
    if (read && io->state == IO_OPEN && !io->read_paused)
        read_some(io);
    if (write) {
        io_flush(io);
        if (io->state == IO_OPEN && !io_blocked(io))
            io->options.events->on_unblocked(io->options.arg);
    }
}

struct pl_status io_new(const struct io_options *options, struct io **ret)
{
    struct io *io = calloc(1, sizeof(*io));
    PL_ASSERT(io != NULL);
    io->options = *options;
    io->on_readable = event_new(options->base, options->fd, EV_READ | EV_PERSIST, readable, io);
    io->on_writable = event_new(options->base, options->fd, EV_WRITE, writable, io);
    io->again = event_new(options->base, -1, 0, go_on, io);
    PL_ASSERT(io->on_readable != NULL && io->on_writable != NULL && io->again != NULL);
    if (event_add(io->on_readable, NULL) != 0) {
        io_free(io);
        return pl_fail(UNAVAILABLE, "watch a connection");
    }
    *ret = io;
    return pl_ok();
}

/* I1: keeps what is left of `data`; it may already be the stuck buffer. */
static void keep_stuck(struct io *io, const uint8_t *data, size_t len)
{
    if (io->stuck != NULL)
        return; /* stuck_start moved on already */
    io->stuck = malloc(len);
    PL_ASSERT(io->stuck != NULL);
    memcpy(io->stuck, data, len);
    io->stuck_start = 0;
    io->stuck_end = len;
}

/* Sends from `data`; true when all of it went. */
static bool send_bytes(struct io *io, const uint8_t *data, size_t len)
{
    struct io_transport *transport = io->options.transport;
    while (len > 0) {
        size_t written = 0;
        enum io_result result = transport->ops->write(transport, data, len, &written);
        if (result != IO_DONE) {
            if (result != IO_WANTS_WRITE && result != IO_WANTS_READ) {
                end_failed(io, result);
                return false;
            }
            keep_stuck(io, data, len);
            io->write_wants_read = result == IO_WANTS_READ;
            if (result == IO_WANTS_WRITE)
                watch_writable(io);
            return false;
        }
        data += written;
        len -= written;
        io->sent_bytes += written;
        if (io->stuck != NULL)
            io->stuck_start += written;
    }
    return true;
}

static bool send_stuck(struct io *io)
{
    if (io->stuck == NULL)
        return true;
    if (!send_bytes(io, io->stuck + io->stuck_start, io->stuck_end - io->stuck_start))
        return false;
    free(io->stuck);
    io->stuck = NULL;
    return true;
}

void io_flush(struct io *io)
{
    struct io_scratch *scratch = io->options.scratch;
    if (io->state != IO_OPEN)
        return;
    io->write_wants_read = false;
    if (!send_stuck(io))
        return;
    for (size_t sent = 0; sent < WRITE_BYTES_A_TURN;) {
        size_t len = io->options.events->fill(io->options.arg, scratch->out, sizeof(scratch->out));
        if (len == 0 || io->state != IO_OPEN)
            return;
        if (!send_bytes(io, scratch->out, len))
            return;
        sent += len;
    }
    io->write_again = true;
    come_again(io);
}

void io_read_pause(struct io *io, bool pause)
{
    if (io->read_paused == pause || io->state != IO_OPEN)
        return;
    io->read_paused = pause;
    if (pause) {
        (void)event_del(io->on_readable);
    } else {
        (void)event_add(io->on_readable, NULL);
        io->read_again = true; /* I2 */
        come_again(io);
    }
}

bool io_blocked(const struct io *io)
{
    return io->stuck != NULL || io->write_again;
}

uint64_t io_sent_bytes(const struct io *io)
{
    return io->sent_bytes;
}

uint64_t io_received_bytes(const struct io *io)
{
    return io->received_bytes;
}

void io_linger(struct io *io)
{
    if (io->state != IO_OPEN)
        return;
    io_read_pause(io, false);
    io->options.transport->ops->say_goodbye(io->options.transport);
    (void)shutdown(io->options.fd, SHUT_WR);
    io->state = IO_LINGER;
}

void io_stop(struct io *io)
{
    io->state = IO_STOPPED;
    (void)event_del(io->on_readable);
    (void)event_del(io->on_writable);
    (void)event_del(io->again);
}

void io_free(struct io *io)
{
    if (io == NULL)
        return;
    event_free(io->on_readable);
    event_free(io->on_writable);
    event_free(io->again);
    io->options.transport->ops->free(io->options.transport);
    (void)close(io->options.fd);
    free(io->stuck);
    free(io);
}
