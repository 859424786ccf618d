/* SPDX-License-Identifier: Apache-2.0
 *
 * dump: LedgerService.Dump: the ledger's entries as they stand in the log, and behind them what
 * they are of: the size of the ledger, its last batch, and the checkpoint that covers them.
 *
 * Happy path: a dump up to the end waits for a checkpoint that covers what is durable
 * (server/proofs; a range does not) -> the range is fixed -> chunks of entries leave as long as the
 * stream takes them, and again when it does -> trailer. It holds one chunk, however slowly somebody
 * reads (G11).
 *
 * Failure modes: the range begins behind its end -> INVALID. The log cannot be read -> the status
 * that the store gave. The person's role changed -> UNAVAILABLE. The peer left -> it ends. No
 * checkpoint in time -> all that is durable, and none is named.
 *
 * Thread: the worker's. Previous hop: server/net/rpc. Next hop: the log.
 */
#ifndef SERVER_DUMP_H
#define SERVER_DUMP_H

struct call;

/* Handles the method; `user` is a struct service. */
void dump_handle(struct call *call, void *user);

#endif
