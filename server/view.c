/* SPDX-License-Identifier: Apache-2.0
 *
 * view: the committed picture that workers answer from: tiers, benefits, totals, catalogue, status.
 *
 * Thread: made on the writer's, read on any, freed on whichever lets go last.
 * Happy path: copy the counts of every tier, refresh the list of hold deadlines of the capped ones,
 * share catalogues and those totals that did not change with the view before; a worker then answers
 * without a lock. Answers borrow from the view and must be packed while it is held.
 * Failure modes: no memory while a view is made is fatal (there is no half-made picture); a spent
 * arena of a call is TOO_BIG; everything else is a refusal that names the field.
 *
 * Invariants:
 *  V1 every kept deadline is that of a running hold of its tier, so that remaining is never more
 *     than what is free at that moment.
 *  V2 a tier with at most KEPT_MAX holds has all its deadlines kept; of more, some of the earliest.
 *
 * Previous hop: server/writer. Next hop: server/worker.
 */
#include "server/view.h"

#include <stddef.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/money.h"
#include "server/ledger/query.h"
#include "server/ledger/state.h"

/* Deadlines kept a tier, and how few may be left of a longer list before it is collected anew. */
enum { KEPT_MAX = 64, KEPT_LEAST = 16 };

struct kept_hold {
    int64_t expires_us;
    uint32_t pledge;
};

struct view_tier {
    char code[40];
    int64_t capacity; /* -1: unlimited */
    int32_t def;
    uint32_t catalogue;
    uint32_t held, pledged, committed, closed, waiting;
    uint32_t kept_first, kept_count; /* in view.kept, ascending by deadline */
};

/* What became of one benefit of all pledges of a tier. */
struct view_fulfilment {
    uint16_t tier;
    char code[33];
    int64_t claimed, declined, delivered;
};

/* The lines of one dimension of totals, shared by all views between two changes of it. */
struct view_totals {
    _Atomic uint32_t refs;
    uint64_t version;
    size_t count;
    struct state_tally line[];
};

struct view {
    _Atomic uint32_t refs;
    struct view_log log;
    uint64_t size;
    int64_t last_time_us;
    bool has_origin;
    char origin[128];
    uint8_t id[16];
    bool writable, expiry_stopped;
    uint32_t four_eyes; /* bits by CommandClass */
    int64_t proposal_ttl_s;
    char time_zone[PL_ZONE_BYTES];
    size_t open_proposals;
    char why_not_writable[160];
    struct catalogue **catalogue; /* owns one reference each */
    size_t catalogue_count;
    uint32_t catalogue_in_force; /* STATE_NONE: none */
    struct view_tier *tier;
    size_t tier_count;
    struct kept_hold *kept; /* owns */
    size_t kept_count;
    struct view_fulfilment *fulfilled; /* owns */
    size_t fulfilled_count;
    size_t pledge_count; /* pledges that existed: newer ones are looked at by the next view */
    struct view_totals *totals[STATE_DIMENSIONS]; /* owns one reference each */
};

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);
    PL_ASSERT(memory != NULL); /* the writer has no half-made picture to fall back to */
    return memory;
}

/* Generated structs hold pointers to non-const, but nobody writes through them. */
static void *lend(const void *data)
{
    return (void *)(uintptr_t)data;
}

static void copy_text(char *out, size_t out_size, const char *text)
{
    size_t len = strnlen(text, out_size - 1);
    memcpy(out, text, len);
    out[len] = '\0';
}

/* --- deadlines --- */

/* The deadlines being collected: KEPT_MAX places a tier, ascending by deadline. */
struct keeper {
    struct kept_hold *place;
    uint32_t *count;
};

static bool is_hold_of(const struct ledger *ledger, uint32_t pledge, size_t tier)
{
    return ledger->pledge[pledge].stage == PLEDGED__V1__STAGE__STAGE_HELD &&
           ledger->pledge[pledge].tier == tier;
}

static void keep(struct keeper *keeper, size_t tier, uint32_t pledge, int64_t expires_us)
{
    struct kept_hold *place = keeper->place + tier * KEPT_MAX;
    uint32_t count = keeper->count[tier];
    if (count == KEPT_MAX && place[KEPT_MAX - 1].expires_us <= expires_us)
        return;
    uint32_t at = count < KEPT_MAX ? count : KEPT_MAX - 1;
    for (; at > 0 && place[at - 1].expires_us > expires_us; at--)
        place[at] = place[at - 1];
    place[at] = (struct kept_hold){expires_us, pledge};
    if (count < KEPT_MAX)
        keeper->count[tier] = count + 1;
}

/* The moment up to which the view before kept every deadline of a tier. */
static int64_t kept_until(const struct view *previous, size_t tier)
{
    if (tier >= previous->tier_count)
        return INT64_MAX;
    const struct view_tier *before = &previous->tier[tier];
    if (before->kept_count == before->held)
        return INT64_MAX;
    return before->kept_count == 0
               ? INT64_MIN
               : previous->kept[before->kept_first + before->kept_count - 1].expires_us;
}

