/* SPDX-License-Identifier: Apache-2.0
 *
 * write: happy path: fill, pack, keep, send, forget, show. The kept file goes away when the daemon
 * has given a definite answer; it stays when the outcome is unknown or the daemon was never
 * reached, and can be repeated with --request-id.
 */
#include "client/write.h"

#include <inttypes.h>

#include "client/input.h"
#include "client/requests.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/rng.h"
#include "common/scan.h"

enum { EXIT_PROPOSED = 13 };

struct pl_status write_init(struct cli *cli, struct write *write, const char *evidence_kind)
{
    *write = (struct write){0};
    pledged__v1__command__init(&write->command);
    const char *given = options_get(&cli->options, OPTION_REQUEST_ID);
    if (given == NULL) {
        struct pl_clock *clock = pl_clock_system();
        pl_uuid_v7(clock->wall_us(clock), write->request_id);
    } else if (!pl_is_ok(pl_uuid_parse(given, write->request_id))) {
        return failure_usage(&cli->failure, _("--request-id %s: a UUID is needed"), given);
    }
    (void)pl_uuid_format(write->request_id, write->request_text);
    memcpy(cli->failure.request_id, write->request_text, sizeof(cli->failure.request_id));
    Pledged__V1__Command *command = &write->command;
    command->request_id = (ProtobufCBinaryData){sizeof(write->request_id), write->request_id};
    command->effective_date = input_lend(options_get(&cli->options, OPTION_EFFECTIVE_DATE));
    command->reason = input_lend(options_get(&cli->options, OPTION_REASON));
    command->dry_run = options_has(&cli->options, OPTION_DRY_RUN);
    return input_evidence(cli, evidence_kind, &command->evidence, &command->n_evidence);
}

/* --- the receipt --- */

static const struct column receipt_columns[] = {
    {"id", N_("Id"), IN_ALL, false},
    {"seq", N_("Entry"), IN_ALL, true},
    {"kind", N_("Result"), IN_ALL, false},
    {"left", NULL, IN_PROGRAMS, true},
    {"remaining", N_("Places left"), IN_ALL, true},
    {"balance", N_("Still to be paid"), IN_ALL, true},
    {"currency", NULL, IN_PROGRAMS, false},
    {"tier", N_("Tier"), IN_TABLE | IN_JSON, false},
    {"stage", N_("Stage"), IN_TABLE | IN_JSON, false},
    {"unallocated", N_("Not allocated"), IN_TABLE | IN_JSON, true},
    {"unallocated_currency", NULL, IN_JSON, false},
    {"expires", N_("Held until"), IN_TABLE | IN_JSON, false},
    {"expires_us", NULL, IN_JSON, false},
    {"waiting_position", N_("Place in the queue"), IN_TABLE | IN_JSON, true},
    {"catalogue_sha256", N_("SHA-256 of the catalogue"), IN_TABLE | IN_JSON, false},
    {"contributor", NULL, IN_JSON, false},
    {"pledge", N_("Pledge"), IN_TABLE | IN_JSON, false},
    {"bank_entry", NULL, IN_JSON, false},
    {"contact", NULL, IN_JSON, false},
    {"benefit", N_("Benefit"), IN_TABLE | IN_JSON, false},
    {"benefit_quantity", N_("How much"), IN_TABLE | IN_JSON, true},
    {"benefit_left", N_("Left of it"), IN_TABLE | IN_JSON, true},
    {"erased", N_("Persons erased"), IN_TABLE | IN_JSON, true},
    {"time", NULL, IN_JSON, false},
    {"time_us", NULL, IN_JSON, false},
    {"request_id", N_("Request id"), IN_TABLE | IN_JSON, false},
    {"warnings", NULL, IN_JSON, false},
    {"proposal", N_("Proposal"), IN_TABLE | IN_JSON, true},
    {"erased_left", N_("Left to erase"), IN_TABLE | IN_JSON, true},
};

static const char *subject_id(const struct write *write, const Pledged__V1__Outcome *outcome)
{
    switch (write->subject) {
    case WRITE_PLEDGE: /* an approval is about what the approved command is about */
        return write->command.command_case == PLEDGED__V1__COMMAND__COMMAND_APPROVE &&
                       outcome->refund[0] != '\0'
                   ? outcome->refund
                   : outcome->pledge;
    case WRITE_CONTRIBUTOR:
        return outcome->contributor;
    case WRITE_BANK_ENTRY:
        return outcome->bank_entry[0] != '\0' ? outcome->bank_entry : outcome->pledge;
    case WRITE_REFUND:
        return outcome->refund;
    case WRITE_PERIOD:
        return outcome->period;
    case WRITE_CATALOGUE:
        return write->catalogue;
    case WRITE_RATES:
        return write->rates;
    case WRITE_DOCUMENT:
        return outcome->document;
    case WRITE_CONTACT:
        return outcome->contact;
    }
    PL_UNREACHABLE();
}

