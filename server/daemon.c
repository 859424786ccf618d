/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon: see daemon.h.
 */
#include "server/daemon.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/check.h"
#include "common/rng.h"
#include "server/admin.h"
#include "server/clockmark.h"
#include "server/helm.h"
#include "server/identity.h"
#include "server/net/quota.h"
#include "server/notary.h"
#include "server/notify.h"
#include "server/policy.h"
#include "server/recover.h"
#include "server/registrar.h"
#include "server/reload.h"
#include "server/restore.h"
#include "server/sockets.h"
#include "server/store/file.h"
#include "server/store/lock.h"
#include "server/worker.h"
#include "server/writer.h"

enum { MESSAGE_BYTES = 400 };
enum { LOOK_S = 1, CLOCK_NOTE_S = 3600, CLOCK_AGAIN_S = 10, STUCK_S = 10, SNAPSHOT_AGAIN_S = 60 };
/* So many entries between two looks are a load that a snapshot would only slow down: it waits for
 * its end, but not for more than so many times what is due. */
enum { LOAD_ENTRIES = 5000, LOAD_PATIENCE = 10 };

enum { DAEMON_EVENTS = 5 };

struct daemon {
    const struct config *config; /* of the start; see live() for what may change since */
    struct identity identity;
    struct lock *lock;
    struct store *store;
    struct recover_options recover;
    struct recover_report recovered;
    struct reload_set *first; /* until `reload` has it */
    struct reload *reload;
    struct sockets sockets;
    struct net_quota *quota;
    struct pl_mailbox *inbox;
    struct pl_slot *slots;  /* one a worker, then ours, then the notary's */
    struct pl_bell **bells; /* one a slot; ours is none */
    struct notary *notary;
    struct cosign_policy *policy;   /* NULL: there are no witnesses */
    struct witness_thread *witness; /* NULL: the same */
    struct cosign_report *cosigned; /* the newest one we saw */
    char key_file[4096];            /* the key that signs, unless another one is configured */
    struct signed_tree *checkpoint; /* the newest one we saw */
    struct registrar *registrar;
    struct metrics *metrics;
    struct admin *admin; /* NULL: none is configured */
    int64_t started_ns;
    unsigned worker_count; /* with the public listener's, the last one */
    struct worker *worker[LIMIT_WORKERS + 1];
    struct writer *writer;
    struct helm *helm;
    struct event_base *base;
    struct view *view;
    uint64_t snapshot_seq;     /* of the newest snapshot */
    uint64_t tried_seq;        /* of the one that is being made */
    int64_t snapshot_after_ns; /* not before: the last try failed */
    uint64_t looked_seq;       /* when last it was asked whether one is due */
    pid_t snapshot_child;
    int exit_code;
    int64_t clock_noted_ns;
    bool clock_untold;                  /* the last try to note it failed */
    char zones_told[256];               /* of the policy and of the offers, when last compared */
    struct event *event[DAEMON_EVENTS]; /* signals and looks; NULL: not armed */
    bool announced;                     /* port_file and pid_file are ours */
};

/* What a start ends with, for systemd and for whoever looks it up: a key whose value is of no use
 * is a wrong configuration, and what the machine refuses is not there. */
static int start_exit(struct pl_status status)
{
    int code = recover_exit(status.code);
    bool documented = code == EX_CONFIG || code == EX_UNAVAILABLE ||
                      code == pl_code_exit(PL_E_CORRUPT) || code == EX_SOFTWARE;
    bool refused = status.sys_errno != 0 && status.code != PL_E_NOT_FOUND;
    return documented ? code : pl_code_exit(refused ? PL_E_UNAVAILABLE : PL_E_CONFIG);
}

static void say(const struct config *config, struct pl_status status, char *message)
{
    config_blame(config, message, MESSAGE_BYTES);
    if (message[0] != '\0')
        (void)fprintf(stderr, "pledged: %s\n", message);
    else
        (void)fprintf(stderr, "pledged: %s: %s%s%s\n", status.what, pl_code_words(status.code),
                      status.sys_errno != 0 ? ": " : "",
                      status.sys_errno != 0 ? strerror(status.sys_errno) : "");
    pl_log_status(PL_LOG_ERROR, "daemon", "cannot start", status);
}

