/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_pledges: pledges one by one, in lists, and their history.
 */
#include <string.h>

#include "client/commands.h"
#include "client/entries.h"
#include "client/input.h"
#include "client/payments.h"
#include "client/proposals.h"
#include "common/check.h"
#include "common/reference.h"
#include "common/scan.h"

enum { PAGE_ROWS = 1000 };

static const struct column list_columns[] = {
    {"pledge", N_("Pledge"), IN_ALL, false},
    {"contributor", N_("Contributor"), IN_ALL, false},
    {"contributor_name", N_("Name"), IN_ALL, false},
    {"contributor_kind", NULL, IN_PROGRAMS, false},
    {"tier", N_("Tier"), IN_ALL, false},
    {"stage", N_("Stage"), IN_ALL, false},
    {"money", N_("Payment"), IN_ALL, false},
    {"amount", N_("Amount"), IN_ALL, true},
    {"currency", NULL, IN_PROGRAMS, false},
    {"allocated", N_("Allocated"), IN_ALL, true},
    {"outstanding", N_("To come"), IN_ALL, true},
    {"unallocated", N_("Not allocated"), IN_ALL, true},
    {"expires", N_("Held until"), IN_ALL, false},
    {"waiting_position", N_("Queue"), IN_ALL, true},
    {"catalogue", NULL, IN_PROGRAMS, false},
    {"kind", NULL, IN_PROGRAMS, false},
    {"purpose", NULL, IN_PROGRAMS, false},
    {"publish", NULL, IN_PROGRAMS, false},
    {"first_seq", NULL, IN_PROGRAMS, true},
    {"last_seq", NULL, IN_PROGRAMS, true},
    {"made", NULL, IN_PROGRAMS, false},
    {"extensions", NULL, IN_PROGRAMS, true},
    {"expires_us", NULL, IN_JSON, true},
    {"made_us", NULL, IN_JSON, true},
    {"reference", NULL, IN_PROGRAMS, false},
    {"written_off", NULL, IN_PROGRAMS, true},
    {"difference", NULL, IN_PROGRAMS, true},
    {"value_chf", NULL, IN_PROGRAMS, true},
    {"rate", NULL, IN_PROGRAMS, true},
    {"rate_date", NULL, IN_PROGRAMS, false},
    {"rate_source", NULL, IN_PROGRAMS, false},
};

/* The page of one pledge has room for everything. */
static const struct column show_columns[] = {
    {"pledge", N_("Pledge"), IN_ALL, false},
    {"contributor", N_("Contributor"), IN_ALL, false},
    {"contributor_name", N_("Name"), IN_ALL, false},
    {"contributor_kind", N_("Kind"), IN_ALL, false},
    {"tier", N_("Tier"), IN_ALL, false},
    {"stage", N_("Stage"), IN_ALL, false},
    {"money", N_("Payment"), IN_ALL, false},
    {"amount", N_("Amount"), IN_ALL, true},
    {"currency", NULL, IN_PROGRAMS, false},
    {"allocated", N_("Allocated"), IN_ALL, true},
    {"outstanding", N_("To come"), IN_ALL, true},
    {"unallocated", N_("Not allocated"), IN_ALL, true},
    {"expires", N_("Held until"), IN_ALL, false},
    {"waiting_position", N_("Queue"), IN_ALL, true},
    {"catalogue", N_("Catalogue"), IN_ALL, false},
    {"kind", N_("Form"), IN_ALL, false},
    {"purpose", N_("Purpose"), IN_ALL, false},
    {"publish", N_("To be published"), IN_ALL, false},
    {"first_seq", N_("First entry"), IN_ALL, true},
    {"last_seq", N_("Last entry"), IN_ALL, true},
    {"made", N_("Since"), IN_ALL, false},
    {"extensions", N_("Extensions"), IN_ALL, true},
    {"expires_us", NULL, IN_JSON, true},
    {"made_us", NULL, IN_JSON, true},
    {"reference", N_("Reference"), IN_ALL, false},
    {"written_off", N_("Written off"), IN_ALL, true},
    {"difference", N_("Differences"), IN_ALL, true},
    {"value_chf", N_("In CHF"), IN_ALL, true},
    {"rate", N_("CHF for one"), IN_ALL, true},
    {"rate_date", N_("Rate of"), IN_ALL, false},
    {"rate_source", N_("Source"), IN_ALL, false},
};
_Static_assert(PL_COUNT(list_columns) == PL_COUNT(show_columns), "add_pledge serves both");

