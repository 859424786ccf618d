/* SPDX-License-Identifier: Apache-2.0
 *
 * proposal: see proposal.h. Rows of decided proposals stay, without their command, so that a second
 * decision can be told what became of the first.
 */
#include "server/ledger/proposal.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/ids.h"
#include "common/money.h"
#include "common/scan.h"
#include "server/ledger/allocation.h"
#include "server/ledger/charge.h"
#include "server/ledger/deed.h"
#include "server/ledger/meant.h"
#include "server/ledger/period.h"
#include "server/ledger/waiver.h"

#define OPEN     PLEDGED__V1__PROPOSAL_STATE__PROPOSAL_STATE_OPEN
#define APPROVED PLEDGED__V1__PROPOSAL_STATE__PROPOSAL_STATE_APPROVED
#define REJECTED PLEDGED__V1__PROPOSAL_STATE__PROPOSAL_STATE_REJECTED
#define EXPIRED  PLEDGED__V1__PROPOSAL_STATE__PROPOSAL_STATE_EXPIRED

/* Where the policy has no length of its own. */
static const int64_t TTL_DEFAULT_S = 30 * 86400LL;
enum { CLASS_MAX = PLEDGED__V1__COMMAND_CLASS__COMMAND_CLASS_SURPLUS };
/* A command unpacked and judged: protobuf-c needs up to 50 times its bytes. */
enum { COMMAND_ARENA_BYTES = 8 << 20 };

/* --- the policy --- */

/* Whatever number a message holds. */
static bool class_known(Pledged__V1__CommandClass class)
{
    return (unsigned)class >= 1 && (unsigned)class <= CLASS_MAX;
}

static uint32_t class_bits(const Pledged__V1__PolicyAdopted *policy)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < policy->n_four_eyes; i++)
        bits |= 1u << policy->four_eyes[i];
    return bits;
}

bool proposal_needs(const struct ledger *ledger, Pledged__V1__CommandClass class)
{
    return class != CLASS(UNSPECIFIED) && (ledger->policy.four_eyes >> class & 1) != 0;
}

struct pl_status proposal_check_policy(const Pledged__V1__Entry *entry)
{
    const Pledged__V1__PolicyAdopted *policy = entry->policy_adopted;
    NEED(policy->sha256.len == 32, "a hash has another length");
    NEED(policy->proposal_ttl_s >= 0 && policy->proposal_ttl_s < INT64_MAX / 2000000 &&
             policy->unallocated_limit_s >= 0,
         "a policy with a length of time that makes no sense");
    struct pl_zone zone;
    NEED(pl_is_ok(pl_zone_parse(policy->time_zone, &zone)), "a policy with a time zone of no rule");
    for (size_t i = 0; i < policy->n_four_eyes; i++)
        NEED(class_known(policy->four_eyes[i]),
             "a policy for a class of commands that does not exist");
    for (size_t i = 0; i < policy->n_difference_limit; i++)
        NEED(policy->difference_limit[i]->minor >= 0 &&
                 pl_currency_index(policy->difference_limit[i]->currency) >= 0,
             "a policy with a limit that is no amount");
    return pl_ok();
}

bool proposal_set_policy(struct ledger *ledger, struct pl_slice bytes)
{
    Pledged__V1__PolicyAdopted *message =
        pledged__v1__policy_adopted__unpack(NULL, bytes.len, bytes.data);
    if (message == NULL)
        return false;
    for (size_t i = 0; i < message->n_four_eyes; i++) {
        if (!class_known(message->four_eyes[i])) {
            pledged__v1__policy_adopted__free_unpacked(message, NULL);
            return false;
        }
    }
    struct pl_zone zone;
    if (!pl_is_ok(pl_zone_parse(message->time_zone, &zone))) {
        pledged__v1__policy_adopted__free_unpacked(message, NULL);
        return false;
    }
    uint8_t *copy = calloc(1, bytes.len + 1);
    PL_ASSERT(copy != NULL);
    if (bytes.len != 0)
        memcpy(copy, bytes.data, bytes.len);
    free((void *)(uintptr_t)ledger->policy.bytes.data);
    if (ledger->policy.message != NULL)
        pledged__v1__policy_adopted__free_unpacked(ledger->policy.message, NULL);
    ledger->policy = (struct state_policy){.bytes = pl_slice(copy, bytes.len),
                                           .message = message,
                                           .four_eyes = class_bits(message),
                                           .proposal_ttl_s = message->proposal_ttl_s,
                                           .zone = zone};
    return true;
}