/* What the view before knew and is still true (an extended hold has a new deadline), and the holds
 * of new pledges. A list that was cut takes nothing later than its end: what was left out then may
 * be earlier. */
static void keep_known(struct keeper *keeper, const struct ledger *ledger,
                       const struct view *previous)
{
    PL_ASSERT(previous->pledge_count <= ledger->pledge_count);
    for (size_t t = 0; t < previous->tier_count && t < ledger->tier_count; t++) {
        const struct view_tier *tier = &previous->tier[t];
        for (uint32_t i = 0; ledger->tier[t].capacity >= 0 && i < tier->kept_count; i++) {
            uint32_t pledge = previous->kept[tier->kept_first + i].pledge;
            int64_t expires_us = ledger->pledge[pledge].expires_us;
            if (is_hold_of(ledger, pledge, t) && expires_us <= kept_until(previous, t))
                keep(keeper, t, pledge, expires_us);
        }
    }
    for (size_t p = previous->pledge_count; p < ledger->pledge_count; p++) {
        const struct state_pledge *pledge = &ledger->pledge[p];
        if (pledge->stage == PLEDGED__V1__STAGE__STAGE_HELD &&
            ledger->tier[pledge->tier].capacity >= 0 &&
            pledge->expires_us <= kept_until(previous, pledge->tier))
            keep(keeper, pledge->tier, (uint32_t)p, pledge->expires_us);
    }
}

/* V2 does not hold: a promotion or a change of tier made an old pledge a hold, or the list of a big
 * tier ran short. */
static bool is_short(const struct state_tier *tier, uint32_t kept)
{
    if (tier->capacity < 0)
        return false;
    return tier->held <= KEPT_MAX ? kept < tier->held : kept < KEPT_LEAST;
}

/* The slow way, rarely taken: all running holds, for the tiers that came out short. */
static void keep_missing(struct keeper *keeper, const struct ledger *ledger)
{
    bool any = false;
    bool *missing = allocate(ledger->tier_count, sizeof(*missing));
    for (size_t t = 0; t < ledger->tier_count; t++) {
        missing[t] = is_short(&ledger->tier[t], keeper->count[t]);
        if (missing[t])
            keeper->count[t] = 0;
        any = any || missing[t];
    }
    for (size_t i = 0; any && i < ledger->due_count; i++) {
        const struct state_pledge *pledge = &ledger->pledge[ledger->due[i]];
        if (missing[pledge->tier])
            keep(keeper, pledge->tier, ledger->due[i], pledge->expires_us);
    }
    free(missing);
}

static void collect_kept(struct view *view, const struct ledger *ledger,
                         const struct view *previous)
{
    struct keeper keeper = {
        .place = allocate(ledger->tier_count * KEPT_MAX, sizeof(*keeper.place)),
        .count = allocate(ledger->tier_count, sizeof(*keeper.count)),
    };
    if (previous != NULL)
        keep_known(&keeper, ledger, previous);
    keep_missing(&keeper, ledger);
    for (size_t t = 0; t < ledger->tier_count; t++)
        view->kept_count += keeper.count[t];
    view->kept = allocate(view->kept_count, sizeof(*view->kept));
    size_t next = 0;
    for (size_t t = 0; t < ledger->tier_count; t++) {
        view->tier[t].kept_first = (uint32_t)next;
        view->tier[t].kept_count = keeper.count[t];
        memcpy(view->kept + next, keeper.place + t * KEPT_MAX,
               keeper.count[t] * sizeof(*view->kept));
        next += keeper.count[t];
    }
    free(keeper.place);
    free(keeper.count);
}

/* --- life --- */

static struct view_totals *share_totals(const struct state_tallies *tallies,
                                        struct view_totals *before)
{
    if (before != NULL && before->version == tallies->version && before->count == tallies->count) {
        atomic_fetch_add_explicit(&before->refs, 1, memory_order_relaxed);
        return before;
    }
    struct view_totals *totals =
        allocate(1, sizeof(*totals) + tallies->count * sizeof(totals->line[0]));
    atomic_init(&totals->refs, 1);
    totals->version = tallies->version;
    totals->count = tallies->count;
    if (tallies->count > 0)
        memcpy(totals->line, tallies->line, tallies->count * sizeof(totals->line[0]));
    return totals;
}

static void totals_unref(struct view_totals *totals)
{
    if (atomic_fetch_sub_explicit(&totals->refs, 1, memory_order_acq_rel) == 1)
        free(totals);
}

