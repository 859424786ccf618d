/* SPDX-License-Identifier: Apache-2.0
 *
 * world_private: the one world of a run, which world.c makes and ends, and what its parts ask of
 * each other. Nobody else includes it.
 */
#ifndef SIM_WORLD_PRIVATE_H
#define SIM_WORLD_PRIVATE_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "server/limits.h"
#include "server/notary.h"
#include "server/registrar.h"
#include "server/store/fault.h"
#include "server/store/file.h"
#include "server/store/io.h"
#include "tests/sim/cabinet.h"
#include "tests/sim/checkpoints.h"
#include "tests/sim/errand.h"
#include "tests/sim/fiber.h"
#include "tests/sim/front.h"
#include "tests/sim/heap.h"
#include "tests/sim/mirror.h"
#include "tests/sim/operator.h"
#include "tests/sim/peer.h"
#include "tests/sim/process.h"
#include "tests/sim/records.h"
#include "tests/sim/requests.h"
#include "tests/sim/watchers.h"
#include "tests/sim/wire.h"
#include "tests/sim/witnesses.h"
#include "tests/sim/world.h"

#define SECOND_US 1000000LL
#define START_US  (1770000000LL * SECOND_US)

enum {
    CLIENTS = 6,
    PEERS = 2, /* connections a client */
    PACKETS_MAX = 256,
    CALLS_MAX = 512,
    NEVER_MAX = 256,
    SEGMENT_BYTES = (1 << 20) + 16384, /* just what one full batch needs */
    SETTLE_STEPS = 20000,
    TIMEOUT_US = 400000,
    BATCHES_A_SECTOR = 5, /* that begin in it, or end in it and begin before, and the next one */
};

struct call {               /* a command on its way through the daemon, as a worker keeps it */
    struct command command; /* first member */
    struct pl_arena arena;
    struct request request; /* a copy */
    int client;
    uint64_t intent;
    bool used, by_registrar;
};

struct client {
    bool waiting;
    uint64_t intent; /* number of what it wants now */
    struct request request;
    int64_t retry_at_us; /* monotonic */
    unsigned sent, delivered,
        refused; /* refused: as a whole, with the word that nothing happened */
};

struct packet {
    bool used, reply, whole; /* whole: refused as a whole */
    int client;
    uint64_t intent;
    struct request request; /* owns, of requests */
    int64_t due_us;
};

struct odds { /* of this seed, in a million a step */
    uint32_t kill, power, stop, full, lie, jump, snapshot, engine, drop, duplicate, vanish, fat,
        many, cut /* of connections */, reload, helm, slow /* turns at it */,
        away /* goes the directory */;
    bool small_jumps;
};

extern struct world {
    uint64_t seed, step, trail;
    struct dice dice;
    enum canary canary;
    bool trace, failed, over;
    char what[600];
    struct world_report *report;
    struct odds odds;
    struct disk_plan plan;
    struct pl_clock_fake clock;
    struct model model;
    struct process process;
    struct client client[CLIENTS];
    struct packet packet[PACKETS_MAX];
    struct call call[CALLS_MAX];
    /* of seeds whose clients come by connections, through server/net and server/service */
    bool wired;
    struct front *front; /* NULL: nobody listens */
    struct peer *peer[CLIENTS][PEERS];
    uint64_t peer_intent[CLIENTS][PEERS];
    uint64_t peer_start[CLIENTS][PEERS]; /* which life of the process was asked */
    uint64_t peer_since[CLIENTS][PEERS]; /* oldest version of the file that may have counted then */
    bool leaving;                        /* SIGTERM came; the writer stops when all workers have */
    enum { FATE_NONE, FATE_KILL, FATE_POWER } fate; /* that it met while a worker was at the helm */
    int64_t ahead_us; /* of the clock at this start; 0: it may be believed */
    uint64_t reloads; /* newest version that all workers have */
    uint64_t starts;
    uint64_t up_start; /* the last one that came up */
    struct peer *auditor;
    uint64_t audit_since;             /* as peer_since */
    uint64_t audit_from, audit_start; /* a dump from this entry; 0: a pledge, or a proof */
    int audit_proof;                  /* enum checkpoints_question; -1: none */
    uint64_t audit_about;             /* an entry, or an older size */
    bool audits_file;
    struct mirror_file audit_file;
    bool audits;
    bool late; /* the answer at hand is of a life before */
    uint64_t intents;
    struct view *view;    /* that the worker answers from */
    struct view_log seen; /* of the newest view anybody saw */
    struct store_reader *reader;
    uint8_t never[NEVER_MAX][MODEL_ID]; /* told "nothing was recorded", and given up */
    size_t nevers;
    uint64_t seg_hash;
    bool lied; /* the disk broke its word: lost or misdirected */
    bool full, healthy, started_well;
    bool looks_fail;       /* in this seed: it may seem that the directory is not there */
    bool went_away;        /* the directory, in this life of the process */
    uint64_t there_before; /* entries that were on the disk then */
} world;

