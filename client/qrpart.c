/* SPDX-License-Identifier: Apache-2.0
 *
 * qrpart: see qrpart.h. All numbers are millimetres or points of the style guide. The receipt is 62
 * mm wide, the payment part 148; each has a margin of 5 mm. What the payer has to fill in is a box
 * with corner marks. Happy path: payload, symbol, texts. Failure: what qrbill_check says.
 */
#include "client/qrpart.h"

#include <qrencode.h>
#include <string.h>

#include "client/text.h"
#include "common/check.h"
#include "common/money.h"
#include "common/reference.h"

#define TOP       192.0 /* of 297 */
#define RECEIPT_X 5.0
#define PART_X    67.0
#define INFO_X    118.0
#define SYMBOL    46.0
#define LINE(pt_) ((pt_)*25.4 / 72.0)
#define BLACK     0x000000u
#define PAPER_INK 0xFFFFFFu

/* From 14 to 20 no alignment pattern lies in the middle, under the cross: it would cost scanners
 * the one that they look for first. Smaller bills get version 14, larger ones what they need. */
enum { VERSION_LEAST = 14 };

/* Sizes of one of the two sides. */
struct side {
    double x, width;
    double heading, value, leading; /* points */
};
static const struct side receipt_side = {RECEIPT_X, 52, 6, 8, 9};
static const struct side part_side = {INFO_X, 87, 8, 10, 11};

/* --- the symbol --- */

static void draw_cross(struct paper *paper, double x, double y)
{
    /* the cross of 7 mm: a white frame, a black square, arms a sixth longer than wide */
    const double black = 6.2, arm = black * 20 / 32, bar = black * 6 / 32;
    double mx = x + SYMBOL / 2, my = y + SYMBOL / 2;
    paper_color(paper, PAPER_INK);
    paper_fill(paper, mx - 3.5, my - 3.5, 7, 7);
    paper_color(paper, BLACK);
    paper_fill(paper, mx - black / 2, my - black / 2, black, black);
    paper_color(paper, PAPER_INK);
    paper_fill(paper, mx - arm / 2, my - bar / 2, arm, bar);
    paper_fill(paper, mx - bar / 2, my - arm / 2, bar, arm);
    paper_color(paper, BLACK);
}

static struct pl_status draw_symbol(struct paper *paper, double x, double y,
                                    struct pl_slice payload)
{
    QRcode *code = QRcode_encodeData((int)payload.len, payload.data, VERSION_LEAST, QR_ECLEVEL_M);
    if (code == NULL)
        return pl_fail(TOO_BIG, "the bill does not fit into its symbol");
    double module = SYMBOL / code->width;
    for (int row = 0; row < code->width; row++) {
        for (int column = 0; column < code->width; column++) {
            int first = column;
            while (column < code->width && (code->data[row * code->width + column] & 1) != 0)
                column++;
            if (column > first)
                paper_fill(paper, x + first * module, y + row * module, (column - first) * module,
                           module);
        }
    }
    QRcode_free(code);
    draw_cross(paper, x, y);
    return pl_ok();
}

/* --- texts --- */

static void corner(struct paper *paper, double x, double y, double dx, double dy)
{
    paper_line(paper, x, y, x + dx * 3, y, 0.75);
    paper_line(paper, x, y, x, y + dy * 3, 0.75);
}

static void blank_box(struct paper *paper, double x, double y, double width, double height)
{
    corner(paper, x, y, 1, 1);
    corner(paper, x + width, y, -1, 1);
    corner(paper, x, y + height, 1, -1);
    corner(paper, x + width, y + height, -1, -1);
}

static double heading(struct paper *paper, const struct side *side, double y, const char *text)
{
    paper_text(paper, side->x, y, PAPER_BOLD, side->heading, text);
    return y + LINE(side->leading);
}

static double value(struct paper *paper, const struct side *side, double y, const char *text)
{
    return paper_block(paper, side->x, y, side->width, PAPER_REGULAR, side->value, side->leading, 0,
                       text);
}

static double address(struct paper *paper, const struct side *side, double y,
                      const struct qrbill_party *party)
{
    char line[256];
    y = value(paper, side, y, party->name);
    (void)snprintf(line, sizeof(line), "%s%s%s", party->street,
                   party->street[0] != '\0' && party->number[0] != '\0' ? " " : "", party->number);
    if (line[0] != '\0')
        y = value(paper, side, y, line);
    bool home = strcmp(party->country, "CH") == 0;
    (void)snprintf(line, sizeof(line), "%s%s%s %s", home ? "" : party->country, home ? "" : "-",
                   party->postal_code, party->town);
    return value(paper, side, y, line);
}

