/* SPDX-License-Identifier: Apache-2.0
 *
 * service: see service.h. Every handler answers its call exactly once, now or in service_finish.
 */
#include "server/service.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/log.h"
#include "common/scan.h"
#include "server/dump.h"
#include "server/judge.h"
#include "server/limits.h"
#include "server/metrics.h"
#include "server/private.h"
#include "server/proofs.h"
#include "server/registrar.h"

/* --- answers --- */

static void finish(struct call *call, enum pl_code code, const ProtobufCMessage *response,
                   const Pledged__V1__Refusal *detail)
{
    if (code == PL_E_OK && response != NULL)
        call_reply(call, response);
    else if (code == PL_E_BUSY && detail == NULL)
        call_fail_busy(call);
    else
        call_fail(call, code == PL_E_OK ? PL_E_TOO_BIG : code, detail,
                  detail != NULL ? detail->message : pl_code_words(code));
}

/* The newest committed view. What the writer put into the slot before a reply left anywhere is seen
 * by the next read here (G7). */
static const struct view *current_view(struct service *service)
{
    struct view *newer = pl_slot_take(service->slot);
    if (newer != NULL) {
        view_unref(service->view);
        service->view = newer;
    }
    return service->view;
}

const struct view *service_newest_view(struct service *service)
{
    return current_view(service);
}

enum service_state service_look(struct service *service)
{
    const struct view *view = current_view(service);
    if (view == NULL || service->draining)
        return SERVICE_DOWN;
    return view_is_writable(view) ? SERVICE_UP : SERVICE_READ_ONLY;
}

const struct view *service_view_or_fail(struct service *service, struct call *call)
{
    const struct view *view = current_view(service);
    if (view == NULL)
        call_fail_reason(call, PL_E_UNAVAILABLE, PLEDGED__V1__REASON__REASON_UNAVAILABLE, "",
                         "the server is starting");
    return view;
}

static int64_t now_us(const struct service *service)
{
    return service->clock->wall_us(service->clock);
}

/* --- commands --- */

static struct command *command_new(struct call *call, struct service *service,
                                   enum command_kind kind)
{
    struct pl_arena *arena = call_arena(call);
    struct command *command = pl_arena_alloc(arena, sizeof(*command));
    if (command == NULL) {
        call_fail_reason(call, PL_E_TOO_BIG, PLEDGED__V1__REASON__REASON_TOO_BIG, "",
                         "the request is too large");
        return NULL;
    }
    const struct net_person *person = call_person(call);
    command->kind = kind;
    command->phase = COMMAND_FILLING;
    command->home = service->home;
    command->context = call;
    command->arena = arena;
    command->deadline_mono_ns = call_deadline_mono_ns(call);
    command->actor =
        (struct ledger_actor){person->person, person->role, call_identity(call), call_issuer(call)};
    command->admitted = call_admitted(call);
    return command;
}

/* One that executes `count` items, to be filled. NULL: the call has its answer. */
static struct command *execute_new(struct call *call, struct service *service, size_t count)
{
    struct command *command = command_new(call, service, COMMAND_EXECUTE);
    if (command == NULL)
        return NULL;
    command->item = pl_arena_alloc(command->arena, count * sizeof(*command->item));
    command->item_count = count;
    if (command->item != NULL)
        return command;
    call_fail_reason(call, PL_E_TOO_BIG, PLEDGED__V1__REASON__REASON_TOO_BIG, "",
                     "the request is too large");
    return NULL;
}

/* Records come and go by way of the registrar. */
static bool goes_by_registrar(const struct service *service, const struct command *command)
{
    bool so = command->kind == COMMAND_RECORDS || command->row_count != 0;
    for (size_t i = 0; i < command->item_count && !so; i++)
        so = command->item[i].msg != NULL && private_may_erase(command->item[i].msg);
    return so && service->registrar != NULL;
}

/* Nobody else has one, here or on another worker. */
static bool is_alone(const struct service *service)
{
    const struct command *command = (const struct command *)service->parcel.oldest;
    return service->parcel.count == 1 && service->outstanding == 1 &&
           pl_mailbox_count(service->inbox) == 1 && command->kind == COMMAND_EXECUTE &&
           command->item_count == 1;
}

