/* SPDX-License-Identifier: Apache-2.0
 *
 * json: ProtoJSON both ways. Printing walks the descriptor; reading lets jansson read the text
 * (duplicate keys refused, depth limited) and then fills an arena struct field by field.
 */
#include "common/json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "common/base64.h"
#include "common/check.h"
#include "common/plan.h"
#include "common/scan.h"

enum { DEPTH_MAX = 32, NAME_BYTES = 128 };

/* --- names --- */

/* protoc's rule for json_name: underscores go, the letter after one becomes a capital. */
static void camel(const char *name, char out[NAME_BYTES])
{
    size_t used = 0;
    bool up = false;
    for (const char *c = name; *c != '\0' && used + 1 < NAME_BYTES; c++) {
        if (*c == '_') {
            up = true;
            continue;
        }
        out[used++] = up && *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
        up = false;
    }
    out[used] = '\0';
}

/* --- printing --- */

/* May this byte stand in a JSON text as it is? */
static bool is_plain(const char *c)
{
    unsigned char byte = (unsigned char)*c;
    if (byte < 0x20 || byte == '"' || byte == '\\' || byte == 0x7F)
        return false;
    return (byte != 0xC2 && byte != 0xE2) || pl_utf8_control(c) == 0;
}

/* What steers a terminal or turns a line is escaped: the text says the same and does nothing. */
struct pl_status pl_json_string(struct pl_buf *out, const char *text)
{
    PL_TRY(pl_buf_append(out, "\"", 1));
    const char *plain = text;
    for (const char *c = text;; c++) {
        unsigned char byte = (unsigned char)*c;
        if (is_plain(c))
            continue;
        size_t len = 1;
        PL_TRY(pl_buf_append(out, plain, (size_t)(c - plain)));
        if (byte == '\0')
            break;
        if (byte == '"' || byte == '\\')
            PL_TRY(pl_buf_printf(out, "\\%c", byte));
        else if (byte == '\n')
            PL_TRY(pl_buf_append_str(out, "\\n"));
        else {
            len = pl_utf8_control(c);
            PL_TRY(pl_buf_printf(out, "\\u%04x", pl_utf8_code(c, len)));
        }
        c += len - 1;
        plain = c + 1;
    }
    return pl_buf_append(out, "\"", 1);
}

static struct pl_status print_message(struct pl_buf *out, const ProtobufCMessage *message);

static struct pl_status print_enum(struct pl_buf *out, const ProtobufCEnumDescriptor *names,
                                   int number)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(names, number);
    if (value == NULL)
        return pl_buf_printf(out, "%d", number);
    return pl_buf_printf(out, "\"%s\"", value->name);
}

static struct pl_status print_bytes(struct pl_buf *out, const ProtobufCBinaryData *bytes)
{
    PL_TRY(pl_buf_append(out, "\"", 1));
    PL_TRY(pl_base64(out, pl_slice(bytes->data, bytes->len), true));
    return pl_buf_append(out, "\"", 1);
}

/* `at` points to the value itself: one element of a repeated field, or the field. */
static struct pl_status print_value(struct pl_buf *out, const ProtobufCFieldDescriptor *field,
                                    const void *at)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return pl_buf_printf(out, "%" PRId32, *(const int32_t *)at);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return pl_buf_printf(out, "%" PRIu32, *(const uint32_t *)at);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return pl_buf_printf(out, "\"%" PRId64 "\"", *(const int64_t *)at);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return pl_buf_printf(out, "\"%" PRIu64 "\"", *(const uint64_t *)at);
    case PROTOBUF_C_TYPE_BOOL:
        return pl_buf_append_str(out, *(const protobuf_c_boolean *)at ? "true" : "false");
    case PROTOBUF_C_TYPE_ENUM:
        return print_enum(out, field->descriptor, *(const int *)at);
    case PROTOBUF_C_TYPE_STRING:
        return pl_json_string(out, *(const char *const *)at);
    case PROTOBUF_C_TYPE_BYTES:
        return print_bytes(out, at);
    case PROTOBUF_C_TYPE_MESSAGE:
        return print_message(out, *(const ProtobufCMessage *const *)at);
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        break; /* no floating point in this API (G6) */
    }
    PL_UNREACHABLE();
}

