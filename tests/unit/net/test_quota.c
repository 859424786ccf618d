/* SPDX-License-Identifier: Apache-2.0
 *
 * quota: exact limits, by one thread and by many at once; debts are not forgotten by leaving; a
 * table that is full refuses.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/net/quota.h"
#include "unit.h"

#define SECOND_NS INT64_C(1000000000)

struct key {
    uint8_t bytes[PL_SHA256_BYTES];
};

/* Key number `n` of the set that all of them share. */
static struct key key(unsigned n)
{
    struct key key = {{1, 2, 0, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
    return key;
}

static int setup(void **state)
{
    *state = net_quota_new();
    return 0;
}

static int teardown(void **state)
{
    net_quota_free(*state);
    return 0;
}

static void test_connections_are_counted_by_certificate(void **state)
{
    struct net_quota *quota = *state;
    struct key anna = key(1), otto = key(2);
    struct quota_slot *slots[3];
    for (size_t i = 0; i < 3; i++) {
        slots[i] = quota_connect(quota, anna.bytes, 3, 0);
        assert_non_null(slots[i]);
    }
    assert_null(quota_connect(quota, anna.bytes, 3, 0));
    assert_ptr_equal(quota_connect(quota, anna.bytes, 0, 0), slots[0]); /* no limit */
    quota_disconnect(slots[0]);
    struct quota_slot *other = quota_connect(quota, otto.bytes, 3, 0);
    assert_non_null(other);
    assert_ptr_not_equal(other, slots[0]);
    quota_disconnect(slots[0]);
    assert_non_null(quota_connect(quota, anna.bytes, 3, 0));
    assert_null(quota_connect(quota, anna.bytes, 3, 0));
}

static void test_requests_have_a_burst_and_a_rate(void **state)
{
    struct key anna = key(1);
    struct quota_slot *slot = quota_connect(*state, anna.bytes, 0, 0);
    int64_t now = 5 * SECOND_NS;
    for (int i = 0; i < 5; i++)
        assert_true(quota_request(slot, 10, 5, now));
    assert_false(quota_request(slot, 10, 5, now));
    assert_false(quota_request(slot, 10, 5, now + SECOND_NS / 10 - 1));
    assert_true(quota_request(slot, 10, 5, now + SECOND_NS / 10));
    assert_false(quota_request(slot, 10, 5, now + SECOND_NS / 10));
    assert_true(quota_request(slot, 0, 0, now)); /* no limit */
    now += 100 * SECOND_NS;                      /* resting saves up no more than a burst */
    for (int i = 0; i < 5; i++)
        assert_true(quota_request(slot, 10, 5, now));
    assert_false(quota_request(slot, 10, 5, now));
    now += 100 * SECOND_NS;
    for (int i = 0; i < 10; i++) /* one second's worth */
        assert_true(quota_request(slot, 10, 0, now));
    assert_false(quota_request(slot, 10, 0, now));
}

static void test_a_second_in_the_long_run(void **state)
{
    struct key anna = key(1);
    struct quota_slot *slot = quota_connect(*state, anna.bytes, 0, 0);
    unsigned allowed = 0;
    for (int64_t ms = 0; ms < 60000; ms++)
        allowed += quota_request(slot, 7, 1, ms * 1000000);
    assert_in_range(allowed, 7 * 60 - 2, 7 * 60 + 1);
}

static void test_leaving_forgives_nothing(void **state)
{
    struct net_quota *quota = *state;
    struct key anna = key(1);
    struct quota_slot *slot = quota_connect(quota, anna.bytes, 1, 0);
    for (int i = 0; i < 10; i++)
        assert_true(quota_request(slot, 1, 10, 0));
    quota_disconnect(slot);
    for (unsigned i = 2; i < 100; i++) { /* others come and go: they find other places */
        struct key other = key(i);
        struct quota_slot *another = quota_connect(quota, other.bytes, 1, 0);
        assert_non_null(another);
        assert_ptr_not_equal(another, slot);
        quota_disconnect(another);
    }
    slot = quota_connect(quota, anna.bytes, 1, 0);
    assert_false(quota_request(slot, 1, 10, 0));
}

static void test_a_full_set_refuses_until_somebody_leaves(void **state)
{
    struct net_quota *quota = *state;
    struct quota_slot *slots[16];
    struct key late = key(100);
    for (unsigned i = 0; i < 16; i++) {
        struct key one = key(i);
        slots[i] = quota_connect(quota, one.bytes, 1, 0);
        assert_non_null(slots[i]);
    }
    assert_null(quota_connect(quota, late.bytes, 1, 0));
    struct key elsewhere = late;
    elsewhere.bytes[1] = 9; /* other sets have room */
    assert_non_null(quota_connect(quota, elsewhere.bytes, 1, 0));
    quota_disconnect(slots[7]);
    assert_ptr_equal(quota_connect(quota, late.bytes, 1, 0), slots[7]);
}

/* --- many threads --- */

enum { THREADS = 4, ROUNDS = 20000, LIMIT = 2, KEYS = 6 };

struct crowd {
    struct net_quota *quota;
    atomic_int connected[KEYS], most[KEYS];
    atomic_uint allowed;
    unsigned seed[THREADS];
    atomic_uint next;
};

static void *come_and_go(void *arg)
{
    struct crowd *crowd = arg;
    unsigned random = 12345 + atomic_fetch_add(&crowd->next, 1) * 7919;
    for (int i = 0; i < ROUNDS; i++) {
        random = random * 1664525 + 1013904223;
        unsigned n = (random >> 16) % KEYS;
        struct key one = key(n);
        struct quota_slot *slot = quota_connect(crowd->quota, one.bytes, LIMIT, 0);
        if (slot == NULL)
            continue;
        int now = atomic_fetch_add(&crowd->connected[n], 1) + 1;
        int most = atomic_load(&crowd->most[n]);
        while (now > most && !atomic_compare_exchange_weak(&crowd->most[n], &most, now))
            continue;
        if (n == 0) /* at time 0 no more than the burst, whoever asks */
            atomic_fetch_add(&crowd->allowed, quota_request(slot, 1, 1000, 0));
        atomic_fetch_sub(&crowd->connected[n], 1);
        quota_disconnect(slot);
    }
    return NULL;
}

static void test_many_at_once(void **state)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    pthread_t thread[THREADS];
    crowd->quota = *state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, come_and_go, crowd), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (size_t i = 0; i < KEYS; i++)
        assert_in_range(atomic_load(&crowd->most[i]), 1, LIMIT);
    assert_int_equal(atomic_load(&crowd->allowed), 1000);
    for (unsigned i = 0; i < KEYS; i++) { /* everybody has left */
        struct key one = key(i);
        for (int n = 0; n < LIMIT; n++)
            assert_non_null(quota_connect(*state, one.bytes, LIMIT, 0));
        assert_null(quota_connect(*state, one.bytes, LIMIT, 0));
    }
    free(crowd);
}

#define ROW(test_) cmocka_unit_test_setup_teardown(test_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_connections_are_counted_by_certificate),
        ROW(test_requests_have_a_burst_and_a_rate),
        ROW(test_a_second_in_the_long_run),
        ROW(test_leaving_forgives_nothing),
        ROW(test_a_full_set_refuses_until_somebody_leaves),
        ROW(test_many_at_once),
    };
    return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