/* Account, reference, message (payment part only) and payer. */
static void information(struct paper *paper, const struct side *side, double y,
                        const struct qrbill *bill, bool with_message)
{
    char print[PL_IBAN_PRINT_BYTES], reference[PL_REFERENCE_PRINT_BYTES];
    double gap = LINE(side->leading);
    y = heading(paper, side, y, _("Account / Payable to"));
    y = value(paper, side, y, pl_iban_print(bill->iban, print));
    y = address(paper, side, y, &bill->creditor) + gap;
    if (bill->reference[0] != '\0') {
        y = heading(paper, side, y, _("Reference"));
        y = value(paper, side, y, pl_reference_print(bill->reference, reference)) + gap;
    }
    if (with_message && (bill->message[0] != '\0' || bill->billing_info[0] != '\0')) {
        y = heading(paper, side, y, _("Additional information"));
        if (bill->message[0] != '\0')
            y = value(paper, side, y, bill->message);
        if (bill->billing_info[0] != '\0')
            y = value(paper, side, y, bill->billing_info);
        y += gap;
    }
    if (bill->debtor != NULL) {
        y = heading(paper, side, y, _("Payable by"));
        (void)address(paper, side, y, bill->debtor);
        return;
    }
    y = heading(paper, side, y, _("Payable by (name/address)"));
    blank_box(paper, side->x, y - LINE(side->leading) + 1, with_message ? 65 : 52,
              with_message ? 25 : 20);
}

static void amount(struct paper *paper, const struct side *side, double x, double y,
                   const struct qrbill *bill, double box_x, double box_y, double box_width,
                   double box_height)
{
    char text[64];
    double second = x + (side == &receipt_side ? 12 : 14);
    paper_text(paper, x, y, PAPER_BOLD, side->heading, _("Currency"));
    paper_text(paper, second, y, PAPER_BOLD, side->heading, _("Amount"));
    y += LINE(side->leading + 1);
    paper_text(paper, x, y, PAPER_REGULAR, side->value, bill->currency);
    if (bill->minor != 0)
        paper_text(paper, second, y, PAPER_REGULAR, side->value,
                   pl_decimal_format_grouped(bill->minor, 2, " ", text));
    else
        blank_box(paper, box_x, box_y, box_width, box_height);
}

/* A pair of scissors that looks along the line: two rings and two blades. */
static void scissors(struct paper *paper, double x, double y, bool down)
{
    for (int side = -1; side <= 1; side += 2) {
        double ring = side * 1.0, tip = side * -0.9;
        if (down) {
            paper_circle(paper, x + ring, y, 0.75, 0.8);
            paper_line(paper, x + ring * 0.55, y + 0.65, x + tip, y + 5, 0.8);
        } else {
            paper_circle(paper, x, y + ring, 0.75, 0.8);
            paper_line(paper, x + 0.65, y + ring * 0.55, x + 5, y + tip, 0.8);
        }
    }
}

static void separation(struct paper *paper)
{
    paper_line(paper, 0, TOP, 210, TOP, 0.5);
    paper_line(paper, 62, TOP, 62, 297, 0.5);
    scissors(paper, 5, TOP, false);
    scissors(paper, 62, TOP + 8, true);
    paper_text_center(paper, 105, TOP - 1.8, PAPER_REGULAR, 7, _("Separate before paying in"));
}

struct pl_status qrpart_draw(struct paper *paper, const struct qrbill *bill,
                             struct failure *failure)
{
    struct pl_buf payload PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&payload, 2ul * QRBILL_PAYLOAD_MAX);
    PL_TRY(qrbill_payload(bill, failure, &payload));
    paper_color(paper, BLACK);
    separation(paper);
    paper_text(paper, RECEIPT_X, TOP + 5 + LINE(11) * 0.8, PAPER_BOLD, 11,
               text_language() == TEXT_FRENCH ? "Récépissé" : "Receipt");
    information(paper, &receipt_side, TOP + 12 + LINE(6), bill, false);
    amount(paper, &receipt_side, RECEIPT_X, TOP + 68 + LINE(6), bill, RECEIPT_X + 22, TOP + 68 + 1,
           30, 10);
    paper_text_right(paper, RECEIPT_X + 52, TOP + 82 + LINE(6), PAPER_BOLD, 6,
                     _("Acceptance point"));
    paper_text(paper, PART_X, TOP + 5 + LINE(11) * 0.8, PAPER_BOLD, 11, _("Payment part"));
    PL_TRY(draw_symbol(paper, PART_X, TOP + 17, pl_buf_slice(&payload)));
    amount(paper, &part_side, PART_X, TOP + 68 + LINE(8), bill, PART_X + 11, TOP + 68 + 5, 40, 15);
    information(paper, &part_side, TOP + 5 + LINE(8), bill, true);
    return pl_ok();
}
