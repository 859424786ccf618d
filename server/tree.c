/* SPDX-License-Identifier: Apache-2.0
 *
 * tree: see tree.h. The partial tile of each level is kept in memory: what the next append and the
 * root need.
 */
#include "server/tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/check.h"

enum { PATH_BYTES = 4096, ABOVE_MAX = TREE_APPEND_MAX / PL_MERKLE_TILE_WIDTH + 2 };

struct tree {
    struct io *io;
    char dir[PATH_BYTES - 32];
    int fd[TREE_LEVELS];
    uint64_t size;
    struct pl_merkle_hash tail[TREE_LEVELS][PL_MERKLE_TILE_WIDTH];
};

/* New hashes of one level. */
struct growth {
    size_t count;
    struct pl_merkle_hash hash[ABOVE_MAX];
};

static uint64_t hashes_at(unsigned level, uint64_t size)
{
    return size >> (level * PL_MERKLE_TILE_HEIGHT);
}

static size_t tail_len(const struct tree *tree, unsigned level)
{
    return hashes_at(level, tree->size) % PL_MERKLE_TILE_WIDTH;
}

static void path_of(const struct tree *tree, const char *name, char ret[PATH_BYTES])
{
    (void)snprintf(ret, PATH_BYTES, "%s/%s", tree->dir, name);
}

/* --- opening --- */

/* 0 if there is no mark that can be believed. */
static uint64_t read_mark(struct tree *tree)
{
    char path[PATH_BYTES], text[32] = "";
    int fd = -1;
    uint64_t size = 0;
    path_of(tree, "synced", path);
    if (!pl_is_ok(tree->io->open(tree->io, path, false, false, 0, &fd)))
        return 0;
    struct pl_status status = tree->io->size(tree->io, fd, &size);
    if (pl_is_ok(status) && size < sizeof(text))
        status = tree->io->pread(tree->io, fd, text, (size_t)size, 0);
    tree->io->close(tree->io, fd);
    uint64_t mark = 0;
    size_t digits = strspn(text, "0123456789");
    if (!pl_is_ok(status) || digits == 0 || digits > 18 || strcmp(text + digits, "\n") != 0)
        return 0;
    for (size_t i = 0; i < digits; i++)
        mark = mark * 10 + (uint64_t)(text[i] - '0');
    return mark;
}

static struct pl_status write_mark(struct tree *tree, uint64_t size)
{
    char path[PATH_BYTES], text[32];
    path_of(tree, "synced", path);
    (void)snprintf(text, sizeof(text), "%" PRIu64 "\n", size);
    return io_write_file(tree->io, path, pl_slice_str(text), 0600);
}

/* The partial tiles of the size; false if a file is too short for it. */
static bool load_tails(struct tree *tree)
{
    for (unsigned level = 0; level < TREE_LEVELS; level++) {
        uint64_t bytes = 0, need = hashes_at(level, tree->size) * PL_MERKLE_BYTES;
        size_t len = tail_len(tree, level) * PL_MERKLE_BYTES;
        if (!pl_is_ok(tree->io->size(tree->io, tree->fd[level], &bytes)) || bytes < need)
            return false;
        if (len != 0 && !pl_is_ok(tree->io->pread(tree->io, tree->fd[level], tree->tail[level], len,
                                                  need - len)))
            return false;
    }
    return true;
}

static struct pl_status open_files(struct tree *tree)
{
    for (unsigned level = 0; level < TREE_LEVELS; level++) {
        char path[PATH_BYTES], name[16];
        (void)snprintf(name, sizeof(name), "%u", level);
        path_of(tree, name, path);
        struct pl_status status = tree->io->open(tree->io, path, false, true, 0, &tree->fd[level]);
        if (status.code == PL_E_NOT_FOUND)
            status = tree->io->open(tree->io, path, true, true, 0600, &tree->fd[level]);
        PL_TRY(status);
    }
    return pl_ok();
}

struct pl_status tree_open(struct io *io, const char *data, struct tree **ret)
{
    struct tree *tree = calloc(1, sizeof(*tree));
    PL_ASSERT(tree != NULL);
    tree->io = io;
    for (unsigned level = 0; level < TREE_LEVELS; level++)
        tree->fd[level] = -1;
    int len = snprintf(tree->dir, sizeof(tree->dir), "%s/tiles", data);
    struct pl_status status = len < 0 || (size_t)len >= sizeof(tree->dir)
                                  ? pl_fail(INVALID, "a path is too long")
                                  : pl_ok();
    if (pl_is_ok(status) && mkdir(tree->dir, 0700) != 0 && errno != EEXIST)
        status = pl_fail_errno(IO, "make the directory of tiles");
    if (pl_is_ok(status))
        status = open_files(tree);
    if (!pl_is_ok(status)) {
        tree_close(tree);
        return status;
    }
    tree->size = read_mark(tree);
    if (!load_tails(tree))
        tree->size = 0;
    *ret = tree;
    return pl_ok();
}

void tree_close(struct tree *tree)
{
    if (tree == NULL)
        return;
    for (unsigned level = 0; level < TREE_LEVELS; level++) {
        if (tree->fd[level] >= 0)
            tree->io->close(tree->io, tree->fd[level]);
    }
    free(tree);
}

uint64_t tree_size(const struct tree *tree)
{
    return tree->size;
}

/* --- growing --- */

