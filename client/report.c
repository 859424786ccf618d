/* SPDX-License-Identifier: Apache-2.0
 *
 * report: see report.h. From top to bottom as the page is: head, sums, course, tiers, categories,
 * currencies, values in francs, unmatched money, benefits, foot.
 */
#include "client/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/chart.h"
#include "client/output.h"
#include "client/text.h"
#include "client/when.h"
#include "common/check.h"
#include "common/date.h"
#include "common/hash.h"
#include "common/money.h"

#define FRANCS "CHF" /* what values are in */

enum { TIERS_MAX = 64, CATEGORIES_MAX = 16, CURRENCIES_MAX = 200, MONTHS_MAX = 240 };

struct page {
    const struct report_input *in;
    struct pl_arena *arena;
    struct pl_buf *out;
    const char *currency; /* of the fund's account */
};

static const char style[] =
    ":root{--ink:#1c2733;--soft:#5b6875;--line:#d7dde3;--paper:#fff;--tint:#f4f7fa;"
    "--c0:#e9b44c;--c1:#7fb3dc;--c2:#1f5f99;--c3:#123a5e}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--tint);color:var(--ink);"
    "font:15px/1.5 system-ui,'Liberation Sans',Arial,sans-serif}\n"
    "main{max-width:1000px;margin:0 auto;padding:40px 48px 56px;background:var(--paper)}\n"
    "h1{font-size:28px;line-height:1.2;margin:0 0 6px}\n"
    "h2{font-size:19px;margin:44px 0 4px;padding-top:14px;border-top:2px solid var(--c2)}\n"
    "p{margin:4px 0 12px}\n.lead{color:var(--soft)}\n"
    ".sums{display:grid;grid-template-columns:repeat(4,1fr);gap:14px;margin:26px 0 0}\n"
    ".sum{background:var(--tint);border-left:4px solid var(--c2);padding:12px 14px}\n"
    ".sum b{display:block;font-size:20px;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
    ".sum span{color:var(--soft);font-size:13px}\n"
    ".together{margin:14px 0 0}\ntr.all td{font-weight:600;border-top:2px solid var(--line)}\n"
    "figure{margin:14px 0 0}\nsvg{width:100%;height:auto;display:block}\n"
    "svg text{font-size:13px;fill:var(--ink)}\n"
    ".start{text-anchor:start}.middle{text-anchor:middle}.end{text-anchor:end}\n"
    ".track{fill:#fff;stroke:#9aa7b3;stroke-dasharray:3 3}\n"
    ".p0{fill:var(--c0)}.p1{fill:var(--c1)}.p2{fill:var(--c2)}.p3{fill:var(--c3)}\n"
    ".axis{stroke:#6c7a87}.grid{stroke:#e3e8ed}\n"
    ".s0,.s1,.s2{fill:none;stroke-width:3}\n"
    ".s0{stroke:var(--c1)}.s1{stroke:var(--c2);stroke-dasharray:7 4}.s2{stroke:var(--c3)}\n"
    "circle.s0{fill:var(--c1)}circle.s1{fill:var(--c2)}circle.s2{fill:var(--c3)}\n"
    "table{border-collapse:collapse;width:100%;margin:14px 0 0;font-size:13.5px}\n"
    "caption{text-align:left;color:var(--soft);padding-bottom:4px}\n"
    "th,td{text-align:left;padding:5px 8px;border-bottom:1px solid "
    "var(--line);vertical-align:top}\n"
    "th{font-weight:600;background:var(--tint)}\n"
    ".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
    ".key{display:flex;flex-wrap:wrap;gap:4px 20px;font-size:13px;color:var(--soft)}\n"
    ".key i{display:inline-block;width:14px;height:14px;margin-right:6px;vertical-align:-2px}\n"
    ".key .k0{background:var(--c0)}.key .k1{background:var(--c1)}.key .k2{background:var(--c2)}\n"
    ".key .kt{border:1px dashed #9aa7b3}\n"
    "footer{margin-top:44px;padding-top:12px;border-top:1px solid var(--line);"
    "color:var(--soft);font-size:12.5px;overflow-wrap:anywhere}\n"
    "@media(max-width:700px){main{padding:20px 16px}.sums{grid-template-columns:repeat(2,1fr)}}\n"
    "@page{size:A4;margin:16mm 14mm}\n"
    "@media print{body{background:#fff;font-size:11pt}main{max-width:none;padding:0}"
    "h2,.lead{break-after:avoid}figure,tr,.sum{break-inside:avoid}"
    "*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}\n";

/* --- small things --- */

static struct pl_status put(struct page *page, const char *markup)
{
    return pl_buf_append_str(page->out, markup);
}

static struct pl_status put_text(struct page *page, const char *text)
{
    return output_xml(page->out, text == NULL ? "" : text);
}

