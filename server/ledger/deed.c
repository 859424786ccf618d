/* SPDX-License-Identifier: Apache-2.0
 *
 * deed: see deed.h. Happy path: one Reversed takes back exactly what the entry said. Failure: what
 * is reversed already is refused, and CORRUPT in a log.
 */
#include "server/ledger/deed.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/ids.h"
#include "server/ledger/benefit.h"
#include "server/ledger/charge.h"
#include "server/ledger/closing.h"
#include "server/ledger/period.h"
#include "server/ledger/pledge.h"
#include "server/ledger/refund.h"
#include "server/ledger/returned.h"
#include "server/ledger/since.h"

static bool is_refund(const struct state_deed *deed)
{
    return deed->fact == FACT(REFUND_PAID);
}

static bool is_charge(const struct state_deed *deed)
{
    return deed->fact == FACT(CHARGE_BOOKED);
}

static bool is_return(const struct state_deed *deed)
{
    return deed->fact == FACT(REFUND_RETURNED);
}

static bool is_closing(const struct state_deed *deed)
{
    return deed->fact == FACT(PLEDGE_CLOSED);
}

void deed_add(struct ledger *ledger, const struct state_deed *deed)
{
    ledger->deed =
        state_grow(ledger->deed, ledger->deed_count, &ledger->deed_cap, sizeof(*ledger->deed));
    uint32_t found = state_reversible(STATE_REVERSIBLE_DEED, (uint32_t)ledger->deed_count);
    uint64_t seq = deed->seq;
    ledger->deed[ledger->deed_count++] = *deed;
    pl_map_put(&ledger->reversible, &seq, &found);
}

bool deed_fits(const struct ledger *ledger, const struct state_deed *deed)
{
    if (deed->alone > (is_charge(deed) ? 1 : 0))
        return false;
    if (is_return(deed))
        return deed->of < ledger->refund_count && deed->quantity > 0 &&
               deed->credit < ledger->bank_entry_count && deed->debit < ledger->bank_entry_count;
    if (deed->credit != 0 || deed->debit != 0)
        return false;
    if (is_refund(deed))
        return deed->of < ledger->refund_count && deed->quantity == 0;
    if (is_charge(deed))
        return deed->of < ledger->bank_entry_count && deed->quantity > 0;
    if (is_closing(deed))
        return deed->of < ledger->pledge_count && deed->quantity == 0;
    return (deed->fact == FACT(BENEFIT_CLAIMED) || deed->fact == FACT(BENEFIT_DECLINED) ||
            deed->fact == FACT(BENEFIT_DELIVERED)) &&
           deed->of < ledger->fulfilment_count && deed->quantity > 0;
}

/* Takes off what stands of one deed. False: more was said than became of it. */
static bool take_off(const struct state_deed *deed, struct state_fulfilment *left)
{
    int64_t *sum = deed->fact == FACT(BENEFIT_CLAIMED)    ? &left->claimed
                   : deed->fact == FACT(BENEFIT_DECLINED) ? &left->declined
                                                          : &left->delivered;
    bool fine = deed->quantity <= *sum;
    *sum -= fine ? deed->quantity : 0;
    return fine;
}

size_t deed_closings(const struct ledger *ledger)
{
    size_t count = 0;
    for (size_t i = 0; i < ledger->deed_count; i++)
        count += is_closing(&ledger->deed[i]) && ledger->deed[i].reversed_by == 0;
    return count;
}

/* Each of a pledge that is closed, and no pledge twice. */
static bool closings_add_up(const struct ledger *ledger)
{
    struct pl_map seen;
    uint32_t one = 1;
    bool fine = true;
    pl_map_init(&seen, sizeof(uint32_t), sizeof(uint32_t), 0);
    for (size_t i = 0; i < ledger->deed_count && fine; i++) {
        const struct state_deed *deed = &ledger->deed[i];
        if (!is_closing(deed) || deed->reversed_by != 0)
            continue;
        fine =
            ledger->pledge[deed->of].stage == STAGE(CLOSED) && pl_map_get(&seen, &deed->of) == NULL;
        pl_map_put(&seen, &deed->of, &one);
    }
    pl_map_fini(&seen);
    return fine;
}

