/* SPDX-License-Identifier: Apache-2.0
 *
 * export_books: what an entry of the ledger moves, as an accountant sees it. The entries come in
 * order from the first on; each one answers with its movements, from which every book form
 * (hledger, beancount, IATI) is printed, so that all of them say the same.
 *
 *   movement   what                               double entry
 *   PLEDGED    a promise, not yet signed          Equity:Memo:Pledged:P | Equity:Memo:Contra
 *   COMMITTED  a signed commitment                Assets:Receivable:P | Liabilities:Deferred:P
 *   RECEIVED   money at the bank                  Assets:Bank:CUR | Liabilities:Unallocated:B
 *   ALLOCATED  money of B is for P, signed        Liabilities:Unallocated:B | Assets:Receivable:P
 *   ADVANCED   money of B is for P, not signed    Liabilities:Unallocated:B | Liabilities:Advance:P
 *   SETTLED    P is signed: its advance counts    Liabilities:Advance:P | Assets:Receivable:P
 *   EXCHANGED  money of B in another currency     Liabilities:Unallocated:B | Equity:Exchange
 *   CONVERTED  ... counts for P, signed           Equity:Exchange | Assets:Receivable:P
 *   PREPAID    ... counts for P, not signed       Equity:Exchange | Liabilities:Advance:P
 *   REFUND_ORDERED  money of B goes back          Liabilities:Unallocated:B | Liabilities:Refund:B
 *   REFUND_PAID     ... and left the account      Liabilities:Refund:B | Assets:Bank:CUR
 *   WITHDRAWN       a statement saw money leave   Assets:Suspense:B | Assets:Bank:CUR
 *   REFUND_MATCHED  ... and it paid a refund      Liabilities:Refund:B | Assets:Suspense:B
 *   TAKEN_BACK      ... it was money of B         Liabilities:Unallocated:B | Assets:Suspense:B
 *   CHARGED         ... the bank took it          Expenses:BankCharges | Assets:Suspense:B
 *   CHARGED_BACK    the bank gave a charge back   Liabilities:Unallocated:B | Expenses:BankCharges
 *   WRITTEN_OFF     a part of P will not come     Expenses:WrittenOff:P | Assets:Receivable:P
 *   DIFFERENCE      P fell short, accepted        Expenses:Difference:P | Assets:Receivable:P
 *   DIFFERENCE_BEFORE  ... P is not signed        Expenses:Difference:P | Liabilities:Advance:P
 *
 * A refund that came back is REFUND_MATCHED backwards, and TAKEN_BACK of what arrived: what did not
 * stays in suspense with the debit.
 *
 * Every movement of a statement is on Assets:Bank once, with its own amount: it moves by closing
 * less opening balance. A negative amount is the same movement backwards. Then, in each currency,
 * `pledge totals` is: committed = -Liabilities:Deferred      pledged = Equity:Memo:Pledged +
 * committed received - refunded = Assets:Bank + Assets:Suspense + Expenses:BankCharges
 *                         + Liabilities:Refund
 *   unallocated = -Liabilities:Unallocated
 *   outstanding = pledged - received + refunded + unallocated - Equity:Exchange
 *                 - Expenses:WrittenOff - Expenses:Difference
 *
 * One thread. Memory: a few words for each contributor, pledge and payment. An entry that does not
 * fit what came before is CORRUPT; a fact that this version cannot express is UNIMPLEMENTED.
 */
#ifndef CLIENT_EXPORT_BOOKS_H
#define CLIENT_EXPORT_BOOKS_H

#include "common/buf.h"
#include "pledged/v1/entry.pb-c.h"

