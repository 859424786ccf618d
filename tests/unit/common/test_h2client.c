/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: calls end with what the server said, or with a failure that says whether the server may
 * have seen the request; nothing hangs, nothing is trusted that was not checked.
 */
#include "../apart.h"
#include "../client/fake_server.h"
#include "common/clock.h"
#include "common/h2client.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static struct fake_pki pki;

static int64_t in_ms(int64_t ms)
{
    struct pl_clock *clock = pl_clock_system();
    return clock->mono_ns(clock) + patience(ms) * 1000000;
}

static void echo(void *arg, unsigned n, const char *path, struct pl_slice request,
                 struct fake_reply *reply)
{
    (void)arg;
    (void)n;
    (void)path;
    fake_add_message(reply, request.data, request.len);
}

static struct pl_status open_client(const struct fake_server *server, const char *host,
                                    const char *ca, bool with_cert, struct pl_h2client_error *error,
                                    struct pl_h2client **ret)
{
    struct pl_h2client_options options = {.host = host,
                                          .port = server->port,
                                          .ca_file = ca,
                                          .cert_file = with_cert ? pki.client_cert : NULL,
                                          .key_file = with_cert ? pki.client_key : NULL};
    return pl_h2client_connect(&options, in_ms(5000), error, ret);
}

static struct pl_h2client *opened(const struct fake_server *server)
{
    struct pl_h2client *client = NULL;
    struct pl_h2client_error error;
    struct pl_status status = open_client(server, "127.0.0.1", pki.ca, true, &error, &client);
    if (!pl_is_ok(status))
        fail_msg("%s", error.text);
    return client;
}

/* A server, a client that is connected, and room for an answer. */
static struct pl_h2client *begin(struct fake_server *server, struct pl_h2client_reply *reply)
{
    fake_start(server);
    pl_h2client_reply_init(reply);
    return opened(server);
}

static void end(struct fake_server *server, struct pl_h2client *client,
                struct pl_h2client_reply *reply)
{
    pl_h2client_reply_fini(reply);
    pl_h2client_free(client);
    fake_stop(server);
}

/* --- what works --- */

static void test_a_unary_call_brings_the_answer(void **state)
{
    (void)state;
    struct fake_server server = {.pki = &pki, .handler = echo, .demand_cert = true};
    struct pl_h2client_reply reply;
    struct pl_h2client *client = begin(&server, &reply);
    const char *texts[] = {"", "x", "hello"};
    for (size_t i = 0; i < PL_COUNT(texts); i++) { /* one connection, many calls */
        struct pl_status status =
            pl_h2client_unary(client, "/a.B/C", pl_slice_str(texts[i]), in_ms(5000), &reply);
        assert_true(pl_is_ok(status));
        assert_int_equal(reply.grpc_status, 0);
        assert_true(pl_slice_eq_str(pl_buf_slice(&reply.body), texts[i]));
    }
    assert_int_equal(server.connections, 1);
    end(&server, client, &reply);
}

static void test_a_large_request_and_answer_pass(void **state)
{
    (void)state;
    struct fake_server server = {.pki = &pki, .handler = echo};
    struct pl_h2client_reply reply;
    struct pl_h2client *client = begin(&server, &reply);
    size_t len = 1 << 20;
    uint8_t *bytes = malloc(len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 7);
    struct pl_status status =
        pl_h2client_unary(client, "/a.B/C", pl_slice(bytes, len), in_ms(20000), &reply);
    assert_true(pl_is_ok(status));
    assert_true(pl_slice_eq(pl_buf_slice(&reply.body), pl_slice(bytes, len)));
    free(bytes);
    end(&server, client, &reply);
}

static void refuse(void *arg, unsigned n, const char *path, struct pl_slice request,
                   struct fake_reply *reply)
{
    (void)arg;
    (void)n;
    (void)path;
    (void)request;
    reply->grpc_status = 9;
    reply->message = "sold%20out: 100%25, caf%C3%A9 %zz";
    fake_set_details(reply, "type.googleapis.com/x.Y", "abc", 3);
}

