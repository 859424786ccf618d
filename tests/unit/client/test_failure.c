/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a failure says everything it knows, once, in words or as one JSON object.
 */
#include <cmocka.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/failure.h"
#include "client/text.h"
#include "common/check.h"

static struct failure failure;

static char *lend(const char *text)
{
    return (char *)(uintptr_t)text;
}

static void set_refusal(Pledged__V1__Reason reason, const char *names[], const char *values[],
                        size_t count)
{
    static Pledged__V1__Refusal refusal;
    static Pledged__V1__Arg args[8], *pointers[8];
    refusal = (Pledged__V1__Refusal)PLEDGED__V1__REFUSAL__INIT;
    for (size_t i = 0; i < count; i++) {
        args[i] = (Pledged__V1__Arg)PLEDGED__V1__ARG__INIT;
        args[i].name = lend(names[i]);
        args[i].value = lend(values[i]);
        pointers[i] = &args[i];
    }
    refusal.reason = reason;
    if (reason ==
        PLEDGED__V1__REASON__REASON_DATE_INVALID) /* as the daemon has it of what it decided */
        refusal.message = lend("the date does not fit");
    refusal.field = lend("submit.tier");
    refusal.seq = 15;
    refusal.deciding_seq = 12;
    refusal.arg = pointers;
    refusal.n_arg = count;
    failure = (struct failure){0};
    assert_int_equal(failure_set_refusal(&failure, PL_E_REFUSED, &refusal).code, PL_E_REFUSED);
}

static void test_a_refusal_in_words(void **state)
{
    (void)state;
    const char *names[] = {"tier", "capacity"}, *values[] = {"platine", "2"};
    set_refusal(PLEDGED__V1__REASON__REASON_TIER_SOLD_OUT, names, values, 2);
    assert_string_equal(failure.message,
                        "every place of this tier is taken (tier: platine; places: 2); field "
                        "submit.tier; decided by entry 12; this refusal is entry 15");
    text_use(TEXT_FRENCH);
    set_refusal(PLEDGED__V1__REASON__REASON_TIER_SOLD_OUT, names, values, 2);
    assert_non_null(strstr(failure.message, "toutes les places"));
    assert_non_null(strstr(failure.message, "12"));
    text_use(TEXT_ENGLISH);
}

static void test_values_of_the_ledger_are_translated(void **state)
{
    (void)state;
    const char *names[] = {"minor", "currency", "stage", "max_s"};
    const char *values[] = {"5000000", "CHF", "STAGE_WITHDRAWN", "5184000"};
    set_refusal(PLEDGED__V1__REASON__REASON_AMOUNT_NOT_TIER, names, values, 4);
    assert_non_null(strstr(failure.message, "CHF 50000.00"));
    assert_non_null(strstr(failure.message, "stage: withdrawn"));
    assert_non_null(strstr(failure.message, "60 days"));
    assert_null(strstr(failure.message, "5000000"));
    const char *odd_names[] = {"minor", "shape"}, *odd_values[] = {"x", "round"};
    set_refusal(PLEDGED__V1__REASON__REASON_STATE_WRONG, odd_names, odd_values, 2);
    assert_non_null(strstr(failure.message, "shape: round"));
}

