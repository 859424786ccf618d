/* SPDX-License-Identifier: Apache-2.0
 *
 * books: see books.h.
 */
#include "tests/sim/books.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/sim/model.h"

#define IS(name_)       PLEDGED__V1__ENTRY__FACT_##name_
#define STAGE_IS(name_) PLEDGED__V1__STAGE__STAGE_##name_
#define CLASS(name_)    PLEDGED__V1__COMMAND_CLASS__COMMAND_CLASS_##name_
#define ENTRY           "entry %" PRIu64 ": "
#define EXPIRY_SLACK_US 1000 /* entries of one turn are a microsecond apart */

void books_fini(struct books *books)
{
    free(books->bank);
    free(books->part);
    free(books->waiver);
    free(books->word);
    free(books->refund);
    free(books->charge);
    free(books->back);
    free(books->proposal);
    free(books->statement);
    free(books->closing);
    memset(books, 0, sizeof(*books));
}

/* --- days --- */

static void day_of_us(int64_t time_us, char day[BOOKS_DAY])
{
    time_t seconds = (time_t)(time_us / 1000000);
    struct tm parts;
    (void)gmtime_r(&seconds, &parts);
    (void)strftime(day, BOOKS_DAY, "%Y-%m-%d", &parts);
}

static void month_of_us(int64_t time_us, char month[BOOKS_MONTH])
{
    char day[BOOKS_DAY];
    day_of_us(time_us, day);
    (void)snprintf(month, BOOKS_MONTH, "%.7s", day);
}

/* The business day of an entry. */
static void day_of(const Pledged__V1__Entry *e, char ret[BOOKS_DAY])
{
    const char *day = e->effective_date;
    if (e->fact_case == IS(PAYMENT_RECORDED))
        day = e->payment_recorded->value_date;
    else if (e->fact_case == IS(BANK_ENTRY_RECORDED))
        day = e->bank_entry_recorded->movement->value_date;
    else if (e->fact_case == IS(REFUND_PAID))
        day = e->refund_paid->value_date;
    else if (e->fact_case == IS(REFUND_RETURNED))
        day = e->refund_returned->value_date;
    else if (e->fact_case == IS(CHARGE_BOOKED))
        day = e->charge_booked->value_date;
    if (day[0] == '\0')
        day_of_us(e->time_us, ret);
    else
        (void)snprintf(ret, BOOKS_DAY, "%s", day);
}

/* --- sums, from the start each time --- */

int64_t books_settled(const struct books *books, size_t pledge)
{
    int64_t sum = 0;
    for (size_t i = 0; i < books->parts; i++)
        sum +=
            books->part[i].pledge == pledge && !books->part[i].undone ? books->part[i].amount : 0;
    return sum;
}

int64_t books_forgiven(const struct books *books, size_t pledge)
{
    int64_t sum = 0;
    for (size_t i = 0; i < books->waivers; i++)
        sum += books->waiver[i].pledge == pledge && !books->waiver[i].undone
                   ? books->waiver[i].amount
                   : 0;
    return sum;
}

/* Of a bank entry: allocated, or set aside to be paid back, or (a debit) paid by it, or a charge,
 * or what came back. */
static int64_t used(const struct books *books, size_t bank)
{
    int64_t sum = 0;
    for (size_t i = 0; i < books->parts; i++)
        sum += books->part[i].bank == bank && !books->part[i].undone ? books->part[i].amount : 0;
    for (size_t i = 0; i < books->refunds; i++) {
        const struct book_refund *refund = &books->refund[i];
        bool aside = refund->bank == bank && refund->state != BOOK_CANCELLED;
        bool paid = refund->state == BOOK_PAID && refund->debit == bank;
        sum += aside || paid ? refund->amount : 0;
    }
    for (size_t i = 0; i < books->charges; i++)
        sum += books->charge[i].debit == bank && !books->charge[i].undone ? books->charge[i].amount
                                                                          : 0;
    for (size_t i = 0; i < books->backs; i++) {
        const struct book_back *back = &books->back[i];
        sum += !back->undone && (back->credit == bank || back->debit == bank) ? back->arrived : 0;
    }
    return sum;
}

int64_t books_free(const struct books *books, size_t bank)
{
    const struct book_bank *entry = &books->bank[bank];
    return entry->debit || entry->gone ? 0 : entry->amount - used(books, bank);
}

static bool sums_fit(struct model *model, uint64_t seq)
{
    const struct books *books = &model->books;
    for (size_t i = 0; i < books->banks; i++) {
        int64_t sum = used(books, i);
        if (sum > books->bank[i].amount || (books->bank[i].gone && sum != 0))
            return model_wrong(model, ENTRY "%" PRId64 " used of B%06zu, which has %" PRId64, seq,
                               sum, i + 1, books->bank[i].gone ? 0 : books->bank[i].amount);
    }
    for (size_t i = 0; i < model->pledges; i++) {
        int64_t sum = books_settled(books, i) + books_forgiven(books, i);
        if (sum > model->pledge[i].amount)
            return model_wrong(model,
                               ENTRY "P%06zu is settled for %" PRId64 ", promised is %" PRId64, seq,
                               i + 1, sum, model->pledge[i].amount);
    }
    return true;
}

/* --- money that comes --- */

