/* SPDX-License-Identifier: Apache-2.0
 *
 * account: see account.h. What ends a pledge takes its promise and its payments off again: that
 * money is then free, and no payment for this pledge. Promises and payments are in the pledge's
 * currency, money that came in or went back in its own: they have lines of their own. Everything
 * lives in the arena.
 */
#include "client/account.h"

#include <stdlib.h>
#include <string.h>

#include "client/text.h"
#include "common/check.h"
#include "common/date.h"
#include "common/ids.h"
#include "common/money.h"

struct account_item {
    uint64_t seq;
    const char *pledge, *bank_entry; /* bank_entry NULL: a waiver */
    int64_t settled, amount;         /* in the pledge's currency; in the bank entry's */
    bool live;
};
struct account_refund {
    const char *id;
};
struct account_entry {
    uint64_t number;
    const char *value_date;
};

static struct pl_status unfit(void)
{
    return pl_fail(CORRUPT, "an entry does not fit the history of its pledge");
}

void account_init(struct account *account, struct pl_arena *arena)
{
    *account = (struct account){.arena = arena};
}

void account_pledge(struct account *account, const char *pledge)
{
    account->pledge = pledge;
    account->currency = NULL;
    account->promised = 0;
}

/* A larger copy in the arena; what was there stays until the run ends. */
static bool grow(struct account *account, void **array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return true;
    size_t larger = *cap == 0 ? 64 : *cap * 2;
    void *made = pl_arena_alloc(account->arena, larger * size);
    if (made == NULL)
        return false;
    if (count > 0)
        memcpy(made, *array, count * size);
    *array = made;
    *cap = larger;
    return true;
}

/* --- lines --- */

static const char *day_of(struct account *account, const Pledged__V1__Entry *entry)
{
    char day[11];
    if (pl_date_valid(entry->effective_date))
        return pl_arena_strdup(account->arena, entry->effective_date);
    return pl_arena_strdup(account->arena, pl_date_format(pl_date_of_us(entry->time_us), day));
}

/* date NULL: the value date of the line's bank entry. */
static struct pl_status add_line(struct account *account, struct documents_line line)
{
    void *lines = account->line;
    if (line.currency == NULL)
        return unfit();
    if (!grow(account, &lines, account->count, &account->cap, sizeof(*account->line)))
        return text_no_memory();
    account->line = lines;
    account->line[account->count++] = line;
    return pl_ok();
}

/* A line of the pledge, on the day that the entry is of. */
static struct pl_status add(struct account *account, const Pledged__V1__Entry *entry,
                            struct documents_line line)
{
    line.seq = entry->seq;
    line.pledge = account->pledge;
    line.fact = (int)entry->fact_case;
    line.date = day_of(account, entry);
    if (line.date == NULL)
        return text_no_memory();
    if (line.currency == NULL)
        line.currency = account->currency;
    if (!pl_add64(account->promised, line.promised, &account->promised))
        return unfit();
    return add_line(account, line);
}

/* --- promises --- */

static struct pl_status take_amount(struct account *account, const Pledged__V1__Entry *entry,
                                    const Pledged__V1__Money *amount)
{
    int64_t change;
    if (amount == NULL) /* of what is only held */
        return pl_ok();
    if (account->currency == NULL)
        account->currency = amount->currency;
    if (strcmp(account->currency, amount->currency) != 0 ||
        __builtin_sub_overflow(amount->minor, account->promised, &change))
        return unfit();
    return change == 0 ? pl_ok() : add(account, entry, (struct documents_line){.promised = change});
}

static struct pl_status keep_item(struct account *account, const Pledged__V1__Entry *entry,
                                  const char *bank_entry, const Pledged__V1__Money *settled,
                                  int64_t amount)
{
    void *items = account->item;
    if (settled == NULL || account->currency == NULL ||
        strcmp(settled->currency, account->currency) != 0)
        return unfit();
    if (!grow(account, &items, account->items, &account->item_cap, sizeof(*account->item)))
        return text_no_memory();
    account->item = items;
    account->item[account->items++] = (struct account_item){
        entry->seq, account->pledge, bank_entry, settled->minor, amount, true};
    return pl_ok();
}

