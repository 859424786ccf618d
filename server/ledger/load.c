/* SPDX-License-Identifier: Apache-2.0
 *
 * load: the state from the bytes of save.c; everything is judged before it is used. What follows
 * from the rows (counters, heap, sums) is rebuilt, in a form that depends on the rows alone.
 * Failure: a saved state that does not add up is CORRUPT and never used; the log tells the same.
 */
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "server/ledger/charge.h"
#include "server/ledger/contact.h"
#include "server/ledger/load_bank.h"
#include "server/ledger/load_pledge.h"
#include "server/ledger/proposal.h"
#include "server/ledger/rate.h"
#include "server/ledger/save_private.h"
#include "server/ledger/settle.h"
#include "server/ledger/twin.h"

enum { CONTRIBUTOR_ROW_BYTES = 4 + 1 + 3 + 20 + 8 + 8 }; /* as it is saved */

/* Memory follows what was read, not what the length promises. */
static struct pl_status load_text(struct intake *in, struct ledger *ledger)
{
    enum { PIECE_BYTES = 1 << 20 };
    size_t len;
    PL_TRY(intake_count(in, UINT32_MAX, &len));
    if (len == 0)
        return intake_bad();
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
        PL_TRY(intake_take(in, (uint8_t *)ledger->text + ledger->text_len, piece));
        ledger->text_len += piece;
    }
    return ledger->text[0] == '\0' && ledger->text[len - 1] == '\0' ? pl_ok() : intake_bad();
}

static struct pl_status load_version(struct intake *in, struct catalogue **ret)
{
    uint64_t seq = 0;
    size_t len;
    PL_TRY(intake_u64(in, &seq));
    PL_TRY(intake_count(in, 65536, &len));
    uint8_t *bytes = calloc(1, len + 1);
    PL_ASSERT(bytes != NULL);
    struct pl_status status = intake_take(in, bytes, len);
    if (pl_is_ok(status))
        status = catalogue_new(pl_slice(bytes, len), seq, ret);
    free(bytes);
    return status;
}

/* Earlier versions, in the order in which they were in force. */
static struct pl_status load_older(struct intake *in, struct ledger *ledger,
                                   struct state_catalogue *of)
{
    size_t count;
    PL_TRY(intake_count(in, ledger->size, &count));
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
            return intake_bad();
    }
    return pl_ok();
}

static struct pl_status load_catalogue(struct intake *in, struct ledger *ledger)
{
    struct catalogue *catalogue = NULL;
    PL_TRY(load_version(in, &catalogue));
    PL_ASSERT(catalogue != NULL);
    if (state_catalogue(ledger, catalogue->msg->code) >= 0) {
        catalogue_unref(catalogue);
        return intake_bad();
    }
    ledger->catalogue =
        reallocarray(ledger->catalogue, ledger->catalogue_count + 1, sizeof(*ledger->catalogue));
    PL_ASSERT(ledger->catalogue != NULL);
    ledger->catalogue[ledger->catalogue_count++] = (struct state_catalogue){.current = catalogue};
    return load_older(in, ledger, &ledger->catalogue[ledger->catalogue_count - 1]);
}

static struct pl_status load_tier(struct intake *in, struct ledger *ledger, struct state_tier *tier)
{
    uint32_t def = 0;
    PL_TRY(intake_take(in, (uint8_t *)tier->code, sizeof(tier->code)));
    PL_TRY(intake_u32(in, &tier->catalogue));
    PL_TRY(intake_u32(in, &def));
    PL_TRY(intake_i64(in, &tier->capacity));
    PL_TRY(intake_u32(in, &tier->wait_first));
    PL_TRY(intake_u32(in, &tier->wait_last));
    PL_TRY(intake_u64(in, &tier->taken_seq));
    tier->def = (int32_t)def;
    if (tier->code[sizeof(tier->code) - 1] != '\0' || tier->catalogue >= ledger->catalogue_count ||
        tier->capacity < -1)
        return intake_bad();
    if (tier->def == -1)
        return pl_ok();
    const Pledged__V1__Catalogue *msg = ledger->catalogue[tier->catalogue].current->msg;
    bool fine = tier->def >= 0 && (size_t)tier->def < msg->n_tier &&
                strcmp(msg->tier[tier->def]->code, tier->code) == 0;
    return fine ? pl_ok() : intake_bad();
}

