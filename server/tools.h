/* SPDX-License-Identifier: Apache-2.0
 *
 * tools: the daemon program's other commands, each one run and exit code: `init`, `check-config`,
 * `fsck`, `snapshot`. They print to stdout what they found and to stderr why they failed.
 */
#ifndef SERVER_TOOLS_H
#define SERVER_TOOLS_H

#include "server/config.h"

int tools_init(const struct config *config);
int tools_check_config(const struct config *config);
/* Reads the whole log without changing a byte: checksums, hash chain, and every entry against the
 * rules. Safe beside a running daemon. 14 when something is wrong. */
int tools_fsck(const struct config *config);
/* Replays the newest snapshot and the batches since, and writes a new snapshot. Safe beside a
 * running daemon, which starts it now and then. */
int tools_snapshot(const struct config *config);

#endif
