/* SPDX-License-Identifier: Apache-2.0
 *
 * documents: see documents.h. Letters are upright A4 with the sender above, the partner's name in
 * the window of an envelope, and lines that end in amounts; certificates lie. Happy path: head,
 * lines, foot. Failure: a letter that cannot be printed, a bill that payments would not take.
 */
#include "client/documents.h"

#include <inttypes.h>
#include <string.h>

#include "client/output.h"
#include "client/qrpart.h"
#include "client/text.h"
#include "common/check.h"
#include "common/date.h"
#include "common/reference.h"

#define LEFT   22.0
#define RIGHT  188.0
#define INK    0x000000u
#define QUIET  0x5A6472u
#define ACCENT 0x0B4F8Au
#define GOLD   0xA67C2Eu
#define RULE   0xC9D2DCu

const char *documents_day(struct pl_arena *arena, const char *date)
{
    static const char *const months[] = {N_("January"), N_("February"), N_("March"),
                                         N_("April"),   N_("May"),      N_("June"),
                                         N_("July"),    N_("August"),   N_("September"),
                                         N_("October"), N_("November"), N_("December")};
    int month = pl_date_valid(date) ? (date[5] - '0') * 10 + date[6] - '0' : 0;
    if (month < 1 || month > 12)
        return date;
    const char *day = date[8] == '0' ? date + 9 : date + 8;
    bool first = strcmp(day, "1") == 0 && text_language() == TEXT_FRENCH;
    const char *text =
        pl_arena_printf(arena, "%s%s %s %.4s", day, first ? "er" : "", _(months[month - 1]), date);
    return text != NULL ? text : date;
}

static const char *money(struct pl_arena *arena, const Pledged__V1__Money *amount)
{
    return amount == NULL ? "" : output_money(arena, amount->minor, amount->currency);
}

static const char *format2(struct pl_arena *arena, const char *words, const char *value)
{
    const char *text = pl_arena_printf(arena, "%s %s", words, value);
    return text != NULL ? text : words;
}

/* --- letters --- */

struct letter {
    struct paper *paper;
    struct pl_arena *arena;
    double y;
    const char *reference; /* that the payer has to give; NULL: the pledge's */
};

static void sender(struct letter *letter, const struct qrbill_party *from)
{
    char line[512];
    struct paper *paper = letter->paper;
    paper_color(paper, ACCENT);
    paper_fill(paper, LEFT, 16, 1.4, 15);
    double y = paper_block(paper, LEFT + 4, 20, 110, PAPER_BOLD, 12, 15, 2, from->name);
    paper_color(paper, QUIET);
    (void)snprintf(line, sizeof(line), "%s%s%s%s%s %s, %s", from->street,
                   from->number[0] != '\0' ? " " : "", from->number,
                   from->street[0] != '\0' ? ", " : "", from->postal_code, from->town,
                   from->country);
    (void)paper_block(paper, LEFT + 4, y + 0.5, 150, PAPER_REGULAR, 8.5, 11, 2, line);
    paper_color(paper, INK);
}

static void recipient(struct letter *letter, const char *name, const char *id)
{
    struct paper *paper = letter->paper;
    double y = paper_block(paper, 118, 48, 72, PAPER_BOLD, 10.5, 13.5, 4, name);
    paper_color(paper, QUIET);
    paper_text(paper, 118, y, PAPER_REGULAR, 9, id);
    paper_color(paper, INK);
}

static void title(struct letter *letter, const char *words, const char *number, const char *date)
{
    struct paper *paper = letter->paper;
    paper_color(paper, ACCENT);
    paper_text(paper, LEFT, 82, PAPER_BOLD, 17, words);
    paper_color(paper, INK);
    paper_text(paper, LEFT + paper_width(paper, PAPER_BOLD, 17, words) + 3, 82, PAPER_REGULAR, 17,
               number);
    paper_text_right(paper, RIGHT, 82, PAPER_REGULAR, 10, documents_day(letter->arena, date));
    paper_color(paper, RULE);
    paper_line(paper, LEFT, 85.5, RIGHT, 85.5, 0.8);
    paper_color(paper, INK);
    letter->y = 93;
}

