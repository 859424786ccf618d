/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_paper: documents on paper. A receipt or certificate is drawn first, with its number, and
 * issued with the hash of the file; where somebody else was faster it is drawn again. The file gets
 * its name only when the ledger has it: until then it is FILE.draft. Failure: nothing is left, but
 * where the outcome is unknown the draft stays.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/account.h"
#include "client/commands.h"
#include "client/documents.h"
#include "client/input.h"
#include "client/when.h"
#include "client/write.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/date.h"
#include "common/hash.h"
#include "common/rng.h"
#include "common/scan.h"

enum {
    PDF_MAX = 16 << 20,
    ATTEMPTS_MAX = 50,
    PAGES_MAX = 100000,
    PAGE_SIZE = 1000,
    REQUEST_ID_BYTES = 16
};

/* --- what a document is made of --- */

/* --effective-date or --at, or today in the fund's time zone. */
static struct pl_status read_day(struct cli *cli, const char **ret)
{
    char today[11];
    const char *effective = options_get(&cli->options, OPTION_EFFECTIVE_DATE);
    const char *given = effective != NULL ? effective : options_get(&cli->options, OPTION_AT);
    if (given != NULL)
        PL_TRY(input_day(cli, effective != NULL ? OPTION_EFFECTIVE_DATE : OPTION_AT, given));
    struct pl_clock *clock = pl_clock_system();
    if (given == NULL) {
        PL_TRY(cli_zone(cli));
        given =
            pl_arena_strdup(&cli->arena, pl_date_format(when_day(clock->wall_us(clock)), today));
    }
    *ret = given;
    return *ret != NULL ? pl_ok() : text_no_memory();
}

/* Label of the tier and name of the event, in the language of the run. */
static struct pl_status read_offer(struct cli *cli, struct documents_input *input)
{
    input->event = "";
    if (input->pledge->tier[0] == '\0')
        return pl_ok();
    Pledged__V1__GetCatalogueRequest request = PLEDGED__V1__GET_CATALOGUE_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    request.catalogue = input->pledge->catalogue;
    PL_TRY(cli_read(cli, "GetCatalogue", &request.base,
                    &pledged__v1__get_catalogue_response__descriptor, &message));
    const Pledged__V1__Catalogue *catalogue =
        ((const Pledged__V1__GetCatalogueResponse *)(const void *)message)->catalogue;
    input->tier = input->pledge->tier;
    for (size_t i = 0; catalogue != NULL && i < catalogue->n_tier; i++) {
        const Pledged__V1__Tier *tier = catalogue->tier[i];
        if (strcmp(tier->code, input->pledge->tier) == 0 && tier->n_label > 0)
            input->tier = text_pick(tier->label, tier->n_label, text_language_code());
    }
    if (catalogue != NULL && catalogue->event != NULL)
        input->event =
            text_pick(catalogue->event->name, catalogue->event->n_name, text_language_code());
    return pl_ok();
}

static struct pl_status read_treasury(struct cli *cli, struct treasury *ret)
{
    Pledged__V1__GetTreasuryRequest request = PLEDGED__V1__GET_TREASURY_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    PL_TRY(cli_read(cli, "GetTreasury", &request.base,
                    &pledged__v1__get_treasury_response__descriptor, &message));
    if (treasury_take((const void *)message, ret))
        return pl_ok();
    if (cli->config.path == NULL)
        return failure_set(&cli->failure, PL_E_CONFIG, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                           "%s",
                           _("nobody says who is paid: [creditor] and [account NAME] are "
                             "missing in the daemon's configuration"));
    return treasury_load(cli->config.path, &cli->arena, ret, &cli->failure);
}

static struct pl_status gather(struct cli *cli, struct treasury *treasury,
                               struct documents_input *input)
{
    Pledged__V1__GetPledgeRequest request = PLEDGED__V1__GET_PLEDGE_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    *input = (struct documents_input){.treasury = treasury};
    PL_TRY(read_treasury(cli, treasury));
    PL_TRY(read_day(cli, &input->date));
    request.pledge = input_id(cli, cli->arg[0], 'P');
    PL_TRY(cli_read(cli, "GetPledge", &request.base, &pledged__v1__get_pledge_response__descriptor,
                    &message));
    input->pledge = ((const Pledged__V1__GetPledgeResponse *)(const void *)message)->pledge;
    return read_offer(cli, input);
}

