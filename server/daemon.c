/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon: see daemon.h.
 */
#include "server/daemon.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/check.h"
#include "common/rng.h"
#include "server/admin.h"
#include "server/identity.h"
#include "server/net/authz.h"
#include "server/net/listener.h"
#include "server/net/quota.h"
#include "server/recover.h"
#include "server/restore.h"
#include "server/store/lock.h"
#include "server/validity.h"
#include "server/worker.h"
#include "server/writer.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

extern char **environ;

enum { SNAPSHOT_LOOK_S = 1 };

struct daemon {
    const struct config *config;
    struct identity identity;
    struct lock *lock;
    struct store *store;
    struct recover_options recover;
    struct recover_report recovered;
    struct tls_context *tls;
    struct authz_roster *roster;
    struct net_quota *quota;
    struct pl_mailbox *inbox;
    struct pl_slot *slots;  /* one a worker, the last one is ours */
    struct pl_bell **bells; /* one a slot; ours is none */
    struct metrics *metrics;
    struct validity validity;
    struct admin *admin; /* NULL: none is configured */
    int admin_fd;        /* -1: none, or taken */
    uint16_t admin_port;
    int64_t started_ns;
    unsigned worker_count;
    struct worker *worker[64];
    struct writer *writer;
    pthread_t writer_thread;
    bool writer_running;
    int stop_fd; /* tells the writer's thread to end once it is idle */
    struct event_base *base;
    struct view *view;
    uint64_t snapshot_seq; /* of the newest snapshot, or of the last try */
    pid_t snapshot_child;
    int exit_code;
    uint16_t port;
    bool announced; /* port_file and pid_file are ours */
};

static void say(struct pl_status status, const char *message)
{
    if (message[0] != '\0')
        (void)fprintf(stderr, "pledged: %s\n", message);
    else
        (void)fprintf(stderr, "pledged: %s: %s\n", status.what, pl_code_words(status.code));
    pl_log_status(PL_LOG_ERROR, "daemon", "cannot start", status);
}

static void take_view(struct daemon *daemon)
{
    struct view *newer = pl_slot_take(&daemon->slots[daemon->worker_count]);
    if (newer != NULL) {
        view_unref(daemon->view);
        daemon->view = newer;
    }
}

/* --- the writer's thread --- */

static struct pl_status rebuild(void *arg, struct ledger **ret)
{
    struct daemon *daemon = arg;
    struct recover_report report = {0};
    return recover_state(&daemon->recover, daemon->store, &report, ret);
}

static int wait_ms(int64_t until_ns)
{
    if (until_ns == INT64_MAX)
        return -1;
    struct pl_clock *clock = pl_clock_system();
    int64_t left_ns = until_ns - clock->mono_ns(clock);
    if (left_ns <= 0)
        return 0;
    int64_t ms = (left_ns + 999999) / 1000000;
    return ms > 60000 ? 60000 : (int)ms;
}

/* A poll loop is all the writer needs: its inbox, its store, the order to stop. */
static void *writer_main(void *arg)
{
    struct daemon *daemon = arg;
    struct pollfd fds[] = {{.fd = pl_mailbox_fd(daemon->inbox), .events = POLLIN},
                           {.fd = store_fd(daemon->store), .events = POLLIN},
                           {.fd = daemon->stop_fd, .events = POLLIN}};
    for (;;) {
        bool busy = false;
        struct pl_status status = writer_turn(daemon->writer, &busy);
        if (!pl_is_ok(status)) {
            /* the log is not ours to write any more: nothing may be answered from this state */
            pl_log_status(PL_LOG_ERROR, "writer", "cannot go on, the daemon ends", status);
            _exit(pl_code_exit(status.code));
        }
        if (busy)
            continue;
        bool stopping = (fds[2].revents & POLLIN) != 0;
        if (stopping && writer_idle(daemon->writer))
            return NULL;
        int timeout = wait_ms(writer_next_wake_ns(daemon->writer));
        if (stopping) {
            timeout = timeout < 0 || timeout > 10 ? 10 : timeout;
            fds[2].revents = POLLIN;
        }
        int failed = poll(fds, stopping ? 2 : 3, timeout);
        PL_ASSERT(failed >= 0 || errno == EINTR);
    }
}

/* --- snapshots --- */

