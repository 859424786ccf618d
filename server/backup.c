/* SPDX-License-Identifier: Apache-2.0
 *
 * backup: see backup.h. Order: lock DIR -> read the log batch by batch, verified, and write it into
 * DIR -> sync both -> replay the copy, save a snapshot in it -> identity -> manifest -> remove what
 * only the older manifest named.
 */
#include "server/backup.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/hash.h"
#include "server/identity.h"
#include "server/persons.h"
#include "server/recover.h"
#include "server/store/file.h"
#include "server/store/io.h"
#include "server/store/lock.h"
#include "server/store/segment.h"

enum { MESSAGE_BYTES = 400, PATH_BYTES = 4096, WRITE_BYTES = 1 << 20 };

struct backup {
    const struct backup_options *options;
    char *message;
    struct identity identity;
    struct manifest old, new;
    struct store_head head;    /* what is copied ends here */
    struct file_list segments; /* of the source */
    size_t next;               /* segment that begins with a later batch */
    /* the segment being copied */
    int fd; /* -1: none */
    char name[MANIFEST_NAME_BYTES];
    uint64_t offset, whole_bytes;
    const struct manifest_file *known; /* the older backup has this much of it; NULL: nothing */
    struct pl_sha256_stream *sha, *known_sha;
    struct pl_buf pending; /* to be written at offset - its length */
    uint64_t written;      /* up to here the copy has it */
};

__attribute__((format(printf, 3, 4))) static struct pl_status
because(const struct backup *backup, struct pl_status status, const char *format, ...)
{
    char words[300];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    if (backup->message[0] == '\0')
        (void)snprintf(backup->message, MESSAGE_BYTES, "%s%s%.80s", words,
                       status.sys_errno != 0 ? ": " : "",
                       status.sys_errno != 0 ? strerror(status.sys_errno) : "");
    return status;
}

/* --- the directory --- */

static struct pl_status is_empty(const struct backup *backup, bool *ret)
{
    DIR *dir = opendir(backup->options->dir);
    if (dir == NULL)
        return because(backup, pl_fail_errno(IO, "open the directory"), "%s", backup->options->dir);
    *ret = true;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            *ret = false;
    }
    (void)closedir(dir);
    return pl_ok();
}

static struct pl_status make_dir(const struct backup *backup, const char *path)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return because(backup, pl_fail_errno(IO, "make a directory"), "%s", path);
    return pl_ok();
}

/* Nothing is touched unless DIR is ours to write into. */
static struct pl_status look_at_target(struct backup *backup)
{
    const char *dir = backup->options->dir;
    bool empty = false;
    PL_TRY(make_dir(backup, dir));
    PL_TRY(is_empty(backup, &empty));
    if (empty)
        return pl_ok();
    struct pl_status status = manifest_load(dir, backup->message, &backup->old);
    if (status.code == PL_E_NO_INPUT) {
        backup->message[0] = '\0';
        return because(backup, pl_fail(USAGE, "look at the directory"),
                       "%s is not empty and holds no backup: nothing was changed", dir);
    }
    PL_TRY(status);
    if (memcmp(backup->old.ledger_id, backup->identity.ledger_id, 16) != 0)
        return because(backup, pl_fail(USAGE, "look at the directory"),
                       "%s is a backup of another ledger (%s): nothing was changed", dir,
                       backup->old.origin);
    return pl_ok();
}

static struct pl_status make_dirs(const struct backup *backup)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof(path), "%s/log", backup->options->dir);
    PL_TRY(make_dir(backup, path));
    (void)snprintf(path, sizeof(path), "%s/snapshot", backup->options->dir);
    return make_dir(backup, path);
}

/* --- names --- */

static void source_path(const struct backup *backup, char path[PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, "%s/%s", backup->options->data, backup->name);
}

static void target_path(const struct backup *backup, char path[PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, "%s/%s", backup->options->dir, backup->name);
}

/* --- copying --- */

