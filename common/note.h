/* SPDX-License-Identifier: Apache-2.0
 *
 * note: the key that will sign checkpoints, in the formats of C2SP signed-note
 * (c2sp.org/signed-note): an Ed25519 key named after the log. Key files hold one line
 * PRIVATE+KEY+<name>+<hash>+<base64 of 0x01 and the seed>; the public verifier key is
 * <name>+<hash>+<base64 of 0x01 and the public key>, hash = first 4 bytes of
 * SHA-256(name, 0x0A, 0x01, public key) in hex.
 */
#ifndef PL_NOTE_H
#define PL_NOTE_H

#include <stddef.h>

#include "common/status.h"

#define PL_NOTE_KEY_MAX 512

/* A new key pair as text. `name` has no blanks and no plus sign. The secret must go to a file that
 * only its owner reads. */
PL_MUST_CHECK struct pl_status pl_note_keygen(const char *name, char ret_secret[PL_NOTE_KEY_MAX],
                                              char ret_vkey[PL_NOTE_KEY_MAX]);
/* The verifier key that belongs to a secret key text. INVALID if it is not one. */
PL_MUST_CHECK struct pl_status pl_note_vkey(const char *secret, char ret_vkey[PL_NOTE_KEY_MAX]);

#endif
