/* SPDX-License-Identifier: Apache-2.0
 *
 * grpcweb: the gRPC-Web dialect, for clients that cannot see the trailers of HTTP: gRPC's framing,
 * and the trailers as a last frame. Pure: no thread, no connection.
 *
 *   frame = 0x80 (1 byte) | length (4 bytes, big-endian) | "name:value\r\n" for each trailer
 *
 * In the text form (application/grpc-web-text) the bytes of both directions travel as base64, in
 * pieces that may each end with padding.
 *
 * Previous hop: server/net/rpc and server/net/call (requests), server/net/answer (answers).
 */
#ifndef NET_GRPCWEB_H
#define NET_GRPCWEB_H

#include "common/buf.h"
#include "common/slice.h"
#include "common/status.h"
#include "server/net/codec.h"

enum { GRPCWEB_TRAILER_FLAG = 0x80, GRPCWEB_OK_BYTES = 20 };

/* The content type to answer with; NULL: not one of gRPC-Web's, or a codec we do not speak. */
const char *grpcweb_answer_type(struct pl_slice content_type, enum codec *ret_codec,
                                bool *ret_text);

/* The whole frame of a call that went well. */
void grpcweb_put_ok(uint8_t out[GRPCWEB_OK_BYTES]);
/* One trailer of the frame's contents. TOO_BIG: the buffer's ceiling. */
PL_MUST_CHECK struct pl_status grpcweb_put_trailer(struct pl_buf *out, struct pl_slice name,
                                                   struct pl_slice value);

struct grpcweb_text { /* where the reader is within a group of four */
    uint32_t bits;
    unsigned symbols, pads;
};
/* Decodes what came; `out` has room for two bytes more than `in` has. INVALID: not base64. */
PL_MUST_CHECK struct pl_status grpcweb_decode(struct grpcweb_text *text, struct pl_slice in,
                                              uint8_t *out, size_t *ret_len);
/* May the request end here? */
bool grpcweb_text_complete(const struct grpcweb_text *text);

#endif
