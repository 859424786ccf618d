/* SPDX-License-Identifier: Apache-2.0
 *
 * service: LedgerService, the handlers between calls and commands. The only room that knows both
 * the API's messages and the writer's inbox; it never sees HTTP.
 *
 * Thread: one service a worker. Tiers, totals, catalogue and status are answered at once from the
 * worker's view; commands and queries travel to the writer and come back through service_finish;
 * what reads the immutable log is in server/dump and server/watch.
 *
 * Previous hop: server/net/rpc. Next hop: server/writer (inbox), or back out.
 */
#ifndef SERVER_SERVICE_H
#define SERVER_SERVICE_H

#include "common/clock.h"
#include "server/command.h"
#include "server/net/net.h"
#include "server/store/store.h"
#include "server/view.h"
#include "server/watch.h"

struct health;
struct metrics;
struct proofs;
struct reflection;
struct registrar;

/* What status tells of the daemon itself; immutable. */
struct service_about {
    const char *store;
    const char *vkey;
};

struct service {
    struct pl_mailbox *inbox; /* borrowed; the writer's */
    struct pl_mailbox *home;  /* borrowed; where commands come back */
    struct pl_slot *slot;     /* borrowed; newest view that the writer published */
    struct pl_bell *bell;     /* borrowed; rung after that, while somebody watches; may be NULL */
    struct view *view;        /* owns a reference to the one in use; NULL until the first */
    struct store *store;      /* borrowed; only its reader_open is used here */
    struct pl_clock *clock;
    struct service_about about;
    struct watch_hub *watch; /* owns; made by service_init */
    struct metrics *metrics; /* borrowed; NULL: nobody counts */
    unsigned index;          /* of the worker, for metrics */
    size_t outstanding;      /* commands at the writer, or on their way */
    size_t long_items;       /* what the long ones among them consist of */
    struct pl_parcel parcel; /* of commands, until service_end_turn */
    /* The parcel is no longer empty: service_end_turn is due soon. NULL: each command goes by
     * itself.
     */
    void (*on_parcel)(void *arg);
    /* May see to a command at once, on this thread; see helm_try. NULL: nobody does. */
    bool (*try_at_once)(void *arg, struct command *command);
    void *arg;                     /* of both */
    unsigned alone;                /* turns in a row that brought the only command there was */
    bool draining;                 /* set by the worker when it is told to end */
    struct health *health;         /* borrowed; of health_methods */
    struct reflection *reflection; /* borrowed; of reflection_methods */
    struct registrar *registrar;   /* borrowed; NULL: no records of persons here */
    struct proofs *proofs;         /* borrowed; NULL: no checkpoints here */
};

/* What this daemon can do for its callers right now. */
enum service_state {
    SERVICE_DOWN,      /* starting or ending: nothing */
    SERVICE_READ_ONLY, /* commands are refused, the disk is full */
    SERVICE_UP
};
enum service_state service_look(struct service *service);
/* The newest committed view, borrowed until the next call; NULL: none yet. */
const struct view *service_newest_view(struct service *service);
/* The same; NULL: there is none, and the call has its answer. */
const struct view *service_view_or_fail(struct service *service, struct call *call);

extern const struct net_method service_methods[];
extern const size_t service_method_count;

void service_init(struct service *service);
void service_fini(struct service *service); /* nothing outstanding */
/* A turn is over: what it brought goes to the writer. */
void service_end_turn(struct service *service);
/* A command came back: answers its call. */
void service_finish(struct service *service, struct command *command);

#endif
