/* SPDX-License-Identifier: Apache-2.0
 *
 * cabinet: see cabinet.h.
 */
#include "tests/sim/cabinet.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "tests/sim/disk.h"
#include "tests/sim/fiber.h"
#include "tests/sim/heap.h"

enum {
    PATH_BYTES = 64,
    OPEN_MAX = 8, /* of the database itself */
    REGIONS = 16, /* of shared memory */
    REGION_BYTES = 32768,
    SECTOR = 4096, /* what SQLite takes any disk to have */
};
#define JULIAN_MS 210866760000000LL /* of 1970 */

struct drawer { /* an open file */
    sqlite3_file base;
    int fd;
    bool is_database, new_name; /* whose directory is to be synced with it */
    int level;                  /* of the lock on it */
    bool mapped;
    unsigned shared, exclusive; /* locks on the shared memory */
};

static struct {
    struct dice *dice;
    struct pl_clock *clock;
    struct drawer *open[OPEN_MAX];
    uint8_t region[REGIONS][REGION_BYTES] __attribute__((aligned(16)));
    int regions;
    int error;
} c;

static int failed(int code)
{
    c.error = errno;
    return errno == ENOSPC ? SQLITE_FULL : code;
}

/* --- files --- */

static struct drawer *drawer_of(sqlite3_file *file)
{
    return (struct drawer *)file; /* its first member */
}

static void forget(const struct drawer *drawer)
{
    for (int i = 0; i < OPEN_MAX; i++) {
        if (c.open[i] == drawer)
            c.open[i] = NULL;
    }
}

static int file_close(sqlite3_file *file)
{
    forget(drawer_of(file));
    (void)disk_close(drawer_of(file)->fd);
    return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *into, int len, sqlite3_int64 at)
{
    int got = 0;
    while (got < len) {
        ssize_t piece =
            disk_pread(drawer_of(file)->fd, (char *)into + got, (size_t)(len - got), at + got);
        if (piece < 0 && errno == EINTR)
            continue;
        if (piece < 0)
            return failed(SQLITE_IOERR_READ);
        if (piece == 0) {
            memset((char *)into + got, 0, (size_t)(len - got));
            return SQLITE_IOERR_SHORT_READ;
        }
        got += (int)piece;
    }
    return SQLITE_OK;
}

static int file_write(sqlite3_file *file, const void *from, int len, sqlite3_int64 at)
{
    int put = 0;
    while (put < len) {
        ssize_t piece = disk_pwrite(drawer_of(file)->fd, (const char *)from + put,
                                    (size_t)(len - put), at + put);
        if (piece < 0 && errno == EINTR)
            continue;
        if (piece < 0)
            return failed(SQLITE_IOERR_WRITE);
        put += (int)piece;
    }
    return SQLITE_OK;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 bytes)
{
    return disk_ftruncate(drawer_of(file)->fd, bytes) == 0 ? SQLITE_OK
                                                           : failed(SQLITE_IOERR_TRUNCATE);
}

static int sync_directory(void)
{
    int fd = disk_open("/d", O_DIRECTORY);
    if (fd < 0)
        return SQLITE_OK; /* as SQLite itself: there are systems without */
    int code = disk_fsync(fd) == 0 ? SQLITE_OK : failed(SQLITE_IOERR_DIR_FSYNC);
    (void)disk_close(fd);
    return code;
}

static int file_sync(sqlite3_file *file, int flags)
{
    struct drawer *drawer = drawer_of(file);
    (void)flags;
    if (disk_fdatasync(drawer->fd) != 0)
        return failed(SQLITE_IOERR_FSYNC);
    if (!drawer->new_name)
        return SQLITE_OK;
    drawer->new_name = false;
    return sync_directory();
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    struct stat found;
    if (disk_fstat(drawer_of(file)->fd, &found) != 0)
        return failed(SQLITE_IOERR_FSTAT);
    *ret = found.st_size;
    return SQLITE_OK;
}

/* --- locks --- */

static int highest_other(const struct drawer *drawer)
{
    int highest = SQLITE_LOCK_NONE;
    for (int i = 0; i < OPEN_MAX; i++) {
        if (c.open[i] != NULL && c.open[i] != drawer && c.open[i]->level > highest)
            highest = c.open[i]->level;
    }
    return highest;
}