static void start_snapshot(struct daemon *daemon)
{
    char *const argv[] = {(char *)(uintptr_t) "pledged", (char *)(uintptr_t) "snapshot",
                          (char *)(uintptr_t) "--config", (char *)(uintptr_t)daemon->config->path,
                          NULL};
    posix_spawnattr_t attributes;
    sigset_t none;
    (void)sigemptyset(&none);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int failed =
        posix_spawn(&daemon->snapshot_child, "/proc/self/exe", NULL, &attributes, argv, environ);
    (void)posix_spawnattr_destroy(&attributes);
    if (failed != 0) {
        daemon->snapshot_child = 0;
        pl_log_warning("daemon", "cannot start the snapshot program", "errno=%d", failed);
    }
}

static void look_at_snapshots(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *daemon = arg;
    (void)fd;
    (void)what;
    if (daemon->snapshot_child != 0) {
        int state;
        if (waitpid(daemon->snapshot_child, &state, WNOHANG) == daemon->snapshot_child) {
            daemon->snapshot_child = 0;
            if (!WIFEXITED(state) || WEXITSTATUS(state) != 0)
                pl_log_warning("daemon", "the snapshot program failed", "state=%d", state);
        }
        return;
    }
    take_view(daemon);
    uint64_t every = daemon->config->snapshot_entries;
    if (every == 0 || daemon->view == NULL ||
        view_get_log(daemon->view)->size < daemon->snapshot_seq + every)
        return;
    daemon->snapshot_seq = view_get_log(daemon->view)->size;
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
    return pl_ok();
}

/* NULL: the ledger may go on. */
static const char *why_read_only(const struct daemon *daemon)
{
    const char *why = NULL;
    if (restore_is_marked(daemon->config->data))
        why = "restored from a backup; nobody said yet that it is the newest: pledged confirm";
    if (why != NULL)
        pl_log_error("daemon", "the ledger is read-only", "why=%s", PL_QUOTED(why));
    return why;
}

static void on_durable(void *arg, size_t entries, int64_t took_ns)
{
    metrics_batch(arg, entries, took_ns);
}

static struct pl_status start_writer(struct daemon *daemon, struct ledger *ledger)
{
    struct writer_options options = {
        .store = daemon->store,
        .ledger = ledger,
        .inbox = daemon->inbox,
        .view_slots = daemon->slots,
        .view_bells = daemon->bells,
        .view_slot_count = daemon->worker_count + 1,
        .clock = pl_clock_system(),
        .start = {.origin = daemon->identity.origin,
                  .ledger_id = daemon->identity.ledger_id,
                  .roster = daemon->config->roster,
                  .policy = daemon->config->policy},
        .clock_jump_limit_us = daemon->config->clock_jump_limit_s * 1000000,
        .on_durable = on_durable,
        .on_durable_arg = daemon->metrics,
        .read_only = why_read_only(daemon),
        .rebuild = rebuild,
        .rebuild_arg = daemon,
    };
    pl_rng_bytes(options.writer_id, sizeof(options.writer_id));
    PL_TRY(writer_new(&options, &daemon->writer));
    if (pthread_create(&daemon->writer_thread, NULL, writer_main, daemon) != 0)
        return pl_fail(UNAVAILABLE, "start the writer's thread");
    daemon->writer_running = true;
    return pl_ok();
}

static struct pl_status start_worker(struct daemon *daemon, unsigned index, int listen_fd)
{
    struct worker_options options = {
        .index = index,
        .net = {.listen_fd = listen_fd,
                .tls = daemon->tls,
                .roster = daemon->roster,
                .quota = daemon->quota,
                .limits = daemon->config->net,
                .clock = pl_clock_system()},
        .inbox = daemon->inbox,
        .slot = &daemon->slots[index],
        .bell = daemon->bells[index],
        .metrics = daemon->metrics,
        .store = daemon->store,
        .about = {.store = "file", .vkey = daemon->identity.vkey},
    };
    return worker_start(&options, &daemon->worker[index]);
}

/* All sockets are bound before anything starts: a port in use is told before the ledger is touched.
 */
static struct pl_status bind_all(struct daemon *daemon, int *fds, char *message)
{
    const struct config *config = daemon->config;
    daemon->port = config->listen.port;
    /* our sockets share the port among themselves; a stranger's must not be joined in silence */
    if (daemon->port != 0) {
        struct pl_status taken = listener_probe(config->listen.host, daemon->port);
        if (!pl_is_ok(taken)) {
            (void)snprintf(message, 400, "cannot listen on %s:%u: %s", config->listen.host,
                           daemon->port,
                           taken.sys_errno != 0 ? strerror(taken.sys_errno) : taken.what);
            return taken;
        }
    }
    for (unsigned i = 0; i < daemon->worker_count; i++) {
        struct pl_status status =
            listener_open(config->listen.host, daemon->port, true, &fds[i], &daemon->port);
        if (!pl_is_ok(status)) {
            (void)snprintf(message, 400, "cannot listen on %s:%u: %s", config->listen.host,
                           daemon->port,
                           status.sys_errno != 0 ? strerror(status.sys_errno) : status.what);
            return status;
        }
    }
    return pl_ok();
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
        .server_expiry_s = daemon->validity.server_s,
        .ca_expiry_s = daemon->validity.ca_s,
        .crl_next_update_s = daemon->validity.crl_next_s,
        .view = daemon->view,
        .now_us = clock->wall_us(clock),
    };
    if (statvfs(daemon->config->data, &disk) == 0)
        ret->disk_free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
}

