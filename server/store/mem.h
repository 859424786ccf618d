/* SPDX-License-Identifier: Apache-2.0
 *
 * mem: a log in memory, for tests and the simulator. Completions are delivered by store_dispatch
 * like everybody else's. Its readers share the log and so belong to the owner's thread.
 */
#ifndef STORE_MEM_H
#define STORE_MEM_H

#include "server/store/store.h"

PL_MUST_CHECK struct pl_status mem_open(struct store **ret);
/* How much it may hold from now on, in body bytes; more is NO_SPACE. */
void mem_set_room(struct store *store, size_t bytes);

#endif
