/* SPDX-License-Identifier: Apache-2.0
 *
 * validity: see validity.h.
 */
#include "server/validity.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>

#include "common/check.h"
#include "common/date.h"

/* Seconds since 1970; 0 if it cannot be told. */
static int64_t seconds_of(const ASN1_TIME *time)
{
    int days = 0, seconds = 0;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    bool fine = time != NULL && epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, time) == 1;
    ASN1_TIME_free(epoch);
    return fine ? (int64_t)days * 86400 + seconds : 0;
}

static void keep_first(int64_t *place, int64_t end_s)
{
    if (end_s != 0 && (*place == 0 || end_s < *place))
        *place = end_s;
}

/* All certificates and lists of a PEM file. */
static void read_file(const char *path, int64_t *ret_certificates_s, int64_t *ret_lists_s)
{
    BIO *bio = path != NULL ? BIO_new_file(path, "r") : NULL;
    STACK_OF(X509_INFO) *all = bio != NULL ? PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL) : NULL;
    for (int i = 0; i < sk_X509_INFO_num(all); i++) {
        const X509_INFO *one = sk_X509_INFO_value(all, i);
        if (one->x509 != NULL)
            keep_first(ret_certificates_s, seconds_of(X509_get0_notAfter(one->x509)));
        if (one->crl != NULL)
            keep_first(ret_lists_s, seconds_of(X509_CRL_get0_nextUpdate(one->crl)));
    }
    sk_X509_INFO_pop_free(all, X509_INFO_free);
    BIO_free(bio);
    ERR_clear_error();
}

void validity_read(const struct tls_files *files, struct validity *ret)
{
    int64_t unused = 0;
    *ret = (struct validity){.server_s = 0};
    read_file(files->cert, &ret->server_s, &unused);
    read_file(files->ca, &ret->ca_s, &unused);
    read_file(files->crl, &unused, &ret->crl_next_s);
}

bool validity_warning(const struct validity *validity, int64_t now_s, size_t index, char *ret)
{
    const struct {
        const char *what, *then;
        int64_t end_s, warn_s;
    } rows[] = {
        {"the daemon's certificate", "no client connects then", validity->server_s,
         VALIDITY_WARN_S},
        {"a certificate of an authority", "its clients cannot connect then", validity->ca_s,
         VALIDITY_WARN_S},
        {"the revocation list", "nobody can connect then", validity->crl_next_s,
         VALIDITY_WARN_CRL_S},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        char time[28];
        int64_t left_s = rows[i].end_s - now_s;
        if (rows[i].end_s == 0 || left_s > rows[i].warn_s || index-- != 0)
            continue;
        (void)pl_time_format(rows[i].end_s * PL_US_PER_S, time);
        if (left_s <= 0)
            (void)snprintf(ret, VALIDITY_TEXT_BYTES, "%s ended at %.19sZ", rows[i].what, time);
        else
            (void)snprintf(ret, VALIDITY_TEXT_BYTES, "%s ends in %lld days, at %.19sZ; %s",
                           rows[i].what, (long long)(left_s / 86400), time, rows[i].then);
        return true;
    }
    return false;
}
