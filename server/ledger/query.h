/* SPDX-License-Identifier: Apache-2.0
 *
 * query: answers that need the whole state, made on the writer's thread from a const ledger into
 * the caller's arena. Each function fills a response message whose as_of_seq is the ledger's size
 * at that moment; the writer releases it with the batch that made that state durable. A page is
 * bounded, and a scan stops after QUERY_STEPS_MAX rows with a page token, so that one
 * query takes a bounded share of a turn. A page also ends early when half of the arena is used: the
 * rest must do for packing it.
 */
#ifndef LEDGER_QUERY_H
#define LEDGER_QUERY_H

#include "pledged/v1/service.pb-c.h"
#include "server/ledger/ledger.h"

enum { QUERY_PAGE_DEFAULT = 100, QUERY_PAGE_MAX = 1000, QUERY_STEPS_MAX = 20000 };
/* Most links of waiting queues walked for one answer; a place beyond is reported as 0. */
enum { QUERY_QUEUE_STEPS_MAX = 10000, QUERY_PAYMENTS_MAX = 100 };

/* Reads the exact bytes of one entry that the state includes (durable, or still in flight); valid
 * until the next read. For history. */
struct query_log {
    struct pl_status (*read)(void *arg, uint64_t seq, struct pl_slice *ret);
    void *arg;
};

/* All: PL_E_OK with *ret set, or a code with *ret_refusal set (NULL only where the arena has no
 * room even for that; the code is then TOO_BIG). The arena holds both; a response borrows nothing
 * from the ledger, so it may be packed later, on another thread. */
typedef enum pl_code (*query_fn)(const struct ledger *ledger, const struct query_log *log,
                                 const ProtobufCMessage *request, struct pl_arena *arena,
                                 ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal);

enum pl_code query_get_pledge(const struct ledger *ledger, const struct query_log *log,
                              const ProtobufCMessage *request, struct pl_arena *arena,
                              ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal);
enum pl_code query_list_pledges(const struct ledger *ledger, const struct query_log *log,
                                const ProtobufCMessage *request, struct pl_arena *arena,
                                ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal);
enum pl_code query_list_contributors(const struct ledger *ledger, const struct query_log *log,
                                     const ProtobufCMessage *request, struct pl_arena *arena,
                                     ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal);
enum pl_code query_list_contacts(const struct ledger *ledger, const struct query_log *log,
                                 const ProtobufCMessage *request, struct pl_arena *arena,
                                 ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal);
/* query_proposal.c */
enum pl_code query_list_proposals(const struct ledger *ledger, const struct query_log *log,
                                  const ProtobufCMessage *request, struct pl_arena *arena,
                                  ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal);
enum pl_code query_list_payments(const struct ledger *ledger, const struct query_log *log,
                                 const ProtobufCMessage *request, struct pl_arena *arena,
                                 ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal);
enum pl_code query_list_documents(const struct ledger *ledger, const struct query_log *log,
                                  const ProtobufCMessage *request, struct pl_arena *arena,
                                  ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal);
/* query_treasury.c */
enum pl_code query_get_treasury(const struct ledger *ledger, const struct query_log *log,
                                const ProtobufCMessage *request, struct pl_arena *arena,
                                ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal);
/* query_rate.c */
enum pl_code query_list_rates(const struct ledger *ledger, const struct query_log *log,
                              const ProtobufCMessage *request, struct pl_arena *arena,
                              ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal);
enum pl_code query_list_periods(const struct ledger *ledger, const struct query_log *log,
                                const ProtobufCMessage *request, struct pl_arena *arena,
                                ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal);
enum pl_code query_list_bank_entries(const struct ledger *ledger, const struct query_log *log,
                                     const ProtobufCMessage *request, struct pl_arena *arena,
                                     ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal);
enum pl_code query_list_statements(const struct ledger *ledger, const struct query_log *log,
                                   const ProtobufCMessage *request, struct pl_arena *arena,
                                   ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal);
/* Looks at QUERY_STEPS_MAX pledges, from the newest on, and at the one that is named. */
enum pl_code query_suggest_allocations(const struct ledger *ledger, const struct query_log *log,
                                       const ProtobufCMessage *request, struct pl_arena *arena,
                                       ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal);
/* A before_seq that is not near the pledge's entries costs a walk; one that came as
 * earlier_before_seq, or is the seq of one of its entries, costs one read. */
enum pl_code query_get_history(const struct ledger *ledger, const struct query_log *log,
                               const ProtobufCMessage *request, struct pl_arena *arena,
                               ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal);
/* ListBenefits of a pledge, of its frozen or current catalogue: nothing for a free contribution and
 * for a pledge that ended. */
enum pl_code query_pledge_benefits(const struct ledger *ledger, const struct query_log *log,
                                   const ProtobufCMessage *request, struct pl_arena *arena,
                                   ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal);

/* The open proposals about a pledge, at most QUERY_PAYMENTS_MAX, newest last. False when the
 * arena's budget is spent. */
bool query_proposals_of(const struct ledger *ledger, uint32_t pledge, struct pl_arena *arena,
                        Pledged__V1__ProposalStatus ***ret, size_t *ret_count);

/* --- shared with server/view, any thread --- */

/* An initialised message in the arena; NULL when the budget is spent. */
void *query_message(struct pl_arena *arena, const ProtobufCMessageDescriptor *type);
/* Fills *ret_refusal and returns the code class of the reason. `value` (or NULL) is what the caller
 * gave for `field`; it becomes an argument of the refusal. `message` is a literal. */
enum pl_code query_refuse(struct pl_arena *arena, Pledged__V1__Reason reason, const char *field,
                          const char *value, const char *message,
                          Pledged__V1__Refusal **ret_refusal);
/* What one tier grants, in the order of the catalogue's benefits. The lines live in the arena, all
 * they point to is borrowed from the catalogue. False when the arena's budget is spent. */
bool query_tier_benefits(const Pledged__V1__Catalogue *catalogue, const char *tier_code,
                         struct pl_arena *arena, Pledged__V1__BenefitLine ***ret,
                         size_t *ret_count);

#endif
