/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_import: bank statements: a file becomes one command that the daemon takes whole or not at
 * all; what came of it; what nobody has explained yet, and where it may belong.
 *
 * All files are read, and judged as far as that is possible here, before the first one is sent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/bankfile.h"
#include "client/camt.h"
#include "client/commands.h"
#include "client/input.h"
#include "client/when.h"
#include "client/write.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/date.h"

enum { COMMAND_BYTES_MAX = 1 << 20, REQUEST_BYTES_MAX = 4 << 20 };

/* One file of a bank: the command, and who paid. */
struct import {
    Pledged__V1__ImportStatement *command;
    struct payers payers;
    struct write *write; /* in the arena */
};

static struct pl_status read_one(struct cli *cli, const char *path, struct import *ret)
{
    struct pl_slice bytes;
    PL_TRY(input_file(cli, path, CAMT_BYTES_MAX, &bytes));
    return bankfile_read(cli, bytes, path, &ret->command, &ret->payers);
}

/* --- what came of it --- */

static const struct column import_columns[] = {
    {"file", N_("File"), IN_ALL, false},
    {"statement", N_("Statement"), IN_ALL, false},
    {"kind", N_("Kind"), IN_ALL, false},
    {"account", N_("Account"), IN_ALL, false},
    {"currency", N_("Currency"), IN_ALL, false},
    {"id", N_("The bank's id"), IN_ALL, false},
    {"already_in", N_("Already in"), IN_ALL, false},
    {"recorded", N_("New"), IN_ALL, true},
    {"known", N_("Known"), IN_ALL, true},
    {"confirmed", N_("Confirmed"), IN_ALL, true},
    {"allocated", N_("Allocated"), IN_ALL, true},
    {"queued", N_("To look at"), IN_ALL, true},
    {"remainder_count", N_("Of others"), IN_ALL, true},
    {"remainder", N_("Their sum"), IN_ALL, true},
    {"seq", N_("Entry"), IN_ALL, true},
    {"result", N_("Result"), IN_ALL, false},
    {"request_id", NULL, IN_JSON, false},
    {"refunded", N_("Refunds paid"), IN_ALL, true},
    {"learned", N_("Payers learned"), IN_ALL, true},
    {"completed", N_("Completed"), IN_ALL, true},
};

static void add_outcome(struct sheet *sheet, const char *path, const struct write *write,
                        const Pledged__V1__Receipt *receipt,
                        const Pledged__V1__StatementOutcome *told)
{
    sheet_text(sheet, path);
    sheet_text(sheet, told->statement);
    sheet_code(sheet, TEXT_STATEMENT_KIND, (int)told->kind);
    sheet_text(sheet, told->account);
    sheet_text(sheet, told->currency);
    sheet_text(sheet, told->id);
    sheet_bool(sheet, told->already_in);
    sheet_number(sheet, told->recorded);
    sheet_number(sheet, told->known);
    sheet_number(sheet, told->confirmed);
    sheet_number(sheet, told->allocated);
    sheet_number(sheet, told->queued);
    sheet_number(sheet, told->remainder != NULL ? told->remainder->count : 0);
    sheet_minor(sheet, told->remainder != NULL ? told->remainder->minor : 0, told->currency);
    sheet_seq(sheet, receipt->seq);
    sheet_code(sheet, TEXT_RECEIPT, (int)receipt->kind);
    sheet_text(sheet, write->request_text);
    sheet_number(sheet, told->refunded);
    sheet_number(sheet, told->learned);
    sheet_number(sheet, told->completed);
}

/* A file is one command, and travels with who paid in one request. */
static struct pl_status check_size(struct cli *cli, const char *path, const struct write *write)
{
    const Pledged__V1__ImportStatement *import = write->command.import_statement;
    size_t size = pledged__v1__command__get_packed_size(&write->command), movements = 0;
    size_t all = size;
    for (size_t i = 0; i < write->record_count; i++)
        all += pledged__v1__private_record__get_packed_size(write->record[i]) + 8;
    for (size_t i = 0; i < import->n_statement; i++)
        movements += import->statement[i]->n_movement;
    if (size <= COMMAND_BYTES_MAX && all + 64 <= REQUEST_BYTES_MAX)
        return pl_ok();
    return failure_set(&cli->failure, PL_E_TOO_BIG, PLEDGED__V1__REASON__REASON_TOO_BIG, "",
                       _("%s: %zu movements are more than one command takes, nothing of the file "
                         "was sent; ask the bank for shorter periods"),
                       path, movements);
}