void proposal_apply_policy(struct ledger *ledger, const Pledged__V1__PolicyAdopted *policy)
{
    size_t len = pledged__v1__policy_adopted__get_packed_size(policy);
    uint8_t *bytes = calloc(1, len + 1);
    PL_ASSERT(bytes != NULL);
    (void)pledged__v1__policy_adopted__pack(policy, bytes);
    bool fine = proposal_set_policy(ledger, pl_slice(bytes, len));
    PL_ASSERT(fine); /* checked */
    free(bytes);
    memcpy(ledger->policy_sha256, policy->sha256.data, sizeof(ledger->policy_sha256));
}

void proposal_init(struct ledger *ledger)
{
    bool fine = proposal_set_policy(ledger, pl_slice(NULL, 0));
    PL_ASSERT(fine);
    ledger->proposal_due = SIZE_MAX;
}

void proposal_fini(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->proposal_count; i++)
        free(ledger->proposal[i].bytes);
    free(ledger->proposal);
    free((void *)(uintptr_t)ledger->policy.bytes.data);
    pledged__v1__policy_adopted__free_unpacked(ledger->policy.message, NULL);
}

/* --- the state --- */

struct state_proposal *state_proposal(const struct ledger *ledger, uint64_t seq)
{
    size_t low = 0, high = ledger->proposal_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ledger->proposal[middle].seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ledger->proposal_count && ledger->proposal[low].seq == seq ? &ledger->proposal[low]
                                                                            : NULL;
}

int64_t proposal_due_us(const struct ledger *ledger)
{
    return ledger->proposal_due == SIZE_MAX ? INT64_MAX
                                            : ledger->proposal[ledger->proposal_due].expires_us;
}

struct pl_slice proposal_command(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const struct state_proposal *proposal =
        entry->proposal_seq == 0 ? NULL : state_proposal(ledger, entry->proposal_seq);
    return proposal == NULL ? pl_slice(entry->command.data, entry->command.len)
                            : pl_slice(proposal->bytes, proposal->len);
}

/* Rare enough to look at all of them. */
static void find_due(struct ledger *ledger)
{
    ledger->proposal_due = SIZE_MAX;
    for (size_t i = 0; i < ledger->proposal_count; i++) {
        if (ledger->proposal[i].state == OPEN &&
            ledger->proposal[i].expires_us < proposal_due_us(ledger))
            ledger->proposal_due = i;
    }
}

bool proposal_add(struct ledger *ledger, const struct state_proposal *row)
{
    bool open = row->state == OPEN;
    bool ordered =
        ledger->proposal_count == 0 || ledger->proposal[ledger->proposal_count - 1].seq < row->seq;
    if (!ordered || row->seq == 0 || open != (row->closed_seq == 0) ||
        open != (row->bytes != NULL) || row->state < OPEN || row->state > EXPIRED ||
        row->class < 1 || row->class > CLASS_MAX || row->currency < STATE_AMOUNT_NOT_KEPT ||
        row->amount < 0 || (row->currency < 0 && row->amount != 0))
        return false;
    ledger->proposal = state_grow(ledger->proposal, ledger->proposal_count, &ledger->proposal_cap,
                                  sizeof(*ledger->proposal));
    ledger->proposal[ledger->proposal_count++] = *row;
    ledger->proposal_open += open;
    ledger->proposal_open_bytes += open ? row->len : 0;
    if (open && row->expires_us < proposal_due_us(ledger))
        ledger->proposal_due = ledger->proposal_count - 1;
    return true;
}

static void close_row(struct ledger *ledger, struct state_proposal *proposal, uint8_t state,
                      uint64_t seq)
{
    PL_ASSERT(proposal != NULL && proposal->state == OPEN && ledger->proposal_open != 0);
    ledger->proposal_open--;
    ledger->proposal_open_bytes -= proposal->len;
    free(proposal->bytes);
    proposal->bytes = NULL;
    proposal->len = 0;
    proposal->state = state;
    proposal->closed_seq = seq;
    find_due(ledger);
}

/* --- proposing --- */

static bool committed(const struct ledger *ledger, const char *id)
{
    const struct state_pledge *pledge = state_pledge(ledger, id);
    return pledge != NULL && pledge->stage == STAGE(COMMITTED);
}

static bool is_signature(const struct state_proposal *proposal)
{
    return proposal->state == OPEN && proposal->command == COMMAND(COMMIT);
}

/* What a second person was asked to sign is not changed by one alone before they do, nor who it is
 * from. Numbers of a pledge and of a contributor; 0: not asked for. */
