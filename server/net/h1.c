/* SPDX-License-Identifier: Apache-2.0
 *
 * h1: see h1.h.
 *
 * An exchange is a request and its answer: `active` from the end of a good head until the answer's
 * last byte was handed out by fill. A refused head is an exchange without a user.
 *
 * I1: `queued` is what the chunks of `queue` still hold.
 * I2: an exchange whose request did not become complete is the `last` one: nobody can say where
 *     the next request would begin.
 */
#include "server/net/h1.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/check.h"
#include "server/net/h1_head.h"

enum {
    QUEUE_BYTES = 256 * 1024, /* of a stream of messages */
    REQUESTS_MAX = 10000,     /* a connection: then it is time to spread anew */
    EARLY_BYTES = 64 * 1024,  /* of a request that come when its answer is known already */
    EARLY_MS = 1000,
};
#define MS_NS 1000000LL

enum h1_phase { H1_HEAD, H1_BODY, H1_COMPLETE };

struct h1 {
    struct carrier carrier; /* first */
    struct stream stream;
    struct h1_options options;
    bool began;           /* the peer sent something */
    bool last;            /* no exchange after this one */
    bool broken, closing; /* over at once; over when no exchange is active */
    unsigned requests;
    int64_t idle_since_ns;
    uint64_t body_bytes_sent, protocol_errors;
    /* the request */
    enum h1_phase phase;
    struct h1_scan scan;
    struct pl_buf head;
    int64_t began_ns; /* its first byte */
    uint64_t body_left;
    bool head_only; /* HEAD */
    bool continue_due;
    bool ready; /* complete, on_request is due */
    /* the exchange */
    bool active;
    void *user; /* NULL: forgotten */
    /* the answer */
    bool begun, streaming, finished, wants_room;
    bool held; /* waits for the rest of the request; its head still lacks its end */
    int64_t held_ns;
    size_t held_bytes;
    struct pl_buf answer_head;
    struct stream_chunk *held_body; /* owns */
    struct stream_queue queue;
    size_t queued;
};

static struct h1 *h1_of(struct carrier *carrier)
{
    return (struct h1 *)carrier;
}

static struct h1 *h1_of_stream(const struct stream *stream)
{
    return (struct h1 *)(uintptr_t)((const char *)stream - offsetof(struct h1, stream));
}

static int64_t now_ns(const struct h1 *h1)
{
    return h1->options.clock->mono_ns(h1->options.clock);
}

/* --- output --- */

static void append(struct h1 *h1, struct stream_chunk *chunk)
{
    h1->queued += chunk->len;
    stream_queue_push(&h1->queue, chunk);
}

static void append_bytes(struct h1 *h1, struct pl_slice bytes)
{
    struct stream_chunk *chunk = stream_chunk_new(bytes.len);
    memcpy(chunk->data, bytes.data, bytes.len);
    append(h1, chunk);
}

static void tell_output(const struct h1 *h1)
{
    h1->options.on_output(h1->options.output_arg);
}

static void drop_queue(struct h1 *h1)
{
    stream_queue_drop(&h1->queue);
    h1->queued = 0;
    stream_chunk_free(h1->held_body);
    h1->held_body = NULL;
}

static const char *phrase(struct pl_slice status)
{
    static const char *const phrases[][2] = {
        {"200", "OK"},
        {"204", "No Content"},
        {"304", "Not Modified"},
        {"400", "Bad Request"},
        {"401", "Unauthorized"},
        {"403", "Forbidden"},
        {"404", "Not Found"},
        {"405", "Method Not Allowed"},
        {"408", "Request Timeout"},
        {"409", "Conflict"},
        {"411", "Length Required"},
        {"413", "Content Too Large"},
        {"415", "Unsupported Media Type"},
        {"417", "Expectation Failed"},
        {"429", "Too Many Requests"},
        {"431", "Request Header Fields Too Large"},
        {"500", "Internal Server Error"},
        {"501", "Not Implemented"},
        {"503", "Service Unavailable"},
        {"504", "Gateway Timeout"},
        {"505", "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < PL_COUNT(phrases); i++) {
        if (pl_slice_eq_str(status, phrases[i][0]))
            return phrases[i][1];
    }
    return "";
}

static void put(struct pl_buf *buf, struct pl_slice text)
{
    struct pl_status status = pl_buf_append(buf, text.data, text.len);
    PL_ASSERT(pl_is_ok(status)); /* no ceiling */
}

static void put_line(struct pl_buf *buf, struct pl_slice name, struct pl_slice value)
{
    put(buf, name);
    put(buf, pl_slice_str(": "));
    put(buf, value);
    put(buf, pl_slice_str("\r\n"));
}

/* A line feed in a value would begin a line that nobody wrote. */
static bool is_clean(struct pl_slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < 0x20 || value.data[i] == 0x7f)
            return false;
    }
    return true;
}

