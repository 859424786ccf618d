/* SPDX-License-Identifier: Apache-2.0
 *
 * requests: see requests.h.
 */
#include "tests/sim/requests.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/reference.h"
#include "pledged/v1/catalogue.pb-c.h"
#include "pledged/v1/command.pb-c.h"
#include "tests/sim/operator.h"
#include "tests/sim/records.h"

#define IS(name_) PLEDGED__V1__COMMAND__COMMAND_##name_

enum { ARENA_BYTES = 1 << 20, FAT_REFS = 8, FAT_FILES = 16, STATEMENTS = 12 };

struct maker {
    struct pl_arena arena;
    struct dice *dice;
    const struct model *model;
    Pledged__V1__Command *command;
    bool alone; /* a command of a batch brings no records */
    size_t record[REQUEST_RECORDS_MAX], records;
};

static void *take(struct maker *maker, size_t size)
{
    void *made = pl_arena_alloc(&maker->arena, size);
    if (made == NULL)
        abort();
    return made;
}

static char *text(struct maker *maker, const char *words)
{
    char *made = pl_arena_strdup(&maker->arena, words);
    if (made == NULL)
        abort();
    return made;
}

static char *id_of(struct maker *maker, char letter, size_t known)
{
    /* now and then one that does not exist */
    size_t number = 1 + dice_below(maker->dice, known + (dice_below(maker->dice, 20) == 0));
    char *made = pl_arena_printf(&maker->arena, "%c%06zu", letter, number == 0 ? 1 : number);
    if (made == NULL)
        abort();
    return made;
}

#define STAGE_BIT(name_) (1u << PLEDGED__V1__STAGE__STAGE_##name_)

/* Mostly a pledge in one of these stages, so that the command comes to something. */
static char *pledge_in(struct maker *maker, unsigned stages)
{
    const struct model *model = maker->model;
    size_t first = dice_below(maker->dice, model->pledges);
    bool any = dice_below(maker->dice, 6) == 0;
    for (size_t i = 0; i < model->pledges && !any; i++) {
        size_t number = (first + i) % model->pledges;
        if ((stages >> model_stage_at(model, number, UINT64_MAX) & 1) == 0)
            continue;
        char *made = pl_arena_printf(&maker->arena, "P%06zu", number + 1);
        return made;
    }
    return id_of(maker, 'P', model->pledges);
}

/* Mostly a bank entry with money that is free. */
static char *free_money(struct maker *maker)
{
    const struct books *books = &maker->model->books;
    size_t first = dice_below(maker->dice, books->banks);
    bool any = dice_below(maker->dice, 6) == 0;
    for (size_t i = 0; i < books->banks && !any; i++) {
        size_t number = (first + i) % books->banks;
        if (books_free(books, number) > 0)
            return pl_arena_printf(&maker->arena, "B%06zu", number + 1);
    }
    return id_of(maker, 'B', books->banks);
}

/* Mostly the newest: the others have their place by now. */
static char *some_contributor(struct maker *maker)
{
    size_t known = maker->model->contributors;
    if (known == 0 || dice_below(maker->dice, 3) == 0)
        return id_of(maker, 'C', known);
    return pl_arena_printf(&maker->arena, "C%06zu", known);
}

/* Mostly the newest debit that nothing has explained. */
static char *some_debit(struct maker *maker)
{
    const struct books *books = &maker->model->books;
    for (size_t i = books->banks; i > 0 && dice_below(maker->dice, 12) != 0; i--) {
        if (books->bank[i - 1].debit && !books->bank[i - 1].gone)
            return pl_arena_printf(&maker->arena, "B%06zu", i);
    }
    return id_of(maker, 'B', books->banks);
}

static char *some_tier(struct maker *maker)
{
    static const char *const code[] = {"top", "top", "duo", "duo", "many", "many"};
    return text(maker, code[dice_below(maker->dice, 6)]);
}

static void add_document(struct maker *maker, size_t count)
{
    static uint8_t sha256[32] = {1, 2, 3};
    maker->command->evidence = take(maker, count * sizeof(*maker->command->evidence));
    maker->command->n_evidence = count;
    for (size_t i = 0; i < count; i++) {
        Pledged__V1__Document *document = take(maker, sizeof(*document));
        pledged__v1__document__init(document);
        document->sha256 = (ProtobufCBinaryData){32, sha256};
        document->bytes = 12;
        document->kind = text(maker, "agreement");
        maker->command->evidence[i] = document;
    }
}