/* One movement of the bank is in the books once: its reference, amount and direction. */
static bool is_new(struct model *model, uint64_t seq, const char *bank_ref, int64_t amount)
{
    const struct books *books = &model->books;
    for (size_t i = 0; i < books->banks && bank_ref[0] != '\0'; i++) {
        const struct book_bank *known = &books->bank[i];
        bool same = known->amount == (amount < 0 ? -amount : amount) &&
                    known->debit == (amount < 0) && strcmp(known->bank_ref, bank_ref) == 0;
        if (same && !known->gone)
            return model_wrong(model, ENTRY "%s is booked as B%06zu, and once more", seq, bank_ref,
                               i + 1);
    }
    return true;
}

static struct book_bank *add_bank(struct model *model, uint64_t seq, const char *id, int64_t amount,
                                  const char *bank_ref)
{
    struct books *books = &model->books;
    if (model_number(id, 'B') != books->banks || amount == 0) {
        (void)model_wrong(model, ENTRY "bank entry %s does not follow", seq, id);
        return NULL;
    }
    if (!is_new(model, seq, bank_ref, amount))
        return NULL;
    books->bank = model_grow(books->bank, books->banks, &books->bank_cap, sizeof(*books->bank));
    struct book_bank *made = &books->bank[books->banks++];
    *made = (struct book_bank){.seq = seq,
                               .amount = amount < 0 ? -amount : amount,
                               .debit = amount < 0,
                               .meant = SIZE_MAX};
    (void)snprintf(made->bank_ref, sizeof(made->bank_ref), "%s", bank_ref);
    return made;
}

static struct book_bank *bank_of(struct model *model, uint64_t seq, const char *id)
{
    size_t number = model_number(id, 'B');
    if (number < model->books.banks)
        return &model->books.bank[number];
    (void)model_wrong(model, ENTRY "nobody knows bank entry %s", seq, id);
    return NULL;
}

static bool see_payment(struct model *model, const Pledged__V1__Entry *e)
{
    const Pledged__V1__PaymentRecorded *fact = e->payment_recorded;
    struct book_bank *made =
        add_bank(model, e->seq, fact->bank_entry, fact->amount->minor > 0 ? fact->amount->minor : 0,
                 fact->bank_ref);
    if (made == NULL)
        return false;
    made->by_hand = true;
    made->confirmed = fact->confirmed;
    made->meant = model_number(fact->pledge, 'P');
    return made->meant < model->pledges || model_wrong(model, ENTRY "a payment for nobody", e->seq);
}

static bool see_movement(struct model *model, const Pledged__V1__Entry *e)
{
    const Pledged__V1__BankEntryRecorded *fact = e->bank_entry_recorded;
    if (model_number(fact->statement, 'S') >= model->books.statements)
        return model_wrong(model, ENTRY "a movement of an unknown statement", e->seq);
    struct book_bank *made =
        add_bank(model, e->seq, fact->bank_entry, fact->movement->minor, fact->movement->bank_ref);
    if (made != NULL) {
        made->confirmed = true;
        made->payer = fact->movement->detail_commitment.len != 0;
    }
    return made != NULL;
}

static bool see_confirmed(struct model *model, const Pledged__V1__Entry *e)
{
    const Pledged__V1__PaymentConfirmed *fact = e->payment_confirmed;
    struct book_bank *bank = bank_of(model, e->seq, fact->bank_entry);
    if (bank == NULL)
        return false;
    int64_t minor = bank->debit ? -bank->amount : bank->amount;
    if (bank->confirmed || bank->gone || minor != fact->movement->minor)
        return model_wrong(model, ENTRY "%s is not what the bank confirms", e->seq,
                           fact->bank_entry);
    bank->confirmed = true;
    bank->payer = fact->movement->detail_commitment.len != 0;
    if (strcmp(bank->bank_ref, fact->movement->bank_ref) == 0)
        return true;
    /* somebody typed another reference; from now on it is the bank's */
    if (!is_new(model, e->seq, fact->movement->bank_ref, minor))
        return false;
    (void)snprintf(bank->bank_ref, sizeof(bank->bank_ref), "%s", fact->movement->bank_ref);
    return true;
}

/* A later copy has who paid, of what came in without that. */
static bool see_learned(struct model *model, const Pledged__V1__Entry *e)
{
    const Pledged__V1__PayerLearned *fact = e->payer_learned;
    struct book_bank *bank = bank_of(model, e->seq, fact->bank_entry);
    if (bank == NULL)
        return false;
    if (!bank->confirmed || bank->payer ||
        model_number(fact->statement, 'S') >= model->books.statements)
        return model_wrong(model, ENTRY "%s has its payer, or no statement", e->seq,
                           fact->bank_entry);
    bank->payer = true;
    return true;
}

/* A later copy says more: in the order in which it was told; a sum that gives way is not used. */
static bool see_more(struct model *model, const Pledged__V1__Entry *e)
{
    const Pledged__V1__MovementLearned *fact = e->movement_learned;
    struct book_bank *bank = bank_of(model, e->seq, fact->bank_entry);
    if (bank == NULL)
        return false;
    if (!bank->confirmed || (!fact->part && bank->learned != fact->before_seq) ||
        model_number(fact->statement, 'S') >= model->books.statements)
        return model_wrong(model, ENTRY "%s is told out of its order, or by no statement", e->seq,
                           fact->bank_entry);
    bank->learned = fact->part ? bank->learned : e->seq;
    bank->payer = bank->payer || fact->movement->detail_commitment.len != 0;
    return true;
}

