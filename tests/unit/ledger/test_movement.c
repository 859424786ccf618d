/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: one movement of the bank is one bank entry, however often, in whatever papers and in what
 * order it comes, and two movements are two, however alike; money is allocated by itself only where
 * reference and amount fit what is still to come; a statement of a closed month keeps its days.
 */
#include "common/check.h"
#include "common/date.h"
#include "common/reference.h"
#include "desk.h"
#include "server/ledger/movement.h"
#include "server/ledger/statement.h"

#define ALONE        "CH8109000000150001234"
#define SHARED       "CH4309000000159999999"
#define DOLLARS      "CH8209000000150005678"
#define KIND(name_)  PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_##name_
#define QUEUE(name_) PLEDGED__V1__QUEUE_REASON__QUEUE_REASON_##name_
#define DAY          "2026-01-20"

enum { LINES_MAX = 64 };

struct line {
    int64_t minor;
    const char *bank_ref;
    const char *reference, *day, *batch_ref, *uetr, *end_to_end;
    Pledged__V1__MovementKind kind; /* 0: PAYMENT */
};
/* so much, under this reference of the bank */
#define LINE(minor_, bank_ref_, ...)                                                               \
    {                                                                                              \
        .minor = minor_, .bank_ref = bank_ref_, __VA_ARGS__                                        \
    }
struct paper {
    const char *id, *account, *currency, *created; /* NULL: ALONE, CHF, 2026-01-31 */
    uint64_t sequence;
    int64_t opening, off; /* off: how far the closing balance is from right */
    Pledged__V1__Remainder *rest;
    bool notification;
};

static char *text(const char *given, const char *otherwise)
{
    return (char *)(uintptr_t)(given != NULL ? given : otherwise);
}

static void adopt_accounts(struct world *w)
{
    static uint8_t sha256[32] = {50};
    Pledged__V1__PolicyAccount account[3], *list[] = {&account[0], &account[1], &account[2]};
    static const char *const iban[] = {ALONE, SHARED, DOLLARS};
    static const char *const name[] = {"CHF01", "CHF02", "USD01"};
    Pledged__V1__PolicyAdopted policy = PLEDGED__V1__POLICY_ADOPTED__INIT;
    struct ledger_start start = {.policy = &policy};
    struct ledger_decision decision;
    sha256[1]++;
    policy.sha256 = (ProtobufCBinaryData){sizeof(sha256), sha256};
    policy.rules = LEDGER_RULES;
    for (size_t i = 0; i < 3; i++) {
        pledged__v1__policy_account__init(&account[i]);
        account[i].account = text(name[i], "");
        account[i].iban = text(iban[i], "");
        account[i].currency = text(i == 2 ? "USD" : "CHF", "");
        account[i].shared = i == 1;
    }
    policy.n_account = 3;
    policy.account = list;
    policy.unallocated_limit_s = 86400;
    ledger_decide_start(w->ledger, &start, w->now_us, &w->arena, &decision);
    assert_int_equal(decision.entry_count, 1);
    world_apply(w, &decision);
}

/* Free pledges P000001 ... of 1000.00 CHF each. */
static void bank_ready(struct world *w, int pledges)
{
    world_ready(w, 1);
    for (int i = 0; i < pledges; i++)
        submit(w, NULL, "C000001", NULL, 100000, "CHF");
    adopt_accounts(w);
}

static void import(struct world *w, const struct paper *paper, const struct line *line,
                   size_t count)
{
    static uint8_t sha256[32];
    Pledged__V1__Movement movement[LINES_MAX], *list[LINES_MAX];
    Pledged__V1__BankStatement bank = PLEDGED__V1__BANK_STATEMENT__INIT, *banks[] = {&bank};
    Pledged__V1__ImportStatement body = PLEDGED__V1__IMPORT_STATEMENT__INIT;
    COMMAND_INIT_(command);
    int64_t sum = paper->opening;
    bank.kind = paper->notification ? PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_NOTIFICATION
                                    : PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT;
    bank.account = text(paper->account, ALONE);
    bank.currency = text(paper->currency, "CHF");
    bank.id = text(paper->id, "STM-1");
    bank.created = text(paper->created, "2026-01-31");
    bank.sequence = paper->sequence;
    bank.remainder = paper->rest;
    for (size_t i = 0; i < count; i++) {
        pledged__v1__movement__init(&movement[i]);
        movement[i].kind = line[i].kind != 0 ? line[i].kind : KIND(PAYMENT);
        movement[i].minor = line[i].minor;
        movement[i].booking_date = movement[i].value_date = text(line[i].day, DAY);
        movement[i].bank_ref = text(line[i].bank_ref, "");
        movement[i].reference = text(line[i].reference, "");
        movement[i].batch_ref = text(line[i].batch_ref, "");
        movement[i].uetr = text(line[i].uetr, "");
        movement[i].end_to_end_id = text(line[i].end_to_end, "");
        list[i] = &movement[i];
        sum += line[i].minor;
    }
    bank.opening_minor = paper->opening;
    bank.closing_minor =
        paper->notification ? 0 : sum + paper->off + (paper->rest != NULL ? paper->rest->minor : 0);
    bank.n_movement = count;
    bank.movement = list;
    body.file_sha256 = (ProtobufCBinaryData){sizeof(sha256), sha256};
    body.n_statement = 1;
    body.statement = banks;
    command.command_case = COMMAND(IMPORT_STATEMENT);
    command.import_statement = &body;
    give(w, &command);
}

