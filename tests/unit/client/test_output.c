/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: one sheet, four forms; programs read the same in every language, people read tables that
 * line up.
 */
#include <cmocka.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "client/output.h"
#include "client/text.h"
#include "common/check.h"
#include "pledged/v1/service.pb-c.h"

static struct pl_arena arena;
static struct pl_buf out;

static const struct column columns[] = {
    {"name", N_("Name"), IN_ALL, false},    {"amount", N_("Amount"), IN_ALL, true},
    {"currency", NULL, IN_PROGRAMS, false}, {"left", N_("Left"), IN_ALL, true},
    {"expires_us", NULL, IN_JSON, true},
};

static void add_row(struct sheet *sheet, const char *name, int64_t minor, const char *currency,
                    int64_t left)
{
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    Pledged__V1__Count count = PLEDGED__V1__COUNT__INIT;
    money.minor = minor;
    money.currency = (char *)(uintptr_t)currency;
    count.value_case =
        left < 0 ? PLEDGED__V1__COUNT__VALUE_UNLIMITED : PLEDGED__V1__COUNT__VALUE_COUNT;
    if (left < 0)
        count.unlimited = true;
    else
        count.count = left;
    sheet_text(sheet, name);
    sheet_amount(sheet, currency == NULL ? NULL : &money);
    sheet_text(sheet, currency);
    sheet_remaining(sheet, &count);
    sheet_time_us(sheet, 0);
}

static const char *print(enum output_format format, const char *list)
{
    struct sheet sheet;
    sheet_init(&sheet, list, columns, PL_COUNT(columns), &arena);
    add_row(&sheet, "Société \"Ex\", S.A.\tx", 15000000, "CHF", 0);
    if (list != NULL) {
        add_row(&sheet, "Yen", 33401000, "JPY", -1);
        add_row(&sheet, "", 0, NULL, 12);
        sheet_as_of(&sheet, 7, 1000000);
    }
    pl_buf_clear(&out);
    assert_true(pl_is_ok(sheet_print(&sheet, format, false, &out)));
    assert_true(pl_is_ok(pl_buf_append(&out, "", 1)));
    return (const char *)out.data + out.start;
}

static void test_plain_has_stable_columns_and_escapes(void **state)
{
    (void)state;
    static const char wanted[] = "Société \"Ex\", S.A.\\tx\t150000.00\tCHF\t0\n"
                                 "Yen\t33401000\tJPY\tunlimited\n"
                                 "-\t-\t-\t12\n";
    assert_string_equal(print(OUTPUT_PLAIN, "things"), wanted);
    text_use(TEXT_FRENCH);
    assert_string_equal(print(OUTPUT_PLAIN, "things"), wanted);
    text_use(TEXT_ENGLISH);
}

static void test_csv_quotes_what_needs_quotes(void **state)
{
    (void)state;
    assert_string_equal(print(OUTPUT_CSV, "things"),
                        "name,amount,currency,left\r\n"
                        "\"Société \"\"Ex\"\", S.A.\tx\",150000.00,CHF,0\r\n"
                        "Yen,33401000,JPY,unlimited\r\n"
                        ",,,12\r\n");
}

