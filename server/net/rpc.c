/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc: see rpc.h. The checks return false when they have answered the call (which is then gone).
 */
#include "server/net/rpc.h"

#include <string.h>

#include "common/check.h"
#include "server/net/connect.h"
#include "server/net/duplex.h"
#include "server/net/quota.h"

enum { ELEMENTS_MAX = 4096 };

static struct rpc *rpc_of(const struct call *call)
{
    return (struct rpc *)call->pool;
}

static void *on_open(void *arg, struct stream *stream)
{
    struct rpc_client *client = arg;
    struct call *call = call_new(&client->rpc->pool, stream, client->peer);
    call->draining = client->draining;
    return call;
}

/* --- the head --- */

#define HEAD(name, member)                                                                         \
    {                                                                                              \
        name, sizeof(name) - 1, offsetof(struct call_head, member)                                 \
    }
static const struct {
    const char *name;
    size_t len, offset;
} fields[] = {
    HEAD(":method", method),
    HEAD(":path", path),
    HEAD(":authority", authority),
    HEAD("host", authority),
    HEAD("content-type", content_type),
    HEAD("grpc-timeout", grpc_timeout),
    HEAD("grpc-encoding", grpc_encoding),
    HEAD("connect-protocol-version", connect_version),
    HEAD("connect-timeout-ms", connect_timeout),
    HEAD("content-encoding", content_encoding),
    HEAD("connect-content-encoding", connect_encoding),
    HEAD("origin", origin),
    HEAD("sec-fetch-site", fetch_site),
    HEAD("if-none-match", if_none_match),
    HEAD("accept-language", accept_language),
    HEAD("accept", accept),
};

static void on_header(void *user, struct pl_slice name, struct pl_slice value)
{
    struct call *call = user;
    for (size_t i = 0; i < PL_COUNT(fields); i++) {
        if (name.len != fields[i].len || memcmp(name.data, fields[i].name, name.len) != 0)
            continue;
        struct pl_slice *place = (struct pl_slice *)((char *)&call->head + fields[i].offset);
        /* the first one counts; header bytes are limited, and so is the arena */
        if (place->data == NULL)
            *place = pl_slice(pl_arena_memdup(&call->arena, value.data, value.len), value.len);
        if (place->data == NULL)
            place->len = 0;
        return;
    }
}

/* A browser sends its certificate along with whatever any page makes it send. */
static bool check_origin(struct call *call)
{
    struct pl_slice origin = call->head.origin, authority = call->head.authority;
    bool foreign = pl_slice_eq_str(call->head.fetch_site, "cross-site");
    if (origin.data != NULL) {
        static const char scheme[] = "https://";
        size_t len = sizeof(scheme) - 1;
        foreign = foreign || origin.len < len || memcmp(origin.data, scheme, len) != 0 ||
                  !pl_slice_eq(pl_slice(origin.data + len, origin.len - len), authority);
    }
    if (foreign)
        call_fail_http(call, "403", "requests from other sites are refused\n", NULL);
    return !foreign;
}

static bool answer_verb(struct call *call, const char *allowed)
{
    const struct stream_field allow = STREAM_FIELD("allow", allowed);
    call_fail_http(call, "405", "this verb is not for this path\n", &allow);
    return false;
}

#define FRAMED_TYPES                                                                               \
    "application/grpc, application/grpc+proto, application/grpc+json, application/grpc-web, "      \
    "application/grpc-web+proto, application/grpc-web+json, application/grpc-web-text, "           \
    "application/grpc-web-text+proto"
#define UNARY_TYPES  "application/json, application/proto"
#define STREAM_TYPES "application/connect+json, application/connect+proto"

static bool answer_type(struct call *call)
{
    const struct net_method *method = call->method; /* NULL: not looked for yet */
    const char *types = FRAMED_TYPES ", " UNARY_TYPES ", " STREAM_TYPES;
    const char *text = "use content-type application/json, application/proto or application/grpc\n";
    if (method != NULL && method->server_streaming) {
        types = FRAMED_TYPES ", " STREAM_TYPES;
        text = "this method answers with a stream: use content-type application/connect+json, "
               "application/connect+proto or application/grpc\n";
    } else if (method != NULL) {
        types = FRAMED_TYPES ", " UNARY_TYPES;
    }
    const struct stream_field accept = STREAM_FIELD("accept-post", types);
    call_fail_http(call, "415", text, &accept);
    return false;
}