static bool signature_waits(const struct ledger *ledger, uint64_t pledge, uint64_t contributor)
{
    for (size_t i = 0; i < ledger->proposal_count; i++) {
        const struct state_proposal *proposal = &ledger->proposal[i];
        if (is_signature(proposal) && proposal->pledge != STATE_NONE &&
            ((uint64_t)proposal->pledge + 1 == pledge ||
             (uint64_t)ledger->pledge[proposal->pledge].contributor + 1 == contributor))
            return true;
    }
    return false;
}

static Pledged__V1__CommandClass class_of_terms(const struct ledger *ledger, const char *id)
{
    return committed(ledger, id) || signature_waits(ledger, pl_id_parse(id, 'P'), 0)
               ? CLASS(COMMIT)
               : CLASS(UNSPECIFIED);
}

static bool extended(const struct ledger *ledger, const char *id)
{
    const struct state_pledge *pledge = state_pledge(ledger, id);
    return pledge != NULL && pledge->extensions != 0;
}

/* Does the reversal correct what is posted in a closed period? */
static bool period_of_reversal(const struct ledger *ledger, uint64_t seq)
{
    const uint32_t *found = pl_map_get(&ledger->reversible, &seq);
    if (found == NULL)
        return false;
    uint32_t entry = STATE_NONE, index = state_reversible_index(*found);
    switch (state_reversible_kind(*found)) {
    case STATE_REVERSIBLE_WAIVER: /* has no day of the bank, as most deeds */
        return period_is_closed(ledger, ledger->waiver[index].day);
    case STATE_REVERSIBLE_DEED:
        entry = deed_bank_entry(ledger, index);
        if (entry == STATE_NONE)
            return period_is_closed(ledger, ledger->deed[index].day);
        break;
    case STATE_REVERSIBLE_ALLOCATION:
        entry = ledger->allocation[index].bank_entry;
        break;
    case STATE_REVERSIBLE_ENTRY:
        entry = index;
        break;
    }
    return period_is_closed(ledger, ledger->bank_entry[entry].value_date);
}

/* What a clerk may accept alone is in the policy, a currency each; of others nothing is. */
static bool over_limit(const struct ledger *ledger, int64_t minor, int currency)
{
    const Pledged__V1__PolicyAdopted *policy = ledger->policy.message;
    for (size_t i = 0; i < policy->n_difference_limit; i++) {
        if (pl_currency_index(policy->difference_limit[i]->currency) == currency)
            return minor > policy->difference_limit[i]->minor;
    }
    return true;
}

/* With what was accepted for the pledge before: a large difference is not many small ones. Of what
 * is refused anyway: no. */
static bool difference_over_limit(const struct ledger *ledger,
                                  const Pledged__V1__AcceptDifference *command)
{
    const struct state_pledge *pledge = state_pledge(ledger, command->pledge);
    if (pledge == NULL || pledge->currency < 0)
        return false;
    int64_t minor =
        command->amount != NULL ? command->amount->minor : pledge->amount - state_settled(pledge);
    int64_t accepted[2];
    waiver_sums(ledger, pledge, accepted);
    return !pl_add64(minor, accepted[1], &minor) || over_limit(ledger, minor, pledge->currency);
}

/* Money that left is not said to be the bank's by one person alone, where it is more than that;
 * with what one alone said so of others of that month: many small ones are a large one. */
static bool charge_over_limit(const struct ledger *ledger, const Pledged__V1__BookCharge *command)
{
    const struct state_bank_entry *debit = state_bank_entry(ledger, command->bank_entry);
    if (debit == NULL)
        return false;
    int64_t minor = allocation_free(debit);
    return !charge_sum_alone(ledger, debit, &minor) || over_limit(ledger, minor, debit->currency);
}

static Pledged__V1__CommandClass class_of_waiver(const struct ledger *ledger,
                                                 const struct state_waiver *waiver)
{
    const struct state_pledge *pledge = &ledger->pledge[waiver->pledge];
    int64_t accepted[2];
    if (waiver->kind == 0)
        return CLASS(WRITE_OFF);
    waiver_sums(ledger, pledge, accepted);
    return over_limit(ledger, accepted[1], pledge->currency) ? CLASS(DIFFERENCE)
                                                             : CLASS(UNSPECIFIED);
}

