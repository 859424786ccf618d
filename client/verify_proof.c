/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_proof: form, signature, path, and that the entry says of itself what the proof says of it.
 */
#include "client/verify_proof.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/text.h"
#include "client/verify_checkpoint.h"
#include "common/check.h"
#include "common/scan.h"
#include "common/tlog.h"

enum { ARENA_BYTES = 4 << 20, ELEMENTS_MAX = 65536 };

static void judge_entry(struct pl_slice bytes, struct pl_arena *arena, struct verify_report *ret)
{
    struct pl_scan_error error;
    ProtobufCMessage *message = NULL;
    if (!pl_is_ok(pl_unpack(&pledged__v1__entry__descriptor, bytes, ELEMENTS_MAX, arena, &message,
                            &error))) {
        verify_fail(ret, VERIFY_INTEGRITY, ret->seq, "%s", _("its bytes are no entry"));
        return;
    }
    const Pledged__V1__Entry *entry = (const void *)message;
    ret->entries = 1;
    ret->first_time_us = ret->last_time_us = entry->time_us;
    const ProtobufCFieldDescriptor *fact = protobuf_c_message_descriptor_get_field(
        &pledged__v1__entry__descriptor, (unsigned)entry->fact_case);
    (void)snprintf(ret->fact, sizeof(ret->fact), "%s", fact == NULL ? "?" : fact->name);
    if (entry->seq != ret->seq)
        verify_fail(ret, VERIFY_INTEGRITY, ret->seq,
                    _("entry %" PRIu64 " stands where entry %" PRIu64 " belongs"), entry->seq,
                    ret->seq);
}

static bool leads_to_root(const struct pl_tlog_proof *proof,
                          const struct verify_checkpoint *checkpoint)
{
    struct pl_merkle_hash leaf, root;
    pl_merkle_leaf(proof->extra, &leaf);
    memcpy(root.bytes, checkpoint->root, sizeof(root.bytes));
    return pl_is_ok(
        pl_merkle_check_inclusion(proof->index, checkpoint->size, &leaf, &proof->proof, &root));
}

static void judge(struct pl_slice text, const struct verify_options *options,
                  struct pl_arena *arena, struct verify_report *ret)
{
    struct pl_tlog_proof proof;
    struct verify_checkpoint checkpoint;
    if (!pl_is_ok(pl_tlog_proof_parse(text, arena, &proof))) {
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
    if (!proof.has_extra)
        verify_fail(ret, VERIFY_INTEGRITY, ret->seq, "%s",
                    _("the proof does not hold the entry that it is about"));
    else if (!leads_to_root(&proof, &checkpoint))
        verify_fail(ret, VERIFY_INTEGRITY, ret->seq, "%s",
                    _("the entry is not the signed one: the proof does not lead to the root"));
    else
        judge_entry(proof.extra, arena, ret);
}

void verify_proof(struct pl_slice text, const struct verify_options *options,
                  struct verify_report *ret)
{
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, ARENA_BYTES);
    ret->kind = N_("proof");
    judge(text, options, &arena, ret);
    verify_hold(ret, VERIFY_INTEGRITY);
    struct verify_verdict *verdict = &ret->verdict[VERIFY_INTEGRITY];
    if (verdict->result == VERIFY_HOLDS) /* of which entry is the question */
        (void)snprintf(verdict->words, sizeof(verdict->words), _("entry %" PRIu64 " (%s)"),
                       ret->seq, ret->fact);
    verify_skip(ret, VERIFY_APPEND_ONLY, _("a proof is about one entry only"));
    verify_skip(ret, VERIFY_COMPLETENESS, _("a proof is about one entry only"));
    verify_skip(ret, VERIFY_SEMANTICS, _("a proof is about one entry only"));
}