static struct pl_status refuse(struct cli *cli, Pledged__V1__Reason reason, const char *why)
{
    return failure_set(&cli->failure, PL_E_REFUSED, reason, "pledge", "%s", why);
}

/* --- invoice --- */

static const struct column file_columns[] = {
    {"file", N_("File"), IN_ALL, false},           {"sha256", N_("SHA-256"), IN_ALL, false},
    {"amount", N_("Amount"), IN_ALL, true},        {"currency", NULL, IN_PROGRAMS, false},
    {"reference", N_("Reference"), IN_ALL, false},
};

static const char *file_or(struct cli *cli, const char *stem)
{
    const char *path = options_get(&cli->options, OPTION_OUTPUT);
    return path != NULL ? path : pl_arena_printf(&cli->arena, "%s.pdf", stem);
}

static struct pl_status show_file(struct cli *cli, const char *path, struct pl_slice bytes,
                                  const Pledged__V1__Money *amount, const char *reference)
{
    uint8_t digest[PL_SHA256_BYTES];
    struct sheet sheet;
    pl_sha256(bytes, digest);
    sheet_init(&sheet, NULL, file_columns, PL_COUNT(file_columns), &cli->arena);
    sheet_text(&sheet, path);
    sheet_hex(&sheet, (ProtobufCBinaryData){sizeof(digest), digest});
    sheet_amount(&sheet, amount);
    sheet_text(&sheet, amount == NULL ? NULL : amount->currency);
    sheet_text(&sheet, reference);
    return cli_show(cli, &sheet);
}

static struct pl_status read_payer(struct cli *cli, struct qrbill_party *payer,
                                   struct documents_input *input)
{
    const char *given = options_get(&cli->options, OPTION_PAYER);
    if (given == NULL)
        return pl_ok();
    char *copy = pl_arena_strdup(&cli->arena, given);
    if (copy == NULL)
        return text_no_memory();
    if (!qrbill_party_parse(copy, payer))
        return failure_usage(&cli->failure,
                             _("--payer %s: 'NAME;STREET;NUMBER;POSTAL CODE;TOWN;COUNTRY' is "
                               "needed, street and number may be empty"),
                             given);
    input->payer = payer;
    return pl_ok();
}

static struct pl_status read_instalment(struct cli *cli, struct documents_input *input)
{
    const Pledged__V1__PledgeStatus *pledge = input->pledge;
    int64_t number = 0;
    if (!options_has(&cli->options, OPTION_INSTALMENT))
        return pl_ok();
    if (pledge->n_instalment == 0)
        return refuse(cli, PLEDGED__V1__REASON__REASON_STATE_WRONG,
                      _("this pledge has no schedule of instalments"));
    PL_TRY(options_number(&cli->options, OPTION_INSTALMENT, 1, (int64_t)pledge->n_instalment,
                          &number, &cli->failure));
    input->instalment = (size_t)number;
    const Pledged__V1__Money *left = pledge->instalment[number - 1]->outstanding;
    return left != NULL && left->minor > 0 ? pl_ok()
                                           : refuse(cli, PLEDGED__V1__REASON__REASON_STATE_WRONG,
                                                    _("nothing is to be paid of this instalment"));
}

struct pl_status cmd_invoice(struct cli *cli)
{
    struct treasury treasury;
    struct documents_input input;
    struct qrbill_party payer;
    PL_TRY(gather(cli, &treasury, &input));
    PL_TRY(read_payer(cli, &payer, &input));
    const Pledged__V1__PledgeStatus *pledge = input.pledge;
    if ((pledge->stage != PLEDGED__V1__STAGE__STAGE_PLEDGED &&
         pledge->stage != PLEDGED__V1__STAGE__STAGE_COMMITTED) ||
        pledge->outstanding == NULL || pledge->outstanding->minor <= 0)
        return refuse(cli, PLEDGED__V1__REASON__REASON_STATE_WRONG,
                      _("nothing is to be paid for this pledge"));
    PL_TRY(read_instalment(cli, &input));
    struct pl_buf pdf PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&pdf, PDF_MAX);
    PL_TRY(documents_invoice(&input, &cli->arena, &cli->failure, &pdf));
    const char *path =
        file_or(cli, pl_arena_printf(&cli->arena, "%s-%s", _("invoice"), pledge->pledge));
    if (path == NULL)
        return text_no_memory();
    PL_TRY(cli_write_file(cli, path, pl_buf_slice(&pdf)));
    const Pledged__V1__Money *amount = input.instalment == 0
                                           ? pledge->outstanding
                                           : pledge->instalment[input.instalment - 1]->outstanding;
    return show_file(cli, path, pl_buf_slice(&pdf), amount, pledge->reference);
}

