/* SPDX-License-Identifier: Apache-2.0
 *
 * tls: see tls.h. First half: contexts. Second half: the loop.
 *
 * What a context settles: TLS 1.3 alone; ALPN h2, and a handshake without it fails with
 * no_application_protocol; ECDSA and Ed25519; a client certificate that chains to the CA file.
 * Sessions are never resumed: a resumed one would skip the checks of chain, expiry and CRL. No
 * early data: what can be replayed could be a second pledge.
 *
 * I1: ERR_clear_error before every SSL call that can fail, because SSL_get_error reads the queue.
 * I2: bytes that SSL_write did not take are offered again unchanged (they move to `stuck`).
 * I3: bytes may wait inside SSL where epoll cannot see them; whoever stops reading early comes back
 * by a timer (`again`).
 */
#include "server/net/tls.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/check.h"

enum {
    DETAIL_BYTES = 256,
    CHAIN_DEPTH_MAX = 4,
    READ_BYTES_A_TURN = 64 * 1024,
    WRITE_BYTES_A_TURN = 256 * 1024,
    LINGER_BYTES_MAX = 1024 * 1024,
};

/* --- contexts --- */

struct tls_context {
    atomic_uint refs;
    SSL_CTX *ssl;
};

struct loading {
    const struct tls_files *files;
    SSL_CTX *ssl;
    char *detail;
};

static struct pl_status wrong(struct loading *loading, const char *file, const char *why)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    (void)snprintf(loading->detail, DETAIL_BYTES, "%s: %s%s%s", file, why,
                   reason == NULL ? "" : ": ", reason == NULL ? "" : reason);
    ERR_clear_error();
    return pl_fail(CONFIG, "load TLS files");
}

