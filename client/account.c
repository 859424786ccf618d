/* SPDX-License-Identifier: Apache-2.0
 *
 * account: see account.h. What ends a pledge takes its promise and its payments off again: that
 * money is then free, and no payment for this pledge. Everything lives in the arena.
 */
#include "client/account.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/money.h"

struct account_payment {
    uint64_t seq;
    const char *pledge, *bank_entry;
    int64_t settled;
    bool live;
};

static struct pl_status unfit(void)
{
    return pl_fail(CORRUPT, "an entry does not fit the history of its pledge");
}

static struct pl_status no_room(void)
{
    return pl_fail(TOO_BIG, "the statement does not fit into memory");
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

static const char *day_of(struct account *account, const Pledged__V1__Entry *entry)
{
    char day[11];
    if (pl_date_valid(entry->effective_date))
        return pl_arena_strdup(account->arena, entry->effective_date);
    return pl_arena_strdup(account->arena, pl_date_format(pl_date_of_us(entry->time_us), day));
}

static struct pl_status add(struct account *account, const Pledged__V1__Entry *entry,
                            int64_t promised, int64_t paid)
{
    void *lines = account->line;
    if (account->currency == NULL)
        return unfit();
    if (!grow(account, &lines, account->count, &account->cap, sizeof(*account->line)))
        return no_room();
    account->line = lines;
    const char *day = day_of(account, entry);
    if (day == NULL)
        return no_room();
    account->line[account->count++] = (struct documents_line){.seq = entry->seq,
                                                              .date = day,
                                                              .pledge = account->pledge,
                                                              .fact = (int)entry->fact_case,
                                                              .promised = promised,
                                                              .paid = paid,
                                                              .currency = account->currency};
    return pl_add64(account->promised, promised, &account->promised) ? pl_ok() : unfit();
}

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
    return change == 0 ? pl_ok() : add(account, entry, change, 0);
}

static struct pl_status take_allocated(struct account *account, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__Allocated *fact = entry->allocated;
    const Pledged__V1__Money *settled = fact->settled != NULL ? fact->settled : fact->amount;
    void *payments = account->payment;
    if (settled == NULL || account->currency == NULL ||
        strcmp(settled->currency, account->currency) != 0)
        return unfit();
    if (!grow(account, &payments, account->payments, &account->payment_cap,
              sizeof(*account->payment)))
        return no_room();
    account->payment = payments;
    account->payment[account->payments++] = (struct account_payment){
        entry->seq, account->pledge, fact->bank_entry, settled->minor, true};
    return add(account, entry, 0, settled->minor);
}

/* What an allocation, a bank entry (or, both unset, the pledge) paid is taken back. */
static bool undo(struct account *account, uint64_t seq, const char *bank_entry, int64_t *ret)
{
    int64_t sum = 0;
    for (size_t i = 0; i < account->payments; i++) {
        struct account_payment *payment = &account->payment[i];
        bool meant = payment->live && payment->pledge == account->pledge &&
                     (seq == 0 || payment->seq == seq) &&
                     (bank_entry == NULL || strcmp(payment->bank_entry, bank_entry) == 0);
        if (meant && !pl_add64(sum, payment->settled, &sum))
            return false;
        payment->live = payment->live && !meant;
    }
    *ret = sum;
    return true;
}

static bool is_allocation(const struct account *account, uint64_t seq)
{
    for (size_t i = 0; i < account->payments; i++) {
        if (account->payment[i].seq == seq)
            return true;
    }
    return false;
}

static struct pl_status take_reversed(struct account *account, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__Reversed *fact = entry->reversed;
    int64_t sum;
    bool one = is_allocation(account, fact->target_seq);
    if (!undo(account, one ? fact->target_seq : 0, one ? NULL : fact->bank_entry, &sum))
        return unfit();
    return sum == 0 ? pl_ok() : add(account, entry, 0, -sum);
}

static struct pl_status take_end(struct account *account, const Pledged__V1__Entry *entry)
{
    int64_t sum;
    if (!undo(account, 0, NULL, &sum))
        return unfit();
    return account->promised == 0 && sum == 0 ? pl_ok()
                                              : add(account, entry, -account->promised, -sum);
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
    case PLEDGED__V1__ENTRY__FACT_REVERSED:
        return take_reversed(account, entry);
    case PLEDGED__V1__ENTRY__FACT_WITHDRAWN:
    case PLEDGED__V1__ENTRY__FACT_CANCELLED:
        return take_end(account, entry);
    default:
        return pl_ok(); /* nothing that moves money */
    }
}

static int by_seq(const void *a, const void *b)
{
    uint64_t left = ((const struct documents_line *)a)->seq;
    uint64_t right = ((const struct documents_line *)b)->seq;
    return left < right ? -1 : left > right;
}

struct pl_status account_finish(struct account *account)
{
    int64_t *balance =
        pl_arena_alloc(account->arena, (size_t)pl_currency_count() * sizeof(*balance));
    if (balance == NULL)
        return no_room();
    memset(balance, 0, (size_t)pl_currency_count() * sizeof(*balance));
    if (account->count > 0)
        qsort(account->line, account->count, sizeof(*account->line), by_seq);
    for (size_t i = 0; i < account->count; i++) {
        struct documents_line *line = &account->line[i];
        int currency = pl_currency_index(line->currency);
        if (currency < 0 || !pl_add64(balance[currency], line->promised, &balance[currency]) ||
            !pl_add64(balance[currency], -line->paid, &balance[currency]))
            return unfit();
        line->balance = balance[currency];
    }
    return pl_ok();
}