/* All that can be said against it without the daemon. */
static struct pl_status prepare_one(struct cli *cli, const char *path, struct import *import)
{
    struct write *write = pl_arena_alloc(&cli->arena, sizeof(*write)); /* the sheet borrows of it */
    if (write == NULL)
        return text_no_memory();
    import->write = write;
    PL_TRY(write_init(cli, write, "statement"));
    write->command.command_case = PLEDGED__V1__COMMAND__COMMAND_IMPORT_STATEMENT;
    write->command.import_statement = import->command;
    PL_TRY(payers_commit(&import->payers, write->request_id, import->command, &cli->arena,
                         &write->record, &write->record_count));
    return check_size(cli, path, write);
}

static struct pl_status send_one(struct cli *cli, const char *path, const struct import *import,
                                 struct sheet *sheet)
{
    Pledged__V1__Receipt *receipt = NULL;
    memcpy(cli->failure.request_id, import->write->request_text, sizeof(cli->failure.request_id));
    PL_TRY(write_send(cli, import->write, &receipt));
    for (size_t i = 0; receipt->outcome != NULL && i < receipt->outcome->n_statement; i++)
        add_outcome(sheet, path, import->write, receipt, receipt->outcome->statement[i]);
    return pl_ok();
}

/* Of several files: which one it was, and what that means for the others. */
static struct pl_status name_file(struct cli *cli, struct pl_status status, size_t file)
{
    char said[sizeof(cli->failure.message)];
    struct failure *failure = &cli->failure;
    failure_complete(failure, status);
    memcpy(said, failure->message, sizeof(said));
    if (options_has(&cli->options, OPTION_DRY_RUN))
        (void)snprintf(failure->message, sizeof(said), _("%s: %s"), cli->arg[file], said);
    else
        (void)snprintf(failure->message, sizeof(said),
                       _("%s: %s (files before it, imported: %zu; files after it, not sent: %zu; "
                         "to import all of them once more books nothing twice)"),
                       cli->arg[file], said, file, cli->arg_count - file - 1);
    return status;
}

struct pl_status cmd_import(struct cli *cli)
{
    struct import import[OPTION_ARGS_MAX];
    struct sheet sheet;
    if (cli->arg_count > 1 && options_has(&cli->options, OPTION_REQUEST_ID))
        return failure_usage(&cli->failure, "%s", _("a request id belongs to one file"));
    if (options_has(&cli->options, OPTION_TAKE) && !options_has(&cli->options, OPTION_OURS))
        return failure_usage(&cli->failure, "%s",
                             _("--take picks movements beside those of --ours"));
    const size_t count = cli->arg_count;
    for (size_t i = 0; i < count; i++)
        PL_TRY(read_one(cli, cli->arg[i], &import[i]));
    for (size_t i = 0; i < count; i++)
        PL_TRY(prepare_one(cli, cli->arg[i], &import[i]));
    sheet_init(&sheet, "statements", import_columns, PL_COUNT(import_columns), &cli->arena);
    for (size_t i = 0; i < count; i++) {
        struct pl_status status = send_one(cli, cli->arg[i], &import[i], &sheet);
        if (!pl_is_ok(status))
            return count > 1 ? name_file(cli, status, i) : status;
    }
    return cli_show(cli, &sheet);
}

/* --- what is in --- */