static void fact(struct letter *letter, const char *words, const char *value)
{
    struct paper *paper = letter->paper;
    if (value == NULL || value[0] == '\0')
        return;
    paper_color(paper, QUIET);
    paper_text(paper, LEFT, letter->y, PAPER_REGULAR, 9.5, words);
    paper_color(paper, INK);
    letter->y = paper_block(paper, LEFT + 46, letter->y, 118, PAPER_REGULAR, 9.5, 13, 3, value);
}

static void row(struct letter *letter, enum paper_face face, const char *words, const char *amount)
{
    double y = letter->y;
    letter->y = paper_block(letter->paper, LEFT, y, 118, face, 10, 14, 3, words);
    paper_text_right(letter->paper, RIGHT, y, face, 10, amount);
    letter->y += 1.2;
}

static void rule(struct letter *letter)
{
    paper_color(letter->paper, RULE);
    paper_line(letter->paper, LEFT, letter->y - 3.2, RIGHT, letter->y - 3.2, 0.6);
    paper_color(letter->paper, INK);
    letter->y += 2;
}

static const char *what_for(const struct documents_input *input, struct pl_arena *arena)
{
    if (input->tier == NULL)
        return _("Free contribution to the fund");
    const char *text =
        input->event[0] == '\0'
            ? pl_arena_printf(arena, _("Partnership \"%s\""), input->tier)
            : pl_arena_printf(arena, _("Partnership \"%s\", %s"), input->tier, input->event);
    return text != NULL ? text : input->tier;
}

static void pledge_facts(struct letter *letter, const struct documents_input *input)
{
    char print[PL_REFERENCE_PRINT_BYTES];
    fact(letter, _("Pledge"), input->pledge->pledge);
    fact(letter, _("For"), what_for(input, letter->arena));
    fact(letter, _("Reference"),
         pl_arena_strdup(letter->arena,
                         pl_reference_print(letter->reference != NULL ? letter->reference
                                                                      : input->pledge->reference,
                                            print)));
}

static struct pl_status begin(const struct documents_input *input, const char *words,
                              bool landscape, struct pl_arena *arena, struct failure *failure,
                              struct letter *ret)
{
    const struct paper_about about = {
        .title =
            format2(arena, words, input->number != NULL ? input->number : input->pledge->pledge),
        .author = input->treasury->creditor.name,
        .date = input->date,
        .landscape = landscape,
    };
    *ret = (struct letter){.arena = arena};
    return paper_new(&about, failure, &ret->paper);
}

static struct pl_status end(struct letter *letter, struct pl_status status, struct failure *failure,
                            struct pl_buf *out)
{
    if (pl_is_ok(status))
        status = paper_finish(letter->paper, failure, out);
    paper_free(letter->paper);
    return status;
}

/* --- the invoice --- */

static const Pledged__V1__Money *to_pay(const struct documents_input *input)
{
    return input->instalment == 0 ? input->pledge->outstanding
                                  : input->pledge->instalment[input->instalment - 1]->outstanding;
}

/* Where CHF or EUR is paid into a Swiss account there is a payment part. */
static bool has_payment_part(const struct treasury_account *account)
{
    return pl_iban_swiss(account->iban) &&
           (strcmp(account->currency, "CHF") == 0 || strcmp(account->currency, "EUR") == 0);
}

static struct pl_status payment_part(const struct documents_input *input,
                                     const struct treasury_account *account, struct letter *letter,
                                     struct failure *failure)
{
    char reference[PL_REFERENCE_BYTES];
    uint64_t number = pl_reference_pledge(input->pledge->reference);
    bool qr = account->qr_iban[0] != '\0';
    const struct qrbill bill = {
        .iban = qr ? account->qr_iban : account->iban,
        .creditor = input->treasury->creditor,
        .minor = to_pay(input)->minor,
        .currency = account->currency,
        .debtor = input->payer,
        .reference = qr ? pl_reference_qrr(number, reference) : input->pledge->reference,
        .message = input->pledge->pledge,
        .billing_info = "",
    };
    return qrpart_draw(letter->paper, &bill, failure);
}

