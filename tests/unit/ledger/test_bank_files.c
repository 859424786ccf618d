/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a bank's file that contradicts the ledger is refused as a whole, and a file about somebody
 * else's money leaves nothing at all.
 */
#include "common/check.h"
#include "common/ids.h"
#include "server/ledger/statement.h"
#include "two_movements.h"

/* Whose money it is, is nobody's business here: not even the attempt is written down. */
static void test_a_file_about_others_leaves_nothing(void **state)
{
    (void)state;
    uint64_t before = ledger_size(w.ledger);
    Pledged__V1__Remainder rest = PLEDGED__V1__REMAINDER__INIT;
    begin();
    bank->account = S_("CH0000000000000000000");
    import_one(&w, bank);
    assert_refused(&w, ACCOUNT_UNKNOWN);
    begin();
    bank->currency = S_("EUR");
    import_one(&w, bank);
    assert_refused(&w, ACCOUNT_UNKNOWN);
    begin();
    bank->account = S_(STORY_SHARED); /* and nobody looked which ones are the fund's */
    import_one(&w, bank);
    assert_refused(&w, FIELD_REQUIRED);
    begin();
    rest.count = 1;
    bank->remainder = &rest;
    import_one(&w, bank);
    assert_refused(&w, FIELD_INVALID);
    assert_int_equal(ledger_size(w.ledger), before);
    rest.count = 0; /* no rest is none */
    import_one(&w, bank);
    assert_accepted(&w);
}

static void test_the_same_statement_must_say_the_same(void **state)
{
    (void)state;
    begin();
    import_one(&w, bank);
    assert_accepted(&w);
    uint64_t before = ledger_size(w.ledger);
    bank->opening_minor += 5;
    bank->closing_minor += 5;
    import_one(&w, bank);
    assert_refused(&w, STATEMENT_CONFLICT);
    assert_string_equal(w.refusal->field, "import_statement.statement.id");
    begin();
    bank->n_movement = 1;
    bank->closing_minor += 30;
    import_one(&w, bank);
    assert_refused(&w, STATEMENT_CONFLICT);
    begin();
    first->minor += 100; /* other movements, the same sums */
    bank->movement[1]->minor -= 100;
    import_one(&w, bank);
    assert_accepted(&w);
    begin();
    Pledged__V1__BankStatement *twice[] = {bank, bank};
    bank->id = S_("ST-2");
    import_all(&w, twice, 2);
    assert_refused(&w, STATEMENT_CONFLICT); /* twice in one file */
    assert_true(ledger_size(w.ledger) > before);
    assert_balanced(&w);
}

/* Known by the day alone, by the pledge and nearly the day, by the reference; else not. */
static void test_which_payment_by_hand_it_is(void **state)
{
    (void)state;
    w.now_us += 30 * DAY_US; /* whatever was paid is not of a day to come */
    static const struct {
        const char *paid, *ref;
        bool names; /* the movement names the pledge */
        const char *booked;
        int64_t confirmed;
    } tries[] = {
        {"2026-02-03", "", false, "2026-02-03", 1},     {"2026-02-02", "", false, "2026-02-03", 0},
        {"2026-02-03", "SLIP", false, "2026-02-03", 0}, /* its reference is another one */
        {"2026-01-25", "", true, "2026-02-03", 1},      {"2026-01-20", "", true, "2026-02-03", 0},
        {"2026-02-12", "", true, "2026-02-03", 1},      {"2026-02-20", "", true, "2026-02-03", 0},
        {"2026-01-10", "HAND", false, "2026-02-03", 1},
    };
    for (size_t i = 0; i < PL_COUNT(tries); i++) {
        Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
        char name[16], ref[16];
        (void)snprintf(name, sizeof(name), "ST-%zu", i);
        money.minor = 100 + (int64_t)i;
        money.currency = S_("CHF");
        (void)snprintf(ref, sizeof(ref), "%s%s", tries[i].ref, tries[i].ref[0] ? name : "");
        SAY(&w, Pay, PAY, pay, body.pledge = S_("P000001"); body.amount = &money;
            body.value_date = S_(tries[i].paid); body.bank_ref = ref);
        assert_accepted(&w);
        bool same = strcmp(tries[i].ref, "HAND") == 0;
        Pledged__V1__Movement *list[] = {movement(&w, money.minor, tries[i].booked,
                                                  same ? ref : name,
                                                  tries[i].names ? refers(&w, 1) : ""),
                                         NULL};
        import_one(&w, bank_statement(&w, name, 0, list));
        assert_accepted(&w);
        if (w.receipt->outcome->statement[0]->confirmed != tries[i].confirmed)
            fail_msg("try %zu", i);
        assert_balanced(&w);
    }
}

