/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what the file says becomes the policy, value by value; whatever does not fit is refused
 * with what is needed instead, and never half taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/money.h"
#include "server/ledger/ledger.h"
#include "server/policy.h"

static struct policy_draft draft;
static struct pl_arena arena;

static int setup(void **state)
{
    (void)state;
    pl_arena_init(&arena, 1 << 20);
    policy_init(&draft);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pl_arena_fini(&arena);
    return 0;
}

static void good(const char *name, const char *value)
{
    const char *wrong = policy_set(&draft, &arena, name, value);
    if (wrong != NULL)
        fail_msg("%s = %s: %s", name, value, wrong);
}

static void bad(const char *name, const char *value, const char *words)
{
    const char *wrong = policy_set(&draft, &arena, name, value);
    if (wrong == NULL || strstr(wrong, words) == NULL)
        fail_msg("%s = %s: %s", name, value, wrong != NULL ? wrong : "is taken");
}

static const char *account(const char *name, const char *key, const char *value)
{
    bool known = false;
    const char *wrong = policy_account_set(&draft, &arena, name, key, value, &known);
    assert_true(known);
    return wrong;
}

static void bad_account(const char *name, const char *key, const char *value, const char *words)
{
    const char *wrong = account(name, key, value);
    if (wrong == NULL || strstr(wrong, words) == NULL)
        fail_msg("%s: %s = %s: %s", name, key, value, wrong != NULL ? wrong : "is taken");
}

static void test_what_holds_without_a_word(void **state)
{
    (void)state;
    assert_null(policy_complete(&draft));
    assert_int_equal(draft.message.rules, LEDGER_RULES);
    assert_int_equal(draft.message.proposal_ttl_s, 30 * 86400);
    assert_int_equal(draft.message.unallocated_limit_s, 30 * 86400);
    assert_int_equal(draft.message.n_four_eyes, 0);
    assert_int_equal(draft.message.n_difference_limit, 0);
    assert_int_equal(draft.message.n_account, 0);
    assert_null(draft.message.creditor);
}

/* In the order of the classes, once each, whatever the file's is. */
static void test_classes_that_need_two(void **state)
{
    (void)state;
    good("four_eyes", "surplus,\tcancel , commit,commit");
    assert_int_equal(draft.message.n_four_eyes, 3);
    assert_int_equal(draft.four_eyes[0], PLEDGED__V1__COMMAND_CLASS__COMMAND_CLASS_COMMIT);
    assert_int_equal(draft.four_eyes[1], PLEDGED__V1__COMMAND_CLASS__COMMAND_CLASS_CANCEL);
    assert_int_equal(draft.four_eyes[2], PLEDGED__V1__COMMAND_CLASS__COMMAND_CLASS_SURPLUS);
    static const char *const wrong[] = {"commit,,cancel",
                                        ",commit",
                                        "commits",
                                        "commit cancel",
                                        " ",
                                        "Commit",
                                        "commitcommitcommitcommitcommitcommit"};
    for (size_t i = 0; i < PL_COUNT(wrong); i++)
        bad("four_eyes", wrong[i], "names with commas are needed");
    assert_int_equal(draft.message.n_four_eyes, 3); /* as it was */
    good("four_eyes", "commit,cancel,refund,write-off,difference,catalogue,period,exception,"
                      "extension,erase,surplus");
    assert_int_equal(draft.message.n_four_eyes, POLICY_CLASSES);
    for (size_t i = 0; i < POLICY_CLASSES; i++)
        assert_int_equal(draft.four_eyes[i], i + 1);
    good("four_eyes", "");
    assert_int_equal(draft.message.n_four_eyes, 0);
}

static void test_times(void **state)
{
    (void)state;
    good("proposal_ttl", "36h");
    assert_int_equal(draft.message.proposal_ttl_s, 36 * 3600);
    good("unallocated_limit", "3650d");
    assert_int_equal(draft.message.unallocated_limit_s, 3650 * 86400LL);
    good("unallocated_limit", "0");
    assert_int_equal(draft.message.unallocated_limit_s, 0);
    static const char *const wrong[] = {"", "3651d", "-1d", "5", "5x", "0d", "d"};
    for (size_t i = 0; i < PL_COUNT(wrong); i++) {
        bad("proposal_ttl", wrong[i], "a time like 30d is needed");
        bad("unallocated_limit", wrong[i], "a time like 30d is needed, or 0");
    }
    bad("proposal_ttl", "0", "a time like 30d is needed");
    assert_int_equal(draft.message.proposal_ttl_s, 36 * 3600);
    assert_int_equal(draft.message.unallocated_limit_s, 0);
}

