/* SPDX-License-Identifier: Apache-2.0
 *
 * scan: a walk over wire bytes with the descriptor in hand, depth first, no allocation. Paths are
 * written only when something is wrong, on the way back up.
 */
#include "common/scan.h"

#include <stdio.h>
#include <unistr.h>

#include "common/check.h"
#include "common/pack.h"
#include "common/plan.h"
#include "common/unpack.h"

enum { DEPTH_MAX = 16, FIELDS_MAX = PL_PLAN_FIELDS_MAX };

struct scan {
    size_t elements_left;
    struct pl_scan_error *error;
};

struct wire_field {
    uint32_t number;
    uint32_t wire_type;
    uint64_t value;        /* varint, or fixed bits */
    struct pl_slice bytes; /* length-delimited */
};

/* A varint of at most `bytes_max` bytes, 10 or less. */
static bool varint_within(struct pl_slice bytes, size_t *cursor, unsigned bytes_max, uint64_t *ret)
{
    if (*cursor < bytes.len && bytes.data[*cursor] < 0x80) { /* most of them */
        *ret = bytes.data[(*cursor)++];
        return true;
    }
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 7 * bytes_max; shift += 7) {
        if (*cursor == bytes.len)
            return false;
        uint8_t byte = bytes.data[(*cursor)++];
        if (shift == 63 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if ((byte & 0x80) == 0) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool varint(struct pl_slice bytes, size_t *cursor, uint64_t *ret)
{
    return varint_within(bytes, cursor, 10, ret);
}

/* Tags and lengths: protobuf-c reads no more than five bytes of these, so neither do we. */
static bool varint32(struct pl_slice bytes, size_t *cursor, uint64_t *ret)
{
    return varint_within(bytes, cursor, 5, ret) && *ret <= UINT32_MAX;
}

static bool fixed(struct pl_slice bytes, size_t *cursor, size_t width, uint64_t *ret)
{
    if (bytes.len - *cursor < width)
        return false;
    *ret = 0;
    for (size_t i = 0; i < width; i++)
        *ret |= (uint64_t)bytes.data[*cursor + i] << (8 * i);
    *cursor += width;
    return true;
}

/* Next field of well-formed bytes; false with *ret_bad set if they are not. */
static bool next_field(struct pl_slice bytes, size_t *cursor, struct wire_field *ret, bool *ret_bad)
{
    uint64_t tag, len;
    *ret_bad = true;
    if (*cursor == bytes.len) {
        *ret_bad = false;
        return false;
    }
    if (!varint32(bytes, cursor, &tag) || tag >> 3 == 0)
        return false;
    ret->number = (uint32_t)(tag >> 3);
    ret->wire_type = (uint32_t)(tag & 7);
    bool fine = false;
    switch (ret->wire_type) {
    case 0:
        fine = varint(bytes, cursor, &ret->value);
        break;
    case 1:
        fine = fixed(bytes, cursor, 8, &ret->value);
        break;
    case 2:
        fine = varint32(bytes, cursor, &len) && len <= bytes.len - *cursor;
        if (fine) {
            ret->bytes = pl_slice(bytes.data + *cursor, (size_t)len);
            *cursor += (size_t)len;
        }
        break;
    case 5:
        fine = fixed(bytes, cursor, 4, &ret->value);
        break;
    default: /* groups and reserved types do not exist in this API */
        break;
    }
    *ret_bad = !fine;
    return fine;
}

static struct pl_status wrong(struct scan *scan, const char *name, const char *what)
{
    (void)snprintf(scan->error->path, sizeof(scan->error->path), "%s", name);
    (void)snprintf(scan->error->what, sizeof(scan->error->what), "%s", what);
    return pl_fail(INVALID, "judge a message's bytes");
}

/* Puts the name of an outer field before the path. */
static struct pl_status outer(struct scan *scan, const char *name, bool repeated, size_t index,
                              struct pl_status status)
{
    char inner[sizeof(scan->error->path)];
    (void)snprintf(inner, sizeof(inner), "%s", scan->error->path);
    char place[96];
    if (repeated)
        (void)snprintf(place, sizeof(place), "%.60s[%zu]", name, index);
    else
        (void)snprintf(place, sizeof(place), "%.60s", name);
    (void)snprintf(scan->error->path, sizeof(scan->error->path), "%.80s%s%.78s", place,
                   inner[0] != '\0' ? "." : "", inner);
    return status;
}

static uint32_t wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
        return 0;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 1;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return 2;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return 5;
    }
    PL_UNREACHABLE();
}

static struct pl_status scan_scalar(struct scan *scan, const ProtobufCFieldDescriptor *field,
                                    uint64_t value)
{
    if (field->type == PROTOBUF_C_TYPE_BOOL && value > 1)
        return wrong(scan, "", "not a truth value");
    if (field->type != PROTOBUF_C_TYPE_ENUM)
        return pl_ok();
    if (!pl_plan_has_name(field, value)) {
        scan->error->unknown_number = true;
        return wrong(scan, "", "a number without a name in its enum");
    }
    return pl_ok();
}

