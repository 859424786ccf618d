/* SPDX-License-Identifier: Apache-2.0
 *
 * recover: see recover.h. Order: newest snapshot -> open the log trusting what the snapshot vouches
 * for -> compare the snapshot's batch hash with the log's -> replay. A snapshot that does not fit
 * is ignored (derived data) and the whole log is replayed.
 */
#include "server/recover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "common/beside.h"
#include "common/check.h"
#include "server/replay.h"
#include "server/store/file.h"
#include "server/store/io.h"
#include "server/store/snapshot.h"

/* Ends a replay, into the report. */
static struct pl_status finish(struct replay *replay, struct recover_report *report)
{
    struct replay_report found;
    struct pl_status status = replay_finish(replay, &found);
    report->replayed = found.replayed;
    if (found.batches != 0)
        report->batches = found.batches;
    if (found.message[0] != '\0')
        memcpy(report->message, found.message, sizeof(report->message));
    return status;
}

static struct pl_status replay_from(struct store *store, uint64_t from,
                                    const struct replay_options *options, struct ledger *ledger,
                                    struct recover_report *report)
{
    struct replay *replay = replay_new(ledger, options);
    struct pl_status status = store_read(store, from, replay_batch, replay);
    struct pl_status found = finish(replay, report);
    return pl_is_ok(status) ? found : status;
}

struct pl_status recover_replay(struct store *store, uint64_t from, struct ledger *ledger,
                                struct recover_report *report)
{
    uint64_t before = report->replayed;
    struct pl_status status =
        replay_from(store, from, &(struct replay_options){.alone = true}, ledger, report);
    report->replayed += before;
    return status;
}

int recover_exit(enum pl_code code)
{
    return code == PL_E_UNIMPLEMENTED ? EX_CONFIG : pl_code_exit(code);
}

/* --- snapshots --- */

static void free_ledger(struct ledger **ledger)
{
    ledger_free(*ledger);
}

struct loading {
    struct snapshot *snapshot;
    struct pl_beside beside;
};

static struct pl_status read_payload(void *arg, uint8_t *into, size_t len)
{
    const struct loading *loading = arg;
    return snapshot_read(loading->snapshot, into, len);
}

static void expect_payload(void *arg, void *memory, size_t len)
{
    const struct loading *loading = arg;
    snapshot_expect(loading->snapshot, memory, len);
}

static void begin_beside(void *arg, void (*work)(void *of), void *of)
{
    struct loading *loading = arg;
    pl_beside_begin(&loading->beside, work, of);
}

static void end_beside(void *arg)
{
    struct loading *loading = arg;
    pl_beside_end(&loading->beside);
}

/* A large state is worth threads of its own. */
static struct pl_status load_from(struct snapshot *snapshot, bool large, struct ledger **ret)
{
    static const struct ledger_help help = {
        .expect = expect_payload, .begin = begin_beside, .end = end_beside};
    struct loading loading = {.snapshot = snapshot};
    if (large)
        snapshot_read_ahead(snapshot);
    return ledger_load_helped(read_payload, large ? &help : NULL, &loading, ret);
}

/* The state of the newest snapshot before `batch`; derived data: if anything is wrong with it, an
 * older one or the log tells the same. NOT_FOUND: there is none left. */
static struct pl_status load_before(const struct recover_options *options, const char *dir,
                                    uint64_t batch, struct snapshot_meta *ret_meta,
                                    struct ledger **ret)
{
    struct snapshot *snapshot = NULL;
    struct ledger *ledger = NULL;
    if (!pl_is_ok(snapshot_open_before(io_system(), dir, options->ledger_id, batch, &snapshot)))
        return pl_fail(NOT_FOUND, "there is no usable snapshot");
    *ret_meta = *snapshot_get_meta(snapshot);
    bool large = !options->alone && ret_meta->seq > REPLAY_ALONE_ENTRIES;
    struct pl_status status = load_from(snapshot, large, &ledger);
    if (pl_is_ok(status))
        status = snapshot_finish(snapshot);
    snapshot_close(snapshot);
    if (pl_is_ok(status) && ledger_size(ledger) == ret_meta->seq) {
        *ret = ledger;
        return status;
    }
    ledger_free(ledger);
    return pl_fail(CORRUPT, "a snapshot is of no use");
}