/* <tag class>text</tag> */
static struct pl_status put_element(struct page *page, const char *tag, const char *class,
                                    const char *text)
{
    PL_TRY(class == NULL ? pl_buf_printf(page->out, "<%s>", tag)
                         : pl_buf_printf(page->out, "<%s class=\"%s\">", tag, class));
    PL_TRY(put_text(page, text));
    return pl_buf_printf(page->out, "</%s>", tag);
}

static struct pl_status put_money(struct page *page, int64_t minor, const char *currency)
{
    return put_element(page, "td", "n", output_money(page->arena, minor, currency));
}

static struct pl_status put_number(struct page *page, int64_t number)
{
    return put_element(page, "td", "n", pl_arena_printf(page->arena, "%" PRId64, number));
}

/* The head of a table; titles that begin with # stand right. */
static struct pl_status begin_table(struct page *page, const char *caption,
                                    const char *const *title, size_t count)
{
    PL_TRY(put(page, "<table>"));
    if (caption != NULL)
        PL_TRY(put_element(page, "caption", NULL, caption));
    PL_TRY(put(page, "<thead><tr>"));
    for (size_t i = 0; i < count; i++) {
        bool right = title[i][0] == '#';
        PL_TRY(put(page, right ? "<th scope=\"col\" class=\"n\">" : "<th scope=\"col\">"));
        PL_TRY(put_text(page, title[i] + right));
        PL_TRY(put(page, "</th>"));
    }
    return put(page, "</tr></thead><tbody>\n");
}

static struct pl_status end_table(struct page *page)
{
    return put(page, "</tbody></table>\n");
}

static struct pl_status begin_section(struct page *page, const char *title, const char *lead)
{
    PL_TRY(put(page, "<section>"));
    PL_TRY(put_element(page, "h2", NULL, title));
    return lead == NULL ? put(page, "\n") : put_element(page, "p", "lead", lead);
}

static const char *pick(Pledged__V1__Text *const *texts, size_t count)
{
    return text_pick(texts, count, text_language_code());
}

/* "#Title" for a column of numbers */
static const char *right(struct page *page, const char *title)
{
    const char *made = pl_arena_printf(page->arena, "#%s", title);
    return made == NULL ? "#" : made;
}

static const Pledged__V1__TotalsLine *line_of(const Pledged__V1__GetTotalsResponse *totals,
                                              const char *key, const char *currency)
{
    for (size_t i = 0; i < totals->n_line; i++) {
        const Pledged__V1__TotalsLine *line = totals->line[i];
        if (strcmp(line->currency, currency) == 0 && (key == NULL || strcmp(line->key, key) == 0))
            return line;
    }
    return NULL;
}

/* --- head and sums --- */

static struct pl_status print_head(struct page *page)
{
    const Pledged__V1__GetCatalogueResponse *catalogue = page->in->catalogue;
    const char *fund = _("Trust fund"), *event = "";
    char when[40];
    if (catalogue != NULL && catalogue->catalogue != NULL) {
        const Pledged__V1__Catalogue *offers = catalogue->catalogue;
        if (offers->fund != NULL)
            fund = pick(offers->fund->name, offers->fund->n_name);
        if (offers->event != NULL)
            event = pick(offers->event->name, offers->event->n_name);
    }
    PL_TRY(
        pl_buf_printf(page->out,
                      "<!doctype html>\n<html lang=\"%s\"><head><meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n",
                      text_language_code()));
    PL_TRY(put_element(page, "title", NULL, fund));
    PL_TRY(put(page, "\n<style>\n"));
    PL_TRY(put(page, style));
    PL_TRY(put(page, "</style></head>\n<body><main>\n<header>"));
    PL_TRY(put_element(page, "h1", NULL, fund));
    if (event[0] != '\0')
        PL_TRY(put_element(page, "p", NULL, event));
    const char *as_of =
        pl_arena_printf(page->arena, _("As of entry %" PRIu64 ", %s."), page->in->totals->as_of_seq,
                        when_format(page->in->totals->as_of_time_us, when));
    PL_TRY(put_element(page, "p", "lead", as_of));
    return put(page, "</header>\n");
}

static struct pl_status print_sum(struct page *page, const char *name, int64_t minor)
{
    PL_TRY(put(page, "<div class=\"sum\">"));
    PL_TRY(put_element(page, "b", NULL, output_money(page->arena, minor, page->currency)));
    PL_TRY(put_element(page, "span", NULL, name));
    return put(page, "</div>\n");
}

/* What the lines add up to in francs: all (category NULL) or those of one. */
struct francs {
    int64_t promised, received;
    bool whole;    /* every line has its value */
    bool possible; /* the sums do not leave 64 bits */
    bool foreign;  /* a line is in another currency */
};

