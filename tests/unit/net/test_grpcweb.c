/* SPDX-License-Identifier: Apache-2.0
 *
 * grpcweb: content types, trailers as a frame, base64 however it is cut.
 */
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "server/net/grpcweb.h"
#include "unit.h"

static void test_content_types(void **state)
{
    (void)state;
    static const struct {
        const char *type, *answer;
        enum codec codec;
        bool text;
    } rows[] = {
        {"application/grpc-web", "application/grpc-web", CODEC_PROTO, false},
        {"Application/gRPC-Web", "application/grpc-web", CODEC_PROTO, false},
        {"application/grpc-web; charset=x", "application/grpc-web", CODEC_PROTO, false},
        {"application/grpc-web+proto", "application/grpc-web+proto", CODEC_PROTO, false},
        {"application/grpc-web+json ;a=b", "application/grpc-web+json", CODEC_JSON, false},
        {"application/grpc-web-text", "application/grpc-web-text", CODEC_PROTO, true},
        {"application/grpc-web-text+proto", "application/grpc-web-text+proto", CODEC_PROTO, true},
        {"application/grpc-web-text+foo", NULL, CODEC_PROTO, false},
        {"application/grpc-web+foo", NULL, CODEC_PROTO, false},
        {"application/grpc-web+", NULL, CODEC_PROTO, false},
        {"application/grpc-webx", NULL, CODEC_PROTO, false},
        {"application/grpc", NULL, CODEC_PROTO, false},
        {"application/grpc+json", NULL, CODEC_PROTO, false},
        {";", NULL, CODEC_PROTO, false},
        {"", NULL, CODEC_PROTO, false},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        enum codec codec = CODEC_PROTO;
        bool text = false;
        const char *answer = grpcweb_answer_type(pl_slice_str(rows[i].type), &codec, &text);
        if ((answer == NULL) != (rows[i].answer == NULL))
            fail_msg("%s", rows[i].type);
        if (answer != NULL)
            assert_string_equal(answer, rows[i].answer);
        assert_int_equal(codec, rows[i].codec);
        assert_int_equal(text, rows[i].text);
    }
    assert_null(grpcweb_answer_type(pl_slice(NULL, 0), &(enum codec){0}, &(bool){false}));
}

static void test_trailers(void **state)
{
    (void)state;
    uint8_t ok[GRPCWEB_OK_BYTES];
    struct pl_buf out;
    pl_buf_init(&out, 100);
    grpcweb_put_ok(ok);
    assert_memory_equal(ok, "\x80\0\0\0\x0fgrpc-status:0\r\n", sizeof(ok));
    assert_true(pl_is_ok(grpcweb_put_trailer(&out, pl_slice_str("a"), pl_slice_str("b"))));
    assert_true(pl_is_ok(grpcweb_put_trailer(&out, pl_slice_str("c"), pl_slice_str(""))));
    assert_true(pl_slice_eq_str(pl_buf_slice(&out), "a:b\r\nc:\r\n"));
    pl_buf_fini(&out);
}

/* What comes of `text` fed in pieces; false: refused, or not complete. */
static bool decode(const char *text, size_t piece, char *out, size_t *len)
{
    struct grpcweb_text reader = {0};
    size_t total = strlen(text);
    *len = 0;
    for (size_t at = 0; at < total; at += piece) {
        size_t part = total - at < piece ? total - at : piece, made = 0;
        uint8_t *room = malloc(part + 2); /* exactly, so that a byte too many is seen */
        struct pl_status status = grpcweb_decode(&reader, pl_slice(text + at, part), room, &made);
        assert_true(!pl_is_ok(status) || made <= part + 2);
        if (pl_is_ok(status))
            memcpy(out + *len, room, made);
        free(room);
        if (!pl_is_ok(status))
            return false;
        *len += made;
    }
    return grpcweb_text_complete(&reader);
}

static void test_base64_in_pieces_of_any_size(void **state)
{
    (void)state;
    static const struct {
        const char *text, *bytes; /* NULL: refused */
    } rows[] = {
        {"", ""},
        {"Zm9v", "foo"},
        {"Zm8=", "fo"},
        {"Zg==", "f"},
        {"Zg==Zm8=", "ffo"},
        {"Zg==Zg==Zm9v", "fffoo"},
        {"+/+/", "\xfb\xff\xbf"},
        {"Zm9", NULL},
        {"Z", NULL},
        {"=", NULL},
        {"Z===", NULL},
        {"Zg=Z", NULL},
        {"Zg=", NULL},
        {"Zm9v=", NULL},
        {"-_-_", NULL},
        {"Zm9v\n", NULL},
        {"Zm 9v", NULL},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        for (size_t piece = 1; piece <= 13; piece++) {
            char out[64];
            size_t len = 0;
            bool good = decode(rows[i].text, piece, out, &len);
            if (good != (rows[i].bytes != NULL))
                fail_msg("%s", rows[i].text);
            if (!good)
                continue;
            assert_int_equal(len, strlen(rows[i].bytes));
            assert_memory_equal(out, rows[i].bytes, len);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content_types),
        cmocka_unit_test(test_trailers),
        cmocka_unit_test(test_base64_in_pieces_of_any_size),
    };
    return cmocka_run_group_tests_name("grpcweb", tests, NULL, NULL);
}
