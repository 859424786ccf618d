/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a record goes on only beside the command that commits to it, in its place, with its own
 * salt, in the form of its kind; everything else is refused with the field, and no refusal says a
 * word of the record.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include <string.h>

#include "common/check.h"
#include "common/scan.h"
#include "server/private.h"

enum { MOVEMENTS = 3, STATEMENTS = 2, ARENA = 4 << 20 };

/* A request with its records, all of it in the arena. */
struct wish {
    struct pl_arena arena;
    Pledged__V1__ExecutePrivateRequest request;
    Pledged__V1__Command command;
    Pledged__V1__PrivateRecord *record[8];
    Pledged__V1__RecordContact contact;
    Pledged__V1__ImportStatement import;
    Pledged__V1__BankStatement *statement[STATEMENTS];
    Pledged__V1__Movement *movement[STATEMENTS][MOVEMENTS];
};

static void wish_init(struct wish *wish)
{
    memset(wish, 0, sizeof(*wish));
    pl_arena_init(&wish->arena, ARENA);
    pledged__v1__execute_private_request__init(&wish->request);
    pledged__v1__command__init(&wish->command);
    wish->request.command = &wish->command;
    wish->request.record = wish->record;
}

static void *copy(struct wish *wish, const void *data, size_t len)
{
    void *made = pl_arena_memdup(&wish->arena, data, len);
    assert_non_null(made);
    return made;
}

/* One more record of these bytes; the answer is what commits to it. */
static ProtobufCBinaryData bring(struct wish *wish, struct pl_slice bytes, uint8_t salt)
{
    uint8_t salts[PERSONS_SALT_BYTES], made[LEDGER_COMMITMENT_BYTES];
    Pledged__V1__PrivateRecord *record = pl_arena_alloc(&wish->arena, sizeof(*record));
    assert_non_null(record);
    pledged__v1__private_record__init(record);
    memset(salts, salt, sizeof(salts));
    persons_commit(salts, bytes, made);
    record->salt = (ProtobufCBinaryData){sizeof(salts), copy(wish, salts, sizeof(salts))};
    record->record = (ProtobufCBinaryData){bytes.len, copy(wish, bytes.data, bytes.len)};
    record->commitment = (ProtobufCBinaryData){sizeof(made), copy(wish, made, sizeof(made))};
    assert_in_range(wish->request.n_record, 0, PL_COUNT(wish->record) - 1);
    wish->record[wish->request.n_record++] = record;
    return (ProtobufCBinaryData){sizeof(made), copy(wish, made, sizeof(made))};
}

static Pledged__V1__Contact ada(void)
{
    Pledged__V1__Contact contact = PLEDGED__V1__CONTACT__INIT;
    contact.name = (char *)(uintptr_t) "Ada Unmistakable";
    contact.function = (char *)(uintptr_t) "Head of Unmistakable Things";
    contact.email = (char *)(uintptr_t) "ada@example.org";
    contact.phone = (char *)(uintptr_t) "+41 22 000 00 00";
    return contact;
}

static void want_contact_bytes(struct wish *wish, struct pl_slice bytes)
{
    wish_init(wish);
    pledged__v1__record_contact__init(&wish->contact);
    wish->command.command_case = PLEDGED__V1__COMMAND__COMMAND_RECORD_CONTACT;
    wish->command.record_contact = &wish->contact;
    wish->contact.commitment = bring(wish, bytes, 7);
}

static void want_contact(struct wish *wish, const Pledged__V1__Contact *contact)
{
    struct pl_arena arena;
    pl_arena_init(&arena, ARENA);
    struct pl_slice bytes = pl_pack(&contact->base, &arena);
    assert_non_null(bytes.data);
    want_contact_bytes(wish, bytes);
    pl_arena_fini(&arena);
}

static struct pl_slice payer_bytes(struct wish *wish, const char *name, const char *account,
                                   const char *text)
{
    Pledged__V1__PayerDetail payer = PLEDGED__V1__PAYER_DETAIL__INIT;
    payer.name = (char *)(uintptr_t)name;
    payer.account = (char *)(uintptr_t)account;
    payer.text = (char *)(uintptr_t)text;
    struct pl_slice bytes = pl_pack(&payer.base, &wish->arena);
    assert_non_null(bytes.data);
    return bytes;
}

