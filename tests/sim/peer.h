/* SPDX-License-Identifier: Apache-2.0
 *
 * peer: a client on the simulated wire: gRPC, gRPC-Web or Connect over HTTP/2, with nghttp2 on its
 * side, or the latter two over HTTP/1.1; in protobuf or in JSON; gRPC-Web also
 * as text; what only reads also by GET, and files. One
 * connection, one call at a time. It does not repeat anything; whoever owns it does.
 */
#ifndef SIM_PEER_H
#define SIM_PEER_H

#include <protobuf-c/protobuf-c.h>
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
    int grpc_status;         /* Connect's words as numbers, too */
    int http_status;         /* of a file */
    struct pl_slice body;    /* the message, where there is one; borrowed until the next call */
    struct pl_slice all;     /* all messages of a stream, each behind its five bytes */
    struct pl_slice refusal; /* a packed Refusal, where there is one */
};

struct peer_report { /* answers */
    uint64_t grpc, web, connect, line /* of these: by HTTP/1.1 */, json, streams /* of these */,
        get, text /* of web */;
};
struct peer_report peer_take_report(void); /* since the last time */

struct peer *peer_new(void);
void peer_free(struct peer *peer); /* NULL is fine */
enum peer_dialect { PEER_GRPC, PEER_WEB, PEER_CONNECT };
struct peer_visit { /* a connection to be */
    unsigned door;
    enum operator_person person;
    bool h1;                   /* of a new connection: HTTP/1.1, which does not carry gRPC */
    enum peer_dialect dialect; /* of this call */
    bool json, get, text;      /* where the request allows it */
    bool apart;                /* text of more than one piece, each with its end */
};
/* Some door, some way to speak. */
struct peer_visit peer_any_visit(struct dice *dice, enum operator_person person);
struct peer_request {
    const char *path;
    struct pl_slice message;
    bool file;      /* something to GET that is no method; nothing else counts */
    bool stream;    /* the answer is one */
    bool reads;     /* and nothing else */
    int timeout_ms; /* 0: none */
    /* for JSON; NULL: not in JSON */
    const ProtobufCMessageDescriptor *input, *output;
};
/* Connects if need be. False: nobody listens. */
bool peer_ask(struct peer *peer, struct peer_visit visit, const struct peer_request *request);
/* Takes what arrived and sends what it can. */
void peer_run(struct peer *peer);
enum peer_state peer_look(const struct peer *peer, struct peer_answer *ret);
bool peer_asked(const struct peer *peer);         /* all of the last request left */
void peer_consume(struct peer *peer, size_t len); /* of peer_answer.all, from its beginning */
void peer_hang_up(struct peer *peer);             /* at whatever byte it is */

#endif
