/* SPDX-License-Identifier: Apache-2.0
 *
 * validity: until when the files of a TLS configuration count: the daemon's certificate, the
 * authorities, the revocation list. For metrics, warnings and check-config; TLS itself decides by
 * its own reading (server/net/tls).
 *
 * Thread: any; reads files. A file that cannot be read tells 0.
 */
#ifndef SERVER_VALIDITY_H
#define SERVER_VALIDITY_H

#include <stddef.h>
#include <stdint.h>

#include "server/net/tls.h"

/* Unix seconds; 0: does not apply, or unknown. */
struct validity {
    int64_t server_s;   /* the first of the chain to end */
    int64_t ca_s;       /* the first authority to end */
    int64_t crl_next_s; /* the first list to run out */
};
void validity_read(const struct tls_files *files, struct validity *ret);

enum { VALIDITY_WARN_S = 21 * 86400, VALIDITY_WARN_CRL_S = 7 * 86400, VALIDITY_TEXT_BYTES = 160 };
/* What a person should know about it now: text number `index` in `ret` (VALIDITY_TEXT_BYTES);
 * false: there is no more. */
bool validity_warning(const struct validity *validity, int64_t now_s, size_t index, char *ret);

#endif