/* --- receipt and certificate --- */

struct issue {
    struct cli *cli;
    bool certificate;
    struct treasury treasury;
    struct documents_input input;
    const Pledged__V1__ListDocumentsResponse *open;
    Pledged__V1__PledgeStatus then;   /* of the pledge, as far as the document tells it */
    const Pledged__V1__Entry *issued; /* by this request id before; NULL: it is new */
    uint8_t digest[PL_SHA256_BYTES];
    const char *path, *draft;
    uint64_t seqs[128];
    union {
        Pledged__V1__IssueReceipt receipt;
        Pledged__V1__IssueCertificate certificate_;
    } body;
};

static struct pl_status read_open(struct issue *issue)
{
    struct cli *cli = issue->cli;
    Pledged__V1__ListDocumentsRequest request = PLEDGED__V1__LIST_DOCUMENTS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    request.pledge = issue->input.pledge->pledge;
    request.certificates = issue->certificate;
    request.page_size = 1;
    PL_TRY(cli_read(cli, "ListDocuments", &request.base,
                    &pledged__v1__list_documents_response__descriptor, &message));
    issue->open = (const void *)message;
    issue->input.number = issue->open->next_number;
    issue->input.allocation = issue->open->open;
    issue->input.allocation_count = issue->open->n_open;
    Pledged__V1__Stage stage = issue->input.pledge->stage;
    if (issue->certificate && stage != PLEDGED__V1__STAGE__STAGE_COMMITTED &&
        stage != PLEDGED__V1__STAGE__STAGE_CLOSED)
        return refuse(cli, PLEDGED__V1__REASON__REASON_STATE_WRONG,
                      _("a certificate is for a signed commitment"));
    if (!issue->certificate && issue->open->n_open == 0)
        return refuse(cli, PLEDGED__V1__REASON__REASON_NOTHING_RECEIVED,
                      text_reason(PLEDGED__V1__REASON__REASON_NOTHING_RECEIVED));
    return issue->open->n_open <= PL_COUNT(issue->seqs) ? pl_ok() : text_no_memory();
}

/* --- the same request once more --- */

static bool is_issue(const struct issue *issue, const Pledged__V1__Entry *entry,
                     const uint8_t request_id[REQUEST_ID_BYTES])
{
    Pledged__V1__Entry__FactCase fact = issue->certificate
                                            ? PLEDGED__V1__ENTRY__FACT_CERTIFICATE_ISSUED
                                            : PLEDGED__V1__ENTRY__FACT_RECEIPT_ISSUED;
    return entry->fact_case == fact && entry->request_id.len == REQUEST_ID_BYTES &&
           memcmp(entry->request_id.data, request_id, REQUEST_ID_BYTES) == 0;
}

/* The document that this request id issued before, in the history of the pledge. */
static struct pl_status find_issued(struct issue *issue)
{
    struct cli *cli = issue->cli;
    Pledged__V1__GetHistoryRequest request = PLEDGED__V1__GET_HISTORY_REQUEST__INIT;
    uint8_t request_id[REQUEST_ID_BYTES];
    const char *given = options_get(&cli->options, OPTION_REQUEST_ID);
    if (given == NULL || !pl_is_ok(pl_uuid_parse(given, request_id)))
        return pl_ok(); /* what is wrong with it is said when the command is made */
    request.pledge = issue->input.pledge->pledge;
    request.page_size = PAGE_SIZE;
    for (int page = 0; page < PAGES_MAX && issue->issued == NULL; page++) {
        ProtobufCMessage *message = NULL, *entry = NULL;
        PL_TRY(cli_read(cli, "GetHistory", &request.base,
                        &pledged__v1__get_history_response__descriptor, &message));
        const Pledged__V1__GetHistoryResponse *answer = (const void *)message;
        for (size_t i = 0; i < answer->n_entry && issue->issued == NULL; i++) {
            PL_TRY(pl_unpack_trusted(&pledged__v1__entry__descriptor,
                                     pl_slice(answer->entry[i].data, answer->entry[i].len),
                                     &cli->arena, &entry));
            if (is_issue(issue, (const void *)entry, request_id))
                issue->issued = (const void *)entry;
        }
        request.before_seq = answer->earlier_before_seq;
        if (request.before_seq == 0)
            break;
    }
    return pl_ok();
}