static struct pl_status print_list(struct pl_buf *out, const ProtobufCFieldDescriptor *field,
                                   const uint8_t *list, size_t count)
{
    PL_TRY(pl_buf_append(out, "[", 1));
    for (size_t i = 0; i < count; i++) {
        if (i != 0)
            PL_TRY(pl_buf_append(out, ",", 1));
        PL_TRY(print_value(out, field, list + i * pl_plan_element_bytes(field->type)));
    }
    return pl_buf_append(out, "]", 1);
}

static bool is_absent(const ProtobufCFieldDescriptor *field, const uint8_t *base)
{
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
        return *(const uint32_t *)(const void *)(base + field->quantifier_offset) != field->id;
    return field->label != PROTOBUF_C_LABEL_REPEATED && field->type == PROTOBUF_C_TYPE_MESSAGE &&
           *(void *const *)(const void *)(base + field->offset) == NULL;
}

static struct pl_status print_field(struct pl_buf *out, const ProtobufCFieldDescriptor *field,
                                    const uint8_t *base)
{
    char name[NAME_BYTES];
    camel(field->name, name);
    PL_TRY(pl_buf_printf(out, "\"%s\":", name));
    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return print_value(out, field, base + field->offset);
    size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
    return print_list(out, field, *(uint8_t *const *)(const void *)(base + field->offset), count);
}

static struct pl_status print_message(struct pl_buf *out, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    const uint8_t *base = (const uint8_t *)message;
    bool first = true;
    PL_TRY(pl_buf_append(out, "{", 1));
    for (unsigned i = 0; i < type->n_fields; i++) {
        if (is_absent(&type->fields[i], base))
            continue;
        if (!first)
            PL_TRY(pl_buf_append(out, ",", 1));
        first = false;
        PL_TRY(print_field(out, &type->fields[i], base));
    }
    return pl_buf_append(out, "}", 1);
}

struct pl_status pl_json_print(const ProtobufCMessage *message, struct pl_buf *out)
{
    return print_message(out, message);
}

/* --- reading --- */

struct reader {
    struct pl_arena *arena;
    struct pl_json_error *error;
};

static struct pl_status wrong(struct reader *reader, const char *name, const char *what)
{
    (void)snprintf(reader->error->path, sizeof(reader->error->path), "%s", name);
    (void)snprintf(reader->error->what, sizeof(reader->error->what), "%s", what);
    return pl_fail(INVALID, "read JSON");
}

static struct pl_status outer(struct reader *reader, const char *name, bool repeated, size_t index,
                              struct pl_status status)
{
    char inner[sizeof(reader->error->path)], place[96];
    (void)snprintf(inner, sizeof(inner), "%s", reader->error->path);
    if (repeated)
        (void)snprintf(place, sizeof(place), "%.60s[%zu]", name, index);
    else
        (void)snprintf(place, sizeof(place), "%.60s", name);
    (void)snprintf(reader->error->path, sizeof(reader->error->path), "%.80s%s%.78s", place,
                   inner[0] != '\0' ? "." : "", inner);
    return status;
}

