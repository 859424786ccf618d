/* SPDX-License-Identifier: Apache-2.0
 *
 * call: see call.h and net.h. Second half: the answers, in both dialects.
 *
 * I1: a call is freed exactly once: by its answer, or by the end of its stream before a handler had
 * it. I2: pool->body_bytes is the sum of the bodies of all calls of the pool.
 */
#include "server/net/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "server/net/connect.h"

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

struct call_peer *call_peer_ref(struct call_peer *peer)
{
    peer->refs++;
    return peer;
}

void call_peer_unref(struct call_peer *peer)
{
    if (peer == NULL || --peer->refs > 0)
        return;
    authz_roster_unref(peer->roster);
    free(peer);
}

/* --- the pool --- */

void call_pool_init(struct call_pool *pool)
{
    TAILQ_INIT(&pool->idle);
    TAILQ_INIT(&pool->woken);
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
    call->peer = call_peer_ref(peer);
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

static void call_free(struct call *call)
{
    struct call_pool *pool = call->pool;
    if (call->woken)
        TAILQ_REMOVE(&pool->woken, call, link);
    if (call->stream != NULL)
        stream_forget(call->stream);
    if (call->admitted)
        --*(call->watches ? &pool->watching : &pool->running);
    pool->body_bytes -= pl_buf_len(&call->body);
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

bool call_admit(struct call *call)
{
    struct call_pool *pool = call->pool;
    call->watches = call->method != NULL && call->method->long_lived;
    size_t *taken = call->watches ? &pool->watching : &pool->running;
    if (*taken >= (call->watches ? pool->watching_max : pool->running_max))
        return false;
    ++*taken;
    call->admitted = true;
    return true;
}

static struct pl_status keep_body(struct call *call, struct pl_slice bytes)
{
    if (call->dialect == CALL_GRPC)
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

struct pl_slice call_request_bytes(const struct call *call)
{
    return call->request_bytes;
}

const struct net_person *call_person(const struct call *call)
{
    return call->peer->match.person;
}

const char *call_identity(const struct call *call)
{
    return call->peer->match.identity;
}

const char *call_issuer(const struct call *call)
{
    return call->peer->match.issuer;
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
    if (call->stream == NULL || (call->waiting && stream_has_room(call->stream)))
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
    return (struct pl_slice){NULL, 0};
}

/* --- answers --- */

/* A message as it travels: behind `prefix` bytes of room. */
static struct pl_status encode(enum codec codec, const ProtobufCMessage *message, size_t prefix,
                               struct stream_chunk **ret)
{
    if (codec == CODEC_PROTO) {
        size_t len = protobuf_c_message_get_packed_size(message);
        struct stream_chunk *chunk = stream_chunk_new(prefix + len);
        (void)protobuf_c_message_pack(message, chunk->data + prefix);
        *ret = chunk;
        return pl_ok();
    }
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, SIZE_MAX / 2);
    PL_TRY(codec_encode(codec, message, &text));
    struct stream_chunk *chunk = stream_chunk_new(prefix + pl_buf_len(&text));
    memcpy(chunk->data + prefix, pl_buf_slice(&text).data, pl_buf_len(&text));
    *ret = chunk;
    return pl_ok();
}

static struct pl_status encode_grpc(const struct call *call, const ProtobufCMessage *message,
                                    struct stream_chunk **ret)
{
    PL_TRY(encode(call->codec, message, GRPC_PREFIX_BYTES, ret));
    grpc_put_prefix((*ret)->data, (*ret)->len - GRPC_PREFIX_BYTES);
    return pl_ok();
}

static size_t grpc_head(const struct call *call, struct stream_field head[2])
{
    head[0] = STREAM_FIELD(":status", "200");
    head[1] = STREAM_FIELD("content-type", call->answer_type);
    return 2;
}

/* Takes body (NULL: none) and frees nothing else. Answers hold other people's data: no cache may
 * keep them, no browser may guess their type. The length tells a client that is still sending that
 * it has the whole answer. */
static void answer_plain(struct call *call, const char *status, const char *type,
                         struct stream_chunk *body, const struct stream_field *more)
{
    char length[24];
    (void)snprintf(length, sizeof(length), "%zu", body == NULL ? (size_t)0 : body->len);
    struct stream_field head[6] = {
        STREAM_FIELD(":status", status),
        STREAM_FIELD("content-type", type),
        STREAM_FIELD("content-length", length),
        STREAM_FIELD("cache-control", "no-store"),
        STREAM_FIELD("x-content-type-options", "nosniff"),
    };
    size_t count = 5;
    if (more != NULL)
        head[count++] = *more;
    stream_answer(call->stream, head, count, body, NULL, 0);
}

static void reply_grpc(struct call *call, struct stream_chunk *body)
{
    struct stream_field head[2];
    const struct stream_field tail = STREAM_FIELD("grpc-status", "0");
    stream_answer(call->stream, head, grpc_head(call, head), body, &tail, 1);
}

void call_reply(struct call *call, const ProtobufCMessage *response)
{
    struct stream_chunk *body = NULL;
    struct pl_status status = pl_ok();
    PL_ASSERT(!call->method->server_streaming);
    if (call->stream == NULL) {
        call_free(call);
        return;
    }
    if (call->dialect == CALL_GRPC)
        status = encode_grpc(call, response, &body);
    else
        status = encode(call->codec, response, 0, &body);
    if (!pl_is_ok(status)) {
        call_fail(call, PL_E_INTERNAL, NULL, "the answer cannot be encoded");
        return;
    }
    if (call->dialect == CALL_GRPC)
        reply_grpc(call, body);
    else
        answer_plain(call, "200", call->answer_type, body, NULL);
    call_free(call);
}

/* Without any message before it, the status travels in the one HEADERS frame of the answer. */
static void fail_grpc(struct call *call, enum pl_code code, const Pledged__V1__Refusal *refusal,
                      const char *message)
{
    char number[12];
    struct stream_field head[2 + STREAM_TAIL_MAX];
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    struct pl_buf details PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, SIZE_MAX / 2);
    pl_buf_init(&details, SIZE_MAX / 2);
    (void)snprintf(number, sizeof(number), "%d", pl_code_grpc(code));
    size_t first = grpc_head(call, head), count = first;
    head[count++] = STREAM_FIELD("grpc-status", number);
    if (pl_is_ok(grpc_message(message, &text)) && pl_buf_len(&text) > 0)
        head[count++] = (struct stream_field){pl_slice_str("grpc-message"), pl_buf_slice(&text)};
    if (refusal != NULL && pl_is_ok(grpc_details(pl_code_grpc(code), message, refusal, &details)))
        head[count++] =
            (struct stream_field){pl_slice_str("grpc-status-details-bin"), pl_buf_slice(&details)};
    if (code == PL_E_UNIMPLEMENTED)
        head[count++] = STREAM_FIELD("grpc-accept-encoding", "identity");
    if (stream_answer_begun(call->stream))
        stream_answer_end(call->stream, head + first, count - first);
    else
        stream_answer(call->stream, head, count, NULL, NULL, 0);
}

static struct stream_chunk *chunk_of(struct pl_slice bytes, size_t prefix)
{
    struct stream_chunk *chunk = stream_chunk_new(prefix + bytes.len);
    if (bytes.len > 0)
        memcpy(chunk->data + prefix, bytes.data, bytes.len);
    return chunk;
}

static void fail_connect(struct call *call, const char *http_status, enum pl_code code,
                         const Pledged__V1__Refusal *refusal, const char *message)
{
    const struct stream_field accept = STREAM_FIELD("accept-encoding", "identity");
    struct pl_buf json PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&json, SIZE_MAX / 2);
    if (!pl_is_ok(connect_error(pl_code_connect(code), message, refusal, &json))) {
        pl_buf_clear(&json); /* a message that is not text: the code alone */
        (void)pl_is_ok(connect_error(pl_code_connect(code), "", NULL, &json));
    }
    answer_plain(call, http_status, connect_answer_type(CODEC_JSON),
                 chunk_of(pl_buf_slice(&json), 0), code == PL_E_UNIMPLEMENTED ? &accept : NULL);
}

