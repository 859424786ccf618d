/* SPDX-License-Identifier: Apache-2.0
 *
 * h1: HTTP/1.1 for clients without HTTP/2: one request at a time to a stream, and its answer back
 * to bytes. Small and strict: GET, HEAD and POST with Content-Length; answers of one piece carry
 * Content-Length, streams of messages are sent in chunks. No trailers, so no gRPC.
 *
 * What is malformed (h1_head) gets one answer and the end of the connection; so do bytes that come
 * while a request is being answered. An answer that is known before its request is complete waits
 * for the rest, within limits; if it had to leave before, the connection ends behind it.
 *
 * Previous hop: server/net/carrier. Next hop: server/net/rpc.
 */
#ifndef NET_H1_H
#define NET_H1_H

#include "common/clock.h"
#include "server/net/carrier.h"
#include "server/net/stream.h"

struct h1_options {
    const struct stream_events *events;
    void *arg;                    /* of on_open */
    void (*on_output)(void *arg); /* something to send came up outside of recv and fill */
    void *output_arg;
    struct pl_clock *clock;
    size_t header_bytes; /* of one request: its head as it came */
    bool secure;         /* the connection has TLS */
};
struct carrier *h1_new(const struct h1_options *options);

#endif
