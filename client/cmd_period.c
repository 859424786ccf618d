/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_period: accounting periods: close, reopen, list. A closing names the newest signed
 * checkpoint, so that everybody can tell which ledger was closed.
 */
#include <string.h>

#include "client/commands.h"
#include "client/input.h"
#include "client/write.h"
#include "common/check.h"
#include "common/tlog.h"

static struct pl_status read_head(struct cli *cli, struct pl_checkpoint *ret)
{
    Pledged__V1__GetCheckpointRequest request = PLEDGED__V1__GET_CHECKPOINT_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    PL_TRY(cli_read(cli, "GetCheckpoint", &request.base,
                    &pledged__v1__get_checkpoint_response__descriptor, &message));
    const char *text = ((const Pledged__V1__GetCheckpointResponse *)message)->checkpoint;
    const char *end = strstr(text, "\n\n"); /* the signatures follow */
    if (end == NULL ||
        !pl_is_ok(pl_checkpoint_parse(pl_slice(text, (size_t)(end - text) + 1), ret)))
        return pl_fail(INTERNAL, "the daemon's checkpoint cannot be read");
    return pl_ok();
}

struct pl_status cmd_period_close(struct cli *cli)
{
    struct write write;
    struct pl_checkpoint head;
    Pledged__V1__ClosePeriod close = PLEDGED__V1__CLOSE_PERIOD__INIT;
    PL_TRY(write_init(cli, &write, "statement"));
    PL_TRY(read_head(cli, &head));
    close.period = input_lend(cli->arg[0]);
    close.head_size = head.size;
    close.head_root = (ProtobufCBinaryData){sizeof(head.root.bytes), head.root.bytes};
    close.waive = options_has(&cli->options, OPTION_WAIVE);
    write.subject = WRITE_PERIOD;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_CLOSE_PERIOD;
    write.command.close_period = &close;
    return write_run(cli, &write);
}

struct pl_status cmd_period_reopen(struct cli *cli)
{
    struct write write;
    Pledged__V1__ReopenPeriod reopen = PLEDGED__V1__REOPEN_PERIOD__INIT;
    PL_TRY(write_init(cli, &write, "letter"));
    reopen.period = input_lend(cli->arg[0]);
    write.subject = WRITE_PERIOD;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_REOPEN_PERIOD;
    write.command.reopen_period = &reopen;
    return write_run(cli, &write);
}

struct pl_status cmd_periods(struct cli *cli)
{
    static const struct column columns[] = {
        {"period", N_("Period"), IN_ALL, false},
        {"state", N_("State"), IN_ALL, false},
        {"closed_seq", N_("Closed by entry"), IN_ALL, true},
        {"closed", N_("Closed"), IN_ALL, false},
        {"reopened_seq", N_("Opened by entry"), IN_ALL, true},
        {"head_size", N_("Entries under its checkpoint"), IN_ALL, true},
        {"closed_us", NULL, IN_JSON, false},
    };
    Pledged__V1__ListPeriodsRequest request = PLEDGED__V1__LIST_PERIODS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    PL_TRY(cli_read(cli, "ListPeriods", &request.base,
                    &pledged__v1__list_periods_response__descriptor, &message));
    const Pledged__V1__ListPeriodsResponse *answer = (const void *)message;
    struct sheet sheet;
    sheet_init(&sheet, "periods", columns, PL_COUNT(columns), &cli->arena);
    for (size_t i = 0; i < answer->n_period; i++) {
        const Pledged__V1__PeriodStatus *row = answer->period[i];
        bool closed = row->reopened_seq == 0;
        sheet_text(&sheet, row->period);
        sheet_pair(&sheet, closed ? "closed" : "reopened",
                   closed ? _("closed") : _("opened again"));
        sheet_seq(&sheet, row->closed_seq);
        sheet_time(&sheet, row->closed_us);
        sheet_seq(&sheet, row->reopened_seq);
        sheet_seq(&sheet, row->head_size);
        sheet_time_us(&sheet, row->closed_us);
    }
    sheet_as_of(&sheet, answer->as_of_seq, 0);
    return cli_show(cli, &sheet);
}
