/* SPDX-License-Identifier: Apache-2.0
 *
 * layer: put before the C library (LD_PRELOAD) of the unchanged daemon. It knows what of the data
 * directory is not synced yet, so that it can end the process as a power loss would, and it ends it
 * at a named place.
 *
 *   CRASH_DIR     the data directory; calls about other files pass through
 *   CRASH_POINT   CALL:SUBSTRING:WHEN:N, at the N-th such call on a path with the substring. CALL:
 *                 pwrite, fdatasync, fsync, fsyncdir, rename, unlink, send. WHEN: before, half
 *                 (pwrite: a part is written), after. Sockets have no path: any word will do
 *   CRASH_FIFO    a byte written there ends the process: 'k' as kill -9 does, 'p' as power loss
 *   CRASH_LOSE    what a power loss takes of what is unsynced: all, some (each sector and the last
 *                 directory changes by chance); default: nothing, which is kill -9
 *   CRASH_SEED    of that chance
 *   CRASH_IN      snapshot: only in the program that makes snapshots; default: only in the daemon
 *
 * Every write keeps what was there before until the file is synced; the loss puts that back.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, PATH_BYTES = 512, UNDOS_MAX = 16384, FDS_MAX = 4096 };

enum undo_kind { UNDO_WRITE, UNDO_CREATE, UNDO_RENAME };
struct undo {
    enum undo_kind kind;
    char path[PATH_BYTES]; /* of the file; for a rename its new name */
    char from[PATH_BYTES];
    char kept[PATH_BYTES]; /* what the new name stood for before; "": nothing */
    dev_t dev;
    ino_t ino;
    off_t offset;
    size_t len;      /* that was written */
    uint8_t *before; /* owns; what was there */
    size_t before_len;
    off_t size_before;
};

static struct {
    pthread_mutex_t lock;
    bool on;
    char dir[PATH_BYTES], call[32], part[256], when[16];
    unsigned long nth, seen, renames;
    char lose[16];
    uint64_t dice;
    struct undo undo[UNDOS_MAX];
    size_t undos;
} layer = {.lock = PTHREAD_MUTEX_INITIALIZER};

static char fd_path[FDS_MAX][PATH_BYTES]; /* of descriptors into the directory; "" else */

static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);
static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_send)(int, const void *, size_t, int);
static ssize_t (*real_write)(int, const void *, size_t);