static void bank_details(const struct documents_input *input,
                         const struct treasury_account *account, struct letter *letter)
{
    char normal[PL_IBAN_BYTES], print[PL_IBAN_PRINT_BYTES];
    letter->y += 6;
    paper_text(letter->paper, LEFT, letter->y, PAPER_BOLD, 10.5, _("Please pay to"));
    letter->y += 6.5;
    fact(letter, _("Payee"), input->treasury->creditor.name);
    if (pl_iban_read(account->iban, normal))
        fact(letter, "IBAN", pl_arena_strdup(letter->arena, pl_iban_print(normal, print)));
    else
        fact(letter, _("Account"), account->iban);
    fact(letter, "BIC", account->bic);
    fact(letter, _("Bank"), account->bank);
    char reference[PL_REFERENCE_PRINT_BYTES];
    fact(letter, _("Reference"),
         pl_arena_strdup(letter->arena, pl_reference_print(input->pledge->reference, reference)));
    fact(letter, _("Amount"), money(letter->arena, to_pay(input)));
}

static void invoice_lines(const struct documents_input *input, struct letter *letter)
{
    const Pledged__V1__PledgeStatus *pledge = input->pledge;
    struct pl_arena *arena = letter->arena;
    pledge_facts(letter, input);
    letter->y += 7;
    row(letter, PAPER_REGULAR, what_for(input, arena), money(arena, pledge->amount));
    if (pledge->allocated != NULL && pledge->allocated->minor != 0)
        row(letter, PAPER_REGULAR, _("Received, with thanks"),
            output_money(arena, -pledge->allocated->minor, pledge->allocated->currency));
    int64_t less = pledge->amount->minor - pledge->outstanding->minor -
                   (pledge->allocated != NULL ? pledge->allocated->minor : 0);
    if (less != 0)
        row(letter, PAPER_REGULAR, _("Written off or settled otherwise"),
            output_money(arena, -less, pledge->amount->currency));
    letter->y += 3;
    rule(letter);
    if (input->instalment != 0) {
        const Pledged__V1__InstalmentStatus *part = pledge->instalment[input->instalment - 1];
        row(letter, PAPER_REGULAR, _("Still to be paid"), money(arena, pledge->outstanding));
        const char *words =
            pl_arena_printf(arena, _("Instalment %zu of %zu, due on %s"), input->instalment,
                            pledge->n_instalment, documents_day(arena, part->due));
        row(letter, PAPER_REGULAR, words != NULL ? words : "", money(arena, part->amount));
    }
    row(letter, PAPER_BOLD, _("To be paid"), money(arena, to_pay(input)));
    letter->y += 6;
    letter->y = paper_block(letter->paper, LEFT, letter->y, RIGHT - LEFT, PAPER_REGULAR, 9.5, 13, 3,
                            _("Please give the reference with your payment: it lets your "
                              "contribution be recognised at once. Thank you for your support."));
}

struct pl_status documents_invoice(const struct documents_input *input, struct pl_arena *arena,
                                   struct failure *failure, struct pl_buf *out)
{
    struct letter letter;
    const char *currency = to_pay(input)->currency;
    const struct treasury_account *account = treasury_account(input->treasury, currency);
    if (account == NULL)
        return failure_set(failure, PL_E_CONFIG, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                           _("no account takes %s: add a section [account NAME] to the "
                             "configuration"),
                           currency);
    PL_TRY(begin(input, _("Invoice"), false, arena, failure, &letter));
    sender(&letter, &input->treasury->creditor);
    recipient(&letter, input->pledge->contributor_name, input->pledge->contributor);
    title(&letter, _("Invoice"), input->pledge->pledge, input->date);
    char qrr[PL_REFERENCE_BYTES]; /* a QR-IBAN takes no other one */
    if (has_payment_part(account) && account->qr_iban[0] != '\0')
        letter.reference = pl_reference_qrr(pl_reference_pledge(input->pledge->reference), qrr);
    invoice_lines(input, &letter);
    struct pl_status status = pl_ok();
    if (has_payment_part(account))
        status = payment_part(input, account, &letter, failure);
    else
        bank_details(input, account, &letter);
    return end(&letter, status, failure, out);
}

