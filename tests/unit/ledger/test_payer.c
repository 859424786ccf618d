/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: who paid is known to the ledger by a commitment alone, is erased once, with the
 * organisation whose money it is or alone, never under a legal hold; a saved state remembers it.
 */
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
        cmocka_unit_test(test_each_record_has_its_own_commitment),
        cmocka_unit_test(test_replay_refuses_what_breaks_a_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
