/* SPDX-License-Identifier: Apache-2.0
 *
 * paper: see paper.h. cairo draws, FreeType reads the face. The surface writes into a pl_buf.
 * Happy path: new, draw, finish. Failure: the first thing that cannot be drawn is remembered and
 * the document is not made.
 */
#include "client/paper.h"

#include <cairo-ft.h>
#include <cairo-pdf.h>
#include <stdlib.h>
#include <string.h>

#include "client/qrbill.h"
#include "client/text.h"
#include "common/check.h"

enum { PDF_BYTES_MAX = 16 << 20, PATH_BYTES = 512, LINE_BYTES = 1024 };
#define POINTS(mm_) ((mm_)*72.0 / 25.4)
#define MM(points_) ((points_)*25.4 / 72.0)

struct paper {
    FT_Library library;
    FT_Face face[PAPER_FACES];
    cairo_font_face_t *font[PAPER_FACES];
    cairo_surface_t *surface;
    cairo_t *cairo;
    struct pl_buf out;
    bool full;       /* more than a document may be */
    int32_t missing; /* first letter that the face does not have; -1: not UTF-8; 0: none */
};

static cairo_status_t take(void *arg, const unsigned char *data, unsigned len)
{
    struct paper *paper = arg;
    paper->full = paper->full || !pl_is_ok(pl_buf_append(&paper->out, data, len));
    return paper->full ? CAIRO_STATUS_WRITE_ERROR : CAIRO_STATUS_SUCCESS;
}

static struct pl_status load_face(struct paper *paper, enum paper_face face,
                                  struct failure *failure)
{
    static const char *const files[PAPER_FACES] = {"Regular", "Bold", "Italic"};
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof(path), "%s/LiberationSans-%s.ttf", CLIENT_FONT_DIR, files[face]);
    if (FT_New_Face(paper->library, path, 0, &paper->face[face]) != 0)
        return failure_set(failure, PL_E_CONFIG, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                           _("the font of documents is not here: %s (package fonts-liberation)"),
                           path);
    paper->font[face] = cairo_ft_font_face_create_for_ft_face(paper->face[face], 0);
    return pl_ok();
}

static void set_up(struct paper *paper, const struct paper_about *about)
{
    char moment[32];
    paper->surface =
        about->landscape
            ? cairo_pdf_surface_create_for_stream(take, paper, POINTS(297), POINTS(210))
            : cairo_pdf_surface_create_for_stream(take, paper, POINTS(210), POINTS(297));
    (void)snprintf(moment, sizeof(moment), "%sT00:00:00Z", about->date);
    cairo_pdf_surface_set_metadata(paper->surface, CAIRO_PDF_METADATA_TITLE, about->title);
    cairo_pdf_surface_set_metadata(paper->surface, CAIRO_PDF_METADATA_AUTHOR, about->author);
    cairo_pdf_surface_set_metadata(paper->surface, CAIRO_PDF_METADATA_CREATE_DATE, moment);
    cairo_pdf_surface_set_metadata(paper->surface, CAIRO_PDF_METADATA_MOD_DATE, moment);
    paper->cairo = cairo_create(paper->surface);
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_set_font_options(paper->cairo, options);
    cairo_font_options_destroy(options);
}

struct pl_status paper_new(const struct paper_about *about, struct failure *failure,
                           struct paper **ret)
{
    struct paper *paper = calloc(1, sizeof(*paper));
    PL_ASSERT(paper != NULL);
    pl_buf_init(&paper->out, PDF_BYTES_MAX);
    struct pl_status status = FT_Init_FreeType(&paper->library) == 0
                                  ? pl_ok()
                                  : pl_fail(INTERNAL, "FreeType does not start");
    for (int face = 0; face < PAPER_FACES && pl_is_ok(status); face++)
        status = load_face(paper, (enum paper_face)face, failure);
    if (!pl_is_ok(status)) {
        paper_free(paper);
        return status;
    }
    set_up(paper, about);
    *ret = paper;
    return pl_ok();
}

