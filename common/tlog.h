/* SPDX-License-Identifier: Apache-2.0
 *
 * tlog: the texts and paths of a transparency log as C2SP writes them down: checkpoints
 * (tlog-checkpoint), tiles and entry bundles (tlog-tiles), proofs that stand alone (tlog-proof),
 * requests to witnesses (tlog-witness), and the policy that says whose signatures count
 * (tlog-policy). What signs and verifies is common/note; the tree is common/merkle.
 * No state, no thread of its own; what is parsed borrows from the bytes given unless said.
 */
#ifndef PL_TLOG_H
#define PL_TLOG_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/merkle.h"
#include "common/note.h"
#include "common/slice.h"
#include "common/status.h"

/* Keys of one list. */
#define PL_TLOG_KEYS_MAX 64

/* --- checkpoints --- */

struct pl_checkpoint {
    char origin[PL_NOTE_NAME_MAX];
    uint64_t size; /* at most PL_MERKLE_SIZE_MAX */
    struct pl_merkle_hash root;
};
/* The body: what is signed. Three lines, nothing more: extension lines are refused, because not all
 * cosigners agree on whether they sign them. */
PL_MUST_CHECK struct pl_status pl_checkpoint_print(const struct pl_checkpoint *checkpoint,
                                                   struct pl_buf *out);
PL_MUST_CHECK struct pl_status pl_checkpoint_parse(struct pl_slice body, struct pl_checkpoint *ret);
/* The note that it is the body of, with its signatures: form only, who signed is looked at by
 * pl_checkpoint_open or by nobody. *ret_note borrows `bytes`; it is too large for a stack. */
PL_MUST_CHECK struct pl_status pl_checkpoint_note(struct pl_slice bytes, struct pl_note *ret_note,
                                                  struct pl_checkpoint *ret);
/* A signed one: note and body parsed, signatures of `logs` verified: INVALID if one is wrong,
 * NOT_FOUND if none of these keys that is named like the origin has signed. ret_note may be
 * NULL. */
PL_MUST_CHECK struct pl_status pl_checkpoint_open(struct pl_slice bytes,
                                                  const struct pl_note_key *logs, size_t log_count,
                                                  struct pl_checkpoint *ret,
                                                  struct pl_note *ret_note);

/* --- tiles --- */

#define PL_TILE_LEVEL_MAX 63
#define PL_TILE_PATH_MAX  64
struct pl_tile {
    bool entries;   /* an entry bundle; its level is 0 */
    unsigned level; /* 0: leaf hashes */
    uint64_t index;
    unsigned width; /* 1..256; below 256: partial */
};
/* "tile/0/x001/x234/067.p/8", "tile/entries/000" */
void pl_tile_path(const struct pl_tile *tile, char ret[PL_TILE_PATH_MAX]);
/* INVALID unless it is exactly what pl_tile_path makes of some tile. */
PL_MUST_CHECK struct pl_status pl_tile_path_parse(struct pl_slice path, struct pl_tile *ret);
/* Hashes (entries) that tile `index` of this level has in a log of this size: 0..256. */
unsigned pl_tile_width(unsigned level, uint64_t index, uint64_t size);
/* Hashes of this level in a log of this size: size / 256^level. */
uint64_t pl_tile_hashes(unsigned level, uint64_t size);

/* --- entry bundles: be16 length and bytes, up to 256 times --- */

#define PL_BUNDLE_ENTRY_MAX 65535
PL_MUST_CHECK struct pl_status pl_bundle_append(struct pl_buf *bundle, struct pl_slice entry);
/* Entry after entry. False at the end; *ret_damaged tells one that does not add up. */
bool pl_bundle_next(struct pl_slice bundle, size_t *cursor, struct pl_slice *ret,
                    bool *ret_damaged);

/* --- proofs that stand alone --- */

struct pl_tlog_proof {
    bool has_extra;
    struct pl_slice extra; /* not authenticated by itself; ours: the exact bytes of the entry */
    uint64_t index;
    struct pl_merkle_proof proof;
    struct pl_slice checkpoint; /* the signed note, verbatim */
};
PL_MUST_CHECK struct pl_status pl_tlog_proof_print(const struct pl_tlog_proof *proof,
                                                   struct pl_buf *out);
/* `extra` lives in the arena, the checkpoint is borrowed from `text`. */
PL_MUST_CHECK struct pl_status pl_tlog_proof_parse(struct pl_slice text, struct pl_arena *arena,
                                                   struct pl_tlog_proof *ret);
/* --- POST <witness>/add-checkpoint --- */

struct pl_add_checkpoint {
    uint64_t old_size;
    struct pl_merkle_proof proof; /* consistency; none if old_size is 0 */
    struct pl_slice checkpoint;
};
PL_MUST_CHECK struct pl_status pl_add_checkpoint_print(const struct pl_add_checkpoint *request,
                                                       struct pl_buf *out);
PL_MUST_CHECK struct pl_status pl_add_checkpoint_parse(struct pl_slice text,
                                                       struct pl_add_checkpoint *ret);

/* --- policy files --- */

#define PL_POLICY_LOGS_MAX      32
#define PL_POLICY_WITNESSES_MAX 64
#define PL_POLICY_GROUPS_MAX    64
#define PL_POLICY_BYTES_MAX     (256u << 10)

struct pl_policy_group {
    const char *name;
    unsigned threshold;
    size_t member_count;
    uint16_t *member; /* below PL_POLICY_WITNESSES_MAX: a witness; else a group, from there on */
};
struct pl_policy {
    size_t log_count, witness_count, group_count;
    struct pl_note_key log[PL_POLICY_LOGS_MAX];
    const char *log_url[PL_POLICY_LOGS_MAX]; /* NULL: none */
    struct pl_note_key witness[PL_POLICY_WITNESSES_MAX];
    const char *witness_name[PL_POLICY_WITNESSES_MAX];
    const char *witness_url[PL_POLICY_WITNESSES_MAX]; /* NULL: none */
    struct pl_policy_group group[PL_POLICY_GROUPS_MAX];
    bool quorum_none;
    uint16_t quorum; /* like a member; unless quorum_none */
};
/* Strings live in the arena. INVALID with the line (from 1) and what is wrong with it in `message`
 * (at least 200 bytes). */
PL_MUST_CHECK struct pl_status pl_policy_parse(struct pl_slice text, struct pl_arena *arena,
                                               struct pl_policy *ret, char *message);
/* Is this enough? seen: one a witness, as pl_note_verify tells. */
bool pl_policy_quorum(const struct pl_policy *policy, const struct pl_note_seen *seen);
#endif
