/* SPDX-License-Identifier: Apache-2.0
 *
 * replay: batches of the log into a ledger, each entry checked before it is applied. The caller
 * reads, verifies and unpacks; where the log is long, a second thread checks and applies what is
 * unpacked, so that both processors have work. What comes out does not depend on that.
 *
 * The ledger belongs to the second thread between the first batch and replay_finish.
 */
#ifndef SERVER_REPLAY_H
#define SERVER_REPLAY_H

#include "server/ledger/ledger.h"
#include "server/store/store.h"

enum { REPLAY_ALONE_ENTRIES = 4096 };

struct replay_options {
    uint64_t vouched_batch; /* what a snapshot is of: passed over up to there; 0: nothing is */
    uint8_t vouched_hash[STORE_HASH_BYTES]; /* and must be this batch */
    bool alone; /* one thread, however long the log; else a second one after so many entries */
};
struct replay_report {
    uint64_t replayed; /* entries applied */
    uint64_t batches;  /* number of the last batch */
    char message[400]; /* for people: what is wrong with the log; "" if nothing */
};

struct replay;
/* Borrows the ledger until replay_finish. */
struct replay *replay_new(struct ledger *ledger, const struct replay_options *options);
/* Batches in order, from the vouched one on or from the first. A batch that is not good is told by
 * replay_finish; what comes after it is passed over. Ready to be a store_batch_fn: always OK. */
PL_MUST_CHECK struct pl_status replay_batch(void *replay, const struct store_batch *batch);
/* Ends and frees. CORRUPT: an entry does not follow, or a batch does not add up (the report names
 * it). UNIMPLEMENTED: an entry is of a kind, or has a field or the number of an enum, that only a
 * newer version knows. STALE: the vouched batch was another one, or did not come; the ledger is of
 * no use then. */
PL_MUST_CHECK struct pl_status replay_finish(struct replay *replay, struct replay_report *ret);

#endif