/* Imports and looks at what became of it: new, there already, confirmed, allocated. */
static void brings(struct world *w, struct paper paper, const struct line *line, size_t count,
                   const int64_t expected[4])
{
    import(w, &paper, line, count);
    assert_accepted(w);
    const Pledged__V1__StatementOutcome *told = w->receipt->outcome->statement[0];
    assert_int_equal(told->recorded, expected[0]);
    assert_int_equal(told->known, expected[1]);
    assert_int_equal(told->confirmed, expected[2]);
    assert_int_equal(told->allocated, expected[3]);
    assert_balanced(w);
}
#define BRINGS(w_, paper_, lines_, ...)                                                            \
    brings(w_, (struct paper)paper_, lines_, PL_COUNT(lines_), (const int64_t[]){__VA_ARGS__})
#define PAPER(...)                                                                                 \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static int queue_at(const struct world *w, size_t bank_entry)
{
    return (int)statement_queue(w->ledger, &w->ledger->bank_entry[bank_entry]);
}

static int64_t received(const struct world *w)
{
    const struct state_tallies *t = &w->ledger->tally[STATE_BY_CURRENCY];
    int64_t sum = 0;
    for (size_t i = 0; i < t->count; i++)
        sum += t->line[i].received;
    return sum;
}

/* --- the same and not the same --- */

static void test_a_statement_again_brings_nothing(void **state)
{
    (void)state;
    struct world w;
    const struct line lines[] = {LINE(500, "A"), LINE(700, NULL),
                                 LINE(-20, "B", .kind = KIND(CHARGE))};
    bank_ready(&w, 1);
    BRINGS(&w, PAPER(.id = "S"), lines, 3, 0, 0, 0);
    BRINGS(&w, PAPER(.id = "S"), lines, 0, 3, 0, 0);
    assert_int_equal(world_last(&w)->fact_case, FACT(STATEMENT_REPEATED));
    BRINGS(&w, PAPER(.id = "overlapping"), lines, 0, 3, 0, 0);
    BRINGS(&w, PAPER(.id = "N", .notification = true), lines, 0, 3, 0, 0);
    assert_int_equal(received(&w), 1200);
    world_fini(&w);
}

static void test_twins_are_two(void **state)
{
    (void)state;
    struct world w;
    const struct line lines[] = {LINE(500, NULL), LINE(500, NULL), LINE(500, "A"), LINE(500, "A")};
    bank_ready(&w, 1);
    BRINGS(&w, PAPER(.id = "S"), lines, 4, 0, 0, 0);
    BRINGS(&w, PAPER(.id = "S"), lines, 0, 4, 0, 0);
    BRINGS(&w, PAPER(.id = "N", .notification = true), lines, 0, 4, 0, 0);
    assert_int_equal(received(&w), 2000);
    world_fini(&w);
}

/* As many as a file of small gifts has: told apart by their references, or counted. */
static void test_thousands_of_twins(void **state)
{
    (void)state;
    static Pledged__V1__Movement movement[DESK_MOVEMENTS_MAX];
    static char ref[DESK_MOVEMENTS_MAX][24];
    static const Pledged__V1__StatementKind kinds[] = {
        PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT,
        PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_NOTIFICATION};
    struct world w;
    bank_ready(&w, 1);
    have_account(&w);
    for (size_t i = 0; i < DESK_MOVEMENTS_MAX; i++) {
        if (i % 3 != 0) /* of three one has none, the others one of two */
            (void)snprintf(ref[i], sizeof(ref[i]), "A%zu", i % 2 == 0 ? i / 6 : i);
        a_movement(&movement[i], KIND(PAYMENT), 500, ref[i]);
    }
    for (size_t i = 0; i < PL_COUNT(kinds); i++) {
        give_bank(&w, i == 0 ? "S" : "N", kinds[i], movement, DESK_MOVEMENTS_MAX);
        assert_accepted(&w);
        const Pledged__V1__StatementOutcome *told = w.receipt->outcome->statement[0];
        assert_int_equal(told->recorded, i == 0 ? DESK_MOVEMENTS_MAX : 0);
        assert_int_equal(told->known, i == 0 ? 0 : DESK_MOVEMENTS_MAX);
    }
    for (uint32_t i = 0; i < DESK_MOVEMENTS_MAX; i += 3) /* all of one day and amount count */
        assert_int_equal(w.ledger->movement[i].occurrence, i + 1);
    assert_int_equal(w.ledger->movement[7].occurrence, 1);
    assert_int_equal(w.ledger->movement[8].occurrence, 2); /* A1, as 1 and 10 have */
    assert_int_equal(w.ledger->movement[10].occurrence, 3);
    struct ledger *again = world_reloaded(w.ledger);
    assert_same_state(w.ledger, again);
    ledger_free(again);
    world_fini(&w);
}

