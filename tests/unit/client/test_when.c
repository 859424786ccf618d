/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a day ends when it ends where the fund is, in winter, in summer and on the days between.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "client/when.h"
#include "common/check.h"
#include "common/date.h"

static void in(const char *rule)
{
    assert_true(pl_is_ok(when_use(rule)));
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static void tell_tokyo(void *arg)
{
    char text[40];
    assert_string_equal(when_format(0, text), "1970-01-01 00:00:00 UTC"); /* not asked twice */
    count(arg);
    in("JST-9");
}

/* The first test: one zone a process. */
static void test_who_is_asked_and_when(void **state)
{
    (void)state;
    char text[40];
    int64_t us = 7;
    int asked = 0;
    assert_false(when_known());
    /* nobody to ask: times have their name, no day has an end, a moment is one everywhere */
    assert_string_equal(when_format(-1, text), "1969-12-31 23:59:59 UTC");
    assert_int_equal(when_day(-1), -1);
    assert_int_equal(when_end_of("2026-01-15", &us).code, PL_E_CONFIG);
    assert_int_equal(us, 7);
    assert_true(pl_is_ok(when_end_of("2026-01-15T00:00:00Z", &us)));
    when_ask(count, &asked); /* asked in vain, once */
    assert_int_equal(when_day(0), 0);
    assert_int_equal(when_end_of("2026-01-15", &us).code, PL_E_CONFIG);
    assert_int_equal(asked, 1);
    when_ask(tell_tokyo, &asked);
    assert_int_equal(when_end_of("tomorrow", &us).code, PL_E_INVALID);
    assert_int_equal(asked, 1); /* no need yet */
    assert_string_equal(when_format(0, text), "1970-01-01 09:00:00 JST");
    assert_true(when_known());
    assert_int_equal(when_use("Asia/Tokyo").code, PL_E_INVALID);
    assert_string_equal(when_format(0, text), "1970-01-01 09:00:00 JST");
    assert_int_equal(asked, 2);
    when_ask(count, &asked);
    assert_string_equal(when_format_end(54000LL * 1000000, text), "1970-01-01 24:00:00 JST");
    assert_int_equal(asked, 2); /* it is known */
    when_ask(NULL, NULL);
}

static void test_every_zone_has_its_own_day(void **state)
{
    (void)state;
    static const char *const ends[][4] = {
        {"", "2026-07-10", "2026-07-11T00:00:00.000000Z", "2026-07-10 24:00:00 UTC"},
        {"JST-9", "2026-07-10", "2026-07-10T15:00:00.000000Z", "2026-07-10 24:00:00 JST"},
        {"EST5EDT,M3.2.0,M11.1.0", "2026-11-01", "2026-11-02T05:00:00.000000Z",
         "2026-11-01 24:00:00 EST"},
        /* the other half of the world: summer ends on the day, and begins on it */
        {"NZST-12NZDT,M9.5.0,M4.1.0/3", "2026-04-05", "2026-04-05T12:00:00.000000Z",
         "2026-04-05 24:00:00 NZST"},
        {"NZST-12NZDT,M9.5.0,M4.1.0/3", "2026-09-27", "2026-09-27T11:00:00.000000Z",
         "2026-09-27 24:00:00 NZDT"},
        {"<+0545>-5:45", "2026-12-31", "2026-12-31T18:15:00.000000Z", "2026-12-31 24:00:00 +0545"},
        /* no midnight between these two: summer begins in its stead, at 01:00 */
        {"<-01>1<+00>,M3.5.0/0,M10.5.0/1", "2026-03-28", "2026-03-29T01:00:00.000000Z",
         "2026-03-29 01:00:00 +00"},
    };
    for (size_t i = 0; i < PL_COUNT(ends); i++) {
        char text[40];
        int64_t us = 0;
        in(ends[i][0]);
        assert_true(pl_is_ok(when_end_of(ends[i][1], &us)));
        assert_string_equal(pl_time_format(us, text), ends[i][2]);
        assert_string_equal(when_format_end(us, text), ends[i][3]);
        assert_string_equal(pl_date_format(when_day(us - 1), text), ends[i][1]);
    }
    in("CET-1CEST,M3.5.0,M10.5.0/3");
}

static void test_the_end_of_a_day_in_geneva(void **state)
{
    (void)state;
    static const char *const days[][2] = {
        {"2026-01-15", "2026-01-15T23:00:00.000000Z"}, /* winter: UTC+1 */
        {"2026-07-10", "2026-07-10T22:00:00.000000Z"}, /* summer: UTC+2 */
        {"2026-03-28", "2026-03-28T23:00:00.000000Z"}, /* the night before the change */
        {"2026-03-29", "2026-03-29T22:00:00.000000Z"}, /* a day of 23 hours */
        {"2026-10-25", "2026-10-25T23:00:00.000000Z"}, /* a day of 25 hours */
        {"2026-12-31", "2026-12-31T23:00:00.000000Z"},
        {"2028-02-28", "2028-02-28T23:00:00.000000Z"}, /* leap year */
    };
    char text[28];
    for (size_t i = 0; i < PL_COUNT(days); i++) {
        int64_t us = 0;
        assert_true(pl_is_ok(when_end_of(days[i][0], &us)));
        assert_string_equal(pl_time_format(us, text), days[i][1]);
    }
}

static void test_a_moment_is_taken_as_it_is(void **state)
{
    (void)state;
    int64_t us = 0;
    assert_true(pl_is_ok(when_end_of("2026-03-31T12:00:00Z", &us)));
    char text[28];
    assert_string_equal(pl_time_format(us, text), "2026-03-31T12:00:00.000000Z");
    /* as date -Is prints it */
    assert_true(pl_is_ok(when_end_of("2026-12-01T00:30:00+01:00", &us)));
    assert_string_equal(pl_time_format(us, text), "2026-11-30T23:30:00.000000Z");
}

static void test_what_is_no_day_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",         "2026-02-30", "31.03.2026",
                                        "tomorrow", "2026-3-1",   "2026-03-31 "};
    for (size_t i = 0; i < PL_COUNT(wrong); i++) {
        int64_t us = 7;
        assert_int_equal(when_end_of(wrong[i], &us).code, PL_E_INVALID);
    }
}