static struct pl_status load_catalogues(struct intake *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(intake_count(in, STATE_CATALOGUES_MAX, &count));
    PL_TRY(intake_u32(in, &ledger->catalogue_in_force));
    if (ledger->catalogue_in_force != STATE_NONE && ledger->catalogue_in_force >= count)
        return intake_bad();
    for (size_t i = 0; i < count; i++)
        PL_TRY(load_catalogue(in, ledger));
    PL_TRY(intake_count(in, STATE_TIER_FREE - 1, &count));
    ledger->tier = calloc(count + 1, sizeof(*ledger->tier));
    PL_ASSERT(ledger->tier != NULL);
    for (; ledger->tier_count < count; ledger->tier_count++)
        PL_TRY(load_tier(in, ledger, &ledger->tier[ledger->tier_count]));
    return pl_ok();
}

static struct pl_status load_contributors(struct intake *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(intake_count(in, UINT32_MAX - 1, &count));
    intake_begin_rows(in, CONTRIBUTOR_ROW_BYTES, count);
    for (size_t i = 0; i < count; i++) {
        ledger->contributor = intake_room(in, ledger->contributor, i, count,
                                          &ledger->contributor_cap, sizeof(*ledger->contributor));
        struct state_contributor *c = &ledger->contributor[i];
        *c = (struct state_contributor){.name = 0};
        ledger->contributor_count = i + 1;
        PL_TRY(intake_next_row(in));
        c->name = intake_row_u32(in);
        intake_row(in, &c->kind, 1);
        intake_row(in, c->country, sizeof(c->country));
        intake_row(in, c->itu_membership, sizeof(c->itu_membership));
        c->seq = intake_row_u64(in);
        c->hold_seq = intake_row_u64(in);
        if (c->name >= ledger->text_len || c->country[2] != '\0' ||
            c->itu_membership[sizeof(c->itu_membership) - 1] != '\0')
            return intake_bad();
        twin_add(ledger, (uint32_t)i);
    }
    return pl_ok();
}

static struct pl_status load_erasable(struct intake *in, struct ledger *ledger)
{
    uint8_t commitment[LEDGER_COMMITMENT_BYTES];
    uint64_t seq = 0, erased = 0;
    uint32_t next = STATE_NONE;
    PL_TRY(intake_take(in, commitment, sizeof(commitment)));
    PL_TRY(intake_u64(in, &seq));
    PL_TRY(intake_u64(in, &erased));
    PL_TRY(intake_u32(in, &next));
    if (seq == 0 || seq > ledger->size || erased > ledger->size ||
        ledger_erasable(ledger, commitment) != LEDGER_ERASABLE_UNKNOWN ||
        (next != STATE_NONE && next >= ledger->erasable_count))
        return intake_bad();
    uint32_t index = contact_commit(ledger, commitment, seq); /* the rows may move */
    ledger->erasable[index].erased_seq = erased;
    ledger->erasable[index].next = next;
    return pl_ok();
}

static struct pl_status load_contacts(struct intake *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(intake_count(in, ledger->size, &count));
    for (size_t i = 0; i < count; i++)
        PL_TRY(load_erasable(in, ledger));
    PL_TRY(intake_count(in, ledger->size, &count));
    for (size_t i = 0; i < count; i++) {
        uint32_t contributor = 0, erasable = 0;
        PL_TRY(intake_u32(in, &contributor));
        PL_TRY(intake_u32(in, &erasable));
        if (contributor >= ledger->contributor_count || erasable >= ledger->erasable_count)
            return intake_bad();
        contact_add(ledger, contributor, erasable);
    }
    return pl_ok();
}