/* One client that waits for each answer is spared two threads waking each other. With more than one
 * command there is something to do for both. */
void service_end_turn(struct service *service)
{
    service->alone = is_alone(service) ? service->alone + 1 : 0;
    if (service->alone > LIMIT_ALONE_TURNS && service->try_at_once != NULL &&
        service->try_at_once(service->arg, (struct command *)service->parcel.oldest))
        pl_parcel_forget(&service->parcel, service->inbox);
    else
        pl_parcel_post(&service->parcel, service->inbox);
}

/* What the requests of one turn bring goes to the writer together, so that it is woken once and not
 * for the first of them; a long turn does not let it wait. */
static bool post(struct service *service, struct command *command)
{
    if (goes_by_registrar(service, command))
        return registrar_post(service->registrar, command);
    if (service->on_parcel == NULL)
        return pl_mailbox_post(service->inbox, &command->mail);
    if (!pl_parcel_add(&service->parcel, service->inbox, &command->mail))
        return false;
    if (service->parcel.count >= LIMIT_PARCEL_COMMANDS || command->item_count > 1)
        pl_parcel_post(&service->parcel, service->inbox);
    else if (service->parcel.count == 1)
        service->on_parcel(service->arg);
    return true;
}

/* The registrar looks at what was erased, JSON at everything. */
static bool only_packed(const struct call *call, const struct service *service,
                        const struct command *command)
{
    return !call_speaks_json(call) && !goes_by_registrar(service, command);
}

static size_t long_items(const struct command *command)
{
    return command_is_long(command) ? command->item_count : 0;
}

static void command_send(struct call *call, struct service *service, struct command *command)
{
    command->phase = COMMAND_QUEUED;
    size_t items = long_items(command); /* once posted, it is somebody else's */
    if (post(service, command)) {
        service->outstanding++;
        service->long_items += items;
        return;
    }
    call_fail_busy(call);
}

static struct judge judge_for(struct call *call, const struct service *service)
{
    return (struct judge){
        .role = call_person(call)->role, .proofs = service->proofs, .arena = call_arena(call)};
}

static bool inbox_has_room(void *user)
{
    const struct service *service = user;
    return !pl_mailbox_full(service->inbox);
}

static bool has_room_for_records(void *user)
{
    const struct service *service = user;
    return inbox_has_room(user) &&
           (service->registrar == NULL || registrar_has_room(service->registrar));
}

static bool has_room_for_many(void *user)
{
    const struct service *service = user;
    return service->long_items < LIMIT_LONG_ITEMS && inbox_has_room(user);
}

static void on_execute(struct call *call, void *user)
{
    struct service *service = user;
    struct command *command = execute_new(call, service, 1);
    if (command == NULL)
        return;
    struct command_item *item = &command->item[0];
    const struct judge judge = judge_for(call, service);
    judge_item(&judge, item, (const Pledged__V1__Command *)call_request(call),
               call_request_bytes(call), false);
    if (item->msg == NULL) {
        finish(call, item->code, NULL, item->refusal);
        return;
    }
    command->only_packed = only_packed(call, service, command);
    command_send(call, service, command);
}

static void fail_no_records(struct call *call)
{
    call_fail_reason(call, PL_E_UNAVAILABLE, PLEDGED__V1__REASON__REASON_UNAVAILABLE, "",
                     "no records of persons are kept here");
}

/* The exact bytes of the command, as they stand in the request. */
static struct pl_slice private_bytes(struct call *call)
{
    size_t cursor = 0;
    struct pl_slice bytes = {NULL, 0};
    (void)pl_wire_next(call_request_bytes(call), 1, &cursor, &bytes);
    return bytes;
}

