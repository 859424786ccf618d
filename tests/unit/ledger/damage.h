/* SPDX-License-Identifier: Apache-2.0
 *
 * damage: a message with one thing changed, the n-th of all that can be: each field made empty,
 * zero, one more, one less, absurd, somebody else's; lists cut; parts taken away.
 */
#ifndef TEST_LEDGER_DAMAGE_H
#define TEST_LEDGER_DAMAGE_H

#include <ctype.h>

#include "fixture.h"

struct damage {
    unsigned left;  /* so many changes are passed over */
    char path[200]; /* of the field that was changed: "hold_placed.expires_us" */
    char how[16];
    struct pl_arena *arena;
};

/* Is it this change's turn? */
static inline bool damage_here(struct damage *d, const char *path, const char *how)
{
    if (d->left-- != 0)
        return false;
    (void)snprintf(d->path, sizeof(d->path), "%s", path);
    (void)snprintf(d->how, sizeof(d->how), "%s", how);
    return true;
}

static inline bool damage_text(struct damage *d, const char *path, char **value)
{
    static char longest[400];
    const char *old = *value;
    size_t len = strlen(old);
    bool id = len == 7 && isupper((unsigned char)old[0]) && strspn(old + 1, "0123456789") == 6;
    memset(longest, 'x', sizeof(longest) - 1);
    if (len != 0 && damage_here(d, path, "empty"))
        *value = pl_arena_strdup(d->arena, "");
    else if (damage_here(d, path, "other"))
        *value = pl_arena_printf(d->arena, "%sx", len < 4 ? "" : old);
    else if (damage_here(d, path, "long"))
        *value = longest;
    else if (id && damage_here(d, path, "far"))
        *value = pl_arena_printf(d->arena, "%c999999", old[0]);
    else if (id && damage_here(d, path, "next"))
        *value = pl_arena_printf(d->arena, "%c%06d", old[0], atoi(old + 1) + 1);
    else if (id && damage_here(d, path, "before"))
        *value = pl_arena_printf(d->arena, "%c%06d", old[0], abs(atoi(old + 1) - 1));
    else if (len == 10 && old[4] == '-' && damage_here(d, path, "no day"))
        *value = pl_arena_strdup(d->arena, "2026-02-30");
    else if (len == 10 && old[4] == '-' && damage_here(d, path, "old day"))
        *value = pl_arena_strdup(d->arena, "2025-12-31");
    else if (len == 7 && old[4] == '-' && damage_here(d, path, "no month"))
        *value = pl_arena_strdup(d->arena, "2026-13");
    else if (len == 3 && damage_here(d, path, "currency"))
        *value = pl_arena_strdup(d->arena, strcmp(old, "EUR") == 0 ? "CHF" : "EUR");
    else
        return false;
    return true;
}

static inline bool damage_bytes(struct damage *d, const char *path, ProtobufCBinaryData *value)
{
    if (value->len == 0)
        return false;
    if (damage_here(d, path, "empty"))
        value->len = 0;
    else if (damage_here(d, path, "short"))
        value->len--;
    else if (damage_here(d, path, "flipped"))
        value->data[0] ^= 1;
    else
        return false;
    return true;
}

static inline bool damage_number(struct damage *d, const char *path, void *value, bool wide)
{
    static const char *const how[] = {"zero", "more", "less", "minus", "most", "99", "least"};
    int64_t old = wide ? *(int64_t *)value : *(int32_t *)value;
    const int64_t other[] = {0,
                             (int64_t)((uint64_t)old + 1),
                             (int64_t)((uint64_t)old - 1),
                             -1,
                             wide ? INT64_MAX : INT32_MAX,
                             99,
                             wide ? INT64_MIN : INT32_MIN};
    for (size_t i = 0; i < 7; i++) {
        if (other[i] == old || !damage_here(d, path, how[i]))
            continue;
        if (wide)
            *(int64_t *)value = other[i];
        else
            *(int32_t *)value = (int32_t)other[i];
        return true;
    }
    return false;
}

static inline bool damage_value(struct damage *d, const char *path,
                                const ProtobufCFieldDescriptor *field, void *value);

static inline bool damage_message(struct damage *d, const char *path, ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        uint8_t *at = (uint8_t *)message + field->offset;
        size_t *count = (size_t *)(void *)((uint8_t *)message + field->quantifier_offset);
        char name[200];
        (void)snprintf(name, sizeof(name), "%s%s%s", path, path[0] != '\0' ? "." : "", field->name);
        bool oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        if (oneof && *(uint32_t *)(void *)count != field->id)
            continue;
        if (field->label != PROTOBUF_C_LABEL_REPEATED) {
            if (damage_value(d, name, field, at))
                return true;
            continue;
        }
        if (*count == 0)
            continue;
        if (damage_here(d, name, "none")) {
            *count = 0;
            return true;
        }
        if (damage_here(d, name, "one less")) {
            --*count;
            return true;
        }
        if (damage_value(d, name, field, *(void **)(void *)at))
            return true; /* the first one */
    }
    return false;
}

static inline bool damage_value(struct damage *d, const char *path,
                                const ProtobufCFieldDescriptor *field, void *value)
{
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return damage_text(d, path, value);
    case PROTOBUF_C_TYPE_BYTES:
        return damage_bytes(d, path, value);
    case PROTOBUF_C_TYPE_BOOL:
        if (!damage_here(d, path, "not"))
            return false;
        *(protobuf_c_boolean *)value = !*(protobuf_c_boolean *)value;
        return true;
    case PROTOBUF_C_TYPE_MESSAGE: {
        ProtobufCMessage **part = value;
        bool oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        if (*part == NULL)
            return false;
        if (!oneof && field->label != PROTOBUF_C_LABEL_REPEATED && damage_here(d, path, "gone")) {
            *part = NULL;
            return true;
        }
        return damage_message(d, path, *part);
    }
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        return damage_number(d, path, value, true);
    default:
        return damage_number(d, path, value, false);
    }
}

/* The message with its n-th change, unpacked anew in the arena; NULL: there are not so many. */
static inline ProtobufCMessage *damaged(const ProtobufCMessageDescriptor *type,
                                        struct pl_slice bytes, unsigned n, struct pl_arena *arena,
                                        struct damage *ret)
{
    ProtobufCMessage *message = NULL, *again = NULL;
    *ret = (struct damage){.left = n, .arena = arena};
    assert_true(pl_is_ok(pl_unpack_trusted(type, bytes, arena, &message)));
    if (!damage_message(ret, "", message))
        return NULL;
    assert_true(pl_is_ok(pl_unpack_trusted(type, pl_pack(message, arena), arena, &again)));
    return again;
}

#endif
