/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a row is there when it was put, and not one byte of it when it was erased; the file is for
 * its owner alone; a record that does not fit its commitment is never given out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include <dirent.h>

#include "common/check.h"
#include "dir_fixture.h"
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
        static char bytes[1 << 20];
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put_and_got, setup, teardown),
        cmocka_unit_test_setup_teardown(test_erased_bytes_are_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_settled_again_where_it_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_record_that_does_not_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_the_owner_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_copy_is_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_files_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_against_an_empty_ledger, setup, teardown),
    };
    return cmocka_run_group_tests_name("persons", tests, NULL, NULL);
}