static void key_of(const Pledged__V1__StatementImported *fact, char key[BOOKS_KEY])
{
    (void)snprintf(key, BOOKS_KEY, "%s %d %s %" PRIu64 " %.4s", fact->account, (int)fact->kind,
                   fact->id, fact->sequence, fact->created);
}

static bool see_statement(struct model *model, const Pledged__V1__Entry *e)
{
    const Pledged__V1__StatementImported *fact = e->statement_imported;
    struct books *books = &model->books;
    char key[BOOKS_KEY];
    key_of(fact, key);
    if (model_number(fact->statement, 'S') != books->statements)
        return model_wrong(model, ENTRY "statement %s does not follow", e->seq, fact->statement);
    for (size_t i = 0; i < books->statements; i++) {
        if (strcmp(books->statement[i], key) == 0)
            return model_wrong(model, ENTRY "%s is in as S%06zu", e->seq, key, i + 1);
    }
    books->statement = model_grow(books->statement, books->statements, &books->statement_cap,
                                  sizeof(*books->statement));
    memcpy(books->statement[books->statements++], key, sizeof(key));
    return true;
}

/* --- money that pays, and that does not any more --- */

static bool see_allocation(struct model *model, const Pledged__V1__Entry *e)
{
    const Pledged__V1__Allocated *fact = e->allocated;
    struct books *books = &model->books;
    struct book_bank *bank = bank_of(model, e->seq, fact->bank_entry);
    size_t pledge = model_number(fact->pledge, 'P');
    if (bank == NULL || pledge >= model->pledges)
        return model_wrong(model, ENTRY "money from nowhere", e->seq);
    int stage = model_stage_at(model, pledge, UINT64_MAX);
    if (bank->debit || bank->gone || fact->amount->minor <= 0 ||
        (stage != STAGE_IS(PLEDGED) && stage != STAGE_IS(COMMITTED)))
        return model_wrong(model, ENTRY "%s does not pay for %s", e->seq, fact->bank_entry,
                           fact->pledge);
    books->part = model_grow(books->part, books->parts, &books->part_cap, sizeof(*books->part));
    books->part[books->parts] = (struct book_part){.seq = e->seq,
                                                   .bank = (size_t)(bank - books->bank),
                                                   .pledge = pledge,
                                                   .amount = fact->amount->minor};
    day_of(e, books->part[books->parts++].day);
    if (bank->meant == SIZE_MAX)
        bank->meant = pledge;
    return true;
}

/* Undoes what a bank entry (pledge SIZE_MAX) or a pledge (bank SIZE_MAX) has; their sum. */
static int64_t undo_all(struct books *books, const Pledged__V1__Entry *e, size_t bank,
                        size_t pledge)
{
    int64_t sum = 0;
    for (size_t i = 0; i < books->parts; i++) {
        struct book_part *part = &books->part[i];
        if (part->undone || (part->bank != bank && part->pledge != pledge))
            continue;
        part->undone = true;
        day_of(e, part->undone_day);
        sum += part->amount;
    }
    return sum;
}

static bool pays_others(const struct books *books, size_t bank)
{
    for (size_t i = 0; i < books->parts; i++) {
        const struct book_part *part = &books->part[i];
        if (!part->undone && part->bank == bank && part->pledge != books->bank[bank].meant)
            return true;
    }
    return false;
}

static bool is_aside(const struct books *books, size_t bank)
{
    for (size_t i = 0; i < books->refunds; i++) {
        if (books->refund[i].bank == bank && books->refund[i].state != BOOK_CANCELLED)
            return true;
    }
    return false;
}

static bool is_closed(const struct model *model, size_t pledge)
{
    return model_stage_at(model, pledge, UINT64_MAX) == STAGE_IS(CLOSED);
}

/* Does a closed pledge live by this money? */
static bool keeps_closed(const struct model *model, size_t bank)
{
    for (size_t i = 0; i < model->books.parts; i++) {
        const struct book_part *part = &model->books.part[i];
        if (!part->undone && part->bank == bank && is_closed(model, part->pledge))
            return true;
    }
    return false;
}

/* The bank's money is gone, once, and not behind the back of whoever else it paid for. */
static bool take_back(struct model *model, const Pledged__V1__Entry *e, size_t bank,
                      int64_t *ret_undone)
{
    struct books *books = &model->books;
    if (books->bank[bank].gone || books->bank[bank].debit || pays_others(books, bank) ||
        is_aside(books, bank) || keeps_closed(model, bank))
        return model_wrong(model, ENTRY "B%06zu cannot be taken back", e->seq, bank + 1);
    *ret_undone = undo_all(books, e, bank, SIZE_MAX);
    books->bank[bank].gone = true;
    return true;
}

/* It was not paid. A debit that only a person has seen is gone with it. */
static void undo_paid(struct books *books, struct book_refund *refund)
{
    if (!books->bank[refund->debit].confirmed)
        books->bank[refund->debit].gone = true;
    refund->state = BOOK_ORDERED;
    refund->debit = SIZE_MAX;
    refund->paid_seq = 0;
}

/* It did not come back after all: it is paid, as it was. */
static bool undo_back(struct model *model, uint64_t seq, struct book_back *back)
{
    struct book_refund *refund = &model->books.refund[back->refund];
    if (refund->state != BOOK_ORDERED)
        return model_wrong(model, ENTRY "a refund comes back no more, and was paid again", seq);
    back->undone = true;
    refund->state = BOOK_PAID;
    refund->debit = back->debit;
    refund->paid_seq = back->paid_seq;
    return true;
}

