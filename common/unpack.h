/* SPDX-License-Identifier: Apache-2.0
 *
 * unpack: messages out of wire bytes in one pass, into an arena. protobuf-c makes a list of all
 * members first and asks for each piece of memory apart; what comes out is the same.
 *
 * Only what our own writers put out is read here. Whatever is unusual (unknown fields, a field that
 * comes twice, packed numbers, another wire type, a number that has no name in its enum, damaged
 * bytes) is left to protobuf-c, which decides what it means.
 */
#ifndef PL_UNPACK_H
#define PL_UNPACK_H

#include "common/arena.h"

/* NULL: let protobuf-c do it, or the arena's budget is spent. */
ProtobufCMessage *pl_unpack_plain(const ProtobufCMessageDescriptor *type, struct pl_slice bytes,
                                  struct pl_arena *arena);

#endif