static const struct column entry_columns[] = {
    {"bank_entry", N_("Bank entry"), IN_ALL, false},
    {"statement", N_("Statement"), IN_ALL, false},
    {"booking_date", N_("Booked"), IN_ALL, false},
    {"value_date", N_("Value date"), IN_PROGRAMS, false},
    {"kind", N_("Kind"), IN_ALL, false},
    {"amount", N_("Amount"), IN_ALL, true},
    {"currency", NULL, IN_PROGRAMS, false},
    {"unmatched", N_("Not matched"), IN_ALL, true},
    {"queue", N_("Why"), IN_ALL, false},
    {"age_days", N_("Days"), IN_ALL, true},
    {"pledge", N_("Pledge"), IN_ALL, false},
    {"reference", N_("Reference"), IN_ALL, false},
    {"bank_ref", N_("Bank reference"), IN_ALL, false},
    {"end_to_end_id", NULL, IN_PROGRAMS, false},
    {"uetr", NULL, IN_PROGRAMS, false},
    {"entry_ref", NULL, IN_PROGRAMS, false},
    {"batch_ref", NULL, IN_PROGRAMS, false},
    {"batch", NULL, IN_PROGRAMS, false},
    {"batch_count", NULL, IN_PROGRAMS, true},
    {"instructed", N_("Ordered"), IN_ALL, true},
    {"instructed_currency", NULL, IN_PROGRAMS, false},
    {"rate", NULL, IN_PROGRAMS, false},
    {"return_reason", NULL, IN_PROGRAMS, false},
    {"occurrence", NULL, IN_PROGRAMS, true},
    {"reversed", NULL, IN_PROGRAMS, false},
    {"allocated", NULL, IN_PROGRAMS, true},
    {"seq", N_("Entry"), IN_ALL, true},
    {"payer", N_("Paid by"), IN_ALL, false},
    {"payer_account", NULL, IN_PROGRAMS, false},
    {"payer_text", NULL, IN_PROGRAMS, false},
    {"payer_erased_seq", NULL, IN_PROGRAMS, true},
    {"charge_seq", NULL, IN_PROGRAMS, true},
    {"charges", N_("Charges on the way"), IN_ALL, true},
    {"charges_currency", NULL, IN_PROGRAMS, false},
    {"bank_code", NULL, IN_PROGRAMS, false},
    {"explained", NULL, IN_PROGRAMS, true},
    {"payer_learned_seq", NULL, IN_PROGRAMS, true},
    {"completed_seq", NULL, IN_PROGRAMS, true},
};

static int32_t today(void)
{
    struct pl_clock *clock = pl_clock_system();
    return when_day(clock->wall_us(clock));
}

static void add_age(struct sheet *sheet, const char *booked)
{
    int32_t day;
    if (pl_is_ok(pl_date_parse(booked, &day)))
        sheet_number(sheet, today() - day);
    else
        sheet_text(sheet, NULL);
}

static void add_entry(struct sheet *sheet, const Pledged__V1__BankEntryStatus *row,
                      const Pledged__V1__PayerDetail *payer)
{
    static const Pledged__V1__Movement nothing = PLEDGED__V1__MOVEMENT__INIT;
    const Pledged__V1__Movement *movement = row->movement != NULL ? row->movement : &nothing;
    sheet_text(sheet, row->bank_entry);
    sheet_text(sheet, row->statement);
    sheet_text(sheet, movement->booking_date);
    sheet_text(sheet, movement->value_date);
    sheet_code(sheet, TEXT_MOVEMENT, (int)movement->kind);
    sheet_minor(sheet, movement->minor, row->currency);
    sheet_text(sheet, row->currency);
    sheet_minor(sheet, row->unmatched_minor, row->currency);
    sheet_code(sheet, TEXT_QUEUE, (int)row->queue);
    add_age(sheet,
            movement->booking_date[0] != '\0' ? movement->booking_date : movement->value_date);
    sheet_text(sheet, row->pledge);
    sheet_text(sheet, movement->reference);
    sheet_text(sheet, movement->bank_ref);
    sheet_text(sheet, movement->end_to_end_id);
    sheet_text(sheet, movement->uetr);
    sheet_text(sheet, movement->entry_ref);
    sheet_text(sheet, movement->batch_ref);
    sheet_text(sheet, row->batch);
    sheet_seq(sheet, movement->batch_count);
    sheet_amount(sheet, movement->instructed);
    sheet_text(sheet, movement->instructed != NULL ? movement->instructed->currency : NULL);
    sheet_text(sheet, movement->rate);
    sheet_text(sheet, movement->return_reason);
    sheet_seq(sheet, row->occurrence);
    sheet_bool(sheet, row->reversed);
    sheet_minor(sheet, row->allocated_minor, row->currency);
    sheet_seq(sheet, row->seq);
    sheet_text(sheet, payer != NULL ? payer->name : NULL);
    sheet_text(sheet, payer != NULL ? payer->account : NULL);
    sheet_text(sheet, payer != NULL ? payer->text : NULL);
    sheet_seq(sheet, row->detail_erased_seq);
    sheet_seq(sheet, row->charge_seq);
    sheet_amount(sheet, movement->charges);
    sheet_text(sheet, movement->charges != NULL ? movement->charges->currency : NULL);
    sheet_text(sheet, movement->bank_code);
    sheet_minor(sheet, row->explained_minor, row->currency);
    sheet_seq(sheet, row->learned_seq);
    sheet_seq(sheet, row->completed_seq);
}