/* --- the receipt --- */

static void receipt_rows(const struct documents_input *input, struct letter *letter)
{
    for (size_t i = 0; i < input->allocation_count; i++) {
        const Pledged__V1__AllocationStatus *a = input->allocation[i];
        bool converted = strcmp(a->amount->currency, a->settled->currency) != 0;
        const char *words =
            converted ? pl_arena_printf(letter->arena, _("Value date %s, %s (%s)"), a->value_date,
                                        a->bank_entry, money(letter->arena, a->amount))
                      : pl_arena_printf(letter->arena, _("Value date %s, %s"), a->value_date,
                                        a->bank_entry);
        if (letter->y > 262) {
            paper_page(letter->paper);
            letter->y = 25;
        }
        row(letter, PAPER_REGULAR, words != NULL ? words : "", money(letter->arena, a->settled));
    }
}

static void check_line(struct letter *letter, const char *number)
{
    const char *words = pl_arena_printf(
        letter->arena,
        _("Number %s of the fund's ledger. The ledger holds the SHA-256 of this file: the fund "
          "confirms on request that it issued this very document."),
        number);
    paper_color(letter->paper, QUIET);
    (void)paper_block(letter->paper, LEFT, 280, RIGHT - LEFT, PAPER_REGULAR, 7.5, 10, 2,
                      words != NULL ? words : number);
    paper_color(letter->paper, INK);
}

struct pl_status documents_receipt(const struct documents_input *input, struct pl_arena *arena,
                                   struct failure *failure, struct pl_buf *out)
{
    struct letter letter;
    int64_t sum = 0;
    for (size_t i = 0; i < input->allocation_count; i++)
        sum += input->allocation[i]->settled->minor;
    PL_TRY(begin(input, _("Receipt"), false, arena, failure, &letter));
    sender(&letter, &input->treasury->creditor);
    recipient(&letter, input->pledge->contributor_name, input->pledge->contributor);
    title(&letter, _("Receipt"), input->number, input->date);
    pledge_facts(&letter, input);
    letter.y += 6;
    letter.y = paper_block(letter.paper, LEFT, letter.y, RIGHT - LEFT, PAPER_REGULAR, 10, 14, 3,
                           _("We have received the following payments and thank you for your "
                             "contribution.")) +
               4;
    receipt_rows(input, &letter);
    letter.y += 3;
    rule(&letter);
    row(&letter, PAPER_BOLD, _("Received"),
        output_money(arena, sum, input->pledge->amount->currency));
    if (input->pledge->outstanding != NULL)
        row(&letter, PAPER_REGULAR, _("Still to be paid"),
            money(arena, input->pledge->outstanding));
    check_line(&letter, input->number);
    return end(&letter, pl_ok(), failure, out);
}

/* --- the certificate --- */

/* The largest size at which the text fits into one line; two lines at the least. */
static double fitting(struct paper *paper, enum paper_face face, double most, double least,
                      double width, const char *text)
{
    double points = most;
    while (points > least && paper_width(paper, face, points, text) > width)
        points -= 1;
    return points;
}

/* Name of the partner in the middle, on as many lines as it takes. */
static double centered_block(struct paper *paper, double y, double width, enum paper_face face,
                             double points, const char *text)
{
    char line[1024];
    const char *rest = text;
    while (*rest != '\0') {
        size_t take = 0;
        for (size_t end = 0; rest[end] != '\0' && end < sizeof(line) - 1;) {
            end += strspn(rest + end, " ");
            end += strcspn(rest + end, " ");
            (void)snprintf(line, sizeof(line), "%.*s", (int)end, rest);
            if (take != 0 && paper_width(paper, face, points, line) > width)
                break;
            take = end;
        }
        (void)snprintf(line, sizeof(line), "%.*s", (int)take, rest);
        paper_text_center(paper, 148.5, y, face, points, line);
        y += points * 25.4 / 72 * 1.2;
        rest += take;
        rest += strspn(rest, " ");
    }
    return y;
}

