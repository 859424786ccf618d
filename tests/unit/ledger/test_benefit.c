/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: no more of a benefit moves than was granted; a commitment keeps the version of the
 * catalogue under which it was signed, also in a saved state.
 */
#include "common/ids.h"
#include "fixture.h"
#include "server/ledger/benefit.h"

/* The test catalogue with one section, one benefit and what the tier `many` gets of it. */
static Pledged__V1__Catalogue *with_seats(struct world *w, uint32_t version, int64_t seats)
{
    Pledged__V1__Catalogue *c = test_catalogue(&w->arena, version, 2);
    struct pl_arena *arena = &w->arena;
    c->n_section = c->n_benefit = c->n_grant = 1;
    c->section = pl_arena_alloc(arena, sizeof(*c->section));
    c->section[0] = pl_arena_alloc(arena, sizeof(**c->section));
    pledged__v1__section__init(c->section[0]);
    c->section[0]->code = pl_arena_strdup(arena, "VIS");
    c->section[0]->n_label = 1;
    c->section[0]->label = test_text(arena, "visibilité");
    c->benefit = pl_arena_alloc(arena, sizeof(*c->benefit));
    c->benefit[0] = pl_arena_alloc(arena, sizeof(**c->benefit));
    pledged__v1__benefit__init(c->benefit[0]);
    c->benefit[0]->code = pl_arena_strdup(arena, "VIS6");
    c->benefit[0]->section = pl_arena_strdup(arena, "VIS");
    c->benefit[0]->n_label = 1;
    c->benefit[0]->label = test_text(arena, "places");
    c->benefit[0]->phase = PLEDGED__V1__PHASE__PHASE_DURING;
    c->benefit[0]->asset = PLEDGED__V1__ASSET__ASSET_NONE;
    c->grant = pl_arena_alloc(arena, sizeof(*c->grant));
    c->grant[0] = pl_arena_alloc(arena, sizeof(**c->grant));
    pledged__v1__grant__init(c->grant[0]);
    c->grant[0]->tier = pl_arena_strdup(arena, "many");
    c->grant[0]->benefit = pl_arena_strdup(arena, "VIS6");
    c->grant[0]->quantity = seats;
    c->grant[0]->unit = PLEDGED__V1__UNIT__UNIT_SEAT;
    return c;
}

static void deliver(struct world *w, const char *pledge, const char *benefit, int64_t quantity)
{
    COMMAND_INIT_(command);
    Pledged__V1__DeliverBenefit body = PLEDGED__V1__DELIVER_BENEFIT__INIT;
    body.pledge = (char *)(uintptr_t)pledge;
    body.benefit = (char *)(uintptr_t)benefit;
    body.quantity = quantity;
    command.command_case = COMMAND(DELIVER_BENEFIT);
    command.deliver_benefit = &body;
    give(w, &command);
}

static void claim(struct world *w, const char *pledge, int64_t quantity)
{
    COMMAND_INIT_(command);
    Pledged__V1__ClaimBenefit body = PLEDGED__V1__CLAIM_BENEFIT__INIT;
    body.pledge = (char *)(uintptr_t)pledge;
    body.benefit = (char *)"VIS6";
    body.quantity = quantity;
    command.command_case = COMMAND(CLAIM_BENEFIT);
    command.claim_benefit = &body;
    give(w, &command);
}

static void decline(struct world *w, const char *pledge, int64_t quantity)
{
    COMMAND_INIT_(command);
    Pledged__V1__DeclineBenefit body = PLEDGED__V1__DECLINE_BENEFIT__INIT;
    body.pledge = (char *)(uintptr_t)pledge;
    body.benefit = (char *)"VIS6";
    body.quantity = quantity;
    command.command_case = COMMAND(DECLINE_BENEFIT);
    command.decline_benefit = &body;
    give(w, &command);
}

static void signed_pledge(struct world *w)
{
    world_init(w);
    add_contributor(w, "One");
    adopt(w, with_seats(w, 2, 5));
    assert_accepted(w);
    submit(w, "", "C000001", "many", 0, "");
    assert_accepted(w);
    commit(w, "P000001");
    assert_accepted(w);
}

static int64_t left(const struct world *w, int64_t granted)
{
    return benefit_left(benefit_of(w->ledger, 0, "VIS6"), granted);
}

static void test_each_unit_moves_once(void **state)
{
    (void)state;
    struct world w;
    signed_pledge(&w);
    claim(&w, "P000001", 4);
    assert_int_equal(w.receipt->outcome->benefit_left, 5);
    decline(&w, "P000001", 1);
    deliver(&w, "P000001", "VIS6", 3);
    assert_int_equal(w.receipt->outcome->benefit_left, 1);
    deliver(&w, "P000001", "VIS6", 2);
    assert_refused(&w, QUANTITY_SPENT);
    claim(&w, "P000001", 1);
    assert_refused(&w, QUANTITY_SPENT);
    deliver(&w, "P000001", "VIS6", 0);
    assert_int_equal(w.receipt->outcome->benefit_quantity, 1);
    assert_int_equal(left(&w, 5), 0);
    decline(&w, "P000001", 0);
    assert_refused(&w, QUANTITY_SPENT);
    world_fini(&w);
}

