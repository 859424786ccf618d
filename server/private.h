/* SPDX-License-Identifier: Apache-2.0
 *
 * private: judges the records that travel beside a command (ExecutePrivate): each commitment that
 * the command names has its record, no record is left over, each one fits its commitment and is of
 * the form that the command wants. Pure; any thread. Failure: a refusal that names the field, never
 * the record's content, or ledger_too_large.
 */
#ifndef SERVER_PRIVATE_H
#define SERVER_PRIVATE_H

#include "common/arena.h"
#include "pledged/v1/service.pb-c.h"
#include "server/persons.h"

enum { PRIVATE_RECORDS_MAX = 10000, PRIVATE_READ_MAX = 256 };

/* How many commitments the command names, and so how many records must come with it. */
size_t private_commitments(const Pledged__V1__Command *command);
/* May its facts erase records? */
bool private_may_erase(const Pledged__V1__Command *command);
/* NULL: fine, and *ret are the rows, in the arena. `rules`: the version that judges what stands in
 * a record (LEDGER_RULES now): older daemons took more. */
Pledged__V1__Refusal *private_read(uint32_t rules,
                                   const Pledged__V1__ExecutePrivateRequest *request,
                                   struct pl_arena *arena, struct persons_row **ret,
                                   size_t *ret_count);

#endif
