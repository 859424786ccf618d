/* SPDX-License-Identifier: Apache-2.0
 *
 * call: answers that come late, to peers that left, in streams, and no more calls than there is
 * room for.
 */
#include "fixture.h"

static int setup(void **state)
{
    const struct net_limits limits = {.calls = 4, .body_bytes = 3000};
    return fixture_setup(state, &limits);
}

static const struct request dump = {
    .path = DUMP, .type = "application/grpc", .body = empty_frame, .body_len = 5};

static void test_a_call_may_be_answered_later(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    fx->hold = true;
    struct exchange *a = client_send(client, &execute);
    struct exchange *b = client_send(client, &execute);
    PUMP_UNTIL(fx, client, fx->held_count == 2);
    assert_false(call_gone(fx->held[0]));
    assert_string_equal(call_person(fx->held[0])->person, "anna");
    assert_string_equal(call_method(fx->held[0])->path, EXECUTE);
    assert_non_null(call_arena(fx->held[0]));
    call_set_context(fx->held[0], fx);
    assert_ptr_equal(call_context(fx->held[0]), fx);
    assert_null(call_context(fx->held[1]));
    fixture_release(fx, 1);
    PUMP_UNTIL(fx, client, b->closed);
    assert_false(a->closed);
    fixture_release(fx, 0);
    net_flush(fx->net);
    PUMP_UNTIL(fx, client, a->closed);
    assert_string_equal(field_of(a, "grpc-status"), "0");
    assert_string_equal(field_of(b, "grpc-status"), "0");
    client_free(client);
}

static void test_an_answer_to_a_cancelled_call_is_dropped(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    fx->hold = true;
    struct exchange *e = client_send(client, &execute);
    PUMP_UNTIL(fx, client, fx->held_count == 1);
    nghttp2_submit_rst_stream(client->session, 0, e->id, NGHTTP2_CANCEL);
    PUMP_UNTIL(fx, client, call_gone(fx->held[0]));
    /* it still holds its place: a reset must not buy more work */
    for (size_t i = 1; i < 4; i++)
        (void)client_send(client, &execute);
    PUMP_UNTIL(fx, client, fx->held_count == 4);
    e = client_call(client, &execute);
    assert_string_equal(field_of(e, "grpc-status"), "8");
    for (size_t i = 0; i < 4; i++)
        fixture_release(fx, i);
    fx->hold = false;
    e = client_call(client, &execute);
    assert_string_equal(field_of(e, "grpc-status"), "0");
    client_free(client);
}

static void test_a_call_outlives_its_connection(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    fx->hold = true;
    (void)client_send(client, &execute);
    PUMP_UNTIL(fx, client, fx->held_count == 1);
    client_free(client);
    PUMP_UNTIL(fx, NULL, net_idle(fx->net));
    pump_once(fx, NULL);
    struct call *call = fx->held[0];
    assert_true(call_gone(call));
    assert_string_equal(call_identity(call), "uri:pledged:person:anna");
    assert_string_equal(call_issuer(call), "CN=Test CA");
    fx->held[0] = NULL;
    call_fail(call, PL_E_UNAVAILABLE, NULL, NULL);
}

static void test_no_more_calls_than_there_is_room_for(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    fx->hold = true;
    for (size_t i = 0; i < 4; i++)
        (void)client_send(client, &execute);
    PUMP_UNTIL(fx, client, fx->held_count == 4);
    struct exchange *e = client_call(client, &execute);
    assert_string_equal(field_of(e, "grpc-status"), "8");
    assert_true(e->trailers_only);
    e = client_call(client,
                    &(struct request){
                        .path = EXECUTE, .type = "application/json", .body = "{}", .body_len = 2});
    assert_string_equal(field_of(e, ":status"), "429");
    assert_non_null(strstr(body_text(e), "\"REASON_BUSY\""));
    assert_non_null(strstr(body_text(e), "\"retryable\":true"));
    struct net_stats stats;
    net_get_stats(fx->net, &stats);
    assert_int_equal(stats.refused_busy, 2);
    assert_int_equal(stats.requests, 6);
    assert_int_equal(fx->executed, 4);
    for (size_t i = 0; i < 4; i++)
        fixture_release(fx, i);
    fx->hold = false;
    e = client_call(client, &execute);
    assert_string_equal(field_of(e, "grpc-status"), "0");
    client_free(client);
}

