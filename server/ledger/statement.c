/* SPDX-License-Identifier: Apache-2.0
 *
 * statement: see statement.h. Movements are decided one after the other; what was decided before
 * them in the same command counts as if it were applied. Happy path: each movement is known, or
 * recorded and perhaps allocated. Failure: one movement that contradicts the ledger refuses all.
 */
#include "server/ledger/statement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/money.h"
#include "server/ledger/allocation.h"
#include "server/ledger/closing.h"
#include "server/ledger/contact.h"
#include "server/ledger/deed.h"
#include "server/ledger/learn.h"
#include "server/ledger/movement.h"
#include "server/ledger/payer.h"
#include "server/ledger/pledge.h"
#include "server/ledger/refund.h"
#include "server/ledger/returned.h"
#include "server/ledger/schedule.h"
#include "server/ledger/statement_form.h"
#include "server/ledger/valuation.h"

#define KIND(name_)  PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_##name_
#define QUEUE(name_) PLEDGED__V1__QUEUE_REASON__QUEUE_REASON_##name_

/* A clerk may have typed the day on which she saw the money. */
enum { DAYS_APART_MOST = 10, PAY_SCAN_MOST = 4096 };

size_t statement_room(const Pledged__V1__ImportStatement *command)
{
    size_t movements = 0;
    for (size_t i = 0; i < command->n_statement; i++)
        movements += command->statement[i]->n_movement;
    /* two entries with their facts and ids, a row, its places in lists that grow by doubling; the
     * parts of the command; what becomes of each statement */
    size_t entry = sizeof(Pledged__V1__Entry) + sizeof(Pledged__V1__BankEntryRecorded) + 256 +
                   sizeof(Pledged__V1__Movement) + valuation_room();
    return movements * (2 * entry + 2 * sizeof(struct state_movement) + 256) +
           (command->n_statement + 32) * (2 * entry + sizeof(Pledged__V1__StatementOutcome) + 256);
}

/* --- what nobody has explained --- */

int64_t statement_unmatched(const struct ledger *ledger, const struct state_bank_entry *entry)
{
    (void)ledger;
    return entry->reversed ? 0 : allocation_free(entry);
}

Pledged__V1__QueueReason statement_queue(const struct ledger *ledger,
                                         const struct state_bank_entry *entry)
{
    if (statement_unmatched(ledger, entry) == 0 || entry->movement == STATE_NONE)
        return QUEUE(UNSPECIFIED);
    uint8_t queue = ledger->movement[entry->movement].queue;
    if (queue != 0)
        return (Pledged__V1__QueueReason)queue;
    return entry->debit ? QUEUE(DEBIT) : QUEUE(AMOUNT_DIFFERS);
}

/* --- an import --- */

struct importing {
    struct maker *maker;
    const struct ledger *ledger;
    const Pledged__V1__ImportStatement *command;
    const Pledged__V1__BankStatement *bank; /* the statement at hand */
    uint32_t ordinal;                       /* its place, from 1 */
    uint32_t known_as; /* index of the same statement in the ledger; STATE_NONE: it is new */
    char *statement;   /* its id */
    Pledged__V1__StatementOutcome *told;
    bool refused;
    /* decided so far, not yet applied */
    size_t statements, bank_entries;
    struct state_movement *row; /* new ones, in order; in the arena */
    size_t row_count;
    struct pl_map keys;      /* map key -> place in row (u32) */
    struct pl_map own;       /* statement key -> ordinal (u32) */
    struct pl_map taken;     /* movement (ledger's index, or its count + place) -> ordinal (u32) */
    struct pl_map passed;    /* struct passed -> how many twins need no second look (u32) */
    struct pl_map allocated; /* pledge (u32) -> amount (i64) */
    struct pl_map confirmed; /* bank entry (u32) -> 1 (u32) */
    struct pl_map refunded;  /* refund (u32) -> 1 (u32) */
    struct pl_map received;  /* currency (u32) -> amount (i64) */
    struct pl_map details;   /* commitment (32) -> 1 (u32) */
    struct pl_map part_sum;  /* batch key (16) -> sum of the statement's parts of it (struct sum) */
    uint32_t summed;         /* ordinal of the statement whose parts those are; 0: none yet */
    struct pl_map split;     /* bank entry (u32) of a batch -> ordinal (u32) */
    struct pl_map spent;     /* bank entry (u32) whose money has a place now -> 1 (u32) */
    struct pl_map paid_by;   /* movement (as in taken) whose payer is known only now -> 1 (u32) */
    struct state_movement
        *copy; /* of rows of the ledger that the file says more of; in the arena */
    uint32_t copy_count;
    struct pl_map changed; /* movement of the ledger (u32) -> place in copy (u32) */
    struct pl_map
        parts; /* bank entry (u32) of a sum whose parts' payers are told -> ordinal (u32) */
    struct pl_map alike; /* key of the statement's movements -> how many have it (u32) */
    uint32_t counted;    /* ordinal of the statement whose keys those are; 0: none yet */
    uint32_t *candidate; /* unconfirmed payments of amounts that the file has; owns */
    size_t candidate_count;
};

static uint32_t get_u32(const struct pl_map *map, const void *key)
{
    const uint32_t *found = pl_map_get(map, key);
    return found != NULL ? *found : 0;
}

static int64_t get_i64(const struct pl_map *map, uint32_t key)
{
    const void *found = pl_map_get(map, &key);
    int64_t value = 0;
    if (found != NULL)
        memcpy(&value, found, sizeof(value)); /* behind a key of 4 bytes it is not aligned */
    return value;
}

static const struct state_movement *row_at(const struct importing *import, uint32_t index)
{
    size_t count = import->ledger->movement_count;
    if (index >= count)
        return &import->row[index - count];
    const uint32_t *at = pl_map_get(&import->changed, &index);
    return at != NULL ? &import->copy[*at] : &import->ledger->movement[index];
}

/* The same, to be changed: as it will be when what is decided so far is applied. */
static struct state_movement *own_row(struct importing *import, uint32_t index)
{
    size_t count = import->ledger->movement_count;
    if (index >= count)
        return &import->row[index - count];
    const uint32_t *at = pl_map_get(&import->changed, &index);
    if (at != NULL)
        return &import->copy[*at];
    uint32_t place = import->copy_count++;
    import->copy[place] = import->ledger->movement[index];
    pl_map_put(&import->changed, &index, &place);
    return &import->copy[place];
}

/* A statement that goes on where the other one ends cannot hold the same movements, whichever of
 * them comes first (rules before 16: only the earlier one). A notification has no balances that
 * would show it: what looks the same there is the same, and if it was not, the statement brings the
 * twin. */
