/* SPDX-License-Identifier: Apache-2.0
 *
 * dump: checks that the stream is whole (no gap, no repetition, a trailer that agrees, a checkpoint
 * over these very entries) while it writes, with memory for one message only.
 */
#include "client/dump.h"

#include <stdlib.h>
#include <string.h>

#include "client/entries.h"
#include "client/succession.h"
#include "client/text.h"
#include "common/check.h"
#include "common/date.h"
#include "common/json.h"
#include "common/rng.h"
#include "common/scan.h"
#include "pledged/v1/command.pb-c.h"

enum { FLUSH_BYTES = 64 << 10, PIECE_BYTES_MAX = 256 << 20, FRAME_HEAD_BYTES = 5 };
enum { ENTRY_FIELD_SEQ = 1 };

/* What cannot be read is not to be continued. */
static void keep(struct dump *dump)
{
    struct pl_note *note = malloc(sizeof(*note));
    PL_ASSERT(note != NULL);
    if (dump->options.kept == NULL ||
        !pl_is_ok(pl_checkpoint_note(pl_slice_str(dump->options.kept), note, &dump->kept)))
        dump->kept.size = 0;
    free(note);
}

void dump_init(struct dump *dump, const struct dump_options *options)
{
    uint64_t from = options->from_seq == 0 ? 1 : options->from_seq;
    *dump = (struct dump){.options = *options};
    dump->next_seq = dump_needs_all(options->form) ? 1 : from;
    pl_buf_init(&dump->out, PIECE_BYTES_MAX);
    pl_arena_init(&dump->arena, (size_t)1 << 30);
    keep(dump);
    if (dump->next_seq == 1) {
        dump->tree = malloc(sizeof(*dump->tree));
        PL_ASSERT(dump->tree != NULL);
        verify_tree_init(dump->tree, NULL, NULL);
    }
    if (dump_needs_all(options->form))
        export_init(&dump->export, (enum export_form)(options->form - DUMP_HLEDGER), from,
                    options->pledge);
}

void dump_fini(struct dump *dump)
{
    if (dump_needs_all(dump->options.form))
        export_fini(&dump->export);
    pl_buf_fini(&dump->out);
    pl_arena_fini(&dump->arena);
    free(dump->checkpoint);
    free(dump->tree);
}

static struct pl_status flush(struct dump *dump)
{
    PL_TRY(output_write(dump->options.fd, pl_buf_slice(&dump->out)));
    pl_buf_clear(&dump->out);
    return pl_ok();
}

/* Heads are written when the first message is there, so that a refusal leaves stdout empty. */
static struct pl_status begin(struct dump *dump)
{
    if (dump->begun)
        return pl_ok();
    dump->begun = true;
    if (dump->options.form == DUMP_BIN)
        return pl_buf_append(&dump->out, DUMP_MAGIC, sizeof(DUMP_MAGIC) - 1);
    if (dump->options.form != DUMP_CSV)
        return pl_ok();
    struct sheet sheet;
    entries_init(&sheet, &dump->arena);
    return sheet_print_csv(&sheet, true, &dump->out);
}

static struct pl_status add_frame(struct dump *dump, char type, struct pl_slice bytes)
{
    uint8_t head[FRAME_HEAD_BYTES] = {(uint8_t)type};
    pl_put_le32(head + 1, (uint32_t)bytes.len);
    PL_TRY(pl_buf_append(&dump->out, head, sizeof(head)));
    return pl_buf_append(&dump->out, bytes.data, bytes.len);
}

/* One more look at the root where an earlier checkpoint stands. */
static struct pl_status grow(struct dump *dump, size_t count)
{
    uint64_t size = dump->tree->size, kept = dump->kept.size;
    size_t before = kept > size && kept - size <= count ? (size_t)(kept - size) : 0;
    if (before != 0) {
        uint8_t root[PL_SHA256_BYTES];
        PL_TRY(verify_tree_add(dump->tree, dump->list, before, NULL));
        verify_tree_root(dump->tree, root);
        dump->rewritten = memcmp(root, dump->kept.root.bytes, sizeof(root)) != 0;
    }
    return verify_tree_add(dump->tree, dump->list + before, count - before, NULL);
}

/* The hashes of the entries since the last time. */
static struct pl_status add_list(struct dump *dump)
{
    size_t count = dump->list_count;
    dump->list_count = 0;
    if (count == 0)
        return pl_ok();
    if (dump->tree != NULL)
        PL_TRY(grow(dump, count));
    return dump->options.form == DUMP_BIN
               ? add_frame(dump, 'L', pl_slice(dump->list, count * PL_SHA256_BYTES))
               : pl_ok();
}

static struct pl_status add_hash(struct dump *dump, uint64_t seq, struct pl_slice bytes)
{
    verify_tree_leaf(bytes, dump->list[dump->list_count++]);
    return seq % VERIFY_TILE_HASHES == 0 ? add_list(dump) : pl_ok();
}

