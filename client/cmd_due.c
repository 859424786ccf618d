/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_due: what is owed, what ends and what is late, as of a day: balances of signed agreements,
 * reservations that end, benefits and what partners have to supply for them, money that belongs to
 * nothing yet. Gathered from the daemon's answers; nothing is sent to anybody.
 */
#include <stdlib.h>
#include <string.h>

#include "client/commands.h"
#include "client/input.h"
#include "client/when.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/date.h"

enum { PAGE_ROWS = 1000, DAYS_AHEAD = 30, ROWS_MAX = 100000 };

static const struct column due_columns[] = {
    {"state", N_("State"), IN_ALL, false},
    {"kind", N_("What"), IN_ALL, false},
    {"due", N_("Due"), IN_ALL, false},
    {"days_late", N_("Days late"), IN_ALL, true},
    {"pledge", N_("Pledge"), IN_ALL, false},
    {"contributor", NULL, IN_PROGRAMS, false},
    {"contributor_name", N_("Contributor"), IN_ALL, false},
    {"amount", N_("Amount"), IN_ALL, true},
    {"currency", NULL, IN_PROGRAMS, false},
    {"benefit", N_("Benefit"), IN_ALL, false},
    {"quantity", N_("Quantity"), IN_ALL, true},
    {"bank_entry", N_("Payment"), IN_ALL, false},
};

struct item {
    const char *kind; /* balance, instalment, hold, benefit, asset, unmatched */
    bool dated;
    int32_t day;
    const Pledged__V1__PledgeStatus *pledge; /* NULL: none */
    const Pledged__V1__Money *amount;
    const char *benefit;
    int64_t quantity;
    const char *bank_entry;
    size_t order; /* as they came */
};

struct due {
    struct cli *cli;
    int32_t today;
    int32_t horizon; /* last day that is of interest */
    struct item *item;
    size_t count, cap;
    const Pledged__V1__Catalogue *catalogue; /* the last one that was asked for */
    uint64_t as_of_seq;
};

static struct pl_status add(struct due *due, struct item item)
{
    if (item.dated && item.day > due->horizon)
        return pl_ok();
    if (due->count == due->cap) {
        size_t cap = due->cap != 0 ? 2 * due->cap : 256;
        struct item *more = pl_arena_alloc(&due->cli->arena, cap * sizeof(*more));
        if (more == NULL || cap > ROWS_MAX)
            return text_no_memory();
        if (due->count != 0)
            memcpy(more, due->item, due->count * sizeof(*more));
        due->item = more;
        due->cap = cap;
    }
    item.order = due->count;
    due->item[due->count++] = item;
    return pl_ok();
}

/* --- pledges --- */

static struct pl_status ask_catalogue(struct due *due, const char *code)
{
    Pledged__V1__GetCatalogueRequest request = PLEDGED__V1__GET_CATALOGUE_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    if (due->catalogue != NULL && strcmp(due->catalogue->code, code) == 0)
        return pl_ok();
    request.catalogue = input_lend(code);
    PL_TRY(cli_read(due->cli, "GetCatalogue", &request.base,
                    &pledged__v1__get_catalogue_response__descriptor, &message));
    due->catalogue = ((const Pledged__V1__GetCatalogueResponse *)message)->catalogue;
    return pl_ok();
}

/* The benefit's own day; else the event says: before it begins, or by its end. */
static bool day_of_benefit(const struct due *due, const Pledged__V1__BenefitLine *line,
                           int32_t *ret)
{
    const Pledged__V1__Event *event = due->catalogue->event;
    if (line->due[0] != '\0')
        return pl_is_ok(pl_date_parse(line->due, ret));
    if (event == NULL)
        return false;
    if (line->phase == PLEDGED__V1__PHASE__PHASE_BEFORE)
        return pl_is_ok(pl_date_parse(event->starts, ret));
    return line->phase == PLEDGED__V1__PHASE__PHASE_DURING &&
           pl_is_ok(pl_date_parse(event->ends, ret));
}

