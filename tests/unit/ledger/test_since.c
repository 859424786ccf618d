/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: whatever is recorded in whatever order and with whatever dates, the books of every day, as
 * somebody has them who looks back, use no money before it came or twice, and have no more paid for
 * a promise than was promised, and that is what its papers say. The earliest day that a refusal
 * names is possible, the one before it is not; of a new amount, only what would make such books is
 * refused. Looking back is done here, from the entries alone; by the days on which the books post
 * them as well, while months are closed and opened again.
 */
#include "common/check.h"
#include "common/date.h"
#include "desk.h"
#include "fixture.h"
#include "server/ledger/period.h"

enum { ROUNDS = 24, STEPS = 220, LINES = 4096, PLEDGES = 4, MINOR = 400, AMEND = 12 };

/* On a day so much was used of a bank entry, or settled of a pledge; less than 0: given back. */
struct line {
    uint32_t row;
    int32_t day[2]; /* the business day, and that of the books */
    int64_t minor;
};

struct past {
    struct world w;
    uint64_t dice;
    struct line used[LINES], settled[LINES], owed[LINES];
    size_t used_count, settled_count, owed_count;
    int64_t now[PLEDGES],
        most[PLEDGES];      /* settled; the same, at most, before some was taken back */
    int32_t came[LINES][2]; /* by bank entry */
    int32_t gone[LINES][2]; /* the same: when it was taken back; 0: it is there */
    bool closes;            /* months are closed and opened */
    unsigned accepted, too_early, reopened, later;
};

static uint32_t below(struct past *p, uint32_t limit)
{
    p->dice = p->dice * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(p->dice >> 33) % limit;
}

/* --- looking back --- */

static void put(struct line *line, size_t *count, uint32_t row, const int32_t day[2], int64_t minor)
{
    assert_true(*count < LINES);
    line[(*count)++] = (struct line){row, {day[0], day[1]}, minor};
}

static void settle(struct past *p, uint32_t pledge, const int32_t day[2], int64_t minor)
{
    assert_true(pledge < PLEDGES);
    if (minor < 0 && p->now[pledge] > p->most[pledge])
        p->most[pledge] = p->now[pledge];
    p->now[pledge] += minor;
    put(p->settled, &p->settled_count, pledge, day, minor);
}

static int32_t day_of(const Pledged__V1__Entry *entry)
{
    const char *text = entry->effective_date;
    int32_t day = pl_date_of_us(entry->time_us);
    if (entry->fact_case == FACT(PAYMENT_RECORDED))
        text = entry->payment_recorded->value_date;
    if (text[0] != '\0')
        assert_true(pl_is_ok(pl_date_parse(text, &day)));
    return day;
}

/* What the entry made count, or count no more. */
static void remember(struct past *p, const Pledged__V1__Entry *entry)
{
    const struct ledger *ledger = p->w.ledger;
    int32_t day[2] = {day_of(entry), day_of(entry)};
    if (entry->posting_date[0] != '\0')
        assert_true(pl_is_ok(pl_date_parse(entry->posting_date, &day[1])));
    if (entry->fact_case == FACT(PAYMENT_RECORDED))
        memcpy(p->came[ledger->bank_entry_count - 1], day, sizeof(day));
    for (size_t i = 0; i < ledger->allocation_count; i++) {
        const struct state_allocation *a = &ledger->allocation[i];
        int sign = (a->seq == entry->seq) - (a->reversed_by == entry->seq);
        if (sign == 0)
            continue;
        put(p->used, &p->used_count, a->bank_entry, day, sign * a->amount);
        settle(p, a->pledge, day, sign * a->settled);
    }
    for (size_t i = 0; i < ledger->waiver_count; i++) {
        const struct state_waiver *x = &ledger->waiver[i];
        int sign = (x->seq == entry->seq) - (x->reversed_by == entry->seq);
        if (sign != 0)
            settle(p, x->pledge, day, sign * x->amount);
    }
    for (uint32_t i = 0; i < ledger->bank_entry_count; i++) {
        const struct state_bank_entry *b = &ledger->bank_entry[i];
        if (!b->debit && b->reversed_by == entry->seq) {
            put(p->used, &p->used_count, i, day, b->amount);
            memcpy(p->gone[i], day, sizeof(day));
        }
    }
    if (entry->fact_case == FACT(REFUND_ORDERED) || entry->fact_case == FACT(REFUND_CANCELLED)) {
        bool ordered = entry->fact_case == FACT(REFUND_ORDERED);
        const char *from =
            ordered ? entry->refund_ordered->bank_entry : entry->refund_cancelled->bank_entry;
        int64_t minor = ordered ? entry->refund_ordered->amount->minor
                                : -entry->refund_cancelled->amount->minor;
        put(p->used, &p->used_count, (uint32_t)strtoul(from + 1, NULL, 10) - 1, day, minor);
    }
    if (entry->fact_case == FACT(PLEDGE_MADE) || entry->fact_case == FACT(COMMITMENT_AMENDED)) {
        bool made = entry->fact_case == FACT(PLEDGE_MADE);
        const char *id = made ? entry->pledge_made->pledge : entry->commitment_amended->pledge;
        put(p->owed, &p->owed_count, (uint32_t)strtoul(id + 1, NULL, 10) - 1, day,
            made ? entry->pledge_made->amount->minor : entry->commitment_amended->amount->minor);
    }
}

