/* SPDX-License-Identifier: Apache-2.0
 *
 * failing_io: the system's files, but one call, the n-th, fails. Threads: any.
 */
#ifndef TEST_STORE_FAILING_IO_H
#define TEST_STORE_FAILING_IO_H

#include <stdatomic.h>

#include "server/store/io.h"

struct failing_io {
    struct io io;
    atomic_uint calls;
    unsigned fail_at; /* counts from 1; 0: none */
};

/* A statement expression, so that each wrapper is one line. */
#define FAILING_CALL(io_, call_)                                                                   \
    ({                                                                                             \
        struct failing_io *failing_ = (struct failing_io *)(io_);                                  \
        struct io *io = io_system();                                                               \
        atomic_fetch_add(&failing_->calls, 1) + 1 == failing_->fail_at ? pl_fail(IO, "the n-th")   \
                                                                       : io->call_;                \
    })

static struct pl_status failing_open(struct io *f, const char *path, bool create, bool write,
                                     mode_t mode, int *ret_fd)
{
    return FAILING_CALL(f, open(io, path, create, write, mode, ret_fd));
}
static struct pl_status failing_open_dir(struct io *f, const char *path, int *ret_fd)
{
    return FAILING_CALL(f, open_dir(io, path, ret_fd));
}
static void failing_close(struct io *f, int fd)
{
    (void)f;
    io_system()->close(io_system(), fd);
}
static struct pl_status failing_size(struct io *f, int fd, uint64_t *ret)
{
    return FAILING_CALL(f, size(io, fd, ret));
}
static struct pl_status failing_pread(struct io *f, int fd, void *into, size_t len, uint64_t offset)
{
    return FAILING_CALL(f, pread(io, fd, into, len, offset));
}
static struct pl_status failing_pwrite(struct io *f, int fd, const void *data, size_t len,
                                       uint64_t offset)
{
    return FAILING_CALL(f, pwrite(io, fd, data, len, offset));
}
static struct pl_status failing_datasync(struct io *f, int fd)
{
    return FAILING_CALL(f, datasync(io, fd));
}
static struct pl_status failing_sync(struct io *f, int fd)
{
    return FAILING_CALL(f, sync(io, fd));
}
static struct pl_status failing_sync_dir(struct io *f, const char *path)
{
    return FAILING_CALL(f, sync_dir(io, path));
}
static struct pl_status failing_settle(struct io *f, int fd)
{
    return FAILING_CALL(f, settle(io, fd));
}
static struct pl_status failing_rename(struct io *f, const char *from, const char *to)
{
    return FAILING_CALL(f, rename(io, from, to));
}
static struct pl_status failing_remove(struct io *f, const char *path)
{
    return FAILING_CALL(f, remove(io, path));
}
static struct pl_status failing_list(struct io *f, const char *path,
                                     void (*fn)(void *arg, const char *name), void *arg)
{
    return FAILING_CALL(f, list(io, path, fn, arg));
}
static struct pl_status failing_free_bytes(struct io *f, const char *path, uint64_t *ret)
{
    return FAILING_CALL(f, free_bytes(io, path, ret));
}
static bool failing_is_at(struct io *f, int fd, const char *path)
{
    struct failing_io *failing = (struct failing_io *)f;
    return atomic_fetch_add(&failing->calls, 1) + 1 != failing->fail_at &&
           io_system()->is_at(io_system(), fd, path);
}

static inline void failing_io_init(struct failing_io *failing, unsigned fail_at)
{
    failing->io = (struct io){
        failing_open,   failing_open_dir, failing_close, failing_size,       failing_pread,
        failing_pwrite, failing_datasync, failing_sync,  failing_sync_dir,   failing_settle,
        failing_rename, failing_remove,   failing_list,  failing_free_bytes, failing_is_at};
    atomic_init(&failing->calls, 0);
    failing->fail_at = fail_at;
}
static inline bool failing_io_failed(const struct failing_io *failing)
{
    return atomic_load(&failing->calls) >= failing->fail_at;
}

#endif