/* The rows that the receipt lists, of those that are live; another number of them is told by the
 * hash of what is drawn. */
static struct pl_status read_listed(struct issue *issue)
{
    struct cli *cli = issue->cli;
    const Pledged__V1__ReceiptIssued *fact = issue->issued->receipt_issued;
    Pledged__V1__GetPledgeRequest request = PLEDGED__V1__GET_PLEDGE_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    request.pledge = issue->input.pledge->pledge;
    PL_TRY(cli_read(cli, "GetPledge", &request.base, &pledged__v1__get_pledge_response__descriptor,
                    &message));
    const Pledged__V1__GetPledgeResponse *answer = (const void *)message;
    Pledged__V1__AllocationStatus **listed =
        pl_arena_alloc(&cli->arena, (answer->n_allocation + 1) * sizeof(*listed));
    if (listed == NULL || fact->n_allocation_seq > PL_COUNT(issue->seqs))
        return text_no_memory();
    issue->input.allocation = listed;
    issue->input.allocation_count = 0;
    for (size_t i = 0; i < answer->n_allocation; i++) {
        if (strcmp(answer->allocation[i]->receipt, fact->number) != 0)
            continue;
        if (issue->input.allocation_count == PL_COUNT(issue->seqs))
            return pl_fail(CORRUPT, "more allocations name a receipt than one may list");
        listed[issue->input.allocation_count++] = answer->allocation[i];
    }
    return pl_ok();
}

/* As it was drawn then: its number, its day, and what was still to be paid. */
static struct pl_status read_again(struct issue *issue)
{
    const Pledged__V1__Entry *entry = issue->issued;
    issue->input.date = entry->effective_date;
    if (issue->certificate) {
        issue->input.number = entry->certificate_issued->number;
        return pl_ok();
    }
    issue->input.number = entry->receipt_issued->number;
    issue->then = *issue->input.pledge;
    if (entry->outcome != NULL && entry->outcome->balance != NULL)
        issue->then.outstanding = entry->outcome->balance;
    issue->input.pledge = &issue->then;
    return read_listed(issue);
}

/* What the ledger has is the hash of one file: another one would not be that document. */
static struct pl_status same_again(struct issue *issue)
{
    ProtobufCBinaryData sha256 = issue->certificate
                                     ? issue->issued->certificate_issued->document_sha256
                                     : issue->issued->receipt_issued->document_sha256;
    if (sha256.len == sizeof(issue->digest) &&
        memcmp(sha256.data, issue->digest, sizeof(issue->digest)) == 0)
        return pl_ok();
    if (!options_has(&issue->cli->options, OPTION_DRY_RUN))
        (void)unlink(issue->draft);
    return failure_set(&issue->cli->failure, PL_E_REFUSED, PLEDGED__V1__REASON__REASON_STATE_WRONG,
                       "request_id",
                       _("%s was issued with this request id, and cannot be drawn again as it was: "
                         "the language, or what it tells, is another one now"),
                       issue->input.number);
}

static struct pl_status draw(struct issue *issue)
{
    struct cli *cli = issue->cli;
    struct pl_buf pdf PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&pdf, PDF_MAX);
    PL_TRY(issue->certificate
               ? documents_certificate(&issue->input, &cli->arena, &cli->failure, &pdf)
               : documents_receipt(&issue->input, &cli->arena, &cli->failure, &pdf));
    pl_sha256(pl_buf_slice(&pdf), issue->digest);
    issue->path = file_or(cli, issue->input.number);
    issue->draft =
        issue->path == NULL ? NULL : pl_arena_printf(&cli->arena, "%s.draft", issue->path);
    if (issue->draft == NULL)
        return text_no_memory();
    return options_has(&cli->options, OPTION_DRY_RUN)
               ? pl_ok()
               : cli_write_file(cli, issue->draft, pl_buf_slice(&pdf));
}