/* The same day and amount, and references that tell them apart. */
static void test_what_is_surer_tells_them_apart(void **state)
{
    (void)state;
    struct world w;
    const struct line first[] = {LINE(500, "A")}, second[] = {LINE(500, "B")},
                      bare[] = {LINE(500, NULL)};
    const struct line uetr[] = {LINE(900, NULL, .uetr = "u-1")},
                      other[] = {LINE(900, NULL, .uetr = "u-2")};
    const struct line ends[] = {LINE(800, NULL, .end_to_end = "e-1")};
    const struct line ends2[] = {LINE(800, NULL, .end_to_end = "e-2")};
    bank_ready(&w, 1);
    BRINGS(&w, PAPER(.id = "1"), first, 1, 0, 0, 0);
    BRINGS(&w, PAPER(.id = "2"), second, 1, 0, 0, 0);
    BRINGS(&w, PAPER(.id = "3"), bare, 0, 1, 0, 0); /* says nothing against it */
    BRINGS(&w, PAPER(.id = "4"), uetr, 1, 0, 0, 0);
    BRINGS(&w, PAPER(.id = "5"), other, 1, 0, 0, 0);
    BRINGS(&w, PAPER(.id = "6"), ends, 1, 0, 0, 0);
    BRINGS(&w, PAPER(.id = "7"), ends2, 1, 0, 0, 0);
    assert_int_equal(received(&w), 2 * 500 + 2 * 900 + 2 * 800);
    world_fini(&w);
}

/* The next statement begins where this one ended: what it holds came later. */
static void test_a_statement_that_goes_on_has_movements_of_its_own(void **state)
{
    (void)state;
    struct world w;
    const struct line lines[] = {LINE(500, NULL)};
    bank_ready(&w, 1);
    BRINGS(&w, PAPER(.id = "1", .sequence = 1), lines, 1, 0, 0, 0);
    BRINGS(&w, PAPER(.id = "2", .sequence = 2, .opening = 500), lines, 1, 0, 0, 0);
    BRINGS(&w, PAPER(.id = "2", .sequence = 2, .opening = 500), lines, 0, 1, 0, 0);
    BRINGS(&w, PAPER(.id = "3", .sequence = 7, .opening = 1000), lines, 0, 1, 0, 0);
    assert_int_equal(received(&w), 1000);
    world_fini(&w);
}

/* Nothing shows that a notification goes on where another one ended. */
static void test_a_notification_after_another_may_say_the_same(void **state)
{
    (void)state;
    struct world w;
    const struct line bare[] = {LINE(500, NULL)}, named[] = {LINE(500, "A1")};
    const struct line both[] = {LINE(500, "A1"), LINE(500, "A2")};
    bank_ready(&w, 1);
    BRINGS(&w, PAPER(.id = "1", .sequence = 1, .notification = true), bare, 1, 0, 0, 0);
    BRINGS(&w, PAPER(.id = "2", .sequence = 2, .notification = true), named, 0, 1, 0, 0);
    assert_int_equal(received(&w), 500);
    BRINGS(&w, PAPER(.id = "3", .sequence = 1), both, 1, 1, 0, 0); /* there were two */
    assert_int_equal(received(&w), 1000);
    world_fini(&w);
}

static void test_year_account_and_amount_are_part_of_it(void **state)
{
    (void)state;
    struct world w;
    Pledged__V1__Remainder none = PLEDGED__V1__REMAINDER__INIT;
    const struct line now[] = {LINE(500, "A")}, before[] = {LINE(500, "A", .day = "2025-01-20")};
    const struct line more[] = {LINE(501, "A")};
    bank_ready(&w, 1);
    BRINGS(&w, PAPER(.id = "S"), now, 1, 0, 0, 0);
    BRINGS(&w, PAPER(.id = "S", .created = "2025-01-31"), before, 1, 0, 0, 0);
    BRINGS(&w, PAPER(.id = "S", .account = SHARED, .rest = &none), now, 1, 0, 0, 0);
    BRINGS(&w, PAPER(.id = "T"), more, 1, 0, 0, 0);
    assert_int_equal(w.ledger->statement_count, 4);
    world_fini(&w);
}

/* Some banks write a reversal with its own sign, some with that of what it takes back. */
static void test_a_reversal_of_either_sign(void **state)
{
    (void)state;
    struct world w;
    const struct line minus[] = {LINE(-500, "A", .kind = KIND(REVERSAL))};
    const struct line plus[] = {LINE(500, "A", .kind = KIND(REVERSAL))};
    bank_ready(&w, 1);
    BRINGS(&w, PAPER(.id = "S"), minus, 1, 0, 0, 0);
    BRINGS(&w, PAPER(.id = "N", .notification = true), plus, 0, 1, 0, 0);
    world_fini(&w);
}

/* --- what is refused --- */

static void refused(struct world *w, struct paper paper, const struct line *line, size_t count,
                    Pledged__V1__Reason reason, bool recorded)
{
    import(w, &paper, line, count);
    assert_int_not_equal(w->answer, LEDGER_ACCEPTED);
    assert_int_equal(w->refusal->reason, reason);
    assert_int_equal(w->made, recorded ? 1 : 0);
}
#define REFUSED(w_, paper_, lines_, reason_, recorded_)                                            \
    refused(w_, (struct paper)paper_, lines_, PL_COUNT(lines_), REASON(reason_), recorded_)