static bool goes_on(const struct importing *import, const struct state_movement *before)
{
    const struct ledger *ledger = import->ledger;
    if (before->statement >= ledger->statement_count || before->statement == import->known_as)
        return false;
    const struct state_statement *earlier = &ledger->statement[before->statement];
    uint64_t sequence = import->known_as == STATE_NONE
                            ? import->bank->sequence
                            : ledger->statement[import->known_as].sequence;
    bool on = sequence != 0 && earlier->sequence + 1 == sequence &&
              earlier->closing == import->bank->opening_minor;
    bool back = state_rules(ledger, 16) && earlier->sequence != 0 &&
                sequence + 1 == earlier->sequence &&
                import->bank->closing_minor == earlier->opening;
    return (on || back) && earlier->kind == PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT &&
           earlier->kind == import->bank->kind &&
           strcmp(ledger->text + earlier->account, import->bank->account) == 0;
}

static bool same_movement(const struct importing *import, const struct state_movement *known,
                          const struct state_movement *row, int level)
{
    unsigned surer = (1u << level) - 1;
    if ((known->levels & row->levels & surer) != 0)
        return false; /* something surer tells them apart */
    return level != STATE_BY_CONTENT || !goes_on(import, known);
}

/* Rows of one level and one statement that can be known by the same things. */
struct passed {
    uint8_t key[16];
    uint32_t ordinal, levels;
};

static const uint32_t *twin_at(const struct importing *import, const uint8_t key[16],
                               uint32_t occurrence)
{
    uint8_t place[16];
    movement_map_key(key, occurrence, place);
    const uint32_t *found = pl_map_get(&import->ledger->movements, place);
    return found != NULL ? found : pl_map_get(&import->keys, place);
}

static bool may_be(const struct importing *import, uint32_t known, const struct state_movement *row,
                   int level)
{
    return get_u32(&import->taken, &known) != import->ordinal &&
           same_movement(import, row_at(import, known), row, level);
}

/* The first twin in one level that this movement may be; NULL: none. *ret_occurrence: its number,
 * or the next one. What it is not, no other such row of the statement is either: with thousands of
 * twins each of them is looked at once and not once for each other. */
static const uint32_t *find_twin(struct importing *import, const struct state_movement *row,
                                 int level, uint32_t *ret_occurrence)
{
    struct passed such = {.ordinal = import->ordinal, .levels = row->levels};
    memcpy(such.key, row->key[level], sizeof(such.key));
    uint32_t passed = get_u32(&import->passed, &such);
    const uint32_t *found;
    while ((found = twin_at(import, row->key[level], passed + 1)) != NULL &&
           !may_be(import, *found, row, level))
        passed++;
    pl_map_put(&import->passed, &such, &passed);
    *ret_occurrence = passed + 1;
    return found;
}

/* The movement that this one is; STATE_NONE: it is new. *ret_level: what it is known by.
 * *ret_occurrence: among its twins. */
static uint32_t identify(struct importing *import, const struct state_movement *row, int *ret_level,
                         uint32_t *ret_occurrence)
{
    *ret_occurrence = 0;
    for (int level = 0; level < STATE_LEVELS; level++) {
        uint32_t occurrence;
        if ((row->levels >> level & 1) == 0)
            continue;
        const uint32_t *found = find_twin(import, row, level, &occurrence);
        *ret_level = level;
        if (found != NULL)
            return *found;
        *ret_occurrence = *ret_occurrence == 0 ? occurrence : *ret_occurrence;
    }
    return STATE_NONE;
}

static void take(struct importing *import, uint32_t movement)
{
    pl_map_put(&import->taken, &movement, &import->ordinal);
}

static void add_row(struct importing *import, const struct state_movement *row)
{
    uint32_t index = (uint32_t)(import->ledger->movement_count + import->row_count);
    import->row[import->row_count++] = *row;
    for (int level = 0; level < STATE_LEVELS; level++) {
        uint8_t key[16];
        if ((row->levels >> level & 1) == 0)
            continue;
        movement_map_key(
            row->key[level],
            movement_free_place(&import->ledger->movements, &import->keys, row->key[level]), key);
        pl_map_put(&import->keys, key, &index);
    }
    take(import, index);
}

static void refuse(struct importing *import, Pledged__V1__Reason reason, const char *field,
                   uint64_t deciding_seq)
{
    import->refused = true;
    maker_refuse(import->maker, reason, field, deciding_seq, NULL);
    maker_arg(import->maker, "statement", import->bank->id);
}

/* --- payments that somebody recorded by hand --- */

struct amount_key {
    int64_t minor;
    int64_t currency;
};

static int64_t signed_amount(const struct state_bank_entry *entry)
{
    return entry->debit ? -entry->amount : entry->amount;
}

/* Those whose amount is in the file at all: one look at every bank entry an import. */
static void find_candidates(struct importing *import)
{
    const struct ledger *ledger = import->ledger;
    struct pl_map amounts;
    uint32_t one = 1;
    pl_map_init(&amounts, sizeof(struct amount_key), sizeof(uint32_t), 0);
    for (size_t i = 0; i < import->command->n_statement; i++) {
        const Pledged__V1__BankStatement *bank = import->command->statement[i];
        for (size_t k = 0; k < bank->n_movement; k++) {
            struct amount_key key = {bank->movement[k]->minor, pl_currency_index(bank->currency)};
            pl_map_put(&amounts, &key, &one);
        }
    }
    import->candidate = calloc(ledger->bank_entry_count + 1, sizeof(*import->candidate));
    PL_ASSERT(import->candidate != NULL);
    for (size_t i = 0; i < ledger->bank_entry_count; i++) {
        const struct state_bank_entry *entry = &ledger->bank_entry[i];
        struct amount_key key = {signed_amount(entry), entry->currency};
        if (!entry->confirmed && !entry->reversed && pl_map_get(&amounts, &key) != NULL)
            import->candidate[import->candidate_count++] = (uint32_t)i;
    }
    pl_map_fini(&amounts);
}

static bool one_of(const char *bank_ref, const Pledged__V1__Movement *movement)
{
    const char *const names[] = {movement->bank_ref, movement->batch_ref, movement->uetr,
                                 movement->end_to_end_id, movement->entry_ref};
    for (size_t i = 0; i < PL_COUNT(names); i++) {
        if (bank_ref[0] != '\0' && strcmp(bank_ref, names[i]) == 0)
            return true;
    }
    return false;
}

/* The refund whose number stands in the end-to-end id; NULL: none. */
static const struct state_refund *refund_named(const struct ledger *ledger,
                                               const Pledged__V1__Movement *movement)
{
    return movement->minor < 0 ? refund_of(ledger, movement->end_to_end_id) : NULL;
}

static uint32_t row_number(const struct ledger *ledger, const struct state_bank_entry *entry)
{
    return (uint32_t)(entry - ledger->bank_entry);
}

static bool nameless(const Pledged__V1__Movement *movement)
{
    return movement->bank_ref[0] == '\0' && movement->batch_ref[0] == '\0' &&
           movement->uetr[0] == '\0' && movement->end_to_end_id[0] == '\0' &&
           movement->entry_ref[0] == '\0';
}

/* How well a payment by hand fits: 3 the bank's reference, 2 the pledge, or the refund, and nearly
 * the day, 1 the day; 0 not at all: two references that differ are two payments. */
