/* SPDX-License-Identifier: Apache-2.0
 *
 * authz: see authz.h. A roster is a sorted array of (identity, issuer) pairs that point at persons;
 * a certificate offers a handful of candidate identities, each found by bisection.
 *
 * Invariants: (identity, issuer) is unique; an identity without issuer stands alone, so that it can
 * never be ambiguous which person an issuer's certificate means. A certificate whose names lead to
 * two persons is nobody's.
 */
#include "server/net/authz.h"

#include <openssl/asn1.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/check.h"
#include "common/hash.h"

/* Microsoft's userPrincipalName as otherName */
static const char upn_oid[] = "1.3.6.1.4.1.311.20.2.3";

struct identity {
    char *name;   /* owns; "dns:..." in the form that candidates take */
    char *issuer; /* owns; "" is any */
    const struct net_person *person;
};
struct authz_roster {
    atomic_uint refs;
    struct net_person *persons; /* owns; names too */
    size_t person_count;
    struct identity *identities; /* owns; sorted by name, then issuer */
    size_t identity_count;
};

/* --- the roster --- */

static void lower(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
    }
}

/* DNS names and mail domains ignore case, fingerprints are hex; everything else is compared as is.
 */
static void normalise(char *identity)
{
    if (strncmp(identity, "dns:", 4) == 0 || strncmp(identity, "spki:", 5) == 0) {
        lower(identity);
    } else if (strncmp(identity, "email:", 6) == 0) {
        char *at = strrchr(identity, '@');
        if (at != NULL)
            lower(at);
    }
}

bool authz_identity_well_formed(const char *identity)
{
    static const char *const kinds[] = {"uri:", "dns:", "email:", "upn:", "spki:"};
    if (strlen(identity) > AUTHZ_IDENTITY_MAX)
        return false;
    for (size_t i = 0; i < PL_COUNT(kinds); i++) {
        size_t prefix = strlen(kinds[i]);
        if (strncmp(identity, kinds[i], prefix) != 0)
            continue;
        const char *rest = identity + prefix;
        if (strcmp(kinds[i], "spki:") == 0) {
            uint8_t digest[PL_SHA256_BYTES];
            return strlen(rest) == sizeof(digest) * 2 &&
                   pl_is_ok(pl_unhex(rest, digest, sizeof(digest)));
        }
        return rest[0] != '\0';
    }
    return false;
}

static int compare(const void *left, const void *right)
{
    const struct identity *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order != 0 ? order : strcmp(a->issuer, b->issuer);
}

static char *copy(const char *text)
{
    char *made = strdup(text == NULL ? "" : text);
    PL_ASSERT(made != NULL);
    return made;
}

bool authz_identity_same(const char *one, const char *other)
{
    if (strcasecmp(one, other) != 0) /* whoever reads many asks often */
        return false;
    char *a = copy(one), *b = copy(other);
    normalise(a);
    normalise(b);
    bool same = strcmp(a, b) == 0;
    free(a);
    free(b);
    return same;
}

static struct pl_status add_person(struct authz_roster *roster,
                                   const Pledged__V1__RosterPerson *from)
{
    if (from->person == NULL || from->person[0] == '\0')
        return pl_fail(INVALID, "read the roster: a person without a name");
    if (from->role <= PLEDGED__V1__ROLE__ROLE_UNSPECIFIED ||
        from->role >= PLEDGED__V1__ROLE__ROLE_DAEMON)
        return pl_fail(INVALID, "read the roster: a person without a role");
    for (size_t i = 0; i < roster->person_count; i++) {
        if (strcmp(roster->persons[i].person, from->person) == 0)
            return pl_fail(INVALID, "read the roster: a person is named twice");
    }
    struct net_person *person = &roster->persons[roster->person_count++];
    person->person = copy(from->person);
    person->role = from->role;
    for (size_t i = 0; i < from->n_identity; i++) {
        const Pledged__V1__RosterIdentity *given = from->identity[i];
        struct identity *identity = &roster->identities[roster->identity_count++];
        identity->name = copy(given->identity);
        identity->issuer = copy(given->issuer);
        identity->person = person;
        normalise(identity->name);
        if (!authz_identity_well_formed(identity->name))
            return pl_fail(INVALID, "read the roster: an identity is malformed");
    }
    return pl_ok();
}

static struct pl_status check_unique(const struct authz_roster *roster)
{
    for (size_t i = 1; i < roster->identity_count; i++) {
        const struct identity *a = &roster->identities[i - 1], *b = &roster->identities[i];
        if (strcmp(a->name, b->name) != 0)
            continue;
        /* "" sorts first: one that means any issuer is next to one that names an issuer */
        if (a->issuer[0] == '\0' || strcmp(a->issuer, b->issuer) == 0)
            return pl_fail(INVALID, "read the roster: an identity is given twice");
    }
    return pl_ok();
}

struct pl_status authz_roster_new(const Pledged__V1__RosterAdopted *from, struct authz_roster **ret)
{
    struct authz_roster *roster = calloc(1, sizeof(*roster));
    PL_ASSERT(roster != NULL);
    size_t identities = 0;
    for (size_t i = 0; i < from->n_person; i++)
        identities += from->person[i]->n_identity;
    roster->persons = calloc(from->n_person + 1, sizeof(*roster->persons));
    roster->identities = calloc(identities + 1, sizeof(*roster->identities));
    PL_ASSERT(roster->persons != NULL && roster->identities != NULL);
    struct pl_status status = pl_ok();
    for (size_t i = 0; i < from->n_person && pl_is_ok(status); i++)
        status = add_person(roster, from->person[i]);
    atomic_init(&roster->refs, 1);
    if (pl_is_ok(status)) {
        qsort(roster->identities, roster->identity_count, sizeof(*roster->identities), compare);
        status = check_unique(roster);
    }
    if (!pl_is_ok(status)) {
        authz_roster_free(roster);
        return status;
    }
    *ret = roster;
    return pl_ok();
}

