/* SPDX-License-Identifier: Apache-2.0
 *
 * load: the state from the bytes of save.c; everything is judged before it is used. What follows
 * from the rows (counters, heap, sums) is rebuilt, in a form that depends on the rows alone.
 * Failure: a saved state that does not add up is CORRUPT and never used; the log tells the same.
 */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/date.h"
#include "common/money.h"
#include "server/ledger/allocation.h"
#include "server/ledger/benefit.h"
#include "server/ledger/charge.h"
#include "server/ledger/contact.h"
#include "server/ledger/deed.h"
#include "server/ledger/movement.h"
#include "server/ledger/proposal.h"
#include "server/ledger/rate.h"
#include "server/ledger/save_private.h"
#include "server/ledger/schedule.h"
#include "server/ledger/settle.h"
#include "server/ledger/twin.h"
#include "server/ledger/waiver.h"

enum {
    ROWS_BYTES = 1 << 15, /* read at once */
    ROOM_ROWS = 1 << 14,
    CODE_BYTES = 3, /* of a currency */
    /* as they are saved */
    CONTRIBUTOR_ROW_BYTES = 4 + 1 + 3 + 20 + 8 + 8,
    PLEDGE_ROW_BYTES = 8 * 8 + 6 * 4 + 3 + 7,
    BANK_ENTRY_ROW_BYTES = 6 * 8 + 6 * 4 + 3 + 3,
    ALLOCATION_ROW_BYTES = 4 * 8 + 4 * 4,
};

struct in {
    ledger_read_fn read;
    const struct ledger_help *help; /* NULL: there is none */
    void *arg;
    uint8_t *rows; /* owns; rows of one kind, there are millions of some */
    size_t at, row_end, end;
    size_t row_bytes, rows_left; /* not in `rows` yet */
    char code[CODE_BYTES + 1];   /* the currency seen last */
    int16_t code_index;
};

static struct pl_status bad(void)
{
    return pl_fail(CORRUPT, "a saved state does not add up");
}

static inline struct pl_status get(struct in *in, void *into, size_t len)
{
    if (in->at == in->row_end)
        return in->read(in->arg, into, len);
    PL_ASSERT(len <= in->row_end - in->at); /* a row is taken to its end */
    memcpy(into, in->rows + in->at, len);
    in->at += len;
    return pl_ok();
}

/* So many rows come next, each is begun with next_row. */
static void begin_rows(struct in *in, size_t row_bytes, size_t count)
{
    PL_ASSERT(in->at == in->end && in->rows_left == 0 && row_bytes <= ROWS_BYTES);
    in->row_bytes = row_bytes;
    in->rows_left = count;
}

static struct pl_status more_rows(struct in *in)
{
    size_t rows = ROWS_BYTES / in->row_bytes;
    if (rows > in->rows_left)
        rows = in->rows_left;
    PL_ASSERT(rows != 0);
    PL_TRY(in->read(in->arg, in->rows, rows * in->row_bytes));
    in->rows_left -= rows;
    in->at = in->row_end = 0;
    in->end = rows * in->row_bytes;
    return pl_ok();
}

/* What is taken next, up to row_bytes of it, comes out of this row. */
static inline struct pl_status next_row(struct in *in)
{
    PL_ASSERT(in->at == in->row_end);
    if (in->at == in->end)
        PL_TRY(more_rows(in));
    in->row_end = in->at + in->row_bytes;
    return pl_ok();
}

/* Out of a row that was begun: nothing of this fails. */
static inline void row_take(struct in *in, void *into, size_t len)
{
    PL_ASSERT(len <= in->row_end - in->at);
    memcpy(into, in->rows + in->at, len);
    in->at += len;
}

static inline uint64_t row_u64(struct in *in)
{
    uint8_t bytes[8];
    row_take(in, bytes, sizeof(bytes));
    return pl_get_le64(bytes);
}

static inline int64_t row_i64(struct in *in)
{
    return (int64_t)row_u64(in);
}

static inline uint32_t row_u32(struct in *in)
{
    uint8_t bytes[4];
    row_take(in, bytes, sizeof(bytes));
    return pl_get_le32(bytes);
}

static void *more_room(const struct in *in, void *array, size_t index, size_t count, size_t *cap,
                       size_t element)
{
    size_t larger = *cap != 0 ? *cap * 4 : ROOM_ROWS;
    if (larger > count)
        larger = count;
    uint8_t *grown = reallocarray(array, larger, element);
    PL_ASSERT(grown != NULL);
    *cap = larger;
    if (in->help != NULL)
        in->help->expect(in->arg, grown + index * element, (larger - index) * element);
    return grown;
}

/* Room for the row `index` of `count`: memory follows what was read, not what the count promises.
 */
static inline void *room_for(const struct in *in, void *array, size_t index, size_t count,
                             size_t *cap, size_t element)
{
    return index < *cap ? array : more_room(in, array, index, count, cap, element);
}

static inline struct pl_status get_u64(struct in *in, uint64_t *ret)
{
    uint8_t bytes[8];
    PL_TRY(get(in, bytes, sizeof(bytes)));
    *ret = pl_get_le64(bytes);
    return pl_ok();
}

static inline struct pl_status get_i64(struct in *in, int64_t *ret)
{
    uint64_t value = 0;
    PL_TRY(get_u64(in, &value));
    *ret = (int64_t)value;
    return pl_ok();
}

static inline struct pl_status get_u32(struct in *in, uint32_t *ret)
{
    uint8_t bytes[4];
    PL_TRY(get(in, bytes, sizeof(bytes)));
    *ret = pl_get_le32(bytes);
    return pl_ok();
}

static struct pl_status get_count(struct in *in, uint64_t most, size_t *ret)
{
    uint64_t value = 0;
    PL_TRY(get_u64(in, &value));
    if (value > most)
        return bad();
    *ret = (size_t)value;
    return pl_ok();
}

static bool find_currency(struct in *in, const uint8_t bytes[CODE_BYTES])
{
    char code[CODE_BYTES + 1] = "";
    memcpy(code, bytes, CODE_BYTES);
    int index = pl_currency_index(code);
    if (index < 0 && strcmp(code, "---") != 0)
        return false;
    memcpy(in->code, code, sizeof(code));
    in->code_index = (int16_t)index;
    return true;
}

/* False: there is none of this code. */
static inline bool currency_of(struct in *in, const uint8_t bytes[CODE_BYTES], int16_t *ret)
{
    if (memcmp(bytes, in->code, CODE_BYTES) != 0 && !find_currency(in, bytes))
        return false; /* mostly it is the one before */
    *ret = in->code_index;
    return true;
}

static inline struct pl_status get_currency(struct in *in, int16_t *ret)
{
    uint8_t code[CODE_BYTES];
    PL_TRY(get(in, code, sizeof(code)));
    return currency_of(in, code, ret) ? pl_ok() : bad();
}

