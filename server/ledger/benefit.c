/* SPDX-License-Identifier: Apache-2.0
 *
 * benefit: claim, decline, deliver. Happy path: a fact with the quantity it moved. A delivery never
 * asks whether money came; before the signature it needs a reason. Failure: each refusal is an
 * entry in the history of the pledge.
 */
#include "server/ledger/benefit.h"

#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/money.h"
#include "server/ledger/deed.h"
#include "server/ledger/period.h"
#include "server/ledger/pledge.h"

enum { OPEN = 1u << STAGE(PLEDGED) | 1u << STAGE(COMMITTED) | 1u << STAGE(CLOSED) };

/* --- the frozen catalogue --- */

static bool is_frozen(const struct state_pledge *pledge)
{
    return pledge->stage == STAGE(COMMITTED) || pledge->stage == STAGE(CLOSED);
}

void benefit_freeze(struct ledger *ledger, uint32_t pledge, uint64_t seq)
{
    pl_map_put(&ledger->frozen, &pledge, &seq);
}

const struct catalogue *benefit_catalogue(const struct ledger *ledger,
                                          const struct state_pledge *pledge)
{
    PL_ASSERT(pledge->tier != STATE_TIER_FREE);
    const struct state_catalogue *of = &ledger->catalogue[ledger->tier[pledge->tier].catalogue];
    uint32_t index = (uint32_t)(pledge - ledger->pledge);
    const void *found = is_frozen(pledge) ? pl_map_get(&ledger->frozen, &index) : NULL;
    uint64_t seq = UINT64_MAX;
    if (found != NULL)
        memcpy(&seq, found, sizeof(seq)); /* behind a key of 4 bytes it is not aligned */
    if (of->current->adopted_seq < seq)
        return of->current;
    for (size_t i = of->older_count; i-- > 0;) {
        if (of->older[i]->adopted_seq < seq)
            return of->older[i];
    }
    return of->current;
}

static const Pledged__V1__Grant *grant_of(const struct catalogue *catalogue, const char *tier,
                                          const char *code)
{
    for (size_t i = 0; i < catalogue->msg->n_grant; i++) {
        const Pledged__V1__Grant *grant = catalogue->msg->grant[i];
        if (strcmp(grant->tier, tier) == 0 && strcmp(grant->benefit, code) == 0)
            return grant;
    }
    return NULL;
}

static bool has_benefit(const struct catalogue *catalogue, const char *code)
{
    for (size_t i = 0; i < catalogue->msg->n_benefit; i++) {
        if (strcmp(catalogue->msg->benefit[i]->code, code) == 0)
            return true;
    }
    return false;
}

/* --- rows --- */

const struct state_fulfilment *benefit_of(const struct ledger *ledger, uint32_t pledge,
                                          const char *code)
{
    const uint32_t *first = pl_map_get(&ledger->fulfilments, &pledge);
    for (uint32_t i = first != NULL ? *first : STATE_NONE; i != STATE_NONE;
         i = ledger->fulfilment[i].next_of_pledge) {
        if (strcmp(ledger->text + ledger->fulfilment[i].code, code) == 0)
            return &ledger->fulfilment[i];
    }
    return NULL;
}

struct state_fulfilment *benefit_add(struct ledger *ledger, uint32_t pledge, uint32_t code)
{
    const uint32_t *first = pl_map_get(&ledger->fulfilments, &pledge);
    ledger->fulfilment = state_grow(ledger->fulfilment, ledger->fulfilment_count,
                                    &ledger->fulfilment_cap, sizeof(*ledger->fulfilment));
    uint32_t index = (uint32_t)ledger->fulfilment_count++;
    ledger->fulfilment[index] =
        (struct state_fulfilment){.pledge = pledge,
                                  .code = code,
                                  .tier = ledger->pledge[pledge].tier,
                                  .next_of_pledge = first != NULL ? *first : STATE_NONE};
    pl_map_put(&ledger->fulfilments, &pledge, &index);
    return &ledger->fulfilment[index];
}

void benefit_sum(struct ledger *ledger, const struct state_fulfilment *row, int64_t claimed,
                 int64_t declined, int64_t delivered)
{
    size_t i = 0;
    while (i < ledger->benefit_sum_count &&
           (ledger->benefit_sum[i].tier != row->tier ||
            strcmp(ledger->text + ledger->benefit_sum[i].code, ledger->text + row->code) != 0))
        i++;
    if (i == ledger->benefit_sum_count) {
        ledger->benefit_sum = state_grow(ledger->benefit_sum, i, &ledger->benefit_sum_cap,
                                         sizeof(*ledger->benefit_sum));
        ledger->benefit_sum[i] = (struct state_fulfilment){.code = row->code, .tier = row->tier};
        ledger->benefit_sum_count++;
    }
    struct state_fulfilment *sum = &ledger->benefit_sum[i];
    bool fits = pl_add64(sum->claimed, claimed, &sum->claimed) &&
                pl_add64(sum->declined, declined, &sum->declined) &&
                pl_add64(sum->delivered, delivered, &sum->delivered);
    PL_ASSERT(fits); /* each quantity fits a grant, which has 32 bits at most */
}

