/* SPDX-License-Identifier: Apache-2.0
 *
 * io: system calls, finished and named.
 */
#include "server/store/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/check.h"

enum { PATH_BYTES = 4096, ZERO_BYTES = 1 << 20 };

static struct pl_status failed(const char *what)
{
    if (errno == ENOSPC || errno == EDQUOT)
        return pl_fail_errno(NO_SPACE, what);
    if (errno == ENOENT)
        return pl_fail_errno(NOT_FOUND, what);
    return pl_fail_errno(IO, what);
}

static struct pl_status system_open(struct io *io, const char *path, bool create, bool write_too,
                                    mode_t mode, int *ret_fd)
{
    (void)io;
    int flags = O_CLOEXEC | (write_too ? O_RDWR : O_RDONLY) | (create ? O_CREAT | O_EXCL : 0);
    int fd;
    do {
        fd = open(path, flags, mode);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return failed("open a file");
    *ret_fd = fd;
    return pl_ok();
}

static struct pl_status system_open_dir(struct io *io, const char *path, int *ret_fd)
{
    (void)io;
    *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret_fd >= 0 ? pl_ok() : failed("open a directory");
}

static void system_close(struct io *io, int fd)
{
    (void)io;
    (void)close(fd);
}

static struct pl_status system_size(struct io *io, int fd, uint64_t *ret)
{
    (void)io;
    struct stat found;
    if (fstat(fd, &found) != 0)
        return failed("look at a file");
    *ret = (uint64_t)found.st_size;
    return pl_ok();
}

static struct pl_status system_pread(struct io *io, int fd, void *into, size_t len, uint64_t offset)
{
    (void)io;
    uint8_t *at = into;
    while (len > 0) {
        ssize_t got = pread(fd, at, len, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failed("read a file");
        if (got == 0)
            return pl_fail(CORRUPT, "a file is shorter than it should be");
        at += got;
        len -= (size_t)got;
        offset += (uint64_t)got;
    }
    return pl_ok();
}

static struct pl_status system_pwrite(struct io *io, int fd, const void *data, size_t len,
                                      uint64_t offset)
{
    (void)io;
    const uint8_t *at = data;
    while (len > 0) {
        ssize_t put = pwrite(fd, at, len, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return failed("write a file");
        if (put == 0)
            return pl_fail(IO, "write a file: the disk takes nothing");
        at += put;
        len -= (size_t)put;
        offset += (uint64_t)put;
    }
    return pl_ok();
}

static struct pl_status system_datasync(struct io *io, int fd)
{
    (void)io;
    return fdatasync(fd) == 0 ? pl_ok() : failed("sync a file's data");
}

static struct pl_status system_sync(struct io *io, int fd)
{
    (void)io;
    return fsync(fd) == 0 ? pl_ok() : failed("sync a file");
}

static struct pl_status system_sync_dir(struct io *io, const char *path)
{
    int fd = -1;
    PL_TRY(system_open_dir(io, path, &fd));
    struct pl_status status = fsync(fd) == 0 ? pl_ok() : failed("sync a directory");
    (void)close(fd);
    return status;
}

static struct pl_status system_settle(struct io *io, int fd)
{
    (void)io;
    if (fdatasync(fd) != 0)
        return failed("sync a file's data");
    (void)posix_fadvise(fd, 0, 0,
                        POSIX_FADV_DONTNEED); /* a file system in memory has no other copy */
    return pl_ok();
}

static struct pl_status system_rename(struct io *io, const char *from, const char *to)
{
    (void)io;
    return rename(from, to) == 0 ? pl_ok() : failed("rename a file");
}

static struct pl_status system_remove(struct io *io, const char *path)
{
    (void)io;
    return unlink(path) == 0 ? pl_ok() : failed("remove a file");
}

static struct pl_status system_list(struct io *io, const char *path,
                                    void (*fn)(void *arg, const char *name), void *arg)
{
    (void)io;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return failed("list a directory");
    struct pl_status status = pl_ok();
    for (;;) {
        errno = 0; /* the only way to tell the end from a failure */
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            if (errno != 0)
                status = failed("list a directory");
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            fn(arg, entry->d_name);
    }
    (void)closedir(dir);
    return status;
}

static struct pl_status system_free_bytes(struct io *io, const char *path, uint64_t *ret)
{
    (void)io;
    struct statvfs found;
    if (statvfs(path, &found) != 0)
        return failed("look at a file system");
    *ret = (uint64_t)found.f_bavail * found.f_frsize;
    return pl_ok();
}

static bool system_is_at(struct io *io, int fd, const char *path)
{
    (void)io;
    struct stat held, named;
    return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

struct io *io_system(void)
{
    static struct io table = {
        .open = system_open,
        .open_dir = system_open_dir,
        .close = system_close,
        .size = system_size,
        .pread = system_pread,
        .pwrite = system_pwrite,
        .datasync = system_datasync,
        .sync = system_sync,
        .sync_dir = system_sync_dir,
        .settle = system_settle,
        .rename = system_rename,
        .remove = system_remove,
        .list = system_list,
        .free_bytes = system_free_bytes,
        .is_at = system_is_at,
    };
    return &table;
}

static struct pl_status write_and_sync(struct io *io, const char *path, struct pl_slice data,
                                       mode_t mode)
{
    int fd = -1;
    (void)io->remove(io, path).code; /* a rest of an earlier try */
    PL_TRY(io->open(io, path, true, true, mode, &fd));
    struct pl_status status = io->pwrite(io, fd, data.data, data.len, 0);
    if (pl_is_ok(status))
        status = io->sync(io, fd);
    io->close(io, fd);
    return status;
}

struct pl_status io_write_file(struct io *io, const char *path, struct pl_slice data, mode_t mode)
{
    char temporary[PATH_BYTES], dir[PATH_BYTES];
    if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= PATH_BYTES)
        return pl_fail(INVALID, "a path is too long");
    (void)snprintf(dir, sizeof(dir), "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash == NULL)
        (void)snprintf(dir, sizeof(dir), ".");
    else
        *slash = '\0';
    PL_TRY(write_and_sync(io, temporary, data, mode));
    PL_TRY(io->rename(io, temporary, path));
    return io->sync_dir(io, dir);
}

struct pl_status io_zero(struct io *io, int fd, uint64_t offset, uint64_t len)
{
    static const uint8_t zeros[ZERO_BYTES];
    while (len > 0) {
        size_t piece = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);
        PL_TRY(io->pwrite(io, fd, zeros, piece, offset));
        offset += piece;
        len -= piece;
    }
    return pl_ok();
}