/* Memory follows what was read, not what the length promises. */
static struct pl_status load_text(struct in *in, struct ledger *ledger)
{
    enum { PIECE_BYTES = 1 << 20 };
    size_t len;
    PL_TRY(get_count(in, UINT32_MAX, &len));
    if (len == 0)
        return bad();
    ledger->text_len = 0;
    while (ledger->text_len < len) {
        size_t left = len - ledger->text_len;
        size_t piece = left < PIECE_BYTES ? left : PIECE_BYTES;
        size_t need = ledger->text_len + piece + 1;
        if (need > ledger->text_cap) {
            size_t cap = need > 2 * ledger->text_cap ? need : 2 * ledger->text_cap;
            ledger->text = reallocarray(ledger->text, cap, 1);
            PL_ASSERT(ledger->text != NULL);
            ledger->text_cap = cap;
        }
        PL_TRY(in->read(in->arg, (uint8_t *)ledger->text + ledger->text_len, piece));
        ledger->text_len += piece;
    }
    return ledger->text[0] == '\0' && ledger->text[len - 1] == '\0' ? pl_ok() : bad();
}

static struct pl_status load_version(struct in *in, struct catalogue **ret)
{
    uint64_t seq = 0;
    size_t len;
    PL_TRY(get_u64(in, &seq));
    PL_TRY(get_count(in, 65536, &len));
    uint8_t *bytes = calloc(1, len + 1);
    PL_ASSERT(bytes != NULL);
    struct pl_status status = in->read(in->arg, bytes, len);
    if (pl_is_ok(status))
        status = catalogue_new(pl_slice(bytes, len), seq, ret);
    free(bytes);
    return status;
}

/* Earlier versions, in the order in which they were in force. */
static struct pl_status load_older(struct in *in, struct ledger *ledger, struct state_catalogue *of)
{
    size_t count;
    PL_TRY(get_count(in, ledger->size, &count));
    for (size_t i = 0; i < count; i++) {
        struct catalogue *version = NULL;
        PL_TRY(load_version(in, &version));
        PL_ASSERT(version != NULL);
        uint64_t before = i > 0 ? of->older[i - 1]->adopted_seq : 0;
        bool fine = strcmp(version->msg->code, of->current->msg->code) == 0 &&
                    version->adopted_seq > before &&
                    version->adopted_seq < of->current->adopted_seq;
        apply_older(of, version);
        if (!fine)
            return bad();
    }
    return pl_ok();
}

static struct pl_status load_catalogue(struct in *in, struct ledger *ledger)
{
    struct catalogue *catalogue = NULL;
    PL_TRY(load_version(in, &catalogue));
    PL_ASSERT(catalogue != NULL);
    if (state_catalogue(ledger, catalogue->msg->code) >= 0) {
        catalogue_unref(catalogue);
        return bad();
    }
    ledger->catalogue =
        reallocarray(ledger->catalogue, ledger->catalogue_count + 1, sizeof(*ledger->catalogue));
    PL_ASSERT(ledger->catalogue != NULL);
    ledger->catalogue[ledger->catalogue_count++] = (struct state_catalogue){.current = catalogue};
    return load_older(in, ledger, &ledger->catalogue[ledger->catalogue_count - 1]);
}

static struct pl_status load_tier(struct in *in, struct ledger *ledger, struct state_tier *tier)
{
    uint32_t def = 0;
    PL_TRY(in->read(in->arg, (uint8_t *)tier->code, sizeof(tier->code)));
    PL_TRY(get_u32(in, &tier->catalogue));
    PL_TRY(get_u32(in, &def));
    PL_TRY(get_i64(in, &tier->capacity));
    PL_TRY(get_u32(in, &tier->wait_first));
    PL_TRY(get_u32(in, &tier->wait_last));
    PL_TRY(get_u64(in, &tier->taken_seq));
    tier->def = (int32_t)def;
    if (tier->code[sizeof(tier->code) - 1] != '\0' || tier->catalogue >= ledger->catalogue_count ||
        tier->capacity < -1)
        return bad();
    if (tier->def == -1)
        return pl_ok();
    const Pledged__V1__Catalogue *msg = ledger->catalogue[tier->catalogue].current->msg;
    bool fine = tier->def >= 0 && (size_t)tier->def < msg->n_tier &&
                strcmp(msg->tier[tier->def]->code, tier->code) == 0;
    return fine ? pl_ok() : bad();
}

static struct pl_status load_catalogues(struct in *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(get_count(in, STATE_CATALOGUES_MAX, &count));
    PL_TRY(get_u32(in, &ledger->catalogue_in_force));
    if (ledger->catalogue_in_force != STATE_NONE && ledger->catalogue_in_force >= count)
        return bad();
    for (size_t i = 0; i < count; i++)
        PL_TRY(load_catalogue(in, ledger));
    PL_TRY(get_count(in, STATE_TIER_FREE - 1, &count));
    ledger->tier = calloc(count + 1, sizeof(*ledger->tier));
    PL_ASSERT(ledger->tier != NULL);
    for (; ledger->tier_count < count; ledger->tier_count++)
        PL_TRY(load_tier(in, ledger, &ledger->tier[ledger->tier_count]));
    return pl_ok();
}

static struct pl_status load_contributors(struct in *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(get_count(in, UINT32_MAX - 1, &count));
    begin_rows(in, CONTRIBUTOR_ROW_BYTES, count);
    for (size_t i = 0; i < count; i++) {
        ledger->contributor = room_for(in, ledger->contributor, i, count, &ledger->contributor_cap,
                                       sizeof(*ledger->contributor));
        struct state_contributor *c = &ledger->contributor[i];
        *c = (struct state_contributor){.name = 0};
        ledger->contributor_count = i + 1;
        PL_TRY(next_row(in));
        c->name = row_u32(in);
        row_take(in, &c->kind, 1);
        row_take(in, c->country, sizeof(c->country));
        row_take(in, c->itu_membership, sizeof(c->itu_membership));
        c->seq = row_u64(in);
        c->hold_seq = row_u64(in);
        if (c->name >= ledger->text_len || c->country[2] != '\0' ||
            c->itu_membership[sizeof(c->itu_membership) - 1] != '\0')
            return bad();
        twin_add(ledger, (uint32_t)i);
    }
    return pl_ok();
}