static const char *warnings_json(struct cli *cli, const Pledged__V1__Outcome *outcome)
{
    const char *all = "[";
    for (size_t i = 0; all != NULL && i < outcome->n_warning; i++)
        all = pl_arena_printf(&cli->arena, "%s%s{\"kind\": \"%s\", \"seq\": %" PRIu64 "}", all,
                              i == 0 ? "" : ", ", text_warning_code(outcome->warning[i]->kind),
                              outcome->warning[i]->seq);
    return all == NULL ? NULL : pl_arena_printf(&cli->arena, "%s]", all);
}

static void warn(struct cli *cli, const Pledged__V1__Outcome *outcome)
{
    if (cli->config.quiet || cli->config.format == OUTPUT_JSON)
        return;
    for (size_t i = 0; i < outcome->n_warning; i++) {
        const Pledged__V1__Warning *warning = outcome->warning[i];
        (void)fprintf(stderr, _("Note: %s"), text_warning(warning->kind));
        if (warning->seq != 0)
            (void)fprintf(stderr, _(" (entry %" PRIu64 ")"), warning->seq);
        (void)fputc('\n', stderr);
    }
}

/* A script asks the exit code, a person reads. */
static void tell_proposal(struct cli *cli, const Pledged__V1__Receipt *receipt)
{
    uint64_t seq = receipt->outcome->proposal_seq;
    cli->answer = EXIT_PROPOSED;
    if (cli->config.quiet || cli->config.format == OUTPUT_JSON)
        return;
    if (receipt->kind == PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_DRY_RUN) {
        (void)fputs(_("This would become a proposal: another person would have to approve it.\n"),
                    stderr);
        return;
    }
    (void)fprintf(stderr,
                  _("Nothing has happened yet: this is a proposal. Another person has to say: "
                    "pledge approve %" PRIu64 "\n"),
                  seq);
}

static void add_left(struct sheet *sheet, const struct write *write,
                     const Pledged__V1__Outcome *outcome)
{
    bool slots =
        outcome->remaining != NULL && (write->left == WRITE_LEFT_SLOTS || outcome->balance == NULL);
    if (slots)
        sheet_remaining(sheet, outcome->remaining);
    else
        sheet_amount(sheet, outcome->balance);
    sheet_remaining(sheet, outcome->remaining);
    sheet_amount(sheet, outcome->balance);
    sheet_text(sheet, outcome->balance == NULL ? NULL : outcome->balance->currency);
}

/* The answer is lost, the command is not: who gives it once more under a new id does it twice. */
static struct pl_status recorded_unsaid(struct cli *cli, const struct write *write,
                                        const Pledged__V1__Receipt *receipt,
                                        struct pl_status status)
{
    char why[sizeof(cli->failure.message)];
    failure_complete(&cli->failure, status);
    if (write->command.dry_run)
        return status;
    (void)snprintf(why, sizeof(why), "%s", cli->failure.message);
    status = failure_set(&cli->failure, status.code, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                         _("%s; it is recorded all the same, as entry %" PRIu64
                           ": repeat the command with --request-id %s for its answer"),
                         why, receipt->seq, write->request_text);
    cli->failure.seq = receipt->seq;
    return status;
}

