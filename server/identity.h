/* SPDX-License-Identifier: Apache-2.0
 *
 * identity: what `pledged init` makes and every other command reads: the data directory, the
 * ledger's id and origin, and the key pair that will sign its checkpoints.
 *
 * DIR/ledger.id    "<origin>\n<32 hex digits>\n"
 * DIR/ledger.key   the secret key (mode 0600), form: common/note.h
 * DIR/ledger.vkey  the public verifier key, for auditors
 * DIR/log/ DIR/snapshot/ DIR/lock
 */
#ifndef SERVER_IDENTITY_H
#define SERVER_IDENTITY_H

#include <stdint.h>

#include "common/note.h"
#include "common/status.h"

struct identity {
    char origin[128];
    uint8_t ledger_id[16];
    char vkey[PL_NOTE_KEY_MAX];
};
/* Makes what is not there; an existing ledger is left alone (*ret_made false). `message`: at least
 * 400 bytes, for people. */
PL_MUST_CHECK struct pl_status identity_init(const char *data, const char *origin, char *message,
                                             bool *ret_made);
/* CONFIG if others than its owner and the daemon can read this key, which signs for the ledger.
 * NULL, or what is not there, is read by nobody; that we may not read it says whoever uses it. */
PL_MUST_CHECK struct pl_status identity_key_private(const char *path, char *message);
PL_MUST_CHECK struct pl_status identity_load(const char *data, const char *origin, char *message,
                                             struct identity *ret);

#endif
