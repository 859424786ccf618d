/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: money is never refused or lost, one credit is booked once, reversals put everything back.
 */
#include "common/money.h"
#include "fixture.h"

static const struct state_tally *chf(const struct world *w)
{
    const struct state_tallies *t = &w->ledger->tally[STATE_BY_CURRENCY];
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->line[i].key, "CHF") == 0)
            return &t->line[i];
    }
    return NULL;
}

static bool warned(const struct world *w, Pledged__V1__WarningKind kind)
{
    for (size_t i = 0; i < w->receipt->outcome->n_warning; i++) {
        if (w->receipt->outcome->warning[i]->kind == kind)
            return true;
    }
    return false;
}

static void pay_at(struct world *w, const char *value_date, const char *effective)
{
    COMMAND_INIT_(command);
    Pledged__V1__Pay body = PLEDGED__V1__PAY__INIT;
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    money.minor = 100;
    money.currency = (char *)"CHF";
    body.pledge = (char *)"P000001";
    body.amount = &money;
    body.value_date = (char *)(uintptr_t)value_date;
    command.effective_date = (char *)(uintptr_t)effective;
    command.command_case = COMMAND(PAY);
    command.pay = &body;
    give(w, &command);
}

/* Money that somebody saw has come: today is 2 February, and tomorrow already further east. */
static void test_no_payment_of_a_day_to_come(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    pay_at(&w, "2026-02-04", "");
    assert_refused(&w, DATE_INVALID);
    assert_string_equal(w.refusal->field, "pay.value_date");
    assert_string_equal(w.refusal->arg[1]->value, "2026-02-04");
    assert_string_equal(w.refusal->arg[2]->value, "2026-02-02");
    pay_at(&w, "", "2026-02-04");
    assert_refused(&w, DATE_INVALID);
    assert_string_equal(w.refusal->field, "effective_date");
    pay_at(&w, "2026-02-02", "2026-02-04"); /* what it pays for would be of that day */
    assert_refused(&w, DATE_INVALID);
    assert_string_equal(w.refusal->field, "effective_date");
    assert_int_equal(w.ledger->bank_entry_count, 0);
    pay_at(&w, "2026-02-02", "2026-02-03");
    assert_accepted(&w);
    pay_at(&w, "2026-02-03", "");
    assert_accepted(&w);
    struct ledger *before = world_before(&w, w.entry_count - 2);
    Pledged__V1__Entry *entry = world_entry(&w, w.entry_count - 2);
    entry->payment_recorded->value_date = (char *)(uintptr_t) "2026-02-04";
    assert_true(pl_is_ok(ledger_check(before, entry)));
    before->policy.message->rules = 3;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

static void test_part_full_and_surplus(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    pay(&w, "P000001", 5000000, "CHF", "");
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->balance->minor, 10000000);
    assert_int_equal(state_money(&w.ledger->pledge[0]), PLEDGED__V1__MONEY_STATE__MONEY_STATE_PART);
    pay(&w, "P000001", 11000000, "CHF", "");
    assert_true(warned(&w, WARNING(PAYMENT_SURPLUS)));
    assert_int_equal(w.receipt->outcome->balance->minor, 0);
    assert_int_equal(w.receipt->outcome->unallocated->minor, 1000000);
    assert_int_equal(state_money(&w.ledger->pledge[0]), PLEDGED__V1__MONEY_STATE__MONEY_STATE_OVER);
    assert_int_equal(chf(&w)->received, 16000000);
    assert_int_equal(chf(&w)->unallocated, 1000000);
    assert_int_equal(chf(&w)->pledged - chf(&w)->allocated, 0);
    world_fini(&w);
}

static void test_late_and_foreign_money_is_kept(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    pay(&w, "P000001", 700, "USD", "");
    assert_true(warned(&w, WARNING(PAYMENT_CURRENCY)));
    assert_int_equal(w.made, 1);
    withdraw(&w, "P000001");
    uint64_t ended = w.receipt->seq;
    pay(&w, "P000001", 300, "CHF", "");
    pay(&w, "P000001", 200, "CHF", "");
    assert_true(warned(&w, WARNING(PLEDGE_NOT_OPEN)));
    assert_int_equal(w.receipt->outcome->warning[0]->seq, ended); /* and not the payment before */
    assert_null(w.receipt->outcome->balance); /* nothing is to be paid any more */
    assert_int_equal(chf(&w)->unallocated, 500);
    assert_int_equal(state_money(&w.ledger->pledge[0]),
                     PLEDGED__V1__MONEY_STATE__MONEY_STATE_REFUND_DUE);
    withdraw(&w, "P000001");
    assert_refused(&w, STATE_WRONG);
    assert_int_equal(w.refusal->deciding_seq, ended);
    pay(&w, "P000009", 500, "CHF", "");
    assert_refused(&w, PLEDGE_UNKNOWN);
    world_fini(&w);
}