static int fit(const struct importing *import, const struct state_bank_entry *paid,
               const Pledged__V1__Movement *movement, const struct state_movement *row)
{
    int32_t value = row->booking_date;
    const char *ref = import->ledger->text + paid->bank_ref;
    if (signed_amount(paid) != movement->minor ||
        paid->currency != pl_currency_index(import->bank->currency))
        return 0;
    if (one_of(ref, movement))
        return 3;
    struct pl_status status = pl_date_parse(movement->value_date, &value);
    PL_ASSERT(pl_is_ok(status));
    int32_t apart = paid->value_date - value;
    bool near = apart <= DAYS_APART_MOST && apart >= -DAYS_APART_MOST;
    if (paid->debit && refund_named(import->ledger, movement) != NULL)
        return refund_named(import->ledger, movement) ==
                           refund_paid_by(import->ledger, row_number(import->ledger, paid)) &&
                       near
                   ? 2
                   : 0;
    if (!paid->debit && row->meant != STATE_NONE)
        return paid->pledge == row->meant && near && (ref[0] == '\0' || nameless(movement)) ? 2 : 0;
    bool same_day = apart == 0 || paid->value_date == row->booking_date;
    return same_day && ref[0] == '\0' ? 1 : 0;
}

static uint32_t paid_by_hand(const struct importing *import, const Pledged__V1__Movement *movement,
                             const struct state_movement *row)
{
    uint32_t best = STATE_NONE;
    int best_fit = 0;
    if (movement->kind != KIND(PAYMENT))
        return STATE_NONE;
    for (size_t i = 0; i < import->candidate_count; i++) {
        uint32_t index = import->candidate[i];
        int how = fit(import, &import->ledger->bank_entry[index], movement, row);
        if (how > best_fit && get_u32(&import->confirmed, &index) == 0) {
            best = index;
            best_fit = how;
        }
    }
    return best;
}

static void confirm(struct importing *import, const Pledged__V1__Movement *movement,
                    uint32_t bank_entry, uint32_t occurrence)
{
    uint32_t one = 1;
    const struct ledger *ledger = import->ledger;
    uint32_t pledge = ledger->bank_entry[bank_entry].pledge;
    const struct state_refund *refund =
        ledger->bank_entry[bank_entry].debit ? refund_paid_by(ledger, bank_entry) : NULL;
    if (refund != NULL)
        pledge = ledger->bank_entry[refund->bank_entry].pledge;
    Pledged__V1__Entry *entry =
        maker_entry(import->maker, pledge != STATE_NONE ? maker_prev(import->maker, pledge) : 0);
    Pledged__V1__PaymentConfirmed *fact = maker_alloc(import->maker, sizeof(*fact));
    pledged__v1__payment_confirmed__init(fact);
    fact->bank_entry = maker_id(import->maker, 'B', bank_entry + 1);
    fact->statement = import->statement;
    fact->movement = (Pledged__V1__Movement *)(uintptr_t)movement;
    fact->occurrence = occurrence;
    if (pledge != STATE_NONE)
        fact->pledge = maker_id(import->maker, 'P', pledge + 1);
    if (refund != NULL)
        fact->refund = refund_id(import->maker, refund);
    entry->fact_case = FACT(PAYMENT_CONFIRMED);
    entry->payment_confirmed = fact;
    pl_map_put(&import->confirmed, &bank_entry, &one);
    import->told->confirmed++;
}

/* --- new bank entries --- */

/* Sub-families of the bank's codes that say that it took the money for itself, or gave it back. */
static bool says_charge(const char *bank_code)
{
    static const char *const codes[] = {"CHRG", "FEES", "COMM", "COME", "COMI", "COMT"};
    const char *sub = strrchr(bank_code, '/');
    for (size_t i = 0; sub != NULL && i < PL_COUNT(codes); i++) {
        if (strcmp(sub + 1, codes[i]) == 0)
            return true;
    }
    return false;
}

/* Banks give back the end-to-end id with the money: a refund came back. */
static bool brings_back(const struct importing *import, const Pledged__V1__Movement *movement)
{
    const struct state_refund *refund =
        movement->minor > 0 ? refund_of(import->ledger, movement->end_to_end_id) : NULL;
    return refund != NULL && refund->state == PLEDGED__V1__REFUND_STATE__REFUND_STATE_PAID;
}

/* UNSPECIFIED: reference and amount fit, it is allocated by itself. */
static Pledged__V1__QueueReason queue_of(const struct importing *import,
                                         const Pledged__V1__Movement *movement,
                                         const struct state_movement *row)
{
    if (movement->kind == KIND(CHARGE))
        return QUEUE(CHARGE);
    if (movement->kind == KIND(BATCH))
        return QUEUE(BATCH_DETAILS);
    if (movement->kind == KIND(REVERSAL))
        return QUEUE(REVERSAL);
    if (movement->kind == KIND(RETURN) || brings_back(import, movement))
        return QUEUE(RETURN);
    if (movement->minor < 0)
        return says_charge(movement->bank_code) ? QUEUE(CHARGE) : QUEUE(DEBIT);
    if (movement->reference[0] == '\0')
        return says_charge(movement->bank_code) ? QUEUE(CHARGE) : QUEUE(NO_REFERENCE);
    if (row->meant == STATE_NONE)
        return QUEUE(PLEDGE_UNKNOWN);
    const struct state_pledge *pledge = &import->ledger->pledge[row->meant];
    if (pledge->stage != STAGE(PLEDGED) && pledge->stage != STAGE(COMMITTED))
        return QUEUE(PLEDGE_NOT_OPEN);
    if (pledge->currency != pl_currency_index(import->bank->currency))
        return QUEUE(CURRENCY_DIFFERS);
    int64_t settled = state_settled(pledge) + get_i64(&import->allocated, row->meant);
    return movement->minor == pledge->amount - settled ||
                   movement->minor == schedule_next(import->ledger, pledge, settled)
               ? QUEUE(UNSPECIFIED)
               : QUEUE(AMOUNT_DIFFERS);
}

static void allocate(struct importing *import, uint32_t bank_entry, uint32_t pledge, int64_t minor)
{
    uint32_t one = 1;
    allocation_add(import->maker, bank_entry, pledge, minor, minor);
    pl_map_put(&import->spent, &bank_entry, &one);
    int64_t sum = get_i64(&import->allocated, pledge) + minor;
    pl_map_put(&import->allocated, &pledge, &sum);
    import->told->allocated++;
}

/* The refund that a debit pays by itself: it names it, and the amount is that of the refund. */
static const struct state_refund *refund_for(const struct importing *import,
                                             const Pledged__V1__Movement *movement)
{
    const struct ledger *ledger = import->ledger;
    const struct state_refund *refund = refund_named(ledger, movement);
    if (refund == NULL || movement->kind != KIND(PAYMENT) ||
        refund->state != PLEDGED__V1__REFUND_STATE__REFUND_STATE_ORDERED)
        return NULL;
    uint32_t index = (uint32_t)(refund - ledger->refund);
    const struct state_bank_entry *from = &ledger->bank_entry[refund->bank_entry];
    bool fits = movement->minor == -refund->amount &&
                from->currency == pl_currency_index(import->bank->currency);
    return fits && get_u32(&import->refunded, &index) == 0 ? refund : NULL;
}

