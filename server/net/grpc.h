/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc: the gRPC dialect over HTTP/2: content types, message framing, timeouts, status and details.
 * Pure: no thread, no connection.
 *
 *   message = flag (1 byte, 0) | length (4 bytes, big-endian) | bytes
 *
 * DATA frames cut messages anywhere; the reader keeps its place between them and checks the length
 * before it keeps a byte.
 *
 * Previous hop: server/net/rpc (requests), server/net/answer (answers).
 */
#ifndef NET_GRPC_H
#define NET_GRPC_H

#include "common/buf.h"
#include "common/slice.h"
#include "common/status.h"
#include "server/net/codec.h"

enum {
    GRPC_PREFIX_BYTES = 5,
    GRPC_MESSAGE_MAX = 1024, /* of grpc-message: clients cap all trailers at 8 KiB */
    GRPC_DETAILS_MAX = 4096, /* of a packed refusal; its arguments are left out above */
};

/* application/grpc, then nothing, "+..." or ";...". A dialect, but perhaps not one of its codecs.
 */
bool grpc_is_content_type(struct pl_slice content_type);
/* The content type to answer with; NULL: a codec we do not speak. */
const char *grpc_answer_type(struct pl_slice content_type, enum codec *ret);

struct grpc_reader {
    uint8_t prefix[GRPC_PREFIX_BYTES];
    size_t prefix_len;
    size_t message_len;
    bool in_message;
    bool complete; /* one whole message was read */
};
/* Takes the next bytes of a request with exactly one message, which goes to `message`.
 * UNIMPLEMENTED: more than one; TOO_BIG: longer than bytes_max; INTERNAL: framing that is not ours.
 */
PL_MUST_CHECK struct pl_status grpc_read(struct grpc_reader *reader, struct pl_slice bytes,
                                         size_t bytes_max, struct pl_buf *message);
/* The same for requests of many messages: takes bytes (from the front of *bytes) until one message
 * is complete. Then a zeroed reader and an empty buffer are ready for the next. */
PL_MUST_CHECK struct pl_status grpc_read_part(struct grpc_reader *reader, struct pl_slice *bytes,
                                              size_t bytes_max, struct pl_buf *message);
/* The request ended. UNIMPLEMENTED: no message; INTERNAL: cut in the middle. */
PL_MUST_CHECK struct pl_status grpc_read_end(const struct grpc_reader *reader);
void grpc_put_prefix(uint8_t out[GRPC_PREFIX_BYTES], size_t message_len);

/* "250m" to nanoseconds. INVALID if malformed. */
PL_MUST_CHECK struct pl_status grpc_timeout(struct pl_slice text, int64_t *ret_ns);
/* Percent-encoded, cut to GRPC_MESSAGE_MAX at a character's end. */
PL_MUST_CHECK struct pl_status grpc_message(const char *text, struct pl_buf *out);
/* grpc-status-details-bin: base64 (unpadded) of google.rpc.Status with the refusal as its detail.
 * TOO_BIG, and nothing of it, if it stays above GRPC_DETAILS_MAX without arguments and message. */
PL_MUST_CHECK struct pl_status grpc_details(int code, const char *message,
                                            const Pledged__V1__Refusal *refusal,
                                            struct pl_buf *out);

#endif
