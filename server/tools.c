/* SPDX-License-Identifier: Apache-2.0
 *
 * tools: see tools.h.
 */
#include "server/tools.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/hash.h"
#include "server/identity.h"
#include "server/net/authz.h"
#include "server/recover.h"
#include "server/store/io.h"
#include "server/store/snapshot.h"

enum { MESSAGE_BYTES = 400, SNAPSHOTS_KEPT = 2 };

static int complain(struct pl_status status, const char *message)
{
    (void)fprintf(stderr, "pledged: %s\n", message[0] != '\0' ? message : status.what);
    return pl_code_exit(status.code);
}

int tools_init(const struct config *config)
{
    char message[MESSAGE_BYTES] = "";
    bool made = false;
    struct pl_status status = identity_init(config->data, config->origin, message, &made);
    if (!pl_is_ok(status))
        return complain(status, message);
    struct identity identity;
    status = identity_load(config->data, config->origin, message, &identity);
    if (!pl_is_ok(status))
        return complain(status, message);
    (void)printf("%s %s\n%s\n", made ? "made" : "already there:", config->data, identity.vkey);
    return 0;
}

int tools_check_config(const struct config *config)
{
    char detail[256] = "";
    struct tls_context *tls = NULL;
    struct pl_status status = tls_context_new(&config->tls, detail, &tls);
    if (!pl_is_ok(status))
        return complain(status, detail);
    tls_context_unref(tls);
    struct authz_roster *roster = NULL;
    status = authz_roster_new(config->roster, &roster);
    if (!pl_is_ok(status))
        return complain(status, status.what);
    authz_roster_free(roster);
    (void)printf("%s: fine, %zu persons\n", config->path, config->roster->n_person);
    return 0;
}

static struct pl_status open_read_only(const struct config *config, bool ignore_snapshots,
                                       struct identity *identity, char *message,
                                       struct recover_report *report, struct store **ret_store,
                                       struct ledger **ret_ledger)
{
    PL_TRY(identity_load(config->data, config->origin, message, identity));
    struct recover_options options = {.data = config->data,
                                      .segment_bytes = config->segment_bytes,
                                      .read_only = true,
                                      .ignore_snapshots = ignore_snapshots};
    memcpy(options.ledger_id, identity->ledger_id, sizeof(options.ledger_id));
    struct pl_status status = recover_open(&options, report, ret_store, ret_ledger);
    if (!pl_is_ok(status))
        (void)snprintf(message, MESSAGE_BYTES, "%s", report->message);
    return status;
}

int tools_fsck(const struct config *config)
{
    char message[MESSAGE_BYTES] = "";
    struct identity identity;
    struct recover_report report = {0};
    struct store *store = NULL;
    struct ledger *ledger = NULL;
    struct pl_status status =
        open_read_only(config, true, &identity, message, &report, &store, &ledger);
    if (!pl_is_ok(status))
        return complain(status, message);
    uint8_t digest[PL_SHA256_BYTES];
    char hex[2 * PL_SHA256_BYTES + 1];
    ledger_digest(ledger, digest);
    pl_hex(pl_slice(digest, sizeof(digest)), hex);
    (void)printf("%s: fine, %" PRIu64 " entries in %" PRIu64 " batches, state %s\n", config->data,
                 ledger_size(ledger), report.batches, hex);
    ledger_free(ledger);
    store_close(store);
    return 0;
}

static struct pl_status write_payload(void *arg, struct pl_slice piece)
{
    return snapshot_write(arg, piece);
}

static struct pl_status save_snapshot(const char *dir, const struct snapshot_meta *meta,
                                      const struct ledger *ledger)
{
    struct snapshot_writer *writer = NULL;
    PL_TRY(snapshot_create(io_system(), dir, meta, &writer));
    struct pl_status status = ledger_save(ledger, write_payload, writer);
    if (!pl_is_ok(status)) {
        snapshot_abandon(writer);
        return status;
    }
    PL_TRY(snapshot_commit(writer));
    return snapshot_prune(io_system(), dir, SNAPSHOTS_KEPT);
}

int tools_snapshot(const struct config *config)
{
    char message[MESSAGE_BYTES] = "";
    char dir[4096];
    struct identity identity;
    struct recover_report report = {0};
    struct store *store = NULL;
    struct ledger *ledger = NULL;
    struct pl_status status =
        open_read_only(config, false, &identity, message, &report, &store, &ledger);
    if (!pl_is_ok(status))
        return complain(status, message);
    struct store_head head;
    store_head(store, &head);
    struct snapshot_meta meta = {
        .batch = head.batch, .seq = ledger_size(ledger), .time_us = head.time_us};
    memcpy(meta.ledger_id, identity.ledger_id, sizeof(meta.ledger_id));
    memcpy(meta.batch_hash, head.hash, sizeof(meta.batch_hash));
    (void)snprintf(dir, sizeof(dir), "%s/snapshot", config->data);
    status = head.batch == 0 ? pl_fail(NOT_FOUND, "the ledger is empty: there is nothing to save")
                             : save_snapshot(dir, &meta, ledger);
    if (pl_is_ok(status))
        (void)printf("snapshot of %" PRIu64 " entries, batch %" PRIu64 "\n", meta.seq, meta.batch);
    ledger_free(ledger);
    store_close(store);
    return pl_is_ok(status) ? 0 : complain(status, "");
}
