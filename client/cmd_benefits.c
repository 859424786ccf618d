/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_benefits: what a tier grants, what a pledge has coming, sums; and totals of money.
 */
#include <inttypes.h>
#include <string.h>

#include "client/commands.h"
#include "client/input.h"
#include "client/write.h"
#include "common/check.h"
#include "common/ids.h"
#include "common/json.h"

/* --- benefits --- */

static const struct column benefit_columns[] = {
    {"benefit", N_("Code"), IN_ALL, false},
    {"section", NULL, IN_PROGRAMS, false},
    {"tier", N_("Tier"), IN_ALL, false},
    {"quantity", NULL, IN_PROGRAMS, true},
    {"unit", NULL, IN_PROGRAMS, false},
    {"amount_of", N_("How much"), IN_TABLE, true},
    {"phase", N_("Phase"), IN_ALL, false},
    {"due", N_("Due"), IN_ALL, false},
    {"attributes", NULL, IN_ROWS, false},
    {"attribute", NULL, IN_JSON, false},
    {"label", N_("Benefit"), IN_TABLE | IN_JSON, false},
    {"label_fr", NULL, IN_ROWS, false},
    {"label_en", NULL, IN_ROWS, false},
    {"note", N_("Details"), IN_TABLE | IN_JSON, false},
    {"note_fr", NULL, IN_ROWS, false},
    {"note_en", NULL, IN_ROWS, false},
    {"section_label", NULL, IN_JSON, false},
    {"section_fr", NULL, IN_ROWS, false},
    {"section_en", NULL, IN_ROWS, false},
    {"claimed", NULL, IN_PROGRAMS, true},
    {"declined", NULL, IN_PROGRAMS, true},
    {"delivered", NULL, IN_PROGRAMS, true},
    {"left", NULL, IN_PROGRAMS, true},
    {"asset", NULL, IN_PROGRAMS, false},
};
/* The same with what became of each, for people: of a pledge, and in sums. */
static struct column fulfilment_columns[PL_COUNT(benefit_columns)];

static const struct column *with_fulfilment(void)
{
    static const struct {
        const char *name, *title;
    } shown[] = {{"claimed", N_("Claimed")},
                 {"declined", N_("Declined")},
                 {"delivered", N_("Delivered")},
                 {"left", N_("Left to give")}};
    memcpy(fulfilment_columns, benefit_columns, sizeof(benefit_columns));
    for (size_t i = 0; i < PL_COUNT(fulfilment_columns); i++) {
        for (size_t j = 0; j < PL_COUNT(shown); j++) {
            if (strcmp(fulfilment_columns[i].key, shown[j].name) != 0)
                continue;
            fulfilment_columns[i].title = shown[j].title;
            fulfilment_columns[i].in = IN_ALL;
        }
    }
    return fulfilment_columns;
}

static const char *attribute_words(const Pledged__V1__Attribute *attribute, struct pl_arena *arena)
{
    static const char *const known[][3] = {
        {"stage", "main", N_("main stage")},
        {"size", "xl", N_("extra large")},
        {"size", "l", N_("large")},
        {"size", "m", N_("medium size")},
        {"size", "s", N_("small")},
        {"place", "prime", N_("prime location")},
        {"place", "standard", N_("standard area")},
        {"screen", "custom", N_("custom screen")},
        {"screen", "large", N_("large screen")},
        {"screen", "basic", N_("basic screen")},
        {"screen", "none", N_("no screen")},
        {"premises", "itu", N_("on ITU premises")},
    };
    for (size_t i = 0; i < PL_COUNT(known); i++) {
        if (strcmp(known[i][0], attribute->name) == 0 && strcmp(known[i][1], attribute->value) == 0)
            return _(known[i][2]);
    }
    return pl_arena_printf(arena, "%s=%s", attribute->name, attribute->value);
}

static void add_attributes(struct sheet *sheet, const Pledged__V1__BenefitLine *line)
{
    struct pl_arena *arena = sheet->arena;
    const char *text = "", *json = "{";
    for (size_t i = 0; i < line->n_attribute && text != NULL && json != NULL; i++) {
        const Pledged__V1__Attribute *one = line->attribute[i];
        text = pl_arena_printf(arena, "%s%s%s=%s", text, i == 0 ? "" : ";", one->name, one->value);
        /* names and values are codes: letters, digits, hyphens */
        json = pl_arena_printf(arena, "%s%s\"%s\": \"%s\"", json, i == 0 ? "" : ", ", one->name,
                               one->value);
    }
    sheet_text(sheet, text);
    sheet_json(sheet, json == NULL ? NULL : pl_arena_printf(arena, "%s}", json));
}