/* The newest snapshot's state; *ret NULL if there is none that can be used. */
static void load_snapshot(const struct recover_options *options, struct snapshot_meta *ret_meta,
                          struct ledger **ret)
{
    char dir[4096];
    (void)snprintf(dir, sizeof(dir), "%s/snapshot", options->data);
    *ret = NULL;
    struct pl_status status =
        options->ignore_snapshots ? pl_fail(NOT_FOUND, "not looked for") : pl_fail(CORRUPT, "");
    for (uint64_t before = UINT64_MAX; status.code == PL_E_CORRUPT; before = ret_meta->batch)
        status = load_before(options, dir, before, ret_meta, ret);
}

/* A ledger has its directory of segments from the first moment on: without it the log is lost. */
static struct pl_status explain_closed(struct pl_status status, const char *dir, const char *damage,
                                       struct recover_report *report)
{
    size_t size = sizeof(report->message);
    if (damage[0] != '\0') {
        (void)snprintf(report->message, size, "%s", damage);
    } else if (status.sys_errno == ENOENT) {
        (void)snprintf(report->message, size,
                       "%.200s is not there: look where it went, or restore a backup", dir);
        return pl_fail(CORRUPT, "open the log");
    } else {
        (void)snprintf(report->message, size, "%.200s: %.100s%s%.60s", dir, status.what,
                       status.sys_errno != 0 ? ": " : "",
                       status.sys_errno != 0 ? strerror(status.sys_errno) : "");
    }
    return status;
}

/* Opens it, and replays while it is read and looked at: once is enough. */
static struct pl_status open_store(const struct recover_options *options, uint64_t trusted_batch,
                                   struct replay *replay, struct recover_report *report,
                                   struct store **ret)
{
    char dir[4096];
    (void)snprintf(dir, sizeof(dir), "%s/log", options->data);
    struct file_options file = {.dir = dir,
                                .io = io_system(),
                                .segment_bytes = options->segment_bytes,
                                .read_only = options->read_only,
                                .trusted_batch = trusted_batch,
                                .found = replay_batch,
                                .found_arg = replay};
    memcpy(file.ledger_id, options->ledger_id, sizeof(file.ledger_id));
    struct file_report found = {0};
    struct pl_status status = file_open(&file, &found, ret);
    report->torn_bytes = found.torn_bytes;
    (void)snprintf(report->torn_kept_in, sizeof(report->torn_kept_in), "%s", found.torn_kept_in);
    return pl_is_ok(status) ? status : explain_closed(status, dir, found.damage, report);
}

static struct replay_options after(const struct recover_options *options,
                                   const struct ledger *snapshot, const struct snapshot_meta *meta)
{
    struct replay_options ret = {.alone = options->alone};
    if (snapshot != NULL) {
        ret.vouched_batch = meta->batch;
        memcpy(ret.vouched_hash, meta->batch_hash, sizeof(ret.vouched_hash));
    }
    return ret;
}

/* The state after all of the log, whatever snapshots say. */
static struct pl_status replay_all(const struct recover_options *options, struct store *store,
                                   struct recover_report *report, struct ledger **ret)
{
    struct replay_options whole = after(options, NULL, NULL);
    struct ledger *ledger PL_CLEANUP(free_ledger) = ledger_new();
    PL_TRY(replay_from(store, 1, &whole, ledger, report));
    *ret = PL_TAKE(ledger);
    return pl_ok();
}

static bool does_not_fit(struct pl_status status)
{
    return status.code == PL_E_STALE || status.code == PL_E_NOT_FOUND;
}

