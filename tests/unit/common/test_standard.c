/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a descriptor that the caller closed is never given to a file; one that it gave is left
 * alone.
 */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/standard.h"

/* In a process of its own, with the descriptors of `closed` (bits) closed: 0 if all is as it
 * should. */
static int look(unsigned closed)
{
    char byte = 'x';
    int flags[3];
    for (int fd = 0; fd < 3; fd++) {
        flags[fd] = fcntl(fd, F_GETFL);
        if ((closed & 1u << fd) != 0)
            (void)close(fd);
    }
    if (!pl_standard_take())
        return 1;
    for (int fd = 0; fd < 3; fd++) {
        if ((closed & 1u << fd) == 0 && fcntl(fd, F_GETFL) != flags[fd])
            return 2;
        if ((closed & 1u << fd) != 0 &&
            ((fd == 0 ? read(fd, &byte, 1) : write(fd, &byte, 1)) >= 0 || errno != EBADF))
            return 3;
    }
    return open("/dev/null", O_RDONLY | O_CLOEXEC) > 2 ? 0 : 4;
}

static void test_every_combination(void **state)
{
    (void)state;
    for (unsigned closed = 0; closed < 8; closed++) {
        int ended = 0;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(look(closed));
        assert_int_equal(waitpid(child, &ended, 0), child);
        assert_true(WIFEXITED(ended));
        assert_int_equal(WEXITSTATUS(ended), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_combination),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
