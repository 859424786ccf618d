/* SPDX-License-Identifier: Apache-2.0
 *
 * h2: see h2.h.
 *
 * I1: mem_send and mem_recv are never called from inside a callback.
 * I2: what mem_send returned stays valid until the next mem_send; its rest is kept as `rest`.
 * I3: `answer_bytes` and `stream_bytes` are the sums of `queued` of their streams.
 * I4: request bytes are given back to the peer's windows at once, except while the connection is
 *     congested or the stream paused: then when it no longer is. No request can wait for another
 * one's window.
 */
#include "server/net/h2.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/check.h"

enum {
    STREAM_WINDOW_BYTES = 128 * 1024,
    CONNECTION_WINDOW_BYTES = 1024 * 1024,
    QUEUE_BYTES = 256 * 1024,             /* of one stream of messages */
    CONNECTION_QUEUE_BYTES = 1024 * 1024, /* of all of them; then each gets one message at a time */
    FRAME_BYTES = 64,                     /* a guess at what one queued frame costs */
    RESET_BURST = 500,
    RESET_RATE = 50,
    CONTINUATIONS_MAX = 4,
    OUTBOUND_ACK_MAX = 100,
    SETTINGS_MAX = 16,
    PING_BURST = 10, /* one more each second, all of them after any HEADERS or DATA of ours */
    FAULTS_MAX = 100,
    FIELDS_MAX = 12,
    EARLY_BYTES = 64 * 1024, /* of a request that come when its answer is known already */
    EARLY_MS = 1000,
};
#define SECOND_NS     1000000000LL
#define FAULT_SPAN_NS (10 * SECOND_NS)

/* Fields that have to wait; one block of memory, text behind the array. */
struct fields {
    size_t count;
    struct stream_field field[];
};

/* An answer that is known before its request is complete waits for the rest of the request, at most
 * EARLY_BYTES or EARLY_MS of it: some clients lose an answer that arrives while they are sending.
 * If it had to leave before the request's end, RST_STREAM(NO_ERROR) follows after another EARLY_MS.
 */
enum early { EARLY_NOT, EARLY_HELD, EARLY_SENT };

struct h2_stream {
    struct stream stream; /* first */
    TAILQ_ENTRY(h2_stream) link;
    TAILQ_ENTRY(h2_stream) ready_link;
    struct h2 *h2;
    void *user; /* NULL: forgotten */
    int32_t id;
    int64_t opened_ns;
    size_t header_bytes;
    size_t held; /* bytes not yet given back (I4) */
    bool head_done, head_too_big, remote_ended, ready, paused;
    /* the answer */
    bool begun, streaming, finished, wants_room;
    bool sent; /* its last frame */
    enum early early;
    int64_t early_ns; /* since when */
    size_t early_bytes;
    struct fields *head; /* owns; of an answer that is held */
    struct stream_queue queue;
    size_t queued;
    int64_t moved_ns;    /* when some of it last left, or it began to wait */
    struct fields *tail; /* owns; NULL: none */
};
TAILQ_HEAD(stream_list, h2_stream);

struct h2 {
    struct carrier carrier; /* first */
    struct h2_options options;
    nghttp2_session *session;
    struct stream_list streams; /* oldest first */
    struct stream_list ready;   /* complete, on_request is due */
    size_t stream_count;
    int64_t idle_since_ns;
    const uint8_t *rest; /* I2 */
    size_t rest_len;
    size_t answer_bytes, stream_bytes; /* I3 */
    uint64_t body_bytes_sent;
    bool held, settings_came, dismissed, broken;
    /* tokens against pings; window of faults */
    int64_t ping_tokens_ns; /* a second of it pays for one ping */
    int64_t ping_seen_ns;
    int64_t faults_since_ns;
    unsigned faults;
    uint64_t protocol_errors, pings, goaways; /* pings of the peer, goaways of ours */
    uint64_t stalled;
};

static const struct stream_ops stream_ops;
static const struct carrier_ops carrier_ops;

static struct h2_stream *h2_stream_of(struct stream *base)
{
    return (struct h2_stream *)base;
}

static int64_t now_ns(const struct h2 *h2)
{
    return h2->options.clock->mono_ns(h2->options.clock);
}

static bool congested(const struct h2 *h2)
{
    return h2->answer_bytes > h2->options.write_high_bytes;
}

/* --- streams --- */

