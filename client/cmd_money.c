/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_money: payments: record, list, undo.
 */
#include <inttypes.h>
#include <stdio.h>

#include "client/commands.h"
#include "client/input.h"
#include "client/payments.h"
#include "client/write.h"
#include "common/check.h"
#include "common/scan.h"

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

/* To the daemon it is a reversal like any other. Who says "unallocate" with the number that `pay`
 * printed means the money's use, and would lose the payment. */
static struct pl_status need_allocation(struct cli *cli, uint64_t seq)
{
    Pledged__V1__GetInclusionProofRequest request = PLEDGED__V1__GET_INCLUSION_PROOF_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    request.seq = seq;
    PL_TRY(cli_read(cli, "GetInclusionProof", &request.base,
                    &pledged__v1__get_inclusion_proof_response__descriptor, &message));
    ProtobufCBinaryData bytes = ((Pledged__V1__GetInclusionProofResponse *)message)->entry;
    PL_TRY(pl_unpack_trusted(&pledged__v1__entry__descriptor, pl_slice(bytes.data, bytes.len),
                             &cli->arena, &message));
    const Pledged__V1__Entry *entry = (const void *)message;
    if (entry->fact_case == PLEDGED__V1__ENTRY__FACT_ALLOCATED)
        return pl_ok();
    return failure_set(&cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                       _("entry %" PRIu64 " is no allocation (it is: %s): 'pledge show PLEDGE' has "
                         "the numbers of allocations; 'pledge reverse' undoes other entries"),
                       seq, text_label(TEXT_FACT, (int)entry->fact_case));
}

