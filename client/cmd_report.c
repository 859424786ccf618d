/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_report: gathers the answers for the report and writes it. What a role may not ask is left out
 * and said so; a fund without catalogue has a report without tiers.
 */
#include "client/commands.h"
#include "client/report.h"
#include "common/check.h"

enum { REPORT_BYTES_MAX = 64 << 20, PAGES_MAX = 1000, PAGE_SIZE = 1000, ATTEMPTS_MAX = 20 };

static struct pl_status ask_totals(struct cli *cli, Pledged__V1__TotalsBy by,
                                   const Pledged__V1__GetTotalsResponse **ret)
{
    Pledged__V1__GetTotalsRequest request = PLEDGED__V1__GET_TOTALS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    request.by = by;
    PL_TRY(cli_read(cli, "GetTotals", &request.base, &pledged__v1__get_totals_response__descriptor,
                    &message));
    *ret = (const void *)message;
    return pl_ok();
}

/* Fine without an answer where the fund has none to give. */
static struct pl_status unless(struct cli *cli, struct pl_status status, enum pl_code code)
{
    if (pl_is_ok(status) || status.code != code)
        return status;
    cli->failure = (struct failure){.code = PL_E_OK};
    return pl_ok();
}

static struct pl_status ask_offers(struct cli *cli, struct report_input *input)
{
    Pledged__V1__GetCatalogueRequest catalogue = PLEDGED__V1__GET_CATALOGUE_REQUEST__INIT;
    Pledged__V1__ListTiersRequest tiers = PLEDGED__V1__LIST_TIERS_REQUEST__INIT;
    Pledged__V1__ListBenefitsRequest benefits = PLEDGED__V1__LIST_BENEFITS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    PL_TRY(unless(cli,
                  cli_read(cli, "GetCatalogue", &catalogue.base,
                           &pledged__v1__get_catalogue_response__descriptor, &message),
                  PL_E_NOT_FOUND));
    input->catalogue = (const void *)message;
    if (message == NULL)
        return pl_ok();
    PL_TRY(cli_read(cli, "ListTiers", &tiers.base, &pledged__v1__list_tiers_response__descriptor,
                    &message));
    input->tiers = (const void *)message;
    benefits.of_case = PLEDGED__V1__LIST_BENEFITS_REQUEST__OF_TOTALS;
    benefits.totals = true;
    PL_TRY(cli_read(cli, "ListBenefits", &benefits.base,
                    &pledged__v1__list_benefits_response__descriptor, &message));
    input->benefits = (const void *)message;
    return pl_ok();
}

static struct pl_status keep_payments(struct cli *cli, struct report_input *input,
                                      const Pledged__V1__ListPaymentsResponse *answer)
{
    size_t count = input->unmatched_count + answer->n_payment;
    Pledged__V1__PaymentStatus **all = pl_arena_alloc(&cli->arena, (count + 1) * sizeof(*all));
    if (all == NULL)
        return pl_fail(TOO_BIG, "the report does not fit into memory");
    for (size_t i = 0; i < input->unmatched_count; i++)
        all[i] = input->unmatched[i];
    for (size_t i = 0; i < answer->n_payment; i++)
        all[input->unmatched_count + i] = answer->payment[i];
    input->unmatched = all;
    input->unmatched_count = count;
    return pl_ok();
}

static struct pl_status ask_unmatched(struct cli *cli, struct report_input *input)
{
    Pledged__V1__ListPaymentsRequest request = PLEDGED__V1__LIST_PAYMENTS_REQUEST__INIT;
    request.unallocated_only = true;
    request.page_size = PAGE_SIZE;
    for (int page = 0; page < PAGES_MAX; page++) {
        ProtobufCMessage *message = NULL;
        PL_TRY(unless(cli,
                      cli_read(cli, "ListPayments", &request.base,
                               &pledged__v1__list_payments_response__descriptor, &message),
                      PL_E_DENIED));
        if (message == NULL)
            return pl_ok();
        const Pledged__V1__ListPaymentsResponse *answer = (const void *)message;
        input->unmatched_known = true;
        input->unmatched_seq = answer->as_of_seq;
        PL_TRY(keep_payments(cli, input, answer));
        if (answer->next_page_token[0] == '\0')
            return pl_ok();
        request.page_token = answer->next_page_token;
    }
    return pl_fail(TOO_BIG, "there are more payments than the report takes");
}

static struct pl_status gather(struct cli *cli, struct report_input *input)
{
    Pledged__V1__GetStatusRequest status = PLEDGED__V1__GET_STATUS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    *input = (struct report_input){.catalogue = NULL};
    PL_TRY(cli_read(cli, "GetStatus", &status.base, &pledged__v1__get_status_response__descriptor,
                    &message));
    input->status = (const void *)message;
    PL_TRY(ask_totals(cli, PLEDGED__V1__TOTALS_BY__TOTALS_BY_UNSPECIFIED, &input->totals));
    PL_TRY(ask_totals(cli, PLEDGED__V1__TOTALS_BY__TOTALS_BY_CATEGORY, &input->by_category));
    PL_TRY(ask_totals(cli, PLEDGED__V1__TOTALS_BY__TOTALS_BY_MONTH, &input->by_month));
    PL_TRY(ask_offers(cli, input));
    return ask_unmatched(cli, input);
}

/* Nothing was written between the first answer and the last. */
static bool one_moment(const struct report_input *input)
{
    uint64_t seq = input->totals->as_of_seq;
    return input->by_category->as_of_seq == seq && input->by_month->as_of_seq == seq &&
           (input->tiers == NULL || input->tiers->as_of_seq == seq) &&
           (!input->unmatched_known || input->unmatched_seq == seq);
}

struct pl_status cmd_report(struct cli *cli)
{
    struct report_input input;
    for (int attempt = 0;; attempt++) {
        PL_TRY(gather(cli, &input));
        if (one_moment(&input))
            break;
        if (attempt == ATTEMPTS_MAX)
            return failure_set(
                &cli->failure, PL_E_BUSY, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "", "%s",
                _("the ledger changes too fast for a report of one moment; try again"));
    }
    struct pl_buf page PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&page, REPORT_BYTES_MAX);
    PL_TRY(report_print(&input, &cli->arena, &page));
    const char *path = options_get(&cli->options, OPTION_OUTPUT);
    return path == NULL ? cli_print(cli, &page) : output_file(path, pl_buf_slice(&page));
}