enum framing { FRAMED_BY_LENGTH, FRAMED_BY_CHUNKS };

/* Writes the head but for its end. Of the length that the user gives only the one of an answer to
 * HEAD counts: it is the length of a body that does not follow. */
static void write_head(struct h1 *h1, const struct stream_field *head, size_t count,
                       enum framing framing, size_t body_len)
{
    struct pl_buf *buf = &h1->answer_head;
    struct pl_slice code = pl_slice_str("500"), length = {NULL, 0};
    char number[24];
    (void)snprintf(number, sizeof(number), "%zu", body_len);
    for (size_t i = 0; i < count; i++) {
        if (pl_slice_eq_str(head[i].name, ":status"))
            code = head[i].value;
        else if (pl_slice_eq_str(head[i].name, "content-length") && h1->head_only)
            length = head[i].value;
    }
    if (length.data == NULL)
        length = pl_slice_str(number);
    pl_buf_clear(buf);
    put(buf, pl_slice_str("HTTP/1.1 "));
    put(buf, code);
    put(buf, pl_slice_str(" "));
    put(buf, pl_slice_str(phrase(code)));
    put(buf, pl_slice_str("\r\n"));
    for (size_t i = 0; i < count; i++) {
        if (head[i].name.data[0] != ':' && is_clean(head[i].value) &&
            !pl_slice_eq_str(head[i].name, "content-length"))
            put_line(buf, head[i].name, head[i].value);
    }
    if (framing == FRAMED_BY_CHUNKS)
        put_line(buf, pl_slice_str("transfer-encoding"), pl_slice_str("chunked"));
    else if (!pl_slice_eq_str(code, "304") && !pl_slice_eq_str(code, "204"))
        put_line(buf, pl_slice_str("content-length"), length);
}

static void send_head(struct h1 *h1)
{
    if (h1->phase != H1_COMPLETE)
        h1->last = true; /* I2 */
    if (h1->last)
        put_line(&h1->answer_head, pl_slice_str("connection"), pl_slice_str("close"));
    put(&h1->answer_head, pl_slice_str("\r\n"));
    append_bytes(h1, pl_buf_slice(&h1->answer_head));
    pl_buf_clear(&h1->answer_head);
    tell_output(h1);
}

static void release(struct h1 *h1)
{
    if (!h1->held)
        return;
    h1->held = false;
    send_head(h1);
    if (h1->held_body != NULL)
        append(h1, PL_TAKE(h1->held_body));
}

/* --- answers --- */

static bool has_no_body(const struct h1 *h1, const struct stream_field *head, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (pl_slice_eq_str(head[i].name, ":status") &&
            (pl_slice_eq_str(head[i].value, "304") || pl_slice_eq_str(head[i].value, "204")))
            return true;
    }
    return h1->head_only;
}

/* A tail is gRPC's alone, and gRPC was refused with the head. */
static void op_answer(struct stream *base, const struct stream_field *head, size_t head_count,
                      struct stream_chunk *body, const struct stream_field *tail, size_t tail_count)
{
    struct h1 *h1 = h1_of_stream(base);
    (void)tail;
    (void)tail_count;
    PL_ASSERT(h1->active && !h1->begun);
    write_head(h1, head, head_count, FRAMED_BY_LENGTH, body == NULL ? 0 : body->len);
    if (body != NULL && has_no_body(h1, head, head_count)) {
        stream_chunk_free(body);
        body = NULL;
    }
    h1->begun = h1->finished = h1->held = true;
    h1->held_body = body;
    h1->held_ns = now_ns(h1);
    /* who waits for "100 Continue" gets the answer instead, and sends nothing */
    if (h1->phase == H1_COMPLETE || h1->continue_due)
        release(h1);
}

static void op_begin(struct stream *base, const struct stream_field *head, size_t head_count)
{
    struct h1 *h1 = h1_of_stream(base);
    PL_ASSERT(h1->active && !h1->begun);
    h1->begun = h1->streaming = true;
    write_head(h1, head, head_count, FRAMED_BY_CHUNKS, 0);
    send_head(h1);
}

