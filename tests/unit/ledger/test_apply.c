/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what the check lets through, apply does, and nothing else gets through. A slow model that
 * reads the entries alone agrees with the state after every one of them; forged entries are refused
 * with the words of the rule; entries changed at random never make apply fail.
 */
#include "storm.h"

/* --- a model that knows the facts and nothing of the state --- */

enum { MODEL_MAX = 6000 };
struct model_pledge {
    int stage;
    char tier[40], currency[4];
    int64_t amount, allocated;
};
struct model_money {
    uint32_t pledge;
    char currency[4];
    int64_t amount, allocated;
    uint64_t seq;
    bool reversed;
};
struct model {
    struct model_pledge pledge[MODEL_MAX];
    struct model_money money[MODEL_MAX];
    uint32_t allocation[8 * MODEL_MAX]; /* entry -> bank entry */
    uint32_t pledges, moneys;
};

static uint32_t number(const char *id)
{
    return (uint32_t)strtoul(id + 1, NULL, 10);
}

static struct model_pledge *model_slot(struct model *m, const char *pledge, const char *tier,
                                       int stage)
{
    struct model_pledge *p = &m->pledge[number(pledge)];
    if (number(pledge) > m->pledges)
        m->pledges = number(pledge);
    assert_true(m->pledges < MODEL_MAX);
    snprintf(p->tier, sizeof(p->tier), "%s", tier);
    p->stage = stage;
    return p;
}

static void model_price(struct model_pledge *p, const Pledged__V1__Money *amount)
{
    if (amount == NULL)
        return;
    p->amount = amount->minor;
    snprintf(p->currency, sizeof(p->currency), "%s", amount->currency);
}

static void model_end(struct model *m, const char *pledge, int stage)
{
    m->pledge[number(pledge)].stage = stage;
    m->pledge[number(pledge)].allocated = 0;
    for (uint32_t i = 1; i <= m->moneys; i++) {
        if (m->money[i].pledge == number(pledge))
            m->money[i].allocated = 0;
    }
}

static void model_reverse(struct model *m, uint64_t target)
{
    struct model_money *b = &m->money[m->allocation[target]];
    m->pledge[b->pledge].allocated -= b->allocated;
    b->allocated = 0;
    if (b->seq == target)
        b->reversed = true;
}

static void model_money(struct model *m, const Pledged__V1__Entry *e)
{
    if (e->fact_case == FACT(PAYMENT_RECORDED)) {
        struct model_money *b = &m->money[++m->moneys];
        assert_int_equal(number(e->payment_recorded->bank_entry), m->moneys);
        b->pledge = number(e->payment_recorded->pledge);
        b->amount = e->payment_recorded->amount->minor;
        snprintf(b->currency, 4, "%s", e->payment_recorded->amount->currency);
        b->seq = e->seq;
        m->allocation[e->seq] = m->moneys;
    } else if (e->fact_case == FACT(ALLOCATED)) {
        uint32_t from = number(e->allocated->bank_entry);
        m->money[from].allocated += e->allocated->amount->minor;
        m->pledge[number(e->allocated->pledge)].allocated += e->allocated->amount->minor;
        m->allocation[e->seq] = from;
    } else if (e->fact_case == FACT(REVERSED)) {
        model_reverse(m, e->reversed->target_seq);
    }
}

static void model_read(struct model *m, const Pledged__V1__Entry *e)
{
    model_money(m, e);
    if (e->fact_case == FACT(HOLD_PLACED))
        model_slot(m, e->hold_placed->pledge, e->hold_placed->tier, STAGE(HELD));
    else if (e->fact_case == FACT(WAIT_ADDED))
        model_slot(m, e->wait_added->pledge, e->wait_added->tier, STAGE(WAITING));
    else if (e->fact_case == FACT(PLEDGE_MADE))
        model_price(model_slot(m, e->pledge_made->pledge, e->pledge_made->tier, STAGE(PLEDGED)),
                    e->pledge_made->amount);
    else if (e->fact_case == FACT(COMMITMENT_SIGNED))
        m->pledge[number(e->commitment_signed->pledge)].stage = STAGE(COMMITTED);
    else if (e->fact_case == FACT(COMMITMENT_AMENDED))
        model_price(&m->pledge[number(e->commitment_amended->pledge)],
                    e->commitment_amended->amount);
    else if (e->fact_case == FACT(TIER_CHANGED))
        model_price(model_slot(m, e->tier_changed->pledge, e->tier_changed->to_tier,
                               m->pledge[number(e->tier_changed->pledge)].stage),
                    e->tier_changed->amount);
    else if (e->fact_case == FACT(HOLD_EXPIRED))
        model_end(m, e->hold_expired->pledge, STAGE(EXPIRED));
    else if (e->fact_case == FACT(WITHDRAWN))
        model_end(m, e->withdrawn->pledge, STAGE(WITHDRAWN));
    else if (e->fact_case == FACT(CANCELLED))
        model_end(m, e->cancelled->pledge, STAGE(CANCELLED));
}

