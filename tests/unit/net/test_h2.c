/* SPDX-License-Identifier: Apache-2.0
 *
 * h2: the session alone, without sockets: what a request looks like to its user, and what abuse
 * gets. The peer is nghttp2's client side, or bytes made by hand where nghttp2 would refuse to
 * misbehave.
 */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/check.h"
#include "server/net/h2.h"
#include "unit.h"

enum { SEEN_MAX = 600 };

struct seen { /* one stream, as the user of h2 sees it */
    struct pair *pair;
    struct stream *stream;
    unsigned headers, heads, requests, rooms, lates, closes, drains, cuts;
    size_t body_bytes;
    bool answer_at_head;
    size_t answer_bytes;
};

struct pair {
    struct pl_clock_fake clock;
    struct h2 *h2;
    struct seen seen[SEEN_MAX];
    size_t seen_count;
    unsigned outputs;
    bool answer_requests, answer_at_head;
    size_t answer_bytes;
    /* the peer */
    nghttp2_session *peer;
    unsigned closed, pushed_bytes, goaways, resets;
    uint32_t last_code, goaway_code;
    char goaway_debug[64], last_status[8], last_tail[8];
    size_t last_body;
    bool window_shut;
};

/* --- the user's side --- */

static void answer(struct seen *seen, size_t bytes)
{
    const struct stream_field head = STREAM_FIELD(":status", "200");
    const struct stream_field tail = STREAM_FIELD("x-end", "yes");
    struct stream_chunk *body = stream_chunk_new(bytes);
    memset(body->data, 'a', bytes);
    stream_answer(seen->stream, &head, 1, body, &tail, 1);
    stream_forget(seen->stream);
}

static void *on_open(void *arg, struct stream *stream)
{
    struct pair *pair = arg;
    PL_ASSERT(pair->seen_count < SEEN_MAX);
    struct seen *seen = &pair->seen[pair->seen_count++];
    seen->pair = pair;
    seen->stream = stream;
    return seen;
}
static void on_header(void *user, struct pl_slice name, struct pl_slice value)
{
    (void)name;
    (void)value;
    ((struct seen *)user)->headers++;
}
static void on_head(void *user)
{
    struct seen *seen = user;
    seen->heads++;
    if (seen->pair->answer_at_head)
        answer(seen, seen->pair->answer_bytes);
}
static void on_body(void *user, struct pl_slice bytes)
{
    ((struct seen *)user)->body_bytes += bytes.len;
}
static void on_request(void *user)
{
    struct seen *seen = user;
    seen->requests++;
    if (seen->pair->answer_requests)
        answer(seen, seen->pair->answer_bytes);
}
static void on_room(void *user)
{
    ((struct seen *)user)->rooms++;
}
static void on_late(void *user)
{
    struct seen *seen = user;
    seen->lates++;
    answer(seen, 0);
}
static void on_close(void *user)
{
    ((struct seen *)user)->closes++;
}
static void on_output(void *arg)
{
    ((struct pair *)arg)->outputs++;
}

static void on_drain(void *user)
{
    ((struct seen *)user)->drains++;
}
static void on_cut(void *user, enum pl_code code)
{
    struct seen *seen = user;
    PL_ASSERT(code == PL_E_UNAUTHENTICATED);
    seen->cuts++;
    if (stream_answer_begun(seen->stream)) {
        const struct stream_field tail = STREAM_FIELD("x-end", "cut");
        stream_answer_end(seen->stream, &tail, 1);
        stream_forget(seen->stream);
    } else {
        answer(seen, 3);
    }
}

static const struct stream_events events = {
    .on_open = on_open,
    .on_header = on_header,
    .on_head = on_head,
    .on_body = on_body,
    .on_request = on_request,
    .on_room = on_room,
    .on_late = on_late,
    .on_close = on_close,
    .on_drain = on_drain,
    .on_cut = on_cut,
};

/* --- the peer's side --- */