static void test_what_is_no_statement_of_ours(void **state)
{
    (void)state;
    struct world w;
    char reference[PL_REFERENCE_BYTES];
    Pledged__V1__Remainder rest = PLEDGED__V1__REMAINDER__INIT;
    const struct line lines[] = {LINE(500, "A")}, two[] = {LINE(500, "A"), LINE(100, "B")};
    const struct line bell[] = {LINE(500, "A\a")},
                      wrong[] = {LINE(500, "A", .reference = reference)};
    bank_ready(&w, 1);
    memcpy(reference, pl_reference_scor(1, reference), sizeof(reference));
    reference[2] = reference[2] == '9' ? '0' : (char)(reference[2] + 1);
    REFUSED(&w, PAPER(.id = "S", .off = 1), lines, STATEMENT_UNBALANCED, false);
    REFUSED(&w, PAPER(.id = "S"), bell, FIELD_INVALID, false);
    REFUSED(&w, PAPER(.id = "S"), wrong, FIELD_INVALID, false);
    REFUSED(&w, PAPER(.id = "S", .account = "CH1"), lines, ACCOUNT_UNKNOWN, false);
    REFUSED(&w, PAPER(.id = "S", .currency = "USD"), lines, ACCOUNT_UNKNOWN, false);
    REFUSED(&w, PAPER(.id = "S", .account = SHARED), lines, FIELD_REQUIRED, false);
    rest.count = 3;
    rest.minor = 77;
    REFUSED(&w, PAPER(.id = "S", .rest = &rest), lines, FIELD_INVALID, false);
    BRINGS(&w, PAPER(.id = "S"), lines, 1, 0, 0, 0);
    REFUSED(&w, PAPER(.id = "S", .opening = 1), lines, STATEMENT_CONFLICT, true);
    const struct line same_sum[] = {LINE(200, "A"), LINE(300, "B")};
    REFUSED(&w, PAPER(.id = "S"), same_sum, STATEMENT_CONFLICT, true);
    REFUSED(&w, PAPER(.id = "S"), two, STATEMENT_CONFLICT, true);
    assert_int_equal(w.ledger->bank_entry_count, 1);
    world_fini(&w);
}

/* --- allocation by itself --- */

static const char *scor(uint64_t pledge, char out[PL_REFERENCE_BYTES])
{
    (void)pl_reference_scor(pledge, out);
    return out;
}

static void test_reference_and_amount_must_fit(void **state)
{
    (void)state;
    struct world w;
    char one[PL_REFERENCE_BYTES], two[PL_REFERENCE_BYTES], none[PL_REFERENCE_BYTES];
    bank_ready(&w, 2);
    const struct line lines[] = {
        LINE(99999, "A", .reference = scor(1, one)), LINE(100000, "B", .reference = scor(2, two)),
        LINE(100000, "C", .reference = two), /* it has all it needs by then */
        LINE(100000, "D", .reference = scor(77, none)), LINE(100000, "E")};
    BRINGS(&w, PAPER(.id = "S"), lines, 5, 0, 0, 1);
    assert_int_equal(queue_at(&w, 0), QUEUE(AMOUNT_DIFFERS));
    assert_int_equal(queue_at(&w, 1), 0);
    assert_int_equal(queue_at(&w, 2), QUEUE(AMOUNT_DIFFERS));
    assert_int_equal(queue_at(&w, 3), QUEUE(PLEDGE_UNKNOWN));
    assert_int_equal(queue_at(&w, 4), QUEUE(NO_REFERENCE));
    const struct line dollars[] = {LINE(100000, "F", .reference = one)};
    BRINGS(&w, PAPER(.id = "U", .account = DOLLARS, .currency = "USD"), dollars, 1, 0, 0, 0);
    assert_int_equal(queue_at(&w, 5), QUEUE(CURRENCY_DIFFERS));
    world_fini(&w);
}

static void schedule_two(struct world *w, const char *pledge, int64_t first, int64_t second)
{
    Pledged__V1__Instalment row[2], *rows[] = {&row[0], &row[1]};
    Pledged__V1__Money amount[2];
    Pledged__V1__SetSchedule body = PLEDGED__V1__SET_SCHEDULE__INIT;
    COMMAND_INIT_(command);
    for (size_t i = 0; i < 2; i++) {
        pledged__v1__instalment__init(&row[i]);
        pledged__v1__money__init(&amount[i]);
        row[i].due = text(i == 0 ? "2026-03-31" : "2026-06-30", "");
        row[i].amount = &amount[i];
        amount[i].minor = i == 0 ? first : second;
        amount[i].currency = text("CHF", "");
    }
    body.pledge = text(pledge, "");
    body.n_instalment = 2;
    body.instalment = rows;
    command.reason = text("as agreed", "");
    command.command_case = COMMAND(SET_SCHEDULE);
    command.set_schedule = &body;
    give(w, &command);
}

static void pay_dated(struct world *w, const char *pledge, int64_t minor, const char *bank_ref,
                      const char *day)
{
    COMMAND_INIT_(command);
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    Pledged__V1__Pay body = PLEDGED__V1__PAY__INIT;
    money.minor = minor;
    money.currency = text("CHF", "");
    body.pledge = text(pledge, "");
    body.amount = &money;
    body.bank_ref = text(bank_ref, "");
    body.value_date = text(day, "");
    command.command_case = COMMAND(PAY);
    command.pay = &body;
    give(w, &command);
}

/* An instalment that is due next fits as well; one that is not does not. */
static void test_an_instalment_fits(void **state)
{
    (void)state;
    struct world w;
    char one[PL_REFERENCE_BYTES];
    bank_ready(&w, 1);
    schedule_two(&w, "P000001", 30000, 70000);
    assert_accepted(&w);
    const struct line lines[] = {LINE(70000, "A", .reference = scor(1, one)),
                                 LINE(30000, "B", .reference = one),
                                 LINE(70000, "C", .reference = one)};
    BRINGS(&w, PAPER(.id = "S"), lines, 3, 0, 0, 2);
    assert_int_equal(queue_at(&w, 0), QUEUE(AMOUNT_DIFFERS)); /* the first is due first */
    world_fini(&w);
}

