/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a statement adds up, on every day: promises, payments, what was waived or taken back, and
 * the end of a pledge; money that came or went has its value date, and pays for one at a time.
 */
#include "client/account.h"
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
static struct account account;

static Pledged__V1__Money *chf(int64_t minor)
{
    static Pledged__V1__Money all[16];
    static size_t used;
    Pledged__V1__Money *money = &all[used++ % 16];
    pledged__v1__money__init(money);
    money->minor = minor;
    money->currency = (char *)(uintptr_t) "CHF";
    return money;
}

static const char *day = "2026-03-05"; /* of the entries */

static struct pl_status take(uint64_t seq, Pledged__V1__Entry__FactCase kind, void *fact)
{
    Pledged__V1__Entry entry = PLEDGED__V1__ENTRY__INIT;
    entry.seq = seq;
    entry.effective_date = (char *)(uintptr_t)day;
    entry.fact_case = kind;
    entry.pledge_made = fact; /* a union of pointers */
    return account_take(&account, &entry);
}

static void make(uint64_t seq, int64_t minor)
{
    Pledged__V1__PledgeMade fact = PLEDGED__V1__PLEDGE_MADE__INIT;
    fact.amount = chf(minor);
    assert_true(pl_is_ok(take(seq, PLEDGED__V1__ENTRY__FACT_PLEDGE_MADE, &fact)));
}

static void allocate(uint64_t seq, const char *bank_entry, int64_t minor)
{
    Pledged__V1__Allocated fact = PLEDGED__V1__ALLOCATED__INIT;
    fact.bank_entry = (char *)(uintptr_t)bank_entry;
    fact.amount = chf(minor);
    assert_true(pl_is_ok(take(seq, PLEDGED__V1__ENTRY__FACT_ALLOCATED, &fact)));
}

static void reverse(uint64_t seq, uint64_t target, const char *bank_entry)
{
    Pledged__V1__Reversed fact = PLEDGED__V1__REVERSED__INIT;
    fact.target_seq = target;
    fact.bank_entry = (char *)(uintptr_t)bank_entry;
    assert_true(pl_is_ok(take(seq, PLEDGED__V1__ENTRY__FACT_REVERSED, &fact)));
}

/* Of a payment that is meant for the contributor: on what day its money was there. */
static void receive(uint64_t seq, const char *bank_entry, int64_t minor, const char *date)
{
    static Pledged__V1__PaymentStatus all[16];
    static size_t used;
    Pledged__V1__PaymentStatus *payment = &all[used++ % 16];
    pledged__v1__payment_status__init(payment);
    payment->seq = seq;
    payment->bank_entry = (char *)(uintptr_t)bank_entry;
    payment->amount = chf(minor);
    payment->allocated = chf(minor - 10);
    payment->value_date = (char *)(uintptr_t)date;
    assert_true(pl_is_ok(account_receive(&account, payment)));
}

/* All value dates are one day. */
static void learn_all(const char *date)
{
    const char *bank_entry;
    while ((bank_entry = account_unknown(&account)) != NULL)
        assert_true(pl_is_ok(account_learn(&account, bank_entry, date)));
}

static void line(size_t at, uint64_t seq, int64_t promised, int64_t paid, int64_t balance)
{
    assert_true(at < account.count);
    assert_int_equal(account.line[at].seq, seq);
    assert_int_equal(account.line[at].promised, promised);
    assert_int_equal(account.line[at].paid, paid);
    assert_int_equal(account.line[at].balance, balance);
}