static void fatten(struct maker *maker)
{
    char *words = take(maker, 1001);
    memset(words, 'x', 1000);
    maker->command->reason = words;
    add_document(maker, FAT_FILES);
    for (size_t i = 0; i < FAT_FILES; i++) {
        char *place = take(maker, 121);
        memset(place, 'y', 120);
        maker->command->evidence[i]->filed_as = place;
    }
}

static void make_contributor(struct maker *maker)
{
    Pledged__V1__AddContributor *body = take(maker, sizeof(*body));
    pledged__v1__add_contributor__init(body);
    body->name = pl_arena_printf(&maker->arena, "Name %" PRIx64, dice_roll(maker->dice));
    body->kind = PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_GOVERNMENT;
    maker->command->command_case = IS(ADD_CONTRIBUTOR);
    maker->command->add_contributor = body;
}

static void make_hold(struct maker *maker)
{
    Pledged__V1__Hold *body = take(maker, sizeof(*body));
    pledged__v1__hold__init(body);
    body->tier = some_tier(maker);
    body->contributor = some_contributor(maker);
    body->until_case = PLEDGED__V1__HOLD__UNTIL_FOR_S;
    body->for_s = 1 + (int64_t)dice_below(maker->dice, 10);
    maker->command->command_case = IS(HOLD);
    maker->command->hold = body;
}

static void make_wait(struct maker *maker)
{
    Pledged__V1__Wait *body = take(maker, sizeof(*body));
    pledged__v1__wait__init(body);
    body->tier = some_tier(maker);
    body->contributor = some_contributor(maker);
    maker->command->command_case = IS(WAIT);
    maker->command->wait = body;
}

static Pledged__V1__Money *money(struct maker *maker)
{
    Pledged__V1__Money *made = take(maker, sizeof(*made));
    pledged__v1__money__init(made);
    made->minor =
        1 + (int64_t)dice_below(maker->dice, dice_below(maker->dice, 2) == 0 ? 20000000 : 2000000);
    made->currency = text(maker, "CHF");
    return made;
}

static void make_submit(struct maker *maker)
{
    Pledged__V1__Submit *body = take(maker, sizeof(*body));
    pledged__v1__submit__init(body);
    maker->command->command_case = IS(SUBMIT);
    maker->command->submit = body;
    if (maker->model->pledges != 0 && dice_below(maker->dice, 3) == 0) {
        body->pledge = pledge_in(maker, STAGE_BIT(HELD));
        return;
    }
    body->contributor = some_contributor(maker);
    if (dice_below(maker->dice, 2) == 0) {
        body->offer_case = PLEDGED__V1__SUBMIT__OFFER_FREE;
        body->free = true;
        body->amount = money(maker);
        return;
    }
    body->offer_case = PLEDGED__V1__SUBMIT__OFFER_TIER;
    body->tier = some_tier(maker);
}

/* Days on both sides of the first month that can be closed. */
static char *some_day(struct maker *maker)
{
    static const char *const day[] = {"2026-01-15", "2026-01-31", "2026-02-01", "2026-02-02"};
    return text(maker, day[dice_below(maker->dice, 4)]);
}

static char *bank_ref(struct maker *maker, unsigned number)
{
    char *made = pl_arena_printf(&maker->arena, "BANK-%04u", number);
    if (made == NULL)
        abort();
    return made;
}

/* --- persons --- */

/* The next record that the command names. */
static ProtobufCBinaryData commitment(struct maker *maker, size_t record)
{
    if (maker->records == REQUEST_RECORDS_MAX)
        abort();
    maker->record[maker->records++] = record;
    uint8_t *made = take(maker, RECORD_KEY);
    memcpy(made, records_at(record)->commitment, RECORD_KEY);
    return (ProtobufCBinaryData){RECORD_KEY, made};
}

