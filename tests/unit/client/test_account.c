/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a statement adds up: promises, payments, what was taken back, and the end of a pledge.
 */
#include "client/account.h"

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

static struct pl_status take(uint64_t seq, Pledged__V1__Entry__FactCase kind, void *fact)
{
    Pledged__V1__Entry entry = PLEDGED__V1__ENTRY__INIT;
    entry.seq = seq;
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
    assert_true(pl_is_ok(account_finish(&account)));
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
    assert_true(pl_is_ok(account_finish(&account)));
    assert_int_equal(account.count, 0);
}

int main(void)
{
    pl_arena_init(&arena, 1 << 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_pledge_after_the_other),
        cmocka_unit_test(test_what_does_not_fit),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pl_arena_fini(&arena);
    return failed;
}