static bool see_reversed(struct model *model, const Pledged__V1__Entry *e)
{
    struct books *books = &model->books;
    uint64_t target = e->reversed->target_seq;
    if (e->reversed->amount == NULL)
        return true; /* a closing: it moves no money */
    for (size_t i = 0; i < books->parts; i++) {
        if (books->part[i].seq == target && !books->part[i].undone) {
            books->part[i].undone = true;
            day_of(e, books->part[i].undone_day);
            if (is_closed(model, books->part[i].pledge))
                return model_wrong(model, ENTRY "a closed pledge loses money", e->seq);
            return e->reversed->deallocated->minor == books->part[i].amount ||
                   model_wrong(model, ENTRY "another amount is undone", e->seq);
        }
    }
    for (size_t i = 0; i < books->waivers; i++) {
        if (books->waiver[i].seq == target && !books->waiver[i].undone) {
            books->waiver[i].undone = true;
            day_of(e, books->waiver[i].undone_day);
            return !is_closed(model, books->waiver[i].pledge) ||
                   model_wrong(model, ENTRY "a closed pledge is to be paid again", e->seq);
        }
    }
    for (size_t i = 0; i < books->refunds; i++) {
        if (books->refund[i].state == BOOK_PAID && books->refund[i].paid_seq == target) {
            size_t meant = books->bank[books->refund[i].bank].meant;
            undo_paid(books, &books->refund[i]);
            return meant == SIZE_MAX || !is_closed(model, meant) ||
                   model_wrong(model, ENTRY "a closed pledge owes a refund again", e->seq);
        }
    }
    for (size_t i = 0; i < books->charges; i++) {
        if (books->charge[i].seq == target && !books->charge[i].undone) {
            books->charge[i].undone = true;
            return e->reversed->amount->minor == books->charge[i].amount ||
                   model_wrong(model, ENTRY "another charge is undone", e->seq);
        }
    }
    for (size_t i = 0; i < books->backs; i++) {
        if (books->back[i].seq == target && !books->back[i].undone)
            return undo_back(model, e->seq, &books->back[i]);
    }
    for (size_t i = 0; i < books->banks; i++) {
        int64_t undone = 0;
        if (books->bank[i].seq == target && books->bank[i].by_hand)
            return take_back(model, e, i, &undone) &&
                   (e->reversed->deallocated->minor == undone ||
                    model_wrong(model, ENTRY "another amount is undone", e->seq));
    }
    return model_wrong(model, ENTRY "entry %" PRIu64 " is undone twice, or cannot be", e->seq,
                       target);
}

static bool see_bank_reversal(struct model *model, const Pledged__V1__Entry *e)
{
    const Pledged__V1__BankReversal *fact = e->bank_reversal;
    struct book_bank *back = bank_of(model, e->seq, fact->bank_entry);
    struct book_bank *from = bank_of(model, e->seq, fact->original);
    int64_t undone = 0;
    if (back == NULL || from == NULL)
        return false;
    if (!back->debit || back->gone || back->amount != from->amount ||
        used(&model->books, (size_t)(back - model->books.bank)) != 0)
        return model_wrong(model, ENTRY "%s does not take back %s", e->seq, fact->bank_entry,
                           fact->original);
    back->gone = true; /* the two of them are nothing together */
    return take_back(model, e, (size_t)(from - model->books.bank), &undone);
}

static bool see_end(struct model *model, const Pledged__V1__Entry *e, const char *id,
                    const Pledged__V1__Money *told)
{
    int64_t undone = undo_all(&model->books, e, SIZE_MAX, model_number(id, 'P'));
    return told == NULL || told->minor == undone ||
           model_wrong(model, ENTRY "not all of the money comes free", e->seq);
}

/* --- money that goes back, and that will not come --- */

static bool see_ordered(struct model *model, const Pledged__V1__Entry *e)
{
    const Pledged__V1__RefundOrdered *fact = e->refund_ordered;
    struct books *books = &model->books;
    struct book_bank *bank = bank_of(model, e->seq, fact->bank_entry);
    if (bank == NULL || model_number(fact->refund, 'R') != books->refunds)
        return model_wrong(model, ENTRY "refund %s does not follow", e->seq, fact->refund);
    if (fact->amount->minor <= 0 ||
        fact->amount->minor > books_free(books, (size_t)(bank - books->bank)))
        return model_wrong(model, ENTRY "a refund of more than is free", e->seq);
    books->refund =
        model_grow(books->refund, books->refunds, &books->refund_cap, sizeof(*books->refund));
    books->refund[books->refunds++] = (struct book_refund){
        .bank = (size_t)(bank - books->bank), .debit = SIZE_MAX, .amount = fact->amount->minor};
    return true;
}

static struct book_refund *open_refund(struct model *model, uint64_t seq, const char *id,
                                       int64_t minor)
{
    size_t number = model_number(id, 'R');
    struct book_refund *refund =
        number < model->books.refunds ? &model->books.refund[number] : NULL;
    if (refund != NULL && refund->state == BOOK_ORDERED && refund->amount == minor)
        return refund;
    (void)model_wrong(model, ENTRY "refund %s of %" PRId64 " is not open", seq, id, minor);
    return NULL;
}

