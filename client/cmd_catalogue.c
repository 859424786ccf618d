/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_catalogue: adopting the offers of a year, and showing those in force.
 */
#include <string.h>

#include "client/commands.h"
#include "client/input.h"
#include "client/write.h"
#include "common/check.h"
#include "common/json.h"

enum { CATALOGUE_BYTES_MAX = 1 << 20 };

struct pl_status cmd_catalogue_adopt(struct cli *cli)
{
    struct write write;
    struct pl_slice text;
    PL_TRY(input_file(cli, cli->arg[0], CATALOGUE_BYTES_MAX, &text));
    struct pl_json_error error = {0};
    ProtobufCMessage *message = NULL;
    struct pl_status parsed =
        pl_json_parse(text, &pledged__v1__catalogue__descriptor, &cli->arena, &message, &error);
    if (!pl_is_ok(parsed))
        return failure_set(&cli->failure, PL_E_INVALID,
                           PLEDGED__V1__REASON__REASON_CATALOGUE_INVALID, error.path,
                           _("%s is no catalogue: %s: %s"), cli->arg[0],
                           error.path[0] == '\0' ? "JSON" : error.path, error.what);
    PL_TRY(write_init(cli, &write, "letter"));
    Pledged__V1__AdoptCatalogue adopt = PLEDGED__V1__ADOPT_CATALOGUE__INIT;
    adopt.catalogue = (Pledged__V1__Catalogue *)message;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_ADOPT_CATALOGUE;
    write.command.adopt_catalogue = &adopt;
    write.subject = WRITE_CATALOGUE;
    write.catalogue = adopt.catalogue->code;
    return write_run(cli, &write);
}

static const struct column catalogue_columns[] = {
    {"catalogue", N_("Catalogue"), IN_TABLE | IN_ROWS, false},
    {"version", N_("Version"), IN_TABLE | IN_ROWS, true},
    {"adopted_seq", N_("Adopted by entry"), IN_TABLE | IN_ROWS, true},
    {"sha256", N_("SHA-256"), IN_TABLE | IN_ROWS, false},
    {"tiers", N_("Tiers"), IN_TABLE | IN_ROWS, true},
    {"benefits", N_("Benefits"), IN_TABLE | IN_ROWS, true},
    {"grants", N_("Benefits of all tiers"), IN_TABLE | IN_ROWS, true},
    {"title", N_("Title"), IN_TABLE, false},
    {"title_fr", NULL, IN_ROWS, false},
    {"title_en", NULL, IN_ROWS, false},
    {"fund", N_("Fund"), IN_TABLE, false},
    {"event", N_("Event"), IN_TABLE, false},
    {"letter", N_("Letter"), IN_TABLE, false},
    {"contact", N_("Contact"), IN_TABLE, false},
};

static const char *pick(Pledged__V1__Text *const *texts, size_t count)
{
    return text_pick(texts, count, text_language_code());
}

static void add_frame(struct sheet *sheet, const Pledged__V1__Catalogue *catalogue)
{
    struct pl_arena *arena = sheet->arena;
    const Pledged__V1__Fund *fund = catalogue->fund;
    const Pledged__V1__Event *event = catalogue->event;
    const Pledged__V1__Letter *letter = catalogue->letter;
    sheet_pair(sheet, NULL, fund == NULL ? NULL : pick(fund->name, fund->n_name));
    sheet_pair(sheet, NULL,
               event == NULL ? NULL
                             : pl_arena_printf(
                                   arena, "%s, %s, %s – %s", pick(event->name, event->n_name),
                                   pick(event->place, event->n_place), event->starts, event->ends));
    sheet_pair(sheet, NULL,
               letter == NULL ? NULL
                              : pl_arena_printf(arena, "%s, %s", letter->date,
                                                pick(letter->subject, letter->n_subject)));
    sheet_pair(sheet, NULL, catalogue->n_contact == 0 ? NULL : catalogue->contact[0]->email);
}

