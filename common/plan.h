/* SPDX-License-Identifier: Apache-2.0
 *
 * plan: what packing, unpacking, scanning and copying need to know of a message type, a few bytes a
 * field. Descriptors say it too, but in 72 bytes a field, most of which is about fields that a
 * message does not have: an entry's type has dozens of facts, and each entry one.
 *
 * A plan is made when its type is met for the first time, by whichever thread that is, and stays:
 * there are as many as types. Any thread.
 */
#ifndef PL_PLAN_H
#define PL_PLAN_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pl_plan_kind {
    PL_PLAN_STRING,
    PL_PLAN_BYTES,
    PL_PLAN_MESSAGE,
    PL_PLAN_SIGNED32, /* int32 and enums */
    PL_PLAN_UNSIGNED32,
    PL_PLAN_NUMBER64,
    PL_PLAN_BOOL,
    PL_PLAN_REPEATED,
    PL_PLAN_ONEOF, /* members of one oneof that stand in a row */
    PL_PLAN_OTHER, /* nothing that this API uses */
};

struct pl_plan_step {
    uint16_t offset; /* of the member in the message; of a oneof: of which one is chosen */
    uint8_t kind;    /* enum pl_plan_kind */
    uint8_t tag_len; /* 1 or 2 */
    uint8_t tag[2];
    uint16_t first, last; /* indexes of its fields in the descriptor; the same but for a oneof */
};

enum pl_plan_form { PL_PLAN_SINGLE, PL_PLAN_MEMBER, PL_PLAN_LIST, PL_PLAN_ODD };

struct pl_plan_value {
    uint16_t offset; /* of the value, or of the list */
    uint16_t choice; /* of a member: offset of which one of its oneof is chosen */
    uint8_t kind;    /* enum pl_plan_kind of one value; OTHER: nothing that this API uses */
    uint8_t form;    /* enum pl_plan_form */
    uint16_t names;  /* of an enum: all of its numbers below this have one; 0: no enum */
};

struct pl_plan {
    const ProtobufCMessageDescriptor *type;
    const struct pl_plan_value *value; /* one a field */
    const uint16_t *by_number;         /* index of the field + 1; 0: no field has the number */
    const uint16_t *group;             /* of a field: itself, or the first member of its oneof */
    uint32_t number_max;
    unsigned count;             /* of steps */
    struct pl_plan_step step[]; /* in the order of the fields */
};

/* Fields of one message, by index: those that were met. */
enum { PL_PLAN_FIELDS_MAX = 128 };
struct pl_plan_set {
    uint64_t word[PL_PLAN_FIELDS_MAX / 64];
};
/* False: it was in it already. */
static inline bool pl_plan_set_add(struct pl_plan_set *set, unsigned index)
{
    uint64_t *word = &set->word[index / 64], bit = 1ull << index % 64;
    bool fresh = (*word & bit) == 0;
    *word |= bit;
    return fresh;
}

/* Borrowed for ever. */
const struct pl_plan *pl_plan_of(const ProtobufCMessageDescriptor *type);

/* Has the number of an enum's field a name? */
bool pl_plan_has_name(const ProtobufCFieldDescriptor *field, uint64_t value);

/* Bytes from one element of a repeated field to the next, in a message that protobuf-c lays out. */
size_t pl_plan_element_bytes(ProtobufCType type);

/* NULL: no field has the number. */
static inline const ProtobufCFieldDescriptor *pl_plan_field(const struct pl_plan *plan,
                                                            uint32_t number)
{
    unsigned index = number <= plan->number_max ? plan->by_number[number] : 0;
    return index == 0 ? NULL : &plan->type->fields[index - 1];
}

#endif
