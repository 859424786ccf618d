/* SPDX-License-Identifier: Apache-2.0
 *
 * chart: figures as SVG that needs nothing but itself: no script, no font of its own, no colour as
 * the only difference (the page beside it has the table with the same numbers). Widths are
 * relative: the figure takes the width of its place. Integers only, so the same numbers give the
 * same bytes.
 */
#ifndef CLIENT_CHART_H
#define CLIENT_CHART_H

#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"

/* Parts of a bar, from left to right; the classes p0 to p4 give their colours. */
enum { CHART_PARTS = 4 };
struct chart_row {
    const char *label;
    const char *words;         /* what stands at the end of the bar */
    int64_t part[CHART_PARTS]; /* not negative */
    int64_t whole;             /* length of the empty track; 0: none */
};
/* One bar a row. `title` is what a screen reader says. `boxes`: parts are counts, and each one is a
 * box of its own as long as there are few. */
PL_MUST_CHECK struct pl_status chart_bars(struct pl_buf *out, const char *title,
                                          const struct chart_row *row, size_t count, bool boxes);

/* A course over equal steps of time: `series` lines over the same points. */
enum { CHART_SERIES = 3 };
struct chart_course {
    const char *const *point; /* names of the steps: "2026-03" */
    size_t points;
    const int64_t *value[CHART_SERIES]; /* `points` numbers each; NULL: no such line */
    const char *name[CHART_SERIES];
    const char *currency; /* of the values, for the axis */
};
PL_MUST_CHECK struct pl_status chart_course(struct pl_buf *out, const char *title,
                                            const struct chart_course *course,
                                            struct pl_arena *arena);

/* A step between lines of an axis: 1, 2 or 5 times a power of ten, at most five of them up to
 * `most`. */
int64_t chart_step(int64_t most);

#endif