static struct pl_status bind_admin(struct daemon *daemon, char *message)
{
    const struct config_address *at = &daemon->config->admin_listen;
    if (at->host == NULL)
        return pl_ok();
    daemon->admin_port = at->port;
    struct pl_status status = at->is_unix ? listener_open_unix(at->host, 0660, &daemon->admin_fd)
                                          : listener_open(at->host, at->port, false,
                                                          &daemon->admin_fd, &daemon->admin_port);
    if (!pl_is_ok(status))
        (void)snprintf(message, 400, "cannot listen on %s (admin): %s", at->host,
                       status.sys_errno != 0 ? strerror(status.sys_errno) : status.what);
    return status;
}

static struct pl_status start_admin(struct daemon *daemon)
{
    if (daemon->admin_fd < 0)
        return pl_ok();
    const struct admin_options options = {.base = daemon->base,
                                          .listen_fd = daemon->admin_fd,
                                          .clock = pl_clock_system(),
                                          .metrics = daemon->metrics,
                                          .look = look_now,
                                          .arg = daemon};
    PL_TRY(admin_new(&options, &daemon->admin));
    daemon->admin_fd = -1;
    return pl_ok();
}

static struct pl_status announce(struct daemon *daemon, char *message)
{
    char text[64];
    daemon->announced = true;
    (void)snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    PL_TRY(write_small(daemon->config->pid_file, text, message));
    (void)snprintf(text, sizeof(text), "%u\n", daemon->port);
    PL_TRY(write_small(daemon->config->port_file, text, message));
    (void)snprintf(text, sizeof(text), "%u\n", daemon->admin_port);
    if (daemon->admin != NULL)
        PL_TRY(write_small(daemon->config->admin_port_file, text, message));
    pl_log_info("daemon", "ready", "listen=%s:%u workers=%u version=%s",
                daemon->config->listen.host, daemon->port, daemon->worker_count, PLEDGED_VERSION);
#ifdef HAVE_SYSTEMD
    (void)sd_notify(0, "READY=1");
#endif
    return pl_ok();
}

static struct pl_status start_all(struct daemon *daemon, int *fds, char *message)
{
    const struct config *config = daemon->config;
    char detail[256] = "";
    struct pl_status status = tls_context_new(&config->tls, detail, &daemon->tls);
    if (!pl_is_ok(status)) {
        (void)snprintf(message, 400, "%s", detail[0] != '\0' ? detail : status.what);
        return status;
    }
    PL_TRY(authz_roster_new(config->roster, &daemon->roster));
    daemon->quota = net_quota_new();
    validity_read(&config->tls, &daemon->validity);
    PL_TRY(bind_all(daemon, fds, message));
    PL_TRY(bind_admin(daemon, message));
    PL_TRY(pl_mailbox_new(config->inbox, &daemon->inbox));
    struct ledger *ledger = NULL;
    PL_TRY(open_ledger(daemon, &ledger, message));
    PL_TRY(start_writer(daemon, ledger));
    for (unsigned i = 0; i < daemon->worker_count; i++) {
        int fd = fds[i];
        fds[i] = -1; /* the worker takes it */
        PL_TRY(start_worker(daemon, i, fd));
    }
    PL_TRY(start_admin(daemon));
    return announce(daemon, message);
}

/* --- signals and the end --- */

static void stop_event(evutil_socket_t number, short what, void *arg)
{
    struct daemon *daemon = arg;
    (void)what;
    pl_log_info("daemon", "stopping", "signal=%d", (int)number);
#ifdef HAVE_SYSTEMD
    (void)sd_notify(0, "STOPPING=1");
#endif
    (void)event_base_loopbreak(daemon->base);
}

