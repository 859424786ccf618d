/* SPDX-License-Identifier: Apache-2.0
 *
 * connect: the Connect dialect: content types, the GET form, timeouts, errors as JSON. Pure: no
 * thread, no connection. Its streams of messages share gRPC's framing; the last frame has a flag of
 * its own and holds JSON: {}, or {"error":...}.
 *
 * Previous hop: server/net/rpc (requests), server/net/answer (answers).
 */
#ifndef NET_CONNECT_H
#define NET_CONNECT_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/slice.h"
#include "common/status.h"
#include "server/net/codec.h"

enum { CONNECT_END_FLAG = 0x02 };

enum connect_kind { CONNECT_NOT, CONNECT_UNARY, CONNECT_STREAM };
/* application/json and application/proto; application/connect+json and +proto. Parameters are
 * ignored, but for a charset that is not UTF-8, which makes it CONNECT_NOT. */
enum connect_kind connect_content_type(struct pl_slice content_type, enum codec *ret);
const char *connect_answer_type(enum codec codec, bool stream);

struct connect_query {
    enum codec codec;
    bool codec_unknown;
    struct pl_slice message; /* decoded; in the arena */
};
/* What follows "?" in the path of a GET. INVALID: a parameter is malformed or missing;
 * UNIMPLEMENTED: a compression or (ret->codec_unknown) an encoding that we do not speak; TOO_BIG:
 * the arena's budget is spent. */
PL_MUST_CHECK struct pl_status connect_parse_query(struct pl_slice query, struct pl_arena *arena,
                                                   struct connect_query *ret);
/* connect-timeout-ms to nanoseconds. INVALID if malformed. */
PL_MUST_CHECK struct pl_status connect_timeout(struct pl_slice text, int64_t *ret_ns);
/* {"code":...,"message":...,"details":[{"type","value","debug"}]}; refusal may be NULL. */
PL_MUST_CHECK struct pl_status connect_error(const char *code, const char *message,
                                             const Pledged__V1__Refusal *refusal,
                                             struct pl_buf *out);
/* {"error":...}: the contents of a stream's last frame. */
PL_MUST_CHECK struct pl_status connect_end_error(const char *code, const char *message,
                                                 const Pledged__V1__Refusal *refusal,
                                                 struct pl_buf *out);

#endif
