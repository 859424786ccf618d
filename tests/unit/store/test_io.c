/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: the real table does what it says, and every failure has the name that its callers go by.
 */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "fixture.h"

static char *dir;
static char path[600];

static int setup(void **state)
{
    (void)state;
    dir = dir_new();
    snprintf(path, sizeof(path), "%s/file", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dir_remove(dir);
    return 0;
}

static void test_bytes_come_back(void **state)
{
    (void)state;
    struct io *io = io_system();
    char back[6] = "";
    uint64_t size = 0;
    int fd = -1;
    assert_true(pl_is_ok(io->open(io, path, true, true, 0600, &fd)));
    assert_true(pl_is_ok(io->pwrite(io, fd, "hello", 5, 100)));
    assert_true(pl_is_ok(io->datasync(io, fd)));
    assert_true(pl_is_ok(io->sync(io, fd)));
    assert_true(pl_is_ok(io->sync_dir(io, dir)));
    assert_true(pl_is_ok(io->settle(io, fd)));
    assert_true(pl_is_ok(io->size(io, fd, &size)));
    assert_int_equal(size, 105);
    assert_true(pl_is_ok(io->pread(io, fd, back, 5, 100)));
    assert_string_equal(back, "hello");
    assert_int_equal(io->pread(io, fd, back, 6, 100).code,
                     PL_E_CORRUPT); /* not all of it is there */
    io->close(io, fd);
}

static void test_failures_have_names(void **state)
{
    (void)state;
    struct io *io = io_system();
    char other[600], byte;
    uint64_t room = 0;
    int fd = -1;
    snprintf(other, sizeof(other), "%s/none/such", dir);
    assert_int_equal(io->open(io, path, false, false, 0, &fd).code, PL_E_NOT_FOUND);
    assert_int_equal(io->remove(io, path).code, PL_E_NOT_FOUND);
    assert_int_equal(io->rename(io, path, other).code, PL_E_NOT_FOUND);
    assert_int_equal(io->sync_dir(io, other).code, PL_E_NOT_FOUND);
    assert_int_equal(io->free_bytes(io, other, &room).code, PL_E_NOT_FOUND);
    assert_int_equal(io->list(io, other, NULL, NULL).code, PL_E_NOT_FOUND);
    assert_true(pl_is_ok(io->open(io, path, true, true, 0600, &fd)));
    io->close(io, fd);
    assert_int_equal(io->open(io, path, true, true, 0600, &fd).code, PL_E_IO); /* there already */
    assert_int_equal(io->pread(io, -1, &byte, 1, 0).code, PL_E_IO);
    assert_int_equal(io->datasync(io, -1).code, PL_E_IO);
    assert_int_equal(io->settle(io, -1).code, PL_E_IO);
    assert_true(pl_is_ok(io->open(io, "/dev/full", false, true, 0, &fd)));
    struct pl_status status = io->pwrite(io, fd, "x", 1, 0);
    assert_int_equal(status.code, PL_E_NO_SPACE);
    assert_true(status.sys_errno != 0);
    io->close(io, fd);
}

/* The kernel takes what is below the limit and says so: a short write. The rest must be tried, and
 * its failure told. */
static void test_a_short_write_is_no_success(void **state)
{
    (void)state;
    struct io *io = io_system();
    pid_t child = fork();
    if (child == 0) {
        static const uint8_t bytes[10000] = {1};
        int fd = -1;
        struct rlimit limit = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};
        signal(SIGXFSZ, SIG_IGN);
        bool ok = pl_is_ok(io->open(io, path, true, true, 0600, &fd)) &&
                  setrlimit(RLIMIT_FSIZE, &limit) == 0;
        struct pl_status status = io->pwrite(io, fd, bytes, sizeof(bytes), 0);
        _exit(ok && status.code == PL_E_IO ? 42 : 1);
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 42);
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_size, 4096); /* it was a short one indeed */
}

static void count_name(void *arg, const char *name)
{
    assert_true(name[0] != '.');
    ++*(int *)arg;
}

static void test_lists_every_name(void **state)
{
    (void)state;
    struct io *io = io_system();
    int names = 0;
    for (int i = 0; i < 300; i++) {
        char other[600];
        int fd = -1;
        snprintf(other, sizeof(other), "%s/%d", dir, i);
        assert_true(pl_is_ok(io->open(io, other, true, true, 0600, &fd)));
        io->close(io, fd);
    }
    assert_true(pl_is_ok(io->list(io, dir, count_name, &names)));
    assert_int_equal(names, 300);
}

static void test_a_small_file_is_replaced_whole(void **state)
{
    (void)state;
    size_t len = 0;
    int names = 0;
    assert_true(pl_is_ok(io_write_file(io_system(), path, pl_slice_str("first, longer"), 0600)));
    assert_true(pl_is_ok(io_write_file(io_system(), path, pl_slice_str("second"), 0640)));
    uint8_t *bytes = slurp(path, &len);
    assert_int_equal(len, 6);
    assert_memory_equal(bytes, "second", 6);
    free(bytes);
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0640);
    assert_true(pl_is_ok(io_system()->list(io_system(), dir, count_name, &names)));
    assert_int_equal(names, 1); /* nothing is left beside it */
}

static bool fail_sync;

static struct pl_status failing_sync(struct io *io, int fd)
{
    (void)fd;
    (void)io;
    return fail_sync ? pl_fail(IO, "sync") : pl_ok();
}

