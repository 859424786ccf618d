/* SPDX-License-Identifier: Apache-2.0
 *
 * date: civil days by era arithmetic (400-year cycles of the Gregorian calendar).
 */
#include "common/date.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"

enum { YEAR_LEAST = 1900, YEAR_MOST = 2999 };

static bool number_at(const char *text, size_t digits, int *ret)
{
    int value = 0;
    for (size_t i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (text[i] - '0');
    }
    *ret = value;
    return true;
}

static bool leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && leap(year) ? 29 : days[month - 1];
}

/* Days since 1970-01-01. Years are counted from March, so that the leap day is the last one. */
static int32_t days_of(int year, int month, int day)
{
    int shifted = month <= 2 ? year - 1 : year;
    int era = shifted / 400;
    int year_of_era = shifted - era * 400;
    int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void civil_of(int32_t days, int *ret_year, int *ret_month, int *ret_day)
{
    int32_t shifted = days + 719468;
    int32_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int day_of_era = shifted - era * 146097;
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int march_month = (5 * day_of_year + 2) / 153;
    *ret_day = day_of_year - (153 * march_month + 2) / 5 + 1;
    *ret_month = march_month < 10 ? march_month + 3 : march_month - 9;
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2 ? 1 : 0);
}

static bool numbers_of(const char *text, int *ret_year, int *ret_month, int *ret_day)
{
    return strlen(text) == 10 && text[4] == '-' && text[7] == '-' && number_at(text, 4, ret_year) &&
           number_at(text + 5, 2, ret_month) && number_at(text + 8, 2, ret_day);
}

bool pl_date_formed(const char *text)
{
    int year, month, day;
    return numbers_of(text, &year, &month, &day);
}

struct pl_status pl_date_parse(const char *text, int32_t *ret_days)
{
    int year, month, day;
    if (!numbers_of(text, &year, &month, &day))
        return pl_fail(INVALID, "a date has the form YYYY-MM-DD");
    if (year < YEAR_LEAST || year > YEAR_MOST)
        return pl_fail(INVALID, "a year from 1900 to 2999 is needed");
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return pl_fail(INVALID, "there is no such day");
    *ret_days = days_of(year, month, day);
    return pl_ok();
}

const char *pl_date_wrong(const char *text)
{
    int32_t days;
    struct pl_status status = pl_date_parse(text, &days);
    return pl_is_ok(status) ? NULL : status.what;
}

bool pl_date_valid(const char *text)
{
    int32_t days;
    return pl_is_ok(pl_date_parse(text, &days));
}

const char *pl_date_format(int32_t days, char out[11])
{
    int year, month, day;
    char text[40];
    civil_of(days, &year, &month, &day);
    (void)snprintf(text, sizeof(text), "%04d-%02d-%02d", year, month, day);
    memcpy(out, text, 10);
    out[10] = '\0';
    return out;
}

int pl_date_month(int32_t days)
{
    int year, month, day;
    civil_of(days, &year, &month, &day);
    return 12 * year + month - 1;
}

int32_t pl_date_of_us(int64_t time_us)
{
    int64_t days = time_us / PL_US_PER_DAY;
    if (time_us % PL_US_PER_DAY < 0)
        days--;
    return (int32_t)days;
}

const char *pl_time_format(int64_t time_us, char out[28])
{
    char date[11], text[96];
    int32_t days = pl_date_of_us(time_us);
    int64_t rest =
        time_us % PL_US_PER_DAY; /* not by subtraction: the earliest day would overflow */
    if (rest < 0)
        rest += PL_US_PER_DAY;
    int64_t seconds = rest / PL_US_PER_S;
    (void)snprintf(text, sizeof(text), "%sT%02d:%02d:%02d.%06dZ", pl_date_format(days, date),
                   (int)(seconds / 3600), (int)(seconds / 60 % 60), (int)(seconds % 60),
                   (int)(rest % PL_US_PER_S));
    memcpy(out, text, 27);
    out[27] = '\0';
    return out;
}

static bool fraction_us(const char *text, int *ret_us, const char **ret_rest)
{
    int us = 0, digits = 0;
    if (*text == '.') {
        for (text++; *text >= '0' && *text <= '9'; text++, digits++) {
            if (digits < 6)
                us = us * 10 + (*text - '0');
        }
        if (digits == 0)
            return false;
        for (; digits < 6; digits++)
            us *= 10;
    }
    *ret_us = us;
    *ret_rest = text;
    return true;
}

/* What the clock of a place is ahead of UTC: "Z", "+01:00", "-03:30". */
static bool offset_s(const char *text, int64_t *ret_s)
{
    int hour, minute;
    *ret_s = 0;
    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
        return true;
    if (strlen(text) != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':' ||
        !number_at(text + 1, 2, &hour) || !number_at(text + 4, 2, &minute) || hour > 23 ||
        minute > 59)
        return false;
    *ret_s = (text[0] == '-' ? -1 : 1) * ((int64_t)hour * 3600 + (int64_t)minute * 60);
    return true;
}

struct pl_status pl_time_parse(const char *text, int64_t *ret_us)
{
    char date[11];
    int hour, minute, second, us;
    int32_t days;
    int64_t ahead_s;
    const char *rest;
    if (strlen(text) < 20 || (text[10] != 'T' && text[10] != 't') || text[13] != ':' ||
        text[16] != ':' || !number_at(text + 11, 2, &hour) || !number_at(text + 14, 2, &minute) ||
        !number_at(text + 17, 2, &second) || !fraction_us(text + 19, &us, &rest) ||
        !offset_s(rest, &ahead_s))
        return pl_fail(INVALID, "a time has the form YYYY-MM-DDTHH:MM:SSZ");
    memcpy(date, text, 10);
    date[10] = '\0';
    PL_TRY(pl_date_parse(date, &days));
    if (hour > 23 || minute > 59 || second > 59)
        return pl_fail(INVALID, "there is no such time of day");
    *ret_us = (int64_t)days * PL_US_PER_DAY +
              ((int64_t)hour * 3600 + (int64_t)minute * 60 + second - ahead_s) * PL_US_PER_S + us;
    return pl_ok();
}

struct pl_status pl_duration_parse(const char *text, int64_t *ret_s)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    int64_t value = 0;
    size_t i = 0;
    for (; text[i] >= '0' && text[i] <= '9' && i < 10; i++)
        value = value * 10 + (text[i] - '0');
    if (i == 0 || text[i] == '\0' || text[i + 1] != '\0')
        return pl_fail(INVALID, "a length of time is a number and one of s, m, h, d, w");
    for (size_t u = 0; u < PL_COUNT(units); u++) {
        if (text[i] == units[u].unit) {
            *ret_s = value * units[u].seconds;
            return pl_ok();
        }
    }
    return pl_fail(INVALID, "a length of time is a number and one of s, m, h, d, w");
}