static const struct reload_set *live(const struct daemon *daemon)
{
    return daemon->reload != NULL ? reload_live(daemon->reload) : daemon->first;
}

static void take_view(struct daemon *daemon)
{
    struct view *newer = pl_slot_take(&daemon->slots[daemon->worker_count]);
    if (newer != NULL) {
        view_unref(daemon->view);
        daemon->view = newer;
    }
}

/* --- the writer --- */

static struct pl_status rebuild(void *arg, struct ledger **ret)
{
    struct daemon *daemon = arg;
    struct recover_report report = {0};
    return recover_state(&daemon->recover, daemon->store, &report, ret);
}

static int64_t now_ns(void)
{
    struct pl_clock *clock = pl_clock_system();
    return clock->mono_ns(clock);
}

/* --- snapshots --- */

/* polite: it only runs when nobody else wants the processor. */
static int spawn_snapshot(struct daemon *daemon, bool polite)
{
    char *const argv[] = {(char *)(uintptr_t) "pledged", (char *)(uintptr_t) "snapshot",
                          (char *)(uintptr_t) "--config", (char *)(uintptr_t)daemon->config->path,
                          NULL};
    posix_spawnattr_t attributes;
    sigset_t none;
    const struct sched_param idle = {0};
    (void)sigemptyset(&none);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setschedpolicy(&attributes, SCHED_IDLE);
    (void)posix_spawnattr_setschedparam(&attributes, &idle);
    (void)posix_spawnattr_setflags(
        &attributes, (short)(POSIX_SPAWN_SETSIGMASK | (polite ? POSIX_SPAWN_SETSCHEDULER : 0)));
    int failed =
        posix_spawn(&daemon->snapshot_child, "/proc/self/exe", NULL, &attributes, argv, environ);
    (void)posix_spawnattr_destroy(&attributes);
    return failed;
}

static void start_snapshot(struct daemon *daemon)
{
    int failed = spawn_snapshot(daemon, true);
    if (failed == EPERM) /* a sandbox may not let us choose */
        failed = spawn_snapshot(daemon, false);
    if (failed != 0) {
        daemon->snapshot_child = 0;
        daemon->snapshot_after_ns = now_ns() + SNAPSHOT_AGAIN_S * 1000000000LL;
        const char *why = strerrordesc_np(failed);
        pl_log_warning("daemon", "cannot start the snapshot program", "errno=%s",
                       PL_QUOTED(why != NULL ? why : "unknown"));
    }
}

/* A snapshot costs as much as the state is large: a fixed number of entries between two would make
 * a large ledger pay more for each entry than a small one. */
static bool snapshot_due(uint64_t last_seq, uint64_t every, uint64_t size, bool loaded)
{
    uint64_t fresh = size - last_seq, due = every + last_seq / 10;
    return fresh >= due && (!loaded || fresh / LOAD_PATIENCE >= due);
}

/* It said why. What hinders it will as a rule do so for a while. */
static void snapshot_failed(struct daemon *daemon, int state)
{
    daemon->snapshot_after_ns = now_ns() + SNAPSHOT_AGAIN_S * 1000000000LL;
    pl_log_warning("daemon", "the snapshot program failed; trying again later",
                   "exit=%d signal=%d again_s=%d", WIFEXITED(state) ? WEXITSTATUS(state) : 0,
                   WIFSIGNALED(state) ? WTERMSIG(state) : 0, SNAPSHOT_AGAIN_S);
}

