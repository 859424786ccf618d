/* SPDX-License-Identifier: Apache-2.0
 *
 * encode: entries with whatever may be in them, with every field alone, and in too little room: the
 * bytes are those of protobuf-c, and the outcome stands where it is said to. (That a daemon's own
 * logs are the same, golden and property say.)
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

#include <stdlib.h>
#include <string.h>

#include "common/pack.h"
#include "common/scan.h"
#include "server/ledger/encode.h"
#include "tests/lib/random_message.h"

enum { ROOM = 1 << 20, OUTCOME = 11 };

struct desk {
    struct dice dice;
    uint8_t *room;
};

static int setup(void **state)
{
    struct desk *desk = calloc(1, sizeof(*desk));
    desk->dice.state = 11;
    pl_arena_init(&desk->dice.arena, 64 << 20);
    desk->room = malloc(ROOM);
    *state = desk;
    return 0;
}

static int teardown(void **state)
{
    struct desk *desk = *state;
    pl_arena_fini(&desk->dice.arena);
    free(desk->room);
    free(desk);
    return 0;
}

static size_t compare(struct desk *desk, const Pledged__V1__Entry *entry)
{
    struct pl_slice want = packed_by_library(&entry->base, &desk->dice.arena), outcome, told;
    struct pl_slice got = encode_entry(entry, desk->room, ROOM, &told);
    size_t cursor = 0;
    assert_non_null(got.data);
    assert_true(pl_slice_eq(got, want));
    bool found = pl_wire_next(got, OUTCOME, &cursor, &outcome);
    assert_int_equal(found, entry->outcome != NULL);
    assert_int_equal(found, told.data != NULL);
    if (found) {
        assert_ptr_equal(told.data, outcome.data);
        assert_int_equal(told.len, outcome.len);
    }
    return want.len;
}

static Pledged__V1__Entry *random_entry(struct dice *dice)
{
    return (Pledged__V1__Entry *)random_message(dice, &pledged__v1__entry__descriptor, 0);
}

static void test_whatever_may_be_in_it(void **state)
{
    struct desk *desk = *state;
    size_t longest = 0, pledges = 0;
    for (int round = 0; round < 6000; round++) {
        pl_arena_reset(&desk->dice.arena);
        Pledged__V1__Entry *entry = random_entry(&desk->dice);
        if (round % 2 == 0) {
            entry->fact_case = PLEDGED__V1__ENTRY__FACT_PLEDGE_MADE;
            entry->pledge_made = (Pledged__V1__PledgeMade *)random_message(
                &desk->dice, &pledged__v1__pledge_made__descriptor, 1);
            pledges++;
        }
        size_t len = compare(desk, entry);
        longest = len > longest ? len : longest;
    }
    assert_true(longest > 2000 && pledges == 3000);
}

/* A message that has nothing but this field, which says something. */
static ProtobufCMessage *only(struct dice *dice, const ProtobufCMessageDescriptor *type,
                              unsigned field)
{
    for (int tries = 0; tries < 1000; tries++) {
        ProtobufCMessage *message = pl_arena_alloc(&dice->arena, type->sizeof_message);
        protobuf_c_message_init(type, message);
        random_field(dice, message, &type->fields[field], 2);
        if (protobuf_c_message_get_packed_size(message) != 0)
            return message;
    }
    fail_msg("%s is never there", type->fields[field].name);
    return NULL;
}

/* Puts the message, one of a type that an entry has, into an entry. */
static void put(Pledged__V1__Entry *entry, ProtobufCMessage *message)
{
    static Pledged__V1__Outcome outcome;
    static Pledged__V1__PledgeMade made;
    static Pledged__V1__Warning *warning[1];
    const ProtobufCMessageDescriptor *type = message->descriptor;
    pledged__v1__outcome__init(&outcome);
    pledged__v1__pledge_made__init(&made);
    entry->outcome = &outcome;
    entry->fact_case = PLEDGED__V1__ENTRY__FACT_PLEDGE_MADE;
    entry->pledge_made = &made;
    if (type == &pledged__v1__actor__descriptor)
        entry->actor = (Pledged__V1__Actor *)message;
    else if (type == &pledged__v1__outcome__descriptor)
        entry->outcome = (Pledged__V1__Outcome *)message;
    else if (type == &pledged__v1__pledge_made__descriptor)
        entry->pledge_made = (Pledged__V1__PledgeMade *)message;
    else if (type == &pledged__v1__count__descriptor)
        outcome.remaining = (Pledged__V1__Count *)message;
    else if (type == &pledged__v1__money__descriptor)
        outcome.balance = made.amount = (Pledged__V1__Money *)message;
    else if (type == &pledged__v1__warning__descriptor) {
        warning[0] = (Pledged__V1__Warning *)message;
        outcome.n_warning = 1;
        outcome.warning = warning;
    } else {
        fail_msg("an entry has no %s", type->name);
    }
}

static void test_every_field_alone(void **state)
{
    static const ProtobufCMessageDescriptor *const parts[] = {
        &pledged__v1__actor__descriptor, &pledged__v1__outcome__descriptor,
        &pledged__v1__money__descriptor, &pledged__v1__pledge_made__descriptor,
        &pledged__v1__count__descriptor, &pledged__v1__warning__descriptor,
    };
    struct desk *desk = *state;
    for (int round = 0; round < 50; round++) {
        pl_arena_reset(&desk->dice.arena);
        const ProtobufCMessageDescriptor *whole = &pledged__v1__entry__descriptor;
        for (unsigned i = 0; i < whole->n_fields; i++)
            (void)compare(desk, (Pledged__V1__Entry *)only(&desk->dice, whole, i));
        for (size_t part = 0; part < sizeof(parts) / sizeof(parts[0]); part++) {
            for (unsigned i = 0; i < parts[part]->n_fields; i++) {
                Pledged__V1__Entry entry = PLEDGED__V1__ENTRY__INIT;
                put(&entry, only(&desk->dice, parts[part], i));
                (void)compare(desk, &entry);
            }
        }
    }
}

