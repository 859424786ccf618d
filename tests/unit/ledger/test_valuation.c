/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: money in other currencies is valued by the rate of its day or the last before, and keeps
 * that value; the sums in francs are exact, and what has no value is told apart; what is settled
 * across currencies follows from the rates of the value date. Replay refuses what does not follow.
 */
#include "desk.h"
#include "server/ledger/valuation.h"

static void rate(struct world *w, const char *currency, const char *date, int64_t mantissa,
                 uint32_t scale)
{
    COMMAND_INIT_(command);
    Pledged__V1__RecordRates body = PLEDGED__V1__RECORD_RATES__INIT;
    Pledged__V1__Rate row = PLEDGED__V1__RATE__INIT, *list[] = {&row};
    row.currency = (char *)(uintptr_t)currency;
    row.date = (char *)(uintptr_t)date;
    row.mantissa = mantissa;
    row.scale = scale;
    row.source = (char *)"UN";
    body.rate = list;
    body.n_rate = 1;
    command.command_case = COMMAND(RECORD_RATES);
    command.record_rates = &body;
    give(w, &command);
    assert_accepted(w);
}

static void promise(struct world *w, int64_t minor, const char *currency, const char *date)
{
    COMMAND_INIT_(command);
    Pledged__V1__Submit body = PLEDGED__V1__SUBMIT__INIT;
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    body.contributor = (char *)"C000001";
    body.offer_case = PLEDGED__V1__SUBMIT__OFFER_FREE;
    body.free = true;
    money.minor = minor;
    money.currency = (char *)(uintptr_t)currency;
    body.amount = &money;
    command.effective_date = (char *)(uintptr_t)date;
    command.command_case = COMMAND(SUBMIT);
    command.submit = &body;
    give(w, &command);
    assert_accepted(w);
}

static void receive(struct world *w, const char *pledge, int64_t minor, const char *currency,
                    const char *date)
{
    COMMAND_INIT_(command);
    Pledged__V1__Pay body = PLEDGED__V1__PAY__INIT;
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    body.pledge = (char *)(uintptr_t)pledge;
    money.minor = minor;
    money.currency = (char *)(uintptr_t)currency;
    body.amount = &money;
    body.value_date = (char *)(uintptr_t)date;
    command.command_case = COMMAND(PAY);
    command.pay = &body;
    give(w, &command);
    assert_accepted(w);
}

static void give_to(struct world *w, const char *entry, const char *pledge, int64_t minor)
{
    COMMAND_INIT_(command);
    Pledged__V1__Allocate body = PLEDGED__V1__ALLOCATE__INIT;
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    body.bank_entry = (char *)(uintptr_t)entry;
    body.pledge = (char *)(uintptr_t)pledge;
    money.minor = minor;
    money.currency = (char *)"USD";
    body.amount = minor != 0 ? &money : NULL;
    command.command_case = COMMAND(ALLOCATE);
    command.allocate = &body;
    give(w, &command);
}

/* The line of a currency: values, and what has none. */
static void assert_values(const struct world *w, const char *currency, int64_t pledged,
                          int64_t received, int64_t unvalued_pledged, int64_t unvalued_received)
{
    const struct state_tallies *tallies = &w->ledger->tally[STATE_BY_CURRENCY];
    for (size_t i = 0; i < tallies->count; i++) {
        const struct state_tally *line = &tallies->line[i];
        int64_t value;
        if (line->currency != pl_currency_index(currency))
            continue;
        assert_true(state_value(line->value_pledged, &value));
        assert_int_equal(value, pledged);
        assert_true(state_value(line->value_received, &value));
        assert_int_equal(value, received);
        assert_int_equal(line->pledged - line->valued_pledged, unvalued_pledged);
        assert_int_equal(line->received - line->valued_received, unvalued_received);
        return;
    }
    fail_msg("no line of %s", currency);
}

static void assert_reloads(struct world *w)
{
    struct ledger *again = world_reloaded(w->ledger);
    assert_same_state(w->ledger, again);
    for (size_t d = 0; d < STATE_DIMENSIONS; d++) {
        assert_int_equal(again->tally[d].count, w->ledger->tally[d].count);
        for (size_t i = 0; i < again->tally[d].count; i++) {
            const struct state_tally *a = &again->tally[d].line[i],
                                     *b = &w->ledger->tally[d].line[i];
            assert_true(a->value_pledged == b->value_pledged);
            assert_true(a->value_received == b->value_received);
            assert_true(a->valued_pledged == b->valued_pledged);
            assert_true(a->valued_received == b->valued_received);
        }
    }
    ledger_free(again);
}