static void test_status_message_and_details_are_decoded(void **state)
{
    (void)state;
    struct fake_server server = {.pki = &pki, .handler = refuse};
    struct pl_h2client_reply reply;
    struct pl_h2client *client = begin(&server, &reply);
    struct pl_status status =
        pl_h2client_unary(client, "/a.B/C", pl_slice_str("x"), in_ms(5000), &reply);
    assert_true(pl_is_ok(status));
    assert_int_equal(reply.grpc_status, 9);
    assert_true(pl_slice_eq_str(pl_buf_slice(&reply.message), "sold out: 100%, café %zz"));
    struct pl_slice details = pl_buf_slice(&reply.details);
    assert_true(details.len > 3 && memcmp(details.data + details.len - 3, "abc", 3) == 0);
    end(&server, client, &reply);
}

/* --- streams --- */

enum { PIECES = 300 };

static void stream_pieces(void *arg, unsigned n, const char *path, struct pl_slice request,
                          struct fake_reply *reply)
{
    (void)n;
    (void)path;
    (void)request;
    static uint8_t piece[10000];
    for (unsigned i = 0; i < PIECES; i++) {
        memset(piece, (int)i, sizeof(piece));
        fake_add_message(reply, piece, i % 3 == 0 ? 0 : sizeof(piece));
    }
    reply->way = arg == NULL ? FAKE_ANSWER : FAKE_DROP_MIDWAY;
}

static struct pl_status count_piece(void *arg, struct pl_slice message)
{
    unsigned *count = arg;
    if (*count % 3 == 0)
        assert_int_equal(message.len, 0);
    else
        assert_int_equal(message.data[message.len - 1], (uint8_t)*count);
    (*count)++;
    return pl_ok();
}

static void test_a_stream_comes_message_by_message(void **state)
{
    (void)state;
    struct fake_server server = {.pki = &pki, .handler = stream_pieces};
    struct pl_h2client_reply reply;
    struct pl_h2client *client = begin(&server, &reply);
    unsigned count = 0;
    struct pl_status status = pl_h2client_stream(client, "/a.B/S", pl_slice_str(""), in_ms(20000),
                                                 count_piece, &count, &reply);
    assert_true(pl_is_ok(status));
    assert_int_equal(count, PIECES);
    assert_int_equal(reply.grpc_status, 0);
    end(&server, client, &reply);
}

static void test_a_stream_that_breaks_off_is_no_success(void **state)
{
    (void)state;
    int midway = 1;
    struct fake_server server = {.pki = &pki, .handler = stream_pieces, .arg = &midway};
    struct pl_h2client_reply reply;
    struct pl_h2client *client = begin(&server, &reply);
    unsigned count = 0;
    struct pl_status status = pl_h2client_stream(client, "/a.B/S", pl_slice_str(""), in_ms(20000),
                                                 count_piece, &count, &reply);
    assert_int_equal(status.code, PL_E_UNAVAILABLE);
    assert_int_equal(reply.grpc_status, -1);
    assert_false(pl_h2client_usable(client));
    end(&server, client, &reply);
}

static void stall(void *arg, unsigned n, const char *path, struct pl_slice request,
                  struct fake_reply *reply)
{
    (void)arg;
    stream_pieces(NULL, n, path, request, reply);
    reply->way = FAKE_SILENCE_MIDWAY;
}

static void test_a_stream_that_falls_silent_ends_long_before_its_deadline(void **state)
{
    (void)state;
    struct fake_server server = {.pki = &pki, .handler = stall};
    fake_start(&server);
    struct pl_h2client_options options = {.host = "127.0.0.1",
                                          .port = server.port,
                                          .ca_file = pki.ca,
                                          .silence_ms = (int)patience(300)};
    struct pl_h2client *client = NULL;
    struct pl_h2client_error error;
    assert_true(pl_is_ok(pl_h2client_connect(&options, in_ms(5000), &error, &client)));
    struct pl_h2client_reply reply;
    pl_h2client_reply_init(&reply);
    unsigned count = 0;
    int64_t late = in_ms(10000);
    struct pl_status status = pl_h2client_stream(client, "/a.B/S", pl_slice_str(""), in_ms(20000),
                                                 count_piece, &count, &reply);
    assert_int_equal(status.code, PL_E_TIMEOUT);
    assert_string_equal(reply.error.text, "the answer does not go on");
    assert_int_equal(count, PIECES); /* what came before counts */
    assert_true(in_ms(0) < late);
    end(&server, client, &reply);
}

