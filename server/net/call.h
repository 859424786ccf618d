/* SPDX-License-Identifier: Apache-2.0
 *
 * call: one remote call from its first header to its answer, and the pool that calls come from. The
 * part that handlers see is in net.h; this header is for the rooms of this box.
 *
 * A call and its stream part when either ends first: an answered call is freed while its answer
 * still leaves; a call whose stream closed under it is `gone`, and freed when it is answered after
 * all. Its arena lives as long as the call, because what travels to the writer points into it.
 * Thread: the worker's.
 *
 * Previous hop: server/net/rpc. Next hop: the handler, then server/net/answer.
 */
#ifndef NET_CALL_H
#define NET_CALL_H

#include <sys/queue.h>

#include "common/buf.h"
#include "server/net/authz.h"
#include "server/net/codec.h"
#include "server/net/deadline.h"
#include "server/net/grpc.h"
#include "server/net/grpcweb.h"
#include "server/net/net.h"
#include "server/net/stream.h"

/* Who is at the other end; outlives the connection while calls of it are under way. */
struct call_peer {
    unsigned refs;
    const struct authz_roster *roster; /* owns a reference: match points into it */
    struct authz_match match;
    struct quota_slot *quota; /* borrowed; NULL: no limit, or the connection is over */
    bool outdated;            /* by now the roster says something else of this certificate */
    uint64_t admitted;        /* by which reload it was looked at last */
    X509 *certificate;        /* owns a reference; NULL: it showed none */
    STACK_OF(X509) * chain;   /* owns references; what came with it */
    /* of the thread that asks call_still_admitted */
    uint64_t asked_by;
    bool passed;
};
struct call_peer *call_peer_new(const struct authz_roster *roster);
/* Takes references: once. */
void call_peer_shows(struct call_peer *peer, X509 *certificate, STACK_OF(X509) * chain);
void call_peer_unref(struct call_peer *peer);

enum call_dialect {
    CALL_HTTP /* none: plain status */,
    CALL_GRPC,
    CALL_GRPC_WEB,
    CALL_CONNECT,
    CALL_CONNECT_STREAM
};
enum call_phase { CALL_READING, CALL_RUNNING };

struct call_head { /* what a request may say; in the arena; data NULL: absent */
    struct pl_slice method, path, authority, content_type;
    struct pl_slice grpc_timeout, grpc_encoding;
    struct pl_slice connect_version, connect_timeout, content_encoding, connect_encoding;
    struct pl_slice origin, fetch_site;
    struct pl_slice if_none_match, accept_language, accept;
};

struct call {
    TAILQ_ENTRY(call) link; /* in the pool's free or woken list */
    struct call_pool *pool;
    struct stream *stream;  /* NULL: gone */
    struct call_peer *peer; /* owns a reference */
    enum call_phase phase;
    enum call_dialect dialect;
    enum codec codec;
    bool text;                           /* gRPC-Web in base64 */
    const char *answer_type;             /* content type; literal */
    const struct net_method *method;     /* NULL: not yet known, or a resource */
    const struct net_resource *resource; /* NULL: not yet known, or a method */
    struct call_head head;
    struct grpc_reader reader;
    struct grpcweb_text text_reader;
    struct pl_buf body;    /* the message bytes */
    struct pl_slice query; /* message of a GET, instead of the body */
    struct pl_arena arena;
    size_t bytes_max; /* of the message */
    bool admitted;    /* counts in pool->running */
    bool woken;       /* in the woken list */
    bool waiting;     /* call_send said: wait; of duplex calls: messages wait for room */
    bool watches;     /* counts in pool->watching, not in pool->running */
    bool draining;    /* its connection is about to go */
    struct {          /* of calls whose requests are streams: see duplex */
        bool (*decode)(struct call *call);
        struct pl_buf waiting; /* what came while there was no room */
        bool ended;            /* the peer has said its last message */
    } duplex;
    ProtobufCMessage *request;
    struct pl_slice request_bytes;
    int64_t began_ns, deadline_ns;
    struct deadline deadline; /* in pool->deadlines */
    bool told;                /* on_done was called */
    void *context;
    void (*on_writable)(struct call *call, void *user);
};
TAILQ_HEAD(call_list, call);

struct call_pool {
    struct call_list idle;  /* kept for reuse, arenas warm */
    struct call_list woken; /* whose on_writable is due */
    size_t idle_count;
    size_t running; /* admitted and not yet answered */
    size_t running_max;
    size_t watching; /* the same of long-lived methods */
    size_t watching_max;
    size_t body_bytes; /* request bytes held by all calls */
    size_t body_bytes_max;
    uint64_t told_busy; /* calls that were told to come later */
    size_t arena_bytes;
    struct deadlines deadlines; /* of admitted calls */
    struct pl_clock *clock;
    void *user; /* of handlers and on_done */
    void (*on_done)(void *user, const struct net_method *method, const struct net_person *person,
                    enum pl_code code, int64_t took_ns); /* may be NULL */
    void (*on_wake)(void *arg); /* call_pool_run_woken is due, in a turn of its own */
    void (*on_deadline)(void *arg, int64_t at_ns); /* call_pool_expire is due then */
    int64_t timer_ns; /* when on_deadline was told to be back; INT64_MAX: never */
    void *arg;
};
void call_pool_init(struct call_pool *pool);
void call_pool_fini(struct call_pool *pool); /* no call is left */
void call_pool_run_woken(struct call_pool *pool);
/* Ends the calls whose deadlines have passed: their peers are told so, their handlers find them
 * gone. What is with the writer already goes on; its outcome is known by its request id. */
void call_pool_expire(struct call_pool *pool);

struct call *call_new(struct call_pool *pool, struct stream *stream, struct call_peer *peer);
/* Takes one of the places for running calls; its deadline counts from now on. False: all places are
 * taken. */
bool call_admit(struct call *call);
/* Keeps request bytes, out of their frames. TOO_BIG: over the method's limit; BUSY: over the
 * worker's; for gRPC also what grpc_read says. */
PL_MUST_CHECK struct pl_status call_keep_body(struct call *call, struct pl_slice bytes);
/* call_fail with what became of request bytes: not OK. */
void call_fail_body(struct call *call, struct pl_status status);
void call_stream_closed(struct call *call); /* frees it unless a handler has it */
void call_stream_has_room(struct call *call);
void call_drain(struct call *call); /* call_draining is true from here on */
/* The peer may not be here any more: what is read is refused; what runs loses its stream behind an
 * error, and its handler learns that the call is gone. A unary call that runs may have had its
 * effect, so it says UNAVAILABLE, whatever `code` is. */
void call_cut(struct call *call, enum pl_code code);
/* A plain HTTP answer with a line of text; frees the call. `field` may be NULL. */
void call_fail_http(struct call *call, const char *status, const char *text,
                    const struct stream_field *field);
/* call_fail for Connect, where some failures have an HTTP status of their own ("404"). */
void call_fail_status(struct call *call, const char *http_status, enum pl_code code,
                      const char *text);

#endif