int64_t benefit_left(const struct state_fulfilment *row, int64_t granted)
{
    int64_t left = row == NULL ? granted : granted - row->declined - row->delivered;
    return left > 0 ? left : 0;
}

size_t benefit_open(const struct ledger *ledger, const struct state_pledge *pledge, char *named,
                    size_t size)
{
    size_t count = 0, used = 0;
    named[0] = '\0';
    if (pledge->tier == STATE_TIER_FREE)
        return 0;
    const Pledged__V1__Catalogue *msg = benefit_catalogue(ledger, pledge)->msg;
    for (size_t i = 0; i < msg->n_grant; i++) {
        const Pledged__V1__Grant *grant = msg->grant[i];
        const struct state_fulfilment *row =
            benefit_of(ledger, (uint32_t)(pledge - ledger->pledge), grant->benefit);
        if (strcmp(grant->tier, ledger->tier[pledge->tier].code) != 0 ||
            benefit_left(row, grant->quantity) == 0)
            continue;
        count++;
        if (used + strlen(grant->benefit) + 2 < size)
            used += (size_t)snprintf(named + used, size - used, "%s%s", used == 0 ? "" : " ",
                                     grant->benefit);
    }
    return count;
}

/* --- deciding --- */

/* The three commands have the same fields. */
struct request {
    const char *pledge, *benefit;
    int64_t quantity;
    const char *pledge_field, *benefit_field, *quantity_field;
    Pledged__V1__Entry__FactCase fact;
};

static struct request read_request(const Pledged__V1__Command *command)
{
    if (command->command_case == COMMAND(CLAIM_BENEFIT)) {
        const Pledged__V1__ClaimBenefit *c = command->claim_benefit;
        return (struct request){c->pledge,
                                c->benefit,
                                c->quantity,
                                "claim_benefit.pledge",
                                "claim_benefit.benefit",
                                "claim_benefit.quantity",
                                FACT(BENEFIT_CLAIMED)};
    }
    if (command->command_case == COMMAND(DECLINE_BENEFIT)) {
        const Pledged__V1__DeclineBenefit *c = command->decline_benefit;
        return (struct request){c->pledge,
                                c->benefit,
                                c->quantity,
                                "decline_benefit.pledge",
                                "decline_benefit.benefit",
                                "decline_benefit.quantity",
                                FACT(BENEFIT_DECLINED)};
    }
    const Pledged__V1__DeliverBenefit *c = command->deliver_benefit;
    return (struct request){c->pledge,
                            c->benefit,
                            c->quantity,
                            "deliver_benefit.pledge",
                            "deliver_benefit.benefit",
                            "deliver_benefit.quantity",
                            FACT(BENEFIT_DELIVERED)};
}

static const Pledged__V1__Grant *find_grant(struct maker *maker, const struct state_pledge *pledge,
                                            const struct request *request)
{
    if (pledge->tier == STATE_TIER_FREE) {
        maker_refuse(maker, REASON(NOT_GRANTED), request->benefit_field, pledge->first_seq, pledge);
        return NULL;
    }
    const struct catalogue *catalogue = benefit_catalogue(maker->ledger, pledge);
    const char *tier = maker->ledger->tier[pledge->tier].code;
    const Pledged__V1__Grant *grant = grant_of(catalogue, tier, request->benefit);
    if (grant != NULL)
        return grant;
    bool known = has_benefit(catalogue, request->benefit);
    maker_refuse(maker, known ? REASON(NOT_GRANTED) : REASON(BENEFIT_UNKNOWN),
                 request->benefit_field, catalogue->adopted_seq, pledge);
    maker_arg(maker, "benefit", request->benefit);
    maker_arg(maker, "tier", tier);
    return NULL;
}

/* What may still be moved, and refuses if the quantity does not fit; 0 then. */
static int64_t quantity_of(struct maker *maker, const struct state_pledge *pledge,
                           const struct request *request, int64_t granted)
{
    const struct state_fulfilment *row =
        benefit_of(maker->ledger, pledge_index(maker, pledge), request->benefit);
    int64_t left = benefit_left(row, granted);
    if (request->fact == FACT(BENEFIT_CLAIMED) && row != NULL) {
        int64_t unclaimed = granted - row->declined - row->claimed;
        left = unclaimed < left ? unclaimed : left;
    }
    int64_t wanted = request->quantity != 0 ? request->quantity : left;
    if (wanted > 0 && wanted <= left)
        return wanted;
    maker_refuse(maker, REASON(QUANTITY_SPENT), request->quantity_field,
                 row != NULL ? row->seq : pledge->changed_seq, pledge);
    maker_arg_number(maker, "left", left > 0 ? left : 0);
    return 0;
}