static int peer_on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                          size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                          void *arg)
{
    struct pair *pair = arg;
    (void)session;
    (void)frame;
    (void)flags;
    if (name_len == 7 && memcmp(name, ":status", 7) == 0)
        snprintf(pair->last_status, sizeof(pair->last_status), "%.*s", (int)value_len,
                 (const char *)value);
    else
        snprintf(pair->last_tail, sizeof(pair->last_tail), "%.*s", (int)value_len,
                 (const char *)value);
    return 0;
}
static int peer_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct pair *pair = arg;
    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        pair->goaways++;
        pair->goaway_code = frame->goaway.error_code;
        snprintf(pair->goaway_debug, sizeof(pair->goaway_debug), "%.*s",
                 (int)frame->goaway.opaque_data_len, (const char *)frame->goaway.opaque_data);
    } else if (frame->hd.type == NGHTTP2_RST_STREAM) {
        pair->resets++;
    }
    return 0;
}
static int peer_on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                        size_t len, void *arg)
{
    struct pair *pair = arg;
    (void)flags;
    (void)data;
    pair->last_body += len;
    if (!pair->window_shut)
        nghttp2_session_consume(session, id, len);
    return 0;
}
static int peer_on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct pair *pair = arg;
    (void)session;
    (void)id;
    pair->closed++;
    pair->last_code = code;
    return 0;
}

static void peer_new(struct pair *pair)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, peer_on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, peer_on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, peer_on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, peer_on_close);
    nghttp2_session_client_new2(&pair->peer, callbacks, pair, option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    nghttp2_submit_settings(pair->peer, NGHTTP2_FLAG_NONE, NULL, 0);
}

static int setup(void **state)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    pl_clock_fake_init(&pair->clock, 0);
    pl_clock_fake_advance_us(&pair->clock, 1000000);
    const struct h2_options options = {
        .events = &events,
        .arg = pair,
        .on_output = on_output,
        .output_arg = pair,
        .clock = &pair->clock.clock,
        .streams = 100,
        .header_bytes = 1000,
        .write_high_bytes = 100000,
    };
    assert_true(pl_is_ok(h2_new(&options, &pair->h2)));
    peer_new(pair);
    pair->answer_requests = true;
    *state = pair;
    return 0;
}

static int teardown(void **state)
{
    struct pair *pair = *state;
    h2_close_streams(pair->h2);
    h2_free(pair->h2);
    h2_free(NULL);
    nghttp2_session_del(pair->peer);
    free(pair);
    return 0;
}

/* Bytes to and fro until both are quiet. False: h2 gave up on the peer. */
static bool shuttle(struct pair *pair)
{
    for (bool moved = true; moved;) {
        const uint8_t *data = NULL;
        uint8_t buffer[1000]; /* odd pieces */
        ssize_t len;
        size_t filled;
        moved = false;
        while ((len = nghttp2_session_mem_send(pair->peer, &data)) > 0) {
            if (!pl_is_ok(h2_recv(pair->h2, pl_slice(data, (size_t)len))))
                return false;
            moved = true;
        }
        h2_run(pair->h2);
        while ((filled = h2_fill(pair->h2, buffer, sizeof(buffer))) > 0) {
            (void)nghttp2_session_mem_recv(pair->peer, buffer, filled);
            moved = true;
        }
        h2_run(pair->h2);
    }
    return true;
}

static ssize_t read_pattern(nghttp2_session *session, int32_t id, uint8_t *out, size_t room,
                            uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    size_t *left = source->ptr;
    (void)session;
    (void)id;
    (void)arg;
    size_t len = *left < room ? *left : room;
    memset(out, 'b', len);
    *left -= len;
    if (*left == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)len;
}

static int32_t ask(struct pair *pair, size_t *body, const char *extra)
{
    const nghttp2_nv nv[] = {
#define NV(name_, value_)                                                                          \
    {(uint8_t *)(uintptr_t)(name_), (uint8_t *)(uintptr_t)(value_), strlen(name_), strlen(value_), \
     NGHTTP2_NV_FLAG_NONE}
        NV(":method", "POST"), NV(":scheme", "https"), NV(":authority", "x"),
        NV(":path", "/p"),     NV("x-extra", extra),
    };
    nghttp2_data_provider provider = {.source = {.ptr = body}, .read_callback = read_pattern};
    return nghttp2_submit_request(pair->peer, NULL, nv, extra[0] == '\0' ? 4 : 5,
                                  body == NULL ? NULL : &provider, NULL);
}

/* --- requests and answers --- */

