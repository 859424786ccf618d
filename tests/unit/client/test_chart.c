/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: figures are well-formed for any numbers, keep within their box, and say the same for the
 * same numbers; text can never become markup.
 */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/chart.h"
#include "common/check.h"

static const char *text_of(struct pl_buf *buf)
{
    assert_true(pl_is_ok(pl_buf_append(buf, "", 1)));
    return (const char *)buf->data + buf->start;
}

static size_t times(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        count++;
    return count;
}

/* No x beyond the box, no width that is negative. */
static void assert_within(const char *svg)
{
    static const char *const names[] = {" x=\"", " x1=\"", " x2=\"", " cx=\""};
    for (size_t n = 0; n < PL_COUNT(names); n++) {
        for (const char *at = svg; (at = strstr(at, names[n])) != NULL;) {
            at += strlen(names[n]);
            long x = strtol(at, NULL, 10);
            assert_true(x >= 0 && x <= 900);
        }
    }
    assert_null(strstr(svg, "width=\"-"));
    assert_null(strstr(svg, "y=\"-"));
}

static void test_steps(void **state)
{
    (void)state;
    assert_int_equal(chart_step(1), 1);
    assert_int_equal(chart_step(5), 1);
    assert_int_equal(chart_step(6), 2);
    assert_int_equal(chart_step(11), 5);
    assert_int_equal(chart_step(26), 10);
    assert_int_equal(chart_step(100000000), 20000000);
    assert_true(chart_step(INT64_MAX) >= INT64_MAX / 5);
    for (int64_t most = 1; most < INT64_MAX / 3; most *= 3) {
        int64_t step = chart_step(most);
        assert_true((most + step - 1) / step <= 5);
    }
}

static void test_bars(void **state)
{
    (void)state;
    struct pl_buf out PL_CLEANUP(pl_buf_fini);
    struct pl_arena arena;
    pl_buf_init(&out, 1 << 20);
    pl_arena_init(&arena, 1 << 20);
    const struct chart_row rows[] = {
        {"one & two", "3 of 4", {1, 2, 0, 0}, 4},
        {"all", "12", {0, 0, 12, 0}, 0},
        {"none", "0", {0}, 2},
    };
    assert_true(pl_is_ok(chart_bars(&out, "Tiers", rows, 3, true)));
    const char *svg = text_of(&out);
    assert_int_equal(times(svg, "class=\"p0\""), 1);
    assert_int_equal(times(svg, "class=\"p1\""), 2);
    assert_int_equal(times(svg, "class=\"p2\""), 12);
    assert_int_equal(times(svg, "class=\"track\""), 3); /* one place left of four, two of two */
    assert_non_null(strstr(svg, "one &amp; two"));
    assert_within(svg);
    pl_arena_fini(&arena);
}

static void test_bars_of_any_size(void **state)
{
    (void)state;
    struct pl_buf out PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&out, 1 << 20);
    const struct chart_row rows[] = {
        {"huge", "", {INT64_MAX / 8, INT64_MAX / 8, 1, 0}, INT64_MAX / 2},
        {"tiny", "", {1, 0, 0, 0}, 0},
    };
    assert_true(pl_is_ok(chart_bars(&out, "t", rows, 2, false)));
    const char *svg = text_of(&out);
    assert_within(svg);
    assert_int_equal(times(svg, "class=\"p0\""), 2); /* what is there is seen, however small */
    assert_int_equal(times(svg, "<svg"), times(svg, "</svg>"));
}

static void test_course(void **state)
{
    (void)state;
    struct pl_buf out PL_CLEANUP(pl_buf_fini), one PL_CLEANUP(pl_buf_fini);
    struct pl_arena arena;
    pl_buf_init(&out, 1 << 20);
    pl_buf_init(&one, 1 << 20);
    pl_arena_init(&arena, 1 << 20);
    const char *const months[] = {"2026-01", "2026-02", "2026-03"};
    const int64_t promised[] = {0, 30000000, 55000000}, received[] = {0, 0, 25000000};
    struct chart_course course = {.point = months,
                                  .points = 3,
                                  .value = {promised, received},
                                  .name = {"Promised", "Received"},
                                  .currency = "CHF"};
    assert_true(pl_is_ok(chart_course(&out, "Course", &course, &arena)));
    const char *svg = text_of(&out);
    assert_int_equal(times(svg, "<polyline"), 2);
    assert_int_equal(times(svg, "<circle"), 6);
    assert_non_null(strstr(svg, "2026-02"));
    assert_within(svg);
    course.points = 1; /* a first month, nothing yet */
    assert_true(pl_is_ok(chart_course(&one, "Course", &course, &arena)));
    assert_within(text_of(&one));
    pl_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_bars),
        cmocka_unit_test(test_bars_of_any_size),
        cmocka_unit_test(test_course),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
