/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc: from a request's head to a handler: which dialect, which method, may this person, by when,
 * what message. One path for gRPC, gRPC-Web and Connect; whatever is wrong is answered here, in the
 * caller's dialect.
 *
 * The order of the checks: origin (browsers), dialect and verb, path, encodings, timeout, person,
 * role, room; then the body; then the message itself. Failure: HTTP 403, 404, 405, 415 where the
 * dialect is unclear or says so, else a status with a Refusal.
 *
 * Previous hop: server/net/h2. Next hop: the handler (server/service), through server/net/call.
 */
#ifndef NET_RPC_H
#define NET_RPC_H

#include "common/clock.h"
#include "server/net/call.h"

struct rpc {
    struct call_pool pool;            /* first member: a call finds its rpc through its pool */
    const struct net_method *methods; /* borrowed */
    size_t method_count;
    const struct net_resource *resources; /* borrowed */
    size_t resource_count;
    size_t request_bytes;
    bool get_only;
    struct pl_clock *clock;
    size_t person_requests_per_s, person_burst; /* 0: no limit; 0: see quota.h */
    uint64_t requests, over_quota;
};

/* The user of rpc_events' on_open: one a connection. */
struct rpc_client {
    struct rpc *rpc;
    struct call_peer *peer; /* owned by the connection; NULL before it is known who is there */
    bool draining;          /* the connection is about to go */
};
extern const struct stream_events rpc_events;

#endif
