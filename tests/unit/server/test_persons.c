/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a row is there when it was put, and not one byte of it when it was erased; the file is for
 * its owner alone; a record that does not fit its commitment is never given out. When the disk
 * fails all rows of a change are there or none, and the same change works again once it is well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include <dirent.h>

#include "../ledger/desk.h"
#include "common/check.h"
#include "dir_fixture.h"
#include "failing_vfs.h"
#include "server/persons.h"

struct place {
    char *dir;
    struct persons *persons;
    struct pl_arena arena;
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    p->dir = temp_new();
    pl_arena_init(&p->arena, 1 << 20);
    assert_true(pl_is_ok(persons_open(in_dir(p->dir, PERSONS_FILE), PERSONS_WRITE, &p->persons)));
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    persons_close(p->persons);
    pl_arena_fini(&p->arena);
    temp_remove(p->dir);
    free(p);
    return 0;
}

static struct persons_row row(const char *text, uint8_t salt)
{
    struct persons_row made = {.record = pl_slice_str(text)};
    memset(made.salt, salt, sizeof(made.salt));
    persons_commit(made.salt, made.record, made.commitment);
    return made;
}

static struct pl_slice commitment(const struct persons_row *of)
{
    return pl_slice(of->commitment, sizeof(of->commitment));
}

static enum pl_code get(struct place *p, const struct persons_row *of, struct pl_slice *ret)
{
    return persons_get(p->persons, commitment(of), &p->arena, ret).code;
}

/* Is the text anywhere in a file of the directory? */
static bool somewhere(const char *dir, const char *text)
{
    bool found = false;
    DIR *open_dir = opendir(dir);
    assert_non_null(open_dir);
    for (struct dirent *entry; (entry = readdir(open_dir)) != NULL;) {
        static char bytes[8 << 20];
        FILE *file = fopen(in_dir(dir, entry->d_name), "re");
        size_t len = file != NULL ? fread(bytes, 1, sizeof(bytes), file) : 0;
        found = found || memmem(bytes, len, text, strlen(text)) != NULL;
        if (file != NULL)
            (void)fclose(file);
    }
    (void)closedir(open_dir);
    return found;
}

static void test_put_and_got(void **state)
{
    struct place *p = *state;
    struct persons_row one = row("Ada Unmistakable", 1), other = row("Ada Unmistakable", 2);
    struct pl_slice record;
    assert_int_equal(get(p, &one, &record), PL_E_NOT_FOUND);
    assert_true(pl_is_ok(persons_put(p->persons, &one, 1)));
    assert_true(one.is_new);
    assert_int_equal(get(p, &one, &record), PL_E_OK);
    assert_true(pl_slice_eq_str(record, "Ada Unmistakable"));
    assert_int_equal(get(p, &other, &record), PL_E_NOT_FOUND);
    assert_true(pl_is_ok(persons_put(p->persons, &one, 1)));
    assert_false(one.is_new);
}

static void test_erased_bytes_are_gone(void **state)
{
    struct place *p = *state;
    struct persons_row rows[50];
    char text[50][64];
    for (unsigned i = 0; i < 50; i++) {
        (void)snprintf(text[i], sizeof(text[i]), "Person-%02u-Unmistakable", i);
        rows[i] = row(text[i], (uint8_t)i);
    }
    assert_true(pl_is_ok(persons_put(p->persons, rows, 50)));
    assert_true(pl_is_ok(persons_settle(p->persons, rows, 50)));
    assert_true(somewhere(p->dir, "Person-07-Unmistakable"));
    const struct pl_slice gone[] = {commitment(&rows[7]), commitment(&rows[30])};
    assert_true(pl_is_ok(persons_erase(p->persons, gone, 2)));
    assert_false(somewhere(p->dir, "Person-07-Unmistakable"));
    assert_false(somewhere(p->dir, "Person-30-Unmistakable"));
    assert_true(somewhere(p->dir, "Person-08-Unmistakable"));
    struct pl_slice record;
    assert_int_equal(get(p, &rows[7], &record), PL_E_NOT_FOUND);
    assert_int_equal(get(p, &rows[8], &record), PL_E_OK);
    assert_true(pl_is_ok(persons_erase(p->persons, gone, 2))); /* again: nothing to do */
}

