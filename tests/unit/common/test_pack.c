/* SPDX-License-Identifier: Apache-2.0
 *
 * pack: random messages of every type of the API give protobuf-c's bytes, copies owe nothing to the
 * original, and too little room is noticed wherever it ends.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/pack.h"
#include "common/scan.h"
#include "pledged/v1/service.pb-c.h"
#include "tests/lib/random_message.h"

static void test_the_same_bytes_as_protobuf_c(void **state)
{
    (void)state;
    enum { ROOM = 1 << 20 };
    uint8_t *room = malloc(ROOM);
    struct dice dice = {.state = 3};
    pl_arena_init(&dice.arena, 64 << 20);
    size_t longest = 0;
    for (int round = 0; round < 3000; round++) {
        pl_arena_reset(&dice.arena);
        ProtobufCMessage *message = random_message(&dice, types[round % TYPES], 0);
        struct pl_slice want = packed_by_library(message, &dice.arena);
        struct pl_slice got = pl_pack_backward(message, room, ROOM);
        assert_non_null(got.data);
        assert_ptr_equal(got.data + got.len, room + ROOM);
        assert_true(pl_slice_eq(got, want));
        assert_true(pl_slice_eq(pl_pack(message, &dice.arena), want));
        longest = want.len > longest ? want.len : longest;
    }
    assert_true(longest > 5000);
    pl_arena_fini(&dice.arena);
    free(room);
}

static void test_every_room_that_is_too_small(void **state)
{
    (void)state;
    struct dice dice = {.state = 5};
    pl_arena_init(&dice.arena, 64 << 20);
    ProtobufCMessage *message = random_message(&dice, types[1], 0);
    struct pl_slice want = packed_by_library(message, &dice.arena);
    assert_true(want.len > 200);
    for (size_t room = 0; room <= want.len; room++) {
        uint8_t *into = malloc(room + 1); /* of that very size: a sanitizer sees what is beside */
        struct pl_slice got = pl_pack_backward(message, into, room);
        assert_true((got.data != NULL) == (room == want.len));
        assert_true(got.data == NULL || pl_slice_eq(got, want));
        free(into);
    }
    pl_arena_fini(&dice.arena);
}

static void test_copies_owe_nothing(void **state)
{
    (void)state;
    struct pl_arena copies;
    pl_arena_init(&copies, 64 << 20);
    for (int round = 0; round < 1000; round++) {
        struct dice dice = {.state = (uint64_t)round};
        pl_arena_init(&dice.arena, 64 << 20);
        pl_arena_reset(&copies);
        ProtobufCMessage *message = random_message(&dice, types[round % TYPES], 0);
        struct pl_slice want = pl_pack(message, &copies);
        ProtobufCMessage *copy = pl_message_copy(message, &copies);
        assert_non_null(copy);
        pl_arena_fini(&dice.arena); /* a sanitizer sees who still looks there */
        assert_true(pl_slice_eq(pl_pack(copy, &copies), want));
    }
    pl_arena_fini(&copies);
}

static void test_a_copy_within_its_budget(void **state)
{
    (void)state;
    struct dice dice = {.state = 5};
    pl_arena_init(&dice.arena, 64 << 20);
    ProtobufCMessage *message = random_message(&dice, types[1], 0);
    bool whole = false;
    for (size_t budget = 0; !whole && budget < 1 << 20; budget += 16) {
        struct pl_arena small;
        pl_arena_init(&small, budget);
        whole = pl_message_copy(message, &small) != NULL;
        assert_false(whole && budget < 200);
        pl_arena_fini(&small);
    }
    assert_true(whole);
    pl_arena_fini(&dice.arena);
}

static void test_what_it_leaves_to_protobuf_c(void **state)
{
    (void)state;
    uint8_t room[64];
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    money.minor = 5;
    ProtobufCMessageUnknownField unknown = {
        .tag = 99, .wire_type = 0, .len = 1, .data = (uint8_t *)"\x01"};
    assert_int_equal(pl_pack_backward(&money.base, room, sizeof(room)).len, 2);
    money.base.n_unknown_fields = 1;
    money.base.unknown_fields = &unknown;
    assert_null(pl_pack_backward(&money.base, room, sizeof(room)).data);
}

