/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_server: a gRPC server for tests of clients: one thread, one connection after the other, TLS
 * 1.3 with a throw-away authority. What it answers is told by a function of the test, and it can
 * misbehave in every way a client must survive. Header only; the test is the only user.
 */
#ifndef TESTS_FAKE_SERVER_H
#define TESTS_FAKE_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base64.h"
#include "common/buf.h"
#include "common/check.h"

/* --- certificates --- */

struct fake_pki {
    char dir[64];
    char ca[96], cert[96], key[96];       /* of the server; ca signed cert */
    char client_cert[96], client_key[96]; /* of the client */
    char other_ca[96];                    /* an authority that signed nothing here */
};

static void fake_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    PL_ASSERT(extension != NULL);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

static X509 *fake_cert(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
                       const char *san)
{
    static long serial = 1;
    X509 *cert = X509_new();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME *subject = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1,
                               0);
    X509_set_issuer_name(cert, issuer == NULL ? subject : X509_get_subject_name(issuer));
    if (issuer == NULL)
        fake_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE");
    if (san != NULL)
        fake_extension(cert, issuer, NID_subject_alt_name, san);
    PL_ASSERT(X509_sign(cert, issuer_key == NULL ? key : issuer_key, EVP_sha256()) > 0);
    return cert;
}

static void fake_write(const char *path, X509 *cert, EVP_PKEY *key)
{
    FILE *file = fopen(path, "we");
    PL_ASSERT(file != NULL);
    if (cert != NULL)
        PEM_write_X509(file, cert);
    if (key != NULL)
        PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    (void)fclose(file);
}

static void fake_pki_init(struct fake_pki *pki)
{
    (void)snprintf(pki->dir, sizeof(pki->dir), "/tmp/pledge-fake-XXXXXX");
    PL_ASSERT(mkdtemp(pki->dir) != NULL);
    char *paths[] = {pki->ca,          pki->cert,       pki->key,
                     pki->client_cert, pki->client_key, pki->other_ca};
    const char *names[] = {"ca.crt", "s.crt", "s.key", "c.crt", "c.key", "other.crt"};
    for (size_t i = 0; i < PL_COUNT(paths); i++)
        (void)snprintf(paths[i], 96, "%s/%s", pki->dir, names[i]);
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256"), *mine = EVP_EC_gen("P-256");
    X509 *ca = fake_cert("fake authority", ca_key, NULL, NULL, NULL);
    X509 *server = fake_cert("server", key, ca, ca_key, "DNS:localhost,IP:127.0.0.1");
    X509 *client = fake_cert("client", mine, ca, ca_key, "URI:pledged:person:test");
    X509 *other = fake_cert("other authority", mine, NULL, NULL, NULL);
    fake_write(pki->ca, ca, NULL);
    fake_write(pki->cert, server, NULL);
    fake_write(pki->key, NULL, key);
    fake_write(pki->client_cert, client, NULL);
    fake_write(pki->client_key, NULL, mine);
    fake_write(pki->other_ca, other, NULL);
    X509_free(ca);
    X509_free(server);
    X509_free(client);
    X509_free(other);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
    EVP_PKEY_free(mine);
}

static void fake_pki_fini(struct fake_pki *pki)
{
    char *paths[] = {pki->ca,          pki->cert,       pki->key,
                     pki->client_cert, pki->client_key, pki->other_ca};
    for (size_t i = 0; i < PL_COUNT(paths); i++)
        (void)unlink(paths[i]);
    (void)rmdir(pki->dir);
}

/* --- answers --- */

