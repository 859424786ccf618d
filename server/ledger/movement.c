/* SPDX-License-Identifier: Apache-2.0
 *
 * movement: keys are the first 16 bytes of SHA-256 over the parts, each with its length. Banks
 * reuse their references in another year, so the year of the booking is part of what rests on one.
 * The direction of a reversal is not: banks disagree on it.
 */
#include "server/ledger/movement.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/hash.h"
#include "common/ids.h"
#include "common/money.h"
#include "common/reference.h"
#include "server/ledger/allocation.h"
#include "server/ledger/closing.h"
#include "server/ledger/contact.h"
#include "server/ledger/learn.h"
#include "server/ledger/payer.h"
#include "server/ledger/refund.h"
#include "server/ledger/valuation.h"

enum { PARTS = 8 };

/* Parts end with a zero byte, which no text holds. */
static void key_of(const char *const *part, size_t count, uint8_t out[16])
{
    struct pl_slice pieces[PARTS];
    uint8_t digest[PL_SHA256_BYTES];
    PL_ASSERT(count <= PARTS);
    for (size_t i = 0; i < count; i++)
        pieces[i] = pl_slice(part[i], strlen(part[i]) + 1);
    pl_sha256_parts(pieces, count, digest);
    memcpy(out, digest, 16);
}

static const char *amount_text(const Pledged__V1__Movement *movement, const char *currency,
                               char out[48])
{
    bool reversal = movement->kind == PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_REVERSAL;
    int64_t minor = reversal && movement->minor < 0 ? -movement->minor : movement->minor;
    (void)snprintf(out, 48, "%s%" PRId64 "%.3s", reversal ? "R" : "", minor, currency);
    return out;
}

static void set_key(struct state_movement *row, enum state_level level, const char *account,
                    const char *name, const char *when, const char *amount, const char *more)
{
    char number[4];
    if (name[0] == '\0')
        return;
    (void)snprintf(number, sizeof(number), "%u", (unsigned)level % 10);
    const char *const parts[] = {number, account, name, when, amount, more};
    key_of(parts, PL_COUNT(parts), row->key[level]);
    row->levels |= (uint8_t)(1u << level);
}

static void set_batch_key(struct state_movement *row, const Pledged__V1__Movement *movement,
                          const char *account, const char *year)
{
    row->whole = movement->batch_ref[0] == '\0';
    const char *ref = row->whole ? movement->bank_ref : movement->batch_ref;
    const char *const parts[] = {"batch", account, ref, year};
    if (ref[0] != '\0')
        key_of(parts, PL_COUNT(parts), row->batch_key);
}

void movement_fill(struct state_movement *row, const Pledged__V1__Movement *movement,
                   const char *account, const char *currency)
{
    char amount[48], year[5], day[24];
    (void)snprintf(year, sizeof(year), "%.4s", movement->booking_date);
    (void)snprintf(day, sizeof(day), "%.10s/%.10s", movement->booking_date, movement->value_date);
    amount_text(movement, currency, amount);
    row->kind = (uint8_t)movement->kind;
    row->parts = learn_parts(movement);
    struct pl_status status = pl_date_parse(movement->booking_date, &row->booking_date);
    PL_ASSERT(pl_is_ok(status)); /* validated, or checked */
    row->instructed_currency = -1;
    if (movement->instructed != NULL) {
        row->instructed_minor = movement->instructed->minor;
        row->instructed_currency = (int16_t)pl_currency_index(movement->instructed->currency);
    }
    bool charge = movement->kind == PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_CHARGE;
    set_key(row, STATE_BY_BANK_REF, account, movement->bank_ref, year, amount, "");
    set_key(row, STATE_BY_UETR, account, movement->uetr, year, amount, "");
    set_key(row, STATE_BY_BATCH_REF, account, movement->batch_ref, year, amount,
            charge ? "charge" : "");
    set_key(row, STATE_BY_END_TO_END, account, movement->end_to_end_id, day, amount, "");
    set_key(row, STATE_BY_REFERENCE, account, movement->reference, day, amount, "");
    set_key(row, STATE_BY_CONTENT, account, day, "", amount, charge ? "charge" : "");
    set_batch_key(row, movement, account, year);
}

