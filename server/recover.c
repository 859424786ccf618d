/* SPDX-License-Identifier: Apache-2.0
 *
 * recover: see recover.h. Order: newest snapshot -> open the log trusting what the snapshot vouches
 * for -> compare the snapshot's batch hash with the log's -> replay. A snapshot that does not fit
 * is ignored (derived data) and the whole log is replayed.
 */
#include "server/recover.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/scan.h"
#include "server/store/file.h"
#include "server/store/io.h"
#include "server/store/snapshot.h"

enum { REPLAY_ARENA_BYTES = 4 << 20 };

struct replay {
    struct ledger *ledger;
    struct recover_report *report;
    struct pl_arena arena;
    uint64_t vouched_batch; /* its hash must be vouched_hash */
    const uint8_t *vouched_hash;
    bool vouched; /* seen and equal */
};

static struct pl_status replay_entry(struct replay *replay, struct pl_slice bytes)
{
    ProtobufCMessage *message = NULL;
    pl_arena_reset(&replay->arena);
    uint64_t seq = ledger_size(replay->ledger) + 1;
    struct pl_status status =
        pl_unpack_trusted(&pledged__v1__entry__descriptor, bytes, &replay->arena, &message);
    if (pl_is_ok(status))
        status = ledger_check(replay->ledger, (const Pledged__V1__Entry *)message);
    if (!pl_is_ok(status)) {
        (void)snprintf(replay->report->message, sizeof(replay->report->message),
                       "entry %" PRIu64 " does not follow from the entries before it (%s). The log "
                       "was damaged or written by something else: restore a backup; nothing was "
                       "changed",
                       seq, status.what);
        return pl_fail(CORRUPT, status.what);
    }
    ledger_apply(replay->ledger, (const Pledged__V1__Entry *)message);
    replay->report->replayed++;
    return pl_ok();
}

static struct pl_status replay_batch(void *arg, const struct store_batch *batch)
{
    struct replay *replay = arg;
    if (batch->number <= replay->vouched_batch) {
        if (batch->number == replay->vouched_batch)
            replay->vouched = memcmp(batch->hash, replay->vouched_hash, STORE_HASH_BYTES) == 0;
        return replay->vouched || batch->number < replay->vouched_batch
                   ? pl_ok()
                   : pl_fail(STALE, "the snapshot does not belong to this log");
    }
    replay->report->batches = batch->number;
    size_t cursor = 0;
    struct pl_slice entry;
    bool damaged = false;
    while (store_body_next(batch->body, &cursor, &entry, &damaged))
        PL_TRY(replay_entry(replay, entry));
    return damaged ? pl_fail(CORRUPT, "a batch body does not add up") : pl_ok();
}

static struct pl_status replay_from(struct store *store, uint64_t from, uint64_t vouched_batch,
                                    const uint8_t *vouched_hash, struct ledger *ledger,
                                    struct recover_report *report)
{
    struct replay replay = {.ledger = ledger,
                            .report = report,
                            .vouched_batch = vouched_batch,
                            .vouched_hash = vouched_hash};
    pl_arena_init(&replay.arena, REPLAY_ARENA_BYTES);
    struct pl_status status = store_read(store, from, replay_batch, &replay);
    pl_arena_fini(&replay.arena);
    if (pl_is_ok(status) && vouched_batch != 0 && !replay.vouched)
        return pl_fail(STALE, "the log is shorter than the snapshot");
    return status;
}

struct pl_status recover_replay(struct store *store, uint64_t from, struct ledger *ledger,
                                struct recover_report *report)
{
    return replay_from(store, from, 0, NULL, ledger, report);
}

/* --- snapshots --- */

static void free_ledger(struct ledger **ledger)
{
    ledger_free(*ledger);
}

static struct pl_status read_payload(void *arg, uint8_t *into, size_t len)
{
    return snapshot_read(arg, into, len);
}

/* The state of the newest snapshot before `batch`; derived data: if anything is wrong with it, an
 * older one or the log tells the same. NOT_FOUND: there is none left. */
static struct pl_status load_before(const char *dir, const uint8_t ledger_id[16], uint64_t batch,
                                    struct snapshot_meta *ret_meta, struct ledger **ret)
{
    struct snapshot *snapshot = NULL;
    struct ledger *ledger = NULL;
    if (!pl_is_ok(snapshot_open_before(io_system(), dir, ledger_id, batch, &snapshot)))
        return pl_fail(NOT_FOUND, "there is no usable snapshot");
    *ret_meta = *snapshot_get_meta(snapshot);
    struct pl_status status = ledger_load(read_payload, snapshot, &ledger);
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
        status = load_before(dir, options->ledger_id, before, ret_meta, ret);
}

static struct pl_status open_store(const struct recover_options *options, uint64_t trusted_batch,
                                   struct recover_report *report, struct store **ret)
{
    char dir[4096];
    (void)snprintf(dir, sizeof(dir), "%s/log", options->data);
    struct file_options file = {.dir = dir,
                                .io = io_system(),
                                .segment_bytes = options->segment_bytes,
                                .read_only = options->read_only,
                                .trusted_batch = trusted_batch};
    memcpy(file.ledger_id, options->ledger_id, sizeof(file.ledger_id));
    struct file_report found = {0};
    struct pl_status status = file_open(&file, &found, ret);
    report->torn_bytes = found.torn_bytes;
    (void)snprintf(report->torn_kept_in, sizeof(report->torn_kept_in), "%s", found.torn_kept_in);
    if (!pl_is_ok(status))
        (void)snprintf(report->message, sizeof(report->message), "%s",
                       found.damage[0] != '\0' ? found.damage : status.what);
    return status;
}

static struct pl_status bring_up(struct store *store, struct ledger *snapshot,
                                 const struct snapshot_meta *meta, struct recover_report *report,
                                 struct ledger **ret)
{
    struct ledger *ledger PL_CLEANUP(free_ledger) = snapshot;
    struct store_head head;
    store_head(store, &head);
    report->batches = head.batch;
    if (ledger != NULL) {
        struct pl_status status =
            replay_from(store, meta->batch, meta->batch, meta->batch_hash, ledger, report);
        if (pl_is_ok(status)) {
            report->snapshot_seq = meta->seq;
            report->snapshot_batch = meta->batch;
            *ret = PL_TAKE(ledger);
            return status;
        }
        if (status.code != PL_E_STALE && status.code != PL_E_NOT_FOUND)
            return status;
        ledger_free(ledger);
        report->replayed = 0;
    }
    ledger = ledger_new();
    PL_TRY(replay_from(store, 1, 0, NULL, ledger, report));
    *ret = PL_TAKE(ledger);
    return pl_ok();
}

struct pl_status recover_state(const struct recover_options *options, struct store *store,
                               struct recover_report *ret_report, struct ledger **ret_ledger)
{
    struct snapshot_meta meta = {0};
    struct ledger *snapshot = NULL;
    load_snapshot(options, &meta, &snapshot);
    return bring_up(store, snapshot, &meta, ret_report, ret_ledger);
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
    struct store *store PL_CLEANUP(close_store) = NULL;
    struct pl_status status =
        open_store(options, snapshot != NULL ? meta.batch : 0, ret_report, &store);
    if (!pl_is_ok(status)) {
        ledger_free(snapshot);
        return status;
    }
    status = bring_up(store, snapshot, &meta, ret_report, ret_ledger);
    if (pl_is_ok(status))
        *ret_store = PL_TAKE(store);
    else if (ret_report->message[0] == '\0')
        (void)snprintf(ret_report->message, sizeof(ret_report->message), "%s", status.what);
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
