/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_offers: what can be had: tiers and places left. Answered by any worker of the daemon.
 */
#include <string.h>

#include "client/commands.h"
#include "client/input.h"
#include "common/check.h"

static const struct column tier_columns[] = {
    {"tier", N_("Tier"), IN_ALL, false},
    {"group", NULL, IN_PROGRAMS, false},
    {"capacity", N_("Places"), IN_ALL, true},
    {"remaining", N_("Left"), IN_ALL, true},
    {"held", N_("Held"), IN_ALL, true},
    {"pledged", N_("Pledged"), IN_ALL, true},
    {"committed", N_("Signed"), IN_ALL, true},
    {"waiting", N_("Waiting"), IN_ALL, true},
    {"amount", N_("Price"), IN_ALL, true},
    {"currency", NULL, IN_PROGRAMS, false},
    {"as_of_seq", NULL, IN_ROWS, true},
    {"as_of_time", NULL, IN_ROWS, false},
    {"label", N_("Name"), IN_TABLE | IN_JSON, false},
    {"label_fr", NULL, IN_ROWS, false},
    {"label_en", NULL, IN_ROWS, false},
};

static void add_price(struct sheet *sheet, const Pledged__V1__TierStatus *tier)
{
    if (tier->price_case == PLEDGED__V1__TIER_STATUS__PRICE_AMOUNT) {
        sheet_amount(sheet, tier->amount);
        sheet_text(sheet, tier->amount->currency);
        return;
    }
    sheet_pair(sheet, NULL, _("on request"));
    sheet_text(sheet, NULL);
}

static void add_tier(struct sheet *sheet, const Pledged__V1__TierStatus *tier, uint64_t seq,
                     int64_t time_us)
{
    sheet_text(sheet, tier->code);
    sheet_text(sheet, tier->group);
    sheet_remaining(sheet, tier->capacity);
    sheet_remaining(sheet, tier->remaining);
    sheet_number(sheet, tier->held);
    sheet_number(sheet, tier->pledged);
    sheet_number(sheet, tier->committed);
    sheet_number(sheet, tier->waiting);
    add_price(sheet, tier);
    sheet_seq(sheet, seq);
    sheet_time(sheet, time_us);
    sheet_labels(sheet, tier->label, tier->n_label);
}

struct pl_status cmd_tiers(struct cli *cli)
{
    Pledged__V1__ListTiersRequest request = PLEDGED__V1__LIST_TIERS_REQUEST__INIT;
    request.catalogue = input_lend(options_get(&cli->options, OPTION_CATALOGUE));
    ProtobufCMessage *message = NULL;
    PL_TRY(cli_read(cli, "ListTiers", &request.base, &pledged__v1__list_tiers_response__descriptor,
                    &message));
    const Pledged__V1__ListTiersResponse *answer = (const void *)message;
    struct sheet sheet;
    sheet_init(&sheet, "tiers", tier_columns, PL_COUNT(tier_columns), &cli->arena);
    for (size_t i = 0; i < answer->n_tier; i++)
        add_tier(&sheet, answer->tier[i], answer->as_of_seq, answer->as_of_time_us);
    sheet_as_of(&sheet, answer->as_of_seq, answer->as_of_time_us);
    sheet_note(&sheet, "catalogue", pl_arena_printf(&cli->arena, "\"%s\"", answer->catalogue));
    sheet_note(&sheet, "catalogue_version",
               pl_arena_printf(&cli->arena, "%u", answer->catalogue_version));
    return cli_show(cli, &sheet);
}

/* Plain is the number and nothing else; csv and json say of what and as of when. */
static struct pl_status show_slots(struct cli *cli, const Pledged__V1__GetTierResponse *answer)
{
    static const struct column columns[] = {
        {"tier", NULL, IN_ROWS | IN_JSON, false},
        {"remaining", NULL, IN_ROWS | IN_JSON, true},
        {"as_of_seq", NULL, IN_ROWS, true},
        {"as_of_time", NULL, IN_ROWS, false},
    };
    enum output_format format = cli->config.format;
    const Pledged__V1__Count *left = answer->tier->remaining;
    if (format == OUTPUT_TABLE || format == OUTPUT_PLAIN) {
        struct pl_buf text PL_CLEANUP(pl_buf_fini);
        pl_buf_init(&text, 256);
        if (left->value_case == PLEDGED__V1__COUNT__VALUE_COUNT)
            PL_TRY(pl_buf_printf(&text, "%lld\n", (long long)left->count));
        else
            PL_TRY(pl_buf_printf(&text, "%s\n",
                                 format == OUTPUT_PLAIN ? "unlimited" : _("unlimited")));
        return cli_print(cli, &text);
    }
    struct sheet sheet;
    sheet_init(&sheet, NULL, columns, PL_COUNT(columns), &cli->arena);
    sheet_text(&sheet, answer->tier->code);
    sheet_remaining(&sheet, left);
    sheet_seq(&sheet, answer->as_of_seq);
    sheet_time(&sheet, answer->as_of_time_us);
    sheet_as_of(&sheet, answer->as_of_seq, answer->as_of_time_us);
    return cli_show(cli, &sheet);
}

struct pl_status cmd_slots(struct cli *cli)
{
    int64_t least = 0;
    PL_TRY(options_number(&cli->options, OPTION_AT_LEAST, 0, INT64_MAX, &least, &cli->failure));
    Pledged__V1__GetTierRequest request = PLEDGED__V1__GET_TIER_REQUEST__INIT;
    request.tier = input_lend(cli->arg[0]);
    request.catalogue = input_lend(options_get(&cli->options, OPTION_CATALOGUE));
    ProtobufCMessage *message = NULL;
    PL_TRY(cli_read(cli, "GetTier", &request.base, &pledged__v1__get_tier_response__descriptor,
                    &message));
    const Pledged__V1__GetTierResponse *answer = (const void *)message;
    if (answer->tier == NULL || answer->tier->remaining == NULL)
        return pl_fail(INTERNAL, "the daemon's answer names no tier");
    const Pledged__V1__Count *left = answer->tier->remaining;
    if (left->value_case == PLEDGED__V1__COUNT__VALUE_COUNT && left->count < least)
        cli->answer = 1;
    return show_slots(cli, answer);
}
