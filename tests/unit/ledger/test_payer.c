/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: who paid is known to the ledger by a commitment alone, is erased once, with the
 * organisation whose money it is or alone, never under a legal hold; a saved state remembers it.
 */
#include "desk.h"
#include "server/ledger/payer.h"

#define ACCOUNT "CH8109000000150001234"

static void have_account(struct world *world)
{
    free(world->ledger->account);
    world->ledger->account = calloc(1, sizeof(*world->ledger->account));
    world->ledger->account_count = 1;
    (void)snprintf(world->ledger->account[0].account, sizeof(world->ledger->account[0].account),
                   ACCOUNT);
    world->ledger->account[0].currency = (int16_t)pl_currency_index("CHF");
}

/* `count` payments of 1.00, 2.00 ...; their commitments are of bytes first, first + 1 ...; 0: none
 */
static void import(struct world *world, const char *id, uint8_t first, size_t count)
{
    static uint8_t sha256[32];
    Pledged__V1__Movement movement[300], *list[300];
    uint8_t commitment[300][32];
    char ref[300][32];
    Pledged__V1__BankStatement bank = PLEDGED__V1__BANK_STATEMENT__INIT, *banks[] = {&bank};
    Pledged__V1__ImportStatement body = PLEDGED__V1__IMPORT_STATEMENT__INIT;
    COMMAND_INIT_(command);
    bank.kind = PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_NOTIFICATION;
    bank.account = (char *)(uintptr_t)ACCOUNT;
    bank.currency = (char *)(uintptr_t) "CHF";
    bank.id = (char *)(uintptr_t)id;
    bank.created = (char *)(uintptr_t) "2026-02-03";
    for (size_t i = 0; i < count; i++) {
        pledged__v1__movement__init(&movement[i]);
        movement[i].kind = PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT;
        movement[i].minor = (int64_t)(i + 1) * 100;
        movement[i].booking_date = (char *)(uintptr_t) "2026-02-02";
        movement[i].value_date = movement[i].booking_date;
        (void)snprintf(ref[i], sizeof(ref[i]), "X%u-%zu", first, i);
        movement[i].bank_ref = ref[i];
        memset(commitment[i], first, 32);
        memcpy(commitment[i], &i, sizeof(uint16_t));
        if (first != 0)
            movement[i].detail_commitment = (ProtobufCBinaryData){32, commitment[i]};
        list[i] = &movement[i];
    }
    bank.n_movement = count;
    bank.movement = list;
    body.file_sha256 = (ProtobufCBinaryData){32, sha256};
    body.n_statement = 1;
    body.statement = banks;
    command.command_case = COMMAND(IMPORT_STATEMENT);
    command.import_statement = &body;
    give(world, &command);
}

static void erase(struct world *world, const char *contributor, const char *bank_entry)
{
    COMMAND_INIT_(command);
    Pledged__V1__EraseContact body = PLEDGED__V1__ERASE_CONTACT__INIT;
    body.contributor = (char *)(uintptr_t)contributor;
    body.bank_entry = (char *)(uintptr_t)bank_entry;
    command.command_case = COMMAND(ERASE_CONTACT);
    command.erase_contact = &body;
    give(world, &command);
}

static void legal_hold(struct world *world, const char *contributor, bool on)
{
    COMMAND_INIT_(command);
    Pledged__V1__SetLegalHold body = PLEDGED__V1__SET_LEGAL_HOLD__INIT;
    body.contributor = (char *)(uintptr_t)contributor;
    body.on = on;
    command.command_case = COMMAND(SET_LEGAL_HOLD);
    command.set_legal_hold = &body;
    give(world, &command);
    assert_accepted(world);
}

static enum ledger_erasable look(const struct world *world, uint8_t first, uint16_t at)
{
    uint8_t commitment[32];
    memset(commitment, first, sizeof(commitment));
    memcpy(commitment, &at, sizeof(at));
    return ledger_erasable(world->ledger, commitment);
}

/* Three payments that nobody has explained: B000002 to B000004. */
static void ready(struct world *world)
{
    desk_ready(world, 100);
    have_account(world);
    import(world, "A", 7, 3);
    assert_accepted(world);
    assert_int_equal(look(world, 7, 2), LEDGER_ERASABLE_LIVE);
    assert_balanced(world);
}