void paper_free(struct paper *paper)
{
    if (paper == NULL)
        return;
    if (paper->cairo != NULL)
        cairo_destroy(paper->cairo);
    if (paper->surface != NULL) {
        cairo_surface_finish(paper->surface);
        cairo_surface_destroy(paper->surface);
    }
    for (int face = 0; face < PAPER_FACES; face++) {
        if (paper->font[face] != NULL)
            cairo_font_face_destroy(paper->font[face]);
    }
    /* cairo keeps scaled fonts for later: the files stay open as long as it may look at them */
    cairo_debug_reset_static_data();
    for (int face = 0; face < PAPER_FACES; face++) {
        if (paper->face[face] != NULL)
            (void)FT_Done_Face(paper->face[face]);
    }
    if (paper->library != NULL)
        (void)FT_Done_FreeType(paper->library);
    pl_buf_fini(&paper->out);
    free(paper);
}

void paper_page(struct paper *paper)
{
    cairo_show_page(paper->cairo);
}

struct pl_status paper_finish(struct paper *paper, struct failure *failure, struct pl_buf *out)
{
    cairo_show_page(paper->cairo);
    cairo_surface_finish(paper->surface);
    if (paper->missing != 0)
        return failure_set(
            failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_FIELD_INVALID, "",
            _("the font of documents has no letter U+%04X: Latin, Greek and Cyrillic "
              "can be printed"),
            paper->missing < 0 ? 0xFFFDu : (unsigned)paper->missing);
    if (paper->full || cairo_status(paper->cairo) != CAIRO_STATUS_SUCCESS ||
        cairo_surface_status(paper->surface) != CAIRO_STATUS_SUCCESS)
        return pl_fail(TOO_BIG, "the document cannot be drawn");
    return pl_buf_append(out, pl_buf_slice(&paper->out).data, pl_buf_len(&paper->out));
}

/* --- ink --- */

void paper_color(struct paper *paper, unsigned rgb)
{
    cairo_set_source_rgb(paper->cairo, (rgb >> 16 & 255) / 255.0, (rgb >> 8 & 255) / 255.0,
                         (rgb & 255) / 255.0);
}

/* The face has no narrow no-break blank: an ordinary one stands for it. */
static const char *with_blanks(const char *text, char out[LINE_BYTES])
{
    size_t used = 0;
    for (size_t i = 0; text[i] != '\0' && used + 3 < LINE_BYTES;) {
        bool narrow = strncmp(text + i, "\u202f", 3) == 0;
        if (narrow) {
            memcpy(out + used, "\u00a0", 2);
            used += 2;
            i += 3;
        } else {
            out[used++] = text[i++];
        }
    }
    out[used] = '\0';
    return out;
}

static bool printable(struct paper *paper, enum paper_face face, const char *text)
{
    for (int32_t letter; (letter = qrbill_letter(&text)) != 0;) {
        if (letter == 0x202F)
            continue;
        if (letter > 0 && FT_Get_Char_Index(paper->face[face], (FT_ULong)letter) != 0)
            continue;
        paper->missing = paper->missing != 0 ? paper->missing : letter;
        return false;
    }
    return true;
}

static void choose(struct paper *paper, enum paper_face face, double points)
{
    cairo_set_font_face(paper->cairo, paper->font[face]);
    cairo_set_font_size(paper->cairo, points);
}

double paper_width(struct paper *paper, enum paper_face face, double points, const char *text)
{
    cairo_text_extents_t extents;
    char line[LINE_BYTES];
    if (!printable(paper, face, text))
        return 0;
    choose(paper, face, points);
    cairo_text_extents(paper->cairo, with_blanks(text, line), &extents);
    return MM(extents.x_advance);
}

void paper_text(struct paper *paper, double x, double y, enum paper_face face, double points,
                const char *text)
{
    char line[LINE_BYTES];
    if (!printable(paper, face, text))
        return;
    choose(paper, face, points);
    cairo_move_to(paper->cairo, POINTS(x), POINTS(y));
    cairo_show_text(paper->cairo, with_blanks(text, line));
}

void paper_text_right(struct paper *paper, double x, double y, enum paper_face face, double points,
                      const char *text)
{
    paper_text(paper, x - paper_width(paper, face, points, text), y, face, points, text);
}

void paper_text_center(struct paper *paper, double x, double y, enum paper_face face, double points,
                       const char *text)
{
    paper_text(paper, x - paper_width(paper, face, points, text) / 2, y, face, points, text);
}

