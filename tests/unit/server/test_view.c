/* SPDX-License-Identifier: Apache-2.0
 *
 * test_view: what readers see: slots as of a moment, kept deadlines, sharing, benefits and their
 * sums, totals, status. The state is made by hand, so that a mistake in apply cannot hide one here.
 */
// clang-format off
#include "server/view.h"

#include "common/check.h"
#include "common/money.h"
#include "common/scan.h"
#include "server/ledger/state.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

#define STAGE(name)  PLEDGED__V1__STAGE__STAGE_##name
#define REASON(name) PLEDGED__V1__REASON__REASON_##name

/* tiers of the catalogue, in this order */
enum { DIAMANT, PLATINE, ARGENT, APPUI, TIERS };
enum { BIG_CAPACITY = 100000 };

struct world {
    struct ledger ledger;
    struct pl_arena arena, making;
    struct view_log log;
    struct view *view;
    bool writable, expiry_stopped;
    ProtobufCMessage *ret;
    Pledged__V1__Refusal *refusal;
};

static Pledged__V1__Text label = PLEDGED__V1__TEXT__INIT;
static Pledged__V1__Text *labels[] = {&label};

static void *fresh(struct world *w, const ProtobufCMessageDescriptor *type)
{
    void *message = pl_arena_alloc(&w->making, type->sizeof_message);
    assert_non_null(message);
    protobuf_c_message_init(type, message);
    return message;
}

static void add_tier(struct world *w, Pledged__V1__Catalogue *c, const char *code, int64_t capacity)
{
    Pledged__V1__Tier *tier = fresh(w, &pledged__v1__tier__descriptor);
    tier->code = (char *)code;
    tier->group = (char *)"partner";
    tier->label = labels;
    tier->n_label = 1;
    tier->capacity = fresh(w, &pledged__v1__count__descriptor);
    tier->capacity->value_case =
        capacity < 0 ? PLEDGED__V1__COUNT__VALUE_UNLIMITED : PLEDGED__V1__COUNT__VALUE_COUNT;
    if (capacity < 0)
        tier->capacity->unlimited = true;
    else
        tier->capacity->count = capacity;
    tier->price_case =
        capacity < 0 ? PLEDGED__V1__TIER__PRICE_ON_REQUEST : PLEDGED__V1__TIER__PRICE_AMOUNT;
    if (capacity < 0) {
        tier->on_request = true;
    } else {
        tier->amount = fresh(w, &pledged__v1__money__descriptor);
        tier->amount->minor = 15000000;
        tier->amount->currency = (char *)"CHF";
    }
    c->tier[c->n_tier++] = tier;
}

static void add_grant(struct world *w, Pledged__V1__Catalogue *c, const char *tier,
                      const char *benefit, int64_t quantity, Pledged__V1__Unit unit,
                      const char *attributes[4])
{
    Pledged__V1__Grant *grant = fresh(w, &pledged__v1__grant__descriptor);
    grant->tier = (char *)tier;
    grant->benefit = (char *)benefit;
    grant->quantity = quantity;
    grant->unit = unit;
    grant->note = labels;
    grant->n_note = 1;
    grant->attribute = pl_arena_alloc(&w->making, 2 * sizeof(void *));
    for (size_t i = 0; attributes != NULL && i < 4 && attributes[i] != NULL; i += 2) {
        Pledged__V1__Attribute *attribute = fresh(w, &pledged__v1__attribute__descriptor);
        attribute->name = (char *)attributes[i];
        attribute->value = (char *)attributes[i + 1];
        grant->attribute[grant->n_attribute++] = attribute;
    }
    c->grant[c->n_grant++] = grant;
}

static void fill_grants(struct world *w, Pledged__V1__Catalogue *c)
{
    const Pledged__V1__Unit minute = PLEDGED__V1__UNIT__UNIT_MINUTE;
    const Pledged__V1__Unit stand = PLEDGED__V1__UNIT__UNIT_STAND;
    const Pledged__V1__Unit once = PLEDGED__V1__UNIT__UNIT_ONCE;
    const char *main_prime[4] = {"stage", "main", "slot", "prime"};
    const char *main_late[4] = {"stage", "main", "slot", "late"};
    const char *xl[4] = {"size", "xl", "place", "prime"};
    const char *s[4] = {"size", "s", "place", "standard"};
    c->grant = pl_arena_alloc(&w->making, 16 * sizeof(void *));
    add_grant(w, c, "appui", "PRO1", 1, once, NULL);
    add_grant(w, c, "diamant", "VIS1", 7, minute, main_prime);
    add_grant(w, c, "platine", "VIS1", 5, minute, main_late);
    add_grant(w, c, "diamant", "EXH1", 1, stand, xl);
    add_grant(w, c, "platine", "EXH1", 1, stand, xl);
    add_grant(w, c, "appui", "EXH1", 1, stand, s);
    add_grant(w, c, "platine", "PRO1", 1, once, NULL);
}

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