/* --older-than 30d: booked before that day. */
static struct pl_status read_older(struct cli *cli, char **ret)
{
    const char *text = options_get(&cli->options, OPTION_OLDER_THAN);
    int64_t seconds = 0;
    char day[11];
    if (text != NULL && (!pl_is_ok(pl_duration_parse(text, &seconds)) || seconds > 36500LL * 86400))
        return failure_usage(&cli->failure,
                             _("--older-than %s: a length of time such as 30d is needed"), text);
    PL_TRY(cli_zone(cli)); /* the age of each is shown */
    if (text == NULL)
        return pl_ok();
    *ret = pl_arena_strdup(&cli->arena, pl_date_format(today() - (int32_t)(seconds / 86400), day));
    return *ret != NULL ? pl_ok() : text_no_memory();
}

struct pl_status cmd_entries(struct cli *cli)
{
    Pledged__V1__ListBankEntriesRequest request = PLEDGED__V1__LIST_BANK_ENTRIES_REQUEST__INIT;
    struct sheet sheet;
    uint64_t as_of = 0;
    int queue = 0;
    PL_TRY(input_code(cli, OPTION_QUEUE, TEXT_QUEUE, &queue));
    PL_TRY(read_older(cli, &request.booked_before));
    request.queue = (Pledged__V1__QueueReason)queue;
    request.unmatched_only = options_has(&cli->options, OPTION_UNALLOCATED);
    request.currency = input_lend(options_get(&cli->options, OPTION_CURRENCY));
    request.statement = input_id(cli, options_get(&cli->options, OPTION_STATEMENT), 'S');
    request.bank_entry = input_id(cli, cli->arg_count > 0 ? cli->arg[0] : NULL, 'B');
    request.page_size = 1000;
    sheet_init(&sheet, "bank_entries", entry_columns, PL_COUNT(entry_columns), &cli->arena);
    do {
        ProtobufCMessage *message = NULL;
        PL_TRY(cli_read(cli, "ListBankEntries", &request.base,
                        &pledged__v1__list_bank_entries_response__descriptor, &message));
        const Pledged__V1__ListBankEntriesResponse *page = (const void *)message;
        const Pledged__V1__PayerDetail **payer = NULL;
        PL_TRY(payers_read(cli, page->bank_entry, page->n_bank_entry, &payer));
        for (size_t i = 0; i < page->n_bank_entry; i++)
            add_entry(&sheet, page->bank_entry[i], payer[i]);
        as_of = as_of == 0 ? page->as_of_seq : as_of;
        request.page_token = page->next_page_token;
    } while (request.page_token[0] != '\0');
    sheet_as_of(&sheet, as_of, 0);
    return cli_show(cli, &sheet);
}

