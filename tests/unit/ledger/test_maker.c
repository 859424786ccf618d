/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: every entry of a decision says who, when, why and after what; a refusal is one entry and
 * drops all else; an arena that is too small is told before anything is begun.
 */
#include "common/buf.h"
#include "desk.h"
#include "storm.h"

static void test_first_entry_carries_the_command(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 3);
    submit(&w, NULL, "C000001", "top", 0, NULL);
    wait_in(&w, "top", "C000002");
    withdraw(&w, "P000001");
    Pledged__V1__Entry *first = world_entry(&w, w.entry_count - 3);
    assert_int_equal(first->fact_case, FACT(WITHDRAWN));
    assert_int_not_equal(first->command.len, 0);
    assert_int_equal(first->cause_seq, 0);
    assert_non_null(first->outcome);
    uint8_t digest[32];
    pl_sha256(pl_slice(first->command.data, first->command.len), digest);
    assert_memory_equal(first->command_digest.data, digest, 32);
    for (size_t i = w.entry_count - 2; i < w.entry_count; i++) {
        Pledged__V1__Entry *e = world_entry(&w, i);
        assert_int_equal(e->command.len, 0);
        assert_int_equal(e->command_digest.len, 0);
        assert_null(e->outcome);
        assert_memory_equal(e->request_id.data, first->request_id.data, 16);
        assert_int_equal(e->cause_seq, first->seq);
        assert_string_equal(e->actor->person, "anna");
        assert_int_equal(e->actor->role, PLEDGED__V1__ROLE__ROLE_CLERK);
        assert_string_equal(e->actor->identity, "uri:x");
        assert_string_equal(e->actor->issuer, "CN=ca");
        assert_int_equal(e->seq, i + 1);
    }
    assert_int_equal(world_last(&w)->prev_seq, w.entry_count - 1); /* HoldPlaced, WaitPromoted */
    assert_int_equal(ledger_find_request(w.ledger, first->request_id.data), first->seq);
    world_fini(&w);
}

enum { LARGE = 1900, FACTS_OF_FORMAT_1 = 49 };

/* An import of many movements; larger than an entry. */
static void import_large(struct world *world, const char *id)
{
    static Pledged__V1__Movement movement[LARGE];
    static char ref[LARGE][24];
    for (size_t i = 0; i < LARGE; i++) {
        (void)snprintf(ref[i], sizeof(ref[i]), "A-REFERENCE-%zu", i);
        a_movement(&movement[i], PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT, 1 + (int64_t)i,
                   ref[i]);
    }
    give_bank(world, id, PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT, movement, LARGE);
}

/* The command of the entry at `place`, put together again; how many entries have the rest of it. */
static size_t put_together(struct world *world, size_t place, struct pl_buf *into)
{
    const Pledged__V1__Entry *first = world_entry(world, place);
    size_t parts = 0;
    assert_true(pl_is_ok(pl_buf_append(into, first->command.data, first->command.len)));
    while (pl_buf_len(into) < first->command_bytes) {
        const Pledged__V1__Entry *e = world_entry(world, place + ++parts);
        assert_int_equal(e->fact_case, FACT(COMMAND_CONTINUED));
        assert_int_equal(e->cause_seq, first->seq);
        assert_true(pl_is_ok(pl_buf_append(into, e->command_continued->bytes.data,
                                           e->command_continued->bytes.len)));
    }
    uint8_t digest[32];
    pl_sha256(pl_buf_slice(into), digest);
    assert_int_equal(pl_buf_len(into), first->command_bytes);
    assert_memory_equal(first->command_digest.data, digest, 32);
    return parts;
}

