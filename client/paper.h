/* SPDX-License-Identifier: Apache-2.0
 *
 * paper: a PDF in memory, page by page. Places are millimetres from the upper left corner, sizes of
 * letters points; a text stands on its y. One face (Liberation Sans, embedded), its files read by
 * name and never looked for, no hinting, dates given: equal input gives equal bytes. What goes
 * wrong on the way (a letter that the face does not have) is kept and told by paper_finish.
 *
 * Numbers are double: this is ink, not money.
 */
#ifndef CLIENT_PAPER_H
#define CLIENT_PAPER_H

#include "client/failure.h"
#include "common/buf.h"

struct paper;
enum paper_face { PAPER_REGULAR, PAPER_BOLD, PAPER_ITALIC, PAPER_FACES };

struct paper_about {
    const char *title, *author;
    const char *date; /* YYYY-MM-DD */
    bool landscape;   /* A4 upright otherwise */
};

/* CONFIG if the font is not installed. */
PL_MUST_CHECK struct pl_status paper_new(const struct paper_about *about, struct failure *failure,
                                         struct paper **ret);
void paper_free(struct paper *paper); /* NULL is fine */
/* Ends the page and begins another. */
void paper_page(struct paper *paper);
/* Appends the whole PDF. INVALID with the letter that cannot be printed. */
PL_MUST_CHECK struct pl_status paper_finish(struct paper *paper, struct failure *failure,
                                            struct pl_buf *out);

/* Colour of what follows, 0xRRGGBB; black at first. */
void paper_color(struct paper *paper, unsigned rgb);
double paper_width(struct paper *paper, enum paper_face face, double points, const char *text);
void paper_text(struct paper *paper, double x, double y, enum paper_face face, double points,
                const char *text);
void paper_text_right(struct paper *paper, double x, double y, enum paper_face face, double points,
                      const char *text);
void paper_text_center(struct paper *paper, double x, double y, enum paper_face face, double points,
                       const char *text);
/* Broken at blanks (a word that is too long within itself) into lines `leading` points apart, at
 * most `lines` (0: any; what does not fit ends in an ellipsis). Returns the y after it. */
double paper_block(struct paper *paper, double x, double y, double width, enum paper_face face,
                   double points, double leading, int lines, const char *text);
void paper_line(struct paper *paper, double x1, double y1, double x2, double y2, double points);
void paper_fill(struct paper *paper, double x, double y, double width, double height);
void paper_frame(struct paper *paper, double x, double y, double width, double height,
                 double points);
void paper_circle(struct paper *paper, double x, double y, double radius, double points);

#endif