/* Clients must offer h2 at all: without the extension the selection below is never asked. */
static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
    const unsigned char *alpn = NULL;
    size_t len = 0;
    (void)arg;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &alpn,
                                  &len))
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
    return SSL_CLIENT_HELLO_ERROR;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char h2[] = {'h', '2'};
    (void)ssl;
    (void)arg;
    for (unsigned i = 0; i + 1 + sizeof(h2) <= in_len; i += 1u + in[i]) {
        if (in[i] == sizeof(h2) && memcmp(&in[i + 1], h2, sizeof(h2)) == 0) {
            *out = h2;
            *out_len = sizeof(h2);
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL; /* no_application_protocol */
}

/* An encrypted key must fail, not ask a terminal that a daemon does not have. */
static int no_password(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static struct pl_status load_key(struct loading *loading)
{
    const char *path = loading->files->key;
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return wrong(loading, path, strerror(errno));
    if (fstat(fd, &about) != 0 || (about.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        (void)close(fd);
        return wrong(loading, path, "the key can be read by others; set its mode to 0600");
    }
    BIO *bio = BIO_new_fd(fd, BIO_CLOSE);
    PL_ASSERT(bio != NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    BIO_free(bio);
    if (key == NULL)
        return wrong(loading, path, "not a private key without password");
    bool modern = EVP_PKEY_is_a(key, "EC") || EVP_PKEY_is_a(key, "ED25519");
    bool fits = modern && SSL_CTX_use_PrivateKey(loading->ssl, key) == 1 &&
                SSL_CTX_check_private_key(loading->ssl) == 1;
    EVP_PKEY_free(key);
    if (!modern)
        return wrong(loading, path, "the key is neither ECDSA nor Ed25519");
    return fits ? pl_ok() : wrong(loading, path, "the key does not belong to the certificate");
}

static struct pl_status load_certificate(struct loading *loading)
{
    const char *path = loading->files->cert;
    if (SSL_CTX_use_certificate_chain_file(loading->ssl, path) != 1)
        return wrong(loading, path, "no usable certificate");
    const X509 *leaf = SSL_CTX_get0_certificate(loading->ssl);
    if (X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0)
        return wrong(loading, path, "the certificate has expired");
    return pl_ok();
}

static struct pl_status load_authorities(struct loading *loading)
{
    const char *path = loading->files->ca;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (names == NULL || sk_X509_NAME_num(names) == 0 ||
        SSL_CTX_load_verify_file(loading->ssl, path) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return wrong(loading, path, "no usable CA certificate");
    }
    SSL_CTX_set_client_CA_list(loading->ssl, names);
    return pl_ok();
}

/* An expired list would lock everybody out at the first handshake: better to say so at start. */
static struct pl_status add_crl(struct loading *loading, X509_CRL *crl)
{
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
    if (next != NULL && X509_cmp_current_time(next) < 0)
        return wrong(loading, loading->files->crl, "the revocation list has expired");
    if (X509_STORE_add_crl(SSL_CTX_get_cert_store(loading->ssl), crl) != 1)
        return wrong(loading, loading->files->crl, "not a usable revocation list");
    return pl_ok();
}

static struct pl_status load_crl(struct loading *loading)
{
    const char *path = loading->files->crl;
    if (path == NULL)
        return pl_ok();
    BIO *bio = BIO_new_file(path, "r");
    if (bio == NULL)
        return wrong(loading, path, "cannot be opened");
    struct pl_status status = pl_ok();
    int count = 0;
    X509_CRL *crl;
    while (pl_is_ok(status) &&
           (crl = PEM_read_bio_X509_CRL(bio, NULL, no_password, NULL)) != NULL) {
        status = add_crl(loading, crl);
        X509_CRL_free(crl);
        count++;
    }
    BIO_free(bio);
    ERR_clear_error(); /* the end of the file is reported as an error */
    PL_TRY(status);
    if (count == 0)
        return wrong(loading, path, "no revocation list in it");
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(loading->ssl),
                                X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return pl_ok();
}

static void settle(SSL_CTX *ssl)
{
    static const unsigned char id[] = "pledged";
    static const char algorithms[] =
        "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512:ed25519";
    bool good = SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) == 1 &&
                SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) == 1 &&
                SSL_CTX_set1_sigalgs_list(ssl, algorithms) == 1 &&
                SSL_CTX_set1_client_sigalgs_list(ssl, algorithms) == 1 &&
                SSL_CTX_set_num_tickets(ssl, 0) == 1 && SSL_CTX_set_max_early_data(ssl, 0) == 1 &&
                SSL_CTX_set_session_id_context(ssl, id, sizeof(id) - 1) == 1;
    PL_ASSERT(good);
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ssl, 1); /* one read(2) for all records that arrived */
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(ssl, CHAIN_DEPTH_MAX);
    SSL_CTX_set_client_hello_cb(ssl, on_client_hello, NULL);
    SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
}

static struct pl_status load(struct loading *loading)
{
    PL_TRY(load_certificate(loading));
    PL_TRY(load_key(loading));
    PL_TRY(load_authorities(loading));
    return load_crl(loading);
}

struct pl_status tls_context_new(const struct tls_files *files, char *ret_detail,
                                 struct tls_context **ret)
{
    ERR_clear_error();
    struct loading loading = {files, SSL_CTX_new(TLS_server_method()), ret_detail};
    PL_ASSERT(loading.ssl != NULL);
    settle(loading.ssl);
    struct pl_status status = load(&loading);
    if (!pl_is_ok(status)) {
        SSL_CTX_free(loading.ssl);
        return status;
    }
    struct tls_context *context = malloc(sizeof(*context));
    PL_ASSERT(context != NULL);
    atomic_init(&context->refs, 1);
    context->ssl = loading.ssl;
    *ret = context;
    return pl_ok();
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    if (context == NULL || atomic_fetch_sub_explicit(&context->refs, 1, memory_order_acq_rel) > 1)
        return;
    SSL_CTX_free(context->ssl);
    free(context);
}

/* --- the loop --- */

enum tls_state { TLS_HANDSHAKE, TLS_OPEN, TLS_LINGER, TLS_STOPPED };

struct tls_io {
    struct tls_io_options options;
    SSL *ssl;
    struct event *on_readable, *on_writable, *again;
    enum tls_state state;
    uint8_t *stuck; /* owns; what SSL_write did not take (I2) */
    size_t stuck_start, stuck_end;
    bool read_paused;
    bool read_wants_write, write_wants_read; /* SSL asked for the other direction */
    bool read_again, write_again;            /* this turn's share was used up */
    uint64_t sent_bytes;
    size_t lingered_bytes;
};

static void end(struct tls_io *io, struct pl_status status, const char *why)
{
    tls_io_stop(io);
    io->options.events->on_end(io->options.arg, status, why);
}

/* Reads and forgets what is there. True: the peer closed, failed, or sent too much. */
static bool swallow(struct tls_io *io)
{
    struct tls_scratch *scratch = io->options.scratch;
    while (io->lingered_bytes <= LINGER_BYTES_MAX) {
        ssize_t len = recv(io->options.fd, scratch->in, sizeof(scratch->in), 0);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0 && errno == EAGAIN)
            return false;
        if (len <= 0)
            return true;
        io->lingered_bytes += (size_t)len;
    }
    return true;
}

