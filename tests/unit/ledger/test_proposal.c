/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: under the policy nothing of a class happens without a second person; the maker is never the
 * checker (I4), under whatever certificate; a proposal is decided once, by the rules of the moment
 * when it is approved; replay and the saved state know all of it.
 */
#include "common/check.h"
#include "common/ids.h"
#include "desk.h"
#include "server/ledger/proposal.h"
#include "server/ledger/query.h"

#define OPEN     PLEDGED__V1__PROPOSAL_STATE__PROPOSAL_STATE_OPEN
#define APPROVED PLEDGED__V1__PROPOSAL_STATE__PROPOSAL_STATE_APPROVED
#define REJECTED PLEDGED__V1__PROPOSAL_STATE__PROPOSAL_STATE_REJECTED
#define EXPIRED  PLEDGED__V1__PROPOSAL_STATE__PROPOSAL_STATE_EXPIRED

static void act_as(struct world *w, const char *person, Pledged__V1__Role role)
{
    w->actor = (struct ledger_actor){person, role, person, "CN=ca"};
}

static void as_anna(struct world *w)
{
    act_as(w, "anna", PLEDGED__V1__ROLE__ROLE_CLERK);
}

static void as_bert(struct world *w)
{
    act_as(w, "bert", PLEDGED__V1__ROLE__ROLE_APPROVER);
}

/* Every class, or those of `bits`. */
static void adopt_policy(struct world *w, uint32_t bits, int64_t ttl_s)
{
    static uint8_t sha256[32] = {77};
    Pledged__V1__CommandClass classes[16];
    Pledged__V1__PolicyAdopted policy = PLEDGED__V1__POLICY_ADOPTED__INIT;
    struct ledger_decision decision;
    sha256[1]++;
    policy.sha256 = (ProtobufCBinaryData){32, sha256};
    policy.proposal_ttl_s = ttl_s;
    policy.rules = LEDGER_RULES;
    policy.four_eyes = classes;
    Pledged__V1__Money francs = PLEDGED__V1__MONEY__INIT, *limits[] = {&francs};
    francs.minor = 5000;
    francs.currency = (char *)(uintptr_t) "CHF";
    policy.n_difference_limit = 1; /* 50.00 CHF */
    policy.difference_limit = limits;
    for (int i = 1; i <= 11; i++) {
        if ((bits >> i & 1) != 0)
            classes[policy.n_four_eyes++] = (Pledged__V1__CommandClass)i;
    }
    struct ledger_start start = {.policy = &policy};
    ledger_decide_start(w->ledger, &start, w->now_us, &w->arena, &decision);
    assert_int_equal(decision.entry_count, 1);
    world_apply(w, &decision);
}

static void eyes_ready(struct world *w, int contributors)
{
    world_ready(w, contributors);
    adopt_policy(w, ~0u, 7 * 86400);
}

static void decide_on(struct world *w, uint64_t seq, bool approving)
{
    COMMAND_INIT_(command);
    Pledged__V1__Approve approve = PLEDGED__V1__APPROVE__INIT;
    Pledged__V1__Reject reject = PLEDGED__V1__REJECT__INIT;
    approve.seq = reject.seq = seq;
    command.command_case = approving ? COMMAND(APPROVE) : COMMAND(REJECT);
    if (approving)
        command.approve = &approve;
    else
        command.reject = &reject;
    give(w, &command);
}

static void approve(struct world *w, uint64_t seq)
{
    decide_on(w, seq, true);
}

static uint64_t proposed(struct world *w)
{
    assert_accepted(w);
    assert_int_equal(w->made, 1);
    assert_int_equal(world_last(w)->fact_case, FACT(PROPOSED));
    assert_int_equal(w->receipt->outcome->proposal_seq, w->receipt->seq);
    return w->receipt->seq;
}

static void test_a_proposal_changes_nothing_until_it_is_approved(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    assert_accepted(&w);
    uint64_t decides = state_pledge(w.ledger, "P000001")->changed_seq;
    commit(&w, "P000001");
    uint64_t seq = proposed(&w);
    assert_int_equal(state_pledge(w.ledger, "P000001")->stage, STAGE(PLEDGED));
    assert_int_equal(state_pledge(w.ledger, "P000001")->last_seq, seq);
    assert_int_equal(state_pledge(w.ledger, "P000001")->changed_seq, decides);
    assert_string_equal(w.receipt->outcome->pledge, "P000001");
    as_bert(&w);
    approve(&w, seq);
    assert_accepted(&w);
    const Pledged__V1__Entry *entry = world_last(&w);
    assert_int_equal(entry->fact_case, FACT(COMMITMENT_SIGNED));
    assert_int_equal(entry->proposal_seq, seq);
    assert_string_equal(entry->maker, "anna");
    assert_string_equal(entry->actor->person, "bert");
    assert_int_equal(w.receipt->outcome->proposal_seq, 0);
    assert_int_equal(state_pledge(w.ledger, "P000001")->stage, STAGE(COMMITTED));
    assert_int_equal(state_proposal(w.ledger, seq)->state, APPROVED);
    assert_int_equal(state_proposal(w.ledger, seq)->closed_seq, entry->seq);
    world_fini(&w);
}

/* What waits is decided later: by all of it, or not at all. */
static void test_a_proposal_of_a_newer_version_is_not_taken_for_less(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    commit(&w, "P000001");
    (void)proposed(&w);
    size_t last = w.entry_count - 1;
    struct ledger *then = world_before(&w, last);
    Pledged__V1__Entry *e = world_entry(&w, last);
    uint8_t bytes[4096];
    assert_true(pl_is_ok(ledger_check(then, e)));
    assert_true(e->command.len + 3 <= sizeof(bytes));
    memcpy(bytes, e->command.data, e->command.len);
    memcpy(bytes + e->command.len, "\xA2\x38\x00", 3); /* field 900, of no bytes */
    ProtobufCBinaryData command = e->command;
    e->command = (ProtobufCBinaryData){command.len + 3, bytes};
    assert_int_equal(ledger_check(then, e).code, PL_E_UNIMPLEMENTED);
    Pledged__V1__AddContributor add = PLEDGED__V1__ADD_CONTRIBUTOR__INIT;
    Pledged__V1__Command newer = PLEDGED__V1__COMMAND__INIT;
    add.kind = (Pledged__V1__ContributorKind)77; /* no number of this version */
    newer.command_case = PLEDGED__V1__COMMAND__COMMAND_ADD_CONTRIBUTOR;
    newer.add_contributor = &add;
    e->command = (ProtobufCBinaryData){pledged__v1__command__pack(&newer, bytes), bytes};
    assert_int_equal(ledger_check(then, e).code, PL_E_UNIMPLEMENTED);
    ledger_free(then);
    world_fini(&w);
}

