/* SPDX-License-Identifier: Apache-2.0
 *
 * restore: see restore.h. Order: manifest -> an empty place -> every file of the backup hashed ->
 * copied, hashed again -> replayed -> keys, mark, ledger.id.
 */
#include "server/restore.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/check.h"
#include "common/hash.h"
#include "server/identity.h"
#include "server/persons.h"
#include "server/recover.h"
#include "server/store/io.h"
#include "server/store/lock.h"

enum { MESSAGE_BYTES = 400, PATH_BYTES = 4096 };
#define MARK "restored"

struct restore {
    const struct restore_options *options;
    struct manifest manifest;
    char *message;
};

__attribute__((format(printf, 3, 4))) static struct pl_status
because(char *message, struct pl_status status, const char *format, ...)
{
    char words[300];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    if (message[0] == '\0')
        (void)snprintf(message, MESSAGE_BYTES, "%s%s%.80s", words,
                       status.sys_errno != 0 ? ": " : "",
                       status.sys_errno != 0 ? strerror(status.sys_errno) : "");
    return status;
}

static void in_data(const struct restore *restore, const char *name, char path[PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, "%s/%s", restore->options->data, name);
}

/* --- before anything is made --- */

static struct pl_status check_place(const struct restore *restore)
{
    const char *data = restore->options->data;
    DIR *dir = opendir(data);
    if (dir == NULL)
        return errno == ENOENT
                   ? pl_ok()
                   : because(restore->message, pl_fail_errno(IO, "open a directory"), "%s", data);
    bool empty = true;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            empty = false;
    }
    (void)closedir(dir);
    return empty ? pl_ok()
                 : because(restore->message, pl_fail(USAGE, "look at the data directory"),
                           "%s is not empty: move what is in it elsewhere; nothing was changed",
                           data);
}

static struct pl_status check_manifest(const struct restore *restore)
{
    const struct manifest *manifest = &restore->manifest;
    const char *dir = restore->options->dir;
    if (strcmp(manifest->origin, restore->options->origin) != 0)
        return because(restore->message, pl_fail(CONFIG, "compare the origin"),
                       "%s is a backup of '%s', the configuration says '%s'", dir, manifest->origin,
                       restore->options->origin);
    static const char *const needed[] = {"ledger.id", "ledger.vkey", "log/0000000000000001.seg"};
    for (size_t i = 0; i < PL_COUNT(needed); i++) {
        if (manifest_find(manifest, needed[i]) == NULL)
            return because(restore->message, pl_fail(CORRUPT, "read the manifest"),
                           "%s/MANIFEST names no %s", dir, needed[i]);
    }
    return pl_ok();
}

/* One file of the backup: hashed, and copied to `to` unless that is NULL. */
static struct pl_status take_file(const struct restore *restore, const struct manifest_file *file,
                                  const char *to)
{
    char from[PATH_BYTES];
    uint8_t sha256[PL_SHA256_BYTES];
    (void)snprintf(from, sizeof(from), "%s/%s", restore->options->dir, file->name);
    struct pl_status status = manifest_copy(from, to, file->bytes, file->whole_bytes, sha256);
    if (status.code == PL_E_CORRUPT)
        return because(restore->message, status, "%s is damaged: it is too short", from);
    if (status.code == PL_E_NOT_FOUND)
        return because(restore->message, pl_fail(CORRUPT, "read a backup"),
                       "%s is missing from the backup", from);
    if (!pl_is_ok(status))
        return because(restore->message, status, "%s", to != NULL ? to : from);
    if (memcmp(sha256, file->sha256, sizeof(sha256)) != 0)
        return because(restore->message, pl_fail(CORRUPT, "read a backup"),
                       "%s is damaged: its SHA-256 is not the manifest's", from);
    return pl_ok();
}

static struct pl_status verify(const struct restore *restore)
{
    for (size_t i = 0; i < restore->manifest.count; i++)
        PL_TRY(take_file(restore, &restore->manifest.file[i], NULL));
    return pl_ok();
}

