/* SPDX-License-Identifier: Apache-2.0
 *
 * notify: what systemd is told (sd_notify): ready, reloading, stopping, a line of status, and that
 * the daemon makes progress (watchdog). Without systemd all of it is nothing.
 *
 * Thread: main.
 */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

#include <stdint.h>

__attribute__((format(printf, 1, 2))) void notify_ready(const char *status, ...);
void notify_reloading(void);
void notify_stopping(void);
/* How often systemd wants to hear of progress, in nanoseconds; 0: it does not. */
int64_t notify_watchdog_ns(void);
void notify_progress(void);

#endif