static const struct column offer_columns[] = {
    {"tier", N_("Tier"), IN_TABLE, false},
    {"name", N_("Name"), IN_TABLE, false},
    {"label_fr", NULL, 0, false},
    {"label_en", NULL, 0, false},
    {"group", N_("Group"), IN_TABLE, false},
    {"capacity", N_("Places"), IN_TABLE, true},
    {"price", N_("Price"), IN_TABLE, true},
    {"benefits", N_("Benefits"), IN_TABLE, true},
};

static const char *group_label(const Pledged__V1__Catalogue *catalogue, const char *code)
{
    for (size_t i = 0; i < catalogue->n_group; i++) {
        if (strcmp(catalogue->group[i]->code, code) == 0)
            return pick(catalogue->group[i]->label, catalogue->group[i]->n_label);
    }
    return code;
}

static void add_offer(struct sheet *sheet, const Pledged__V1__Catalogue *catalogue,
                      const Pledged__V1__Tier *tier)
{
    int64_t grants = 0;
    for (size_t i = 0; i < catalogue->n_grant; i++)
        grants += strcmp(catalogue->grant[i]->tier, tier->code) == 0;
    sheet_text(sheet, tier->code);
    sheet_labels(sheet, tier->label, tier->n_label);
    sheet_text(sheet, group_label(catalogue, tier->group));
    sheet_remaining(sheet, tier->capacity);
    if (tier->price_case == PLEDGED__V1__TIER__PRICE_AMOUNT)
        sheet_amount(sheet, tier->amount);
    else
        sheet_pair(sheet, NULL, _("on request"));
    sheet_number(sheet, grants);
}

static struct pl_status print_json(const Pledged__V1__GetCatalogueResponse *answer,
                                   struct pl_buf *out)
{
    PL_TRY(output_message(&answer->base, out));
    return pl_buf_append_str(out, "\n");
}

static struct pl_status print_rows(struct cli *cli, const Pledged__V1__GetCatalogueResponse *answer,
                                   struct pl_buf *out)
{
    const Pledged__V1__Catalogue *catalogue = answer->catalogue;
    struct sheet frame, offers;
    sheet_init(&frame, NULL, catalogue_columns, PL_COUNT(catalogue_columns), &cli->arena);
    sheet_text(&frame, catalogue->code);
    sheet_number(&frame, catalogue->version);
    sheet_seq(&frame, answer->adopted_seq);
    sheet_hex(&frame, answer->sha256);
    sheet_number(&frame, (int64_t)catalogue->n_tier);
    sheet_number(&frame, (int64_t)catalogue->n_benefit);
    sheet_number(&frame, (int64_t)catalogue->n_grant);
    sheet_labels(&frame, catalogue->title, catalogue->n_title);
    add_frame(&frame, catalogue);
    PL_TRY(sheet_print(&frame, cli->config.format, cli->config.color, out));
    if (cli->config.format != OUTPUT_TABLE)
        return pl_ok();
    sheet_init(&offers, "tiers", offer_columns, PL_COUNT(offer_columns), &cli->arena);
    for (size_t i = 0; i < catalogue->n_tier; i++)
        add_offer(&offers, catalogue, catalogue->tier[i]);
    sheet_as_of(&offers, answer->as_of_seq, 0);
    PL_TRY(pl_buf_append_str(out, "\n"));
    return sheet_print(&offers, OUTPUT_TABLE, cli->config.color, out);
}

struct pl_status cmd_catalogue_show(struct cli *cli)
{
    Pledged__V1__GetCatalogueRequest request = PLEDGED__V1__GET_CATALOGUE_REQUEST__INIT;
    request.catalogue = input_lend(options_get(&cli->options, OPTION_CATALOGUE));
    ProtobufCMessage *message = NULL;
    PL_TRY(cli_read(cli, "GetCatalogue", &request.base,
                    &pledged__v1__get_catalogue_response__descriptor, &message));
    const Pledged__V1__GetCatalogueResponse *answer = (const void *)message;
    if (answer->catalogue == NULL)
        return pl_fail(INTERNAL, "the daemon's answer has no catalogue");
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, 16 << 20);
    if (cli->config.format == OUTPUT_JSON)
        PL_TRY(print_json(answer, &text));
    else
        PL_TRY(print_rows(cli, answer, &text));
    return cli_print(cli, &text);
}
