/* SPDX-License-Identifier: Apache-2.0
 *
 * ledger: the table of commands, start-up facts, receipts. Happy path: a command goes to the room
 * that has its rule. Failure: an arena without room for the largest decision is INVALID. See
 * ledger.h.
 */
#include "server/ledger/ledger.h"

#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/pack.h"
#include "server/ledger/allocation.h"
#include "server/ledger/benefit.h"
#include "server/ledger/charge.h"
#include "server/ledger/closing.h"
#include "server/ledger/contact.h"
#include "server/ledger/period.h"
#include "server/ledger/postings.h"
#include "server/ledger/proposal.h"
#include "server/ledger/rate.h"
#include "server/ledger/receipt.h"
#include "server/ledger/refund.h"
#include "server/ledger/reversal.h"
#include "server/ledger/schedule.h"
#include "server/ledger/since.h"
#include "server/ledger/statement.h"
#include "server/ledger/surplus.h"
#include "server/ledger/waiver.h"

enum pl_code ledger_reason_code(Pledged__V1__Reason reason)
{
    int number = (int)reason;
    if (number >= 130)
        return PL_E_REFUSED;
    if (number >= 110) {
        static const struct {
            Pledged__V1__Reason reason;
            enum pl_code code;
        } service[] = {
            {REASON(BUSY), PL_E_BUSY},
            {REASON(NO_SPACE), PL_E_NO_SPACE},
            {REASON(UNAVAILABLE), PL_E_UNAVAILABLE},
            {REASON(DEADLINE), PL_E_TIMEOUT},
            {REASON(CLOCK_STOPPED), PL_E_UNAVAILABLE},
            {REASON(OUTCOME_UNKNOWN), PL_E_UNKNOWN_OUTCOME},
            {REASON(INTERNAL), PL_E_INTERNAL},
            {REASON(DATA_GONE), PL_E_UNAVAILABLE},
        };
        for (size_t i = 0; i < PL_COUNT(service); i++) {
            if (service[i].reason == reason)
                return service[i].code;
        }
        return PL_E_UNAVAILABLE;
    }
    if (reason == REASON(UNAUTHENTICATED))
        return PL_E_UNAUTHENTICATED;
    if (number == 90 || reason == REASON(SAME_PERSON))
        return PL_E_DENIED;
    if (number >= 91)
        return PL_E_STALE;
    if (number >= 60)
        return PL_E_REFUSED;
    if (number >= 40)
        return PL_E_NOT_FOUND;
    return reason == REASON(TOO_BIG) ? PL_E_TOO_BIG : PL_E_INVALID;
}

uint64_t ledger_find_request(const struct ledger *ledger, const uint8_t request_id[16])
{
    const uint64_t *seq = pl_map_get(&ledger->requests, request_id);
    return seq != NULL ? *seq : 0;
}

void ledger_expect_request(const struct ledger *ledger, const uint8_t request_id[16])
{
    pl_map_expect(&ledger->requests, request_id);
}

uint64_t ledger_size(const struct ledger *ledger)
{
    return ledger->size;
}

int64_t ledger_last_time_us(const struct ledger *ledger)
{
    return ledger->last_time_us;
}

bool ledger_is_whole(const struct ledger *ledger)
{
    return ledger->unfinished_seq == 0;
}

const char *ledger_origin(const struct ledger *ledger)
{
    return ledger->size != 0 ? ledger->origin : NULL;
}

/* --- decide --- */

/* More than the entries, facts, outcome and refusal of any command take; a refusal may say whose
 * it is. Everything else, what a person's certificate says as well, is borrowed from the request.
 */
static bool room_for_decision(const struct ledger_request *request, const struct pl_arena *arena)
{
    size_t need = ((size_t)48 << 10) + strlen(request->actor.person);
    if (request->command->command_case == COMMAND(IMPORT_STATEMENT))
        need += statement_room(request->command->import_statement);
    if (request->command->command_case == COMMAND(RECORD_RATES))
        need += rate_room(request->command->record_rates);
    return arena->budget >= arena->used && arena->budget - arena->used >= need;
}