static void ornament(struct paper *paper)
{
    paper_color(paper, ACCENT);
    paper_frame(paper, 10, 10, 277, 190, 2.2);
    paper_color(paper, GOLD);
    paper_frame(paper, 12.5, 12.5, 272, 185, 0.7);
    for (int corner = 0; corner < 4; corner++) {
        double x = corner % 2 == 0 ? 12.5 : 284.5, y = corner < 2 ? 12.5 : 197.5;
        paper_circle(paper, x, y, 2.2, 0.7);
    }
    paper_line(paper, 118.5, 68, 143, 68, 0.7);
    paper_line(paper, 154, 68, 178.5, 68, 0.7);
    paper_circle(paper, 148.5, 68, 1.6, 0.7);
    paper_circle(paper, 148.5, 68, 3, 0.7);
    paper_color(paper, INK);
}

static void signatures(struct paper *paper, const struct documents_input *input,
                       struct pl_arena *arena)
{
    const char *place = pl_arena_printf(arena, "%s, %s", input->treasury->creditor.town,
                                        documents_day(arena, input->date));
    paper_text_center(paper, 75, 172, PAPER_REGULAR, 11, place != NULL ? place : input->date);
    paper_color(paper, QUIET);
    paper_line(paper, 45, 175, 105, 175, 0.5);
    paper_line(paper, 192, 175, 252, 175, 0.5);
    paper_text_center(paper, 75, 179.5, PAPER_REGULAR, 8.5, _("Place and date"));
    paper_text_center(paper, 222, 179.5, PAPER_REGULAR, 8.5, _("For the fund"));
    paper_text_center(paper, 148.5, 191, PAPER_REGULAR, 8,
                      format2(arena, _("Certificate"), input->number));
    paper_color(paper, INK);
}

static void certificate_words(struct paper *paper, const struct documents_input *input,
                              struct pl_arena *arena)
{
    const char *name = input->pledge->contributor_name;
    paper_color(paper, QUIET);
    paper_text_center(paper, 148.5, 34, PAPER_BOLD,
                      fitting(paper, PAPER_BOLD, 12, 7, 220, input->treasury->creditor.name),
                      input->treasury->creditor.name);
    paper_color(paper, ACCENT);
    paper_text_center(paper, 148.5, 57, PAPER_BOLD, 34, _("Certificate of Partnership"));
    paper_color(paper, INK);
    paper_text_center(paper, 148.5, 84, PAPER_ITALIC, 14, _("presented with gratitude to"));
    double points = fitting(paper, PAPER_BOLD, 30, 18, 235, name);
    double y = centered_block(paper, 102, 235, PAPER_BOLD, points, name);
    y = y < 112 ? 112 : y + 2;
    paper_text_center(paper, 148.5, y, PAPER_ITALIC, 14,
                      input->tier != NULL ? _("partner of the category")
                                          : _("for its contribution"));
    paper_color(paper, GOLD);
    paper_text_center(paper, 148.5, y + 15, PAPER_BOLD, 26,
                      input->tier != NULL ? input->tier : money(arena, input->pledge->amount));
    paper_color(paper, INK);
    if (input->event[0] != '\0')
        paper_text_center(paper, 148.5, y + 27, PAPER_REGULAR,
                          fitting(paper, PAPER_REGULAR, 14, 8, 235, input->event), input->event);
}

struct pl_status documents_certificate(const struct documents_input *input, struct pl_arena *arena,
                                       struct failure *failure, struct pl_buf *out)
{
    struct letter letter;
    PL_TRY(begin(input, _("Certificate"), true, arena, failure, &letter));
    ornament(letter.paper);
    certificate_words(letter.paper, input, arena);
    signatures(letter.paper, input, arena);
    return end(&letter, pl_ok(), failure, out);
}