/* Integers as numbers or as strings of digits; no fractions, no exponents. */
static bool read_integer(const json_t *value, bool is_signed, uint64_t *ret)
{
    if (json_is_integer(value)) {
        json_int_t number = json_integer_value(value);
        *ret = (uint64_t)number;
        return is_signed || number >= 0;
    }
    const char *text = json_string_value(value);
    if (text == NULL || json_string_length(value) != strlen(text))
        return false;
    bool negative = is_signed && text[0] == '-';
    const char *digits = text + negative;
    if (digits[0] < '0' || digits[0] > '9')
        return false;
    uint64_t magnitude = 0;
    for (; *digits >= '0' && *digits <= '9'; digits++) {
        if (__builtin_mul_overflow(magnitude, 10, &magnitude) ||
            __builtin_add_overflow(magnitude, (uint64_t)(*digits - '0'), &magnitude))
            return false;
    }
    if (is_signed && magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    *ret = negative ? ~magnitude + 1 : magnitude;
    return *digits == '\0';
}

static struct pl_status read_number(struct reader *reader, const ProtobufCFieldDescriptor *field,
                                    const json_t *value, bool is_signed, bool wide, void *into)
{
    uint64_t bits;
    if (!read_integer(value, is_signed, &bits))
        return wrong(reader, field->name, "a whole number within the field's range is needed");
    if (wide) {
        memcpy(into, &bits, sizeof(bits));
        return pl_ok();
    }
    int64_t number = (int64_t)bits;
    bool fits = is_signed ? number >= INT32_MIN && number <= INT32_MAX : bits <= UINT32_MAX;
    if (!fits)
        return wrong(reader, field->name, "the number is too large for the field");
    uint32_t narrow = (uint32_t)bits;
    memcpy(into, &narrow, sizeof(narrow));
    return pl_ok();
}

static struct pl_status read_enum(struct reader *reader, const ProtobufCFieldDescriptor *field,
                                  const json_t *value, int *into)
{
    const ProtobufCEnumDescriptor *names = field->descriptor;
    const ProtobufCEnumValue *found = NULL;
    const char *name = json_string_value(value);
    if (name != NULL && strlen(name) == json_string_length(value)) /* else it holds a zero byte */
        found = protobuf_c_enum_descriptor_get_value_by_name(names, name);
    else if (json_is_integer(value) && json_integer_value(value) >= 0 &&
             json_integer_value(value) <= INT32_MAX)
        found = protobuf_c_enum_descriptor_get_value(names, (int)json_integer_value(value));
    if (found == NULL)
        return wrong(reader, field->name, "not one of the field's names");
    *into = found->value;
    return pl_ok();
}

static struct pl_status read_string(struct reader *reader, const ProtobufCFieldDescriptor *field,
                                    const json_t *value, char **into)
{
    if (!json_is_string(value))
        return wrong(reader, field->name, "a text is needed");
    size_t len = json_string_length(value);
    if (!pl_utf8_valid(pl_slice(json_string_value(value), len)))
        return wrong(reader, field->name, "not UTF-8, or with a zero byte");
    *into = pl_arena_memdup(reader->arena, json_string_value(value), len);
    return *into != NULL ? pl_ok() : pl_fail(TOO_BIG, "read JSON within the budget");
}

static struct pl_status read_bytes(struct reader *reader, const ProtobufCFieldDescriptor *field,
                                   const json_t *value, ProtobufCBinaryData *into)
{
    if (!json_is_string(value))
        return wrong(reader, field->name, "base64 text is needed");
    struct pl_slice bytes;
    struct pl_status status = pl_unbase64(
        pl_slice(json_string_value(value), json_string_length(value)), reader->arena, &bytes);
    if (status.code == PL_E_INVALID)
        return wrong(reader, field->name, "not base64");
    PL_TRY(status);
    into->len = bytes.len;
    into->data = (uint8_t *)(uintptr_t)bytes.data;
    return pl_ok();
}

static struct pl_status read_message(struct reader *reader, const json_t *object,
                                     const ProtobufCMessageDescriptor *type, int depth,
                                     ProtobufCMessage **ret);

static struct pl_status read_value(struct reader *reader, const ProtobufCFieldDescriptor *field,
                                   const json_t *value, int depth, void *into)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return read_number(reader, field, value, true, false, into);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return read_number(reader, field, value, false, false, into);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return read_number(reader, field, value, true, true, into);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return read_number(reader, field, value, false, true, into);
    case PROTOBUF_C_TYPE_BOOL:
        if (!json_is_boolean(value))
            return wrong(reader, field->name, "true or false is needed");
        *(protobuf_c_boolean *)into = json_is_true(value);
        return pl_ok();
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(reader, field, value, into);
    case PROTOBUF_C_TYPE_STRING:
        return read_string(reader, field, value, into);
    case PROTOBUF_C_TYPE_BYTES:
        return read_bytes(reader, field, value, into);
    case PROTOBUF_C_TYPE_MESSAGE:
        return read_message(reader, value, field->descriptor, depth + 1, into);
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        break;
    }
    PL_UNREACHABLE();
}