static Pledged__V1__CommandClass class_of_deed(const struct ledger *ledger,
                                               const struct state_deed *deed)
{
    return deed->fact == FACT(CHARGE_BOOKED) &&
                   (!deed->alone ||
                    over_limit(ledger, deed->quantity, ledger->bank_entry[deed->of].currency))
               ? CLASS(DIFFERENCE)
               : CLASS(UNSPECIFIED);
}

/* What took a second person is not undone by one alone. */
static Pledged__V1__CommandClass class_of_reversal(const struct ledger *ledger, uint64_t seq)
{
    if (period_of_reversal(ledger, seq))
        return CLASS(PERIOD);
    const uint32_t *found = pl_map_get(&ledger->reversible, &seq);
    if (found == NULL)
        return CLASS(UNSPECIFIED);
    uint32_t index = state_reversible_index(*found);
    switch (state_reversible_kind(*found)) {
    case STATE_REVERSIBLE_WAIVER:
        return class_of_waiver(ledger, &ledger->waiver[index]);
    case STATE_REVERSIBLE_DEED:
        return class_of_deed(ledger, &ledger->deed[index]);
    case STATE_REVERSIBLE_ALLOCATION:
    case STATE_REVERSIBLE_ENTRY:
        break;
    }
    return CLASS(UNSPECIFIED);
}

Pledged__V1__CommandClass proposal_class_of(const struct ledger *ledger,
                                            const Pledged__V1__Command *command)
{
    switch ((int)command->command_case) {
    case COMMAND(ADOPT_CATALOGUE):
        return CLASS(CATALOGUE);
    case COMMAND(COMMIT):
    case COMMAND(AMEND_PLEDGE):
        return CLASS(COMMIT);
    case COMMAND(SET_SCHEDULE):
        return class_of_terms(ledger, command->set_schedule->pledge);
    case COMMAND(CHANGE_TIER):
        return class_of_terms(ledger, command->change_tier->pledge);
    case COMMAND(CANCEL):
        return CLASS(CANCEL);
    case COMMAND(CLOSE_PERIOD):
    case COMMAND(REOPEN_PERIOD):
        return CLASS(PERIOD);
    case COMMAND(REVERSE):
        return class_of_reversal(ledger, command->reverse->seq);
    case COMMAND(AMEND_CONTRIBUTOR):
        return signature_waits(ledger, 0, pl_id_parse(command->amend_contributor->contributor, 'C'))
                   ? CLASS(COMMIT)
                   : CLASS(UNSPECIFIED);
    case COMMAND(ERASE_CONTACT):
        return CLASS(ERASE);
    case COMMAND(REFUND):
    case COMMAND(CANCEL_REFUND):
        return CLASS(REFUND);
    case COMMAND(WRITE_OFF):
        return CLASS(WRITE_OFF);
    case COMMAND(ACCEPT_DIFFERENCE):
        return difference_over_limit(ledger, command->accept_difference) ? CLASS(DIFFERENCE)
                                                                         : CLASS(UNSPECIFIED);
    case COMMAND(BOOK_CHARGE):
        return charge_over_limit(ledger, command->book_charge) ? CLASS(DIFFERENCE)
                                                               : CLASS(UNSPECIFIED);
    case COMMAND(REALLOCATE):
    case COMMAND(CONVERT):
        return CLASS(SURPLUS);
    case COMMAND(EXTEND):
        return extended(ledger, command->extend->pledge) ? CLASS(EXTENSION) : CLASS(UNSPECIFIED);
    default:
        return CLASS(UNSPECIFIED);
    }
}

/* The command without who says it, why and when, packed. Which checkpoint a closing names is no
 * part of what is wanted. */
static struct pl_slice body_of(const Pledged__V1__Command *command, struct pl_arena *arena)
{
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(
        &pledged__v1__command__descriptor, (unsigned)command->command_case);
    ProtobufCMessage *body = NULL;
    PL_ASSERT(field != NULL);
    memcpy(&body, (const char *)command + field->offset, sizeof(body));
    if (command->command_case != COMMAND(CLOSE_PERIOD))
        return pl_pack(body, arena);
    Pledged__V1__ClosePeriod closing = *command->close_period;
    closing.head_size = 0;
    closing.head_root = (ProtobufCBinaryData){0, NULL};
    return pl_pack(&closing.base, arena);
}

static bool is_similar(const struct state_proposal *proposal, struct pl_slice body,
                       struct pl_arena *arena)
{
    ProtobufCMessage *message = NULL;
    pl_arena_reset(arena);
    struct pl_status status =
        pl_unpack_trusted(&pledged__v1__command__descriptor,
                          pl_slice(proposal->bytes, proposal->len), arena, &message);
    PL_ASSERT(pl_is_ok(status)); /* it was unpacked before */
    return pl_slice_eq(body_of((const Pledged__V1__Command *)message, arena), body);
}