static void test_a_large_command_goes_on_behind_its_first_entry(void **state)
{
    (void)state;
    struct world w;
    struct pl_buf whole;
    pl_buf_init(&whole, LEDGER_IMPORT_BYTES_MAX);
    desk_ready(&w, 16000000);
    have_account(&w);
    size_t before = w.entry_count;
    import_large(&w, "A");
    assert_accepted(&w);
    Pledged__V1__Entry *first = world_entry(&w, before);
    assert_int_equal(first->fact_case, FACT(STATEMENT_IMPORTED));
    assert_int_equal(first->command.len, LEDGER_COMMAND_PART_BYTES);
    size_t parts = put_together(&w, before, &whole);
    assert_int_equal(w.entry_count, before + 1 + parts + LARGE);
    for (size_t i = before; i < w.entry_count; i++)
        assert_true(pledged__v1__entry__get_packed_size(world_entry(&w, i)) <=
                    LEDGER_ENTRY_BYTES_MAX);

    struct ledger *then = world_before(&w, before);
    assert_true(pl_is_ok(ledger_check(then, first)));
    for (uint32_t wrong = 1; wrong < 3 * LEDGER_IMPORT_BYTES_MAX;
         wrong += LEDGER_IMPORT_BYTES_MAX) {
        uint32_t right = first->command_bytes;
        first->command_bytes = wrong == 1 ? LEDGER_COMMAND_PART_BYTES : wrong;
        assert_false(pl_is_ok(ledger_check(then, first)));
        first->command_bytes = right;
    }
    ledger_free(then);
    then = world_before(&w, before + 1);
    Pledged__V1__Entry *part = world_entry(&w, before + 1);
    assert_true(pl_is_ok(ledger_check(then, part)));
    part->command_continued->bytes.len = 0;
    assert_false(pl_is_ok(ledger_check(then, part)));
    ledger_free(then);
    pl_buf_fini(&whole);
    world_fini(&w);
}

/* The parts of a command follow its first entry at once, each as long as it has to be, and nothing
 * else comes before they are all there. */
static void test_parts_that_do_not_make_a_command_are_refused(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 16000000);
    have_account(&w);
    size_t first = w.entry_count;
    import_large(&w, "A");
    assert_accepted(&w);
    size_t parts = 1, last;
    while (world_entry(&w, first + 1 + parts)->fact_case == FACT(COMMAND_CONTINUED))
        parts++;
    last = first + parts;
    assert_true(parts > 0);
    for (size_t at = first; at <= last + 2; at++) {
        struct ledger *then = world_before(&w, at);
        Pledged__V1__Entry *part = world_entry(&w, at), *other = world_entry(&w, last + 1);
        assert_int_equal(ledger_is_whole(then), at <= first || at > last);
        assert_true(pl_is_ok(ledger_check(then, part)));
        uint64_t seq = other->seq;
        int64_t time_us = other->time_us;
        other->seq = part->seq;
        other->time_us = part->time_us;
        if (at > first && at <= last) { /* what the command did, before it is all there */
            struct pl_status status = ledger_check(then, other);
            assert_int_equal(status.code, PL_E_CORRUPT);
            assert_string_equal(status.what, "an entry where the rest of a command should be");
            part->command_continued->bytes.len -= 1;
            status = ledger_check(then, part);
            assert_string_equal(status.what, "a part of a command that is longer or shorter");
            part->command_continued->bytes.len += 1;
            part->cause_seq -= 1;
            assert_int_equal(ledger_check(then, part).code, PL_E_CORRUPT);
            part->cause_seq += 1;
        } else if (at > last) { /* one too many */
            Pledged__V1__Entry *more = world_entry(&w, last);
            more->seq = part->seq;
            more->time_us = part->time_us;
            assert_string_equal(ledger_check(then, more).what, "a part of no command");
        }
        other->seq = seq;
        other->time_us = time_us;
        ledger_free(then);
    }
    world_fini(&w);
}

