/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_money: payments: record, list, undo.
 */
#include "client/commands.h"
#include "client/input.h"
#include "client/write.h"
#include "common/check.h"

struct pl_status cmd_pay(struct cli *cli)
{
    struct write write;
    Pledged__V1__Pay pay = PLEDGED__V1__PAY__INIT;
    PL_TRY(write_init(cli, &write, "statement"));
    PL_TRY(input_money(cli, cli->arg[1], cli->arg[2], "pay.amount", &pay.amount));
    pay.pledge = input_id(cli, cli->arg[0], 'P');
    pay.value_date = input_lend(options_get(&cli->options, OPTION_VALUE_DATE));
    pay.bank_ref = input_lend(options_get(&cli->options, OPTION_BANK_REF));
    write.subject = WRITE_BANK_ENTRY;
    write.left = WRITE_LEFT_BALANCE;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_PAY;
    write.command.pay = &pay;
    return write_run(cli, &write);
}

struct pl_status cmd_reverse(struct cli *cli)
{
    struct write write;
    Pledged__V1__Reverse reverse = PLEDGED__V1__REVERSE__INIT;
    PL_TRY(write_init(cli, &write, "letter"));
    PL_TRY(input_seq(cli, cli->arg[0], &reverse.seq));
    write.subject = WRITE_BANK_ENTRY;
    write.left = WRITE_LEFT_BALANCE;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_REVERSE;
    write.command.reverse = &reverse;
    return write_run(cli, &write);
}

static const struct column columns[] = {
    {"bank_entry", N_("Bank entry"), IN_ALL, false},
    {"pledge", N_("Pledge"), IN_ALL, false},
    {"amount", N_("Amount"), IN_ALL, true},
    {"currency", NULL, IN_PROGRAMS, false},
    {"allocated", N_("Allocated"), IN_ALL, true},
    {"value_date", N_("Value date"), IN_ALL, false},
    {"bank_ref", N_("Bank reference"), IN_ALL, false},
    {"confirmed", N_("Confirmed"), IN_ALL, false},
    {"reversed", N_("Reversed"), IN_ALL, false},
    {"seq", N_("Entry"), IN_ALL, true},
};

static void add_row(struct sheet *sheet, const Pledged__V1__PaymentStatus *payment)
{
    sheet_text(sheet, payment->bank_entry);
    sheet_text(sheet, payment->pledge);
    sheet_amount(sheet, payment->amount);
    sheet_text(sheet, payment->amount == NULL ? NULL : payment->amount->currency);
    sheet_amount(sheet, payment->allocated);
    sheet_text(sheet, payment->value_date);
    sheet_text(sheet, payment->bank_ref);
    sheet_bool(sheet, payment->confirmed);
    sheet_bool(sheet, payment->reversed);
    sheet_seq(sheet, payment->seq);
}

struct pl_status cmd_payments(struct cli *cli)
{
    Pledged__V1__ListPaymentsRequest request = PLEDGED__V1__LIST_PAYMENTS_REQUEST__INIT;
    struct sheet sheet;
    uint64_t as_of = 0;
    if (options_has(&cli->options, OPTION_PLEDGE))
        request.pledge = input_id(cli, options_get(&cli->options, OPTION_PLEDGE), 'P');
    request.unallocated_only = options_has(&cli->options, OPTION_UNALLOCATED);
    request.currency = input_lend(options_get(&cli->options, OPTION_CURRENCY));
    request.page_size = 1000;
    sheet_init(&sheet, "payments", columns, PL_COUNT(columns), &cli->arena);
    for (;;) {
        ProtobufCMessage *message = NULL;
        PL_TRY(cli_read(cli, "ListPayments", &request.base,
                        &pledged__v1__list_payments_response__descriptor, &message));
        const Pledged__V1__ListPaymentsResponse *page = (const void *)message;
        for (size_t i = 0; i < page->n_payment; i++)
            add_row(&sheet, page->payment[i]);
        as_of = as_of == 0 ? page->as_of_seq : as_of;
        request.page_token = page->next_page_token;
        if (request.page_token[0] == '\0')
            break;
    }
    sheet_as_of(&sheet, as_of, 0);
    return cli_show(cli, &sheet);
}
