/* SPDX-License-Identifier: Apache-2.0
 *
 * date: business dates (YYYY-MM-DD, proleptic Gregorian, years 1900 to 2999) and RFC 3339 times,
 * computed without the C library's locale or time zone (G6).
 */
#ifndef PL_DATE_H
#define PL_DATE_H

#include <stdint.h>

#include "common/status.h"

#define PL_US_PER_S   1000000LL
#define PL_US_PER_DAY (86400LL * PL_US_PER_S)

/* Four digits, two and two: whether there is such a day is another question. */
bool pl_date_formed(const char *text);
/* What is wrong with a day (words of common/, not to be freed): its form, or that no calendar has
 * it, which is another mistake. NULL: nothing. */
const char *pl_date_wrong(const char *text);
/* Days since 1970-01-01; INVALID unless exactly YYYY-MM-DD of a real day. */
PL_MUST_CHECK struct pl_status pl_date_parse(const char *text, int32_t *ret_days);
bool pl_date_valid(const char *text);
const char *pl_date_format(int32_t days, char out[11]);
/* 12 * year + month - 1 of a day: months that follow each other are numbers that do. */
int pl_date_month(int32_t days);
/* UTC day of a moment. */
int32_t pl_date_of_us(int64_t time_us);
/* "2026-11-23T20:17:29.123456Z" */
const char *pl_time_format(int64_t time_us, char out[28]);
PL_MUST_CHECK struct pl_status pl_time_parse(const char *text, int64_t *ret_us); /* RFC 3339 */
/* "90s", "15m", "36h", "14d", "2w" to seconds. */
PL_MUST_CHECK struct pl_status pl_duration_parse(const char *text, int64_t *ret_s);

#endif
