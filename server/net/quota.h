/* SPDX-License-Identifier: Apache-2.0
 *
 * quota: what each certificate may still do, over all workers: how many connections it has, and
 * when its next request is due. A bounded table of atomics; no lock, nothing allocated later.
 *
 * Full: a certificate for which there is no place (its part of the table is taken by others that
 * are connected) is refused like one that has too many connections. Any thread.
 *
 * Previous hop: server/net/conn (connections), server/net/rpc (requests).
 */
#ifndef NET_QUOTA_H
#define NET_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/hash.h"

struct net_quota;
struct quota_slot; /* valid from quota_connect to quota_disconnect */

struct net_quota *net_quota_new(void);
void net_quota_free(struct net_quota *quota); /* nobody is connected any more; NULL is fine */

/* One more connection of the certificate with this hash of its public key. NULL: it has
 * `connections_max` (0: no limit) already, or there is no place for it. */
struct quota_slot *quota_connect(struct net_quota *quota, const uint8_t key[PL_SHA256_BYTES],
                                 size_t connections_max, int64_t mono_ns);
void quota_disconnect(struct quota_slot *slot);
/* May it make a request now? `a_second` of them in the long run (0: no limit), at most `burst` at
 * once (0: one second's worth). Both below 10^9. */
bool quota_request(struct quota_slot *slot, size_t a_second, size_t burst, int64_t mono_ns);

#endif