void movement_map_key(const uint8_t key[16], uint32_t occurrence, uint8_t out[16])
{
    memcpy(out, key, 16);
    for (int i = 0; i < 4; i++)
        out[i] ^= (uint8_t)(occurrence >> (8 * i));
}

static bool is_place_taken(const struct pl_map *rows, const struct pl_map *more,
                           const uint8_t key[16], uint32_t occurrence)
{
    uint8_t place[16];
    movement_map_key(key, occurrence, place);
    return pl_map_get(rows, place) != NULL || (more != NULL && pl_map_get(more, place) != NULL);
}

/* Rows never go, so that there are no gaps; and a file may have thousands of twins: small gifts of
 * one day and amount. */
uint32_t movement_free_place(const struct pl_map *rows, const struct pl_map *more,
                             const uint8_t key[16])
{
    uint32_t taken = 0, found = 1;
    while (is_place_taken(rows, more, key, found)) {
        taken = found;
        found *= 2;
        PL_ASSERT(found > taken);
    }
    while (found - taken > 1) {
        uint32_t middle = taken + (found - taken) / 2;
        if (is_place_taken(rows, more, key, middle))
            taken = middle;
        else
            found = middle;
    }
    return found;
}

bool movement_is_sum(const struct state_movement *row, const uint8_t batch_key[16])
{
    return row->whole && memcmp(row->batch_key, batch_key, sizeof(row->batch_key)) == 0;
}

/* The first row of all stands for it, in whatever order they are told: a loaded state has the same.
 */
static void register_batch(struct ledger *ledger, const uint8_t key[16], uint32_t index)
{
    static const uint8_t none[16];
    const uint32_t *found = pl_map_get(&ledger->batches, key);
    if (memcmp(key, none, sizeof(none)) != 0 && (found == NULL || index < *found))
        pl_map_put(&ledger->batches, key, &index);
}

void movement_register_more(struct ledger *ledger, uint32_t index, uint8_t levels)
{
    const struct state_movement *row = &ledger->movement[index];
    for (int level = 0; level < STATE_LEVELS; level++) {
        uint8_t key[16];
        if ((levels >> level & 1) == 0)
            continue;
        /* twins of one level may differ in another: each level has its own next free place */
        movement_map_key(row->key[level],
                         movement_free_place(&ledger->movements, NULL, row->key[level]), key);
        pl_map_put(&ledger->movements, key, &index);
    }
    register_batch(ledger, row->part_key, index);
}

void movement_register(struct ledger *ledger, uint32_t index)
{
    movement_register_more(ledger, index, ledger->movement[index].levels);
    register_batch(ledger, ledger->movement[index].batch_key, index);
}

void movement_statement_key(const char *account, const char *id, uint64_t sequence, int kind,
                            const char *created, uint8_t out[16])
{
    char number[32], year[5], which[12];
    (void)snprintf(number, sizeof(number), "%" PRIu64, sequence);
    (void)snprintf(year, sizeof(year), "%.4s", created);
    (void)snprintf(which, sizeof(which), "%d", kind);
    const char *const parts[] = {"statement", account, id, number, which, year};
    key_of(parts, PL_COUNT(parts), out);
}

uint32_t movement_meant(const struct ledger *ledger, const char *reference)
{
    uint64_t number = reference[0] != '\0' ? pl_reference_pledge(reference) : 0;
    return number == 0 || number > ledger->pledge_count ? STATE_NONE : (uint32_t)(number - 1);
}

/* --- facts: each checker beside its applier --- */

uint32_t movement_statement(const struct ledger *ledger, const char *id)
{
    uint64_t number = pl_id_parse(id, 'S');
    return number == 0 || number > ledger->statement_count ? STATE_NONE : (uint32_t)(number - 1);
}