/* Rows that move when pages are split and joined leave copies behind: these rows, put in this order
 * and taken away in the next, do. */
enum { MOVED = 300, MOVED_BEFORE = 110 /* that are taken away before one leaves a copy */ };
struct moved {
    struct persons_row row[MOVED];
    char text[MOVED][1000], name[32];
};

static unsigned moved_at(unsigned i)
{
    return i * 11 % MOVED;
}

static void put_moved(struct place *p, struct moved *moved)
{
    memset(moved, 0, sizeof(*moved));
    for (unsigned i = 0; i < MOVED; i++) {
        int len = snprintf(moved->text[i], sizeof(moved->text[i]), "Person-%03u-Unmistakable", i);
        memset(moved->text[i] + len, '.', i * 53 % 900);
        moved->row[i] = row(moved->text[i], (uint8_t)i);
        assert_true(pl_is_ok(persons_put(p->persons, &moved->row[i], 1)));
        assert_true(pl_is_ok(persons_settle(p->persons, &moved->row[i], 1)));
    }
}

/* Is the name of the i-th that is taken away still somewhere? */
static bool is_left(struct place *p, struct moved *moved, unsigned i)
{
    (void)snprintf(moved->name, sizeof(moved->name), "Person-%03u-Unmistakable", moved_at(i));
    return somewhere(p->dir, moved->name);
}

static void test_copies_are_gone_too(void **state)
{
    struct place *p = *state;
    static struct moved moved;
    put_moved(p, &moved);
    for (unsigned i = 0; i < MOVED; i++) {
        const struct pl_slice gone = commitment(&moved.row[moved_at(i)]);
        assert_true(pl_is_ok(persons_erase(p->persons, &gone, 1)));
        assert_false(is_left(p, &moved, i));
    }
}

/* As far as an erasure comes whose process is killed before it swept. */
static void take_away(struct place *p, const struct moved *moved, unsigned count)
{
    sqlite3 *file = NULL;
    sqlite3_stmt *remove = NULL;
    assert_int_equal(sqlite3_open(in_dir(p->dir, PERSONS_FILE), &file), SQLITE_OK);
    assert_int_equal(sqlite3_exec(file, "PRAGMA secure_delete = ON", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(file, "DELETE FROM record WHERE commitment = ?1", -1, &remove, NULL),
        SQLITE_OK);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(sqlite3_bind_blob(remove, 1, moved->row[moved_at(i)].commitment,
                                           LEDGER_COMMITMENT_BYTES, SQLITE_STATIC),
                         SQLITE_OK);
        assert_int_equal(sqlite3_step(remove), SQLITE_DONE);
        assert_int_equal(sqlite3_reset(remove), SQLITE_OK);
    }
    assert_int_equal(sqlite3_finalize(remove), SQLITE_OK);
    assert_int_equal(sqlite3_close(file), SQLITE_OK);
}

static void open_and_reconcile(struct place *p)
{
    struct persons_report found;
    struct ledger *ledger = ledger_new();
    assert_true(pl_is_ok(persons_open(in_dir(p->dir, PERSONS_FILE), PERSONS_WRITE, &p->persons)));
    assert_true(pl_is_ok(persons_reconcile(p->persons, ledger, PERSONS_UNNAMED_STAY, &found)));
    ledger_free(ledger);
}

/* Both files, as a process leaves them that is killed now. */
static void copy_files(struct place *p, const char *to)
{
    static const char *const names[] = {PERSONS_FILE, PERSONS_FILE "-wal"};
    static char bytes[8 << 20];
    for (size_t i = 0; i < PL_COUNT(names); i++) {
        FILE *from = fopen(in_dir(p->dir, names[i]), "re"),
             *into = fopen(in_dir(to, names[i]), "we");
        assert_true(from != NULL && into != NULL);
        size_t len = fread(bytes, 1, sizeof(bytes), from);
        assert_true(len < sizeof(bytes));
        assert_int_equal(fwrite(bytes, 1, len, into), len);
        assert_int_equal(fclose(into) + fclose(from), 0);
    }
}