/* How much of each pledge the file has paid so far is in a map, behind a key of four bytes: the
 * undefined-behaviour sanitizer sees here whether it is read byte by byte. */
static void test_a_file_for_many_pledges(void **state)
{
    enum { MANY = 24 };
    (void)state;
    struct world w;
    char reference[MANY][PL_REFERENCE_BYTES], name[2 * MANY][24];
    struct line lines[2 * MANY] = {0};
    bank_ready(&w, MANY);
    for (size_t i = 0; i < (size_t)2 * MANY; i++) {
        (void)snprintf(name[i], sizeof(name[i]), "R%zu", i);
        lines[i] = (struct line)LINE(100000, name[i],
                                     .reference = scor(i % MANY + 1, reference[i % MANY]));
    }
    BRINGS(&w, PAPER(.id = "S"), lines, 2 * MANY, 0, 0, MANY);
    for (size_t i = 0; i < (size_t)2 * MANY; i++)
        assert_int_equal(queue_at(&w, i), i < MANY ? 0 : QUEUE(AMOUNT_DIFFERS));
    world_fini(&w);
}

/* What is written off, refunded or forgiven is no longer to come, or no longer there. */
static void test_beside_write_offs_and_refunds(void **state)
{
    (void)state;
    struct world w;
    char one[PL_REFERENCE_BYTES], two[PL_REFERENCE_BYTES];
    bank_ready(&w, 2);
    commit(&w, "P000001");
    write_off(&w, "P000001", 40000, "CHF");
    assert_accepted(&w);
    const struct line all[] = {LINE(100000, "A", .reference = scor(1, one))},
                      rest[] = {LINE(60000, "B", .reference = one)};
    BRINGS(&w, PAPER(.id = "1"), all, 1, 0, 0, 0);
    assert_int_equal(queue_at(&w, 0), QUEUE(AMOUNT_DIFFERS));
    BRINGS(&w, PAPER(.id = "2"), rest, 1, 0, 0, 1);
    refund(&w, "B000001", 100000, "CHF");
    assert_accepted(&w);
    assert_int_equal(queue_at(&w, 0), 0);
    BRINGS(&w, PAPER(.id = "1"), all, 0, 1, 0, 0); /* seen again: it is not there a second time */
    BRINGS(&w, PAPER(.id = "3"), all, 0, 1, 0, 0);
    const struct line bare[] = {LINE(100000, "C")},
                      named[] = {LINE(100000, "C", .reference = scor(2, two))};
    BRINGS(&w, PAPER(.id = "4"), bare, 1, 0, 0, 0);
    refund(&w, "B000003", 1, "CHF");
    assert_accepted(&w);
    BRINGS(&w, PAPER(.id = "5"), named, 0, 1, 0, 0); /* late, and part of it is promised back */
    assert_int_equal(state_pledge(w.ledger, "P000002")->allocated, 0);
    world_fini(&w);
}

/* --- by hand --- */

static void test_one_payment_by_hand_is_confirmed_once(void **state)
{
    (void)state;
    struct world w;
    char day[11];
    bank_ready(&w, 1);
    (void)pl_date_format(pl_date_of_us(w.now_us), day);
    pay(&w, "P000001", 500, "CHF", "");
    pay(&w, "P000001", 700, "CHF", "A");
    assert_accepted(&w);
    const struct line lines[] = {LINE(500, "X", .day = day), LINE(500, "Y", .day = day),
                                 LINE(700, "A")};
    BRINGS(&w, PAPER(.id = "S"), lines, 1, 0, 2, 0);
    BRINGS(&w, PAPER(.id = "S"), lines, 0, 3, 0, 0);
    assert_int_equal(received(&w), 1700);
    pay(&w, "P000001", 900, "CHF", "");
    const struct line later[] = {LINE(900, "Z")}; /* another day, and nothing that names it */
    BRINGS(&w, PAPER(.id = "T"), later, 1, 0, 0, 0);
    world_fini(&w);
}

/* The pledge and the amount are the same; the bank's references say that they are two. */
static void test_two_references_are_two_payments(void **state)
{
    (void)state;
    struct world w;
    char day[11], one[PL_REFERENCE_BYTES];
    bank_ready(&w, 1);
    (void)pl_date_format(pl_date_of_us(w.now_us), day);
    pay(&w, "P000001", 500, "CHF", "FIRST");
    assert_accepted(&w);
    const struct line lines[] = {LINE(500, "SECOND", .reference = scor(1, one), .day = day)};
    BRINGS(&w, PAPER(.id = "S"), lines, 1, 0, 0, 0);
    assert_int_equal(received(&w), 1000);
    world_fini(&w);
}

static void test_what_was_imported_is_not_paid_again(void **state)
{
    (void)state;
    struct world w;
    bank_ready(&w, 1);
    const struct line lines[] = {LINE(500, "A")};
    BRINGS(&w, PAPER(.id = "S"), lines, 1, 0, 0, 0);
    pay(&w, "P000001", 500, "CHF", "A");
    assert_accepted(&w);
    assert_int_equal(w.ledger->bank_entry_count, 1);
    assert_int_equal(state_pledge(w.ledger, "P000001")->allocated, 500);
    pay(&w, "P000001", 500, "CHF", "A");
    assert_refused(&w, PAYMENT_DUPLICATE);
    assert_int_equal(received(&w), 500);
    world_fini(&w);
}

/* --- sums and their details --- */

