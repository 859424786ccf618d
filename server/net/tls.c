/* SPDX-License-Identifier: Apache-2.0
 *
 * tls: see tls.h. First half: contexts. Second half: the transport.
 *
 * What a context settles: TLS 1.3 alone, over elliptic curves; ALPN h2, else http/1.1, and a
 * handshake that offers other protocols only fails with no_application_protocol; ECDSA and Ed25519;
 * with a CA file, a client certificate that chains to it. Sessions are never resumed: a resumed one
 * would skip the checks of chain, expiry and CRL (server/net/verdicts skips only what would say the
 * same again). No early data: what can be replayed could be a second pledge.
 *
 * I1: no_errors before every SSL call that can fail, because SSL_get_error reads the queue.
 */
#include "server/net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/check.h"
#include "common/private.h"
#include "server/net/verdicts.h"

enum {
    DETAIL_BYTES = 256,
    CHAIN_DEPTH_MAX = 4,
};

/* --- contexts --- */

struct tls_context {
    atomic_uint refs;
    SSL_CTX *ssl;
    struct verdicts *verdicts;
};

struct tls {
    struct io_transport transport; /* first */
    struct tls_context *context;   /* owns a reference */
    SSL *ssl;
    int64_t expires_us; /* INT64_MAX: the peer has shown no certificate */
};

struct loading {
    const struct tls_files *files;
    SSL_CTX *ssl;
    char *detail;
    int64_t crl_until_s; /* the first revocation list to run out; INT64_MAX: none does */
};

static struct pl_status wrong(struct loading *loading, const char *file, const char *why)
{
    /* what the system said stands first in the queue, and "system lib" last */
    unsigned long first = ERR_peek_error();
    const char *reason = ERR_SYSTEM_ERROR(first) ? strerror(ERR_GET_REASON(first))
                                                 : ERR_reason_error_string(ERR_peek_last_error());
    (void)snprintf(loading->detail, DETAIL_BYTES, "%s: %s%s%s", file, why,
                   reason == NULL ? "" : ": ", reason == NULL ? "" : reason);
    ERR_clear_error();
    return pl_fail(CONFIG, "load TLS files");
}

static bool offers(const unsigned char *list, unsigned len, const char *name)
{
    for (unsigned i = 0; i < len && list[i] < len - i; i += 1u + list[i]) {
        if (pl_slice_eq_str(pl_slice(&list[i + 1], list[i]), name))
            return true;
    }
    return false;
}

/* h2 wins wherever it stands in the client's list. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
    static const char *const known[] = {"h2", "http/1.1"};
    (void)ssl;
    (void)arg;
    for (size_t i = 0; i < PL_COUNT(known); i++) {
        if (offers(in, in_len, known[i])) {
            *out = (const unsigned char *)known[i];
            *out_len = (unsigned char)strlen(known[i]);
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
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return wrong(loading, path, strerror(errno));
    if (!pl_private(fd)) {
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
    if (path == NULL && loading->files->crl != NULL)
        return wrong(loading, loading->files->crl, "a revocation list without a CA file");
    if (path == NULL)
        return pl_ok(); /* nobody is asked who they are */
    SSL_CTX_set_verify(loading->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
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
    int64_t until_s = next == NULL ? INT64_MAX : verdicts_time_s(next);
    if (until_s < loading->crl_until_s)
        loading->crl_until_s = until_s;
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
    /* no finite fields: a stranger's hello would cost us a thousand times what it costs him */
    static const char groups[] = "X25519:P-256:P-384:P-521";
    /* Ours are first, whatever the peer prefers: a handshake's keys are made with the hash of its
     * suite, and processors have instructions for SHA-256 where they have none for SHA-384. */
    static const char suites[] =
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
    bool good = SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) == 1 &&
                SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) == 1 &&
                SSL_CTX_set_ciphersuites(ssl, suites) == 1 &&
                SSL_CTX_set1_sigalgs_list(ssl, algorithms) == 1 &&
                SSL_CTX_set1_client_sigalgs_list(ssl, algorithms) == 1 &&
                SSL_CTX_set1_groups_list(ssl, groups) == 1 &&
                SSL_CTX_set_num_tickets(ssl, 0) == 1 && SSL_CTX_set_max_early_data(ssl, 0) == 1 &&
                SSL_CTX_set_session_id_context(ssl, id, sizeof(id) - 1) == 1;
    PL_ASSERT(good);
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ssl, 1); /* one read(2) for all records that arrived */
    SSL_CTX_set_verify_depth(ssl, CHAIN_DEPTH_MAX);
    SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
}