/* A clerk types what a statement brought: it is allocated once, and never booked again. */
static void test_what_a_clerk_types_afterwards(void **state)
{
    (void)state;
    Pledged__V1__Movement *list[] = {movement(&w, 900, "2026-02-03", "N-1", ""),
                                     movement(&w, 99500, "2026-02-03", "N-2", ""), NULL};
    import_one(&w, bank_statement(&w, "ST-1", 0, list));
    assert_accepted(&w);
    size_t entries = w.ledger->bank_entry_count;
    pay_on(&w, "P000001", 900, "2026-02-03");
    assert_int_equal(w.ledger->bank_entry_count, entries);
    assert_int_equal(w.receipt->outcome->n_warning, 1);
    pay(&w, "P000001", 99500, "CHF", "N-2"); /* by the bank's reference, and more than is due */
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->n_warning, 2);
    assert_int_equal(w.receipt->outcome->unallocated->minor, 400);
    pay(&w, "P000001", 99500, "CHF", "N-2");
    assert_refused(&w, PAYMENT_DUPLICATE);
    pay_on(&w, "P000001", 900, "2026-02-01"); /* another day: another payment */
    assert_int_equal(w.ledger->bank_entry_count, entries + 1);
    assert_balanced(&w);
}

/* The bank asks nobody: a pledge that was closed with the money is a commitment again. */
static void test_the_bank_takes_money_from_a_closed_pledge(void **state)
{
    (void)state;
    SAY(&w, Commit, COMMIT, commit, body.pledge = S_("P000001"));
    assert_accepted(&w);
    int64_t due = w.ledger->pledge[0].amount - state_settled(&w.ledger->pledge[0]);
    pay(&w, "P000001", due, "CHF", "IN-1");
    assert_accepted(&w);
    uint32_t paid = (uint32_t)w.ledger->bank_entry_count;
    SAY(&w, Close, CLOSE, close, body.pledge = S_("P000001"));
    assert_accepted(&w);
    uint64_t closing = w.receipt->seq;
    Pledged__V1__Movement *list[] = {movement_of(&w, MOVES(RETURN), -due, "R-1"), NULL};
    import_one(&w, bank_statement(&w, "ST-1", 0, list));
    assert_accepted(&w);
    char back[24], original[24];
    match_reversal(&w, pl_id_format('B', w.ledger->bank_entry_count, back),
                   pl_id_format('B', paid, original));
    assert_accepted(&w);
    assert_int_equal(w.made, 2);
    const Pledged__V1__Entry *opened = world_entry(&w, w.entry_count - 2);
    assert_int_equal(opened->fact_case, FACT(REVERSED));
    assert_int_equal(opened->reversed->target_seq, closing);
    Pledged__V1__Entry *taken = world_last(&w);
    assert_int_equal(taken->fact_case, FACT(BANK_REVERSAL));
    assert_int_equal(taken->prev_seq, opened->seq);
    assert_int_equal(w.receipt->outcome->stage, STAGE(COMMITTED));
    assert_int_equal(w.receipt->outcome->balance->minor, due);
    assert_int_equal(w.ledger->pledge[0].stage, STAGE(COMMITTED));
    assert_balanced(&w);
    struct ledger *before = world_before(&w, w.entry_count - 2); /* still closed */
    taken->seq = before->size + 1;
    taken->prev_seq = before->pledge[0].last_seq;
    taken->cause_seq = 0;
    taken->request_id.len = 0;
    before->policy.message->rules = 3;
    assert_string_equal(ledger_check(before, taken).what,
                        "a reversal of what a closed pledge rests on");
    ledger_free(before);
    pay(&w, "P000001", due, "CHF", "IN-2");
    SAY(&w, Close, CLOSE, close, body.pledge = S_("P000001"));
    assert_accepted(&w);
    assert_int_equal(w.ledger->pledge[0].stage, STAGE(CLOSED));
    assert_balanced(&w);
}

static void test_what_the_bank_cannot_take_back(void **state)
{
    (void)state;
    pay(&w, "P000001", 300, "CHF", "IN-1");
    pay(&w, "P000001", 40, "CHF", "IN-2");
    Pledged__V1__Movement *list[] = {movement_of(&w, MOVES(RETURN), -300, "R-1"),
                                     movement(&w, -300, "2026-02-03", "D-1", ""),
                                     movement_of(&w, MOVES(REVERSAL), -300, "R-2"), NULL};
    import_one(&w, bank_statement(&w, "ST-1", 0, list));
    assert_accepted(&w);
    match_reversal(&w, "B000009", "B000001");
    assert_refused(&w, BANK_ENTRY_UNKNOWN);
    match_reversal(&w, "B000003", "B000009");
    assert_refused(&w, BANK_ENTRY_UNKNOWN);
    match_reversal(&w, "B000001", "B000002"); /* no statement brought it */
    assert_refused(&w, STATEMENT_CONFLICT);
    match_reversal(&w, "B000004", "B000001"); /* money that left, but no reversal */
    assert_refused(&w, STATEMENT_CONFLICT);
    match_reversal(&w, "B000003", "B000002"); /* another amount */
    assert_refused(&w, STATEMENT_CONFLICT);
    match_reversal(&w, "B000003", "B000005"); /* of what left */
    assert_refused(&w, STATEMENT_CONFLICT);
    match_reversal(&w, "B000003", "B000001");
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->balance->minor, 100000 - 40);
    match_reversal(&w, "B000003", "B000001"); /* once */
    assert_refused(&w, STATEMENT_CONFLICT);
    match_reversal(&w, "B000005", "B000001");
    assert_refused(&w, STATEMENT_CONFLICT);
    assert_balanced(&w); /* and a start from a snapshot knows all of it */
}