static void wait_for_signals(struct daemon *daemon)
{
    struct event *term = evsignal_new(daemon->base, SIGTERM, stop_event, daemon);
    struct event *interrupt = evsignal_new(daemon->base, SIGINT, stop_event, daemon);
    struct event *timer = event_new(daemon->base, -1, EV_PERSIST, look_at_snapshots, daemon);
    PL_ASSERT(term != NULL && interrupt != NULL && timer != NULL);
    struct timeval every = {SNAPSHOT_LOOK_S, 0};
    (void)event_add(term, NULL);
    (void)event_add(interrupt, NULL);
    (void)event_add(timer, &every);
    (void)event_base_dispatch(daemon->base);
    event_free(term);
    event_free(interrupt);
    event_free(timer);
}

static void stop_all(struct daemon *daemon)
{
    admin_free(daemon->admin);
    if (daemon->admin_fd >= 0)
        (void)close(daemon->admin_fd);
    if (daemon->announced && daemon->config->admin_listen.is_unix)
        (void)unlink(daemon->config->admin_listen.host);
    for (unsigned i = 0; i < daemon->worker_count; i++) {
        if (daemon->worker[i] != NULL)
            worker_drain(daemon->worker[i]);
    }
    for (unsigned i = 0; i < daemon->worker_count; i++) {
        if (daemon->worker[i] != NULL)
            worker_join(daemon->worker[i]);
    }
    if (daemon->writer_running) {
        uint64_t one = 1;
        ssize_t written = write(daemon->stop_fd, &one, sizeof(one));
        PL_ASSERT(written == sizeof(one));
        int failed = pthread_join(daemon->writer_thread, NULL);
        PL_ASSERT(failed == 0);
    }
    writer_free(daemon->writer);
    for (unsigned i = 0; daemon->slots != NULL && i <= daemon->worker_count; i++)
        view_unref(pl_slot_take(&daemon->slots[i]));
    view_unref(daemon->view);
    if (daemon->snapshot_child != 0)
        (void)waitpid(daemon->snapshot_child, NULL, 0);
    store_close(daemon->store);
    pl_mailbox_free(daemon->inbox);
    authz_roster_free(daemon->roster);
    net_quota_free(daemon->quota);
    tls_context_unref(daemon->tls);
    lock_release(daemon->lock);
    if (daemon->announced && daemon->config->port_file != NULL)
        (void)unlink(daemon->config->port_file);
    if (daemon->announced && daemon->config->admin_port_file != NULL)
        (void)unlink(daemon->config->admin_port_file);
    if (daemon->announced && daemon->config->pid_file != NULL)
        (void)unlink(daemon->config->pid_file);
}

static void prepare_process(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN); /* reload comes with a later version */
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

int daemon_run(const struct config *config)
{
    struct daemon daemon = {.config = config};
    char message[400] = "";
    int fds[64];
    prepare_process();
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    daemon.worker_count = config->workers != 0 ? (unsigned)config->workers
                          : cores < 1          ? 1
                                               : (unsigned)cores;
    if (daemon.worker_count > PL_COUNT(daemon.worker))
        daemon.worker_count = PL_COUNT(daemon.worker);
    for (size_t i = 0; i < PL_COUNT(fds); i++)
        fds[i] = -1;
    daemon.slots = calloc(daemon.worker_count + 1, sizeof(*daemon.slots));
    daemon.stop_fd = eventfd(0, EFD_CLOEXEC);
    daemon.base = event_base_new();
    daemon.bells = calloc(daemon.worker_count + 1, sizeof(struct pl_bell *));
    PL_ASSERT(daemon.slots != NULL && daemon.bells != NULL && daemon.stop_fd >= 0 &&
              daemon.base != NULL);
    int failed = event_base_priority_init(daemon.base, 3);
    PL_ASSERT(failed == 0);
    daemon.metrics = metrics_new(daemon.worker_count);
    daemon.admin_fd = -1;
    daemon.started_ns = pl_clock_system()->mono_ns(pl_clock_system());
    struct pl_status status = pl_ok();
    for (unsigned i = 0; pl_is_ok(status) && i < daemon.worker_count; i++)
        status = pl_bell_new(&daemon.bells[i]);
    if (pl_is_ok(status))
        status = start_all(&daemon, fds, message);
    if (pl_is_ok(status)) {
        wait_for_signals(&daemon);
    } else {
        say(status, message);
        daemon.exit_code = pl_code_exit(status.code);
    }
    for (size_t i = 0; i < PL_COUNT(fds); i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
    }
    stop_all(&daemon);
    event_base_free(daemon.base);
    (void)close(daemon.stop_fd);
    for (unsigned i = 0; i < daemon.worker_count; i++)
        pl_bell_free(daemon.bells[i]);
    free(daemon.bells);
    metrics_free(daemon.metrics);
    free(daemon.slots);
    pl_log_info("daemon", "ended", "exit=%d", daemon.exit_code);
    return daemon.exit_code;
}