static void test_values_stay_as_they_were(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    promise(&w, 1000, "USD", "2020-03-05");
    assert_null(world_last(&w)->pledge_made->valuation);
    assert_values(&w, "USD", 0, 0, 1000, 0);
    rate(&w, "USD", "2020-03-01", 9, 1);
    promise(&w, 1000, "USD", "2020-03-05");
    const Pledged__V1__Valuation *value = world_last(&w)->pledge_made->valuation;
    assert_int_equal(value->value->minor, 900);
    assert_string_equal(value->value->currency, "CHF");
    assert_string_equal(value->rate_date, "2020-03-01");
    assert_string_equal(value->source, "UN");
    assert_int_equal(value->rate_seq, w.ledger->rate[0].seq);
    promise(&w, 1000, "USD", "2020-02-28"); /* before the rate */
    assert_null(world_last(&w)->pledge_made->valuation);
    assert_values(&w, "USD", 900, 0, 2000, 0);
    rate(&w, "USD", "2020-03-01", 8, 1); /* from now on */
    assert_values(&w, "USD", 900, 0, 2000, 0);
    receive(&w, "P000002", 500, "USD", "2020-03-06");
    assert_int_equal(w.entry_count, w.ledger->size);
    assert_values(&w, "USD", 900, 400, 2000, 0);
    receive(&w, "P000001", 100, "USD", "2020-02-06");
    assert_values(&w, "USD", 900, 400, 2000, 100);
    amend(&w, "P000002", 1000, "USD"); /* not signed: refused; nothing moves */
    commit(&w, "P000002");
    amend(&w, "P000002", 3000, "USD");
    assert_accepted(&w);
    assert_values(&w, "USD", 2700, 400, 2000, 100); /* by the rate of the promise */
    promise(&w, 700, "CHF", "2020-03-05");
    assert_null(world_last(&w)->pledge_made->valuation);
    assert_values(&w, "CHF", 700, 0, 0, 0);
    assert_reloads(&w);
    world_fini(&w);
}

static void test_sums_of_parts_are_exact(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    rate(&w, "USD", "2020-03-01", 3333, 4);
    for (int i = 0; i < 3; i++)
        promise(&w, 1, "USD", "2020-03-05"); /* a third of a centime each: 0 */
    assert_int_equal(world_last(&w)->pledge_made->valuation->value->minor, 0);
    assert_values(&w, "USD", 1, 0, 0, 0); /* and together 0.9999 */
    promise(&w, 100, "USD", "2020-03-05");
    receive(&w, "P000004", 101, "USD", "2020-03-05"); /* one part is free */
    give_to(&w, "B000001", "P000001", 0);
    assert_accepted(&w);
    assert_values(&w, "USD", 34, 34, 0, 0);
    assert_reloads(&w);
    world_fini(&w);
}

/* --- across currencies --- */

static void test_settled_by_the_rate_of_the_day(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    promise(&w, 100000, "CHF", "2020-03-05");
    receive(&w, "P000001", 50000, "USD", "2020-03-20");
    give_to(&w, "B000001", "P000001", 0);
    assert_refused(&w, RATE_REQUIRED);
    rate(&w, "USD", "2020-02-17", 7, 1); /* more than 31 days before */
    give_to(&w, "B000001", "P000001", 0);
    assert_refused(&w, RATE_REQUIRED);
    rate(&w, "USD", "2020-03-21", 6, 1); /* after it */
    give_to(&w, "B000001", "P000001", 0);
    assert_refused(&w, RATE_REQUIRED);
    rate(&w, "USD", "2020-02-18", 8, 1);
    give_to(&w, "B000001", "P000001", 10000);
    assert_accepted(&w);
    const Pledged__V1__Allocated *fact = world_last(&w)->allocated;
    assert_int_equal(fact->settled->minor, 8000);
    assert_int_equal(fact->n_rate, 1);
    assert_int_equal(fact->rate[0]->rate->mantissa, 8);
    rate(&w, "USD", "2020-03-20", 9, 1);
    give_to(&w, "B000001", "P000001", 0);
    assert_int_equal(world_last(&w)->allocated->settled->minor, 36000);
    assert_int_equal(w.ledger->pledge[0].allocated, 44000);
    /* all that is free would be too much: as much as is due */
    receive(&w, "P000001", 70000, "USD", "2020-03-20");
    give_to(&w, "B000002", "P000001", 70000);
    assert_refused(&w, OVER_REMAINDER);
    give_to(&w, "B000002", "P000001", 0);
    assert_accepted(&w);
    fact = world_last(&w)->allocated;
    assert_int_equal(fact->settled->minor, 56000);
    assert_int_equal(fact->amount->minor, 62222);
    assert_int_equal(w.ledger->pledge[0].allocated, 100000);
    assert_reloads(&w);
    world_fini(&w);
}

