/* SPDX-License-Identifier: Apache-2.0
 *
 * test_query: lists, filters, pages, history and benefits, over a state made by hand (so that a
 * mistake in apply cannot hide one here) and a log kept in memory.
 */
// clang-format off
#include "server/ledger/benefit.h"
#include "server/ledger/query.h"

#include "common/check.h"
#include "common/ids.h"
#include "common/money.h"
#include "common/scan.h"
#include "server/ledger/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

#define ARENA_BYTES (8u << 20)

enum { LOG_MAX = 64 };

struct world {
    struct ledger ledger;
    struct pl_arena arena;  /* of the answer */
    struct pl_arena making; /* of what the test makes */
    struct pl_slice log[LOG_MAX + 1];
    enum pl_code log_fails;
    size_t reads;
    ProtobufCMessage *ret;
    Pledged__V1__Refusal *refusal;
};

static struct pl_status log_read(void *arg, uint64_t seq, struct pl_slice *ret)
{
    struct world *w = arg;
    w->reads++;
    if (w->log_fails != PL_E_OK)
        return (struct pl_status){w->log_fails, 0, "reading the log", "test"};
    if (seq == 0 || seq > LOG_MAX || w->log[seq].data == NULL)
        return pl_fail(NOT_FOUND, "no such entry");
    *ret = w->log[seq];
    return pl_ok();
}

static enum pl_code ask(struct world *w, query_fn query, const void *request)
{
    struct query_log log = {log_read, w};
    pl_arena_reset(&w->arena);
    w->ret = NULL;
    w->refusal = NULL;
    enum pl_code code = query(&w->ledger, &log, request, &w->arena, &w->ret, &w->refusal);
    if (code == PL_E_OK)
        assert_non_null(w->ret);
    else
        assert_non_null(w->refusal);
    return code;
}

static void assert_refused(struct world *w, query_fn query, const void *request, enum pl_code code,
                           Pledged__V1__Reason reason, const char *field)
{
    assert_int_equal(ask(w, query, request), code);
    assert_int_equal(w->refusal->reason, reason);
    assert_string_equal(w->refusal->field, field);
    assert_true(strlen(w->refusal->message) > 0);
}

/* --- a catalogue of three tiers, two benefits --- */

/* What every catalogue needs besides its offers. */
static void add_frame(Pledged__V1__Catalogue *c, Pledged__V1__Text **title)
{
    static Pledged__V1__Fund fund;
    static Pledged__V1__CataloguePolicy policy;
    pledged__v1__fund__init(&fund);
    pledged__v1__catalogue_policy__init(&policy);
    fund.currency = (char *)"CHF";
    fund.name = title;
    fund.n_name = 1;
    policy.hold_default_s = policy.hold_max_s = policy.promotion_hold_s = 60;
    c->title = title;
    c->n_title = 1;
    c->fund = &fund;
    c->policy = &policy;
}

static struct catalogue *make_catalogue(const char *code, uint32_t version, int64_t seats,
                                        uint64_t adopted_seq, struct pl_slice *ret_bytes,
                                        struct pl_arena *arena)
{
    Pledged__V1__Money price = PLEDGED__V1__MONEY__INIT;
    price.minor = 15000000;
    price.currency = (char *)"CHF";
    Pledged__V1__Count two = PLEDGED__V1__COUNT__INIT;
    two.value_case = PLEDGED__V1__COUNT__VALUE_COUNT;
    two.count = 2;
    Pledged__V1__Count many = PLEDGED__V1__COUNT__INIT;
    many.value_case = PLEDGED__V1__COUNT__VALUE_UNLIMITED;
    many.unlimited = true;
    Pledged__V1__Text label = PLEDGED__V1__TEXT__INIT;
    label.lang = (char *)"fr";
    label.text = (char *)"Étiquette";
    Pledged__V1__Text *labels[] = {&label};
    char *alias[] = {(char *)"platinum"};
    Pledged__V1__Tier tier[3];
    Pledged__V1__Tier *tiers[3];
    const char *codes[] = {"platine", "or", "appui"};
    for (size_t i = 0; i < 3; i++) {
        pledged__v1__tier__init(&tier[i]);
        tiers[i] = &tier[i];
        tier[i].code = (char *)codes[i];
        tier[i].group = (char *)"strategic";
        tier[i].label = labels;
        tier[i].n_label = 1;
        tier[i].capacity = i == 2 ? &many : &two;
        tier[i].price_case = PLEDGED__V1__TIER__PRICE_AMOUNT;
        tier[i].amount = &price;
    }
    tier[0].alias = alias;
    tier[0].n_alias = 1;
    Pledged__V1__Group group = PLEDGED__V1__GROUP__INIT;
    Pledged__V1__Group *groups[] = {&group};
    group.code = (char *)"strategic";
    group.label = labels;
    group.n_label = 1;
    Pledged__V1__Section section = PLEDGED__V1__SECTION__INIT;
    Pledged__V1__Section *sections[] = {&section};
    section.code = (char *)"VIS";
    section.label = labels;
    section.n_label = 1;
    Pledged__V1__Benefit benefit[2];
    Pledged__V1__Benefit *benefits[] = {&benefit[0], &benefit[1]};
    for (size_t i = 0; i < 2; i++) {
        pledged__v1__benefit__init(&benefit[i]);
        benefit[i].code = (char *)(i == 0 ? "VIS1" : "VIS6");
        benefit[i].section = section.code;
        benefit[i].label = labels;
        benefit[i].n_label = 1;
        benefit[i].phase = PLEDGED__V1__PHASE__PHASE_DURING;
    }
    Pledged__V1__Grant grant[3];
    Pledged__V1__Grant *grants[] = {&grant[0], &grant[1], &grant[2]};
    for (size_t i = 0; i < 3; i++) {
        pledged__v1__grant__init(&grant[i]);
        grant[i].tier = (char *)(i < 2 ? "platine" : "or");
        grant[i].benefit = (char *)(i == 0 ? "VIS6" : "VIS1"); /* not in the benefits' order */
        grant[i].quantity = i == 0 ? seats : 5;
        grant[i].unit = i == 0 ? PLEDGED__V1__UNIT__UNIT_SEAT : PLEDGED__V1__UNIT__UNIT_MINUTE;
    }
    Pledged__V1__Catalogue msg = PLEDGED__V1__CATALOGUE__INIT;
    msg.code = (char *)code;
    msg.version = version;
    msg.tier = tiers;
    msg.n_tier = 3;
    msg.group = groups;
    msg.n_group = 1;
    msg.section = sections;
    msg.n_section = 1;
    msg.benefit = benefits;
    msg.n_benefit = 2;
    msg.grant = grants;
    msg.n_grant = 3;
    add_frame(&msg, labels);
    *ret_bytes = pl_pack(&msg.base, arena);
    assert_non_null(ret_bytes->data);
    struct catalogue *ret = NULL;
    assert_true(pl_is_ok(catalogue_new(*ret_bytes, adopted_seq, &ret)));
    return ret;
}

/* Room for one more: arrays of tens of thousands must not be copied for each. */
static void *grown(void *array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return array;
    *cap = *cap == 0 ? 16 : *cap * 2;
    return realloc(array, *cap * size);
}

