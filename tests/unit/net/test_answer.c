/* SPDX-License-Identifier: Apache-2.0
 *
 * answer: the same three methods (a message, a refusal, a stream) in every dialect and codec.
 */
#include "common/base64.h"
#include "fixture.h"

enum kind { GRPC, WEB, CONNECT };
static const struct row {
    const char *type;
    enum kind kind;
    bool json, text;
} rows[] = {
    {"application/grpc", GRPC, false, false},
    {"application/grpc+proto", GRPC, false, false},
    {"application/grpc+json", GRPC, true, false},
    {"application/grpc-web", WEB, false, false},
    {"application/grpc-web+proto", WEB, false, false},
    {"application/grpc-web+json", WEB, true, false},
    {"application/grpc-web-text", WEB, false, true},
    {"application/grpc-web-text+proto", WEB, false, true},
    {"application/connect+proto", CONNECT, false, false},
    {"application/connect+json", CONNECT, true, false},
};

static int setup(void **state)
{
    return fixture_setup(state, NULL);
}

/* --- what a client of the dialect sees --- */

struct seen {
    struct pl_arena arena;
    size_t messages;
    struct pl_slice first; /* message */
    struct pl_slice end;   /* contents of the last frame, of dialects that have one */
    int end_flag;          /* -1: there was none */
};

/* The bytes of an answer in the text form are base64 in pieces, each with its padding. */
static struct pl_slice plain_bytes(const struct row *row, struct exchange *e, struct seen *seen)
{
    struct pl_slice body = pl_buf_slice(&e->body);
    if (!row->text)
        return body;
    uint8_t *out = pl_arena_alloc(&seen->arena, body.len + 1);
    size_t len = 0;
    assert_int_equal(body.len % 4, 0);
    for (size_t at = 0; at < body.len; at += 4) {
        struct pl_slice part;
        assert_true(pl_is_ok(pl_unbase64(pl_slice(body.data + at, 4), &seen->arena, &part)));
        memcpy(out + len, part.data, part.len);
        len += part.len;
    }
    return pl_slice(out, len);
}

static void look(const struct row *row, struct exchange *e, struct seen *seen)
{
    memset(seen, 0, sizeof(*seen));
    pl_arena_init(&seen->arena, 64 * 1024 * 1024);
    seen->end_flag = -1;
    struct pl_slice body = plain_bytes(row, e, seen);
    size_t at = 0;
    while (at < body.len) {
        assert_int_equal(seen->end_flag, -1);
        assert_true(body.len - at >= 5);
        size_t len = (size_t)body.data[at + 1] << 24 | (size_t)body.data[at + 2] << 16 |
                     (size_t)body.data[at + 3] << 8 | (size_t)body.data[at + 4];
        assert_true(body.len - at - 5 >= len);
        struct pl_slice payload = pl_slice(body.data + at + 5, len);
        if (body.data[at] != 0) {
            seen->end_flag = body.data[at];
            seen->end = payload;
        } else if (seen->messages++ == 0) {
            seen->first = payload;
        }
        at += 5 + len;
    }
}

static bool has(struct pl_slice bytes, const char *text)
{
    return memmem(bytes.data, bytes.len, text, strlen(text)) != NULL;
}

/* Whatever happened: HTTP is content, nothing is for other sites, the end is where it belongs. */
static void assert_form(const struct row *row, const struct exchange *e, const struct seen *seen)
{
    static const int flags[] = {[GRPC] = -1, [WEB] = 0x80, [CONNECT] = 2};
    assert_string_equal(field_of(e, ":status"), "200");
    assert_string_equal(field_of(e, "content-type"), row->type);
    assert_int_equal(seen->end_flag, flags[row->kind]);
    assert_int_equal(e->close_code, 0);
    for (size_t i = 0; i < e->field_count; i++)
        assert_null(strstr(e->field[i][0], "access-control"));
    if (row->kind != GRPC) {
        assert_int_equal(e->field_count, e->head_count); /* no trailers of HTTP */
        assert_string_equal(field_of(e, "grpc-status"), "");
        assert_string_equal(field_of(e, "cache-control"), "no-store");
        assert_string_equal(field_of(e, "x-content-type-options"), "nosniff");
    }
}

