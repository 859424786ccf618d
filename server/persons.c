/* SPDX-License-Identifier: Apache-2.0
 *
 * persons: see persons.h. One table, by commitment; every change is one transaction that is on the
 * disk when it returns.
 */
#include "server/persons.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/check.h"
#include "common/hash.h"
#include "server/store/io.h"

/* A file of the first format has the same table, but was changed by versions that swept nothing
 * behind an erasure. */
enum { FORMAT_UNSWEPT = 1, FORMAT = 2 };
enum { BUSY_MS = 10000, PATH_BYTES = 4096, URI_BYTES = 3 * PATH_BYTES };
static const int APPLICATION_ID = 0x504c5052; /* "PLPR" */

struct persons {
    sqlite3 *db;
    bool fixed;   /* taken for a file that nobody writes */
    bool unswept; /* rows were taken away, and copies of them may still lie in the file */
};

void persons_commit(const uint8_t salt[PERSONS_SALT_BYTES], struct pl_slice record,
                    uint8_t ret[LEDGER_COMMITMENT_BYTES])
{
    pl_hmac_sha256(pl_slice(salt, PERSONS_SALT_BYTES), record, ret);
}

/* --- SQLite in the vocabulary of this project --- */

/* What the system said last. SQLite has it for the connection, but not of a commit: then the file
 * that was being written has it. */
static int last_errno(sqlite3 *db)
{
    int number = sqlite3_system_errno(db);
    sqlite3_file *file = NULL;
    if (number == 0 &&
        sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) == SQLITE_OK &&
        file != NULL && file->pMethods != NULL)
        (void)file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &number);
    return number;
}

static struct pl_status failed_by(const struct persons *persons, int code, const char *what)
{
    struct pl_status status = {.code = PL_E_IO, .what = what, .where = PL_WHERE};
    switch (code & 0xff) {
    case SQLITE_FULL:
        status.code = PL_E_NO_SPACE;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        status.code = PL_E_CORRUPT;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        status.code = PL_E_BUSY;
        break;
    default:
        status.sys_errno = last_errno(persons->db);
        if (status.sys_errno == EDQUOT)
            status.code = PL_E_NO_SPACE;
        break;
    }
    return status;
}

static struct pl_status failed(const struct persons *persons, const char *what)
{
    return failed_by(persons, sqlite3_errcode(persons->db), what);
}

static struct pl_status run(struct persons *persons, const char *sql, const char *what)
{
    return sqlite3_exec(persons->db, sql, NULL, NULL, NULL) == SQLITE_OK ? pl_ok()
                                                                         : failed(persons, what);
}

static void finalize(sqlite3_stmt **statement)
{
    (void)sqlite3_finalize(*statement);
}

static struct pl_status prepare(struct persons *persons, const char *sql, sqlite3_stmt **ret)
{
    return sqlite3_prepare_v2(persons->db, sql, -1, ret, NULL) == SQLITE_OK
               ? pl_ok()
               : failed(persons, "ask the records of persons");
}

static void bind(sqlite3_stmt *statement, int at, const void *data, size_t len)
{
    int code = sqlite3_bind_blob(statement, at, data, (int)len, SQLITE_STATIC);
    PL_ASSERT(code == SQLITE_OK); /* sizes are bounded, memory is not ours to run out of */
}

/* Runs a statement that answers with nothing, and makes it ready for the next time. */
static struct pl_status step(struct persons *persons, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    return code == SQLITE_DONE ? pl_ok() : failed(persons, "change the records of persons");
}

static struct pl_status ask_number(struct persons *persons, const char *sql, int *ret)
{
    sqlite3_stmt *statement PL_CLEANUP(finalize) = NULL;
    PL_TRY(prepare(persons, sql, &statement));
    if (sqlite3_step(statement) != SQLITE_ROW)
        return failed(persons, "ask the records of persons");
    *ret = sqlite3_column_int(statement, 0);
    return pl_ok();
}

/* --- opening --- */

