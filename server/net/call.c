/* SPDX-License-Identifier: Apache-2.0
 *
 * call: see call.h and net.h.
 *
 * I1: a call is freed exactly once: by its answer, or by the end of its stream before a handler had
 * it. I2: pool->body_bytes is the sum of the bodies (and waiting bytes) of all
 * calls of the pool.
 */
#include "server/net/call.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "server/net/answer.h"
#include "server/net/tls.h"

enum {
    IDLE_MAX = 256,              /* calls kept for reuse, with 4 KiB of arena each */
    BODY_KEEP_BYTES = 16 * 1024, /* a larger body buffer is not kept */
};

/* --- peers --- */

struct call_peer *call_peer_new(const struct authz_roster *roster)
{
    struct call_peer *peer = calloc(1, sizeof(*peer));
    PL_ASSERT(peer != NULL);
    peer->refs = 1;
    peer->roster = authz_roster_ref(roster);
    return peer;
}

void call_peer_shows(struct call_peer *peer, X509 *certificate, STACK_OF(X509) * chain)
{
    int fine = X509_up_ref(certificate);
    PL_ASSERT(fine == 1);
    peer->certificate = certificate;
    peer->chain = chain != NULL ? X509_chain_up_ref(chain) : NULL;
    PL_ASSERT(chain == NULL || peer->chain != NULL);
}

static struct call_peer *peer_ref(struct call_peer *peer)
{
    peer->refs++;
    return peer;
}

void call_peer_unref(struct call_peer *peer)
{
    if (peer == NULL || --peer->refs > 0)
        return;
    authz_roster_unref(peer->roster);
    X509_free(peer->certificate);
    sk_X509_pop_free(peer->chain, X509_free);
    free(peer);
}

/* --- the pool --- */

void call_pool_init(struct call_pool *pool)
{
    TAILQ_INIT(&pool->idle);
    TAILQ_INIT(&pool->woken);
    pool->timer_ns = INT64_MAX;
}

static void call_destroy(struct call *call)
{
    pl_arena_fini(&call->arena);
    pl_buf_fini(&call->body);
    free(call);
}

void call_pool_fini(struct call_pool *pool)
{
    PL_ASSERT(pool->running == 0 && pool->watching == 0);
    PL_ASSERT(TAILQ_EMPTY(&pool->woken));
    deadlines_fini(&pool->deadlines);
    while (!TAILQ_EMPTY(&pool->idle)) {
        struct call *call = TAILQ_FIRST(&pool->idle);
        TAILQ_REMOVE(&pool->idle, call, link);
        call_destroy(call);
    }
}

struct call *call_new(struct call_pool *pool, struct stream *stream, struct call_peer *peer)
{
    struct call *call = TAILQ_FIRST(&pool->idle);
    if (call != NULL) {
        TAILQ_REMOVE(&pool->idle, call, link);
        pool->idle_count--;
    } else {
        call = calloc(1, sizeof(*call));
        PL_ASSERT(call != NULL);
        pl_arena_init(&call->arena, pool->arena_bytes);
        pl_buf_init(&call->body, SIZE_MAX / 2); /* call_keep_body knows the limits */
    }
    call->pool = pool;
    call->stream = stream;
    call->peer = peer_ref(peer);
    return call;
}

/* Everything back to zero but the arena's and the body's memory. */
static void call_wipe(struct call *call)
{
    struct pl_arena arena = call->arena;
    struct pl_buf body = call->body;
    memset(call, 0, sizeof(*call));
    call->arena = arena;
    call->arena.protobuf.allocator_data = &call->arena;
    call->body = body;
    pl_arena_reset(&call->arena);
    pl_buf_clear(&call->body);
}

static void tell_done(struct call *call, enum pl_code code);

static void call_free(struct call *call)
{
    struct call_pool *pool = call->pool;
    if (call->woken)
        TAILQ_REMOVE(&pool->woken, call, link);
    if (call->stream != NULL)
        stream_forget(call->stream);
    tell_done(call, PL_E_CANCELLED); /* if nothing was told before: the peer left */
    deadlines_remove(&pool->deadlines, &call->deadline);
    if (call->admitted)
        --*(call->watches ? &pool->watching : &pool->running);
    pool->body_bytes -= pl_buf_len(&call->body) + pl_buf_len(&call->duplex.waiting);
    pl_buf_fini(&call->duplex.waiting);
    call_peer_unref(call->peer);
    if (pool->idle_count >= IDLE_MAX || call->body.cap > BODY_KEEP_BYTES) {
        call_destroy(call);
        return;
    }
    call_wipe(call);
    TAILQ_INSERT_HEAD(&pool->idle, call, link);
    pool->idle_count++;
}

