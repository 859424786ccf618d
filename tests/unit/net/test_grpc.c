/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc: content types, framing however it is cut, timeouts, status texts and details.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/check.h"
#include "common/scan.h"
#include "server/net/grpc.h"
#include "unit.h"

static void test_content_types(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        bool grpc;
        const char *answer;
    } rows[] = {
        {"application/grpc", true, "application/grpc"},
        {"application/grpc+proto", true, "application/grpc+proto"},
        {"application/grpc;charset=x", true, "application/grpc"},
        {"application/grpc+proto; q=1", true, "application/grpc+proto"},
        {"application/grpc+foo", true, NULL},
        {"application/grpc+json", true, "application/grpc+json"},
        {"application/grpc+", true, NULL},
        {"application/grpc-web", false, NULL},
        {"application/grpc-web+proto", false, NULL},
        {"application/grp", false, NULL},
        {"application/json", false, NULL},
        {"", false, NULL},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct pl_slice type = pl_slice_str(rows[i].type);
        if (grpc_is_content_type(type) != rows[i].grpc)
            fail_msg("%s", rows[i].type);
        if (!rows[i].grpc)
            continue;
        enum codec codec = CODEC_PROTO;
        const char *answer = grpc_answer_type(type, &codec);
        assert_int_equal(codec, strstr(rows[i].type, "json") != NULL ? CODEC_JSON : CODEC_PROTO);
        if (rows[i].answer == NULL)
            assert_null(answer);
        else
            assert_string_equal(answer, rows[i].answer);
    }
}

/* Feeds `bytes` in pieces; the status that ended it, or that of the end. */
static enum pl_code feed(const uint8_t *bytes, size_t len, size_t piece, size_t max,
                         struct pl_buf *message)
{
    struct grpc_reader reader = {0};
    pl_buf_clear(message);
    for (size_t at = 0; at < len; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        struct pl_status status = grpc_read(&reader, pl_slice(bytes + at, n), max, message);
        if (!pl_is_ok(status))
            return status.code;
    }
    return grpc_read_end(&reader).code;
}

static void test_framing_in_pieces_of_any_size(void **state)
{
    (void)state;
    static const uint8_t one[] = {0, 0, 0, 0, 3, 'a', 'b', 'c'};
    static const uint8_t empty[] = {0, 0, 0, 0, 0};
    static const uint8_t two[] = {0, 0, 0, 0, 1, 'a', 0, 0, 0, 0, 0};
    static const uint8_t two_empty[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t compressed[] = {1, 0, 0, 0, 1, 'a'};
    static const uint8_t strange[] = {2, 0, 0, 0, 1, 'a'};
    static const uint8_t huge[] = {0, 0xff, 0xff, 0xff, 0xff, 'a'};
    struct pl_buf message;
    pl_buf_init(&message, 1000);
    for (size_t piece = 1; piece <= 12; piece++) {
        assert_int_equal(feed(one, sizeof(one), piece, 3, &message), PL_E_OK);
        assert_int_equal(pl_buf_len(&message), 3);
        assert_memory_equal(pl_buf_slice(&message).data, "abc", 3);
        assert_int_equal(feed(one, sizeof(one), piece, 2, &message), PL_E_TOO_BIG);
        assert_int_equal(feed(empty, sizeof(empty), piece, 3, &message), PL_E_OK);
        assert_int_equal(pl_buf_len(&message), 0);
        assert_int_equal(feed(two, sizeof(two), piece, 3, &message), PL_E_UNIMPLEMENTED);
        assert_int_equal(feed(two_empty, sizeof(two_empty), piece, 3, &message),
                         PL_E_UNIMPLEMENTED);
        assert_int_equal(feed(compressed, sizeof(compressed), piece, 3, &message), PL_E_INTERNAL);
        assert_int_equal(feed(strange, sizeof(strange), piece, 3, &message), PL_E_INTERNAL);
        assert_int_equal(feed(huge, sizeof(huge), piece, 3, &message), PL_E_TOO_BIG);
        assert_int_equal(pl_buf_len(&message), 0);
        for (size_t cut = 1; cut < sizeof(one); cut++)
            assert_int_equal(feed(one, cut, piece, 3, &message), PL_E_INTERNAL);
        assert_int_equal(feed(one, 0, piece, 3, &message), PL_E_UNIMPLEMENTED);
    }
    pl_buf_fini(&message);
    uint8_t prefix[GRPC_PREFIX_BYTES];
    grpc_put_prefix(prefix, 0x01020304);
    assert_memory_equal(prefix, "\0\1\2\3\4", 5);
}

static void test_timeouts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns; /* -1: refused */
    } rows[] = {
        {"1H", 3600000000000},
        {"2M", 120000000000},
        {"3S", 3000000000},
        {"250m", 250000000},
        {"7u", 7000},
        {"9n", 9},
        {"0S", 0},
        {"99999999H", INT64_MAX},
        {"99999999n", 99999999},
        {"", -1},
        {"S", -1},
        {"1", -1},
        {"123456789S", -1},
        {"-1S", -1},
        {"1s", -1},
        {"1 S", -1},
        {"1.5S", -1},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        int64_t ns = -1;
        struct pl_status status = grpc_timeout(pl_slice_str(rows[i].text), &ns);
        if (pl_is_ok(status) != (rows[i].ns >= 0) || ns != rows[i].ns)
            fail_msg("%s", rows[i].text);
    }
}

