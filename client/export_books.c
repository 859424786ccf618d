/* SPDX-License-Identifier: Apache-2.0
 *
 * export_books: a small second bookkeeping, made from the facts alone. It shares no code with the
 * daemon's own sums, so that a difference between the two shows.
 */
#include "client/export_books.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/ids.h"
#include "common/money.h"

#define FACT(name_) PLEDGED__V1__ENTRY__FACT_##name_

void export_books_init(struct export_books *books)
{
    *books = (struct export_books){.contributor = NULL};
}

void export_books_fini(struct export_books *books)
{
    for (size_t i = 0; i < books->contributors; i++)
        free(books->contributor[i].name);
    free(books->contributor);
    free(books->pledge);
    free(books->bank_entry);
    free(books->waiver);
    free(books->refund);
    free(books->charge);
    free(books->returned);
    free(books->allocation);
    free(books->move);
}

/* Room for one more in an array. */
static void *grow(void *array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return array;
    *cap = *cap == 0 ? 64 : *cap * 2;
    array = reallocarray(array, *cap, size);
    PL_ASSERT(array != NULL);
    return array;
}

static struct pl_status unfit(void)
{
    return pl_fail(CORRUPT, "an entry does not fit what came before it");
}

static struct export_pledge *pledge_of(struct export_books *books, const char *id)
{
    uint64_t number = pl_id_parse(id, 'P');
    return number == 0 || number > books->pledges ? NULL : &books->pledge[number - 1];
}

static uint64_t number_of(const struct export_books *books, const struct export_pledge *pledge)
{
    return (uint64_t)(pledge - books->pledge) + 1;
}

static void add_move(struct export_books *books, enum export_move_kind kind, uint64_t pledge,
                     uint64_t bank_entry, int64_t minor, int currency)
{
    if (minor == 0)
        return;
    books->move = grow(books->move, books->moves, &books->move_cap, sizeof(*books->move));
    books->move[books->moves++] =
        (struct export_move){kind, pledge, bank_entry, minor, currency, 0};
}

/* Takes money of a debit out of suspense (sign 1), for a pledge's or nobody's bank entry, or puts
 * it back (-1). */
static struct pl_status explain(struct export_books *books, enum export_move_kind kind,
                                uint64_t bank_entry, uint64_t debit, int64_t minor, int sign)
{
    struct export_bank_entry *from = &books->bank_entry[debit - 1];
    const struct export_bank_entry *whose = &books->bank_entry[bank_entry - 1];
    if (!from->stated || from->currency != whose->currency || minor <= 0 ||
        !pl_add64(from->withdrawn, -sign * minor, &from->withdrawn) || from->withdrawn < 0)
        return unfit();
    add_move(books, kind, whose->pledge, bank_entry, sign * minor, from->currency);
    books->move[books->moves - 1].debit = debit;
    return pl_ok();
}

/* --- contributors --- */

static void name_contributor(struct export_contributor *contributor, const char *name,
                             Pledged__V1__ContributorKind kind)
{
    free(contributor->name);
    contributor->name = strdup(name);
    PL_ASSERT(contributor->name != NULL);
    contributor->kind = kind;
}

static struct pl_status take_contributor(struct export_books *books, const char *id,
                                         const char *name, Pledged__V1__ContributorKind kind)
{
    uint64_t number = pl_id_parse(id, 'C');
    if (number == 0 || number > books->contributors + 1)
        return unfit();
    if (number == books->contributors + 1) {
        books->contributor = grow(books->contributor, books->contributors, &books->contributor_cap,
                                  sizeof(*books->contributor));
        books->contributor[books->contributors++] = (struct export_contributor){.name = NULL};
    }
    name_contributor(&books->contributor[number - 1], name, kind);
    return pl_ok();
}

/* --- promises --- */

/* The pledge of an entry that may be its first. */
static struct pl_status open_pledge(struct export_books *books, const char *id,
                                    const char *contributor, struct export_pledge **ret)
{
    uint64_t number = pl_id_parse(id, 'P'), who = pl_id_parse(contributor, 'C');
    if (number == 0 || number > books->pledges + 1)
        return unfit();
    if (number == books->pledges + 1) {
        if (who == 0 || who > books->contributors)
            return unfit();
        books->pledge =
            grow(books->pledge, books->pledges, &books->pledge_cap, sizeof(*books->pledge));
        books->pledge[books->pledges++] =
            (struct export_pledge){.contributor = who, .currency = -1};
    }
    *ret = &books->pledge[number - 1];
    return pl_ok();
}