static void fill(struct issue *issue, struct write *write)
{
    ProtobufCBinaryData sha256 = {sizeof(issue->digest), issue->digest};
    if (issue->certificate) {
        Pledged__V1__IssueCertificate *body = &issue->body.certificate_;
        pledged__v1__issue_certificate__init(body);
        body->pledge = issue->input.pledge->pledge;
        body->number = input_lend(issue->input.number);
        body->document_sha256 = sha256;
        write->command.command_case = PLEDGED__V1__COMMAND__COMMAND_ISSUE_CERTIFICATE;
        write->command.issue_certificate = body;
    } else {
        Pledged__V1__IssueReceipt *body = &issue->body.receipt;
        pledged__v1__issue_receipt__init(body);
        body->pledge = issue->input.pledge->pledge;
        body->number = input_lend(issue->input.number);
        body->document_sha256 = sha256;
        for (size_t i = 0; i < issue->input.allocation_count && i < PL_COUNT(issue->seqs); i++)
            issue->seqs[i] = issue->input.allocation[i]->seq;
        body->n_allocation_seq = issue->input.allocation_count;
        body->allocation_seq = issue->seqs;
        write->command.command_case = PLEDGED__V1__COMMAND__COMMAND_ISSUE_RECEIPT;
        write->command.issue_receipt = body;
    }
    write->command.effective_date = input_lend(issue->input.date);
    write->subject = WRITE_DOCUMENT;
    write->left = WRITE_LEFT_BALANCE;
}

static struct pl_status send_it(struct issue *issue)
{
    struct cli *cli = issue->cli;
    struct write write;
    PL_TRY(write_init(cli, &write, "letter"));
    fill(issue, &write);
    struct pl_status status = write_run(cli, &write);
    if (write.command.dry_run)
        return status;
    if (pl_is_ok(status) && rename(issue->draft, issue->path) != 0)
        return failure_set(&cli->failure, PL_E_IO, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                           _("the document is issued, but stays in %s"), issue->draft);
    if (!pl_is_ok(status) && !cli->failure.uncertain)
        (void)unlink(issue->draft);
    bool named = options_has(&cli->options, OPTION_OUTPUT);
    if (pl_is_ok(status) && !named && !cli->config.quiet && cli->config.format == OUTPUT_TABLE)
        (void)fprintf(stderr, _("The document is in %s\n"), issue->path);
    return status;
}

static struct pl_status issue_document(struct cli *cli, bool certificate)
{
    struct issue issue = {.cli = cli, .certificate = certificate};
    for (int attempt = 0;; attempt++) {
        PL_TRY(gather(cli, &issue.treasury, &issue.input));
        PL_TRY(find_issued(&issue));
        PL_TRY(issue.issued != NULL ? read_again(&issue) : read_open(&issue));
        PL_TRY(draw(&issue));
        if (issue.issued != NULL)
            PL_TRY(same_again(&issue));
        struct pl_status status = send_it(&issue);
        bool again = !pl_is_ok(status) &&
                     cli->failure.reason == PLEDGED__V1__REASON__REASON_NUMBER_STALE &&
                     !options_has(&cli->options, OPTION_REQUEST_ID) && attempt < ATTEMPTS_MAX;
        if (!again)
            return status;
        cli->failure = (struct failure){.code = PL_E_OK};
    }
}

struct pl_status cmd_receipt(struct cli *cli)
{
    return issue_document(cli, false);
}

struct pl_status cmd_certificate(struct cli *cli)
{
    return issue_document(cli, true);
}

/* --- what was issued --- */

static const struct column document_columns[] = {
    {"number", N_("Number"), IN_ALL, false},
    {"pledge", N_("Pledge"), IN_ALL, false},
    {"contributor", N_("Contributor"), IN_ALL, false},
    {"contributor_name", N_("Name"), IN_ALL, false},
    {"amount", N_("Amount"), IN_ALL, true},
    {"currency", NULL, IN_PROGRAMS, false},
    {"undone", N_("Taken back"), IN_ALL, true},
    {"time", N_("When"), IN_ALL, false},
    {"seq", N_("Entry"), IN_ALL, true},
    {"sha256", N_("SHA-256"), IN_ALL, false},
};

