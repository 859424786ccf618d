/* SPDX-License-Identifier: Apache-2.0
 *
 * cabinet: SQLite on the simulated machine: its files lie on the simulated disk, its memory is the
 * daemon's while the daemon calls it, and what a killed process held of either is gone. What its
 * own layer for Unix does to files is done here to tests/sim/disk.h: the same calls in the same
 * order, directories synced where it syncs them. One database; locks and shared memory are those of
 * one machine.
 */
#ifndef SIM_CABINET_H
#define SIM_CABINET_H

#include <sys/stat.h>

#include "common/clock.h"
#include "tests/sim/dice.h"

/* An empty machine; from here on this is where SQLite keeps its files. */
void cabinet_begin(struct dice *dice, struct pl_clock *clock);
void cabinet_kill(void); /* nobody holds anything any more */

/* What server/persons asks of the system beside SQLite (shim_persons.h). */
int cabinet_make(const char *path, int flags, ...);
int cabinet_stat(const char *path, struct stat *into);

#endif