static struct pl_status read_list(struct reader *reader, const ProtobufCFieldDescriptor *field,
                                  const json_t *value, int depth, uint8_t *base)
{
    if (!json_is_array(value))
        return wrong(reader, field->name, "a list is needed");
    size_t count = json_array_size(value);
    size_t size = pl_plan_element_bytes(field->type);
    uint8_t *list = count > SIZE_MAX / size ? NULL : pl_arena_alloc(reader->arena, count * size);
    if (list == NULL)
        return pl_fail(TOO_BIG, "read JSON within the budget");
    for (size_t i = 0; i < count; i++) {
        bool composite = field->type == PROTOBUF_C_TYPE_MESSAGE;
        struct pl_status status =
            read_value(reader, field, json_array_get(value, i), depth, list + i * size);
        if (!pl_is_ok(status)) {
            if (!composite)
                reader->error->path[0] = '\0';
            return outer(reader, field->name, true, i, status);
        }
    }
    memcpy(base + field->offset, &list, sizeof(void *));
    memcpy(base + field->quantifier_offset, &count, sizeof(count));
    return pl_ok();
}

static struct pl_status read_field(struct reader *reader, const ProtobufCFieldDescriptor *field,
                                   const json_t *value, int depth, uint8_t *base)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return read_list(reader, field, value, depth, base);
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        uint32_t *chosen = (uint32_t *)(void *)(base + field->quantifier_offset);
        if (*chosen != 0)
            return wrong(reader, field->name, "only one of these fields may be given");
        *chosen = field->id;
    }
    struct pl_status status = read_value(reader, field, value, depth, base + field->offset);
    if (!pl_is_ok(status) && field->type == PROTOBUF_C_TYPE_MESSAGE)
        return outer(reader, field->name, false, 0, status);
    return status;
}

static int find_field(const ProtobufCMessageDescriptor *type, const char *key)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        char name[NAME_BYTES];
        camel(type->fields[i].name, name);
        if (strcmp(key, name) == 0 || strcmp(key, type->fields[i].name) == 0)
            return (int)i;
    }
    return -1;
}

static struct pl_status read_message(struct reader *reader, const json_t *object,
                                     const ProtobufCMessageDescriptor *type, int depth,
                                     ProtobufCMessage **ret)
{
    struct pl_plan_set seen = {{0}};
    if (!json_is_object(object))
        return wrong(reader, "", "an object is needed");
    if (depth > DEPTH_MAX)
        return wrong(reader, "", "nested too deep");
    PL_ASSERT(type->n_fields <= PL_PLAN_FIELDS_MAX);
    ProtobufCMessage *message = pl_arena_alloc(reader->arena, type->sizeof_message);
    if (message == NULL)
        return pl_fail(TOO_BIG, "read JSON within the budget");
    type->message_init(message);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        int index = find_field(type, key);
        if (index < 0) {
            char name[80];
            (void)snprintf(name, sizeof(name), "%.70s", key);
            reader->error->unknown_field = true;
            return wrong(reader, name, "there is no such field");
        }
        if (!pl_plan_set_add(&seen, (unsigned)index))
            return wrong(reader, type->fields[index].name, "given twice");
        if (!json_is_null(value))
            PL_TRY(read_field(reader, &type->fields[index], value, depth, (uint8_t *)message));
    }
    *ret = message;
    return pl_ok();
}

struct pl_status pl_json_parse(struct pl_slice text, const ProtobufCMessageDescriptor *type,
                               struct pl_arena *arena, ProtobufCMessage **ret,
                               struct pl_json_error *ret_error)
{
    memset(ret_error, 0, sizeof(*ret_error));
    struct reader reader = {.arena = arena, .error = ret_error};
    json_error_t problem;
    json_t *root = json_loadb((const char *)text.data, text.len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &problem);
    if (root == NULL) {
        char what[120];
        (void)snprintf(what, sizeof(what), "line %d: %.80s", problem.line, problem.text);
        return wrong(&reader, "", what);
    }
    struct pl_status status = read_message(&reader, root, type, 0, ret);
    json_decref(root);
    return status;
}
