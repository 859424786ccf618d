/* SPDX-License-Identifier: Apache-2.0
 *
 * duplex: messages of a request are answered as they arrive, in order, and no faster than their
 * answers are read.
 */
#include "fixture.h"

static int setup(void **state)
{
    const struct net_limits limits = {
        .calls = 4, .body_bytes = 2 * 1024 * 1024, .request_ms = 60000};
    return fixture_setup(state, &limits);
}

static int setup_tight(void **state)
{
    const struct net_limits limits = {.calls = 4, .body_bytes = 64 * 1024, .request_ms = 60000};
    return fixture_setup(state, &limits);
}

/* A framed ListTiersRequest with this catalogue. */
static size_t ask(uint8_t *out, const char *text)
{
    uint8_t message[256] = {0x0a, (uint8_t)strlen(text)};
    memcpy(message + 2, text, strlen(text));
    return grpc_frame(out, message, 2 + strlen(text));
}

static size_t ask_json(uint8_t *out, const char *text)
{
    char message[256];
    snprintf(message, sizeof(message), "{\"catalogue\":\"%s\"}", text);
    return grpc_frame(out, message, strlen(message));
}

static const struct request echo = {.path = ECHO, .type = "application/grpc", .keep_open = true};

static struct exchange *begin(struct client *client, const char *type)
{
    struct request r = echo;
    r.type = type;
    return client_send(client, &r);
}

/* Frames of flag 0 so far; checks that nothing is cut. */
static size_t count(const struct exchange *e)
{
    struct pl_slice body = pl_buf_slice(&e->body);
    size_t at = 0, messages = 0;
    while (at + 5 <= body.len) {
        size_t len = (size_t)body.data[at + 1] << 24 | (size_t)body.data[at + 2] << 16 |
                     (size_t)body.data[at + 3] << 8 | (size_t)body.data[at + 4];
        if (at + 5 + len > body.len)
            break;
        messages += body.data[at] == 0;
        at += 5 + len;
    }
    return messages;
}

static void test_each_message_is_answered_before_the_next(void **state)
{
    static const char *const types[] = {"application/grpc", "application/grpc+json",
                                        "application/connect+proto", "application/connect+json"};
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    for (size_t i = 0; i < PL_COUNT(types); i++) {
        bool json = strstr(types[i], "json") != NULL, grpc = i < 2;
        struct exchange *e = begin(client, types[i]);
        for (size_t j = 0; j < 5; j++) {
            uint8_t bytes[300];
            char text[24];
            snprintf(text, sizeof(text), "number %zu", j);
            client_more(e, bytes, json ? ask_json(bytes, text) : ask(bytes, text), false);
            PUMP_UNTIL(fx, client, count(e) == j + 1);
            assert_non_null(memmem(pl_buf_slice(&e->body).data, body_len(e), text, strlen(text)));
            assert_string_equal(field_of(e, "content-type"), types[i]);
            assert_false(e->closed);
        }
        client_more(e, NULL, 0, true);
        PUMP_UNTIL(fx, client, e->closed);
        assert_int_equal(e->close_code, 0);
        if (grpc)
            assert_string_equal(field_of(e, "grpc-status"), "0");
        else
            assert_memory_equal(pl_buf_slice(&e->body).data + body_len(e) - 7, "\2\0\0\0\2{}", 7);
        assert_int_equal(fx->done, i + 1);
        assert_int_equal(fx->done_code, PL_E_OK);
    }
    client_free(client);
}

static void test_messages_may_be_cut_and_joined(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    uint8_t bytes[1000];
    size_t len = ask(bytes, "one");
    len += grpc_frame(bytes + len, NULL, 0); /* the empty message is one */
    len += ask(bytes + len, "two");
    struct exchange *e = begin(client, "application/grpc");
    for (size_t i = 0; i < len; i++) {
        client_more(e, bytes + i, 1, i + 1 == len);
        PUMP_UNTIL(fx, client, e->sent == 1);
        pump_once(fx, client);
    }
    PUMP_UNTIL(fx, client, e->closed);
    assert_int_equal(count(e), 3);
    assert_string_equal(field_of(e, "grpc-status"), "0");
    struct request r = echo;
    r.keep_open = false;
    r.body = bytes;
    r.body_len = len;
    e = client_call(client, &r);
    assert_int_equal(count(e), 3);
    r.body_len = 0;
    e = client_call(client, &r); /* nothing asked, nothing answered */
    assert_int_equal(count(e), 0);
    assert_string_equal(field_of(e, "grpc-status"), "0");
    client_free(client);
}