static bool classify_connect(struct call *call)
{
    enum codec codec = CODEC_PROTO;
    enum connect_kind kind = connect_content_type(call->head.content_type, &codec);
    if (kind == CONNECT_NOT)
        return answer_type(call);
    call->dialect = kind == CONNECT_STREAM ? CALL_CONNECT_STREAM : CALL_CONNECT;
    call->answer_type = connect_answer_type(codec, kind == CONNECT_STREAM);
    call->codec = codec;
    return true;
}

static bool classify_post(struct call *call)
{
    call->answer_type = grpcweb_answer_type(call->head.content_type, &call->codec, &call->text);
    if (call->answer_type == NULL)
        return classify_connect(call);
    call->dialect = CALL_GRPC_WEB;
    return true;
}

static bool classify(struct call *call)
{
    bool post = pl_slice_eq_str(call->head.method, "POST");
    if (rpc_of(call)->get_only && post)
        return answer_verb(call, "GET");
    if (grpc_is_content_type(call->head.content_type)) {
        if (!post)
            return answer_verb(call, "POST");
        call->answer_type = grpc_answer_type(call->head.content_type, &call->codec);
        if (call->answer_type == NULL)
            return answer_type(call);
        call->dialect = CALL_GRPC;
        return true;
    }
    if (post)
        return classify_post(call);
    if (!pl_slice_eq_str(call->head.method, "GET"))
        return answer_verb(call, "GET, POST");
    call->dialect = CALL_CONNECT;
    call->answer_type = connect_answer_type(CODEC_JSON, false);
    return true;
}

static const struct net_method *find_method(const struct rpc *rpc, struct pl_slice path)
{
    for (size_t i = 0; i < rpc->method_count; i++) {
        if (pl_slice_eq_str(path, rpc->methods[i].path))
            return &rpc->methods[i];
    }
    return NULL;
}

static bool route(struct call *call, struct pl_slice path, bool get)
{
    const struct rpc *rpc = rpc_of(call);
    call->method = find_method(rpc, path);
    if (call->method == NULL) {
        if (call->dialect == CALL_CONNECT_STREAM)
            call->dialect = CALL_CONNECT; /* what is not there has no streams */
        call_fail_status(call, "404", PL_E_UNIMPLEMENTED, "no such method");
        return false;
    }
    if (get && (!call->method->no_side_effects || call->method->server_streaming))
        return answer_verb(call, "POST");
    /* browsers cannot send them, but other clients of gRPC-Web do */
    if (call->text && call->method->client_streaming) {
        call_fail(call, PL_E_UNIMPLEMENTED, NULL,
                  "gRPC-Web in base64 cannot carry streams of requests");
        return false;
    }
    if (call->dialect == CALL_CONNECT_STREAM
            ? !call->method->server_streaming
            : call->dialect == CALL_CONNECT && call->method->server_streaming)
        return answer_type(call);
    call->bytes_max =
        call->method->request_bytes_max != 0 ? call->method->request_bytes_max : rpc->request_bytes;
    return true;
}

static bool take_query(struct call *call, struct pl_slice query)
{
    struct connect_query parsed;
    struct pl_status status = connect_parse_query(query, &call->arena, &parsed);
    if (!pl_is_ok(status)) {
        if (parsed.codec_unknown)
            call_fail_status(call, "415", status.code, status.what);
        else
            call_fail(call, status.code, NULL, status.what);
        return false;
    }
    call->codec = parsed.codec;
    call->answer_type = connect_answer_type(parsed.codec, false);
    call->query = parsed.message;
    return true;
}

static bool is_identity(struct pl_slice encoding)
{
    return encoding.len == 0 || pl_slice_eq_str(encoding, "identity");
}