static uint64_t roll(void)
{
    uint64_t z = layer.dice += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* --- a power loss --- */

static bool keeps(void)
{
    return strcmp(layer.lose, "some") == 0 && (roll() & 1) != 0;
}

static void undo_write(const struct undo *undo)
{
    int fd = real_open(undo->path, O_WRONLY | O_CLOEXEC);
    struct stat now;
    if (fd < 0 || fstat(fd, &now) != 0 || now.st_dev != undo->dev || now.st_ino != undo->ino)
        return; /* the file is gone; so is what was in it */
    for (size_t at = 0; at < undo->len;) {
        size_t room = SECTOR - (size_t)((undo->offset + (off_t)at) % SECTOR);
        size_t piece = undo->len - at < room ? undo->len - at : room;
        static const uint8_t zeros[SECTOR];
        if (!keeps()) {
            size_t old = at >= undo->before_len          ? 0
                         : undo->before_len - at < piece ? undo->before_len - at
                                                         : piece;
            (void)!real_pwrite(fd, undo->before + at, old, undo->offset + (off_t)at);
            (void)!real_pwrite(fd, zeros, piece - old, undo->offset + (off_t)(at + old));
        }
        at += piece;
    }
    if (now.st_size > undo->size_before && !keeps())
        (void)!ftruncate(fd, undo->size_before);
    (void)real_close(fd);
}

/* Newest first. Directory changes go back from the end, data sector by sector. */
static void lose_unsynced(void)
{
    bool names =
        true; /* a directory's changes are kept in order: from some point on they are lost */
    for (size_t i = layer.undos; i > 0; i--) {
        const struct undo *undo = &layer.undo[i - 1];
        if (undo->kind == UNDO_WRITE)
            undo_write(undo);
        if (undo->kind != UNDO_WRITE && keeps())
            names = false;
        if (names && undo->kind == UNDO_RENAME)
            (void)real_rename(undo->path, undo->from);
        if (names && undo->kind == UNDO_RENAME && undo->kept[0] != '\0')
            (void)real_rename(undo->kept, undo->path);
        if (names && undo->kind == UNDO_CREATE)
            (void)real_unlink(undo->path);
    }
}

static void die(bool power)
{
    if (power)
        lose_unsynced();
    (void)kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* --- named places; the lock is held --- */

static bool is_place(const char *call, const char *path, const char *when)
{
    return layer.on && strcmp(layer.call, call) == 0 && strstr(path, layer.part) != NULL &&
           strcmp(layer.when, when) == 0;
}

static void at_place(const char *call, const char *path, const char *when)
{
    if (is_place(call, path, when) && ++layer.seen == layer.nth)
        die(layer.lose[0] != '\0');
}

/* --- what is not synced --- */

static struct undo *new_undo(enum undo_kind kind, const char *path)
{
    if (layer.undos == UNDOS_MAX)
        abort();
    struct undo *undo = &layer.undo[layer.undos++];
    memset(undo, 0, sizeof(*undo));
    undo->kind = kind;
    (void)snprintf(undo->path, sizeof(undo->path), "%s", path);
    return undo;
}

static void remember_write(int fd, const char *path, size_t len, off_t offset)
{
    struct stat now;
    struct undo *undo = new_undo(UNDO_WRITE, path);
    char again[64];
    if (fstat(fd, &now) != 0)
        abort();
    undo->dev = now.st_dev;
    undo->ino = now.st_ino;
    undo->size_before = now.st_size;
    undo->offset = offset;
    undo->len = len;
    undo->before = malloc(len + 1);
    if (undo->before == NULL)
        abort();
    (void)snprintf(again, sizeof(again), "/proc/self/fd/%d",
                   fd); /* it may be open for writing only */
    int copy = real_open(again, O_RDONLY | O_CLOEXEC);
    ssize_t got = copy < 0 ? 0 : pread(copy, undo->before, len, offset);
    undo->before_len = got > 0 ? (size_t)got : 0;
    if (copy >= 0)
        (void)real_close(copy);
}

static void forget(bool (*synced)(const struct undo *undo, const void *arg), const void *arg)
{
    size_t kept = 0;
    for (size_t i = 0; i < layer.undos; i++) {
        struct undo *undo = &layer.undo[i];
        bool gone = synced(undo, arg);
        if (gone)
            free(undo->before);
        if (gone && undo->kept[0] != '\0')
            (void)real_unlink(undo->kept);
        if (gone)
            continue;
        if (kept++ != i)
            layer.undo[kept - 1] = layer.undo[i];
    }
    layer.undos = kept;
}

static bool is_of_file(const struct undo *undo, const void *arg)
{
    const struct stat *file = arg;
    return undo->kind == UNDO_WRITE && undo->dev == file->st_dev && undo->ino == file->st_ino;
}

static bool is_in_directory(const struct undo *undo, const void *arg)
{
    size_t len = strlen(arg);
    return undo->kind != UNDO_WRITE && strncmp(undo->path, arg, len) == 0 &&
           undo->path[len] == '/' && strchr(undo->path + len + 1, '/') == NULL;
}

static void forget_synced(int fd, const char *path)
{
    struct stat file;
    if (fstat(fd, &file) != 0)
        return;
    if (S_ISDIR(file.st_mode))
        forget(is_in_directory, path);
    else
        forget(is_of_file, &file);
}

static const char *path_of(int fd)
{
    return layer.on && fd >= 0 && fd < FDS_MAX ? fd_path[fd] : "";
}

static bool ours(const char *path)
{
    return layer.on && strncmp(path, layer.dir, strlen(layer.dir)) == 0;
}

/* --- the calls --- */

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    const char *path = path_of(fd);
    if (path[0] == '\0')
        return real_pwrite(fd, data, len, offset);
    (void)pthread_mutex_lock(&layer.lock);
    at_place("pwrite", path, "before");
    remember_write(fd, path, len, offset);
    if (is_place("pwrite", path, "half") && ++layer.seen == layer.nth) {
        (void)!real_pwrite(fd, data, len / 2, offset);
        die(layer.lose[0] != '\0');
    }
    ssize_t put = real_pwrite(fd, data, len, offset);
    at_place("pwrite", path, "after");
    (void)pthread_mutex_unlock(&layer.lock);
    return put;
}

static int sync_it(int fd, const char *call, int (*real)(int))
{
    const char *path = path_of(fd);
    struct stat file;
    if (path[0] == '\0')
        return real(fd);
    if (fstat(fd, &file) == 0 && S_ISDIR(file.st_mode))
        call = "fsyncdir";
    (void)pthread_mutex_lock(&layer.lock);
    at_place(call, path, "before");
    int result = real(fd);
    if (result == 0)
        forget_synced(fd, path);
    at_place(call, path, "after");
    (void)pthread_mutex_unlock(&layer.lock);
    return result;
}

int fdatasync(int fd)
{
    return sync_it(fd, "fdatasync", real_fdatasync);
}

int fsync(int fd)
{
    return sync_it(fd, "fsync", real_fsync);
}

int rename(const char *from, const char *to)
{
    if (!ours(to))
        return real_rename(from, to);
    (void)pthread_mutex_lock(&layer.lock);
    at_place("rename", to, "before");
    char kept[PATH_BYTES];
    (void)snprintf(kept, sizeof(kept), "%.400s.layer/%lu", layer.dir, layer.renames++);
    bool stood = link(to, kept) == 0;
    int result = real_rename(from, to);
    if (result == 0) {
        struct undo *undo = new_undo(UNDO_RENAME, to);
        (void)snprintf(undo->kept, sizeof(undo->kept), "%s", stood ? kept : "");
        (void)snprintf(undo->from, sizeof(undo->from), "%s", from);
        for (int fd = 0; fd < FDS_MAX; fd++) {
            if (strcmp(fd_path[fd], from) == 0)
                (void)snprintf(fd_path[fd], PATH_BYTES, "%s", to);
        }
        for (size_t i = 0; i < layer.undos; i++) {
            if (layer.undo[i].kind == UNDO_WRITE && strcmp(layer.undo[i].path, from) == 0)
                (void)snprintf(layer.undo[i].path, PATH_BYTES, "%s", to);
        }
    }
    at_place("rename", to, "after");
    (void)pthread_mutex_unlock(&layer.lock);
    return result;
}

int unlink(const char *path)
{
    if (!ours(path))
        return real_unlink(path);
    (void)pthread_mutex_lock(&layer.lock);
    at_place("unlink", path, "before");
    int result = real_unlink(path);
    at_place("unlink", path, "after");
    (void)pthread_mutex_unlock(&layer.lock);
    return result;
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (!ours(path))
        return real_open(path, flags, mode);
    (void)pthread_mutex_lock(&layer.lock);
    bool is_new = (flags & O_CREAT) != 0 && access(path, F_OK) != 0;
    int fd = real_open(path, flags, mode);
    if (fd >= 0 && fd < FDS_MAX)
        (void)snprintf(fd_path[fd], PATH_BYTES, "%s", path);
    if (fd >= 0 && is_new)
        (void)new_undo(UNDO_CREATE, path);
    (void)pthread_mutex_unlock(&layer.lock);
    return fd;
}

int close(int fd)
{
    if (layer.on && fd >= 0 && fd < FDS_MAX)
        fd_path[fd][0] = '\0';
    return real_close(fd);
}

/* Replies leave here, encrypted: sockets have no path, so only the number counts. */
ssize_t send(int fd, const void *data, size_t len, int flags)
{
    if (!layer.on || strcmp(layer.call, "send") != 0)
        return real_send(fd, data, len, flags);
    (void)pthread_mutex_lock(&layer.lock);
    at_place("send", layer.part, "before");
    ssize_t put = real_send(fd, data, len, flags);
    at_place("send", layer.part, "after");
    (void)pthread_mutex_unlock(&layer.lock);
    return put;
}

/* The TLS library writes to its socket with write. */
ssize_t write(int fd, const void *data, size_t len)
{
    struct stat file;
    if (!layer.on || strcmp(layer.call, "send") != 0 || fstat(fd, &file) != 0 ||
        !S_ISSOCK(file.st_mode))
        return real_write(fd, data, len);
    (void)pthread_mutex_lock(&layer.lock);
    at_place("send", layer.part, "before");
    ssize_t put = real_write(fd, data, len);
    at_place("send", layer.part, "after");
    (void)pthread_mutex_unlock(&layer.lock);
    return put;
}

/* --- setting up --- */

static void *listen_to_fifo(void *arg)
{
    int fd = real_open(arg, O_RDWR | O_CLOEXEC);
    char word = 0;
    while (fd >= 0 && read(fd, &word, 1) == 1) {
        (void)pthread_mutex_lock(&layer.lock); /* nobody is in the middle of a call */
        die(word == 'p');
    }
    return NULL;
}

static void *find(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        abort();
    return found;
}

static void read_point(const char *point)
{
    if (point != NULL && sscanf(point, "%31[^:]:%255[^:]:%15[^:]:%lu", layer.call, layer.part,
                                layer.when, &layer.nth) != 4)
        abort();
}

static bool is_snapshot_program(void)
{
    char line[4096] = "";
    int fd = real_open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, line, sizeof(line) - 1);
    if (fd >= 0)
        (void)real_close(fd);
    return got > 0 && memmem(line, (size_t)got, "snapshot", 8) != NULL;
}

