/* SPDX-License-Identifier: Apache-2.0
 *
 * postings: an export of a month is a fact with the hash of the file: months go in order, each
 * once, and only when they are closed, as they were closed: what comes later is of the next one.
 * The file itself is made by whoever exports (client/postings) and can be made again, byte by byte,
 * up to the entry that the fact names.
 */
#include "server/ledger/postings.h"

#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "server/ledger/period.h"

int postings_month(const char *period)
{
    char day[11];
    int32_t days;
    if (strlen(period) != 7)
        return -1;
    memcpy(day, period, 7);
    memcpy(day + 7, "-01", 4);
    return pl_is_ok(pl_date_parse(day, &days)) ? pl_date_month(days) : -1;
}

static bool is_closed(const struct ledger *ledger, int month)
{
    return ledger->closed_through >= 0 && month <= ledger->closed_through;
}

/* Accounts are settled before they are handed over; and all of what the closing settled is in it.
 */
static bool settled(struct maker *maker, const Pledged__V1__ExportPostings *command, int month)
{
    uint64_t closing = period_closing_seq(maker->ledger);
    bool closed = is_closed(maker->ledger, month);
    if (closed && command->to_seq >= closing)
        return true;
    maker_refuse(maker, REASON(PERIOD_OPEN),
                 closed ? "export_postings.to_seq" : "export_postings.period", closing, NULL);
    maker_arg(maker, "period", command->period);
    if (closed)
        maker_say(maker, "use", "it was closed after this export was made: make it again");
    else
        maker_say(maker, "use", "close the month first; a preliminary file is not recorded");
    return false;
}

void postings_decide(struct maker *maker)
{
    const Pledged__V1__ExportPostings *command = maker->command->export_postings;
    const struct ledger *ledger = maker->ledger;
    int month = postings_month(command->period);
    if (ledger->exported_seq != 0 && month <= ledger->exported_month) {
        maker_refuse(maker, REASON(EXPORTED_ALREADY), "export_postings.period",
                     ledger->exported_seq, NULL);
        maker_arg(maker, "period", command->period);
        return;
    }
    if (month >= pl_date_month(state_today(ledger, maker_time(maker)))) {
        maker_refuse(maker, REASON(FIELD_INVALID), "export_postings.period", 0, NULL);
        maker_say(maker, "why", "the month is not over");
        return;
    }
    if (command->to_seq > ledger->size || command->to_seq < ledger->exported_to) {
        maker_refuse(maker, REASON(ENTRY_UNKNOWN), "export_postings.to_seq", ledger->exported_seq,
                     NULL);
        return;
    }
    if (!settled(maker, command, month))
        return;
    Pledged__V1__Entry *entry = maker_entry(maker, 0);
    Pledged__V1__PostingsExported *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__postings_exported__init(fact);
    fact->period = command->period;
    fact->to_seq = command->to_seq;
    fact->sha256 = command->sha256;
    fact->count = command->count;
    fact->control = command->control;
    fact->n_control = command->n_control;
    entry->fact_case = FACT(POSTINGS_EXPORTED);
    entry->postings_exported = fact;
}

struct pl_status postings_check(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__PostingsExported *fact = entry->postings_exported;
    int month = postings_month(fact->period);
    NEED(month >= 0 && fact->sha256.len == 32, "an export without month or hash");
    NEED(ledger->exported_seq == 0 || month > ledger->exported_month, "a month is exported twice");
    NEED(fact->to_seq < entry->seq && fact->to_seq >= ledger->exported_to,
         "an export of entries that are not there");
    NEED(!state_rules(ledger, 4) ||
             (is_closed(ledger, month) && fact->to_seq >= period_closing_seq(ledger)),
         "an export of a month that is not closed");
    return pl_ok();
}

void postings_apply(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__PostingsExported *fact = entry->postings_exported;
    ledger->exported_month = postings_month(fact->period);
    ledger->exported_to = fact->to_seq;
    ledger->exported_seq = entry->seq;
}