static bool model_open(const struct model_pledge *p)
{
    return p->stage == STAGE(PLEDGED) || p->stage == STAGE(COMMITTED);
}

/* I1, I2, I3 by counting everything again. */
static void assert_tiers(const struct model *m, const struct ledger *l)
{
    for (size_t t = 0; t < l->tier_count; t++) {
        int64_t taken = 0, waiting = 0;
        for (uint32_t i = 1; i <= m->pledges; i++) {
            bool here = strcmp(m->pledge[i].tier, l->tier[t].code) == 0;
            taken += here && (m->pledge[i].stage == STAGE(HELD) || model_open(&m->pledge[i]));
            waiting += here && m->pledge[i].stage == STAGE(WAITING);
        }
        assert_int_equal(taken, state_tier_taken(&l->tier[t]));
        assert_int_equal(waiting, l->tier[t].waiting);
        assert_true(l->tier[t].capacity < 0 || taken <= l->tier[t].capacity);
    }
}

static void assert_sums(const struct model *m, const struct ledger *l, const char *currency)
{
    int64_t count = 0, pledged = 0, committed = 0, allocated = 0, received = 0, used = 0;
    for (uint32_t i = 1; i <= m->pledges; i++) {
        const struct model_pledge *p = &m->pledge[i];
        if (!model_open(p) || strcmp(p->currency, currency) != 0)
            continue;
        count++;
        pledged += p->amount;
        committed += p->stage == STAGE(COMMITTED) ? p->amount : 0;
        allocated += p->allocated;
    }
    for (uint32_t i = 1; i <= m->moneys; i++) {
        const struct model_money *b = &m->money[i];
        assert_true(b->allocated >= 0 && b->allocated <= b->amount);
        if (!b->reversed && strcmp(b->currency, currency) == 0) {
            received += b->amount;
            used += b->allocated;
        }
    }
    assert_int_equal(used, allocated);
    struct state_tally line = sums_by(l, STATE_BY_CURRENCY, currency, currency);
    assert_int_equal(line.pledges, count);
    assert_int_equal(line.pledged, pledged);
    assert_int_equal(line.committed, committed);
    assert_int_equal(line.allocated, allocated);
    assert_int_equal(line.received, received);
    assert_int_equal(line.unallocated, received - allocated);
}

static void assert_agree(const struct model *m, const struct ledger *l)
{
    assert_int_equal(m->pledges, l->pledge_count);
    assert_int_equal(m->moneys, l->bank_entry_count);
    for (uint32_t i = 1; i <= m->pledges; i++) {
        const struct state_pledge *p = &l->pledge[i - 1];
        assert_int_equal(m->pledge[i].stage, p->stage);
        assert_int_equal(m->pledge[i].amount, p->amount);
        assert_int_equal(m->pledge[i].allocated, p->allocated);
        if (p->stage == STAGE(HELD))
            assert_int_equal(l->due[p->heap_place], i - 1); /* I4 */
    }
    assert_tiers(m, l);
    assert_sums(m, l, "CHF");
    assert_sums(m, l, "JPY");
    assert_sums(m, l, "USD");
}

