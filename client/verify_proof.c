/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_proof: lines in their order, hashes from the leaf upwards. Where the leaf's subtree is
 * whole, each bit of the index says on which side the next hash stands; at the right edge of the
 * tree all hashes stand left.
 */
#include "client/verify_proof.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/options.h"
#include "client/text.h"
#include "client/verify_checkpoint.h"
#include "common/check.h"
#include "common/scan.h"

enum { PROOF_MOST = 64, ARENA_BYTES = 4 << 20, ELEMENTS_MAX = 65536 };

static void hash_node(const uint8_t *left, const uint8_t *right, uint8_t out[PL_SHA256_BYTES])
{
    const struct pl_slice parts[] = {pl_slice("\x01", 1), pl_slice(left, PL_SHA256_BYTES),
                                     pl_slice(right, PL_SHA256_BYTES)};
    pl_sha256_parts(parts, PL_COUNT(parts), out);
}

bool verify_inclusion(uint64_t index, uint64_t size, const uint8_t leaf[PL_SHA256_BYTES],
                      const uint8_t (*proof)[PL_SHA256_BYTES], size_t count,
                      const uint8_t root[PL_SHA256_BYTES])
{
    if (index >= size)
        return false;
    uint64_t differ = index ^ (size - 1);
    unsigned inner = differ == 0 ? 0 : 64 - (unsigned)__builtin_clzll(differ);
    unsigned border = inner == 64 ? 0 : (unsigned)__builtin_popcountll(index >> inner);
    if (count != inner + border)
        return false;
    uint8_t hash[PL_SHA256_BYTES];
    memcpy(hash, leaf, sizeof(hash));
    for (size_t i = 0; i < count; i++) {
        if (i < inner && (index >> i & 1) == 0)
            hash_node(hash, proof[i], hash);
        else
            hash_node(proof[i], hash, hash);
    }
    return memcmp(hash, root, sizeof(hash)) == 0;
}

/* --- the file --- */

struct proof {
    struct pl_slice entry; /* in the arena; empty: no extra line */
    uint64_t index;
    uint8_t hash[PROOF_MOST][PL_SHA256_BYTES];
    size_t count;
    struct pl_slice checkpoint;
};

static bool next_line(struct pl_slice *rest, struct pl_slice *ret)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->data, '\n', rest->len);
    if (end == NULL)
        return false;
    *ret = pl_slice(rest->data, (size_t)(end - rest->data));
    *rest = pl_slice(end + 1, rest->len - ret->len - 1);
    return true;
}

static bool begins(struct pl_slice line, const char *word, struct pl_slice *ret)
{
    size_t len = strlen(word);
    if (line.len <= len || memcmp(line.data, word, len) != 0)
        return false;
    *ret = pl_slice(line.data + len, line.len - len);
    return true;
}

static bool read_index(struct pl_slice text, uint64_t *ret)
{
    char digits[24];
    int64_t number;
    if (text.len >= sizeof(digits) || (text.len > 1 && text.data[0] == '0'))
        return false;
    memcpy(digits, text.data, text.len);
    digits[text.len] = '\0';
    if (!options_parse_number(digits, 0, INT64_MAX - 1, &number))
        return false;
    *ret = (uint64_t)number;
    return true;
}

static bool read_proof(struct pl_slice rest, struct pl_arena *arena, struct proof *ret)
{
    struct pl_slice line, value, hash;
    if (!next_line(&rest, &line) || !next_line(&rest, &line))
        return false;
    if (begins(line, "extra ", &value) &&
        (!verify_decode(value, arena, &ret->entry) || !next_line(&rest, &line)))
        return false;
    if (!begins(line, "index ", &value) || !read_index(value, &ret->index))
        return false;
    for (;;) {
        if (!next_line(&rest, &line))
            return false;
        if (line.len == 0)
            break;
        if (ret->count == PROOF_MOST || !verify_decode(line, arena, &hash) ||
            hash.len != PL_SHA256_BYTES)
            return false;
        memcpy(ret->hash[ret->count++], hash.data, PL_SHA256_BYTES);
    }
    ret->checkpoint = rest;
    return rest.len > 0;
}

/* --- the verdict --- */

static void judge_entry(const struct proof *proof, struct pl_arena *arena,
                        struct verify_report *ret)
{
    struct pl_scan_error error;
    ProtobufCMessage *message = NULL;
    if (!pl_is_ok(pl_unpack(&pledged__v1__entry__descriptor, proof->entry, ELEMENTS_MAX, arena,
                            &message, &error))) {
        verify_fail(ret, VERIFY_INTEGRITY, ret->seq, "%s", _("its bytes are no entry"));
        return;
    }
    const Pledged__V1__Entry *entry = (const void *)message;
    ret->entries = 1;
    ret->first_time_us = ret->last_time_us = entry->time_us;
    if (entry->seq != ret->seq)
        verify_fail(ret, VERIFY_INTEGRITY, ret->seq,
                    _("entry %" PRIu64 " stands where entry %" PRIu64 " belongs"), entry->seq,
                    ret->seq);
}

static void judge(struct pl_slice text, const struct verify_options *options,
                  struct pl_arena *arena, struct verify_report *ret)
{
    struct proof proof = {.count = 0};
    struct verify_checkpoint checkpoint;
    uint8_t leaf[PL_SHA256_BYTES];
    if (!read_proof(text, arena, &proof)) {
        verify_fail(ret, VERIFY_INTEGRITY, 0, "%s", _("the proof breaks off or is garbled"));
        return;
    }
    ret->seq = proof.index + 1;
    const char *wrong = verify_checkpoint_open(proof.checkpoint, options->keys, &checkpoint);
    if (wrong != NULL) {
        verify_fail(ret, VERIFY_INTEGRITY, ret->seq, "%s", gettext(wrong));
        return;
    }
    (void)snprintf(ret->origin, sizeof(ret->origin), "%s", checkpoint.origin);
    ret->size = checkpoint.size;
    memcpy(ret->root, checkpoint.root, PL_SHA256_BYTES);
    if (proof.entry.len == 0) {
        verify_fail(ret, VERIFY_INTEGRITY, ret->seq, "%s",
                    _("the proof does not hold the entry that it is about"));
        return;
    }
    verify_tree_leaf(proof.entry, leaf);
    if (!verify_inclusion(proof.index, checkpoint.size, leaf,
                          (const uint8_t(*)[PL_SHA256_BYTES])proof.hash, proof.count,
                          checkpoint.root))
        verify_fail(ret, VERIFY_INTEGRITY, ret->seq, "%s",
                    _("the entry is not the signed one: the proof does not lead to the root"));
    else
        judge_entry(&proof, arena, ret);
}

void verify_proof(struct pl_slice text, const struct verify_options *options,
                  struct verify_report *ret)
{
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, ARENA_BYTES);
    ret->kind = N_("proof");
    judge(text, options, &arena, ret);
    verify_hold(ret, VERIFY_INTEGRITY);
    verify_skip(ret, VERIFY_APPEND_ONLY, _("a proof is about one entry only"));
    verify_skip(ret, VERIFY_COMPLETENESS, _("a proof is about one entry only"));
    verify_skip(ret, VERIFY_SEMANTICS, _("a proof is about one entry only"));
}
