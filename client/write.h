/* SPDX-License-Identifier: Apache-2.0
 *
 * write: what all commands that change the ledger have in common: request id, reason, business
 * date, evidence, dry run; the id on disk before anything is sent; the receipt.
 */
#ifndef CLIENT_WRITE_H
#define CLIENT_WRITE_H

#include "client/cli.h"
#include "pledged/v1/service.pb-c.h"

/* What a receipt shows in the fourth column of plain: what is left. */
enum write_left {
    WRITE_LEFT_SLOTS,   /* of the tier; where no tier is concerned the balance */
    WRITE_LEFT_BALANCE, /* still to be paid */
};
/* What its first column names. */
enum write_subject {
    WRITE_PLEDGE,
    WRITE_CONTRIBUTOR,
    WRITE_BANK_ENTRY,
    WRITE_CATALOGUE,
    WRITE_PERIOD,
    WRITE_CONTACT,
    WRITE_DOCUMENT,
    WRITE_REFUND,
    WRITE_RATES,
};

struct write {
    Pledged__V1__Command command; /* the caller sets the oneof */
    uint8_t request_id[16];
    char request_text[37];
    enum write_subject subject;
    enum write_left left;
    Pledged__V1__PrivateRecord **record; /* what the command commits to, in its order */
    size_t record_count;                 /* 0: none, and the command travels alone */
    const char *catalogue;               /* code, where the subject is a catalogue */
    const char *rates;                   /* which ones, where the subject is rates */
};

/* Takes the common options into the command. evidence_kind: of --evidence unless it is said. */
PL_MUST_CHECK struct pl_status write_init(struct cli *cli, struct write *write,
                                          const char *evidence_kind);
/* Keeps the id, sends, repeats, shows the receipt. */
PL_MUST_CHECK struct pl_status write_run(struct cli *cli, struct write *write);

/* The same without showing: for commands whose answer is not one receipt. */
PL_MUST_CHECK struct pl_status write_send(struct cli *cli, struct write *write,
                                          Pledged__V1__Receipt **ret);
/* Shows a receipt: for commands that have something to say after it. */
PL_MUST_CHECK struct pl_status write_show(struct cli *cli, const struct write *write,
                                          const Pledged__V1__Receipt *receipt);

#endif