static void assert_good(const struct row *row, const struct exchange *e, const struct seen *seen)
{
    assert_form(row, e, seen);
    if (row->kind == GRPC)
        assert_string_equal(field_of(e, "grpc-status"), "0");
    else
        assert_true(pl_slice_eq_str(seen->end, row->kind == WEB ? "grpc-status:0\r\n" : "{}"));
}

/* Reason, field and message are where a client of the dialect looks for them. */
static void assert_bad(const struct row *row, const struct exchange *e, struct seen *seen,
                       const char *grpc, const char *connect, const char *detail)
{
    char line[64];
    assert_form(row, e, seen);
    if (row->kind == CONNECT) {
        snprintf(line, sizeof(line), "{\"error\":{\"code\":\"%s\"", connect);
        assert_true(has(seen->end, line));
        assert_true(has(seen->end, detail));
        return;
    }
    struct pl_slice details = pl_slice_str(field_of(e, "grpc-status-details-bin")), bytes;
    if (row->kind == WEB) {
        snprintf(line, sizeof(line), "grpc-status:%s\r\n", grpc);
        assert_true(has(seen->end, line));
        const uint8_t *at = memmem(seen->end.data, seen->end.len, "details-bin:", 12);
        assert_non_null(at);
        size_t left = seen->end.len - (size_t)(at + 12 - seen->end.data);
        const uint8_t *end = memchr(at + 12, '\r', left);
        assert_non_null(end);
        details = pl_slice(at + 12, (size_t)(end - at - 12));
    } else {
        assert_string_equal(field_of(e, "grpc-status"), grpc);
    }
    assert_true(pl_is_ok(pl_unbase64(details, &seen->arena, &bytes)));
    assert_true(has(bytes, "pledged.v1.Refusal"));
    const char *field = strstr(detail, "\"field\":\"") + 9; /* the same field, unquoted */
    snprintf(line, sizeof(line), "%.*s", (int)(strchr(field, '"') - field), field);
    assert_true(has(bytes, line));
}

/* --- requests --- */

static size_t put_request(const struct row *row, const char *proto, const char *json, char *out)
{
    uint8_t frame[512];
    struct pl_buf text;
    const char *message = row->json ? json : proto;
    size_t len = grpc_frame(frame, message, strlen(message));
    if (!row->text) {
        memcpy(out, frame, len);
        return len;
    }
    pl_buf_init(&text, 4096);
    /* in two pieces, the first one padded */
    assert_true(pl_is_ok(pl_base64(&text, pl_slice(frame, 4), true)));
    assert_true(pl_is_ok(pl_base64(&text, pl_slice(frame + 4, len - 4), true)));
    len = pl_buf_len(&text);
    memcpy(out, pl_buf_slice(&text).data, len);
    pl_buf_fini(&text);
    return len;
}

static struct exchange *ask(struct client *client, const struct row *row, const char *path,
                            const char *proto, const char *json, struct seen *seen)
{
    char body[1024];
    const struct request r = {
        .path = path,
        .type = row->type,
        .body = body,
        .body_len = put_request(row, proto, json, body),
    };
    struct exchange *e = client_call(client, &r);
    look(row, e, seen);
    return e;
}

/* --- rows --- */

static void test_a_message_in_every_dialect(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    for (size_t i = 0; i < PL_COUNT(rows) && rows[i].kind != CONNECT; i++) {
        struct seen seen;
        struct exchange *e =
            ask(client, &rows[i], EXECUTE, "\x0a\x02id", "{\"requestId\":\"aWQ\"}", &seen);
        assert_good(&rows[i], e, &seen);
        assert_int_equal(seen.messages, 1);
        assert_int_equal(fx->executed, i + 1);
        assert_int_equal(fx->request_len, 4);
        assert_memory_equal(fx->request_bytes, "\x0a\x02id", 4);
        if (rows[i].json)
            assert_true(has(seen.first, "\"requestId\":\"aWQ=\""));
        else
            assert_true(has(seen.first, "\x02id"));
        assert_int_equal(fx->done, i + 1);
        assert_int_equal(fx->done_code, PL_E_OK);
        assert_string_equal(fx->done_method->path, EXECUTE);
        pl_arena_fini(&seen.arena);
    }
    client_free(client);
}

