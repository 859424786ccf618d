/* SPDX-License-Identifier: Apache-2.0
 *
 * pledge-bench: load for pledged over mutual TLS, and what came of it as one line of JSON. Generic
 * tools cannot present certificates, see that HTTP's 200 carries a refusal, or give every request
 * an id of its own. README.md says how to read the figures; bench.py runs whole comparisons.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "tests/bench/crowd.h"
#include "tests/bench/disk.h"
#include "tests/bench/load.h"
#include "tests/bench/options.h"

enum { EXIT_DONE = 0, EXIT_FAILURES = 1, EXIT_SYNTAX = 64, EXIT_NOBODY = 69 };

static void print_times(const char *name, const struct histogram *times)
{
    (void)printf(", \"%s\": {\"count\": %" PRIu64 ", \"p50_us\": %.1f, \"p99_us\": %.1f, "
                 "\"p999_us\": %.1f, \"max_us\": %.1f}",
                 name, times->count, (double)histogram_at(times, 0.5) / 1e3,
                 (double)histogram_at(times, 0.99) / 1e3, (double)histogram_at(times, 0.999) / 1e3,
                 (double)times->max / 1e3);
}

static void print_result(const struct load_result *result)
{
    double rate = result->seconds > 0 ? (double)result->units / result->seconds : 0;
    (void)printf("{\"seconds\": %.6f, \"connected\": %u, \"units\": %" PRIu64 ", \"rate\": %.1f",
                 result->seconds, result->connected, result->units, rate);
    (void)printf(", \"ended\": {");
    const char *comma = "";
    for (int i = 0; i < OUTCOME_COUNT; i++)
        if (result->count[i] > 0) {
            (void)printf("%s\"%s\": %" PRIu64, comma, outcome_name((enum outcome)i),
                         result->count[i]);
            comma = ", ";
        }
    (void)printf("}");
    print_times("good", &result->good);
    print_times("busy", &result->busy);
    (void)printf("}\n");
}

/* Ten thousand connections need as many file descriptors. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static struct pl_status run(const struct bench_options *options, struct load_result *ret)
{
    if (options->kind == BENCH_DISK)
        return disk_run(options, ret);
    return options->kind == BENCH_IDLE ? load_hold(options, ret) : crowd_run(options, ret);
}

int main(int argc, char **argv)
{
    static struct bench_options options;
    static struct load_result result;
    if (!options_parse(argc, argv, &options))
        return EXIT_SYNTAX;
    (void)signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    struct pl_status status = run(&options, &result);
    if (!pl_is_ok(status)) {
        (void)fprintf(stderr, "pledge-bench: %s: %s\n", status.what, pl_code_words(status.code));
        return pl_code_exit(status.code);
    }
    print_result(&result);
    uint64_t ended = 0;
    for (int i = 0; i < OUTCOME_COUNT; i++)
        ended += result.count[i];
    if (result.count[OUTCOME_OK] == 0 && ended == result.count[OUTCOME_CONNECT])
        return EXIT_NOBODY;
    return ended == result.count[OUTCOME_OK] ? EXIT_DONE : EXIT_FAILURES;
}
