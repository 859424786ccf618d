/* SPDX-License-Identifier: Apache-2.0
 *
 * pack: fields from the last to the first, elements likewise, each value before its length and tag.
 */
#include "common/pack.h"

#include "common/check.h"
#include "common/plan.h"

enum { PACKED_BYTES_MOST = 2 << 20 };

static inline void put_tag(struct pl_sink *sink, const ProtobufCFieldDescriptor *field,
                           uint32_t wire_type)
{
    pl_sink_varint(sink, (uint64_t)field->id << 3 | wire_type);
}

/* The number as a varint says it; false: no number, or one of another width. */
static inline bool number_of(ProtobufCType type, const void *place, uint64_t *ret)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        *ret = (uint64_t)(int64_t) * (const int32_t *)place;
        return true;
    case PROTOBUF_C_TYPE_UINT32:
        *ret = *(const uint32_t *)place;
        return true;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        *ret = *(const uint64_t *)place;
        return true;
    case PROTOBUF_C_TYPE_BOOL:
        *ret = *(const protobuf_c_boolean *)place != 0;
        return true;
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return false;
    }
    return false;
}

static void put_message(struct pl_sink *sink, const ProtobufCMessage *message);

/* One value with its tag. */
static void put_value(struct pl_sink *sink, const ProtobufCFieldDescriptor *field,
                      const void *place)
{
    const uint8_t *end = sink->at;
    uint64_t number = 0;
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(const char *const *)place;
        pl_sink_put(sink, text, text == NULL ? 0 : strlen(text));
        pl_sink_length(sink, end);
        put_tag(sink, field, 2);
    } else if (field->type == PROTOBUF_C_TYPE_BYTES) {
        const ProtobufCBinaryData *bytes = place;
        pl_sink_put(sink, bytes->data, bytes->len);
        pl_sink_length(sink, end);
        put_tag(sink, field, 2);
    } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const ProtobufCMessage *inner = *(const ProtobufCMessage *const *)place;
        if (inner != NULL)
            put_message(sink, inner);
        pl_sink_length(sink, end);
        put_tag(sink, field, 2);
    } else if (number_of(field->type, place, &number)) {
        pl_sink_varint(sink, number);
        put_tag(sink, field, 0);
    } else {
        sink->failed = true;
    }
}

static size_t count_of(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return *(const size_t *)((const uint8_t *)message + field->quantifier_offset);
}

static void put_repeated(struct pl_sink *sink, const ProtobufCFieldDescriptor *field, size_t count,
                         const uint8_t *elements)
{
    size_t size = pl_plan_element_bytes(field->type);
    bool packed = (field->flags & PROTOBUF_C_FIELD_FLAG_PACKED) != 0;
    const uint8_t *end = sink->at;
    for (size_t i = count; i > 0 && !sink->failed; i--) {
        uint64_t number = 0;
        if (!packed)
            put_value(sink, field, elements + (i - 1) * size);
        else if (number_of(field->type, elements + (i - 1) * size, &number))
            pl_sink_varint(sink, number);
        else
            sink->failed = true;
    }
    if (!packed || count == 0)
        return;
    pl_sink_length(sink, end);
    put_tag(sink, field, 2);
}

/* False: the member of the oneof is another one, or a text or message that is not there. */
static bool is_chosen(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                      const void *place)
{
    if (*(const uint32_t *)((const uint8_t *)message + field->quantifier_offset) != field->id)
        return false;
    bool pointer = field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;
    const void *value = pointer ? *(const void *const *)place : NULL;
    return !pointer || (value != NULL && value != field->default_value);
}

/* The member that is chosen, if it is one of those of the step. */
static void put_member(struct pl_sink *sink, const ProtobufCMessage *message,
                       const struct pl_plan *plan, const struct pl_plan_step *step)
{
    uint32_t chosen = *(const uint32_t *)(const void *)((const uint8_t *)message + step->offset);
    const ProtobufCFieldDescriptor *field = chosen == 0 ? NULL : pl_plan_field(plan, chosen);
    if (field == NULL || field < &plan->type->fields[step->first] ||
        field > &plan->type->fields[step->last])
        return;
    const uint8_t *place = (const uint8_t *)message + field->offset;
    if (is_chosen(message, field, place))
        put_value(sink, field, place);
}

static inline void put_step_tag(struct pl_sink *sink, const struct pl_plan_step *step)
{
    pl_sink_put(sink, step->tag, step->tag_len);
}

