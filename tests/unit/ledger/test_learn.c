/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: in whatever order a bank's files come, the ledger has the same in the end: each movement
 * once, with all that any of its copies said; nothing is lost, and nobody who was erased comes
 * back.
 */
#include <inttypes.h>

#include "common/check.h"
#include "common/reference.h"
#include "desk.h"
#include "server/ledger/allocation.h"
#include "server/ledger/learn.h"
#include "server/ledger/movement.h"
#include "server/ledger/payer.h"
#include "server/ledger/statement.h"

#define MOVES(name_) PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_##name_
#define QUEUE(name_) PLEDGED__V1__QUEUE_REASON__QUEUE_REASON_##name_
#define NOTE         PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_NOTIFICATION
#define BOOK         PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT

enum { TOLD_MAX = 6, FILES_MAX = 5 };

/* One movement, as one file has it. Kind 0: a payment. parts: of who paid. */
struct told {
    int64_t minor;
    const char *ref, *batch, *uetr, *end_to_end;
    uint64_t pledge; /* that its reference names */
    int kind, parts;
    uint32_t batch_count;
    const char *day; /* NULL: the usual one */
    int64_t ordered; /* in dollars */
};

struct file {
    const char *id;
    int kind;
    struct told told[TOLD_MAX]; /* an amount of 0 ends them */
    uint64_t sequence;
    int64_t opening;
};

static const char *text(const char *text)
{
    return text != NULL ? text : "";
}

#define LEND(text_) ((char *)(uintptr_t)(text_))

static void fill(struct world *w, Pledged__V1__Movement *ret, const struct told *told)
{
    static uint32_t serial; /* each record has its own commitment */
    char reference[PL_REFERENCE_BYTES];
    a_movement(ret, told->kind != 0 ? (Pledged__V1__MovementKind)told->kind : MOVES(PAYMENT),
               told->minor, text(told->ref));
    ret->batch_ref = LEND(text(told->batch));
    ret->uetr = LEND(text(told->uetr));
    ret->end_to_end_id = LEND(text(told->end_to_end));
    ret->batch_count = told->batch_count;
    ret->return_reason = LEND(told->kind == MOVES(RETURN) ? "AC04" : "");
    if (told->day != NULL)
        ret->booking_date = ret->value_date = LEND(told->day);
    if (told->pledge != 0)
        ret->reference = pl_arena_strdup(&w->arena, pl_reference_scor(told->pledge, reference));
    if (told->ordered != 0) {
        ret->instructed = pl_arena_alloc(&w->arena, sizeof(*ret->instructed));
        pledged__v1__money__init(ret->instructed);
        ret->instructed->minor = told->ordered;
        ret->instructed->currency = LEND("USD");
    }
    if (told->parts != 0) {
        uint8_t *commitment = pl_arena_alloc(&w->arena, 32);
        serial++;
        memset(commitment, 0xC5, 32);
        memcpy(commitment, &serial, sizeof(serial));
        ret->detail_commitment = (ProtobufCBinaryData){32, commitment};
        ret->detail_parts = (uint32_t)told->parts;
    }
}

static void bring(struct world *w, const struct file *file)
{
    static uint8_t sha256[32], id[16];
    Pledged__V1__Movement movement[TOLD_MAX], *list[TOLD_MAX];
    Pledged__V1__BankStatement bank = PLEDGED__V1__BANK_STATEMENT__INIT, *banks[] = {&bank};
    Pledged__V1__ImportStatement body = PLEDGED__V1__IMPORT_STATEMENT__INIT;
    COMMAND_INIT_(command);
    bank.kind = (Pledged__V1__StatementKind)file->kind;
    bank.account = LEND(DESK_ACCOUNT);
    bank.currency = LEND("CHF");
    bank.id = LEND(file->id);
    bank.sequence = file->sequence;
    bank.created = LEND("2026-02-03");
    bank.opening_minor = bank.closing_minor = file->opening;
    for (size_t i = 0; i < TOLD_MAX && file->told[i].minor != 0; i++) {
        fill(w, &movement[i], &file->told[i]);
        list[bank.n_movement++] = &movement[i];
        bank.closing_minor += file->kind == BOOK ? movement[i].minor : 0;
    }
    bank.movement = list;
    body.file_sha256 = (ProtobufCBinaryData){32, sha256};
    body.n_statement = 1;
    body.statement = banks;
    w->next_request++;
    memcpy(id, &w->next_request, sizeof(w->next_request));
    command.request_id = (ProtobufCBinaryData){sizeof(id), id};
    command.command_case = COMMAND(IMPORT_STATEMENT);
    command.import_statement = &body;
    give(w, &command);
}

