/* SPDX-License-Identifier: Apache-2.0
 *
 * query_pledge: one pledge with what is about it, and lists of pledges.
 */
#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/reference.h"
#include "server/ledger/query_private.h"
#include "server/ledger/schedule.h"
#include "server/ledger/waiver.h"

enum { STAGE_COUNT = 9 };

/* --- rows --- */

/* How far the queue of one tier was walked for this answer. Pledges are listed in ascending order
 * and mostly queue in it, so the walk goes on where it stopped and a page costs one pass. */
struct queue_cursor {
    uint32_t at;
    uint32_t position; /* of `at`, 1-based; 0: not begun */
};
struct queues {
    struct queue_cursor *cursor; /* one a tier */
    size_t steps_left;
};

static bool queues_open(struct query *q, struct queues *ret)
{
    ret->steps_left = QUERY_QUEUE_STEPS_MAX;
    ret->cursor = pl_arena_alloc(q->arena, (q->ledger->tier_count + 1) * sizeof(*ret->cursor));
    if (ret->cursor == NULL)
        q->spent = true;
    return ret->cursor != NULL;
}

/* 1 is next; 0 when the walk would be too long. */
static uint32_t queue_position(const struct ledger *ledger, struct queues *queues, uint32_t index)
{
    uint16_t tier = ledger->pledge[index].tier;
    PL_ASSERT(tier < ledger->tier_count); /* only tiers have queues */
    struct queue_cursor *cursor = &queues->cursor[tier];
    for (int pass = 0; pass < 2; pass++) {
        if (cursor->position == 0)
            *cursor = (struct queue_cursor){ledger->tier[tier].wait_first, 1};
        while (cursor->at != STATE_NONE && cursor->at != index) {
            if (queues->steps_left == 0)
                return 0;
            queues->steps_left--;
            cursor->at = ledger->pledge[cursor->at].wait_next;
            cursor->position++;
        }
        if (cursor->at == index)
            return cursor->position;
        cursor->position = 0; /* it stands before where the last walk began */
    }
    PL_UNREACHABLE(); /* I4 of state.h */
}

static void row_schedule(struct query *q, const struct state_pledge *pledge,
                         Pledged__V1__PledgeStatus *row)
{
    const struct state_schedule *schedule = schedule_of(q->ledger, pledge);
    if (schedule == NULL)
        return;
    row->instalment = pl_arena_alloc(q->arena, schedule->count * sizeof(void *));
    q->spent = q->spent || row->instalment == NULL;
    for (size_t i = 0; row->instalment != NULL && i < schedule->count; i++) {
        Pledged__V1__InstalmentStatus *part =
            query_row(q, &pledged__v1__instalment_status__descriptor);
        if (part == NULL)
            return;
        char due[11];
        part->due = query_row_text(q, pl_date_format(schedule->part[i].due, due));
        part->amount = query_row_money(q, schedule->part[i].amount, pledge->currency);
        int64_t left = schedule_left(schedule, state_settled(pledge), i);
        part->outstanding =
            query_row_money(q, state_stage_live(pledge->stage) ? left : 0, pledge->currency);
        row->instalment[row->n_instalment++] = part;
    }
}

static void row_amounts(struct query *q, const struct state_pledge *pledge,
                        Pledged__V1__PledgeStatus *row)
{
    if (pledge->currency < 0)
        return;
    int64_t outstanding = 0; /* nothing is expected of a pledge that ended */
    if (state_stage_live(pledge->stage) && pledge->amount > state_settled(pledge))
        outstanding = pledge->amount - state_settled(pledge);
    row->amount = query_row_money(q, pledge->amount, pledge->currency);
    row->valuation =
        query_row_valuation(q, &q->ledger->pledge_rates, (uint32_t)(pledge - q->ledger->pledge),
                            pledge->amount, pledge->currency);
    row->allocated = query_row_money(q, pledge->allocated, pledge->currency);
    row->outstanding = query_row_money(q, outstanding, pledge->currency);
    row->unallocated = query_row_money(q, pledge->received - pledge->allocated, pledge->currency);
    row_schedule(q, pledge, row);
    if (state_forgiven(pledge) == 0)
        return;
    int64_t forgiven[2];
    waiver_sums(q->ledger, pledge, forgiven);
    row->written_off = query_row_money(q, forgiven[0], pledge->currency);
    row->difference = query_row_money(q, forgiven[1], pledge->currency);
}