static struct pl_status load_policy(struct intake *in, struct ledger *ledger)
{
    size_t len;
    PL_TRY(intake_count(in, LEDGER_ENTRY_BYTES_MAX, &len));
    uint8_t *bytes = calloc(1, len + 1);
    PL_ASSERT(bytes != NULL);
    struct pl_status status = intake_take(in, bytes, len);
    bool fine = pl_is_ok(status) && proposal_set_policy(ledger, pl_slice(bytes, len));
    free(bytes);
    PL_TRY(status);
    return fine ? pl_ok() : intake_bad();
}

static struct pl_status load_proposal(struct intake *in, struct ledger *ledger,
                                      struct state_proposal *p)
{
    uint8_t small[3];
    uint32_t command = 0;
    size_t len;
    PL_TRY(intake_i64(in, &p->amount));
    PL_TRY(intake_currency(in, &p->currency));
    PL_TRY(intake_u64(in, &p->seq));
    PL_TRY(intake_u64(in, &p->closed_seq));
    PL_TRY(intake_i64(in, &p->time_us));
    PL_TRY(intake_i64(in, &p->expires_us));
    PL_TRY(intake_u32(in, &p->maker));
    PL_TRY(intake_u32(in, &p->identity));
    PL_TRY(intake_u32(in, &p->issuer));
    PL_TRY(intake_u32(in, &p->pledge));
    PL_TRY(intake_u32(in, &command));
    PL_TRY(intake_take(in, small, sizeof(small)));
    PL_TRY(intake_count(in, LEDGER_ENTRY_BYTES_MAX, &len));
    p->command = (uint16_t)command;
    p->class = small[0];
    p->state = small[1];
    p->len = (uint32_t)len;
    if (small[2] > 1 || (small[2] == 1 && p->currency >= 0))
        return intake_bad();
    if (small[2] == 1)
        p->currency = STATE_AMOUNT_NOT_KEPT;
    if (p->maker >= ledger->text_len || p->identity >= ledger->text_len ||
        p->issuer >= ledger->text_len || p->seq > ledger->size || p->closed_seq > ledger->size ||
        command > UINT16_MAX || (p->pledge != STATE_NONE && p->pledge >= ledger->pledge_count))
        return intake_bad();
    if (len == 0)
        return pl_ok();
    p->bytes = calloc(1, len);
    PL_ASSERT(p->bytes != NULL);
    return intake_take(in, p->bytes, len);
}