static void copy_tiers(struct view *view, const struct ledger *ledger)
{
    view->tier_count = ledger->tier_count;
    view->tier = allocate(view->tier_count, sizeof(*view->tier));
    for (size_t t = 0; t < view->tier_count; t++) {
        const struct state_tier *from = &ledger->tier[t];
        struct view_tier *to = &view->tier[t];
        copy_text(to->code, sizeof(to->code), from->code);
        to->capacity = from->capacity;
        to->def = from->def;
        to->catalogue = from->catalogue;
        to->held = from->held;
        to->pledged = from->pledged;
        to->committed = from->committed;
        to->closed = from->closed;
        to->waiting = from->waiting;
        PL_ASSERT(to->capacity < 0 || state_tier_taken(from) <= to->capacity); /* G2 */
    }
    view->catalogue_in_force = ledger->catalogue_in_force;
    view->catalogue_count = ledger->catalogue_count;
    view->catalogue = allocate(view->catalogue_count, sizeof(struct catalogue *));
    for (size_t i = 0; i < view->catalogue_count; i++)
        view->catalogue[i] = catalogue_ref(ledger->catalogue[i].current);
    PL_ASSERT(view->catalogue_in_force == STATE_NONE ||
              view->catalogue_in_force < view->catalogue_count);
}

static void copy_fulfilled(struct view *view, const struct ledger *ledger)
{
    view->fulfilled_count = ledger->benefit_sum_count;
    view->fulfilled = allocate(view->fulfilled_count, sizeof(*view->fulfilled));
    for (size_t i = 0; i < view->fulfilled_count; i++) {
        const struct state_fulfilment *sum = &ledger->benefit_sum[i];
        struct view_fulfilment *to = &view->fulfilled[i];
        to->tier = sum->tier;
        to->claimed = sum->claimed;
        to->declined = sum->declined;
        to->delivered = sum->delivered;
        copy_text(to->code, sizeof(to->code), ledger->text + sum->code);
    }
}

struct view *view_new(const struct ledger *ledger, const struct view_log *log, bool writable,
                      const char *why_not_writable, bool expiry_stopped,
                      const struct view *previous)
{
    struct view *view = allocate(1, sizeof(*view));
    atomic_init(&view->refs, 1);
    view->log = *log;
    view->size = ledger->size;
    view->last_time_us = ledger->last_time_us;
    view->has_origin = ledger->origin[0] != '\0';
    copy_text(view->origin, sizeof(view->origin), ledger->origin);
    memcpy(view->id, ledger->id, sizeof(view->id));
    view->writable = writable;
    view->expiry_stopped = expiry_stopped;
    view->four_eyes = ledger->policy.four_eyes;
    view->proposal_ttl_s = ledger->policy.proposal_ttl_s;
    if (ledger->policy.message != NULL)
        copy_text(view->time_zone, sizeof(view->time_zone), ledger->policy.message->time_zone);
    view->open_proposals = ledger->proposal_open;
    if (!writable && why_not_writable != NULL)
        copy_text(view->why_not_writable, sizeof(view->why_not_writable), why_not_writable);
    view->pledge_count = ledger->pledge_count;
    copy_fulfilled(view, ledger);
    copy_tiers(view, ledger);
    collect_kept(view, ledger, previous);
    for (int d = 0; d < STATE_DIMENSIONS; d++)
        view->totals[d] =
            share_totals(&ledger->tally[d], previous != NULL ? previous->totals[d] : NULL);
    return view;
}

static void *copy_array(const void *from, size_t count, size_t size)
{
    void *copy = allocate(count, size);
    if (count > 0)
        memcpy(copy, from, count * size);
    return copy;
}

struct view *view_closed(const struct view *from, const char *why_not_writable)
{
    /* all but who holds it, which others change at this moment */
    const size_t behind = offsetof(struct view, log);
    struct view *view = allocate(1, sizeof(*view));
    memcpy((uint8_t *)view + behind, (const uint8_t *)from + behind, sizeof(*view) - behind);
    atomic_init(&view->refs, 1);
    view->writable = false;
    copy_text(view->why_not_writable, sizeof(view->why_not_writable), why_not_writable);
    view->catalogue = copy_array(from->catalogue, from->catalogue_count, sizeof(*from->catalogue));
    for (size_t i = 0; i < view->catalogue_count; i++)
        view->catalogue[i] = catalogue_ref(from->catalogue[i]);
    view->tier = copy_array(from->tier, from->tier_count, sizeof(*from->tier));
    view->kept = copy_array(from->kept, from->kept_count, sizeof(*from->kept));
    view->fulfilled = copy_array(from->fulfilled, from->fulfilled_count, sizeof(*from->fulfilled));
    for (int d = 0; d < STATE_DIMENSIONS; d++)
        atomic_fetch_add_explicit(&view->totals[d]->refs, 1, memory_order_relaxed);
    return view;
}

struct view *view_ref(struct view *view)
{
    uint32_t before = atomic_fetch_add_explicit(&view->refs, 1, memory_order_relaxed);
    PL_ASSERT(before > 0);
    return view;
}

