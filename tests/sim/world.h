/* SPDX-License-Identifier: Apache-2.0
 *
 * world: one run: a machine with the daemon on it, a network, clients, a clock, and everything that
 * can go wrong, all from one seed; checked against the model after every step.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/disk.h"

enum canary {
    CANARY_NONE,
    CANARY_SYNC,  /* the disk says synced and is not */
    CANARY_TWICE, /* the network changes the request id of what it delivers again */
    CANARY_CLOCK, /* the wall clock runs ahead and nobody says so to the model */
};

enum world_event {
    WORLD_STARTS,
    WORLD_KILLS,
    WORLD_POWER_LOSSES,
    WORLD_STOPS,
    WORLD_START_FAILED, /* words, not damage; it worked later */
    WORLD_CORRUPT,      /* damage was found, by the daemon or by a reader */
    WORLD_UNSEEN,       /* the disk lost the end of the log: only a checkpoint tells */
    WORLD_ROLL_BACKS,   /* of the writer, after a definite failure */
    WORLD_SNAPSHOTS,
    WORLD_JUMPS,
    WORLD_CLOCK_REFUSED,
    WORLD_ENGINE, /* appends that failed, or whose outcome was not told */
    WORLD_AWAY,   /* the data directory had another name for a while */
    WORLD_FULL,
    WORLD_REQUESTS,
    WORLD_RETRIES,
    WORLD_DROPPED,
    WORLD_DUPLICATED,
    WORLD_VANISHED,
    WORLD_VERDICTS,
    WORLD_REPLAYS,
    WORLD_REFUSED_WHOLE,
    WORLD_READS,
    WORLD_QUERIES,
    WORLD_EXPIRED,
    WORLD_ENTRIES,
    WORLD_CONNECTIONS, /* of seeds whose clients come by connections */
    WORLD_BROKEN,      /* connections that the network broke */
    WORLD_HUNG_UP,     /* by a client, in the middle of a call */
    WORLD_PIECES,      /* of streams that arrived */
    WORLD_EDITS,       /* of the operator's file, each with a reload */
    WORLD_RELOADS,     /* that came to their end */
    WORLD_TURNED_AWAY, /* requests of people who may not, or may not any more */
    WORLD_STREAMS,     /* of watchers */
    WORLD_RESUMED,     /* of these, from where another one ended */
    WORLD_WATCHED,     /* entries that they saw */
    WORLD_HEARTBEATS,
    WORLD_GRPC, /* answers that came whole */
    WORLD_WEB,
    WORLD_CONNECT,
    WORLD_LINE, /* of these, by HTTP/1.1 */
    WORLD_JSON,
    WORLD_JSON_STREAMS, /* of these, to their end */
    WORLD_GET,
    WORLD_TEXT,        /* of those by gRPC-Web */
    WORLD_CHECKPOINTS, /* that the notary signed */
    WORLD_AUDITS,      /* answers to an auditor's connection: a pledge, a piece of the log */
    WORLD_PROOFS,      /* of these: what was signed, and that something is in it */
    WORLD_FILES,       /* that a mirror got or rightly did not */
    WORLD_HELM,        /* commands that a worker saw to itself */
    WORLD_HELM_BUSY,   /* and that it left to the writer's thread when it had tried */
    WORLD_HELM_CUT,    /* the process ended while a worker was at the helm */
    WORLD_RECORDS,     /* of persons, that clients brought */
    WORLD_ERASED,
    WORLD_ASKED,    /* witnesses, for a cosignature */
    WORLD_REFUSED,  /* by them, or by the network */
    WORLD_COSIGNED, /* checkpoints that were shown */
    WORLD_FED,      /* brought to a witness by somebody else */
    WORLD_SILENCED, /* lives in which a witness knew more than was signed */
    WORLD_EVENTS
};
extern const char *const world_event_name[WORLD_EVENTS];

struct world_report {
    uint64_t seeds, steps, calls;
    uint64_t event[WORLD_EVENTS];
    uint64_t fault[DISK_FAULTS];
};

/* Runs one seed to its end. False: a guarantee did not hold; *ret_what says which (borrowed until
 * the next run). *ret_trail is a hash of all that happened, for comparing runs. */
bool world_run(uint64_t seed, enum canary canary, bool trace, struct world_report *report,
               const char **ret_what, uint64_t *ret_trail);

#endif