static void test_the_maker_is_never_the_checker(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    as_bert(&w); /* approvers may propose too */
    commit(&w, "P000001");
    uint64_t seq = proposed(&w);
    approve(&w, seq);
    assert_refused(&w, SAME_PERSON);
    assert_int_equal(w.code, PL_E_DENIED);
    w.actor.identity = "uri:another-certificate"; /* the person counts, not the certificate */
    w.actor.issuer = "CN=another";
    approve(&w, seq);
    assert_refused(&w, SAME_PERSON);
    assert_int_equal(state_proposal(w.ledger, seq)->state, OPEN);
    act_as(&w, "carla", PLEDGED__V1__ROLE__ROLE_APPROVER);
    approve(&w, seq);
    assert_accepted(&w);
    Pledged__V1__Entry *forged = world_last(&w);
    struct ledger *before = world_before(&w, w.entry_count - 1);
    assert_true(pl_is_ok(ledger_check(before, forged)));
    forged->actor->person = (char *)"bert"; /* I4: no log may say so either */
    assert_int_equal(ledger_check(before, forged).code, PL_E_CORRUPT);
    ledger_free(before);
    world_fini(&w);
}

/* Whoever has another name on the roster since, and the same certificate, is the same person. */
static void test_another_name_makes_no_other_person(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    as_bert(&w);
    commit(&w, "P000001");
    uint64_t seq = proposed(&w);
    const struct ledger_actor bert = w.actor;
    w.actor.person = "robert";
    struct ledger *lived = w.ledger;
    w.ledger = world_reloaded(lived); /* a saved state knows it too */
    ledger_free(lived);
    approve(&w, seq);
    assert_refused(&w, SAME_PERSON);
    assert_string_equal(w.refusal->arg[0]->value, "robert");
    assert_string_equal(w.refusal->arg[1]->name, "why");
    decide_on(&w, seq, false); /* an approver may, whoever they are */
    assert_accepted(&w);
    as_anna(&w);
    commit(&w, "P000001");
    seq = proposed(&w);
    w.actor = bert;
    w.actor.person = "robert";
    w.actor.identity = "anna"; /* of another authority it is another one's */
    w.actor.issuer = "CN=another";
    approve(&w, seq);
    assert_accepted(&w);
    Pledged__V1__Entry *forged = world_last(&w);
    struct ledger *before = world_before(&w, w.entry_count - 1);
    assert_true(pl_is_ok(ledger_check(before, forged)));
    forged->actor->issuer = (char *)"CN=ca";
    assert_int_equal(ledger_check(before, forged).code, PL_E_CORRUPT);
    before->policy.message->rules = 11; /* older ledgers have some */
    assert_true(pl_is_ok(ledger_check(before, forged)));
    before->policy.message->rules = LEDGER_RULES;
    forged->actor->identity = (char *)""; /* nothing is known of it */
    assert_true(pl_is_ok(ledger_check(before, forged)));
    ledger_free(before);
    world_fini(&w);
}

static void test_a_proposal_is_decided_once(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    commit(&w, "P000001");
    uint64_t seq = proposed(&w);
    as_bert(&w);
    approve(&w, seq);
    assert_accepted(&w);
    act_as(&w, "carla", PLEDGED__V1__ROLE__ROLE_APPROVER);
    approve(&w, seq);
    assert_refused(&w, PROPOSAL_CLOSED);
    assert_int_equal(w.refusal->deciding_seq, state_proposal(w.ledger, seq)->closed_seq);
    decide_on(&w, seq, false);
    assert_refused(&w, PROPOSAL_CLOSED);
    approve(&w, 2);
    assert_refused(&w, PROPOSAL_UNKNOWN);
    assert_int_equal(w.code, PL_E_NOT_FOUND);
    world_fini(&w);
}

static void test_who_may_reject(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 2);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    submit(&w, NULL, "C000002", "duo", 0, NULL);
    commit(&w, "P000001");
    uint64_t first = proposed(&w);
    commit(&w, "P000002");
    uint64_t second = proposed(&w);
    act_as(&w, "dora", PLEDGED__V1__ROLE__ROLE_CLERK);
    decide_on(&w, first, false);
    assert_refused(&w, PERMISSION_DENIED);
    as_bert(&w);
    decide_on(&w, first, false);
    assert_accepted(&w);
    assert_int_equal(state_proposal(w.ledger, first)->state, REJECTED);
    as_anna(&w); /* her own */
    decide_on(&w, second, false);
    assert_accepted(&w);
    assert_int_equal(world_last(&w)->fact_case, FACT(PROPOSAL_REJECTED));
    assert_int_equal(w.ledger->proposal_open, 0);
    assert_int_equal(w.ledger->proposal_open_bytes, 0);
    world_fini(&w);
}

static void test_the_rules_of_the_moment_decide(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 3);
    submit(&w, NULL, "C000001", "many", 0, NULL);
    as_anna(&w);
    commit(&w, "P000001");
    as_bert(&w);
    approve(&w, proposed(&w));
    as_anna(&w);
    change_tier(&w, "P000001", "top", 0); /* its one place is free now */
    uint64_t seq = proposed(&w);
    submit(&w, NULL, "C000002", "top", 0, NULL); /* and is not any more */
    assert_accepted(&w);
    as_bert(&w);
    approve(&w, seq);
    assert_refused(&w, TIER_SOLD_OUT);
    assert_int_equal(state_proposal(w.ledger, seq)->state, OPEN);
    withdraw(&w, "P000002");
    approve(&w, seq);
    assert_accepted(&w);
    assert_string_equal(world_last(&w)->tier_changed->to_tier, "top");
    world_fini(&w);
}

static void test_what_is_wrong_already_is_not_proposed(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 1);
    commit(&w, "P000009");
    assert_refused(&w, PLEDGE_UNKNOWN);
    hold(&w, "duo", "C000001", 0);
    commit(&w, "P000001");
    assert_refused(&w, STATE_WRONG);
    assert_int_equal(w.ledger->proposal_count, 0);
    world_fini(&w);
}

static void test_proposals_expire_as_entries(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    commit(&w, "P000001");
    uint64_t seq = proposed(&w);
    int64_t due_us = state_proposal(w.ledger, seq)->expires_us;
    assert_int_equal(ledger_next_due_us(w.ledger), due_us);
    w.now_us = due_us; /* not recorded yet, and too late all the same */
    as_bert(&w);
    approve(&w, seq);
    assert_refused(&w, PROPOSAL_CLOSED);
    pass(&w, 1000);
    assert_int_equal(state_proposal(w.ledger, seq)->state, EXPIRED);
    assert_int_equal(world_last(&w)->fact_case, FACT(PROPOSAL_EXPIRED));
    assert_int_equal(world_last(&w)->cause_seq, seq);
    assert_int_equal(ledger_next_due_us(w.ledger), INT64_MAX);
    world_fini(&w);
}

static void test_classes_that_the_state_finds(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 2);
    hold(&w, "duo", "C000001", 86400);
    extend_hold(&w, "P000001", 2 * 86400);
    assert_int_equal(world_last(&w)->fact_case, FACT(HOLD_EXTENDED)); /* once: alone */
    extend_hold(&w, "P000001", 3 * 86400);
    assert_int_equal(world_last(&w)->proposed->class_, CLASS(EXTENSION));
    (void)proposed(&w);
    submit(&w, NULL, "C000002", "many", 4000000, "CHF"); /* less than it costs */
    uint64_t seq = proposed(&w);
    assert_int_equal(world_last(&w)->proposed->class_, CLASS(EXCEPTION));
    assert_string_equal(world_last(&w)->proposed->pledge, "");
    as_bert(&w);
    approve(&w, seq);
    assert_accepted(&w);
    assert_int_equal(state_pledge(w.ledger, "P000002")->amount, 4000000);
    as_anna(&w);
    adopt_policy(&w, 0, 86400);
    submit(&w, NULL, "C000002", "many", 4000000, "CHF"); /* nobody may allow it */
    assert_refused(&w, AMOUNT_NOT_TIER);
    world_fini(&w);
}