static int64_t sum_until(const struct line *line, size_t count, uint32_t row, int books,
                         int32_t day)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += line[i].row == row && line[i].day[books] <= day ? line[i].minor : 0;
    return sum;
}

/* By the differences that the books have; the last paper of such a day says the same. */
static int64_t promised_on(const struct past *p, uint32_t row, int books, int32_t day)
{
    int64_t before = 0, sum = 0, last = 0;
    for (size_t i = 0; i < p->owed_count; i++) {
        if (p->owed[i].row != row)
            continue;
        if (p->owed[i].day[books] <= day) {
            sum += p->owed[i].minor - before;
            last = p->owed[i].minor;
        }
        before = p->owed[i].minor;
    }
    if (sum != last)
        fail_msg("P%u: %ld promised on day %d (%d), not %ld", row + 1, (long)sum, day, books,
                 (long)last);
    return sum;
}

static void look_back_by(const struct past *p, int books)
{
    const struct ledger *ledger = p->w.ledger;
    for (size_t i = 0; i < p->used_count; i++) {
        const struct state_bank_entry *b = &ledger->bank_entry[p->used[i].row];
        int32_t day = p->used[i].day[books];
        int64_t used = sum_until(p->used, p->used_count, p->used[i].row, books, day);
        int32_t gone = p->gone[p->used[i].row][books];
        bool fine = used >= (gone != 0 && day >= gone ? b->amount : 0) &&
                    used <= (day >= p->came[p->used[i].row][books] ? b->amount : 0);
        if (!fine)
            fail_msg("B%u: %ld used on day %d (%d)", p->used[i].row + 1, (long)used, day, books);
    }
    for (size_t i = 0; i < p->settled_count; i++) {
        int32_t day = p->settled[i].day[books];
        int64_t promised = promised_on(p, p->settled[i].row, books, day);
        int64_t settled = sum_until(p->settled, p->settled_count, p->settled[i].row, books, day);
        if (settled < 0 || settled > promised)
            fail_msg("P%u: %ld settled on day %d (%d)", p->settled[i].row + 1, (long)settled, day,
                     books);
    }
}

static void look_back(const struct past *p)
{
    look_back_by(p, 0);
    look_back_by(p, 1);
}

/* --- months --- */

/* At times the next month is closed, or the last one opened again. */
static void turn_a_month(struct past *p)
{
    const struct ledger *ledger = p->w.ledger;
    int through = ledger->closed_through >= 0 ? ledger->closed_through : 2025 * 12 + 10;
    bool closing = below(p, 2) == 0;
    int month = closing ? through + 1 : through;
    char text[16];
    (void)snprintf(text, sizeof(text), "%04d-%02d", month / 12, month % 12 + 1);
    set_period(&p->w, closing, text, true);
    p->reopened += !closing && p->w.answer == LEDGER_ACCEPTED;
}

/* --- what may be done --- */

struct deed {
    uint32_t kind, minor;
    char pledge[16], bank_entry[16], refund[16], day[11];
    uint64_t seq;
};

static struct deed draw(struct past *p)
{
    const struct ledger *ledger = p->w.ledger;
    struct deed d = {.kind = below(p, AMEND + 1), .minor = 1 + below(p, MINOR)};
    int32_t today = pl_date_of_us(p->w.now_us);
    uint32_t banks = (uint32_t)ledger->bank_entry_count + 1;
    uint32_t refunds = (uint32_t)ledger->refund_count + 1;
    (void)snprintf(d.pledge, sizeof(d.pledge), "P%06u",
                   1 + below(p, (uint32_t)ledger->pledge_count + 1));
    (void)snprintf(d.bank_entry, sizeof(d.bank_entry), "B%06u", 1 + below(p, banks));
    (void)snprintf(d.refund, sizeof(d.refund), "R%06u", 1 + below(p, refunds));
    if (below(p, 4) != 0)
        (void)pl_date_format(today - (int32_t)below(p, p->closes ? 75 : 30), d.day);
    d.seq = 1 + below(p, (uint32_t)ledger->size);
    if (below(p, 2) == 0 && ledger->allocation_count != 0)
        d.seq = ledger->allocation[below(p, (uint32_t)ledger->allocation_count)].seq;
    if (below(p, 4) == 0 && ledger->bank_entry_count != 0)
        d.seq = ledger->bank_entry[below(p, (uint32_t)ledger->bank_entry_count)].seq;
    return d;
}