static uint64_t refused_busy(const struct fixture *fx)
{
    struct net_stats stats;
    net_get_stats(fx->net, &stats);
    return stats.refused_busy;
}

/* It is told so before anybody looks at what it asks for. */
static void test_no_room_for_a_request_that_is_complete(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    fx->full = true;
    const struct request nonsense = {
        .path = EXECUTE, .type = "application/json", .body = "{no", .body_len = 3};
    struct exchange *e = client_call(client, &nonsense);
    assert_string_equal(field_of(e, ":status"), "429");
    assert_non_null(strstr(body_text(e), "\"REASON_BUSY\""));
    assert_int_equal(refused_busy(fx), 1);
    fx->full = false;
    assert_string_equal(field_of(client_call(client, &nonsense), ":status"), "400");
    assert_string_equal(field_of(client_call(client, &execute), "grpc-status"), "0");
    assert_int_equal(fx->executed, 1);
    client_free(client);
}

static void test_unfinished_bodies_are_bounded(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    static const uint8_t part[905] = {0, 0, 0, 3, 0xe8}; /* 900 of 1000 bytes */
    const struct request slow = {.path = EXECUTE,
                                 .type = "application/grpc",
                                 .body = part,
                                 .body_len = sizeof(part),
                                 .keep_open = true};
    struct exchange *e[4];
    for (size_t i = 0; i < 4; i++)
        e[i] = client_send(client, &slow);
    PUMP_UNTIL(fx, client, refused_busy(fx) == 1);
    pl_clock_fake_advance_us(&fx->clock, 1000000); /* it is answered before it ends */
    PUMP_UNTIL(fx, client, e[3]->head_count > 0);
    assert_string_equal(field_of(e[3], "grpc-status"), "8");
    for (size_t i = 0; i < 3; i++) {
        assert_false(e[i]->closed);
        nghttp2_submit_rst_stream(client->session, 0, e[i]->id, NGHTTP2_CANCEL);
    }
    PUMP_UNTIL(fx, client, e[0]->closed && e[1]->closed && e[2]->closed);
    pump_for(fx, client, 5);
    uint8_t whole[1005] = {0, 0, 0, 3, 0xe8, 0x0a, 0xe5, 0x07}; /* request_id of 997 bytes */
    const struct request large = {
        .path = EXECUTE, .type = "application/grpc", .body = whole, .body_len = sizeof(whole)};
    struct exchange *next = client_call(client, &large); /* all of the room came back */
    assert_string_equal(field_of(next, "grpc-status"), "0");
    assert_int_equal(fx->executed, 1);
    client_free(client);
}

/* --- deadlines --- */

static const struct request execute_soon = {.path = EXECUTE,
                                            .type = "application/grpc",
                                            .extra = {{"grpc-timeout", "200m"}},
                                            .body = empty_frame,
                                            .body_len = 5};