static struct francs francs_of(const Pledged__V1__GetTotalsResponse *totals, const char *category)
{
    struct francs sum = {.whole = true, .possible = true};
    for (size_t i = 0; i < totals->n_line; i++) {
        const Pledged__V1__TotalsLine *line = totals->line[i];
        if (category != NULL && strcmp(line->key, category) != 0)
            continue;
        sum.possible = sum.possible &&
                       pl_add64(sum.promised, line->pledged_chf_minor, &sum.promised) &&
                       pl_add64(sum.received, line->received_chf_minor, &sum.received);
        sum.whole =
            sum.whole && line->pledged_unvalued_minor == 0 && line->received_unvalued_minor == 0;
        sum.foreign = sum.foreign || strcmp(line->currency, FRANCS) != 0;
    }
    return sum;
}

/* All currencies in one figure, where there is more than one. */
static struct pl_status print_together(struct page *page)
{
    struct francs sum = francs_of(page->in->totals, NULL);
    if (!sum.foreign || !sum.possible)
        return pl_ok();
    const char *words =
        pl_arena_printf(page->arena, _("All currencies together: %s promised, %s received."),
                        output_money(page->arena, sum.promised, FRANCS),
                        output_money(page->arena, sum.received, FRANCS));
    if (words != NULL && !sum.whole)
        words = pl_arena_printf(
            page->arena, "%s %s", words,
            _("Money for which no rate was recorded is not in it; it is named below."));
    return put_element(page, "p", "together", words);
}

static struct pl_status print_sums(struct page *page)
{
    static const Pledged__V1__TotalsLine nothing = PLEDGED__V1__TOTALS_LINE__INIT;
    const Pledged__V1__TotalsLine *line = line_of(page->in->totals, NULL, page->currency);
    if (line == NULL)
        line = &nothing;
    PL_TRY(put(page, "<div class=\"sums\">\n"));
    PL_TRY(print_sum(page, _("promised"), line->pledged_minor));
    PL_TRY(print_sum(page, _("signed"), line->committed_minor));
    PL_TRY(print_sum(page, _("received"), line->received_minor));
    PL_TRY(print_sum(page, _("still to come"), line->outstanding_minor));
    PL_TRY(put(page, "</div>\n"));
    return print_together(page);
}

/* --- the course --- */

struct months {
    const char *name[MONTHS_MAX];
    int64_t promised[MONTHS_MAX], signed_[MONTHS_MAX], received[MONTHS_MAX];
    size_t count;
};

/* -1 where it is no month */
static int month_number(const char *key)
{
    char first[16];
    int32_t day;
    (void)snprintf(first, sizeof(first), "%.7s-01", key);
    return pl_is_ok(pl_date_parse(first, &day)) ? pl_date_month(day) : -1;
}

/* Every month from the first to the last one, with what had come together by then. */
static void gather_months(struct page *page, struct months *months)
{
    const Pledged__V1__GetTotalsResponse *by = page->in->by_month;
    int first = INT32_MAX, last = 0;
    for (size_t i = 0; i < by->n_line; i++) {
        int month = month_number(by->line[i]->key);
        if (strcmp(by->line[i]->currency, page->currency) != 0 || month < 0)
            continue;
        first = month < first ? month : first;
        last = month > last ? month : last;
    }
    int64_t promised = 0, committed = 0, received = 0;
    months->count = 0;
    for (int month = first; month <= last; month++) {
        const char *name = pl_arena_printf(page->arena, "%04d-%02d", month / 12, month % 12 + 1);
        const Pledged__V1__TotalsLine *line =
            name == NULL ? NULL : line_of(by, name, page->currency);
        promised += line == NULL ? 0 : line->pledged_minor;
        committed += line == NULL ? 0 : line->committed_minor;
        received += line == NULL ? 0 : line->received_minor;
        if (last - month >= MONTHS_MAX)
            continue; /* before the part that is shown */
        months->name[months->count] = name == NULL ? "" : name;
        months->promised[months->count] = promised;
        months->signed_[months->count] = committed;
        months->received[months->count++] = received;
    }
}