static void act(struct past *p, const struct deed *d)
{
    struct world *w = &p->w;
    size_t refund_place = strtoul(d->refund + 1, NULL, 10) - 1;
    w->day = d->day;
    switch (d->kind) {
    case 0:
        if (w->ledger->pledge_count < PLEDGES)
            submit(w, NULL, "C000001", NULL, MINOR, "CHF");
        break;
    case 1:
        pay(w, d->pledge, d->minor, "CHF", "");
        break;
    case 2:
    case 3:
        allocate(w, d->bank_entry, d->pledge, 0, "CHF", 0, "CHF");
        break;
    case 4:
    case 5:
        reverse(w, d->seq);
        break;
    case 6:
        refund(w, d->bank_entry, d->minor / 4, "CHF");
        break;
    case 7:
        refund_cancel(w, d->refund);
        break;
    case 8:
        if (refund_place < w->ledger->refund_count)
            refund_paid(w, d->refund, w->ledger->refund[refund_place].amount, "CHF", "");
        break;
    case 9:
        write_off(w, d->pledge, 1 + d->minor / 8, "CHF");
        break;
    case 10:
        reallocate(w, d->seq, d->pledge, 0, "CHF");
        break;
    case 11:
        commit(w, d->pledge);
        break;
    case AMEND:
    default:
        amend(w, d->pledge, MINOR / 2 + d->minor, "CHF");
        break;
    }
    w->day = NULL;
}

/* Gives it and remembers what became of it. False: nothing was asked. */
static bool give_deed(struct past *p, const struct deed *d)
{
    size_t before = p->w.entry_count;
    act(p, d);
    if (p->w.entry_count == before)
        return false;
    if (p->w.answer != LEDGER_ACCEPTED)
        return true;
    p->accepted++;
    for (size_t i = before; i < p->w.entry_count; i++)
        remember(p, world_entry(&p->w, i));
    look_back(p);
    return true;
}

/* The books would have the words on an amount in another order than they were said, or more settled
 * than is left of it. */
static bool is_impossible(const struct past *p, const struct deed *d)
{
    uint32_t row = (uint32_t)strtoul(d->pledge + 1, NULL, 10) - 1;
    int32_t day;
    assert_true(pl_is_ok(pl_date_parse(d->day, &day)));
    int64_t minor = MINOR / 2 + d->minor, promised = 0;
    for (size_t i = 0; i < p->owed_count; i++) {
        if (p->owed[i].row != row)
            continue;
        promised = p->owed[i].minor;
        if (p->owed[i].day[0] > day ||
            period_posted_at(p->w.ledger, p->w.ledger->size, day) < p->owed[i].day[1])
            return true;
    }
    return minor < promised && minor < p->most[row];
}

static bool is_too_early(const struct world *w)
{
    return w->answer == LEDGER_REFUSED && w->refusal->reason == REASON(DATE_INVALID);
}

static void step(struct past *p)
{
    if (p->closes && below(p, 6) == 0)
        turn_a_month(p);
    struct deed d = draw(p);
    if (!give_deed(p, &d) || !is_too_early(&p->w))
        return;
    int32_t day;
    p->too_early++;
    if (d.kind == AMEND)
        assert_true(is_impossible(p, &d));
    assert_string_equal(p->w.refusal->field, "effective_date");
    assert_string_equal(p->w.refusal->arg[2]->name, "earliest");
    p->later += strstr(p->w.refusal->arg[0]->value, "later month") != NULL;
    assert_true(pl_is_ok(pl_date_parse(p->w.refusal->arg[2]->value, &day)));
    (void)pl_date_format(day - 1, d.day);
    assert_true(give_deed(p, &d));
    assert_true(is_too_early(&p->w));
    (void)pl_date_format(day, d.day);
    assert_true(give_deed(p, &d));
    assert_int_equal(p->w.answer, LEDGER_ACCEPTED);
}

static void walk(bool closes)
{
    unsigned too_early = 0, accepted = 0, reopened = 0, later = 0;
    for (uint64_t round = 1; round <= (closes ? 4 * ROUNDS : ROUNDS); round++) {
        struct past *p = calloc(1, sizeof(*p));
        assert_non_null(p);
        p->dice = round * 7919;
        p->closes = closes;
        world_ready(&p->w, 1);
        world_set_rules(&p->w, LEDGER_RULES);
        if (closes) /* three months are over */
            p->w.now_us += 60 * PL_US_PER_DAY;
        for (int i = 0; i < STEPS; i++)
            step(p);
        assert_balanced(&p->w);
        too_early += p->too_early;
        accepted += p->accepted;
        reopened += p->reopened;
        later += p->later;
        world_fini(&p->w);
        free(p);
    }
    assert_true(accepted > ROUNDS * 30 && too_early > ROUNDS * 5);
    assert_true(closes ? reopened > ROUNDS && later >= 10 : reopened == 0 && later == 0);
}

static void test_the_books_of_every_day(void **state)
{
    (void)state;
    walk(false);
}

static void test_the_books_while_months_are_opened_again(void **state)
{
    (void)state;
    walk(true);
}

/* --- single cases --- */

static void on(struct world *w, const char *day)
{
    w->day = day;
}

/* A late fact is posted behind the closed month; when that is opened again, what rests on it is not
 * posted before it. */