static void set_fact(struct maker *maker, Pledged__V1__Entry *entry, const struct request *request,
                     int64_t quantity, Pledged__V1__Unit unit, bool before_commitment)
{
    entry->fact_case = request->fact;
    if (request->fact == FACT(BENEFIT_CLAIMED)) {
        Pledged__V1__BenefitClaimed *fact = maker_alloc(maker, sizeof(*fact));
        pledged__v1__benefit_claimed__init(fact);
        fact->pledge = (char *)(uintptr_t)request->pledge;
        fact->benefit = (char *)(uintptr_t)request->benefit;
        fact->quantity = quantity;
        fact->unit = unit;
        entry->benefit_claimed = fact;
    } else if (request->fact == FACT(BENEFIT_DECLINED)) {
        Pledged__V1__BenefitDeclined *fact = maker_alloc(maker, sizeof(*fact));
        pledged__v1__benefit_declined__init(fact);
        fact->pledge = (char *)(uintptr_t)request->pledge;
        fact->benefit = (char *)(uintptr_t)request->benefit;
        fact->quantity = quantity;
        fact->unit = unit;
        entry->benefit_declined = fact;
    } else {
        Pledged__V1__BenefitDelivered *fact = maker_alloc(maker, sizeof(*fact));
        pledged__v1__benefit_delivered__init(fact);
        fact->pledge = (char *)(uintptr_t)request->pledge;
        fact->benefit = (char *)(uintptr_t)request->benefit;
        fact->quantity = quantity;
        fact->unit = unit;
        fact->before_commitment = before_commitment;
        entry->benefit_delivered = fact;
    }
}

void benefit_decide(struct maker *maker)
{
    const Pledged__V1__Command *command = maker->command;
    struct request request = read_request(command);
    const struct state_pledge *pledge =
        pledge_find(maker, request.pledge, request.pledge_field, OPEN);
    if (pledge == NULL)
        return;
    const Pledged__V1__Grant *grant = find_grant(maker, pledge, &request);
    if (grant == NULL)
        return;
    bool early = request.fact == FACT(BENEFIT_DELIVERED) && pledge->stage == STAGE(PLEDGED);
    if (early && command->reason[0] == '\0') {
        maker_refuse(maker, REASON(REASON_REQUIRED), "reason", pledge->changed_seq, pledge);
        return;
    }
    int64_t quantity = quantity_of(maker, pledge, &request, grant->quantity);
    if (quantity == 0)
        return;
    const struct state_fulfilment *row =
        benefit_of(maker->ledger, pledge_index(maker, pledge), request.benefit);
    int64_t left = benefit_left(row, grant->quantity);
    Pledged__V1__Entry *entry = maker_entry(maker, pledge->last_seq);
    set_fact(maker, entry, &request, quantity, grant->unit, early);
    pledge_receipt(maker, request.pledge, maker_id(maker, 'C', pledge->contributor + 1),
                   (Pledged__V1__Stage)pledge->stage, pledge->amount, pledge->allocated,
                   pledge->currency);
    Pledged__V1__Outcome *outcome = maker_outcome(maker);
    outcome->benefit = (char *)(uintptr_t)request.benefit;
    outcome->benefit_quantity = quantity;
    outcome->benefit_left = request.fact == FACT(BENEFIT_CLAIMED) ? left : left - quantity;
}

/* --- facts --- */

struct moved {
    const char *pledge, *benefit;
    int64_t claimed, declined, delivered;
    Pledged__V1__Unit unit;
    bool early; /* delivered before the agreement was signed */
};

static struct moved read_fact(const Pledged__V1__Entry *entry)
{
    if (entry->fact_case == FACT(BENEFIT_CLAIMED)) {
        const Pledged__V1__BenefitClaimed *fact = entry->benefit_claimed;
        return (struct moved){.pledge = fact->pledge,
                              .benefit = fact->benefit,
                              .claimed = fact->quantity,
                              .unit = fact->unit};
    }
    if (entry->fact_case == FACT(BENEFIT_DECLINED)) {
        const Pledged__V1__BenefitDeclined *fact = entry->benefit_declined;
        return (struct moved){.pledge = fact->pledge,
                              .benefit = fact->benefit,
                              .declined = fact->quantity,
                              .unit = fact->unit};
    }
    const Pledged__V1__BenefitDelivered *fact = entry->benefit_delivered;
    return (struct moved){.pledge = fact->pledge,
                          .benefit = fact->benefit,
                          .delivered = fact->quantity,
                          .unit = fact->unit,
                          .early = fact->before_commitment != 0};
}