static struct pl_status add_benefits(struct due *due, const Pledged__V1__PledgeStatus *pledge)
{
    Pledged__V1__ListBenefitsRequest request = PLEDGED__V1__LIST_BENEFITS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    PL_TRY(ask_catalogue(due, pledge->catalogue));
    request.of_case = PLEDGED__V1__LIST_BENEFITS_REQUEST__OF_PLEDGE;
    request.pledge = pledge->pledge;
    PL_TRY(cli_read(due->cli, "ListBenefits", &request.base,
                    &pledged__v1__list_benefits_response__descriptor, &message));
    const Pledged__V1__ListBenefitsResponse *answer = (const void *)message;
    for (size_t i = 0; i < answer->n_benefit; i++) {
        const Pledged__V1__BenefitLine *line = answer->benefit[i];
        struct item item = {.pledge = pledge, .benefit = line->code, .quantity = line->left};
        item.dated = day_of_benefit(due, line, &item.day);
        if (line->left == 0 || !item.dated)
            continue;
        bool supply = line->asset == PLEDGED__V1__ASSET__ASSET_LOGO ||
                      line->asset == PLEDGED__V1__ASSET__ASSET_VIDEO;
        item.kind = "benefit";
        PL_TRY(add(due, item));
        item.kind = "asset"; /* until it was claimed, with what it needs */
        if (supply && line->claimed == 0)
            PL_TRY(add(due, item));
    }
    return pl_ok();
}

static struct pl_status add_pledge(struct due *due, const Pledged__V1__PledgeStatus *pledge)
{
    struct item item = {.pledge = pledge};
    if (pledge->stage == PLEDGED__V1__STAGE__STAGE_HELD) {
        item.kind = "hold";
        item.dated = true;
        item.day = when_day(pledge->expires_us - 1);
        return add(due, item);
    }
    for (size_t i = 0; i < pledge->n_instalment; i++) {
        const Pledged__V1__InstalmentStatus *part = pledge->instalment[i];
        struct item one = {.kind = "instalment", .pledge = pledge, .amount = part->outstanding};
        one.dated = pl_is_ok(pl_date_parse(part->due, &one.day));
        if (part->outstanding != NULL && part->outstanding->minor > 0)
            PL_TRY(add(due, one));
    }
    if (pledge->n_instalment == 0 && pledge->outstanding != NULL &&
        pledge->outstanding->minor > 0) {
        item.kind = "balance";
        item.amount = pledge->outstanding;
        PL_TRY(add(due, item));
    }
    return pledge->tier[0] == '\0' ? pl_ok() : add_benefits(due, pledge);
}

static struct pl_status add_pledges(struct due *due)
{
    Pledged__V1__ListPledgesRequest request = PLEDGED__V1__LIST_PLEDGES_REQUEST__INIT;
    Pledged__V1__Stage stages[] = {PLEDGED__V1__STAGE__STAGE_HELD,
                                   PLEDGED__V1__STAGE__STAGE_COMMITTED};
    request.stage = stages;
    request.n_stage = PL_COUNT(stages);
    request.page_size = PAGE_ROWS;
    do {
        ProtobufCMessage *message = NULL;
        PL_TRY(cli_read(due->cli, "ListPledges", &request.base,
                        &pledged__v1__list_pledges_response__descriptor, &message));
        const Pledged__V1__ListPledgesResponse *page = (const void *)message;
        for (size_t i = 0; i < page->n_pledge; i++)
            PL_TRY(add_pledge(due, page->pledge[i]));
        due->as_of_seq = page->as_of_seq;
        request.page_token = page->next_page_token;
    } while (request.page_token[0] != '\0');
    return pl_ok();
}

/* --- money --- */

static struct pl_status add_unmatched(struct due *due)
{
    Pledged__V1__ListPaymentsRequest request = PLEDGED__V1__LIST_PAYMENTS_REQUEST__INIT;
    request.unallocated_only = true;
    request.page_size = PAGE_ROWS;
    do {
        ProtobufCMessage *message = NULL;
        PL_TRY(cli_read(due->cli, "ListPayments", &request.base,
                        &pledged__v1__list_payments_response__descriptor, &message));
        const Pledged__V1__ListPaymentsResponse *page = (const void *)message;
        for (size_t i = 0; i < page->n_payment; i++) {
            const Pledged__V1__PaymentStatus *one = page->payment[i];
            Pledged__V1__Money *left = pl_arena_alloc(&due->cli->arena, sizeof(*left));
            struct item item = {.kind = "unmatched", .bank_entry = one->bank_entry, .amount = left};
            if (left == NULL)
                return text_no_memory();
            *left = *one->amount;
            left->minor -= one->allocated == NULL ? 0 : one->allocated->minor;
            left->minor -= one->refunded == NULL ? 0 : one->refunded->minor;
            left->minor -= one->explained == NULL ? 0 : one->explained->minor;
            item.dated = pl_is_ok(pl_date_parse(one->value_date, &item.day));
            PL_TRY(add(due, item));
        }
        request.page_token = page->next_page_token;
    } while (request.page_token[0] != '\0');
    return pl_ok();
}

