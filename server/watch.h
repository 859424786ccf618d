/* SPDX-License-Identifier: Apache-2.0
 *
 * watch: LedgerService.Watch: what is new, told to all who watch on this worker.
 *
 * The newest entries are read from the log once and kept for all; who is behind them is served from
 * the log until it has caught up. Slots and totals are told as they stand: who reads slowly gets
 * fewer, newer pictures. Nothing is queued for a watcher but what its stream may hold (G11); one
 * that does not read for LIMIT_WATCH_STALL_MS is dropped and resumes where it was.
 *
 * Thread: the worker's. The writer only rings the worker's bell (common/bell), and only while
 * somebody watches.
 *
 * Previous hop: server/net/rpc. Next hop: the log and the worker's view.
 */
#ifndef SERVER_WATCH_H
#define SERVER_WATCH_H

#include "common/bell.h"
#include "common/clock.h"
#include "server/net/net.h"
#include "server/store/store.h"
#include "server/view.h"

struct watch_hub;

struct watch_options {
    struct store *store; /* borrowed; only its reader_open is used */
    struct pl_clock *clock;
    struct pl_bell *bell; /* borrowed; armed while somebody watches; NULL: none */
    /* The newest committed view, borrowed until the next call; NULL: none yet. */
    const struct view *(*view)(void *arg);
    void *arg;
};
struct watch_hub *watch_hub_new(const struct watch_options *options); /* no memory: fatal */
void watch_hub_free(struct watch_hub *hub); /* nobody watches any more; NULL is fine */

/* Takes the call and answers it now or later. */
void watch_begin(struct watch_hub *hub, struct call *call);
/* There may be a newer view: the bell rang, or a read took one. Telling takes its time: after a
 * slice of it the hub rests four times as long, so that however many watch, requests have most of
 * the worker's time, and what comes meanwhile is told together; then it goes on with those who were
 * not told yet. Returns for how long it still rests (ns): look again then; 0: it has looked. */
int64_t watch_look(struct watch_hub *hub);
/* What was told has been written out, which is the larger part of the work: rests from now on. */
void watch_rest(struct watch_hub *hub);
/* About once a second: heartbeats, deadlines of holds, who is stuck. */
void watch_tick(struct watch_hub *hub);

struct watch_stats {
    uint64_t watchers, dropped;
};
void watch_get_stats(const struct watch_hub *hub, struct watch_stats *ret);

#endif