static void on_execute_private(struct call *call, void *user)
{
    struct service *service = user;
    const Pledged__V1__ExecutePrivateRequest *request = (const void *)call_request(call);
    if (request->command == NULL) {
        call_fail_reason(call, PL_E_INVALID, PLEDGED__V1__REASON__REASON_COMMAND_MISSING, "command",
                         "no command is given");
        return;
    }
    struct command *command = execute_new(call, service, 1);
    if (command == NULL)
        return;
    struct command_item *item = &command->item[0];
    const struct judge judge = judge_for(call, service);
    judge_item(&judge, item, request->command, private_bytes(call), true);
    Pledged__V1__Refusal *wrong = item->msg == NULL ? NULL : judge_records(request, command);
    if (item->msg == NULL)
        finish(call, item->code, NULL, item->refusal);
    else if (wrong != NULL)
        finish(call, ledger_reason_code(wrong->reason), NULL, wrong);
    else if (service->registrar == NULL && command->row_count != 0)
        fail_no_records(call);
    else
        command_send(call, service, command);
}

static ProtobufCMessage *batch_answer_new(struct pl_arena *arena, size_t count)
{
    Pledged__V1__ExecuteBatchResponse *response = pl_arena_alloc(arena, sizeof(*response));
    Pledged__V1__CommandResult *result = pl_arena_alloc(arena, count * sizeof(*result));
    Pledged__V1__CommandResult **list = pl_arena_alloc(arena, count * sizeof(*list));
    if (response == NULL || result == NULL || list == NULL)
        return NULL;
    pledged__v1__execute_batch_response__init(response);
    for (size_t i = 0; i < count; i++) {
        pledged__v1__command_result__init(&result[i]);
        list[i] = &result[i];
    }
    response->n_result = count;
    response->result = list;
    return &response->base;
}

static void on_execute_batch(struct call *call, void *user)
{
    struct service *service = user;
    const Pledged__V1__ExecuteBatchRequest *request =
        (const Pledged__V1__ExecuteBatchRequest *)call_request(call);
    if (request->n_command == 0 || request->n_command > LIMIT_BATCH_COMMANDS) {
        call_fail_reason(call, PL_E_INVALID, PLEDGED__V1__REASON__REASON_FIELD_INVALID, "command",
                         "a batch holds 1 to 8192 commands");
        return;
    }
    struct command *command = execute_new(call, service, request->n_command);
    if (command == NULL)
        return;
    /* before anything is decided: what was can always be told */
    command->response = batch_answer_new(command->arena, command->item_count);
    if (command->response == NULL) {
        call_fail_reason(call, PL_E_TOO_BIG, PLEDGED__V1__REASON__REASON_TOO_BIG, "",
                         "the request is too large");
        return;
    }
    const struct judge judge = judge_for(call, service);
    /* the exact bytes of each command, as they stand in the request */
    size_t cursor = 0;
    for (size_t i = 0; i < command->item_count; i++) {
        struct pl_slice bytes;
        bool found = pl_wire_next(call_request_bytes(call), 1, &cursor, &bytes);
        PL_ASSERT(found); /* the scan saw as many */
        judge_item(&judge, &command->item[i], request->command[i], bytes, false);
    }
    command->only_packed = only_packed(call, service, command);
    command_send(call, service, command);
}

static void finish_batch(struct call *call, struct command *command)
{
    const Pledged__V1__ExecuteBatchResponse *response = (const void *)command->response;
    for (size_t i = 0; i < command->item_count; i++) {
        const struct command_item *item = &command->item[i];
        Pledged__V1__CommandResult *result = response->result[i];
        if (item->receipt != NULL) {
            result->result_case = PLEDGED__V1__COMMAND_RESULT__RESULT_RECEIPT;
            result->receipt = item->receipt;
        } else {
            PL_ASSERT(item->refusal != NULL); /* the writer finds words for each */
            result->result_case = PLEDGED__V1__COMMAND_RESULT__RESULT_REFUSAL;
            result->refusal = item->refusal;
        }
    }
    call_reply(call, command->response);
}

static enum metrics_result result_of(const struct command_item *item)
{
    if (item->receipt == NULL)
        return item->code == PL_E_REFUSED || item->code == PL_E_NOT_FOUND ? METRICS_REFUSED
                                                                          : METRICS_FAILED;
    if (item->receipt->kind == PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_REPLAY)
        return METRICS_REPLAY;
    return item->receipt->kind == PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_DRY_RUN ? METRICS_DRY_RUN
                                                                                  : METRICS_NEW;
}