static struct pl_status take_allocated(struct account *account, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__Allocated *fact = entry->allocated;
    const Pledged__V1__Money *settled = fact->settled != NULL ? fact->settled : fact->amount;
    PL_TRY(keep_item(account, entry, fact->bank_entry, settled,
                     fact->amount == NULL ? 0 : fact->amount->minor));
    return add(account, entry,
               (struct documents_line){.paid = settled->minor, .bank_entry = fact->bank_entry});
}

static struct pl_status take_waived(struct account *account, const Pledged__V1__Entry *entry,
                                    const Pledged__V1__Money *amount)
{
    PL_TRY(keep_item(account, entry, NULL, amount, 0));
    return add(account, entry, (struct documents_line){.waived = amount->minor});
}

/* --- what is taken back --- */

enum undo { UNDO_ONE, UNDO_BANK_ENTRY, UNDO_PAID, UNDO_WAIVED };

/* Items of the pledge that are meant: the one of seq, those of a bank entry, all of a sort. */
static bool undo(struct account *account, enum undo which, uint64_t seq, const char *bank_entry,
                 int64_t *ret)
{
    int64_t sum = 0;
    for (size_t i = 0; i < account->items; i++) {
        struct account_item *item = &account->item[i];
        bool paid = item->bank_entry != NULL, meant = false;
        if (!item->live || item->pledge != account->pledge)
            continue;
        switch (which) {
        case UNDO_ONE:
            meant = item->seq == seq;
            break;
        case UNDO_BANK_ENTRY:
            meant = paid && strcmp(item->bank_entry, bank_entry) == 0;
            break;
        case UNDO_PAID:
            meant = paid;
            break;
        case UNDO_WAIVED:
            meant = !paid;
            break;
        }
        if (meant && !pl_add64(sum, item->settled, &sum))
            return false;
        item->live = !meant;
    }
    *ret = sum;
    return true;
}

static const struct account_item *find_item(const struct account *account, uint64_t seq)
{
    for (size_t i = 0; i < account->items; i++) {
        if (account->item[i].seq == seq)
            return &account->item[i];
    }
    return NULL;
}

/* A whole payment was none, or the bank took it back: what it paid, and the money itself. */
static struct pl_status take_payment_back(struct account *account, const Pledged__V1__Entry *entry,
                                          const char *original, const Pledged__V1__Money *amount)
{
    int64_t sum;
    if (!undo(account, UNDO_BANK_ENTRY, 0, original, &sum))
        return unfit();
    if (sum != 0)
        PL_TRY(add(account, entry, (struct documents_line){.paid = -sum, .bank_entry = original}));
    if (amount == NULL)
        return pl_ok();
    return add(account, entry,
               (struct documents_line){.received = -amount->minor,
                                       .currency = amount->currency,
                                       .bank_entry = original});
}

/* It was not paid; or it did not come back, which was told with the whole amount of the refund. */
static int64_t refund_undone(const struct account *account, const Pledged__V1__Reversed *fact)
{
    for (size_t i = 0; i < account->count; i++) {
        const struct documents_line *line = &account->line[i];
        if (line->seq == fact->target_seq && line->fact == PLEDGED__V1__ENTRY__FACT_REFUND_RETURNED)
            return -line->returned;
    }
    return -fact->amount->minor;
}

/* Its payment is told. What became of a refund whose payment the history does not have, is none of
 * its lines: account_refund tells what is true in the end. */
static bool refund_is_told(const struct account *account, const char *id)
{
    for (size_t i = 0; i < account->refunds; i++) {
        if (strcmp(account->refund[i].id, id) == 0)
            return true;
    }
    return false;
}

static struct pl_status tell_refund(struct account *account, const char *id)
{
    void *refunds = account->refund;
    if (refund_is_told(account, id))
        return pl_ok();
    if (!grow(account, &refunds, account->refunds, &account->refund_cap, sizeof(*account->refund)))
        return text_no_memory();
    account->refund = refunds;
    account->refund[account->refunds++] = (struct account_refund){id};
    return pl_ok();
}