static void test_a_request_passes_through(void **state)
{
    struct pair *pair = *state;
    size_t body = 300000; /* more than a stream's window, less than the connection's */
    pair->answer_bytes = 10;
    assert_false(h2_ready(pair->h2));
    ask(pair, &body, "");
    assert_true(shuttle(pair));
    assert_true(h2_ready(pair->h2));
    assert_int_equal(pair->seen_count, 1);
    assert_int_equal(pair->seen[0].headers, 4);
    assert_int_equal(pair->seen[0].heads, 1);
    assert_int_equal(pair->seen[0].requests, 1);
    assert_int_equal(pair->seen[0].body_bytes, 300000);
    assert_int_equal(pair->seen[0].closes, 0); /* it had forgotten the stream */
    assert_int_equal(pair->closed, 1);
    assert_int_equal(pair->last_code, 0);
    assert_string_equal(pair->last_status, "200");
    assert_string_equal(pair->last_tail, "yes");
    assert_int_equal(pair->last_body, 10);
    assert_int_equal(h2_stream_count(pair->h2), 0);
    assert_int_equal(h2_unsent_bytes(pair->h2), 0);
    assert_int_equal(h2_body_bytes_sent(pair->h2), 10);
    assert_true(pair->outputs > 0);
    assert_false(h2_over(pair->h2));
}

static void test_many_large_requests_do_not_block_each_other(void **state)
{
    struct pair *pair = *state;
    size_t body[20];
    for (size_t i = 0; i < 20; i++) {
        body[i] = 1000000; /* 20 MB through a connection window of 1 MiB, interleaved */
        ask(pair, &body[i], "");
    }
    assert_true(shuttle(pair));
    assert_int_equal(pair->closed, 20);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(pair->seen[i].body_bytes, 1000000);
}

static void moment(struct pair *pair, int us)
{
    pl_clock_fake_advance_us(&pair->clock, us);
    h2_end_early(pair->h2);
    assert_true(shuttle(pair));
}

static void test_an_answer_before_a_large_request_ended(void **state)
{
    struct pair *pair = *state;
    size_t body = 500000;
    pair->answer_at_head = true;
    ask(pair, &body, "");
    assert_true(shuttle(pair));
    assert_string_equal(pair->last_tail, "yes"); /* it did not wait for all of that, */
    assert_in_range(body, 500000 - 196 * 1024, 500000 - 128 * 1024); /* gave no window, */
    moment(pair, 999000);
    assert_int_equal(pair->closed, 0);
    moment(pair, 1000); /* and resets after a moment */
    moment(pair, 1000000);
    assert_int_equal(pair->closed, 1);
    assert_int_equal(pair->last_code, NGHTTP2_NO_ERROR);
    assert_int_equal(pair->resets, 1);
    assert_int_equal(pair->seen[0].requests, 0);
    assert_int_equal(h2_protocol_errors(pair->h2), 0);
}

/* Nothing but a head comes. */
static void test_an_early_answer_waits_for_a_moment_only(void **state)
{
    struct pair *pair = *state;
    size_t body = 0;
    pair->answer_at_head = true;
    pair->answer_bytes = 1000;
    ask(pair, &body, "");
    const uint8_t *data = NULL;
    ssize_t len = nghttp2_session_mem_send(pair->peer, &data); /* magic, settings */
    assert_true(pl_is_ok(h2_recv(pair->h2, pl_slice(data, (size_t)len))));
    len = nghttp2_session_mem_send(pair->peer, &data); /* settings or head */
    for (int i = 0; i < 2 && pair->seen_count == 0; i++) {
        assert_true(pl_is_ok(h2_recv(pair->h2, pl_slice(data, (size_t)len))));
        if (pair->seen_count == 0)
            len = nghttp2_session_mem_send(pair->peer, &data);
    }
    assert_int_equal(pair->seen[0].heads, 1);
    uint8_t out[4096];
    size_t before = h2_fill(pair->h2, out, sizeof(out));
    assert_int_equal(h2_fill(pair->h2, out, sizeof(out)), 0);
    pl_clock_fake_advance_us(&pair->clock, 1000000);
    h2_end_early(pair->h2);
    assert_true(h2_fill(pair->h2, out, sizeof(out)) > 1000);
    pl_clock_fake_advance_us(&pair->clock, 1000000);
    h2_end_early(pair->h2);
    h2_end_early(pair->h2);
    assert_int_equal(h2_fill(pair->h2, out, sizeof(out)), 13); /* RST_STREAM(NO_ERROR), once */
    assert_int_equal(out[3], NGHTTP2_RST_STREAM);
    assert_int_equal(out[12], NGHTTP2_NO_ERROR);
    assert_true(before > 0);
    assert_int_equal(h2_stream_count(pair->h2), 0);
}