static void test_what_is_wrong_ends_the_stream(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    static const struct {
        const char *bytes;
        size_t len;
        const char *status;
    } rows[] = {
        {"\0\0\0\0\2\x0a\xff", 7, "3"}, {"\0\0\0\0\3\xfa\x3f\0", 8, "3"},
        {"\0\0\0\0\2\x0a", 6, "13"},    {"\0\0\0", 3, "13"},
        {"\1\0\0\0\0", 5, "13"},        {"\2\0\0\0\0", 5, "13"},
        {"\0\0\0\x03\xe9", 5, "8"},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        uint8_t bytes[100];
        size_t len = ask(bytes, "good");
        memcpy(bytes + len, rows[i].bytes, rows[i].len);
        struct request r = echo;
        r.keep_open = false;
        r.body = bytes;
        r.body_len = len + rows[i].len;
        struct exchange *e = client_call(client, &r);
        assert_int_equal(count(e), 1);
        assert_string_equal(field_of(e, "grpc-status"), rows[i].status);
        assert_false(e->trailers_only);
    }
    client_free(client);
}

static void test_a_handler_may_end_it(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    uint8_t bytes[300];
    size_t len = ask(bytes, "go");
    len += ask(bytes + len, "stop");
    len += ask(bytes + len, "never seen");
    struct exchange *e = begin(client, "application/grpc");
    client_more(e, bytes, len, false);
    for (int i = 0; i < 50 && !e->closed; i++) {
        pump_for(fx, client, 100);
        pl_clock_fake_advance_us(&fx->clock, 1000000); /* after a moment it is told to stop */
    }
    assert_true(e->closed);
    assert_int_equal(e->close_code, 0);
    assert_string_equal(field_of(e, "grpc-status"), "9");
    assert_string_equal(field_of(e, "grpc-message"), "stopped");
    assert_int_equal(count(e), 1);
    assert_int_equal(fx->echoed, 1);
    assert_int_equal(fx->done_code, PL_E_REFUSED);
    client_free(client);
}

enum { MANY = 8000 };

/* MANY questions of 20 bytes, so that they fill a window. */
static size_t ask_many(uint8_t *out)
{
    size_t len = 0;
    for (int i = 0; i < MANY; i++) {
        char text[24];
        snprintf(text, sizeof(text), "question %04d", i);
        len += ask(out + len, text);
    }
    return len;
}

static void test_no_faster_than_the_answers_are_read(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    uint8_t *bytes = malloc(MANY * 32);
    size_t len = ask_many(bytes);
    assert_true(len > 150 * 1024);
    fx->echo_bytes = 1000;
    client->window_shut = true;
    struct exchange *e = begin(client, "application/grpc");
    client_more(e, bytes, len, true);
    PUMP_UNTIL(fx, client, body_len(e) == 65535);
    pump_for(fx, client, 50);
    assert_true(fx->echoed < 512); /* the queue of a stream is 256 KiB */
    assert_true(e->sent < len);    /* and its window is shut */
    unsigned before = fx->echoed;
    pump_for(fx, client, 50);
    assert_int_equal(fx->echoed, before);
    /* others are served meanwhile */
    nghttp2_session_consume_connection(client->session, 65535);
    uint8_t frame[5] = {0};
    struct exchange *other = client_call(
        client, &(struct request){
                    .path = EXECUTE, .type = "application/grpc", .body = frame, .body_len = 5});
    assert_string_equal(field_of(other, "grpc-status"), "0");
    client->window_shut = false;
    nghttp2_session_consume_stream(client->session, e->id, 65535);
    PUMP_UNTIL(fx, client, e->closed);
    assert_string_equal(field_of(e, "grpc-status"), "0");
    assert_int_equal(count(e), MANY);
    assert_int_equal(fx->echoed, MANY);
    client_free(client);
    free(bytes);
}

static void test_what_waits_is_freed_when_the_peer_leaves(void **state)
{
    struct fixture *fx = *state;
    uint8_t *bytes = malloc(MANY * 32);
    size_t len = ask_many(bytes);
    fx->echo_bytes = 1000;
    /* each leaves 100 KiB and more behind, and 2 MiB is all there is */
    for (int i = 0; i < 40; i++) {
        struct client *client = client_new(fx, fx->clerk);
        client->window_shut = true;
        struct exchange *e = begin(client, "application/grpc");
        client_more(e, bytes, len, true);
        PUMP_UNTIL(fx, client, body_len(e) == 65535);
        if (i % 2 == 0) {
            nghttp2_submit_rst_stream(client->session, 0, e->id, NGHTTP2_CANCEL);
            PUMP_UNTIL(fx, client, e->closed);
        }
        client_free(client);
        PUMP_UNTIL(fx, NULL, net_idle(fx->net));
    }
    assert_int_equal(fx->done, 40);
    assert_int_equal(fx->done_code, PL_E_CANCELLED);
    free(bytes);
}

static void test_what_waits_counts_as_unfinished(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    uint8_t *bytes = malloc(MANY * 32);
    size_t len = ask_many(bytes);
    fx->echo_bytes = 1000;
    client->window_shut = true;
    struct exchange *e = begin(client, "application/grpc");
    client_more(e, bytes, len, true);
    PUMP_UNTIL(fx, client, body_len(e) == 65535);
    PUMP_UNTIL(fx, client, fx->done == 1); /* more came than there is room for */
    assert_int_equal(fx->done_code, PL_E_BUSY);
    client->window_shut = false;
    nghttp2_session_consume_connection(client->session, 65535);
    nghttp2_session_consume_stream(client->session, e->id, 65535);
    PUMP_UNTIL(fx, client, *field_of(e, "grpc-status") != '\0');
    assert_string_equal(field_of(e, "grpc-status"), "8");
    client_free(client);
    /* what it held is given back: there is room for the same again, and for what fits into it */
    client = client_new(fx, fx->clerk);
    e = begin(client, "application/grpc");
    client_more(e, bytes, len / 4, true);
    PUMP_UNTIL(fx, client, e->closed);
    assert_string_equal(field_of(e, "grpc-status"), "0");
    client_free(client);
    free(bytes);
}

