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
 * Previous hop: server/net/conn. Next hop: server/net/rpc.
 */
#ifndef NET_H2_H
#define NET_H2_H

#include "common/clock.h"
#include "common/slice.h"
#include "common/status.h"

struct h2;
struct h2_stream;

/* Events may run inside nghttp2: answering is allowed in all of them but on_close, and so is
 * h2_stream_forget. on_request and on_late run outside. */
struct h2_events {
    void *(*on_open)(void *arg, struct h2_stream *stream); /* returns the user of the others */
    void (*on_header)(void *user, struct pl_slice name, struct pl_slice value);
    void (*on_head)(void *user); /* the head is complete */
    void (*on_body)(void *user, struct pl_slice bytes);
    void (*on_request)(void *user); /* the request is complete */
    void (*on_room)(void *user);    /* h2_stream_has_room is true again; do not send from here */
    void (*on_late)(void *user);    /* the request did not become complete in time */
    void (*on_close)(void *user);   /* the stream is over; its pointer ends here */
};
struct h2_options {
    const struct h2_events *events;
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
int64_t h2_idle_since_ns(const struct h2 *h2); /* meaningful while there is no stream */
/* Tells requests that began before `began_ns` and are still incomplete that they are late. */
void h2_look_for_late(struct h2 *h2, int64_t began_ns);
/* Sends answers that waited long enough for the end of their requests, and resets requests that go
 * on after their answers. */
void h2_end_early(struct h2 *h2);
void h2_drain_notice(struct h2 *h2); /* GOAWAY that still accepts what is under way */
void h2_drain(struct h2 *h2);        /* GOAWAY that refuses everything new */
/* GOAWAY with a reason, then the end, without waiting for streams. */
void h2_dismiss(struct h2 *h2, uint32_t error_code, const char *debug);
uint64_t h2_protocol_errors(const struct h2 *h2);

/* --- for answers --- */

struct h2_field {
    struct pl_slice name, value;
};
#define H2_FIELD(name_, value_) ((struct h2_field){pl_slice_str(name_), pl_slice_str(value_)})

/* Bytes that travel; malloc'ed, owned by whoever holds it. */
struct h2_chunk {
    struct h2_chunk *next;
    size_t len, sent;
    uint8_t data[];
};
struct h2_chunk *h2_chunk_new(size_t len); /* memory exhaustion is fatal */
void h2_chunk_free(struct h2_chunk *chunk);

enum { H2_TAIL_MAX = 4 };
/* A whole answer: head, body (taken; NULL: none), tail (0 fields: none). Without body and tail, one
 * HEADERS frame ends the stream. Fields are copied. An answer to a request that is not complete
 * waits for its end, for a moment. */
void h2_answer(struct h2_stream *stream, const struct h2_field *head, size_t head_count,
               struct h2_chunk *body, const struct h2_field *tail, size_t tail_count);
/* The same in steps, for streams of messages; the request must be complete. */
void h2_answer_begin(struct h2_stream *stream, const struct h2_field *head, size_t head_count);
void h2_answer_push(struct h2_stream *stream, struct h2_chunk *body); /* takes */
void h2_answer_end(struct h2_stream *stream, const struct h2_field *tail, size_t tail_count);
bool h2_answer_begun(const struct h2_stream *stream);
/* May another message be queued? If not, on_room tells when. */
bool h2_stream_has_room(struct h2_stream *stream);
/* The user is done with the stream: no event for it any more. The answer still leaves. */
void h2_stream_forget(struct h2_stream *stream);

#endif
