/* SPDX-License-Identifier: Apache-2.0
 *
 * failing_vfs: what SQLite asks of the system goes through here, and one call of them fails: the
 * n-th since failing_vfs_at(n). One thread.
 */
#ifndef TEST_SERVER_FAILING_VFS_H
#define TEST_SERVER_FAILING_VFS_H

#include <sqlite3.h>
#include <stdlib.h>

struct failing_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this one, in the same memory */
};

static struct {
    sqlite3_vfs vfs, *real;
    size_t until; /* calls that are left before one fails; 0: none does */
    int code;
    bool stays; /* all of them fail from then on */
    bool failed;
    bool opening; /* what failed was to open a file, which has a code of its own */
} failing_vfs;

static bool failing_now(void)
{
    if (failing_vfs.until == 0 || --failing_vfs.until != 0)
        return false;
    failing_vfs.failed = true;
    failing_vfs.until = failing_vfs.stays;
    return true;
}
#define FAILING_TRY(call_)  return failing_now() ? failing_vfs.code : (call_)
#define FAILING_REAL(file_) sqlite3_file *real = ((struct failing_file *)(file_))->real

static int failing_close(sqlite3_file *file)
{
    FAILING_REAL(file);
    return real->pMethods->xClose(real);
}
static int failing_read(sqlite3_file *file, void *into, int len, sqlite3_int64 at)
{
    FAILING_REAL(file);
    return real->pMethods->xRead(real, into, len, at);
}
static int failing_write(sqlite3_file *file, const void *from, int len, sqlite3_int64 at)
{
    FAILING_REAL(file);
    FAILING_TRY(real->pMethods->xWrite(real, from, len, at));
}
static int failing_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    FAILING_REAL(file);
    FAILING_TRY(real->pMethods->xTruncate(real, size));
}
static int failing_sync(sqlite3_file *file, int flags)
{
    FAILING_REAL(file);
    FAILING_TRY(real->pMethods->xSync(real, flags));
}
static int failing_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    FAILING_REAL(file);
    return real->pMethods->xFileSize(real, ret);
}
static int failing_lock(sqlite3_file *file, int level)
{
    FAILING_REAL(file);
    return real->pMethods->xLock(real, level);
}
static int failing_unlock(sqlite3_file *file, int level)
{
    FAILING_REAL(file);
    return real->pMethods->xUnlock(real, level);
}
static int failing_reserved(sqlite3_file *file, int *ret)
{
    FAILING_REAL(file);
    return real->pMethods->xCheckReservedLock(real, ret);
}
static int failing_control(sqlite3_file *file, int what, void *with)
{
    FAILING_REAL(file);
    return real->pMethods->xFileControl(real, what, with);
}
static int failing_sector(sqlite3_file *file)
{
    FAILING_REAL(file);
    return real->pMethods->xSectorSize(real);
}
static int failing_device(sqlite3_file *file)
{
    FAILING_REAL(file);
    return real->pMethods->xDeviceCharacteristics(real);
}
static int failing_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret)
{
    FAILING_REAL(file);
    FAILING_TRY(real->pMethods->xShmMap(real, page, size, extend, ret));
}
static int failing_shm_lock(sqlite3_file *file, int at, int count, int flags)
{
    FAILING_REAL(file);
    return real->pMethods->xShmLock(real, at, count, flags);
}
static void failing_shm_barrier(sqlite3_file *file)
{
    FAILING_REAL(file);
    real->pMethods->xShmBarrier(real);
}
static int failing_shm_unmap(sqlite3_file *file, int remove)
{
    FAILING_REAL(file);
    return real->pMethods->xShmUnmap(real, remove);
}

static int failing_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    static const sqlite3_io_methods methods = {
        .iVersion = 2,
        .xClose = failing_close,
        .xRead = failing_read,
        .xWrite = failing_write,
        .xTruncate = failing_truncate,
        .xSync = failing_sync,
        .xFileSize = failing_size,
        .xLock = failing_lock,
        .xUnlock = failing_unlock,
        .xCheckReservedLock = failing_reserved,
        .xFileControl = failing_control,
        .xSectorSize = failing_sector,
        .xDeviceCharacteristics = failing_device,
        .xShmMap = failing_shm_map,
        .xShmLock = failing_shm_lock,
        .xShmBarrier = failing_shm_barrier,
        .xShmUnmap = failing_shm_unmap,
    };
    (void)vfs;
    struct failing_file *made = (struct failing_file *)file;
    made->real = (sqlite3_file *)(made + 1);
    made->real->pMethods = NULL;
    made->base.pMethods = NULL;
    if (failing_now()) {
        failing_vfs.opening = true;
        return SQLITE_CANTOPEN;
    }
    int code = failing_vfs.real->xOpen(failing_vfs.real, name, made->real, flags, out);
    if (made->real->pMethods != NULL)
        made->base.pMethods = &methods;
    return code;
}

/* Every connection that is opened from now on goes through here. */
static inline void failing_vfs_install(void)
{
    failing_vfs.real = sqlite3_vfs_find(NULL);
    failing_vfs.vfs = *failing_vfs.real;
    failing_vfs.vfs.zName = "failing";
    failing_vfs.vfs.szOsFile += (int)sizeof(struct failing_file);
    failing_vfs.vfs.xOpen = failing_open;
    if (sqlite3_vfs_register(&failing_vfs.vfs, 1) != SQLITE_OK)
        abort();
}

/* The n-th call from now fails with this code (SQLITE_FULL, an SQLITE_IOERR), and all later ones if
 * it stays so. 0: no more. */
static inline void failing_vfs_at(size_t n, int code, bool stays)
{
    failing_vfs.until = n;
    failing_vfs.code = code;
    failing_vfs.stays = stays;
    failing_vfs.failed = failing_vfs.opening = false;
}

#endif
