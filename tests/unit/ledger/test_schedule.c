/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: the parts of a promise add up to it, after every entry; money fills them from the first one
 * on; nothing is written off before the last one is past due; snapshots keep them.
 */
#include "common/check.h"
#include "desk.h"
#include "server/ledger/schedule.h"

enum { PARTS = 64 };

struct part {
    const char *due;
    int64_t minor;
    const char *currency;
};

static void give_schedule(struct world *world, const char *pledge, const struct part *part,
                          size_t count, bool evidence)
{
    COMMAND_INIT_(command);
    Pledged__V1__Document document, *list[1];
    Pledged__V1__SetSchedule body = PLEDGED__V1__SET_SCHEDULE__INIT;
    Pledged__V1__Instalment row[PARTS], *rows[PARTS];
    Pledged__V1__Money amount[PARTS];
    if (evidence)
        with_evidence(&command, &document, list, "letter");
    else
        command.reason = (char *)(uintptr_t) "as agreed";
    for (size_t i = 0; i < count; i++) {
        rows[i] = &row[i];
        pledged__v1__instalment__init(&row[i]);
        pledged__v1__money__init(&amount[i]);
        row[i].due = (char *)(uintptr_t)part[i].due;
        amount[i].minor = part[i].minor;
        amount[i].currency = (char *)(uintptr_t)part[i].currency;
        row[i].amount = part[i].currency != NULL ? &amount[i] : NULL;
    }
    body.pledge = (char *)(uintptr_t)pledge;
    body.n_instalment = count;
    body.instalment = rows;
    command.command_case = COMMAND(SET_SCHEDULE);
    command.set_schedule = &body;
    give(world, &command);
}

#define assert_wrong(world_, reason_, field_)                                                      \
    do {                                                                                           \
        assert_int_equal((world_)->answer, LEDGER_INVALID);                                        \
        assert_int_equal((world_)->refusal->reason, PLEDGED__V1__REASON__REASON_##reason_);        \
        assert_string_equal((world_)->refusal->field, field_);                                     \
    } while (0)

static const struct part three[] = {
    {"2026-03-31", 5000000, "CHF"}, {"2026-06-30", 5000000, "CHF"}, {"2026-12-31", 5000000, "CHF"}};

static int64_t left(const struct world *w, size_t part)
{
    const struct state_pledge *pledge = &w->ledger->pledge[0];
    return schedule_left(schedule_of(w->ledger, pledge), state_settled(pledge), part);
}

static void test_money_fills_from_the_first(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 7000000);
    const struct state_pledge *pledge = &w.ledger->pledge[0];
    assert_null(schedule_of(w.ledger, pledge));
    assert_int_equal(schedule_next(w.ledger, pledge, 0), 0);
    give_schedule(&w, "P000001", three, 3, true);
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->balance->minor, 8000000);
    assert_int_equal(left(&w, 0), 0);
    assert_int_equal(left(&w, 1), 3000000);
    assert_int_equal(left(&w, 2), 5000000);
    assert_int_equal(schedule_next(w.ledger, pledge, pledge->allocated), 3000000);
    pay(&w, "P000001", 8000000, "CHF", "BANK-2");
    assert_int_equal(schedule_next(w.ledger, pledge, state_settled(pledge)), 0);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_parts_that_do_not_add_up(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 10000000);
    struct part part[3] = {three[0], three[1], three[2]};
    part[2].minor--;
    give_schedule(&w, "P000001", part, 3, true);
    assert_refused(&w, SCHEDULE_SUM);
    assert_int_equal(w.refusal->n_arg, 3);
    part[2].minor += 2;
    give_schedule(&w, "P000001", part, 3, true);
    assert_refused(&w, SCHEDULE_SUM);
    part[2].minor = INT64_MAX;
    give_schedule(&w, "P000001", part, 3, true);
    assert_refused(&w, SCHEDULE_SUM);
    assert_int_equal(w.refusal->n_arg, 2); /* the sum has no number */
    part[2] = (struct part){"2026-12-31", 5000000, "EUR"};
    give_schedule(&w, "P000001", part, 3, true);
    assert_refused(&w, SCHEDULE_SUM);
    assert_null(schedule_of(w.ledger, &w.ledger->pledge[0]));
    world_fini(&w);
}

