/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_report: gathers the answers for the report and writes it. What a role may not ask is left out
 * and said so; a fund without catalogue has a report without tiers.
 */
#include <string.h>

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
        return text_no_memory();
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

/* --- the rates that values follow from --- */

/* The rates of pledges and payments, each once, ascending by seq. */
struct rates {
    struct report_rate *rate;
    size_t count, cap;
    uint64_t as_of; /* 0: nothing read yet; UINT64_MAX: answers of different moments */
};

/* The place of a rate, made if it is new. NULL: no memory. */
static struct report_rate *place_of(struct cli *cli, struct rates *rates, uint64_t seq)
{
    size_t low = 0, high = rates->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (rates->rate[middle].seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < rates->count && rates->rate[low].seq == seq)
        return &rates->rate[low];
    if (rates->count == rates->cap) {
        size_t cap = rates->cap == 0 ? 64 : rates->cap * 2;
        struct report_rate *larger = pl_arena_alloc(&cli->arena, cap * sizeof(*larger));
        if (larger == NULL)
            return NULL;
        if (rates->count > 0)
            memcpy(larger, rates->rate, rates->count * sizeof(*larger));
        rates->rate = larger;
        rates->cap = cap;
    }
    memmove(&rates->rate[low + 1], &rates->rate[low],
            (rates->count++ - low) * sizeof(*rates->rate));
    rates->rate[low] = (struct report_rate){.seq = seq};
    return &rates->rate[low];
}

static struct pl_status count_rate(struct cli *cli, struct rates *rates, const char *currency,
                                   const Pledged__V1__Valuation *valuation, bool pledge)
{
    if (valuation == NULL)
        return pl_ok();
    struct report_rate *rate = place_of(cli, rates, valuation->rate_seq);
    if (rate == NULL)
        return text_no_memory();
    rate->currency = currency;
    rate->date = valuation->rate_date;
    rate->source = valuation->source;
    rate->mantissa = valuation->mantissa;
    rate->scale = valuation->scale;
    rate->pledges += pledge;
    rate->payments += !pledge;
    return pl_ok();
}

static void note_moment(struct rates *rates, uint64_t as_of)
{
    rates->as_of = rates->as_of == 0 || rates->as_of == as_of ? as_of : UINT64_MAX;
}

/* Only promises that the totals count. */
static struct pl_status rates_of_pledges(struct cli *cli, struct rates *rates, char *currency)
{
    static Pledged__V1__Stage stages[] = {PLEDGED__V1__STAGE__STAGE_PLEDGED,
                                          PLEDGED__V1__STAGE__STAGE_COMMITTED,
                                          PLEDGED__V1__STAGE__STAGE_CLOSED};
    Pledged__V1__ListPledgesRequest request = PLEDGED__V1__LIST_PLEDGES_REQUEST__INIT;
    request.currency = currency;
    request.stage = stages;
    request.n_stage = PL_COUNT(stages);
    request.page_size = PAGE_SIZE;
    for (int page = 0; page < PAGES_MAX; page++) {
        ProtobufCMessage *message = NULL;
        PL_TRY(cli_read(cli, "ListPledges", &request.base,
                        &pledged__v1__list_pledges_response__descriptor, &message));
        const Pledged__V1__ListPledgesResponse *answer = (const void *)message;
        note_moment(rates, answer->as_of_seq);
        for (size_t i = 0; i < answer->n_pledge; i++)
            PL_TRY(count_rate(cli, rates, currency, answer->pledge[i]->valuation, true));
        if (answer->next_page_token[0] == '\0')
            return pl_ok();
        request.page_token = answer->next_page_token;
    }
    return pl_fail(TOO_BIG, "there are more pledges than the report takes");
}

/* Only money that came in and stayed. */
static struct pl_status rates_of_payments(struct cli *cli, struct rates *rates, char *currency)
{
    Pledged__V1__ListPaymentsRequest request = PLEDGED__V1__LIST_PAYMENTS_REQUEST__INIT;
    request.currency = currency;
    request.page_size = PAGE_SIZE;
    for (int page = 0; page < PAGES_MAX; page++) {
        ProtobufCMessage *message = NULL;
        PL_TRY(cli_read(cli, "ListPayments", &request.base,
                        &pledged__v1__list_payments_response__descriptor, &message));
        const Pledged__V1__ListPaymentsResponse *answer = (const void *)message;
        note_moment(rates, answer->as_of_seq);
        for (size_t i = 0; i < answer->n_payment; i++) {
            const Pledged__V1__PaymentStatus *payment = answer->payment[i];
            if (!payment->reversed && !payment->debit)
                PL_TRY(count_rate(cli, rates, currency, payment->valuation, false));
        }
        if (answer->next_page_token[0] == '\0')
            return pl_ok();
        request.page_token = answer->next_page_token;
    }
    return pl_fail(TOO_BIG, "there are more payments than the report takes");
}

/* Of every currency but the franc. Who may not see payments sees no rates either. */
static struct pl_status ask_rates(struct cli *cli, struct report_input *input, struct rates *rates)
{
    *rates = (struct rates){.count = 0};
    if (!input->unmatched_known)
        return pl_ok();
    for (size_t i = 0; i < input->totals->n_line; i++) {
        char *currency = input->totals->line[i]->currency;
        if (strcmp(currency, "CHF") == 0)
            continue;
        PL_TRY(rates_of_pledges(cli, rates, currency));
        PL_TRY(rates_of_payments(cli, rates, currency));
    }
    input->rate = rates->rate;
    input->rate_count = rates->count;
    input->rates_known = true;
    return pl_ok();
}

/* --- all of it --- */

static struct pl_status gather(struct cli *cli, struct report_input *input, struct rates *rates)
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
    PL_TRY(ask_unmatched(cli, input));
    return ask_rates(cli, input, rates);
}

/* Nothing was written between the first answer and the last. */
static bool one_moment(const struct report_input *input, const struct rates *rates)
{
    uint64_t seq = input->totals->as_of_seq;
    return input->by_category->as_of_seq == seq && input->by_month->as_of_seq == seq &&
           (input->tiers == NULL || input->tiers->as_of_seq == seq) &&
           (!input->unmatched_known || input->unmatched_seq == seq) &&
           (rates->as_of == 0 || rates->as_of == seq);
}

struct pl_status cmd_report(struct cli *cli)
{
    struct report_input input;
    struct rates rates;
    for (int attempt = 0;; attempt++) {
        PL_TRY(gather(cli, &input, &rates));
        if (one_moment(&input, &rates))
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
    return path == NULL ? cli_print(cli, &page) : cli_write_file(cli, path, pl_buf_slice(&page));
}
