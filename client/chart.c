/* SPDX-License-Identifier: Apache-2.0
 *
 * chart: see chart.h. Lengths are in units of a view box of 900 wide; positions are computed with
 * 128 bits where amounts are multiplied, so that no amount can overflow one.
 */
#include "client/chart.h"


#include "client/output.h"
#include "common/check.h"

enum {
    WIDTH = 900,
    LABEL = 190, /* room for the names of rows */
    WORDS = 200, /* and for what stands behind the bars */
    TRACK = WIDTH - LABEL - WORDS,
    ROW = 34,
    BAR = 18,
    BOXES_MAX = 12,
    PLOT_LEFT = 150,
    PLOT_TOP = 16,
    PLOT_HEIGHT = 240,
    PLOT_WIDTH = WIDTH - PLOT_LEFT - 40,
    NAMES_MAX = 12, /* of points below the axis */
    STEPS_MAX = 5,
};

/* part of whole as a length; 0 where there is nothing */
static int scaled(int64_t part, int64_t whole, int length)
{
    return whole <= 0 ? 0 : (int)((__int128)part * length / whole);
}

static struct pl_status begin(struct pl_buf *out, const char *title, int height)
{
    PL_TRY(pl_buf_printf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\"><title>", WIDTH, height));
    PL_TRY(output_xml(out, title));
    return pl_buf_append_str(out, "</title>\n");
}

static struct pl_status write_text(struct pl_buf *out, int x, int y, const char *kind,
                                   const char *text)
{
    PL_TRY(pl_buf_printf(out, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, kind));
    PL_TRY(output_xml(out, text));
    return pl_buf_append_str(out, "</text>\n");
}

/* --- bars --- */

static int64_t row_sum(const struct chart_row *row)
{
    int64_t sum = 0;
    for (size_t i = 0; i < CHART_PARTS; i++)
        sum += row->part[i];
    return sum;
}

static int64_t row_most(const struct chart_row *row)
{
    int64_t sum = row_sum(row);
    return sum > row->whole ? sum : row->whole;
}

static struct pl_status draw_bar(struct pl_buf *out, const struct chart_row *row, int y,
                                 int64_t most)
{
    int64_t before = 0;
    if (row->whole > 0)
        PL_TRY(pl_buf_printf(
            out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" class=\"track\"/>\n", LABEL, y,
            scaled(row->whole, most, TRACK), BAR));
    for (size_t i = 0; i < CHART_PARTS; i++) {
        int from = scaled(before, most, TRACK);
        before += row->part[i];
        int to = scaled(before, most, TRACK);
        if (row->part[i] > 0)
            PL_TRY(pl_buf_printf(
                out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" class=\"p%zu\"/>\n",
                LABEL + from, y, to > from ? to - from : 1, BAR, i));
    }
    return pl_ok();
}

static struct pl_status draw_boxes(struct pl_buf *out, const struct chart_row *row, int y)
{
    int64_t filled = row_sum(row), boxes = row_most(row), until = 0;
    size_t part = 0;
    for (int64_t i = 0; i < boxes; i++) {
        while (part < CHART_PARTS && i >= until + row->part[part])
            until += row->part[part++];
        PL_TRY(pl_buf_printf(out,
                             "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"3\" class=\"",
                             LABEL + (int)i * TRACK / BOXES_MAX, y, TRACK / BOXES_MAX - 5, BAR));
        PL_TRY(i < filled ? pl_buf_printf(out, "p%zu\"/>\n", part)
                          : pl_buf_append_str(out, "track\"/>\n"));
    }
    return pl_ok();
}

struct pl_status chart_bars(struct pl_buf *out, const char *title, const struct chart_row *row,
                            size_t count, bool boxes)
{
    int64_t most = 1;
    for (size_t i = 0; i < count; i++)
        most = row_most(&row[i]) > most ? row_most(&row[i]) : most;
    PL_TRY(begin(out, title, (int)count * ROW + 8));
    for (size_t i = 0; i < count; i++) {
        int y = 8 + (int)i * ROW;
        PL_TRY(write_text(out, LABEL - 12, y + BAR - 4, "end", row[i].label));
        PL_TRY(boxes && most <= BOXES_MAX ? draw_boxes(out, &row[i], y)
                                          : draw_bar(out, &row[i], y, most));
        PL_TRY(write_text(out, LABEL + TRACK + 12, y + BAR - 4, "start", row[i].words));
    }
    return pl_buf_append_str(out, "</svg>\n");
}