static const struct line sum_line[] = {LINE(550, "SUM", .kind = KIND(BATCH))};
static const struct line parts[] = {LINE(200, "D1", .batch_ref = "SUM"),
                                    LINE(350, "D2", .batch_ref = "SUM")};

static void test_a_sum_gives_way_to_its_details(void **state)
{
    (void)state;
    struct world w;
    const struct line wrong[] = {LINE(200, "D1", .batch_ref = "SUM"),
                                 LINE(351, "D2", .batch_ref = "SUM")};
    bank_ready(&w, 1);
    BRINGS(&w, PAPER(.id = "S"), sum_line, 1, 0, 0, 0);
    assert_int_equal(queue_at(&w, 0), QUEUE(BATCH_DETAILS));
    REFUSED(&w, PAPER(.id = "W", .notification = true), wrong, STATEMENT_CONFLICT, true);
    BRINGS(&w, PAPER(.id = "N", .notification = true), parts, 2, 0, 0, 0);
    assert_int_equal(received(&w), 550);
    BRINGS(&w, PAPER(.id = "S"), sum_line, 0, 1, 0, 0);
    BRINGS(&w, PAPER(.id = "N", .notification = true), parts, 0, 2, 0, 0);
    assert_int_equal(received(&w), 550);
    world_fini(&w);
}

/* The file adds up, and its parts do not: seen by the undefined-behaviour sanitizer. */
static void test_details_beyond_64_bits(void **state)
{
    (void)state;
    struct world w;
    const struct line lines[] = {LINE(INT64_MAX, NULL, .batch_ref = "SUM"), LINE(-INT64_MAX, "X"),
                                 LINE(INT64_MAX, NULL, .batch_ref = "SUM"), LINE(-INT64_MAX, "Y")};
    bank_ready(&w, 1);
    BRINGS(&w, PAPER(.id = "S"), sum_line, 1, 0, 0, 0);
    REFUSED(&w, PAPER(.id = "N", .notification = true), lines, STATEMENT_CONFLICT, true);
    assert_balanced(&w);
    world_fini(&w);
}

/* Two statements of one file: what the first one did, the second one sees. */
static void import_two(struct world *w, struct paper first, const struct line *a, size_t a_count,
                       struct paper second, const struct line *b, size_t b_count)
{
    static uint8_t sha256[32] = {7};
    struct paper papers[] = {first, second};
    const struct line *lines[] = {a, b};
    const size_t counts[] = {a_count, b_count};
    Pledged__V1__Movement movement[2][LINES_MAX], *list[2][LINES_MAX];
    Pledged__V1__BankStatement bank[2], *banks[] = {&bank[0], &bank[1]};
    Pledged__V1__ImportStatement body = PLEDGED__V1__IMPORT_STATEMENT__INIT;
    COMMAND_INIT_(command);
    for (size_t s = 0; s < 2; s++) {
        pledged__v1__bank_statement__init(&bank[s]);
        bank[s].kind = PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_NOTIFICATION;
        bank[s].account = text(NULL, ALONE);
        bank[s].currency = text(NULL, "CHF");
        bank[s].id = text(papers[s].id, "");
        bank[s].created = text(NULL, "2026-01-31");
        for (size_t i = 0; i < counts[s]; i++) {
            Pledged__V1__Movement *m = list[s][i] = &movement[s][i];
            pledged__v1__movement__init(m);
            m->kind = KIND(PAYMENT);
            m->minor = lines[s][i].minor;
            m->booking_date = m->value_date = text(NULL, DAY);
            m->bank_ref = text(lines[s][i].bank_ref, "");
            m->batch_ref = text(lines[s][i].batch_ref, "");
            m->reference = text(lines[s][i].reference, "");
        }
        bank[s].movement = list[s];
        bank[s].n_movement = counts[s];
    }
    body.file_sha256 = (ProtobufCBinaryData){sizeof(sha256), sha256};
    body.statement = banks;
    body.n_statement = 2;
    command.command_case = COMMAND(IMPORT_STATEMENT);
    command.import_statement = &body;
    give(w, &command);
}
#define IMPORT_TWO(w_, one_, a_, two_, b_)                                                         \
    import_two(w_, (struct paper)one_, a_, PL_COUNT(a_), (struct paper)two_, b_, PL_COUNT(b_))

/* A known entry gets its reference from both: its money has one place all the same. */
static void test_a_file_that_says_it_twice(void **state)
{
    (void)state;
    struct world w;
    char reference[PL_REFERENCE_BYTES];
    const struct line bare[] = {LINE(50000, "X")};
    bank_ready(&w, 1);
    schedule_two(&w, "P000001", 50000, 50000);
    assert_accepted(&w);
    import(&w, &(struct paper){.id = "1", .notification = true}, bare, 1);
    assert_accepted(&w);
    assert_true(pl_reference_mint_scor("P000001", reference));
    const struct line named[] = {LINE(50000, "X", .reference = reference)};
    IMPORT_TWO(&w, PAPER(.id = "2"), named, PAPER(.id = "3"), named);
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->statement[0]->allocated, 1);
    assert_int_equal(w.receipt->outcome->statement[1]->allocated, 0);
    assert_int_equal(w.ledger->pledge[0].allocated, 50000);
    assert_balanced(&w);
    world_fini(&w);
}

