/* SPDX-License-Identifier: Apache-2.0
 *
 * camt: bank statements (camt.053), credit notifications (camt.054) and reports of the day
 * (camt.052, which is as good as a notification) of versions 001.04 and 001.08, as plain movements
 * in the account's currency.
 *
 * One entry of the bank becomes one movement or several:
 *   - a batch with details: one for each of its transactions; without details: one that waits for
 *     the notification that has them;
 *   - where the details do not add up to the entry, the rest is a movement of its own, a charge;
 *   - what is not booked (pending, information) is counted and left out.
 * Amounts are exact integers in minor units; credits are positive, debits negative. No floating
 * point anywhere. A statement must add up: opening balance + movements = closing balance.
 *
 * Everything lives in the arena. Failures name file, line, path and why.
 */
#ifndef CLIENT_CAMT_H
#define CLIENT_CAMT_H

#include "client/failure.h"
#include "common/arena.h"
#include "common/slice.h"

enum {
    CAMT_MOVEMENTS_MAX = 10000, /* a file; as many as one command may have */
    CAMT_BYTES_MAX = 16 << 20,
};

enum camt_kind {
    CAMT_PAYMENT,
    CAMT_CHARGE,   /* what the details of an entry leave over */
    CAMT_BATCH,    /* several transactions in one sum, details not told */
    CAMT_REVERSAL, /* the bank takes back an entry of its own */
    CAMT_RETURN,   /* a payment came back */
};

struct camt_movement {
    enum camt_kind kind;
    int64_t minor;                         /* of the account's currency */
    char booking_date[11], value_date[11]; /* YYYY-MM-DD, both always set */
    const char *bank_ref;                  /* the bank's own reference of this movement; "" none */
    const char *batch_ref;                 /* the bank's reference of the batch it belongs to */
    uint32_t batch_count;                  /* transactions in a batch without details */
    const char *entry_ref;                 /* NtryRef: the QR-IBAN credited, with some banks */
    const char *uetr;
    const char *end_to_end_id;   /* "" if it says NOTPROVIDED */
    const char *reference;       /* structured creditor reference, no blanks, capital letters */
    const char *return_reason;   /* "AC04" */
    int64_t instructed_minor;    /* as the payer ordered it, if in another amount or currency */
    char instructed_currency[4]; /* "": none */
    const char *rate;            /* of the exchange, as the bank writes it */
    const char *bank_code;       /* "PMNT/RCDT/OTHR": domain, family, sub-family; "": not told */
    int64_t charges_minor;       /* what banks took of it on the way */
    char charges_currency[4];    /* "": nothing is told */
    const char *payer, *payer_iban, *text; /* persons may be in here: for the erasable store only */
    long line;
};

struct camt_statement {
    bool notification; /* camt.054 and camt.052: no balances */
    const char *id;    /* banks reuse it in another year */
    uint64_t sequence; /* 0: not told */
    char created[11];
    char from[11], to[11]; /* "": not told */
    const char *account;   /* IBAN or other identification, no blanks */
    char currency[4];
    int64_t opening, closing; /* negative: overdrawn; 0 in notifications */
    struct camt_movement *movement;
    size_t movement_count;
    size_t not_booked; /* left out */
    long line;
};

struct camt_file {
    const char *message_id;
    struct camt_statement *statement;
    size_t statement_count;
};

/* INVALID or TOO_BIG, explained in the failure. `name` is what messages call the file. */
PL_MUST_CHECK struct pl_status camt_read(struct pl_slice bytes, const char *name,
                                         struct pl_arena *arena, struct failure *failure,
                                         struct camt_file **ret);

/* "0001500.00000" to minor units of a currency with that many decimals. Exact, or a reason. */
enum camt_amount_problem {
    CAMT_AMOUNT_OK,
    CAMT_AMOUNT_SYNTAX,
    CAMT_AMOUNT_PRECISION, /* more than five decimals, or more than the currency has */
    CAMT_AMOUNT_OVERFLOW,
};
enum camt_amount_problem camt_amount(const char *text, int exponent, int64_t *ret_minor);

#endif