static struct pl_status take_reversed(struct account *account, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__Reversed *fact = entry->reversed;
    const struct account_item *item = find_item(account, fact->target_seq);
    int64_t sum;
    if (fact->benefit[0] != '\0')
        return pl_ok();
    if (fact->refund[0] != '\0' && !refund_is_told(account, fact->refund))
        return pl_ok();
    if (fact->refund[0] != '\0')
        return fact->amount == NULL
                   ? unfit()
                   : add(account, entry,
                         (struct documents_line){.returned = refund_undone(account, fact),
                                                 .currency = fact->amount->currency,
                                                 .bank_entry = fact->bank_entry});
    if (item == NULL)
        return take_payment_back(account, entry, fact->bank_entry, fact->amount);
    if (!undo(account, UNDO_ONE, item->seq, NULL, &sum))
        return unfit();
    if (sum == 0)
        return pl_ok();
    return item->bank_entry == NULL
               ? add(account, entry, (struct documents_line){.waived = -sum})
               : add(account, entry,
                     (struct documents_line){.paid = -sum, .bank_entry = item->bank_entry});
}

/* The money that the bank's own reversal took has a value date, too. */
static struct pl_status take_bank_reversal(struct account *account, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__BankReversal *fact = entry->bank_reversal;
    size_t before = account->count;
    PL_TRY(take_payment_back(account, entry, fact->original, fact->amount));
    for (size_t i = before; i < account->count; i++) {
        account->line[i].bank_entry = fact->bank_entry;
        if (account->line[i].received != 0)
            account->line[i].date = NULL;
    }
    return pl_ok();
}

static struct pl_status take_end(struct account *account, const Pledged__V1__Entry *entry)
{
    struct documents_line line = {.promised = -account->promised};
    int64_t paid, waived;
    if (!undo(account, UNDO_PAID, 0, NULL, &paid) || !undo(account, UNDO_WAIVED, 0, NULL, &waived))
        return unfit();
    if (account->promised == 0 && paid == 0 && waived == 0)
        return pl_ok();
    line.paid = -paid;
    line.waived = -waived;
    return add(account, entry, line);
}

/* Paid back (sign 1); or it came back and is to be paid still (-1). */
static struct pl_status add_refund(struct account *account, const Pledged__V1__Entry *entry,
                                   const Pledged__V1__Money *amount, int sign, char *value_date,
                                   char *bank_entry)
{
    if (amount == NULL || !pl_date_valid(value_date))
        return unfit();
    return add_line(account, (struct documents_line){.seq = entry->seq,
                                                     .date = value_date,
                                                     .pledge = account->pledge,
                                                     .fact = (int)entry->fact_case,
                                                     .returned = sign * amount->minor,
                                                     .currency = amount->currency,
                                                     .bank_entry = bank_entry});
}

static struct pl_status take_refund(struct account *account, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__RefundPaid *fact = entry->refund_paid;
    PL_TRY(tell_refund(account, fact->refund));
    return add_refund(account, entry, fact->amount, 1, fact->value_date, fact->bank_entry);
}

static struct pl_status take_refund_back(struct account *account, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__RefundReturned *fact = entry->refund_returned;
    if (!refund_is_told(account, fact->refund))
        return pl_ok();
    return add_refund(account, entry, fact->amount, -1, fact->value_date, fact->bank_entry);
}

