/* SPDX-License-Identifier: Apache-2.0
 *
 * pair: SHA-256 of two messages at a time. Each round of SHA-256 waits for the one before it, so a
 * processor with instructions for it is idle half of the time: two messages whose rounds take turns
 * need as long as one. For leaves and nodes of trees, of which there are many, and short ones.
 *
 * Happy path: put both, hash both. Failure: a message that is too long for a place is not put; who
 * has it hashes it with pl_sha256. Pure, any thread.
 */
#ifndef PL_PAIR_H
#define PL_PAIR_H

#include "common/hash.h"

struct pl_pair_message {
    size_t len, blocks;
    uint8_t bytes[1024]; /* with the padding */
};

/* The parts as one. False: too long. */
PL_MUST_CHECK bool pl_pair_put(struct pl_pair_message *message, const struct pl_slice *parts,
                               size_t count);
void pl_pair_hash(const struct pl_pair_message *a, const struct pl_pair_message *b,
                  uint8_t out_a[PL_SHA256_BYTES], uint8_t out_b[PL_SHA256_BYTES]);

#endif