/* P000001 owes 150,000.00 less 1.00; P000002 150,000.00 */
static void ready(struct world *w)
{
    desk_ready(w, 100);
    commit(w, "P000002");
    world_set_rules(w, LEDGER_RULES);
    have_account(w);
}

/* --- every order --- */

/* What is in, but for numbers that the order gives. */
struct seen {
    int64_t amount, allocated, explained, meant, instructed, debit, kind, queue, levels, parts;
};
enum { SEEN_MAX = 16 };

static int by_all(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;
    for (size_t i = 0; i < sizeof(struct seen) / sizeof(*left); i++) {
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    }
    return 0;
}

static size_t look(const struct world *w, struct seen *ret)
{
    const struct ledger *ledger = w->ledger;
    size_t count = 0;
    for (size_t i = 0; i < ledger->movement_count; i++) {
        const struct state_movement *row = &ledger->movement[i];
        const struct state_bank_entry *entry = &ledger->bank_entry[row->bank_entry];
        if (entry->amount == 0)
            continue; /* a sum that gave way to its details */
        assert_true(count < SEEN_MAX);
        ret[count].amount = entry->amount;
        ret[count].debit = entry->debit;
        ret[count].allocated = entry->allocated;
        ret[count].explained = entry->amount - allocation_free(entry);
        ret[count].meant = row->meant == STATE_NONE ? -1 : (int64_t)row->meant;
        ret[count].instructed = row->instructed_minor;
        ret[count].kind = row->kind;
        ret[count].queue = statement_queue(ledger, entry);
        ret[count].levels = row->levels;
        ret[count].parts = row->parts;
        count++;
    }
    qsort(ret, count, sizeof(*ret), by_all);
    return count;
}

static void swap(size_t *a, size_t *b)
{
    size_t kept = *a;
    *a = *b;
    *b = kept;
}

/* All of them once more, in any order, bring nothing. */
static void again(struct world *w, const struct file *file, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bring(w, &file[i]);
        const Pledged__V1__StatementOutcome *outcome = told(w);
        if (!outcome->already_in || outcome->recorded + outcome->learned + outcome->completed != 0)
            fail_msg("%s is news when it comes again", file[i].id);
    }
}

static void one_order(const struct file *file, size_t count, const size_t *order, struct seen *once,
                      size_t *rows, void (*before)(struct world *w))
{
    struct world w;
    struct seen now[SEEN_MAX];
    ready(&w);
    if (before != NULL)
        before(&w);
    for (size_t i = 0; i < count; i++) {
        bring(&w, &file[order[i]]);
        assert_accepted(&w);
    }
    size_t there = look(&w, now);
    if (*rows == 0) {
        *rows = there;
        memcpy(once, now, sizeof(now));
    }
    bool same = there == *rows;
    for (size_t i = 0; same && i < there; i++)
        same = by_all(&now[i], &once[i]) == 0;
    if (!same) {
        for (size_t i = 0; i < there; i++)
            print_error(
                "%" PRId64 " allocated %" PRId64 " kind %" PRId64 " queue %" PRId64
                " levels %" PRIx64 " parts %" PRId64 " meant %" PRId64 " ordered %" PRId64 "\n",
                now[i].debit ? -now[i].amount : now[i].amount, now[i].allocated, now[i].kind,
                now[i].queue, now[i].levels, now[i].parts, now[i].meant, now[i].instructed);
        for (size_t i = 0; i < count; i++)
            print_error("%s\n", file[order[i]].id);
        fail_msg("another order, other books: %zu rows, %zu", there, *rows);
    }
    again(&w, file, count);
    assert_balanced(&w);
    world_fini(&w);
}

/* Heap's way through all of them. */
static size_t every_order(const struct file *file, size_t count, struct seen *ret,
                          void (*before)(struct world *w))
{
    size_t order[FILES_MAX] = {0}, turn[FILES_MAX] = {0}, rows = 0;
    for (size_t i = 0; i < count; i++)
        order[i] = i;
    one_order(file, count, order, ret, &rows, before);
    for (size_t i = 1; i < count;) {
        if (turn[i] >= i) {
            turn[i++] = 0;
            continue;
        }
        swap(&order[i % 2 == 0 ? 0 : turn[i]], &order[i]);
        one_order(file, count, order, ret, &rows, before);
        turn[i]++;
        i = 1;
    }
    return rows;
}

