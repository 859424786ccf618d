/* SPDX-License-Identifier: Apache-2.0
 *
 * verify: one pass. Blocks are read, worked on by the pool and judged in order: is each entry the
 * one that belongs here, does it have the hash that came with it, does it obey the rules. The tree
 * is built twice only from the first entry on that does not have its listed hash: from the entries
 * and from the list. The signed root then says which of the two is right.
 */
#include "client/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/succession.h"
#include "client/text.h"
#include "client/verify_checkpoint.h"
#include "client/verify_heads.h"
#include "client/verify_proof.h"
#include "client/verify_rules.h"
#include "common/check.h"

struct verify {
    const struct verify_options *options;
    struct verify_report *report;
    struct verify_source *source;
    struct verify_pool *pool;
    struct verify_rules *rules; /* NULL: not wanted, or an entry broke them */
    struct verify_checkpoint checkpoint;
    bool signed_one; /* the checkpoint is there and a key signed it */
    struct verify_checkpoint since;
    bool since_known;
    struct verify_heads *heads; /* of the tree, earlier; NULL: the rules are not wanted */
    struct verify_tree *tree;   /* of the entries */
    struct verify_tree *listed; /* of the hashes that came with them; NULL: the same so far */
    uint64_t doubt_seq;         /* first entry that does not have its listed hash */
    bool gap;                   /* an entry is not where it belongs: there is no tree to compare */
    uint8_t since_root[PL_SHA256_BYTES];
    bool since_passed;
};

static void fini(struct verify *verify)
{
    verify_pool_free(verify->pool);
    verify_rules_free(verify->rules);
    verify_heads_free(verify->heads);
    verify_source_close(verify->source);
    free(verify->tree);
    free(verify->listed);
}

/* --- places --- */

/* An entry stands where another belongs. */
static void tell_order(struct verify *verify, uint64_t seq, uint64_t found)
{
    verify->gap = true;
    if (found == 0)
        verify_fail(verify->report, VERIFY_COMPLETENESS, seq, _("entry %" PRIu64 " is missing"),
                    seq);
    else
        verify_fail(verify->report, VERIFY_COMPLETENESS, seq,
                    _("entry %" PRIu64 " stands where entry %" PRIu64 " belongs"), found, seq);
}

/* Is this hash that of another entry of the block? Then the bytes are right and the place is not.
 */
static bool is_listed(const struct verify_block *block, const uint8_t *leaf)
{
    for (size_t i = 0; i < block->listed; i++) {
        if (memcmp(block->list[i], leaf, PL_SHA256_BYTES) == 0)
            return true;
    }
    return false;
}

static void judge_place(struct verify *verify, const struct verify_block *block, size_t at)
{
    const struct verify_entry *entry = &block->entry[at];
    uint64_t seq = block->first_seq + at;
    uint64_t found = entry->seq;
    bool as_listed =
        at < block->listed && memcmp(block->leaf[at], block->list[at], PL_SHA256_BYTES) == 0;
    if (at < block->listed && !as_listed) {
        if (is_listed(block, block->leaf[at])) {
            tell_order(verify, seq, found);
            return;
        }
        if (verify->doubt_seq == 0)
            verify->doubt_seq = seq;
        return; /* its bytes are in doubt, so is what they say about their place */
    }
    if (found != 0 && found != seq)
        tell_order(verify, seq, found);
    else if (found == 0)
        verify_fail(verify->report, VERIFY_INTEGRITY, seq, "%s",
                    entry->wrong != NULL ? gettext(entry->wrong) : _("its bytes are no entry"));
}

/* --- trees --- */

static void note_root(struct verify *verify)
{
    if (verify->since_known && verify->tree->size == verify->since.size) {
        verify_tree_root(verify->tree, verify->since_root);
        verify->since_passed = true;
    }
}

/* How many leaves may be added before a root has to be looked at, or a tile is full. */
static size_t until_root(const struct verify *verify, size_t count)
{
    uint64_t at = verify->tree->size;
    if (verify->since_known && verify->since.size > at && verify->since.size - at < count)
        count = (size_t)(verify->since.size - at);
    size_t tile = VERIFY_TILE_HASHES - (size_t)(at % VERIFY_TILE_HASHES);
    return count < tile ? count : tile;
}

