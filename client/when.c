/* SPDX-License-Identifier: Apache-2.0
 *
 * when: see when.h. Happy path: the rule is there before it is needed, or is asked for at the first
 * need. Failure: UTC, which is printed with its name.
 */
#include "client/when.h"

#include <stdio.h>
#include <string.h>

#include "common/date.h"
#include "common/zone.h"

static struct {
    struct pl_zone zone;
    bool known;
    void (*ask)(void *arg);
    void *arg;
} fund;

struct pl_status when_use(const char *rule)
{
    struct pl_zone zone;
    PL_TRY(pl_zone_parse(rule, &zone));
    fund.zone = zone;
    fund.known = true;
    return pl_ok();
}

bool when_known(void)
{
    return fund.known;
}

void when_ask(void (*ask)(void *arg), void *arg)
{
    fund.ask = ask;
    fund.arg = arg;
}

static const struct pl_zone *zone(void)
{
    void (*ask)(void *arg) = fund.known ? NULL : fund.ask;
    if (ask != NULL) {
        fund.ask = NULL; /* who is asked may need a moment in words */
        ask(fund.arg);
    }
    return &fund.zone;
}

struct pl_status when_end_of(const char *text, int64_t *ret_us)
{
    int32_t day;
    if (!pl_is_ok(pl_date_parse(text, &day))) {
        if (pl_is_ok(pl_time_parse(text, ret_us)))
            return pl_ok();
        return pl_fail(INVALID, "a day YYYY-MM-DD is needed");
    }
    const struct pl_zone *there = zone();
    if (!fund.known)
        return pl_fail(CONFIG, "nobody says in which time zone the fund is");
    *ret_us = pl_zone_begin_us(there, day + 1);
    return pl_ok();
}

int32_t when_day(int64_t time_us)
{
    return pl_zone_day(zone(), time_us);
}

const char *when_format(int64_t time_us, char out[40])
{
    char utc[28];
    const char *name;
    int64_t east_us = pl_zone_east(zone(), time_us, &name) * PL_US_PER_S;
    (void)pl_time_format(time_us + east_us, utc); /* "2026-11-23T20:17:29.123456Z" */
    (void)snprintf(out, 40, "%.10s %.8s %s", utc, utc + 11, name);
    return out;
}

const char *when_format_end(int64_t time_us, char out[40])
{
    int32_t day = when_day(time_us);
    (void)when_format(time_us, out);
    if (time_us != pl_zone_begin_us(&fund.zone, day) || strncmp(out + 11, "00:00:00 ", 9) != 0)
        return out;
    char before[11];
    const char *name; /* of the day that ends: where clocks change at midnight it is another */
    (void)pl_zone_east(&fund.zone, time_us - 1, &name);
    (void)snprintf(out, 40, "%s 24:00:00 %s", pl_date_format(day - 1, before), name);
    return out;
}
