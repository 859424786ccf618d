/* SPDX-License-Identifier: Apache-2.0
 *
 * notary: a thread that follows the durable log, hashes every entry into the tree (server/tree),
 * and signs how far it has come: checkpoints (C2SP tlog-checkpoint), told to every worker.
 *
 * It learns of new entries as a reader of views does, by the newest one in a slot and a bell, and
 * so never makes the writer wait. It signs when the log grew, at most once in `interval_ms`; at
 * once when somebody waits for a checkpoint (notary_want), and then all who wait at that moment get
 * the same one.
 *
 * Never fork: what was signed is on the disk before it leaves, in DATA/checkpoint and beside the
 * key (KEYFILE.signed: a restored data directory does not take that memory with it). At the start
 * the log is compared with both. If it is shorter, or another one, the notary stays silent and the
 * daemon must stay read-only (notary_why_read_only). A key that cannot be read means no
 * checkpoints, but no danger. In operation nothing is signed that does not extend what was signed
 * before.
 *
 * Failure modes: the tree's files cannot be written, or a checkpoint cannot: logged once, tried
 * again each second; writes go on. Who waits for a proof has a time limit of its own.
 *
 * Previous hop: server/writer (views), server/store (entries). Next hop: server/proofs.
 */
#ifndef SERVER_NOTARY_H
#define SERVER_NOTARY_H

#include "common/bell.h"
#include "common/clock.h"
#include "common/mailbox.h"
#include "common/tlog.h"
#include "server/store/io.h"
#include "server/store/store.h"
#include "server/tree.h"

/* A published checkpoint; immutable, counted. */
struct signed_tree {
    _Atomic unsigned refs;
    struct pl_checkpoint checkpoint;
    int64_t time_us; /* when it was signed */
    size_t len;      /* of the note */
    char note[];     /* signed; with a NUL */
};
/* Copies both; the caller's reference is the first. No memory: the process ends. */
struct signed_tree *signed_tree_new(const struct pl_checkpoint *checkpoint, struct pl_slice note,
                                    int64_t time_us);
struct signed_tree *signed_tree_ref(struct signed_tree *tree);
void signed_tree_unref(struct signed_tree *tree); /* any thread; NULL is fine */

struct notary;

struct notary_options {
    struct io *io;
    struct pl_clock *clock;
    const char *data;         /* directory */
    const char *origin;       /* the name of the log, and of its keys */
    const char *vkey;         /* what DATA/ledger.vkey says */
    const char *key_file;     /* secret key that signs */
    const char *old_key_file; /* signs too, while the world learns the new one; NULL: none */
    const char *memory_file;  /* what was signed, apart from `data`; NULL: KEYFILE.signed */
    struct store *store;      /* borrowed; only its reader_open is used */
    uint64_t size;            /* durable entries at the start */
    struct pl_slot *views;    /* borrowed; where the writer puts views for the notary */
    struct pl_bell *bell;     /* borrowed; what it rings behind them */
    const struct lock *lock;  /* borrowed; of `data`. NULL: nobody takes its place */
    unsigned interval_ms;
    size_t readers; /* of checkpoints */
};

/* Catches up with the log and compares it with what was signed; starts no thread. Everything
 * borrowed in the options stays until notary_free. `message`: at least 400 bytes, for people. */
PL_MUST_CHECK struct pl_status notary_new(const struct notary_options *options, char *message,
                                          struct notary **ret);
/* Not NULL: the log is not what was signed. Valid until notary_free. */
const char *notary_why_read_only(const struct notary *notary);
/* The verifier key of what signs now. */
const char *notary_vkey(const struct notary *notary);
/* `silent`: hash, but sign nothing: a ledger that may not be the newest one. */
PL_MUST_CHECK struct pl_status notary_start(struct notary *notary, bool silent);
/* Ends the thread, if there is one; the tree is synced. */
void notary_stop(struct notary *notary);
/* Nobody uses it any more. NULL is fine. */
void notary_free(struct notary *notary);

/* --- for readers (each has a number), any thread --- */

/* The newest checkpoint, of which the reader gets a reference; its bell is rung behind it. The last
 * reader has each before any other. */
struct pl_slot *notary_slot(struct notary *notary, size_t reader);
struct pl_bell *notary_bell(struct notary *notary, size_t reader);
/* Somebody waits for a checkpoint over all that is durable now. */
void notary_want(struct notary *notary);
/* False: there will be none before somebody repaired something, or takes back a doubt. */
bool notary_signs(const struct notary *notary);
/* Signs nothing as long as somebody may know better. */
void notary_silence(struct notary *notary, bool silent);
/* For proofs up to the size of a checkpoint that was published. */
struct tree *notary_tree(struct notary *notary);

/* --- for tests: one turn of the thread, by hand --- */
PL_MUST_CHECK struct pl_status notary_turn(struct notary *notary);

#endif
