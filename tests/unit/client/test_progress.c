/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: the bar says how far it is, fits the line, and is not drawn where nobody looks.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "client/progress.h"

static char line[PROGRESS_LINE_BYTES];

static void test_bars(void **state)
{
    (void)state;
    assert_string_equal(progress_line("work", 0, 10, 24, line), "work [..........]   0 %");
    assert_string_equal(progress_line("work", 5, 10, 24, line), "work [#####.....]  50 %");
    assert_string_equal(progress_line("work", 10, 10, 24, line), "work [##########] 100 %");
    assert_string_equal(progress_line("work", 99, 10, 24, line), "work [##########] 100 %");
    assert_string_equal(progress_line("work", 7, 0, 24, line), "work 7");
}

static void test_widths(void **state)
{
    (void)state;
    for (size_t columns = 0; columns < 300; columns++) {
        size_t len = strlen(progress_line("verifying", 1, 3, columns, line));
        assert_true(len < PROGRESS_LINE_BYTES);
        if (columns > 20)
            assert_true(len <= columns);
    }
}

static void test_nobody_looks(void **state)
{
    (void)state;
    struct progress progress;
    progress_init(&progress, "work", true);
    assert_false(progress.shown);
    progress_tell(&progress, 1, 2);
    assert_false(progress.drawn);
    progress_end(&progress);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bars),
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_nobody_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
