/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a verdict only gets worse, the earliest entry is the one that is named, and the exit code
 * is that of the first verdict that fails.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "client/text.h"
#include "client/verify_report.h"

static struct verify_report report;

static int reset(void **state)
{
    (void)state;
    memset(&report, 0, sizeof(report));
    report.kind = "dump";
    text_use(TEXT_ENGLISH);
    return 0;
}

static void hold_all(void)
{
    for (int kind = 0; kind < VERIFY_KINDS; kind++)
        verify_hold(&report, (enum verify_kind)kind);
}

static void test_all_hold(void **state)
{
    (void)state;
    hold_all();
    assert_int_equal(verify_exit(&report), 0);
}

static void test_nothing_was_checked(void **state)
{
    (void)state;
    assert_int_equal(verify_exit(&report), VERIFY_EXIT_INTEGRITY);
    verify_skip(&report, VERIFY_INTEGRITY, "no");
    hold_all();
    assert_int_equal(verify_exit(&report), VERIFY_EXIT_INTEGRITY);
}

static void test_left_open_is_no_failure_elsewhere(void **state)
{
    (void)state;
    verify_skip(&report, VERIFY_APPEND_ONLY, "not asked");
    verify_skip(&report, VERIFY_APPEND_ONLY, "again");
    verify_skip(&report, VERIFY_SEMANTICS, "not asked");
    hold_all();
    assert_int_equal(verify_exit(&report), 0);
    assert_string_equal(report.verdict[VERIFY_APPEND_ONLY].words, "not asked");
    assert_int_equal(report.verdict[VERIFY_APPEND_ONLY].result, VERIFY_NOT_CHECKED);
}

static void test_the_earliest_entry_is_named(void **state)
{
    (void)state;
    verify_fail(&report, VERIFY_SEMANTICS, 7, "seven");
    verify_fail(&report, VERIFY_SEMANTICS, 9, "nine");
    verify_fail(&report, VERIFY_SEMANTICS, 0, "somewhere");
    assert_string_equal(report.verdict[VERIFY_SEMANTICS].words, "seven");
    verify_fail(&report, VERIFY_SEMANTICS, 3, "thr%s", "ee");
    assert_string_equal(report.verdict[VERIFY_SEMANTICS].words, "three");
    verify_skip(&report, VERIFY_SEMANTICS, "not asked");
    hold_all();
    assert_true(verify_failed(&report, VERIFY_SEMANTICS));
    assert_int_equal(report.verdict[VERIFY_SEMANTICS].seq, 3);
}

static void test_exit_codes(void **state)
{
    (void)state;
    static const int codes[] = {14, 15, 16, 17};
    for (int kind = VERIFY_KINDS - 1; kind >= 0; kind--) {
        verify_fail(&report, (enum verify_kind)kind, 1, "bad");
        assert_int_equal(verify_exit(&report), codes[kind]);
    }
}

static void test_sheet(void **state)
{
    (void)state;
    struct pl_arena arena;
    struct pl_buf out;
    struct sheet sheet;
    pl_arena_init(&arena, 1 << 20);
    pl_buf_init(&out, 1 << 20);
    verify_fail(&report, VERIFY_COMPLETENESS, 42, "entry 42 is missing");
    verify_skip(&report, VERIFY_INTEGRITY, "why");
    hold_all();
    (void)snprintf(report.origin, sizeof(report.origin), "%s", "example.org/\"fund\"");
    verify_sheet(&report, &sheet, &arena);
    assert_true(pl_is_ok(sheet_print(&sheet, OUTPUT_PLAIN, false, &out)));
    assert_true(pl_slice_eq_str(pl_buf_slice(&out),
                                "integrity\tnot-checked\t-\twhy\nappend-only\tok\t-\t-\n"
                                "completeness\tfailed\t42\tentry 42 is missing\n"
                                "semantics\tok\t-\t-\n"));
    pl_buf_clear(&out);
    assert_true(pl_is_ok(sheet_print(&sheet, OUTPUT_JSON, false, &out)));
    assert_true(pl_is_ok(pl_buf_append(&out, "", 1)));
    const char *json = (const char *)pl_buf_slice(&out).data;
    assert_non_null(strstr(json, "\"origin\": \"example.org/\\\"fund\\\"\""));
    assert_non_null(strstr(json, "\"seq\": 42"));
    pl_buf_fini(&out);
    pl_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_all_hold, reset),
        cmocka_unit_test_setup(test_nothing_was_checked, reset),
        cmocka_unit_test_setup(test_left_open_is_no_failure_elsewhere, reset),
        cmocka_unit_test_setup(test_the_earliest_entry_is_named, reset),
        cmocka_unit_test_setup(test_exit_codes, reset),
        cmocka_unit_test_setup(test_sheet, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