/* One row a command. An approval is opened before it comes here, and never proposed itself. */
static void (*const decide_rows[])(struct maker *maker) = {
    [COMMAND(ADOPT_CATALOGUE)] = adopt_decide,
    [COMMAND(ADD_CONTRIBUTOR)] = contributor_decide,
    [COMMAND(AMEND_CONTRIBUTOR)] = contributor_decide,
    [COMMAND(RECORD_CONTACT)] = contact_decide,
    [COMMAND(ERASE_CONTACT)] = contact_decide,
    [COMMAND(SET_LEGAL_HOLD)] = contact_decide,
    [COMMAND(HOLD)] = pledge_decide,
    [COMMAND(EXTEND)] = pledge_decide,
    [COMMAND(WAIT)] = pledge_decide,
    [COMMAND(SUBMIT)] = pledge_decide,
    [COMMAND(COMMIT)] = change_decide,
    [COMMAND(AMEND_PLEDGE)] = change_decide,
    [COMMAND(CHANGE_TIER)] = change_decide,
    [COMMAND(WITHDRAW)] = change_decide,
    [COMMAND(CANCEL)] = change_decide,
    [COMMAND(SET_SCHEDULE)] = schedule_decide,
    [COMMAND(CLOSE)] = closing_decide,
    [COMMAND(PAY)] = payment_decide,
    [COMMAND(REVERSE)] = payment_decide,
    [COMMAND(IMPORT_STATEMENT)] = statement_decide,
    [COMMAND(MATCH_REVERSAL)] = reversal_decide,
    [COMMAND(ALLOCATE)] = allocation_decide,
    [COMMAND(REALLOCATE)] = surplus_decide,
    [COMMAND(CONVERT)] = surplus_decide,
    [COMMAND(REFUND)] = refund_decide,
    [COMMAND(CANCEL_REFUND)] = refund_decide,
    [COMMAND(MATCH_REFUND)] = refund_decide,
    [COMMAND(BOOK_CHARGE)] = charge_decide,
    [COMMAND(WRITE_OFF)] = waiver_decide,
    [COMMAND(ACCEPT_DIFFERENCE)] = waiver_decide,
    [COMMAND(RECORD_RATES)] = rate_decide,
    [COMMAND(CLAIM_BENEFIT)] = benefit_decide,
    [COMMAND(DECLINE_BENEFIT)] = benefit_decide,
    [COMMAND(DELIVER_BENEFIT)] = benefit_decide,
    [COMMAND(ISSUE_RECEIPT)] = receipt_decide,
    [COMMAND(ISSUE_CERTIFICATE)] = receipt_decide,
    [COMMAND(REJECT)] = proposal_decide,
    [COMMAND(CLOSE_PERIOD)] = period_decide,
    [COMMAND(REOPEN_PERIOD)] = period_decide,
    [COMMAND(EXPORT_POSTINGS)] = postings_decide,
};

/* Else the books would have it in a year that nobody closes yet. */
static void refuse_day_to_come(struct maker *maker)
{
    char text[11];
    bool to_come = false;
    if (maker->out->answer != LEDGER_ACCEPTED)
        return;
    for (size_t i = 0; i < maker->out->entry_count; i++) {
        struct since since = since_of(maker->ledger, maker->out->entry, i, maker->out->entry[i]);
        to_come = to_come || period_is_to_come(maker->ledger, maker->out->entry[i], since.day);
    }
    if (!to_come)
        return;
    int32_t day = maker_day(maker), today = state_today(maker->ledger, maker_time(maker));
    maker_refuse(maker, REASON(DATE_INVALID), "effective_date", 0, NULL);
    maker_say(maker, "why", "what has happened has no day to come");
    maker_arg(maker, "date", pl_date_format(day, text));
    maker_arg(maker, "today", pl_date_format(today, text));
}

static void decide(struct maker *maker)
{
    size_t command = (size_t)maker->command->command_case;
    PL_ASSERT(command < sizeof(decide_rows) / sizeof(decide_rows[0]) &&
              decide_rows[command] != NULL); /* ledger_validate refused every other one */
    decide_rows[command](maker);
    since_settle(maker);
    refuse_day_to_come(maker);
}

