/* SPDX-License-Identifier: Apache-2.0
 *
 * io: the non-blocking loop that drives one transport (TLS or the plain socket) on one socket.
 *
 * The loop uses raw libevent events and a write buffer that coalesces small frames into one write
 * (one TLS record). It reads a bounded share a turn. One thread.
 * Failure: the peer is gone or broke the transport: on_end, with text for a log line.
 *
 * Previous hop: server/net/listener. Next hop: server/net/conn.
 */
#ifndef NET_IO_H
#define NET_IO_H

#include "common/slice.h"
#include "common/status.h"

/* --- what carries the bytes: server/net/tls or server/net/plain --- */

enum io_result {
    IO_DONE,
    IO_WANTS_READ,  /* nothing was done: again when the socket is readable */
    IO_WANTS_WRITE, /* ... writable */
    IO_CLOSED,      /* by the peer, in order */
    IO_FAILED,
};
struct io_transport;
struct io_transport_ops {
    enum io_result (*handshake)(struct io_transport *transport);
    enum io_result (*read)(struct io_transport *transport, uint8_t *out, size_t room,
                           size_t *ret_len);
    /* At least one byte when DONE. What was not taken is offered again unchanged. */
    enum io_result (*write)(struct io_transport *transport, const uint8_t *data, size_t len,
                            size_t *ret_len);
    bool (*has_pending)(const struct io_transport *transport); /* bytes that epoll cannot see */
    void (*say_goodbye)(struct io_transport *transport);
    /* After FAILED: text for one log line, valid until the next call. */
    const char *(*why)(const struct io_transport *transport, bool in_handshake);
    void (*free)(struct io_transport *transport); /* not the socket */
};
struct io_transport { /* the first member of each transport */
    const struct io_transport_ops *ops;
};

/* --- the loop --- */

struct event_base;
struct io;

/* What the loop asks of its user. None of these may free the io: io_stop is allowed, the rest waits
 * for the end of the turn. */
struct io_events {
    /* The transport is ready; with TLS, the peer proved who it is. */
    void (*on_handshake)(void *arg);
    /* Bytes of the peer; all of them are taken. */
    void (*on_bytes)(void *arg, struct pl_slice bytes);
    /* After the last on_bytes of a turn of reading. */
    void (*on_read_over)(void *arg);
    /* The next bytes to send: writes at most `room` to `out`, returns how many; 0: nothing now. */
    size_t (*fill)(void *arg, uint8_t *out, size_t room);
    /* Output that was stuck is on its way: there may be room for more now. */
    void (*on_unblocked)(void *arg);
    /* The peer is gone or broke the protocol, or the lingering is over; the loop has stopped. `why`
     * is text for one log line, borrowed for the call. */
    void (*on_end)(void *arg, struct pl_status status, const char *why);
};

/* Room that all loops of one thread share: bytes are here only during a call. */
struct io_scratch {
    uint8_t in[16384];
    uint8_t out[16384]; /* one TLS record: many small frames leave in one write */
};

struct io_options {
    struct event_base *base;        /* borrowed */
    int fd;                         /* owns; connected, non-blocking */
    struct io_transport *transport; /* owns */
    struct io_scratch *scratch;     /* borrowed */
    const struct io_events *events;
    void *arg;
};
/* Takes fd and transport, also when it fails. */
PL_MUST_CHECK struct pl_status io_new(const struct io_options *options, struct io **ret);
/* Pulls bytes from `fill` and sends them until there are none, the socket is full (the rest leaves
 * when it can), or this turn's share is used up (the rest leaves next turn). */
void io_flush(struct io *io);
void io_read_pause(struct io *io, bool pause);
bool io_blocked(const struct io *io);            /* the socket did not take everything */
uint64_t io_sent_bytes(const struct io *io);     /* plain bytes handed to the kernel so far */
uint64_t io_received_bytes(const struct io *io); /* plain bytes of the peer so far */
/* Everything to send was sent: says goodbye, then swallows what the peer still sends until it
 * closes too (a socket closed with unread bytes would take back what was sent). on_end follows. */
void io_linger(struct io *io);
/* No callback from here on; the socket stays open until io_free. */
void io_stop(struct io *io);
void io_free(struct io *io); /* NULL is fine; not from within a callback */

#endif