/* What only looks like it: the day of booking counts as well, another kind, another pledge's, what
 * left and what the bank took back do not. */
static void test_what_a_clerk_types_is_looked_for_narrowly(void **state)
{
    (void)state;
    submit(&w, NULL, "C000002", NULL, 50000, "CHF");
    Pledged__V1__Movement *list[] = {movement(&w, 910, "2026-02-03", "L-1", ""),
                                     movement_of(&w, MOVES(BATCH), 920, "L-2"),
                                     movement(&w, 930, "2026-02-03", "L-3", ""),
                                     movement_of(&w, MOVES(RETURN), -930, "L-4"),
                                     movement(&w, 940, "2026-02-03", "L-5", refers(&w, 2)),
                                     movement(&w, -950, "2026-02-03", "L-6", ""),
                                     movement(&w, 960, "2026-02-03", "L-7", ""),
                                     NULL};
    list[0]->booking_date = S_("2026-02-02");
    import_one(&w, bank_statement(&w, "ST-1", 0, list));
    assert_accepted(&w);
    match_reversal(&w, "B000004", "B000003");
    assert_accepted(&w);
    size_t entries = w.ledger->bank_entry_count;
    pay_on(&w, "P000001", 910, "2026-02-02");
    assert_int_equal(w.ledger->bank_entry_count, entries); /* this one it is */
    static const int64_t others[] = {920, 930, 940, 950};
    for (size_t i = 0; i < PL_COUNT(others); i++) {
        pay_on(&w, "P000001", others[i], "2026-02-03");
        assert_int_equal(w.ledger->bank_entry_count, entries + i + 1);
    }
    pay_on(&w, "P000001", 960, "2026-02-03");
    size_t booked = w.ledger->bank_entry_count;
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    money.minor = 960;
    money.currency = S_("CHF");
    SAY(&w, Pay, PAY, pay, body.pledge = S_("P000001"); body.amount = &money;
        body.value_date = S_("2026-02-03")); /* and once more */
    assert_true(w.answer != LEDGER_ACCEPTED || w.receipt->outcome->n_warning != 0);
    assert_in_range(w.ledger->bank_entry_count, booked, booked + 1);
    assert_balanced(&w);
}

static void test_sums_stay_within_64_bits(void **state)
{
    (void)state;
    pay(&w, "P000001", 100, "CHF", "IN-1");
    Pledged__V1__Movement *list[] = {movement(&w, INT64_MAX - 50, "2026-02-03", "HUGE", ""), NULL};
    size_t entries = w.ledger->bank_entry_count;
    import_one(&w, bank_statement(&w, "ST-1", 0, list));
    assert_refused(&w, SUM_OVERFLOW);
    assert_int_equal(w.ledger->bank_entry_count, entries);
    assert_balanced(&w);
}

static void test_why_somebody_has_to_look(void **state)
{
    (void)state;
    Pledged__V1__Movement *list[] = {movement(&w, 100000, "2026-02-03", "Q-1", refers(&w, 1)),
                                     movement(&w, -70, "2026-02-03", "Q-2", ""), NULL};
    import_one(&w, bank_statement(&w, "ST-1", 0, list));
    assert_accepted(&w);
    const struct ledger *l = w.ledger;
    assert_int_equal(statement_queue(l, &l->bank_entry[0]), 0); /* all of it is allocated */
    reverse(&w, l->allocation[0].seq);
    assert_accepted(&w);
    assert_int_equal(statement_queue(l, &l->bank_entry[0]),
                     PLEDGED__V1__QUEUE_REASON__QUEUE_REASON_AMOUNT_DIFFERS);
    assert_int_equal(statement_queue(l, &l->bank_entry[1]),
                     PLEDGED__V1__QUEUE_REASON__QUEUE_REASON_DEBIT);
    w.ledger->movement[1].queue = 0; /* as if it had paid something, and that was undone */
    assert_int_equal(statement_queue(l, &l->bank_entry[1]),
                     PLEDGED__V1__QUEUE_REASON__QUEUE_REASON_DEBIT);
    pay(&w, "P000001", 200000, "CHF", "BY-HAND"); /* no statement brought this one */
    assert_int_equal(statement_queue(l, &l->bank_entry[2]), 0);
}

int main(void)
{
#define T_(test_) cmocka_unit_test_setup_teardown(test_, setup, teardown)
    const struct CMUnitTest tests[] = {
        T_(test_a_file_about_others_leaves_nothing),
        T_(test_the_same_statement_must_say_the_same),
        T_(test_which_payment_by_hand_it_is),
        T_(test_what_a_clerk_types_afterwards),
        T_(test_the_bank_takes_money_from_a_closed_pledge),
        T_(test_what_the_bank_cannot_take_back),
        T_(test_what_a_clerk_types_is_looked_for_narrowly),
        T_(test_sums_stay_within_64_bits),
        T_(test_why_somebody_has_to_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
