/* SPDX-License-Identifier: Apache-2.0
 *
 * tls: which files are refused and why, and which peers are.
 */
#include "fixture.h"

/* --- contexts --- */

struct files {
    struct pki pki;
    EVP_PKEY *key;
    struct tls_files tls;
    char detail[256];
};

static int setup_files(void **state)
{
    struct files *files = calloc(1, sizeof(*files));
    const struct pki_wish wish = {.name = "server", .san = "DNS:localhost"};
    pki_init(&files->pki);
    files->key = pki_key();
    X509 *x = pki_sign(files->pki.ca, files->pki.ca_key, files->key, &wish);
    files->tls.cert = pki_write_certificate(&files->pki, "cert.pem", x);
    files->tls.key = pki_write_key(&files->pki, "key.pem", files->key);
    files->tls.ca = pki_write_certificate(&files->pki, "ca.pem", files->pki.ca);
    X509_free(x);
    *state = files;
    return 0;
}

static int teardown_files(void **state)
{
    struct files *files = *state;
    EVP_PKEY_free(files->key);
    pki_fini(&files->pki);
    free(files);
    return 0;
}

static void assert_loads(struct files *files)
{
    struct tls_context *context = NULL;
    struct pl_status status = tls_context_new(&files->tls, files->detail, &context);
    if (!pl_is_ok(status))
        fail_msg("%s", files->detail);
    tls_context_unref(tls_context_ref(context));
    tls_context_unref(context);
}

/* `file` is the one that the message must name, `why` part of it. */
static void assert_refused(struct files *files, const char *file, const char *why)
{
    struct tls_context *context = NULL;
    assert_int_equal(tls_context_new(&files->tls, files->detail, &context).code, PL_E_CONFIG);
    assert_null(context);
    if (strncmp(files->detail, file, strlen(file)) != 0 || strstr(files->detail, why) == NULL)
        fail_msg("%s", files->detail);
}

static void test_a_complete_set_loads(void **state)
{
    assert_loads(*state);
    tls_context_unref(NULL);
}

static void test_a_key_that_others_can_read_is_refused(void **state)
{
    struct files *files = *state;
    static const mode_t modes[] = {0640, 0604, 0660, 0644};
    for (size_t i = 0; i < PL_COUNT(modes); i++) {
        chmod(files->tls.key, modes[i]);
        assert_refused(files, files->tls.key, "can be read by others");
    }
    chmod(files->tls.key, 0400);
    assert_loads(files);
}

static void test_missing_and_wrong_files_are_named(void **state)
{
    struct files *files = *state;
    const struct tls_files good = files->tls;
    files->tls.cert = "/nonexistent/cert";
    assert_refused(files, "/nonexistent/cert", "no usable certificate: No such file");
    files->tls = good;
    files->tls.key = "/nonexistent/key";
    assert_refused(files, "/nonexistent/key", "No such file");
    files->tls = good;
    files->tls.ca = "/nonexistent/ca";
    assert_refused(files, "/nonexistent/ca", "no usable CA certificate: No such file");
    files->tls = good;
    files->tls.ca = good.key;
    assert_refused(files, good.key, "no usable CA");
    files->tls = good;
    files->tls.crl = good.cert;
    assert_refused(files, good.cert, "no revocation list");
    files->tls = good;
    EVP_PKEY *other = pki_key();
    files->tls.key = pki_write_key(&files->pki, "other.pem", other);
    assert_refused(files, files->tls.key, "does not belong");
    EVP_PKEY_free(other);
}

static void test_rsa_and_expired_certificates_are_refused(void **state)
{
    struct files *files = *state;
    const struct tls_files good = files->tls;
    const struct pki_wish old = {.name = "old", .from_s = -7200, .to_s = -3600};
    X509 *x = pki_sign(files->pki.ca, files->pki.ca_key, files->key, &old);
    files->tls.cert = pki_write_certificate(&files->pki, "old.pem", x);
    assert_refused(files, files->tls.cert, "expired");
    X509_free(x);
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    const struct pki_wish wish = {.name = "rsa"};
    x = pki_sign(files->pki.ca, files->pki.ca_key, rsa, &wish);
    files->tls = good;
    files->tls.cert = pki_write_certificate(&files->pki, "rsa.pem", x);
    files->tls.key = pki_write_key(&files->pki, "rsa.key", rsa);
    assert_refused(files, files->tls.key, "neither ECDSA nor Ed25519");
    X509_free(x);
    EVP_PKEY_free(rsa);
}

