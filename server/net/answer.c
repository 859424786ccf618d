/* SPDX-License-Identifier: Apache-2.0
 *
 * answer: see answer.h.
 */
#include "server/net/answer.h"

#include <stdio.h>
#include <string.h>

#include "common/base64.h"
#include "common/check.h"
#include "common/pack.h"
#include "server/net/connect.h"
#include "server/net/grpcweb.h"

/* --- pieces --- */

/* A message as it travels: behind `prefix` bytes of room, before `suffix`. */
static struct pl_status encode(enum codec codec, const ProtobufCMessage *message, size_t prefix,
                               size_t suffix, struct stream_chunk **ret)
{
    struct pl_slice packed = codec == CODEC_PROTO ? pl_packed(message) : pl_slice(NULL, 0);
    if (packed.data != NULL) {
        *ret = stream_chunk_new(prefix + packed.len + suffix);
        memcpy((*ret)->data + prefix, packed.data, packed.len);
        return pl_ok();
    }
    if (codec == CODEC_PROTO) {
        size_t len = protobuf_c_message_get_packed_size(message);
        struct stream_chunk *chunk = stream_chunk_new(prefix + len + suffix);
        (void)protobuf_c_message_pack(message, chunk->data + prefix);
        *ret = chunk;
        return pl_ok();
    }
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, SIZE_MAX / 2);
    PL_TRY(codec_encode(codec, message, &text));
    struct stream_chunk *chunk = stream_chunk_new(prefix + pl_buf_len(&text) + suffix);
    memcpy(chunk->data + prefix, pl_buf_slice(&text).data, pl_buf_len(&text));
    *ret = chunk;
    return pl_ok();
}

/* The same in a frame of gRPC, which Connect's streams share. */
static struct pl_status encode_framed(const struct call *call, const ProtobufCMessage *message,
                                      size_t suffix, struct stream_chunk **ret)
{
    PL_TRY(encode(call->codec, message, GRPC_PREFIX_BYTES, suffix, ret));
    PL_ASSERT(*ret != NULL);
    grpc_put_prefix((*ret)->data, (*ret)->len - GRPC_PREFIX_BYTES - suffix);
    return pl_ok();
}

static struct stream_chunk *chunk_of(struct pl_slice bytes, size_t prefix)
{
    struct stream_chunk *chunk = stream_chunk_new(prefix + bytes.len);
    if (bytes.len > 0)
        memcpy(chunk->data + prefix, bytes.data, bytes.len);
    return chunk;
}

static struct stream_chunk *frame_of(struct pl_slice bytes, uint8_t flag)
{
    struct stream_chunk *chunk = chunk_of(bytes, GRPC_PREFIX_BYTES);
    grpc_put_prefix(chunk->data, bytes.len);
    chunk->data[0] = flag;
    return chunk;
}

/* Takes the chunk; in the text form of gRPC-Web it travels as base64, each one by itself. */
static struct stream_chunk *as_text(const struct call *call, struct stream_chunk *chunk)
{
    if (!call->text)
        return chunk;
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, SIZE_MAX / 2);
    struct pl_status status = pl_base64(&text, pl_slice(chunk->data, chunk->len), true);
    PL_ASSERT(pl_is_ok(status)); /* such a buffer has no ceiling */
    stream_chunk_free(chunk);
    return chunk_of(pl_buf_slice(&text), 0);
}

/* --- heads --- */

static size_t grpc_head(const struct call *call, struct stream_field head[2])
{
    head[0] = STREAM_FIELD(":status", "200");
    head[1] = STREAM_FIELD("content-type", call->answer_type);
    return 2;
}

/* Answers hold other people's data: no cache may keep them, no browser may guess their type. */
enum { PLAIN_HEAD = 4 };
static size_t plain_head(struct stream_field head[PLAIN_HEAD], const char *status, const char *type)
{
    head[0] = STREAM_FIELD(":status", status);
    head[1] = STREAM_FIELD("content-type", type);
    head[2] = STREAM_FIELD("cache-control", "no-store");
    head[3] = STREAM_FIELD("x-content-type-options", "nosniff");
    return PLAIN_HEAD;
}

/* Takes body (NULL: none). The length tells a client that is still sending that it has the whole
 * answer. */