static struct h2_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return id == 0 ? NULL : nghttp2_session_get_stream_user_data(session, id);
}

static void stream_new(struct h2 *h2, int32_t id)
{
    struct h2_stream *stream = calloc(1, sizeof(*stream));
    PL_ASSERT(stream != NULL);
    stream->stream.ops = &stream_ops;
    stream->h2 = h2;
    stream->id = id;
    stream->opened_ns = now_ns(h2);
    TAILQ_INSERT_TAIL(&h2->streams, stream, link);
    h2->stream_count++;
    (void)nghttp2_session_set_stream_user_data(h2->session, id, stream);
    stream->user = h2->options.events->on_open(h2->options.arg, &stream->stream);
}

static void count_queued(struct h2_stream *stream, size_t added, size_t removed)
{
    size_t *sum = stream->streaming ? &stream->h2->stream_bytes : &stream->h2->answer_bytes;
    stream->queued += added;
    stream->queued -= removed;
    *sum += added;
    *sum -= removed;
}

static void stream_drop_queue(struct h2_stream *stream)
{
    count_queued(stream, 0, stream->queued);
    stream_queue_drop(&stream->queue);
}

static void stream_free(struct h2_stream *stream)
{
    struct h2 *h2 = stream->h2;
    if (stream->user != NULL)
        h2->options.events->on_close(stream->user);
    stream_drop_queue(stream);
    if (stream->ready)
        TAILQ_REMOVE(&h2->ready, stream, ready_link);
    TAILQ_REMOVE(&h2->streams, stream, link);
    h2->stream_count--;
    if (h2->stream_count == 0)
        h2->idle_since_ns = now_ns(h2);
    free(stream->head);
    free(stream->tail);
    free(stream);
}

static void op_forget(struct stream *base)
{
    struct h2_stream *stream = h2_stream_of(base);
    stream->user = NULL;
}

/* --- protection --- */

void h2_dismiss(struct h2 *h2, uint32_t error_code, const char *debug)
{
    if (h2->dismissed)
        return;
    h2->dismissed = true;
    int32_t last = nghttp2_session_get_last_proc_stream_id(h2->session);
    (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE, last, error_code,
                                (const uint8_t *)debug, strlen(debug));
}