static void add_document(struct sheet *sheet, const Pledged__V1__DocumentStatus *document)
{
    sheet_text(sheet, document->number);
    sheet_text(sheet, document->pledge);
    sheet_text(sheet, document->contributor);
    sheet_quoted(sheet, document->contributor_name);
    sheet_amount(sheet, document->amount);
    sheet_text(sheet, document->amount == NULL ? NULL : document->amount->currency);
    sheet_amount(sheet, document->undone);
    sheet_time(sheet, document->time_us);
    sheet_seq(sheet, document->seq);
    sheet_hex(sheet, document->sha256);
}

static struct pl_status list_kind(struct cli *cli, Pledged__V1__ListDocumentsRequest *request,
                                  struct sheet *sheet, uint64_t *ret_as_of)
{
    request->page_size = PAGE_SIZE;
    request->page_token = input_lend(NULL);
    for (int page = 0; page < PAGES_MAX; page++) {
        ProtobufCMessage *message = NULL;
        PL_TRY(cli_read(cli, "ListDocuments", &request->base,
                        &pledged__v1__list_documents_response__descriptor, &message));
        const Pledged__V1__ListDocumentsResponse *answer = (const void *)message;
        for (size_t i = 0; i < answer->n_document; i++)
            add_document(sheet, answer->document[i]);
        *ret_as_of = answer->as_of_seq;
        if (answer->next_page_token[0] == '\0')
            return pl_ok();
        request->page_token = answer->next_page_token;
    }
    return pl_fail(TOO_BIG, "there are more documents than a list takes");
}

static struct pl_status list_both(struct cli *cli, Pledged__V1__ListDocumentsRequest *request,
                                  struct sheet *sheet)
{
    uint64_t as_of = 0;
    sheet_init(sheet, "documents", document_columns, PL_COUNT(document_columns), &cli->arena);
    request->certificates = false;
    PL_TRY(list_kind(cli, request, sheet, &as_of));
    request->certificates = true;
    PL_TRY(list_kind(cli, request, sheet, &as_of));
    sheet_as_of(sheet, as_of, 0);
    return pl_ok();
}

struct pl_status cmd_documents(struct cli *cli)
{
    Pledged__V1__ListDocumentsRequest request = PLEDGED__V1__LIST_DOCUMENTS_REQUEST__INIT;
    struct sheet sheet;
    if (cli->arg_count > 0)
        request.pledge = input_id(cli, cli->arg[0], 'P');
    PL_TRY(list_both(cli, &request, &sheet));
    return cli_show(cli, &sheet);
}

struct pl_status cmd_check_document(struct cli *cli)
{
    Pledged__V1__ListDocumentsRequest request = PLEDGED__V1__LIST_DOCUMENTS_REQUEST__INIT;
    struct pl_slice bytes;
    struct sheet sheet;
    uint8_t digest[PL_SHA256_BYTES];
    PL_TRY(input_file(cli, cli->arg[0], PDF_MAX, &bytes));
    pl_sha256(bytes, digest);
    request.sha256 = (ProtobufCBinaryData){sizeof(digest), digest};
    PL_TRY(list_both(cli, &request, &sheet));
    cli->answer = sheet_rows(&sheet) == 0 ? 1 : 0;
    if (cli->answer == 1 && !cli->config.quiet && cli->config.format != OUTPUT_JSON)
        (void)fprintf(stderr,
                      _("%s was not issued: no receipt and no certificate has this content\n"),
                      cli->arg[0]);
    return cli_show(cli, &sheet);
}

/* --- statement of account --- */

struct history_pages {
    const Pledged__V1__GetHistoryResponse *page;
    struct history_pages *newer;
};

/* Pages come newest first. */
static struct pl_status take_history(struct cli *cli, const char *pledge, struct account *account)
{
    Pledged__V1__GetHistoryRequest request = PLEDGED__V1__GET_HISTORY_REQUEST__INIT;
    struct history_pages *oldest = NULL;
    request.pledge = input_lend(pledge);
    request.page_size = PAGE_SIZE;
    do {
        ProtobufCMessage *message = NULL;
        PL_TRY(cli_read(cli, "GetHistory", &request.base,
                        &pledged__v1__get_history_response__descriptor, &message));
        struct history_pages *one = pl_arena_alloc(&cli->arena, sizeof(*one));
        if (one == NULL)
            return text_no_memory();
        *one = (struct history_pages){.page = (const void *)message, .newer = oldest};
        oldest = one;
        request.before_seq = one->page->earlier_before_seq;
    } while (request.before_seq != 0);
    account_pledge(account, pledge);
    for (; oldest != NULL; oldest = oldest->newer) {
        for (size_t i = 0; i < oldest->page->n_entry; i++) {
            ProtobufCMessage *entry = NULL;
            PL_TRY(
                pl_unpack_trusted(&pledged__v1__entry__descriptor,
                                  pl_slice(oldest->page->entry[i].data, oldest->page->entry[i].len),
                                  &cli->arena, &entry));
            PL_TRY(account_take(account, (const void *)entry));
        }
    }
    return pl_ok();
}