static void pay_refund(struct importing *import, const Pledged__V1__Movement *movement,
                       const struct state_refund *refund, uint32_t debit)
{
    uint32_t index = (uint32_t)(refund - import->ledger->refund), one = 1;
    refund_add_paid(import->maker, refund, debit, movement->value_date, movement->bank_ref);
    pl_map_put(&import->refunded, &index, &one);
    import->told->refunded++;
}

static bool may_receive(struct importing *import, int64_t minor)
{
    uint32_t currency = (uint32_t)pl_currency_index(import->bank->currency);
    int64_t sum = get_i64(&import->received, currency);
    if (minor < 0)
        return true;
    if (!pl_add64(sum, minor, &sum) || !tally_may_receive(import->ledger, (int)currency, sum))
        return false;
    pl_map_put(&import->received, &currency, &sum);
    return true;
}

static Pledged__V1__Movement *without_record(struct importing *import,
                                             const Pledged__V1__Movement *movement)
{
    Pledged__V1__Movement *copy = maker_alloc(import->maker, sizeof(*copy));
    *copy = *movement;
    copy->detail_commitment = (ProtobufCBinaryData){0, NULL};
    copy->detail_parts = 0;
    return copy;
}

static void record(struct importing *import, const Pledged__V1__Movement *movement,
                   const struct state_movement *row, uint32_t occurrence)
{
    struct maker *maker = import->maker;
    if (!may_receive(import, movement->minor)) {
        refuse(import, REASON(SUM_OVERFLOW), STATEMENT_FIELD ".movement.minor", 0);
        return;
    }
    /* who paid the sum is erased: its details bring nobody back */
    const struct state_bank_entry *bank_entry = import->ledger->bank_entry;
    bool forget = row->batch != STATE_NONE && state_rules(import->ledger, 16) &&
                  payer_erased_seq(import->ledger, &bank_entry[row->batch]) != 0;
    Pledged__V1__Entry *entry = maker_entry(maker, 0);
    Pledged__V1__BankEntryRecorded *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__bank_entry_recorded__init(fact);
    fact->bank_entry =
        maker_id(maker, 'B', import->ledger->bank_entry_count + ++import->bank_entries);
    fact->statement = import->statement;
    fact->movement = (Pledged__V1__Movement *)(uintptr_t)movement;
    if (forget)
        fact->movement = without_record(import, movement);
    fact->currency = import->bank->currency;
    fact->occurrence = occurrence;
    const struct state_refund *refund = refund_for(import, movement);
    fact->queue = refund != NULL ? QUEUE(UNSPECIFIED) : queue_of(import, movement, row);
    if (row->batch != STATE_NONE)
        fact->batch = maker_id(maker, 'B', row->batch + 1);
    int32_t day;
    if (pl_is_ok(pl_date_parse(movement->value_date, &day)))
        maker_dated(maker, entry, day);
    entry->fact_case = FACT(BANK_ENTRY_RECORDED);
    entry->bank_entry_recorded = fact;
    fact->valuation =
        valuation_of(maker, entry, movement->minor, pl_currency_index(fact->currency));
    import->told->recorded++;
    uint32_t made = (uint32_t)(import->ledger->bank_entry_count + import->bank_entries) - 1;
    if (refund != NULL)
        pay_refund(import, movement, refund, made);
    else if (fact->queue != QUEUE(UNSPECIFIED))
        import->told->queued++;
    else
        allocate(import, made, row->meant, movement->minor);
}

/* --- batches --- */

/* The parts of one entry of the bank. What does not fit 64 bits on the way is no sum. */
struct sum {
    int64_t minor;
    bool overflows;
};

static void sum_parts(struct importing *import)
{
    pl_map_fini(&import->part_sum);
    pl_map_init(&import->part_sum, 16, sizeof(struct sum), 0);
    import->summed = import->ordinal;
    for (size_t i = 0; i < import->bank->n_movement; i++) {
        struct state_movement row = {.levels = 0};
        movement_fill(&row, import->bank->movement[i], import->bank->account,
                      import->bank->currency);
        const void *found = pl_map_get(&import->part_sum, row.batch_key);
        struct sum sum = {.minor = 0};
        if (found != NULL)
            memcpy(&sum, found, sizeof(sum));
        sum.overflows =
            sum.overflows || !pl_add64(sum.minor, import->bank->movement[i]->minor, &sum.minor);
        if (!row.whole)
            pl_map_put(&import->part_sum, row.batch_key, &sum);
    }
}

/* Are the statement's movements that are parts of the same entry of the bank this sum? */
static bool parts_are(struct importing *import, const struct state_movement *row, int64_t whole)
{
    struct sum sum = {.minor = 0};
    if (import->summed != import->ordinal)
        sum_parts(import);
    const void *found = pl_map_get(&import->part_sum, row->batch_key);
    if (found != NULL)
        memcpy(&sum, found, sizeof(sum));
    return !sum.overflows && sum.minor == whole;
}

static int64_t sum_of_known_parts(const struct ledger *ledger, const struct state_movement *row)
{
    int64_t sum = 0;
    for (size_t i = 0; i < ledger->movement_count; i++) {
        const struct state_movement *part = &ledger->movement[i];
        const struct state_bank_entry *entry = &ledger->bank_entry[part->bank_entry];
        bool came_so = !part->whole && memcmp(part->batch_key, row->batch_key, 16) == 0;
        if ((came_so || memcmp(part->part_key, row->batch_key, 16) == 0) &&
            !pl_add64(sum, entry->debit ? -entry->amount : entry->amount, &sum))
            return 0;
    }
    return sum;
}

enum batch_answer { BATCH_NONE, BATCH_KNOWN, BATCH_PART, BATCH_CONFLICT, BATCH_TWICE };

/* A sum and its details that both are new in one file: their money would be in twice. */
static bool beside_its_sum(const struct importing *import, const struct state_movement *row)
{
    static const uint8_t none[16] = {0};
    for (size_t i = 0; i < import->row_count; i++) {
        const struct state_movement *other = &import->row[i];
        if (other->whole != row->whole && memcmp(other->batch_key, row->batch_key, 16) == 0)
            return memcmp(row->batch_key, none, 16) != 0;
    }
    return false;
}

