/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_contributors: organisations: recorded, amended, listed page by page.
 */
#include "client/commands.h"
#include "client/input.h"
#include "client/write.h"
#include "common/check.h"

static const struct column contributor_columns[] = {
    {"contributor", N_("Id"), IN_ALL, false},     {"name", N_("Name"), IN_ALL, false},
    {"kind", N_("Kind"), IN_ALL, false},          {"country", N_("Country"), IN_ALL, false},
    {"itu_membership", N_("ITU"), IN_ALL, false}, {"live_pledges", N_("Pledges"), IN_ALL, true},
    {"seq", N_("Entry"), IN_ALL, true},
};

static void add_contributor(struct sheet *sheet, const Pledged__V1__ContributorStatus *one)
{
    sheet_text(sheet, one->contributor);
    sheet_text(sheet, one->name);
    sheet_code(sheet, TEXT_KIND, (int)one->kind);
    sheet_text(sheet, one->country);
    if (one->itu_membership[0] == '\0')
        sheet_text(sheet, NULL);
    else
        sheet_pair(sheet, one->itu_membership,
                   text_label_of_code(TEXT_MEMBERSHIP, one->itu_membership));
    sheet_number(sheet, one->live_pledges);
    sheet_seq(sheet, one->seq);
}

enum { PAGE_ROWS = 1000 };

struct pl_status cmd_contributors(struct cli *cli)
{
    int kind = 0;
    PL_TRY(input_code(cli, OPTION_KIND, TEXT_KIND, &kind));
    Pledged__V1__ListContributorsRequest request = PLEDGED__V1__LIST_CONTRIBUTORS_REQUEST__INIT;
    request.kind = (Pledged__V1__ContributorKind)kind;
    const char *part = options_get(&cli->options, OPTION_NAME_CONTAINS);
    const char *name = options_get(&cli->options, OPTION_NAME); /* the same, and what people try */
    if (part != NULL && name != NULL)
        return failure_usage(&cli->failure, "%s", _("give --name or --name-contains, not both"));
    request.name_contains = input_lend(part != NULL ? part : name);
    request.page_size = PAGE_ROWS;
    struct sheet sheet;
    sheet_init(&sheet, "contributors", contributor_columns, PL_COUNT(contributor_columns),
               &cli->arena);
    const Pledged__V1__ListContributorsResponse *page = NULL;
    do {
        ProtobufCMessage *message = NULL;
        PL_TRY(cli_read(cli, "ListContributors", &request.base,
                        &pledged__v1__list_contributors_response__descriptor, &message));
        page = (const void *)message;
        for (size_t i = 0; i < page->n_contributor; i++)
            add_contributor(&sheet, page->contributor[i]);
        request.page_token = page->next_page_token;
    } while (page->next_page_token[0] != '\0');
    sheet_as_of(&sheet, page->as_of_seq, 0);
    return cli_show(cli, &sheet);
}

/* What `add` and `amend` have in common; the two messages have the same fields. */
struct record {
    int kind;
    Pledged__V1__ExternalRef **refs;
    size_t ref_count;
    const char *membership;
};

static struct pl_status read_record(struct cli *cli, struct record *ret)
{
    int membership = 0;
    *ret = (struct record){0};
    PL_TRY(input_code(cli, OPTION_KIND, TEXT_KIND, &ret->kind));
    PL_TRY(input_code(cli, OPTION_ITU_MEMBERSHIP, TEXT_MEMBERSHIP, &membership));
    ret->membership = options_get(&cli->options, OPTION_ITU_MEMBERSHIP);
    return input_refs(cli, &ret->refs, &ret->ref_count);
}

struct pl_status cmd_contributor_add(struct cli *cli)
{
    struct write write;
    struct record record;
    PL_TRY(read_record(cli, &record));
    PL_TRY(write_init(cli, &write, "letter"));
    Pledged__V1__AddContributor add = PLEDGED__V1__ADD_CONTRIBUTOR__INIT;
    add.name = input_lend(options_get(&cli->options, OPTION_NAME));
    add.kind = (Pledged__V1__ContributorKind)record.kind;
    add.country = input_lend(options_get(&cli->options, OPTION_COUNTRY));
    add.itu_membership = input_lend(record.membership);
    add.external_ref = record.refs;
    add.n_external_ref = record.ref_count;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_ADD_CONTRIBUTOR;
    write.command.add_contributor = &add;
    write.subject = WRITE_CONTRIBUTOR;
    return write_run(cli, &write);
}

struct pl_status cmd_contributor_amend(struct cli *cli)
{
    struct write write;
    struct record record;
    PL_TRY(read_record(cli, &record));
    PL_TRY(write_init(cli, &write, "letter"));
    Pledged__V1__AmendContributor amend = PLEDGED__V1__AMEND_CONTRIBUTOR__INIT;
    amend.contributor = input_id(cli, cli->arg[0], 'C');
    amend.name = input_lend(options_get(&cli->options, OPTION_NAME));
    amend.kind = (Pledged__V1__ContributorKind)record.kind;
    amend.country = input_lend(options_get(&cli->options, OPTION_COUNTRY));
    amend.itu_membership = input_lend(record.membership);
    amend.external_ref = record.refs;
    amend.n_external_ref = record.ref_count;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_AMEND_CONTRIBUTOR;
    write.command.amend_contributor = &amend;
    write.subject = WRITE_CONTRIBUTOR;
    return write_run(cli, &write);
}
