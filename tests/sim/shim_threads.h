/* SPDX-License-Identifier: Apache-2.0
 *
 * shim_threads: put before server/store/file.c when it is compiled for the simulator.
 */
#ifndef SIM_SHIM_THREADS_H
#define SIM_SHIM_THREADS_H

#include <unistd.h>

#include "tests/sim/fiber.h"

#define pthread_create fiber_pthread_create
#define pthread_join   fiber_pthread_join
#define poll           fiber_poll
#define _exit          fiber_exit

#endif