static void look_at_snapshots(struct daemon *daemon)
{
    if (daemon->snapshot_child != 0) {
        int state;
        if (waitpid(daemon->snapshot_child, &state, WNOHANG) == daemon->snapshot_child) {
            daemon->snapshot_child = 0;
            if (WIFEXITED(state) && WEXITSTATUS(state) == 0)
                daemon->snapshot_seq = daemon->tried_seq;
            else
                snapshot_failed(daemon, state);
        }
        return;
    }
    take_view(daemon);
    uint64_t every = live(daemon)->config->snapshot_entries;
    /* that program finds the ledger by its name, where by now another one may be */
    if (every == 0 || daemon->view == NULL || !view_is_writable(daemon->view))
        return;
    uint64_t size = view_get_log(daemon->view)->size;
    bool loaded = size - daemon->looked_seq >= LOAD_ENTRIES;
    daemon->looked_seq = size;
    if (!snapshot_due(daemon->snapshot_seq, every, size, loaded) ||
        now_ns() < daemon->snapshot_after_ns)
        return;
    daemon->tried_seq = size;
    start_snapshot(daemon);
}

/* --- start --- */

static struct pl_status open_ledger(struct daemon *daemon, struct ledger **ret_ledger,
                                    char *message)
{
    const struct config *config = daemon->config;
    PL_TRY(identity_load(config->data, config->origin, message, &daemon->identity));
    PL_TRY(lock_take(config->data, message, &daemon->lock));
    daemon->recover =
        (struct recover_options){.data = config->data, .segment_bytes = config->segment_bytes};
    memcpy(daemon->recover.ledger_id, daemon->identity.ledger_id, 16);
    struct pl_clock *clock = pl_clock_system();
    int64_t began_ns = clock->mono_ns(clock);
    struct pl_status status =
        recover_open(&daemon->recover, &daemon->recovered, &daemon->store, ret_ledger);
    if (!pl_is_ok(status)) {
        (void)snprintf(message, 400, "%s", daemon->recovered.message);
        return status;
    }
    pl_log_info("daemon", "ledger is open",
                "entries=%" PRIu64 " batches=%" PRIu64 " snapshot_seq=%" PRIu64 " replayed=%" PRIu64
                " ms=%" PRId64,
                ledger_size(*ret_ledger), daemon->recovered.batches, daemon->recovered.snapshot_seq,
                daemon->recovered.replayed, (clock->mono_ns(clock) - began_ns) / 1000000);
    if (daemon->recovered.torn_bytes != 0)
        pl_log_warning("daemon", "an unfinished batch was cut from the log's end",
                       "bytes=%" PRIu64 " kept_in=%s", daemon->recovered.torn_bytes,
                       daemon->recovered.torn_kept_in);
    daemon->snapshot_seq = daemon->recovered.snapshot_seq;
    daemon->looked_seq = ledger_size(*ret_ledger);
    return pl_ok();
}

/* NULL: the ledger may go on. */
static const char *why_read_only(const struct daemon *daemon)
{
    const char *why = NULL;
    if (restore_is_marked(daemon->config->data))
        why = "restored from a backup; nobody said yet that it is the newest: pledged confirm";
    if (why == NULL)
        why = notary_why_read_only(daemon->notary);
    if (why != NULL)
        pl_log_error("daemon", "the ledger is read-only", "why=%s", PL_QUOTED(why));
    return why;
}

static void on_durable(void *arg, size_t entries, int64_t took_ns)
{
    metrics_batch(arg, entries, took_ns);
}

static void on_disagreement(void *arg)
{
    metrics_disagreement(arg);
}

static struct pl_status make_notary(struct daemon *daemon, uint64_t size, char *message)
{
    const struct config *config = daemon->config;
    (void)snprintf(daemon->key_file, sizeof(daemon->key_file), "%s/ledger.key", config->data);
    const struct notary_options options = {
        .io = io_system(),
        .clock = pl_clock_system(),
        .data = config->data,
        .origin = daemon->identity.origin,
        .vkey = daemon->identity.vkey,
        .key_file = config->checkpoint_key != NULL ? config->checkpoint_key : daemon->key_file,
        .old_key_file = config->checkpoint_old_key,
        .memory_file = config->checkpoint_memory,
        .store = daemon->store,
        .size = size,
        .views = &daemon->slots[daemon->worker_count + 1],
        .bell = daemon->bells[daemon->worker_count + 1],
        .lock = daemon->lock,
        .interval_ms = (unsigned)config->checkpoint_interval_ms,
        .readers = daemon->worker_count + 2, /* ours, and that of the witnesses */
    };
    PL_TRY(identity_key_private(options.key_file, message));
    PL_TRY(identity_key_private(options.old_key_file, message));
    return notary_new(&options, message, &daemon->notary);
}

