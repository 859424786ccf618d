/* SPDX-License-Identifier: Apache-2.0
 *
 * standard: see standard.h. The lowest free descriptor is what open gives, and those below are
 * taken.
 */
#include "common/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool pl_standard_take(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        /* the wrong way round, on purpose; programs that are started inherit it */
        int way = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
        if (open("/dev/null", way) != fd) // NOLINT(android-cloexec-open)
            return false;
    }
    return true;
}
