/* SPDX-License-Identifier: Apache-2.0
 *
 * when: moments and days as people say them, in the time zone of the fund. Which one that is the
 * ledger says: its rule comes from the daemon or from the entries of a file, never from this
 * machine. One zone a process; one thread.
 */
#ifndef CLIENT_WHEN_H
#define CLIENT_WHEN_H

#include <stdint.h>

#include "common/status.h"

/* From here on by this rule (common/zone.h; "": UTC). INVALID if it is none: nothing changes. */
PL_MUST_CHECK struct pl_status when_use(const char *rule);
/* Whether a rule is in use. Without one all goes by UTC, and says so. */
bool when_known(void);
/* Called once, when a rule is needed and none is in use; may call when_use. NULL: nobody. */
void when_ask(void (*ask)(void *arg), void *arg);

/* End of a day "YYYY-MM-DD" where the fund is: the first moment of the next day. Also takes an
 * RFC 3339 moment. INVALID if it is neither; CONFIG for a day if it is not known where the fund is:
 * a wrong deadline is worse than none. */
PL_MUST_CHECK struct pl_status when_end_of(const char *text, int64_t *ret_us);
/* The day on which this moment is there, days since 1970: shortly after midnight it is another one
 * than elsewhere. */
int32_t when_day(int64_t time_us);
/* "2026-12-08 00:00:00 CET" */
const char *when_format(int64_t time_us, char out[40]);
/* The same of a moment when something ends: midnight is the end of the day before it, as it was
 * typed, "2026-12-07 24:00:00 CET" (ISO 8601), which no language takes for another day. */
const char *when_format_end(int64_t time_us, char out[40]);

#endif
