/* SPDX-License-Identifier: Apache-2.0
 *
 * report: the state of the fund as one HTML file that needs nothing else: style and figures are in
 * it, no script, nothing is fetched. For a screen and for paper. Each figure has a table with its
 * numbers; every sum is one that `pledge totals` tells. In the language of text.h.
 *
 * Happy path: the answers of the daemon go in, a page comes out. Equal answers give equal bytes.
 */
#ifndef CLIENT_REPORT_H
#define CLIENT_REPORT_H

#include "common/arena.h"
#include "common/buf.h"
#include "pledged/v1/service.pb-c.h"

/* A rate that promises or payments were valued by, and how many of them. */
struct report_rate {
    uint64_t seq; /* its RateRecorded */
    const char *currency, *date, *source;
    int64_t mantissa;
    uint32_t scale;
    int64_t pledges, payments;
};

/* Answers to reads of one moment, all borrowed. */
struct report_input {
    const Pledged__V1__GetCatalogueResponse *catalogue; /* NULL: none adopted */
    const Pledged__V1__ListTiersResponse *tiers;        /* NULL: none adopted */
    const Pledged__V1__GetTotalsResponse *totals;       /* one line a currency */
    const Pledged__V1__GetTotalsResponse *by_category, *by_month;
    const Pledged__V1__ListBenefitsResponse *benefits; /* totals; NULL: none */
    const Pledged__V1__GetStatusResponse *status;
    Pledged__V1__PaymentStatus *const *unmatched; /* money that is not allocated */
    size_t unmatched_count;
    uint64_t unmatched_seq;         /* the entry it is as of */
    bool unmatched_known;           /* false: the role may not see single payments */
    const struct report_rate *rate; /* ascending by seq, each once */
    size_t rate_count;
    bool rates_known; /* false: the role may not see single promises and payments */
};

PL_MUST_CHECK struct pl_status report_print(const struct report_input *input,
                                            struct pl_arena *arena, struct pl_buf *out);

#endif