/* What is sent with our certificate: the intermediates, as far as they are known, and no root,
 * which is of no use to whoever does not have it. Left alone, OpenSSL works that out, with all
 * signatures, in each handshake. */
static void work_out_chain(SSL_CTX *ssl)
{
    (void)SSL_CTX_build_cert_chain(
        ssl, SSL_BUILD_CHAIN_FLAG_UNTRUSTED | SSL_BUILD_CHAIN_FLAG_NO_ROOT |
                 SSL_BUILD_CHAIN_FLAG_IGNORE_ERROR | SSL_BUILD_CHAIN_FLAG_CLEAR_ERROR);
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_NO_AUTO_CHAIN);
}

static struct pl_status load(struct loading *loading)
{
    PL_TRY(load_certificate(loading));
    PL_TRY(load_key(loading));
    PL_TRY(load_authorities(loading));
    work_out_chain(loading->ssl);
    return load_crl(loading);
}

/* OpenSSL works out an authority's extensions when it first uses it. Workers share the authorities:
 * here, before any of them has the context, it is done once and for all. */
static void work_out_authorities(SSL_CTX *ssl)
{
    STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ssl));
    for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
        X509 *authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));
        if (authority != NULL)
            (void)X509_check_purpose(authority, -1, 0);
    }
}

/* In place of OpenSSL's own look at the peer's certificates. */
static int on_certificates(X509_STORE_CTX *ctx, void *arg)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct tls_context *context = arg;
    struct tls *tls = SSL_get_app_data(ssl);
    int64_t expires_s;
    if (!verdicts_judge(context->verdicts, ctx, (int64_t)time(NULL), &expires_s))
        return 0;
    tls->expires_us = expires_s * 1000000;
    return 1;
}

struct pl_status tls_context_new(const struct tls_files *files, char *ret_detail,
                                 struct tls_context **ret)
{
    ERR_clear_error();
    struct loading loading = {files, SSL_CTX_new(TLS_server_method()), ret_detail, INT64_MAX};
    PL_ASSERT(loading.ssl != NULL);
    settle(loading.ssl);
    struct pl_status status = load(&loading);
    if (!pl_is_ok(status)) {
        SSL_CTX_free(loading.ssl);
        return status;
    }
    work_out_authorities(loading.ssl);
    struct tls_context *context = malloc(sizeof(*context));
    PL_ASSERT(context != NULL);
    atomic_init(&context->refs, 1);
    context->ssl = loading.ssl;
    context->verdicts = verdicts_new(loading.crl_until_s);
    SSL_CTX_set_cert_verify_callback(loading.ssl, on_certificates, context);
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
    verdicts_free(context->verdicts);
    free(context);
}

/* --- the transport --- */

/* I1. Emptying an empty queue costs more than a look at it. */
static void no_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

static struct tls *tls_of(struct io_transport *transport)
{
    return (struct tls *)transport;
}

static enum io_result translate(const struct tls *tls, int result)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return IO_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return IO_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return IO_CLOSED;
    default:
        return IO_FAILED;
    }
}

static enum io_result op_handshake(struct io_transport *transport)
{
    struct tls *tls = tls_of(transport);
    no_errors();
    int done = SSL_accept(tls->ssl);
    return done == 1 ? IO_DONE : translate(tls, done);
}

static enum io_result op_read(struct io_transport *transport, uint8_t *out, size_t room,
                              size_t *ret_len)
{
    struct tls *tls = tls_of(transport);
    no_errors();
    return SSL_read_ex(tls->ssl, out, room, ret_len) == 1 ? IO_DONE : translate(tls, 0);
}

static enum io_result op_write(struct io_transport *transport, const uint8_t *data, size_t len,
                               size_t *ret_len)
{
    struct tls *tls = tls_of(transport);
    no_errors();
    return SSL_write_ex(tls->ssl, data, len, ret_len) == 1 ? IO_DONE : translate(tls, 0);
}

static bool op_has_pending(const struct io_transport *transport)
{
    return SSL_has_pending(((const struct tls *)transport)->ssl) == 1;
}

