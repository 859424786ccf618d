/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a rule says which day it is, when a day begins and what its time is called, as the C
 * library says it by the same rule, around midnight and around each change of the clocks; what is
 * no rule is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "common/check.h"
#include "common/date.h"
#include "common/zone.h"

static const char *const rules[] = {"CET-1CEST,M3.5.0,M10.5.0/3",
                                    "UTC0",
                                    "JST-9",
                                    "EST5EDT,M3.2.0,M11.1.0",
                                    "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45", /* south */
                                    "<-03>3<-02>,M3.5.0/-1,M10.5.0/0",
                                    "IST-1GMT0,M10.5.0,M3.5.0/1",      /* winter is what changes */
                                    "<-01>1<+00>,M3.5.0/0,M10.5.0/1",  /* at midnight */
                                    "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", /* the evening before */
                                    "EET-2EEST,M4.5.5/0,M10.5.4/24",
                                    "XST-1XDT,M3.2.0/23:30,M11.1.0/0:01", /* over midnight */
                                    "<+14>-14"};

static int32_t day_there(int64_t second)
{
    struct tm there;
    time_t t = (time_t)second;
    char text[32];
    int32_t day = 0;
    assert_non_null(localtime_r(&t, &there));
    assert_int_equal(strftime(text, sizeof(text), "%Y-%m-%d", &there), 10);
    assert_true(pl_is_ok(pl_date_parse(text, &day)));
    return day;
}

static void moment(const char *rule, const struct pl_zone *zone, int64_t second)
{
    int32_t day = day_there(second);
    int32_t found = pl_zone_day(zone, second * PL_US_PER_S + 999999);
    if (found != day)
        fail_msg("%s: day %d at %lld, %d is right", rule, found, (long long)second, day);
}

/* What is read here, and is the rule of the C library from now on. */
static struct pl_zone ours_and_the_librarys(const char *rule)
{
    struct pl_zone zone;
    assert_true(pl_is_ok(pl_zone_parse(rule, &zone)));
    assert_int_equal(setenv("TZ", rule, 1), 0);
    tzset();
    return zone;
}

static void test_days_are_those_of_the_c_library(void **state)
{
    (void)state;
    for (size_t i = 0; i < PL_COUNT(rules); i++) {
        struct pl_zone zone = ours_and_the_librarys(rules[i]);
        for (int64_t hour = 24 * 366 /* the library knows no changes before */;
             hour < 24 * 366 * 80; hour += 1) {
            if (hour > 24 * 366 * 4 && hour % 24 < 9 && hour % 24 > 3)
                continue;
            moment(rules[i], &zone, hour * 3600);
            moment(rules[i], &zone, hour * 3600 - 1);
        }
    }
}

/* A day begins with its first second: the one before it is of an earlier day, and no second of the
 * hours before that is of this day. */
static void test_days_begin_when_the_c_library_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < PL_COUNT(rules); i++) {
        struct pl_zone zone = ours_and_the_librarys(rules[i]);
        for (int32_t day = 20000; day < 20000 + 6 * 366; day++) {
            int64_t us = pl_zone_begin_us(&zone, day), begin = us / PL_US_PER_S;
            assert_int_equal(us % PL_US_PER_S, 0);
            if (day_there(begin) != day || day_there(begin - 1) >= day)
                fail_msg("%s: day %d does not begin at %lld", rules[i], day, (long long)begin);
            for (int64_t before = 1; before < 3 * 60; before++)
                assert_true(day_there(begin - 60 * before) < day);
        }
    }
}

static void test_what_its_time_is_called(void **state)
{
    (void)state;
    for (size_t i = 0; i < PL_COUNT(rules); i++) {
        struct pl_zone zone = ours_and_the_librarys(rules[i]);
        for (time_t second = 20000 * 86400LL; second < 20800 * 86400LL; second += 1800) {
            struct tm there;
            const char *name = NULL;
            assert_non_null(localtime_r(&second, &there));
            assert_int_equal(pl_zone_east(&zone, second * PL_US_PER_S, &name), there.tm_gmtoff);
            assert_string_equal(name, there.tm_zone);
        }
    }
    struct pl_zone zone;
    const char *name = NULL;
    assert_true(pl_is_ok(pl_zone_parse("", &zone)));
    assert_int_equal(pl_zone_east(&zone, -1, &name), 0);
    assert_string_equal(name, "UTC");
    assert_int_equal(pl_zone_begin_us(&zone, -3), -3 * PL_US_PER_DAY);
    assert_true(pl_is_ok(pl_zone_parse("ABCDEFGHIJKLMNOP-1", &zone)));
    assert_int_equal(pl_zone_east(&zone, 0, &name), 3600);
    assert_string_equal(name, "ABCDEFGHIJK"); /* cut, never longer than its place */
}