void view_unref(struct view *view)
{
    if (view == NULL)
        return;
    uint32_t before = atomic_fetch_sub_explicit(&view->refs, 1, memory_order_acq_rel);
    PL_ASSERT(before > 0);
    if (before > 1)
        return;
    for (size_t i = 0; i < view->catalogue_count; i++)
        catalogue_unref(view->catalogue[i]);
    for (int d = 0; d < STATE_DIMENSIONS; d++)
        totals_unref(view->totals[d]);
    free(view->catalogue);
    free(view->tier);
    free(view->kept);
    free(view->fulfilled);
    free(view);
}

bool view_believes_clock(const struct view *view)
{
    return !view->expiry_stopped;
}

bool view_is_writable(const struct view *view)
{
    return view->writable;
}

const char *view_time_zone(const struct view *view)
{
    return view->time_zone;
}

const char *view_offers_zone(const struct view *view)
{
    if (view->catalogue_in_force == STATE_NONE)
        return "";
    const Pledged__V1__Fund *fund = view->catalogue[view->catalogue_in_force]->msg->fund;
    return fund != NULL ? fund->time_zone : "";
}

void view_set_batch_hash(struct view *view, const uint8_t hash[32])
{
    memcpy(view->log.last_batch_hash, hash, sizeof(view->log.last_batch_hash));
}

const struct view_log *view_get_log(const struct view *view)
{
    return &view->log;
}

/* --- answers --- */

static enum pl_code refuse_spent(struct pl_arena *arena, Pledged__V1__Refusal **ret_refusal)
{
    (void)query_refuse(arena, PLEDGED__V1__REASON__REASON_TOO_BIG, "", NULL,
                       "the answer does not fit the memory of one call", ret_refusal);
    return PL_E_TOO_BIG;
}

/* Index of a catalogue by its code; "" is the one in force. */
static enum pl_code find_catalogue(const struct view *view, const char *code,
                                   struct pl_arena *arena, uint32_t *ret,
                                   Pledged__V1__Refusal **ret_refusal)
{
    *ret = view->catalogue_in_force;
    if (code[0] == '\0' && *ret != STATE_NONE)
        return PL_E_OK;
    for (uint32_t i = 0; code[0] != '\0' && i < view->catalogue_count; i++) {
        if (strcmp(view->catalogue[i]->msg->code, code) == 0) {
            *ret = i;
            return PL_E_OK;
        }
    }
    if (code[0] == '\0')
        return query_refuse(arena, PLEDGED__V1__REASON__REASON_CATALOGUE_UNKNOWN, "catalogue", NULL,
                            "no catalogue is adopted yet", ret_refusal);
    return query_refuse(arena, PLEDGED__V1__REASON__REASON_CATALOGUE_UNKNOWN, "catalogue", code,
                        "no such catalogue was adopted", ret_refusal);
}

/* The tier that is defined at this place of a catalogue. */
static const struct view_tier *tier_of_def(const struct view *view, uint32_t catalogue, size_t def)
{
    for (size_t t = 0; t < view->tier_count; t++)
        if (view->tier[t].catalogue == catalogue && view->tier[t].def == (int32_t)def)
            return &view->tier[t];
    PL_UNREACHABLE(); /* adopting a catalogue makes all its tiers */
}

static enum pl_code find_tier(const struct view *view, uint32_t catalogue, const char *text,
                              struct pl_arena *arena, const struct view_tier **ret,
                              Pledged__V1__Refusal **ret_refusal)
{
    if (text[0] == '\0')
        return query_refuse(arena, PLEDGED__V1__REASON__REASON_FIELD_REQUIRED, "tier", NULL,
                            "the tier is missing", ret_refusal);
    int def = catalogue_find_tier(view->catalogue[catalogue], text);
    if (def < 0)
        return query_refuse(arena, PLEDGED__V1__REASON__REASON_TIER_UNKNOWN, "tier", text,
                            "the catalogue has no such tier", ret_refusal);
    *ret = tier_of_def(view, catalogue, (size_t)def);
    return PL_E_OK;
}

/* Holds that are over at now_us although no entry says so yet. */
static uint32_t count_expired(const struct view *view, const struct view_tier *tier, int64_t now_us)
{
    uint32_t expired = 0;
    if (view->expiry_stopped)
        return 0;
    while (expired < tier->kept_count &&
           view->kept[tier->kept_first + expired].expires_us <= now_us)
        expired++;
    return expired;
}

static Pledged__V1__Count *make_count(struct pl_arena *arena, bool unlimited, int64_t value)
{
    Pledged__V1__Count *count = query_message(arena, &pledged__v1__count__descriptor);
    if (count == NULL)
        return NULL;
    count->value_case =
        unlimited ? PLEDGED__V1__COUNT__VALUE_UNLIMITED : PLEDGED__V1__COUNT__VALUE_COUNT;
    if (unlimited)
        count->unlimited = true;
    else
        count->count = value;
    return count;
}

