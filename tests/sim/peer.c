/* SPDX-License-Identifier: Apache-2.0
 *
 * peer: see peer.h.
 */
#include "tests/sim/peer.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/base64.h"
#include "common/check.h"
#include "common/json.h"
#include "common/scan.h"
#include "tests/sim/badge.h"
#include "tests/sim/front.h"
#include "tests/sim/h1_answer.h"
#include "tests/sim/wire.h"

enum { PREFIX_BYTES = 5, ANSWER_MAX = 1 << 20, CONNECT_END_FLAG = 2, WEB_END_FLAG = 0x80 };

struct quantum { /* of base64: four characters, three bytes */
    char text[4];
    size_t count;
};

struct peer {
    bool connected, h1, stream_asked, json, get, file, text, apart;
    enum peer_dialect dialect;
    const ProtobufCMessageDescriptor *output; /* of an answer in JSON */
    struct pl_buf read;                       /* that answer, packed */
    nghttp2_session *session;                 /* of HTTP/2 */
    struct h1_answer line;                    /* of HTTP/1.1 */
    int link;
    int32_t stream;
    enum peer_state state;
    struct pl_buf request; /* prefix and message */
    size_t sent;
    struct pl_buf out; /* bytes that the wire did not take */
    struct pl_buf body;
    struct quantum quantum; /* of text that is on its way into the body */
    struct pl_arena arena;  /* of details */
    struct pl_slice refusal;
    int http_status;
    int grpc_status;
    size_t end_bytes; /* of the body: Connect's last message, which says how the stream ended */
};

static struct peer_report report;

struct peer_report peer_take_report(void)
{
    struct peer_report taken = report;
    report = (struct peer_report){0};
    return taken;
}

struct peer *peer_new(void)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    PL_ASSERT(peer != NULL);
    pl_buf_init(&peer->request, ANSWER_MAX);
    pl_buf_init(&peer->out, ANSWER_MAX);
    pl_buf_init(&peer->body, ANSWER_MAX);
    pl_buf_init(&peer->read, ANSWER_MAX);
    h1_answer_init(&peer->line, ANSWER_MAX);
    pl_arena_init(&peer->arena, ANSWER_MAX);
    return peer;
}

void peer_hang_up(struct peer *peer)
{
    if (!peer->connected)
        return;
    nghttp2_session_del(peer->session);
    peer->session = NULL;
    peer->connected = false;
    wire_close(peer->link);
    if (peer->state == PEER_WAITS)
        peer->state = PEER_LOST;
}

void peer_free(struct peer *peer)
{
    if (peer == NULL)
        return;
    peer_hang_up(peer);
    pl_buf_fini(&peer->request);
    pl_buf_fini(&peer->out);
    pl_buf_fini(&peer->body);
    pl_buf_fini(&peer->read);
    h1_answer_fini(&peer->line);
    pl_arena_fini(&peer->arena);
    free(peer);
}

/* --- how it ended --- */

/* value of google.protobuf.Any, third field of google.rpc.Status */
static struct pl_slice refusal_in(struct pl_slice details)
{
    struct pl_slice any, value;
    size_t at = 0, value_at = 0;
    if (!pl_wire_next(details, 3, &at, &any) || !pl_wire_next(any, 2, &value_at, &value))
        return pl_slice(NULL, 0);
    return value;
}

static int code_of(struct pl_slice json)
{
    static const char *const words[] = {"",
                                        "canceled",
                                        "unknown",
                                        "invalid_argument",
                                        "deadline_exceeded",
                                        "not_found",
                                        "already_exists",
                                        "permission_denied",
                                        "resource_exhausted",
                                        "failed_precondition",
                                        "aborted",
                                        "out_of_range",
                                        "unimplemented",
                                        "internal",
                                        "unavailable",
                                        "data_loss",
                                        "unauthenticated"};
    char mark[40];
    for (int i = 1; i < (int)PL_COUNT(words); i++) {
        int len = snprintf(mark, sizeof(mark), "\"code\":\"%s\"", words[i]);
        if (memmem(json.data, json.len, mark, (size_t)len) != NULL)
            return i;
    }
    return -1;
}