/* A detail whose sum is in the ledger, or a sum whose details are. */
static enum batch_answer look_for_batch(struct importing *import,
                                        const Pledged__V1__Movement *movement,
                                        struct state_movement *row)
{
    const struct ledger *ledger = import->ledger;
    const uint32_t *found = pl_map_get(&ledger->batches, row->batch_key);
    if (found == NULL)
        return beside_its_sum(import, row) ? BATCH_TWICE : BATCH_NONE;
    const struct state_movement *known = &ledger->movement[*found];
    const bool is_sum = movement_is_sum(known, row->batch_key);
    if (row->whole)
        return !is_sum && sum_of_known_parts(ledger, row) == movement->minor ? BATCH_KNOWN
                                                                             : BATCH_NONE;
    if (!is_sum && known->statement == import->known_as)
        return BATCH_NONE; /* of the same statement: it was in its remainder before */
    const struct state_bank_entry *batch = &ledger->bank_entry[known->bank_entry];
    uint32_t split_by = get_u32(&import->split, &known->bank_entry);
    bool under_way = split_by == import->ordinal;
    int64_t whole = batch->debit ? -batch->amount : batch->amount;
    row->batch = known->bank_entry;
    if (is_sum && under_way)
        return BATCH_PART;
    if (!is_sum || batch->amount == 0 || split_by != 0 || !parts_are(import, row, whole))
        return BATCH_CONFLICT;
    if (!movement_may_be_split(ledger, batch) || get_u32(&import->spent, &known->bank_entry) != 0)
        return BATCH_KNOWN; /* somebody has dealt with the sum: its money is in */
    pl_map_put(&import->split, &known->bank_entry, &import->ordinal);
    return BATCH_PART;
}

static void refuse_batch(struct importing *import, const struct state_movement *row)
{
    const struct state_bank_entry *batch = &import->ledger->bank_entry[row->batch];
    char amount[32];
    refuse(import, REASON(STATEMENT_CONFLICT), STATEMENT_FIELD ".movement.batch_ref", batch->seq);
    maker_arg(import->maker, "bank_entry", maker_id(import->maker, 'B', row->batch + 1));
    (void)pl_decimal_format(batch->amount, pl_currency_exponent(pl_currency_code(batch->currency)),
                            amount);
    maker_arg(import->maker, "amount", amount);
}

/* --- one movement --- */

/* A statement without details came first; now the reference is there as well. */
static void allocate_known(struct importing *import, const Pledged__V1__Movement *movement,
                           const struct state_movement *row, uint32_t known)
{
    if (known >= import->ledger->movement_count)
        return;
    const struct state_movement *before = &import->ledger->movement[known];
    const struct state_bank_entry *entry = &import->ledger->bank_entry[before->bank_entry];
    if (get_u32(&import->spent, &before->bank_entry) != 0 ||
        get_u32(&import->split, &before->bank_entry) != 0)
        return; /* another statement of the file was before */
    if (before->meant != STATE_NONE || entry->pledge != STATE_NONE || entry->reversed ||
        entry->debit || entry->allocated != 0 || entry->refunded != 0 || entry->explained != 0 ||
        entry->amount != movement->minor || queue_of(import, movement, row) != QUEUE(UNSPECIFIED))
        return;
    allocate(import, before->bank_entry, row->meant, movement->minor);
}

/* It left without saying what for; now the refund's number is there as well. */
static void pay_known(struct importing *import, const Pledged__V1__Movement *movement,
                      uint32_t known)
{
    const struct ledger *ledger = import->ledger;
    if (!state_rules(ledger, 16) || known >= ledger->movement_count)
        return;
    const struct state_movement *before = &ledger->movement[known];
    const struct state_bank_entry *debit = &ledger->bank_entry[before->bank_entry];
    const struct state_refund *refund = refund_for(import, movement);
    uint32_t one = 1;
    if (refund == NULL || before->kind != KIND(PAYMENT) ||
        (before->levels >> STATE_BY_END_TO_END & 1) != 0 || !debit->debit ||
        allocation_free(debit) != refund->amount || debit->amount != refund->amount ||
        get_u32(&import->spent, &before->bank_entry) != 0 ||
        get_u32(&import->split, &before->bank_entry) != 0)
        return;
    pl_map_put(&import->spent, &before->bank_entry, &one);
    pay_refund(import, movement, refund, before->bank_entry);
}

/* Each record has its own commitment, or one erasure would take two. */
static bool detail_fits(struct importing *import, const Pledged__V1__Movement *movement)
{
    uint32_t one = 1;
    ProtobufCBinaryData detail = movement->detail_commitment;
    if (detail.len == 0)
        return true;
    if (contact_commitment_fits(import->ledger, detail) &&
        pl_map_get(&import->details, detail.data) == NULL) {
        pl_map_put(&import->details, detail.data, &one);
        return true;
    }
    refuse(import, REASON(FIELD_INVALID), STATEMENT_FIELD ".movement.detail_commitment", 0);
    maker_say(import->maker, "why", "the ledger has this commitment already");
    return false;
}

static void count_alike(struct importing *import)
{
    pl_map_fini(&import->alike);
    pl_map_init(&import->alike, 16, sizeof(uint32_t), 0);
    import->counted = import->ordinal;
    for (size_t i = 0; i < import->bank->n_movement; i++) {
        struct state_movement row = {.levels = 0};
        movement_fill(&row, import->bank->movement[i], import->bank->account,
                      import->bank->currency);
        for (int level = 0; level < STATE_LEVELS; level++) {
            uint32_t count = get_u32(&import->alike, row.key[level]) + 1;
            if ((row.levels >> level & 1) != 0)
                pl_map_put(&import->alike, row.key[level], &count);
        }
    }
}

/* Of true twins nobody can say which one somebody paid: a wrong name is worse than none. */
static bool is_the_only_one(struct importing *import, const struct state_movement *row, int level)
{
    if (import->counted != import->ordinal)
        count_alike(import);
    return get_u32(&import->alike, row->key[level]) == 1 &&
           twin_at(import, row->key[level], 2) == NULL;
}

/* Whose record is gone is not told again. */
static bool is_closed(const struct importing *import, const struct state_movement *of)
{
    const struct ledger *ledger = import->ledger;
    return of->bank_entry < ledger->bank_entry_count &&
           ledger->bank_entry[of->bank_entry].movement != STATE_NONE &&
           payer_erased_seq(ledger, &ledger->bank_entry[of->bank_entry]) != 0;
}

static Pledged__V1__MovementLearned *add_learned(struct importing *import,
                                                 const Pledged__V1__Movement *movement,
                                                 uint32_t bank_entry, uint8_t parts)
{
    Pledged__V1__Entry *entry = maker_entry(import->maker, 0);
    Pledged__V1__MovementLearned *fact = maker_alloc(import->maker, sizeof(*fact));
    pledged__v1__movement_learned__init(fact);
    fact->bank_entry = maker_id(import->maker, 'B', (uint64_t)bank_entry + 1);
    fact->statement = import->statement;
    /* what is known of the payer is not kept twice */
    fact->movement = parts != 0 ? (Pledged__V1__Movement *)(uintptr_t)movement
                                : without_record(import, movement);
    entry->fact_case = FACT(MOVEMENT_LEARNED);
    entry->movement_learned = fact;
    import->told->learned += parts != 0;
    return fact;
}