/* Something a healthy peer does rarely. */
static void count_fault(struct h2 *h2)
{
    int64_t now = now_ns(h2);
    if (now - h2->faults_since_ns > FAULT_SPAN_NS) {
        h2->faults_since_ns = now;
        h2->faults = 0;
    }
    h2->protocol_errors++;
    if (++h2->faults > FAULTS_MAX)
        h2_dismiss(h2, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_faults");
}

/* Stock clients ping after receiving data to measure bandwidth, and to keep a quiet connection
 * alive: both must pass. */
static void count_ping(struct h2 *h2)
{
    int64_t now = now_ns(h2);
    h2->pings++;
    h2->ping_tokens_ns += now - h2->ping_seen_ns;
    h2->ping_seen_ns = now;
    if (h2->ping_tokens_ns > PING_BURST * SECOND_NS)
        h2->ping_tokens_ns = PING_BURST * SECOND_NS;
    if (h2->ping_tokens_ns < SECOND_NS)
        h2_dismiss(h2, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
    else
        h2->ping_tokens_ns -= SECOND_NS;
}

/* --- receiving --- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h2 = arg;
    (void)session;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST && !h2->dismissed)
        stream_new(h2, frame->hd.stream_id);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    struct h2 *h2 = arg;
    (void)flags;
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream == NULL)
        return 0;
    /* nghttp2 announces our limit but does not enforce it; trailers count too */
    stream->header_bytes += name_len + value_len + 32;
    if (stream->header_bytes > h2->options.header_bytes)
        stream->head_too_big = true;
    if (!stream->head_done && !stream->head_too_big && stream->user != NULL)
        h2->options.events->on_header(stream->user, pl_slice(name, name_len),
                                      pl_slice(value, value_len));
    return 0;
}

static void release_early(struct h2_stream *stream);
static bool op_has_room(struct stream *base);
static void op_answer(struct stream *base, const struct stream_field *head, size_t head_count,
                      struct stream_chunk *body, const struct stream_field *tail,
                      size_t tail_count);

static void refuse_head(struct h2_stream *stream)
{
    if (stream->begun)
        return;
    const struct stream_field head = STREAM_FIELD(":status", "431");
    if (stream->user != NULL) {
        stream->h2->options.events->on_close(stream->user);
        stream->user = NULL;
    }
    op_answer(&stream->stream, &head, 1, NULL, NULL, 0);
}

static void request_ended(struct h2_stream *stream)
{
    struct h2 *h2 = stream->h2;
    stream->remote_ended = true;
    release_early(stream);
    if (stream->user == NULL || (stream->begun && !stream->streaming))
        return;
    stream->ready = true;
    TAILQ_INSERT_TAIL(&h2->ready, stream, ready_link);
}

static void head_ended(struct h2_stream *stream)
{
    if (stream->head_too_big)
        refuse_head(stream);
    else if (!stream->head_done && stream->user != NULL)
        stream->h2->options.events->on_head(stream->user);
    stream->head_done = true;
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h2 = arg;
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        h2->settings_came = true;
        return 0;
    case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
            count_ping(h2);
        return 0;
    case NGHTTP2_HEADERS:
        if (stream != NULL)
            head_ended(stream);
        break;
    case NGHTTP2_DATA:
        break;
    default:
        return 0;
    }
    if (stream != NULL && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        request_ended(stream);
    return 0;
}

/* Bytes of a request that has its answer: what is on its way may come, within limits. */
static int drop_body(struct h2 *h2, struct h2_stream *stream, int32_t stream_id, size_t len)
{
    if (stream != NULL)
        stream->early_bytes += len;
    if (stream == NULL || stream->early_bytes <= EARLY_BYTES)
        return nghttp2_session_consume(h2->session, stream_id, len);
    release_early(stream);
    return nghttp2_session_consume_connection(h2->session, len); /* its own window stays shut */
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                         const uint8_t *data, size_t len, void *arg)
{
    struct h2 *h2 = arg;
    (void)flags;
    struct h2_stream *stream = stream_of(session, stream_id);
    bool wanted = stream != NULL && stream->user != NULL && (!stream->begun || stream->streaming);
    int failed = 0;
    if (wanted && (congested(h2) || stream->paused)) {
        stream->held += len; /* I4 */
        h2->held = h2->held || !stream->paused;
    } else if (wanted) {
        failed = nghttp2_session_consume(session, stream_id, len);
    } else {
        failed = drop_body(h2, stream, stream_id, len);
    }
    if (failed != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (wanted)
        h2->options.events->on_body(stream->user, pl_slice(data, len));
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code,
                           void *arg)
{
    (void)error_code;
    (void)arg;
    struct h2_stream *stream = stream_of(session, stream_id);
    if (stream == NULL)
        return 0;
    if (stream->held > 0 && nghttp2_session_consume_connection(session, stream->held) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    stream_free(stream);
    return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                            void *arg)
{
    (void)session;
    (void)frame;
    (void)error;
    count_fault(arg);
    return 0;
}

struct pl_status h2_recv(struct h2 *h2, struct pl_slice bytes)
{
    ssize_t taken = nghttp2_session_mem_recv(h2->session, bytes.data, bytes.len);
    if (taken >= 0)
        return pl_ok();
    h2->protocol_errors++;
    h2->broken = true;
    return pl_fail(INVALID, "read HTTP/2 frames");
}

static void release_held(struct h2 *h2)
{
    struct h2_stream *stream;
    h2->held = false;
    TAILQ_FOREACH(stream, &h2->streams, link)
    {
        if (stream->paused)
            continue;
        if (stream->held > 0 && nghttp2_session_consume(h2->session, stream->id, stream->held) != 0)
            h2->broken = true;
        stream->held = 0;
    }
}

void h2_run(struct h2 *h2)
{
    while (!h2->dismissed && !congested(h2) && !TAILQ_EMPTY(&h2->ready)) {
        struct h2_stream *stream = TAILQ_FIRST(&h2->ready);
        TAILQ_REMOVE(&h2->ready, stream, ready_link);
        stream->ready = false;
        if (stream->user != NULL && (!stream->begun || stream->streaming))
            h2->options.events->on_request(stream->user);
    }
    if (h2->held && !congested(h2))
        release_held(h2);
}

/* --- sending --- */

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h2 = arg;
    switch (frame->hd.type) {
    case NGHTTP2_RST_STREAM:
        if (frame->rst_stream.error_code != NGHTTP2_NO_ERROR)
            count_fault(h2);
        return 0;
    case NGHTTP2_GOAWAY:
        h2->goaways++;
        return 0;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        break;
    default:
        return 0;
    }
    h2->ping_tokens_ns = PING_BURST * SECOND_NS;
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream != NULL && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        stream->sent = true;
    return 0;
}

static size_t copy_queued(struct h2_stream *stream, uint8_t *out, size_t room)
{
    size_t copied = stream_queue_take(&stream->queue, out, room);
    count_queued(stream, 0, copied);
    stream->moved_ns = now_ns(stream->h2);
    stream->h2->body_bytes_sent += copied;
    return copied;
}

static nghttp2_nv to_nv(const struct stream_field *field)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)field->name.data,
                        (uint8_t *)(uintptr_t)field->value.data, field->name.len, field->value.len,
                        NGHTTP2_NV_FLAG_NONE};
}

