/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: no entry is ever dated into a closed period (I5), periods close in order and open in the
 * other one, and replay refuses a closing that does not fit.
 */
#include "common/check.h"
#include "common/date.h"
#include "fixture.h"
#include "server/ledger/allocation.h"
#include "server/ledger/period.h"

static void test_the_order(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    set_period(&w, false, "2020-01", false);
    assert_refused(&w, PERIOD_UNKNOWN);
    set_period(&w, true, "2020-11", false);
    assert_accepted(&w);
    assert_string_equal(w.receipt->outcome->period, "2020-11");
    set_period(&w, true, "2020-11", false);
    assert_refused(&w, PERIOD_CLOSED);
    set_period(&w, true, "2021-01", false);
    assert_refused(&w, PERIOD_NOT_NEXT);
    set_period(&w, true, "2020-12", false);
    assert_accepted(&w);
    set_period(&w, true, "2021-01", false);
    assert_accepted(&w);
    set_period(&w, false, "2020-12", false);
    assert_refused(&w, PERIOD_NOT_NEXT);
    set_period(&w, false, "2021-01", false);
    assert_accepted(&w);
    set_period(&w, false, "2020-12", false);
    assert_accepted(&w);
    assert_int_equal(w.ledger->closed_through, 2020 * 12 + 10);
    set_period(&w, true, "2999-12", false);
    assert_refused(&w, PERIOD_NOT_NEXT);
    struct ledger *again = world_reloaded(w.ledger);
    assert_same_state(w.ledger, again);
    ledger_free(again);
    world_fini(&w);
}

static void test_a_month_that_is_not_over(void **state)
{
    (void)state;
    struct world w;
    char day[11];
    world_ready(&w, 1);
    (void)pl_date_format(pl_date_of_us(w.now_us), day);
    day[7] = '\0';
    set_period(&w, true, day, true);
    assert_refused(&w, PERIOD_BLOCKED);
    world_fini(&w);
}

static void test_days(void **state)
{
    (void)state;
    struct world w;
    char text[11];
    int32_t inside, outside;
    assert_true(pl_is_ok(pl_date_parse("2020-12-31", &inside)));
    assert_true(pl_is_ok(pl_date_parse("2021-01-01", &outside)));
    world_ready(&w, 1);
    assert_false(period_is_closed(w.ledger, inside));
    assert_string_equal(period_posting(w.ledger, inside, text), "");
    set_period(&w, true, "2020-12", false);
    assert_true(period_is_closed(w.ledger, inside));
    assert_false(period_is_closed(w.ledger, outside));
    assert_string_equal(period_posting(w.ledger, inside, text), "2021-01-01");
    assert_string_equal(period_posting(w.ledger, outside, text), "");
    world_fini(&w);
}