/* Why somebody has to look now: what the bank says it is counts more than what it does not say, and
 * a reference more than none. UNSPECIFIED: as it was. */
static Pledged__V1__QueueReason new_queue(const struct importing *import,
                                          const Pledged__V1__Movement *movement,
                                          const struct state_movement *row,
                                          const struct state_movement *of,
                                          const struct learn_news *news)
{
    Pledged__V1__QueueReason now = queue_of(import, movement, row);
    bool reference = (news->levels >> STATE_BY_REFERENCE & 1) != 0;
    bool open = of->queue == QUEUE(NO_REFERENCE) || of->queue == QUEUE(DEBIT);
    if (of->kind != KIND(PAYMENT) || of->queue == QUEUE(RETURN) || now == (int)of->queue)
        return QUEUE(UNSPECIFIED);
    return news->kind || reference || open || now == QUEUE(RETURN) ? now : QUEUE(UNSPECIFIED);
}

/* Its details came one by one, and then their sum; this copy says that it is one of them. */
static uint32_t sum_before(struct importing *import, const struct state_movement *row,
                           const struct state_movement *of)
{
    const struct ledger *ledger = import->ledger;
    const uint32_t *found = row->whole ? NULL : pl_map_get(&ledger->batches, row->batch_key);
    if (found == NULL || of->batch != STATE_NONE ||
        !movement_is_sum(&ledger->movement[*found], row->batch_key))
        return STATE_NONE;
    uint32_t sum = ledger->movement[*found].bank_entry;
    const struct state_bank_entry *batch = &ledger->bank_entry[sum];
    if (sum == of->bank_entry)
        return STATE_NONE;
    if (get_u32(&import->split, &sum) == import->ordinal)
        return sum;
    if (get_u32(&import->split, &sum) != 0 || get_u32(&import->spent, &sum) != 0 ||
        !movement_may_be_split(ledger, batch) ||
        !parts_are(import, row, batch->debit ? -batch->amount : batch->amount))
        return STATE_NONE;
    pl_map_put(&import->split, &sum, &import->ordinal);
    return sum;
}

/* What this copy says that the ones before did not. */
static void complete(struct importing *import, const Pledged__V1__Movement *movement,
                     const struct state_movement *row, uint32_t known, int level)
{
    const struct state_movement *before = row_at(import, known);
    uint32_t sum = sum_before(import, row, before);
    struct learn_news news = learn_news(import->ledger, &import->keys, before, row,
                                        row->parts == 0 || is_closed(import, before));
    if (!is_the_only_one(import, row, level))
        news = (struct learn_news){.levels = 0};
    news.batch = news.batch && !beside_its_sum(import, row); /* which comes first in the ledger */
    if ((!learn_is_news(&news) && sum == STATE_NONE) ||
        (news.parts != 0 && !detail_fits(import, movement)))
        return;
    struct state_movement *of = own_row(import, known);
    Pledged__V1__MovementLearned *fact = add_learned(import, movement, of->bank_entry, news.parts);
    fact->before_seq = of->learned_seq;
    fact->queue = new_queue(import, movement, row, of, &news);
    Pledged__V1__Entry *entry = import->maker->out->entry[import->maker->out->entry_count - 1];
    int32_t day;
    if (sum != STATE_NONE) {
        fact->batch = maker_id(import->maker, 'B', (uint64_t)sum + 1);
        if (pl_is_ok(pl_date_parse(movement->value_date, &day)))
            maker_dated(import->maker, entry, day); /* its money is in the books no more */
    }
    for (int i = 0; i < STATE_LEVELS; i++) {
        uint8_t key[16];
        movement_map_key(row->key[i], 1, key);
        if ((news.levels >> i & 1) != 0)
            pl_map_put(&import->keys, key, &known);
    }
    import->told->completed +=
        news.levels != 0 || news.kind || news.instructed || news.batch || sum != STATE_NONE;
    learn_take(of, row, &news);
    of->learned_seq = entry->seq;
    of->queue = fact->queue != 0 ? (uint8_t)fact->queue : of->queue;
    of->batch = sum != STATE_NONE ? sum : of->batch;
}

/* A detail of a sum that somebody has dealt with: its money is in, who paid it is not. */
static void learn_part(struct importing *import, const Pledged__V1__Movement *movement,
                       const struct state_movement *row)
{
    const struct ledger *ledger = import->ledger;
    if (!state_rules(ledger, 16) || row->whole || row->parts == 0)
        return;
    const struct state_movement *of = &ledger->movement[ledger->bank_entry[row->batch].movement];
    uint32_t told_by = get_u32(&import->parts, &row->batch);
    if (of->parts_told != STATE_NONE || (told_by != 0 && told_by != import->ordinal) ||
        is_closed(import, of) || !detail_fits(import, movement))
        return;
    pl_map_put(&import->parts, &row->batch, &import->ordinal);
    add_learned(import, movement, row->batch, row->parts)->part = true;
}

static bool has_payer(const struct importing *import, uint32_t known)
{
    return row_at(import, known)->detail != STATE_NONE || get_u32(&import->paid_by, &known) != 0;
}

/* It came in without the name of who paid, and this statement has it. */
static void learn(struct importing *import, const Pledged__V1__Movement *movement,
                  const struct state_movement *row, uint32_t known, int level)
{
    uint32_t one = 1;
    if (state_rules(import->ledger, 16)) {
        complete(import, movement, row, known, level);
        return;
    }
    if (movement->detail_commitment.len == 0 || !state_rules(import->ledger, 15) ||
        has_payer(import, known) || !is_the_only_one(import, row, level) ||
        !detail_fits(import, movement))
        return;
    Pledged__V1__Entry *entry = maker_entry(import->maker, 0);
    Pledged__V1__PayerLearned *fact = maker_alloc(import->maker, sizeof(*fact));
    pledged__v1__payer_learned__init(fact);
    fact->bank_entry =
        maker_id(import->maker, 'B', (uint64_t)row_at(import, known)->bank_entry + 1);
    fact->statement = import->statement;
    fact->detail_commitment = movement->detail_commitment;
    entry->fact_case = FACT(PAYER_LEARNED);
    entry->payer_learned = fact;
    pl_map_put(&import->paid_by, &known, &one);
    import->told->learned++;
}

static void decide_known(struct importing *import, const Pledged__V1__Movement *movement,
                         const struct state_movement *row, uint32_t known, int level)
{
    take(import, known);
    import->told->known++;
    learn(import, movement, row, known, level);
    if (!import->refused)
        allocate_known(import, movement, row, known);
    if (!import->refused)
        pay_known(import, movement, known);
}

