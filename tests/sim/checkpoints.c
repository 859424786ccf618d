/* SPDX-License-Identifier: Apache-2.0
 *
 * checkpoints: see checkpoints.h.
 */
#include "tests/sim/checkpoints.h"

#include <inttypes.h>
#include <string.h>

#include "common/check.h"
#include "common/hash.h"
#include "common/note.h"
#include "server/notary.h"
#include "server/store/io.h"
#include "tests/sim/disk.h"

enum { HASH = PL_SHA256_BYTES, NOTE_MAX = 2048, ENTRY_MAX = 1 << 16 };

static struct {
    struct model *model;
    char secret[PL_NOTE_KEY_MAX],
        vkey[PL_NOTE_KEY_MAX]; /* of the program; never the run's chance */
    uint64_t size;             /* the largest that anybody saw a checkpoint of */
    uint64_t seen;
} c;

void checkpoints_begin(struct model *model)
{
    struct pl_status status = pl_ok();
    if (c.secret[0] == '\0')
        status = pl_note_keygen("example.org/sim", c.secret, c.vkey);
    if (pl_is_ok(status))
        status = io_write_file(io_system(), CHECKPOINTS_KEY, pl_slice_str(c.secret), 0600);
    PL_ASSERT(pl_is_ok(status));
    c.model = model;
    c.size = c.seen = 0;
}

const char *checkpoints_vkey(void)
{
    return c.vkey;
}

uint64_t checkpoints_seen(void)
{
    return c.seen;
}

/* --- the root, as RFC 6962 defines it, from the entries themselves --- */

static void root_of(uint64_t first, uint64_t count, uint8_t ret[HASH])
{
    static uint8_t bytes[ENTRY_MAX + 1];
    if (count == 1) {
        const struct model_entry *entry = &c.model->entry[first];
        PL_ASSERT(entry->len <= ENTRY_MAX);
        bytes[0] = 0;
        memcpy(bytes + 1, entry->bytes, entry->len);
        pl_sha256(pl_slice(bytes, entry->len + 1), ret);
        return;
    }
    uint64_t left = 1;
    while (left * 2 < count)
        left *= 2;
    uint8_t node[1 + 2 * HASH] = {1};
    root_of(first, left, node + 1);
    root_of(first + left, count - left, node + 1 + HASH);
    pl_sha256(pl_slice(node, sizeof(node)), ret);
}

/* --- one checkpoint --- */

/* The size that this file says was signed, as a power loss right now would leave it; 0: none. */
static uint64_t remembered(const char *path)
{
    char note[NOTE_MAX] = "";
    struct pl_checkpoint checkpoint;
    struct pl_note_key key;
    struct io *io = io_system();
    uint64_t len = 0;
    int fd = -1;
    disk_look_at_durable(true);
    struct pl_status status = io->open(io, path, false, false, 0, &fd);
    if (pl_is_ok(status)) {
        status = io->size(io, fd, &len);
        if (pl_is_ok(status) && len < sizeof(note))
            status = io->pread(io, fd, note, (size_t)len, 0);
        io->close(io, fd);
    }
    disk_look_at_durable(false);
    if (pl_is_ok(status))
        status = pl_note_key_parse(pl_slice_str(c.vkey), &key);
    if (pl_is_ok(status))
        status = pl_checkpoint_open(pl_slice(note, (size_t)len), &key, 1, &checkpoint, NULL);
    return pl_is_ok(status) ? checkpoint.size : 0;
}

static bool is_kept(uint64_t size)
{
    static const char *const places[] = {CHECKPOINTS_KEY ".signed", "/d/checkpoint"};
    for (size_t i = 0; i < PL_COUNT(places); i++) {
        uint64_t kept = remembered(places[i]);
        if (kept < size)
            return model_wrong(c.model,
                               "a checkpoint over %" PRIu64 " entries is out, and %s says %" PRIu64,
                               size, places[i], kept);
    }
    return true;
}

static bool check(const struct pl_checkpoint *told, uint64_t durable)
{
    uint8_t root[HASH];
    if (told->size < c.size)
        return model_wrong(c.model, "a checkpoint over %" PRIu64 " entries after one over %" PRIu64,
                           told->size, c.size);
    c.size = told->size;
    if (durable == 0)
        return true;
    if (told->size > durable)
        return model_wrong(c.model, "%" PRIu64 " entries are signed, durable are %" PRIu64,
                           told->size, durable);
    root_of(0, told->size, root);
    if (memcmp(root, told->root.bytes, HASH) != 0)
        return model_wrong(c.model, "the checkpoint over %" PRIu64 " entries has another root",
                           told->size);
    return is_kept(told->size);
}

bool checkpoints_look(struct notary *notary, uint64_t durable)
{
    struct signed_tree *tree = pl_slot_take(notary_slot(notary, 0));
    if (tree == NULL)
        return true;
    struct pl_checkpoint told = tree->checkpoint;
    signed_tree_unref(tree);
    c.seen++;
    return check(&told, durable);
}

bool checkpoints_started(const struct notary *notary, uint64_t size, bool lied)
{
    bool read_only = notary_why_read_only(notary) != NULL;
    if (c.size > size && !read_only)
        return model_wrong(
            c.model, "the log has %" PRIu64 " entries, %" PRIu64 " were signed, and it goes on",
            size, c.size);
    return !read_only || lied || c.size > size ||
           model_wrong(c.model, "it is read-only, and nothing is lost: %s",
                       notary_why_read_only(notary));
}
