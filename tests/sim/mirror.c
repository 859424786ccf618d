/* SPDX-License-Identifier: Apache-2.0
 *
 * mirror: see mirror.h.
 */
#include "tests/sim/mirror.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/merkle.h"
#include "pledged/v1/types.pb-c.h"
#include "server/notary.h"
#include "tests/sim/checkpoints.h"
#include "tests/sim/witnesses.h"

enum { WIDTH = 256, HASH = 32, LEVELS = 2 /* more than 65,536 entries no run has */ };

static uint64_t entries_of_one(unsigned level)
{
    return level == 0 ? 1 : WIDTH;
}

/* Entries that must be signed before there is such a file. */
static uint64_t entries_under(const struct mirror_file *file)
{
    return (file->index * WIDTH + file->width) * entries_of_one(file->level);
}

static void choose_width(struct dice *dice, uint64_t there, struct mirror_file *ret)
{
    uint64_t before = ret->index * WIDTH, left = there > before ? there - before : 0;
    if (left >= WIDTH && dice_below(dice, 2) == 0)
        ret->width = WIDTH;
    else
        ret->width = 1 + dice_below(dice, left < WIDTH - 2 ? left + 2 : WIDTH - 1);
}

void mirror_choose(struct dice *dice, uint64_t entries, struct mirror_file *ret,
                   char path[MIRROR_PATH_MAX])
{
    char width[16] = "";
    uint64_t kind = dice_below(dice, 4);
    *ret = (struct mirror_file){.kind = MIRROR_CHECKPOINT, .sure = checkpoints_told()};
    if (kind == 0) {
        (void)snprintf(path, MIRROR_PATH_MAX, "/checkpoint");
        if (witnesses_on()) /* what they cosigned is shown, which may be less */
            ret->sure = witnesses_told();
        return;
    }
    ret->kind = kind == 1 ? MIRROR_ENTRIES : MIRROR_HASHES;
    ret->level = kind > 1 && entries >= WIDTH ? (unsigned)dice_below(dice, LEVELS) : 0;
    uint64_t there = entries / entries_of_one(ret->level);
    ret->index = dice_below(dice, there / WIDTH + 1);
    choose_width(dice, there, ret);
    if (ret->width != WIDTH)
        (void)snprintf(width, sizeof(width), ".p/%" PRIu64, ret->width);
    if (ret->kind == MIRROR_ENTRIES)
        (void)snprintf(path, MIRROR_PATH_MAX, "/tile/entries/%03" PRIu64 "%s", ret->index, width);
    else
        (void)snprintf(path, MIRROR_PATH_MAX, "/tile/%u/%03" PRIu64 "%s", ret->level, ret->index,
                       width);
}

unsigned mirror_roles(const struct mirror_file *file)
{
    return file->kind == MIRROR_CHECKPOINT ? ~ROLE(UNSPECIFIED) : ROLE(AUDITOR) | ROLE(ADMIN);
}

static bool is_hash(struct model *model, unsigned level, uint64_t number, const uint8_t *told)
{
    uint8_t want[HASH];
    checkpoints_root(number * entries_of_one(level), entries_of_one(level), want);
    return memcmp(told, want, HASH) == 0 ||
           model_wrong(model, "hash %" PRIu64 " of level %u of the tree is another one", number,
                       level);
}

static bool hear_hashes(struct model *model, const struct mirror_file *file, struct pl_slice body)
{
    if (body.len != file->width * HASH)
        return model_wrong(model, "a tile of %" PRIu64 " hashes has %zu bytes", file->width,
                           body.len);
    for (uint64_t i = 0; i < file->width; i++) {
        if (!is_hash(model, file->level, file->index * WIDTH + i, body.data + i * HASH))
            return false;
    }
    return true;
}

/* Each behind its length in two bytes. */
static bool hear_entries(struct model *model, const struct mirror_file *file, struct pl_slice body)
{
    size_t at = 0;
    for (uint64_t i = 0; i < file->width; i++) {
        const struct model_entry *entry = &model->entry[file->index * WIDTH + i];
        if (body.len - at < 2 + entry->len ||
            ((size_t)body.data[at] << 8 | body.data[at + 1]) != entry->len ||
            memcmp(body.data + at + 2, entry->bytes, entry->len) != 0)
            return model_wrong(model, "a bundle shows another entry %" PRIu64,
                               file->index * WIDTH + i + 1);
        at += 2 + entry->len;
    }
    return at == body.len || model_wrong(model, "a bundle goes on behind its last entry");
}

bool mirror_hear(struct model *model, const struct mirror_file *file, struct pl_slice body,
                 uint64_t durable)
{
    if (durable == 0)
        return true;
    if (file->kind == MIRROR_CHECKPOINT)
        return checkpoints_file(body, file->sure, durable);
    if (entries_under(file) > checkpoints_told() || entries_under(file) > model->entries)
        return model_wrong(model, "a file over %" PRIu64 " entries, signed are %" PRIu64,
                           entries_under(file), checkpoints_told());
    return file->kind == MIRROR_HASHES ? hear_hashes(model, file, body)
                                       : hear_entries(model, file, body);
}

bool mirror_misses(struct model *model, const struct mirror_file *file)
{
    uint64_t needs = file->kind == MIRROR_CHECKPOINT ? 1 : entries_under(file);
    return file->sure < needs ||
           model_wrong(model, "a file over %" PRIu64 " entries is not there, signed were %" PRIu64,
                       needs, file->sure);
}

static bool check_level(struct model *model, struct tree *tree, unsigned level, uint64_t count)
{
    struct pl_merkle_hash row[WIDTH];
    for (uint64_t first = 0; first < count; first += WIDTH) {
        size_t take = count - first < WIDTH ? (size_t)(count - first) : WIDTH;
        if (!pl_is_ok(tree_read(tree, level, first, take, row)))
            return model_wrong(model, "hashes of level %u cannot be read", level);
        for (size_t i = 0; i < take; i++) {
            if (!is_hash(model, level, first + i, row[i].bytes))
                return false;
        }
    }
    return true;
}

bool mirror_tree(struct model *model, struct notary *notary, uint64_t size)
{
    for (unsigned level = 0; level < LEVELS; level++) {
        if (!check_level(model, notary_tree(notary), level, size / entries_of_one(level)))
            return false;
    }
    return true;
}
