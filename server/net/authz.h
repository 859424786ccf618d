/* SPDX-License-Identifier: Apache-2.0
 *
 * authz: from a verified client certificate to a person and a role of the configured roster.
 * Identity is a SAN of type URI, DNS, rfc822Name or UPN, or the SHA-256 of the SPKI; never the CN.
 * Names with embedded NUL bytes never match. The roster is immutable after authz_roster_new; any
 * thread may read it.
 */
#ifndef NET_AUTHZ_H
#define NET_AUTHZ_H

#include <openssl/x509.h>

#include "common/status.h"
#include "pledged/v1/entry.pb-c.h"
#include "server/net/net.h"

struct authz_roster;

enum { AUTHZ_IDENTITY_MAX = 255 }; /* bytes of "uri:..." and the like */

/* For whoever reads identities one by one, and can say where they stand: is it one, and do two of
 * them mean the same names in a certificate (dns: and the like ignore case)? */
bool authz_identity_well_formed(const char *identity);
bool authz_identity_same(const char *one, const char *other);

/* Copies what it needs. INVALID if an identity is given twice or is malformed. */
PL_MUST_CHECK struct pl_status authz_roster_new(const Pledged__V1__RosterAdopted *roster,
                                                struct authz_roster **ret);
/* Any thread; NULL is fine. The roster ends with its last reference. */
const struct authz_roster *authz_roster_ref(const struct authz_roster *roster);
void authz_roster_unref(const struct authz_roster *roster);
void authz_roster_free(struct authz_roster *roster); /* gives up the maker's reference */

struct authz_match {
    const struct net_person *person; /* borrowed from the roster; NULL: nobody */
    char identity[256];              /* as it matched: "uri:pledged:person:anna" */
    char issuer[256];                /* RFC 2253 */
};
/* The same person, with the same role, by the same name of the certificate; or nobody both times.
 */
bool authz_same(const struct authz_match *a, const struct authz_match *b);
void authz_identify(const struct authz_roster *roster, X509 *certificate, struct authz_match *ret);

#endif
