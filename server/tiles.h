/* SPDX-License-Identifier: Apache-2.0
 *
 * tiles: the log as files to GET (C2SP tlog-tiles): /checkpoint, /tile/<L>/<N>, /tile/entries/<N>.
 * What is served lies under the newest checkpoint; full tiles never change, a partial one is served
 * in any width that the log has had.
 *
 * Thread: the worker's. Bytes come from the stored tree and from the log.
 *
 * Previous hop: server/net/rpc. Next hop: server/proofs.
 */
#ifndef SERVER_TILES_H
#define SERVER_TILES_H

#include "server/net/net.h"

extern const struct net_resource tiles_resources[]; /* their `user` is a struct service */
extern const size_t tiles_resource_count;

#endif
