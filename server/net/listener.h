/* SPDX-License-Identifier: Apache-2.0
 *
 * listener: opens listening sockets, and accepts on one of them for a worker.
 *
 * Accepting is a bounded number of connections a turn, so that a storm of newcomers does not starve
 * those who are there, and stops while the worker has all the connections it may have: newcomers
 * then wait in the kernel's queue. Out of file descriptors: pauses for a moment, then tries again.
 *
 * Previous hop: the kernel. Next hop: server/net/conn.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include <stdint.h>

#include "common/status.h"

struct event_base;
struct listener;

/* Binds and listens, non-blocking, close-on-exec. `host` is an address or a name; NULL: every
 * address. Port 0: any; *ret_port tells which. With `reuseport` several sockets share the port, one
 * a worker; because daemons of the same user could then share it too without noticing, call
 * listener_probe once before the first.
 * UNAVAILABLE with errno EADDRINUSE and what = "listen: the port is in use"; DENIED where the port
 * needs a privilege; CONFIG when the host is not an address of this machine. */
PL_MUST_CHECK struct pl_status listener_open(const char *host, uint16_t port, bool reuseport,
                                             int *ret_fd, uint16_t *ret_port);
/* OK when nobody listens there, whatever options the other one used. */
PL_MUST_CHECK struct pl_status listener_probe(const char *host, uint16_t port);

/* The same for a unix socket, whose file gets `mode`. Replaces a file that nobody listens behind;
 * the caller removes it in the end. */
PL_MUST_CHECK struct pl_status listener_open_unix(const char *path, unsigned mode, int *ret_fd);

struct listener_options {
    struct event_base *base; /* borrowed */
    int fd;                  /* taken when listener_new succeeds */
    /* Takes fd. False: no room for more; the listener pauses until listener_resume. */
    bool (*on_accept)(void *arg, int fd);
    void *arg;
};
PL_MUST_CHECK struct pl_status listener_new(const struct listener_options *options,
                                            struct listener **ret);
void listener_resume(struct listener *listener); /* there is room again */
void listener_free(struct listener *listener);   /* closes the socket; NULL is fine */

#endif