static struct pl_status load_fulfilment(struct in *in, struct ledger *ledger)
{
    uint32_t pledge = 0, code = 0, tier = 0;
    struct state_fulfilment row = {.seq = 0};
    PL_TRY(get_u32(in, &pledge));
    PL_TRY(get_u32(in, &code));
    PL_TRY(get_u32(in, &tier));
    PL_TRY(get_i64(in, &row.claimed));
    PL_TRY(get_i64(in, &row.declined));
    PL_TRY(get_i64(in, &row.delivered));
    PL_TRY(get_u64(in, &row.seq));
    const int64_t most = 1000000; /* of a grant */
    bool fine = pledge < ledger->pledge_count && code != 0 && code < ledger->text_len &&
                tier < ledger->tier_count && row.seq != 0 && row.seq <= ledger->size &&
                row.claimed >= 0 && row.declined >= 0 && row.delivered >= 0 &&
                row.claimed <= most && row.declined <= most && row.delivered <= most;
    if (!fine || benefit_of(ledger, pledge, ledger->text + code) != NULL)
        return bad();
    struct state_fulfilment *made = benefit_add(ledger, pledge, code);
    made->tier = (uint16_t)tier;
    made->claimed = row.claimed;
    made->declined = row.declined;
    made->delivered = row.delivered;
    made->seq = row.seq;
    benefit_sum(ledger, made, row.claimed, row.declined, row.delivered);
    return pl_ok();
}

static struct pl_status load_benefits(struct in *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(get_count(in, ledger->pledge_count, &count));
    for (size_t i = 0; i < count; i++) {
        uint32_t pledge = 0;
        uint64_t seq = 0;
        PL_TRY(get_u32(in, &pledge));
        PL_TRY(get_u64(in, &seq));
        if (pledge >= ledger->pledge_count || seq == 0 || seq > ledger->size ||
            ledger->pledge[pledge].tier == STATE_TIER_FREE)
            return bad();
        benefit_freeze(ledger, pledge, seq);
        if (!save_is_frozen(ledger, pledge))
            return bad();
    }
    uint32_t month = 0;
    PL_TRY(get_u32(in, &month));
    PL_TRY(get_u64(in, &ledger->exported_seq));
    PL_TRY(get_u64(in, &ledger->exported_to));
    ledger->exported_month = (int32_t)month;
    if (ledger->exported_seq > ledger->size || ledger->exported_to > ledger->size)
        return bad();
    PL_TRY(get_count(in, ledger->size, &count));
    for (size_t i = 0; i < count; i++)
        PL_TRY(load_fulfilment(in, ledger));
    return pl_ok();
}

static struct pl_status load_erasable(struct in *in, struct ledger *ledger)
{
    uint8_t commitment[LEDGER_COMMITMENT_BYTES];
    uint64_t seq = 0, erased = 0;
    PL_TRY(in->read(in->arg, commitment, sizeof(commitment)));
    PL_TRY(get_u64(in, &seq));
    PL_TRY(get_u64(in, &erased));
    if (seq == 0 || seq > ledger->size || erased > ledger->size ||
        ledger_erasable(ledger, commitment) != LEDGER_ERASABLE_UNKNOWN)
        return bad();
    uint32_t index = contact_commit(ledger, commitment, seq); /* the rows may move */
    ledger->erasable[index].erased_seq = erased;
    return pl_ok();
}

static struct pl_status load_contacts(struct in *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(get_count(in, ledger->size, &count));
    for (size_t i = 0; i < count; i++)
        PL_TRY(load_erasable(in, ledger));
    PL_TRY(get_count(in, ledger->size, &count));
    for (size_t i = 0; i < count; i++) {
        uint32_t contributor = 0, erasable = 0;
        PL_TRY(get_u32(in, &contributor));
        PL_TRY(get_u32(in, &erasable));
        if (contributor >= ledger->contributor_count || erasable >= ledger->erasable_count)
            return bad();
        contact_add(ledger, contributor, erasable);
    }
    return pl_ok();
}

static inline uint32_t take_u32(const uint8_t **row)
{
    *row += 4;
    return pl_get_le32(*row - 4);
}

static inline int64_t take_i64(const uint8_t **row)
{
    *row += 8;
    return (int64_t)pl_get_le64(*row - 8);
}

/* All of it at once, without a question at each number: there is nothing that there are more of.
 * False: no such currency. */
static inline bool take_pledge(struct in *in, struct state_pledge *p, uint32_t *ret_tier)
{
    const uint8_t *row = in->rows + in->at;
    in->at = in->row_end;
    p->amount = take_i64(&row);
    p->allocated = take_i64(&row);
    p->received = take_i64(&row);
    p->expires_us = take_i64(&row);
    p->made_us = take_i64(&row);
    p->first_seq = (uint64_t)take_i64(&row);
    p->last_seq = (uint64_t)take_i64(&row);
    p->changed_seq = (uint64_t)take_i64(&row);
    p->contributor = take_u32(&row);
    p->wait_next = take_u32(&row);
    p->wait_prev = STATE_NONE;
    p->bank_first = take_u32(&row);
    p->bank_last = take_u32(&row);
    p->heap_place = STATE_NONE;
    *ret_tier = take_u32(&row);
    p->tier = (uint16_t)*ret_tier;
    p->month = (uint16_t)take_u32(&row);
    const uint8_t *small = row + CODE_BYTES;
    p->stage = small[0];
    p->kind = small[1];
    p->purpose = small[2];
    p->publish = small[3];
    p->extensions = small[4];
    p->money_plan = small[5];
    p->category = small[6];
    return currency_of(in, row, &p->currency);
}

static inline struct pl_status load_pledge(struct in *in, const struct ledger *ledger,
                                           struct state_pledge *p)
{
    uint32_t tier;
    PL_TRY(next_row(in));
    if (!take_pledge(in, p, &tier))
        return bad();
    bool counted =
        p->stage == STAGE(PLEDGED) || p->stage == STAGE(COMMITTED) || p->stage == STAGE(CLOSED);
    bool fine =
        p->contributor < ledger->contributor_count && p->stage >= STAGE(WAITING) &&
        p->stage <= STAGE(CANCELLED) && p->last_seq <= ledger->size && p->changed_seq != 0 &&
        p->changed_seq <= p->last_seq && (save_is_chained(p) || p->wait_next == STATE_NONE) &&
        (tier == STATE_TIER_FREE || tier < ledger->tier_count) && p->amount >= 0 &&
        p->allocated >= 0 && p->allocated <= p->amount && p->received >= 0 &&
        (!counted || p->currency >= 0) && (tier != STATE_TIER_FREE || p->stage >= STAGE(PLEDGED));
    return fine ? pl_ok() : bad();
}

/* The chain of slots goes on with an older one of the same contributor and catalogue, which no
 * other goes on with. Where the chains begin is looked at with the map of them. */
static bool link_slot(struct ledger *ledger, uint32_t index)
{
    struct state_pledge *p = &ledger->pledge[index];
    if (p->slot_next == STATE_NONE)
        return true;
    if (p->slot_next >= index)
        return false;
    struct state_pledge *next = &ledger->pledge[p->slot_next];
    if (!state_stage_live(next->stage) || next->tier == STATE_TIER_FREE ||
        next->contributor != p->contributor || next->slot_prev != STATE_NONE ||
        ledger->tier[next->tier].catalogue != ledger->tier[p->tier].catalogue)
        return false;
    next->slot_prev = index;
    return true;
}