static void test_a_refusal_in_every_dialect(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct seen seen;
        bool stream = rows[i].kind == CONNECT;
        fx->dump_fail_at = 0;
        struct exchange *e = ask(client, &rows[i], stream ? DUMP : GET_TIER, "", "{}", &seen);
        assert_int_equal(seen.messages, 0);
        assert_bad(&rows[i], e, &seen, "5", "unavailable",
                   stream ? "\"reason\":\"REASON_UNAVAILABLE\",\"field\":\"from_seq\""
                          : "\"field\":\"tier\"");
        assert_int_equal(fx->done, i + 1);
        assert_int_equal(fx->done_code, stream ? PL_E_UNAVAILABLE : PL_E_NOT_FOUND);
        pl_arena_fini(&seen.arena);
    }
    client_free(client);
}

static void test_wrong_fields_are_named_in_every_dialect(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct seen seen;
        bool stream = rows[i].kind == CONNECT;
        /* from_seq, or catalogue: a number where a text belongs and the other way round */
        struct exchange *e =
            ask(client, &rows[i], stream ? DUMP : LIST_TIERS, stream ? "\x0a\x01x" : "\x08\x01",
                stream ? "{\"fromSeq\":\"x\"}" : "{\"catalogue\":1}", &seen);
        assert_bad(&rows[i], e, &seen, "3", "invalid_argument",
                   stream ? "\"field\":\"from_seq\"" : "\"field\":\"catalogue\"");
        pl_arena_fini(&seen.arena);
    }
    assert_int_equal(fx->listed + fx->dumps_begun, 0);
    client_free(client);
}

static void test_a_stream_in_every_dialect(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    fx->dump_message_bytes = 2000;
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct seen seen;
        fx->dump_messages = 300;
        struct exchange *e = ask(client, &rows[i], DUMP, "", "{}", &seen);
        assert_good(&rows[i], e, &seen);
        assert_int_equal(seen.messages, 300);
        if (rows[i].json)
            assert_true(has(seen.first, "\"firstSeq\":\"1\""));
        else
            assert_true(seen.first.len > 2000 && seen.first.len < 2020);
        pl_arena_fini(&seen.arena);
        fx->dump_messages = 0;
        e = ask(client, &rows[i], DUMP, "", "{}", &seen);
        assert_good(&rows[i], e, &seen);
        assert_int_equal(seen.messages, 0);
        pl_arena_fini(&seen.arena);
    }
    client_free(client);
}

static void test_a_stream_breaks_in_every_dialect(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    fx->dump_messages = 10;
    fx->dump_message_bytes = 100;
    fx->dump_fail_at = 3;
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct seen seen;
        struct exchange *e = ask(client, &rows[i], DUMP, "", "{}", &seen);
        assert_int_equal(seen.messages, 3);
        assert_bad(&rows[i], e, &seen, "14", "unavailable",
                   "\"reason\":\"REASON_UNAVAILABLE\",\"field\":\"from_seq\"");
        assert_int_equal(fx->done_code, PL_E_UNAVAILABLE);
        pl_arena_fini(&seen.arena);
    }
    client_free(client);
}

/* A reader that stops reading is not run after, in any dialect. */
static void test_a_stream_waits_in_every_dialect(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    fx->dump_messages = 1000;
    fx->dump_message_bytes = 6000;
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        char body[256];
        struct seen seen;
        fx->dump_sent = 0;
        client->window_shut = true;
        struct exchange *e = client_send(
            client, &(struct request){.path = DUMP,
                                      .type = rows[i].type,
                                      .body = body,
                                      .body_len = put_request(&rows[i], "", "{}", body)});
        PUMP_UNTIL(fx, client, body_len(e) > 30000); /* a window that may be half open */
        pump_for(fx, client, 10);
        assert_true(fx->dump_sent * 6000 < 512 * 1024);
        client->window_shut = false;
        nghttp2_session_consume(client->session, e->id, body_len(e));
        PUMP_UNTIL(fx, client, e->closed);
        look(&rows[i], e, &seen);
        assert_good(&rows[i], e, &seen);
        assert_int_equal(seen.messages, 1000);
        pl_arena_fini(&seen.arena);
    }
    client_free(client);
}

