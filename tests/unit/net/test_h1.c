/* SPDX-License-Identifier: Apache-2.0
 *
 * h1: text in, text out, against a user that answers as it is told: in which order things are said,
 * when the connection ends, and that nothing a peer sends does harm.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/check.h"
#include "server/net/h1.h"
#include "unit.h"

enum when { LATER, AT_HEAD, AT_BODY, AT_REQUEST };

/* A user of h1, and the peer's ear. */
struct room {
    struct pl_clock_fake clock;
    struct carrier *h1;
    struct stream *stream;
    struct pl_buf seen;  /* of the request: "name=value|" */
    struct pl_buf body;  /* of the request */
    struct pl_buf heard; /* by the peer */
    unsigned opens, heads, requests, lates, rooms, closes, drains, outputs;
    enum when when;
    const char *status;
    size_t answer_bytes;
};

static void answer(struct room *room)
{
    char length[16];
    struct stream_chunk *chunk = NULL;
    snprintf(length, sizeof(length), "%zu", room->answer_bytes);
    const struct stream_field head[] = {STREAM_FIELD(":status", room->status),
                                        STREAM_FIELD("content-type", "text/plain"),
                                        STREAM_FIELD("content-length", length)};
    if (room->answer_bytes > 0) {
        chunk = stream_chunk_new(room->answer_bytes);
        memset(chunk->data, 'a', chunk->len);
    }
    stream_answer(room->stream, head, 3, chunk, NULL, 0);
}