/* A fact that is added later is for newer readers: whoever adds one to the first list lies. */
static void test_which_readers_understand_an_entry(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *entry = &pledged__v1__entry__descriptor;
    size_t facts = 0;
    for (unsigned i = 0; i < entry->n_fields; i++) {
        if (entry->fields[i].quantifier_offset != offsetof(Pledged__V1__Entry, fact_case))
            continue;
        Pledged__V1__Entry e = PLEDGED__V1__ENTRY__INIT;
        e.fact_case = (Pledged__V1__Entry__FactCase)entry->fields[i].id;
        facts++;
        Pledged__V1__ChargeBooked charge = PLEDGED__V1__CHARGE_BOOKED__INIT;
        if (e.fact_case == FACT(CHARGE_BOOKED))
            e.charge_booked = &charge;
        Pledged__V1__Movement movement = PLEDGED__V1__MOVEMENT__INIT;
        Pledged__V1__BankEntryRecorded recorded = PLEDGED__V1__BANK_ENTRY_RECORDED__INIT;
        Pledged__V1__PaymentConfirmed confirmed = PLEDGED__V1__PAYMENT_CONFIRMED__INIT;
        recorded.movement = confirmed.movement = &movement;
        if (e.fact_case == FACT(BANK_ENTRY_RECORDED))
            e.bank_entry_recorded = &recorded;
        if (e.fact_case == FACT(PAYMENT_CONFIRMED))
            e.payment_confirmed = &confirmed;
        uint32_t newer = e.fact_case == FACT(MOVEMENT_LEARNED)  ? 5
                         : e.fact_case == FACT(PAYER_LEARNED)   ? 4
                         : e.fact_case == FACT(REFUND_RETURNED) ? 3
                                                                : 0;
        uint32_t expected = newer != 0 ? newer : e.fact_case == FACT(COMMAND_CONTINUED) ? 2 : 1;
        assert_int_equal(ledger_min_reader(&e), expected);
        e.command_bytes = LEDGER_COMMAND_PART_BYTES + 1;
        assert_int_equal(ledger_min_reader(&e), newer != 0 ? newer : 2);
        charge.given_back = true; /* an older reader takes every charge for a debit */
        uint32_t charged = e.fact_case == FACT(CHARGE_BOOKED) ? 3 : 2;
        assert_int_equal(ledger_min_reader(&e), newer != 0 ? newer : charged);
        movement.detail_parts = 1; /* and refuses a field that it does not know */
        bool told =
            e.fact_case == FACT(BANK_ENTRY_RECORDED) || e.fact_case == FACT(PAYMENT_CONFIRMED);
        assert_int_equal(ledger_min_reader(&e), newer != 0 ? newer : told ? 5 : charged);
    }
    assert_int_equal(facts, FACTS_OF_FORMAT_1 + 4);
}

static void test_a_fact_of_a_newer_version_is_told_as_such(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    size_t last = w.entry_count - 1;
    struct ledger *then = world_before(&w, last);
    Pledged__V1__Entry *e = world_entry(&w, last);
    uint8_t bytes[4096];
    e->fact_case = FACT(_NOT_SET);
    size_t len = pledged__v1__entry__pack(e, bytes);
    for (int newer = 0; newer < 2; newer++) {
        ProtobufCMessage *again = NULL;
        struct pl_slice packed = pl_slice(bytes, len);
        if (newer) { /* field 900, of no bytes */
            memcpy(bytes + len, "\xA2\x38\x00", 3);
            packed.len += 3;
        }
        assert_true(
            pl_is_ok(pl_unpack_trusted(&pledged__v1__entry__descriptor, packed, &w.arena, &again)));
        struct pl_status status = ledger_check(then, (const Pledged__V1__Entry *)again);
        assert_int_equal(status.code, newer ? PL_E_UNIMPLEMENTED : PL_E_CORRUPT);
        assert_string_equal(status.what, "a fact that this version does not know");
    }
    ledger_free(then);
    world_fini(&w);
}

/* A refusal is decided again from the command, so that is there as well; and nothing else is. */
static void test_a_refusal_of_a_large_command_has_all_of_it(void **state)
{
    (void)state;
    struct world w;
    struct pl_buf whole;
    pl_buf_init(&whole, LEDGER_IMPORT_BYTES_MAX);
    Pledged__V1__Movement one;
    desk_ready(&w, 16000000);
    have_account(&w);
    a_movement(&one, PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT, 1, "X");
    give_bank(&w, "A", PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT, &one, 1);
    assert_accepted(&w);
    size_t before = w.entry_count;
    import_large(&w, "A"); /* which said something else the first time */
    assert_refused(&w, STATEMENT_CONFLICT);
    size_t parts = put_together(&w, before, &whole);
    assert_true(parts > 0);
    assert_int_equal(w.entry_count, before + 1 + parts);
    pl_buf_fini(&whole);
    world_fini(&w);
}