/* --- lines of text --- */

struct breaker {
    struct paper *paper;
    enum paper_face face;
    double points, width;
    const char *rest;
    char line[LINE_BYTES];
};

static size_t letter_len(const char *text)
{
    const char *at = text;
    return qrbill_letter(&at) > 0 ? (size_t)(at - text) : 1;
}

/* Bytes of the longest part of `text` that fits, up to len; at least one letter. */
static size_t part_that_fits(struct breaker *b, const char *text, size_t len)
{
    size_t fits = letter_len(text);
    for (size_t next = fits; next < len; next += letter_len(text + next)) {
        (void)snprintf(b->line, sizeof(b->line), "%.*s", (int)next, text);
        if (paper_width(b->paper, b->face, b->points, b->line) > b->width)
            break;
        fits = next;
    }
    return fits;
}

/* The next line into b->line; false: there is none. */
static bool next_line(struct breaker *b)
{
    while (*b->rest == ' ')
        b->rest++;
    if (*b->rest == '\0')
        return false;
    size_t taken = 0;
    for (size_t end = 0; b->rest[end] != '\0' && end < LINE_BYTES - 8;) {
        end += strspn(b->rest + end, " ");
        end += strcspn(b->rest + end, " ");
        if (end >= LINE_BYTES - 8)
            break;
        (void)snprintf(b->line, sizeof(b->line), "%.*s", (int)end, b->rest);
        if (paper_width(b->paper, b->face, b->points, b->line) > b->width)
            break;
        taken = end;
    }
    if (taken == 0) { /* one word, too long: it is broken where the line ends */
        size_t word = strcspn(b->rest, " ");
        taken = part_that_fits(b, b->rest, word < LINE_BYTES - 8 ? word : LINE_BYTES - 8);
    }
    (void)snprintf(b->line, sizeof(b->line), "%.*s", (int)taken, b->rest);
    b->rest += taken;
    return true;
}

static void add_ellipsis(struct breaker *b)
{
    size_t len = strlen(b->line);
    while (len > 0) {
        (void)snprintf(b->line + len, sizeof(b->line) - len, "\u2026");
        if (paper_width(b->paper, b->face, b->points, b->line) <= b->width)
            return;
        do
            len--;
        while (len > 0 && ((unsigned char)b->line[len] & 0xC0) == 0x80);
        b->line[len] = '\0';
    }
}

double paper_block(struct paper *paper, double x, double y, double width, enum paper_face face,
                   double points, double leading, int lines, const char *text)
{
    struct breaker b = {
        .paper = paper, .face = face, .points = points, .width = width, .rest = text};
    if (!printable(paper, face, text))
        return y;
    for (int line = 1; next_line(&b); line++) {
        bool last = lines != 0 && line == lines;
        if (last && b.rest[strspn(b.rest, " ")] != '\0')
            add_ellipsis(&b);
        paper_text(paper, x, y, face, points, b.line);
        y += MM(leading);
        if (last)
            break;
    }
    return y;
}

/* --- figures --- */

void paper_line(struct paper *paper, double x1, double y1, double x2, double y2, double points)
{
    cairo_set_line_width(paper->cairo, points);
    cairo_move_to(paper->cairo, POINTS(x1), POINTS(y1));
    cairo_line_to(paper->cairo, POINTS(x2), POINTS(y2));
    cairo_stroke(paper->cairo);
}

void paper_fill(struct paper *paper, double x, double y, double width, double height)
{
    cairo_rectangle(paper->cairo, POINTS(x), POINTS(y), POINTS(width), POINTS(height));
    cairo_fill(paper->cairo);
}

void paper_frame(struct paper *paper, double x, double y, double width, double height,
                 double points)
{
    cairo_set_line_width(paper->cairo, points);
    cairo_rectangle(paper->cairo, POINTS(x), POINTS(y), POINTS(width), POINTS(height));
    cairo_stroke(paper->cairo);
}

void paper_circle(struct paper *paper, double x, double y, double radius, double points)
{
    cairo_set_line_width(paper->cairo, points);
    cairo_new_sub_path(paper->cairo);
    cairo_arc(paper->cairo, POINTS(x), POINTS(y), POINTS(radius), 0, 6.283185307179586);
    cairo_stroke(paper->cairo);
}