static const char *currency_of(const Pledged__V1__PledgeStatus *pledge)
{
    const Pledged__V1__Money *any = pledge->amount != NULL        ? pledge->amount
                                    : pledge->allocated != NULL   ? pledge->allocated
                                    : pledge->outstanding != NULL ? pledge->outstanding
                                                                  : pledge->unallocated;
    return any == NULL ? NULL : any->currency;
}

static void add_money(struct sheet *sheet, const Pledged__V1__PledgeStatus *pledge)
{
    sheet_code(sheet, TEXT_MONEY, (int)pledge->money);
    sheet_amount(sheet, pledge->amount);
    sheet_text(sheet, currency_of(pledge));
    sheet_amount(sheet, pledge->allocated);
    sheet_amount(sheet, pledge->outstanding);
    sheet_amount(sheet, pledge->unallocated);
}

static void add_pledge(struct sheet *sheet, const Pledged__V1__PledgeStatus *pledge)
{
    sheet_text(sheet, pledge->pledge);
    sheet_text(sheet, pledge->contributor);
    sheet_text(sheet, pledge->contributor_name);
    sheet_code(sheet, TEXT_KIND, (int)pledge->contributor_kind);
    sheet_text(sheet, pledge->tier);
    sheet_code(sheet, TEXT_STAGE, (int)pledge->stage);
    add_money(sheet, pledge);
    sheet_end(sheet, pledge->expires_us);
    sheet_seq(sheet, pledge->waiting_position);
    sheet_text(sheet, pledge->catalogue);
    sheet_code(sheet, TEXT_PLEDGE_KIND, (int)pledge->kind);
    sheet_code(sheet, TEXT_PURPOSE, (int)pledge->purpose);
    sheet_code(sheet, TEXT_PUBLISH, (int)pledge->publish);
    sheet_seq(sheet, pledge->first_seq);
    sheet_seq(sheet, pledge->last_seq);
    sheet_time(sheet, pledge->made_us);
    sheet_number(sheet, pledge->extensions);
    sheet_time_us(sheet, pledge->expires_us);
    sheet_time_us(sheet, pledge->made_us);
    char print[PL_REFERENCE_PRINT_BYTES];
    sheet_pair(sheet, pledge->reference[0] == '\0' ? NULL : pledge->reference,
               pl_arena_strdup(sheet->arena, pl_reference_print(pledge->reference, print)));
    sheet_amount(sheet, pledge->written_off);
    sheet_amount(sheet, pledge->difference);
    payments_add_value(sheet, pledge->valuation);
}

/* --- show --- */

static const struct column allocation_columns[] = {
    {"seq", N_("Entry"), IN_ALL, true},         {"bank_entry", N_("Bank entry"), IN_ALL, false},
    {"amount", N_("Allocated"), IN_ALL, true},  {"currency", NULL, IN_PROGRAMS, false},
    {"settled", N_("Counts as"), IN_ALL, true}, {"settled_currency", NULL, IN_PROGRAMS, false},
    {"receipt", N_("Receipt"), IN_ALL, false},
};

static void add_allocations(struct sheet *sheet, const Pledged__V1__GetPledgeResponse *answer)
{
    for (size_t i = 0; i < answer->n_allocation; i++) {
        const Pledged__V1__AllocationStatus *row = answer->allocation[i];
        sheet_seq(sheet, row->seq);
        sheet_text(sheet, row->bank_entry);
        sheet_amount(sheet, row->amount);
        sheet_text(sheet, row->amount == NULL ? NULL : row->amount->currency);
        sheet_amount(sheet, row->settled);
        sheet_text(sheet, row->settled == NULL ? NULL : row->settled->currency);
        sheet_text(sheet, row->receipt);
    }
}

static const struct column adjustment_columns[] = {
    {"seq", N_("Entry"), IN_ALL, true},
    {"kind", N_("Less to come"), IN_ALL, false},
    {"bank_entry", N_("Bank entry"), IN_ALL, false},
    {"amount", N_("Amount"), IN_ALL, true},
    {"currency", NULL, IN_PROGRAMS, false},
};