static struct pl_status add_exact(struct dump *dump, uint64_t seq, struct pl_slice bytes)
{
    PL_TRY(add_frame(dump, 'E', bytes));
    return add_hash(dump, seq, bytes);
}

/* Is `seq` the next one, and one of those that were asked for? */
static struct pl_status expect(struct dump *dump, uint64_t seq)
{
    if (seq != dump->next_seq)
        return pl_fail(CORRUPT, N_("an entry is missing in the stream"));
    if (dump->options.to_seq != 0 && seq > dump->options.to_seq)
        return pl_fail(CORRUPT, N_("the stream goes on after the last entry that was asked for"));
    dump->next_seq++;
    return pl_ok();
}

static struct pl_status add_row(struct dump *dump, const Pledged__V1__Entry *entry)
{
    struct sheet sheet;
    entries_init(&sheet, &dump->arena);
    entries_add(&sheet, entry);
    sheet.safe = dump->options.safe;
    sheet.exact = !dump->options.safe; /* the ledger's own words */
    return sheet_print_csv(&sheet, false, &dump->out);
}

static struct pl_status add_one(struct dump *dump, const Pledged__V1__Entry *entry,
                                struct pl_slice bytes)
{
    uint64_t pledge = dump->options.pledge;
    if (dump_needs_all(dump->options.form))
        return export_take(&dump->export, entry, bytes, &dump->out);
    if (pledge != 0 && entries_pledge(entry) != pledge)
        return pl_ok();
    switch ((int)dump->options.form) {
    case DUMP_JSONL:
        return entries_print_line(entry, &dump->arena, &dump->out);
    case DUMP_CSV:
        return add_row(dump, entry);
    default:
        PL_UNREACHABLE();
    }
}

/* The exact bytes are not read any further than that: who verifies the dump does. */
static struct pl_status add_bytes(struct dump *dump, struct pl_slice bytes)
{
    uint64_t seq = 0;
    if (!pl_wire_number(bytes, ENTRY_FIELD_SEQ, &seq))
        return pl_fail(CORRUPT, N_("an entry of the stream does not parse"));
    PL_TRY(expect(dump, seq));
    return add_exact(dump, seq, bytes);
}

static struct pl_status add_entry(struct dump *dump, struct pl_slice bytes)
{
    ProtobufCMessage *message = NULL;
    if (dump->options.form == DUMP_BIN)
        return add_bytes(dump, bytes);
    PL_TRY(pl_unpack_trusted(&pledged__v1__entry__descriptor, bytes, &dump->arena, &message));
    const Pledged__V1__Entry *entry = (const void *)message;
    PL_TRY(expect(dump, entry->seq));
    if (dump->tree != NULL)
        PL_TRY(add_hash(dump, entry->seq, bytes));
    return add_one(dump, entry, bytes);
}

static struct pl_status add_end(struct dump *dump, const Pledged__V1__DumpTrailer *trailer)
{
    if (dump_needs_all(dump->options.form))
        return export_end(&dump->export, trailer, &dump->out);
    if (dump->options.form == DUMP_BIN)
        return add_frame(dump, 'T', pl_pack(&trailer->base, &dump->arena));
    if (dump->options.form == DUMP_CSV)
        return pl_ok();
    PL_TRY(pl_buf_append_str(&dump->out, "{\"trailer\": "));
    PL_TRY(pl_json_print(&trailer->base, &dump->out));
    return pl_buf_append_str(&dump->out, "}\n");
}

static bool same_signer(const struct pl_note *one, const struct pl_note *other)
{
    for (size_t i = 0; i < one->count; i++) {
        for (size_t k = 0; k < other->count; k++) {
            if (one->signature[i].id == other->signature[k].id &&
                pl_slice_eq(one->signature[i].name, other->signature[k].name))
                return true;
        }
    }
    return false;
}

/* The same key signed both. */
static bool is_contradiction(const struct dump *dump, const struct pl_note *note)
{
    struct pl_note *kept = malloc(sizeof(*kept));
    PL_ASSERT(kept != NULL);
    bool same = note != NULL && pl_is_ok(pl_note_parse(pl_slice_str(dump->options.kept), kept)) &&
                same_signer(kept, note);
    free(kept);
    return same;
}

/* Nothing here knows whose key is the right one, so whatever came under another one, or under none,
 * takes the place of no earlier checkpoint: that would be the way to get rid of it. `note` may be
 * NULL. */
