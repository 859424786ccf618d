/* SPDX-License-Identifier: Apache-2.0
 *
 * reflection: grpc.reflection, v1 and v1alpha (the same messages on two paths): what this daemon
 * serves, told to tools that have no .proto files. The descriptors are part of the program.
 *
 * A file comes with all that it imports. What is not there is an error inside the answer; the
 * stream goes on.
 *
 * Thread: the index is immutable, any thread may read it.
 *
 * Previous hop: server/net/duplex. Next hop: back out.
 */
#ifndef SERVER_REFLECTION_H
#define SERVER_REFLECTION_H

#include "server/service.h"

/* Handlers find it as service->reflection. */
struct reflection *reflection_new(void);
void reflection_free(struct reflection *reflection); /* NULL is fine */

extern const struct net_method reflection_methods[];
extern const size_t reflection_method_count;

#endif
