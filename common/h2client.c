/* SPDX-License-Identifier: Apache-2.0
 *
 * h2client: nghttp2 between a socket and one call.
 *
 * Happy path: connect (address by address), TLS handshake with name check and ALPN, preface; then
 * per call HEADERS and DATA out, and a loop of poll, read, nghttp2 until the stream closes. Bytes
 * of answers pass a small state machine that finds the gRPC messages in them. nghttp2 callbacks
 * cannot return our statuses, so they leave them in the client (`broken`) or the call (`failed`).
 */
#include "common/h2client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base64.h"
#include "common/check.h"
#include "common/clock.h"

enum {
    MESSAGE_BYTES_DEFAULT = 4 << 20,
    TEXT_BYTES_MAX = 8 << 10, /* grpc-message and details together with their encoding */
    WINDOW_BYTES = 1 << 20,   /* enough for a dump to stream without waiting for updates */
    PREFIX_BYTES = 5,         /* compressed flag and big-endian length of a gRPC message */
    READ_BYTES = 16 << 10,    /* one TLS record */
    READS_MOST = 64, /* at a time: a server that never pauses must not keep us from the clock */
    NS_PER_MS = 1000000,
};

struct h2call {
    int32_t stream; /* -1: not submitted */
    struct pl_slice request;
    size_t sent; /* of prefix and request */
    int64_t deadline_ns;
    pl_h2client_message_fn on_message;
    void *arg;
    struct pl_h2client_reply *reply;
    uint8_t prefix[PREFIX_BYTES];
    size_t prefix_len;
    size_t message_len;
    size_t messages;
    struct pl_buf message; /* what of the current message is here */
    int http_status;
    bool grpc_content;
    bool closed;
    bool moved;              /* a whole message came since the last look */
    int64_t quiet_since_ns;  /* when one last had */
    bool refused_stream;     /* the server says it did nothing */
    struct pl_status failed; /* what the callback or the framing found wrong */
};

struct pl_h2client {
    int fd;
    SSL_CTX *context;
    SSL *ssl;
    nghttp2_session *session;
    struct pl_buf out; /* bytes nghttp2 made that TLS has not taken */
    char authority[300];
    size_t message_bytes_max;
    int64_t silence_ms;
    bool going_away;
    struct pl_status broken; /* why the connection is no good any more */
    struct pl_h2client_error error;
    struct h2call *call; /* the one in progress, or NULL */
};

/* Each part is optional: "", NULL, 0. */
static void say_why(struct pl_h2client_error *error, const char *where, const char *what,
                    int sys_errno, const char *why)
{
    error->what = what;
    error->sys_errno = sys_errno;
    (void)snprintf(error->where, sizeof(error->where), "%s", where);
    (void)snprintf(error->why, sizeof(error->why), "%s", why);
    const char *parts[] = {error->where, what == NULL ? "" : what,
                           sys_errno == 0 ? error->why : strerrordesc_np(sys_errno)};
    error->text[0] = '\0';
    for (size_t i = 0; i < PL_COUNT(parts); i++) {
        if (parts[i] == NULL || parts[i][0] == '\0')
            continue;
        size_t len = strlen(error->text);
        (void)snprintf(error->text + len, sizeof(error->text) - len, "%s%s", len == 0 ? "" : ": ",
                       parts[i]);
    }
}

static void say(struct pl_h2client_error *error, const char *what)
{
    say_why(error, "", what, 0, "");
}

static int64_t now_ns(void)
{
    struct pl_clock *clock = pl_clock_system();
    return clock->mono_ns(clock);
}

/* Waits for the socket. TIMEOUT at the deadline. */
static struct pl_status wait_for(int fd, short events, int64_t deadline_ns)
{
    for (;;) {
        int64_t left = deadline_ns - now_ns();
        if (left <= 0)
            return pl_fail(TIMEOUT, "waiting for the server");
        int64_t ms = left / NS_PER_MS + 1;
        struct pollfd poller = {.fd = fd, .events = events};
        int ready = poll(&poller, 1, ms > 60000 ? 60000 : (int)ms);
        if (ready > 0)
            return pl_ok();
        if (ready < 0 && errno != EINTR)
            return pl_fail_errno(IO, "waiting for the server");
    }
}

/* --- TLS --- */

