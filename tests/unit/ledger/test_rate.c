/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: rates are decimals and stay exact; the one in force on a day is that of the day or the last
 * before; a second one for a day supersedes; wrong ones change nothing, in a command and on replay.
 */
#include "common/check.h"
#include "common/date.h"
#include "fixture.h"
#include "server/ledger/query.h"
#include "server/ledger/rate.h"

static Pledged__V1__Rate rate_of(const char *currency, const char *date, int64_t mantissa,
                                 uint32_t scale)
{
    Pledged__V1__Rate rate = PLEDGED__V1__RATE__INIT;
    rate.currency = (char *)(uintptr_t)currency;
    rate.date = (char *)(uintptr_t)date;
    rate.mantissa = mantissa;
    rate.scale = scale;
    rate.source = (char *)"a source";
    return rate;
}

static void record_all(struct world *w, Pledged__V1__Rate *rates, size_t count)
{
    COMMAND_INIT_(command);
    Pledged__V1__RecordRates body = PLEDGED__V1__RECORD_RATES__INIT;
    Pledged__V1__Rate *list[RATE_COMMAND_MAX + 1];
    for (size_t i = 0; i < count; i++)
        list[i] = &rates[i];
    body.rate = list;
    body.n_rate = count;
    command.command_case = COMMAND(RECORD_RATES);
    command.record_rates = &body;
    give(w, &command);
}

static void record(struct world *w, const char *currency, const char *date, int64_t mantissa,
                   uint32_t scale)
{
    Pledged__V1__Rate rate = rate_of(currency, date, mantissa, scale);
    record_all(w, &rate, 1);
}

static int32_t day_of(const char *text)
{
    int32_t day = 0;
    assert_true(pl_is_ok(pl_date_parse(text, &day)));
    return day;
}

static const struct state_rate *in_force(const struct world *w, const char *currency,
                                         const char *date)
{
    return rate_at(w->ledger, pl_currency_index(currency), day_of(date));
}

/* --- arithmetic --- */

static bool to_chf(int64_t minor, const char *currency, int64_t mantissa, uint8_t scale,
                   int64_t *ret)
{
    struct state_rate rate = {.mantissa = mantissa, .scale = scale};
    return rate_convert(minor, pl_currency_index(currency), &rate, pl_currency_index("CHF"), NULL,
                        ret);
}