/* --- a command of each class --- */

static void erase_contact(struct world *w)
{
    COMMAND_INIT_(command);
    Pledged__V1__EraseContact body = PLEDGED__V1__ERASE_CONTACT__INIT;
    body.contact = (char *)(uintptr_t) "K000001";
    command.command_case = COMMAND(ERASE_CONTACT);
    command.erase_contact = &body;
    give(w, &command);
}

static void record_contact(struct world *w)
{
    static uint8_t commitment[32] = {5};
    COMMAND_INIT_(command);
    Pledged__V1__RecordContact body = PLEDGED__V1__RECORD_CONTACT__INIT;
    body.contributor = (char *)(uintptr_t) "C000001";
    body.commitment = (ProtobufCBinaryData){sizeof(commitment), commitment};
    command.command_case = COMMAND(RECORD_CONTACT);
    command.record_contact = &body;
    give(w, &command);
}

/* The last command waits, as one of this class, and changed nothing but that. */
static void waits_as(struct world *w, Pledged__V1__CommandClass class)
{
    uint64_t seq = proposed(w);
    const struct state_proposal *proposal = state_proposal(w->ledger, seq);
    assert_int_equal(world_last(w)->proposed->class_, class);
    assert_int_equal(proposal->class, class);
    assert_int_equal(proposal->state, OPEN);
}

/* Committed P000001 with B000001 of 100 too much, P000002 with P000001's money short by 600. */
static uint64_t desk_with_policy(struct world *w)
{
    world_ready(w, 3);
    submit(w, NULL, "C000001", NULL, 1000, "CHF");
    commit(w, "P000001");
    pay(w, "P000001", 1100, "CHF", "");
    submit(w, NULL, "C000002", NULL, 100000, "CHF");
    commit(w, "P000002");
    pay(w, "P000002", 400, "CHF", "");
    record_contact(w);
    assert_accepted(w);
    set_period(w, true, "2025-12", false);
    assert_accepted(w);
    hold(w, "duo", "C000001", 86400);
    extend_hold(w, "P000003", 2 * 86400);
    assert_accepted(w);
    adopt_policy(w, ~0u, 7 * 86400);
    return w->ledger->allocation[0].seq;
}

static void test_every_class_waits_for_a_second_person(void **state)
{
    (void)state;
    struct world w;
    uint64_t allocation = desk_with_policy(&w);
    adopt(&w, test_catalogue(&w.arena, 2, 2));
    waits_as(&w, CLASS(CATALOGUE));
    amend(&w, "P000001", 2000, "CHF");
    waits_as(&w, CLASS(COMMIT));
    cancel(&w, "P000001", PLEDGED__V1__MONEY_PLAN__MONEY_PLAN_REFUND);
    waits_as(&w, CLASS(CANCEL));
    refund(&w, "B000001", 50, "CHF");
    waits_as(&w, CLASS(REFUND));
    write_off(&w, "P000002", 100, "CHF");
    waits_as(&w, CLASS(WRITE_OFF));
    accept_fee(&w, "B000002", "P000002", 5001, "CHF");
    waits_as(&w, CLASS(DIFFERENCE));
    set_period(&w, true, "2026-01", false);
    waits_as(&w, CLASS(PERIOD));
    set_period(&w, false, "2025-12", false);
    waits_as(&w, CLASS(PERIOD));
    submit(&w, NULL, "C000003", "many", 4000000, "CHF"); /* less than it costs */
    waits_as(&w, CLASS(EXCEPTION));
    extend_hold(&w, "P000003", 3 * 86400); /* for the second time */
    waits_as(&w, CLASS(EXTENSION));
    erase_contact(&w);
    waits_as(&w, CLASS(ERASE));
    convert(&w, "B000001", 50, "CHF");
    waits_as(&w, CLASS(SURPLUS));
    reallocate(&w, allocation, "P000002", 100, "CHF");
    waits_as(&w, CLASS(SURPLUS));
    assert_int_equal(w.ledger->proposal_open, 13);
    assert_balanced(&w);
    assert_int_equal(w.ledger->pledge_count, 3);
    assert_int_equal(w.ledger->refund_count + w.ledger->waiver_count, 0);
    assert_int_equal(state_pledge(w.ledger, "P000001")->amount, 1000);
    assert_int_equal(state_pledge(w.ledger, "P000001")->stage, STAGE(COMMITTED));
    assert_int_equal(w.ledger->closed_through, 2025 * 12 + 11);
    world_fini(&w);
}

static void test_a_cancelled_refund_waits_too(void **state)
{
    (void)state;
    struct world w;
    (void)desk_with_policy(&w);
    refund(&w, "B000001", 50, "CHF");
    uint64_t seq = proposed(&w);
    as_bert(&w);
    approve(&w, seq);
    assert_accepted(&w);
    assert_int_equal(w.ledger->refund_count, 1);
    as_anna(&w);
    refund_cancel(&w, "R000001");
    waits_as(&w, CLASS(REFUND));
    assert_balanced(&w);
    world_fini(&w);
}

/* What the policy has no limit for, nobody accepts alone. */
static void test_a_difference_in_a_currency_without_limit(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 1);
    submit(&w, NULL, "C000001", NULL, 1000, "EUR");
    pay(&w, "P000001", 999, "EUR", "");
    accept_fee(&w, "B000001", "P000001", 1, "EUR");
    waits_as(&w, CLASS(DIFFERENCE));
    world_fini(&w);
}

/* Money that left is no charge of the bank because one person says so. */
static void test_a_charge_over_the_limit(void **state)
{
    (void)state;
    struct world w;
    Pledged__V1__Movement movement[3];
    eyes_ready(&w, 1);
    have_account(&w);
    a_movement(&movement[0], PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT, -5000, "X1");
    a_movement(&movement[1], PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT, -5001, "X2");
    a_movement(&movement[2], PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_CHARGE, -5001, "X3");
    give_bank(&w, "A", PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT, movement, 3);
    assert_accepted(&w);
    book_charge(&w, "B000001");
    assert_accepted(&w);
    assert_int_equal(world_last(&w)->fact_case, FACT(CHARGE_BOOKED));
    uint64_t small = world_last(&w)->seq;
    book_charge(&w, "B000002");
    waits_as(&w, CLASS(DIFFERENCE));
    book_charge(&w, "B000003");
    uint64_t seq = proposed(&w);
    as_bert(&w);
    approve(&w, seq);
    assert_accepted(&w);
    assert_int_equal(world_last(&w)->fact_case, FACT(CHARGE_BOOKED));
    assert_int_equal(w.ledger->bank_entry[1].allocated, 0);
    assert_int_equal(w.ledger->bank_entry[2].allocated, 5001);
    assert_balanced(&w);
    uint64_t large = world_last(&w)->seq;
    as_anna(&w);
    reverse(&w, large);
    waits_as(&w, CLASS(DIFFERENCE));
    reverse(&w, small);
    assert_int_equal(world_last(&w)->fact_case, FACT(REVERSED));
    world_fini(&w);
}