static void count(const struct service *service, const struct command *command)
{
    if (service->metrics == NULL || command->kind != COMMAND_EXECUTE)
        return;
    for (size_t i = 0; i < command->item_count; i++)
        metrics_command(service->metrics, service->index,
                        command->code != PL_E_OK ? METRICS_FAILED : result_of(&command->item[i]));
}

/* What was found for somebody is not for who has lost the role since. The writer looks when it
 * takes a query up; the registrar knows no roster, and both may have answered before this worker
 * had the new one. (What a command did is done: its receipt is told.) */
static void withhold(struct command *command)
{
    if (command->kind == COMMAND_EXECUTE || command->code != PL_E_OK ||
        !call_outdated(command->context))
        return;
    command->response = NULL;
    command->code = PL_E_DENIED;
    command->refusal =
        judge_refusal(command->arena, PLEDGED__V1__REASON__REASON_PERMISSION_DENIED, "",
                      "what this person may do, or who this certificate is, has just "
                      "changed");
}

static void answer_command(struct service *service, struct command *command)
{
    struct call *call = command->context;
    service->outstanding--;
    service->long_items -= long_items(command);
    withhold(command);
    if (command->code != PL_E_OK || command->kind != COMMAND_EXECUTE)
        finish(call, command->code, command->response, command->refusal);
    else if (call_method(call)->handle == on_execute_batch)
        finish_batch(call, command);
    else if (command->item[0].receipt != NULL)
        call_reply(call, &command->item[0].receipt->base);
    else
        finish(call, command->item[0].code, NULL, command->item[0].refusal);
}

/* A decided command whose receipts are to have proofs. */
struct held {
    struct proofs_wait wait;
    struct service *service;
    struct command *command;
};

static void go_on_held(void *arg, bool covered)
{
    struct held *held = arg;
    if (covered)
        proofs_attach(held->service->proofs, held->command);
    answer_command(held->service, held->command);
}

void service_finish(struct service *service, struct command *command)
{
    PL_ASSERT(command->phase == COMMAND_DONE);
    count(service, command);
    uint64_t size = service->proofs == NULL ? 0 : proofs_wanted(command);
    struct held *held = size == 0 || call_gone(command->context)
                            ? NULL
                            : pl_arena_alloc(command->arena, sizeof(*held));
    if (held == NULL) {
        answer_command(service, command);
        return;
    }
    *held = (struct held){.wait = {.size = size, .go_on = go_on_held, .arg = held},
                          .service = service,
                          .command = command};
    proofs_wait(service->proofs, &held->wait);
}

/* --- queries that the writer answers --- */

static void send_query(struct call *call, struct service *service, query_fn query)
{
    struct command *command = command_new(call, service, COMMAND_QUERY);
    if (command == NULL)
        return;
    command->query = query;
    command->request = call_request(call);
    command_send(call, service, command);
}

static void on_get_pledge(struct call *call, void *user)
{
    send_query(call, user, query_get_pledge);
}
static void on_list_pledges(struct call *call, void *user)
{
    send_query(call, user, query_list_pledges);
}
static void on_list_contributors(struct call *call, void *user)
{
    send_query(call, user, query_list_contributors);
}
static void on_list_proposals(struct call *call, void *user)
{
    send_query(call, user, query_list_proposals);
}

static void on_list_rates(struct call *call, void *user)
{
    send_query(call, user, query_list_rates);
}

static void on_get_treasury(struct call *call, void *user)
{
    send_query(call, user, query_get_treasury);
}

static void on_list_periods(struct call *call, void *user)
{
    send_query(call, user, query_list_periods);
}

static void on_list_payments(struct call *call, void *user)
{
    send_query(call, user, query_list_payments);
}
static void on_list_documents(struct call *call, void *user)
{
    send_query(call, user, query_list_documents);
}
static void on_list_contacts(struct call *call, void *user)
{
    send_query(call, user, query_list_contacts);
}

