/* SPDX-License-Identifier: Apache-2.0
 *
 * reload: see reload.h.
 */
#include "server/reload.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mailbox.h"
#include "server/command.h"
#include "server/net/net.h"
#include "server/notify.h"

enum { MESSAGE_BYTES = 400, ARENA_BYTES = 65536, RETRY_MS = 100 };

static void free_set(struct reload_set **set)
{
    reload_set_free(*set);
}

static struct pl_status build_tls(const struct config *config, const struct tls_files *files,
                                  char *message, struct tls_context **ret)
{
    char detail[256] = "";
    struct pl_status status = tls_context_new(files, detail, ret);
    if (pl_is_ok(status))
        return status;
    (void)snprintf(message, MESSAGE_BYTES, "%s", detail[0] != '\0' ? detail : status.what);
    config_blame(config, message, MESSAGE_BYTES);
    return pl_fail(CONFIG, "load certificates");
}

struct pl_status reload_build(const struct config *config, bool with_public, char *message,
                              struct reload_set **ret)
{
    struct reload_set *set PL_CLEANUP(free_set) = calloc(1, sizeof(*set));
    PL_ASSERT(set != NULL);
    set->config = config;
    PL_TRY(build_tls(config, &config->tls, message, &set->tls));
    if (with_public)
        PL_TRY(build_tls(config, &config->public_tls, message, &set->public_tls));
    struct pl_status status = authz_roster_new(config->roster, &set->roster);
    if (!pl_is_ok(status)) {
        (void)snprintf(message, MESSAGE_BYTES, "%.250s: %.100s", config->path, status.what);
        return pl_fail(CONFIG, "build the roster");
    }
    validity_read(&config->tls, &set->validity);
    if (with_public)
        validity_read(&config->public_tls, &set->public_validity);
    *ret = PL_TAKE(set);
    return pl_ok();
}

static void free_config(struct config **config)
{
    config_free(*config);
}

/* Reads the file anew, and builds. CONFIG also if it belongs to another ledger. */
static struct pl_status read_anew(const char *path, bool with_public, const struct config *now,
                                  char *message, struct reload_set **ret)
{
    struct config *next PL_CLEANUP(free_config) = NULL;
    PL_TRY(config_load(path, message, MESSAGE_BYTES, &next));
    if (strcmp(next->origin, now->origin) != 0) {
        (void)snprintf(message, MESSAGE_BYTES,
                       "%.180s: the origin '%.80s' is another ledger's than '%.80s'", path,
                       next->origin, now->origin);
        return pl_fail(CONFIG, "compare the origin");
    }
    if (with_public && next->public_tls.cert == NULL) {
        (void)snprintf(message, MESSAGE_BYTES, "%.300s: [public] needs cert and key", path);
        return pl_fail(CONFIG, "read configuration");
    }
    PL_TRY(reload_build(next, with_public, message, ret));
    (*ret)->owned = PL_TAKE(next);
    return pl_ok();
}

void reload_set_free(struct reload_set *set)
{
    if (set == NULL)
        return;
    authz_roster_free(set->roster);
    tls_context_unref(set->tls);
    tls_context_unref(set->public_tls);
    config_free(set->owned);
    free(set);
}

/* --- the exchange --- */

struct reload {
    struct reload_options options;
    struct pl_mailbox *home; /* commands and orders come back here */
    struct event *on_home, *retry;
    struct reload_set *live, *next; /* own; next: being exchanged for live, or NULL */
    struct command adopt;
    struct pl_arena arena;        /* of what the writer says to it */
    struct worker_reload *orders; /* owns; one a worker */
    unsigned pending;             /* orders that have not come back */
    uint64_t begun;               /* number of the last one that was begun */
    bool again;                   /* asked for another one meanwhile */
};

static void warn(const struct reload_set *set)
{
    const struct validity *both[] = {&set->validity, &set->public_validity};
    struct pl_clock *clock = pl_clock_system();
    char text[VALIDITY_TEXT_BYTES];
    for (size_t i = 0; i < PL_COUNT(both); i++) {
        for (size_t k = 0; validity_warning(both[i], clock->wall_us(clock) / 1000000, k, text); k++)
            pl_log_warning("reload", text, "listener=%s", i == 0 ? "staff" : "public");
    }
}

static void give_up(struct reload *reload, const char *why)
{
    pl_log_error("reload", "nothing was reloaded, everything stays as it was", "why=%s",
                 PL_QUOTED(why));
    reload_set_free(reload->next);
    reload->next = NULL;
    notify_ready("Not reloaded: %.150s", why);
}

static void finish(struct reload *reload)
{
    const struct config *config = reload->live->config;
    reload_set_free(reload->next); /* the older one now */
    reload->next = NULL;
    pl_log_info("reload", "reloaded", "persons=%zu", config->roster->n_person);
    notify_ready("Reloaded");
    if (reload->again) {
        reload->again = false;
        reload_begin(reload);
    }
}

