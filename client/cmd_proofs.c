/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_proofs: what an auditor takes home: a signed checkpoint, the proof of one entry, a mirror of
 * everything.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/commands.h"
#include "client/input.h"
#include "client/mirror.h"
#include "client/progress.h"
#include "client/succession.h"
#include "common/check.h"
#include "common/json.h"
#include "common/scan.h"
#include "common/tlog.h"

/* --- checkpoint, prove --- */

static const struct column checkpoint_columns[] = {
    {"size", N_("Entries"), IN_ALL, true},
    {"checkpoint", N_("Checkpoint"), IN_ALL, false},
};
static const struct column proof_columns[] = {
    {"seq", N_("Entry"), IN_ALL, true},
    {"size", N_("Entries"), IN_ALL, true},
    {"tlog_proof", N_("Proof"), IN_ALL, false},
};

/* The text itself, to stdout or to a file: it is what other programs read. */
static struct pl_status put_text(struct cli *cli, const char *text)
{
    const char *path = options_get(&cli->options, OPTION_OUTPUT);
    struct pl_buf out PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&out, 4 << 20);
    if (path != NULL && strcmp(path, "-") != 0)
        return cli_write_file(cli, path, pl_slice_str(text));
    PL_TRY(pl_buf_append_str(&out, text));
    return cli_print(cli, &out);
}

/* Only what a `verify` could read leaves for a file or a terminal; whose it is, the key tells. */
static struct pl_status check_checkpoint(struct cli *cli, const char *text)
{
    struct pl_checkpoint checkpoint;
    struct pl_note *note = pl_arena_alloc(&cli->arena, sizeof(*note));
    if (note == NULL)
        return text_no_memory();
    return pl_is_ok(pl_checkpoint_note(pl_slice_str(text), note, &checkpoint))
               ? pl_ok()
               : failure_set(&cli->failure, PL_E_CORRUPT, PLEDGED__V1__REASON__REASON_UNSPECIFIED,
                             "", "%s", _("what the daemon sent is no signed checkpoint"));
}

/* A proof of the entry that was asked for, which leads to the root that comes with it. */
static struct pl_status check_proof(struct cli *cli, const char *text, uint64_t seq)
{
    struct pl_tlog_proof proof;
    struct pl_checkpoint checkpoint;
    struct pl_merkle_hash leaf;
    struct pl_note *note = pl_arena_alloc(&cli->arena, sizeof(*note));
    if (note == NULL)
        return text_no_memory();
    struct pl_status status = pl_tlog_proof_parse(pl_slice_str(text), &cli->arena, &proof);
    if (pl_is_ok(status))
        status = pl_checkpoint_note(proof.checkpoint, note, &checkpoint);
    if (pl_is_ok(status) && proof.has_extra) {
        pl_merkle_leaf(proof.extra, &leaf);
        status = pl_merkle_check_inclusion(proof.index, checkpoint.size, &leaf, &proof.proof,
                                           &checkpoint.root);
    }
    return pl_is_ok(status) && proof.index + 1 == seq
               ? pl_ok()
               : failure_set(&cli->failure, PL_E_CORRUPT, PLEDGED__V1__REASON__REASON_UNSPECIFIED,
                             "", _("what the daemon sent is no proof of entry %" PRIu64), seq);
}

static struct pl_status get_checkpoint(struct cli *cli,
                                       const Pledged__V1__GetCheckpointResponse **ret)
{
    Pledged__V1__GetCheckpointRequest request = PLEDGED__V1__GET_CHECKPOINT_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    PL_TRY(cli_read(cli, "GetCheckpoint", &request.base,
                    &pledged__v1__get_checkpoint_response__descriptor, &message));
    *ret = (const void *)message;
    return pl_ok();
}

struct pl_status cmd_checkpoint(struct cli *cli)
{
    const Pledged__V1__GetCheckpointResponse *answer = NULL;
    struct sheet sheet;
    PL_TRY(get_checkpoint(cli, &answer));
    PL_ASSERT(answer != NULL);
    PL_TRY(check_checkpoint(cli, answer->checkpoint));
    if (cli->config.format != OUTPUT_JSON)
        return put_text(cli, answer->checkpoint);
    sheet_init(&sheet, NULL, checkpoint_columns, PL_COUNT(checkpoint_columns), &cli->arena);
    sheet_number(&sheet, (int64_t)answer->size);
    sheet_text(&sheet, answer->checkpoint);
    return cli_show(cli, &sheet);
}

struct pl_status cmd_prove(struct cli *cli)
{
    Pledged__V1__GetInclusionProofRequest request = PLEDGED__V1__GET_INCLUSION_PROOF_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    struct sheet sheet;
    PL_TRY(input_seq(cli, cli->arg[0], &request.seq));
    PL_TRY(cli_read(cli, "GetInclusionProof", &request.base,
                    &pledged__v1__get_inclusion_proof_response__descriptor, &message));
    const Pledged__V1__GetInclusionProofResponse *answer = (const void *)message;
    PL_TRY(check_proof(cli, answer->tlog_proof, request.seq));
    if (cli->config.format != OUTPUT_JSON)
        return put_text(cli, answer->tlog_proof);
    sheet_init(&sheet, NULL, proof_columns, PL_COUNT(proof_columns), &cli->arena);
    sheet_number(&sheet, (int64_t)request.seq);
    sheet_number(&sheet, (int64_t)answer->size);
    sheet_text(&sheet, answer->tlog_proof);
    return cli_show(cli, &sheet);
}