struct pl_status movement_check_told(const struct ledger *ledger,
                                     const Pledged__V1__Movement *movement)
{
    NEED(movement != NULL && movement->minor != 0 && movement->minor != INT64_MIN,
         "a movement without an amount");
    NEED(pl_date_valid(movement->booking_date) && pl_date_valid(movement->value_date),
         "a movement without its days");
    NEED(movement->kind >= 1 && (unsigned)movement->kind <= UINT8_MAX, "a movement of no kind");
    NEED(movement->instructed == NULL || pl_currency_index(movement->instructed->currency) >= 0,
         "a movement in an unknown currency");
    NEED(movement->charges == NULL || pl_currency_index(movement->charges->currency) >= 0,
         "charges in an unknown currency");
    NEED(movement->detail_parts <= LEARN_ALL_PARTS &&
             (movement->detail_parts == 0 || movement->detail_commitment.len != 0),
         "parts of a record that there are not");
    NEED(movement->detail_commitment.len == 0 ||
             contact_commitment_fits(ledger, movement->detail_commitment),
         "a commitment that does not fit, or is there already");
    return pl_ok();
}

static bool is_account(const struct ledger *ledger, const char *account, int currency)
{
    for (size_t i = 0; i < ledger->account_count; i++) {
        if (strcmp(ledger->account[i].account, account) == 0 &&
            ledger->account[i].currency == currency)
            return true;
    }
    return false;
}

static struct pl_status check_imported(const struct ledger *ledger,
                                       const Pledged__V1__StatementImported *fact)
{
    uint8_t key[16];
    NEED(pl_id_parse(fact->statement, 'S') == ledger->statement_count + 1,
         "a statement's number is not the next one");
    NEED((fact->kind == 1 || fact->kind == 2) && pl_currency_index(fact->currency) >= 0 &&
             pl_date_valid(fact->created) && fact->account[0] != '\0',
         "a statement without kind, account, currency or date");
    NEED(is_account(ledger, fact->account, pl_currency_index(fact->currency)),
         "a statement of another account than the fund's");
    movement_statement_key(fact->account, fact->id, fact->sequence, (int)fact->kind, fact->created,
                           key);
    NEED(pl_map_get(&ledger->statements, key) == NULL, "one statement came in twice");
    return pl_ok();
}

static void set_remainder(struct state_statement *row, const Pledged__V1__Remainder *remainder)
{
    row->remainder_count = remainder != NULL ? remainder->count : 0;
    row->remainder_minor = remainder != NULL ? remainder->minor : 0;
}

static void apply_imported(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__StatementImported *fact = entry->statement_imported;
    ledger->statement = state_grow(ledger->statement, ledger->statement_count,
                                   &ledger->statement_cap, sizeof(*ledger->statement));
    uint32_t index = (uint32_t)ledger->statement_count++;
    struct state_statement *row = &ledger->statement[index];
    *row = (struct state_statement){
        .seq = entry->seq,
        .sequence = fact->sequence,
        .opening = fact->opening_minor,
        .closing = fact->closing_minor,
        .movements = fact->movements,
        .account = state_add_text(ledger, fact->account),
        .currency = (int16_t)pl_currency_index(fact->currency),
        .kind = (uint8_t)fact->kind,
    };
    set_remainder(row, fact->remainder);
    movement_statement_key(fact->account, fact->id, fact->sequence, (int)fact->kind, fact->created,
                           row->key);
    pl_map_put(&ledger->statements, row->key, &index);
}

/* What a statement says about a bank entry that is there. */
static struct state_movement *add_row(struct ledger *ledger, uint64_t seq, uint32_t bank_entry,
                                      const char *statement, const Pledged__V1__Movement *movement,
                                      uint32_t occurrence)
{
    ledger->movement = state_grow(ledger->movement, ledger->movement_count, &ledger->movement_cap,
                                  sizeof(*ledger->movement));
    uint32_t index = (uint32_t)ledger->movement_count++;
    struct state_movement *row = &ledger->movement[index];
    *row = (struct state_movement){.seq = seq,
                                   .bank_entry = bank_entry,
                                   .statement = movement_statement(ledger, statement),
                                   .batch = STATE_NONE,
                                   .detail = STATE_NONE,
                                   .parts_told = STATE_NONE,
                                   .occurrence = occurrence};
    if (movement->detail_commitment.len != 0)
        payer_add(ledger, row, movement->detail_commitment.data, seq);
    const struct state_statement *from = &ledger->statement[row->statement];
    movement_fill(row, movement, ledger->text + from->account, pl_currency_code(from->currency));
    row->meant = movement_meant(ledger, movement->reference);
    ledger->bank_entry[bank_entry].movement = index;
    ledger->bank_entry[bank_entry].confirmed = 1;
    movement_register(ledger, index);
    return row;
}

