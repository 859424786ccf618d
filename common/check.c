/* SPDX-License-Identifier: Apache-2.0
 *
 * check: the end of a process that found a bug in itself.
 */
#include "common/check.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void pl_check_failed(const char *expression, const char *where)
{
    struct pollfd poller = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&poller, 1, 0) == 1) { /* else nobody reads it, and the end must not wait for that */
        (void)fprintf(stderr, "bug: assertion failed: %s at %s\n", expression, where);
        (void)fflush(stderr);
    }
    abort();
}