static bool may_be_packed(const ProtobufCFieldDescriptor *field)
{
    return field->label == PROTOBUF_C_LABEL_REPEATED && wire_type_of(field->type) != 2;
}

static struct pl_status scan_packed(struct scan *scan, const ProtobufCFieldDescriptor *field,
                                    struct pl_slice bytes, size_t *index)
{
    size_t cursor = 0;
    uint32_t wire_type = wire_type_of(field->type);
    while (cursor < bytes.len) {
        uint64_t value;
        bool fine = wire_type == 0 ? varint(bytes, &cursor, &value)
                                   : fixed(bytes, &cursor, wire_type == 1 ? 8 : 4, &value);
        if (!fine)
            return wrong(scan, field->name, "damaged bytes");
        if (scan->elements_left-- == 0)
            return wrong(scan, field->name, "too many elements");
        struct pl_status status = scan_scalar(scan, field, value);
        if (!pl_is_ok(status))
            return outer(scan, field->name, true, *index, status);
        (*index)++;
    }
    return pl_ok();
}

static struct pl_status scan_message(struct scan *scan, const ProtobufCMessageDescriptor *type,
                                     struct pl_slice bytes, int depth);

/* One value, that of a singular field or one element. Names no path but that inside a message. */
static struct pl_status scan_element(struct scan *scan, const ProtobufCFieldDescriptor *field,
                                     const struct wire_field *wire, int depth)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return scan_message(scan, field->descriptor, wire->bytes, depth + 1);
    if (field->type == PROTOBUF_C_TYPE_STRING && !pl_utf8_valid(wire->bytes)) {
        scan->error->not_utf8 = true;
        return wrong(scan, "", "not UTF-8, or with a zero byte");
    }
    return scan_scalar(scan, field, wire->value);
}

static struct pl_status scan_value(struct scan *scan, const ProtobufCFieldDescriptor *field,
                                   const struct wire_field *wire, size_t *index, int depth)
{
    if (wire->wire_type == 2 && may_be_packed(field))
        return scan_packed(scan, field, wire->bytes, index);
    if (wire->wire_type != wire_type_of(field->type))
        return wrong(scan, field->name, "another type than the field has");
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    if (repeated && scan->elements_left-- == 0)
        return wrong(scan, field->name, "too many elements");
    struct pl_status status = scan_element(scan, field, wire, depth);
    if (!pl_is_ok(status))
        return outer(scan, field->name, repeated, *index, status);
    (*index)++;
    return pl_ok();
}

/* A singular field, or a second member of its oneof, may stand once: merging costs quadratic time.
 */
static bool seen_before(const struct pl_plan *plan, unsigned index, struct pl_plan_set *seen)
{
    if (plan->type->fields[index].label == PROTOBUF_C_LABEL_REPEATED)
        return false;
    return !pl_plan_set_add(seen, plan->group[index]);
}

static struct pl_status unknown(struct scan *scan, uint32_t number)
{
    char name[24];
    (void)snprintf(name, sizeof(name), "#%u", number);
    scan->error->unknown_field = true;
    return wrong(scan, name, "no field has this number");
}

static struct pl_status scan_message(struct scan *scan, const ProtobufCMessageDescriptor *type,
                                     struct pl_slice bytes, int depth)
{
    const struct pl_plan *plan = pl_plan_of(type);
    struct pl_plan_set seen = {{0}};
    size_t elements[FIELDS_MAX];
    struct pl_plan_set counted = {{0}}; /* which of them are set */
    size_t cursor = 0;
    struct wire_field wire = {0};
    bool bad = false;
    PL_ASSERT(type->n_fields <= FIELDS_MAX);
    if (depth > DEPTH_MAX)
        return wrong(scan, "", "nested too deep");
    while (next_field(bytes, &cursor, &wire, &bad)) {
        const ProtobufCFieldDescriptor *field = pl_plan_field(plan, wire.number);
        if (field == NULL)
            return unknown(scan, wire.number);
        unsigned index = (unsigned)(field - type->fields);
        if (seen_before(plan, index, &seen))
            return wrong(scan, field->name, "given twice");
        if (pl_plan_set_add(&counted, index))
            elements[index] = 0;
        PL_TRY(scan_value(scan, field, &wire, &elements[index], depth));
    }
    return bad ? wrong(scan, "", "damaged bytes") : pl_ok();
}

struct pl_status pl_scan(const ProtobufCMessageDescriptor *type, struct pl_slice bytes,
                         size_t elements_max, struct pl_scan_error *ret_error)
{
    memset(ret_error, 0, sizeof(*ret_error));
    struct scan scan = {.elements_left = elements_max, .error = ret_error};
    return scan_message(&scan, type, bytes, 0);
}

