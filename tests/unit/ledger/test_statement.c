/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a debit that a statement brings pays the refund that it names, or confirms what a person
 * said, or waits.
 */
#include "common/check.h"
#include "common/reference.h"
#include "desk.h"

#define KIND(name_) PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_##name_

static void test_named_once_with_its_amount(void **state)
{
    (void)state;
    struct world w;
    const struct bank_line lines[] = {{-300000, KIND(PAYMENT), "X1", "R000001"},
                                      {-300000, KIND(PAYMENT), "X2", "R000001"},
                                      {-200001, KIND(PAYMENT), "X3", "R000002"},
                                      {-200000, KIND(RETURN), "X4", "R000002"}};
    refunds_ready(&w);
    give_lines(&w, "A", lines, 4);
    assert_int_equal(told(&w)->refunded, 1);
    assert_int_equal(told(&w)->queued, 3);
    assert_string_equal(w.receipt->outcome->refund, ""); /* it is about the file */
    assert_int_equal(w.ledger->refund[0].debit, 1);
    assert_int_equal(w.ledger->refund[1].state, PLEDGED__V1__REFUND_STATE__REFUND_STATE_ORDERED);
    assert_balanced(&w);
    give_lines(&w, "A", lines, 4);
    assert_int_equal(told(&w)->known, 4);
    assert_int_equal(told(&w)->refunded, 0);
    match_refund(&w, "B000002", "R000002"); /* it has paid the other one */
    assert_refused(&w, ENTRY_SPENT);
    match_refund(&w, "B000005", "R000002"); /* a return */
    assert_refused(&w, STATEMENT_CONFLICT);
    match_refund(&w, "B000001", "R000002"); /* a credit brings back what was paid */
    assert_refused(&w, REFUND_STATE);
    match_refund(&w, "B000001", "R000001"); /* but no statement brought this one */
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
        {"ACMT/MDOP/CHRG", 505, PLEDGED__V1__QUEUE_REASON__QUEUE_REASON_CHARGE}, /* given back */
        {"PMNT/RCDT/OTHR", 506, PLEDGED__V1__QUEUE_REASON__QUEUE_REASON_NO_REFERENCE},
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
    const struct bank_line named[] = {{-300000, KIND(PAYMENT), "X1", "R000001"}};
    const struct bank_line by_ref[] = {{-200000, KIND(PAYMENT), "OUT-2", ""}};
    refunds_ready(&w);
    refund_paid(&w, "R000001", 300000, "CHF", "");
    refund_paid(&w, "R000002", 200000, "CHF", "OUT-2");
    give_lines(&w, "A", named, 1);
    assert_int_equal(told(&w)->confirmed, 1);
    assert_int_equal(told(&w)->recorded, 0);
    give_lines(&w, "B", by_ref, 1);
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
    const struct bank_line named[] = {{-300000, KIND(PAYMENT), "X1", "R000001"}};
    refunds_ready(&w);
    give_lines(&w, "A", named, 1);
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

/* --- what somebody typed before the statement came --- */

/* The movement of a pledge's money, without any reference but the pledge's own. */
static void about_pledge(Pledged__V1__Movement *ret, int64_t minor)
{
    static char reference[PL_REFERENCE_BYTES];
    a_movement(ret, KIND(PAYMENT), minor, "");
    ret->reference = (char *)(uintptr_t)pl_reference_scor(1, reference);
}

static void give_one(struct world *world, Pledged__V1__Movement *movement)
{
    static int number;
    char id[16];
    (void)snprintf(id, sizeof(id), "ONE-%d", ++number);
    give_bank(world, id, PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT, movement, 1);
}

/* One that has a reference of its own is another payment than the one that was typed with another;
 * one that has none is the same. */
static void test_what_was_typed_with_a_reference(void **state)
{
    (void)state;
    struct world w;
    refunds_ready(&w);
    for (int field = 0; field <= 5; field++) {
        Pledged__V1__Movement m;
        char ref[24], other[24];
        int64_t minor = 1000 + field;
        (void)snprintf(other, sizeof(other), "OTHER-%d", field);
        (void)snprintf(ref, sizeof(ref), "HAND-%d", field);
        pay(&w, "P000001", minor, "CHF", ref);
        assert_accepted(&w);
        about_pledge(&m, minor);
        char **const fields[] = {&m.bank_ref, &m.batch_ref, &m.uetr, &m.end_to_end_id,
                                 &m.entry_ref};
        if (field < 5)
            *fields[field] = other;
        give_one(&w, &m);
        assert_int_equal(told(&w)->confirmed, field == 5);
        assert_int_equal(told(&w)->recorded, field != 5);
    }
    assert_balanced(&w);
    world_fini(&w);
}

/* A debit that names a refund is the one that was typed for this refund, about that day. */
static void test_a_debit_that_names_another_refund(void **state)
{
    (void)state;
    struct world w;
    Pledged__V1__Movement m;
    refunds_ready(&w);
    refund_paid(&w, "R000001", 300000, "CHF", "");
    assert_accepted(&w);
    a_movement(&m, KIND(PAYMENT), -300000, "");
    m.end_to_end_id = (char *)(uintptr_t) "R000002"; /* which is of 2,000 */
    give_one(&w, &m);
    assert_int_equal(told(&w)->recorded, 1);
    assert_int_equal(told(&w)->refunded + told(&w)->confirmed, 0);
    m.end_to_end_id = (char *)(uintptr_t) "R000001"; /* another day, and it is paid already */
    m.value_date = m.booking_date = (char *)(uintptr_t) "2026-01-02";
    give_one(&w, &m);
    assert_int_equal(told(&w)->recorded, 1);
    assert_int_equal(told(&w)->refunded + told(&w)->confirmed, 0);
    m.value_date = m.booking_date = (char *)(uintptr_t) "2026-01-31"; /* two days earlier */
    give_one(&w, &m);
    assert_int_equal(told(&w)->confirmed, 1);
    assert_balanced(&w);
    world_fini(&w);
}

/* A refund in dollars is not paid by as many francs. */
static void test_a_debit_of_another_currency_than_the_refund(void **state)
{
    (void)state;
    struct world w;
    Pledged__V1__Movement m;
    refunds_ready(&w);
    pay(&w, "P000001", 70000, "USD", "");
    assert_string_equal(w.receipt->outcome->bank_entry, "B000002");
    refund(&w, "B000002", 70000, "USD");
    assert_accepted(&w);
    a_movement(&m, KIND(PAYMENT), -70000, "X1");
    m.end_to_end_id = (char *)(uintptr_t) "R000003";
    give_one(&w, &m);
    assert_int_equal(told(&w)->recorded, 1);
    assert_int_equal(told(&w)->refunded, 0);
    match_refund(&w, "B000003", "R000003");
    assert_refused(&w, STATEMENT_CONFLICT);
    world_fini(&w);
}

/* Paying a refund by hand with the reference of a debit that is something else. */
static void test_a_refund_is_not_paid_by_what_left_for_something_else(void **state)
{
    (void)state;
    struct world w;
    const struct bank_line lines[] = {{-300000, KIND(RETURN), "X1", ""},
                                      {-300000, KIND(PAYMENT), "X2", ""},
                                      {-300000, KIND(BATCH), "X3", ""}};
    refunds_ready(&w);
    give_lines(&w, "A", lines, 3);
    refund_paid(&w, "R000001", 300000, "CHF", "X1"); /* money that came back */
    assert_refused(&w, PAYMENT_DUPLICATE);
    assert_string_equal(w.refusal->field, "pay.bank_ref");
    book_charge(&w, "B000003");
    assert_accepted(&w);
    refund_paid(&w, "R000001", 300000, "CHF", "X2"); /* a charge by now */
    assert_refused(&w, PAYMENT_DUPLICATE);
    refund_paid(&w, "R000001", 300000, "CHF", "X3");
    assert_accepted(&w);
    assert_int_equal(w.ledger->refund[0].debit, 3);
    assert_balanced(&w);
    world_fini(&w);
}

/* Money of nobody: taken back, or paid back by hand and then confirmed, it is about no pledge. */
static void test_money_of_no_pledge_is_paid_back_and_confirmed(void **state)
{
    (void)state;
    struct world w;
    Pledged__V1__Movement m;
    const struct bank_line lines[] = {{50000, KIND(PAYMENT), "X2", ""}};
    refunds_ready(&w);
    give_lines(&w, "A", lines, 1);
    refund(&w, "B000002", 50000, "CHF");
    assert_accepted(&w);
    assert_string_equal(w.receipt->outcome->refund, "R000003");
    refund_paid(&w, "R000003", 50000, "CHF", "OUT-1");
    assert_accepted(&w);
    a_movement(&m, KIND(PAYMENT), -50000, "OUT-1");
    give_one(&w, &m);
    assert_int_equal(told(&w)->confirmed, 1);
    const Pledged__V1__Entry *entry = world_last(&w);
    assert_int_equal(entry->fact_case, FACT(PAYMENT_CONFIRMED));
    assert_string_equal(entry->payment_confirmed->pledge, "");
    assert_string_equal(entry->payment_confirmed->refund, "R000003");
    assert_balanced(&w);
    world_fini(&w);
}

/* A debit of many parts, and then its details: the sum goes, the parts stay; and not if they are
 * another sum. */
static void test_details_of_a_debit(void **state)
{
    (void)state;
    struct world w;
    Pledged__V1__Movement part[2];
    const struct bank_line lines[] = {{-3000, KIND(BATCH), "X2", ""}};
    refunds_ready(&w);
    give_lines(&w, "A", lines, 1);
    for (int wrong = 1; wrong >= 0; wrong--) {
        a_movement(&part[0], KIND(PAYMENT), -1000 - wrong, "X2a");
        a_movement(&part[1], KIND(PAYMENT), -2000, "X2b");
        part[0].batch_ref = part[1].batch_ref = (char *)(uintptr_t) "X2";
        give_bank(&w, "N", PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_NOTIFICATION, part, 2);
        if (wrong)
            assert_refused(&w, STATEMENT_CONFLICT);
    }
    assert_int_equal(told(&w)->recorded, 2);
    assert_int_equal(w.ledger->bank_entry[1].amount, 0);
    assert_int_equal(w.ledger->bank_entry[2].amount, 1000);
    assert_balanced(&w);
    give_lines(&w, "B", lines, 1); /* the sum again: it is known by its parts */
    assert_int_equal(told(&w)->known, 1);
    world_fini(&w);
}

/* Each record of who paid has its own commitment. */
static void test_two_movements_do_not_share_a_record(void **state)
{
    (void)state;
    struct world w;
    uint8_t commitment[LEDGER_COMMITMENT_BYTES] = {7};
    Pledged__V1__Movement m[2];
    refunds_ready(&w);
    for (int i = 0; i < 2; i++) {
        a_movement(&m[i], KIND(PAYMENT), 1000 + i, i == 0 ? "X2" : "X3");
        m[i].detail_commitment = (ProtobufCBinaryData){sizeof(commitment), commitment};
    }
    give_bank(&w, "A", PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT, m, 2);
    assert_refused(&w, FIELD_INVALID); /* within one statement */
    assert_string_equal(w.refusal->field, "import_statement.statement.movement.detail_commitment");
    give_one(&w, &m[0]);
    assert_int_equal(told(&w)->recorded, 1);
    give_one(&w, &m[1]);
    assert_refused(&w, FIELD_INVALID); /* the ledger has it */
    assert_balanced(&w);
    world_fini(&w);
}

/* The same statement, of another sum: somebody changed it. */
static void test_a_statement_that_closes_otherwise_is_another(void **state)
{
    (void)state;
    struct world w;
    const struct bank_line lines[] = {{500, KIND(PAYMENT), "X2", ""}},
                           other[] = {{501, KIND(PAYMENT), "X2", ""}};
    refunds_ready(&w);
    give_lines(&w, "A", lines, 1);
    assert_int_equal(told(&w)->recorded, 1);
    give_lines(&w, "A", other, 1);
    assert_refused(&w, STATEMENT_CONFLICT);
    world_fini(&w);
}

/* What came in and went out again is in no balance, and still more than 64 bits hold. */
static void test_movements_of_more_than_64_bits(void **state)
{
    (void)state;
    struct world w;
    const struct bank_line lines[] = {{INT64_MAX - 1, KIND(PAYMENT), "X2", ""},
                                      {-(INT64_MAX - 1), KIND(PAYMENT), "X3", ""},
                                      {INT64_MAX - 1, KIND(PAYMENT), "X4", ""}};
    world_ready(&w, 1);
    have_account(&w);
    give_lines(&w, "A", lines, 3);
    assert_refused(&w, SUM_OVERFLOW);
    give_lines(&w, "B", lines, 2);
    assert_accepted(&w);
    world_fini(&w);
}

/* As many dollars as francs are not the same money. */
static void test_what_was_typed_in_another_currency(void **state)
{
    (void)state;
    struct world w;
    Pledged__V1__Movement m;
    refunds_ready(&w);
    pay(&w, "P000001", 1234, "USD", "");
    about_pledge(&m, 1234);
    give_one(&w, &m);
    assert_int_equal(told(&w)->recorded, 1);
    assert_int_equal(told(&w)->confirmed, 0);
    world_fini(&w);
}

/* A refund that is typed without a reference is the debit of that amount and day: the day of its
 * value, or of its booking. */
static void test_a_refund_typed_without_a_reference(void **state)
{
    (void)state;
    static const struct {
        const char *value, *booking;
        bool known;
    } days[] = {{"2026-01-20", "2026-01-20", false},
                {"2026-01-30", "2026-02-02", true},
                {"2026-02-02", "2026-02-02", true}};
    for (size_t i = 0; i < PL_COUNT(days); i++) {
        struct world w;
        Pledged__V1__Movement m;
        refunds_ready(&w);
        a_movement(&m, KIND(PAYMENT), -300000, "X2");
        m.value_date = (char *)(uintptr_t)days[i].value;
        m.booking_date = (char *)(uintptr_t)days[i].booking;
        give_one(&w, &m);
        assert_int_equal(told(&w)->recorded, 1);
        refund_paid(&w, "R000001", 300000, "CHF", "");
        assert_accepted(&w);
        assert_int_equal(w.ledger->bank_entry_count, days[i].known ? 2 : 3);
        assert_int_equal(w.ledger->refund[0].debit, days[i].known ? 1 : 2);
        assert_balanced(&w);
        world_fini(&w);
    }
}

/* --- paying by hand what a statement brought --- */

static void test_paying_what_a_statement_brought(void **state)
{
    (void)state;
    struct world w;
    const struct bank_line lines[] = {{500, KIND(PAYMENT), "X2", ""},
                                      {600, KIND(PAYMENT), "X3", ""},
                                      {-600, KIND(REVERSAL), "X4", ""},
                                      {700, KIND(PAYMENT), "X5", ""}};
    refunds_ready(&w);
    give_lines(&w, "A", lines, 4);
    submit(&w, NULL, "C000001", NULL, 800, "USD"); /* P000003 */
    submit(&w, NULL, "C000001", NULL, 800, "CHF"); /* P000004, withdrawn */
    withdraw(&w, "P000004");
    submit(&w, NULL, "C000001", NULL, 300, "CHF"); /* P000005 */
    pay(&w, "P000003", 500, "CHF", "X2");
    assert_refused(&w, PAYMENT_DUPLICATE); /* another currency */
    pay(&w, "P000004", 500, "CHF", "X2");
    assert_refused(&w, PAYMENT_DUPLICATE); /* takes no money */
    pay(&w, "P000001", 500, "CHF", "X2");
    assert_refused(&w, PAYMENT_DUPLICATE); /* is paid */
    match_reversal(&w, "B000004", "B000003");
    assert_accepted(&w);
    pay(&w, "P000005", 600, "CHF", "X3");
    assert_refused(&w, PAYMENT_DUPLICATE); /* was taken back */
    pay(&w, "P000005", 700, "CHF", "X5");  /* more than is due: the rest is free */
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->n_warning, 2);
    assert_int_equal(w.receipt->outcome->unallocated->minor, 400);
    assert_int_equal(w.ledger->bank_entry_count, 5);
    assert_balanced(&w);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_typed_in_another_currency),
        cmocka_unit_test(test_a_refund_typed_without_a_reference),
        cmocka_unit_test(test_money_of_no_pledge_is_paid_back_and_confirmed),
        cmocka_unit_test(test_details_of_a_debit),
        cmocka_unit_test(test_two_movements_do_not_share_a_record),
        cmocka_unit_test(test_a_statement_that_closes_otherwise_is_another),
        cmocka_unit_test(test_movements_of_more_than_64_bits),
        cmocka_unit_test(test_named_once_with_its_amount),
        cmocka_unit_test(test_the_banks_own_code_tells_a_charge),
        cmocka_unit_test(test_by_hand_first),
        cmocka_unit_test(test_undone_the_debit_of_a_statement_stays),
        cmocka_unit_test(test_what_was_typed_with_a_reference),
        cmocka_unit_test(test_a_debit_that_names_another_refund),
        cmocka_unit_test(test_a_debit_of_another_currency_than_the_refund),
        cmocka_unit_test(test_a_refund_is_not_paid_by_what_left_for_something_else),
        cmocka_unit_test(test_paying_what_a_statement_brought),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