const struct authz_roster *authz_roster_ref(const struct authz_roster *roster)
{
    /* what is counted is nobody's idea of its contents */
    if (roster != NULL)
        atomic_fetch_add_explicit(&((struct authz_roster *)(uintptr_t)roster)->refs, 1,
                                  memory_order_relaxed);
    return roster;
}

void authz_roster_unref(const struct authz_roster *roster)
{
    authz_roster_free((struct authz_roster *)(uintptr_t)roster);
}

void authz_roster_free(struct authz_roster *roster)
{
    if (roster == NULL || atomic_fetch_sub_explicit(&roster->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < roster->person_count; i++)
        free((char *)(uintptr_t)roster->persons[i].person);
    for (size_t i = 0; i < roster->identity_count; i++) {
        free(roster->identities[i].name);
        free(roster->identities[i].issuer);
    }
    free(roster->persons);
    free(roster->identities);
    free(roster);
}

/* --- one certificate --- */

struct search {
    const struct authz_roster *roster;
    struct authz_match *match;
    bool ambiguous;
};

static const struct identity *find(const struct authz_roster *roster, const char *name,
                                   const char *issuer)
{
    struct identity key = {(char *)(uintptr_t)name, (char *)(uintptr_t)issuer, NULL};
    return bsearch(&key, roster->identities, roster->identity_count, sizeof(key), compare);
}

/* `value` may hold anything: it comes from the certificate. */
static void consider(struct search *search, const char *kind, const void *value, size_t len)
{
    char name[AUTHZ_IDENTITY_MAX + 1];
    if (len == 0 || memchr(value, '\0', len) != NULL)
        return; /* "anna\0.evil" must not read as "anna" */
    size_t prefix = strlen(kind);
    if (prefix + len > AUTHZ_IDENTITY_MAX)
        return;
    memcpy(name, kind, prefix);
    memcpy(name + prefix, value, len);
    name[prefix + len] = '\0';
    normalise(name);
    const struct identity *found = find(search->roster, name, "");
    if (found == NULL)
        found = find(search->roster, name, search->match->issuer);
    if (found == NULL)
        return;
    if (search->match->person != NULL) {
        search->ambiguous = search->ambiguous || search->match->person != found->person;
        return;
    }
    search->match->person = found->person;
    memcpy(search->match->identity, name, strlen(name) + 1);
}

static void consider_string(struct search *search, const char *kind, const ASN1_STRING *value)
{
    int len = ASN1_STRING_length(value);
    if (len > 0)
        consider(search, kind, ASN1_STRING_get0_data(value), (size_t)len);
}

static void consider_name(struct search *search, const GENERAL_NAME *name)
{
    char oid[64];
    switch (name->type) {
    case GEN_URI:
        consider_string(search, "uri:", name->d.uniformResourceIdentifier);
        return;
    case GEN_DNS:
        consider_string(search, "dns:", name->d.dNSName);
        return;
    case GEN_EMAIL:
        consider_string(search, "email:", name->d.rfc822Name);
        return;
    case GEN_OTHERNAME:
        if (OBJ_obj2txt(oid, sizeof(oid), name->d.otherName->type_id, 1) > 0 &&
            strcmp(oid, upn_oid) == 0 && name->d.otherName->value->type == V_ASN1_UTF8STRING)
            consider_string(search, "upn:", name->d.otherName->value->value.utf8string);
        return;
    default: /* directory names, addresses and the like are no identities here */
        return;
    }
}

static void consider_key(struct search *search, X509 *certificate)
{
    unsigned char *spki = NULL;
    uint8_t digest[PL_SHA256_BYTES];
    char hex[2 * PL_SHA256_BYTES + 1];
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);
    if (len > 0) {
        pl_sha256(pl_slice(spki, (size_t)len), digest);
        pl_hex(pl_slice(digest, sizeof(digest)), hex);
        consider(search, "spki:", hex, strlen(hex));
    }
    OPENSSL_free(spki);
}

static void read_issuer(X509 *certificate, char *out, size_t size)
{
    out[0] = '\0';
    BIO *bio = BIO_new(BIO_s_mem());
    PL_ASSERT(bio != NULL);
    if (X509_NAME_print_ex(bio, X509_get_issuer_name(certificate), 0, XN_FLAG_RFC2253) > 0) {
        int len = BIO_read(bio, out, (int)size - 1);
        out[len > 0 ? len : 0] = '\0';
    }
    BIO_free(bio);
}

void authz_identify(const struct authz_roster *roster, X509 *certificate, struct authz_match *ret)
{
    struct search search = {.roster = roster, .match = ret};
    memset(ret, 0, sizeof(*ret));
    if (certificate == NULL)
        return;
    read_issuer(certificate, ret->issuer, sizeof(ret->issuer));
    consider_key(&search, certificate);
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++)
        consider_name(&search, sk_GENERAL_NAME_value(names, i));
    GENERAL_NAMES_free(names);
    if (search.ambiguous) {
        ret->person = NULL;
        ret->identity[0] = '\0';
    }
}

bool authz_same(const struct authz_match *a, const struct authz_match *b)
{
    if (a->person == NULL || b->person == NULL)
        return a->person == b->person;
    return a->person->role == b->person->role &&
           strcmp(a->person->person, b->person->person) == 0 &&
           strcmp(a->identity, b->identity) == 0 && strcmp(a->issuer, b->issuer) == 0;
}