static struct catalogue *make_catalogue(struct world *w, uint32_t version)
{
    static const char *const benefits[] = {"VIS1", "EXH1", "PRO1"};
    Pledged__V1__Catalogue c = PLEDGED__V1__CATALOGUE__INIT;
    label.lang = (char *)"fr";
    label.text = (char *)"Étiquette";
    c.code = (char *)"forum";
    c.version = version;
    c.tier = pl_arena_alloc(&w->making, TIERS * sizeof(void *));
    add_tier(w, &c, "diamant", 1);
    add_tier(w, &c, "platine", 3);
    add_tier(w, &c, "argent", BIG_CAPACITY);
    add_tier(w, &c, "appui", -1);
    c.tier[PLATINE]->alias = pl_arena_alloc(&w->making, sizeof(char *));
    c.tier[PLATINE]->alias[0] = (char *)"platinum";
    c.tier[PLATINE]->n_alias = 1;
    c.group = pl_arena_alloc(&w->making, sizeof(void *));
    c.group[0] = fresh(w, &pledged__v1__group__descriptor);
    c.group[0]->code = (char *)"partner";
    c.group[0]->label = labels;
    c.group[0]->n_label = 1;
    c.n_group = 1;
    c.section = pl_arena_alloc(&w->making, sizeof(void *));
    c.section[0] = fresh(w, &pledged__v1__section__descriptor);
    c.section[0]->code = (char *)"all";
    c.section[0]->label = labels;
    c.section[0]->n_label = 1;
    c.n_section = 1;
    c.benefit = pl_arena_alloc(&w->making, 3 * sizeof(void *));
    for (size_t i = 0; i < 3; i++) {
        c.benefit[i] = fresh(w, &pledged__v1__benefit__descriptor);
        c.benefit[i]->code = (char *)benefits[i];
        c.benefit[i]->section = (char *)"all";
        c.benefit[i]->label = labels;
        c.benefit[i]->n_label = 1;
    }
    c.n_benefit = 3;
    fill_grants(w, &c);
    add_frame(&c, labels);
    struct catalogue *ret = NULL;
    assert_true(pl_is_ok(catalogue_new(pl_pack(&c.base, &w->making), 5, &ret)));
    return ret;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct ledger *l = &w->ledger;
    pl_arena_init(&w->arena, 4 << 20);
    pl_arena_init(&w->making, 4 << 20);
    w->writable = true;
    w->log = (struct view_log){.size = 90, .batches = 12, .epoch = 3};
    l->size = 90;
    l->last_time_us = 5000;
    l->catalogue = calloc(1, sizeof(*l->catalogue));
    l->catalogue_count = 1;
    l->catalogue[0].current = make_catalogue(w, 4);
    l->tier = calloc(TIERS, sizeof(*l->tier));
    l->tier_count = TIERS;
    for (int i = 0; i < TIERS; i++) {
        const Pledged__V1__Tier *def = l->catalogue[0].current->msg->tier[i];
        l->tier[i].def = i;
        l->tier[i].capacity = def->capacity->value_case == PLEDGED__V1__COUNT__VALUE_COUNT
                                  ? def->capacity->count
                                  : -1;
        l->tier[i].wait_first = l->tier[i].wait_last = STATE_NONE;
        snprintf(l->tier[i].code, sizeof(l->tier[i].code), "%s", def->code);
    }
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    struct ledger *l = &w->ledger;
    view_unref(w->view);
    for (size_t i = 0; i < l->catalogue_count; i++)
        catalogue_unref(l->catalogue[i].current);
    for (int d = 0; d < STATE_DIMENSIONS; d++)
        free(l->tally[d].line);
    free(l->catalogue);
    free(l->tier);
    free(l->pledge);
    free(l->due);
    pl_arena_fini(&w->arena);
    pl_arena_fini(&w->making);
    free(w);
    return 0;
}

/* A running hold. The order of `due` is no heap here: the view must not rely on it being one. */
static uint32_t add_hold(struct ledger *l, uint16_t tier, int64_t expires_us)
{
    l->pledge = realloc(l->pledge, (l->pledge_count + 1) * sizeof(*l->pledge));
    l->due = realloc(l->due, (l->due_count + 1) * sizeof(*l->due));
    uint32_t index = (uint32_t)l->pledge_count++;
    l->pledge[index] = (struct state_pledge){
        .stage = STAGE(HELD), .tier = tier, .expires_us = expires_us, .currency = -1};
    l->due[l->due_count++] = index;
    l->tier[tier].held++;
    return index;
}

static void end_hold(struct ledger *l, uint32_t pledge, uint8_t stage)
{
    size_t i = 0;
    while (l->due[i] != pledge)
        i++;
    l->due[i] = l->due[--l->due_count];
    l->pledge[pledge].stage = stage;
    l->tier[l->pledge[pledge].tier].held--;
}

static void renew(struct world *w)
{
    struct view *next =
        view_new(&w->ledger, &w->log, w->writable, "the disk is full", w->expiry_stopped, w->view);
    view_unref(w->view);
    w->view = next;
}

static const Pledged__V1__TierStatus *get_tier(struct world *w, const char *code, int64_t now_us)
{
    Pledged__V1__GetTierRequest request = PLEDGED__V1__GET_TIER_REQUEST__INIT;
    request.tier = (char *)code;
    assert_int_equal(view_get_tier(w->view, now_us, &request, &w->arena, &w->ret, &w->refusal),
                     PL_E_OK);
    return ((Pledged__V1__GetTierResponse *)w->ret)->tier;
}

