/* SPDX-License-Identifier: Apache-2.0
 *
 * mirror: the tree is taken up from the partial tiles of the checkpoint that is there, then from
 * the whole bundles in .incoming, then from what comes. Publishing moves files: whole tiles,
 * partial tiles, checkpoint, in this order, then removes what no checkpoint needs any more. A crash
 * between any two steps leaves a mirror that serves one checkpoint completely.
 */
#include "client/mirror.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/output.h"
#include "client/text.h"
#include "client/verify_tree.h"
#include "common/check.h"
#include "common/tlog.h"

enum {
    CHECKPOINT_BYTES_MAX = 64 << 10,
    BUNDLE_BYTES_MAX = PL_MERKLE_TILE_WIDTH * (PL_BUNDLE_ENTRY_MAX + 2),
    PATH_BYTES = 64 + PL_TILE_PATH_MAX,
    DEPTH_MOST = 16,
    KEYS_BYTES_MAX = 64 << 10,
    REFUSED_MOST = 20,
};
#define INCOMING ".incoming"
#define KEYS     ".keys" /* that the checkpoint was verified with when it came */
#define REFUSED  "checkpoint.refused"

struct mirror {
    int dir;
    int lock;
    const char *keys; /* borrowed */
    bool other_key;   /* the checkpoint that is there was signed by none of them */
    uint64_t size;    /* under the checkpoint that is there */
    struct pl_merkle_hash root;
    char origin[256];         /* of that checkpoint; "": there is none */
    bool replaying;           /* entries come from .incoming: they are written already */
    struct verify_tree *tree; /* of everything that came */
    struct pl_buf bundle;     /* entries of the bundle that is being filled */
    struct pl_buf scratch;
};

/* --- files --- */

static struct pl_status read_file(int dir, const char *path, size_t most, struct pl_buf *ret)
{
    pl_buf_clear(ret);
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? pl_fail(NOT_FOUND, "a file of the mirror is not there")
                               : pl_fail_errno(IO, N_("open a file of the mirror"));
    struct pl_status status = pl_buf_read(ret, fd, most);
    if (status.code == PL_E_IO)
        status.what = N_("read a file of the mirror");
    (void)close(fd);
    PL_TRY(status);
    return pl_buf_len(ret) <= most ? pl_ok()
                                   : pl_fail(CORRUPT, N_("a file of the mirror is too long"));
}

/* All directories above a path. */
static struct pl_status make_parents(int dir, const char *path)
{
    char part[PATH_BYTES];
    for (const char *end = strchr(path, '/'); end != NULL; end = strchr(end + 1, '/')) {
        (void)snprintf(part, sizeof(part), "%.*s", (int)(end - path), path);
        if (mkdirat(dir, part, 0755) != 0 && errno != EEXIST)
            return pl_fail_errno(IO, N_("make a directory of the mirror"));
    }
    return pl_ok();
}

