/* SPDX-License-Identifier: Apache-2.0
 *
 * wire: a network of byte streams, behind the socket calls of server/net (linker option --wrap),
 * and an event loop on the fake clock in the place of libevent's: what server/net asks of either is
 * answered here, one event at a time, in an order that the dice choose.
 *
 * Bytes leave in the order in which they were written, in pieces of any size, after any delay; a
 * socket takes as much as there is room, which is little at times; a connection breaks at any byte.
 */
#ifndef SIM_WIRE_H
#define SIM_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "tests/sim/dice.h"

enum { WIRE_LINKS = 64, WIRE_DOORS = 4, WIRE_THREADS = 4 };

struct wire_report {
    uint64_t connections, broken, pieces, bytes, events;
};

/* Nothing is connected; the events of whoever was there are gone. */
void wire_reset(struct dice *dice, struct pl_clock_fake *clock);
/* All that is there arrives at once, and there is room for everything. */
void wire_be_well(bool on);
const struct wire_report *wire_report(void); /* since wire_reset */

/* --- the daemon's side --- */
int wire_listen(unsigned door); /* a descriptor that listens */
/* One event that is due, of those with the highest priority. False: none is. */
bool wire_run_event(void);
struct event_base;
struct event_base *wire_base(void);
/* Events made from here on belong to this thread of the daemon, as do those that they make: while
 * one of them runs, no other one of the same thread does. Returns who it was. */
unsigned wire_own(unsigned thread);
/* Its loop has ended, or begins. */
void wire_halt(unsigned thread, bool halted);
/* Who waits for this descriptor, which is none of the wire's, is due. */
void wire_ring(int fd);

/* --- the clients' side --- */
/* -1: nobody listens there, or all links are taken. */
int wire_connect(unsigned door);
/* Bytes that arrived; 0: none now, *ret_gone if none will ever come. */
size_t wire_read(int link, uint8_t *into, size_t room, bool *ret_gone);
size_t wire_write(int link, const uint8_t *data, size_t len); /* how many were taken */
void wire_close(int link);

/* --- what the network does --- */
bool wire_move(void);  /* a piece of a stream arrives; false: nothing is under way */
void wire_break(void); /* some connection is lost, with all that is under way */

#endif
