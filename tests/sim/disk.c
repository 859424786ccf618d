/* SPDX-License-Identifier: Apache-2.0
 *
 * disk: see disk.h. Contents in blocks of eight sectors; a block that was never written is absent.
 */
#include "tests/sim/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/fiber.h"
#include "tests/sim/heap.h"

enum {
    SECTOR = 512,
    SECTORS = 8,
    BLOCK = SECTOR * SECTORS,
    FILES_MAX = 256,
    FDS_MAX = 128,
    FD_BASE = 1 << 20,
    CHANGES_MAX = 512,
    DAMAGE_MAX = 64,
    NAME_BYTES = 64,
};

const char *const disk_fault_name[DISK_FAULTS] = {
    "short reads",   "short writes",          "interrupted calls",     "reads failed",
    "writes failed", "syncs failed",          "other calls failed",    "disk full",
    "lost writes",   "misdirected",           "flipped bits",          "torn sectors",
    "power losses",  "unsynced sectors kept", "unsynced sectors lost", "unsynced names lost"};

struct block {
    uint8_t *cached, *durable; /* owns; NULL: zeros */
    uint8_t dirty;             /* a bit a sector: cached is newer, a sync writes it */
};

struct file {
    bool used;
    struct block *block; /* owns */
    size_t block_count;
    uint64_t cached_bytes, durable_bytes;
    bool is_cut; /* to `cut` bytes, before anything that was written since and is not synced */
    uint64_t cut;
};

struct name {
    char text[NAME_BYTES];
    int file; /* -1: free */
};
struct directory {
    struct name name[FILES_MAX];
};

enum change_kind { CHANGE_CREATE, CHANGE_RENAME, CHANGE_UNLINK };
struct change { /* of a directory, not synced yet */
    enum change_kind kind;
    char from[NAME_BYTES], to[NAME_BYTES];
    int file;
};

struct damage { /* a sector whose durable content is wrong; what it should be */
    int file;
    uint64_t sector;
    bool torn;
    uint8_t good[SECTOR];
};

struct open_file {
    int file; /* -1: free */
    bool directory;
    char path[NAME_BYTES];
};

struct listing {
    size_t next, count;
    struct dirent entry[FILES_MAX];
};

static struct {
    struct dice *dice;
    struct disk_plan plan;
    struct file file[FILES_MAX];
    struct directory cached, durable;
    struct change change[CHANGES_MAX];
    size_t change_count;
    struct damage damage[DAMAGE_MAX];
    size_t damage_count;
    struct open_file fd[FDS_MAX];
    uint64_t free_bytes;
    uint64_t count[DISK_FAULTS], calls;
    enum disk_fault next_lie; /* DISK_FAULTS: none */
    char next_lie_ending[16];
    uint64_t fail_countdown;
    int fail_errno;
    const char *failed_call;
    bool durable_view, away;
    uint64_t unsynced; /* roughly: sectors written since the last sync or power loss */
} disk;

/* --- small things --- */

static void hit(enum disk_fault fault)
{
    disk.count[fault]++;
}

static bool strikes(enum disk_fault fault)
{
    if (disk.durable_view || !dice_hits(disk.dice, disk.plan.rate[fault]))
        return false;
    hit(fault);
    return true;
}

/* Every call begins here: others may go on, the n-th one fails. */
static bool begins(const char *call)
{
    if (disk.durable_view)
        return true;
    disk.calls++;
    if (fiber_running() && dice_hits(disk.dice, disk.plan.pause))
        fiber_pause();
    if (disk.fail_countdown != 0 && --disk.fail_countdown == 0) {
        errno = disk.fail_errno;
        disk.failed_call = call;
        return false;
    }
    return true;
}

static int refuse(int error)
{
    errno = error;
    return -1;
}

/* With errno EIO. */
static bool breaks(enum disk_fault fault)
{
    bool struck = strikes(fault);
    if (struck)
        errno = EIO;
    return struck;
}

