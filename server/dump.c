/* SPDX-License-Identifier: Apache-2.0
 *
 * dump: see dump.h. One chunk of entries is read at a time, into memory of the dump's own, and sent
 * before the next one is read.
 */
#include "server/dump.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/log.h"
#include "server/limits.h"
#include "server/proofs.h"
#include "server/service.h"

struct dump {
    struct service *service;
    struct store_reader *reader; /* owns */
    uint64_t from, next, last;
    Pledged__V1__DumpTrailer trailer;
    uint8_t batch_hash[32];
    char *origin;              /* in the call's arena */
    struct signed_tree *under; /* owns a reference; the checkpoint that it belongs to; NULL: none */
    /* one chunk */
    uint8_t *chunk; /* owns; LIMIT_DUMP_CHUNK_BYTES + one entry */
    size_t chunk_used;
    ProtobufCBinaryData entry[LIMIT_DUMP_CHUNK_ENTRIES];
    size_t entry_count;
};

static void dump_free(struct dump *dump)
{
    store_reader_close(dump->reader);
    signed_tree_unref(dump->under);
    free(dump->chunk);
    free(dump);
}

static struct pl_status dump_keep(void *arg, uint64_t seq, struct pl_slice entry)
{
    struct dump *dump = arg;
    (void)seq;
    if (dump->entry_count == LIMIT_DUMP_CHUNK_ENTRIES || dump->chunk_used > LIMIT_DUMP_CHUNK_BYTES)
        return pl_fail(BUSY, "chunk is full"); /* ends this read; the next one goes on from here */
    memcpy(dump->chunk + dump->chunk_used, entry.data, entry.len);
    dump->entry[dump->entry_count++] =
        (ProtobufCBinaryData){entry.len, dump->chunk + dump->chunk_used};
    dump->chunk_used += entry.len;
    return pl_ok();
}

static struct pl_status dump_fill(struct dump *dump)
{
    dump->entry_count = 0;
    dump->chunk_used = 0;
    uint64_t to = dump->last;
    if (to - dump->next >= LIMIT_DUMP_CHUNK_ENTRIES)
        to = dump->next + LIMIT_DUMP_CHUNK_ENTRIES - 1;
    struct pl_status status = store_reader_read(dump->reader, dump->next, to, dump_keep, dump);
    return dump->entry_count > 0 ? pl_ok() : status;
}

/* A slow reader's dump lasts, and its role may end meanwhile. False: it has ended. */
static bool still_auditor(struct call *call, struct dump *dump)
{
    if (!call_outdated(call))
        return true;
    dump_free(dump);
    call_fail_reason(call, PL_E_UNAVAILABLE, PLEDGED__V1__REASON__REASON_UNAVAILABLE, "",
                     "the role of this person changed; ask again");
    return false;
}

/* Sends until the stream's queue is full or the range is done. */
static void dump_go_on(struct call *call, void *user)
{
    (void)user;
    struct dump *dump = call_context(call);
    bool room = true;
    if (!still_auditor(call, dump))
        return;
    while (room && !call_gone(call)) {
        Pledged__V1__DumpResponse response = PLEDGED__V1__DUMP_RESPONSE__INIT;
        if (dump->next > dump->last) {
            response.trailer = &dump->trailer;
            (void)call_send(call, &response.base);
            dump_free(dump);
            call_end(call);
            return;
        }
        struct pl_status status = dump_fill(dump);
        if (!pl_is_ok(status)) {
            pl_log_status(PL_LOG_ERROR, "dump", "cannot read the log", status);
            dump_free(dump);
            enum pl_code code = status.code == PL_E_IO ? PL_E_UNAVAILABLE : status.code;
            call_fail_reason(call, code, PLEDGED__V1__REASON__REASON_UNAVAILABLE, "",
                             "the log cannot be read here");
            return;
        }
        response.first_seq = dump->next;
        response.n_entry = dump->entry_count;
        response.entry = dump->entry;
        dump->next += dump->entry_count;
        room = call_send(call, &response.base);
    }
    if (call_gone(call)) {
        dump_free(dump);
        call_end(call);
    }
}

static struct signed_tree *newest_checkpoint(struct service *service)
{
    if (service->proofs == NULL)
        return NULL;
    /* with the cosignatures, if there are some of that very one */
    const struct signed_tree *newest = proofs_newest(service->proofs);
    const struct signed_tree *served = proofs_served(service->proofs);
    if (newest != NULL && served->checkpoint.size == newest->checkpoint.size)
        newest = served;
    return newest == NULL ? NULL : signed_tree_ref((struct signed_tree *)(uintptr_t)newest);
}

