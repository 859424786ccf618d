/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc: the rows of the wire's tables, seen from a client that talks raw HTTP/2.
 */
#include "common/base64.h"
#include "fixture.h"

static int setup(void **state)
{
    const struct net_limits limits = {.request_ms = 60000, .preface_ms = 100 /* quick ticks */};
    return fixture_setup(state, &limits);
}

#define CALL(client_, ...) client_call((client_), &(struct request){__VA_ARGS__})

static const char json_id[] = "{\"requestId\":\"aWQ\"}";

/* The trailers-only form: everything in the one HEADERS frame that ends the stream. */
static void assert_grpc_error(const struct exchange *e, const char *status)
{
    assert_string_equal(field_of(e, ":status"), "200");
    assert_string_equal(field_of(e, "grpc-status"), status);
    assert_true(e->trailers_only);
    assert_int_equal(body_len(e), 0);
    assert_int_equal(e->close_code, 0);
}

static void assert_refusal(struct exchange *e, Pledged__V1__Reason reason)
{
    struct pl_arena arena;
    struct pl_slice bytes;
    pl_arena_init(&arena, 65536);
    const char *details = field_of(e, "grpc-status-details-bin");
    assert_true(pl_is_ok(pl_unbase64(pl_slice_str(details), &arena, &bytes)));
    assert_true(bytes.len > 0);
    /* reason is the first field of the refusal, right after the type's name */
    const uint8_t *name = memmem(bytes.data, bytes.len, "pledged.v1.Refusal\x12", 19);
    assert_non_null(name);
    assert_int_equal(name[20], 0x08);
    assert_int_equal(name[21], reason);
    pl_arena_fini(&arena);
}

/* --- gRPC --- */

static void test_grpc_unary_is_answered(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    const uint8_t message[] = {0x0a, 0x02, 'i', 'd'}; /* request_id */
    uint8_t body[64];
    struct exchange *e = CALL(client, .path = EXECUTE, .type = "application/grpc", .body = body,
                              .body_len = grpc_frame(body, message, sizeof(message)));
    assert_string_equal(field_of(e, ":status"), "200");
    assert_string_equal(field_of(e, "content-type"), "application/grpc");
    assert_string_equal(field_of(e, "grpc-status"), "0");
    assert_false(e->trailers_only);
    assert_int_equal(e->close_code, 0);
    assert_true(body_len(e) > 5);
    Pledged__V1__Receipt *receipt =
        pledged__v1__receipt__unpack(NULL, body_len(e) - 5, pl_buf_slice(&e->body).data + 5);
    assert_non_null(receipt);
    assert_int_equal(receipt->seq, 1);
    assert_int_equal(receipt->request_id.len, 2);
    pledged__v1__receipt__free_unpacked(receipt, NULL);
    assert_string_equal(fx->identity, "uri:pledged:person:anna");
    assert_string_equal(fx->issuer, "CN=Test CA");
    assert_int_equal(fx->request_len, sizeof(message));
    assert_memory_equal(fx->request_bytes, message, sizeof(message));
    assert_int_equal(fx->deadline_ns, 0);
    client_free(client);
}

static void test_grpc_answers_in_the_type_of_the_request(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    struct exchange *e = CALL(client, .path = EXECUTE, .type = "application/grpc+proto",
                              .body = empty_frame, .body_len = 5);
    assert_string_equal(field_of(e, "content-type"), "application/grpc+proto");
    assert_string_equal(field_of(e, "grpc-status"), "0");
    client_free(client);
}

static void test_grpc_counts_messages(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    static const uint8_t two[10];
    assert_grpc_error(CALL(client, .path = EXECUTE, .type = "application/grpc"), "12");
    assert_grpc_error(
        CALL(client, .path = EXECUTE, .type = "application/grpc", .body = two, .body_len = 10),
        "12");
    assert_grpc_error(CALL(client, .path = DUMP, .type = "application/grpc"), "12");
    assert_grpc_error(
        CALL(client, .path = DUMP, .type = "application/grpc", .body = two, .body_len = 10), "12");
    assert_int_equal(fx->executed, 0);
    /* a message of no bytes is a message */
    struct exchange *e = CALL(client, .path = EXECUTE, .type = "application/grpc",
                              .body = empty_frame, .body_len = 5);
    assert_string_equal(field_of(e, "grpc-status"), "0");
    assert_grpc_error(
        CALL(client, .path = EXECUTE, .type = "application/grpc", .body = two, .body_len = 3),
        "13"); /* cut inside the prefix */
    client_free(client);
}

