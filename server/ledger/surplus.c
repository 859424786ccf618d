/* SPDX-License-Identifier: Apache-2.0
 *
 * surplus: see surplus.h. Happy path: the allocation is undone, its rest and the part that moves
 * are allocated again. Failure: a pledge that takes no money, or not so much, leaves all as it was.
 */
#include "server/ledger/surplus.h"

#include "common/check.h"
#include "common/money.h"
#include "common/reference.h"
#include "server/ledger/allocation.h"
#include "server/ledger/pledge.h"
#include "server/ledger/receipt.h"
#include "server/ledger/valuation.h"

/* --- reallocate --- */

/* The parts of an allocation that is split. */
struct split {
    int64_t moved, moved_settled; /* to the other pledge */
    int64_t rest, rest_settled;   /* stays */
    bool by_rate;                 /* moved_settled follows from these */
    struct valuation_pair pair;
};

/* a * b / c, half to even; 0 <= a, b and a <= c, so that it fits. Nothing of nothing is nothing. */
static int64_t share(int64_t a, int64_t b, int64_t c)
{
    if (c == 0)
        return 0;
    __int128 product = (__int128)a * b, quotient = product / c, twice = (product % c) * 2;
    if (twice > c || (twice == c && (quotient & 1) != 0))
        quotient++;
    return (int64_t)quotient;
}

/* False: refused. What does not fit into 64 bits is more than is due of any pledge. */
static bool by_rate(struct maker *maker, const struct state_bank_entry *entry, int currency,
                    int64_t minor, struct valuation_pair *pair, int64_t *ret)
{
    if (!valuation_find(maker, entry, currency, "reallocate.settled", pair))
        return false;
    if (!rate_convert(minor, entry->currency, pair->from, currency, pair->to, ret))
        *ret = INT64_MAX;
    return true;
}

static bool measure(struct maker *maker, const Pledged__V1__Reallocate *command,
                    const struct state_allocation *from, const struct state_pledge *to,
                    struct split *ret)
{
    const struct state_bank_entry *entry = &maker->ledger->bank_entry[from->bank_entry];
    bool same = entry->currency == to->currency;
    ret->moved = command->amount != NULL ? command->amount->minor : from->amount;
    if (command->amount != NULL &&
        pl_currency_index(command->amount->currency) != entry->currency) {
        maker_refuse_currency(maker, "reallocate.amount.currency", entry->seq, NULL,
                              entry->currency);
        return false;
    }
    if (ret->moved > from->amount) {
        maker_refuse(maker, REASON(ENTRY_SPENT), "reallocate.amount", from->seq, NULL);
        maker_arg_number(maker, "minor", from->amount);
        maker_arg(maker, "currency", pl_currency_code(entry->currency));
        return false;
    }
    const Pledged__V1__Money *settled = command->settled;
    if (!same && settled == NULL &&
        !by_rate(maker, entry, to->currency, ret->moved, &ret->pair, &ret->moved_settled))
        return false;
    if (settled != NULL && pl_currency_index(settled->currency) != to->currency) {
        maker_refuse_currency(maker, "reallocate.settled", to->changed_seq, NULL, to->currency);
        return false;
    }
    if (settled != NULL && same && settled->minor != ret->moved) {
        allocation_refuse_settled(maker, "reallocate.settled", to->changed_seq, NULL);
        return false;
    }
    if (same || settled != NULL)
        ret->moved_settled = same ? ret->moved : settled->minor;
    ret->by_rate = !same && settled == NULL;
    ret->rest = from->amount - ret->moved;
    ret->rest_settled = share(ret->rest, from->settled, from->amount);
    return true;
}

static void undo(struct maker *maker, const struct state_allocation *from)
{
    int currency = maker->ledger->bank_entry[from->bank_entry].currency;
    Pledged__V1__Entry *entry = maker_entry(maker, maker_prev(maker, from->pledge));
    Pledged__V1__Reversed *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__reversed__init(fact);
    fact->target_seq = from->seq;
    fact->pledge = maker_id(maker, 'P', (uint64_t)from->pledge + 1);
    fact->bank_entry = maker_id(maker, 'B', (uint64_t)from->bank_entry + 1);
    fact->amount = maker_money(maker, from->amount, currency);
    fact->deallocated = maker_money(maker, from->amount, currency);
    entry->fact_case = FACT(REVERSED);
    entry->reversed = fact;
}

/* The live allocation of this entry number, or refuses. */
static const struct state_allocation *find(struct maker *maker, uint64_t seq)
{
    const struct ledger *ledger = maker->ledger;
    const uint32_t *found = pl_map_get(&ledger->reversible, &seq);
    if (found == NULL || state_reversible_kind(*found) != STATE_REVERSIBLE_ALLOCATION) {
        bool known = seq != 0 && seq <= ledger->size;
        maker_refuse(maker, known ? REASON(NOT_REVERSIBLE) : REASON(ENTRY_UNKNOWN),
                     "reallocate.seq", known ? seq : 0, NULL);
        maker_arg_number(maker, "seq", (int64_t)seq);
        return NULL;
    }
    const struct state_allocation *from = &ledger->allocation[state_reversible_index(*found)];
    maker->about = &ledger->pledge[from->pledge];
    if (from->reversed_by == 0)
        return from;
    maker_refuse(maker, REASON(ALREADY_REVERSED), "reallocate.seq", from->reversed_by, NULL);
    return NULL;
}

