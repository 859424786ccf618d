/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: who paid is known to the ledger by a commitment alone, is erased once, with the
 * organisation whose money it is or alone, never under a legal hold; a saved state remembers it. It
 * is learned from the first statement that says it, once, and never of one of two twins.
 */
#include "common/check.h"
#include "desk.h"
#include "server/ledger/payer.h"

/* `count` payments of 1.00, 2.00 ...; their commitments are of bytes first, first + 1 ...; 0: none
 */
static void import(struct world *world, const char *id, uint8_t first, size_t count)
{
    Pledged__V1__Movement movement[DESK_MOVEMENTS_MAX];
    uint8_t commitment[DESK_MOVEMENTS_MAX][32];
    char ref[DESK_MOVEMENTS_MAX][32];
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(ref[i], sizeof(ref[i]), "X%u-%zu", first, i);
        a_movement(&movement[i], PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT,
                   (int64_t)(i + 1) * 100, ref[i]);
        memset(commitment[i], first, 32);
        memcpy(commitment[i], &i, sizeof(uint16_t));
        if (first != 0)
            movement[i].detail_commitment = (ProtobufCBinaryData){32, commitment[i]};
    }
    give_bank(world, id, PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_NOTIFICATION, movement, count);
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
    erase(&w, "", "", "B000003");
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->n_erased, 1);
    assert_string_equal(w.receipt->outcome->bank_entry, "B000003");
    assert_int_equal(look(&w, 7, 1), LEDGER_ERASABLE_ERASED);
    assert_int_equal(look(&w, 7, 0), LEDGER_ERASABLE_LIVE);
    uint64_t by = w.ledger->size;
    erase(&w, "", "", "B000003");
    assert_refused(&w, CONTACT_UNKNOWN);
    assert_int_equal(w.refusal->deciding_seq, by);
    erase(&w, "", "", "B000001"); /* paid by hand: nothing is known of the payer */
    assert_refused(&w, CONTACT_UNKNOWN);
    erase(&w, "", "", "B000099");
    assert_refused(&w, BANK_ENTRY_UNKNOWN);
    erase(&w, "C000001", "", "B000002");
    assert_refused(&w, FIELD_REQUIRED);
    assert_balanced(&w);
    world_fini(&w);
}

/* One debit pays back two organisations: the hold of either keeps its payee. */
static void test_a_debit_for_two(void **state)
{
    (void)state;
    struct world w;
    uint8_t commitment[32] = {9};
    Pledged__V1__Movement debit;
    desk_ready(&w, 16000000);
    have_account(&w);
    pay(&w, "P000002", 16000000, "CHF", "BANK-2");
    refund(&w, "B000001", 20000, "CHF");
    refund(&w, "B000002", 30000, "CHF");
    assert_accepted(&w);
    a_movement(&debit, PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT, -50000, "OUT");
    debit.detail_commitment = (ProtobufCBinaryData){sizeof(commitment), commitment};
    give_bank(&w, "A", PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_NOTIFICATION, &debit, 1);
    match_refund(&w, "B000003", "R000001");
    match_refund(&w, "B000003", "R000002");
    assert_accepted(&w);
    for (int turn = 0; turn < 2; turn++) {
        const char *who = turn == 0 ? "C000001" : "C000002";
        legal_hold(&w, who, true);
        erase(&w, "", "", "B000003");
        assert_refused(&w, LEGAL_HOLD);
        legal_hold(&w, who, false);
    }
    erase(&w, "C000002", "", ""); /* the second one's as well */
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->n_erased, 1);
    world_fini(&w);
}