static void wake(struct call *call)
{
    if (call->woken || call->on_writable == NULL)
        return;
    call->woken = true;
    call->waiting = false;
    TAILQ_INSERT_TAIL(&call->pool->woken, call, link);
    call->pool->on_wake(call->pool->arg);
}

void call_pool_run_woken(struct call_pool *pool)
{
    /* A call that is woken by another one's handler has its turn now too; none can wake itself,
     * since room comes only from sending. */
    while (!TAILQ_EMPTY(&pool->woken)) {
        struct call *call = TAILQ_FIRST(&pool->woken);
        TAILQ_REMOVE(&pool->woken, call, link);
        call->woken = false;
        call->on_writable(call, pool->user);
    }
}

/* The timer is moved only if it would come too late: calls that follow one another with the same
 * time to live leave it alone. */
static void set_timer(struct call_pool *pool)
{
    const struct deadline *first = deadlines_first(&pool->deadlines);
    if (first == NULL || first->at_ns >= pool->timer_ns)
        return;
    pool->timer_ns = first->at_ns;
    pool->on_deadline(pool->arg, first->at_ns);
}

bool call_admit(struct call *call)
{
    struct call_pool *pool = call->pool;
    call->watches = call->method != NULL && call->method->long_lived;
    size_t *taken = call->watches ? &pool->watching : &pool->running;
    if (*taken >= (call->watches ? pool->watching_max : pool->running_max))
        return false;
    ++*taken;
    call->admitted = true;
    if (call->deadline_ns != 0 && call->deadline_ns != INT64_MAX) {
        deadlines_add(&pool->deadlines, &call->deadline, call->deadline_ns);
        set_timer(pool);
    }
    return true;
}

/* Base64 in pieces of any size, to frames in pieces of some. */
static struct pl_status keep_text(struct call *call, struct pl_slice text)
{
    uint8_t bytes[1024];
    while (text.len > 0) {
        size_t room = sizeof(bytes) - 2, len = 0;
        size_t piece = text.len < room ? text.len : room;
        PL_TRY(grpcweb_decode(&call->text_reader, pl_slice(text.data, piece), bytes, &len));
        PL_TRY(grpc_read(&call->reader, pl_slice(bytes, len), call->bytes_max, &call->body));
        text = pl_slice(text.data + piece, text.len - piece);
    }
    return pl_ok();
}

static struct pl_status keep_body(struct call *call, struct pl_slice bytes)
{
    if (call->text)
        return keep_text(call, bytes);
    if (call->dialect != CALL_CONNECT)
        return grpc_read(&call->reader, bytes, call->bytes_max, &call->body);
    if (bytes.len > call->bytes_max - pl_buf_len(&call->body))
        return pl_fail(TOO_BIG, "the message is larger than this method allows");
    return pl_buf_append(&call->body, bytes.data, bytes.len);
}

struct pl_status call_keep_body(struct call *call, struct pl_slice bytes)
{
    struct call_pool *pool = call->pool;
    if (bytes.len > pool->body_bytes_max || pool->body_bytes > pool->body_bytes_max - bytes.len)
        return pl_fail(BUSY, "the server holds too many unfinished requests");
    size_t before = pl_buf_len(&call->body);
    struct pl_status status = keep_body(call, bytes);
    pool->body_bytes += pl_buf_len(&call->body) - before; /* I2, also when it failed half-way */
    return status;
}

void call_stream_closed(struct call *call)
{
    call->stream = NULL;
    if (call->phase == CALL_READING)
        call_free(call);
    else
        wake(call);
}

void call_stream_has_room(struct call *call)
{
    wake(call);
}

void call_drain(struct call *call)
{
    call->draining = true;
    wake(call);
}

/* --- what handlers see --- */

struct pl_arena *call_arena(struct call *call)
{
    return &call->arena;
}

const struct net_method *call_method(const struct call *call)
{
    return call->method;
}

const ProtobufCMessage *call_request(const struct call *call)
{
    return call->request;
}

bool call_speaks_json(const struct call *call)
{
    return call->codec == CODEC_JSON;
}

struct pl_slice call_request_bytes(const struct call *call)
{
    return call->request_bytes;
}

const struct net_person *call_person(const struct call *call)
{
    return call->peer->match.person;
}

bool call_outdated(const struct call *call)
{
    return call->peer->outdated;
}

const char *call_identity(const struct call *call)
{
    return call->peer->match.identity;
}

const char *call_issuer(const struct call *call)
{
    return call->peer->match.issuer;
}