/* What a reason of several sorts is about, in the language of the reader. */
static void test_the_sort_is_told(void **state)
{
    (void)state;
    const char *refund[] = {"refund", "state"}, *paid[] = {"R000002", "paid"};
    const char *tier[] = {"minor", "currency"}, *price[] = {"5000000", "CHF"};
    const char *length[] = {"max_bytes"}, *most[] = {"200"};
    text_use(TEXT_FRENCH);
    set_refusal(PLEDGED__V1__REASON__REASON_REFUND_STATE, refund, paid, 2);
    assert_non_null(strstr(failure.message, "payé)"));
    paid[1] = "cancelled"; /* an order is, a contract is another word */
    set_refusal(PLEDGED__V1__REASON__REASON_REFUND_STATE, refund, paid, 2);
    assert_non_null(strstr(failure.message, "ordre annulé)"));
    paid[1] = "approved";
    set_refusal(PLEDGED__V1__REASON__REASON_PROPOSAL_CLOSED, refund, paid, 2);
    assert_non_null(strstr(failure.message, "approuvée)"));
    paid[1] = "dreamt of"; /* by a newer daemon */
    set_refusal(PLEDGED__V1__REASON__REASON_PROPOSAL_CLOSED, refund, paid, 2);
    assert_non_null(strstr(failure.message, "dreamt of)"));
    set_refusal(PLEDGED__V1__REASON__REASON_AMOUNT_NOT_TIER, tier, price, 2);
    assert_non_null(strstr(failure.message, "(prix"));
    set_refusal(PLEDGED__V1__REASON__REASON_FIELD_TOO_LONG, length, most, 1);
    assert_non_null(strstr(failure.message, "un texte est trop long (au plus 200 octets)"));
    static const struct {
        Pledged__V1__Reason reason;
        const char *message, *words;
    } rows[] = {
        {PLEDGED__V1__REASON__REASON_DATE_INVALID, "a month has the form YYYY-MM",
         "un mois a la forme AAAA-MM"},
        {PLEDGED__V1__REASON__REASON_DATE_INVALID, "a date has the form YYYY-MM-DD",
         "une date a la forme AAAA-MM-JJ"},
        {PLEDGED__V1__REASON__REASON_FIELD_TOO_LONG, "at most 16 documents",
         "au plus 16 documents"},
        {PLEDGED__V1__REASON__REASON_FIELD_TOO_LONG, "the text is too long",
         "un texte est trop long"},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        Pledged__V1__Refusal refusal = PLEDGED__V1__REFUSAL__INIT;
        refusal.reason = rows[i].reason;
        refusal.message = lend(rows[i].message);
        failure = (struct failure){0};
        assert_int_equal(failure_set_refusal(&failure, PL_E_INVALID, &refusal).code, PL_E_INVALID);
        assert_string_equal(failure.message,
                            rows[i].words != NULL ? rows[i].words : text_reason(rows[i].reason));
    }
    /* a day that a rule does not take has its form: what is against it, and which would do */
    const char *early[] = {"why", "date", "earliest"};
    const char *days[] = {"it would be dated before what it rests on", "2026-03-01", "2026-03-09"};
    set_refusal(PLEDGED__V1__REASON__REASON_DATE_INVALID, early, days, 3);
    assert_non_null(strstr(failure.message, "ce jour n’est pas possible ici (parce que"));
    assert_non_null(strstr(failure.message, "2026-03-09"));
    assert_null(strstr(failure.message, "AAAA-MM-JJ"));
    text_use(TEXT_ENGLISH);
    set_refusal(PLEDGED__V1__REASON__REASON_DATE_INVALID, early, days, 3);
    assert_non_null(strstr(failure.message,
                           "this day is not possible here (because: it would be dated before what "
                           "it rests on; day: 2026-03-01; earliest day possible: 2026-03-09)"));
}

/* Nothing is taken in by a charge or a match, so nothing is said of that. */
static void test_what_single_bank_entries_contradict(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"import_statement.statement.id", "rien n’a été importé"},
        {"book_charge.bank_entry", "ce ne sont pas des frais de la banque"},
        {"match_refund.bank_entry", "ces deux écritures ne vont pas ensemble"},
        {"match_reversal.original", "ces deux écritures ne vont pas ensemble"},
    };
    text_use(TEXT_FRENCH);
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        Pledged__V1__Refusal refusal = PLEDGED__V1__REFUSAL__INIT;
        refusal.reason = PLEDGED__V1__REASON__REASON_STATEMENT_CONFLICT;
        refusal.message = lend("this contradicts what is in already");
        refusal.field = lend(rows[i][0]);
        failure = (struct failure){0};
        assert_int_equal(failure_set_refusal(&failure, PL_E_REFUSED, &refusal).code, PL_E_REFUSED);
        assert_non_null(strstr(failure.message, rows[i][1]));
        assert_int_equal(strstr(failure.message, "import") != NULL, i == 0);
    }
    text_use(TEXT_ENGLISH);
}

static void test_a_reason_of_a_newer_daemon_falls_back_to_its_words(void **state)
{
    (void)state;
    Pledged__V1__Refusal refusal = PLEDGED__V1__REFUSAL__INIT;
    refusal.reason = (Pledged__V1__Reason)129;
    refusal.message = lend("the moon is full");
    failure = (struct failure){0};
    struct pl_status status = failure_set_refusal(&failure, PL_E_REFUSED, &refusal);
    assert_int_equal(status.code, PL_E_REFUSED);
    assert_string_equal(failure.message, "the moon is full");
    assert_string_equal(failure_reason(&failure), "129");
}

