/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_proof: one receipt (C2SP tlog-proof) on its own: the entry in its `extra` line is the leaf
 * that the proof leads from, up to the root that the checkpoint signs. It says nothing about any
 * other entry. Pure, one thread. The form is that of common/tlog.
 */
#ifndef CLIENT_VERIFY_PROOF_H
#define CLIENT_VERIFY_PROOF_H

#include "client/verify.h"

#define VERIFY_PROOF_MAGIC "c2sp.org/tlog-proof@v1\n"
enum { VERIFY_PROOF_BYTES_MAX = 1 << 20 };

/* Fills the report (integrity; the others are not checked). `text` is the whole file. */
void verify_proof(struct pl_slice text, const struct verify_options *options,
                  struct verify_report *ret);

#endif