static void test_a_deadline_ends_a_call_that_runs(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    fx->hold = true;
    struct exchange *e = client_send(client, &execute_soon);
    struct exchange *json =
        client_send(client, &(struct request){.path = EXECUTE,
                                              .type = "application/json",
                                              .extra = {{"connect-timeout-ms", "300"}},
                                              .body = "{}",
                                              .body_len = 2});
    PUMP_UNTIL(fx, client, fx->held_count == 2);
    pl_clock_fake_advance_us(&fx->clock, 199999);
    pump_for(fx, client, 300);
    assert_false(e->closed);
    assert_int_equal(fx->done, 0);
    pl_clock_fake_advance_us(&fx->clock, 1);
    PUMP_UNTIL(fx, client, e->closed);
    assert_string_equal(field_of(e, "grpc-status"), "4");
    assert_string_not_equal(field_of(e, "grpc-status-details-bin"), "");
    assert_int_equal(e->close_code, 0);
    assert_true(call_gone(fx->held[0]));
    assert_false(call_gone(fx->held[1]));
    assert_int_equal(fx->done, 1);
    assert_int_equal(fx->done_code, PL_E_TIMEOUT);
    assert_int_equal(fx->done_ns, 200000000);
    pl_clock_fake_advance_us(&fx->clock, 100000);
    PUMP_UNTIL(fx, client, json->closed);
    assert_string_equal(field_of(json, ":status"), "504");
    /* it may be on its way: "deadline" would say that nothing happened */
    assert_non_null(strstr(body_text(json), "\"REASON_OUTCOME_UNKNOWN\""));
    /* they still hold their places, and their answers are dropped */
    (void)client_send(client, &execute);
    (void)client_send(client, &execute);
    PUMP_UNTIL(fx, client, fx->held_count == 4);
    e = client_call(client, &execute);
    assert_string_equal(field_of(e, "grpc-status"), "8");
    for (size_t i = 0; i < 4; i++)
        fixture_release(fx, i);
    assert_int_equal(fx->done, 4); /* each once */
    assert_int_equal(fx->done_code, PL_E_OK);
    fx->hold = false;
    e = client_call(client, &execute);
    assert_string_equal(field_of(e, "grpc-status"), "0");
    client_free(client);
}

static void test_a_deadline_leaves_a_cancelled_call_to_its_handler(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    fx->hold = true;
    struct exchange *e = client_send(client, &execute_soon);
    PUMP_UNTIL(fx, client, fx->held_count == 1);
    nghttp2_submit_rst_stream(client->session, 0, e->id, NGHTTP2_CANCEL);
    PUMP_UNTIL(fx, client, call_gone(fx->held[0]));
    pl_clock_fake_advance_us(&fx->clock, 300000);
    pump_for(fx, client, 300);
    assert_int_equal(fx->done, 0); /* the handler still has it */
    assert_non_null(call_request(fx->held[0]));
    fixture_release(fx, 0);
    assert_int_equal(fx->done, 1);
    client_free(client);
}

static void test_a_deadline_that_is_kept_ends_nothing(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    for (int i = 0; i < 200; i++) {
        struct exchange *e = client_call(client, &execute_soon);
        assert_string_equal(field_of(e, "grpc-status"), "0");
        pl_clock_fake_advance_us(&fx->clock, 50000); /* earlier ones pass all the time */
    }
    assert_int_equal(fx->done, 200);
    client_free(client);
}

static void test_a_deadline_ends_a_stream(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    struct request r = dump;
    r.extra[0][0] = "grpc-timeout";
    r.extra[0][1] = "500m";
    fx->dump_messages = 1000;
    fx->dump_message_bytes = 10000;
    client->window_shut = true;
    struct exchange *e = client_send(client, &r);
    PUMP_UNTIL(fx, client, body_len(e) == 65535);
    pl_clock_fake_advance_us(&fx->clock, 500000);
    PUMP_UNTIL(fx, client, fx->dumps_gone == 1);
    assert_int_equal(fx->done_code, PL_E_TIMEOUT);
    client->window_shut = false;
    nghttp2_session_consume(client->session, e->id, 65535);
    PUMP_UNTIL(fx, client, e->closed);
    assert_string_equal(field_of(e, "grpc-status"), "4"); /* behind what was queued */
    assert_int_equal(fx->done, 1);
    client_free(client);
}

static void test_a_deadline_ends_a_request_that_does_not_end(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    struct request r = execute_soon;
    r.body_len = 3;
    r.keep_open = true;
    struct exchange *e = client_send(client, &r);
    pump_for(fx, client, 20);
    for (int i = 0; i < 50 && !e->closed; i++) {
        pl_clock_fake_advance_us(&fx->clock, 1000000); /* then a moment, then a reset */
        pump_for(fx, client, 200);
    }
    assert_true(e->closed);
    assert_string_equal(field_of(e, "grpc-status"), "4");
    assert_int_equal(e->close_code, 0);
    assert_int_equal(fx->executed, 0);
    assert_int_equal(fx->done_code, PL_E_TIMEOUT);
    client_free(client);
}

/* --- what metrics are told --- */