static int64_t remaining(struct world *w, const char *code, int64_t now_us)
{
    const Pledged__V1__TierStatus *tier = get_tier(w, code, now_us);
    assert_int_equal(tier->remaining->value_case, PLEDGED__V1__COUNT__VALUE_COUNT);
    return tier->remaining->count;
}

/* --- tiers --- */

static void test_tiers_show_counts_prices_and_what_is_left(void **state)
{
    struct world *w = *state;
    struct state_tier *t = w->ledger.tier;
    t[PLATINE].pledged = 1;
    t[PLATINE].committed = 1;
    t[PLATINE].closed = 1;
    t[PLATINE].waiting = 2;
    t[APPUI].held = 4;
    renew(w);
    Pledged__V1__ListTiersRequest request = PLEDGED__V1__LIST_TIERS_REQUEST__INIT;
    assert_int_equal(view_list_tiers(w->view, 123, &request, &w->arena, &w->ret, &w->refusal),
                     PL_E_OK);
    const Pledged__V1__ListTiersResponse *got = (void *)w->ret;
    assert_int_equal(got->as_of_seq, 90);
    assert_int_equal(got->as_of_time_us, 123);
    assert_string_equal(got->catalogue, "forum");
    assert_int_equal(got->catalogue_version, 4);
    assert_int_equal(got->n_tier, TIERS);
    const Pledged__V1__TierStatus *platine = got->tier[PLATINE];
    assert_string_equal(platine->code, "platine");
    assert_string_equal(platine->group, "partner");
    assert_string_equal(platine->label[0]->text, "Étiquette");
    assert_int_equal(platine->price_case, PLEDGED__V1__TIER_STATUS__PRICE_AMOUNT);
    assert_int_equal(platine->amount->minor, 15000000);
    assert_int_equal(platine->capacity->count, 3);
    assert_int_equal(platine->pledged, 1);
    assert_int_equal(platine->committed, 2);
    assert_int_equal(platine->waiting, 2);
    /* sold out is a count of zero, said in so many words */
    assert_int_equal(platine->remaining->value_case, PLEDGED__V1__COUNT__VALUE_COUNT);
    assert_int_equal(platine->remaining->count, 0);
    const Pledged__V1__TierStatus *appui = got->tier[APPUI];
    assert_int_equal(appui->price_case, PLEDGED__V1__TIER_STATUS__PRICE_ON_REQUEST);
    assert_true(appui->on_request);
    assert_int_equal(appui->held, 4);
    assert_int_equal(appui->capacity->value_case, PLEDGED__V1__COUNT__VALUE_UNLIMITED);
    assert_int_equal(appui->remaining->value_case, PLEDGED__V1__COUNT__VALUE_UNLIMITED);
    assert_true(appui->remaining->unlimited);
    assert_int_equal(got->tier[DIAMANT]->remaining->count, 1);
}

static void test_a_slot_is_free_from_the_deadline_of_its_hold_on(void **state)
{
    struct world *w = *state;
    add_hold(&w->ledger, PLATINE, 2000);
    add_hold(&w->ledger, PLATINE, 1000);
    w->ledger.tier[PLATINE].committed = 1;
    renew(w);
    static const struct {
        int64_t now, remaining, held;
    } cases[] = {{0, 0, 2}, {999, 0, 2}, {1000, 1, 1}, {1999, 1, 1}, {2000, 2, 0}, {9999, 2, 0}};
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        assert_int_equal(remaining(w, "platine", cases[i].now), cases[i].remaining);
        assert_int_equal(get_tier(w, "Platinum", cases[i].now)->held, cases[i].held);
    }
}

static void test_a_slot_that_ends_goes_to_the_queue_first(void **state)
{
    struct world *w = *state;
    add_hold(&w->ledger, PLATINE, 1000);
    add_hold(&w->ledger, PLATINE, 1500);
    add_hold(&w->ledger, PLATINE, 2000);
    w->ledger.tier[PLATINE].waiting = 2;
    renew(w);
    static const struct {
        int64_t now, remaining, held, waiting;
    } cases[] = {{0, 0, 3, 2}, {1000, 0, 3, 1}, {1500, 0, 3, 0}, {2000, 1, 2, 0}};
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        const Pledged__V1__TierStatus *tier = get_tier(w, "platine", cases[i].now);
        assert_int_equal(tier->remaining->count, cases[i].remaining);
        assert_int_equal(tier->held, cases[i].held);
        assert_int_equal(tier->waiting, cases[i].waiting);
    }
}

static void test_no_hold_ends_while_expiry_is_stopped(void **state)
{
    struct world *w = *state;
    add_hold(&w->ledger, DIAMANT, 1000);
    w->expiry_stopped = true;
    renew(w);
    assert_int_equal(remaining(w, "diamant", INT64_MAX), 0);
    w->expiry_stopped = false;
    renew(w);
    assert_int_equal(remaining(w, "diamant", INT64_MAX), 1);
}

