/* SPDX-License-Identifier: Apache-2.0
 *
 * stream: one request and its answer, whatever the version of HTTP that carries them. h2 and h1
 * bring requests in through stream_events; call and rpc answer through the functions below.
 *
 * A request: on_open, on_header..., on_head, on_body..., on_request, then whatever the user
 * answers, on_close. Belongs to one worker's thread.
 *
 * Previous hop: server/net/h2 or server/net/h1. Next hop: server/net/rpc.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "common/slice.h"
#include "common/status.h"

struct stream;

/* Events may run inside the protocol's parser: answering is allowed in all of them but on_close,
 * and so is stream_forget. on_request and on_late run outside. */
struct stream_events {
    void *(*on_open)(void *arg, struct stream *stream); /* returns the user of the others */
    void (*on_header)(void *user, struct pl_slice name, struct pl_slice value);
    void (*on_head)(void *user); /* the head is complete */
    void (*on_body)(void *user, struct pl_slice bytes);
    void (*on_request)(void *user); /* the request is complete */
    void (*on_room)(void *user);    /* stream_has_room is true again; do not send from here */
    void (*on_late)(void *user);    /* the request did not become complete in time */
    void (*on_close)(void *user);   /* the stream is over; its pointer ends here */
    void (*on_drain)(void *user);   /* the connection is about to go; may be NULL */
    /* The peer may not be here any more: answer with this code, if at all. May be NULL. */
    void (*on_cut)(void *user, enum pl_code code);
};
struct stream_field {
    struct pl_slice name, value;
};
#define STREAM_FIELD(name_, value_)                                                                \
    ((struct stream_field){pl_slice_str(name_), pl_slice_str(value_)})

/* Bytes that travel; malloc'ed, owned by whoever holds it. */
struct stream_chunk {
    struct stream_chunk *next;
    size_t len, sent;
    uint8_t data[];
};
struct stream_chunk *stream_chunk_new(size_t len); /* memory exhaustion is fatal */
void stream_chunk_free(struct stream_chunk *chunk);
/* Chunks in the order in which they leave; zero-initialised: none. */
struct stream_queue {
    struct stream_chunk *first, *last; /* owns */
};
void stream_queue_push(struct stream_queue *queue, struct stream_chunk *chunk); /* takes */
/* Moves up to `room` bytes out of it; returns how many. */
size_t stream_queue_take(struct stream_queue *queue, uint8_t *out, size_t room);
void stream_queue_drop(struct stream_queue *queue); /* all of it */

enum { STREAM_TAIL_MAX = 4 };
/* A whole answer: head, body (taken; NULL: none), tail (0 fields: none). Without body and tail, one
 * HEADERS frame ends the stream. Fields are copied. An answer to a request that is not complete
 * waits for its end, for a moment. */
void stream_answer(struct stream *stream, const struct stream_field *head, size_t head_count,
                   struct stream_chunk *body, const struct stream_field *tail, size_t tail_count);
/* The same in steps, for streams of messages. If the request is not complete yet, on_body and
 * on_request go on. */
void stream_answer_begin(struct stream *stream, const struct stream_field *head, size_t head_count);
void stream_answer_push(struct stream *stream, struct stream_chunk *body); /* takes */
void stream_answer_end(struct stream *stream, const struct stream_field *tail, size_t tail_count);
bool stream_answer_begun(const struct stream *stream);
/* May another message be queued? If not, on_room tells when. */
bool stream_has_room(struct stream *stream);
/* While paused, the peer may send no more of its request than it was allowed to before. Not every
 * carrier can. */
void stream_pause(struct stream *stream, bool paused);
/* The user is done with the stream: no event for it any more. The answer still leaves. */
void stream_forget(struct stream *stream);

/* What a carrier implements; the first member of its own stream. */
struct stream_ops {
    void (*answer)(struct stream *stream, const struct stream_field *head, size_t head_count,
                   struct stream_chunk *body, const struct stream_field *tail, size_t tail_count);
    void (*begin)(struct stream *stream, const struct stream_field *head, size_t head_count);
    void (*push)(struct stream *stream, struct stream_chunk *body);
    void (*end)(struct stream *stream, const struct stream_field *tail, size_t tail_count);
    bool (*begun)(const struct stream *stream);
    bool (*has_room)(struct stream *stream);
    void (*forget)(struct stream *stream);
    void (*pause)(struct stream *stream, bool paused); /* may be NULL */
};
struct stream {
    const struct stream_ops *ops;
};

#endif
