/* SPDX-License-Identifier: Apache-2.0
 *
 * postings_form: see postings_form.h.
 */
#include "client/postings_form.h"

#include <inttypes.h>
#include <string.h>

#include "common/check.h"

bool postings_form_parse(const char *text, enum postings_form *ret)
{
    static const char *const names[POSTINGS_FORMS] = {"csv", "hledger", "beancount"};
    for (size_t i = 0; i < POSTINGS_FORMS; i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum postings_form)i;
            return true;
        }
    }
    return false;
}

/* Assets:Bank:CHF01 and the like: each part begins with a capital letter or a digit. */
static bool beancount_name(const char *name)
{
    static const char *const roots[] = {
        "Assets:", "Liabilities:", "Equity:", "Income:", "Expenses:"};
    size_t root = 0;
    while (root < PL_COUNT(roots) && strncmp(name, roots[root], strlen(roots[root])) != 0)
        root++;
    if (root == PL_COUNT(roots))
        return false;
    bool begins = true;
    for (const char *at = name + strlen(roots[root]); *at != '\0'; at++) {
        bool capital = (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
        bool inside = (*at >= 'a' && *at <= 'z') || *at == '-' || *at == ':';
        if (begins ? !capital : !capital && !inside)
            return false;
        begins = *at == ':';
    }
    return !begins;
}

bool postings_form_name_fine(enum postings_form form, const char *name)
{
    if (form == POSTINGS_BEANCOUNT)
        return beancount_name(name);
    /* two blanks end a name there, and these begin something else */
    return form == POSTINGS_CSV ||
           (strstr(name, "  ") == NULL && name[0] != ' ' && name[strlen(name) - 1] != ' ' &&
            strchr("([;*!", name[0]) == NULL);
}

struct pl_status postings_form_begin(enum postings_form form, bool preliminary, struct pl_buf *out)
{
    if (form == POSTINGS_CSV)
        return pl_buf_printf(out,
                             "line,period,date,entry,event,debit,credit,amount,"
                             "currency,pledge,bank_entry,cost_centre,reversal%s\n",
                             preliminary ? ",preliminary" : "");
    return preliminary ? pl_buf_append_str(out, "; preliminary: not handed over\n") : pl_ok();
}

struct pl_status postings_form_account(enum postings_form form, const char *name,
                                       struct pl_buf *out)
{
    return form == POSTINGS_HLEDGER     ? pl_buf_printf(out, "account %s\n", name)
           : form == POSTINGS_BEANCOUNT ? pl_buf_printf(out, "1970-01-01 open %s\n", name)
                                        : pl_ok();
}

static struct pl_status hledger(const struct postings_row *row, struct pl_buf *out)
{
    PL_TRY(pl_buf_printf(
        out,
        "\n%s %c (%" PRIu64 ") %s%s%s%s%s  ; line:%" PRIu64 ", period:%s, cost_centre:%s%s%s\n",
        row->date, row->preliminary ? '!' : '*', row->seq, row->event,
        row->pledge[0] != '\0' ? " " : "", row->pledge, row->bank_entry[0] != '\0' ? " " : "",
        row->bank_entry, row->line, row->period, row->cost_centre,
        row->reversal ? ", reversal:" : "", row->preliminary ? ", preliminary:" : ""));
    return pl_buf_printf(out, "    %-40s  %s %s\n    %-40s  %s -%s\n", row->debit, row->currency,
                         row->amount, row->credit, row->currency, row->amount);
}

static struct pl_status beancount(const struct postings_row *row, struct pl_buf *out)
{
    PL_TRY(pl_buf_printf(out,
                         "\n%s %c \"%s%s%s%s%s\"\n  entry: \"%" PRIu64 "\"\n  line: \"%" PRIu64
                         "\"\n  period: \"%s\"\n  cost_centre: \"%s\"\n  reversal: %s\n%s",
                         row->date, row->preliminary ? '!' : '*', row->event,
                         row->pledge[0] != '\0' ? " " : "", row->pledge,
                         row->bank_entry[0] != '\0' ? " " : "", row->bank_entry, row->seq,
                         row->line, row->period, row->cost_centre, row->reversal ? "TRUE" : "FALSE",
                         row->preliminary ? "  preliminary: TRUE\n" : ""));
    return pl_buf_printf(out, "  %-40s  %s %s\n  %-40s  -%s %s\n", row->debit, row->amount,
                         row->currency, row->credit, row->amount, row->currency);
}

struct pl_status postings_form_row(enum postings_form form, const struct postings_row *row,
                                   struct pl_buf *out)
{
    if (form != POSTINGS_CSV)
        return form == POSTINGS_HLEDGER ? hledger(row, out) : beancount(row, out);
    return pl_buf_printf(out, "%" PRIu64 ",%s,%s,%" PRIu64 ",%s,%s,%s,%s,%s,%s,%s,%s,%s%s\n",
                         row->line, row->period, row->date, row->seq, row->event, row->debit,
                         row->credit, row->amount, row->currency, row->pledge, row->bank_entry,
                         row->cost_centre, row->reversal ? "yes" : "no",
                         row->preliminary ? ",yes" : "");
}
