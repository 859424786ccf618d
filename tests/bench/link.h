/* SPDX-License-Identifier: Apache-2.0
 *
 * link: one connection of the load generator: a socket, TLS 1.3 with our certificate, nghttp2, and
 * as many calls in flight as it has places. Nothing blocks; whoever owns the epoll calls link_read
 * when the socket is ready. What is written in one turn leaves in one TLS record or a few.
 *
 * Hooks are called from link_read. They may begin calls, but must not close or open the link.
 */
#ifndef BENCH_LINK_H
#define BENCH_LINK_H

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/buf.h"

struct link;

struct call {
    struct link *link;
    struct call *next_free;
    int32_t stream;         /* 0: not in flight */
    int64_t begun_ns;       /* when it was, or in an open loop should have been, sent */
    uint64_t number;        /* for the owner: of its first command */
    uint8_t request_id[16]; /* of that one */
    struct pl_buf request;  /* with the prefix of gRPC; empty: no body */
    size_t sent;
    struct pl_buf answer;
    int http_status; /* 0: none came */
    int grpc_status; /* -1: none came */
};

struct link_hooks {
    void (*secure)(void *arg, struct link *link); /* TLS is there: calls may begin */
    void (*ready)(void *arg, struct link *link);  /* the server spoke: it took our certificate */
    void (*done)(void *arg, struct call *call);   /* has ended; it is free when this returns */
};

/* Shared by all links, which only read it. */
struct link_target {
    SSL_CTX *context;
    const char *host, *path; /* host: an address */
    struct sockaddr_storage address;
    socklen_t address_len;
    struct link_hooks hooks;
    void *arg;
    bool grpc; /* POST of gRPC; false: GET */
};

enum link_state { LINK_CLOSED, LINK_HANDSHAKE, LINK_SECURE, LINK_READY };

struct link {
    const struct link_target *target;
    enum link_state state;
    int epoll, fd;
    bool wants_write; /* what epoll was told */
    bool dirty;       /* for the owner: has calls that were begun outside of a turn */
    int64_t opened_ns;
    SSL *ssl;
    nghttp2_session *session;
    struct pl_buf out;
    unsigned calls; /* places */
    struct call *call;
    struct call *free;
};

/* CONFIG: a file is no good; its name and why are on standard error. */
PL_MUST_CHECK struct pl_status link_target_init(struct link_target *target, const char *ca,
                                                const char *cert, const char *key);
/* host is a numeric address. */
PL_MUST_CHECK struct pl_status link_target_address(struct link_target *target, const char *host,
                                                   const char *port);

void link_init(struct link *link, const struct link_target *target, int epoll, unsigned calls);
void link_fini(struct link *link);
PL_MUST_CHECK struct pl_status link_open(struct link *link, int64_t now_ns);
/* Calls in flight are forgotten, without their hook: see link_in_flight. */
void link_close(struct link *link);
unsigned link_in_flight(const struct link *link);
/* False: the connection is lost or cannot be made; close it. */
PL_MUST_CHECK bool link_read(struct link *link);
/* Writes what is there to write. False as above. */
PL_MUST_CHECK bool link_flush(struct link *link);
/* NULL: every place is taken. */
struct call *link_place(struct link *link);
/* Begins the call, whose request is filled in; it leaves with the next flush. False: it cannot. */
PL_MUST_CHECK bool link_begin(struct call *call);

#endif
