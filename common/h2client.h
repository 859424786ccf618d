/* SPDX-License-Identifier: Apache-2.0
 *
 * h2client: a small blocking gRPC client: one connection (TLS 1.3, ALPN h2, client certificate),
 * one call at a time, unary or server streaming, every call with a deadline.
 *
 * It knows gRPC and HTTP/2, not what the messages mean. Nothing is retried here: the caller learns
 * whether the server may have seen the request and decides. One object, one thread; objects share
 * nothing, so a load generator may run one a thread. The process must ignore SIGPIPE.
 *
 * Failure modes: CONFIG (a certificate or key file is no good), UNAVAILABLE (no connection, or it
 * was lost), UNAUTHENTICATED (the server refused our certificate), TIMEOUT, TOO_BIG (an answer over
 * the limit), INTERNAL (the peer does not speak gRPC). Words for people are in the error.
 */
#ifndef PL_H2CLIENT_H
#define PL_H2CLIENT_H

#include <stdint.h>

#include "common/buf.h"
#include "common/slice.h"
#include "common/status.h"

struct pl_h2client;

struct pl_h2client_options {
    const char *host; /* DNS name or address, without brackets; checked against the certificate */
    uint16_t port;
    const char *ca_file;      /* PEM; NULL: the system's authorities */
    const char *cert_file;    /* PEM chain; NULL: no client certificate */
    const char *key_file;     /* PEM; NULL only if cert_file is */
    size_t message_bytes_max; /* largest single answer message; 0: 4 MiB */
    int64_t silence_ms;       /* a stream that brings no whole message for so long ends with
                                 TIMEOUT; time spent in the callback does not count. 0: only the
                                 deadline */
};

struct pl_h2client_error {
    char text[384];   /* English, for people: the parts below, those that there are */
    const char *what; /* what could not be done: words of this room, which a client may translate,
                         or of who took the messages; NULL: where and why say it all */
    char where[160];  /* the server or the file */
    char why[160];    /* in the words of a library, if it is no error of the system */
    int sys_errno;    /* that error, or 0 */
    bool untrusted;   /* the server's certificate did not pass; repeating cannot help */
};

/* deadline_ns: moment of pl_clock_system()->mono_ns; holds for every call that takes one.
 * On failure nothing is left behind and *ret is untouched. */
PL_MUST_CHECK struct pl_status pl_h2client_connect(const struct pl_h2client_options *options,
                                                   int64_t deadline_ns,
                                                   struct pl_h2client_error *ret_error,
                                                   struct pl_h2client **ret);
void pl_h2client_free(struct pl_h2client *client); /* NULL is fine */
/* False once the connection is lost or the server said that it goes away: connect anew. */
bool pl_h2client_usable(const struct pl_h2client *client);

/* How a call ended. The buffers are owned by whoever called _init. */
struct pl_h2client_reply {
    int grpc_status;       /* 0 to 16; -1: the call did not come to an end */
    struct pl_buf message; /* grpc-message, decoded; NUL-terminated only by chance: use the slice */
    struct pl_buf details; /* grpc-status-details-bin, decoded: a google.rpc.Status */
    struct pl_buf body;    /* unary: the answer message */
    bool maybe_processed;  /* false: the server certainly did nothing with this request */
    struct pl_h2client_error error; /* words, when the call did not come to an end */
};
void pl_h2client_reply_init(struct pl_h2client_reply *reply);
void pl_h2client_reply_fini(struct pl_h2client_reply *reply);

/* OK means that the call came to an end: look at grpc_status. A unary call that ends with status 0
 * has exactly one message. `path` is like "/pkg.Service/Method". `request` is borrowed during the
 * call. */
PL_MUST_CHECK struct pl_status pl_h2client_unary(struct pl_h2client *client, const char *path,
                                                 struct pl_slice request, int64_t deadline_ns,
                                                 struct pl_h2client_reply *reply);

/* Called for each message, which is borrowed until it returns. A failure ends the call and is
 * returned unchanged; the stream is cancelled then. */
typedef struct pl_status (*pl_h2client_message_fn)(void *arg, struct pl_slice message);
PL_MUST_CHECK struct pl_status pl_h2client_stream(struct pl_h2client *client, const char *path,
                                                  struct pl_slice request, int64_t deadline_ns,
                                                  pl_h2client_message_fn on_message, void *arg,
                                                  struct pl_h2client_reply *reply);

#endif