static const struct seen *seen_of(const struct seen *seen, size_t count, int64_t amount)
{
    for (size_t i = 0; i < count; i++) {
        if (seen[i].amount == amount)
            return &seen[i];
    }
    fail_msg("no movement of %" PRId64, amount);
    return NULL;
}

/* One credit in an interim report, a statement, a notification and the statement's duplicate: each
 * knows something of its own. */
static void test_copies_of_one_movement(void **state)
{
    (void)state;
    static const struct file files[] = {
        {.id = "REPORT", .kind = NOTE, .told = {{.minor = 700, .ref = "X1", .parts = LEARN_WORDS}}},
        {.id = "STATEMENT",
         .kind = BOOK,
         .told = {{.minor = 700, .ref = "X1", .ordered = 650}},
         .sequence = 4},
        {.id = "ADVICE",
         .kind = NOTE,
         .told =
             {{.minor = 700, .ref = "X1", .uetr = "U1", .end_to_end = "E1", .parts = LEARN_NAME}}},
        {.id = "PAYMENT",
         .kind = NOTE,
         .told = {{.minor = 700, .ref = "X1", .pledge = 2, .parts = LEARN_ALL_PARTS}}},
        {.id = "DUPLICATE",
         .kind = BOOK,
         .told = {{.minor = 700, .ref = "X1", .parts = LEARN_WORDS | LEARN_ACCOUNT}},
         .sequence = 9},
    };
    struct seen seen[SEEN_MAX];
    assert_int_equal(every_order(files, 5, seen, NULL), 1);
    const struct seen *credit = seen_of(seen, 1, 700);
    assert_int_equal(credit->parts, LEARN_ALL_PARTS);
    assert_int_equal(credit->meant, 1);
    assert_int_equal(credit->queue, QUEUE(AMOUNT_DIFFERS));
    assert_int_equal(credit->instructed, 650);
    assert_int_equal(credit->levels, 1 << STATE_BY_BANK_REF | 1 << STATE_BY_UETR |
                                         1 << STATE_BY_END_TO_END | 1 << STATE_BY_REFERENCE |
                                         1 << STATE_BY_CONTENT);
}

/* Single lines during the day, their sum in the evening, the details of the sum at night. */
static void test_a_batch_and_its_details(void **state)
{
    (void)state;
    static const struct file files[] = {
        {.id = "SINGLE",
         .kind = NOTE,
         .told = {{.minor = 300, .ref = "D1"}, {.minor = 400, .ref = "D2"}}},
        {.id = "SUM",
         .kind = BOOK,
         .told = {{.minor = 700, .ref = "R", .kind = MOVES(BATCH), .batch_count = 2}},
         .sequence = 4},
        {.id = "DETAILS",
         .kind = NOTE,
         .told =
             {{.minor = 300, .ref = "D1", .batch = "R", .end_to_end = "E1", .parts = LEARN_NAME},
              {.minor = 400, .ref = "D2", .batch = "R", .pledge = 1, .parts = LEARN_ALL_PARTS}}},
        {.id = "TOTAL",
         .kind = BOOK,
         .told = {{.minor = 700, .ref = "R"}},
         .sequence = 9}, /* the same, told without its number */
    };
    struct seen seen[SEEN_MAX];
    assert_int_equal(every_order(files, 4, seen, NULL), 2);
    assert_int_equal(seen_of(seen, 2, 300)->parts, LEARN_NAME);
    assert_int_equal(seen_of(seen, 2, 400)->parts, LEARN_ALL_PARTS);
    assert_int_equal(seen_of(seen, 2, 400)->meant, 0);
}

static void a_refund(struct world *w)
{
    pay(w, "P000002", 15005000, "CHF", "PAID-2");
    refund(w, "B000002", 5000, "CHF");
    assert_accepted(w);
}