static struct pl_status check_kept(const struct dump *dump, const struct pl_note *note)
{
    /* of the kept one, only its own root is known: of what is left, nothing can be said */
    const struct succession_case given = {.held = dump->kept.size, .came = dump->next_seq - 1};
    bool fewer = dump->options.to_seq == 0 && succession_judge(&given) == SUCCESSION_UNTOLD;
    if (dump->kept.size == 0 || dump->tree == NULL || (!fewer && !dump->rewritten))
        return pl_ok();
    if (!is_contradiction(dump, note))
        return pl_fail(CORRUPT,
                       N_("what came does not continue the checkpoint beside the file and is not "
                          "signed by its key: another ledger needs a file of its own (another name "
                          "after -o); nothing was replaced"));
    return fewer
               ? pl_fail(MISSING,
                         N_("fewer came than were signed under the checkpoint beside the file: the "
                            "daemon is an older copy, or entries were taken away; whether those "
                            "that are left were rewritten cannot be told from them; keep both and "
                            "ask who runs the daemon, nothing was replaced"))
               : pl_fail(CORRUPT, N_("history was rewritten since the checkpoint beside the file: "
                                     "both are evidence, nothing was replaced"));
}

/* Whoever has only this file, or the books that are made of it, goes by the checkpoint in it. */
static struct pl_status check_checkpoint(const struct dump *dump,
                                         const Pledged__V1__DumpTrailer *trailer)
{
    struct pl_note *note = malloc(sizeof(*note)); /* too large for a stack */
    PL_ASSERT(note != NULL);
    struct pl_checkpoint checkpoint;
    struct pl_status status =
        pl_checkpoint_note(pl_slice_str(trailer->checkpoint), note, &checkpoint);
    struct pl_status kept = pl_is_ok(status) ? check_kept(dump, note) : pl_ok();
    free(note);
    if (!pl_is_ok(status))
        return pl_fail(CORRUPT, N_("what came as the checkpoint is none"));
    PL_TRY(kept);
    uint64_t last = dump->next_seq - 1;
    bool whole =
        dump->options.to_seq == 0 && (dump->tree != NULL || dump->options.from_seq <= last);
    if (strcmp(checkpoint.origin, trailer->origin) != 0 || checkpoint.size < last ||
        (whole && checkpoint.size != last))
        return pl_fail(CORRUPT, N_("the checkpoint that came is not that of these entries"));
    if (dump->tree == NULL || checkpoint.size != last)
        return pl_ok(); /* a part of the ledger has no root of its own */
    uint8_t root[PL_SHA256_BYTES];
    verify_tree_root(dump->tree, root);
    return memcmp(root, checkpoint.root.bytes, sizeof(root)) == 0
               ? pl_ok()
               : pl_fail(CORRUPT,
                         N_("the entries that came are not those of the checkpoint that came"));
}

static struct pl_status take_trailer(struct dump *dump, const Pledged__V1__DumpTrailer *trailer)
{
    if (trailer->to_seq + 1 != dump->next_seq)
        return pl_fail(CORRUPT, N_("the stream ends before its last entry"));
    PL_TRY(add_list(dump));
    PL_TRY(trailer->checkpoint[0] != '\0' ? check_checkpoint(dump, trailer)
                                          : check_kept(dump, NULL));
    PL_TRY(add_end(dump, trailer));
    if (trailer->checkpoint[0] != '\0') {
        dump->checkpoint = strdup(trailer->checkpoint);
        PL_ASSERT(dump->checkpoint != NULL);
    }
    dump->complete = true;
    return pl_ok();
}

struct pl_status dump_take(void *arg, struct pl_slice message)
{
    struct dump *dump = arg;
    ProtobufCMessage *unpacked = NULL;
    pl_arena_reset(&dump->arena);
    if (dump->complete)
        return pl_fail(CORRUPT, N_("the stream goes on after its end"));
    PL_TRY(pl_unpack_trusted(&pledged__v1__dump_response__descriptor, message, &dump->arena,
                             &unpacked));
    const Pledged__V1__DumpResponse *part = (const void *)unpacked;
    if (part->n_entry == 0 && part->trailer == NULL) /* it would hold us for as long as it likes */
        return pl_fail(CORRUPT, N_("a part of the stream brings no entry"));
    PL_TRY(begin(dump));
    for (size_t i = 0; i < part->n_entry; i++) {
        PL_TRY(add_entry(dump, pl_slice(part->entry[i].data, part->entry[i].len)));
        if (pl_buf_len(&dump->out) >= FLUSH_BYTES)
            PL_TRY(flush(dump));
    }
    if (dump->options.on_progress != NULL)
        dump->options.on_progress(dump->options.arg, dump->next_seq - 1);
    return part->trailer == NULL ? pl_ok() : take_trailer(dump, part->trailer);
}

struct pl_status dump_finish(struct dump *dump)
{
    PL_TRY(flush(dump));
    if (!dump->complete)
        return pl_fail(UNAVAILABLE, "the dump breaks off before its end");
    return pl_ok();
}
