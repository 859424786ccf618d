/* SPDX-License-Identifier: Apache-2.0
 *
 * payer: who paid, as a bank statement says it: names, account numbers and free text. They travel
 * beside the command that brings the statement (ExecutePrivate), each under a salt of its own, and
 * are kept where they can be erased; the command has their commitments only.
 *
 * A repetition of a request has to be the very same request, so a salt is not drawn: it follows
 * from the whole file and the request id. Who does not have the file cannot guess it, and who has
 * the file needs no salt to know who paid.
 */
#ifndef CLIENT_PAYER_H
#define CLIENT_PAYER_H

#include "client/camt.h"
#include "client/cli.h"
#include "pledged/v1/service.pb-c.h"

/* One for each movement of a command, in order. */
struct payers {
    struct pl_slice *record; /* packed PayerDetail, len 0: nothing is known */
    uint32_t *parts;         /* of each record (Movement.detail_parts) */
    size_t count, cap;
    uint8_t key[32]; /* that salts follow from */
};

PL_MUST_CHECK struct pl_status payers_init(struct payers *payers, struct pl_slice file, size_t most,
                                           struct pl_arena *arena);
PL_MUST_CHECK struct pl_status payers_add(struct payers *payers, const struct camt_movement *from,
                                          struct pl_arena *arena);
/* Sets the commitments of the command; *ret are the records that go with it, in the arena. */
PL_MUST_CHECK struct pl_status payers_commit(const struct payers *payers,
                                             const uint8_t request_id[16],
                                             Pledged__V1__ImportStatement *import,
                                             struct pl_arena *arena,
                                             Pledged__V1__PrivateRecord ***ret, size_t *ret_count);

/* Asks for the records of these bank entries: *ret has one for each, NULL where there is none. Of
 * several copies the one that says most, filled by the others; of a batch who paid each part. */
PL_MUST_CHECK struct pl_status payers_read(struct cli *cli, Pledged__V1__BankEntryStatus **entry,
                                           size_t count, const Pledged__V1__PayerDetail ***ret);

/* How alike two names are, 0 to 100: case, accents, signs and the order of words do not matter. */
int payer_likeness(const char *left, const char *right, struct pl_arena *arena);

#endif
