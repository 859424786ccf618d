/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a typed amount becomes exactly the minor units it means or is refused with the right
 * reason, and the currency table is ISO 4217's.
 */
#include <stdio.h>
#include <string.h>

#include "common/money.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static void test_table_is_sorted_and_found(void **state)
{
    (void)state;
    assert_true(pl_currency_count() > 140);
    for (int i = 0; i < pl_currency_count(); i++) {
        const char *code = pl_currency_code(i);
        assert_int_equal(strlen(code), 3);
        for (int k = 0; k < 3; k++)
            assert_true(code[k] >= 'A' && code[k] <= 'Z');
        if (i > 0)
            assert_true(strcmp(pl_currency_code(i - 1), code) < 0);
        assert_int_equal(pl_currency_index(code), i);
    }
}

static void test_exponents(void **state)
{
    (void)state;
    static const char *const none[] = {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW",
                                       "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"};
    static const char *const three[] = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"};
    int special = 0;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_int_equal(pl_currency_exponent(none[i]), 0);
    for (size_t i = 0; i < sizeof(three) / sizeof(three[0]); i++)
        assert_int_equal(pl_currency_exponent(three[i]), 3);
    assert_int_equal(pl_currency_exponent("CLF"), 4);
    assert_int_equal(pl_currency_exponent("UYW"), 4);
    for (int i = 0; i < pl_currency_count(); i++)
        special += pl_currency_exponent(pl_currency_code(i)) != 2;
    assert_int_equal(special, 16 + 7 + 2); /* all others have two */
}

static void test_unknown_currencies(void **state)
{
    (void)state;
    static const char *const codes[] = {"",    "C",    "CH",  "CHFX", "chf", "XAU", "XXX", "XTS",
                                        "XDR", "CHF ", "ZZZ", "AAA",  "HRK", "DEM", "SLL", "ANG"};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_int_equal(pl_currency_index(codes[i]), -1);
        assert_int_equal(pl_currency_exponent(codes[i]), -1);
    }
    assert_int_equal(pl_currency_exponent("CHF"), 2);
}

static void test_checked_sums(void **state)
{
    (void)state;
    int64_t sum = 5;
    assert_true(pl_add64(INT64_MAX - 1, 1, &sum));
    assert_true(sum == INT64_MAX);
    assert_false(pl_add64(INT64_MAX, 1, &sum));
    assert_true(sum == INT64_MAX); /* untouched */
    assert_false(pl_add64(INT64_MIN, -1, &sum));
    assert_true(pl_add64(INT64_MIN, INT64_MAX, &sum));
    assert_true(sum == -1);
}

struct typed {
    const char *text;
    int exponent;
    enum pl_decimal_problem problem;
    int64_t minor;
};

static void check_typed(const struct typed *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t minor = -7;
        enum pl_decimal_problem problem = pl_decimal_parse(rows[i].text, rows[i].exponent, &minor);
        if (problem != rows[i].problem)
            print_error("\"%s\" with %d decimals\n", rows[i].text, rows[i].exponent);
        assert_int_equal(problem, rows[i].problem);
        assert_true(minor == (problem == PL_DECIMAL_OK ? rows[i].minor : -7));
    }
}

