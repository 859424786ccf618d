/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a debit that a statement brings pays the refund that it names, or confirms what a person
 * said, or waits; a reversal that was matched is remembered by a saved state.
 */
#include "common/check.h"
#include "desk.h"

#define KIND(name_) PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_##name_

struct line {
    int64_t minor;
    Pledged__V1__MovementKind kind;
    const char *bank_ref, *end_to_end_id;
};

static void import(struct world *world, const char *id, const struct line *line, size_t count)
{
    Pledged__V1__Movement movement[4];
    for (size_t i = 0; i < count; i++) {
        a_movement(&movement[i], line[i].kind, line[i].minor, line[i].bank_ref);
        movement[i].end_to_end_id = (char *)(uintptr_t)line[i].end_to_end_id;
    }
    give_bank(world, id, PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT, movement, count);
}

/* R000001 and R000002 of 3,000 and 2,000. */
static void refunds_ready(struct world *world)
{
    desk_ready(world, 16000000);
    have_account(world);
    refund(world, "B000001", 300000, "CHF");
    refund(world, "B000001", 200000, "CHF");
    assert_accepted(world);
}

static const Pledged__V1__StatementOutcome *told(const struct world *world)
{
    assert_accepted(world);
    return world->receipt->outcome->statement[0];
}

static void test_named_once_with_its_amount(void **state)
{
    (void)state;
    struct world w;
    const struct line lines[] = {{-300000, KIND(PAYMENT), "X1", "R000001"},
                                 {-300000, KIND(PAYMENT), "X2", "R000001"},
                                 {-200001, KIND(PAYMENT), "X3", "R000002"},
                                 {-200000, KIND(RETURN), "X4", "R000002"}};
    refunds_ready(&w);
    import(&w, "A", lines, 4);
    assert_int_equal(told(&w)->refunded, 1);
    assert_int_equal(told(&w)->queued, 3);
    assert_string_equal(w.receipt->outcome->refund, ""); /* it is about the file */
    assert_int_equal(w.ledger->refund[0].debit, 1);
    assert_int_equal(w.ledger->refund[1].state, PLEDGED__V1__REFUND_STATE__REFUND_STATE_ORDERED);
    assert_balanced(&w);
    import(&w, "A", lines, 4);
    assert_int_equal(told(&w)->known, 4);
    assert_int_equal(told(&w)->refunded, 0);
    match_refund(&w, "B000002", "R000002"); /* it has paid the other one */
    assert_refused(&w, ENTRY_SPENT);
    match_refund(&w, "B000005", "R000002"); /* a return */
    assert_refused(&w, STATEMENT_CONFLICT);
    match_refund(&w, "B000001", "R000002"); /* a credit */
    assert_refused(&w, STATEMENT_CONFLICT);
    match_refund(&w, "B000004", "R000001");
    assert_refused(&w, REFUND_STATE);
    match_refund(&w, "B000004", "R000002");
    assert_accepted(&w);
    assert_string_equal(w.receipt->outcome->bank_entry, "B000004");
    assert_int_equal(w.ledger->bank_entry[3].allocated, 200000);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_the_banks_own_code_tells_a_charge(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        int64_t minor;
        Pledged__V1__QueueReason queue;
    } cases[] = {
        {"ACMT/MDOP/CHRG", -500, PLEDGED__V1__QUEUE_REASON__QUEUE_REASON_CHARGE},
        {"PMNT/MDOP/COMM", -501, PLEDGED__V1__QUEUE_REASON__QUEUE_REASON_CHARGE},
        {"PMNT/ICDT/OTHR", -502, PLEDGED__V1__QUEUE_REASON__QUEUE_REASON_DEBIT},
        {"", -503, PLEDGED__V1__QUEUE_REASON__QUEUE_REASON_DEBIT},
        {"CHRG", -504, PLEDGED__V1__QUEUE_REASON__QUEUE_REASON_DEBIT},
        {"ACMT/MDOP/CHRG", 505, PLEDGED__V1__QUEUE_REASON__QUEUE_REASON_NO_REFERENCE},
    };
    struct world w;
    Pledged__V1__Movement movement[PL_COUNT(cases)];
    refunds_ready(&w);
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        a_movement(&movement[i], KIND(PAYMENT), cases[i].minor, "");
        movement[i].bank_code = (char *)(uintptr_t)cases[i].code;
    }
    give_bank(&w, "A", PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT, movement,
              PL_COUNT(cases));
    assert_int_equal(told(&w)->queued, PL_COUNT(cases));
    for (size_t i = 0; i < PL_COUNT(cases); i++)
        assert_int_equal(w.ledger->movement[i].queue, cases[i].queue);
    world_fini(&w);
}

