/* SPDX-License-Identifier: Apache-2.0
 *
 * kept: see kept.h.
 */
#include "server/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/merkle.h"
#include "common/note.h"

enum { NOTE_BYTES = 64 << 10, PATH_BYTES = 4096 };

/* In the data directory; beside a key elsewhere it is the live ledger's, whatever directory is
 * looked at. */
static const char *const places[KEPT_MAX] = {"checkpoint", "ledger.key.signed"};

static struct pl_status parse(struct pl_slice text, const char *origin, struct pl_checkpoint *ret)
{
    struct pl_note *note = malloc(sizeof(*note));
    PL_ASSERT(note != NULL);
    bool good = pl_is_ok(pl_checkpoint_note(text, note, ret)) && strcmp(ret->origin, origin) == 0;
    free(note);
    return good ? pl_ok() : pl_fail(CORRUPT, "read a checkpoint");
}

static struct pl_status read_one(const char *path, const char *origin, struct pl_checkpoint *ret)
{
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, NOTE_BYTES + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? pl_fail(NOT_FOUND, "find a checkpoint")
                               : pl_fail_errno(UNAVAILABLE, "open a checkpoint");
    struct pl_status status = pl_buf_read(&text, fd, NOTE_BYTES);
    (void)close(fd);
    if (!pl_is_ok(status))
        return (struct pl_status){PL_E_UNAVAILABLE, status.sys_errno, "read a checkpoint",
                                  PL_WHERE};
    return parse(pl_buf_slice(&text), origin, ret);
}

struct pl_status kept_read(const char *data, const char *origin, struct kept *ret,
                           const char **ret_name)
{
    *ret = (struct kept){.count = 0};
    for (size_t i = 0; i < PL_COUNT(places); i++) {
        char path[PATH_BYTES];
        *ret_name = places[i];
        (void)snprintf(path, sizeof(path), "%s/%s", data, places[i]);
        struct pl_status status = read_one(path, origin, &ret->checkpoint[ret->count]);
        if (status.code == PL_E_NOT_FOUND)
            continue;
        PL_TRY(status);
        ret->name[ret->count++] = places[i];
    }
    return pl_ok();
}

struct growing {
    const struct kept *kept;
    struct pl_merkle_frontier tree;
    struct pl_merkle_hash root[KEPT_MAX]; /* of the tree when it had the size of that checkpoint */
};

static void look(struct growing *growing)
{
    for (unsigned i = 0; i < growing->kept->count; i++) {
        if (growing->kept->checkpoint[i].size == growing->tree.size)
            pl_merkle_root(&growing->tree, &growing->root[i]);
    }
}

static struct pl_status take_entry(void *arg, uint64_t seq, struct pl_slice entry)
{
    struct growing *growing = arg;
    struct pl_merkle_hash leaf;
    (void)seq;
    pl_merkle_leaf(entry, &leaf);
    pl_merkle_append(&growing->tree, &leaf);
    look(growing);
    return pl_ok();
}

struct pl_status kept_check(const struct kept *kept, struct store *store, uint64_t size,
                            unsigned *ret_index)
{
    uint64_t most = 0;
    for (unsigned i = 0; i < kept->count; i++) {
        *ret_index = i;
        if (kept->checkpoint[i].size > size)
            return pl_fail(CORRUPT, "this ledger is older than what was signed");
        most = kept->checkpoint[i].size > most ? kept->checkpoint[i].size : most;
    }
    struct growing growing = {.kept = kept};
    look(&growing);
    if (most > 0) {
        struct store_reader *reader = NULL;
        PL_TRY(store_reader_open(store, &reader));
        struct pl_status status = store_reader_read(reader, 1, most, take_entry, &growing);
        store_reader_close(reader);
        PL_TRY(status);
    }
    for (unsigned i = 0; i < kept->count; i++) {
        *ret_index = i;
        if (!pl_merkle_eq(&growing.root[i], &kept->checkpoint[i].root))
            return pl_fail(CORRUPT, "this ledger is not the one that was signed");
    }
    return pl_ok();
}