/* What a debit is may be told later: the refund that it pays, that it is a return. */
static void test_returns_and_refunds(void **state)
{
    (void)state;
    static const struct file files[] = {
        {.id = "STATEMENT",
         .kind = BOOK,
         .told = {{.minor = -5000, .ref = "OUT"}, {.minor = -90, .ref = "BACK"}},
         .sequence = 4},
        {.id = "ADVICE",
         .kind = NOTE,
         .told = {{.minor = -5000, .ref = "OUT", .end_to_end = "R000001"}}},
        {.id = "RETURN",
         .kind = NOTE,
         .told = {{.minor = -90, .ref = "BACK", .kind = MOVES(RETURN), .parts = LEARN_NAME}}},
        {.id = "REPORT", .kind = NOTE, .told = {{.minor = -90, .uetr = "U9", .ref = "BACK"}}},
    };
    struct seen seen[SEEN_MAX];
    assert_int_equal(every_order(files, 4, seen, a_refund), 2);
    assert_int_equal(seen_of(seen, 2, 5000)->queue, 0);
    assert_int_equal(seen_of(seen, 2, 5000)->explained, 5000);
    assert_int_equal(seen_of(seen, 2, 90)->queue, QUEUE(RETURN));
}

/* Two statements of one day, the second one goes on where the first one ends: what looks the same
 * is twice there, whichever comes first. A third one repeats the first under another name. */
static void test_statements_that_go_on(void **state)
{
    (void)state;
    static const struct file files[] = {
        {.id = "MORNING",
         .kind = BOOK,
         .told = {{.minor = 500}, {.minor = 60, .ref = "M1"}},
         .sequence = 7,
         .opening = 1000},
        {.id = "EVENING",
         .kind = BOOK,
         .told = {{.minor = 500}, {.minor = 70, .ref = "M2"}},
         .sequence = 8,
         .opening = 1560},
        {.id = "ADVICE", .kind = NOTE, .told = {{.minor = 60, .ref = "M1", .pledge = 1}}},
    };
    struct seen seen[SEEN_MAX];
    assert_int_equal(every_order(files, 3, seen, NULL), 4);
    assert_int_equal(seen_of(seen, 4, 60)->meant, 0);
}

/* The reference comes with the second copy, and the amount is what is due: it is allocated. */
static void test_a_reference_that_fits(void **state)
{
    (void)state;
    static const struct file files[] = {
        {.id = "STATEMENT",
         .kind = BOOK,
         .told = {{.minor = 15000000, .ref = "BIG"}},
         .sequence = 4},
        {.id = "ADVICE",
         .kind = NOTE,
         .told = {{.minor = 15000000, .ref = "BIG", .pledge = 2, .parts = LEARN_NAME}}},
        {.id = "WORDS",
         .kind = NOTE,
         .told = {{.minor = 15000000, .ref = "BIG", .parts = LEARN_WORDS}}},
    };
    struct seen seen[SEEN_MAX];
    assert_int_equal(every_order(files, 3, seen, NULL), 1);
    assert_int_equal(seen[0].allocated, 15000000);
    assert_int_equal(seen[0].parts, LEARN_NAME | LEARN_WORDS);
}

/* --- who paid --- */

/* A sum was dealt with as it came: its details bring who paid each part, once. */
static void test_the_payers_of_a_sum(void **state)
{
    (void)state;
    static const struct file sum = {
        "SUM",
        BOOK,
        {{.minor = 700, .ref = "R", .kind = MOVES(BATCH), .batch_count = 2}},
        .sequence = 4,
        .opening = 0};
    static const struct file bare = {.id = "BARE",
                                     .kind = NOTE,
                                     .told = {{.minor = 300, .ref = "D1", .batch = "R"},
                                              {.minor = 400, .ref = "D2", .batch = "R"}}};
    struct file named = bare;
    struct world w;
    named.id = "NAMED";
    named.told[0].parts = LEARN_NAME;
    named.told[1].parts = LEARN_ALL_PARTS;
    ready(&w);
    bring(&w, &sum);
    allocate(&w, "B000002", "P000002", 0, NULL, 0, NULL);
    assert_accepted(&w);
    bring(&w, &bare); /* nothing is told of anybody */
    assert_int_equal(told(&w)->learned, 0);
    bring(&w, &named);
    assert_int_equal(told(&w)->learned, 2);
    assert_int_equal(told(&w)->known, 2);
    assert_int_equal(told(&w)->recorded, 0);
    assert_true(world_last(&w)->movement_learned->part);
    assert_balanced(&w);
    again(&w, &named, 1);
    named.id = "NAMED-2";
    bring(&w, &named); /* told once */
    assert_int_equal(told(&w)->learned, 0);
    erase(&w, "", "", "B000002"); /* one erasure takes both of them */
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->n_erased, 2);
    named.id = "NAMED-3";
    bring(&w, &named);
    assert_int_equal(told(&w)->learned, 0);
    assert_null(payer_record(w.ledger, state_bank_entry(w.ledger, "B000002")));
    assert_balanced(&w);
    world_fini(&w);
}