/* What one alone booked in a month is one charge; what two booked is theirs. */
static void test_a_charge_in_small_parts(void **state)
{
    (void)state;
    struct world w;
    Pledged__V1__Movement movement[6];
    eyes_ready(&w, 1);
    have_account(&w);
    for (int i = 0; i < 6; i++) {
        static const char *const names[] = {"X1", "X2", "X3", "X4", "X5", "X6"};
        a_movement(&movement[i], PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT,
                   i == 5 ? -6000 : -2500, names[i]);
    }
    movement[3].value_date = (char *)(uintptr_t) "2026-01-31"; /* of another month */
    give_bank(&w, "A", PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT, movement, 6);
    assert_accepted(&w);
    book_charge(&w, "B000006");
    uint64_t large = proposed(&w);
    as_bert(&w);
    approve(&w, large);
    assert_accepted(&w);
    as_anna(&w);
    book_charge(&w, "B000001");
    book_charge(&w, "B000002"); /* 50.00 */
    assert_int_equal(world_last(&w)->fact_case, FACT(CHARGE_BOOKED));
    uint64_t second = world_last(&w)->seq;
    book_charge(&w, "B000003");
    waits_as(&w, CLASS(DIFFERENCE));
    book_charge(&w, "B000004");
    assert_int_equal(world_last(&w)->fact_case, FACT(CHARGE_BOOKED));
    reverse(&w, second);
    assert_int_equal(world_last(&w)->fact_case, FACT(REVERSED));
    struct ledger *again = world_reloaded(w.ledger);
    ledger_free(w.ledger);
    w.ledger = again;
    book_charge(&w, "B000003");
    assert_int_equal(world_last(&w)->fact_case, FACT(CHARGE_BOOKED));
    book_charge(&w, "B000005");
    uint64_t waits = proposed(&w);
    as_bert(&w);
    approve(&w, waits);
    assert_accepted(&w);
    uint64_t by_two = world_last(&w)->seq;
    as_anna(&w);
    reverse(&w, by_two); /* however small */
    waits_as(&w, CLASS(DIFFERENCE));
    assert_balanced(&w);
    world_fini(&w);
}

/* A payment of a closed month is corrected by two; of an open one by one. */
static void test_a_correction_of_a_closed_month(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 1);
    submit(&w, NULL, "C000001", NULL, 1000, "CHF");
    pay(&w, "P000001", 300, "CHF", "");
    uint64_t paid = w.receipt->seq;
    pay(&w, "P000001", 200, "CHF", "");
    uint64_t later = w.receipt->seq;
    pass(&w, 40 * DAY_US);
    set_period(&w, true, "2026-02", false);
    uint64_t seq = proposed(&w);
    reverse(&w, later); /* the month is still open */
    assert_accepted(&w);
    assert_int_equal(world_last(&w)->fact_case, FACT(REVERSED));
    as_bert(&w);
    approve(&w, seq);
    assert_accepted(&w);
    as_anna(&w);
    reverse(&w, paid);
    waits_as(&w, CLASS(PERIOD));
    world_fini(&w);
}

/* So is a refund that was said to be paid in it. */
static void test_a_refund_paid_in_a_closed_month(void **state)
{
    (void)state;
    struct world w;
    (void)desk_with_policy(&w);
    refund(&w, "B000001", 50, "CHF");
    uint64_t seq = proposed(&w);
    as_bert(&w);
    approve(&w, seq);
    refund_paid(&w, "R000001", 50, "CHF", "");
    assert_accepted(&w);
    uint64_t paid = w.receipt->seq;
    adopt_policy(&w, 0, 86400);
    pass(&w, 40 * DAY_US);
    set_period(&w, true, "2026-01", false);
    set_period(&w, true, "2026-02", true);
    assert_accepted(&w);
    adopt_policy(&w, ~0u, 86400);
    as_anna(&w);
    reverse(&w, paid);
    waits_as(&w, CLASS(PERIOD));
    world_fini(&w);
}

/* And so is what was written off, accepted as lost, or closed in it: each has its day. */
static void test_what_no_bank_dates_has_a_day_too(void **state)
{
    (void)state;
    struct world w;
    uint64_t seq[3];
    (void)desk_with_policy(&w);
    adopt_policy(&w, 0, 86400);
    accept_fee(&w, "B000002", "P000002", 10, "CHF");
    assert_accepted(&w);
    seq[0] = w.receipt->seq;
    write_off(&w, "P000002", 20, "CHF");
    assert_accepted(&w);
    seq[1] = w.receipt->seq;
    submit(&w, NULL, "C000002", NULL, 100, "CHF");
    char pledge[24];
    (void)pl_id_format('P', w.ledger->pledge_count, pledge);
    commit(&w, pledge);
    pay(&w, pledge, 100, "CHF", "");
    close_pledge(&w, pledge);
    assert_accepted(&w);
    seq[2] = w.receipt->seq;
    pass(&w, 40 * DAY_US);
    Pledged__V1__Command command = PLEDGED__V1__COMMAND__INIT;
    Pledged__V1__Reverse body = PLEDGED__V1__REVERSE__INIT;
    command.command_case = COMMAND(REVERSE);
    command.reverse = &body;
    for (size_t i = 0; i < PL_COUNT(seq); i++) {
        body.seq = seq[i];
        assert_int_equal(proposal_class_of(w.ledger, &command),
                         i == 1 ? CLASS(WRITE_OFF) : CLASS(UNSPECIFIED));
    }
    set_period(&w, true, "2026-01", false);
    set_period(&w, true, "2026-02", true);
    assert_accepted(&w);
    assert_accepted(&w);
    adopt_policy(&w, ~0u, 86400);
    as_anna(&w);
    for (size_t i = 0; i < PL_COUNT(seq); i++) {
        w.actor.role = i == 2 ? PLEDGED__V1__ROLE__ROLE_APPROVER : PLEDGED__V1__ROLE__ROLE_CLERK;
        reverse(&w, seq[i]);
        waits_as(&w, CLASS(PERIOD));
    }
    struct ledger *again = world_reloaded(w.ledger);
    assert_int_equal(again->waiver[0].day, 1770000000 / 86400);
    assert_int_equal(again->deed[0].day, 1770000000 / 86400);
    ledger_free(again);
    world_fini(&w);
}

static bool warned(const struct world *w)
{
    bool found = false;
    for (size_t i = 0; i < w->receipt->outcome->n_warning; i++)
        found = found || w->receipt->outcome->warning[i]->kind == WARNING(FOUR_EYES_OFF);
    return found;
}