/* A stream of the Connect protocol always answers 200 and says the error in its last message. */
static void fail_connect_stream(struct call *call, enum pl_code code,
                                const Pledged__V1__Refusal *refusal, const char *message)
{
    enum { END_STREAM_FLAG = 2 };
    struct pl_buf json PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&json, SIZE_MAX / 2);
    struct pl_status status = pl_buf_append_str(&json, "{\"error\":");
    if (pl_is_ok(status))
        status = connect_error(pl_code_connect(code), message, refusal, &json);
    if (pl_is_ok(status))
        status = pl_buf_append_str(&json, "}");
    if (!pl_is_ok(status)) {
        fail_connect(call, "500", code, NULL, "");
        return;
    }
    struct stream_chunk *chunk = chunk_of(pl_buf_slice(&json), GRPC_PREFIX_BYTES);
    grpc_put_prefix(chunk->data, pl_buf_len(&json));
    chunk->data[0] = END_STREAM_FLAG;
    answer_plain(call, "200", call->answer_type, chunk, NULL);
}

static void say_http(struct call *call, const char *status, const char *text,
                     const struct stream_field *field)
{
    bool head_only = pl_slice_eq_str(call->head.method, "HEAD");
    struct stream_chunk *body = head_only ? NULL : chunk_of(pl_slice_str(text), 0);
    answer_plain(call, status, "text/plain; charset=utf-8", body, field);
}

