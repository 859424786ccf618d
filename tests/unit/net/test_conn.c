/* SPDX-License-Identifier: Apache-2.0
 *
 * conn: what slow, silent, greedy and leaving peers get. Times are the fake clock's.
 */
#include "fixture.h"

static int setup(void **state)
{
    const struct net_limits limits = {
        .connections = 3,
        .handshake_ms = 1000,
        .preface_ms = 1000,
        .idle_ms = 5000,
        .request_ms = 2000,
        .write_stall_ms = 3000,
        .write_high_bytes = 100 * 1000,
    };
    struct fixture *fx = calloc(1, sizeof(*fx));
    fixture_init(fx, &limits);
    *state = fx;
    return 0;
}

static int teardown(void **state)
{
    fixture_fini(*state);
    free(*state);
    return 0;
}

static uint8_t empty_frame[5];
static const struct request execute = {
    .path = EXECUTE, .type = "application/grpc", .body = empty_frame, .body_len = 5};
static const struct request tiers = {
    .path = LIST_TIERS, .type = "application/grpc", .body = empty_frame, .body_len = 5};

static void advance(struct fixture *fx, int ms)
{
    pl_clock_fake_advance_us(&fx->clock, ms * 1000LL);
}

static struct client *connected(struct fixture *fx)
{
    struct client *client = client_new(fx, fx->clerk);
    PUMP_UNTIL(fx, client, client->max_streams != 0);
    return client;
}

static void test_a_silent_newcomer_is_let_go(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new_raw(fx, fx->clerk, "\x02h2");
    PUMP_UNTIL(fx, NULL, !net_idle(fx->net));
    advance(fx, 999);
    pump_for(fx, NULL, 600); /* two ticks at least */
    assert_false(net_idle(fx->net));
    advance(fx, 2);
    PUMP_UNTIL(fx, NULL, net_idle(fx->net));
    assert_string_equal(fx->refused, "the TLS handshake took too long");
    client_free(client);
}

static void test_a_handshake_without_preface_is_let_go(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new_raw(fx, fx->clerk, "\x02h2"); /* no HTTP/2 session */
    PUMP_UNTIL(fx, client, client->handshake_done);
    pump_for(fx, client, 20);
    assert_false(net_idle(fx->net));
    advance(fx, 1001);
    PUMP_UNTIL(fx, client, net_idle(fx->net));
    client_free(client);
}

static void test_a_wrong_preface_ends_the_connection(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new_raw(fx, fx->clerk, "\x02h2");
    PUMP_UNTIL(fx, client, client->handshake_done);
    assert_int_equal(SSL_write(client->ssl, "GET / HTTP/1.1\r\n\r\n......", 24), 24);
    PUMP_UNTIL(fx, client, client->ended);
    PUMP_UNTIL(fx, NULL, net_idle(fx->net));
    struct net_stats stats;
    net_get_stats(fx->net, &stats);
    assert_int_equal(stats.protocol_errors, 1);
    client_free(client);
}

static void test_an_idle_connection_is_told_to_go(void **state)
{
    struct fixture *fx = *state;
    struct client *client = connected(fx);
    advance(fx, 4900);
    (void)client_call(client, &execute);
    advance(fx, 4900); /* counted from the last request */
    pump_for(fx, client, 600);
    assert_false(client->goaway);
    fx->hold = true;
    (void)client_send(client, &execute);
    PUMP_UNTIL(fx, client, fx->held_count == 1);
    advance(fx, 10000); /* a running call is not idleness */
    pump_for(fx, client, 600);
    assert_false(client->goaway);
    fixture_release(fx, 0);
    PUMP_UNTIL(fx, client, client->exchange[1]->closed);
    advance(fx, 5001);
    PUMP_UNTIL(fx, client, client->ended);
    assert_true(client->goaway);
    assert_int_equal(client->goaway_code, NGHTTP2_NO_ERROR);
    assert_string_equal(client->goaway_debug, "max_idle");
    client_free(client);
    PUMP_UNTIL(fx, NULL, net_idle(fx->net));
}

static void test_a_request_must_become_complete(void **state)
{
    struct fixture *fx = *state;
    struct client *client = connected(fx);
    struct request slow = execute;
    slow.body_len = 3;
    slow.keep_open = true;
    struct exchange *e = client_send(client, &slow);
    pump_for(fx, client, 20);
    advance(fx, 2001);
    PUMP_UNTIL(fx, client, e->head_count > 0);
    assert_string_equal(field_of(e, "grpc-status"), "4");
    advance(fx, 1001);
    PUMP_UNTIL(fx, client, e->closed);
    e = client_call(client, &execute); /* the others go on */
    assert_string_equal(field_of(e, "grpc-status"), "0");
    client_free(client);
}