/* What a failure says in JSON: a code's word, and the refusal in base64. */
static void read_error(struct peer *peer, struct pl_slice json)
{
    static const char mark[] = "\"value\":\"";
    peer->grpc_status = code_of(json);
    const uint8_t *at = memmem(json.data, json.len, mark, sizeof(mark) - 1);
    if (at == NULL)
        return;
    at += sizeof(mark) - 1;
    size_t left = json.len - (size_t)(at - json.data);
    const uint8_t *end = memchr(at, '"', left);
    PL_ASSERT(end != NULL);
    struct pl_status status =
        pl_unbase64(pl_slice(at, (size_t)(end - at)), &peer->arena, &peer->refusal);
    PL_ASSERT(pl_is_ok(status));
}

static size_t message_bytes(struct pl_slice rest)
{
    const uint8_t *head = rest.data;
    size_t len = PREFIX_BYTES +
                 ((size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4]);
    return len;
}

/* "grpc-status:5\r\ngrpc-status-details-bin:...\r\n" */
static void read_trailers(struct peer *peer, struct pl_slice text)
{
    static const char status_mark[] = "grpc-status:", details_mark[] = "grpc-status-details-bin:";
    const uint8_t *at = memmem(text.data, text.len, status_mark, sizeof(status_mark) - 1);
    PL_ASSERT(at != NULL);
    peer->grpc_status = 0;
    for (at += sizeof(status_mark) - 1; *at >= '0' && *at <= '9'; at++)
        peer->grpc_status = peer->grpc_status * 10 + (*at - '0');
    at = memmem(text.data, text.len, details_mark, sizeof(details_mark) - 1);
    if (at == NULL)
        return;
    at += sizeof(details_mark) - 1;
    const uint8_t *end = memchr(at, '\r', (size_t)(text.data + text.len - at));
    PL_ASSERT(end != NULL);
    struct pl_slice details;
    struct pl_status status = pl_unbase64(pl_slice(at, (size_t)(end - at)), &peer->arena, &details);
    PL_ASSERT(pl_is_ok(status));
    peer->refusal = refusal_in(details);
}

/* The last message, which says how it ended; without one it is cut off. */
static void read_end(struct peer *peer)
{
    struct pl_slice rest = pl_buf_slice(&peer->body);
    const uint8_t flag = peer->dialect == PEER_WEB ? WEB_END_FLAG : CONNECT_END_FLAG;
    while (rest.len >= PREFIX_BYTES) {
        size_t len = message_bytes(rest);
        PL_ASSERT(len <= rest.len);
        if ((rest.data[0] & flag) == 0) {
            rest = pl_slice(rest.data + len, rest.len - len);
            continue;
        }
        struct pl_slice said = pl_slice(rest.data + PREFIX_BYTES, len - PREFIX_BYTES);
        PL_ASSERT(len == rest.len);
        peer->end_bytes = len;
        if (peer->dialect == PEER_WEB)
            read_trailers(peer, said);
        else if (said.len > 2)
            read_error(peer, said);
        else
            peer->grpc_status = 0;
        return;
    }
}

/* The message, in whatever it is written. */
static struct pl_slice message_of(const struct peer *peer)
{
    struct pl_slice body = pl_buf_slice(&peer->body);
    body.len -= peer->end_bytes;
    if (peer->dialect == PEER_CONNECT && !peer->stream_asked)
        return body;
    return body.len < PREFIX_BYTES ? pl_slice(NULL, 0)
                                   : pl_slice(body.data + PREFIX_BYTES, body.len - PREFIX_BYTES);
}

/* Who reads JSON wants what a program would make of it; `framed`: behind its length. */
static void read_json(struct peer *peer, struct pl_slice json, bool framed)
{
    ProtobufCMessage *message = NULL;
    struct pl_json_error error;
    struct pl_arena arena; /* a stream has no end */
    pl_arena_init(&arena, ANSWER_MAX);
    struct pl_status status = pl_json_parse(json, peer->output, &arena, &message, &error);
    PL_ASSERT(pl_is_ok(status)); /* the daemon's own */
    struct pl_slice packed = pl_pack(message, &arena);
    PL_ASSERT(packed.data != NULL);
    uint8_t prefix[PREFIX_BYTES] = {0, (uint8_t)(packed.len >> 24), (uint8_t)(packed.len >> 16),
                                    (uint8_t)(packed.len >> 8), (uint8_t)packed.len};
    if (framed)
        status = pl_buf_append(&peer->read, prefix, sizeof(prefix));
    if (pl_is_ok(status))
        status = pl_buf_append(&peer->read, packed.data, packed.len);
    PL_ASSERT(pl_is_ok(status));
    pl_arena_fini(&arena);
}

