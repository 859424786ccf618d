/* SPDX-License-Identifier: Apache-2.0
 *
 * checkpoints: what the real notary (server/notary, server/tree) signs on the simulated machine.
 * Each checkpoint must be over entries that are durable, with the root that those entries have by
 * another way of adding up, and on the disk in both of its places before anybody sees it. A log
 * that is shorter than what was signed must be read-only, and no other.
 */
#ifndef SIM_CHECKPOINTS_H
#define SIM_CHECKPOINTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/merkle.h"
#include "common/slice.h"
#include "tests/sim/model.h"

#define CHECKPOINTS_KEY "/k/ledger.key"

struct notary;

void checkpoints_begin(struct model *model); /* a key is on the disk */
const char *checkpoints_vkey(void);
/* Takes what was published since. `durable`: entries, as everybody is told by now; 0: nobody can
 * say. False: the model says what was wrong. */
bool checkpoints_look(struct notary *notary, uint64_t durable);
/* After a start with so many entries. `lied`: the disk may have lost the end of the log. */
bool checkpoints_started(const struct notary *notary, uint64_t size, bool lied);
uint64_t checkpoints_seen(void);
/* Entries that everybody was shown a checkpoint of since the last start. */
uint64_t checkpoints_told(void);
/* The root of these entries of the model, as RFC 6962 defines it; of one: the hash of the leaf. */
void checkpoints_root(uint64_t first, uint64_t count, uint8_t ret[32]);
/* A checkpoint that came as a file: over no fewer entries than that. */
bool checkpoints_file(struct pl_slice note, uint64_t least, uint64_t durable);

/* A note over so many entries as it must be: the text, the log's line, and behind it what witnesses
 * wrote, if it may be `cosigned`. */
bool checkpoints_exact(struct pl_slice note, uint64_t size, uint64_t durable, bool cosigned);
bool checkpoints_is_signed(struct pl_slice note); /* by the log */
/* A request to a witness that left: over what is durable and kept, and, byte by byte, what it must
 * be. */
bool checkpoints_sent(struct pl_slice body, uint64_t durable);
uint64_t checkpoints_size(void); /* the largest that anybody saw signed */
/* What everybody was told last, in this life; 0: nothing. */
uint64_t checkpoints_newest(struct pl_merkle_hash *ret_root);
/* Reads a file as a power loss right now would leave it: its bytes; 0: none, or too many. */
size_t checkpoints_durable_file(const char *path, char *ret, size_t room);

/* Answers of the proofs' methods: signed, of what is durable, and as RFC 6962 defines them. False:
 * the model says what was wrong. */
enum checkpoints_question { CHECKPOINTS_NEWEST, CHECKPOINTS_INCLUSION, CHECKPOINTS_CONSISTENCY };
struct checkpoints_sight {
    bool may_be, may_be_none; /* by some role that who asks may have had: they see entries */
};
bool checkpoints_hear(enum checkpoints_question question, uint64_t about,
                      struct checkpoints_sight sight, struct pl_slice message, uint64_t durable);
uint64_t checkpoints_proofs(void); /* that were right */

#endif