/* The ledger knows the new roster: the workers may let in who is on it. */
static void publish(struct reload *reload)
{
    struct reload_set *now = reload->next;
    PL_ASSERT(now != NULL);
    reload->next = reload->live;
    reload->live = now;
    pl_log_set_level(now->config->log_level);
    warn(now);
    reload->pending = reload->options.count;
    for (unsigned i = 0; i < reload->options.count; i++) {
        bool is_public = reload->options.has_public && i + 1 == reload->options.count;
        reload->orders[i] = (struct worker_reload){
            .home = reload->home,
            .net = {.number = now->number,
                    .tls = is_public ? now->public_tls : now->tls,
                    .roster = is_public ? NULL : now->roster,
                    .limits = &now->config->net},
            .access_log = now->config->access_log,
        };
        worker_reload(reload->options.worker[i], &reload->orders[i]);
    }
}

static void adopted(struct reload *reload)
{
    const struct command *adopt = &reload->adopt;
    if (adopt->code == PL_E_OK) {
        publish(reload);
        return;
    }
    give_up(reload, adopt->refusal != NULL ? adopt->refusal->message : pl_code_words(adopt->code));
    if (reload->again) {
        reload->again = false;
        reload_begin(reload);
    }
}

static void home_event(evutil_socket_t fd, short what, void *arg)
{
    struct reload *reload = arg;
    (void)fd;
    (void)what;
    struct pl_mail *mail = pl_mailbox_take(reload->home);
    while (mail != NULL) {
        struct pl_mail *next = mail->next; /* it may be on its way again */
        if (mail == &reload->adopt.mail)
            adopted(reload);
        else if (--reload->pending == 0)
            finish(reload);
        mail = next;
    }
}

/* On the writer's thread, whose command it is then. */
static bool may_act(void *arg, const struct command *command)
{
    const struct reload_set *set = arg;
    return call_still_admitted(command->context, set->number, set->tls, set->roster);
}

static void adopt(struct reload *reload)
{
    const struct config *config = reload->next->config;
    struct command *command = &reload->adopt;
    pl_arena_reset(&reload->arena);
    *command = (struct command){
        .phase = COMMAND_QUEUED,
        .kind = COMMAND_ADOPT,
        .home = reload->home,
        .arena = &reload->arena,
        .start = reload->options.start,
        .admission = {.number = reload->next->number, .may_act = may_act, .arg = reload->next},
        .clock_jump_limit_us = config->clock_jump_limit_s * 1000000,
    };
    command->start.roster = config->roster;
    command->start.policy = config->policy;
    if (pl_mailbox_post(reload->options.inbox, &command->mail))
        return;
    const struct timeval later = {0, RETRY_MS * 1000L}; /* it is full: commands come first */
    (void)event_add(reload->retry, &later);
}

static void retry_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    adopt(arg);
}

void reload_begin(struct reload *reload)
{
    char message[MESSAGE_BYTES] = "", keys[300];
    if (reload->next != NULL) {
        reload->again = true;
        return;
    }
    const struct config *now = reload->live->config;
    notify_reloading();
    struct pl_status status =
        read_anew(now->path, reload->options.has_public, now, message, &reload->next);
    if (!pl_is_ok(status)) {
        give_up(reload, message);
        return;
    }
    reload->next->number = ++reload->begun;
    config_restart_keys(now, reload->next->config, keys, sizeof(keys));
    if (keys[0] != '\0')
        pl_log_warning("reload", "these keys count from the next start on", "keys=%s",
                       PL_QUOTED(keys));
    adopt(reload);
}

const struct reload_set *reload_live(const struct reload *reload)
{
    return reload->live;
}

static void free_reload(struct reload **reload)
{
    reload_free(*reload);
}

struct pl_status reload_new(const struct reload_options *options, struct reload **ret)
{
    struct reload *reload PL_CLEANUP(free_reload) = calloc(1, sizeof(*reload));
    PL_ASSERT(reload != NULL);
    reload->options = *options;
    reload->live = options->first;
    pl_arena_init(&reload->arena, ARENA_BYTES);
    reload->orders = calloc(options->count, sizeof(*reload->orders));
    PL_ASSERT(reload->orders != NULL);
    PL_TRY(pl_mailbox_new(0, &reload->home)); /* bounded: one command, one order a worker */
    reload->on_home = event_new(options->base, pl_mailbox_fd(reload->home), EV_READ | EV_PERSIST,
                                home_event, reload);
    reload->retry = event_new(options->base, -1, 0, retry_event, reload);
    PL_ASSERT(reload->on_home != NULL && reload->retry != NULL);
    (void)event_add(reload->on_home, NULL);
    warn(reload->live);
    *ret = PL_TAKE(reload);
    return pl_ok();
}

void reload_free(struct reload *reload)
{
    if (reload == NULL)
        return;
    if (reload->on_home != NULL)
        event_free(reload->on_home);
    if (reload->retry != NULL)
        event_free(reload->retry);
    if (reload->home != NULL)
        (void)pl_mailbox_take(reload->home);
    pl_mailbox_free(reload->home);
    reload_set_free(reload->live);
    reload_set_free(reload->next);
    pl_arena_fini(&reload->arena);
    free(reload->orders);
    free(reload);
}
