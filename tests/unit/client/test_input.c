/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what people type becomes what the API wants, or a failure that says what to type instead.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/input.h"
#include "client/when.h"
#include "common/check.h"
#include "common/hash.h"

static struct cli cli;

static void type(enum option option, const char *text)
{
    cli.options.value[option].text[cli.options.value[option].count++] = text;
}

static int fresh(void **state)
{
    (void)state;
    cli = (struct cli){0};
    pl_arena_init(&cli.arena, 4 << 20);
    text_use(TEXT_ENGLISH);
    return 0;
}

static int gone(void **state)
{
    (void)state;
    pl_arena_fini(&cli.arena);
    return 0;
}

static void test_ids_are_taken_loosely(void **state)
{
    (void)state;
    assert_string_equal(input_id(&cli, "p42", 'P'), "P000042");
    assert_string_equal(input_id(&cli, "P000042", 'P'), "P000042");
    assert_string_equal(input_id(&cli, "c1234567", 'C'), "C1234567");
    assert_string_equal(input_id(&cli, "whoever", 'C'), "whoever"); /* the daemon will say */
    assert_string_equal(input_id(&cli, NULL, 'C'), "");
}

static void test_amounts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *currency;
        int64_t minor;
    } good[] = {
        {"150000", "CHF", 15000000},  {"150'000.00", "CHF", 15000000},
        {"12 500.5", "CHF", 1250050}, {"33401000", "JPY", 33401000},
        {"1.234", "KWD", 1234},       {"0", "CHF", 0},
        {"12345,67", "CHF", 1234567}, {"12 345,6", "CHF", 1234560},
        {"12,50", "TND", 12500},      {"1’234.50", "CHF", 123450},
    };
    for (size_t i = 0; i < PL_COUNT(good); i++) {
        Pledged__V1__Money *money = NULL;
        if (!pl_is_ok(input_money(&cli, good[i].text, good[i].currency, "f", &money)))
            fail_msg("%s: %s", good[i].text, cli.failure.message);
        assert_int_equal(money->minor, good[i].minor);
        assert_string_equal(money->currency, good[i].currency);
    }
}

static void test_wrong_amounts_say_what_to_type(void **state)
{
    (void)state;
    static const struct {
        const char *text, *currency;
        Pledged__V1__Reason reason;
        const char *hint;
    } wrong[] = {
        {"1", "CHX", PLEDGED__V1__REASON__REASON_CURRENCY_UNKNOWN, "CHX"},
        {"1", "chf", PLEDGED__V1__REASON__REASON_CURRENCY_UNKNOWN, "type CHF, not chf"},
        {"1", "aed", PLEDGED__V1__REASON__REASON_CURRENCY_UNKNOWN, "type AED, not aed"},
        {"1", "chfx", PLEDGED__V1__REASON__REASON_CURRENCY_UNKNOWN, "chfx: "},
        {"1", "ch", PLEDGED__V1__REASON__REASON_CURRENCY_UNKNOWN, "ch: "},
        {"1.005", "CHF", PLEDGED__V1__REASON__REASON_AMOUNT_PRECISION, "1005.00"},
        {"150000.000", "CHF", PLEDGED__V1__REASON__REASON_AMOUNT_PRECISION,
         "more digits after the point than CHF has (2); type 150000.00 if"},
        {"1'500.0000", "CHF", PLEDGED__V1__REASON__REASON_AMOUNT_PRECISION, "type 1'500.00 if"},
        {"1500.0", "JPY", PLEDGED__V1__REASON__REASON_AMOUNT_PRECISION, "type 1500 if"},
        {"1.500", "CHF", PLEDGED__V1__REASON__REASON_AMOUNT_PRECISION, "type 1500.00 or 1.50"},
        {"1.500", "JPY", PLEDGED__V1__REASON__REASON_AMOUNT_PRECISION, "the second has more"},
        {"1.0055", "CHF", PLEDGED__V1__REASON__REASON_AMOUNT_PRECISION, "(2)"},
        {"1.5", "JPY", PLEDGED__V1__REASON__REASON_AMOUNT_PRECISION, "JPY"},
        {"1,500", "CHF", PLEDGED__V1__REASON__REASON_FIELD_INVALID, "1500.00"},
        {"12,345", "CHF", PLEDGED__V1__REASON__REASON_FIELD_INVALID, "as 12345.00 and as 12.345:"},
        {"12,345", "TND", PLEDGED__V1__REASON__REASON_FIELD_INVALID, "type 12345.000 or 12.345"},
        {"12.345", "CLF", PLEDGED__V1__REASON__REASON_AMOUNT_PRECISION,
         "type 12345.0000 or 12.3450"},
        {"1.500,00", "CHF", PLEDGED__V1__REASON__REASON_FIELD_INVALID, "type 1500.00 "},
        {"1.500,005", "CHF", PLEDGED__V1__REASON__REASON_FIELD_INVALID, "without grouping"},
        {"1,500,000", "CHF", PLEDGED__V1__REASON__REASON_FIELD_INVALID, "type 1500000.00 "},
        {"1,50", "JPY", PLEDGED__V1__REASON__REASON_AMOUNT_PRECISION, "(0)"},
        {"1,500", "JPY", PLEDGED__V1__REASON__REASON_FIELD_INVALID, "type 1500"},
        {"150,000.00", "CHF", PLEDGED__V1__REASON__REASON_FIELD_INVALID, "150000.00"},
        {"-5", "CHF", PLEDGED__V1__REASON__REASON_FIELD_INVALID, "-5"},
        {"ten", "CHF", PLEDGED__V1__REASON__REASON_FIELD_INVALID, "ten"},
        {"99999999999999999999", "CHF", PLEDGED__V1__REASON__REASON_AMOUNT_OVERFLOW, "9999"},
    };
    for (size_t i = 0; i < PL_COUNT(wrong); i++) {
        Pledged__V1__Money *money = NULL;
        struct pl_status status =
            input_money(&cli, wrong[i].text, wrong[i].currency, "pay.amount", &money);
        if (status.code != PL_E_INVALID || cli.failure.reason != wrong[i].reason ||
            strstr(cli.failure.message, wrong[i].hint) == NULL)
            fail_msg("%s %s: %s: %s", wrong[i].text, wrong[i].currency,
                     failure_reason(&cli.failure), cli.failure.message);
        assert_string_equal(cli.failure.field, "pay.amount");
        assert_null(money);
    }
    Pledged__V1__Money *money = NULL; /* what is to be typed would be understood */
    assert_int_equal(input_money(&cli, "1.500", "CHF", "f", &money).code, PL_E_INVALID);
    assert_string_equal(cli.failure.message,
                        "the amount '1.500' can be read in two ways: type 1500.00 or 1.50");
}