/* The newest proposal of the same that waits; NULL: none among the last ones that might be. */
static const struct state_proposal *find_similar(const struct maker *maker, uint32_t pledge)
{
    enum { LOOKS_MAX = 100 };
    struct pl_arena mine PL_CLEANUP(pl_arena_fini), theirs PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&mine, COMMAND_ARENA_BYTES);
    pl_arena_init(&theirs, COMMAND_ARENA_BYTES);
    struct pl_slice body = body_of(maker->command, &mine);
    int looks = 0;
    for (size_t i = maker->ledger->proposal_count; i > 0 && looks < LOOKS_MAX; i--) {
        const struct state_proposal *proposal = &maker->ledger->proposal[i - 1];
        if (proposal->state != OPEN || proposal->command != maker->command->command_case ||
            proposal->pledge != pledge)
            continue;
        if (is_similar(proposal, body, &theirs))
            return proposal;
        looks++;
    }
    return NULL;
}

/* In the place of what was decided; nothing of that remains. */
static void propose(struct maker *maker, Pledged__V1__CommandClass class)
{
    const struct ledger *ledger = maker->ledger;
    /* a payment that is taken back is meant for the pledge of its last entry; those before undo
     * what it pays for besides */
    size_t about =
        maker->command->command_case == COMMAND(REVERSE) ? maker->out->entry_count - 1 : 0;
    const struct state_pledge *pledge =
        state_pledge(ledger, apply_pledge_of(maker->out->entry[about]));
    if (ledger->proposal_open >= LEDGER_PROPOSALS_OPEN_MAX ||
        maker->command_bytes.len > LEDGER_PROPOSALS_OPEN_BYTES_MAX - ledger->proposal_open_bytes) {
        maker_refuse(maker, REASON(TOO_BIG), "", 0, pledge);
        maker_say(maker, "why", "too many proposals wait");
        return;
    }
    int64_t ttl_s = ledger->policy.proposal_ttl_s;
    maker->out->entry_count = 0;
    Pledged__V1__Entry *entry = maker_entry(maker, pledge != NULL ? pledge->last_seq : 0);
    Pledged__V1__Proposed *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__proposed__init(fact);
    fact->class_ = class;
    fact->expires_us = entry->time_us + (ttl_s != 0 ? ttl_s : TTL_DEFAULT_S) * 1000000;
    entry->fact_case = FACT(PROPOSED);
    entry->proposed = fact;
    struct meant meant = meant_by(ledger, maker->command);
    if (meant.currency >= 0)
        fact->amount = maker_money(maker, meant.minor, meant.currency);
    Pledged__V1__Outcome *outcome = maker_outcome(maker);
    outcome->proposal_seq = entry->seq;
    outcome->expires_us = fact->expires_us;
    const struct state_proposal *same =
        find_similar(maker, pledge != NULL ? (uint32_t)(pledge - ledger->pledge) : STATE_NONE);
    if (same != NULL)
        maker_warn(maker, WARNING(PROPOSAL_SIMILAR), same->seq);
    if (pledge == NULL)
        return;
    fact->pledge = maker_id(maker, 'P', (uint64_t)(pledge - ledger->pledge) + 1);
    outcome->pledge = fact->pledge;
    outcome->contributor = maker_id(maker, 'C', (uint64_t)pledge->contributor + 1);
    outcome->stage = (Pledged__V1__Stage)pledge->stage;
}

void proposal_settle(struct maker *maker)
{
    Pledged__V1__CommandClass class = maker->class != CLASS(UNSPECIFIED)
                                          ? maker->class
                                          : proposal_class_of(maker->ledger, maker->command);
    if (maker->out->answer != LEDGER_ACCEPTED || class == CLASS(UNSPECIFIED))
        return;
    if (proposal_needs(maker->ledger, class))
        propose(maker, class);
    else
        maker_warn(maker, WARNING(FOUR_EYES_OFF), 0);
}

/* --- deciding one --- */