static const char *tls_words(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *words = code == 0 ? NULL : ERR_reason_error_string(code);
    return words == NULL ? "unknown TLS error" : words;
}

/* Of a file that is another one than it should be, OpenSSL has no words for people. */
static const char *file_words(unsigned long code)
{
    int reason = ERR_GET_REASON(code), library = ERR_GET_LIB(code);
    if (reason == ERR_R_INTERRUPTED_OR_CANCELLED)
        return "it has a pass phrase, and one without is needed";
    if (reason == ERR_R_UNSUPPORTED)
        return "this is no private key";
    if ((library == ERR_LIB_PEM && reason == PEM_R_NO_START_LINE) ||
        (library == ERR_LIB_X509 && reason == X509_R_NO_CERTIFICATE_OR_CRL_FOUND))
        return "there is no certificate in it";
    const char *words = code == 0 ? NULL : ERR_reason_error_string(code);
    return words == NULL ? "" : words;
}

static struct pl_status bad_file(struct pl_h2client *client, const char *what, const char *path)
{
    /* what happened stands first in the queue, and words like "system lib" last */
    unsigned long first = ERR_peek_error();
    bool system = ERR_SYSTEM_ERROR(first);
    say_why(&client->error, path, what, system ? ERR_GET_REASON(first) : 0,
            system ? "" : file_words(first));
    ERR_clear_error();
    return pl_fail(CONFIG, "reading certificates");
}

/* A key with a pass phrase must not stop a script to ask for it. */
static int no_pass_phrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return -1;
}

