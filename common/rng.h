/* SPDX-License-Identifier: Apache-2.0
 *
 * rng: random bytes from the system (getrandom), and request ids (UUID version 7, RFC 9562).
 */
#ifndef PL_RNG_H
#define PL_RNG_H

#include "common/slice.h"
#include "common/status.h"

void pl_rng_bytes(void *out, size_t len); /* never fails: getrandom cannot, once seeded */
/* 48 bits of Unix milliseconds, version 7, 74 random bits. */
void pl_uuid_v7(int64_t wall_us, uint8_t out[16]);
const char *pl_uuid_format(const uint8_t id[16], char out[37]); /* 8-4-4-4-12 lower case */
/* Accepts 8-4-4-4-12 or 32 hex digits, either case. INVALID otherwise; ret untouched then. */
PL_MUST_CHECK struct pl_status pl_uuid_parse(const char *text, uint8_t ret[16]);

#endif