struct pl_status account_take(struct account *account, const Pledged__V1__Entry *entry)
{
    PL_ASSERT(account->pledge != NULL);
    switch ((int)entry->fact_case) {
    case PLEDGED__V1__ENTRY__FACT_PLEDGE_MADE:
        return take_amount(account, entry, entry->pledge_made->amount);
    case PLEDGED__V1__ENTRY__FACT_COMMITMENT_AMENDED:
        return take_amount(account, entry, entry->commitment_amended->amount);
    case PLEDGED__V1__ENTRY__FACT_TIER_CHANGED:
        return take_amount(account, entry, entry->tier_changed->amount);
    case PLEDGED__V1__ENTRY__FACT_ALLOCATED:
        return take_allocated(account, entry);
    case PLEDGED__V1__ENTRY__FACT_WRITTEN_OFF:
        return take_waived(account, entry, entry->written_off->amount);
    case PLEDGED__V1__ENTRY__FACT_DIFFERENCE_ACCEPTED:
        return take_waived(account, entry, entry->difference_accepted->amount);
    case PLEDGED__V1__ENTRY__FACT_REVERSED:
        return take_reversed(account, entry);
    case PLEDGED__V1__ENTRY__FACT_BANK_REVERSAL:
        return take_bank_reversal(account, entry);
    case PLEDGED__V1__ENTRY__FACT_REFUND_PAID:
        return take_refund(account, entry);
    case PLEDGED__V1__ENTRY__FACT_REFUND_RETURNED:
        return take_refund_back(account, entry);
    case PLEDGED__V1__ENTRY__FACT_WITHDRAWN:
    case PLEDGED__V1__ENTRY__FACT_CANCELLED:
        return take_end(account, entry);
    default:
        return pl_ok(); /* nothing that moves money */
    }
}

/* --- bank entries --- */

