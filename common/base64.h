/* SPDX-License-Identifier: Apache-2.0
 *
 * base64: RFC 4648, of bytes and back. No state; any thread.
 */
#ifndef PL_BASE64_H
#define PL_BASE64_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/status.h"

/* Appends it: standard alphabet, padded if `pad`. */
PL_MUST_CHECK struct pl_status pl_base64(struct pl_buf *out, struct pl_slice data, bool pad);

/* What the public API takes: both alphabets, padded or not; INVALID on anything else. The bytes
 * live in the arena; TOO_BIG when its budget is spent. */
PL_MUST_CHECK struct pl_status pl_unbase64(struct pl_slice text, struct pl_arena *arena,
                                           struct pl_slice *ret);

/* What signed formats take: standard alphabet, padded, so that bytes have one text only; INVALID on
 * anything else. Into `out` of `size` bytes; TOO_BIG: more than that. */
PL_MUST_CHECK struct pl_status pl_unbase64_strict(struct pl_slice text, uint8_t *out, size_t size,
                                                  size_t *ret_len);

/* The value of a digit of the standard alphabet; -1: it is none. */
int pl_base64_digit(uint8_t c);

#endif