static struct pl_status write_pending(struct backup *backup)
{
    struct io *io = io_system();
    struct pl_slice bytes = pl_buf_slice(&backup->pending);
    uint64_t at = backup->offset - bytes.len;
    size_t skip = 0;
    if (at < backup->written) /* the older backup has it */
        skip = backup->written - at < bytes.len ? (size_t)(backup->written - at) : bytes.len;
    if (skip < bytes.len) {
        struct pl_status status =
            io->pwrite(io, backup->fd, bytes.data + skip, bytes.len - skip, at + skip);
        if (!pl_is_ok(status))
            return because(backup, status, "%s/%s", backup->options->dir, backup->name);
    }
    pl_buf_clear(&backup->pending);
    return pl_ok();
}

/* What the older backup has of this segment must be the same bytes, or it is not older. */
static struct pl_status compare_known(struct backup *backup)
{
    uint8_t sha256[PL_SHA256_BYTES];
    pl_sha256_final(backup->known_sha, sha256);
    pl_sha256_free(backup->known_sha);
    backup->known_sha = NULL;
    if (memcmp(sha256, backup->known->sha256, sizeof(sha256)) == 0)
        return pl_ok();
    return because(backup, pl_fail(USAGE, "compare with the older backup"),
                   "%s holds another history of this ledger: %s differs; it stays as it was",
                   backup->options->dir, backup->name);
}

static struct pl_status pass(struct backup *backup, struct pl_slice bytes)
{
    if (pl_buf_len(&backup->pending) + bytes.len > WRITE_BYTES)
        PL_TRY(write_pending(backup));
    PL_TRY(pl_buf_append(&backup->pending, bytes.data, bytes.len));
    pl_sha256_update(backup->sha, bytes);
    uint64_t before = backup->offset;
    backup->offset += bytes.len;
    if (backup->known_sha == NULL)
        return pl_ok();
    uint64_t left = backup->known->bytes - before;
    pl_sha256_update(backup->known_sha,
                     pl_slice(bytes.data, left < bytes.len ? (size_t)left : bytes.len));
    return left <= bytes.len ? compare_known(backup) : pl_ok();
}

static struct pl_status end_segment(struct backup *backup)
{
    struct io *io = io_system();
    if (backup->fd < 0)
        return pl_ok();
    PL_TRY(write_pending(backup));
    struct pl_status status = io->sync(io, backup->fd);
    io->close(io, backup->fd);
    backup->fd = -1;
    if (!pl_is_ok(status))
        return because(backup, status, "%s/%s", backup->options->dir, backup->name);
    if (backup->known_sha != NULL)
        return because(backup, pl_fail(USAGE, "compare with the older backup"),
                       "%s holds more of this ledger than there is: %s", backup->options->dir,
                       backup->name);
    struct manifest_file *file = manifest_add(&backup->new, backup->name);
    if (file == NULL)
        return because(backup, pl_fail(TOO_BIG, "list the segments"), "too many segments");
    file->bytes = backup->offset;
    file->whole_bytes = backup->whole_bytes;
    pl_sha256_final(backup->sha, file->sha256);
    pl_sha256_free(backup->sha);
    backup->sha = NULL;
    return pl_ok();
}

static struct pl_status read_page(struct backup *backup, uint8_t page[SEGMENT_HEADER_BYTES])
{
    struct io *io = io_system();
    char path[PATH_BYTES];
    int fd = -1;
    source_path(backup, path);
    struct pl_status status = io->open(io, path, false, false, 0, &fd);
    if (pl_is_ok(status)) {
        status = io->size(io, fd, &backup->whole_bytes);
        if (pl_is_ok(status))
            status = io->pread(io, fd, page, SEGMENT_HEADER_BYTES, 0);
        io->close(io, fd);
    }
    return pl_is_ok(status) ? status : because(backup, status, "%s", path);
}

