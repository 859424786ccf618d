/* SPDX-License-Identifier: Apache-2.0
 *
 * witness: a thread that asks the witnesses of the policy to cosign what the notary signed (POST
 * URL/add-checkpoint, C2SP tlog-witness), all at the same time, by libcurl.
 *
 * It reads the notary's checkpoints as one more reader of them, and never makes anybody wait: what
 * witnesses are slow with, or down, shows in the report alone. Bounded: 10 s a request, 64 KiB an
 * answer, no redirects, http and https only.
 *
 * Failure modes: those of witnesses (told in the report and once in the log). When one of them
 * says that it cosigned more than was signed here, the notary is told to stop signing until it
 * cosigned what was.
 *
 * Previous hop: server/notary. Next hops: the witnesses; server/proofs (reports).
 */
#ifndef SERVER_WITNESS_H
#define SERVER_WITNESS_H

#include "server/cosign.h"

struct witness_thread;

struct witness_options {
    const struct pl_policy *policy; /* borrowed */
    struct notary *notary;          /* borrowed; its keys and tree */
    size_t notary_reader;           /* our number there: the last one, who hears first */
    struct io *io;
    struct pl_clock *clock;
    const char *data;        /* directory */
    const struct lock *lock; /* borrowed; of it */
    const char *ca_file;     /* that https is checked with; NULL: the system's */
    size_t readers;          /* of reports */
};
/* Before the notary is started. Knows what was cosigned before at once; starts no thread. */
PL_MUST_CHECK struct pl_status witness_new(const struct witness_options *options,
                                           struct witness_thread **ret);
PL_MUST_CHECK struct pl_status witness_start(struct witness_thread *witness);
void witness_stop(struct witness_thread *witness); /* ends the thread; NULL is fine */
void witness_free(struct witness_thread *witness); /* NULL is fine */
/* The newest struct cosign_report, of which the reader gets a reference. */
struct pl_slot *witness_slot(struct witness_thread *witness, size_t reader);

#endif
