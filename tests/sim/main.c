/* SPDX-License-Identifier: Apache-2.0
 *
 * sim: runs seeds and reports.
 *
 *   sim [--seeds N] [--from SEED] [--jobs N]   N seeds from SEED on (default 100, from 1)
 *   sim --seed SEED [--trace]                  one seed, step by step
 *   sim --canary sync|twice|clock ...          with a bug on purpose: exits 0 if it was found
 *   sim --twice ...                            each seed two times, which must be the same run
 *
 * Exit: 0 fine, 1 a guarantee did not hold (the line says how to run it again), 64 usage.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/sim/world.h"

enum { JOBS_MAX = 64 };

struct settings {
    uint64_t from, seeds, jobs;
    enum canary canary;
    bool trace, twice;
    const char *program;
};

struct share { /* of one job, in shared memory */
    struct world_report report;
    uint64_t now; /* the seed it runs */
    uint64_t failed;
};

static const char *const canary_name[] = {"", "sync", "twice", "clock"};

static int usage(void)
{
    (void)printf("usage: sim [--seeds N] [--from SEED] [--jobs N] [--seed SEED] [--trace] "
                 "[--twice] [--canary sync|twice|clock]\n");
    return 64;
}

static bool number(const char *text, uint64_t *ret)
{
    char *end = NULL;
    errno = 0;
    *ret = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

static bool parse(int count, char **args, struct settings *settings)
{
    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? args[i + 1] : "";
        bool fine = true;
        if (strcmp(args[i], "--trace") == 0) {
            settings->trace = true;
        } else if (strcmp(args[i], "--twice") == 0) {
            settings->twice = true;
        } else if (strcmp(args[i], "--seeds") == 0) {
            fine = number(value, &settings->seeds), i++;
        } else if (strcmp(args[i], "--from") == 0) {
            fine = number(value, &settings->from), i++;
        } else if (strcmp(args[i], "--jobs") == 0) {
            fine = number(value, &settings->jobs), i++;
        } else if (strcmp(args[i], "--seed") == 0) {
            fine = number(value, &settings->from), i++;
            settings->seeds = 1;
        } else if (strcmp(args[i], "--canary") == 0) {
            for (int k = CANARY_SYNC; k <= CANARY_CLOCK; k++)
                settings->canary =
                    strcmp(value, canary_name[k]) == 0 ? (enum canary)k : settings->canary;
            fine = settings->canary != CANARY_NONE, i++;
        } else {
            fine = false;
        }
        if (!fine)
            return false;
    }
    return settings->jobs >= 1 && settings->jobs <= JOBS_MAX;
}

static void tell(const struct settings *settings, uint64_t seed, const char *what)
{
    (void)printf("seed %" PRIu64 ": %s\n  again: %s --seed %" PRIu64 " --trace%s%s\n", seed, what,
                 settings->program, seed, settings->canary != CANARY_NONE ? " --canary " : "",
                 canary_name[settings->canary]);
    (void)fflush(stdout);
}

static bool run_seed(const struct settings *settings, uint64_t seed, struct share *share)
{
    const char *what = "";
    uint64_t trail = 0, again = 0;
    share->now = seed;
    bool fine = world_run(seed, settings->canary, settings->trace, &share->report, &what, &trail);
    if (fine && settings->twice) {
        struct world_report ignored = {0};
        fine = world_run(seed, settings->canary, false, &ignored, &what, &again) && again == trail;
        if (again != trail)
            what = "the same seed gave another run";
    }
    if (!fine)
        tell(settings, seed, what);
    return fine;
}

static void run_job(const struct settings *settings, uint64_t job, struct share *share)
{
    for (uint64_t i = job; i < settings->seeds; i += settings->jobs) {
        if (!run_seed(settings, settings->from + i, share)) {
            share->failed++;
            return;
        }
    }
}

/* A job whose program ended by an assertion says which seed it was. */
static void start_jobs(const struct settings *settings, struct share *share)
{
    pid_t child[JOBS_MAX];
    (void)fflush(stdout);
    for (uint64_t job = 0; job < settings->jobs; job++) {
        child[job] = fork();
        if (child[job] == 0) {
            run_job(settings, job, &share[job]);
            (void)fflush(stdout);
            _exit(share[job].failed != 0);
        }
    }
    for (uint64_t job = 0; job < settings->jobs; job++) {
        int state = 0;
        if (child[job] < 0 || waitpid(child[job], &state, 0) != child[job] || !WIFEXITED(state) ||
            (WEXITSTATUS(state) != 0 && share[job].failed == 0)) {
            tell(settings, share[job].now, "the program died (its last words are above)");
            share[job].failed++;
        }
    }
}

static void report(const struct world_report *all)
{
    (void)printf("seeds %" PRIu64 ", steps %" PRIu64 ", system calls %" PRIu64 "\n", all->seeds,
                 all->steps, all->calls);
    for (int i = 0; i < WORLD_EVENTS; i++)
        (void)printf("%s%s %" PRIu64, i == 0 ? "world: " : ", ", world_event_name[i],
                     all->event[i]);
    (void)printf("\n");
    for (int i = 0; i < DISK_FAULTS; i++)
        (void)printf("%s%s %" PRIu64, i == 0 ? "disk: " : ", ", disk_fault_name[i], all->fault[i]);
    (void)printf("\n");
}

static void add(struct world_report *into, const struct world_report *one)
{
    into->seeds += one->seeds;
    into->steps += one->steps;
    into->calls += one->calls;
    for (int i = 0; i < WORLD_EVENTS; i++)
        into->event[i] += one->event[i];
    for (int i = 0; i < DISK_FAULTS; i++)
        into->fault[i] += one->fault[i];
}

int main(int count, char **args)
{
    struct settings settings = {.from = 1, .seeds = 100, .jobs = 1, .program = args[0]};
    if (!parse(count, args, &settings))
        return usage();
    pl_log_setup(PL_LOG_ERROR, PL_LOG_LOGFMT);
    if (!settings.trace && freopen("/dev/null", "w", stderr) == NULL)
        return 1;
    struct share *share = mmap(NULL, sizeof(*share) * JOBS_MAX, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (share == MAP_FAILED)
        return 1;
    if (settings.seeds == 1)
        run_job(&settings, 0, &share[0]);
    else
        start_jobs(&settings, share);
    struct world_report all = {0};
    uint64_t failed = 0;
    for (int i = 0; i < JOBS_MAX; i++) {
        add(&all, &share[i].report);
        failed += share[i].failed;
    }
    report(&all);
    if (settings.canary == CANARY_NONE)
        return failed != 0;
    (void)printf("the canary %s\n", failed != 0 ? "was found" : "WAS NOT FOUND");
    return failed == 0;
}