static void test_deadlines_follow_what_happens_to_holds(void **state)
{
    struct world *w = *state;
    struct ledger *l = &w->ledger;
    uint32_t first = add_hold(l, PLATINE, 1000);
    for (int i = 0; i < 500; i++)
        add_hold(l, APPUI, i); /* holds of a tier without a cap do not crowd them out */
    renew(w);
    uint32_t second = add_hold(l, PLATINE, 1200); /* a new pledge */
    renew(w);
    assert_int_equal(remaining(w, "platine", 1100), 2);
    assert_int_equal(remaining(w, "platine", 1200), 3);
    l->pledge[first].expires_us = 1300; /* extended */
    renew(w);
    assert_int_equal(remaining(w, "platine", 1250), 2);
    assert_int_equal(remaining(w, "platine", 1300), 3);
    l->tier[PLATINE].pledged++; /* submitted */
    end_hold(l, second, STAGE(PLEDGED));
    renew(w);
    assert_int_equal(remaining(w, "platine", 1250), 1);
    assert_int_equal(remaining(w, "platine", 1300), 2);
    end_hold(l, first, STAGE(EXPIRED)); /* written now: it must not be counted twice */
    renew(w);
    assert_int_equal(remaining(w, "platine", 1300), 2);
    /* an old pledge becomes a hold: promotion */
    l->pledge[first].stage = STAGE(HELD);
    l->pledge[first].expires_us = 1400;
    l->due[l->due_count++] = first;
    l->tier[PLATINE].held++;
    renew(w);
    assert_int_equal(remaining(w, "platine", 1399), 1);
    assert_int_equal(remaining(w, "platine", 1400), 2);
    /* a held pledge moves to another tier */
    l->pledge[first].tier = DIAMANT;
    l->tier[PLATINE].held--;
    l->tier[DIAMANT].held++;
    renew(w);
    assert_int_equal(remaining(w, "platine", 1399), 2);
    assert_int_equal(remaining(w, "diamant", 1399), 0);
    assert_int_equal(remaining(w, "diamant", 1400), 1);
}

/* Counted from the state itself. */
static int64_t true_remaining(const struct ledger *l, uint16_t tier, int64_t now_us)
{
    int64_t left = l->tier[tier].capacity - state_tier_taken(&l->tier[tier]);
    for (size_t i = 0; i < l->due_count; i++)
        left += l->pledge[l->due[i]].tier == tier && l->pledge[l->due[i]].expires_us <= now_us;
    return left;
}

static void test_random_holds_are_never_shown_wrong(void **state)
{
    struct world *w = *state;
    struct ledger *l = &w->ledger;
    unsigned seed = 42;
    for (int round = 0; round < 3000; round++) {
        for (int change = 0; change < 3; change++) {
            int kind = rand_r(&seed) % 5;
            uint16_t tier = (uint16_t)(rand_r(&seed) % TIERS);
            uint32_t some = l->due_count > 0 ? l->due[(size_t)rand_r(&seed) % l->due_count] : 0;
            bool full = l->tier[tier].capacity >= 0 &&
                        state_tier_taken(&l->tier[tier]) >= l->tier[tier].capacity;
            if (kind < 2 && !full)
                add_hold(l, tier, rand_r(&seed) % 1000);
            else if (kind == 2 && l->due_count > 0)
                end_hold(l, some, STAGE(EXPIRED));
            else if (kind == 3 && l->due_count > 0)
                l->pledge[some].expires_us += rand_r(&seed) % 100;
        }
        renew(w);
        int64_t now = rand_r(&seed) % 1000;
        for (uint16_t t = DIAMANT; t <= ARGENT; t++) {
            int64_t shown = remaining(w, l->tier[t].code, now);
            if (l->tier[t].held <= 64)
                assert_int_equal(shown, true_remaining(l, t, now));
            else
                assert_true(shown <= true_remaining(l, t, now));
        }
        pl_arena_reset(&w->arena);
    }
}

static void test_of_very_many_holds_the_earliest_deadlines_are_known(void **state)
{
    struct world *w = *state;
    struct ledger *l = &w->ledger;
    for (int i = 0; i < 1000; i++)
        add_hold(l, ARGENT, 10000 - i);
    renew(w);
    assert_int_equal(remaining(w, "argent", 9000), BIG_CAPACITY - 1000);
    assert_int_equal(remaining(w, "argent", 9001), BIG_CAPACITY - 999);
    assert_int_equal(remaining(w, "argent", 9064), BIG_CAPACITY - 936);
    /* more than are kept: never more slots than there are */
    assert_int_equal(remaining(w, "argent", 10000), BIG_CAPACITY - 936);
    for (int i = 0; i < 300; i++) { /* they run out one by one, new ones come at the far end */
        end_hold(l, (uint32_t)(999 - i), STAGE(EXPIRED));
        add_hold(l, ARGENT, 20000);
        renew(w);
        int64_t now = 9001 + i + 1;
        assert_int_equal(remaining(w, "argent", now), true_remaining(l, ARGENT, now));
    }
}

