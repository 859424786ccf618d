/* SPDX-License-Identifier: Apache-2.0
 *
 * tls: contexts (TLS 1.3 only, ALPN h2, client certificate required, no tickets, no early data) and
 * the non-blocking loop that drives one SSL* on one socket.
 *
 * A context is immutable and counted: a reload builds a complete new one, checks it and swaps the pointer.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "common/status.h"

struct tls_context;
struct tls_files {
    const char *cert; /* PEM chain */
    const char *key;  /* PEM; refused if others may read it */
    const char *ca;   /* PEM bundle that client certificates must chain to */
    const char *crl;  /* PEM, or NULL */
};
/* CONFIG with `ret_detail` (at least 256 bytes) saying which file and why. */
PL_MUST_CHECK struct pl_status tls_context_new(const struct tls_files *files, char *ret_detail,
                                               struct tls_context **ret);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context); /* any thread; NULL is fine */

#endif
