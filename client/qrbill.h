/* SPDX-License-Identifier: Apache-2.0
 *
 * qrbill: what a Swiss QR-bill says, and the text that its symbol holds (version 0200, structured
 * addresses). Everything is judged before anything is printed: who scans the bill must not be the
 * first to find out. Texts are borrowed.
 */
#ifndef CLIENT_QRBILL_H
#define CLIENT_QRBILL_H

#include "client/failure.h"
#include "common/buf.h"

struct qrbill_party {
    const char *name, *street, *number, *postal_code, *town; /* street and number may be "" */
    const char *country;                                     /* two capital letters */
};

struct qrbill {
    const char *iban; /* normal form */
    struct qrbill_party creditor;
    int64_t minor; /* 0: the payer fills it in */
    const char *currency;
    const struct qrbill_party *debtor; /* NULL: the payer fills it in */
    const char *reference;             /* normal form; "": none */
    const char *message;               /* "": none */
    const char *billing_info;          /* "": none; else begins with two slashes */
};

enum { QRBILL_PAYLOAD_MAX = 997 };

/* INVALID (exit 65) with the field and why: the rules of the Swiss Implementation Guidelines. */
PL_MUST_CHECK struct pl_status qrbill_check(const struct qrbill *bill, struct failure *failure);
/* The same, then the lines, parted by LF, without one at the end. */
PL_MUST_CHECK struct pl_status qrbill_payload(const struct qrbill *bill, struct failure *failure,
                                              struct pl_buf *out);
/* One address out of "Name;Street;No;Postal code;Town;CC", cut in place. False: not six parts. */
bool qrbill_party_parse(char *text, struct qrbill_party *ret);

/* The next letter of a text as its number, 0 at the end, -1 where it is not UTF-8. */
int32_t qrbill_letter(const char **text);

#endif
