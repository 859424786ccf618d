/* SPDX-License-Identifier: Apache-2.0
 *
 * verdicts: judges the certificates that clients show, and remembers which it found good: a peer
 * that connects again with the very same bytes is not judged again, for as long as nothing of it,
 * and no revocation list, runs out. Looking at an authority's signatures is a sixth of what a
 * handshake costs. Whether the peer holds the key of its certificate is asked each time, by TLS;
 * what was found bad is judged each time.
 *
 * A context of server/net/tls has its own, over its own authorities and lists: a reload judges
 * everybody anew. Thread: any, without waiting. A fixed table of 16 KB: the later of two that want
 * the same place gets it.
 */
#ifndef NET_VERDICTS_H
#define NET_VERDICTS_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/hash.h"

struct verdicts;
/* `until_s`: no verdict counts from this second (since 1970) on: the first of the revocation lists
 * runs out then. INT64_MAX: there are none. */
struct verdicts *verdicts_new(int64_t until_s);
void verdicts_free(struct verdicts *verdicts); /* NULL is fine */

/* Is what the peer shows in `ctx`, which OpenSSL has made for this handshake, good at `now_s`? Sets
 * the error of `ctx`, and if it is good, when the first certificate of its chain expires. */
bool verdicts_judge(struct verdicts *verdicts, X509_STORE_CTX *ctx, int64_t now_s,
                    int64_t *ret_expires_s);

/* --- the table under it; what is kept is found by the SHA-256 of all that was shown --- */

struct verdict {
    uint8_t shown[PL_SHA256_BYTES];
    int64_t from_s;    /* a clock that went back to before this asks again */
    int64_t until_s;   /* and from this second on it is asked again; 0: nothing is kept here */
    int64_t expires_s; /* of the chain that was found */
};
bool verdicts_find(const struct verdicts *verdicts, const uint8_t shown[PL_SHA256_BYTES],
                   int64_t now_s, int64_t *ret_expires_s);
/* May be forgotten, at once or at any time. */
void verdicts_keep(struct verdicts *verdicts, const struct verdict *verdict);

/* --- times of certificates --- */

/* When the first of the chain expires, in seconds since 1970; what cannot be read has expired. */
int64_t verdicts_expiry_s(const STACK_OF(X509) * chain);
/* The same of one time; 0 if it cannot be read. */
int64_t verdicts_time_s(const ASN1_TIME *time);

#endif
