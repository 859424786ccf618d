/* SPDX-License-Identifier: Apache-2.0
 *
 * reversal: see reversal.h. Happy path: the debit and the credit are the same sum, and nothing else
 * hangs on the credit. Failure: what is not, or is explained otherwise already, is refused with the
 * entry that says so.
 */
#include "server/ledger/reversal.h"

#include "common/check.h"
#include "server/ledger/allocation.h"
#include "server/ledger/closing.h"
#include "server/ledger/deed.h"
#include "server/ledger/pledge.h"
#include "server/ledger/returned.h"

#define KIND(name_) PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_##name_

/* A debit that the bank called reversal or return, still in the queue. */
static bool takes_back(const struct ledger *ledger, const struct state_bank_entry *entry)
{
    if (entry->movement == STATE_NONE || !entry->debit || entry->reversed || entry->allocated != 0)
        return false;
    uint8_t kind = ledger->movement[entry->movement].kind;
    return kind == KIND(REVERSAL) || kind == KIND(RETURN);
}

static void refuse_match(struct maker *maker, const char *field,
                         const struct state_bank_entry *entry, const char *id)
{
    uint64_t deciding = entry->reversed_by != 0 ? entry->reversed_by : entry->seq;
    maker_refuse(maker, REASON(STATEMENT_CONFLICT), field, deciding, NULL);
    maker_arg(maker, "bank_entry", id);
}

void reversal_decide(struct maker *maker)
{
    const Pledged__V1__MatchReversal *command = maker->command->match_reversal;
    const struct ledger *ledger = maker->ledger;
    const struct state_bank_entry *back =
        allocation_find(maker, command->bank_entry, "match_reversal.bank_entry");
    if (back == NULL)
        return;
    const struct state_bank_entry *from =
        allocation_find(maker, command->original, "match_reversal.original");
    if (from == NULL)
        return;
    if (!back->debit && from->debit) {
        returned_decide_debit(maker, back, from);
        return;
    }
    if (!takes_back(ledger, back)) {
        refuse_match(maker, "match_reversal.bank_entry", back, command->bank_entry);
        return;
    }
    if (from->debit || from->reversed || from->refunded != 0 || from->explained != 0 ||
        from->amount != back->amount || from->currency != back->currency ||
        allocation_pays_others(ledger, from)) {
        refuse_match(maker, "match_reversal.original", from, command->original);
        return;
    }
    const struct state_pledge *pledge =
        from->pledge != STATE_NONE ? &ledger->pledge[from->pledge] : NULL;
    Pledged__V1__Stage stage = pledge != NULL ? (Pledged__V1__Stage)pledge->stage : 0;
    if (stage == STAGE(CLOSED) && from->allocated != 0) { /* it is paid no more */
        const struct state_deed *closing = closing_of(ledger, pledge);
        PL_ASSERT(closing != NULL); /* what is closed was closed by an entry that stands */
        deed_reopen(maker, closing);
        stage = STAGE(COMMITTED);
    }
    Pledged__V1__Entry *entry =
        maker_entry(maker, pledge != NULL ? maker_prev(maker, from->pledge) : 0);
    Pledged__V1__BankReversal *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__bank_reversal__init(fact);
    fact->bank_entry = command->bank_entry;
    fact->original = command->original;
    fact->amount = maker_money(maker, from->amount, from->currency);
    entry->fact_case = FACT(BANK_REVERSAL);
    entry->bank_reversal = fact;
    if (pledge != NULL) {
        fact->pledge = maker_id(maker, 'P', from->pledge + 1);
        pledge_receipt(maker, fact->pledge, maker_id(maker, 'C', pledge->contributor + 1), stage,
                       pledge->amount, state_settled(pledge) - from->allocated,
                       tally_counts(pledge) ? pledge->currency : -1);
    }
    maker_outcome(maker)->bank_entry = fact->bank_entry;
}