static void on_get_private_records(struct call *call, void *user)
{
    struct service *service = user;
    const Pledged__V1__GetPrivateRecordsRequest *request = (const void *)call_request(call);
    if (request->n_commitment > PRIVATE_READ_MAX) {
        call_fail_reason(call, PL_E_INVALID, PLEDGED__V1__REASON__REASON_FIELD_INVALID,
                         "commitment", "at most 256 commitments");
        return;
    }
    if (service->registrar == NULL) {
        fail_no_records(call);
        return;
    }
    struct command *command = command_new(call, service, COMMAND_RECORDS);
    if (command == NULL)
        return;
    command->request = call_request(call);
    command_send(call, service, command);
}

static void on_list_bank_entries(struct call *call, void *user)
{
    send_query(call, user, query_list_bank_entries);
}
static void on_list_statements(struct call *call, void *user)
{
    send_query(call, user, query_list_statements);
}
static void on_suggest_allocations(struct call *call, void *user)
{
    send_query(call, user, query_suggest_allocations);
}
static void on_get_history(struct call *call, void *user)
{
    send_query(call, user, query_get_history);
}

/* --- reads answered here --- */

/* One question to the newest view: what it is asked with, and what came of it. */
struct reading {
    const struct view *view;
    int64_t now_us;
    const void *request;
    struct pl_arena *arena;
    enum pl_code code;
    ProtobufCMessage *response;
    Pledged__V1__Refusal *detail;
};

/* False: there is no view yet, and the call is answered. */
static bool reading_begin(struct call *call, struct service *service, struct reading *ret)
{
    const struct view *view = service_view_or_fail(service, call);
    if (view == NULL)
        return false;
    *ret = (struct reading){.view = view,
                            .now_us = now_us(service),
                            .request = call_request(call),
                            .arena = call_arena(call)};
    return true;
}

static void reading_end(struct call *call, const struct reading *reading)
{
    finish(call, reading->code, reading->response, reading->detail);
}

static void on_list_tiers(struct call *call, void *user)
{
    struct reading r;
    if (!reading_begin(call, user, &r))
        return;
    r.code = view_list_tiers(r.view, r.now_us, r.request, r.arena, &r.response, &r.detail);
    reading_end(call, &r);
}

static void on_get_tier(struct call *call, void *user)
{
    struct reading r;
    if (!reading_begin(call, user, &r))
        return;
    r.code = view_get_tier(r.view, r.now_us, r.request, r.arena, &r.response, &r.detail);
    reading_end(call, &r);
}

static void on_get_totals(struct call *call, void *user)
{
    struct reading r;
    if (!reading_begin(call, user, &r))
        return;
    r.code = view_get_totals(r.view, r.now_us, r.request, r.arena, &r.response, &r.detail);
    reading_end(call, &r);
}

static void on_get_catalogue(struct call *call, void *user)
{
    struct reading r;
    if (!reading_begin(call, user, &r))
        return;
    r.code = view_get_catalogue(r.view, r.request, r.arena, &r.response, &r.detail);
    reading_end(call, &r);
}

/* What one pledge has coming names a partner: readers see tiers and totals only. */
static void on_list_benefits(struct call *call, void *user)
{
    struct service *service = user;
    const Pledged__V1__ListBenefitsRequest *request = (const void *)call_request(call);
    if (request->of_case == PLEDGED__V1__LIST_BENEFITS_REQUEST__OF_PLEDGE) {
        uint32_t may = NET_ROLE(CLERK) | NET_ROLE(APPROVER) | NET_ROLE(AUDITOR);
        if ((may & (1u << call_person(call)->role)) == 0)
            call_fail_reason(call, PL_E_DENIED, PLEDGED__V1__REASON__REASON_PERMISSION_DENIED,
                             "pledge", "this role may not see single pledges");
        else
            send_query(call, service, query_pledge_benefits);
        return;
    }
    struct reading r;
    if (!reading_begin(call, service, &r))
        return;
    r.code = view_list_benefits(r.view, r.request, r.arena, &r.response, &r.detail);
    reading_end(call, &r);
}

static void add_checkpoint(struct service *service, Pledged__V1__GetStatusResponse *response)
{
    const struct signed_tree *newest =
        service->proofs == NULL ? NULL : proofs_newest(service->proofs);
    if (newest == NULL)
        return;
    response->checkpoint_size = newest->checkpoint.size;
    response->checkpoint_time_us = newest->time_us;
}

