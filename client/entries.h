/* SPDX-License-Identifier: Apache-2.0
 *
 * entries: entries of the ledger as rows: who did what when, under which request id. The same
 * columns serve `history` and `dump --as csv`.
 */
#ifndef CLIENT_ENTRIES_H
#define CLIENT_ENTRIES_H

#include "client/output.h"
#include "pledged/v1/entry.pb-c.h"

void entries_init(struct sheet *sheet, struct pl_arena *arena);
/* The entry must live as long as the sheet. */
void entries_add(struct sheet *sheet, const Pledged__V1__Entry *entry);
/* The fact as a message, or NULL if this release does not know it. */
const ProtobufCMessage *entries_fact(const Pledged__V1__Entry *entry);
/* One line of JSON, the command in it unpacked: {"seq", "time" (RFC 3339), "time_us", "person",
 * "request_id" (UUID or null), "entry" (ProtoJSON of the Entry), "command" (ProtoJSON of the
 * Command in it, or null)}. The arena is scratch. */
PL_MUST_CHECK struct pl_status entries_print_line(const Pledged__V1__Entry *entry,
                                                  struct pl_arena *arena, struct pl_buf *out);
/* Number of the pledge that the entry is about; 0: none. */
uint64_t entries_pledge(const Pledged__V1__Entry *entry);
/* The amount that the fact names, or NULL. Borrowed from the entry. */
const Pledged__V1__Money *entries_amount(const Pledged__V1__Entry *entry);

#endif