static void test_messages_are_percent_encoded_and_cut(void **state)
{
    (void)state;
    struct pl_buf out;
    pl_buf_init(&out, 4096);
    assert_true(pl_is_ok(grpc_message("100% caf\xc3\xa9\n~", &out)));
    assert_true(pl_slice_eq_str(pl_buf_slice(&out), "100%25 caf%C3%A9%0A~"));
    pl_buf_clear(&out);
    char text[3001];
    for (size_t i = 0; i < 3000; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text[3000] = '\0';
    assert_true(pl_is_ok(grpc_message(text, &out)));
    assert_true(pl_buf_len(&out) <= GRPC_MESSAGE_MAX);
    assert_true(pl_buf_len(&out) > GRPC_MESSAGE_MAX - 24);
    assert_int_equal(pl_buf_len(&out) % 6, 0); /* no character is cut */
    pl_buf_fini(&out);
}

static void test_details_hold_the_refusal(void **state)
{
    (void)state;
    struct pl_buf out;
    struct pl_arena arena;
    struct pl_slice status;
    Pledged__V1__Refusal refusal = PLEDGED__V1__REFUSAL__INIT;
    refusal.reason = PLEDGED__V1__REASON__REASON_TIER_SOLD_OUT;
    refusal.field = (char *)(uintptr_t) "submit.tier";
    pl_buf_init(&out, 8192);
    pl_arena_init(&arena, 65536);
    assert_true(pl_is_ok(grpc_details(9, "sold out", &refusal, &out)));
    assert_null(memchr(pl_buf_slice(&out).data, '=', pl_buf_len(&out)));
    assert_true(pl_is_ok(pl_unbase64(pl_buf_slice(&out), &arena, &status)));
    assert_memory_equal(status.data, "\x08\x09\x12\x08sold out\x1a", 13);
    size_t cursor = 0, inner = 0;
    struct pl_slice any, url, value;
    assert_true(pl_wire_next(status, 3, &cursor, &any));
    assert_true(pl_wire_next(any, 1, &inner, &url));
    assert_true(pl_slice_eq_str(url, "type.googleapis.com/pledged.v1.Refusal"));
    inner = 0;
    assert_true(pl_wire_next(any, 2, &inner, &value));
    Pledged__V1__Refusal *back = pledged__v1__refusal__unpack(NULL, value.len, value.data);
    assert_non_null(back);
    assert_int_equal(back->reason, refusal.reason);
    assert_string_equal(back->field, "submit.tier");
    pledged__v1__refusal__free_unpacked(back, NULL);
    pl_arena_fini(&arena);
    pl_buf_fini(&out);
}

static void test_details_stay_small(void **state)
{
    (void)state;
    char *text = malloc(20001);
    memset(text, 'x', 20000);
    text[20000] = '\0';
    Pledged__V1__Arg arg = PLEDGED__V1__ARG__INIT, *args[] = {&arg};
    Pledged__V1__Refusal refusal = PLEDGED__V1__REFUSAL__INIT;
    arg.value = text;
    refusal.n_arg = 1;
    refusal.arg = args;
    refusal.message = text;
    struct pl_buf out;
    pl_buf_init(&out, 100000);
    assert_true(pl_is_ok(grpc_details(9, text, &refusal, &out)));
    assert_true(pl_buf_len(&out) < 7000); /* clients cap all trailers at 8 KiB */
    /* without its arguments and its words it is still too much: none then */
    pl_buf_clear(&out);
    refusal.field = text;
    assert_int_equal(grpc_details(9, "short", &refusal, &out).code, PL_E_TOO_BIG);
    assert_int_equal(pl_buf_len(&out), 0);
    pl_buf_fini(&out);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content_types),
        cmocka_unit_test(test_framing_in_pieces_of_any_size),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_messages_are_percent_encoded_and_cut),
        cmocka_unit_test(test_details_hold_the_refusal),
        cmocka_unit_test(test_details_stay_small),
    };
    return cmocka_run_group_tests_name("grpc", tests, NULL, NULL);
}
