/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: bytes come out as they went in, the ceiling is exact, and a refused write changes nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/check.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define assert_ok(status_) assert_int_equal((status_).code, PL_E_OK)

static void assert_holds(const struct pl_buf *buf, const char *text)
{
    assert_true(pl_slice_eq_str(pl_buf_slice(buf), text));
}

static void test_append_and_consume(void **state)
{
    (void)state;
    struct pl_buf buf PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&buf, 100);
    assert_int_equal(pl_buf_len(&buf), 0);
    assert_ok(pl_buf_append(&buf, NULL, 0));
    assert_ok(pl_buf_append(&buf, "abc", 3));
    assert_ok(pl_buf_append_str(&buf, "def"));
    assert_ok(pl_buf_printf(&buf, "%d-%s", 7, "x"));
    assert_holds(&buf, "abcdef7-x");
    pl_buf_consume(&buf, 4);
    assert_holds(&buf, "ef7-x");
    pl_buf_consume(&buf, 5);
    assert_int_equal(pl_buf_len(&buf), 0);
    assert_int_equal(buf.start, 0);
    assert_ok(pl_buf_append_str(&buf, "again"));
    pl_buf_clear(&buf);
    assert_holds(&buf, "");
}

/* To the end, or one byte more than the most. */
static void test_read(void **state)
{
    (void)state;
    struct pl_buf buf PL_CLEANUP(pl_buf_fini);
    char path[] = "/tmp/pledged-buf-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && unlink(path) == 0);
    pl_buf_init(&buf, 200001);
    assert_ok(pl_buf_read(&buf, fd, 10)); /* nothing there */
    assert_int_equal(pl_buf_len(&buf), 0);
    static char bytes[200000];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7 / 3);
    assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
    static const size_t most[] = {200000, 199999, 131072, 65536, 65535, 1, 0};
    for (size_t i = 0; i < PL_COUNT(most); i++) {
        size_t want = most[i] < sizeof(bytes) ? most[i] + 1 : sizeof(bytes);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        pl_buf_clear(&buf);
        assert_ok(pl_buf_read(&buf, fd, most[i]));
        assert_int_equal(pl_buf_len(&buf), want);
        assert_memory_equal(pl_buf_slice(&buf).data, bytes, want);
    }
    assert_int_equal(close(fd), 0);
    pl_buf_clear(&buf);
    struct pl_status status = pl_buf_read(&buf, fd, 10);
    assert_int_equal(status.code, PL_E_IO);
    assert_int_equal(status.sys_errno, EBADF);
}

static void test_ceiling_is_exact(void **state)
{
    (void)state;
    struct pl_buf buf PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&buf, 10);
    assert_ok(pl_buf_append_str(&buf, "12345678"));
    assert_int_equal(pl_buf_append_str(&buf, "abc").code, PL_E_TOO_BIG);
    assert_int_equal(pl_buf_printf(&buf, "%03d", 1).code, PL_E_TOO_BIG);
    assert_holds(&buf, "12345678");
    assert_ok(pl_buf_printf(&buf, "%02d", 9)); /* exactly full: the NUL does not count */
    assert_holds(&buf, "1234567809");
    assert_int_equal(pl_buf_append(&buf, "x", 1).code, PL_E_TOO_BIG);
    pl_buf_consume(&buf, 3); /* the ceiling is of unread bytes */
    assert_ok(pl_buf_append_str(&buf, "xyz"));
    assert_holds(&buf, "4567809xyz");
    uint8_t *place;
    assert_int_equal(pl_buf_reserve(&buf, SIZE_MAX, &place).code, PL_E_TOO_BIG);
}

static void test_no_ceiling_does_not_wrap(void **state)
{
    (void)state;
    struct pl_buf buf PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&buf, SIZE_MAX);
    uint8_t *place;
    assert_ok(pl_buf_append_str(&buf, "abc"));
    assert_int_equal(pl_buf_reserve(&buf, SIZE_MAX - 3, &place).code, PL_E_TOO_BIG);
    assert_int_equal(pl_buf_reserve(&buf, SIZE_MAX / 2 + 1, &place).code, PL_E_TOO_BIG);
    assert_holds(&buf, "abc");
}