static uint32_t add_text(struct ledger *l, const char *text)
{
    size_t len = strlen(text) + 1;
    l->text = realloc(l->text, l->text_len + len);
    memcpy(l->text + l->text_len, text, len);
    l->text_len += len;
    return (uint32_t)(l->text_len - len);
}

static void add_contributor(struct ledger *l, const char *name, int kind)
{
    l->contributor = realloc(l->contributor, (l->contributor_count + 1) * sizeof(*l->contributor));
    struct state_contributor *c = &l->contributor[l->contributor_count++];
    *c = (struct state_contributor){.name = add_text(l, name),
                                    .kind = (uint8_t)kind,
                                    .country = "CH",
                                    .itu_membership = "associate",
                                    .live_pledges = 3,
                                    .seq = l->contributor_count};
}

static struct state_pledge *add_pledge(struct ledger *l)
{
    l->pledge = grown(l->pledge, l->pledge_count, &l->pledge_cap, sizeof(*l->pledge));
    struct state_pledge *p = &l->pledge[l->pledge_count++];
    *p = (struct state_pledge){.tier = STATE_TIER_FREE,
                               .currency = (int16_t)pl_currency_index("CHF"),
                               .amount = 100,
                               .stage = STAGE(PLEDGED),
                               .wait_next = STATE_NONE,
                               .bank_first = STATE_NONE,
                               .bank_last = STATE_NONE,
                               .heap_place = STATE_NONE,
                               .first_seq = 1,
                               .last_seq = 1};
    return p;
}

static uint32_t add_payment(struct ledger *l, uint32_t pledge, int64_t amount, int64_t allocated,
                            const char *currency)
{
    l->bank_entry =
        grown(l->bank_entry, l->bank_entry_count, &l->bank_entry_cap, sizeof(*l->bank_entry));
    uint32_t index = (uint32_t)l->bank_entry_count++;
    l->bank_entry[index] =
        (struct state_bank_entry){.amount = amount,
                                  .allocated = allocated,
                                  .seq = 100 + index,
                                  .pledge = pledge,
                                  .next_of_pledge = STATE_NONE,
                                  .value_date = 20000 + (int32_t)index,
                                  .currency = (int16_t)pl_currency_index(currency)};
    struct state_pledge *p = &l->pledge[pledge];
    if (p->bank_first == STATE_NONE)
        p->bank_first = index;
    else
        l->bank_entry[p->bank_last].next_of_pledge = index;
    p->bank_last = index;
    return index;
}

static void setup_tiers(struct ledger *l, size_t catalogues)
{
    l->tier = calloc(3 * catalogues, sizeof(*l->tier));
    l->tier_count = 3 * catalogues;
    for (size_t i = 0; i < l->tier_count; i++) {
        struct state_tier *t = &l->tier[i];
        t->catalogue = (uint32_t)(i / 3);
        t->def = (int32_t)(i % 3);
        t->capacity = i % 3 == 2 ? -1 : 2;
        t->wait_first = t->wait_last = STATE_NONE;
        snprintf(t->code, sizeof(t->code), "%s",
                 l->catalogue[t->catalogue].current->msg->tier[t->def]->code);
    }
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct ledger *l = &w->ledger;
    pl_map_init(&l->frozen, sizeof(uint32_t), sizeof(uint64_t), 0);
    pl_map_init(&l->fulfilments, sizeof(uint32_t), sizeof(uint32_t), 0);
    pl_arena_init(&w->arena, ARENA_BYTES);
    pl_arena_init(&w->making, ARENA_BYTES);
    l->size = 500;
    add_text(l, "");
    struct pl_slice bytes;
    l->catalogue = calloc(2, sizeof(*l->catalogue));
    l->catalogue_count = 2;
    l->catalogue[0].current = make_catalogue("forum-2025", 1, 9, 3, &bytes, &w->making);
    l->catalogue[1].current = make_catalogue("forum-2026", 2, 12, 40, &bytes, &w->making);
    l->catalogue_in_force = 1;
    setup_tiers(l, 2);
    add_contributor(l, "Ångström Institute", 4);
    add_contributor(l, "Republic of Examples", 1);
    add_contributor(l, "ACME Networks SA", 2);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    struct ledger *l = &w->ledger;
    for (size_t i = 0; i < l->catalogue_count; i++) {
        catalogue_unref(l->catalogue[i].current);
        for (size_t j = 0; j < l->catalogue[i].older_count; j++)
            catalogue_unref(l->catalogue[i].older[j]);
        free(l->catalogue[i].older);
    }
    pl_map_fini(&l->frozen);
    pl_map_fini(&l->fulfilments);
    free(l->catalogue);
    free(l->tier);
    free(l->contributor);
    free(l->pledge);
    free(l->bank_entry);
    free(l->text);
    pl_arena_fini(&w->arena);
    pl_arena_fini(&w->making);
    free(w);
    return 0;
}

/* --- one pledge --- */

static enum pl_code get_pledge(struct world *w, const char *id)
{
    Pledged__V1__GetPledgeRequest request = PLEDGED__V1__GET_PLEDGE_REQUEST__INIT;
    request.pledge = (char *)id;
    return ask(w, query_get_pledge, &request);
}

static void test_pledge_id_must_be_canonical_and_known(void **state)
{
    struct world *w = *state;
    add_pledge(&w->ledger);
    assert_int_equal(get_pledge(w, "P000001"), PL_E_OK);
    static const char *const wrong[] = {"p1",
                                        "P1",
                                        "p000001",
                                        "P0000001",
                                        "C000001",
                                        " P000001",
                                        "P000001 ",
                                        "P00000x",
                                        "P000000",
                                        "P",
                                        "P-00001",
                                        "P+00001",
                                        "P99999999999999999999"};
    for (size_t i = 0; i < PL_COUNT(wrong); i++) {
        assert_int_equal(get_pledge(w, wrong[i]), PL_E_INVALID);
        assert_int_equal(w->refusal->reason, REASON(FIELD_INVALID));
        assert_string_equal(w->refusal->field, "pledge");
    }
    assert_int_equal(get_pledge(w, ""), PL_E_INVALID);
    assert_int_equal(w->refusal->reason, REASON(FIELD_REQUIRED));
    assert_int_equal(get_pledge(w, "P000002"), PL_E_NOT_FOUND);
    assert_int_equal(w->refusal->reason, REASON(PLEDGE_UNKNOWN));
    assert_string_equal(w->refusal->field, "pledge");
    assert_int_equal(w->refusal->n_arg, 1);
    assert_string_equal(w->refusal->arg[0]->value, "P000002");
    assert_int_equal(get_pledge(w, "P4294967298"), PL_E_NOT_FOUND); /* 2^32 + 2 does not wrap */
}

