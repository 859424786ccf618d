/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_sample: a sample of a ledger that was verified, as rows, with what to ask for: the hashes of
 * the documents that each entry names.
 */
#include <inttypes.h>

#include "client/cmd_verify.h"
#include "client/commands.h"
#include "client/entries.h"
#include "client/input.h"
#include "client/progress.h"
#include "client/sample.h"
#include "client/verify.h"
#include "client/when.h"
#include "common/check.h"
#include "common/ids.h"
#include "common/scan.h"

static const struct column columns[] = {
    {"seq", N_("Entry"), IN_ALL, true},
    {"hits", N_("Units drawn"), IN_ALL, true},
    {"time", N_("Time"), IN_ALL, false},
    {"person", N_("Who"), IN_ALL, false},
    {"fact", N_("What"), IN_ALL, false},
    {"pledge", N_("Pledge"), IN_ALL, false},
    {"amount", N_("Amount"), IN_ALL, true},
    {"currency", NULL, IN_PROGRAMS, false},
    {"effective_date", N_("Business date"), IN_ALL, false},
    {"reason", N_("Why"), IN_ALL, false},
    {"evidence_sha256", N_("Documents to ask for"), IN_ALL, false},
    {"filed_as", N_("Filed as"), IN_ALL, false},
    {"cause_seq", NULL, IN_PROGRAMS, true},
    {"leaf_hash", NULL, IN_PROGRAMS, false},
};

/* Which entries are there to draw from. */
struct filter {
    uint64_t from_seq, to_seq, pledge;
    int fact;             /* 0: any */
    const char *currency; /* NULL: any */
};

struct draw {
    struct sample sample;
    struct filter filter;
    struct progress progress;
    bool counted; /* the first pass is over */
};

static bool is_wanted(const struct filter *filter, uint64_t seq, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__Money *amount = entries_amount(entry);
    if (seq < filter->from_seq || seq > filter->to_seq)
        return false;
    if (filter->fact != 0 && (int)entry->fact_case != filter->fact)
        return false;
    if (filter->pledge != 0 && entries_pledge(entry) != filter->pledge)
        return false;
    return filter->currency == NULL ||
           (amount != NULL && strcmp(amount->currency, filter->currency) == 0);
}

static struct pl_status on_entry(void *arg, uint64_t seq, const struct verify_entry *entry,
                                 struct pl_slice bytes)
{
    struct draw *draw = arg;
    if (entry->message != NULL &&
        entry->message->fact_case == PLEDGED__V1__ENTRY__FACT_POLICY_ADOPTED)
        PL_TRY(when_use(entry->message->policy_adopted->time_zone)); /* times go by the newest */
    if (entry->message == NULL || !is_wanted(&draw->filter, seq, entry->message))
        return pl_ok();
    const Pledged__V1__Money *amount = entries_amount(entry->message);
    int64_t minor = amount == NULL ? 0 : amount->minor;
    if (draw->counted)
        sample_offer(&draw->sample, seq, minor, bytes);
    else
        sample_count(&draw->sample, minor);
    return pl_ok();
}

static void on_progress(void *arg, uint64_t done, uint64_t whole)
{
    struct draw *draw = arg;
    progress_tell(&draw->progress, done, whole);
}

/* --- what was asked for --- */

static struct pl_status read_filter(struct cli *cli, bool monetary, struct filter *ret)
{
    int64_t from = 1, to = INT64_MAX;
    const char *pledge = options_get(&cli->options, OPTION_PLEDGE);
    PL_TRY(options_number(&cli->options, OPTION_FROM_SEQ, 1, INT64_MAX, &from, &cli->failure));
    PL_TRY(options_number(&cli->options, OPTION_TO_SEQ, 1, INT64_MAX, &to, &cli->failure));
    *ret = (struct filter){.from_seq = (uint64_t)from, .to_seq = (uint64_t)to};
    if (monetary) /* what came in is what is audited, unless told otherwise */
        ret->fact = PLEDGED__V1__ENTRY__FACT_PAYMENT_RECORDED;
    PL_TRY(input_code(cli, OPTION_KIND, TEXT_FACT, &ret->fact));
    ret->currency = options_get(&cli->options, OPTION_CURRENCY);
    if (monetary && ret->currency == NULL)
        return failure_usage(&cli->failure, "%s",
                             _("--monetary needs --currency: units of one currency are drawn"));
    if (pledge != NULL)
        ret->pledge = pl_id_parse_loose(pledge, 'P');
    if (pledge != NULL && ret->pledge == 0)
        return failure_usage(&cli->failure, _("'%s' is no pledge (for example P000042)"), pledge);
    return pl_ok();
}

/* --- rows --- */

static const char *join(struct sheet *sheet, const char *before, const char *text)
{
    return before[0] == '\0' ? text : pl_arena_printf(sheet->arena, "%s %s", before, text);
}

static void add_evidence(struct sheet *sheet, const Pledged__V1__Command *command)
{
    const char *hashes = "", *places = "";
    for (size_t i = 0; command != NULL && i < command->n_evidence; i++) {
        const Pledged__V1__Document *document = command->evidence[i];
        char hex[2 * PL_SHA256_BYTES + 1];
        if (document->sha256.len != PL_SHA256_BYTES)
            continue;
        pl_hex(pl_slice(document->sha256.data, document->sha256.len), hex);
        hashes = join(sheet, hashes, pl_arena_strdup(sheet->arena, hex));
        if (document->filed_as[0] != '\0')
            places = join(sheet, places, document->filed_as);
    }
    sheet_text(sheet, hashes);
    sheet_text(sheet, places);
}