/* --- world.c: small things --- */

/* The run has failed: of several words the first ones are told. */
__attribute__((format(printf, 1, 2))) void world_wrong(const char *format, ...);
/* A line of the trace, and a part of what makes two runs of a seed the same. */
__attribute__((format(printf, 1, 2))) void world_note(const char *format, ...);
void world_happened(enum world_event event); /* counted */
bool world_chance(uint32_t in_million);
int64_t world_now_us(void); /* monotonic */
bool world_damaged(void);   /* by a disk that lied */
/* Checks read without faults. */
void world_quiet(bool on);
/* False: the model found something, in its own words. */
void world_model_says(bool fine);
/* What a disk that lied took away, at the very end: only a checkpoint tells. */
void world_lost_the_end(void);

/* --- world_life.c --- */

/* The same of the records of persons. */
void world_records_say(bool fine, const char *const *what);
/* The model reads the log as far as somebody was told that it goes. */
void world_learn_up_to(uint64_t seq);
/* The whole log, as a power loss right now would leave it. */
struct pl_status world_open_durable(struct store_head *ret_head, struct file_report *report);
/* G1, asked of the disk itself: would this entry survive a power loss right now? */
void world_is_durable(uint64_t seq);
void world_drop_call(struct call *call); /* its place is free */
void world_kill_process(void);
void world_power_loss(void);
/* G6: the state it goes on with is the one that the whole log gives. */
void world_check_state(void);
void world_start_process(void);
/* It gave up or exited: why, and what the operator does. */
void world_look_at_failure(void);
/* The workers have ended: it is the writer's turn. */
void world_go_on_leaving(void);
/* One of the fibers that can go on goes on. */
bool world_run_a_fiber(void);
/* While a worker is at the helm the world goes on around it: what hits the process hits it later,
 * when the worker's own stack is gone, but nothing of it runs any more. */
bool world_meanwhile(void);
/* What happened to the process while a worker was at the helm. */
void world_meet_fate(void);

/* --- world_mail.c --- */

/* From here on its records may be kept. */
void world_bring_records(const struct request *request);
/* One copy of what client `number` wants is on its way, by packet or connection. */
void world_send_request(int number);
void world_send_reply(int client, uint64_t intent, bool whole);
/* Somebody takes commands. */
bool world_is_open(void);
/* NULL: there are too many. */
struct call *world_new_call(int client, uint64_t intent);
/* False: the daemon is busy. */
bool world_post(struct call *call);
/* The client has its answer, or gives up: it will want something else. */
void world_forget_intent(struct client *client);
/* What is due arrives. */
void world_deliver(void);

/* --- world_verdict.c --- */

/* The worker takes the newest view: all that it shows is durable (G7). */
void world_take_view(void);
/* One request id has one verdict for ever, and the model knows why (G3). */
void world_check_verdict(const uint8_t id[MODEL_ID], Pledged__V1__Receipt *receipt,
                         Pledged__V1__Refusal *refusal);
/* What is told to be erased is erased, and of what came to nothing no record stays. (Of what no
 * entry says it is not known that it is over: an answer may be late, and the command under way.) */
void world_check_gone(const struct request_item *item, const Pledged__V1__Receipt *receipt,
                      const Pledged__V1__Refusal *refusal);
/* It shows what the model knows as of that entry. */
void world_check_pledge(const Pledged__V1__GetPledgeResponse *response);
/* What the worker finds in its box. */
void world_take_answers(void);

/* --- world_visit.c --- */

/* The oldest version of the operator's file that counts with some worker. */
uint64_t world_oldest_version(void);
/* `number`: of the client; `which`: of its connections. */
void world_hang_up(int number, int which);
void world_send_wired(int number);
void world_hear(int number, int which);

/* --- world_audit.c --- */

uint64_t world_durable_now(void); /* entries that the newest view shows */
void world_look_at_checkpoints(void);
/* A few things of those that happen between clients and the daemon, in any order. */
void world_run_wire(void);
void world_read_a_tier(void);
/* Somebody asks for a pledge, or the auditor for what auditors ask. */
void world_ask(void);

#endif