static struct pl_status ask_payments(struct cli *cli,
                                     const Pledged__V1__ListPaymentsRequest *request,
                                     const Pledged__V1__ListPaymentsResponse **ret)
{
    ProtobufCMessage *message = NULL;
    PL_TRY(cli_read(cli, "ListPayments", &request->base,
                    &pledged__v1__list_payments_response__descriptor, &message));
    *ret = (const void *)message;
    return pl_ok();
}

/* What came in for a pledge. */
static struct pl_status take_payments(struct cli *cli, const char *pledge, struct account *account)
{
    Pledged__V1__ListPaymentsRequest request = PLEDGED__V1__LIST_PAYMENTS_REQUEST__INIT;
    const Pledged__V1__ListPaymentsResponse *answer = NULL;
    request.pledge = input_lend(pledge);
    request.page_size = PAGE_SIZE;
    for (int page = 0; page < PAGES_MAX; page++) {
        PL_TRY(ask_payments(cli, &request, &answer));
        PL_ASSERT(answer != NULL);
        for (size_t i = 0; i < answer->n_payment; i++)
            PL_TRY(account_receive(account, answer->payment[i]));
        if (answer->next_page_token[0] == '\0')
            return pl_ok();
        request.page_token = answer->next_page_token;
    }
    return pl_fail(TOO_BIG, "there are more payments than a statement takes");
}

/* What went back of it. */
static struct pl_status take_refunds(struct cli *cli, const char *pledge, struct account *account)
{
    Pledged__V1__GetPledgeRequest request = PLEDGED__V1__GET_PLEDGE_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    request.pledge = input_lend(pledge);
    PL_TRY(cli_read(cli, "GetPledge", &request.base, &pledged__v1__get_pledge_response__descriptor,
                    &message));
    const Pledged__V1__GetPledgeResponse *answer = (const void *)message;
    for (size_t i = 0; i < answer->n_refund; i++)
        PL_TRY(account_refund(account, answer->refund[i]));
    return pl_ok();
}

/* Value dates of money that was meant for other pledges, or for none. */
static struct pl_status take_dates(struct cli *cli, struct account *account)
{
    const char *bank_entry;
    while ((bank_entry = account_unknown(account)) != NULL) {
        Pledged__V1__ListPaymentsRequest request = PLEDGED__V1__LIST_PAYMENTS_REQUEST__INIT;
        const Pledged__V1__ListPaymentsResponse *answer = NULL;
        request.bank_entry = input_lend(bank_entry);
        PL_TRY(ask_payments(cli, &request, &answer));
        PL_ASSERT(answer != NULL);
        if (answer->n_payment != 1)
            return pl_fail(INTERNAL, "the daemon does not know a bank entry that it named");
        PL_TRY(account_learn(account, bank_entry, answer->payment[0]->value_date));
    }
    return account_finish(account, options_get(&cli->options, OPTION_AT));
}

static struct pl_status take_pledges(struct cli *cli, const char *contributor,
                                     struct account *account, struct documents_statement *ret)
{
    Pledged__V1__ListPledgesRequest request = PLEDGED__V1__LIST_PLEDGES_REQUEST__INIT;
    request.contributor = input_lend(contributor);
    request.page_size = PAGE_SIZE;
    for (int page = 0; page < PAGES_MAX; page++) {
        ProtobufCMessage *message = NULL;
        PL_TRY(cli_read(cli, "ListPledges", &request.base,
                        &pledged__v1__list_pledges_response__descriptor, &message));
        const Pledged__V1__ListPledgesResponse *answer = (const void *)message;
        ret->as_of_seq = answer->as_of_seq;
        for (size_t i = 0; i < answer->n_pledge; i++) {
            ret->name = answer->pledge[i]->contributor_name;
            PL_TRY(take_history(cli, answer->pledge[i]->pledge, account));
            PL_TRY(take_payments(cli, answer->pledge[i]->pledge, account));
            PL_TRY(take_refunds(cli, answer->pledge[i]->pledge, account));
        }
        for (size_t i = 0; i < answer->n_refund; i++)
            PL_TRY(account_give_back(account, answer->refund[i]));
        if (answer->next_page_token[0] == '\0')
            return take_dates(cli, account);
        request.page_token = answer->next_page_token;
    }
    return pl_fail(TOO_BIG, "there are more pledges than a statement takes");
}