static void test_where_the_fund_is(void **state)
{
    (void)state;
    good("time_zone", "Europe/Zurich"); /* what the machine knows of its years to come */
    assert_string_equal(draft.message.time_zone, "CET-1CEST,M3.5.0,M10.5.0/3");
    good("time_zone", "America/New_York");
    assert_string_equal(draft.message.time_zone, "EST5EDT,M3.2.0,M11.1.0");
    good("time_zone", "JST-9");
    assert_string_equal(draft.message.time_zone, "JST-9");
    static const char *const wrong[] = {
        "", "Europe/Geneva", "CET-1CEST", "../zoneinfo/UTC", "/etc/passwd", "Europe", "zone.tab"};
    for (size_t i = 0; i < PL_COUNT(wrong); i++)
        bad("time_zone", wrong[i],
            "this machine knows no such time zone: a name like Europe/Zurich is needed, or a rule "
            "like CET-1CEST,M3.5.0,M10.5.0/3");
    assert_string_equal(draft.message.time_zone, "JST-9");
}

static void test_zones_that_are_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *one, *other;
        bool same;
    } row[] = {
        {"Europe/Zurich", "CET-1CEST,M3.5.0,M10.5.0/3", true},
        {"Europe/Zurich", "<+01>-1<+02>,M3.5.0,M10.5.0/3", true}, /* called otherwise */
        {"Europe/Zurich", "CET-1CEST,M3.5.0/3,M10.5.0/3", false},
        {"Europe/Zurich", "CET-1CEST,M3.5.0,M10.4.0/3", false},
        {"Europe/Zurich", "CET-1CEST-3,M3.5.0,M10.5.0/3", false},
        {"Europe/Zurich", "CET-1", false},
        {"CET-1", "JST-9", false},
        {"CET-1", "<+01>-1", true},
        {"", "UTC0", true},
        {"", "Europe/Zurich", false},
        {"Europe/Geneva", "Europe/Geneva", false}, /* nobody knows where that is */
        {"Europe/Zurich", "Europe/Geneva", false},
    };
    for (size_t i = 0; i < PL_COUNT(row); i++) {
        assert_int_equal(policy_same_zone(row[i].one, row[i].other), row[i].same);
        assert_int_equal(policy_same_zone(row[i].other, row[i].one), row[i].same);
    }
}

static void test_limits_of_differences(void **state)
{
    (void)state;
    good("difference_limit", "50.00 CHF,0 EUR , 1000 JPY, 1.5 KWD");
    assert_int_equal(draft.message.n_difference_limit, 4);
    assert_int_equal(draft.limit[0]->minor, 5000);
    assert_string_equal(draft.limit[0]->currency, "CHF");
    assert_int_equal(draft.limit[1]->minor, 0);
    assert_int_equal(draft.limit[2]->minor, 1000);
    assert_int_equal(draft.limit[3]->minor, 1500);
    static const char *const wrong[] = {"50.00", "50.00CHF",     "50 XXQ", "-1 CHF", "50.001 CHF",
                                        "x CHF", "1 CHF,,1 EUR", " ",      "1.5 JPY"};
    for (size_t i = 0; i < PL_COUNT(wrong); i++)
        bad("difference_limit", wrong[i], "amounts with commas are needed");
    bad("difference_limit", "5 CHF, 6 CHF", "one amount a currency is needed");
    good("difference_limit", "");
    assert_int_equal(draft.message.n_difference_limit, 0);
}

static void test_more_limits_than_there_is_room_for(void **state)
{
    (void)state;
    char text[POLICY_LIMITS_MAX * 8 + 16];
    size_t len = 0;
    int count = 0;
    for (int i = 0; count <= POLICY_LIMITS_MAX && pl_currency_code(i) != NULL; i++, count++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s1 %s", i != 0 ? "," : "",
                                pl_currency_code(i));
    assert_int_equal(count, POLICY_LIMITS_MAX + 1);
    bad("difference_limit", text, "fewer amounts are needed");
    *strrchr(text, ',') = '\0';
    good("difference_limit", text);
    assert_int_equal(draft.message.n_difference_limit, POLICY_LIMITS_MAX);
}

static void test_who_is_paid(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t most;
    } texts[] = {{"name", 70}, {"street", 70}, {"number", 16}, {"postal_code", 16}, {"town", 35}};
    char text[80];
    for (size_t i = 0; i < PL_COUNT(texts); i++) {
        memset(text, 'x', sizeof(text));
        text[texts[i].most] = '\0';
        good(texts[i].name, text);
        text[texts[i].most] = 'x';
        text[texts[i].most + 1] = '\0';
        bad(texts[i].name, text, "a shorter text is needed");
    }
    assert_non_null(strstr(policy_complete(&draft), "[creditor] needs"));
    static const char *const wrong[] = {"", "C", "CHE", "ch", "C1"};
    for (size_t i = 0; i < PL_COUNT(wrong); i++)
        bad("country", wrong[i], "two capital letters are needed");
    good("country", "CH");
    assert_null(policy_complete(&draft));
    assert_string_equal(draft.message.creditor->country, "CH");
    assert_int_equal(strlen(draft.message.creditor->town), 35);
    static const char *const needed[] = {"name", "postal_code", "town"};
    for (size_t i = 0; i < PL_COUNT(needed); i++) {
        good(needed[i], "");
        assert_non_null(strstr(policy_complete(&draft), "[creditor] needs"));
        good(needed[i], "x");
        assert_null(policy_complete(&draft));
    }
}

