/* SPDX-License-Identifier: Apache-2.0
 *
 * query: answers that need the whole state, made on the writer's thread from a const ledger into
 * the caller's arena. Each function fills a response message whose as_of_seq is the ledger's size at
 * that moment; the writer releases it with the batch that made that state durable. A page is
 * bounded, and a scan stops after QUERY_STEPS_MAX rows with a page token, so that one
 * query takes a bounded share of a turn.
 */
#ifndef LEDGER_QUERY_H
#define LEDGER_QUERY_H

#include "server/ledger/ledger.h"

#include "pledged/v1/service.pb-c.h"

enum { QUERY_PAGE_DEFAULT = 100, QUERY_PAGE_MAX = 1000, QUERY_STEPS_MAX = 20000 };

/* Reads the exact bytes of one entry that the state includes (durable, or still in flight); valid
 * until the next read. For history. */
struct query_log {
    struct pl_status (*read)(void *arg, uint64_t seq, struct pl_slice *ret);
    void *arg;
};

/* All: PL_E_OK with *ret set, or a code with *ret_refusal set. The arena holds both. */
typedef enum pl_code (*query_fn)(const struct ledger *ledger, const struct query_log *log,
                                 const ProtobufCMessage *request, struct pl_arena *arena,
                                 ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal);

enum pl_code query_get_pledge(const struct ledger *, const struct query_log *, const ProtobufCMessage *, struct pl_arena *, ProtobufCMessage **, Pledged__V1__Refusal **);
enum pl_code query_list_pledges(const struct ledger *, const struct query_log *, const ProtobufCMessage *, struct pl_arena *, ProtobufCMessage **, Pledged__V1__Refusal **);
enum pl_code query_list_contributors(const struct ledger *, const struct query_log *, const ProtobufCMessage *, struct pl_arena *, ProtobufCMessage **, Pledged__V1__Refusal **);
enum pl_code query_list_payments(const struct ledger *, const struct query_log *, const ProtobufCMessage *, struct pl_arena *, ProtobufCMessage **, Pledged__V1__Refusal **);
enum pl_code query_get_history(const struct ledger *, const struct query_log *, const ProtobufCMessage *, struct pl_arena *, ProtobufCMessage **, Pledged__V1__Refusal **);
/* ListBenefits of a pledge (its frozen or current catalogue). */
enum pl_code query_pledge_benefits(const struct ledger *, const struct query_log *, const ProtobufCMessage *, struct pl_arena *, ProtobufCMessage **, Pledged__V1__Refusal **);

#endif