/* Two statements of three movements, no record yet. */
static void want_import(struct wish *wish)
{
    wish_init(wish);
    pledged__v1__import_statement__init(&wish->import);
    wish->command.command_case = PLEDGED__V1__COMMAND__COMMAND_IMPORT_STATEMENT;
    wish->command.import_statement = &wish->import;
    wish->import.statement = wish->statement;
    wish->import.n_statement = STATEMENTS;
    for (size_t i = 0; i < STATEMENTS; i++) {
        wish->statement[i] = pl_arena_alloc(&wish->arena, sizeof(*wish->statement[i]));
        assert_non_null(wish->statement[i]);
        pledged__v1__bank_statement__init(wish->statement[i]);
        wish->statement[i]->movement = wish->movement[i];
        wish->statement[i]->n_movement = MOVEMENTS;
        for (size_t j = 0; j < MOVEMENTS; j++) {
            wish->movement[i][j] = pl_arena_alloc(&wish->arena, sizeof(*wish->movement[i][j]));
            assert_non_null(wish->movement[i][j]);
            pledged__v1__movement__init(wish->movement[i][j]);
        }
    }
}

/* The first, and the last of all, have a payer. */
static void want_two_payers(struct wish *wish)
{
    want_import(wish);
    wish->movement[0][0]->detail_commitment =
        bring(wish, payer_bytes(wish, "Bob Unmistakable", "CH93", "thanks"), 1);
    wish->movement[STATEMENTS - 1][MOVEMENTS - 1]->detail_commitment =
        bring(wish, payer_bytes(wish, "Eve Unmistakable", "", ""), 2);
}

static Pledged__V1__Refusal *read_it(struct wish *wish, struct persons_row **row, size_t *count)
{
    *row = NULL;
    *count = 0;
    return private_read(LEDGER_RULES, &wish->request, &wish->arena, row, count);
}

/* Refused for this field; nothing came of it, and the words tell nothing of the record. */
static void assert_wrong(struct wish *wish, const char *field, Pledged__V1__Reason reason)
{
    struct persons_row *row;
    size_t count;
    Pledged__V1__Refusal *found = read_it(wish, &row, &count);
    assert_non_null(found);
    assert_string_equal(found->field, field);
    assert_int_equal(found->reason, reason);
    assert_null(strstr(found->message, "Unmistakable"));
    assert_true(found->message[0] != '\0');
    assert_null(row);
    assert_int_equal(count, 0);
}
#define INVALID PLEDGED__V1__REASON__REASON_FIELD_INVALID

static void test_a_contact_becomes_a_row(void **state)
{
    (void)state;
    struct wish w;
    struct persons_row *row;
    size_t count;
    const Pledged__V1__Contact contact = ada();
    want_contact(&w, &contact);
    assert_int_equal(private_commitments(&w.command), 1);
    assert_null(read_it(&w, &row, &count));
    assert_int_equal(count, 1);
    assert_memory_equal(row->commitment, w.contact.commitment.data, LEDGER_COMMITMENT_BYTES);
    assert_memory_equal(row->salt, w.record[0]->salt.data, PERSONS_SALT_BYTES);
    assert_true(
        pl_slice_eq(row->record, pl_slice(w.record[0]->record.data, w.record[0]->record.len)));
    assert_false(row->is_new || row->named);
    pl_arena_fini(&w.arena);
}

static void test_payers_in_the_order_of_their_movements(void **state)
{
    (void)state;
    struct wish w;
    struct persons_row *row;
    size_t count;
    want_two_payers(&w);
    assert_int_equal(private_commitments(&w.command), 2);
    assert_null(read_it(&w, &row, &count));
    assert_int_equal(count, 2);
    assert_memory_equal(row[0].commitment, w.movement[0][0]->detail_commitment.data,
                        LEDGER_COMMITMENT_BYTES);
    assert_int_equal(row[0].salt[0], 1);
    assert_int_equal(row[1].salt[0], 2);
    Pledged__V1__PrivateRecord *first = w.record[0];
    w.record[0] = w.record[1];
    w.record[1] = first;
    assert_wrong(&w, "record.commitment", INVALID);
    pl_arena_fini(&w.arena);
}

