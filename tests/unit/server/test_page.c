/* SPDX-License-Identifier: Apache-2.0
 *
 * page: what can be said of the files without a browser. How they are served is tested over the
 * wire (tests/e2e/test_page.py), what they show in a browser (tests/page).
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

#include "common/check.h"
#include "common/money.h"
#include "server/page.h"

static char *read_asset(const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/server/page/%s", SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = calloc(1, 1 << 20);
    size_t len = fread(text, 1, (1 << 20) - 1, file);
    assert_true(len > 0 && len < (1 << 20) - 1);
    fclose(file);
    return text;
}

/* The table of decimals in the page is the one of the ledger, or amounts would be off by ten. */
static void test_every_currency_has_its_decimals(void **state)
{
    char *script = read_asset("page.js");
    const char *table = strstr(script, "const DECIMALS = {");
    (void)state;
    assert_non_null(table);
    const char *end = strchr(table, '}');
    assert_non_null(end);
    for (int i = 0; i < pl_currency_count(); i++) {
        char row[16];
        const char *code = pl_currency_code(i);
        int exponent = pl_currency_exponent(code);
        snprintf(row, sizeof(row), "%s: ", code);
        const char *found = strstr(table, row);
        bool listed = found != NULL && found < end;
        if (listed != (exponent != 2) || (listed && found[5] - '0' != exponent))
            fail_msg("%s has %d decimals", code, exponent);
    }
    free(script);
}

static void test_everybody_may_look(void **state)
{
    (void)state;
    assert_int_equal(page_resource_count, 5);
    for (size_t i = 0; i < page_resource_count; i++)
        assert_true((page_resources[i].roles & NET_ROLE(PUBLIC)) != 0);
    assert_string_equal(page_resources[0].path, "/");
}

/* The policy that is sent along would block these; better not to have them. */
static void test_nothing_is_inline_or_from_elsewhere(void **state)
{
    static const char *const names[] = {"index.html", "page.css", "page.js"};
    static const char *const banned[] = {"http://", "https://", " style=",   "<style",
                                         "onclick", "onload",   "innerHTML", "eval(",
                                         "@import", "url(",     "<script>",  "document.write"};
    (void)state;
    for (size_t i = 0; i < PL_COUNT(names); i++) {
        char *text = read_asset(names[i]);
        for (size_t j = 0; j < PL_COUNT(banned); j++) {
            const char *found = strstr(text, banned[j]);
            if (found != NULL && strncmp(found, "http://www.w3.org/2000/svg", 26) != 0)
                fail_msg("%s holds \"%s\"", names[i], banned[j]);
        }
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_currency_has_its_decimals),
        cmocka_unit_test(test_everybody_may_look),
        cmocka_unit_test(test_nothing_is_inline_or_from_elsewhere),
    };
    return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