static void offer_room(struct h2_stream *stream)
{
    if (!stream->wants_room || stream->user == NULL || stream->queued > QUEUE_BYTES / 2 ||
        !op_has_room(&stream->stream))
        return;
    stream->wants_room = false;
    stream->h2->options.events->on_room(stream->user);
}

static ssize_t on_read_data(nghttp2_session *session, int32_t stream_id, uint8_t *out, size_t room,
                            uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct h2_stream *stream = source->ptr;
    (void)arg;
    size_t copied = copy_queued(stream, out, room);
    offer_room(stream);
    if (stream->queue.first != NULL)
        return (ssize_t)copied;
    if (!stream->finished)
        return copied > 0 ? (ssize_t)copied : NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->tail != NULL) {
        nghttp2_nv tail[FIELDS_MAX];
        for (size_t i = 0; i < stream->tail->count; i++)
            tail[i] = to_nv(&stream->tail->field[i]);
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (nghttp2_submit_trailer(session, stream_id, tail, stream->tail->count) != 0)
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return (ssize_t)copied;
}

size_t h2_fill(struct h2 *h2, uint8_t *out, size_t room)
{
    size_t filled = 0;
    while (filled < room) {
        if (h2->rest_len == 0) {
            ssize_t len = nghttp2_session_mem_send(h2->session, &h2->rest);
            if (len < 0)
                h2->broken = true;
            if (len <= 0)
                break;
            h2->rest_len = (size_t)len;
        }
        size_t len = h2->rest_len < room - filled ? h2->rest_len : room - filled;
        memcpy(out + filled, h2->rest, len);
        h2->rest += len;
        h2->rest_len -= len;
        filled += len;
    }
    return filled;
}

/* --- answers --- */

static void append(struct h2_stream *stream, struct stream_chunk *body)
{
    if (stream->queued == 0)
        stream->moved_ns = now_ns(stream->h2);
    count_queued(stream, body->len, 0);
    stream_queue_push(&stream->queue, body);
}

static void tell_output(const struct h2 *h2)
{
    h2->options.on_output(h2->options.output_arg);
}

static struct pl_slice keep(struct pl_slice text, char **at)
{
    struct pl_slice kept = pl_slice(*at, text.len);
    if (text.len > 0)
        memcpy(*at, text.data, text.len);
    *at += text.len;
    return kept;
}

static struct fields *keep_fields(const struct stream_field *field, size_t count)
{
    size_t bytes = 0;
    if (count == 0)
        return NULL;
    PL_ASSERT(count <= FIELDS_MAX);
    for (size_t i = 0; i < count; i++)
        bytes += field[i].name.len + field[i].value.len;
    struct fields *kept = malloc(sizeof(*kept) + count * sizeof(*field) + bytes);
    PL_ASSERT(kept != NULL);
    char *at = (char *)&kept->field[count];
    for (size_t i = 0; i < count; i++) {
        kept->field[i].name = keep(field[i].name, &at);
        kept->field[i].value = keep(field[i].value, &at);
    }
    kept->count = count;
    return kept;
}

static void submit(struct h2_stream *stream, const struct stream_field *head, size_t head_count,
                   bool has_body)
{
    nghttp2_nv fields[FIELDS_MAX];
    nghttp2_data_provider body = {.source = {.ptr = stream}, .read_callback = on_read_data};
    PL_ASSERT(head_count <= FIELDS_MAX);
    for (size_t i = 0; i < head_count; i++)
        fields[i] = to_nv(&head[i]);
    if (nghttp2_submit_response(stream->h2->session, stream->id, fields, head_count,
                                has_body ? &body : NULL) != 0)
        stream->h2->broken = true;
    tell_output(stream->h2);
}