/* --- making --- */

static struct pl_status make_dir(const struct restore *restore, const char *name)
{
    char path[PATH_BYTES];
    in_data(restore, name, path);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return because(restore->message, pl_fail_errno(IO, "make a directory"), "%s", path);
    return pl_ok();
}

static struct pl_status copy_named(const struct restore *restore, const char *name)
{
    char to[PATH_BYTES];
    const struct manifest_file *file = manifest_find(&restore->manifest, name);
    if (file == NULL)
        return pl_ok();
    in_data(restore, name, to);
    return take_file(restore, file, to);
}

static bool is_persons(const char *name)
{
    return strncmp(name, "persons/", 8) == 0;
}

static struct pl_status copy_log(const struct restore *restore)
{
    PL_TRY(make_dir(restore, ""));
    PL_TRY(make_dir(restore, "log"));
    PL_TRY(make_dir(restore, "snapshot"));
    for (size_t i = 0; i < restore->manifest.count; i++) {
        const char *name = restore->manifest.file[i].name;
        if (strchr(name, '/') != NULL && !is_persons(name))
            PL_TRY(copy_named(restore, name));
    }
    return pl_ok();
}

/* Who was erased before the backup's log ends stays erased, and records that its log does not name
 * are not brought back. */
static struct pl_status copy_persons(const struct restore *restore, const struct ledger *ledger)
{
    char to[PATH_BYTES];
    struct persons *persons = NULL;
    struct persons_report report;
    const struct manifest_file *file = NULL;
    for (size_t i = 0; i < restore->manifest.count; i++) {
        if (is_persons(restore->manifest.file[i].name))
            file = &restore->manifest.file[i];
    }
    if (file == NULL)
        return pl_ok();
    in_data(restore, PERSONS_FILE, to);
    PL_TRY(take_file(restore, file, to));
    struct pl_status status = persons_open(to, PERSONS_WRITE, &persons);
    if (pl_is_ok(status))
        status = persons_reconcile(persons, ledger, PERSONS_UNNAMED_GO, &report);
    persons_close(persons);
    return pl_is_ok(status) ? status : because(restore->message, status, "%s: %s", to, status.what);
}

/* What `fsck` does, and that it comes to what the manifest says. */
static struct pl_status check_copy(const struct restore *restore)
{
    const struct manifest *manifest = &restore->manifest;
    struct recover_options options = {.data = restore->options->data,
                                      .segment_bytes = 2 << 20,
                                      .read_only = true,
                                      .ignore_snapshots = true};
    struct recover_report report = {0};
    struct store *store = NULL;
    struct ledger *ledger = NULL;
    uint8_t state[PL_SHA256_BYTES];
    memcpy(options.ledger_id, manifest->ledger_id, sizeof(options.ledger_id));
    struct pl_status status = recover_open(&options, &report, &store, &ledger);
    if (!pl_is_ok(status))
        return because(restore->message, status, "the backup does not replay: %s", report.message);
    struct store_head head;
    store_head(store, &head);
    ledger_digest(ledger, state);
    if (head.batch != manifest->batches || ledger_size(ledger) != manifest->entries ||
        memcmp(head.hash, manifest->head, sizeof(head.hash)) != 0 ||
        memcmp(state, manifest->state, sizeof(state)) != 0)
        status = because(restore->message, pl_fail(CORRUPT, "compare the head"),
                         "the backup comes to another state than its manifest says");
    if (pl_is_ok(status))
        status = copy_persons(restore, ledger);
    ledger_free(ledger);
    store_close(store);
    return status;
}

static struct pl_status put_mark(const struct restore *restore)
{
    char path[PATH_BYTES], text[256], head[2 * PL_SHA256_BYTES + 1];
    if (!restore->options->stays_read_only)
        return pl_ok();
    in_data(restore, MARK, path);
    pl_hex(pl_slice(restore->manifest.head, sizeof(restore->manifest.head)), head);
    (void)snprintf(text, sizeof(text), "pledged-restored 1\nentries %" PRIu64 "\nhead %s\n",
                   restore->manifest.entries, head);
    struct pl_status status = io_write_file(io_system(), path, pl_slice_str(text), 0600);
    return pl_is_ok(status) ? status : because(restore->message, status, "%s", path);
}

