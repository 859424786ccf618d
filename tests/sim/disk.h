/* SPDX-License-Identifier: Apache-2.0
 *
 * disk: a disk with a page cache, behind the system calls of server/store/io.c (shim_io.h).
 *
 * A file has two contents: what programs see (cached) and what the disk has (durable), equal but
 * for sectors that were written and not synced. A directory has two as well. A sync copies; power
 * loss leaves, of each unsynced sector, the old or the new content, of directory changes a prefix.
 * A killed process loses nothing of the cache. A sync that failed leaves sectors that look clean
 * and are not on the disk. On top of that the disk may lie: lose, misdirect or flip.
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include "tests/sim/dice.h"

enum disk_fault {
    DISK_SHORT_READ,   /* fewer bytes than asked for */
    DISK_SHORT_WRITE,  /* fewer bytes than given */
    DISK_INTERRUPTED,  /* EINTR */
    DISK_READ_FAILED,  /* EIO */
    DISK_WRITE_FAILED, /* EIO, or EIO after a part */
    DISK_SYNC_FAILED,  /* EIO; some of it is on the disk, the rest looks clean */
    DISK_META_FAILED,  /* EIO of open, rename, unlink, opendir, fstat, stat */
    DISK_FULL,         /* ENOSPC */
    DISK_LOST_WRITE,   /* a synced sector that never reached the disk */
    DISK_MISDIRECTED,  /* a synced sector that went to another place */
    DISK_BIT_FLIP,     /* at rest */
    DISK_TORN_SECTOR,  /* power loss in the middle of a sector */
    DISK_POWER_LOSS,
    DISK_KEPT_SECTORS, /* unsynced sectors that a power loss kept */
    DISK_LOST_SECTORS, /* and that it lost */
    DISK_LOST_NAMES,   /* directory changes that it lost */
    DISK_FAULTS
};
extern const char *const disk_fault_name[DISK_FAULTS];

/* How often, in a million, for faults that come with calls. */
struct disk_plan {
    uint32_t rate[DISK_FAULTS];
    uint32_t pause;  /* other fibers go on at a system call */
    bool no_copies;  /* what is overwritten is copied, and there is hardly room for copies */
    bool roomy;      /* there is room, whatever was said */
    bool lying_sync; /* the canary: fdatasync does nothing and says that it did */
};

enum disk_loss { LOSE_ALL, LOSE_NONE, LOSE_SOME };

void disk_reset(struct dice *dice); /* an empty disk */
void disk_set_plan(const struct disk_plan *plan);
void disk_set_room(uint64_t free_bytes);
/* The directory has another name for as long as it is away: nothing is found by its own, and what
 * is open stays open. */
void disk_move(bool away);
bool disk_is_away(void);
uint64_t disk_count(enum disk_fault fault); /* since disk_reset */
uint64_t disk_calls(void);
bool disk_is_unsynced(void); /* a power loss now would find something to lose */
void disk_close_all(void);   /* descriptors of a process that ended */
void disk_power_loss(enum disk_loss loss, bool torn_sector);
/* One lying fault, now (flip) or at the next sync. Only files that end so ("": any). DISK_FAULTS:
 * the one that waits is called off. */
void disk_lie(enum disk_fault fault, const char *ending);
/* Sectors that are damaged now, by lies or torn sectors, in files with this ending. */
unsigned disk_damaged(const char *ending);
/* What the disk has was read and found good, all of it: damage that is seen and did no harm, as to
 * a batch that nobody was told of and that is gone, is none. */
void disk_believe(void);
/* The operator restores what was damaged. */
void disk_repair(void);
uint64_t disk_hash(const char *ending); /* of what the disk has, names and contents */
/* The n-th call from now on fails with this errno; 0: none. */
void disk_fail_at(uint64_t nth, int error);
bool disk_has_failed(void);
const char *disk_failed_call(void);
size_t disk_open_fds(void);
/* Bytes of the file that programs see; -1: there is none. */
int64_t disk_bytes(const char *path);
/* Are these bytes in a file whose path begins so, for programs to see or on the disk? */
bool disk_holds(const char *beginning, const void *bytes, size_t len);
/* The disk as it would be after losing all that is unsynced, for as long as it is on: a check
 * reads it and changes nothing. */
void disk_look_at_durable(bool on);

int disk_open(const char *path, int flags, ...);
int disk_close(int fd);
int disk_fstat(int fd, struct stat *into);
int disk_stat(const char *path, struct stat *into);
ssize_t disk_pread(int fd, void *into, size_t len, off_t offset);
ssize_t disk_pwrite(int fd, const void *data, size_t len, off_t offset);
int disk_fdatasync(int fd);
int disk_fsync(int fd);
int disk_forget(int fd);
int disk_ftruncate(int fd, off_t bytes); /* whole or not at all, before what is written later */
int disk_mkdir(const char *path, mode_t mode);
int disk_rename(const char *from, const char *to);
int disk_unlink(const char *path);
DIR *disk_opendir(const char *path);
struct dirent *disk_readdir(DIR *dir);
int disk_closedir(DIR *dir);
int disk_statvfs(const char *path, struct statvfs *into);

#endif
