/* SPDX-License-Identifier: Apache-2.0
 *
 * crowd: the load of several threads as if it were one. A generator of one thread is itself the
 * limit where a request costs it as much as it costs the server (a handshake does).
 */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include "tests/bench/load.h"

/* options->threads loads: connections, requests and rate are shared out, all begin when the last
 * one's connections are open, and what came of them is added up; the seconds are the longest's.
 * Fails as load_run does, if any of them did. */
PL_MUST_CHECK struct pl_status crowd_run(const struct bench_options *options,
                                         struct load_result *ret);

#endif