static void make_erasure(struct maker *maker)
{
    Pledged__V1__EraseContact *body = take(maker, sizeof(*body));
    pledged__v1__erase_contact__init(body);
    uint64_t whom = dice_below(maker->dice, 4);
    if (whom == 0)
        body->contributor = some_contributor(maker);
    else if (whom == 1)
        body->bank_entry = id_of(maker, 'B', maker->model->books.banks);
    else
        body->contact = id_of(maker, 'K', records_contacts());
    maker->command->command_case = IS(ERASE_CONTACT);
    maker->command->erase_contact = body;
}

static void make_legal_hold(struct maker *maker)
{
    Pledged__V1__SetLegalHold *body = take(maker, sizeof(*body));
    pledged__v1__set_legal_hold__init(body);
    body->contributor = some_contributor(maker);
    body->on = dice_below(maker->dice, 3) == 0;
    maker->command->command_case = IS(SET_LEGAL_HOLD);
    maker->command->set_legal_hold = body;
}

static void make_person(struct maker *maker)
{
    uint64_t what = dice_below(maker->dice, 20);
    if (what == 0) {
        make_legal_hold(maker);
        return;
    }
    if (what < 9 || !maker->alone) {
        make_erasure(maker);
        return;
    }
    Pledged__V1__RecordContact *body = take(maker, sizeof(*body));
    pledged__v1__record_contact__init(body);
    body->contributor = some_contributor(maker);
    body->commitment = commitment(maker, records_contact());
    maker->command->command_case = IS(RECORD_CONTACT);
    maker->command->record_contact = body;
}

/* --- statements: what a bank says of movement number n is the same for ever --- */

struct told {
    int64_t minor;
    Pledged__V1__MovementKind kind;
    unsigned meant; /* pledge (a debit: refund) that it names; 0: none */
};

static struct told movement_told(unsigned number)
{
    static const struct told tells[] = {
        {15000000, PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT, 1},
        {4000000, PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT, 0},
        {-4000000, PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_RETURN, 0},
        {20000000, PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT, 1},
        {-4000000, PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT, 1},
        {-1250, PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_CHARGE, 0},
    };
    struct told told = tells[number % 6];
    told.meant = told.meant != 0 ? 1 + number % 7 : 0;
    return told;
}

static Pledged__V1__Movement *movement(struct maker *maker, unsigned number)
{
    struct told told = movement_told(number);
    Pledged__V1__Movement *made = take(maker, sizeof(*made));
    pledged__v1__movement__init(made);
    made->kind = told.kind;
    made->minor = told.minor;
    made->booking_date = made->value_date =
        text(maker, number % 3 == 0 ? "2026-01-30" : "2026-02-01");
    made->bank_ref = bank_ref(maker, number);
    if (told.meant != 0 && told.minor < 0) {
        made->end_to_end_id = pl_arena_printf(&maker->arena, "R%06u", told.meant);
    } else if (told.meant != 0) {
        char reference[PL_REFERENCE_BYTES];
        made->reference = text(maker, pl_reference_scor(told.meant, reference));
    }
    return made;
}

/* Statement s has the movements 2s to 2s+2, so that neighbours share one. */
static Pledged__V1__BankStatement *statement(struct maker *maker, unsigned number)
{
    Pledged__V1__BankStatement *made = take(maker, sizeof(*made));
    pledged__v1__bank_statement__init(made);
    made->kind = PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT;
    made->account = text(maker, OPERATOR_ACCOUNT);
    made->currency = text(maker, "CHF");
    made->id = pl_arena_printf(&maker->arena, "STM-%u", number);
    made->created = text(maker, "2026-02-02");
    made->opening_minor = 100000000;
    made->closing_minor = made->opening_minor;
    made->movement = take(maker, 3 * sizeof(*made->movement));
    bool known = maker->alone && records_on() && dice_below(maker->dice, 2) == 0;
    for (unsigned i = 0; i < 3; i++) {
        made->movement[i] = movement(maker, 2 * number + i);
        if (known) /* who paid, salted anew each time that the statement is read */
            made->movement[i]->detail_commitment = commitment(maker, records_payer());
        made->closing_minor += made->movement[i]->minor;
    }
    made->n_movement = 3;
    if (dice_below(maker->dice, 20) == 0) { /* it says something else than before */
        made->opening_minor++;
        made->closing_minor++;
    }
    return made;
}