static void test_only_where_it_can_be_carried(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    uint8_t bytes[100];
    struct request r = {
        .path = ECHO, .type = "application/grpc-web-text", .body = "AAAAAAA=", .body_len = 8};
    struct exchange *e = client_call(client, &r);
    assert_string_equal(field_of(e, ":status"), "200");
    assert_memory_equal(body_text(e), "gAAA", 4); /* trailers alone: flag 0x80, in base64 */
    r.type = "application/json";
    e = client_call(client, &r);
    assert_string_equal(field_of(e, ":status"), "415");
    e = client_call(client,
                    &(struct request){.method = "GET", .path = ECHO "?encoding=json&message={}"});
    assert_string_equal(field_of(e, ":status"), "405");
    assert_int_equal(fx->echoed, 0);
    r = (struct request){
        .path = ECHO, .type = "application/grpc-web", .body = bytes, .body_len = ask(bytes, "x")};
    e = client_call(client, &r);
    assert_int_equal(fx->echoed, 1);
    assert_non_null(memmem(body_text(e), body_len(e), "grpc-status:0\r\n", 15));
    client_free(client);
}

/* HTTP/1.1 has one direction at a time: everything is asked, then everything answered. */
static void test_over_http_1(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new_raw(fx, fx->clerk, "\x08http/1.1");
    uint8_t bytes[300];
    size_t len = ask_json(bytes, "one");
    len += ask_json(bytes + len, "two");
    char head[300];
    snprintf(
        head, sizeof(head),
        "POST %s HTTP/1.1\r\nHost: localhost:7443\r\nContent-Type: application/connect+json\r\n"
        "Content-Length: %zu\r\n\r\n",
        ECHO, len);
    client_say(client, head);
    assert_true(pl_is_ok(pl_buf_append(&client->out, bytes, len)));
    PUMP_UNTIL(fx, client, fx->done == 1);
    PUMP_UNTIL(fx, client,
               memmem(pl_buf_slice(&client->in).data, pl_buf_len(&client->in), "\r\n0\r\n\r\n",
                      7) != NULL);
    struct pl_slice heard = pl_buf_slice(&client->in);
    assert_non_null(memmem(heard.data, heard.len, "HTTP/1.1 200", 12));
    assert_non_null(memmem(heard.data, heard.len, "\"catalogue\":\"one\"", 17));
    assert_non_null(memmem(heard.data, heard.len, "\"catalogue\":\"two\"", 17));
    assert_non_null(memmem(heard.data, heard.len, "\2\0\0\0\2{}", 7));
    assert_int_equal(fx->echoed, 2);
    client_free(client);
}

static void test_a_deadline_and_a_drain_end_it(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    uint8_t bytes[100];
    struct request r = echo;
    r.extra[0][0] = "grpc-timeout";
    r.extra[0][1] = "300m";
    struct exchange *timed = client_send(client, &r), *open = begin(client, "application/grpc");
    size_t len = ask(bytes, "x");
    client_more(timed, bytes, len, false);
    client_more(open, bytes, len, false);
    PUMP_UNTIL(fx, client, count(timed) == 1 && count(open) == 1);
    pl_clock_fake_advance_us(&fx->clock, 300000);
    PUMP_UNTIL(fx, client, field_of(timed, "grpc-status")[0] != '\0');
    assert_string_equal(field_of(timed, "grpc-status"), "4");
    assert_string_equal(field_of(open, "grpc-status"), "");
    net_drain(fx->net);
    PUMP_UNTIL(fx, client, field_of(open, "grpc-status")[0] != '\0');
    assert_string_equal(field_of(open, "grpc-status"), "14");
    client_free(client);
}

#define ROW(test_) cmocka_unit_test_setup_teardown(test_, setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_each_message_is_answered_before_the_next),
        ROW(test_messages_may_be_cut_and_joined),
        ROW(test_what_is_wrong_ends_the_stream),
        ROW(test_a_handler_may_end_it),
        ROW(test_no_faster_than_the_answers_are_read),
        ROW(test_what_waits_is_freed_when_the_peer_leaves),
        cmocka_unit_test_setup_teardown(test_what_waits_counts_as_unfinished, setup_tight,
                                        fixture_teardown),
        ROW(test_only_where_it_can_be_carried),
        ROW(test_over_http_1),
        ROW(test_a_deadline_and_a_drain_end_it),
    };
    return cmocka_run_group_tests_name("duplex", tests, NULL, NULL);
}
