/* SPDX-License-Identifier: Apache-2.0
 *
 * plan: a table of plans by the address of their type. Whoever makes one puts it into a place that
 * was empty; who comes second takes that of the first, and leaves a few bytes unused. Plans are in
 * memory of the program's own, so that a message can be read when there is no other left.
 */
#include "common/plan.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "common/check.h"

enum {
    PLACES = 1024, /* several times the types of the API */
    TAG_ONE_BYTE_MAX = 15,
    TAG_TWO_BYTES_MAX = 2047,
    POOL_BYTES = 256 * 1024, /* several times what all types take */
};

static _Atomic(const struct pl_plan *) known[PLACES];
static _Alignas(16) uint8_t pool[POOL_BYTES];
static _Atomic size_t pool_used;

static void *take(size_t bytes)
{
    size_t rounded = (bytes + 15) / 16 * 16;
    size_t at = atomic_fetch_add_explicit(&pool_used, rounded, memory_order_relaxed);
    PL_ASSERT(rounded >= bytes && at <= POOL_BYTES && rounded <= POOL_BYTES - at);
    return pool + at;
}

static enum pl_plan_kind kind_of_type(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
        return PL_PLAN_STRING;
    case PROTOBUF_C_TYPE_BYTES:
        return PL_PLAN_BYTES;
    case PROTOBUF_C_TYPE_MESSAGE:
        return PL_PLAN_MESSAGE;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        return PL_PLAN_SIGNED32;
    case PROTOBUF_C_TYPE_UINT32:
        return PL_PLAN_UNSIGNED32;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        return PL_PLAN_NUMBER64;
    case PROTOBUF_C_TYPE_BOOL:
        return PL_PLAN_BOOL;
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        return PL_PLAN_OTHER;
    }
    return PL_PLAN_OTHER;
}

/* One that is no member of a oneof. */
static enum pl_plan_kind kind_of(const ProtobufCFieldDescriptor *field)
{
    bool proto3 =
        field->label == PROTOBUF_C_LABEL_NONE ||
        (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->type == PROTOBUF_C_TYPE_MESSAGE);
    if (field->id > TAG_TWO_BYTES_MAX)
        return PL_PLAN_OTHER;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return PL_PLAN_REPEATED;
    return proto3 ? kind_of_type(field->type) : PL_PLAN_OTHER;
}

static void set_tag(struct pl_plan_step *step, const ProtobufCFieldDescriptor *field)
{
    bool delimited = step->kind == PL_PLAN_STRING || step->kind == PL_PLAN_BYTES ||
                     step->kind == PL_PLAN_MESSAGE;
    uint32_t tag = field->id << 3 | (delimited ? 2 : 0);
    step->tag_len = field->id <= TAG_ONE_BYTE_MAX ? 1 : 2;
    step->tag[0] = (uint8_t)(step->tag_len == 1 ? tag : (tag | 0x80));
    step->tag[1] = (uint8_t)(tag >> 7);
}

static bool is_member(const ProtobufCFieldDescriptor *field)
{
    return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

/* Index of the last field of the oneof that `first` is a member of, in a row from there on. */
static unsigned last_member(const ProtobufCMessageDescriptor *type, unsigned first)
{
    unsigned last = first;
    while (last + 1 < type->n_fields && is_member(&type->fields[last + 1]) &&
           type->fields[last + 1].quantifier_offset == type->fields[first].quantifier_offset)
        last++;
    return last;
}

/* Both lists in one piece of memory. */
static void list_fields(struct pl_plan *plan)
{
    const ProtobufCMessageDescriptor *type = plan->type;
    for (unsigned i = 0; i < type->n_fields; i++)
        plan->number_max =
            type->fields[i].id > plan->number_max ? type->fields[i].id : plan->number_max;
    PL_ASSERT(plan->number_max <= UINT16_MAX);
    uint16_t *list = take(((size_t)plan->number_max + 1 + type->n_fields) * sizeof(*list));
    uint16_t *group = list + plan->number_max + 1;
    for (unsigned i = 0; i < type->n_fields; i++) {
        list[type->fields[i].id] = (uint16_t)(i + 1);
        group[i] = (uint16_t)i;
        for (unsigned before = i; is_member(&type->fields[i]) && before > 0; before--) {
            if (is_member(&type->fields[before - 1]) &&
                type->fields[before - 1].quantifier_offset == type->fields[i].quantifier_offset)
                group[i] = (uint16_t)(before - 1);
        }
    }
    plan->by_number = list;
    plan->group = group;
}

static enum pl_plan_form form_of(const ProtobufCFieldDescriptor *field)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return PL_PLAN_LIST;
    if (is_member(field))
        return PL_PLAN_MEMBER;
    return kind_of(field) != PL_PLAN_OTHER ? PL_PLAN_SINGLE : PL_PLAN_ODD;
}

