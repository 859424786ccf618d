/* SPDX-License-Identifier: Apache-2.0
 *
 * writer: the single writer. Takes commands from its inbox, decides and applies them one after
 * another, packs the entries of all that came into one batch, hands it to the store, and releases
 * view and replies when the store says durable.
 *
 * Thread: one at a time (server/helm). It needs no event loop: somebody calls writer_turn when the
 * inbox or the store has something, or when writer_next_wake_ns has come (server/helm; tests and
 * the simulator by hand).
 *
 * Happy path of a turn: store_dispatch (completions) -> expiry of due holds -> commands -> submit
 * if nothing is in flight. While batch N is being synced, batch N+1 fills: group commit
 * without a timer.
 *
 * Invariants:
 *  W1 no reply that shows or made an entry is posted before that entry is durable (G1, G7).
 *  W2 the view of a batch is published before its replies are posted (G7).
 *  W3 at most one batch is in flight; its bytes do not change until it resolves.
 *  W4 no command is decided twice for one request id (G3).
 *  W5 no entry gets into a batch that ledger_check, which replay and auditors ask, does not take.
 *
 * Failure modes: no room -> writes are refused NO_SPACE before anything is decided, reads go on,
 * heals by itself. UNKNOWN -> the same bytes again until it resolves. NO_SPACE or UNAVAILABLE of a
 * batch -> its commands are answered so, the state is rebuilt from the log. CONFLICT, FENCED,
 * CORRUPT -> writer_turn returns the status; the daemon stops. A decision that the check refuses
 * (W5) -> INTERNAL, nothing of it is recorded; if parts of it were in the state, that is rebuilt
 * from the log and what was not handed to the store yet is answered UNAVAILABLE. If it is about
 * what is due, the ledger is read-only from there on. No memory left in a request's own
 * arena -> TOO_BIG, and nothing is recorded; none for the state, a batch or a view to grow -> the
 * process ends by an assertion, as good as killed: nothing of it was told.
 *
 * Previous hop: server/service (through the inbox). Next hops: server/ledger, server/store, then
 * the worker's mailbox.
 */
#ifndef SERVER_WRITER_H
#define SERVER_WRITER_H

#include "common/bell.h"
#include "common/clock.h"
#include "common/mailbox.h"
#include "server/command.h"
#include "server/store/store.h"
#include "server/view.h"

struct writer;

/* Rebuilds the state from snapshot and log; the writer asks for it after a definite failure. */
typedef struct pl_status (*writer_rebuild_fn)(void *arg, struct ledger **ret);

struct writer_options {
    struct store *store;        /* borrowed; open, positioned at its head */
    struct ledger *ledger;      /* takes; the state at that head */
    struct pl_mailbox *inbox;   /* borrowed; commands arrive here */
    struct pl_slot *view_slots; /* borrowed; one a reader of views */
    size_t view_slot_count;
    struct pl_bell *const *view_bells; /* one a slot, rung behind it; NULL: none */
    struct pl_clock *clock;
    uint8_t writer_id[STORE_WRITER_BYTES];
    struct ledger_start start; /* borrowed until writer_free */
    int64_t clock_jump_limit_us;
    /* A batch became durable: its entries, and the time from handing it to the store to that. NULL:
     * nobody counts. */
    void (*on_durable)(void *arg, size_t entries, int64_t took_ns);
    /* A decision was not one that replay would take, and was not recorded. NULL: nobody counts. */
    void (*on_disagreement)(void *arg);
    void *told_arg;
    /* Not NULL: nothing is written, not even the first batch of an epoch, and commands are refused
     * with these words: a ledger that may not be the newest one must not go on. Borrowed. */
    const char *read_only;
    writer_rebuild_fn rebuild;
    void *rebuild_arg;
    size_t batch_bytes; /* that the store takes at most, more than LIMIT_BATCH_FILL_BYTES; 0: as the
                           limits say */
};

/* Writes the barrier batch of a new epoch with the start-up facts and waits for it (bounded by the
 * store); then the first view is in the slots. On failure the ledger is freed. */
PL_MUST_CHECK struct pl_status writer_new(const struct writer_options *options,
                                          struct writer **ret);
/* One turn. OK, or why the daemon must stop. Sets *ret_busy if there is more to do at once. */
PL_MUST_CHECK struct pl_status writer_turn(struct writer *writer, bool *ret_busy);
/* Monotonic time at which a turn is due although nothing arrives (hold expiry, resubmission, retry
 * of a full disk); INT64_MAX: none. */
int64_t writer_next_wake_ns(const struct writer *writer);
/* False: what was taken before waits for a batch to become durable, and the inbox waits behind it,
 * readable all the while; the store announces when it goes on. */
bool writer_wants_mail(const struct writer *writer);
/* Nothing waits here and nothing is in flight. */
bool writer_at_rest(const struct writer *writer);
/* A command that did not come through the inbox, for the next turn. The writer is at rest. */
void writer_hand(struct writer *writer, struct command *command);
/* The same, and nothing is on its way here. */
bool writer_idle(const struct writer *writer);
void writer_free(struct writer *writer); /* idle, or the process ends anyway */

/* For tests and the simulator: the state the writer decides on. */
const struct ledger *writer_ledger(const struct writer *writer);

#endif
