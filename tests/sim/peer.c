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
#include "common/check.h"
#include "common/json.h"
#include "tests/sim/badge.h"
#include "tests/sim/wire.h"

enum { PREFIX_BYTES = 5, ANSWER_MAX = 1 << 20 };

struct peer {
    nghttp2_session *session; /* NULL: not connected */
    int link;
    int32_t stream;
    enum peer_state state;
    struct pl_buf request; /* prefix and message */
    size_t sent;
    struct pl_buf out; /* bytes that the wire did not take */
    struct pl_buf body;
    struct pl_arena arena; /* of details */
    struct pl_slice details;
    int grpc_status;
};

struct peer *peer_new(void)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    PL_ASSERT(peer != NULL);
    pl_buf_init(&peer->request, ANSWER_MAX);
    pl_buf_init(&peer->out, ANSWER_MAX);
    pl_buf_init(&peer->body, ANSWER_MAX);
    pl_arena_init(&peer->arena, ANSWER_MAX);
    return peer;
}

void peer_hang_up(struct peer *peer)
{
    if (peer->session == NULL)
        return;
    nghttp2_session_del(peer->session);
    peer->session = NULL;
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
    pl_arena_fini(&peer->arena);
    free(peer);
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
    if (pl_slice_eq_str(key, "grpc-status")) {
        peer->grpc_status = 0;
        for (size_t i = 0; i < text.len; i++)
            peer->grpc_status = peer->grpc_status * 10 + (text.data[i] - '0');
    } else if (pl_slice_eq_str(key, "grpc-status-details-bin")) {
        struct pl_status status = pl_unbase64(text, &peer->arena, &peer->details);
        PL_ASSERT(pl_is_ok(status)); /* the daemon's own */
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t len, void *user)
{
    struct peer *peer = user;
    (void)session, (void)flags;
    if (is_ours(peer, stream)) {
        struct pl_status status = pl_buf_append(&peer->body, data, len);
        PL_ASSERT(pl_is_ok(status));
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user)
{
    struct peer *peer = user;
    (void)session, (void)error;
    if (is_ours(peer, stream))
        peer->state = peer->grpc_status >= 0 ? PEER_ANSWERED : PEER_LOST;
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

static bool connect_wire(struct peer *peer, struct peer_visit visit)
{
    nghttp2_session_callbacks *callbacks = NULL;
    uint8_t badge[BADGE_BYTES];
    if (peer->session != NULL)
        return true;
    peer->link = wire_connect(visit.door);
    if (peer->link < 0)
        return false;
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
    badge_say(visit.person, true, badge);
    pl_buf_clear(&peer->out);
    struct pl_status status = pl_buf_append(&peer->out, badge, sizeof(badge));
    PL_ASSERT(pl_is_ok(status));
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
    peer->sent = 0;
    peer->details = pl_slice(NULL, 0);
    pl_buf_clear(&peer->request);
    pl_buf_clear(&peer->body);
    pl_arena_reset(&peer->arena);
}

bool peer_ask(struct peer *peer, struct peer_visit visit, const char *path, struct pl_slice message,
              int timeout_ms)
{
    char timeout[32];
    uint8_t prefix[PREFIX_BYTES] = {0, (uint8_t)(message.len >> 24), (uint8_t)(message.len >> 16),
                                    (uint8_t)(message.len >> 8), (uint8_t)message.len};
    if (!connect_wire(peer, visit))
        return false;
    forget(peer);
    struct pl_status status = pl_buf_append(&peer->request, prefix, sizeof(prefix));
    if (pl_is_ok(status))
        status = pl_buf_append(&peer->request, message.data, message.len);
    PL_ASSERT(pl_is_ok(status));
    (void)snprintf(timeout, sizeof(timeout), "%dm", timeout_ms);
    nghttp2_nv headers[] = {
        header(":method", "POST"),      header(":scheme", "http"),
        header(":path", path),          header(":authority", "sim"),
        header("te", "trailers"),       header("content-type", "application/grpc"),
        header("grpc-timeout", timeout)};
    size_t count = sizeof(headers) / sizeof(headers[0]) - (timeout_ms == 0);
    nghttp2_data_provider body = {.read_callback = read_request};
    peer->stream = nghttp2_submit_request(peer->session, NULL, headers, count, &body, NULL);
    if (peer->stream < 0) {
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
        if (taken < out.len)
            return true;
        const uint8_t *data = NULL;
        ssize_t made = nghttp2_session_mem_send(peer->session, &data);
        if (made <= 0)
            return made == 0;
        struct pl_status status = pl_buf_append(&peer->out, data, (size_t)made);
        PL_ASSERT(pl_is_ok(status));
    }
}

void peer_run(struct peer *peer)
{
    uint8_t bytes[4096];
    bool gone = false, fine = true;
    while (peer->session != NULL && fine && !gone) {
        size_t got = wire_read(peer->link, bytes, sizeof(bytes), &gone);
        if (got == 0)
            break;
        /* the daemon never breaks the protocol */
        ssize_t used = nghttp2_session_mem_recv(peer->session, bytes, got);
        PL_ASSERT(used == (ssize_t)got);
    }
    if (peer->session == NULL)
        return;
    fine = send_some(peer);
    bool over = nghttp2_session_want_read(peer->session) == 0 &&
                nghttp2_session_want_write(peer->session) == 0;
    if (gone || !fine || over)
        peer_hang_up(peer);
}

bool peer_asked(const struct peer *peer)
{
    return peer->sent == pl_buf_len(&peer->request) && pl_buf_len(&peer->out) == 0;
}

enum peer_state peer_look(const struct peer *peer, struct peer_answer *ret)
{
    struct pl_slice body = pl_buf_slice(&peer->body);
    *ret = (struct peer_answer){
        .grpc_status = peer->grpc_status, .all = body, .details = peer->details};
    if (body.len >= PREFIX_BYTES)
        ret->body = pl_slice(body.data + PREFIX_BYTES, body.len - PREFIX_BYTES);
    return peer->state;
}

void peer_consume(struct peer *peer, size_t len)
{
    pl_buf_consume(&peer->body, len);
}