/* Text that fills its memory to the last byte: its NUL needs a byte of its own. */
static void test_printf_into_exact_memory(void **state)
{
    (void)state;
    for (int len = 250; len < 600; len++) {
        struct pl_buf buf PL_CLEANUP(pl_buf_fini);
        pl_buf_init(&buf, (size_t)len);
        assert_ok(pl_buf_printf(&buf, "%0*d", len, 7));
        assert_int_equal(pl_buf_len(&buf), len);
        assert_true(buf.cap > (size_t)len);
    }
}

static void test_reserved_bytes_count_when_committed(void **state)
{
    (void)state;
    struct pl_buf buf PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&buf, 1000);
    uint8_t *place;
    assert_ok(pl_buf_reserve(&buf, 500, &place));
    memcpy(place, "hello", 5);
    assert_int_equal(pl_buf_len(&buf), 0);
    pl_buf_commit(&buf, 5);
    assert_holds(&buf, "hello");
}

/* A queue of bytes cut at every kind of place, against a counter. */
static void test_a_long_queue_keeps_its_order(void **state)
{
    (void)state;
    struct pl_buf buf PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&buf, 5000);
    uint32_t seed = 1;
    uint8_t in = 0, out = 0;
    for (int round = 0; round < 20000; round++) {
        seed = seed * 1664525 + 1013904223;
        size_t len = seed >> 20 & 511;
        uint8_t *place;
        if (pl_buf_len(&buf) + len <= 5000) {
            assert_ok(pl_buf_reserve(&buf, len, &place));
            for (size_t i = 0; i < len; i++)
                place[i] = in++;
            pl_buf_commit(&buf, len);
        }
        size_t drop = seed >> 8 & 511;
        if (drop > pl_buf_len(&buf))
            drop = pl_buf_len(&buf);
        struct pl_slice bytes = pl_buf_slice(&buf);
        for (size_t i = 0; i < drop; i++)
            assert_int_equal(bytes.data[i], out++);
        pl_buf_consume(&buf, drop);
        assert_true(buf.cap <= 3 * 5000);
    }
}

static void test_a_full_queue_is_not_copied_each_time(void **state)
{
    (void)state;
    enum { SIZE = 4 << 20 };
    struct pl_buf buf PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&buf, SIZE);
    uint8_t *place;
    assert_ok(pl_buf_reserve(&buf, SIZE, &place));
    memset(place, 'x', SIZE);
    pl_buf_commit(&buf, SIZE);
    size_t moves = 0;
    for (int i = 0; i < 200000; i++) {
        size_t start = buf.start;
        pl_buf_consume(&buf, 1);
        assert_ok(pl_buf_append(&buf, "y", 1));
        moves += buf.start <= start;
    }
    assert_true(moves <= 1);
}

static void test_little_endian(void **state)
{
    (void)state;
    uint8_t bytes[8];
    pl_put_le32(bytes, 0x01020304);
    assert_memory_equal(bytes, "\x04\x03\x02\x01", 4);
    assert_int_equal(pl_get_le32(bytes), 0x01020304);
    pl_put_le64(bytes, 0xFFEEDDCCBBAA9988);
    assert_memory_equal(bytes, "\x88\x99\xAA\xBB\xCC\xDD\xEE\xFF", 8);
    assert_true(pl_get_le64(bytes) == 0xFFEEDDCCBBAA9988);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_and_consume),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_ceiling_is_exact),
        cmocka_unit_test(test_no_ceiling_does_not_wrap),
        cmocka_unit_test(test_printf_into_exact_memory),
        cmocka_unit_test(test_reserved_bytes_count_when_committed),
        cmocka_unit_test(test_a_long_queue_keeps_its_order),
        cmocka_unit_test(test_a_full_queue_is_not_copied_each_time),
        cmocka_unit_test(test_little_endian),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