static struct pl_status print_course(struct page *page)
{
    struct months *months = pl_arena_alloc(page->arena, sizeof(*months));
    if (months == NULL)
        return text_no_memory();
    gather_months(page, months);
    PL_TRY(
        begin_section(page, _("The fund over time"),
                      pl_arena_printf(page->arena,
                                      _("Sums in %s that had come together by the end of each "
                                        "month: promises by their date, money by its value date."),
                                      page->currency)));
    if (months->count == 0) {
        PL_TRY(put_element(page, "p", NULL, _("Nothing yet.")));
        return put(page, "</section>\n");
    }
    struct chart_course course = {
        .point = months->name,
        .points = months->count,
        .value = {months->promised, months->signed_, months->received},
        .name = {_("promised"), _("signed"), _("received")},
        .currency = page->currency,
    };
    PL_TRY(put(page, "<figure>"));
    PL_TRY(chart_course(page->out, _("The fund over time"), &course, page->arena));
    PL_TRY(put(page, "</figure>\n"));
    const char *titles[] = {_("Month"), right(page, _("promised")), right(page, _("signed")),
                            right(page, _("received"))};
    PL_TRY(begin_table(page, NULL, titles, PL_COUNT(titles)));
    for (size_t i = 0; i < months->count; i++) {
        PL_TRY(put(page, "<tr>"));
        PL_TRY(put_element(page, "td", NULL, months->name[i]));
        PL_TRY(put_money(page, months->promised[i], page->currency));
        PL_TRY(put_money(page, months->signed_[i], page->currency));
        PL_TRY(put_money(page, months->received[i], page->currency));
        PL_TRY(put(page, "</tr>\n"));
    }
    PL_TRY(end_table(page));
    return put(page, "</section>\n");
}

/* --- tiers --- */

static const char *left_of(struct page *page, const Pledged__V1__TierStatus *tier)
{
    if (tier->remaining == NULL || tier->remaining->value_case != PLEDGED__V1__COUNT__VALUE_COUNT)
        return _("no limit");
    return pl_arena_printf(page->arena, "%" PRId64, tier->remaining->count);
}

static struct pl_status print_tier_row(struct page *page, const Pledged__V1__TierStatus *tier)
{
    PL_TRY(put(page, "<tr>"));
    PL_TRY(put_element(page, "td", NULL, pick(tier->label, tier->n_label)));
    PL_TRY(tier->price_case == PLEDGED__V1__TIER_STATUS__PRICE_AMOUNT
               ? put_money(page, tier->amount->minor, tier->amount->currency)
               : put_element(page, "td", "n", _("on request")));
    PL_TRY(put_number(page, tier->held));
    PL_TRY(put_number(page, tier->pledged));
    PL_TRY(put_number(page, tier->committed));
    PL_TRY(put_element(page, "td", "n", left_of(page, tier)));
    PL_TRY(put_number(page, tier->waiting));
    return put(page, "</tr>\n");
}

static struct pl_status print_key(struct page *page)
{
    const char *const words[] = {_("held"), _("promised"), _("signed"), _("free")};
    static const char *const classes[] = {"k0", "k1", "k2", "kt"};
    PL_TRY(put(page, "<p class=\"key\">"));
    for (size_t i = 0; i < PL_COUNT(words); i++) {
        PL_TRY(pl_buf_printf(page->out, "<span><i class=\"%s\"></i>", classes[i]));
        PL_TRY(put_text(page, words[i]));
        PL_TRY(put(page, "</span>"));
    }
    return put(page, "</p>\n");
}

static struct pl_status print_tiers(struct page *page)
{
    const Pledged__V1__ListTiersResponse *tiers = page->in->tiers;
    struct chart_row rows[TIERS_MAX];
    size_t count = 0;
    if (tiers == NULL)
        return pl_ok();
    for (; count < tiers->n_tier && count < TIERS_MAX; count++) {
        const Pledged__V1__TierStatus *tier = tiers->tier[count];
        bool limited =
            tier->capacity != NULL && tier->capacity->value_case == PLEDGED__V1__COUNT__VALUE_COUNT;
        int64_t taken = tier->held + tier->pledged + tier->committed;
        const char *words =
            limited ? pl_arena_printf(page->arena, _("%" PRId64 " of %" PRId64 " taken"), taken,
                                      tier->capacity->count)
                    : pl_arena_printf(page->arena, _("%" PRId64 ", no limit"), taken);
        rows[count] = (struct chart_row){.label = pick(tier->label, tier->n_label),
                                         .words = words == NULL ? "" : words,
                                         .part = {tier->held, tier->pledged, tier->committed},
                                         .whole = limited ? tier->capacity->count : 0};
    }
    PL_TRY(begin_section(page, _("Partnership tiers"), NULL));
    PL_TRY(print_key(page));
    PL_TRY(put(page, "<figure>"));
    PL_TRY(chart_bars(page->out, _("Partnership tiers"), rows, count, true));
    PL_TRY(put(page, "</figure>\n"));
    const char *titles[] = {_("Tier"),
                            right(page, _("Price")),
                            right(page, _("held")),
                            right(page, _("promised")),
                            right(page, _("signed")),
                            right(page, _("left")),
                            right(page, _("waiting"))};
    PL_TRY(begin_table(page, NULL, titles, PL_COUNT(titles)));
    for (size_t i = 0; i < count; i++)
        PL_TRY(print_tier_row(page, tiers->tier[i]));
    PL_TRY(end_table(page));
    return put(page, "</section>\n");
}