static void test_with_the_organisation(void **state)
{
    (void)state;
    struct world w;
    ready(&w);
    erase(&w, "C000001", "", ""); /* no money of the three is for it yet */
    assert_refused(&w, CONTACT_UNKNOWN);
    allocate(&w, "B000002", "P000001", 0, NULL, 0, NULL);
    allocate(&w, "B000003", "P000001", 100, "CHF", 0, NULL);
    allocate(&w, "B000003", "P000002", 100, "CHF", 0, NULL); /* for two of them */
    allocate(&w, "B000004", "P000002", 0, NULL, 0, NULL);
    assert_accepted(&w);
    legal_hold(&w, "C000002", true);
    erase(&w, "", "", "B000003");
    assert_refused(&w, LEGAL_HOLD);
    erase(&w, "C000002", "", "");
    assert_refused(&w, LEGAL_HOLD);
    erase(&w, "C000001", "", "");
    assert_accepted(&w); /* what is the other one's as well stays while that is held */
    assert_int_equal(w.receipt->outcome->n_erased, 1);
    assert_int_equal(look(&w, 7, 0), LEDGER_ERASABLE_ERASED);
    assert_int_equal(look(&w, 7, 1), LEDGER_ERASABLE_LIVE);
    legal_hold(&w, "C000002", false);
    erase(&w, "C000002", "", "");
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
    erase(&w, "C000001", "", "");
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->n_erased, 256);
    assert_int_equal(w.receipt->outcome->erased_left, 2);
    erase(&w, "C000001", "", "");
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->n_erased, 2);
    assert_int_equal(w.receipt->outcome->erased_left, 0);
    world_fini(&w);
}

/* --- learned later --- */

/* One payment as a bank statement may have it; detail 0: without who paid. */
struct line {
    const char *ref;
    int64_t minor;
    uint8_t detail;
};

static uint8_t commitments[256][32];

static void bring(struct world *world, const char *id, const struct line *line, size_t count)
{
    Pledged__V1__Movement movement[4];
    assert_true(count <= PL_COUNT(movement));
    for (size_t i = 0; i < count; i++) {
        a_movement(&movement[i], PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT, line[i].minor,
                   line[i].ref);
        memset(commitments[line[i].detail], line[i].detail, 32);
        if (line[i].detail != 0)
            movement[i].detail_commitment = (ProtobufCBinaryData){32, commitments[line[i].detail]};
    }
    give_bank(world, id, PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_NOTIFICATION, movement, count);
    assert_accepted(world);
}
#define BRING(world_, id_, ...)                                                                    \
    bring(world_, id_, (const struct line[]){__VA_ARGS__},                                         \
          sizeof((const struct line[]){__VA_ARGS__}) / sizeof(struct line))

static enum ledger_erasable is_there(const struct world *world, uint8_t detail)
{
    return ledger_erasable(world->ledger, commitments[detail]);
}

/* B000002 is there, and nobody knows who paid it. */
static void nameless(struct world *world, uint32_t rules)
{
    desk_ready(world, 100);
    world_set_rules(world, rules);
    have_account(world);
    BRING(world, "A", {"X1", 500, 0});
}

static void test_learned_once(void **state)
{
    (void)state;
    struct world w;
    nameless(&w, 15);
    size_t before = w.entry_count;
    BRING(&w, "B", {"X1", 500, 11});
    const Pledged__V1__StatementOutcome *outcome = told(&w);
    assert_true(outcome->known == 1 && outcome->learned == 1 && outcome->recorded == 0 &&
                !outcome->already_in);
    assert_int_equal(w.entry_count, before + 2);
    const Pledged__V1__PayerLearned *fact = world_last(&w)->payer_learned;
    assert_int_equal(world_last(&w)->fact_case, FACT(PAYER_LEARNED));
    assert_string_equal(fact->bank_entry, "B000002");
    assert_string_equal(fact->statement, "S000002");
    assert_memory_equal(ledger_commits_to(world_last(&w)).data, commitments[11], 32);
    assert_int_equal(is_there(&w, 11), LEDGER_ERASABLE_LIVE);
    const struct state_bank_entry *of = state_bank_entry(w.ledger, "B000002");
    assert_int_equal(payer_learned_seq(w.ledger, of), w.ledger->size);
    BRING(&w, "C", {"X1", 500, 12}); /* the third copy adds nothing */
    assert_true(told(&w)->learned == 0 && told(&w)->already_in);
    assert_int_equal(is_there(&w, 12), LEDGER_ERASABLE_UNKNOWN);
    erase(&w, "", "", "B000002");
    assert_accepted(&w);
    assert_int_equal(is_there(&w, 11), LEDGER_ERASABLE_ERASED);
    BRING(&w, "D", {"X1", 500, 13}); /* who is erased does not come back with a copy */
    assert_int_equal(told(&w)->learned, 0);
    assert_int_equal(is_there(&w, 13), LEDGER_ERASABLE_UNKNOWN);
    assert_balanced(&w);
    world_fini(&w);
}