static void test_amount_and_currency_go_together(void **state)
{
    (void)state;
    Pledged__V1__Money *money = NULL;
    assert_true(pl_is_ok(input_money_options(&cli, "f", &money)));
    assert_null(money);
    type(OPTION_AMOUNT, "5");
    assert_int_equal(input_money_options(&cli, "f", &money).code, PL_E_USAGE);
    type(OPTION_CURRENCY, "CHF");
    assert_true(pl_is_ok(input_money_options(&cli, "f", &money)));
    assert_int_equal(money->minor, 500);
}

static void test_words_of_a_list(void **state)
{
    (void)state;
    int kind = 7;
    assert_true(pl_is_ok(input_code(&cli, OPTION_KIND, TEXT_KIND, &kind)));
    assert_int_equal(kind, 7); /* not given */
    type(OPTION_KIND, "academia");
    assert_true(pl_is_ok(input_code(&cli, OPTION_KIND, TEXT_KIND, &kind)));
    assert_int_equal(kind, PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_ACADEMIA);
    cli.options.value[OPTION_KIND].count = 0;
    type(OPTION_KIND, "friend");
    assert_int_equal(input_code(&cli, OPTION_KIND, TEXT_KIND, &kind).code, PL_E_USAGE);
    assert_non_null(strstr(cli.failure.message, "civil-society"));
}

static void test_the_end_of_a_hold(void **state)
{
    (void)state;
    int which = 7;
    int64_t value = 0;
    assert_true(pl_is_ok(input_until(&cli, &which, &value)));
    assert_int_equal(which, 0);
    type(OPTION_FOR, "14d");
    assert_true(pl_is_ok(input_until(&cli, &which, &value)));
    assert_int_equal(which, 1);
    assert_int_equal(value, 14 * 86400);
    type(OPTION_UNTIL, "2026-07-10");
    assert_int_equal(input_until(&cli, &which, &value).code, PL_E_USAGE);
    cli.options.value[OPTION_FOR].count = 0;
    assert_true(pl_is_ok(when_use("CET-1CEST,M3.5.0,M10.5.0/3")));
    assert_true(pl_is_ok(input_until(&cli, &which, &value)));
    assert_int_equal(which, 2);
    assert_int_equal(value, 1783720800000000); /* 2026-07-10 24:00 in Geneva */
    cli.options.value[OPTION_UNTIL].count = 0;
    type(OPTION_UNTIL, "2026-02-30");
    assert_int_equal(input_until(&cli, &which, &value).code, PL_E_INVALID);
    assert_int_equal(cli.failure.reason, PLEDGED__V1__REASON__REASON_DATE_INVALID);
    cli.options.value[OPTION_UNTIL].count = 0;
    type(OPTION_FOR, "a while");
    assert_int_equal(input_until(&cli, &which, &value).code, PL_E_INVALID);
}

