/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: every day from 1900 to 2999 has one text, times are UTC to the microsecond, and nothing
 * that is not a day or a time passes as one.
 */
#include <stdio.h>
#include <string.h>

#include "common/date.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static int32_t days(const char *text)
{
    int32_t value = INT32_MIN;
    assert_int_equal(pl_date_parse(text, &value).code, PL_E_OK);
    return value;
}

static void test_known_days(void **state)
{
    (void)state;
    assert_int_equal(days("1970-01-01"), 0);
    assert_int_equal(days("1969-12-31"), -1);
    assert_int_equal(days("2000-03-01"), 11017);
    assert_int_equal(days("2026-07-10"), 20644);
    assert_int_equal(days("1900-01-01"), -25567);
    assert_int_equal(days("2999-12-31") - days("1900-01-01"), 401766);
}

/* Walks the calendar by the plain rules and expects both directions to follow. */
static void test_every_day(void **state)
{
    (void)state;
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int32_t expected = days("1900-01-01");
    for (int year = 1900; year <= 2999; year++) {
        bool leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
        for (int month = 1; month <= 12; month++) {
            int length = lengths[month - 1] + (month == 2 && leap);
            for (int day = 1; day <= length; day++, expected++) {
                char text[40], out[11];
                (void)snprintf(text, sizeof(text), "%04d-%02d-%02d", year, month, day);
                assert_int_equal(days(text), expected);
                assert_string_equal(pl_date_format(expected, out), text);
            }
        }
    }
}

/* The form and the calendar are two mistakes: who typed 13 for a month is not told to type digits.
 */
static void test_what_is_wrong_with_a_day(void **state)
{
    (void)state;
    static const char *const none[] = {"2026-13-01", "2026-00-10", "2026-02-30",
                                       "2026-04-31", "2026-01-00", "1900-02-29"};
    static const char *const bare[] = {"", "2026-1-01", "01.02.2026", "2026-01-01 ", "2026-0a-01"};
    static const char *const far[] = {"1899-12-31", "3000-01-01"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_true(pl_date_formed(none[i]));
        assert_string_equal(pl_date_wrong(none[i]), "there is no such day");
    }
    for (size_t i = 0; i < sizeof(bare) / sizeof(bare[0]); i++) {
        assert_false(pl_date_formed(bare[i]));
        assert_string_equal(pl_date_wrong(bare[i]), "a date has the form YYYY-MM-DD");
    }
    for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++)
        assert_string_equal(pl_date_wrong(far[i]), "a year from 1900 to 2999 is needed");
    assert_null(pl_date_wrong("2028-02-29"));
}

static void test_leap_years(void **state)
{
    (void)state;
    assert_true(pl_date_valid("2024-02-29"));
    assert_true(pl_date_valid("2000-02-29"));
    assert_true(pl_date_valid("2400-02-29"));
    assert_false(pl_date_valid("2026-02-29"));
    assert_false(pl_date_valid("1900-02-29"));
    assert_false(pl_date_valid("2100-02-29"));
    assert_false(pl_date_valid("2024-02-30"));
    assert_int_equal(days("2024-03-01") - days("2024-02-28"), 2);
    assert_int_equal(days("2025-03-01") - days("2025-02-28"), 1);
}

static void test_what_is_not_a_date(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",           "2026",       "2026-1-1",    "2026-01-1",
        "26-01-01",   "2026/01/01", "20260101",    "2026-00-01",
        "2026-13-01", "2026-01-00", "2026-01-32",  "2026-04-31",
        "1899-12-31", "3000-01-01", "2026-01-01 ", " 2026-01-01",
        "2026-01-0x", "+026-01-01", "2026-01-011", "-026-01-01",
        "2026-0a-01", "2026--1-01",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int32_t value = 77;
        assert_int_equal(pl_date_parse(texts[i], &value).code, PL_E_INVALID);
        assert_int_equal(value, 77);
        assert_false(pl_date_valid(texts[i]));
    }
}

static void test_month_of_a_day(void **state)
{
    (void)state;
    assert_int_equal(pl_date_month(0), 12 * 1970);
    assert_int_equal(pl_date_month(-1), 12 * 1969 + 11);
    assert_int_equal(pl_date_month(days("2024-02-29")), 12 * 2024 + 1);
    assert_int_equal(pl_date_month(days("2024-03-01")), 12 * 2024 + 2);
    assert_int_equal(pl_date_month(days("2025-12-31")), 12 * 2025 + 11);
    assert_int_equal(pl_date_month(days("2026-01-01")), 12 * 2026);
    assert_int_equal(pl_date_month(days("1900-01-01")), 12 * 1900);
    assert_int_equal(pl_date_month(days("2999-12-31")), 12 * 2999 + 11);
}