static void test_what_was_posted_later(void **state)
{
    (void)state;
    for (uint32_t rules = 14; rules <= 15; rules++) {
        struct world w;
        world_ready(&w, 1);
        world_set_rules(&w, rules);
        on(&w, "2026-01-05");
        submit(&w, NULL, "C000001", NULL, MINOR, "CHF");
        on(&w, NULL);
        set_period(&w, true, "2026-01", true);
        assert_accepted(&w);
        on(&w, "2026-01-20");
        pay(&w, "P000001", MINOR, "CHF", "");
        uint64_t late = w.ledger->size;
        assert_string_equal(world_last(&w)->posting_date, "2026-02-01");
        set_period(&w, false, "2026-01", true);
        assert_accepted(&w);
        on(&w, "2026-01-21");
        reverse(&w, late);
        if (rules == 14) {
            assert_accepted(&w);
            assert_string_equal(world_last(&w)->posting_date, ""); /* before it was there */
            world_fini(&w);
            continue;
        }
        assert_refused(&w, DATE_INVALID);
        assert_string_equal(w.refusal->arg[0]->value,
                            "the books have what it rests on only in a later month");
        assert_string_equal(w.refusal->arg[2]->value, "2026-02-01");
        assert_int_equal(w.refusal->deciding_seq, late);
        on(&w, "2026-01-31");
        reverse(&w, late);
        assert_refused(&w, DATE_INVALID);
        on(&w, "2026-02-01");
        reverse(&w, late);
        assert_accepted(&w);
        struct ledger *before = world_before(&w, w.entry_count - 1);
        Pledged__V1__Entry *entry = world_last(&w);
        assert_true(pl_is_ok(ledger_check(before, entry)));
        entry->effective_date = (char *)(uintptr_t) "2026-01-25";
        assert_false(pl_is_ok(ledger_check(before, entry)));
        ledger_free(before);
        world_fini(&w);
    }
}

/* Booked as the bank's own after it has paid for something: from the day on which it was free. */
static void test_a_charge_after_another_use(void **state)
{
    (void)state;
    static const char *const expected[] = {"2026-01-10", "2026-01-22"};
    for (uint32_t rules = 14; rules <= 15; rules++) {
        struct world w;
        Pledged__V1__Movement m;
        desk_ready(&w, 1000);
        world_set_rules(&w, rules);
        have_account(&w);
        on(&w, "2026-01-02");
        submit(&w, NULL, "C000001", NULL, MINOR, "CHF");
        a_movement(&m, PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT, 40, "X1");
        m.value_date = (char *)(uintptr_t) "2026-01-10";
        on(&w, NULL);
        give_bank(&w, "A", PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_NOTIFICATION, &m, 1);
        on(&w, "2026-01-12");
        allocate(&w, "B000002", "P000003", 0, NULL, 0, NULL);
        assert_accepted(&w);
        on(&w, "2026-01-22");
        reverse(&w, w.ledger->size);
        assert_accepted(&w);
        on(&w, NULL);
        book_charge(&w, "B000002");
        assert_accepted(&w);
        assert_string_equal(world_last(&w)->charge_booked->value_date, expected[rules - 14]);
        struct ledger *before = world_before(&w, w.entry_count - 1);
        Pledged__V1__Entry *entry = world_last(&w);
        assert_true(pl_is_ok(ledger_check(before, entry)));
        entry->charge_booked->value_date = (char *)(uintptr_t)expected[15 - rules];
        assert_false(pl_is_ok(ledger_check(before, entry)));
        ledger_free(before);
        world_fini(&w);
    }
}

/* Replay of what older rules let through, and of what today's do not. */
static void test_rules_of_their_time(void **state)
{
    (void)state;
    for (uint32_t rules = 13; rules <= 14; rules++) {
        struct world w;
        world_ready(&w, 1);
        world_set_rules(&w, rules);
        submit(&w, NULL, "C000001", NULL, MINOR, "CHF");
        pay(&w, "P000001", 2 * MINOR, "CHF", "");
        refund(&w, "B000001", MINOR, "CHF");
        assert_accepted(&w);
        struct ledger *before = world_before(&w, w.entry_count - 1);
        Pledged__V1__Entry *entry = world_last(&w);
        assert_true(pl_is_ok(ledger_check(before, entry)));
        entry->effective_date = (char *)(uintptr_t) "2026-01-31";
        assert_int_equal(pl_is_ok(ledger_check(before, entry)), rules == 13);
        ledger_free(before);
        world_fini(&w);
    }
}