static const struct pl_merkle_hash *nth(const struct pl_merkle_hash *tail, size_t tail_count,
                                        const struct pl_merkle_hash *more, size_t i)
{
    return i < tail_count ? &tail[i] : &more[i - tail_count];
}

/* What a level's new hashes complete: roots of tiles. */
static void complete_tiles(const struct tree *tree, unsigned level,
                           const struct pl_merkle_hash *more, size_t count, struct growth *ret)
{
    size_t tail_count = tail_len(tree, level);
    ret->count = 0;
    for (size_t at = 0; at + PL_MERKLE_TILE_WIDTH <= tail_count + count;
         at += PL_MERKLE_TILE_WIDTH) {
        struct pl_merkle_hash row[PL_MERKLE_TILE_WIDTH / 2];
        for (size_t i = 0; i < PL_COUNT(row); i++)
            pl_merkle_node(nth(tree->tail[level], tail_count, more, at + 2 * i),
                           nth(tree->tail[level], tail_count, more, at + 2 * i + 1), &row[i]);
        for (size_t width = PL_COUNT(row); width > 1; width /= 2) {
            for (size_t i = 0; i < width / 2; i++)
                pl_merkle_node(&row[2 * i], &row[2 * i + 1], &row[i]);
        }
        PL_ASSERT(ret->count < ABOVE_MAX);
        ret->hash[ret->count++] = row[0];
    }
}

static struct pl_status write_level(struct tree *tree, unsigned level,
                                    const struct pl_merkle_hash *more, size_t count)
{
    uint64_t at = hashes_at(level, tree->size) * PL_MERKLE_BYTES;
    return tree->io->pwrite(tree->io, tree->fd[level], more, count * PL_MERKLE_BYTES, at);
}

/* Before the size moves. */
static void grow_tail(struct tree *tree, unsigned level, const struct pl_merkle_hash *more,
                      size_t count)
{
    size_t len = tail_len(tree, level);
    for (size_t i = 0; i < count; i++) {
        tree->tail[level][len++] = more[i];
        len %= PL_MERKLE_TILE_WIDTH;
    }
}

struct pl_status tree_append(struct tree *tree, const struct pl_merkle_hash *leaf, size_t count)
{
    PL_ASSERT(count <= TREE_APPEND_MAX && tree->size <= PL_MERKLE_SIZE_MAX - count);
    struct growth above[TREE_LEVELS + 1];
    unsigned levels = 0;
    const struct pl_merkle_hash *more = leaf;
    size_t more_count = count;
    for (; more_count != 0 && levels < TREE_LEVELS; levels++) {
        PL_TRY(write_level(tree, levels, more, more_count));
        complete_tiles(tree, levels, more, more_count, &above[levels + 1]);
        more = above[levels + 1].hash;
        more_count = above[levels + 1].count;
    }
    for (unsigned level = 0; level < levels; level++)
        grow_tail(tree, level, level == 0 ? leaf : above[level].hash,
                  level == 0 ? count : above[level].count);
    tree->size += count;
    return pl_ok();
}

struct pl_status tree_sync(struct tree *tree)
{
    for (unsigned level = 0; level < TREE_LEVELS; level++) {
        struct pl_status status = tree->io->datasync(tree->io, tree->fd[level]);
        if (pl_is_ok(status))
            continue;
        tree->size = 0; /* the next sync would be content with what this one lost */
        return status;
    }
    return write_mark(tree, tree->size);
}

struct pl_status tree_clear(struct tree *tree)
{
    PL_TRY(write_mark(tree, 0));
    tree->size = 0;
    return pl_ok();
}

/* --- reading --- */

struct pl_status tree_read(void *arg, unsigned level, uint64_t first, size_t count,
                           struct pl_merkle_hash *ret)
{
    struct tree *tree = arg;
    if (level >= TREE_LEVELS)
        return pl_fail(NOT_FOUND, "the tree has no such level");
    return tree->io->pread(tree->io, tree->fd[level], ret, count * PL_MERKLE_BYTES,
                           first * PL_MERKLE_BYTES);
}

/* The right edge lies in the partial tiles. */
static struct pl_status read_tails(void *arg, unsigned level, uint64_t first, size_t count,
                                   struct pl_merkle_hash *ret)
{
    const struct tree *tree = arg;
    PL_ASSERT(level < TREE_LEVELS &&
              first / PL_MERKLE_TILE_WIDTH == hashes_at(level, tree->size) / PL_MERKLE_TILE_WIDTH);
    memcpy(ret, &tree->tail[level][first % PL_MERKLE_TILE_WIDTH], count * sizeof(*ret));
    return pl_ok();
}

void tree_root(const struct tree *tree, struct pl_merkle_hash *ret)
{
    struct pl_merkle_frontier frontier;
    struct pl_status status =
        pl_merkle_frontier_at(read_tails, (void *)(uintptr_t)tree, tree->size, &frontier);
    PL_ASSERT(pl_is_ok(status)); /* memory does not fail */
    pl_merkle_root(&frontier, ret);
}

struct pl_status tree_root_at(struct tree *tree, uint64_t size, struct pl_merkle_hash *ret)
{
    struct pl_merkle_frontier frontier;
    if (size > tree->size)
        return pl_fail(NOT_FOUND, "the tree is smaller");
    PL_TRY(pl_merkle_frontier_at(tree_read, tree, size, &frontier));
    pl_merkle_root(&frontier, ret);
    return pl_ok();
}
