/* SPDX-License-Identifier: Apache-2.0
 *
 * shim_helm: put before server/helm.c when it is compiled for the simulator: threads are fibers,
 * who waits for the helm lets others go on, and what it ends of is known.
 */
#ifndef SIM_SHIM_HELM_H
#define SIM_SHIM_HELM_H

#include "common/log.h"
#include "tests/sim/process.h"
#include "tests/sim/shim_threads.h"

#undef poll
#define poll fiber_poll_later
#define read fiber_read
/* why it ends, for who looks after it */
#define pl_log_status(level_, room_, words_, status_) process_says(status_)

#endif