static bool ends_with(const char *text, const char *ending)
{
    size_t len = strlen(text), tail = strlen(ending);
    return len >= tail && strcmp(text + len - tail, ending) == 0;
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
    return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

static uint8_t *new_block(void)
{
    uint8_t *made = calloc(1, BLOCK);
    if (made == NULL)
        abort();
    return made;
}

static struct name *find(struct directory *directory, const char *path)
{
    for (int i = 0; i < FILES_MAX; i++) {
        if (directory->name[i].file >= 0 && strcmp(directory->name[i].text, path) == 0)
            return &directory->name[i];
    }
    return NULL;
}

static void put_name(struct directory *directory, const char *path, int file)
{
    struct name *name = find(directory, path);
    for (int i = 0; name == NULL && i < FILES_MAX; i++) {
        if (directory->name[i].file < 0)
            name = &directory->name[i];
    }
    if (name == NULL || strlen(path) >= NAME_BYTES)
        abort();
    (void)snprintf(name->text, sizeof(name->text), "%s", path);
    name->file = file;
}

static void drop_name(struct directory *directory, const char *path)
{
    struct name *name = find(directory, path);
    if (name != NULL)
        name->file = -1;
}

static struct directory *visible(void)
{
    return disk.durable_view ? &disk.durable : &disk.cached;
}

static void free_file(struct file *file)
{
    for (size_t i = 0; i < file->block_count; i++) {
        free(file->block[i].cached);
        free(file->block[i].durable);
    }
    free(file->block);
    *file = (struct file){.used = false};
}

/* Files that neither directory nor a descriptor knows any more. */
static void collect(void)
{
    bool used[FILES_MAX] = {false};
    for (int i = 0; i < FILES_MAX; i++) {
        if (disk.cached.name[i].file >= 0)
            used[disk.cached.name[i].file] = true;
        if (disk.durable.name[i].file >= 0)
            used[disk.durable.name[i].file] = true;
    }
    for (int i = 0; i < FDS_MAX; i++) {
        if (disk.fd[i].file >= 0)
            used[disk.fd[i].file] = true;
    }
    for (size_t i = 0; i < disk.change_count; i++)
        used[disk.change[i].file] = true;
    for (int i = 0; i < FILES_MAX; i++) {
        if (disk.file[i].used && !used[i])
            free_file(&disk.file[i]);
    }
    size_t kept = 0;
    for (size_t i = 0; i < disk.damage_count; i++) {
        if (disk.file[disk.damage[i].file].used)
            disk.damage[kept++] = disk.damage[i];
    }
    disk.damage_count = kept;
}

static bool has_ending(int file, const char *ending)
{
    for (int i = 0; i < FILES_MAX; i++) {
        if ((disk.durable.name[i].file == file && ends_with(disk.durable.name[i].text, ending)) ||
            (disk.cached.name[i].file == file && ends_with(disk.cached.name[i].text, ending)))
            return true;
    }
    return false;
}

static struct block *block_at(struct file *file, uint64_t index)
{
    if (index >= file->block_count) {
        size_t count = (size_t)index + 64;
        struct block *grown = realloc(file->block, count * sizeof(*grown));
        if (grown == NULL)
            abort();
        memset(grown + file->block_count, 0, (count - file->block_count) * sizeof(*grown));
        file->block = grown;
        file->block_count = count;
    }
    return &file->block[index];
}

static const uint8_t *sector_of(const struct file *file, uint64_t sector, bool durable)
{
    static const uint8_t zeros[SECTOR];
    uint64_t index = sector / SECTORS;
    const struct block *block = index < file->block_count ? &file->block[index] : NULL;
    const uint8_t *bytes = block == NULL ? NULL : durable ? block->durable : block->cached;
    return bytes == NULL ? zeros : bytes + (sector % SECTORS) * SECTOR;
}

static void set_sector(struct file *file, uint64_t sector, bool durable, const uint8_t *bytes)
{
    struct block *block = block_at(file, sector / SECTORS);
    uint8_t **into = durable ? &block->durable : &block->cached;
    if (*into == NULL)
        *into = new_block();
    memcpy(*into + (sector % SECTORS) * SECTOR, bytes, SECTOR);
}

/* --- damage --- */

static void heal(int file, uint64_t sector)
{
    for (size_t i = 0; i < disk.damage_count; i++) {
        if (disk.damage[i].file == file && disk.damage[i].sector == sector) {
            disk.damage[i] = disk.damage[--disk.damage_count];
            return;
        }
    }
}

static void remember(int file, uint64_t sector, const uint8_t *good, bool torn)
{
    for (size_t i = 0; i < disk.damage_count; i++) {
        if (disk.damage[i].file == file && disk.damage[i].sector == sector)
            return; /* what it should be is known already */
    }
    if (disk.damage_count == DAMAGE_MAX)
        return;
    struct damage *damage = &disk.damage[disk.damage_count++];
    damage->file = file;
    damage->sector = sector;
    damage->torn = torn;
    memcpy(damage->good, good, SECTOR);
}

unsigned disk_damaged(const char *ending)
{
    unsigned count = 0;
    for (size_t i = 0; i < disk.damage_count; i++)
        count += has_ending(disk.damage[i].file, ending);
    return count;
}

void disk_believe(void)
{
    size_t kept = 0;
    for (size_t i = 0; i < disk.damage_count; i++) {
        const struct damage *damage = &disk.damage[i];
        const struct file *file = &disk.file[damage->file];
        if (memcmp(sector_of(file, damage->sector, false), sector_of(file, damage->sector, true),
                   SECTOR) != 0)
            disk.damage[kept++] = *damage;
    }
    disk.damage_count = kept;
}

void disk_repair(void)
{
    for (size_t i = 0; i < disk.damage_count; i++) {
        struct damage *damage = &disk.damage[i];
        set_sector(&disk.file[damage->file], damage->sector, true, damage->good);
        set_sector(&disk.file[damage->file], damage->sector, false, damage->good);
    }
    disk.damage_count = 0;
}

/* A used sector of a file with this ending; -1: there is none. */
static int pick_sector(const char *ending, uint64_t *ret_sector)
{
    int candidate[FILES_MAX];
    size_t count = 0;
    for (int i = 0; i < FILES_MAX; i++) {
        if (disk.file[i].used && disk.file[i].durable_bytes >= SECTOR && has_ending(i, ending))
            candidate[count++] = i;
    }
    if (count == 0)
        return -1;
    int file = candidate[dice_below(disk.dice, count)];
    const struct file *chosen = &disk.file[file];
    for (int tries = 0; tries < 40; tries++) {
        *ret_sector = dice_below(disk.dice, chosen->durable_bytes / SECTOR);
        if (tries == 39 || (tries > 0 && !all_zero(sector_of(chosen, *ret_sector, true), SECTOR)))
            break; /* mostly where something is */
    }
    /* the beginning of a file is where most of what was written is */
    if (dice_below(disk.dice, 2) == 0) {
        uint64_t used = 0;
        for (uint64_t i = 0; i < chosen->block_count; i++)
            used = chosen->block[i].durable != NULL ? i + 1 : used;
        uint64_t sectors = used * SECTORS;
        if (sectors != 0 && sectors * SECTOR <= chosen->durable_bytes)
            *ret_sector = dice_below(disk.dice, sectors);
    }
    return file;
}

static void flip(const char *ending)
{
    uint64_t sector = 0;
    uint8_t bytes[SECTOR];
    int number = pick_sector(ending, &sector);
    if (number < 0)
        return;
    struct file *file = &disk.file[number];
    const struct block *block = block_at(file, sector / SECTORS);
    if ((block->dirty >> (sector % SECTORS) & 1) != 0)
        return; /* about to be written anew */
    hit(DISK_BIT_FLIP);
    memcpy(bytes, sector_of(file, sector, true), SECTOR);
    remember(number, sector, bytes, false);
    bytes[dice_below(disk.dice, SECTOR)] ^= (uint8_t)(1u << dice_below(disk.dice, 8));
    set_sector(file, sector, true, bytes);
    /* The cache may have let it go; not where something is still to be written beside it. */
    if (!all_zero(sector_of(file, sector + 1, true), SECTOR) && dice_below(disk.dice, 2) == 0)
        set_sector(file, sector, false, bytes);
}

void disk_lie(enum disk_fault fault, const char *ending)
{
    if (fault == DISK_BIT_FLIP) {
        flip(ending);
        return;
    }
    disk.next_lie = fault;
    (void)snprintf(disk.next_lie_ending, sizeof(disk.next_lie_ending), "%s", ending);
}

/* --- what was cut off --- */

static void zero_from(struct file *file, uint64_t from, bool durable)
{
    for (uint64_t i = from / BLOCK; i < file->block_count; i++) {
        uint8_t *bytes = durable ? file->block[i].durable : file->block[i].cached;
        size_t kept = i == from / BLOCK ? from % BLOCK : 0;
        if (bytes != NULL)
            memset(bytes + kept, 0, BLOCK - kept);
    }
}

/* It comes to the disk. */
static void cut_durable(struct file *file)
{
    if (!file->is_cut)
        return;
    file->is_cut = false;
    if (file->cut < file->durable_bytes) {
        zero_from(file, file->cut, true);
        file->durable_bytes = file->cut;
    }
}

/* --- syncing --- */

/* One sector goes to the disk, or is said to. */
static void put_sector(int number, uint64_t sector)
{
    struct file *file = &disk.file[number];
    uint8_t bytes[SECTOR];
    memcpy(bytes, sector_of(file, sector, false), SECTOR);
    bool lie = disk.next_lie != DISK_FAULTS && has_ending(number, disk.next_lie_ending) &&
               memcmp(bytes, sector_of(file, sector, true), SECTOR) != 0 &&
               dice_below(disk.dice, 3) == 0;
    if (!lie) {
        set_sector(file, sector, true, bytes);
        heal(number, sector);
        return;
    }
    enum disk_fault fault = disk.next_lie;
    disk.next_lie = DISK_FAULTS;
    hit(fault);
    heal(number, sector); /* what should be there now is this */
    remember(number, sector, bytes, false);
    if (fault != DISK_MISDIRECTED)
        return;
    uint64_t elsewhere = 0;
    int other = pick_sector(disk.next_lie_ending, &elsewhere);
    if (other < 0 || (other == number && elsewhere == sector))
        return;
    /* one that is about to be written anew, too: this sync may fail before it comes to that */
    remember(other, elsewhere, sector_of(&disk.file[other], elsewhere, true), false);
    set_sector(&disk.file[other], elsewhere, true, bytes);
}

static void sync_file(int number, bool failing)
{
    struct file *file = &disk.file[number];
    if (disk.plan.lying_sync)
        return;
    cut_durable(file);
    for (size_t i = 0; i < file->block_count; i++) {
        struct block *block = &file->block[i];
        for (unsigned s = 0; block->dirty != 0 && s < SECTORS; s++) {
            if ((block->dirty >> s & 1) == 0)
                continue;
            block->dirty = (uint8_t)(block->dirty & ~(1u << s));
            if (!failing || dice_below(disk.dice, 2) == 0)
                put_sector(number, i * SECTORS + s);
        }
    }
    disk.unsynced = 0;
    if (!failing)
        file->durable_bytes = file->cached_bytes;
}

static void apply_change(const struct change *change)
{
    switch (change->kind) {
    case CHANGE_CREATE:
        put_name(&disk.durable, change->to, change->file);
        break;
    case CHANGE_RENAME:
        drop_name(&disk.durable, change->from);
        put_name(&disk.durable, change->to, change->file);
        break;
    case CHANGE_UNLINK:
        drop_name(&disk.durable, change->from);
        break;
    }
}

static bool is_in(const char *path, const char *directory)
{
    size_t len = strlen(directory);
    return strncmp(path, directory, len) == 0 && path[len] == '/' &&
           strchr(path + len + 1, '/') == NULL;
}

static void sync_directory(const char *path)
{
    size_t kept = 0;
    if (disk.plan.lying_sync)
        return;
    for (size_t i = 0; i < disk.change_count; i++) {
        struct change *change = &disk.change[i];
        if (is_in(change->kind == CHANGE_UNLINK ? change->from : change->to, path))
            apply_change(change);
        else
            disk.change[kept++] = *change;
    }
    disk.change_count = kept;
}

static void add_change(enum change_kind kind, const char *from, const char *to, int file)
{
    if (disk.change_count == CHANGES_MAX) { /* in the end a file system writes them by itself */
        apply_change(&disk.change[0]);
        memmove(disk.change, disk.change + 1, (CHANGES_MAX - 1) * sizeof(disk.change[0]));
        disk.change_count--;
    }
    struct change *change = &disk.change[disk.change_count++];
    change->kind = kind;
    change->file = file;
    (void)snprintf(change->from, sizeof(change->from), "%s", from);
    (void)snprintf(change->to, sizeof(change->to), "%s", to);
}

/* --- power loss --- */

static void lose_sector(int number, uint64_t sector, enum disk_loss loss, bool *torn)
{
    struct file *file = &disk.file[number];
    bool keep = loss == LOSE_NONE || (loss == LOSE_SOME && dice_below(disk.dice, 2) == 0);
    uint8_t bytes[SECTOR];
    memcpy(bytes, sector_of(file, sector, false), SECTOR);
    if (memcmp(bytes, sector_of(file, sector, true), SECTOR) == 0) {
        heal(number, sector);
        return;
    }
    hit(keep ? DISK_KEPT_SECTORS : DISK_LOST_SECTORS);
    if (!keep)
        return;
    heal(number, sector);
    if (*torn) { /* disks promise whole sectors; this one breaks its word */
        *torn = false;
        hit(DISK_TORN_SECTOR);
        size_t cut = 1 + dice_below(disk.dice, SECTOR - 1);
        remember(number, sector, sector_of(file, sector, true), true);
        memcpy(bytes + cut, sector_of(file, sector, true) + cut, SECTOR - cut);
    }
    set_sector(file, sector, true, bytes);
}

static void lose_file(int number, enum disk_loss loss, bool *torn)
{
    struct file *file = &disk.file[number];
    if (file->is_cut && (loss == LOSE_NONE || (loss == LOSE_SOME && dice_below(disk.dice, 2) == 0)))
        cut_durable(file);
    else if (file->is_cut)
        loss = LOSE_ALL; /* nor what was written behind it */
    file->is_cut = false;
    if (loss == LOSE_NONE || (loss == LOSE_SOME && dice_below(disk.dice, 2) == 0))
        file->durable_bytes = file->cached_bytes;
    for (size_t i = 0; i < file->block_count; i++) {
        struct block *block = &file->block[i];
        for (unsigned s = 0; block->dirty != 0 && s < SECTORS; s++) {
            if ((block->dirty >> s & 1) != 0)
                lose_sector(number, i * SECTORS + s, loss, torn);
            block->dirty = (uint8_t)(block->dirty & ~(1u << s));
        }
        if (block->durable != NULL) {
            if (block->cached == NULL)
                block->cached = new_block();
            memcpy(block->cached, block->durable, BLOCK);
        } else if (block->cached != NULL) {
            memset(block->cached, 0, BLOCK);
        }
    }
    file->cached_bytes = file->durable_bytes;
}

void disk_power_loss(enum disk_loss loss, bool torn_sector)
{
    size_t kept = loss == LOSE_ALL    ? 0
                  : loss == LOSE_NONE ? disk.change_count
                                      : dice_below(disk.dice, disk.change_count + 1);
    hit(DISK_POWER_LOSS);
    disk.unsynced = 0;
    disk.count[DISK_LOST_NAMES] += disk.change_count - kept;
    for (size_t i = 0; i < kept; i++)
        apply_change(&disk.change[i]);
    disk.change_count = 0;
    disk.cached = disk.durable;
    disk_close_all();
    for (int i = 0; i < FILES_MAX; i++) {
        if (disk.file[i].used)
            lose_file(i, loss, &torn_sector);
    }
}

void disk_close_all(void)
{
    for (int i = 0; i < FDS_MAX; i++)
        disk.fd[i].file = -1;
    collect();
}

/* --- the system calls --- */

static int take_fd(int file, bool directory, const char *path)
{
    for (int i = 0; i < FDS_MAX; i++) {
        if (disk.fd[i].file >= 0)
            continue;
        disk.fd[i].file = file;
        disk.fd[i].directory = directory;
        (void)snprintf(disk.fd[i].path, sizeof(disk.fd[i].path), "%s", path);
        return FD_BASE + i;
    }
    abort();
}

static struct open_file *of(int fd)
{
    if (fd < FD_BASE || fd >= FD_BASE + FDS_MAX || disk.fd[fd - FD_BASE].file < 0)
        abort(); /* a descriptor that is not open */
    return &disk.fd[fd - FD_BASE];
}

static bool is_away(void)
{
    return disk.away && !disk.durable_view;
}

static struct name *named(const char *path)
{
    return is_away() ? NULL : find(visible(), path);
}

static int create(const char *path)
{
    int file = 0;
    while (file < FILES_MAX && disk.file[file].used)
        file++;
    if (file == FILES_MAX)
        abort();
    disk.file[file].used = true;
    put_name(&disk.cached, path, file);
    add_change(CHANGE_CREATE, "", path, file);
    return file;
}

int disk_open(const char *path, int flags, ...)
{
    if (!begins("open"))
        return -1;
    if ((flags & O_DIRECTORY) != 0) {
        if (breaks(DISK_META_FAILED))
            return -1;
        return is_away() ? refuse(ENOENT) : take_fd(0, true, path);
    }
    if (strikes(DISK_INTERRUPTED))
        return refuse(EINTR);
    if (breaks(DISK_META_FAILED))
        return -1;
    struct name *name = named(path);
    if (name != NULL && (flags & O_CREAT) != 0)
        return refuse(EEXIST);
    if (name == NULL && ((flags & O_CREAT) == 0 || is_away()))
        return refuse(ENOENT);
    return take_fd(name != NULL ? name->file : create(path), false, path);
}

int disk_close(int fd)
{
    of(fd)->file = -1;
    if (!disk.durable_view)
        collect();
    return 0;
}

static void describe(int number, struct stat *into)
{
    const struct file *file = &disk.file[number];
    memset(into, 0, sizeof(*into));
    into->st_ino = (ino_t)number;
    into->st_size = (off_t)(disk.durable_view ? file->durable_bytes : file->cached_bytes);
}

int disk_fstat(int fd, struct stat *into)
{
    int file = of(fd)->file;
    if (!begins("fstat") || breaks(DISK_META_FAILED))
        return -1;
    describe(file, into);
    return 0;
}

int disk_stat(const char *path, struct stat *into)
{
    if (!begins("stat") || breaks(DISK_META_FAILED))
        return -1;
    const struct name *name = named(path);
    if (name == NULL)
        return refuse(ENOENT);
    describe(name->file, into);
    return 0;
}

static void copy_out(const struct file *file, uint8_t *into, size_t len, uint64_t offset)
{
    while (len > 0) {
        size_t within = offset % SECTOR, piece = SECTOR - within < len ? SECTOR - within : len;
        uint64_t index = offset / BLOCK;
        const struct block *block = index < file->block_count ? &file->block[index] : NULL;
        const uint8_t *bytes = block == NULL       ? NULL
                               : disk.durable_view ? block->durable
                                                   : block->cached;
        if (bytes == NULL) { /* the rest of the block at once */
            piece = BLOCK - offset % BLOCK < len ? BLOCK - offset % BLOCK : len;
            memset(into, 0, piece);
        } else {
            memcpy(into, bytes + offset % BLOCK, piece);
        }
        into += piece;
        offset += piece;
        len -= piece;
    }
}

ssize_t disk_pread(int fd, void *into, size_t len, off_t offset)
{
    const struct file *file = &disk.file[of(fd)->file];
    uint64_t bytes = disk.durable_view ? file->durable_bytes : file->cached_bytes;
    if (!begins("pread"))
        return -1;
    if (strikes(DISK_INTERRUPTED))
        return refuse(EINTR);
    if (breaks(DISK_READ_FAILED))
        return -1;
    if ((uint64_t)offset >= bytes)
        return 0;
    if (len > bytes - (uint64_t)offset)
        len = (size_t)(bytes - (uint64_t)offset);
    if (len > 1 && strikes(DISK_SHORT_READ))
        len = 1 + dice_below(disk.dice, len - 1);
    copy_out(file, into, len, (uint64_t)offset);
    return (ssize_t)len;
}

static void copy_in(struct file *file, const uint8_t *data, size_t len, uint64_t offset)
{
    while (len > 0) {
        size_t piece = BLOCK - offset % BLOCK < len ? BLOCK - offset % BLOCK : len;
        struct block *block = block_at(file, offset / BLOCK);
        if (block->cached != NULL || !all_zero(data, piece)) {
            if (block->cached == NULL)
                block->cached = new_block();
            memcpy(block->cached + offset % BLOCK, data, piece);
            size_t first = offset % BLOCK / SECTOR, last = (offset % BLOCK + piece - 1) / SECTOR;
            for (size_t s = first; s <= last; s++)
                block->dirty = (uint8_t)(block->dirty | 1u << s);
            disk.unsynced += last - first + 1;
        }
        data += piece;
        offset += piece;
        len -= piece;
    }
}

/* How much of a write finds the block that it changes copied already, or finds room for a copy. */
static size_t with_copies(struct file *file, size_t len, uint64_t offset)
{
    uint64_t copies = dice_below(disk.dice, 4), at = offset, end = offset + len;
    while (at < end && at < file->cached_bytes) {
        copies -= block_at(file, at / BLOCK)->dirty == 0;
        if (copies == UINT64_MAX)
            return (size_t)(at - offset);
        at = (at / BLOCK + 1) * BLOCK;
    }
    return len;
}

ssize_t disk_pwrite(int fd, const void *data, size_t len, off_t offset)
{
    int number = of(fd)->file;
    struct file *file = &disk.file[number];
    if (!begins("pwrite"))
        return -1;
    if (strikes(DISK_INTERRUPTED))
        return refuse(EINTR);
    uint64_t end = (uint64_t)offset + len;
    if (end > file->cached_bytes && end - file->cached_bytes > disk.free_bytes &&
        !disk.plan.roomy) {
        hit(DISK_FULL);
        return refuse(ENOSPC);
    }
    bool was = heap_daemon(false);
    len = disk.plan.no_copies ? with_copies(file, len, (uint64_t)offset) : len;
    (void)heap_daemon(was);
    if (len == 0) {
        hit(DISK_FULL);
        return refuse(ENOSPC);
    }
    bool failing = strikes(DISK_WRITE_FAILED);
    if (len > 1 && (failing || strikes(DISK_SHORT_WRITE)))
        len = 1 + dice_below(disk.dice, len - 1);
    (void)heap_daemon(false);
    copy_in(file, data, len, (uint64_t)offset);
    (void)heap_daemon(was);
    end = (uint64_t)offset + len;
    if (end > file->cached_bytes) {
        uint64_t grown = end - file->cached_bytes;
        disk.free_bytes -= grown < disk.free_bytes ? grown : disk.free_bytes;
        file->cached_bytes = end;
    }
    return failing ? refuse(EIO) : (ssize_t)len;
}

static int sync_fd(int fd, const char *call)
{
    if (!begins(call))
        return -1;
    const struct open_file *open = of(fd);
    bool failing = strikes(DISK_SYNC_FAILED);
    bool was = heap_daemon(false);
    if (open->directory && !failing)
        sync_directory(open->path);
    else if (!open->directory)
        sync_file(open->file, failing);
    (void)heap_daemon(was);
    if (fiber_running() && dice_hits(disk.dice, disk.plan.pause))
        fiber_pause();
    return failing ? refuse(EIO) : 0;
}

int disk_fdatasync(int fd)
{
    return sync_fd(fd, "fdatasync");
}

int disk_fsync(int fd)
{
    return sync_fd(fd, "fsync");
}

/* POSIX_FADV_DONTNEED: clean sectors leave the cache. */
int disk_forget(int fd)
{
    struct file *file = &disk.file[of(fd)->file];
    bool was = heap_daemon(false);
    for (size_t i = 0; i < file->block_count; i++) {
        struct block *block = &file->block[i];
        if (block->cached == NULL && block->durable != NULL)
            block->cached =
                new_block(); /* where nothing was written, something may be all the same */
        for (unsigned s = 0; block->cached != NULL && s < SECTORS; s++) {
            if ((block->dirty >> s & 1) == 0)
                memcpy(block->cached + s * SECTOR, sector_of(file, i * SECTORS + s, true), SECTOR);
        }
    }
    (void)heap_daemon(was);
    return 0;
}

int disk_ftruncate(int fd, off_t bytes)
{
    struct file *file = &disk.file[of(fd)->file];
    if (!begins("ftruncate") || breaks(DISK_META_FAILED))
        return -1;
    if ((uint64_t)bytes < file->cached_bytes) {
        zero_from(file, (uint64_t)bytes, false);
        file->cut = file->is_cut && file->cut < (uint64_t)bytes ? file->cut : (uint64_t)bytes;
        file->is_cut = true;
        disk.free_bytes += file->cached_bytes - (uint64_t)bytes;
        disk.unsynced++;
    }
    file->cached_bytes = (uint64_t)bytes;
    return 0;
}

int disk_rename(const char *from, const char *to)
{
    if (!begins("rename") || breaks(DISK_META_FAILED))
        return -1;
    struct name *name = named(from);
    if (name == NULL)
        return refuse(ENOENT);
    int file = name->file;
    drop_name(&disk.cached, from);
    put_name(&disk.cached, to, file);
    add_change(CHANGE_RENAME, from, to, file);
    return 0;
}

int disk_unlink(const char *path)
{
    if (!begins("unlink") || breaks(DISK_META_FAILED))
        return -1;
    struct name *name = named(path);
    if (name == NULL)
        return refuse(ENOENT);
    int file = name->file;
    disk.free_bytes += disk.file[file].cached_bytes;
    drop_name(&disk.cached, path);
    add_change(CHANGE_UNLINK, path, "", file);
    collect();
    return 0;
}

DIR *disk_opendir(const char *path)
{
    if (!begins("opendir") || breaks(DISK_META_FAILED))
        return NULL;
    if (is_away()) {
        errno = ENOENT;
        return NULL;
    }
    struct listing *listing = calloc(1, sizeof(*listing));
    if (listing == NULL)
        return NULL;
    const struct directory *directory = visible();
    for (int i = 0; i < FILES_MAX; i++) {
        const struct name *name = &directory->name[i];
        if (name->file < 0 || !is_in(name->text, path))
            continue;
        struct dirent *entry = &listing->entry[listing->count++];
        (void)snprintf(entry->d_name, sizeof(entry->d_name), "%s", name->text + strlen(path) + 1);
    }
    return (DIR *)listing;
}

struct dirent *disk_readdir(DIR *dir)
{
    struct listing *listing = (struct listing *)dir;
    return listing->next < listing->count ? &listing->entry[listing->next++] : NULL;
}

int disk_closedir(DIR *dir)
{
    free(dir);
    return 0;
}

int disk_statvfs(const char *path, struct statvfs *into)
{
    (void)path;
    if (!begins("statvfs") || breaks(DISK_META_FAILED))
        return -1;
    if (is_away())
        return refuse(ENOENT);
    memset(into, 0, sizeof(*into));
    into->f_frsize = 1;
    into->f_bavail = disk.free_bytes;
    return 0;
}

/* --- for the simulator --- */

void disk_reset(struct dice *dice)
{
    for (int i = 0; i < FILES_MAX; i++) {
        if (disk.file[i].used)
            free_file(&disk.file[i]);
    }
    memset(&disk, 0, sizeof(disk));
    disk.dice = dice;
    disk.free_bytes = UINT64_MAX / 4;
    disk.next_lie = DISK_FAULTS;
    for (int i = 0; i < FILES_MAX; i++)
        disk.cached.name[i].file = disk.durable.name[i].file = -1;
    for (int i = 0; i < FDS_MAX; i++)
        disk.fd[i].file = -1;
}

void disk_set_plan(const struct disk_plan *plan)
{
    disk.plan = *plan;
}

void disk_move(bool away)
{
    disk.away = away;
}

bool disk_is_away(void)
{
    return disk.away;
}

void disk_set_room(uint64_t free_bytes)
{
    disk.free_bytes = free_bytes;
}

uint64_t disk_count(enum disk_fault fault)
{
    return disk.count[fault];
}

bool disk_is_unsynced(void)
{
    return disk.unsynced != 0 || disk.change_count != 0;
}

uint64_t disk_calls(void)
{
    return disk.calls;
}

void disk_fail_at(uint64_t nth, int error)
{
    disk.fail_countdown = nth;
    disk.fail_errno = error;
    disk.failed_call = NULL;
}

bool disk_has_failed(void)
{
    return disk.failed_call != NULL;
}

const char *disk_failed_call(void)
{
    return disk.failed_call;
}

size_t disk_open_fds(void)
{
    size_t count = 0;
    for (int i = 0; i < FDS_MAX; i++)
        count += disk.fd[i].file >= 0;
    return count;
}

int64_t disk_bytes(const char *path)
{
    const struct name *name = find(visible(), path);
    return name == NULL ? -1 : (int64_t)disk.file[name->file].cached_bytes;
}

static bool file_holds(const struct file *file, bool durable, const void *bytes, size_t len)
{
    size_t room = file->block_count * BLOCK;
    uint8_t *all = calloc(1, room + 1);
    if (all == NULL)
        abort();
    for (size_t i = 0; i < file->block_count; i++) {
        const uint8_t *block = durable ? file->block[i].durable : file->block[i].cached;
        if (block != NULL)
            memcpy(all + i * BLOCK, block, BLOCK);
    }
    bool found = memmem(all, room, bytes, len) != NULL;
    free(all);
    return found;
}

bool disk_holds(const char *beginning, const void *bytes, size_t len)
{
    bool found = false;
    for (int i = 0; i < FILES_MAX && !found; i++) {
        const struct name *seen = &disk.cached.name[i], *kept = &disk.durable.name[i];
        if (seen->file >= 0 && strncmp(seen->text, beginning, strlen(beginning)) == 0)
            found = file_holds(&disk.file[seen->file], false, bytes, len);
        if (!found && kept->file >= 0 && strncmp(kept->text, beginning, strlen(beginning)) == 0)
            found = file_holds(&disk.file[kept->file], true, bytes, len);
    }
    return found;
}

void disk_look_at_durable(bool on)
{
    disk.durable_view = on;
}

uint64_t disk_hash(const char *ending)
{
    uint64_t hash = 0xcbf29ce484222325ull;
    for (int i = 0; i < FILES_MAX; i++) {
        const struct name *name = &disk.durable.name[i];
        if (name->file < 0 || !ends_with(name->text, ending))
            continue;
        const struct file *file = &disk.file[name->file];
        uint64_t sum = file->durable_bytes;
        for (const char *at = name->text; *at != '\0'; at++)
            sum = (sum ^ (uint8_t)*at) * 0x100000001b3ull;
        for (size_t b = 0; b < file->block_count; b++) {
            const uint8_t *bytes = file->block[b].durable;
            if (bytes == NULL || all_zero(bytes, BLOCK))
                continue;
            for (size_t k = 0; k < BLOCK; k += 8) {
                uint64_t word;
                memcpy(&word, bytes + k, 8);
                sum = (sum ^ word) * 0x100000001b3ull + b;
            }
        }
        hash ^= sum; /* names in any order */
    }
    return hash;
}

/* Directories are there when something is in them. */
int disk_mkdir(const char *path, mode_t mode)
{
    (void)path, (void)mode;
    return 0;
}