static struct pl_status grow_tree(struct verify *verify, struct verify_block *block)
{
    for (size_t at = 0; at < block->count;) {
        size_t some = until_root(verify, block->count - at);
        bool whole = some == VERIFY_TILE_HASHES && verify->tree->size % VERIFY_TILE_HASHES == 0;
        PL_TRY(
            verify_tree_add(verify->tree, block->leaf + at, some, whole ? block->tile_root : NULL));
        if (verify->heads != NULL)
            verify_heads_add(verify->heads, (const uint8_t(*)[PL_SHA256_BYTES])block->leaf + at,
                             some, verify_tree_last_tile(verify->tree));
        at += some;
        note_root(verify);
    }
    return pl_ok();
}

static struct pl_status grow_listed(struct verify *verify, struct verify_block *block)
{
    bool differs = block->listed != block->count ||
                   memcmp(block->leaf, block->list, block->count * PL_SHA256_BYTES) != 0;
    if (verify->listed == NULL && differs && block->listed > 0) {
        verify->listed = malloc(sizeof(*verify->listed));
        PL_ASSERT(verify->listed != NULL);
        memcpy(verify->listed, verify->tree, sizeof(*verify->listed));
        verify->listed->on_tile = NULL;
    }
    if (verify->listed == NULL)
        return pl_ok();
    return verify_tree_add(verify->listed, block->listed > 0 ? block->list : block->leaf,
                           block->listed > 0 ? block->listed : block->count, NULL);
}

/* Upper tiles of a mirror, as they follow from the entries. */
static struct pl_status on_tile(void *arg, unsigned level, uint64_t number, struct pl_slice hashes)
{
    struct verify *verify = arg;
    if (level > 0 && !verify->gap && verify->doubt_seq == 0 &&
        verify->tree->size <= verify->checkpoint.size)
        verify_source_tile(verify->source, level, number, hashes, verify->report);
    return pl_ok();
}

/* --- the pass --- */

static void judge_rules(struct verify *verify, const struct verify_block *block, size_t at)
{
    if (verify->rules == NULL || verify->doubt_seq != 0 || verify->gap)
        return;
    const struct verify_entry *entry = &block->entry[at];
    const char *wrong = verify_rules_take(verify->rules, entry, verify_block_bytes(block, at));
    if (wrong != NULL) {
        verify_fail(verify->report, VERIFY_SEMANTICS, block->first_seq + at, "%s", gettext(wrong));
        verify_rules_free(verify->rules);
        verify->rules = NULL;
        return;
    }
    verify->report->unjudged = verify_rules_unjudged(verify->rules);
    if (verify->report->first_time_us == 0)
        verify->report->first_time_us = entry->message->time_us;
    verify->report->last_time_us = entry->message->time_us;
}

/* The closing of a period names the ledger that the closer saw: it has to be this one. */
static void judge_head(struct verify *verify, const struct verify_block *block, size_t at)
{
    const Pledged__V1__Entry *entry = block->entry[at].message;
    uint8_t root[PL_SHA256_BYTES];
    if (verify->rules == NULL || entry == NULL ||
        entry->fact_case != PLEDGED__V1__ENTRY__FACT_PERIOD_CLOSED)
        return;
    const Pledged__V1__PeriodClosed *fact = entry->period_closed; /* the rules looked at its form */
    if (!verify_heads_root(verify->heads, fact->head_size, root) ||
        memcmp(root, fact->head_root.data, PL_SHA256_BYTES) != 0)
        verify_fail(verify->report, VERIFY_SEMANTICS, block->first_seq + at, "%s",
                    _("a period names a ledger that is not this one"));
}

static struct pl_status judge_block(struct verify *verify, struct verify_block *block)
{
    PL_TRY(grow_listed(verify, block));
    for (size_t at = 0; at < block->count; at++) {
        judge_place(verify, block, at);
        judge_rules(verify, block, at);
        if (verify->options->on_entry != NULL)
            PL_TRY(verify->options->on_entry(verify->options->arg, block->first_seq + at,
                                             &block->entry[at], verify_block_bytes(block, at)));
    }
    if (block->listed > block->count)
        tell_order(verify, block->first_seq + block->count, 0);
    verify->report->entries += block->count;
    if (verify->gap)
        return pl_ok();
    PL_TRY(grow_tree(verify, block));
    for (size_t at = 0; at < block->count; at++)
        judge_head(verify, block, at);
    return pl_ok();
}