static void test_replay_refuses_a_date_in_a_closed_period(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    set_period(&w, true, "2020-12", false);
    Pledged__V1__Command command = PLEDGED__V1__COMMAND__INIT;
    Pledged__V1__Submit body = PLEDGED__V1__SUBMIT__INIT;
    Pledged__V1__Money amount = PLEDGED__V1__MONEY__INIT;
    amount.minor = 500;
    amount.currency = (char *)"CHF";
    body.contributor = (char *)"C000001";
    body.offer_case = PLEDGED__V1__SUBMIT__OFFER_FREE;
    body.free = true;
    body.amount = &amount;
    command.reason = (char *)"late";
    command.effective_date = (char *)"2020-12-30";
    command.command_case = COMMAND(SUBMIT);
    command.submit = &body;
    give(&w, &command);
    assert_accepted(&w);
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *entry = world_last(&w);
    assert_string_equal(entry->effective_date, "2020-12-30");
    assert_string_equal(entry->posting_date, "2021-01-01");
    assert_true(pl_is_ok(ledger_check(before, entry)));
    entry->posting_date = (char *)"";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    entry->posting_date = (char *)"2021-02-01";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

static void test_replay_refuses_other_totals(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", NULL, 500, "CHF");
    set_period(&w, true, "2020-12", false);
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *entry = world_last(&w);
    assert_int_equal(entry->period_closed->n_totals, 1);
    assert_true(pl_is_ok(ledger_check(before, entry)));
    entry->period_closed->totals[0]->pledged_minor++;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    entry->period_closed->totals[0]->pledged_minor--;
    entry->period_closed->head_size = entry->seq;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    entry->period_closed->head_size = 0;
    entry->period_closed->period = (char *)(uintptr_t) "2999-12"; /* what comes next has no day */
    assert_false(pl_is_ok(ledger_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

static void test_unmatched_money_of_the_period(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", NULL, 500, "CHF");
    pay(&w, "P000001", 700, "CHF", "");
    int month = pl_date_month(pl_date_of_us(w.now_us));
    char text[32];
    (void)snprintf(text, sizeof(text), "%04d-%02d", month / 12, month % 12 + 1);
    set_period(&w, true, "2020-12", false); /* it came later: nothing to do with it */
    assert_accepted(&w);
    set_period(&w, false, "2020-12", false);
    pass(&w, (int64_t)40 * 86400 * 1000000);
    set_period(&w, true, text, false);
    assert_refused(&w, PERIOD_BLOCKED);
    set_period(&w, true, text, true);
    assert_accepted(&w);
    assert_int_equal(world_last(&w)->period_closed->waived, 1);
    world_fini(&w);
}

static void set_limit(struct world *w, int64_t unallocated_limit_s)
{
    static uint8_t sha256[32] = {40};
    Pledged__V1__PolicyAdopted policy = PLEDGED__V1__POLICY_ADOPTED__INIT;
    struct ledger_start start = {.policy = &policy};
    struct ledger_decision decision;
    sha256[1]++;
    policy.sha256 = (ProtobufCBinaryData){sizeof(sha256), sha256};
    policy.rules = LEDGER_RULES;
    policy.unallocated_limit_s = unallocated_limit_s;
    ledger_decide_start(w->ledger, &start, w->now_us, &w->arena, &decision);
    assert_int_equal(decision.entry_count, 1);
    world_apply(w, &decision);
}

/* Money that left, and that nothing explains, holds a month up as what came does. */
static void test_a_debit_blocks(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", NULL, 500, "CHF");
    const struct state_bank_entry debit = {
        .amount = 900, .seq = w.ledger->size, .movement = STATE_NONE, .debit = 1, .value_date = 10};
    (void)allocation_add_entry(w.ledger, &debit);
    set_period(&w, true, "2020-11", false);
    assert_refused(&w, PERIOD_BLOCKED);
    assert_string_equal(w.refusal->arg[1]->value, "B000001");
    w.ledger->bank_entry[0].allocated = 900; /* a charge, say */
    set_period(&w, true, "2020-11", false);
    assert_accepted(&w);
    assert_int_equal(world_last(&w)->period_closed->waived, 0);
    const struct state_bank_entry credit = {
        .amount = 900, .seq = w.ledger->size, .movement = STATE_NONE, .value_date = 10};
    (void)allocation_add_entry(w.ledger, &credit);
    set_period(&w, true, "2020-12", false);
    assert_refused(&w, PERIOD_BLOCKED);
    assert_string_equal(w.refusal->arg[1]->value, "B000002");
    world_fini(&w);
}

/* The policy says for how long money may wait: 0 is for ever, and no policy is not at all. */
static void test_how_long_money_may_wait(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", NULL, 500, "CHF");
    pay(&w, "P000001", 700, "CHF", ""); /* 2 February 2026, 200 too much */
    set_limit(&w, 30 * 86400);
    pass(&w, 27 * DAY_US); /* 1 March: 27 days */
    set_period(&w, true, "2026-02", false);
    assert_accepted(&w);
    set_period(&w, false, "2026-02", false);
    assert_accepted(&w);
    pass(&w, 3 * DAY_US); /* 30 days: not longer than that */
    set_period(&w, true, "2026-02", false);
    assert_accepted(&w);
    set_period(&w, false, "2026-02", false);
    pass(&w, DAY_US);
    set_period(&w, true, "2026-02", false);
    assert_refused(&w, PERIOD_BLOCKED);
    set_limit(&w, 0);
    set_period(&w, true, "2026-02", false);
    assert_accepted(&w);
    world_fini(&w);
}

/* Who names an old ledger names one that somebody has had time to bend. */
static void test_an_old_head(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    w.ledger->size += LEDGER_HEAD_BEHIND_MAX; /* as if there were so many more */
    set_period(&w, true, "2020-12", false);
    assert_refused(&w, FIELD_INVALID);
    assert_string_equal(w.refusal->field, "close_period.head_size");
    world_fini(&w);
}

/* What came in later months is of no concern, however old it is by now. */
static void test_later_money_does_not_block(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", NULL, 500, "CHF");
    pay(&w, "P000001", 700, "CHF", "");
    pass(&w, 40 * DAY_US);
    set_period(&w, true, "2026-01", false);
    assert_accepted(&w);
    set_period(&w, true, "2026-02", false);
    assert_refused(&w, PERIOD_BLOCKED);
    world_fini(&w);
}

/* Shortly after midnight where the fund is it is another day than in UTC: the entry says which. */
static void test_the_day_where_the_fund_is(void **state)
{
    (void)state;
    static uint8_t sha256[32] = {70};
    Pledged__V1__PolicyAdopted policy = PLEDGED__V1__POLICY_ADOPTED__INIT;
    struct ledger_start start = {.policy = &policy};
    struct ledger_decision decision;
    struct world w;
    int32_t day;
    world_ready(&w, 1);
    policy.sha256 = (ProtobufCBinaryData){sizeof(sha256), sha256};
    policy.rules = LEDGER_RULES;
    policy.time_zone = (char *)(uintptr_t) "CET-1CEST,M3.5.0,M10.5.0/3";
    ledger_decide_start(w.ledger, &start, w.now_us, &w.arena, &decision);
    struct ledger *before = world_before(&w, w.entry_count);
    assert_true(pl_is_ok(ledger_check(before, decision.entry[0])));
    policy.time_zone = (char *)(uintptr_t) "Europe/Zurich"; /* a name is no rule */
    assert_false(pl_is_ok(ledger_check(before, decision.entry[0])));
    policy.time_zone = (char *)(uintptr_t) "CET-1CEST,M3.5.0,M10.5.0/3";
    ledger_free(before);
    world_apply(&w, &decision);
    submit(&w, NULL, "C000001", NULL, 500, "CHF");
    assert_string_equal(world_last(&w)->effective_date, ""); /* the same day */
    assert_true(pl_is_ok(pl_date_parse("2026-02-28", &day)));
    w.now_us = day * PL_US_PER_DAY + (23 * 3600 + 1800) * PL_US_PER_S;
    submit(&w, NULL, "C000001", NULL, 500, "CHF");
    assert_string_equal(world_last(&w)->effective_date, "2026-03-01");
    assert_int_equal(w.ledger->pledge[1].month, 12 * 2026 + 2);
    pay(&w, "P000002", 200, "CHF", "");
    assert_string_equal(world_last(&w)->effective_date, "2026-03-01");
    assert_int_equal(w.ledger->bank_entry[0].value_date, day + 1);
    struct ledger *again = world_reloaded(w.ledger); /* the rule is in the policy that is saved */
    assert_same_state(w.ledger, again);
    assert_int_equal(state_day(again, w.now_us), day + 1);
    ledger_free(again);
    world_fini(&w);
}

/* A month is over when it is over where the fund is: before UTC says so, or after. */
static void test_a_month_is_over_where_the_fund_is(void **state)
{
    (void)state;
    static const struct {
        const char *zone, *day;
        int hour;
        uint32_t rules;
        bool over;
    } rows[] = {
        {"CET-1", "2026-02-28", 22, LEDGER_RULES, false},
        {"CET-1", "2026-02-28", 23, LEDGER_RULES, true},
        {"CET-1", "2026-02-28", 23, 14, false},
        {"EST5", "2026-03-01", 4, LEDGER_RULES, false},
        {"EST5", "2026-03-01", 5, LEDGER_RULES, true},
        {"EST5", "2026-03-01", 4, 14, true},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct world w;
        int32_t day;
        world_ready(&w, 1);
        assert_true(pl_is_ok(pl_date_parse(rows[i].day, &day)));
        w.now_us = day * PL_US_PER_DAY + rows[i].hour * 3600 * PL_US_PER_S;
        hold(&w, "top", "C000001", 60);
        assert_accepted(&w);
        world_set_zone(&w, rows[i].rules, rows[i].zone);
        set_period(&w, true, "2026-02", false);
        if (!rows[i].over) {
            assert_refused(&w, PERIOD_BLOCKED);
            assert_string_equal(w.refusal->arg[0]->value, "the month is not over");
            world_fini(&w);
            continue;
        }
        assert_accepted(&w);
        struct ledger *before = world_before(&w, w.entry_count - 1);
        before->policy.zone = (struct pl_zone){.east = rows[i].zone[0] == 'C' ? 0 : -5 * 3600};
        assert_int_equal(pl_is_ok(ledger_check(before, world_last(&w))),
                         rows[i].rules == 14 || rows[i].hour == 5);
        ledger_free(before);
        struct ledger *again = world_reloaded(w.ledger); /* the last entry is of February in UTC */
        assert_same_state(w.ledger, again);
        ledger_free(again);
        pass(&w, 120 * PL_US_PER_S); /* what the daemon does now is posted to March */
        assert_int_equal(world_last(&w)->fact_case, FACT(HOLD_EXPIRED));
        assert_string_equal(world_last(&w)->posting_date, rows[i].hour == 23 ? "2026-03-01" : "");
        world_fini(&w);
    }
}

static void end_on(struct world *w, bool withdrawing, const char *pledge, const char *day)
{
    Pledged__V1__Command command = PLEDGED__V1__COMMAND__INIT;
    Pledged__V1__Withdraw withdrawal = PLEDGED__V1__WITHDRAW__INIT;
    Pledged__V1__Cancel cancellation = PLEDGED__V1__CANCEL__INIT;
    Pledged__V1__Document document, *list[1];
    with_evidence(&command, &document, list, "letter");
    command.effective_date = (char *)(uintptr_t)day;
    withdrawal.pledge = cancellation.pledge = (char *)(uintptr_t)pledge;
    cancellation.money_plan = PLEDGED__V1__MONEY_PLAN__MONEY_PLAN_KEEP;
    command.command_case = withdrawing ? COMMAND(WITHDRAW) : COMMAND(CANCEL);
    if (withdrawing)
        command.withdraw = &withdrawal;
    else
        command.cancel = &cancellation;
    give(w, &command);
}

/* The money of what ends is free for others at once: in the books it must not be so years later. A
 * promise without money may end on any day. */
static void test_an_end_that_frees_money_has_no_day_to_come(void **state)
{
    (void)state;
    for (int withdrawing = 0; withdrawing < 2; withdrawing++) {
        struct world w;
        char today[11], tomorrow[11], later[11];
        world_ready(&w, 1);
        world_set_rules(&w, LEDGER_RULES);
        int32_t day = pl_date_of_us(w.now_us);
        (void)pl_date_format(day, today);
        (void)pl_date_format(day + 1, tomorrow);
        (void)pl_date_format(day + 2, later);
        const char *const pledges[] = {"P000001", "P000002", "P000003"};
        for (int i = 0; i < 3; i++) {
            submit(&w, NULL, "C000001", NULL, 500, "CHF");
            if (!withdrawing)
                commit(&w, pledges[i]);
        }
        pay(&w, "P000001", 200, "CHF", "");
        pay(&w, "P000002", 200, "CHF", "");
        end_on(&w, withdrawing, "P000001", later);
        assert_refused(&w, DATE_INVALID);
        assert_string_equal(w.refusal->field, "effective_date");
        assert_string_equal(w.refusal->arg[1]->value, later);
        assert_string_equal(w.refusal->arg[2]->value, today);
        end_on(&w, withdrawing, "P000001", tomorrow); /* where the sun rises first it is that day */
        assert_accepted(&w);
        end_on(&w, withdrawing, "P000002", "");
        assert_accepted(&w);
        end_on(&w, withdrawing, "P000003", "2999-01-01"); /* nothing was paid for it */
        assert_accepted(&w);
        world_fini(&w);
    }
}

/* What older rules recorded is replayed, what these would not record is refused. */
static void test_replay_refuses_what_has_not_happened(void **state)
{
    (void)state;
    for (uint32_t rules = 14; rules <= 15; rules++) {
        struct world w;
        unsigned tried = 0;
        world_ready(&w, 1);
        world_set_rules(&w, rules);
        submit(&w, NULL, "C000001", NULL, 500, "CHF");
        pay(&w, "P000001", 200, "CHF", "");
        reverse(&w, w.ledger->size);
        allocate(&w, "B000001", "P000001", 0, "", 0, "");
        end_on(&w, true, "P000001", "");
        assert_accepted(&w);
        submit(&w, NULL, "C000001", NULL, 500, "CHF");
        end_on(&w, true, "P000002", "");
        for (size_t i = 0; i < w.entry_count; i++) {
            Pledged__V1__Entry *entry = world_entry(&w, i);
            bool moves = entry->fact_case == FACT(PAYMENT_RECORDED) ||
                         entry->fact_case == FACT(ALLOCATED) || entry->fact_case == FACT(REVERSED);
            bool ends = entry->fact_case == FACT(WITHDRAWN);
            if (!moves && !ends)
                continue;
            bool frees = ends && strcmp(entry->withdrawn->pledge, "P000001") == 0;
            struct ledger *before = world_before(&w, i);
            assert_true(pl_is_ok(ledger_check(before, entry)));
            entry->effective_date = (char *)(uintptr_t) "2999-01-01";
            assert_int_equal(pl_is_ok(ledger_check(before, entry)), rules < 12 || (ends && !frees));
            tried++;
            ledger_free(before);
        }
        assert_int_equal(tried, 6);
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_order),
        cmocka_unit_test(test_a_month_that_is_not_over),
        cmocka_unit_test(test_days),
        cmocka_unit_test(test_replay_refuses_a_date_in_a_closed_period),
        cmocka_unit_test(test_replay_refuses_other_totals),
        cmocka_unit_test(test_unmatched_money_of_the_period),
        cmocka_unit_test(test_a_debit_blocks),
        cmocka_unit_test(test_how_long_money_may_wait),
        cmocka_unit_test(test_later_money_does_not_block),
        cmocka_unit_test(test_an_old_head),
        cmocka_unit_test(test_an_end_that_frees_money_has_no_day_to_come),
        cmocka_unit_test(test_replay_refuses_what_has_not_happened),
        cmocka_unit_test(test_the_day_where_the_fund_is),
        cmocka_unit_test(test_a_month_is_over_where_the_fund_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