static const struct column statement_columns[] = {
    {"statement", N_("Statement"), IN_ALL, false},
    {"kind", N_("Kind"), IN_ALL, false},
    {"account", N_("Account"), IN_ALL, false},
    {"currency", N_("Currency"), IN_ALL, false},
    {"id", N_("The bank's id"), IN_ALL, false},
    {"sequence", N_("Number"), IN_ALL, true},
    {"created", N_("Made on"), IN_ALL, false},
    {"from_date", N_("From"), IN_ALL, false},
    {"to_date", N_("To"), IN_ALL, false},
    {"opening", N_("Opening balance"), IN_ALL, true},
    {"closing", N_("Closing balance"), IN_ALL, true},
    {"movements", N_("Movements"), IN_ALL, true},
    {"remainder_count", N_("Of others"), IN_ALL, true},
    {"remainder", N_("Their sum"), IN_ALL, true},
    {"unmatched", N_("To look at"), IN_ALL, true},
    {"seq", N_("Entry"), IN_ALL, true},
    {"gap", N_("Missing before it"), IN_ALL, true},
};

struct statements {
    const Pledged__V1__StatementStatus **row; /* in the arena */
    size_t count, cap;
};

static struct pl_status keep_statement(struct cli *cli, struct statements *all,
                                       const Pledged__V1__StatementStatus *row)
{
    if (all->count == all->cap) {
        size_t cap = all->cap != 0 ? 2 * all->cap : 64;
        const Pledged__V1__StatementStatus **more =
            pl_arena_alloc(&cli->arena, cap * sizeof(*more));
        if (more == NULL)
            return text_no_memory();
        for (size_t i = 0; i < all->count; i++)
            more[i] = all->row[i];
        all->row = more;
        all->cap = cap;
    }
    all->row[all->count++] = row;
    return pl_ok();
}

static bool has_balances(const Pledged__V1__StatementStatus *row)
{
    return row->kind == PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT;
}

/* What the account went up by between the statement before and this one, which no statement says:
 * one is missing. 0 as well where none ends before this one begins, or nobody says when. */
static int64_t gap_before(const struct statements *all, const Pledged__V1__StatementStatus *row)
{
    const Pledged__V1__StatementStatus *before = NULL;
    for (size_t i = 0; i < all->count && has_balances(row); i++) {
        const Pledged__V1__StatementStatus *other = all->row[i];
        if (has_balances(other) && other->to_date[0] != '\0' &&
            strcmp(other->account, row->account) == 0 &&
            strcmp(other->currency, row->currency) == 0 &&
            strcmp(other->to_date, row->from_date) < 0 &&
            (before == NULL || strcmp(other->to_date, before->to_date) >= 0))
            before = other;
    }
    int64_t gap = 0;
    bool fits =
        before != NULL && !__builtin_sub_overflow(row->opening_minor, before->closing_minor, &gap);
    return fits ? gap : 0;
}

static void add_statement(struct sheet *sheet, const struct statements *all,
                          const Pledged__V1__StatementStatus *row)
{
    int64_t gap = gap_before(all, row);
    bool balances = has_balances(row);
    sheet_text(sheet, row->statement);
    sheet_code(sheet, TEXT_STATEMENT_KIND, (int)row->kind);
    sheet_text(sheet, row->account);
    sheet_text(sheet, row->currency);
    sheet_text(sheet, row->id);
    sheet_seq(sheet, row->sequence);
    sheet_text(sheet, row->created);
    sheet_text(sheet, row->from_date);
    sheet_text(sheet, row->to_date);
    if (balances) {
        sheet_minor(sheet, row->opening_minor, row->currency);
        sheet_minor(sheet, row->closing_minor, row->currency);
    } else {
        sheet_text(sheet, NULL);
        sheet_text(sheet, NULL);
    }
    sheet_number(sheet, row->movements);
    sheet_number(sheet, row->remainder != NULL ? row->remainder->count : 0);
    sheet_minor(sheet, row->remainder != NULL ? row->remainder->minor : 0, row->currency);
    sheet_number(sheet, row->unmatched);
    sheet_seq(sheet, row->seq);
    if (gap != 0)
        sheet_minor(sheet, gap, row->currency);
    else
        sheet_text(sheet, NULL);
}