uint64_t call_admitted(const struct call *call)
{
    return call->peer->admitted;
}

static bool still_admitted(const struct call_peer *peer, const struct tls_context *tls,
                           const struct authz_roster *roster)
{
    struct authz_match now;
    if (peer->certificate == NULL)
        return true; /* who is on no roster was not taken off it */
    if (!tls_admits(tls, peer->certificate, peer->chain))
        return false;
    authz_identify(roster, peer->certificate, &now);
    return authz_same(&peer->match, &now);
}

bool call_still_admitted(const struct call *call, uint64_t by, const struct tls_context *tls,
                         const struct authz_roster *roster)
{
    struct call_peer *peer = call->peer;
    if (peer->asked_by != by) {
        peer->passed = still_admitted(peer, tls, roster);
        peer->asked_by = by;
    }
    return peer->passed;
}

int64_t call_deadline_mono_ns(const struct call *call)
{
    return call->deadline_ns;
}

bool call_gone(const struct call *call)
{
    return call->stream == NULL;
}

bool call_draining(const struct call *call)
{
    return call->draining;
}

void call_set_context(struct call *call, void *context)
{
    call->context = context;
}

void *call_context(const struct call *call)
{
    return call->context;
}

void call_on_writable(struct call *call, void (*on_writable)(struct call *call, void *user))
{
    call->on_writable = on_writable;
    if (call->stream == NULL || call->draining || (call->waiting && stream_has_room(call->stream)))
        wake(call);
}

struct pl_slice call_path(const struct call *call)
{
    struct pl_slice path = call->head.path;
    const uint8_t *mark = path.len == 0 ? NULL : memchr(path.data, '?', path.len);
    if (mark != NULL)
        path.len = (size_t)(mark - path.data);
    return path;
}

struct pl_slice call_header(const struct call *call, const char *name)
{
    if (strcmp(name, "if-none-match") == 0)
        return call->head.if_none_match;
    if (strcmp(name, "accept-language") == 0)
        return call->head.accept_language;
    if (strcmp(name, "accept") == 0)
        return call->head.accept;
    return (struct pl_slice){NULL, 0};
}

/* --- answers --- */

/* How it ends is known; the answer may still be on its way. */
static void tell_done(struct call *call, enum pl_code code)
{
    struct call_pool *pool = call->pool;
    if (!call->admitted || call->told)
        return;
    call->told = true;
    if (pool->on_done != NULL)
        pool->on_done(pool->user, call->method, call_person(call), code,
                      pool->clock->mono_ns(pool->clock) - call->began_ns);
}

void call_reply(struct call *call, const ProtobufCMessage *response)
{
    PL_ASSERT(!call->method->server_streaming);
    if (call->stream != NULL && !pl_is_ok(answer_reply(call, response))) {
        call_fail(call, PL_E_INTERNAL, NULL, "the answer cannot be encoded");
        return;
    }
    tell_done(call, PL_E_OK);
    call_free(call);
}

/* In the caller's dialect; the call stays. */
static void say_failure(struct call *call, const char *http_status, enum pl_code code,
                        const Pledged__V1__Refusal *refusal, const char *message)
{
    if (refusal != NULL && refusal->message != NULL && refusal->message[0] != '\0')
        message = refusal->message;
    else if (message == NULL)
        message = pl_code_words(code);
    call->pool->told_busy += code == PL_E_BUSY;
    answer_fail(call, http_status, code, refusal, message);
    tell_done(call, code);
}

/* What was said still leaves; the handler finds the call gone. */
static void lose_stream(struct call *call)
{
    stream_forget(call->stream);
    call->stream = NULL;
    wake(call);
}

static void fail_any(struct call *call, const char *http_status, enum pl_code code,
                     const Pledged__V1__Refusal *refusal, const char *message)
{
    if (call->stream != NULL)
        say_failure(call, http_status, code, refusal, message);
    tell_done(call, code);
    call_free(call);
}

void call_fail(struct call *call, enum pl_code code, const Pledged__V1__Refusal *refusal,
               const char *message)
{
    char http_status[12];
    (void)snprintf(http_status, sizeof(http_status), "%d", pl_code_http(code));
    fail_any(call, http_status, code, refusal, message);
}

void call_fail_status(struct call *call, const char *http_status, enum pl_code code,
                      const char *text)
{
    fail_any(call, http_status, code, NULL, text);
}