static void add_witnesses(struct service *service, struct pl_arena *arena,
                          Pledged__V1__GetStatusResponse *response)
{
    const struct cosign_report *report =
        service->proofs == NULL ? NULL : proofs_report(service->proofs);
    if (report == NULL)
        return;
    Pledged__V1__WitnessStatus *item = pl_arena_alloc(arena, report->count * sizeof(*item));
    Pledged__V1__WitnessStatus **list = pl_arena_alloc(arena, report->count * sizeof(*list));
    if (item == NULL || list == NULL)
        return;
    for (size_t i = 0; i < report->count; i++) {
        const struct cosign_witness *witness = &report->witness[i];
        pledged__v1__witness_status__init(&item[i]);
        list[i] = &item[i];
        item[i].name = pl_arena_strdup(arena, witness->name);
        item[i].vkey = pl_arena_strdup(arena, witness->vkey);
        item[i].trouble = pl_arena_strdup(arena, witness->trouble);
        item[i].cosigned_size = witness->size;
        item[i].cosigned_time_us = (int64_t)(witness->time_s * 1000000);
        if (item[i].name == NULL || item[i].vkey == NULL || item[i].trouble == NULL)
            return;
    }
    response->n_witness = report->count;
    response->witness = list;
    response->witness_quorum = report->tree != NULL;
}

static void on_get_status(struct call *call, void *user)
{
    struct service *service = user;
    const struct view *view = service_view_or_fail(service, call);
    Pledged__V1__GetStatusResponse *response = NULL;
    if (view == NULL)
        return;
    enum pl_code code = view_get_status(view, call_arena(call), &response);
    if (code == PL_E_OK) {
        response->version = (char *)(uintptr_t)PLEDGED_VERSION;
        response->person = (char *)(uintptr_t)call_person(call)->person;
        response->role = call_person(call)->role;
        response->store = (char *)(uintptr_t)service->about.store;
        response->vkey = (char *)(uintptr_t)service->about.vkey;
        add_checkpoint(service, response);
        add_witnesses(service, call_arena(call), response);
    }
    finish(call, code, response != NULL ? &response->base : NULL, NULL);
}

/* --- watch --- */

static const struct view *newest_view(void *arg)
{
    return current_view(arg);
}

static void on_watch(struct call *call, void *user)
{
    struct service *service = user;
    watch_begin(service->watch, call);
}

/* --- the table --- */

#define EVERYBODY                                                                                  \
    (NET_ROLE(PUBLIC) | NET_ROLE(READER) | NET_ROLE(CLERK) | NET_ROLE(APPROVER) |                  \
     NET_ROLE(AUDITOR) | NET_ROLE(ADMIN))
#define READERS (EVERYBODY & ~NET_ROLE(PUBLIC))
#define DESK    (NET_ROLE(CLERK) | NET_ROLE(APPROVER) | NET_ROLE(AUDITOR))

#define METHOD(name_, input_, output_, roles_, handler_)                                           \
    {                                                                                              \
        .path = "/pledged.v1.LedgerService/" #name_,                                               \
        .input = &pledged__v1__##input_##__descriptor,                                             \
        .output = &pledged__v1__##output_##__descriptor, .no_side_effects = true,                  \
        .roles = (roles_), .handle = (handler_)                                                    \
    }