/* Whole or not there: written beside its place and renamed. */
static struct pl_status write_file(int dir, const char *path, struct pl_slice bytes)
{
    char part[PATH_BYTES + sizeof(".part")];
    PL_TRY(make_parents(dir, path));
    (void)snprintf(part, sizeof(part), "%s.part", path);
    int fd = openat(dir, part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return pl_fail_errno(IO, N_("make a file of the mirror"));
    struct pl_status status = output_write(fd, bytes);
    if (close(fd) != 0 && pl_is_ok(status))
        status = pl_fail_errno(IO, N_("write a file of the mirror"));
    if (pl_is_ok(status) && renameat(dir, part, dir, path) != 0)
        status = pl_fail_errno(IO, N_("name a file of the mirror"));
    return status;
}

static void tile_path(const struct pl_tile *tile, const char *before, char out[PATH_BYTES])
{
    char path[PL_TILE_PATH_MAX];
    pl_tile_path(tile, path);
    (void)snprintf(out, PATH_BYTES, "%s%s", before, path);
}

static struct pl_status write_tile(struct mirror *mirror, const struct pl_tile *tile,
                                   struct pl_slice bytes)
{
    char path[PATH_BYTES];
    tile_path(tile, INCOMING "/", path);
    return write_file(mirror->dir, path, bytes);
}

/* Everything below a directory, and itself. Nothing there is fine. */
static struct pl_status remove_all(int dir, const char *name, int depth)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? pl_ok() : pl_fail_errno(IO, N_("open a directory of the mirror"));
    DIR *list = fdopendir(fd);
    PL_ASSERT(list != NULL);
    struct pl_status status =
        depth == 0 ? pl_fail(CORRUPT, N_("a mirror is not that deep")) : pl_ok();
    for (struct dirent *item; pl_is_ok(status) && (item = readdir(list)) != NULL;) {
        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0)
            continue;
        if (unlinkat(fd, item->d_name, 0) == 0)
            continue;
        status = errno == EISDIR || errno == EPERM ? remove_all(fd, item->d_name, depth - 1)
                                                   : pl_fail_errno(IO, N_("remove a file"));
    }
    (void)closedir(list);
    if (pl_is_ok(status) && unlinkat(dir, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
        status = pl_fail_errno(IO, N_("remove a directory"));
    return status;
}

/* --- entries come in --- */

static struct pl_status on_tile(void *arg, unsigned level, uint64_t number, struct pl_slice hashes)
{
    struct mirror *mirror = arg;
    const struct pl_tile tile = {
        .level = level, .index = number, .width = (unsigned)(hashes.len / PL_SHA256_BYTES)};
    return write_tile(mirror, &tile, hashes);
}

static struct pl_status write_bundle(struct mirror *mirror, uint64_t number, unsigned width)
{
    const struct pl_tile tile = {.entries = true, .index = number, .width = width};
    return write_tile(mirror, &tile, pl_buf_slice(&mirror->bundle));
}

struct pl_status mirror_take(struct mirror *mirror, struct pl_slice entry)
{
    uint8_t leaf[1][PL_SHA256_BYTES];
    PL_TRY(pl_bundle_append(&mirror->bundle, entry));
    verify_tree_leaf(entry, leaf[0]);
    bool full = mirror->tree->size % PL_MERKLE_TILE_WIDTH == PL_MERKLE_TILE_WIDTH - 1;
    if (full && !mirror->replaying) /* before its hashes: what replays is bundles */
        PL_TRY(
            write_bundle(mirror, mirror->tree->size / PL_MERKLE_TILE_WIDTH, PL_MERKLE_TILE_WIDTH));
    PL_TRY(verify_tree_add(mirror->tree, leaf, 1, NULL));
    if (full)
        pl_buf_clear(&mirror->bundle);
    return pl_ok();
}

/* --- taking up what is there --- */

/* The partial tiles of the size that the checkpoint names. */
static struct pl_status load_tiles(struct mirror *mirror, uint64_t size)
{
    char path[PATH_BYTES];
    for (unsigned level = 0; level < VERIFY_TREE_LEVELS; level++) {
        struct pl_tile tile = {.level = level, .index = size >> (8 * (level + 1))};
        tile.width = pl_tile_width(level, tile.index, size);
        if (tile.width == 0)
            continue;
        tile_path(&tile, "", path);
        PL_TRY(read_file(mirror->dir, path, VERIFY_TILE_BYTES, &mirror->scratch));
        if (pl_buf_len(&mirror->scratch) != (size_t)tile.width * PL_SHA256_BYTES)
            return pl_fail(CORRUPT, N_("a tile of the mirror has another size"));
        memcpy(mirror->tree->tile[level], pl_buf_slice(&mirror->scratch).data,
               (size_t)tile.width * PL_SHA256_BYTES);
    }
    mirror->tree->size = size;
    return pl_ok();
}

/* Entries of the bundle that is not full yet; their hashes must be those of its tile. */
static struct pl_status load_bundle(struct mirror *mirror, uint64_t size)
{
    char path[PATH_BYTES];
    struct pl_tile tile = {.entries = true, .index = size / PL_MERKLE_TILE_WIDTH};
    tile.width = (unsigned)(size % PL_MERKLE_TILE_WIDTH);
    pl_buf_clear(&mirror->bundle);
    if (tile.width == 0)
        return pl_ok();
    tile_path(&tile, "", path);
    PL_TRY(read_file(mirror->dir, path, BUNDLE_BYTES_MAX, &mirror->bundle));
    size_t cursor = 0, count = 0;
    bool damaged = false;
    struct pl_slice entry;
    while (pl_bundle_next(pl_buf_slice(&mirror->bundle), &cursor, &entry, &damaged)) {
        uint8_t leaf[PL_SHA256_BYTES];
        verify_tree_leaf(entry, leaf);
        if (count >= tile.width || memcmp(leaf, mirror->tree->tile[0][count], PL_SHA256_BYTES) != 0)
            return pl_fail(CORRUPT, N_("an entry of the mirror was altered"));
        count++;
    }
    return !damaged && count == tile.width
               ? pl_ok()
               : pl_fail(CORRUPT, N_("a bundle of the mirror does not add up"));
}

/* A ledger may change keys; what continues what is there does so under any of them. */
static struct pl_status open_checkpoint(struct mirror *mirror, struct verify_checkpoint *ret)
{
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, KEYS_BYTES_MAX + (128 << 10));
    PL_TRY(read_file(mirror->dir, "checkpoint", CHECKPOINT_BYTES_MAX, &mirror->scratch));
    struct pl_slice note = pl_buf_slice(&mirror->scratch);
    if (verify_checkpoint_open(note, mirror->keys, ret) == NULL)
        return pl_ok();
    struct pl_status status = read_file(mirror->dir, KEYS, KEYS_BYTES_MAX, &text);
    if (pl_is_ok(status))
        status = pl_buf_append(&text, "", 1);
    mirror->other_key =
        pl_is_ok(status) &&
        verify_checkpoint_open(note, (const char *)pl_buf_slice(&text).data, ret) == NULL;
    return mirror->other_key
               ? pl_ok()
               : pl_fail(CORRUPT, N_("the checkpoint of the mirror is not signed by this ledger"));
}

