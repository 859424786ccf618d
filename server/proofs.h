/* SPDX-License-Identifier: Apache-2.0
 *
 * proofs: what a worker tells of the signed tree: the newest checkpoint, proofs that an entry is in
 * it and that it extends an older one, and the proofs that receipts carry (Command.want_proof).
 *
 * Who needs a checkpoint that is not there yet waits here, at most LIMIT_PROOF_WAIT_MS: the notary
 * is asked for one, and all who wait then go on with the same one. A receipt never depends on its
 * proof: when the time is over it leaves without.
 *
 * Thread: one a worker, on its event base. Every proof is checked before it leaves.
 *
 * Previous hops: server/net/rpc, server/service (receipts). Next hop: server/notary, or back out.
 */
#ifndef SERVER_PROOFS_H
#define SERVER_PROOFS_H

#include "server/command.h"
#include "server/net/net.h"
#include "server/notary.h"
#include "server/witness.h"

struct event_base;
struct proofs;
struct service;

struct proofs_options {
    struct event_base *base;        /* borrowed */
    struct notary *notary;          /* borrowed */
    struct witness_thread *witness; /* borrowed; NULL: there are none */
    size_t reader;                  /* this worker's number there */
    struct store *store;            /* borrowed; only its reader_open is used */
    struct pl_clock *clock;
};
PL_MUST_CHECK struct pl_status proofs_new(const struct proofs_options *options,
                                          struct proofs **ret);
void proofs_free(struct proofs *proofs); /* nobody waits any more; NULL is fine */

extern const struct net_method proofs_methods[]; /* their `user` is a struct service */
extern const size_t proofs_method_count;

/* The newest checkpoint; borrowed until the next call of any of these functions. NULL: none. */
const struct signed_tree *proofs_newest(struct proofs *proofs);
/* What witnesses did so far; borrowed like that. NULL: there are none. */
const struct cosign_report *proofs_report(struct proofs *proofs);
/* What is shown to who asks for a checkpoint: the newest one that the witnesses cosigned, without
 * such the one that they are asked about, without witnesses the newest one. So its size never goes
 * back, over starts and changes of the policy either: a monitor would take that for entries that
 * were taken away, though tlog-tiles does not forbid it. Borrowed like that. NULL: none. */
const struct signed_tree *proofs_served(struct proofs *proofs);

/* Somebody who waits. Borrowed until `go_on`, which runs once: at once, within proofs_wait, or
 * later. `covered`: the newest checkpoint covers `size` entries. */
struct proofs_wait {
    uint64_t size;
    void (*go_on)(void *arg, bool covered);
    void *arg;
    /* of proofs */
    struct proofs_wait *next;
    int64_t until_ns;
};
void proofs_wait(struct proofs *proofs, struct proofs_wait *wait);
/* For tests and the simulator, which end at once where a worker waits until it is idle: whoever
 * waits goes on now, covered or not. */
void proofs_give_up(struct proofs *proofs);
bool proofs_idle(const struct proofs *proofs); /* nobody waits */

/* Entries that a checkpoint must cover before all proofs that a decided command asks for can be
 * made; 0: it asks for none. */
uint64_t proofs_wanted(const struct command *command);
/* Puts into receipts what they asked for, as far as the newest checkpoint covers them and the
 * answer stays below LIMIT_PROOF_ANSWER_BYTES. */
void proofs_attach(struct proofs *proofs, struct command *command);

/* What is under the newest checkpoint, for tiles. */
PL_MUST_CHECK struct pl_status proofs_hashes(struct proofs *proofs, unsigned level, uint64_t first,
                                             size_t count, struct pl_merkle_hash *ret);
/* Root of the first `size` entries. NOT_FOUND: the newest checkpoint does not cover them. */
PL_MUST_CHECK struct pl_status proofs_root(struct proofs *proofs, uint64_t size,
                                           struct pl_merkle_hash *ret);
PL_MUST_CHECK struct pl_status proofs_entries(struct proofs *proofs, uint64_t from_seq,
                                              uint64_t to_seq, store_entry_fn fn, void *arg);

#endif
