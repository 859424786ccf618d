/* SPDX-License-Identifier: Apache-2.0
 *
 * errand: see errand.h.
 */
#include "tests/sim/errand.h"

#include "common/check.h"
#include "server/helm.h"
#include "tests/sim/fiber.h"

enum { LOOKS_MAX = 1000000 };

struct errand {
    struct helm *helm;
    struct command *command;
    bool taken, over;
};

static struct errand_ground g;
static struct errand_report report;

void errand_begin(const struct errand_ground *ground)
{
    g = *ground;
    report = (struct errand_report){0, 0, 0};
}

struct errand_report errand_report(void)
{
    return report;
}

bool errand_wanted(void)
{
    return g.rate != 0 && dice_hits(g.dice, g.rate);
}

static void *errand_main(void *arg)
{
    struct errand *errand = arg;
    errand->taken = helm_try(errand->helm, errand->command);
    errand->over = true;
    return NULL;
}

/* True: the process is still there. */
static bool run_any(void)
{
    int ready[FIBERS_MAX], count = 0;
    for (int i = 0; i < FIBERS_MAX; i++) {
        if (fiber_exists(i) && fiber_ready(i))
            ready[count++] = i;
    }
    if (count != 0)
        fiber_resume(ready[dice_below(g.dice, (uint64_t)count)]);
    process_look(g.process);
    return g.process->state == PROCESS_UP && g.meanwhile();
}

bool errand_try(struct command *command)
{
    if (g.process->state != PROCESS_UP)
        return false;
    struct errand errand = {.helm = g.process->helm, .command = command};
    bool there = true;
    report.tries++;
    g.process->errands++;
    (void)fiber_start(errand_main, &errand);
    for (int i = 0; i < LOOKS_MAX && there && !errand.over; i++)
        there = run_any();
    PL_ASSERT(!there || errand.over); /* else it never comes back */
    g.process->errands--;
    report.taken += errand.over && errand.taken;
    report.cut += !errand.over;
    return errand.over ? errand.taken : true;
}
