/* SPDX-License-Identifier: Apache-2.0
 *
 * watch: messages of LedgerService.Watch as lines of JSON, one a change, each written when it came.
 *
 *   an entry   as in `pledge dump --as jsonl`
 *   slots      {"seq", "time", "time_us", "tiers": [...]}   the tiers that changed; at first, all
 *   totals     {"seq", "time", "time_us", "totals": [...]}  the currencies that changed; likewise
 */
#ifndef CLIENT_WATCH_H
#define CLIENT_WATCH_H

#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/slice.h"
#include "common/status.h"

struct watch {
    int fd;                /* where lines go */
    const char *tier;      /* only the slots of this tier, by its code; NULL: everything */
    uint64_t next_seq;     /* where to go on; 0: nothing has come */
    bool told;             /* a message came since it was last set to false */
    struct pl_buf line;    /* owns */
    struct pl_arena arena; /* of one message */
};

void watch_init(struct watch *watch, int fd, const char *tier);
void watch_fini(struct watch *watch);
/* One WatchResponse as the stream brings it (pl_h2client_message_fn). CORRUPT if it does not parse
 * or an entry is missing, IO with errno if a line cannot be written. */
PL_MUST_CHECK struct pl_status watch_take(void *watch, struct pl_slice message);

#endif