/* --- mirror --- */

static const struct column mirror_columns[] = {
    {"directory", N_("Directory"), IN_ALL, false},
    {"size", N_("Entries"), IN_ALL, true},
    {"added", N_("New"), IN_ALL, true},
    {"root", N_("Root"), IN_ALL, false},
};

struct fetch {
    struct mirror *mirror; /* owns */
    struct pl_arena arena; /* of one message */
    struct progress progress;
    uint64_t whole;
    bool ended;
    const char *key; /* that the daemon names */
    uint64_t there;  /* entries that it says to have */
};

static void fetch_fini(struct fetch *fetch)
{
    progress_end(&fetch->progress);
    pl_arena_fini(&fetch->arena);
    mirror_close(fetch->mirror);
}

static struct pl_status on_part(void *arg, struct pl_slice message)
{
    struct fetch *fetch = arg;
    ProtobufCMessage *unpacked = NULL;
    pl_arena_reset(&fetch->arena);
    PL_TRY(pl_unpack_trusted(&pledged__v1__dump_response__descriptor, message, &fetch->arena,
                             &unpacked));
    const Pledged__V1__DumpResponse *part = (const void *)unpacked;
    if (fetch->ended)
        return pl_fail(CORRUPT, N_("the stream goes on after its end"));
    fetch->ended = part->trailer != NULL;
    if (part->n_entry == 0 && !fetch->ended)
        return pl_fail(CORRUPT, N_("a part of the stream brings no entry"));
    if (part->n_entry > 0 && part->first_seq != mirror_next_seq(fetch->mirror))
        return pl_fail(CORRUPT, N_("an entry is missing in the stream"));
    if (part->n_entry > fetch->whole - (mirror_next_seq(fetch->mirror) - 1))
        return pl_fail(CORRUPT, N_("the stream goes on after the last entry that was asked for"));
    for (size_t i = 0; i < part->n_entry; i++)
        PL_TRY(mirror_take(fetch->mirror, pl_slice(part->entry[i].data, part->entry[i].len)));
    progress_tell(&fetch->progress, mirror_next_seq(fetch->mirror) - 1, fetch->whole);
    return pl_ok();
}

/* Key and size as the daemon says. Whoever verifies the mirror later has the key from elsewhere. */
static struct pl_status ask_status(struct cli *cli, struct fetch *fetch)
{
    Pledged__V1__GetStatusRequest request = PLEDGED__V1__GET_STATUS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    PL_TRY(cli_read(cli, "GetStatus", &request.base, &pledged__v1__get_status_response__descriptor,
                    &message));
    fetch->key = ((const Pledged__V1__GetStatusResponse *)message)->vkey;
    fetch->there = ((const Pledged__V1__GetStatusResponse *)message)->size;
    return pl_ok();
}

static struct pl_status explain(struct cli *cli, const char *dir, struct pl_status status)
{
    if (pl_is_ok(status) || cli->failure.message[0] != '\0')
        return status;
    const char *what = gettext(status.what);
    if (status.sys_errno == 0)
        return failure_set(&cli->failure, status.code, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                           _("%s: %s"), dir, what);
    return failure_set(&cli->failure, status.code, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                       _("%s: %s: %s"), dir, what, text_errno(status.sys_errno));
}

static struct pl_status fetch_entries(struct cli *cli, struct fetch *fetch, uint64_t size)
{
    Pledged__V1__DumpRequest request = PLEDGED__V1__DUMP_REQUEST__INIT;
    request.from_seq = mirror_next_seq(fetch->mirror);
    request.to_seq = size;
    fetch->whole = size;
    return request.from_seq > size
               ? pl_ok()
               : session_stream(cli->session, "Dump", &request.base, on_part, fetch);
}

static struct pl_status show_mirror(struct cli *cli, const struct fetch *fetch, const char *dir,
                                    uint64_t added)
{
    struct sheet sheet;
    uint8_t root[PL_SHA256_BYTES];
    PL_TRY(mirror_root_at(fetch->mirror, mirror_size(fetch->mirror), root));
    sheet_init(&sheet, NULL, mirror_columns, PL_COUNT(mirror_columns), &cli->arena);
    sheet_text(&sheet, dir);
    sheet_number(&sheet, (int64_t)mirror_size(fetch->mirror));
    sheet_number(&sheet, (int64_t)added);
    sheet_hex(&sheet, (ProtobufCBinaryData){PL_SHA256_BYTES,
                                            pl_arena_memdup(&cli->arena, root, PL_SHA256_BYTES)});
    return cli_show(cli, &sheet);
}

