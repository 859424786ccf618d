/* SPDX-License-Identifier: Apache-2.0
 *
 * export: the ledger in the forms of other people's programs: journals for hledger and beancount,
 * and an IATI 2.03 activity file. Made from the entries as they come, by export_books; what a
 * movement posts to is in its header. Names of contributors appear in IATI only, and there only of
 * those that agreed to be published.
 *
 * One thread, memory as export_books. Failure modes: those of export_books; TOO_BIG when the
 * buffer's ceiling is reached (whoever owns it empties it between entries).
 */
#ifndef CLIENT_EXPORT_H
#define CLIENT_EXPORT_H

#include "client/export_books.h"
#include "common/map.h"
#include "pledged/v1/service.pb-c.h"

enum export_form { EXPORT_HLEDGER, EXPORT_BEANCOUNT, EXPORT_IATI };

struct export
{
    enum export_form form;
    struct export_books books;
    uint64_t from_seq; /* entries before it move the books but are not printed */
    uint64_t pledge;   /* only this one; 0: all */
    bool begun;
    bool *currencies;       /* owns; declared already, by index */
    struct pl_map accounts; /* declared already: {kind u64, number u64} -> u8 */
};

void export_init(struct export *export, enum export_form form, uint64_t from_seq, uint64_t pledge);
void export_fini(struct export *export);
/* The next entry, from the first of the ledger on. */
PL_MUST_CHECK struct pl_status export_take(struct export *export, const Pledged__V1__Entry *entry,
                                           struct pl_slice bytes, struct pl_buf *out);
/* After the last one; the checkpoint becomes a comment. */
PL_MUST_CHECK struct pl_status
export_end(struct export *export, const Pledged__V1__DumpTrailer *trailer, struct pl_buf *out);

#endif