static void test_values(void **state)
{
    (void)state;
    static const struct {
        int64_t minor;
        const char *currency;
        int64_t mantissa;
        uint8_t scale;
        int64_t value;
    } rows[] = {
        {17000000, "USD", 885, 3, 15045000}, /* 170'000.00 at 0.885 */
        {0, "USD", 885, 3, 0},
        {1, "USD", 1, 0, 1},
        {1000000, "JPY", 58, 4, 580000},   /* 1'000'000 yen at 0.0058 */
        {1234567, "KWD", 2876, 3, 355061}, /* 1'234.567 at 2.876: 3550.61(4692) */
        {50, "USD", 1, 2, 0},              /* half a centime goes to the even one below ... */
        {150, "USD", 1, 2, 2},             /* ... and above */
        {250, "USD", 1, 2, 2},
        {51, "USD", 1, 2, 1},
        {49, "USD", 1, 2, 0},
        {INT64_MAX, "USD", 1, 0, INT64_MAX},
        {INT64_MAX, "USD", 999999999999, 12, 9223372036845552435},
        {1, "USD", 1, 12, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t value = -1;
        assert_true(
            to_chf(rows[i].minor, rows[i].currency, rows[i].mantissa, rows[i].scale, &value));
        assert_true(value == rows[i].value);
    }
}

static void test_what_does_not_fit_is_told(void **state)
{
    (void)state;
    int64_t value = 42;
    struct state_rate tiny = {.mantissa = 1, .scale = 12}, large = {.mantissa = RATE_MANTISSA_MAX};
    assert_false(to_chf(INT64_MAX, "USD", 11, 1, &value));
    assert_false(to_chf(INT64_MAX, "USD", RATE_MANTISSA_MAX, 0, &value));
    assert_false(to_chf(INT64_MAX / 50, "JPY", 1, 0, &value));
    assert_false(rate_convert(INT64_MAX, pl_currency_index("USD"), &large, pl_currency_index("EUR"),
                              &tiny, &value));
    assert_int_equal(value, 42);
}

static void test_between_two_currencies(void **state)
{
    (void)state;
    int usd = pl_currency_index("USD"), jpy = pl_currency_index("JPY");
    struct state_rate dollar = {.mantissa = 885, .scale = 3}, yen = {.mantissa = 58, .scale = 4};
    int64_t value;
    assert_true(rate_convert(10000, usd, &dollar, jpy, &yen, &value)); /* 88.50 CHF */
    assert_true(value == 15259);                                       /* 15258.62 */
    assert_true(rate_convert(15259, jpy, &yen, usd, &dollar, &value));
    assert_true(value == 10000);
    assert_true(rate_convert(8850, pl_currency_index("CHF"), NULL, usd, &dollar, &value));
    assert_true(value == 10000);
}

/* --- the command --- */

static void test_the_one_in_force(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    record(&w, "USD", "2020-03-31", 885, 3);
    assert_accepted(&w);
    record(&w, "USD", "2020-01-31", 91, 2);
    record(&w, "EUR", "2020-02-15", 10712, 4);
    assert_null(in_force(&w, "USD", "2020-01-30"));
    assert_int_equal(in_force(&w, "USD", "2020-01-31")->mantissa, 91);
    assert_int_equal(in_force(&w, "USD", "2020-03-30")->mantissa, 91);
    assert_int_equal(in_force(&w, "USD", "2020-03-31")->mantissa, 885);
    assert_int_equal(in_force(&w, "USD", "2026-01-01")->mantissa, 885);
    assert_int_equal(in_force(&w, "EUR", "2026-01-01")->mantissa, 10712);
    assert_null(in_force(&w, "EUR", "2020-02-14"));
    assert_null(in_force(&w, "CHF", "2020-02-14"));
    assert_null(in_force(&w, "AUD", "2026-01-01"));
    assert_null(in_force(&w, "ZAR", "2026-01-01"));
    record(&w, "USD", "2020-03-31", 8842, 4);
    assert_accepted(&w);
    assert_int_equal(in_force(&w, "USD", "2020-03-31")->mantissa, 8842);
    const Pledged__V1__RateRecorded *fact = world_last(&w)->rate_recorded;
    assert_int_equal(fact->supersedes, w.ledger->size - 3);
    assert_int_equal(w.ledger->rate_count, 4);
    struct ledger *again = world_reloaded(w.ledger);
    assert_same_state(w.ledger, again);
    assert_int_equal(again->rate_count, 4);
    ledger_free(again);
    world_fini(&w);
}

static void test_many_at_once(void **state)
{
    (void)state;
    struct world w;
    Pledged__V1__Rate rates[RATE_COMMAND_MAX + 1];
    static char date[RATE_COMMAND_MAX + 1][11];
    world_ready(&w, 1);
    for (int i = 0; i <= RATE_COMMAND_MAX; i++) {
        (void)pl_date_format(day_of("2020-01-01") + i, date[i]);
        rates[i] = rate_of("USD", date[i], 1000 + i, 3);
    }
    record_all(&w, rates, 0);
    assert_refused(&w, FIELD_REQUIRED);
    record_all(&w, rates, RATE_COMMAND_MAX + 1);
    assert_refused(&w, FIELD_TOO_LONG);
    record_all(&w, rates, RATE_COMMAND_MAX);
    assert_accepted(&w);
    assert_int_equal(w.made, RATE_COMMAND_MAX);
    assert_int_equal(w.ledger->rate_count, RATE_COMMAND_MAX);
    world_fini(&w);
}

static void test_wrong_ones(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    uint64_t size = w.ledger->size;
    record(&w, "USD", "2020-01-31", 0, 0);
    assert_refused(&w, RATE_INVALID);
    record(&w, "USD", "2020-01-31", -885, 3);
    assert_refused(&w, RATE_INVALID);
    record(&w, "USD", "2020-01-31", RATE_MANTISSA_MAX + 1, 3);
    assert_refused(&w, RATE_INVALID);
    record(&w, "USD", "2020-01-31", 1, RATE_SCALE_MAX + 1);
    assert_refused(&w, RATE_INVALID);
    record(&w, "CHF", "2020-01-31", 1, 0);
    assert_refused(&w, RATE_INVALID);
    record(&w, "XYZ", "2020-01-31", 1, 0);
    assert_refused(&w, CURRENCY_UNKNOWN);
    record(&w, "USD", "2020-02-30", 1, 0);
    assert_refused(&w, DATE_INVALID);
    record(&w, "USD", "", 1, 0);
    assert_refused(&w, DATE_INVALID);
    Pledged__V1__Rate rate = rate_of("USD", "2020-01-31", 885, 3);
    rate.source = (char *)"";
    record_all(&w, &rate, 1);
    assert_refused(&w, FIELD_REQUIRED);
    Pledged__V1__Rate twice[2] = {rate_of("USD", "2020-01-31", 885, 3),
                                  rate_of("USD", "2020-01-31", 886, 3)};
    record_all(&w, twice, 2);
    assert_refused(&w, RATE_INVALID);
    assert_int_equal(w.ledger->size, size); /* input that is wrong is no entry */
    /* a day that has not come: all or nothing, and an entry, for it depends on the time */
    char tomorrow[11];
    (void)pl_date_format(pl_date_of_us(w.now_us) + 1, tomorrow);
    Pledged__V1__Rate late[2] = {rate_of("EUR", "2020-01-31", 107, 2),
                                 rate_of("USD", tomorrow, 885, 3)};
    record_all(&w, late, 2);
    assert_refused(&w, RATE_INVALID);
    assert_int_equal(w.code, PL_E_INVALID);
    assert_int_equal(w.ledger->rate_count, 0);
    assert_int_equal(w.ledger->size, size + 1);
    world_fini(&w);
}

static void test_replay_refuses(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    record(&w, "USD", "2020-01-31", 885, 3);
    record(&w, "USD", "2020-01-31", 886, 3);
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *entry = world_last(&w);
    Pledged__V1__Rate *rate = entry->rate_recorded->rate, good = *rate;
    assert_true(pl_is_ok(ledger_check(before, entry)));
    entry->rate_recorded->supersedes = 0;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    entry->rate_recorded->supersedes = before->rate[0].seq;
    rate->mantissa = 0;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *rate = good;
    rate->scale = RATE_SCALE_MAX + 1;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *rate = good;
    rate->currency = (char *)"CHF";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *rate = good;
    rate->date = (char *)"2999-01-31";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *rate = good;
    rate->source = (char *)"";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *rate = good;
    entry->rate_recorded->rate = NULL;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    entry->rate_recorded->rate = rate;
    assert_true(pl_is_ok(ledger_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

/* --- the list --- */

static enum pl_code list(struct world *w, const char *currency, const char *date, const char *token,
                         uint32_t size, Pledged__V1__ListRatesResponse **ret)
{
    Pledged__V1__ListRatesRequest request = PLEDGED__V1__LIST_RATES_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    request.currency = (char *)(uintptr_t)currency;
    request.date = (char *)(uintptr_t)date;
    request.page_token = (char *)(uintptr_t)token;
    request.page_size = size;
    enum pl_code code =
        query_list_rates(w->ledger, NULL, &request.base, &w->arena, &message, &w->refusal);
    *ret = (Pledged__V1__ListRatesResponse *)message;
    return code;
}

static void test_lists(void **state)
{
    (void)state;
    struct world w;
    Pledged__V1__ListRatesResponse *page;
    world_ready(&w, 1);
    record(&w, "USD", "2020-01-31", 91, 2);
    record(&w, "USD", "2020-03-31", 885, 3);
    record(&w, "USD", "2020-03-31", 8842, 4);
    record(&w, "EUR", "2020-02-15", 10712, 4);
    assert_int_equal(list(&w, "", "", "", 0, &page), PL_E_OK);
    assert_int_equal(page->n_rate, 4);
    assert_string_equal(page->rate[0]->rate->currency, "EUR");
    assert_string_equal(page->rate[1]->rate->date, "2020-01-31");
    assert_int_equal(page->rate[2]->superseded_by, page->rate[3]->seq);
    assert_int_equal(page->rate[3]->superseded_by, 0);
    assert_string_equal(page->next_page_token, "");
    /* page by page, and rows that come in between move nothing */
    assert_int_equal(list(&w, "", "", "", 3, &page), PL_E_OK);
    assert_int_equal(page->n_rate, 3);
    record(&w, "AUD", "2020-02-15", 60, 2);
    assert_int_equal(list(&w, "", "", page->next_page_token, 3, &page), PL_E_OK);
    assert_int_equal(page->n_rate, 1);
    assert_int_equal(page->rate[0]->rate->mantissa, 8842);
    /* of one currency, and on a day */
    assert_int_equal(list(&w, "USD", "", "", 0, &page), PL_E_OK);
    assert_int_equal(page->n_rate, 3);
    assert_int_equal(list(&w, "USD", "2020-03-30", "", 0, &page), PL_E_OK);
    assert_int_equal(page->n_rate, 1);
    assert_int_equal(page->rate[0]->rate->mantissa, 91);
    assert_int_equal(list(&w, "", "2020-02-14", "", 0, &page), PL_E_OK);
    assert_int_equal(page->n_rate, 1); /* neither EUR nor AUD had one yet */
    assert_int_equal(list(&w, "", "2026-01-01", "", 2, &page), PL_E_OK);
    assert_int_equal(page->n_rate, 2);
    assert_int_equal(list(&w, "", "2026-01-01", page->next_page_token, 2, &page), PL_E_OK);
    assert_int_equal(page->n_rate, 1);
    assert_int_equal(page->rate[0]->rate->mantissa, 8842);
    assert_string_equal(page->next_page_token, "");
    /* and what is not there */
    assert_int_equal(list(&w, "EUR", "2020-02-14", "", 0, &page), PL_E_NOT_FOUND);
    assert_int_equal(w.refusal->reason, REASON(RATE_UNKNOWN));
    assert_int_equal(list(&w, "XYZ", "", "", 0, &page), PL_E_INVALID);
    assert_int_equal(list(&w, "", "2020-13-01", "", 0, &page), PL_E_INVALID);
    assert_int_equal(list(&w, "", "", "p:1", 0, &page), PL_E_INVALID);
    assert_int_equal(list(&w, "EUR", "", "USD:1:1", 0, &page), PL_E_INVALID);
    static const char *const wrong[] = {"USD:1:1x",
                                        "USD",
                                        "USD:",
                                        "USD:1",
                                        "USD:1:",
                                        "USD::1",
                                        "USD:-:1",
                                        "USDX1:1",
                                        "XYZ:1:1",
                                        "USD:2147483648:1",
                                        "USD:99999999999999999999:1",
                                        "USD:1:18446744073709551616",
                                        "USD:1:18446744073709551620",
                                        "USD:1:1111111111111111111111111111111111111"};
    for (size_t i = 0; i < PL_COUNT(wrong); i++) {
        assert_int_equal(list(&w, "", "", wrong[i], 0, &page), PL_E_INVALID);
        assert_string_equal(w.refusal->field, "page_token");
    }
    /* before 1970: behind nothing, and the page begins with the first row of the currency */
    assert_int_equal(list(&w, "", "", "USD:-1:1", 0, &page), PL_E_OK);
    assert_string_equal(page->rate[0]->rate->date, "2020-01-31");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_what_does_not_fit_is_told),
        cmocka_unit_test(test_between_two_currencies),
        cmocka_unit_test(test_the_one_in_force),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_wrong_ones),
        cmocka_unit_test(test_replay_refuses),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