static struct pl_status add_row(struct sheet *sheet, const struct sample_item *item)
{
    uint8_t leaf[PL_SHA256_BYTES];
    char id[24];
    ProtobufCMessage *message = NULL, *command = NULL;
    struct pl_slice bytes = pl_slice(item->bytes, item->len);
    PL_TRY(pl_unpack_trusted(&pledged__v1__entry__descriptor, bytes, sheet->arena, &message));
    const Pledged__V1__Entry *entry = (const void *)message;
    if (entry->command.len > 0 && entry->command_bytes == 0) /* a large import has no letters */
        PL_TRY(pl_unpack_trusted(&pledged__v1__command__descriptor,
                                 pl_slice(entry->command.data, entry->command.len), sheet->arena,
                                 &command));
    const Pledged__V1__Command *made = (const void *)command;
    const Pledged__V1__Money *amount = entries_amount(entry);
    uint64_t pledge = entries_pledge(entry);
    verify_tree_leaf(bytes, leaf);
    sheet_seq(sheet, item->seq);
    sheet_number(sheet, (int64_t)item->hits);
    sheet_time(sheet, entry->time_us);
    sheet_text(sheet, entry->actor == NULL ? NULL : entry->actor->person);
    sheet_code(sheet, TEXT_FACT, (int)entry->fact_case);
    sheet_text(sheet,
               pledge == 0 ? NULL : pl_arena_strdup(sheet->arena, pl_id_format('P', pledge, id)));
    sheet_amount(sheet, amount);
    sheet_text(sheet, amount == NULL ? NULL : amount->currency);
    sheet_text(sheet, entry->effective_date);
    sheet_text(sheet, made == NULL ? NULL : made->reason);
    add_evidence(sheet, made);
    sheet_seq(sheet, entry->cause_seq);
    sheet_hex(sheet, (ProtobufCBinaryData){PL_SHA256_BYTES,
                                           pl_arena_memdup(sheet->arena, leaf, sizeof(leaf))});
    return pl_ok();
}

static struct pl_status show(struct cli *cli, const struct sample *sample)
{
    struct sheet sheet;
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, (size_t)1 << 30);
    sheet_init(&sheet, "sample", columns, PL_COUNT(columns), &cli->arena);
    sheet.safe = options_has(&cli->options, OPTION_SAFE);
    for (size_t i = 0; i < sample->count; i++)
        PL_TRY(add_row(&sheet, &sample->item[i]));
    sheet_note(&sheet, "population", pl_arena_printf(&cli->arena, "%" PRIu64, sample->population));
    sheet_note(&sheet, "interval", pl_arena_printf(&cli->arena, "%" PRIu64, sample->interval));
    sheet_note(&sheet, "start", pl_arena_printf(&cli->arena, "%" PRIu64, sample->start));
    sheet.footer =
        pl_arena_printf(&cli->arena, _("Drawn from %" PRIu64 " entries."), sample->population);
    if (options_has(&cli->options, OPTION_FORMAT))
        return cli_show(cli, &sheet);
    PL_TRY(
        sheet_print_csv(&sheet, true, &text)); /* what spreadsheets read, unless told otherwise */
    return cli_print(cli, &text);
}

/* --- the command --- */

static struct pl_status pass(struct cli *cli, const struct verify_options *options,
                             bool *ret_verified)
{
    struct verify_report report;
    struct sheet sheet;
    struct pl_status status = verify_run(options, &report);
    if (!pl_is_ok(status))
        return cmd_verify_explain(cli, options->path, status);
    *ret_verified = verify_exit(&report) == 0;
    if (*ret_verified)
        return pl_ok();
    verify_sheet(&report, &sheet, &cli->arena);
    cli->answer = verify_exit(&report);
    return cli_show(cli, &sheet);
}

static void draw_fini(struct draw *draw)
{
    progress_end(&draw->progress);
    sample_fini(&draw->sample);
}

struct pl_status cmd_sample(struct cli *cli)
{
    struct draw draw PL_CLEANUP(draw_fini) = {.counted = false};
    struct verify_options options = {
        .path = cli->arg[0], .on_progress = on_progress, .on_entry = on_entry, .arg = &draw};
    bool monetary = options_has(&cli->options, OPTION_MONETARY), verified = false;
    int64_t size = 0;
    PL_TRY(options_number(&cli->options, OPTION_SIZE, 1, SAMPLE_SIZE_MAX, &size, &cli->failure));
    sample_init(&draw.sample, options_get(&cli->options, OPTION_SEED), (size_t)size, monetary);
    PL_TRY(read_filter(cli, monetary, &draw.filter));
    PL_TRY(cmd_verify_keys(cli, &options.keys));
    if (strcmp(options.path, "-") == 0)
        return failure_usage(&cli->failure, "%s",
                             _("a sample needs two passes: give a file, not standard input"));
    progress_init(&draw.progress, _("verifying"), cli->config.quiet);
    PL_TRY(pass(cli, &options, &verified));
    if (!verified)
        return pl_ok();
    draw.counted = options.quick = true; /* the rules hold; the bytes are looked at again */
    PL_TRY(pass(cli, &options, &verified));
    if (!verified)
        return pl_ok();
    progress_end(&draw.progress);
    sample_finish(&draw.sample);
    return show(cli, &draw.sample);
}
