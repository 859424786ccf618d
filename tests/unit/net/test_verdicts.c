/* SPDX-License-Identifier: Apache-2.0
 *
 * verdicts: what was found good is not asked again, for as long as it must not be, and nothing
 * else is believed. A store without authorities, which finds everybody bad, tells whether a
 * certificate was judged or remembered.
 */
#include <cmocka.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "pki.h"
#include "server/net/verdicts.h"

struct fixture {
    struct pki pki;
    EVP_PKEY *key;
    X509_STORE *trusting, *empty;
    int64_t now_s;
    int64_t expires_s; /* of the last verdict */
    int error;         /* X509_V_ of the last one */
};

static int setup(void **state)
{
    struct fixture *fx = calloc(1, sizeof(*fx));
    pki_init(&fx->pki);
    fx->key = pki_key();
    fx->trusting = X509_STORE_new();
    fx->empty = X509_STORE_new();
    X509_STORE_add_cert(fx->trusting, fx->pki.ca);
    fx->now_s = (int64_t)time(NULL);
    *state = fx;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fx = *state;
    X509_STORE_free(fx->trusting);
    X509_STORE_free(fx->empty);
    EVP_PKEY_free(fx->key);
    pki_fini(&fx->pki);
    free(fx);
    return 0;
}

/* A client's certificate that has `left_s` to go. */
static X509 *client_with(struct fixture *fx, long left_s)
{
    const struct pki_wish wish = {.name = "c", .from_s = -3600, .to_s = left_s};
    return pki_sign(fx->pki.ca, fx->pki.ca_key, fx->key, &wish);
}

/* As OpenSSL has it at the end of a handshake; what is shown begins with the client's own. */
static bool judge(struct fixture *fx, struct verdicts *verdicts, X509_STORE *store, X509 *client,
                  X509 *more, int64_t now_s)
{
    STACK_OF(X509) *shown = sk_X509_new_null();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    sk_X509_push(shown, client);
    if (more != NULL)
        sk_X509_push(shown, more);
    assert_int_equal(X509_STORE_CTX_init(ctx, store, client, shown), 1);
    assert_int_equal(X509_STORE_CTX_set_default(ctx, "ssl_client"), 1);
    fx->expires_s = -1;
    bool good = verdicts_judge(verdicts, ctx, now_s, &fx->expires_s);
    fx->error = X509_STORE_CTX_get_error(ctx);
    assert_int_equal(good, fx->error == X509_V_OK);
    X509_STORE_CTX_free(ctx);
    sk_X509_free(shown);
    return good;
}

static bool judged(struct fixture *fx, struct verdicts *verdicts, X509 *client)
{
    return judge(fx, verdicts, fx->trusting, client, NULL, fx->now_s);
}

static bool remembered(struct fixture *fx, struct verdicts *verdicts, X509 *client, int64_t now_s)
{
    return judge(fx, verdicts, fx->empty, client, NULL, now_s);
}

static void test_what_was_good_is_remembered_until_it_expires(void **state)
{
    struct fixture *fx = *state;
    struct verdicts *verdicts = verdicts_new(INT64_MAX);
    X509 *client = client_with(fx, 7200);
    int64_t expires_s = verdicts_time_s(X509_get0_notAfter(client));
    assert_in_range(expires_s, fx->now_s + 7200 - 5, fx->now_s + 7200 + 60);
    assert_false(remembered(fx, verdicts, client, fx->now_s));
    assert_int_equal(fx->error, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    assert_true(judged(fx, verdicts, client));
    assert_int_equal(fx->expires_s, expires_s);
    assert_true(remembered(fx, verdicts, client, fx->now_s));
    assert_int_equal(fx->expires_s, expires_s);
    assert_true(remembered(fx, verdicts, client, expires_s - 1));
    assert_false(remembered(fx, verdicts, client, expires_s));
    assert_false(remembered(fx, verdicts, client, fx->now_s - 1)); /* the clock went back */
    X509_free(client);
    verdicts_free(verdicts);
    verdicts_free(NULL);
}

/* The authority's certificate ends before the client's does: it counts too. */
static void test_the_whole_chain_has_to_last(void **state)
{
    struct fixture *fx = *state;
    struct verdicts *verdicts = verdicts_new(INT64_MAX);
    X509 *client = client_with(fx, 30 * 86400L);
    assert_true(judged(fx, verdicts, client));
    assert_int_equal(fx->expires_s, verdicts_time_s(X509_get0_notAfter(fx->pki.ca)));
    assert_true(remembered(fx, verdicts, client, fx->expires_s - 1));
    assert_false(remembered(fx, verdicts, client, verdicts_time_s(X509_get0_notAfter(fx->pki.ca))));
    X509_free(client);
    verdicts_free(verdicts);
}

static void test_a_revocation_list_runs_out_for_everybody(void **state)
{
    struct fixture *fx = *state;
    struct verdicts *verdicts = verdicts_new(fx->now_s + 600);
    X509 *client = client_with(fx, 7200);
    assert_true(judged(fx, verdicts, client));
    assert_int_equal(fx->expires_s, verdicts_time_s(X509_get0_notAfter(client)));
    assert_true(remembered(fx, verdicts, client, fx->now_s + 599));
    assert_false(remembered(fx, verdicts, client, fx->now_s + 600));
    X509_free(client);
    verdicts_free(verdicts);
}

static void test_what_was_bad_is_judged_again(void **state)
{
    struct fixture *fx = *state;
    struct verdicts *verdicts = verdicts_new(INT64_MAX);
    X509 *client = client_with(fx, 7200);
    assert_false(remembered(fx, verdicts, client, fx->now_s));
    assert_true(judged(fx, verdicts, client));
    X509 *old = client_with(fx, -60);
    for (int i = 0; i < 2; i++) {
        assert_false(judged(fx, verdicts, old));
        assert_int_equal(fx->error, X509_V_ERR_CERT_HAS_EXPIRED);
    }
    X509_free(old);
    X509_free(client);
    verdicts_free(verdicts);
}

/* Same name, same key, same authority; or the same certificate among others: not the same. */
static void test_nothing_else_is_believed(void **state)
{
    struct fixture *fx = *state;
    struct verdicts *verdicts = verdicts_new(INT64_MAX);
    X509 *client = client_with(fx, 7200), *twin = client_with(fx, 7200);
    assert_true(judged(fx, verdicts, client));
    assert_false(remembered(fx, verdicts, twin, fx->now_s));
    assert_false(judge(fx, verdicts, fx->empty, client, twin, fx->now_s));
    assert_true(judge(fx, verdicts, fx->trusting, client, twin, fx->now_s));
    assert_true(judge(fx, verdicts, fx->empty, client, twin, fx->now_s));
    assert_false(judge(fx, verdicts, fx->empty, twin, client, fx->now_s));
    struct verdicts *others = verdicts_new(INT64_MAX);
    assert_false(remembered(fx, others, client, fx->now_s)); /* a context has its own */
    verdicts_free(others);
    X509_free(twin);
    X509_free(client);
    verdicts_free(verdicts);
}

/* More than there are places: whoever lost its place is judged, and gets one again. */
static void test_the_table_is_full(void **state)
{
    enum { CLIENTS = 600 };
    struct fixture *fx = *state;
    struct verdicts *verdicts = verdicts_new(INT64_MAX);
    X509 *clients[CLIENTS];
    int found = 0;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_with(fx, 7200);
        assert_true(judged(fx, verdicts, clients[i]));
        assert_true(remembered(fx, verdicts, clients[i], fx->now_s));
    }
    for (int i = 0; i < CLIENTS; i++)
        found += remembered(fx, verdicts, clients[i], fx->now_s) ? 1 : 0;
    assert_in_range(found, 1, CLIENTS / 2);
    for (int i = 0; i < CLIENTS; i++) {
        assert_true(judged(fx, verdicts, clients[i]));
        X509_free(clients[i]);
    }
    verdicts_free(verdicts);
}