static void test_pledge_shows_amounts_outstanding_and_unallocated(void **state)
{
    struct world *w = *state;
    struct state_pledge *p = add_pledge(&w->ledger);
    *p = (struct state_pledge){.amount = 1000,
                               .allocated = 400,
                               .received = 450,
                               .currency = (int16_t)pl_currency_index("JPY"),
                               .contributor = 2,
                               .tier = 3,
                               .stage = STAGE(COMMITTED),
                               .kind = 1,
                               .purpose = 1,
                               .publish = 2,
                               .first_seq = 7,
                               .last_seq = 9,
                               .made_us = 123,
                               .alloc_first = STATE_NONE,
                               .bank_first = STATE_NONE,
                               .bank_last = STATE_NONE};
    assert_int_equal(get_pledge(w, "P000001"), PL_E_OK);
    const Pledged__V1__GetPledgeResponse *got = (void *)w->ret;
    assert_int_equal(got->as_of_seq, 500);
    assert_int_equal(got->n_payment, 0);
    assert_string_equal(got->pledge->pledge, "P000001");
    assert_string_equal(got->pledge->contributor, "C000003");
    assert_string_equal(got->pledge->contributor_name, "ACME Networks SA");
    assert_int_equal(got->pledge->contributor_kind, 2);
    assert_string_equal(got->pledge->catalogue, "forum-2026");
    assert_string_equal(got->pledge->tier, "platine");
    assert_int_equal(got->pledge->amount->minor, 1000);
    assert_string_equal(got->pledge->amount->currency, "JPY");
    assert_int_equal(got->pledge->allocated->minor, 400);
    assert_int_equal(got->pledge->outstanding->minor, 600);
    assert_int_equal(got->pledge->unallocated->minor, 50);
    assert_int_equal(got->pledge->money, PLEDGED__V1__MONEY_STATE__MONEY_STATE_PART);
    assert_int_equal(got->pledge->first_seq, 7);
    assert_int_equal(got->pledge->last_seq, 9);
    assert_int_equal(got->pledge->made_us, 123);
    assert_int_equal(got->pledge->publish, 2);
}

static void test_held_pledge_has_an_end_and_no_amount(void **state)
{
    struct world *w = *state;
    struct state_pledge *p = add_pledge(&w->ledger);
    p->stage = STAGE(HELD);
    p->tier = 0;
    p->currency = -1;
    p->amount = 0;
    p->expires_us = 777;
    p->extensions = 2;
    assert_int_equal(get_pledge(w, "P000001"), PL_E_OK);
    const Pledged__V1__PledgeStatus *got = ((Pledged__V1__GetPledgeResponse *)w->ret)->pledge;
    assert_null(got->amount);
    assert_null(got->allocated);
    assert_null(got->outstanding);
    assert_null(got->unallocated);
    assert_int_equal(got->expires_us, 777);
    assert_int_equal(got->extensions, 2);
    assert_string_equal(got->catalogue, "forum-2025");
    w->ledger.pledge[0].stage = STAGE(EXPIRED);
    assert_int_equal(get_pledge(w, "P000001"), PL_E_OK);
    assert_int_equal(((Pledged__V1__GetPledgeResponse *)w->ret)->pledge->expires_us, 0);
}

static void test_nothing_is_outstanding_on_a_cancelled_pledge(void **state)
{
    struct world *w = *state;
    add_pledge(&w->ledger)->stage = STAGE(CANCELLED);
    w->ledger.pledge[0].received = 60;
    assert_int_equal(get_pledge(w, "P000001"), PL_E_OK);
    const Pledged__V1__PledgeStatus *got = ((Pledged__V1__GetPledgeResponse *)w->ret)->pledge;
    assert_string_equal(got->tier, "");
    assert_string_equal(got->catalogue, "");
    assert_int_equal(got->amount->minor, 100);
    assert_int_equal(got->outstanding->minor, 0);
    assert_int_equal(got->unallocated->minor, 60);
}

/* A queue of `count` pledges in `tier`, in reverse order of their ids. */
static void add_queue_reversed(struct ledger *l, uint16_t tier, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct state_pledge *p = add_pledge(l);
        p->stage = STAGE(WAITING);
        p->currency = -1;
        p->tier = tier;
        p->wait_next = l->tier[tier].wait_first;
        l->tier[tier].wait_first = (uint32_t)(l->pledge_count - 1);
        l->tier[tier].waiting++;
    }
}