static struct pl_status check_form(struct persons *persons)
{
    int id = 0, version = 0;
    PL_TRY(ask_number(persons, "PRAGMA application_id", &id));
    PL_TRY(ask_number(persons, "PRAGMA user_version", &version));
    if (id != APPLICATION_ID)
        return pl_fail(CORRUPT, "read the records of persons: another kind of file");
    persons->unswept = persons->unswept || version == FORMAT_UNSWEPT;
    return version == FORMAT_UNSWEPT || version == FORMAT
               ? pl_ok()
               : pl_fail(UNIMPLEMENTED, "read the records of persons: a newer version made them");
}

static struct pl_status make_form(struct persons *persons)
{
    char sql[400];
    int tables = 0;
    PL_TRY(ask_number(persons, "SELECT count(*) FROM sqlite_master", &tables));
    if (tables != 0)
        return pl_ok();
    (void)snprintf(sql, sizeof(sql),
                   "BEGIN IMMEDIATE;"
                   "CREATE TABLE record(commitment BLOB PRIMARY KEY NOT NULL, salt BLOB NOT NULL,"
                   " record BLOB NOT NULL, pending INTEGER NOT NULL) WITHOUT ROWID;"
                   "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
                   APPLICATION_ID, FORMAT);
    return run(persons, sql, "make the file of persons");
}

static struct pl_status prepare_connection(struct persons *persons, enum persons_mode mode)
{
    (void)sqlite3_busy_timeout(persons->db, BUSY_MS);
    (void)sqlite3_extended_result_codes(persons->db, 0);
    PL_TRY(run(persons, "PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY",
               "open the file of persons"));
    if (mode == PERSONS_READ)
        return check_form(persons);
    /* FULL: a row is on the disk before its command is decided */
    PL_TRY(run(persons,
               "PRAGMA secure_delete = ON; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
               "open the file of persons"));
    PL_TRY(make_form(persons));
    return check_form(persons);
}

/* SQLite gives its other files the mode of this one. */
static struct pl_status make_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return pl_fail_errno(IO, "make the file of persons");
    struct pl_status status =
        fchmod(fd, 0600) == 0 ? pl_ok() : pl_fail_errno(IO, "protect the file of persons");
    (void)close(fd);
    return status;
}

/* SQLite makes files beside a database that is in WAL mode, for reading too. Where nothing can be
 * written, and none of them was left, all there is stands in the one file. */
static bool is_alone_and_fixed(const char *path)
{
    static const char *const beside[] = {"-wal", "-shm"};
    char name[PATH_BYTES];
    struct statvfs disk;
    bool alone = statvfs(path, &disk) == 0 && (disk.f_flag & ST_RDONLY) != 0;
    for (size_t i = 0; i < PL_COUNT(beside); i++) {
        int len = snprintf(name, sizeof(name), "%s%s", path, beside[i]);
        alone = alone && len > 0 && len < PATH_BYTES && access(name, F_OK) != 0 && errno == ENOENT;
    }
    return alone;
}

/* SQLite is told to take no symbolic link, which it takes for all of a name. The file may be none;
 * the directory of a ledger may be one, or lie behind one. */
static const char *behind_links(const char *path, char ret[PATH_BYTES])
{
    char dir[PATH_BYTES] = ".";
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    if (slash != NULL)
        (void)snprintf(dir, sizeof(dir), "%.*s", (int)(name - path), path);
    char *found = realpath(dir, NULL);
    int len = found == NULL ? -1 : snprintf(ret, PATH_BYTES, "%s/%s", found, name);
    free(found);
    return len > 0 && len < PATH_BYTES ? ret : path;
}

/* "file:/a%20b?immutable=1" */
static bool print_immutable(const char *path, char uri[URI_BYTES])
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-";
    static const char end[] = "?immutable=1";
    size_t used = (size_t)snprintf(uri, URI_BYTES, "file:");
    for (const char *at = path; *at != '\0'; at++) {
        if (used + 3 + sizeof(end) > URI_BYTES)
            return false;
        bool is_plain = strchr(plain, *at) != NULL;
        used += (size_t)snprintf(uri + used, URI_BYTES - used, is_plain ? "%c" : "%%%02X",
                                 (unsigned)(unsigned char)*at);
    }
    memcpy(uri + used, end, sizeof(end));
    return true;
}

/* The names of the file and of its write-ahead log, which is there by now. SQLite syncs them with
 * the first thing that it writes, and says nothing where it could not. */
