/* SPDX-License-Identifier: Apache-2.0
 *
 * tlog: the texts of the transparency log: notes, keys, checkpoints, tile paths, entry bundles,
 * proofs, requests to witnesses, policies. First byte: which. What has a printed form is printed
 * again as the same.
 */
#include "common/tlog.h"
#include "fuzz.h"

static struct pl_slice bytes;
static struct pl_arena arena;

static void note(void)
{
    static struct pl_note note;
    if (!pl_is_ok(pl_note_parse(bytes, &note)))
        return;
    FUZZ_HOLDS(note.count <= PL_NOTE_SIGNATURES_MAX && note.text.len > 0);
    FUZZ_HOLDS(pl_note_text_valid(note.text));
    struct pl_checkpoint checkpoint;
    (void)pl_checkpoint_parse(note.text, &checkpoint).code;
}

static void key(void)
{
    struct pl_note_key key;
    char printed[PL_NOTE_KEY_MAX];
    if (!pl_is_ok(pl_note_key_parse(bytes, &key)))
        return;
    FUZZ_HOLDS(pl_is_ok(pl_note_key_print(&key, printed)));
    FUZZ_HOLDS(pl_slice_eq_str(bytes, printed));
}

static void secret(void)
{
    struct pl_note_signer *signer = NULL;
    char *text = fuzz_text(bytes);
    if (pl_is_ok(pl_note_signer_new(text, &signer)))
        FUZZ_HOLDS(signer != NULL);
    pl_note_signer_free(signer);
    free(text);
}

static void checkpoint(void)
{
    struct pl_checkpoint checkpoint;
    struct pl_buf out;
    if (!pl_is_ok(pl_checkpoint_parse(bytes, &checkpoint)))
        return;
    pl_buf_init(&out, 1 << 16);
    FUZZ_HOLDS(pl_is_ok(pl_checkpoint_print(&checkpoint, &out)));
    FUZZ_HOLDS(pl_slice_eq(pl_buf_slice(&out), bytes));
    pl_buf_fini(&out);
}

static void tile(void)
{
    struct pl_tile tile;
    char path[PL_TILE_PATH_MAX];
    if (!pl_is_ok(pl_tile_path_parse(bytes, &tile)))
        return;
    pl_tile_path(&tile, path);
    FUZZ_HOLDS(pl_slice_eq_str(bytes, path));
}

static void bundle(void)
{
    size_t cursor = 0, sum = 0;
    struct pl_slice entry;
    bool damaged = false;
    while (pl_bundle_next(bytes, &cursor, &entry, &damaged))
        sum += entry.len + 2;
    FUZZ_HOLDS(damaged || sum == bytes.len);
}

static void proof(void)
{
    struct pl_tlog_proof proof;
    struct pl_buf out;
    if (!pl_is_ok(pl_tlog_proof_parse(bytes, &arena, &proof)))
        return;
    FUZZ_HOLDS(proof.proof.count <= PL_MERKLE_PROOF_MAX);
    pl_buf_init(&out, 1 << 22);
    FUZZ_HOLDS(pl_is_ok(pl_tlog_proof_print(&proof, &out)));
    FUZZ_HOLDS(pl_slice_eq(pl_buf_slice(&out), bytes));
    pl_buf_fini(&out);
}

static void add_checkpoint(void)
{
    struct pl_add_checkpoint request;
    struct pl_buf out;
    if (!pl_is_ok(pl_add_checkpoint_parse(bytes, &request)))
        return;
    pl_buf_init(&out, 1 << 22);
    FUZZ_HOLDS(pl_is_ok(pl_add_checkpoint_print(&request, &out)));
    FUZZ_HOLDS(pl_slice_eq(pl_buf_slice(&out), bytes));
    pl_buf_fini(&out);
}

static void policy(void)
{
    static struct pl_policy policy;
    static const struct pl_note_seen nobody[PL_POLICY_WITNESSES_MAX];
    char message[200] = "";
    if (!pl_is_ok(pl_policy_parse(bytes, &arena, &policy, message)))
        return;
    (void)pl_policy_quorum(&policy, nobody);
}

/* index, size, then hashes: any two trees and any proof */
static void merkle(void)
{
    struct pl_merkle_proof proof = {0};
    struct pl_merkle_hash leaf = {{1}}, root = {{2}};
    if (bytes.len < 16)
        return;
    uint64_t index = 0, size = 0;
    memcpy(&index, bytes.data, 8);
    memcpy(&size, bytes.data + 8, 8);
    proof.count = (bytes.len - 16) / PL_MERKLE_BYTES;
    if (proof.count > PL_MERKLE_PROOF_MAX)
        proof.count = PL_MERKLE_PROOF_MAX;
    memcpy(proof.hash, bytes.data + 16, proof.count * PL_MERKLE_BYTES);
    FUZZ_HOLDS(!pl_is_ok(pl_merkle_check_inclusion(index, size, &leaf, &proof, &root)));
    if (index != 0 && index != size)
        FUZZ_HOLDS(!pl_is_ok(pl_merkle_check_consistency(index, size, &leaf, &root, &proof)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static void (*const looks[])(void) = {note,   key,   secret,         checkpoint, tile,
                                          bundle, proof, add_checkpoint, policy,     merkle};
    if (len < 1)
        return 0;
    bytes = pl_slice(data + 1, len - 1);
    pl_arena_init(&arena, 1 << 20);
    looks[data[0] % PL_COUNT(looks)]();
    pl_arena_fini(&arena);
    return 0;
}