/* An approval is the proposed command in another envelope: everything else knows nothing of it. */
void ledger_decide(const struct ledger *ledger, const struct ledger_request *request,
                   struct pl_arena *arena, struct ledger_decision *ret)
{
    struct maker maker = {.ledger = ledger,
                          .request = request,
                          .command = request->command,
                          .command_bytes = request->bytes,
                          .arena = arena,
                          .out = ret,
                          .now_us = request->now_us};
    memset(ret, 0, sizeof(*ret));
    if (!room_for_decision(request, arena)) {
        ret->answer = LEDGER_INVALID;
        ret->code = PL_E_TOO_BIG;
        ret->refusal = (Pledged__V1__Refusal *)(uintptr_t)&ledger_too_large;
        return;
    }
    if (request->command->command_case != COMMAND(APPROVE)) {
        decide(&maker);
        proposal_settle(&maker);
    } else if (proposal_open(&maker)) {
        decide(&maker);
        proposal_confirm(&maker);
    }
    PL_ASSERT(ret->entry_count != 0 || ret->answer == LEDGER_INVALID);
}

static bool differs(const ProtobufCBinaryData *sha256, const uint8_t known[32])
{
    return sha256->len == 32 && memcmp(sha256->data, known, 32) != 0;
}

void ledger_decide_start(const struct ledger *ledger, const struct ledger_start *start,
                         int64_t now_us, struct pl_arena *arena, struct ledger_decision *ret)
{
    struct maker maker = {.ledger = ledger, .arena = arena, .out = ret, .now_us = now_us};
    memset(ret, 0, sizeof(*ret));
    ret->answer = LEDGER_NOTHING;
    if (ledger->size == 0) {
        Pledged__V1__Entry *entry = maker_entry(&maker, 0);
        Pledged__V1__LedgerCreated *fact = maker_alloc(&maker, sizeof(*fact));
        pledged__v1__ledger_created__init(fact);
        fact->origin = (char *)(uintptr_t)start->origin;
        fact->ledger_id = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)start->ledger_id};
        fact->format = 1;
        entry->fact_case = FACT(LEDGER_CREATED);
        entry->ledger_created = fact;
    }
    if (start->roster != NULL && differs(&start->roster->sha256, ledger->roster_sha256)) {
        Pledged__V1__Entry *entry = maker_entry(&maker, 0);
        entry->fact_case = FACT(ROSTER_ADOPTED);
        entry->cause_seq = 0; /* the daemon's start, not the entry before */
        entry->roster_adopted = (Pledged__V1__RosterAdopted *)(uintptr_t)start->roster;
    }
    if (start->policy != NULL && differs(&start->policy->sha256, ledger->policy_sha256)) {
        Pledged__V1__Entry *entry = maker_entry(&maker, 0);
        entry->fact_case = FACT(POLICY_ADOPTED);
        entry->cause_seq = 0;
        entry->policy_adopted = (Pledged__V1__PolicyAdopted *)(uintptr_t)start->policy;
    }
}

/* --- receipts --- */

static Pledged__V1__Refusal *refusal_of(const Pledged__V1__Entry *entry, bool replay,
                                        struct pl_arena *arena)
{
    const Pledged__V1__CommandRefused *fact = entry->command_refused;
    Pledged__V1__Refusal refusal;
    pledged__v1__refusal__init(&refusal);
    refusal.reason = fact->reason;
    refusal.field = fact->field;
    refusal.message = (char *)(uintptr_t)reason_message(fact->reason);
    refusal.seq = entry->seq;
    refusal.deciding_seq = fact->deciding_seq;
    refusal.replay = replay;
    refusal.n_arg = fact->n_arg;
    refusal.arg = fact->arg;
    refusal.request_id = entry->request_id;
    return (Pledged__V1__Refusal *)pl_message_copy(&refusal.base, arena);
}

void ledger_receipt(const Pledged__V1__Entry *entry, bool replay, struct pl_arena *arena,
                    Pledged__V1__Receipt **ret_receipt, Pledged__V1__Refusal **ret_refusal)
{
    *ret_receipt = NULL;
    *ret_refusal = NULL;
    if (entry->fact_case == FACT(COMMAND_REFUSED)) {
        *ret_refusal = refusal_of(entry, replay, arena);
        return;
    }
    Pledged__V1__Receipt receipt = PLEDGED__V1__RECEIPT__INIT;
    receipt.request_id = entry->request_id;
    receipt.kind = replay ? PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_REPLAY
                          : PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_NEW;
    receipt.seq = entry->seq;
    receipt.time_us = entry->time_us;
    receipt.outcome = entry->outcome;
    *ret_receipt = (Pledged__V1__Receipt *)pl_message_copy(&receipt.base, arena);
}