/* Messages of a stream that are whole; the one that ends it stays. */
static void read_stream(struct peer *peer)
{
    for (;;) {
        struct pl_slice rest = pl_buf_slice(&peer->body);
        if (rest.len < PREFIX_BYTES || rest.data[0] != 0 || message_bytes(rest) > rest.len)
            return;
        size_t len = message_bytes(rest);
        read_json(peer, pl_slice(rest.data + PREFIX_BYTES, len - PREFIX_BYTES), true);
        pl_buf_consume(&peer->body, len);
    }
}

static void count_answer(const struct peer *peer)
{
    report.grpc += peer->dialect == PEER_GRPC ? 1 : 0;
    report.web += peer->dialect == PEER_WEB ? 1 : 0;
    report.connect += peer->dialect == PEER_CONNECT ? 1 : 0;
    report.line += peer->h1 ? 1 : 0;
    report.json += peer->json ? 1 : 0;
    report.streams += peer->json && peer->stream_asked ? 1 : 0;
    report.get += peer->get ? 1 : 0;
    report.text += peer->text ? 1 : 0;
}

/* All of an answer is there. */
static void finish(struct peer *peer)
{
    PL_ASSERT(peer->quantum.count == 0);
    if (peer->file) {
        peer->state = PEER_ANSWERED;
        return;
    }
    if (peer->dialect == PEER_CONNECT && peer->http_status != 200)
        read_error(peer, pl_buf_slice(&peer->body));
    else if (peer->dialect == PEER_CONNECT && !peer->stream_asked)
        peer->grpc_status = 0;
    else if (peer->dialect != PEER_GRPC && peer->http_status == 200)
        read_end(peer);
    peer->state = peer->grpc_status >= 0 ? PEER_ANSWERED : PEER_LOST;
    if (peer->json && peer->grpc_status == 0 && !peer->stream_asked)
        read_json(peer, message_of(peer), false);
    count_answer(peer);
}

/* --- what comes --- */

static void append(struct pl_buf *buf, const void *bytes, size_t len)
{
    struct pl_status status = pl_buf_append(buf, bytes, len);
    PL_ASSERT(pl_is_ok(status));
}

