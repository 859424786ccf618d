/* SPDX-License-Identifier: Apache-2.0
 *
 * worker: a network thread: an event base, a net (listener, connections), a service, and the
 * mailbox through which its commands come home.
 *
 * Everything inside belongs to its thread; main talks to it through orders (a second mailbox).
 * Turn: mail from the writer -> socket events -> what they brought, to the writer or, if it is the
 * only command, at once (server/helm) -> flush of output.
 *
 * Previous hop: the kernel. Next hop: server/writer.
 */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include "server/helm.h"
#include "server/metrics.h"
#include "server/net/net.h"
#include "server/notary.h"
#include "server/service.h"
#include "server/witness.h"

struct worker;

struct worker_options {
    unsigned index;
    struct net_options net; /* base, methods and user are filled by the worker */
    struct pl_mailbox *inbox;
    struct helm *helm; /* borrowed; of the writer that the inbox belongs to */
    struct pl_slot *slot;
    struct pl_bell *bell; /* rung when the slot has a newer view */
    struct store *store;
    struct service_about about;
    struct metrics *metrics;        /* borrowed */
    struct registrar *registrar;    /* borrowed; NULL: no records of persons here */
    struct notary *notary;          /* borrowed; this worker is its reader number `index` */
    struct witness_thread *witness; /* the same; NULL: there are no witnesses */
    bool access_log;                /* a line a call */
    /* Availability for whoever asks: GET alone, ListTiers, GetTier and the page alone, for people
     * without certificate. */
    bool is_public;
};
/* Starts the thread. Takes options->net.listen_fd, also when it fails. */
PL_MUST_CHECK struct pl_status worker_start(const struct worker_options *options,
                                            struct worker **ret);
/* Any thread, once: stop accepting, finish what runs (at most LIMIT_DRAIN_MS), end. */
void worker_drain(struct worker *worker);
/* What changes under way. Comes back through `home` when it is done; borrowed until then. */
struct worker_reload {
    struct pl_mail mail; /* first member */
    struct pl_mailbox *home;
    struct net_reload net;
    bool access_log;
};
/* Any thread; one at a time. */
void worker_reload(struct worker *worker, struct worker_reload *order);
/* Any thread: monotonic time of its last look around, about once a second while it gets on. */
int64_t worker_beat_ns(const struct worker *worker);
/* Waits for the thread's end and frees it. The writer must still be running: commands of this
 * worker have to come home. */
void worker_join(struct worker *worker);

#endif