struct pl_status cmd_statements(struct cli *cli)
{
    Pledged__V1__ListStatementsRequest request = PLEDGED__V1__LIST_STATEMENTS_REQUEST__INIT;
    struct statements all = {.count = 0};
    struct sheet sheet;
    uint64_t as_of = 0;
    request.account = input_lend(cli->arg_count > 0 ? cli->arg[0] : NULL);
    request.page_size = 1000;
    sheet_init(&sheet, "statements", statement_columns, PL_COUNT(statement_columns), &cli->arena);
    do {
        ProtobufCMessage *message = NULL;
        PL_TRY(cli_read(cli, "ListStatements", &request.base,
                        &pledged__v1__list_statements_response__descriptor, &message));
        const Pledged__V1__ListStatementsResponse *page = (const void *)message;
        for (size_t i = 0; i < page->n_statement; i++)
            PL_TRY(keep_statement(cli, &all, page->statement[i]));
        as_of = as_of == 0 ? page->as_of_seq : as_of;
        request.page_token = page->next_page_token;
    } while (request.page_token[0] != '\0');
    for (size_t i = 0; i < all.count; i++)
        add_statement(&sheet, &all, all.row[i]);
    sheet_as_of(&sheet, as_of, 0);
    return cli_show(cli, &sheet);
}

/* --- where it may belong --- */

static const struct column suggestion_columns[] = {
    {"rank", N_("Rank"), IN_ALL, true},
    {"pledge", N_("Pledge"), IN_ALL, false},
    {"why", N_("Why"), IN_ALL, false},
    {"outstanding", N_("Still to be paid"), IN_ALL, true},
    {"currency", NULL, IN_PROGRAMS, false},
    {"stage", N_("Stage"), IN_ALL, false},
    {"contributor", N_("Partner"), IN_ALL, false},
    {"contributor_name", N_("Name"), IN_ALL, false},
    {"refund", N_("Refund"), IN_ALL, false},
    {"likeness", N_("Name alike, %"), IN_ALL, true},
};

enum { SUGGESTIONS_SHOWN = 10, SUGGESTIONS_MOST = 100 };

struct ranked {
    const Pledged__V1__Suggestion *row;
    int likeness; /* of who paid and the contributor; -1: nobody knows who paid */
    int points;
    size_t place; /* as the daemon has it */
};

/* What the money says, and half as much at most what the name says: a pledge with the right amount
 * and another name comes behind one with the right name that still lacks more than came. */
static int points_of(Pledged__V1__SuggestionKind kind, int likeness)
{
    static const int points[] = {
        [PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_REFERENCE] = 100,
        [PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_AMOUNT] = 40,
        [PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_INSTRUCTED] = 38,
        [PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_INSTALMENT] = 36,
        [PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_PROMISED] = 34,
        [PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_CURRENCY] = 0,
        [PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_REFUND_NAMED] = 100,
        [PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_REFUND_AMOUNT] = 40,
        [PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_RETURN_NAMED] = 100,
        [PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_RETURN_AMOUNT] = 60,
    };
    bool known = (size_t)kind < PL_COUNT(points);
    return (known ? points[kind] : 0) + (likeness > 0 ? likeness / 2 : 0);
}

static int by_points(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;
    if (left->points != right->points)
        return left->points > right->points ? -1 : 1;
    return left->place < right->place ? -1 : left->place > right->place;
}

/* Best first, with the name of who paid as one more sign. */
static struct pl_status rank(struct cli *cli, const Pledged__V1__SuggestAllocationsResponse *answer,
                             struct ranked **ret)
{
    const Pledged__V1__PayerDetail **payer = NULL;
    Pledged__V1__BankEntryStatus *entry = answer->bank_entry;
    struct ranked *rows = pl_arena_alloc(&cli->arena, (answer->n_suggestion + 1) * sizeof(*rows));
    if (rows == NULL)
        return text_no_memory();
    PL_TRY(payers_read(cli, &entry, entry != NULL ? 1 : 0, &payer));
    bool known = entry != NULL && payer[0] != NULL && payer[0]->name[0] != '\0';
    for (size_t i = 0; i < answer->n_suggestion; i++) {
        const Pledged__V1__Suggestion *row = answer->suggestion[i];
        int likeness =
            known ? payer_likeness(payer[0]->name, row->contributor_name, &cli->arena) : -1;
        rows[i] = (struct ranked){row, likeness, points_of(row->kind, likeness), i};
    }
    qsort(rows, answer->n_suggestion, sizeof(*rows), by_points);
    *ret = rows;
    return pl_ok();
}