/* Counters and heap follow from the pledges. False: their slots do not add up. */
static bool count_pledge(struct ledger *ledger, uint32_t index)
{
    struct state_pledge *p = &ledger->pledge[index];
    if (state_stage_live(p->stage))
        ledger->contributor[p->contributor].live_pledges++;
    if (p->stage == STAGE(HELD))
        state_due_add(ledger, index);
    if (p->tier == STATE_TIER_FREE)
        return true;
    struct state_tier *tier = &ledger->tier[p->tier];
    tier->waiting += p->stage == STAGE(WAITING);
    tier->held += p->stage == STAGE(HELD);
    tier->pledged += p->stage == STAGE(PLEDGED);
    tier->committed += p->stage == STAGE(COMMITTED);
    tier->closed += p->stage == STAGE(CLOSED);
    return !state_stage_live(p->stage) || link_slot(ledger, index);
}

static struct pl_status load_pledges(struct in *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(get_count(in, UINT32_MAX - 1, &count));
    begin_rows(in, PLEDGE_ROW_BYTES, count);
    for (size_t i = 0; i < count; i++) {
        ledger->pledge =
            room_for(in, ledger->pledge, i, count, &ledger->pledge_cap, sizeof(*ledger->pledge));
        ledger->pledge_count = i + 1;
        PL_TRY(load_pledge(in, ledger, &ledger->pledge[i]));
        if (!count_pledge(ledger, (uint32_t)i))
            return bad();
    }
    for (size_t i = 0; i < ledger->tier_count; i++) {
        const struct state_tier *tier = &ledger->tier[i];
        if (tier->capacity >= 0 && (int64_t)state_tier_taken(tier) > tier->capacity)
            return bad(); /* I1 */
        if (tier->def == -1 && (state_tier_taken(tier) != 0 || tier->waiting != 0))
            return bad(); /* a tier in use does not disappear */
    }
    return pl_ok();
}

static struct pl_status load_bank_entry(struct in *in, struct ledger *ledger,
                                        struct state_bank_entry *b)
{
    uint8_t small[3];
    PL_TRY(next_row(in));
    b->amount = row_i64(in);
    b->allocated = row_i64(in);
    b->refunded = row_i64(in);
    b->explained = row_i64(in);
    b->seq = row_u64(in);
    b->reversed_by = row_u64(in);
    b->pledge = row_u32(in);
    b->next_of_pledge = row_u32(in);
    b->bank_ref = row_u32(in);
    b->movement = row_u32(in);
    uint32_t date = row_u32(in), since = row_u32(in);
    PL_TRY(get_currency(in, &b->currency));
    row_take(in, small, sizeof(small));
    b->value_date = (int32_t)date;
    b->since = (int32_t)since;
    b->confirmed = small[0];
    b->reversed = small[1];
    b->debit = small[2];
    b->alloc_first = b->alloc_last = STATE_NONE;
    bool fine = (b->pledge == STATE_NONE || (b->pledge < ledger->pledge_count && !b->debit)) &&
                b->bank_ref < ledger->text_len && b->currency >= 0 && b->allocated >= 0 &&
                b->refunded >= 0 && b->explained >= 0 && b->amount >= 0 &&
                b->refunded <= b->amount && b->explained <= b->amount - b->refunded &&
                b->allocated <= b->amount - b->refunded - b->explained && /* I2, I3 */
                (!b->debit || (b->pledge == STATE_NONE && b->refunded == 0 && b->explained == 0)) &&
                b->value_date > -40000 && b->since >= b->value_date && b->since < 400000;
    return fine ? pl_ok() : bad();
}

static struct pl_status load_bank_entries(struct in *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(get_count(in, UINT32_MAX - 1, &count));
    begin_rows(in, BANK_ENTRY_ROW_BYTES, count);
    for (size_t i = 0; i < count; i++) {
        ledger->bank_entry = room_for(in, ledger->bank_entry, i, count, &ledger->bank_entry_cap,
                                      sizeof(*ledger->bank_entry));
        ledger->bank_entry[i] = (struct state_bank_entry){.amount = 0};
        ledger->bank_entry_count = i + 1;
        PL_TRY(load_bank_entry(in, ledger, &ledger->bank_entry[i]));
    }
    return pl_ok();
}

static struct pl_status load_allocations(struct in *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(get_count(in, STATE_ROWS_MAX, &count));
    begin_rows(in, ALLOCATION_ROW_BYTES, count);
    for (size_t i = 0; i < count; i++) {
        ledger->allocation = room_for(in, ledger->allocation, i, count, &ledger->allocation_cap,
                                      sizeof(*ledger->allocation));
        struct state_allocation *a = &ledger->allocation[i];
        *a = (struct state_allocation){.amount = 0};
        ledger->allocation_count = i + 1;
        PL_TRY(next_row(in));
        a->amount = row_i64(in);
        a->settled = row_i64(in);
        a->seq = row_u64(in);
        a->reversed_by = row_u64(in);
        a->bank_entry = row_u32(in);
        a->pledge = row_u32(in);
        a->receipt = row_u32(in);
        a->day = (int32_t)row_u32(in);
        if (a->bank_entry >= ledger->bank_entry_count || a->pledge >= ledger->pledge_count ||
            ledger->pledge[a->pledge].stage == PLEDGED__V1__STAGE__STAGE_HELD || a->amount < 0 ||
            a->settled < 0 || a->day <= -40000 || a->day >= 400000 || a->seq == 0 ||
            a->seq > ledger->size || a->reversed_by > ledger->size ||
            (i > 0 && a->seq <= a[-1].seq))
            return bad();
        allocation_link(ledger, (uint32_t)i);
    }
    return pl_ok();
}

static struct pl_status load_document(struct in *in, const struct ledger *ledger,
                                      struct state_document *d)
{
    PL_TRY(get_i64(in, &d->amount));
    PL_TRY(get_i64(in, &d->time_us));
    PL_TRY(get_u64(in, &d->seq));
    PL_TRY(get_u32(in, &d->pledge));
    PL_TRY(get(in, d->sha256, sizeof(d->sha256)));
    bool fine = d->amount >= 0 && d->seq != 0 && d->seq <= ledger->size &&
                d->pledge < ledger->pledge_count && ledger->pledge[d->pledge].currency >= 0;
    return fine ? pl_ok() : bad();
}