static void add_adjustments(struct sheet *sheet, const Pledged__V1__GetPledgeResponse *answer)
{
    for (size_t i = 0; i < answer->n_adjustment; i++) {
        const Pledged__V1__AdjustmentStatus *row = answer->adjustment[i];
        sheet_seq(sheet, row->seq);
        if (row->kind == PLEDGED__V1__DIFFERENCE_KIND__DIFFERENCE_KIND_UNSPECIFIED)
            sheet_pair(sheet, "write-off", _("written off"));
        else
            sheet_code(sheet, TEXT_DIFFERENCE, (int)row->kind);
        sheet_text(sheet, row->bank_entry);
        sheet_amount(sheet, row->amount);
        sheet_text(sheet, row->amount == NULL ? NULL : row->amount->currency);
    }
}

static const struct column refund_columns[] = {
    {"refund", N_("Refund"), IN_ALL, false},          {"state", N_("State"), IN_ALL, false},
    {"bank_entry", N_("Of payment"), IN_ALL, false},  {"amount", N_("Amount"), IN_ALL, true},
    {"currency", NULL, IN_PROGRAMS, false},           {"debit", N_("Paid by"), IN_ALL, false},
    {"other_payee", N_("To another"), IN_ALL, false}, {"seq", N_("Entry"), IN_ALL, true},
};

static void add_refunds(struct sheet *sheet, const Pledged__V1__GetPledgeResponse *answer)
{
    for (size_t i = 0; i < answer->n_refund; i++) {
        const Pledged__V1__RefundStatus *row = answer->refund[i];
        sheet_text(sheet, row->refund);
        sheet_code(sheet, TEXT_REFUND, (int)row->state);
        sheet_text(sheet, row->bank_entry);
        sheet_amount(sheet, row->amount);
        sheet_text(sheet, row->amount == NULL ? NULL : row->amount->currency);
        sheet_text(sheet, row->debit);
        sheet_bool(sheet, row->other_payee);
        sheet_seq(sheet, row->seq);
    }
}

/* The rows of a sheet as a list, NUL-terminated, for a note of another one. */
static struct pl_status list_rows(const struct sheet *sheet, struct pl_buf *out)
{
    PL_TRY(pl_buf_append_str(out, "["));
    for (size_t i = 0; i < sheet_rows(sheet); i++) {
        PL_TRY(pl_buf_append_str(out, i == 0 ? "" : ", "));
        PL_TRY(sheet_print_row(sheet, i, out));
    }
    return pl_buf_append(out, "]", 2);
}

/* What belongs to one pledge, each kind in a sheet of its own. */
enum { PART_INSTALMENTS, PART_ALLOCATIONS, PART_ADJUSTMENTS, PART_REFUNDS, PART_PROPOSALS, PARTS };

static void fill_parts(struct cli *cli, const Pledged__V1__GetPledgeResponse *answer,
                       struct sheet part[PARTS])
{
    schedule_sheet(&part[PART_INSTALMENTS], answer->pledge, &cli->arena);
    sheet_init(&part[PART_ALLOCATIONS], "allocations", allocation_columns,
               PL_COUNT(allocation_columns), &cli->arena);
    add_allocations(&part[PART_ALLOCATIONS], answer);
    sheet_init(&part[PART_ADJUSTMENTS], "adjustments", adjustment_columns,
               PL_COUNT(adjustment_columns), &cli->arena);
    add_adjustments(&part[PART_ADJUSTMENTS], answer);
    sheet_init(&part[PART_REFUNDS], "refunds", refund_columns, PL_COUNT(refund_columns),
               &cli->arena);
    add_refunds(&part[PART_REFUNDS], answer);
    proposals_init(&part[PART_PROPOSALS], &cli->arena);
    for (size_t i = 0; i < answer->n_proposal; i++)
        proposals_add(&part[PART_PROPOSALS], answer->proposal[i]);
}

/* The lists as members of the pledge's object. The text must live until it is printed. */
static struct pl_status note_list(struct cli *cli, struct sheet *sheet, const char *name,
                                  const struct sheet *list)
{
    struct pl_buf rows PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&rows, 16 << 20);
    PL_TRY(list_rows(list, &rows));
    const char *text = pl_arena_strdup(&cli->arena, (const char *)rows.data + rows.start);
    if (text == NULL)
        return text_no_memory();
    sheet_note(sheet, name, text);
    return pl_ok();
}