static void row_offer(struct query *q, const struct state_pledge *pledge,
                      Pledged__V1__PledgeStatus *row)
{
    if (pledge->tier == STATE_TIER_FREE)
        return;
    const struct state_tier *tier = &q->ledger->tier[pledge->tier];
    row->tier = query_row_text(q, tier->code);
    row->catalogue = query_row_text(q, q->ledger->catalogue[tier->catalogue].current->msg->code);
}

static Pledged__V1__PledgeStatus *pledge_row(struct query *q, struct queues *queues, uint32_t index)
{
    const struct state_pledge *pledge = &q->ledger->pledge[index];
    const struct state_contributor *contributor = &q->ledger->contributor[pledge->contributor];
    Pledged__V1__PledgeStatus *row = query_row(q, &pledged__v1__pledge_status__descriptor);
    if (row == NULL)
        return NULL;
    row->pledge = query_row_id(q, 'P', index);
    row->contributor = query_row_id(q, 'C', pledge->contributor);
    row->contributor_name = query_row_text(q, q->ledger->text + contributor->name);
    row->contributor_kind = (Pledged__V1__ContributorKind)contributor->kind;
    row_offer(q, pledge, row);
    row_amounts(q, pledge, row);
    row->stage = (Pledged__V1__Stage)pledge->stage;
    row->money = state_money(pledge);
    if (pledge->stage == PLEDGED__V1__STAGE__STAGE_HELD)
        row->expires_us = pledge->expires_us;
    if (pledge->stage == PLEDGED__V1__STAGE__STAGE_WAITING)
        row->waiting_position = queue_position(q->ledger, queues, index);
    row->kind = (Pledged__V1__PledgeKind)pledge->kind;
    row->purpose = (Pledged__V1__Purpose)pledge->purpose;
    row->publish = (Pledged__V1__Publish)pledge->publish;
    row->first_seq = pledge->first_seq;
    row->last_seq = pledge->last_seq;
    row->made_us = pledge->made_us;
    row->extensions = pledge->extensions;
    char reference[PL_REFERENCE_BYTES];
    row->reference = query_row_text(q, pl_reference_scor((uint64_t)index + 1, reference));
    return q->spent ? NULL : row;
}

/* --- one pledge --- */

/* Indexes of the newest payments of a pledge, oldest first, at most QUERY_PAYMENTS_MAX. The chain
 * runs from old to new; one too long to walk is answered from the newest bank entries of all. */
static size_t newest_payments(const struct ledger *ledger, uint32_t pledge,
                              uint32_t ret[QUERY_PAYMENTS_MAX])
{
    uint32_t ring[QUERY_PAYMENTS_MAX];
    size_t seen = 0;
    uint32_t at = ledger->pledge[pledge].bank_first;
    for (; at != STATE_NONE && seen < QUERY_STEPS_MAX; at = ledger->bank_entry[at].next_of_pledge)
        ring[seen++ % QUERY_PAYMENTS_MAX] = at;
    if (at != STATE_NONE) {
        seen = 0;
        size_t least = ledger->bank_entry_count > QUERY_STEPS_MAX
                           ? ledger->bank_entry_count - QUERY_STEPS_MAX
                           : 0;
        for (size_t i = ledger->bank_entry_count; i > least && seen < QUERY_PAYMENTS_MAX; i--)
            if (ledger->bank_entry[i - 1].pledge == pledge)
                ring[QUERY_PAYMENTS_MAX - ++seen] = (uint32_t)(i - 1);
        memcpy(ret, ring + QUERY_PAYMENTS_MAX - seen, seen * sizeof(*ret));
        return seen;
    }
    size_t count = seen < QUERY_PAYMENTS_MAX ? seen : QUERY_PAYMENTS_MAX;
    for (size_t i = 0; i < count; i++)
        ret[i] = ring[(seen - count + i) % QUERY_PAYMENTS_MAX];
    return count;
}

