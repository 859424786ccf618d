/* SPDX-License-Identifier: Apache-2.0
 *
 * link: a turn reads all that is there, lets nghttp2 tell what it means (which ends calls and, by
 * the hooks, begins others), and writes what came of it.
 */
#include "tests/bench/link.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/check.h"

enum {
    ANSWER_BYTES_MAX = 16 << 20,
    OUT_BYTES = 64 << 10, /* gathered before TLS takes it */
    READ_BYTES = 16 << 10,
    WINDOW_BYTES = 4 << 20,
};

/* --- the target --- */

static struct pl_status bad_file(const char *path)
{
    (void)fprintf(stderr, "pledge-bench: %s: %s\n", path,
                  ERR_reason_error_string(ERR_peek_last_error()));
    return pl_fail(CONFIG, "reading certificates");
}

struct pl_status link_target_init(struct link_target *target, const char *ca, const char *cert,
                                  const char *key)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    static const unsigned char alpn[] = {2, 'h', '2'};
    target->context = context;
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_alpn_protos(context, alpn, sizeof(alpn)) != 0)
        return pl_fail(INTERNAL, "setting up TLS");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_read_ahead(context, 1); /* one read(2) for all that arrived, as the daemon does */
    (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_NO_AUTO_CHAIN); /* as pledge does */
    if (SSL_CTX_load_verify_file(context, ca) != 1)
        return bad_file(ca);
    if (cert == NULL)
        return pl_ok();
    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1)
        return bad_file(cert);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return bad_file(key);
    return pl_ok();
}

struct pl_status link_target_address(struct link_target *target, const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(host, port, &hints, &found);
    if (failed != 0) {
        (void)fprintf(stderr, "pledge-bench: %s:%s: %s\n", host, port, gai_strerror(failed));
        return pl_fail(INVALID, "reading the address");
    }
    memcpy(&target->address, found->ai_addr, found->ai_addrlen);
    target->address_len = found->ai_addrlen;
    target->host = host;
    freeaddrinfo(found);
    return pl_ok();
}

/* --- what nghttp2 tells --- */

static int number(const uint8_t *text, size_t len)
{
    int value = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || i == 3)
            return -1;
        value = value * 10 + text[i] - '0';
    }
    return len == 0 ? -1 : value;
}

static bool is(const char *word, const uint8_t *text, size_t len)
{
    return strlen(word) == len && memcmp(word, text, len) == 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user)
{
    (void)flags;
    (void)user;
    struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call == NULL)
        return 0;
    if (is("grpc-status", name, name_len))
        call->grpc_status = number(value, value_len);
    else if (is(":status", name, name_len))
        call->http_status = number(value, value_len);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t len, void *user)
{
    (void)flags;
    (void)user;
    struct call *call = nghttp2_session_get_stream_user_data(session, stream);
    if (call != NULL && !pl_is_ok(pl_buf_append(&call->answer, data, len)))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user)
{
    struct link *link = user;
    struct call *call = nghttp2_session_get_stream_user_data(session, stream);
    if (call == NULL)
        return 0;
    if (error != NGHTTP2_NO_ERROR)
        call->grpc_status = call->http_status = -1;
    call->stream = 0;
    call->next_free = link->free;
    link->free = call;
    link->target->hooks.done(link->target->arg, call);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    struct link *link = user;
    if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0 &&
        link->state == LINK_SECURE) {
        link->state = LINK_READY;
        link->target->hooks.ready(link->target->arg, link);
    }
    return 0;
}

static ssize_t read_request(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t length,
                            uint32_t *data_flags, nghttp2_data_source *source, void *user)
{
    (void)session;
    (void)stream;
    (void)user;
    struct call *call = source->ptr;
    struct pl_slice all = pl_buf_slice(&call->request);
    size_t left = all.len - call->sent;
    size_t take = left < length ? left : length;
    memcpy(buf, all.data + call->sent, take);
    call->sent += take;
    if (call->sent == all.len)
        *data_flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)take;
}

