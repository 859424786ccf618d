/* SPDX-License-Identifier: Apache-2.0
 *
 * authz: which certificate is which person, and which role may give which command.
 */
#include "common/hash.h"
#include "pki.h"
#include "server/net/authz.h"
#include "unit.h"

struct given {
    const char *person;
    Pledged__V1__Role role;
    const char *identity, *issuer;
};

static struct pl_status roster_of(const struct given *given, size_t count,
                                  struct authz_roster **ret)
{
    Pledged__V1__RosterIdentity identities[8], *identity[8];
    Pledged__V1__RosterPerson persons[8], *person[8];
    Pledged__V1__RosterAdopted adopted = PLEDGED__V1__ROSTER_ADOPTED__INIT;
    assert_true(count <= 8);
    for (size_t i = 0; i < count; i++) {
        identity[i] = &identities[i];
        person[i] = &persons[i];
        pledged__v1__roster_identity__init(&identities[i]);
        pledged__v1__roster_person__init(&persons[i]);
        identities[i].identity = (char *)(uintptr_t)given[i].identity;
        if (given[i].issuer != NULL)
            identities[i].issuer = (char *)(uintptr_t)given[i].issuer;
        persons[i].person = (char *)(uintptr_t)given[i].person;
        persons[i].role = given[i].role;
        persons[i].n_identity = 1;
        persons[i].identity = &identity[i];
    }
    adopted.n_person = count;
    adopted.person = person;
    return authz_roster_new(&adopted, ret);
}

static struct authz_roster *roster(const struct given *given, size_t count)
{
    struct authz_roster *made = NULL;
    assert_true(pl_is_ok(roster_of(given, count, &made)));
    return made;
}

static void refused(const struct given *given, size_t count)
{
    struct authz_roster *made = NULL;
    assert_int_equal(roster_of(given, count, &made).code, PL_E_INVALID);
    assert_null(made);
}

#define CLERK PLEDGED__V1__ROLE__ROLE_CLERK
#define ADMIN PLEDGED__V1__ROLE__ROLE_ADMIN

static struct pki pki;
static EVP_PKEY *key;

static X509 *with_san(const char *san)
{
    const struct pki_wish wish = {.name = "uri:pledged:person:anna", .san = san};
    return pki_sign(pki.ca, pki.ca_key, key, &wish);
}

static const char *who(const struct authz_roster *r, X509 *x, struct authz_match *match)
{
    authz_identify(r, x, match);
    X509_free(x);
    return match->person == NULL ? "nobody" : match->person->person;
}

static void test_each_kind_of_name_is_found(void **state)
{
    (void)state;
    struct authz_match match;
    const struct given given[] = {
        {"anna", CLERK, "uri:pledged:person:anna", NULL},
        {"host", CLERK, "dns:Scripts.Example.ORG", NULL},
        {"mail", CLERK, "email:Anna.B@Example.org", NULL},
        {"user", ADMIN, "upn:anna@corp.example", NULL},
    };
    struct authz_roster *r = roster(given, 4);
    assert_string_equal(who(r, with_san("URI:pledged:person:anna"), &match), "anna");
    assert_string_equal(match.identity, "uri:pledged:person:anna");
    assert_string_equal(match.issuer, "CN=Test CA");
    assert_int_equal(match.person->role, CLERK);
    assert_string_equal(who(r, with_san("DNS:scripts.example.org"), &match), "host");
    assert_string_equal(match.identity, "dns:scripts.example.org");
    assert_string_equal(who(r, with_san("email:Anna.B@EXAMPLE.org"), &match), "mail");
    assert_string_equal(who(r, with_san("email:anna.b@example.org"), &match), "nobody");
    assert_string_equal(
        who(r, with_san("otherName:1.3.6.1.4.1.311.20.2.3;UTF8:anna@corp.example"), &match),
        "user");
    assert_string_equal(who(r, with_san("otherName:1.2.3.4;UTF8:anna@corp.example"), &match),
                        "nobody");
    assert_string_equal(match.identity, "");
    assert_string_equal(match.issuer, "CN=Test CA");
    authz_roster_free(r);
}

