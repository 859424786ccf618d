/* SPDX-License-Identifier: Apache-2.0
 *
 * net: the whole box: places for connections, the end of a turn, draining, closing, counting.
 */
#include "fixture.h"

static int setup(void **state)
{
    const struct net_limits limits = {.connections = 3};
    return fixture_setup(state, &limits);
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

/* --- what carries it --- */

#define GET_PAGE  "GET /page?x HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define PAGE_BODY "\r\n\r\n/page"
#define POST_TIERS                                                                                 \
    "POST " LIST_TIERS " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"        \
    "Content-Length: 2\r\n\r\n{}"

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* A resource and a Connect call, one after the other on one connection. */
static void talk_h1(struct fixture *fx, struct client *client)
{
    client_say(client, GET_PAGE);
    PUMP_UNTIL(fx, client, ends_with(client_heard(client), PAGE_BODY) || client->ended);
    assert_int_equal(strncmp(client_heard(client), "HTTP/1.1 200 OK\r\n", 17), 0);
    pl_buf_clear(&client->in);
    client_say(client, POST_TIERS);
    PUMP_UNTIL(fx, client, ends_with(client_heard(client), "}") || client->ended);
    assert_non_null(strstr(client_heard(client), "content-type: application/json\r\n"));
    assert_non_null(strstr(client_heard(client), "\"asOfSeq\":\"7\""));
    pl_buf_clear(&client->in);
    assert_false(client->ended);
}

static void test_http_1_1_over_tls(void **state)
{
    struct fixture *fx = *state;
    static const char *const alpns[] = {"\x08http/1.1", NULL};
    for (size_t i = 0; i < PL_COUNT(alpns); i++) {
        struct client *client = client_new_raw(fx, fx->clerk, alpns[i]);
        talk_h1(fx, client);
        client_say(client, "GET /tile/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
        PUMP_UNTIL(fx, client, strstr(client_heard(client), "403 Forbidden\r\n") != NULL);
        client_free(client);
    }
}

static void test_http_1_1_is_no_way_for_grpc(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new_raw(fx, fx->clerk, "\x08http/1.1");
    client_say(client, "POST " EXECUTE " HTTP/1.1\r\nHost: localhost\r\n"
                       "Content-Type: application/grpc\r\nContent-Length: 5\r\n\r\n.....");
    PUMP_UNTIL(fx, client, client->ended);
    assert_int_equal(strncmp(client_heard(client), "HTTP/1.1 505 ", 13), 0);
    assert_non_null(strstr(client_heard(client), "HTTP/2"));
    assert_int_equal(fx->executed, 0);
    client_free(client);
}

static void test_draining_closes_http_1_1(void **state)
{
    struct fixture *fx = *state;
    struct client *idle = client_new_raw(fx, fx->clerk, "\x08http/1.1");
    talk_h1(fx, idle);
    struct client *client = client_new_raw(fx, fx->clerk, "\x08http/1.1");
    fx->hold = true;
    client_say(client, "POST " EXECUTE " HTTP/1.1\r\nHost: localhost\r\n"
                       "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
    PUMP_UNTIL(fx, client, fx->held_count == 1);
    net_drain(fx->net);
    PUMP_UNTIL(fx, idle, idle->ended);
    pump_for(fx, client, 150);
    assert_false(client->ended);
    fixture_release(fx, 0);
    PUMP_UNTIL(fx, client, client->ended);
    assert_non_null(strstr(client_heard(client), "connection: close\r\n"));
    assert_non_null(strstr(client_heard(client), "\"seq\":\"1000\""));
    client_free(idle);
    client_free(client);
    PUMP_UNTIL(fx, NULL, net_idle(fx->net));
}

static const struct net_person guest = {"guest", PLEDGED__V1__ROLE__ROLE_CLERK};

static struct fixture *open_to(const struct net_person *anonymous, bool plain)
{
    const struct fixture_wish wish = {.plain = plain, .nobody_asked = true, .anonymous = anonymous};
    struct fixture *fx = calloc(1, sizeof(*fx));
    fixture_init_as(fx, &wish);
    return fx;
}

static void close_it(struct fixture *fx)
{
    fixture_fini(fx);
    free(fx);
}

static void test_without_tls_both_are_spoken(void **state)
{
    struct fixture *fx = open_to(&guest, true);
    (void)state;
    struct client *client = client_new_plain(fx);
    talk_h1(fx, client);
    client_free(client);
    client = client_new_plain(fx); /* in pieces that tell nothing at first */
    client_say(client, "P");
    pump_for(fx, client, 10);
    client_say(client, "OST " LIST_TIERS " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                       "Content-Type: application/json\r\n\r\n{}");
    PUMP_UNTIL(fx, client, ends_with(client_heard(client), "}"));
    client_free(client);
    client = client_new_plain(fx);
    client_session(client, 65535);
    struct exchange *e = client_call(client, &execute);
    assert_string_equal(field_of(e, "grpc-status"), "0");
    assert_string_equal(fx->identity, "anonymous");
    assert_string_equal(fx->issuer, "");
    client_free(client);
    client = client_new_plain(fx); /* the preface of HTTP/2 byte by byte, and then wrong */
    static const char wrong[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\nno";
    for (size_t i = 0; i + 1 < sizeof(wrong); i++) {
        client_say(client, (char[]){wrong[i], '\0'});
        pump_for(fx, client, 1);
    }
    PUMP_UNTIL(fx, client, client->ended);
    client_free(client);
    close_it(fx);
}

static void test_peers_without_certificate_are_who_the_options_say(void **state)
{
    struct fixture *fx = open_to(&guest, false);
    (void)state;
    SSL_CTX *nobody = fixture_client_context(fx, NULL);
    SSL_CTX *const contexts[] = {nobody, fx->auditor /* is not asked, so it is nobody too */};
    for (size_t i = 0; i < PL_COUNT(contexts); i++) {
        struct client *client = client_new(fx, contexts[i]);
        struct exchange *e = client_call(client, &execute);
        assert_string_equal(field_of(e, "grpc-status"), "0");
        assert_string_equal(fx->identity, "anonymous");
        client_free(client);
    }
    SSL_CTX_free(nobody);
    close_it(fx);
    fx = open_to(NULL, true); /* nobody may do nothing */
    struct client *client = client_new_plain(fx);
    client_session(client, 65535);
    struct exchange *e = client_call(client, &execute);
    assert_string_equal(field_of(e, "grpc-status"), "16");
    client_free(client);
    close_it(fx);
}

#define ROW(test_) cmocka_unit_test_setup_teardown(test_, setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_newcomers_wait_for_a_place),
        ROW(test_draining_lets_calls_finish),
        ROW(test_closing_all_ends_what_is_left),
        ROW(test_all_answers_of_a_turn_leave_in_one_write),
        ROW(test_the_house_is_counted),
        ROW(test_many_connections_in_a_row),
        ROW(test_http_1_1_over_tls),
        ROW(test_http_1_1_is_no_way_for_grpc),
        ROW(test_draining_closes_http_1_1),
        cmocka_unit_test(test_without_tls_both_are_spoken),
        cmocka_unit_test(test_peers_without_certificate_are_who_the_options_say),
    };
    return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
