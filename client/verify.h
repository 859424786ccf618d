/* SPDX-License-Identifier: Apache-2.0
 *
 * verify: the four verdicts on a ledger that somebody handed over, from files and public keys
 * alone. Nothing in the files is believed: every entry is hashed again, the root is compared with
 * the one that the key signed, and the rules are replayed. A dump, a mirror directory, or one
 * proof.
 *
 * Hashing takes all processors; this thread reads, follows the tree and replays. Memory: the state
 * of the ledger and a fixed number of blocks.
 *
 * Failure modes: NO_INPUT, IO, INVALID (the file is none of the three). Everything else is a
 * verdict.
 */
#ifndef CLIENT_VERIFY_H
#define CLIENT_VERIFY_H

#include "client/verify_report.h"
#include "client/verify_source.h"

/* Called now and then with how far it is; whole 0: nobody knows. */
typedef void (*verify_progress_fn)(void *arg, uint64_t done, uint64_t whole);
/* Every entry, in order, as soon as it was read: for sampling. The entry is NULL where the bytes
 * are none. */
typedef struct pl_status (*verify_entry_fn)(void *arg, uint64_t seq,
                                            const struct verify_entry *entry,
                                            struct pl_slice bytes);

struct verify_options {
    const char *path;               /* file, directory, or "-" */
    const char *keys;               /* verifier keys, one a line */
    const char *since;              /* text of a checkpoint that was kept; NULL: none */
    bool quick;                     /* the rules are not replayed */
    size_t threads;                 /* 0: one a processor */
    verify_progress_fn on_progress; /* NULL: nobody looks */
    verify_entry_fn on_entry;       /* NULL: nobody wants them */
    void *arg;
};

PL_MUST_CHECK struct pl_status verify_run(const struct verify_options *options,
                                          struct verify_report *ret);

#endif