static void test_one_pledge_after_the_other(void **state)
{
    (void)state;
    account_init(&account, &arena);
    account_pledge(&account, "P000001");
    make(10, 1000);
    allocate(12, "B000001", 300);
    allocate(14, "B000002", 200);
    allocate(16, "B000002", 100);
    reverse(18, 12, "B000001"); /* one allocation */
    reverse(20, 13, "B000002"); /* a whole payment */
    reverse(21, 13, "B000002"); /* nothing is left of it */
    account_pledge(&account, "P000002");
    make(11, 50);
    allocate(15, "B000003", 50);
    Pledged__V1__Cancelled end = PLEDGED__V1__CANCELLED__INIT;
    assert_true(pl_is_ok(take(19, PLEDGED__V1__ENTRY__FACT_CANCELLED, &end)));
    learn_all("2026-03-05");
    assert_true(pl_is_ok(account_finish(&account, NULL)));
    assert_int_equal(account.count, 9);
    line(0, 10, 1000, 0, 1000);
    line(1, 11, 50, 0, 1050);
    line(2, 12, 0, 300, 750);
    line(3, 14, 0, 200, 550);
    line(4, 15, 0, 50, 500);
    line(5, 16, 0, 100, 400);
    line(6, 18, 0, -300, 700);
    line(7, 19, -50, -50, 700);
    line(8, 20, 0, -300, 1000);
    assert_string_equal(account.line[7].pledge, "P000002");
}

/* The money of a promise of March came in February, too much of it; the rest goes back in April. */
static void test_value_dates(void **state)
{
    (void)state;
    account_init(&account, &arena);
    account_pledge(&account, "P000001");
    make(10, 1000);
    allocate(12, "B000001", 990);
    Pledged__V1__RefundPaid back = PLEDGED__V1__REFUND_PAID__INIT;
    back.amount = chf(10);
    back.bank_entry = (char *)(uintptr_t) "B000002";
    back.value_date = (char *)(uintptr_t) "2026-04-01";
    assert_true(pl_is_ok(take(13, PLEDGED__V1__ENTRY__FACT_REFUND_PAID, &back)));
    receive(11, "B000001", 1000, "2026-02-27");
    assert_null(account_unknown(&account));
    assert_true(pl_is_ok(account_finish(&account, NULL)));
    assert_int_equal(account.count, 4);
    line(0, 11, 0, 0, 0);
    assert_int_equal(account.line[0].received, 1000);
    assert_int_equal(account.line[0].unallocated, 10);
    assert_int_equal(account.line[0].elsewhere, 0);
    assert_string_equal(account.line[0].date, "2026-02-27");
    line(1, 10, 1000, 0, 1000);
    line(2, 12, 0, 990, 10);
    assert_string_equal(account.line[2].date, day);
    line(3, 13, 0, 0, 10);
    assert_int_equal(account.line[3].returned, 10);
    assert_string_equal(account.line[3].date, "2026-04-01");
}

/* Came in for no pledge, and went back: both are told, whatever the pledges say. */
static void test_money_for_no_pledge_that_went_back(void **state)
{
    (void)state;
    account_init(&account, &arena);
    account_pledge(&account, "P000001");
    make(10, 1000);
    Pledged__V1__RefundStatus back = PLEDGED__V1__REFUND_STATUS__INIT;
    back.seq = 12;
    back.bank_entry = (char *)(uintptr_t) "B000001";
    assert_false(pl_is_ok(account_give_back(&account, &back)));
    back.amount = chf(40);
    assert_false(pl_is_ok(account_give_back(&account, &back))); /* of no day */
    back.value_date = (char *)(uintptr_t) "2026-02-01";
    assert_true(pl_is_ok(account_give_back(&account, &back))); /* ordered */
    back.seq = 13;
    back.debit = (char *)(uintptr_t) "B000002";
    back.paid_date = (char *)(uintptr_t) "2026-05-01";
    back.paid_seq = 15;
    assert_true(pl_is_ok(account_give_back(&account, &back)));
    assert_null(account_unknown(&account));
    assert_true(pl_is_ok(account_finish(&account, NULL)));
    assert_int_equal(account.count, 4);
    line(0, 12, 0, 0, 0);
    line(1, 13, 0, 0, 0);
    assert_int_equal(account.line[0].received, 40);
    assert_int_equal(account.line[1].received, 40);
    assert_int_equal(account.line[1].returned, 0);
    line(2, 10, 1000, 0, 1000);
    line(3, 15, 0, 0, 1000);
    assert_int_equal(account.line[3].returned, 40);
    assert_int_equal(account.line[3].received, 0);
    assert_string_equal(account.line[3].bank_entry, "B000002");
    assert_string_equal(account.line[3].date, "2026-05-01");
}