/* What the daemon signs does not continue what it signed before: both are kept. */
static struct pl_status contradicts(struct cli *cli, struct fetch *fetch, struct pl_slice text,
                                    uint64_t size)
{
    uint64_t before = mirror_size(fetch->mirror);
    char kept[MIRROR_NAME_BYTES];
    PL_TRY(mirror_refuse(fetch->mirror, text, kept));
    return failure_set(&cli->failure, PL_E_CORRUPT, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                       _("what the daemon sent and signed (%" PRIu64 " entries) does not continue "
                         "the mirror (%" PRIu64 " entries); the mirror is as it was, the daemon's "
                         "checkpoint is kept in it as %s: both together are evidence"),
                       size, before, kept[0] != '\0' ? kept : _("nothing, so many are there"));
}

/* The daemon signs less than the mirror holds: the mirror stays as it is, whatever that means. */
static struct pl_status judge_smaller(struct cli *cli, struct fetch *fetch, struct pl_slice text,
                                      const struct verify_checkpoint *checkpoint)
{
    uint8_t root[PL_SHA256_BYTES];
    uint64_t held = mirror_size(fetch->mirror);
    PL_TRY(mirror_root_at(fetch->mirror, checkpoint->size, root));
    const struct succession_case given = {.held = held,
                                          .came = checkpoint->size,
                                          .held_root = root,
                                          .came_root = checkpoint->root,
                                          .there = fetch->there};
    enum succession is = succession_judge(&given);
    if (is == SUCCESSION_MISSING)
        return failure_set(&cli->failure, PL_E_MISSING, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                           _("the mirror has %" PRIu64 " entries, the daemon has %" PRIu64
                             " and signs %" PRIu64 ", which are the same ones: nothing was "
                             "rewritten, but it lost entries that it had signed, as an older "
                             "backup does; the mirror is as it was: keep it, it has them"),
                           held, fetch->there, checkpoint->size);
    if (is != SUCCESSION_BEHIND)
        return contradicts(cli, fetch, text, checkpoint->size);
    (void)fprintf(stderr,
                  _("Note: the checkpoint that the daemon shows (%" PRIu64 " entries) is older "
                    "than the mirror (%" PRIu64 ") and fits it. The daemon says that it has "
                    "the entries after it too; the mirror stays as it is.\n"),
                  checkpoint->size, held);
    return pl_ok();
}

/* Before anything is fetched: is it the ledger that is there? */
static struct pl_status check_before(struct cli *cli, struct fetch *fetch,
                                     const struct verify_checkpoint *checkpoint)
{
    const char *origin = mirror_origin(fetch->mirror);
    if (origin[0] != '\0' && strcmp(origin, checkpoint->origin) != 0)
        return failure_set(&cli->failure, PL_E_CORRUPT, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                           _("the mirror is of the ledger %s, the daemon keeps %s"), origin,
                           checkpoint->origin);
    if (mirror_key_changed(fetch->mirror))
        (void)fprintf(stderr, "%s\n",
                      _("Note: the daemon names another key than the one that the mirror was made "
                        "under. If the fund did not tell you of a new key, ask."));
    return pl_ok();
}

static struct pl_status mirror_to(struct cli *cli, struct fetch *fetch, const char *dir)
{
    const Pledged__V1__GetCheckpointResponse *answer = NULL;
    struct verify_checkpoint checkpoint;
    PL_TRY(ask_status(cli, fetch));
    PL_TRY(get_checkpoint(cli, &answer));
    PL_ASSERT(answer != NULL);
    struct pl_slice text = pl_slice_str(answer->checkpoint);
    const char *wrong = verify_checkpoint_open(text, fetch->key, &checkpoint);
    if (wrong != NULL)
        return failure_set(&cli->failure, PL_E_CORRUPT, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                           _("the daemon's checkpoint: %s"), gettext(wrong));
    PL_TRY(mirror_open(dir, fetch->key, &fetch->mirror));
    uint64_t before = mirror_size(fetch->mirror);
    PL_TRY(check_before(cli, fetch, &checkpoint));
    if (checkpoint.size < before) {
        PL_TRY(judge_smaller(cli, fetch, text, &checkpoint));
        return show_mirror(cli, fetch, dir, 0);
    }
    PL_TRY(fetch_entries(cli, fetch, checkpoint.size));
    struct pl_status status = mirror_finish(fetch->mirror, text, &checkpoint);
    if (status.code == PL_E_CORRUPT && before != 0)
        return contradicts(cli, fetch, text, checkpoint.size);
    PL_TRY(status);
    progress_end(&fetch->progress);
    return show_mirror(cli, fetch, dir, checkpoint.size - before);
}

struct pl_status cmd_mirror(struct cli *cli)
{
    const char *dir = cli->arg[0];
    struct fetch fetch PL_CLEANUP(fetch_fini) = {.mirror = NULL};
    pl_arena_init(&fetch.arena, (size_t)1 << 30);
    progress_init(&fetch.progress, _("mirroring"), cli->config.quiet);
    return explain(cli, dir, mirror_to(cli, &fetch, dir));
}
