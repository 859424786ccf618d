/* SPDX-License-Identifier: Apache-2.0
 *
 * net: the whole box: places for connections, the end of a turn, draining, closing, counting.
 */
#include "fixture.h"

static int setup(void **state)
{
    const struct net_limits limits = {.connections = 3};
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

static struct client *connected(struct fixture *fx)
{
    struct client *client = client_new(fx, fx->clerk);
    PUMP_UNTIL(fx, client, client->max_streams != 0);
    return client;
}

static void test_newcomers_wait_for_a_place(void **state)
{
    struct fixture *fx = *state;
    struct client *client[4];
    struct net_stats stats;
    for (size_t i = 0; i < 3; i++)
        client[i] = connected(fx);
    client[3] = client_new(fx, fx->clerk);
    pump_for(fx, client[3], 50);
    assert_false(client[3]->handshake_done);
    net_get_stats(fx->net, &stats);
    assert_int_equal(stats.connections, 3);
    client_free(client[1]);
    PUMP_UNTIL(fx, client[3], client[3]->handshake_done);
    (void)client_call(client[3], &execute);
    client_free(client[0]);
    client_free(client[2]);
    client_free(client[3]);
}

static void test_draining_lets_calls_finish(void **state)
{
    struct fixture *fx = *state;
    struct client *client = connected(fx);
    struct client *quiet = connected(fx);
    fx->hold = true;
    struct exchange *e = client_send(client, &execute);
    PUMP_UNTIL(fx, client, fx->held_count == 1);
    net_drain(fx->net);
    net_drain(fx->net); /* twice is harmless */
    PUMP_UNTIL(fx, client, client->goaway_count >= 1);
    assert_int_equal(client->goaway_code, NGHTTP2_NO_ERROR);
    PUMP_UNTIL(fx, client, client->goaway_count >= 2);
    PUMP_UNTIL(fx, quiet, quiet->ended); /* it had nothing to wait for */
    assert_false(client->ended);
    assert_false(net_idle(fx->net));
    fixture_release(fx, 0);
    PUMP_UNTIL(fx, client, client->ended);
    assert_true(e->closed);
    assert_string_equal(field_of(e, "grpc-status"), "0");
    client_free(client);
    client_free(quiet);
    PUMP_UNTIL(fx, NULL, net_idle(fx->net));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(fx->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
    close(fd);
}

static void test_closing_all_ends_what_is_left(void **state)
{
    struct fixture *fx = *state;
    struct client *client = connected(fx);
    fx->hold = true;
    fx->dump_messages = 100;
    fx->dump_message_bytes = 100000;
    client->window_shut = true;
    (void)client_send(client, &execute);
    struct request dump = execute;
    dump.path = DUMP;
    (void)client_send(client, &dump);
    PUMP_UNTIL(fx, client, fx->held_count == 1 && fx->dumps_begun == 1);
    net_close_all(fx->net);
    assert_true(net_idle(fx->net));
    assert_int_equal(fx->dumps_gone, 1); /* told at once: no turn follows any more */
    assert_true(call_gone(fx->held[0]));
    net_close_all(fx->net);
    client_free(client); /* the held call is answered by the fixture's end */
}

/* What waits on the client's socket, as TLS records. */
static size_t records_waiting(const struct client *client)
{
    uint8_t raw[65536];
    ssize_t len = recv(client->fd, raw, sizeof(raw), MSG_PEEK);
    size_t count = 0;
    for (ssize_t at = 0; at + 5 <= len; count++)
        at += 5 + (raw[at + 3] << 8 | raw[at + 4]);
    return count;
}

static void test_all_answers_of_a_turn_leave_in_one_write(void **state)
{
    struct fixture *fx = *state;
    struct client *client = connected(fx);
    fx->hold = true;
    for (size_t i = 0; i < 20; i++)
        (void)client_send(client, &execute);
    PUMP_UNTIL(fx, client, fx->held_count == 20);
    pump_for(fx, client, 5);
    assert_int_equal(records_waiting(client), 0);
    for (size_t i = 0; i < 10; i++)
        fixture_release(fx, i);
    assert_int_equal(records_waiting(client), 0);
    event_base_loop(fx->base, EVLOOP_NONBLOCK);
    assert_int_equal(records_waiting(client), 1);
    client_step(client);
    for (size_t i = 10; i < 20; i++)
        fixture_release(fx, i);
    net_flush(fx->net); /* without waiting for the turn's end */
    assert_int_equal(records_waiting(client), 1);
    client_step(client);
    for (size_t i = 0; i < 20; i++)
        assert_true(client->exchange[i]->closed);
    client_free(client);
}

static void test_the_house_is_counted(void **state)
{
    struct fixture *fx = *state;
    struct net_stats stats;
    assert_true(net_idle(fx->net));
    struct client *client = connected(fx);
    (void)client_call(client, &execute);
    (void)client_call(client, &execute);
    net_get_stats(fx->net, &stats);
    assert_int_equal(stats.accepted, 1);
    assert_int_equal(stats.connections, 1);
    assert_int_equal(stats.requests, 2);
    assert_int_equal(stats.handshake_failures + stats.refused_busy + stats.protocol_errors, 0);
    assert_false(net_idle(fx->net));
    client_free(client);
    PUMP_UNTIL(fx, NULL, net_idle(fx->net));
    net_get_stats(fx->net, &stats);
    assert_int_equal(stats.accepted, 1);
    assert_int_equal(stats.connections, 0);
}

static void test_many_connections_in_a_row(void **state)
{
    struct fixture *fx = *state;
    for (int i = 0; i < 30; i++) {
        struct client *client = client_new(fx, i % 2 == 0 ? fx->clerk : fx->auditor);
        struct exchange *e = client_call(client, &execute);
        assert_string_equal(field_of(e, "grpc-status"), "0");
        client_free(client);
    }
    PUMP_UNTIL(fx, NULL, net_idle(fx->net));
    struct net_stats stats;
    net_get_stats(fx->net, &stats);
    assert_int_equal(stats.accepted, 30);
}

#define ROW(test_) cmocka_unit_test_setup_teardown(test_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_newcomers_wait_for_a_place),    ROW(test_draining_lets_calls_finish),
        ROW(test_closing_all_ends_what_is_left), ROW(test_all_answers_of_a_turn_leave_in_one_write),
        ROW(test_the_house_is_counted),          ROW(test_many_connections_in_a_row),
    };
    return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
