/* SPDX-License-Identifier: Apache-2.0
 *
 * duplex: see duplex.h. Functions that return false have ended the call.
 */
#include "server/net/duplex.h"

#include "common/check.h"

enum { WAITING_MAX = 256 * 1024 }; /* more than a window of HTTP/2 holds */

/* A whole message is in call->body. */
static bool take_message(struct call *call)
{
    struct call_pool *pool = call->pool;
    pl_arena_reset(&call->arena);
    call->head = (struct call_head){0}; /* it was there */
    if (!call->duplex.decode(call) || !call->method->on_message(call, pool->user))
        return false;
    pool->body_bytes -= pl_buf_len(&call->body);
    pl_buf_clear(&call->body);
    call->reader = (struct grpc_reader){0};
    call->request = NULL;
    return true;
}

/* As many messages as there is room for; *bytes is what remains. */
static bool take_messages(struct call *call, struct pl_slice *bytes)
{
    while (bytes->len > 0 && stream_has_room(call->stream)) {
        size_t before = pl_buf_len(&call->body);
        struct pl_status status =
            grpc_read_part(&call->reader, bytes, call->bytes_max, &call->body);
        call->pool->body_bytes += pl_buf_len(&call->body) - before;
        if (!pl_is_ok(status)) {
            call_fail_body(call, status);
            return false;
        }
        if (call->reader.complete && !take_message(call))
            return false;
    }
    return true;
}

static void finish(struct call *call)
{
    if (call->reader.prefix_len > 0)
        call_fail(call, PL_E_INTERNAL, NULL, "the request ends in the middle of a message");
    else
        call_end(call);
}

/* There is room again, or the connection is about to go. */
static void go_on(struct call *call, void *user)
{
    (void)user;
    struct pl_buf *waiting = &call->duplex.waiting;
    struct pl_slice bytes = pl_buf_slice(waiting);
    if (call->draining) {
        call_fail_reason(call, PL_E_UNAVAILABLE, PLEDGED__V1__REASON__REASON_UNAVAILABLE, "",
                         "the server is about to go: connect again");
        return;
    }
    if (!take_messages(call, &bytes))
        return;
    size_t taken = pl_buf_len(waiting) - bytes.len;
    pl_buf_consume(waiting, taken);
    call->pool->body_bytes -= taken;
    call->waiting = bytes.len > 0;
    if (call->waiting)
        return;
    stream_pause(call->stream, false);
    if (call->duplex.ended)
        finish(call);
}

void duplex_begin(struct call *call, duplex_decode_fn decode)
{
    call->duplex.decode = decode;
    pl_buf_init(&call->duplex.waiting, SIZE_MAX / 2); /* duplex_body knows the limits */
    call_on_writable(call, go_on);
}

void duplex_body(struct call *call, struct pl_slice bytes)
{
    struct call_pool *pool = call->pool;
    struct pl_buf *waiting = &call->duplex.waiting;
    if (bytes.len > pool->body_bytes_max || pool->body_bytes > pool->body_bytes_max - bytes.len) {
        call_fail_body(call, pl_fail(BUSY, "the server holds too many unfinished requests"));
        return;
    }
    bool free_to_go = !call->waiting && pl_buf_len(waiting) == 0;
    if (free_to_go && !take_messages(call, &bytes))
        return;
    if (bytes.len == 0)
        return;
    /* Where the peer's window cannot be shut, this is the bound. */
    struct pl_status status = pl_buf_len(waiting) > WAITING_MAX
                                  ? pl_fail(BUSY, "read the answers before asking more")
                                  : pl_buf_append(waiting, bytes.data, bytes.len);
    if (!pl_is_ok(status)) {
        call_fail_body(call, status);
        return;
    }
    pool->body_bytes += bytes.len;
    call->waiting = true;
    stream_pause(call->stream, true);
}

void duplex_end(struct call *call)
{
    call->duplex.ended = true;
    if (!call->waiting && pl_buf_len(&call->duplex.waiting) == 0)
        finish(call);
}