static void release_early(struct h2_stream *stream)
{
    if (stream->early != EARLY_HELD)
        return;
    stream->early = stream->remote_ended ? EARLY_NOT : EARLY_SENT;
    stream->early_ns = now_ns(stream->h2);
    submit(stream, stream->head->field, stream->head->count,
           stream->queue.first != NULL || stream->tail != NULL);
}

static void op_answer(struct stream *base, const struct stream_field *head, size_t head_count,
                      struct stream_chunk *body, const struct stream_field *tail, size_t tail_count)
{
    struct h2_stream *stream = h2_stream_of(base);
    PL_ASSERT(!stream->begun);
    if (body != NULL)
        append(stream, body);
    stream->tail = keep_fields(tail, tail_count);
    stream->begun = true;
    stream->finished = true;
    if (stream->remote_ended) {
        submit(stream, head, head_count, body != NULL || tail_count > 0);
        return;
    }
    stream->head = keep_fields(head, head_count);
    stream->early = EARLY_HELD;
    stream->early_ns = now_ns(stream->h2);
}

static void op_begin(struct stream *base, const struct stream_field *head, size_t head_count)
{
    struct h2_stream *stream = h2_stream_of(base);
    PL_ASSERT(!stream->begun);
    stream->streaming = true;
    stream->begun = true;
    submit(stream, head, head_count, true);
}

static void op_push(struct stream *base, struct stream_chunk *body)
{
    struct h2_stream *stream = h2_stream_of(base);
    PL_ASSERT(stream->begun && !stream->finished);
    append(stream, body);
    (void)nghttp2_session_resume_data(stream->h2->session, stream->id);
    tell_output(stream->h2);
}

static void op_end(struct stream *base, const struct stream_field *tail, size_t tail_count)
{
    struct h2_stream *stream = h2_stream_of(base);
    PL_ASSERT(stream->begun && !stream->finished);
    stream->tail = keep_fields(tail, tail_count);
    stream->finished = true;
    if (!stream->remote_ended) { /* a reset tells the peer to stop, once this has left */
        stream->early = EARLY_SENT;
        stream->early_ns = now_ns(stream->h2);
    }
    (void)nghttp2_session_resume_data(stream->h2->session, stream->id);
    tell_output(stream->h2);
}

static bool op_begun(const struct stream *base)
{
    return ((const struct h2_stream *)base)->begun;
}

static bool op_has_room(struct stream *base)
{
    struct h2_stream *stream = h2_stream_of(base);
    bool room = stream->queued == 0 ||
                (stream->queued < QUEUE_BYTES && stream->h2->stream_bytes < CONNECTION_QUEUE_BYTES);
    stream->wants_room = !room;
    return room;
}

static void op_pause(struct stream *base, bool paused)
{
    struct h2_stream *stream = h2_stream_of(base);
    struct h2 *h2 = stream->h2;
    stream->paused = paused;
    if (paused || stream->held == 0)
        return;
    if (congested(h2)) {
        h2->held = true;
        return;
    }
    if (nghttp2_session_consume(h2->session, stream->id, stream->held) != 0)
        h2->broken = true;
    stream->held = 0;
    tell_output(h2);
}

static const struct stream_ops stream_ops = {
    .answer = op_answer,
    .begin = op_begin,
    .push = op_push,
    .end = op_end,
    .begun = op_begun,
    .has_room = op_has_room,
    .forget = op_forget,
    .pause = op_pause,
};

/* --- the session --- */

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *callbacks = NULL;
    int failed = nghttp2_session_callbacks_new(&callbacks);
    PL_ASSERT(failed == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    return callbacks;
}

static nghttp2_option *make_option(void)
{
    nghttp2_option *option = NULL;
    int failed = nghttp2_option_new(&option);
    PL_ASSERT(failed == 0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, OUTBOUND_ACK_MAX);
    nghttp2_option_set_max_settings(option, SETTINGS_MAX);
    nghttp2_option_set_max_continuations(option, CONTINUATIONS_MAX);
    nghttp2_option_set_stream_reset_rate_limit(option, RESET_BURST, RESET_RATE);
    return option;
}

