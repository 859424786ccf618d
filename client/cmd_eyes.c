/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_eyes: four-eyes: what waits for a second person, and that person's word.
 */
#include "client/commands.h"
#include "client/input.h"
#include "client/proposals.h"
#include "client/write.h"

struct pl_status cmd_proposals(struct cli *cli)
{
    Pledged__V1__ListProposalsRequest request = PLEDGED__V1__LIST_PROPOSALS_REQUEST__INIT;
    struct sheet sheet;
    uint64_t as_of = 0;
    request.all = options_has(&cli->options, OPTION_ALL);
    if (cli->arg_count > 0)
        request.pledge = input_id(cli, cli->arg[0], 'P');
    request.page_size = 1000;
    proposals_init(&sheet, &cli->arena);
    for (;;) {
        ProtobufCMessage *message = NULL;
        PL_TRY(cli_read(cli, "ListProposals", &request.base,
                        &pledged__v1__list_proposals_response__descriptor, &message));
        const Pledged__V1__ListProposalsResponse *page = (const void *)message;
        for (size_t i = 0; i < page->n_proposal; i++)
            proposals_add(&sheet, page->proposal[i]);
        as_of = as_of == 0 ? page->as_of_seq : as_of;
        request.page_token = page->next_page_token;
        if (request.page_token[0] == '\0')
            break;
    }
    sheet_as_of(&sheet, as_of, 0);
    return cli_show(cli, &sheet);
}

struct pl_status cmd_approve(struct cli *cli)
{
    struct write write;
    Pledged__V1__Approve approve = PLEDGED__V1__APPROVE__INIT;
    PL_TRY(write_init(cli, &write, "letter"));
    PL_TRY(input_seq(cli, cli->arg[0], &approve.seq));
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_APPROVE;
    write.command.approve = &approve;
    return write_run(cli, &write);
}

struct pl_status cmd_reject(struct cli *cli)
{
    struct write write;
    Pledged__V1__Reject reject = PLEDGED__V1__REJECT__INIT;
    PL_TRY(write_init(cli, &write, "letter"));
    PL_TRY(input_seq(cli, cli->arg[0], &reject.seq));
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_REJECT;
    write.command.reject = &reject;
    return write_run(cli, &write);
}