static void test_waiting_position_is_the_place_in_the_queue(void **state)
{
    struct world *w = *state;
    add_queue_reversed(&w->ledger, 0, 3);
    add_queue_reversed(&w->ledger, 1, 2);
    static const uint32_t want[] = {3, 2, 1, 2, 1};
    Pledged__V1__ListPledgesRequest request = PLEDGED__V1__LIST_PLEDGES_REQUEST__INIT;
    assert_int_equal(ask(w, query_list_pledges, &request), PL_E_OK);
    const Pledged__V1__ListPledgesResponse *list = (void *)w->ret;
    assert_int_equal(list->n_pledge, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(list->pledge[i]->waiting_position, want[i]);
    assert_int_equal(get_pledge(w, "P000001"), PL_E_OK);
    assert_int_equal(((Pledged__V1__GetPledgeResponse *)w->ret)->pledge->waiting_position, 3);
}

static void test_waiting_position_of_an_endless_queue_is_unknown(void **state)
{
    struct world *w = *state;
    add_queue_reversed(&w->ledger, 0, QUERY_QUEUE_STEPS_MAX + 2);
    assert_int_equal(get_pledge(w, "P000001"), PL_E_OK); /* the last in line */
    assert_int_equal(((Pledged__V1__GetPledgeResponse *)w->ret)->pledge->waiting_position, 0);
    assert_int_equal(get_pledge(w, "P000002"), PL_E_OK); /* exactly as far as we walk */
    assert_int_equal(((Pledged__V1__GetPledgeResponse *)w->ret)->pledge->waiting_position,
                     QUERY_QUEUE_STEPS_MAX + 1);
}

static void test_pledge_shows_its_newest_hundred_payments_newest_last(void **state)
{
    struct world *w = *state;
    add_pledge(&w->ledger);
    add_pledge(&w->ledger);
    for (int i = 0; i < 250; i++)
        add_payment(&w->ledger, (uint32_t)i % 2, 10 + i, 0, "CHF");
    assert_int_equal(get_pledge(w, "P000002"), PL_E_OK);
    const Pledged__V1__GetPledgeResponse *got = (void *)w->ret;
    assert_int_equal(got->n_payment, 100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(got->payment[i]->amount->minor, 10 + 51 + 2 * i);
    assert_string_equal(got->payment[99]->bank_entry, "B000250");
    assert_string_equal(got->payment[99]->pledge, "P000002");
    assert_string_equal(got->payment[0]->value_date, "2024-11-24");
}

static void test_payments_of_a_chain_too_long_to_walk_are_the_newest(void **state)
{
    struct world *w = *state;
    add_pledge(&w->ledger);
    for (int i = 0; i < QUERY_STEPS_MAX + 500; i++)
        add_payment(&w->ledger, 0, 1 + i, 0, "CHF");
    assert_int_equal(get_pledge(w, "P000001"), PL_E_OK);
    const Pledged__V1__GetPledgeResponse *got = (void *)w->ret;
    assert_int_equal(got->n_payment, 100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(got->payment[i]->amount->minor, QUERY_STEPS_MAX + 401 + i);
}

/* --- pledges --- */

/* One pledge of every mixture of the qualities that filters look at. */
static void add_mixture(struct ledger *l)
{
    static const uint16_t tiers[] = {0, 3, 5, STATE_TIER_FREE};
    static const uint8_t stages[] = {STAGE(HELD), STAGE(PLEDGED), STAGE(COMMITTED),
                                     STAGE(WITHDRAWN)};
    for (size_t i = 0; i < 4 * 4 * 3 * 2 * 2; i++) {
        struct state_pledge *p = add_pledge(l);
        p->tier = tiers[i % 4];
        p->stage = stages[i / 4 % 4];
        p->contributor = i / 16 % 3;
        p->allocated = i / 48 % 2 ? 50 : 0;
        p->received = p->allocated;
        p->currency = (int16_t)pl_currency_index(i / 96 % 2 ? "CHF" : "EUR");
        p->expires_us = p->stage == STAGE(HELD) ? 1000 + (int64_t)(i % 7) : 0;
        p->first_seq = p->last_seq = 10 + i * 37 % 192;
    }
}

static bool expected(const struct ledger *l, const struct state_pledge *p, unsigned mask)
{
    bool ok = true;
    if (mask & 1)
        ok = ok && p->tier != STATE_TIER_FREE && strcmp(l->tier[p->tier].code, "platine") == 0;
    if (mask & 2)
        ok = ok && (p->stage == STAGE(HELD) || p->stage == STAGE(COMMITTED));
    if (mask & 4)
        ok = ok && p->contributor == 1;
    if (mask & 8)
        ok = ok && (p->contributor == 1 || p->contributor == 5);
    if (mask & 16)
        ok = ok && state_money(p) == PLEDGED__V1__MONEY_STATE__MONEY_STATE_PART;
    if (mask & 32)
        ok = ok && p->currency == pl_currency_index("CHF");
    if (mask & 64)
        ok = ok && p->stage == STAGE(HELD) && p->expires_us < 1004;
    if (mask & 128)
        ok = ok && p->last_seq >= 80;
    if (mask & 256)
        ok = ok && p->tier != STATE_TIER_FREE && p->tier >= 3;
    return ok;
}

static void fill_filters(Pledged__V1__ListPledgesRequest *request, unsigned mask)
{
    static Pledged__V1__Stage stages[] = {STAGE(COMMITTED), STAGE(HELD)};
    pledged__v1__list_pledges_request__init(request);
    request->page_size = 1000;
    if (mask & 1)
        request->tier = (char *)"PLATINUM";
    if (mask & 2) {
        request->stage = stages;
        request->n_stage = 2;
    }
    if (mask & 4)
        request->contributor = (char *)"C000002";
    if (mask & 8)
        request->contributor_kind = PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_GOVERNMENT;
    if (mask & 16)
        request->money = PLEDGED__V1__MONEY_STATE__MONEY_STATE_PART;
    if (mask & 32)
        request->currency = (char *)"CHF";
    if (mask & 64)
        request->expires_before_us = 1004;
    if (mask & 128)
        request->since_seq = 80;
    if (mask & 256)
        request->catalogue = (char *)"forum-2026";
}

static void test_filters_combine_in_every_way(void **state)
{
    struct world *w = *state;
    add_mixture(&w->ledger);
    size_t not_empty = 0;
    for (unsigned mask = 0; mask < 512; mask++) {
        Pledged__V1__ListPledgesRequest request;
        fill_filters(&request, mask);
        assert_int_equal(ask(w, query_list_pledges, &request), PL_E_OK);
        const Pledged__V1__ListPledgesResponse *got = (void *)w->ret;
        size_t next = 0;
        for (size_t i = 0; i < w->ledger.pledge_count; i++) {
            if (!expected(&w->ledger, &w->ledger.pledge[i], mask))
                continue;
            assert_true(next < got->n_pledge);
            assert_int_equal(pl_id_parse(got->pledge[next++]->pledge, 'P'), i + 1);
        }
        assert_int_equal(next, got->n_pledge);
        assert_string_equal(got->next_page_token, "");
        assert_int_equal(got->as_of_seq, 500);
        not_empty += next > 0;
    }
    assert_true(not_empty > 350); /* else the comparison would prove little */
}

static void test_free_contributions_are_a_tier_of_their_own(void **state)
{
    struct world *w = *state;
    add_mixture(&w->ledger);
    Pledged__V1__ListPledgesRequest request = PLEDGED__V1__LIST_PLEDGES_REQUEST__INIT;
    request.tier = (char *)"free";
    assert_int_equal(ask(w, query_list_pledges, &request), PL_E_OK);
    const Pledged__V1__ListPledgesResponse *got = (void *)w->ret;
    assert_int_equal(got->n_pledge, 48);
    for (size_t i = 0; i < got->n_pledge; i++)
        assert_string_equal(got->pledge[i]->tier, "");
    request.catalogue = (char *)"forum-2026"; /* a free contribution is of no catalogue */
    assert_int_equal(ask(w, query_list_pledges, &request), PL_E_OK);
    assert_int_equal(((Pledged__V1__ListPledgesResponse *)w->ret)->n_pledge, 0);
}

static void test_a_tier_no_longer_offered_is_found_by_its_code(void **state)
{
    struct world *w = *state;
    add_mixture(&w->ledger);
    w->ledger.tier[0].def = -1;
    Pledged__V1__ListPledgesRequest request = PLEDGED__V1__LIST_PLEDGES_REQUEST__INIT;
    request.tier = (char *)"Platine";
    request.catalogue = (char *)"forum-2025";
    assert_int_equal(ask(w, query_list_pledges, &request), PL_E_OK);
    assert_int_equal(((Pledged__V1__ListPledgesResponse *)w->ret)->n_pledge, 48);
}

static void test_wrong_filters_are_refused_by_name(void **state)
{
    struct world *w = *state;
    add_mixture(&w->ledger);
    Pledged__V1__ListPledgesRequest r = PLEDGED__V1__LIST_PLEDGES_REQUEST__INIT;
    const Pledged__V1__ListPledgesRequest empty = r;
    query_fn list = query_list_pledges;
    r.tier = (char *)"bronze";
    assert_refused(w, list, &r, PL_E_INVALID, REASON(TIER_UNKNOWN), "tier");
    r = empty;
    r.catalogue = (char *)"forum-1999";
    assert_refused(w, list, &r, PL_E_NOT_FOUND, REASON(CATALOGUE_UNKNOWN), "catalogue");
    r = empty;
    r.contributor = (char *)"c2";
    assert_refused(w, list, &r, PL_E_INVALID, REASON(FIELD_INVALID), "contributor");
    r.contributor = (char *)"C000009";
    assert_refused(w, list, &r, PL_E_NOT_FOUND, REASON(CONTRIBUTOR_UNKNOWN), "contributor");
    r = empty;
    r.currency = (char *)"chf";
    assert_refused(w, list, &r, PL_E_INVALID, REASON(CURRENCY_UNKNOWN), "currency");
    r = empty;
    r.expires_before_us = -1;
    assert_refused(w, list, &r, PL_E_INVALID, REASON(FIELD_INVALID), "expires_before_us");
    r = empty;
    Pledged__V1__Stage stage = STAGE(UNSPECIFIED);
    r.stage = &stage;
    r.n_stage = 1;
    assert_refused(w, list, &r, PL_E_INVALID, REASON(FIELD_INVALID), "stage");
}

static void test_page_tokens_are_checked(void **state)
{
    struct world *w = *state;
    add_mixture(&w->ledger);
    static const char *const wrong[] = {
        "p",    "p:",    "p:0", "p:01", "p:-1", "x:5",  "p:5 ",
        "p:1a", "p:193", "5",   "c:5",  "P:5",  "p:+1", "p:184467440737095516160005"};
    Pledged__V1__ListPledgesRequest request = PLEDGED__V1__LIST_PLEDGES_REQUEST__INIT;
    for (size_t i = 0; i < PL_COUNT(wrong); i++) {
        request.page_token = (char *)wrong[i];
        assert_refused(w, query_list_pledges, &request, PL_E_INVALID, REASON(FIELD_INVALID),
                       "page_token");
    }
}

static void test_pages_together_hold_every_pledge_once(void **state)
{
    struct world *w = *state;
    add_mixture(&w->ledger);
    Pledged__V1__ListPledgesRequest request;
    fill_filters(&request, 128);
    request.page_size = 7;
    char token[32] = "";
    size_t next = 0, pages = 0;
    do {
        request.page_token = token;
        assert_int_equal(ask(w, query_list_pledges, &request), PL_E_OK);
        const Pledged__V1__ListPledgesResponse *got = (void *)w->ret;
        assert_true(got->n_pledge <= 7);
        for (size_t i = 0; i < got->n_pledge; i++, next++) {
            while (!expected(&w->ledger, &w->ledger.pledge[next], 128))
                next++;
            assert_int_equal(pl_id_parse(got->pledge[i]->pledge, 'P'), next + 1);
        }
        snprintf(token, sizeof(token), "%s", got->next_page_token);
        assert_true(++pages < 100);
    } while (token[0] != '\0');
    for (; next < w->ledger.pledge_count; next++)
        assert_false(expected(&w->ledger, &w->ledger.pledge[next], 128));
    assert_true(pages > 5);
}

static void test_page_sizes_have_a_default_and_a_ceiling(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 1200; i++)
        add_pledge(&w->ledger);
    Pledged__V1__ListPledgesRequest request = PLEDGED__V1__LIST_PLEDGES_REQUEST__INIT;
    assert_int_equal(ask(w, query_list_pledges, &request), PL_E_OK);
    assert_int_equal(((Pledged__V1__ListPledgesResponse *)w->ret)->n_pledge, QUERY_PAGE_DEFAULT);
    request.page_size = UINT32_MAX;
    assert_int_equal(ask(w, query_list_pledges, &request), PL_E_OK);
    assert_int_equal(((Pledged__V1__ListPledgesResponse *)w->ret)->n_pledge, QUERY_PAGE_MAX);
}

static void test_a_scan_that_finds_nothing_stops_with_a_token(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < 2 * QUERY_STEPS_MAX + 5; i++)
        add_pledge(&w->ledger);
    w->ledger.pledge[w->ledger.pledge_count - 1].contributor = 2;
    Pledged__V1__ListPledgesRequest request = PLEDGED__V1__LIST_PLEDGES_REQUEST__INIT;
    request.contributor = (char *)"C000003";
    char token[32] = "";
    for (int page = 0; page < 3; page++) {
        request.page_token = token;
        assert_int_equal(ask(w, query_list_pledges, &request), PL_E_OK);
        const Pledged__V1__ListPledgesResponse *got = (void *)w->ret;
        assert_int_equal(got->n_pledge, page == 2 ? 1 : 0);
        assert_int_equal(got->next_page_token[0] == '\0', page == 2);
        snprintf(token, sizeof(token), "%s", got->next_page_token);
    }
}

static void test_a_small_arena_makes_small_pages(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < 300; i++)
        add_pledge(&w->ledger);
    Pledged__V1__ListPledgesRequest request = PLEDGED__V1__LIST_PLEDGES_REQUEST__INIT;
    request.page_size = 300;
    pl_arena_fini(&w->arena);
    pl_arena_init(&w->arena, 64 << 10);
    char token[32] = "";
    size_t rows = 0, pages = 0;
    do {
        request.page_token = token;
        assert_int_equal(ask(w, query_list_pledges, &request), PL_E_OK);
        const Pledged__V1__ListPledgesResponse *got = (void *)w->ret;
        rows += got->n_pledge;
        assert_true(w->arena.used <= 40 << 10); /* the other half is for packing */
        snprintf(token, sizeof(token), "%s", got->next_page_token);
        assert_true(++pages < 300);
    } while (token[0] != '\0');
    assert_int_equal(rows, 300);
    assert_true(pages > 2);
}

