/* SPDX-License-Identifier: Apache-2.0
 *
 * requests: write to a second name, sync, rename, sync the directory. A crash leaves either the
 * whole file or none under the final name.
 */
#include "client/requests.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/output.h"
#include "common/check.h"

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

static const char *state_directory(struct pl_arena *arena)
{
    const char *state = getenv("XDG_STATE_HOME");
    if (state != NULL && state[0] == '/')
        return pl_arena_printf(arena, "%s/pledge/requests", state);
    const char *home = getenv("HOME");
    if (home == NULL || home[0] != '/')
        return NULL;
    return pl_arena_printf(arena, "%s/.local/state/pledge/requests", home);
}

/* mkdir -p, mode 0700 for what is new. */
static struct pl_status make_directories(char *path)
{
    for (char *slash = path + 1;; slash++) {
        if (*slash != '/' && *slash != '\0')
            continue;
        char kept = *slash;
        *slash = '\0';
        int made = mkdir(path, 0700);
        int why = errno;
        *slash = kept;
        if (made != 0 && why != EEXIST) {
            errno = why;
            return pl_fail_errno(IO, "making the directory for request ids");
        }
        if (kept == '\0')
            return pl_ok();
    }
}

static struct pl_status write_file(const char *path, struct pl_slice bytes)
{
    int fd PL_CLEANUP(close_fd) = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return pl_fail_errno(IO, "keeping the request id");
    if (!pl_is_ok(output_write(fd, bytes)) || fsync(fd) != 0)
        return pl_fail_errno(IO, "keeping the request id");
    return pl_ok();
}

static struct pl_status sync_directory(const char *path)
{
    int fd PL_CLEANUP(close_fd) = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return pl_fail_errno(IO, "keeping the request id");
    return pl_ok();
}

struct pl_status requests_keep(const char *request_id, struct pl_slice command,
                               struct pl_arena *arena, const char **ret_path)
{
    const char *dir = state_directory(arena);
    if (dir == NULL)
        return pl_fail(CONFIG, "HOME is not set, so there is no place to keep the request id");
    const char *path = pl_arena_printf(arena, "%s/%s.command", dir, request_id);
    const char *part = pl_arena_printf(arena, "%s/.%s.part", dir, request_id);
    char *steps = pl_arena_strdup(arena, dir);
    if (path == NULL || part == NULL || steps == NULL)
        return pl_fail(INTERNAL, "keeping the request id");
    *ret_path = path;
    PL_TRY(make_directories(steps));
    struct pl_status status = write_file(part, command);
    if (pl_is_ok(status) && rename(part, path) != 0)
        status = pl_fail_errno(IO, "keeping the request id");
    if (!pl_is_ok(status)) {
        (void)unlink(part);
        return status;
    }
    return sync_directory(dir);
}

struct pl_status requests_find(const char *request_id, struct pl_arena *arena, struct pl_slice *ret)
{
    enum { BYTES_MAX = 4 << 20 };
    struct stat found;
    const char *dir = state_directory(arena);
    const char *path =
        dir == NULL ? NULL : pl_arena_printf(arena, "%s/%s.command", dir, request_id);
    if (path == NULL)
        return pl_fail(NOT_FOUND, "finding a kept request");
    int fd PL_CLEANUP(close_fd) = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pl_fail_errno(NOT_FOUND, "finding a kept request");
    if (fstat(fd, &found) != 0 || found.st_size > BYTES_MAX)
        return pl_fail(IO, "reading a kept request");
    uint8_t *bytes = pl_arena_alloc(arena, (size_t)found.st_size + 1);
    if (bytes == NULL || read(fd, bytes, (size_t)found.st_size) != (ssize_t)found.st_size)
        return pl_fail(IO, "reading a kept request");
    *ret = pl_slice(bytes, (size_t)found.st_size);
    return pl_ok();
}

void requests_forget(const char *path)
{
    (void)unlink(path);
}
