/* SPDX-License-Identifier: Apache-2.0
 *
 * cosign: how checkpoints get the cosignatures of witnesses (C2SP tlog-witness), without the
 * network: which witness is asked for what and when, what its answer means, and when there are
 * enough of them (tlog-policy).
 *
 * Cosignatures are gathered for one checkpoint at a time, the target: all witnesses are asked for
 * it, and a newer one takes its place when the policy is content or nobody is left to answer. A
 * witness that fails is asked again after 1 s, then 2, 4, up to 60. What the policy is content with
 * is in DATA/checkpoint.cosigned before it is handed on, and is still known after a restart.
 *
 * No answer is believed: cosignatures are verified, sizes are compared with what was signed here. A
 * witness that says that it cosigned more than was ever signed here has seen a log that was rolled
 * back since: that is told, and whoever owns this stops signing. But a size carries no signature,
 * so it is put to the test like a failure: the witness is asked again, from what its cosignatures
 * prove; when it cosigns what was signed here, signing goes on.
 *
 * One thread. Failure modes: the file cannot be written (logged, tried again after a second and
 * with the next answer; what was published before stays). At the start: read (logged, gathered
 * anew), written again or put aside (IO, NO_SPACE: what was shown would get smaller).
 *
 * Previous hop: server/witness, server/notary (checkpoints). Next hop: server/proofs.
 */
#ifndef SERVER_COSIGN_H
#define SERVER_COSIGN_H

#include "common/clock.h"
#include "common/tlog.h"
#include "server/notary.h"
#include "server/store/io.h"

enum {
    /* Of one answer. */
    COSIGN_ANSWER_MAX = 64 << 10,
    COSIGN_TROUBLE_BYTES = 160,
};

/* --- what readers see; immutable, counted --- */

struct cosign_witness {
    const char *name; /* of the policy; lives as long as that */
    char vkey[PL_NOTE_KEY_MAX];
    uint64_t size;                      /* newest of ours that it cosigned; 0: none */
    uint64_t time_s;                    /* as it says */
    char trouble[COSIGN_TROUBLE_BYTES]; /* "": the last try worked */
};
struct cosign_report {
    _Atomic unsigned refs;
    struct signed_tree *tree; /* owns; newest that the policy is content with, NULL: none */
    /* What is shown as long as there is none: the one that will be it if the witnesses agree, so
     * that it is never followed by a smaller one. Owns; NULL: none was signed yet. */
    struct signed_tree *meanwhile;
    size_t count;
    struct cosign_witness witness[];
};
struct cosign_report *cosign_report_ref(struct cosign_report *report);
void cosign_report_unref(struct cosign_report *report); /* any thread; NULL is fine */

/* --- the policy --- */

struct cosign_policy {
    struct pl_arena arena;
    struct pl_policy policy;
};
/* CONFIG with "file:line: what" in `message` (at least 400 bytes): a policy that cannot be read,
 * names other logs than `vkey`, or no witness. */
PL_MUST_CHECK struct pl_status cosign_policy_load(const char *path, const char *vkey, char *message,
                                                  struct cosign_policy **ret);
void cosign_policy_free(struct cosign_policy *policy); /* NULL is fine */

/* --- the gathering --- */

struct cosign;

struct cosign_options {
    const struct pl_policy *policy; /* borrowed */
    struct io *io;
    struct pl_clock *clock;
    const char *data;        /* directory */
    const struct lock *lock; /* borrowed; of it. NULL: nobody takes its place */
    const char *vkey;        /* of the log */
    uint64_t size;           /* entries whose hashes can be read at the start */
    pl_merkle_read_fn read;  /* hashes up to what was signed */
    void *read_arg;
};
/* Reads what was cosigned before; what does not fit the log or the policy any more is put aside. */
PL_MUST_CHECK struct pl_status cosign_new(const struct cosign_options *options,
                                          struct cosign **ret);
void cosign_free(struct cosign *cosign); /* NULL is fine */
/* For a start without a policy, which shows what nobody cosigned: what was cosigned before is put
 * aside (checkpoint.cosigned.old), so that no later policy shows it again as the newest. */
PL_MUST_CHECK struct pl_status cosign_put_aside(struct io *io, const char *data);

/* A newer checkpoint was signed; takes the reference. */
void cosign_take(struct cosign *cosign, struct signed_tree *tree);

/* One request that is to be sent now. */
struct cosign_ask {
    size_t witness;
    const char *url; /* prefix, as the policy has it */
    struct pl_buf body;
};
/* False: there is nothing to ask now. The witness then counts as asked until cosign_answer. The
 * body is the caller's (pl_buf_fini). */
bool cosign_next(struct cosign *cosign, struct cosign_ask *ret);
/* When cosign_next may have something again by itself, in clock->mono_ns; INT64_MAX: only after a
 * call of something else. */
int64_t cosign_due_ns(const struct cosign *cosign);

struct cosign_answer {
    const char *failed; /* why there is none, for people; NULL: there is one */
    long status;        /* of HTTP */
    bool is_size;       /* its type is text/x.tlog.size */
    struct pl_slice body;
};
void cosign_answer(struct cosign *cosign, size_t witness, const struct cosign_answer *answer);

/* A reference to what readers should see, if that changed since the last call; else NULL. */
struct cosign_report *cosign_news(struct cosign *cosign);
/* A witness says that it cosigned more than what was signed here, and did not yet cosign that. */
bool cosign_rolled_back(const struct cosign *cosign);

#endif