static void test_an_arena_without_room_for_one_row_is_too_big(void **state)
{
    struct world *w = *state;
    add_pledge(&w->ledger);
    add_payment(&w->ledger, 0, 5, 0, "CHF");
    Pledged__V1__ListPledgesRequest pledges = PLEDGED__V1__LIST_PLEDGES_REQUEST__INIT;
    Pledged__V1__ListPaymentsRequest payments = PLEDGED__V1__LIST_PAYMENTS_REQUEST__INIT;
    Pledged__V1__ListDocumentsRequest documents = PLEDGED__V1__LIST_DOCUMENTS_REQUEST__INIT;
    Pledged__V1__GetPledgeRequest one = PLEDGED__V1__GET_PLEDGE_REQUEST__INIT;
    Pledged__V1__ListContributorsRequest contributors =
        PLEDGED__V1__LIST_CONTRIBUTORS_REQUEST__INIT;
    one.pledge = (char *)"P000001";
    const struct {
        query_fn query;
        const void *request;
    } cases[] = {{query_list_pledges, &pledges},
                 {query_list_payments, &payments},
                 {query_list_documents, &documents},
                 {query_list_contributors, &contributors},
                 {query_get_pledge, &one}};
    struct query_log log = {log_read, w};
    for (size_t c = 0; c < PL_COUNT(cases); c++) {
        bool refused = false, answered = false;
        for (size_t budget = 16; budget < 4096; budget += 16) {
            struct pl_arena arena PL_CLEANUP(pl_arena_fini);
            pl_arena_init(&arena, budget);
            ProtobufCMessage *ret = NULL;
            Pledged__V1__Refusal *refusal = NULL;
            enum pl_code code =
                cases[c].query(&w->ledger, &log, cases[c].request, &arena, &ret, &refusal);
            assert_true(code == PL_E_OK || code == PL_E_TOO_BIG);
            refused = refused || code == PL_E_TOO_BIG;
            answered = answered || code == PL_E_OK;
            if (code == PL_E_OK) /* whatever fitted is whole */
                assert_true(protobuf_c_message_get_packed_size(ret) > 0);
        }
        assert_true(refused && answered);
    }
}

/* --- contributors --- */