static struct pl_status print_pledge(struct cli *cli, const Pledged__V1__GetPledgeResponse *answer,
                                     struct pl_buf *out)
{
    static const char *const names[PARTS] = {"instalments", "allocations", "adjustments", "refunds",
                                             "proposals"};
    struct sheet pledge, payments, part[PARTS];
    sheet_init(&pledge, NULL, show_columns, PL_COUNT(show_columns), &cli->arena);
    add_pledge(&pledge, answer->pledge);
    payments_init(&payments, &cli->arena);
    for (size_t i = 0; i < answer->n_payment; i++)
        payments_add(&payments, answer->payment[i]);
    fill_parts(cli, answer, part);
    if (cli->config.format == OUTPUT_JSON) {
        sheet_as_of(&pledge, answer->as_of_seq, 0);
        PL_TRY(note_list(cli, &pledge, "payments", &payments));
        for (size_t i = 0; i < PARTS; i++)
            PL_TRY(note_list(cli, &pledge, names[i], &part[i]));
        return sheet_print(&pledge, OUTPUT_JSON, false, out);
    }
    PL_TRY(sheet_print(&pledge, cli->config.format, cli->config.color, out));
    if (cli->config.format != OUTPUT_TABLE)
        return pl_ok();
    for (size_t i = 0; i < PARTS; i++) {
        if (sheet_rows(&part[i]) == 0)
            continue;
        PL_TRY(pl_buf_append_str(out, "\n"));
        PL_TRY(sheet_print(&part[i], OUTPUT_TABLE, cli->config.color, out));
    }
    sheet_as_of(&payments, answer->as_of_seq, 0);
    if (answer->n_payment == 0)
        return pl_buf_printf(out, "\n%s\n", payments.footer);
    PL_TRY(pl_buf_append_str(out, "\n"));
    return sheet_print(&payments, OUTPUT_TABLE, cli->config.color, out);
}

struct pl_status cmd_show(struct cli *cli)
{
    Pledged__V1__GetPledgeRequest request = PLEDGED__V1__GET_PLEDGE_REQUEST__INIT;
    request.pledge = input_id(cli, cli->arg[0], 'P');
    ProtobufCMessage *message = NULL;
    PL_TRY(cli_read(cli, "GetPledge", &request.base, &pledged__v1__get_pledge_response__descriptor,
                    &message));
    const Pledged__V1__GetPledgeResponse *answer = (const void *)message;
    if (answer->pledge == NULL)
        return pl_fail(INTERNAL, "the daemon's answer has no pledge");
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, 32 << 20);
    PL_TRY(print_pledge(cli, answer, &text));
    return cli_print(cli, &text);
}

/* --- list --- */

/* --stage held,waiting and --stage held --stage waiting mean the same. */
static struct pl_status read_stages(struct cli *cli, Pledged__V1__ListPledgesRequest *request)
{
    enum { STAGES_MAX = 16 };
    Pledged__V1__Stage *stages = pl_arena_alloc(&cli->arena, STAGES_MAX * sizeof(*stages));
    request->stage = stages;
    for (size_t i = 0; i < cli->options.value[OPTION_STAGE].count; i++) {
        const char *rest = cli->options.value[OPTION_STAGE].text[i];
        while (rest != NULL) {
            size_t len = strcspn(rest, ",");
            char *code = pl_arena_printf(&cli->arena, "%.*s", (int)len, rest);
            int stage = 0;
            if (stages == NULL || code == NULL)
                return text_no_memory();
            if (!text_parse(TEXT_STAGE, code, &stage) || request->n_stage == STAGES_MAX)
                return failure_usage(&cli->failure, _("--%s %s: one of these is needed: %s"),
                                     "stage", code, text_codes(TEXT_STAGE, &cli->arena));
            stages[request->n_stage++] = (Pledged__V1__Stage)stage;
            rest = rest[len] == ',' ? rest + len + 1 : NULL;
        }
    }
    return pl_ok();
}

