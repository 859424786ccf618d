/* SPDX-License-Identifier: Apache-2.0
 *
 * two_movements: a ledger with one promise, and a bank's file of one statement with two movements,
 * which a test spoils before it is brought. For one test program each.
 */
#ifndef TWO_MOVEMENTS_H
#define TWO_MOVEMENTS_H

#include "story.h"

static struct world w;
static Pledged__V1__BankStatement *bank;
static Pledged__V1__Movement *first;

static int setup(void **state)
{
    (void)state;
    world_ready(&w, 2);
    submit(&w, NULL, "C000001", NULL, 100000, "CHF");
    story_policy(&w, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&w);
    return 0;
}

/* One statement of two movements. */
static void begin(void)
{
    Pledged__V1__Movement *list[] = {movement(&w, 700, "2026-02-03", "A-1", ""),
                                     movement(&w, -30, "2026-02-03", "A-2", ""), NULL};
    bank = bank_statement(&w, "ST-1", 1000, list);
    first = bank->movement[0];
}

#endif
