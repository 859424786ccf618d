/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: who is paid is read as it is written, and what is wrong is named with its section and key.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/treasury.h"
#include "common/check.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static struct pl_arena arena;

static struct pl_status load(const char *text, struct treasury *ret, struct failure *failure)
{
    char path[] = "/tmp/pledge-treasury-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    (void)fclose(file);
    *failure = (struct failure){0};
    struct pl_status status = treasury_load(path, &arena, ret, failure);
    (void)unlink(path);
    return status;
}

#define CREDITOR "[creditor]\nname = F\npostal_code = 1211\ntown = G\ncountry = CH\n"

static void test_good(void **state)
{
    (void)state;
    struct treasury treasury;
    struct failure failure;
    assert_true(pl_is_ok(load("[clerk]\nserver = x\n" CREDITOR
                              "[account A]\ncurrency = CHF\niban = CH93 0076 2011 6238 5295 7\n"
                              "qr_iban = CH4431999123000889012\n"
                              "[account B]\ncurrency = USD\niban = DE89370400440532013000\n"
                              "bank = Example\nbic = COBADEFFXXX\n",
                              &treasury, &failure)));
    assert_string_equal(treasury.creditor.town, "G");
    assert_string_equal(treasury.creditor.street, "");
    assert_int_equal(treasury.count, 2);
    assert_string_equal(treasury_account(&treasury, "CHF")->iban, "CH9300762011623852957");
    assert_string_equal(treasury_account(&treasury, "CHF")->qr_iban, "CH4431999123000889012");
    assert_string_equal(treasury_account(&treasury, "USD")->bic, "COBADEFFXXX");
    assert_null(treasury_account(&treasury, "EUR"));
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
    } cases[] = {
        {"", "[creditor] name"},
        {CREDITOR "colour = red\n", "[creditor] colour"},
        {CREDITOR "[account A]\niban = CH9300762011623852958\n", "[account A] iban"},
        {CREDITOR "[account A]\niban = CH4431999123000889012\n", "[account A] iban"},
        {CREDITOR "[account A]\nqr_iban = CH9300762011623852957\n", "[account A] qr_iban"},
        {CREDITOR "[account A]\ncurrency = XQQ\n", "[account A] currency"},
        {CREDITOR "[account A]\ncurrency = CHF\n", "[account A] iban"},
        {CREDITOR "[account A]\niban = CH9300762011623852957\n", "[account A] currency"},
        {CREDITOR "nonsense\n", ":6:"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct treasury treasury;
        struct failure failure;
        assert_int_equal(load(cases[i].text, &treasury, &failure).code, PL_E_CONFIG);
        if (strstr(failure.message, cases[i].word) == NULL)
            fail_msg("%s: %s", cases[i].word, failure.message);
    }
    struct treasury treasury;
    struct failure failure = {0};
    assert_int_equal(treasury_load("/nowhere/at/all", &arena, &treasury, &failure).code,
                     PL_E_CONFIG);
    assert_int_equal(treasury_load(NULL, &arena, &treasury, &failure).code, PL_E_CONFIG);
}

static void test_what_the_ledger_says(void **state)
{
    (void)state;
    Pledged__V1__GetTreasuryResponse answer = PLEDGED__V1__GET_TREASURY_RESPONSE__INIT;
    Pledged__V1__PolicyCreditor creditor = PLEDGED__V1__POLICY_CREDITOR__INIT;
    Pledged__V1__PolicyAccount account = PLEDGED__V1__POLICY_ACCOUNT__INIT;
    Pledged__V1__PolicyAccount *list[TREASURY_ACCOUNTS_MAX + 1];
    struct treasury treasury;
    assert_false(treasury_take(&answer, &treasury)); /* it names nobody */
    creditor.name = (char *)(uintptr_t) "Fund";
    account.currency = (char *)(uintptr_t) "CHF";
    account.iban = (char *)(uintptr_t) "CH9300762011623852957";
    for (size_t i = 0; i < PL_COUNT(list); i++)
        list[i] = &account;
    answer.creditor = &creditor;
    answer.account = list;
    answer.n_account = PL_COUNT(list);
    assert_true(treasury_take(&answer, &treasury));
    assert_string_equal(treasury.creditor.name, "Fund");
    assert_int_equal(treasury.count, TREASURY_ACCOUNTS_MAX);
    assert_string_equal(treasury_account(&treasury, "CHF")->iban, account.iban);
    assert_null(treasury_account(&treasury, "EUR"));
}

int main(void)
{
    pl_arena_init(&arena, 1 << 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_what_the_ledger_says),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pl_arena_fini(&arena);
    return failed;
}
