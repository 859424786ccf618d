/* SPDX-License-Identifier: Apache-2.0
 *
 * witness: what a witness of transparency logs knows, checks and signs (C2SP tlog-witness and
 * tlog-cosignature v1), without the network: it answers the body of a POST /add-checkpoint.
 *
 * For each log that it was told to follow it remembers the largest checkpoint that it cosigned, in
 * DIR/<hex of SHA-256 of the origin>. A request is cosigned only if the log signed it and it
 * extends that one; what was cosigned is on the disk before the cosignature is handed out. So it
 * never goes back, also not after a crash. Two checkpoints of the same size with different roots,
 * both signed by the log, prove that the log shows different people different histories: the first
 * such pair is kept in DIR/<hex>.fork.
 *
 * One thread, one process a directory (a lock file). Failure modes: IO (the disk; a request then
 * gets 500 and nothing is cosigned), CORRUPT (a state file is damaged or another witness's:
 * starting with nothing in its place would be going back, so it does not start), BUSY (the
 * directory is in use).
 *
 * Previous hop: client/witness_http.
 */
#ifndef CLIENT_WITNESS_H
#define CLIENT_WITNESS_H

#include "common/buf.h"
#include "common/clock.h"
#include "common/note.h"
#include "common/slice.h"
#include "common/status.h"

enum {
    WITNESS_LOGS_MAX = 32,
    /* A request: 63 hashes and a checkpoint with its signatures have room many times over. */
    WITNESS_REQUEST_MAX = 64 << 10,
    WITNESS_ANSWER_MAX = 64 << 10,
    /* Of a checkpoint as it is kept. */
    WITNESS_NOTE_MAX = 32 << 10,
};

struct witness;

struct witness_options {
    const char *secret; /* of kind PL_NOTE_COSIGNATURE, without a newline */
    const struct pl_note_key *log;
    size_t log_count;
    const char *dir;        /* made if it is not there */
    struct pl_clock *clock; /* borrowed */
};

/* What the network layer sends. */
struct witness_answer {
    unsigned status;    /* of HTTP */
    const char *type;   /* of the content */
    struct pl_buf body; /* owns */
    /* What an operator wants to see; valid until the next call, NULL where the request did not get
     * as far. */
    const char *origin;
    uint64_t size;    /* that was asked for */
    const char *said; /* a word or two, literal */
    bool fork;        /* the log signed two histories */
};
void witness_answer_init(struct witness_answer *answer);
void witness_answer_fini(struct witness_answer *answer);

/* INVALID: no key of a witness, or no key of a log. */
PL_MUST_CHECK struct pl_status witness_open(const struct witness_options *options,
                                            struct witness **ret);
void witness_close(struct witness *witness); /* NULL is fine */
const struct pl_note_key *witness_key(const struct witness *witness);

/* Answers one request. The answer was initialised; nothing about it fails but memory. */
void witness_add(struct witness *witness, struct pl_slice request, struct witness_answer *ret);
/* GET /<hex>/checkpoint: the newest cosigned checkpoint of this log, for monitors. `hex` is what
 * stands in the path. */
void witness_show(struct witness *witness, struct pl_slice hex, struct witness_answer *ret);

#endif