static void test_nothing_is_utc(void **state)
{
    (void)state;
    struct pl_zone zone;
    assert_true(pl_is_ok(pl_zone_parse("", &zone)));
    for (int64_t us = -3 * PL_US_PER_DAY; us < 3 * PL_US_PER_DAY; us += PL_US_PER_DAY / 5)
        assert_int_equal(pl_zone_day(&zone, us), pl_date_of_us(us));
    /* at the ends of the calendar there is still a day */
    assert_true(pl_is_ok(pl_zone_parse(rules[0], &zone)));
    int64_t ends[] = {-2208988800LL, 32503679999LL};
    for (size_t i = 0; i < PL_COUNT(ends); i++)
        assert_true(pl_zone_day(&zone, ends[i] * PL_US_PER_S) >=
                    pl_date_of_us(ends[i] * PL_US_PER_S));
}

static void test_what_is_no_rule(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "CET",
        "CE-1",
        "Europe/Zurich",
        "CET-25",
        "CET-1:60",
        "CET-1CEST",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M0.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.0.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,M3.5,M10.5.0",
        "CET-1CEST,M3.5.0/168,M10.5.0",
        "CET-1CEST,J60,J300",
        "CET-1CEST,M3.5.0,M10.5.0/3 ",
        "<+>-1",
        "<+1>-1",
        "<+01-1",
        "CET-1CESTCESTCESTCESTCESTCESTCESTCESTCESTCEST,M3.5.0,M10.5.0/3:00",
        "CET-",
        " "};
    for (size_t i = 0; i < PL_COUNT(wrong); i++) {
        struct pl_zone zone;
        if (pl_zone_parse(wrong[i], &zone).code != PL_E_INVALID)
            fail_msg("'%s' is taken for a rule", wrong[i]);
        assert_int_equal(zone.east, 0);
    }
}

/* Room for a NUL is kept behind it by whoever keeps it. */
static void test_the_longest_rule(void **state)
{
    (void)state;
    struct pl_zone zone;
    char rule[PL_ZONE_BYTES + 8];
    for (int len = PL_ZONE_BYTES - 1; len <= PL_ZONE_BYTES; len++) {
        (void)snprintf(rule, sizeof(rule), "CET-1%.*s,M3.5.0,M10.5.0/3", len - 5 - 17,
                       "CESTCESTCESTCESTCESTCESTCESTCESTCESTCESTCESTCEST");
        assert_int_equal(strlen(rule), len);
        assert_int_equal(pl_zone_parse(rule, &zone).code,
                         len < PL_ZONE_BYTES ? PL_E_OK : PL_E_INVALID);
    }
}

/* Half past nine in the evening of the last day of 2023, an hour and a half before summer begins,
 * and already the next year in Greenwich. */
static void test_the_year_is_the_one_there(void **state)
{
    (void)state;
    struct pl_zone zone;
    assert_true(pl_is_ok(pl_zone_parse("<-03>3<+00>0,M12.5.0/23,M6.1.0", &zone)));
    int32_t last;
    assert_true(pl_is_ok(pl_date_parse("2023-12-31", &last)));
    int64_t midnight_us = (last + 1) * PL_US_PER_DAY, hour_us = PL_US_PER_DAY / 24;
    assert_int_equal(pl_zone_day(&zone, midnight_us + hour_us / 2), last);
    assert_int_equal(pl_zone_day(&zone, midnight_us + 2 * hour_us - 1), last);
    assert_int_equal(pl_zone_day(&zone, midnight_us + 2 * hour_us), last + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_days_are_those_of_the_c_library),
        cmocka_unit_test(test_days_begin_when_the_c_library_says),
        cmocka_unit_test(test_what_its_time_is_called),
        cmocka_unit_test(test_nothing_is_utc),
        cmocka_unit_test(test_what_is_no_rule),
        cmocka_unit_test(test_the_longest_rule),
        cmocka_unit_test(test_the_year_is_the_one_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