static void op_push(struct stream *base, struct stream_chunk *body)
{
    struct h1 *h1 = h1_of_stream(base);
    char line[24];
    PL_ASSERT(h1->begun && !h1->finished);
    if (body->len == 0) { /* an empty chunk would be the end */
        stream_chunk_free(body);
        return;
    }
    (void)snprintf(line, sizeof(line), "%zx\r\n", body->len);
    append_bytes(h1, pl_slice_str(line));
    append(h1, body);
    append_bytes(h1, pl_slice_str("\r\n"));
    tell_output(h1);
}

static void op_end(struct stream *base, const struct stream_field *tail, size_t tail_count)
{
    struct h1 *h1 = h1_of_stream(base);
    (void)tail;
    (void)tail_count;
    PL_ASSERT(h1->begun && !h1->finished);
    h1->finished = true;
    append_bytes(h1, pl_slice_str("0\r\n\r\n"));
    tell_output(h1);
}

static bool op_begun(const struct stream *base)
{
    return h1_of_stream(base)->begun;
}

static bool op_has_room(struct stream *base)
{
    struct h1 *h1 = h1_of_stream(base);
    bool room = h1->queued < QUEUE_BYTES;
    h1->wants_room = !room;
    return room;
}

static void op_forget(struct stream *base)
{
    h1_of_stream(base)->user = NULL;
}

static const struct stream_ops stream_ops = {
    .answer = op_answer,
    .begin = op_begin,
    .push = op_push,
    .end = op_end,
    .begun = op_begun,
    .has_room = op_has_room,
    .forget = op_forget,
};

/* --- requests --- */

static void exchange_begin(struct h1 *h1)
{
    h1->active = true;
    h1->begun = h1->streaming = h1->finished = h1->wants_room = false;
    h1->held = h1->ready = h1->continue_due = h1->head_only = false;
    h1->held_bytes = 0;
    h1->body_left = 0;
    if (++h1->requests >= REQUESTS_MAX)
        h1->last = true;
}

static void exchange_end(struct h1 *h1)
{
    if (h1->user != NULL)
        h1->options.events->on_close(h1->user);
    h1->user = NULL;
    h1->active = false;
    h1->closing = h1->closing || h1->last;
    h1->phase = H1_HEAD;
    h1->scan = (struct h1_scan){0};
    pl_buf_clear(&h1->head);
    h1->idle_since_ns = now_ns(h1);
}

/* Answers for the user, who never sees this request. */
static void refuse(struct h1 *h1, const struct h1_fault *fault)
{
    struct stream_chunk *body = stream_chunk_new(strlen(fault->text) + 1);
    const struct stream_field head[] = {
        STREAM_FIELD(":status", fault->status),
        STREAM_FIELD("content-type", "text/plain; charset=utf-8"),
        STREAM_FIELD("x-content-type-options", "nosniff"),
        STREAM_FIELD("allow", fault->allow == NULL ? "" : fault->allow),
    };
    size_t count = fault->allow == NULL ? PL_COUNT(head) - 1 : PL_COUNT(head);
    memcpy(body->data, fault->text, body->len - 1);
    body->data[body->len - 1] = '\n';
    exchange_begin(h1);
    h1->protocol_errors++;
    h1->last = true;
    h1->phase = H1_COMPLETE;
    op_answer(&h1->stream, head, count, body, NULL, 0);
}

static void request_ended(struct h1 *h1)
{
    h1->phase = H1_COMPLETE;
    h1->continue_due = false;
    release(h1);
    h1->ready = h1->user != NULL && (!h1->begun || h1->streaming);
}

static void deliver(struct h1 *h1, const struct h1_head *head)
{
    const struct stream_events *events = h1->options.events;
    exchange_begin(h1);
    h1->head_only = pl_slice_eq_str(head->method, "HEAD");
    h1->last = h1->last || head->last;
    h1->body_left = head->length;
    h1->phase = H1_BODY;
    h1->continue_due = head->expect_continue && head->length > 0;
    h1->user = events->on_open(h1->options.arg, &h1->stream);
    const struct stream_field pseudo[] = {
        {pl_slice_str(":method"), head->method},
        {pl_slice_str(":path"), head->target},
        {pl_slice_str(":authority"), head->authority},
    };
    for (size_t i = 0; i < PL_COUNT(pseudo); i++)
        events->on_header(h1->user, pseudo[i].name, pseudo[i].value);
    for (size_t i = 0; i < head->field_count; i++)
        events->on_header(h1->user, head->field[i].name, head->field[i].value);
    events->on_head(h1->user);
    pl_buf_clear(&h1->head);
    if (h1->body_left == 0)
        request_ended(h1);
}