static void test_what_a_crash_left_is_swept(void **state)
{
    struct place *p = *state;
    static struct moved moved;
    put_moved(p, &moved);
    take_away(p, &moved, MOVED_BEFORE + 1);
    struct place crashed = {.dir = temp_new()};
    copy_files(p, crashed.dir);
    assert_true(is_left(&crashed, &moved, MOVED_BEFORE));
    open_and_reconcile(&crashed);
    assert_false(is_left(&crashed, &moved, MOVED_BEFORE));
    persons_close(crashed.persons);
    temp_remove(crashed.dir);
}

static void with_sqlite(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int format_of(const struct place *p)
{
    const char *path = in_dir(p->dir, PERSONS_FILE);
    sqlite3 *file = NULL;
    sqlite3_stmt *ask = NULL;
    assert_int_equal(sqlite3_open(path, &file), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(file, "PRAGMA user_version", -1, &ask, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(ask), SQLITE_ROW);
    int format = sqlite3_column_int(ask, 0);
    assert_int_equal(sqlite3_finalize(ask) + sqlite3_close(file), SQLITE_OK);
    return format;
}

/* Versions before format 2 swept nothing, and ended in order: no log tells that something is left.
 * A reader changes nothing; the first start of a daemon sweeps, once. */
static void test_what_older_versions_left_is_swept(void **state)
{
    struct place *p = *state;
    static struct moved moved;
    put_moved(p, &moved);
    take_away(p, &moved, MOVED_BEFORE + 1);
    assert_int_equal(format_of(p), 2);
    with_sqlite(in_dir(p->dir, PERSONS_FILE),
                "PRAGMA user_version = 1; PRAGMA wal_checkpoint(TRUNCATE)");
    persons_close(p->persons);
    assert_true(is_left(p, &moved, MOVED_BEFORE));
    assert_true(pl_is_ok(persons_open(in_dir(p->dir, PERSONS_FILE), PERSONS_READ, &p->persons)));
    struct pl_slice record;
    assert_int_equal(get(p, &moved.row[moved_at(MOVED_BEFORE + 1)], &record), PL_E_OK);
    persons_close(p->persons);
    assert_int_equal(format_of(p), 1);
    open_and_reconcile(p);
    assert_false(is_left(p, &moved, MOVED_BEFORE));
    persons_close(p->persons);
    p->persons = NULL;
    assert_int_equal(format_of(p), 2);
}

static void test_settled_again_where_it_is_gone(void **state)
{
    struct place *p = *state;
    struct persons_row one = row("Back Again", 1);
    struct pl_slice record;
    assert_true(pl_is_ok(persons_settle(p->persons, &one, 1)));
    assert_int_equal(get(p, &one, &record), PL_E_OK);
}

static void test_a_record_that_does_not_fit(void **state)
{
    struct place *p = *state;
    struct persons_row one = row("True Words", 1);
    struct pl_slice record;
    one.record = pl_slice_str("Other Words");
    assert_true(pl_is_ok(persons_put(p->persons, &one, 1)));
    assert_int_equal(get(p, &one, &record), PL_E_CORRUPT);
}

static void test_only_the_owner_reads(void **state)
{
    struct place *p = *state;
    struct persons_row one = row("x", 1);
    static const char *const names[] = {"", "-wal", "-shm"};
    assert_true(pl_is_ok(persons_put(p->persons, &one, 1)));
    for (size_t i = 0; i < PL_COUNT(names); i++) {
        struct stat found;
        char name[32];
        (void)snprintf(name, sizeof(name), PERSONS_FILE "%s", names[i]);
        assert_int_equal(stat(in_dir(p->dir, name), &found), 0);
        assert_int_equal(found.st_mode & 0777, 0600);
    }
}

static void test_a_copy_is_whole(void **state)
{
    struct place *p = *state;
    struct persons_row one = row("Copied Person", 1);
    struct pl_slice record;
    struct stat found;
    assert_true(pl_is_ok(persons_put(p->persons, &one, 1)));
    const char *copy = in_dir(p->dir, "copy.db");
    assert_true(pl_is_ok(persons_copy(in_dir(p->dir, PERSONS_FILE), copy)));
    assert_int_equal(stat(copy, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    persons_close(p->persons);
    p->persons = NULL;
    assert_true(pl_is_ok(persons_open(copy, PERSONS_READ, &p->persons)));
    assert_int_equal(get(p, &one, &record), PL_E_OK);
    assert_false(pl_is_ok(persons_put(p->persons, &one, 1))); /* opened for reading */
}

static void test_other_files_are_refused(void **state)
{
    struct place *p = *state;
    struct persons *other = NULL;
    assert_int_equal(persons_open(in_dir(p->dir, "none"), PERSONS_READ, &other).code,
                     PL_E_NO_INPUT);
    char text[4097];
    memset(text, 'x', 4096);
    text[4096] = '\0';
    write_text(in_dir(p->dir, "text"), text);
    assert_int_equal(persons_open(in_dir(p->dir, "text"), PERSONS_READ, &other).code, PL_E_CORRUPT);
    assert_int_equal(persons_open(in_dir(p->dir, "text"), PERSONS_WRITE, &other).code,
                     PL_E_CORRUPT);
    assert_null(other);
}

static void test_against_an_empty_ledger(void **state)
{
    struct place *p = *state;
    struct ledger *ledger = ledger_new();
    struct persons_row pending = row("Pending", 1), settled = row("Settled", 2);
    struct persons_report found;
    struct pl_slice record;
    assert_true(pl_is_ok(persons_put(p->persons, &pending, 1)));
    assert_true(pl_is_ok(persons_settle(p->persons, &settled, 1)));
    assert_true(pl_is_ok(persons_reconcile(p->persons, ledger, PERSONS_UNNAMED_STAY, &found)));
    assert_int_equal(found.withdrawn + found.unknown, 2);
    assert_int_equal(get(p, &pending, &record), PL_E_OK);
    assert_true(pl_is_ok(persons_reconcile(p->persons, ledger, PERSONS_PENDING_GO, &found)));
    assert_int_equal(get(p, &pending, &record), PL_E_NOT_FOUND);
    assert_int_equal(get(p, &settled, &record), PL_E_OK);
    assert_true(pl_is_ok(persons_reconcile(p->persons, ledger, PERSONS_UNNAMED_GO, &found)));
    assert_int_equal(get(p, &settled, &record), PL_E_NOT_FOUND);
    assert_false(somewhere(p->dir, "Settled"));
    ledger_free(ledger);
}

/* Changes the file behind the room's back. */
static void test_files_of_others(void **state)
{
    struct place *p = *state;
    struct persons *other = NULL;
    const char *path = in_dir(p->dir, PERSONS_FILE);
    persons_close(p->persons);
    p->persons = NULL;
    with_sqlite(path, "PRAGMA user_version = 3");
    assert_int_equal(persons_open(path, PERSONS_READ, &other).code, PL_E_UNIMPLEMENTED);
    assert_int_equal(persons_open(path, PERSONS_WRITE, &other).code, PL_E_UNIMPLEMENTED);
    with_sqlite(path, "PRAGMA user_version = 1; PRAGMA application_id = 1");
    assert_int_equal(persons_open(path, PERSONS_WRITE, &other).code, PL_E_CORRUPT);
    assert_null(other);
    assert_int_equal(persons_open("/dev/null/no", PERSONS_WRITE, &other).code, PL_E_IO);
    assert_int_equal(symlink(path, in_dir(p->dir, "link")), 0);
    assert_int_equal(persons_open(in_dir(p->dir, "link"), PERSONS_READ, &other).code, PL_E_IO);
    assert_int_equal(persons_copy(in_dir(p->dir, "none"), in_dir(p->dir, "copy")).code,
                     PL_E_NO_INPUT);
}

/* The file is no link, but /var/lib/pledged may be one. */
static void test_a_directory_behind_a_link(void **state)
{
    struct place *p = *state;
    struct persons_row one = row("Known Person", 1);
    struct pl_slice record;
    char path[700];
    assert_true(pl_is_ok(persons_put(p->persons, &one, 1)));
    persons_close(p->persons);
    p->persons = NULL;
    assert_int_equal(symlink(p->dir, in_dir(p->dir, "elsewhere")), 0);
    (void)snprintf(path, sizeof(path), "%s/elsewhere/" PERSONS_FILE, p->dir);
    for (enum persons_mode mode = PERSONS_READ; mode <= PERSONS_WRITE; mode++) {
        persons_close(p->persons);
        p->persons = NULL;
        assert_true(pl_is_ok(persons_open(path, mode, &p->persons)));
        assert_int_equal(get(p, &one, &record), PL_E_OK);
    }
    assert_true(pl_is_ok(persons_copy(path, in_dir(p->dir, "elsewhere/copy"))));
}

/* A file that lost its table, or whose pages were overwritten, is told as what it is. */
static void test_damaged_files(void **state)
{
    struct place *p = *state;
    struct persons_row one = row("Whole Person", 1);
    struct persons_report found;
    struct pl_slice record;
    struct ledger *ledger = ledger_new();
    const char *path = in_dir(p->dir, PERSONS_FILE);
    assert_true(pl_is_ok(persons_put(p->persons, &one, 1)));
    persons_close(p->persons);
    for (off_t at = 4096; at < 4096 + 16; at++)
        damage(path, at); /* the begin of the table's page */
    assert_true(pl_is_ok(persons_open(path, PERSONS_WRITE, &p->persons)));
    assert_int_equal(get(p, &one, &record), PL_E_CORRUPT);
    assert_int_equal(persons_put(p->persons, &one, 1).code, PL_E_CORRUPT);
    assert_int_equal(persons_settle(p->persons, &one, 1).code, PL_E_CORRUPT);
    const struct pl_slice gone = commitment(&one);
    assert_int_equal(persons_erase(p->persons, &gone, 1).code, PL_E_CORRUPT);
    assert_int_equal(persons_check(p->persons, ledger, &found).code, PL_E_CORRUPT);
    assert_int_equal(persons_reconcile(p->persons, ledger, PERSONS_UNNAMED_GO, &found).code,
                     PL_E_CORRUPT);
    with_sqlite(in_dir(p->dir, "less"), "PRAGMA application_id = 1347178578;"
                                        "PRAGMA user_version = 1; CREATE TABLE other(a)");
    persons_close(p->persons);
    assert_true(pl_is_ok(persons_open(in_dir(p->dir, "less"), PERSONS_WRITE, &p->persons)));
    assert_int_equal(get(p, &one, &record), PL_E_IO);
    assert_int_equal(persons_put(p->persons, &one, 1).code, PL_E_IO);
    with_sqlite(in_dir(p->dir, "less"), "CREATE TABLE another(a)"); /* nothing is left locked */
    assert_int_equal(persons_settle(p->persons, &one, 1).code, PL_E_IO);
    assert_int_equal(persons_erase(p->persons, &gone, 1).code, PL_E_IO);
    assert_int_equal(persons_reconcile(p->persons, ledger, PERSONS_UNNAMED_GO, &found).code,
                     PL_E_IO);
    ledger_free(ledger);
}

/* What is in the place of a commitment is none: too short, nothing at all, or a text. */
static void test_rows_of_another_form(void **state)
{
    struct place *p = *state;
    struct ledger *ledger = ledger_new();
    struct persons_report found;
    const char *path = in_dir(p->dir, PERSONS_FILE);
    static const char *const wrong[] = {"x'0102'", "x''", "zeroblob(33)",
                                        "'abcdefghijklmnopqrstuvwxyz012345'"};
    for (size_t i = 0; i < PL_COUNT(wrong); i++) {
        char sql[200];
        persons_close(p->persons);
        (void)snprintf(sql, sizeof(sql), "INSERT INTO record VALUES(%s, zeroblob(32), x'01', 1)",
                       wrong[i]);
        with_sqlite(path, sql);
        assert_true(pl_is_ok(persons_open(path, PERSONS_WRITE, &p->persons)));
        for (int unnamed = PERSONS_UNNAMED_STAY; unnamed <= PERSONS_UNNAMED_GO; unnamed++)
            assert_int_equal(
                persons_reconcile(p->persons, ledger, (enum persons_unnamed)unnamed, &found).code,
                PL_E_CORRUPT);
        assert_true(pl_is_ok(persons_check(p->persons, ledger, &found)));
        assert_int_equal(found.damaged, 1);
        assert_int_equal(found.unknown + found.withdrawn, 0);
        with_sqlite(path, "DELETE FROM record");
    }
    ledger_free(ledger);
}

/* Rows are looked for where they belong: one that stands elsewhere would stay when it goes. */
static void test_rows_out_of_order(void **state)
{
    struct place *p = *state;
    struct ledger *ledger = ledger_new();
    struct persons_report found;
    const char *path = in_dir(p->dir, "turned");
    persons_close(p->persons);
    with_sqlite(path,
                "PRAGMA application_id = 1347178578; PRAGMA user_version = 2;"
                "CREATE TABLE record(commitment BLOB NOT NULL, salt BLOB NOT NULL, record BLOB NOT"
                " NULL, pending INTEGER NOT NULL, PRIMARY KEY(commitment DESC)) WITHOUT ROWID;"
                "INSERT INTO record VALUES(zeroblob(32), zeroblob(32), x'01', 1);"
                "INSERT INTO record VALUES(CAST(x'01' || zeroblob(31) AS BLOB), zeroblob(32),"
                " x'01', 1);"
                "PRAGMA writable_schema = ON;"
                "UPDATE sqlite_master SET sql = replace(sql, ' DESC', '')");
    assert_true(pl_is_ok(persons_open(path, PERSONS_WRITE, &p->persons)));
    assert_int_equal(persons_reconcile(p->persons, ledger, PERSONS_UNNAMED_GO, &found).code,
                     PL_E_CORRUPT);
    assert_int_equal(persons_check(p->persons, ledger, &found).code, PL_E_CORRUPT);
    ledger_free(ledger);
}

/* --- beside a ledger that names four records and has erased one of them --- */

static struct persons_row named(struct world *world, const char *text, uint8_t salt)
{
    struct persons_row made = row(text, salt);
    COMMAND_INIT_(command);
    Pledged__V1__RecordContact body = PLEDGED__V1__RECORD_CONTACT__INIT;
    body.contributor = (char *)(uintptr_t) "C000001";
    body.commitment = (ProtobufCBinaryData){sizeof(made.commitment), made.commitment};
    command.command_case = COMMAND(RECORD_CONTACT);
    command.record_contact = &body;
    give(world, &command);
    assert_accepted(world);
    return made;
}

static void test_against_a_ledger(void **state)
{
    struct place *p = *state;
    struct world w;
    struct persons_report found;
    struct pl_slice record;
    world_init(&w);
    add_contributor(&w, "One");
    struct persons_row kept = named(&w, "Kept", 1), erased = named(&w, "Erased", 2),
                       missing = named(&w, "Missing", 3), other = row("Other", 4);
    (void)named(&w, "Missing too", 5);
    erase(&w, "", "K000002", "");
    assert_accepted(&w);
    other.record = pl_slice_str("Another");
    assert_true(pl_is_ok(persons_put(p->persons, &kept, 1)));
    assert_true(pl_is_ok(persons_settle(p->persons, &erased, 1)));
    assert_true(pl_is_ok(persons_settle(p->persons, &other, 1)));
    for (int pass = 0; pass < 2; pass++) { /* looking changes nothing */
        assert_true(pl_is_ok(persons_check(p->persons, w.ledger, &found)));
        assert_int_equal(found.kept, 1);
        assert_int_equal(found.erased, 1);
        assert_int_equal(found.missing, 2);
        assert_int_equal(found.unknown, 1);
        assert_int_equal(found.withdrawn, 0);
        assert_int_equal(found.damaged, 1);
    }
    assert_true(pl_is_ok(persons_reconcile(p->persons, w.ledger, PERSONS_UNNAMED_STAY, &found)));
    assert_int_equal(found.missing, 2);
    assert_int_equal(get(p, &kept, &record), PL_E_OK);
    assert_int_equal(get(p, &erased, &record), PL_E_NOT_FOUND);
    assert_int_equal(get(p, &missing, &record), PL_E_NOT_FOUND);
    assert_int_equal(get(p, &other, &record), PL_E_CORRUPT); /* still there, never given out */
    assert_false(somewhere(p->dir, "Erased"));
    /* it was pending, and is not any more: nothing else tells */
    struct ledger *empty = ledger_new();
    assert_true(pl_is_ok(persons_reconcile(p->persons, empty, PERSONS_PENDING_GO, &found)));
    assert_int_equal(found.unknown, 2);
    assert_int_equal(found.withdrawn, 0);
    assert_int_equal(get(p, &kept, &record), PL_E_OK);
    ledger_free(empty);
    world_fini(&w);
}

/* More rows than the first list of changes has room for. */
static void test_many_rows_go(void **state)
{
    struct place *p = *state;
    static struct persons_row rows[200];
    struct ledger *ledger = ledger_new();
    struct persons_report found;
    for (size_t i = 0; i < PL_COUNT(rows); i++)
        rows[i] = row("Many", (uint8_t)i);
    assert_true(pl_is_ok(persons_put(p->persons, rows, PL_COUNT(rows))));
    assert_true(pl_is_ok(persons_reconcile(p->persons, ledger, PERSONS_PENDING_GO, &found)));
    assert_int_equal(found.withdrawn, PL_COUNT(rows));
    assert_true(pl_is_ok(persons_check(p->persons, ledger, &found)));
    assert_int_equal(found.withdrawn, 0);
    ledger_free(ledger);
}

/* --- the disk fails --- */

enum { FAILING_ROWS = 12 };

struct failing {
    struct place *place;
    struct persons_row rows[FAILING_ROWS];
    struct ledger *ledger;
};

static size_t count_rows(struct failing *f)
{
    size_t count = 0;
    struct pl_slice record;
    for (size_t i = 0; i < FAILING_ROWS; i++)
        count += get(f->place, &f->rows[i], &record) == PL_E_OK;
    return count;
}

static struct pl_status try_put(struct failing *f)
{
    return persons_put(f->place->persons, f->rows, FAILING_ROWS);
}
static struct pl_status try_settle(struct failing *f)
{
    return persons_settle(f->place->persons, f->rows, FAILING_ROWS);
}
static struct pl_status try_erase(struct failing *f)
{
    struct pl_slice gone[FAILING_ROWS];
    for (size_t i = 0; i < FAILING_ROWS; i++)
        gone[i] = commitment(&f->rows[i]);
    return persons_erase(f->place->persons, gone, FAILING_ROWS);
}
static struct pl_status try_reconcile(struct failing *f)
{
    struct persons_report found;
    return persons_reconcile(f->place->persons, f->ledger, PERSONS_UNNAMED_GO, &found);
}
static struct pl_status try_copy(struct failing *f)
{
    return persons_copy(in_dir(f->place->dir, PERSONS_FILE), in_dir(f->place->dir, "copy.db"));
}
/* Closed and opened: what is in the write-ahead log goes into the file. */
static struct pl_status try_open(struct failing *f)
{
    persons_close(f->place->persons);
    f->place->persons = NULL;
    return persons_open(in_dir(f->place->dir, PERSONS_FILE), PERSONS_WRITE, &f->place->persons);
}

struct trial {
    struct pl_status (*what)(struct failing *);
    size_t before, after; /* rows */
    bool gone;            /* none of their bytes are left once it went well */
};

/* One more life of a file in which the n-th call fails. True: there was such a call. */
static bool fail_once(void **state, const struct trial *trial, size_t n, int code, bool stays)
{
    char text[FAILING_ROWS][700];
    assert_int_equal(setup(state), 0);
    struct failing f = {.place = *state, .ledger = ledger_new()};
    for (unsigned i = 0; i < FAILING_ROWS; i++) {
        (void)snprintf(text[i], sizeof(text[i]), "Unmistakable-%02u-%0600u", i, i);
        f.rows[i] = row(text[i], (uint8_t)i);
    }
    if (trial->before != 0)
        assert_true(pl_is_ok(persons_put(f.place->persons, f.rows, FAILING_ROWS)));
    failing_vfs_at(n, code, stays);
    struct pl_status status = trial->what(&f);
    bool failed = failing_vfs.failed, opening = failing_vfs.opening;
    failing_vfs_at(0, 0, false);
    enum pl_code expected = code == SQLITE_FULL ? PL_E_NO_SPACE : PL_E_IO;
    if (!pl_is_ok(status))
        assert_true(failed && status.code == (opening ? PL_E_IO : expected));
    if (f.place->persons == NULL)
        assert_true(pl_is_ok(try_open(&f)));
    size_t rows = count_rows(&f);
    assert_true(rows == trial->before || rows == trial->after);
    assert_true(!pl_is_ok(status) || rows == trial->after);
    if (!pl_is_ok(status)) /* once more, and all is well */
        assert_true(pl_is_ok(trial->what(&f)));
    assert_int_equal(count_rows(&f), trial->after);
    if (trial->gone)
        assert_false(somewhere(f.place->dir, "Unmistakable"));
    ledger_free(f.ledger);
    assert_int_equal(teardown(state), 0);
    return failed;
}

static void test_the_disk_fails(void **state)
{
    const struct trial trials[] = {
        {try_put, 0, FAILING_ROWS, false},
        {try_settle, FAILING_ROWS, FAILING_ROWS, false},
        {try_settle, 0, FAILING_ROWS, false},
        {try_erase, FAILING_ROWS, 0, true},
        {try_reconcile, FAILING_ROWS, 0, true},
        {try_copy, FAILING_ROWS, FAILING_ROWS, false},
        {try_open, FAILING_ROWS, FAILING_ROWS, false},
    };
    static const int codes[] = {SQLITE_FULL, SQLITE_IOERR_WRITE};
    for (size_t i = 0; i < PL_COUNT(trials) * PL_COUNT(codes) * 2; i++) {
        const struct trial *trial = &trials[i / 4];
        size_t n = 1;
        while (n < 500 && fail_once(state, trial, n, codes[i % 2], i / 2 % 2 != 0))
            n++;
        assert_in_range(n, 3, 499); /* some calls failed, and then none was left */
    }
}

/* A sweep that did not work is the next start's, also after an orderly end. */
static void test_what_a_full_disk_left_is_swept(void **state)
{
    enum { MANY = 1 << 20 };
    static struct moved moved;
    size_t calls = MANY;
    for (int life = 0; life < 2; life++) { /* the first one counts */
        assert_int_equal(setup(state), 0);
        struct place *p = *state;
        put_moved(p, &moved);
        take_away(p, &moved, MOVED_BEFORE);
        const struct pl_slice gone = commitment(&moved.row[moved_at(MOVED_BEFORE)]);
        failing_vfs_at(life == 0 ? calls : calls / 2, SQLITE_FULL, false);
        struct pl_status status = persons_erase(p->persons, &gone, 1);
        calls -= failing_vfs.until;
        failing_vfs_at(0, 0, false);
        assert_int_equal(status.code, life == 0 ? PL_E_OK : PL_E_NO_SPACE);
        persons_close(p->persons);
        if (life == 1)
            assert_true(is_left(p, &moved, MOVED_BEFORE));
        open_and_reconcile(p);
        assert_false(is_left(p, &moved, MOVED_BEFORE));
        assert_int_equal(teardown(state), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put_and_got, setup, teardown),
        cmocka_unit_test_setup_teardown(test_erased_bytes_are_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copies_are_gone_too, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_a_crash_left_is_swept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_older_versions_left_is_swept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_settled_again_where_it_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_record_that_does_not_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_the_owner_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_copy_is_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_files_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_against_an_empty_ledger, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_of_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_directory_behind_a_link, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rows_of_another_form, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rows_out_of_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_against_a_ledger, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_rows_go, setup, teardown),
        cmocka_unit_test(test_the_disk_fails),
        cmocka_unit_test(test_what_a_full_disk_left_is_swept),
    };
    failing_vfs_install();
    return cmocka_run_group_tests_name("persons", tests, NULL, NULL);
}