static void make_import(struct maker *maker)
{
    static uint8_t sha256[32] = {4};
    Pledged__V1__ImportStatement *body = take(maker, sizeof(*body));
    pledged__v1__import_statement__init(body);
    body->file_sha256 = (ProtobufCBinaryData){32, sha256};
    body->message_id = text(maker, "MSG");
    body->n_statement = 1 + dice_below(maker->dice, 2);
    body->statement = take(maker, body->n_statement * sizeof(*body->statement));
    for (size_t i = 0; i < body->n_statement; i++)
        body->statement[i] = statement(maker, (unsigned)dice_below(maker->dice, STATEMENTS));
    maker->command->command_case = IS(IMPORT_STATEMENT);
    maker->command->import_statement = body;
}

/* --- money --- */

/* Not always the whole: NULL is "as much as there is". */
static Pledged__V1__Money *part_of(struct maker *maker)
{
    return dice_below(maker->dice, 2) == 0 ? NULL : money(maker);
}

static void make_payment(struct maker *maker)
{
    Pledged__V1__Pay *body = take(maker, sizeof(*body));
    pledged__v1__pay__init(body);
    const struct books *books = &maker->model->books;
    maker->command->command_case = IS(PAY);
    maker->command->pay = body;
    body->value_date = some_day(maker);
    if (books->refunds != 0 && dice_below(maker->dice, 3) == 0) {
        size_t refund = dice_below(maker->dice, books->refunds);
        body->refund = pl_arena_printf(&maker->arena, "R%06zu", refund + 1);
        body->amount = money(maker);
        if (dice_below(maker->dice, 8) != 0)
            body->amount->minor = books->refund[refund].amount;
        return;
    }
    body->pledge = pledge_in(maker, STAGE_BIT(PLEDGED) | STAGE_BIT(COMMITTED));
    body->amount = money(maker);
    if (dice_below(maker->dice, 2) == 0)
        return;
    /* what a statement tells too, or will */
    unsigned number = (unsigned)dice_below(maker->dice, 2 * STATEMENTS);
    body->bank_ref = bank_ref(maker, number);
    if (movement_told(number).minor > 0)
        body->amount->minor = movement_told(number).minor;
}

static void make_allocation(struct maker *maker)
{
    Pledged__V1__Allocate *body = take(maker, sizeof(*body));
    pledged__v1__allocate__init(body);
    body->bank_entry = free_money(maker);
    body->pledge = pledge_in(maker, STAGE_BIT(PLEDGED) | STAGE_BIT(COMMITTED));
    body->amount = part_of(maker);
    maker->command->command_case = IS(ALLOCATE);
    maker->command->allocate = body;
}

static void make_reallocation(struct maker *maker)
{
    const struct books *books = &maker->model->books;
    Pledged__V1__Reallocate *body = take(maker, sizeof(*body));
    pledged__v1__reallocate__init(body);
    body->seq = books->parts == 0 ? 1 : books->part[dice_below(maker->dice, books->parts)].seq;
    body->pledge = pledge_in(maker, STAGE_BIT(PLEDGED) | STAGE_BIT(COMMITTED));
    body->amount = part_of(maker);
    maker->command->command_case = IS(REALLOCATE);
    maker->command->reallocate = body;
    add_document(maker, 1);
}

static void make_conversion(struct maker *maker)
{
    Pledged__V1__Convert *body = take(maker, sizeof(*body));
    pledged__v1__convert__init(body);
    body->bank_entry = free_money(maker);
    body->amount = part_of(maker);
    maker->command->command_case = IS(CONVERT);
    maker->command->convert = body;
    add_document(maker, 1);
}