static size_t count_contributors(struct world *w, int kind, const char *part)
{
    Pledged__V1__ListContributorsRequest request = PLEDGED__V1__LIST_CONTRIBUTORS_REQUEST__INIT;
    request.kind = (Pledged__V1__ContributorKind)kind;
    request.name_contains = (char *)part;
    assert_int_equal(ask(w, query_list_contributors, &request), PL_E_OK);
    return ((Pledged__V1__ListContributorsResponse *)w->ret)->n_contributor;
}

static void test_contributors_are_found_by_kind_and_part_of_the_name(void **state)
{
    struct world *w = *state;
    assert_int_equal(count_contributors(w, 0, ""), 3);
    assert_int_equal(count_contributors(w, 0, "acme net"), 1);
    assert_int_equal(count_contributors(w, 0, "SA"), 1);
    assert_int_equal(count_contributors(w, 0, "ångstr"), 1);
    assert_int_equal(count_contributors(w, 0, "angstrom INST"), 1); /* nobody types it all */
    assert_int_equal(count_contributors(w, 0, "A\xcc\x8angstro\xcc\x88m"), 1); /* decomposed */
    assert_int_equal(count_contributors(w, 0, "\xc3"), 0); /* not a letter, and not found in one */
    assert_int_equal(count_contributors(w, 0, "ö"), 3);
    assert_int_equal(count_contributors(w, 0, "ÅngSTRö"), 1);
    assert_int_equal(count_contributors(w, 0, "ACME Networks SA and more"), 0);
    assert_int_equal(count_contributors(w, 0, "e"), 3);
    assert_int_equal(count_contributors(w, 1, "e"), 1);
    const Pledged__V1__ContributorStatus *got =
        ((Pledged__V1__ListContributorsResponse *)w->ret)->contributor[0];
    assert_string_equal(got->contributor, "C000002");
    assert_string_equal(got->name, "Republic of Examples");
    assert_string_equal(got->country, "CH");
    assert_string_equal(got->itu_membership, "associate");
    assert_int_equal(got->live_pledges, 3);
    assert_int_equal(got->seq, 2);
    assert_int_equal(count_contributors(w, 3, ""), 0);
}

static void test_contributors_are_paged(void **state)
{
    struct world *w = *state;
    Pledged__V1__ListContributorsRequest request = PLEDGED__V1__LIST_CONTRIBUTORS_REQUEST__INIT;
    request.page_size = 2;
    assert_int_equal(ask(w, query_list_contributors, &request), PL_E_OK);
    const Pledged__V1__ListContributorsResponse *got = (void *)w->ret;
    assert_int_equal(got->n_contributor, 2);
    assert_string_equal(got->next_page_token, "c:2");
    request.page_token = (char *)"c:2";
    assert_int_equal(ask(w, query_list_contributors, &request), PL_E_OK);
    got = (void *)w->ret;
    assert_int_equal(got->n_contributor, 1);
    assert_string_equal(got->contributor[0]->contributor, "C000003");
    assert_string_equal(got->next_page_token, "");
    request.page_token = (char *)"p:2";
    assert_refused(w, query_list_contributors, &request, PL_E_INVALID, REASON(FIELD_INVALID),
                   "page_token");
}

/* --- payments --- */

static void add_some_payments(struct world *w)
{
    add_pledge(&w->ledger);
    add_pledge(&w->ledger);
    add_payment(&w->ledger, 0, 100, 100, "CHF");
    add_payment(&w->ledger, 1, 100, 40, "CHF");
    add_payment(&w->ledger, 0, 100, 0, "EUR");
    add_payment(&w->ledger, 1, 100, 0, "CHF");
    w->ledger.bank_entry[3].reversed = 1;
    w->ledger.bank_entry[2].confirmed = 1;
    w->ledger.bank_entry[2].bank_ref = add_text(&w->ledger, "BANK-7");
}

static const Pledged__V1__ListPaymentsResponse *payments(struct world *w, const char *pledge,
                                                         bool unallocated, const char *currency)
{
    Pledged__V1__ListPaymentsRequest request = PLEDGED__V1__LIST_PAYMENTS_REQUEST__INIT;
    request.pledge = (char *)pledge;
    request.unallocated_only = unallocated;
    request.currency = (char *)currency;
    assert_int_equal(ask(w, query_list_payments, &request), PL_E_OK);
    return (void *)w->ret;
}

static void test_payments_are_filtered(void **state)
{
    struct world *w = *state;
    add_some_payments(w);
    assert_int_equal(payments(w, "", false, "")->n_payment, 4);
    assert_int_equal(payments(w, "P000001", false, "")->n_payment, 2);
    assert_int_equal(payments(w, "P000002", true, "")->n_payment, 1); /* reversed money is gone */
    assert_int_equal(payments(w, "", true, "")->n_payment, 2);
    assert_int_equal(payments(w, "P000001", true, "CHF")->n_payment, 0);
    const Pledged__V1__ListPaymentsResponse *got = payments(w, "P000001", true, "EUR");
    assert_int_equal(got->n_payment, 1);
    assert_string_equal(got->payment[0]->bank_entry, "B000003");
    assert_string_equal(got->payment[0]->bank_ref, "BANK-7");
    assert_string_equal(got->payment[0]->amount->currency, "EUR");
    assert_int_equal(got->payment[0]->allocated->minor, 0);
    assert_true(got->payment[0]->confirmed);
    assert_false(got->payment[0]->reversed);
    assert_int_equal(got->payment[0]->seq, 102);
}

static void test_one_payment(void **state)
{
    struct world *w = *state;
    add_some_payments(w);
    Pledged__V1__ListPaymentsRequest request = PLEDGED__V1__LIST_PAYMENTS_REQUEST__INIT;
    request.bank_entry = (char *)"B000003";
    assert_int_equal(ask(w, query_list_payments, &request), PL_E_OK);
    const Pledged__V1__ListPaymentsResponse *got = (void *)w->ret;
    assert_int_equal(got->n_payment, 1);
    assert_string_equal(got->payment[0]->bank_entry, "B000003");
    assert_string_equal(got->next_page_token, "");
    w->ledger.bank_entry[2].debit = 1; /* named, it is told */
    assert_int_equal(payments(w, "P000001", false, "")->n_payment, 1);
    assert_int_equal(ask(w, query_list_payments, &request), PL_E_OK);
    assert_true(((Pledged__V1__ListPaymentsResponse *)w->ret)->payment[0]->debit);
    request.pledge = (char *)"P000002"; /* filters combine */
    assert_int_equal(ask(w, query_list_payments, &request), PL_E_OK);
    assert_int_equal(((Pledged__V1__ListPaymentsResponse *)w->ret)->n_payment, 0);
    request.bank_entry = (char *)"B000009";
    assert_refused(w, query_list_payments, &request, PL_E_NOT_FOUND, REASON(BANK_ENTRY_UNKNOWN),
                   "bank_entry");
}