static bool see_paid(struct model *model, const Pledged__V1__Entry *e)
{
    const Pledged__V1__RefundPaid *fact = e->refund_paid;
    struct book_refund *refund = open_refund(model, e->seq, fact->refund, fact->amount->minor);
    if (refund == NULL)
        return false;
    size_t number = model_number(fact->bank_entry, 'B');
    if (number >= model->books.banks &&
        add_bank(model, e->seq, fact->bank_entry, -fact->amount->minor, fact->bank_ref) == NULL)
        return false;
    if (!model->books.bank[number].debit || model->books.bank[number].gone)
        return model_wrong(model, ENTRY "a refund is paid by %s", e->seq, fact->bank_entry);
    refund->state = BOOK_PAID;
    refund->debit = number;
    refund->paid_seq = e->seq;
    return true;
}

static bool see_charge(struct model *model, const Pledged__V1__Entry *e)
{
    const Pledged__V1__ChargeBooked *fact = e->charge_booked;
    struct books *books = &model->books;
    struct book_bank *bank = bank_of(model, e->seq, fact->bank_entry);
    if (bank == NULL)
        return false;
    size_t debit = (size_t)(bank - books->bank);
    if (bank->gone || !bank->confirmed || fact->amount->minor <= 0 ||
        fact->amount->minor != bank->amount - used(books, debit))
        return model_wrong(model, ENTRY "%s is no charge", e->seq, fact->bank_entry);
    books->charge =
        model_grow(books->charge, books->charges, &books->charge_cap, sizeof(*books->charge));
    books->charge[books->charges++] =
        (struct book_charge){.seq = e->seq, .debit = debit, .amount = fact->amount->minor};
    return true;
}

/* Its money is back, or what the banks left of it; the rest stays with the debit. */
static bool see_back(struct model *model, const Pledged__V1__Entry *e)
{
    const Pledged__V1__RefundReturned *fact = e->refund_returned;
    struct books *books = &model->books;
    size_t number = model_number(fact->refund, 'R');
    const struct book_bank *credit = bank_of(model, e->seq, fact->bank_entry);
    if (number >= books->refunds || credit == NULL)
        return model_wrong(model, ENTRY "nothing came back", e->seq);
    struct book_refund *refund = &books->refund[number];
    size_t debit = model_number(fact->original, 'B'), place = (size_t)(credit - books->bank);
    int64_t most = books_free(books, place);
    if (refund->state != BOOK_PAID || refund->debit != debit || !books->bank[debit].confirmed ||
        !credit->confirmed || fact->arrived->minor <= 0 || fact->arrived->minor > refund->amount ||
        fact->arrived->minor != (most < refund->amount ? most : refund->amount))
        return model_wrong(model, ENTRY "%s does not bring back %s", e->seq, fact->bank_entry,
                           fact->refund);
    books->back = model_grow(books->back, books->backs, &books->back_cap, sizeof(*books->back));
    books->back[books->backs++] = (struct book_back){.seq = e->seq,
                                                     .refund = number,
                                                     .credit = place,
                                                     .debit = debit,
                                                     .arrived = fact->arrived->minor,
                                                     .paid_seq = refund->paid_seq};
    refund->state = BOOK_ORDERED;
    refund->debit = SIZE_MAX;
    refund->paid_seq = 0;
    return true;
}

static bool see_cancelled(struct model *model, const Pledged__V1__Entry *e)
{
    const Pledged__V1__RefundCancelled *fact = e->refund_cancelled;
    struct book_refund *refund = open_refund(model, e->seq, fact->refund, fact->amount->minor);
    if (refund != NULL)
        refund->state = BOOK_CANCELLED;
    return refund != NULL;
}

static bool see_waiver(struct model *model, const Pledged__V1__Entry *e, const char *id,
                       int64_t minor)
{
    struct books *books = &model->books;
    size_t pledge = model_number(id, 'P');
    if (pledge >= model->pledges || minor <= 0)
        return model_wrong(model, ENTRY "%" PRId64 " of %s will not come", e->seq, minor, id);
    books->waiver =
        model_grow(books->waiver, books->waivers, &books->waiver_cap, sizeof(*books->waiver));
    books->waiver[books->waivers] =
        (struct book_waiver){.seq = e->seq, .pledge = pledge, .amount = minor};
    day_of(e, books->waiver[books->waivers++].day);
    return true;
}

static bool see_closed_pledge(struct model *model, const Pledged__V1__Entry *e)
{
    const struct books *books = &model->books;
    size_t pledge = model_number(e->pledge_closed->pledge, 'P');
    if (pledge >= model->pledges || books_settled(books, pledge) + books_forgiven(books, pledge) !=
                                        model->pledge[pledge].amount)
        return model_wrong(model, ENTRY "a pledge is closed before all is paid", e->seq);
    for (size_t i = 0; i < books->banks; i++) {
        if (books->bank[i].meant == pledge && books_free(books, i) != 0)
            return model_wrong(model, ENTRY "a pledge is closed with money of B%06zu open", e->seq,
                               i + 1);
    }
    return true;
}

/* --- months --- */

static void month_after(const char *month, char next[BOOKS_MONTH])
{
    char text[64];
    long year = strtol(month, NULL, 10), number = strtol(month + 5, NULL, 10);
    (void)snprintf(text, sizeof(text), "%04ld-%02ld", number == 12 ? year + 1 : year,
                   number == 12 ? 1 : number + 1);
    (void)snprintf(next, BOOKS_MONTH, "%.7s", text);
}

