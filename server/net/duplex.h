/* SPDX-License-Identifier: Apache-2.0
 *
 * duplex: calls whose requests are streams of messages, each answered as it arrives. Until it ends,
 * such a call is being read: its handler never has it for longer than one message.
 *
 * While its answers find no room, no message is taken: what has arrived waits, counted among the
 * bytes of unfinished requests, and the peer's window stays shut.
 *
 * Previous hop: server/net/rpc. Next hop: the handler's on_message.
 */
#ifndef NET_DUPLEX_H
#define NET_DUPLEX_H

#include "server/net/call.h"

/* Decodes what call->body holds; false: it has answered the call, which is gone. */
typedef bool (*duplex_decode_fn)(struct call *call);

/* The head is good and the call is admitted. */
void duplex_begin(struct call *call, duplex_decode_fn decode);
/* All of these may end the call. */
void duplex_body(struct call *call, struct pl_slice bytes);
void duplex_end(struct call *call); /* the peer has said its last message */

#endif