static struct pl_status introduce(struct h2 *h2)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)h2->options.streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)h2->options.header_bytes},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    if (nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, PL_COUNT(settings)) !=
            0 ||
        nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                              CONNECTION_WINDOW_BYTES) != 0)
        return pl_fail(UNAVAILABLE, "open an HTTP/2 session");
    return pl_ok();
}

struct pl_status h2_new(const struct h2_options *options, struct h2 **ret)
{
    struct h2 *h2 = calloc(1, sizeof(*h2));
    PL_ASSERT(h2 != NULL);
    h2->carrier.ops = &carrier_ops;
    h2->options = *options;
    TAILQ_INIT(&h2->streams);
    TAILQ_INIT(&h2->ready);
    h2->idle_since_ns = h2->ping_seen_ns = h2->faults_since_ns = now_ns(h2);
    h2->ping_tokens_ns = PING_BURST * SECOND_NS;
    nghttp2_session_callbacks *callbacks = make_callbacks();
    nghttp2_option *option = make_option();
    int failed = nghttp2_session_server_new2(&h2->session, callbacks, h2, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    PL_ASSERT(failed == 0);
    struct pl_status status = introduce(h2);
    if (!pl_is_ok(status)) {
        h2_free(h2);
        return status;
    }
    *ret = h2;
    return pl_ok();
}

void h2_close_streams(struct h2 *h2)
{
    while (!TAILQ_EMPTY(&h2->streams)) {
        struct h2_stream *stream = TAILQ_FIRST(&h2->streams);
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): stream_free takes it out of the list */
        (void)nghttp2_session_set_stream_user_data(h2->session, stream->id, NULL);
        stream_free(stream);
    }
    h2->broken = true; /* no frame may read from a stream that is gone */
}

void h2_free(struct h2 *h2)
{
    if (h2 == NULL)
        return;
    PL_ASSERT(TAILQ_EMPTY(&h2->streams));
    nghttp2_session_del(h2->session);
    free(h2);
}

bool h2_over(const struct h2 *h2)
{
    if (h2->broken)
        return true;
    if (!h2->dismissed && nghttp2_session_want_read(h2->session))
        return false;
    return !h2_wants_write(h2);
}

bool h2_wants_write(const struct h2 *h2)
{
    return h2->rest_len > 0 || nghttp2_session_want_write(h2->session);
}

bool h2_ready(const struct h2 *h2)
{
    return h2->settings_came;
}

size_t h2_unsent_bytes(const struct h2 *h2)
{
    return h2->answer_bytes + h2->stream_bytes +
           FRAME_BYTES * nghttp2_session_get_outbound_queue_size(h2->session);
}

uint64_t h2_body_bytes_sent(const struct h2 *h2)
{
    return h2->body_bytes_sent;
}

size_t h2_stream_count(const struct h2 *h2)
{
    return h2->stream_count;
}

void h2_end_early(struct h2 *h2)
{
    int64_t before = now_ns(h2) - EARLY_MS * 1000000LL;
    struct h2_stream *stream;
    TAILQ_FOREACH(stream, &h2->streams, link)
    {
        if (stream->early == EARLY_NOT || stream->early_ns > before || stream->remote_ended)
            continue;
        if (stream->early == EARLY_HELD) {
            release_early(stream);
        } else if (stream->sent) { /* a reset would drop what is still queued */
            stream->early = EARLY_NOT;
            (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, stream->id,
                                            NGHTTP2_NO_ERROR);
        }
    }
}

void h2_look_for_late(struct h2 *h2, int64_t began_ns)
{
    struct h2_stream *stream;
    TAILQ_FOREACH(stream, &h2->streams, link)
    {
        if (stream->opened_ns >= began_ns)
            return; /* oldest first */
        if (!stream->remote_ended && stream->user != NULL && !stream->begun)
            h2->options.events->on_late(stream->user);
        release_early(stream); /* it has waited enough */
    }
}

