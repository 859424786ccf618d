/* SPDX-License-Identifier: Apache-2.0
 *
 * progress: "verifying [#####.....]  52 %", drawn over itself.
 */
#include "client/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/clock.h"

enum { COLUMNS_DEFAULT = 80, BAR_MOST = 50, BESIDE = 10 };
static const int64_t EVERY_NS = 100 * 1000000LL;

void progress_init(struct progress *progress, const char *words, bool quiet)
{
    *progress = (struct progress){.words = words};
    progress->shown = !quiet && isatty(STDERR_FILENO) == 1;
}

const char *progress_line(const char *words, uint64_t done, uint64_t whole, size_t columns,
                          char out[PROGRESS_LINE_BYTES])
{
    char bar[BAR_MOST + 1];
    size_t used = strlen(words) + BESIDE, room = columns > used ? columns - used : 0;
    if (room > BAR_MOST)
        room = BAR_MOST;
    if (whole == 0) {
        (void)snprintf(out, PROGRESS_LINE_BYTES, "%.60s %" PRIu64, words, done);
        return out;
    }
    double share = done >= whole ? 1.0 : (double)done / (double)whole;
    size_t full = (size_t)(share * (double)room);
    memset(bar, '.', room);
    memset(bar, '#', full);
    bar[room] = '\0';
    (void)snprintf(out, PROGRESS_LINE_BYTES, "%.60s [%s] %3d %%", words, bar, (int)(share * 100));
    return out;
}

static size_t columns_of_terminal(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return COLUMNS_DEFAULT;
    return size.ws_col;
}

void progress_tell(void *arg, uint64_t done, uint64_t whole)
{
    struct progress *progress = arg;
    char line[PROGRESS_LINE_BYTES];
    if (!progress->shown)
        return;
    struct pl_clock *clock = pl_clock_system();
    int64_t now_ns = clock->mono_ns(clock);
    if (now_ns < progress->next_ns)
        return;
    progress->next_ns = now_ns + EVERY_NS;
    progress->drawn = true;
    (void)fprintf(stderr, "\r%s",
                  progress_line(progress->words, done, whole, columns_of_terminal() - 1, line));
    (void)fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->drawn)
        (void)fprintf(stderr, "\r\033[K");
    progress->drawn = false;
    progress->shown = false;
}
