/* SPDX-License-Identifier: Apache-2.0
 *
 * zone: rules of time zones, as a policy file has them. First byte: a year; the rest is the rule.
 * On which day it is by what was taken for a rule, the C library says as well, each hour around
 * both changes of the clocks and around the moment that the rule's own bytes make.
 */
#include <time.h>

#include "common/date.h"
#include "common/zone.h"
#include "fuzz.h"

enum { FIRST_YEAR = 1972, YEARS = 128, AROUND_DAYS = 9, MONTH_DAYS = 31 };

static void same_day(const struct pl_zone *zone, int64_t second)
{
    struct tm there;
    time_t t = (time_t)second;
    FUZZ_HOLDS(localtime_r(&t, &there) != NULL);
    int32_t day = 0;
    char text[16];
    FUZZ_HOLDS(strftime(text, sizeof(text), "%Y-%m-%d", &there) == 10);
    FUZZ_HOLDS(pl_is_ok(pl_date_parse(text, &day)));
    FUZZ_HOLDS(pl_zone_day(zone, second * PL_US_PER_S) == day);
}

static void around(const struct pl_zone *zone, int year, int month)
{
    char text[16];
    int32_t first = 0;
    (void)snprintf(text, sizeof(text), "%04d-%02d-01", year, month);
    FUZZ_HOLDS(pl_is_ok(pl_date_parse(text, &first)));
    for (int hour = -24 * AROUND_DAYS; hour < 24 * (MONTH_DAYS + AROUND_DAYS); hour++) {
        int64_t second = (int64_t)first * 86400 + (int64_t)hour * 3600;
        same_day(zone, second);
        same_day(zone, second - 1);
    }
}

/* The library asks in which year it is in Greenwich, and says nothing of a summer that ends when it
 * begins: where that matters, POSIX leaves it open. */
static bool is_comparable(const struct pl_zone *zone)
{
    return !zone->has_summer ||
           (zone->begin.month > 1 && zone->begin.month < 12 && zone->end.month > 1 &&
            zone->end.month < 12 &&
            (zone->begin.month > zone->end.month + 2 || zone->end.month > zone->begin.month + 2));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pl_zone zone;
    if (len < 1)
        return 0;
    char *text = fuzz_text(pl_slice(data + 1, len - 1));
    bool good = pl_is_ok(pl_zone_parse(text, &zone));
    FUZZ_HOLDS(good || (zone.east == 0 && !zone.has_summer)); /* UTC, as where there is none */
    for (size_t at = 0; good && at + sizeof(int64_t) <= len; at += sizeof(int64_t)) {
        int64_t us = 0;
        memcpy(&us, data + at, sizeof(us));
        us %= PL_US_PER_DAY * 365 * 8000; /* the years of the calendar, and more */
        int64_t away = (int64_t)pl_zone_day(&zone, us) - us / PL_US_PER_DAY;
        FUZZ_HOLDS(away >= -3 && away <= 3);
    }
    if (good && text[0] != '\0' && is_comparable(&zone)) {
        int year = FIRST_YEAR + data[0] % YEARS;
        FUZZ_HOLDS(setenv("TZDIR", fuzz_dir(), 1) == 0); /* the rule alone, no file of that name */
        FUZZ_HOLDS(setenv("TZ", text, 1) == 0);
        tzset();
        around(&zone, year, zone.has_summer ? zone.begin.month : 2);
        around(&zone, year, zone.has_summer ? zone.end.month : 2);
    }
    free(text);
    return 0;
}