/* More parts than one erasure takes. */
static void test_more_records_than_one_erasure_takes(void **state)
{
    (void)state;
    struct world w;
    ready(&w);
    bring(&w, &(struct file){.id = "A",
                             .kind = NOTE,
                             .told = {{.minor = 700, .ref = "X1", .parts = LEARN_WORDS}}});
    assert_accepted(&w);
    uint32_t row = state_bank_entry(w.ledger, "B000002")->movement;
    for (uint32_t i = 0; i < PAYER_ERASED_MAX + 3; i++) {
        uint8_t commitment[32] = {0x77};
        memcpy(commitment + 1, &i, sizeof(i));
        payer_add(w.ledger, &w.ledger->movement[row], commitment, w.ledger->size);
    }
    erase(&w, "", "", "B000002");
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->n_erased, PAYER_ERASED_MAX);
    assert_int_equal(w.receipt->outcome->erased_left, 4);
    bring(&w, &(struct file){.id = "B",
                             .kind = NOTE,
                             .told = {{.minor = 700, .ref = "X1", .parts = LEARN_NAME}}});
    assert_int_equal(told(&w)->learned, 0); /* one that is erased closes it */
    erase(&w, "", "", "B000002");
    assert_int_equal(w.receipt->outcome->n_erased, 4);
    erase(&w, "", "", "B000002");
    assert_refused(&w, CONTACT_UNKNOWN);
    world_fini(&w);
}

/* The words alone came first, and were erased: no name comes after them, nor with the details. */
static void test_who_is_erased_does_not_come_back(void **state)
{
    (void)state;
    struct world w;
    ready(&w);
    bring(&w, &(struct file){.id = "A",
                             .kind = BOOK,
                             .told = {{.minor = 700, .ref = "X1", .parts = LEARN_WORDS},
                                      {.minor = 300,
                                       .ref = "R",
                                       .kind = MOVES(BATCH),
                                       .batch_count = 2,
                                       .parts = LEARN_WORDS}},
                             .sequence = 4});
    assert_accepted(&w);
    erase(&w, "", "", "B000002");
    erase(&w, "", "", "B000003");
    assert_accepted(&w);
    size_t records = w.ledger->erasable_count;
    bring(&w, &(struct file){
                  .id = "B",
                  .kind = NOTE,
                  .told = {{.minor = 700, .ref = "X1", .pledge = 2, .parts = LEARN_ALL_PARTS},
                           {.minor = 100, .ref = "D1", .batch = "R", .parts = LEARN_NAME},
                           {.minor = 200, .ref = "D2", .batch = "R", .parts = LEARN_NAME}}});
    assert_int_equal(told(&w)->learned, 0);
    assert_int_equal(told(&w)->completed, 1); /* the reference names nobody */
    assert_int_equal(told(&w)->recorded, 2);
    assert_int_equal(w.ledger->erasable_count, records);
    assert_balanced(&w);
    world_fini(&w);
}

/* Of two that look the same nothing is told apart. */
static void test_twins_stay_as_they_came(void **state)
{
    (void)state;
    struct world w;
    ready(&w);
    bring(&w,
          &(struct file){
              .id = "A", .kind = BOOK, .told = {{.minor = 700}, {.minor = 700}}, .sequence = 4});
    bring(&w, &(struct file){.id = "B",
                             .kind = NOTE,
                             .told = {{.minor = 700, .pledge = 1, .parts = LEARN_NAME},
                                      {.minor = 700, .pledge = 2, .parts = LEARN_NAME}}});
    assert_int_equal(told(&w)->known, 2);
    assert_int_equal(told(&w)->learned + told(&w)->completed, 0);
    assert_balanced(&w);
    world_fini(&w);
}