static void test_payments_are_paged_along_one_pledge(void **state)
{
    struct world *w = *state;
    add_some_payments(w);
    Pledged__V1__ListPaymentsRequest request = PLEDGED__V1__LIST_PAYMENTS_REQUEST__INIT;
    request.pledge = (char *)"P000001";
    request.page_size = 1;
    assert_int_equal(ask(w, query_list_payments, &request), PL_E_OK);
    assert_string_equal(((Pledged__V1__ListPaymentsResponse *)w->ret)->next_page_token, "b:2");
    request.page_token = (char *)"b:2";
    assert_int_equal(ask(w, query_list_payments, &request), PL_E_OK);
    const Pledged__V1__ListPaymentsResponse *got = (void *)w->ret;
    assert_int_equal(got->n_payment, 1);
    assert_string_equal(got->payment[0]->bank_entry, "B000003");
    assert_string_equal(got->next_page_token, "");
    request.pledge = (char *)"P000002"; /* the place is another pledge's */
    assert_refused(w, query_list_payments, &request, PL_E_INVALID, REASON(FIELD_INVALID),
                   "page_token");
    request.page_token = (char *)"b:4";
    assert_refused(w, query_list_payments, &request, PL_E_INVALID, REASON(FIELD_INVALID),
                   "page_token");
    request.page_token = (char *)"";
    request.pledge = (char *)"P000077";
    assert_refused(w, query_list_payments, &request, PL_E_NOT_FOUND, REASON(PLEDGE_UNKNOWN),
                   "pledge");
}

/* --- history --- */

static Pledged__V1__Entry *new_entry(uint64_t seq, uint64_t prev_seq)
{
    static Pledged__V1__Entry entry;
    pledged__v1__entry__init(&entry);
    entry.seq = seq;
    entry.prev_seq = prev_seq;
    return &entry;
}

static void log_entry(struct world *w, const Pledged__V1__Entry *entry)
{
    w->log[entry->seq] = pl_pack(&entry->base, &w->making);
    assert_non_null(w->log[entry->seq].data);
}

static void log_extended(struct world *w, uint64_t seq, uint64_t prev_seq, const char *pledge)
{
    Pledged__V1__HoldExtended fact = PLEDGED__V1__HOLD_EXTENDED__INIT;
    Pledged__V1__Entry *entry = new_entry(seq, prev_seq);
    fact.pledge = (char *)pledge;
    fact.expires_us = (int64_t)seq;
    entry->fact_case = PLEDGED__V1__ENTRY__FACT_HOLD_EXTENDED;
    entry->hold_extended = &fact;
    log_entry(w, entry);
}

/* P000001 at 2 5 9 10 14 20, P000002 at the other places from 3 to 21. */
static void add_histories(struct world *w)
{
    static const uint64_t mine[] = {2, 5, 9, 10, 14, 20};
    uint64_t last_mine = 0, last_other = 0;
    add_pledge(&w->ledger);
    add_pledge(&w->ledger);
    for (uint64_t seq = 1, next = 0; seq <= 21; seq++) {
        bool is_mine = next < PL_COUNT(mine) && seq == mine[next];
        if (seq == 1)
            continue;
        log_extended(w, seq, is_mine ? last_mine : last_other, is_mine ? "P000001" : "P000002");
        *(is_mine ? &last_mine : &last_other) = seq;
        next += is_mine;
    }
    w->ledger.pledge[0].first_seq = 2;
    w->ledger.pledge[0].last_seq = 20;
    w->ledger.pledge[1].first_seq = 3;
    w->ledger.pledge[1].last_seq = 21;
}

static void assert_history(struct world *w, uint64_t before, uint32_t size, const uint64_t *want,
                           size_t count, uint64_t earlier)
{
    Pledged__V1__GetHistoryRequest request = PLEDGED__V1__GET_HISTORY_REQUEST__INIT;
    request.pledge = (char *)"P000001";
    request.before_seq = before;
    request.page_size = size;
    assert_int_equal(ask(w, query_get_history, &request), PL_E_OK);
    const Pledged__V1__GetHistoryResponse *got = (void *)w->ret;
    assert_int_equal(got->n_entry, count);
    for (size_t i = 0; i < count; i++)
        assert_true(pl_slice_eq(pl_slice(got->entry[i].data, got->entry[i].len), w->log[want[i]]));
    assert_int_equal(got->earlier_before_seq, earlier);
    assert_int_equal(got->as_of_seq, 500);
}

static void test_history_is_oldest_first_and_paged_backwards(void **state)
{
    struct world *w = *state;
    add_histories(w);
    assert_history(w, 0, 0, (uint64_t[]){2, 5, 9, 10, 14, 20}, 6, 0);
    assert_history(w, 0, 4, (uint64_t[]){9, 10, 14, 20}, 4, 6);
    w->reads = 0;
    assert_history(w, 6, 4, (uint64_t[]){2, 5}, 2, 0);
    assert_true(w->reads <= 3); /* going on does not walk again */
    assert_history(w, 0, 6, (uint64_t[]){2, 5, 9, 10, 14, 20}, 6, 0);
}

static void test_history_before_any_seq(void **state)
{
    struct world *w = *state;
    add_histories(w);
    static const uint64_t mine[] = {2, 5, 9, 10, 14, 20};
    for (uint64_t before = 1; before <= 30; before++) {
        size_t count = 0;
        while (count < PL_COUNT(mine) && mine[count] < before)
            count++;
        assert_history(w, before, 0, mine, count, 0);
        if (count > 1) /* and one at a time */
            assert_history(w, before, 1, &mine[count - 1], 1, mine[count - 2] + 1);
    }
}

static void test_history_ends_a_page_when_half_the_arena_is_used(void **state)
{
    struct world *w = *state;
    add_histories(w);
    pl_arena_fini(&w->arena);
    pl_arena_init(&w->arena, 6000); /* the array of a default page alone is a part of it */
    Pledged__V1__GetHistoryRequest request = PLEDGED__V1__GET_HISTORY_REQUEST__INIT;
    request.pledge = (char *)"P000001";
    request.page_size = 190;
    assert_int_equal(ask(w, query_get_history, &request), PL_E_OK);
    const Pledged__V1__GetHistoryResponse *got = (void *)w->ret;
    assert_int_equal(got->n_entry, 1);
    assert_int_equal(got->earlier_before_seq, 15);
}

static void test_refusals_beside_the_chain_do_not_lead_astray(void **state)
{
    struct world *w = *state;
    add_histories(w);
    Pledged__V1__CommandRefused fact = PLEDGED__V1__COMMAND_REFUSED__INIT;
    Pledged__V1__Entry *entry = new_entry(12, 0);
    fact.pledge = (char *)"P000001";
    entry->fact_case = PLEDGED__V1__ENTRY__FACT_COMMAND_REFUSED;
    entry->command_refused = &fact;
    log_entry(w, entry);
    assert_history(w, 13, 0, (uint64_t[]){2, 5, 9, 10}, 4, 0);
}

static void test_history_hands_damage_and_failures_through(void **state)
{
    struct world *w = *state;
    add_histories(w);
    Pledged__V1__GetHistoryRequest request = PLEDGED__V1__GET_HISTORY_REQUEST__INIT;
    request.pledge = (char *)"P000001";
    w->log_fails = PL_E_IO;
    assert_int_equal(ask(w, query_get_history, &request), PL_E_IO);
    w->log_fails = PL_E_OK;
    log_extended(w, 14, 14, "P000001"); /* a chain that does not descend */
    assert_int_equal(ask(w, query_get_history, &request), PL_E_CORRUPT);
    w->log[14] = w->log[13]; /* the wrong entry in this place */
    assert_int_equal(ask(w, query_get_history, &request), PL_E_CORRUPT);
    request.pledge = (char *)"P000003";
    assert_refused(w, query_get_history, &request, PL_E_NOT_FOUND, REASON(PLEDGE_UNKNOWN),
                   "pledge");
}