/* --- the statement of account --- */

/* A table of a statement: what was promised and paid, or what came in. */
struct statement_table {
    const char *words; /* above it; NULL: none */
    const char *title[6];
    bool money; /* what came in */
};

static void statement_titles(struct letter *letter, const struct statement_table *table)
{
    struct paper *paper = letter->paper;
    paper_color(paper, QUIET);
    paper_text(paper, LEFT, letter->y, PAPER_BOLD, 8, table->title[0]);
    paper_text(paper, LEFT + 19, letter->y, PAPER_BOLD, 8, table->title[1]);
    paper_text(paper, LEFT + 36, letter->y, PAPER_BOLD, 8, table->title[2]);
    paper_text_right(paper, LEFT + 106, letter->y, PAPER_BOLD, 8, table->title[3]);
    paper_text_right(paper, LEFT + 136, letter->y, PAPER_BOLD, 8, table->title[4]);
    paper_text_right(paper, RIGHT, letter->y, PAPER_BOLD, 8, table->title[5]);
    paper_color(paper, RULE);
    paper_line(paper, LEFT, letter->y + 1.6, RIGHT, letter->y + 1.6, 0.6);
    paper_color(paper, INK);
    letter->y += 6;
}

static void statement_amount(struct letter *letter, double right, enum paper_face face,
                             int64_t minor, const char *currency)
{
    paper_text_right(letter->paper, right, letter->y, face, 8,
                     output_money(letter->arena, minor, currency));
}

static bool statement_has(const struct statement_table *table, const struct documents_line *line)
{
    return table->money ? line->received != 0 || line->returned != 0
                        : line->promised != 0 || line->paid != 0 || line->waived != 0;
}

static void statement_row(struct letter *letter, const struct statement_table *table,
                          const struct documents_line *line)
{
    struct paper *paper = letter->paper;
    int64_t first = table->money ? line->received : line->promised;
    int64_t second = table->money ? line->returned : line->paid + line->waived;
    int64_t third = table->money ? line->unallocated : line->balance;
    paper_text(paper, LEFT, letter->y, PAPER_REGULAR, 8, line->date);
    paper_text(paper, LEFT + 19, letter->y, PAPER_REGULAR, 8,
               table->money ? line->bank_entry : line->pledge);
    (void)paper_block(paper, LEFT + 36, letter->y, 44, PAPER_REGULAR, 8, 10, 1,
                      text_label(TEXT_FACT, line->fact));
    if (first != 0)
        statement_amount(letter, LEFT + 106, PAPER_REGULAR, first, line->currency);
    if (second != 0)
        statement_amount(letter, LEFT + 136, PAPER_REGULAR, second, line->currency);
    if (third != 0 || !table->money)
        statement_amount(letter, RIGHT, PAPER_REGULAR, third, line->currency);
    letter->y += 5.2;
}

static void statement_room(struct letter *letter, const struct statement_table *table)
{
    if (letter->y <= 275)
        return;
    paper_page(letter->paper);
    letter->y = 25;
    statement_titles(letter, table);
}

/* What the lines of a currency come to. */
static void statement_sum(struct letter *letter, const struct statement_table *table,
                          const struct documents_statement *statement, const char *currency)
{
    int64_t first = 0, second = 0, third = 0;
    for (size_t i = 0; i < statement->count; i++) {
        const struct documents_line *line = &statement->line[i];
        if (strcmp(line->currency, currency) != 0)
            continue;
        first += table->money ? line->received : line->promised;
        second += table->money ? line->returned : line->paid + line->waived;
        third = table->money ? third + line->unallocated : line->balance;
    }
    paper_text(letter->paper, LEFT + 36, letter->y, PAPER_BOLD, 8, _("Together"));
    statement_amount(letter, LEFT + 106, PAPER_BOLD, first, currency);
    statement_amount(letter, LEFT + 136, PAPER_BOLD, second, currency);
    statement_amount(letter, RIGHT, PAPER_BOLD, third, currency);
    letter->y += 5.2;
}

