/* SPDX-License-Identifier: Apache-2.0
 *
 * process: the daemon as one process of the simulated machine: the real recovery, store, ledger
 * and writer on fibers. It boots, serves, ends in an orderly way, or is killed at any point.
 */
#ifndef SIM_PROCESS_H
#define SIM_PROCESS_H

#include "common/bell.h"
#include "common/clock.h"
#include "common/mailbox.h"
#include "server/command.h"
#include "server/recover.h"
#include "server/store/store.h"
#include "server/writer.h"

enum { PROCESS_WORKERS = 2, PROCESS_NOTARY = 1 + PROCESS_WORKERS, PROCESS_SLOTS };
#define PROCESS_JUMP_LIMIT_US  10000000LL
#define PROCESS_AHEAD_LIMIT_US (30 * 86400000000LL)
extern const uint8_t process_ledger_id[16];

enum process_state {
    PROCESS_DOWN,
    PROCESS_BOOTING,
    PROCESS_UP,
    PROCESS_ENDING, /* it waits until the world has let go of views and readers */
    PROCESS_FAILED, /* it gave up: `status` says why; its memory is still there */
    PROCESS_ENDED,  /* in an orderly way */
};

struct process {
    enum process_state state;
    struct pl_clock *clock;
    uint64_t segment_bytes;
    bool with_notary, with_registrar, with_witnesses; /* these not without a notary */
    uint32_t writer_number;                           /* another one at every start */
    struct config *config; /* owns; the operator's file, as it was when this life began */
    struct recover_report report;
    struct pl_status status;
    int exit_code; /* of _exit */
    int fiber;
    bool stop;     /* asked to end */
    bool closed;   /* and nobody may ask it for anything any more */
    bool released; /* the world holds nothing of its memory any more */
    /* its memory */
    struct store *store;
    struct ledger *ledger;
    struct writer *writer;
    struct helm *helm;     /* who does the writer's turns */
    unsigned errands;      /* workers that try to take it */
    struct notary *notary; /* NULL: none */
    struct cosign_policy *policy;
    struct witness_thread *witness; /* NULL: none */
    struct registrar *registrar;    /* NULL: none */
    unsigned records;               /* commands of the world that went there and are not back */
    struct pl_mailbox *inbox, *home;
    struct pl_slot slot[PROCESS_SLOTS];  /* views: for the world, for each worker, for the notary */
    struct pl_bell *bell[PROCESS_SLOTS]; /* the world's is NULL: it looks by itself */
    unsigned rebuilds;
    unsigned disagreements; /* decisions that the check refused */
    unsigned planned;       /* appends up to here have their fate */
};

void process_options(const struct process *process, bool read_only, struct recover_options *ret);
void process_start(struct process *process);
/* What it says before it calls _exit. */
void process_says(struct pl_status status);
/* Looks after it: did it call _exit? */
void process_look(struct process *process);
/* Views that nobody took, and what rings for them; the writer is gone. */
void process_drop_views(struct process *process);
/* It stops where it is; its memory and descriptors are taken back. */
void process_kill(struct process *process);

#endif
