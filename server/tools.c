/* SPDX-License-Identifier: Apache-2.0
 *
 * tools: see tools.h.
 */
#include "server/tools.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/date.h"
#include "common/hash.h"
#include "common/note.h"
#include "server/backup.h"
#include "server/clockmark.h"
#include "server/cosign.h"
#include "server/identity.h"
#include "server/kept.h"
#include "server/persons.h"
#include "server/recover.h"
#include "server/reload.h"
#include "server/restore.h"
#include "server/store/io.h"
#include "server/store/lock.h"

enum { MESSAGE_BYTES = 400, PATH_BYTES = 4096, SNAPSHOTS_KEPT = 2 };

static int complain(struct pl_status status, const char *message)
{
    bool silent = message[0] == '\0', has_reason = silent && status.sys_errno != 0;
    (void)fprintf(stderr, "pledged: %s%s%s\n", silent ? status.what : message,
                  has_reason ? ": " : "", has_reason ? strerror(status.sys_errno) : "");
    return recover_exit(status.code);
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

int tools_newkey(const struct config *config, const struct tools_words *words)
{
    char message[MESSAGE_BYTES], secret[PL_NOTE_KEY_MAX], vkey[PL_NOTE_KEY_MAX];
    if (access(words->dir, F_OK) == 0) {
        (void)snprintf(message, sizeof(message),
                       "%.300s is there already: keys are not overwritten", words->dir);
        return complain(pl_fail(REFUSED, "make a key"), message);
    }
    struct pl_status status = pl_note_keygen(config->origin, secret, vkey);
    if (pl_is_ok(status))
        status = io_write_file(io_system(), words->dir, pl_slice_str(secret), 0600);
    explicit_bzero(secret, sizeof(secret));
    if (!pl_is_ok(status)) {
        (void)snprintf(message, sizeof(message), "%.300s: %.60s", words->dir,
                       status.sys_errno != 0 ? strerror(status.sys_errno) : status.what);
        return complain(status, message);
    }
    (void)printf("%s\n", vkey);
    return 0;
}

/* What the start would find out about a key that the configuration names; with its public half. */
static struct pl_status check_key(const char *path, const char *origin, char *message,
                                  char vkey[PL_NOTE_KEY_MAX])
{
    char secret[PL_NOTE_KEY_MAX + 1];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        (void)snprintf(message, MESSAGE_BYTES, "%.300s: %.60s", path, strerror(errno));
        return pl_fail(CONFIG, "open a signing key");
    }
    size_t len = fread(secret, 1, sizeof(secret) - 1, file);
    (void)fclose(file);
    secret[len] = '\0';
    secret[strcspn(secret, "\r\n")] = '\0';
    struct pl_status status = pl_note_vkey(secret, vkey);
    explicit_bzero(secret, sizeof(secret));
    size_t name = strlen(origin);
    bool ours = pl_is_ok(status) && strncmp(vkey, origin, name) == 0 && vkey[name] == '+';
    if (ours)
        return identity_key_private(path, message);
    (void)snprintf(message, MESSAGE_BYTES, "%.250s: %s%.100s", path,
                   pl_is_ok(status) ? "the key is not one of the log " : "not a signing key",
                   pl_is_ok(status) ? origin : "");
    return pl_fail(CONFIG, "read a signing key");
}

