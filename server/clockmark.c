/* SPDX-License-Identifier: Apache-2.0
 *
 * clockmark: see clockmark.h. The mark is a line with a number of seconds since 1970; one that
 * cannot be read is none.
 */
#include "server/clockmark.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "server/store/io.h"

enum { PATH_BYTES = 4096, TEXT_BYTES = 40, MESSAGE_BYTES = 400, DIGITS_MAX = 12 };

static void path_of(const char *data, char path[PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, "%s/" CLOCKMARK_FILE, data);
}

void clockmark_text(int64_t wall_us, char *ret)
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL || strftime(ret, TEXT_BYTES, "%F %T UTC", &tm) == 0)
        (void)snprintf(ret, TEXT_BYTES, "second %" PRId64 " of 1970", wall_us / 1000000);
}

struct pl_status clockmark_note(const char *data, int64_t wall_us)
{
    char path[PATH_BYTES], line[TEXT_BYTES];
    path_of(data, path);
    int len = snprintf(line, sizeof(line), "%" PRId64 "\n", wall_us / 1000000);
    return io_write_file(io_system(), path, pl_slice(line, (size_t)len), 0600);
}

int64_t clockmark_seen_us(const char *data)
{
    char path[PATH_BYTES], line[TEXT_BYTES] = "";
    path_of(data, path);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    size_t len = fread(line, 1, sizeof(line) - 1, file);
    (void)fclose(file);
    size_t digits = strspn(line, "0123456789");
    if (digits == 0 || digits > DIGITS_MAX || len != digits + 1 || line[digits] != '\n')
        return 0;
    int64_t seconds = 0;
    for (size_t i = 0; i < digits; i++)
        seconds = seconds * 10 + (line[i] - '0');
    return seconds * 1000000;
}

static struct pl_status judge_first(int64_t wall_us, char *message)
{
    char now[TEXT_BYTES];
    clockmark_text(wall_us, now);
    (void)snprintf(message, MESSAGE_BYTES,
                   "the clock says %s, when this program was not written yet, and a new ledger "
                   "would begin then: put the clock right; nothing was written",
                   now);
    return pl_fail(UNAVAILABLE, "the clock is far behind");
}

struct pl_status clockmark_judge(int64_t last_batch_us, int64_t seen_us, int64_t limit_us,
                                 int64_t wall_us, char *message)
{
    char now[TEXT_BYTES], then[TEXT_BYTES];
    int64_t known_us = last_batch_us > seen_us ? last_batch_us : seen_us;
    if (known_us == 0 && wall_us < CLOCKMARK_FIRST_US)
        return judge_first(wall_us, message);
    if (known_us == 0 || wall_us <= known_us || wall_us - known_us <= limit_us)
        return pl_ok();
    clockmark_text(wall_us, now);
    clockmark_text(known_us, then);
    (void)snprintf(message, MESSAGE_BYTES,
                   "the clock says %s, and this ledger was last at work at %s, longer ago than "
                   "clock_ahead_limit: put the clock right, or, if it is right, say so with "
                   "`pledged accept-clock --config FILE`; nothing was written",
                   now, then);
    return pl_fail(UNAVAILABLE, "the clock is far ahead of the ledger");
}