/* --- who gives, and in which money --- */

static struct pl_status print_totals_row(struct page *page, const char *name,
                                         const Pledged__V1__TotalsLine *line)
{
    PL_TRY(put(page, "<tr>"));
    PL_TRY(put_element(page, "td", NULL, name));
    PL_TRY(put_number(page, line->pledges));
    PL_TRY(put_money(page, line->pledged_minor, line->currency));
    PL_TRY(put_money(page, line->committed_minor, line->currency));
    PL_TRY(put_money(page, line->received_minor, line->currency));
    PL_TRY(put_money(page, line->outstanding_minor, line->currency));
    PL_TRY(put_money(page, line->unallocated_minor, line->currency));
    return put(page, "</tr>\n");
}

static struct pl_status begin_totals(struct page *page, const char *name)
{
    const char *titles[] = {name,
                            right(page, _("Pledges")),
                            right(page, _("promised")),
                            right(page, _("signed")),
                            right(page, _("received")),
                            right(page, _("still to come")),
                            right(page, _("not matched"))};
    return begin_table(page, NULL, titles, PL_COUNT(titles));
}

static const char *category_label(const char *key)
{
    return strcmp(key, "unmatched") == 0 ? _("not matched yet")
                                         : text_label_of_code(TEXT_KIND, key);
}

/* What was received of what was promised: the dark part over the light whole. */
static struct chart_row paid_row(struct page *page, const char *label,
                                 const Pledged__V1__TotalsLine *line)
{
    int64_t received = line->received_minor, promised = line->pledged_minor;
    const char *words = output_money(page->arena, received, line->currency);
    return (struct chart_row){
        .label = label,
        .words = words,
        .part = {0, 0, received},
        .whole = promised,
    };
}

/* The key of this line is that of one before. */
static bool said_before(const Pledged__V1__GetTotalsResponse *totals, size_t line)
{
    for (size_t i = 0; i < line; i++) {
        if (strcmp(totals->line[i]->key, totals->line[line]->key) == 0)
            return true;
    }
    return false;
}

/* One bar for each category: in the fund's currency alone, or of all currencies by their value. */
static size_t category_rows(struct page *page, bool together, struct chart_row *rows)
{
    const Pledged__V1__GetTotalsResponse *by = page->in->by_category;
    size_t count = 0;
    for (size_t i = 0; i < by->n_line && count < CATEGORIES_MAX; i++) {
        const Pledged__V1__TotalsLine *line = by->line[i];
        if (!together && strcmp(line->currency, page->currency) == 0)
            rows[count++] = paid_row(page, category_label(line->key), line);
        if (!together || said_before(by, i))
            continue;
        struct francs sum = francs_of(by, line->key);
        rows[count++] = (struct chart_row){
            .label = category_label(line->key),
            .words = output_money(page->arena, sum.received, FRANCS),
            .part = {0, 0, sum.received},
            .whole = sum.promised,
        };
    }
    return count;
}

static const char *category_words(struct page *page, const struct francs *sum, bool together)
{
    if (!together)
        return pl_arena_printf(page->arena,
                               _("In %s: received (dark) of what was promised (outline). "
                                 "The table has all currencies."),
                               page->currency);
    return sum->whole ? _("In CHF, other currencies by their value: received (dark) of what was "
                          "promised (outline). The table has each currency.")
                      : _("In CHF, other currencies by their value: received (dark) of what was "
                          "promised (outline). What no rate is known for is not in the chart; the "
                          "table has each currency.");
}

static struct pl_status print_categories(struct page *page)
{
    const Pledged__V1__GetTotalsResponse *by = page->in->by_category;
    struct chart_row rows[CATEGORIES_MAX];
    struct francs sum = francs_of(by, NULL);
    bool together = sum.foreign && sum.possible && strcmp(page->currency, FRANCS) == 0;
    size_t count = category_rows(page, together, rows);
    PL_TRY(begin_section(page, _("By category of partner"), category_words(page, &sum, together)));
    if (count != 0) {
        PL_TRY(put(page, "<figure>"));
        PL_TRY(chart_bars(page->out, _("By category of partner"), rows, count, false));
        PL_TRY(put(page, "</figure>\n"));
    }
    PL_TRY(begin_totals(page, _("Category")));
    for (size_t i = 0; i < by->n_line; i++)
        PL_TRY(print_totals_row(page, category_label(by->line[i]->key), by->line[i]));
    PL_TRY(end_table(page));
    return put(page, "</section>\n");
}

/* Thousandths of what was promised in a currency that were paid, in whatever money: what a
 * currency's money came in for may be promised in another one. */
