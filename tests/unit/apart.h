/* SPDX-License-Identifier: Apache-2.0
 *
 * apart: tests that try all cases there are try every n-th of them where each one takes long: n is
 * PLEDGED_TEST_APART (static/valgrind.sh), `sanitized` with a slow sanitizer, else 1.
 */
#ifndef TEST_APART_H
#define TEST_APART_H

#include <stdlib.h>

static inline unsigned cases_apart(unsigned sanitized)
{
    const char *wanted = getenv("PLEDGED_TEST_APART");
    unsigned apart = wanted != NULL ? (unsigned)strtoul(wanted, NULL, 10) : 0;
    if (apart != 0)
        return apart;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return sanitized;
#else
    (void)sanitized;
    return 1;
#endif
}

#endif