struct pl_status recover_state(const struct recover_options *options, struct store *store,
                               struct recover_report *ret_report, struct ledger **ret_ledger)
{
    struct snapshot_meta meta = {0};
    struct ledger *ledger PL_CLEANUP(free_ledger) = NULL;
    struct store_head head;
    store_head(store, &head);
    ret_report->batches = head.batch;
    load_snapshot(options, &meta, &ledger);
    if (ledger == NULL)
        return replay_all(options, store, ret_report, ret_ledger);
    struct replay_options rest = after(options, ledger, &meta);
    struct pl_status status = replay_from(store, meta.batch, &rest, ledger, ret_report);
    if (does_not_fit(status))
        return replay_all(options, store, ret_report, ret_ledger);
    PL_TRY(status);
    ret_report->snapshot_seq = meta.seq;
    ret_report->snapshot_batch = meta.batch;
    *ret_ledger = PL_TAKE(ledger);
    return status;
}

static void close_store(struct store **store)
{
    store_close(*store);
}

struct pl_status recover_open(const struct recover_options *options,
                              struct recover_report *ret_report, struct store **ret_store,
                              struct ledger **ret_ledger)
{
    memset(ret_report, 0, sizeof(*ret_report));
    struct snapshot_meta meta = {0};
    struct ledger *snapshot = NULL;
    load_snapshot(options, &meta, &snapshot);
    bool known = snapshot != NULL;
    struct replay_options rest = after(options, snapshot, &meta);
    struct ledger *ledger PL_CLEANUP(free_ledger) = known ? snapshot : ledger_new();
    struct store *store PL_CLEANUP(close_store) = NULL;
    struct replay *replay = replay_new(ledger, &rest);
    struct pl_status opened =
        open_store(options, known ? meta.batch : 0, replay, ret_report, &store);
    struct recover_report found = *ret_report;
    struct pl_status status = finish(replay, &found);
    PL_TRY(opened);
    struct store_head head;
    store_head(store, &head);
    *ret_report = found;
    ret_report->batches = head.batch;
    if (known && does_not_fit(status)) {
        ledger_free(PL_TAKE(ledger));
        status = replay_all(options, store, ret_report, &ledger);
    } else if (known) {
        ret_report->snapshot_seq = meta.seq;
        ret_report->snapshot_batch = meta.batch;
    }
    if (!pl_is_ok(status) && ret_report->message[0] == '\0')
        (void)snprintf(ret_report->message, sizeof(ret_report->message), "%s", status.what);
    PL_TRY(status);
    *ret_store = PL_TAKE(store);
    *ret_ledger = PL_TAKE(ledger);
    return status;
}

/* --- saving --- */

static struct pl_status write_payload(void *arg, struct pl_slice piece)
{
    return snapshot_write(arg, piece);
}

struct pl_status recover_save(const struct recover_options *options, struct store *store,
                              const struct ledger *ledger, size_t keep,
                              struct snapshot_meta *ret_meta)
{
    char dir[4096];
    struct store_head head;
    struct snapshot_writer *writer = NULL;
    store_head(store, &head);
    if (head.batch == 0)
        return pl_fail(NOT_FOUND, "the ledger is empty: there is nothing to save");
    *ret_meta = (struct snapshot_meta){
        .batch = head.batch, .seq = ledger_size(ledger), .time_us = head.time_us};
    memcpy(ret_meta->ledger_id, options->ledger_id, sizeof(ret_meta->ledger_id));
    memcpy(ret_meta->batch_hash, head.hash, sizeof(ret_meta->batch_hash));
    (void)snprintf(dir, sizeof(dir), "%s/snapshot", options->data);
    PL_TRY(snapshot_create(io_system(), dir, ret_meta, &writer));
    struct pl_status status = ledger_save(ledger, write_payload, writer);
    if (!pl_is_ok(status)) {
        snapshot_abandon(writer);
        return status;
    }
    PL_TRY(snapshot_commit(writer));
    return snapshot_prune(io_system(), dir, keep);
}