static void set_price(Pledged__V1__TierStatus *status, const Pledged__V1__Tier *def)
{
    switch (def->price_case) {
    case PLEDGED__V1__TIER__PRICE_AMOUNT:
        status->price_case = PLEDGED__V1__TIER_STATUS__PRICE_AMOUNT;
        status->amount = def->amount;
        return;
    case PLEDGED__V1__TIER__PRICE_ON_REQUEST:
        status->price_case = PLEDGED__V1__TIER_STATUS__PRICE_ON_REQUEST;
        status->on_request = true;
        return;
    case PLEDGED__V1__TIER__PRICE__NOT_SET:
    case _PLEDGED__V1__TIER__PRICE__CASE_IS_INT_SIZE:
        return;
    }
}

/* The tier as it is at now_us: a hold whose deadline passed is gone, and its slot went to the first
 * in the queue, who holds it now, or is free. NULL when the arena is spent. */
static Pledged__V1__TierStatus *make_tier_status(const struct view *view,
                                                 const struct view_tier *tier, int64_t now_us,
                                                 struct pl_arena *arena)
{
    const Pledged__V1__Tier *def = view->catalogue[tier->catalogue]->msg->tier[tier->def];
    Pledged__V1__TierStatus *status = query_message(arena, &pledged__v1__tier_status__descriptor);
    uint32_t expired = count_expired(view, tier, now_us);
    uint32_t promoted = expired < tier->waiting ? expired : tier->waiting;
    int64_t held = (int64_t)tier->held - expired + promoted;
    int64_t taken = held + tier->pledged + tier->committed + tier->closed;
    if (status == NULL)
        return NULL;
    status->code = def->code;
    status->group = def->group;
    status->label = def->label;
    status->n_label = def->n_label;
    set_price(status, def);
    status->held = held;
    status->pledged = tier->pledged;
    status->committed = (int64_t)tier->committed + tier->closed;
    status->waiting = (int64_t)tier->waiting - promoted;
    status->capacity = make_count(arena, tier->capacity < 0, tier->capacity);
    status->remaining = make_count(arena, tier->capacity < 0, tier->capacity - taken);
    PL_ASSERT(tier->capacity < 0 || taken <= tier->capacity); /* G2 */
    return status->capacity != NULL && status->remaining != NULL ? status : NULL;
}

enum pl_code view_list_tiers(const struct view *view, int64_t now_us,
                             const Pledged__V1__ListTiersRequest *request, struct pl_arena *arena,
                             ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    uint32_t index;
    enum pl_code code = find_catalogue(view, request->catalogue, arena, &index, ret_refusal);
    if (code != PL_E_OK)
        return code;
    const Pledged__V1__Catalogue *catalogue = view->catalogue[index]->msg;
    Pledged__V1__ListTiersResponse *response =
        query_message(arena, &pledged__v1__list_tiers_response__descriptor);
    void *rows = pl_arena_alloc(arena, (catalogue->n_tier + 1) * sizeof(void *));
    if (response == NULL || rows == NULL)
        return refuse_spent(arena, ret_refusal);
    response->as_of_seq = view->size;
    response->as_of_time_us = now_us;
    response->catalogue = catalogue->code;
    response->catalogue_version = catalogue->version;
    response->tier = rows;
    for (size_t def = 0; def < catalogue->n_tier; def++) {
        Pledged__V1__TierStatus *status =
            make_tier_status(view, tier_of_def(view, index, def), now_us, arena);
        if (status == NULL)
            return refuse_spent(arena, ret_refusal);
        response->tier[response->n_tier++] = status;
    }
    *ret = &response->base;
    return PL_E_OK;
}

enum pl_code view_get_tier(const struct view *view, int64_t now_us,
                           const Pledged__V1__GetTierRequest *request, struct pl_arena *arena,
                           ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    uint32_t index;
    const struct view_tier *tier = NULL;
    enum pl_code code = find_catalogue(view, request->catalogue, arena, &index, ret_refusal);
    if (code == PL_E_OK)
        code = find_tier(view, index, request->tier, arena, &tier, ret_refusal);
    if (code != PL_E_OK)
        return code;
    PL_ASSERT(tier != NULL);
    Pledged__V1__GetTierResponse *response =
        query_message(arena, &pledged__v1__get_tier_response__descriptor);
    if (response == NULL)
        return refuse_spent(arena, ret_refusal);
    response->as_of_seq = view->size;
    response->as_of_time_us = now_us;
    response->catalogue = view->catalogue[index]->msg->code;
    response->catalogue_version = view->catalogue[index]->msg->version;
    response->tier = make_tier_status(view, tier, now_us, arena);
    if (response->tier == NULL)
        return refuse_spent(arena, ret_refusal);
    *ret = &response->base;
    return PL_E_OK;
}

/* --- benefits --- */

