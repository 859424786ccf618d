/* SPDX-License-Identifier: Apache-2.0
 *
 * catalogue: one adopted version of the offers, immutable and counted, so that the ledger and the
 * views that workers read can share it without a lock.
 */
#ifndef LEDGER_CATALOGUE_H
#define LEDGER_CATALOGUE_H

#include <stdatomic.h>

#include "common/arena.h"
#include "common/status.h"
#include "pledged/v1/catalogue.pb-c.h"
#include "pledged/v1/types.pb-c.h"

struct catalogue {
    _Atomic uint32_t refs;
    struct pl_arena arena;
    const Pledged__V1__Catalogue *msg;
    struct pl_slice bytes; /* the exact Catalogue message */
    uint8_t sha256[32];    /* of those bytes */
    uint64_t adopted_seq;
    int32_t closes, event_ends; /* the last days, read once; INT32_MAX: there is no such end */
};

/* NULL if well formed; else the refusal (CATALOGUE_INVALID) whose field is the path of the first
 * wrong field, e.g. "adopt_catalogue.catalogue.tier[2].capacity". `rules`: the version that judges
 * (see LEDGER_RULES). Pure, any thread. */
Pledged__V1__Refusal *catalogue_validate(const Pledged__V1__Catalogue *catalogue, uint32_t rules,
                                         struct pl_arena *arena);
/* Exact bytes of the catalogue inside packed Command bytes; len 0 if there is none. */
struct pl_slice catalogue_bytes_in_command(struct pl_slice command);
PL_MUST_CHECK struct pl_status catalogue_new(struct pl_slice bytes, uint64_t adopted_seq,
                                             struct catalogue **ret);
struct catalogue *catalogue_ref(struct catalogue *catalogue);
void catalogue_unref(struct catalogue *catalogue); /* any thread; NULL is fine */
/* Index into msg->tier by code or alias, ASCII case-insensitive; -1 if unknown. */
int catalogue_find_tier(const struct catalogue *catalogue, const char *code_or_alias);
/* How many grants a tier has. */
uint32_t catalogue_grants(const struct catalogue *catalogue, const char *tier_code);

#endif
