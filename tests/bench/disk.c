/* SPDX-License-Identifier: Apache-2.0
 *
 * disk: a file of its own in the directory that is measured, unlinked while it is open.
 */
#include "tests/bench/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/check.h"
#include "common/clock.h"

enum { BLOCK_BYTES = 4096, FILE_BLOCKS = 2048, REQUESTS_DEFAULT = 2000 };

static struct pl_status make_file(const char *directory, int *ret)
{
    char path[4096];
    int len = snprintf(path, sizeof(path), "%s/bench-disk-XXXXXX", directory);
    if (len < 0 || (size_t)len >= sizeof(path))
        return pl_fail(INVALID, "naming a file");
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return pl_fail_errno(IO, "making a file");
    *ret = fd;
    return unlink(path) == 0 ? pl_ok() : pl_fail_errno(IO, "unlinking a file");
}

static struct pl_status put(int fd, const uint8_t *block, uint64_t number)
{
    off_t place = (off_t)(number % FILE_BLOCKS) * BLOCK_BYTES;
    return pwrite(fd, block, BLOCK_BYTES, place) == BLOCK_BYTES
               ? pl_ok()
               : pl_fail_errno(IO, "writing a block");
}

static struct pl_status measure(int fd, uint64_t requests, struct load_result *ret)
{
    struct pl_clock *clock = pl_clock_system();
    static uint8_t block[BLOCK_BYTES];
    for (uint64_t i = 0; i < FILE_BLOCKS; i++)
        PL_TRY(put(fd, block, i));
    if (fsync(fd) != 0)
        return pl_fail_errno(IO, "syncing a file");
    int64_t begin = clock->mono_ns(clock), before = begin;
    memset(block, 0x5a, sizeof(block));
    for (uint64_t i = 0; i < requests; i++) {
        PL_TRY(put(fd, block, i));
        if (fdatasync(fd) != 0)
            return pl_fail_errno(IO, "syncing a block");
        int64_t now = clock->mono_ns(clock);
        histogram_add(&ret->good, now - before);
        before = now;
    }
    ret->seconds = (double)(before - begin) / 1e9;
    ret->units = ret->count[OUTCOME_OK] = requests;
    return pl_ok();
}

struct pl_status disk_run(const struct bench_options *options, struct load_result *ret)
{
    int fd = -1;
    struct pl_status status = make_file(options->path, &fd);
    if (pl_is_ok(status))
        status = measure(fd, options->requests > 0 ? options->requests : REQUESTS_DEFAULT, ret);
    if (fd >= 0)
        (void)close(fd);
    return status;
}