struct pl_status write_show(struct cli *cli, const struct write *write,
                            const Pledged__V1__Receipt *receipt)
{
    static const Pledged__V1__Outcome nothing = PLEDGED__V1__OUTCOME__INIT;
    const Pledged__V1__Outcome *outcome = receipt->outcome == NULL ? &nothing : receipt->outcome;
    struct sheet sheet;
    struct column columns[PL_COUNT(receipt_columns)];
    bool proposed = outcome->proposal_seq != 0;
    memcpy(columns, receipt_columns, sizeof(columns));
    for (size_t i = 0; i < PL_COUNT(columns) && proposed; i++) {
        if (strcmp(columns[i].key, "expires") == 0)
            columns[i].title = N_("Proposal expires");
    }
    sheet_init(&sheet, NULL, columns, PL_COUNT(columns), &cli->arena);
    sheet_text(&sheet, subject_id(write, outcome));
    sheet_seq(&sheet, receipt->seq);
    if (proposed && receipt->kind == PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_NEW)
        sheet_pair(&sheet, text_code(TEXT_RECEIPT, (int)receipt->kind), _("proposed"));
    else
        sheet_code(&sheet, TEXT_RECEIPT, (int)receipt->kind);
    add_left(&sheet, write, outcome);
    sheet_text(&sheet, outcome->tier);
    sheet_code(&sheet, TEXT_STAGE, (int)outcome->stage);
    sheet_amount(&sheet, outcome->unallocated);
    sheet_text(&sheet, outcome->unallocated == NULL ? NULL : outcome->unallocated->currency);
    sheet_end(&sheet, outcome->expires_us);
    sheet_time_us(&sheet, outcome->expires_us);
    sheet_seq(&sheet, outcome->waiting_position);
    sheet_hex(&sheet, outcome->catalogue_sha256);
    sheet_text(&sheet, outcome->contributor);
    bool other = write->subject != WRITE_PLEDGE;
    sheet_pair(&sheet, outcome->pledge[0] == '\0' ? NULL : outcome->pledge,
               other && outcome->pledge[0] != '\0' ? outcome->pledge : NULL);
    sheet_text(&sheet, outcome->bank_entry);
    sheet_text(&sheet, outcome->contact);
    sheet_text(&sheet, outcome->benefit[0] == '\0' ? NULL : outcome->benefit);
    if (outcome->benefit[0] == '\0') {
        sheet_text(&sheet, NULL);
        sheet_text(&sheet, NULL);
    } else {
        sheet_number(&sheet, outcome->benefit_quantity);
        sheet_number(&sheet, outcome->benefit_left);
    }
    sheet_seq(&sheet, outcome->n_erased);
    sheet_time(&sheet, receipt->time_us);
    sheet_time_us(&sheet, receipt->time_us);
    sheet_text(&sheet, write->request_text);
    sheet_json(&sheet, warnings_json(cli, outcome));
    sheet_seq(&sheet, outcome->proposal_seq);
    sheet_seq(&sheet, (uint64_t)outcome->erased_left);
    struct pl_status shown = cli_show(cli, &sheet);
    if (!pl_is_ok(shown))
        return recorded_unsaid(cli, write, receipt, shown);
    warn(cli, outcome);
    if (outcome->proposal_seq != 0)
        tell_proposal(cli, receipt);
    return pl_ok();
}

/* --- the way there and back --- */

/* The answer settles what became of this request id (or the daemon never got it, for a reason that
 * repeating cannot cure). */
static bool is_settled(const struct cli *cli, struct pl_status status)
{
    if (pl_is_ok(status))
        return true;
    return !cli->failure.uncertain && !cli->failure.retryable;
}

/* Records travel beside the command; and what is too large for the usual way takes this one. */
static bool is_private(const struct write *write)
{
    enum { PLAIN_BYTES_MAX = 64 << 10 };
    return write->record_count != 0 ||
           pledged__v1__command__get_packed_size(&write->command) > PLAIN_BYTES_MAX;
}

static struct pl_slice pack(struct cli *cli, struct write *write)
{
    Pledged__V1__ExecutePrivateRequest request = PLEDGED__V1__EXECUTE_PRIVATE_REQUEST__INIT;
    if (!is_private(write))
        return pl_pack(&write->command.base, &cli->arena);
    request.command = &write->command;
    request.record = write->record;
    request.n_record = write->record_count;
    return pl_pack(&request.base, &cli->arena);
}

struct pl_status write_send(struct cli *cli, struct write *write, Pledged__V1__Receipt **ret)
{
    const char *kept = NULL;
    PL_TRY(cli_open(cli));
    struct pl_slice bytes = pack(cli, write);
    if (bytes.data == NULL)
        return text_no_memory();
    if (!write->command.dry_run) {
        struct pl_status status = requests_keep(write->request_text, bytes, &cli->arena, &kept);
        if (!pl_is_ok(status))
            return failure_set(&cli->failure, status.code, PLEDGED__V1__REASON__REASON_UNSPECIFIED,
                               "", _("the request id cannot be kept in %s (%s); nothing was sent"),
                               kept == NULL ? "?" : kept,
                               status.sys_errno != 0 ? text_errno(status.sys_errno) : status.what);
    }
    struct pl_status status = is_private(write) ? session_execute_private(cli->session, bytes, ret)
                                                : session_execute(cli->session, bytes, ret);
    if (kept != NULL && is_settled(cli, status))
        requests_forget(kept);
    return status;
}

struct pl_status write_run(struct cli *cli, struct write *write)
{
    Pledged__V1__Receipt *receipt = NULL;
    PL_TRY(write_send(cli, write, &receipt));
    PL_ASSERT(receipt != NULL);
    return write_show(cli, write, receipt);
}