struct pl_status cmd_unallocate(struct cli *cli)
{
    uint64_t seq = 0;
    PL_TRY(input_seq(cli, cli->arg[0], &seq));
    PL_TRY(need_allocation(cli, seq));
    return cmd_reverse(cli);
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

struct pl_status cmd_allocate(struct cli *cli)
{
    struct write write;
    Pledged__V1__Allocate allocate = PLEDGED__V1__ALLOCATE__INIT;
    PL_TRY(input_money_options(cli, "allocate.amount", &allocate.amount));
    PL_TRY(input_money_option(cli, OPTION_SETTLED, "allocate.settled", &allocate.settled));
    PL_TRY(write_init(cli, &write, "letter"));
    allocate.bank_entry = input_id(cli, cli->arg[0], 'B');
    allocate.pledge = input_id(cli, cli->arg[1], 'P');
    write.left = WRITE_LEFT_BALANCE;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_ALLOCATE;
    write.command.allocate = &allocate;
    return write_run(cli, &write);
}

struct pl_status cmd_reallocate(struct cli *cli)
{
    struct write write;
    Pledged__V1__Reallocate body = PLEDGED__V1__REALLOCATE__INIT;
    PL_TRY(input_money_options(cli, "reallocate.amount", &body.amount));
    PL_TRY(input_money_option(cli, OPTION_SETTLED, "reallocate.settled", &body.settled));
    PL_TRY(write_init(cli, &write, "letter"));
    PL_TRY(input_seq(cli, cli->arg[0], &body.seq));
    body.pledge = input_id(cli, cli->arg[1], 'P');
    write.left = WRITE_LEFT_BALANCE;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_REALLOCATE;
    write.command.reallocate = &body;
    return write_run(cli, &write);
}

struct pl_status cmd_convert(struct cli *cli)
{
    struct write write;
    Pledged__V1__Convert body = PLEDGED__V1__CONVERT__INIT;
    PL_TRY(input_money_options(cli, "convert.amount", &body.amount));
    PL_TRY(write_init(cli, &write, "letter"));
    body.bank_entry = input_id(cli, cli->arg[0], 'B');
    write.left = WRITE_LEFT_BALANCE;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_CONVERT;
    write.command.convert = &body;
    return write_run(cli, &write);
}

/* Ordered or proposed: as long as nothing was paid it can still be said whose money goes back. */
static void tell_nobodys(const struct cli *cli, const Pledged__V1__Receipt *receipt)
{
    const Pledged__V1__Outcome *outcome = receipt->outcome;
    if (outcome == NULL || outcome->pledge[0] != '\0' || cli->config.quiet ||
        cli->config.format == OUTPUT_JSON ||
        receipt->kind == PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_DRY_RUN)
        return;
    (void)fputs(_("Note: this money is meant for no pledge, so the refund stands in nobody's "
                  "statement. If it is known whose it was, take the order back and give it again "
                  "with --contributor: "),
                stderr);
    if (outcome->proposal_seq != 0)
        (void)fprintf(stderr, "pledge reject %" PRIu64 "\n", outcome->proposal_seq);
    else
        (void)fprintf(stderr, "pledge refund-cancel %s\n", outcome->refund);
}

struct pl_status cmd_refund(struct cli *cli)
{
    struct write write;
    Pledged__V1__Refund body = PLEDGED__V1__REFUND__INIT;
    PL_TRY(input_money_options(cli, "refund.amount", &body.amount));
    PL_TRY(write_init(cli, &write, "letter"));
    body.bank_entry = input_id(cli, cli->arg[0], 'B');
    body.other_payee = options_has(&cli->options, OPTION_OTHER_PAYEE);
    body.contributor = input_id(cli, options_get(&cli->options, OPTION_CONTRIBUTOR), 'C');
    write.subject = WRITE_REFUND;
    write.left = WRITE_LEFT_BALANCE;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_REFUND;
    write.command.refund = &body;
    Pledged__V1__Receipt *receipt = NULL;
    PL_TRY(write_send(cli, &write, &receipt));
    PL_ASSERT(receipt != NULL);
    PL_TRY(write_show(cli, &write, receipt));
    if (body.contributor[0] == '\0')
        tell_nobodys(cli, receipt);
    return pl_ok();
}

struct pl_status cmd_refund_paid(struct cli *cli)
{
    struct write write;
    Pledged__V1__Pay pay = PLEDGED__V1__PAY__INIT;
    PL_TRY(write_init(cli, &write, "statement"));
    PL_TRY(input_money(cli, cli->arg[1], cli->arg[2], "pay.amount", &pay.amount));
    pay.refund = input_id(cli, cli->arg[0], 'R');
    pay.value_date = input_lend(options_get(&cli->options, OPTION_VALUE_DATE));
    pay.bank_ref = input_lend(options_get(&cli->options, OPTION_BANK_REF));
    write.subject = WRITE_REFUND;
    write.left = WRITE_LEFT_BALANCE;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_PAY;
    write.command.pay = &pay;
    return write_run(cli, &write);
}

struct pl_status cmd_refund_cancel(struct cli *cli)
{
    struct write write;
    Pledged__V1__CancelRefund body = PLEDGED__V1__CANCEL_REFUND__INIT;
    PL_TRY(write_init(cli, &write, "letter"));
    body.refund = input_id(cli, cli->arg[0], 'R');
    write.subject = WRITE_REFUND;
    write.left = WRITE_LEFT_BALANCE;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_CANCEL_REFUND;
    write.command.cancel_refund = &body;
    return write_run(cli, &write);
}

struct pl_status cmd_write_off(struct cli *cli)
{
    struct write write;
    Pledged__V1__WriteOff body = PLEDGED__V1__WRITE_OFF__INIT;
    PL_TRY(input_money_options(cli, "write_off.amount", &body.amount));
    PL_TRY(write_init(cli, &write, "letter"));
    body.pledge = input_id(cli, cli->arg[0], 'P');
    write.left = WRITE_LEFT_BALANCE;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_WRITE_OFF;
    write.command.write_off = &body;
    return write_run(cli, &write);
}

struct pl_status cmd_accept_difference(struct cli *cli)
{
    struct write write;
    int kind = 0;
    Pledged__V1__AcceptDifference body = PLEDGED__V1__ACCEPT_DIFFERENCE__INIT;
    PL_TRY(input_code(cli, OPTION_KIND, TEXT_DIFFERENCE, &kind));
    PL_TRY(input_money_options(cli, "accept_difference.amount", &body.amount));
    PL_TRY(write_init(cli, &write, "statement"));
    body.bank_entry = input_id(cli, cli->arg[0], 'B');
    body.pledge = input_id(cli, cli->arg[1], 'P');
    body.kind = (Pledged__V1__DifferenceKind)kind;
    write.left = WRITE_LEFT_BALANCE;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_ACCEPT_DIFFERENCE;
    write.command.accept_difference = &body;
    return write_run(cli, &write);
}

struct pl_status cmd_close(struct cli *cli)
{
    struct write write;
    Pledged__V1__Close body = PLEDGED__V1__CLOSE__INIT;
    PL_TRY(write_init(cli, &write, "letter"));
    body.pledge = input_id(cli, cli->arg[0], 'P');
    body.waive_benefits = options_has(&cli->options, OPTION_WAIVE);
    write.left = WRITE_LEFT_BALANCE;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_CLOSE;
    write.command.close = &body;
    return write_run(cli, &write);
}

/* The pledge may be a word or an option, as in the filters of `pledge list`. */
static struct pl_status read_pledge(struct cli *cli, char **ret)
{
    const char *option = options_get(&cli->options, OPTION_PLEDGE);
    if (option != NULL && cli->arg_count > 0)
        return failure_usage(&cli->failure, "%s", _("give PLEDGE or --pledge, not both"));
    const char *pledge = cli->arg_count > 0 ? cli->arg[0] : option;
    if (pledge != NULL)
        *ret = input_id(cli, pledge, 'P');
    return pl_ok();
}

struct pl_status cmd_payments(struct cli *cli)
{
    Pledged__V1__ListPaymentsRequest request = PLEDGED__V1__LIST_PAYMENTS_REQUEST__INIT;
    struct sheet sheet;
    uint64_t as_of = 0;
    PL_TRY(read_pledge(cli, &request.pledge));
    request.unallocated_only = options_has(&cli->options, OPTION_UNALLOCATED);
    request.currency = input_lend(options_get(&cli->options, OPTION_CURRENCY));
    request.page_size = 1000;
    payments_init(&sheet, &cli->arena);
    for (;;) {
        ProtobufCMessage *message = NULL;
        PL_TRY(cli_read(cli, "ListPayments", &request.base,
                        &pledged__v1__list_payments_response__descriptor, &message));
        const Pledged__V1__ListPaymentsResponse *page = (const void *)message;
        for (size_t i = 0; i < page->n_payment; i++)
            payments_add(&sheet, page->payment[i]);
        as_of = as_of == 0 ? page->as_of_seq : as_of;
        request.page_token = page->next_page_token;
        if (request.page_token[0] == '\0')
            break;
    }
    sheet_as_of(&sheet, as_of, 0);
    return cli_show(cli, &sheet);
}
