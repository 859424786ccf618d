/* SPDX-License-Identifier: Apache-2.0
 *
 * crowd: threads share nothing while they run; each has options and a result of its own.
 */
#include "tests/bench/crowd.h"

#include <stdlib.h>

#include "common/check.h"

struct member {
    pthread_t thread;
    pthread_barrier_t *together;
    struct bench_options options;
    struct load_result result;
    struct pl_status status;
};

/* The number `at` of `of` shares that differ by one at most. */
static uint64_t share(uint64_t whole, unsigned at, unsigned of)
{
    return whole / of + (at < whole % of);
}

static void *run_member(void *arg)
{
    struct member *member = arg;
    member->status = load_run(&member->options, member->together, &member->result);
    return NULL;
}

static void add(struct load_result *sum, const struct load_result *one)
{
    if (one->seconds > sum->seconds)
        sum->seconds = one->seconds;
    for (int i = 0; i < OUTCOME_COUNT; i++)
        sum->count[i] += one->count[i];
    sum->units += one->units;
    sum->connected += one->connected;
    histogram_join(&sum->good, &one->good);
    histogram_join(&sum->busy, &one->busy);
}

struct pl_status crowd_run(const struct bench_options *options, struct load_result *ret)
{
    unsigned members = options->threads;
    /* nobody may have no request at all: 0 says that there is no number of them */
    if (options->requests > 0 && options->requests < members)
        members = (unsigned)options->requests;
    if (members == 1)
        return load_run(options, NULL, ret);
    pthread_barrier_t together;
    struct member *member = calloc(members, sizeof(*member));
    PL_ASSERT(member != NULL && pthread_barrier_init(&together, NULL, members) == 0);
    for (unsigned i = 0; i < members; i++) {
        member[i].together = &together;
        member[i].options = *options;
        member[i].options.connections = (unsigned)share(options->connections, i, members);
        member[i].options.requests = share(options->requests, i, members);
        member[i].options.rate = options->rate / members;
        PL_ASSERT(pthread_create(&member[i].thread, NULL, run_member, &member[i]) == 0);
    }
    struct pl_status status = pl_ok();
    for (unsigned i = 0; i < members; i++) {
        PL_ASSERT(pthread_join(member[i].thread, NULL) == 0);
        if (pl_is_ok(status))
            status = member[i].status;
        add(ret, &member[i].result);
    }
    (void)pthread_barrier_destroy(&together);
    free(member);
    return status;
}