static void test_what_is_wrong_in_itself(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 10000000);
    struct part part[PARTS] = {{0}};
    give_schedule(&w, "P000001", part, 0, true);
    assert_wrong(&w, FIELD_REQUIRED, "set_schedule.instalment");
    for (size_t i = 0; i < PARTS; i++)
        part[i] = three[0];
    give_schedule(&w, "P000001", part, SCHEDULE_PARTS_MAX + 1, true);
    assert_wrong(&w, FIELD_TOO_LONG, "set_schedule.instalment");
    give_schedule(&w, "P000001", part, 2, true); /* one day twice */
    assert_wrong(&w, FIELD_INVALID, "set_schedule.instalment.due");
    part[0].due = "2026-02-30";
    give_schedule(&w, "P000001", part, 1, true);
    assert_wrong(&w, DATE_INVALID, "set_schedule.instalment.due");
    part[0] = (struct part){"2026-03-31", 0, "CHF"};
    give_schedule(&w, "P000001", part, 1, true);
    assert_wrong(&w, AMOUNT_NOT_POSITIVE, "set_schedule.instalment.amount");
    part[0].currency = "XXY";
    give_schedule(&w, "P000001", part, 1, true);
    assert_wrong(&w, CURRENCY_UNKNOWN, "set_schedule.instalment.amount");
    part[0].currency = NULL;
    give_schedule(&w, "P000001", part, 1, true);
    assert_wrong(&w, AMOUNT_REQUIRED, "set_schedule.instalment.amount");
    world_fini(&w);
}

static void test_who_may_have_one(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 10000000);
    give_schedule(&w, "P000009", three, 3, true);
    assert_refused(&w, PLEDGE_UNKNOWN);
    give_schedule(&w, "P000001", three, 3, false);
    assert_refused(&w, EVIDENCE_MISSING); /* it is signed */
    give_schedule(&w, "P000002", three, 3, false);
    assert_accepted(&w); /* a letter of intent is not */
    withdraw(&w, "P000002");
    give_schedule(&w, "P000002", three, 3, true);
    assert_refused(&w, STATE_WRONG);
    world_fini(&w);
}

static void test_it_follows_the_promise(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 1000000);
    give_schedule(&w, "P000001", three, 3, true);
    amend(&w, "P000001", 16000000, "CHF");
    assert_accepted(&w);
    const struct state_schedule *schedule = schedule_of(w.ledger, &w.ledger->pledge[0]);
    assert_int_equal(schedule->count, 3);
    assert_int_equal(schedule->part[2].amount, 6000000);
    const struct part one[] = {{"2026-05-01", 16000000, "CHF"}};
    give_schedule(&w, "P000001", one, 1, true); /* takes its place */
    assert_int_equal(schedule->count, 1);
    assert_int_equal(w.ledger->schedule_count, 1);
    assert_int_equal(left(&w, 0), 15000000);
    world_fini(&w);
}

/* Less than the parts before the last one: those that are too many go. */
static void test_a_promise_that_shrinks(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    submit(&w, NULL, "C000001", NULL, 900, "CHF");
    commit(&w, "P000001");
    const struct part parts[] = {
        {"2026-01-31", 300, "CHF"}, {"2026-02-28", 300, "CHF"}, {"2026-03-31", 300, "CHF"}};
    give_schedule(&w, "P000001", parts, 3, true);
    assert_accepted(&w);
    amend(&w, "P000001", 600, "CHF");
    const struct state_schedule *schedule = schedule_of(w.ledger, &w.ledger->pledge[0]);
    assert_int_equal(schedule->count, 2);
    assert_int_equal(schedule->part[1].amount, 300);
    amend(&w, "P000001", 301, "CHF");
    assert_int_equal(schedule->count, 2);
    assert_int_equal(schedule->part[1].amount, 1);
    amend(&w, "P000001", 10, "CHF");
    assert_int_equal(schedule->count, 1);
    assert_int_equal(schedule->part[0].amount, 10);
    world_fini(&w);
}

static void test_nothing_is_written_off_too_early(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 10000000);
    const struct part late[] = {{"2026-03-31", 5000000, "CHF"}, {"2998-12-31", 10000000, "CHF"}};
    give_schedule(&w, "P000001", late, 2, true);
    write_off(&w, "P000001", 0, NULL);
    assert_refused(&w, NOT_DUE);
    assert_string_equal(w.refusal->arg[0]->value, "2998-12-31");
    write_off_on(&w, "P000001", 0, NULL, "2999-01-01"); /* nor on a day that somebody says it is */
    assert_refused(&w, NOT_DUE);
    const struct part past[] = {{"1999-03-31", 15000000, "CHF"}};
    give_schedule(&w, "P000001", past, 1, true);
    write_off_on(&w, "P000001", 0, NULL, "2999-01-01"); /* it could be, but not on that day */
    assert_refused(&w, DATE_INVALID);
    write_off_on(&w, "P000001", 0, NULL, "1999-03-31"); /* a letter of that day came too early */
    assert_refused(&w, NOT_DUE);
    write_off(&w, "P000001", 0, NULL);
    assert_accepted(&w);
    assert_int_equal(left(&w, 0), 0);
    /* older daemons believed the day that they were told */
    struct ledger *before = world_before(&w, w.entry_count - 1);
    before->schedule[0].part[0].due = 400000;
    before->policy.message->rules = 7;
    assert_true(pl_is_ok(ledger_check(before, world_last(&w))));
    before->policy.message->rules = 8;
    assert_string_equal(ledger_check(before, world_last(&w)).what,
                        "a write-off of what could still have come");
    before->schedule[0].part[0].due = 0;
    assert_true(pl_is_ok(ledger_check(before, world_last(&w))));
    ledger_free(before);
    world_fini(&w);
}