/* The oldest block that is under way; *ret_any false: there is none. */
static struct pl_status judge_oldest(struct verify *verify, bool *ret_any)
{
    struct verify_block *block = verify_pool_wait(verify->pool);
    *ret_any = block != NULL;
    if (block == NULL)
        return pl_ok();
    if (block->first_seq != verify->tree->size + 1)
        verify->gap = true; /* what is missing before it is told already */
    struct pl_status status = judge_block(verify, block);
    verify_pool_done(verify->pool, block);
    return status;
}

static void tell_progress(const struct verify *verify)
{
    uint64_t done, whole;
    if (verify->options->on_progress == NULL)
        return;
    verify_source_progress(verify->source, &done, &whole);
    verify->options->on_progress(verify->options->arg, done, whole);
}

static struct pl_status pass(struct verify *verify)
{
    bool any = true, more = true;
    while (more) {
        struct verify_block *block = verify_pool_empty(verify->pool);
        if (block == NULL) {
            PL_TRY(judge_oldest(verify, &any));
            tell_progress(verify);
            continue;
        }
        block->parse = !verify->options->quick || verify->options->on_entry != NULL;
        struct pl_status status = verify_source_next(verify->source, block, verify->report);
        more = pl_is_ok(status) && block->count > 0;
        if (more)
            verify_pool_give(verify->pool, block);
        else
            verify_pool_done(verify->pool, block);
        PL_TRY(status);
    }
    while (any)
        PL_TRY(judge_oldest(verify, &any));
    tell_progress(verify);
    return pl_ok();
}

/* --- checkpoints --- */

static void open_checkpoint(struct verify *verify)
{
    struct verify_report *report = verify->report;
    struct pl_slice text = verify_source_checkpoint(verify->source);
    const char *wrong =
        text.len == 0 ? N_("no signed checkpoint is there, so nothing vouches for the bytes")
                      : verify_checkpoint_open(text, verify->options->keys, &verify->checkpoint);
    if (wrong != NULL) {
        verify_fail(report, VERIFY_INTEGRITY, 0, "%s", gettext(wrong));
        return;
    }
    verify->signed_one = true;
    (void)snprintf(report->origin, sizeof(report->origin), "%s", verify->checkpoint.origin);
    report->size = verify->checkpoint.size;
    memcpy(report->root, verify->checkpoint.root, PL_SHA256_BYTES);
}

static void open_since(struct verify *verify)
{
    const char *text = verify->options->since;
    if (text == NULL) {
        verify_skip(verify->report, VERIFY_APPEND_ONLY,
                    _("no earlier checkpoint was given (--since)"));
        return;
    }
    const char *wrong =
        verify_checkpoint_open(pl_slice_str(text), verify->options->keys, &verify->since);
    if (wrong != NULL) {
        verify_fail(verify->report, VERIFY_APPEND_ONLY, 0, _("the earlier checkpoint: %s"),
                    gettext(wrong));
        return;
    }
    verify->since_known = true;
    verify->report->since = verify->since.size;
}

/* --- verdicts --- */

static void judge_trailer(struct verify *verify)
{
    struct verify_report *report = verify->report;
    const Pledged__V1__DumpTrailer *trailer = verify_source_trailer(verify->source);
    if (trailer == NULL)
        return; /* told already */
    if (trailer->from_seq > 1)
        verify_fail(report, VERIFY_COMPLETENESS, 1, _("the dump begins at entry %" PRIu64),
                    trailer->from_seq);
    if (trailer->to_seq != report->entries)
        verify_fail(
            report, VERIFY_COMPLETENESS, report->entries + 1,
            _("the dump says that it ends at entry %" PRIu64 ", but %" PRIu64 " entries are in it"),
            trailer->to_seq, report->entries);
    open_checkpoint(verify);
    if (verify->signed_one && strcmp(trailer->origin, verify->checkpoint.origin) != 0)
        verify_fail(report, VERIFY_INTEGRITY, 0, "%s",
                    _("the dump and its checkpoint name different ledgers"));
}

