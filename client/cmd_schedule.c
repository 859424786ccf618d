/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_schedule: when a promise is to be paid, in parts. Equal parts are made here, the last one
 * takes the rest; the daemon judges days and sum.
 */
#include <stdio.h>
#include <string.h>

#include "client/commands.h"
#include "client/input.h"
#include "client/write.h"
#include "common/check.h"
#include "common/date.h"
#include "common/scan.h"

enum { PARTS_MAX = 60 };

static struct pl_status read_pledge(struct cli *cli, const Pledged__V1__PledgeStatus **ret)
{
    Pledged__V1__GetPledgeRequest request = PLEDGED__V1__GET_PLEDGE_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    request.pledge = input_id(cli, cli->arg[0], 'P');
    PL_TRY(cli_read(cli, "GetPledge", &request.base, &pledged__v1__get_pledge_response__descriptor,
                    &message));
    *ret = ((const Pledged__V1__GetPledgeResponse *)(const void *)message)->pledge;
    return *ret != NULL ? pl_ok() : pl_fail(INTERNAL, "the daemon's answer has no pledge");
}

/* --- how far apart --- */

struct every {
    int months, days; /* one of them is 0 */
};

/* "3m" and "1y" are months of the calendar, "14d" and "2w" days. */
static bool read_every(const char *text, struct every *ret)
{
    int number = 0;
    *ret = (struct every){.months = 1};
    if (text == NULL)
        return true;
    const char *unit = text + strspn(text, "0123456789");
    if (unit - text > 3 || strlen(unit) != 1)
        return false;
    for (const char *digit = text; digit < unit; digit++)
        number = 10 * number + (*digit - '0');
    if (number < 1)
        return false;
    *ret = (struct every){.months = *unit == 'm'   ? number
                                    : *unit == 'y' ? 12 * number
                                                   : 0,
                          .days = *unit == 'd'   ? number
                                  : *unit == 'w' ? 7 * number
                                                 : 0};
    return ret->months != 0 || ret->days != 0;
}

/* The day that is `steps` times as far from the first; the 31st of a shorter month is its last. */
static bool day_after(const char *first, const struct every *every, size_t steps, char ret[11])
{
    int32_t days;
    if (!pl_is_ok(pl_date_parse(first, &days)))
        return false;
    int day_of_month = (first[8] - '0') * 10 + first[9] - '0';
    if (every->days != 0) {
        (void)pl_date_format(days + every->days * (int32_t)steps, ret);
        return pl_date_valid(ret);
    }
    int month = pl_date_month(days) + every->months * (int)steps;
    if (month / 12 > 9999)
        return false;
    do
        (void)snprintf(ret, 11, "%04u-%02u-%02u", (unsigned)month / 12 % 10000,
                       (unsigned)month % 12 + 1, (unsigned)day_of_month % 100);
    while (!pl_date_valid(ret) && day_of_month-- > 28);
    return pl_date_valid(ret);
}

/* --- the parts --- */

static struct pl_status add_part(struct cli *cli, Pledged__V1__SetSchedule *body, const char *due,
                                 Pledged__V1__Money *amount)
{
    Pledged__V1__Instalment *part = pl_arena_alloc(&cli->arena, sizeof(*part));
    char *day = pl_arena_strdup(&cli->arena, due);
    if (part == NULL || day == NULL)
        return text_no_memory();
    pledged__v1__instalment__init(part);
    part->due = day;
    part->amount = amount;
    body->instalment[body->n_instalment++] = part;
    return pl_ok();
}

static struct pl_status equal_parts(struct cli *cli, const Pledged__V1__PledgeStatus *pledge,
                                    Pledged__V1__SetSchedule *body)
{
    const char *first = options_get(&cli->options, OPTION_FIRST);
    const char *step = options_get(&cli->options, OPTION_EVERY);
    struct every every;
    int64_t parts = 0;
    PL_TRY(options_number(&cli->options, OPTION_PARTS, 1, PARTS_MAX, &parts, &cli->failure));
    if (first == NULL)
        return failure_usage(&cli->failure, _("--first: a day of the form YYYY-MM-DD is needed"));
    PL_TRY(input_day(cli, OPTION_FIRST, first));
    if (!read_every(step, &every))
        return failure_usage(&cli->failure,
                             _("--every %s: a distance such as 1m, 3m, 1y, 14d or 2w is needed"),
                             step);
    int64_t left = pledge->amount->minor;
    for (int64_t i = 0; i < parts; i++) {
        Pledged__V1__Money *amount = pl_arena_alloc(&cli->arena, sizeof(*amount));
        char due[11];
        if (amount == NULL)
            return text_no_memory();
        *amount = *pledge->amount;
        amount->minor = i == parts - 1 ? left : pledge->amount->minor / parts;
        left -= amount->minor;
        if (!day_after(first, &every, (size_t)i, due))
            return failure_usage(&cli->failure, _("--first %s: the last part is due after 2999"),
                                 first);
        PL_TRY(add_part(cli, body, due, amount));
    }
    return pl_ok();
}