static void head_ended(struct h1 *h1)
{
    struct h1_head head;
    struct pl_slice bytes = pl_buf_slice(&h1->head);
    struct h1_fault fault =
        h1_parse((uint8_t *)(uintptr_t)bytes.data, bytes.len, h1->options.secure, &head);
    if (fault.status != NULL)
        refuse(h1, &fault);
    else
        deliver(h1, &head);
}

/* Returns how many bytes were taken. */
static size_t take_head(struct h1 *h1, struct pl_slice bytes)
{
    static const struct h1_fault bad = {"400", "the request is malformed", NULL};
    static const struct h1_fault big = {"431", "the head of the request is too big", NULL};
    enum h1_scanned scanned = H1_MORE;
    size_t taken = 0;
    if (pl_buf_len(&h1->head) == 0)
        h1->began_ns = now_ns(h1);
    while (taken < bytes.len && scanned == H1_MORE)
        scanned = h1_scan(&h1->scan, bytes.data[taken++]);
    if (scanned == H1_SKIP)
        return taken; /* comes before everything that is kept */
    if (scanned == H1_BAD)
        refuse(h1, &bad);
    else if (!pl_is_ok(pl_buf_append(&h1->head, bytes.data, taken)))
        refuse(h1, &big);
    else if (scanned == H1_END)
        head_ended(h1);
    return taken;
}

static size_t take_body(struct h1 *h1, struct pl_slice bytes)
{
    size_t len = bytes.len < h1->body_left ? bytes.len : (size_t)h1->body_left;
    h1->body_left -= len;
    h1->continue_due = false;
    if (h1->user != NULL && (!h1->begun || h1->streaming)) {
        h1->options.events->on_body(h1->user, pl_slice(bytes.data, len));
    } else {
        h1->held_bytes += len;
        if (h1->held_bytes > EARLY_BYTES)
            release(h1);
    }
    if (h1->body_left == 0)
        request_ended(h1);
    return len;
}

static void say_continue(struct h1 *h1)
{
    h1->continue_due = false;
    append_bytes(h1, pl_slice_str("HTTP/1.1 100 Continue\r\n\r\n"));
    tell_output(h1);
}

static struct pl_status op_recv(struct carrier *carrier, struct pl_slice bytes)
{
    struct h1 *h1 = h1_of(carrier);
    h1->began = h1->began || bytes.len > 0;
    while (bytes.len > 0 && !h1->broken && !h1->closing) {
        size_t taken = bytes.len;
        if (h1->phase == H1_HEAD)
            taken = take_head(h1, bytes);
        else if (h1->phase == H1_BODY)
            taken = take_body(h1, bytes);
        else
            h1->last = true; /* nobody asks before the answer is there */
        bytes = pl_slice(bytes.data + taken, bytes.len - taken);
    }
    if (h1->phase == H1_BODY && h1->continue_due && !h1->begun)
        say_continue(h1);
    return pl_ok();
}

static void op_run(struct carrier *carrier)
{
    struct h1 *h1 = h1_of(carrier);
    if (!h1->ready || h1->broken)
        return;
    h1->ready = false;
    if (h1->user != NULL && (!h1->begun || h1->streaming))
        h1->options.events->on_request(h1->user);
}

/* --- sending --- */

static size_t copy_queued(struct h1 *h1, uint8_t *out, size_t room)
{
    size_t copied = stream_queue_take(&h1->queue, out, room);
    h1->queued -= copied;
    h1->body_bytes_sent += copied;
    return copied;
}

static size_t op_fill(struct carrier *carrier, uint8_t *out, size_t room)
{
    struct h1 *h1 = h1_of(carrier);
    size_t copied = h1->broken ? 0 : copy_queued(h1, out, room);
    if (h1->wants_room && h1->user != NULL && h1->queued <= QUEUE_BYTES / 2) {
        h1->wants_room = false;
        h1->options.events->on_room(h1->user);
    }
    if (h1->active && h1->finished && !h1->held && h1->queue.first == NULL)
        exchange_end(h1);
    return copied;
}