/* Every tier's lines, tier after tier. */
static bool list_matrix(const Pledged__V1__Catalogue *catalogue, struct pl_arena *arena,
                        Pledged__V1__ListBenefitsResponse *response)
{
    response->benefit =
        pl_arena_alloc(arena, (catalogue->n_grant + 1) * sizeof(*response->benefit));
    if (response->benefit == NULL)
        return false;
    for (size_t t = 0; t < catalogue->n_tier; t++) {
        Pledged__V1__BenefitLine **line;
        size_t count;
        if (!query_tier_benefits(catalogue, catalogue->tier[t]->code, arena, &line, &count))
            return false;
        PL_ASSERT(response->n_benefit + count <= catalogue->n_grant);
        memcpy(response->benefit + response->n_benefit, line, count * sizeof(*line));
        response->n_benefit += count;
    }
    return true;
}

/* Stands add up by size only: an XL one is not three of size S. */
static const char *stand_size(const Pledged__V1__BenefitLine *line)
{
    for (size_t i = 0; line->unit == PLEDGED__V1__UNIT__UNIT_STAND && i < line->n_attribute; i++)
        if (strcmp(line->attribute[i]->name, "size") == 0)
            return line->attribute[i]->value;
    return "";
}

static bool same_total(const Pledged__V1__BenefitLine *a, const Pledged__V1__BenefitLine *b)
{
    return strcmp(a->code, b->code) == 0 && a->unit == b->unit &&
           strcmp(stand_size(a), stand_size(b)) == 0;
}

/* Keeps of `total` the attributes that `line` has as well. The array is the arena's. */
static void keep_common_attributes(Pledged__V1__BenefitLine *total,
                                   const Pledged__V1__BenefitLine *line)
{
    size_t kept = 0;
    for (size_t i = 0; i < total->n_attribute; i++)
        for (size_t j = 0; j < line->n_attribute; j++)
            if (strcmp(total->attribute[i]->name, line->attribute[j]->name) == 0 &&
                strcmp(total->attribute[i]->value, line->attribute[j]->value) == 0) {
                total->attribute[kept++] = total->attribute[i];
                break;
            }
    total->n_attribute = kept;
}

/* Turns the line of one grant into the beginning of a sum; its attributes become its own. */
static bool begin_total(struct pl_arena *arena, Pledged__V1__BenefitLine *line)
{
    if (line->n_attribute > 0) {
        line->attribute =
            pl_arena_memdup(arena, line->attribute, line->n_attribute * sizeof(*line->attribute));
        if (line->attribute == NULL)
            return false;
    }
    line->tier = lend("");
    line->note = NULL;
    line->n_note = 0;
    line->quantity = 0;
    return true;
}

enum sum_outcome { SUM_OK, SUM_SPENT, SUM_OVERFLOW };

/* Sums being made: benefit by benefit in the catalogue's order, found by walking. */
struct sums {
    struct pl_arena *arena;
    Pledged__V1__BenefitLine **line;
    size_t count;
};

static enum sum_outcome sum_line(struct sums *sums, Pledged__V1__BenefitLine *line, int64_t times)
{
    int64_t quantity;
    if (__builtin_mul_overflow(line->quantity, times, &quantity))
        return SUM_OVERFLOW;
    size_t i = 0;
    while (i < sums->count && !same_total(sums->line[i], line))
        i++;
    if (i == sums->count) {
        if (!begin_total(sums->arena, line))
            return SUM_SPENT;
        sums->line[sums->count++] = line;
    } else {
        keep_common_attributes(sums->line[i], line);
    }
    return pl_add64(sums->line[i]->quantity, quantity, &sums->line[i]->quantity) ? SUM_OK
                                                                                 : SUM_OVERFLOW;
}

/* The sum that the line of a tier went into: what became of it goes there too. */
static void add_fulfilled(const struct view *view, const struct view_tier *tier,
                          const Pledged__V1__BenefitLine *line, struct sums *sums)
{
    size_t at = 0;
    while (at < sums->count && !same_total(sums->line[at], line))
        at++;
    for (size_t i = 0; i < view->fulfilled_count && at < sums->count; i++) {
        const struct view_fulfilment *one = &view->fulfilled[i];
        if (&view->tier[one->tier] != tier || strcmp(one->code, line->code) != 0)
            continue;
        sums->line[at]->claimed += one->claimed;
        sums->line[at]->declined += one->declined;
        sums->line[at]->delivered += one->delivered;
    }
}

/* Puts the sums into the order of the catalogue's benefits; there are few, so insertion will do. */
static size_t benefit_place(const Pledged__V1__Catalogue *catalogue, const char *code)
{
    size_t place = 0;
    while (place < catalogue->n_benefit && strcmp(catalogue->benefit[place]->code, code) != 0)
        place++;
    return place;
}

static void sort_sums(const Pledged__V1__Catalogue *catalogue, struct sums *sums)
{
    for (size_t i = 1; i < sums->count; i++) {
        Pledged__V1__BenefitLine *line = sums->line[i];
        size_t place = benefit_place(catalogue, line->code);
        size_t at = i;
        for (; at > 0 && benefit_place(catalogue, sums->line[at - 1]->code) > place; at--)
            sums->line[at] = sums->line[at - 1];
        sums->line[at] = line;
    }
}