static struct pl_status begin_segment(struct backup *backup)
{
    struct io *io = io_system();
    char path[PATH_BYTES];
    uint8_t page[SEGMENT_HEADER_BYTES];
    (void)snprintf(backup->name, sizeof(backup->name), "log/%016" PRIx64 ".seg",
                   backup->segments.first_batch[backup->next++]);
    PL_TRY(read_page(backup, page));
    target_path(backup, path);
    backup->known = manifest_find(&backup->old, backup->name);
    /* what a run that was cut short left is forgotten */
    if (backup->known == NULL)
        (void)unlink(path);
    else if (truncate(path, (off_t)backup->known->bytes) != 0)
        return because(backup, pl_fail_errno(IO, "cut a file"), "%s", path);
    struct pl_status status = io->open(io, path, backup->known == NULL, true, 0600, &backup->fd);
    if (!pl_is_ok(status))
        return because(backup, status, "%s", path);
    backup->offset = 0;
    backup->written = backup->known != NULL ? backup->known->bytes : 0;
    backup->sha = pl_sha256_new();
    backup->known_sha = backup->known != NULL ? pl_sha256_new() : NULL;
    return pass(backup, pl_slice(page, sizeof(page)));
}

static struct pl_status on_batch(void *arg, const struct store_batch *batch)
{
    struct backup *backup = arg;
    if (backup->next < backup->segments.count &&
        backup->segments.first_batch[backup->next] == batch->number) {
        PL_TRY(end_segment(backup));
        PL_TRY(begin_segment(backup));
    }
    size_t len = (size_t)segment_record_bytes(batch->body.len);
    uint8_t *record = malloc(len);
    PL_ASSERT(record != NULL && backup->fd >= 0); /* the first batch begins a segment */
    segment_record_encode(batch, record);
    struct pl_status status = pass(backup, pl_slice(record, len));
    free(record);
    return status;
}

/* What was read came perhaps from memory: after this the disk has it. */
static struct pl_status sync_source(const struct backup *backup)
{
    struct io *io = io_system();
    char path[PATH_BYTES], dir[PATH_BYTES];
    int fd = -1;
    source_path(backup, path);
    (void)snprintf(dir, sizeof(dir), "%s/log", backup->options->data);
    struct pl_status status = io->open(io, path, false, false, 0, &fd);
    if (pl_is_ok(status)) {
        status = io->datasync(io, fd);
        io->close(io, fd);
    }
    if (pl_is_ok(status))
        status = io->sync_dir(io, dir);
    return pl_is_ok(status) ? status : because(backup, status, "%s", path);
}

/* Segments of the older backup that the ledger does not have are another history's. */
static struct pl_status covers_old(const struct backup *backup)
{
    for (size_t i = 0; i < backup->old.count; i++) {
        const char *name = backup->old.file[i].name;
        if (strncmp(name, "log/", 4) == 0 && manifest_find(&backup->new, name) == NULL)
            return because(backup, pl_fail(USAGE, "compare with the older backup"),
                           "%s holds another history of this ledger: %s; it stays as it was",
                           backup->options->dir, name);
    }
    return pl_ok();
}

static struct pl_status copy_batches(struct backup *backup, struct store *store, const char *dir)
{
    store_head(store, &backup->head);
    if (backup->head.batch == 0)
        return because(backup, pl_fail(NO_INPUT, "read the log"),
                       "the ledger in %s is empty: start the daemon once", backup->options->data);
    if (backup->old.batches > backup->head.batch)
        return because(backup, pl_fail(USAGE, "compare with the older backup"),
                       "%s holds more of this ledger (%" PRIu64 " batches) than %s (%" PRIu64
                       "): nothing was changed",
                       backup->options->dir, backup->old.batches, backup->options->data,
                       backup->head.batch);
    /* listed after the head was seen: every segment up to it is there */
    PL_TRY(file_list_read(io_system(), dir, &backup->segments));
    PL_TRY(make_dirs(backup));
    PL_TRY(store_read(store, 1, on_batch, backup));
    PL_TRY(end_segment(backup));
    PL_TRY(covers_old(backup));
    return sync_source(backup);
}

