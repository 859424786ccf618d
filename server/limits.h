/* SPDX-License-Identifier: Apache-2.0
 *
 * limits: every number that bounds memory or time and is not configured, with its reason (G11).
 */
#ifndef SERVER_LIMITS_H
#define SERVER_LIMITS_H

#include "server/ledger/ledger.h"
#include "server/store/store.h"

enum {
    LIMIT_WORKERS = 64,
    /* a single command's packed bytes; its entry repeats some of them and must stay under 65,535 */
    LIMIT_COMMAND_BYTES = 64 * 1024,
    /* an ImportStatement of ExecutePrivate alone, from somebody who may import: it goes on in
     * further entries */
    LIMIT_IMPORT_BYTES = LEDGER_IMPORT_BYTES_MAX,
    /* ExecuteBatch */
    LIMIT_BATCH_COMMANDS = 8192,
    LIMIT_BATCH_REQUEST_BYTES = 1024 * 1024,
    /* ExecutePrivate: a command and the records it commits to */
    LIMIT_PRIVATE_REQUEST_BYTES = 4 * 1024 * 1024,
    /* a call's arena: the request unpacked, verdicts, the answer. protobuf-c needs up to 50 times
     * the wire size for tiny elements; element counts are bounded by the scan */
    LIMIT_CALL_ARENA_BYTES = 16 * 1024 * 1024,
    /* scratch of one decision: its entries repeat the command once, as messages and packed; an
     * approval unpacks the proposed command, see above. An import makes up to two entries for each
     * movement. Address space, until somebody imports so much */
    LIMIT_DECIDE_ARENA_BYTES = 64 * 1024 * 1024,
    /* bodies of batches: filled up to the first, where room is kept for the entries of one more
     * command; an import, whose entries are one batch, may go up to the second */
    LIMIT_BATCH_FILL_BYTES = 1024 * 1024,
    LIMIT_BATCH_BODY_BYTES = STORE_BATCH_BYTES_MAX,
    LIMIT_COMMAND_ENTRIES_BYTES = LEDGER_ENTRIES_PER_COMMAND_MAX * 4096 + 65536,
    /* ExecuteBatch: what has more commands than that lets others pass; of those, so many may wait
     * for their answers, a worker (a tenth of a second of the writer's time); more are answered
     * BUSY */
    LIMIT_SHORT_ITEMS = 16,
    LIMIT_LONG_ITEMS = 32768,
    /* queries answered between two looks at the store: a bounded share of a turn */
    LIMIT_QUERIES_A_TURN = 256,
    /* commands of one turn of a worker that wait for each other on the way to the writer */
    LIMIT_PARCEL_COMMANDS = 32,
    /* a worker that has had the only command for so many turns sees to the next one itself, as
     * long as that takes no longer than this: its other connections wait as long. Else not for a
     * while, so many times what it took: they wait a fiftieth of the time at most, however slow the
     * disk is */
    LIMIT_ALONE_TURNS = 8,
    LIMIT_TURN_ELSEWHERE_US = 2000,
    LIMIT_SLOW_DISK_MS = 500,
    LIMIT_SLOW_DISK_TIMES = 50,
    /* dump: entries of one stream message */
    LIMIT_DUMP_CHUNK_BYTES = 64 * 1024,
    LIMIT_DUMP_CHUNK_ENTRIES = 256,
    /* watch: entries of one message; the newest ones, kept once a worker for all watchers */
    LIMIT_WATCH_CHUNK_BYTES = 64 * 1024,
    LIMIT_WATCH_CHUNK_ENTRIES = 256,
    LIMIT_WATCH_RECENT_BYTES = 4 * 1024 * 1024,
    LIMIT_WATCH_HEARTBEAT_S = 15,
    LIMIT_WATCH_HEARTBEAT_MAX_S = 300,
    /* a watcher whose stream had no room for so long is dropped; less than [limits] write_stall, so
     * that it is told why */
    LIMIT_WATCH_STALL_MS = 20000,
    /* how long SIGTERM waits for calls that are still running */
    LIMIT_DRAIN_MS = 10000,
    /* a receipt leaves without its proof after that; a batch's answer has no more proofs than fit
     */
    LIMIT_PROOF_WAIT_MS = 2000,
    LIMIT_PROOF_ANSWER_BYTES = 1024 * 1024,
    /* resubmission of a batch whose outcome is unknown */
    LIMIT_RESUBMIT_MS = 100,
};

_Static_assert(LIMIT_COMMAND_ENTRIES_BYTES < LIMIT_BATCH_FILL_BYTES / 2,
               "a command's entries must fit a batch");

#endif
