/* SPDX-License-Identifier: Apache-2.0
 *
 * admin: health, readiness and metrics for this machine: a listener without TLS on loopback or on a
 * unix socket.
 *
 *   GET /healthz   200 while the daemon's own loop turns
 *   GET /readyz    200 while commands are taken; 503 with the reason, one line
 *   GET /metrics   Prometheus text; OpenMetrics where Accept names it
 *
 * Thread: the one of the event base (the daemon's own).
 */
#ifndef SERVER_ADMIN_H
#define SERVER_ADMIN_H

#include "server/metrics.h"

struct admin;

struct admin_options {
    struct event_base *base; /* borrowed until admin_free; two priorities or more */
    int listen_fd;           /* bound, listening; taken when admin_new succeeds */
    struct pl_clock *clock;
    const struct metrics *metrics; /* borrowed */
    /* Looks up what is true now. */
    void (*look)(void *arg, struct metrics_now *ret);
    void *arg;
};
PL_MUST_CHECK struct pl_status admin_new(const struct admin_options *options, struct admin **ret);
void admin_free(struct admin *admin); /* ends its connections; NULL is fine */

#endif