static struct pl_status copy_log(struct backup *backup)
{
    char dir[PATH_BYTES];
    struct file_report found = {0};
    struct store *store = NULL;
    (void)snprintf(dir, sizeof(dir), "%s/log", backup->options->data);
    struct file_options options = {
        .dir = dir, .io = io_system(), .segment_bytes = 2 << 20, .read_only = true};
    memcpy(options.ledger_id, backup->identity.ledger_id, sizeof(options.ledger_id));
    struct pl_status status = file_open(&options, &found, &store);
    if (!pl_is_ok(status))
        return because(backup, status, "%s", found.damage[0] != '\0' ? found.damage : status.what);
    status = copy_batches(backup, store, dir);
    store_close(store);
    return pl_is_ok(status) ? status : because(backup, status, "%s", status.what);
}

/* --- what goes with the log --- */

/* Replays the copy as `fsck` would, and leaves a snapshot of what it comes to. */
static struct pl_status check_copy(struct backup *backup)
{
    struct recover_options options = {.data = backup->options->dir,
                                      .segment_bytes = 2 << 20,
                                      .read_only = true,
                                      .ignore_snapshots = true};
    struct recover_report report = {0};
    struct snapshot_meta meta;
    struct store *store = NULL;
    struct ledger *ledger = NULL;
    memcpy(options.ledger_id, backup->identity.ledger_id, sizeof(options.ledger_id));
    struct pl_status status = recover_open(&options, &report, &store, &ledger);
    if (!pl_is_ok(status))
        return because(backup, status, "the backup is damaged: %s", report.message);
    struct store_head head;
    store_head(store, &head);
    if (head.batch != backup->head.batch || memcmp(head.hash, backup->head.hash, 32) != 0)
        status =
            because(backup, pl_fail(CORRUPT, "compare the copy"),
                    "%s does not end where the ledger does: it is damaged", backup->options->dir);
    if (pl_is_ok(status))
        /* the older backup's stays until the new manifest is there */
        status = recover_save(&options, store, ledger, 2, &meta);
    backup->new.entries = ledger_size(ledger);
    backup->new.batches = head.batch;
    memcpy(backup->new.head, head.hash, sizeof(backup->new.head));
    ledger_digest(ledger, backup->new.state);
    ledger_free(ledger);
    store_close(store);
    return pl_is_ok(status) ? status : because(backup, status, "%s/snapshot", backup->options->dir);
}

/* A file of the copy that is written as a whole. */
static struct pl_status list_file(struct backup *backup, const char *name)
{
    char path[PATH_BYTES];
    struct stat found;
    (void)snprintf(path, sizeof(path), "%s/%s", backup->options->dir, name);
    struct manifest_file *file = manifest_add(&backup->new, name);
    PL_ASSERT(file != NULL);
    if (stat(path, &found) != 0)
        return because(backup, pl_fail_errno(IO, "look at a file"), "%s", path);
    file->bytes = file->whole_bytes = (uint64_t)found.st_size;
    struct pl_status status = manifest_copy(path, NULL, file->bytes, file->bytes, file->sha256);
    return pl_is_ok(status) ? status : because(backup, status, "%s", path);
}

static struct pl_status copy_identity(struct backup *backup, const char *name)
{
    char from[PATH_BYTES], to[PATH_BYTES], new[PATH_BYTES];
    uint8_t sha256[PL_SHA256_BYTES];
    struct stat found;
    (void)snprintf(from, sizeof(from), "%s/%s", backup->options->data, name);
    (void)snprintf(to, sizeof(to), "%s/%s", backup->options->dir, name);
    (void)snprintf(new, sizeof(new), "%s/%s.new", backup->options->dir, name);
    (void)unlink(new);
    if (stat(from, &found) != 0)
        return because(backup, pl_fail_errno(IO, "look at a file"), "%s", from);
    struct pl_status status = manifest_copy(from, new, (uint64_t)found.st_size, 0, sha256);
    if (pl_is_ok(status))
        status = io_system()->rename(io_system(), new, to);
    if (!pl_is_ok(status))
        return because(backup, status, "%s", to);
    return list_file(backup, name);
}