static void test_by_hand_first(void **state)
{
    (void)state;
    struct world w;
    const struct line named[] = {{-300000, KIND(PAYMENT), "X1", "R000001"}};
    const struct line by_ref[] = {{-200000, KIND(PAYMENT), "OUT-2", ""}};
    refunds_ready(&w);
    refund_paid(&w, "R000001", 300000, "CHF", "");
    refund_paid(&w, "R000002", 200000, "CHF", "OUT-2");
    import(&w, "A", named, 1);
    assert_int_equal(told(&w)->confirmed, 1);
    assert_int_equal(told(&w)->recorded, 0);
    import(&w, "B", by_ref, 1);
    assert_int_equal(told(&w)->confirmed, 1);
    assert_int_equal(w.ledger->bank_entry_count, 3);
    assert_true(w.ledger->bank_entry[1].confirmed && w.ledger->bank_entry[2].confirmed);
    assert_balanced(&w);
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *entry = world_last(&w);
    assert_int_equal(entry->fact_case, FACT(PAYMENT_CONFIRMED));
    entry->payment_confirmed->refund = (char *)(uintptr_t) "R000001";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    entry->payment_confirmed->refund = (char *)(uintptr_t) "";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

/* The debit has left, whatever it was for. */
static void test_undone_the_debit_of_a_statement_stays(void **state)
{
    (void)state;
    struct world w;
    const struct line named[] = {{-300000, KIND(PAYMENT), "X1", "R000001"}};
    refunds_ready(&w);
    import(&w, "A", named, 1);
    reverse(&w, w.ledger->deed[0].seq);
    assert_accepted(&w);
    assert_int_equal(w.ledger->bank_entry[1].reversed, 0);
    assert_int_equal(w.ledger->bank_entry[1].allocated, 0);
    assert_balanced(&w);
    refund_paid(&w, "R000001", 300000, "CHF", "X1"); /* finds the debit, books nothing */
    assert_accepted(&w);
    assert_int_equal(w.ledger->bank_entry_count, 2);
    assert_int_equal(w.receipt->outcome->warning[0]->kind,
                     PLEDGED__V1__WARNING_KIND__WARNING_KIND_PAYMENT_IMPORTED);
    world_fini(&w);
}

static void test_a_matched_reversal_is_remembered(void **state)
{
    (void)state;
    struct world w;
    const struct line lines[] = {{50000, KIND(PAYMENT), "X1", ""},
                                 {-50000, KIND(REVERSAL), "X2", ""}};
    COMMAND_INIT_(command);
    Pledged__V1__MatchReversal body = PLEDGED__V1__MATCH_REVERSAL__INIT;
    refunds_ready(&w);
    import(&w, "A", lines, 2);
    assert_int_equal(told(&w)->queued, 2);
    body.bank_entry = (char *)(uintptr_t) "B000003";
    body.original = (char *)(uintptr_t) "B000002";
    command.command_case = COMMAND(MATCH_REVERSAL);
    command.match_reversal = &body;
    give(&w, &command);
    assert_accepted(&w);
    assert_balanced(&w);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_named_once_with_its_amount),
        cmocka_unit_test(test_the_banks_own_code_tells_a_charge),
        cmocka_unit_test(test_by_hand_first),
        cmocka_unit_test(test_undone_the_debit_of_a_statement_stays),
        cmocka_unit_test(test_a_matched_reversal_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
