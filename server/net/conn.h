/* SPDX-License-Identifier: Apache-2.0
 *
 * conn: one connection: joins the loop of bytes with what carries HTTP over them, knows who the
 * peer is, and keeps the connection's times and its back-pressure.
 *
 * Life: HANDSHAKE -> OPEN -> CLOSING (goodbye said, waiting for the peer to close) -> DEAD (parked
 * until the end of the turn, because callbacks of it may still be on the stack). Times, looked at
 * by conn_tick_all: the handshake; the preface; each request; a connection without requests; output
 * that does not move; a peer that says nothing; a certificate that expires; age; the goodbye.
 *
 * Previous hop: server/net/io. Next hop: server/net/carrier.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <sys/queue.h>

#include "server/net/carrier.h"
#include "server/net/io.h"
#include "server/net/rpc.h"

struct conn;
TAILQ_HEAD(conn_list, conn);

/* What all connections of a worker share. Belongs to net. */
struct conn_home {
    struct event_base *base;
    struct tls_context *tls; /* NULL: plain */
    const struct authz_roster *roster;
    uint64_t reload;                    /* number of the one that brought them; 0: the start */
    const struct net_person *anonymous; /* peers without certificate; NULL: nobody */
    struct net_limits limits;
    struct pl_clock *clock;
    struct rpc rpc;
    struct io_scratch scratch;
    struct conn_list live;
    struct conn_list dirty;  /* have something to send */
    struct conn_list parked; /* dead */
    size_t count;            /* live */
    size_t speak_h1, speak_h2;
    struct net_quota *quota; /* NULL: none */
    /* of connections that are over, for net_stats */
    uint64_t handshake_failures, refused_certificate, refused_slow, refused_quota;
    uint64_t protocol_errors, pings, goaways, stalled, cut_off, bytes_in, bytes_out;
    bool draining;
    void (*on_turn)(void *arg); /* dirty or parked connections wait for the end of the turn */
    void *arg;
    void (*on_refused)(void *user, const char *peer, const char *why);
};

/* Takes fd, also when it fails. */
PL_MUST_CHECK struct pl_status conn_new(struct conn_home *home, int fd);
void conn_flush_dirty(struct conn_home *home);
void conn_free_parked(struct conn_home *home); /* from the top of a turn only */
void conn_tick_all(struct conn_home *home);
/* After home->roster (and home->tls, if `verify`) changed: looks at all who are there anew. */
void conn_reload_all(struct conn_home *home, bool verify);
void conn_count_all(const struct conn_home *home, struct net_stats *ret); /* adds the live ones */
void conn_drain_notice_all(struct conn_home *home);
void conn_drain_all(struct conn_home *home);
void conn_end_all(struct conn_home *home);

#endif
