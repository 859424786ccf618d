/* SPDX-License-Identifier: Apache-2.0
 *
 * check: the end of a process that found a bug in itself.
 */
#include "common/check.h"

#include <stdio.h>
#include <stdlib.h>

void pl_check_failed(const char *expression, const char *where)
{
    (void)fprintf(stderr, "bug: assertion failed: %s at %s\n", expression, where);
    (void)fflush(stderr);
    abort();
}
