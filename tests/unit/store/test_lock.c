/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: one holder a directory, and the second is told who the first one is.
 */
#include "fixture.h"
#include "server/store/lock.h"

static void test_one_holder(void **state)
{
    (void)state;
    char *dir = dir_new(), message[400] = "", pid[24];
    struct lock *first = NULL, *second = NULL;
    assert_true(pl_is_ok(lock_take(dir, message, &first)));
    assert_int_equal(lock_take(dir, message, &second).code, PL_E_UNAVAILABLE);
    snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_non_null(strstr(message, pid));
    lock_release(first);
    assert_true(pl_is_ok(lock_take(dir, message, &second)));
    lock_release(second);
    lock_release(NULL);
    dir_remove(dir);
}

static void test_a_missing_directory_is_named(void **state)
{
    (void)state;
    char message[400] = "";
    struct lock *lock = NULL;
    assert_int_equal(lock_take("/nonexistent/place", message, &lock).code, PL_E_IO);
    assert_non_null(strstr(message, "/nonexistent/place"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_holder),
        cmocka_unit_test(test_a_missing_directory_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