static const char *attributes_for_people(const Pledged__V1__BenefitLine *line,
                                         struct pl_arena *arena)
{
    const char *text = "";
    for (size_t i = 0; i < line->n_attribute && text != NULL; i++) {
        const char *words = attribute_words(line->attribute[i], arena);
        text =
            pl_arena_printf(arena, "%s%s%s", text, i == 0 ? "" : ", ", words == NULL ? "" : words);
    }
    return text;
}

static void add_how_much(struct sheet *sheet, const Pledged__V1__BenefitLine *line)
{
    const char *unit = text_label(TEXT_UNIT, (int)line->unit);
    bool once = line->unit == PLEDGED__V1__UNIT__UNIT_ONCE;
    const char *human = once && line->quantity == 1 ? unit
                        : once ? pl_arena_printf(sheet->arena, "%" PRId64 " ×", line->quantity)
                               : pl_arena_printf(sheet->arena, "%" PRId64 "\u00a0%s",
                                                 line->quantity, unit == NULL ? "" : unit);
    sheet_pair(sheet, NULL, human);
}

static void add_note(struct sheet *sheet, const Pledged__V1__BenefitLine *line)
{
    size_t first = sheet->count;
    sheet_labels(sheet, line->note, line->n_note);
    if (sheet->spent || sheet->count != first + 3)
        return;
    struct cell *cell = &sheet->cells[first];
    if (line->n_note == 0)
        cell->human = attributes_for_people(line, sheet->arena);
    if (cell->human != NULL && cell->human[0] == '\0')
        cell->human = NULL;
}

static const char *asset_code(Pledged__V1__Asset asset)
{
    return asset == PLEDGED__V1__ASSET__ASSET_LOGO    ? "logo"
           : asset == PLEDGED__V1__ASSET__ASSET_VIDEO ? "video"
                                                      : NULL;
}

static void add_benefit(struct sheet *sheet, const Pledged__V1__BenefitLine *line, bool sums)
{
    int64_t gone = line->declined + line->delivered;
    int64_t left = !sums ? line->left : line->quantity > gone ? line->quantity - gone : 0;
    sheet_text(sheet, line->code);
    sheet_text(sheet, line->section);
    sheet_text(sheet, line->tier);
    sheet_number(sheet, line->quantity);
    sheet_code(sheet, TEXT_UNIT, (int)line->unit);
    add_how_much(sheet, line);
    sheet_code(sheet, TEXT_PHASE, (int)line->phase);
    sheet_text(sheet, line->due);
    add_attributes(sheet, line);
    sheet_labels(sheet, line->label, line->n_label);
    add_note(sheet, line);
    sheet_labels(sheet, line->section_label, line->n_section_label);
    sheet_number(sheet, line->claimed);
    sheet_number(sheet, line->declined);
    sheet_number(sheet, line->delivered);
    sheet_number(sheet, left);
    sheet_text(sheet, asset_code(line->asset));
}

static struct pl_status ask_benefits(struct cli *cli, Pledged__V1__ListBenefitsRequest *request)
{
    bool totals = options_has(&cli->options, OPTION_TOTALS);
    if (totals && cli->arg_count > 0)
        return failure_usage(&cli->failure, "%s",
                             _("give a tier or a pledge, or --totals, not both"));
    if (totals) {
        request->of_case = PLEDGED__V1__LIST_BENEFITS_REQUEST__OF_TOTALS;
        request->totals = true;
    } else if (cli->arg_count > 0 && pl_id_parse_loose(cli->arg[0], 'P') != 0) {
        request->of_case = PLEDGED__V1__LIST_BENEFITS_REQUEST__OF_PLEDGE;
        request->pledge = input_id(cli, cli->arg[0], 'P');
    } else if (cli->arg_count > 0) {
        request->of_case = PLEDGED__V1__LIST_BENEFITS_REQUEST__OF_TIER;
        request->tier = input_lend(cli->arg[0]);
    }
    return pl_ok();
}

