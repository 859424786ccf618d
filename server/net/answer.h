/* SPDX-License-Identifier: Apache-2.0
 *
 * answer: what a call says, as its dialect puts it on the stream: one message, a stream of them,
 * a failure. The call goes on; whoever asked frees it.
 *
 *              message                 end of a stream             failure
 *   gRPC       framed                  trailers                    trailers
 *   gRPC-Web   framed                  frame 0x80 with trailers    the same
 *   Connect    bare                    -                           HTTP status and JSON
 *   its streams  framed                frame 0x02 with JSON        the same
 *   HTTP       (resources)             -                           HTTP status and a line of text
 *
 * Thread: the worker's. Every function wants call->stream, so it is not for calls that are gone.
 *
 * Previous hop: server/net/call. Next hop: server/net/stream.
 */
#ifndef NET_ANSWER_H
#define NET_ANSWER_H

#include "common/status.h"
#include "server/net/call.h"

/* The whole answer of a unary call. INTERNAL (nothing was sent): the message cannot be encoded. */
PL_MUST_CHECK struct pl_status answer_reply(struct call *call, const ProtobufCMessage *response);
/* One message of a stream; begins the answer if need be. INTERNAL as above. */
PL_MUST_CHECK struct pl_status answer_send(struct call *call, const ProtobufCMessage *message);
/* The good end of a stream. */
void answer_end(struct call *call);
/* The bad end of anything. http_status counts where the dialect has one ("404"). */
void answer_fail(struct call *call, const char *http_status, enum pl_code code,
                 const Pledged__V1__Refusal *refusal, const char *message);
/* A plain HTTP answer with a line of text; `field` may be NULL. */
void answer_http(struct call *call, const char *status, const char *text,
                 const struct stream_field *field);
void answer_resource(struct call *call, const struct net_answer *answer);

#endif