static bool is_grpc(const struct call *call) /* with or without Web */
{
    return call->dialect == CALL_GRPC || call->dialect == CALL_GRPC_WEB;
}

static bool check_encoding(struct call *call)
{
    struct pl_slice encoding = call->head.content_encoding;
    if (is_grpc(call))
        encoding = call->head.grpc_encoding;
    else if (call->dialect == CALL_CONNECT_STREAM && is_identity(encoding))
        encoding = call->head.connect_encoding;
    if (is_identity(encoding))
        return true;
    call_fail(call, PL_E_UNIMPLEMENTED, NULL, "compression is not supported; use identity");
    return false;
}

static bool check_version(struct call *call)
{
    struct pl_slice version = call->head.connect_version;
    if (is_grpc(call) || version.data == NULL || pl_slice_eq_str(version, "1"))
        return true;
    call_fail(call, PL_E_INVALID, NULL, "connect-protocol-version must be 1");
    return false;
}

static bool take_timeout(struct call *call)
{
    bool grpc = is_grpc(call);
    struct pl_slice text = grpc ? call->head.grpc_timeout : call->head.connect_timeout;
    int64_t timeout_ns = 0;
    if (text.data == NULL)
        return true;
    struct pl_status status =
        grpc ? grpc_timeout(text, &timeout_ns) : connect_timeout(text, &timeout_ns);
    if (!pl_is_ok(status)) {
        call_fail(call, status.code, NULL, status.what);
        return false;
    }
    if (__builtin_add_overflow(call->began_ns, timeout_ns, &call->deadline_ns))
        call->deadline_ns = INT64_MAX;
    return true;
}

static bool check_quota(struct call *call)
{
    struct rpc *rpc = rpc_of(call);
    struct quota_slot *slot = call->peer->quota;
    if (slot == NULL || quota_request(slot, rpc->person_requests_per_s, rpc->person_burst,
                                      rpc->clock->mono_ns(rpc->clock)))
        return true;
    rpc->over_quota++;
    call_fail_reason(call, PL_E_BUSY, PLEDGED__V1__REASON__REASON_BUSY, "",
                     "too many requests with this certificate; try again a little later");
    return false;
}

static bool check_person(struct call *call)
{
    if (!check_quota(call))
        return false;

    uint32_t roles = call->resource != NULL ? call->resource->roles : call->method->roles;
    const struct net_person *person = call->peer->match.person;
    if (person == NULL) {
        call_fail_reason(call, PL_E_UNAUTHENTICATED, PLEDGED__V1__REASON__REASON_UNAUTHENTICATED,
                         "", "no person of the roster has this certificate");
        return false;
    }
    if ((roles & (1u << person->role)) == 0) {
        call_fail_reason(call, PL_E_DENIED, PLEDGED__V1__REASON__REASON_PERMISSION_DENIED, "",
                         "this role may not call this method");
        return false;
    }
    return true;
}

static const struct net_resource *find_resource(const struct rpc *rpc, struct pl_slice path)
{
    for (size_t i = 0; i < rpc->resource_count; i++) {
        const struct net_resource *resource = &rpc->resources[i];
        size_t len = strlen(resource->path);
        bool under = len > 1 && resource->path[len - 1] == '/' && path.len > len &&
                     memcmp(path.data, resource->path, len) == 0;
        if (under || pl_slice_eq_str(path, resource->path))
            return resource;
    }
    return NULL;
}

/* Resources change nothing and other sites cannot read them: a link from anywhere may lead here. */
static bool take_resource(struct call *call)
{
    if (!pl_slice_eq_str(call->head.method, "GET") && !pl_slice_eq_str(call->head.method, "HEAD"))
        return false;
    call->resource = find_resource(rpc_of(call), call_path(call));
    return call->resource != NULL;
}

static bool decode(struct call *call);