static void test_without_the_policy_the_entry_says_so(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    assert_false(warned(&w));
    commit(&w, "P000001");
    assert_true(warned(&w));
    assert_int_equal(world_last(&w)->fact_case, FACT(COMMITMENT_SIGNED));
    adopt_policy(&w, 1u << CLASS(COMMIT), 86400);
    cancel(&w, "P000001", 0);
    assert_true(warned(&w)); /* another class */
    assert_int_equal(state_pledge(w.ledger, "P000001")->stage, STAGE(CANCELLED));
    world_fini(&w);
}

static void test_a_catalogue_is_adopted_out_of_its_proposal(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 0);
    act_as(&w, "root", PLEDGED__V1__ROLE__ROLE_ADMIN);
    adopt(&w, test_catalogue(&w.arena, 2, 3));
    uint64_t seq = proposed(&w);
    assert_int_equal(w.ledger->catalogue[0].current->msg->version, 1);
    as_bert(&w);
    approve(&w, seq);
    assert_accepted(&w);
    const Pledged__V1__CatalogueAdopted *fact = world_last(&w)->catalogue_adopted;
    assert_int_equal(fact->proposal_seq, seq);
    assert_int_equal(w.ledger->catalogue[0].current->msg->version, 2);
    assert_memory_equal(w.ledger->catalogue[0].current->sha256, fact->sha256.data, 32);
    world_fini(&w);
}

static void test_the_effective_date_is_the_proposed_one(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    COMMAND_INIT_(command);
    Pledged__V1__Document document, *list[1];
    Pledged__V1__Commit body = PLEDGED__V1__COMMIT__INIT;
    with_evidence(&command, &document, list, "agreement");
    body.pledge = (char *)"P000001";
    command.effective_date = (char *)"2026-02-03";
    command.command_case = COMMAND(COMMIT);
    command.commit = &body;
    give(&w, &command);
    uint64_t seq = proposed(&w);
    as_bert(&w);
    approve(&w, seq);
    assert_string_equal(world_last(&w)->effective_date, "2026-02-03");
    world_fini(&w);
}

static void test_a_saved_state_knows_what_waits(void **state)
{
    (void)state;
    struct world w;
    uint8_t before[32], after[32];
    eyes_ready(&w, 2);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    submit(&w, NULL, "C000002", "duo", 0, NULL);
    commit(&w, "P000001");
    uint64_t open = proposed(&w);
    commit(&w, "P000002");
    as_bert(&w);
    decide_on(&w, proposed(&w), false);
    struct saved saved = world_save(w.ledger);
    struct ledger *loaded = NULL;
    assert_true(pl_is_ok(ledger_load(saved_take, &saved, &loaded)));
    free(saved.data);
    ledger_digest(w.ledger, before);
    ledger_digest(loaded, after);
    assert_memory_equal(before, after, 32);
    ledger_free(w.ledger);
    w.ledger = loaded;
    assert_int_equal(ledger_next_due_us(w.ledger), state_proposal(w.ledger, open)->expires_us);
    approve(&w, open);
    assert_accepted(&w);
    struct ledger *replayed = world_before(&w, w.entry_count);
    ledger_digest(w.ledger, before);
    ledger_digest(replayed, after);
    assert_memory_equal(before, after, 32);
    ledger_free(replayed);
    world_fini(&w);
}

static void test_logs_that_break_the_rules_are_refused(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    commit(&w, "P000001");
    uint64_t seq = proposed(&w);
    as_bert(&w);
    approve(&w, seq);
    size_t place = w.entry_count - 1;
    struct ledger *before = world_before(&w, place);
    Pledged__V1__Entry *entry = world_entry(&w, place);
    entry->maker = (char *)"dora";
    assert_int_equal(ledger_check(before, entry).code, PL_E_CORRUPT);
    entry = world_entry(&w, place);
    entry->proposal_seq = 3;
    assert_int_equal(ledger_check(before, entry).code, PL_E_CORRUPT);
    entry->proposal_seq = 0;
    assert_int_equal(ledger_check(before, entry).code, PL_E_CORRUPT); /* a maker all the same */
    ledger_free(before);
    before = world_before(&w, place - 1);
    entry = world_entry(&w, place - 1);
    entry->proposed->class_ = (Pledged__V1__CommandClass)12;
    assert_int_equal(ledger_check(before, entry).code, PL_E_CORRUPT);
    entry = world_entry(&w, place - 1);
    entry->proposed->expires_us = entry->time_us;
    assert_int_equal(ledger_check(before, entry).code, PL_E_CORRUPT);
    entry = world_entry(&w, place - 1);
    entry->command = world_entry(&w, place)->command; /* an approval waits for no approval */
    assert_int_equal(ledger_check(before, entry).code, PL_E_CORRUPT);
    ledger_free(before);
    world_fini(&w);
}

/* Each entry of the command says which proposal it carries out, and the first one decides it. */
static void test_a_proposal_that_makes_several_entries(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 1);
    submit(&w, NULL, "C000001", NULL, 1000, "CHF");
    submit(&w, NULL, "C000001", NULL, 1000, "CHF");
    pay(&w, "P000001", 600, "CHF", "");
    uint64_t allocated = w.receipt->seq + 1;
    reallocate(&w, allocated, "P000002", 200, "CHF");
    uint64_t seq = proposed(&w);
    as_bert(&w);
    approve(&w, seq);
    assert_accepted(&w);
    assert_true(w.made > 1);
    for (size_t place = w.entry_count - w.made; place < w.entry_count; place++) {
        struct ledger *before = world_before(&w, place);
        Pledged__V1__Entry *entry = world_entry(&w, place);
        assert_int_equal(entry->proposal_seq, seq);
        assert_string_equal(entry->maker, "anna");
        assert_true(pl_is_ok(ledger_check(before, entry)));
        bool first = place == w.entry_count - w.made;
        assert_int_equal(state_proposal(before, seq)->state, first ? OPEN : APPROVED);
        if (!first) { /* what another command decided, or nobody yet, is not carried out here */
            struct state_proposal *row = state_proposal(before, seq);
            row->closed_seq--;
            assert_int_equal(ledger_check(before, entry).code, PL_E_CORRUPT);
            row->closed_seq++;
            row->state = OPEN;
            struct pl_status status = ledger_check(before, entry);
            assert_string_equal(status.what,
                                "an entry carries out a proposal that its command does not");
            row->state = APPROVED;
        }
        ledger_free(before);
    }
    assert_balanced(&w);
    world_fini(&w);
}

static const Pledged__V1__ListProposalsResponse *list(struct world *w, bool all, const char *token,
                                                      uint32_t size)
{
    Pledged__V1__ListProposalsRequest request = PLEDGED__V1__LIST_PROPOSALS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    Pledged__V1__Refusal *refusal = NULL;
    request.all = all;
    request.page_token = (char *)(uintptr_t)token;
    request.page_size = size;
    assert_int_equal(
        query_list_proposals(w->ledger, NULL, &request.base, &w->arena, &message, &refusal),
        PL_E_OK);
    return (const Pledged__V1__ListProposalsResponse *)message;
}

