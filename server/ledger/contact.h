/* SPDX-License-Identifier: Apache-2.0
 *
 * contact: persons, of whom the ledger knows a number and a commitment only; the records themselves
 * are kept beside the log (server/persons) and can be erased. Also what any other record of that
 * kind needs: which commitments the ledger names, and which of them are erased. Private to
 * server/ledger.
 */
#ifndef LEDGER_CONTACT_H
#define LEDGER_CONTACT_H

#include "server/ledger/change.h"

void contact_decide(struct maker *maker);
PL_MUST_CHECK struct pl_status contact_check(const struct ledger *ledger,
                                             const Pledged__V1__Entry *entry);
void contact_apply(struct ledger *ledger, const Pledged__V1__Entry *entry);

/* A commitment that an entry names for the first time: 32 bytes, its index in ledger.erasable. */
bool contact_commitment_fits(const struct ledger *ledger, ProtobufCBinaryData commitment);
uint32_t contact_commit(struct ledger *ledger, const uint8_t commitment[LEDGER_COMMITMENT_BYTES],
                        uint64_t seq);
/* A row and its place in the chain of its contributor; for loading, too. */
void contact_add(struct ledger *ledger, uint32_t contributor, uint32_t erasable);

#endif