/* Names that stand in a row from 0 on, where the first one of every enum of this API is. */
static uint16_t names_of(const ProtobufCFieldDescriptor *field)
{
    if (field->type != PROTOBUF_C_TYPE_ENUM)
        return 0;
    const ProtobufCEnumDescriptor *names = field->descriptor;
    unsigned count = 0;
    while (count < names->n_values && names->values[count].value == (int)count)
        count++;
    PL_ASSERT(count > 0 && count <= UINT16_MAX);
    return (uint16_t)count;
}

static void list_values(struct pl_plan *plan)
{
    const ProtobufCMessageDescriptor *type = plan->type;
    struct pl_plan_value *value = take(type->n_fields * sizeof(*value));
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        value[i] = (struct pl_plan_value){.offset = (uint16_t)field->offset,
                                          .choice = (uint16_t)field->quantifier_offset,
                                          .kind = (uint8_t)kind_of_type(field->type),
                                          .form = (uint8_t)form_of(field),
                                          .names = names_of(field)};
    }
    plan->value = value;
}

static struct pl_plan *make(const ProtobufCMessageDescriptor *type)
{
    PL_ASSERT(type->n_fields < UINT16_MAX && type->sizeof_message <= UINT16_MAX);
    struct pl_plan *plan = take(sizeof(*plan) + type->n_fields * sizeof(*plan->step));
    plan->type = type;
    list_fields(plan);
    list_values(plan);
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        struct pl_plan_step *step = &plan->step[plan->count++];
        step->first = (uint16_t)i;
        step->offset = (uint16_t)field->offset;
        if (is_member(field)) {
            step->kind = PL_PLAN_ONEOF;
            step->offset = (uint16_t)field->quantifier_offset;
            i = last_member(type, i);
        } else {
            step->kind = (uint8_t)kind_of(field);
            set_tag(step, field);
        }
        step->last = (uint16_t)i;
    }
    return plan;
}

/* Apart, so that the way of those who find theirs is short. */
__attribute__((noinline)) static const struct pl_plan *learn(const ProtobufCMessageDescriptor *type,
                                                             _Atomic(const struct pl_plan *) *place)
{
    const struct pl_plan *there = NULL;
    struct pl_plan *made = make(type);
    if (atomic_compare_exchange_strong_explicit(place, &there, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return made;
    return there;
}

const struct pl_plan *pl_plan_of(const ProtobufCMessageDescriptor *type)
{
    /* addresses of descriptors lie close together: the multiplication parts them */
    size_t at = (size_t)((uintptr_t)type * UINT64_C(0x9e3779b97f4a7c15) >> 32);
    for (unsigned looks = 0; looks < PLACES; looks++, at++) {
        _Atomic(const struct pl_plan *) *place = &known[at % PLACES];
        const struct pl_plan *plan = atomic_load_explicit(place, memory_order_acquire);
        if (plan == NULL)
            plan = learn(type, place);
        if (plan->type == type)
            return plan;
    }
    PL_UNREACHABLE(); /* more types than places */
}

bool pl_plan_has_name(const ProtobufCFieldDescriptor *field, uint64_t value)
{
    int64_t number = (int64_t)value;
    return number >= INT32_MIN && number <= INT32_MAX &&
           protobuf_c_enum_descriptor_get_value(field->descriptor, (int)number) != NULL;
}

size_t pl_plan_element_bytes(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return 4;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    }
    PL_UNREACHABLE();
}