static struct pl_status refund_fact(uint64_t seq, bool paid, const char *bank_entry)
{
    Pledged__V1__RefundPaid out = PLEDGED__V1__REFUND_PAID__INIT;
    Pledged__V1__RefundReturned in = PLEDGED__V1__REFUND_RETURNED__INIT;
    out.refund = in.refund = (char *)(uintptr_t) "R000001";
    out.amount = in.amount = chf(10);
    out.value_date = in.value_date = (char *)(uintptr_t) "2026-04-01";
    out.bank_entry = in.bank_entry = (char *)(uintptr_t)bank_entry;
    return paid ? take(seq, PLEDGED__V1__ENTRY__FACT_REFUND_PAID, &out)
                : take(seq, PLEDGED__V1__ENTRY__FACT_REFUND_RETURNED, &in);
}

static struct pl_status refund_reversed(uint64_t seq, uint64_t target)
{
    Pledged__V1__Reversed fact = PLEDGED__V1__REVERSED__INIT;
    fact.target_seq = target;
    fact.refund = (char *)(uintptr_t) "R000001";
    fact.bank_entry = (char *)(uintptr_t) "B000002";
    fact.amount = chf(10);
    return take(seq, PLEDGED__V1__ENTRY__FACT_REVERSED, &fact);
}

/* It left before anybody knew whose money it is: the history of the pledge begins in the middle. */
static void test_a_refund_that_the_history_has_in_part(void **state)
{
    (void)state;
    Pledged__V1__RefundStatus back = PLEDGED__V1__REFUND_STATUS__INIT;
    back.refund = (char *)(uintptr_t) "R000001";
    back.amount = chf(10);
    back.seq = 8;
    for (int paid_again = 0; paid_again < 3; paid_again++) {
        account_init(&account, &arena);
        account_pledge(&account, "P000001");
        make(10, 1000);
        assert_true(pl_is_ok(refund_reversed(11, 9))); /* entry 9, the payment, is not here */
        assert_true(pl_is_ok(refund_fact(12, false, "B000003")));
        if (paid_again == 2)
            assert_true(pl_is_ok(refund_fact(13, true, "B000004")));
        back.paid_date = (char *)(uintptr_t)(paid_again == 0 ? "" : "2026-04-02");
        back.debit = (char *)(uintptr_t) "B000002";
        back.paid_seq = 9;
        assert_true(pl_is_ok(account_refund(&account, &back)));
        assert_true(pl_is_ok(account_finish(&account, NULL)));
        assert_int_equal(account.count, paid_again == 0 ? 1 : 2);
        if (paid_again == 0)
            continue;
        assert_int_equal(account.line[1].returned, 10);
        line(1, paid_again == 1 ? 9 : 13, 0, 0, 1000);
        assert_string_equal(account.line[1].bank_entry, paid_again == 1 ? "B000002" : "B000004");
        assert_string_equal(account.line[1].date, paid_again == 1 ? "2026-04-02" : "2026-04-01");
        assert_string_equal(account.line[1].pledge, "P000001");
    }
    account_init(&account, &arena);
    account_pledge(&account, "P000001");
    make(10, 1000);
    assert_true(pl_is_ok(refund_fact(13, true, "B000002")));
    assert_true(pl_is_ok(refund_reversed(14, 13))); /* what is told is taken back */
    assert_true(pl_is_ok(account_finish(&account, NULL)));
    assert_int_equal(account.count, 3);
    assert_int_equal(account.line[1].returned, -10); /* of an earlier day than the debit's */
    assert_int_equal(account.line[2].returned, 10);
}

