/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_life: the life of a pledge, one command a step. Each fills its message and leaves the rest to
 * write.c; the daemon judges.
 */
#include "client/commands.h"
#include "client/input.h"
#include "client/write.h"

struct pl_status cmd_hold(struct cli *cli)
{
    struct write write;
    int which;
    int64_t value = 0;
    PL_TRY(input_until(cli, &which, &value));
    PL_TRY(write_init(cli, &write, "letter"));
    Pledged__V1__Hold hold = PLEDGED__V1__HOLD__INIT;
    hold.tier = input_lend(cli->arg[0]);
    hold.contributor = input_id(cli, options_get(&cli->options, OPTION_CONTRIBUTOR), 'C');
    if (which == 1) {
        hold.until_case = PLEDGED__V1__HOLD__UNTIL_FOR_S;
        hold.for_s = value;
    } else if (which == 2) {
        hold.until_case = PLEDGED__V1__HOLD__UNTIL_UNTIL_US;
        hold.until_us = value;
    }
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_HOLD;
    write.command.hold = &hold;
    return write_run(cli, &write);
}

struct pl_status cmd_extend(struct cli *cli)
{
    struct write write;
    int which;
    int64_t value = 0;
    PL_TRY(input_until(cli, &which, &value));
    if (which == 0)
        return failure_usage(&cli->failure, "%s", _("say until when: give --for or --until"));
    PL_TRY(write_init(cli, &write, "letter"));
    Pledged__V1__Extend extend = PLEDGED__V1__EXTEND__INIT;
    extend.pledge = input_id(cli, cli->arg[0], 'P');
    if (which == 1) {
        extend.until_case = PLEDGED__V1__EXTEND__UNTIL_FOR_S;
        extend.for_s = value;
    } else {
        extend.until_case = PLEDGED__V1__EXTEND__UNTIL_UNTIL_US;
        extend.until_us = value;
    }
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_EXTEND;
    write.command.extend = &extend;
    return write_run(cli, &write);
}

struct pl_status cmd_wait(struct cli *cli)
{
    struct write write;
    PL_TRY(write_init(cli, &write, "letter"));
    Pledged__V1__Wait wait = PLEDGED__V1__WAIT__INIT;
    wait.tier = input_lend(cli->arg[0]);
    wait.contributor = input_id(cli, options_get(&cli->options, OPTION_CONTRIBUTOR), 'C');
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_WAIT;
    write.command.wait = &wait;
    return write_run(cli, &write);
}

static struct pl_status set_offer(struct cli *cli, Pledged__V1__Submit *submit)
{
    const char *tier = options_get(&cli->options, OPTION_TIER);
    bool free_gift = options_has(&cli->options, OPTION_FREE);
    if (tier != NULL && free_gift)
        return failure_usage(&cli->failure, "%s", _("give --tier or --free, not both"));
    if (cli->arg_count == 0 && tier == NULL && !free_gift)
        return failure_usage(&cli->failure, "%s",
                             _("say what is promised: a held pledge, --tier TIER or --free"));
    if (tier != NULL) {
        submit->offer_case = PLEDGED__V1__SUBMIT__OFFER_TIER;
        submit->tier = input_lend(tier);
    } else if (free_gift) {
        submit->offer_case = PLEDGED__V1__SUBMIT__OFFER_FREE;
        submit->free = true;
    }
    return pl_ok();
}

struct pl_status cmd_submit(struct cli *cli)
{
    struct write write;
    int publish = 0;
    Pledged__V1__Submit submit = PLEDGED__V1__SUBMIT__INIT;
    PL_TRY(set_offer(cli, &submit));
    PL_TRY(input_money_options(cli, "submit.amount", &submit.amount));
    PL_TRY(input_code(cli, OPTION_PUBLISH, TEXT_PUBLISH, &publish));
    PL_TRY(input_refs(cli, &submit.external_ref, &submit.n_external_ref));
    PL_TRY(write_init(cli, &write, "letter"));
    if (cli->arg_count > 0)
        submit.pledge = input_id(cli, cli->arg[0], 'P');
    submit.contributor = input_id(cli, options_get(&cli->options, OPTION_CONTRIBUTOR), 'C');
    if (options_has(&cli->options, OPTION_IN_KIND))
        submit.kind = PLEDGED__V1__PLEDGE_KIND__PLEDGE_KIND_IN_KIND;
    submit.campaign = input_lend(options_get(&cli->options, OPTION_CAMPAIGN));
    submit.agreement_ref = input_lend(options_get(&cli->options, OPTION_AGREEMENT_REF));
    submit.publish = (Pledged__V1__Publish)publish;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_SUBMIT;
    write.command.submit = &submit;
    return write_run(cli, &write);
}

struct pl_status cmd_commit(struct cli *cli)
{
    struct write write;
    PL_TRY(write_init(cli, &write, "agreement"));
    Pledged__V1__Commit commit = PLEDGED__V1__COMMIT__INIT;
    commit.pledge = input_id(cli, cli->arg[0], 'P');
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_COMMIT;
    write.command.commit = &commit;
    return write_run(cli, &write);
}

struct pl_status cmd_amend(struct cli *cli)
{
    struct write write;
    Pledged__V1__AmendPledge amend = PLEDGED__V1__AMEND_PLEDGE__INIT;
    PL_TRY(input_money_options(cli, "amend_pledge.amount", &amend.amount));
    PL_TRY(write_init(cli, &write, "agreement"));
    amend.pledge = input_id(cli, cli->arg[0], 'P');
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_AMEND_PLEDGE;
    write.command.amend_pledge = &amend;
    write.left = WRITE_LEFT_BALANCE;
    return write_run(cli, &write);
}

struct pl_status cmd_change_tier(struct cli *cli)
{
    struct write write;
    Pledged__V1__ChangeTier change = PLEDGED__V1__CHANGE_TIER__INIT;
    PL_TRY(input_money_options(cli, "change_tier.amount", &change.amount));
    PL_TRY(write_init(cli, &write, "letter"));
    change.pledge = input_id(cli, cli->arg[0], 'P');
    change.tier = input_lend(cli->arg[1]);
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_CHANGE_TIER;
    write.command.change_tier = &change;
    return write_run(cli, &write);
}

struct pl_status cmd_withdraw(struct cli *cli)
{
    struct write write;
    PL_TRY(write_init(cli, &write, "letter"));
    Pledged__V1__Withdraw withdraw = PLEDGED__V1__WITHDRAW__INIT;
    withdraw.pledge = input_id(cli, cli->arg[0], 'P');
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_WITHDRAW;
    write.command.withdraw = &withdraw;
    return write_run(cli, &write);
}

struct pl_status cmd_cancel(struct cli *cli)
{
    struct write write;
    int plan = 0;
    PL_TRY(input_code(cli, OPTION_MONEY_PLAN, TEXT_MONEY_PLAN, &plan));
    PL_TRY(write_init(cli, &write, "letter"));
    Pledged__V1__Cancel cancel = PLEDGED__V1__CANCEL__INIT;
    cancel.pledge = input_id(cli, cli->arg[0], 'P');
    cancel.money_plan = (Pledged__V1__MoneyPlan)plan;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_CANCEL;
    write.command.cancel = &cancel;
    return write_run(cli, &write);
}