static void test_output_that_does_not_move_ends_the_connection(void **state)
{
    struct fixture *fx = *state;
    struct client *client = connected(fx);
    client->window_shut = true;
    fx->reply_bytes = 200000;
    struct exchange *e = client_send(client, &tiers);
    PUMP_UNTIL(fx, client, body_len(e) == 65535);
    pump_for(fx, client, 600);
    advance(fx, 2900);
    pump_for(fx, client, 600);
    assert_false(client->ended);
    nghttp2_session_consume(client->session, e->id, 40000); /* it moves: the time begins anew */
    PUMP_UNTIL(fx, client, body_len(e) > 65535);
    pump_for(fx, client, 600);
    advance(fx, 2900);
    pump_for(fx, client, 600);
    assert_false(client->ended);
    advance(fx, 200);
    PUMP_UNTIL(fx, client, client->ended);
    client_free(client);
}

static void test_who_does_not_read_gets_no_more_work_done(void **state)
{
    enum { REQUESTS = 60, BYTES = 60000 };
    struct fixture *fx = *state;
    struct client *client = connected(fx);
    client->window_shut = true;
    fx->reply_bytes = BYTES;
    struct exchange *e[REQUESTS];
    for (size_t i = 0; i < REQUESTS; i++)
        e[i] = client_send(client, &tiers);
    pump_for(fx, client, 100);
    assert_true(fx->listed >= 2);
    assert_true(fx->listed <= 5); /* 64 KiB are out, 100 kB wait */
    /* the window opens again, and everything is answered */
    client->window_shut = false;
    for (size_t i = 0; i < REQUESTS; i++)
        nghttp2_session_consume(client->session, e[i]->id, body_len(e[i]));
    for (size_t i = 0; i < REQUESTS; i++) {
        PUMP_UNTIL(fx, client, e[i]->closed);
        assert_string_equal(field_of(e[i], "grpc-status"), "0");
        assert_true(body_len(e[i]) > BYTES);
    }
    assert_int_equal(fx->listed, REQUESTS);
    client_free(client);
}

static void test_a_full_socket_stops_reading(void **state)
{
    enum { REQUESTS = 250, BYTES = 60000 };
    struct fixture *fx = *state;
    struct client *client = client_new_raw(fx, fx->clerk, "\x02h2");
    client_session(client, 0x7fffffff); /* HTTP/2 would take everything, the socket does not */
    nghttp2_session_set_local_window_size(client->session, 0, 0, 0x7fffffff);
    PUMP_UNTIL(fx, client, client->max_streams != 0);
    client->no_reading = true;
    fx->reply_bytes = BYTES;
    struct exchange *e[REQUESTS];
    for (size_t i = 0; i < REQUESTS; i++)
        e[i] = client_send(client, &tiers);
    pump_for(fx, client, 300);
    assert_true(fx->listed < REQUESTS); /* 15 MB do not fit the socket */
    struct net_stats stats;
    net_get_stats(fx->net, &stats);
    uint64_t heads = stats.requests;
    struct exchange *late = client_send(client, &execute);
    pump_for(fx, client, 50);
    net_get_stats(fx->net, &stats);
    assert_int_equal(stats.requests, heads); /* not even its head was read */
    client->no_reading = false;
    PUMP_UNTIL(fx, client, late->closed);
    for (size_t i = 0; i < REQUESTS; i++) {
        PUMP_UNTIL(fx, client, e[i]->closed);
        assert_string_equal(field_of(e[i], "grpc-status"), "0");
    }
    assert_int_equal(fx->listed, REQUESTS);
    client_free(client);
}

static void test_a_goodbye_that_is_not_returned_has_an_end(void **state)
{
    struct fixture *fx = *state;
    struct client *client = connected(fx);
    advance(fx, 5001);
    PUMP_UNTIL(fx, client, client->goaway);
    pump_for(fx, NULL, 50); /* the client does not close */
    assert_false(net_idle(fx->net));
    advance(fx, 1001);
    PUMP_UNTIL(fx, NULL, net_idle(fx->net));
    client_free(client);
}

#define ROW(test_) cmocka_unit_test_setup_teardown(test_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_a_silent_newcomer_is_let_go),
        ROW(test_a_handshake_without_preface_is_let_go),
        ROW(test_a_wrong_preface_ends_the_connection),
        ROW(test_an_idle_connection_is_told_to_go),
        ROW(test_a_request_must_become_complete),
        ROW(test_output_that_does_not_move_ends_the_connection),
        ROW(test_who_does_not_read_gets_no_more_work_done),
        ROW(test_a_full_socket_stops_reading),
        ROW(test_a_goodbye_that_is_not_returned_has_an_end),
    };
    return cmocka_run_group_tests_name("conn", tests, NULL, NULL);
}
