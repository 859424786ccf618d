/* SPDX-License-Identifier: Apache-2.0
 *
 * restore: `pledged restore DIR` makes a data directory from a backup, and `pledged confirm` says
 * that what was restored is the newest state there is.
 *
 * A ledger that is restored from an older backup and goes on would tell another history than the
 * one that people were told already. So a restored ledger has a mark, DATA/restored, and is served
 * read-only until somebody who knows how far the ledger had come takes the mark away:
 *
 *   pledged-restored 1
 *   entries <n>
 *   head <hash of the last batch>
 *
 * Everything in DIR is verified before anything is made; the copy is replayed and checked entry by
 * entry; ledger.id is written last, so that a directory without it was never finished.
 *
 * Thread: a process of its own. Failure: a message that names the file; exit code of the status.
 */
#ifndef SERVER_RESTORE_H
#define SERVER_RESTORE_H

#include "server/manifest.h"

struct restore_options {
    const char *data, *dir;
    const char *origin;
    bool stays_read_only; /* false: the operator knows that this backup is the newest state */
};
/* `data` must be empty or not there. Fills *ret with the backup's manifest (the caller ends it with
 * manifest_fini). `message`: at least 400 bytes, for people. */
PL_MUST_CHECK struct pl_status restore_run(const struct restore_options *options, char *message,
                                           struct manifest *ret);
/* The newest state is known to have had `entries`. REFUSED if this ledger has fewer: the mark
 * stays. *ret_entries: how many it has; *ret_marked: there was a mark, now taken away. */
PL_MUST_CHECK struct pl_status restore_confirm(const char *data, const char *origin,
                                               uint64_t entries, char *message,
                                               uint64_t *ret_entries, bool *ret_marked);
/* Is the mark there? An unreadable one counts. */
bool restore_is_marked(const char *data);

#endif
