/* SPDX-License-Identifier: Apache-2.0
 *
 * test_clockmark: a clock that is far ahead of all that is known is not believed; a ledger that was
 * idle, a daemon that was off for a while, and a clock that is behind are no reason.
 */
// clang-format off
#include "server/clockmark.h"

#include "dir_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

#define SECOND_US 1000000ll
#define DAY_US    (86400 * SECOND_US)
#define NOW_US    (1796000000 * SECOND_US) /* 30 November 2026 */

static enum pl_code judge(int64_t last_us, int64_t seen_us, int64_t wall_us, char *message)
{
    message[0] = '\0';
    return clockmark_judge(last_us, seen_us, 30 * DAY_US, wall_us, message).code;
}

static void test_what_is_believed(void **state)
{
    (void)state;
    char message[400];
    const struct {
        int64_t last_us, seen_us, wall_us;
        enum pl_code code;
    } rows[] = {
        {0, 0, NOW_US, PL_E_OK}, /* a new ledger */
        {0, 0, CLOCKMARK_FIRST_US, PL_E_OK},
        {0, 0, CLOCKMARK_FIRST_US - 1, PL_E_UNAVAILABLE},
        {0, 0, 0, PL_E_UNAVAILABLE}, /* the battery is empty */
        {0, 0, -DAY_US, PL_E_UNAVAILABLE},
        {0, DAY_US, 2 * DAY_US, PL_E_OK}, /* somebody insisted */
        {NOW_US, 0, NOW_US + 30 * DAY_US, PL_E_OK},
        {NOW_US, 0, NOW_US + 30 * DAY_US + 1, PL_E_UNAVAILABLE},
        {NOW_US - 90 * DAY_US, NOW_US, NOW_US + DAY_US, PL_E_OK}, /* idle all summer */
        {NOW_US - 90 * DAY_US, NOW_US, NOW_US + 31 * DAY_US, PL_E_UNAVAILABLE},
        {NOW_US, NOW_US - 90 * DAY_US, NOW_US + DAY_US, PL_E_OK}, /* an old mark beside it */
        {NOW_US, NOW_US, NOW_US - 40 * 365 * DAY_US, PL_E_OK},    /* behind: the writer's matter */
        {NOW_US, NOW_US, INT64_MAX, PL_E_UNAVAILABLE},
        {0, 1, INT64_MAX, PL_E_UNAVAILABLE},
        {INT64_MAX, INT64_MAX, 0, PL_E_OK},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(judge(rows[i].last_us, rows[i].seen_us, rows[i].wall_us, message),
                         rows[i].code);
        assert_int_equal(message[0] == '\0', rows[i].code == PL_E_OK);
    }
}

static void test_both_moments_and_the_way_out_are_named(void **state)
{
    (void)state;
    char message[400];
    assert_int_equal(judge(NOW_US, NOW_US - DAY_US, NOW_US + 100 * 365 * DAY_US, message),
                     PL_E_UNAVAILABLE);
    assert_non_null(strstr(message, "the clock says 2126-"));
    assert_non_null(strstr(message, "last at work at 2026-11-30 "));
    assert_non_null(strstr(message, "pledged accept-clock --config FILE"));
    assert_non_null(strstr(message, "clock_ahead_limit"));
    assert_int_equal(judge(0, 0, 60 * SECOND_US, message), PL_E_UNAVAILABLE);
    assert_non_null(strstr(message, "the clock says 1970-01-01 00:01:00 UTC"));
    assert_non_null(strstr(message, "put the clock right; nothing was written"));
}

static void test_a_mark_is_kept(void **state)
{
    (void)state;
    char *root = temp_new();
    assert_int_equal(clockmark_seen_us(root), 0);
    assert_true(pl_is_ok(clockmark_note(root, NOW_US + 999999)));
    assert_int_equal(clockmark_seen_us(root), NOW_US);
    assert_true(pl_is_ok(clockmark_note(root, NOW_US + DAY_US))); /* in its place */
    assert_int_equal(clockmark_seen_us(root), NOW_US + DAY_US);
    assert_false(pl_is_ok(clockmark_note("/nowhere/at/all", NOW_US)));
    temp_remove(root);
}

static void test_what_cannot_be_read_is_no_mark(void **state)
{
    (void)state;
    static const char *const lines[] = {"",
                                        "\n",
                                        "x\n",
                                        "179600000",
                                        "-1796000000\n",
                                        "1796000000 \n",
                                        "1796000000\n\n",
                                        "1796000000000\n",
                                        "00000000000000000000000000000000000000000000000\n"};
    char *root = temp_new(), path[300];
    (void)snprintf(path, sizeof(path), "%s/" CLOCKMARK_FILE, root);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(lines[i], file) >= 0);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(clockmark_seen_us(root), 0);
    }
    temp_remove(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_believed),
        cmocka_unit_test(test_both_moments_and_the_way_out_are_named),
        cmocka_unit_test(test_a_mark_is_kept),
        cmocka_unit_test(test_what_cannot_be_read_is_no_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
