/* SPDX-License-Identifier: Apache-2.0
 *
 * work: what the load asks for, and whether an answer is the one that was asked for: status 0 is
 * not enough, a receipt has to be new and to carry our request id.
 */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include "tests/bench/link.h"
#include "tests/bench/options.h"

/* How a call ended: a gRPC status (0 to 16), or one of ours. */
enum outcome {
    OUTCOME_OK = 0,
    OUTCOME_BUSY = 8,     /* RESOURCE_EXHAUSTED */
    OUTCOME_WRONG = 17,   /* status 0, but not the answer to our question */
    OUTCOME_LOST = 18,    /* the stream or the connection ended without a status */
    OUTCOME_CONNECT = 19, /* no connection: refused, or our certificate was */
    OUTCOME_LATE = 20,    /* no answer long after the end */
    OUTCOME_COUNT = 21,
};
const char *outcome_name(enum outcome outcome);

struct work {
    const struct bench_options *options;
    uint64_t made;         /* requests, each with ids of its own */
    uint64_t seed;         /* of the ids of this run */
    struct pl_buf *submit; /* one packed command for each contributor; ids are written over */
};

PL_MUST_CHECK struct pl_status work_init(struct work *work, const struct bench_options *options);
void work_fini(struct work *work);
const char *work_path(const struct bench_options *options);
/* The next request, into the call. */
PL_MUST_CHECK struct pl_status work_fill(struct work *work, struct call *call);
/* units: pledges, or answers that are none. */
enum outcome work_judge(const struct work *work, const struct call *call, uint64_t *ret_units);

#endif
