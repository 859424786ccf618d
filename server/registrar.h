/* SPDX-License-Identifier: Apache-2.0
 *
 * registrar: the thread that owns the file of persons (server/persons). Commands that bring records
 * or erase them pass through it on their way to the writer and on their way back:
 *
 *   worker -> registrar (rows on the disk, pending) -> writer (decided, durable)
 *          -> registrar (rows stay, or go; erased ones go) -> worker
 *
 * So a record is on the disk before an entry commits to it, no refused command leaves a record, and
 * who gets the receipt of an erasure may rely on it: the bytes are gone.
 *
 * Failure modes: the file cannot be written -> the command is refused before it is decided
 * (UNAVAILABLE, NO_SPACE); the writer takes no more -> BUSY, without a Refusal, and the rows go; an
 * erasure that is in the ledger but not done yet (the file is busy) is done again and again until
 * it works, and at every start. A crash anywhere is put right by persons_reconcile.
 *
 * Previous hop: server/service, or the writer. Next hop: the writer's inbox, or the worker's home.
 */
#ifndef SERVER_REGISTRAR_H
#define SERVER_REGISTRAR_H

#include "server/command.h"
#include "server/persons.h"

struct registrar;

struct registrar_options {
    const char *data;            /* directory; persons.db is in it */
    const struct ledger *ledger; /* what the file is brought in line with; only during the call */
    enum persons_unnamed unnamed;
    struct pl_mailbox *writer; /* borrowed; the writer's inbox */
    size_t inbox_limit;
};
/* Opens the file, brings it in line with the ledger, starts the thread. */
PL_MUST_CHECK struct pl_status registrar_new(const struct registrar_options *options,
                                             struct registrar **ret);
/* Commands that go this way: those with rows, those that may erase, COMMAND_RECORDS. Any thread.
 * False: too many wait, or the daemon ends; the caller keeps the command. */
PL_MUST_CHECK bool registrar_post(struct registrar *registrar, struct command *command);
/* False: a post would be refused now. Approximate, any thread. */
bool registrar_has_room(const struct registrar *registrar);
/* The writer must still be running, the workers have ended. NULL is fine. */
void registrar_free(struct registrar *registrar);

#endif