/* No trailers reach a peer whose window is shut; a reset does. */
void h2_end_stuck(struct h2 *h2, int64_t stuck_ns)
{
    struct h2_stream *stream;
    TAILQ_FOREACH(stream, &h2->streams, link)
    {
        if (!stream->streaming || stream->queued == 0 || stream->moved_ns >= stuck_ns)
            continue;
        h2->stalled++;
        if (stream->user != NULL)
            h2->options.events->on_close(stream->user);
        stream->user = NULL;
        stream_drop_queue(stream);
        (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, stream->id,
                                        NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

void h2_announce(struct h2 *h2)
{
    struct h2_stream *stream;
    TAILQ_FOREACH(stream, &h2->streams, link)
    {
        if (stream->user != NULL && h2->options.events->on_drain != NULL)
            h2->options.events->on_drain(stream->user);
    }
}

void h2_cut(struct h2 *h2, enum pl_code code)
{
    struct h2_stream *stream;
    TAILQ_FOREACH(stream, &h2->streams, link)
    {
        if (stream->user != NULL && h2->options.events->on_cut != NULL)
            h2->options.events->on_cut(stream->user, code);
        release_early(stream);
    }
}

void h2_drain_notice(struct h2 *h2)
{
    (void)nghttp2_submit_shutdown_notice(h2->session);
}

void h2_drain(struct h2 *h2, const char *why)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(h2->session);
    (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR,
                                (const uint8_t *)why, strlen(why));
}

uint64_t h2_protocol_errors(const struct h2 *h2)
{
    return h2->protocol_errors;
}

/* --- as a carrier --- */

static struct h2 *h2_of(struct carrier *carrier)
{
    return (struct h2 *)carrier;
}

static struct pl_status carrier_op_recv(struct carrier *carrier, struct pl_slice bytes)
{
    return h2_recv(h2_of(carrier), bytes);
}

static size_t carrier_op_fill(struct carrier *carrier, uint8_t *out, size_t room)
{
    return h2_fill(h2_of(carrier), out, room);
}

static void carrier_op_run(struct carrier *carrier)
{
    h2_run(h2_of(carrier));
}

static void carrier_op_look(const struct carrier *carrier, struct carrier_state *ret)
{
    const struct h2 *h2 = (const struct h2 *)carrier;
    *ret = (struct carrier_state){
        .ready = h2_ready(h2),
        .over = h2_over(h2),
        .wants_write = h2_wants_write(h2),
        .streams = h2_stream_count(h2),
        .idle_since_ns = h2->idle_since_ns,
        .unsent_bytes = h2_unsent_bytes(h2),
        .body_bytes_sent = h2_body_bytes_sent(h2),
        .protocol_errors = h2_protocol_errors(h2),
        .pings = h2->pings,
        .goaways = h2->goaways,
        .stalled = h2->stalled,
    };
}

static void carrier_op_on_time(struct carrier *carrier, int64_t late_ns, int64_t stuck_ns)
{
    h2_look_for_late(h2_of(carrier), late_ns);
    h2_end_stuck(h2_of(carrier), stuck_ns);
    h2_end_early(h2_of(carrier));
}

static void carrier_op_ask(struct carrier *carrier)
{
    (void)nghttp2_submit_ping(h2_of(carrier)->session, NGHTTP2_FLAG_NONE, NULL);
}

static void carrier_op_announce(struct carrier *carrier)
{
    h2_announce(h2_of(carrier));
}

static void carrier_op_cut(struct carrier *carrier, enum pl_code code)
{
    h2_cut(h2_of(carrier), code);
}

static void carrier_op_drain_notice(struct carrier *carrier)
{
    h2_drain_notice(h2_of(carrier));
}

static void carrier_op_drain(struct carrier *carrier, const char *why)
{
    h2_drain(h2_of(carrier), why);
}

static void carrier_op_dismiss(struct carrier *carrier, uint32_t code, const char *why)
{
    h2_dismiss(h2_of(carrier), code, why);
}

static void carrier_op_close_streams(struct carrier *carrier)
{
    h2_close_streams(h2_of(carrier));
}

static void carrier_op_free(struct carrier *carrier)
{
    h2_free(h2_of(carrier));
}

static const struct carrier_ops carrier_ops = {
    .recv = carrier_op_recv,
    .fill = carrier_op_fill,
    .run = carrier_op_run,
    .look = carrier_op_look,
    .on_time = carrier_op_on_time,
    .ask = carrier_op_ask,
    .announce = carrier_op_announce,
    .cut = carrier_op_cut,
    .drain_notice = carrier_op_drain_notice,
    .drain = carrier_op_drain,
    .dismiss = carrier_op_dismiss,
    .close_streams = carrier_op_close_streams,
    .free = carrier_op_free,
};

struct carrier *h2_carrier(struct h2 *h2)
{
    return &h2->carrier;
}