struct pl_status benefit_check(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    struct moved moved = read_fact(entry);
    const struct state_pledge *pledge = state_pledge(ledger, moved.pledge);
    NEED(pledge != NULL && (OPEN >> pledge->stage & 1) != 0 && pledge->tier != STATE_TIER_FREE,
         "a benefit of a pledge that has none");
    const Pledged__V1__Grant *grant =
        grant_of(benefit_catalogue(ledger, pledge), ledger->tier[pledge->tier].code, moved.benefit);
    NEED(grant != NULL, "a benefit that was not granted");
    NEED(moved.unit == grant->unit, "a benefit in another unit");
    NEED(moved.early == (moved.delivered != 0 && pledge->stage == STAGE(PLEDGED)),
         "a delivery that is wrong about the commitment");
    const struct state_fulfilment *row =
        benefit_of(ledger, (uint32_t)(pledge - ledger->pledge), moved.benefit);
    int64_t left = benefit_left(row, grant->quantity);
    int64_t claimed = row != NULL ? row->claimed : 0, declined = row != NULL ? row->declined : 0;
    NEED(moved.claimed + moved.declined + moved.delivered > 0 &&
             moved.declined + moved.delivered <= left &&
             (moved.claimed == 0 || moved.claimed <= grant->quantity - claimed - declined),
         "more of a benefit than was granted");
    return pl_ok();
}

void benefit_apply(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    struct moved moved = read_fact(entry);
    uint32_t pledge = (uint32_t)(state_pledge(ledger, moved.pledge) - ledger->pledge);
    const struct state_fulfilment *known = benefit_of(ledger, pledge, moved.benefit);
    struct state_fulfilment *row =
        known != NULL ? &ledger->fulfilment[known - ledger->fulfilment]
                      : benefit_add(ledger, pledge, state_add_text(ledger, moved.benefit));
    struct state_deed deed = {.seq = entry->seq,
                              .day = period_posted_on(entry),
                              .dated = period_day_of(entry),
                              .quantity = moved.claimed + moved.declined + moved.delivered,
                              .of = (uint32_t)(row - ledger->fulfilment),
                              .fact = (uint8_t)entry->fact_case};
    deed_add(ledger, &deed);
    benefit_move(ledger, deed.of, entry->fact_case, deed.quantity, entry->seq);
}

/* --- undoing --- */

void benefit_move(struct ledger *ledger, uint32_t index, Pledged__V1__Entry__FactCase fact,
                  int64_t quantity, uint64_t seq)
{
    struct state_fulfilment *row = &ledger->fulfilment[index];
    int64_t claimed = fact == FACT(BENEFIT_CLAIMED) ? quantity : 0;
    int64_t declined = fact == FACT(BENEFIT_DECLINED) ? quantity : 0;
    int64_t delivered = fact == FACT(BENEFIT_DELIVERED) ? quantity : 0;
    row->claimed += claimed;
    row->declined += declined;
    row->delivered += delivered;
    PL_ASSERT(row->claimed >= 0 && row->declined >= 0 && row->delivered >= 0);
    row->seq = seq;
    benefit_sum(ledger, row, claimed, declined, delivered);
}

void benefit_fill_reversed(struct maker *maker, const struct state_deed *deed,
                           Pledged__V1__Reversed *fact)
{
    const struct state_fulfilment *row = &maker->ledger->fulfilment[deed->of];
    const struct state_pledge *pledge = &maker->ledger->pledge[row->pledge];
    const char *code = maker->ledger->text + row->code;
    char *copy = maker_alloc(maker, strlen(code) + 1); /* the texts of the state may move */
    memcpy(copy, code, strlen(code) + 1);
    fact->benefit = copy;
    fact->quantity = deed->quantity;
    pledge_receipt(maker, fact->pledge, maker_id(maker, 'C', pledge->contributor + 1),
                   (Pledged__V1__Stage)pledge->stage, pledge->amount, state_settled(pledge),
                   tally_counts(pledge) ? pledge->currency : -1);
    const Pledged__V1__Grant *grant = grant_of(benefit_catalogue(maker->ledger, pledge),
                                               maker->ledger->tier[pledge->tier].code, code);
    Pledged__V1__Outcome *outcome = maker_outcome(maker);
    int64_t left = benefit_left(row, grant != NULL ? grant->quantity : 0);
    outcome->benefit = copy;
    outcome->benefit_quantity = -deed->quantity;
    outcome->benefit_left =
        deed->fact == FACT(BENEFIT_CLAIMED) || grant == NULL ? left : left + deed->quantity;
}