static struct pl_status stop_at_four(void *arg, struct pl_slice message)
{
    (void)message;
    unsigned *count = arg;
    return ++*count == 4 ? pl_fail(IO, "enough") : pl_ok();
}

static void test_a_callback_that_fails_ends_the_call_but_not_the_connection(void **state)
{
    (void)state;
    struct fake_server server = {.pki = &pki, .handler = stream_pieces};
    struct pl_h2client_reply reply;
    struct pl_h2client *client = begin(&server, &reply);
    unsigned count = 0;
    struct pl_status status = pl_h2client_stream(client, "/a.B/S", pl_slice_str(""), in_ms(20000),
                                                 stop_at_four, &count, &reply);
    assert_int_equal(status.code, PL_E_IO);
    assert_string_equal(status.what, "enough");
    assert_int_equal(count, 4);
    end(&server, client, &reply);
}

/* --- what goes wrong --- */

static const struct misbehaviour {
    enum fake_way way;
    int http;
    enum pl_code code; /* OK: the call ends with `grpc` */
    int grpc;
    bool maybe_processed;
} misbehaviours[] = {
    {FAKE_DROP, 0, PL_E_UNAVAILABLE, -1, true},
    {FAKE_DROP_MIDWAY, 0, PL_E_UNAVAILABLE, -1, true},
    {FAKE_RESET_REFUSED, 0, PL_E_UNAVAILABLE, -1, false},
    {FAKE_RESET_INTERNAL, 0, PL_E_UNAVAILABLE, -1, true},
    {FAKE_SILENCE, 0, PL_E_TIMEOUT, -1, true},
    {FAKE_HTTP, 503, PL_E_OK, 14, true},
    {FAKE_HTTP, 404, PL_E_OK, 12, true},
    {FAKE_HTTP, 403, PL_E_OK, 7, true},
    {FAKE_HTTP, 500, PL_E_OK, 2, true},
};

static void misbehave(void *arg, unsigned n, const char *path, struct pl_slice request,
                      struct fake_reply *reply)
{
    (void)n;
    (void)path;
    (void)request;
    const struct misbehaviour *how = arg;
    reply->way = how->way;
    reply->http_status = how->http;
}

static void test_every_broken_end_says_if_the_request_may_have_been_seen(void **state)
{
    (void)state;
    for (size_t i = 0; i < PL_COUNT(misbehaviours); i++) {
        struct misbehaviour how = misbehaviours[i];
        struct fake_server server = {.pki = &pki, .handler = misbehave, .arg = &how};
        fake_start(&server);
        struct pl_h2client *client = opened(&server);
        struct pl_h2client_reply reply;
        pl_h2client_reply_init(&reply);
        int64_t ms = how.way == FAKE_SILENCE ? 300 : 5000;
        struct pl_status status =
            pl_h2client_unary(client, "/a.B/C", pl_slice_str("x"), in_ms(ms), &reply);
        if (status.code != how.code || reply.grpc_status != how.grpc ||
            reply.maybe_processed != how.maybe_processed)
            fail_msg("case %zu: %s, grpc %d, maybe %d: %s", i, pl_code_name(status.code),
                     reply.grpc_status, reply.maybe_processed, reply.error.text);
        assert_true(pl_is_ok(status) || reply.error.text[0] != '\0');
        pl_h2client_reply_fini(&reply);
        pl_h2client_free(client);
        fake_stop(&server);
    }
}

static void two_answers(void *arg, unsigned n, const char *path, struct pl_slice request,
                        struct fake_reply *reply)
{
    (void)n;
    (void)path;
    (void)request;
    int count = *(int *)arg;
    for (int i = 0; i < count; i++)
        fake_add_message(reply, "x", 1);
}

static void test_a_unary_answer_is_exactly_one_message(void **state)
{
    (void)state;
    for (int count = 0; count <= 2; count++) {
        struct fake_server server = {.pki = &pki, .handler = two_answers, .arg = &count};
        fake_start(&server);
        struct pl_h2client *client = opened(&server);
        struct pl_h2client_reply reply;
        pl_h2client_reply_init(&reply);
        struct pl_status status =
            pl_h2client_unary(client, "/a.B/C", pl_slice_str("x"), in_ms(5000), &reply);
        assert_int_equal(status.code, count == 1 ? PL_E_OK : PL_E_INTERNAL);
        pl_h2client_reply_fini(&reply);
        pl_h2client_free(client);
        fake_stop(&server);
    }
}

