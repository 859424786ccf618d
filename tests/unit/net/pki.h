/* SPDX-License-Identifier: Apache-2.0
 *
 * pki: throw-away certificates for the tests of this box: a CA, and whatever it is asked to sign,
 * in a temporary directory that pki_fini removes.
 */
#ifndef TEST_PKI_H
#define TEST_PKI_H

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/check.h"

#define UNUSED __attribute__((unused))

struct pki {
    char dir[64];
    char *file[16]; /* owns; written, to be removed */
    size_t file_count;
    EVP_PKEY *ca_key;
    X509 *ca;
};

struct pki_wish {
    const char *name;              /* CN */
    const char *san;               /* as in openssl.cnf: "URI:...,DNS:..."; NULL: none */
    X509_EXTENSION *san_extension; /* instead; borrowed */
    long from_s, to_s;             /* from now; both 0: valid */
    bool authority;
};

static UNUSED EVP_PKEY *pki_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    PL_ASSERT(key != NULL);
    return key;
}

static void pki_extend(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    PL_ASSERT(extension != NULL);
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
}

/* Signed by issuer, or by itself if that is NULL. */
static UNUSED X509 *pki_sign(X509 *issuer, EVP_PKEY *issuer_key, EVP_PKEY *key,
                             const struct pki_wish *wish)
{
    static long serial = 1;
    X509 *x = X509_new();
    PL_ASSERT(x != NULL);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), wish->to_s == 0 ? -3600 : wish->from_s);
    X509_gmtime_adj(X509_getm_notAfter(x), wish->to_s == 0 ? 86400 : wish->to_s);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                               (const unsigned char *)wish->name, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(issuer == NULL ? x : issuer));
    X509_set_pubkey(x, key);
    X509 *parent = issuer == NULL ? x : issuer;
    pki_extend(x, parent, NID_basic_constraints, wish->authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (wish->authority)
        pki_extend(x, parent, NID_key_usage, "critical,keyCertSign,cRLSign");
    if (wish->san != NULL)
        pki_extend(x, parent, NID_subject_alt_name, wish->san);
    if (wish->san_extension != NULL)
        X509_add_ext(x, wish->san_extension, -1);
    int signed_ = X509_sign(x, issuer_key, EVP_sha256());
    PL_ASSERT(signed_ > 0);
    return x;
}

static UNUSED const char *pki_path(struct pki *pki, const char *name)
{
    PL_ASSERT(pki->file_count < PL_COUNT(pki->file));
    char *path = NULL;
    int len = asprintf(&path, "%s/%s", pki->dir, name);
    PL_ASSERT(len > 0);
    pki->file[pki->file_count++] = path;
    return path;
}

static UNUSED const char *pki_write_certificate(struct pki *pki, const char *name, X509 *x)
{
    const char *path = pki_path(pki, name);
    FILE *file = fopen(path, "w");
    PL_ASSERT(file != NULL);
    PEM_write_X509(file, x);
    fclose(file);
    return path;
}

static UNUSED const char *pki_write_key(struct pki *pki, const char *name, EVP_PKEY *key)
{
    const char *path = pki_path(pki, name);
    FILE *file = fopen(path, "w");
    PL_ASSERT(file != NULL);
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    chmod(path, 0600);
    return path;
}

static UNUSED X509_CRL *pki_crl(struct pki *pki, X509 *revoked, long next_s)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *time = ASN1_TIME_new();
    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(pki->ca));
    X509_CRL_set1_lastUpdate(crl, X509_gmtime_adj(time, -86400));
    X509_CRL_set1_nextUpdate(crl, X509_gmtime_adj(time, next_s));
    if (revoked != NULL) {
        X509_REVOKED *entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked));
        X509_REVOKED_set_revocationDate(entry, X509_gmtime_adj(time, -3600));
        X509_CRL_add0_revoked(crl, entry);
    }
    X509_CRL_sign(crl, pki->ca_key, EVP_sha256());
    ASN1_TIME_free(time);
    return crl;
}

/* Of the CA; `revoked` may be NULL. */
static UNUSED const char *pki_write_crl(struct pki *pki, const char *name, X509 *revoked,
                                        long next_s)
{
    const char *path = pki_path(pki, name);
    X509_CRL *crl = pki_crl(pki, revoked, next_s);
    FILE *file = fopen(path, "w");
    PEM_write_X509_CRL(file, crl);
    fclose(file);
    X509_CRL_free(crl);
    return path;
}

static UNUSED void pki_init_named(struct pki *pki, const char *name)
{
    memset(pki, 0, sizeof(*pki));
    snprintf(pki->dir, sizeof(pki->dir), "/tmp/pledged-test-XXXXXX");
    char *made = mkdtemp(pki->dir);
    PL_ASSERT(made != NULL);
    pki->ca_key = pki_key();
    const struct pki_wish wish = {.name = name, .authority = true};
    pki->ca = pki_sign(NULL, pki->ca_key, pki->ca_key, &wish);
}

static UNUSED void pki_init(struct pki *pki)
{
    pki_init_named(pki, "Test CA");
}

static UNUSED void pki_fini(struct pki *pki)
{
    for (size_t i = 0; i < pki->file_count; i++) {
        unlink(pki->file[i]);
        free(pki->file[i]);
    }
    rmdir(pki->dir);
    X509_free(pki->ca);
    EVP_PKEY_free(pki->ca_key);
}

#endif