static struct pl_status sync_names(const char *path)
{
    char dir[PATH_BYTES] = ".";
    const char *slash = strrchr(path, '/');
    struct io *io = io_system();
    if (slash != NULL)
        (void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash + 1 - path), path);
    return io->sync_dir(io, dir);
}

/* Whoever ended in order, and with nothing left to sweep, left no write-ahead log behind. */
static bool was_cut_short(const char *path)
{
    char name[PATH_BYTES + 8];
    struct stat found;
    (void)snprintf(name, sizeof(name), "%s-wal", path);
    return stat(name, &found) == 0 && found.st_size != 0;
}

struct pl_status persons_open(const char *path, enum persons_mode mode, struct persons **ret)
{
    if (mode == PERSONS_WRITE)
        PL_TRY(make_file(path));
    else if (access(path, F_OK) != 0)
        return pl_fail_errno(NO_INPUT, "open the file of persons");
    struct persons *persons = calloc(1, sizeof(*persons));
    PL_ASSERT(persons != NULL);
    persons->unswept = mode == PERSONS_WRITE && was_cut_short(path);
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
                (mode == PERSONS_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
    char real[PATH_BYTES], uri[URI_BYTES];
    const char *name = behind_links(path, real);
    if (mode == PERSONS_READ && is_alone_and_fixed(path) && print_immutable(name, uri)) {
        name = uri;
        flags |= SQLITE_OPEN_URI;
        persons->fixed = true;
    }
    struct pl_status status = sqlite3_open_v2(name, &persons->db, flags, NULL) == SQLITE_OK
                                  ? prepare_connection(persons, mode)
                                  : failed(persons, "open the file of persons");
    if (pl_is_ok(status) && mode == PERSONS_WRITE)
        status = sync_names(path);
    if (!pl_is_ok(status)) {
        persons_close(persons);
        return status;
    }
    *ret = persons;
    return pl_ok();
}

void persons_close(struct persons *persons)
{
    if (persons == NULL)
        return;
    if (persons->unswept && persons->db != NULL) /* the log stays, and the next one sees by it */
        (void)sqlite3_db_config(persons->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    int code = sqlite3_close(persons->db);
    PL_ASSERT(code == SQLITE_OK); /* every statement is finalized where it was made */
    free(persons);
}

/* --- changing --- */

/* Ends a transaction one way or the other. */
static struct pl_status end(struct persons *persons, struct pl_status status)
{
    if (pl_is_ok(status))
        status = run(persons, "COMMIT", "write the records of persons");
    if (!pl_is_ok(status))
        (void)sqlite3_exec(persons->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static struct pl_status put_all(struct persons *persons, struct persons_row *row, size_t count)
{
    sqlite3_stmt *insert PL_CLEANUP(finalize) = NULL;
    PL_TRY(prepare(persons, "INSERT OR IGNORE INTO record VALUES(?1, ?2, ?3, 1)", &insert));
    for (size_t i = 0; i < count; i++) {
        bind(insert, 1, row[i].commitment, sizeof(row[i].commitment));
        bind(insert, 2, row[i].salt, sizeof(row[i].salt));
        bind(insert, 3, row[i].record.data, row[i].record.len);
        PL_TRY(step(persons, insert));
        row[i].is_new = sqlite3_changes(persons->db) != 0;
    }
    return pl_ok();
}

struct pl_status persons_put(struct persons *persons, struct persons_row *row, size_t count)
{
    PL_TRY(run(persons, "BEGIN IMMEDIATE", "write the records of persons"));
    return end(persons, put_all(persons, row, count));
}

static struct pl_status settle_all(struct persons *persons, const struct persons_row *row,
                                   size_t count)
{
    sqlite3_stmt *insert PL_CLEANUP(finalize) = NULL;
    PL_TRY(prepare(persons, "INSERT OR REPLACE INTO record VALUES(?1, ?2, ?3, 0)", &insert));
    for (size_t i = 0; i < count; i++) {
        bind(insert, 1, row[i].commitment, sizeof(row[i].commitment));
        bind(insert, 2, row[i].salt, sizeof(row[i].salt));
        bind(insert, 3, row[i].record.data, row[i].record.len);
        PL_TRY(step(persons, insert));
    }
    return pl_ok();
}

struct pl_status persons_settle(struct persons *persons, const struct persons_row *row,
                                size_t count)
{
    PL_TRY(run(persons, "BEGIN IMMEDIATE", "write the records of persons"));
    return end(persons, settle_all(persons, row, count));
}

/* SQLite does not sync what it cuts off. */
static struct pl_status sync_log(struct persons *persons)
{
    sqlite3_file *log = NULL;
    int code = sqlite3_file_control(persons->db, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (code != SQLITE_OK || log == NULL || log->pMethods == NULL)
        return pl_ok(); /* there is none */
    code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
    return code == SQLITE_OK ? pl_ok()
                             : failed_by(persons, code, "empty the log of the file of persons");
}

/* What was overwritten is still in the write-ahead log until that is written back and emptied. A
 * reader beside us (a backup) may be in the way; it is waited for. */
static struct pl_status empty_log(struct persons *persons)
{
    int code = sqlite3_wal_checkpoint_v2(persons->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return code == SQLITE_OK ? sync_log(persons)
                             : failed(persons, "empty the log of the file of persons");
}

/* SQLite overwrites a row where it is, not where it was before its page was split or joined with
 * another: pages keep such copies in their free space. All of them are written anew; until the log
 * of that is emptied a crash leaves one that the next start sees. */
static struct pl_status sweep(struct persons *persons)
{
    if (persons->unswept) {
        char mark[40];
        (void)snprintf(mark, sizeof(mark), "PRAGMA user_version = %d", FORMAT);
        PL_TRY(run(persons, "VACUUM", "sweep the file of persons"));
        PL_TRY(run(persons, mark, "sweep the file of persons"));
    }
    PL_TRY(empty_log(persons));
    persons->unswept = false;
    return pl_ok();
}

static struct pl_status erase_all(struct persons *persons, const struct pl_slice *commitment,
                                  size_t count)
{
    sqlite3_stmt *remove PL_CLEANUP(finalize) = NULL;
    PL_TRY(prepare(persons, "DELETE FROM record WHERE commitment = ?1", &remove));
    for (size_t i = 0; i < count; i++) {
        bind(remove, 1, commitment[i].data, commitment[i].len);
        PL_TRY(step(persons, remove));
        persons->unswept = persons->unswept || sqlite3_changes(persons->db) != 0;
    }
    return pl_ok();
}

struct pl_status persons_erase(struct persons *persons, const struct pl_slice *commitment,
                               size_t count)
{
    PL_TRY(run(persons, "BEGIN IMMEDIATE", "write the records of persons"));
    PL_TRY(end(persons, erase_all(persons, commitment, count)));
    return sweep(persons);
}

/* --- reading --- */

static struct pl_slice column(sqlite3_stmt *statement, int at)
{
    const void *data = sqlite3_column_blob(statement, at);
    return pl_slice(data, (size_t)sqlite3_column_bytes(statement, at));
}

static bool fits(struct pl_slice commitment, struct pl_slice salt, struct pl_slice record)
{
    uint8_t made[LEDGER_COMMITMENT_BYTES];
    if (salt.len != PERSONS_SALT_BYTES)
        return false;
    persons_commit(salt.data, record, made);
    return pl_slice_eq(commitment, pl_slice(made, sizeof(made)));
}

struct pl_status persons_get(struct persons *persons, struct pl_slice commitment,
                             struct pl_arena *arena, struct pl_slice *ret_record)
{
    sqlite3_stmt *select PL_CLEANUP(finalize) = NULL;
    PL_TRY(prepare(persons, "SELECT salt, record FROM record WHERE commitment = ?1", &select));
    bind(select, 1, commitment.data, commitment.len);
    int code = sqlite3_step(select);
    if (code == SQLITE_DONE)
        return pl_fail(NOT_FOUND, "find the record of a person");
    if (code != SQLITE_ROW)
        return failed(persons, "read the record of a person");
    struct pl_slice record = column(select, 1);
    if (!fits(commitment, column(select, 0), record))
        return pl_fail(CORRUPT, "read the record of a person: it is not what was committed to");
    uint8_t *copy = pl_arena_memdup(arena, record.data, record.len);
    if (copy == NULL)
        return pl_fail(TOO_BIG, "read the record of a person");
    *ret_record = pl_slice(copy, record.len);
    return pl_ok();
}

/* --- against the ledger --- */

enum verdict { KEEP, SETTLE, ERASE, LEAVE };

static enum verdict judge(const struct ledger *ledger, struct pl_slice commitment, bool pending,
                          enum persons_unnamed unnamed, struct persons_report *report)
{
    enum ledger_erasable said = ledger_erasable(ledger, commitment.data);
    report->kept += said == LEDGER_ERASABLE_LIVE;
    report->erased += said == LEDGER_ERASABLE_ERASED;
    report->withdrawn += said == LEDGER_ERASABLE_UNKNOWN && pending;
    report->unknown += said == LEDGER_ERASABLE_UNKNOWN && !pending;
    if (said == LEDGER_ERASABLE_LIVE)
        return pending ? SETTLE : KEEP;
    if (said == LEDGER_ERASABLE_ERASED)
        return ERASE;
    bool goes = unnamed == PERSONS_UNNAMED_GO || (unnamed == PERSONS_PENDING_GO && pending);
    return goes ? ERASE : LEAVE;
}

static struct pl_status count_missing(struct persons *persons, const struct ledger *ledger,
                                      struct persons_report *report)
{
    sqlite3_stmt *select PL_CLEANUP(finalize) = NULL;
    PL_TRY(prepare(persons, "SELECT 1 FROM record WHERE commitment = ?1", &select));
    const uint8_t *commitment;
    for (size_t i = 0; (commitment = ledger_erasable_at(ledger, i)) != NULL; i++) {
        if (ledger_erasable(ledger, commitment) != LEDGER_ERASABLE_LIVE)
            continue;
        bind(select, 1, commitment, LEDGER_COMMITMENT_BYTES);
        int code = sqlite3_step(select);
        (void)sqlite3_reset(select);
        if (code != SQLITE_ROW && code != SQLITE_DONE)
            return failed(persons, "read the records of persons");
        report->missing += code == SQLITE_DONE;
    }
    return pl_ok();
}

/* Rows that have to change, copied: a table is not changed while it is walked. */
struct changes {
    uint8_t (*commitment)[LEDGER_COMMITMENT_BYTES];
    enum verdict *verdict;
    size_t count, cap;
};

static void changes_fini(struct changes *changes)
{
    free(changes->commitment);
    free(changes->verdict);
}

static void changes_add(struct changes *changes, struct pl_slice commitment, enum verdict verdict)
{
    if (changes->count == changes->cap) {
        changes->cap = changes->cap != 0 ? 2 * changes->cap : 64;
        changes->commitment =
            reallocarray(changes->commitment, changes->cap, sizeof(*changes->commitment));
        changes->verdict = reallocarray(changes->verdict, changes->cap, sizeof(*changes->verdict));
        PL_ASSERT(changes->commitment != NULL && changes->verdict != NULL);
    }
    memcpy(changes->commitment[changes->count], commitment.data, LEDGER_COMMITMENT_BYTES);
    changes->verdict[changes->count++] = verdict;
}

/* Else no statement would find the row by it, to take it away or to keep it: what is in the place
 * of a commitment is one, and rows stand in their order, each once. */
static bool is_found(sqlite3_stmt *select, struct pl_slice commitment, struct pl_slice before)
{
    return sqlite3_column_type(select, 0) == SQLITE_BLOB &&
           commitment.len == LEDGER_COMMITMENT_BYTES &&
           (before.len == 0 || memcmp(before.data, commitment.data, before.len) < 0);
}

static struct pl_status look_at_rows(struct persons *persons, const struct ledger *ledger,
                                     enum persons_unnamed unnamed, bool check,
                                     struct changes *changes, struct persons_report *report)
{
    sqlite3_stmt *select PL_CLEANUP(finalize) = NULL;
    uint8_t last[LEDGER_COMMITMENT_BYTES];
    struct pl_slice before = {NULL, 0};
    int code;
    PL_TRY(prepare(persons,
                   "SELECT commitment, pending, salt, record FROM record ORDER BY commitment",
                   &select));
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        struct pl_slice commitment = column(select, 0);
        bool found = is_found(select, commitment, before);
        if (!found && !check)
            return pl_fail(CORRUPT, "read the records of persons: a row is not where it belongs");
        if (!found) {
            report->damaged++;
            continue;
        }
        before = pl_slice(memcpy(last, commitment.data, sizeof(last)), sizeof(last));
        enum verdict verdict =
            judge(ledger, commitment, sqlite3_column_int(select, 1) != 0, unnamed, report);
        if ((verdict == SETTLE || verdict == ERASE) && !check)
            changes_add(changes, commitment, verdict);
        if (check)
            report->damaged += !fits(commitment, column(select, 2), column(select, 3));
    }
    if (code != SQLITE_DONE)
        return failed(persons, "read the records of persons");
    return count_missing(persons, ledger, report);
}

static struct pl_status change_all(struct persons *persons, const struct changes *changes)
{
    sqlite3_stmt *settle PL_CLEANUP(finalize) = NULL;
    sqlite3_stmt *erase PL_CLEANUP(finalize) = NULL;
    PL_TRY(prepare(persons, "UPDATE record SET pending = 0 WHERE commitment = ?1", &settle));
    PL_TRY(prepare(persons, "DELETE FROM record WHERE commitment = ?1", &erase));
    for (size_t i = 0; i < changes->count; i++) {
        sqlite3_stmt *statement = changes->verdict[i] == SETTLE ? settle : erase;
        bind(statement, 1, changes->commitment[i], LEDGER_COMMITMENT_BYTES);
        PL_TRY(step(persons, statement));
        persons->unswept = persons->unswept || statement == erase;
    }
    return pl_ok();
}

struct pl_status persons_reconcile(struct persons *persons, const struct ledger *ledger,
                                   enum persons_unnamed unnamed, struct persons_report *ret)
{
    struct changes changes PL_CLEANUP(changes_fini) = {NULL, NULL, 0, 0};
    *ret = (struct persons_report){0};
    PL_TRY(look_at_rows(persons, ledger, unnamed, false, &changes, ret));
    if (changes.count != 0) {
        PL_TRY(run(persons, "BEGIN IMMEDIATE", "write the records of persons"));
        PL_TRY(end(persons, change_all(persons, &changes)));
    }
    return sweep(persons); /* an erasure that a crash cut short ends here */
}

struct pl_status persons_check(struct persons *persons, const struct ledger *ledger,
                               struct persons_report *ret)
{
    sqlite3_stmt *whole PL_CLEANUP(finalize) = NULL;
    *ret = (struct persons_report){0};
    PL_TRY(prepare(persons, "PRAGMA integrity_check(1)", &whole));
    if (sqlite3_step(whole) != SQLITE_ROW || !pl_slice_eq_str(column(whole, 0), "ok"))
        return pl_fail(CORRUPT, "read the records of persons: the file is damaged");
    return look_at_rows(persons, ledger, PERSONS_UNNAMED_STAY, true, NULL, ret);
}

/* --- copies --- */

static struct pl_status sync_file(const char *path)
{
    struct io *io = io_system();
    int fd = -1;
    PL_TRY(io->open(io, path, false, true, 0, &fd));
    struct pl_status status = io->sync(io, fd);
    io->close(io, fd);
    return status;
}

static struct pl_status copy_into(struct persons *persons, const char *to)
{
    char real[PATH_BYTES];
    sqlite3_stmt *vacuum PL_CLEANUP(finalize) = NULL;
    PL_TRY(make_file(to));
    PL_TRY(prepare(persons, "VACUUM INTO ?1", &vacuum));
    int code = sqlite3_bind_text(vacuum, 1, behind_links(to, real), -1, SQLITE_STATIC);
    PL_ASSERT(code == SQLITE_OK);
    PL_TRY(step(persons, vacuum));
    return sync_file(to);
}

struct pl_status persons_copy(const char *from, const char *to)
{
    enum { TRIES = 3 };
    struct pl_status status = pl_fail(UNAVAILABLE, "copy the file of persons");
    bool whole = false;
    for (int i = 0; i < TRIES && !whole; i++) {
        struct persons *persons = NULL;
        PL_TRY(persons_open(from, PERSONS_READ, &persons));
        (void)unlink(to);
        status = copy_into(persons, to);
        /* what is read-only for us alone may have got a writer meanwhile: a daemon that starts */
        whole = !persons->fixed || is_alone_and_fixed(from);
        persons_close(persons);
    }
    return whole || !pl_is_ok(status) ? status : pl_fail(BUSY, "copy the file of persons");
}
