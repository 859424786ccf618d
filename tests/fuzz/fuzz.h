/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz: what every target of this directory needs. A target reads bytes as an outsider would send
 * them; it is wrong if it crashes, breaks an assertion, leaks, or if FUZZ_HOLDS does not hold.
 */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/check.h"
#include "common/slice.h"

/* libFuzzer calls this; the form of the name is its own. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What must be true of every input. */
#define FUZZ_HOLDS(condition_) PL_ASSERT(condition_)

enum { FUZZ_PATH_BYTES = 256 };

/* A directory of this process, below the directory that run.sh removes afterwards. */
static inline const char *fuzz_dir(void)
{
    static char dir[FUZZ_PATH_BYTES - 64];
    if (dir[0] == '\0') {
        const char *base = getenv("TMPDIR");
        (void)snprintf(dir, sizeof(dir), "%s/fuzz-XXXXXX", base != NULL ? base : "/tmp");
        PL_ASSERT(mkdtemp(dir) != NULL);
    }
    return dir;
}

/* Writes DIR/name anew; `ret` has FUZZ_PATH_BYTES. */
static inline void fuzz_file(const char *name, struct pl_slice bytes, char *ret)
{
    (void)snprintf(ret, FUZZ_PATH_BYTES, "%s/%s", fuzz_dir(), name);
    int fd = open(ret, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    PL_ASSERT(fd >= 0);
    ssize_t written = bytes.len == 0 ? 0 : write(fd, bytes.data, bytes.len);
    PL_ASSERT(written == (ssize_t)bytes.len);
    PL_ASSERT(close(fd) == 0);
}

/* A copy with a NUL behind it, at its exact size, so that reading past it is noticed. */
static inline char *fuzz_text(struct pl_slice bytes)
{
    char *text = malloc(bytes.len + 1);
    PL_ASSERT(text != NULL);
    if (bytes.len > 0)
        memcpy(text, bytes.data, bytes.len);
    text[bytes.len] = '\0';
    return text;
}

#endif