static struct pl_status take_amount(struct export_books *books, struct export_pledge *pledge,
                                    const Pledged__V1__Money *money)
{
    int currency = money == NULL ? -1 : pl_currency_index(money->currency);
    int64_t change;
    if (currency < 0 || (pledge->currency >= 0 && pledge->live && currency != pledge->currency) ||
        money->minor < 0 || !pl_add64(money->minor, -pledge->amount, &change))
        return unfit();
    add_move(books, pledge->committed ? EXPORT_COMMITTED : EXPORT_PLEDGED, number_of(books, pledge),
             0, change, currency);
    pledge->amount = money->minor;
    pledge->currency = currency;
    return pl_ok();
}

static struct pl_status take_made(struct export_books *books, const Pledged__V1__PledgeMade *fact)
{
    struct export_pledge *pledge = NULL;
    PL_TRY(open_pledge(books, fact->pledge, fact->contributor, &pledge));
    if (pledge->live)
        return unfit();
    PL_TRY(take_amount(books, pledge, fact->amount));
    pledge->live = true;
    pledge->publish = fact->publish;
    return pl_ok();
}

static struct pl_status take_signed(struct export_books *books, const char *id)
{
    struct export_pledge *pledge = pledge_of(books, id);
    if (pledge == NULL || !pledge->live || pledge->committed)
        return unfit();
    uint64_t number = number_of(books, pledge);
    add_move(books, EXPORT_PLEDGED, number, 0, -pledge->amount, pledge->currency);
    add_move(books, EXPORT_COMMITTED, number, 0, pledge->amount, pledge->currency);
    add_move(books, EXPORT_SETTLED, number, 0, pledge->allocated + pledge->difference,
             pledge->currency);
    pledge->committed = true;
    return pl_ok();
}

/* --- money --- */

/* The movements of money that pays for a pledge (sign 1) or does not any more (-1). */
static void add_payment(struct export_books *books, const struct export_allocation *made, int sign)
{
    const struct export_pledge *pledge = &books->pledge[made->pledge - 1];
    int from = books->bank_entry[made->bank_entry - 1].currency;
    if (from == pledge->currency) {
        add_move(books, pledge->committed ? EXPORT_ALLOCATED : EXPORT_ADVANCED, made->pledge,
                 made->bank_entry, sign * made->minor, from);
        return;
    }
    add_move(books, EXPORT_EXCHANGED, made->pledge, made->bank_entry, sign * made->minor, from);
    add_move(books, pledge->committed ? EXPORT_CONVERTED : EXPORT_PREPAID, made->pledge,
             made->bank_entry, sign * made->settled, pledge->currency);
}

/* Counts an allocation, or (sign -1) takes it back. */
static struct pl_status settle(struct export_books *books, const struct export_allocation *made,
                               int sign)
{
    struct export_bank_entry *from = &books->bank_entry[made->bank_entry - 1];
    struct export_pledge *pledge = &books->pledge[made->pledge - 1];
    int64_t taken, given;
    if (!pl_add64(from->allocated, sign * made->minor, &taken) || taken < 0 ||
        taken > from->amount - from->refunded - from->explained ||
        !pl_add64(pledge->allocated, sign * made->settled, &given) || given < 0)
        return unfit();
    from->allocated = taken;
    pledge->allocated = given;
    add_payment(books, made, sign);
    return pl_ok();
}

static struct pl_status undo(struct export_books *books, struct export_allocation *made)
{
    PL_TRY(settle(books, made, -1));
    made->undone = true;
    return pl_ok();
}

static struct pl_status undo_of_entry(struct export_books *books, uint64_t number)
{
    for (size_t at = books->bank_entry[number - 1].newest; at != 0;
         at = books->allocation[at - 1].older_of_entry) {
        if (!books->allocation[at - 1].undone)
            PL_TRY(undo(books, &books->allocation[at - 1]));
    }
    return pl_ok();
}

static struct pl_status undo_of_pledge(struct export_books *books,
                                       const struct export_pledge *pledge)
{
    for (size_t at = pledge->newest; at != 0; at = books->allocation[at - 1].older_of_pledge) {
        if (!books->allocation[at - 1].undone)
            PL_TRY(undo(books, &books->allocation[at - 1]));
    }
    return pl_ok();
}

