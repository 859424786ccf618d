/* SPDX-License-Identifier: Apache-2.0
 *
 * h1_head: what is understood, and every way to be refused. Heads are given as they travel.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"
#include "server/net/h1_head.h"
#include "unit.h"

enum { HEAD_MAX = 8192 };

static uint8_t bytes[HEAD_MAX];
static size_t bytes_len;

/* Runs a head through the scan, as h1 does. */
static enum h1_scanned scan(const char *text, size_t len)
{
    struct h1_scan scan = {0};
    bytes_len = 0;
    for (size_t i = 0; i < len; i++) {
        enum h1_scanned scanned = h1_scan(&scan, (uint8_t)text[i]);
        if (scanned != H1_SKIP)
            bytes[bytes_len++] = (uint8_t)text[i];
        if (scanned == H1_END || scanned == H1_BAD) {
            assert_true(scanned == H1_BAD || i + 1 == len);
            return scanned;
        }
    }
    return H1_MORE;
}

static struct h1_fault parse(const char *text, bool secure, struct h1_head *head)
{
    assert_int_equal(scan(text, strlen(text)), H1_END);
    return h1_parse(bytes, bytes_len, secure, head);
}

#define assert_slice(slice_, text_)                                                                \
    do {                                                                                           \
        struct pl_slice got_ = (slice_);                                                           \
        assert_int_equal(got_.len, strlen(text_));                                                 \
        assert_memory_equal(got_.data, text_, got_.len);                                           \
    } while (0)

static void test_a_good_head_is_understood(void **state)
{
    struct h1_head head;
    (void)state;
    struct h1_fault fault = parse("POST /a.B/C?x=%20y HTTP/1.1\r\n"
                                  "HOST: [::1]:7443\r\n"
                                  "Content-Type:application/json\r\n"
                                  "X-Empty:\r\n"
                                  "X-Spaces: \t a \t b\t \r\n"
                                  "X-Latin: caf\xe9\r\n"
                                  "Content-Length: 0012\r\n"
                                  "Expect: 100-Continue\r\n"
                                  "Connection: keep-alive, Close\r\n\r\n",
                                  true, &head);
    assert_null(fault.status);
    assert_slice(head.method, "POST");
    assert_slice(head.target, "/a.B/C?x=%20y");
    assert_slice(head.authority, "[::1]:7443");
    assert_int_equal(head.field_count, 7);
    assert_slice(head.field[0].name, "content-type");
    assert_slice(head.field[0].value, "application/json");
    assert_slice(head.field[1].name, "x-empty");
    assert_slice(head.field[1].value, "");
    assert_slice(head.field[2].value, "a \t b");
    assert_slice(head.field[3].value, "caf\xe9");
    assert_true(head.has_length);
    assert_int_equal(head.length, 12);
    assert_true(head.expect_continue);
    assert_true(head.last);
}

static void test_the_least_head_is_understood(void **state)
{
    struct h1_head head;
    (void)state;
    assert_null(parse("\r\nGET / HTTP/1.1\r\nhost:x\r\n\r\n", true, &head).status);
    assert_slice(head.method, "GET");
    assert_slice(head.target, "/");
    assert_slice(head.authority, "x");
    assert_int_equal(head.field_count, 0);
    assert_false(head.has_length);
    assert_false(head.expect_continue);
    assert_false(head.last);
    assert_null(
        parse("HEAD /p HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", true, &head).status);
}

static void test_a_target_of_this_host_is_a_path(void **state)
{
    static const struct {
        const char *target, *host, *path; /* path NULL: refused */
        bool secure;
    } rows[] = {
        {"https://x:1/a?b", "x:1", "/a?b", true},
        {"http://x/a", "x", "/a", false},
        {"https://x", "x", "/", true},
        {"https://x?q", "x", NULL, true},
        {"http://x/a", "x", NULL, true},
        {"https://x/a", "x", NULL, false},
        {"https://y/a", "x", NULL, true},
        {"https://x.y/a", "x", NULL, true},
        {"https:///a", "x", NULL, true},
        {"https://", "x", NULL, true},
        {"ftp://x/a", "x", NULL, true},
        {"x:443", "x", NULL, true},
        {"*", "x", NULL, true},
    };
    (void)state;
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        char text[200];
        struct h1_head head;
        snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", rows[i].target,
                 rows[i].host);
        struct h1_fault fault = parse(text, rows[i].secure, &head);
        if ((fault.status == NULL) != (rows[i].path != NULL))
            fail_msg("row %zu: %s", i, rows[i].target);
        if (rows[i].path != NULL)
            assert_slice(head.target, rows[i].path);
        else
            assert_string_equal(fault.status, "400");
    }
}