/* A page begins where the one before it ended, and nowhere else. */
static void test_tokens_of_no_page(void **state)
{
    (void)state;
    static const char *const tokens[] = {"x",
                                         "a",
                                         "a:",
                                         "b:1",
                                         "a:1x",
                                         "a:/",
                                         "a:-1",
                                         "a:+1",
                                         "a: 1",
                                         "a:1111111111111111111",
                                         "a:99999999999999999999"};
    struct world w;
    eyes_ready(&w, 1);
    for (size_t i = 0; i < PL_COUNT(tokens); i++) {
        Pledged__V1__ListProposalsRequest request = PLEDGED__V1__LIST_PROPOSALS_REQUEST__INIT;
        ProtobufCMessage *message = NULL;
        Pledged__V1__Refusal *refusal = NULL;
        request.all = true;
        request.page_token = (char *)(uintptr_t)tokens[i];
        assert_int_equal(
            query_list_proposals(w.ledger, NULL, &request.base, &w.arena, &message, &refusal),
            PL_E_INVALID);
        assert_string_equal(refusal->field, "page_token");
    }
    world_fini(&w);
}

static void test_the_list(void **state)
{
    (void)state;
    struct world w;
    uint64_t seq[3];
    eyes_ready(&w, 3);
    for (int i = 0; i < 3; i++) {
        const char *const who[] = {"C000001", "C000002", "C000003"};
        const char *const what[] = {"P000001", "P000002", "P000003"};
        submit(&w, NULL, who[i], "many", 0, NULL);
        commit(&w, what[i]);
        seq[i] = proposed(&w);
    }
    as_bert(&w);
    approve(&w, seq[1]);
    const Pledged__V1__ListProposalsResponse *got = list(&w, false, "", 0);
    assert_int_equal(got->n_proposal, 2);
    assert_int_equal(got->proposal[0]->seq, seq[0]);
    assert_string_equal(got->proposal[0]->maker, "anna");
    assert_string_equal(got->proposal[0]->pledge, "P000001");
    assert_string_equal(got->proposal[0]->command_name, "commit");
    assert_int_not_equal(got->proposal[0]->command.len, 0);
    assert_string_equal(got->next_page_token, "");
    got = list(&w, true, "", 2);
    assert_int_equal(got->n_proposal, 2);
    assert_int_equal(got->proposal[1]->state, APPROVED);
    assert_int_equal(got->proposal[1]->command.len, 0);
    got = list(&w, true, got->next_page_token, 2);
    assert_int_equal(got->n_proposal, 1);
    assert_int_equal(got->proposal[0]->seq, seq[2]);
    Pledged__V1__ListProposalsRequest bad = PLEDGED__V1__LIST_PROPOSALS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    Pledged__V1__Refusal *refusal = NULL;
    bad.page_token = (char *)"a:1";
    assert_int_equal(query_list_proposals(w.ledger, NULL, &bad.base, &w.arena, &message, &refusal),
                     PL_E_INVALID);
    bad.page_token = (char *)"";
    bad.pledge = (char *)"P000099";
    assert_int_equal(query_list_proposals(w.ledger, NULL, &bad.base, &w.arena, &message, &refusal),
                     PL_E_NOT_FOUND);
    world_fini(&w);
}

static void accept_difference(struct world *w, int64_t minor)
{
    COMMAND_INIT_(command);
    Pledged__V1__AcceptDifference body = PLEDGED__V1__ACCEPT_DIFFERENCE__INIT;
    Pledged__V1__Money amount = PLEDGED__V1__MONEY__INIT;
    amount.minor = minor;
    amount.currency = (char *)(uintptr_t) "CHF";
    body.bank_entry = (char *)(uintptr_t) "B000001";
    body.pledge = (char *)(uintptr_t) "P000001";
    body.kind = PLEDGED__V1__DIFFERENCE_KIND__DIFFERENCE_KIND_FEE;
    body.amount = minor != 0 ? &amount : NULL;
    command.command_case = COMMAND(ACCEPT_DIFFERENCE);
    command.accept_difference = &body;
    give(w, &command);
    assert_accepted(w);
}

static void test_a_difference_over_the_limit(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 1);
    submit(&w, NULL, "C000001", NULL, 100000, "CHF");
    pay(&w, "P000001", 80000, "CHF", "");
    accept_difference(&w, 5000);
    assert_int_equal(world_last(&w)->fact_case, FACT(DIFFERENCE_ACCEPTED));
    reverse(&w, w.receipt->seq);
    accept_difference(&w, 5001);
    assert_int_equal(world_last(&w)->fact_case, FACT(PROPOSED));
    accept_difference(&w, 0); /* all that is still to be paid: 150.00 */
    assert_int_equal(world_last(&w)->fact_case, FACT(PROPOSED));
    world_fini(&w);
}

static void test_a_difference_in_small_parts(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 1);
    submit(&w, NULL, "C000001", NULL, 100000, "CHF");
    pay(&w, "P000001", 80000, "CHF", "");
    accept_difference(&w, 3000);
    assert_int_equal(world_last(&w)->fact_case, FACT(DIFFERENCE_ACCEPTED));
    accept_difference(&w, 2001);
    waits_as(&w, CLASS(DIFFERENCE)); /* which is no part of what was accepted */
    accept_difference(&w, 2000);
    assert_int_equal(world_last(&w)->fact_case, FACT(DIFFERENCE_ACCEPTED));
    uint64_t last = w.receipt->seq;
    accept_difference(&w, 1);
    waits_as(&w, CLASS(DIFFERENCE));
    reverse(&w, last);
    accept_difference(&w, 1);
    assert_int_equal(world_last(&w)->fact_case, FACT(DIFFERENCE_ACCEPTED));
    world_fini(&w);
}

/* Who approves "all of it" sees how much that is. */
static void test_the_list_says_how_much_all_is(void **state)
{
    (void)state;
    struct world w;
    (void)desk_with_policy(&w);
    write_off(&w, "P000002", 0, "CHF");
    (void)proposed(&w);
    refund(&w, "B000001", 0, "CHF");
    (void)proposed(&w);
    write_off(&w, "P000002", 100, "CHF");
    (void)proposed(&w);
    const Pledged__V1__ListProposalsResponse *got = list(&w, false, "", 0);
    assert_int_equal(got->n_proposal, 3);
    assert_int_equal(got->proposal[0]->all->minor, 99600);
    assert_string_equal(got->proposal[0]->all->currency, "CHF");
    assert_int_equal(got->proposal[1]->all->minor, 100);
    assert_null(got->proposal[2]->all);
    world_fini(&w);
}

static void test_all_that_is_left_is_no_more_than_was_shown(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 1);
    submit(&w, NULL, "C000001", NULL, 100000, "CHF");
    pay(&w, "P000001", 5000, "CHF", "");
    pay(&w, "P000001", 80000, "CHF", "");
    uint64_t second = w.receipt->seq;
    accept_difference(&w, 0); /* 150.00 */
    uint64_t open = proposed(&w);
    reverse(&w, second + 1); /* 950.00 now */
    as_bert(&w);
    approve(&w, open);
    assert_refused(&w, AMOUNT_CHANGED);
    assert_int_equal(w.code, PL_E_REFUSED);
    assert_int_equal(w.refusal->deciding_seq, open);
    assert_string_equal(w.refusal->arg[0]->value, "15000");
    assert_string_equal(w.refusal->arg[1]->value, "CHF");
    assert_string_equal(w.refusal->arg[2]->value, "95000");
    assert_int_equal(state_proposal(w.ledger, open)->state, OPEN);
    assert_int_equal(state_pledge(w.ledger, "P000001")->forgiven, 0);
    world_fini(&w);
}

