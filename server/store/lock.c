/* SPDX-License-Identifier: Apache-2.0
 *
 * lock: flock: the kernel gives it back when the process ends, however it ends.
 */
#include "server/store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/check.h"

enum { MESSAGE_BYTES = 400 };

struct lock {
    int fd, dir_fd; /* the latter -1: it could not be opened */
};

static void explain_holder(int fd, const char *path, char *message)
{
    char pid[24] = "";
    ssize_t got = pread(fd, pid, sizeof(pid) - 1, 0);
    pid[got > 0 ? got : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    (void)snprintf(message, MESSAGE_BYTES,
                   "%.300s is locked: another pledged%s%s uses this data directory", path,
                   pid[0] != '\0' ? ", process " : "", pid);
}

/* The directory as well, where that can be. */
static struct pl_status lock_directory(const char *data, char *message, int *ret_fd)
{
    *ret_fd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*ret_fd < 0 || flock(*ret_fd, LOCK_EX | LOCK_NB) == 0)
        return pl_ok();
    struct pl_status status = pl_fail_errno(UNAVAILABLE, "lock the data directory");
    if (status.sys_errno != EWOULDBLOCK)
        return pl_ok();
    (void)close(*ret_fd);
    *ret_fd = -1;
    (void)snprintf(message, MESSAGE_BYTES,
                   "%.300s is locked: another pledged uses this data directory, though its lock "
                   "file was removed",
                   data);
    return status;
}

struct pl_status lock_take(const char *data, char *message, struct lock **ret)
{
    char path[4096], pid[24];
    (void)snprintf(path, sizeof(path), "%s/lock", data);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        struct pl_status status = pl_fail_errno(IO, "open the lock file");
        (void)snprintf(
            message, MESSAGE_BYTES, "%.250s: %.60s%s", path, strerror(status.sys_errno),
            status.sys_errno == EACCES  ? ": the user who runs this has to own the directory"
            : status.sys_errno == EROFS ? ": mount the disk for writing; `dmesg` says why it is not"
                                        : "");
        return status;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        struct pl_status status = pl_fail_errno(UNAVAILABLE, "lock the data directory");
        if (status.sys_errno == EWOULDBLOCK)
            explain_holder(fd, path, message);
        else
            (void)snprintf(message, MESSAGE_BYTES, "%.300s: %.80s", path,
                           strerror(status.sys_errno));
        (void)close(fd);
        return status;
    }
    int dir_fd = -1;
    struct pl_status status = lock_directory(data, message, &dir_fd);
    if (!pl_is_ok(status)) {
        (void)close(fd);
        return status;
    }
    int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0) { /* the pid is for people; the lock itself is the kernel's */
        ssize_t written = pwrite(fd, pid, (size_t)len, 0);
        (void)written;
    }
    struct lock *lock = calloc(1, sizeof(*lock));
    PL_ASSERT(lock != NULL);
    lock->fd = fd;
    lock->dir_fd = dir_fd;
    *ret = lock;
    return pl_ok();
}

bool lock_is_at(const struct lock *lock, const char *data)
{
    struct stat held, named;
    if (lock == NULL || lock->dir_fd < 0 || fstat(lock->dir_fd, &held) != 0)
        return true;
    return stat(data, &named) == 0 && held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

void lock_release(struct lock *lock)
{
    if (lock == NULL)
        return;
    (void)close(lock->fd);
    if (lock->dir_fd >= 0)
        (void)close(lock->dir_fd);
    free(lock);
}