struct pl_status cmd_benefits(struct cli *cli)
{
    Pledged__V1__ListBenefitsRequest request = PLEDGED__V1__LIST_BENEFITS_REQUEST__INIT;
    PL_TRY(ask_benefits(cli, &request));
    ProtobufCMessage *message = NULL;
    PL_TRY(cli_read(cli, "ListBenefits", &request.base,
                    &pledged__v1__list_benefits_response__descriptor, &message));
    const Pledged__V1__ListBenefitsResponse *answer = (const void *)message;
    struct sheet sheet;
    bool sums = request.of_case == PLEDGED__V1__LIST_BENEFITS_REQUEST__OF_TOTALS;
    bool fulfilled = sums || request.of_case == PLEDGED__V1__LIST_BENEFITS_REQUEST__OF_PLEDGE;
    sheet_init(&sheet, "benefits", fulfilled ? with_fulfilment() : benefit_columns,
               PL_COUNT(benefit_columns), &cli->arena);
    for (size_t i = 0; i < answer->n_benefit; i++)
        add_benefit(&sheet, answer->benefit[i], sums);
    sheet_as_of(&sheet, answer->as_of_seq, 0);
    sheet_note(&sheet, "catalogue", pl_arena_printf(&cli->arena, "\"%s\"", answer->catalogue));
    sheet_note(&sheet, "catalogue_version",
               pl_arena_printf(&cli->arena, "%u", answer->catalogue_version));
    return cli_show(cli, &sheet);
}

/* --- what becomes of one --- */

static struct pl_status read_quantity(struct cli *cli, int64_t *ret)
{
    *ret = 0;
    return options_number(&cli->options, OPTION_QUANTITY, 1, 1000000, ret, &cli->failure);
}

/* "vis6" as people type it. */
static char *benefit_code(struct cli *cli, const char *text)
{
    char *code = pl_arena_strdup(&cli->arena, text);
    for (char *at = code; at != NULL && *at != '\0'; at++)
        *at = *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;
    return code == NULL ? input_lend(text) : code;
}

struct pl_status cmd_claim(struct cli *cli)
{
    struct write write;
    Pledged__V1__ClaimBenefit claim = PLEDGED__V1__CLAIM_BENEFIT__INIT;
    PL_TRY(read_quantity(cli, &claim.quantity));
    PL_TRY(write_init(cli, &write, "letter"));
    claim.pledge = input_id(cli, cli->arg[0], 'P');
    claim.benefit = benefit_code(cli, cli->arg[1]);
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_CLAIM_BENEFIT;
    write.command.claim_benefit = &claim;
    return write_run(cli, &write);
}

struct pl_status cmd_decline(struct cli *cli)
{
    struct write write;
    Pledged__V1__DeclineBenefit decline = PLEDGED__V1__DECLINE_BENEFIT__INIT;
    PL_TRY(read_quantity(cli, &decline.quantity));
    PL_TRY(write_init(cli, &write, "letter"));
    decline.pledge = input_id(cli, cli->arg[0], 'P');
    decline.benefit = benefit_code(cli, cli->arg[1]);
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_DECLINE_BENEFIT;
    write.command.decline_benefit = &decline;
    return write_run(cli, &write);
}

struct pl_status cmd_deliver(struct cli *cli)
{
    struct write write;
    Pledged__V1__DeliverBenefit deliver = PLEDGED__V1__DELIVER_BENEFIT__INIT;
    PL_TRY(read_quantity(cli, &deliver.quantity));
    PL_TRY(write_init(cli, &write, "photograph"));
    deliver.pledge = input_id(cli, cli->arg[0], 'P');
    deliver.benefit = benefit_code(cli, cli->arg[1]);
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_DELIVER_BENEFIT;
    write.command.deliver_benefit = &deliver;
    return write_run(cli, &write);
}

/* --- totals --- */

static const struct column totals_columns[] = {
    {"key", N_("For"), IN_ALL, false},
    {"currency", N_("Currency"), IN_ALL, false},
    {"pledges", N_("Pledges"), IN_ALL, true},
    {"pledged", N_("Promised"), IN_ALL, true},
    {"committed", N_("Signed"), IN_ALL, true},
    {"received", N_("Received"), IN_ALL, true},
    {"outstanding", N_("To come"), IN_ALL, true},
    {"refunded", N_("Paid back"), IN_ALL, true},
    {"unallocated", N_("Not allocated"), IN_ALL, true},
    {"as_of_seq", NULL, IN_ROWS, true},
    {"as_of_time", NULL, IN_ROWS, false},
    {"written_off", N_("Written off"), IN_ALL, true},
    {"difference", N_("Differences"), IN_ALL, true},
    {"pledged_chf", N_("Promised, in CHF"), IN_ALL, true},
    {"received_chf", N_("Received, in CHF"), IN_ALL, true},
    {"pledged_unvalued", NULL, IN_PROGRAMS, true},
    {"received_unvalued", NULL, IN_PROGRAMS, true},
};

