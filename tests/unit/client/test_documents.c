/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: days in words, and documents of any length are drawn or refused whole. What they look like
 * is in e2e/paper.
 */
#include <string.h>

#include "client/documents.h"
#include "client/text.h"
#include "common/check.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static struct pl_arena arena;

static void test_days(void **state)
{
    (void)state;
    text_use(TEXT_ENGLISH);
    assert_string_equal(documents_day(&arena, "2026-03-01"), "1 March 2026");
    assert_string_equal(documents_day(&arena, "2026-12-31"), "31 December 2026");
    assert_string_equal(documents_day(&arena, "2026-13-31"), "2026-13-31");
}

static void test_a_statement_of_many_pages(void **state)
{
    (void)state;
    static struct documents_line lines[200];
    struct treasury treasury = {.creditor = {"Fund", "", "", "1211", "Geneva", "CH"}};
    for (size_t i = 0; i < PL_COUNT(lines); i++)
        lines[i] = (struct documents_line){.seq = i + 1,
                                           .date = "2026-03-03",
                                           .pledge = "P000001",
                                           .fact = PLEDGED__V1__ENTRY__FACT_ALLOCATED,
                                           .paid = 5,
                                           .balance = 7,
                                           .currency = "CHF"};
    struct documents_statement statement = {.treasury = &treasury,
                                            .contributor = "C000001",
                                            .name = "Name",
                                            .date = "2026-03-03",
                                            .as_of_seq = 9,
                                            .line = lines,
                                            .count = PL_COUNT(lines)};
    struct failure failure = {0};
    struct pl_buf out PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&out, 1 << 22);
    assert_true(pl_is_ok(documents_statement(&statement, &arena, &failure, &out)));
    struct pl_slice pdf = pl_buf_slice(&out);
    assert_non_null(memmem(pdf.data, pdf.len, "/Count 5", 8)); /* 34 lines, then 48 a page */
    for (size_t i = 0; i < PL_COUNT(lines); i++) {
        lines[i].received = 6;
        lines[i].bank_entry = "B000001";
    }
    struct pl_buf longer PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&longer, 1 << 22);
    assert_true(pl_is_ok(documents_statement(&statement, &arena, &failure, &longer)));
    assert_non_null(memmem(longer.data + longer.start, pl_buf_len(&longer), "/Count 9", 8));
    size_t before = pdf.len;
    statement.name = "\u682a";
    assert_int_equal(documents_statement(&statement, &arena, &failure, &out).code, PL_E_INVALID);
    assert_int_equal(pl_buf_len(&out), before);
}

int main(void)
{
    pl_arena_init(&arena, 1 << 22);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_days),
        cmocka_unit_test(test_a_statement_of_many_pages),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pl_arena_fini(&arena);
    return failed;
}
