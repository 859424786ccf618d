/* SPDX-License-Identifier: Apache-2.0
 *
 * tools: the daemon program's other commands, each one run and exit code: `init`, `check-config`,
 * `fsck`, `snapshot`, `backup`, `restore`, `confirm`, `accept-clock`. They print to stdout what
 * they found and to stderr why they failed.
 *
 * Thread: the program's only one. Configuration and words are borrowed; nothing is left behind in
 * memory. Exit codes: those of common/status, named in `pledged --help`.
 */
#ifndef SERVER_TOOLS_H
#define SERVER_TOOLS_H

#include "server/config.h"

/* What was said on the command line besides the command. */
struct tools_words {
    const char *dir;     /* backup, restore; newkey: a file; else NULL */
    bool with_keys;      /* backup --with-keys */
    bool confirm_latest; /* restore --confirm-latest */
    const char *size;    /* confirm --size N; else NULL */
};

int tools_init(const struct config *config);
/* A signing key of this ledger in a new file, and its public key on standard output. */
int tools_newkey(const struct config *config, const struct tools_words *words);
int tools_check_config(const struct config *config);
/* Reads the whole log without changing a byte: checksums, hash chain, and every entry against the
 * rules. Safe beside a running daemon. 14 when something is wrong. */
int tools_fsck(const struct config *config);
/* Replays the newest snapshot and the batches since, and writes a new snapshot. Safe beside a
 * running daemon, which starts it now and then. */
int tools_snapshot(const struct config *config);
/* server/backup, server/restore. */
int tools_backup(const struct config *config, const struct tools_words *words);
int tools_restore(const struct config *config, const struct tools_words *words);
int tools_confirm(const struct config *config, const struct tools_words *words);
/* server/clockmark: somebody has looked at the clock. No daemon may run meanwhile. */
int tools_accept_clock(const struct config *config);

#endif