static void make_refund(struct maker *maker)
{
    const struct books *books = &maker->model->books;
    if (books->refunds != 0 && dice_below(maker->dice, 4) == 0) {
        Pledged__V1__CancelRefund *body = take(maker, sizeof(*body));
        pledged__v1__cancel_refund__init(body);
        body->refund = id_of(maker, 'R', books->refunds);
        maker->command->command_case = IS(CANCEL_REFUND);
        maker->command->cancel_refund = body;
        return;
    }
    if (books->refunds != 0 && dice_below(maker->dice, 4) == 0) {
        Pledged__V1__MatchRefund *body = take(maker, sizeof(*body));
        pledged__v1__match_refund__init(body);
        body->refund = id_of(maker, 'R', books->refunds);
        body->bank_entry = dice_below(maker->dice, 3) != 0 ? some_debit(maker) : free_money(maker);
        maker->command->command_case = IS(MATCH_REFUND);
        maker->command->match_refund = body;
        return;
    }
    if (dice_below(maker->dice, 6) == 0) {
        Pledged__V1__BookCharge *body = take(maker, sizeof(*body));
        pledged__v1__book_charge__init(body);
        body->bank_entry = dice_below(maker->dice, 4) != 0 ? some_debit(maker) : free_money(maker);
        maker->command->command_case = IS(BOOK_CHARGE);
        maker->command->book_charge = body;
        return;
    }
    Pledged__V1__Refund *body = take(maker, sizeof(*body));
    pledged__v1__refund__init(body);
    body->bank_entry = free_money(maker);
    body->amount = part_of(maker);
    body->other_payee = dice_below(maker->dice, 8) == 0;
    maker->command->command_case = IS(REFUND);
    maker->command->refund = body;
    add_document(maker, 1);
}

static void make_waiver(struct maker *maker)
{
    if (dice_below(maker->dice, 2) == 0) {
        Pledged__V1__WriteOff *body = take(maker, sizeof(*body));
        pledged__v1__write_off__init(body);
        body->pledge = pledge_in(maker, STAGE_BIT(COMMITTED));
        body->amount = part_of(maker);
        maker->command->command_case = IS(WRITE_OFF);
        maker->command->write_off = body;
        return;
    }
    const struct books *books = &maker->model->books;
    Pledged__V1__AcceptDifference *body = take(maker, sizeof(*body));
    pledged__v1__accept_difference__init(body);
    body->bank_entry = id_of(maker, 'B', books->banks);
    body->pledge = id_of(maker, 'P', maker->model->pledges);
    if (books->parts != 0 && dice_below(maker->dice, 4) != 0) { /* one that does pay for it */
        const struct book_part *part = &books->part[dice_below(maker->dice, books->parts)];
        body->bank_entry = pl_arena_printf(&maker->arena, "B%06zu", part->bank + 1);
        body->pledge = pl_arena_printf(&maker->arena, "P%06zu", part->pledge + 1);
    }
    body->kind = PLEDGED__V1__DIFFERENCE_KIND__DIFFERENCE_KIND_FEE;
    body->amount = part_of(maker);
    maker->command->command_case = IS(ACCEPT_DIFFERENCE);
    maker->command->accept_difference = body;
}

/* Entry that says that some refund was paid; if it was not, the first one of the ledger. */
static uint64_t paid_entry(struct maker *maker)
{
    const struct books *books = &maker->model->books;
    uint64_t seq = books->refund[dice_below(maker->dice, books->refunds)].paid_seq;
    return seq != 0 ? seq : 1;
}

/* Entry that closed some pledge; where none is closed, the first one of the ledger. */
static uint64_t closing_entry(struct maker *maker)
{
    const struct model *model = maker->model;
    size_t from = dice_below(maker->dice, model->pledges + 1);
    for (size_t i = 0; i < model->pledges; i++) {
        const struct model_pledge *pledge = &model->pledge[(from + i) % model->pledges];
        for (int step = 0; step < pledge->steps; step++) {
            if (pledge->course[step].stage == PLEDGED__V1__STAGE__STAGE_CLOSED)
                return pledge->course[step].seq;
        }
    }
    return 1;
}