/* Where a number is, or belongs. */
static size_t place_of(const struct account *account, uint64_t number)
{
    size_t low = 0, high = account->entries;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (account->entry[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const char *value_date(const struct account *account, const char *bank_entry)
{
    uint64_t number = pl_id_parse(bank_entry, 'B');
    size_t at = place_of(account, number);
    return at < account->entries && account->entry[at].number == number
               ? account->entry[at].value_date
               : NULL;
}

struct pl_status account_learn(struct account *account, const char *bank_entry, const char *date)
{
    void *entries = account->entry;
    uint64_t number = pl_id_parse(bank_entry, 'B');
    if (number == 0 || !pl_date_valid(date))
        return unfit();
    if (value_date(account, bank_entry) != NULL)
        return pl_ok();
    if (!grow(account, &entries, account->entries, &account->entry_cap, sizeof(*account->entry)))
        return text_no_memory();
    account->entry = entries;
    size_t at = place_of(account, number);
    memmove(&account->entry[at + 1], &account->entry[at],
            (account->entries++ - at) * sizeof(*account->entry));
    account->entry[at] = (struct account_entry){number, date};
    return pl_ok();
}

struct pl_status account_receive(struct account *account, const Pledged__V1__PaymentStatus *payment)
{
    if (payment->amount == NULL)
        return unfit();
    PL_TRY(account_learn(account, payment->bank_entry, payment->value_date));
    int64_t amount = payment->amount->minor;
    int64_t allocated = payment->allocated == NULL ? 0 : payment->allocated->minor;
    int64_t used = allocated + (payment->refunded == NULL ? 0 : payment->refunded->minor);
    if (payment->explained != NULL) /* not received: it is told as what it is */
        amount -= payment->explained->minor;
    if (amount == 0) /* a batch whose parts are told one by one */
        return pl_ok();
    return add_line(account,
                    (struct documents_line){.seq = payment->seq,
                                            .date = payment->value_date,
                                            .pledge = payment->pledge,
                                            .fact = PLEDGED__V1__ENTRY__FACT_PAYMENT_RECORDED,
                                            .received = amount,
                                            .unallocated = payment->reversed ? 0 : amount - used,
                                            .elsewhere = payment->reversed ? 0 : allocated,
                                            .currency = payment->amount->currency,
                                            .bank_entry = payment->bank_entry});
}

static struct pl_status add_paid_back(struct account *account,
                                      const Pledged__V1__RefundStatus *refund, const char *pledge)
{
    if (refund->amount == NULL || !pl_date_valid(refund->paid_date))
        return unfit();
    return add_line(account, (struct documents_line){.seq = refund->paid_seq != 0 ? refund->paid_seq
                                                                                  : refund->seq,
                                                     .date = refund->paid_date,
                                                     .pledge = pledge,
                                                     .fact = PLEDGED__V1__ENTRY__FACT_REFUND_PAID,
                                                     .returned = refund->amount->minor,
                                                     .currency = refund->amount->currency,
                                                     .bank_entry = refund->debit});
}

struct pl_status account_refund(struct account *account, const Pledged__V1__RefundStatus *refund)
{
    PL_ASSERT(account->pledge != NULL);
    if (refund->paid_date[0] == '\0' || refund_is_told(account, refund->refund))
        return pl_ok();
    return add_paid_back(account, refund, account->pledge);
}

struct pl_status account_give_back(struct account *account, const Pledged__V1__RefundStatus *refund)
{
    if (refund->amount == NULL || !pl_date_valid(refund->value_date))
        return unfit();
    struct documents_line line = {.seq = refund->seq,
                                  .date = refund->value_date,
                                  .pledge = "",
                                  .fact = PLEDGED__V1__ENTRY__FACT_PAYMENT_RECORDED,
                                  .received = refund->amount->minor,
                                  .currency = refund->amount->currency,
                                  .bank_entry = refund->bank_entry};
    PL_TRY(add_line(account, line));
    return refund->paid_date[0] == '\0' ? pl_ok() : add_paid_back(account, refund, "");
}

const char *account_unknown(struct account *account)
{
    for (; account->dated < account->count; account->dated++) {
        const struct documents_line *line = &account->line[account->dated];
        if (line->date == NULL && value_date(account, line->bank_entry) == NULL)
            return line->bank_entry;
    }
    return NULL;
}

/* --- the end --- */

/* Of one entry, what it paid is told first. */
static int by_day(const void *a, const void *b)
{
    const struct documents_line *left = a, *later = b;
    int order = strcmp(left->date, later->date);
    if (order != 0)
        return order;
    if (left->seq != later->seq)
        return left->seq < later->seq ? -1 : 1;
    return (later->paid != 0) - (left->paid != 0);
}

/* Of what a bank entry pays for, the part that the contributor's own pledges do not have. */
static void take_own_off(struct account *account, struct documents_line *line)
{
    for (size_t i = 0; line->elsewhere != 0 && i < account->items; i++) {
        const struct account_item *item = &account->item[i];
        if (item->live && item->bank_entry != NULL &&
            strcmp(item->bank_entry, line->bank_entry) == 0)
            line->elsewhere -= item->amount;
    }
}

static void leave_out_after(struct account *account, const char *last_day)
{
    size_t kept = 0;
    for (size_t i = 0; i < account->count; i++) {
        if (strcmp(account->line[i].date, last_day) <= 0)
            account->line[kept++] = account->line[i];
    }
    account->count = kept;
}

struct pl_status account_finish(struct account *account, const char *last_day)
{
    int64_t *balance =
        pl_arena_alloc(account->arena, (size_t)pl_currency_count() * sizeof(*balance));
    if (balance == NULL)
        return text_no_memory();
    memset(balance, 0, (size_t)pl_currency_count() * sizeof(*balance));
    for (size_t i = 0; i < account->count; i++) {
        struct documents_line *line = &account->line[i];
        if (line->date == NULL)
            line->date = value_date(account, line->bank_entry);
        if (line->date == NULL)
            return unfit();
        take_own_off(account, line);
    }
    if (last_day != NULL)
        leave_out_after(account, last_day);
    if (account->count > 0)
        qsort(account->line, account->count, sizeof(*account->line), by_day);
    for (size_t i = 0; i < account->count; i++) {
        struct documents_line *line = &account->line[i];
        int currency = pl_currency_index(line->currency);
        if (currency < 0 || !pl_add64(balance[currency], line->promised, &balance[currency]) ||
            !pl_add64(balance[currency], -line->paid, &balance[currency]) ||
            !pl_add64(balance[currency], -line->waived, &balance[currency]))
            return unfit();
        line->balance = balance[currency];
    }
    return pl_ok();
}
