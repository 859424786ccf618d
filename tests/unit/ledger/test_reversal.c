/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a reversal is matched to what it can take back and to nothing else, what was taken back is
 * nothing that anything could be done with, and a saved state remembers it.
 */
#include "common/check.h"
#include "desk.h"

#define KIND(name_) PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_##name_

static void test_a_matched_reversal_is_remembered(void **state)
{
    (void)state;
    struct world w;
    const struct bank_line lines[] = {{50000, KIND(PAYMENT), "X1", ""},
                                      {-50000, KIND(REVERSAL), "X2", ""}};
    refunds_ready(&w);
    give_lines(&w, "A", lines, 2);
    assert_int_equal(told(&w)->queued, 2);
    match_reversal(&w, "B000003", "B000002");
    assert_accepted(&w);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_a_reversal_is_matched_to_what_it_can_take_back(void **state)
{
    (void)state;
    struct world w;
    const struct bank_line lines[] = {
        {50000, KIND(PAYMENT), "X2", ""}, {-50000, KIND(REVERSAL), "X3", ""},
        {-50000, KIND(RETURN), "X4", ""}, {-70000, KIND(REVERSAL), "X5", ""},
        {70000, KIND(PAYMENT), "X6", ""}, {-50000, KIND(PAYMENT), "X7", ""},
        {70000, KIND(PAYMENT), "X8", ""}};
    static const struct {
        const char *back, *from, *field;
    } wrong[] = {{"B000002", "B000002", "bank_entry"}, /* a credit */
                 {"B000007", "B000002", "bank_entry"}, /* a payment of ours */
                 {"B000009", "B000002", "bank_entry"}, /* no statement has it */
                 {"B000003", "B000004", "original"},   /* a debit */
                 {"B000003", "B000006", "original"},   /* another amount */
                 {"B000005", "B000010", "original"},   /* another currency */
                 {"B000005", "B000008", "original"}};  /* some of it went back */
    refunds_ready(&w);
    give_lines(&w, "A", lines, 7);
    refund_paid(&w, "R000001", 300000, "CHF", "");
    assert_accepted(&w);
    pay(&w, "P000001", 70000, "USD", "");
    refund(&w, "B000008", 100, "CHF");
    assert_accepted(&w);
    for (size_t i = 0; i < PL_COUNT(wrong); i++) {
        char field[40];
        match_reversal(&w, wrong[i].back, wrong[i].from);
        assert_refused(&w, STATEMENT_CONFLICT);
        (void)snprintf(field, sizeof(field), "match_reversal.%s", wrong[i].field);
        assert_string_equal(w.refusal->field, field);
    }
    match_reversal(&w, "B000099", "B000002");
    assert_refused(&w, BANK_ENTRY_UNKNOWN);
    match_reversal(&w, "B000003", "B000099");
    assert_refused(&w, BANK_ENTRY_UNKNOWN);
    match_reversal(&w, "B000003", "B000002");
    assert_accepted(&w);
    match_reversal(&w, "B000003", "B000006"); /* it took back something else */
    assert_refused(&w, STATEMENT_CONFLICT);
    assert_string_equal(w.refusal->field, "match_reversal.bank_entry");
    match_reversal(&w, "B000004", "B000002"); /* which is taken back */
    assert_refused(&w, STATEMENT_CONFLICT);
    assert_string_equal(w.refusal->field, "match_reversal.original");
    match_reversal(&w, "B000005", "B000006");
    assert_accepted(&w);
    assert_balanced(&w);
    world_fini(&w);
}

/* What was taken back, or left by hand, is nothing that anything could be done with. */
static void test_nothing_is_done_with_what_was_taken_back(void **state)
{
    (void)state;
    struct world w;
    const struct bank_line lines[] = {{50000, KIND(PAYMENT), "X2", ""},
                                      {-50000, KIND(REVERSAL), "X3", ""}};
    refunds_ready(&w);
    give_lines(&w, "A", lines, 2);
    match_reversal(&w, "B000003", "B000002");
    assert_accepted(&w);
    uint64_t decides = w.receipt->seq;
    match_refund(&w, "B000003", "R000001");
    assert_refused(&w, STATEMENT_CONFLICT);
    assert_int_equal(w.refusal->deciding_seq, decides);
    match_refund(&w, "B000099", "R000001");
    assert_refused(&w, BANK_ENTRY_UNKNOWN);
    book_charge(&w, "B000003");
    assert_refused(&w, STATEMENT_CONFLICT);
    assert_int_equal(w.refusal->deciding_seq, decides);
    allocate(&w, "B000002", "P000002", 0, NULL, 0, NULL);
    assert_refused(&w, ENTRY_SPENT);
    assert_int_equal(w.refusal->deciding_seq, decides);
    refund(&w, "B000002", 0, NULL);
    assert_refused(&w, OVER_REFUND);
    assert_int_equal(w.refusal->deciding_seq, decides);
    refund_paid(&w, "R000002", 200000, "CHF", "");
    assert_accepted(&w);
    match_refund(&w, "B000004", "R000001"); /* no statement has it */
    assert_refused(&w, STATEMENT_CONFLICT);
    assert_balanced(&w);
    world_fini(&w);
}

/* A payment for one pledge, some of which pays for another, is not taken back from under that. */
static void test_a_reversal_of_what_pays_for_others(void **state)
{
    (void)state;
    struct world w;
    const struct bank_line lines[] = {{-50000, KIND(REVERSAL), "X3", ""}};
    refunds_ready(&w);
    submit(&w, NULL, "C000001", NULL, 60000, "CHF");
    pay(&w, "P000003", 50000, "CHF", "HAND");
    uint64_t seq = w.receipt->seq + 1;
    reallocate(&w, seq, "P000002", 100, "CHF");
    assert_accepted(&w);
    give_lines(&w, "A", lines, 1);
    match_reversal(&w, "B000003", "B000002");
    assert_refused(&w, STATEMENT_CONFLICT);
    assert_string_equal(w.refusal->field, "match_reversal.original");
    reallocate(&w, w.ledger->allocation[w.ledger->allocation_count - 1].seq, "P000003", 0, NULL);
    assert_accepted(&w);
    match_reversal(&w, "B000003", "B000002");
    assert_accepted(&w);
    assert_balanced(&w);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_matched_reversal_is_remembered),
        cmocka_unit_test(test_a_reversal_is_matched_to_what_it_can_take_back),
        cmocka_unit_test(test_nothing_is_done_with_what_was_taken_back),
        cmocka_unit_test(test_a_reversal_of_what_pays_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
