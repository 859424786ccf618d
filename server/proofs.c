/* SPDX-License-Identifier: Apache-2.0
 *
 * proofs: see proofs.h. The worker's bell at the notary is armed while somebody waits.
 */
#include "server/proofs.h"

#include <event2/event.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/log.h"
#include "server/limits.h"
#include "server/service.h"

enum { PROOF_TEXT_MAX = 256 * 1024 };

struct proofs {
    struct proofs_options options;
    struct signed_tree *newest;       /* owns a reference; NULL: none yet */
    struct cosign_report *report;     /* owns a reference; NULL: no witnesses */
    struct store_reader *log;         /* owns; NULL: to be opened */
    struct proofs_wait *first, *last; /* oldest first: their time ends in this order */
    struct event *on_bell, *timer;    /* owns */
};

/* --- waiting --- */

const struct signed_tree *proofs_newest(struct proofs *proofs)
{
    struct pl_slot *slot = notary_slot(proofs->options.notary, proofs->options.reader);
    struct signed_tree *newer = pl_slot_take(slot);
    if (newer != NULL) {
        signed_tree_unref(proofs->newest);
        proofs->newest = newer;
    }
    return proofs->newest;
}

const struct cosign_report *proofs_report(struct proofs *proofs)
{
    if (proofs->options.witness == NULL)
        return NULL;
    struct pl_slot *slot = witness_slot(proofs->options.witness, proofs->options.reader);
    struct cosign_report *newer = pl_slot_take(slot);
    if (newer != NULL) {
        cosign_report_unref(proofs->report);
        proofs->report = newer;
    }
    return proofs->report;
}

const struct signed_tree *proofs_served(struct proofs *proofs)
{
    const struct cosign_report *report = proofs_report(proofs);
    if (report != NULL && report->tree != NULL)
        return report->tree;
    return report != NULL && report->meanwhile != NULL ? report->meanwhile : proofs_newest(proofs);
}

static bool covers(struct proofs *proofs, uint64_t size)
{
    const struct signed_tree *newest = proofs_newest(proofs);
    return newest != NULL && newest->checkpoint.size >= size;
}

static struct pl_bell *bell(const struct proofs *proofs)
{
    return notary_bell(proofs->options.notary, proofs->options.reader);
}

static void set_timer(struct proofs *proofs)
{
    if (proofs->first == NULL) {
        (void)event_del(proofs->timer);
        return;
    }
    struct pl_clock *clock = proofs->options.clock;
    int64_t left_us = (proofs->first->until_ns - clock->mono_ns(clock)) / 1000 + 1;
    left_us = left_us < 0 ? 0 : left_us;
    const struct timeval left = {left_us / 1000000, left_us % 1000000};
    (void)event_add(proofs->timer, &left);
}

/* Lets those go on who can, or whose time is over; the bell is armed if somebody stays. */
static void look(struct proofs *proofs)
{
    struct pl_clock *clock = proofs->options.clock;
    pl_bell_arm(bell(proofs));
    (void)proofs_newest(proofs);
    bool signs = notary_signs(proofs->options.notary);
    int64_t now_ns = clock->mono_ns(clock);
    struct proofs_wait *wait = proofs->first;
    proofs->first = proofs->last = NULL;
    while (wait != NULL) {
        struct proofs_wait *next = wait->next; /* going on may free it */
        bool covered = covers(proofs, wait->size);
        if (covered || !signs || wait->until_ns <= now_ns) {
            wait->go_on(wait->arg, covered);
        } else {
            wait->next = NULL;
            if (proofs->last != NULL)
                proofs->last->next = wait;
            else
                proofs->first = wait;
            proofs->last = wait;
        }
        wait = next;
    }
    if (proofs->first == NULL)
        pl_bell_disarm(bell(proofs));
    set_timer(proofs);
}

static void bell_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    look(arg);
}