/* What receipts say, and what of it was taken back since. */
static bool receipts_fine(struct ledger *ledger)
{
    struct state_documents *receipts = &ledger->document[STATE_RECEIPT];
    for (size_t i = 0; i < ledger->allocation_count; i++) {
        const struct state_allocation *a = &ledger->allocation[i];
        if (a->receipt > receipts->count ||
            (a->receipt != 0 && receipts->row[a->receipt - 1].pledge != a->pledge))
            return false;
        if (a->receipt != 0 && a->reversed_by != 0 &&
            !pl_add64(receipts->row[a->receipt - 1].undone, a->settled,
                      &receipts->row[a->receipt - 1].undone))
            return false;
    }
    return true;
}

static struct pl_status load_documents(struct in *in, struct ledger *ledger)
{
    for (size_t kind = 0; kind < STATE_DOCUMENT_KINDS; kind++) {
        struct state_documents *issued = &ledger->document[kind];
        size_t count;
        PL_TRY(get_count(in, UINT32_MAX - 1, &count));
        for (size_t i = 0; i < count; i++) {
            issued->row = state_grow(issued->row, i, &issued->cap, sizeof(*issued->row));
            issued->row[i] = (struct state_document){.amount = 0};
            issued->count = i + 1;
            PL_TRY(load_document(in, ledger, &issued->row[i]));
        }
    }
    return receipts_fine(ledger) ? pl_ok() : bad();
}

static struct pl_status load_policy(struct in *in, struct ledger *ledger)
{
    size_t len;
    PL_TRY(get_count(in, LEDGER_ENTRY_BYTES_MAX, &len));
    uint8_t *bytes = calloc(1, len + 1);
    PL_ASSERT(bytes != NULL);
    struct pl_status status = in->read(in->arg, bytes, len);
    bool fine = pl_is_ok(status) && proposal_set_policy(ledger, pl_slice(bytes, len));
    free(bytes);
    PL_TRY(status);
    return fine ? pl_ok() : bad();
}

static struct pl_status load_proposal(struct in *in, struct ledger *ledger,
                                      struct state_proposal *p)
{
    uint8_t small[3];
    uint32_t command = 0;
    size_t len;
    PL_TRY(get_i64(in, &p->amount));
    PL_TRY(get_currency(in, &p->currency));
    PL_TRY(get_u64(in, &p->seq));
    PL_TRY(get_u64(in, &p->closed_seq));
    PL_TRY(get_i64(in, &p->time_us));
    PL_TRY(get_i64(in, &p->expires_us));
    PL_TRY(get_u32(in, &p->maker));
    PL_TRY(get_u32(in, &p->identity));
    PL_TRY(get_u32(in, &p->issuer));
    PL_TRY(get_u32(in, &p->pledge));
    PL_TRY(get_u32(in, &command));
    PL_TRY(get(in, small, sizeof(small)));
    PL_TRY(get_count(in, LEDGER_ENTRY_BYTES_MAX, &len));
    p->command = (uint16_t)command;
    p->class = small[0];
    p->state = small[1];
    p->len = (uint32_t)len;
    if (small[2] > 1 || (small[2] == 1 && p->currency >= 0))
        return bad();
    if (small[2] == 1)
        p->currency = STATE_AMOUNT_NOT_KEPT;
    if (p->maker >= ledger->text_len || p->identity >= ledger->text_len ||
        p->issuer >= ledger->text_len || p->seq > ledger->size || p->closed_seq > ledger->size ||
        command > UINT16_MAX || (p->pledge != STATE_NONE && p->pledge >= ledger->pledge_count))
        return bad();
    if (len == 0)
        return pl_ok();
    p->bytes = calloc(1, len);
    PL_ASSERT(p->bytes != NULL);
    return get(in, p->bytes, len);
}

static struct pl_status load_proposals(struct in *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(get_count(in, ledger->size, &count));
    for (size_t i = 0; i < count; i++) {
        struct state_proposal row = {.bytes = NULL};
        struct pl_status status = load_proposal(in, ledger, &row);
        if (pl_is_ok(status) && !proposal_add(ledger, &row))
            status = bad();
        if (!pl_is_ok(status)) {
            free(row.bytes);
            return status;
        }
    }
    return pl_ok();
}

/* A day that can be written as a date, more or less. */
static struct pl_status get_day(struct in *in, int32_t *ret)
{
    uint32_t day = 0;
    PL_TRY(get_u32(in, &day));
    *ret = (int32_t)day;
    return *ret > -40000 && *ret < 400000 ? pl_ok() : bad();
}

static struct pl_status load_waivers(struct in *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(get_count(in, STATE_ROWS_MAX, &count));
    for (size_t i = 0; i < count; i++) {
        ledger->waiver =
            state_grow(ledger->waiver, i, &ledger->waiver_cap, sizeof(*ledger->waiver));
        struct state_waiver *w = &ledger->waiver[i];
        *w = (struct state_waiver){.amount = 0};
        ledger->waiver_count = i + 1;
        PL_TRY(get_i64(in, &w->amount));
        PL_TRY(get_u64(in, &w->seq));
        PL_TRY(get_u64(in, &w->reversed_by));
        PL_TRY(get_u32(in, &w->pledge));
        PL_TRY(get_u32(in, &w->bank_entry));
        PL_TRY(get_day(in, &w->day));
        PL_TRY(get_day(in, &w->dated));
        PL_TRY(get(in, &w->kind, 1));
        if (w->amount <= 0 || w->seq == 0 || w->seq > ledger->size ||
            w->reversed_by > ledger->size || (i > 0 && w->seq <= w[-1].seq) ||
            w->pledge >= ledger->pledge_count ||
            (w->kind == 0 ? w->bank_entry != STATE_NONE
                          : w->bank_entry >= ledger->bank_entry_count))
            return bad();
        waiver_link(ledger, (uint32_t)i);
    }
    return pl_ok();
}

/* The parts have to add up to the promise, as they do after every entry. */
static struct pl_status load_parts(struct in *in, const struct ledger *ledger,
                                   const struct state_schedule *s)
{
    int64_t sum = 0;
    for (size_t j = 0; j < s->count; j++) {
        uint32_t due = 0;
        PL_TRY(get_i64(in, &s->part[j].amount));
        PL_TRY(get_u32(in, &due));
        s->part[j].due = (int32_t)due;
        if (s->part[j].amount <= 0 || !pl_add64(sum, s->part[j].amount, &sum) ||
            s->part[j].due < -40000 || s->part[j].due > 400000 ||
            (j > 0 && s->part[j].due <= s->part[j - 1].due))
            return bad();
    }
    return sum == ledger->pledge[s->pledge].amount ? pl_ok() : bad();
}