/* --- courses --- */

int64_t chart_step(int64_t most)
{
    static const int64_t factors[] = {1, 2, 5};
    int64_t power = 1;
    for (;;) {
        for (size_t i = 0; i < PL_COUNT(factors); i++) {
            if ((__int128)factors[i] * power * STEPS_MAX >= most)
                return factors[i] * power;
        }
        if (power > INT64_MAX / 50)
            return INT64_MAX / STEPS_MAX;
        power *= 10;
    }
}

static int point_x(const struct chart_course *course, size_t i)
{
    return course->points < 2 ? PLOT_LEFT + PLOT_WIDTH / 2
                              : PLOT_LEFT + (int)((size_t)PLOT_WIDTH * i / (course->points - 1));
}

static int value_y(int64_t value, int64_t top)
{
    return PLOT_TOP + PLOT_HEIGHT - scaled(value, top, PLOT_HEIGHT);
}

static int64_t largest(const struct chart_course *course)
{
    int64_t most = 1;
    for (size_t s = 0; s < CHART_SERIES; s++) {
        for (size_t i = 0; course->value[s] != NULL && i < course->points; i++)
            most = course->value[s][i] > most ? course->value[s][i] : most;
    }
    return most;
}

static struct pl_status draw_axis(struct pl_buf *out, const struct chart_course *course,
                                  int64_t step, int64_t top, struct pl_arena *arena)
{
    for (int64_t at = 0; at <= top; at += step) {
        int y = value_y(at, top);
        PL_TRY(pl_buf_printf(out, "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" class=\"%s\"/>\n",
                             PLOT_LEFT, y, PLOT_LEFT + PLOT_WIDTH, y, at == 0 ? "axis" : "grid"));
        PL_TRY(write_text(out, PLOT_LEFT - 10, y + 4, "end",
                          output_money(arena, at, course->currency)));
        if (at > INT64_MAX - step)
            break;
    }
    size_t every = (course->points + NAMES_MAX - 1) / NAMES_MAX;
    for (size_t i = 0; i < course->points; i += every)
        PL_TRY(write_text(out, point_x(course, i), PLOT_TOP + PLOT_HEIGHT + 22, "middle",
                          course->point[i]));
    return pl_ok();
}

static struct pl_status draw_series(struct pl_buf *out, const struct chart_course *course, size_t s,
                                    int64_t top)
{
    PL_TRY(pl_buf_printf(out, "<polyline class=\"s%zu\" points=\"", s));
    for (size_t i = 0; i < course->points; i++)
        PL_TRY(pl_buf_printf(out, "%s%d,%d", i == 0 ? "" : " ", point_x(course, i),
                             value_y(course->value[s][i], top)));
    PL_TRY(pl_buf_append_str(out, "\"/>\n"));
    for (size_t i = 0; i < course->points; i++)
        PL_TRY(pl_buf_printf(out, "<circle class=\"s%zu\" cx=\"%d\" cy=\"%d\" r=\"3.5\"/>\n", s,
                             point_x(course, i), value_y(course->value[s][i], top)));
    return pl_ok();
}

static struct pl_status draw_legend(struct pl_buf *out, const struct chart_course *course, int y)
{
    int x = PLOT_LEFT;
    for (size_t s = 0; s < CHART_SERIES; s++) {
        if (course->value[s] == NULL)
            continue;
        PL_TRY(pl_buf_printf(out,
                             "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" class=\"s%zu\"/>\n", x,
                             y, x + 28, y, s));
        PL_TRY(write_text(out, x + 36, y + 4, "start", course->name[s]));
        x += 220;
    }
    return pl_ok();
}

struct pl_status chart_course(struct pl_buf *out, const char *title,
                              const struct chart_course *course, struct pl_arena *arena)
{
    int64_t most = largest(course), step = chart_step(most);
    int64_t lines = (most + step - 1) / step;
    int64_t top = lines * step;
    PL_TRY(begin(out, title, PLOT_TOP + PLOT_HEIGHT + 62));
    PL_TRY(draw_axis(out, course, step, top, arena));
    for (size_t s = 0; s < CHART_SERIES; s++) {
        if (course->value[s] != NULL)
            PL_TRY(draw_series(out, course, s, top));
    }
    PL_TRY(draw_legend(out, course, PLOT_TOP + PLOT_HEIGHT + 48));
    return pl_buf_append_str(out, "</svg>\n");
}