static int64_t paid_share(const Pledged__V1__TotalsLine *line)
{
    __int128 paid = (__int128)line->pledged_minor - line->outstanding_minor -
                    line->written_off_minor - line->difference_minor;
    if (paid <= 0 || line->pledged_minor <= 0)
        return 0;
    return paid >= line->pledged_minor ? 1000 : (int64_t)(paid * 1000 / line->pledged_minor);
}

static struct pl_status print_currencies(struct page *page)
{
    const Pledged__V1__GetTotalsResponse *totals = page->in->totals;
    struct chart_row rows[CURRENCIES_MAX];
    size_t count = 0;
    for (; count < totals->n_line && count < CURRENCIES_MAX; count++) {
        const Pledged__V1__TotalsLine *line = totals->line[count];
        int64_t share = paid_share(line);
        const char *words = pl_arena_printf(page->arena, _("%" PRId64 " %% paid"), share / 10);
        rows[count] = (struct chart_row){.label = line->currency,
                                         .words = words == NULL ? "" : words,
                                         .part = {0, 0, share},
                                         .whole = 1000};
    }
    PL_TRY(begin_section(page, _("By currency"),
                         _("How much of what was promised in each currency has been paid, in "
                           "whatever money.")));
    if (count != 0) {
        PL_TRY(put(page, "<figure>"));
        PL_TRY(chart_bars(page->out, _("By currency"), rows, count, false));
        PL_TRY(put(page, "</figure>\n"));
    }
    PL_TRY(begin_totals(page, _("Currency")));
    for (size_t i = 0; i < totals->n_line; i++)
        PL_TRY(print_totals_row(page, totals->line[i]->currency, totals->line[i]));
    PL_TRY(end_table(page));
    return put(page, "</section>\n");
}

/* --- in francs --- */

/* An amount, what of it is worth in francs, and what no rate was known for: dashes for nothing. */
static struct pl_status put_value(struct page *page, int64_t minor, int64_t francs,
                                  int64_t unvalued, const char *currency)
{
    PL_TRY(put_money(page, minor, currency));
    PL_TRY(minor != 0 && unvalued == minor ? put_element(page, "td", "n", "–")
                                           : put_money(page, francs, FRANCS));
    return unvalued == 0 ? put_element(page, "td", "n", "–") : put_money(page, unvalued, currency);
}

static struct pl_status print_value_row(struct page *page, const Pledged__V1__TotalsLine *line)
{
    PL_TRY(put(page, "<tr>"));
    PL_TRY(put_element(page, "td", NULL, line->currency));
    PL_TRY(put_value(page, line->pledged_minor, line->pledged_chf_minor,
                     line->pledged_unvalued_minor, line->currency));
    PL_TRY(put_value(page, line->received_minor, line->received_chf_minor,
                     line->received_unvalued_minor, line->currency));
    return put(page, "</tr>\n");
}

static struct pl_status print_values(struct page *page, const struct francs *sum)
{
    const Pledged__V1__GetTotalsResponse *totals = page->in->totals;
    const char *titles[] = {_("Currency"),
                            right(page, _("promised")),
                            right(page, _("in CHF")),
                            right(page, _("without a rate")),
                            right(page, _("received")),
                            right(page, _("in CHF")),
                            right(page, _("without a rate"))};
    PL_TRY(begin_table(page, NULL, titles, PL_COUNT(titles)));
    for (size_t i = 0; i < totals->n_line; i++)
        PL_TRY(print_value_row(page, totals->line[i]));
    PL_TRY(put(page, "<tr class=\"all\">"));
    PL_TRY(put_element(page, "td", NULL, _("Together")));
    PL_TRY(put(page, "<td></td>"));
    PL_TRY(put_money(page, sum->promised, FRANCS));
    PL_TRY(put(page, "<td></td><td></td>"));
    PL_TRY(put_money(page, sum->received, FRANCS));
    PL_TRY(put(page, "<td></td></tr>\n"));
    return end_table(page);
}

static struct pl_status print_category_values(struct page *page)
{
    const Pledged__V1__GetTotalsResponse *by = page->in->by_category;
    const char *titles[] = {_("Category"), right(page, _("promised, in CHF")),
                            right(page, _("received, in CHF")), _("Whole")};
    PL_TRY(begin_table(page, NULL, titles, PL_COUNT(titles)));
    for (size_t i = 0; i < by->n_line; i++) {
        const char *key = by->line[i]->key;
        if (said_before(by, i))
            continue;
        struct francs sum = francs_of(by, key);
        PL_TRY(put(page, "<tr>"));
        PL_TRY(put_element(page, "td", NULL, category_label(key)));
        PL_TRY(put_money(page, sum.promised, FRANCS));
        PL_TRY(put_money(page, sum.received, FRANCS));
        PL_TRY(put_element(page, "td", NULL, sum.whole ? _("yes") : _("no: a rate is missing")));
        PL_TRY(put(page, "</tr>\n"));
    }
    return end_table(page);
}