static void test_grpc_encodings(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    static const uint8_t compressed[] = {1, 0, 0, 0, 1, 0};
    struct exchange *e =
        CALL(client, .path = EXECUTE, .type = "application/grpc",
             .extra = {{"grpc-encoding", "gzip"}}, .body = compressed, .body_len = 6);
    assert_grpc_error(e, "12");
    assert_string_equal(field_of(e, "grpc-accept-encoding"), "identity");
    assert_grpc_error(CALL(client, .path = EXECUTE, .type = "application/grpc", .body = compressed,
                           .body_len = 6),
                      "13");
    e = CALL(client, .path = EXECUTE, .type = "application/grpc",
             .extra = {{"grpc-encoding", "identity"}, {"grpc-accept-encoding", "gzip"}},
             .body = empty_frame, .body_len = 5);
    assert_string_equal(field_of(e, "grpc-status"), "0");
    client_free(client);
}

static void test_the_largest_message_passes_and_one_more_byte_does_not(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    uint8_t message[1001] = {0x0a, 0xe5, 0x07}; /* request_id of 997 bytes: 1000 in all */
    uint8_t body[1100];
    struct exchange *e = CALL(client, .path = EXECUTE, .type = "application/grpc", .body = body,
                              .body_len = grpc_frame(body, message, 1000));
    assert_string_equal(field_of(e, "grpc-status"), "0");
    e = CALL(client, .path = EXECUTE, .type = "application/grpc", .body = body,
             .body_len = grpc_frame(body, message, 1001));
    assert_grpc_error(e, "8");
    assert_refusal(e, PLEDGED__V1__REASON__REASON_TOO_BIG);
    e = CALL(client, .path = EXECUTE, .type = "application/proto", .body = message,
             .body_len = 1000);
    assert_string_equal(field_of(e, ":status"), "200");
    e = CALL(client, .path = EXECUTE, .type = "application/proto", .body = message,
             .body_len = 1001);
    assert_string_equal(field_of(e, ":status"), "429");
    assert_int_equal(fx->executed, 2);
    client_free(client);
}

static void test_a_refusal_travels_as_grpc_status(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    struct exchange *e = CALL(client, .path = GET_TIER, .type = "application/grpc",
                              .body = empty_frame, .body_len = 5);
    assert_grpc_error(e, "5");
    assert_string_equal(field_of(e, "grpc-message"), "100%25 caf%C3%A9");
    assert_refusal(e, PLEDGED__V1__REASON__REASON_TIER_UNKNOWN);
    client_free(client);
}

static void test_a_wrong_field_is_named(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    static const uint8_t message[] = {0xfa, 0x3f, 0x00}; /* a field that does not exist */
    uint8_t body[16];
    struct exchange *e = CALL(client, .path = EXECUTE, .type = "application/grpc", .body = body,
                              .body_len = grpc_frame(body, message, sizeof(message)));
    assert_grpc_error(e, "3");
    assert_refusal(e, PLEDGED__V1__REASON__REASON_UNKNOWN_FIELD);
    static const char json[] = "{\"withdraw\":{\"pledge\":7}}";
    e = CALL(client, .path = EXECUTE, .type = "application/json", .body = json,
             .body_len = sizeof(json) - 1);
    assert_string_equal(field_of(e, ":status"), "400");
    assert_non_null(strstr(body_text(e), "\"field\":\"withdraw.pledge\""));
    assert_int_equal(fx->executed, 0);
    client_free(client);
}

