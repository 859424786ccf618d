/* SPDX-License-Identifier: Apache-2.0
 *
 * conn: what slow, silent, greedy and leaving peers get. Times are the fake clock's.
 */
#include "fixture.h"
#include "server/net/quota.h"

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
    return fixture_setup(state, &limits);
}

static const struct request tiers = {
    .path = LIST_TIERS, .type = "application/grpc", .body = empty_frame, .body_len = 5};

static void advance(struct fixture *fx, int ms)
{
    pl_clock_fake_advance_us(&fx->clock, ms * 1000LL);
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
    struct net_stats stats;
    struct exchange *e = client_send(client, &slow);
    PUMP_UNTIL(fx, client, (net_get_stats(fx->net, &stats), stats.requests == 1));
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
    PUMP_UNTIL(fx, client, fx->listed >= 2);
    pump_for(fx, client, 100);
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

/* --- long-lived calls --- */

static const struct request watch = {
    .path = WATCH, .type = "application/grpc", .body = empty_frame, .body_len = 5};

static struct exchange *watching(struct fixture *fx, struct client *client)
{
    unsigned before = fx->watches_begun;
    struct exchange *e = client_send(client, &watch);
    PUMP_UNTIL(fx, client, fx->watches_begun > before && body_len(e) > 0);
    return e;
}

static void test_times_do_not_cut_long_lived_calls(void **state)
{
    struct fixture *fx = *state;
    struct client *client = connected(fx);
    struct exchange *e = watching(fx, client);
    for (int i = 0; i < 3; i++) {
        advance(fx, 100000);
        pump_for(fx, client, 600);
    }
    assert_false(e->closed);
    assert_false(client->goaway);
    client_free(client);
    PUMP_UNTIL(fx, NULL, fx->watches_gone == 1);
}

static void test_draining_ends_long_lived_calls_with_a_word(void **state)
{
    struct fixture *fx = *state;
    struct client *client = connected(fx);
    struct exchange *e = watching(fx, client);
    net_drain(fx->net);
    PUMP_UNTIL(fx, client, e->closed);
    assert_string_equal(field_of(e, "grpc-status"), "14");
    assert_int_equal(fx->watches_drained, 1);
    PUMP_UNTIL(fx, client, client->ended);
    client_free(client);
}

static void test_a_stuck_stream_is_reset_and_the_others_go_on(void **state)
{
    struct fixture *fx = *state;
    struct client *client = connected(fx);
    client->window_shut = true;
    fx->dump_messages = 100;
    fx->dump_message_bytes = 10000;
    struct request dump = execute;
    dump.path = DUMP;
    struct exchange *e = client_send(client, &dump);
    PUMP_UNTIL(fx, client, body_len(e) == 65535);
    nghttp2_session_consume_connection(client->session, 65535); /* its own window stays shut */
    for (int i = 0; i < 8; i++) {                               /* others move all the time */
        advance(fx, 500);
        pump_for(fx, client, 300);
        if (!e->closed)
            (void)client_call(client, &execute);
    }
    PUMP_UNTIL(fx, client, e->closed);
    assert_int_equal(e->close_code, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_false(client->ended);
    PUMP_UNTIL(fx, client, fx->dumps_gone == 1);
    struct exchange *other = client_call(client, &execute);
    assert_string_equal(field_of(other, "grpc-status"), "0");
    client_free(client);
}

/* --- age and life --- */

/* A fixture of its own for each kind of limit. */
static struct fixture *with(const struct fixture_wish *wish)
{
    struct fixture *fx = calloc(1, sizeof(*fx));
    fixture_init_as(fx, wish);
    return fx;
}

static void without(struct fixture *fx)
{
    fixture_fini(fx);
    free(fx);
}

static void test_old_connections_are_told_to_go(void **state)
{
    const struct fixture_wish wish = {
        .limits = {.max_age_ms = 10000, .max_age_grace_ms = 5000, .preface_ms = 1000}};
    struct fixture *fx = with(&wish);
    (void)state;
    fx->hold = true;
    struct client *client = connected(fx);
    struct exchange *unary = client_send(client, &execute);
    struct exchange *stream = watching(fx, client);
    PUMP_UNTIL(fx, client, fx->held_count == 1);
    advance(fx, 8900);
    pump_for(fx, client, 600);
    assert_false(client->goaway);
    advance(fx, 2100); /* the tenth more or less is over */
    PUMP_UNTIL(fx, client, client->goaway_count == 1);
    assert_int_equal(client->goaway_last[0], 0x7fffffff);
    PUMP_UNTIL(fx, client, stream->closed);
    assert_string_equal(field_of(stream, "grpc-status"), "14");
    advance(fx, 100);
    PUMP_UNTIL(fx, client, client->goaway_count == 2);
    assert_string_equal(client->goaway_debug, "max_age");
    assert_int_equal(client->goaway_code, NGHTTP2_NO_ERROR);
    assert_int_equal(client->goaway_last[1], 3);
    advance(fx, 4800);
    pump_for(fx, client, 600);
    assert_false(unary->closed);
    advance(fx, 200); /* the grace is over */
    PUMP_UNTIL(fx, client, client->ended);
    assert_string_equal(field_of(unary, "grpc-status"), "14");
    assert_true(call_gone(fx->held[0]));
    client_free(client);
    without(fx);
}

static void test_not_all_grow_old_together(void **state)
{
    enum { CLIENTS = 16 };
    const struct fixture_wish wish = {.limits = {.max_age_ms = 10000, .preface_ms = 1000}};
    struct fixture *fx = with(&wish);
    struct client *client[CLIENTS];
    size_t gone = 0;
    (void)state;
    for (size_t i = 0; i < CLIENTS; i++)
        client[i] = connected(fx);
    advance(fx, 10000);
    pump_for(fx, NULL, 600);
    for (size_t i = 0; i < CLIENTS; i++) {
        pump_once(fx, client[i]);
        gone += client[i]->goaway;
    }
    assert_in_range(gone, 1, CLIENTS - 1); /* else one of 32768 runs */
    advance(fx, 1001);
    for (size_t i = 0; i < CLIENTS; i++) {
        PUMP_UNTIL(fx, client[i], client[i]->goaway);
        client_free(client[i]);
    }
    without(fx);
}

/* A call that came between the two GOAWAYs. */
static void test_calls_that_come_late_hear_it_too(void **state)
{
    const struct fixture_wish wish = {.limits = {.max_age_ms = 10000, .preface_ms = 1000}};
    struct fixture *fx = with(&wish);
    (void)state;
    struct client *watcher = connected(fx); /* its client does not mind a GOAWAY that it missed */
    advance(fx, 11000);
    pump_for(fx, NULL, 600); /* the first GOAWAY is on its way */
    struct exchange *e = client_send(watcher, &watch);
    PUMP_UNTIL(fx, watcher, e->closed);
    assert_string_equal(field_of(e, "grpc-status"), "14");
    assert_int_equal(fx->watches_drained, 1);
    client_free(watcher);
    without(fx);
}

static void test_silent_peers_are_asked_and_dropped(void **state)
{
    const struct fixture_wish wish = {
        .limits = {.keepalive_ms = 10000, .keepalive_timeout_ms = 2000}};
    struct fixture *fx = with(&wish);
    (void)state;
    struct client *client = connected(fx);
    (void)watching(fx, client);
    pump_for(fx, client, 600);
    for (int i = 1; i <= 3; i++) {
        advance(fx, 9999);
        pump_for(fx, client, 1100);
        assert_int_equal(client->pinged, i - 1);
        advance(fx, 1);
        PUMP_UNTIL(fx, client, client->pinged == i);
        pump_for(fx, client, 1100); /* the answer is a sign of life */
    }
    advance(fx, 10000);
    pump_for(fx, NULL, 1100); /* asked, and no answer */
    advance(fx, 1999);
    pump_for(fx, NULL, 1100);
    assert_false(net_idle(fx->net));
    advance(fx, 1);
    PUMP_UNTIL(fx, NULL, net_idle(fx->net));
    assert_int_equal(fx->watches_gone, 1);
    client_free(client);
    without(fx);
}

static void test_watchers_have_places_of_their_own(void **state)
{
    const struct fixture_wish wish = {.limits = {.calls = 1, .watchers = 2}};
    struct fixture *fx = with(&wish);
    struct net_stats stats;
    (void)state;
    struct client *client = connected(fx);
    (void)watching(fx, client);
    struct exchange *second = watching(fx, client);
    struct exchange *third = client_call(client, &watch);
    assert_string_equal(field_of(third, "grpc-status"), "8");
    struct exchange *unary = client_call(client, &execute);
    assert_string_equal(field_of(unary, "grpc-status"), "0");
    net_get_stats(fx->net, &stats);
    assert_int_equal(stats.running_watchers, 2);
    assert_int_equal(stats.running_calls, 0);
    nghttp2_submit_rst_stream(client->session, 0, second->id, NGHTTP2_CANCEL);
    PUMP_UNTIL(fx, client, fx->watches_gone == 1);
    (void)watching(fx, client);
    client_free(client);
    without(fx);
}

/* --- certificates have limits --- */

static void test_a_certificate_has_so_many_connections(void **state)
{
    struct net_quota *quota = net_quota_new();
    const struct fixture_wish wish = {.limits = {.person_connections = 2}, .quota = quota};
    struct fixture *fx = with(&wish);
    struct net_stats stats;
    (void)state;
    struct client *one = connected(fx), *two = connected(fx);
    struct client *three = client_new(fx, fx->clerk);
    PUMP_UNTIL(fx, three, three->ended);
    assert_int_equal(three->goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_string_equal(three->goaway_debug, "too_many_connections");
    assert_string_equal(fx->refused, "this certificate has too many connections");
    struct client *old = client_new_raw(fx, fx->clerk, "\x08http/1.1");
    PUMP_UNTIL(fx, old, old->ended);
    struct client *other = client_new(fx, fx->auditor);
    PUMP_UNTIL(fx, other, other->max_streams != 0);
    net_get_stats(fx->net, &stats);
    assert_int_equal(stats.refused_quota, 2);
    client_free(one);
    client_free(three);
    PUMP_UNTIL(fx, NULL, (net_get_stats(fx->net, &stats), stats.connections_h2 == 2));
    struct client *again = connected(fx);
    (void)client_call(again, &execute);
    client_free(two);
    client_free(old);
    client_free(other);
    client_free(again);
    without(fx);
    net_quota_free(quota);
}

static void test_a_certificate_makes_so_many_requests(void **state)
{
    struct net_quota *quota = net_quota_new();
    const struct fixture_wish wish = {.limits = {.person_requests_per_s = 10, .person_burst = 3},
                                      .quota = quota};
    struct fixture *fx = with(&wish);
    struct net_stats stats;
    (void)state;
    struct client *one = connected(fx), *two = connected(fx);
    for (int i = 0; i < 3; i++)
        assert_string_equal(field_of(client_call(i == 0 ? one : two, &execute), "grpc-status"),
                            "0");
    struct exchange *e = client_call(one, &execute);
    assert_string_equal(field_of(e, "grpc-status"), "8");
    struct client *other = client_new(fx, fx->auditor);
    assert_string_equal(field_of(client_call(other, &execute), "grpc-status"), "0");
    advance(fx, 100);
    assert_string_equal(field_of(client_call(one, &execute), "grpc-status"), "0");
    assert_string_equal(field_of(client_call(two, &execute), "grpc-status"), "8");
    net_get_stats(fx->net, &stats);
    assert_int_equal(stats.requests_over_quota, 2);
    assert_int_equal(stats.refused_busy, 2);
    client_free(one);
    client_free(two);
    client_free(other);
    without(fx);
    net_quota_free(quota);
}

/* --- who is there changes --- */

/* Also the second connection, for which the certificate was not judged again. */
static void test_an_expiring_certificate_cuts_off(void **state)
{
    struct fixture *fx = *state;
    struct net_stats stats;
    SSL_CTX *brief = fixture_client_for(fx, "URI:pledged:person:anna", 7200);
    struct client *clients[2];
    struct exchange *e[2];
    for (size_t i = 0; i < PL_COUNT(clients); i++) {
        clients[i] = client_new(fx, brief);
        PUMP_UNTIL(fx, clients[i], clients[i]->max_streams != 0);
        e[i] = watching(fx, clients[i]);
    }
    advance(fx, 7100 * 1000);
    for (size_t i = 0; i < PL_COUNT(clients); i++) {
        pump_for(fx, clients[i], 600);
        assert_false(clients[i]->ended);
    }
    advance(fx, 200 * 1000);
    for (size_t i = 0; i < PL_COUNT(clients); i++) {
        PUMP_UNTIL(fx, clients[i], clients[i]->ended);
        assert_string_equal(field_of(e[i], "grpc-status"), "16");
        assert_string_equal(clients[i]->goaway_debug, "the certificate has expired");
        client_free(clients[i]);
    }
    assert_string_equal(fx->refused, "the certificate has expired");
    assert_int_equal(fx->watches_gone, 2);
    net_get_stats(fx->net, &stats);
    assert_int_equal(stats.cut_off, 2);
    SSL_CTX_free(brief);
}

static void reload_roster(struct fixture *fx, Pledged__V1__Role anna)
{
    struct authz_roster *roster = fixture_roster_with(anna);
    const struct net_reload reload = {.roster = roster};
    net_reload(fx->net, &reload);
    authz_roster_free(fx->roster); /* calls that run keep what they need of it */
    fx->roster = roster;
}

static void test_a_role_that_changed_counts_from_the_next_call(void **state)
{
    struct fixture *fx = *state;
    struct client *client = connected(fx);
    struct request about = execute;
    about.path = GET_STATUS; /* auditors only */
    assert_string_equal(field_of(client_call(client, &about), "grpc-status"), "7");
    fx->hold = true;
    struct exchange *held = client_send(client, &execute);
    PUMP_UNTIL(fx, client, fx->held_count == 1);
    reload_roster(fx, PLEDGED__V1__ROLE__ROLE_AUDITOR);
    assert_string_equal(call_person(fx->held[0])->person, "anna");
    assert_int_equal(call_person(fx->held[0])->role, PLEDGED__V1__ROLE__ROLE_CLERK);
    assert_string_equal(field_of(client_call(client, &about), "grpc-status"), "0");
    fixture_release(fx, 0);
    PUMP_UNTIL(fx, client, held->closed);
    assert_string_equal(field_of(held, "grpc-status"), "0");
    assert_false(client->goaway);
    client_free(client);
}

static void test_a_call_that_lasts_learns_of_another_role(void **state)
{
    struct fixture *fx = *state;
    struct client *client = connected(fx);
    fx->hold = true;
    struct exchange *held = client_send(client, &execute);
    PUMP_UNTIL(fx, client, fx->held_count == 1);
    reload_roster(fx, PLEDGED__V1__ROLE__ROLE_CLERK); /* the same again */
    assert_false(call_outdated(fx->held[0]));
    reload_roster(fx, PLEDGED__V1__ROLE__ROLE_CLERK);
    reload_roster(fx, PLEDGED__V1__ROLE__ROLE_AUDITOR);
    assert_true(call_outdated(fx->held[0]));
    reload_roster(fx, PLEDGED__V1__ROLE__ROLE_CLERK); /* once is for ever */
    assert_true(call_outdated(fx->held[0]));
    assert_int_equal(call_person(fx->held[0])->role, PLEDGED__V1__ROLE__ROLE_CLERK);
    fixture_release(fx, 0);
    PUMP_UNTIL(fx, client, held->closed);
    client_free(client);
}

/* Who is matched lives in the roster of the moment of the match, not in that of the first byte. */
static void test_a_roster_that_changes_during_a_handshake(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    PUMP_UNTIL(fx, NULL, !net_idle(fx->net));
    reload_roster(fx, PLEDGED__V1__ROLE__ROLE_CLERK);
    PUMP_UNTIL(fx, client, client->max_streams != 0);
    fx->hold = true;
    struct exchange *held = client_send(client, &execute);
    PUMP_UNTIL(fx, client, fx->held_count == 1);
    reload_roster(fx, PLEDGED__V1__ROLE__ROLE_AUDITOR);
    assert_string_equal(call_person(fx->held[0])->person, "anna");
    assert_int_equal(call_person(fx->held[0])->role, PLEDGED__V1__ROLE__ROLE_CLERK);
    fixture_release(fx, 0);
    PUMP_UNTIL(fx, client, held->closed);
    assert_string_equal(field_of(held, "grpc-status"), "0");
    client_free(client);
}

static void test_who_left_the_roster_is_cut_off(void **state)
{
    struct fixture *fx = *state;
    struct client *client = connected(fx);
    struct client *old = client_new_raw(fx, fx->clerk, "\x08http/1.1");
    PUMP_UNTIL(fx, old, old->handshake_done);
    struct client *other = client_new(fx, fx->auditor);
    PUMP_UNTIL(fx, other, other->max_streams != 0);
    struct exchange *stream = watching(fx, client);
    fx->hold = true;
    struct exchange *unary = client_send(client, &execute);
    PUMP_UNTIL(fx, client, fx->held_count == 1);
    reload_roster(fx, PLEDGED__V1__ROLE__ROLE_UNSPECIFIED);
    assert_true(call_gone(fx->held[0]));
    PUMP_UNTIL(fx, client, client->ended);
    PUMP_UNTIL(fx, old, old->ended);
    assert_string_equal(field_of(stream, "grpc-status"), "16");
    assert_string_equal(field_of(unary, "grpc-status"), "14"); /* its outcome is not known */
    assert_true(client->goaway);
    assert_int_equal(fx->watches_gone, 1);
    fx->hold = false;
    assert_string_equal(field_of(client_call(other, &execute), "grpc-status"), "0");
    client_free(client);
    client_free(old);
    struct client *again = connected(fx); /* may come in, and do nothing */
    assert_string_equal(field_of(client_call(again, &execute), "grpc-status"), "16");
    reload_roster(fx, PLEDGED__V1__ROLE__ROLE_UNSPECIFIED); /* as before: nobody leaves */
    assert_string_equal(field_of(client_call(again, &execute), "grpc-status"), "16");
    reload_roster(fx, PLEDGED__V1__ROLE__ROLE_CLERK);
    assert_string_equal(field_of(client_call(again, &execute), "grpc-status"), "0");
    client_free(other);
    client_free(again);
}

/* The same files but for the revocation list or the CA. */
static struct tls_context *context_with(struct fixture *fx, const char *ca, const char *crl)
{
    const struct tls_files files = {.cert = fx->cert, .key = fx->key_file, .ca = ca, .crl = crl};
    char detail[256];
    struct tls_context *context = NULL;
    if (!pl_is_ok(tls_context_new(&files, detail, &context)))
        fail_msg("%s", detail);
    return context;
}

static void reload_tls(struct fixture *fx, const char *ca, const char *crl)
{
    struct tls_context *context = context_with(fx, ca, crl);
    const struct net_reload reload = {.tls = context};
    net_reload(fx->net, &reload);
    tls_context_unref(context);
}

static void test_revoked_certificates_are_cut_off_and_others_are_not(void **state)
{
    struct fixture *fx = *state;
    struct client *client = connected(fx);
    struct client *other = client_new(fx, fx->auditor);
    PUMP_UNTIL(fx, other, other->max_streams != 0);
    struct exchange *stays = watching(fx, other);
    struct exchange *stream = watching(fx, client);
    const char *none = pki_write_crl(&fx->pki, "none.crl", NULL, 86400);
    reload_tls(fx, fx->ca, none);
    pump_for(fx, client, 50);
    assert_false(client->goaway);
    assert_false(stream->closed);
    X509 *revoked = SSL_CTX_get0_certificate(fx->clerk);
    reload_tls(fx, fx->ca, pki_write_crl(&fx->pki, "clerk.crl", revoked, 86400));
    PUMP_UNTIL(fx, client, client->ended);
    assert_string_equal(field_of(stream, "grpc-status"), "16");
    assert_string_equal(client->goaway_debug, "certificate revoked");
    struct client *again = client_new(fx, fx->clerk);
    PUMP_UNTIL(fx, again, again->ended);
    assert_false(stays->closed);
    assert_string_equal(field_of(client_call(other, &execute), "grpc-status"), "0");
    assert_false(other->goaway);
    client_free(client);
    client_free(other);
    client_free(again);
    PUMP_UNTIL(fx, NULL, fx->watches_gone == 2);
}

/* Whoever was let in under a list that has run out since is not let in again: nobody knows any more
 * whether he was revoked. A list that ran out before the first handshake was over proves nothing:
 * the next one lasts longer. */
static void test_a_list_that_ran_out_admits_nobody(void **state)
{
    struct fixture *fx = *state;
    struct client *client = NULL;
    time_t until = 0;
    for (long seconds = 2; client == NULL && seconds < 100; seconds *= 2) {
        until = time(NULL) + seconds;
        reload_tls(fx, fx->ca, pki_write_crl(&fx->pki, "brief.crl", NULL, seconds));
        client = client_new(fx, fx->clerk);
        PUMP_UNTIL(fx, client, client->max_streams != 0 || client->ended);
        if (client->ended) {
            client_free(client);
            client = NULL;
        }
    }
    assert_non_null(client);
    client_free(client);
    while (time(NULL) <= until)
        pump_for(fx, NULL, 50);
    client = client_new(fx, fx->clerk);
    PUMP_UNTIL(fx, client, client->ended);
    assert_string_equal(fx->refused, "CRL has expired");
    client_free(client);
}

/* Asked of a call that waits for the writer, before this listener has the reload: as if it came in
 * just now. */
static void test_a_call_that_was_let_in_before_a_reload(void **state)
{
    struct fixture *fx = *state;
    const Pledged__V1__Role clerk = PLEDGED__V1__ROLE__ROLE_CLERK;
    struct client *client = connected(fx);
    fx->hold = true;
    struct exchange *held = client_send(client, &execute);
    PUMP_UNTIL(fx, client, fx->held_count == 1);
    const struct call *call = fx->held[0];
    struct authz_roster *same = fixture_roster_with(clerk);
    struct authz_roster *role = fixture_roster_with(PLEDGED__V1__ROLE__ROLE_APPROVER);
    struct authz_roster *gone = fixture_roster_with(PLEDGED__V1__ROLE__ROLE_UNSPECIFIED);
    struct authz_roster *other = fixture_roster_of("anna", clerk, "uri:pledged:person:anna-2");
    struct authz_roster *berta = fixture_roster_of("berta", clerk, "uri:pledged:person:anna");
    X509 *mine = SSL_CTX_get0_certificate(fx->clerk), *his = SSL_CTX_get0_certificate(fx->auditor);
    struct tls_context *revoked =
        context_with(fx, fx->ca, pki_write_crl(&fx->pki, "mine.crl", mine, 86400));
    struct tls_context *not_me =
        context_with(fx, fx->ca, pki_write_crl(&fx->pki, "his.crl", his, 86400));
    assert_int_equal(call_admitted(call), 0);
    assert_true(call_still_admitted(call, 1, fx->tls, same));
    assert_false(call_still_admitted(call, 2, fx->tls, role));
    assert_false(call_still_admitted(call, 3, fx->tls, gone));
    assert_false(call_still_admitted(call, 4, fx->tls, other));
    assert_false(call_still_admitted(call, 5, revoked, same));
    assert_false(call_still_admitted(call, 5, not_me, same)); /* a reload is asked once */
    assert_true(call_still_admitted(call, 6, not_me, same));
    assert_false(call_still_admitted(call, 7, fx->tls, berta)); /* another clerk has it by now */
    assert_true(call_still_admitted(call, 8, fx->tls, same));
    const struct net_reload now = {.number = 7, .tls = not_me, .roster = same};
    net_reload(fx->net, &now);
    assert_int_equal(call_admitted(call), 7);
    const struct net_reload next = {.number = 8, .roster = role};
    net_reload(fx->net, &next);
    assert_int_equal(call_admitted(call), 7); /* it is who it was; newcomers are who they are */
    const struct net_reload back = {.number = 9, .roster = same};
    net_reload(fx->net, &back);
    assert_int_equal(call_admitted(call), 7);
    fixture_release(fx, 0);
    PUMP_UNTIL(fx, client, held->closed);
    held = client_send(client, &execute);
    PUMP_UNTIL(fx, client, fx->held_count == 2);
    assert_int_equal(call_admitted(fx->held[1]), 9);
    fixture_release(fx, 1);
    PUMP_UNTIL(fx, client, held->closed);
    client_free(client);
    tls_context_unref(revoked);
    tls_context_unref(not_me);
    authz_roster_free(same);
    authz_roster_free(gone);
    authz_roster_free(other);
    authz_roster_free(berta);
    authz_roster_free(role);
}

static void test_a_ca_that_left_takes_its_people_along(void **state)
{
    struct fixture *fx = *state;
    struct client *client = connected(fx);
    struct client *shaking = client_new_raw(fx, fx->clerk, "\x02h2"); /* in the middle of it */
    PUMP_UNTIL(fx, NULL, !net_idle(fx->net));
    for (int i = 0; i < 3; i++) {
        (void)SSL_connect(shaking->ssl); /* hello, then wait for the answer */
        pump_for(fx, NULL, 5);
        if (SSL_get_state(shaking->ssl) == TLS_ST_CW_CLNT_HELLO)
            break;
    }
    struct pki other;
    pki_init_named(&other, "Other CA");
    const char *ca = pki_write_certificate(&other, "ca.pem", other.ca);
    reload_tls(fx, ca, NULL);
    PUMP_UNTIL(fx, client, client->ended);
    assert_true(client->goaway);
    PUMP_UNTIL(fx, shaking, shaking->ended);
    client_free(client);
    client_free(shaking);
    PUMP_UNTIL(fx, NULL, net_idle(fx->net));
    pki_fini(&other);
}

static void test_limits_change(void **state)
{
    struct fixture *fx = *state;
    struct client *client = connected(fx);
    const struct net_limits limits = {.calls = 1, .idle_ms = 1000};
    const struct net_reload reload = {.limits = &limits};
    net_reload(fx->net, &reload);
    fx->hold = true;
    (void)client_send(client, &execute);
    PUMP_UNTIL(fx, client, fx->held_count == 1);
    assert_string_equal(field_of(client_call(client, &execute), "grpc-status"), "8");
    fixture_release(fx, 0);
    PUMP_UNTIL(fx, client, client->exchange[0]->closed);
    advance(fx, 1001);
    PUMP_UNTIL(fx, client, client->ended);
    assert_string_equal(client->goaway_debug, "max_idle");
    client_free(client);
}

static void test_what_happens_is_counted(void **state)
{
    struct fixture *fx = *state;
    struct net_stats stats;
    struct client *client = connected(fx);
    struct client *old = client_new_raw(fx, fx->clerk, "\x08http/1.1");
    PUMP_UNTIL(fx, old, old->handshake_done);
    nghttp2_submit_ping(client->session, 0, NULL);
    (void)client_call(client, &execute);
    net_get_stats(fx->net, &stats);
    assert_int_equal(stats.connections, 2);
    assert_int_equal(stats.connections_h2, 1);
    assert_int_equal(stats.connections_h1, 1);
    assert_int_equal(stats.pings, 1);
    assert_int_equal(stats.goaways, 0);
    assert_true(stats.bytes_in > 100 && stats.bytes_in < 2000);
    assert_true(stats.bytes_out > 100 && stats.bytes_out < 2000);
    uint64_t in = stats.bytes_in;
    client_free(client);
    client_free(old);
    PUMP_UNTIL(fx, NULL, net_idle(fx->net));
    net_get_stats(fx->net, &stats);
    assert_int_equal(stats.connections_h1 + stats.connections_h2, 0);
    assert_int_equal(stats.pings, 1);
    assert_true(stats.bytes_in >= in); /* what they had is not forgotten */
}

#define ROW(test_) cmocka_unit_test_setup_teardown(test_, setup, fixture_teardown)

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
        ROW(test_times_do_not_cut_long_lived_calls),
        ROW(test_draining_ends_long_lived_calls_with_a_word),
        ROW(test_a_stuck_stream_is_reset_and_the_others_go_on),
        cmocka_unit_test(test_old_connections_are_told_to_go),
        cmocka_unit_test(test_not_all_grow_old_together),
        cmocka_unit_test(test_calls_that_come_late_hear_it_too),
        cmocka_unit_test(test_silent_peers_are_asked_and_dropped),
        cmocka_unit_test(test_watchers_have_places_of_their_own),
        cmocka_unit_test(test_a_certificate_has_so_many_connections),
        cmocka_unit_test(test_a_certificate_makes_so_many_requests),
        ROW(test_an_expiring_certificate_cuts_off),
        ROW(test_a_role_that_changed_counts_from_the_next_call),
        ROW(test_a_call_that_lasts_learns_of_another_role),
        ROW(test_a_roster_that_changes_during_a_handshake),
        ROW(test_who_left_the_roster_is_cut_off),
        ROW(test_revoked_certificates_are_cut_off_and_others_are_not),
        ROW(test_a_list_that_ran_out_admits_nobody),
        ROW(test_a_call_that_was_let_in_before_a_reload),
        ROW(test_a_ca_that_left_takes_its_people_along),
        ROW(test_limits_change),
        ROW(test_what_happens_is_counted),
    };
    return cmocka_run_group_tests_name("conn", tests, NULL, NULL);
}
