/* SPDX-License-Identifier: Apache-2.0
 *
 * net: what a worker needs of this box: open a listener on an event base, get calls, answer them.
 *
 * Inside: listener (accept) -> io (raw events drive tls or plain) -> conn (who, timers,
 * back-pressure) -> h2 (nghttp2) or h1 -> rpc (classify, route, deadline, role mask, decode) ->
 * handler. Everything here belongs to one worker thread. Dialects: gRPC, gRPC-Web and Connect, each
 * with protobuf and with JSON, unary and server streaming (Connect also by GET, for unary methods
 * without side effects). One request path, three dialects.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <protobuf-c/protobuf-c.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/status.h"
#include "pledged/v1/types.pb-c.h"

struct event_base;
struct net;
struct call;
struct authz_roster; /* authz.h */
struct tls_context;  /* tls.h: immutable, counted; made from files by main and on reload */
struct net_quota;    /* quota.h: what each certificate may still do, shared by workers */

/* --- who is there: authz.h turns a certificate into a person of the roster --- */
struct net_person {
    const char *person;
    Pledged__V1__Role role;
};

#define NET_ROLE(role_) (1u << PLEDGED__V1__ROLE__ROLE_##role_)

struct net_method {
    const char *path; /* "/pledged.v1.LedgerService/Execute" */
    const ProtobufCMessageDescriptor *input, *output;
    bool server_streaming;
    bool long_lived; /* runs until the peer leaves: has a place among limits.watchers, not calls */
    bool no_side_effects;     /* Connect GET allowed */
    uint32_t roles;           /* mask of NET_ROLE() */
    size_t request_bytes_max; /* 0: limits.request_bytes */
    size_t elements_max;      /* repeated elements in one request; 0: 4096 */
    /* Asked when the request is complete, before it is taken apart: what cannot be served now is
     * told so (BUSY) for as little as it takes. NULL: there always is room. */
    bool (*has_room)(void *user);
    /* Must answer exactly once (call_reply, call_fail or call_end), now or later, even if the call
     * is cancelled meanwhile: that answer is then dropped and the call freed. */
    void (*handle)(struct call *call, void *user);
    /* Instead of handle, for requests that are streams (server_streaming too): each message as it
     * arrives, as call_request. Answers with call_send, as often as it likes, before it returns.
     * False: it has ended the call with call_fail. What is in the arena is gone with the next
     * message. When the peer has said its last one, the stream ends well. */
    bool client_streaming;
    bool (*on_message)(struct call *call, void *user);
};

/* Something to GET (or HEAD) that is no method: a page, a tile, the metrics. */
struct net_resource {
    const char *path; /* exact, or, if it ends in "/" behind a name, everything under it too */
    uint32_t roles;   /* mask of NET_ROLE() */
    /* Must answer exactly once, with call_answer or call_fail. */
    void (*handle)(struct call *call, void *user);
};

/* A size of 0 means a default; a time of 0: no limit. */
struct net_limits {
    size_t connections;      /* a worker */
    size_t streams;          /* concurrent, a connection */
    size_t request_bytes;    /* one message */
    size_t header_bytes;     /* header list of one request */
    size_t arena_bytes;      /* one call */
    size_t calls;            /* unanswered, a worker; more are answered BUSY */
    size_t write_high_bytes; /* unsent output of a connection: stop reading it above this */
    size_t body_bytes;       /* of unfinished requests, a worker; more are answered BUSY */
    size_t watchers;         /* running calls of long-lived methods, a worker; more: BUSY */
    int handshake_ms, preface_ms, idle_ms, request_ms /* head and body of one request */,
        write_stall_ms;
    /* A connection older than this (10 % more or less) is told to go: "max_age". Calls that run
     * have the grace to end (0: as long as they want). */
    int max_age_ms, max_age_grace_ms;
    /* A quiet HTTP/2 connection is asked after keepalive_ms whether it still lives, and ended if it
     * says nothing for keepalive_timeout_ms (0: 20 s). */
    int keepalive_ms, keepalive_timeout_ms;
    /* Of one certificate, over all workers that share net_options.quota. 0: no limit. */
    size_t person_connections, person_requests_per_s, person_burst /* 0: one second's worth */;
};

struct net_options {
    struct event_base *base; /* borrowed until net_free */
    int listen_fd;           /* bound, listening, non-blocking; taken when net_new succeeds */
    struct tls_context *tls; /* takes a reference; NULL: no TLS, for this machine only */
    const struct authz_roster *roster; /* takes a reference; NULL: nobody is on it */
    const struct net_method *methods;  /* borrowed */
    size_t method_count;
    const struct net_resource *resources; /* borrowed */
    size_t resource_count;
    /* Who peers without certificate are: where there is no TLS, or its context asks for none.
     * Borrowed; NULL: nobody, so that they may call nothing. */
    const struct net_person *anonymous;
    bool get_only;           /* nothing but GET and HEAD is answered */
    struct net_quota *quota; /* borrowed; NULL: no limits a certificate */
    struct net_limits limits;
    struct pl_clock *clock;
    void *user; /* handed to handlers */
    /* A call that was admitted has its answer, for metrics and the log: which method (NULL: a
     * resource), whose call it was (NULL: nobody's), how it ended, how long after its head came.
     * May be NULL. */
    void (*on_done)(void *user, const struct net_method *method, const struct net_person *person,
                    enum pl_code code, int64_t took_ns);
    /* A connection was refused before it could call anything: for a log line. May be NULL. */
    void (*on_refused)(void *user, const char *peer, const char *why);
};
PL_MUST_CHECK struct pl_status net_new(const struct net_options *options, struct net **ret);
struct net_reload {                    /* NULL: as before */
    uint64_t number;                   /* of the reload, from 1 on */
    struct tls_context *tls;           /* takes a reference */
    const struct authz_roster *roster; /* takes a reference */
    const struct net_limits *limits;   /* copied; of streams and sizes only for newcomers */
};
/* On the worker's thread. Newcomers get what is new. Those who are there are verified and looked up
 * anew: who is no longer valid or no longer known is cut off at once, running calls included; the
 * others notice nothing, and a role that changed counts from the next call on. A listener keeps
 * being with or without TLS. */
