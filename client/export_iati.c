/* SPDX-License-Identifier: Apache-2.0
 *
 * export_iati: the fund as one activity of the International Aid Transparency Initiative, 2.03.
 * Promises are transactions of type 13 (incoming pledge), signed commitments 11, money 1. What ends
 * or is undone is a negative transaction of the same type; a promise that is signed leaves 13 and
 * enters 11, so nothing is counted twice.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/export_form.h"
#include "client/output.h"
#include "common/check.h"
#include "common/date.h"
#include "common/ids.h"
#include "common/money.h"

/* Who reports: the International Telecommunication Union, by its OECD DAC channel code. */
#define REPORTER_REF  "XM-DAC-41303"
#define REPORTER_NAME "International Telecommunication Union"

static const char *origin_of(const Pledged__V1__Entry *first)
{
    return first->fact_case == PLEDGED__V1__ENTRY__FACT_LEDGER_CREATED
               ? first->ledger_created->origin
               : "ledger";
}

/* Identifiers have no slashes, ampersands, bars or question marks. */
static struct pl_status add_identifier(struct pl_buf *out, const char *origin)
{
    PL_TRY(pl_buf_append_str(out, REPORTER_REF "-"));
    for (const char *p = origin; *p != '\0'; p++) {
        char c = (unsigned char)*p < ' ' || strchr("/&|?<>\"", *p) != NULL ? '-' : *p;
        PL_TRY(pl_buf_append(out, &c, 1));
    }
    return pl_ok();
}

static struct pl_status begin(struct export *export, const Pledged__V1__Entry *first,
                              struct pl_buf *out)
{
    char date[11];
    (void)export;
    PL_TRY(pl_buf_append_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                                  "<iati-activities version=\"2.03\">\n"
                                  "  <iati-activity default-currency=\"CHF\" xml:lang=\"en\">\n"
                                  "    <iati-identifier>"));
    PL_TRY(add_identifier(out, origin_of(first)));
    PL_TRY(pl_buf_append_str(
        out,
        "</iati-identifier>\n"
        "    <reporting-org ref=\"" REPORTER_REF "\" type=\"40\"><narrative>" REPORTER_NAME
        "</narrative></reporting-org>\n"
        "    <title><narrative>WSIS Trust Fund</narrative></title>\n"
        "    <description type=\"1\"><narrative>Pledges, signed commitments and payments of the "
        "fund, from its ledger "));
    PL_TRY(output_xml(out, origin_of(first)));
    PL_TRY(pl_buf_append_str(out, "</narrative></description>\n"
                                  "    <participating-org ref=\"" REPORTER_REF
                                  "\" type=\"40\" role=\"2\"><narrative>" REPORTER_NAME
                                  "</narrative></participating-org>\n"
                                  "    <activity-status code=\"2\"/>\n"));
    return pl_buf_printf(out,
                         "    <activity-date type=\"2\" iso-date=\"%s\"/>\n"
                         "    <recipient-region code=\"998\" vocabulary=\"1\"/>\n"
                         "    <sector vocabulary=\"1\" code=\"22040\"/>\n",
                         pl_date_format(pl_date_of_us(first->time_us), date));
}

static int type_of(enum export_move_kind kind)
{
    switch (kind) {
    case EXPORT_PLEDGED:
        return 13;
    case EXPORT_COMMITTED:
    case EXPORT_WRITTEN_OFF: /* takes back a part of the commitment */
        return 11;
    case EXPORT_RECEIVED:
    case EXPORT_REFUND_PAID: /* goes back to where it came from */
    case EXPORT_REFUND_MATCHED:
    case EXPORT_TAKEN_BACK:
    case EXPORT_CHARGED_BACK: /* came in, and is nobody's contribution */
        return 1;
    case EXPORT_ALLOCATED:
    case EXPORT_ADVANCED:
    case EXPORT_SETTLED:
    case EXPORT_EXCHANGED:
    case EXPORT_CONVERTED:
    case EXPORT_PREPAID:
    case EXPORT_REFUND_ORDERED:
    case EXPORT_DIFFERENCE:
    case EXPORT_DIFFERENCE_BEFORE:
    case EXPORT_WITHDRAWN:
    case EXPORT_CHARGED:
        break;
    }
    return 0; /* moves inside the fund are nobody else's matter */
}

