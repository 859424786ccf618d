/* SPDX-License-Identifier: Apache-2.0
 *
 * proposal: four-eyes. A command of a class that is under the policy makes one Proposed entry
 * instead of its facts, and waits. Another person's Approve decides it then, as if it came in now,
 * in an envelope of its own; Reject and expiry close it. Maker and checker are compared as persons.
 * Also here: the policy in the state. Private to server/ledger and server/view.
 *
 * Happy path: propose, approve; the facts name proposal and maker. Failure: an approval that the
 * rules refuse is a refusal to the approver, and the proposal stays open.
 */
#ifndef LEDGER_PROPOSAL_H
#define LEDGER_PROPOSAL_H

#include "server/ledger/change.h"

/* The table: what a command alone says of its class; UNSPECIFIED: one person is enough. What only
 * a rule can find (less than a tier's amount, a difference over the limit) it says itself, with
 * maker_class. */
Pledged__V1__CommandClass proposal_class_of(const struct ledger *ledger,
                                            const Pledged__V1__Command *command);
/* Does this class need a second person under the policy in force? */
bool proposal_needs(const struct ledger *ledger, Pledged__V1__CommandClass class);

/* After a command is decided: puts a Proposed in the place of what it would do, or says that one
 * person did it alone. */
void proposal_settle(struct maker *maker);
/* Of an Approve: makes the proposed command the one that is decided. False: refused. */
bool proposal_open(struct maker *maker);
/* After that is decided: refuses it where it is about another amount than when it was proposed. */
void proposal_confirm(struct maker *maker);
void proposal_decide(struct maker *maker); /* Reject */
void proposal_expire(struct maker *maker); /* the one that is due */
int64_t proposal_due_us(const struct ledger *ledger);

struct state_proposal *state_proposal(const struct ledger *ledger, uint64_t seq);
/* Command bytes that an entry acts on: its own, or those of the open proposal that it carries
 * out. */
struct pl_slice proposal_command(const struct ledger *ledger, const Pledged__V1__Entry *entry);

/* Proposed, ProposalRejected, ProposalExpired */
PL_MUST_CHECK struct pl_status proposal_check(const struct ledger *ledger,
                                              const Pledged__V1__Entry *entry);
void proposal_apply(struct ledger *ledger, const Pledged__V1__Entry *entry);
/* Any entry that says it carries out a proposal: it is there and open, and another's. */
PL_MUST_CHECK struct pl_status proposal_check_carried(const struct ledger *ledger,
                                                      const Pledged__V1__Entry *entry);
void proposal_carried(struct ledger *ledger, const Pledged__V1__Entry *entry);
PL_MUST_CHECK struct pl_status proposal_check_policy(const Pledged__V1__Entry *entry);
void proposal_apply_policy(struct ledger *ledger, const Pledged__V1__PolicyAdopted *policy);

void proposal_init(struct ledger *ledger);
void proposal_fini(struct ledger *ledger);
/* Loading: one more row; false if it does not add up. Takes the bytes. */
bool proposal_add(struct ledger *ledger, const struct state_proposal *row);
/* Loading: the packed policy; false if it is none. Empty: none is adopted yet. */
bool proposal_set_policy(struct ledger *ledger, struct pl_slice bytes);

#endif