static void test_the_end_of_every_admitted_call_is_told_once(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    (void)client_call(client, &execute);
    assert_int_equal(fx->done, 1);
    assert_string_equal(fx->done_method->path, EXECUTE);
    assert_string_equal(fx->done_person->person, "anna");
    (void)client_call(client, &(struct request){.method = "GET", .path = "/page"});
    assert_int_equal(fx->done, 2);
    assert_null(fx->done_method);
    assert_int_equal(fx->done_code, PL_E_OK);
    /* never admitted: unknown, and not for this role */
    (void)client_call(client, &(struct request){.path = "/x/Y",
                                                .type = "application/grpc",
                                                .body = empty_frame,
                                                .body_len = 5});
    (void)client_call(client, &(struct request){.path = GET_STATUS,
                                                .type = "application/grpc",
                                                .body = empty_frame,
                                                .body_len = 5});
    assert_int_equal(fx->done, 2);
    /* admitted, but its message is none */
    (void)client_call(client, &(struct request){.path = EXECUTE,
                                                .type = "application/grpc",
                                                .body = "\0\0\0\0\1\xff",
                                                .body_len = 6});
    assert_int_equal(fx->done, 3);
    assert_int_equal(fx->done_code, PL_E_INVALID);
    /* the peer leaves before it is complete, and while it runs */
    struct request half = execute;
    half.body_len = 3;
    half.keep_open = true;
    struct exchange *e = client_send(client, &half);
    pump_for(fx, client, 20);
    nghttp2_submit_rst_stream(client->session, 0, e->id, NGHTTP2_CANCEL);
    PUMP_UNTIL(fx, client, fx->done == 4);
    assert_int_equal(fx->done_code, PL_E_CANCELLED);
    fx->hold = true;
    e = client_send(client, &execute);
    PUMP_UNTIL(fx, client, fx->held_count == 1);
    nghttp2_submit_rst_stream(client->session, 0, e->id, NGHTTP2_CANCEL);
    PUMP_UNTIL(fx, client, call_gone(fx->held[0]));
    assert_int_equal(fx->done, 4);
    pl_clock_fake_advance_us(&fx->clock, 77);
    fixture_release(fx, 0);
    assert_int_equal(fx->done, 5);
    assert_int_equal(fx->done_code, PL_E_OK); /* how it ended, though nobody hears it */
    assert_int_equal(fx->done_ns, 77000);
    client_free(client);
}

/* --- streams --- */

static size_t count_messages(const struct exchange *e)
{
    struct pl_slice body = pl_buf_slice(&e->body);
    size_t at = 0, count = 0;
    for (; at + 5 <= body.len; count++) {
        assert_int_equal(body.data[at], 0);
        at += 5 + ((size_t)body.data[at + 1] << 24 | (size_t)body.data[at + 2] << 16 |
                   (size_t)body.data[at + 3] << 8 | (size_t)body.data[at + 4]);
    }
    assert_int_equal(at, body.len);
    return count;
}

static void test_a_stream_arrives_whole(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    fx->dump_messages = 200;
    fx->dump_message_bytes = 20000;
    struct exchange *e = client_call(client, &dump);
    assert_string_equal(field_of(e, "grpc-status"), "0");
    assert_string_equal(field_of(e, "content-type"), "application/grpc");
    assert_int_equal(count_messages(e), 200);
    client_free(client);
}

static void test_a_stream_of_nothing(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    struct exchange *e = client_call(client, &dump);
    assert_string_equal(field_of(e, ":status"), "200");
    assert_string_equal(field_of(e, "grpc-status"), "0");
    assert_int_equal(body_len(e), 0);
    client_free(client);
}