enum fake_way {
    FAKE_ANSWER,         /* messages, then status */
    FAKE_DROP,           /* the connection ends without a word */
    FAKE_DROP_MIDWAY,    /* after the messages, before the status */
    FAKE_RESET_REFUSED,  /* RST_STREAM(REFUSED_STREAM): nothing was done */
    FAKE_RESET_INTERNAL, /* RST_STREAM(INTERNAL_ERROR) */
    FAKE_SILENCE,        /* no answer at all */
    FAKE_SILENCE_MIDWAY, /* after the messages nothing more, on an open connection */
    FAKE_HTTP,           /* an HTTP answer that is not gRPC */
};
struct fake_reply {
    enum fake_way way;
    int http_status; /* FAKE_HTTP */
    int grpc_status;
    const char *message;   /* as it stands in the header, percent-encoded */
    struct pl_buf details; /* google.rpc.Status */
    struct pl_buf body;    /* framed messages */
    bool goaway;           /* say GOAWAY after this answer */
};
/* n: how many requests came before, over all connections */
typedef void (*fake_handler)(void *arg, unsigned n, const char *path, struct pl_slice request,
                             struct fake_reply *reply);

static void fake_add_message(struct fake_reply *reply, const void *data, size_t len)
{
    uint8_t prefix[5] = {0, (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                         (uint8_t)len};
    PL_ASSERT(pl_is_ok(pl_buf_append(&reply->body, prefix, 5)));
    PL_ASSERT(pl_is_ok(pl_buf_append(&reply->body, data, len)));
}

static void fake_add_field(struct pl_buf *out, unsigned number, const void *data, size_t len)
{
    uint8_t head[8] = {(uint8_t)(number << 3 | 2)};
    size_t n = 1;
    for (size_t left = len; n == 1 || left != 0; n++) {
        head[n] = (uint8_t)((left & 0x7F) | (left > 0x7F ? 0x80 : 0));
        left >>= 7;
        if (left == 0) {
            n++;
            break;
        }
    }
    PL_ASSERT(pl_is_ok(pl_buf_append(out, head, n)));
    PL_ASSERT(pl_is_ok(pl_buf_append(out, data, len)));
}

/* details := Status{details: Any{type_url, value}} */
__attribute__((unused)) static void fake_set_details(struct fake_reply *reply, const char *type,
                                                     const void *value, size_t len)
{
    struct pl_buf any PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&any, 1 << 16);
    fake_add_field(&any, 1, type, strlen(type));
    fake_add_field(&any, 2, value, len);
    fake_add_field(&reply->details, 3, any.data + any.start, pl_buf_len(&any));
}

/* --- the server --- */

struct fake_server {
    const struct fake_pki *pki;
    fake_handler handler;
    void *arg;
    int listener;
    uint16_t port;
    atomic_uint requests, connections;
    atomic_bool stop;
    pthread_t thread;
    SSL_CTX *context;
    bool demand_cert;
    const char *alpn; /* what it agrees to; "h2" */
};

struct fake_conn {
    struct fake_server *server;
    SSL *ssl;
    nghttp2_session *session;
    char path[128];
    struct pl_buf request;
    struct fake_reply reply;
    size_t sent;
    char *details; /* base64 */
    bool drop;
    int32_t stream;
};