static struct pl_status make_witness(struct daemon *daemon, char *message)
{
    const struct config *config = daemon->config;
    if (config->checkpoint_policy == NULL)
        return cosign_put_aside(io_system(), config->data);
    PL_TRY(cosign_policy_load(config->checkpoint_policy, notary_vkey(daemon->notary), message,
                              &daemon->policy));
    const struct witness_options options = {
        .policy = &daemon->policy->policy,
        .notary = daemon->notary,
        .notary_reader = daemon->worker_count + 1,
        .io = io_system(),
        .clock = pl_clock_system(),
        .data = config->data,
        .lock = daemon->lock,
        .ca_file = config->checkpoint_ca,
        .readers = daemon->worker_count + 1,
    };
    return witness_new(&options, &daemon->witness);
}

/* Before the writer has the ledger. */
static struct pl_status make_registrar(struct daemon *daemon, const struct ledger *ledger,
                                       char *message)
{
    const struct registrar_options options = {
        .data = daemon->config->data,
        .ledger = ledger,
        .unnamed = why_read_only(daemon) != NULL ? PERSONS_UNNAMED_STAY : PERSONS_PENDING_GO,
        .writer = daemon->inbox,
        .inbox_limit = daemon->config->inbox};
    struct pl_status status = registrar_new(&options, &daemon->registrar);
    if (!pl_is_ok(status))
        (void)snprintf(message, 400, "%.300s/" PERSONS_FILE ": %.80s", daemon->config->data,
                       status.sys_errno != 0 ? strerror(status.sys_errno) : status.what);
    return status;
}

/* Before anything is recorded at a time that cannot be taken back. */
static struct pl_status judge_clock(const struct daemon *daemon, const struct ledger *ledger,
                                    char *message)
{
    struct pl_clock *clock = pl_clock_system();
    struct store_head head;
    store_head(daemon->store, &head);
    int64_t last_us = ledger_last_time_us(ledger);
    if (restore_is_marked(daemon->config->data) || notary_why_read_only(daemon->notary) != NULL)
        return pl_ok(); /* nothing will be */
    return clockmark_judge(
        head.time_us > last_us ? head.time_us : last_us, clockmark_seen_us(daemon->config->data),
        daemon->config->clock_ahead_limit_s * 1000000, clock->wall_us(clock), message);
}

/* For the next start, which may be long after the last entry. */
static void note_clock(struct daemon *daemon)
{
    struct pl_clock *clock = pl_clock_system();
    daemon->clock_noted_ns = now_ns();
    if (daemon->slots == NULL)
        return;
    take_view(daemon);
    if (daemon->view == NULL || !view_is_writable(daemon->view) ||
        !view_believes_clock(daemon->view) || !lock_is_at(daemon->lock, daemon->config->data))
        return;
    struct pl_status status = clockmark_note(daemon->config->data, clock->wall_us(clock));
    bool failed = !pl_is_ok(status);
    if (failed && !daemon->clock_untold)
        pl_log_status(PL_LOG_WARNING, "daemon", "cannot note that the clock is right; trying again",
                      status);
    if (!failed && daemon->clock_untold)
        pl_log_info("daemon", "it is noted now that the clock is right", "file=%s", CLOCKMARK_FILE);
    daemon->clock_untold = failed;
}