static void test_state_is_what_the_entries_say_at_every_prefix(void **state)
{
    (void)state;
    struct world w;
    struct model *model = calloc(1, sizeof(*model));
    storm_over(&w, 1, 6000);
    struct ledger *again = ledger_new();
    assert_true(w.entry_count < 8 * (size_t)MODEL_MAX);
    for (size_t i = 0; i < w.entry_count; i++) {
        pl_arena_reset(&w.arena);
        Pledged__V1__Entry *entry = world_entry(&w, i);
        assert_true(pl_is_ok(ledger_check(again, entry)));
        ledger_apply(again, entry);
        model_read(model, entry);
        assert_agree(model, again);
    }
    assert_same_state(again, w.ledger);
    assert_in_range(model->pledges, 300, MODEL_MAX); /* or the test says little */
    assert_in_range(model->moneys, 100, MODEL_MAX);
    ledger_free(again);
    free(model);
    world_fini(&w);
}

/* --- forged entries --- */

#define assert_corrupt(ledger_, entry_, words_)                                                    \
    do {                                                                                           \
        struct pl_status status_ = ledger_check(ledger_, entry_);                                  \
        assert_int_equal(status_.code, PL_E_CORRUPT);                                              \
        assert_string_equal(status_.what, words_);                                                 \
    } while (0)

static void test_numbers_times_and_chains_follow(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    submit(&w, NULL, "C000001", "many", 0, NULL);
    withdraw(&w, "P000001");
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *e = world_last(&w);
    assert_true(pl_is_ok(ledger_check(before, e)));
    e->seq++;
    assert_corrupt(before, e, "the entry's number is not the next one");
    e->seq--;
    int64_t time_us = e->time_us;
    e->time_us = before->last_time_us;
    assert_corrupt(before, e, "the entry's time does not follow");
    e->time_us = INT64_MAX;
    assert_corrupt(before, e, "the entry's time does not follow");
    e->time_us = time_us;
    e->prev_seq--;
    assert_corrupt(before, e, "the entry does not follow the pledge's last one");
    e->prev_seq++;
    e->actor = NULL;
    assert_corrupt(before, e, "an entry without an actor");
    ledger_free(before);
    world_fini(&w);
}

static void test_a_request_has_one_first_entry(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 3);
    submit(&w, NULL, "C000001", "top", 0, NULL);
    wait_in(&w, "top", "C000002");
    withdraw(&w, "P000001"); /* Withdrawn, WaitPromoted, HoldPlaced */
    assert_int_equal(w.made, 3);
    struct ledger *before = world_before(&w, w.entry_count - 2);
    Pledged__V1__Entry *e = world_entry(&w, w.entry_count - 2);
    assert_true(pl_is_ok(ledger_check(before, e)));
    e->cause_seq--;
    assert_corrupt(before, e, "an entry of a command that is not there");
    e->cause_seq++;
    e->request_id.data[3] ^= 1;
    assert_corrupt(before, e, "an entry of a command that is not there");
    ledger_free(before);
    before = world_before(&w, w.entry_count - 3);
    e = world_entry(&w, w.entry_count - 3);
    e->request_id.len = 15;
    assert_corrupt(before, e, "a command without request id or digest");
    e->request_id.len = 16;
    memcpy(e->request_id.data, world_entry(&w, 3)->request_id.data, 16);
    assert_corrupt(before, e, "a request id has a second effect");
    ledger_free(before);
    world_fini(&w);
}

static void test_a_hold_is_submitted_in_its_own_tier(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 3);
    hold(&w, "many", "C000001", 0);
    submit(&w, NULL, "C000002", "top", 0, NULL);
    submit(&w, "P000001", NULL, NULL, 0, NULL);
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *e = world_last(&w);
    e->pledge_made->tier = (char *)"top"; /* which is full */
    assert_corrupt(before, e, "a pledge of another tier than its hold");
    e->pledge_made->tier = (char *)"";
    assert_corrupt(before, e, "a pledge of another tier than its hold");
    e->pledge_made->from_hold = false;
    assert_corrupt(before, e, "a pledge's number is not the next one");
    ledger_free(before);
    world_fini(&w);
}