static void reallocate(struct maker *maker, const Pledged__V1__Reallocate *command)
{
    const struct ledger *ledger = maker->ledger;
    const struct state_allocation *from = find(maker, command->seq);
    if (from == NULL)
        return;
    if (receipt_guards(maker, from, "reallocate.seq"))
        return;
    const struct state_pledge *old = &ledger->pledge[from->pledge];
    const struct state_pledge *to = pledge_find(maker, command->pledge, "reallocate.pledge", ~0u);
    struct split split;
    if (to == NULL)
        return;
    if (to == old) {
        maker_refuse(maker, REASON(FIELD_INVALID), "reallocate.pledge", from->seq, to);
        maker_say(maker, "why", "the money pays for this pledge already");
        return;
    }
    if (!allocation_open(to) || !measure(maker, command, from, to, &split)) {
        if (!allocation_open(to)) {
            maker_refuse(maker, REASON(PLEDGE_NOT_OPEN), "reallocate.pledge", to->changed_seq, to);
            maker_arg(maker, "pledge", command->pledge);
        }
        return;
    }
    if (!allocation_open(old)) { /* what is closed was closed because it is paid */
        maker_refuse(maker, REASON(PLEDGE_NOT_OPEN), "reallocate.seq", old->changed_seq, old);
        maker_arg(maker, "pledge", maker_id(maker, 'P', (uint64_t)from->pledge + 1));
        return;
    }
    if (split.moved_settled == 0 || split.moved_settled > to->amount - state_settled(to)) {
        allocation_refuse_remainder(maker, to, "reallocate.amount");
        return;
    }
    undo(maker, from);
    if (split.rest > 0)
        allocation_add(maker, from->bank_entry, from->pledge, split.rest, split.rest_settled);
    Pledged__V1__Allocated *moved = allocation_add(
        maker, from->bank_entry, (uint32_t)(to - ledger->pledge), split.moved, split.moved_settled);
    if (split.by_rate)
        valuation_name(maker, &split.pair, moved);
    pledge_receipt(maker, command->pledge, maker_id(maker, 'C', to->contributor + 1),
                   (Pledged__V1__Stage)to->stage, to->amount,
                   state_settled(to) + split.moved_settled, to->currency);
    maker_outcome(maker)->bank_entry = maker_id(maker, 'B', (uint64_t)from->bank_entry + 1);
}

/* --- convert --- */

/* Whose surplus it is, and how much of it; false: refused. */
static bool surplus(struct maker *maker, const Pledged__V1__Convert *command,
                    const struct state_bank_entry *from, int64_t *ret)
{
    int64_t most = from->debit ? 0 : allocation_free(from);
    *ret = command->amount != NULL ? command->amount->minor : most;
    if (from->pledge == STATE_NONE || most == 0) {
        maker_refuse(maker, REASON(NO_SURPLUS), "convert.bank_entry", from->seq, NULL);
        maker_arg(maker, "bank_entry", command->bank_entry);
        return false;
    }
    if (command->amount != NULL && pl_currency_index(command->amount->currency) != from->currency) {
        maker_refuse_currency(maker, "convert.amount.currency", from->seq, NULL, from->currency);
        return false;
    }
    if (*ret > most) {
        allocation_refuse_spent(maker, from, "convert.amount");
        return false;
    }
    if (!tally_may_pledge(maker->ledger, from->currency, *ret)) {
        maker_refuse(maker, REASON(SUM_OVERFLOW), "convert.amount", 0, NULL);
        return false;
    }
    return true;
}

static void convert(struct maker *maker, const Pledged__V1__Convert *command)
{
    const struct ledger *ledger = maker->ledger;
    int64_t minor;
    const struct state_bank_entry *from =
        allocation_find(maker, command->bank_entry, "convert.bank_entry");
    if (from == NULL)
        return;
    maker->about = from->pledge == STATE_NONE ? NULL : &ledger->pledge[from->pledge];
    if (!surplus(maker, command, from, &minor))
        return;
    uint32_t made = (uint32_t)ledger->pledge_count;
    Pledged__V1__Entry *entry = maker_entry(maker, 0);
    Pledged__V1__PledgeMade *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__pledge_made__init(fact);
    fact->pledge = maker_id(maker, 'P', (uint64_t)made + 1);
    fact->reference = maker_alloc(maker, PL_REFERENCE_BYTES);
    (void)pl_reference_scor((uint64_t)made + 1, fact->reference);
    fact->contributor = maker_id(maker, 'C', maker->about->contributor + 1);
    fact->amount = maker_money(maker, minor, from->currency);
    fact->kind = PLEDGED__V1__PLEDGE_KIND__PLEDGE_KIND_CASH;
    fact->purpose = PLEDGED__V1__PURPOSE__PURPOSE_FUND;
    fact->publish = (Pledged__V1__Publish)maker->about->publish;
    if (fact->publish == PLEDGED__V1__PUBLISH__PUBLISH_UNSPECIFIED)
        fact->publish = PLEDGED__V1__PUBLISH__PUBLISH_YES;
    fact->converted_from = command->bank_entry;
    entry->fact_case = FACT(PLEDGE_MADE);
    entry->pledge_made = fact;
    fact->valuation = valuation_of(maker, entry, minor, from->currency);
    allocation_add(maker, (uint32_t)(from - ledger->bank_entry), made, minor, minor);
    pledge_receipt(maker, fact->pledge, fact->contributor, STAGE(PLEDGED), minor, minor,
                   from->currency);
    maker_outcome(maker)->bank_entry = command->bank_entry;
    maker_outcome(maker)->unallocated =
        maker_money(maker, allocation_free(from) - minor, from->currency);
}

void surplus_decide(struct maker *maker)
{
    const Pledged__V1__Command *command = maker->command;
    if (command->command_case == COMMAND(REALLOCATE))
        reallocate(maker, command->reallocate);
    else
        convert(maker, command->convert);
}
