/* SPDX-License-Identifier: Apache-2.0
 *
 * pledge: what hold, submit and change of tier have in common: which tier is meant, whether a slot
 * may be taken, which amount fits. Private to server/ledger.
 */
#ifndef LEDGER_PLEDGE_H
#define LEDGER_PLEDGE_H

#include "server/ledger/change.h"

/* The tier meant by code or alias in this catalogue; refuses and returns NULL if none. (What a
 * pledge changes to is an offer of its own catalogue.) */
const struct state_tier *pledge_tier_in(struct maker *maker, uint32_t catalogue, const char *text,
                                        const char *field);
/* May the contributor take a slot of this tier? `own`: a pledge whose slot does not count (it is
 * given back in the same step), or STATE_NONE. Refuses and returns false if not. */
bool pledge_slot_free(struct maker *maker, const struct state_tier *tier, uint32_t contributor,
                      uint32_t own, const char *field);
/* What these offers say of the tier; NULL: they do not have it. */
const Pledged__V1__Tier *pledge_offer(const struct catalogue *offers,
                                      const struct state_tier *tier);
/* The amount for a slot of the tier: the given one, or what these offers, which have it, ask.
 * Refuses and returns false. */
bool pledge_amount(struct maker *maker, const struct state_tier *tier,
                   const struct catalogue *offers, const Pledged__V1__Money *given,
                   const char *field, int64_t *ret_minor, int *ret_currency);
/* The pledge by id, in one of the stages (mask of 1 << stage); refuses and returns NULL. What is
 * refused after this belongs to its history. */
const struct state_pledge *pledge_find(struct maker *maker, const char *id, const char *field,
                                       unsigned stages);
/* Balance and stage of the receipt. */
void pledge_receipt(struct maker *maker, const char *id, const char *contributor,
                    Pledged__V1__Stage stage, int64_t amount, int64_t allocated, int currency);
static inline uint32_t pledge_index(const struct maker *maker, const struct state_pledge *pledge)
{
    return (uint32_t)(pledge - maker->ledger->pledge);
}
/* The newest version of the tier's offers. */
static inline const struct catalogue *pledge_offers(const struct maker *maker,
                                                    const struct state_tier *tier)
{
    return maker->ledger->catalogue[tier->catalogue].current;
}
static inline const Pledged__V1__Catalogue *pledge_catalogue(const struct maker *maker,
                                                             const struct state_tier *tier)
{
    return pledge_offers(maker, tier)->msg;
}

#endif