static void too_large(void *arg, unsigned n, const char *path, struct pl_slice request,
                      struct fake_reply *reply)
{
    (void)arg;
    (void)n;
    (void)path;
    (void)request;
    static const uint8_t head[] = {0, 0x7F, 0xFF, 0xFF, 0xFF, 'x'};
    PL_ASSERT(pl_is_ok(pl_buf_append(&reply->body, head, sizeof(head))));
}

static void test_an_answer_over_the_limit_is_refused_before_it_is_stored(void **state)
{
    (void)state;
    struct fake_server server = {.pki = &pki, .handler = too_large};
    struct pl_h2client_reply reply;
    struct pl_h2client *client = begin(&server, &reply);
    struct pl_status status =
        pl_h2client_unary(client, "/a.B/C", pl_slice_str("x"), in_ms(5000), &reply);
    assert_int_equal(status.code, PL_E_TOO_BIG);
    end(&server, client, &reply);
}

static void goodbye(void *arg, unsigned n, const char *path, struct pl_slice request,
                    struct fake_reply *reply)
{
    echo(arg, n, path, request, reply);
    reply->goaway = true;
}

static void test_after_goaway_the_answer_counts_and_the_connection_is_done(void **state)
{
    (void)state;
    struct fake_server server = {.pki = &pki, .handler = goodbye};
    struct pl_h2client_reply reply;
    struct pl_h2client *client = begin(&server, &reply);
    struct pl_status status =
        pl_h2client_unary(client, "/a.B/C", pl_slice_str("x"), in_ms(5000), &reply);
    assert_true(pl_is_ok(status));
    assert_false(pl_h2client_usable(client));
    status = pl_h2client_unary(client, "/a.B/C", pl_slice_str("x"), in_ms(5000), &reply);
    assert_int_equal(status.code, PL_E_UNAVAILABLE);
    assert_false(reply.maybe_processed);
    end(&server, client, &reply);
}

/* --- trust --- */

static void test_a_server_that_cannot_be_verified_is_not_talked_to(void **state)
{
    (void)state;
    struct fake_server server = {.pki = &pki, .handler = echo};
    fake_start(&server);
    struct pl_h2client *client = NULL;
    struct pl_h2client_error error;
    struct pl_status status =
        open_client(&server, "127.0.0.1", pki.other_ca, true, &error, &client);
    assert_int_equal(status.code, PL_E_UNAVAILABLE);
    assert_true(error.untrusted);
    assert_non_null(strstr(error.text, "certificate"));
    assert_null(client);
    /* the right authority, another name */
    status = open_client(&server, "127.0.0.2", pki.ca, true, &error, &client);
    assert_false(pl_is_ok(status));
    status = open_client(&server, "localhost", pki.ca, true, &error, &client);
    assert_true(pl_is_ok(status));
    pl_h2client_free(client);
    assert_int_equal(server.requests, 0);
    fake_stop(&server);
}

static void test_a_refused_certificate_is_told_and_nothing_was_processed(void **state)
{
    (void)state;
    struct fake_server server = {.pki = &pki, .handler = echo, .demand_cert = true};
    fake_start(&server);
    struct pl_h2client *client = NULL;
    struct pl_h2client_error error;
    struct pl_status status = open_client(&server, "127.0.0.1", pki.ca, false, &error, &client);
    if (pl_is_ok(status)) { /* in TLS 1.3 the alert comes after our side is done */
        struct pl_h2client_reply reply;
        pl_h2client_reply_init(&reply);
        status = pl_h2client_unary(client, "/a.B/C", pl_slice_str("x"), in_ms(5000), &reply);
        assert_false(reply.maybe_processed && status.code == PL_E_UNAUTHENTICATED);
        pl_h2client_reply_fini(&reply);
        pl_h2client_free(client);
    }
    assert_true(status.code == PL_E_UNAUTHENTICATED || status.code == PL_E_UNAVAILABLE);
    assert_int_equal(server.requests, 0);
    fake_stop(&server);
}