/* A list that is longer than any chain that is let in is judged each time, whatever it holds. */
static void test_a_long_list_is_judged_each_time(void **state)
{
    struct fixture *fx = *state;
    struct verdicts *verdicts = verdicts_new(INT64_MAX);
    X509 *client = client_with(fx, 7200);
    STACK_OF(X509) *shown = sk_X509_new_null();
    for (int i = 0; i < 6; i++)
        sk_X509_push(shown, client);
    for (int turn = 0; turn < 2; turn++) {
        X509_STORE_CTX *ctx = X509_STORE_CTX_new();
        X509_STORE_CTX_init(ctx, turn == 0 ? fx->trusting : fx->empty, client, shown);
        assert_int_equal(verdicts_judge(verdicts, ctx, fx->now_s, &fx->expires_s), turn == 0);
        X509_STORE_CTX_free(ctx);
    }
    sk_X509_free(shown);
    X509_free(client);
    verdicts_free(verdicts);
}

/* --- the table, by several at once --- */

enum { TURNS = 1000000 };

struct many {
    struct verdicts *verdicts;
    uint8_t kind;
    int mixed; /* found with something that belongs to another */
    int found;
};

/* All want the same place: each is found as it is, or not at all. */
static void *by_turns(void *arg)
{
    struct many *many = arg;
    struct verdict own = {.until_s = 1000 + many->kind, .expires_s = 2000 + many->kind};
    memset(own.shown, many->kind, sizeof(own.shown));
    own.shown[0] = 7;
    for (int i = 0; i < TURNS; i++) {
        int64_t expires_s = 0;
        if (i % 2 == 0)
            verdicts_keep(many->verdicts, &own);
        if (!verdicts_find(many->verdicts, own.shown, 500, &expires_s))
            continue;
        many->found++;
        if (expires_s != own.expires_s)
            many->mixed++;
    }
    return NULL;
}

static void test_nobody_gets_half_of_another_ones(void **state)
{
    enum { THREADS = 3 };
    struct verdicts *verdicts = verdicts_new(INT64_MAX);
    struct many many[THREADS];
    pthread_t threads[THREADS];
    (void)state;
    for (uint8_t i = 0; i < THREADS; i++) {
        many[i] = (struct many){.verdicts = verdicts, .kind = (uint8_t)(i + 1)};
        assert_int_equal(pthread_create(&threads[i], NULL, by_turns, &many[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(many[i].mixed, 0);
        assert_true(many[i].found > 0);
    }
    verdicts_free(verdicts);
}

#define ROW(test_) cmocka_unit_test_setup_teardown(test_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_what_was_good_is_remembered_until_it_expires),
        ROW(test_the_whole_chain_has_to_last),
        ROW(test_a_revocation_list_runs_out_for_everybody),
        ROW(test_what_was_bad_is_judged_again),
        ROW(test_nothing_else_is_believed),
        ROW(test_the_table_is_full),
        ROW(test_a_long_list_is_judged_each_time),
        cmocka_unit_test(test_nobody_gets_half_of_another_ones),
    };
    return cmocka_run_group_tests_name("verdicts", tests, NULL, NULL);
}