static void answer_plain(struct call *call, const char *status, const char *type,
                         struct stream_chunk *body, const struct stream_field *more)
{
    char length[24];
    struct stream_field head[PLAIN_HEAD + 2];
    (void)snprintf(length, sizeof(length), "%zu", body == NULL ? (size_t)0 : body->len);
    size_t count = plain_head(head, status, type);
    head[count++] = STREAM_FIELD("content-length", length);
    if (more != NULL)
        head[count++] = *more;
    stream_answer(call->stream, head, count, body, NULL, 0);
}

/* --- one message --- */

struct pl_status answer_reply(struct call *call, const ProtobufCMessage *response)
{
    const struct stream_field tail = STREAM_FIELD("grpc-status", "0");
    struct stream_field head[2];
    struct stream_chunk *body = NULL;
    switch (call->dialect) {
    case CALL_GRPC:
        PL_TRY(encode_framed(call, response, 0, &body));
        stream_answer(call->stream, head, grpc_head(call, head), body, &tail, 1);
        return pl_ok();
    case CALL_GRPC_WEB:
        PL_TRY(encode_framed(call, response, GRPCWEB_OK_BYTES, &body));
        PL_ASSERT(body != NULL);
        grpcweb_put_ok(body->data + body->len - GRPCWEB_OK_BYTES);
        answer_plain(call, "200", call->answer_type, as_text(call, body), NULL);
        return pl_ok();
    case CALL_CONNECT:
        PL_TRY(encode(call->codec, response, 0, 0, &body));
        answer_plain(call, "200", call->answer_type, body, NULL);
        return pl_ok();
    case CALL_CONNECT_STREAM: /* no way leads here: rpc refuses them for unary methods */
    case CALL_HTTP:
        break;
    }
    return pl_fail(INTERNAL, "answer a call that is not unary");
}

/* --- streams of messages --- */

static void begin_stream(struct call *call)
{
    struct stream_field head[PLAIN_HEAD];
    if (stream_answer_begun(call->stream))
        return;
    size_t count = call->dialect == CALL_GRPC ? grpc_head(call, head)
                                              : plain_head(head, "200", call->answer_type);
    stream_answer_begin(call->stream, head, count);
}

struct pl_status answer_send(struct call *call, const ProtobufCMessage *message)
{
    struct stream_chunk *chunk = NULL;
    PL_TRY(encode_framed(call, message, 0, &chunk));
    PL_ASSERT(chunk != NULL);
    begin_stream(call);
    stream_answer_push(call->stream, as_text(call, chunk));
    return pl_ok();
}

/* Takes the last frame of a dialect that has no trailers. */
static void end_with(struct call *call, struct stream_chunk *last)
{
    begin_stream(call);
    stream_answer_push(call->stream, as_text(call, last));
    stream_answer_end(call->stream, NULL, 0);
}

void answer_end(struct call *call)
{
    const struct stream_field tail = STREAM_FIELD("grpc-status", "0");
    if (call->dialect == CALL_GRPC) {
        begin_stream(call);
        stream_answer_end(call->stream, &tail, 1);
    } else if (call->dialect == CALL_GRPC_WEB) {
        struct stream_chunk *last = stream_chunk_new(GRPCWEB_OK_BYTES);
        grpcweb_put_ok(last->data);
        end_with(call, last);
    } else {
        end_with(call, frame_of(pl_slice_str("{}"), CONNECT_END_FLAG));
    }
}

/* --- failures --- */

/* The fields of a status, as gRPC and gRPC-Web say it. */
struct trailers {
    char number[12];
    struct pl_buf text, details;
    struct stream_field field[STREAM_TAIL_MAX];
    size_t count;
};

static void trailers_fini(struct trailers *trailers)
{
    pl_buf_fini(&trailers->text);
    pl_buf_fini(&trailers->details);
}

static void trailers_init(struct trailers *out, enum pl_code code,
                          const Pledged__V1__Refusal *refusal, const char *message)
{
    int number = pl_code_grpc(code);
    pl_buf_init(&out->text, SIZE_MAX / 2);
    pl_buf_init(&out->details, SIZE_MAX / 2);
    (void)snprintf(out->number, sizeof(out->number), "%d", number);
    out->count = 0;
    out->field[out->count++] = STREAM_FIELD("grpc-status", out->number);
    if (pl_is_ok(grpc_message(message, &out->text)) && pl_buf_len(&out->text) > 0)
        out->field[out->count++] =
            (struct stream_field){pl_slice_str("grpc-message"), pl_buf_slice(&out->text)};
    if (refusal != NULL && pl_is_ok(grpc_details(number, message, refusal, &out->details)))
        out->field[out->count++] = (struct stream_field){pl_slice_str("grpc-status-details-bin"),
                                                         pl_buf_slice(&out->details)};
    if (code == PL_E_UNIMPLEMENTED)
        out->field[out->count++] = STREAM_FIELD("grpc-accept-encoding", "identity");
}

