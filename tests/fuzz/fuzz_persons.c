/* SPDX-License-Identifier: Apache-2.0
 *
 * persons: the file with the records of persons, as a damaged disk or a backup has it. First byte
 * even: the file is what follows; odd: it is a good one in which single bytes differ, three bytes
 * each (where, what). Whatever is in it: what is given out makes its commitment, what is said to be
 * erased cannot be asked for any more, and what is found wrong is told as what it is.
 */
#include "common/arena.h"
#include "fuzz.h"
#include "server/persons.h"

enum { ROWS = 40, CHANGES_MAX = 64, COPY_MAX = 1 << 16 };

static struct persons_row rows[ROWS];
static uint8_t good[COPY_MAX];
static size_t good_len;

static void make_rows(void)
{
    static char text[ROWS][400];
    for (size_t i = 0; i < ROWS; i++) {
        int len = snprintf(text[i], sizeof(text[i]), "person %zu %0*d", i, (int)(7 * i + 1), 0);
        rows[i] = (struct persons_row){.record = pl_slice(text[i], (size_t)len)};
        memset(rows[i].salt, (int)i, sizeof(rows[i].salt));
        persons_commit(rows[i].salt, rows[i].record, rows[i].commitment);
    }
}

/* Half of the rows are pending. */
static void make_good(void)
{
    char path[FUZZ_PATH_BYTES];
    struct persons *persons = NULL;
    make_rows();
    (void)snprintf(path, sizeof(path), "%s/good", fuzz_dir());
    FUZZ_HOLDS(pl_is_ok(persons_open(path, PERSONS_WRITE, &persons)));
    FUZZ_HOLDS(pl_is_ok(persons_put(persons, rows, ROWS)));
    FUZZ_HOLDS(pl_is_ok(persons_settle(persons, rows, ROWS / 2)));
    persons_close(persons);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    FUZZ_HOLDS(fd >= 0);
    ssize_t got = read(fd, good, sizeof(good));
    FUZZ_HOLDS(got > 4096 && got < (ssize_t)sizeof(good));
    good_len = (size_t)got;
    FUZZ_HOLDS(close(fd) == 0);
}

static void put_file(const uint8_t *data, size_t len, char path[FUZZ_PATH_BYTES])
{
    static uint8_t bytes[COPY_MAX];
    char beside[FUZZ_PATH_BYTES + 8];
    if ((data[0] & 1) == 0) {
        fuzz_file(PERSONS_FILE, pl_slice(data + 1, len - 1), path);
    } else {
        memcpy(bytes, good, good_len);
        for (size_t at = 1; at + 3 <= len && at < (size_t)3 * CHANGES_MAX; at += 3)
            bytes[((size_t)data[at] << 8 | data[at + 1]) % good_len] = data[at + 2];
        fuzz_file(PERSONS_FILE, pl_slice(bytes, good_len), path);
    }
    (void)snprintf(beside, sizeof(beside), "%s-wal", path);
    (void)unlink(beside);
    (void)snprintf(beside, sizeof(beside), "%s-shm", path);
    (void)unlink(beside);
}

/* The disk is well, so it is the file; SQL that does not fit its tables is told as IO. */
static bool told(struct pl_status status)
{
    FUZZ_HOLDS(pl_is_ok(status) || status.what != NULL);
    return pl_is_ok(status) || status.code == PL_E_CORRUPT || status.code == PL_E_NOT_FOUND ||
           status.code == PL_E_UNIMPLEMENTED || status.code == PL_E_IO ||
           status.code == PL_E_TOO_BIG || status.code == PL_E_NO_SPACE;
}

static bool ask(struct persons *persons, const struct persons_row *row, struct pl_arena *arena)
{
    struct pl_slice record = {NULL, 0};
    struct pl_slice commitment = pl_slice(row->commitment, sizeof(row->commitment));
    struct pl_status status = persons_get(persons, commitment, arena, &record);
    FUZZ_HOLDS(told(status));
    FUZZ_HOLDS(!pl_is_ok(status) || pl_slice_eq(record, row->record));
    return pl_is_ok(status);
}

static void look_at(struct persons *persons, const struct ledger *ledger, struct pl_arena *arena)
{
    struct persons_report found;
    for (size_t i = 0; i < ROWS; i++)
        (void)ask(persons, &rows[i], arena);
    FUZZ_HOLDS(told(persons_check(persons, ledger, &found)));
}

/* As a daemon does it: nothing is changed before the file was put right at a start. */
static void change(struct persons *persons, const struct ledger *ledger, struct pl_arena *arena)
{
    struct persons_report found;
    struct pl_slice gone = pl_slice(rows[3].commitment, sizeof(rows[3].commitment));
    struct pl_status status = persons_reconcile(persons, ledger, PERSONS_PENDING_GO, &found);
    FUZZ_HOLDS(told(status));
    if (!pl_is_ok(status))
        return;
    FUZZ_HOLDS(told(persons_put(persons, &rows[1], 1)));
    FUZZ_HOLDS(told(persons_settle(persons, &rows[2], 1)));
    status = persons_erase(persons, &gone, 1);
    FUZZ_HOLDS(told(status));
    FUZZ_HOLDS(!pl_is_ok(status) || !ask(persons, &rows[3], arena));
    status = persons_reconcile(persons, ledger, PERSONS_UNNAMED_GO, &found);
    FUZZ_HOLDS(told(status));
    for (size_t i = 0; pl_is_ok(status) && i < ROWS; i++)
        FUZZ_HOLDS(!ask(persons, &rows[i], arena)); /* the ledger names none */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char path[FUZZ_PATH_BYTES], copy[FUZZ_PATH_BYTES];
    struct persons *persons = NULL;
    struct pl_arena arena;
    if (len < 1)
        return 0;
    if (good_len == 0)
        make_good();
    put_file(data, len, path);
    pl_arena_init(&arena, 1 << 20);
    struct ledger *ledger = ledger_new();
    struct pl_status status = persons_open(path, PERSONS_READ, &persons);
    FUZZ_HOLDS(told(status));
    if (pl_is_ok(status)) {
        look_at(persons, ledger, &arena);
        persons_close(persons);
        (void)snprintf(copy, sizeof(copy), "%s/copy", fuzz_dir());
        FUZZ_HOLDS(told(persons_copy(path, copy)));
    }
    status = persons_open(path, PERSONS_WRITE, &persons);
    FUZZ_HOLDS(told(status));
    if (pl_is_ok(status)) {
        change(persons, ledger, &arena);
        persons_close(persons);
    }
    ledger_free(ledger);
    pl_arena_fini(&arena);
    return 0;
}
