/* SPDX-License-Identifier: Apache-2.0
 *
 * codec: message bytes to checked messages and back, as protobuf or as ProtoJSON. Pure: no thread,
 * no state.
 *
 * Failure: a request that is wrong gets a Refusal that names the field and the reason (G9).
 *
 * Previous hop: server/net/rpc. Next hop: the handler.
 */
#ifndef NET_CODEC_H
#define NET_CODEC_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/status.h"
#include "pledged/v1/types.pb-c.h"

enum codec { CODEC_PROTO, CODEC_JSON };

struct codec_request {
    enum codec codec;
    const ProtobufCMessageDescriptor *type;
    struct pl_slice bytes; /* borrowed as long as the result */
    size_t elements_max;
};
/* *ret lives in the arena; *ret_bytes are the exact protobuf bytes (of a JSON request: packed once,
 * in the arena). INVALID or TOO_BIG: *ret_why says why, in the arena too (NULL: no room for it). */
PL_MUST_CHECK struct pl_status codec_decode(const struct codec_request *request,
                                            struct pl_arena *arena, ProtobufCMessage **ret,
                                            struct pl_slice *ret_bytes,
                                            Pledged__V1__Refusal **ret_why);
/* Appends the message. */
PL_MUST_CHECK struct pl_status codec_encode(enum codec codec, const ProtobufCMessage *message,
                                            struct pl_buf *out);

#endif