/* Details take the place of a known sum, and the sum comes once more, with a reference. */
static void test_details_and_the_sum_of_a_known_entry(void **state)
{
    (void)state;
    struct world w;
    char reference[PL_REFERENCE_BYTES];
    assert_true(pl_reference_mint_scor("P000001", reference));
    const struct line sum[] = {LINE(100000, "X")};
    const struct line named[] = {LINE(100000, "X", .reference = reference)};
    const struct line details[] = {LINE(40000, NULL, .batch_ref = "X"),
                                   LINE(60000, NULL, .batch_ref = "X")};
    for (int turn = 0; turn < 2; turn++) {
        bank_ready(&w, 1);
        import(&w, &(struct paper){.id = "1", .notification = true}, sum, 1);
        if (turn == 0)
            IMPORT_TWO(&w, PAPER(.id = "2"), details, PAPER(.id = "3"), named);
        else
            IMPORT_TWO(&w, PAPER(.id = "2"), named, PAPER(.id = "3"), details);
        assert_accepted(&w);
        assert_int_equal(received(&w), 100000);
        assert_balanced(&w);
        world_fini(&w);
    }
}

static void test_a_sum_and_its_details_in_one_file(void **state)
{
    (void)state;
    struct world w;
    const struct line sum[] = {LINE(100, "X")};
    const struct line details[] = {LINE(40, NULL, .batch_ref = "X"),
                                   LINE(60, NULL, .batch_ref = "X")};
    bank_ready(&w, 1);
    IMPORT_TWO(&w, PAPER(.id = "2"), sum, PAPER(.id = "3"), details);
    assert_refused(&w, STATEMENT_CONFLICT);
    IMPORT_TWO(&w, PAPER(.id = "2"), details, PAPER(.id = "3"), sum);
    assert_refused(&w, STATEMENT_CONFLICT);
    assert_int_equal(received(&w), 0);
    import(&w, &(struct paper){.id = "1", .notification = true}, sum, 1);
    IMPORT_TWO(&w, PAPER(.id = "4"), details, PAPER(.id = "5"),
               details); /* the same again is known */
    assert_accepted(&w);
    assert_int_equal(received(&w), 100);
    world_fini(&w);
}

static void test_payments_at_the_ends_of_the_calendar(void **state)
{
    (void)state;
    static const char *const days[] = {"1900-01-01", "1900-06-01", "2999-12-30"};
    struct world w;
    bank_ready(&w, 1);
    for (size_t i = 0; i < PL_COUNT(days); i++) {
        char ref[8] = {'R', (char)('1' + i), '\0'};
        if (days[i][0] == '2') /* no payment is of a day to come */
            w.now_us = (32503680000LL - 2 * 86400) * 1000000;
        pay_dated(&w, "P000001", 100, ref, days[i]);
        assert_accepted(&w);
    }
    world_fini(&w);
}

static void test_details_before_their_sum(void **state)
{
    (void)state;
    struct world w;
    const struct line other[] = {LINE(551, "SUM", .kind = KIND(BATCH))};
    bank_ready(&w, 1);
    BRINGS(&w, PAPER(.id = "N", .notification = true), parts, 2, 0, 0, 0);
    BRINGS(&w, PAPER(.id = "S"), sum_line, 0, 1, 0, 0);
    assert_int_equal(received(&w), 550);
    BRINGS(&w, PAPER(.id = "T"), other, 1, 0, 0, 0); /* not theirs: somebody has to look */
    assert_int_equal(queue_at(&w, 2), QUEUE(BATCH_DETAILS));
    world_fini(&w);
}

static void test_a_sum_that_was_dealt_with_stays(void **state)
{
    (void)state;
    struct world w;
    bank_ready(&w, 1);
    for (int refunding = 0; refunding < 2; refunding++) {
        char sum_ref[24], id[24];
        (void)snprintf(sum_ref, sizeof(sum_ref), "SUM%d", refunding);
        (void)snprintf(id, sizeof(id), "B%06d", refunding + 1);
        const struct line sum[] = {LINE(550, sum_ref, .kind = KIND(BATCH))};
        const struct line part[] = {LINE(200, NULL, .batch_ref = sum_ref),
                                    LINE(350, NULL, .batch_ref = sum_ref)};
        BRINGS(&w, PAPER(.id = sum_ref), sum, 1, 0, 0, 0);
        if (refunding)
            refund(&w, id, 1, "CHF");
        else
            allocate(&w, id, "P000001", 1, "CHF", 0, "");
        assert_accepted(&w);
        BRINGS(&w, PAPER(.id = id, .notification = true), part, 0, 2, 0, 0);
    }
    assert_int_equal(received(&w), 1100);
    world_fini(&w);
}

/* --- reversals --- */

static void match(struct world *w, const char *back, const char *from)
{
    COMMAND_INIT_(command);
    Pledged__V1__MatchReversal body = PLEDGED__V1__MATCH_REVERSAL__INIT;
    body.bank_entry = text(back, "");
    body.original = text(from, "");
    command.command_case = COMMAND(MATCH_REVERSAL);
    command.match_reversal = &body;
    give(w, &command);
}