/* A name that turns what stands after it, or clears the screen, in every form. */
static void test_nothing_steers(void **state)
{
    (void)state;
    static const struct column one[] = {{"name", N_("Name"), IN_ALL, false}};
    static const char name[] = "a\u202Eb\xC2\x9B"
                               "2J\x1B[2J\tc\u2066";
    static const struct {
        enum output_format format;
        bool exact;
        const char *wanted;
    } cases[] = {
        {OUTPUT_PLAIN, false, "a\\u202eb\\u009b2J\\u001b[2J\\tc\\u2066\n"},
        {OUTPUT_JSON, false,
         "{\"things\": [\n  {\"name\": \"a\\u202eb\\u009b2J\\u001b[2J\\u0009c\\u2066\"}\n]}\n"},
        {OUTPUT_CSV, false, "name\r\na   b  2J [2J\tc   \r\n"},
        {OUTPUT_CSV, true,
         "name\r\na\u202Eb\xC2\x9B"
         "2J\x1B[2J\tc\u2066\r\n"},
        {OUTPUT_TABLE, false, "Name\na b 2J [2J c \n"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct sheet sheet;
        sheet_init(&sheet, "things", one, 1, &arena);
        sheet.exact = cases[i].exact;
        sheet_text(&sheet, name);
        pl_buf_clear(&out);
        assert_true(pl_is_ok(sheet_print(&sheet, cases[i].format, false, &out)));
        assert_true(pl_is_ok(pl_buf_append(&out, "", 1)));
        assert_string_equal((const char *)pl_buf_slice(&out).data, cases[i].wanted);
    }
}

static void test_json_is_one_object_with_the_list(void **state)
{
    (void)state;
    json_t *root = json_loads(print(OUTPUT_JSON, "things"), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    json_t *rows = json_object_get(root, "things");
    assert_int_equal(json_array_size(rows), 3);
    assert_int_equal(json_integer_value(json_object_get(root, "as_of_seq")), 7);
    assert_string_equal(json_string_value(json_object_get(root, "as_of_time")),
                        "1970-01-01T00:00:01.000000Z");
    json_t *first = json_array_get(rows, 0);
    assert_string_equal(json_string_value(json_object_get(first, "amount")), "150000.00");
    assert_int_equal(json_integer_value(json_object_get(first, "left")), 0);
    assert_true(json_is_integer(json_object_get(first, "left")));
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 1), "left")),
                        "unlimited");
    assert_true(json_is_null(json_object_get(json_array_get(rows, 2), "name")));
    json_decref(root);
    root = json_loads(print(OUTPUT_JSON, NULL), JSON_REJECT_DUPLICATES, NULL);
    assert_string_equal(json_string_value(json_object_get(root, "currency")), "CHF");
    json_decref(root);
}

static void test_a_table_lines_up_with_accents_and_without_tabs(void **state)
{
    (void)state;
    assert_string_equal(print(OUTPUT_TABLE, "things"),
                        "Name                          Amount       Left\n"
                        "Société \"Ex\", S.A. x  CHF\u00a0150'000.00          0\n"
                        "Yen                   JPY\u00a033'401'000  unlimited\n"
                        "–                                  –         12\n"
                        "\nAs of entry 7, 1970-01-01 00:00:01 UTC.\n");
    assert_string_equal(print(OUTPUT_TABLE, NULL), "Name    Société \"Ex\", S.A. x\n"
                                                   "Amount  CHF\u00a0150'000.00\n"
                                                   "Left    0\n");
}

static void test_colour_only_where_asked(void **state)
{
    (void)state;
    struct sheet sheet;
    sheet_init(&sheet, "things", columns, PL_COUNT(columns), &arena);
    add_row(&sheet, "x", 1, "CHF", 1);
    for (int color = 0; color < 2; color++) {
        pl_buf_clear(&out);
        assert_true(pl_is_ok(sheet_print(&sheet, OUTPUT_TABLE, color == 1, &out)));
        assert_int_equal(memchr(out.data + out.start, 0x1b, pl_buf_len(&out)) != NULL, color);
    }
}

static void test_an_empty_list(void **state)
{
    (void)state;
    struct sheet sheet;
    static const char *const wanted[] = {"(nothing)\n", "", "{\"things\": []}\n",
                                         "name,amount,currency,left\r\n"};
    for (int format = 0; format < 4; format++) {
        sheet_init(&sheet, "things", columns, PL_COUNT(columns), &arena);
        pl_buf_clear(&out);
        assert_true(pl_is_ok(sheet_print(&sheet, (enum output_format)format, false, &out)));
        assert_true(pl_slice_eq_str(pl_buf_slice(&out), wanted[format]));
    }
}

static void test_a_sheet_that_did_not_fit_is_not_printed(void **state)
{
    (void)state;
    struct pl_arena small PL_CLEANUP(pl_arena_fini);
    struct sheet sheet;
    pl_arena_init(&small, 2000);
    sheet_init(&sheet, "things", columns, PL_COUNT(columns), &small);
    for (int i = 0; i < 100; i++)
        add_row(&sheet, "x", i, "CHF", i);
    assert_int_equal(sheet_print(&sheet, OUTPUT_PLAIN, false, &out).code, PL_E_TOO_BIG);
}

