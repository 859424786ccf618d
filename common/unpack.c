/* SPDX-License-Identifier: Apache-2.0
 *
 * unpack: a cursor over the bytes; arrays are made when their first element is met, after a look
 * ahead at how many there are.
 */
#include "common/unpack.h"

#include "common/check.h"

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

static bool set_number(ProtobufCType type, void *place, uint64_t value)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_ENUM:
        *(uint32_t *)place = (uint32_t)value;
        return true;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        *(uint64_t *)place = value;
        return true;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)place = value != 0;
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

/* Ended with a NUL. Most are short. */
static inline void *copy_of(struct pl_slice bytes, struct pl_arena *arena)
{
    uint8_t *copy = pl_arena_take(arena, bytes.len + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, bytes.data, bytes.len);
    copy[bytes.len] = '\0';
    return copy;
}

static bool set_value(const ProtobufCFieldDescriptor *field, void *place, const struct piece *piece,
                      struct pl_arena *arena)
{
    if (piece->wire_type == 0)
        return set_number(field->type, place, piece->value);
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        char *text = copy_of(piece->bytes, arena);
        *(char **)place = text;
        return text != NULL;
    }
    if (field->type == PROTOBUF_C_TYPE_BYTES) {
        ProtobufCBinaryData *bytes = place;
        bytes->len = piece->bytes.len;
        bytes->data = bytes->len == 0 ? NULL : copy_of(piece->bytes, arena);
        return bytes->len == 0 || bytes->data != NULL;
    }
    if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    ProtobufCMessage *inner = pl_unpack_plain(field->descriptor, piece->bytes, arena);
    *(ProtobufCMessage **)place = inner;
    return inner != NULL;
}

static size_t element_size(ProtobufCType type)
{
    if (type == PROTOBUF_C_TYPE_BYTES)
        return sizeof(ProtobufCBinaryData);
    return type == PROTOBUF_C_TYPE_STRING || type == PROTOBUF_C_TYPE_MESSAGE ? sizeof(void *) : 0;
}

/* One element more. Arrays of numbers are packed, or unusual. */
static bool add_element(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                        const struct piece *piece, const struct cursor *rest,
                        struct pl_arena *arena)
{
    size_t *count = (size_t *)(void *)((uint8_t *)message + field->quantifier_offset);
    uint8_t **array = (uint8_t **)(void *)((uint8_t *)message + field->offset);
    size_t size = element_size(field->type);
    if (size == 0)
        return false;
    if (*count == 0) {
        size_t all = count_ahead(*rest, field->id);
        *array = all > SIZE_MAX / size ? NULL : pl_arena_alloc(arena, all * size);
    }
    if (*array == NULL || !set_value(field, *array + *count * size, piece, arena))
        return false;
    (*count)++;
    return true;
}

static bool set_field(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                      const struct piece *piece, struct pl_arena *arena)
{
    uint8_t *place = (uint8_t *)message + field->offset;
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        uint32_t *chosen = (uint32_t *)(void *)((uint8_t *)message + field->quantifier_offset);
        if (*chosen != 0)
            return false; /* another member was there: who wins is protobuf-c's to say */
        *chosen = field->id;
        return set_value(field, place, piece, arena);
    }
    bool message_again =
        field->type == PROTOBUF_C_TYPE_MESSAGE && *(ProtobufCMessage **)(void *)place != NULL;
    bool proto3 =
        field->label == PROTOBUF_C_LABEL_NONE ||
        (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->type == PROTOBUF_C_TYPE_MESSAGE);
    return proto3 && !message_again && set_value(field, place, piece, arena);
}

/* Descriptors ascend by number, and so do the fields that our writers put out: *next is where the
 * one after the last one found may be, some further on. */
static inline const ProtobufCFieldDescriptor *field_of(const ProtobufCMessageDescriptor *type,
                                                       uint32_t number, unsigned *next)
{
    enum { LOOKS = 6 };
    for (unsigned i = *next; i < type->n_fields && i < *next + LOOKS; i++) {
        if (type->fields[i].id == number) {
            *next = i + 1;
            return &type->fields[i];
        }
    }
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(type, number);
    *next = field == NULL ? 0 : (unsigned)(field - type->fields) + 1;
    return field;
}

ProtobufCMessage *pl_unpack_plain(const ProtobufCMessageDescriptor *type, struct pl_slice bytes,
                                  struct pl_arena *arena)
{
    static const uint8_t nothing[1];
    const uint8_t *from =
        bytes.len != 0 ? bytes.data : nothing; /* an empty slice may have no place */
    struct cursor cursor = {from, from + bytes.len};
    ProtobufCMessage *message = pl_arena_take(arena, type->sizeof_message); /* init writes it all */
    if (message == NULL)
        return NULL;
    protobuf_c_message_init(type, message);
    unsigned next = 0;
    while (cursor.at < cursor.end) {
        struct piece piece;
        if (!read_piece(&cursor, &piece))
            return NULL;
        const ProtobufCFieldDescriptor *field = field_of(type, piece.number, &next);
        if (field == NULL)
            return NULL;
        bool fine = field->label == PROTOBUF_C_LABEL_REPEATED
                        ? add_element(message, field, &piece, &cursor, arena)
                        : set_field(message, field, &piece, arena);
        if (!fine)
            return NULL;
    }
    return message;
}