static void test_accounts(void **state)
{
    (void)state;
    assert_null(account("CHF01", "iban", "CH93 0076 2011 6238 5295 7"));
    assert_non_null(strstr(policy_complete(&draft), "[account CHF01] needs currency"));
    assert_null(account("CHF01", "currency", "CHF"));
    assert_null(account("CHF01", "qr_iban", "CH4431999123000889012"));
    assert_null(account("CHF01", "bank", "A Bank"));
    assert_null(account("CHF01", "bic", "XXXXCHZZXXX"));
    assert_null(account("CHF01", "shared", "yes"));
    assert_null(account("X", "number", "12-34"));
    assert_non_null(strstr(policy_complete(&draft), "[account X] needs currency"));
    assert_null(account("X", "currency", "EUR"));
    assert_null(account("X", "shared", "no"));
    assert_null(policy_complete(&draft));
    assert_int_equal(draft.message.n_account, 2);
    const Pledged__V1__PolicyAccount *first = draft.message.account[0];
    assert_string_equal(first->account, "CHF01");
    assert_string_equal(first->iban, "CH9300762011623852957");
    assert_string_equal(first->qr_iban, "CH4431999123000889012");
    assert_string_equal(first->bank, "A Bank");
    assert_string_equal(first->bic, "XXXXCHZZXXX");
    assert_true(first->shared);
    assert_string_equal(draft.message.account[1]->iban, "12-34");
    assert_false(draft.message.account[1]->shared);
    assert_null(account("X", "number", "CH9300762011623852957"));
    assert_non_null(strstr(policy_complete(&draft), "have one iban"));
}

static void test_accounts_that_are_wrong(void **state)
{
    (void)state;
    char text[80];
    bool known = true;
    memset(text, 'X', sizeof(text));
    text[71] = '\0';
    bad_account("A", "bank", text, "a shorter text");
    bad_account("A", "bic", text, "a shorter text");
    bad_account("A", "number", text, "a shorter text");
    bad_account("A", "iban", "CH93 0076 2011 6238 5295 8", "right checksum");
    bad_account("A", "iban", "CH4431999123000889012", "belongs into qr_iban");
    bad_account("A", "qr_iban", "CH9300762011623852957", "a QR-IBAN is needed");
    bad_account("A", "shared", "maybe", "yes or no");
    bad_account("A", "currency", "CHQ", "a currency of ISO 4217");
    text[17] = '\0';
    static const char *const names[] = {"", "a", "A-1", "A 1"};
    for (size_t i = 0; i < PL_COUNT(names); i++)
        bad_account(names[i], "iban", "CH9300762011623852957", "1 to 16 capital letters");
    bad_account(text, "currency", "CHF", "1 to 16 capital letters");
    text[16] = '\0';
    assert_null(account(text, "currency", "CHF"));
    assert_null(policy_account_set(&draft, &arena, "A", "ibam", "x", &known));
    assert_false(known);
}

static void test_more_accounts_than_there_is_room_for(void **state)
{
    (void)state;
    char name[16];
    for (int i = 0; i < POLICY_ACCOUNTS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "A%d", i);
        assert_null(account(name, "currency", "CHF"));
    }
    bad_account("B", "currency", "CHF", "fewer accounts are needed");
    assert_null(account("A0", "currency", "EUR")); /* that one is there */
}

/* However little room the file's arena has left. */
static void test_no_room(void **state)
{
    (void)state;
    size_t refused = 0;
    for (size_t budget = 0; budget < 400; budget += 16) {
        struct pl_arena small;
        bool known;
        pl_arena_init(&small, budget);
        policy_init(&draft);
        refused += policy_set(&draft, &small, "name", "Somebody") != NULL;
        refused += policy_set(&draft, &small, "difference_limit", "1 CHF, 2 EUR") != NULL;
        refused += policy_account_set(&draft, &small, "A", "bank", "A Bank", &known) != NULL;
        pl_arena_fini(&small);
    }
    assert_in_range(refused, 6, 3 * 25 - 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_holds_without_a_word, setup, teardown),
        cmocka_unit_test_setup_teardown(test_classes_that_need_two, setup, teardown),
        cmocka_unit_test_setup_teardown(test_times, setup, teardown),
        cmocka_unit_test_setup_teardown(test_where_the_fund_is, setup, teardown),
        cmocka_unit_test(test_zones_that_are_the_same),
        cmocka_unit_test_setup_teardown(test_limits_of_differences, setup, teardown),
        cmocka_unit_test_setup_teardown(test_more_limits_than_there_is_room_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_is_paid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_accounts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_accounts_that_are_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(test_more_accounts_than_there_is_room_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
