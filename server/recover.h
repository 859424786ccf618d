/* SPDX-License-Identifier: Apache-2.0
 *
 * recover: from the files of a data directory to an open store and the state at its head: newest
 * snapshot that the log vouches for, then the batches since. Used by the daemon, fsck and snapshot.
 *
 * Every entry is checked (ledger_check) before it is applied: a log that breaks the rules is
 * CORRUPT, named by its seq, never an assertion.
 *
 * Thread: whoever owns the store; recover_state is the writer's. A long log is read on one thread
 * and applied on another, which is gone when the call returns. Store and ledger that are handed out
 * are the caller's to close and to free; after a failure there are none.
 */
#ifndef SERVER_RECOVER_H
#define SERVER_RECOVER_H

#include "server/config.h"
#include "server/ledger/ledger.h"
#include "server/store/snapshot.h"
#include "server/store/store.h"

struct recover_report {
    uint64_t snapshot_seq; /* 0: none was used */
    uint64_t snapshot_batch;
    uint64_t replayed; /* entries applied from the log */
    uint64_t batches;  /* number of the last batch */
    uint64_t torn_bytes;
    char torn_kept_in[128];
    char message[400]; /* for people, when it fails */
};

struct recover_options {
    const char *data; /* data directory */
    uint8_t ledger_id[16];
    uint64_t segment_bytes;
    bool read_only;
    bool ignore_snapshots; /* fsck: replay all of it */
    bool alone;            /* on the calling thread, however long the log is */
};

/* Opens the store of the directory. */
PL_MUST_CHECK struct pl_status recover_open(const struct recover_options *options,
                                            struct recover_report *ret_report,
                                            struct store **ret_store, struct ledger **ret_ledger);
/* The state at the head of a store that is open already (after a definite failure to append). */
PL_MUST_CHECK struct pl_status recover_state(const struct recover_options *options,
                                             struct store *store, struct recover_report *ret_report,
                                             struct ledger **ret_ledger);
/* A snapshot of the state, which is the one at the store's head, in DATA/snapshot; `keep` of them
 * stay. NOT_FOUND if the ledger is empty. */
PL_MUST_CHECK struct pl_status recover_save(const struct recover_options *options,
                                            struct store *store, const struct ledger *ledger,
                                            size_t keep, struct snapshot_meta *ret_meta);
/* Replays one store from batch `from` on into a ledger. */
PL_MUST_CHECK struct pl_status recover_replay(struct store *store, uint64_t from,
                                              struct ledger *ledger, struct recover_report *report);

/* What a program ends with that cannot go on with this data directory: the code's own, or, where a
 * newer version wrote it (UNIMPLEMENTED), what no restart will mend: 78. */
int recover_exit(enum pl_code code);

#endif