/* What all promised and committed slots add up to. A commitment counts with what the catalogue in
 * force grants to its tier now. */
static enum sum_outcome list_totals(const struct view *view, uint32_t index, struct pl_arena *arena,
                                    Pledged__V1__ListBenefitsResponse *response)
{
    const Pledged__V1__Catalogue *catalogue = view->catalogue[index]->msg;
    struct sums sums = {.arena = arena};
    sums.line = pl_arena_alloc(arena, (catalogue->n_grant + 1) * sizeof(*sums.line));
    if (sums.line == NULL)
        return SUM_SPENT;
    for (size_t def = 0; def < catalogue->n_tier; def++) {
        const struct view_tier *tier = tier_of_def(view, index, def);
        Pledged__V1__BenefitLine **line;
        size_t count;
        if (!query_tier_benefits(catalogue, tier->code, arena, &line, &count))
            return SUM_SPENT;
        for (size_t i = 0; i < count; i++) {
            enum sum_outcome outcome =
                sum_line(&sums, line[i], (int64_t)tier->pledged + tier->committed + tier->closed);
            if (outcome != SUM_OK)
                return outcome;
            add_fulfilled(view, tier, line[i], &sums);
        }
    }
    sort_sums(catalogue, &sums);
    response->benefit = sums.line;
    response->n_benefit = sums.count;
    return SUM_OK;
}

enum pl_code view_list_benefits(const struct view *view,
                                const Pledged__V1__ListBenefitsRequest *request,
                                struct pl_arena *arena, ProtobufCMessage **ret,
                                Pledged__V1__Refusal **ret_refusal)
{
    PL_ASSERT(request->of_case != PLEDGED__V1__LIST_BENEFITS_REQUEST__OF_PLEDGE);
    uint32_t index;
    enum pl_code code = find_catalogue(view, "", arena, &index, ret_refusal);
    if (code != PL_E_OK)
        return code;
    const Pledged__V1__Catalogue *catalogue = view->catalogue[index]->msg;
    Pledged__V1__ListBenefitsResponse *response =
        query_message(arena, &pledged__v1__list_benefits_response__descriptor);
    if (response == NULL)
        return refuse_spent(arena, ret_refusal);
    response->as_of_seq = view->size;
    response->catalogue = catalogue->code;
    response->catalogue_version = catalogue->version;
    enum sum_outcome outcome = SUM_OK;
    if (request->of_case == PLEDGED__V1__LIST_BENEFITS_REQUEST__OF_TIER) {
        const struct view_tier *tier = NULL;
        code = find_tier(view, index, request->tier, arena, &tier, ret_refusal);
        if (code != PL_E_OK)
            return code;
        PL_ASSERT(tier != NULL);
        if (!query_tier_benefits(catalogue, tier->code, arena, &response->benefit,
                                 &response->n_benefit))
            outcome = SUM_SPENT;
    } else if (request->of_case == PLEDGED__V1__LIST_BENEFITS_REQUEST__OF_TOTALS &&
               request->totals) {
        outcome = list_totals(view, index, arena, response);
    } else if (!list_matrix(catalogue, arena, response)) {
        outcome = SUM_SPENT;
    }
    if (outcome == SUM_OVERFLOW)
        return query_refuse(arena, PLEDGED__V1__REASON__REASON_SUM_OVERFLOW, "totals", NULL,
                            "a sum of benefits leaves 64 bits", ret_refusal);
    if (outcome == SUM_SPENT)
        return refuse_spent(arena, ret_refusal);
    *ret = &response->base;
    return PL_E_OK;
}

/* --- totals, catalogue, status --- */

static bool find_dimension(Pledged__V1__TotalsBy by, enum state_dimension *ret)
{
    switch (by) {
    case PLEDGED__V1__TOTALS_BY__TOTALS_BY_TIER:
        *ret = STATE_BY_TIER;
        return true;
    case PLEDGED__V1__TOTALS_BY__TOTALS_BY_CATEGORY:
        *ret = STATE_BY_CATEGORY;
        return true;
    case PLEDGED__V1__TOTALS_BY__TOTALS_BY_MONTH:
        *ret = STATE_BY_MONTH;
        return true;
    case PLEDGED__V1__TOTALS_BY__TOTALS_BY_UNSPECIFIED:
    case PLEDGED__V1__TOTALS_BY__TOTALS_BY_CURRENCY:
        *ret = STATE_BY_CURRENCY;
        return true;
    case _PLEDGED__V1__TOTALS_BY_IS_INT_SIZE:
        return false;
    }
    return false;
}