static void test_a_small_request_ends_by_itself_after_an_early_answer(void **state)
{
    struct pair *pair = *state;
    size_t body[40];
    pair->answer_at_head = true;
    for (size_t i = 0; i < 40; i++) { /* more than the connection's window in all */
        body[i] = 50000;
        ask(pair, &body[i], "");
        assert_true(shuttle(pair));
        assert_int_equal(pair->closed, i + 1);
    }
    assert_int_equal(pair->resets, 0);
    pl_clock_fake_advance_us(&pair->clock, 5000000);
    h2_end_early(pair->h2);
    assert_true(shuttle(pair));
    assert_int_equal(pair->resets, 0);
}

static void test_streams_of_messages(void **state)
{
    struct pair *pair = *state;
    pair->answer_requests = false;
    pair->window_shut = true;
    ask(pair, NULL, "");
    assert_true(shuttle(pair));
    struct seen *seen = &pair->seen[0];
    const struct stream_field head = STREAM_FIELD(":status", "200");
    assert_false(stream_answer_begun(seen->stream));
    stream_answer_begin(seen->stream, &head, 1);
    assert_true(stream_answer_begun(seen->stream));
    unsigned pushed = 0;
    do {
        struct stream_chunk *chunk = stream_chunk_new(20000);
        memset(chunk->data, 'c', chunk->len);
        stream_answer_push(seen->stream, chunk);
        pushed++;
    } while (stream_has_room(seen->stream));
    assert_int_equal(pushed, 14); /* 256 KiB are reached */
    assert_true(shuttle(pair));
    assert_int_equal(pair->last_body, 65535);
    assert_int_equal(seen->rooms, 0);
    assert_int_equal(h2_unsent_bytes(pair->h2), 14 * 20000 - 65535);
    pair->window_shut = false;
    nghttp2_session_consume(pair->peer, 1, 65535);
    assert_true(shuttle(pair));
    assert_int_equal(seen->rooms, 1); /* once, until it is asked again */
    assert_int_equal(pair->last_body, 14 * 20000);
    assert_int_equal(pair->closed, 0);
    const struct stream_field tail = STREAM_FIELD("x-end", "end");
    stream_answer_end(seen->stream, &tail, 1);
    assert_true(shuttle(pair));
    assert_int_equal(pair->closed, 1);
    assert_string_equal(pair->last_tail, "end");
    assert_int_equal(seen->closes, 1);
}

static void test_a_cancelled_request_is_closed(void **state)
{
    struct pair *pair = *state;
    pair->answer_requests = false;
    int32_t id = ask(pair, NULL, "");
    assert_true(shuttle(pair));
    assert_int_equal(pair->seen[0].requests, 1);
    nghttp2_submit_rst_stream(pair->peer, 0, id, NGHTTP2_CANCEL);
    assert_true(shuttle(pair));
    assert_int_equal(pair->seen[0].closes, 1);
    assert_int_equal(h2_stream_count(pair->h2), 0);
    assert_false(h2_over(pair->h2));
}

static void test_requests_wait_while_answers_do(void **state)
{
    struct pair *pair = *state;
    size_t body[10];
    pair->answer_bytes = 90000;
    pair->window_shut = true;
    for (size_t i = 0; i < 10; i++) {
        body[i] = 1000;
        ask(pair, &body[i], "");
    }
    assert_true(shuttle(pair));
    unsigned begun = 0;
    for (size_t i = 0; i < 10; i++)
        begun += pair->seen[i].requests;
    assert_in_range(begun, 2, 3);
    /* one that waits is cancelled: it is never begun */
    nghttp2_submit_rst_stream(pair->peer, 0, 19, NGHTTP2_CANCEL);
    assert_true(shuttle(pair));
    assert_int_equal(pair->seen[9].closes, 1);
    pair->window_shut = false;
    nghttp2_session_consume_connection(pair->peer, 65535);
    for (int32_t id = 1; id < 19; id += 2)
        nghttp2_session_consume_stream(pair->peer, id, 65535);
    assert_true(shuttle(pair));
    assert_int_equal(pair->closed, 10);
    assert_int_equal(pair->seen[8].requests, 1);
    assert_int_equal(pair->seen[9].requests, 0);
    assert_int_equal(pair->last_body, 9 * 90000);
}