static void test_one_alone(void **state)
{
    (void)state;
    struct world w;
    ready(&w);
    erase(&w, "", "B000003");
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->n_erased, 1);
    assert_string_equal(w.receipt->outcome->bank_entry, "B000003");
    assert_int_equal(look(&w, 7, 1), LEDGER_ERASABLE_ERASED);
    assert_int_equal(look(&w, 7, 0), LEDGER_ERASABLE_LIVE);
    uint64_t by = w.ledger->size;
    erase(&w, "", "B000003");
    assert_refused(&w, CONTACT_UNKNOWN);
    assert_int_equal(w.refusal->deciding_seq, by);
    erase(&w, "", "B000001"); /* paid by hand: nothing is known of the payer */
    assert_refused(&w, CONTACT_UNKNOWN);
    erase(&w, "", "B000099");
    assert_refused(&w, BANK_ENTRY_UNKNOWN);
    erase(&w, "C000001", "B000002");
    assert_refused(&w, FIELD_REQUIRED);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_with_the_organisation(void **state)
{
    (void)state;
    struct world w;
    ready(&w);
    erase(&w, "C000001", ""); /* no money of the three is for it yet */
    assert_refused(&w, CONTACT_UNKNOWN);
    allocate(&w, "B000002", "P000001", 0, NULL, 0, NULL);
    allocate(&w, "B000003", "P000001", 100, "CHF", 0, NULL);
    allocate(&w, "B000003", "P000002", 100, "CHF", 0, NULL); /* for two of them */
    allocate(&w, "B000004", "P000002", 0, NULL, 0, NULL);
    assert_accepted(&w);
    legal_hold(&w, "C000002", true);
    erase(&w, "", "B000003");
    assert_refused(&w, LEGAL_HOLD);
    erase(&w, "C000002", "");
    assert_refused(&w, LEGAL_HOLD);
    erase(&w, "C000001", "");
    assert_accepted(&w); /* what is the other one's as well stays while that is held */
    assert_int_equal(w.receipt->outcome->n_erased, 1);
    assert_int_equal(look(&w, 7, 0), LEDGER_ERASABLE_ERASED);
    assert_int_equal(look(&w, 7, 1), LEDGER_ERASABLE_LIVE);
    legal_hold(&w, "C000002", false);
    erase(&w, "C000002", "");
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->n_erased, 2);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_more_than_one_command_takes(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 100);
    have_account(&w);
    import(&w, "A", 9, 258);
    assert_accepted(&w);
    for (int i = 2; i <= 259; i++) {
        char id[24];
        (void)snprintf(id, sizeof(id), "B%06d", i);
        allocate(&w, id, "P000001", 0, NULL, 0, NULL);
        assert_accepted(&w);
    }
    erase(&w, "C000001", "");
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->n_erased, 256);
    assert_int_equal(w.receipt->outcome->erased_left, 2);
    erase(&w, "C000001", "");
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->n_erased, 2);
    assert_int_equal(w.receipt->outcome->erased_left, 0);
    world_fini(&w);
}

static void test_each_record_has_its_own_commitment(void **state)
{
    (void)state;
    struct world w;
    ready(&w);
    import(&w, "A", 7, 3); /* the same once more: known, whatever comes with it */
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->statement[0]->known, 3);
    size_t before = w.ledger->bank_entry_count;
    Pledged__V1__Entry *entry = world_entry(&w, w.entry_count - 2);
    assert_int_equal(entry->fact_case, FACT(BANK_ENTRY_RECORDED));
    assert_int_equal(ledger_commits_to(entry).len, 32);
    import(&w, "B", 8, 1);
    entry = world_last(&w);
    entry->bank_entry_recorded->movement->detail_commitment =
        world_entry(&w, w.entry_count - 4)->bank_entry_recorded->movement->detail_commitment;
    struct ledger *then = world_before(&w, w.entry_count - 1);
    assert_false(pl_is_ok(ledger_check(then, entry)));
    ledger_free(then);
    assert_int_equal(w.ledger->bank_entry_count, before + 1);
    world_fini(&w);
}

static void test_replay_refuses_what_breaks_a_rule(void **state)
{
    (void)state;
    struct world w;
    ready(&w);
    erase(&w, "", "B000003");
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *entry = world_last(&w);
    assert_true(pl_is_ok(ledger_check(before, entry)));
    entry->subject_erased->bank_entry[0] = (char *)(uintptr_t) "B000004";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    entry->subject_erased->bank_entry[0] = (char *)(uintptr_t) "B000001";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    entry->subject_erased->n_bank_entry = 0;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_alone),
        cmocka_unit_test(test_with_the_organisation),
        cmocka_unit_test(test_more_than_one_command_takes),
        cmocka_unit_test(test_each_record_has_its_own_commitment),
        cmocka_unit_test(test_replay_refuses_what_breaks_a_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