static void test_amounts_that_are_understood(void **state)
{
    (void)state;
    static const struct typed rows[] = {
        {"150000", 2, PL_DECIMAL_OK, 15000000},
        {"150000.00", 2, PL_DECIMAL_OK, 15000000},
        {"150000.5", 2, PL_DECIMAL_OK, 15000050},
        {"150'000.00", 2, PL_DECIMAL_OK, 15000000},
        {"150 000.00", 2, PL_DECIMAL_OK, 15000000},
        {"150\xC2\xA0"
         "000.00",
         2, PL_DECIMAL_OK, 15000000}, /* no-break space */
        {"150\xE2\x80\xAF"
         "000.00",
         2, PL_DECIMAL_OK, 15000000}, /* narrow no-break space */
        {"1\xE2\x80\x99"
         "000",
         2, PL_DECIMAL_OK, 100000}, /* typographic apostrophe */
        {"1'234'567", 0, PL_DECIMAL_OK, 1234567},
        {"0", 2, PL_DECIMAL_OK, 0},
        {"0.01", 2, PL_DECIMAL_OK, 1},
        {"007", 2, PL_DECIMAL_OK, 700},
        {"1.500", 3, PL_DECIMAL_OK, 1500}, /* three decimals are those of the currency */
        {"1.5", 3, PL_DECIMAL_OK, 1500},
        {"1.2345", 4, PL_DECIMAL_OK, 12345},
        {"12345,67", 2, PL_DECIMAL_OK, 1234567},
        {"12345,6", 2, PL_DECIMAL_OK, 1234560},
        {"0,05", 2, PL_DECIMAL_OK, 5},
        {"1,5", 2, PL_DECIMAL_OK, 150},
        {"150 000,00", 2, PL_DECIMAL_OK, 15000000},
        {"12\xE2\x80\xAF"
         "345,67",
         2, PL_DECIMAL_OK, 1234567}, /* as a French table has it */
        {"12\xC2\xA0"
         "345,67",
         2, PL_DECIMAL_OK, 1234567},
        {"1\xE2\x80\x99"
         "234.50",
         2, PL_DECIMAL_OK, 123450},
        {"1\xE2\x80\x99"
         "234,50",
         2, PL_DECIMAL_OK, 123450},
        {"1'234'567,8", 2, PL_DECIMAL_OK, 123456780},
        {"12,5", 3, PL_DECIMAL_OK, 12500},
        {"12,50", 3, PL_DECIMAL_OK, 12500},
        {"12.345", 3, PL_DECIMAL_OK, 12345},
        {"0,345", 3, PL_DECIMAL_OK, 345}, /* nobody writes thousands as 0,345 */
        {"0.345", 4, PL_DECIMAL_OK, 3450},
        {"1,2345", 4, PL_DECIMAL_OK, 12345},
        {"92233720368547758.07", 2, PL_DECIMAL_OK, INT64_MAX},
        {"9223372036854775807", 0, PL_DECIMAL_OK, INT64_MAX},
    };
    check_typed(rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_amounts_that_are_refused(void **state)
{
    (void)state;
    static const struct typed rows[] = {
        {"1.500", 2, PL_DECIMAL_AMBIGUOUS, 0},
        {"1,500", 2, PL_DECIMAL_AMBIGUOUS, 0},
        {"1,500", 3, PL_DECIMAL_AMBIGUOUS, 0},
        {"12,345", 2, PL_DECIMAL_AMBIGUOUS, 0},
        {"12,345", 0, PL_DECIMAL_AMBIGUOUS, 0},
        {"12,345", 3, PL_DECIMAL_AMBIGUOUS, 0},
        {"12,345", 4, PL_DECIMAL_AMBIGUOUS, 0},
        {"12 345,678", 2, PL_DECIMAL_AMBIGUOUS, 0},
        {"1,234,567", 2, PL_DECIMAL_AMBIGUOUS, 0},
        {"1,50,50", 2, PL_DECIMAL_AMBIGUOUS, 0},
        {"1,50.50", 2, PL_DECIMAL_AMBIGUOUS, 0},
        {"150000.000", 2, PL_DECIMAL_PRECISION, 0}, /* thousands are not grouped so */
        {"1500,000", 0, PL_DECIMAL_PRECISION, 0},
        {"150000.000", 3, PL_DECIMAL_OK, 150000000},
        {"1500,123", 4, PL_DECIMAL_OK, 15001230},
        {"150.000", 2, PL_DECIMAL_AMBIGUOUS, 0},
        {"1.500", 0, PL_DECIMAL_AMBIGUOUS, 0},
        {"1.500", 4, PL_DECIMAL_AMBIGUOUS, 0},
        {"1.500.000", 2, PL_DECIMAL_AMBIGUOUS, 0},
        {"1.500,00", 2, PL_DECIMAL_AMBIGUOUS, 0},
        {"1,500.00", 2, PL_DECIMAL_AMBIGUOUS, 0},
        {"1'500.123", 2, PL_DECIMAL_AMBIGUOUS, 0},
        {"1.2345", 2, PL_DECIMAL_PRECISION, 0},
        {"1,2345", 2, PL_DECIMAL_PRECISION, 0},
        {"0,345", 2, PL_DECIMAL_PRECISION, 0},
        {"0.345", 2, PL_DECIMAL_PRECISION, 0},
        {"1,5", 0, PL_DECIMAL_PRECISION, 0},
        {"1,50", 0, PL_DECIMAL_PRECISION, 0},
        {"1.5", 0, PL_DECIMAL_PRECISION, 0},
        {"1.00", 0, PL_DECIMAL_PRECISION, 0},
        {"0.00001", 4, PL_DECIMAL_PRECISION, 0},
        {"92233720368547758.08", 2, PL_DECIMAL_OVERFLOW, 0},
        {"92233720368547759", 2, PL_DECIMAL_OVERFLOW, 0},
        {"9223372036854775808", 0, PL_DECIMAL_OVERFLOW, 0},
        {"99999999999999999999999999999999999999999999999", 0, PL_DECIMAL_OVERFLOW, 0},
    };
    check_typed(rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_texts_that_are_no_amounts(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "-1",
        "+1",
        "abc",
        "1x",
        "1.",
        ".5",
        "1..5",
        "1e3",
        "0x10",
        " 1",
        "1 ",
        "1.5 ",
        "'1",
        "1'",
        "1'00",
        "15'00",
        "1'0000",
        "1000'000",
        "1'000'00",
        "1'00'000",
        "12'3'456",
        "1''000",
        "1' 000",
        "CHF 1",
        "1 CHF",
        "1\xC2",
        "\xC2\xA0"
        "1",
        "1\xE2\x80\xAF",
        "1.00'000",
        "1,",
        ",5",
        "1,5 ",
        " 1,5",
        "1,-",
        "1,5x",
        "1,5-",
        "-1,50",
        "1'00,50",
        "1 00,50",
        "12' 345,00",
        "1,5\xE2\x80\xAF",
        "1,50 CHF",
        "CHF 1,50",
        "1\xD9\xAB"
        "50",
        "\xEF\xBC\x91",
        "1_000",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct typed row = {texts[i], 2, PL_DECIMAL_SYNTAX, 0};
        check_typed(&row, 1);
    }
}

static void test_format(void **state)
{
    (void)state;
    static const struct {
        int64_t minor;
        int exponent;
        const char *plain, *grouped;
    } rows[] = {
        {15000000, 2, "150000.00", "150'000.00"},
        {0, 2, "0.00", "0.00"},
        {0, 0, "0", "0"},
        {5, 2, "0.05", "0.05"},
        {-5, 2, "-0.05", "-0.05"},
        {-15000000, 2, "-150000.00", "-150'000.00"},
        {1000, 0, "1000", "1'000"},
        {999, 0, "999", "999"},
        {-999, 0, "-999", "-999"},
        {1234567, 3, "1234.567", "1'234.567"},
        {12345, 4, "1.2345", "1.2345"},
        {INT64_MAX, 2, "92233720368547758.07", "92'233'720'368'547'758.07"},
        {INT64_MIN, 2, "-92233720368547758.08", "-92'233'720'368'547'758.08"},
        {INT64_MIN, 0, "-9223372036854775808", "-9'223'372'036'854'775'808"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char plain[32], grouped[64];
        assert_string_equal(pl_decimal_format(rows[i].minor, rows[i].exponent, plain),
                            rows[i].plain);
        assert_string_equal(
            pl_decimal_format_grouped(rows[i].minor, rows[i].exponent, "'", grouped),
            rows[i].grouped);
    }
    char wide[64];
    assert_string_equal(pl_decimal_format_grouped(123456, 0, "\xE2\x80\xAF", wide),
                        "123\xE2\x80\xAF"
                        "456");
    assert_true(strlen(pl_decimal_format_grouped(INT64_MIN, 0, "\xE2\x80\xAF", wide)) < 64);
}

static void test_what_is_printed_can_be_read(void **state)
{
    (void)state;
    static const int exponents[] = {0, 2, 3, 4};
    uint64_t random = 42;
    for (int i = 0; i < 20000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        int64_t minor = (int64_t)(random >> (1 + i % 60)), back = -1;
        int exponent = exponents[i % 4];
        char out[64];
        (void)pl_decimal_format_grouped(minor, exponent, "'", out);
        assert_int_equal(pl_decimal_parse(out, exponent, &back), PL_DECIMAL_OK);
        assert_true(back == minor);
    }
}

static void test_rates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum pl_decimal_problem problem;
        int64_t mantissa;
        uint32_t scale;
    } rows[] = {
        {"0.8850", PL_DECIMAL_OK, 8850, 4},
        {"1", PL_DECIMAL_OK, 1, 0},
        {"0", PL_DECIMAL_OK, 0, 0},
        {"0.00", PL_DECIMAL_OK, 0, 2},
        {"0.000000000001", PL_DECIMAL_OK, 1, 12},
        {"000000000000000000001.5", PL_DECIMAL_OK, 15, 1},
        {"999999999999999", PL_DECIMAL_OK, 999999999999999, 0},
        {"1000000000000000", PL_DECIMAL_OVERFLOW, 0, 0},
        {"1234.567890123456", PL_DECIMAL_OVERFLOW, 0, 0},
        {"0.0000000000001", PL_DECIMAL_PRECISION, 0, 0},
        {"0,8850", PL_DECIMAL_OK, 8850, 4},
        {"0,885", PL_DECIMAL_OK, 885, 3},
        {"1,05", PL_DECIMAL_OK, 105, 2},
        {"1,234", PL_DECIMAL_AMBIGUOUS, 0, 0},
        {"1.234", PL_DECIMAL_OK, 1234, 3},
        {"1,", PL_DECIMAL_SYNTAX, 0, 0},
        {"1,2,3", PL_DECIMAL_SYNTAX, 0, 0},
        {"1,234.5", PL_DECIMAL_SYNTAX, 0, 0},
        {"1'000.5", PL_DECIMAL_SYNTAX, 0, 0},
        {"-0.885", PL_DECIMAL_SYNTAX, 0, 0},
        {"+1", PL_DECIMAL_SYNTAX, 0, 0},
        {".5", PL_DECIMAL_SYNTAX, 0, 0},
        {"1.", PL_DECIMAL_SYNTAX, 0, 0},
        {"1.2.3", PL_DECIMAL_SYNTAX, 0, 0},
        {"1e3", PL_DECIMAL_SYNTAX, 0, 0},
        {" 1", PL_DECIMAL_SYNTAX, 0, 0},
        {"1 ", PL_DECIMAL_SYNTAX, 0, 0},
        {"", PL_DECIMAL_SYNTAX, 0, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t mantissa = 0;
        uint32_t scale = 0;
        assert_int_equal(pl_rate_parse(rows[i].text, 12, &mantissa, &scale), rows[i].problem);
        assert_true(mantissa == rows[i].mantissa);
        assert_int_equal(scale, rows[i].scale);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_sorted_and_found),
        cmocka_unit_test(test_exponents),
        cmocka_unit_test(test_unknown_currencies),
        cmocka_unit_test(test_checked_sums),
        cmocka_unit_test(test_amounts_that_are_understood),
        cmocka_unit_test(test_amounts_that_are_refused),
        cmocka_unit_test(test_texts_that_are_no_amounts),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_what_is_printed_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