/* One file may have both: the copy without, and the one with who paid. */
static void test_learned_within_a_file(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 100);
    world_set_rules(&w, 15);
    have_account(&w);
    Pledged__V1__Movement movement[3], *list[3][1];
    Pledged__V1__BankStatement bank[3], *banks[3];
    Pledged__V1__ImportStatement body = PLEDGED__V1__IMPORT_STATEMENT__INIT;
    static uint8_t sha256[32];
    COMMAND_INIT_(command);
    for (int i = 0; i < 3; i++) {
        a_movement(&movement[i], PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT, 500, "X1");
        memset(commitments[20 + i], 20 + i, 32);
        if (i != 0)
            movement[i].detail_commitment = (ProtobufCBinaryData){32, commitments[20 + i]};
        pledged__v1__bank_statement__init(&bank[i]);
        bank[i].kind = PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_NOTIFICATION;
        bank[i].account = (char *)(uintptr_t)DESK_ACCOUNT;
        bank[i].currency = (char *)(uintptr_t) "CHF";
        bank[i].id = (char *)(uintptr_t)(i == 0 ? "A" : i == 1 ? "B" : "C");
        bank[i].created = (char *)(uintptr_t) "2026-02-03";
        list[i][0] = &movement[i];
        bank[i].movement = list[i];
        bank[i].n_movement = 1;
        banks[i] = &bank[i];
    }
    body.file_sha256 = (ProtobufCBinaryData){32, sha256};
    body.n_statement = 3;
    body.statement = banks;
    command.command_case = COMMAND(IMPORT_STATEMENT);
    command.import_statement = &body;
    give(&w, &command);
    assert_accepted(&w);
    const Pledged__V1__Outcome *outcome = w.receipt->outcome;
    assert_true(outcome->statement[0]->learned == 0 && outcome->statement[1]->learned == 1 &&
                outcome->statement[2]->learned == 0);
    assert_int_equal(is_there(&w, 21), LEDGER_ERASABLE_LIVE);
    assert_int_equal(is_there(&w, 22), LEDGER_ERASABLE_UNKNOWN);
    assert_balanced(&w);
    world_fini(&w);
}