static void test_timeouts_become_deadlines(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    int64_t now = fx->clock.mono_ns_now;
    (void)CALL(client, .path = EXECUTE, .type = "application/grpc",
               .extra = {{"grpc-timeout", "1500m"}}, .body = empty_frame, .body_len = 5);
    assert_int_equal(fx->deadline_ns, now + 1500000000);
    (void)CALL(client, .path = EXECUTE, .type = "application/json",
               .extra = {{"connect-timeout-ms", "250"}}, .body = "{}", .body_len = 2);
    assert_int_equal(fx->deadline_ns, now + 250000000);
    (void)CALL(client, .path = EXECUTE, .type = "application/grpc",
               .extra = {{"grpc-timeout", "99999999H"}}, .body = empty_frame, .body_len = 5);
    assert_int_equal(fx->deadline_ns, INT64_MAX);
    assert_int_equal(fx->executed, 3);
    assert_grpc_error(CALL(client, .path = EXECUTE, .type = "application/grpc",
                           .extra = {{"grpc-timeout", "soon"}}, .body = empty_frame, .body_len = 5),
                      "3");
    /* too late before it began: nothing happened */
    struct exchange *e =
        CALL(client, .path = EXECUTE, .type = "application/grpc", .extra = {{"grpc-timeout", "0S"}},
             .body = empty_frame, .body_len = 5);
    assert_grpc_error(e, "4");
    assert_refusal(e, PLEDGED__V1__REASON__REASON_DEADLINE);
    assert_int_equal(fx->executed, 3);
    client_free(client);
}

/* --- routing --- */

static void test_unknown_paths(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    static const char *const paths[] = {"/", "/pledged.v1.LedgerService/execute",
                                        "/pledged.v1.LedgerService/Execute/",
                                        "/grpc.health.v1.Health/Check"};
    for (size_t i = 0; i < PL_COUNT(paths); i++) {
        assert_grpc_error(CALL(client, .path = paths[i], .type = "application/grpc",
                               .body = empty_frame, .body_len = 5),
                          "12");
        struct exchange *e =
            CALL(client, .path = paths[i], .type = "application/json", .body = "{}", .body_len = 2);
        assert_string_equal(field_of(e, ":status"), "404");
        assert_string_equal(field_of(e, "content-type"), "application/json");
    }
    struct exchange *e = CALL(client, .method = "GET", .path = "/favicon.ico");
    assert_string_equal(field_of(e, ":status"), "404");
    client_free(client);
}

static void test_verbs(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    struct exchange *e = CALL(client, .method = "GET", .path = EXECUTE, .type = "application/grpc");
    assert_string_equal(field_of(e, ":status"), "405");
    assert_string_equal(field_of(e, "allow"), "POST");
    e = CALL(client, .method = "GET", .path = EXECUTE "?encoding=json&message={}");
    assert_string_equal(field_of(e, ":status"), "405"); /* it has effects */
    assert_string_equal(field_of(e, "allow"), "POST");
    e = CALL(client, .method = "PUT", .path = EXECUTE, .type = "application/json", .body = "{}",
             .body_len = 2);
    assert_string_equal(field_of(e, ":status"), "405");
    e = CALL(client, .method = "HEAD", .path = LIST_TIERS);
    assert_string_equal(field_of(e, ":status"), "405");
    assert_int_equal(body_len(e), 0);
    assert_int_equal(fx->executed + fx->listed, 0);
    client_free(client);
}

static void test_content_types_that_are_not_ours(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    static const char *const types[] = {"application/grpc+foo",
                                        "application/grpcfoo",
                                        "application/grpc-web+foo",
                                        "application/grpc-web-text+foo",
                                        "application/connect+foo",
                                        "text/plain",
                                        "application/x-www-form-urlencoded",
                                        "application/json; charset=latin1",
                                        NULL};
    for (size_t i = 0; i < PL_COUNT(types); i++) {
        struct exchange *e =
            CALL(client, .path = EXECUTE, .type = types[i], .body = empty_frame, .body_len = 5);
        assert_string_equal(field_of(e, ":status"), "415");
        assert_non_null(strstr(field_of(e, "accept-post"), "application/json"));
    }
    assert_int_equal(fx->executed, 0);
    client_free(client);
}

static void test_other_sites_are_refused(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    static const struct {
        const char *name, *value, *status;
    } rows[] = {
        {"origin", "https://evil.example", "403"},    {"origin", "null", "403"},
        {"origin", "http://localhost:7443", "403"},   {"origin", "https://localhost:7443", "200"},
        {"origin", "https://localhost:74430", "403"}, {"sec-fetch-site", "cross-site", "403"},
        {"sec-fetch-site", "same-origin", "200"},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct exchange *e =
            CALL(client, .path = EXECUTE, .type = "application/json",
                 .extra = {{rows[i].name, rows[i].value}}, .body = "{}", .body_len = 2);
        assert_string_equal(field_of(e, ":status"), rows[i].status);
    }
    assert_int_equal(fx->executed, 2);
    client_free(client);
}

/* --- who --- */