enum export_move_kind {
    EXPORT_PLEDGED,
    EXPORT_COMMITTED,
    EXPORT_RECEIVED,
    EXPORT_ALLOCATED,
    EXPORT_ADVANCED,
    EXPORT_SETTLED,
    EXPORT_EXCHANGED,
    EXPORT_CONVERTED,
    EXPORT_PREPAID,
    EXPORT_REFUND_ORDERED,
    EXPORT_REFUND_PAID,
    EXPORT_WRITTEN_OFF,
    EXPORT_DIFFERENCE,
    EXPORT_DIFFERENCE_BEFORE,
    EXPORT_WITHDRAWN,
    EXPORT_REFUND_MATCHED,
    EXPORT_TAKEN_BACK,
    EXPORT_CHARGED,
    EXPORT_CHARGED_BACK,
};
struct export_move {
    enum export_move_kind kind;
    uint64_t pledge, bank_entry; /* numbers; 0: none */
    int64_t minor;
    int currency; /* pl_currency_index */
    uint64_t
        debit; /* number of the bank entry in suspense, where it is another one; 0: it is not */
};

struct export_pledge {
    uint64_t contributor;
    int64_t amount, allocated;
    int64_t written_off, difference;
    int currency; /* -1: no amount yet */
    bool live, committed;
    size_t newest; /* allocation to it: index + 1; 0: none */
    Pledged__V1__Publish publish;
};
struct export_bank_entry {
    uint64_t seq;                        /* of its payment */
    uint64_t pledge;                     /* that it was meant for; 0: nobody knows */
    int64_t amount, allocated, refunded; /* amount 0: money that left */
    int64_t explained; /* a refund that came back, or a charge that was given back */
    int64_t withdrawn; /* a debit: what is in suspense */
    int currency;
    bool reversed;
    bool stated;   /* a statement has it */
    size_t newest; /* allocation of it: index + 1; 0: none */
};
struct export_allocation {
    uint64_t seq; /* ascending */
    uint64_t bank_entry, pledge;
    int64_t minor, settled; /* in the currency of the bank entry, and of the pledge */
    size_t older_of_entry, older_of_pledge; /* index + 1; 0: none */
    bool undone;
};
/* A write-off (no bank entry) or an accepted difference. */
struct export_waiver {
    uint64_t seq; /* ascending */
    uint64_t pledge, bank_entry;
    int64_t minor;
    bool undone;
};
/* What a debit was said to be: by the bank's statement a charge. Of a credit one that came back. */
struct export_charge {
    uint64_t seq; /* ascending */
    uint64_t bank_entry;
    int64_t minor;
    bool undone;
};
struct export_refund {
    uint64_t bank_entry;
    uint64_t debit; /* that paid it */
    int64_t minor;
    bool done;         /* paid or cancelled */
    uint64_t paid_seq; /* 0: not paid */
};
/* A refund that came back. */
struct export_return {
    uint64_t seq;  /* ascending */
    size_t refund; /* index */
    uint64_t credit, debit, paid_seq;
    int64_t arrived;
};
struct export_contributor {
    char *name; /* owns */
    Pledged__V1__ContributorKind kind;
};

struct export_books {
    struct export_contributor *contributor; /* owns; index = number - 1, like the others */
    struct export_pledge *pledge;
    struct export_bank_entry *bank_entry;
    struct export_allocation *allocation;
    struct export_waiver *waiver;
    struct export_refund *refund; /* index = number - 1 */
    struct export_charge *charge;
    struct export_return *returned;
    size_t contributors, pledges, bank_entries, allocations, waivers, refunds, charges, returns;
    size_t contributor_cap, pledge_cap, bank_entry_cap, allocation_cap, waiver_cap, refund_cap;
    size_t charge_cap, return_cap;
    struct export_move *move; /* owns; of the entry that came last */
    size_t moves, move_cap;
    char date[11]; /* business date of that entry; of a payment the value date */
};

void export_books_init(struct export_books *books);
void export_books_fini(struct export_books *books);
/* The next entry. Its movements are in books->move afterwards. */
PL_MUST_CHECK struct pl_status export_books_take(struct export_books *books,
                                                 const Pledged__V1__Entry *entry);

#endif
