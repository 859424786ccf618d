/* SPDX-License-Identifier: Apache-2.0
 *
 * load: keeps connections busy and writes down how every request ended.
 *
 * Closed loop: a place asks again as soon as it is answered, so the load adapts to the server. Open
 * loop (rate): requests are due at fixed moments, and time runs from the moment a request was due,
 * not from when a place was free for it; what a slow server makes wait is therefore counted.
 *
 * What counts ended in the measured time (open loop: was due in it). By number of requests,
 * everything counts, and the time is from the first request to the last answer.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <pthread.h>

#include "tests/bench/histogram.h"
#include "tests/bench/work.h"

struct load_result {
    double seconds;
    uint64_t count[OUTCOME_COUNT];
    uint64_t units; /* good ones: pledges of batches, else answers */
    unsigned connected;
    struct histogram good, busy; /* nanoseconds */
};

/* One thread's load; options->threads is not looked at. When its connections are open it waits at
 * `together` (NULL: for nobody), whatever became of them. Fails only if nothing could be set up;
 * what happens to requests is in the result. */
PL_MUST_CHECK struct pl_status load_run(const struct bench_options *options,
                                        pthread_barrier_t *together, struct load_result *ret);
/* Opens the connections, says so in a line on standard output, holds them until standard input
 * ends, and counts as lost what did not last. */
PL_MUST_CHECK struct pl_status load_hold(const struct bench_options *options,
                                         struct load_result *ret);

#endif
