/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_checkpoint: is this text a checkpoint that one of these keys signed, and of what? The
 * formats are those of common/note and common/tlog; here are the words for people. Pure.
 */
#ifndef CLIENT_VERIFY_CHECKPOINT_H
#define CLIENT_VERIFY_CHECKPOINT_H

#include <stdint.h>

#include "common/hash.h"
#include "common/slice.h"

struct verify_checkpoint {
    char origin[256];
    uint64_t size;
    uint8_t root[PL_SHA256_BYTES];
};

/* `keys`: verifier keys, one a line; or a policy (C2SP tlog-policy), which also says how many
 * witnesses must have cosigned. NULL: fine; else what is wrong (English, a literal). */
const char *verify_checkpoint_open(struct pl_slice text, const char *keys,
                                   struct verify_checkpoint *ret);

#endif