static void test_slots_beyond_the_capacity_are_refused(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 3);
    submit(&w, NULL, "C000001", "top", 0, NULL);
    hold(&w, "duo", "C000002", 0);
    Pledged__V1__Entry *e = world_last(&w);
    world_follows(&w, e, "P000003");
    e->hold_placed->pledge = (char *)"P000003";
    e->hold_placed->tier = (char *)"top";
    assert_corrupt(w.ledger, e, "more holders than the tier has slots");
    Pledged__V1__TierChanged change = PLEDGED__V1__TIER_CHANGED__INIT;
    change.pledge = (char *)"P000002";
    change.from_tier = (char *)"many";
    change.to_tier = (char *)"top";
    change.catalogue = (char *)"test-2026";
    world_follows(&w, e, "P000002");
    e->fact_case = FACT(TIER_CHANGED);
    e->tier_changed = &change;
    assert_corrupt(w.ledger, e, "a change from another tier");
    change.from_tier = (char *)"duo";
    assert_corrupt(w.ledger, e, "more holders than the tier has slots");
    change.to_tier = (char *)"gold";
    assert_corrupt(w.ledger, e, "a change to an unknown tier");
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    money.currency = (char *)"CHF";
    change.to_tier = (char *)"many";
    change.amount = &money;
    assert_corrupt(w.ledger, e, "an amount of what is only held");
    change.amount = NULL;
    assert_true(pl_is_ok(ledger_check(w.ledger, e)));
    world_fini(&w);
}

static void test_money_goes_where_it_was_meant(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 3);
    submit(&w, NULL, "C000001", NULL, 100, "CHF");
    submit(&w, NULL, "C000002", NULL, 100, "CHF");
    pay(&w, "P000001", 150, "CHF", "REF");
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *e = world_last(&w);
    assert_int_equal(e->fact_case, FACT(ALLOCATED));
    e->allocated->amount->minor = 101;
    assert_corrupt(before, e, "an allocation of more than is due");
    e->allocated->amount->minor = 151;
    assert_corrupt(before, e, "an allocation of more than there is");
    e->allocated->amount->minor = -1;
    assert_corrupt(before, e, "an allocation of unknown money");
    e->allocated->amount->minor = 100;
    e->allocated->bank_entry = (char *)"B000002";
    assert_corrupt(before, e, "an allocation of unknown money");
    e->allocated->bank_entry = (char *)"B000001";
    ledger_free(before);
    e = world_entry(&w, w.entry_count - 2);
    world_follows(&w, e, "P000001");
    e->payment_recorded->bank_entry = (char *)"B000002";
    assert_corrupt(w.ledger, e, "one credit is booked twice");
    e->payment_recorded->bank_ref = (char *)"";
    e->payment_recorded->amount->minor = INT64_MAX;
    assert_corrupt(w.ledger, e, "a total leaves 64 bits");
    e->payment_recorded->amount->minor = 0;
    assert_corrupt(w.ledger, e, "a payment without amount or date");
    world_fini(&w);
}

static void test_reversals_name_what_they_undo(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 3);
    submit(&w, NULL, "C000001", NULL, 100, "CHF");
    submit(&w, NULL, "C000002", NULL, 100, "CHF");
    pay(&w, "P000001", 50, "CHF", "");
    uint64_t paid = w.receipt->seq;
    reverse(&w, paid + 1);
    struct ledger *before = world_before(&w, w.entry_count - 1);
    Pledged__V1__Entry *e = world_last(&w);
    e->reversed->pledge = (char *)"P000002";
    e->prev_seq = before->pledge[1].last_seq;
    assert_corrupt(before, e, "a reversal that names another bank entry or pledge");
    ledger_free(before);
    e = world_last(&w);
    world_follows(&w, e, "P000001");
    assert_corrupt(w.ledger, e, "a reversal of what is reversed already");
    e->reversed->target_seq = 1;
    assert_corrupt(w.ledger, e, "a reversal of what cannot be reversed");
    world_fini(&w);
}

static void test_nobody_waits_twice_or_is_created_twice(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    submit(&w, NULL, "C000001", "top", 0, NULL);
    wait_in(&w, "top", "C000002");
    Pledged__V1__Entry *e = world_last(&w);
    world_follows(&w, e, "P000003");
    e->wait_added->pledge = (char *)"P000003";
    assert_corrupt(w.ledger, e, "one contributor waits twice for one tier");
    e->wait_added->contributor = (char *)"C000009";
    assert_corrupt(w.ledger, e, "a pledge of an unknown contributor");
    e = world_entry(&w, 0);
    world_follows(&w, e, "");
    assert_corrupt(w.ledger, e, "a ledger begins with its creation");
    e = world_entry(&w, 4);
    assert_int_equal(e->fact_case, FACT(CONTRIBUTOR_ADDED));
    world_follows(&w, e, "");
    e->contributor_added->contributor = (char *)"C000003";
    assert_corrupt(w.ledger, e, "two contributors have one name");
    world_fini(&w);
}