/* A transfer that the bank announces: what it pays for is of the day on which it is there. */
static void test_money_of_a_day_to_come(void **state)
{
    (void)state;
    struct world w;
    Pledged__V1__Movement m;
    desk_ready(&w, 1000);
    world_set_rules(&w, LEDGER_RULES);
    have_account(&w);
    a_movement(&m, PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT, 500, "X1");
    m.value_date = (char *)(uintptr_t) "2026-02-09"; /* a week from now */
    give_bank(&w, "A", PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT, &m, 1);
    assert_accepted(&w);
    on(&w, "2026-02-08");
    allocate(&w, "B000002", "P000001", 200, "CHF", 0, "CHF");
    assert_refused(&w, DATE_INVALID);
    assert_string_equal(w.refusal->arg[2]->value, "2026-02-09");
    on(&w, "2026-02-09"); /* though it is to come */
    allocate(&w, "B000002", "P000001", 200, "CHF", 0, "CHF");
    assert_accepted(&w);
    on(&w, NULL);
    allocate(&w, "B000002", "P000001", 100, "CHF", 0, "CHF");
    assert_accepted(&w);
    assert_string_equal(world_last(&w)->effective_date, "2026-02-09");
    on(&w, "2026-02-10");
    allocate(&w, "B000002", "P000001", 100, "CHF", 0, "CHF");
    assert_refused(&w, DATE_INVALID); /* a day to come of its own */
    world_fini(&w);
}

/* A promise of a day to come may be paid before; by itself it is paid when the money comes. */
static void test_a_promise_to_come(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    world_set_rules(&w, LEDGER_RULES);
    on(&w, "2027-01-01");
    submit(&w, NULL, "C000001", NULL, MINOR, "CHF");
    on(&w, "2026-01-20");
    pay(&w, "P000001", MINOR / 2, "CHF", "");
    assert_accepted(&w);
    assert_string_equal(world_last(&w)->effective_date, "2026-01-20");
    world_fini(&w);
}

/* A paper was signed on the day that it bears: before the promise was typed, and before the mistake
 * of another was taken back. Rules of older ledgers knew it otherwise. */
static void test_a_signature_is_of_its_day(void **state)
{
    (void)state;
    for (uint32_t rules = 14; rules <= 15; rules++) {
        for (int paid = 0; paid < 2; paid++) {
            struct world w;
            world_ready(&w, 1);
            world_set_rules(&w, rules);
            on(&w, paid != 0 ? "2026-01-10" : NULL);
            submit(&w, NULL, "C000001", NULL, MINOR, "CHF");
            on(&w, NULL);
            if (paid != 0) {
                pay(&w, "P000001", MINOR, "CHF", "");
                reverse(&w, w.ledger->size);
                assert_accepted(&w);
            }
            on(&w, "2026-01-20");
            commit(&w, "P000001");
            if (rules >= 15) {
                assert_accepted(&w);
                assert_string_equal(world_last(&w)->effective_date, "2026-01-20");
            } else {
                assert_refused(&w, DATE_INVALID);
            }
            world_fini(&w);
        }
    }
}

/* However late it is typed: by itself it was paid on the first day on which it could be. */
static void test_beside_a_payment(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    world_set_rules(&w, LEDGER_RULES);
    on(&w, "2026-01-20");
    submit(&w, NULL, "C000001", NULL, MINOR, "CHF");
    on(&w, NULL);
    Pledged__V1__Command command = PLEDGED__V1__COMMAND__INIT;
    Pledged__V1__Pay body = PLEDGED__V1__PAY__INIT;
    Pledged__V1__Money amount = PLEDGED__V1__MONEY__INIT;
    static const char *const days[][3] = {{"2026-01-10", "", "2026-01-20"}, /* before the promise */
                                          {"2026-01-25", "", "2026-01-25"},
                                          {"2026-01-25", "2026-01-24", "2026-01-25"},
                                          {"2026-01-25", "2026-01-28", "2026-01-28"}};
    for (size_t i = 0; i < PL_COUNT(days); i++) {
        amount.minor = 10;
        amount.currency = (char *)(uintptr_t) "CHF";
        body.pledge = (char *)(uintptr_t) "P000001";
        body.amount = &amount;
        body.value_date = (char *)(uintptr_t)days[i][0];
        command.request_id.len = 0;
        command.effective_date = (char *)(uintptr_t)days[i][1];
        command.command_case = COMMAND(PAY);
        command.pay = &body;
        give(&w, &command);
        assert_accepted(&w);
        assert_string_equal(world_last(&w)->effective_date, days[i][2]);
    }
    world_fini(&w);
}

/* --- what else has a first day --- */

static void pay_of(struct world *w, const char *pledge, int64_t minor, const char *value_date)
{
    COMMAND_INIT_(command);
    Pledged__V1__Pay body = PLEDGED__V1__PAY__INIT;
    Pledged__V1__Money amount = PLEDGED__V1__MONEY__INIT;
    amount.minor = minor;
    amount.currency = (char *)(uintptr_t) "CHF";
    body.pledge = (char *)(uintptr_t)pledge;
    body.amount = &amount;
    body.value_date = (char *)(uintptr_t)value_date;
    command.command_case = COMMAND(PAY);
    command.pay = &body;
    give(w, &command);
    assert_accepted(w);
}

static void assert_first_day(const struct world *w, const char *day)
{
    assert_refused(w, DATE_INVALID);
    assert_string_equal(w->refusal->arg[2]->name, "earliest");
    assert_string_equal(w->refusal->arg[2]->value, day);
}