static void *on_open(void *arg, struct stream *stream)
{
    struct room *room = arg;
    room->stream = stream;
    room->opens++;
    pl_buf_clear(&room->seen);
    pl_buf_clear(&room->body);
    return room;
}
static void on_header(void *user, struct pl_slice name, struct pl_slice value)
{
    struct room *room = user;
    assert_true(
        pl_is_ok(pl_buf_printf(&room->seen, "%.*s=%.*s|", (int)name.len, (const char *)name.data,
                               (int)value.len, (const char *)value.data)));
}
static void on_head(void *user)
{
    struct room *room = user;
    room->heads++;
    if (room->when == AT_HEAD)
        answer(room);
}
static void on_body(void *user, struct pl_slice bytes)
{
    struct room *room = user;
    assert_true(bytes.len > 0);
    assert_true(pl_is_ok(pl_buf_append(&room->body, bytes.data, bytes.len)));
    if (room->when == AT_BODY && !stream_answer_begun(room->stream))
        answer(room);
}
static void on_request(void *user)
{
    struct room *room = user;
    room->requests++;
    if (room->when == AT_REQUEST)
        answer(room);
}
static void on_room(void *user)
{
    ((struct room *)user)->rooms++;
}
static void on_late(void *user)
{
    struct room *room = user;
    room->lates++;
    room->status = "504";
    answer(room);
}
static void on_close(void *user)
{
    struct room *room = user;
    room->closes++;
    room->stream = NULL;
}
static void on_drain(void *user)
{
    ((struct room *)user)->drains++;
}
static void on_cut(void *user, enum pl_code code)
{
    struct room *room = user;
    assert_int_equal(code, PL_E_UNAUTHENTICATED);
    room->status = "401";
    answer(room);
}
static void on_output(void *arg)
{
    ((struct room *)arg)->outputs++;
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

static void room_init(struct room *room)
{
    memset(room, 0, sizeof(*room));
    pl_clock_fake_init(&room->clock, 0);
    pl_clock_fake_advance_us(&room->clock, 5000000);
    pl_buf_init(&room->seen, SIZE_MAX / 2);
    pl_buf_init(&room->body, SIZE_MAX / 2);
    pl_buf_init(&room->heard, SIZE_MAX / 2);
    room->when = AT_REQUEST;
    room->status = "200";
    room->answer_bytes = 3;
    const struct h1_options options = {
        .events = &events,
        .arg = room,
        .on_output = on_output,
        .output_arg = room,
        .clock = &room->clock.clock,
        .header_bytes = 1000,
        .secure = true,
    };
    room->h1 = h1_new(&options);
}

static void room_fini(struct room *room)
{
    carrier_close_streams(room->h1);
    carrier_free(room->h1);
    assert_int_equal(room->opens, room->closes);
    pl_buf_fini(&room->seen);
    pl_buf_fini(&room->body);
    pl_buf_fini(&room->heard);
}

static int setup(void **state)
{
    struct room *room = calloc(1, sizeof(*room));
    room_init(room);
    *state = room;
    return 0;
}

static int teardown(void **state)
{
    room_fini(*state);
    free(*state);
    return 0;
}

/* Everything there is to send, in odd pieces. */
static void hear(struct room *room)
{
    uint8_t buffer[7];
    size_t len;
    while ((len = carrier_fill(room->h1, buffer, sizeof(buffer))) > 0)
        assert_true(pl_is_ok(pl_buf_append(&room->heard, buffer, len)));
}

static void say_bytes(struct room *room, const void *bytes, size_t len)
{
    assert_true(pl_is_ok(carrier_recv(room->h1, pl_slice(bytes, len))));
    carrier_run(room->h1);
    hear(room);
}

static void say(struct room *room, const char *text)
{
    say_bytes(room, text, strlen(text));
}

static const char *heard(struct room *room)
{
    uint8_t *end = NULL;
    assert_true(pl_is_ok(pl_buf_reserve(&room->heard, 1, &end)));
    *end = '\0';
    return (const char *)pl_buf_slice(&room->heard).data;
}

static bool over(const struct room *room)
{
    return carrier_look(room->h1).over;
}

#define GET_A "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST_3                                                                                     \
    "POST /p HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n"
#define OK_AAA "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\naaa"
#define LAST_AAA                                                                                   \
    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n"                         \
    "connection: close\r\n\r\naaa"

static void test_one_request_after_the_other(void **state)
{
    struct room *room = *state;
    assert_false(carrier_look(room->h1).ready);
    say(room, GET_A);
    assert_string_equal(heard(room), OK_AAA);
    assert_memory_equal(pl_buf_slice(&room->seen).data, ":method=GET|:path=/a|:authority=x|", 34);
    pl_buf_clear(&room->heard);
    say(room, "\r\n" POST_3 "{ }"); /* old clients end a request with an empty line */
    assert_string_equal(heard(room), OK_AAA);
    assert_int_equal(pl_buf_len(&room->body), 3);
    assert_memory_equal(pl_buf_slice(&room->body).data, "{ }", 3);
    assert_int_equal(room->requests, 2);
    assert_int_equal(room->closes, 2);
    struct carrier_state seen = carrier_look(room->h1);
    assert_true(seen.ready);
    assert_false(seen.over);
    assert_false(seen.wants_write);
    assert_int_equal(seen.streams, 0);
    assert_int_equal(seen.protocol_errors, 0);
    assert_int_equal(seen.body_bytes_sent, 2 * strlen(OK_AAA));
}

static void test_byte_by_byte(void **state)
{
    struct room *room = *state;
    static const char text[] = "\r\n" POST_3 "abc" GET_A "HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n";
    for (size_t i = 0; i + 1 < sizeof(text); i++)
        say_bytes(room, text + i, 1);
    assert_string_equal(heard(room), OK_AAA OK_AAA
                        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\n");
    assert_int_equal(room->requests, 3);
    assert_false(over(room));
}

static void test_an_answer_without_a_body(void **state)
{
    struct room *room = *state;
    room->answer_bytes = 0;
    say(room, GET_A);
    assert_string_equal(heard(room),
                        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 0\r\n\r\n");
    pl_buf_clear(&room->heard);
    room->status = "304";
    room->answer_bytes = 2; /* has none, whatever the user says */
    say(room, GET_A);
    assert_string_equal(heard(room),
                        "HTTP/1.1 304 Not Modified\r\ncontent-type: text/plain\r\n\r\n");
}

static void test_a_line_feed_in_a_value_is_not_sent(void **state)
{
    struct room *room = *state;
    room->when = LATER;
    say(room, GET_A);
    const struct stream_field head[] = {STREAM_FIELD(":status", "299"),
                                        STREAM_FIELD("location", "/a\r\nset-cookie: b"),
                                        STREAM_FIELD("etag", "\"1\"")};
    stream_answer(room->stream, head, 3, NULL, NULL, 0);
    hear(room);
    assert_string_equal(heard(room), "HTTP/1.1 299 \r\netag: \"1\"\r\ncontent-length: 0\r\n\r\n");
}

static void test_closing_when_asked(void **state)
{
    struct room *room = *state;
    say(room, "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_string_equal(heard(room), LAST_AAA);
    assert_true(over(room));
    say(room, GET_A); /* is not heard any more */
    assert_int_equal(room->opens, 1);
}

static void test_bytes_beyond_the_request_end_the_connection(void **state)
{
    struct room *room = *state;
    say(room, GET_A GET_A);
    assert_string_equal(heard(room), LAST_AAA);
    assert_int_equal(room->requests, 1);
    assert_true(over(room));
}

static void test_bytes_during_the_answer_end_the_connection(void **state)
{
    struct room *room = *state;
    room->when = LATER;
    say(room, POST_3 "abc");
    say(room, "d");
    assert_false(over(room));
    answer(room);
    hear(room);
    assert_string_equal(heard(room), LAST_AAA);
    assert_true(over(room));
}

static void test_malformed_heads_get_one_answer(void **state)
{
    struct room *room = *state;
    say(room, "GET / HTTP/1.1\nHost: x\n\n" GET_A);
    assert_string_equal(heard(room),
                        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n"
                        "x-content-type-options: nosniff\r\ncontent-length: 25\r\n"
                        "connection: close\r\n\r\nthe request is malformed\n");
    assert_true(over(room));
    assert_int_equal(room->opens, 0);
    assert_int_equal(carrier_look(room->h1).protocol_errors, 1);
}

static void test_other_verbs_are_told_which_there_are(void **state)
{
    struct room *room = *state;
    say(room, "DELETE / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_non_null(strstr(heard(room), "405 Method Not Allowed\r\n"));
    assert_non_null(strstr(heard(room), "allow: GET, HEAD, POST\r\n"));
    assert_true(over(room));
}

static void test_a_head_has_a_size(void **state)
{
    struct room *room = *state;
    char line[1000];
    memset(line, 'a', sizeof(line));
    say(room, "GET / HTTP/1.1\r\nHost: x\r\nA: ");
    say_bytes(room, line, 1000 - 28 - 4); /* exactly the limit */
    assert_int_equal(pl_buf_len(&room->heard), 0);
    say(room, "\r\n\r\n");
    assert_int_equal(room->requests, 1);
    say(room, "GET / HTTP/1.1\r\nHost: x\r\nA: ");
    say_bytes(room, line, sizeof(line));
    assert_non_null(strstr(heard(room), "HTTP/1.1 431 "));
    assert_true(over(room));
    assert_int_equal(room->requests, 1);
}

static void test_continue_is_said_to_who_waits(void **state)
{
    struct room *room = *state;
    static const char head[] = "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                               "Expect: 100-continue\r\n\r\n";
    say(room, head);
    assert_string_equal(heard(room), "HTTP/1.1 100 Continue\r\n\r\n");
    pl_buf_clear(&room->heard);
    say(room, "ab");
    assert_int_equal(pl_buf_len(&room->heard), 0);
    say(room, "c");
    assert_string_equal(heard(room), OK_AAA);
    pl_buf_clear(&room->heard);
    say(room, "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
              "Expect: 100-continue\r\n\r\nabc"); /* who does not wait needs no telling */
    assert_string_equal(heard(room), OK_AAA);
    pl_buf_clear(&room->heard);
    room->when = AT_HEAD;
    say(room, head); /* refused: the answer instead, and nobody knows what comes next */
    assert_string_equal(heard(room), LAST_AAA);
    assert_true(over(room));
}

static void test_an_early_answer_waits_for_the_request(void **state)
{
    struct room *room = *state;
    room->when = AT_HEAD;
    say(room, POST_3);
    say(room, "ab");
    assert_int_equal(pl_buf_len(&room->heard), 0);
    say(room, "c");
    assert_string_equal(heard(room), OK_AAA);
    assert_false(over(room));
    room->when = AT_BODY;
    pl_buf_clear(&room->heard);
    say(room, POST_3 "abc");
    assert_string_equal(heard(room), OK_AAA);
    assert_int_equal(room->requests, 0);
    assert_int_equal(room->closes, 2);
}

static void test_an_early_answer_does_not_wait_for_ever(void **state)
{
    struct room *room = *state;
    room->when = AT_HEAD;
    say(room, POST_3 "a");
    pl_clock_fake_advance_us(&room->clock, 999000);
    carrier_on_time(room->h1, INT64_MIN, INT64_MIN);
    hear(room);
    assert_int_equal(pl_buf_len(&room->heard), 0);
    pl_clock_fake_advance_us(&room->clock, 1000);
    carrier_on_time(room->h1, INT64_MIN, INT64_MIN);
    hear(room);
    assert_string_equal(heard(room), LAST_AAA);
    assert_true(over(room));
}

static void test_an_early_answer_does_not_wait_for_much(void **state)
{
    struct room *room = *state;
    static const char block[65536];
    room->when = AT_HEAD;
    say(room, "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n");
    say_bytes(room, block, sizeof(block));
    assert_int_equal(pl_buf_len(&room->heard), 0);
    say(room, "a");
    assert_string_equal(heard(room), LAST_AAA);
    assert_true(over(room));
}

static void test_slow_requests_are_late(void **state)
{
    struct room *room = *state;
    int64_t began = room->clock.mono_ns_now;
    say(room, "GET / HT");
    assert_int_equal(carrier_look(room->h1).streams, 1); /* not idle */
    carrier_on_time(room->h1, began, INT64_MIN);
    hear(room);
    assert_int_equal(pl_buf_len(&room->heard), 0);
    carrier_on_time(room->h1, began + 1, INT64_MIN);
    hear(room);
    assert_non_null(strstr(heard(room), "HTTP/1.1 408 "));
    assert_true(over(room));
}

static void test_slow_bodies_are_late(void **state)
{
    struct room *room = *state;
    int64_t began = room->clock.mono_ns_now;
    say(room, POST_3 "ab");
    carrier_on_time(room->h1, began, INT64_MIN);
    assert_int_equal(room->lates, 0);
    carrier_on_time(room->h1, began + 1, INT64_MIN);
    hear(room);
    assert_int_equal(room->lates, 1);
    assert_non_null(strstr(heard(room), "HTTP/1.1 504 "));
    assert_true(over(room));
}

static void test_a_stream_of_messages_travels_in_chunks(void **state)
{
    struct room *room = *state;
    const struct stream_field head[] = {STREAM_FIELD(":status", "200")};
    room->when = LATER;
    say(room, POST_3 "abc");
    stream_answer_begin(room->stream, head, 1);
    hear(room);
    assert_string_equal(heard(room), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    pl_buf_clear(&room->heard);
    assert_true(stream_answer_begun(room->stream));
    for (size_t len = 0; len < 20; len += 19) {
        struct stream_chunk *chunk = stream_chunk_new(len);
        memset(chunk->data, 'm', len);
        stream_answer_push(room->stream, chunk);
    }
    hear(room);
    assert_string_equal(heard(room), "13\r\nmmmmmmmmmmmmmmmmmmm\r\n"); /* an empty one is none */
    pl_buf_clear(&room->heard);
    assert_int_equal(room->closes, 0);
    stream_answer_end(room->stream, NULL, 0);
    hear(room);
    assert_string_equal(heard(room), "0\r\n\r\n");
    assert_int_equal(room->closes, 1);
    assert_false(over(room));
    room->when = AT_REQUEST;
    pl_buf_clear(&room->heard);
    say(room, GET_A);
    assert_string_equal(heard(room), OK_AAA);
}

static void test_a_stream_has_room_for_so_much(void **state)
{
    enum { MESSAGE = 60000 };
    struct room *room = *state;
    const struct stream_field head[] = {STREAM_FIELD(":status", "200")};
    uint8_t buffer[10000];
    room->when = LATER;
    say(room, GET_A);
    stream_answer_begin(room->stream, head, 1);
    size_t pushed = 0;
    while (stream_has_room(room->stream)) {
        struct stream_chunk *chunk = stream_chunk_new(MESSAGE);
        memset(chunk->data, 'm', MESSAGE);
        stream_answer_push(room->stream, chunk);
        pushed++;
    }
    assert_int_equal(pushed, 5); /* 256 KiB */
    size_t unsent = carrier_look(room->h1).unsent_bytes;
    assert_true(unsent > 5 * MESSAGE);
    while (room->rooms == 0)
        unsent -= carrier_fill(room->h1, buffer, sizeof(buffer));
    assert_int_equal(carrier_look(room->h1).unsent_bytes, unsent);
    assert_true(unsent <= 128 * 1024 && unsent > 128 * 1024 - sizeof(buffer));
    assert_true(stream_has_room(room->stream));
    assert_int_equal(room->rooms, 1);
}

static void test_draining(void **state)
{
    struct room *room = *state;
    say(room, GET_A);
    carrier_drain_notice(room->h1);
    assert_false(over(room));
    pl_buf_clear(&room->heard);
    room->when = LATER;
    say(room, GET_A); /* was on its way */
    carrier_drain(room->h1, "");
    assert_false(over(room));
    answer(room);
    hear(room);
    assert_string_equal(heard(room), LAST_AAA);
    assert_true(over(room));
}

static void test_draining_an_idle_connection(void **state)
{
    struct room *room = *state;
    carrier_drain(room->h1, "");
    assert_true(over(room));
    assert_int_equal(pl_buf_len(&room->heard), 0);
}

static void test_dismissing_does_not_wait(void **state)
{
    struct room *room = *state;
    room->when = LATER;
    say(room, GET_A);
    carrier_dismiss(room->h1, CARRIER_NO_ERROR, "why");
    assert_true(over(room));
    say(room, GET_A);
    assert_int_equal(room->opens, 1);
}

static void test_who_is_cut_gets_an_answer_before_the_end(void **state)
{
    struct room *room = *state;
    say(room, POST_3 "a");
    carrier_announce(room->h1);
    assert_int_equal(room->drains, 1);
    carrier_ask(room->h1); /* there is no question in HTTP/1.1 */
    assert_int_equal(pl_buf_len(&room->heard), 0);
    carrier_cut(room->h1, PL_E_UNAUTHENTICATED);
    carrier_dismiss(room->h1, CARRIER_NO_ERROR, "why");
    assert_false(over(room));
    hear(room);
    assert_non_null(strstr(heard(room), "HTTP/1.1 401 Unauthorized\r\n"));
    assert_true(over(room));
}

static void test_who_forgot_is_not_told(void **state)
{
    struct room *room = *state;
    room->when = LATER;
    say(room, GET_A);
    answer(room);
    stream_forget(room->stream);
    hear(room);
    assert_string_equal(heard(room), OK_AAA);
    assert_int_equal(room->closes, 0);
    room->closes++; /* it would have been told */
}

static void test_many_requests_are_enough(void **state)
{
    struct room *room = *state;
    for (int i = 0; i < 9999; i++)
        say(room, GET_A);
    assert_false(over(room));
    pl_buf_clear(&room->heard);
    say(room, GET_A);
    assert_string_equal(heard(room), LAST_AAA);
    assert_true(over(room));
}

/* Whatever comes in whatever pieces: every stream that opens is closed, no more than one answer a
 * request, and the sanitizer sees no step too far. The signature is the one of libFuzzer. */
static int feed(const uint8_t *data, size_t size)
{
    struct room room;
    if (size < 2)
        return 0;
    room_init(&room);
    room.when = (enum when)(data[0] % 4);
    for (size_t at = 2, step = 1 + data[1]; at < size; at += step) {
        size_t len = size - at < step ? size - at : step;
        uint8_t *piece = malloc(len); /* its end is watched */
        memcpy(piece, data + at, len);
        assert_true(pl_is_ok(carrier_recv(room.h1, pl_slice(piece, len))));
        free(piece);
        carrier_run(room.h1);
        hear(&room);
        if (at % 5 == 0 && room.stream != NULL && !stream_answer_begun(room.stream))
            answer(&room);
        hear(&room);
    }
    assert_true(room.requests <= room.opens);
    room_fini(&room);
    return 0;
}

static void test_changed_talk_does_no_harm(void **state)
{
    static const char good[] =
        "\3\20" POST_3 "abc" GET_A "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
        "Expect: 100-continue\r\n\r\nabc" GET_A;
    static const char spice[] = "\r\n\r\n :\t,\0/HGhcCtT019.\x7f\xff";
    uint64_t random = 0x2545f4914f6cdd1du;
    (void)state;
    for (int round = 0; round < 30000; round++) {
        size_t len = sizeof(good) - 1;
        uint8_t text[sizeof(good)];
        memcpy(text, good, len);
        random = random * 6364136223846793005u + 1442695040888963407u;
        text[0] = (uint8_t)(random >> 56);
        text[1] = (uint8_t)(random >> 48);
        for (uint64_t changes = (random >> 40) % 6; changes > 0; changes--) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            size_t at = 2 + (size_t)(random >> 33) % (len - 2);
            if ((random >> 62) == 0)
                memmove(text + at, text + at + 1, --len - at);
            else
                text[at] = (uint8_t)spice[(random >> 20) % (sizeof(spice) - 1)];
        }
        feed(text, len);
    }
}

#define ROW(test_) cmocka_unit_test_setup_teardown(test_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_one_request_after_the_other),
        ROW(test_byte_by_byte),
        ROW(test_an_answer_without_a_body),
        ROW(test_a_line_feed_in_a_value_is_not_sent),
        ROW(test_closing_when_asked),
        ROW(test_bytes_beyond_the_request_end_the_connection),
        ROW(test_bytes_during_the_answer_end_the_connection),
        ROW(test_malformed_heads_get_one_answer),
        ROW(test_other_verbs_are_told_which_there_are),
        ROW(test_a_head_has_a_size),
        ROW(test_continue_is_said_to_who_waits),
        ROW(test_an_early_answer_waits_for_the_request),
        ROW(test_an_early_answer_does_not_wait_for_ever),
        ROW(test_an_early_answer_does_not_wait_for_much),
        ROW(test_slow_requests_are_late),
        ROW(test_slow_bodies_are_late),
        ROW(test_a_stream_of_messages_travels_in_chunks),
        ROW(test_a_stream_has_room_for_so_much),
        ROW(test_draining),
        ROW(test_draining_an_idle_connection),
        ROW(test_dismissing_does_not_wait),
        ROW(test_who_is_cut_gets_an_answer_before_the_end),
        ROW(test_who_forgot_is_not_told),
        ROW(test_many_requests_are_enough),
        cmocka_unit_test(test_changed_talk_does_no_harm),
    };
    return cmocka_run_group_tests_name("h1", tests, NULL, NULL);
}