bool movement_may_be_split(const struct ledger *ledger, const struct state_bank_entry *entry)
{
    return entry->movement != STATE_NONE && ledger->movement[entry->movement].whole &&
           entry->allocated == 0 && entry->refunded == 0 && entry->explained == 0 &&
           !entry->reversed && entry->amount != 0;
}

static struct pl_status check_recorded(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__BankEntryRecorded *fact = entry->bank_entry_recorded;
    uint32_t statement = movement_statement(ledger, fact->statement);
    int currency = pl_currency_index(fact->currency);
    NEED(pl_id_parse(fact->bank_entry, 'B') == ledger->bank_entry_count + 1 &&
             ledger->bank_entry_count < STATE_ROWS_MAX,
         "a bank entry's number is not the next one");
    NEED(statement != STATE_NONE && currency >= 0 &&
             ledger->statement[statement].currency == currency,
         "a movement of an unknown statement, or in another currency");
    PL_TRY(movement_check_told(ledger, fact->movement));
    NEED(fact->movement->minor < 0 || tally_may_receive(ledger, currency, fact->movement->minor),
         "a total leaves 64 bits");
    PL_TRY(valuation_check(ledger, entry, fact->valuation, fact->movement->minor, currency));
    if (fact->batch[0] == '\0')
        return pl_ok();
    const struct state_bank_entry *batch = state_bank_entry(ledger, fact->batch);
    NEED(batch != NULL && batch->movement != STATE_NONE && batch->currency == currency &&
             (movement_may_be_split(ledger, batch) || batch->amount == 0),
         "the details of what has no details");
    return pl_ok();
}

/* The details of a sum are told together: all of it gives way to the first. */
void movement_split(struct ledger *ledger, const char *id, struct state_movement *row)
{
    struct state_bank_entry *batch = state_bank_entry(ledger, id);
    if (batch == NULL)
        return;
    row->batch = (uint32_t)(batch - ledger->bank_entry);
    allocation_split(ledger, row->batch);
}

static void apply_recorded(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__BankEntryRecorded *fact = entry->bank_entry_recorded;
    int64_t minor = fact->movement->minor;
    struct state_bank_entry made = {
        .amount = minor < 0 ? -minor : minor,
        .seq = entry->seq,
        .movement = (uint32_t)ledger->movement_count, /* the row that follows */
        .currency = (int16_t)pl_currency_index(fact->currency),
        .debit = minor < 0,
    };
    struct pl_status status = pl_date_parse(fact->movement->value_date, &made.value_date);
    PL_ASSERT(pl_is_ok(status)); /* checked */
    valuation_keep(&ledger->entry_rates, (uint32_t)ledger->bank_entry_count, fact->valuation);
    uint32_t index = allocation_add_entry(ledger, &made);
    struct state_movement *row =
        add_row(ledger, entry->seq, index, fact->statement, fact->movement, fact->occurrence);
    row->queue = (uint8_t)fact->queue;
    movement_split(ledger, fact->batch, row);
}

static struct pl_status check_confirmed(const struct ledger *ledger,
                                        const Pledged__V1__PaymentConfirmed *fact)
{
    const struct state_bank_entry *paid = state_bank_entry(ledger, fact->bank_entry);
    uint32_t statement = movement_statement(ledger, fact->statement);
    PL_TRY(movement_check_told(ledger, fact->movement));
    NEED(paid != NULL && statement != STATE_NONE && paid->movement == STATE_NONE &&
             !paid->reversed && !paid->confirmed,
         "a confirmation of what no statement can confirm");
    const struct state_refund *refund =
        paid->debit ? refund_paid_by(ledger, (uint32_t)(paid - ledger->bank_entry)) : NULL;
    NEED((paid->debit != 0) == (refund != NULL) &&
             (refund == NULL
                  ? fact->refund[0] == '\0'
                  : pl_id_parse(fact->refund, 'R') == (uint64_t)(refund - ledger->refund) + 1),
         "a confirmation that fits another refund");
    uint32_t pledge = refund != NULL ? ledger->bank_entry[refund->bank_entry].pledge : paid->pledge;
    NEED((paid->debit ? -paid->amount : paid->amount) == fact->movement->minor &&
             paid->currency == ledger->statement[statement].currency &&
             (pledge == STATE_NONE ? fact->pledge[0] == '\0'
                                   : pl_id_parse(fact->pledge, 'P') == (uint64_t)pledge + 1),
         "a confirmation that fits another payment");
    return pl_ok();
}

