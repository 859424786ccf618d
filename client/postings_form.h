/* SPDX-License-Identifier: Apache-2.0
 *
 * postings_form: one posting in the forms that accounting systems read: csv with a header (the form
 * whose hash the ledger keeps), a journal for hledger, a journal for beancount (names of accounts
 * as its syntax wants them: https://beancount.github.io/docs/beancount_language_syntax.html).
 *
 * One thread. Texts hold no quotes, tabs or line ends (the table of accounts is read so).
 */
#ifndef CLIENT_POSTINGS_FORM_H
#define CLIENT_POSTINGS_FORM_H

#include "common/buf.h"

enum postings_form { POSTINGS_CSV, POSTINGS_HLEDGER, POSTINGS_BEANCOUNT, POSTINGS_FORMS };

struct postings_row {
    uint64_t line; /* from 1, in the file */
    uint64_t seq;  /* entry */
    const char *period, *date, *event;
    const char *debit, *credit; /* accounts; the amount goes to the first from the second */
    const char *amount, *currency;
    const char *pledge, *bank_entry; /* "": none */
    const char *cost_centre;         /* "": none */
    bool reversal;
    bool preliminary; /* the month is not settled: not what is handed over */
};

/* "csv", "hledger", "beancount" */
bool postings_form_parse(const char *text, enum postings_form *ret);
/* May an account have this name? */
bool postings_form_name_fine(enum postings_form form, const char *name);
/* A preliminary file says so in each of its rows; a final one is as it ever was. */
PL_MUST_CHECK struct pl_status postings_form_begin(enum postings_form form, bool preliminary,
                                                   struct pl_buf *out);
/* An account of the table, before its first posting. */
PL_MUST_CHECK struct pl_status postings_form_account(enum postings_form form, const char *name,
                                                     struct pl_buf *out);
PL_MUST_CHECK struct pl_status
postings_form_row(enum postings_form form, const struct postings_row *row, struct pl_buf *out);

#endif