void proofs_give_up(struct proofs *proofs)
{
    struct proofs_wait *wait = proofs->first;
    proofs->first = proofs->last = NULL;
    while (wait != NULL) {
        struct proofs_wait *next = wait->next; /* going on may free it */
        wait->go_on(wait->arg, covers(proofs, wait->size));
        wait = next;
    }
    pl_bell_disarm(bell(proofs));
    set_timer(proofs);
}

void proofs_wait(struct proofs *proofs, struct proofs_wait *wait)
{
    struct pl_clock *clock = proofs->options.clock;
    if (covers(proofs, wait->size)) {
        wait->go_on(wait->arg, true);
        return;
    }
    if (!notary_signs(proofs->options.notary)) {
        wait->go_on(wait->arg, false);
        return;
    }
    wait->next = NULL;
    wait->until_ns = clock->mono_ns(clock) + LIMIT_PROOF_WAIT_MS * 1000000LL;
    if (proofs->last != NULL)
        proofs->last->next = wait;
    else
        proofs->first = wait;
    bool alone = proofs->first == wait;
    proofs->last = wait;
    notary_want(proofs->options.notary);
    if (alone) {
        /* what came between the look above and now lies in the slot: the bell does not ring again
         */
        pl_bell_arm(bell(proofs));
        if (covers(proofs, wait->size))
            event_active(proofs->on_bell, EV_READ, 0);
        set_timer(proofs);
    }
}

bool proofs_idle(const struct proofs *proofs)
{
    return proofs->first == NULL;
}

/* --- making --- */

static struct pl_status open_log(struct proofs *proofs)
{
    return proofs->log != NULL ? pl_ok() : store_reader_open(proofs->options.store, &proofs->log);
}

struct pl_status proofs_hashes(struct proofs *proofs, unsigned level, uint64_t first, size_t count,
                               struct pl_merkle_hash *ret)
{
    return tree_read(notary_tree(proofs->options.notary), level, first, count, ret);
}

static struct pl_status read_hashes(void *arg, unsigned level, uint64_t first, size_t count,
                                    struct pl_merkle_hash *ret)
{
    return proofs_hashes(arg, level, first, count, ret);
}

struct pl_status proofs_root(struct proofs *proofs, uint64_t size, struct pl_merkle_hash *ret)
{
    struct pl_merkle_frontier frontier = {.size =
                                              0}; /* of no entries: known before one is signed */
    const struct signed_tree *newest = proofs_newest(proofs);
    if (size != 0 && (newest == NULL || size > newest->checkpoint.size))
        return pl_fail(NOT_FOUND, "no signed checkpoint covers so many entries");
    if (size != 0)
        PL_TRY(pl_merkle_frontier_at(read_hashes, proofs, size, &frontier));
    pl_merkle_root(&frontier, ret);
    return pl_ok();
}

struct pl_status proofs_entries(struct proofs *proofs, uint64_t from_seq, uint64_t to_seq,
                                store_entry_fn fn, void *arg)
{
    PL_TRY(open_log(proofs));
    return store_reader_read(proofs->log, from_seq, to_seq, fn, arg);
}

/* A proof of one entry under the newest checkpoint. */
struct proven {
    char *text;             /* in the arena */
    struct pl_slice entry;  /* in the arena */
    struct pl_arena *arena; /* borrowed */
};

static struct pl_status keep_entry(void *arg, uint64_t seq, struct pl_slice entry)
{
    struct proven *proven = arg;
    (void)seq;
    void *copy = pl_arena_memdup(proven->arena, entry.data, entry.len);
    if (copy == NULL)
        return pl_fail(TOO_BIG, "keep an entry");
    proven->entry = pl_slice(copy, entry.len);
    return pl_ok();
}

static struct pl_status print_proof(const struct pl_tlog_proof *proof, struct proven *proven)
{
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, PROOF_TEXT_MAX);
    PL_TRY(pl_tlog_proof_print(proof, &text));
    struct pl_slice printed = pl_buf_slice(&text);
    proven->text = pl_arena_memdup(proven->arena, printed.data, printed.len);
    return proven->text != NULL ? pl_ok() : pl_fail(TOO_BIG, "keep a proof");
}

