/* SPDX-License-Identifier: Apache-2.0
 *
 * encode: the bytes of an entry, those that pl_pack_backward makes of it, written field by field
 * instead of by a table of fields: every entry is packed once, and most of what an entry may have
 * it has not. What only few entries have (other facts than a pledge, rare outcomes) still goes by
 * the table.
 *
 * Happy path: encode_entry writes it so that it ends where the room ends. Failure: NULL data, the
 * room is too small. Whoever adds a field to Entry, Actor, Outcome, Money, Count, Warning or
 * PledgeMade adds it here: the unit test sets every field there is, and compares. Pure, any thread.
 */
#ifndef LEDGER_ENCODE_H
#define LEDGER_ENCODE_H

#include "common/slice.h"
#include "pledged/v1/entry.pb-c.h"

/* *ret_outcome: where in it the value of Entry.outcome stands, for who wants it once more; NULL
 * data if it has none. */
struct pl_slice encode_entry(const Pledged__V1__Entry *entry, uint8_t *into, size_t room,
                             struct pl_slice *ret_outcome);

#endif
