/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_pledges: pledges one by one, in lists, and their history.
 */
#include <inttypes.h>
#include <string.h>

#include "client/commands.h"
#include "client/entries.h"
#include "client/input.h"
#include "client/payments.h"
#include "client/proposals.h"
#include "client/when.h"
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
    sheet_time(sheet, pledge->expires_us);
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

static struct pl_status print_pledge(struct cli *cli, const Pledged__V1__GetPledgeResponse *answer,
                                     struct pl_buf *out)
{
    struct sheet pledge, payments, allocations, proposals;
    sheet_init(&pledge, NULL, show_columns, PL_COUNT(show_columns), &cli->arena);
    add_pledge(&pledge, answer->pledge);
    payments_init(&payments, &cli->arena);
    for (size_t i = 0; i < answer->n_payment; i++)
        payments_add(&payments, answer->payment[i]);
    sheet_init(&allocations, "allocations", allocation_columns, PL_COUNT(allocation_columns),
               &cli->arena);
    add_allocations(&allocations, answer);
    proposals_init(&proposals, &cli->arena);
    for (size_t i = 0; i < answer->n_proposal; i++)
        proposals_add(&proposals, answer->proposal[i]);
    if (cli->config.format == OUTPUT_JSON) {
        struct pl_buf rows PL_CLEANUP(pl_buf_fini), parts PL_CLEANUP(pl_buf_fini);
        struct pl_buf waits PL_CLEANUP(pl_buf_fini);
        pl_buf_init(&waits, 16 << 20);
        PL_TRY(list_rows(&proposals, &waits));
        pl_buf_init(&rows, 16 << 20);
        pl_buf_init(&parts, 16 << 20);
        PL_TRY(list_rows(&payments, &rows));
        PL_TRY(list_rows(&allocations, &parts));
        sheet_as_of(&pledge, answer->as_of_seq, 0);
        sheet_note(&pledge, "payments", (const char *)rows.data + rows.start);
        sheet_note(&pledge, "allocations", (const char *)parts.data + parts.start);
        sheet_note(&pledge, "proposals", (const char *)waits.data + waits.start);
        return sheet_print(&pledge, OUTPUT_JSON, false, out);
    }
    PL_TRY(sheet_print(&pledge, cli->config.format, cli->config.color, out));
    if (cli->config.format != OUTPUT_TABLE)
        return pl_ok();
    if (answer->n_allocation != 0) {
        PL_TRY(pl_buf_append_str(out, "\n"));
        PL_TRY(sheet_print(&allocations, OUTPUT_TABLE, cli->config.color, out));
    }
    if (answer->n_proposal != 0) {
        PL_TRY(pl_buf_append_str(out, "\n"));
        PL_TRY(sheet_print(&proposals, OUTPUT_TABLE, cli->config.color, out));
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
                return pl_fail(TOO_BIG, "the request does not fit into memory");
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
    const char *before = options_get(options, OPTION_EXPIRES_BEFORE);
    if (before != NULL && !pl_is_ok(when_end_of(before, &request->expires_before_us)))
        return failure_set(&cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_DATE_INVALID,
                           "expires_before_us", "--expires-before %s: %s", before,
                           text_reason(PLEDGED__V1__REASON__REASON_DATE_INVALID));
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
            return pl_fail(TOO_BIG, "the answer does not fit into memory");
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