/* Two answers of 90 kB wait, then somebody uploads. */
static void congest(struct pair *pair)
{
    pair->answer_bytes = 90000;
    pair->window_shut = true;
    ask(pair, NULL, "");
    ask(pair, NULL, "");
    assert_true(shuttle(pair));
    assert_true(h2_unsent_bytes(pair->h2) > 100000);
}

static void relieve(struct pair *pair)
{
    pair->window_shut = false;
    nghttp2_session_consume_connection(pair->peer, 65535);
    nghttp2_session_consume_stream(pair->peer, 1, 65535);
    nghttp2_session_consume_stream(pair->peer, 3, 65535);
    assert_true(shuttle(pair));
    assert_int_equal(h2_unsent_bytes(pair->h2), 0);
}

static void test_windows_stay_shut_while_answers_wait(void **state)
{
    struct pair *pair = *state;
    size_t body = 1000000;
    congest(pair);
    ask(pair, &body, "");
    assert_true(shuttle(pair));
    assert_int_equal(pair->seen[2].body_bytes, 128 * 1024);
    relieve(pair);
    assert_int_equal(pair->seen[2].body_bytes, 1000000);
    assert_int_equal(pair->closed, 3);
}

static void test_windows_of_cancelled_requests_come_back(void **state)
{
    struct pair *pair = *state;
    size_t body[12];
    congest(pair);
    for (size_t i = 0; i < 12; i++) { /* 12 times 128 KiB: more than the connection's window */
        body[i] = 1000000;
        int32_t id = ask(pair, &body[i], "");
        assert_true(shuttle(pair));
        assert_true(pair->seen[2 + i].body_bytes > 0);
        nghttp2_submit_rst_stream(pair->peer, 0, id, NGHTTP2_CANCEL);
        assert_true(shuttle(pair));
    }
    relieve(pair);
}

static void test_late_requests_are_told(void **state)
{
    struct pair *pair = *state;
    size_t body = 2000000;
    pair->answer_requests = false;
    ask(pair, NULL, ""); /* complete: never late */
    assert_true(shuttle(pair));
    pl_clock_fake_advance_us(&pair->clock, 1000);
    ask(pair, &body, "");
    const uint8_t *data = NULL;
    ssize_t len = nghttp2_session_mem_send(pair->peer, &data); /* its head alone */
    assert_true(pl_is_ok(h2_recv(pair->h2, pl_slice(data, (size_t)len))));
    int64_t opened = pair->clock.mono_ns_now;
    h2_look_for_late(pair->h2, opened);
    assert_int_equal(pair->seen[1].lates, 0);
    h2_look_for_late(pair->h2, opened + 1);
    h2_look_for_late(pair->h2, opened + 1);
    assert_int_equal(pair->seen[0].lates, 0);
    assert_int_equal(pair->seen[1].lates, 1);
    assert_true(shuttle(pair));
    pl_clock_fake_advance_us(&pair->clock, 1000000);
    h2_end_early(pair->h2);
    assert_true(shuttle(pair));
    assert_int_equal(pair->closed, 1);
}

/* --- protection --- */

static void test_a_head_over_the_limit_is_refused(void **state)
{
    struct pair *pair = *state;
    char extra[900];
    memset(extra, 'x', sizeof(extra));
    extra[sizeof(extra) - 1] = '\0';
    ask(pair, NULL, extra);
    assert_true(shuttle(pair));
    assert_string_equal(pair->last_status, "431");
    assert_int_equal(pair->seen[0].requests, 0);
    assert_int_equal(pair->seen[0].heads, 0);
    assert_int_equal(pair->seen[0].closes, 1);
    extra[600] = '\0';
    ask(pair, NULL, extra);
    assert_true(shuttle(pair));
    assert_string_equal(pair->last_status, "200");
}

