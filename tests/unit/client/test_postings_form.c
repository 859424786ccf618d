/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: one posting says the same in each form, and a name that a form would read otherwise is
 * refused. What the programs make of the files: tests/e2e/test_postings.py.
 */
#include <cmocka.h>
#include <string.h>

#include "client/postings_form.h"

static const struct postings_row row = {
    .line = 3,
    .seq = 77,
    .period = "2026-03",
    .date = "2026-03-20",
    .event = "deposit",
    .debit = "Assets:Bank",
    .credit = "Liabilities:NotMatched",
    .amount = "100.00",
    .currency = "CHF",
    .pledge = "P000001",
    .bank_entry = "B000002",
    .cost_centre = "WSIS",
};

static const char *printed(enum postings_form form, const struct postings_row *one)
{
    static char text[1024];
    struct pl_buf out;
    pl_buf_init(&out, sizeof(text) - 1);
    assert_true(pl_is_ok(postings_form_row(form, one, &out)));
    struct pl_slice bytes = pl_buf_slice(&out);
    memcpy(text, bytes.data, bytes.len);
    text[bytes.len] = '\0';
    pl_buf_fini(&out);
    return text;
}

static void test_forms(void **state)
{
    (void)state;
    assert_string_equal(printed(POSTINGS_CSV, &row),
                        "3,2026-03,2026-03-20,77,deposit,Assets:Bank,Liabilities:NotMatched,100.00,"
                        "CHF,P000001,B000002,WSIS,no\n");
    assert_string_equal(printed(POSTINGS_HLEDGER, &row),
                        "\n2026-03-20 * (77) deposit P000001 B000002  ; line:3, period:2026-03, "
                        "cost_centre:WSIS\n"
                        "    Assets:Bank                               CHF 100.00\n"
                        "    Liabilities:NotMatched                    CHF -100.00\n");
    struct postings_row other = row;
    other.pledge = other.bank_entry = "";
    other.reversal = true;
    assert_string_equal(printed(POSTINGS_BEANCOUNT, &other),
                        "\n2026-03-20 * \"deposit\"\n  entry: \"77\"\n  line: \"3\"\n"
                        "  period: \"2026-03\"\n  cost_centre: \"WSIS\"\n  reversal: TRUE\n"
                        "  Assets:Bank                               100.00 CHF\n"
                        "  Liabilities:NotMatched                    -100.00 CHF\n");
}

/* Whoever takes such a file for the final one has not read a line of it. */
static void test_what_is_preliminary_says_so(void **state)
{
    (void)state;
    struct postings_row look = row;
    look.preliminary = true;
    assert_non_null(strstr(printed(POSTINGS_CSV, &look), ",WSIS,no,yes\n"));
    assert_non_null(strstr(printed(POSTINGS_HLEDGER, &look), "2026-03-20 ! (77)"));
    assert_non_null(strstr(printed(POSTINGS_HLEDGER, &look), ", preliminary:\n"));
    assert_non_null(strstr(printed(POSTINGS_BEANCOUNT, &look), "2026-03-20 ! \""));
    assert_non_null(strstr(printed(POSTINGS_BEANCOUNT, &look), "  preliminary: TRUE\n"));
    for (enum postings_form form = POSTINGS_CSV; form < POSTINGS_FORMS; form++) {
        struct pl_buf out;
        pl_buf_init(&out, 200);
        assert_true(pl_is_ok(postings_form_begin(form, true, &out)));
        assert_true(pl_is_ok(pl_buf_append(&out, "", 1)));
        assert_non_null(strstr((const char *)pl_buf_slice(&out).data, "preliminary"));
        pl_buf_fini(&out);
    }
}

static void test_names(void **state)
{
    (void)state;
    enum postings_form form = POSTINGS_CSV;
    assert_true(postings_form_parse("beancount", &form));
    assert_int_equal(form, POSTINGS_BEANCOUNT);
    assert_false(postings_form_parse("excel", &form));
    assert_true(postings_form_name_fine(POSTINGS_CSV, "anything  goes"));
    assert_true(postings_form_name_fine(POSTINGS_HLEDGER, "1020 bank"));
    static const char *const not_hledger[] = {"two  blanks", " first", "last ", "(virtual)", ";x"};
    for (size_t i = 0; i < sizeof(not_hledger) / sizeof(not_hledger[0]); i++)
        assert_false(postings_form_name_fine(POSTINGS_HLEDGER, not_hledger[i]));
    assert_true(postings_form_name_fine(POSTINGS_BEANCOUNT, "Assets:Bank-1:CHF01"));
    static const char *const not_beancount[] = {
        "1020 bank", "Assets",     "Assets:",   "Assets:a",
        "Assets:A:", "Assets:A b", "Assets::B", "Incomes:Other"};
    for (size_t i = 0; i < sizeof(not_beancount) / sizeof(not_beancount[0]); i++)
        assert_false(postings_form_name_fine(POSTINGS_BEANCOUNT, not_beancount[i]));
}

static void test_beginnings(void **state)
{
    (void)state;
    struct pl_buf out;
    pl_buf_init(&out, 1024);
    for (int form = 0; form < POSTINGS_FORMS; form++)
        assert_true(pl_is_ok(postings_form_account((enum postings_form)form, "Assets:Bank", &out)));
    assert_true(pl_is_ok(postings_form_begin(POSTINGS_HLEDGER, false, &out)));
    static const char both[] = "account Assets:Bank\n1970-01-01 open Assets:Bank\n";
    assert_int_equal(pl_buf_len(&out), sizeof(both) - 1);
    assert_memory_equal(pl_buf_slice(&out).data, both, sizeof(both) - 1);
    pl_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_what_is_preliminary_says_so),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_beginnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