static struct pl_status load_schedules(struct in *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(get_count(in, ledger->pledge_count, &count));
    for (size_t i = 0; i < count; i++) {
        uint64_t seq;
        uint32_t pledge;
        size_t parts;
        PL_TRY(get_u64(in, &seq));
        PL_TRY(get_u32(in, &pledge));
        PL_TRY(get_count(in, SCHEDULE_PARTS_MAX, &parts));
        if (seq == 0 || seq > ledger->size || parts == 0 || pledge >= ledger->pledge_count ||
            schedule_of(ledger, &ledger->pledge[pledge]) != NULL)
            return bad();
        struct state_schedule *made = schedule_add(ledger, pledge, parts);
        made->seq = seq;
        PL_TRY(load_parts(in, ledger, made));
    }
    return pl_ok();
}

static struct pl_status load_accounts(struct in *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(get_count(in, 65536, &count));
    ledger->account = calloc(count + 1, sizeof(*ledger->account));
    PL_ASSERT(ledger->account != NULL);
    for (; ledger->account_count < count; ledger->account_count++) {
        struct state_account *a = &ledger->account[ledger->account_count];
        PL_TRY(in->read(in->arg, (uint8_t *)a->account, sizeof(a->account)));
        PL_TRY(get_currency(in, &a->currency));
        PL_TRY(in->read(in->arg, &a->shared, 1));
        if (a->account[sizeof(a->account) - 1] != '\0')
            return bad();
    }
    return pl_ok();
}

static struct pl_status load_refunds(struct in *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(get_count(in, STATE_ROWS_MAX, &count));
    for (size_t i = 0; i < count; i++) {
        uint8_t small[2];
        ledger->refund =
            state_grow(ledger->refund, i, &ledger->refund_cap, sizeof(*ledger->refund));
        struct state_refund *r = &ledger->refund[i];
        *r = (struct state_refund){.amount = 0};
        ledger->refund_count = i + 1;
        PL_TRY(get_i64(in, &r->amount));
        PL_TRY(get_u64(in, &r->seq));
        PL_TRY(get_u64(in, &r->changed_seq));
        PL_TRY(get_u32(in, &r->bank_entry));
        PL_TRY(get_u32(in, &r->debit));
        PL_TRY(get_u32(in, &r->contributor));
        PL_TRY(get_day(in, &r->dated));
        PL_TRY(get(in, small, sizeof(small)));
        r->state = small[0];
        r->other_payee = small[1];
        bool paid = r->state == PLEDGED__V1__REFUND_STATE__REFUND_STATE_PAID;
        if (r->amount <= 0 || r->seq == 0 || r->changed_seq > ledger->size || r->state == 0 ||
            r->state > PLEDGED__V1__REFUND_STATE__REFUND_STATE_CANCELLED ||
            r->bank_entry >= ledger->bank_entry_count ||
            (r->contributor != STATE_NONE && r->contributor >= ledger->contributor_count) ||
            (paid ? r->debit >= ledger->bank_entry_count : r->debit != STATE_NONE))
            return bad();
    }
    return pl_ok();
}

static struct pl_status load_deeds(struct in *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(get_count(in, STATE_ROWS_MAX, &count));
    for (size_t i = 0; i < count; i++) {
        struct state_deed d = {.seq = 0};
        PL_TRY(get_u64(in, &d.seq));
        PL_TRY(get_u64(in, &d.reversed_by));
        PL_TRY(get_i64(in, &d.quantity));
        PL_TRY(get_u32(in, &d.of));
        PL_TRY(get_u32(in, &d.credit));
        PL_TRY(get_u32(in, &d.debit));
        PL_TRY(get_day(in, &d.day));
        PL_TRY(get_day(in, &d.dated));
        PL_TRY(get(in, &d.fact, 1));
        PL_TRY(get(in, &d.alone, 1));
        if (d.seq == 0 || d.seq > ledger->size || d.reversed_by > ledger->size ||
            (i > 0 && d.seq <= ledger->deed[i - 1].seq) || !deed_fits(ledger, &d))
            return bad();
        deed_add(ledger, &d);
    }
    return pl_ok();
}

static struct pl_status load_statements(struct in *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(get_count(in, ledger->size, &count));
    for (uint32_t i = 0; i < count; i++) {
        ledger->statement =
            state_grow(ledger->statement, i, &ledger->statement_cap, sizeof(*ledger->statement));
        struct state_statement *s = &ledger->statement[i];
        *s = (struct state_statement){.seq = 0};
        ledger->statement_count = (size_t)i + 1;
        PL_TRY(in->read(in->arg, s->key, sizeof(s->key)));
        PL_TRY(get_u64(in, &s->seq));
        PL_TRY(get_u64(in, &s->sequence));
        PL_TRY(get_i64(in, &s->opening));
        PL_TRY(get_i64(in, &s->closing));
        PL_TRY(get_i64(in, &s->movements));
        PL_TRY(get_i64(in, &s->remainder_count));
        PL_TRY(get_i64(in, &s->remainder_minor));
        PL_TRY(get_u32(in, &s->account));
        PL_TRY(get_currency(in, &s->currency));
        PL_TRY(in->read(in->arg, &s->kind, 1));
        if (s->seq == 0 || s->seq > ledger->size || s->currency < 0 ||
            s->account >= ledger->text_len || pl_map_get(&ledger->statements, s->key) != NULL)
            return bad();
        pl_map_put(&ledger->statements, s->key, &i);
    }
    return pl_ok();
}

/* Is this what the entry made? */
static bool is_row_of(const struct ledger *ledger, uint32_t found, uint64_t seq)
{
    uint32_t index = state_reversible_index(found);
    switch (state_reversible_kind(found)) {
    case STATE_REVERSIBLE_WAIVER:
        return index < ledger->waiver_count && ledger->waiver[index].seq == seq;
    case STATE_REVERSIBLE_DEED:
        return index < ledger->deed_count && ledger->deed[index].seq == seq;
    case STATE_REVERSIBLE_ALLOCATION:
        return index < ledger->allocation_count && ledger->allocation[index].seq == seq;
    case STATE_REVERSIBLE_ENTRY:
        return index < ledger->bank_entry_count && ledger->bank_entry[index].seq == seq;
    }
    return false;
}

static struct pl_status load_periods(struct in *in, struct ledger *ledger)
{
    size_t count;
    uint32_t through = 0, month = 0;
    int32_t last = -1;
    PL_TRY(get_count(in, ledger->size, &count));
    PL_TRY(get_u32(in, &through));
    for (size_t i = 0; i < count; i++) {
        ledger->period =
            state_grow(ledger->period, i, &ledger->period_cap, sizeof(*ledger->period));
        struct state_period *p = &ledger->period[i];
        *p = (struct state_period){.month = 0};
        ledger->period_count = i + 1;
        PL_TRY(get_u32(in, &month));
        PL_TRY(get_u64(in, &p->closed_seq));
        PL_TRY(get_u64(in, &p->reopened_seq));
        PL_TRY(get_u64(in, &p->head_size));
        PL_TRY(get_i64(in, &p->closed_us));
        p->month = (int32_t)month;
        if (p->month < 0 || p->month >= pl_date_month(pl_date_of_us(ledger->last_time_us)) ||
            p->closed_seq == 0 || p->closed_seq > ledger->size || p->reopened_seq > ledger->size)
            return bad();
        last = p->reopened_seq == 0 ? p->month : last;
    }
    ledger->closed_through = (int32_t)through;
    return ledger->closed_through == last ? pl_ok() : bad();
}

