/* SPDX-License-Identifier: Apache-2.0
 *
 * reload: what a configuration comes to: certificates, roster and how long they count, all built
 * and checked before anybody uses any of it. The start builds one, SIGHUP builds the next; a file
 * that is wrong changes nothing.
 *
 * The order of an exchange: build -> the writer adopts roster and
 * policy as facts (COMMAND_ADOPT) -> every worker exchanges its own (worker_reload) -> the older
 * set is freed. So nobody acts under a roster that the ledger does not know yet; and whoever is no
 * longer on it, in that role and by that certificate, is refused by the writer from that moment on,
 * even before the workers cut them off.
 *
 * Thread: main.
 */
#ifndef SERVER_RELOAD_H
#define SERVER_RELOAD_H

#include "server/config.h"
#include "server/ledger/ledger.h"
#include "server/net/authz.h"
#include "server/net/tls.h"
#include "server/validity.h"
#include "server/worker.h"

struct reload_set {
    uint64_t number; /* of the reload that brought it; 0: the start */
    const struct config *config;
    struct config *owned; /* the same, if it is ours to free */
    struct tls_context *tls;
    struct tls_context *public_tls; /* NULL: there is no public listener */
    struct authz_roster *roster;
    struct validity validity, public_validity;
};

/* From a configuration that the caller keeps. `with_public`: there is such a listener. `message`:
 * at least 400 bytes, for people: which file, which line, why. */
PL_MUST_CHECK struct pl_status reload_build(const struct config *config, bool with_public,
                                            char *message, struct reload_set **ret);
void reload_set_free(struct reload_set *set); /* NULL is fine */

struct reload;
struct reload_options {
    struct event_base *base;   /* borrowed; main's */
    struct pl_mailbox *inbox;  /* borrowed; the writer's */
    struct worker **worker;    /* borrowed */
    unsigned count;            /* of them */
    bool has_public;           /* the last one is for the public listener */
    struct ledger_start start; /* who the ledger is; roster and policy are filled in */
    struct reload_set *first;  /* takes; what all of them run with */
};
PL_MUST_CHECK struct pl_status reload_new(const struct reload_options *options,
                                          struct reload **ret);
/* What counts now; valid until the loop turns. */
const struct reload_set *reload_live(const struct reload *reload);
/* Begins an exchange, or remembers to, if one is under way. What becomes of it is logged. */
void reload_begin(struct reload *reload);
/* Workers and writer have ended. NULL is fine. */
void reload_free(struct reload *reload);

#endif
