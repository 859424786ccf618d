/* SPDX-License-Identifier: Apache-2.0
 *
 * health: grpc.health.v1, for load balancers and people: Check answers at once, Watch tells the
 * state and then every change of it.
 *
 *   ""                          the whole daemon: SERVING from its first view until it drains
 *   "pledged.v1.LedgerService"  the same, but NOT_SERVING also while commands are refused
 *
 * Thread: one a worker. While anybody watches, the state is looked at a few times a second; health
 * stands for whoever is watching with a place among the long-lived calls.
 *
 * Previous hop: server/net/rpc. Next hop: server/service (its state), and back out.
 */
#ifndef SERVER_HEALTH_H
#define SERVER_HEALTH_H

#include "server/service.h"

struct event_base;
struct health;

/* Handlers find it as service->health. Borrows both until health_free. */
struct health *health_new(struct event_base *base, struct service *service);
void health_free(struct health *health); /* nobody watches any more; NULL is fine */
/* The state may have changed: whoever watches learns it now. */
void health_look(struct health *health);

extern const struct net_method health_methods[];
extern const size_t health_method_count;

#endif