static struct pl_status load_rate(struct in *in, struct ledger *ledger)
{
    struct state_rate rate = {.seq = 0};
    uint32_t day = 0;
    PL_TRY(get_currency(in, &rate.currency));
    PL_TRY(get_u32(in, &day));
    PL_TRY(get_u64(in, &rate.seq));
    PL_TRY(get_i64(in, &rate.mantissa));
    PL_TRY(in->read(in->arg, &rate.scale, 1));
    PL_TRY(get_u32(in, &rate.source));
    rate.day = (int32_t)day;
    if (rate.currency < 0 || rate.seq == 0 || rate.seq > ledger->size || rate.mantissa <= 0 ||
        rate.mantissa > RATE_MANTISSA_MAX || rate.scale > RATE_SCALE_MAX || rate.source == 0 ||
        rate.source >= ledger->text_len ||
        rate_place(ledger, rate.currency, rate.day, rate.seq) != ledger->rate_count ||
        rate_of_seq(ledger, rate.currency, rate.day, rate.seq) != NULL)
        return bad();
    rate_add(ledger, &rate);
    return pl_ok();
}

/* Whether the rate is there is seen once all rows are. */
static struct pl_status load_valued(struct in *in, struct pl_map *map, size_t rows)
{
    size_t count;
    uint32_t next = 0;
    PL_TRY(get_count(in, rows, &count));
    for (size_t i = 0; i < count; i++) {
        struct state_valued valued = {.seq = 0};
        uint32_t index = 0, day = 0;
        PL_TRY(get_u32(in, &index));
        PL_TRY(get_u64(in, &valued.seq));
        PL_TRY(get_u32(in, &day));
        valued.day = (int32_t)day;
        if (index < next || index >= rows)
            return bad();
        next = index + 1;
        pl_map_put(map, &index, &valued);
    }
    return pl_ok();
}

static struct pl_status load_rates(struct in *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(get_count(in, ledger->size, &count));
    for (size_t i = 0; i < count; i++)
        PL_TRY(load_rate(in, ledger));
    return pl_ok();
}

static struct pl_status load_movement(struct in *in, const struct ledger *ledger, uint32_t index,
                                      struct state_movement *m)
{
    uint8_t small[4];
    uint32_t date = 0;
    PL_TRY(get_u64(in, &m->seq));
    PL_TRY(get_u32(in, &m->bank_entry));
    PL_TRY(get_u32(in, &m->statement));
    PL_TRY(get_u32(in, &m->meant));
    PL_TRY(get_u32(in, &m->batch));
    PL_TRY(get_u32(in, &date));
    PL_TRY(get_u32(in, &m->occurrence));
    PL_TRY(get_u32(in, &m->detail));
    PL_TRY(get_i64(in, &m->instructed_minor));
    PL_TRY(get_currency(in, &m->instructed_currency));
    PL_TRY(in->read(in->arg, small, sizeof(small)));
    PL_TRY(in->read(in->arg, (uint8_t *)m->key, sizeof(m->key)));
    PL_TRY(in->read(in->arg, m->batch_key, sizeof(m->batch_key)));
    m->booking_date = (int32_t)date;
    m->kind = small[0];
    m->queue = small[1];
    m->levels = small[2];
    m->whole = small[3];
    bool fine = m->seq != 0 && m->seq <= ledger->size && m->bank_entry < ledger->bank_entry_count &&
                ledger->bank_entry[m->bank_entry].movement == index &&
                m->statement < ledger->statement_count && m->levels < 1u << STATE_LEVELS &&
                (m->meant == STATE_NONE || m->meant < ledger->pledge_count) &&
                (m->detail == STATE_NONE || m->detail < ledger->erasable_count) &&
                (m->batch == STATE_NONE || m->batch < ledger->bank_entry_count);
    return fine ? pl_ok() : bad();
}

/* In their order, so that twins get their places as they had them. */
static struct pl_status load_movements(struct in *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(get_count(in, ledger->bank_entry_count, &count));
    for (uint32_t i = 0; i < count; i++) {
        ledger->movement =
            state_grow(ledger->movement, i, &ledger->movement_cap, sizeof(*ledger->movement));
        ledger->movement[i] = (struct state_movement){.seq = 0};
        PL_TRY(load_movement(in, ledger, i, &ledger->movement[i]));
        ledger->movement_count = (size_t)i + 1;
        movement_register(ledger, i);
    }
    for (size_t i = 0; i < ledger->bank_entry_count; i++) {
        uint32_t movement = ledger->bank_entry[i].movement;
        if (movement != STATE_NONE &&
            (movement >= count || ledger->movement[movement].bank_entry != i))
            return bad();
    }
    return pl_ok();
}

static struct pl_status load_reversible(struct in *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(get_count(in, ledger->size, &count));
    begin_rows(in, sizeof(uint64_t) + sizeof(uint32_t), count);
    for (size_t i = 0; i < count; i++) {
        PL_TRY(next_row(in));
        uint64_t seq = row_u64(in);
        uint32_t index = row_u32(in);
        if (!is_row_of(ledger, index, seq))
            return bad();
        enum state_reversible kind = state_reversible_kind(index);
        if (kind == STATE_REVERSIBLE_WAIVER || kind == STATE_REVERSIBLE_DEED)
            continue; /* linked with its row */
        pl_map_put(&ledger->reversible, &seq, &index);
    }
    return pl_ok();
}

/* Which slots are full, a bit each; memory follows what was read. */
static struct pl_status load_full(struct in *in, size_t cap, uint64_t **ret)
{
    size_t words = (cap + 63) / 64, room = 0;
    begin_rows(in, sizeof(uint64_t), words);
    for (size_t i = 0; i < words; i++) {
        *ret = room_for(in, *ret, i, words, &room, sizeof(**ret));
        PL_TRY(next_row(in));
        (*ret)[i] = row_u64(in);
    }
    return pl_ok();
}

/* A pair into its slot. The sizes are told where they are known, so that nothing is called. */
static inline bool take_pair(const uint8_t *row, uint8_t *slot, size_t key_size, bool large,
                             uint64_t least, uint64_t rows)
{
    uint64_t value = large ? pl_get_le64(row + key_size) : pl_get_le32(row + key_size);
    uint32_t small = (uint32_t)value;
    memcpy(slot, row, key_size);
    if (large)
        memcpy(slot + key_size, &value, sizeof(value));
    else
        memcpy(slot + key_size, &small, sizeof(small));
    return value >= least && value - least < rows;
}