void call_fail_reason(struct call *call, enum pl_code code, Pledged__V1__Reason reason,
                      const char *field, const char *text)
{
    Pledged__V1__Refusal refusal = PLEDGED__V1__REFUSAL__INIT;
    refusal.reason = reason;
    refusal.field = (char *)(uintptr_t)field;
    refusal.message = (char *)(uintptr_t)text;
    refusal.retryable = pl_code_retryable(code);
    call_fail(call, code, &refusal, text);
}

void call_fail_body(struct call *call, struct pl_status status)
{
    if (status.code == PL_E_TOO_BIG)
        call_fail_reason(call, PL_E_TOO_BIG, PLEDGED__V1__REASON__REASON_TOO_BIG, "", status.what);
    else if (status.code == PL_E_BUSY)
        call_fail_reason(call, PL_E_BUSY, PLEDGED__V1__REASON__REASON_BUSY, "", status.what);
    else
        call_fail(call, status.code, NULL, status.what);
}

void call_fail_busy(struct call *call)
{
    bool writes = call->method != NULL && !call->method->no_side_effects;
    call_fail_reason(call, PL_E_BUSY, PLEDGED__V1__REASON__REASON_BUSY, "",
                     writes ? "the server is busy; repeat with the same request id"
                            : "the server is busy; try again");
}

void call_fail_http(struct call *call, const char *status, const char *text,
                    const struct stream_field *field)
{
    if (call->stream != NULL)
        answer_http(call, status, text, field);
    call_free(call);
}

void call_cut(struct call *call, enum pl_code code)
{
    char http_status[12];
    bool streams = call->method != NULL && call->method->server_streaming;
    const char *text = "this peer is no longer welcome";
    if (call->phase == CALL_READING) {
        call_fail(call, code, NULL, text);
        return;
    }
    if (!streams && call->resource == NULL) {
        code = PL_E_UNAVAILABLE;
        text = "the connection ended before the outcome was known";
    }
    (void)snprintf(http_status, sizeof(http_status), "%d", pl_code_http(code));
    say_failure(call, http_status, code, NULL, text);
    lose_stream(call);
}

void call_answer(struct call *call, const struct net_answer *answer)
{
    PL_ASSERT(call->resource != NULL);
    if (call->stream != NULL)
        answer_resource(call, answer);
    tell_done(call, PL_E_OK);
    call_free(call);
}

/* --- deadlines --- */

static void expire(struct call *call)
{
    static const char early[] = "the deadline passed before the request was complete";
    static const char late[] = "the deadline passed before the outcome was known; "
                               "a command: repeat it with the same request id";
    if (call->phase == CALL_READING) {
        call_fail_reason(call, PL_E_TIMEOUT, PLEDGED__V1__REASON__REASON_DEADLINE, "", early);
        return;
    }
    if (call->stream == NULL)
        return; /* nobody is there to be told, and the handler still has the call (I1) */
    /* The arena is the writer's while a command is with it: nothing may be made there. */
    Pledged__V1__Refusal refusal = PLEDGED__V1__REFUSAL__INIT;
    /* what is on its way may still be recorded: DEADLINE would say that nothing happened */
    refusal.reason = call->method != NULL && call->method->no_side_effects
                         ? PLEDGED__V1__REASON__REASON_DEADLINE
                         : PLEDGED__V1__REASON__REASON_OUTCOME_UNKNOWN;
    refusal.message = (char *)(uintptr_t)late;
    refusal.retryable = true;
    say_failure(call, "504", PL_E_TIMEOUT, &refusal, late);
    lose_stream(call);
}

void call_pool_expire(struct call_pool *pool)
{
    struct deadline *first = deadlines_first(&pool->deadlines);
    int64_t now_ns = first == NULL ? 0 : pool->clock->mono_ns(pool->clock);
    while (first != NULL && first->at_ns <= now_ns) {
        struct call *call = (struct call *)((char *)first - offsetof(struct call, deadline));
        deadlines_remove(&pool->deadlines, first);
        expire(call);
        first = deadlines_first(&pool->deadlines);
    }
    set_timer(pool);
}

/* --- streams of messages --- */

bool call_send(struct call *call, const ProtobufCMessage *message)
{
    PL_ASSERT(call->method->server_streaming);
    if (call->stream == NULL)
        return false;
    if (!pl_is_ok(answer_send(call, message))) {
        say_failure(call, "500", PL_E_INTERNAL, NULL, "the answer cannot be encoded");
        lose_stream(call);
        return false;
    }
    call->waiting = !stream_has_room(call->stream);
    return !call->waiting;
}

void call_end(struct call *call)
{
    PL_ASSERT(call->method->server_streaming);
    if (call->stream != NULL)
        answer_end(call);
    tell_done(call, PL_E_OK);
    call_free(call);
}