static struct pl_status sync_dirs(const struct restore *restore)
{
    static const char *const names[] = {"log", "snapshot", ""};
    for (size_t i = 0; i < PL_COUNT(names); i++) {
        char path[PATH_BYTES];
        in_data(restore, names[i], path);
        struct pl_status status = io_system()->sync_dir(io_system(), path);
        if (!pl_is_ok(status))
            return because(restore->message, status, "%s", path);
    }
    return pl_ok();
}

static void restore_fini(struct restore *restore)
{
    manifest_fini(&restore->manifest);
}

struct pl_status restore_run(const struct restore_options *options, char *message,
                             struct manifest *ret)
{
    struct restore restore PL_CLEANUP(restore_fini) = {.options = options, .message = message};
    message[0] = '\0';
    PL_TRY(check_place(&restore));
    PL_TRY(manifest_load(options->dir, message, &restore.manifest));
    PL_TRY(check_manifest(&restore));
    PL_TRY(verify(&restore));
    PL_TRY(copy_log(&restore));
    PL_TRY(check_copy(&restore));
    PL_TRY(copy_named(&restore, "ledger.key"));
    PL_TRY(copy_named(&restore, "ledger.vkey"));
    PL_TRY(put_mark(&restore));
    PL_TRY(sync_dirs(&restore)); /* all of it, before it says that it is a ledger */
    PL_TRY(copy_named(&restore, "ledger.id"));
    PL_TRY(sync_dirs(&restore));
    *ret = restore.manifest;
    memset(&restore.manifest, 0, sizeof(restore.manifest));
    return pl_ok();
}

/* --- the mark --- */

bool restore_is_marked(const char *data)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof(path), "%s/" MARK, data);
    return access(path, F_OK) == 0 || errno != ENOENT;
}

static void release(struct lock **lock)
{
    lock_release(*lock);
}

static struct pl_status count_entries(const char *data, const struct identity *identity,
                                      char *message, uint64_t *ret)
{
    struct recover_options options = {.data = data, .segment_bytes = 2 << 20, .read_only = true};
    struct recover_report report = {0};
    struct store *store = NULL;
    struct ledger *ledger = NULL;
    memcpy(options.ledger_id, identity->ledger_id, sizeof(options.ledger_id));
    struct pl_status status = recover_open(&options, &report, &store, &ledger);
    if (!pl_is_ok(status))
        return because(message, status, "%s", report.message);
    *ret = ledger_size(ledger);
    ledger_free(ledger);
    store_close(store);
    return status;
}

struct pl_status restore_confirm(const char *data, const char *origin, uint64_t entries,
                                 char *message, uint64_t *ret_entries, bool *ret_marked)
{
    char path[PATH_BYTES];
    struct identity identity;
    struct lock *lock PL_CLEANUP(release) = NULL;
    message[0] = '\0';
    PL_TRY(identity_load(data, origin, message, &identity));
    PL_TRY(lock_take(data, message, &lock));
    PL_TRY(count_entries(data, &identity, message, ret_entries));
    if (*ret_entries < entries)
        return because(message, pl_fail(REFUSED, "compare the size"),
                       "this ledger ends with entry %" PRIu64 ", but %" PRIu64
                       " are known: there is a newer backup, or entries are lost; it stays "
                       "read-only",
                       *ret_entries, entries);
    *ret_marked = restore_is_marked(data);
    (void)snprintf(path, sizeof(path), "%s/" MARK, data);
    struct pl_status status = io_system()->remove(io_system(), path);
    if (!pl_is_ok(status) && status.code != PL_E_NOT_FOUND)
        return because(message, status, "%s", path);
    return io_system()->sync_dir(io_system(), data);
}