/* An arena as seen by protobuf-c, and whether it ever said no: a NULL message alone does not tell
 * bytes that do not parse from a budget that is spent. */
struct watched_arena {
    struct pl_arena *arena;
    bool spent;
};

static void *watched_alloc(void *watched, size_t size)
{
    struct watched_arena *of = watched;
    void *place = pl_arena_alloc(of->arena, size);
    of->spent = of->spent || place == NULL;
    return place;
}

static void watched_free(void *watched, void *pointer)
{
    (void)watched;
    (void)pointer; /* the arena goes as a whole */
}

static struct pl_status unpack_by_library(const ProtobufCMessageDescriptor *type,
                                          struct pl_slice bytes, struct pl_arena *arena,
                                          ProtobufCMessage **ret)
{
    struct watched_arena watched = {arena, false};
    ProtobufCAllocator allocator = {watched_alloc, watched_free, &watched};
    ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, bytes.len, bytes.data);
    if (message == NULL && watched.spent)
        return pl_fail(TOO_BIG, "unpack a message within its budget");
    if (message == NULL)
        return pl_fail(INVALID, "unpack a message");
    *ret = message;
    return pl_ok();
}

static struct pl_status unpack(const ProtobufCMessageDescriptor *type, struct pl_slice bytes,
                               struct pl_arena *arena, ProtobufCMessage **ret)
{
    ProtobufCMessage *plain = pl_unpack_plain(type, bytes, arena);
    if (plain == NULL)
        return unpack_by_library(type, bytes, arena, ret);
    *ret = plain;
    return pl_ok();
}

struct pl_status pl_unpack(const ProtobufCMessageDescriptor *type, struct pl_slice bytes,
                           size_t elements_max, struct pl_arena *arena, ProtobufCMessage **ret,
                           struct pl_scan_error *ret_error)
{
    PL_TRY(pl_scan(type, bytes, elements_max, ret_error));
    return unpack(type, bytes, arena, ret);
}

struct pl_status pl_unpack_trusted(const ProtobufCMessageDescriptor *type, struct pl_slice bytes,
                                   struct pl_arena *arena, ProtobufCMessage **ret)
{
    struct pl_status status = unpack(type, bytes, arena, ret);
    return status.code == PL_E_INVALID ? pl_fail(CORRUPT, "unpack a message that we wrote")
                                       : status;
}

static bool numbers_known(const ProtobufCFieldDescriptor *field, const struct wire_field *wire)
{
    uint64_t value;
    size_t cursor = 0;
    if (wire->wire_type != 2)
        return pl_plan_has_name(field, wire->value);
    while (varint(wire->bytes, &cursor, &value)) { /* packed */
        if (!pl_plan_has_name(field, value))
            return false;
    }
    return true;
}

static bool all_known(const ProtobufCMessageDescriptor *type, struct pl_slice bytes);

static bool value_known(const ProtobufCFieldDescriptor *field, const struct wire_field *wire)
{
    if (field->type == PROTOBUF_C_TYPE_ENUM)
        return numbers_known(field, wire);
    return field->type != PROTOBUF_C_TYPE_MESSAGE || all_known(field->descriptor, wire->bytes);
}

/* Has every field of bytes that parse, every number of its enums, and the same of the messages in
 * them, a name here? */
static bool all_known(const ProtobufCMessageDescriptor *type, struct pl_slice bytes)
{
    const struct pl_plan *plan = pl_plan_of(type);
    struct wire_field wire = {0};
    size_t cursor = 0;
    bool bad = false;
    while (next_field(bytes, &cursor, &wire, &bad)) {
        const ProtobufCFieldDescriptor *field = pl_plan_field(plan, wire.number);
        if (field == NULL || !value_known(field, &wire))
            return false;
    }
    return !bad;
}

struct pl_status pl_unpack_known(const ProtobufCMessageDescriptor *type, struct pl_slice bytes,
                                 struct pl_arena *arena, ProtobufCMessage **ret)
{
    /* the quick way knows no other fields than these, nor other numbers */
    *ret = pl_unpack_plain(type, bytes, arena);
    if (*ret != NULL)
        return pl_ok();
    struct pl_status status = unpack_by_library(type, bytes, arena, ret);
    if (status.code == PL_E_INVALID)
        return pl_fail(CORRUPT, "unpack a message that we wrote");
    return !pl_is_ok(status) || all_known(type, bytes)
               ? status
               : pl_fail(UNIMPLEMENTED, "a field or a number that this version does not know");
}