static void test_time_is_the_clock_or_one_more(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    int64_t last = ledger_last_time_us(w.ledger);
    w.now_us = last + 500;
    add_contributor(&w, "a");
    assert_int_equal(ledger_last_time_us(w.ledger), last + 500);
    w.now_us = last; /* the clock went back */
    add_contributor(&w, "b");
    assert_int_equal(ledger_last_time_us(w.ledger), last + 501);
    w.now_us = last + 501;
    add_contributor(&w, "c");
    assert_int_equal(ledger_last_time_us(w.ledger), last + 502);
    world_fini(&w);
}

static void test_a_refusal_is_told_as_it_is_written(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 3);
    submit(&w, NULL, "C000001", "top", 0, NULL);
    uint64_t taken = w.receipt->seq;
    wait_in(&w, "top", "C000002");
    hold(&w, "top", "C000003", 0);
    assert_refused(&w, TIER_SOLD_OUT);
    assert_int_equal(w.made, 1);
    assert_int_equal(w.code, PL_E_REFUSED);
    const Pledged__V1__CommandRefused *fact = world_last(&w)->command_refused;
    assert_int_equal(fact->deciding_seq, taken);
    assert_string_equal(fact->field, "hold.tier");
    static const char *const want[] = {"tier",    "top", "capacity", "1",
                                       "waiting", "1",   "next",     "P000002"};
    assert_int_equal(fact->n_arg, 4);
    assert_int_equal(w.refusal->n_arg, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(fact->arg[i]->name, want[2 * i]);
        assert_string_equal(fact->arg[i]->value, want[2 * i + 1]);
        assert_string_equal(w.refusal->arg[i]->value, want[2 * i + 1]);
    }
    assert_int_equal(w.refusal->seq, ledger_size(w.ledger));
    assert_int_equal(w.refusal->deciding_seq, taken);
    assert_string_equal(w.refusal->message, "the tier is sold out");
    assert_int_equal(w.refusal->request_id.len, 16);
    assert_false(w.refusal->replay);
    world_fini(&w);
}

/* Whatever the entry says, its receipt says, the first time and ever after. */
static void test_receipts_come_from_the_entry_alone(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    struct saved first = {0};
    (void)saved_keep(&first, pl_pack(&w.receipt->outcome->base, &w.arena));
    Pledged__V1__Receipt *receipt = NULL;
    Pledged__V1__Refusal *refusal = (Pledged__V1__Refusal *)&w; /* to be cleared */
    ledger_receipt(world_last(&w), true, &w.arena, &receipt, &refusal);
    assert_null(refusal);
    assert_int_equal(receipt->kind, PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_REPLAY);
    assert_int_equal(receipt->seq, ledger_size(w.ledger));
    struct pl_slice again = pl_pack(&receipt->outcome->base, &w.arena);
    assert_true(pl_slice_eq(pl_slice(first.data, first.len), again));
    free(first.data);
    hold(&w, "gold", "C000001", 0);
    ledger_receipt(world_last(&w), true, &w.arena, &receipt, &refusal);
    assert_null(receipt);
    assert_true(refusal->replay);
    assert_int_equal(refusal->reason, REASON(TIER_UNKNOWN));
    world_fini(&w);
}

