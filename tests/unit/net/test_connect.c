/* SPDX-License-Identifier: Apache-2.0
 *
 * connect: content types, the GET form, timeouts, errors as JSON.
 */
#include <jansson.h>

#include "common/check.h"
#include "server/net/connect.h"
#include "unit.h"

static void test_content_types(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        enum connect_kind kind;
        enum codec codec;
    } rows[] = {
        {"application/json", CONNECT_UNARY, CODEC_JSON},
        {"application/json; charset=utf-8", CONNECT_UNARY, CODEC_JSON},
        {"application/json;charset=\"UTF-8\"", CONNECT_UNARY, CODEC_JSON},
        {"Application/JSON", CONNECT_UNARY, CODEC_JSON},
        {"application/json; charset=latin1", CONNECT_NOT, CODEC_JSON},
        {"application/proto", CONNECT_UNARY, CODEC_PROTO},
        {"application/connect+json", CONNECT_STREAM, CODEC_JSON},
        {"application/connect+proto", CONNECT_STREAM, CODEC_PROTO},
        {"application/jsonx", CONNECT_NOT, CODEC_JSON},
        {"text/plain", CONNECT_NOT, CODEC_JSON},
        {"multipart/form-data", CONNECT_NOT, CODEC_JSON},
        {"", CONNECT_NOT, CODEC_JSON},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        enum codec codec = rows[i].codec;
        if (connect_content_type(pl_slice_str(rows[i].type), &codec) != rows[i].kind ||
            codec != rows[i].codec)
            fail_msg("%s", rows[i].type);
    }
    assert_int_equal(connect_content_type(pl_slice(NULL, 0), &(enum codec){0}), CONNECT_NOT);
}

static void test_queries(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        enum pl_code code;
        enum codec codec;
        const char *message;
    } rows[] = {
        {"connect=v1&encoding=json&message=%7B%22a%22%3A1%7D", PL_E_OK, CODEC_JSON, "{\"a\":1}"},
        {"message={}&x=%zz&encoding=json", PL_E_OK, CODEC_JSON, "{}"},
        {"encoding=json&message=a+b", PL_E_OK, CODEC_JSON, "a b"},
        {"encoding=proto&message=", PL_E_OK, CODEC_PROTO, ""},
        {"encoding=proto&base64=1&message=", PL_E_OK, CODEC_PROTO, ""},
        {"encoding=json&base64=1&message=e30", PL_E_OK, CODEC_JSON, "{}"},
        {"encoding=json&base64=1&message=e30%3D", PL_E_OK, CODEC_JSON, "{}"},
        {"encoding=proto&base64=1&message=--__", PL_E_OK, CODEC_PROTO, "\xfb\xef\xff"},
        {"encoding=proto&base64=1&message=%2B%2B//", PL_E_OK, CODEC_PROTO, "\xfb\xef\xff"},
        {"encoding=json&message={}&compression=identity", PL_E_OK, CODEC_JSON, "{}"},
        {"encoding=json&message={}&compression=gzip", PL_E_UNIMPLEMENTED, CODEC_JSON, NULL},
        {"encoding=json&message={}&base64=0", PL_E_OK, CODEC_JSON, "{}"},
        {"encoding=xml&message={}", PL_E_UNIMPLEMENTED, CODEC_JSON, NULL},
        {"message={}", PL_E_UNIMPLEMENTED, CODEC_JSON, NULL},
        {"encoding=json", PL_E_INVALID, CODEC_JSON, NULL},
        {"connect=v2&encoding=json&message={}", PL_E_INVALID, CODEC_JSON, NULL},
        {"encoding=json&message={}&message={}", PL_E_INVALID, CODEC_JSON, NULL},
        {"encoding=json&message=%7", PL_E_INVALID, CODEC_JSON, NULL},
        {"encoding=json&message=%", PL_E_INVALID, CODEC_JSON, NULL},
        {"encoding=json&message=%GG", PL_E_INVALID, CODEC_JSON, NULL},
        {"encoding=json&base64=1&message=!!", PL_E_INVALID, CODEC_JSON, NULL},
        {"encoding=json&base64=yes&message=e30", PL_E_INVALID, CODEC_JSON, NULL},
        {"", PL_E_UNIMPLEMENTED, CODEC_JSON, NULL},
        {"&&&=&", PL_E_UNIMPLEMENTED, CODEC_JSON, NULL},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct pl_arena arena;
        struct connect_query got;
        pl_arena_init(&arena, 65536);
        struct pl_status status = connect_parse_query(pl_slice_str(rows[i].query), &arena, &got);
        if (status.code != rows[i].code)
            fail_msg("%s: %s", rows[i].query, status.what);
        if (rows[i].message != NULL) {
            assert_int_equal(got.codec, rows[i].codec);
            if (!pl_slice_eq_str(got.message, rows[i].message))
                fail_msg("%s", rows[i].query);
        }
        pl_arena_fini(&arena);
    }
}

