/* SPDX-License-Identifier: Apache-2.0
 *
 * when: mktime and localtime_r under TZ. The C library takes UTC for a zone it has no data for, and
 * says nothing; so two moments whose offset is known (central European winter and summer time) are
 * asked for first.
 */
#include "client/when.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/date.h"

static bool offset_is(time_t moment, long seconds)
{
    struct tm local;
    return localtime_r(&moment, &local) != NULL && local.tm_gmtoff == seconds;
}

struct pl_status when_init(void)
{
    static int known = -1;
    if (known < 0) {
        if (setenv("TZ", WHEN_ZONE, 1) != 0)
            return pl_fail(INTERNAL, "setting the time zone");
        tzset();
        const time_t winter = 1767225600, summer = 1782864000; /* 2026-01-01, 2026-07-01 */
        known = offset_is(winter, 3600) && offset_is(summer, 7200);
    }
    return known != 0 ? pl_ok() : pl_fail(CONFIG, "reading the data of the zone " WHEN_ZONE);
}

struct pl_status when_end_of(const char *text, int64_t *ret_us)
{
    int32_t days;
    if (!pl_is_ok(pl_date_parse(text, &days))) {
        if (pl_is_ok(pl_time_parse(text, ret_us)))
            return pl_ok();
        return pl_fail(INVALID, "a day YYYY-MM-DD is needed");
    }
    PL_TRY(when_init());
    struct tm day;
    time_t start_utc = (time_t)days * 86400;
    if (gmtime_r(&start_utc, &day) == NULL)
        return pl_fail(INVALID, "a day YYYY-MM-DD is needed");
    struct tm end = {.tm_year = day.tm_year,
                     .tm_mon = day.tm_mon,
                     .tm_mday = day.tm_mday + 1, /* mktime carries over ends of months */
                     .tm_isdst = -1};
    time_t moment = mktime(&end);
    if (moment == (time_t)-1)
        return pl_fail(INVALID, "this day has no end that can be told");
    *ret_us = (int64_t)moment * PL_US_PER_S;
    return pl_ok();
}

int32_t when_day(int64_t time_us)
{
    char text[40];
    int32_t day = pl_date_of_us(time_us);
    (void)when_format(time_us, text);
    text[strlen("2026-12-08")] = '\0';
    struct pl_status status = pl_date_parse(text, &day);
    return pl_is_ok(status) ? day : pl_date_of_us(time_us);
}

const char *when_format(int64_t time_us, char out[40])
{
    struct pl_status status = when_init();
    int64_t floor_s = time_us / PL_US_PER_S - (time_us % PL_US_PER_S < 0);
    time_t moment = (time_t)floor_s;
    struct tm local;
    struct tm *got = pl_is_ok(status) ? localtime_r(&moment, &local) : gmtime_r(&moment, &local);
    if (got == NULL || strftime(out, 40, "%Y-%m-%d %H:%M:%S", got) == 0) {
        (void)snprintf(out, 40, "?");
        return out;
    }
    char day[24];
    (void)snprintf(day, sizeof(day), "%.23s", out);
    (void)snprintf(out, 40, "%s %.8s", day, pl_is_ok(status) ? got->tm_zone : "UTC");
    return out;
}

const char *when_format_end(int64_t time_us, char out[40])
{
    char before[40];
    (void)when_format(time_us, out);
    if (time_us % PL_US_PER_S != 0 || strncmp(out + strcspn(out, " "), " 00:00:00 ", 10) != 0)
        return out;
    (void)when_format(time_us - 1, before);
    (void)snprintf(out, 40, "%.10s 24:00:00%.12s", before, before + strlen("2026-12-07 00:00:00"));
    return out;
}