/* In the caller's dialect; the call stays. */
static void say_failure(struct call *call, const char *http_status, enum pl_code code,
                        const Pledged__V1__Refusal *refusal, const char *message)
{
    if (refusal != NULL && refusal->message != NULL && refusal->message[0] != '\0')
        message = refusal->message;
    else if (message == NULL)
        message = pl_code_words(code);
    switch (call->dialect) {
    case CALL_GRPC:
        fail_grpc(call, code, refusal, message);
        return;
    case CALL_CONNECT:
        fail_connect(call, http_status, code, refusal, message);
        return;
    case CALL_CONNECT_STREAM:
        fail_connect_stream(call, code, refusal, message);
        return;
    case CALL_HTTP:
        say_http(call, http_status, message, NULL);
        return;
    }
}

static void fail_any(struct call *call, const char *http_status, enum pl_code code,
                     const Pledged__V1__Refusal *refusal, const char *message)
{
    if (call->stream != NULL)
        say_failure(call, http_status, code, refusal, message);
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
                      const char *text)
{
    Pledged__V1__Refusal *refusal = codec_refusal(&call->arena, reason, "", text);
    if (refusal != NULL)
        refusal->retryable = pl_code_retryable(code);
    call_fail(call, code, refusal, text);
}

void call_fail_http(struct call *call, const char *status, const char *text,
                    const struct stream_field *field)
{
    if (call->stream != NULL)
        say_http(call, status, text, field);
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
    stream_forget(call->stream);
    call->stream = NULL;
    wake(call);
}

void call_answer(struct call *call, const struct net_answer *answer)
{
    char length[24];
    (void)snprintf(length, sizeof(length), "%zu", answer->body.len);
    struct stream_field head[5 + NET_HEADERS_MAX] = {
        STREAM_FIELD(":status", answer->status),
        STREAM_FIELD("content-type", answer->type),
        STREAM_FIELD("content-length", length),
        STREAM_FIELD("cache-control", answer->cache != NULL ? answer->cache : "no-store"),
        STREAM_FIELD("x-content-type-options", "nosniff"),
    };
    size_t count = 5;
    PL_ASSERT(call->resource != NULL && answer->more_count <= NET_HEADERS_MAX);
    for (size_t i = 0; i < answer->more_count; i++)
        head[count++] = STREAM_FIELD(answer->more[i].name, answer->more[i].value);
    if (call->stream != NULL) {
        bool head_only = pl_slice_eq_str(call->head.method, "HEAD");
        stream_answer(call->stream, head, count, head_only ? NULL : chunk_of(answer->body, 0), NULL,
                      0);
    }
    call_free(call);
}

/* --- streams of messages --- */

static void begin_stream(struct call *call)
{
    struct stream_field head[2];
    if (!stream_answer_begun(call->stream))
        stream_answer_begin(call->stream, head, grpc_head(call, head));
}

bool call_send(struct call *call, const ProtobufCMessage *message)
{
    struct stream_chunk *chunk = NULL;
    PL_ASSERT(call->method->server_streaming);
    if (call->stream == NULL)
        return false;
    struct pl_status status = encode_grpc(call, message, &chunk);
    PL_ASSERT(pl_is_ok(status)); /* protobuf cannot fail, and streams are gRPC only */
    begin_stream(call);
    stream_answer_push(call->stream, chunk);
    call->waiting = !stream_has_room(call->stream);
    return !call->waiting;
}

void call_end(struct call *call)
{
    PL_ASSERT(call->method->server_streaming);
    if (call->stream != NULL) {
        const struct stream_field tail = STREAM_FIELD("grpc-status", "0");
        begin_stream(call);
        stream_answer_end(call->stream, &tail, 1);
    }
    call_free(call);
}