/* --- benefits --- */

static const Pledged__V1__ListBenefitsResponse *benefits(struct world *w, const char *pledge)
{
    Pledged__V1__ListBenefitsRequest request = PLEDGED__V1__LIST_BENEFITS_REQUEST__INIT;
    request.of_case = PLEDGED__V1__LIST_BENEFITS_REQUEST__OF_PLEDGE;
    request.pledge = (char *)pledge;
    assert_int_equal(ask(w, query_pledge_benefits, &request), PL_E_OK);
    return (void *)w->ret;
}

static void test_benefits_of_a_pledge_outlive_the_catalogue(void **state)
{
    struct world *w = *state;
    struct state_pledge *p = add_pledge(&w->ledger);
    p->tier = 3;
    p->first_seq = p->last_seq = 50;
    const Pledged__V1__ListBenefitsResponse *got = benefits(w, "P000001");
    for (size_t i = 0; i < w->ledger.catalogue_count; i++)
        catalogue_unref(w->ledger.catalogue[i].current);
    w->ledger.catalogue_count = 0;
    assert_string_equal(got->catalogue, "forum-2026");
    assert_int_equal(got->catalogue_version, 2);
    assert_int_equal(got->n_benefit, 2);
    assert_string_equal(got->benefit[0]->code, "VIS1"); /* the benefits' order, not the grants' */
    assert_int_equal(got->benefit[0]->quantity, 5);
    assert_string_equal(got->benefit[1]->code, "VIS6");
    assert_int_equal(got->benefit[1]->quantity, 12);
    assert_int_equal(got->benefit[1]->unit, PLEDGED__V1__UNIT__UNIT_SEAT);
    assert_string_equal(got->benefit[1]->tier, "platine");
    assert_string_equal(got->benefit[1]->section, "VIS");
    assert_string_equal(got->benefit[1]->section_label[0]->text, "Étiquette");
    assert_string_equal(got->benefit[1]->label[0]->text, "Étiquette");
    assert_int_equal(got->benefit[1]->phase, PLEDGED__V1__PHASE__PHASE_DURING);
}

/* Version 1 was in force since 10, the pledge made at 20, signed at 30; version 2 is in force since
 * 40. */
static struct state_pledge *add_commitment(struct world *w)
{
    struct pl_slice bytes;
    uint32_t index = 0;
    struct state_pledge *p = add_pledge(&w->ledger);
    p->tier = 3;
    p->stage = STAGE(COMMITTED);
    p->first_seq = 20;
    p->last_seq = 44;
    apply_older(&w->ledger.catalogue[w->ledger.tier[3].catalogue],
                make_catalogue("forum-2026", 1, 7, 10, &bytes, &w->making));
    benefit_freeze(&w->ledger, index, 30);
    return p;
}

static void test_a_commitment_keeps_the_catalogue_it_froze(void **state)
{
    struct world *w = *state;
    struct state_pledge *p = add_commitment(w);
    const Pledged__V1__ListBenefitsResponse *got = benefits(w, "P000001");
    assert_int_equal(got->catalogue_version, 1);
    assert_int_equal(got->n_benefit, 2);
    assert_int_equal(got->benefit[1]->quantity, 7);
    p->stage = STAGE(PLEDGED); /* nothing is frozen yet */
    got = benefits(w, "P000001");
    assert_int_equal(got->catalogue_version, 2);
    assert_int_equal(got->benefit[1]->quantity, 12);
}

static void test_a_change_of_tier_freezes_anew(void **state)
{
    struct world *w = *state;
    add_commitment(w);
    benefit_freeze(&w->ledger, 0, 42);
    assert_int_equal(benefits(w, "P000001")->catalogue_version, 2);
}

static void test_no_benefits_where_none_are_due(void **state)
{
    struct world *w = *state;
    struct state_pledge *p = add_pledge(&w->ledger);
    assert_int_equal(benefits(w, "P000001")->n_benefit, 0); /* a free contribution */
    assert_string_equal(benefits(w, "P000001")->catalogue, "");
    p->tier = 3;
    p->first_seq = 50;
    static const struct {
        uint8_t stage;
        size_t count;
    } cases[] = {{STAGE(WAITING), 2}, {STAGE(HELD), 2},      {STAGE(PLEDGED), 2},
                 {STAGE(EXPIRED), 0}, {STAGE(WITHDRAWN), 0}, {STAGE(CANCELLED), 0}};
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        p->stage = cases[i].stage;
        assert_int_equal(benefits(w, "P000001")->n_benefit, cases[i].count);
    }
    p->stage = STAGE(PLEDGED);
    p->tier = 5; /* a tier without grants */
    assert_int_equal(benefits(w, "P000001")->n_benefit, 0);
    assert_string_equal(benefits(w, "P000001")->catalogue, "forum-2026");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_pledge_id_must_be_canonical_and_known),
        CASE(test_pledge_shows_amounts_outstanding_and_unallocated),
        CASE(test_held_pledge_has_an_end_and_no_amount),
        CASE(test_nothing_is_outstanding_on_a_cancelled_pledge),
        CASE(test_waiting_position_is_the_place_in_the_queue),
        CASE(test_waiting_position_of_an_endless_queue_is_unknown),
        CASE(test_pledge_shows_its_newest_hundred_payments_newest_last),
        CASE(test_payments_of_a_chain_too_long_to_walk_are_the_newest),
        CASE(test_filters_combine_in_every_way),
        CASE(test_free_contributions_are_a_tier_of_their_own),
        CASE(test_a_tier_no_longer_offered_is_found_by_its_code),
        CASE(test_wrong_filters_are_refused_by_name),
        CASE(test_page_tokens_are_checked),
        CASE(test_pages_together_hold_every_pledge_once),
        CASE(test_page_sizes_have_a_default_and_a_ceiling),
        CASE(test_a_scan_that_finds_nothing_stops_with_a_token),
        CASE(test_a_small_arena_makes_small_pages),
        CASE(test_an_arena_without_room_for_one_row_is_too_big),
        CASE(test_contributors_are_found_by_kind_and_part_of_the_name),
        CASE(test_contributors_are_paged),
        CASE(test_payments_are_filtered),
        CASE(test_one_payment),
        CASE(test_payments_are_paged_along_one_pledge),
        CASE(test_history_is_oldest_first_and_paged_backwards),
        CASE(test_history_before_any_seq),
        CASE(test_history_ends_a_page_when_half_the_arena_is_used),
        CASE(test_refusals_beside_the_chain_do_not_lead_astray),
        CASE(test_history_hands_damage_and_failures_through),
        CASE(test_benefits_of_a_pledge_outlive_the_catalogue),
        CASE(test_a_commitment_keeps_the_catalogue_it_froze),
        CASE(test_a_change_of_tier_freezes_anew),
        CASE(test_no_benefits_where_none_are_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
