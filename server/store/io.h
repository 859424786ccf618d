/* SPDX-License-Identifier: Apache-2.0
 *
 * io: the only room that writes and syncs files. A table, so that tests and the simulator can put
 * their own disk in its place. Interrupted and short transfers are finished here; every function
 * may be called from several threads at once and returns a status with errno: NO_SPACE for ENOSPC
 * and EDQUOT, NOT_FOUND for ENOENT, else IO.
 */
#ifndef STORE_IO_H
#define STORE_IO_H

#include <stdint.h>
#include <sys/types.h>

#include "common/slice.h"
#include "common/status.h"

struct io {
    PL_MUST_CHECK struct pl_status (*open)(struct io *io, const char *path, bool create, bool write,
                                           mode_t mode, int *ret_fd);
    /* For sync, which then makes names durable. */
    PL_MUST_CHECK struct pl_status (*open_dir)(struct io *io, const char *path, int *ret_fd);
    void (*close)(struct io *io, int fd);
    PL_MUST_CHECK struct pl_status (*size)(struct io *io, int fd, uint64_t *ret);
    /* Exactly len bytes; CORRUPT if the file is shorter. */
    PL_MUST_CHECK struct pl_status (*pread)(struct io *io, int fd, void *into, size_t len,
                                            uint64_t offset);
    PL_MUST_CHECK struct pl_status (*pwrite)(struct io *io, int fd, const void *data, size_t len,
                                             uint64_t offset);
    PL_MUST_CHECK struct pl_status (*datasync)(struct io *io, int fd);
    PL_MUST_CHECK struct pl_status (*sync)(struct io *io, int fd);
    PL_MUST_CHECK struct pl_status (*sync_dir)(struct io *io, const char *path);
    /* What is only in memory is written; what memory still holds is forgotten, so that later reads
     * show what the disk has. */
    PL_MUST_CHECK struct pl_status (*settle)(struct io *io, int fd);
    PL_MUST_CHECK struct pl_status (*rename)(struct io *io, const char *from, const char *to);
    PL_MUST_CHECK struct pl_status (*remove)(struct io *io, const char *path);
    /* Calls fn with every name in the directory, in no order: all of them, or a failure. */
    PL_MUST_CHECK struct pl_status (*list)(struct io *io, const char *path,
                                           void (*fn)(void *arg, const char *name), void *arg);
    PL_MUST_CHECK struct pl_status (*free_bytes)(struct io *io, const char *path, uint64_t *ret);
    /* Whether the open file is the one that has this name: what is written to it would be found
     * there. False too if that cannot be found out. */
    bool (*is_at)(struct io *io, int fd, const char *path);
};

struct io *io_system(void);

/* A small file as a whole: temporary name, sync, rename, directory sync. */
PL_MUST_CHECK struct pl_status io_write_file(struct io *io, const char *path, struct pl_slice data,
                                             mode_t mode);
/* `len` zero bytes from `offset` on, written (not only reserved). */
PL_MUST_CHECK struct pl_status io_zero(struct io *io, int fd, uint64_t offset, uint64_t len);

#endif
