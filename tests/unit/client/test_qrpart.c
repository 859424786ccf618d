/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a bill that payments would not take is not drawn; one that they take is, however long. What
 * the symbol says is read by a scanner in e2e/paper.
 */
#include <string.h>

#include "client/qrpart.h"
#include "common/check.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static struct pl_status draw(const struct qrbill *bill, struct failure *failure, size_t *ret_len)
{
    const struct paper_about about = {.title = "T", .author = "A", .date = "2026-03-03"};
    struct paper *paper = NULL;
    struct pl_buf out PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&out, 1 << 20);
    assert_true(pl_is_ok(paper_new(&about, failure, &paper)));
    struct pl_status status = qrpart_draw(paper, bill, failure);
    if (pl_is_ok(status))
        status = paper_finish(paper, failure, &out);
    paper_free(paper);
    *ret_len = pl_buf_len(&out);
    return status;
}

static void test_draw(void **state)
{
    (void)state;
    char name[71], message[141];
    memset(name, 'W', 70);
    memset(message, 'W', 140);
    name[70] = message[140] = '\0';
    const struct qrbill_party payer = {name,      name, "1234567890123456", "1234567890123456",
                                       name + 35, "FR"};
    struct qrbill bill = {
        .iban = "CH9300762011623852957",
        .creditor = {"Fonds", "", "", "1211", "Gen\u00e8ve", "CH"},
        .minor = 0,
        .currency = "CHF",
        .reference = "RF85P000001",
        .message = "",
        .billing_info = "",
    };
    struct failure failure = {0};
    size_t small, large;
    assert_true(pl_is_ok(draw(&bill, &failure, &small)));
    bill.creditor = payer;
    bill.debtor = &payer;
    bill.message = message;
    bill.minor = 99999999999;
    assert_true(pl_is_ok(draw(&bill, &failure, &large)));
    assert_true(large > small);
    bill.currency = "USD";
    assert_int_equal(draw(&bill, &failure, &large).code, PL_E_INVALID);
    assert_int_equal(large, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_draw)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