static void test_references_of_other_systems(void **state)
{
    (void)state;
    Pledged__V1__ExternalRef **refs = NULL;
    size_t count = 7;
    assert_true(pl_is_ok(input_refs(&cli, &refs, &count)));
    assert_int_equal(count, 0);
    type(OPTION_REF, "sap:4711");
    type(OPTION_REF, "crm:a:b");
    assert_true(pl_is_ok(input_refs(&cli, &refs, &count)));
    assert_int_equal(count, 2);
    assert_string_equal(refs[0]->system, "sap");
    assert_string_equal(refs[1]->id, "a:b");
    type(OPTION_REF, "nothing");
    assert_int_equal(input_refs(&cli, &refs, &count).code, PL_E_USAGE);
}

static void test_documents_are_hashed_here(void **state)
{
    (void)state;
    char path[] = "/tmp/pledge-evidence-XXXXXX";
    int fd = mkstemp(path);
    static char text[40000];
    memset(text, 'x', sizeof(text));
    assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
    (void)close(fd);
    Pledged__V1__Document **documents = NULL;
    size_t count = 7;
    assert_true(pl_is_ok(input_evidence(&cli, "letter", &documents, &count)));
    assert_int_equal(count, 0);
    type(OPTION_EVIDENCE, path);
    assert_true(pl_is_ok(input_evidence(&cli, "agreement", &documents, &count)));
    uint8_t digest[PL_SHA256_BYTES];
    pl_sha256(pl_slice(text, sizeof(text)), digest);
    assert_int_equal(count, 1);
    assert_memory_equal(documents[0]->sha256.data, digest, sizeof(digest));
    assert_int_equal(documents[0]->bytes, sizeof(text));
    assert_string_equal(documents[0]->kind, "agreement");
    type(OPTION_EVIDENCE_KIND, "letter");
    assert_true(pl_is_ok(input_evidence(&cli, "agreement", &documents, &count)));
    assert_string_equal(documents[0]->kind, "letter");
    (void)unlink(path);
    assert_int_equal(input_evidence(&cli, "letter", &documents, &count).code, PL_E_NO_INPUT);
    assert_non_null(strstr(cli.failure.message, path));
}

static void test_files(void **state)
{
    (void)state;
    char path[] = "/tmp/pledge-file-XXXXXX";
    int fd = mkstemp(path);
    struct pl_slice bytes;
    assert_int_equal(write(fd, "12345", 5), 5);
    (void)close(fd);
    assert_true(pl_is_ok(input_file(&cli, path, 5, &bytes)));
    assert_true(pl_slice_eq_str(bytes, "12345"));
    assert_int_equal(input_file(&cli, path, 4, &bytes).code, PL_E_TOO_BIG);
    assert_int_equal(input_file(&cli, "/tmp", 4, &bytes).code, PL_E_NO_INPUT);
    (void)unlink(path);
    assert_int_equal(input_file(&cli, path, 5, &bytes).code, PL_E_NO_INPUT);
}

static void test_numbers_of_entries(void **state)
{
    (void)state;
    uint64_t seq = 0;
    assert_true(pl_is_ok(input_seq(&cli, "1077", &seq)));
    assert_int_equal(seq, 1077);
    assert_int_equal(input_seq(&cli, "0", &seq).code, PL_E_USAGE);
    assert_int_equal(input_seq(&cli, "P000042", &seq).code, PL_E_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ids_are_taken_loosely, fresh, gone),
        cmocka_unit_test_setup_teardown(test_amounts, fresh, gone),
        cmocka_unit_test_setup_teardown(test_wrong_amounts_say_what_to_type, fresh, gone),
        cmocka_unit_test_setup_teardown(test_amount_and_currency_go_together, fresh, gone),
        cmocka_unit_test_setup_teardown(test_words_of_a_list, fresh, gone),
        cmocka_unit_test_setup_teardown(test_the_end_of_a_hold, fresh, gone),
        cmocka_unit_test_setup_teardown(test_references_of_other_systems, fresh, gone),
        cmocka_unit_test_setup_teardown(test_documents_are_hashed_here, fresh, gone),
        cmocka_unit_test_setup_teardown(test_files, fresh, gone),
        cmocka_unit_test_setup_teardown(test_numbers_of_entries, fresh, gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