bool deed_all_add_up(const struct ledger *ledger)
{
    struct state_fulfilment *left = calloc(ledger->fulfilment_count + 1, sizeof(*left));
    uint8_t *paid = calloc(ledger->refund_count + 1, sizeof(*paid));
    bool fine = closings_add_up(ledger);
    PL_ASSERT(left != NULL && paid != NULL);
    for (size_t i = 0; i < ledger->fulfilment_count; i++)
        left[i] = ledger->fulfilment[i];
    for (size_t i = 0; i < ledger->deed_count && fine; i++) {
        const struct state_deed *deed = &ledger->deed[i];
        if (deed->reversed_by != 0 || is_charge(deed) ||
            is_return(deed) /* with the bank entries */ || is_closing(deed))
            continue;
        fine = is_refund(deed) ? paid[deed->of]++ == 0 : take_off(deed, &left[deed->of]);
    }
    for (size_t i = 0; i < ledger->fulfilment_count; i++)
        fine = fine && left[i].claimed == 0 && left[i].declined == 0 && left[i].delivered == 0;
    for (size_t i = 0; i < ledger->refund_count; i++)
        fine = fine && (ledger->refund[i].state == PLEDGED__V1__REFUND_STATE__REFUND_STATE_PAID) ==
                           (paid[i] == 1);
    free(left);
    free(paid);
    return fine;
}

uint32_t deed_bank_entry(const struct ledger *ledger, uint32_t index)
{
    const struct state_deed *deed = &ledger->deed[index];
    if (is_charge(deed))
        return deed->of;
    if (is_return(deed))
        return deed->credit;
    return is_refund(deed) ? ledger->refund[deed->of].debit : STATE_NONE;
}

/* A pledge is closed when nothing is to be paid back any more. */
static struct pl_status check_unpaid(const struct ledger *ledger, const Pledged__V1__Reversed *fact,
                                     const struct state_deed *deed)
{
    const struct state_pledge *pledge = refund_pledge(ledger, &ledger->refund[deed->of]);
    PL_TRY(refund_check_reversed(ledger, fact, deed->of));
    return pledge == NULL || !state_rules(ledger, 4)
               ? pl_ok()
               : closing_check_guard(ledger, pledge, deed->seq);
}

struct pl_status deed_check_reversed(const struct ledger *ledger, const Pledged__V1__Reversed *fact,
                                     uint32_t index)
{
    const struct state_deed *deed = &ledger->deed[index];
    NEED(deed->reversed_by == 0, "a reversal of what is reversed already");
    NEED(fact->deallocated == NULL, "a reversal of what was never allocated");
    if (is_refund(deed))
        return check_unpaid(ledger, fact, deed);
    if (is_return(deed))
        return returned_check_reversed(ledger, fact, deed);
    if (is_charge(deed))
        return charge_check_reversed(ledger, fact, deed->of, deed->quantity);
    if (is_closing(deed)) {
        NEED(pl_id_parse(fact->pledge, 'P') == (uint64_t)deed->of + 1 && fact->refund[0] == '\0' &&
                 fact->bank_entry[0] == '\0' && fact->benefit[0] == '\0' && fact->quantity == 0 &&
                 fact->amount == NULL && fact->deallocated == NULL,
             "a reversal that names another pledge, or more than the closing");
        return pl_ok();
    }
    const struct state_fulfilment *row = &ledger->fulfilment[deed->of];
    NEED(pl_id_parse(fact->pledge, 'P') == (uint64_t)row->pledge + 1 &&
             strcmp(fact->benefit, ledger->text + row->code) == 0 &&
             fact->quantity == deed->quantity && fact->refund[0] == '\0' &&
             fact->bank_entry[0] == '\0' && fact->amount == NULL,
         "a reversal that names another benefit");
    return closing_check_guard(ledger, &ledger->pledge[row->pledge], deed->seq);
}