static void test_every_reason_has_words_and_a_class(void **state)
{
    (void)state;
    static const struct {
        Pledged__V1__Reason reason;
        enum pl_code code;
    } classes[] = {
        {REASON(FIELD_REQUIRED), PL_E_INVALID},
        {REASON(HOLD_TOO_LONG), PL_E_INVALID},
        {REASON(TOO_BIG), PL_E_TOO_BIG},
        {REASON(CONTRIBUTOR_UNKNOWN), PL_E_NOT_FOUND},
        {REASON(CATALOGUE_UNKNOWN), PL_E_NOT_FOUND},
        {REASON(TIER_SOLD_OUT), PL_E_REFUSED},
        {REASON(SUM_OVERFLOW), PL_E_REFUSED},
        {REASON(PERMISSION_DENIED), PL_E_DENIED},
        {REASON(UNAUTHENTICATED), PL_E_UNAUTHENTICATED},
        {REASON(BUSY), PL_E_BUSY},
        {REASON(NO_SPACE), PL_E_NO_SPACE},
        {REASON(OUTCOME_UNKNOWN), PL_E_UNKNOWN_OUTCOME},
        {REASON(INTERNAL), PL_E_INTERNAL},
        {REASON(DATA_GONE), PL_E_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        assert_int_equal(ledger_reason_code(classes[i].reason), classes[i].code);
    static const Pledged__V1__Reason decided[] = {
        REASON(TIER_UNKNOWN),
        REASON(HOLD_TOO_LONG),
        REASON(AMOUNT_REQUIRED),
        REASON(AMOUNT_NOT_TIER),
        REASON(FIELD_INVALID),
        REASON(MONEY_PLAN_MISSING),
        REASON(CONTRIBUTOR_UNKNOWN),
        REASON(PLEDGE_UNKNOWN),
        REASON(ENTRY_UNKNOWN),
        REASON(CATALOGUE_UNKNOWN),
        REASON(TIER_SOLD_OUT),
        REASON(TIER_NOT_FULL),
        REASON(TIER_CLOSED),
        REASON(STATE_WRONG),
        REASON(HAS_SLOT),
        REASON(EXTENSIONS_SPENT),
        REASON(CAPACITY_BELOW_TAKEN),
        REASON(TIER_IN_USE),
        REASON(CATALOGUE_NOT_NEWER),
        REASON(CONTRIBUTOR_DUPLICATE),
        REASON(PAYMENT_DUPLICATE),
        REASON(ALREADY_REVERSED),
        REASON(NOT_REVERSIBLE),
        REASON(BELOW_ALLOCATED),
        REASON(SAME_TIER),
        REASON(WAITING_AHEAD),
        REASON(SUM_OVERFLOW),
        REASON(TOO_BIG),
    };
    for (size_t i = 0; i < sizeof(decided) / sizeof(decided[0]); i++)
        assert_string_not_equal(reason_message(decided[i]), "refused");
}

static void decide_in(struct world *w, size_t budget, struct pl_arena *arena,
                      struct ledger_decision *ret)
{
    static uint8_t id[16] = {1};
    static Pledged__V1__Hold body;
    static Pledged__V1__Command command;
    pledged__v1__hold__init(&body);
    pledged__v1__command__init(&command);
    command.request_id = (ProtobufCBinaryData){16, id};
    body.tier = (char *)"duo";
    body.contributor = (char *)"C000001";
    command.command_case = COMMAND(HOLD);
    command.hold = &body;
    struct ledger_request request = {.command = &command,
                                     .bytes = pl_slice(id, 16),
                                     .actor = {"a", PLEDGED__V1__ROLE__ROLE_CLERK, "", ""},
                                     .now_us = w->now_us};
    pl_arena_init(arena, budget);
    ledger_decide(w->ledger, &request, arena, ret);
}

static void test_a_small_arena_is_told_and_nothing_happens(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    for (size_t budget = 0; budget < (128u << 10); budget += 1024) {
        struct pl_arena arena;
        struct ledger_decision decision;
        decide_in(&w, budget, &arena, &decision);
        if (decision.answer == LEDGER_INVALID) {
            assert_int_equal(decision.entry_count, 0);
            assert_int_equal(decision.code, PL_E_TOO_BIG);
            assert_int_equal(decision.refusal->reason, REASON(TOO_BIG));
        } else {
            assert_int_equal(decision.answer, LEDGER_ACCEPTED);
        }
        assert_int_equal(decision.answer == LEDGER_ACCEPTED, budget >= (49u << 10));
        pl_arena_fini(&arena);
    }
    world_fini(&w);
}

/* The largest decisions fit what ledger_decide asks for, with long names of the actor. */
static void test_room_asked_for_is_enough(void **state)
{
    (void)state;
    struct world w;
    char person[2001];
    struct storm dice = storm_over(&w, 10, 600);
    (void)dice;
    memset(person, 'x', 2000);
    person[2000] = '\0';
    for (size_t i = 0; i < w.entry_count; i++) {
        struct ledger_decision decision;
        Pledged__V1__Entry *e = world_entry(&w, i);
        ProtobufCMessage *message = NULL;
        if (e->command.len == 0)
            continue;
        struct pl_slice bytes = pl_slice(e->command.data, e->command.len);
        assert_true(pl_is_ok(
            pl_unpack_trusted(&pledged__v1__command__descriptor, bytes, &w.arena, &message)));
        struct ledger_request request = {.command = (Pledged__V1__Command *)message,
                                         .bytes = bytes,
                                         .actor = {person, 3, person, person},
                                         .now_us = w.now_us};
        struct pl_arena arena;
        pl_arena_init(&arena, (48u << 10) + 8 * 6000);
        ledger_decide(w.ledger, &request, &arena, &decision); /* asserts where it is not */
        assert_int_not_equal(decision.answer, LEDGER_INVALID);
        pl_arena_fini(&arena);
    }
    world_fini(&w);
}

static void test_the_daemons_own_entries_say_so(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    static const int facts[] = {FACT(LEDGER_CREATED), FACT(ROSTER_ADOPTED), FACT(POLICY_ADOPTED)};
    for (size_t i = 0; i < 3; i++) {
        Pledged__V1__Entry *e = world_entry(&w, i);
        assert_int_equal(e->fact_case, facts[i]);
        assert_string_equal(e->actor->person, "pledged");
        assert_int_equal(e->actor->role, PLEDGED__V1__ROLE__ROLE_DAEMON);
        assert_int_equal(e->request_id.len, 0);
        assert_int_equal(e->cause_seq, 0);
    }
    assert_string_equal(ledger_origin(w.ledger), "example.org/test");
    assert_int_equal(w.ledger->id[0], 7);
    world_fini(&w);
}

static void test_only_what_changed_is_told_at_start(void **state)
{
    (void)state;
    struct world w;
    static const uint8_t id[16] = {7};
    static uint8_t roster_sha[32] = {9}, policy_sha[32] = {10};
    struct ledger_decision decision;
    world_ready(&w, 1);
    Pledged__V1__RosterAdopted roster = PLEDGED__V1__ROSTER_ADOPTED__INIT;
    Pledged__V1__PolicyAdopted policy = PLEDGED__V1__POLICY_ADOPTED__INIT;
    roster.sha256 = (ProtobufCBinaryData){32, roster_sha};
    policy.sha256 = (ProtobufCBinaryData){32, policy_sha};
    struct ledger_start start = {"example.org/test", id, &roster, &policy};
    ledger_decide_start(w.ledger, &start, w.now_us, &w.arena, &decision);
    assert_int_equal(decision.answer, LEDGER_ACCEPTED);
    assert_int_equal(decision.entry_count, 1);
    assert_int_equal(decision.entry[0]->fact_case, FACT(POLICY_ADOPTED));
    world_apply(&w, &decision);
    ledger_decide_start(w.ledger, &start, w.now_us, &w.arena, &decision);
    assert_int_equal(decision.answer, LEDGER_NOTHING);
    roster_sha[0]++;
    struct ledger_start roster_alone = {"example.org/test", id, &roster, NULL};
    ledger_decide_start(w.ledger, &roster_alone, w.now_us, &w.arena, &decision);
    assert_int_equal(decision.entry_count, 1);
    assert_int_equal(decision.entry[0]->fact_case, FACT(ROSTER_ADOPTED));
    roster.sha256.len = policy.sha256.len = 0; /* of nothing that could be named */
    ledger_decide_start(w.ledger, &start, w.now_us, &w.arena, &decision);
    assert_int_equal(decision.answer, LEDGER_NOTHING);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_entry_carries_the_command),
        cmocka_unit_test(test_a_large_command_goes_on_behind_its_first_entry),
        cmocka_unit_test(test_parts_that_do_not_make_a_command_are_refused),
        cmocka_unit_test(test_which_readers_understand_an_entry),
        cmocka_unit_test(test_a_fact_of_a_newer_version_is_told_as_such),
        cmocka_unit_test(test_a_refusal_of_a_large_command_has_all_of_it),
        cmocka_unit_test(test_time_is_the_clock_or_one_more),
        cmocka_unit_test(test_a_refusal_is_told_as_it_is_written),
        cmocka_unit_test(test_receipts_come_from_the_entry_alone),
        cmocka_unit_test(test_every_reason_has_words_and_a_class),
        cmocka_unit_test(test_a_small_arena_is_told_and_nothing_happens),
        cmocka_unit_test(test_room_asked_for_is_enough),
        cmocka_unit_test(test_the_daemons_own_entries_say_so),
        cmocka_unit_test(test_only_what_changed_is_told_at_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