static void test_all_that_is_free_is_no_more_than_was_shown(void **state)
{
    (void)state;
    struct world w;
    uint64_t allocated = desk_with_policy(&w);
    refund(&w, "B000001", 50, "CHF");
    uint64_t half = proposed(&w);
    as_bert(&w);
    approve(&w, half);
    assert_accepted(&w);
    as_anna(&w);
    refund(&w, "B000001", 0, NULL); /* the other 50 */
    uint64_t open = proposed(&w);
    refund(&w, "B000001", 50, "CHF");
    uint64_t said = proposed(&w);
    adopt_policy(&w, 1u << CLASS(REFUND), 7 * 86400);
    reverse(&w, allocated);
    assert_accepted(&w);
    as_bert(&w);
    approve(&w, open);
    assert_refused(&w, AMOUNT_CHANGED);
    assert_int_equal(w.refusal->deciding_seq, open);
    approve(&w, said);
    assert_accepted(&w);
    world_fini(&w);
}

/* Two people may agree to more meanwhile: the third one was asked about less. */
static void test_what_two_change_is_not_what_was_proposed(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 1);
    submit(&w, NULL, "C000001", "many", 0, NULL);
    commit(&w, "P000001");
    uint64_t signature = proposed(&w);
    change_tier(&w, "P000001", "duo", 0);
    uint64_t more = proposed(&w);
    as_bert(&w);
    approve(&w, more);
    assert_accepted(&w);
    approve(&w, signature); /* of 50,000.00 */
    assert_refused(&w, AMOUNT_CHANGED);
    assert_string_equal(w.refusal->arg[0]->value, "5000000");
    assert_string_equal(w.refusal->arg[2]->value, "15000000");
    const Pledged__V1__ListProposalsResponse *got = list(&w, false, "", 0);
    assert_int_equal(got->n_proposal, 1);
    assert_int_equal(got->proposal[0]->all->minor, 5000000);
    assert_int_equal(got->proposal[0]->now->minor, 15000000);
    as_anna(&w);
    commit(&w, "P000001");
    uint64_t again = proposed(&w);
    as_bert(&w);
    approve(&w, again);
    assert_accepted(&w);
    got = list(&w, true, "", 0);
    assert_int_equal(got->proposal[2]->all->minor, 15000000); /* stays readable */
    assert_null(got->proposal[2]->now);
    world_fini(&w);
}

/* It is told first that the rules have another objection. */
static void test_another_objection_comes_first(void **state)
{
    (void)state;
    struct world w;
    (void)desk_with_policy(&w);
    write_off(&w, "P000002", 0, "CHF");
    uint64_t open = proposed(&w);
    cancel(&w, "P000002", PLEDGED__V1__MONEY_PLAN__MONEY_PLAN_KEEP);
    uint64_t end = proposed(&w);
    as_bert(&w);
    approve(&w, end);
    assert_accepted(&w);
    approve(&w, open);
    assert_refused(&w, STATE_WRONG);
    world_fini(&w);
}

/* What waits since before amounts were kept: its rest may have grown, what it says has not. */
static void test_proposals_of_before_amounts_were_kept(void **state)
{
    (void)state;
    struct world w;
    uint64_t waiting[2];
    (void)desk_with_policy(&w);
    write_off(&w, "P000002", 0, "CHF");
    waiting[0] = proposed(&w);
    write_off(&w, "P000002", 100, "CHF");
    waiting[1] = proposed(&w);
    Pledged__V1__Entry *entry = world_entry(&w, w.entry_count - 2);
    struct ledger *before = world_before(&w, w.entry_count - 2);
    before->policy.message->rules = 6;
    entry->proposed->amount = NULL;
    assert_true(pl_is_ok(ledger_check(before, entry)));
    ledger_apply(before, entry);
    assert_int_equal(state_proposal(before, waiting[0])->currency, STATE_AMOUNT_NOT_KEPT);
    ledger_apply(before, world_last(&w));
    struct ledger *again = world_reloaded(before);
    assert_int_equal(state_proposal(again, waiting[0])->currency, STATE_AMOUNT_NOT_KEPT);
    ledger_free(w.ledger);
    ledger_free(before);
    w.ledger = again;
    as_bert(&w);
    approve(&w, waiting[0]);
    assert_refused(&w, AMOUNT_CHANGED);
    assert_int_equal(w.refusal->n_arg, 0);
    approve(&w, waiting[1]);
    assert_accepted(&w);
    world_fini(&w);
}

static void test_a_log_with_another_amount_is_refused(void **state)
{
    (void)state;
    struct world w;
    (void)desk_with_policy(&w);
    write_off(&w, "P000002", 0, "CHF");
    uint64_t open = proposed(&w);
    Pledged__V1__Entry *entry = world_last(&w);
    struct ledger *before = world_before(&w, w.entry_count - 1);
    entry->proposed->amount->minor++;
    assert_int_equal(ledger_check(before, entry).code, PL_E_CORRUPT);
    before->policy.message->rules = 6; /* which had none to judge */
    assert_true(pl_is_ok(ledger_check(before, entry)));
    before->policy.message->rules = LEDGER_RULES;
    entry->proposed->amount->minor--;
    ledger_apply(before, entry);
    as_bert(&w);
    approve(&w, open);
    assert_accepted(&w);
    assert_true(pl_is_ok(ledger_check(before, world_last(&w))));
    state_proposal(before, open)->amount++;
    assert_int_equal(ledger_check(before, world_last(&w)).code, PL_E_CORRUPT);
    ledger_free(before);
    world_fini(&w);
}

static void test_what_waits_for_a_signature_stays_as_it_was_shown(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 1);
    submit(&w, NULL, "C000001", "many", 0, NULL);
    change_tier(&w, "P000001", "duo", 0); /* nobody is asked yet */
    assert_int_equal(world_last(&w)->fact_case, FACT(TIER_CHANGED));
    commit(&w, "P000001");
    uint64_t signature = proposed(&w);
    change_tier(&w, "P000001", "many", 0);
    waits_as(&w, CLASS(COMMIT));
    decide_on(&w, signature, false); /* taken back: it is the maker's own again */
    assert_accepted(&w);
    change_tier(&w, "P000001", "many", 0);
    assert_int_equal(world_last(&w)->fact_case, FACT(TIER_CHANGED));
    world_fini(&w);
}

/* The approver signs for the organisation that they were shown. */
static void test_who_signs_keeps_the_name_that_was_shown(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 2);
    submit(&w, NULL, "C000001", "many", 0, NULL);
    commit(&w, "P000001");
    uint64_t signature = proposed(&w);
    amend_contributor(&w, "C000002", "Nobody Waits For This One", "", "");
    assert_int_equal(world_last(&w)->fact_case, FACT(CONTRIBUTOR_AMENDED));
    amend_contributor(&w, "C000001", "Somebody Else", "", "");
    waits_as(&w, CLASS(COMMIT));
    decide_on(&w, signature, false);
    assert_accepted(&w);
    amend_contributor(&w, "C000001", "Somebody Else", "", "");
    assert_int_equal(world_last(&w)->fact_case, FACT(CONTRIBUTOR_AMENDED));
    world_fini(&w);
}