static inline void put_number(struct pl_sink *sink, const struct pl_plan_step *step,
                              uint64_t number)
{
    if (number == 0)
        return;
    pl_sink_varint(sink, number);
    put_step_tag(sink, step);
}

static inline void put_delimited(struct pl_sink *sink, const struct pl_plan_step *step,
                                 const void *data, size_t len)
{
    const uint8_t *end = sink->at;
    pl_sink_put(sink, data, len);
    pl_sink_length(sink, end);
    put_step_tag(sink, step);
}

static void put_inner(struct pl_sink *sink, const struct pl_plan_step *step,
                      const ProtobufCMessage *inner)
{
    const uint8_t *end = sink->at;
    put_message(sink, inner);
    pl_sink_length(sink, end);
    put_step_tag(sink, step);
}

/* Singular fields of proto3 are on the wire unless they say nothing. Most of a message says
 * nothing. */
static inline void put_step(struct pl_sink *sink, const ProtobufCMessage *message,
                            const struct pl_plan *plan, const struct pl_plan_step *step)
{
    const void *place = (const uint8_t *)message + step->offset;
    switch ((enum pl_plan_kind)step->kind) {
    case PL_PLAN_STRING: {
        const char *text = *(const char *const *)place;
        if (text != NULL && *text != '\0')
            put_delimited(sink, step, text, strlen(text));
        return;
    }
    case PL_PLAN_BYTES: {
        const ProtobufCBinaryData *bytes = place;
        if (bytes->len != 0)
            put_delimited(sink, step, bytes->data, bytes->len);
        return;
    }
    case PL_PLAN_MESSAGE: {
        const ProtobufCMessage *inner = *(const ProtobufCMessage *const *)place;
        if (inner != NULL)
            put_inner(sink, step, inner);
        return;
    }
    case PL_PLAN_SIGNED32:
        put_number(sink, step, (uint64_t)(int64_t) * (const int32_t *)place);
        return;
    case PL_PLAN_UNSIGNED32:
        put_number(sink, step, *(const uint32_t *)place);
        return;
    case PL_PLAN_NUMBER64:
        put_number(sink, step, *(const uint64_t *)place);
        return;
    case PL_PLAN_BOOL:
        put_number(sink, step, *(const protobuf_c_boolean *)place != 0);
        return;
    case PL_PLAN_REPEATED: {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[step->first];
        size_t count = count_of(message, field);
        if (count > 0)
            put_repeated(sink, field, count, *(const uint8_t *const *)place);
        return;
    }
    case PL_PLAN_ONEOF:
        put_member(sink, message, plan, step);
        return;
    case PL_PLAN_OTHER:
        sink->failed = true;
        return;
    }
}