static void decide_movement(struct importing *import, const Pledged__V1__Movement *movement)
{
    struct state_movement row = {
        .batch = STATE_NONE, .statement = STATE_NONE, .parts_told = STATE_NONE};
    uint32_t occurrence;
    int level = 0;
    movement_fill(&row, movement, import->bank->account, import->bank->currency);
    row.meant = movement_meant(import->ledger, movement->reference);
    row.detail = movement->detail_commitment.len != 0 ? 0 : STATE_NONE; /* there is one, or none */
    uint32_t known = identify(import, &row, &level, &occurrence);
    if (known != STATE_NONE) {
        decide_known(import, movement, &row, known, level);
        return;
    }
    switch (look_for_batch(import, movement, &row)) {
    case BATCH_CONFLICT:
        refuse_batch(import, &row);
        return;
    case BATCH_TWICE:
        refuse(import, REASON(STATEMENT_CONFLICT), STATEMENT_FIELD ".movement.batch_ref", 0);
        maker_say(import->maker, "why", "the file has a sum and its details");
        return;
    case BATCH_KNOWN:
        import->told->known++;
        learn_part(import, movement, &row);
        return;
    case BATCH_NONE:
    case BATCH_PART:
        break;
    }
    if (!detail_fits(import, movement))
        return;
    uint32_t by_hand = row.batch == STATE_NONE ? paid_by_hand(import, movement, &row) : STATE_NONE;
    row.bank_entry = (uint32_t)(import->ledger->bank_entry_count + import->bank_entries);
    if (by_hand != STATE_NONE)
        confirm(import, movement, row.bank_entry = by_hand, occurrence);
    else
        record(import, movement, &row, occurrence);
    if (!import->refused)
        add_row(import, &row);
}

/* --- one statement --- */

/* A refusal is an entry with the command in it, and what others do with their money must not come
 * into the ledger by way of a mistake: this one is told and leaves nothing. */
static void leave_nothing(struct importing *import)
{
    struct ledger_decision *out = import->maker->out;
    out->answer = LEDGER_INVALID;
    out->entry_count = 0;
    out->refusal->seq = 0;
}

/* On an account of the fund alone there are no movements of others; on a shared one somebody has
 * looked which ones are. */
static bool remainder_fine(struct importing *import, const struct state_account *account)
{
    const Pledged__V1__Remainder *rest = import->bank->remainder;
    if (account->shared ? rest != NULL : rest == NULL || rest->count == 0)
        return true;
    refuse(import, account->shared ? REASON(FIELD_REQUIRED) : REASON(FIELD_INVALID),
           STATEMENT_FIELD ".remainder", 0);
    maker_say(import->maker, "use",
              account->shared ? WORDS("the account is shared: import with --ours")
                              : WORDS("the account is the fund's alone: import without --ours"));
    leave_nothing(import);
    return false;
}

static bool account_fine(struct importing *import)
{
    const struct ledger *ledger = import->ledger;
    int currency = pl_currency_index(import->bank->currency);
    for (size_t i = 0; i < ledger->account_count; i++) {
        if (strcmp(ledger->account[i].account, import->bank->account) == 0 &&
            ledger->account[i].currency == currency)
            return remainder_fine(import, &ledger->account[i]);
    }
    refuse(import, REASON(ACCOUNT_UNKNOWN), STATEMENT_FIELD ".account", 0);
    maker_arg(import->maker, "account", import->bank->account);
    maker_arg(import->maker, "currency", import->bank->currency);
    leave_nothing(import);
    return false;
}

/* The same statement once more must say the same. */
static bool same_statement(struct importing *import)
{
    const struct state_statement *known = &import->ledger->statement[import->known_as];
    int64_t count = (int64_t)import->bank->n_movement;
    int64_t rest = import->bank->remainder != NULL ? import->bank->remainder->count : 0;
    if (known->opening == import->bank->opening_minor &&
        known->closing == import->bank->closing_minor &&
        known->currency == pl_currency_index(import->bank->currency) &&
        known->movements + known->remainder_count == count + rest)
        return true;
    refuse(import, REASON(STATEMENT_CONFLICT), STATEMENT_FIELD ".id", known->seq);
    maker_arg(import->maker, "known_as", maker_id(import->maker, 'S', import->known_as + 1));
    return false;
}

static void add_imported(struct importing *import)
{
    const Pledged__V1__BankStatement *bank = import->bank;
    Pledged__V1__Entry *entry = maker_entry(import->maker, 0);
    Pledged__V1__StatementImported *fact = maker_alloc(import->maker, sizeof(*fact));
    pledged__v1__statement_imported__init(fact);
    fact->statement = import->statement;
    fact->kind = bank->kind;
    fact->account = bank->account;
    fact->currency = bank->currency;
    fact->id = bank->id;
    fact->sequence = bank->sequence;
    fact->created = bank->created;
    fact->from_date = bank->from_date;
    fact->to_date = bank->to_date;
    fact->opening_minor = bank->opening_minor;
    fact->closing_minor = bank->closing_minor;
    fact->movements = (int64_t)bank->n_movement;
    fact->remainder = bank->remainder;
    fact->file_sha256 = import->command->file_sha256;
    entry->fact_case = FACT(STATEMENT_IMPORTED);
    entry->statement_imported = fact;
}

static void add_repeated(struct importing *import)
{
    Pledged__V1__Entry *entry = maker_entry(import->maker, 0);
    Pledged__V1__StatementRepeated *fact = maker_alloc(import->maker, sizeof(*fact));
    pledged__v1__statement_repeated__init(fact);
    fact->statement = import->statement;
    fact->file_sha256 = import->command->file_sha256;
    fact->remainder = import->bank->remainder;
    entry->fact_case = FACT(STATEMENT_REPEATED);
    entry->statement_repeated = fact;
}

static Pledged__V1__StatementOutcome *tell(struct importing *import)
{
    Pledged__V1__Outcome *outcome = maker_outcome(import->maker);
    Pledged__V1__StatementOutcome *told = maker_alloc(import->maker, sizeof(*told));
    pledged__v1__statement_outcome__init(told);
    if (outcome->statement == NULL)
        outcome->statement =
            maker_alloc(import->maker, import->command->n_statement * sizeof(told));
    outcome->statement[outcome->n_statement++] = told;
    told->statement = import->statement;
    told->kind = import->bank->kind;
    told->account = import->bank->account;
    told->currency = import->bank->currency;
    told->id = import->bank->id;
    told->remainder = import->bank->remainder;
    return told;
}

static void decide_statement(struct importing *import)
{
    uint8_t key[16];
    movement_statement_key(import->bank->account, import->bank->id, import->bank->sequence,
                           (int)import->bank->kind, import->bank->created, key);
    const uint32_t *known = pl_map_get(&import->ledger->statements, key);
    import->known_as = known != NULL ? *known : STATE_NONE;
    if (!account_fine(import) || (known != NULL && !same_statement(import)))
        return;
    if (pl_map_get(&import->own, key) != NULL) {
        refuse(import, REASON(STATEMENT_CONFLICT), STATEMENT_FIELD ".id", 0);
        return;
    }
    pl_map_put(&import->own, key, &import->ordinal);
    if (known != NULL) {
        import->statement = maker_id(import->maker, 'S', import->known_as + 1);
        add_repeated(import);
    } else {
        import->statement =
            maker_id(import->maker, 'S', import->ledger->statement_count + ++import->statements);
        add_imported(import);
    }
    import->told = tell(import);
    for (size_t i = 0; i < import->bank->n_movement && !import->refused; i++)
        decide_movement(import, import->bank->movement[i]);
    if (!import->refused)
        import->told->already_in = import->told->recorded == 0 && import->told->confirmed == 0 &&
                                   import->told->allocated == 0 && import->told->learned == 0 &&
                                   import->told->completed == 0 && import->told->refunded == 0 &&
                                   (known != NULL || import->told->known != 0);
}

