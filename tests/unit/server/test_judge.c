/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what is wrong with a command in itself, or with what comes beside it, is its answer, and it
 * goes no further; what only the rules of today have against it goes along as an objection.
 */
#include "common/hash.h"
#include "server/judge.h"
#include "server/limits.h"
#include "server/private.h"
#include "signed_fixture.h"

enum { ENTRIES = 20, ARENA = 4 << 20 };

static struct judge judge;
static struct pl_arena arena;
static struct command_item item;
static Pledged__V1__Command c;
static Pledged__V1__AddContributor contributor;
static Pledged__V1__RecordContact contact;
static Pledged__V1__ImportStatement import;
static Pledged__V1__ClosePeriod close_period;
static uint8_t request_id[16] = {1}, commitment[LEDGER_COMMITMENT_BYTES] = {2}, bytes[] = {3, 4};
static const struct pl_slice packed = {bytes, sizeof(bytes)};

static char *lent(const char *text)
{
    return (char *)(uintptr_t)text;
}

static int begin(void **state)
{
    (void)state;
    pl_arena_init(&arena, ARENA);
    judge = (struct judge){.role = PLEDGED__V1__ROLE__ROLE_CLERK, .arena = &arena};
    memset(&item, 0xEE, sizeof(item)); /* a row of a batch is whatever it was before */
    pledged__v1__command__init(&c);
    pledged__v1__add_contributor__init(&contributor);
    pledged__v1__record_contact__init(&contact);
    pledged__v1__import_statement__init(&import);
    pledged__v1__close_period__init(&close_period);
    c.request_id = (ProtobufCBinaryData){sizeof(request_id), request_id};
    c.reason = lent("because");
    contributor.name = lent("Ministry");
    contributor.kind = PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_GOVERNMENT;
    contact.contributor = lent("C000001");
    contact.commitment = (ProtobufCBinaryData){sizeof(commitment), commitment};
    c.command_case = PLEDGED__V1__COMMAND__COMMAND_ADD_CONTRIBUTOR;
    c.add_contributor = &contributor;
    return 0;
}

static int end(void **state)
{
    (void)state;
    pl_arena_fini(&arena);
    return 0;
}

static void assert_goes_on(void)
{
    uint8_t digest[32];
    pl_sha256(packed, digest);
    judge_item(&judge, &item, &c, packed, false);
    assert_ptr_equal(item.msg, &c);
    assert_ptr_equal(item.bytes.data, packed.data);
    assert_memory_equal(item.digest, digest, sizeof(digest));
}

