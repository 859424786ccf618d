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

#include "common/pack.h"
#include "common/scan.h"
#include "pledged/v1/service.pb-c.h"

static const ProtobufCMessageDescriptor *const types[] = {
    &pledged__v1__command__descriptor,
    &pledged__v1__entry__descriptor,
    &pledged__v1__catalogue__descriptor,
    &pledged__v1__execute_batch_request__descriptor,
    &pledged__v1__execute_batch_response__descriptor,
    &pledged__v1__list_tiers_response__descriptor,
    &pledged__v1__list_benefits_response__descriptor,
    &pledged__v1__list_pledges_request__descriptor,
    &pledged__v1__get_history_response__descriptor,
    &pledged__v1__watch_response__descriptor,
    &pledged__v1__dump_response__descriptor,
    &pledged__v1__refusal__descriptor,
};
enum { TYPES = sizeof(types) / sizeof(types[0]) };

struct dice {
    uint64_t state;
    struct pl_arena arena;
};

static uint32_t roll(struct dice *dice, uint32_t sides)
{
    dice->state = dice->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(dice->state >> 33) % sides;
}

static ProtobufCMessage *random_message(struct dice *dice, const ProtobufCMessageDescriptor *type,
                                        int depth);

static uint64_t random_number(struct dice *dice)
{
    static const uint64_t edges[] = {
        0,           1,          127,        128,       16383,
        16384,       UINT32_MAX, UINT64_MAX, INT64_MAX, (uint64_t)INT64_MIN,
        (uint64_t)-5};
    return roll(dice, 2) == 0 ? edges[roll(dice, sizeof(edges) / sizeof(edges[0]))]
                              : dice->state >> roll(dice, 64);
}

static void random_bytes(struct dice *dice, ProtobufCBinaryData *ret)
{
    ret->len = roll(dice, 4) == 0 ? 0 : roll(dice, 200);
    ret->data = pl_arena_alloc(&dice->arena, ret->len + 1);
    for (size_t i = 0; i < ret->len; i++)
        ret->data[i] = (uint8_t)roll(dice, 256);
}

static char *random_text(struct dice *dice)
{
    size_t len = roll(dice, 3) == 0 ? 0 : roll(dice, 150);
    char *text = pl_arena_alloc(&dice->arena, len + 1);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + roll(dice, 26));
    return text;
}

static void random_value(struct dice *dice, const ProtobufCFieldDescriptor *field, void *place,
                         int depth)
{
    uint64_t number = random_number(dice);
    int32_t small = (int32_t)number;
    protobuf_c_boolean truth = (protobuf_c_boolean)(number & 1);
    if (field->type == PROTOBUF_C_TYPE_STRING)
        *(char **)place = random_text(dice);
    else if (field->type == PROTOBUF_C_TYPE_BYTES)
        random_bytes(dice, place);
    else if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        *(ProtobufCMessage **)place = random_message(dice, field->descriptor, depth + 1);
    else if (field->type == PROTOBUF_C_TYPE_BOOL)
        memcpy(place, &truth, sizeof(truth));
    else if (field->type == PROTOBUF_C_TYPE_INT64 || field->type == PROTOBUF_C_TYPE_UINT64)
        memcpy(place, &number, sizeof(number));
    else if (field->type == PROTOBUF_C_TYPE_INT32 || field->type == PROTOBUF_C_TYPE_UINT32 ||
             field->type == PROTOBUF_C_TYPE_ENUM)
        memcpy(place, &small, sizeof(small));
    else
        fail_msg("a kind of field that nobody packs: %s", field->name);
}

static size_t size_of(ProtobufCType type)
{
    if (type == PROTOBUF_C_TYPE_BYTES)
        return sizeof(ProtobufCBinaryData);
    bool wide = type == PROTOBUF_C_TYPE_STRING || type == PROTOBUF_C_TYPE_MESSAGE ||
                type == PROTOBUF_C_TYPE_INT64 || type == PROTOBUF_C_TYPE_UINT64;
    return wide ? 8 : 4;
}

static void random_field(struct dice *dice, ProtobufCMessage *message,
                         const ProtobufCFieldDescriptor *field, int depth)
{
    uint8_t *place = (uint8_t *)message + field->offset;
    uint8_t *quantifier = (uint8_t *)message + field->quantifier_offset;
    bool deep = depth > 3 && field->type == PROTOBUF_C_TYPE_MESSAGE;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t count = deep ? 0 : roll(dice, depth == 0 ? 9 : 4), size = size_of(field->type);
        uint8_t *elements = pl_arena_alloc(&dice->arena, count * size + 1);
        for (size_t i = 0; i < count; i++)
            random_value(dice, field, elements + i * size, depth);
        memcpy(quantifier, &count, sizeof(count));
        memcpy(place, &elements, sizeof(elements));
    } else if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        if (*(uint32_t *)quantifier == 0 && !deep && roll(dice, 3) == 0) {
            *(uint32_t *)quantifier = field->id;
            random_value(dice, field, place, depth);
        }
    } else if (!deep && roll(dice, 4) != 0) {
        random_value(dice, field, place, depth);
    }
}

static ProtobufCMessage *random_message(struct dice *dice, const ProtobufCMessageDescriptor *type,
                                        int depth)
{
    ProtobufCMessage *message = pl_arena_alloc(&dice->arena, type->sizeof_message);
    assert_non_null(message);
    protobuf_c_message_init(type, message);
    for (unsigned i = 0; i < type->n_fields; i++)
        random_field(dice, message, &type->fields[i], depth);
    return message;
}

static struct pl_slice packed_by_library(const ProtobufCMessage *message, struct pl_arena *arena)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = pl_arena_alloc(arena, len + 1);
    assert_non_null(bytes);
    assert_int_equal(protobuf_c_message_pack(message, bytes), len);
    return pl_slice(bytes, len);
}

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
        cmocka_unit_test(test_larger_than_the_threads_buffer),
        cmocka_unit_test(test_missing_texts_and_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
