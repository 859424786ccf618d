/* SPDX-License-Identifier: Apache-2.0
 *
 * learn: what a later copy of a movement says that earlier ones did not. Banks tell one movement
 * several times, in notifications, statements and batches, and seldom all of it at once: whichever
 * comes first, the ledger has the same in the end. What the bank and the payer call it, the pledge
 * that it names, that it is a return or a batch, what was ordered, and who paid are added; what is
 * known stays. Of movements that look the same none is told apart by this. Private to
 * server/ledger.
 */
#ifndef LEDGER_LEARN_H
#define LEDGER_LEARN_H

#include "server/ledger/change.h"

/* What the record about who paid holds (Movement.detail_parts). */
enum { LEARN_NAME = 1, LEARN_ACCOUNT = 2, LEARN_WORDS = 4, LEARN_ALL_PARTS = 7 };

/* What of a copy is new. */
struct learn_news {
    uint8_t levels; /* bits: it can be known by these as well */
    uint8_t parts;  /* bits: of who paid */
    bool kind;
    bool instructed;
    bool batch; /* which entry of the bank it is a part of */
};

/* Parts of who paid that the movement's record holds; 0: it has none. One that does not say has all
 * of them. */
uint8_t learn_parts(const Pledged__V1__Movement *movement);
/* What `copy` says that `of` has not. `more`: what the same command knows movements by (NULL:
 * nothing). closed: who paid was erased, and is not told again. */
struct learn_news learn_news(const struct ledger *ledger, const struct pl_map *more,
                             const struct state_movement *of, const struct state_movement *copy,
                             bool closed);
bool learn_is_news(const struct learn_news *news);
/* Into the row alone, not into the maps, nor the record. */
void learn_take(struct state_movement *of, const struct state_movement *copy,
                const struct learn_news *news);

/* MovementLearned. */
PL_MUST_CHECK struct pl_status learn_check(const struct ledger *ledger,
                                           const Pledged__V1__Entry *entry);
void learn_apply(struct ledger *ledger, const Pledged__V1__Entry *entry);

/* Fills what `into` has not with what a copy said. Shares its texts. */
void learn_show(Pledged__V1__Movement *into, const Pledged__V1__Movement *copy);

#endif
