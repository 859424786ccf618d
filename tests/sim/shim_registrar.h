/* SPDX-License-Identifier: Apache-2.0
 *
 * shim_registrar: put before server/registrar.c when it is compiled for the simulator: its thread
 * is a fiber, and what it could not do is known.
 */
#ifndef SIM_SHIM_REGISTRAR_H
#define SIM_SHIM_REGISTRAR_H

#include "common/log.h"
#include "tests/sim/records.h"
#include "tests/sim/shim_threads.h"

#define pl_log_status(level_, room_, words_, status_) records_excuse(status_)

#endif