static const char *closed_through(const struct books *books)
{
    return books->closings == 0 ? "" : books->closing[books->closings - 1].month;
}

static bool posted_right(struct model *model, const Pledged__V1__Entry *e)
{
    char day[BOOKS_DAY], month[BOOKS_MONTH], next[BOOKS_MONTH], expected[16] = "";
    const char *closed = closed_through(&model->books);
    day_of(e, day);
    (void)snprintf(month, sizeof(month), "%.7s", day);
    if (closed[0] != '\0' && strcmp(month, closed) <= 0) {
        month_after(closed, next);
        (void)snprintf(expected, sizeof(expected), "%s-01", next);
    }
    return strcmp(e->posting_date, expected) == 0 ||
           model_wrong(model, ENTRY "of %s is posted on '%s', '%s' would be right", e->seq, month,
                       e->posting_date, expected);
}

static bool totals_fit(struct model *model, const Pledged__V1__Entry *e)
{
    const struct books *books = &model->books;
    int64_t unallocated = 0, outstanding = 0;
    for (size_t i = 0; i < books->banks; i++)
        unallocated += books_free(books, i);
    for (size_t i = 0; i < model->pledges; i++) {
        int stage = model_stage_at(model, i, UINT64_MAX);
        if (stage == STAGE_IS(PLEDGED) || stage == STAGE_IS(COMMITTED) || stage == STAGE_IS(CLOSED))
            outstanding +=
                model->pledge[i].amount - books_settled(books, i) - books_forgiven(books, i);
    }
    for (size_t i = 0; i < e->period_closed->n_totals; i++) {
        const Pledged__V1__PeriodTotals *line = e->period_closed->totals[i];
        unallocated -= line->unallocated_minor;
        outstanding -= line->outstanding_minor;
    }
    return (unallocated == 0 && outstanding == 0) ||
           model_wrong(model,
                       ENTRY "the totals of %s are wrong by %" PRId64 " unallocated, %" PRId64
                             " outstanding",
                       e->seq, e->period_closed->period, unallocated, outstanding);
}

static bool see_closed(struct model *model, const Pledged__V1__Entry *e)
{
    struct books *books = &model->books;
    const char *month = e->period_closed->period, *closed = closed_through(books);
    char now[BOOKS_MONTH], next[BOOKS_MONTH];
    month_of_us(e->time_us, now);
    month_after(closed[0] != '\0' ? closed : "0000-01", next);
    if (strcmp(month, now) >= 0 || (closed[0] != '\0' && strcmp(month, next) != 0))
        return model_wrong(model, ENTRY "%s is closed after '%s', in %s", e->seq, month, closed,
                           now);
    books->closing =
        model_grow(books->closing, books->closings, &books->closing_cap, sizeof(*books->closing));
    struct book_closing *made = &books->closing[books->closings++];
    (void)snprintf(made->month, sizeof(made->month), "%s", month);
    made->seq = e->seq;
    return totals_fit(model, e);
}

static bool see_reopened(struct model *model, const Pledged__V1__Entry *e)
{
    struct books *books = &model->books;
    if (strcmp(closed_through(books), e->period_reopened->period) != 0 ||
        books->closing[books->closings - 1].seq != e->period_reopened->closed_seq)
        return model_wrong(model, ENTRY "%s is opened, closed last was '%s'", e->seq,
                           e->period_reopened->period, closed_through(books));
    books->closings--;
    return true;
}

/* --- a second person --- */

static struct book_proposal *proposal_of(struct model *model, uint64_t seq)
{
    for (size_t i = 0; i < model->books.proposals; i++) {
        if (model->books.proposal[i].seq == seq)
            return &model->books.proposal[i];
    }
    return NULL;
}

/* The class of what happened, 0 where nobody else is ever asked. */
static int class_of(const Pledged__V1__Entry *e)
{
    switch ((int)e->fact_case) {
    case IS(COMMITMENT_SIGNED):
    case IS(COMMITMENT_AMENDED):
        return CLASS(COMMIT);
    case IS(CANCELLED):
        return CLASS(CANCEL);
    case IS(REFUND_ORDERED):
    case IS(REFUND_CANCELLED):
        return CLASS(REFUND);
    case IS(WRITTEN_OFF):
        return CLASS(WRITE_OFF);
    case IS(DIFFERENCE_ACCEPTED): /* the policy here has no limit */
    case IS(CHARGE_BOOKED):
        return CLASS(DIFFERENCE);
    case IS(PERIOD_CLOSED):
    case IS(PERIOD_REOPENED):
        return CLASS(PERIOD);
    case IS(SUBJECT_ERASED):
        return CLASS(ERASE);
    case IS(PLEDGE_MADE):
        return e->pledge_made->converted_from[0] != '\0' ? CLASS(SURPLUS) : 0;
    default:
        return 0;
    }
}