/* --- the connection --- */

static void op_look(const struct carrier *carrier, struct carrier_state *ret)
{
    const struct h1 *h1 = (const struct h1 *)carrier;
    *ret = (struct carrier_state){
        .ready = h1->began,
        .over = h1->broken || (h1->closing && !h1->active),
        .wants_write = h1->queue.first != NULL,
        .streams = h1->active || pl_buf_len(&h1->head) > 0 ? 1 : 0,
        .idle_since_ns = h1->idle_since_ns,
        .unsent_bytes = h1->queued,
        .body_bytes_sent = h1->body_bytes_sent,
        .protocol_errors = h1->protocol_errors,
    };
}

/* A stream that is stuck is a connection that is: conn ends it. */
static void op_on_time(struct carrier *carrier, int64_t late_ns, int64_t stuck_ns)
{
    static const struct h1_fault late = {"408", "the request did not become complete in time",
                                         NULL};
    struct h1 *h1 = h1_of(carrier);
    (void)stuck_ns;
    if (h1->phase == H1_HEAD && pl_buf_len(&h1->head) > 0 && h1->began_ns < late_ns)
        refuse(h1, &late);
    if (h1->phase == H1_BODY && h1->began_ns < late_ns) {
        if (h1->user != NULL && !h1->begun)
            h1->options.events->on_late(h1->user);
        release(h1);
    }
    if (h1->held && now_ns(h1) - h1->held_ns >= EARLY_MS * MS_NS)
        release(h1);
}

static void op_ask(struct carrier *carrier)
{
    (void)carrier; /* HTTP/1.1 has no such question; the kernel asks */
}

static void op_announce(struct carrier *carrier)
{
    struct h1 *h1 = h1_of(carrier);
    if (h1->user != NULL && h1->options.events->on_drain != NULL)
        h1->options.events->on_drain(h1->user);
}

static void op_cut(struct carrier *carrier, enum pl_code code)
{
    struct h1 *h1 = h1_of(carrier);
    h1->last = true;
    if (h1->user != NULL && h1->options.events->on_cut != NULL)
        h1->options.events->on_cut(h1->user, code);
    release(h1);
}

static void op_drain_notice(struct carrier *carrier)
{
    h1_of(carrier)->last = true;
}

static void op_drain(struct carrier *carrier, const char *why)
{
    struct h1 *h1 = h1_of(carrier);
    (void)why;
    h1->last = true;
    h1->closing = h1->closing || !h1->active;
}

static void op_dismiss(struct carrier *carrier, uint32_t code, const char *why)
{
    struct h1 *h1 = h1_of(carrier);
    (void)code;
    op_drain(carrier, why);
    release(h1);
    h1->broken = h1->broken || (h1->active && !h1->finished);
}

static void op_close_streams(struct carrier *carrier)
{
    struct h1 *h1 = h1_of(carrier);
    if (h1->user != NULL)
        h1->options.events->on_close(h1->user);
    h1->user = NULL;
    h1->active = h1->ready = h1->held = false;
    h1->broken = true;
    drop_queue(h1);
}

static void op_free(struct carrier *carrier)
{
    struct h1 *h1 = h1_of(carrier);
    PL_ASSERT(h1->user == NULL);
    drop_queue(h1);
    pl_buf_fini(&h1->head);
    pl_buf_fini(&h1->answer_head);
    free(h1);
}

static const struct carrier_ops carrier_ops = {
    .recv = op_recv,
    .fill = op_fill,
    .run = op_run,
    .look = op_look,
    .on_time = op_on_time,
    .ask = op_ask,
    .announce = op_announce,
    .cut = op_cut,
    .drain_notice = op_drain_notice,
    .drain = op_drain,
    .dismiss = op_dismiss,
    .close_streams = op_close_streams,
    .free = op_free,
};

struct carrier *h1_new(const struct h1_options *options)
{
    struct h1 *h1 = calloc(1, sizeof(*h1));
    PL_ASSERT(h1 != NULL);
    h1->carrier.ops = &carrier_ops;
    h1->stream.ops = &stream_ops;
    h1->options = *options;
    h1->idle_since_ns = now_ns(h1);
    pl_buf_init(&h1->head, options->header_bytes);
    pl_buf_init(&h1->answer_head, SIZE_MAX / 2);
    return &h1->carrier;
}