__attribute__((constructor)) static void set_up(void)
{
    *(void **)&real_pwrite = find("pwrite");
    *(void **)&real_fdatasync = find("fdatasync");
    *(void **)&real_fsync = find("fsync");
    *(void **)&real_rename = find("rename");
    *(void **)&real_unlink = find("unlink");
    *(void **)&real_open = find("open");
    *(void **)&real_close = find("close");
    *(void **)&real_send = find("send");
    *(void **)&real_write = find("write");
    const char *dir = getenv("CRASH_DIR"), *lose = getenv("CRASH_LOSE"), *in = getenv("CRASH_IN");
    const char *fifo = getenv("CRASH_FIFO"), *seed = getenv("CRASH_SEED");
    if (dir == NULL || is_snapshot_program() != (in != NULL))
        return;
    (void)snprintf(layer.dir, sizeof(layer.dir), "%s", dir);
    (void)snprintf(layer.lose, sizeof(layer.lose), "%s", lose != NULL ? lose : "");
    layer.dice = seed != NULL ? strtoull(seed, NULL, 10) : 1;
    read_point(getenv("CRASH_POINT"));
    char kept[PATH_BYTES + 16];
    (void)snprintf(kept, sizeof(kept), "%s.layer", layer.dir);
    (void)mkdir(kept, 0700);
    layer.on = true;
    pthread_t thread;
    if (fifo != NULL && pthread_create(&thread, NULL, listen_to_fifo, strdup(fifo)) == 0)
        (void)pthread_detach(thread);
}