static void make_reversal(struct maker *maker)
{
    const struct books *books = &maker->model->books;
    if (dice_below(maker->dice, 3) == 0) {
        Pledged__V1__MatchReversal *body = take(maker, sizeof(*body));
        pledged__v1__match_reversal__init(body);
        body->bank_entry = some_debit(maker);
        body->original = id_of(maker, 'B', books->banks);
        maker->command->command_case = IS(MATCH_REVERSAL);
        maker->command->match_reversal = body;
        return;
    }
    Pledged__V1__Reverse *body = take(maker, sizeof(*body));
    pledged__v1__reverse__init(body);
    uint64_t which = dice_below(maker->dice, 6);
    body->seq = 1 + dice_below(maker->dice, maker->model->entries + 1);
    if (which == 0 && books->parts != 0)
        body->seq = books->part[dice_below(maker->dice, books->parts)].seq;
    else if (which == 1 && books->waivers != 0)
        body->seq = books->waiver[dice_below(maker->dice, books->waivers)].seq;
    else if (which == 2 && books->refunds != 0)
        body->seq = paid_entry(maker);
    else if (which == 3 && books->charges != 0)
        body->seq = books->charge[dice_below(maker->dice, books->charges)].seq;
    else if (which == 4)
        body->seq = closing_entry(maker);
    else if (books->banks != 0)
        body->seq = books->bank[dice_below(maker->dice, books->banks)].seq;
    maker->command->command_case = IS(REVERSE);
    maker->command->reverse = body;
}

/* --- two persons, and months --- */

static void make_decision(struct maker *maker)
{
    const struct books *books = &maker->model->books;
    if (books->proposals == 0 && dice_below(maker->dice, 10) != 0) {
        make_payment(maker);
        return;
    }
    uint64_t seq = 1 + dice_below(maker->dice, maker->model->entries + 1);
    if (books->proposals != 0 && dice_below(maker->dice, 10) != 0) {
        /* mostly the newest */
        size_t back = dice_below(maker->dice, books->proposals < 4 ? books->proposals : 4);
        seq = books->proposal[books->proposals - 1 - back].seq;
    }
    if (dice_below(maker->dice, 4) != 0) {
        Pledged__V1__Approve *body = take(maker, sizeof(*body));
        pledged__v1__approve__init(body);
        body->seq = seq;
        maker->command->command_case = IS(APPROVE);
        maker->command->approve = body;
        return;
    }
    Pledged__V1__Reject *body = take(maker, sizeof(*body));
    pledged__v1__reject__init(body);
    body->seq = seq;
    maker->command->command_case = IS(REJECT);
    maker->command->reject = body;
}

static void make_period(struct maker *maker)
{
    static const char *const months[] = {"2025-11", "2025-12", "2026-01", "2026-02"};
    static uint8_t root[32] = {6};
    char *month = text(maker, months[dice_below(maker->dice, 4)]);
    if (dice_below(maker->dice, 3) == 0) {
        Pledged__V1__ReopenPeriod *body = take(maker, sizeof(*body));
        pledged__v1__reopen_period__init(body);
        body->period = month;
        maker->command->command_case = IS(REOPEN_PERIOD);
        maker->command->reopen_period = body;
        return;
    }
    Pledged__V1__ClosePeriod *body = take(maker, sizeof(*body));
    pledged__v1__close_period__init(body);
    body->period = month;
    body->head_size = maker->model->entries;
    body->head_root = (ProtobufCBinaryData){32, root};
    body->waive = dice_below(maker->dice, 2) == 0;
    maker->command->command_case = IS(CLOSE_PERIOD);
    maker->command->close_period = body;
}

static void make_close(struct maker *maker)
{
    Pledged__V1__Close *body = take(maker, sizeof(*body));
    pledged__v1__close__init(body);
    body->pledge = pledge_in(maker, STAGE_BIT(COMMITTED));
    maker->command->command_case = IS(CLOSE);
    maker->command->close = body;
}

/* More, or no more than this, is promised: mostly about what is paid, or was at a time. */
static void make_amendment(struct maker *maker)
{
    const struct books *books = &maker->model->books;
    Pledged__V1__AmendPledge *body = take(maker, sizeof(*body));
    pledged__v1__amend_pledge__init(body);
    body->pledge = pledge_in(maker, STAGE_BIT(COMMITTED));
    body->amount = money(maker);
    if (books->parts != 0 && dice_below(maker->dice, 3) != 0) {
        const struct book_part *part = &books->part[dice_below(maker->dice, books->parts)];
        body->pledge = pl_arena_printf(&maker->arena, "P%06zu", part->pledge + 1);
        body->amount->minor = part->amount + (int64_t)dice_below(maker->dice, 3) - 1;
        if (dice_below(maker->dice, 2) == 0 || body->amount->minor < 1)
            body->amount->minor += maker->model->pledge[part->pledge].amount;
    }
    maker->command->command_case = IS(AMEND_PLEDGE);
    maker->command->amend_pledge = body;
    add_document(maker, 1);
    if (dice_below(maker->dice, 2) == 0)
        maker->command->effective_date = some_day(maker);
}