/* The SSL object is broken or the peer is gone. */
static void end_failed(struct tls_io *io, int error)
{
    if (error == SSL_ERROR_ZERO_RETURN) {
        end(io, pl_ok(), "closed by the peer");
        return;
    }
    long verified = SSL_get_verify_result(io->ssl);
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    if (io->state == TLS_HANDSHAKE && verified != X509_V_OK)
        reason = X509_verify_cert_error_string(verified);
    else if (reason == NULL)
        reason = "connection lost";
    ERR_clear_error();
    if (io->state == TLS_HANDSHAKE) {
        swallow(io); /* so that the alert that says why arrives, and not a reset */
        end(io, pl_fail(UNAUTHENTICATED, "do a TLS handshake"), reason);
    } else {
        end(io, pl_fail(UNAVAILABLE, "talk TLS"), reason);
    }
}

static void come_again(struct tls_io *io)
{
    struct timeval now = {0, 0};
    (void)event_add(io->again, &now);
}

static void watch_writable(struct tls_io *io)
{
    (void)event_add(io->on_writable, NULL);
}

static void read_some(struct tls_io *io)
{
    struct tls_scratch *scratch = io->options.scratch;
    size_t taken = 0;
    bool more = true;
    io->read_wants_write = false;
    while (more && io->state == TLS_OPEN && !io->read_paused && taken < READ_BYTES_A_TURN) {
        size_t len = 0;
        ERR_clear_error();
        if (SSL_read_ex(io->ssl, scratch->in, sizeof(scratch->in), &len) == 1) {
            taken += len;
            /* the socket itself is watched by epoll; only what SSL holds needs another look */
            more = SSL_has_pending(io->ssl) == 1;
            io->options.events->on_bytes(io->options.arg, pl_slice(scratch->in, len));
            continue;
        }
        int error = SSL_get_error(io->ssl, 0);
        if (error == SSL_ERROR_WANT_WRITE) {
            io->read_wants_write = true;
            watch_writable(io);
        } else if (error != SSL_ERROR_WANT_READ) {
            end_failed(io, error);
        }
        more = false;
    }
    if (more && io->state == TLS_OPEN && !io->read_paused) {
        io->read_again = true; /* I3 */
        come_again(io);
    }
    if (taken > 0 && io->state == TLS_OPEN)
        io->options.events->on_read_over(io->options.arg);
}

static void handshake(struct tls_io *io)
{
    ERR_clear_error();
    int done = SSL_accept(io->ssl);
    if (done != 1) {
        int error = SSL_get_error(io->ssl, done);
        if (error == SSL_ERROR_WANT_WRITE)
            watch_writable(io);
        else if (error != SSL_ERROR_WANT_READ)
            end_failed(io, error);
        return;
    }
    io->state = TLS_OPEN;
    io->options.events->on_handshake(io->options.arg);
    if (io->state == TLS_OPEN)
        read_some(io);
}

static void readable(evutil_socket_t fd, short what, void *arg)
{
    struct tls_io *io = arg;
    (void)fd;
    (void)what;
    switch (io->state) {
    case TLS_HANDSHAKE:
        handshake(io);
        return;
    case TLS_OPEN:
        if (io->write_wants_read)
            tls_io_flush(io);
        if (io->state == TLS_OPEN && !io->read_paused)
            read_some(io);
        return;
    case TLS_LINGER:
        if (swallow(io))
            end(io, pl_ok(), "closed");
        return;
    case TLS_STOPPED:
        return;
    }
}

static void writable(evutil_socket_t fd, short what, void *arg)
{
    struct tls_io *io = arg;
    (void)fd;
    (void)what;
    if (io->state == TLS_HANDSHAKE) {
        handshake(io);
        return;
    }
    if (io->state == TLS_OPEN && io->read_wants_write && !io->read_paused)
        read_some(io);
    tls_io_flush(io);
    if (io->state == TLS_OPEN && !tls_io_blocked(io))
        io->options.events->on_unblocked(io->options.arg);
}

static void go_on(evutil_socket_t fd, short what, void *arg)
{
    struct tls_io *io = arg;
    (void)fd;
    (void)what;
    bool read = io->read_again, write = io->write_again;
    io->read_again = io->write_again = false;
    if (read && io->state == TLS_OPEN && !io->read_paused)
        read_some(io);
    if (write) {
        tls_io_flush(io);
        if (io->state == TLS_OPEN && !tls_io_blocked(io))
            io->options.events->on_unblocked(io->options.arg);
    }
}