/* The newest live ones; the chain runs from new to old. */
static void add_allocations(struct query *q, const struct state_pledge *pledge,
                            Pledged__V1__GetPledgeResponse *response)
{
    const struct state_allocation *found[QUERY_PAYMENTS_MAX];
    size_t count = 0, steps = 0;
    for (uint32_t i = state_newest_allocation(pledge);
         i != STATE_NONE && count < QUERY_PAYMENTS_MAX && steps < QUERY_STEPS_MAX;
         i = q->ledger->allocation[i].next_of_pledge, steps++) {
        if (q->ledger->allocation[i].reversed_by == 0)
            found[count++] = &q->ledger->allocation[i];
    }
    response->allocation = pl_arena_alloc(q->arena, (count + 1) * sizeof(void *));
    if (response->allocation == NULL) {
        q->spent = true;
        return;
    }
    while (count > 0 && !q->spent)
        response->allocation[response->n_allocation++] = query_allocation_row(q, found[--count]);
}

static Pledged__V1__AdjustmentStatus *adjustment_row(struct query *q,
                                                     const struct state_waiver *waiver)
{
    Pledged__V1__AdjustmentStatus *row = query_row(q, &pledged__v1__adjustment_status__descriptor);
    if (row == NULL)
        return NULL;
    row->seq = waiver->seq;
    row->kind = (Pledged__V1__DifferenceKind)waiver->kind;
    if (waiver->bank_entry != STATE_NONE)
        row->bank_entry = query_row_id(q, 'B', waiver->bank_entry);
    row->amount = query_row_money(q, waiver->amount, q->ledger->pledge[waiver->pledge].currency);
    return q->spent ? NULL : row;
}

/* The newest live ones, like the allocations. */
static void add_adjustments(struct query *q, const struct state_pledge *pledge,
                            Pledged__V1__GetPledgeResponse *response)
{
    const struct state_waiver *found[QUERY_PAYMENTS_MAX];
    size_t count = 0, steps = 0;
    for (uint32_t i = waiver_newest(q->ledger, pledge);
         i != STATE_NONE && count < QUERY_PAYMENTS_MAX && steps < QUERY_STEPS_MAX;
         i = q->ledger->waiver[i].next_of_pledge, steps++) {
        if (q->ledger->waiver[i].reversed_by == 0)
            found[count++] = &q->ledger->waiver[i];
    }
    response->adjustment = pl_arena_alloc(q->arena, (count + 1) * sizeof(void *));
    if (response->adjustment == NULL) {
        q->spent = true;
        return;
    }
    while (count > 0 && !q->spent)
        response->adjustment[response->n_adjustment++] = adjustment_row(q, found[--count]);
}

static Pledged__V1__RefundStatus *refund_row(struct query *q, size_t index)
{
    const struct state_refund *refund = &q->ledger->refund[index];
    Pledged__V1__RefundStatus *row = query_row(q, &pledged__v1__refund_status__descriptor);
    if (row == NULL)
        return NULL;
    row->refund = query_row_id(q, 'R', index);
    row->bank_entry = query_row_id(q, 'B', refund->bank_entry);
    if (refund->debit != STATE_NONE)
        row->debit = query_row_id(q, 'B', refund->debit);
    row->amount =
        query_row_money(q, refund->amount, q->ledger->bank_entry[refund->bank_entry].currency);
    row->state = (Pledged__V1__RefundState)refund->state;
    row->other_payee = refund->other_payee != 0;
    row->seq = refund->seq;
    if (refund->contributor != STATE_NONE)
        row->contributor = query_row_id(q, 'C', refund->contributor);
    const struct state_bank_entry *entry = q->ledger->bank_entry;
    char date[11];
    row->value_date = query_row_text(q, pl_date_format(entry[refund->bank_entry].value_date, date));
    if (refund->debit != STATE_NONE) {
        row->paid_date = query_row_text(q, pl_date_format(entry[refund->debit].value_date, date));
        row->paid_seq = refund->changed_seq;
    }
    return q->spent ? NULL : row;
}