/* `with_entry`: whoever asks may see entries. */
static struct pl_status prove(struct proofs *proofs, const struct signed_tree *newest, uint64_t seq,
                              bool with_entry, struct proven *ret)
{
    PL_ASSERT(newest != NULL && seq > 0 && seq <= newest->checkpoint.size);
    struct pl_tlog_proof proof = {.index = seq - 1,
                                  .checkpoint = pl_slice(newest->note, newest->len)};
    PL_TRY(proofs_entries(proofs, seq, seq, keep_entry, ret));
    struct pl_merkle_hash leaf;
    pl_merkle_leaf(ret->entry, &leaf);
    PL_TRY(pl_merkle_prove_inclusion(tree_read, notary_tree(proofs->options.notary), seq - 1,
                                     newest->checkpoint.size, &proof.proof));
    if (!pl_is_ok(pl_merkle_check_inclusion(seq - 1, newest->checkpoint.size, &leaf, &proof.proof,
                                            &newest->checkpoint.root)))
        return pl_fail(CORRUPT, "prove an entry: the stored tree is damaged; remove the directory "
                                "of tiles and start again");
    proof.has_extra = with_entry;
    proof.extra = ret->entry;
    return print_proof(&proof, ret);
}

static bool may_see_entries(Pledged__V1__Role role)
{
    uint32_t may = NET_ROLE(CLERK) | NET_ROLE(APPROVER) | NET_ROLE(AUDITOR);
    return (may & (1u << role)) != 0;
}

/* --- receipts --- */

/* The receipt that asked for a proof and can have one, or NULL. */
static Pledged__V1__Receipt *asks(const struct command_item *item)
{
    return item->msg != NULL && item->msg->want_proof && item->receipt != NULL &&
                   item->receipt->seq != 0 &&
                   item->receipt->kind != PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_DRY_RUN
               ? item->receipt
               : NULL;
}

uint64_t proofs_wanted(const struct command *command)
{
    uint64_t size = 0;
    if (command->kind != COMMAND_EXECUTE || command->code != PL_E_OK)
        return 0;
    for (size_t i = 0; i < command->item_count; i++) {
        const Pledged__V1__Receipt *receipt = asks(&command->item[i]);
        if (receipt != NULL && receipt->seq > size)
            size = receipt->seq;
    }
    return size;
}

/* Bytes that the answer has without any proof; a little more than it is packed to. */
static size_t answer_bytes(const struct command *command)
{
    size_t bytes = 0;
    for (size_t i = 0; i < command->item_count; i++) {
        const struct command_item *item = &command->item[i];
        if (item->receipt != NULL)
            bytes += pledged__v1__receipt__get_packed_size(item->receipt) + 8;
        else if (item->refusal != NULL)
            bytes += pledged__v1__refusal__get_packed_size(item->refusal) + 8;
    }
    return bytes;
}

void proofs_attach(struct proofs *proofs, struct command *command)
{
    const struct signed_tree *newest = proofs_newest(proofs);
    size_t used = answer_bytes(command);
    for (size_t i = 0; newest != NULL && i < command->item_count; i++) {
        Pledged__V1__Receipt *receipt = asks(&command->item[i]);
        struct proven proven = {.arena = command->arena};
        if (receipt == NULL || receipt->seq > newest->checkpoint.size)
            continue;
        struct pl_status status =
            prove(proofs, newest, receipt->seq, may_see_entries(command->actor.role), &proven);
        if (!pl_is_ok(status)) {
            if (status.code != PL_E_TOO_BIG)
                pl_log_status(PL_LOG_ERROR, "proofs", "a receipt leaves without proof", status);
            return;
        }
        used += strlen(proven.text);
        if (used > LIMIT_PROOF_ANSWER_BYTES)
            return;
        receipt->tlog_proof = proven.text;
    }
}

/* --- methods --- */

/* A call that needs a checkpoint over some entries. */
struct request {
    struct proofs_wait wait;
    struct proofs *proofs;
    struct call *call;
    void (*answer)(struct request *request); /* the newest checkpoint covers what was asked for */
};