static struct pl_status start_writer(struct daemon *daemon, struct ledger *ledger)
{
    struct writer_options options = {
        .store = daemon->store,
        .ledger = ledger,
        .inbox = daemon->inbox,
        .view_slots = daemon->slots,
        .view_bells = daemon->bells,
        .view_slot_count = daemon->worker_count + 2,
        .clock = pl_clock_system(),
        .start = {.origin = daemon->identity.origin,
                  .ledger_id = daemon->identity.ledger_id,
                  .roster = daemon->config->roster,
                  .policy = daemon->config->policy},
        .clock_jump_limit_us = daemon->config->clock_jump_limit_s * 1000000,
        .on_durable = on_durable,
        .on_disagreement = on_disagreement,
        .told_arg = daemon->metrics,
        .read_only = why_read_only(daemon),
        .rebuild = rebuild,
        .rebuild_arg = daemon,
        .batch_bytes = file_batch_max(daemon->config->segment_bytes),
    };
    pl_rng_bytes(options.writer_id, sizeof(options.writer_id));
    PL_TRY(writer_new(&options, &daemon->writer));
    PL_TRY(notary_start(daemon->notary, options.read_only != NULL));
    if (daemon->witness != NULL)
        PL_TRY(witness_start(daemon->witness));
    const struct helm_options helm = {.writer = daemon->writer,
                                      .store = daemon->store,
                                      .inbox = daemon->inbox,
                                      .clock = pl_clock_system()};
    PL_TRY(helm_new(&helm, &daemon->helm));
    return helm_start(daemon->helm);
}

static struct pl_status start_worker(struct daemon *daemon, unsigned index)
{
    bool is_public = daemon->sockets.has_public && index + 1 == daemon->worker_count;
    int *fd = is_public ? &daemon->sockets.public : &daemon->sockets.worker[index];
    struct worker_options options = {
        .index = index,
        .net = {.listen_fd = *fd,
                .tls = is_public ? daemon->first->public_tls : daemon->first->tls,
                .roster = is_public ? NULL : daemon->first->roster,
                .quota = is_public ? NULL : daemon->quota,
                .limits = daemon->config->net,
                .clock = pl_clock_system()},
        .inbox = daemon->inbox,
        .helm = daemon->helm,
        .slot = &daemon->slots[index],
        .bell = daemon->bells[index],
        .metrics = daemon->metrics,
        .registrar = is_public ? NULL : daemon->registrar,
        .notary = daemon->notary,
        .witness = daemon->witness,
        .store = daemon->store,
        .about = {.store = "file", .vkey = notary_vkey(daemon->notary)},
        .access_log = daemon->config->access_log,
        .is_public = is_public,
    };
    *fd = -1; /* the worker takes it */
    return worker_start(&options, &daemon->worker[index]);
}

static struct pl_status write_small(const char *path, const char *text, char *message)
{
    if (path == NULL)
        return pl_ok();
    char temporary[4096];
    (void)snprintf(temporary, sizeof(temporary), "%s.new", path);
    FILE *file = fopen(temporary, "we");
    bool fine = file != NULL && fputs(text, file) >= 0;
    if (file != NULL)
        fine = fclose(file) == 0 && fine;
    if (fine && rename(temporary, path) == 0)
        return pl_ok();
    struct pl_status status = pl_fail_errno(IO, "write file");
    (void)snprintf(message, 400, "%s: %s", path, strerror(status.sys_errno));
    return status;
}

/* What the admin listener is asked for. */
static void look_now(void *arg, struct metrics_now *ret)
{
    struct daemon *daemon = arg;
    struct pl_clock *clock = pl_clock_system();
    struct statvfs disk;
    take_view(daemon);
    *ret = (struct metrics_now){
        .up_s = (double)(clock->mono_ns(clock) - daemon->started_ns) / 1e9,
        .ready = daemon->announced,
        .inbox_depth = pl_mailbox_count(daemon->inbox),
        .snapshot_seq = daemon->snapshot_seq,
        .server_expiry_s = live(daemon)->validity.server_s,
        .ca_expiry_s = live(daemon)->validity.ca_s,
        .crl_next_update_s = live(daemon)->validity.crl_next_s,
        .view = daemon->view,
        .now_us = clock->wall_us(clock),
    };
    struct signed_tree *newer = pl_slot_take(notary_slot(daemon->notary, daemon->worker_count));
    if (newer != NULL) {
        signed_tree_unref(daemon->checkpoint);
        daemon->checkpoint = newer;
    }
    if (daemon->checkpoint != NULL) {
        ret->has_checkpoint = true;
        ret->checkpoint_size = daemon->checkpoint->checkpoint.size;
        ret->checkpoint_time_us = daemon->checkpoint->time_us;
    }
    struct cosign_report *report =
        daemon->witness == NULL ? NULL
                                : pl_slot_take(witness_slot(daemon->witness, daemon->worker_count));
    if (report != NULL) {
        cosign_report_unref(daemon->cosigned);
        daemon->cosigned = report;
    }
    ret->witnesses = daemon->cosigned;
    if (statvfs(daemon->config->data, &disk) == 0)
        ret->disk_free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
}