static void test_a_stranger_is_unauthenticated(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->stranger);
    struct exchange *e = CALL(client, .path = EXECUTE, .type = "application/grpc",
                              .body = empty_frame, .body_len = 5);
    assert_grpc_error(e, "16");
    assert_refusal(e, PLEDGED__V1__REASON__REASON_UNAUTHENTICATED);
    e = CALL(client, .path = EXECUTE, .type = "application/json", .body = "{}", .body_len = 2);
    assert_string_equal(field_of(e, ":status"), "401");
    assert_int_equal(fx->executed, 0);
    client_free(client);
}

static void test_a_role_is_asked_for(void **state)
{
    struct fixture *fx = *state;
    struct client *clerk = client_new(fx, fx->clerk);
    struct exchange *e = CALL(clerk, .path = GET_STATUS, .type = "application/grpc",
                              .body = empty_frame, .body_len = 5);
    assert_grpc_error(e, "7");
    assert_refusal(e, PLEDGED__V1__REASON__REASON_PERMISSION_DENIED);
    e = CALL(clerk, .path = GET_STATUS, .type = "application/json", .body = "{}", .body_len = 2);
    assert_string_equal(field_of(e, ":status"), "403");
    assert_non_null(strstr(body_text(e), "\"permission_denied\""));
    client_free(clerk);
    struct client *auditor = client_new(fx, fx->auditor);
    e = CALL(auditor, .path = GET_STATUS, .type = "application/grpc", .body = empty_frame,
             .body_len = 5);
    assert_string_equal(field_of(e, "grpc-status"), "0");
    client_free(auditor);
}

/* --- Connect --- */

static void test_connect_json(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    struct exchange *e = CALL(client, .path = EXECUTE, .type = "application/json; charset=utf-8",
                              .extra = {{"connect-protocol-version", "1"}}, .body = json_id,
                              .body_len = sizeof(json_id) - 1);
    assert_string_equal(field_of(e, ":status"), "200");
    assert_string_equal(field_of(e, "content-type"), "application/json");
    assert_string_equal(field_of(e, "cache-control"), "no-store");
    assert_string_equal(field_of(e, "grpc-status"), "");
    assert_non_null(strstr(body_text(e), "\"requestId\":\"aWQ=\""));
    assert_non_null(strstr(body_text(e), "\"seq\":\"1\""));
    /* what a handler records is protobuf, packed once */
    assert_int_equal(fx->request_len, 4);
    assert_memory_equal(fx->request_bytes, "\x0a\x02id", 4);
    client_free(client);
}

static void test_connect_proto(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    struct exchange *e = CALL(client, .path = EXECUTE, .type = "application/proto",
                              .body = "\x0a\x02id", .body_len = 4);
    assert_string_equal(field_of(e, ":status"), "200");
    assert_string_equal(field_of(e, "content-type"), "application/proto");
    assert_int_equal(body_len(e), 6); /* request_id, seq: no frame around it */
    e = CALL(client, .path = LIST_TIERS, .type = "application/proto");
    assert_string_equal(field_of(e, ":status"), "200"); /* no body: the empty message */
    client_free(client);
}

static void test_connect_errors(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    struct exchange *e =
        CALL(client, .path = GET_TIER, .type = "application/proto", .body = "", .body_len = 0);
    assert_string_equal(field_of(e, ":status"), "404");
    assert_string_equal(field_of(e, "content-type"), "application/json");
    assert_non_null(strstr(body_text(e), "{\"code\":\"not_found\",\"message\":\"100% caf"));
    assert_non_null(strstr(body_text(e), "\"type\":\"pledged.v1.Refusal\""));
    assert_non_null(strstr(body_text(e), "\"REASON_TIER_UNKNOWN\""));
    e = CALL(client, .path = EXECUTE, .type = "application/json",
             .extra = {{"content-encoding", "gzip"}}, .body = "{}", .body_len = 2);
    assert_string_equal(field_of(e, ":status"), "501");
    assert_string_equal(field_of(e, "accept-encoding"), "identity");
    e = CALL(client, .path = EXECUTE, .type = "application/json",
             .extra = {{"connect-protocol-version", "2"}}, .body = "{}", .body_len = 2);
    assert_string_equal(field_of(e, ":status"), "400");
    e = CALL(client, .path = EXECUTE, .type = "application/json",
             .extra = {{"connect-timeout-ms", "x"}}, .body = "{}", .body_len = 2);
    assert_string_equal(field_of(e, ":status"), "400");
    e = CALL(client, .path = EXECUTE, .type = "application/json", .body = "{\"a\":", .body_len = 5);
    assert_string_equal(field_of(e, ":status"), "400");
    assert_int_equal(fx->executed, 0);
    client_free(client);
}

