/* SPDX-License-Identifier: Apache-2.0
 *
 * bell: rings reach who listens, once, and none is lost between looking and sleeping.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

#include <poll.h>
#include <pthread.h>

#include "common/bell.h"
#include "common/mailbox.h"

static bool readable(const struct pl_bell *bell, int ms)
{
    struct pollfd fd = {.fd = pl_bell_fd(bell), .events = POLLIN};
    return poll(&fd, 1, ms) == 1;
}

static void test_only_an_armed_bell_rings(void **state)
{
    struct pl_bell *bell = NULL;
    (void)state;
    assert_true(pl_is_ok(pl_bell_new(&bell)));
    pl_bell_ring(bell);
    assert_false(readable(bell, 0));
    pl_bell_arm(bell);
    assert_false(readable(bell, 0));
    pl_bell_ring(bell);
    pl_bell_ring(bell);
    assert_true(readable(bell, 0));
    pl_bell_arm(bell);
    assert_false(readable(bell, 0)); /* both rings were one */
    pl_bell_ring(bell);
    pl_bell_disarm(bell);
    assert_false(readable(bell, 0));
    pl_bell_ring(bell);
    assert_false(readable(bell, 0));
    pl_bell_free(bell);
    pl_bell_free(NULL);
}

enum { VALUES = 200000 };

struct race {
    struct pl_bell *bell;
    struct pl_slot slot;
    int values[VALUES + 1];
};

static void *put_all(void *arg)
{
    struct race *race = arg;
    for (int i = 1; i <= VALUES; i++) {
        race->values[i] = i;
        (void)pl_slot_put(&race->slot, &race->values[i]);
        pl_bell_ring(race->bell);
    }
    return NULL;
}

/* The listener arms, looks, sleeps: if a put could fall between, it would sleep for ever. */
static void test_no_value_is_slept_over(void **state)
{
    static struct race race;
    pthread_t thread;
    int seen = 0;
    (void)state;
    assert_true(pl_is_ok(pl_bell_new(&race.bell)));
    assert_int_equal(pthread_create(&thread, NULL, put_all, &race), 0);
    while (seen < VALUES) {
        pl_bell_arm(race.bell);
        const int *newest = pl_slot_take(&race.slot);
        if (newest != NULL) {
            assert_true(*newest > seen);
            seen = *newest;
        } else {
            assert_true(readable(race.bell, 60000));
        }
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    pl_bell_free(race.bell);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_an_armed_bell_rings),
        cmocka_unit_test(test_no_value_is_slept_over),
    };
    return cmocka_run_group_tests_name("bell", tests, NULL, NULL);
}