static bool carried_out_once(struct model *model, const Pledged__V1__Entry *e)
{
    if (e->proposal_seq == 0)
        return (model->books.four_eyes >> class_of(e) & 1) == 0 ||
               model_wrong(model, ENTRY "nobody was asked about it", e->seq);
    struct book_proposal *proposal = proposal_of(model, e->proposal_seq);
    if (proposal == NULL || e->request_id.len != BOOKS_ID)
        return model_wrong(model, ENTRY "carries out what was not proposed", e->seq);
    if (strcmp(e->maker, proposal->maker) != 0 || strcmp(e->actor->person, proposal->maker) == 0)
        return model_wrong(model, ENTRY "proposed by %s (it says %s) and approved by %s", e->seq,
                           proposal->maker, e->maker, e->actor->person);
    if (proposal->state == BOOK_OPEN && e->command.len != 0 && e->time_us < proposal->expires_us) {
        proposal->state = BOOK_APPROVED;
        memcpy(proposal->carrier, e->request_id.data, BOOKS_ID);
        return true;
    }
    return (proposal->state == BOOK_APPROVED && e->command.len == 0 &&
            memcmp(proposal->carrier, e->request_id.data, BOOKS_ID) == 0) ||
           model_wrong(model, ENTRY "carries out proposal %" PRIu64 ", which is in state %d",
                       e->seq, e->proposal_seq, (int)proposal->state);
}

static bool see_proposed(struct model *model, const Pledged__V1__Entry *e)
{
    struct books *books = &model->books;
    if ((books->four_eyes >> e->proposed->class_ & 1) == 0)
        return model_wrong(model, ENTRY "proposes what needs no second person", e->seq);
    books->proposal = model_grow(books->proposal, books->proposals, &books->proposal_cap,
                                 sizeof(*books->proposal));
    struct book_proposal *made = &books->proposal[books->proposals++];
    *made = (struct book_proposal){.seq = e->seq, .expires_us = e->proposed->expires_us};
    (void)snprintf(made->maker, sizeof(made->maker), "%s", e->actor->person);
    return true;
}

static bool see_undecided(struct model *model, const Pledged__V1__Entry *e, uint64_t seq,
                          enum book_proposal_state state)
{
    struct book_proposal *proposal = proposal_of(model, seq);
    if (proposal == NULL || proposal->state != BOOK_OPEN ||
        (state == BOOK_EXPIRED && e->time_us < proposal->expires_us))
        return model_wrong(model, ENTRY "proposal %" PRIu64 " ends in state %d", e->seq, seq,
                           (int)state);
    proposal->state = state;
    return true;
}

bool books_nothing_is_due(struct model *model, const Pledged__V1__Entry *e)
{
    for (size_t i = 0; i < model->books.proposals; i++) {
        const struct book_proposal *proposal = &model->books.proposal[i];
        if (proposal->state == BOOK_OPEN && proposal->expires_us + EXPIRY_SLACK_US <= e->time_us)
            return model_wrong(model, ENTRY "proposal %" PRIu64 " is over since %" PRId64 " us",
                               e->seq, proposal->seq, e->time_us - proposal->expires_us);
    }
    return true;
}

static void see_policy(struct books *books, const Pledged__V1__PolicyAdopted *policy)
{
    books->four_eyes = 0;
    for (size_t i = 0; i < policy->n_four_eyes; i++)
        books->four_eyes |= 1u << policy->four_eyes[i];
}

/* --- what is promised, and the books of every day --- */

static bool see_word(struct model *model, const Pledged__V1__Entry *e, size_t pledge, int64_t more)
{
    struct books *books = &model->books;
    char today[BOOKS_DAY];
    if (pledge >= model->pledges)
        return model_wrong(model, ENTRY "a word on no promise", e->seq);
    books->word = model_grow(books->word, books->words, &books->word_cap, sizeof(*books->word));
    struct book_word *made = &books->word[books->words];
    *made = (struct book_word){.pledge = pledge, .more = more};
    day_of(e, made->day);
    day_of_us(e->time_us, today);
    made->to_come = strcmp(made->day, today) > 0;
    for (size_t i = 0; i < books->words; i++) {
        if (books->word[i].pledge == pledge && strcmp(books->word[i].day, made->day) > 0)
            return model_wrong(model, ENTRY "of %s, after a word of %s", e->seq, made->day,
                               books->word[i].day);
    }
    books->words++;
    return true;
}

static bool see_amended(struct model *model, const Pledged__V1__Entry *e)
{
    const Pledged__V1__CommitmentAmended *fact = e->commitment_amended;
    size_t pledge = model_number(fact->pledge, 'P');
    if (pledge >= model->pledges ||
        model_stage_at(model, pledge, UINT64_MAX) != STAGE_IS(COMMITTED) ||
        fact->previous->minor != model->pledge[pledge].amount || fact->amount->minor <= 0)
        return model_wrong(model, ENTRY "%s is not what is amended", e->seq, fact->pledge);
    model->pledge[pledge].amount = fact->amount->minor;
    return see_word(model, e, pledge, fact->amount->minor - fact->previous->minor);
}

static bool counts_on(const char *day, bool undone, const char *undone_day, const char *then)
{
    return strcmp(day, then) <= 0 && (!undone || strcmp(undone_day, then) > 0);
}

/* What is still to be paid of it in the books of that day. */
static int64_t due_on(const struct books *books, size_t pledge, const char *day)
{
    int64_t sum = 0;
    for (size_t i = 0; i < books->words; i++) {
        const struct book_word *word = &books->word[i];
        if (word->pledge == pledge && (word->to_come || strcmp(word->day, day) <= 0))
            sum += word->more;
    }
    for (size_t i = 0; i < books->parts; i++) {
        const struct book_part *part = &books->part[i];
        if (part->pledge == pledge && counts_on(part->day, part->undone, part->undone_day, day))
            sum -= part->amount;
    }
    for (size_t i = 0; i < books->waivers; i++) {
        const struct book_waiver *waiver = &books->waiver[i];
        if (waiver->pledge == pledge &&
            counts_on(waiver->day, waiver->undone, waiver->undone_day, day))
            sum -= waiver->amount;
    }
    return sum;
}

