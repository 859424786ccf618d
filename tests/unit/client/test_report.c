/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a report of nothing is a page all the same; what people typed never becomes markup; months
 * without anything are there; the oldest unmatched money comes first; equal answers, equal bytes.
 */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/report.h"
#include "client/text.h"
#include "common/check.h"

struct made {
    struct pl_arena arena;
    struct pl_buf out;
};

static const char *print(struct made *made, const struct report_input *input)
{
    text_use(TEXT_ENGLISH);
    pl_arena_init(&made->arena, 1 << 20);
    pl_buf_init(&made->out, 1 << 20);
    assert_true(pl_is_ok(report_print(input, &made->arena, &made->out)));
    assert_true(pl_is_ok(pl_buf_append(&made->out, "", 1)));
    return (const char *)made->out.data + made->out.start;
}

static void drop(struct made *made)
{
    pl_buf_fini(&made->out);
    pl_arena_fini(&made->arena);
}

static Pledged__V1__TotalsLine line(const char *key, int64_t promised, int64_t received)
{
    Pledged__V1__TotalsLine made = PLEDGED__V1__TOTALS_LINE__INIT;
    made.key = (char *)key;
    made.currency = (char *)"CHF";
    made.pledges = 1;
    made.pledged_minor = promised;
    made.received_minor = received;
    made.outstanding_minor = promised - received;
    return made;
}

static void test_nothing(void **state)
{
    (void)state;
    Pledged__V1__GetTotalsResponse totals = PLEDGED__V1__GET_TOTALS_RESPONSE__INIT;
    Pledged__V1__GetStatusResponse status = PLEDGED__V1__GET_STATUS_RESPONSE__INIT;
    struct report_input input = {
        .totals = &totals, .by_category = &totals, .by_month = &totals, .status = &status};
    struct made made;
    const char *page = print(&made, &input);
    assert_non_null(strstr(page, "<!doctype html>"));
    assert_non_null(strstr(page, "Nothing yet."));
    assert_non_null(strstr(page, "clerks, approvers and auditors only"));
    assert_non_null(strstr(page, "</html>"));
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "http"));
    drop(&made);
}

static void test_a_fund(void **state)
{
    (void)state;
    Pledged__V1__TotalsLine all = line("CHF", 30000000, 10000000),
                            first = line("2026-01", 20000000, 0),
                            later = line("2026-04", 10000000, 10000000);
    Pledged__V1__TotalsLine *whole[] = {&all}, *months[] = {&first, &later};
    Pledged__V1__GetTotalsResponse totals = PLEDGED__V1__GET_TOTALS_RESPONSE__INIT,
                                   by_month = PLEDGED__V1__GET_TOTALS_RESPONSE__INIT;
    totals.n_line = 1;
    totals.line = whole;
    totals.as_of_time_us = 1777593600000000; /* 2026-05-01 */
    by_month.n_line = 2;
    by_month.line = months;
    Pledged__V1__Text name = PLEDGED__V1__TEXT__INIT;
    name.lang = (char *)"en";
    name.text = (char *)"<b>Fund & Sons</b>";
    Pledged__V1__Text *names[] = {&name};
    Pledged__V1__Fund fund = PLEDGED__V1__FUND__INIT;
    fund.currency = (char *)"CHF";
    fund.n_name = 1;
    fund.name = names;
    Pledged__V1__Catalogue offers = PLEDGED__V1__CATALOGUE__INIT;
    offers.fund = &fund;
    Pledged__V1__GetCatalogueResponse catalogue = PLEDGED__V1__GET_CATALOGUE_RESPONSE__INIT;
    catalogue.catalogue = &offers;
    Pledged__V1__Money amount = PLEDGED__V1__MONEY__INIT;
    amount.minor = 700;
    amount.currency = (char *)"CHF";
    Pledged__V1__PaymentStatus young = PLEDGED__V1__PAYMENT_STATUS__INIT, old = young;
    young.bank_entry = (char *)"B000001";
    young.value_date = (char *)"2026-04-30";
    young.amount = &amount;
    old.bank_entry = (char *)"B000002";
    old.value_date = (char *)"2026-04-01";
    old.amount = &amount;
    Pledged__V1__PaymentStatus *unmatched[] = {&young, &old};
    Pledged__V1__GetStatusResponse status = PLEDGED__V1__GET_STATUS_RESPONSE__INIT;
    struct report_input input = {.catalogue = &catalogue,
                                 .totals = &totals,
                                 .by_category = &totals,
                                 .by_month = &by_month,
                                 .status = &status,
                                 .unmatched = unmatched,
                                 .unmatched_count = 2,
                                 .unmatched_known = true};
    struct made made, again;
    const char *page = print(&made, &input);
    assert_non_null(strstr(page, "&lt;b&gt;Fund &amp; Sons"));
    assert_null(strstr(page, "<b>Fund"));
    assert_non_null(strstr(page, "2026-02")); /* a month in which nothing happened */
    assert_non_null(strstr(page, "CHF\u00a0300'000.00"));
    const char *first_row = strstr(page, "B000002"), *second_row = strstr(page, "B000001");
    assert_true(first_row != NULL && second_row != NULL && first_row < second_row);
    assert_non_null(strstr(page, "<td class=\"n\">30</td>")); /* days */
    assert_string_equal(print(&again, &input), page);
    drop(&again);
    drop(&made);
}