static void test_both_are_foreign(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    promise(&w, 100000, "EUR", "2020-03-05");
    receive(&w, "P000001", 50000, "USD", "2020-03-20");
    rate(&w, "USD", "2020-03-20", 9, 1);
    give_to(&w, "B000001", "P000001", 0);
    assert_refused(&w, RATE_REQUIRED);
    assert_string_equal(w.refusal->arg[0]->value, "EUR");
    rate(&w, "EUR", "2020-03-19", 108, 2);
    give_to(&w, "B000001", "P000001", 0);
    assert_accepted(&w);
    const Pledged__V1__Allocated *fact = world_last(&w)->allocated;
    assert_int_equal(fact->settled->minor, 41667);
    assert_int_equal(fact->n_rate, 2);
    assert_string_equal(fact->rate[1]->rate->currency, "EUR");
    /* and to another pledge, by the same rates */
    promise(&w, 100000, "CHF", "2020-03-05");
    COMMAND_INIT_(command);
    Pledged__V1__Document document, *paper[1];
    Pledged__V1__Reallocate body = PLEDGED__V1__REALLOCATE__INIT;
    with_evidence(&command, &document, paper, "letter");
    body.seq = w.ledger->allocation[0].seq;
    body.pledge = (char *)"P000002";
    command.command_case = COMMAND(REALLOCATE);
    command.reallocate = &body;
    give(&w, &command);
    assert_accepted(&w);
    fact = world_last(&w)->allocated;
    assert_int_equal(fact->settled->minor, 45000);
    assert_int_equal(fact->n_rate, 1);
    assert_reloads(&w);
    world_fini(&w);
}

/* --- replay --- */

