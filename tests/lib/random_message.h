/* SPDX-License-Identifier: Apache-2.0
 *
 * random_message: messages of the API's types with whatever may be in them, and their bytes as
 * protobuf-c makes them. For unit tests; cmocka.h comes before it.
 */
#ifndef TESTS_RANDOM_MESSAGE_H
#define TESTS_RANDOM_MESSAGE_H

#include <string.h>

#include "common/arena.h"
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

static inline uint32_t roll(struct dice *dice, uint32_t sides)
{
    dice->state = dice->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(dice->state >> 33) % sides;
}

static inline ProtobufCMessage *random_message(struct dice *dice,
                                               const ProtobufCMessageDescriptor *type, int depth);

static inline uint64_t random_number(struct dice *dice)
{
    static const uint64_t edges[] = {
        0,           1,          127,        128,       16383,
        16384,       UINT32_MAX, UINT64_MAX, INT64_MAX, (uint64_t)INT64_MIN,
        (uint64_t)-5};
    return roll(dice, 2) == 0 ? edges[roll(dice, sizeof(edges) / sizeof(edges[0]))]
                              : dice->state >> roll(dice, 64);
}

static inline void random_bytes(struct dice *dice, ProtobufCBinaryData *ret)
{
    ret->len = roll(dice, 4) == 0 ? 0 : roll(dice, 200);
    ret->data = pl_arena_alloc(&dice->arena, ret->len + 1);
    for (size_t i = 0; i < ret->len; i++)
        ret->data[i] = (uint8_t)roll(dice, 256);
}

static inline char *random_text(struct dice *dice)
{
    size_t len = roll(dice, 3) == 0 ? 0 : roll(dice, 150);
    char *text = pl_arena_alloc(&dice->arena, len + 1);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + roll(dice, 26));
    return text;
}

/* Mostly a number that has a name. */
static inline void random_name(struct dice *dice, const ProtobufCEnumDescriptor *names, int32_t any,
                               void *place)
{
    int32_t number = roll(dice, 1000) == 0 ? any : names->values[roll(dice, names->n_values)].value;
    memcpy(place, &number, sizeof(number));
}

static inline void random_value(struct dice *dice, const ProtobufCFieldDescriptor *field,
                                void *place, int depth)
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
    else if (field->type == PROTOBUF_C_TYPE_ENUM)
        random_name(dice, field->descriptor, small, place);
    else if (field->type == PROTOBUF_C_TYPE_INT32 || field->type == PROTOBUF_C_TYPE_UINT32)
        memcpy(place, &small, sizeof(small));
    else
        fail_msg("a kind of field that nobody packs: %s", field->name);
}

static inline size_t size_of(ProtobufCType type)
{
    if (type == PROTOBUF_C_TYPE_BYTES)
        return sizeof(ProtobufCBinaryData);
    bool wide = type == PROTOBUF_C_TYPE_STRING || type == PROTOBUF_C_TYPE_MESSAGE ||
                type == PROTOBUF_C_TYPE_INT64 || type == PROTOBUF_C_TYPE_UINT64;
    return wide ? 8 : 4;
}

static inline void random_field(struct dice *dice, ProtobufCMessage *message,
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

static inline ProtobufCMessage *random_message(struct dice *dice,
                                               const ProtobufCMessageDescriptor *type, int depth)
{
    ProtobufCMessage *message = pl_arena_alloc(&dice->arena, type->sizeof_message);
    assert_non_null(message);
    protobuf_c_message_init(type, message);
    for (unsigned i = 0; i < type->n_fields; i++)
        random_field(dice, message, &type->fields[i], depth);
    return message;
}

static inline struct pl_slice packed_by_library(const ProtobufCMessage *message,
                                                struct pl_arena *arena)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = pl_arena_alloc(arena, len + 1);
    assert_non_null(bytes);
    assert_int_equal(protobuf_c_message_pack(message, bytes), len);
    return pl_slice(bytes, len);
}

#endif
