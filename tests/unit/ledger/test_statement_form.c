/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what is wrong with a bank's file in itself is refused by its field and with its reason.
 */
#include "common/check.h"
#include "server/ledger/statement.h"
#include "server/ledger/statement_form.h"
#include "two_movements.h"

static const char *wrong_field(Pledged__V1__Reason *ret_reason)
{
    Pledged__V1__ImportStatement command = PLEDGED__V1__IMPORT_STATEMENT__INIT;
    const char *field = NULL;
    command.file_sha256 = STORY_SHA256;
    command.n_statement = 1;
    command.statement = &bank;
    *ret_reason = 0;
    const char *why = statement_form_wrong(&command, ret_reason, &field);
    assert_true((why == NULL) == (field == NULL));
    return field;
}

/* Each wrong value alone, with everything else right. */
#define WRONG(place_, value_, reason_, field_)                                                     \
    do {                                                                                           \
        Pledged__V1__Reason reason;                                                                \
        __typeof__(place_) old_ = place_;                                                          \
        assert_null(wrong_field(&reason));                                                         \
        place_ = value_;                                                                           \
        const char *named_ = wrong_field(&reason);                                                 \
        if (named_ == NULL)                                                                        \
            fail_msg("not refused: %s", #place_ " = " #value_);                                    \
        assert_string_equal(named_, "import_statement.statement" field_);                          \
        assert_int_equal(reason, REASON(reason_));                                                 \
        place_ = old_;                                                                             \
    } while (0)

static void test_fields_of_a_statement(void **state)
{
    (void)state;
    Pledged__V1__Remainder rest = PLEDGED__V1__REMAINDER__INIT;
    begin();
    WRONG(bank->kind, 0, FIELD_REQUIRED, ".kind");
    WRONG(bank->account, S_(""), FIELD_REQUIRED, ".account");
    WRONG(bank->id, S_(""), FIELD_REQUIRED, ".account");
    WRONG(bank->account, S_("12345678901234567890123456789012345"), FIELD_TOO_LONG, ".account");
    WRONG(bank->id, S_("a\tb"), FIELD_TOO_LONG, ".account");
    WRONG(bank->id, S_("a\x7f"), FIELD_TOO_LONG, ".account");
    WRONG(bank->currency, S_("CHX"), CURRENCY_UNKNOWN, ".currency");
    WRONG(bank->created, S_(""), DATE_INVALID, ".created");
    WRONG(bank->from_date, S_("2026-02-30"), DATE_INVALID, ".from_date");
    WRONG(bank->to_date, S_("soon"), DATE_INVALID, ".to_date");
    WRONG(bank->closing_minor, bank->closing_minor + 1, STATEMENT_UNBALANCED, ".closing_minor");
    WRONG(bank->opening_minor, 0, STATEMENT_UNBALANCED, ".closing_minor");
    WRONG(bank->opening_minor, INT64_MAX, AMOUNT_OVERFLOW, ".movement.minor");
    rest.count = -1;
    WRONG(bank->remainder, &rest, FIELD_INVALID, ".remainder.count");
    rest.count = 1;
    rest.minor = INT64_MAX;
    WRONG(bank->remainder, &rest, AMOUNT_OVERFLOW, ".remainder.minor");
    rest.minor = 5;
    WRONG(bank->remainder, &rest, STATEMENT_UNBALANCED, ".closing_minor");
    bank->kind = PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_NOTIFICATION;
    bank->opening_minor = bank->closing_minor = 0;
    WRONG(bank->opening_minor, 1, FIELD_INVALID, ".opening_minor");
    WRONG(bank->closing_minor, 1, FIELD_INVALID, ".opening_minor");
    bank->from_date = bank->to_date = S_("");
    Pledged__V1__Reason reason;
    assert_null(wrong_field(&reason));
}

static void test_fields_of_a_movement(void **state)
{
    (void)state;
    static char longest[66];
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    begin();
    memset(longest, 'x', 65);
    WRONG(first->kind, 0, FIELD_REQUIRED, ".movement.kind");
    WRONG(first->minor, 0, AMOUNT_REQUIRED, ".movement.minor");
    WRONG(first->minor, INT64_MIN, AMOUNT_REQUIRED, ".movement.minor");
    WRONG(first->booking_date, S_("2026-2-3"), DATE_INVALID, ".movement.booking_date");
    WRONG(first->value_date, S_(""), DATE_INVALID, ".movement.value_date");
    char **const texts[] = {&first->bank_ref,      &first->batch_ref, &first->entry_ref,
                            &first->uetr,          &first->rate,      &first->end_to_end_id,
                            &first->return_reason, &first->reference, &first->bank_code};
    for (size_t i = 0; i < PL_COUNT(texts); i++) {
        WRONG(*texts[i], longest, FIELD_INVALID, ".movement");
        WRONG(*texts[i], S_("a\x1b"), FIELD_INVALID, ".movement");
    }
    WRONG(first->reference, S_("RF00P000001"), FIELD_INVALID, ".movement.reference");
    first->reference = S_(refers(&w, 1));
    money.currency = S_("ABC");
    WRONG(first->instructed, &money, CURRENCY_UNKNOWN, ".movement.instructed.currency");
    money.currency = S_("USD");
    first->instructed = &money;
    Pledged__V1__Money charges = PLEDGED__V1__MONEY__INIT;
    charges.currency = S_("USD");
    WRONG(first->charges, &charges, FIELD_INVALID, ".movement.charges"); /* of nothing */
    charges.minor = 1;
    charges.currency = S_("ABC");
    WRONG(first->charges, &charges, FIELD_INVALID, ".movement.charges");
    charges.currency = S_("USD");
    first->charges = &charges;
    first->detail_commitment = STORY_SHA256;
    WRONG(first->detail_commitment.len, 31, FIELD_INVALID, ".movement.detail_commitment");
}

static void test_files_are_bounded(void **state)
{
    (void)state;
    Pledged__V1__ImportStatement command = PLEDGED__V1__IMPORT_STATEMENT__INIT;
    Pledged__V1__BankStatement *banks[65];
    Pledged__V1__Movement **many =
        pl_arena_alloc(&w.arena, (LEDGER_MOVEMENTS_MAX + 1) * sizeof(*many));
    Pledged__V1__Reason reason = 0;
    const char *field = NULL;
    begin();
    for (size_t i = 0; i < 65; i++)
        banks[i] = bank;
    for (size_t i = 0; i <= LEDGER_MOVEMENTS_MAX; i++)
        many[i] = first;
    command.statement = banks;
    command.n_statement = 1;
    assert_non_null(statement_form_wrong(&command, &reason, &field));
    assert_string_equal(field, "import_statement.file_sha256");
    command.file_sha256 = STORY_SHA256;
    command.message_id = S_("a\n");
    assert_non_null(statement_form_wrong(&command, &reason, &field));
    assert_string_equal(field, "import_statement.message_id");
    command.message_id = S_("");
    for (size_t count = 0; count <= 65; count += 65) {
        command.n_statement = count;
        assert_non_null(statement_form_wrong(&command, &reason, &field));
        assert_string_equal(field, "import_statement.statement");
    }
    command.n_statement = 1;
    bank->movement = many;
    bank->n_movement = LEDGER_MOVEMENTS_MAX + 1;
    assert_non_null(statement_form_wrong(&command, &reason, &field));
    assert_int_equal(reason, REASON(TOO_BIG));
    bank->n_movement = LEDGER_MOVEMENTS_MAX;
    bank->closing_minor = 1000 + 700 * LEDGER_MOVEMENTS_MAX;
    assert_null(statement_form_wrong(&command, &reason, &field));
    assert_true(statement_room(&command) > LEDGER_MOVEMENTS_MAX * sizeof(struct state_movement));
}

int main(void)
{
#define T_(test_) cmocka_unit_test_setup_teardown(test_, setup, teardown)
    const struct CMUnitTest tests[] = {
        T_(test_fields_of_a_statement),
        T_(test_fields_of_a_movement),
        T_(test_files_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
