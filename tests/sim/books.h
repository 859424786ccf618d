/* SPDX-License-Identifier: Apache-2.0
 *
 * books: the money half of the model, and who decided: plain lists that are added up from the start
 * after every entry. It shares no code with server/ledger but the messages.
 *
 * What holds after each entry: of a bank entry no more is used than came; a pledge is settled and
 * forgiven for no more than was promised, also on every day since that of the entry, and what is
 * said of its amount is of the order of its days; one movement of the bank is booked once; a refund
 * is paid or cancelled once; what needs a second person has one, who is not the first, and is
 * carried out once; months close in their order, and nothing is posted into a closed one.
 */
#ifndef SIM_BOOKS_H
#define SIM_BOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pledged/v1/entry.pb-c.h"

struct model;

enum {
    BOOKS_ID = 16,
    BOOKS_MONTH = 8,
    BOOKS_REF = 24,
    BOOKS_PERSON = 16,
    BOOKS_KEY = 96,
    BOOKS_DAY = 11
};

struct book_bank {
    uint64_t seq;
    int64_t amount; /* of either direction positive */
    bool debit, gone, by_hand;
    bool confirmed; /* a statement has it */
    uint64_t learned; /* newest entry by which a copy said more of it */
    bool payer;     /* and has said who paid, be it erased now */
    char bank_ref[BOOKS_REF];
    size_t meant; /* for this pledge; SIZE_MAX: none */
};
struct book_part { /* of a bank entry, for a pledge */
    uint64_t seq;
    size_t bank, pledge;
    int64_t amount;
    bool undone;
    char day[BOOKS_DAY], undone_day[BOOKS_DAY];
};
struct book_waiver {
    uint64_t seq;
    size_t pledge;
    int64_t amount;
    bool undone;
    char day[BOOKS_DAY], undone_day[BOOKS_DAY];
};
struct book_word { /* on what is promised */
    size_t pledge;
    int64_t more; /* than before */
    char day[BOOKS_DAY];
    bool to_come; /* when it was said: money may come before it */
};
enum book_refund_state { BOOK_ORDERED, BOOK_PAID, BOOK_CANCELLED };
struct book_refund {
    size_t bank, debit;
    int64_t amount;
    enum book_refund_state state;
    uint64_t paid_seq; /* entry that says so; 0: none */
};
struct book_charge {
    uint64_t seq;
    size_t debit;
    int64_t amount;
    bool undone;
};
struct book_back { /* a refund that came back */
    uint64_t seq, paid_seq;
    size_t refund, credit, debit;
    int64_t arrived;
    bool undone;
};
enum book_proposal_state { BOOK_OPEN, BOOK_APPROVED, BOOK_REJECTED, BOOK_EXPIRED };
struct book_proposal {
    uint64_t seq;
    int64_t expires_us;
    enum book_proposal_state state;
    char maker[BOOKS_PERSON];
    uint8_t carrier[BOOKS_ID]; /* request that carried it out */
};
struct book_closing {
    char month[BOOKS_MONTH];
    uint64_t seq;
};

struct books {
    /* own; the numbers of B, R and S are places */
    struct book_bank *bank;
    size_t banks, bank_cap;
    struct book_part *part;
    size_t parts, part_cap;
    struct book_waiver *waiver;
    size_t waivers, waiver_cap;
    struct book_word *word;
    size_t words, word_cap;
    struct book_refund *refund;
    size_t refunds, refund_cap;
    struct book_charge *charge;
    size_t charges, charge_cap;
    struct book_back *back;
    size_t backs, back_cap;
    struct book_proposal *proposal;
    size_t proposals, proposal_cap;
    char (*statement)[BOOKS_KEY];
    size_t statements, statement_cap;
    struct book_closing *closing; /* those in force, in order */
    size_t closings, closing_cap;
    uint32_t four_eyes; /* bits of classes, as the policy in force has them */
};

void books_fini(struct books *books);
/* The next entry; the pledge's own part of it was seen before. False: wrong, and model_wrong has
 * said why. */
bool books_see(struct model *model, const Pledged__V1__Entry *e);
/* A proposal whose time is over and that is still open before this command. */
bool books_nothing_is_due(struct model *model, const Pledged__V1__Entry *e);

int64_t books_settled(const struct books *books, size_t pledge);
int64_t books_forgiven(const struct books *books, size_t pledge);
/* Of a credit: what nobody uses. */
int64_t books_free(const struct books *books, size_t bank);

#endif