/* Refunds are few: the newest of all are looked through. */
static void add_refunds(struct query *q, uint32_t pledge, Pledged__V1__GetPledgeResponse *response)
{
    const struct ledger *ledger = q->ledger;
    size_t found[QUERY_PAYMENTS_MAX], count = 0, steps = 0;
    for (size_t i = ledger->refund_count;
         i > 0 && count < QUERY_PAYMENTS_MAX && steps < QUERY_STEPS_MAX; i--, steps++) {
        if (ledger->bank_entry[ledger->refund[i - 1].bank_entry].pledge == pledge)
            found[count++] = i - 1;
    }
    response->refund = pl_arena_alloc(q->arena, (count + 1) * sizeof(void *));
    if (response->refund == NULL) {
        q->spent = true;
        return;
    }
    while (count > 0 && !q->spent)
        response->refund[response->n_refund++] = refund_row(q, found[--count]);
}

enum pl_code query_get_pledge(const struct ledger *ledger, const struct query_log *log,
                              const ProtobufCMessage *request, struct pl_arena *arena,
                              ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    struct query q = {ledger, log, arena, ret_refusal, false};
    const Pledged__V1__GetPledgeRequest *want = (const Pledged__V1__GetPledgeRequest *)request;
    uint32_t index = STATE_NONE;
    enum pl_code code = query_read_pledge(&q, want->pledge, &index);
    if (code != PL_E_OK)
        return code;
    uint32_t payments[QUERY_PAYMENTS_MAX];
    size_t count = newest_payments(ledger, index, payments);
    struct queues queues;
    Pledged__V1__GetPledgeResponse *response =
        query_row(&q, &pledged__v1__get_pledge_response__descriptor);
    void *rows = pl_arena_alloc(arena, (count + 1) * sizeof(void *));
    if (response == NULL || rows == NULL || !queues_open(&q, &queues))
        return query_deny_spent(&q);
    response->payment = rows;
    response->as_of_seq = ledger->size;
    response->pledge = pledge_row(&q, &queues, index);
    for (size_t i = 0; i < count && !q.spent; i++)
        response->payment[response->n_payment++] = query_payment_row(&q, payments[i]);
    add_allocations(&q, &ledger->pledge[index], response);
    if (!query_proposals_of(ledger, index, arena, &response->proposal, &response->n_proposal))
        q.spent = true;
    add_adjustments(&q, &ledger->pledge[index], response);
    add_refunds(&q, index, response);
    if (q.spent)
        return query_deny_spent(&q);
    *ret = &response->base;
    return PL_E_OK;
}

/* --- pledges --- */

struct pledge_filter {
    bool *tier; /* one a tier, or NULL: any */
    bool free_only;
    uint32_t catalogue;   /* STATE_NONE: any */
    uint32_t contributor; /* STATE_NONE: any */
    bool stage[STAGE_COUNT];
    bool any_stage;
    Pledged__V1__ContributorKind kind;
    Pledged__V1__MoneyState money;
    int currency; /* -1: any */
    int64_t expires_before_us;
    uint64_t since_seq;
};