static void go_on(void *arg, bool covered)
{
    struct request *request = arg;
    if (covered)
        request->answer(request);
    else
        call_fail_reason(request->call, PL_E_UNAVAILABLE, PLEDGED__V1__REASON__REASON_UNAVAILABLE,
                         "", "there is no signed checkpoint over that now");
}

/* Durable entries, as this worker knows; a size that a checkpoint may have is at most that. */
static void when_covered(struct call *call, struct service *service, uint64_t size,
                         void (*answer)(struct request *request))
{
    struct request *request = pl_arena_alloc(call_arena(call), sizeof(*request));
    if (request == NULL) {
        call_fail_reason(call, PL_E_TOO_BIG, PLEDGED__V1__REASON__REASON_TOO_BIG, "",
                         "the request is too large");
        return;
    }
    *request = (struct request){.wait = {.size = size, .go_on = go_on, .arg = request},
                                .proofs = service->proofs,
                                .call = call,
                                .answer = answer};
    proofs_wait(service->proofs, &request->wait);
}

static uint64_t durable_size(struct service *service)
{
    const struct view *view = service_newest_view(service);
    return view == NULL ? 0 : view_get_log(view)->size;
}

static void answer_checkpoint(struct request *request)
{
    const struct signed_tree *newest = proofs_served(request->proofs);
    Pledged__V1__GetCheckpointResponse response = PLEDGED__V1__GET_CHECKPOINT_RESPONSE__INIT;
    response.checkpoint = (char *)(uintptr_t)newest->note;
    response.size = newest->checkpoint.size;
    call_reply(request->call, &response.base);
}

static void on_get_checkpoint(struct call *call, void *user)
{
    when_covered(call, user, 0, answer_checkpoint);
}

static void answer_inclusion(struct request *request)
{
    const Pledged__V1__GetInclusionProofRequest *asked = (const void *)call_request(request->call);
    struct proven proven = {.arena = call_arena(request->call)};
    bool with_entry = may_see_entries(call_person(request->call)->role);
    /* cosigned if that covers it */
    const struct signed_tree *under = proofs_served(request->proofs);
    if (under->checkpoint.size < asked->seq)
        under = proofs_newest(request->proofs);
    struct pl_status status = prove(request->proofs, under, asked->seq, with_entry, &proven);
    if (!pl_is_ok(status)) {
        pl_log_status(PL_LOG_ERROR, "proofs", "cannot prove an entry", status);
        call_fail_reason(request->call, PL_E_UNAVAILABLE, PLEDGED__V1__REASON__REASON_UNAVAILABLE,
                         "", "the proof cannot be made now");
        return;
    }
    Pledged__V1__GetInclusionProofResponse response =
        PLEDGED__V1__GET_INCLUSION_PROOF_RESPONSE__INIT;
    response.tlog_proof = proven.text;
    response.leaf_index = asked->seq - 1;
    response.size = under->checkpoint.size;
    if (with_entry)
        response.entry =
            (ProtobufCBinaryData){proven.entry.len, (uint8_t *)(uintptr_t)proven.entry.data};
    call_reply(request->call, &response.base);
}

static void on_get_inclusion_proof(struct call *call, void *user)
{
    struct service *service = user;
    const Pledged__V1__GetInclusionProofRequest *asked = (const void *)call_request(call);
    if (asked->seq == 0)
        call_fail_reason(call, PL_E_INVALID, PLEDGED__V1__REASON__REASON_FIELD_INVALID, "seq",
                         "entries count from 1");
    else if (asked->seq > durable_size(service) && !covers(service->proofs, asked->seq))
        call_fail_reason(call, PL_E_NOT_FOUND, PLEDGED__V1__REASON__REASON_ENTRY_UNKNOWN, "seq",
                         "there is no such entry yet");
    else
        when_covered(call, service, asked->seq, answer_inclusion);
}