static struct pl_status make_context(struct pl_h2client *client,
                                     const struct pl_h2client_options *options)
{
    ERR_clear_error();
    client->context = SSL_CTX_new(TLS_client_method());
    if (client->context == NULL)
        return pl_fail(INTERNAL, "setting up TLS");
    SSL_CTX *context = client->context;
    SSL_CTX_set_default_passwd_cb(context, no_pass_phrase);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_mode(context,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    static const unsigned char alpn[] = {2, 'h', '2'};
    if (SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_alpn_protos(context, alpn, sizeof(alpn)) != 0)
        return pl_fail(INTERNAL, "setting up TLS");
    if (options->ca_file != NULL) {
        if (SSL_CTX_load_verify_file(context, options->ca_file) != 1)
            return bad_file(client, "cannot use the authority's certificate", options->ca_file);
    } else if (SSL_CTX_set_default_verify_paths(context) != 1) {
        return pl_fail(CONFIG, "finding the system's authorities");
    }
    if (options->cert_file == NULL)
        return pl_ok();
    PL_ASSERT(options->key_file != NULL);
    if (SSL_CTX_use_certificate_chain_file(context, options->cert_file) != 1)
        return bad_file(client, "cannot use the certificate", options->cert_file);
    if (SSL_CTX_use_PrivateKey_file(context, options->key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return bad_file(client, "cannot use the key", options->key_file);
    /* intermediates go with it as far as they are known; a root that the server does not have is
     * of no use to it, and one that it has costs it time */
    (void)SSL_CTX_build_cert_chain(
        context, SSL_BUILD_CHAIN_FLAG_UNTRUSTED | SSL_BUILD_CHAIN_FLAG_NO_ROOT |
                     SSL_BUILD_CHAIN_FLAG_IGNORE_ERROR | SSL_BUILD_CHAIN_FLAG_CLEAR_ERROR);
    (void)SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
    return pl_ok();
}

static bool is_address(const char *host)
{
    uint8_t bytes[16];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static struct pl_status make_ssl(struct pl_h2client *client, const char *host)
{
    client->ssl = SSL_new(client->context);
    if (client->ssl == NULL || SSL_set_fd(client->ssl, client->fd) != 1)
        return pl_fail(INTERNAL, "setting up TLS");
    X509_VERIFY_PARAM *check = SSL_get0_param(client->ssl);
    X509_VERIFY_PARAM_set_hostflags(check, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    bool set = is_address(host) ? X509_VERIFY_PARAM_set1_ip_asc(check, host) == 1
                                : X509_VERIFY_PARAM_set1_host(check, host, 0) == 1 &&
                                      SSL_set_tlsext_host_name(client->ssl, host) == 1;
    if (!set)
        return pl_fail(INVALID, "setting the server's name");
    SSL_set_connect_state(client->ssl);
    return pl_ok();
}

/* Alerts by which a server refuses our certificate (RFC 8446 section 6.2). */
static bool is_certificate_alert(unsigned long code)
{
    if (ERR_GET_LIB(code) != ERR_LIB_SSL)
        return false;
    int alert = ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET;
    return (alert >= SSL_AD_BAD_CERTIFICATE && alert <= SSL_AD_CERTIFICATE_UNKNOWN) ||
           alert == SSL_AD_UNKNOWN_CA || alert == SSL_AD_ACCESS_DENIED ||
           alert == SSL_AD_CERTIFICATE_REQUIRED;
}

/* Translates what SSL_read, SSL_write or SSL_connect said. OK: it only has to wait for *ret_events.
 */
static struct pl_status tls_result(struct pl_h2client *client, int result, short *ret_events)
{
    int saved_errno = errno;
    int kind = SSL_get_error(client->ssl, result);
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
        *ret_events = kind == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
        return pl_ok();
    }
    if (kind == SSL_ERROR_ZERO_RETURN) {
        say(&client->error, "the server closed the connection");
        return pl_fail(UNAVAILABLE, "talking to the server");
    }
    unsigned long code = ERR_peek_error();
    if (kind == SSL_ERROR_SSL && is_certificate_alert(code)) {
        say_why(&client->error, "", "the server does not accept our certificate", 0, tls_words());
        ERR_clear_error();
        return pl_fail(UNAUTHENTICATED, "talking to the server");
    }
    if (kind == SSL_ERROR_SSL && ERR_GET_REASON(code) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
        say_why(&client->error, "", "TLS with the server failed", 0, tls_words());
    else if (saved_errno != 0 && kind == SSL_ERROR_SYSCALL)
        say_why(&client->error, "", "the connection was lost", saved_errno, "");
    else
        say(&client->error, "the connection was lost");
    ERR_clear_error();
    return pl_fail(UNAVAILABLE, "talking to the server");
}

static struct pl_status handshake(struct pl_h2client *client, int64_t deadline_ns)
{
    for (;;) {
        ERR_clear_error();
        errno = 0;
        int result = SSL_connect(client->ssl);
        if (result == 1)
            break;
        long verified = SSL_get_verify_result(client->ssl);
        if (verified != X509_V_OK) {
            say_why(&client->error, "", "the server's certificate cannot be verified", 0,
                    X509_verify_cert_error_string(verified));
            client->error.untrusted = true;
            ERR_clear_error();
            return pl_fail(UNAVAILABLE, "verifying the server's certificate");
        }
        short events = 0;
        PL_TRY(tls_result(client, result, &events));
        PL_TRY(wait_for(client->fd, events, deadline_ns));
    }
    const unsigned char *chosen = NULL;
    unsigned int chosen_len = 0;
    SSL_get0_alpn_selected(client->ssl, &chosen, &chosen_len);
    if (!pl_slice_eq_str(pl_slice(chosen, chosen_len), "h2")) {
        say(&client->error, "the server does not speak HTTP/2");
        return pl_fail(INTERNAL, "agreeing on HTTP/2");
    }
    return pl_ok();
}

/* --- connecting --- */

static struct pl_status connect_address(const struct addrinfo *address, int64_t deadline_ns,
                                        int *ret_fd, int *ret_errno)
{
    *ret_errno = 0;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        *ret_errno = errno;
        return pl_fail_errno(UNAVAILABLE, "making a socket");
    }
    struct pl_status status = pl_ok();
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        if (errno == EINPROGRESS || errno == EINTR) {
            status = wait_for(fd, POLLOUT, deadline_ns);
            socklen_t len = sizeof(*ret_errno);
            /* after the deadline as well: a refusal may have come while nobody looked */
            if (getsockopt(fd, SOL_SOCKET, SO_ERROR, ret_errno, &len) == 0 && *ret_errno != 0)
                status = pl_fail(UNAVAILABLE, "connecting to the server");
        } else {
            *ret_errno = errno;
            status = pl_fail_errno(UNAVAILABLE, "connecting to the server");
        }
    }
    if (!pl_is_ok(status)) {
        (void)close(fd);
        return status;
    }
    *ret_fd = fd;
    return pl_ok();
}

static struct pl_status connect_socket(struct pl_h2client *client,
                                       const struct pl_h2client_options *options,
                                       int64_t deadline_ns)
{
    char port[8];
    (void)snprintf(port, sizeof(port), "%u", (unsigned)options->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int found = getaddrinfo(options->host, port, &hints, &list);
    if (found != 0) {
        say_why(&client->error, options->host, NULL, 0, gai_strerror(found));
        return pl_fail(UNAVAILABLE, "looking up the server's name");
    }
    struct pl_status status = pl_fail(UNAVAILABLE, "connecting to the server");
    int why = 0;
    for (struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        status = connect_address(a, deadline_ns, &client->fd, &why);
        if (pl_is_ok(status) || status.code == PL_E_TIMEOUT)
            break;
    }
    freeaddrinfo(list);
    if (status.code == PL_E_TIMEOUT)
        say_why(&client->error, client->authority, "no answer", 0, "");
    else if (!pl_is_ok(status))
        say_why(&client->error, client->authority, why == 0 ? "no connection" : NULL, why, "");
    return status;
}

/* --- what nghttp2 tells us --- */

static struct h2call *call_of(struct pl_h2client *client, int32_t stream)
{
    return client->call != NULL && client->call->stream == stream ? client->call : NULL;
}

static void fail_call(struct h2call *call, struct pl_status status)
{
    if (pl_is_ok(call->failed))
        call->failed = status;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* grpc-message: percent-decoded; what is malformed stays as it is. */
static struct pl_status take_message(struct pl_buf *out, struct pl_slice value)
{
    pl_buf_clear(out);
    for (size_t i = 0; i < value.len; i++) {
        uint8_t byte = value.data[i];
        if (byte == '%' && i + 2 < value.len && hex_digit(value.data[i + 1]) >= 0 &&
            hex_digit(value.data[i + 2]) >= 0) {
            byte = (uint8_t)(hex_digit(value.data[i + 1]) << 4 | hex_digit(value.data[i + 2]));
            i += 2;
        }
        PL_TRY(pl_buf_append(out, &byte, 1));
    }
    return pl_ok();
}

static struct pl_status take_details(struct pl_buf *out, struct pl_slice value)
{
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, TEXT_BYTES_MAX);
    struct pl_slice decoded;
    PL_TRY(pl_unbase64(value, &arena, &decoded));
    pl_buf_clear(out);
    return pl_buf_append(out, decoded.data, decoded.len);
}

static int take_number(struct pl_slice value)
{
    int number = 0;
    if (value.len == 0 || value.len > 3)
        return -1;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return -1;
        number = number * 10 + (value.data[i] - '0');
    }
    return number;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user)
{
    (void)session;
    (void)flags;
    struct h2call *call = call_of(user, frame->hd.stream_id);
    if (call == NULL)
        return 0;
    struct pl_slice key = pl_slice(name, name_len), text = pl_slice(value, value_len);
    struct pl_status status = pl_ok();
    if (pl_slice_eq_str(key, ":status"))
        call->http_status = take_number(text);
    else if (pl_slice_eq_str(key, "content-type"))
        call->grpc_content = text.len >= 16 && memcmp(text.data, "application/grpc", 16) == 0;
    else if (pl_slice_eq_str(key, "grpc-status"))
        call->reply->grpc_status = take_number(text);
    else if (pl_slice_eq_str(key, "grpc-message"))
        status = take_message(&call->reply->message, text);
    else if (pl_slice_eq_str(key, "grpc-status-details-bin"))
        status = take_details(&call->reply->details, text);
    if (!pl_is_ok(status))
        fail_call(call, pl_fail(INTERNAL, "reading the end of the answer"));
    return 0;
}

/* One whole message is in call->message. */
static void finish_message(struct h2call *call)
{
    call->messages++;
    call->moved = true; /* some bytes of one are no progress: they may drip for ever */
    if (call->on_message != NULL) {
        struct pl_status status = call->on_message(call->arg, pl_buf_slice(&call->message));
        if (!pl_is_ok(status))
            fail_call(call, status);
        pl_buf_clear(&call->message);
    } else if (call->messages == 1) {
        struct pl_slice got = pl_buf_slice(&call->message);
        struct pl_status status = pl_buf_append(&call->reply->body, got.data, got.len);
        if (!pl_is_ok(status))
            fail_call(call, status);
    } else {
        fail_call(call, pl_fail(INTERNAL, "a second answer to one request"));
    }
    call->prefix_len = 0;
}

static void take_data(struct h2call *call, const uint8_t *data, size_t len)
{
    size_t at = 0;
    while (pl_is_ok(call->failed) && at < len) {
        if (call->prefix_len < PREFIX_BYTES) {
            call->prefix[call->prefix_len++] = data[at++];
            if (call->prefix_len < PREFIX_BYTES)
                continue;
            const uint8_t *p = call->prefix;
            call->message_len =
                (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | (size_t)p[4];
            pl_buf_clear(&call->message);
            if (p[0] != 0)
                fail_call(call, pl_fail(INTERNAL, "the answer is compressed"));
            else if (call->message_len > call->message.ceiling)
                fail_call(call, pl_fail(TOO_BIG, "the answer is larger than the client takes"));
        } else {
            size_t want = call->message_len - pl_buf_len(&call->message);
            size_t take = want < len - at ? want : len - at;
            struct pl_status status = pl_buf_append(&call->message, data + at, take);
            if (!pl_is_ok(status))
                fail_call(call, status);
            at += take;
        }
        if (pl_is_ok(call->failed) && call->prefix_len == PREFIX_BYTES &&
            pl_buf_len(&call->message) == call->message_len)
            finish_message(call);
    }
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t len, void *user)
{
    (void)session;
    (void)flags;
    struct h2call *call = call_of(user, stream);
    if (call == NULL)
        return 0;
    if (call->grpc_content)
        take_data(call, data, len);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user)
{
    (void)session;
    struct h2call *call = call_of(user, stream);
    if (call == NULL)
        return 0;
    call->closed = true;
    call->refused_stream = error == NGHTTP2_REFUSED_STREAM;
    if (error != NGHTTP2_NO_ERROR && call->reply->grpc_status < 0) {
        say_why(&call->reply->error, "", "the server ended the call", 0,
                nghttp2_http2_strerror(error));
        fail_call(call, error == NGHTTP2_ENHANCE_YOUR_CALM
                            ? pl_fail(BUSY, "the server ended the call")
                            : pl_fail(UNAVAILABLE, "the server ended the call"));
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    struct pl_h2client *client = user;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        client->going_away = true;
    return 0;
}

static ssize_t read_request(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t length,
                            uint32_t *data_flags, nghttp2_data_source *source, void *user)
{
    (void)session;
    (void)stream;
    (void)user;
    struct h2call *call = source->ptr;
    uint8_t prefix[PREFIX_BYTES] = {0};
    for (int i = 0; i < 4; i++)
        prefix[1 + i] = (uint8_t)(call->request.len >> (8 * (3 - i)));
    size_t made = 0;
    while (made < length && call->sent < PREFIX_BYTES)
        buf[made++] = prefix[call->sent++];
    size_t left = call->request.len + PREFIX_BYTES - call->sent;
    size_t take = left < length - made ? left : length - made;
    if (take > 0)
        memcpy(buf + made, call->request.data + (call->sent - PREFIX_BYTES), take);
    made += take;
    call->sent += take;
    if (call->sent == call->request.len + PREFIX_BYTES)
        *data_flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)made;
}

static struct pl_status make_session(struct pl_h2client *client)
{
    nghttp2_session_callbacks *callbacks = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return pl_fail(INTERNAL, "setting up HTTP/2");
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    int made = nghttp2_session_client_new(&client->session, callbacks, client);
    nghttp2_session_callbacks_del(callbacks);
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 16 << 10},
    };
    if (made != 0 ||
        nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, settings, PL_COUNT(settings)) !=
            0 ||
        nghttp2_session_set_local_window_size(client->session, NGHTTP2_FLAG_NONE, 0,
                                              WINDOW_BYTES) != 0)
        return pl_fail(INTERNAL, "setting up HTTP/2");
    return pl_ok();
}

/* --- bytes in and out --- */

static struct pl_status collect_output(struct pl_h2client *client)
{
    while (pl_buf_len(&client->out) < 64 << 10) {
        const uint8_t *data = NULL;
        ssize_t len = nghttp2_session_mem_send(client->session, &data);
        if (len < 0)
            return pl_fail(INTERNAL, "making HTTP/2 frames");
        if (len == 0)
            return pl_ok();
        PL_TRY(pl_buf_append(&client->out, data, (size_t)len));
    }
    return pl_ok();
}

static struct pl_status write_some(struct pl_h2client *client, short *ret_events)
{
    PL_TRY(collect_output(client));
    while (pl_buf_len(&client->out) > 0) {
        struct pl_slice bytes = pl_buf_slice(&client->out);
        size_t written = 0;
        ERR_clear_error();
        errno = 0;
        int result = SSL_write_ex(client->ssl, bytes.data, bytes.len, &written);
        if (result != 1)
            return tls_result(client, result, ret_events);
        pl_buf_consume(&client->out, written);
        PL_TRY(collect_output(client));
    }
    return pl_ok();
}

/* Reads what is there, up to a limit. OK with *ret_events set to what to wait for. */
static struct pl_status read_some(struct pl_h2client *client, short *ret_events)
{
    uint8_t bytes[READ_BYTES];
    for (int reads = 0; reads < READS_MOST; reads++) {
        size_t got = 0;
        ERR_clear_error();
        errno = 0;
        int result = SSL_read_ex(client->ssl, bytes, sizeof(bytes), &got);
        if (result != 1)
            return tls_result(client, result, ret_events);
        ssize_t used = nghttp2_session_mem_recv(client->session, bytes, got);
        if (used < 0) {
            say_why(&client->error, "", "the server broke HTTP/2", 0, nghttp2_strerror((int)used));
            return pl_fail(INTERNAL, "reading HTTP/2 frames");
        }
        if (client->call == NULL || client->call->closed || !pl_is_ok(client->call->failed))
            return pl_ok();
    }
    *ret_events = POLLIN | POLLOUT; /* there may be more within TLS: the wait is a short one */
    return pl_ok();
}

/* A write that fails may hide the alert that says why: what the server sent is read first. */
static struct pl_status turn(struct pl_h2client *client, short *ret_events)
{
    short wants_write = 0, wants_read = POLLIN;
    struct pl_status written = write_some(client, &wants_write);
    PL_TRY(read_some(client, &wants_read));
    if (!pl_is_ok(written))
        return written;
    if (client->call != NULL && !client->call->closed && pl_is_ok(client->call->failed) &&
        nghttp2_session_want_read(client->session) == 0 &&
        nghttp2_session_want_write(client->session) == 0) {
        say(&client->error, "the server ended the connection");
        return pl_fail(UNAVAILABLE, "talking to the server");
    }
    /* frames that reading caused (acknowledgements, window updates) leave at once */
    if (nghttp2_session_want_write(client->session) != 0 && wants_write == 0)
        PL_TRY(write_some(client, &wants_write));
    *ret_events = (short)(wants_read | wants_write);
    return pl_ok();
}

/* --- calls --- */

void pl_h2client_reply_init(struct pl_h2client_reply *reply)
{
    *reply = (struct pl_h2client_reply){.grpc_status = -1};
    pl_buf_init(&reply->message, TEXT_BYTES_MAX);
    pl_buf_init(&reply->details, TEXT_BYTES_MAX);
    pl_buf_init(&reply->body, SIZE_MAX / 2);
}

void pl_h2client_reply_fini(struct pl_h2client_reply *reply)
{
    pl_buf_fini(&reply->message);
    pl_buf_fini(&reply->details);
    pl_buf_fini(&reply->body);
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static struct pl_status submit(struct pl_h2client *client, const char *path, struct h2call *call)
{
    int64_t left_ms = (call->deadline_ns - now_ns()) / NS_PER_MS;
    if (left_ms <= 0)
        return pl_fail(TIMEOUT, "the deadline passed before the call");
    char timeout[32];
    if (left_ms > 99999999)
        left_ms = 99999999;
    (void)snprintf(timeout, sizeof(timeout), "%" PRId64 "m", left_ms);
    nghttp2_nv headers[] = {
        header(":method", "POST"),       header(":scheme", "https"),
        header(":path", path),           header(":authority", client->authority),
        header("te", "trailers"),        header("content-type", "application/grpc"),
        header("grpc-timeout", timeout), header("user-agent", "pledge/" PLEDGED_VERSION),
    };
    nghttp2_data_provider body = {.source = {.ptr = call}, .read_callback = read_request};
    int32_t stream =
        nghttp2_submit_request(client->session, NULL, headers, PL_COUNT(headers), &body, NULL);
    if (stream < 0)
        return pl_fail(UNAVAILABLE, "starting a call");
    call->stream = stream;
    return pl_ok();
}

/* The HTTP status stands in for a gRPC one where a proxy answered instead of the server. */
static int grpc_of_http(int http)
{
    switch (http) {
    case 400:
        return 13;
    case 401:
        return 16;
    case 403:
        return 7;
    case 404:
        return 12;
    case 429:
    case 502:
    case 503:
    case 504:
        return 14;
    default:
        return 2;
    }
}

static struct pl_status judge(struct h2call *call)
{
    struct pl_h2client_reply *reply = call->reply;
    if (!pl_is_ok(call->failed)) {
        if (reply->error.text[0] == '\0')
            say(&reply->error, call->failed.what);
        return call->failed;
    }
    if (reply->grpc_status < 0) {
        if (call->http_status == 200 && call->grpc_content) {
            say(&reply->error, "the answer breaks off");
            return pl_fail(UNAVAILABLE, "the answer breaks off");
        }
        reply->grpc_status = grpc_of_http(call->http_status);
        pl_buf_clear(&reply->message);
        return pl_buf_printf(&reply->message, "HTTP status %d", call->http_status);
    }
    if (reply->grpc_status == 0 &&
        (call->prefix_len != 0 || (call->on_message == NULL && call->messages != 1))) {
        say(&reply->error, "the answer is not one whole message");
        return pl_fail(INTERNAL, "the answer is not one whole message");
    }
    return pl_ok();
}

/* Waits for the connection, but not past the deadline, nor (a stream) for a message that does not
 * become whole: the deadline of a stream has to allow for a long answer, so it cannot notice a dead
 * server. */
static struct pl_status wait_in_call(struct pl_h2client *client, struct h2call *call, short events)
{
    int64_t until_ns = call->deadline_ns;
    if (call->moved || call->quiet_since_ns == 0)
        call->quiet_since_ns = now_ns();
    call->moved = false;
    if (call->on_message != NULL && client->silence_ms > 0) {
        int64_t silent_ns = call->quiet_since_ns + client->silence_ms * NS_PER_MS;
        until_ns = silent_ns < until_ns ? silent_ns : until_ns;
    }
    struct pl_status status = wait_for(client->fd, events, until_ns);
    if (!pl_is_ok(status) && until_ns < call->deadline_ns)
        say(&call->reply->error, "the answer does not go on");
    else if (!pl_is_ok(status))
        say(&call->reply->error, "no answer before the deadline");
    return status;
}

static struct pl_status run_call(struct pl_h2client *client, const char *path, struct h2call *call)
{
    PL_TRY(submit(client, path, call));
    call->reply->maybe_processed = true;
    for (;;) {
        short events = 0;
        struct pl_status status = turn(client, &events);
        /* An answer that arrived whole counts, even if the connection ended right after it. */
        if (call->closed || !pl_is_ok(call->failed))
            return judge(call);
        if (!pl_is_ok(status)) {
            client->broken = status;
            call->reply->error = client->error;
            if (status.code == PL_E_UNAUTHENTICATED)
                call->reply->maybe_processed = false; /* the handshake itself was refused */
            return status;
        }
        PL_TRY(wait_in_call(client, call, events));
    }
}

static struct pl_status call_run(struct pl_h2client *client, const char *path, struct h2call *call)
{
    struct pl_h2client_reply *reply = call->reply;
    reply->grpc_status = -1;
    reply->maybe_processed = false;
    reply->error = (struct pl_h2client_error){0};
    pl_buf_clear(&reply->message);
    pl_buf_clear(&reply->details);
    pl_buf_clear(&reply->body);
    if (!pl_h2client_usable(client)) {
        say(&reply->error, "the connection is closed");
        return pl_fail(UNAVAILABLE, "the connection is closed");
    }
    pl_buf_init(&call->message, client->message_bytes_max);
    client->call = call;
    struct pl_status status = run_call(client, path, call);
    if (!pl_is_ok(status) && reply->error.text[0] == '\0')
        say(&reply->error, status.what);
    if (call->refused_stream)
        reply->maybe_processed = false;
    client->call = NULL; /* our own reset below is no word of the server's */
    if (call->stream >= 0 && !call->closed && pl_is_ok(client->broken)) {
        /* tells the server that nobody waits any more; if that does not leave now, closing will */
        short events = 0;
        (void)nghttp2_submit_rst_stream(client->session, NGHTTP2_FLAG_NONE, call->stream,
                                        NGHTTP2_CANCEL);
        struct pl_status cancelled = write_some(client, &events);
        if (!pl_is_ok(cancelled) || events != 0)
            client->broken = pl_fail(UNAVAILABLE, "cancelling a call");
    }
    pl_buf_fini(&call->message);
    return status;
}

struct pl_status pl_h2client_unary(struct pl_h2client *client, const char *path,
                                   struct pl_slice request, int64_t deadline_ns,
                                   struct pl_h2client_reply *reply)
{
    struct h2call call = {.stream = -1,
                          .request = request,
                          .deadline_ns = deadline_ns,
                          .reply = reply,
                          .failed = pl_ok()};
    return call_run(client, path, &call);
}

struct pl_status pl_h2client_stream(struct pl_h2client *client, const char *path,
                                    struct pl_slice request, int64_t deadline_ns,
                                    pl_h2client_message_fn on_message, void *arg,
                                    struct pl_h2client_reply *reply)
{
    struct h2call call = {.stream = -1,
                          .request = request,
                          .deadline_ns = deadline_ns,
                          .on_message = on_message,
                          .arg = arg,
                          .reply = reply,
                          .failed = pl_ok()};
    return call_run(client, path, &call);
}

/* --- life --- */

void pl_h2client_free(struct pl_h2client *client)
{
    if (client == NULL)
        return;
    if (client->session != NULL && pl_is_ok(client->broken) && client->ssl != NULL) {
        short events = 0;
        (void)nghttp2_session_terminate_session(client->session, NGHTTP2_NO_ERROR);
        if (pl_is_ok(write_some(client, &events)))
            (void)SSL_shutdown(client->ssl);
        ERR_clear_error();
    }
    if (client->session != NULL)
        nghttp2_session_del(client->session);
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
    if (client->fd >= 0)
        (void)close(client->fd);
    pl_buf_fini(&client->out);
    free(client);
}

static void freep(struct pl_h2client **client)
{
    pl_h2client_free(*client);
}

bool pl_h2client_usable(const struct pl_h2client *client)
{
    return pl_is_ok(client->broken) && !client->going_away;
}

static struct pl_status open_connection(struct pl_h2client *client,
                                        const struct pl_h2client_options *options,
                                        int64_t deadline_ns)
{
    PL_TRY(make_context(client, options));
    PL_TRY(connect_socket(client, options, deadline_ns));
    PL_TRY(make_ssl(client, options->host));
    struct pl_status status = handshake(client, deadline_ns);
    if (status.code == PL_E_TIMEOUT)
        say_why(&client->error, client->authority, "the TLS handshake does not come to its end", 0,
                "");
    PL_TRY(status);
    return make_session(client);
}

struct pl_status pl_h2client_connect(const struct pl_h2client_options *options, int64_t deadline_ns,
                                     struct pl_h2client_error *ret_error, struct pl_h2client **ret)
{
    *ret_error = (struct pl_h2client_error){0};
    struct pl_h2client *client PL_CLEANUP(freep) = calloc(1, sizeof(*client));
    if (client == NULL)
        return pl_fail(INTERNAL, "allocating a connection");
    client->fd = -1;
    client->broken = pl_fail(UNAVAILABLE, "not connected");
    client->silence_ms = options->silence_ms;
    client->message_bytes_max =
        options->message_bytes_max == 0 ? MESSAGE_BYTES_DEFAULT : options->message_bytes_max;
    pl_buf_init(&client->out, 1 << 20);
    (void)snprintf(client->authority, sizeof(client->authority),
                   strchr(options->host, ':') != NULL ? "[%s]:%u" : "%s:%u", options->host,
                   (unsigned)options->port);
    struct pl_status status = open_connection(client, options, deadline_ns);
    if (!pl_is_ok(status)) {
        if (client->error.text[0] == '\0')
            say(&client->error, status.what);
        *ret_error = client->error;
        return status;
    }
    client->broken = pl_ok();
    *ret = PL_TAKE(client);
    return pl_ok();
}
