/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what the donor decides moves exactly that money, in one append or not at all; and after any
 * sequence of the desk's commands the books balance (I2, I3, I8) and a saved state is the same.
 */
#include "common/check.h"
#include "desk.h"

/* xorshift: the sequences are the same everywhere */
static uint64_t rolled = 88172645463325252ULL;
static uint64_t roll(uint64_t sides)
{
    rolled ^= rolled << 13;
    rolled ^= rolled >> 7;
    rolled ^= rolled << 17;
    return rolled % sides;
}

static void test_all_of_an_allocation_moves(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 10000000);
    uint64_t seq = w.ledger->allocation[0].seq;
    reallocate(&w, seq, "P000002", 0, NULL);
    assert_accepted(&w);
    assert_int_equal(w.made, 2);
    assert_int_equal(w.ledger->pledge[0].allocated, 0);
    assert_int_equal(w.ledger->pledge[1].allocated, 10000000);
    assert_balanced(&w);
    reallocate(&w, seq, "P000002", 0, NULL);
    assert_refused(&w, ALREADY_REVERSED);
    world_fini(&w);
}

static void test_a_part_moves_and_the_rest_stays(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 10000000);
    uint64_t seq = w.ledger->allocation[0].seq;
    reallocate(&w, seq, "P000002", 10000001, "CHF");
    assert_refused(&w, ENTRY_SPENT);
    reallocate(&w, seq, "P000002", 5, "EUR");
    assert_refused(&w, FIELD_INVALID);
    assert_says(&w, "the amount is in another currency");
    reallocate(&w, seq, "P000001", 5, "CHF");
    assert_refused(&w, FIELD_INVALID);
    reallocate(&w, seq + 1000, "P000002", 5, "CHF");
    assert_refused(&w, ENTRY_UNKNOWN);
    reallocate(&w, w.ledger->bank_entry[0].seq, "P000002", 5, "CHF");
    assert_refused(&w, NOT_REVERSIBLE);
    reallocate(&w, seq, "P000002", 4000000, "CHF");
    assert_accepted(&w);
    assert_int_equal(w.made, 3);
    assert_int_equal(w.ledger->pledge[0].allocated, 6000000);
    assert_int_equal(w.ledger->pledge[1].allocated, 4000000);
    assert_balanced(&w);
    withdraw(&w, "P000002");
    reallocate(&w, w.ledger->allocation[1].seq, "P000002", 0, NULL);
    assert_refused(&w, PLEDGE_NOT_OPEN);
    world_fini(&w);
}

/* Three cents of four move; the one that stays counts for its share, half of a cent to even. */
static void test_what_stays_of_money_in_another_currency(void **state)
{
    (void)state;
    static const int64_t counted[][2] = {{9, 2}, {10, 2}, {11, 3}, {14, 4}};
    for (size_t i = 0; i < PL_COUNT(counted); i++) {
        struct world w;
        desk_ready(&w, 10000);
        pay(&w, "P000002", 4, "EUR", "BANK-2"); /* nobody says at what rate: it waits */
        allocate(&w, "B000002", "P000001", 4, "EUR", counted[i][0], "CHF");
        assert_accepted(&w);
        int64_t minor = 3;
        const char *currency = "EUR";
        DESK_(Reallocate, PLEDGED__V1__REALLOCATE__INIT, REALLOCATE, reallocate);
        Pledged__V1__Money settled = PLEDGED__V1__MONEY__INIT;
        settled.minor = 7;
        settled.currency = (char *)"CHF";
        body.settled = &settled;
        body.seq = w.ledger->allocation[1].seq;
        body.pledge = (char *)"P000002";
        give(&w, &command);
        assert_accepted(&w);
        assert_int_equal(w.ledger->pledge[0].allocated, 10000 + counted[i][1]);
        assert_int_equal(w.ledger->pledge[1].allocated, 7);
        assert_balanced(&w);
        world_fini(&w);
    }
}

/* What is closed was closed because it is paid: its money stays where it is. */
static void test_nothing_moves_away_from_what_is_closed(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 15000000);
    w.role = PLEDGED__V1__ROLE__ROLE_APPROVER;
    close_pledge(&w, "P000001");
    assert_accepted(&w);
    uint64_t decides = w.receipt->seq;
    reallocate(&w, w.ledger->allocation[0].seq, "P000002", 5, "CHF");
    assert_refused(&w, PLEDGE_NOT_OPEN);
    assert_string_equal(w.refusal->field, "reallocate.seq");
    assert_int_equal(w.refusal->deciding_seq, decides);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_never_more_than_is_due(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 10000000);
    pay(&w, "P000002", 15000000, "CHF", "");
    reallocate(&w, w.ledger->allocation[0].seq, "P000002", 1, "CHF");
    assert_refused(&w, OVER_REMAINDER);
    assert_int_equal(w.made, 1); /* nothing of it */
    assert_balanced(&w);
    world_fini(&w);
}