static void test_people_read_the_time_of_geneva(void **state)
{
    (void)state;
    char text[40];
    int64_t us = 0;
    assert_true(pl_is_ok(pl_time_parse("2026-07-10T21:59:59.900000Z", &us)));
    assert_string_equal(when_format(us, text), "2026-07-10 23:59:59 CEST");
    assert_true(pl_is_ok(pl_time_parse("2026-01-10T22:59:00Z", &us)));
    assert_string_equal(when_format(us, text), "2026-01-10 23:59:00 CET");
}

/* Shortly after midnight, and shortly before, in winter and in summer. */
static void test_the_day_that_it_is_there(void **state)
{
    (void)state;
    static const char *const moments[][2] = {
        {"2026-02-28T22:59:59Z", "2026-02-28"}, {"2026-02-28T23:00:00Z", "2026-03-01"},
        {"2026-06-30T21:59:59Z", "2026-06-30"}, {"2026-06-30T22:00:00Z", "2026-07-01"},
        {"2026-12-31T23:30:00Z", "2027-01-01"}, {"2026-03-01T12:00:00Z", "2026-03-01"},
    };
    for (size_t i = 0; i < PL_COUNT(moments); i++) {
        char day[11];
        int64_t us = 0;
        assert_true(pl_is_ok(pl_time_parse(moments[i][0], &us)));
        assert_string_equal(pl_date_format(when_day(us), day), moments[i][1]);
    }
}

/* What was typed as a day is read as that day. */
static void test_a_day_ends_at_its_own_midnight(void **state)
{
    (void)state;
    static const char *const days[][2] = {
        {"2026-01-31", "2026-01-31 24:00:00 CET"},  {"2026-07-10", "2026-07-10 24:00:00 CEST"},
        {"2026-03-29", "2026-03-29 24:00:00 CEST"}, {"2026-10-25", "2026-10-25 24:00:00 CET"},
        {"2026-12-31", "2026-12-31 24:00:00 CET"},
    };
    char text[40];
    int64_t us = 0;
    for (size_t i = 0; i < PL_COUNT(days); i++) {
        assert_true(pl_is_ok(when_end_of(days[i][0], &us)));
        assert_string_equal(when_format_end(us, text), days[i][1]);
    }
    const int64_t beside[] = {us - 1, us + 1, us + 1000000, us - 1000000};
    for (size_t i = 0; i < PL_COUNT(beside); i++) {
        char same[40];
        assert_string_equal(when_format_end(beside[i], text), when_format(beside[i], same));
    }
}

static int elsewhere(void **state)
{
    (void)state;
    return setenv("TZ", "Asia/Tokyo", 1); /* the machine's own zone does not matter */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_asked_and_when),
        cmocka_unit_test(test_every_zone_has_its_own_day),
        cmocka_unit_test(test_the_end_of_a_day_in_geneva),
        cmocka_unit_test(test_a_moment_is_taken_as_it_is),
        cmocka_unit_test(test_what_is_no_day_is_refused),
        cmocka_unit_test(test_people_read_the_time_of_geneva),
        cmocka_unit_test(test_the_day_that_it_is_there),
        cmocka_unit_test(test_a_day_ends_at_its_own_midnight),
    };
    return cmocka_run_group_tests(tests, elsewhere, NULL);
}