static int fake_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                     const unsigned char *in, unsigned int in_len, void *arg)
{
    (void)ssl;
    struct fake_server *server = arg;
    size_t len = strlen(server->alpn);
    for (unsigned int at = 0; at < in_len; at += in[at] + 1U) {
        if (in[at] == len && memcmp(in + at + 1, server->alpn, len) == 0) {
            *out = in + at + 1;
            *out_len = in[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_NOACK;
}

static nghttp2_nv fake_nv(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static void fake_trailers(struct fake_conn *conn, int32_t stream)
{
    char status[8];
    nghttp2_nv nv[3];
    size_t count = 0;
    (void)snprintf(status, sizeof(status), "%d", conn->reply.grpc_status);
    nv[count++] = fake_nv("grpc-status", status);
    if (conn->reply.message != NULL)
        nv[count++] = fake_nv("grpc-message", conn->reply.message);
    if (conn->details != NULL)
        nv[count++] = fake_nv("grpc-status-details-bin", conn->details);
    nghttp2_submit_trailer(conn->session, stream, nv, count);
}

static ssize_t fake_body(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)session;
    (void)source;
    struct fake_conn *conn = user;
    struct pl_slice body = pl_buf_slice(&conn->reply.body);
    size_t take = body.len - conn->sent < length ? body.len - conn->sent : length;
    if (take > 0)
        memcpy(buf, body.data + conn->sent, take);
    conn->sent += take;
    if (conn->sent == body.len) {
        if (conn->reply.way == FAKE_SILENCE_MIDWAY)
            return take == 0 ? NGHTTP2_ERR_DEFERRED : (ssize_t)take;
        if (conn->reply.way == FAKE_DROP_MIDWAY) {
            if (take == 0)
                conn->drop = true;
            return take == 0 ? NGHTTP2_ERR_DEFERRED : (ssize_t)take;
        }
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        fake_trailers(conn, stream);
    }
    return (ssize_t)take;
}

static void fake_send_reply(struct fake_conn *conn, int32_t stream)
{
    char status[8];
    struct fake_reply *reply = &conn->reply;
    nghttp2_data_provider body = {.read_callback = fake_body};
    (void)snprintf(status, sizeof(status), "%d",
                   reply->way == FAKE_HTTP ? reply->http_status : 200);
    nghttp2_nv nv[] = {
        fake_nv(":status", status),
        fake_nv("content-type", reply->way == FAKE_HTTP ? "text/html" : "application/grpc")};
    switch (reply->way) {
    case FAKE_ANSWER:
    case FAKE_DROP_MIDWAY:
    case FAKE_SILENCE_MIDWAY:
        nghttp2_submit_response(conn->session, stream, nv, 2, &body);
        break;
    case FAKE_HTTP:
        nghttp2_submit_response(conn->session, stream, nv, 2, NULL);
        break;
    case FAKE_RESET_REFUSED:
        nghttp2_submit_rst_stream(conn->session, 0, stream, NGHTTP2_REFUSED_STREAM);
        break;
    case FAKE_RESET_INTERNAL:
        nghttp2_submit_rst_stream(conn->session, 0, stream, NGHTTP2_INTERNAL_ERROR);
        break;
    case FAKE_DROP:
        conn->drop = true;
        break;
    case FAKE_SILENCE:
        break;
    }
    if (reply->goaway)
        nghttp2_submit_goaway(conn->session, 0, stream, NGHTTP2_NO_ERROR, NULL, 0);
}

static int fake_on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                          size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                          void *user)
{
    (void)session;
    (void)frame;
    (void)flags;
    struct fake_conn *conn = user;
    if (name_len == 5 && memcmp(name, ":path", 5) == 0)
        (void)snprintf(conn->path, sizeof(conn->path), "%.*s", (int)value_len, (const char *)value);
    return 0;
}

static int fake_on_data(nghttp2_session *session, uint8_t flags, int32_t stream,
                        const uint8_t *data, size_t len, void *user)
{
    (void)session;
    (void)flags;
    (void)stream;
    struct fake_conn *conn = user;
    PL_ASSERT(pl_is_ok(pl_buf_append(&conn->request, data, len)));
    return 0;
}

static void fake_forget(struct fake_conn *conn)
{
    pl_buf_fini(&conn->reply.body);
    pl_buf_fini(&conn->reply.details);
    free(conn->details);
    conn->details = NULL;
}

static int fake_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    struct fake_conn *conn = user;
    bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!ends || (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS))
        return 0;
    fake_forget(conn);
    conn->reply = (struct fake_reply){0};
    conn->sent = 0;
    pl_buf_init(&conn->reply.body, 64 << 20);
    pl_buf_init(&conn->reply.details, 1 << 16);
    struct pl_slice request = pl_buf_slice(&conn->request);
    PL_ASSERT(request.len >= 5);
    unsigned n = atomic_fetch_add(&conn->server->requests, 1);
    conn->server->handler(conn->server->arg, n, conn->path,
                          pl_slice(request.data + 5, request.len - 5), &conn->reply);
    pl_buf_clear(&conn->request);
    if (pl_buf_len(&conn->reply.details) > 0) {
        struct pl_buf text PL_CLEANUP(pl_buf_fini);
        pl_buf_init(&text, 1 << 17);
        PL_ASSERT(pl_is_ok(pl_base64(&text, pl_buf_slice(&conn->reply.details), false)));
        conn->details = strndup((const char *)text.data + text.start, pl_buf_len(&text));
    }
    fake_send_reply(conn, frame->hd.stream_id);
    return 0;
}