/* Refunds, write-offs and what the bank takes back are negative transactions of the type that they
 * take back. */
static int64_t value_of(const struct export_move *move)
{
    bool back = move->kind == EXPORT_REFUND_PAID || move->kind == EXPORT_REFUND_MATCHED ||
                move->kind == EXPORT_TAKEN_BACK || move->kind == EXPORT_CHARGED_BACK ||
                move->kind == EXPORT_WRITTEN_OFF;
    return back ? -move->minor : move->minor;
}

static int organisation_type(Pledged__V1__ContributorKind kind)
{
    switch ((int)kind) {
    case PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_GOVERNMENT:
        return 10;
    case PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_PRIVATE_SECTOR:
        return 70;
    case PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_ACADEMIA:
        return 80;
    case PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_INTERNATIONAL_ORGANISATION:
        return 40;
    case PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_CIVIL_SOCIETY:
        return 22;
    default:
        return 90;
    }
}

/* pledge 0: money of the bank that nobody has matched yet */
static struct pl_status add_provider(const struct export_books *books, uint64_t number,
                                     struct pl_buf *out)
{
    if (number == 0)
        return pl_buf_append_str(out, "      <provider-org type=\"90\"><narrative>not known yet"
                                      "</narrative></provider-org>\n");
    const struct export_pledge *pledge = &books->pledge[number - 1];
    const struct export_contributor *from = &books->contributor[pledge->contributor - 1];
    PL_TRY(pl_buf_printf(out, "      <provider-org type=\"%d\"><narrative>",
                         organisation_type(from->kind)));
    PL_TRY(output_xml(out, pledge->publish == PLEDGED__V1__PUBLISH__PUBLISH_YES ? from->name
                                                                                : "not published"));
    return pl_buf_append_str(out, "</narrative></provider-org>\n");
}

static struct pl_status add_move(struct export *export, const Pledged__V1__Entry *entry,
                                 const struct export_move *move, struct pl_buf *out)
{
    char amount[32], id[24];
    const char *currency = pl_currency_code(move->currency);
    const char *date = export->books.date;
    PL_TRY(pl_buf_printf(out,
                         "    <transaction ref=\"%" PRIu64 "\">\n"
                         "      <transaction-type code=\"%d\"/>\n"
                         "      <transaction-date iso-date=\"%s\"/>\n"
                         "      <value currency=\"%s\" value-date=\"%s\">%s</value>\n"
                         "      <description><narrative>%s</narrative></description>\n",
                         entry->seq, type_of(move->kind), date, currency, date,
                         pl_decimal_format(value_of(move), pl_currency_exponent(currency), amount),
                         move->pledge != 0 ? pl_id_format('P', move->pledge, id)
                                           : pl_id_format('B', move->bank_entry, id)));
    PL_TRY(add_provider(&export->books, move->pledge, out));
    return pl_buf_append_str(out, "    </transaction>\n");
}

static struct pl_status transaction(struct export *export, const Pledged__V1__Entry *entry,
                                    struct pl_slice bytes, struct pl_buf *out)
{
    (void)bytes;
    for (size_t i = 0; i < export->books.moves; i++) {
        const struct export_move *move = &export->books.move[i];
        if (export_wants(export, move) && type_of(move->kind) != 0)
            PL_TRY(add_move(export, entry, move, out));
    }
    return pl_ok();
}

/* A comment may not hold two hyphens in a row; nothing in a checkpoint but its origin could. */
static struct pl_status add_comment(struct pl_buf *out, const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        PL_TRY(*p == '-' && (p[1] == '-' || p[1] == '\0') ? pl_buf_append_str(out, "&#45;")
                                                          : pl_buf_append(out, p, 1));
    return pl_ok();
}

static struct pl_status end(struct export *export, const Pledged__V1__DumpTrailer *trailer,
                            struct pl_buf *out)
{
    (void)export;
    PL_TRY(pl_buf_printf(out,
                         "  </iati-activity>\n</iati-activities>\n"
                         "<!-- entries up to %" PRIu64 "; their checkpoint:\n",
                         trailer->to_seq));
    PL_TRY(add_comment(out, trailer->checkpoint));
    return pl_buf_append_str(out, "-->\n");
}

const struct export_form_ops export_iati = {begin, transaction, end};