static struct pl_status make_session(struct link *link)
{
    nghttp2_session_callbacks *callbacks = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return pl_fail(INTERNAL, "setting up HTTP/2");
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_option *option = NULL;
    int made = nghttp2_option_new(&option);
    if (made == 0) {
        nghttp2_option_set_no_http_messaging(option, 1); /* lawful fields are for tests to judge */
        made = nghttp2_session_client_new2(&link->session, callbacks, link, option);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES},
    };
    if (made != 0 ||
        nghttp2_submit_settings(link->session, NGHTTP2_FLAG_NONE, settings, PL_COUNT(settings)) !=
            0 ||
        nghttp2_session_set_local_window_size(link->session, NGHTTP2_FLAG_NONE, 0, WINDOW_BYTES) !=
            0)
        return pl_fail(INTERNAL, "setting up HTTP/2");
    return pl_ok();
}

/* --- life --- */

void link_init(struct link *link, const struct link_target *target, int epoll, unsigned calls)
{
    *link = (struct link){.target = target, .epoll = epoll, .fd = -1, .calls = calls};
    pl_buf_init(&link->out, 4 << 20);
    link->call = calloc(calls, sizeof(*link->call));
    PL_ASSERT(link->call != NULL);
    for (unsigned i = 0; i < calls; i++) {
        pl_buf_init(&link->call[i].request, 2 << 20);
        pl_buf_init(&link->call[i].answer, ANSWER_BYTES_MAX);
        link->call[i].link = link;
    }
}

void link_close(struct link *link)
{
    if (link->ssl != NULL && link->state >= LINK_SECURE)
        (void)SSL_shutdown(link->ssl);
    SSL_free(link->ssl);
    nghttp2_session_del(link->session);
    if (link->fd >= 0)
        (void)close(link->fd);
    link->ssl = NULL;
    link->session = NULL;
    link->fd = -1;
    link->state = LINK_CLOSED;
    link->free = NULL;
    for (unsigned i = 0; i < link->calls; i++)
        link->call[i].stream = 0;
    link->wants_write = false;
    pl_buf_clear(&link->out);
    ERR_clear_error();
}

void link_fini(struct link *link)
{
    link_close(link);
    for (unsigned i = 0; i < link->calls; i++) {
        pl_buf_fini(&link->call[i].request);
        pl_buf_fini(&link->call[i].answer);
    }
    free(link->call);
    pl_buf_fini(&link->out);
}

unsigned link_in_flight(const struct link *link)
{
    unsigned count = 0;
    for (unsigned i = 0; i < link->calls; i++)
        count += link->call[i].stream != 0;
    return count;
}

static struct pl_status start_tls(struct link *link)
{
    link->ssl = SSL_new(link->target->context);
    if (link->ssl == NULL || SSL_set_fd(link->ssl, link->fd) != 1 ||
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(link->ssl), link->target->host) != 1)
        return pl_fail(INTERNAL, "setting up TLS");
    SSL_set_connect_state(link->ssl);
    return pl_ok();
}

struct pl_status link_open(struct link *link, int64_t now_ns)
{
    PL_ASSERT(link->state == LINK_CLOSED && link->fd < 0);
    link->opened_ns = now_ns;
    link->fd =
        socket(link->target->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (link->fd < 0)
        return pl_fail_errno(IO, "making a socket");
    int one = 1;
    (void)setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(link->fd, (const struct sockaddr *)&link->target->address,
                link->target->address_len) != 0 &&
        errno != EINPROGRESS)
        return pl_fail_errno(UNAVAILABLE, "connecting");
    PL_TRY(start_tls(link));
    PL_TRY(make_session(link));
    for (unsigned i = 0; i < link->calls; i++) {
        link->call[i].stream = 0;
        link->call[i].next_free = link->free;
        link->free = &link->call[i];
    }
    link->state = LINK_HANDSHAKE;
    link->wants_write = true;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = link};
    if (epoll_ctl(link->epoll, EPOLL_CTL_ADD, link->fd, &event) != 0)
        return pl_fail_errno(IO, "watching a socket");
    return pl_ok();
}

/* --- bytes --- */