static void import_statement(struct maker *maker, const Pledged__V1__ImportStatement *command)
{
    struct importing import = {.maker = maker, .ledger = maker->ledger, .command = command};
    size_t movements = 0;
    for (size_t i = 0; i < command->n_statement; i++)
        movements += command->statement[i]->n_movement;
    import.row = maker_alloc(maker, (movements + 1) * sizeof(*import.row));
    import.copy = maker_alloc(maker, (movements + 1) * sizeof(*import.copy));
    pl_map_init(&import.keys, 16, sizeof(uint32_t), 0);
    pl_map_init(&import.own, 16, sizeof(uint32_t), 0);
    pl_map_init(&import.taken, sizeof(uint32_t), sizeof(uint32_t), 0);
    pl_map_init(&import.passed, sizeof(struct passed), sizeof(uint32_t), 0);
    pl_map_init(&import.allocated, sizeof(uint32_t), sizeof(int64_t), 0);
    pl_map_init(&import.confirmed, sizeof(uint32_t), sizeof(uint32_t), 0);
    pl_map_init(&import.refunded, sizeof(uint32_t), sizeof(uint32_t), 0);
    pl_map_init(&import.received, sizeof(uint32_t), sizeof(int64_t), 0);
    pl_map_init(&import.details, LEDGER_COMMITMENT_BYTES, sizeof(uint32_t), 0);
    pl_map_init(&import.part_sum, 16, sizeof(struct sum), 0);
    pl_map_init(&import.split, sizeof(uint32_t), sizeof(uint32_t), 0);
    pl_map_init(&import.spent, sizeof(uint32_t), sizeof(uint32_t), 0);
    pl_map_init(&import.paid_by, sizeof(uint32_t), sizeof(uint32_t), 0);
    pl_map_init(&import.changed, sizeof(uint32_t), sizeof(uint32_t), 0);
    pl_map_init(&import.parts, sizeof(uint32_t), sizeof(uint32_t), 0);
    pl_map_init(&import.alike, 16, sizeof(uint32_t), 0);
    find_candidates(&import);
    for (size_t i = 0; i < command->n_statement && !import.refused; i++) {
        import.bank = command->statement[i];
        import.ordinal = (uint32_t)i + 1;
        decide_statement(&import);
    }
    pl_map_fini(&import.keys);
    pl_map_fini(&import.own);
    pl_map_fini(&import.taken);
    pl_map_fini(&import.passed);
    pl_map_fini(&import.allocated);
    pl_map_fini(&import.confirmed);
    pl_map_fini(&import.refunded);
    pl_map_fini(&import.received);
    pl_map_fini(&import.details);
    pl_map_fini(&import.part_sum);
    pl_map_fini(&import.split);
    pl_map_fini(&import.spent);
    pl_map_fini(&import.paid_by);
    pl_map_fini(&import.changed);
    pl_map_fini(&import.parts);
    pl_map_fini(&import.alike);
    free(import.candidate);
}

void statement_decide(struct maker *maker)
{
    import_statement(maker, maker->command->import_statement);
}

/* --- `pay` for money that a statement brought before --- */

static uint32_t by_bank_ref(const struct ledger *ledger, const char *bank_ref, int64_t minor,
                            int currency, int32_t value_date)
{
    for (size_t i = 0; i < ledger->account_count; i++) {
        if (ledger->account[i].currency != currency)
            continue;
        for (int days = -366; days <= 366; days += 366) {
            Pledged__V1__Movement asked = PLEDGED__V1__MOVEMENT__INIT;
            char day[11];
            asked.kind = KIND(PAYMENT);
            asked.minor = minor;
            asked.booking_date = (char *)(uintptr_t)pl_date_format(value_date + days, day);
            if (!pl_date_valid(day)) /* at an end of the calendar */
                continue;
            asked.value_date = asked.booking_date;
            asked.bank_ref = (char *)(uintptr_t)bank_ref;
            asked.uetr = asked.bank_ref;
            struct state_movement row = {.levels = 0};
            movement_fill(&row, &asked, ledger->account[i].account, pl_currency_code(currency));
            for (int level = STATE_BY_BANK_REF; level <= STATE_BY_UETR; level++) {
                uint8_t key[16];
                movement_map_key(row.key[level], 1, key);
                const uint32_t *found = pl_map_get(&ledger->movements, key);
                if (found != NULL)
                    return ledger->movement[*found].bank_entry;
            }
        }
    }
    return STATE_NONE;
}

uint32_t statement_imported_as(const struct ledger *ledger, const char *bank_ref, int64_t minor,
                               int currency, int32_t value_date, uint32_t pledge)
{
    if (bank_ref[0] != '\0')
        return by_bank_ref(ledger, bank_ref, minor, currency, value_date);
    size_t least =
        ledger->movement_count > PAY_SCAN_MOST ? ledger->movement_count - PAY_SCAN_MOST : 0;
    uint32_t spent = STATE_NONE;
    for (size_t i = least; i < ledger->movement_count; i++) {
        const struct state_movement *row = &ledger->movement[i];
        const struct state_bank_entry *entry = &ledger->bank_entry[row->bank_entry];
        bool same = entry->amount == minor && entry->currency == currency && !entry->debit &&
                    !entry->reversed && row->kind == KIND(PAYMENT) &&
                    (entry->value_date == value_date || row->booking_date == value_date);
        if (same && entry->pledge == STATE_NONE &&
            (row->meant == STATE_NONE || row->meant == pledge))
            return row->bank_entry;
        if (same && entry->pledge == pledge)
            spent = row->bank_entry;
    }
    return spent;
}

uint32_t statement_debit_as(const struct ledger *ledger, const char *bank_ref, int64_t minor,
                            int currency, int32_t value_date)
{
    if (bank_ref[0] != '\0')
        return by_bank_ref(ledger, bank_ref, -minor, currency, value_date);
    size_t least =
        ledger->movement_count > PAY_SCAN_MOST ? ledger->movement_count - PAY_SCAN_MOST : 0;
    for (size_t i = least; i < ledger->movement_count; i++) {
        const struct state_movement *row = &ledger->movement[i];
        const struct state_bank_entry *entry = &ledger->bank_entry[row->bank_entry];
        if (entry->debit && entry->currency == currency && row->kind == KIND(PAYMENT) &&
            allocation_free(entry) == minor &&
            (entry->value_date == value_date || row->booking_date == value_date))
            return row->bank_entry;
    }
    return STATE_NONE;
}