#define GET_X "GET / HTTP/1.1\r\nHost: x\r\n"

/* Refused already while the bytes come. */
static void test_bytes_that_no_head_has(void **state)
{
    static const struct {
        const char *text;
        size_t len;
    } rows[] = {
#define BYTES(text_) {text_, sizeof(text_) - 1}
        BYTES("GET / HTTP/1.1\nHost: x\n\n"),
        BYTES("GET / HTTP/1.1\r\nHost: x\n"),
        BYTES("GET / HTTP/1.1\rHost: x\r"),
        BYTES(GET_X "A: b\rc\r\n"),
        BYTES(GET_X "A: b\r\r\n"),
        BYTES(GET_X "A: b\0c\r\n"),
        BYTES(GET_X "A\0: b\r\n"),
        BYTES(GET_X "A: b\x01\r\n"),
        BYTES(GET_X "A: b\x7f\r\n"),
        BYTES(GET_X "A: b\x1b[2J\r\n"),
        BYTES("\n"),
        BYTES("\r\n\r\n"),
        BYTES("\r\n\n"),
        BYTES("\x16\x03\x01"), /* TLS where none is */
    };
    (void)state;
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        if (scan(rows[i].text, rows[i].len) != H1_BAD)
            fail_msg("row %zu", i);
    }
}

static void test_heads_that_are_refused(void **state)
{
    static const struct {
        const char *text, *status;
    } rows[] = {
        /* the first line */
        {"GET /\r\nHost: x\r\n\r\n", "400"},
        {"GET\r\nHost: x\r\n\r\n", "400"},
        {"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET /  HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET / HTTP/1.1 \r\nHost: x\r\n\r\n", "400"},
        {" GET / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET / HTTP/1.10\r\nHost: x\r\n\r\n", "400"},
        {"GET / HTTP/11\r\nHost: x\r\n\r\n", "400"},
        {"GET / http/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET / HTTP/1.0\r\nHost: x\r\n\r\n", "505"},
        {"GET / HTTP/0.9\r\nHost: x\r\n\r\n", "505"},
        {"PRI * HTTP/2.0\r\n\r\n", "505"},
        {"G@T / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"get / HTTP/1.1\r\nHost: x\r\n\r\n", "405"},
        {"PUT / HTTP/1.1\r\nHost: x\r\n\r\n", "405"},
        {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "405"},
        {"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", "405"},
        {"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        /* Host */
        {"GET / HTTP/1.1\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", "400"},
        {GET_X "Host: x\r\n\r\n", "400"},
        {GET_X "hOST: y\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: x, y\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: a@x\r\n\r\n", "400"},
        /* lines */
        {GET_X "A : b\r\n\r\n", "400"},
        {GET_X "A\t: b\r\n\r\n", "400"},
        {GET_X " A: b\r\n\r\n", "400"},
        {GET_X "A: b\r\n c\r\n\r\n", "400"},
        {GET_X "A: b\r\n\tc: d\r\n\r\n", "400"},
        {GET_X "A\r\n\r\n", "400"},
        {GET_X ": b\r\n\r\n", "400"},
        {GET_X ":path: /other\r\n\r\n", "400"},
        {GET_X "A(b): c\r\n\r\n", "400"},
        {GET_X "\xc3\xa9: c\r\n\r\n", "400"},
        /* lengths */
        {GET_X "Content-Length: 1\r\n\r\n", "400"},
        {"HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n", "400"},
        {"POST / HTTP/1.1\r\nHost: x\r\n\r\n", "411"},
        {GET_X "Content-Length: 0\r\nContent-Length: 1\r\n\r\n", "400"},
        {GET_X "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", "400"},
        {GET_X "Content-Length: 0, 0\r\n\r\n", "400"},
        {GET_X "Content-Length: -1\r\n\r\n", "400"},
        {GET_X "Content-Length: +1\r\n\r\n", "400"},
        {GET_X "Content-Length: 0x1\r\n\r\n", "400"},
        {GET_X "Content-Length: 1 2\r\n\r\n", "400"},
        {GET_X "Content-Length: 1;a\r\n\r\n", "400"},
        {GET_X "Content-Length:\r\n\r\n", "400"},
        {GET_X "Content-Length: 9999999999999999999\r\n\r\n", "400"},
        {GET_X "Content-Length: 18446744073709551617\r\n\r\n", "400"},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000000000\r\n\r\n", "400"},
        /* codings */
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "411"},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: CHUNKED\r\n\r\n", "411"},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501"},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n", "501"},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n", "501"},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
         "411"},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\n",
         "501"},
        {GET_X "Transfer-Encoding: chunked\r\n\r\n", "411"},
        {GET_X "Expect: 200-ok\r\n\r\n", "417"},
        /* gRPC has trailers */
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Type: "
         "application/grpc\r\n\r\n",
         "505"},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
         "Content-Type: Application/gRPC+proto\r\n\r\n",
         "505"},
    };
    (void)state;
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct h1_head head;
        struct h1_fault fault = parse(rows[i].text, true, &head);
        if (fault.status == NULL || strcmp(fault.status, rows[i].status) != 0)
            fail_msg("row %zu: %s", i, rows[i].text);
        assert_non_null(fault.text);
        assert_true((fault.allow != NULL) == (strcmp(fault.status, "405") == 0));
    }
}