static void test_a_query_ends_at_the_arena(void **state)
{
    (void)state;
    struct pl_arena arena;
    struct connect_query got;
    pl_arena_init(&arena, 16);
    struct pl_slice query =
        pl_slice_str("encoding=json&message=0123456789012345678901234567890123456789");
    assert_int_equal(connect_parse_query(query, &arena, &got).code, PL_E_TOO_BIG);
    pl_arena_fini(&arena);
}

static void test_timeouts(void **state)
{
    (void)state;
    int64_t ns = -1;
    assert_true(pl_is_ok(connect_timeout(pl_slice_str("1500"), &ns)));
    assert_int_equal(ns, 1500000000);
    assert_true(pl_is_ok(connect_timeout(pl_slice_str("9999999999"), &ns)));
    assert_int_equal(ns, 9999999999000000);
    assert_int_equal(connect_timeout(pl_slice_str(""), &ns).code, PL_E_INVALID);
    assert_int_equal(connect_timeout(pl_slice_str("12345678901"), &ns).code, PL_E_INVALID);
    assert_int_equal(connect_timeout(pl_slice_str("1s"), &ns).code, PL_E_INVALID);
    assert_int_equal(connect_timeout(pl_slice_str("-1"), &ns).code, PL_E_INVALID);
}

static json_t *error_json(const char *message, const Pledged__V1__Refusal *refusal)
{
    struct pl_buf out;
    pl_buf_init(&out, 65536);
    assert_true(pl_is_ok(connect_error("not_found", message, refusal, &out)));
    json_t *json = json_loadb((const char *)pl_buf_slice(&out).data, pl_buf_len(&out), 0, NULL);
    pl_buf_fini(&out);
    assert_non_null(json);
    return json;
}

static void test_errors_are_json(void **state)
{
    (void)state;
    json_t *json = error_json("no \"tier\"\n\xc3\xa9", NULL);
    assert_string_equal(json_string_value(json_object_get(json, "code")), "not_found");
    assert_string_equal(json_string_value(json_object_get(json, "message")),
                        "no \"tier\"\n\xc3\xa9");
    assert_int_equal(json_object_size(json), 2);
    json_decref(json);

    Pledged__V1__Refusal refusal = PLEDGED__V1__REFUSAL__INIT;
    refusal.reason = PLEDGED__V1__REASON__REASON_TIER_UNKNOWN;
    refusal.field = (char *)(uintptr_t) "tier";
    json = error_json("x", &refusal);
    json_t *detail = json_array_get(json_object_get(json, "details"), 0);
    assert_string_equal(json_string_value(json_object_get(detail, "type")), "pledged.v1.Refusal");
    /* 08 12 | 12 04 "tier": unpadded */
    assert_string_equal(json_string_value(json_object_get(detail, "value")), "CBISBHRpZXI");
    json_t *debug = json_object_get(detail, "debug");
    assert_string_equal(json_string_value(json_object_get(debug, "reason")), "REASON_TIER_UNKNOWN");
    assert_string_equal(json_string_value(json_object_get(debug, "field")), "tier");
    json_decref(json);
}

static void test_a_stream_ends_with_its_error(void **state)
{
    (void)state;
    struct pl_buf out;
    pl_buf_init(&out, 65536);
    assert_true(pl_is_ok(connect_end_error("unavailable", "later", NULL, &out)));
    assert_true(pl_slice_eq_str(pl_buf_slice(&out),
                                "{\"error\":{\"code\":\"unavailable\",\"message\":\"later\"}}"));
    pl_buf_fini(&out);
    assert_string_equal(connect_answer_type(CODEC_JSON, true), "application/connect+json");
    assert_string_equal(connect_answer_type(CODEC_PROTO, true), "application/connect+proto");
    assert_string_equal(connect_answer_type(CODEC_PROTO, false), "application/proto");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content_types),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_a_query_ends_at_the_arena),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_errors_are_json),
        cmocka_unit_test(test_a_stream_ends_with_its_error),
    };
    return cmocka_run_group_tests_name("connect", tests, NULL, NULL);
}
