/* SPDX-License-Identifier: Apache-2.0
 *
 * names: who a certificate is. First byte even: the rest is the DER of a certificate; odd: the DER
 * of the subjectAltName of an otherwise good one. A name with a NUL in it is nobody's.
 */
#include <openssl/x509v3.h>

#include "fuzz.h"
#include "server/net/authz.h"

static const char *const identities[] = {"uri:pledged:person:anna", "dns:anna.example",
                                         "email:anna@anna.example", "upn:anna@anna.example"};

static struct authz_roster *roster_new(void)
{
    Pledged__V1__RosterIdentity identity[PL_COUNT(identities)], *each[PL_COUNT(identities)];
    for (size_t i = 0; i < PL_COUNT(identities); i++) {
        pledged__v1__roster_identity__init(&identity[i]);
        identity[i].identity = (char *)(uintptr_t)identities[i];
        each[i] = &identity[i];
    }
    Pledged__V1__RosterPerson person = PLEDGED__V1__ROSTER_PERSON__INIT, *one = &person;
    person.person = (char *)(uintptr_t) "anna";
    person.role = PLEDGED__V1__ROLE__ROLE_CLERK;
    person.n_identity = PL_COUNT(identities);
    person.identity = each;
    Pledged__V1__RosterAdopted adopted = PLEDGED__V1__ROSTER_ADOPTED__INIT;
    adopted.n_person = 1;
    adopted.person = &one;
    struct authz_roster *roster = NULL;
    PL_ASSERT(pl_is_ok(authz_roster_new(&adopted, &roster)));
    return roster;
}

static X509 *certificate_with(struct pl_slice san)
{
    static EVP_PKEY *key;
    if (key == NULL)
        key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    PL_ASSERT(x != NULL && key != NULL);
    X509_set_version(x, 2);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                               (const unsigned char *)identities[0], -1, -1, 0);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(value, san.data, (int)san.len);
    X509_EXTENSION *extension = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, value);
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    return x;
}

/* An independent look: is one of our names in there, letter by letter? */
static bool holds(struct pl_slice bytes, const char *identity)
{
    const char *name = strchr(identity, ':') + 1;
    size_t len = strlen(name);
    for (size_t at = 0; at + len <= bytes.len; at++) {
        if (strncasecmp((const char *)bytes.data + at, name, len) == 0)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct authz_roster *roster;
    struct authz_match match;
    if (roster == NULL)
        roster = roster_new();
    if (len < 1 || len > 16384)
        return 0;
    struct pl_slice bytes = pl_slice(data + 1, len - 1);
    const uint8_t *der = bytes.data;
    X509 *x = (data[0] & 1) != 0 ? certificate_with(bytes) : d2i_X509(NULL, &der, (long)bytes.len);
    if (x == NULL)
        return 0;
    authz_identify(roster, x, &match);
    if (match.person != NULL) {
        FUZZ_HOLDS(memchr(match.identity, '\0', sizeof(match.identity)) != NULL);
        bool known = false;
        for (size_t i = 0; i < PL_COUNT(identities); i++)
            known = known ||
                    (strcasecmp(match.identity, identities[i]) == 0 && holds(bytes, identities[i]));
        FUZZ_HOLDS(known);
    }
    X509_free(x);
    return 0;
}