static struct pl_status load(struct mirror *mirror)
{
    struct verify_checkpoint checkpoint;
    uint8_t root[PL_SHA256_BYTES];
    struct pl_status status = open_checkpoint(mirror, &checkpoint);
    if (status.code == PL_E_NOT_FOUND)
        return pl_ok();
    PL_TRY(status);
    memcpy(mirror->origin, checkpoint.origin, sizeof(mirror->origin));
    status = load_tiles(mirror, checkpoint.size);
    if (status.code == PL_E_NOT_FOUND)
        return pl_fail(CORRUPT, N_("a tile of the mirror is missing"));
    PL_TRY(status);
    verify_tree_root(mirror->tree, root);
    if (memcmp(root, checkpoint.root, sizeof(root)) != 0)
        return pl_fail(CORRUPT, N_("the tiles of the mirror do not lead to its checkpoint"));
    status = load_bundle(mirror, checkpoint.size);
    if (status.code == PL_E_NOT_FOUND)
        return pl_fail(CORRUPT, N_("a bundle of the mirror is missing"));
    mirror->size = checkpoint.size;
    memcpy(mirror->root.bytes, root, sizeof(root));
    return status;
}

/* What an interrupted run left: whole bundles, one after the other. */
static struct pl_status replay_incoming(struct mirror *mirror)
{
    for (;;) {
        char path[PATH_BYTES];
        const struct pl_tile tile = {.entries = true,
                                     .index = mirror->tree->size / PL_MERKLE_TILE_WIDTH,
                                     .width = PL_MERKLE_TILE_WIDTH};
        uint64_t before = mirror->tree->size % PL_MERKLE_TILE_WIDTH;
        tile_path(&tile, INCOMING "/", path);
        struct pl_status status = read_file(mirror->dir, path, BUNDLE_BYTES_MAX, &mirror->scratch);
        if (status.code == PL_E_NOT_FOUND)
            return pl_ok();
        PL_TRY(status);
        size_t cursor = 0;
        uint64_t count = 0;
        bool damaged = false;
        struct pl_slice entry;
        while (pl_bundle_next(pl_buf_slice(&mirror->scratch), &cursor, &entry, &damaged)) {
            if (count++ >= before) /* the ones before are here from the partial bundle */
                PL_TRY(mirror_take(mirror, entry));
        }
        if (damaged || count != PL_MERKLE_TILE_WIDTH)
            return pl_fail(CORRUPT, N_("a bundle in .incoming does not add up: remove it"));
    }
}