/* What was packed before is put where it belongs, as if it were a message. */
static void test_a_value_that_is_packed_already(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 100, 127, 128, 300, 20000};
    struct pl_arena arena;
    pl_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < PL_COUNT(lengths); i++) {
        Pledged__V1__Outcome outcome = PLEDGED__V1__OUTCOME__INIT;
        Pledged__V1__Receipt receipt = PLEDGED__V1__RECEIPT__INIT;
        outcome.contributor = pl_arena_alloc(&arena, lengths[i] + 1);
        memset(outcome.contributor, 'c', lengths[i]);
        receipt.seq = 1234567;
        receipt.outcome = &outcome;
        struct pl_slice want = packed_by_library(&receipt.base, &arena);
        receipt.outcome = NULL;
        assert_true(pl_pack_ready(&receipt.base, 5, pl_pack(&outcome.base, &arena), &arena));
        assert_true(pl_slice_eq(pl_pack(&receipt.base, &arena), want));
        assert_true(pl_slice_eq(packed_by_library(&receipt.base, &arena), want));
        const Pledged__V1__CommandResult result = {
            .base = PROTOBUF_C_MESSAGE_INIT(&pledged__v1__command_result__descriptor),
            .result_case = PLEDGED__V1__COMMAND_RESULT__RESULT_RECEIPT,
            .receipt = &receipt};
        assert_true(
            pl_slice_eq(pl_pack(&result.base, &arena), packed_by_library(&result.base, &arena)));
    }
    struct pl_arena small;
    pl_arena_init(&small, 64);
    Pledged__V1__Receipt receipt = PLEDGED__V1__RECEIPT__INIT;
    uint8_t much[200] = {0};
    assert_false(pl_pack_ready(&receipt.base, 5, pl_slice(much, sizeof(much)), &small));
    assert_int_equal(receipt.base.n_unknown_fields, 0);
    pl_arena_fini(&small);
    pl_arena_fini(&arena);
}

static void test_larger_than_the_threads_buffer(void **state)
{
    (void)state;
    enum { LARGE = 3 << 20 };
    struct pl_arena arena;
    pl_arena_init(&arena, 16 << 20);
    Pledged__V1__Receipt receipt = PLEDGED__V1__RECEIPT__INIT;
    receipt.tlog_proof = pl_arena_alloc(&arena, LARGE + 1);
    memset(receipt.tlog_proof, 'x', LARGE);
    assert_null(pl_packed(&receipt.base).data);
    struct pl_slice want = packed_by_library(&receipt.base, &arena);
    assert_true(pl_slice_eq(pl_pack(&receipt.base, &arena), want));
    receipt.tlog_proof[1000] = '\0';
    assert_int_equal(pl_packed(&receipt.base).len, 1003);
    pl_arena_fini(&arena);
}

static void test_missing_texts_and_messages(void **state)
{
    (void)state;
    struct pl_arena arena;
    pl_arena_init(&arena, 1 << 16);
    Pledged__V1__Submit submit = PLEDGED__V1__SUBMIT__INIT;
    submit.pledge = NULL;
    submit.offer_case = PLEDGED__V1__SUBMIT__OFFER_TIER;
    submit.tier = NULL;
    Pledged__V1__Command command = PLEDGED__V1__COMMAND__INIT;
    command.command_case = PLEDGED__V1__COMMAND__COMMAND_SUBMIT;
    command.submit = &submit;
    struct pl_slice want = packed_by_library(&command.base, &arena);
    assert_true(pl_slice_eq(pl_pack(&command.base, &arena), want));
    Pledged__V1__Command *copy = (Pledged__V1__Command *)pl_message_copy(&command.base, &arena);
    assert_string_equal(copy->submit->pledge, "");
    submit.tier = (char[]){""}; /* chosen, and empty */
    want = packed_by_library(&command.base, &arena);
    assert_true(pl_slice_eq(pl_pack(&command.base, &arena), want));
    assert_true(pl_slice_eq(pl_pack(pl_message_copy(&command.base, &arena), &arena), want));
    command.submit = NULL;
    want = packed_by_library(&command.base, &arena);
    assert_true(pl_slice_eq(pl_pack(&command.base, &arena), want));
    assert_null(((Pledged__V1__Command *)pl_message_copy(&command.base, &arena))->submit);
    pl_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_bytes_as_protobuf_c),
        cmocka_unit_test(test_every_room_that_is_too_small),
        cmocka_unit_test(test_copies_owe_nothing),
        cmocka_unit_test(test_a_copy_within_its_budget),
        cmocka_unit_test(test_what_it_leaves_to_protobuf_c),
        cmocka_unit_test(test_a_value_that_is_packed_already),
        cmocka_unit_test(test_larger_than_the_threads_buffer),
        cmocka_unit_test(test_missing_texts_and_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
