/* SPDX-License-Identifier: Apache-2.0
 *
 * json: canonical ProtoJSON (protobuf.dev/programming-guides/json) for protobuf-c messages,
 * driven by their descriptors.
 *
 * Printing: lowerCamelCase names, 64-bit integers as strings, bytes as padded standard base64,
 * enums by name (unknown ones as numbers); scalars are printed even when zero, empty repeated
 * fields as [], absent sub-messages and unset oneof members are left out.
 * Parsing: camelCase and original names, integers as numbers or strings, bytes in standard or
 * URL-safe base64 with or without padding, enums by name or number, null = default, duplicate keys
 * refused, unknown fields refused, nesting at most 32, strings must be UTF-8 without NUL.
 * Parsed messages live in the arena; nothing is freed piece by piece.
 */
#ifndef PL_JSON_H
#define PL_JSON_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/status.h"

/* What was wrong and where, for a message to the user. `path` is like "submit.amount.minor" or
 * "grant[3].tier" in original (snake_case) names; `what` a short English phrase. */
struct pl_json_error {
    char path[160];
    char what[120];
    bool unknown_field; /* the path names a field that does not exist */
};

PL_MUST_CHECK struct pl_status pl_json_print(const ProtobufCMessage *message, struct pl_buf *out);
/* INVALID with *ret_error filled; TOO_BIG when the arena's budget is spent. */
PL_MUST_CHECK struct pl_status pl_json_parse(struct pl_slice text,
                                             const ProtobufCMessageDescriptor *type,
                                             struct pl_arena *arena, ProtobufCMessage **ret,
                                             struct pl_json_error *ret_error);
/* Appends a JSON string literal with its quotes. */
PL_MUST_CHECK struct pl_status pl_json_string(struct pl_buf *out, const char *text);

#endif
