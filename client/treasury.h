/* SPDX-License-Identifier: Apache-2.0
 *
 * treasury: who is paid, and into which accounts. The ledger's policy says it (GetTreasury); where
 * it names nobody, the sections [creditor] and [account NAME] of the client's INI file. One account
 * a currency; the first one named counts.
 */
#ifndef CLIENT_TREASURY_H
#define CLIENT_TREASURY_H

#include "client/qrbill.h"
#include "common/arena.h"
#include "pledged/v1/service.pb-c.h"

enum { TREASURY_ACCOUNTS_MAX = 32 };
struct treasury_account {
    const char *name; /* of its section: "CHF01" */
    const char *currency;
    const char *iban, *qr_iban; /* normal form; qr_iban "": none */
    const char *bank, *bic;     /* for payers abroad; may be "" */
};
struct treasury {
    struct qrbill_party creditor;
    struct treasury_account account[TREASURY_ACCOUNTS_MAX];
    size_t count;
};

/* CONFIG with the line that is wrong, or where the file names no creditor. Lives in the arena. */
PL_MUST_CHECK struct pl_status treasury_load(const char *path, struct pl_arena *arena,
                                             struct treasury *ret, struct failure *failure);
/* What the ledger says; false: it names nobody. Borrows from the answer. */
bool treasury_take(const Pledged__V1__GetTreasuryResponse *answer, struct treasury *ret);
/* NULL: no account takes this currency. */
const struct treasury_account *treasury_account(const struct treasury *treasury,
                                                const char *currency);

#endif