static bool pledge_matches(const struct ledger *ledger, const struct pledge_filter *filter,
                           const struct state_pledge *pledge)
{
    bool is_free = pledge->tier == STATE_TIER_FREE;
    if (pledge->last_seq < filter->since_seq)
        return false;
    if (!filter->any_stage && !filter->stage[pledge->stage])
        return false;
    if (filter->contributor != STATE_NONE && pledge->contributor != filter->contributor)
        return false;
    if (filter->free_only && !is_free)
        return false;
    if (filter->tier != NULL && (is_free || !filter->tier[pledge->tier]))
        return false;
    if (filter->catalogue != STATE_NONE &&
        (is_free || ledger->tier[pledge->tier].catalogue != filter->catalogue))
        return false;
    if (filter->currency >= 0 && pledge->currency != filter->currency)
        return false;
    if (filter->expires_before_us != 0 && (pledge->stage != PLEDGED__V1__STAGE__STAGE_HELD ||
                                           pledge->expires_us >= filter->expires_before_us))
        return false;
    if (filter->kind != PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_UNSPECIFIED &&
        ledger->contributor[pledge->contributor].kind != filter->kind)
        return false;
    return filter->money == PLEDGED__V1__MONEY_STATE__MONEY_STATE_UNSPECIFIED ||
           state_money(pledge) == filter->money;
}

static uint32_t find_catalogue(const struct ledger *ledger, const char *code)
{
    for (size_t i = 0; i < ledger->catalogue_count; i++)
        if (strcmp(ledger->catalogue[i].current->msg->code, code) == 0)
            return (uint32_t)i;
    return STATE_NONE;
}

static bool equal_folded(const char *a, const char *b)
{
    while (*a != '\0' && query_fold(*a) == query_fold(*b)) {
        a++;
        b++;
    }
    return query_fold(*a) == query_fold(*b);
}

/* Marks the tiers that go by this code or alias, in one catalogue or (STATE_NONE) in all. A tier
 * that is no longer offered is known by its code only. */
static enum pl_code filter_tier(struct query *q, const char *text, uint32_t catalogue,
                                struct pledge_filter *filter)
{
    const struct ledger *ledger = q->ledger;
    if (equal_folded(text, "free")) {
        filter->free_only = true;
        return PL_E_OK;
    }
    filter->tier = pl_arena_alloc(q->arena, ledger->tier_count + 1);
    if (filter->tier == NULL)
        return query_deny_spent(q);
    bool any = false;
    for (size_t i = 0; i < ledger->tier_count; i++) {
        const struct state_tier *tier = &ledger->tier[i];
        if (catalogue != STATE_NONE && tier->catalogue != catalogue)
            continue;
        int def = catalogue_find_tier(ledger->catalogue[tier->catalogue].current, text);
        filter->tier[i] = tier->def >= 0 ? def == tier->def : equal_folded(text, tier->code);
        any = any || filter->tier[i];
    }
    if (!any)
        return query_deny(q, PLEDGED__V1__REASON__REASON_TIER_UNKNOWN, "tier", text,
                          "no catalogue has this tier");
    return PL_E_OK;
}

static enum pl_code filter_stages(struct query *q, const Pledged__V1__ListPledgesRequest *want,
                                  struct pledge_filter *filter)
{
    filter->any_stage = want->n_stage == 0;
    for (size_t i = 0; i < want->n_stage; i++) {
        if (want->stage[i] <= PLEDGED__V1__STAGE__STAGE_UNSPECIFIED ||
            (size_t)want->stage[i] >= STAGE_COUNT)
            return query_deny(q, PLEDGED__V1__REASON__REASON_FIELD_INVALID, "stage", NULL,
                              "this is not a stage");
        filter->stage[want->stage[i]] = true;
    }
    return PL_E_OK;
}