static void test_up_to_a_day(void **state)
{
    (void)state;
    static const struct {
        const char *last_day;
        size_t lines;
        int64_t balance;
    } rows[] = {{"2026-03-05", 1, 1000}, {"2026-03-07", 1, 1000}, {"2026-03-08", 2, 700},
                {"2026-03-19", 2, 700},  {"2026-03-20", 3, 0},    {NULL, 3, 0}};
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        account_init(&account, &arena);
        account_pledge(&account, "P000001");
        make(10, 1000);
        day = "2026-03-08";
        allocate(12, "B000001", 300);
        day = "2026-03-20";
        allocate(14, "B000002", 700);
        day = "2026-03-05";
        assert_true(pl_is_ok(account_finish(&account, rows[i].last_day)));
        assert_int_equal(account.count, rows[i].lines);
        assert_int_equal(account.line[account.count - 1].balance, rows[i].balance);
    }
    account_init(&account, &arena);
    account_pledge(&account, "P000001");
    make(10, 1000);
    assert_true(pl_is_ok(account_finish(&account, "2025-12-31")));
    assert_int_equal(account.count, 0);
}

/* Came in February for the one, and was taken from it in April for the other, with no day given. */
static void test_money_that_pays_for_two_in_turn(void **state)
{
    (void)state;
    static const struct {
        const char *last_day;
        int64_t balance;
    } rows[] = {{"2026-03-04", 0}, {"2026-03-05", 1100}, {"2026-04-09", 1100}, {NULL, 1100}};
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        account_init(&account, &arena);
        account_pledge(&account, "P000001");
        make(10, 1000);
        allocate(12, "B000001", 900);
        day = "2026-04-10";
        reverse(15, 12, "B000001");
        account_pledge(&account, "P000002");
        day = "2026-03-05";
        make(11, 1000);
        day = "2026-04-10";
        allocate(16, "B000001", 900);
        day = "2026-03-05";
        receive(9, "B000001", 910, "2026-02-27");
        assert_null(account_unknown(&account));
        assert_true(pl_is_ok(account_finish(&account, rows[i].last_day)));
        assert_int_equal(account.line[account.count - 1].balance, rows[i].balance);
    }
}

static void test_a_bank_entry_that_nobody_knows(void **state)
{
    (void)state;
    Pledged__V1__BankReversal back = PLEDGED__V1__BANK_REVERSAL__INIT;
    account_init(&account, &arena);
    account_pledge(&account, "P000001");
    make(10, 1000);
    back.bank_entry = (char *)(uintptr_t) "B000007";
    back.original = (char *)(uintptr_t) "B000001";
    back.amount = chf(1000);
    assert_true(pl_is_ok(take(12, PLEDGED__V1__ENTRY__FACT_BANK_REVERSAL, &back)));
    assert_string_equal(account_unknown(&account), "B000007");
    assert_int_equal(account_finish(&account, NULL).code, PL_E_CORRUPT);
    assert_int_equal(account_learn(&account, "B000007", "soon").code, PL_E_CORRUPT);
    assert_int_equal(account_learn(&account, "P000007", "2026-03-01").code, PL_E_CORRUPT);
    assert_true(pl_is_ok(account_learn(&account, "B000009", "2026-03-09")));
    assert_true(pl_is_ok(account_learn(&account, "B000007", "2026-03-07")));
    assert_true(pl_is_ok(account_learn(&account, "B000007", "2026-03-08"))); /* the first counts */
    assert_null(account_unknown(&account));
    assert_true(pl_is_ok(account_finish(&account, NULL)));
    assert_string_equal(account.line[1].date, "2026-03-07");
}