static void test_a_server_without_http2_is_refused(void **state)
{
    (void)state;
    struct fake_server server = {.pki = &pki, .handler = echo, .alpn = "http/1.1"};
    fake_start(&server);
    struct pl_h2client *client = NULL;
    struct pl_h2client_error error;
    struct pl_status status = open_client(&server, "127.0.0.1", pki.ca, true, &error, &client);
    assert_int_equal(status.code, PL_E_INTERNAL);
    fake_stop(&server);
}

static void test_nobody_there_and_files_that_are_not_there(void **state)
{
    (void)state;
    struct fake_server server = {.pki = &pki, .handler = echo};
    fake_start(&server);
    struct pl_h2client *client = NULL;
    struct pl_h2client_error error;
    struct pl_h2client_options options = {.host = "127.0.0.1", .port = server.port};
    options.ca_file = "/nonexistent/ca.crt";
    struct pl_status status = pl_h2client_connect(&options, in_ms(2000), &error, &client);
    assert_int_equal(status.code, PL_E_CONFIG);
    assert_non_null(strstr(error.text, "/nonexistent/ca.crt"));
    options.ca_file = pki.ca;
    options.cert_file = pki.client_cert;
    options.key_file = pki.key; /* of somebody else */
    status = pl_h2client_connect(&options, in_ms(2000), &error, &client);
    assert_int_equal(status.code, PL_E_CONFIG);
    uint16_t port = server.port;
    fake_stop(&server);
    options = (struct pl_h2client_options){.host = "127.0.0.1", .port = port, .ca_file = pki.ca};
    status = pl_h2client_connect(&options, in_ms(2000), &error, &client);
    assert_int_equal(status.code, PL_E_UNAVAILABLE);
    assert_int_equal(error.sys_errno, ECONNREFUSED); /* in parts, for other languages */
    assert_null(error.what);
    assert_int_equal(strncmp(error.where, "127.0.0.1:", 10), 0);
    assert_non_null(strstr(error.text, ": Connection refused"));
    assert_null(client);
}

static void test_a_call_that_begins_too_late_was_never_sent_and_says_so(void **state)
{
    (void)state;
    struct fake_server server = {.pki = &pki, .handler = echo};
    struct pl_h2client_reply reply;
    struct pl_h2client *client = begin(&server, &reply);
    struct pl_status status =
        pl_h2client_unary(client, "/a.B/C", pl_slice_str("x"), in_ms(-1), &reply);
    assert_int_equal(status.code, PL_E_TIMEOUT);
    assert_false(reply.maybe_processed);
    assert_string_equal(reply.error.text, "the deadline passed before the call");
    assert_true(pl_h2client_usable(client));
    end(&server, client, &reply);
}

static int make_pki(void **state)
{
    (void)state;
    fake_pki_init(&pki);
    return 0;
}

static int drop_pki(void **state)
{
    (void)state;
    fake_pki_fini(&pki);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_unary_call_brings_the_answer),
        cmocka_unit_test(test_a_large_request_and_answer_pass),
        cmocka_unit_test(test_status_message_and_details_are_decoded),
        cmocka_unit_test(test_a_stream_comes_message_by_message),
        cmocka_unit_test(test_a_stream_that_breaks_off_is_no_success),
        cmocka_unit_test(test_a_stream_that_falls_silent_ends_long_before_its_deadline),
        cmocka_unit_test(test_a_callback_that_fails_ends_the_call_but_not_the_connection),
        cmocka_unit_test(test_every_broken_end_says_if_the_request_may_have_been_seen),
        cmocka_unit_test(test_a_unary_answer_is_exactly_one_message),
        cmocka_unit_test(test_an_answer_over_the_limit_is_refused_before_it_is_stored),
        cmocka_unit_test(test_after_goaway_the_answer_counts_and_the_connection_is_done),
        cmocka_unit_test(test_a_server_that_cannot_be_verified_is_not_talked_to),
        cmocka_unit_test(test_a_refused_certificate_is_told_and_nothing_was_processed),
        cmocka_unit_test(test_a_server_without_http2_is_refused),
        cmocka_unit_test(test_nobody_there_and_files_that_are_not_there),
        cmocka_unit_test(test_a_call_that_begins_too_late_was_never_sent_and_says_so),
    };
    return cmocka_run_group_tests(tests, make_pki, drop_pki);
}