/* --- showing --- */

/* What is late comes first, the latest of it at the top; what has no day at the end. */
static int by_day(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->dated != y->dated)
        return x->dated ? -1 : 1;
    if (x->dated && x->day != y->day)
        return x->day < y->day ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static const char *kind_words(const char *kind)
{
    static const char *const words[][2] = {
        {"balance", N_("still to be paid")},    {"instalment", N_("instalment")},
        {"hold", N_("reservation ends")},       {"benefit", N_("benefit to deliver")},
        {"asset", N_("partner has to supply")}, {"unmatched", N_("money not matched")}};
    for (size_t i = 0; i < PL_COUNT(words); i++) {
        if (strcmp(words[i][0], kind) == 0)
            return _(words[i][1]);
    }
    return kind;
}

static void add_row(struct sheet *sheet, const struct due *due, const struct item *item)
{
    char day[11];
    bool late = item->dated && item->day < due->today;
    sheet_pair(sheet,
               !item->dated ? "open"
               : late       ? "late"
                            : "due",
               !item->dated ? _("open")
               : late       ? _("late")
                            : _("due"));
    sheet_pair(sheet, item->kind, kind_words(item->kind));
    sheet_text(sheet,
               item->dated ? pl_arena_strdup(sheet->arena, pl_date_format(item->day, day)) : NULL);
    if (late)
        sheet_number(sheet, (int64_t)due->today - item->day);
    else
        sheet_text(sheet, NULL);
    sheet_text(sheet, item->pledge == NULL ? NULL : item->pledge->pledge);
    sheet_text(sheet, item->pledge == NULL ? NULL : item->pledge->contributor);
    sheet_text(sheet, item->pledge == NULL ? NULL : item->pledge->contributor_name);
    sheet_amount(sheet, item->amount);
    sheet_text(sheet, item->amount == NULL ? NULL : item->amount->currency);
    sheet_text(sheet, item->benefit);
    if (item->benefit != NULL)
        sheet_number(sheet, item->quantity);
    else
        sheet_text(sheet, NULL);
    sheet_text(sheet, item->bank_entry);
}

static struct pl_status read_days(struct due *due)
{
    struct pl_clock *clock = pl_clock_system();
    int64_t days = DAYS_AHEAD;
    const char *at = options_get(&due->cli->options, OPTION_AT);
    if (at != NULL) {
        PL_TRY(input_day(due->cli, OPTION_AT, at));
        PL_TRY(pl_date_parse(at, &due->today));
    }
    PL_TRY(options_number(&due->cli->options, OPTION_DAYS, 0, 36500, &days, &due->cli->failure));
    PL_TRY(cli_zone(due->cli)); /* also with --at: reservations end on a day */
    if (at == NULL)
        due->today = when_day(clock->wall_us(clock));
    due->horizon = due->today + (int32_t)days;
    return pl_ok();
}

struct pl_status cmd_due(struct cli *cli)
{
    struct due due = {.cli = cli};
    char today[11];
    PL_TRY(read_days(&due));
    PL_TRY(add_pledges(&due));
    PL_TRY(add_unmatched(&due));
    if (due.count != 0)
        qsort(due.item, due.count, sizeof(*due.item), by_day);
    struct sheet sheet;
    sheet_init(&sheet, "due", due_columns, PL_COUNT(due_columns), &cli->arena);
    for (size_t i = 0; i < due.count; i++)
        add_row(&sheet, &due, &due.item[i]);
    sheet_as_of(&sheet, due.as_of_seq, 0);
    sheet_note(&sheet, "at",
               pl_arena_printf(&cli->arena, "\"%s\"", pl_date_format(due.today, today)));
    return cli_show(cli, &sheet);
}