static void want_write(struct link *link, bool wants)
{
    if (wants == link->wants_write)
        return;
    link->wants_write = wants;
    struct epoll_event event = {.events = EPOLLIN | (wants ? EPOLLOUT : 0), .data.ptr = link};
    PL_ASSERT(epoll_ctl(link->epoll, EPOLL_CTL_MOD, link->fd, &event) == 0);
}

/* True: it only has to wait. */
static bool waits(struct link *link, int result)
{
    int why = SSL_get_error(link->ssl, result);
    want_write(link, why == SSL_ERROR_WANT_WRITE);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

static bool shake_hands(struct link *link)
{
    int result = SSL_connect(link->ssl);
    if (result != 1)
        return waits(link, result);
    const unsigned char *chosen = NULL;
    unsigned int len = 0;
    SSL_get0_alpn_selected(link->ssl, &chosen, &len);
    if (!is("h2", chosen, len))
        return false;
    link->state = LINK_SECURE;
    link->target->hooks.secure(link->target->arg, link);
    return true;
}

static bool gather(struct link *link)
{
    while (pl_buf_len(&link->out) < OUT_BYTES) {
        const uint8_t *data = NULL;
        ssize_t len = nghttp2_session_mem_send(link->session, &data);
        if (len < 0)
            return false;
        if (len == 0)
            return true;
        if (!pl_is_ok(pl_buf_append(&link->out, data, (size_t)len)))
            return false;
    }
    return true;
}

bool link_flush(struct link *link)
{
    if (link->state < LINK_SECURE)
        return link->state == LINK_HANDSHAKE;
    for (;;) {
        if (!gather(link))
            return false;
        struct pl_slice bytes = pl_buf_slice(&link->out);
        if (bytes.len == 0) {
            want_write(link, false);
            return true;
        }
        size_t written = 0;
        int result = SSL_write_ex(link->ssl, bytes.data, bytes.len, &written);
        if (result != 1)
            return waits(link, result);
        pl_buf_consume(&link->out, written);
    }
}

static bool read_all(struct link *link)
{
    uint8_t bytes[READ_BYTES];
    for (;;) {
        size_t got = 0;
        int result = SSL_read_ex(link->ssl, bytes, sizeof(bytes), &got);
        if (result != 1) {
            int why = SSL_get_error(link->ssl, result);
            return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
        }
        if (nghttp2_session_mem_recv(link->session, bytes, got) < 0)
            return false;
        if (SSL_has_pending(link->ssl) == 0)
            return true; /* epoll says when there is more */
    }
}

bool link_read(struct link *link)
{
    if (link->state == LINK_HANDSHAKE) {
        if (!shake_hands(link))
            return false;
        if (link->state == LINK_HANDSHAKE)
            return true;
    }
    return read_all(link);
}

/* --- calls --- */

struct call *link_place(struct link *link)
{
    return link->free;
}

#define FIELD(name_, value_, len_)                                                                 \
    {                                                                                              \
        (uint8_t *)(uintptr_t)(name_), (uint8_t *)(uintptr_t)(value_), sizeof(name_) - 1, (len_),  \
            NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE                           \
    }

bool link_begin(struct call *call)
{
    struct link *link = call->link;
    PL_ASSERT(link->free == call && call->stream == 0);
    const struct link_target *target = link->target;
    const nghttp2_nv fields[] = {
        FIELD(":method", target->grpc ? "POST" : "GET", target->grpc ? 4 : 3),
        FIELD(":scheme", "https", 5),
        FIELD(":path", target->path, strlen(target->path)),
        FIELD(":authority", target->host, strlen(target->host)),
        FIELD("content-type", "application/grpc", 16),
        FIELD("te", "trailers", 8),
    };
    pl_buf_clear(&call->answer);
    call->sent = 0;
    call->http_status = 0;
    call->grpc_status = -1;
    nghttp2_data_provider body = {.source = {.ptr = call}, .read_callback = read_request};
    int32_t stream = nghttp2_submit_request(link->session, NULL, fields, target->grpc ? 6 : 4,
                                            pl_buf_len(&call->request) > 0 ? &body : NULL, call);
    if (stream < 0)
        return false;
    call->stream = stream;
    link->free = call->next_free;
    return true;
}