/* What another movement is known by stays its own, whatever a copy says. */
static void test_a_name_that_another_one_has(void **state)
{
    (void)state;
    struct world w;
    ready(&w);
    bring(&w, &(struct file){
                  .id = "A",
                  .kind = BOOK,
                  .told = {{.minor = 700, .ref = "X1"}, {.minor = 700, .ref = "Y1", .uetr = "U1"}},
                  .sequence = 4});
    bring(&w, &(struct file){
                  .id = "B", .kind = NOTE, .told = {{.minor = 700, .ref = "X1", .uetr = "U1"}}});
    assert_int_equal(told(&w)->known, 1);
    assert_int_equal(told(&w)->recorded + told(&w)->completed, 0);
    for (size_t i = 0; i < w.ledger->movement_count; i++)
        assert_int_equal(w.ledger->movement[i].levels >> STATE_BY_UETR & 1, i == 1);
    assert_balanced(&w);
    world_fini(&w);
}

/* --- replay --- */

#define BREAKS(field_, wrong_, words_)                                                             \
    do {                                                                                           \
        Pledged__V1__MovementLearned kept = *fact;                                                 \
        fact->field_ = (wrong_);                                                                   \
        assert_string_equal(ledger_check(before, entry).what, words_);                             \
        *fact = kept;                                                                              \
    } while (0)

static void test_replay(void **state)
{
    (void)state;
    struct world w;
    ready(&w);
    bring(&w, &(struct file){
                  .id = "A",
                  .kind = BOOK,
                  .told = {{.minor = 700, .ref = "X1"},
                           {.minor = 90, .ref = "Y1"},
                           {.minor = 300, .ref = "R", .kind = MOVES(BATCH), .batch_count = 2}},
                  .sequence = 4});
    bring(&w,
          &(struct file){.id = "B",
                         .kind = NOTE,
                         .told = {{.minor = 700, .ref = "X1", .pledge = 2, .parts = LEARN_NAME}}});
    assert_accepted(&w);
    Pledged__V1__Entry *entry = world_last(&w);
    Pledged__V1__MovementLearned *fact = entry->movement_learned;
    assert_int_equal(entry->fact_case, FACT(MOVEMENT_LEARNED));
    assert_int_equal(ledger_min_reader(entry), 5);
    assert_int_equal(fact->queue, QUEUE(AMOUNT_DIFFERS));
    struct ledger *before = world_before(&w, w.entry_count - 1);
    assert_true(pl_is_ok(ledger_check(before, entry)));
    BREAKS(bank_entry, LEND("B000099"), "a copy of what no statement has");
    BREAKS(bank_entry, LEND("B000001"), "a copy of what no statement has"); /* by hand */
    BREAKS(bank_entry, LEND("B000003"), "a copy of another movement, or out of its order");
    BREAKS(statement, LEND("S000009"), "a copy in a statement of something else");
    BREAKS(before_seq, 3, "a copy of another movement, or out of its order");
    BREAKS(part, true, "a part of what it is no part of, or without who paid");
    BREAKS(batch, LEND("B000004"), "the details of what has no details");
    Pledged__V1__Movement told = *fact->movement;
    fact->movement->reference = LEND("");
    fact->movement->detail_commitment.len = 0;
    assert_string_equal(ledger_check(before, entry).what, "parts of a record that there are not");
    fact->movement->detail_parts = 0;
    assert_string_equal(ledger_check(before, entry).what, "a copy that says nothing new");
    *fact->movement = told;
    fact->movement->detail_commitment.len = 3;
    assert_string_equal(ledger_check(before, entry).what,
                        "a commitment that does not fit, or is there already");
    *fact->movement = told;
    world_set_rules(&w, 15);
    before->policy.message->rules = 15;
    assert_string_equal(ledger_check(before, entry).what,
                        "a fact that the rules in force do not have");
    ledger_free(before);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_of_one_movement),
        cmocka_unit_test(test_a_batch_and_its_details),
        cmocka_unit_test(test_returns_and_refunds),
        cmocka_unit_test(test_statements_that_go_on),
        cmocka_unit_test(test_a_reference_that_fits),
        cmocka_unit_test(test_the_payers_of_a_sum),
        cmocka_unit_test(test_more_records_than_one_erasure_takes),
        cmocka_unit_test(test_who_is_erased_does_not_come_back),
        cmocka_unit_test(test_twins_stay_as_they_came),
        cmocka_unit_test(test_a_name_that_another_one_has),
        cmocka_unit_test(test_replay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