/* Under a new name each time: a run that is cut short leaves the older backup whole. Copied after
 * the log, so it has every record that the copy of the log names, unless it was erased meanwhile.
 */
static struct pl_status copy_persons(struct backup *backup)
{
    char from[PATH_BYTES], to[PATH_BYTES], name[MANIFEST_NAME_BYTES];
    struct pl_clock *clock = pl_clock_system();
    (void)snprintf(from, sizeof(from), "%s/" PERSONS_FILE, backup->options->data);
    if (access(from, F_OK) != 0 && errno == ENOENT)
        return pl_ok(); /* a ledger from before there were any */
    (void)snprintf(to, sizeof(to), "%s/persons", backup->options->dir);
    PL_TRY(make_dir(backup, to));
    (void)snprintf(name, sizeof(name), "persons/%016" PRIx64 ".db",
                   (uint64_t)clock->wall_us(clock));
    (void)snprintf(to, sizeof(to), "%s/%s", backup->options->dir, name);
    struct pl_status status = persons_copy(from, to);
    if (!pl_is_ok(status))
        return because(backup, status, "%s: %s", from, status.what);
    return list_file(backup, name);
}

static struct pl_status add_rest(struct backup *backup)
{
    char name[MANIFEST_NAME_BYTES];
    PL_TRY(check_copy(backup));
    (void)snprintf(name, sizeof(name), "snapshot/%016" PRIx64 ".snap", backup->head.batch);
    PL_TRY(list_file(backup, name));
    PL_TRY(copy_identity(backup, "ledger.id"));
    PL_TRY(copy_identity(backup, "ledger.vkey"));
    PL_TRY(copy_persons(backup));
    return backup->options->with_keys ? copy_identity(backup, "ledger.key") : pl_ok();
}

/* --- the whole --- */

static struct pl_status save(struct backup *backup)
{
    struct pl_clock *clock = pl_clock_system();
    const char *dir = backup->options->dir;
    backup->new.made_us = clock->wall_us(clock);
    memcpy(backup->new.ledger_id, backup->identity.ledger_id, sizeof(backup->new.ledger_id));
    (void)snprintf(backup->new.origin, sizeof(backup->new.origin), "%s", backup->identity.origin);
    struct pl_status status = manifest_save(&backup->new, dir);
    if (!pl_is_ok(status))
        return because(backup, status, "%s/MANIFEST", dir);
    for (size_t i = 0; i < backup->old.count; i++) {
        char path[PATH_BYTES];
        if (manifest_find(&backup->new, backup->old.file[i].name) != NULL)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", dir, backup->old.file[i].name);
        (void)unlink(path); /* what stays is only in the way */
    }
    return pl_ok();
}

static void backup_fini(struct backup *backup)
{
    if (backup->fd >= 0)
        (void)close(backup->fd);
    pl_sha256_free(backup->sha);
    pl_sha256_free(backup->known_sha);
    pl_buf_fini(&backup->pending);
    file_list_fini(&backup->segments);
    manifest_fini(&backup->old);
    manifest_fini(&backup->new);
}

static void release(struct lock **lock)
{
    lock_release(*lock);
}

struct pl_status backup_make(const struct backup_options *options, char *message,
                             struct manifest *ret)
{
    struct backup backup PL_CLEANUP(backup_fini) = {
        .options = options, .message = message, .fd = -1};
    struct lock *lock PL_CLEANUP(release) = NULL;
    pl_buf_init(&backup.pending, 2 * WRITE_BYTES + SEGMENT_HEADER_BYTES);
    message[0] = '\0';
    PL_TRY(identity_load(options->data, options->origin, message, &backup.identity));
    PL_TRY(look_at_target(&backup));
    PL_TRY(lock_take(options->dir, message, &lock));
    PL_TRY(copy_log(&backup));
    PL_TRY(add_rest(&backup));
    PL_TRY(save(&backup));
    *ret = backup.new;
    memset(&backup.new, 0, sizeof(backup.new));
    return pl_ok();
}
