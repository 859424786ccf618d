/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a record is kept exactly while some entry commits to it, also where the file was too busy
 * to take it away at once and the same command came again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include <poll.h>
#include <sqlite3.h>

#include "common/check.h"
#include "dir_fixture.h"
#include "server/registrar.h"

enum { WAIT_MS = 60000, WRITER_MAX = 16, INBOX_MAX = 16 };

struct place {
    char *dir;
    struct registrar *registrar;
    struct pl_mailbox *writer, *worker;
    struct pl_arena arena;
    struct pl_arena arena_of_thread; /* of commands: whoever has one may allocate there */
    Pledged__V1__GetPrivateRecordsRequest nothing;
    Pledged__V1__Command msg;
    Pledged__V1__Receipt receipt;
};

static void open_place(struct place *p)
{
    struct ledger *ledger = ledger_new();
    *p = (struct place){.dir = temp_new()};
    pledged__v1__command__init(&p->msg);
    pledged__v1__receipt__init(&p->receipt);
    p->receipt.kind = PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_NEW;
    pledged__v1__get_private_records_request__init(&p->nothing);
    pl_arena_init(&p->arena, 1 << 20);
    pl_arena_init(&p->arena_of_thread, 1 << 20);
    assert_true(pl_is_ok(pl_mailbox_new(WRITER_MAX, &p->writer)));
    assert_true(pl_is_ok(pl_mailbox_new(0, &p->worker)));
    const struct registrar_options options = {.data = p->dir,
                                              .ledger = ledger,
                                              .unnamed = PERSONS_PENDING_GO,
                                              .writer = p->writer,
                                              .inbox_limit = INBOX_MAX};
    assert_true(pl_is_ok(registrar_new(&options, &p->registrar)));
    ledger_free(ledger);
}

static void close_place(struct place *p)
{
    registrar_free(p->registrar);
    pl_mailbox_free(p->writer);
    pl_mailbox_free(p->worker);
    pl_arena_fini(&p->arena);
    pl_arena_fini(&p->arena_of_thread);
    temp_remove(p->dir);
}