const struct net_method service_methods[] = {
    {.path = "/pledged.v1.LedgerService/Execute",
     .input = &pledged__v1__command__descriptor,
     .output = &pledged__v1__receipt__descriptor,
     .roles = READERS, /* each command has its own roles: ledger_role_may */
     .request_bytes_max = LIMIT_COMMAND_BYTES,
     .elements_max = 16384,
     .has_room = inbox_has_room,
     .handle = on_execute},
    {.path = "/pledged.v1.LedgerService/ExecutePrivate",
     .input = &pledged__v1__execute_private_request__descriptor,
     .output = &pledged__v1__receipt__descriptor,
     .roles = READERS,
     .request_bytes_max = LIMIT_PRIVATE_REQUEST_BYTES,
     .elements_max = 65536,
     .has_room = has_room_for_records,
     .handle = on_execute_private},
    {.path = "/pledged.v1.LedgerService/ExecuteBatch",
     .input = &pledged__v1__execute_batch_request__descriptor,
     .output = &pledged__v1__execute_batch_response__descriptor,
     .roles = READERS,
     .request_bytes_max = LIMIT_BATCH_REQUEST_BYTES,
     .elements_max = 65536,
     .has_room = has_room_for_many,
     .handle = on_execute_batch},
    METHOD(ListTiers, list_tiers_request, list_tiers_response, EVERYBODY, on_list_tiers),
    METHOD(GetTier, get_tier_request, get_tier_response, EVERYBODY, on_get_tier),
    METHOD(ListBenefits, list_benefits_request, list_benefits_response, READERS, on_list_benefits),
    METHOD(GetTotals, get_totals_request, get_totals_response, READERS, on_get_totals),
    METHOD(GetCatalogue, get_catalogue_request, get_catalogue_response, READERS, on_get_catalogue),
    METHOD(GetPledge, get_pledge_request, get_pledge_response, DESK, on_get_pledge),
    METHOD(ListPledges, list_pledges_request, list_pledges_response, DESK, on_list_pledges),
    METHOD(ListContributors, list_contributors_request, list_contributors_response, DESK,
           on_list_contributors),
    METHOD(ListContacts, list_contacts_request, list_contacts_response, DESK, on_list_contacts),
    METHOD(GetPrivateRecords, get_private_records_request, get_private_records_response, DESK,
           on_get_private_records),
    METHOD(ListProposals, list_proposals_request, list_proposals_response, DESK | NET_ROLE(ADMIN),
           on_list_proposals),
    METHOD(ListPayments, list_payments_request, list_payments_response, DESK, on_list_payments),
    METHOD(ListRates, list_rates_request, list_rates_response, DESK, on_list_rates),
    METHOD(GetTreasury, get_treasury_request, get_treasury_response, DESK, on_get_treasury),
    METHOD(ListPeriods, list_periods_request, list_periods_response, DESK, on_list_periods),
    METHOD(ListDocuments, list_documents_request, list_documents_response, DESK, on_list_documents),
    METHOD(ListBankEntries, list_bank_entries_request, list_bank_entries_response, DESK,
           on_list_bank_entries),
    METHOD(ListStatements, list_statements_request, list_statements_response, DESK,
           on_list_statements),
    METHOD(SuggestAllocations, suggest_allocations_request, suggest_allocations_response, DESK,
           on_suggest_allocations),
    METHOD(GetHistory, get_history_request, get_history_response, DESK, on_get_history),
    METHOD(GetStatus, get_status_request, get_status_response, READERS, on_get_status),
    {.path = "/pledged.v1.LedgerService/Dump",
     .input = &pledged__v1__dump_request__descriptor,
     .output = &pledged__v1__dump_response__descriptor,
     .server_streaming = true,
     .no_side_effects = true,
     .roles = NET_ROLE(AUDITOR),
     .handle = dump_handle},
    {.path = "/pledged.v1.LedgerService/Watch",
     .input = &pledged__v1__watch_request__descriptor,
     .output = &pledged__v1__watch_response__descriptor,
     .server_streaming = true,
     .long_lived = true,
     .no_side_effects = true,
     .roles = EVERYBODY, /* what each of them sees is in server/watch */
     .handle = on_watch},
};
const size_t service_method_count = PL_COUNT(service_methods);

void service_init(struct service *service)
{
    service->view = NULL;
    service->outstanding = 0;
    service->long_items = 0;
    service->draining = false;
    const struct watch_options options = {.store = service->store,
                                          .clock = service->clock,
                                          .bell = service->bell,
                                          .view = newest_view,
                                          .arg = service};
    service->watch = watch_hub_new(&options);
}

void service_fini(struct service *service)
{
    PL_ASSERT(service->outstanding == 0 && service->long_items == 0);
    watch_hub_free(service->watch);
    service->watch = NULL;
    view_unref(service->view);
    service->view = NULL;
}