static void test_pings_have_a_measure(void **state)
{
    struct pair *pair = *state;
    assert_true(shuttle(pair));
    for (int i = 0; i < 10; i++)
        nghttp2_submit_ping(pair->peer, 0, NULL);
    assert_true(shuttle(pair));
    assert_false(h2_over(pair->h2));
    pl_clock_fake_advance_us(&pair->clock, 3000000);
    for (int i = 0; i < 3; i++)
        nghttp2_submit_ping(pair->peer, 0, NULL);
    assert_true(shuttle(pair));
    assert_int_equal(pair->goaways, 0);
    ask(pair, NULL, ""); /* after data, stock clients ping more: that is well */
    assert_true(shuttle(pair));
    for (int i = 0; i < 10; i++)
        nghttp2_submit_ping(pair->peer, 0, NULL);
    assert_true(shuttle(pair));
    assert_int_equal(pair->goaways, 0);
    nghttp2_submit_ping(pair->peer, 0, NULL);
    assert_true(shuttle(pair));
    assert_int_equal(pair->goaways, 1);
    assert_int_equal(pair->goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_string_equal(pair->goaway_debug, "too_many_pings");
    assert_true(h2_over(pair->h2));
}

/* Frames by hand: RST_STREAM of streams made by ourselves is what nghttp2's client will not overdo.
 */
static void put_frame(struct pl_buf *out, uint8_t type, uint8_t flags, int32_t id,
                      const void *payload, size_t len)
{
    const uint8_t head[9] = {
        (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len,       type,       flags,
        (uint8_t)(id >> 24),  (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
    assert_true(pl_is_ok(pl_buf_append(out, head, sizeof(head))));
    assert_true(pl_is_ok(pl_buf_append(out, payload, len)));
}

/* from the static table, and "x" as :authority */
static const uint8_t tiny_head[] = {
    0x82 /* GET */, 0x87 /* https */, 0x84 /* / */, 0x01, 0x01, 'x'};
static const uint8_t half_head[] = {0x82, 0x87}; /* no path: malformed */

static void preface(struct pl_buf *out)
{
    pl_buf_init(out, 1 << 20);
    assert_true(pl_is_ok(pl_buf_append(out, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN)));
    put_frame(out, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
}

static bool feed_all(struct pair *pair, struct pl_buf *bytes)
{
    struct pl_slice all = pl_buf_slice(bytes);
    uint8_t out[4096];
    bool good = true;
    for (size_t at = 0; good && at < all.len && !h2_over(pair->h2); at += 64) {
        size_t len = all.len - at < 64 ? all.len - at : 64;
        good = pl_is_ok(h2_recv(pair->h2, pl_slice(all.data + at, len)));
        h2_run(pair->h2);
        while (good && h2_fill(pair->h2, out, sizeof(out)) > 0) {
        }
    }
    pl_buf_fini(bytes);
    return good && !h2_over(pair->h2);
}

static void resets(struct pair *pair, struct pl_buf *bytes, int32_t count)
{
    pair->answer_requests = false;
    preface(bytes);
    for (int32_t i = 0; i < count; i++) {
        put_frame(bytes, NGHTTP2_HEADERS, 5, 2 * i + 1, tiny_head, sizeof(tiny_head));
        put_frame(bytes, NGHTTP2_RST_STREAM, 0, 2 * i + 1, "\0\0\0\x08", 4);
    }
}

static void test_some_resets_are_well(void **state)
{
    struct pair *pair = *state;
    struct pl_buf bytes;
    resets(pair, &bytes, 450);
    assert_true(feed_all(pair, &bytes));
    assert_int_equal(pair->seen_count, 450);
    assert_int_equal(h2_protocol_errors(pair->h2), 0);
}

static void test_rapid_resets_end_the_connection(void **state)
{
    struct pair *pair = *state;
    struct pl_buf bytes;
    resets(pair, &bytes, 590);
    assert_false(feed_all(pair, &bytes));
    assert_in_range(pair->seen_count, 500, 580);
}

static void test_resets_that_we_are_made_to_send_end_the_connection(void **state)
{
    struct pair *pair = *state;
    struct pl_buf bytes;
    preface(&bytes);
    for (int32_t i = 0; i < 300; i++)
        put_frame(&bytes, NGHTTP2_HEADERS, 5, 2 * i + 1, half_head, sizeof(half_head));
    assert_false(feed_all(pair, &bytes));
    assert_in_range(pair->seen_count, 50, 110);
    assert_in_range(h2_protocol_errors(pair->h2), 100, 110);
}

static bool continued(struct pair *pair, int count)
{
    struct pl_buf bytes;
    preface(&bytes);
    put_frame(&bytes, NGHTTP2_HEADERS, 1, 1, tiny_head, sizeof(tiny_head));
    for (int i = 1; i < count; i++)
        put_frame(&bytes, NGHTTP2_CONTINUATION, 0, 1, NULL, 0);
    put_frame(&bytes, NGHTTP2_CONTINUATION, 4, 1, NULL, 0);
    return feed_all(pair, &bytes);
}

static void test_few_continuations_are_well(void **state)
{
    struct pair *pair = *state;
    assert_true(continued(pair, 3));
    assert_int_equal(pair->seen[0].requests, 1);
}

static void test_many_continuations_are_not(void **state)
{
    struct pair *pair = *state;
    assert_false(continued(pair, 6));
    assert_int_equal(pair->seen[0].requests, 0);
}

static void test_noise_is_refused(void **state)
{
    struct pair *pair = *state;
    struct pl_slice noise = pl_slice_str("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(h2_recv(pair->h2, noise).code, PL_E_INVALID);
    assert_true(h2_over(pair->h2));
}

static void test_too_many_streams_are_refused(void **state)
{
    struct pair *pair = *state;
    pair->answer_requests = false;
    assert_true(shuttle(pair));
    for (int i = 0; i < 120; i++)
        ask(pair, NULL, "");
    assert_true(shuttle(pair)); /* nghttp2's client keeps the other 20 to itself */
    assert_int_equal(h2_stream_count(pair->h2), 100);
    assert_int_equal(pair->seen_count, 100);
}

static void test_draining(void **state)
{
    struct pair *pair = *state;
    pair->answer_requests = false;
    ask(pair, NULL, "");
    assert_true(shuttle(pair));
    h2_drain_notice(pair->h2);
    ask(pair, NULL, ""); /* was on its way */
    assert_true(shuttle(pair));
    assert_int_equal(pair->goaways, 1);
    assert_int_equal(pair->seen[1].requests, 1);
    h2_drain(pair->h2, "why");
    assert_true(shuttle(pair));
    assert_int_equal(pair->goaways, 2);
    assert_int_equal(pair->goaway_code, NGHTTP2_NO_ERROR);
    assert_false(h2_over(pair->h2));
    answer(&pair->seen[0], 5);
    assert_true(h2_wants_write(pair->h2));
    assert_true(shuttle(pair));
    assert_false(h2_over(pair->h2));
    answer(&pair->seen[1], 5);
    assert_true(shuttle(pair));
    assert_int_equal(pair->closed, 2);
    assert_true(h2_over(pair->h2));
}

static void test_all_streams_hear_that_it_is_time_to_go(void **state)
{
    struct pair *pair = *state;
    pair->answer_requests = false;
    ask(pair, NULL, "");
    ask(pair, NULL, "");
    assert_true(shuttle(pair));
    stream_forget(pair->seen[0].stream);
    h2_announce(pair->h2);
    assert_int_equal(pair->seen[0].drains, 0);
    assert_int_equal(pair->seen[1].drains, 1);
    assert_int_equal(pair->seen[1].closes, 0);
}

static void test_who_is_cut_gets_an_answer_before_the_end(void **state)
{
    struct pair *pair = *state;
    const struct stream_field head = STREAM_FIELD(":status", "200");
    size_t body = 200000; /* more than its window: it stays incomplete */
    pair->answer_requests = false;
    ask(pair, NULL, "");
    ask(pair, NULL, "");
    assert_true(shuttle(pair));
    stream_answer_begin(pair->seen[0].stream, &head, 1);
    ask(pair, &body, "");
    const uint8_t *data = NULL;
    ssize_t len = nghttp2_session_mem_send(pair->peer, &data); /* the head alone */
    assert_true(pl_is_ok(h2_recv(pair->h2, pl_slice(data, (size_t)len))));
    h2_cut(pair->h2, PL_E_UNAUTHENTICATED);
    h2_dismiss(pair->h2, NGHTTP2_NO_ERROR, "cut");
    assert_false(h2_over(pair->h2));
    uint8_t buffer[1000];
    size_t filled;
    while ((filled = h2_fill(pair->h2, buffer, sizeof(buffer))) > 0)
        (void)nghttp2_session_mem_recv(pair->peer, buffer, filled);
    assert_true(h2_over(pair->h2));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pair->seen[i].cuts, 1);
    assert_int_equal(pair->closed, 2); /* the third still sends */
    assert_string_equal(pair->last_status, "200");
    assert_string_equal(pair->goaway_debug, "cut");
}

static void test_a_stuck_stream_is_reset_alone(void **state)
{
    struct pair *pair = *state;
    const struct stream_field head = STREAM_FIELD(":status", "200");
    pair->answer_requests = false;
    pair->window_shut = true;
    for (size_t i = 0; i < 2; i++) {
        ask(pair, NULL, "");
        assert_true(shuttle(pair));
        stream_answer_begin(pair->seen[i].stream, &head, 1);
    }
    struct stream_chunk *chunk = stream_chunk_new(100000);
    memset(chunk->data, 'm', chunk->len);
    stream_answer_push(pair->seen[0].stream, chunk);
    assert_true(shuttle(pair)); /* 64 KiB leave */
    int64_t moved = pair->clock.mono_ns_now;
    pl_clock_fake_advance_us(&pair->clock, 1000000);
    h2_end_stuck(pair->h2, moved);
    assert_int_equal(pair->seen[0].closes, 0);
    h2_end_stuck(pair->h2, moved + 1);
    assert_int_equal(pair->seen[0].closes, 1);
    assert_int_equal(h2_unsent_bytes(pair->h2) < 1000, 1);
    assert_true(shuttle(pair));
    assert_int_equal(pair->closed, 1);
    assert_int_equal(pair->last_code, NGHTTP2_ENHANCE_YOUR_CALM);
    h2_end_stuck(pair->h2, INT64_MAX); /* the other one has nothing to send: it only waits */
    assert_int_equal(pair->seen[1].closes, 0);
    assert_int_equal(h2_stream_count(pair->h2), 1);
    chunk = stream_chunk_new(10);
    memset(chunk->data, 'm', chunk->len);
    stream_answer_push(pair->seen[1].stream, chunk); /* its time begins now, after all that rest */
    assert_true(shuttle(pair));
    h2_end_stuck(pair->h2, pair->clock.mono_ns_now);
    assert_int_equal(pair->seen[1].closes, 0);
    h2_end_stuck(pair->h2, pair->clock.mono_ns_now + 1);
    assert_int_equal(pair->seen[1].closes, 1);
}

static void test_closing_tells_those_who_still_have_a_stream(void **state)
{
    struct pair *pair = *state;
    pair->answer_requests = false;
    ask(pair, NULL, "");
    ask(pair, NULL, "");
    assert_true(shuttle(pair));
    stream_forget(pair->seen[0].stream);
    h2_close_streams(pair->h2);
    assert_int_equal(pair->seen[0].closes, 0);
    assert_int_equal(pair->seen[1].closes, 1);
    assert_int_equal(h2_stream_count(pair->h2), 0);
    assert_true(h2_over(pair->h2));
}

#define ROW(test_) cmocka_unit_test_setup_teardown(test_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_a_request_passes_through),
        ROW(test_many_large_requests_do_not_block_each_other),
        ROW(test_an_answer_before_a_large_request_ended),
        ROW(test_an_early_answer_waits_for_a_moment_only),
        ROW(test_a_small_request_ends_by_itself_after_an_early_answer),
        ROW(test_streams_of_messages),
        ROW(test_a_cancelled_request_is_closed),
        ROW(test_requests_wait_while_answers_do),
        ROW(test_windows_stay_shut_while_answers_wait),
        ROW(test_windows_of_cancelled_requests_come_back),
        ROW(test_late_requests_are_told),
        ROW(test_a_head_over_the_limit_is_refused),
        ROW(test_pings_have_a_measure),
        ROW(test_some_resets_are_well),
        ROW(test_rapid_resets_end_the_connection),
        ROW(test_resets_that_we_are_made_to_send_end_the_connection),
        ROW(test_few_continuations_are_well),
        ROW(test_many_continuations_are_not),
        ROW(test_noise_is_refused),
        ROW(test_too_many_streams_are_refused),
        ROW(test_draining),
        ROW(test_all_streams_hear_that_it_is_time_to_go),
        ROW(test_who_is_cut_gets_an_answer_before_the_end),
        ROW(test_a_stuck_stream_is_reset_alone),
        ROW(test_closing_tells_those_who_still_have_a_stream),
    };
    return cmocka_run_group_tests_name("h2", tests, NULL, NULL);
}