static void test_withdrawing_frees_the_money(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    pay(&w, "P000001", 500, "CHF", "");
    withdraw(&w, "P000001");
    assert_accepted(&w);
    assert_int_equal(chf(&w)->unallocated, 500);
    assert_int_equal(w.ledger->bank_entry[0].allocated, 0);
    world_fini(&w);
}

static void test_one_credit_is_booked_once(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    pay(&w, "P000001", 500, "CHF", "BANK-1");
    uint64_t seq = w.receipt->seq;
    pay(&w, "P000001", 600, "CHF", "BANK-1");
    assert_refused(&w, PAYMENT_DUPLICATE);
    assert_int_equal(w.refusal->deciding_seq, seq);
    pay(&w, "P000001", 500, "CHF", "BANK-2"); /* a true twin is kept, with a warning */
    assert_accepted(&w);
    assert_true(warned(&w, WARNING(PAYMENT_SIMILAR)));
    reverse(&w, seq);
    assert_accepted(&w);
    pay(&w, "P000001", 600, "CHF", "BANK-1"); /* rightly this time */
    assert_accepted(&w);
    world_fini(&w);
}

static void test_reversal_puts_everything_back_once(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    pay(&w, "P000001", 500, "CHF", "");
    uint64_t seq = w.receipt->seq;
    reverse(&w, seq + 1); /* only the allocation */
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->unallocated->minor, 500);
    assert_int_equal(chf(&w)->received, 500);
    reverse(&w, seq + 1);
    assert_refused(&w, ALREADY_REVERSED);
    reverse(&w, seq);
    assert_accepted(&w);
    assert_int_equal(chf(&w)->received, 0);
    assert_int_equal(chf(&w)->unallocated, 0);
    reverse(&w, seq);
    assert_refused(&w, ALREADY_REVERSED);
    assert_int_not_equal(w.refusal->deciding_seq, 0);
    reverse(&w, 4);
    assert_refused(&w, NOT_REVERSIBLE);
    reverse(&w, 99999);
    assert_refused(&w, ENTRY_UNKNOWN);
    world_fini(&w);
}

/* One command undoes no more than it may write; less of it first. */
static void test_a_payment_for_too_many_pledges_is_undone_in_steps(void **state)
{
    (void)state;
    enum { OTHERS = LEDGER_ENTRIES_PER_COMMAND_MAX };
    struct world w;
    world_ready(&w, 1);
    for (int i = 0; i <= OTHERS; i++)
        submit(&w, NULL, "C000001", NULL, 100, "CHF");
    pay(&w, "P000001", 100 * (OTHERS + 1), "CHF", "");
    assert_accepted(&w);
    uint64_t seq = w.receipt->seq, last = 0;
    for (int i = 2; i <= OTHERS + 1; i++) {
        char pledge[24];
        (void)snprintf(pledge, sizeof(pledge), "P%06d", i);
        allocate(&w, "B000001", pledge, 100, "CHF", 0, NULL);
        assert_accepted(&w);
        last = w.receipt->seq;
    }
    reverse(&w, seq);
    assert_refused(&w, NOT_REVERSIBLE);
    assert_string_equal(w.refusal->arg[0]->name, "use");
    reverse(&w, last);
    assert_accepted(&w);
    reverse(&w, seq);
    assert_accepted(&w);
    assert_int_equal(chf(&w)->received, 0);
    assert_int_equal(chf(&w)->allocated, 0);
    world_fini(&w);
}

static void test_sums_never_wrap(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    submit(&w, NULL, "C000001", NULL, INT64_MAX, "CHF");
    assert_accepted(&w);
    submit(&w, NULL, "C000002", NULL, 1, "CHF");
    assert_refused(&w, SUM_OVERFLOW);
    pay(&w, "P000001", INT64_MAX, "CHF", "");
    assert_accepted(&w);
    pay(&w, "P000001", 1, "CHF", "");
    assert_refused(&w, SUM_OVERFLOW);
    world_fini(&w);
}

static void test_cancelling_asks_what_becomes_of_the_money(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    commit(&w, "P000001");
    pay(&w, "P000001", 500, "CHF", "");
    cancel(&w, "P000001", 0);
    assert_refused(&w, MONEY_PLAN_MISSING);
    cancel(&w, "P000001", PLEDGED__V1__MONEY_PLAN__MONEY_PLAN_REFUND);
    assert_accepted(&w);
    assert_int_equal(chf(&w)->unallocated, 500);
    assert_int_equal(chf(&w)->committed, 0);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_payment_for_too_many_pledges_is_undone_in_steps),
        cmocka_unit_test(test_no_payment_of_a_day_to_come),
        cmocka_unit_test(test_part_full_and_surplus),
        cmocka_unit_test(test_late_and_foreign_money_is_kept),
        cmocka_unit_test(test_withdrawing_frees_the_money),
        cmocka_unit_test(test_one_credit_is_booked_once),
        cmocka_unit_test(test_reversal_puts_everything_back_once),
        cmocka_unit_test(test_sums_never_wrap),
        cmocka_unit_test(test_cancelling_asks_what_becomes_of_the_money),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