/* Francs, dollars with a value, yen without one. */
static void test_francs(void **state)
{
    (void)state;
    Pledged__V1__TotalsLine francs = line("", 10000, 5000), dollars = line("", 20000, 20000),
                            yen = line("", 1000, 0);
    francs.pledged_chf_minor = 10000;
    francs.received_chf_minor = 5000;
    dollars.currency = (char *)"USD";
    dollars.pledged_chf_minor = 17700;
    dollars.received_chf_minor = 17600;
    yen.currency = (char *)"JPY";
    yen.pledged_unvalued_minor = 1000;
    Pledged__V1__TotalsLine *lines[] = {&francs, &dollars, &yen};
    Pledged__V1__GetTotalsResponse totals = PLEDGED__V1__GET_TOTALS_RESPONSE__INIT,
                                   none = PLEDGED__V1__GET_TOTALS_RESPONSE__INIT;
    totals.n_line = 1;
    totals.line = lines;
    Pledged__V1__GetStatusResponse status = PLEDGED__V1__GET_STATUS_RESPONSE__INIT;
    const struct report_rate rates[] = {
        {1, "USD", "2026-03-31", "Bank <&> Sons", 8850, 4, 1, 0},
        {2, "USD", "2026-02-28", "another", 88, 2, 0, 1},
    };
    struct report_input input = {.totals = &totals,
                                 .by_category = &none,
                                 .by_month = &none,
                                 .status = &status,
                                 .rate = rates,
                                 .rate_count = 2,
                                 .rates_known = true};
    struct made made;
    assert_null(strstr(print(&made, &input), "In Swiss francs")); /* nothing but francs */
    drop(&made);
    totals.n_line = 3;
    const char *page = print(&made, &input);
    assert_non_null(strstr(page, "CHF\u00a0277.00 promised, CHF\u00a0226.00 received."));
    assert_non_null(strstr(page, "Money for which no rate was recorded"));
    assert_non_null(strstr(page, "JPY\u00a01'000</td><td class=\"n\">–</td>"
                                 "<td class=\"n\">JPY\u00a01'000</td>"));
    const char *older = strstr(page, "2026-02-28"), *newer = strstr(page, "2026-03-31");
    assert_true(older != NULL && newer != NULL && older < newer);
    assert_non_null(strstr(page, "Bank &lt;&amp;&gt; Sons"));
    drop(&made);
    francs.pledged_chf_minor = INT64_MAX; /* a sum beyond 64 bits is not told */
    assert_null(strstr(print(&made, &input), "In Swiss francs"));
    drop(&made);
}