static struct pl_status print_rate_row(struct page *page, const struct report_rate *rate)
{
    char number[32];
    PL_TRY(put(page, "<tr>"));
    PL_TRY(put_element(page, "td", NULL, rate->currency));
    PL_TRY(put_element(page, "td", NULL, rate->date));
    PL_TRY(
        put_element(page, "td", "n", pl_decimal_format(rate->mantissa, (int)rate->scale, number)));
    PL_TRY(put_element(page, "td", NULL, rate->source));
    PL_TRY(put_number(page, rate->pledges));
    PL_TRY(put_number(page, rate->payments));
    return put(page, "</tr>\n");
}

static int by_currency_and_day(const void *a, const void *b)
{
    const struct report_rate *left = a, *later = b;
    int order = strcmp(left->currency, later->currency);
    order = order != 0 ? order : strcmp(left->date, later->date);
    return order != 0 ? order : (left->seq > later->seq) - (left->seq < later->seq);
}

static struct pl_status print_rates(struct page *page)
{
    const struct report_input *in = page->in;
    if (!in->rates_known)
        return put_element(page, "p", NULL,
                           _("The rates one by one are shown to clerks, approvers and auditors "
                             "only."));
    if (in->rate_count == 0)
        return put_element(page, "p", NULL,
                           _("No rate was recorded that any of it could be valued by."));
    struct report_rate *sorted = pl_arena_alloc(page->arena, in->rate_count * sizeof(*sorted));
    if (sorted == NULL)
        return text_no_memory();
    memcpy(sorted, in->rate, in->rate_count * sizeof(*sorted));
    qsort(sorted, in->rate_count, sizeof(*sorted), by_currency_and_day);
    const char *titles[] = {_("Currency"),
                            _("Rate of"),
                            right(page, _("CHF for one")),
                            _("Source"),
                            right(page, _("Promises")),
                            right(page, _("Payments"))};
    PL_TRY(begin_table(page, _("Rates that were used"), titles, PL_COUNT(titles)));
    for (size_t i = 0; i < in->rate_count; i++)
        PL_TRY(print_rate_row(page, &sorted[i]));
    return end_table(page);
}

static struct pl_status print_francs(struct page *page)
{
    struct francs sum = francs_of(page->in->totals, NULL);
    if (!sum.foreign || !sum.possible)
        return pl_ok();
    PL_TRY(begin_section(
        page, _("In Swiss francs"),
        _("Each promise and each payment counts at the rate of its day, or the last one before it; "
          "a "
          "rate that is recorded later changes nothing. What no rate was known for is not in the "
          "sums.")));
    PL_TRY(print_values(page, &sum));
    PL_TRY(print_category_values(page));
    PL_TRY(print_rates(page));
    return put(page, "</section>\n");
}

/* --- unmatched money --- */

static int by_date(const void *a, const void *b)
{
    const Pledged__V1__PaymentStatus *left = *(Pledged__V1__PaymentStatus *const *)a;
    const Pledged__V1__PaymentStatus *later = *(Pledged__V1__PaymentStatus *const *)b;
    int order = strcmp(left->value_date, later->value_date);
    return order != 0 ? order : strcmp(left->bank_entry, later->bank_entry);
}

static int64_t age_of(struct page *page, const Pledged__V1__PaymentStatus *payment)
{
    int32_t day;
    if (!pl_is_ok(pl_date_parse(payment->value_date, &day)))
        return 0;
    return when_day(page->in->totals->as_of_time_us) - day;
}

static struct pl_status print_unmatched_row(struct page *page,
                                            const Pledged__V1__PaymentStatus *payment)
{
    int64_t used = payment->allocated == NULL ? 0 : payment->allocated->minor;
    used += payment->refunded == NULL ? 0 : payment->refunded->minor;
    used += payment->explained == NULL ? 0 : payment->explained->minor;
    if (payment->amount == NULL)
        return pl_ok();
    PL_TRY(put(page, "<tr>"));
    PL_TRY(put_element(page, "td", NULL, payment->bank_entry));
    PL_TRY(put_element(page, "td", NULL, payment->value_date));
    PL_TRY(put_number(page, age_of(page, payment)));
    PL_TRY(put_money(page, payment->amount->minor, payment->amount->currency));
    PL_TRY(put_money(page, payment->amount->minor - used, payment->amount->currency));
    PL_TRY(put_element(page, "td", NULL, payment->pledge));
    return put(page, "</tr>\n");
}