/* --due DAY:AMOUNT, each in its own words. */
static struct pl_status told_parts(struct cli *cli, const Pledged__V1__PledgeStatus *pledge,
                                   Pledged__V1__SetSchedule *body)
{
    for (size_t i = 0; i < cli->options.value[OPTION_DUE].count; i++) {
        const char *text = cli->options.value[OPTION_DUE].text[i];
        const char *colon = strchr(text, ':');
        if (colon == NULL || i == PARTS_MAX)
            return failure_usage(&cli->failure,
                                 _("--due %s: DAY:AMOUNT is needed, for example "
                                   "2026-03-31:50000.00, at most 60 times"),
                                 text);
        Pledged__V1__Money *amount = NULL;
        const char *due = pl_arena_printf(&cli->arena, "%.*s", (int)(colon - text), text);
        if (due == NULL)
            return text_no_memory();
        PL_TRY(input_money(cli, colon + 1, pledge->amount->currency,
                           "set_schedule.instalment.amount", &amount));
        PL_TRY(add_part(cli, body, due, amount));
    }
    return pl_ok();
}

struct pl_status cmd_schedule_set(struct cli *cli)
{
    struct write write;
    Pledged__V1__SetSchedule body = PLEDGED__V1__SET_SCHEDULE__INIT;
    Pledged__V1__Instalment *part[PARTS_MAX];
    const Pledged__V1__PledgeStatus *pledge;
    bool equal = options_has(&cli->options, OPTION_PARTS);
    if (equal == options_has(&cli->options, OPTION_DUE))
        return failure_usage(&cli->failure, _("give --due for every part, or --parts and --first"));
    PL_TRY(write_init(cli, &write, "letter"));
    PL_TRY(read_pledge(cli, &pledge));
    body.pledge = pledge->pledge;
    body.instalment = part;
    if (pledge->amount == NULL) /* the daemon says what is wrong with a schedule of a hold */
        return failure_set(&cli->failure, PL_E_REFUSED, PLEDGED__V1__REASON__REASON_STATE_WRONG,
                           "set_schedule.pledge", "%s", _("nothing is promised yet"));
    PL_TRY(equal ? equal_parts(cli, pledge, &body) : told_parts(cli, pledge, &body));
    write.left = WRITE_LEFT_BALANCE;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_SET_SCHEDULE;
    write.command.set_schedule = &body;
    return write_run(cli, &write);
}

/* --- showing --- */

static const struct column columns[] = {
    {"part", N_("Part"), IN_ALL, true},
    {"due", N_("Due"), IN_ALL, false},
    {"amount", N_("Amount"), IN_ALL, true},
    {"currency", NULL, IN_PROGRAMS, false},
    {"outstanding", N_("Still to be paid"), IN_ALL, true},
};

void schedule_sheet(struct sheet *sheet, const Pledged__V1__PledgeStatus *pledge,
                    struct pl_arena *arena)
{
    sheet_init(sheet, "instalments", columns, PL_COUNT(columns), arena);
    for (size_t i = 0; i < pledge->n_instalment; i++) {
        const Pledged__V1__InstalmentStatus *part = pledge->instalment[i];
        sheet_number(sheet, (int64_t)i + 1);
        sheet_text(sheet, part->due);
        sheet_amount(sheet, part->amount);
        sheet_text(sheet, part->amount == NULL ? NULL : part->amount->currency);
        sheet_amount(sheet, part->outstanding);
    }
}

struct pl_status cmd_schedule(struct cli *cli)
{
    const Pledged__V1__PledgeStatus *pledge;
    struct sheet sheet;
    PL_TRY(read_pledge(cli, &pledge));
    schedule_sheet(&sheet, pledge, &cli->arena);
    return cli_show(cli, &sheet);
}
