/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a request is on disk, whole and private, before it is sent; and gone when it is settled.
 */
#include <cmocka.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/requests.h"
#include "common/check.h"

static char dir[] = "/tmp/pledge-requests-XXXXXX";
static struct pl_arena arena;
static const char id[] = "01980000-0000-7000-8000-000000000001";

static void test_what_is_kept_can_be_read_and_forgotten(void **state)
{
    (void)state;
    const char *path = NULL;
    static const char bytes[] = "some\0bytes";
    struct pl_status status = requests_keep(id, pl_slice(bytes, sizeof(bytes)), &arena, &path);
    assert_true(pl_is_ok(status));
    assert_non_null(strstr(path, id));
    assert_true(strncmp(path, dir, strlen(dir)) == 0);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(info.st_size, sizeof(bytes));
    char back[64];
    FILE *file = fopen(path, "re");
    assert_int_equal(fread(back, 1, sizeof(back), file), sizeof(bytes));
    (void)fclose(file);
    assert_memory_equal(back, bytes, sizeof(bytes));
    requests_forget(path);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_keeping_again_replaces_and_leaves_nothing_else(void **state)
{
    (void)state;
    const char *path = NULL;
    assert_true(pl_is_ok(requests_keep(id, pl_slice_str("first, longer"), &arena, &path)));
    assert_true(pl_is_ok(requests_keep(id, pl_slice_str("second"), &arena, &path)));
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 6);
    char where[128];
    (void)snprintf(where, sizeof(where), "%s/pledge/requests", dir);
    DIR *list = opendir(where);
    assert_non_null(list);
    int count = 0;
    for (const struct dirent *e = readdir(list); e != NULL; e = readdir(list))
        count += e->d_name[0] != '.';
    (void)closedir(list);
    assert_int_equal(count, 1);
    assert_int_equal(stat(where, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    requests_forget(path);
}

static void test_the_home_directory_is_the_usual_place(void **state)
{
    (void)state;
    const char *path = NULL;
    char wanted[128];
    assert_int_equal(unsetenv("XDG_STATE_HOME"), 0);
    assert_int_equal(setenv("HOME", dir, 1), 0);
    assert_true(pl_is_ok(requests_keep(id, pl_slice_str("x"), &arena, &path)));
    (void)snprintf(wanted, sizeof(wanted), "%s/.local/state/pledge/requests/", dir);
    assert_true(strncmp(path, wanted, strlen(wanted)) == 0);
    requests_forget(path);
    assert_int_equal(unsetenv("HOME"), 0);
    assert_int_equal(requests_keep(id, pl_slice_str("x"), &arena, &path).code, PL_E_CONFIG);
    assert_int_equal(setenv("XDG_STATE_HOME", dir, 1), 0);
}

static void test_a_place_that_cannot_be_written_is_told(void **state)
{
    (void)state;
    const char *path = NULL;
    assert_int_equal(setenv("XDG_STATE_HOME", "/dev/null", 1), 0);
    struct pl_status status = requests_keep(id, pl_slice_str("x"), &arena, &path);
    assert_int_equal(status.code, PL_E_IO);
    assert_int_not_equal(status.sys_errno, 0);
    assert_non_null(path);
    assert_int_equal(setenv("XDG_STATE_HOME", dir, 1), 0);
}

static int begin(void **state)
{
    (void)state;
    pl_arena_init(&arena, 1 << 16);
    return mkdtemp(dir) == NULL ? -1 : setenv("XDG_STATE_HOME", dir, 1);
}

static int end(void **state)
{
    (void)state;
    static const char *const made[] = {"pledge/requests",
                                       "pledge",
                                       ".local/state/pledge/requests",
                                       ".local/state/pledge",
                                       ".local/state",
                                       ".local",
                                       ""};
    for (size_t i = 0; i < PL_COUNT(made); i++) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/%s", dir, made[i]);
        (void)rmdir(path);
    }
    pl_arena_fini(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_kept_can_be_read_and_forgotten),
        cmocka_unit_test(test_keeping_again_replaces_and_leaves_nothing_else),
        cmocka_unit_test(test_the_home_directory_is_the_usual_place),
        cmocka_unit_test(test_a_place_that_cannot_be_written_is_told),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
