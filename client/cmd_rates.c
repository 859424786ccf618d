/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_rates: rates of exchange: record them, one or a file of them, and list those in force.
 */
#include <stdio.h>
#include <string.h>

#include "client/commands.h"
#include "client/input.h"
#include "client/text.h"
#include "client/when.h"
#include "client/write.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/date.h"
#include "common/money.h"

enum { RATES_MAX = 100, SCALE_MAX = 12, FILE_BYTES_MAX = 65536 };

/* --- recording --- */

struct rates {
    Pledged__V1__RecordRates command;
    Pledged__V1__Rate *row[RATES_MAX];
    const char *source; /* where a row names none */
    const char *where;  /* "rates.csv, line 3: ", or "" */
};

static struct pl_status wrong_rate(struct cli *cli, const struct rates *rates, const char *text)
{
    return failure_set(&cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_RATE_INVALID,
                       "record_rates.rate",
                       _("%s'%s' is not a rate: type what one unit is worth in CHF, like 0.8850; "
                         "more than zero, with at most 15 digits, 12 of them after the point"),
                       rates->where, text);
}

/* "1,234": only what a comma with three digits behind it makes */
static struct pl_status two_rates(struct cli *cli, const struct rates *rates, const char *text)
{
    int whole = (int)strcspn(text, ",");
    return failure_set(
        &cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_RATE_INVALID, "record_rates.rate",
        _("%sthe rate '%s' can be read in two ways: type %.*s.%s or %.*s%s"), rates->where, text,
        whole, text, text + whole + 1, whole, text, text + whole + 1);
}

static struct pl_status add(struct cli *cli, struct rates *rates, const char *date,
                            const char *currency, const char *text, const char *source)
{
    Pledged__V1__Rate *rate = pl_arena_alloc(&cli->arena, sizeof(*rate));
    if (rate == NULL)
        return text_no_memory();
    pledged__v1__rate__init(rate);
    if (pl_currency_index(currency) < 0)
        return failure_set(&cli->failure, PL_E_INVALID,
                           PLEDGED__V1__REASON__REASON_CURRENCY_UNKNOWN,
                           "record_rates.rate.currency", _("%s%s: %s"), rates->where, currency,
                           text_reason(PLEDGED__V1__REASON__REASON_CURRENCY_UNKNOWN));
    if (!pl_date_valid(date))
        return failure_set(&cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_DATE_INVALID,
                           "record_rates.rate.date", _("%s%s: %s"), rates->where, date,
                           gettext(pl_date_wrong(date)));
    enum pl_decimal_problem problem = pl_rate_parse(text, SCALE_MAX, &rate->mantissa, &rate->scale);
    if (problem == PL_DECIMAL_AMBIGUOUS)
        return two_rates(cli, rates, text);
    if (problem != PL_DECIMAL_OK || rate->mantissa == 0)
        return wrong_rate(cli, rates, text);
    source = source[0] != '\0' ? source : rates->source;
    if (source == NULL || source[0] == '\0')
        return failure_usage(&cli->failure, _("%swho publishes the rate? --source says it"),
                             rates->where);
    rate->date = input_lend(date);
    rate->currency = input_lend(currency);
    rate->source = input_lend(source);
    rates->row[rates->command.n_rate++] = rate;
    return pl_ok();
}

static struct pl_status add_line(struct cli *cli, struct rates *rates, char *line, char part,
                                 bool sourced)
{
    char *rest = line;
    if (rates->command.n_rate == RATES_MAX)
        return failure_set(&cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_FIELD_TOO_LONG,
                           "record_rates.rate", _("%sat most %d rates are recorded at once"),
                           rates->where, RATES_MAX);
    const char *date = input_cell(&rest, part), *currency = input_cell(&rest, part);
    const char *rate = input_cell(&rest, part), *source = sourced ? input_cell(&rest, part) : "";
    if (rest[0] != '\0' || rate[0] == '\0')
        return failure_set(&cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_FIELD_INVALID,
                           "record_rates.rate", _("%s%s is needed, without quotes"), rates->where,
                           sourced ? "date,currency,rate,source" : "date,currency,rate");
    return add(cli, rates, date, currency, rate, source);
}

/* The first line says which columns there are. */
static struct pl_status read_header(struct cli *cli, const struct rates *rates, const char *line,
                                    bool *ret_sourced)
{
    *ret_sourced = strcmp(line, "date,currency,rate,source") == 0;
    if (*ret_sourced || strcmp(line, "date,currency,rate") == 0)
        return pl_ok();
    return failure_set(&cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_FIELD_INVALID,
                       "record_rates.rate", _("%s%s is needed, without quotes"), rates->where,
                       "date,currency,rate,source");
}

