/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon: `pledged` itself: lock, recover, bind, start the writer and the workers, wait for
 * signals, drain. Its own thread runs the signal loop, tells systemd, and starts the short-lived
 * child that makes snapshots.
 *
 * Order of the end: workers stop accepting and finish their calls while the writer still runs; then
 * the writer finishes what is in flight; then the store closes. No acknowledged command is lost and
 * no reply is cut in half.
 */
#ifndef SERVER_DAEMON_H
#define SERVER_DAEMON_H

#include "server/config.h"

/* Runs until SIGTERM or SIGINT. The process exit code. */
int daemon_run(const struct config *config);

#endif