static void test_what_says_nothing(void **state)
{
    struct desk *desk = *state;
    Pledged__V1__Entry entry = PLEDGED__V1__ENTRY__INIT;
    Pledged__V1__Outcome outcome = PLEDGED__V1__OUTCOME__INIT;
    Pledged__V1__Count count = PLEDGED__V1__COUNT__INIT;
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    assert_int_equal(compare(desk, &entry), 0);
    entry.fact_case = PLEDGED__V1__ENTRY__FACT_PLEDGE_MADE; /* and no fact */
    assert_int_equal(compare(desk, &entry), 0);
    entry.outcome = &outcome;
    assert_int_equal(compare(desk, &entry), 2);
    outcome.remaining = &count;
    outcome.balance = &money;
    assert_int_equal(compare(desk, &entry), 6);
    count.value_case = PLEDGED__V1__COUNT__VALUE_COUNT;
    assert_int_equal(compare(desk, &entry), 8);
}

static void small_rooms(struct desk *desk, const Pledged__V1__Entry *entry)
{
    struct pl_slice want = packed_by_library(&entry->base, &desk->dice.arena);
    for (size_t room = 0; room <= want.len + 3000; room += room + 8 < want.len ? 7 : 1) {
        uint8_t *into = malloc(room + 1); /* of that very size: a sanitizer sees what is beside */
        struct pl_slice outcome, got = encode_entry(entry, into, room, &outcome);
        assert_true((got.data != NULL) == (room >= want.len));
        assert_true(got.data == NULL || pl_slice_eq(got, want));
        free(into);
    }
}

static void test_every_room_that_is_too_small(void **state)
{
    struct desk *desk = *state;
    for (int round = 0; round < 20; round++) {
        pl_arena_reset(&desk->dice.arena);
        Pledged__V1__Entry *entry = random_entry(&desk->dice);
        entry->fact_case = PLEDGED__V1__ENTRY__FACT_PLEDGE_MADE;
        entry->pledge_made = (Pledged__V1__PledgeMade *)random_message(
            &desk->dice, &pledged__v1__pledge_made__descriptor, 1);
        assert_true(compare(desk, entry) > 100);
        small_rooms(desk, entry);
    }
}

/* Each text is the first that does not fit, in one room or another. */
static void test_long_texts_in_every_room(void **state)
{
    struct desk *desk = *state;
    static char text[400];
    uint8_t bytes[300] = {0};
    const ProtobufCBinaryData data = {sizeof(bytes), bytes};
    memset(text, 'x', sizeof(text) - 1);
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    Pledged__V1__Valuation valuation = PLEDGED__V1__VALUATION__INIT;
    Pledged__V1__Signature signature = PLEDGED__V1__SIGNATURE__INIT;
    Pledged__V1__Actor actor = PLEDGED__V1__ACTOR__INIT;
    Pledged__V1__Outcome outcome = PLEDGED__V1__OUTCOME__INIT;
    Pledged__V1__PledgeMade made = PLEDGED__V1__PLEDGE_MADE__INIT;
    Pledged__V1__Entry entry = PLEDGED__V1__ENTRY__INIT;
    money.currency = actor.issuer = actor.identity = actor.person = text;
    outcome.balance = made.amount = &money;
    outcome.tier = outcome.pledge = outcome.contributor = text;
    made.reference = made.converted_from = made.agreement_ref = made.campaign = text;
    made.tier = made.catalogue = made.contributor = made.pledge = text;
    made.valuation = &valuation;
    entry.fact_case = PLEDGED__V1__ENTRY__FACT_PLEDGE_MADE;
    entry.pledge_made = &made;
    entry.outcome = &outcome;
    entry.actor = &actor;
    entry.signature = &signature;
    entry.posting_date = entry.maker = entry.effective_date = text;
    entry.command = entry.command_digest = entry.request_id = data;
    assert_true(compare(desk, &entry) > 8000);
    small_rooms(desk, &entry);
}

/* More of what may be repeated than goes without the table. */
static void test_many_of_a_kind(void **state)
{
    enum { MOST = 40 };
    struct desk *desk = *state;
    Pledged__V1__Warning warning = PLEDGED__V1__WARNING__INIT, *warnings[MOST];
    Pledged__V1__ExternalRef ref = PLEDGED__V1__EXTERNAL_REF__INIT, *refs[MOST];
    warning.kind = -1; /* ten bytes, as the number */
    warning.seq = UINT64_MAX;
    for (size_t i = 0; i < MOST; i++) {
        warnings[i] = &warning;
        refs[i] = &ref;
    }
    for (size_t count = 0; count <= MOST; count++) {
        Pledged__V1__Entry entry = PLEDGED__V1__ENTRY__INIT;
        Pledged__V1__Outcome outcome = PLEDGED__V1__OUTCOME__INIT;
        Pledged__V1__PledgeMade made = PLEDGED__V1__PLEDGE_MADE__INIT;
        entry.outcome = &outcome;
        entry.fact_case = PLEDGED__V1__ENTRY__FACT_PLEDGE_MADE;
        entry.pledge_made = &made;
        outcome.n_warning = made.n_external_ref = count;
        outcome.warning = warnings;
        made.external_ref = refs;
        assert_true(compare(desk, &entry) >= count * 26);
        small_rooms(desk, &entry);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whatever_may_be_in_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_field_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_says_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_room_that_is_too_small, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_texts_in_every_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_of_a_kind, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
