/* SPDX-License-Identifier: Apache-2.0
 *
 * pack: protobuf bytes of a message, and copies of messages, without protobuf-c's second walk: it
 * asks for the size of everything first, and again of each message inside. Here bytes are written
 * from the end of a buffer towards its begin, so that each length is known when it is written.
 *
 * The bytes are those that protobuf_c_message_pack makes. What comes from outside has no unknown
 * fields (the scan refuses them); what was packed before may be put into a message as one.
 */
#ifndef PL_PACK_H
#define PL_PACK_H

#include "common/arena.h"
#include "common/sink.h"

/* Writes the message so that it ends where the buffer ends, and returns its place there. NULL data:
 * it does not fit, or has a kind of field that this API does not use (floats, fixed width, groups
 * of proto2): let protobuf-c do it. */
struct pl_slice pl_pack_backward(const ProtobufCMessage *message, uint8_t *into, size_t room);

/* The same for a message inside of what is being written; fails as the sink does. */
void pl_pack_into(struct pl_sink *sink, const ProtobufCMessage *message);

/* The same in a buffer that each thread has: borrowed until the thread's next call. NULL data:
 * larger than 2 MiB, or as above. */
struct pl_slice pl_packed(const ProtobufCMessage *message);

/* What a message holds of a field of texts, bytes or messages that is packed already: room of its
 * own in the arena, copied from the bytes of a value. Only pl_pack_backward and protobuf-c see it;
 * pl_message_copy leaves it out. False: the budget is spent. */
bool pl_pack_ready(ProtobufCMessage *message, uint32_t number, struct pl_slice value,
                   struct pl_arena *arena);

/* A copy, deep in the arena, that owes nothing to the original; texts that are missing are empty
 * ones. NULL: the budget is spent. */
ProtobufCMessage *pl_message_copy(const ProtobufCMessage *message, struct pl_arena *arena);

#endif