/* Sums by currency, in the order in which the lines first name them. */
static void statement_sums(struct letter *letter, const struct statement_table *table,
                           const struct documents_statement *statement)
{
    paper_color(letter->paper, RULE);
    paper_line(letter->paper, LEFT, letter->y - 3.4, RIGHT, letter->y - 3.4, 0.6);
    paper_color(letter->paper, INK);
    letter->y += 0.6;
    for (size_t i = 0; i < statement->count; i++) {
        const struct documents_line *line = &statement->line[i];
        bool first = statement_has(table, line);
        for (size_t k = 0; first && k < i; k++)
            first = !statement_has(table, &statement->line[k]) ||
                    strcmp(statement->line[k].currency, line->currency) != 0;
        if (!first)
            continue;
        statement_room(letter, table);
        statement_sum(letter, table, statement, line->currency);
    }
}

static void statement_table(struct letter *letter, const struct statement_table *table,
                            const struct documents_statement *statement)
{
    if (table->words != NULL) {
        letter->y += 6;
        if (letter->y > 262) {
            paper_page(letter->paper);
            letter->y = 25;
        }
        paper_text(letter->paper, LEFT, letter->y, PAPER_BOLD, 10, table->words);
        letter->y += 6.5;
    }
    statement_titles(letter, table);
    for (size_t i = 0; i < statement->count; i++) {
        if (!statement_has(table, &statement->line[i]))
            continue;
        statement_room(letter, table);
        statement_row(letter, table, &statement->line[i]);
    }
    statement_sums(letter, table, statement);
}

/* Money that a partner sent and another one's promise has. */
static void statement_elsewhere(struct letter *letter, const struct statement_table *table,
                                const struct documents_statement *statement)
{
    for (size_t i = 0; i < statement->count; i++) {
        const struct documents_line *line = &statement->line[i];
        if (line->elsewhere == 0)
            continue;
        const char *words = pl_arena_printf(
            letter->arena, _("%s: %s of it pays for pledges of others."), line->bank_entry,
            output_money(letter->arena, line->elsewhere, line->currency));
        statement_room(letter, table);
        paper_text(letter->paper, LEFT, letter->y, PAPER_REGULAR, 8, words == NULL ? "" : words);
        letter->y += 5.2;
    }
}

struct pl_status documents_statement(const struct documents_statement *statement,
                                     struct pl_arena *arena, struct failure *failure,
                                     struct pl_buf *out)
{
    struct letter letter = {.arena = arena};
    const struct statement_table promises = {.title = {_("Date"), _("Pledge"), _("What"),
                                                       _("Promised"), _("Paid or waived"),
                                                       _("To be paid")}};
    const struct statement_table money = {.words = _("Money that came in, by its value date"),
                                          .title = {_("Date"), _("Number"), _("What"),
                                                    _("Received"), _("Paid back"),
                                                    _("Not allocated")},
                                          .money = true};
    bool any = false;
    const struct paper_about about = {
        .title = format2(arena, _("Statement of account"), statement->contributor),
        .author = statement->treasury->creditor.name,
        .date = statement->date,
    };
    for (size_t i = 0; i < statement->count; i++)
        any = any || statement_has(&money, &statement->line[i]);
    PL_TRY(paper_new(&about, failure, &letter.paper));
    sender(&letter, &statement->treasury->creditor);
    recipient(&letter, statement->name, statement->contributor);
    title(&letter, _("Statement of account"), statement->contributor, statement->date);
    statement_table(&letter, &promises, statement);
    if (any) {
        statement_table(&letter, &money, statement);
        statement_elsewhere(&letter, &money, statement);
    }
    const char *as_of = pl_arena_printf(arena, _("As of entry %" PRIu64 " of the fund's ledger."),
                                        statement->as_of_seq);
    paper_color(letter.paper, QUIET);
    paper_text(letter.paper, LEFT, letter.y + 5, PAPER_REGULAR, 8, as_of != NULL ? as_of : "");
    return end(&letter, pl_ok(), failure, out);
}
