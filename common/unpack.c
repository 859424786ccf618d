/* SPDX-License-Identifier: Apache-2.0
 *
 * unpack: a cursor over the bytes; arrays are made when their first element is met, after a look
 * ahead at how many there are.
 */
#include "common/unpack.h"

#include "common/plan.h"

struct cursor {
    const uint8_t *at, *end;
};

struct piece { /* one field on the wire */
    uint32_t number, wire_type;
    uint64_t value;
    struct pl_slice bytes;
};

static inline bool read_varint(struct cursor *cursor, uint64_t *ret)
{
    if (cursor->at < cursor->end && *cursor->at < 0x80) { /* most of them */
        *ret = *cursor->at++;
        return true;
    }
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 63 && cursor->at < cursor->end; shift += 7) {
        uint8_t byte = *cursor->at++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *ret = value;
            return true;
        }
    }
    if (cursor->at == cursor->end || *cursor->at > 1) /* the tenth byte has one bit */
        return false;
    *ret = value | (uint64_t)*cursor->at++ << 63;
    return true;
}

/* False: the bytes end in it, or it is of a kind that is left to protobuf-c. */
static inline bool read_piece(struct cursor *cursor, struct piece *ret)
{
    uint64_t tag, len;
    if (!read_varint(cursor, &tag) || tag > UINT32_MAX)
        return false;
    ret->number = (uint32_t)(tag >> 3);
    ret->wire_type = (uint32_t)(tag & 7);
    if (ret->wire_type == 0)
        return read_varint(cursor, &ret->value);
    if (ret->wire_type != 2 || !read_varint(cursor, &len) ||
        len > (uint64_t)(cursor->end - cursor->at))
        return false;
    ret->bytes = pl_slice(cursor->at, (size_t)len);
    ret->value = 0;
    cursor->at += len;
    return true;
}

/* How many elements of the field there are from here on, the one at hand included. */
static size_t count_ahead(struct cursor cursor, uint32_t number)
{
    size_t count = 1;
    struct piece piece;
    while (cursor.at < cursor.end && read_piece(&cursor, &piece))
        count += piece.number == number;
    return count;
}

/* Ended with a NUL. Most are short. */
static inline void *copy_of(struct pl_slice bytes, struct pl_arena *arena)
{
    uint8_t *copy = pl_arena_take(arena, bytes.len + 1);
    if (copy == NULL)
        return NULL;
    pl_copy(copy, bytes.data, bytes.len);
    copy[bytes.len] = '\0';
    return copy;
}

/* One value of the message's field with this index. Inline: a call is as long as most values. */
__attribute__((always_inline)) static inline bool set_value(const struct pl_plan *plan,
                                                            unsigned index, void *place,
                                                            const struct piece *piece,
                                                            struct pl_arena *arena)
{
    const struct pl_plan_value *value = &plan->value[index];
    bool delimited = value->kind <= PL_PLAN_MESSAGE;
    if (delimited != (piece->wire_type == 2))
        return false;
    switch ((enum pl_plan_kind)value->kind) {
    case PL_PLAN_STRING:
        *(char **)place = copy_of(piece->bytes, arena);
        return *(char **)place != NULL;
    case PL_PLAN_BYTES: {
        ProtobufCBinaryData *bytes = place;
        bytes->len = piece->bytes.len;
        bytes->data = bytes->len == 0 ? NULL : copy_of(piece->bytes, arena);
        return bytes->len == 0 || bytes->data != NULL;
    }
    case PL_PLAN_MESSAGE:
        *(ProtobufCMessage **)place =
            pl_unpack_plain(plan->type->fields[index].descriptor, piece->bytes, arena);
        return *(ProtobufCMessage **)place != NULL;
    case PL_PLAN_SIGNED32:
        if (value->names != 0 && piece->value >= value->names &&
            !pl_plan_has_name(&plan->type->fields[index], piece->value))
            return false;
        *(uint32_t *)place = (uint32_t)piece->value;
        return true;
    case PL_PLAN_UNSIGNED32:
        *(uint32_t *)place = (uint32_t)piece->value;
        return true;
    case PL_PLAN_NUMBER64:
        *(uint64_t *)place = piece->value;
        return true;
    case PL_PLAN_BOOL:
        *(protobuf_c_boolean *)place = piece->value != 0;
        return true;
    case PL_PLAN_REPEATED:
    case PL_PLAN_ONEOF:
    case PL_PLAN_OTHER:
        return false;
    }
    return false;
}

/* 0: arrays of numbers are packed, or unusual. */
static size_t element_size(uint8_t kind)
{
    if (kind == PL_PLAN_BYTES)
        return sizeof(ProtobufCBinaryData);
    return kind == PL_PLAN_STRING || kind == PL_PLAN_MESSAGE ? sizeof(void *) : 0;
}

/* One element more. */
static bool add_element(ProtobufCMessage *message, const struct pl_plan *plan, unsigned index,
                        const struct piece *piece, const struct cursor *rest,
                        struct pl_arena *arena)
{
    const struct pl_plan_value *value = &plan->value[index];
    size_t *count = (size_t *)(void *)((uint8_t *)message + value->choice);
    uint8_t **array = (uint8_t **)(void *)((uint8_t *)message + value->offset);
    size_t size = element_size(value->kind);
    if (size == 0)
        return false;
    if (*count == 0) {
        size_t all = count_ahead(*rest, piece->number);
        *array = all > SIZE_MAX / size ? NULL : pl_arena_alloc(arena, all * size);
    }
    if (*array == NULL || !set_value(plan, index, *array + *count * size, piece, arena))
        return false;
    (*count)++;
    return true;
}

static inline bool set_field(ProtobufCMessage *message, const struct pl_plan *plan, unsigned index,
                             const struct piece *piece, const struct cursor *rest,
                             struct pl_arena *arena)
{
    const struct pl_plan_value *value = &plan->value[index];
    uint8_t *place = (uint8_t *)message + value->offset;
    if (value->form == PL_PLAN_LIST)
        return add_element(message, plan, index, piece, rest, arena);
    if (value->form == PL_PLAN_MEMBER) {
        uint32_t *chosen = (uint32_t *)(void *)((uint8_t *)message + value->choice);
        if (*chosen != 0)
            return false; /* another member was there: who wins is protobuf-c's to say */
        *chosen = piece->number;
    } else if (value->form == PL_PLAN_ODD ||
               (value->kind == PL_PLAN_MESSAGE && *(ProtobufCMessage **)(void *)place != NULL)) {
        return false; /* proto2, or a message again */
    }
    return set_value(plan, index, place, piece, arena);
}

ProtobufCMessage *pl_unpack_plain(const ProtobufCMessageDescriptor *type, struct pl_slice bytes,
                                  struct pl_arena *arena)
{
    static const uint8_t nothing[1];
    const uint8_t *from =
        bytes.len != 0 ? bytes.data : nothing; /* an empty slice may have no place */
    struct cursor cursor = {from, from + bytes.len};
    const struct pl_plan *plan = pl_plan_of(type);
    ProtobufCMessage *message = pl_arena_take(arena, type->sizeof_message); /* init writes it all */
    if (message == NULL)
        return NULL;
    protobuf_c_message_init(type, message);
    while (cursor.at < cursor.end) {
        struct piece piece;
        if (!read_piece(&cursor, &piece) || piece.number > plan->number_max)
            return NULL;
        unsigned index = plan->by_number[piece.number];
        if (index == 0 || !set_field(message, plan, index - 1, &piece, &cursor, arena))
            return NULL;
    }
    return message;
}
