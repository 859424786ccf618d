/* SPDX-License-Identifier: Apache-2.0
 *
 * documents: what partners get on paper: the invoice with its payment part, the receipt, the
 * certificate, the statement of account. In the language of text.h. Answers of the daemon go in, a
 * PDF comes out; equal input gives equal bytes, so that a file's hash says which document it is.
 */
#ifndef CLIENT_DOCUMENTS_H
#define CLIENT_DOCUMENTS_H

#include "client/paper.h"
#include "client/treasury.h"
#include "common/arena.h"
#include "pledged/v1/service.pb-c.h"

/* Everything borrowed. */
struct documents_input {
    const struct treasury *treasury;
    const Pledged__V1__PledgeStatus *pledge;
    const char *tier;                 /* label of the tier; NULL: a free contribution */
    const char *event;                /* what the catalogue is for; "" : unknown */
    const char *number;               /* of the receipt or certificate */
    const char *date;                 /* YYYY-MM-DD, printed on it */
    size_t instalment;                /* of the invoice: 1 the first; 0: all that is to be paid */
    const struct qrbill_party *payer; /* of the invoice; NULL: to be filled in */
    Pledged__V1__AllocationStatus *const *allocation; /* of the receipt */
    size_t allocation_count;
};

PL_MUST_CHECK struct pl_status documents_invoice(const struct documents_input *input,
                                                 struct pl_arena *arena, struct failure *failure,
                                                 struct pl_buf *out);
PL_MUST_CHECK struct pl_status documents_receipt(const struct documents_input *input,
                                                 struct pl_arena *arena, struct failure *failure,
                                                 struct pl_buf *out);
PL_MUST_CHECK struct pl_status documents_certificate(const struct documents_input *input,
                                                     struct pl_arena *arena,
                                                     struct failure *failure, struct pl_buf *out);

/* One line of a statement of account; the balance is what is still to be paid after it. */
struct documents_line {
    uint64_t seq;
    const char *date, *pledge;  /* of money the value date */
    int fact;                   /* Entry.fact_case: what happened */
    int64_t promised, paid;     /* changes; 0: none */
    int64_t waived;             /* written off, or accepted as a difference */
    int64_t received, returned; /* money that came in for a pledge, that was paid back */
    int64_t unallocated;        /* what of it pays for nothing and does not go back, as of today */
    int64_t elsewhere;          /* what of it pays for pledges of other contributors, as of today */
    const char *bank_entry;     /* NULL: none */
    int64_t balance;
    const char *currency;
};
struct documents_statement {
    const struct treasury *treasury;
    const char *contributor, *name;
    const char *date;
    uint64_t as_of_seq;
    const struct documents_line *line;
    size_t count;
};
PL_MUST_CHECK struct pl_status documents_statement(const struct documents_statement *statement,
                                                   struct pl_arena *arena, struct failure *failure,
                                                   struct pl_buf *out);

/* "3 March 2026", "3 mars 2026", "1er mars 2026". Lives in the arena. */
const char *documents_day(struct pl_arena *arena, const char *date);

#endif