/* The directory of a file that is written must be there. */
static struct pl_status check_place(const char *path, char *message)
{
    char dir[PATH_BYTES];
    (void)snprintf(dir, sizeof(dir), "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash != NULL)
        slash[slash == dir] = '\0';
    if (slash == NULL || access(dir, F_OK) == 0)
        return pl_ok();
    (void)snprintf(message, MESSAGE_BYTES, "%.300s: its directory: %.60s", path, strerror(errno));
    return pl_fail(CONFIG, "look at a directory");
}

/* Root can read every key; whom the data belong to, as whom the daemon runs, perhaps not. What
 * systemd hands over is the daemon's by then. */
static struct pl_status check_owner(const struct config *config, const char *path, char *message)
{
    struct stat data, key;
    for (size_t i = 0; i < config->handed_count; i++) {
        if (config->handed[i] == path)
            return pl_ok();
    }
    if (geteuid() != 0 || stat(config->data, &data) != 0 || stat(path, &key) != 0 ||
        data.st_uid == 0 || key.st_uid == data.st_uid)
        return pl_ok();
    (void)snprintf(message, MESSAGE_BYTES,
                   "%.200s: it belongs to another user than %.100s, so the daemon cannot read it",
                   path, config->data);
    return pl_fail(CONFIG, "look at the owner of a signing key");
}

static struct pl_status check_checkpoint(const struct config *config, char *message)
{
    char own[PATH_BYTES], vkey[PL_NOTE_KEY_MAX] = "", old[PL_NOTE_KEY_MAX];
    struct cosign_policy *policy = NULL;
    (void)snprintf(own, sizeof(own), "%s/ledger.key", config->data);
    if (config->checkpoint_key != NULL)
        PL_TRY(check_key(config->checkpoint_key, config->origin, message, vkey));
    else if (access(own, R_OK) == 0) /* there may be no ledger yet */
        PL_TRY(check_key(own, config->origin, message, vkey));
    if (config->checkpoint_old_key != NULL)
        PL_TRY(check_key(config->checkpoint_old_key, config->origin, message, old));
    const char *const keys[] = {config->checkpoint_key, config->checkpoint_old_key};
    for (size_t i = 0; i < PL_COUNT(keys); i++) {
        if (keys[i] != NULL)
            PL_TRY(check_owner(config, keys[i], message));
    }
    if (config->checkpoint_memory != NULL)
        PL_TRY(check_place(config->checkpoint_memory, message));
    const char *const read[] = {config->checkpoint_ca, config->checkpoint_policy};
    for (size_t i = 0; i < PL_COUNT(read); i++) {
        if (read[i] == NULL || access(read[i], R_OK) == 0)
            continue;
        (void)snprintf(message, MESSAGE_BYTES, "%.300s: %.60s", read[i], strerror(errno));
        return pl_fail(CONFIG, "look at a file");
    }
    if (config->checkpoint_policy != NULL && vkey[0] != '\0')
        PL_TRY(cosign_policy_load(config->checkpoint_policy, vkey, message, &policy));
    cosign_policy_free(policy);
    return pl_ok();
}

int tools_check_config(const struct config *config)
{
    char message[MESSAGE_BYTES] = "";
    struct reload_set *set = NULL;
    /* its listener may be one that systemd hands over */
    bool with_public = config->public_tls.cert != NULL && config->public_tls.key != NULL;
    struct pl_status status = reload_build(config, with_public, message, &set);
    reload_set_free(set);
    if (pl_is_ok(status)) {
        status = check_checkpoint(config, message);
        config_blame(config, message, sizeof(message));
    }
    if (!pl_is_ok(status))
        return complain(status, message);
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

static void say_persons(const struct persons_report *found)
{
    (void)printf("persons: %zu records\n", found->kept);
    if (found->erased != 0)
        (void)printf("persons: %zu records that the ledger says are erased: they go when the "
                     "daemon starts\n",
                     found->erased);
    if (found->unknown != 0)
        (void)printf("persons: %zu records that this ledger does not name\n", found->unknown);
    if (found->missing != 0)
        (void)printf("persons: %zu records are missing\n", found->missing);
    if (found->damaged != 0)
        (void)printf("persons: %zu records are not what was committed to\n", found->damaged);
}

/* Every record against its commitment, and which ones the ledger says there are. */
static struct pl_status check_persons(const struct config *config, const struct ledger *ledger,
                                      struct persons_report *ret)
{
    char path[4096];
    struct persons *persons = NULL;
    *ret = (struct persons_report){0};
    (void)snprintf(path, sizeof(path), "%s/" PERSONS_FILE, config->data);
    struct pl_status status = persons_open(path, PERSONS_READ, &persons);
    if (status.code == PL_E_NO_INPUT) { /* then each one that the ledger names is missing */
        const uint8_t *commitment;
        for (size_t i = 0; (commitment = ledger_erasable_at(ledger, i)) != NULL; i++)
            ret->missing += ledger_erasable(ledger, commitment) == LEDGER_ERASABLE_LIVE;
        status = pl_ok();
    } else if (pl_is_ok(status)) {
        status = persons_check(persons, ledger, ret);
        persons_close(persons);
    }
    return status;
}

/* The ledger was read first: what was recorded or erased since only looks wrong. */
static struct pl_status check_persons_again(const struct config *config, struct persons_report *ret)
{
    char message[MESSAGE_BYTES] = "";
    struct identity identity;
    struct recover_report report = {0};
    struct store *store = NULL;
    struct ledger *ledger = NULL;
    PL_TRY(open_read_only(config, false, &identity, message, &report, &store, &ledger));
    struct pl_status status = check_persons(config, ledger, ret);
    ledger_free(ledger);
    store_close(store);
    return status;
}

static struct pl_status fsck_persons(const struct config *config, const struct ledger *ledger)
{
    enum { TRIES = 3 };
    struct persons_report found;
    struct pl_status status = check_persons(config, ledger, &found);
    for (int i = 1; i < TRIES && pl_is_ok(status) && found.missing + found.unknown != 0; i++)
        status = check_persons_again(config, &found);
    if (!pl_is_ok(status)) {
        (void)printf("persons: %s\n", status.what);
        return status;
    }
    say_persons(&found);
    return found.missing + found.damaged == 0 ? pl_ok()
                                              : pl_fail(CORRUPT, "check the records of persons");
}

/* `status`, `name`: how reading them went. */
static struct pl_status fsck_kept(const struct kept *kept, struct store *store, uint64_t size,
                                  struct pl_status status, const char *name)
{
    unsigned which = 0;
    if (!pl_is_ok(status)) {
        (void)printf("signed: %s: %s\n", name,
                     status.code == PL_E_CORRUPT ? "this is no checkpoint of this ledger"
                                                 : strerror(status.sys_errno));
        return status;
    }
    status = kept_check(kept, store, size, &which);
    for (unsigned i = 0; pl_is_ok(status) && i < kept->count; i++)
        (void)printf("signed: %s fits, over %" PRIu64 " entries\n", kept->name[i],
                     kept->checkpoint[i].size);
    if (status.code == PL_E_CORRUPT)
        (void)printf("signed: %s does not fit, over %" PRIu64 " entries: %s\n", kept->name[which],
                     kept->checkpoint[which].size, status.what);
    else if (!pl_is_ok(status))
        (void)printf("signed: %s\n", status.what);
    return status;
}

int tools_fsck(const struct config *config)
{
    char message[MESSAGE_BYTES] = "";
    struct identity identity;
    struct recover_report report = {0};
    struct store *store = NULL;
    struct ledger *ledger = NULL;
    struct kept kept;
    const char *name = "";
    struct pl_status readable = kept_read(config->data, config->origin, &kept, &name);
    struct pl_status opened =
        open_read_only(config, true, &identity, message, &report, &store, &ledger);
    if (!pl_is_ok(opened))
        return complain(opened, message);
    uint8_t digest[PL_SHA256_BYTES];
    char hex[2 * PL_SHA256_BYTES + 1];
    ledger_digest(ledger, digest);
    pl_hex(pl_slice(digest, sizeof(digest)), hex);
    (void)printf("%s: fine, %" PRIu64 " entries in %" PRIu64 " batches, state %s\n", config->data,
                 ledger_size(ledger), report.batches, hex);
    struct pl_status vouched = fsck_kept(&kept, store, ledger_size(ledger), readable, name);
    struct pl_status persons = fsck_persons(config, ledger);
    ledger_free(ledger);
    store_close(store);
    return recover_exit(pl_is_ok(vouched) ? persons.code : vouched.code);
}

int tools_snapshot(const struct config *config)
{
    char message[MESSAGE_BYTES] = "";
    struct identity identity;
    struct recover_report report = {0};
    struct snapshot_meta meta;
    struct store *store = NULL;
    struct ledger *ledger = NULL;
    struct pl_status status =
        open_read_only(config, false, &identity, message, &report, &store, &ledger);
    if (!pl_is_ok(status))
        return complain(status, message);
    struct recover_options options = {.data = config->data};
    memcpy(options.ledger_id, identity.ledger_id, sizeof(options.ledger_id));
    status = recover_save(&options, store, ledger, SNAPSHOTS_KEPT, &meta);
    if (pl_is_ok(status))
        (void)printf("snapshot of %" PRIu64 " entries, batch %" PRIu64 "\n", meta.seq, meta.batch);
    ledger_free(ledger);
    store_close(store);
    return pl_is_ok(status) ? 0 : complain(status, "");
}

/* --- backup and back --- */

static void print_head(const struct manifest *manifest)
{
    char head[2 * PL_SHA256_BYTES + 1], time[28];
    pl_hex(pl_slice(manifest->head, sizeof(manifest->head)), head);
    (void)printf("%" PRIu64 " entries in %" PRIu64 " batches, of %s\nhead %s\n", manifest->entries,
                 manifest->batches, pl_time_format(manifest->made_us, time), head);
}

int tools_backup(const struct config *config, const struct tools_words *words)
{
    char message[MESSAGE_BYTES] = "";
    struct manifest manifest = {0};
    struct backup_options options = {.data = config->data,
                                     .dir = words->dir,
                                     .origin = config->origin,
                                     .with_keys = words->with_keys};
    struct pl_status status = backup_make(&options, message, &manifest);
    if (!pl_is_ok(status))
        return complain(status, message);
    (void)printf("%s: made and checked\n", words->dir);
    print_head(&manifest);
    if (!words->with_keys)
        (void)printf("The ledger's secret key is not in it: keep %s/ledger.key elsewhere too.\n",
                     config->data);
    manifest_fini(&manifest);
    return 0;
}

int tools_restore(const struct config *config, const struct tools_words *words)
{
    char message[MESSAGE_BYTES] = "";
    struct manifest manifest = {0};
    struct restore_options options = {.data = config->data,
                                      .dir = words->dir,
                                      .origin = config->origin,
                                      .stays_read_only = !words->confirm_latest};
    struct pl_status status = restore_run(&options, message, &manifest);
    if (!pl_is_ok(status))
        return complain(status, message);
    (void)printf("%s: restored and checked\n", config->data);
    print_head(&manifest);
    if (manifest_find(&manifest, "ledger.key") == NULL)
        (void)printf("The ledger's secret key was not in the backup: put it to %s/ledger.key, "
                     "readable for the daemon's user alone.\n",
                     config->data);
    if (!words->confirm_latest)
        (void)printf("The ledger is read-only until somebody says that nothing came after entry "
                     "%" PRIu64 ":\n  pledged confirm --size NEWEST-ENTRY-KNOWN --config %s\n"
                     "Ask auditors, witnesses and clerks for the newest entry they were told.\n",
                     manifest.entries, config->path);
    manifest_fini(&manifest);
    return 0;
}

static bool parse_size(const char *text, uint64_t *ret)
{
    uint64_t number = 0;
    for (const char *at = text; *at != '\0'; at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (digit > 9 || number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret = number;
    return text[0] != '\0';
}

int tools_confirm(const struct config *config, const struct tools_words *words)
{
    char message[MESSAGE_BYTES] = "";
    uint64_t known = 0, entries = 0;
    bool marked = false;
    if (words->size == NULL || !parse_size(words->size, &known))
        return complain(pl_fail(USAGE, "read the command line"),
                        "confirm needs --size N: the newest entry that anybody was told of");
    struct pl_status status =
        restore_confirm(config->data, config->origin, known, message, &entries, &marked);
    if (!pl_is_ok(status))
        return complain(status, message);
    (void)printf("%s: %" PRIu64 " entries; %s\n", config->data, entries,
                 marked ? "the daemon may go on from here"
                        : "was not restored: nothing to confirm");
    return 0;
}

static void release(struct lock **lock)
{
    lock_release(*lock);
}

/* Root may say it as well: the mark is for the daemon, who has to be able to read it. */
static struct pl_status give_to_owner(const char *data)
{
    struct stat owner;
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof(path), "%s/" CLOCKMARK_FILE, data);
    if (geteuid() != 0)
        return pl_ok();
    return stat(data, &owner) == 0 && chown(path, owner.st_uid, owner.st_gid) == 0
               ? pl_ok()
               : pl_fail_errno(IO, "give the mark to the owner of the directory");
}

int tools_accept_clock(const struct config *config)
{
    char message[MESSAGE_BYTES] = "", now[40];
    struct identity identity;
    struct lock *lock PL_CLEANUP(release) = NULL;
    struct pl_clock *clock = pl_clock_system();
    int64_t now_us = clock->wall_us(clock);
    struct pl_status status = identity_load(config->data, config->origin, message, &identity);
    if (pl_is_ok(status))
        status = lock_take(config->data, message, &lock);
    if (!pl_is_ok(status))
        return complain(status, message);
    status = clockmark_note(config->data, now_us);
    if (pl_is_ok(status))
        status = give_to_owner(config->data);
    if (!pl_is_ok(status)) {
        (void)snprintf(message, sizeof(message), "%.300s/" CLOCKMARK_FILE ": %.60s", config->data,
                       status.sys_errno != 0 ? strerror(status.sys_errno) : status.what);
        return complain(status, message);
    }
    clockmark_text(now_us, now);
    (void)printf("%s: the clock says %s, and that is right\n", config->data, now);
    return 0;
}