/* The proposal that a command names, open, or a refusal. */
static const struct state_proposal *find(struct maker *maker, uint64_t seq, const char *field)
{
    static const char *const words[] = {[OPEN] = "expired", /* due, and not recorded yet */
                                        [APPROVED] = "approved",
                                        [REJECTED] = "rejected",
                                        [EXPIRED] = "expired"};
    const struct ledger *ledger = maker->ledger;
    const struct state_proposal *proposal = state_proposal(ledger, seq);
    if (proposal == NULL) {
        maker_refuse(maker, REASON(PROPOSAL_UNKNOWN), field, 0, NULL);
        maker_arg_number(maker, "seq", (int64_t)seq);
        return NULL;
    }
    if (proposal->pledge != STATE_NONE)
        maker->about = &ledger->pledge[proposal->pledge];
    if (proposal->state == OPEN && proposal->expires_us > maker_time(maker))
        return proposal;
    maker_refuse(maker, REASON(PROPOSAL_CLOSED), field, proposal->closed_seq, NULL);
    maker_arg_number(maker, "seq", (int64_t)seq);
    maker_arg(maker, "state", words[proposal->state]);
    return NULL;
}

static bool is_maker(const struct maker *maker, const struct state_proposal *proposal)
{
    return strcmp(maker->ledger->text + proposal->maker, maker->request->actor.person) == 0;
}

/* Persons have the names that the roster gives them: who is called otherwise since is known by the
 * certificate. */
static bool is_its_certificate(const struct ledger *ledger, const struct state_proposal *proposal,
                               const char *identity, const char *issuer)
{
    return identity[0] != '\0' && strcmp(ledger->text + proposal->identity, identity) == 0 &&
           strcmp(ledger->text + proposal->issuer, issuer) == 0;
}

static void refuse_maker(struct maker *maker, const struct state_proposal *proposal)
{
    maker_refuse(maker, REASON(SAME_PERSON), "approve.seq", proposal->seq, NULL);
    maker_arg(maker, "person", maker->request->actor.person);
    if (!is_maker(maker, proposal))
        maker_say(maker, "why", "the same certificate proposed it, under another name");
}

bool proposal_open(struct maker *maker)
{
    const struct state_proposal *proposal =
        find(maker, maker->request->command->approve->seq, "approve.seq");
    if (proposal == NULL)
        return false;
    const struct ledger_actor *actor = &maker->request->actor;
    if (is_maker(maker, proposal) ||
        is_its_certificate(maker->ledger, proposal, actor->identity, actor->issuer)) {
        refuse_maker(maker, proposal);
        return false;
    }
    ProtobufCMessage *parsed = NULL;
    struct pl_status status =
        pl_unpack_trusted(&pledged__v1__command__descriptor,
                          pl_slice(proposal->bytes, proposal->len), maker->arena, &parsed);
    PL_ASSERT(pl_is_ok(status)); /* it was unpacked before, and the arena is as large as it takes */
    maker->command = (const Pledged__V1__Command *)parsed;
    maker->command_bytes = pl_slice(proposal->bytes, proposal->len);
    maker->proposal = proposal;
    maker->about = NULL;
    return true;
}

/* Kept where it was kept; what waits from before has no amount, and its rest may have grown. */
static bool is_as_shown(const struct state_proposal *proposal, struct meant now)
{
    return proposal->currency == STATE_AMOUNT_NOT_KEPT
               ? !now.is_rest
               : meant_is(now, proposal->amount, proposal->currency);
}

/* "All that is left" may be another amount by now than the second person was shown: one alone can
 * see to that, and so can two who agree on something else. */
void proposal_confirm(struct maker *maker)
{
    const struct state_proposal *proposal = maker->proposal;
    struct meant now = meant_by(maker->ledger, maker->command);
    if (maker->out->answer != LEDGER_ACCEPTED || is_as_shown(proposal, now))
        return;
    if (proposal->pledge != STATE_NONE)
        maker->about = &maker->ledger->pledge[proposal->pledge];
    maker_refuse(maker, REASON(AMOUNT_CHANGED), "approve.seq", proposal->seq, NULL);
    if (proposal->currency >= 0) {
        maker_arg_number(maker, "proposed_minor", proposal->amount);
        maker_arg(maker, "currency", pl_currency_code(proposal->currency));
    }
    if (proposal->currency == now.currency)
        maker_arg_number(maker, "now_minor", now.minor);
}