static void test_a_file_that_cannot_be_synced_replaces_nothing(void **state)
{
    (void)state;
    struct io io = *io_system();
    size_t len = 0;
    io.sync = failing_sync;
    assert_true(pl_is_ok(io_write_file(&io, path, pl_slice_str("old"), 0600)));
    fail_sync = true;
    assert_int_equal(io_write_file(&io, path, pl_slice_str("new"), 0600).code, PL_E_IO);
    fail_sync = false;
    uint8_t *bytes = slurp(path, &len);
    assert_int_equal(len, 3);
    assert_memory_equal(bytes, "old", 3);
    free(bytes);
    assert_true(
        pl_is_ok(io_write_file(&io, path, pl_slice_str("new"), 0600))); /* the rest is gone */
}

static void test_zeros_are_written(void **state)
{
    (void)state;
    struct io *io = io_system();
    struct stat found;
    size_t len = 0;
    int fd = -1;
    assert_true(pl_is_ok(io->open(io, path, true, true, 0600, &fd)));
    assert_true(pl_is_ok(io->pwrite(io, fd, "xxxxxxxxxx", 10, 0)));
    assert_true(pl_is_ok(io_zero(io, fd, 5, 3000000)));
    assert_true(pl_is_ok(io->sync(io, fd)));
    io->close(io, fd);
    assert_int_equal(stat(path, &found), 0);
    assert_true(found.st_blocks * 512 >= 3000005); /* no hole */
    uint8_t *bytes = slurp(path, &len);
    assert_int_equal(len, 3000005);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(bytes[i], i < 5 ? 'x' : 0);
    free(bytes);
}

/* --- what the system may say and seldom does --- */

ssize_t __real_pwrite(int fd, const void *data, size_t len, off_t offset);
struct dirent *__real_readdir(DIR *list);

static int pwrite_says, readdir_says; /* errno; -1: nothing was taken; 0: as ever */
static unsigned pwrite_interrupted;

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t offset)
{
    if (pwrite_interrupted > 0) {
        pwrite_interrupted--;
        errno = EINTR;
        return -1;
    }
    errno = pwrite_says;
    return pwrite_says > 0 ? -1 : pwrite_says < 0 ? 0 : __real_pwrite(fd, data, len, offset);
}

struct dirent *__wrap_readdir(DIR *list)
{
    struct dirent *entry = __real_readdir(list);
    if (entry == NULL && readdir_says != 0)
        errno = readdir_says; /* in the middle, for all that we know */
    return entry;
}

static void test_a_disk_that_takes_nothing_or_only_later(void **state)
{
    (void)state;
    struct io *io = io_system();
    char back[4] = "";
    int fd = -1;
    assert_true(pl_is_ok(io->open(io, path, true, true, 0600, &fd)));
    pwrite_says = EDQUOT;
    assert_int_equal(io->pwrite(io, fd, "abc", 3, 0).code, PL_E_NO_SPACE);
    pwrite_says = EIO;
    assert_int_equal(io->pwrite(io, fd, "abc", 3, 0).code, PL_E_IO);
    pwrite_says = -1;
    assert_int_equal(io->pwrite(io, fd, "abc", 3, 0).code, PL_E_IO); /* and not for ever */
    pwrite_says = 0;
    pwrite_interrupted = 5;
    assert_true(pl_is_ok(io->pwrite(io, fd, "abc", 3, 0)));
    assert_int_equal(pwrite_interrupted, 0);
    assert_true(pl_is_ok(io->pread(io, fd, back, 3, 0)));
    assert_string_equal(back, "abc");
    io->close(io, fd);
}

static void test_a_list_that_breaks_off_is_no_list(void **state)
{
    (void)state;
    struct io *io = io_system();
    int names = 0;
    readdir_says = EIO;
    assert_int_equal(io->list(io, dir, count_name, &names).code, PL_E_IO);
    readdir_says = 0;
    assert_true(pl_is_ok(io->list(io, dir, count_name, &names)));
}

static void test_where_a_small_file_may_be(void **state)
{
    (void)state;
    char *before = getcwd(NULL, 0);
    static char longest[5000];
    assert_non_null(before);
    assert_int_equal(chdir(dir), 0);
    struct pl_status status = io_write_file(io_system(), "here", pl_slice_str("x"), 0600);
    assert_int_equal(chdir(before), 0);
    free(before);
    assert_true(pl_is_ok(status));
    snprintf(path, sizeof(path), "%s/here", dir);
    assert_int_equal(access(path, R_OK), 0);
    snprintf(path, sizeof(path), "%s/none/such", dir);
    assert_int_equal(io_write_file(io_system(), path, pl_slice_str("x"), 0600).code,
                     PL_E_NOT_FOUND);
    memset(longest, 'x', sizeof(longest) - 1);
    assert_int_equal(io_write_file(io_system(), longest, pl_slice_str("x"), 0600).code,
                     PL_E_INVALID);
    longest[4092] = '\0'; /* fits, but not with ".new" */
    assert_int_equal(io_write_file(io_system(), longest, pl_slice_str("x"), 0600).code,
                     PL_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bytes_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures_have_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_short_write_is_no_success, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lists_every_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_small_file_is_replaced_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_file_that_cannot_be_synced_replaces_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_zeros_are_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_disk_that_takes_nothing_or_only_later, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_list_that_breaks_off_is_no_list, setup, teardown),
        cmocka_unit_test_setup_teardown(test_where_a_small_file_may_be, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