static void test_one_record_for_each_and_no_other(void **state)
{
    (void)state;
    struct wish w;
    want_two_payers(&w);
    w.request.n_record = 1;
    assert_wrong(&w, "record", INVALID);
    w.request.n_record = 0;
    assert_wrong(&w, "record", INVALID);
    w.request.n_record = 2;
    (void)bring(&w, payer_bytes(&w, "Mallory", "", ""), 3);
    assert_wrong(&w, "record", INVALID);
    pl_arena_fini(&w.arena);
}

/* With a record beside them or none; an import may come this way for its size alone. */
static void test_commands_without_commitments(void **state)
{
    (void)state;
    struct wish w;
    struct persons_row *row;
    size_t count;
    want_import(&w);
    assert_int_equal(private_commitments(&w.command), 0);
    assert_null(read_it(&w, &row, &count));
    assert_null(row);
    assert_int_equal(count, 0);
    w.import.n_statement = 0;
    assert_int_equal(private_commitments(&w.command), 0);
    (void)bring(&w, payer_bytes(&w, "Mallory", "", ""), 3);
    assert_wrong(&w, "record", INVALID);
    pledged__v1__command__init(&w.command);
    assert_int_equal(private_commitments(&w.command), 0);
    assert_wrong(&w, "record", INVALID);
    w.command.command_case = PLEDGED__V1__COMMAND__COMMAND_RECORD_CONTACT;
    w.command.record_contact = &w.contact;
    pledged__v1__record_contact__init(&w.contact);
    assert_int_equal(private_commitments(&w.command), 0);
    assert_wrong(&w, "record", INVALID);
    pl_arena_fini(&w.arena);
}

static void test_more_than_may_travel(void **state)
{
    (void)state;
    static Pledged__V1__Movement movement[PRIVATE_RECORDS_MAX + 1];
    static Pledged__V1__Movement *list[PRIVATE_RECORDS_MAX + 1];
    struct wish w;
    want_import(&w);
    ProtobufCBinaryData commitment = bring(&w, payer_bytes(&w, "Bob", "", ""), 1);
    for (size_t i = 0; i < PL_COUNT(movement); i++) {
        pledged__v1__movement__init(&movement[i]);
        movement[i].detail_commitment = commitment;
        list[i] = &movement[i];
    }
    Pledged__V1__PrivateRecord *record[PRIVATE_RECORDS_MAX + 1];
    for (size_t i = 0; i < PL_COUNT(record); i++)
        record[i] = w.record[0];
    w.request.record = record;
    w.statement[0]->movement = list;
    w.statement[0]->n_movement = w.request.n_record = PRIVATE_RECORDS_MAX + 1;
    assert_wrong(&w, "record", INVALID);
    w.statement[0]->n_movement = w.request.n_record = PRIVATE_RECORDS_MAX;
    struct persons_row *row;
    size_t count;
    assert_null(read_it(&w, &row, &count));
    assert_int_equal(count, PRIVATE_RECORDS_MAX);
    pl_arena_fini(&w.arena);
}

/* Each byte of salt, record and both commitments counts. */
static void test_each_bit_counts(void **state)
{
    (void)state;
    struct wish w;
    const Pledged__V1__Contact contact = ada();
    want_contact(&w, &contact);
    ProtobufCBinaryData parts[] = {w.record[0]->salt, w.record[0]->record, w.record[0]->commitment,
                                   w.contact.commitment};
    for (size_t i = 0; i < PL_COUNT(parts); i++) {
        for (size_t j = 0; j < parts[i].len; j++) {
            parts[i].data[j] ^= 1;
            assert_wrong(&w, "record.commitment", INVALID);
            parts[i].data[j] ^= 1;
        }
    }
    w.record[0]->commitment.len--;
    assert_wrong(&w, "record.commitment", INVALID);
    w.record[0]->commitment.len = 0;
    assert_wrong(&w, "record.commitment", INVALID);
    w.record[0]->commitment.len = w.contact.commitment.len;
    w.contact.commitment.len--;
    assert_wrong(&w, "record.commitment", INVALID);
    pl_arena_fini(&w.arena);
}