/* Who proposed it may take it back; else it takes an approver. */
void proposal_decide(struct maker *maker)
{
    const struct state_proposal *proposal = find(maker, maker->command->reject->seq, "reject.seq");
    if (proposal == NULL)
        return;
    if (!is_maker(maker, proposal) &&
        maker->request->actor.role != PLEDGED__V1__ROLE__ROLE_APPROVER) {
        maker_refuse(maker, REASON(PERMISSION_DENIED), "reject.seq", proposal->seq, NULL);
        return;
    }
    const struct state_pledge *pledge = maker->about;
    Pledged__V1__Entry *entry = maker_entry(maker, pledge != NULL ? pledge->last_seq : 0);
    Pledged__V1__ProposalRejected *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__proposal_rejected__init(fact);
    fact->proposal_seq = proposal->seq;
    if (pledge != NULL)
        fact->pledge = maker_id(maker, 'P', (uint64_t)(pledge - maker->ledger->pledge) + 1);
    entry->fact_case = FACT(PROPOSAL_REJECTED);
    entry->proposal_rejected = fact;
    maker_outcome(maker)->pledge = fact->pledge;
}

void proposal_expire(struct maker *maker)
{
    const struct ledger *ledger = maker->ledger;
    PL_ASSERT(ledger->proposal_due != SIZE_MAX);
    const struct state_proposal *proposal = &ledger->proposal[ledger->proposal_due];
    const struct state_pledge *pledge =
        proposal->pledge == STATE_NONE ? NULL : &ledger->pledge[proposal->pledge];
    Pledged__V1__Entry *entry = maker_entry(maker, pledge != NULL ? pledge->last_seq : 0);
    Pledged__V1__ProposalExpired *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__proposal_expired__init(fact);
    fact->proposal_seq = proposal->seq;
    if (pledge != NULL)
        fact->pledge = maker_id(maker, 'P', (uint64_t)proposal->pledge + 1);
    entry->fact_case = FACT(PROPOSAL_EXPIRED);
    entry->proposal_expired = fact;
    entry->cause_seq = proposal->seq;
}

/* --- replay --- */

/* Its approval will decide it, so it has to be one that could have been decided. */
static struct pl_status check_command(const struct ledger *ledger, struct pl_slice bytes,
                                      const Pledged__V1__Money *amount)
{
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    ProtobufCMessage *message = NULL;
    pl_arena_init(&arena, COMMAND_ARENA_BYTES);
    PL_TRY(pl_unpack_known(&pledged__v1__command__descriptor, bytes, &arena, &message));
    const Pledged__V1__Command *command = (const Pledged__V1__Command *)message;
    NEED(command->command_case != COMMAND(APPROVE) && command->command_case != COMMAND(REJECT) &&
             ledger_validate_by(ledger->policy.message->rules, command, &arena) == NULL,
         "a proposal of what cannot be decided");
    struct meant meant = meant_by(ledger, command);
    NEED(!state_rules(ledger, 7) ||
             (meant.currency < 0 ? amount == NULL
                                 : state_money_is(amount, meant.minor, meant.currency)),
         "a proposal of another amount than is left");
    return pl_ok();
}

static struct pl_status check_proposed(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__Proposed *fact = entry->proposed;
    NEED(class_known(fact->class_) && proposal_needs(ledger, fact->class_),
         "a proposal of what needs no second person");
    NEED(entry->command.len != 0 && entry->actor->person[0] != '\0' && entry->proposal_seq == 0,
         "a proposal without a command");
    PL_TRY(check_command(ledger, pl_slice(entry->command.data, entry->command.len), fact->amount));
    NEED(fact->expires_us > entry->time_us, "a proposal that begins expired");
    NEED(fact->pledge[0] == '\0' || state_pledge(ledger, fact->pledge) != NULL,
         "a proposal about an unknown pledge");
    NEED(ledger->proposal_open < LEDGER_PROPOSALS_OPEN_MAX &&
             entry->command.len <= LEDGER_PROPOSALS_OPEN_BYTES_MAX - ledger->proposal_open_bytes,
         "more proposals than may wait");
    return pl_ok();
}

static struct pl_status check_ends(const struct ledger *ledger, uint64_t seq, const char *pledge)
{
    const struct state_proposal *proposal = state_proposal(ledger, seq);
    NEED(proposal != NULL && proposal->state == OPEN, "an end of a proposal that is not open");
    NEED(proposal->pledge == STATE_NONE
             ? pledge[0] == '\0'
             : pl_id_parse(pledge, 'P') == (uint64_t)proposal->pledge + 1,
         "an end of a proposal about another pledge");
    return pl_ok();
}

struct pl_status proposal_check(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    if (entry->fact_case == FACT(PROPOSED))
        return check_proposed(ledger, entry);
    if (entry->fact_case == FACT(PROPOSAL_REJECTED))
        return check_ends(ledger, entry->proposal_rejected->proposal_seq,
                          entry->proposal_rejected->pledge);
    PL_TRY(
        check_ends(ledger, entry->proposal_expired->proposal_seq, entry->proposal_expired->pledge));
    NEED(state_proposal(ledger, entry->proposal_expired->proposal_seq)->expires_us <=
             entry->time_us,
         "an expiry of a proposal that is not due");
    return pl_ok();
}