static enum pl_code filter_read(struct query *q, const Pledged__V1__ListPledgesRequest *want,
                                struct pledge_filter *ret)
{
    *ret = (struct pledge_filter){.catalogue = STATE_NONE, .contributor = STATE_NONE};
    enum pl_code code = filter_stages(q, want, ret);
    if (code == PL_E_OK && want->contributor[0] != '\0')
        code = query_read_id(q, "contributor", want->contributor, 'C', q->ledger->contributor_count,
                             PLEDGED__V1__REASON__REASON_CONTRIBUTOR_UNKNOWN, &ret->contributor);
    if (code == PL_E_OK)
        code = query_read_currency(q, want->currency, &ret->currency);
    if (code != PL_E_OK)
        return code;
    if (want->expires_before_us < 0)
        return query_deny(q, PLEDGED__V1__REASON__REASON_FIELD_INVALID, "expires_before_us", NULL,
                          "a moment before 1970 ends no hold");
    ret->kind = want->contributor_kind;
    ret->money = want->money;
    ret->expires_before_us = want->expires_before_us;
    ret->since_seq = want->since_seq;
    if (want->catalogue[0] != '\0') {
        ret->catalogue = find_catalogue(q->ledger, want->catalogue);
        if (ret->catalogue == STATE_NONE)
            return query_deny(q, PLEDGED__V1__REASON__REASON_CATALOGUE_UNKNOWN, "catalogue",
                              want->catalogue, "no such catalogue was adopted");
    }
    if (want->tier[0] != '\0')
        return filter_tier(q, want->tier, ret->catalogue, ret);
    return PL_E_OK;
}

/* Money that a pledge says the owner of is in that pledge's history. */
static bool is_told_apart(const struct ledger *ledger, const struct state_refund *refund,
                          uint32_t contributor)
{
    return refund->contributor == contributor &&
           refund->state != PLEDGED__V1__REFUND_STATE__REFUND_STATE_CANCELLED &&
           ledger->bank_entry[refund->bank_entry].pledge == STATE_NONE;
}

static void add_refunds_of(struct query *q, uint32_t contributor,
                           Pledged__V1__ListPledgesResponse *response)
{
    const struct ledger *ledger = q->ledger;
    size_t count = 0;
    for (size_t i = 0; i < ledger->refund_count && count < QUERY_PAGE_MAX; i++)
        count += is_told_apart(ledger, &ledger->refund[i], contributor);
    response->refund = pl_arena_alloc(q->arena, (count + 1) * sizeof(void *));
    q->spent = q->spent || response->refund == NULL;
    for (size_t i = 0; response->n_refund < count && !q->spent; i++) {
        if (is_told_apart(ledger, &ledger->refund[i], contributor))
            response->refund[response->n_refund++] = refund_row(q, i);
    }
}

enum pl_code query_list_pledges(const struct ledger *ledger, const struct query_log *log,
                                const ProtobufCMessage *request, struct pl_arena *arena,
                                ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    struct query q = {ledger, log, arena, ret_refusal, false};
    const Pledged__V1__ListPledgesRequest *want = (const Pledged__V1__ListPledgesRequest *)request;
    struct pledge_filter filter;
    struct query_page page;
    struct queues queues;
    enum pl_code code = filter_read(&q, want, &filter);
    if (code == PL_E_OK)
        code = query_page_open(&q, want->page_token, want->page_size, 'p', ledger->pledge_count,
                               &page);
    if (code != PL_E_OK)
        return code;
    Pledged__V1__ListPledgesResponse *response =
        query_row(&q, &pledged__v1__list_pledges_response__descriptor);
    void *rows = query_page_rows(&q, &page, ledger->pledge_count);
    if (response == NULL || rows == NULL || !queues_open(&q, &queues))
        return query_deny_spent(&q);
    response->as_of_seq = ledger->size;
    response->pledge = rows;
    size_t i = page.from;
    for (size_t steps = 0; i < ledger->pledge_count && steps < QUERY_STEPS_MAX; i++, steps++) {
        if (!pledge_matches(ledger, &filter, &ledger->pledge[i]))
            continue;
        if (response->n_pledge == page.size || (response->n_pledge > 0 && !query_page_has_room(&q)))
            break;
        Pledged__V1__PledgeStatus *row = pledge_row(&q, &queues, (uint32_t)i);
        if (row == NULL)
            break;
        response->pledge[response->n_pledge++] = row;
    }
    if (i < ledger->pledge_count)
        response->next_page_token = query_page_token(&page, i);
    else if (filter.contributor != STATE_NONE)
        add_refunds_of(&q, filter.contributor, response);
    if (q.spent && (response->n_pledge == 0 || i == ledger->pledge_count))
        return query_deny_spent(&q);
    *ret = &response->base;
    return PL_E_OK;
}