static struct pl_status start_admin(struct daemon *daemon)
{
    if (daemon->sockets.admin < 0)
        return pl_ok();
    const struct admin_options options = {.base = daemon->base,
                                          .listen_fd = daemon->sockets.admin,
                                          .clock = pl_clock_system(),
                                          .metrics = daemon->metrics,
                                          .look = look_now,
                                          .arg = daemon};
    PL_TRY(admin_new(&options, &daemon->admin));
    daemon->sockets.admin = -1;
    return pl_ok();
}

static struct pl_status write_number(const char *path, long number, char *message)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%ld\n", number);
    return write_small(path, text, message);
}

static struct pl_status announce(struct daemon *daemon, char *message)
{
    const struct config *config = daemon->config;
    const struct sockets *sockets = &daemon->sockets;
    daemon->announced = true;
    PL_TRY(write_number(config->pid_file, getpid(), message));
    if (sockets->has_admin)
        PL_TRY(write_number(config->admin_port_file, sockets->admin_port, message));
    if (sockets->has_public)
        PL_TRY(write_number(config->public_port_file, sockets->public_port, message));
    PL_TRY(write_number(config->port_file, sockets->port, message)); /* scripts wait for this one */
    pl_log_info("daemon", "ready", "listen=%s:%u workers=%u version=%s", config->listen.host,
                sockets->port, daemon->worker_count, PLEDGED_VERSION);
    if (sockets->has_admin || sockets->has_public)
        pl_log_info("daemon", "more listeners", "admin=%s admin_port=%u public=%s public_port=%u",
                    sockets->has_admin ? "yes" : "no", sockets->admin_port,
                    sockets->has_public ? "yes" : "no", sockets->public_port);
    notify_ready("Port %u", sockets->port);
    return pl_ok();
}

static struct pl_status start_reload(struct daemon *daemon)
{
    const struct reload_options options = {
        .base = daemon->base,
        .inbox = daemon->inbox,
        .worker = daemon->worker,
        .count = daemon->worker_count,
        .has_public = daemon->sockets.has_public,
        .start = {.origin = daemon->identity.origin, .ledger_id = daemon->identity.ledger_id},
        .first = daemon->first,
    };
    daemon->first = NULL;
    return reload_new(&options, &daemon->reload);
}

/* What needs the number of workers. */
static struct pl_status make_room(struct daemon *daemon)
{
    daemon->slots = calloc(daemon->worker_count + 2, sizeof(*daemon->slots));
    daemon->bells = calloc(daemon->worker_count + 2, sizeof(struct pl_bell *));
    PL_ASSERT(daemon->slots != NULL && daemon->bells != NULL);
    for (unsigned i = 0; i < daemon->worker_count; i++)
        PL_TRY(pl_bell_new(&daemon->bells[i]));
    PL_TRY(pl_bell_new(&daemon->bells[daemon->worker_count + 1]));
    daemon->metrics = metrics_new(daemon->worker_count);
    daemon->quota = net_quota_new();
    return pl_mailbox_new(daemon->config->inbox, &daemon->inbox);
}

static void arm_events(struct daemon *daemon);