static const struct column statement_columns[] = {
    {"seq", N_("Entry"), IN_ALL, true},
    {"date", N_("Date"), IN_ALL, false},
    {"pledge", N_("Pledge"), IN_ALL, false},
    {"what", N_("What"), IN_ALL, false},
    {"promised", N_("Promised"), IN_ALL, true},
    {"paid", N_("Paid"), IN_ALL, true},
    {"balance", N_("To be paid"), IN_ALL, true},
    {"currency", NULL, IN_PROGRAMS, false},
    {"waived", N_("Waived"), IN_ALL, true},
    {"received", N_("Received"), IN_ALL, true},
    {"returned", N_("Paid back"), IN_ALL, true},
    {"bank_entry", N_("Bank entry"), IN_ALL, false},
    {"unallocated", N_("Not allocated"), IN_ALL, true},
    {"elsewhere", N_("For others"), IN_ALL, true},
};

static void add_amount(struct sheet *sheet, int64_t minor, const char *currency)
{
    sheet_pair(sheet, output_decimal(sheet->arena, minor, currency),
               output_money(sheet->arena, minor, currency));
}

/* For people, nothing where nothing changes. */
static void add_change(struct sheet *sheet, int64_t minor, const char *currency)
{
    sheet_pair(sheet, output_decimal(sheet->arena, minor, currency),
               minor == 0 ? NULL : output_money(sheet->arena, minor, currency));
}

static struct pl_status show_statement(struct cli *cli, const struct documents_statement *statement,
                                       const struct account *account)
{
    struct sheet sheet;
    sheet_init(&sheet, "lines", statement_columns, PL_COUNT(statement_columns), &cli->arena);
    for (size_t i = 0; i < account->count; i++) {
        const struct documents_line *line = &account->line[i];
        sheet_seq(&sheet, line->seq);
        sheet_text(&sheet, line->date);
        sheet_text(&sheet, line->pledge);
        sheet_code(&sheet, TEXT_FACT, line->fact);
        add_change(&sheet, line->promised, line->currency);
        add_change(&sheet, line->paid, line->currency);
        add_amount(&sheet, line->balance, line->currency);
        sheet_text(&sheet, line->currency);
        add_change(&sheet, line->waived, line->currency);
        add_change(&sheet, line->received, line->currency);
        add_change(&sheet, line->returned, line->currency);
        sheet_text(&sheet, line->bank_entry);
        add_change(&sheet, line->unallocated, line->currency);
        add_change(&sheet, line->elsewhere, line->currency);
    }
    sheet_as_of(&sheet, statement->as_of_seq, 0);
    return cli_show(cli, &sheet);
}

struct pl_status cmd_statement(struct cli *cli)
{
    struct treasury treasury;
    struct account account;
    struct documents_statement statement = {.treasury = &treasury, .name = ""};
    account_init(&account, &cli->arena);
    statement.contributor = input_id(cli, cli->arg[0], 'C');
    PL_TRY(read_day(cli, &statement.date));
    PL_TRY(take_pledges(cli, statement.contributor, &account, &statement));
    const char *path = options_get(&cli->options, OPTION_OUTPUT);
    if (path == NULL)
        return show_statement(cli, &statement, &account);
    PL_TRY(read_treasury(cli, &treasury));
    statement.line = account.line;
    statement.count = account.count;
    struct pl_buf pdf PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&pdf, PDF_MAX);
    PL_TRY(documents_statement(&statement, &cli->arena, &cli->failure, &pdf));
    PL_TRY(cli_write_file(cli, path, pl_buf_slice(&pdf)));
    return show_file(cli, path, pl_buf_slice(&pdf), NULL, NULL);
}
