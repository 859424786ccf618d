/* SPDX-License-Identifier: Apache-2.0
 *
 * scan: judges protobuf wire bytes against a descriptor before protobuf-c may see them.
 *
 * protobuf-c does not check UTF-8, NUL inside strings, enum ranges, nesting depth or bool wire
 * values, and merges a repeated singular sub-message in quadratic time. The scan refuses: unknown
 * fields, wrong wire types, a singular field given twice (and two members of one oneof), strings
 * that are not UTF-8 or hold NUL, enum numbers without a name, bools other than 0 and 1, nesting
 * deeper than 16, and more than `elements_max` repeated elements in all. It allocates nothing.
 */
#ifndef PL_SCAN_H
#define PL_SCAN_H

#include "common/arena.h"
#include "common/status.h"

struct pl_scan_error {
    char path[160]; /* "submit.amount.minor", "command[3].hold.tier"; "" for the message itself */
    char what[120];
    bool unknown_field;
    bool unknown_number; /* of an enum */
    bool not_utf8;
};

PL_MUST_CHECK struct pl_status pl_scan(const ProtobufCMessageDescriptor *type,
                                       struct pl_slice bytes, size_t elements_max,
                                       struct pl_scan_error *ret_error);
/* Scan, then unpack into the arena. TOO_BIG when the arena's budget is spent. */
PL_MUST_CHECK struct pl_status pl_unpack(const ProtobufCMessageDescriptor *type,
                                         struct pl_slice bytes, size_t elements_max,
                                         struct pl_arena *arena, ProtobufCMessage **ret,
                                         struct pl_scan_error *ret_error);
/* Unpack bytes that we wrote ourselves (log, own server): no scan. CORRUPT if they do not parse. */
PL_MUST_CHECK struct pl_status pl_unpack_trusted(const ProtobufCMessageDescriptor *type,
                                                 struct pl_slice bytes, struct pl_arena *arena,
                                                 ProtobufCMessage **ret);
/* The same for what has to be understood whole. UNIMPLEMENTED: there is a field, at any depth, or
 * the number of an enum, that has no name here, so that a newer version wrote them; *ret is not to
 * be used. */
PL_MUST_CHECK struct pl_status pl_unpack_known(const ProtobufCMessageDescriptor *type,
                                               struct pl_slice bytes, struct pl_arena *arena,
                                               ProtobufCMessage **ret);
/* Packs into an arena; NULL data when the budget is spent. */
struct pl_slice pl_pack(const ProtobufCMessage *message, struct pl_arena *arena);
/* Next length-delimited occurrence of `field` in well-formed wire bytes, from *cursor on. False at
 * the end. Used to find the exact bytes of each command in a batch. */
bool pl_wire_next(struct pl_slice bytes, uint32_t field, size_t *cursor, struct pl_slice *ret);
/* The number that singular `field` has (0: it is not there) in bytes that are looked at to their
 * end. False: they are not well-formed, or the field is no varint. */
bool pl_wire_number(struct pl_slice bytes, uint32_t field, uint64_t *ret);
bool pl_utf8_valid(struct pl_slice text); /* well-formed, no NUL */
/* Length of the character at `text` (well-formed, NUL at its end) if it is none that people read
 * but one that steers: controls of ASCII and Latin-1, ends of lines, and what turns the order of
 * all that stands after it on the line (amounts, too); else 0. */
size_t pl_utf8_control_rare(const char *text);
static inline size_t pl_utf8_control(const char *text)
{
    return *text >= 0x20 && *text < 0x7F ? 0 : pl_utf8_control_rare(text);
}
/* No such character is in the text, but what is allowed. */
enum { PL_TEXT_LINES = 1 /* \n */, PL_TEXT_TURNS = 2 /* of more than one byte */ };
bool pl_utf8_is_steady(const char *text, unsigned allowed);
/* Nothing of it is seen: spaces of all kinds, marks without width, fillers (well-formed UTF-8).
 * Such a name cannot be told from none. */
bool pl_utf8_is_blank(const char *text);
/* Its code, to write it in a way that does nothing: "\u202e". `len`: 1 to 3 bytes. */
uint32_t pl_utf8_code(const char *text, size_t len);

#endif
