/* SPDX-License-Identifier: Apache-2.0
 *
 * notify: see notify.h. What cannot be told is lost: systemd acts on silence by itself.
 */
#include "server/notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/clock.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>

static void tell(const char *state)
{
    (void)sd_notify(0, state);
}

int64_t notify_watchdog_ns(void)
{
    uint64_t us = 0;
    return sd_watchdog_enabled(0, &us) > 0 ? (int64_t)us * 1000 : 0;
}
#else
static void tell(const char *state)
{
    (void)state;
}

int64_t notify_watchdog_ns(void)
{
    return 0;
}
#endif

void notify_ready(const char *status, ...)
{
    char words[200], state[300];
    va_list args;
    va_start(args, status);
    (void)vsnprintf(words, sizeof(words), status, args);
    va_end(args);
    (void)snprintf(state, sizeof(state), "READY=1\nSTATUS=%s", words);
    tell(state);
}

/* systemd compares the time with that of its own signal. */
void notify_reloading(void)
{
    char state[100];
    struct pl_clock *clock = pl_clock_system();
    (void)snprintf(state, sizeof(state),
                   "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=Reloading",
                   clock->mono_ns(clock) / 1000);
    tell(state);
}

void notify_stopping(void)
{
    tell("STOPPING=1\nSTATUS=Answering what is under way");
}

void notify_progress(void)
{
    tell("WATCHDOG=1");
}