static void test_framing_is_judged_in_every_dialect(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    static const struct {
        const char *bytes;
        size_t len;
        const char *grpc, *connect;
    } bad[] = {
        {"", 0, "12", "unimplemented"},                       /* no message */
        {"\0\0\0\0\0\0\0\0\0\0", 10, "12", "unimplemented"},  /* two */
        {"\1\0\0\0\1x", 6, "13", "internal"},                 /* compressed */
        {"\0\0\0\0\2x", 6, "13", "internal"},                 /* cut short */
        {"\0\x7f\xff\xff\xff", 5, "8", "resource_exhausted"}, /* announced too long */
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        for (size_t j = 0; j < PL_COUNT(bad) && !rows[i].text; j++) {
            struct seen seen;
            char line[64];
            struct exchange *e = client_call(client, &(struct request){.path = DUMP,
                                                                       .type = rows[i].type,
                                                                       .body = bad[j].bytes,
                                                                       .body_len = bad[j].len});
            look(&rows[i], e, &seen);
            assert_form(&rows[i], e, &seen);
            assert_int_equal(seen.messages, 0);
            snprintf(line, sizeof(line), rows[i].kind == WEB ? "grpc-status:%s\r\n" : "\"%s\"",
                     rows[i].kind == WEB ? bad[j].grpc : bad[j].connect);
            if (rows[i].kind == GRPC)
                assert_string_equal(field_of(e, "grpc-status"), bad[j].grpc);
            else
                assert_true(has(seen.end, line));
            pl_arena_fini(&seen.arena);
        }
    }
    assert_int_equal(fx->dumps_begun, 0);
    client_free(client);
}

static void test_encodings_in_every_dialect(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        static const char frame[] = "\0\0\0\0\2{}";
        static const char *const name[] = {[GRPC] = "grpc-encoding",
                                           [WEB] = "grpc-encoding",
                                           [CONNECT] = "connect-content-encoding"};
        struct seen seen;
        struct exchange *e =
            client_call(client, &(struct request){.path = DUMP,
                                                  .type = rows[i].type,
                                                  .extra = {{name[rows[i].kind], "gzip"}},
                                                  .body = frame,
                                                  .body_len = sizeof(frame) - 1});
        look(&rows[i], e, &seen);
        assert_form(&rows[i], e, &seen);
        if (rows[i].kind == GRPC)
            assert_string_equal(field_of(e, "grpc-accept-encoding"), "identity");
        else if (rows[i].kind == WEB)
            assert_true(has(seen.end, "grpc-status:12\r\n") &&
                        has(seen.end, "grpc-accept-encoding:identity\r\n"));
        else
            assert_string_equal(field_of(e, "connect-accept-encoding"), "identity");
        pl_arena_fini(&seen.arena);
    }
    assert_int_equal(fx->dumps_begun, 0);
    client_free(client);
}

static void test_text_that_is_no_base64(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    static const char *const bodies[] = {"AAAAAA=", "AAAAAAA", "AAAA!AAA", "====", "AAAA=AAA"};
    for (size_t i = 0; i < PL_COUNT(bodies); i++) {
        struct seen seen;
        struct exchange *e = client_call(client, &(struct request){.path = EXECUTE,
                                                                   .type = rows[6].type,
                                                                   .body = bodies[i],
                                                                   .body_len = strlen(bodies[i])});
        look(&rows[6], e, &seen);
        assert_form(&rows[6], e, &seen);
        assert_true(has(seen.end, "grpc-status:3\r\n"));
        pl_arena_fini(&seen.arena);
    }
    assert_int_equal(fx->executed, 0);
    client_free(client);
}

static void test_pages_of_other_sites_get_nothing(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct exchange *e =
            client_call(client, &(struct request){.path = DUMP,
                                                  .type = rows[i].type,
                                                  .extra = {{"origin", "https://evil.example"}},
                                                  .body = "\0\0\0\0\0",
                                                  .body_len = 5});
        assert_string_equal(field_of(e, ":status"), "403");
        assert_string_equal(field_of(e, "access-control-allow-origin"), "");
    }
    assert_int_equal(fx->dumps_begun, 0);
    client_free(client);
}

#define ROW(test_) cmocka_unit_test_setup_teardown(test_, setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_a_message_in_every_dialect),
        ROW(test_a_refusal_in_every_dialect),
        ROW(test_wrong_fields_are_named_in_every_dialect),
        ROW(test_a_stream_in_every_dialect),
        ROW(test_a_stream_breaks_in_every_dialect),
        ROW(test_a_stream_waits_in_every_dialect),
        ROW(test_framing_is_judged_in_every_dialect),
        ROW(test_encodings_in_every_dialect),
        ROW(test_text_that_is_no_base64),
        ROW(test_pages_of_other_sites_get_nothing),
    };
    return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