static void test_connect_get(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    struct exchange *e =
        CALL(client, .method = "GET",
             .path = LIST_TIERS "?connect=v1&encoding=json&message=%7B%22catalogue%22:%22c%22%7D");
    assert_string_equal(field_of(e, ":status"), "200");
    assert_string_equal(field_of(e, "content-type"), "application/json");
    assert_non_null(strstr(body_text(e), "\"catalogue\":\"c\""));
    /* 0a 01 63: catalogue "c" */
    e = CALL(client, .method = "GET",
             .path = LIST_TIERS "?message=CgFj&base64=1&encoding=proto&connect=v1");
    assert_string_equal(field_of(e, ":status"), "200");
    assert_string_equal(field_of(e, "content-type"), "application/proto");
    assert_memory_equal(pl_buf_slice(&e->body).data, "\x08\x07\x1a\x01\x63", 5);
    e = CALL(client, .method = "GET", .path = LIST_TIERS "?encoding=xml&message=");
    assert_string_equal(field_of(e, ":status"), "415");
    e = CALL(client, .method = "GET", .path = LIST_TIERS);
    assert_string_equal(field_of(e, ":status"), "415");
    e = CALL(client, .method = "GET", .path = LIST_TIERS "?encoding=json");
    assert_string_equal(field_of(e, ":status"), "400");
    e = CALL(client, .method = "GET",
             .path = LIST_TIERS "?encoding=json&message={}&compression=br");
    assert_string_equal(field_of(e, ":status"), "501");
    assert_int_equal(fx->listed, 2);
    client_free(client);
}

/* Unary and streaming methods are not mistaken for each other. */
static void test_connect_keeps_streams_apart(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    static const char *const unary[] = {"application/json", "application/proto"};
    static const char *const stream[] = {"application/connect+json", "application/connect+proto"};
    for (size_t i = 0; i < 2; i++) {
        struct exchange *e =
            CALL(client, .path = DUMP, .type = unary[i], .body = "{}", .body_len = 2);
        assert_string_equal(field_of(e, ":status"), "415");
        assert_non_null(strstr(field_of(e, "accept-post"), stream[i]));
        assert_null(strstr(field_of(e, "accept-post"), unary[i]));
        e = CALL(client, .path = EXECUTE, .type = stream[i], .body = empty_frame, .body_len = 5);
        assert_string_equal(field_of(e, ":status"), "415");
        assert_non_null(strstr(field_of(e, "accept-post"), unary[i]));
        assert_null(strstr(field_of(e, "accept-post"), stream[i]));
    }
    struct exchange *e = CALL(client, .method = "GET", .path = DUMP "?encoding=json&message={}");
    assert_string_equal(field_of(e, ":status"), "405");
    assert_string_equal(field_of(e, "allow"), "POST");
    e = CALL(client, .path = "/nothing/Here", .type = stream[0], .body = empty_frame,
             .body_len = 5);
    assert_string_equal(field_of(e, ":status"), "404");
    assert_string_equal(field_of(e, "content-type"), "application/json");
    assert_int_equal(fx->dumps_begun + fx->executed, 0);
    client_free(client);
}

/* The client would go on for ever: after a moment it is answered, after another
 * RST_STREAM(NO_ERROR) tells it to stop. */
static struct exchange *call_without_end(struct client *client, const struct request *r)
{
    struct exchange *e = client_send(client, r);
    pump_for(client->fx, client, 20);
    assert_int_equal(e->head_count, 0);
    /* on a busy machine the first moments may pass before the request has arrived */
    for (int i = 0; i < 50 && e->head_count == 0; i++) {
        pl_clock_fake_advance_us(&client->fx->clock, 1000000);
        pump_for(client->fx, client, 200);
    }
    assert_true(e->head_count > 0);
    assert_false(e->closed);
    pl_clock_fake_advance_us(&client->fx->clock, 1000000);
    PUMP_UNTIL(client->fx, client, e->closed);
    assert_int_equal(e->close_code, 0);
    return e;
}