static void test_json_is_one_line_with_every_field(void **state)
{
    (void)state;
    const char *names[] = {"tier"}, *values[] = {"plat\"ine"};
    set_refusal(PLEDGED__V1__REASON__REASON_TIER_SOLD_OUT, names, values, 1);
    struct pl_buf out PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&out, 1 << 16);
    assert_true(pl_is_ok(failure_json(&failure, &out)));
    const char *text = (const char *)out.data + out.start;
    assert_ptr_equal(memchr(text, '\n', pl_buf_len(&out)), text + pl_buf_len(&out) - 1);
    json_t *root = json_loadb(text, pl_buf_len(&out), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    assert_int_equal(json_integer_value(json_object_get(root, "code")), 10);
    assert_string_equal(json_string_value(json_object_get(root, "reason")), "TIER_SOLD_OUT");
    assert_true(json_is_false(json_object_get(root, "retryable")));
    assert_int_equal(json_integer_value(json_object_get(root, "seq")), 15);
    assert_int_equal(json_integer_value(json_object_get(root, "deciding_seq")), 12);
    assert_string_equal(json_string_value(json_object_get(root, "field")), "submit.tier");
    assert_string_equal(json_string_value(json_object_get(json_object_get(root, "arg"), "tier")),
                        "plat\"ine");
    json_decref(root);
}

static const char *words(void)
{
    static char text[4096];
    FILE *file = fmemopen(text, sizeof(text), "w");
    assert_non_null(file);
    failure_words(&failure, file);
    (void)fclose(file);
    return text;
}

static void test_an_unknown_outcome_says_what_to_do(void **state)
{
    (void)state;
    failure = (struct failure){0};
    (void)snprintf(failure.request_id, sizeof(failure.request_id),
                   "01980000-0000-7000-8000-000000000001");
    struct pl_status status =
        failure_set(&failure, PL_E_UNKNOWN_OUTCOME, 0, "", "the connection was lost");
    assert_int_equal(pl_code_exit(status.code), 75);
    failure.uncertain = true;
    assert_non_null(strstr(words(), "--request-id 01980000-0000-7000-8000-000000000001"));
    failure.uncertain = false;
    assert_null(strstr(words(), "--request-id"));
    assert_non_null(strstr(words(), "Nothing was recorded"));
}

static void test_a_status_nobody_explained_gets_words(void **state)
{
    (void)state;
    failure = (struct failure){0};
    failure_complete(&failure, pl_fail(IO, "writing the answer"));
    assert_string_equal(failure.message, "reading or writing failed: writing the answer");
    assert_string_equal(failure_reason(&failure), "IO");
    struct failure before = failure;
    failure_complete(&failure, pl_fail(IO, "something else")); /* explained already: kept */
    assert_string_equal(failure.message, before.message);
}

static void test_a_long_message_is_cut_not_overrun(void **state)
{
    (void)state;
    char name[900], value[900];
    memset(name, 'n', sizeof(name) - 1);
    memset(value, 'v', sizeof(value) - 1);
    name[sizeof(name) - 1] = value[sizeof(value) - 1] = '\0';
    const char *names[] = {name, name}, *values[] = {value, value};
    set_refusal(PLEDGED__V1__REASON__REASON_STATE_WRONG, names, values, 2);
    assert_true(strlen(failure.message) < sizeof(failure.message));
}

static int english(void **state)
{
    (void)state;
    text_use(TEXT_ENGLISH);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_refusal_in_words),
        cmocka_unit_test(test_values_of_the_ledger_are_translated),
        cmocka_unit_test(test_the_sort_is_told),
        cmocka_unit_test(test_what_single_bank_entries_contradict),
        cmocka_unit_test(test_a_reason_of_a_newer_daemon_falls_back_to_its_words),
        cmocka_unit_test(test_json_is_one_line_with_every_field),
        cmocka_unit_test(test_an_unknown_outcome_says_what_to_do),
        cmocka_unit_test(test_a_status_nobody_explained_gets_words),
        cmocka_unit_test(test_a_long_message_is_cut_not_overrun),
    };
    return cmocka_run_group_tests(tests, english, NULL);
}