static void test_sizes(void **state)
{
    (void)state;
    struct wish w;
    const Pledged__V1__Contact contact = ada();
    want_contact(&w, &contact);
    w.record[0]->salt.len = PERSONS_SALT_BYTES - 1;
    assert_wrong(&w, "record.salt", INVALID);
    w.record[0]->salt.len = 0;
    assert_wrong(&w, "record.salt", INVALID);
    w.record[0]->salt.len = PERSONS_SALT_BYTES + 1;
    assert_wrong(&w, "record.salt", INVALID);
    w.record[0]->salt.len = PERSONS_SALT_BYTES;
    w.record[0]->record.len = 0;
    assert_wrong(&w, "record.record", INVALID);
    pl_arena_fini(&w.arena);
    static const uint8_t large[PERSONS_RECORD_BYTES_MAX + 1];
    want_contact_bytes(&w, pl_slice(large, sizeof(large)));
    assert_wrong(&w, "record.record", INVALID);
    pl_arena_fini(&w.arena);
}

static void test_bytes_that_are_no_message(void **state)
{
    (void)state;
    struct wish w;
    want_contact_bytes(&w, pl_slice_str("\x0A\x7F"
                                        "Unmistakable"));
    assert_wrong(&w, "record.record", INVALID);
    pl_arena_fini(&w.arena);
    want_import(&w);
    w.movement[1][1]->detail_commitment = bring(&w, pl_slice_str("\xFF"), 1);
    assert_wrong(&w, "record.record", INVALID);
    pl_arena_fini(&w.arena);
}

/* The longest text of so many bytes, of which one may be something else. */
static const char *text_of(size_t len, size_t at, char odd)
{
    static char text[4][4001];
    static unsigned turn;
    char *made = text[turn++ % PL_COUNT(text)];
    memset(made, 'x', len);
    made[len] = '\0';
    if (at < len)
        made[at] = odd;
    return made;
}

static void try_contact(const char *name, const char *function, const char *email,
                        const char *phone, const char *wrong_field)
{
    struct wish w;
    struct persons_row *row;
    size_t count;
    Pledged__V1__Contact contact = PLEDGED__V1__CONTACT__INIT;
    contact.name = (char *)(uintptr_t)name;
    contact.function = (char *)(uintptr_t)function;
    contact.email = (char *)(uintptr_t)email;
    contact.phone = (char *)(uintptr_t)phone;
    want_contact(&w, &contact);
    if (wrong_field != NULL)
        assert_wrong(&w, wrong_field, INVALID);
    else
        assert_null(read_it(&w, &row, &count));
    pl_arena_fini(&w.arena);
}

static void test_texts_of_a_contact(void **state)
{
    (void)state;
    const char *fits = text_of(200, 200, 0);
    try_contact(fits, fits, fits, text_of(64, 64, 0), NULL);
    try_contact("A", "", "", "", NULL);
    try_contact("Zoë Ünmistakable", "", "", "", NULL);
    try_contact(text_of(201, 201, 0), "", "", "", "contact.name");
    try_contact("A", text_of(201, 201, 0), "", "", "contact.function");
    try_contact("A", "", text_of(201, 201, 0), "", "contact.email");
    try_contact("A", "", "", text_of(65, 65, 0), "contact.phone");
    for (int odd = 1; odd < 0x20; odd++)
        try_contact(text_of(20, 19, (char)odd), "", "", "", "contact.name");
    try_contact("A", text_of(20, 0, 0x7F), "", "", "contact.function");
    try_contact("A", "", text_of(20, 10, '\n'), "", "contact.email");
    try_contact("A", "", "", text_of(20, 10, '\t'), "contact.phone");
    try_contact("A\u202E", "", "", "", "contact.name");
    try_contact("A", "\u2066b", "", "", "contact.function");
    try_contact("A", "", "a\xC2\x9B", "", "contact.email");
    try_contact("A", "", "", "\u2028", "contact.phone");
}

static void test_a_contact_has_a_name(void **state)
{
    (void)state;
    static const char *const none[] = {"", " ", "     ", "\u00A0", " \u200B\u3000"};
    for (size_t i = 0; i < PL_COUNT(none); i++) {
        struct wish w;
        Pledged__V1__Contact contact = ada();
        contact.name = (char *)(uintptr_t)none[i];
        want_contact(&w, &contact);
        assert_wrong(&w, "contact.name", PLEDGED__V1__REASON__REASON_FIELD_REQUIRED);
        pl_arena_fini(&w.arena);
    }
}