/* `covered`: the newest checkpoint covers all that was durable when the call came; then the dump
 * ends where it ends. Without one, it still holds everything, and names no checkpoint. */
static void dump_bound(struct dump *dump, uint64_t size, uint64_t to_seq, bool covered)
{
    dump->under = newest_checkpoint(dump->service);
    dump->last = to_seq == 0 || to_seq > size ? size : to_seq;
    if (dump->under == NULL)
        return;
    uint64_t under = dump->under->checkpoint.size;
    if (to_seq == 0 && covered && dump->from <= under)
        dump->last = under;
    if (under < dump->last) {
        signed_tree_unref(dump->under);
        dump->under = NULL;
    }
}

static struct dump *dump_new(struct service *service, const struct view *view,
                             const Pledged__V1__DumpRequest *request, bool covered,
                             struct pl_arena *arena)
{
    Pledged__V1__GetStatusResponse *status = NULL;
    if (view_get_status(view, arena, &status) != PL_E_OK)
        return NULL;
    struct dump *dump = calloc(1, sizeof(*dump));
    PL_ASSERT(dump != NULL);
    const struct view_log *log = view_get_log(view);
    dump->service = service;
    dump->chunk = malloc(LIMIT_DUMP_CHUNK_BYTES + LEDGER_ENTRY_BYTES_MAX + 1);
    PL_ASSERT(dump->chunk != NULL);
    dump->from = dump->next = request->from_seq == 0 ? 1 : request->from_seq;
    dump_bound(dump, log->size, request->to_seq, covered);
    memcpy(dump->batch_hash, log->last_batch_hash, sizeof(dump->batch_hash));
    pledged__v1__dump_trailer__init(&dump->trailer);
    dump->trailer.from_seq = dump->from;
    dump->trailer.to_seq = dump->last;
    dump->trailer.ledger_size = log->size;
    dump->origin = pl_arena_strdup(arena, status->origin);
    dump->trailer.origin = dump->origin;
    if (dump->under != NULL)
        dump->trailer.checkpoint = dump->under->note;
    dump->trailer.last_batch_hash =
        (ProtobufCBinaryData){sizeof(dump->batch_hash), dump->batch_hash};
    return dump;
}

static void dump_begin(struct call *call, struct service *service, bool covered)
{
    const Pledged__V1__DumpRequest *request = (const void *)call_request(call);
    const struct view *view = service_view_or_fail(service, call);
    if (view == NULL)
        return;
    uint64_t from = request->from_seq == 0 ? 1 : request->from_seq;
    if ((request->to_seq != 0 && from > request->to_seq) || from > view_get_log(view)->size + 1) {
        call_fail_reason(
            call, PL_E_INVALID, PLEDGED__V1__REASON__REASON_FIELD_INVALID, "from_seq",
            WORDS("the first entry comes after the end of the range or of the ledger"));
        return;
    }
    struct dump *dump = dump_new(service, view, request, covered, call_arena(call));
    struct pl_status status = dump == NULL ? pl_fail(TOO_BIG, "begin a dump")
                                           : store_reader_open(service->store, &dump->reader);
    if (!pl_is_ok(status)) {
        if (dump != NULL)
            dump_free(dump);
        call_fail_reason(call, status.code, PLEDGED__V1__REASON__REASON_UNAVAILABLE, "",
                         "the log cannot be opened");
        return;
    }
    call_set_context(call, dump);
    call_on_writable(call, dump_go_on);
    dump_go_on(call, service);
}

/* A dump up to the end, which a checkpoint should cover. */
struct dump_wait {
    struct proofs_wait wait;
    struct service *service;
    struct call *call;
};

static void dump_covered(void *arg, bool covered)
{
    struct dump_wait *waiting = arg;
    dump_begin(waiting->call, waiting->service, covered);
}

void dump_handle(struct call *call, void *user)
{
    struct service *service = user;
    const Pledged__V1__DumpRequest *request = (const void *)call_request(call);
    const struct view *view = service_newest_view(service);
    struct dump_wait *waiting = NULL;
    if (view != NULL && service->proofs != NULL && request->to_seq == 0)
        waiting = pl_arena_alloc(call_arena(call), sizeof(*waiting));
    if (waiting == NULL) {
        dump_begin(call, service, false);
        return;
    }
    *waiting = (struct dump_wait){
        .wait = {.size = view_get_log(view)->size, .go_on = dump_covered, .arg = waiting},
        .service = service,
        .call = call};
    proofs_wait(service->proofs, &waiting->wait);
}