/* --- entries changed at random --- */

/* Any byte, anywhere: what still parses and passes the check must be applied without failing, and
 * leave a state that can be saved, loaded and gone on with. */
static void test_damaged_entries_never_break_apply(void **state)
{
    (void)state;
    struct world w;
    struct storm dice = storm_over(&w, 2, 300);
    int passed = 0;
    for (int round = 0; round < 60; round++) {
        size_t place = 10 + storm_roll(&dice, (uint32_t)w.entry_count - 10);
        pl_arena_reset(&w.arena);
        struct ledger *before = world_before(&w, place);
        for (int turn = 0; turn < 200; turn++) {
            struct pl_slice bytes =
                w.entry[storm_roll(&dice, 2) ? place : 3 + storm_roll(&dice, (uint32_t)place - 3)];
            uint8_t *copy = malloc(bytes.len);
            memcpy(copy, bytes.data, bytes.len);
            copy[storm_roll(&dice, (uint32_t)bytes.len)] = (uint8_t)storm_roll(&dice, 256);
            ProtobufCMessage *message = NULL;
            struct pl_status status = pl_unpack_trusted(
                &pledged__v1__entry__descriptor, pl_slice(copy, bytes.len), &w.arena, &message);
            free(copy);
            if (!pl_is_ok(status))
                continue;
            Pledged__V1__Entry *entry = (Pledged__V1__Entry *)message;
            entry->seq = before->size + 1;
            entry->time_us = before->last_time_us + 1;
            const struct state_pledge *known = state_pledge(before, apply_pledge_of(entry));
            entry->prev_seq = known != NULL ? known->last_seq : 0;
            if (!pl_is_ok(ledger_check(before, entry)))
                continue;
            ledger_apply(before, entry);
            passed++;
        }
        struct ledger *loaded = world_reloaded(before);
        assert_same_state(before, loaded);
        ledger_free(loaded);
        ledger_free(before);
    }
    assert_true(passed > 500); /* or the test says nothing */
    world_fini(&w);
}

/* A table has no compiler that misses a row. */
static void test_every_fact_of_the_proto_has_a_row(void **state)
{
    (void)state;
    struct world w;
    const ProtobufCMessageDescriptor *type = &pledged__v1__entry__descriptor;
    size_t facts = 0;
    world_ready(&w, 1);
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
            continue;
        Pledged__V1__Entry entry = PLEDGED__V1__ENTRY__INIT;
        Pledged__V1__Actor actor = PLEDGED__V1__ACTOR__INIT;
        ProtobufCMessage *fact =
            protobuf_c_message_unpack(field->descriptor, NULL, 0, (const uint8_t *)"");
        world_follows(&w, &entry, "");
        entry.actor = &actor;
        entry.fact_case = (Pledged__V1__Entry__FactCase)field->id;
        entry.ledger_created = (Pledged__V1__LedgerCreated *)fact; /* all members are pointers */
        struct pl_status status = ledger_check(w.ledger, &entry);
        if (!pl_is_ok(status))
            assert_string_not_equal(status.what, "a fact that this version does not know");
        (void)apply_pledge_of(&entry);
        protobuf_c_message_free_unpacked(fact, NULL);
        facts++;
    }
    assert_true(facts > 40);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state_is_what_the_entries_say_at_every_prefix),
        cmocka_unit_test(test_numbers_times_and_chains_follow),
        cmocka_unit_test(test_a_request_has_one_first_entry),
        cmocka_unit_test(test_a_hold_is_submitted_in_its_own_tier),
        cmocka_unit_test(test_slots_beyond_the_capacity_are_refused),
        cmocka_unit_test(test_money_goes_where_it_was_meant),
        cmocka_unit_test(test_reversals_name_what_they_undo),
        cmocka_unit_test(test_nobody_waits_twice_or_is_created_twice),
        cmocka_unit_test(test_damaged_entries_never_break_apply),
        cmocka_unit_test(test_every_fact_of_the_proto_has_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