/* Which of two that look the same somebody paid, nobody knows. */
static void test_twins_stay_as_they_came(void **state)
{
    (void)state;
    struct world w;
    nameless(&w, 15);
    BRING(&w, "T", {"", 700, 0}, {"", 700, 0}, {"", 900, 0}, {"", 901, 0});
    BRING(&w, "U", {"", 700, 31}); /* one of two */
    assert_true(told(&w)->known == 1 && told(&w)->learned == 0);
    BRING(&w, "V", {"", 900, 32}, {"", 900, 33}); /* one of them is new */
    assert_true(told(&w)->known == 1 && told(&w)->learned == 0 && told(&w)->recorded == 1);
    assert_int_equal(is_there(&w, 32), LEDGER_ERASABLE_UNKNOWN);
    BRING(&w, "W", {"", 901, 34}, {"X1", 500, 35}); /* nothing is like these two */
    assert_true(told(&w)->known == 2 && told(&w)->learned == 2);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_learned_commitments_are_its_own(void **state)
{
    (void)state;
    struct world w;
    nameless(&w, 15);
    BRING(&w, "B", {"X2", 600, 41});
    Pledged__V1__Movement movement;
    a_movement(&movement, PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT, 500, "X1");
    movement.detail_commitment = (ProtobufCBinaryData){32, commitments[41]};
    give_bank(&w, "C", PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_NOTIFICATION, &movement, 1);
    assert_refused(&w, FIELD_INVALID);
    assert_string_equal(w.refusal->field, "import_statement.statement.movement.detail_commitment");
    world_fini(&w);
}

/* Older rules kept the first copy alone, and their logs replay so. */
static void test_older_rules_learn_nothing(void **state)
{
    (void)state;
    struct world w;
    nameless(&w, 14);
    BRING(&w, "B", {"X1", 500, 11});
    assert_true(told(&w)->known == 1 && told(&w)->learned == 0 && told(&w)->already_in);
    world_fini(&w);
}

static void test_replay_of_what_was_learned(void **state)
{
    (void)state;
    struct world w;
    nameless(&w, 15);
    BRING(&w, "B", {"X1", 500, 11});
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *entry = world_last(&w);
    Pledged__V1__PayerLearned *fact = entry->payer_learned, good = *fact;
    assert_true(pl_is_ok(ledger_check(before, entry)));
    fact->bank_entry = (char *)(uintptr_t) "B000001"; /* no statement has it */
    assert_false(pl_is_ok(ledger_check(before, entry)));
    fact->bank_entry = (char *)(uintptr_t) "B000009";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *fact = good;
    fact->statement = (char *)(uintptr_t) "S000003"; /* it is not there */
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *fact = good;
    before->statement[1].currency = (int16_t)pl_currency_index("USD"); /* of another account */
    assert_false(pl_is_ok(ledger_check(before, entry)));
    before->statement[1].currency = before->statement[0].currency;
    fact->detail_commitment.len = 31;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *fact = good;
    before->policy.message->rules = 14;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    before->policy.message->rules = 15;
    assert_true(pl_is_ok(ledger_check(before, entry)));
    before->movement[0].detail = 0; /* it is known */
    assert_false(pl_is_ok(ledger_check(before, entry)));
    ledger_free(before);
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
    erase(&w, "", "", "B000003");
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *entry = world_last(&w);
    assert_true(pl_is_ok(ledger_check(before, entry)));
    Pledged__V1__SubjectErased *fact = entry->subject_erased, good = *fact;
    ProtobufCBinaryData commitment[2] = {good.commitment[0], good.commitment[0]};
    uint8_t flipped[32];
    memcpy(flipped, commitment[0].data, sizeof(flipped));
    flipped[31] ^= 1;
    fact->commitment = commitment;
    commitment[0].data = flipped;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    commitment[0] = (ProtobufCBinaryData){.len = 31, .data = good.commitment[0].data};
    assert_false(pl_is_ok(ledger_check(before, entry)));
    commitment[0] = good.commitment[0];
    char *twice[] = {good.bank_entry[0], good.bank_entry[0]};
    fact->bank_entry = twice;
    fact->n_bank_entry = fact->n_commitment = 2;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *fact = good;
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
        cmocka_unit_test(test_a_debit_for_two),
        cmocka_unit_test(test_with_the_organisation),
        cmocka_unit_test(test_more_than_one_command_takes),
        cmocka_unit_test(test_learned_once),
        cmocka_unit_test(test_learned_within_a_file),
        cmocka_unit_test(test_twins_stay_as_they_came),
        cmocka_unit_test(test_learned_commitments_are_its_own),
        cmocka_unit_test(test_older_rules_learn_nothing),
        cmocka_unit_test(test_replay_of_what_was_learned),
        cmocka_unit_test(test_each_record_has_its_own_commitment),
        cmocka_unit_test(test_replay_refuses_what_breaks_a_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
