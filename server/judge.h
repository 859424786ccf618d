/* SPDX-License-Identifier: Apache-2.0
 *
 * judge: what can be said of a command without the ledger's state, before the writer has it: may
 * the role give it, is it too large, has it the form that the rules want, do the records that it
 * commits to come with it, is a checkpoint that it names one of this ledger. Any thread that owns
 * the command; refusals live in its arena.
 *
 * Previous hop: server/service. Next hop: server/writer (its inbox).
 */
#ifndef SERVER_JUDGE_H
#define SERVER_JUDGE_H

#include "server/command.h"

struct proofs;

struct judge {
    Pledged__V1__Role role;
    struct proofs *proofs; /* borrowed; NULL: nothing is signed here, and no checkpoint is known */
    struct pl_arena *arena;
};

/* Fills the item: its digest and item->msg if it may go on (perhaps with an objection, which only
 * counts if nobody had an answer before), else what is wrong. `bytes`: the command as it came, kept
 * by reference. `with_records`: its records come beside it, for judge_records. */
void judge_item(const struct judge *judge, struct command_item *item,
                const Pledged__V1__Command *msg, struct pl_slice bytes, bool with_records);

/* The records beside the command's only item, which may go on; they become its rows. NULL: fine.
 * What older daemons took and this one does not is an objection: their command may be asked again,
 * and they are not kept once more. */
Pledged__V1__Refusal *judge_records(const Pledged__V1__ExecutePrivateRequest *request,
                                    struct command *command);

/* Never NULL: what is wrong is refused also when there is no room to say why (ledger_too_large).
 * Field and message are borrowed. */
Pledged__V1__Refusal *judge_refusal(struct pl_arena *arena, Pledged__V1__Reason reason,
                                    const char *field, const char *message);

#endif