static void test_an_early_answer_ends_the_request(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    struct request r = {.path = "/nothing/Here",
                        .type = "application/grpc",
                        .body = empty_frame,
                        .body_len = 5,
                        .keep_open = true};
    assert_grpc_error(call_without_end(client, &r), "12");
    r.type = "application/json";
    struct exchange *e = call_without_end(client, &r);
    assert_string_equal(field_of(e, ":status"), "404");
    char length[16];
    snprintf(length, sizeof(length), "%zu", body_len(e));
    assert_string_equal(field_of(e, "content-length"), length);
    e = CALL(client, .path = EXECUTE, .type = "application/grpc", .body = empty_frame,
             .body_len = 5); /* the connection goes on */
    assert_string_equal(field_of(e, "grpc-status"), "0");
    client_free(client);
}

#define ROW(test_) cmocka_unit_test_setup_teardown(test_, setup, fixture_teardown)

/* --- resources --- */

static void test_a_resource_is_read(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    struct exchange *e = CALL(client, .method = "GET", .path = "/page?x=1");
    assert_string_equal(field_of(e, ":status"), "200");
    assert_string_equal(field_of(e, "content-type"), "text/plain");
    assert_string_equal(field_of(e, "cache-control"), "max-age=60");
    assert_string_equal(field_of(e, "etag"), "\"v1\"");
    assert_int_equal(body_len(e), 5);
    assert_memory_equal(pl_buf_slice(&e->body).data, "/page", 5);
    e = CALL(client, .method = "HEAD", .path = "/page");
    assert_string_equal(field_of(e, "content-length"), "5");
    assert_int_equal(body_len(e), 0);
    /* a link on another site may lead here */
    e = CALL(client, .method = "GET", .path = "/page", .extra = {{"sec-fetch-site", "cross-site"}});
    assert_string_equal(field_of(e, ":status"), "200");
    assert_string_equal(
        field_of(CALL(client, .path = "/page", .type = "application/json"), ":status"), "404");
    assert_string_equal(field_of(CALL(client, .method = "GET", .path = "/page/"), ":status"),
                        "404");
    assert_string_equal(field_of(CALL(client, .method = "GET", .path = "/pag"), ":status"), "404");
    client_free(client);
}

static void test_resources_have_roles_and_what_is_under_them(void **state)
{
    struct fixture *fx = *state;
    struct client *clerk = client_new(fx, fx->clerk), *auditor = client_new(fx, fx->auditor),
                  *stranger = client_new(fx, fx->stranger);
    struct exchange *e = CALL(auditor, .method = "GET", .path = "/tile/0/000");
    assert_string_equal(field_of(e, ":status"), "200");
    assert_memory_equal(pl_buf_slice(&e->body).data, "/tile/0/000", 11);
    e = CALL(auditor, .method = "GET", .path = "/tile/");
    assert_string_equal(field_of(e, ":status"), "200");
    assert_string_equal(field_of(CALL(clerk, .method = "GET", .path = "/tile/0/000"), ":status"),
                        "403");
    assert_string_equal(field_of(CALL(stranger, .method = "GET", .path = "/page"), ":status"),
                        "401");
    client_free(clerk);
    client_free(auditor);
    client_free(stranger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_grpc_unary_is_answered),
        ROW(test_grpc_answers_in_the_type_of_the_request),
        ROW(test_grpc_counts_messages),
        ROW(test_grpc_encodings),
        ROW(test_the_largest_message_passes_and_one_more_byte_does_not),
        ROW(test_a_refusal_travels_as_grpc_status),
        ROW(test_a_wrong_field_is_named),
        ROW(test_timeouts_become_deadlines),
        ROW(test_unknown_paths),
        ROW(test_verbs),
        ROW(test_content_types_that_are_not_ours),
        ROW(test_other_sites_are_refused),
        ROW(test_a_stranger_is_unauthenticated),
        ROW(test_a_role_is_asked_for),
        ROW(test_connect_json),
        ROW(test_connect_proto),
        ROW(test_connect_errors),
        ROW(test_connect_get),
        ROW(test_connect_keeps_streams_apart),
        ROW(test_an_early_answer_ends_the_request),
        ROW(test_a_resource_is_read),
        ROW(test_resources_have_roles_and_what_is_under_them),
    };
    return cmocka_run_group_tests_name("rpc", tests, NULL, NULL);
}