static void fill_totals_line(const struct state_tally *tally, Pledged__V1__TotalsLine *line)
{
    line->key = lend(tally->key);
    line->currency = lend(pl_currency_code(tally->currency));
    line->pledges = tally->pledges;
    line->pledged_minor = tally->pledged;
    line->committed_minor = tally->committed;
    line->received_minor = tally->received;
    line->outstanding_minor =
        tally->pledged - tally->written_off - tally->difference - tally->allocated;
    line->refunded_minor = tally->refunded;
    line->unallocated_minor = tally->unallocated;
    line->written_off_minor = tally->written_off;
    line->difference_minor = tally->difference;
    bool pledged = state_value(tally->value_pledged, &line->pledged_chf_minor);
    bool received = state_value(tally->value_received, &line->received_chf_minor);
    line->pledged_unvalued_minor = tally->pledged - (pledged ? tally->valued_pledged : 0);
    line->received_unvalued_minor = tally->received - (received ? tally->valued_received : 0);
}

enum pl_code view_get_totals(const struct view *view, int64_t now_us,
                             const Pledged__V1__GetTotalsRequest *request, struct pl_arena *arena,
                             ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    enum state_dimension dimension;
    if (!find_dimension(request->by, &dimension))
        return query_refuse(arena, PLEDGED__V1__REASON__REASON_FIELD_INVALID, "by", NULL,
                            "totals are not kept by that", ret_refusal);
    const struct view_totals *totals = view->totals[dimension];
    Pledged__V1__GetTotalsResponse *response =
        query_message(arena, &pledged__v1__get_totals_response__descriptor);
    void *rows = pl_arena_alloc(arena, (totals->count + 1) * sizeof(void *));
    if (response == NULL || rows == NULL)
        return refuse_spent(arena, ret_refusal);
    response->as_of_seq = view->size;
    response->as_of_time_us = now_us;
    response->by = request->by;
    response->line = rows;
    for (size_t i = 0; i < totals->count; i++) {
        Pledged__V1__TotalsLine *line = query_message(arena, &pledged__v1__totals_line__descriptor);
        if (line == NULL)
            return refuse_spent(arena, ret_refusal);
        fill_totals_line(&totals->line[i], line);
        response->line[response->n_line++] = line;
    }
    *ret = &response->base;
    return PL_E_OK;
}

enum pl_code view_get_catalogue(const struct view *view,
                                const Pledged__V1__GetCatalogueRequest *request,
                                struct pl_arena *arena, ProtobufCMessage **ret,
                                Pledged__V1__Refusal **ret_refusal)
{
    uint32_t index;
    enum pl_code code = find_catalogue(view, request->catalogue, arena, &index, ret_refusal);
    if (code != PL_E_OK)
        return code;
    const struct catalogue *catalogue = view->catalogue[index];
    Pledged__V1__GetCatalogueResponse *response =
        query_message(arena, &pledged__v1__get_catalogue_response__descriptor);
    if (response == NULL)
        return refuse_spent(arena, ret_refusal);
    response->as_of_seq = view->size;
    response->catalogue = lend(catalogue->msg);
    response->sha256 = (ProtobufCBinaryData){sizeof(catalogue->sha256), lend(catalogue->sha256)};
    response->adopted_seq = catalogue->adopted_seq;
    *ret = &response->base;
    return PL_E_OK;
}

static bool add_four_eyes(const struct view *view, struct pl_arena *arena,
                          Pledged__V1__GetStatusResponse *response)
{
    response->four_eyes = pl_arena_alloc(arena, 32 * sizeof(*response->four_eyes));
    for (int class = 1; response->four_eyes != NULL && class < 32; class ++) {
        if ((view->four_eyes >> class & 1) != 0)
            response->four_eyes[response->n_four_eyes++] = (Pledged__V1__CommandClass) class;
    }
    return response->four_eyes != NULL;
}

enum pl_code view_get_status(const struct view *view, struct pl_arena *arena,
                             Pledged__V1__GetStatusResponse **ret)
{
    Pledged__V1__GetStatusResponse *response =
        query_message(arena, &pledged__v1__get_status_response__descriptor);
    if (response == NULL)
        return PL_E_TOO_BIG;
    response->origin = lend(view->origin);
    if (view->has_origin)
        response->ledger_id = (ProtobufCBinaryData){sizeof(view->id), lend(view->id)};
    response->size = view->log.size;
    response->batches = view->log.batches;
    response->last_time_us = view->last_time_us;
    response->epoch = view->log.epoch;
    response->writable = view->writable;
    response->why_not_writable = lend(view->why_not_writable);
    response->expiry_stopped = view->expiry_stopped;
    response->proposal_ttl_s = view->proposal_ttl_s;
    response->open_proposals = view->open_proposals;
    response->zone_case = PLEDGED__V1__GET_STATUS_RESPONSE__ZONE_TIME_ZONE;
    response->time_zone = lend(view->time_zone);
    if (!add_four_eyes(view, arena, response))
        return PL_E_TOO_BIG;
    if (view->catalogue_in_force != STATE_NONE) {
        const struct catalogue *catalogue = view->catalogue[view->catalogue_in_force];
        response->catalogue = catalogue->msg->code;
        response->catalogue_version = catalogue->msg->version;
    }
    *ret = response;
    return PL_E_OK;
}
