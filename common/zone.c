/* SPDX-License-Identifier: Apache-2.0
 *
 * zone: see zone.h. Happy path: a moment's year says when summer begins and ends. Failure: what is
 * no rule is told when it is parsed; no moment has no day.
 */
#include "common/zone.h"

#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/date.h"

enum { DAY_S = 86400, HOUR_S = 3600, OFFSET_HOURS_MOST = 24, CHANGE_HOURS_MOST = 167 };

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* CET, or <+03>; at least three. */
static bool read_name(const char **at, char name[PL_ZONE_NAME_BYTES])
{
    bool quoted = **at == '<';
    const char *begin = *at + quoted, *end = begin;
    while (is_letter(*end) || (quoted && (is_digit(*end) || *end == '+' || *end == '-')))
        end++;
    (void)snprintf(name, PL_ZONE_NAME_BYTES, "%.*s", (int)(end - begin), begin);
    *at = end + quoted;
    return end - begin >= 3 && (!quoted || *end == '>');
}

static bool read_number(const char **at, int most, int *ret)
{
    *ret = 0;
    if (!is_digit(**at))
        return false;
    for (; is_digit(**at); (*at)++) {
        *ret = 10 * *ret + (**at - '0');
        if (*ret > most)
            return false;
    }
    return true;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static bool read_time(const char **at, int hours_most, int32_t *ret)
{
    int part[3] = {0}, sign = **at == '-' ? -1 : 1;
    if (**at == '-' || **at == '+')
        (*at)++;
    for (int i = 0; i < 3; i++) {
        if (i > 0 && **at != ':')
            break;
        *at += i > 0;
        if (!read_number(at, i == 0 ? hours_most : 59, &part[i]))
            return false;
    }
    *ret = sign * (part[0] * HOUR_S + part[1] * 60 + part[2]);
    return true;
}

/* ,Mm.w.d[/time] */
static bool read_change(const char **at, struct pl_zone_change *ret)
{
    int month = 0, week = 0, weekday = 0;
    if ((*at)[0] != ',' || (*at)[1] != 'M')
        return false;
    *at += 2;
    bool fine = read_number(at, 12, &month) && month > 0 && *(*at)++ == '.' &&
                read_number(at, 5, &week) && week > 0 && *(*at)++ == '.' &&
                read_number(at, 6, &weekday);
    *ret = (struct pl_zone_change){(int8_t)month, (int8_t)week, (int8_t)weekday, 2 * HOUR_S};
    if (!fine || **at != '/')
        return fine;
    (*at)++;
    return read_time(at, CHANGE_HOURS_MOST, &ret->second);
}

static bool read_rule(const char *at, struct pl_zone *ret)
{
    int32_t west = 0;
    if (!read_name(&at, ret->name) || !read_time(&at, OFFSET_HOURS_MOST, &west))
        return false;
    ret->east = -west; /* POSIX counts the other way */
    if (*at == '\0')
        return true;
    ret->has_summer = true;
    ret->summer_east = ret->east + HOUR_S;
    if (!read_name(&at, ret->summer_name))
        return false;
    if (*at != ',') {
        if (!read_time(&at, OFFSET_HOURS_MOST, &west))
            return false;
        ret->summer_east = -west;
    }
    return read_change(&at, &ret->begin) && read_change(&at, &ret->end) && *at == '\0';
}

struct pl_status pl_zone_parse(const char *rule, struct pl_zone *ret)
{
    *ret = (struct pl_zone){.east = 0};
    if (rule[0] == '\0')
        return pl_ok();
    if (strlen(rule) < PL_ZONE_BYTES && read_rule(rule, ret))
        return pl_ok();
    *ret = (struct pl_zone){.east = 0};
    return pl_fail(INVALID, "no rule of a time zone");
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* First day of a month, which is numbered as by pl_date_month: years of March to February, so that
 * a leap day is the last one. */
static int32_t first_of(int month_number)
{
    int year = (month_number - 2) / 12, month = (month_number - 2) % 12;
    return 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 - 719468;
}

/* Seconds since 1970 by a clock that is so far east. */
static int64_t moment_of(const struct pl_zone_change *change, int year, int32_t east)
{
    int month = 12 * year + change->month - 1;
    int32_t first = first_of(month);
    /* 1970-01-01 was a Thursday */
    int32_t weekday = (int32_t)(((int64_t)first + 4) % 7 + 7) % 7;
    int32_t day = first + (change->weekday - weekday + 7) % 7 + 7 * (change->week - 1);
    int32_t next = first_of(month + 1);
    while (day >= next)
        day -= 7;
    return (int64_t)day * DAY_S + change->second - east;
}

static int year_at(const struct pl_zone *zone, int64_t second)
{
    return pl_date_month((int32_t)floor_div(second + zone->east, DAY_S)) / 12;
}

static bool is_summer(const struct pl_zone *zone, int64_t second)
{
    if (!zone->has_summer)
        return false;
    int year = year_at(zone, second);
    int64_t begin = moment_of(&zone->begin, year, zone->east);
    int64_t end = moment_of(&zone->end, year, zone->summer_east);
    return begin < end ? second >= begin && second < end : second >= begin || second < end;
}

static int32_t day_at(const struct pl_zone *zone, int64_t second)
{
    int32_t east = is_summer(zone, second) ? zone->summer_east : zone->east;
    return (int32_t)floor_div(second + east, DAY_S);
}

int32_t pl_zone_day(const struct pl_zone *zone, int64_t time_us)
{
    return day_at(zone, floor_div(time_us, PL_US_PER_S));
}

int32_t pl_zone_east(const struct pl_zone *zone, int64_t time_us, const char **ret_name)
{
    bool summer = is_summer(zone, floor_div(time_us, PL_US_PER_S));
    *ret_name = summer ? zone->summer_name : zone->name[0] != '\0' ? zone->name : "UTC";
    return summer ? zone->summer_east : zone->east;
}

int64_t pl_zone_begin_us(const struct pl_zone *zone, int32_t day)
{
    int64_t midnight = (int64_t)day * DAY_S, first = midnight - zone->east;
    if (zone->has_summer) {
        /* By one clock or the other; or when they are changed, if that leaves midnight out. */
        int64_t summer = midnight - zone->summer_east;
        int64_t least = summer < first ? summer : first, most = summer < first ? first : summer;
        int year = year_at(zone, first);
        int64_t moments[] = {least, moment_of(&zone->begin, year, zone->east),
                             moment_of(&zone->end, year, zone->summer_east), most};
        first = most;
        for (size_t i = 0; i < PL_COUNT(moments); i++) {
            bool near = moments[i] >= least && moments[i] < first;
            if (near && day_at(zone, moments[i]) >= day)
                first = moments[i];
        }
    }
    return first * PL_US_PER_S;
}