static void test_a_password_is_not_asked_for(void **state)
{
    struct files *files = *state;
    files->tls.key = pki_path(&files->pki, "locked.pem");
    FILE *file = fopen(files->tls.key, "w");
    PEM_write_PrivateKey(file, files->key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6,
                         NULL, NULL);
    fclose(file);
    chmod(files->tls.key, 0600);
    assert_refused(files, files->tls.key, "without password");
}

static void test_an_expired_revocation_list_is_refused(void **state)
{
    struct files *files = *state;
    files->tls.crl = pki_write_crl(&files->pki, "good.crl", NULL, 86400);
    assert_loads(files);
    files->tls.crl = pki_write_crl(&files->pki, "old.crl", NULL, -3600);
    assert_refused(files, files->tls.crl, "expired");
    files->tls.ca = NULL; /* whose certificates would it revoke? */
    assert_refused(files, files->tls.crl, "without a CA file");
}

/* --- handshakes, against the whole of this box --- */

static int setup(void **state)
{
    return fixture_setup(state, NULL);
}

/* The connection must end without any call; returns the reason of the alert that arrived. */
static int ended_with(struct fixture *fx, struct client *client)
{
    unsigned before = fx->refused_count;
    PUMP_UNTIL(fx, client, client->ended && fx->refused_count > before);
    int reason = ERR_GET_REASON(client->error);
    client_free(client);
    return reason;
}

static void assert_chosen(struct fixture *fx, const char *alpn, const char *chosen)
{
    struct client *client = client_new_raw(fx, fx->clerk, alpn);
    PUMP_UNTIL(fx, client, client->handshake_done);
    const unsigned char *name = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(client->ssl, &name, &len);
    assert_int_equal(len, strlen(chosen));
    assert_memory_equal(name, chosen, len);
    client_free(client);
}

static void test_h2_wins_and_http_1_1_is_spoken_too(void **state)
{
    struct fixture *fx = *state;
    assert_chosen(fx, "\x08http/1.1\x02h2", "h2");
    assert_chosen(fx, "\x02h2\x08http/1.1", "h2");
    assert_chosen(fx, "\x08http/1.1", "http/1.1");
    assert_chosen(fx, "\x08http/1.0\x08http/1.1", "http/1.1");
    assert_chosen(fx, NULL, "");
    assert_int_equal(ended_with(fx, client_new_raw(fx, fx->clerk, "\x08http/1.0\x02h3")),
                     SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
}

/* The root is in the file of authorities, but whoever needs to be told of it does not trust it. */
static void test_no_root_is_sent(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    PUMP_UNTIL(fx, client, client->handshake_done);
    assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(client->ssl)), 1);
    client_free(client);
}

static void test_only_tls_1_3_is_spoken(void **state)
{
    struct fixture *fx = *state;
    SSL_CTX_set_max_proto_version(fx->clerk, TLS1_2_VERSION);
    assert_int_equal(ended_with(fx, client_new(fx, fx->clerk)), SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
}

/* Ours comes first, if the peer has it; a peer that has only another gets that. */
static void test_the_suite_is_chosen_here(void **state)
{
    static const struct {
        const char *offered, *chosen;
    } rows[] = {
        {"TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
         "TLS_AES_128_GCM_SHA256"},
        {"TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"},
        {"TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256"},
    };
    struct fixture *fx = *state;
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        SSL_CTX_set_ciphersuites(fx->clerk, rows[i].offered);
        struct client *client = client_new(fx, fx->clerk);
        PUMP_UNTIL(fx, client, client->handshake_done);
        assert_string_equal(SSL_get_cipher_name(client->ssl), rows[i].chosen);
        client_free(client);
    }
    SSL_CTX_set_ciphersuites(fx->clerk, "TLS_AES_128_CCM_8_SHA256");
    assert_int_equal(ended_with(fx, client_new(fx, fx->clerk)),
                     SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE);
}

static void test_a_certificate_is_required(void **state)
{
    struct fixture *fx = *state;
    SSL_CTX *nobody = fixture_client_context(fx, NULL);
    assert_int_equal(ended_with(fx, client_new(fx, nobody)),
                     SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED);
    SSL_CTX_free(nobody);
    struct net_stats stats;
    net_get_stats(fx->net, &stats);
    assert_int_equal(stats.handshake_failures, 1);
    assert_int_equal(stats.requests, 0);
}