static void test_the_common_name_never_counts(void **state)
{
    (void)state;
    struct authz_match match;
    const struct given given[] = {{"anna", CLERK, "uri:pledged:person:anna", NULL}};
    struct authz_roster *r = roster(given, 1);
    assert_string_equal(who(r, with_san(NULL), &match), "nobody");
    assert_string_equal(who(r, with_san("URI:pledged:person:annabel"), &match), "nobody");
    authz_identify(r, NULL, &match);
    assert_null(match.person);
    authz_roster_free(r);
}

static void test_a_key_is_found_by_its_hash(void **state)
{
    (void)state;
    struct authz_match match;
    unsigned char *spki = NULL;
    uint8_t digest[32];
    char identity[80] = "spki:";
    int len = i2d_PUBKEY(key, &spki);
    pl_sha256(pl_slice(spki, (size_t)len), digest);
    OPENSSL_free(spki);
    pl_hex(pl_slice(digest, 32), identity + 5);
    for (char *p = identity + 5; *p != '\0'; p++) /* either case in the configuration */
        *p = (char)(*p >= 'a' && *p <= 'f' ? *p - 'a' + 'A' : *p);
    const struct given given[] = {{"anna", CLERK, identity, NULL}};
    struct authz_roster *r = roster(given, 1);
    assert_string_equal(who(r, with_san(NULL), &match), "anna");
    assert_int_equal(strncmp(match.identity, "spki:", 5), 0);
    EVP_PKEY *other = pki_key();
    const struct pki_wish wish = {.name = "x"};
    assert_string_equal(who(r, pki_sign(pki.ca, pki.ca_key, other, &wish), &match), "nobody");
    EVP_PKEY_free(other);
    authz_roster_free(r);
}

static X509 *with_nul_in_uri(void)
{
    static const char uri[] = "pledged:person:anna\0.evil.example";
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, uri, sizeof(uri) - 1);
    GENERAL_NAME_set0_value(name, GEN_URI, text);
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    sk_GENERAL_NAME_push(names, name);
    X509_EXTENSION *extension = X509V3_EXT_i2d(NID_subject_alt_name, 0, names);
    const struct pki_wish wish = {.name = "x", .san_extension = extension};
    X509 *x = pki_sign(pki.ca, pki.ca_key, key, &wish);
    X509_EXTENSION_free(extension);
    GENERAL_NAMES_free(names);
    return x;
}

static void test_a_name_with_nul_is_nobody(void **state)
{
    (void)state;
    struct authz_match match;
    const struct given given[] = {{"anna", CLERK, "uri:pledged:person:anna", NULL}};
    struct authz_roster *r = roster(given, 1);
    assert_string_equal(who(r, with_nul_in_uri(), &match), "nobody");
    authz_roster_free(r);
}

static void test_two_persons_in_one_certificate_are_nobody(void **state)
{
    (void)state;
    struct authz_match match;
    const struct given given[] = {{"anna", CLERK, "uri:a", NULL}, {"otto", ADMIN, "uri:b", NULL}};
    struct authz_roster *r = roster(given, 2);
    assert_string_equal(who(r, with_san("URI:a,URI:b"), &match), "nobody");
    assert_string_equal(match.identity, "");
    assert_string_equal(who(r, with_san("URI:a,URI:c"), &match), "anna");
    authz_roster_free(r);
}

static void test_an_issuer_restricts(void **state)
{
    (void)state;
    struct authz_match match;
    const struct given given[] = {
        {"anna", CLERK, "uri:a", "CN=Test CA"},
        {"otto", CLERK, "uri:b", "CN=Other CA"},
        {"both", CLERK, "uri:c", "CN=Other CA"},
        {"same", CLERK, "uri:c", "CN=Test CA"},
    };
    struct authz_roster *r = roster(given, 4);
    assert_string_equal(who(r, with_san("URI:a"), &match), "anna");
    assert_string_equal(who(r, with_san("URI:b"), &match), "nobody");
    assert_string_equal(who(r, with_san("URI:c"), &match), "same");
    authz_roster_free(r);
}

