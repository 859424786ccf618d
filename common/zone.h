/* SPDX-License-Identifier: Apache-2.0
 *
 * zone: which day and what time it is somewhere, by the rule that POSIX has for the variable TZ,
 * like "CET-1CEST,M3.5.0,M10.5.0/3". No data of the machine, no C library: the same rule gives the
 * same day everywhere and for ever (G6).
 */
#ifndef PL_ZONE_H
#define PL_ZONE_H

#include <stdint.h>

#include "common/status.h"

#define PL_ZONE_BYTES      64
#define PL_ZONE_NAME_BYTES 12

/* When the clocks are changed, each year: in the week-th week of a month (5: the last one), on a
 * day of the week (0: Sunday), so many seconds after its midnight. */
struct pl_zone_change {
    int8_t month, week, weekday;
    int32_t second;
};
/* All zeros: UTC. */
struct pl_zone {
    int32_t east, summer_east; /* seconds, east of Greenwich */
    bool has_summer;
    struct pl_zone_change begin, end; /* of summer, by the clock that is right until then */
    char name[PL_ZONE_NAME_BYTES], summer_name[PL_ZONE_NAME_BYTES]; /* "CET"; a longer one is cut */
};

/* INVALID if it is no such rule, or longer than PL_ZONE_BYTES - 1. Changes are of the form M only,
 * the one that is in use. "": UTC. */
PL_MUST_CHECK struct pl_status pl_zone_parse(const char *rule, struct pl_zone *ret);
/* Days since 1970-01-01. */
int32_t pl_zone_day(const struct pl_zone *zone, int64_t time_us);
/* First moment of a day there, so the end of the one before it: midnight, or what comes instead
 * where the clocks are changed over midnight. */
int64_t pl_zone_begin_us(const struct pl_zone *zone, int32_t day);
/* How far east of Greenwich the clocks are then, and what that time is called: "CET", "+03". */
int32_t pl_zone_east(const struct pl_zone *zone, int64_t time_us, const char **ret_name);

#endif