static void op_say_goodbye(struct io_transport *transport)
{
    ERR_clear_error();
    (void)SSL_shutdown(tls_of(transport)->ssl); /* our half only; the peer's is not waited for */
    ERR_clear_error();
}

static const char *op_why(const struct io_transport *transport, bool in_handshake)
{
    long verified = SSL_get_verify_result(((const struct tls *)transport)->ssl);
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    if (in_handshake && verified != X509_V_OK)
        reason = X509_verify_cert_error_string(verified);
    else if (reason == NULL)
        reason = "connection lost";
    ERR_clear_error();
    return reason;
}

static void op_free(struct io_transport *transport)
{
    struct tls *tls = tls_of(transport);
    SSL_free(tls->ssl);
    tls_context_unref(tls->context);
    free(tls);
}

static const struct io_transport_ops ops = {
    .handshake = op_handshake,
    .read = op_read,
    .write = op_write,
    .has_pending = op_has_pending,
    .say_goodbye = op_say_goodbye,
    .why = op_why,
    .free = op_free,
};

struct pl_status tls_new(struct tls_context *context, int fd, struct io_transport **ret)
{
    ERR_clear_error();
    SSL *ssl = SSL_new(context->ssl);
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return pl_fail(UNAVAILABLE, "make a TLS connection");
    }
    struct tls *tls = calloc(1, sizeof(*tls));
    PL_ASSERT(tls != NULL);
    tls->transport.ops = &ops;
    tls->context = tls_context_ref(context);
    tls->ssl = ssl;
    tls->expires_us = INT64_MAX;
    SSL_set_app_data(ssl, tls);
    SSL_set_accept_state(ssl);
    *ret = &tls->transport;
    return pl_ok();
}

X509 *tls_peer(const struct io_transport *transport)
{
    return SSL_get0_peer_certificate(((const struct tls *)transport)->ssl);
}

STACK_OF(X509) * tls_chain(const struct io_transport *transport)
{
    return SSL_get_peer_cert_chain(((const struct tls *)transport)->ssl);
}

int64_t tls_expires_us(const struct io_transport *transport)
{
    return ((const struct tls *)transport)->expires_us;
}

/* As OpenSSL itself does at the end of a handshake. */
static bool verify(X509_STORE_CTX *ctx, X509 *certificate, STACK_OF(X509) * chain, SSL_CTX *with)
{
    return X509_STORE_CTX_init(ctx, SSL_CTX_get_cert_store(with), certificate, chain) == 1 &&
           X509_STORE_CTX_set_default(ctx, "ssl_client") == 1 &&
           X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(ctx), SSL_CTX_get0_param(with)) == 1 &&
           X509_verify_cert(ctx) == 1;
}

bool tls_verify(const struct io_transport *transport, const struct tls_context *context,
                int64_t *ret_expires_us, const char **ret_why)
{
    const SSL *ssl = ((const struct tls *)transport)->ssl;
    if ((SSL_CTX_get_verify_mode(context->ssl) & SSL_VERIFY_PEER) == 0)
        return true;
    if (SSL_get0_peer_certificate(ssl) == NULL) {
        *ret_why = "a certificate is required now";
        return false;
    }
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    PL_ASSERT(ctx != NULL);
    bool good =
        verify(ctx, SSL_get0_peer_certificate(ssl), SSL_get_peer_cert_chain(ssl), context->ssl);
    if (good)
        *ret_expires_us = verdicts_expiry_s(X509_STORE_CTX_get0_chain(ctx)) * 1000000;
    else
        *ret_why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return good;
}

bool tls_admits(const struct tls_context *context, X509 *certificate, STACK_OF(X509) * chain)
{
    if ((SSL_CTX_get_verify_mode(context->ssl) & SSL_VERIFY_PEER) == 0)
        return true;
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    PL_ASSERT(ctx != NULL);
    bool good = verify(ctx, certificate, chain, context->ssl);
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return good;
}

bool tls_certificate_refused(const struct io_transport *transport)
{
    return SSL_get_verify_result(((const struct tls *)transport)->ssl) != X509_V_OK;
}

bool tls_speaks_h2(const struct io_transport *transport)
{
    const unsigned char *protocol = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(((const struct tls *)transport)->ssl, &protocol, &len);
    return pl_slice_eq_str(pl_slice(protocol, len), "h2");
}
