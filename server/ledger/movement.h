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
/* May details take the place of this entry's sum? */
bool movement_may_be_split(const struct ledger *ledger, const struct state_bank_entry *entry);

/* Facts 73 to 77. */
PL_MUST_CHECK struct pl_status movement_check(const struct ledger *ledger,
                                              const Pledged__V1__Entry *entry);
void movement_apply(struct ledger *ledger, const Pledged__V1__Entry *entry);

/* Pledge (index) that a reference names; STATE_NONE: none of this ledger. */
uint32_t movement_meant(const struct ledger *ledger, const char *reference);

#endif