static void judge_completeness(struct verify *verify)
{
    struct verify_report *report = verify->report;
    uint64_t size = verify->checkpoint.size;
    if (!verify->signed_one) {
        verify_skip(report, VERIFY_COMPLETENESS, _("there is no signed size to compare with"));
        return;
    }
    if (report->entries != size)
        verify_fail(report, VERIFY_COMPLETENESS,
                    report->entries < size ? report->entries + 1 : size + 1,
                    _("the checkpoint is of %" PRIu64 " entries, but %" PRIu64 " are here"), size,
                    report->entries);
    verify_hold(report, VERIFY_COMPLETENESS);
}

/* The entries do not lead to the signed root, or one does not have its listed hash. */
static void tell_damage(struct verify *verify, bool entries_right, bool list_right)
{
    struct verify_report *report = verify->report;
    uint64_t seq = verify->doubt_seq;
    if (entries_right)
        verify_fail(report, VERIFY_INTEGRITY, seq, "%s",
                    _("the entry is the signed one, but the hash that is listed for it is not"));
    else if (list_right)
        verify_fail(report, VERIFY_INTEGRITY, seq, "%s",
                    _("the entry was altered: its bytes do not have the signed hash"));
    else if (seq != 0)
        verify_fail(report, VERIFY_INTEGRITY, seq, "%s",
                    _("the entry does not have the hash that is listed for it, and neither entries "
                      "nor list lead to the signed root"));
    else
        verify_fail(report, VERIFY_INTEGRITY, 0, "%s",
                    _("the entries do not lead to the signed root; which of them were altered "
                      "cannot be told"));
}

static struct pl_status judge_integrity(struct verify *verify)
{
    struct verify_report *report = verify->report;
    uint8_t entries[PL_SHA256_BYTES], list[PL_SHA256_BYTES] = {0};
    if (!verify->signed_one)
        return pl_ok();
    bool comparable = !verify->gap && report->entries == verify->checkpoint.size;
    if (!comparable && verify->doubt_seq != 0)
        verify_fail(report, VERIFY_INTEGRITY, verify->doubt_seq, "%s",
                    _("the entry does not have the hash that is listed for it"));
    if (!comparable) {
        verify_skip(report, VERIFY_INTEGRITY, _("the root cannot be computed from what is here"));
        return pl_ok();
    }
    verify_tree_root(verify->tree, entries);
    if (verify->listed != NULL)
        verify_tree_root(verify->listed, list);
    bool entries_right = memcmp(entries, verify->checkpoint.root, PL_SHA256_BYTES) == 0;
    bool list_right =
        verify->listed != NULL && memcmp(list, verify->checkpoint.root, PL_SHA256_BYTES) == 0;
    if (!entries_right || verify->doubt_seq != 0)
        tell_damage(verify, entries_right, list_right);
    else if (verify_source_is_mirror(verify->source))
        PL_TRY(verify_tree_rest(verify->tree));
    verify_hold(report, VERIFY_INTEGRITY);
    return pl_ok();
}

static void judge_append_only(struct verify *verify)
{
    struct verify_report *report = verify->report;
    if (!verify->since_known)
        return;
    if (!verify->signed_one) {
        verify_skip(report, VERIFY_APPEND_ONLY, _("there is no signed checkpoint to compare with"));
        return;
    }
    uint64_t now = verify->checkpoint.size, then = verify->since.size;
    const struct succession_case given = {.held = then, .came = now};
    if (strcmp(verify->since.origin, verify->checkpoint.origin) != 0)
        verify_fail(report, VERIFY_APPEND_ONLY, 0, _("the earlier checkpoint is of %s"),
                    verify->since.origin);
    else if (succession_judge(&given) == SUCCESSION_UNTOLD)
        verify_fail(report, VERIFY_APPEND_ONLY, now + 1,
                    _("%" PRIu64 " entries were signed then, %" PRIu64
                      " here: this is an older copy, or entries were taken away; whether those "
                      "that are here were rewritten cannot be told"),
                    then, now);
    else if (then == now &&
             memcmp(verify->since.root, verify->checkpoint.root, PL_SHA256_BYTES) != 0)
        verify_fail(report, VERIFY_APPEND_ONLY, 0, "%s",
                    _("two different ledgers of the same size were signed: the two checkpoints "
                      "prove it"));
    else if (report->verdict[VERIFY_INTEGRITY].result != VERIFY_HOLDS ||
             (then != 0 && !verify->since_passed))
        verify_skip(report, VERIFY_APPEND_ONLY,
                    _("the entries here are not those of the checkpoint"));
    else if (then != 0 && memcmp(verify->since_root, verify->since.root, PL_SHA256_BYTES) != 0)
        verify_fail(report, VERIFY_APPEND_ONLY, 0,
                    _("the first %" PRIu64 " entries are not those that were signed then: history "
                      "was rewritten"),
                    then);
    verify_hold(report, VERIFY_APPEND_ONLY);
}

