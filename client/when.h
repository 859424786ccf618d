/* SPDX-License-Identifier: Apache-2.0
 *
 * when: moments and days as people say them, in the time zone of the fund (Europe/Zurich), whatever
 * the machine's own zone is. Sets TZ for the process; one thread.
 */
#ifndef CLIENT_WHEN_H
#define CLIENT_WHEN_H

#include <stdint.h>

#include "common/status.h"

#define WHEN_ZONE "Europe/Zurich"

/* CONFIG if this machine has no data about the zone: a wrong deadline is worse than none. */
PL_MUST_CHECK struct pl_status when_init(void);
/* End of a day "YYYY-MM-DD" in the fund's zone: the first moment of the next day. Also takes an
 * RFC 3339 moment. INVALID if it is neither, CONFIG if the zone's data is missing. */
PL_MUST_CHECK struct pl_status when_end_of(const char *text, int64_t *ret_us);
/* The day on which this moment is there, days since 1970 (that of UTC if the zone's data is
 * missing): shortly after midnight it is another one than elsewhere. */
int32_t when_day(int64_t time_us);
/* "2026-12-08 00:00:00 CET" (UTC with "UTC" if the zone's data is missing). */
const char *when_format(int64_t time_us, char out[40]);
/* The same of a moment when something ends: midnight is the end of the day before it, as it was
 * typed, "2026-12-07 24:00:00 CET" (ISO 8601), which no language takes for another day. */
const char *when_format_end(int64_t time_us, char out[40]);

#endif