static unsigned symbol_of(char c)
{
    static const char symbols[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '=' ? symbols : memchr(symbols, c, sizeof(symbols) - 1);
    PL_ASSERT(at != NULL); /* the daemon writes no other */
    return (unsigned)(at - symbols);
}

/* Pieces of text end where they like, each with its own padding. */
static void take_text(struct peer *peer, struct pl_slice text)
{
    struct quantum *quantum = &peer->quantum;
    for (size_t i = 0; i < text.len; i++) {
        quantum->text[quantum->count++] = (char)text.data[i];
        if (quantum->count < sizeof(quantum->text))
            continue;
        const char *four = quantum->text;
        unsigned bits = symbol_of(four[0]) << 18 | symbol_of(four[1]) << 12 |
                        symbol_of(four[2]) << 6 | symbol_of(four[3]);
        const uint8_t three[] = {(uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
        append(&peer->body, three, four[2] == '=' ? 1 : four[3] == '=' ? 2 : 3);
        quantum->count = 0;
    }
}

static void take_body(struct peer *peer, struct pl_slice bytes)
{
    if (peer->text && peer->http_status == 200)
        take_text(peer, bytes);
    else
        append(&peer->body, bytes.data, bytes.len);
    if (peer->json && peer->stream_asked && peer->http_status == 200)
        read_stream(peer);
}

/* --- what the library tells --- */

static bool is_ours(const struct peer *peer, int32_t stream)
{
    return peer->state == PEER_WAITS && peer->stream == stream;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user)
{
    struct peer *peer = user;
    struct pl_slice key = pl_slice(name, name_len), text = pl_slice(value, value_len);
    (void)session, (void)flags;
    if (!is_ours(peer, frame->hd.stream_id))
        return 0;
    if (pl_slice_eq_str(key, ":status")) {
        PL_ASSERT(text.len == 3);
        peer->http_status =
            (text.data[0] - '0') * 100 + (text.data[1] - '0') * 10 + (text.data[2] - '0');
    } else if (pl_slice_eq_str(key, "grpc-status")) {
        peer->grpc_status = 0;
        for (size_t i = 0; i < text.len; i++)
            peer->grpc_status = peer->grpc_status * 10 + (text.data[i] - '0');
    } else if (pl_slice_eq_str(key, "grpc-status-details-bin")) {
        struct pl_slice details;
        struct pl_status status = pl_unbase64(text, &peer->arena, &details);
        PL_ASSERT(pl_is_ok(status)); /* the daemon's own */
        peer->refusal = refusal_in(details);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t len, void *user)
{
    struct peer *peer = user;
    (void)session, (void)flags;
    if (is_ours(peer, stream))
        take_body(peer, pl_slice(data, len));
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user)
{
    struct peer *peer = user;
    (void)session;
    if (is_ours(peer, stream) && (peer->dialect == PEER_GRPC || error == NGHTTP2_NO_ERROR))
        finish(peer);
    else if (is_ours(peer, stream))
        peer->state = PEER_LOST;
    return 0;
}

static ssize_t read_request(nghttp2_session *session, int32_t stream, uint8_t *into, size_t room,
                            uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct peer *peer = user;
    struct pl_slice left = pl_buf_slice(&peer->request);
    (void)session, (void)stream, (void)source;
    left = pl_slice(left.data + peer->sent, left.len - peer->sent);
    size_t take = left.len < room ? left.len : room;
    if (take > 0)
        memcpy(into, left.data, take);
    peer->sent += take;
    if (take == left.len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)take;
}

/* --- asking --- */

struct peer_visit peer_any_visit(struct dice *dice, enum operator_person person)
{
    static const enum peer_dialect by_stream[] = {PEER_GRPC, PEER_GRPC, PEER_WEB, PEER_CONNECT};
    bool h1 = dice_below(dice, 4) == 0;
    return (struct peer_visit){.door = (unsigned)dice_below(dice, FRONT_DOORS),
                               .person = person,
                               .h1 = h1,
                               .dialect = by_stream[dice_below(dice, 4)],
                               .json = dice_below(dice, 3) == 0,
                               .text = dice_below(dice, 3) == 0,
                               .apart = dice_below(dice, 2) == 0,
                               .get = dice_below(dice, 2) == 0};
}

static void start_session(struct peer *peer)
{
    nghttp2_session_callbacks *callbacks = NULL;
    int failed = nghttp2_session_callbacks_new(&callbacks);
    PL_ASSERT(failed == 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    failed = nghttp2_session_client_new(&peer->session, callbacks, peer);
    PL_ASSERT(failed == 0);
    nghttp2_session_callbacks_del(callbacks);
    failed = nghttp2_submit_settings(peer->session, NGHTTP2_FLAG_NONE, NULL, 0);
    PL_ASSERT(failed == 0);
}

static bool connect_wire(struct peer *peer, struct peer_visit visit)
{
    uint8_t badge[BADGE_BYTES];
    if (peer->connected)
        return true;
    peer->link = wire_connect(visit.door);
    if (peer->link < 0)
        return false;
    peer->connected = true;
    peer->h1 = visit.h1;
    if (!visit.h1)
        start_session(peer);
    badge_say(visit.person, !visit.h1, badge);
    pl_buf_clear(&peer->out);
    append(&peer->out, badge, sizeof(badge));
    return true;
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static void forget(struct peer *peer)
{
    peer->state = PEER_IDLE;
    peer->grpc_status = -1;
    peer->http_status = 0;
    peer->end_bytes = 0;
    peer->sent = 0;
    peer->quantum.count = 0;
    peer->refusal = pl_slice(NULL, 0);
    h1_answer_clear(&peer->line);
    pl_buf_clear(&peer->request);
    pl_buf_clear(&peer->body);
    pl_buf_clear(&peer->read);
    pl_arena_reset(&peer->arena);
}

static const char *content_type(const struct peer *peer)
{
    static const char *const types[][2] = {
        [PEER_GRPC] = {"application/grpc", "application/grpc+json"},
        [PEER_WEB] = {"application/grpc-web", "application/grpc-web+json"},
        [PEER_CONNECT] = {"application/proto", "application/json"}};
    if (peer->dialect == PEER_CONNECT && peer->stream_asked)
        return peer->json ? "application/connect+json" : "application/connect+proto";
    if (peer->text)
        return "application/grpc-web-text";
    return types[peer->dialect][peer->json ? 1 : 0];
}

/* What is behind the verb. */
static void make_path(struct peer *peer, const struct peer_request *request, struct pl_buf *path)
{
    append(path, request->path, strlen(request->path));
    if (!peer->get || peer->file)
        return;
    const char *how = peer->json ? "?connect=v1&encoding=json&base64=1&message="
                                 : "?connect=v1&encoding=proto&base64=1&message=";
    append(path, how, strlen(how));
    size_t from = pl_buf_len(path);
    struct pl_status status = pl_base64(path, pl_buf_slice(&peer->request), false);
    PL_ASSERT(pl_is_ok(status));
    uint8_t *text = (uint8_t *)(uintptr_t)pl_buf_slice(path).data;
    for (size_t i = from; i < pl_buf_len(path); i++)
        text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    pl_buf_clear(&peer->request);
}

static void ask_by_line(struct peer *peer, const char *path, int timeout_ms)
{
    char head[1024], timeout[64] = "", about[160] = "";
    if (timeout_ms != 0 && peer->dialect == PEER_CONNECT)
        (void)snprintf(timeout, sizeof(timeout), "connect-timeout-ms: %d\r\n", timeout_ms);
    else if (timeout_ms != 0)
        (void)snprintf(timeout, sizeof(timeout), "grpc-timeout: %dm\r\n", timeout_ms);
    if (!peer->get)
        (void)snprintf(about, sizeof(about), "content-type: %s\r\ncontent-length: %zu\r\n%s",
                       content_type(peer), pl_buf_len(&peer->request),
                       peer->dialect == PEER_CONNECT ? "connect-protocol-version: 1\r\n" : "");
    int len = snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nhost: sim\r\n%s%s\r\n",
                       peer->get ? "GET" : "POST", path, about, timeout);
    PL_ASSERT(len > 0 && (size_t)len < sizeof(head));
    append(&peer->out, head, (size_t)len);
    append(&peer->out, pl_buf_slice(&peer->request).data, pl_buf_len(&peer->request));
    peer->sent = pl_buf_len(&peer->request);
}

static bool ask_by_stream(struct peer *peer, const char *path, int timeout_ms)
{
    char timeout[32];
    bool connect = peer->dialect == PEER_CONNECT;
    nghttp2_nv headers[8] = {header(":method", peer->get ? "GET" : "POST"),
                             header(":scheme", "http"), header(":path", path),
                             header(":authority", "sim")};
    size_t count = 4;
    (void)snprintf(timeout, sizeof(timeout), "%d%s", timeout_ms, connect ? "" : "m");
    if (!peer->get)
        headers[count++] = header("content-type", content_type(peer));
    if (connect && !peer->get)
        headers[count++] = header("connect-protocol-version", "1");
    if (peer->dialect == PEER_GRPC)
        headers[count++] = header("te", "trailers");
    if (timeout_ms != 0)
        headers[count++] = header(connect ? "connect-timeout-ms" : "grpc-timeout", timeout);
    nghttp2_data_provider body = {.read_callback = read_request};
    peer->stream =
        nghttp2_submit_request(peer->session, NULL, headers, count, peer->get ? NULL : &body, NULL);
    return peer->stream >= 0;
}

static void append_text(struct pl_buf *buf, struct pl_slice bytes)
{
    struct pl_status status = pl_base64(buf, bytes, true);
    PL_ASSERT(pl_is_ok(status));
}

static void write_framed(struct peer *peer, struct pl_slice prefix, struct pl_slice bytes)
{
    struct pl_buf whole PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&whole, ANSWER_MAX);
    append(&whole, prefix.data, prefix.len);
    append(&whole, bytes.data, bytes.len);
    if (!peer->text) {
        append(&peer->request, pl_buf_slice(&whole).data, pl_buf_len(&whole));
    } else if (peer->apart) {
        append_text(&peer->request, prefix);
        append_text(&peer->request, bytes);
    } else {
        append_text(&peer->request, pl_buf_slice(&whole));
    }
}

/* The message, as this call writes it. */
static void write_message(struct peer *peer, const struct peer_request *request)
{
    ProtobufCMessage *message = NULL;
    struct pl_buf json PL_CLEANUP(pl_buf_fini);
    struct pl_slice bytes = request->message;
    pl_buf_init(&json, ANSWER_MAX);
    if (peer->json) {
        struct pl_status status = pl_unpack_trusted(request->input, bytes, &peer->arena, &message);
        if (pl_is_ok(status))
            status = pl_json_print(message, &json);
        PL_ASSERT(pl_is_ok(status));
        bytes = pl_buf_slice(&json);
    }
    uint8_t prefix[PREFIX_BYTES] = {0, (uint8_t)(bytes.len >> 24), (uint8_t)(bytes.len >> 16),
                                    (uint8_t)(bytes.len >> 8), (uint8_t)bytes.len};
    bool framed = peer->dialect != PEER_CONNECT || request->stream;
    write_framed(peer, pl_slice(prefix, framed ? sizeof(prefix) : 0), bytes);
}

bool peer_ask(struct peer *peer, struct peer_visit visit, const struct peer_request *request)
{
    struct pl_buf path PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&path, ANSWER_MAX);
    if (!connect_wire(peer, visit))
        return false;
    forget(peer);
    peer->dialect = peer->h1 && visit.dialect == PEER_GRPC ? PEER_CONNECT : visit.dialect;
    peer->stream_asked = request->stream;
    peer->file = request->file;
    if (peer->file)
        peer->dialect = PEER_CONNECT;
    peer->text = visit.text && peer->dialect == PEER_WEB;
    peer->apart = visit.apart;
    peer->json = visit.json && request->input != NULL && !peer->text;
    peer->output = request->output;
    peer->get = peer->file ||
                (visit.get && request->reads && !request->stream && peer->dialect == PEER_CONNECT);
    if (!peer->file)
        write_message(peer, request);
    make_path(peer, request, &path);
    append(&path, "", 1);
    const char *text = (const char *)pl_buf_slice(&path).data;
    if (peer->h1)
        ask_by_line(peer, text, request->timeout_ms);
    else if (!ask_by_stream(peer, text, request->timeout_ms)) {
        peer_hang_up(peer);
        return false;
    }
    peer->state = PEER_WAITS;
    peer_run(peer);
    return true;
}

static bool send_some(struct peer *peer)
{
    for (;;) {
        struct pl_slice out = pl_buf_slice(&peer->out);
        size_t taken = out.len == 0 ? 0 : wire_write(peer->link, out.data, out.len);
        pl_buf_consume(&peer->out, taken);
        if (taken < out.len || peer->h1)
            return true;
        const uint8_t *data = NULL;
        ssize_t made = nghttp2_session_mem_send(peer->session, &data);
        if (made <= 0)
            return made == 0;
        append(&peer->out, data, (size_t)made);
    }
}

/* What has come of an answer over HTTP/1.1; false: the connection ends with it. */
static bool hear_line(struct peer *peer, const uint8_t *bytes, size_t len)
{
    PL_ASSERT(peer->state == PEER_WAITS); /* nothing comes that was not asked for */
    h1_answer_take(&peer->line, bytes, len);
    struct pl_slice body = pl_buf_slice(&peer->line.body);
    peer->http_status = peer->line.status;
    take_body(peer, body);
    pl_buf_consume(&peer->line.body, body.len);
    if (!peer->line.whole)
        return true;
    PL_ASSERT(pl_buf_len(&peer->line.in) == 0);
    finish(peer);
    return !peer->line.closes;
}

/* False: the session is over. */
static bool hear_bytes(struct peer *peer, const uint8_t *bytes, size_t len)
{
    if (peer->h1)
        return hear_line(peer, bytes, len);
    /* the daemon never breaks the protocol */
    ssize_t used = nghttp2_session_mem_recv(peer->session, bytes, len);
    PL_ASSERT(used == (ssize_t)len);
    return true;
}

static bool session_over(const struct peer *peer)
{
    return !peer->h1 && nghttp2_session_want_read(peer->session) == 0 &&
           nghttp2_session_want_write(peer->session) == 0;
}

void peer_run(struct peer *peer)
{
    uint8_t bytes[4096];
    bool gone = false, fine = true;
    while (peer->connected && fine && !gone) {
        size_t got = wire_read(peer->link, bytes, sizeof(bytes), &gone);
        if (got == 0)
            break;
        fine = hear_bytes(peer, bytes, got);
    }
    if (!peer->connected)
        return;
    fine = fine && send_some(peer);
    if (gone || !fine || session_over(peer))
        peer_hang_up(peer);
}

bool peer_asked(const struct peer *peer)
{
    return peer->sent == pl_buf_len(&peer->request) && pl_buf_len(&peer->out) == 0;
}

enum peer_state peer_look(const struct peer *peer, struct peer_answer *ret)
{
    struct pl_slice body = pl_buf_slice(&peer->body);
    *ret = (struct peer_answer){.grpc_status = peer->grpc_status,
                                .http_status = peer->http_status,
                                .refusal = peer->refusal};
    ret->all = peer->json && peer->stream_asked ? pl_buf_slice(&peer->read)
                                                : pl_slice(body.data, body.len - peer->end_bytes);
    ret->body = peer->json ? pl_buf_slice(&peer->read) : message_of(peer);
    return peer->state;
}

void peer_consume(struct peer *peer, size_t len)
{
    pl_buf_consume(peer->json && peer->stream_asked ? &peer->read : &peer->body, len);
}
