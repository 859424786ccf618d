/* SPDX-License-Identifier: Apache-2.0
 *
 * mirror: the signed tree as files (C2SP tlog-tiles): as an auditor's mirror gets them from the
 * workers, and as they lie on the disk, each hash compared with what the model's entries give.
 */
#ifndef SIM_MIRROR_H
#define SIM_MIRROR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"
#include "tests/sim/dice.h"
#include "tests/sim/model.h"

enum { MIRROR_PATH_MAX = 64 };

struct notary;

struct mirror_file {
    enum { MIRROR_CHECKPOINT, MIRROR_HASHES, MIRROR_ENTRIES } kind;
    unsigned level;
    uint64_t index, width;
    uint64_t sure; /* entries that were signed, for all to see, when it was asked for */
};
/* Some file of a log of so many entries, at times one that it has not yet. */
void mirror_choose(struct dice *dice, uint64_t entries, struct mirror_file *ret,
                   char path[MIRROR_PATH_MAX]);
/* Who may get it, as bits of roles. */
unsigned mirror_roles(const struct mirror_file *file);
/* The bytes that came of it. `durable`: entries, 0: nobody can say. False: the model says what was
 * wrong. */
bool mirror_hear(struct model *model, const struct mirror_file *file, struct pl_slice body,
                 uint64_t durable);
/* It is said not to be there. */
bool mirror_misses(struct model *model, const struct mirror_file *file);
/* All that the notary's tree has of the first `size` entries, read from the disk. */
bool mirror_tree(struct model *model, struct notary *notary, uint64_t size);

#endif
