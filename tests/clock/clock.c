/* SPDX-License-Identifier: Apache-2.0
 *
 * clock: put before the C library (LD_PRELOAD) of the daemon, the client and the test that drives
 * them: all of them are at another moment of the calendar, which may also pass faster. What is
 * measured (CLOCK_MONOTONIC: deadlines, timers) stays as it is.
 *
 *   TEST_CLOCK   "BASE SHOWN RATE": at BASE (seconds since 1970) it is SHOWN, and from there RATE
 *                seconds pass in each
 *
 * gRPC's core in Python measures its deadlines by the calendar, so it sees the true one. Who asks
 * for CLOCK_REALTIME_ALARM gets it, too, whether or not the machine has such a clock.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

enum { NS_OF_S = 1000000000, NS_OF_US = 1000 };

static int (*real_gettime)(clockid_t, struct timespec *);
static long long base_s, shown_s;
static double rate;

/* At the first question: constructors of libraries ask, too, and some before ours would run. Nobody
 * has started a thread then. */
static void start(void)
{
    const char *words = getenv("TEST_CLOCK");
    real_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (words == NULL)
        return;
    char *after_base = NULL, *after_shown = NULL, *after_rate = NULL;
    base_s = strtoll(words, &after_base, 10);
    shown_s = strtoll(after_base, &after_shown, 10);
    rate = strtod(after_shown, &after_rate);
    if (after_shown == after_base || *after_rate != '\0' || !(rate > 0)) {
        fprintf(stderr, "TEST_CLOCK: \"BASE SHOWN RATE\" wanted, not \"%s\"\n", words);
        abort();
    }
}

/* Whether the code that asks is gRPC's. The answer for the last asker is kept: most ask again. */
static bool is_grpc(void *asker)
{
    static __thread void *last;
    static __thread bool was;
    Dl_info where;
    if (asker != last) {
        was = dladdr(asker, &where) != 0 && where.dli_fname != NULL &&
              strstr(where.dli_fname, "grpc") != NULL;
        last = asker;
    }
    return was;
}

static int read_clock(clockid_t clock, struct timespec *now, void *asker)
{
    if (real_gettime == NULL)
        start();
    int code = real_gettime(clock == CLOCK_REALTIME_ALARM ? CLOCK_REALTIME : clock, now);
    bool calendar = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
    if (code != 0 || !calendar || rate == 0 || is_grpc(asker))
        return code;
    long long passed = (now->tv_sec - base_s) * NS_OF_S + now->tv_nsec;
    long long shown = shown_s * NS_OF_S + (long long)((double)passed * rate);
    now->tv_sec = (time_t)(shown / NS_OF_S);
    now->tv_nsec = (long)(shown % NS_OF_S);
    return code;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    return read_clock(clock, now, __builtin_return_address(0));
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;
    (void)zone;
    int code = read_clock(CLOCK_REALTIME, &exact, __builtin_return_address(0));
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / NS_OF_US;
    return code;
}

time_t time(time_t *now)
{
    struct timespec exact;
    (void)read_clock(CLOCK_REALTIME, &exact, __builtin_return_address(0));
    if (now != NULL)
        *now = exact.tv_sec;
    return exact.tv_sec;
}