/* P000003 of MINOR, of 10 January; B000002 of 12 January, which paid for it on the 28th. */
static void long_ago(struct world *w, int64_t minor)
{
    desk_ready(w, 1000);
    world_set_rules(w, LEDGER_RULES);
    have_account(w);
    on(w, "2026-01-10");
    submit(w, NULL, "C000001", NULL, MINOR, "CHF");
    on(w, "2026-01-28");
    pay_of(w, "P000003", minor, "2026-01-12");
    assert_string_equal(world_last(w)->effective_date, "2026-01-28");
}

static void test_a_fee_is_of_what_was_paid(void **state)
{
    (void)state;
    struct world w;
    long_ago(&w, MINOR - 10);
    on(&w, "2026-01-20");
    accept_fee(&w, "B000002", "P000003", 10, "CHF");
    assert_first_day(&w, "2026-01-28");
    on(&w, "2026-01-28");
    accept_fee(&w, "B000002", "P000003", 10, "CHF");
    assert_accepted(&w);
    world_fini(&w);
}

static void test_what_is_closed_was_settled(void **state)
{
    (void)state;
    struct world w;
    for (int given_up = 0; given_up <= 1; given_up++) {
        const char *settled = given_up ? "2026-01-30" : "2026-01-28";
        long_ago(&w, given_up ? MINOR - 10 : MINOR);
        on(&w, "2026-01-28");
        commit(&w, "P000003");
        if (given_up) {
            on(&w, settled);
            write_off(&w, "P000003", 10, "CHF");
        }
        assert_accepted(&w);
        on(&w, "2026-01-27");
        close_pledge(&w, "P000003");
        assert_first_day(&w, settled);
        on(&w, settled);
        close_pledge(&w, "P000003");
        assert_accepted(&w);
        uint64_t closing = w.receipt->seq;
        on(&w, "2026-01-27"); /* nor is it open again before it was closed */
        reverse_closing(&w, closing);
        assert_first_day(&w, settled);
        on(&w, settled);
        reverse_closing(&w, closing);
        assert_accepted(&w);
        world_fini(&w);
    }
}

static void bank_says(struct world *w, const char *id, int64_t minor, const char *day,
                      const char *end_to_end_id)
{
    Pledged__V1__Movement m;
    bool back = end_to_end_id[0] == '\0';
    a_movement(&m,
               back ? PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_RETURN
                    : PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT,
               minor, id);
    m.booking_date = m.value_date = (char *)(uintptr_t)day;
    m.end_to_end_id = (char *)(uintptr_t)end_to_end_id;
    on(w, NULL);
    give_bank(w, id, PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT, &m, 1);
    assert_accepted(w);
}

/* The bank takes back what it credited: not before it did, nor before the money had paid. */
static void test_what_the_bank_takes_back_was_there(void **state)
{
    (void)state;
    static const char *const days[][2] = {{"2026-01-20", "2026-01-28"},
                                          {"2026-01-30", "2026-01-30"}};
    struct world w;
    for (size_t i = 0; i < PL_COUNT(days); i++) {
        long_ago(&w, MINOR);
        bank_says(&w, "BACK", -MINOR, days[i][0], "");
        on(&w, "2026-01-25");
        match_reversal(&w, "B000003", "B000002");
        assert_first_day(&w, days[i][1]);
        on(&w, days[i][1]);
        match_reversal(&w, "B000003", "B000002");
        assert_accepted(&w);
        world_fini(&w);
    }
}

/* Whose money it is was promised later: that holds up no refund. Who says that it was paid says so
 * of a day on which it was there; the bank's own word is taken as it is. */
static void test_a_refund(void **state)
{
    (void)state;
    struct world w;
    for (int by_bank = 0; by_bank <= 1; by_bank++) {
        desk_ready(&w, 1000);
        world_set_rules(&w, LEDGER_RULES);
        have_account(&w);
        on(&w, "2026-01-20");
        submit(&w, NULL, "C000001", NULL, MINOR, "CHF"); /* P000003 */
        on(&w, NULL);
        pay_of(&w, "P000003", 3 * MINOR, "2026-01-12"); /* B000002 */
        on(&w, "2026-01-15");
        refund(&w, "B000002", MINOR, "CHF");
        assert_accepted(&w);
        on(&w, "2026-01-11");
        refund_paid(&w, "R000001", MINOR, "CHF", "");
        assert_first_day(&w, "2026-01-12");
        if (by_bank) {
            bank_says(&w, "OUT", -MINOR, "2026-01-11", "R000001");
        } else {
            on(&w, "2026-01-12");
            refund_paid(&w, "R000001", MINOR, "CHF", "");
            assert_accepted(&w);
        }
        assert_int_equal(w.ledger->refund[0].state, PLEDGED__V1__REFUND_STATE__REFUND_STATE_PAID);
        world_fini(&w);
    }
}

/* --- what of a promise bounds what --- */