/* The last day is over when it is over where the fund is: before UTC's in the east, after it in the
 * west. Rules before 16 asked in UTC, and replay did not ask for the business day. */
static void test_past_due_where_the_fund_is(void **state)
{
    (void)state;
    static const struct {
        const char *zone;
        int hour; /* of 2 February, UTC */
        uint32_t rules;
        bool past;
    } row[] = {
        {"<+14>-14", 9, 16, false}, {"<+14>-14", 10, 16, true}, {"<+14>-14", 10, 15, false},
        {"<-12>12", 35, 16, false}, {"<-12>12", 36, 16, true},  {"<-12>12", 24, 15, true},
    };
    const struct part part[] = {{"2026-02-02", 15000000, "CHF"}};
    for (size_t i = 0; i < PL_COUNT(row); i++) {
        struct world w;
        desk_ready(&w, 10000000);
        world_set_zone(&w, row[i].rules, row[i].zone);
        give_schedule(&w, "P000001", part, 1, true);
        w.now_us = 1769990400LL * 1000000 + row[i].hour * 3600LL * 1000000;
        write_off_on(&w, "P000001", 0, NULL, i % 2 == 0 ? "" : "2026-02-03");
        if (!row[i].past) {
            assert_refused(&w, NOT_DUE);
            world_fini(&w);
            continue;
        }
        assert_accepted(&w);
        struct ledger *before = world_before(&w, w.entry_count - 1);
        Pledged__V1__Entry *entry = world_last(&w);
        assert_true(pl_is_ok(ledger_check(before, entry)));
        entry->effective_date = (char *)(uintptr_t) "2026-02-02"; /* on its last day */
        assert_int_equal(pl_is_ok(ledger_check(before, entry)), row[i].rules == 15);
        ledger_free(before);
        world_fini(&w);
    }
}

static void test_a_snapshot_keeps_it(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 7000000);
    give_schedule(&w, "P000001", three, 3, true);
    struct ledger *again = world_reloaded(w.ledger);
    uint8_t digest[2][32];
    ledger_digest(w.ledger, digest[0]);
    ledger_digest(again, digest[1]);
    assert_memory_equal(digest[0], digest[1], 32);
    const struct state_schedule *schedule = schedule_of(again, &again->pledge[0]);
    assert_non_null(schedule);
    assert_int_equal(schedule->count, 3);
    assert_int_equal(schedule_next(again, &again->pledge[0], 7000000), 3000000);
    ledger_free(again);
    world_fini(&w);
}

/* Entries that no daemon wrote. */
static void test_forged_schedules(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 7000000);
    give_schedule(&w, "P000001", three, 3, true);
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *entry = world_last(&w);
    Pledged__V1__ScheduleSet *fact = entry->schedule_set;
    assert_true(pl_is_ok(ledger_check(before, entry)));
    fact->instalment[2]->amount->minor++;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    fact->instalment[2]->amount->minor--;
    char *due = fact->instalment[2]->due;
    fact->instalment[2]->due = fact->instalment[1]->due;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    fact->instalment[2]->due = due;
    size_t count = fact->n_instalment;
    fact->n_instalment = 0;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    fact->n_instalment = count;
    assert_true(pl_is_ok(ledger_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_money_fills_from_the_first),
        cmocka_unit_test(test_parts_that_do_not_add_up),
        cmocka_unit_test(test_what_is_wrong_in_itself),
        cmocka_unit_test(test_who_may_have_one),
        cmocka_unit_test(test_it_follows_the_promise),
        cmocka_unit_test(test_a_promise_that_shrinks),
        cmocka_unit_test(test_nothing_is_written_off_too_early),
        cmocka_unit_test(test_past_due_where_the_fund_is),
        cmocka_unit_test(test_a_snapshot_keeps_it),
        cmocka_unit_test(test_forged_schedules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
