/* SPDX-License-Identifier: Apache-2.0
 *
 * tls: contexts (TLS 1.3 only, ALPN h2, client certificate required, no tickets, no early data) and
 * the non-blocking loop that drives one SSL* on one socket.
 *
 * The loop uses raw libevent events and a write buffer that coalesces small frames into one TLS
 * record. It reads a bounded share a turn.
 *
 * Previous hop: server/net/listener. Next hop: server/net/conn.
 *
 * A context is immutable and counted: a reload builds a complete new one, checks it and swaps the
 * pointer.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <openssl/x509.h>

#include "common/slice.h"
#include "common/status.h"

struct tls_context;
struct tls_files {
    const char *cert; /* PEM chain */
    const char *key;  /* PEM; refused if others may read it */
    const char *ca;   /* PEM bundle that client certificates must chain to */
    const char *crl;  /* PEM, or NULL */
};
/* CONFIG with `ret_detail` (at least 256 bytes) saying which file and why. */
PL_MUST_CHECK struct pl_status tls_context_new(const struct tls_files *files, char *ret_detail,
                                               struct tls_context **ret);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context); /* any thread; NULL is fine */

/* --- the loop: one SSL* on one socket, one thread --- */

struct event_base;
struct tls_io;

/* What the loop asks of its user. None of these may free the tls_io: tls_io_stop is allowed, the
 * rest waits for the end of the turn. */
struct tls_io_events {
    /* The peer proved who it is and chose h2. */
    void (*on_handshake)(void *arg);
    /* Decrypted bytes; all of them are taken. */
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
struct tls_scratch {
    uint8_t in[16384];
    uint8_t out[16384]; /* one TLS record: many small frames leave in one write */
};

struct tls_io_options {
    struct event_base *base;     /* borrowed */
    int fd;                      /* owns; connected, non-blocking */
    struct tls_context *context; /* takes a reference */
    struct tls_scratch *scratch; /* borrowed */
    const struct tls_io_events *events;
    void *arg;
};
PL_MUST_CHECK struct pl_status tls_io_new(const struct tls_io_options *options,
                                          struct tls_io **ret);
/* Pulls bytes from `fill` and sends them until there are none, the socket is full (the rest leaves
 * when it can), or this turn's share is used up (the rest leaves next turn). */
void tls_io_flush(struct tls_io *io);
void tls_io_read_pause(struct tls_io *io, bool pause);
bool tls_io_blocked(const struct tls_io *io);        /* the socket did not take everything */
uint64_t tls_io_sent_bytes(const struct tls_io *io); /* plain bytes handed to the kernel so far */
X509 *tls_io_peer(const struct tls_io *io);          /* borrowed; NULL before the handshake */
/* Everything to send was sent: says goodbye, then swallows what the peer still sends until it
 * closes too (a socket closed with unread bytes would take back what was sent). on_end follows. */
void tls_io_linger(struct tls_io *io);
/* No callback from here on; the socket stays open until tls_io_free. */
void tls_io_stop(struct tls_io *io);
void tls_io_free(struct tls_io *io); /* NULL is fine; not from within a callback */

#endif