/* One bar has all currencies of a category, and what has no value is said to be missing. */
static void test_categories_by_their_value(void **state)
{
    (void)state;
    Pledged__V1__TotalsLine francs = line("government", 10000, 5000),
                            dollars = line("government", 20000, 20000),
                            yen = line("academia", 1000, 0);
    francs.pledged_chf_minor = 10000;
    francs.received_chf_minor = 5000;
    dollars.currency = (char *)"USD";
    dollars.pledged_chf_minor = 17700;
    dollars.received_chf_minor = 17600;
    yen.currency = (char *)"JPY";
    yen.pledged_unvalued_minor = 1000;
    Pledged__V1__TotalsLine *lines[] = {&francs, &dollars, &yen};
    Pledged__V1__GetTotalsResponse totals = PLEDGED__V1__GET_TOTALS_RESPONSE__INIT,
                                   none = PLEDGED__V1__GET_TOTALS_RESPONSE__INIT;
    totals.line = lines;
    Pledged__V1__GetStatusResponse status = PLEDGED__V1__GET_STATUS_RESPONSE__INIT;
    struct report_input input = {
        .totals = &none, .by_category = &totals, .by_month = &none, .status = &status};
    static const struct {
        size_t lines;
        const char *words, *bar, *absent;
    } cases[] = {
        {1, "In CHF: received (dark)", "CHF\u00a050.00", "by their value"},
        {2, "other currencies by their value", "CHF\u00a0226.00", "What no rate is known for"},
        {3, "What no rate is known for is not in the chart", "CHF\u00a0226.00", "In CHF: received"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct made made;
        totals.n_line = cases[i].lines;
        const char *section = strstr(print(&made, &input), "By category of partner");
        assert_non_null(section);
        assert_non_null(strstr(section, cases[i].words));
        assert_null(strstr(section, cases[i].absent));
        const char *figure = strstr(section, "<figure>"), *end = strstr(section, "</figure>");
        const char *bar = strstr(section, cases[i].bar);
        assert_true(figure != NULL && bar > figure && bar < end);
        drop(&made);
    }
}

/* Dollars that came for promises in francs pay nothing of what was promised in dollars. */
static void test_what_is_paid_of_a_currency(void **state)
{
    (void)state;
    static const struct {
        int64_t promised, received, outstanding, written_off, difference;
        const char *bar;
    } cases[] = {
        {8000, 10000, 8000, 0, 0, "0 % paid"},  {8000, 0, 6000, 0, 0, "25 % paid"},
        {8000, 3000, 0, 5000, 0, "37 % paid"},  {8000, 7800, 0, 0, 200, "97 % paid"},
        {8000, 9000, 0, 0, -100, "100 % paid"}, {0, 700, 0, 0, 0, "0 % paid"},
        {8000, 0, 9000, 0, 0, "0 % paid"},      {INT64_MAX, INT64_MAX, 0, 0, 0, "100 % paid"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        Pledged__V1__TotalsLine only = line("USD", cases[i].promised, cases[i].received);
        only.currency = (char *)"USD";
        only.outstanding_minor = cases[i].outstanding;
        only.written_off_minor = cases[i].written_off;
        only.difference_minor = cases[i].difference;
        Pledged__V1__TotalsLine *lines[] = {&only};
        Pledged__V1__GetTotalsResponse totals = PLEDGED__V1__GET_TOTALS_RESPONSE__INIT,
                                       none = PLEDGED__V1__GET_TOTALS_RESPONSE__INIT;
        totals.line = lines;
        totals.n_line = 1;
        Pledged__V1__GetStatusResponse status = PLEDGED__V1__GET_STATUS_RESPONSE__INIT;
        struct report_input input = {
            .totals = &totals, .by_category = &none, .by_month = &none, .status = &status};
        struct made made;
        const char *section = strstr(print(&made, &input), "By currency");
        assert_non_null(section);
        char bar[32];
        (void)snprintf(bar, sizeof(bar), ">%s<", cases[i].bar);
        assert_non_null(strstr(section, bar));
        drop(&made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_categories_by_their_value),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_a_fund),
        cmocka_unit_test(test_francs),
        cmocka_unit_test(test_what_is_paid_of_a_currency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