static struct pl_status check_bank_reversal(const struct ledger *ledger,
                                            const Pledged__V1__BankReversal *fact)
{
    const struct state_bank_entry *back = state_bank_entry(ledger, fact->bank_entry);
    const struct state_bank_entry *from = state_bank_entry(ledger, fact->original);
    NEED(back != NULL && from != NULL && back->debit && !from->debit && !back->reversed &&
             !from->reversed && back->movement != STATE_NONE && back->allocated == 0,
         "a reversal of what the bank cannot take back");
    NEED(back->amount == from->amount && back->currency == from->currency && fact->amount != NULL &&
             fact->amount->minor == from->amount &&
             pl_currency_index(fact->amount->currency) == from->currency,
         "a reversal of another amount");
    NEED(from->refunded == 0 && from->explained == 0, "a reversal of money that is paid back");
    NEED(!allocation_pays_others(ledger, from), "a reversal of money that pays for other pledges");
    PL_TRY(closing_check_money(ledger, from));
    NEED(from->pledge == STATE_NONE ? fact->pledge[0] == '\0'
                                    : pl_id_parse(fact->pledge, 'P') == (uint64_t)from->pledge + 1,
         "a reversal that names another pledge");
    return pl_ok();
}

static void apply_bank_reversal(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    struct state_bank_entry *back = state_bank_entry(ledger, entry->bank_reversal->bank_entry);
    struct state_bank_entry *from = state_bank_entry(ledger, entry->bank_reversal->original);
    back->reversed = 1; /* explained: the two of them are nothing together */
    back->reversed_by = entry->seq;
    allocation_take_back(ledger, (uint32_t)(from - ledger->bank_entry), entry);
}

struct pl_status movement_check(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    switch ((int)entry->fact_case) {
    case FACT(STATEMENT_IMPORTED):
        return check_imported(ledger, entry->statement_imported);
    case FACT(BANK_ENTRY_RECORDED):
        return check_recorded(ledger, entry);
    case FACT(STATEMENT_REPEATED):
        NEED(movement_statement(ledger, entry->statement_repeated->statement) != STATE_NONE,
             "an unknown statement came in again");
        return pl_ok();
    case FACT(PAYMENT_CONFIRMED):
        return check_confirmed(ledger, entry->payment_confirmed);
    case FACT(BANK_REVERSAL):
        return check_bank_reversal(ledger, entry->bank_reversal);
    default:
        PL_UNREACHABLE();
    }
}

void movement_apply(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__StatementRepeated *again = entry->statement_repeated;
    const Pledged__V1__PaymentConfirmed *confirmed = entry->payment_confirmed;
    switch ((int)entry->fact_case) {
    case FACT(STATEMENT_IMPORTED):
        apply_imported(ledger, entry);
        break;
    case FACT(BANK_ENTRY_RECORDED):
        apply_recorded(ledger, entry);
        break;
    case FACT(STATEMENT_REPEATED):
        set_remainder(&ledger->statement[movement_statement(ledger, again->statement)],
                      again->remainder);
        break;
    case FACT(PAYMENT_CONFIRMED):
        (void)add_row(ledger, entry->seq, (uint32_t)pl_id_parse(confirmed->bank_entry, 'B') - 1,
                      confirmed->statement, confirmed->movement, confirmed->occurrence);
        break;
    case FACT(BANK_REVERSAL):
        apply_bank_reversal(ledger, entry);
        break;
    default:
        PL_UNREACHABLE();
    }
}