static void test_where_no_certificate_is_asked_for_none_is_needed(void **state)
{
    struct fixture *fx = calloc(1, sizeof(*fx));
    const struct fixture_wish wish = {.nobody_asked = true};
    (void)state;
    fixture_init_as(fx, &wish);
    SSL_CTX *nobody = fixture_client_context(fx, NULL);
    struct client *client = client_new(fx, nobody);
    PUMP_UNTIL(fx, client, client->max_streams != 0);
    client_free(client);
    client = client_new(fx, fx->clerk); /* has one, and is not asked for it */
    PUMP_UNTIL(fx, client, client->max_streams != 0);
    client_free(client);
    SSL_CTX_free(nobody);
    fixture_fini(fx);
    free(fx);
}

/* A client whose certificate says what the clerk's says, but from a CA of its own. */
static void test_a_foreign_ca_is_refused(void **state)
{
    struct fixture *fx = *state;
    struct pki real = fx->pki;
    pki_init_named(&fx->pki, "Other CA");
    SSL_CTX *forged = fixture_client_context(fx, "URI:pledged:person:anna");
    struct pki other = fx->pki;
    fx->pki = real;
    X509_STORE_add_cert(SSL_CTX_get_cert_store(forged), fx->pki.ca);
    assert_int_equal(ended_with(fx, client_new(fx, forged)), SSL_R_TLSV1_ALERT_UNKNOWN_CA);
    assert_non_null(strstr(fx->refused, "certificate"));
    SSL_CTX_free(forged);
    pki_fini(&other);
}

static void test_an_expired_client_is_refused(void **state)
{
    struct fixture *fx = *state;
    const struct pki_wish wish = {
        .name = "c", .san = "URI:pledged:person:anna", .from_s = -7200, .to_s = -3600};
    SSL_CTX *ctx = fixture_client_context(fx, NULL);
    EVP_PKEY *key = pki_key();
    X509 *x = pki_sign(fx->pki.ca, fx->pki.ca_key, key, &wish);
    SSL_CTX_use_certificate(ctx, x);
    SSL_CTX_use_PrivateKey(ctx, key);
    assert_int_equal(ended_with(fx, client_new(fx, ctx)), SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED);
    assert_string_equal(fx->refused, "certificate has expired");
    X509_free(x);
    EVP_PKEY_free(key);
    SSL_CTX_free(ctx);
}

static void test_sessions_are_never_resumed(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    PUMP_UNTIL(fx, client, client->max_streams != 0);
    assert_int_equal(client->max_streams, 256);
    pump_for(fx, client, 20); /* a ticket would have come by now */
    SSL_SESSION *session = SSL_get1_session(client->ssl);
    assert_false(SSL_SESSION_is_resumable(session));
    SSL_SESSION_free(session);
    client_free(client);
}

static void test_noise_is_not_a_handshake(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new_raw(fx, fx->clerk, NULL);
    static const char noise[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_int_equal(send(client->fd, noise, sizeof(noise), 0), sizeof(noise));
    PUMP_UNTIL(fx, NULL, fx->refused_count == 1);
    pump_once(fx, NULL);
    assert_true(net_idle(fx->net));
    client_free(client);
}

#define ROW(test_)   cmocka_unit_test_setup_teardown(test_, setup, fixture_teardown)
#define FILE_(test_) cmocka_unit_test_setup_teardown(test_, setup_files, teardown_files)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_(test_a_complete_set_loads),
        FILE_(test_a_key_that_others_can_read_is_refused),
        FILE_(test_missing_and_wrong_files_are_named),
        FILE_(test_rsa_and_expired_certificates_are_refused),
        FILE_(test_a_password_is_not_asked_for),
        FILE_(test_an_expired_revocation_list_is_refused),
        ROW(test_h2_wins_and_http_1_1_is_spoken_too),
        ROW(test_no_root_is_sent),
        ROW(test_only_tls_1_3_is_spoken),
        ROW(test_the_suite_is_chosen_here),
        ROW(test_a_certificate_is_required),
        ROW(test_a_foreign_ca_is_refused),
        ROW(test_an_expired_client_is_refused),
        ROW(test_sessions_are_never_resumed),
        ROW(test_noise_is_not_a_handshake),
        ROW(test_where_no_certificate_is_asked_for_none_is_needed),
    };
    return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