static bool is_never_overpaid(struct model *model, uint64_t seq, size_t pledge)
{
    const struct books *books = &model->books;
    const char *then = NULL;
    for (size_t i = 0; i < books->words; i++) {
        const struct book_word *word = &books->word[i];
        if (word->pledge == pledge && due_on(books, pledge, word->day) < 0)
            then = word->day;
    }
    for (size_t i = 0; i < books->parts; i++) {
        const struct book_part *part = &books->part[i];
        if (part->pledge == pledge && due_on(books, pledge, part->day) < 0)
            then = part->day;
    }
    for (size_t i = 0; i < books->waivers; i++) {
        const struct book_waiver *waiver = &books->waiver[i];
        if (waiver->pledge == pledge && due_on(books, pledge, waiver->day) < 0)
            then = waiver->day;
    }
    return then == NULL ||
           model_wrong(model, ENTRY "of P%06zu more is paid on %s than was promised then", seq,
                       pledge + 1, then);
}

/* After what can break it: more is paid, or given up, or less is promised. */
static bool days_fit(struct model *model, const Pledged__V1__Entry *e)
{
    switch ((int)e->fact_case) {
    case IS(ALLOCATED):
        return is_never_overpaid(model, e->seq, model_number(e->allocated->pledge, 'P'));
    case IS(WRITTEN_OFF):
        return is_never_overpaid(model, e->seq, model_number(e->written_off->pledge, 'P'));
    case IS(DIFFERENCE_ACCEPTED):
        return is_never_overpaid(model, e->seq, model_number(e->difference_accepted->pledge, 'P'));
    case IS(COMMITMENT_AMENDED):
        return is_never_overpaid(model, e->seq, model_number(e->commitment_amended->pledge, 'P'));
    default:
        return true;
    }
}

/* --- fact by fact --- */

static bool see_money(struct model *model, const Pledged__V1__Entry *e)
{
    switch ((int)e->fact_case) {
    case IS(PAYMENT_RECORDED):
        return see_payment(model, e);
    case IS(BANK_ENTRY_RECORDED):
        return see_movement(model, e);
    case IS(PAYMENT_CONFIRMED):
        return see_confirmed(model, e);
    case IS(PAYER_LEARNED):
        return see_learned(model, e);
    case IS(MOVEMENT_LEARNED):
        return see_more(model, e);
    case IS(ALLOCATED):
        return see_allocation(model, e);
    case IS(REVERSED):
        return see_reversed(model, e);
    case IS(BANK_REVERSAL):
        return see_bank_reversal(model, e);
    case IS(CANCELLED):
        return see_end(model, e, e->cancelled->pledge, e->cancelled->deallocated);
    case IS(WITHDRAWN):
        return see_end(model, e, e->withdrawn->pledge, NULL);
    case IS(REFUND_ORDERED):
        return see_ordered(model, e);
    case IS(REFUND_PAID):
        return see_paid(model, e);
    case IS(REFUND_RETURNED):
        return see_back(model, e);
    case IS(REFUND_CANCELLED):
        return see_cancelled(model, e);
    case IS(CHARGE_BOOKED):
        return see_charge(model, e);
    case IS(WRITTEN_OFF):
        return see_waiver(model, e, e->written_off->pledge, e->written_off->amount->minor);
    case IS(DIFFERENCE_ACCEPTED):
        return see_waiver(model, e, e->difference_accepted->pledge,
                          e->difference_accepted->amount->minor);
    case IS(PLEDGE_MADE): /* its amount was seen before */
        return see_word(model, e, model_number(e->pledge_made->pledge, 'P'),
                        e->pledge_made->amount->minor);
    case IS(COMMITMENT_AMENDED):
        return see_amended(model, e);
    case IS(PLEDGE_CLOSED):
        return see_closed_pledge(model, e);
    default:
        return true;
    }
}

static bool see_rest(struct model *model, const Pledged__V1__Entry *e)
{
    switch ((int)e->fact_case) {
    case IS(POLICY_ADOPTED):
        see_policy(&model->books, e->policy_adopted);
        return true;
    case IS(STATEMENT_IMPORTED):
        return see_statement(model, e);
    case IS(STATEMENT_REPEATED):
        return model_number(e->statement_repeated->statement, 'S') < model->books.statements ||
               model_wrong(model, ENTRY "repeats an unknown statement", e->seq);
    case IS(PERIOD_CLOSED):
        return see_closed(model, e);
    case IS(PERIOD_REOPENED):
        return see_reopened(model, e);
    case IS(PROPOSED):
        return see_proposed(model, e);
    case IS(PROPOSAL_REJECTED):
        return see_undecided(model, e, e->proposal_rejected->proposal_seq, BOOK_REJECTED);
    case IS(PROPOSAL_EXPIRED):
        return see_undecided(model, e, e->proposal_expired->proposal_seq, BOOK_EXPIRED);
    default:
        return see_money(model, e);
    }
}

bool books_see(struct model *model, const Pledged__V1__Entry *e)
{
    return posted_right(model, e) && carried_out_once(model, e) && see_rest(model, e) &&
           sums_fit(model, e->seq) && days_fit(model, e);
}