static struct pl_status start_all(struct daemon *daemon, char *message)
{
    const struct config *config = daemon->config;
    struct ledger *ledger = NULL;
    PL_TRY(sockets_open(config, daemon->worker_count, message, &daemon->sockets));
    PL_TRY(reload_build(config, daemon->sockets.has_public, message, &daemon->first));
    daemon->worker_count += daemon->sockets.has_public;
    PL_TRY(make_room(daemon));
    PL_TRY(open_ledger(daemon, &ledger, message));
    struct pl_status status = make_notary(daemon, ledger_size(ledger), message);
    if (pl_is_ok(status))
        status = make_witness(daemon, message);
    if (pl_is_ok(status))
        status = judge_clock(daemon, ledger, message);
    if (pl_is_ok(status))
        status = make_registrar(daemon, ledger, message);
    if (!pl_is_ok(status)) {
        ledger_free(ledger);
        return status;
    }
    PL_TRY(start_writer(daemon, ledger));
    for (unsigned i = 0; i < daemon->worker_count; i++)
        PL_TRY(start_worker(daemon, i));
    PL_TRY(start_reload(daemon));
    PL_TRY(start_admin(daemon));
    arm_events(daemon); /* whoever is told that we are ready may stop us at once */
    return announce(daemon, message);
}

/* --- signals and the end --- */

static void stop_event(evutil_socket_t number, short what, void *arg)
{
    struct daemon *daemon = arg;
    (void)what;
    pl_log_info("daemon", "stopping", "signal=%d", (int)number);
    notify_stopping();
    (void)event_base_loopbreak(daemon->base);
}

static void reload_event(evutil_socket_t number, short what, void *arg)
{
    struct daemon *daemon = arg;
    (void)number;
    (void)what;
    pl_log_info("daemon", "reloading", "config=%s", PL_QUOTED(daemon->config->path));
    reload_begin(daemon->reload);
}

/* Every thread has looked around a short while ago. */
static bool gets_on(const struct daemon *daemon)
{
    int64_t least_ns = now_ns() - STUCK_S * 1000000000LL;
    bool fine = helm_beat_ns(daemon->helm) > least_ns;
    for (unsigned i = 0; i < daemon->worker_count; i++)
        fine = fine && worker_beat_ns(daemon->worker[i]) > least_ns;
    return fine;
}

/* The offers say for people where their fund is, and all days go by the policy: said once for each
 * two that are not the same. */
static void compare_zones(struct daemon *daemon)
{
    char told[sizeof(daemon->zones_told)];
    take_view(daemon);
    const char *offers = daemon->view != NULL ? view_offers_zone(daemon->view) : "";
    if (offers[0] == '\0')
        return;
    (void)snprintf(told, sizeof(told), "%s %s", view_time_zone(daemon->view), offers);
    if (strcmp(told, daemon->zones_told) == 0)
        return;
    memcpy(daemon->zones_told, told, sizeof(told));
    if (!policy_same_zone(offers, view_time_zone(daemon->view)))
        pl_log_warning(
            "daemon",
            "the offers say that the fund is in another time zone than the policy, which "
            "decides",
            "offers=%s policy=%s", PL_QUOTED(offers), PL_QUOTED(view_time_zone(daemon->view)));
}

static void look_event(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *daemon = arg;
    (void)fd;
    (void)what;
    look_at_snapshots(daemon);
    compare_zones(daemon);
    int64_t every_s = daemon->clock_untold ? CLOCK_AGAIN_S : CLOCK_NOTE_S;
    if (now_ns() - daemon->clock_noted_ns >= every_s * 1000000000LL)
        note_clock(daemon);
}

/* A thread that is stuck is told by silence: systemd ends the daemon and starts it again. */
static void watchdog_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    if (gets_on(arg))
        notify_progress();
    else
        pl_log_error("daemon", "a thread does not get on", "for_s=%d", STUCK_S);
}

/* From here on signals are kept until somebody dispatches. */
static void arm_events(struct daemon *daemon)
{
    const struct timeval second = {LOOK_S, 0};
    int64_t watch_us = notify_watchdog_ns() / 1000 / 3;
    const struct timeval watch = {watch_us / 1000000, watch_us % 1000000};
    struct event *const event[DAEMON_EVENTS] = {
        evsignal_new(daemon->base, SIGTERM, stop_event, daemon),
        evsignal_new(daemon->base, SIGINT, stop_event, daemon),
        evsignal_new(daemon->base, SIGHUP, reload_event, daemon),
        event_new(daemon->base, -1, EV_PERSIST, look_event, daemon),
        event_new(daemon->base, -1, EV_PERSIST, watchdog_event, daemon),
    };
    const struct timeval *const every[DAEMON_EVENTS] = {NULL, NULL, NULL, &second, &watch};
    for (size_t i = 0; i < DAEMON_EVENTS; i++) {
        PL_ASSERT(event[i] != NULL);
        daemon->event[i] = event[i];
        if (every[i] != &watch || watch_us > 0)
            (void)event_add(event[i], every[i]);
    }
}