static struct authz_match match_of(const struct net_person *person, const char *identity,
                                   const char *issuer)
{
    struct authz_match match = {.person = person};
    snprintf(match.identity, sizeof(match.identity), "%s", identity);
    snprintf(match.issuer, sizeof(match.issuer), "%s", issuer);
    return match;
}

/* What was let in for one of them is not the other's, whatever else is as it was. */
static void test_who_differs_in_anything_is_somebody_else(void **state)
{
    (void)state;
    const struct net_person anna = {.person = "anna", .role = CLERK};
    const struct net_person again = {.person = "anna", .role = CLERK}; /* of the next roster */
    const struct net_person berta = {.person = "berta", .role = CLERK};
    const struct net_person risen = {.person = "anna", .role = ADMIN};
    const struct authz_match was = match_of(&anna, "uri:a", "CN=One");
    const struct authz_match nobody = match_of(NULL, "", "CN=One");
    const struct authz_match same = match_of(&again, "uri:a", "CN=One");
    const struct authz_match stranger = match_of(NULL, "", "CN=Two");
    assert_true(authz_same(&was, &same));
    assert_true(authz_same(&nobody, &stranger));
    const struct authz_match differ[] = {
        match_of(&berta, "uri:a", "CN=One"), match_of(&risen, "uri:a", "CN=One"),
        match_of(&again, "uri:b", "CN=One"), match_of(&again, "uri:a", "CN=Two"),
        match_of(NULL, "uri:a", "CN=One"),
    };
    for (size_t i = 0; i < sizeof(differ) / sizeof(differ[0]); i++) {
        assert_false(authz_same(&was, &differ[i]));
        assert_false(authz_same(&differ[i], &was));
    }
}

static void test_a_wrong_roster_is_refused(void **state)
{
    (void)state;
    const struct given twice[] = {{"anna", CLERK, "uri:a", NULL}, {"otto", CLERK, "uri:a", NULL}};
    const struct given wide[] = {{"anna", CLERK, "uri:a", "CN=X"}, {"otto", CLERK, "uri:a", NULL}};
    const struct given cased[] = {{"a", CLERK, "dns:A.b", NULL}, {"b", CLERK, "dns:a.B", NULL}};
    const struct given same[] = {{"anna", CLERK, "uri:a", NULL}, {"anna", CLERK, "uri:b", NULL}};
    const struct given no_kind[] = {{"anna", CLERK, "anna", NULL}};
    const struct given empty[] = {{"anna", CLERK, "uri:", NULL}};
    const struct given short_hash[] = {{"anna", CLERK, "spki:abcd", NULL}};
    const struct given no_name[] = {{"", CLERK, "uri:a", NULL}};
    const struct given no_role[] = {{"anna", PLEDGED__V1__ROLE__ROLE_UNSPECIFIED, "uri:a", NULL}};
    const struct given daemon[] = {{"anna", PLEDGED__V1__ROLE__ROLE_DAEMON, "uri:a", NULL}};
    refused(twice, 2);
    refused(wide, 2);
    refused(cased, 2);
    refused(same, 2);
    refused(no_kind, 1);
    refused(empty, 1);
    refused(short_hash, 1);
    refused(no_name, 1);
    refused(no_role, 1);
    refused(daemon, 1);
}

int main(void)
{
    pki_init(&pki);
    key = pki_key();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_of_name_is_found),
        cmocka_unit_test(test_the_common_name_never_counts),
        cmocka_unit_test(test_a_key_is_found_by_its_hash),
        cmocka_unit_test(test_a_name_with_nul_is_nobody),
        cmocka_unit_test(test_two_persons_in_one_certificate_are_nobody),
        cmocka_unit_test(test_an_issuer_restricts),
        cmocka_unit_test(test_who_differs_in_anything_is_somebody_else),
        cmocka_unit_test(test_a_wrong_roster_is_refused),
    };
    int failed = cmocka_run_group_tests_name("authz", tests, NULL, NULL);
    EVP_PKEY_free(key);
    pki_fini(&pki);
    return failed;
}