/* Without any message before it, the status travels in the one HEADERS frame of the answer. */
static void fail_grpc(struct call *call, const struct trailers *trailers)
{
    struct stream_field head[2 + STREAM_TAIL_MAX];
    if (stream_answer_begun(call->stream)) {
        stream_answer_end(call->stream, trailers->field, trailers->count);
        return;
    }
    size_t count = grpc_head(call, head);
    memcpy(head + count, trailers->field, trailers->count * sizeof(head[0]));
    stream_answer(call->stream, head, count + trailers->count, NULL, NULL, 0);
}

static void fail_grpcweb(struct call *call, const struct trailers *trailers)
{
    struct pl_buf block PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&block, SIZE_MAX / 2);
    for (size_t i = 0; i < trailers->count; i++) {
        struct pl_status status =
            grpcweb_put_trailer(&block, trailers->field[i].name, trailers->field[i].value);
        PL_ASSERT(pl_is_ok(status)); /* such a buffer has no ceiling */
    }
    struct stream_chunk *last = frame_of(pl_buf_slice(&block), GRPCWEB_TRAILER_FLAG);
    if (stream_answer_begun(call->stream))
        end_with(call, last);
    else
        answer_plain(call, "200", call->answer_type, as_text(call, last), NULL);
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
    answer_plain(call, http_status, connect_answer_type(CODEC_JSON, false),
                 chunk_of(pl_buf_slice(&json), 0), code == PL_E_UNIMPLEMENTED ? &accept : NULL);
}

/* HTTP says 200, whatever happened, and the last message says the rest. */
static void fail_connect_stream(struct call *call, enum pl_code code,
                                const Pledged__V1__Refusal *refusal, const char *message)
{
    const struct stream_field accept = STREAM_FIELD("connect-accept-encoding", "identity");
    struct pl_buf json PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&json, SIZE_MAX / 2);
    if (!pl_is_ok(connect_end_error(pl_code_connect(code), message, refusal, &json))) {
        pl_buf_clear(&json);
        (void)pl_is_ok(connect_end_error(pl_code_connect(code), "", NULL, &json));
    }
    struct stream_chunk *last = frame_of(pl_buf_slice(&json), CONNECT_END_FLAG);
    if (stream_answer_begun(call->stream))
        end_with(call, last);
    else
        answer_plain(call, "200", call->answer_type, last,
                     code == PL_E_UNIMPLEMENTED ? &accept : NULL);
}

void answer_fail(struct call *call, const char *http_status, enum pl_code code,
                 const Pledged__V1__Refusal *refusal, const char *message)
{
    switch (call->dialect) {
    case CALL_GRPC:
    case CALL_GRPC_WEB: {
        struct trailers trailers PL_CLEANUP(trailers_fini);
        trailers_init(&trailers, code, refusal, message);
        if (call->dialect == CALL_GRPC)
            fail_grpc(call, &trailers);
        else
            fail_grpcweb(call, &trailers);
        break;
    }
    case CALL_CONNECT:
        fail_connect(call, http_status, code, refusal, message);
        break;
    case CALL_CONNECT_STREAM:
        fail_connect_stream(call, code, refusal, message);
        break;
    case CALL_HTTP:
        answer_http(call, http_status, message, NULL);
        break;
    }
}

/* --- plain HTTP --- */

static bool asks_for_head_only(const struct call *call)
{
    return pl_slice_eq_str(call->head.method, "HEAD");
}

void answer_http(struct call *call, const char *status, const char *text,
                 const struct stream_field *field)
{
    struct stream_chunk *body = asks_for_head_only(call) ? NULL : chunk_of(pl_slice_str(text), 0);
    answer_plain(call, status, "text/plain; charset=utf-8", body, field);
}

void answer_resource(struct call *call, const struct net_answer *answer)
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
    PL_ASSERT(answer->more_count <= NET_HEADERS_MAX);
    for (size_t i = 0; i < answer->more_count; i++)
        head[count++] = STREAM_FIELD(answer->more[i].name, answer->more[i].value);
    stream_answer(call->stream, head, count,
                  asks_for_head_only(call) ? NULL : chunk_of(answer->body, 0), NULL, 0);
}