static void test_what_is_not_there(void **state)
{
    (void)state;
    struct world w;
    signed_pledge(&w);
    deliver(&w, "P000001", "VIS9", 1);
    assert_refused(&w, BENEFIT_UNKNOWN);
    assert_int_equal(w.code, PL_E_INVALID);
    add_contributor(&w, "Two");
    submit(&w, "", "C000002", "duo", 0, "");
    deliver(&w, "P000002", "VIS6", 1);
    assert_refused(&w, NOT_GRANTED);
    assert_int_equal(w.code, PL_E_REFUSED);
    deliver(&w, "P000009", "VIS6", 1);
    assert_refused(&w, PLEDGE_UNKNOWN);
    deliver(&w, "P000001", "VIS6", -1);
    assert_int_equal(w.answer, LEDGER_INVALID);
    world_fini(&w);
}

static void test_a_commitment_keeps_its_version(void **state)
{
    (void)state;
    struct world w;
    signed_pledge(&w);
    adopt(&w, with_seats(&w, 3, 1));
    add_contributor(&w, "Two");
    submit(&w, "", "C000002", "many", 0, "");
    commit(&w, "P000002");
    adopt(&w, with_seats(&w, 4, 9));
    assert_accepted(&w);
    assert_int_equal(benefit_catalogue(w.ledger, &w.ledger->pledge[0])->msg->version, 2);
    assert_int_equal(benefit_catalogue(w.ledger, &w.ledger->pledge[1])->msg->version, 3);
    deliver(&w, "P000001", "VIS6", 5);
    assert_accepted(&w);
    deliver(&w, "P000002", "VIS6", 2);
    assert_refused(&w, QUANTITY_SPENT);
    struct ledger *loaded = world_reloaded(w.ledger);
    assert_same_state(loaded, w.ledger);
    assert_int_equal(benefit_catalogue(loaded, &loaded->pledge[1])->msg->version, 3);
    assert_int_equal(benefit_of(loaded, 0, "VIS6")->delivered, 5);
    assert_int_equal(loaded->benefit_sum_count, 1);
    assert_int_equal(loaded->benefit_sum[0].delivered, 5);
    ledger_free(loaded);
    world_fini(&w);
}

/* Which version is kept in a map, behind a key of four bytes: where it is not aligned it has to be
 * read byte by byte, which the undefined-behaviour sanitizer sees here. */
static void test_many_commitments_keep_their_versions(void **state)
{
    enum { MANY = 24 };
    (void)state;
    struct world w;
    bool crooked = false;
    world_ready(&w, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        char contributor[24], pledge[24];
        adopt(&w, with_seats(&w, i + 2, i + 1));
        assert_accepted(&w);
        submit(&w, "", pl_id_format('C', i + 1, contributor), "many", 0, "");
        commit(&w, pl_id_format('P', i + 1, pledge));
        assert_accepted(&w);
        const void *kept = pl_map_get(&w.ledger->frozen, &i);
        crooked = crooked || (uintptr_t)kept % _Alignof(uint64_t) != 0;
    }
    assert_true(crooked); /* else this shows nothing */
    struct ledger *loaded = world_reloaded(w.ledger);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(benefit_catalogue(w.ledger, &w.ledger->pledge[i])->msg->version, i + 2);
        assert_int_equal(benefit_catalogue(loaded, &loaded->pledge[i])->msg->version, i + 2);
    }
    ledger_free(loaded);
    world_fini(&w);
}

static void test_a_log_that_delivers_too_much_is_corrupt(void **state)
{
    (void)state;
    struct world w;
    signed_pledge(&w);
    Pledged__V1__Entry entry = PLEDGED__V1__ENTRY__INIT;
    Pledged__V1__BenefitDelivered fact = PLEDGED__V1__BENEFIT_DELIVERED__INIT;
    fact.pledge = (char *)"P000001";
    fact.benefit = (char *)"VIS6";
    fact.quantity = 5;
    entry.fact_case = FACT(BENEFIT_DELIVERED);
    entry.benefit_delivered = &fact;
    assert_int_equal(benefit_check(w.ledger, &entry).code, PL_E_CORRUPT); /* of what? */
    fact.unit = PLEDGED__V1__UNIT__UNIT_SEAT;
    fact.before_commitment = true;
    assert_int_equal(benefit_check(w.ledger, &entry).code, PL_E_CORRUPT);
    fact.before_commitment = false;
    assert_true(pl_is_ok(benefit_check(w.ledger, &entry)));
    fact.quantity = 6;
    assert_int_equal(benefit_check(w.ledger, &entry).code, PL_E_CORRUPT);
    fact.quantity = INT64_MIN;
    assert_int_equal(benefit_check(w.ledger, &entry).code, PL_E_CORRUPT);
    fact.quantity = 1;
    fact.benefit = (char *)"VIS9";
    assert_int_equal(benefit_check(w.ledger, &entry).code, PL_E_CORRUPT);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_unit_moves_once),
        cmocka_unit_test(test_what_is_not_there),
        cmocka_unit_test(test_a_commitment_keeps_its_version),
        cmocka_unit_test(test_many_commitments_keep_their_versions),
        cmocka_unit_test(test_a_log_that_delivers_too_much_is_corrupt),
    };
    return cmocka_run_group_tests_name("benefit", tests, NULL, NULL);
}