static void test_surplus_becomes_a_free_contribution(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 16000000);
    convert(&w, "B000001", 1000001, "CHF");
    assert_refused(&w, ENTRY_SPENT);
    convert(&w, "B000001", 5, "EUR");
    assert_refused(&w, FIELD_INVALID);
    assert_says(&w, "the amount is in another currency");
    convert(&w, "B000002", 0, NULL);
    assert_refused(&w, BANK_ENTRY_UNKNOWN);
    convert(&w, "B000001", 0, NULL);
    assert_accepted(&w);
    assert_string_equal(w.receipt->outcome->pledge, "P000003");
    const struct state_pledge *made = &w.ledger->pledge[2];
    assert_int_equal(made->contributor, 0);
    assert_int_equal(made->amount, 1000000);
    assert_int_equal(made->allocated, 1000000);
    assert_int_equal(made->tier, STATE_TIER_FREE);
    assert_int_equal(sums_by(w.ledger, STATE_BY_TIER, "free", "CHF").received, 1000000);
    assert_balanced(&w);
    convert(&w, "B000001", 0, NULL);
    assert_refused(&w, NO_SURPLUS);
    world_fini(&w);
}

/* A pledge, bank entry, refund or entry that is there, or (rarely) not. */
static const char *some(struct world *w, char prefix, size_t count)
{
    char id[24];
    (void)snprintf(id, sizeof(id), "%c%06d", prefix, (int)(roll(count + 1) + 1));
    return pl_arena_strdup(&w->arena, id);
}

static int64_t some_amount(void)
{
    return roll(3) == 0 ? 0 : (int64_t)roll(9000000) + 1;
}

static uint64_t some_seq(const struct world *w)
{
    const struct ledger *l = w->ledger;
    size_t n = l->allocation_count;
    if (roll(3) == 0 && l->waiver_count != 0)
        return l->waiver[roll(l->waiver_count)].seq;
    return n != 0 && roll(4) != 0 ? l->allocation[roll(n)].seq : roll(l->size) + 1;
}

static void one_command(struct world *w)
{
    const struct ledger *l = w->ledger;
    const char *pledge = some(w, 'P', l->pledge_count), *bank = some(w, 'B', l->bank_entry_count);
    int64_t minor = some_amount();
    switch (roll(14)) {
    case 0:
        submit(w, NULL, roll(2) ? "C000001" : "C000002", NULL, (int64_t)roll(9000000) + 1, "CHF");
        break;
    case 1:
        commit(w, pledge);
        break;
    case 2:
    case 3:
        pay(w, pledge, (int64_t)roll(9000000) + 1, roll(9) == 0 ? "EUR" : "CHF", "");
        break;
    case 4:
        allocate(w, bank, pledge, minor, "CHF", 0, NULL);
        break;
    case 5:
        reverse(w, some_seq(w));
        break;
    case 6:
        write_off(w, pledge, minor, "CHF");
        break;
    case 7:
        accept_fee(w, bank, pledge, minor, "CHF");
        break;
    case 8:
        refund(w, bank, minor, "CHF");
        break;
    case 9:
        refund_cancel(w, some(w, 'R', l->refund_count));
        break;
    case 10: {
        const char *id = some(w, 'R', l->refund_count);
        uint64_t number = (uint64_t)atoi(id + 1);
        refund_paid(w, id, number <= l->refund_count ? l->refund[number - 1].amount : 1, "CHF", "");
        break;
    }
    case 11:
        convert(w, bank, minor, "CHF");
        break;
    case 12:
        reallocate(w, some_seq(w), pledge, minor, "CHF");
        break;
    default:
        if (roll(3) == 0)
            cancel(w, pledge, PLEDGED__V1__MONEY_PLAN__MONEY_PLAN_REFUND);
        else
            close_pledge(w, pledge);
    }
}

static void test_any_sequence_balances(void **state)
{
    (void)state;
    for (int round = 0; round < 12; round++) {
        struct world w;
        size_t accepted = 0;
        world_ready(&w, 2);
        for (int i = 0; i < 150; i++) {
            one_command(&w);
            accepted += w.answer == LEDGER_ACCEPTED;
            assert_balanced(&w);
        }
        assert_true(accepted > 30);
        struct ledger *again = world_before(&w, w.entry_count);
        assert_same_state(w.ledger, again); /* the log tells the same */
        ledger_free(again);
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_stays_of_money_in_another_currency),
        cmocka_unit_test(test_nothing_moves_away_from_what_is_closed),
        cmocka_unit_test(test_all_of_an_allocation_moves),
        cmocka_unit_test(test_a_part_moves_and_the_rest_stays),
        cmocka_unit_test(test_never_more_than_is_due),
        cmocka_unit_test(test_surplus_becomes_a_free_contribution),
        cmocka_unit_test(test_any_sequence_balances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
