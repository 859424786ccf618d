/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a command that names no amount is about the one that the state has of it; one that names
 * its own, or what is not there, is about none.
 */
#include "common/money.h"
#include "desk.h"
#include "server/ledger/meant.h"

static void assert_meant(const struct world *w, Pledged__V1__Command__CommandCase which, void *body,
                         int64_t minor, bool is_rest)
{
    Pledged__V1__Command command = PLEDGED__V1__COMMAND__INIT;
    command.command_case = which;
    command.commit = body; /* all members are pointers */
    struct meant meant = meant_by(w->ledger, &command);
    assert_true(meant_is(meant, minor < 0 ? 0 : minor, minor < 0 ? -1 : pl_currency_index("CHF")));
    assert_int_equal(meant.is_rest, is_rest);
}

/* 400.00 of a promise of 1,000.00 came. */
static void prepare(struct world *w)
{
    world_ready(w, 1);
    submit(w, NULL, "C000001", NULL, 100000, "CHF");
    pay(w, "P000001", 40000, "CHF", "");
    assert_accepted(w);
}

static void test_of_a_pledge(void **state)
{
    (void)state;
    struct world w;
    prepare(&w);
    Pledged__V1__Commit commit = PLEDGED__V1__COMMIT__INIT;
    Pledged__V1__Cancel cancel = PLEDGED__V1__CANCEL__INIT;
    Pledged__V1__WriteOff off = PLEDGED__V1__WRITE_OFF__INIT;
    Pledged__V1__AcceptDifference less = PLEDGED__V1__ACCEPT_DIFFERENCE__INIT;
    Pledged__V1__Money own = PLEDGED__V1__MONEY__INIT;
    commit.pledge = cancel.pledge = off.pledge = less.pledge = (char *)(uintptr_t) "P000001";
    assert_meant(&w, COMMAND(COMMIT), &commit, 100000, false);
    assert_meant(&w, COMMAND(CANCEL), &cancel, 60000, true);
    assert_meant(&w, COMMAND(WRITE_OFF), &off, 60000, true);
    assert_meant(&w, COMMAND(ACCEPT_DIFFERENCE), &less, 60000, true);
    off.amount = less.amount = &own;
    assert_meant(&w, COMMAND(WRITE_OFF), &off, -1, false);
    assert_meant(&w, COMMAND(ACCEPT_DIFFERENCE), &less, -1, false);
    commit.pledge = cancel.pledge = (char *)(uintptr_t) "P000009";
    assert_meant(&w, COMMAND(COMMIT), &commit, -1, false);
    assert_meant(&w, COMMAND(CANCEL), &cancel, -1, false);
    world_fini(&w);
}

static void test_of_a_payment(void **state)
{
    (void)state;
    struct world w;
    prepare(&w);
    pay(&w, "P000001", 65000, "CHF", ""); /* 50.00 too much */
    char *id = w.receipt->outcome->bank_entry;
    Pledged__V1__Refund back = PLEDGED__V1__REFUND__INIT;
    Pledged__V1__Convert gift = PLEDGED__V1__CONVERT__INIT;
    Pledged__V1__BookCharge charge = PLEDGED__V1__BOOK_CHARGE__INIT;
    Pledged__V1__CancelRefund not = PLEDGED__V1__CANCEL_REFUND__INIT;
    Pledged__V1__Money own = PLEDGED__V1__MONEY__INIT;
    char kept[16];
    (void)snprintf(kept, sizeof(kept), "%s", id);
    back.bank_entry = gift.bank_entry = charge.bank_entry = kept;
    not .refund = (char *)(uintptr_t) "R000001";
    assert_meant(&w, COMMAND(REFUND), &back, 5000, true);
    assert_meant(&w, COMMAND(CONVERT), &gift, 5000, true);
    assert_meant(&w, COMMAND(BOOK_CHARGE), &charge, 5000, true);
    assert_meant(&w, COMMAND(CANCEL_REFUND), &not, -1, false);
    refund(&w, kept, 3000, "CHF");
    assert_accepted(&w);
    assert_meant(&w, COMMAND(REFUND), &back, 2000, true);
    assert_meant(&w, COMMAND(CANCEL_REFUND), &not, 3000, false);
    back.amount = gift.amount = &own;
    assert_meant(&w, COMMAND(REFUND), &back, -1, false);
    assert_meant(&w, COMMAND(CONVERT), &gift, -1, false);
    charge.bank_entry = (char *)(uintptr_t) "B000099";
    assert_meant(&w, COMMAND(BOOK_CHARGE), &charge, -1, false);
    world_fini(&w);
}

/* Whose amount the approver sees in the command. */
static void test_of_anything_else(void **state)
{
    (void)state;
    struct world w;
    prepare(&w);
    Pledged__V1__AmendPledge body = PLEDGED__V1__AMEND_PLEDGE__INIT;
    body.pledge = (char *)(uintptr_t) "P000001";
    assert_meant(&w, COMMAND(AMEND_PLEDGE), &body, -1, false);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_a_pledge),
        cmocka_unit_test(test_of_a_payment),
        cmocka_unit_test(test_of_anything_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
