/* SPDX-License-Identifier: Apache-2.0
 *
 * metrics: what the daemon counts, and how it is told (Prometheus text format 0.0.4, OpenMetrics
 * 1.0). Names are documented in deploy/RUNBOOK.md and used by deploy/monitoring.
 *
 * Threads: each cell has one thread that writes it (a worker its own, whoever does the writer's
 * turn the writer's) and is read by whoever renders, without locks: numbers may be a moment apart
 * from each other.
 */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include "common/buf.h"
#include "server/cosign.h"
#include "server/net/net.h"
#include "server/view.h"
#include "server/watch.h"

struct metrics;

enum metrics_result {
    METRICS_NEW,
    METRICS_REPLAY,
    METRICS_DRY_RUN,
    METRICS_REFUSED,
    METRICS_FAILED
};
enum { METRICS_RESULTS = METRICS_FAILED + 1 };

struct metrics *metrics_new(unsigned workers); /* no memory: fatal */
void metrics_free(struct metrics *metrics);    /* NULL is fine */

/* Worker. The tables of methods are the same for all of them. */
void metrics_methods(struct metrics *metrics, unsigned worker, const struct net_method *methods,
                     size_t count);
void metrics_request(struct metrics *metrics, unsigned worker,
                     const struct net_method *method /* NULL: a page or tile */, enum pl_code code,
                     int64_t took_ns);
void metrics_command(struct metrics *metrics, unsigned worker, enum metrics_result result);
/* About once a second. */
void metrics_worker(struct metrics *metrics, unsigned worker, const struct net_stats *net,
                    const struct watch_stats *watch);

/* Writer: a batch became durable. `took_ns`: from handing it to the store to its completion. */
void metrics_batch(struct metrics *metrics, size_t entries, int64_t took_ns);
/* Writer: a decision contradicted the check, and was not recorded. */
void metrics_disagreement(struct metrics *metrics);

/* What is looked up when somebody asks. Times are Unix seconds; 0: does not apply, not told. */
struct metrics_now {
    double up_s;
    bool ready;
    size_t inbox_depth;
    uint64_t snapshot_seq;
    int64_t server_expiry_s, ca_expiry_s, crl_next_update_s;
    uint64_t disk_free_bytes;
    const struct view *view; /* NULL: none yet */
    int64_t now_us;
    bool has_checkpoint;
    uint64_t checkpoint_size;
    int64_t checkpoint_time_us;
    const struct cosign_report *witnesses; /* NULL: none are configured */
};
PL_MUST_CHECK struct pl_status metrics_render(const struct metrics *metrics,
                                              const struct metrics_now *now, bool open_metrics,
                                              struct pl_buf *out);
#define METRICS_TYPE_PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_TYPE_OPEN       "application/openmetrics-text; version=1.0.0; charset=utf-8"

#endif
