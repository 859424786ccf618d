/* SPDX-License-Identifier: Apache-2.0
 *
 * command: the one struct that crosses between a worker and the writer and back. Whoever holds it
 * owns it and its arena; the phase is asserted at each hand-over. If the connection dies meanwhile
 * the command still completes; the worker then drops the reply.
 *
 * Previous hop: server/service (fills it). Next hop: server/writer.
 */
#ifndef SERVER_COMMAND_H
#define SERVER_COMMAND_H

#include "common/arena.h"
#include "common/mailbox.h"
#include "server/ledger/ledger.h"
#include "server/ledger/query.h"
#include "server/limits.h"
#include "server/persons.h"

enum command_kind {
    COMMAND_EXECUTE,
    COMMAND_QUERY,
    COMMAND_RECORDS, /* a query that the registrar answers */
    COMMAND_ADOPT    /* main's own, on reload: who may do what from here on */
};
struct command;
/* Who may still act. A worker may hand over what it let in before the reload that it does not know
 * of yet: of that `may_act` says whether this reload lets it in as well. */
struct command_admission {
    uint64_t number; /* of the reload; 0: the start */
    bool (*may_act)(void *arg, const struct command *command);
    void *arg;
};

enum command_phase { COMMAND_FILLING, COMMAND_QUEUED, COMMAND_DECIDED, COMMAND_DONE };

/* One command of an Execute or ExecuteBatch request. */
struct command_item {
    const Pledged__V1__Command *msg; /* NULL: `refusal` was set by the worker already */
    struct pl_slice bytes;
    uint8_t digest[32];
    /* What the rules of today say against a command that older ones took: the answer, unless its
     * request id has one already. NULL: nothing. */
    Pledged__V1__Refusal *objection;
    /* Verdict, set by the writer: exactly one of the two, also where the arena has no room for one
     * (then it is nobody's, and must not be changed). */
    Pledged__V1__Receipt *receipt;
    Pledged__V1__Refusal *refusal;
    enum pl_code code; /* class of the refusal */
};

struct command {
    struct pl_mail mail; /* first member */
    enum command_phase phase;
    enum command_kind kind;
    struct pl_mailbox
        *home;     /* where the writer posts it back (no limit there: senders are bounded) */
    void *context; /* the worker's: its call; the writer never looks at it */
    struct pl_arena *arena;    /* owns request and reply; bounded */
    struct ledger_actor actor; /* strings in the arena */
    uint64_t admitted;         /* number of the reload by which its peer was last looked at */
    bool at_home;              /* the writer's turn is done by who takes from `home` */
    int64_t deadline_mono_ns;  /* 0: none. Past it and not yet decided: TIMEOUT, nothing happened */
    /* COMMAND_EXECUTE */
    struct command_item *item; /* in the arena */
    size_t item_count;
    size_t item_next; /* writer: first item not yet decided */
    bool only_packed; /* receipts will be packed and nothing else: what came of a command may stay
                         as its entry has it (pl_pack_ready) */
    /* the registrar's, while it passes through there */
    struct persons_row *row; /* in the arena; records that the one item commits to */
    size_t row_count;
    struct pl_mailbox *worker_home;
    struct command *next_private;
    /* COMMAND_QUERY, COMMAND_RECORDS; the response of several commands is made before them */
    query_fn query;
    const ProtobufCMessage *request;
    ProtobufCMessage *response; /* in the arena */
    /* COMMAND_ADOPT: borrowed by the writer from then on if the code is OK; what it had before
     * comes back here */
    struct ledger_start start;
    struct command_admission admission;
    int64_t clock_jump_limit_us;
    /* What became of it as a whole; for COMMAND_EXECUTE other than OK means that no item was
     * decided. */
    enum pl_code code;
    Pledged__V1__Refusal *refusal;
};

/* Somebody's import: it takes long enough that others should not have to wait for it. */
static inline bool command_is_long(const struct command *command)
{
    return command->item_count > LIMIT_SHORT_ITEMS;
}

#endif
