/* SPDX-License-Identifier: Apache-2.0
 *
 * h2: HTTP/2 frames to complete, bounded requests, and answers back to frames: one nghttp2 session,
 * its streams, and what protects both from the peer.
 *
 * A request: on_open, on_header..., on_head, on_body..., on_request, then whatever the user
 * answers, on_close. on_request waits while the connection has too much unsent output: a peer that
 * does not read its answers gets no more work done, and its flow-control window stays shut.
 * Failure: a broken peer gets GOAWAY from nghttp2, an abusive one (pings, resets, invalid frames)
 * GOAWAY ENHANCE_YOUR_CALM; in both cases h2_over turns true and conn closes.
 *
 * Previous hop: server/net/carrier. Next hop: server/net/rpc.
 */
#ifndef NET_H2_H
#define NET_H2_H

#include "common/clock.h"
#include "common/slice.h"
#include "common/status.h"
#include "server/net/carrier.h"
#include "server/net/stream.h"

struct h2;

struct h2_options {
    const struct stream_events *events;
    void *arg;                    /* of on_open */
    void (*on_output)(void *arg); /* something to send came up outside of h2_recv and h2_fill */
    void *output_arg;
    struct pl_clock *clock;
    size_t streams;          /* concurrent */
    size_t header_bytes;     /* of one request: names, values and 32 for each field */
    size_t write_high_bytes; /* unsent answers above which no further request is begun */
};
PL_MUST_CHECK struct pl_status h2_new(const struct h2_options *options, struct h2 **ret);
/* Ends all streams: on_close for each that still has a user. */
void h2_close_streams(struct h2 *h2);
void h2_free(struct h2 *h2); /* after h2_close_streams; NULL is fine */

/* --- for conn --- */

/* Not OK: nothing more can be done with this peer. */
PL_MUST_CHECK struct pl_status h2_recv(struct h2 *h2, struct pl_slice bytes);
/* At most `room` bytes of frames; 0: nothing to send now. */
size_t h2_fill(struct h2 *h2, uint8_t *out, size_t room);
/* Starts requests that waited. Call after receiving and after sending. */
void h2_run(struct h2 *h2);
/* Nothing more will come or go. */
bool h2_over(const struct h2 *h2);
bool h2_wants_write(const struct h2 *h2);
bool h2_ready(const struct h2 *h2);          /* the peer's preface and settings came */
size_t h2_unsent_bytes(const struct h2 *h2); /* of answers; frames in nghttp2 estimated */
uint64_t h2_body_bytes_sent(const struct h2 *h2);
size_t h2_stream_count(const struct h2 *h2);
/* Tells requests that began before `began_ns` and are still incomplete that they are late. */
void h2_look_for_late(struct h2 *h2, int64_t began_ns);
/* Sends answers that waited long enough for the end of their requests, and resets requests that go
 * on after their answers. */
void h2_end_early(struct h2 *h2);
/* Resets streams of messages whose output has not moved since then. */
void h2_end_stuck(struct h2 *h2, int64_t stuck_ns);
void h2_announce(struct h2 *h2);               /* on_drain for all streams */
void h2_cut(struct h2 *h2, enum pl_code code); /* on_cut for all streams; their answers go */
void h2_drain_notice(struct h2 *h2);           /* GOAWAY that still accepts what is under way */
void h2_drain(struct h2 *h2, const char *why); /* GOAWAY that refuses everything new */
/* GOAWAY with a reason, then the end, without waiting for streams. */
void h2_dismiss(struct h2 *h2, uint32_t error_code, const char *debug);
uint64_t h2_protocol_errors(const struct h2 *h2);
struct carrier *h2_carrier(struct h2 *h2); /* the same object, as conn sees it */

#endif
