/* SPDX-License-Identifier: Apache-2.0
 *
 * tls: contexts (TLS 1.3 only; ALPN h2, else http/1.1; a client certificate required, unless no CA
 * file is given; no tickets, no early data), and TLS as a transport of server/net/io.
 *
 * Previous hop: server/net/io. Next hop: OpenSSL.
 *
 * A context is immutable and counted: a reload builds a complete new one, checks it and swaps the
 * pointer.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <openssl/x509.h>

#include "common/status.h"
#include "server/net/io.h"

struct tls_context;
struct tls_files {
    const char *cert; /* PEM chain */
    const char *key;  /* PEM; refused if others may read it */
    /* PEM bundle that client certificates must chain to; NULL: none is asked for */
    const char *ca;
    const char *crl; /* PEM, or NULL */
};
/* CONFIG with `ret_detail` (at least 256 bytes) saying which file and why. */
PL_MUST_CHECK struct pl_status tls_context_new(const struct tls_files *files, char *ret_detail,
                                               struct tls_context **ret);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context); /* any thread; NULL is fine */
/* Would a peer that shows these be let in today? Any thread; the chain may be NULL. */
bool tls_admits(const struct tls_context *context, X509 *certificate, STACK_OF(X509) * chain);

/* --- the transport of one connection; one thread --- */

/* Borrows the connected, non-blocking socket; takes a reference to the context. */
PL_MUST_CHECK struct pl_status tls_new(struct tls_context *context, int fd,
                                       struct io_transport **ret);
X509 *tls_peer(const struct io_transport *transport); /* borrowed; NULL: it showed none */
STACK_OF(X509) *
    tls_chain(const struct io_transport *transport); /* as it came; borrowed, or NULL */
/* When the first certificate of the peer's chain expires, in microseconds since 1970; INT64_MAX
 * without certificate. */
int64_t tls_expires_us(const struct io_transport *transport);
/* Would this peer be let in by `context` today? Sets when that ends; false: why not. */
bool tls_verify(const struct io_transport *transport, const struct tls_context *context,
                int64_t *ret_expires_us, const char **ret_why);
/* After a handshake that failed: was it for the peer's certificate? */
bool tls_certificate_refused(const struct io_transport *transport);
bool tls_speaks_h2(const struct io_transport *transport); /* else HTTP/1.1 */

#endif