/* P000003 of 10 January, which was paid by mistake from the 28th until today. */
static void paid_by_mistake(struct world *w, uint32_t rules, int64_t minor)
{
    long_ago(w, minor);
    world_set_rules(w, rules);
    on(w, "2026-01-15");
    commit(w, "P000003");
    on(w, NULL);
    reverse(w, w->ledger->allocation[w->ledger->allocation_count - 1].seq);
    assert_accepted(w);
}

static void amend_on(struct world *w, const char *day, int64_t minor)
{
    on(w, day);
    amend(w, "P000003", minor, "CHF");
}

/* Money that went and came has nothing to do with how much was promised; the money that takes its
 * place is no earlier than the day on which it went. Replay goes by the rules of its time. */
static void test_a_raise_was_signed_before(void **state)
{
    (void)state;
    for (uint32_t rules = 15; rules <= LEDGER_RULES; rules++) {
        struct world w;
        paid_by_mistake(&w, rules, MINOR);
        amend_on(&w, "2026-01-20", 2 * MINOR);
        if (rules == 15) {
            assert_first_day(&w, "2026-02-02");
            world_fini(&w);
            continue;
        }
        assert_accepted(&w);
        assert_string_equal(world_last(&w)->effective_date, "2026-01-20");
        struct ledger *before = world_before(&w, w.entry_count - 1);
        assert_true(pl_is_ok(ledger_check(before, world_last(&w))));
        before->policy.message->rules = 15;
        assert_false(pl_is_ok(ledger_check(before, world_last(&w))));
        ledger_free(before);
        amend_on(&w, "2026-01-19", 3 * MINOR); /* the last word is of the 20th */
        assert_first_day(&w, "2026-01-20");
        assert_int_equal(w.refusal->deciding_seq, w.ledger->pledge[2].changed_seq);
        on(&w, "2026-01-30");
        allocate(&w, "B000002", "P000003", 0, NULL, 0, NULL);
        assert_first_day(&w, "2026-02-02");
        world_fini(&w);
    }
}

/* Less than was paid meanwhile is not promised before that went; less than the promise, but no less
 * than that, is of the day on the paper. */
static void test_a_cut_to_what_was_paid(void **state)
{
    (void)state;
    struct world w;
    paid_by_mistake(&w, LEDGER_RULES, MINOR / 2);
    amend_on(&w, "2026-01-20", MINOR / 2);
    assert_accepted(&w);
    amend_on(&w, "2026-01-21", MINOR / 2 - 1);
    assert_first_day(&w, "2026-02-02");
    amend_on(&w, "2026-02-02", MINOR / 2 - 1);
    assert_accepted(&w);
    world_fini(&w);
}

/* A write-off that was taken back was settled, too. */
static void test_a_cut_to_what_was_given_up(void **state)
{
    (void)state;
    struct world w;
    long_ago(&w, MINOR / 2);
    on(&w, "2026-01-28");
    commit(&w, "P000003");
    write_off(&w, "P000003", MINOR / 4, "CHF");
    on(&w, "2026-01-30");
    reverse(&w, w.ledger->size);
    assert_accepted(&w);
    amend_on(&w, "2026-01-28", MINOR * 3 / 4 - 1);
    assert_first_day(&w, "2026-01-30");
    amend_on(&w, "2026-01-28", MINOR * 3 / 4);
    assert_accepted(&w);
    world_fini(&w);
}

/* Before a cut there was more to pay, so money that came before it paid. */
static void test_money_before_a_cut(void **state)
{
    (void)state;
    for (uint32_t rules = 15; rules <= LEDGER_RULES; rules++) {
        struct world w;
        long_ago(&w, MINOR / 2);
        world_set_rules(&w, rules);
        on(&w, "2026-01-15");
        commit(&w, "P000003");
        amend_on(&w, "2026-01-29", MINOR * 3 / 4);
        assert_accepted(&w);
        on(&w, NULL);
        pay_of(&w, "P000003", 10, "2026-01-20");
        assert_string_equal(world_last(&w)->effective_date,
                            rules == 15 ? "2026-01-29" : "2026-01-20");
        amend_on(&w, "2026-01-28", MINOR); /* but the next word comes after it */
        assert_first_day(&w, "2026-01-29");
        on(&w, "2026-01-28"); /* and so does the end */
        cancel(&w, "P000003", PLEDGED__V1__MONEY_PLAN__MONEY_PLAN_KEEP);
        assert_first_day(&w, "2026-01-29");
        world_fini(&w);
    }
}

/* A raise of a day to come may be paid before it; the day of the promise stays. The next word comes
 * behind it, by itself as well, and when its day has come it holds up what is older. */
static void test_a_raise_to_come(void **state)
{
    (void)state;
    struct world w;
    long_ago(&w, MINOR / 2);
    on(&w, "2026-01-15");
    commit(&w, "P000003");
    amend_on(&w, "2026-02-10", 2 * MINOR);
    assert_accepted(&w);
    on(&w, NULL);
    pay_of(&w, "P000003", MINOR, "2026-01-05");
    assert_string_equal(world_last(&w)->effective_date, "2026-01-10");
    amend_on(&w, NULL, 3 * MINOR);
    assert_accepted(&w);
    assert_string_equal(world_last(&w)->effective_date, "2026-02-10");
    w.now_us += 10 * PL_US_PER_DAY;
    on(&w, NULL);
    pay_of(&w, "P000003", MINOR, "2026-01-05");
    assert_string_equal(world_last(&w)->effective_date, "2026-02-10");
    world_fini(&w);
}