void net_reload(struct net *net, const struct net_reload *reload);
/* Stops accepting, tells peers to go away (GOAWAY twice), lets running calls finish. */
void net_drain(struct net *net);
bool net_idle(const struct net *net); /* no connection left */
void net_close_all(struct net *net);  /* ends what is left, at once */
void net_free(struct net *net);       /* after net_close_all; answers that come later must not */
/* After a turn that answered calls: writes out what they produced, once a connection. (Output is
 * also flushed by a low-priority event at the end of each turn, so this is never required.) */
void net_flush(struct net *net);
/* counters for metrics and tests */
struct net_stats {
    uint64_t accepted, connections, handshake_failures, requests, refused_busy, protocol_errors;
    uint64_t connections_h1, connections_h2;  /* now, of those that have chosen */
    uint64_t running_calls, running_watchers; /* now */
    uint64_t bytes_in, bytes_out;             /* without TLS's own */
    uint64_t pings, goaways;                  /* of peers; of ours */
    /* Of handshake_failures: a certificate that is not valid; too slow. And refused after it. */
    uint64_t refused_certificate, refused_slow, refused_quota;
    uint64_t requests_over_quota;
    uint64_t cut_off; /* after a reload, or because a certificate expired */
    uint64_t stalled; /* ended because their output did not move: connections and streams */
};
void net_get_stats(const struct net *net, struct net_stats *ret);

/* --- a call, as handlers see it (call.c) --- */
struct pl_arena *call_arena(struct call *call);
const struct net_method *call_method(const struct call *call);
const ProtobufCMessage *call_request(const struct call *call); /* in the arena */
/* Exact protobuf bytes of the request (a JSON request is packed once). In the arena. */
struct pl_slice call_request_bytes(const struct call *call);
bool call_speaks_json(const struct call *call);                /* else its answer is packed */
const struct net_person *call_person(const struct call *call); /* borrowed from the roster */
/* By now the certificate is somebody else's, or its person has another role. Calls keep what they
 * began with; those that last ask from time to time. */
bool call_outdated(const struct call *call);
const char *call_identity(const struct call *call); /* "uri:...", as matched */
const char *call_issuer(const struct call *call);
/* Number of the reload by which its peer was last looked at; 0: the start. */
uint64_t call_admitted(const struct call *call);
/* Would its peer be let in, as the person and role that it is, by what reload `by` (not 0) brings?
 * For one other thread, as long as that has to do with the call; asked once of a peer. */
bool call_still_admitted(const struct call *call, uint64_t by, const struct tls_context *tls,
                         const struct authz_roster *roster);
int64_t call_deadline_mono_ns(const struct call *call); /* 0: none */
bool call_gone(
    const struct call *call); /* the peer left or cancelled: answer anyway, it is dropped */
/* The connection is about to go: long-lived calls end now, with UNAVAILABLE, so that their peers
 * come back elsewhere. on_writable runs when this becomes true. */
bool call_draining(const struct call *call);
void call_set_context(struct call *call, void *context);
void *call_context(const struct call *call);

/* Ends a unary call with a message (packed or printed before this returns). The call is freed. */
void call_reply(struct call *call, const ProtobufCMessage *response);
/* Ends a call with an error. `refusal` becomes the error detail and its message the status message;
 * NULL: `message` alone. The call is freed. */
void call_fail(struct call *call, enum pl_code code, const Pledged__V1__Refusal *refusal,
               const char *message);
/* call_fail with a Refusal made of these. `field` has the path of what is wrong; "": no field is.
 */
void call_fail_reason(struct call *call, enum pl_code code, Pledged__V1__Reason reason,
                      const char *field, const char *text);
/* call_fail for what there is no room for now: nothing of it was done. */
void call_fail_busy(struct call *call);
/* --- of resources --- */
struct pl_slice call_path(const struct call *call); /* without the query; in the arena */
/* "if-none-match", "accept-language", "accept"; data NULL: absent. In the arena. */
struct pl_slice call_header(const struct call *call, const char *name);
struct net_header {
    const char *name, *value; /* name in lower case */
};
enum { NET_HEADERS_MAX = 6 };
struct net_answer {
    const char *status; /* "200" */
    const char *type;   /* content type */
    const char *cache;  /* cache-control; NULL: "no-store" */
    const struct net_header *more;
    size_t more_count; /* at most NET_HEADERS_MAX */
    struct pl_slice body;
};
/* Ends the call of a resource. Everything is copied before this returns. The call is freed. */
void call_answer(struct call *call, const struct net_answer *answer);

/* Server streaming: queue one message; true if more may follow now, false: wait for on_writable.
 * The message is packed before this returns. */
bool call_send(struct call *call, const ProtobufCMessage *message);
/* on_writable runs when the queue has room again, when the call is gone (check call_gone), and when
 * the connection is about to go (check call_draining). */
void call_on_writable(struct call *call, void (*on_writable)(struct call *call, void *user));
/* Ends a stream well. The call is freed. */
void call_end(struct call *call);

#endif