static void on_head(void *user)
{
    struct call *call = user;
    struct pl_slice path = call->head.path, query = {NULL, 0};
    const uint8_t *mark = path.len == 0 ? NULL : memchr(path.data, '?', path.len);
    bool get = pl_slice_eq_str(call->head.method, "GET");
    rpc_of(call)->requests++;
    call->began_ns = rpc_of(call)->clock->mono_ns(rpc_of(call)->clock);
    if (take_resource(call)) {
        if (check_person(call) && !call_admit(call))
            call_fail_busy(call);
        return;
    }
    if (mark != NULL) {
        path.len = (size_t)(mark - path.data);
        query = pl_slice(mark + 1, call->head.path.len - path.len - 1);
    }
    if (!check_origin(call) || !classify(call) || !route(call, path, get))
        return;
    if (get && !take_query(call, query))
        return;
    if (!check_encoding(call) || !check_version(call) || !take_timeout(call) || !check_person(call))
        return;
    if (!call_admit(call))
        call_fail_busy(call);
    else if (call->method->client_streaming)
        duplex_begin(call, decode);
}

/* --- the body --- */

static void on_body(void *user, struct pl_slice bytes)
{
    struct call *call = user;
    if (call->query.data != NULL || call->resource != NULL)
        return; /* a GET has its message already; what else it brings is dropped */
    if (call->method->client_streaming) {
        duplex_body(call, bytes);
        return;
    }
    struct pl_status status = call_keep_body(call, bytes);
    if (!pl_is_ok(status))
        call_fail_body(call, status);
}

static bool decode(struct call *call)
{
    struct codec_request request = {
        .codec = call->codec,
        .type = call->method->input,
        .bytes = call->query.data != NULL ? call->query : pl_buf_slice(&call->body),
        .elements_max = call->method->elements_max != 0 ? call->method->elements_max : ELEMENTS_MAX,
    };
    Pledged__V1__Refusal *why = NULL;
    struct pl_status status =
        codec_decode(&request, &call->arena, &call->request, &call->request_bytes, &why);
    if (pl_is_ok(status))
        return true;
    call_fail(call, status.code, why, status.what);
    return false;
}

static bool check_complete(struct call *call)
{
    const struct rpc *rpc = rpc_of(call);
    struct pl_status status = pl_ok();
    if (call->text && !grpcweb_text_complete(&call->text_reader))
        status = pl_fail(INVALID, "the request ends in the middle of its base64");
    else if (call->dialect != CALL_CONNECT)
        status = grpc_read_end(&call->reader);
    if (!pl_is_ok(status)) {
        call_fail(call, status.code, NULL, status.what);
        return false;
    }
    if (call->deadline_ns != 0 && rpc->clock->mono_ns(rpc->clock) >= call->deadline_ns) {
        call_fail_reason(call, PL_E_TIMEOUT, PLEDGED__V1__REASON__REASON_DEADLINE, "",
                         "the deadline passed before the call was taken up: nothing happened");
        return false;
    }
    return true;
}

static bool check_room(struct call *call)
{
    if (call->method->has_room == NULL || call->method->has_room(call->pool->user))
        return true;
    call_fail_busy(call);
    return false;
}

static void on_request(void *user)
{
    struct call *call = user;
    if (call->resource != NULL) {
        call->phase = CALL_RUNNING;
        call->resource->handle(call, call->pool->user);
        return;
    }
    if (call->method->client_streaming) {
        duplex_end(call);
        return;
    }
    if (!check_complete(call) || !check_room(call) || !decode(call))
        return;
    call->phase = CALL_RUNNING;
    call->method->handle(call, call->pool->user);
}

static void on_late(void *user)
{
    call_fail_reason(user, PL_E_TIMEOUT, PLEDGED__V1__REASON__REASON_DEADLINE, "",
                     "the request did not become complete in time");
}

static void on_close(void *user)
{
    call_stream_closed(user);
}

static void on_drain(void *user)
{
    call_drain(user);
}

static void on_cut(void *user, enum pl_code code)
{
    call_cut(user, code);
}

static void on_room(void *user)
{
    call_stream_has_room(user);
}

const struct stream_events rpc_events = {
    .on_open = on_open,
    .on_header = on_header,
    .on_head = on_head,
    .on_body = on_body,
    .on_request = on_request,
    .on_room = on_room,
    .on_late = on_late,
    .on_close = on_close,
    .on_drain = on_drain,
    .on_cut = on_cut,
};