static void test_messages_become_json_with_decimals_and_codes(void **state)
{
    (void)state;
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    Pledged__V1__PledgeStatus pledge = PLEDGED__V1__PLEDGE_STATUS__INIT;
    Pledged__V1__GetPledgeResponse answer = PLEDGED__V1__GET_PLEDGE_RESPONSE__INIT;
    money.minor = 15000000;
    money.currency = (char *)(uintptr_t) "CHF";
    pledge.amount = &money;
    pledge.stage = PLEDGED__V1__STAGE__STAGE_HELD;
    pledge.money = PLEDGED__V1__MONEY_STATE__MONEY_STATE_REFUND_DUE;
    pledge.expires_us = 1000000;
    answer.pledge = &pledge;
    pl_buf_clear(&out);
    assert_true(pl_is_ok(output_message(&answer.base, &out)));
    json_t *root = json_loadb((const char *)out.data + out.start, pl_buf_len(&out),
                              JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    json_t *shown = json_object_get(root, "pledge");
    json_t *amount = json_object_get(shown, "amount");
    assert_string_equal(json_string_value(json_object_get(amount, "amount")), "150000.00");
    assert_string_equal(json_string_value(json_object_get(shown, "stage")), "held");
    assert_string_equal(json_string_value(json_object_get(shown, "money")), "refund-due");
    assert_string_equal(json_string_value(json_object_get(shown, "expires_us")), "1000000");
    assert_string_equal(json_string_value(json_object_get(shown, "expires")),
                        "1970-01-01T00:00:01.000000Z");
    assert_null(json_object_get(shown, "allocated")); /* unset */
    assert_int_equal(json_array_size(json_object_get(root, "payment")), 0);
    json_decref(root);
}

static void test_full_disks_are_told(void **state)
{
    (void)state;
    assert_int_equal(output_write(-1, pl_slice_str("x")).code, PL_E_IO);
}

static int begin(void **state)
{
    (void)state;
    text_use(TEXT_ENGLISH);
    pl_arena_init(&arena, 1 << 20);
    pl_buf_init(&out, 1 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pl_buf_fini(&out);
    pl_arena_fini(&arena);
    return 0;
}

static void test_text_is_no_markup(void **state)
{
    (void)state;
    struct pl_buf xml PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&xml, 4096);
    assert_true(pl_is_ok(output_xml(&xml, "a<b>&\"c\" é")));
    assert_true(pl_slice_eq_str(pl_buf_slice(&xml), "a&lt;b&gt;&amp;&quot;c&quot; é"));
    pl_buf_clear(&xml);
    assert_true(pl_is_ok(output_xml(&xml, "a\u202Eb\xC2\x9B\x1B[2J\nc")));
    assert_true(pl_slice_eq_str(pl_buf_slice(&xml), "a b  [2J\nc"));
}

static void test_csv_that_a_spreadsheet_does_not_run(void **state)
{
    (void)state;
    static const struct {
        const char *text, *plain, *safe;
    } cases[] = {
        {"", "", ""},
        {"plain", "plain", "plain"},
        {"=1+1", "=1+1", "\"'=1+1\""},
        {"+41", "+41", "\"'+41\""},
        {"@x", "@x", "\"'@x\""},
        {"-x", "-x", "\"'-x\""},
        {"\tx", "\tx", "\"'\tx\""},
        {"\rx", "\"\rx\"", "\"'\rx\""},
        {"-150000.00", "-150000.00", "-150000.00"},
        {"-5", "-5", "-5"},
        {"-5.", "-5.", "-5."},
        {"-", "-", "\"'-\""},
        {"-5-1", "-5-1", "\"'-5-1\""},
        {"-1.2.3", "-1.2.3", "\"'-1.2.3\""},
        {"=\"a\",1", "\"=\"\"a\"\",1\"", "\"'=\"\"a\"\",1\""},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_buf text PL_CLEANUP(pl_buf_fini);
        pl_buf_init(&text, 256);
        assert_true(pl_is_ok(output_csv(&text, cases[i].text)));
        assert_true(pl_slice_eq_str(pl_buf_slice(&text), cases[i].plain));
        pl_buf_clear(&text);
        assert_true(pl_is_ok(output_csv_safe(&text, cases[i].text)));
        assert_true(pl_slice_eq_str(pl_buf_slice(&text), cases[i].safe));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv_that_a_spreadsheet_does_not_run),
        cmocka_unit_test(test_plain_has_stable_columns_and_escapes),
        cmocka_unit_test(test_csv_quotes_what_needs_quotes),
        cmocka_unit_test(test_nothing_steers),
        cmocka_unit_test(test_json_is_one_object_with_the_list),
        cmocka_unit_test(test_a_table_lines_up_with_accents_and_without_tabs),
        cmocka_unit_test(test_colour_only_where_asked),
        cmocka_unit_test(test_an_empty_list),
        cmocka_unit_test(test_a_sheet_that_did_not_fit_is_not_printed),
        cmocka_unit_test(test_messages_become_json_with_decimals_and_codes),
        cmocka_unit_test(test_full_disks_are_told),
        cmocka_unit_test(test_text_is_no_markup),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