struct pl_slice pl_pack(const ProtobufCMessage *message, struct pl_arena *arena)
{
    struct pl_slice packed = pl_packed(message);
    if (packed.data != NULL) {
        uint8_t *kept = pl_arena_memdup(arena, packed.data, packed.len);
        return pl_slice(kept, kept == NULL ? 0 : packed.len);
    }
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *into = pl_arena_alloc(arena, len + 1);
    if (into == NULL)
        return pl_slice(NULL, 0);
    size_t written = protobuf_c_message_pack(message, into);
    PL_ASSERT(written == len);
    return pl_slice(into, len);
}

bool pl_wire_next(struct pl_slice bytes, uint32_t field, size_t *cursor, struct pl_slice *ret)
{
    struct wire_field wire;
    bool bad;
    while (next_field(bytes, cursor, &wire, &bad)) {
        if (wire.number == field && wire.wire_type == 2) {
            *ret = wire.bytes;
            return true;
        }
    }
    return false;
}

bool pl_wire_number(struct pl_slice bytes, uint32_t field, uint64_t *ret)
{
    struct wire_field wire;
    bool bad;
    size_t cursor = 0;
    *ret = 0;
    while (next_field(bytes, &cursor, &wire, &bad)) {
        if (wire.number != field)
            continue;
        if (wire.wire_type != 0)
            return false;
        *ret = wire.value;
    }
    return !bad;
}

/* ASCII from begin to end, without a NUL, as most texts are. Eight bytes at a time: each has its
 * highest bit set if it is no ASCII, and borrows from it if it is zero. */
static bool is_plain(struct pl_slice text)
{
    const uint64_t ones = 0x0101010101010101, high = ones << 7;
    size_t at = 0;
    for (; text.len - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t eight;
        memcpy(&eight, text.data + at, sizeof(eight));
        if (((eight | (eight - ones)) & high) != 0)
            return false;
    }
    for (; at < text.len; at++) {
        if (text.data[at] == 0 || text.data[at] >= 0x80)
            return false;
    }
    return true;
}

bool pl_utf8_valid(struct pl_slice text)
{
    return is_plain(text) ||
           (memchr(text.data, 0, text.len) == NULL && u8_check(text.data, text.len) == NULL);
}

size_t pl_utf8_control_rare(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    if (at[0] < 0x20 || at[0] == 0x7F)
        return at[0] == 0 ? 0 : 1;
    if (at[0] == 0xC2)
        return at[1] >= 0x80 && at[1] < 0xA0 ? 2 : 0;
    if (at[0] != 0xE2 || at[1] == 0)
        return 0;
    bool ends = at[1] == 0x80 && at[2] >= 0xA8 && at[2] <= 0xAE;  /* U+2028 to 202E */
    bool turns = at[1] == 0x81 && at[2] >= 0xA6 && at[2] <= 0xA9; /* U+2066 to 2069 */
    return ends || turns ? 3 : 0;
}

bool pl_utf8_is_steady(const char *text, unsigned allowed)
{
    for (; *text != '\0'; text++) {
        size_t control = pl_utf8_control(text);
        bool fine = control == 0 || (control > 1 && (allowed & PL_TEXT_TURNS) != 0) ||
                    (*text == '\n' && (allowed & PL_TEXT_LINES) != 0);
        if (!fine)
            return false;
    }
    return true;
}

/* Unicode's Zs (but U+0020), Cf without the tags, and what is drawn as nothing though it is called
 * a letter or a symbol: Hangul's fillers, Braille without dots, the first selectors of variants. */
static const struct {
    uint32_t first, last;
} blanks[] = {{0x00A0, 0x00A0}, {0x00AD, 0x00AD}, {0x034F, 0x034F}, {0x061C, 0x061C},
              {0x115F, 0x1160}, {0x1680, 0x1680}, {0x17B4, 0x17B5}, {0x180B, 0x180F},
              {0x2000, 0x200F}, {0x2028, 0x202F}, {0x205F, 0x206F}, {0x2800, 0x2800},
              {0x3000, 0x3000}, {0x3164, 0x3164}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF},
              {0xFFA0, 0xFFA0}};

static bool is_blank(uint32_t code)
{
    for (size_t i = 0; i < PL_COUNT(blanks); i++)
        if (code >= blanks[i].first && code <= blanks[i].last)
            return true;
    return code == ' ';
}

bool pl_utf8_is_blank(const char *text)
{
    while (*text != '\0') {
        const unsigned char first = (unsigned char)*text;
        size_t len = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
        if (len == 4 || !is_blank(len == 1 ? first : pl_utf8_code(text, len)))
            return false;
        text += len;
    }
    return true;
}

uint32_t pl_utf8_code(const char *text, size_t len)
{
    static const uint8_t first[] = {0, 0x7F, 0x1F, 0x0F};
    PL_ASSERT(len >= 1 && len < PL_COUNT(first));
    uint32_t code = (uint8_t)text[0] & first[len];
    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((uint8_t)text[i] & 0x3Fu);
    return code;
}
