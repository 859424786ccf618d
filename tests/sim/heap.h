/* SPDX-License-Identifier: Apache-2.0
 *
 * heap: every allocation of the program under test goes through here (linker option --wrap), so
 * that a killed daemon's memory can be taken back whole, leaks can be counted, and the n-th
 * allocation can be made to fail. One thread.
 */
#ifndef SIM_HEAP_H
#define SIM_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Allocations and eventfds made while it is on belong to the daemon. Returns what it was. */
bool heap_daemon(bool on);
/* Takes back all that belongs to the daemon: what the kernel does when a process ends. */
void heap_reclaim(void);
size_t heap_size(void *at);      /* of a block, as it was asked for */
size_t heap_daemon_blocks(void); /* that it has now */
size_t heap_daemon_fds(void);
/* The n-th allocation of the daemon from now on (1: the next one) is NULL; 0: none. */
void heap_fail_at(uint64_t nth);
bool heap_failed(void); /* it has come to that */

/* Asked first when the program closes a descriptor; true: it was one of yours. NULL: nobody. */
void heap_on_close(bool (*fn)(int fd));

#endif
