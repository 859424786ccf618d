/* SPDX-License-Identifier: Apache-2.0
 *
 * faults: put before the C library (LD_PRELOAD) of the unchanged daemon and its other commands. It
 * makes chosen system calls about chosen files fail with a chosen error, while a file says so: a
 * test writes the file and takes it away again, and the disk is sick and well in between.
 *
 *   FAULTS_FILE   lines "CALL PART ERRNO": calls about paths with PART in them fail. CALL: change
 *                 (open for writing, mkdir), open (any), read, write, copy, sync, sync-dir, rename,
 *                 unlink, or all. PART$: the path ends with it
 *
 * copy: a disk that copies what is overwritten, without room for copies. The page that a write
 * begins in has its copy, unless the write begins where the page does; it takes what is for it, and
 * the rest fails.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, RULES_BYTES = 4096, PAGE_BYTES = 4096 };

/* The rules change while we run, so they are read at every call: with bare system calls. */
static size_t read_rules(char rules[RULES_BYTES])
{
    static int (*real_open)(const char *, int, ...);
    static ssize_t (*real_read)(int, void *, size_t);
    const char *file = getenv("FAULTS_FILE");
    if (real_open == NULL)
        real_open = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    if (real_read == NULL)
        real_read = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    int fd = file == NULL ? -1 : real_open(file, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : real_read(fd, rules, RULES_BYTES - 1);
    if (fd >= 0)
        (void)close(fd);
    rules[len > 0 ? len : 0] = '\0';
    return len > 0 ? (size_t)len : 0;
}

static bool is_meant(const char *path, const char *part)
{
    size_t len = strlen(part), whole = strlen(path);
    if (len == 0 || part[len - 1] != '$')
        return strstr(path, part) != NULL;
    len--;
    return whole >= len && strncmp(path + whole - len, part, len) == 0;
}

/* The error that a call about the path has now; 0: none. */
static int fault(const char *call, const char *path)
{
    char rules[RULES_BYTES], *rest = NULL;
    int kept = errno, found = 0;
    if (read_rules(rules) == 0) {
        errno = kept;
        return 0;
    }
    for (char *line = strtok_r(rules, "\n", &rest); line != NULL && found == 0;
         line = strtok_r(NULL, "\n", &rest)) {
        char which[16], part[512];
        int number = 0;
        if (sscanf(line, "%15s %511s %d", which, part, &number) == 3 &&
            (strcmp(which, call) == 0 || strcmp(which, "all") == 0) && is_meant(path, part))
            found = number;
    }
    errno = kept;
    return found;
}

static int fault_fd(const char *call, int fd)
{
    char link[64], path[PATH_BYTES];
    int kept = errno;
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof(path) - 1);
    errno = kept;
    if (len <= 0 || path[0] != '/')
        return 0;
    path[len] = '\0';
    return fault(call, path);
}

#define REAL(name_, type_)                                                                         \
    static __typeof__(type_) real;                                                                 \
    if (real == NULL)                                                                              \
    real = (type_)dlsym(RTLD_NEXT, name_)
#define FAIL_IF(number_, result_)                                                                  \
    do {                                                                                           \
        int number = (number_);                                                                    \
        if (number != 0) {                                                                         \
            errno = number;                                                                        \
            return result_;                                                                        \
        }                                                                                          \
    } while (0)

#define OPEN(name_)                                                                                \
    int name_(const char *path, int flags, ...);                                                   \
    int name_(const char *path, int flags, ...)                                                    \
    {                                                                                              \
        REAL(#name_, int (*)(const char *, int, ...));                                             \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;                           \
        va_end(args);                                                                              \
        FAIL_IF(fault("open", path), -1);                                                          \
        if ((flags & (O_ACCMODE | O_CREAT)) != O_RDONLY)                                           \
            FAIL_IF(fault("change", path), -1);                                                    \
        return real(path, flags, mode);                                                            \
    }
OPEN(open)
OPEN(open64)

#define FOPEN(name_)                                                                               \
    FILE *name_(const char *path, const char *mode);                                               \
    FILE *name_(const char *path, const char *mode)                                                \
    {                                                                                              \
        REAL(#name_, FILE *(*)(const char *, const char *));                                       \
        FAIL_IF(fault("open", path), NULL);                                                        \
        if (mode[0] != 'r')                                                                        \
            FAIL_IF(fault("change", path), NULL);                                                  \
        return real(path, mode);                                                                   \
    }
FOPEN(fopen)
FOPEN(fopen64)

#define TRANSFER(name_, call_, pointer_)                                                           \
    ssize_t name_(int fd, pointer_ data, size_t len, off_t offset);                                \
    ssize_t name_(int fd, pointer_ data, size_t len, off_t offset)                                 \
    {                                                                                              \
        REAL(#name_, ssize_t (*)(int, pointer_, size_t, off_t));                                   \
        FAIL_IF(fault_fd(call_, fd), -1);                                                          \
        return real(fd, data, len, offset);                                                        \
    }
TRANSFER(pread, "read", void *)
TRANSFER(pread64, "read", void *)

#define WRITE(name_)                                                                               \
    ssize_t name_(int fd, const void *data, size_t len, off_t offset);                             \
    ssize_t name_(int fd, const void *data, size_t len, off_t offset)                              \
    {                                                                                              \
        REAL(#name_, ssize_t (*)(int, const void *, size_t, off_t));                               \
        size_t room = (size_t)((PAGE_BYTES - offset % PAGE_BYTES) % PAGE_BYTES);                   \
        FAIL_IF(fault_fd("write", fd), -1);                                                        \
        if (room < len) {                                                                          \
            int copy = fault_fd("copy", fd);                                                       \
            if (room == 0)                                                                         \
                FAIL_IF(copy, -1);                                                                 \
            len = copy != 0 ? room : len;                                                          \
        }                                                                                          \
        return real(fd, data, len, offset);                                                        \
    }
WRITE(pwrite)
WRITE(pwrite64)

static const char *sync_call(int fd)
{
    struct stat file;
    return fstat(fd, &file) == 0 && S_ISDIR(file.st_mode) ? "sync-dir" : "sync";
}

int fsync(int fd)
{
    REAL("fsync", int (*)(int));
    FAIL_IF(fault_fd(sync_call(fd), fd), -1);
    return real(fd);
}

int fdatasync(int fd)
{
    REAL("fdatasync", int (*)(int));
    FAIL_IF(fault_fd(sync_call(fd), fd), -1);
    return real(fd);
}

int rename(const char *from, const char *to)
{
    REAL("rename", int (*)(const char *, const char *));
    FAIL_IF(fault("rename", to), -1);
    return real(from, to);
}

int unlink(const char *path)
{
    REAL("unlink", int (*)(const char *));
    FAIL_IF(fault("unlink", path), -1);
    return real(path);
}

int mkdir(const char *path, mode_t mode)
{
    REAL("mkdir", int (*)(const char *, mode_t));
    FAIL_IF(fault("change", path), -1);
    return real(path, mode);
}

DIR *opendir(const char *path)
{
    REAL("opendir", DIR * (*)(const char *));
    FAIL_IF(fault("open", path), NULL);
    return real(path);
}