static void test_wrong_tiers_and_catalogues_are_refused_by_name(void **state)
{
    struct world *w = *state;
    renew(w);
    static const struct {
        const char *tier, *catalogue;
        enum pl_code code;
        Pledged__V1__Reason reason;
        const char *field;
    } cases[] = {
        {"", "", PL_E_INVALID, REASON(FIELD_REQUIRED), "tier"},
        {"bronze", "", PL_E_INVALID, REASON(TIER_UNKNOWN), "tier"},
        {"platine", "forum-1999", PL_E_NOT_FOUND, REASON(CATALOGUE_UNKNOWN), "catalogue"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        Pledged__V1__GetTierRequest request = PLEDGED__V1__GET_TIER_REQUEST__INIT;
        request.tier = (char *)cases[i].tier;
        request.catalogue = (char *)cases[i].catalogue;
        assert_int_equal(view_get_tier(w->view, 0, &request, &w->arena, &w->ret, &w->refusal),
                         cases[i].code);
        assert_int_equal(w->refusal->reason, cases[i].reason);
        assert_string_equal(w->refusal->field, cases[i].field);
    }
}

static void test_before_a_catalogue_there_is_nothing_to_show(void **state)
{
    struct world *w = *state;
    struct catalogue *kept = w->ledger.catalogue[0].current;
    w->ledger.catalogue_count = 0;
    w->ledger.tier_count = 0;
    w->ledger.catalogue_in_force = STATE_NONE;
    renew(w);
    Pledged__V1__ListTiersRequest tiers = PLEDGED__V1__LIST_TIERS_REQUEST__INIT;
    assert_int_equal(view_list_tiers(w->view, 0, &tiers, &w->arena, &w->ret, &w->refusal),
                     PL_E_NOT_FOUND);
    assert_int_equal(w->refusal->reason, REASON(CATALOGUE_UNKNOWN));
    Pledged__V1__GetTotalsRequest totals = PLEDGED__V1__GET_TOTALS_REQUEST__INIT;
    assert_int_equal(view_get_totals(w->view, 0, &totals, &w->arena, &w->ret, &w->refusal),
                     PL_E_OK);
    assert_int_equal(((Pledged__V1__GetTotalsResponse *)w->ret)->n_line, 0);
    Pledged__V1__GetStatusResponse *status = NULL;
    assert_int_equal(view_get_status(w->view, &w->arena, &status), PL_E_OK);
    assert_string_equal(status->catalogue, "");
    assert_int_equal(status->ledger_id.len, 0);
    catalogue_unref(kept);
}

/* --- benefits --- */

static const Pledged__V1__ListBenefitsResponse *benefits(struct world *w,
                                                         const Pledged__V1__ListBenefitsRequest *r)
{
    assert_int_equal(view_list_benefits(w->view, r, &w->arena, &w->ret, &w->refusal), PL_E_OK);
    return (void *)w->ret;
}

static void test_benefits_of_one_tier_and_of_all(void **state)
{
    struct world *w = *state;
    renew(w);
    Pledged__V1__ListBenefitsRequest request = PLEDGED__V1__LIST_BENEFITS_REQUEST__INIT;
    const Pledged__V1__ListBenefitsResponse *got = benefits(w, &request);
    static const char *const matrix[][2] = {
        {"diamant", "VIS1"}, {"diamant", "EXH1"}, {"platine", "VIS1"}, {"platine", "EXH1"},
        {"platine", "PRO1"}, {"appui", "EXH1"},   {"appui", "PRO1"}};
    assert_int_equal(got->n_benefit, PL_COUNT(matrix));
    for (size_t i = 0; i < PL_COUNT(matrix); i++) {
        assert_string_equal(got->benefit[i]->tier, matrix[i][0]);
        assert_string_equal(got->benefit[i]->code, matrix[i][1]);
    }
    request.of_case = PLEDGED__V1__LIST_BENEFITS_REQUEST__OF_TIER;
    request.tier = (char *)"platinum";
    got = benefits(w, &request);
    assert_int_equal(got->n_benefit, 3);
    assert_int_equal(got->benefit[0]->quantity, 5);
    assert_int_equal(got->benefit[0]->n_attribute, 2);
    assert_int_equal(got->benefit[0]->n_note, 1);
    assert_string_equal(got->benefit[0]->section_label[0]->text, "Étiquette");
    assert_int_equal(got->as_of_seq, 90);
    assert_int_equal(got->catalogue_version, 4);
    request.tier = (char *)"bronze";
    assert_int_equal(view_list_benefits(w->view, &request, &w->arena, &w->ret, &w->refusal),
                     PL_E_INVALID);
    assert_int_equal(w->refusal->reason, REASON(TIER_UNKNOWN));
}

static void test_benefits_add_up_over_promised_and_committed_slots(void **state)
{
    struct world *w = *state;
    struct state_tier *t = w->ledger.tier;
    t[DIAMANT].committed = 1;
    t[PLATINE].pledged = 1;
    t[PLATINE].closed = 1;
    t[APPUI].pledged = 4;
    renew(w);
    Pledged__V1__ListBenefitsRequest request = PLEDGED__V1__LIST_BENEFITS_REQUEST__INIT;
    request.of_case = PLEDGED__V1__LIST_BENEFITS_REQUEST__OF_TOTALS;
    request.totals = true;
    const Pledged__V1__ListBenefitsResponse *got = benefits(w, &request);
    assert_int_equal(got->n_benefit, 4);
    assert_string_equal(got->benefit[0]->code, "VIS1");
    assert_int_equal(got->benefit[0]->quantity, 7 + 2 * 5);
    assert_int_equal(got->benefit[0]->unit, PLEDGED__V1__UNIT__UNIT_MINUTE);
    assert_int_equal(got->benefit[0]->n_attribute, 1); /* the slot differs, the stage does not */
    assert_string_equal(got->benefit[0]->attribute[0]->name, "stage");
    assert_string_equal(got->benefit[1]->code, "EXH1"); /* one line a size of stand */
    assert_int_equal(got->benefit[1]->quantity, 1 + 2);
    assert_int_equal(got->benefit[1]->n_attribute, 2);
    assert_string_equal(got->benefit[1]->attribute[0]->value, "xl");
    assert_string_equal(got->benefit[2]->code, "EXH1");
    assert_int_equal(got->benefit[2]->quantity, 4);
    assert_string_equal(got->benefit[2]->attribute[0]->value, "s");
    assert_string_equal(got->benefit[3]->code, "PRO1"); /* "once" counts partners */
    assert_int_equal(got->benefit[3]->quantity, 2 + 4);
    for (size_t i = 0; i < got->n_benefit; i++) {
        assert_string_equal(got->benefit[i]->tier, "");
        assert_int_equal(got->benefit[i]->n_note, 0);
    }
    /* summing must not have cut the attributes of the catalogue itself */
    assert_int_equal(w->ledger.catalogue[0].current->msg->grant[1]->n_attribute, 2);
    assert_string_equal(w->ledger.catalogue[0].current->msg->grant[1]->attribute[1]->name, "slot");
}

static void test_held_slots_are_not_in_the_sums_of_benefits(void **state)
{
    struct world *w = *state;
    add_hold(&w->ledger, DIAMANT, 1000);
    renew(w);
    Pledged__V1__ListBenefitsRequest request = PLEDGED__V1__LIST_BENEFITS_REQUEST__INIT;
    request.of_case = PLEDGED__V1__LIST_BENEFITS_REQUEST__OF_TOTALS;
    request.totals = true;
    const Pledged__V1__ListBenefitsResponse *got = benefits(w, &request);
    for (size_t i = 0; i < got->n_benefit; i++)
        assert_int_equal(got->benefit[i]->quantity, 0);
}

/* --- totals, catalogue, status --- */

static void set_tally(struct world *w, int dimension, const char *key, const char *currency,
                      int64_t pledged)
{
    struct state_tallies *t = &w->ledger.tally[dimension];
    t->line = realloc(t->line, (t->count + 1) * sizeof(*t->line));
    struct state_tally *line = &t->line[t->count++];
    *line = (struct state_tally){.currency = (int16_t)pl_currency_index(currency),
                                 .pledges = 3,
                                 .pledged = pledged,
                                 .committed = 20,
                                 .received = 30,
                                 .allocated = 25,
                                 .refunded = 4,
                                 .unallocated = 5};
    snprintf(line->key, sizeof(line->key), "%s", key);
    t->version++;
}

static const Pledged__V1__GetTotalsResponse *totals(struct world *w, Pledged__V1__TotalsBy by)
{
    Pledged__V1__GetTotalsRequest request = PLEDGED__V1__GET_TOTALS_REQUEST__INIT;
    request.by = by;
    assert_int_equal(view_get_totals(w->view, 77, &request, &w->arena, &w->ret, &w->refusal),
                     PL_E_OK);
    return (void *)w->ret;
}

static void test_totals_come_by_each_dimension(void **state)
{
    struct world *w = *state;
    set_tally(w, STATE_BY_TIER, "platine", "CHF", 100);
    set_tally(w, STATE_BY_CATEGORY, "government", "EUR", 200);
    set_tally(w, STATE_BY_MONTH, "2026-03", "JPY", 300);
    set_tally(w, STATE_BY_CURRENCY, "CHF", "CHF", 400);
    set_tally(w, STATE_BY_CURRENCY, "EUR", "EUR", 500);
    renew(w);
    const Pledged__V1__GetTotalsResponse *got = totals(w, PLEDGED__V1__TOTALS_BY__TOTALS_BY_TIER);
    assert_int_equal(got->n_line, 1);
    assert_int_equal(got->as_of_seq, 90);
    assert_int_equal(got->as_of_time_us, 77);
    assert_string_equal(got->line[0]->key, "platine");
    assert_string_equal(got->line[0]->currency, "CHF");
    assert_int_equal(got->line[0]->pledges, 3);
    assert_int_equal(got->line[0]->pledged_minor, 100);
    assert_int_equal(got->line[0]->committed_minor, 20);
    assert_int_equal(got->line[0]->received_minor, 30);
    assert_int_equal(got->line[0]->outstanding_minor, 75);
    assert_int_equal(got->line[0]->refunded_minor, 4);
    assert_int_equal(got->line[0]->unallocated_minor, 5);
    got = totals(w, PLEDGED__V1__TOTALS_BY__TOTALS_BY_CATEGORY);
    assert_string_equal(got->line[0]->key, "government");
    got = totals(w, PLEDGED__V1__TOTALS_BY__TOTALS_BY_MONTH);
    assert_string_equal(got->line[0]->currency, "JPY");
    got = totals(w, PLEDGED__V1__TOTALS_BY__TOTALS_BY_UNSPECIFIED);
    assert_int_equal(got->n_line, 2);
    assert_int_equal(got->line[1]->pledged_minor, 500);
}

static void test_totals_are_shared_until_they_change(void **state)
{
    struct world *w = *state;
    set_tally(w, STATE_BY_TIER, "platine", "CHF", 100);
    set_tally(w, STATE_BY_CURRENCY, "CHF", "CHF", 100);
    renew(w);
    struct view *old = view_ref(w->view);
    const char *tier_key = totals(w, PLEDGED__V1__TOTALS_BY__TOTALS_BY_TIER)->line[0]->key;
    const char *key = totals(w, PLEDGED__V1__TOTALS_BY__TOTALS_BY_CURRENCY)->line[0]->key;
    w->ledger.tally[STATE_BY_TIER].line[0].pledged = 101;
    w->ledger.tally[STATE_BY_TIER].version++;
    renew(w);
    const Pledged__V1__GetTotalsResponse *got = totals(w, PLEDGED__V1__TOTALS_BY__TOTALS_BY_TIER);
    assert_int_equal(got->line[0]->pledged_minor, 101);
    assert_ptr_not_equal(got->line[0]->key, tier_key);
    assert_ptr_equal(totals(w, PLEDGED__V1__TOTALS_BY__TOTALS_BY_CURRENCY)->line[0]->key, key);
    /* the older view still shows its own moment, and what is shared outlives it */
    struct view *newer = w->view;
    w->view = old;
    assert_int_equal(totals(w, PLEDGED__V1__TOTALS_BY__TOTALS_BY_TIER)->line[0]->pledged_minor,
                     100);
    view_unref(old);
    w->view = newer;
    assert_string_equal(totals(w, PLEDGED__V1__TOTALS_BY__TOTALS_BY_CURRENCY)->line[0]->key, "CHF");
}

static void test_a_view_keeps_its_catalogue_when_another_is_adopted(void **state)
{
    struct world *w = *state;
    renew(w);
    catalogue_unref(w->ledger.catalogue[0].current);
    w->ledger.catalogue[0].current = make_catalogue(w, 5);
    Pledged__V1__GetCatalogueRequest request = PLEDGED__V1__GET_CATALOGUE_REQUEST__INIT;
    assert_int_equal(view_get_catalogue(w->view, &request, &w->arena, &w->ret, &w->refusal),
                     PL_E_OK);
    const Pledged__V1__GetCatalogueResponse *got = (void *)w->ret;
    assert_int_equal(got->catalogue->version, 4);
    assert_int_equal(got->catalogue->n_tier, TIERS);
    assert_int_equal(got->sha256.len, 32);
    assert_int_equal(got->adopted_seq, 5);
    renew(w);
    request.catalogue = (char *)"forum";
    assert_int_equal(view_get_catalogue(w->view, &request, &w->arena, &w->ret, &w->refusal),
                     PL_E_OK);
    got = (void *)w->ret;
    assert_int_equal(got->catalogue->version, 5);
    request.catalogue = (char *)"nothing";
    assert_int_equal(view_get_catalogue(w->view, &request, &w->arena, &w->ret, &w->refusal),
                     PL_E_NOT_FOUND);
}

static void test_status_says_where_the_ledger_stands(void **state)
{
    struct world *w = *state;
    snprintf(w->ledger.origin, sizeof(w->ledger.origin), "example.org/fund");
    memset(w->ledger.id, 7, sizeof(w->ledger.id));
    w->writable = false;
    w->expiry_stopped = true;
    renew(w);
    Pledged__V1__GetStatusResponse *got = NULL;
    assert_int_equal(view_get_status(w->view, &w->arena, &got), PL_E_OK);
    assert_string_equal(got->origin, "example.org/fund");
    assert_int_equal(got->ledger_id.len, 16);
    assert_int_equal(got->ledger_id.data[15], 7);
    assert_int_equal(got->size, 90);
    assert_int_equal(got->batches, 12);
    assert_int_equal(got->epoch, 3);
    assert_int_equal(got->last_time_us, 5000);
    assert_false(got->writable);
    assert_string_equal(got->why_not_writable, "the disk is full");
    assert_true(got->expiry_stopped);
    assert_string_equal(got->catalogue, "forum");
    assert_int_equal(got->catalogue_version, 4);
    assert_int_equal(view_get_log(w->view)->batches, 12);
    w->writable = true;
    renew(w);
    assert_int_equal(view_get_status(w->view, &w->arena, &got), PL_E_OK);
    assert_true(got->writable);
    assert_string_equal(got->why_not_writable, "");
}

static void test_a_spent_arena_is_an_error_and_never_a_short_answer(void **state)
{
    struct world *w = *state;
    set_tally(w, STATE_BY_CURRENCY, "CHF", "CHF", 400);
    set_tally(w, STATE_BY_CURRENCY, "EUR", "EUR", 500);
    w->ledger.tier[DIAMANT].committed = 1;
    renew(w);
    Pledged__V1__ListTiersRequest tiers = PLEDGED__V1__LIST_TIERS_REQUEST__INIT;
    Pledged__V1__ListBenefitsRequest matrix = PLEDGED__V1__LIST_BENEFITS_REQUEST__INIT;
    Pledged__V1__ListBenefitsRequest sums = PLEDGED__V1__LIST_BENEFITS_REQUEST__INIT;
    Pledged__V1__GetTotalsRequest by = PLEDGED__V1__GET_TOTALS_REQUEST__INIT;
    sums.of_case = PLEDGED__V1__LIST_BENEFITS_REQUEST__OF_TOTALS;
    sums.totals = true;
    size_t refused = 0, rows[4] = {TIERS, 7, 4, 2};
    for (size_t budget = 16; budget < 8192; budget += 16) {
        struct pl_arena arena PL_CLEANUP(pl_arena_fini);
        pl_arena_init(&arena, budget);
        ProtobufCMessage *ret[4] = {NULL};
        Pledged__V1__Refusal *no = NULL;
        enum pl_code code[4];
        code[0] = view_list_tiers(w->view, 0, &tiers, &arena, &ret[0], &no);
        pl_arena_reset(&arena);
        code[1] = view_list_benefits(w->view, &matrix, &arena, &ret[1], &no);
        size_t lines =
            code[1] == PL_E_OK ? ((Pledged__V1__ListBenefitsResponse *)ret[1])->n_benefit : rows[1];
        assert_int_equal(lines, rows[1]);
        pl_arena_reset(&arena);
        code[2] = view_list_benefits(w->view, &sums, &arena, &ret[2], &no);
        lines =
            code[2] == PL_E_OK ? ((Pledged__V1__ListBenefitsResponse *)ret[2])->n_benefit : rows[2];
        assert_int_equal(lines, rows[2]);
        pl_arena_reset(&arena);
        code[3] = view_get_totals(w->view, 0, &by, &arena, &ret[3], &no);
        for (size_t i = 0; i < 4; i++) {
            assert_true(code[i] == PL_E_OK || code[i] == PL_E_TOO_BIG);
            refused += code[i] != PL_E_OK;
            assert_true(budget < 8000 || code[i] == PL_E_OK);
        }
    }
    assert_true(refused > 20);
}

/* --- threads --- */

static void *read_and_let_go(void *arg)
{
    struct view *view = arg;
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, 1 << 20);
    Pledged__V1__ListTiersRequest request = PLEDGED__V1__LIST_TIERS_REQUEST__INIT;
    ProtobufCMessage *ret;
    Pledged__V1__Refusal *refusal;
    for (int i = 0; i < 200; i++) {
        if (view_list_tiers(view, i, &request, &arena, &ret, &refusal) != PL_E_OK)
            return NULL;
        pl_arena_reset(&arena);
    }
    view_unref(view);
    return arg;
}