static void test_grpc_web_is_not_grpc(void **state)
{
    struct h1_head head;
    (void)state;
    assert_null(parse("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
                      "Content-Type: application/grpc-web+proto\r\n\r\n",
                      true, &head)
                    .status);
    assert_null(parse("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999999999\r\n\r\n",
                      true, &head)
                    .status);
    assert_true(head.length == 999999999999999999);
}

static void test_too_many_lines(void **state)
{
    char text[HEAD_MAX] = GET_X;
    size_t len = strlen(text);
    struct h1_head head;
    (void)state;
    for (size_t i = 0; i < H1_FIELDS_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "A: %zu\r\n", i);
    snprintf(text + len, sizeof(text) - len, "\r\n");
    assert_null(parse(text, true, &head).status);
    assert_int_equal(head.field_count, H1_FIELDS_MAX);
    snprintf(text + len, sizeof(text) - len, "B: c\r\n\r\n");
    assert_string_equal(parse(text, true, &head).status, "431");
}

/* Whatever is cut off or changed: an answer, and no byte read that was not given. The bytes lie at
 * the end of a block of their own, so that the sanitizer sees a step too far. */
static void test_changed_heads_do_no_harm(void **state)
{
    static const char good[] = "POST /pledged.v1.LedgerService/Execute HTTP/1.1\r\n"
                               "Host: localhost:7443\r\nContent-Type: application/json\r\n"
                               "Content-Length: 12\r\nConnection: close\r\n\r\n";
    static const char spice[] = "\r\n\r\n :\t,\0/HGhcCtT019.\x7f\xff";
    uint64_t random = 0x9e3779b97f4a7c15u;
    unsigned good_ones = 0;
    (void)state;
    for (int round = 0; round < 200000; round++) {
        size_t len = sizeof(good) - 1, changes = 0;
        uint8_t *text = malloc(len);
        memcpy(text, good, len);
        random = random * 6364136223846793005u + 1442695040888963407u;
        for (changes = 1 + (random >> 60) % 4; changes > 0; changes--) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            size_t at = (size_t)(random >> 33) % len;
            uint8_t with = (uint8_t)spice[(random >> 20) % (sizeof(spice) - 1)];
            if ((random >> 62) == 0 && len > 1)
                memmove(text + at, text + at + 1, --len - at); /* one byte less */
            else
                text[at] = with;
        }
        uint8_t *end = realloc(text, len);
        struct h1_head head;
        struct h1_fault fault = h1_parse(end, len, true, &head);
        good_ones += fault.status == NULL;
        if (fault.status == NULL) {
            assert_true(head.method.len >= 3 && head.target.data[0] == '/');
            assert_true(head.authority.len > 0);
            assert_true(head.field_count <= H1_FIELDS_MAX);
        }
        free(end);
    }
    assert_true(good_ones > 0 && good_ones < 200000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_head_is_understood),
        cmocka_unit_test(test_the_least_head_is_understood),
        cmocka_unit_test(test_a_target_of_this_host_is_a_path),
        cmocka_unit_test(test_bytes_that_no_head_has),
        cmocka_unit_test(test_heads_that_are_refused),
        cmocka_unit_test(test_grpc_web_is_not_grpc),
        cmocka_unit_test(test_too_many_lines),
        cmocka_unit_test(test_changed_heads_do_no_harm),
    };
    return cmocka_run_group_tests_name("h1_head", tests, NULL, NULL);
}