static void add_row(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__Proposed *fact = entry->proposed;
    const struct state_pledge *pledge = state_pledge(ledger, fact->pledge);
    Pledged__V1__Command *command =
        pledged__v1__command__unpack(NULL, entry->command.len, entry->command.data);
    struct state_proposal row = {
        .seq = entry->seq,
        .time_us = entry->time_us,
        .expires_us = fact->expires_us,
        .amount = fact->amount != NULL ? fact->amount->minor : 0,
        .currency = fact->amount != NULL     ? (int16_t)pl_currency_index(fact->amount->currency)
                    : state_rules(ledger, 7) ? STATE_SAYS_IT_ITSELF
                                             : STATE_AMOUNT_NOT_KEPT,
        .bytes = calloc(1, entry->command.len + 1),
        .len = (uint32_t)entry->command.len,
        .maker = state_add_text(ledger, entry->actor->person),
        .identity = state_add_text(ledger, entry->actor->identity),
        .issuer = state_add_text(ledger, entry->actor->issuer),
        .pledge = pledge == NULL ? STATE_NONE : (uint32_t)(pledge - ledger->pledge),
        .command = command == NULL ? 0 : (uint16_t)command->command_case,
        .class = (uint8_t)fact->class_,
        .state = OPEN,
    };
    PL_ASSERT(row.bytes != NULL);
    if (command != NULL)
        pledged__v1__command__free_unpacked(command, NULL);
    memcpy(row.bytes, entry->command.data, entry->command.len);
    bool fine = proposal_add(ledger, &row);
    PL_ASSERT(fine);
}

void proposal_apply(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    if (entry->fact_case == FACT(PROPOSED))
        add_row(ledger, entry);
    else if (entry->fact_case == FACT(PROPOSAL_REJECTED))
        close_row(ledger, state_proposal(ledger, entry->proposal_rejected->proposal_seq), REJECTED,
                  entry->seq);
    else
        close_row(ledger, state_proposal(ledger, entry->proposal_expired->proposal_seq), EXPIRED,
                  entry->seq);
}

/* Who approves it signs for what they were shown. */
static struct pl_status check_amount(const struct ledger *ledger,
                                     const struct state_proposal *proposal)
{
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    ProtobufCMessage *message = NULL;
    pl_arena_init(&arena, COMMAND_ARENA_BYTES);
    PL_TRY(pl_unpack_trusted(&pledged__v1__command__descriptor,
                             pl_slice(proposal->bytes, proposal->len), &arena, &message));
    struct meant now = meant_by(ledger, (const Pledged__V1__Command *)message);
    NEED(is_as_shown(proposal, now), "an entry carries out a proposal of another amount");
    return pl_ok();
}

/* I4: maker is not checker. */
struct pl_status proposal_check_carried(const struct ledger *ledger,
                                        const Pledged__V1__Entry *entry)
{
    if (entry->proposal_seq == 0) {
        NEED(entry->maker[0] == '\0', "a maker without a proposal");
        return pl_ok();
    }
    const struct state_proposal *proposal = state_proposal(ledger, entry->proposal_seq);
    NEED(proposal != NULL, "an entry carries out a proposal that is not there");
    NEED(strcmp(ledger->text + proposal->maker, entry->maker) == 0,
         "an entry carries out a proposal of another person");
    NEED(strcmp(entry->maker, entry->actor->person) != 0,
         "who proposed it has approved it"); /* I4 */
    NEED(!state_rules(ledger, 12) ||
             !is_its_certificate(ledger, proposal, entry->actor->identity, entry->actor->issuer),
         "who proposed it has approved it");
    if (entry->command.len != 0)
        NEED(proposal->state == OPEN && proposal->expires_us > entry->time_us,
             "an entry carries out a proposal that is not open");
    else
        NEED(proposal->state == APPROVED && proposal->closed_seq == entry->cause_seq,
             "an entry carries out a proposal that its command does not");
    return entry->command.len != 0 && state_rules(ledger, 7) ? check_amount(ledger, proposal)
                                                             : pl_ok();
}

void proposal_carried(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    if (entry->proposal_seq != 0 && entry->command.len != 0)
        close_row(ledger, state_proposal(ledger, entry->proposal_seq), APPROVED, entry->seq);
}
