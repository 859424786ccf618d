/* SPDX-License-Identifier: Apache-2.0
 *
 * storm: random commands from a fixed seed, valid ones and wrong ones, in all stages; and time that
 * passes between them. The same seed gives the same storm on every machine.
 */
#ifndef TEST_LEDGER_STORM_H
#define TEST_LEDGER_STORM_H

#include "fixture.h"

struct storm {
    uint64_t seed;
    uint32_t contributors;
    uint32_t version; /* of the catalogue */
};

static inline uint32_t storm_roll(struct storm *storm, uint32_t sides)
{
    storm->seed = storm->seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(storm->seed >> 33) % sides;
}

static inline void storm_slots(struct world *w, struct storm *s, const char *tier, const char *c,
                               const char *p)
{
    switch (storm_roll(s, 6)) {
    case 0:
        hold(w, tier, c, 1 + storm_roll(s, 5 * 86400));
        break;
    case 1:
        wait_in(w, tier, c);
        break;
    case 2:
        submit(w, NULL, c, tier, storm_roll(s, 2) ? 0 : 15000000 + storm_roll(s, 20000000), "CHF");
        break;
    case 3:
        submit(w, p, NULL, NULL, storm_roll(s, 3) ? 0 : 40000000, "CHF");
        break;
    case 4:
        extend_hold(w, p, 1 + storm_roll(s, 5 * 86400));
        break;
    default:
        change_tier(w, p, tier, storm_roll(s, 2) ? 0 : 30000000);
        break;
    }
}

static inline void storm_rest(struct world *w, struct storm *s, const char *c, const char *p)
{
    switch (storm_roll(s, 9)) {
    case 0:
        submit(w, NULL, c, NULL, 1 + storm_roll(s, 1000), storm_roll(s, 2) ? "CHF" : "JPY");
        break;
    case 1:
        commit(w, p);
        break;
    case 2:
        amend(w, p, 1 + storm_roll(s, 40000000), "CHF");
        break;
    case 3:
        withdraw(w, p);
        break;
    case 4:
        cancel(w, p, (Pledged__V1__MoneyPlan)storm_roll(s, 4));
        break;
    case 5:
        reverse(w, storm_roll(s, (uint32_t)ledger_size(w->ledger) + 2));
        break;
    case 6:
        if (storm_roll(s, 8) == 0)
            adopt(w, test_catalogue(&w->arena, s->version++, 1 + storm_roll(s, 4)));
        break;
    default:
        pay(w, p, 1 + storm_roll(s, 20000000), storm_roll(s, 4) ? "CHF" : "USD",
            storm_roll(s, 3) ? "" : c);
        break;
    }
}

static inline void storm_step(struct world *w, struct storm *s)
{
    static const char *const tiers[] = {"top", "duo", "many", "ask"};
    char c[24], p[24];
    (void)snprintf(c, sizeof(c), "C%06u", storm_roll(s, s->contributors) + 1);
    uint32_t count = (uint32_t)w->ledger->pledge_count, place = storm_roll(s, count + 1);
    if (count > 24 && storm_roll(s, 4) != 0)
        place = count - storm_roll(s, 24); /* mostly new ones: the old ones have ended */
    (void)snprintf(p, sizeof(p), "P%06u", place + 1);
    if (storm_roll(s, 2) == 0)
        storm_slots(w, s, tiers[storm_roll(s, 4)], c, p);
    else
        storm_rest(w, s, c, p);
    if (storm_roll(s, 3) == 0)
        pass(w, storm_roll(s, 86400) * 1000000LL);
}

static inline struct storm storm_over(struct world *w, uint64_t seed, int steps)
{
    struct storm storm = {.seed = seed, .contributors = 12, .version = 2};
    world_ready(w, 12);
    for (int i = 0; i < steps; i++)
        storm_step(w, &storm);
    return storm;
}

#endif