struct pl_status tls_io_new(const struct tls_io_options *options, struct tls_io **ret)
{
    ERR_clear_error();
    SSL *ssl = SSL_new(options->context->ssl);
    if (ssl == NULL || SSL_set_fd(ssl, options->fd) != 1) {
        SSL_free(ssl);
        (void)close(options->fd);
        return pl_fail(UNAVAILABLE, "make a TLS connection");
    }
    struct tls_io *io = calloc(1, sizeof(*io));
    PL_ASSERT(io != NULL);
    io->options = *options;
    io->options.context = tls_context_ref(options->context);
    io->ssl = ssl;
    SSL_set_accept_state(ssl);
    io->on_readable = event_new(options->base, options->fd, EV_READ | EV_PERSIST, readable, io);
    io->on_writable = event_new(options->base, options->fd, EV_WRITE, writable, io);
    io->again = event_new(options->base, -1, 0, go_on, io);
    PL_ASSERT(io->on_readable != NULL && io->on_writable != NULL && io->again != NULL);
    if (event_add(io->on_readable, NULL) != 0) {
        tls_io_free(io);
        return pl_fail(UNAVAILABLE, "watch a connection");
    }
    *ret = io;
    return pl_ok();
}

/* I2: keeps what is left of `data`; it may already be the stuck buffer. */
static void keep_stuck(struct tls_io *io, const uint8_t *data, size_t len)
{
    if (io->stuck != NULL)
        return; /* stuck_start moved on already */
    io->stuck = malloc(len);
    PL_ASSERT(io->stuck != NULL);
    memcpy(io->stuck, data, len);
    io->stuck_start = 0;
    io->stuck_end = len;
}

/* Sends from `data`; true when all of it went. */
static bool send_bytes(struct tls_io *io, const uint8_t *data, size_t len)
{
    while (len > 0) {
        size_t written = 0;
        ERR_clear_error();
        if (SSL_write_ex(io->ssl, data, len, &written) != 1) {
            int error = SSL_get_error(io->ssl, 0);
            if (error != SSL_ERROR_WANT_WRITE && error != SSL_ERROR_WANT_READ) {
                end_failed(io, error);
                return false;
            }
            keep_stuck(io, data, len);
            io->write_wants_read = error == SSL_ERROR_WANT_READ;
            if (error == SSL_ERROR_WANT_WRITE)
                watch_writable(io);
            return false;
        }
        data += written;
        len -= written;
        io->sent_bytes += written;
        if (io->stuck != NULL)
            io->stuck_start += written;
    }
    return true;
}

static bool send_stuck(struct tls_io *io)
{
    if (io->stuck == NULL)
        return true;
    if (!send_bytes(io, io->stuck + io->stuck_start, io->stuck_end - io->stuck_start))
        return false;
    free(io->stuck);
    io->stuck = NULL;
    return true;
}

void tls_io_flush(struct tls_io *io)
{
    struct tls_scratch *scratch = io->options.scratch;
    if (io->state != TLS_OPEN)
        return;
    io->write_wants_read = false;
    if (!send_stuck(io))
        return;
    for (size_t sent = 0; sent < WRITE_BYTES_A_TURN;) {
        size_t len = io->options.events->fill(io->options.arg, scratch->out, sizeof(scratch->out));
        if (len == 0 || io->state != TLS_OPEN)
            return;
        if (!send_bytes(io, scratch->out, len))
            return;
        sent += len;
    }
    io->write_again = true;
    come_again(io);
}

void tls_io_read_pause(struct tls_io *io, bool pause)
{
    if (io->read_paused == pause || io->state != TLS_OPEN)
        return;
    io->read_paused = pause;
    if (pause) {
        (void)event_del(io->on_readable);
    } else {
        (void)event_add(io->on_readable, NULL);
        io->read_again = true; /* I3 */
        come_again(io);
    }
}

bool tls_io_blocked(const struct tls_io *io)
{
    return io->stuck != NULL || io->write_again;
}

uint64_t tls_io_sent_bytes(const struct tls_io *io)
{
    return io->sent_bytes;
}

X509 *tls_io_peer(const struct tls_io *io)
{
    return SSL_get0_peer_certificate(io->ssl);
}

void tls_io_linger(struct tls_io *io)
{
    if (io->state != TLS_OPEN)
        return;
    tls_io_read_pause(io, false);
    ERR_clear_error();
    (void)SSL_shutdown(io->ssl); /* our half only; the peer's need not be waited for */
    ERR_clear_error();
    (void)shutdown(io->options.fd, SHUT_WR);
    io->state = TLS_LINGER;
}

void tls_io_stop(struct tls_io *io)
{
    io->state = TLS_STOPPED;
    (void)event_del(io->on_readable);
    (void)event_del(io->on_writable);
    (void)event_del(io->again);
}

void tls_io_free(struct tls_io *io)
{
    if (io == NULL)
        return;
    event_free(io->on_readable);
    event_free(io->on_writable);
    event_free(io->again);
    SSL_free(io->ssl);
    (void)close(io->options.fd);
    tls_context_unref(io->options.context);
    free(io->stuck);
    free(io);
}