static void test_day_of_a_moment(void **state)
{
    (void)state;
    assert_int_equal(pl_date_of_us(0), 0);
    assert_int_equal(pl_date_of_us(PL_US_PER_DAY - 1), 0);
    assert_int_equal(pl_date_of_us(PL_US_PER_DAY), 1);
    assert_int_equal(pl_date_of_us(-1), -1);
    assert_int_equal(pl_date_of_us(-PL_US_PER_DAY), -1);
    assert_int_equal(pl_date_of_us(-PL_US_PER_DAY - 1), -2);
}

static void test_times(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {1700000000123456, "2023-11-14T22:13:20.123456Z"},
        {951782400000000, "2000-02-29T00:00:00.000000Z"},
        {951868799999999, "2000-02-29T23:59:59.999999Z"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[28];
        int64_t us = 0;
        assert_string_equal(pl_time_format(rows[i].us, out), rows[i].text);
        assert_int_equal(pl_time_parse(rows[i].text, &us).code, PL_E_OK);
        assert_true(us == rows[i].us);
    }
}

static void test_extreme_times_stay_in_bounds(void **state)
{
    (void)state;
    static const int64_t moments[] = {INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < 2; i++) {
        char out[28];
        memset(out, 'x', sizeof(out));
        assert_int_equal(strlen(pl_time_format(moments[i], out)), 27);
    }
}

static void test_forms_of_time(void **state)
{
    (void)state;
    int64_t us = 0;
    assert_int_equal(pl_time_parse("2023-11-14T22:13:20Z", &us).code, PL_E_OK);
    assert_true(us == 1700000000000000);
    assert_int_equal(pl_time_parse("2023-11-14t22:13:20.5z", &us).code, PL_E_OK);
    assert_true(us == 1700000000500000);
    assert_int_equal(pl_time_parse("2023-11-14T22:13:20.1234567Z", &us).code, PL_E_OK);
    assert_true(us == 1700000000123456);
    assert_int_equal(pl_time_parse("2023-11-15T00:13:20+02:00", &us).code, PL_E_OK);
    assert_true(us == 1700000000000000);
    assert_int_equal(pl_time_parse("2023-11-14T18:43:20.5-03:30", &us).code, PL_E_OK);
    assert_true(us == 1700000000500000);
    static const char *const texts[] = {
        "",
        "2023-11-14",
        "2023-11-14T22:13Z",
        "2023-11-14T22:13:20",
        "2023-11-14T22:13:20.Z",
        "2023-11-14T22:13:20.5",
        "2023-11-14T22:13:20+01",
        "2023-11-14T22:13:20+0100",
        "2023-11-14T22:13:20 01:00",
        "2023-11-14T22:13:20+24:00",
        "2023-11-14T22:13:20+01:60",
        "2023-11-14T22:13:20+01:00Z",
        "2023-11-14T22:13:20+-1:00",
        "2023-11-14 22:13:20Z",
        "2023-11-14T24:00:00Z",
        "2023-11-14T22:60:20Z",
        "2023-11-14T22:13:60Z",
        "2023-02-29T22:13:20Z",
        "2023-11-14T22:13:20ZZ",
        "2023-11-14T-2:13:20Z",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(pl_time_parse(texts[i], &us).code, PL_E_INVALID);
}

static void test_lengths_of_time(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
    } rows[] = {
        {"90s", 90},     {"15m", 900}, {"36h", 129600},  {"14d", 1209600},
        {"2w", 1209600}, {"0s", 0},    {"007d", 604800}, {"9999999999w", 9999999999 * 604800}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t seconds = -1;
        assert_int_equal(pl_duration_parse(rows[i].text, &seconds).code, PL_E_OK);
        assert_true(seconds == rows[i].seconds);
    }
    static const char *const texts[] = {"",    "14",  "d",     "-1d", "1.5h", "14 d",        "14dd",
                                        "14y", "14D", "1d12h", " 1d", "1d ",  "99999999999d"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int64_t seconds = -1;
        assert_int_equal(pl_duration_parse(texts[i], &seconds).code, PL_E_INVALID);
        assert_true(seconds == -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_days),
        cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_what_is_wrong_with_a_day),
        cmocka_unit_test(test_leap_years),
        cmocka_unit_test(test_what_is_not_a_date),
        cmocka_unit_test(test_month_of_a_day),
        cmocka_unit_test(test_day_of_a_moment),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_extreme_times_stay_in_bounds),
        cmocka_unit_test(test_forms_of_time),
        cmocka_unit_test(test_lengths_of_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