/* Older daemons took what these rules refuse; no daemon took a name that is not there. */
static void test_what_older_rules_took(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool older;
    } rows[] = {{"Ada\u202E", true}, {"\u00A0", true}, {"", false}, {"a\tb", false}};
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct wish w;
        struct persons_row *row = NULL;
        size_t count = 0;
        Pledged__V1__Contact contact = ada();
        contact.name = (char *)(uintptr_t)rows[i].name;
        want_contact(&w, &contact);
        assert_non_null(private_read(11, &w.request, &w.arena, &row, &count));
        assert_int_equal(private_read(10, &w.request, &w.arena, &row, &count) == NULL,
                         rows[i].older);
        assert_int_equal(count, rows[i].older);
        pl_arena_fini(&w.arena);
    }
}

static void try_payer(const char *name, const char *account, const char *text, bool fits)
{
    struct wish w;
    struct persons_row *row;
    size_t count;
    want_import(&w);
    w.movement[0][2]->detail_commitment = bring(&w, payer_bytes(&w, name, account, text), 1);
    if (fits)
        assert_null(read_it(&w, &row, &count));
    else
        assert_wrong(&w, "payer_detail", INVALID);
    pl_arena_fini(&w.arena);
}

static void test_texts_of_a_payer(void **state)
{
    (void)state;
    try_payer(text_of(600, 600, 0), text_of(64, 64, 0), text_of(3000, 3000, 0), true);
    try_payer("a\u202Eb",
              "\xC2\x9B"
              "2J",
              "\u2066c", true); /* as the bank has it */
    try_payer(text_of(601, 601, 0), "", "", false);
    try_payer("", text_of(65, 65, 0), "", false);
    try_payer("", "", text_of(3001, 3001, 0), false);
    try_payer(text_of(9, 3, '\n'), "", "", false);
    try_payer("", text_of(9, 3, 0x7F), "", false);
    try_payer("", "", text_of(9, 3, 0x1F), false);
}

/* However little memory there is: the rows, or a refusal; never half of it. */
static void test_any_memory(void **state)
{
    (void)state;
    struct wish w;
    struct persons_row *row = NULL;
    size_t count = 0, refused = 0, budget = 0;
    want_two_payers(&w);
    for (; count == 0 && budget < ARENA; budget += 16) {
        struct pl_arena arena;
        pl_arena_init(&arena, budget);
        Pledged__V1__Refusal *found = private_read(LEDGER_RULES, &w.request, &arena, &row, &count);
        assert_true((found == NULL) == (count == 2));
        refused += found != NULL;
        assert_true(found == NULL || found->message[0] != '\0');
        pl_arena_fini(&arena);
    }
    assert_int_equal(count, 2);
    assert_true(refused > 2);
    pl_arena_fini(&w.arena);
}

/* All kinds: records come with two of them, and go with two others. */
static void test_which_commands_may_erase(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *type = &pledged__v1__command__descriptor;
    size_t erase = 0;
    for (unsigned i = 0; i < type->n_fields; i++) {
        Pledged__V1__Command command = PLEDGED__V1__COMMAND__INIT;
        command.command_case = (Pledged__V1__Command__CommandCase)type->fields[i].id;
        bool expected = strcmp(type->fields[i].name, "erase_contact") == 0 ||
                        strcmp(type->fields[i].name, "approve") == 0;
        assert_int_equal(private_may_erase(&command), expected);
        erase += expected;
    }
    assert_int_equal(erase, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_contact_becomes_a_row),
        cmocka_unit_test(test_payers_in_the_order_of_their_movements),
        cmocka_unit_test(test_one_record_for_each_and_no_other),
        cmocka_unit_test(test_commands_without_commitments),
        cmocka_unit_test(test_more_than_may_travel),
        cmocka_unit_test(test_each_bit_counts),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_bytes_that_are_no_message),
        cmocka_unit_test(test_texts_of_a_contact),
        cmocka_unit_test(test_a_contact_has_a_name),
        cmocka_unit_test(test_what_older_rules_took),
        cmocka_unit_test(test_texts_of_a_payer),
        cmocka_unit_test(test_any_memory),
        cmocka_unit_test(test_which_commands_may_erase),
    };
    return cmocka_run_group_tests_name("private", tests, NULL, NULL);
}
