/* SPDX-License-Identifier: Apache-2.0
 *
 * shim_persons: put before server/persons.c when it is compiled for the simulator: what it asks of
 * the system beside SQLite reaches the simulated disk.
 */
#ifndef SIM_SHIM_PERSONS_H
#define SIM_SHIM_PERSONS_H

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/sim/cabinet.h"
#include "tests/sim/disk.h"

/* Members of struct io have the same names as calls; they are renamed alike in this one file. */
#define open               cabinet_make
#define close              disk_close
#define fchmod(fd_, mode_) ((void)(fd_), 0)
#define stat(path_, into_) cabinet_stat(path_, into_)
/* there are no links on the simulated disk */
#define realpath(path_, into_) ((void)(path_), (char *)NULL)

#endif