static struct pl_status read_filters(struct cli *cli, Pledged__V1__ListPledgesRequest *request)
{
    const struct options *options = &cli->options;
    int kind = 0, money = 0;
    int64_t since = 0;
    PL_TRY(read_stages(cli, request));
    PL_TRY(input_code(cli, OPTION_KIND, TEXT_KIND, &kind));
    PL_TRY(input_code(cli, OPTION_MONEY, TEXT_MONEY, &money));
    PL_TRY(options_number(options, OPTION_SINCE_SEQ, 1, INT64_MAX, &since, &cli->failure));
    if (options_has(options, OPTION_EXPIRES_BEFORE))
        PL_TRY(input_end(cli, OPTION_EXPIRES_BEFORE, "expires_before_us",
                         &request->expires_before_us));
    request->tier = input_lend(options_get(options, OPTION_TIER));
    request->contributor = input_id(cli, options_get(options, OPTION_CONTRIBUTOR), 'C');
    request->contributor_kind = (Pledged__V1__ContributorKind)kind;
    request->money = (Pledged__V1__MoneyState)money;
    request->currency = input_lend(options_get(options, OPTION_CURRENCY));
    request->since_seq = (uint64_t)since;
    request->catalogue = input_lend(options_get(options, OPTION_CATALOGUE));
    request->page_size = PAGE_ROWS;
    return pl_ok();
}

struct pl_status cmd_list(struct cli *cli)
{
    Pledged__V1__ListPledgesRequest request = PLEDGED__V1__LIST_PLEDGES_REQUEST__INIT;
    PL_TRY(read_filters(cli, &request));
    struct sheet sheet;
    sheet_init(&sheet, "pledges", list_columns, PL_COUNT(list_columns), &cli->arena);
    const Pledged__V1__ListPledgesResponse *page = NULL;
    do {
        ProtobufCMessage *message = NULL;
        PL_TRY(cli_read(cli, "ListPledges", &request.base,
                        &pledged__v1__list_pledges_response__descriptor, &message));
        page = (const void *)message;
        for (size_t i = 0; i < page->n_pledge; i++)
            add_pledge(&sheet, page->pledge[i]);
        request.page_token = page->next_page_token;
    } while (page->next_page_token[0] != '\0');
    sheet_as_of(&sheet, page->as_of_seq, 0);
    return cli_show(cli, &sheet);
}

/* --- history --- */

/* Pages come newest first, entries within a page oldest first: pages are kept and shown in reverse.
 */
struct pages {
    const Pledged__V1__GetHistoryResponse *page;
    struct pages *newer;
};

static struct pl_status add_entries(struct cli *cli, const Pledged__V1__GetHistoryResponse *page,
                                    struct sheet *sheet)
{
    for (size_t i = 0; i < page->n_entry; i++) {
        ProtobufCMessage *entry = NULL;
        PL_TRY(pl_unpack_trusted(&pledged__v1__entry__descriptor,
                                 pl_slice(page->entry[i].data, page->entry[i].len), &cli->arena,
                                 &entry));
        entries_add(sheet, (const void *)entry);
    }
    return pl_ok();
}

struct pl_status cmd_history(struct cli *cli)
{
    Pledged__V1__GetHistoryRequest request = PLEDGED__V1__GET_HISTORY_REQUEST__INIT;
    request.pledge = input_id(cli, cli->arg[0], 'P');
    request.page_size = PAGE_ROWS;
    struct pages *oldest = NULL;
    uint64_t as_of = 0;
    do {
        ProtobufCMessage *message = NULL;
        PL_TRY(cli_read(cli, "GetHistory", &request.base,
                        &pledged__v1__get_history_response__descriptor, &message));
        struct pages *one = pl_arena_alloc(&cli->arena, sizeof(*one));
        if (one == NULL)
            return text_no_memory();
        *one = (struct pages){.page = (const void *)message, .newer = oldest};
        oldest = one;
        as_of = as_of == 0 ? one->page->as_of_seq : as_of;
        request.before_seq = one->page->earlier_before_seq;
    } while (request.before_seq != 0);
    struct sheet sheet;
    entries_init(&sheet, &cli->arena);
    for (const struct pages *one = oldest; one != NULL; one = one->newer)
        PL_TRY(add_entries(cli, one->page, &sheet));
    sheet_as_of(&sheet, as_of, 0);
    return cli_show(cli, &sheet);
}
