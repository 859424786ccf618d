/* SPDX-License-Identifier: Apache-2.0
 *
 * carrier: one connection's version of HTTP, as server/net/conn sees it: bytes in, streams of
 * server/net/stream out of them, bytes back. server/net/h2 and server/net/h1 are the two.
 *
 * Belongs to one worker's thread. After `recv` and after `fill`, `run` starts what waited; once
 * `over`, nothing more comes or goes.
 *
 * Previous hop: server/net/conn. Next hop: server/net/h2 or server/net/h1.
 */
#ifndef NET_CARRIER_H
#define NET_CARRIER_H

#include "common/slice.h"
#include "common/status.h"

struct carrier;

enum { CARRIER_NO_ERROR = 0, CARRIER_CALM_DOWN = 11 }; /* the codes of HTTP/2 */

struct carrier_state {
    bool ready; /* the peer has begun to speak */
    bool over;  /* nothing more will come or go */
    bool wants_write;
    size_t streams;
    int64_t idle_since_ns;    /* meaningful while there is no stream */
    size_t unsent_bytes;      /* of answers; some of it estimated */
    uint64_t body_bytes_sent; /* of answers, so far */
    uint64_t protocol_errors, pings, goaways, stalled;
};

struct carrier_ops {
    struct pl_status (*recv)(struct carrier *carrier, struct pl_slice bytes);
    size_t (*fill)(struct carrier *carrier, uint8_t *out, size_t room);
    void (*run)(struct carrier *carrier);
    void (*look)(const struct carrier *carrier, struct carrier_state *ret);
    void (*on_time)(struct carrier *carrier, int64_t late_ns, int64_t stuck_ns);
    void (*ask)(struct carrier *carrier);
    void (*announce)(struct carrier *carrier);
    void (*cut)(struct carrier *carrier, enum pl_code code);
    void (*drain_notice)(struct carrier *carrier);
    void (*drain)(struct carrier *carrier, const char *why);
    void (*dismiss)(struct carrier *carrier, uint32_t code, const char *why);
    void (*close_streams)(struct carrier *carrier);
    void (*free)(struct carrier *carrier);
};
struct carrier { /* the first member of each */
    const struct carrier_ops *ops;
};

/* Not OK: nothing more can be done with this peer. */
PL_MUST_CHECK struct pl_status carrier_recv(struct carrier *carrier, struct pl_slice bytes);
/* At most `room` bytes to send; 0: nothing now. */
size_t carrier_fill(struct carrier *carrier, uint8_t *out, size_t room);
void carrier_run(struct carrier *carrier);
struct carrier_state carrier_look(const struct carrier *carrier);
/* Now and then: requests that began before `late_ns` (INT64_MIN: none is) and are still incomplete
 * are told that they are late; answers that waited long enough for the end of their requests go;
 * streams of messages whose output has not moved since `stuck_ns` (the same) end. */
void carrier_on_time(struct carrier *carrier, int64_t late_ns, int64_t stuck_ns);
void carrier_ask(struct carrier *carrier);      /* for a sign of life, if there is a way */
void carrier_announce(struct carrier *carrier); /* on_drain for all streams */
void carrier_cut(struct carrier *carrier, enum pl_code code); /* on_cut for all streams */
void carrier_drain_notice(struct carrier *carrier);           /* still accepts what is under way */
void carrier_drain(struct carrier *carrier, const char *why); /* refuses everything new */
/* Says why, then the end, without waiting for streams. */
void carrier_dismiss(struct carrier *carrier, uint32_t code, const char *why);
/* Ends all streams: on_close for each that still has a user. */
void carrier_close_streams(struct carrier *carrier);
void carrier_free(struct carrier *carrier); /* after carrier_close_streams; NULL is fine */

#endif