/* Behind all others. Their bytes have their length before them. */
static void put_ready(struct pl_sink *sink, const ProtobufCMessage *message)
{
    for (unsigned i = message->n_unknown_fields; i > 0 && !sink->failed; i--) {
        const ProtobufCMessageUnknownField *field = &message->unknown_fields[i - 1];
        if (field->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
            sink->failed = true;
        pl_sink_put(sink, field->data, field->len);
        pl_sink_varint(sink, (uint64_t)field->tag << 3 | 2);
    }
}

static void put_message(struct pl_sink *sink, const ProtobufCMessage *message)
{
    const struct pl_plan *plan = pl_plan_of(message->descriptor);
    if (message->n_unknown_fields != 0)
        put_ready(sink, message);
    for (unsigned i = plan->count; i > 0 && !sink->failed; i--)
        put_step(sink, message, plan, &plan->step[i - 1]);
}

void pl_pack_into(struct pl_sink *sink, const ProtobufCMessage *message)
{
    put_message(sink, message);
}

struct pl_slice pl_pack_backward(const ProtobufCMessage *message, uint8_t *into, size_t room)
{
    struct pl_sink sink = {.begin = into, .at = into + room};
    put_message(&sink, message);
    if (sink.failed)
        return pl_slice(NULL, 0);
    return pl_slice(sink.at, (size_t)(into + room - sink.at));
}

struct pl_slice pl_packed(const ProtobufCMessage *message)
{
    static _Thread_local uint8_t room[PACKED_BYTES_MOST]; /* pages that are not used cost nothing */
    return pl_pack_backward(message, room, sizeof(room));
}

bool pl_pack_ready(ProtobufCMessage *message, uint32_t number, struct pl_slice value,
                   struct pl_arena *arena)
{
    enum { LENGTH_BYTES = 10 };
    PL_ASSERT(message->n_unknown_fields == 0);
    ProtobufCMessageUnknownField *field =
        pl_arena_take(arena, sizeof(*field) + LENGTH_BYTES + value.len);
    if (field == NULL)
        return false;
    uint8_t *room = (uint8_t *)(field + 1);
    struct pl_sink sink = {.begin = room, .at = room + LENGTH_BYTES + value.len};
    pl_sink_put(&sink, value.data, value.len);
    pl_sink_varint(&sink, value.len);
    *field = (ProtobufCMessageUnknownField){
        .tag = number,
        .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
        .len = (size_t)(room + LENGTH_BYTES + value.len - sink.at),
        .data = sink.at,
    };
    message->n_unknown_fields = 1;
    message->unknown_fields = field;
    return true;
}

/* --- copies --- */

/* Replaces what `place`, in a struct that was copied as it is, points to. */
static bool own_value(const ProtobufCFieldDescriptor *field, void *place, struct pl_arena *arena)
{
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        char **text = place;
        /* an empty text that is a oneof's choice is told from none by where it is */
        if (*text == NULL)
            *text = (char *)(uintptr_t)protobuf_c_empty_string;
        else if (*text != protobuf_c_empty_string)
            *text = pl_arena_strdup(arena, *text);
        return *text != NULL;
    }
    if (field->type == PROTOBUF_C_TYPE_BYTES) {
        ProtobufCBinaryData *bytes = place;
        bytes->data = bytes->len == 0 ? NULL : pl_arena_memdup(arena, bytes->data, bytes->len);
        return bytes->len == 0 || bytes->data != NULL;
    }
    ProtobufCMessage **inner = place;
    if (field->type != PROTOBUF_C_TYPE_MESSAGE || *inner == NULL)
        return true;
    *inner = pl_message_copy(*inner, arena);
    return *inner != NULL;
}

static bool own_repeated(const ProtobufCFieldDescriptor *field, size_t count, void **place,
                         struct pl_arena *arena)
{
    size_t size = pl_plan_element_bytes(field->type);
    if (count == 0) {
        *place = NULL;
        return true;
    }
    uint8_t *elements = pl_arena_memdup(arena, *place, count * size);
    *place = elements;
    for (size_t i = 0; elements != NULL && i < count; i++)
        if (!own_value(field, elements + i * size, arena))
            return false;
    return elements != NULL;
}

/* Numbers came with the struct. */
static bool own_step(ProtobufCMessage *copy, const struct pl_plan_step *step,
                     struct pl_arena *arena)
{
    uint8_t *place = (uint8_t *)copy + step->offset;
    const ProtobufCFieldDescriptor *field = &copy->descriptor->fields[step->first];
    switch ((enum pl_plan_kind)step->kind) {
    case PL_PLAN_STRING:
    case PL_PLAN_BYTES:
    case PL_PLAN_MESSAGE:
    case PL_PLAN_OTHER:
        return own_value(field, place, arena);
    case PL_PLAN_REPEATED:
        return own_repeated(field, count_of(copy, field), (void **)(void *)place, arena);
    case PL_PLAN_ONEOF:
        for (unsigned i = step->first; i <= step->last; i++) {
            const ProtobufCFieldDescriptor *member = &copy->descriptor->fields[i];
            uint8_t *value = (uint8_t *)copy + member->offset;
            if (is_chosen(copy, member, value))
                return own_value(member, value, arena);
        }
        return true;
    case PL_PLAN_SIGNED32:
    case PL_PLAN_UNSIGNED32:
    case PL_PLAN_NUMBER64:
    case PL_PLAN_BOOL:
        return true;
    }
    return true;
}

ProtobufCMessage *pl_message_copy(const ProtobufCMessage *message, struct pl_arena *arena)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    const struct pl_plan *plan = pl_plan_of(type);
    ProtobufCMessage *copy = pl_arena_take(arena, type->sizeof_message);
    if (copy == NULL)
        return NULL;
    memcpy(copy, message, type->sizeof_message);
    copy->n_unknown_fields = 0;
    copy->unknown_fields = NULL;
    for (unsigned i = 0; i < plan->count; i++)
        if (!own_step(copy, &plan->step[i], arena))
            return NULL;
    return copy;
}
