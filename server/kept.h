/* SPDX-License-Identifier: Apache-2.0
 *
 * kept: whether a log is the one that the checkpoints kept beside it were signed over. Sums and
 * hashes of the log find damage, and rules find what no daemon records; somebody who writes all of
 * them anew is found by what was signed before alone. The notary asks the same at a start, with its
 * tree.
 *
 * Who signed is not asked: a checkpoint of the data directory that does not fit is worth a look,
 * whoever wrote it.
 */
#ifndef SERVER_KEPT_H
#define SERVER_KEPT_H

#include <stdint.h>

#include "common/status.h"
#include "common/tlog.h"
#include "server/store/store.h"

#define KEPT_MAX 2

struct kept {
    struct pl_checkpoint checkpoint[KEPT_MAX];
    const char *name[KEPT_MAX]; /* of the file, in the data directory */
    unsigned count;
};

/* What is kept in the data directory. To be read before the log, which a daemon may lengthen
 * meanwhile. CORRUPT: one of them is none, or of a ledger that is not `origin`; UNAVAILABLE: it
 * cannot be read; *ret_name says which. */
PL_MUST_CHECK struct pl_status kept_read(const char *data, const char *origin, struct kept *ret,
                                         const char **ret_name);
/* Reads and hashes the log of `size` entries once, if anything is kept. CORRUPT: *ret_index is the
 * one that the log does not fit. */
PL_MUST_CHECK struct pl_status kept_check(const struct kept *kept, struct store *store,
                                          uint64_t size, unsigned *ret_index);

#endif