static void free_events(struct daemon *daemon)
{
    for (size_t i = 0; i < DAEMON_EVENTS && daemon->event[i] != NULL; i++)
        event_free(daemon->event[i]);
}

static void stop_all(struct daemon *daemon)
{
    admin_free(daemon->admin);
    sockets_close(&daemon->sockets);
    for (unsigned i = 0; i < daemon->worker_count; i++) {
        if (daemon->worker[i] != NULL)
            worker_drain(daemon->worker[i]);
    }
    for (unsigned i = 0; i < daemon->worker_count; i++) {
        if (daemon->worker[i] != NULL)
            worker_join(daemon->worker[i]);
    }
    registrar_free(daemon->registrar);
    helm_free(daemon->helm);
    writer_free(daemon->writer);
    reload_free(daemon->reload);
    reload_set_free(daemon->first);
    for (unsigned i = 0; daemon->slots != NULL && i <= daemon->worker_count + 1; i++)
        view_unref(pl_slot_take(&daemon->slots[i]));
    view_unref(daemon->view);
    if (daemon->snapshot_child != 0) { /* it may take minutes, and the next start can do without */
        (void)kill(daemon->snapshot_child, SIGTERM);
        (void)waitpid(daemon->snapshot_child, NULL, 0);
    }
    witness_stop(daemon->witness);
    notary_stop(daemon->notary);
    signed_tree_unref(daemon->checkpoint);
    cosign_report_unref(daemon->cosigned);
    witness_free(daemon->witness);
    cosign_policy_free(daemon->policy);
    notary_free(daemon->notary);
    store_close(daemon->store);
    pl_mailbox_free(daemon->inbox);
    net_quota_free(daemon->quota);
    metrics_free(daemon->metrics);
    for (unsigned i = 0; daemon->bells != NULL && i <= daemon->worker_count + 1; i++)
        pl_bell_free(daemon->bells[i]);
    free(daemon->bells);
    free(daemon->slots);
    lock_release(daemon->lock);
    const char *const files[] = {daemon->config->port_file, daemon->config->admin_port_file,
                                 daemon->config->public_port_file, daemon->config->pid_file};
    for (size_t i = 0; i < PL_COUNT(files); i++) {
        if (daemon->announced && files[i] != NULL)
            (void)unlink(files[i]);
    }
}

static void prepare_process(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN); /* until there is something to reload */
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

static unsigned count_workers(const struct config *config)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = config->workers != 0 ? (unsigned)config->workers
                     : cores < 1          ? 1
                                          : (unsigned)cores;
    return count < LIMIT_WORKERS ? count : LIMIT_WORKERS;
}

int daemon_run(const struct config *config)
{
    struct daemon daemon = {.config = config,
                            .worker_count = count_workers(config),
                            .base = event_base_new(),
                            .started_ns = now_ns(),
                            .clock_noted_ns = now_ns()};
    char message[MESSAGE_BYTES] = "";
    prepare_process();
    PL_ASSERT(daemon.base != NULL);
    int failed = event_base_priority_init(daemon.base, 3);
    PL_ASSERT(failed == 0);
    struct pl_status status = start_all(&daemon, message);
    if (pl_is_ok(status)) {
        (void)event_base_dispatch(daemon.base);
        note_clock(&daemon);
    } else {
        say(config, status, message);
        daemon.exit_code = start_exit(status);
    }
    free_events(&daemon);
    stop_all(&daemon);
    event_base_free(daemon.base);
    pl_log_info("daemon", "ended", "exit=%d", daemon.exit_code);
    return daemon.exit_code;
}