static int file_lock(sqlite3_file *file, int level)
{
    struct drawer *drawer = drawer_of(file);
    int other = highest_other(drawer);
    if (level <= drawer->level)
        return SQLITE_OK;
    if (other >= SQLITE_LOCK_PENDING || (level >= SQLITE_LOCK_RESERVED && other >= level) ||
        (level == SQLITE_LOCK_EXCLUSIVE && other != SQLITE_LOCK_NONE))
        return SQLITE_BUSY;
    drawer->level = level;
    return SQLITE_OK;
}

static int file_unlock(sqlite3_file *file, int level)
{
    drawer_of(file)->level = level;
    return SQLITE_OK;
}

static int file_reserved(sqlite3_file *file, int *ret)
{
    *ret = highest_other(drawer_of(file)) >= SQLITE_LOCK_RESERVED;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int what, void *arg)
{
    (void)file, (void)what, (void)arg;
    return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *file)
{
    (void)file;
    return SECTOR;
}

static int file_traits(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* --- shared memory --- */

static int file_map(sqlite3_file *file, int number, int bytes, int extend, void volatile **ret)
{
    PL_ASSERT(bytes == REGION_BYTES && number < REGIONS);
    drawer_of(file)->mapped = true;
    if (number >= c.regions && extend)
        c.regions = number + 1;
    *ret = number < c.regions ? c.region[number] : NULL;
    return SQLITE_OK;
}

static int file_map_lock(sqlite3_file *file, int first, int count, int flags)
{
    struct drawer *drawer = drawer_of(file);
    unsigned bits = ((1u << count) - 1) << first, shared = 0, exclusive = 0;
    if ((flags & SQLITE_SHM_UNLOCK) != 0) {
        drawer->shared &= ~bits;
        drawer->exclusive &= ~bits;
        return SQLITE_OK;
    }
    for (int i = 0; i < OPEN_MAX; i++) {
        shared |= c.open[i] != NULL && c.open[i] != drawer ? c.open[i]->shared : 0;
        exclusive |= c.open[i] != NULL && c.open[i] != drawer ? c.open[i]->exclusive : 0;
    }
    bool wants_all = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    if ((bits & (wants_all ? shared | exclusive : exclusive)) != 0)
        return SQLITE_BUSY;
    *(wants_all ? &drawer->exclusive : &drawer->shared) |= bits;
    return SQLITE_OK;
}

static void file_barrier(sqlite3_file *file)
{
    (void)file; /* one thread */
}

/* Who comes first finds nothing in it. */
static int file_unmap(sqlite3_file *file, int remove)
{
    bool used = false;
    (void)remove;
    drawer_of(file)->mapped = false;
    drawer_of(file)->shared = drawer_of(file)->exclusive = 0;
    for (int i = 0; i < OPEN_MAX; i++)
        used = used || (c.open[i] != NULL && c.open[i]->mapped);
    if (!used) {
        memset(c.region, 0, sizeof(c.region));
        c.regions = 0;
    }
    return SQLITE_OK;
}

/* --- names --- */

static int open_path(const char *path, bool create)
{
    int fd;
    do
        fd = disk_open(path, O_RDWR);
    while (fd < 0 && errno == EINTR);
    while (fd < 0 && create && (errno == ENOENT || errno == EINTR))
        fd = disk_open(path, O_RDWR | O_CREAT, 0600);
    return fd;
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
                    int *ret_flags)
{
    static const sqlite3_io_methods methods = {
        2,           file_close, file_read,     file_write,    file_truncate, file_sync,
        file_size,   file_lock,  file_unlock,   file_reserved, file_control,  file_sector,
        file_traits, file_map,   file_map_lock, file_barrier,  file_unmap,    NULL,
        NULL};
    struct drawer *drawer = drawer_of(file);
    (void)vfs;
    PL_ASSERT(path != NULL); /* nothing of a person goes to a temporary file */
    *drawer = (struct drawer){.is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0};
    bool create = (flags & SQLITE_OPEN_CREATE) != 0;
    drawer->new_name = create && !drawer->is_database;
    drawer->fd = open_path(path, create);
    if (drawer->fd < 0)
        return failed(SQLITE_CANTOPEN);
    int at = 0;
    while (drawer->is_database && c.open[at] != NULL)
        at++;
    PL_ASSERT(at < OPEN_MAX);
    if (drawer->is_database)
        c.open[at] = drawer;
    drawer->base.pMethods = &methods;
    if (ret_flags != NULL)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
    (void)vfs;
    if (disk_unlink(path) != 0)
        return errno == ENOENT ? SQLITE_IOERR_DELETE_NOENT : failed(SQLITE_IOERR_DELETE);
    return sync != 0 ? sync_directory() : SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *ret)
{
    (void)vfs;
    *ret = flags == SQLITE_ACCESS_EXISTS ? disk_bytes(path) > 0 : disk_bytes(path) >= 0;
    return SQLITE_OK;
}

static int vfs_full(sqlite3_vfs *vfs, const char *path, int room, char *into)
{
    (void)vfs;
    (void)snprintf(into, (size_t)room, "%s", path);
    return SQLITE_OK;
}

/* --- the rest of a machine --- */

static int vfs_random(sqlite3_vfs *vfs, int len, char *into)
{
    (void)vfs;
    for (int i = 0; i < len; i++)
        into[i] = (char)dice_roll(c.dice);
    return len;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    PL_ASSERT(fiber_running());
    (void)fiber_poll(NULL, 0, us / 1000 + 1);
    return us;
}

static int vfs_time(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
    (void)vfs;
    *ret = JULIAN_MS + c.clock->wall_us(c.clock) / 1000;
    return SQLITE_OK;
}

static int vfs_error(sqlite3_vfs *vfs, int room, char *into)
{
    (void)vfs, (void)room, (void)into;
    return c.error;
}

static int roundup(int size)
{
    return (size + 7) & ~7;
}
static void *take(int size)
{
    return malloc((size_t)size);
}
static void *resize(void *at, int size)
{
    return realloc(at, (size_t)size);
}
static int size_of(void *at)
{
    return at != NULL ? (int)heap_size(at) : 0;
}
static int memory_begin(void *arg)
{
    (void)arg;
    return SQLITE_OK;
}
static void memory_end(void *arg)
{
    (void)arg;
}

static void install(void)
{
    static const sqlite3_mem_methods memory = {take,    free,         resize,     size_of,
                                               roundup, memory_begin, memory_end, NULL};
    static sqlite3_vfs vfs = {.iVersion = 2,
                              .szOsFile = sizeof(struct drawer),
                              .mxPathname = PATH_BYTES,
                              .zName = "sim",
                              .xOpen = vfs_open,
                              .xDelete = vfs_delete,
                              .xAccess = vfs_access,
                              .xFullPathname = vfs_full,
                              .xRandomness = vfs_random,
                              .xSleep = vfs_sleep,
                              .xGetLastError = vfs_error,
                              .xCurrentTimeInt64 = vfs_time};
    static bool there;
    if (there)
        return;
    there = true;
    /* one thread, and nothing that one connection holds for another */
    int code = sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    if (code == SQLITE_OK)
        code = sqlite3_config(SQLITE_CONFIG_MALLOC, &memory);
    if (code == SQLITE_OK)
        code = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    if (code == SQLITE_OK)
        code = sqlite3_initialize();
    if (code == SQLITE_OK)
        code = sqlite3_vfs_register(&vfs, 1);
    PL_ASSERT(code == SQLITE_OK);
}

void cabinet_kill(void)
{
    memset(c.open, 0, sizeof(c.open));
    memset(c.region, 0, sizeof(c.region));
    c.regions = 0;
}

void cabinet_begin(struct dice *dice, struct pl_clock *clock)
{
    install();
    cabinet_kill();
    c.dice = dice;
    c.clock = clock;
    sqlite3_randomness(0, NULL); /* it asks anew: a run does not depend on the one before */
}

int cabinet_make(const char *path, int flags, ...)
{
    (void)flags;
    return open_path(path, true);
}

int cabinet_stat(const char *path, struct stat *into)
{
    memset(into, 0, sizeof(*into));
    into->st_size = disk_bytes(path);
    if (into->st_size >= 0)
        return 0;
    errno = ENOENT;
    return -1;
}