static void test_a_stream_waits_for_its_reader(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    fx->dump_messages = 1000;
    fx->dump_message_bytes = 10000;
    client->window_shut = true; /* 64 KiB, then no more */
    struct exchange *e = client_send(client, &dump);
    PUMP_UNTIL(fx, client, body_len(e) == 65535);
    PUMP_UNTIL(fx, client, fx->dump_sent * 10000 >= 256 * 1024); /* ahead by its queue */
    pump_for(fx, client, 30);                                    /* and no further */
    size_t queued = fx->dump_sent * 10000;
    assert_true(queued < 512 * 1024);
    /* another call on the same connection is not held up */
    client->window_shut = false;
    nghttp2_session_consume_connection(client->session, 65535);
    fx->reply_bytes = 0;
    struct exchange *other = client_call(client, &execute);
    assert_string_equal(field_of(other, "grpc-status"), "0");
    assert_true(fx->dump_sent < 100);
    nghttp2_session_consume_stream(client->session, e->id, 65535);
    PUMP_UNTIL(fx, client, e->closed);
    assert_int_equal(count_messages(e), 1000);
    client_free(client);
}

static void test_a_stream_learns_that_its_reader_left(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    fx->dump_messages = 1000;
    fx->dump_message_bytes = 10000;
    client->window_shut = true;
    struct exchange *e = client_send(client, &dump);
    PUMP_UNTIL(fx, client, body_len(e) == 65535);
    nghttp2_submit_rst_stream(client->session, 0, e->id, NGHTTP2_CANCEL);
    PUMP_UNTIL(fx, client, fx->dumps_gone == 1);
    e = client_send(client, &dump);
    PUMP_UNTIL(fx, client, fx->dumps_begun == 2);
    client_free(client); /* the whole connection */
    PUMP_UNTIL(fx, NULL, fx->dumps_gone == 2);
    assert_int_equal(fx->dumps_ended, 2);
}

static void test_a_stream_may_end_badly(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    fx->dump_messages = 10;
    fx->dump_message_bytes = 100;
    fx->dump_fail_at = 3;
    struct exchange *e = client_call(client, &dump);
    assert_string_equal(field_of(e, ":status"), "200");
    assert_string_equal(field_of(e, "grpc-status"), "14");
    assert_string_equal(field_of(e, "grpc-message"), "the disk is gone");
    assert_false(e->trailers_only);
    assert_int_equal(count_messages(e), 3);
    fx->dump_fail_at = 0;
    e = client_call(client, &dump);
    assert_string_equal(field_of(e, "grpc-status"), "14");
    assert_true(e->trailers_only);
    client_free(client);
}

static void test_many_streams_share_their_queues(void **state)
{
    struct fixture *fx = *state;
    struct client *client[2] = {client_new(fx, fx->clerk), client_new(fx, fx->auditor)};
    struct exchange *e[4];
    fx->dump_messages = 300;
    fx->dump_message_bytes = 9999;
    for (size_t i = 0; i < 4; i++)
        e[i] = client_send(client[i % 2], &dump);
    for (int turn = 0;
         turn < 100000 && !(e[0]->closed && e[1]->closed && e[2]->closed && e[3]->closed); turn++) {
        pump_once(fx, client[0]);
        client_step(client[1]);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(field_of(e[i], "grpc-status"), "0");
        assert_int_equal(count_messages(e[i]), 300);
    }
    client_free(client[0]);
    client_free(client[1]);
}

#define ROW(test_) cmocka_unit_test_setup_teardown(test_, setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_a_call_may_be_answered_later),
        ROW(test_an_answer_to_a_cancelled_call_is_dropped),
        ROW(test_a_call_outlives_its_connection),
        ROW(test_no_more_calls_than_there_is_room_for),
        ROW(test_no_room_for_a_request_that_is_complete),
        ROW(test_unfinished_bodies_are_bounded),
        ROW(test_a_deadline_ends_a_call_that_runs),
        ROW(test_a_deadline_leaves_a_cancelled_call_to_its_handler),
        ROW(test_a_deadline_that_is_kept_ends_nothing),
        ROW(test_a_deadline_ends_a_stream),
        ROW(test_a_deadline_ends_a_request_that_does_not_end),
        ROW(test_the_end_of_every_admitted_call_is_told_once),
        ROW(test_a_stream_arrives_whole),
        ROW(test_a_stream_of_nothing),
        ROW(test_a_stream_waits_for_its_reader),
        ROW(test_a_stream_learns_that_its_reader_left),
        ROW(test_a_stream_may_end_badly),
        ROW(test_many_streams_share_their_queues),
    };
    return cmocka_run_group_tests_name("call", tests, NULL, NULL);
}