void deed_undo(struct ledger *ledger, uint32_t index, const Pledged__V1__Entry *entry)
{
    struct state_deed *deed = &ledger->deed[index];
    uint64_t seq = entry->seq;
    deed->reversed_by = seq;
    if (is_refund(deed)) {
        if (state_rules(ledger, 15))
            since_freed(&ledger->bank_entry[ledger->refund[deed->of].debit], period_day_of(entry));
        refund_undo(ledger, deed->of, seq);
        return;
    }
    if (is_return(deed)) {
        returned_undo(ledger, deed, seq);
        since_freed(&ledger->bank_entry[deed->credit], period_day_of(entry));
        return;
    }
    if (is_charge(deed)) {
        charge_undo(ledger, deed->of, deed->quantity);
        since_freed(&ledger->bank_entry[deed->of], period_day_of(entry));
        return;
    }
    if (is_closing(deed)) {
        closing_undo(ledger, deed->of, seq);
        return;
    }
    benefit_move(ledger, deed->of, (Pledged__V1__Entry__FactCase)deed->fact, -deed->quantity, seq);
}

/* The pledge whose history it belongs to; NULL: none. */
static const struct state_pledge *about_of(const struct ledger *ledger,
                                           const struct state_deed *deed)
{
    if (is_charge(deed))
        return NULL;
    if (is_refund(deed) || is_return(deed))
        return refund_pledge(ledger, &ledger->refund[deed->of]);
    return &ledger->pledge[is_closing(deed) ? deed->of : ledger->fulfilment[deed->of].pledge];
}

static Pledged__V1__Reversed *add_reversed(struct maker *maker, const struct state_deed *deed,
                                           const struct state_pledge *about)
{
    Pledged__V1__Entry *entry = maker_entry(maker, about != NULL ? about->last_seq : 0);
    Pledged__V1__Reversed *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__reversed__init(fact);
    fact->target_seq = deed->seq;
    if (about != NULL)
        fact->pledge = maker_id(maker, 'P', (uint64_t)(about - maker->ledger->pledge) + 1);
    entry->fact_case = FACT(REVERSED);
    entry->reversed = fact;
    return fact;
}

void deed_reopen(struct maker *maker, const struct state_deed *closing)
{
    const struct state_pledge *pledge = &maker->ledger->pledge[closing->of];
    const Pledged__V1__Reversed *fact = add_reversed(maker, closing, pledge);
    pledge_receipt(maker, fact->pledge, maker_id(maker, 'C', pledge->contributor + 1),
                   STAGE(COMMITTED), pledge->amount, state_settled(pledge), pledge->currency);
}

/* Who may end a commitment may take that back. */
static void reopen(struct maker *maker, const struct state_deed *deed,
                   const struct state_pledge *about)
{
    if (maker->request->actor.role == PLEDGED__V1__ROLE__ROLE_APPROVER) {
        deed_reopen(maker, deed);
        return;
    }
    maker_refuse(maker, REASON(PERMISSION_DENIED), "reverse.seq", deed->seq, about);
    maker_say(maker, "use", "a closing is an approver's act, and so is taking it back");
}

void deed_decide_reverse(struct maker *maker, uint32_t index)
{
    const struct ledger *ledger = maker->ledger;
    const struct state_deed *deed = &ledger->deed[index];
    const struct state_pledge *about = about_of(ledger, deed);
    if (deed->reversed_by != 0) {
        maker_refuse(maker, REASON(ALREADY_REVERSED), "reverse.seq", deed->reversed_by, about);
        return;
    }
    if (is_closing(deed)) {
        reopen(maker, deed, about);
    } else if (is_return(deed)) {
        if (!returned_guards(maker, deed))
            returned_fill_reversed(maker, deed, add_reversed(maker, deed, about));
    } else if (is_charge(deed)) {
        charge_fill_reversed(maker, deed->of, deed->quantity, add_reversed(maker, deed, about));
    } else if (about != NULL && closing_guards(maker, about, deed->seq, "reverse.seq")) {
        return;
    } else if (is_refund(deed)) {
        refund_fill_reversed(maker, deed->of, add_reversed(maker, deed, about));
    } else {
        benefit_fill_reversed(maker, deed, add_reversed(maker, deed, about));
    }
}