static struct pl_status add_file(struct cli *cli, struct rates *rates, const char *path)
{
    struct pl_slice bytes;
    bool sourced = false;
    char part;
    PL_TRY(input_file(cli, path, FILE_BYTES_MAX, &bytes));
    char *line = pl_arena_strdup(&cli->arena, (const char *)bytes.data);
    if (line == NULL)
        return text_no_memory();
    line = input_table(line, &part);
    for (size_t number = 1; number == 1 || line[0] != '\0'; number++) {
        char *end = line + strcspn(line, "\n");
        char *next = *end == '\n' ? end + 1 : end;
        *end = '\0';
        if (end > line && end[-1] == '\r')
            end[-1] = '\0';
        rates->where = pl_arena_printf(&cli->arena, _("%s, line %zu: "), path, number);
        if (rates->where == NULL)
            return text_no_memory();
        if (number == 1)
            PL_TRY(read_header(cli, rates, line, &sourced));
        else if (line[0] != '\0')
            PL_TRY(add_line(cli, rates, line, part, sourced));
        line = next;
    }
    rates->where = "";
    return pl_ok();
}

struct pl_status cmd_rates_add(struct cli *cli)
{
    struct write write;
    struct rates rates = {.command = PLEDGED__V1__RECORD_RATES__INIT, .where = ""};
    const char *path = options_get(&cli->options, OPTION_FILE);
    rates.source = options_get(&cli->options, OPTION_SOURCE);
    rates.command.rate = rates.row;
    if (cli->arg_count != (path == NULL ? 3 : 0))
        return failure_usage(&cli->failure, "%s",
                             _("'pledge rates add' needs DATE CURRENCY RATE, or --file"));
    PL_TRY(write_init(cli, &write, "statement"));
    if (path != NULL)
        PL_TRY(add_file(cli, &rates, path));
    else
        PL_TRY(add(cli, &rates, cli->arg[0], cli->arg[1], cli->arg[2], ""));
    if (rates.command.n_rate == 1)
        write.rates =
            pl_arena_printf(&cli->arena, "%s %s", rates.row[0]->currency, rates.row[0]->date);
    else
        write.rates = pl_arena_printf(&cli->arena, "%zu", rates.command.n_rate);
    write.subject = WRITE_RATES;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_RECORD_RATES;
    write.command.record_rates = &rates.command;
    return write_run(cli, &write);
}

/* --- listing --- */

static void add_row(struct cli *cli, struct sheet *sheet, const Pledged__V1__RateStatus *row)
{
    char text[32];
    const Pledged__V1__Rate *rate = row->rate;
    (void)pl_decimal_format(rate->mantissa, (int)rate->scale, text);
    sheet_text(sheet, rate->currency);
    sheet_text(sheet, rate->date);
    sheet_text(sheet, pl_arena_strdup(&cli->arena, text));
    sheet_quoted(sheet, rate->source);
    sheet_seq(sheet, row->seq);
    sheet_seq(sheet, row->superseded_by);
}

struct pl_status cmd_rates(struct cli *cli)
{
    static const struct column columns[] = {
        {"currency", N_("Currency"), IN_ALL, false},
        {"date", N_("Day"), IN_ALL, false},
        {"rate", N_("CHF for one"), IN_ALL, true},
        {"source", N_("Source"), IN_ALL, false},
        {"seq", N_("Entry"), IN_ALL, true},
        {"superseded_by", N_("Replaced by entry"), IN_ALL, true},
    };
    Pledged__V1__ListRatesRequest request = PLEDGED__V1__LIST_RATES_REQUEST__INIT;
    struct sheet sheet;
    uint64_t as_of = 0;
    char today[11];
    bool all = options_has(&cli->options, OPTION_ALL);
    struct pl_clock *clock = pl_clock_system();
    if (all && options_has(&cli->options, OPTION_AT))
        return failure_usage(&cli->failure, "%s", _("give --at or --all, not both"));
    request.currency = input_lend(cli->arg_count > 0 ? cli->arg[0] : NULL);
    request.date = input_lend(options_get(&cli->options, OPTION_AT));
    if (!all && request.date[0] == '\0') {
        PL_TRY(cli_zone(cli));
        request.date = input_lend(pl_date_format(when_day(clock->wall_us(clock)), today));
    }
    request.page_size = 1000;
    sheet_init(&sheet, "rates", columns, PL_COUNT(columns), &cli->arena);
    do {
        ProtobufCMessage *message = NULL;
        PL_TRY(cli_read(cli, "ListRates", &request.base,
                        &pledged__v1__list_rates_response__descriptor, &message));
        const Pledged__V1__ListRatesResponse *page = (const void *)message;
        for (size_t i = 0; i < page->n_rate; i++)
            add_row(cli, &sheet, page->rate[i]);
        as_of = as_of == 0 ? page->as_of_seq : as_of;
        request.page_token = page->next_page_token;
    } while (request.page_token[0] != '\0');
    sheet_as_of(&sheet, as_of, 0);
    return cli_show(cli, &sheet);
}