/* What a finance desk does all day. */
static void make_finance(struct maker *maker)
{
    static void (*const makers[])(struct maker * maker) = {
        make_payment,    make_payment,    make_payment, make_import,   make_import,
        make_allocation, make_allocation, make_refund,  make_refund,   make_reallocation,
        make_conversion, make_waiver,     make_waiver,  make_reversal, make_decision,
        make_decision,   make_decision,   make_period,  make_close,    make_amendment,
    };
    makers[dice_below(maker->dice, sizeof(makers) / sizeof(makers[0]))](maker);
    if (dice_below(maker->dice, 6) == 0)
        maker->command->effective_date = some_day(maker);
}

static void make_ending(struct maker *maker)
{
    uint64_t kind = dice_below(maker->dice, 5);
    char *pledge = pledge_in(maker, kind >= 3   ? STAGE_BIT(PLEDGED)
                                    : kind == 1 ? STAGE_BIT(COMMITTED)
                                                : STAGE_BIT(PLEDGED) | STAGE_BIT(HELD));
    if (kind >= 3) {
        Pledged__V1__Commit *body = take(maker, sizeof(*body));
        pledged__v1__commit__init(body);
        body->pledge = pledge;
        maker->command->command_case = IS(COMMIT);
        maker->command->commit = body;
        add_document(maker, 1);
    } else if (kind == 1) {
        Pledged__V1__Cancel *body = take(maker, sizeof(*body));
        pledged__v1__cancel__init(body);
        body->pledge = pledge;
        body->money_plan = PLEDGED__V1__MONEY_PLAN__MONEY_PLAN_REFUND;
        maker->command->command_case = IS(CANCEL);
        maker->command->cancel = body;
        add_document(maker, 1);
    } else {
        Pledged__V1__Withdraw *body = take(maker, sizeof(*body));
        pledged__v1__withdraw__init(body);
        body->pledge = pledge;
        maker->command->command_case = IS(WITHDRAW);
        maker->command->withdraw = body;
    }
}

static void choose(struct maker *maker)
{
    uint64_t dice = dice_below(maker->dice, 100);
    if (maker->model->contributors == 0 || dice < 10)
        make_contributor(maker);
    else if (records_wanted())
        make_person(maker);
    else if (dice < 25)
        make_hold(maker);
    else if (dice < 28)
        make_wait(maker);
    else if (dice < 45 || maker->model->pledges == 0)
        make_submit(maker);
    else if (dice < 85)
        make_finance(maker);
    else
        make_ending(maker);
}

static void begin(struct maker *maker, struct dice *dice, const struct model *model)
{
    maker->dice = dice;
    maker->model = model;
    maker->alone = false;
    maker->records = 0;
    pl_arena_init(&maker->arena, ARENA_BYTES);
    maker->command = take(maker, sizeof(*maker->command));
    pledged__v1__command__init(maker->command);
    maker->command->reason = text(maker, "a reason");
}

/* Packs the command under a new request id, and lets the maker go. */
static void end(struct maker *maker, struct request *request)
{
    struct request_item *item = &request->item[request->count++];
    for (size_t i = 0; i < MODEL_ID; i += 8) {
        uint64_t word = dice_roll(maker->dice);
        memcpy(item->id + i, &word, 8);
    }
    maker->command->request_id = (ProtobufCBinaryData){MODEL_ID, item->id};
    item->command_case = (int)maker->command->command_case;
    item->records = maker->records;
    memcpy(item->record, maker->record, sizeof(item->record));
    item->len = pledged__v1__command__get_packed_size(maker->command);
    item->bytes = malloc(item->len + 1);
    if (item->bytes == NULL)
        abort();
    (void)pledged__v1__command__pack(maker->command, item->bytes);
    pl_arena_fini(&maker->arena);
}