/* Pairs into the slots of one word of `full`. */
static inline struct pl_status load_word(struct in *in, struct pl_map *map, size_t word,
                                         uint64_t least, uint64_t rows)
{
    size_t key_size = map->key_size;
    bool large = map->value_size == sizeof(uint64_t);
    for (uint64_t left = map->full[word]; left != 0; left &= left - 1) {
        PL_TRY(next_row(in));
        const uint8_t *row = in->rows + in->at;
        uint8_t *slot = pl_map_slot(map, word * 64 + (size_t)__builtin_ctzll(left));
        bool fine = key_size == 16 && large ? take_pair(row, slot, 16, true, least, rows)
                                            : take_pair(row, slot, key_size, large, least, rows);
        if (!fine)
            return bad();
        in->at = in->row_end;
    }
    return pl_ok();
}

static struct pl_status load_pairs(struct in *in, struct pl_map *map, uint64_t least, uint64_t rows)
{
    begin_rows(in, map->key_size + map->value_size, map->count);
    for (size_t word = 0; word < (map->cap + 63) / 64; word++)
        PL_TRY(load_word(in, map, word, least, rows));
    return pl_ok();
}

/* A map that ledger_new made, as save_table wrote it. Its values number `rows` rows, from `least`.
 * Whether its keys are found where they are is still to be asked (pl_map_settled). */
static struct pl_status load_table(struct in *in, struct pl_map *map, uint64_t least, uint64_t rows)
{
    uint64_t cap = 0;
    uint64_t *full = NULL;
    PL_TRY(get_u64(in, &cap));
    if ((cap & (cap - 1)) != 0 || cap > (uint64_t)1 << 40)
        return bad();
    struct pl_status status = load_full(in, (size_t)cap, &full);
    if (!pl_is_ok(status)) {
        free(full);
        return status;
    }
    if (!pl_map_shape(map, full, (size_t)cap))
        return bad();
    if (in->help != NULL && cap != 0)
        in->help->expect(in->arg, map->slots, (size_t)cap * (map->key_size + map->value_size));
    return load_pairs(in, map, least, rows);
}

/* Each name is that of one contributor; of payments, those that stand have their reference here. */
static struct pl_status load_maps(struct in *in, struct ledger *ledger)
{
    PL_TRY(load_reversible(in, ledger));
    PL_TRY(load_table(in, &ledger->requests, 1, ledger->size));
    PL_TRY(load_table(in, &ledger->names, 0, ledger->contributor_count));
    PL_TRY(load_table(in, &ledger->bank_refs, 0, ledger->bank_entry_count));
    return load_table(in, &ledger->slots, 0, ledger->pledge_count);
}

/* --- all of it --- */

/* Every request id is found, which is asked of millions, far apart from each other. */
struct requests_look {
    const struct pl_map *map;
    bool fine;
};

static void look_at_requests(void *arg)
{
    struct requests_look *look = arg;
    look->fine = pl_map_settled(look->map);
}

/* Rows and request ids are looked at beside each other, if somebody helps: neither look changes
 * what the other one looks at. */
static bool all_fine(const struct in *in, struct ledger *ledger)
{
    struct requests_look look = {.map = &ledger->requests};
    if (in->help == NULL) {
        look_at_requests(&look);
        return look.fine && settle_rows(ledger);
    }
    in->help->begin(in->arg, look_at_requests, &look);
    bool fine = settle_rows(ledger);
    in->help->end(in->arg);
    return fine && look.fine;
}

static struct pl_status load(struct in *in, struct ledger *ledger)
{
    uint32_t format = 0;
    PL_TRY(get_u32(in, &format));
    if (format != SAVE_FORMAT)
        return pl_fail(UNIMPLEMENTED, "a saved state of another format");
    PL_TRY(get_u64(in, &ledger->size));
    PL_TRY(get_i64(in, &ledger->last_time_us));
    PL_TRY(in->read(in->arg, (uint8_t *)ledger->origin, sizeof(ledger->origin)));
    PL_TRY(in->read(in->arg, ledger->id, sizeof(ledger->id)));
    PL_TRY(in->read(in->arg, ledger->roster_sha256, 32));
    PL_TRY(in->read(in->arg, ledger->policy_sha256, 32));
    if (ledger->origin[sizeof(ledger->origin) - 1] != '\0')
        return bad();
    PL_TRY(load_text(in, ledger));
    PL_TRY(load_catalogues(in, ledger));
    PL_TRY(load_contributors(in, ledger));
    PL_TRY(load_contacts(in, ledger));
    PL_TRY(load_pledges(in, ledger));
    PL_TRY(load_bank_entries(in, ledger));
    PL_TRY(load_allocations(in, ledger));
    PL_TRY(load_periods(in, ledger));
    PL_TRY(load_rates(in, ledger));
    PL_TRY(load_valued(in, &ledger->pledge_rates, ledger->pledge_count));
    PL_TRY(load_valued(in, &ledger->entry_rates, ledger->bank_entry_count));
    PL_TRY(load_valued(in, &ledger->pledge_since, ledger->pledge_count));
    PL_TRY(load_benefits(in, ledger));
    PL_TRY(load_documents(in, ledger));
    PL_TRY(load_policy(in, ledger));
    PL_TRY(load_proposals(in, ledger));
    PL_TRY(load_waivers(in, ledger));
    PL_TRY(load_schedules(in, ledger));
    PL_TRY(load_refunds(in, ledger));
    PL_TRY(load_deeds(in, ledger));
    PL_TRY(load_accounts(in, ledger));
    PL_TRY(load_statements(in, ledger));
    PL_TRY(load_movements(in, ledger));
    PL_TRY(load_maps(in, ledger));
    if (!all_fine(in, ledger))
        return bad();
    charge_link(ledger);
    return pl_ok();
}

struct pl_status ledger_load(ledger_read_fn read, void *arg, struct ledger **ret)
{
    return ledger_load_helped(read, NULL, arg, ret);
}

struct pl_status ledger_load_helped(ledger_read_fn read, const struct ledger_help *help, void *arg,
                                    struct ledger **ret)
{
    struct in in = {.read = read,
                    .help = help,
                    .arg = arg,
                    .rows = calloc(1, ROWS_BYTES),
                    .code = "---",
                    .code_index = -1};
    struct ledger *ledger = ledger_new();
    PL_ASSERT(in.rows != NULL);
    struct pl_status status = load(&in, ledger);
    free(in.rows);
    if (!pl_is_ok(status)) {
        ledger_free(ledger);
        return status;
    }
    *ret = ledger;
    return pl_ok();
}
