/* SPDX-License-Identifier: Apache-2.0
 *
 * backup: `pledged backup DIR`: a copy of the ledger that is whole by itself, made beside a running
 * daemon: the log up to a batch that is on the disk, a snapshot of the state there, the ledger's
 * identity, and a MANIFEST (manifest.h) that is written last.
 *
 * The log is immutable but for its end: what is seen is copied, the source is synced, and only then
 * it is said to be there; so a backup never holds a batch that the ledger could still lose. The
 * copy is replayed and checked entry by entry before the manifest says that it is one.
 *
 * DIR is made, or empty, or an older backup of the same ledger: then only what is new is written,
 * and a run that is cut short leaves the older backup whole. Anything else is refused untouched.
 *
 * Thread: a process of its own. Failure: a message that names the file; exit code of the status.
 */
#ifndef SERVER_BACKUP_H
#define SERVER_BACKUP_H

#include "server/config.h"
#include "server/manifest.h"

struct backup_options {
    const char *data, *dir;
    const char *origin;
    bool with_keys; /* the ledger's secret key too */
};
/* Fills *ret with what is in DIR now (the caller ends it with manifest_fini). `message`: at least
 * 400 bytes, for people. */
PL_MUST_CHECK struct pl_status backup_make(const struct backup_options *options, char *message,
                                           struct manifest *ret);

#endif