static struct pl_status take_lock(struct mirror *mirror)
{
    mirror->lock = openat(mirror->dir, ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (mirror->lock < 0)
        return pl_fail_errno(IO, N_("make the lock of the mirror"));
    return flock(mirror->lock, LOCK_EX | LOCK_NB) == 0
               ? pl_ok()
               : pl_fail(BUSY, N_("another process works on this mirror"));
}

static struct pl_status open_dir(struct mirror *mirror, const char *dir)
{
    if (mkdir(dir, 0755) != 0 && errno != EEXIST)
        return pl_fail_errno(IO, N_("make the mirror's directory"));
    mirror->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (mirror->dir < 0)
        return pl_fail_errno(IO, N_("open the mirror's directory"));
    PL_TRY(take_lock(mirror));
    PL_TRY(load(mirror));
    mirror->replaying = true;
    PL_TRY(replay_incoming(mirror));
    mirror->replaying = false;
    return pl_ok();
}

struct pl_status mirror_open(const char *dir, const char *keys, struct mirror **ret)
{
    struct mirror *mirror = calloc(1, sizeof(*mirror));
    PL_ASSERT(mirror != NULL);
    mirror->keys = keys;
    mirror->dir = mirror->lock = -1;
    mirror->tree = malloc(sizeof(*mirror->tree));
    PL_ASSERT(mirror->tree != NULL);
    verify_tree_init(mirror->tree, on_tile, mirror);
    pl_buf_init(&mirror->bundle, BUNDLE_BYTES_MAX + (128 << 10));
    pl_buf_init(&mirror->scratch, BUNDLE_BYTES_MAX + (128 << 10));
    struct pl_status status = open_dir(mirror, dir);
    if (pl_is_ok(status))
        *ret = mirror;
    else
        mirror_close(mirror);
    return status;
}

void mirror_close(struct mirror *mirror)
{
    if (mirror == NULL)
        return;
    if (mirror->lock >= 0)
        (void)close(mirror->lock);
    if (mirror->dir >= 0)
        (void)close(mirror->dir);
    pl_buf_fini(&mirror->bundle);
    pl_buf_fini(&mirror->scratch);
    free(mirror->tree);
    free(mirror);
}

const char *mirror_origin(const struct mirror *mirror)
{
    return mirror->origin;
}

bool mirror_key_changed(const struct mirror *mirror)
{
    return mirror->other_key;
}

uint64_t mirror_size(const struct mirror *mirror)
{
    return mirror->size;
}

uint64_t mirror_next_seq(const struct mirror *mirror)
{
    return mirror->tree->size + 1;
}

/* --- how it was --- */

/* Any hash of the tree under the checkpoint, from the tile that has it. */
static struct pl_status read_hashes(void *arg, unsigned level, uint64_t first, size_t count,
                                    struct pl_merkle_hash *ret)
{
    struct mirror *mirror = arg;
    char path[PATH_BYTES];
    size_t at = (size_t)(first % PL_MERKLE_TILE_WIDTH);
    struct pl_tile tile = {.level = level, .index = first / PL_MERKLE_TILE_WIDTH};
    tile.width = pl_tile_width(level, tile.index, mirror->size);
    tile_path(&tile, "", path);
    struct pl_status status = read_file(mirror->dir, path, VERIFY_TILE_BYTES, &mirror->scratch);
    if (status.code == PL_E_NOT_FOUND)
        return pl_fail(CORRUPT, N_("a tile of the mirror is missing"));
    PL_TRY(status);
    struct pl_slice hashes = pl_buf_slice(&mirror->scratch);
    if (hashes.len != (size_t)tile.width * PL_SHA256_BYTES || at + count > tile.width)
        return pl_fail(CORRUPT, N_("a tile of the mirror has another size"));
    memcpy(ret, hashes.data + at * PL_SHA256_BYTES, count * PL_SHA256_BYTES);
    return pl_ok();
}

struct pl_status mirror_root_at(struct mirror *mirror, uint64_t size, uint8_t out[PL_SHA256_BYTES])
{
    struct pl_merkle_frontier frontier;
    struct pl_merkle_hash root;
    struct pl_merkle_proof proof;
    PL_ASSERT(size <= mirror->size);
    PL_TRY(pl_merkle_frontier_at(read_hashes, mirror, size, &frontier));
    pl_merkle_root(&frontier, &root);
    memcpy(out, root.bytes, PL_SHA256_BYTES);
    /* a tile that was damaged here must not look like another history there */
    PL_TRY(pl_merkle_prove_consistency(read_hashes, mirror, size, mirror->size, &proof));
    return pl_is_ok(pl_merkle_check_consistency(size, mirror->size, &root, &mirror->root, &proof))
               ? pl_ok()
               : pl_fail(CORRUPT, N_("the tiles of the mirror do not lead to its checkpoint"));
}

/* --- publishing --- */

/* Gives the tiles of one level from one size to the other their places. */
static struct pl_status publish_level(struct mirror *mirror, bool entries, unsigned level,
                                      uint64_t size)
{
    uint64_t span = 8 * (uint64_t)(level + 1);
    for (uint64_t index = mirror->size >> span; index <= size >> span; index++) {
        char from[PATH_BYTES], to[PATH_BYTES];
        struct pl_tile tile = {.entries = entries, .level = level, .index = index};
        tile.width = pl_tile_width(level, index, size);
        if (tile.width == 0)
            continue;
        tile_path(&tile, INCOMING "/", from);
        tile_path(&tile, "", to);
        PL_TRY(make_parents(mirror->dir, to));
        /* Not there: it has its place already, from a run that ended on the way or as it was. */
        if (renameat2(mirror->dir, from, mirror->dir, to, RENAME_NOREPLACE) != 0 &&
            errno != ENOENT && errno != EEXIST)
            return pl_fail_errno(IO, N_("give a tile its place"));
    }
    return pl_ok();
}

/* The directory of partial tiles beside a tile: all of them, or all but one. */
static struct pl_status prune(struct mirror *mirror, bool entries, unsigned level, uint64_t index,
                              unsigned keep)
{
    char path[PATH_BYTES], kept[16];
    struct pl_tile tile = {.entries = entries, .level = level, .index = index, .width = 1};
    tile_path(&tile, "", path);
    path[strlen(path) - 2] = '\0'; /* ".p" alone */
    if (keep == 0)
        return remove_all(mirror->dir, path, DEPTH_MOST);
    (void)snprintf(kept, sizeof(kept), "%u", keep);
    int fd = openat(mirror->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (list == NULL)
        return pl_ok();
    for (struct dirent *item; (item = readdir(list)) != NULL;) {
        if (item->d_name[0] != '.' && strcmp(item->d_name, kept) != 0)
            (void)unlinkat(fd, item->d_name, 0);
    }
    (void)closedir(list);
    return pl_ok();
}

/* Partial tiles between the two sizes' edges that the newest checkpoint does not need. */
static struct pl_status prune_level(struct mirror *mirror, bool entries, unsigned level,
                                    uint64_t size)
{
    uint64_t span = 8 * (uint64_t)(level + 1);
    PL_TRY(prune(mirror, entries, level, size >> span,
                 pl_tile_width(level, size >> span, size) % PL_MERKLE_TILE_WIDTH));
    if (mirror->size >> span != size >> span)
        PL_TRY(prune(mirror, entries, level, mirror->size >> span, 0));
    return pl_ok();
}

static struct pl_status sync_all(struct mirror *mirror)
{
    return syncfs(mirror->dir) == 0 ? pl_ok()
                                    : pl_fail_errno(IO, N_("write the mirror to the disk"));
}

static struct pl_status publish(struct mirror *mirror, struct pl_slice text, uint64_t size)
{
    PL_TRY(publish_level(mirror, true, 0, size));
    for (unsigned level = 0; level < VERIFY_TREE_LEVELS; level++)
        PL_TRY(publish_level(mirror, false, level, size));
    PL_TRY(sync_all(mirror)); /* what a checkpoint names is on the disk before it */
    PL_TRY(write_file(mirror->dir, "checkpoint", text));
    PL_TRY(write_file(mirror->dir, KEYS, pl_slice_str(mirror->keys)));
    PL_TRY(prune_level(mirror, true, 0, size));
    for (unsigned level = 0; level < VERIFY_TREE_LEVELS; level++)
        PL_TRY(prune_level(mirror, false, level, size));
    PL_TRY(remove_all(mirror->dir, INCOMING, DEPTH_MOST));
    mirror->size = size;
    return sync_all(mirror);
}

/* Those that are there stay: what comes after them may be an attempt to cover them, as a harmless
 * one that comes first may be. */
struct pl_status mirror_refuse(struct mirror *mirror, struct pl_slice text,
                               char ret_name[MIRROR_NAME_BYTES])
{
    (void)snprintf(ret_name, MIRROR_NAME_BYTES, REFUSED);
    for (unsigned number = 2; number < 2 + REFUSED_MOST; number++) {
        struct pl_status status =
            read_file(mirror->dir, ret_name, CHECKPOINT_BYTES_MAX, &mirror->scratch);
        if (status.code == PL_E_NOT_FOUND) {
            PL_TRY(write_file(mirror->dir, ret_name, text));
            return sync_all(mirror);
        }
        if (pl_is_ok(status) && pl_slice_eq(pl_buf_slice(&mirror->scratch), text))
            return pl_ok();
        (void)snprintf(ret_name, MIRROR_NAME_BYTES, REFUSED ".%u", number);
    }
    ret_name[0] = '\0';
    return pl_ok();
}

struct pl_status mirror_finish(struct mirror *mirror, struct pl_slice text,
                               const struct verify_checkpoint *checkpoint)
{
    uint8_t root[PL_SHA256_BYTES];
    verify_tree_root(mirror->tree, root);
    if (mirror->tree->size != checkpoint->size ||
        memcmp(root, checkpoint->root, sizeof(root)) != 0) {
        PL_TRY(remove_all(mirror->dir, INCOMING, DEPTH_MOST));
        return pl_fail(CORRUPT, N_("what came does not lead from the mirror to the signed root"));
    }
    unsigned width = (unsigned)(checkpoint->size % PL_MERKLE_TILE_WIDTH);
    if (width != 0 && checkpoint->size != mirror->size)
        PL_TRY(write_bundle(mirror, checkpoint->size / PL_MERKLE_TILE_WIDTH, width));
    if (checkpoint->size != mirror->size)
        PL_TRY(verify_tree_rest(mirror->tree));
    PL_TRY(publish(mirror, text, checkpoint->size));
    memcpy(mirror->root.bytes, root, sizeof(root));
    return pl_ok();
}