static struct export_allocation *allocation_at(struct export_books *books, uint64_t seq)
{
    size_t low = 0, high = books->allocations;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (books->allocation[middle].seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < books->allocations && books->allocation[low].seq == seq;
    return found ? &books->allocation[low] : NULL;
}

/* --- what will not come --- */

/* Counts it (sign 1) or takes it back (-1). */
static struct pl_status forgive(struct export_books *books, const struct export_waiver *waiver,
                                int sign)
{
    struct export_pledge *pledge = &books->pledge[waiver->pledge - 1];
    bool off = waiver->bank_entry == 0;
    int64_t *sum = off ? &pledge->written_off : &pledge->difference;
    if (!pl_add64(*sum, sign * waiver->minor, sum) || *sum < 0 || *sum > pledge->amount)
        return unfit();
    add_move(books,
             off                 ? EXPORT_WRITTEN_OFF
             : pledge->committed ? EXPORT_DIFFERENCE
                                 : EXPORT_DIFFERENCE_BEFORE,
             waiver->pledge, waiver->bank_entry, sign * waiver->minor, pledge->currency);
    return pl_ok();
}

static struct pl_status take_waiver(struct export_books *books, uint64_t seq, const char *id,
                                    uint64_t bank_entry, const Pledged__V1__Money *amount)
{
    struct export_pledge *pledge = pledge_of(books, id);
    if (pledge == NULL || !pledge->live || amount == NULL || amount->minor <= 0 ||
        pl_currency_index(amount->currency) != pledge->currency || bank_entry > books->bank_entries)
        return unfit();
    books->waiver = grow(books->waiver, books->waivers, &books->waiver_cap, sizeof(*books->waiver));
    struct export_waiver *made = &books->waiver[books->waivers++];
    *made = (struct export_waiver){.seq = seq,
                                   .pledge = number_of(books, pledge),
                                   .bank_entry = bank_entry,
                                   .minor = amount->minor};
    return forgive(books, made, 1);
}

static struct export_waiver *waiver_at(struct export_books *books, uint64_t seq)
{
    for (size_t i = 0; i < books->waivers; i++) {
        if (books->waiver[i].seq == seq)
            return &books->waiver[i];
    }
    return NULL;
}

static struct pl_status undo_waiver(struct export_books *books, struct export_waiver *waiver)
{
    if (waiver->undone)
        return unfit();
    waiver->undone = true;
    /* of a promise that is gone nothing is to come anyway */
    return books->pledge[waiver->pledge - 1].live ? forgive(books, waiver, -1) : pl_ok();
}

static struct pl_status undo_waivers_of(struct export_books *books, uint64_t pledge)
{
    for (size_t i = 0; i < books->waivers; i++) {
        if (books->waiver[i].pledge == pledge && !books->waiver[i].undone)
            PL_TRY(forgive(books, &books->waiver[i], -1));
    }
    return pl_ok();
}

/* --- what of a credit is no contribution --- */

static int64_t free_of(const struct export_bank_entry *entry)
{
    return entry->reversed ? 0
                           : entry->amount - entry->allocated - entry->refunded - entry->explained;
}

/* So much of it; negative: it is one after all. */
static struct pl_status explain_credit(struct export_bank_entry *entry, int64_t minor)
{
    if (!entry->stated || minor > free_of(entry) || minor < -entry->explained)
        return unfit();
    entry->explained += minor;
    return pl_ok();
}

/* --- refunds --- */

static struct pl_status take_ordered(struct export_books *books,
                                     const Pledged__V1__RefundOrdered *fact)
{
    uint64_t number = pl_id_parse(fact->bank_entry, 'B');
    if (number == 0 || number > books->bank_entries || fact->amount == NULL ||
        pl_id_parse(fact->refund, 'R') != books->refunds + 1)
        return unfit();
    struct export_bank_entry *from = &books->bank_entry[number - 1];
    int64_t minor = fact->amount->minor;
    if (minor <= 0 || minor > free_of(from) ||
        pl_currency_index(fact->amount->currency) != from->currency)
        return unfit();
    books->refund = grow(books->refund, books->refunds, &books->refund_cap, sizeof(*books->refund));
    books->refund[books->refunds++] = (struct export_refund){.bank_entry = number, .minor = minor};
    from->refunded += minor;
    add_move(books, EXPORT_REFUND_ORDERED, from->pledge, number, minor, from->currency);
    return pl_ok();
}

static struct export_refund *open_refund(struct export_books *books, const char *id)
{
    uint64_t number = pl_id_parse(id, 'R');
    bool open = number != 0 && number <= books->refunds && !books->refund[number - 1].done;
    return open ? &books->refund[number - 1] : NULL;
}

static struct pl_status take_refund_paid(struct export_books *books, uint64_t seq, bool posted,
                                         const Pledged__V1__RefundPaid *fact)
{
    struct export_refund *refund = open_refund(books, fact->refund);
    uint64_t debit = pl_id_parse(fact->bank_entry, 'B');
    if (refund == NULL || debit == 0 || debit > books->bank_entries + 1)
        return unfit();
    if (debit == books->bank_entries + 1) { /* seen by hand: its row keeps the numbering */
        books->bank_entry = grow(books->bank_entry, books->bank_entries, &books->bank_entry_cap,
                                 sizeof(*books->bank_entry));
        books->bank_entry[books->bank_entries++] = (struct export_bank_entry){
            .seq = seq, .currency = books->bank_entry[refund->bank_entry - 1].currency};
    }
    const struct export_bank_entry *from = &books->bank_entry[refund->bank_entry - 1];
    if (!posted && pl_date_valid(fact->value_date))
        (void)snprintf(books->date, sizeof(books->date), "%s", fact->value_date);
    refund->done = true;
    refund->paid_seq = seq;
    refund->debit = debit;
    if (books->bank_entry[debit - 1].stated)
        return explain(books, EXPORT_REFUND_MATCHED, refund->bank_entry, debit, refund->minor, 1);
    add_move(books, EXPORT_REFUND_PAID, from->pledge, refund->bank_entry, refund->minor,
             from->currency);
    return pl_ok();
}

/* It did not leave the account after all, or was another debit: the refund waits again. */
static struct pl_status undo_refund_paid(struct export_books *books,
                                         const Pledged__V1__Reversed *fact)
{
    uint64_t number = pl_id_parse(fact->refund, 'R');
    if (number == 0 || number > books->refunds ||
        books->refund[number - 1].paid_seq != fact->target_seq)
        return unfit();
    struct export_refund *refund = &books->refund[number - 1];
    const struct export_bank_entry *from = &books->bank_entry[refund->bank_entry - 1];
    refund->done = false;
    refund->paid_seq = 0;
    if (books->bank_entry[refund->debit - 1].stated) /* it has left, for something else */
        return explain(books, EXPORT_REFUND_MATCHED, refund->bank_entry, refund->debit,
                       refund->minor, -1);
    add_move(books, EXPORT_REFUND_PAID, from->pledge, refund->bank_entry, -refund->minor,
             from->currency);
    return pl_ok();
}

/* Its debit is in suspense again, but for what the credit brought of it (sign 1), or not (-1). */
static struct pl_status move_return(struct export_books *books, const struct export_return *back,
                                    int sign)
{
    const struct export_refund *refund = &books->refund[back->refund];
    PL_TRY(explain_credit(&books->bank_entry[back->credit - 1], sign * back->arrived));
    /* in this order: what is in suspense is never less than nothing */
    if (sign > 0)
        PL_TRY(explain(books, EXPORT_REFUND_MATCHED, refund->bank_entry, back->debit, refund->minor,
                       -1));
    PL_TRY(explain(books, EXPORT_TAKEN_BACK, back->credit, back->debit, back->arrived, sign));
    return sign > 0 ? pl_ok()
                    : explain(books, EXPORT_REFUND_MATCHED, refund->bank_entry, back->debit,
                              refund->minor, 1);
}

static struct pl_status take_returned(struct export_books *books, uint64_t seq, bool posted,
                                      const Pledged__V1__RefundReturned *fact)
{
    uint64_t number = pl_id_parse(fact->refund, 'R'), credit = pl_id_parse(fact->bank_entry, 'B');
    if (number == 0 || number > books->refunds || credit == 0 || credit > books->bank_entries ||
        fact->arrived == NULL || !pl_date_valid(fact->value_date))
        return unfit();
    struct export_refund *refund = &books->refund[number - 1];
    if (refund->paid_seq == 0 || pl_id_parse(fact->original, 'B') != refund->debit)
        return unfit();
    if (!posted)
        (void)snprintf(books->date, sizeof(books->date), "%s", fact->value_date);
    books->returned =
        grow(books->returned, books->returns, &books->return_cap, sizeof(*books->returned));
    struct export_return *made = &books->returned[books->returns++];
    *made = (struct export_return){.seq = seq,
                                   .refund = (size_t)number - 1,
                                   .credit = credit,
                                   .debit = refund->debit,
                                   .paid_seq = refund->paid_seq,
                                   .arrived = fact->arrived->minor};
    refund->done = false;
    refund->paid_seq = 0;
    return move_return(books, made, 1);
}

static struct export_return *return_at(struct export_books *books, uint64_t seq)
{
    for (size_t i = 0; i < books->returns; i++) {
        if (books->returned[i].seq == seq)
            return &books->returned[i];
    }
    return NULL;
}

static struct pl_status undo_return(struct export_books *books, const struct export_return *back)
{
    struct export_refund *refund = &books->refund[back->refund];
    if (refund->done || refund->paid_seq != 0)
        return unfit();
    refund->done = true;
    refund->paid_seq = back->paid_seq;
    refund->debit = back->debit;
    return move_return(books, back, -1);
}

static struct pl_status take_refund_cancelled(struct export_books *books, const char *id)
{
    struct export_refund *refund = open_refund(books, id);
    if (refund == NULL)
        return unfit();
    struct export_bank_entry *from = &books->bank_entry[refund->bank_entry - 1];
    refund->done = true;
    from->refunded -= refund->minor;
    add_move(books, EXPORT_REFUND_ORDERED, from->pledge, refund->bank_entry, -refund->minor,
             from->currency);
    return pl_ok();
}

/* The promise is gone; what was paid for it is free money again. */
static struct pl_status take_end(struct export_books *books, const char *id)
{
    struct export_pledge *pledge = pledge_of(books, id);
    if (pledge == NULL)
        return unfit();
    if (!pledge->live)
        return pl_ok(); /* only held, or waiting */
    PL_TRY(undo_of_pledge(books, pledge));
    PL_TRY(undo_waivers_of(books, number_of(books, pledge)));
    add_move(books, pledge->committed ? EXPORT_COMMITTED : EXPORT_PLEDGED, number_of(books, pledge),
             0, -pledge->amount, pledge->currency);
    pledge->live = pledge->committed = false;
    pledge->amount = 0;
    return pl_ok();
}

static struct pl_status take_payment(struct export_books *books, uint64_t seq, bool posted,
                                     const Pledged__V1__PaymentRecorded *fact)
{
    struct export_pledge *pledge = pledge_of(books, fact->pledge);
    int currency = fact->amount == NULL ? -1 : pl_currency_index(fact->amount->currency);
    if (pledge == NULL || currency < 0 || fact->amount->minor <= 0 ||
        pl_id_parse(fact->bank_entry, 'B') != books->bank_entries + 1 ||
        !pl_date_valid(fact->value_date))
        return unfit();
    books->bank_entry = grow(books->bank_entry, books->bank_entries, &books->bank_entry_cap,
                             sizeof(*books->bank_entry));
    uint64_t number = ++books->bank_entries;
    books->bank_entry[number - 1] = (struct export_bank_entry){.seq = seq,
                                                               .pledge = number_of(books, pledge),
                                                               .amount = fact->amount->minor,
                                                               .currency = currency};
    if (!posted)
        (void)snprintf(books->date, sizeof(books->date), "%s", fact->value_date);
    add_move(books, EXPORT_RECEIVED, number_of(books, pledge), number, fact->amount->minor,
             currency);
    return pl_ok();
}

static struct pl_status take_allocated(struct export_books *books, uint64_t seq,
                                       const Pledged__V1__Allocated *fact)
{
    const Pledged__V1__Money *settled = fact->settled == NULL ? fact->amount : fact->settled;
    uint64_t number = pl_id_parse(fact->bank_entry, 'B');
    struct export_pledge *pledge = pledge_of(books, fact->pledge);
    if (number == 0 || number > books->bank_entries || pledge == NULL || fact->amount == NULL ||
        fact->amount->minor < 0 || settled->minor < 0 ||
        pl_currency_index(fact->amount->currency) != books->bank_entry[number - 1].currency ||
        pl_currency_index(settled->currency) != pledge->currency)
        return unfit();
    books->allocation = grow(books->allocation, books->allocations, &books->allocation_cap,
                             sizeof(*books->allocation));
    struct export_allocation *made = &books->allocation[books->allocations++];
    *made = (struct export_allocation){.seq = seq,
                                       .bank_entry = number,
                                       .pledge = number_of(books, pledge),
                                       .minor = fact->amount->minor,
                                       .settled = settled->minor,
                                       .older_of_entry = books->bank_entry[number - 1].newest,
                                       .older_of_pledge = pledge->newest};
    books->bank_entry[number - 1].newest = pledge->newest = books->allocations;
    return settle(books, made, 1);
}

/* The sum of a batch (its id; empty: none) gives way to its details. */
static struct pl_status give_way(struct export_books *books, const char *sum)
{
    uint64_t whole = pl_id_parse(sum, 'B');
    if (sum[0] == '\0')
        return pl_ok();
    if (whole == 0 || whole > books->bank_entries || books->bank_entry[whole - 1].allocated != 0)
        return unfit();
    struct export_bank_entry *batch = &books->bank_entry[whole - 1];
    add_move(books, EXPORT_RECEIVED, batch->pledge, whole, -batch->amount, batch->currency);
    add_move(books, EXPORT_WITHDRAWN, 0, whole, -batch->withdrawn, batch->currency);
    batch->amount = batch->withdrawn = 0;
    return pl_ok();
}

/* Its details were there one by one: what is counted twice is taken out. */
static struct pl_status take_learned(struct export_books *books, bool posted,
                                     const Pledged__V1__MovementLearned *fact)
{
    if (fact->batch[0] != '\0' && !posted && fact->movement != NULL)
        (void)snprintf(books->date, sizeof(books->date), "%.10s", fact->movement->value_date);
    return give_way(books, fact->batch);
}

/* Money that left the account is not in the fund's totals; its row keeps the numbering. */
static struct pl_status take_recorded(struct export_books *books, uint64_t seq, bool posted,
                                      const Pledged__V1__BankEntryRecorded *fact)
{
    const Pledged__V1__Movement *movement = fact->movement;
    int currency = pl_currency_index(fact->currency);
    if (movement == NULL || currency < 0 ||
        pl_id_parse(fact->bank_entry, 'B') != books->bank_entries + 1 ||
        !pl_date_valid(movement->value_date))
        return unfit();
    if (!posted)
        (void)snprintf(books->date, sizeof(books->date), "%s", movement->value_date);
    PL_TRY(give_way(books, fact->batch));
    books->bank_entry = grow(books->bank_entry, books->bank_entries, &books->bank_entry_cap,
                             sizeof(*books->bank_entry));
    uint64_t number = ++books->bank_entries;
    int64_t credit = movement->minor > 0 ? movement->minor : 0, debit = credit - movement->minor;
    books->bank_entry[number - 1] = (struct export_bank_entry){
        .seq = seq, .amount = credit, .withdrawn = debit, .currency = currency, .stated = true};
    add_move(books, EXPORT_RECEIVED, 0, number, credit, currency);
    add_move(books, EXPORT_WITHDRAWN, 0, number, debit, currency);
    return pl_ok();
}

/* It is booked, and has its day; from now on it has left, or come, for certain. */
static struct pl_status take_confirmed(struct export_books *books,
                                       const Pledged__V1__PaymentConfirmed *fact)
{
    uint64_t number = pl_id_parse(fact->bank_entry, 'B');
    if (number == 0 || number > books->bank_entries)
        return unfit();
    books->bank_entry[number - 1].stated = true;
    return pl_ok();
}

/* --- charges --- */

/* Counts it (sign 1) or takes it back (-1): of a debit the bank took it, of a credit it gave it. */
static struct pl_status move_charge(struct export_books *books, const struct export_charge *charge,
                                    int sign)
{
    struct export_bank_entry *from = &books->bank_entry[charge->bank_entry - 1];
    if (from->amount == 0)
        return explain(books, EXPORT_CHARGED, charge->bank_entry, charge->bank_entry, charge->minor,
                       sign);
    PL_TRY(explain_credit(from, sign * charge->minor));
    add_move(books, EXPORT_CHARGED_BACK, from->pledge, charge->bank_entry, sign * charge->minor,
             from->currency);
    return pl_ok();
}

static struct pl_status take_charge(struct export_books *books, uint64_t seq, bool posted,
                                    const Pledged__V1__ChargeBooked *fact)
{
    uint64_t number = pl_id_parse(fact->bank_entry, 'B');
    if (number == 0 || number > books->bank_entries || fact->amount == NULL ||
        !pl_date_valid(fact->value_date))
        return unfit();
    if (!posted)
        (void)snprintf(books->date, sizeof(books->date), "%s", fact->value_date);
    books->charge = grow(books->charge, books->charges, &books->charge_cap, sizeof(*books->charge));
    books->charge[books->charges++] =
        (struct export_charge){.seq = seq, .bank_entry = number, .minor = fact->amount->minor};
    return move_charge(books, &books->charge[books->charges - 1], 1);
}

static struct export_charge *charge_at(struct export_books *books, uint64_t seq)
{
    for (size_t i = 0; i < books->charges; i++) {
        if (books->charge[i].seq == seq)
            return &books->charge[i];
    }
    return NULL;
}

static struct pl_status undo_charge(struct export_books *books, struct export_charge *charge)
{
    if (charge->undone)
        return unfit();
    charge->undone = true;
    return move_charge(books, charge, -1);
}

static struct pl_status take_bank_reversal(struct export_books *books,
                                           const Pledged__V1__BankReversal *fact)
{
    uint64_t number = pl_id_parse(fact->original, 'B'), back = pl_id_parse(fact->bank_entry, 'B');
    if (number == 0 || number > books->bank_entries || books->bank_entry[number - 1].reversed ||
        back == 0 || back > books->bank_entries)
        return unfit();
    PL_TRY(undo_of_entry(books, number));
    struct export_bank_entry *from = &books->bank_entry[number - 1];
    from->reversed = true;
    return explain(books, EXPORT_TAKEN_BACK, number, back, from->amount, 1);
}

static bool same_money(const Pledged__V1__Money *money, int64_t minor)
{
    return (money == NULL ? 0 : money->minor) == minor;
}

/* A payment is undone with all that was allocated from it, an allocation alone goes back. */
static struct pl_status take_reversed(struct export_books *books, const Pledged__V1__Reversed *fact)
{
    struct export_allocation *made = allocation_at(books, fact->target_seq);
    if (made != NULL)
        return made->undone || !same_money(fact->deallocated, made->minor) ? unfit()
                                                                           : undo(books, made);
    struct export_waiver *waiver = waiver_at(books, fact->target_seq);
    if (waiver != NULL)
        return undo_waiver(books, waiver);
    struct export_charge *charge = charge_at(books, fact->target_seq);
    if (charge != NULL)
        return undo_charge(books, charge);
    const struct export_return *back = return_at(books, fact->target_seq);
    if (back != NULL)
        return undo_return(books, back);
    if (fact->benefit[0] != '\0' || fact->amount == NULL) /* a closing: moves no money either */
        return pl_ok();
    if (fact->refund[0] != '\0')
        return undo_refund_paid(books, fact);
    uint64_t number = pl_id_parse(fact->bank_entry, 'B');
    if (number == 0 || number > books->bank_entries)
        return unfit();
    struct export_bank_entry *from = &books->bank_entry[number - 1];
    if (from->reversed || from->refunded != 0 || from->seq != fact->target_seq ||
        !same_money(fact->amount, from->amount))
        return unfit();
    PL_TRY(undo_of_entry(books, number));
    from->reversed = true;
    add_move(books, EXPORT_RECEIVED, from->pledge, number, -from->amount, from->currency);
    return pl_ok();
}

/* --- the table --- */

static struct pl_status take_change(struct export_books *books, const char *id,
                                    const Pledged__V1__Money *amount)
{
    struct export_pledge *pledge = pledge_of(books, id);
    if (pledge == NULL || (amount != NULL && !pledge->live))
        return unfit();
    return amount == NULL ? pl_ok() : take_amount(books, pledge, amount);
}

static struct pl_status take_fact(struct export_books *books, const Pledged__V1__Entry *entry)
{
    struct export_pledge *pledge = NULL;
    switch (entry->fact_case) {
    case FACT(CONTRIBUTOR_ADDED):
        return take_contributor(books, entry->contributor_added->contributor,
                                entry->contributor_added->name, entry->contributor_added->kind);
    case FACT(CONTRIBUTOR_AMENDED):
        return take_contributor(books, entry->contributor_amended->contributor,
                                entry->contributor_amended->name, entry->contributor_amended->kind);
    case FACT(HOLD_PLACED):
        return open_pledge(books, entry->hold_placed->pledge, entry->hold_placed->contributor,
                           &pledge);
    case FACT(WAIT_ADDED):
        return open_pledge(books, entry->wait_added->pledge, entry->wait_added->contributor,
                           &pledge);
    case FACT(PLEDGE_MADE):
        return take_made(books, entry->pledge_made);
    case FACT(COMMITMENT_SIGNED):
        return take_signed(books, entry->commitment_signed->pledge);
    case FACT(COMMITMENT_AMENDED):
        return take_change(books, entry->commitment_amended->pledge,
                           entry->commitment_amended->amount);
    case FACT(TIER_CHANGED):
        return take_change(books, entry->tier_changed->pledge, entry->tier_changed->amount);
    case FACT(WITHDRAWN):
        return take_end(books, entry->withdrawn->pledge);
    case FACT(CANCELLED):
        return take_end(books, entry->cancelled->pledge);
    case FACT(PAYMENT_RECORDED):
        return take_payment(books, entry->seq, entry->posting_date[0] != '\0',
                            entry->payment_recorded);
    case FACT(ALLOCATED):
        return take_allocated(books, entry->seq, entry->allocated);
    case FACT(REVERSED):
        return take_reversed(books, entry->reversed);
    case FACT(REFUND_ORDERED):
        return take_ordered(books, entry->refund_ordered);
    case FACT(REFUND_PAID):
        return take_refund_paid(books, entry->seq, entry->posting_date[0] != '\0',
                                entry->refund_paid);
    case FACT(REFUND_RETURNED):
        return take_returned(books, entry->seq, entry->posting_date[0] != '\0',
                             entry->refund_returned);
    case FACT(REFUND_CANCELLED):
        return take_refund_cancelled(books, entry->refund_cancelled->refund);
    case FACT(WRITTEN_OFF):
        return take_waiver(books, entry->seq, entry->written_off->pledge, 0,
                           entry->written_off->amount);
    case FACT(DIFFERENCE_ACCEPTED):
        return take_waiver(books, entry->seq, entry->difference_accepted->pledge,
                           pl_id_parse(entry->difference_accepted->bank_entry, 'B'),
                           entry->difference_accepted->amount);
    case FACT(BANK_ENTRY_RECORDED):
        return take_recorded(books, entry->seq, entry->posting_date[0] != '\0',
                             entry->bank_entry_recorded);
    case FACT(MOVEMENT_LEARNED):
        return take_learned(books, entry->posting_date[0] != '\0', entry->movement_learned);
    case FACT(PAYMENT_CONFIRMED):
        return take_confirmed(books, entry->payment_confirmed);
    case FACT(CHARGE_BOOKED):
        return take_charge(books, entry->seq, entry->posting_date[0] != '\0', entry->charge_booked);
    case FACT(BANK_REVERSAL):
        return take_bank_reversal(books, entry->bank_reversal);
    case FACT(LEDGER_CREATED):
    case FACT(ROSTER_ADOPTED):
    case FACT(POLICY_ADOPTED):
    case FACT(CATALOGUE_ADOPTED):
    case FACT(COMMAND_REFUSED):
    case FACT(COMMAND_CONTINUED):
    case FACT(POSTINGS_EXPORTED):
    case FACT(BENEFIT_CLAIMED):
    case FACT(BENEFIT_DECLINED):
    case FACT(BENEFIT_DELIVERED):
    case FACT(CONTACT_RECORDED):
    case FACT(SUBJECT_ERASED):
    case FACT(LEGAL_HOLD_SET):
    case FACT(PROPOSED):
    case FACT(PROPOSAL_REJECTED):
    case FACT(PROPOSAL_EXPIRED):
    case FACT(HOLD_EXTENDED):
    case FACT(HOLD_EXPIRED):
    case FACT(PERIOD_CLOSED):
    case FACT(PERIOD_REOPENED):
    case FACT(WAIT_PROMOTED):
    case FACT(RECEIPT_ISSUED):
    case FACT(CERTIFICATE_ISSUED):
    case FACT(SCHEDULE_SET): /* only says when */
    case FACT(RATE_RECORDED):
    case FACT(PLEDGE_CLOSED): /* moves no money */
    case FACT(STATEMENT_IMPORTED):
    case FACT(STATEMENT_REPEATED):
    case FACT(PAYER_LEARNED): /* persons are not in the books */
        return pl_ok();
    case FACT(_NOT_SET):
    case _PLEDGED__V1__ENTRY__FACT__CASE_IS_INT_SIZE:
        break;
    }
    return pl_fail(UNIMPLEMENTED, "an entry holds a fact that this version does not know");
}

struct pl_status export_books_take(struct export_books *books, const Pledged__V1__Entry *entry)
{
    books->moves = 0;
    if (pl_date_valid(entry->posting_date))
        (void)snprintf(books->date, sizeof(books->date), "%s", entry->posting_date);
    else if (pl_date_valid(entry->effective_date))
        (void)snprintf(books->date, sizeof(books->date), "%s", entry->effective_date);
    else
        (void)pl_date_format(pl_date_of_us(entry->time_us), books->date);
    return take_fact(books, entry);
}
