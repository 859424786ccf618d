/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: one holder a directory, and the second is told who the first one is.
 */
#include <errno.h>

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

/* Who cleans up takes it for a leftover. The holder is where the directory goes. */
static void test_a_lock_file_that_was_removed_lets_nobody_in(void **state)
{
    (void)state;
    char *dir = dir_new(), *away = dir_new(), message[400] = "", path[300];
    struct lock *lock = NULL, *other = NULL;
    assert_true(pl_is_ok(lock_take(dir, message, &lock)));
    snprintf(path, sizeof(path), "%s/lock", dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(lock_take(dir, message, &other).code, PL_E_UNAVAILABLE);
    assert_non_null(strstr(message, "its lock file was removed"));
    assert_true(lock_is_at(lock, dir));
    assert_true(lock_is_at(NULL, dir)); /* nobody asks */
    assert_int_equal(rename(dir, away), 0);
    assert_false(lock_is_at(lock, dir));
    assert_true(lock_is_at(lock, away));
    assert_int_equal(lock_take(away, message, &other).code, PL_E_UNAVAILABLE);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_true(pl_is_ok(lock_take(dir, message, &other))); /* another directory of that name */
    assert_false(lock_is_at(lock, dir));
    assert_true(lock_is_at(other, dir));
    lock_release(other);
    lock_release(lock);
    assert_true(pl_is_ok(lock_take(away, message, &lock)));
    lock_release(lock);
    dir_remove(dir);
    dir_remove(away);
}

static void test_a_missing_directory_is_named(void **state)
{
    (void)state;
    char message[400] = "";
    struct lock *lock = NULL;
    assert_int_equal(lock_take("/nonexistent/place", message, &lock).code, PL_E_IO);
    assert_non_null(strstr(message, "/nonexistent/place"));
}

int __real_flock(int fd, int operation);
int __real_ftruncate(int fd, off_t len);

static int flock_says, flock_after, ftruncate_says;

/* After so many calls that work. */
int __wrap_flock(int fd, int operation)
{
    if (flock_says == 0 || flock_after-- > 0)
        return __real_flock(fd, operation);
    errno = flock_says;
    return -1;
}

int __wrap_ftruncate(int fd, off_t len)
{
    errno = ftruncate_says;
    return ftruncate_says != 0 ? -1 : __real_ftruncate(fd, len);
}

static void test_a_file_system_without_locks_is_named(void **state)
{
    (void)state;
    char *dir = dir_new(), message[400] = "";
    struct lock *lock = NULL;
    flock_says = ENOLCK;
    assert_int_equal(lock_take(dir, message, &lock).code, PL_E_UNAVAILABLE);
    flock_says = 0;
    assert_null(lock);
    assert_non_null(strstr(message, strerror(ENOLCK)));
    assert_null(strstr(message, "another pledged"));
    dir_remove(dir);
}

/* As some are over a network: the file alone must do. */
static void test_a_file_system_that_locks_no_directories(void **state)
{
    (void)state;
    char *dir = dir_new(), message[400] = "";
    struct lock *first = NULL, *second = NULL;
    flock_says = EBADF;
    flock_after = 1;
    assert_true(pl_is_ok(lock_take(dir, message, &first)));
    flock_says = flock_after = 0;
    assert_int_equal(lock_take(dir, message, &second).code, PL_E_UNAVAILABLE);
    assert_non_null(strstr(message, "another pledged"));
    lock_release(first);
    dir_remove(dir);
}

/* The number is for people: no disk has to have room for it. */
static void test_a_holder_without_a_number_holds_as_well(void **state)
{
    (void)state;
    char *dir = dir_new(), message[400] = "";
    struct lock *first = NULL, *second = NULL;
    ftruncate_says = ENOSPC;
    assert_true(pl_is_ok(lock_take(dir, message, &first)));
    ftruncate_says = 0;
    assert_int_equal(lock_take(dir, message, &second).code, PL_E_UNAVAILABLE);
    assert_non_null(strstr(message, "another pledged uses this"));
    lock_release(first);
    dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_holder),
        cmocka_unit_test(test_a_lock_file_that_was_removed_lets_nobody_in),
        cmocka_unit_test(test_a_missing_directory_is_named),
        cmocka_unit_test(test_a_file_system_without_locks_is_named),
        cmocka_unit_test(test_a_file_system_that_locks_no_directories),
        cmocka_unit_test(test_a_holder_without_a_number_holds_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