static struct command *next_in(struct pl_mailbox *box)
{
    struct pollfd fd = {.fd = pl_mailbox_fd(box), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
    struct pl_mail *mail = pl_mailbox_take(box);
    assert_non_null(mail);
    return (struct command *)mail; /* mail is the first member */
}

/* One command with one record. */
static struct command *bring(struct place *p, const char *text, bool named)
{
    struct command *command = pl_arena_alloc(&p->arena, sizeof(*command));
    struct command_item *item = pl_arena_alloc(&p->arena, sizeof(*item));
    struct persons_row *row = pl_arena_alloc(&p->arena, sizeof(*row));
    *command = (struct command){.phase = COMMAND_QUEUED,
                                .home = p->worker,
                                .arena = &p->arena_of_thread,
                                .item = item,
                                .item_count = 1,
                                .row = row,
                                .row_count = 1};
    *item = (struct command_item){.msg = &p->msg};
    *row = (struct persons_row){.record = pl_slice_str(text), .named = named};
    persons_commit(row->salt, row->record, row->commitment);
    assert_true(registrar_post(p->registrar, command));
    return command;
}

/* It is with the writer. */
static struct command *hand_in(struct place *p, const char *text, bool named)
{
    struct command *command = bring(p, text, named);
    assert_ptr_equal(next_in(p->writer), command);
    return command;
}

/* The writer says so of all of it, or of its only item. */
static void answer(struct place *p, struct command *command, enum pl_code whole, enum pl_code item)
{
    command->phase = COMMAND_DONE;
    command->code = whole;
    command->item->code = item;
    command->item->receipt = whole == PL_E_OK && item == PL_E_OK ? &p->receipt : NULL;
    assert_true(pl_mailbox_post(command->home, &command->mail));
    assert_ptr_equal(next_in(p->worker), command);
}

static void give_told(struct place *p, const char *text, enum pl_code whole, enum pl_code item)
{
    answer(p, hand_in(p, text, whole == PL_E_OK && item == PL_E_OK), whole, item);
}

/* The writer records it or is busy. */
static void give(struct place *p, const char *text, bool recorded)
{
    give_told(p, text, recorded ? PL_E_OK : PL_E_BUSY, PL_E_OK);
}

static bool is_kept(struct place *p, const char *text)
{
    struct persons *persons = NULL;
    uint8_t salt[PERSONS_SALT_BYTES] = {0}, commitment[LEDGER_COMMITMENT_BYTES];
    struct pl_slice record;
    persons_commit(salt, pl_slice_str(text), commitment);
    assert_true(pl_is_ok(persons_open(in_dir(p->dir, PERSONS_FILE), PERSONS_READ, &persons)));
    struct pl_status status =
        persons_get(persons, pl_slice(commitment, sizeof(commitment)), &p->arena, &record);
    persons_close(persons);
    assert_true(pl_is_ok(status) || status.code == PL_E_NOT_FOUND);
    return pl_is_ok(status);
}

static void test_kept_while_recorded(void **state)
{
    (void)state;
    struct place p;
    open_place(&p);
    give(&p, "one", true);
    give(&p, "two", false);
    assert_true(is_kept(&p, "one"));
    assert_false(is_kept(&p, "two"));
    close_place(&p);
}

/* An entry may name it: the next start knows. */
static void test_kept_while_nobody_knows(void **state)
{
    (void)state;
    struct place p;
    open_place(&p);
    give_told(&p, "one", PL_E_UNKNOWN_OUTCOME, PL_E_OK);
    give_told(&p, "two", PL_E_OK, PL_E_UNKNOWN_OUTCOME);
    give_told(&p, "three", PL_E_OK, PL_E_UNAVAILABLE);
    assert_true(is_kept(&p, "one"));
    assert_true(is_kept(&p, "two"));
    assert_false(is_kept(&p, "three"));
    close_place(&p);
}

/* The first of two that bring the same record wrote it, and comes to nothing: it stays for the
 * other, whose entry may be on the disk by then. */
static void test_brought_by_two_at_a_time(void **state)
{
    (void)state;
    struct place p;
    open_place(&p);
    struct command *first = hand_in(&p, "one", false), *second = hand_in(&p, "one", true);
    answer(&p, first, PL_E_BUSY, PL_E_OK);
    assert_true(is_kept(&p, "one"));
    answer(&p, second, PL_E_OK, PL_E_OK);
    assert_true(is_kept(&p, "one"));
    close_place(&p);
}

/* Each comes to nothing, in either order: nobody asked to keep it, and the last one takes it away.
 */
static void test_brought_by_many_for_nothing(void **state)
{
    (void)state;
    static const size_t order[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                      {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct place p;
    open_place(&p);
    for (size_t k = 0; k < PL_COUNT(order); k++) {
        struct command *command[3];
        for (size_t i = 0; i < PL_COUNT(command); i++)
            command[i] = hand_in(&p, "one", false);
        for (size_t i = 0; i < PL_COUNT(command); i++) {
            assert_true(is_kept(&p, "one"));
            answer(&p, command[order[k][i]], PL_E_BUSY, PL_E_OK);
        }
        assert_false(is_kept(&p, "one"));
    }
    close_place(&p);
}

/* The second one is decided first (a long command lets others pass) and recorded, or may be: the
 * first one, which wrote the record, has nothing to take away. */
static void test_recorded_by_the_second_first(void **state)
{
    (void)state;
    static const enum pl_code told[] = {PL_E_OK, PL_E_UNKNOWN_OUTCOME};
    static const char *const text[] = {"one", "two"};
    struct place p;
    open_place(&p);
    for (size_t k = 0; k < PL_COUNT(told); k++) {
        struct command *first = hand_in(&p, text[k], false), *second = hand_in(&p, text[k], true);
        struct command *third = hand_in(&p, text[k], false);
        answer(&p, second, PL_E_OK, told[k]);
        answer(&p, third, PL_E_BUSY, PL_E_OK);
        answer(&p, first, PL_E_BUSY, PL_E_OK);
        assert_true(is_kept(&p, text[k]));
    }
    close_place(&p);
}

/* Recorded, but for another record that it brought. */
static void test_brought_by_two_and_named_by_none(void **state)
{
    (void)state;
    struct place p;
    open_place(&p);
    struct command *first = hand_in(&p, "one", false), *second = hand_in(&p, "one", false);
    answer(&p, first, PL_E_OK, PL_E_OK);
    assert_true(is_kept(&p, "one"));
    answer(&p, second, PL_E_OK, PL_E_OK);
    assert_false(is_kept(&p, "one"));
    close_place(&p);
}

/* Somebody who reads the file (a backup does) keeps a record that has to go. It is brought again
 * and recorded: what could not be done before must not be done now. */
static void test_brought_again_while_the_file_is_busy(void **state)
{
    (void)state;
    struct place p;
    sqlite3 *reader = NULL;
    open_place(&p);
    give(&p, "other", true);
    assert_int_equal(sqlite3_open(in_dir(p.dir, PERSONS_FILE), &reader), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM sqlite_master", NULL, NULL, NULL),
        SQLITE_OK);
    give(&p, "again", false);
    give(&p, "again", true);
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    give(&p, "more", true); /* after each command the thread looks whether something is undone */
    give(&p, "more still", true);
    assert_true(is_kept(&p, "again"));
    assert_true(is_kept(&p, "other"));
    close_place(&p);
}

/* The record was on the disk by then. */
static void test_the_writer_takes_no_more(void **state)
{
    (void)state;
    struct place p;
    struct pl_mail other[WRITER_MAX];
    open_place(&p);
    for (size_t i = 0; i < WRITER_MAX; i++)
        assert_true(pl_mailbox_post(p.writer, &other[i]));
    struct command *command = bring(&p, "one too many", true);
    assert_ptr_equal(next_in(p.worker), command);
    assert_int_equal(command->phase, COMMAND_DONE);
    assert_int_equal(command->code, PL_E_BUSY);
    assert_null(command->refusal);
    assert_false(is_kept(&p, "one too many"));
    assert_ptr_equal(pl_mailbox_take(p.writer), &other[0]);
    give(&p, "one too many", true);
    assert_true(is_kept(&p, "one too many"));
    close_place(&p);
}

/* Somebody who writes into the file holds the thread up; what comes meanwhile waits. Of who posts
 * alone it is always true: where there was room, there still is. */
static void test_room(void **state)
{
    (void)state;
    struct place p;
    sqlite3 *writer = NULL;
    size_t waiting = 1;
    open_place(&p);
    assert_true(registrar_has_room(p.registrar));
    give(&p, "other", true);
    assert_int_equal(sqlite3_open(in_dir(p.dir, PERSONS_FILE), &writer), SQLITE_OK);
    assert_int_equal(sqlite3_exec(writer, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct command *held_up = bring(&p, "held up", false);
    for (size_t i = 0; i < 3 * INBOX_MAX; i++) {
        struct command *command = pl_arena_alloc(&p.arena, sizeof(*command));
        *command = (struct command){.phase = COMMAND_QUEUED,
                                    .kind = COMMAND_RECORDS,
                                    .home = p.worker,
                                    .arena = &p.arena_of_thread,
                                    .request = &p.nothing.base};
        bool room = registrar_has_room(p.registrar);
        bool posted = registrar_post(p.registrar, command);
        assert_true(posted || !room);
        waiting += posted;
    }
    assert_int_equal(sqlite3_close(writer), SQLITE_OK);
    while (waiting > 0) { /* to the writer, or home: it was held up for too long */
        struct pollfd fds[] = {{.fd = pl_mailbox_fd(p.writer), .events = POLLIN},
                               {.fd = pl_mailbox_fd(p.worker), .events = POLLIN}};
        assert_true(poll(fds, PL_COUNT(fds), WAIT_MS) > 0);
        if (pl_mailbox_take(p.writer) != NULL) {
            held_up->phase = COMMAND_DONE;
            held_up->code = PL_E_BUSY;
            assert_true(pl_mailbox_post(held_up->home, &held_up->mail));
        }
        for (struct pl_mail *mail = pl_mailbox_take(p.worker); mail != NULL; mail = mail->next)
            waiting--;
    }
    assert_true(registrar_has_room(p.registrar));
    close_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_while_recorded),
        cmocka_unit_test(test_kept_while_nobody_knows),
        cmocka_unit_test(test_brought_by_two_at_a_time),
        cmocka_unit_test(test_brought_by_many_for_nothing),
        cmocka_unit_test(test_recorded_by_the_second_first),
        cmocka_unit_test(test_brought_by_two_and_named_by_none),
        cmocka_unit_test(test_brought_again_while_the_file_is_busy),
        cmocka_unit_test(test_the_writer_takes_no_more),
        cmocka_unit_test(test_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
