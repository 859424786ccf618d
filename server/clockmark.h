/* SPDX-License-Identifier: Apache-2.0
 *
 * clockmark: may a start believe the clock of the machine? What a start does with a clock that is
 * years ahead is for ever: all holds end, and no later entry can have an earlier time. A clock that
 * ran on while nobody looked is told from one that is wrong by the last moment at which the ledger
 * was at work: its last batch, or DATA/clock.seen, which a daemon whose clock is believed writes
 * now and then and at its end. So a ledger may be idle for as long as it likes; but a daemon that
 * was off for longer than the limit asks a person to say that the clock is right.
 *
 * A new ledger knows no moment yet: its first clock is believed unless it shows a time at which
 * this program was not written, as a machine does that lost its battery. (One that is ahead cannot
 * be told from the true one.)
 *
 * A clock that is behind the log is no matter of this room: the writer goes on from the log's time
 * and lets nothing expire.
 *
 * Thread: the daemon's main one, and the one of `accept-clock`. Keeps nothing in memory.
 */
#ifndef SERVER_CLOCKMARK_H
#define SERVER_CLOCKMARK_H

#include <stdint.h>

#include "common/status.h"

#define CLOCKMARK_FILE     "clock.seen"
#define CLOCKMARK_FIRST_US 1735689600000000ll /* 1 January 2025, when nothing of this was there */

/* The moment is true: now, by a clock that is believed. On the disk when it returns. */
PL_MUST_CHECK struct pl_status clockmark_note(const char *data, int64_t wall_us);
/* 0: there is no mark that can be read. */
int64_t clockmark_seen_us(const char *data);
/* UNAVAILABLE: `wall_us` is later than both moments by more than the limit (0: there was none; with
 * none at all: it is earlier than the first that can be), and what to do; `message`: at least 400
 * bytes, for people. */
PL_MUST_CHECK struct pl_status clockmark_judge(int64_t last_batch_us, int64_t seen_us,
                                               int64_t limit_us, int64_t wall_us, char *message);
/* "2026-11-29 10:04:05 UTC"; at least 40 bytes. */
void clockmark_text(int64_t wall_us, char *ret);

#endif