static void test_views_are_read_and_let_go_on_any_thread(void **state)
{
    struct world *w = *state;
    add_hold(&w->ledger, PLATINE, 100);
    set_tally(w, STATE_BY_CURRENCY, "CHF", "CHF", 400);
    pthread_t thread[8];
    for (size_t i = 0; i < PL_COUNT(thread); i++) {
        renew(w);
        assert_int_equal(pthread_create(&thread[i], NULL, read_and_let_go, view_ref(w->view)), 0);
    }
    for (size_t i = 0; i < PL_COUNT(thread); i++) {
        void *ok = NULL;
        assert_int_equal(pthread_join(thread[i], &ok), 0);
        assert_non_null(ok);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_tiers_show_counts_prices_and_what_is_left),
        CASE(test_a_slot_is_free_from_the_deadline_of_its_hold_on),
        CASE(test_a_slot_that_ends_goes_to_the_queue_first),
        CASE(test_no_hold_ends_while_expiry_is_stopped),
        CASE(test_deadlines_follow_what_happens_to_holds),
        CASE(test_random_holds_are_never_shown_wrong),
        CASE(test_of_very_many_holds_the_earliest_deadlines_are_known),
        CASE(test_wrong_tiers_and_catalogues_are_refused_by_name),
        CASE(test_before_a_catalogue_there_is_nothing_to_show),
        CASE(test_benefits_of_one_tier_and_of_all),
        CASE(test_benefits_add_up_over_promised_and_committed_slots),
        CASE(test_held_slots_are_not_in_the_sums_of_benefits),
        CASE(test_totals_come_by_each_dimension),
        CASE(test_totals_are_shared_until_they_change),
        CASE(test_a_view_keeps_its_catalogue_when_another_is_adopted),
        CASE(test_status_says_where_the_ledger_stands),
        CASE(test_a_spent_arena_is_an_error_and_never_a_short_answer),
        CASE(test_views_are_read_and_let_go_on_any_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
