/* SPDX-License-Identifier: Apache-2.0
 *
 * payer: the details of who paid, as a bank statement had them: the one that brought the movement,
 * or a later one, if that one did not say it. The ledger knows a commitment of each; the records
 * are kept beside it and can be erased: alone, or with the organisation that the money was for.
 * Private to server/ledger.
 */
#ifndef LEDGER_PAYER_H
#define LEDGER_PAYER_H

#include "server/ledger/change.h"

enum { PAYER_ERASED_MAX = 256 }; /* by one command */

/* A record of who paid this entry, the newest; NULL: there is none, or all are erased. */
struct state_erasable *payer_record(const struct ledger *ledger,
                                    const struct state_bank_entry *entry);
/* Another one about it (apply). */
void payer_add(struct ledger *ledger, struct state_movement *of,
               const uint8_t commitment[LEDGER_COMMITMENT_BYTES], uint64_t seq);
/* Is this statement (its id) one of the movement's account? Of another one it cannot speak. */
bool payer_same_account(const struct ledger *ledger, const struct state_movement *movement,
                        const char *statement);
/* Entry that erased a record of it; 0: none is erased. Nothing is added to who was erased. */
uint64_t payer_erased_seq(const struct ledger *ledger, const struct state_bank_entry *entry);
/* Entry that set a legal hold on an organisation that the money is for; 0: none is on. */
uint64_t payer_hold(const struct ledger *ledger, const struct state_bank_entry *entry);

/* PayerLearned, of rules 15: one record that was not there. */
PL_MUST_CHECK struct pl_status payer_check_learned(const struct ledger *ledger,
                                                   const Pledged__V1__Entry *entry);
void payer_apply_learned(struct ledger *ledger, const Pledged__V1__Entry *entry);
/* Its entry, if a later statement said who paid; 0: the first one did, or nobody. */
uint64_t payer_learned_seq(const struct ledger *ledger, const struct state_bank_entry *entry);

/* Adds all records of one bank entry to an erasure; how many are left for another command. */
int64_t payer_erase(struct maker *maker, Pledged__V1__SubjectErased *fact,
                    const struct state_bank_entry *entry);
/* Adds those of a contributor (index) that no hold keeps; how many are left for another command. */
int64_t payer_erase_all(struct maker *maker, Pledged__V1__SubjectErased *fact,
                        uint32_t contributor);

PL_MUST_CHECK struct pl_status payer_check_erased(const struct ledger *ledger,
                                                  const Pledged__V1__SubjectErased *fact);
void payer_apply_erased(struct ledger *ledger, const Pledged__V1__SubjectErased *fact,
                        uint64_t seq);

#endif