static struct pl_status print_unmatched(struct page *page)
{
    const struct report_input *in = page->in;
    size_t count = in->unmatched_count;
    PL_TRY(begin_section(page, _("Money not yet matched"),
                         _("Money that came in and does not pay for a pledge yet, oldest first.")));
    if (!in->unmatched_known) {
        PL_TRY(put_element(page, "p", NULL,
                           _("Single payments are shown to clerks, approvers and auditors only; "
                             "the sums are in the tables above.")));
        return put(page, "</section>\n");
    }
    if (count == 0) {
        PL_TRY(put_element(page, "p", NULL, _("All money is matched.")));
        return put(page, "</section>\n");
    }
    Pledged__V1__PaymentStatus **sorted = pl_arena_alloc(page->arena, count * sizeof(*sorted));
    if (sorted == NULL)
        return text_no_memory();
    memcpy(sorted, in->unmatched, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), by_date);
    const char *titles[] = {_("Bank entry"),
                            _("Value date"),
                            right(page, _("Days")),
                            right(page, _("Amount")),
                            right(page, _("not matched")),
                            _("Meant for")};
    PL_TRY(begin_table(page, NULL, titles, PL_COUNT(titles)));
    for (size_t i = 0; i < count; i++)
        PL_TRY(print_unmatched_row(page, sorted[i]));
    PL_TRY(end_table(page));
    return put(page, "</section>\n");
}

/* --- benefits and foot --- */

/* Stands of different sizes are different things. */
static const char *benefit_words(struct page *page, const Pledged__V1__BenefitLine *line)
{
    const char *label = pick(line->label, line->n_label);
    for (size_t i = 0; i < line->n_attribute; i++) {
        if (strcmp(line->attribute[i]->name, "size") == 0)
            return pl_arena_printf(page->arena, _("%s: %s"), label, line->attribute[i]->value);
    }
    return label;
}

static struct pl_status print_benefits(struct page *page)
{
    const Pledged__V1__ListBenefitsResponse *benefits = page->in->benefits;
    if (benefits == NULL || benefits->n_benefit == 0)
        return pl_ok();
    PL_TRY(begin_section(page, _("What partners have coming"),
                         _("Benefits of all live pledges together.")));
    const char *titles[] = {_("Code"), _("Benefit"), right(page, _("Quantity")), _("Unit"),
                            right(page, _("Delivered"))};
    PL_TRY(begin_table(page, NULL, titles, PL_COUNT(titles)));
    for (size_t i = 0; i < benefits->n_benefit; i++) {
        const Pledged__V1__BenefitLine *line = benefits->benefit[i];
        PL_TRY(put(page, "<tr>"));
        PL_TRY(put_element(page, "td", NULL, line->code));
        PL_TRY(put_element(page, "td", NULL, benefit_words(page, line)));
        PL_TRY(put_number(page, line->quantity));
        PL_TRY(put_element(page, "td", NULL, text_label(TEXT_UNIT, (int)line->unit)));
        PL_TRY(put_number(page, line->delivered));
        PL_TRY(put(page, "</tr>\n"));
    }
    PL_TRY(end_table(page));
    return put(page, "</section>\n");
}

static struct pl_status print_foot(struct page *page)
{
    const Pledged__V1__GetStatusResponse *status = page->in->status;
    PL_TRY(put(page, "<footer>"));
    PL_TRY(put_element(
        page, "p", NULL,
        _("Received is all money that came in and was not reversed; still to come is what was "
          "promised and is not paid. Every figure is the one that 'pledge totals' tells.")));
    PL_TRY(put_element(page, "p", NULL,
                       pl_arena_printf(page->arena,
                                       _("Ledger %s, %" PRIu64 " entries, of which %" PRIu64
                                         " are under a signed checkpoint. Key: %s"),
                                       status->origin, status->size, status->checkpoint_size,
                                       status->vkey)));
    return put(page, "</footer>\n</main></body></html>\n");
}

struct pl_status report_print(const struct report_input *input, struct pl_arena *arena,
                              struct pl_buf *out)
{
    struct page page = {.in = input, .arena = arena, .out = out, .currency = "CHF"};
    const Pledged__V1__GetCatalogueResponse *catalogue = input->catalogue;
    if (catalogue != NULL && catalogue->catalogue != NULL && catalogue->catalogue->fund != NULL)
        page.currency = catalogue->catalogue->fund->currency;
    PL_TRY(print_head(&page));
    PL_TRY(print_sums(&page));
    PL_TRY(print_course(&page));
    PL_TRY(print_tiers(&page));
    PL_TRY(print_categories(&page));
    PL_TRY(print_currencies(&page));
    PL_TRY(print_francs(&page));
    PL_TRY(print_unmatched(&page));
    PL_TRY(print_benefits(&page));
    return print_foot(&page);
}