static void answer_consistency(struct request *request)
{
    const Pledged__V1__GetConsistencyProofRequest *asked =
        (const void *)call_request(request->call);
    const struct signed_tree *newest = proofs_newest(request->proofs);
    struct pl_merkle_proof proof;
    struct pl_status status =
        pl_merkle_prove_consistency(tree_read, notary_tree(request->proofs->options.notary),
                                    asked->old_size, newest->checkpoint.size, &proof);
    if (!pl_is_ok(status)) {
        pl_log_status(PL_LOG_ERROR, "proofs", "cannot prove growth", status);
        call_fail_reason(request->call, PL_E_UNAVAILABLE, PLEDGED__V1__REASON__REASON_UNAVAILABLE,
                         "", "the proof cannot be made now");
        return;
    }
    ProtobufCBinaryData hash[PL_MERKLE_PROOF_MAX];
    for (size_t i = 0; i < proof.count; i++)
        hash[i] = (ProtobufCBinaryData){PL_MERKLE_BYTES, proof.hash[i].bytes};
    Pledged__V1__GetConsistencyProofResponse response =
        PLEDGED__V1__GET_CONSISTENCY_PROOF_RESPONSE__INIT;
    response.old_size = asked->old_size;
    response.size = newest->checkpoint.size;
    response.n_hash = proof.count;
    response.hash = hash;
    response.checkpoint = (char *)(uintptr_t)newest->note;
    call_reply(request->call, &response.base);
}

static void on_get_consistency_proof(struct call *call, void *user)
{
    struct service *service = user;
    const Pledged__V1__GetConsistencyProofRequest *asked = (const void *)call_request(call);
    if (asked->old_size > durable_size(service) && !covers(service->proofs, asked->old_size))
        call_fail_reason(call, PL_E_INVALID, PLEDGED__V1__REASON__REASON_FIELD_INVALID, "old_size",
                         "this ledger has never had so many entries");
    else
        when_covered(call, service, asked->old_size, answer_consistency);
}

#define READERS                                                                                    \
    (NET_ROLE(READER) | NET_ROLE(CLERK) | NET_ROLE(APPROVER) | NET_ROLE(AUDITOR) | NET_ROLE(ADMIN))

#define METHOD(name_, input_, output_, handler_)                                                   \
    {                                                                                              \
        .path = "/pledged.v1.LedgerService/" #name_,                                               \
        .input = &pledged__v1__##input_##__descriptor,                                             \
        .output = &pledged__v1__##output_##__descriptor, .no_side_effects = true,                  \
        .roles = READERS, .handle = (handler_)                                                     \
    }

const struct net_method proofs_methods[] = {
    METHOD(GetCheckpoint, get_checkpoint_request, get_checkpoint_response, on_get_checkpoint),
    METHOD(GetInclusionProof, get_inclusion_proof_request, get_inclusion_proof_response,
           on_get_inclusion_proof),
    METHOD(GetConsistencyProof, get_consistency_proof_request, get_consistency_proof_response,
           on_get_consistency_proof),
};
const size_t proofs_method_count = PL_COUNT(proofs_methods);

/* --- beginning and end --- */

struct pl_status proofs_new(const struct proofs_options *options, struct proofs **ret)
{
    struct proofs *proofs = calloc(1, sizeof(*proofs));
    PL_ASSERT(proofs != NULL);
    proofs->options = *options;
    proofs->on_bell = event_new(options->base, pl_bell_fd(bell(proofs)), EV_READ | EV_PERSIST,
                                bell_event, proofs);
    proofs->timer = event_new(options->base, -1, 0, bell_event, proofs);
    PL_ASSERT(proofs->on_bell != NULL && proofs->timer != NULL);
    (void)event_add(proofs->on_bell, NULL);
    *ret = proofs;
    return pl_ok();
}

void proofs_free(struct proofs *proofs)
{
    if (proofs == NULL)
        return;
    PL_ASSERT(proofs->first == NULL);
    event_free(proofs->on_bell);
    event_free(proofs->timer);
    signed_tree_unref(proofs->newest);
    cosign_report_unref(proofs->report);
    store_reader_close(proofs->log);
    free(proofs);
}
