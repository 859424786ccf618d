/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: every code has a name, words and a place in each protocol, and a status tells where it was
 * made.
 */
#include <errno.h>
#include <string.h>

#include "common/status.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static struct pl_status attempt(bool fail)
{
    if (fail)
        return pl_fail(NO_SPACE, "write");
    return pl_ok();
}

static struct pl_status through(bool fail, bool *ret_reached)
{
    PL_TRY(attempt(fail));
    *ret_reached = true;
    return pl_ok();
}

static void test_try_passes_the_failure_on(void **state)
{
    (void)state;
    bool reached = false;
    struct pl_status status = through(true, &reached);
    assert_int_equal(status.code, PL_E_NO_SPACE);
    assert_string_equal(status.what, "write");
    assert_non_null(strstr(status.where, "test_status.c:"));
    assert_false(reached);
    assert_true(pl_is_ok(through(false, &reached)));
    assert_true(reached);
}

static void test_errno_is_kept(void **state)
{
    (void)state;
    errno = EDQUOT;
    struct pl_status status = pl_fail_errno(IO, "write");
    assert_int_equal(status.sys_errno, EDQUOT);
    assert_int_equal(pl_ok().sys_errno, 0);
}

static void test_every_row_is_complete(void **state)
{
    (void)state;
    for (int i = 0; i < PL_CODE_COUNT; i++) {
        enum pl_code code = (enum pl_code)i;
        assert_true(strlen(pl_code_name(code)) > 0);
        assert_true(strlen(pl_code_words(code)) > 0);
        assert_in_range(pl_code_grpc(code), 0, 16);
        assert_true(strlen(pl_code_connect(code)) > 0);
        if (code == PL_E_OK) {
            assert_int_equal(pl_code_exit(code), 0);
            assert_int_equal(pl_code_http(code), 200);
        } else {
            assert_in_range(pl_code_exit(code), 10, 78);
            assert_in_range(pl_code_http(code), 400, 599);
            assert_int_not_equal(pl_code_grpc(code), 0);
        }
    }
}

static void test_names_and_numbers(void **state)
{
    (void)state;
    assert_string_equal(pl_code_name(PL_E_NO_SPACE), "NO_SPACE");
    assert_string_equal(pl_code_words(PL_E_NO_SPACE), "no space left on the disk");
    assert_int_equal(pl_code_exit(PL_E_CORRUPT), 14);
    assert_int_equal(pl_code_http(PL_E_UNAUTHENTICATED), 401);
    assert_string_equal(pl_code_connect(PL_E_CANCELLED), "canceled");
    assert_true(pl_code_retryable(PL_E_BUSY));
    assert_false(pl_code_retryable(PL_E_REFUSED));
}

static void test_grpc_numbers_come_back(void **state)
{
    (void)state;
    static const struct {
        int grpc;
        enum pl_code code;
    } rows[] = {
        {0, PL_E_OK},
        {1, PL_E_CANCELLED},
        {3, PL_E_INVALID},
        {4, PL_E_TIMEOUT},
        {5, PL_E_NOT_FOUND},
        {7, PL_E_DENIED},
        {8, PL_E_BUSY},
        {9, PL_E_REFUSED},
        {10, PL_E_STALE},
        {12, PL_E_UNIMPLEMENTED},
        {13, PL_E_INTERNAL},
        {14, PL_E_UNAVAILABLE},
        {15, PL_E_CORRUPT},
        {16, PL_E_UNAUTHENTICATED},
        {2, PL_E_UNKNOWN_OUTCOME},
        {6, PL_E_INTERNAL},
        {11, PL_E_INTERNAL},
        {17, PL_E_INTERNAL},
        {-1, PL_E_INTERNAL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(pl_code_from_grpc(rows[i].grpc), rows[i].code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_try_passes_the_failure_on), cmocka_unit_test(test_errno_is_kept),
        cmocka_unit_test(test_every_row_is_complete),     cmocka_unit_test(test_names_and_numbers),
        cmocka_unit_test(test_grpc_numbers_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