static void test_waivers(void **state)
{
    (void)state;
    account_init(&account, &arena);
    account_pledge(&account, "P000001");
    make(10, 1000);
    allocate(11, "B000001", 600);
    Pledged__V1__DifferenceAccepted fee = PLEDGED__V1__DIFFERENCE_ACCEPTED__INIT;
    fee.amount = chf(20);
    fee.bank_entry = (char *)(uintptr_t) "B000001";
    assert_true(pl_is_ok(take(12, PLEDGED__V1__ENTRY__FACT_DIFFERENCE_ACCEPTED, &fee)));
    Pledged__V1__WrittenOff rest = PLEDGED__V1__WRITTEN_OFF__INIT;
    rest.amount = chf(380);
    assert_true(pl_is_ok(take(13, PLEDGED__V1__ENTRY__FACT_WRITTEN_OFF, &rest)));
    reverse(14, 12, "B000001"); /* the difference, not the payment that fell short */
    Pledged__V1__Withdrawn end = PLEDGED__V1__WITHDRAWN__INIT;
    assert_true(pl_is_ok(take(15, PLEDGED__V1__ENTRY__FACT_WITHDRAWN, &end)));
    learn_all("2026-03-05");
    assert_true(pl_is_ok(account_finish(&account, NULL)));
    assert_int_equal(account.count, 6);
    line(1, 11, 0, 600, 400);
    line(2, 12, 0, 0, 380);
    line(3, 13, 0, 0, 0);
    line(4, 14, 0, 0, 20);
    assert_int_equal(account.line[4].waived, -20);
    line(5, 15, -1000, -600, 0);
    assert_int_equal(account.line[5].waived, -380);
}

static void test_what_the_bank_takes_back(void **state)
{
    (void)state;
    account_init(&account, &arena);
    account_pledge(&account, "P000001");
    make(10, 1000);
    allocate(12, "B000001", 1000);
    Pledged__V1__BankReversal fact = PLEDGED__V1__BANK_REVERSAL__INIT;
    fact.bank_entry = (char *)(uintptr_t) "B000002";
    fact.original = (char *)(uintptr_t) "B000001";
    fact.amount = chf(1500);
    assert_true(pl_is_ok(take(13, PLEDGED__V1__ENTRY__FACT_BANK_REVERSAL, &fact)));
    receive(11, "B000001", 1500, "2026-03-06");
    assert_string_equal(account_unknown(&account), "B000002");
    learn_all("2026-03-20");
    assert_true(pl_is_ok(account_finish(&account, NULL)));
    assert_int_equal(account.count, 5);
    line(2, 13, 0, -1000, 1000);
    assert_string_equal(account.line[2].date, day); /* of the entry */
    line(4, 13, 0, 0, 1000);
    assert_int_equal(account.line[4].received, -1500); /* that is the bank's */
    for (size_t i = 0; i < account.count; i++)         /* all that it paid for is another one's */
        assert_int_equal(account.line[i].elsewhere, account.line[i].received == 1500 ? 1490 : 0);
    assert_string_equal(account.line[4].date, "2026-03-20");
}

static void test_what_does_not_fit(void **state)
{
    (void)state;
    account_init(&account, &arena);
    account_pledge(&account, "P000001");
    Pledged__V1__Allocated fact = PLEDGED__V1__ALLOCATED__INIT;
    fact.amount = chf(1);
    assert_int_equal(take(1, PLEDGED__V1__ENTRY__FACT_ALLOCATED, &fact).code, PL_E_CORRUPT);
    make(2, 1000);
    fact.amount->currency = (char *)(uintptr_t) "EUR";
    assert_int_equal(take(3, PLEDGED__V1__ENTRY__FACT_ALLOCATED, &fact).code, PL_E_CORRUPT);
    account_init(&account, &arena);
    assert_true(pl_is_ok(account_finish(&account, NULL)));
    assert_int_equal(account.count, 0);
}

int main(void)
{
    pl_arena_init(&arena, 1 << 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_pledge_after_the_other),
        cmocka_unit_test(test_value_dates),
        cmocka_unit_test(test_money_that_pays_for_two_in_turn),
        cmocka_unit_test(test_money_for_no_pledge_that_went_back),
        cmocka_unit_test(test_a_refund_that_the_history_has_in_part),
        cmocka_unit_test(test_up_to_a_day),
        cmocka_unit_test(test_a_bank_entry_that_nobody_knows),
        cmocka_unit_test(test_waivers),
        cmocka_unit_test(test_what_the_bank_takes_back),
        cmocka_unit_test(test_what_does_not_fit),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pl_arena_fini(&arena);
    return failed;
}