struct pl_status cmd_suggest(struct cli *cli)
{
    Pledged__V1__SuggestAllocationsRequest request = PLEDGED__V1__SUGGEST_ALLOCATIONS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    struct sheet sheet;
    request.bank_entry = input_id(cli, cli->arg[0], 'B');
    request.most = SUGGESTIONS_MOST;
    PL_TRY(cli_read(cli, "SuggestAllocations", &request.base,
                    &pledged__v1__suggest_allocations_response__descriptor, &message));
    const Pledged__V1__SuggestAllocationsResponse *answer = (const void *)message;
    sheet_init(&sheet, "suggestions", suggestion_columns, PL_COUNT(suggestion_columns),
               &cli->arena);
    struct ranked *ranked = NULL;
    PL_TRY(rank(cli, answer, &ranked));
    PL_ASSERT(ranked != NULL);
    for (size_t i = 0; i < answer->n_suggestion && i < SUGGESTIONS_SHOWN; i++) {
        const Pledged__V1__Suggestion *row = ranked[i].row;
        sheet_number(&sheet, (int64_t)i + 1);
        sheet_text(&sheet, row->pledge);
        sheet_code(&sheet, TEXT_SUGGESTION, (int)row->kind);
        sheet_amount(&sheet, row->outstanding);
        sheet_text(&sheet, row->outstanding != NULL ? row->outstanding->currency : NULL);
        sheet_code(&sheet, TEXT_STAGE, (int)row->stage);
        sheet_text(&sheet, row->contributor);
        sheet_quoted(&sheet, row->contributor_name);
        sheet_text(&sheet, row->refund);
        if (ranked[i].likeness >= 0)
            sheet_number(&sheet, ranked[i].likeness);
        else
            sheet_text(&sheet, NULL);
    }
    sheet_as_of(&sheet, answer->as_of_seq, 0);
    return cli_show(cli, &sheet);
}

/* A debit of a statement has paid a refund, or a credit brings it back. */
static struct pl_status match_refund(struct cli *cli)
{
    struct write write;
    Pledged__V1__MatchRefund match = PLEDGED__V1__MATCH_REFUND__INIT;
    PL_TRY(write_init(cli, &write, "statement"));
    match.bank_entry = input_id(cli, cli->arg[0], 'B');
    match.refund = input_id(cli, cli->arg[1], 'R');
    write.subject = WRITE_REFUND;
    write.left = WRITE_LEFT_BALANCE;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_MATCH_REFUND;
    write.command.match_refund = &match;
    return write_run(cli, &write);
}

struct pl_status cmd_match(struct cli *cli)
{
    struct write write;
    Pledged__V1__MatchReversal match = PLEDGED__V1__MATCH_REVERSAL__INIT;
    if (cli->arg[1][0] == 'R' || cli->arg[1][0] == 'r')
        return match_refund(cli);
    PL_TRY(write_init(cli, &write, "statement"));
    match.bank_entry = input_id(cli, cli->arg[0], 'B');
    match.original = input_id(cli, cli->arg[1], 'B');
    write.subject = WRITE_BANK_ENTRY;
    write.left = WRITE_LEFT_BALANCE;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_MATCH_REVERSAL;
    write.command.match_reversal = &match;
    return write_run(cli, &write);
}

struct pl_status cmd_charge(struct cli *cli)
{
    struct write write;
    Pledged__V1__BookCharge charge = PLEDGED__V1__BOOK_CHARGE__INIT;
    PL_TRY(write_init(cli, &write, "statement"));
    charge.bank_entry = input_id(cli, cli->arg[0], 'B');
    write.subject = WRITE_BANK_ENTRY;
    write.left = WRITE_LEFT_BALANCE;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_BOOK_CHARGE;
    write.command.book_charge = &charge;
    return write_run(cli, &write);
}