static void test_what_a_reversal_may_take_back(void **state)
{
    (void)state;
    struct world w;
    const struct line lines[] = {LINE(500, "A"), LINE(501, "B"), LINE(500, "C"),
                                 LINE(-500, "D", .kind = KIND(REVERSAL)), LINE(-500, "E")};
    bank_ready(&w, 1);
    BRINGS(&w, PAPER(.id = "S"), lines, 5, 0, 0, 0);
    refund(&w, "B000003", 1, "CHF");
    match(&w, "B000004", "B000002");
    assert_refused(&w, STATEMENT_CONFLICT); /* another amount */
    match(&w, "B000004", "B000003");
    assert_refused(&w, STATEMENT_CONFLICT); /* part of it goes back already */
    match(&w, "B000005", "B000001");
    assert_refused(&w, STATEMENT_CONFLICT); /* a debit that is no reversal */
    match(&w, "B000004", "B000001");
    assert_accepted(&w);
    assert_balanced(&w);
    match(&w, "B000004", "B000001");
    assert_refused(&w, STATEMENT_CONFLICT);
    world_fini(&w);
}

static void test_dollars_pay_no_refund_of_francs(void **state)
{
    (void)state;
    struct world w;
    const struct line francs[] = {LINE(500, "A"), LINE(-500, "B")}, dollars[] = {LINE(-500, "C")};
    bank_ready(&w, 1);
    BRINGS(&w, PAPER(.id = "S"), francs, 2, 0, 0, 0);
    BRINGS(&w, PAPER(.id = "U", .account = DOLLARS, .currency = "USD"), dollars, 1, 0, 0, 0);
    refund(&w, "B000001", 500, "CHF");
    match_refund(&w, "B000003", "R000001");
    assert_refused(&w, STATEMENT_CONFLICT);
    match_refund(&w, "B000002", "R000001");
    assert_accepted(&w);
    assert_balanced(&w);
    world_fini(&w);
}

/* --- periods --- */

static void test_a_statement_of_a_closed_month(void **state)
{
    (void)state;
    struct world w;
    bank_ready(&w, 1);
    set_period(&w, true, "2026-01", false);
    assert_accepted(&w);
    const struct line lines[] = {LINE(500, "A", .day = "2026-01-31"),
                                 LINE(600, "B", .day = "2026-02-01")};
    BRINGS(&w, PAPER(.id = "S"), lines, 2, 0, 0, 0);
    struct ledger *before = world_before(&w, w.entry_count - 2);
    Pledged__V1__Entry *old = world_entry(&w, w.entry_count - 2);
    assert_int_equal(old->fact_case, FACT(BANK_ENTRY_RECORDED));
    assert_string_equal(old->bank_entry_recorded->movement->value_date, "2026-01-31");
    assert_string_equal(old->posting_date, "2026-02-01");
    assert_string_equal(world_last(&w)->posting_date, "");
    assert_true(pl_is_ok(ledger_check(before, old)));
    old->posting_date = (char *)"";
    assert_false(pl_is_ok(ledger_check(before, old)));
    ledger_free(before);
    world_fini(&w);
}

/* What nobody matched or explained holds a month up: credits and debits. */
static void test_what_nothing_explains_holds_a_month_up(void **state)
{
    (void)state;
    struct world w;
    const struct line lines[] = {LINE(-500, "A"), LINE(-20, "B", .kind = KIND(CHARGE)),
                                 LINE(5, "C")};
    bank_ready(&w, 1);
    BRINGS(&w, PAPER(.id = "S"), lines, 3, 0, 0, 0);
    set_period(&w, true, "2026-01", false);
    assert_refused(&w, PERIOD_BLOCKED);
    book_charge(&w, "B000001");
    refund(&w, "B000003", 5, "CHF");
    set_period(&w, true, "2026-01", false);
    assert_refused(&w, PERIOD_BLOCKED);
    book_charge(&w, "B000002");
    set_period(&w, true, "2026-01", false);
    assert_accepted(&w);
    assert_int_equal(world_last(&w)->period_closed->waived, 0);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_statement_again_brings_nothing),
        cmocka_unit_test(test_twins_are_two),
        cmocka_unit_test(test_thousands_of_twins),
        cmocka_unit_test(test_what_is_surer_tells_them_apart),
        cmocka_unit_test(test_a_statement_that_goes_on_has_movements_of_its_own),
        cmocka_unit_test(test_a_notification_after_another_may_say_the_same),
        cmocka_unit_test(test_year_account_and_amount_are_part_of_it),
        cmocka_unit_test(test_a_reversal_of_either_sign),
        cmocka_unit_test(test_what_is_no_statement_of_ours),
        cmocka_unit_test(test_reference_and_amount_must_fit),
        cmocka_unit_test(test_an_instalment_fits),
        cmocka_unit_test(test_a_file_for_many_pledges),
        cmocka_unit_test(test_beside_write_offs_and_refunds),
        cmocka_unit_test(test_one_payment_by_hand_is_confirmed_once),
        cmocka_unit_test(test_two_references_are_two_payments),
        cmocka_unit_test(test_what_was_imported_is_not_paid_again),
        cmocka_unit_test(test_a_sum_gives_way_to_its_details),
        cmocka_unit_test(test_details_beyond_64_bits),
        cmocka_unit_test(test_a_file_that_says_it_twice),
        cmocka_unit_test(test_details_and_the_sum_of_a_known_entry),
        cmocka_unit_test(test_a_sum_and_its_details_in_one_file),
        cmocka_unit_test(test_payments_at_the_ends_of_the_calendar),
        cmocka_unit_test(test_details_before_their_sum),
        cmocka_unit_test(test_a_sum_that_was_dealt_with_stays),
        cmocka_unit_test(test_what_a_reversal_may_take_back),
        cmocka_unit_test(test_dollars_pay_no_refund_of_francs),
        cmocka_unit_test(test_a_statement_of_a_closed_month),
        cmocka_unit_test(test_what_nothing_explains_holds_a_month_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