/* Absent where nothing of it has a value. */
static void add_value(struct sheet *sheet, int64_t minor, int64_t unvalued, int64_t chf)
{
    if (unvalued != 0 && unvalued == minor)
        sheet_text(sheet, NULL);
    else
        sheet_minor(sheet, chf, "CHF");
}

/* What a line is the sum of, for people. */
static const char *label_of(const Pledged__V1__GetTotalsResponse *answer, const char *key)
{
    if (strcmp(key, "unmatched") == 0)
        return _("not matched yet");
    if (answer->by == PLEDGED__V1__TOTALS_BY__TOTALS_BY_CATEGORY)
        return text_label_of_code(TEXT_KIND, key);
    return strcmp(key, "free") == 0 ? _("free contributions") : key;
}

static void add_totals(struct sheet *sheet, const Pledged__V1__GetTotalsResponse *answer,
                       const Pledged__V1__TotalsLine *line)
{
    const char *label = label_of(answer, line->key);
    sheet_pair(sheet, line->key[0] == '\0' ? NULL : line->key, label[0] == '\0' ? NULL : label);
    sheet_text(sheet, line->currency);
    sheet_number(sheet, line->pledges);
    sheet_minor(sheet, line->pledged_minor, line->currency);
    sheet_minor(sheet, line->committed_minor, line->currency);
    sheet_minor(sheet, line->received_minor, line->currency);
    sheet_minor(sheet, line->outstanding_minor, line->currency);
    sheet_minor(sheet, line->refunded_minor, line->currency);
    sheet_minor(sheet, line->unallocated_minor, line->currency);
    sheet_seq(sheet, answer->as_of_seq);
    sheet_time(sheet, answer->as_of_time_us);
    sheet_minor(sheet, line->written_off_minor, line->currency);
    sheet_minor(sheet, line->difference_minor, line->currency);
    add_value(sheet, line->pledged_minor, line->pledged_unvalued_minor, line->pledged_chf_minor);
    add_value(sheet, line->received_minor, line->received_unvalued_minor, line->received_chf_minor);
    sheet_minor(sheet, line->pledged_unvalued_minor, line->currency);
    sheet_minor(sheet, line->received_unvalued_minor, line->currency);
}

/* What the sums in francs leave out, for people; programs have columns. */
static void tell_unvalued(struct cli *cli, const Pledged__V1__GetTotalsResponse *answer)
{
    if (cli->config.quiet || cli->config.format != OUTPUT_TABLE)
        return;
    for (size_t i = 0; i < answer->n_line; i++) {
        const Pledged__V1__TotalsLine *line = answer->line[i];
        if (line->pledged_unvalued_minor == 0 && line->received_unvalued_minor == 0)
            continue;
        (void)fprintf(
            stderr,
            _("Not in the sums in CHF, for no rate was recorded: %s promised, %s received (%s)\n"),
            output_money(&cli->arena, line->pledged_unvalued_minor, line->currency),
            output_money(&cli->arena, line->received_unvalued_minor, line->currency),
            line->key[0] != '\0' ? label_of(answer, line->key) : line->currency);
    }
}

struct pl_status cmd_totals(struct cli *cli)
{
    int by = 0;
    PL_TRY(input_code(cli, OPTION_BY, TEXT_BY, &by));
    Pledged__V1__GetTotalsRequest request = PLEDGED__V1__GET_TOTALS_REQUEST__INIT;
    request.by = (Pledged__V1__TotalsBy)by;
    ProtobufCMessage *message = NULL;
    PL_TRY(cli_read(cli, "GetTotals", &request.base, &pledged__v1__get_totals_response__descriptor,
                    &message));
    const Pledged__V1__GetTotalsResponse *answer = (const void *)message;
    struct sheet sheet;
    sheet_init(&sheet, "totals", totals_columns, PL_COUNT(totals_columns), &cli->arena);
    for (size_t i = 0; i < answer->n_line; i++)
        add_totals(&sheet, answer, answer->line[i]);
    sheet_as_of(&sheet, answer->as_of_seq, answer->as_of_time_us);
    const char *code = text_code(TEXT_BY, (int)answer->by);
    sheet_note(&sheet, "by", code == NULL ? "null" : pl_arena_printf(&cli->arena, "\"%s\"", code));
    struct pl_status shown = cli_show(cli, &sheet);
    if (pl_is_ok(shown))
        tell_unvalued(cli, answer);
    return shown;
}