void request_make(struct request *request, struct dice *dice, const struct model *model,
                  enum request_size size)
{
    size_t count = size != REQUEST_ANY        ? 20 + dice_below(dice, REQUEST_ITEMS_MAX - 20)
                   : dice_below(dice, 8) == 0 ? 1 + dice_below(dice, 5)
                                              : 1;
    request->count = 0;
    while (request->count < count) {
        struct maker maker;
        begin(&maker, dice, model);
        maker.alone = count == 1;
        choose(&maker);
        if (size == REQUEST_FAT)
            fatten(&maker);
        end(&maker, request);
    }
}

void request_plain(struct request *request, struct dice *dice)
{
    struct maker maker;
    request->count = 0;
    begin(&maker, dice, NULL);
    make_contributor(&maker);
    end(&maker, request);
}

/* --- the catalogue: top (1 place), duo (2), many (no limit) --- */

static Pledged__V1__Text **texts(struct maker *maker, const char *words)
{
    Pledged__V1__Text **list = take(maker, sizeof(*list));
    list[0] = take(maker, sizeof(**list));
    pledged__v1__text__init(list[0]);
    list[0]->lang = text(maker, "fr");
    list[0]->text = text(maker, words);
    list[0]->authentic = true;
    return list;
}

static Pledged__V1__Tier *tier(struct maker *maker, const char *code, int64_t places)
{
    Pledged__V1__Tier *made = take(maker, sizeof(*made));
    pledged__v1__tier__init(made);
    made->code = text(maker, code);
    made->group = text(maker, "all");
    made->n_label = 1;
    made->label = texts(maker, code);
    made->capacity = take(maker, sizeof(*made->capacity));
    pledged__v1__count__init(made->capacity);
    made->capacity->value_case =
        places < 0 ? PLEDGED__V1__COUNT__VALUE_UNLIMITED : PLEDGED__V1__COUNT__VALUE_COUNT;
    if (places < 0)
        made->capacity->unlimited = true;
    else
        made->capacity->count = places;
    made->price_case = PLEDGED__V1__TIER__PRICE_AMOUNT;
    made->amount = take(maker, sizeof(*made->amount));
    pledged__v1__money__init(made->amount);
    made->amount->minor = 15000000;
    made->amount->currency = text(maker, "CHF");
    return made;
}

static Pledged__V1__Catalogue *catalogue(struct maker *maker)
{
    Pledged__V1__Catalogue *made = take(maker, sizeof(*made));
    pledged__v1__catalogue__init(made);
    made->code = text(maker, "test-2026");
    made->version = 1;
    made->n_title = 1;
    made->title = texts(maker, "essai");
    made->fund = take(maker, sizeof(*made->fund));
    pledged__v1__fund__init(made->fund);
    made->fund->currency = text(maker, "CHF");
    made->fund->n_name = 1;
    made->fund->name = texts(maker, "fonds");
    made->n_group = 1;
    made->group = take(maker, sizeof(*made->group));
    made->group[0] = take(maker, sizeof(**made->group));
    pledged__v1__group__init(made->group[0]);
    made->group[0]->code = text(maker, "all");
    made->group[0]->n_label = 1;
    made->group[0]->label = texts(maker, "tous");
    made->n_tier = 3;
    made->tier = take(maker, 3 * sizeof(*made->tier));
    made->tier[0] = tier(maker, "top", 1);
    made->tier[1] = tier(maker, "duo", 2);
    made->tier[2] = tier(maker, "many", -1);
    made->policy = take(maker, sizeof(*made->policy));
    pledged__v1__catalogue_policy__init(made->policy);
    made->policy->hold_default_s = 5;
    made->policy->hold_max_s = 60 * 86400;
    made->policy->hold_extensions_max = 2;
    made->policy->promotion_hold_s = 4;
    return made;
}

void request_adopt(struct request *request, struct dice *dice)
{
    struct maker maker;
    request->count = 0;
    begin(&maker, dice, NULL);
    Pledged__V1__AdoptCatalogue *body = take(&maker, sizeof(*body));
    pledged__v1__adopt_catalogue__init(body);
    body->catalogue = catalogue(&maker);
    maker.command->command_case = IS(ADOPT_CATALOGUE);
    maker.command->adopt_catalogue = body;
    end(&maker, request);
}

void request_fini(struct request *request)
{
    for (size_t i = 0; i < request->count; i++)
        free(request->item[i].bytes);
    request->count = 0;
}