static void assert_refused(struct pl_slice of, bool with_records, Pledged__V1__Reason reason,
                           const char *field)
{
    judge_item(&judge, &item, &c, of, with_records);
    assert_null(item.msg);
    assert_int_equal(item.refusal->reason, reason);
    assert_string_equal(item.refusal->field, field);
    assert_string_not_equal(item.refusal->message, "");
    assert_int_equal(item.code, ledger_reason_code(reason));
    assert_int_equal(item.refusal->request_id.len, sizeof(request_id));
    assert_ptr_equal(item.refusal->request_id.data, request_id);
}
#define REFUSED(of_, with_records_, reason_, field_)                                               \
    assert_refused((of_), (with_records_), PLEDGED__V1__REASON__REASON_##reason_, (field_))

static void test_what_is_right_goes_on(void **state)
{
    (void)state;
    assert_goes_on();
    assert_null(item.objection);
}

static void test_the_role_comes_first(void **state)
{
    (void)state;
    judge.role = PLEDGED__V1__ROLE__ROLE_READER;
    contributor.name = lent("");
    REFUSED(packed, false, PERMISSION_DENIED, "");
    /* nobody has a right to no command: what is wrong is that there is none */
    c.command_case = PLEDGED__V1__COMMAND__COMMAND__NOT_SET;
    REFUSED(packed, false, COMMAND_MISSING, "command");
}

static void test_the_form(void **state)
{
    (void)state;
    contributor.name = lent("");
    REFUSED(packed, false, FIELD_REQUIRED, "add_contributor.name");
    assert_null(item.objection);
}

static void test_what_older_rules_took_is_an_objection(void **state)
{
    (void)state;
    contributor.name = lent("\u00A0"); /* of which nothing is seen */
    assert_goes_on();
    assert_non_null(item.objection);
    assert_string_equal(item.objection->field, "add_contributor.name");
    assert_ptr_equal(item.objection->request_id.data, request_id);
}

static void test_the_size(void **state)
{
    (void)state;
    static uint8_t large[LIMIT_IMPORT_BYTES + 1];
    judge_item(&judge, &item, &c, pl_slice(large, LIMIT_COMMAND_BYTES), false);
    assert_non_null(item.msg);
    REFUSED(pl_slice(large, LIMIT_COMMAND_BYTES + 1), false, TOO_BIG, "");
    REFUSED(pl_slice(large, LIMIT_COMMAND_BYTES + 1), true, TOO_BIG, "");
    /* an import may be larger, but not without what it brings */
    c.command_case = PLEDGED__V1__COMMAND__COMMAND_IMPORT_STATEMENT;
    c.import_statement = &import;
    REFUSED(pl_slice(large, LIMIT_COMMAND_BYTES + 1), false, TOO_BIG, "");
    judge_item(&judge, &item, &c, pl_slice(large, LIMIT_IMPORT_BYTES), true);
    assert_int_not_equal(item.refusal->reason, PLEDGED__V1__REASON__REASON_TOO_BIG);
    REFUSED(pl_slice(large, LIMIT_IMPORT_BYTES + 1), true, TOO_BIG, "");
}

static void test_a_record_has_to_come_with_it(void **state)
{
    (void)state;
    c.command_case = PLEDGED__V1__COMMAND__COMMAND_RECORD_CONTACT;
    c.record_contact = &contact;
    REFUSED(packed, false, FIELD_REQUIRED, "record");
    judge_item(&judge, &item, &c, packed, true);
    assert_ptr_equal(item.msg, &c);
}

/* The words that all share stay as they are: no request is theirs. */
static void test_no_room_to_say_why(void **state)
{
    (void)state;
    struct pl_arena none;
    pl_arena_init(&none, 1);
    judge.arena = &none;
    judge.role = PLEDGED__V1__ROLE__ROLE_READER;
    judge_item(&judge, &item, &c, packed, false);
    assert_null(item.msg);
    assert_ptr_equal(item.refusal, &ledger_too_large);
    assert_int_equal(ledger_too_large.request_id.len, 0);
    pl_arena_fini(&none);
}

/* --- records --- */

/* RecordContact beside the record of a person of this name. */
static Pledged__V1__Refusal *judge_person(const char *name, struct command *command)
{
    static Pledged__V1__ExecutePrivateRequest request;
    static Pledged__V1__PrivateRecord record, *records[] = {&record};
    static uint8_t salt[PERSONS_SALT_BYTES], text[128];
    Pledged__V1__Contact person = PLEDGED__V1__CONTACT__INIT;
    person.name = lent(name);
    struct pl_slice whole = {text, pledged__v1__contact__pack(&person, text)};
    persons_commit(salt, whole, commitment);
    pledged__v1__private_record__init(&record);
    record.salt = (ProtobufCBinaryData){sizeof(salt), salt};
    record.record = (ProtobufCBinaryData){whole.len, text};
    record.commitment = contact.commitment;
    pledged__v1__execute_private_request__init(&request);
    request.command = &c;
    request.n_record = 1;
    request.record = records;
    c.command_case = PLEDGED__V1__COMMAND__COMMAND_RECORD_CONTACT;
    c.record_contact = &contact;
    *command = (struct command){.arena = &arena, .item = &item, .item_count = 1};
    judge_item(&judge, &item, &c, packed, true);
    assert_non_null(item.msg);
    return judge_records(&request, command);
}

static void test_records(void **state)
{
    (void)state;
    struct command command;
    assert_null(judge_person("Ada", &command));
    assert_null(item.objection);
    assert_int_equal(command.row_count, 1);
    Pledged__V1__Refusal *wrong = judge_person("", &command); /* no daemon ever took that */
    assert_non_null(wrong);
    assert_string_equal(wrong->field, "record.record");
    assert_null(item.objection);
    assert_null(judge_person("a\u202Eb", &command)); /* older ones took that */
    assert_int_equal(command.row_count, 0);
    assert_non_null(item.objection);
    assert_ptr_equal(item.objection->request_id.data, request_id);
}

/* --- the checkpoint that the close of a month names --- */

static void test_the_head_of_a_close(void **state)
{
    (void)state;
    struct office office;
    struct fixture fx;
    struct pl_merkle_hash root;
    const struct fixture_wish wish = {.methods = proofs_methods,
                                      .method_count = proofs_method_count};
    office_open(&office, ENTRIES, &fx, &wish);
    struct proofs *proofs = office.service.proofs;
    judge.role = PLEDGED__V1__ROLE__ROLE_APPROVER;
    c.command_case = PLEDGED__V1__COMMAND__COMMAND_CLOSE_PERIOD;
    c.close_period = &close_period;
    close_period.period = lent("2026-01");
    close_period.head_size = ENTRIES;
    close_period.head_root = (ProtobufCBinaryData){sizeof(root.bytes), root.bytes};
    memset(&root, 0, sizeof(root));
    REFUSED(packed, false, FIELD_INVALID, "close_period.head_size"); /* nothing is signed here */
    judge.proofs = proofs;
    REFUSED(packed, false, FIELD_INVALID, "close_period.head_size"); /* nor there yet */
    sign_all(&office);
    PUMP_UNTIL(&fx, NULL, proofs_newest(proofs) != NULL);
    REFUSED(packed, false, FIELD_INVALID, "close_period.head_root");
    assert_true(pl_is_ok(proofs_root(proofs, ENTRIES, &root)));
    assert_goes_on();
    root.bytes[31] ^= 1;
    REFUSED(packed, false, FIELD_INVALID, "close_period.head_root");
    close_period.head_size = ENTRIES + 1;
    REFUSED(packed, false, FIELD_INVALID, "close_period.head_size");
    office_close(&office, &fx, NULL);
}

int main(void)
{
#define ROW(test_) cmocka_unit_test_setup_teardown(test_, begin, end)
    const struct CMUnitTest tests[] = {
        ROW(test_what_is_right_goes_on),
        ROW(test_the_role_comes_first),
        ROW(test_the_form),
        ROW(test_what_older_rules_took_is_an_objection),
        ROW(test_the_size),
        ROW(test_a_record_has_to_come_with_it),
        ROW(test_no_room_to_say_why),
        ROW(test_records),
        ROW(test_the_head_of_a_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
