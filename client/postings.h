/* SPDX-License-Identifier: Apache-2.0
 *
 * postings: what the accounting system beside the ledger is given for a month: one line a posting,
 * with accounts from the table that the accountants own. Made from the entries, by export_books.
 *
 * The table is csv with the header event,debit,credit,cost_centre and one line an event. A movement
 * backwards (a reversal, a cancellation) is posted with its sides exchanged.
 *
 * An export of a month holds every movement that the books have in that month or before, that no
 * earlier export holds: what is recorded late is posted to the next open month, and goes into that
 * month's export. Income
 * that was deferred until an event is released in the first export that reaches the event's end.
 *
 * One thread. Memory: a few words a movement. Failures: CORRUPT, UNIMPLEMENTED as export_books;
 * INVALID with the event that the table lacks.
 */
#ifndef CLIENT_POSTINGS_H
#define CLIENT_POSTINGS_H

#include "client/export_books.h"
#include "client/postings_form.h"
#include "common/arena.h"

enum { POSTINGS_TOTALS_MAX = 200 };

struct postings_total {
    int currency;
    int64_t minor; /* debits, and as much in credits */
    uint64_t count;
};
struct postings_export { /* a PostingsExported of the ledger */
    char period[8];
    uint64_t seq, to_seq;
    uint8_t sha256[32];
};
struct postings {
    struct pl_arena *arena; /* borrowed */
    struct export_books books;
    bool preliminary;           /* what is printed is not to be handed over */
    struct postings_move *move; /* owns, as all of these */
    size_t moves, move_cap;
    struct postings_pledge *pledge;
    size_t pledges, pledge_cap;
    struct postings_export *export;
    size_t exports, export_cap;
    struct postings_event *event; /* ends of events, by code of the catalogue */
    size_t events, event_cap;
    struct postings_account *account;
    size_t accounts;
    struct postings_total total[POSTINGS_TOTALS_MAX]; /* of what was printed, by currency code */
    size_t totals;
    uint64_t count;
    const char *missing;  /* event that the table lacks */
    const char *misnamed; /* account that the form cannot name so */
};

void postings_init(struct postings *postings, struct pl_arena *arena);
void postings_fini(struct postings *postings);
/* The table. INVALID; *ret_line says where. */
PL_MUST_CHECK struct pl_status postings_table(struct postings *postings, char *text,
                                              size_t *ret_line);
/* The next entry, from the first of the ledger on. */
PL_MUST_CHECK struct pl_status postings_take(struct postings *postings,
                                             const Pledged__V1__Entry *entry);
/* The export of this month that the ledger knows; NULL: none. */
const struct postings_export *postings_find(const struct postings *postings, const char *period);
/* The export of this month or of a later one; NULL: none. */
const struct postings_export *postings_past(const struct postings *postings, const char *period);
/* A month up to entry to_seq in one of the forms, and its totals. */
PL_MUST_CHECK struct pl_status postings_print(struct postings *postings, const char *period,
                                              uint64_t to_seq, enum postings_form form,
                                              struct pl_buf *out);

#endif