/* What took two persons takes two to undo. */
static void test_waivers_are_undone_as_they_were_made(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 1);
    submit(&w, NULL, "C000001", NULL, 100000, "CHF");
    pay(&w, "P000001", 80000, "CHF", "");
    commit(&w, "P000001");
    uint64_t seq = proposed(&w);
    as_bert(&w);
    approve(&w, seq);
    as_anna(&w);
    accept_difference(&w, 3000);
    uint64_t small = w.receipt->seq;
    write_off(&w, "P000001", 1000, "CHF");
    seq = proposed(&w);
    as_bert(&w);
    approve(&w, seq);
    assert_accepted(&w);
    uint64_t written_off = world_last(&w)->seq;
    as_anna(&w);
    reverse(&w, written_off);
    waits_as(&w, CLASS(WRITE_OFF));
    accept_difference(&w, 3000);
    seq = proposed(&w);
    as_bert(&w);
    approve(&w, seq);
    assert_accepted(&w);
    as_anna(&w);
    reverse(&w, small); /* a part of what both accepted together */
    waits_as(&w, CLASS(DIFFERENCE));
    seq = proposed(&w);
    as_bert(&w);
    approve(&w, seq);
    assert_accepted(&w);
    assert_int_equal(world_last(&w)->fact_case, FACT(REVERSED));
    world_fini(&w);
}

static void test_only_so_many_wait(void **state)
{
    (void)state;
    struct world w;
    eyes_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    w.ledger->proposal_open = LEDGER_PROPOSALS_OPEN_MAX;
    commit(&w, "P000001");
    assert_refused(&w, TOO_BIG);
    w.ledger->proposal_open = 0;
    w.ledger->proposal_open_bytes = LEDGER_PROPOSALS_OPEN_BYTES_MAX;
    commit(&w, "P000001");
    assert_refused(&w, TOO_BIG);
    w.ledger->proposal_open_bytes = 0;
    adopt_policy(&w, ~0u, 0); /* no length of its own: a month */
    commit(&w, "P000001");
    (void)proposed(&w);
    assert_int_equal(world_last(&w)->proposed->expires_us, world_last(&w)->time_us + 30 * DAY_US);
    world_fini(&w);
}

/* Two people propose the same, or one does so twice: told, and it waits all the same. */
static void test_the_same_again_is_noted(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 2);
    adopt_policy(&w, ~0u, 86400);
    as_anna(&w);
    submit(&w, NULL, "C000001", NULL, 1000, "CHF");
    submit(&w, NULL, "C000002", NULL, 1000, "CHF");
    commit(&w, "P000001");
    waits_as(&w, CLASS(COMMIT));
    uint64_t first = w.receipt->seq;
    assert_int_equal(w.receipt->outcome->n_warning, 0);
    commit(&w, "P000002"); /* of another pledge */
    assert_int_equal(w.receipt->outcome->n_warning, 0);
    commit(&w, "P000001");
    waits_as(&w, CLASS(COMMIT));
    assert_int_equal(w.receipt->outcome->n_warning, 1);
    assert_int_equal(w.receipt->outcome->warning[0]->kind, WARNING(PROPOSAL_SIMILAR));
    assert_int_equal(w.receipt->outcome->warning[0]->seq, first);
    uint64_t second = w.receipt->seq;
    decide_on(&w, second, false); /* her own */
    decide_on(&w, first, false);
    commit(&w, "P000001"); /* those are closed */
    assert_int_equal(w.receipt->outcome->n_warning, 0);
    pass(&w, 40 * DAY_US);
    for (int i = 0; i < 2; i++) { /* whatever checkpoint it names */
        set_period(&w, true, "2026-02", true);
        assert_accepted(&w);
        waits_as(&w, CLASS(PERIOD));
        assert_int_equal(w.receipt->outcome->n_warning, i);
    }
    set_period(&w, true, "2026-01", true);
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->n_warning, 0);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens_of_no_page),
        cmocka_unit_test(test_a_proposal_that_makes_several_entries),
        cmocka_unit_test(test_a_difference_over_the_limit),
        cmocka_unit_test(test_a_difference_in_small_parts),
        cmocka_unit_test(test_the_list_says_how_much_all_is),
        cmocka_unit_test(test_all_that_is_left_is_no_more_than_was_shown),
        cmocka_unit_test(test_all_that_is_free_is_no_more_than_was_shown),
        cmocka_unit_test(test_what_two_change_is_not_what_was_proposed),
        cmocka_unit_test(test_another_objection_comes_first),
        cmocka_unit_test(test_proposals_of_before_amounts_were_kept),
        cmocka_unit_test(test_a_log_with_another_amount_is_refused),
        cmocka_unit_test(test_what_waits_for_a_signature_stays_as_it_was_shown),
        cmocka_unit_test(test_who_signs_keeps_the_name_that_was_shown),
        cmocka_unit_test(test_waivers_are_undone_as_they_were_made),
        cmocka_unit_test(test_a_proposal_changes_nothing_until_it_is_approved),
        cmocka_unit_test(test_a_proposal_of_a_newer_version_is_not_taken_for_less),
        cmocka_unit_test(test_the_maker_is_never_the_checker),
        cmocka_unit_test(test_another_name_makes_no_other_person),
        cmocka_unit_test(test_a_proposal_is_decided_once),
        cmocka_unit_test(test_who_may_reject),
        cmocka_unit_test(test_the_rules_of_the_moment_decide),
        cmocka_unit_test(test_what_is_wrong_already_is_not_proposed),
        cmocka_unit_test(test_proposals_expire_as_entries),
        cmocka_unit_test(test_classes_that_the_state_finds),
        cmocka_unit_test(test_every_class_waits_for_a_second_person),
        cmocka_unit_test(test_a_cancelled_refund_waits_too),
        cmocka_unit_test(test_a_difference_in_a_currency_without_limit),
        cmocka_unit_test(test_a_charge_over_the_limit),
        cmocka_unit_test(test_a_charge_in_small_parts),
        cmocka_unit_test(test_a_correction_of_a_closed_month),
        cmocka_unit_test(test_a_refund_paid_in_a_closed_month),
        cmocka_unit_test(test_what_no_bank_dates_has_a_day_too),
        cmocka_unit_test(test_without_the_policy_the_entry_says_so),
        cmocka_unit_test(test_a_catalogue_is_adopted_out_of_its_proposal),
        cmocka_unit_test(test_the_effective_date_is_the_proposed_one),
        cmocka_unit_test(test_a_saved_state_knows_what_waits),
        cmocka_unit_test(test_logs_that_break_the_rules_are_refused),
        cmocka_unit_test(test_the_list),
        cmocka_unit_test(test_only_so_many_wait),
        cmocka_unit_test(test_the_same_again_is_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
