/* SPDX-License-Identifier: Apache-2.0
 *
 * peer: a client of gRPC over HTTP/2 on the simulated wire, with nghttp2 on its side: one
 * connection, one call at a time. It does not repeat anything; whoever owns it does.
 */
#ifndef SIM_PEER_H
#define SIM_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/slice.h"
#include "tests/sim/operator.h"

struct peer;

enum peer_state {
    PEER_IDLE, /* nothing was asked, or the last answer was taken */
    PEER_WAITS,
    PEER_ANSWERED, /* look at peer_answer */
    PEER_LOST,     /* the connection ended before the answer was whole */
};
struct peer_answer {
    int grpc_status;
    struct pl_slice body;    /* the message, where there is one; borrowed until the next call */
    struct pl_slice all;     /* all messages of a stream, each behind its five bytes */
    struct pl_slice details; /* google.rpc.Status */
};

struct peer *peer_new(void);
void peer_free(struct peer *peer); /* NULL is fine */
struct peer_visit {                /* a connection to be */
    unsigned door;
    enum operator_person person;
};
/* Connects if need be. False: nobody listens. timeout_ms: 0: no deadline. */
bool peer_ask(struct peer *peer, struct peer_visit visit, const char *path, struct pl_slice message,
              int timeout_ms);
/* Takes what arrived and sends what it can. */
void peer_run(struct peer *peer);
enum peer_state peer_look(const struct peer *peer, struct peer_answer *ret);
bool peer_asked(const struct peer *peer);         /* all of the last request left */
void peer_consume(struct peer *peer, size_t len); /* of peer_answer.all, from its beginning */
void peer_hang_up(struct peer *peer);             /* at whatever byte it is */

#endif
