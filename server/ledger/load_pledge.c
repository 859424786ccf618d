/* SPDX-License-Identifier: Apache-2.0
 *
 * load_pledge: see load_pledge.h.
 */
#include "server/ledger/load_pledge.h"

#include "common/money.h"
#include "server/ledger/allocation.h"
#include "server/ledger/benefit.h"
#include "server/ledger/save_private.h"
#include "server/ledger/schedule.h"
#include "server/ledger/waiver.h"

enum {
    /* as they are saved */
    PLEDGE_ROW_BYTES = 8 * 8 + 6 * 4 + 3 + 7,
    ALLOCATION_ROW_BYTES = 4 * 8 + 4 * 4,
};

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
static inline bool take_pledge(struct intake *in, struct state_pledge *p, uint32_t *ret_tier)
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
    const uint8_t *small = row + INTAKE_CODE_BYTES;
    p->stage = small[0];
    p->kind = small[1];
    p->purpose = small[2];
    p->publish = small[3];
    p->extensions = small[4];
    p->money_plan = small[5];
    p->category = small[6];
    return intake_currency_of(in, row, &p->currency);
}

static inline struct pl_status load_pledge(struct intake *in, const struct ledger *ledger,
                                           struct state_pledge *p)
{
    uint32_t tier;
    PL_TRY(intake_next_row(in));
    if (!take_pledge(in, p, &tier))
        return intake_bad();
    bool counted =
        p->stage == STAGE(PLEDGED) || p->stage == STAGE(COMMITTED) || p->stage == STAGE(CLOSED);
    bool fine =
        p->contributor < ledger->contributor_count && p->stage >= STAGE(WAITING) &&
        p->stage <= STAGE(CANCELLED) && p->last_seq <= ledger->size && p->changed_seq != 0 &&
        p->changed_seq <= p->last_seq && (save_is_chained(p) || p->wait_next == STATE_NONE) &&
        (tier == STATE_TIER_FREE || tier < ledger->tier_count) && p->amount >= 0 &&
        p->allocated >= 0 && p->allocated <= p->amount && p->received >= 0 &&
        (!counted || p->currency >= 0) && (tier != STATE_TIER_FREE || p->stage >= STAGE(PLEDGED));
    return fine ? pl_ok() : intake_bad();
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

struct pl_status load_pledges(struct intake *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(intake_count(in, UINT32_MAX - 1, &count));
    intake_begin_rows(in, PLEDGE_ROW_BYTES, count);
    for (size_t i = 0; i < count; i++) {
        ledger->pledge =
            intake_room(in, ledger->pledge, i, count, &ledger->pledge_cap, sizeof(*ledger->pledge));
        ledger->pledge_count = i + 1;
        PL_TRY(load_pledge(in, ledger, &ledger->pledge[i]));
        if (!count_pledge(ledger, (uint32_t)i))
            return intake_bad();
    }
    for (size_t i = 0; i < ledger->tier_count; i++) {
        const struct state_tier *tier = &ledger->tier[i];
        if (tier->capacity >= 0 && (int64_t)state_tier_taken(tier) > tier->capacity)
            return intake_bad(); /* I1 */
        if (tier->def == -1 && (state_tier_taken(tier) != 0 || tier->waiting != 0))
            return intake_bad(); /* a tier in use does not disappear */
    }
    return pl_ok();
}

struct pl_status load_pledge_allocations(struct intake *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(intake_count(in, STATE_ROWS_MAX, &count));
    intake_begin_rows(in, ALLOCATION_ROW_BYTES, count);
    for (size_t i = 0; i < count; i++) {
        ledger->allocation = intake_room(in, ledger->allocation, i, count, &ledger->allocation_cap,
                                         sizeof(*ledger->allocation));
        struct state_allocation *a = &ledger->allocation[i];
        *a = (struct state_allocation){.amount = 0};
        ledger->allocation_count = i + 1;
        PL_TRY(intake_next_row(in));
        a->amount = intake_row_i64(in);
        a->settled = intake_row_i64(in);
        a->seq = intake_row_u64(in);
        a->reversed_by = intake_row_u64(in);
        a->bank_entry = intake_row_u32(in);
        a->pledge = intake_row_u32(in);
        a->receipt = intake_row_u32(in);
        a->day = (int32_t)intake_row_u32(in);
        if (a->bank_entry >= ledger->bank_entry_count || a->pledge >= ledger->pledge_count ||
            ledger->pledge[a->pledge].stage == PLEDGED__V1__STAGE__STAGE_HELD || a->amount < 0 ||
            a->settled < 0 || a->day <= -40000 || a->day >= 400000 || a->seq == 0 ||
            a->seq > ledger->size || a->reversed_by > ledger->size ||
            (i > 0 && a->seq <= a[-1].seq))
            return intake_bad();
        allocation_link(ledger, (uint32_t)i);
    }
    return pl_ok();
}

static struct pl_status load_document(struct intake *in, const struct ledger *ledger,
                                      struct state_document *d)
{
    PL_TRY(intake_i64(in, &d->amount));
    PL_TRY(intake_i64(in, &d->time_us));
    PL_TRY(intake_u64(in, &d->seq));
    PL_TRY(intake_u32(in, &d->pledge));
    PL_TRY(intake_take(in, d->sha256, sizeof(d->sha256)));
    bool fine = d->amount >= 0 && d->seq != 0 && d->seq <= ledger->size &&
                d->pledge < ledger->pledge_count && ledger->pledge[d->pledge].currency >= 0;
    return fine ? pl_ok() : intake_bad();
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

struct pl_status load_pledge_documents(struct intake *in, struct ledger *ledger)
{
    for (size_t kind = 0; kind < STATE_DOCUMENT_KINDS; kind++) {
        struct state_documents *issued = &ledger->document[kind];
        size_t count;
        PL_TRY(intake_count(in, UINT32_MAX - 1, &count));
        for (size_t i = 0; i < count; i++) {
            issued->row = state_grow(issued->row, i, &issued->cap, sizeof(*issued->row));
            issued->row[i] = (struct state_document){.amount = 0};
            issued->count = i + 1;
            PL_TRY(load_document(in, ledger, &issued->row[i]));
        }
    }
    return receipts_fine(ledger) ? pl_ok() : intake_bad();
}

struct pl_status load_pledge_waivers(struct intake *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(intake_count(in, STATE_ROWS_MAX, &count));
    for (size_t i = 0; i < count; i++) {
        ledger->waiver =
            state_grow(ledger->waiver, i, &ledger->waiver_cap, sizeof(*ledger->waiver));
        struct state_waiver *w = &ledger->waiver[i];
        *w = (struct state_waiver){.amount = 0};
        ledger->waiver_count = i + 1;
        PL_TRY(intake_i64(in, &w->amount));
        PL_TRY(intake_u64(in, &w->seq));
        PL_TRY(intake_u64(in, &w->reversed_by));
        PL_TRY(intake_u32(in, &w->pledge));
        PL_TRY(intake_u32(in, &w->bank_entry));
        PL_TRY(intake_day(in, &w->day));
        PL_TRY(intake_day(in, &w->dated));
        PL_TRY(intake_take(in, &w->kind, 1));
        if (w->amount <= 0 || w->seq == 0 || w->seq > ledger->size ||
            w->reversed_by > ledger->size || (i > 0 && w->seq <= w[-1].seq) ||
            w->pledge >= ledger->pledge_count ||
            (w->kind == 0 ? w->bank_entry != STATE_NONE
                          : w->bank_entry >= ledger->bank_entry_count))
            return intake_bad();
        waiver_link(ledger, (uint32_t)i);
    }
    return pl_ok();
}

/* The parts have to add up to the promise, as they do after every entry. */
static struct pl_status load_parts(struct intake *in, const struct ledger *ledger,
                                   const struct state_schedule *s)
{
    int64_t sum = 0;
    for (size_t j = 0; j < s->count; j++) {
        uint32_t due = 0;
        PL_TRY(intake_i64(in, &s->part[j].amount));
        PL_TRY(intake_u32(in, &due));
        s->part[j].due = (int32_t)due;
        if (s->part[j].amount <= 0 || !pl_add64(sum, s->part[j].amount, &sum) ||
            s->part[j].due < -40000 || s->part[j].due > 400000 ||
            (j > 0 && s->part[j].due <= s->part[j - 1].due))
            return intake_bad();
    }
    return sum == ledger->pledge[s->pledge].amount ? pl_ok() : intake_bad();
}

struct pl_status load_pledge_schedules(struct intake *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(intake_count(in, ledger->pledge_count, &count));
    for (size_t i = 0; i < count; i++) {
        uint64_t seq;
        uint32_t pledge;
        size_t parts;
        PL_TRY(intake_u64(in, &seq));
        PL_TRY(intake_u32(in, &pledge));
        PL_TRY(intake_count(in, SCHEDULE_PARTS_MAX, &parts));
        if (seq == 0 || seq > ledger->size || parts == 0 || pledge >= ledger->pledge_count ||
            schedule_of(ledger, &ledger->pledge[pledge]) != NULL)
            return intake_bad();
        struct state_schedule *made = schedule_add(ledger, pledge, parts);
        made->seq = seq;
        PL_TRY(load_parts(in, ledger, made));
    }
    return pl_ok();
}

static struct pl_status load_fulfilment(struct intake *in, struct ledger *ledger)
{
    uint32_t pledge = 0, code = 0, tier = 0;
    struct state_fulfilment row = {.seq = 0};
    PL_TRY(intake_u32(in, &pledge));
    PL_TRY(intake_u32(in, &code));
    PL_TRY(intake_u32(in, &tier));
    PL_TRY(intake_i64(in, &row.claimed));
    PL_TRY(intake_i64(in, &row.declined));
    PL_TRY(intake_i64(in, &row.delivered));
    PL_TRY(intake_u64(in, &row.seq));
    const int64_t most = 1000000; /* of a grant */
    bool fine = pledge < ledger->pledge_count && code != 0 && code < ledger->text_len &&
                tier < ledger->tier_count && row.seq != 0 && row.seq <= ledger->size &&
                row.claimed >= 0 && row.declined >= 0 && row.delivered >= 0 &&
                row.claimed <= most && row.declined <= most && row.delivered <= most;
    if (!fine || benefit_of(ledger, pledge, ledger->text + code) != NULL)
        return intake_bad();
    struct state_fulfilment *made = benefit_add(ledger, pledge, code);
    made->tier = (uint16_t)tier;
    made->claimed = row.claimed;
    made->declined = row.declined;
    made->delivered = row.delivered;
    made->seq = row.seq;
    benefit_sum(ledger, made, row.claimed, row.declined, row.delivered);
    return pl_ok();
}

struct pl_status load_pledge_benefits(struct intake *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(intake_count(in, ledger->pledge_count, &count));
    for (size_t i = 0; i < count; i++) {
        uint32_t pledge = 0;
        uint64_t seq = 0;
        PL_TRY(intake_u32(in, &pledge));
        PL_TRY(intake_u64(in, &seq));
        if (pledge >= ledger->pledge_count || seq == 0 || seq > ledger->size ||
            ledger->pledge[pledge].tier == STATE_TIER_FREE)
            return intake_bad();
        benefit_freeze(ledger, pledge, seq);
        if (!save_is_frozen(ledger, pledge))
            return intake_bad();
    }
    uint32_t month = 0;
    PL_TRY(intake_u32(in, &month));
    PL_TRY(intake_u64(in, &ledger->exported_seq));
    PL_TRY(intake_u64(in, &ledger->exported_to));
    ledger->exported_month = (int32_t)month;
    if (ledger->exported_seq > ledger->size || ledger->exported_to > ledger->size)
        return intake_bad();
    PL_TRY(intake_count(in, ledger->size, &count));
    for (size_t i = 0; i < count; i++)
        PL_TRY(load_fulfilment(in, ledger));
    return pl_ok();
}