/* The same of a promise: until its day has come money comes before it, and no cut does. */
static void test_words_on_a_promise_to_come(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 1000);
    world_set_rules(&w, LEDGER_RULES);
    on(&w, "2026-02-10");
    submit(&w, NULL, "C000001", NULL, MINOR, "CHF");
    commit(&w, "P000003");
    amend_on(&w, "2026-02-09", MINOR / 2);
    assert_first_day(&w, "2026-02-10");
    on(&w, NULL);
    pay_of(&w, "P000003", 10, "2026-01-20");
    assert_string_equal(world_last(&w)->effective_date, "2026-01-20");
    w.now_us += 10 * PL_US_PER_DAY;
    pay_of(&w, "P000003", 10, "2026-01-20");
    assert_string_equal(world_last(&w)->effective_date, "2026-02-10");
    world_fini(&w);
}

/* Today is the day of the fund: in the east it has come before UTC's. */
static void test_a_promise_of_today_in_the_east(void **state)
{
    (void)state;
    for (uint32_t rules = 15; rules <= LEDGER_RULES; rules++) {
        struct world w;
        desk_ready(&w, 1000);
        world_set_zone(&w, rules, "<+14>-14");
        w.now_us = (w.now_us / PL_US_PER_DAY + 1) * PL_US_PER_DAY - PL_US_PER_DAY / 4; /* 8 h */
        submit(&w, NULL, "C000001", NULL, MINOR, "CHF");
        assert_string_equal(world_last(&w)->effective_date, "2026-02-03");
        pay_of(&w, "P000003", 10, "2026-01-20");
        assert_string_equal(world_last(&w)->effective_date,
                            rules == 15 ? "2026-01-20" : "2026-02-03");
        on(&w, "2026-02-04"); /* and of tomorrow, until that has come there */
        submit(&w, NULL, "C000001", NULL, MINOR, "CHF");
        on(&w, NULL);
        pay_of(&w, "P000004", 10, "2026-01-20");
        assert_string_equal(world_last(&w)->effective_date, "2026-01-20");
        w.now_us += PL_US_PER_DAY;
        pay_of(&w, "P000004", 10, "2026-01-20");
        assert_string_equal(world_last(&w)->effective_date,
                            rules == 15 ? "2026-01-20" : "2026-02-04");
        world_fini(&w);
    }
}

/* A change of tier is a word on the amount; of what is only held there is none to say. */
static void test_a_change_of_tier(void **state)
{
    (void)state;
    for (uint32_t rules = 15; rules <= LEDGER_RULES; rules++) {
        struct world w;
        desk_ready(&w, 1000);
        world_set_rules(&w, rules);
        add_contributor(&w, "Ministry 3");
        on(&w, "2026-01-10");
        submit(&w, NULL, "C000003", "many", 0, NULL);
        on(&w, NULL);
        pay_of(&w, "P000003", 100, "2026-01-12");
        reverse(&w, w.ledger->size);
        assert_accepted(&w);
        on(&w, "2026-01-20");
        change_tier(&w, "P000003", "ask", 6000000);
        if (rules == 15) {
            assert_first_day(&w, "2026-02-02");
        } else {
            assert_accepted(&w);
            on(&w, "2026-01-19");
            change_tier(&w, "P000003", "many", 0);
            assert_first_day(&w, "2026-01-20");
        }
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_books_of_every_day),
        cmocka_unit_test(test_the_books_while_months_are_opened_again),
        cmocka_unit_test(test_what_was_posted_later),
        cmocka_unit_test(test_a_charge_after_another_use),
        cmocka_unit_test(test_rules_of_their_time),
        cmocka_unit_test(test_money_of_a_day_to_come),
        cmocka_unit_test(test_a_promise_to_come),
        cmocka_unit_test(test_beside_a_payment),
        cmocka_unit_test(test_a_signature_is_of_its_day),
        cmocka_unit_test(test_a_fee_is_of_what_was_paid),
        cmocka_unit_test(test_what_is_closed_was_settled),
        cmocka_unit_test(test_what_the_bank_takes_back_was_there),
        cmocka_unit_test(test_a_refund),
        cmocka_unit_test(test_a_raise_was_signed_before),
        cmocka_unit_test(test_a_cut_to_what_was_paid),
        cmocka_unit_test(test_a_cut_to_what_was_given_up),
        cmocka_unit_test(test_money_before_a_cut),
        cmocka_unit_test(test_a_raise_to_come),
        cmocka_unit_test(test_words_on_a_promise_to_come),
        cmocka_unit_test(test_a_promise_of_today_in_the_east),
        cmocka_unit_test(test_a_change_of_tier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