static void test_replay_refuses_a_value_that_does_not_follow(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    rate(&w, "USD", "2020-03-01", 9, 1);
    rate(&w, "USD", "2020-03-09", 8, 1);
    promise(&w, 1000, "USD", "2020-03-05");
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *entry = world_last(&w);
    Pledged__V1__Valuation *value = entry->pledge_made->valuation, good = *value;
    assert_true(pl_is_ok(ledger_check(before, entry)));
    value->value->minor++;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    value->value->minor--;
    value->mantissa = 8;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *value = good;
    value->source = (char *)"me";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *value = good;
    value->rate_seq++;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *value = good;
    value->value->currency = (char *)"EUR";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    value->value->currency = (char *)"CHF";
    /* one that is known, of a later day */
    const struct state_rate *later = &before->rate[1];
    value->rate_date = (char *)"2020-03-09";
    value->mantissa = later->mantissa;
    value->rate_seq = later->seq;
    value->value->minor = 800;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *value = good;
    value->value->minor = 900;
    assert_true(pl_is_ok(ledger_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

/* A value beyond 64 bits is none. */
static void test_what_is_worth_too_much_has_no_value(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    rate(&w, "USD", "2020-03-01", 999999999999999, 0);
    promise(&w, INT64_MAX / 4, "USD", "2020-03-05");
    assert_null(world_last(&w)->pledge_made->valuation);
    receive(&w, "P000001", 5000000, "USD", "2020-03-05");
    assert_values(&w, "USD", 0, 0, INT64_MAX / 4, 5000000);
    assert_reloads(&w);
    world_fini(&w);
}

/* From one foreign currency into another: two rates, in their order, both of a day that has come.
 */
static void test_replay_asks_for_both_rates(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    rate(&w, "USD", "2020-03-01", 9, 1);
    rate(&w, "EUR", "2020-03-01", 11, 1);
    rate(&w, "EUR", "2020-03-25", 11, 1); /* as much, but not yet */
    promise(&w, 100000, "EUR", "2020-03-05");
    receive(&w, "P000001", 11000, "USD", "2020-03-20");
    give_to(&w, "B000001", "P000001", 0);
    assert_accepted(&w);
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *entry = world_last(&w);
    Pledged__V1__Allocated *fact = entry->allocated;
    assert_int_equal(fact->n_rate, 2);
    assert_int_equal(fact->settled->minor, 9000);
    assert_true(pl_is_ok(ledger_check(before, entry)));
    fact->n_rate = 1;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    fact->n_rate = 2;
    Pledged__V1__AppliedRate *kept = fact->rate[1];
    fact->rate[1] = fact->rate[0];
    assert_false(pl_is_ok(ledger_check(before, entry)));
    fact->rate[1] = kept;
    Pledged__V1__AppliedRate *three[] = {fact->rate[0], kept, kept}, **two = fact->rate;
    fact->rate = three;
    fact->n_rate = 3;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    fact->rate = two;
    fact->n_rate = 2;
    kept->rate->date = (char *)(uintptr_t) "2020-03-25";
    kept->rate_seq++;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    kept->rate->date = (char *)(uintptr_t) "2020-03-01";
    kept->rate_seq--;
    Pledged__V1__Money *settled = fact->settled;
    fact->settled = NULL;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    fact->settled = settled;
    settled->minor--;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    settled->minor++;
    assert_true(pl_is_ok(ledger_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

static void test_replay_refuses_what_was_not_settled_so(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    rate(&w, "USD", "2020-03-01", 9, 1);
    rate(&w, "USD", "2020-03-21", 9, 1); /* as much, but not yet */
    promise(&w, 100000, "CHF", "2020-03-05");
    receive(&w, "P000001", 50000, "USD", "2020-03-20");
    give_to(&w, "B000001", "P000001", 0);
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *entry = world_last(&w);
    Pledged__V1__Allocated *fact = entry->allocated;
    assert_true(pl_is_ok(ledger_check(before, entry)));
    fact->settled->minor++;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    fact->settled->minor--;
    fact->rate[0]->rate_seq++;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    fact->rate[0]->rate_seq--;
    Pledged__V1__AppliedRate *twice[] = {fact->rate[0], fact->rate[0]}, **once = fact->rate;
    fact->rate = twice;
    fact->n_rate = 2;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    fact->rate = once;
    fact->n_rate = 1;
    Pledged__V1__Rate *rate_row = fact->rate[0]->rate;
    fact->rate[0]->rate = NULL;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    fact->rate[0]->rate = rate_row;
    Pledged__V1__Rate good = *rate_row;
    rate_row->currency = (char *)(uintptr_t) "EUR";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *rate_row = good;
    rate_row->scale++;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *rate_row = good;
    const uint64_t rate_seq = fact->rate[0]->rate_seq;
    rate_row->date = (char *)(uintptr_t) "2020-03-21";
    fact->rate[0]->rate_seq = before->rate[1].seq;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *rate_row = good;
    fact->rate[0]->rate_seq = rate_seq;
    Pledged__V1__Money *settled = fact->settled;
    fact->settled = NULL;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    fact->settled = settled;
    assert_true(pl_is_ok(ledger_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

static void test_sums_are_rounded_once(void **state)
{
    (void)state;
    const unsigned __int128 centime = 100000000000000;
    int64_t value = 7;
    assert_true(state_value(0, &value));
    assert_int_equal(value, 0);
    assert_true(state_value(centime / 2, &value));
    assert_int_equal(value, 0);
    assert_true(state_value(centime / 2 + 1, &value));
    assert_int_equal(value, 1);
    assert_true(state_value(centime + centime / 2, &value));
    assert_int_equal(value, 2);
    assert_true(state_value(centime * INT64_MAX, &value));
    assert_true(value == INT64_MAX);
    assert_false(state_value(centime * INT64_MAX + centime, &value));
}

/* A promise that has a value keeps one: what would make it leave 64 bits is refused. */
static void test_an_amount_too_large_to_be_valued(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    rate(&w, "KWD", "2026-02-01", 999999999999999, 0);
    promise(&w, 1000, "KWD", "2026-02-02");
    commit(&w, "P000001");
    uint64_t signed_seq = w.receipt->seq;
    assert_int_equal(w.ledger->pledge_rates.count, 1);
    amend(&w, "P000001", INT64_MAX / 4, "KWD");
    assert_refused(&w, AMOUNT_OVERFLOW);
    assert_string_equal(w.refusal->field, "amend_pledge.amount");
    assert_int_equal(w.refusal->deciding_seq, signed_seq);
    amend(&w, "P000001", 92000, "KWD");
    assert_accepted(&w);
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *entry = world_last(&w);
    before->policy.message->rules = 3;
    assert_true(pl_is_ok(ledger_check(before, entry)));
    entry->commitment_amended->amount->minor = INT64_MAX / 4;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_stay_as_they_were),
        cmocka_unit_test(test_sums_of_parts_are_exact),
        cmocka_unit_test(test_settled_by_the_rate_of_the_day),
        cmocka_unit_test(test_both_are_foreign),
        cmocka_unit_test(test_replay_refuses_a_value_that_does_not_follow),
        cmocka_unit_test(test_what_is_worth_too_much_has_no_value),
        cmocka_unit_test(test_replay_asks_for_both_rates),
        cmocka_unit_test(test_replay_refuses_what_was_not_settled_so),
        cmocka_unit_test(test_sums_are_rounded_once),
        cmocka_unit_test(test_an_amount_too_large_to_be_valued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