static void judge_semantics(struct verify *verify)
{
    struct verify_report *report = verify->report;
    if (verify->options->quick) {
        verify_skip(report, VERIFY_SEMANTICS, _("not asked for (--quick)"));
        return;
    }
    if (verify->rules != NULL && verify->signed_one && report->entries > 0) {
        const char *origin = ledger_origin(verify_rules_ledger(verify->rules));
        if (origin != NULL && strcmp(origin, verify->checkpoint.origin) != 0)
            verify_fail(report, VERIFY_SEMANTICS, 1,
                        _("the ledger was created as %s, which is not what the checkpoint says"),
                        origin);
    }
    if (verify->doubt_seq != 0 || verify->gap)
        verify_skip(report, VERIFY_SEMANTICS,
                    _("replayed only up to the first entry that is missing or altered"));
    verify_hold(report, VERIFY_SEMANTICS);
}

/* --- all of it --- */

static struct pl_status begin(struct verify *verify)
{
    const struct verify_options *options = verify->options;
    PL_TRY(verify_source_open(options->path, &verify->source));
    verify->tree = malloc(sizeof(*verify->tree));
    PL_ASSERT(verify->tree != NULL);
    bool mirror = verify_source_is_mirror(verify->source);
    verify_tree_init(verify->tree, mirror ? on_tile : NULL, verify);
    verify->report->kind = mirror ? N_("mirror") : N_("dump");
    open_since(verify);
    if (mirror) {
        open_checkpoint(verify);
        verify_source_expect(verify->source, verify->signed_one ? verify->checkpoint.size : 0);
    }
    if (!options->quick)
        verify->rules = verify_rules_new();
    if (!options->quick)
        verify->heads = verify_heads_new();
    return verify_pool_new(options->threads, &verify->pool);
}

/* Is the file a proof? Then it is read whole. */
static bool read_proof(const char *path, struct pl_buf *ret)
{
    struct stat about;
    uint8_t *place = NULL;
    size_t magic = sizeof(VERIFY_PROOF_MAGIC) - 1;
    if (strcmp(path, "-") == 0 || stat(path, &about) != 0 || !S_ISREG(about.st_mode))
        return false;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    struct pl_status status = pl_buf_reserve(ret, VERIFY_PROOF_BYTES_MAX, &place);
    if (pl_is_ok(status))
        pl_buf_commit(ret, fread(place, 1, VERIFY_PROOF_BYTES_MAX, file));
    (void)fclose(file);
    struct pl_slice text = pl_buf_slice(ret);
    return text.len >= magic && memcmp(text.data, VERIFY_PROOF_MAGIC, magic) == 0;
}

struct pl_status verify_run(const struct verify_options *options, struct verify_report *ret)
{
    struct verify verify PL_CLEANUP(fini) = {.options = options, .report = ret};
    struct pl_buf proof PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&proof, VERIFY_PROOF_BYTES_MAX);
    memset(ret, 0, sizeof(*ret));
    ret->kind = "";
    if (read_proof(options->path, &proof)) {
        verify_proof(pl_buf_slice(&proof), options, ret);
        return pl_ok();
    }
    PL_TRY(begin(&verify));
    PL_TRY(pass(&verify));
    judge_trailer(&verify);
    judge_completeness(&verify);
    PL_TRY(judge_integrity(&verify));
    judge_append_only(&verify);
    judge_semantics(&verify);
    return pl_ok();
}