/* False when the connection is over. */
static bool fake_flush(struct fake_conn *conn)
{
    const uint8_t *data;
    ssize_t len;
    while (!conn->drop && (len = nghttp2_session_mem_send(conn->session, &data)) > 0) {
        if (SSL_write(conn->ssl, data, (int)len) <= 0)
            return false;
    }
    return !conn->drop;
}

static void fake_serve(struct fake_conn *conn, int fd)
{
    uint8_t bytes[16384];
    while (fake_flush(conn) && !atomic_load(&conn->server->stop)) {
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        if (SSL_pending(conn->ssl) == 0 && poll(&poller, 1, 20) == 0)
            continue;
        int got = SSL_read(conn->ssl, bytes, sizeof(bytes));
        if (got <= 0 || nghttp2_session_mem_recv(conn->session, bytes, (size_t)got) < 0)
            return;
    }
}

static void fake_connection(struct fake_server *server, int fd)
{
    struct fake_conn conn = {.server = server, .ssl = SSL_new(server->context)};
    nghttp2_session_callbacks *callbacks;
    pl_buf_init(&conn.request, 4 << 20);
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, fake_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, fake_on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, fake_on_frame);
    nghttp2_session_server_new(&conn.session, callbacks, &conn);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry window = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100};
    nghttp2_submit_settings(conn.session, 0, &window, 1);
    SSL_set_fd(conn.ssl, fd);
    if (SSL_accept(conn.ssl) == 1)
        fake_serve(&conn, fd);
    ERR_clear_error();
    fake_forget(&conn);
    pl_buf_fini(&conn.request);
    nghttp2_session_del(conn.session);
    SSL_free(conn.ssl);
    (void)shutdown(fd, SHUT_WR);
}

static void *fake_run(void *arg)
{
    struct fake_server *server = arg;
    while (!atomic_load(&server->stop)) {
        struct pollfd poller = {.fd = server->listener, .events = POLLIN};
        if (poll(&poller, 1, 20) <= 0)
            continue;
        int fd = accept(server->listener, NULL, NULL);
        if (fd < 0)
            continue;
        struct timeval limit = {.tv_sec = 5};
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        atomic_fetch_add(&server->connections, 1);
        fake_connection(server, fd);
        (void)close(fd);
    }
    return NULL;
}

/* Set pki, handler, arg (and what differs from the usual) before. */
static void fake_start(struct fake_server *server)
{
    (void)signal(SIGPIPE, SIG_IGN);
    if (server->alpn == NULL)
        server->alpn = "h2";
    server->context = SSL_CTX_new(TLS_server_method());
    PL_ASSERT(SSL_CTX_use_certificate_file(server->context, server->pki->cert, SSL_FILETYPE_PEM) ==
              1);
    PL_ASSERT(SSL_CTX_use_PrivateKey_file(server->context, server->pki->key, SSL_FILETYPE_PEM) ==
              1);
    PL_ASSERT(SSL_CTX_load_verify_file(server->context, server->pki->ca) == 1);
    SSL_CTX_set_verify(server->context,
                       server->demand_cert ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                                           : SSL_VERIFY_NONE,
                       NULL);
    SSL_CTX_set_alpn_select_cb(server->context, fake_alpn, server);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    PL_ASSERT(bind(server->listener, (struct sockaddr *)&address, len) == 0);
    PL_ASSERT(listen(server->listener, 16) == 0);
    PL_ASSERT(getsockname(server->listener, (struct sockaddr *)&address, &len) == 0);
    server->port = ntohs(address.sin_port);
    PL_ASSERT(pthread_create(&server->thread, NULL, fake_run, server) == 0);
}

static void fake_stop(struct fake_server *server)
{
    atomic_store(&server->stop, true);
    (void)pthread_join(server->thread, NULL);
    (void)close(server->listener);
    SSL_CTX_free(server->context);
}

#endif