static struct pl_status load_proposals(struct intake *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(intake_count(in, ledger->size, &count));
    for (size_t i = 0; i < count; i++) {
        struct state_proposal row = {.bytes = NULL};
        struct pl_status status = load_proposal(in, ledger, &row);
        if (pl_is_ok(status) && !proposal_add(ledger, &row))
            status = intake_bad();
        if (!pl_is_ok(status)) {
            free(row.bytes);
            return status;
        }
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

static struct pl_status load_periods(struct intake *in, struct ledger *ledger)
{
    size_t count;
    uint32_t through = 0, month = 0;
    int32_t last = -1;
    PL_TRY(intake_count(in, ledger->size, &count));
    PL_TRY(intake_u32(in, &through));
    for (size_t i = 0; i < count; i++) {
        ledger->period =
            state_grow(ledger->period, i, &ledger->period_cap, sizeof(*ledger->period));
        struct state_period *p = &ledger->period[i];
        *p = (struct state_period){.month = 0};
        ledger->period_count = i + 1;
        PL_TRY(intake_u32(in, &month));
        PL_TRY(intake_u64(in, &p->closed_seq));
        PL_TRY(intake_u64(in, &p->reopened_seq));
        PL_TRY(intake_u64(in, &p->head_size));
        PL_TRY(intake_i64(in, &p->closed_us));
        p->month = (int32_t)month;
        if (p->month < 0 || p->month >= pl_date_month(pl_date_of_us(ledger->last_time_us) + 1) ||
            p->closed_seq == 0 || p->closed_seq > ledger->size || p->reopened_seq > ledger->size)
            return intake_bad();
        last = p->reopened_seq == 0 ? p->month : last;
    }
    ledger->closed_through = (int32_t)through;
    return ledger->closed_through == last ? pl_ok() : intake_bad();
}

static struct pl_status load_rate(struct intake *in, struct ledger *ledger)
{
    struct state_rate rate = {.seq = 0};
    uint32_t day = 0;
    PL_TRY(intake_currency(in, &rate.currency));
    PL_TRY(intake_u32(in, &day));
    PL_TRY(intake_u64(in, &rate.seq));
    PL_TRY(intake_i64(in, &rate.mantissa));
    PL_TRY(intake_take(in, &rate.scale, 1));
    PL_TRY(intake_u32(in, &rate.source));
    rate.day = (int32_t)day;
    if (rate.currency < 0 || rate.seq == 0 || rate.seq > ledger->size || rate.mantissa <= 0 ||
        rate.mantissa > RATE_MANTISSA_MAX || rate.scale > RATE_SCALE_MAX || rate.source == 0 ||
        rate.source >= ledger->text_len ||
        rate_place(ledger, rate.currency, rate.day, rate.seq) != ledger->rate_count ||
        rate_of_seq(ledger, rate.currency, rate.day, rate.seq) != NULL)
        return intake_bad();
    rate_add(ledger, &rate);
    return pl_ok();
}

static struct pl_status take_valued(struct intake *in, struct state_valued *ret)
{
    uint32_t day = 0;
    PL_TRY(intake_u64(in, &ret->seq));
    PL_TRY(intake_u32(in, &day));
    ret->day = (int32_t)day;
    return pl_ok();
}

/* Whether the rate is there is seen once all rows are. */
static struct pl_status load_valued(struct intake *in, struct pl_map *map, size_t rows)
{
    size_t count;
    uint32_t next = 0;
    PL_TRY(intake_count(in, rows, &count));
    for (size_t i = 0; i < count; i++) {
        struct state_valued valued = {.seq = 0};
        uint32_t index = 0;
        PL_TRY(intake_u32(in, &index));
        PL_TRY(take_valued(in, &valued));
        if (index < next || index >= rows)
            return intake_bad();
        next = index + 1;
        pl_map_put(map, &index, &valued);
    }
    return pl_ok();
}

static struct pl_status load_days(struct intake *in, struct ledger *ledger)
{
    size_t count;
    uint32_t next = 0;
    PL_TRY(intake_count(in, ledger->pledge_count, &count));
    for (size_t i = 0; i < count; i++) {
        struct state_days days = {.peak = 0};
        uint32_t index = 0;
        PL_TRY(intake_u32(in, &index));
        PL_TRY(take_valued(in, &days.terms));
        PL_TRY(take_valued(in, &days.owed));
        PL_TRY(take_valued(in, &days.announced));
        PL_TRY(intake_i64(in, &days.peak));
        if (index < next || index >= ledger->pledge_count || days.peak < 0 || days.terms.seq == 0 ||
            days.terms.seq > ledger->size || days.owed.seq > ledger->size ||
            days.announced.seq > ledger->size)
            return intake_bad();
        next = index + 1;
        pl_map_put(&ledger->pledge_days, &index, &days);
    }
    return pl_ok();
}

static struct pl_status load_rates(struct intake *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(intake_count(in, ledger->size, &count));
    for (size_t i = 0; i < count; i++)
        PL_TRY(load_rate(in, ledger));
    return pl_ok();
}

static struct pl_status load_reversible(struct intake *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(intake_count(in, ledger->size, &count));
    intake_begin_rows(in, sizeof(uint64_t) + sizeof(uint32_t), count);
    for (size_t i = 0; i < count; i++) {
        PL_TRY(intake_next_row(in));
        uint64_t seq = intake_row_u64(in);
        uint32_t index = intake_row_u32(in);
        if (!is_row_of(ledger, index, seq))
            return intake_bad();
        enum state_reversible kind = state_reversible_kind(index);
        if (kind == STATE_REVERSIBLE_WAIVER || kind == STATE_REVERSIBLE_DEED)
            continue; /* linked with its row */
        pl_map_put(&ledger->reversible, &seq, &index);
    }
    return pl_ok();
}

/* Each name is that of one contributor; of payments, those that stand have their reference here. */
static struct pl_status load_maps(struct intake *in, struct ledger *ledger)
{
    PL_TRY(load_reversible(in, ledger));
    PL_TRY(intake_table(in, &ledger->requests, 1, ledger->size));
    PL_TRY(intake_table(in, &ledger->names, 0, ledger->contributor_count));
    PL_TRY(intake_table(in, &ledger->bank_refs, 0, ledger->bank_entry_count));
    return intake_table(in, &ledger->slots, 0, ledger->pledge_count);
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
static bool all_fine(const struct intake *in, struct ledger *ledger)
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

static struct pl_status load(struct intake *in, struct ledger *ledger)
{
    uint32_t format = 0;
    PL_TRY(intake_u32(in, &format));
    if (format != SAVE_FORMAT)
        return pl_fail(UNIMPLEMENTED, "a saved state of another format");
    PL_TRY(intake_u64(in, &ledger->size));
    PL_TRY(intake_i64(in, &ledger->last_time_us));
    PL_TRY(intake_take(in, (uint8_t *)ledger->origin, sizeof(ledger->origin)));
    PL_TRY(intake_take(in, ledger->id, sizeof(ledger->id)));
    PL_TRY(intake_take(in, ledger->roster_sha256, 32));
    PL_TRY(intake_take(in, ledger->policy_sha256, 32));
    if (ledger->origin[sizeof(ledger->origin) - 1] != '\0')
        return intake_bad();
    PL_TRY(load_text(in, ledger));
    PL_TRY(load_catalogues(in, ledger));
    PL_TRY(load_contributors(in, ledger));
    PL_TRY(load_contacts(in, ledger));
    PL_TRY(load_pledges(in, ledger));
    PL_TRY(load_bank_entries(in, ledger));
    PL_TRY(load_pledge_allocations(in, ledger));
    PL_TRY(load_periods(in, ledger));
    PL_TRY(load_rates(in, ledger));
    PL_TRY(load_valued(in, &ledger->pledge_rates, ledger->pledge_count));
    PL_TRY(load_valued(in, &ledger->entry_rates, ledger->bank_entry_count));
    PL_TRY(load_valued(in, &ledger->pledge_since, ledger->pledge_count));
    PL_TRY(load_days(in, ledger));
    PL_TRY(load_pledge_benefits(in, ledger));
    PL_TRY(load_pledge_documents(in, ledger));
    PL_TRY(load_policy(in, ledger));
    PL_TRY(load_proposals(in, ledger));
    PL_TRY(load_pledge_waivers(in, ledger));
    PL_TRY(load_pledge_schedules(in, ledger));
    PL_TRY(load_bank_refunds(in, ledger));
    PL_TRY(load_bank_deeds(in, ledger));
    PL_TRY(load_bank_accounts(in, ledger));
    PL_TRY(load_bank_statements(in, ledger));
    PL_TRY(load_bank_movements(in, ledger));
    PL_TRY(load_maps(in, ledger));
    if (!all_fine(in, ledger))
        return intake_bad();
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
    struct intake in;
    struct ledger *ledger = ledger_new();
    intake_init(&in, read, help, arg);
    struct pl_status status = load(&in, ledger);
    intake_fini(&in);
    if (!pl_is_ok(status)) {
        ledger_free(ledger);
        return status;
    }
    *ret = ledger;
    return pl_ok();
}
