/* SPDX-License-Identifier: Apache-2.0
 *
 * apart: what tests do where everything takes long (static/valgrind.sh): those that try all cases
 * there are try every n-th of them, and those that wait wait longer.
 */
#ifndef TEST_APART_H
#define TEST_APART_H

#include <stdint.h>
#include <stdlib.h>

/* PLEDGED_TEST_APART, `sanitized` with a slow sanitizer, else 1. */
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

/* A time to wait at most, times PLEDGED_TEST_SCALE. */
static inline int64_t patience(int64_t time)
{
    const char *wanted = getenv("PLEDGED_TEST_SCALE");
    int64_t scale = wanted != NULL ? strtol(wanted, NULL, 10) : 1;
    return scale > 1 ? scale * time : time;
}

#endif
