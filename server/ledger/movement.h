/* SPDX-License-Identifier: Apache-2.0
 *
 * movement: what makes two movements of a bank account the same. Private to server/ledger.
 *
 * A movement has a key for everything that it can be known by (enum state_level). Two are the same
 * if the keys of the surest level that both have are equal. True twins exist: equal keys are told
 * apart by an occurrence number, counted within a statement.
 */
#ifndef LEDGER_MOVEMENT_H
#define LEDGER_MOVEMENT_H

#include "server/ledger/change.h"

/* Fills key, batch_key, levels, kind, dates and instructed amount of a row. `account` and
 * `currency` are those of the statement. */
void movement_fill(struct state_movement *row, const Pledged__V1__Movement *movement,
                   const char *account, const char *currency);
/* The key under which a row stands in the map: with its occurrence. */
void movement_map_key(const uint8_t key[16], uint32_t occurrence, uint8_t out[16]);
/* The first occurrence under which no row stands, in either map (more NULL: there is one only). */
uint32_t movement_free_place(const struct pl_map *rows, const struct pl_map *more,
                             const uint8_t key[16]);
/* Into the maps; the row is in ledger->movement already. */
void movement_register(struct ledger *ledger, uint32_t index);
/* Key of a statement: account, id, sequence, kind and year. */
void movement_statement_key(const char *account, const char *id, uint64_t sequence, int kind,
                            const char *created, uint8_t out[16]);
/* Is the row the sum of the bank's entry that this batch key is of? Else it is one of its details,
 * as it came, or as a copy said. */
bool movement_is_sum(const struct state_movement *row, const uint8_t batch_key[16]);
/* A row that is in the maps has these levels (bits) now, and perhaps a part_key. */
void movement_register_more(struct ledger *ledger, uint32_t index, uint8_t levels);
/* Index of a statement; STATE_NONE: there is none. */
uint32_t movement_statement(const struct ledger *ledger, const char *id);
/* What a bank tells of a movement, in itself. */
PL_MUST_CHECK struct pl_status movement_check_told(const struct ledger *ledger,
                                                   const Pledged__V1__Movement *movement);
/* The sum of an entry (its id; empty: none) gives way to this row, one of its details. */
void movement_split(struct ledger *ledger, const char *id, struct state_movement *row);
/* May details take the place of this entry's sum? */
bool movement_may_be_split(const struct ledger *ledger, const struct state_bank_entry *entry);

/* Facts 73 to 77. */
PL_MUST_CHECK struct pl_status movement_check(const struct ledger *ledger,
                                              const Pledged__V1__Entry *entry);
void movement_apply(struct ledger *ledger, const Pledged__V1__Entry *entry);

/* Pledge (index) that a reference names; STATE_NONE: none of this ledger. */
uint32_t movement_meant(const struct ledger *ledger, const char *reference);

#endif
