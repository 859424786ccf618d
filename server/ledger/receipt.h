/* SPDX-License-Identifier: Apache-2.0
 *
 * receipt: documents that were handed out: receipts for money that came in, certificates for signed
 * commitments. Each kind has its own numbers, without gaps (I6). A receipt names the allocations it
 * is for, and an allocation is receipted once. Private to server/ledger.
 */
#ifndef LEDGER_RECEIPT_H
#define LEDGER_RECEIPT_H

#include "server/ledger/change.h"

enum { RECEIPT_ALLOCATIONS_MAX = 100 };

/* The live allocations of a pledge that no receipt names, ascending; the oldest where there are
 * more than a receipt takes. */
size_t receipt_open(const struct ledger *ledger, const struct state_pledge *pledge,
                    uint32_t ret[RECEIPT_ALLOCATIONS_MAX]);
/* An allocation that a receipt names is undone by an approver only: refuses and returns true for
 * anybody else. */
bool receipt_guards(struct maker *maker, const struct state_allocation *allocation,
                    const char *field);
/* What a receipt names was taken back. */
void receipt_undone(struct ledger *ledger, const struct state_allocation *allocation);
/* Letter of the ids of a kind: Q, Z. */
char receipt_prefix(enum state_document_kind kind);

void receipt_decide(struct maker *maker);
/* ReceiptIssued, CertificateIssued. */
PL_MUST_CHECK struct pl_status receipt_check(const struct ledger *ledger,
                                             const Pledged__V1__Entry *entry);
void receipt_apply(struct ledger *ledger, const Pledged__V1__Entry *entry);

#endif
