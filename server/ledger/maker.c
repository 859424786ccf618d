/* SPDX-License-Identifier: Apache-2.0
 *
 * maker: puts a decision together: entries with everything in the right place, or a refusal.
 * Happy path: maker_entry, then the fact, then the outcome. Failure: the arena running out is a
 * bug here, because ledger_decide looked that there is room for the largest decision.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/ids.h"
#include "common/money.h"
#include "server/ledger/change.h"
#include "server/ledger/period.h"

enum { ARGS_MAX = 8, WARNINGS_MAX = 8 };

void *maker_alloc(struct maker *maker, size_t size)
{
    void *place = pl_arena_alloc(maker->arena, size);
    PL_ASSERT(place != NULL);
    return place;
}

void *maker_take(struct maker *maker, size_t size)
{
    void *place = pl_arena_take(maker->arena, size);
    PL_ASSERT(place != NULL);
    return place;
}

static char *keep(struct maker *maker, const char *text)
{
    char *copy = pl_arena_strdup(maker->arena, text);
    PL_ASSERT(copy != NULL);
    return copy;
}

char *maker_id(struct maker *maker, char prefix, uint64_t number)
{
    char id[24];
    return keep(maker, pl_id_format(prefix, number, id));
}

Pledged__V1__Money *maker_money(struct maker *maker, int64_t minor, int currency)
{
    Pledged__V1__Money *money = maker_take(maker, sizeof(*money));
    pledged__v1__money__init(money);
    money->minor = minor;
    money->currency = (char *)(uintptr_t)pl_currency_code(currency);
    return money;
}

int64_t maker_time(const struct maker *maker)
{
    int64_t least = maker->ledger->last_time_us + 1 + (int64_t)maker->out->entry_count;
    int64_t now = maker->now_us + (int64_t)maker->out->entry_count;
    return now > least ? now : least;
}

int32_t maker_day(const struct maker *maker)
{
    int32_t days;
    if (maker->command != NULL && maker->command->effective_date[0] != '\0' &&
        pl_is_ok(pl_date_parse(maker->command->effective_date, &days)))
        return days;
    return state_day(maker->ledger, maker_time(maker));
}

static Pledged__V1__Actor *actor(struct maker *maker)
{
    if (maker->out->entry_count != 0)
        return maker->out->entry[0]->actor;
    Pledged__V1__Actor *made = maker_take(maker, sizeof(*made));
    pledged__v1__actor__init(made);
    if (maker->request == NULL) {
        made->person = (char *)(uintptr_t) "pledged";
        made->role = PLEDGED__V1__ROLE__ROLE_DAEMON;
        return made;
    }
    made->person = (char *)(uintptr_t)maker->request->actor.person; /* the request outlives it */
    made->role = maker->request->actor.role;
    made->identity = (char *)(uintptr_t)maker->request->actor.identity;
    made->issuer = (char *)(uintptr_t)maker->request->actor.issuer;
    return made;
}

/* Only an import may be larger than an entry. */
static bool goes_on(const struct ledger_request *request)
{
    return request->command->command_case == COMMAND(IMPORT_STATEMENT) &&
           request->bytes.len > LEDGER_COMMAND_PART_BYTES;
}

static void add_command(struct maker *maker, Pledged__V1__Entry *entry)
{
    const struct ledger_request *request = maker->request;
    entry->request_id = request->command->request_id;
    entry->effective_date = maker->command->effective_date;
    if (maker->proposal != NULL) {
        entry->proposal_seq = maker->proposal->seq;
        entry->maker = keep(maker, maker->ledger->text + maker->proposal->maker);
    }
    if (maker->out->entry_count != 0)
        return; /* the first entry of the command has the rest */
    entry->command.len = request->bytes.len;
    if (goes_on(request)) {
        entry->command.len = LEDGER_COMMAND_PART_BYTES;
        entry->command_bytes = (uint32_t)request->bytes.len;
    }
    entry->command.data = (uint8_t *)(uintptr_t)request->bytes.data;
    entry->command_digest.len = sizeof(request->digest);
    entry->command_digest.data = (uint8_t *)(uintptr_t)request->digest;
    entry->outcome = maker_take(maker, sizeof(*entry->outcome));
    pledged__v1__outcome__init(entry->outcome);
}

static void make_room(struct maker *maker)
{
    struct ledger_decision *out = maker->out;
    if (out->entry_count < out->entry_cap)
        return;
    size_t cap = out->entry_cap != 0 ? 2 * out->entry_cap : LEDGER_ENTRIES_PER_COMMAND_MAX;
    Pledged__V1__Entry **more = maker_take(maker, cap * sizeof(Pledged__V1__Entry *));
    if (out->entry_count != 0)
        memcpy(more, out->entry, out->entry_count * sizeof(Pledged__V1__Entry *));
    out->entry = more;
    out->entry_cap = cap;
}

static Pledged__V1__Entry *add_entry(struct maker *maker, uint64_t prev_seq)
{
    struct ledger_decision *out = maker->out;
    make_room(maker);
    Pledged__V1__Entry *entry = maker_take(maker, sizeof(*entry));
    pledged__v1__entry__init(entry);
    entry->seq = maker->ledger->size + 1 + maker->out->entry_count;
    entry->time_us = maker_time(maker);
    entry->actor = actor(maker);
    entry->prev_seq = prev_seq;
    if (maker->request != NULL)
        add_command(maker, entry);
    if (out->entry_count != 0)
        entry->cause_seq = out->entry[0]->seq;
    out->answer = LEDGER_ACCEPTED;
    /* what the daemon does by itself has no day but that of its time */
    int32_t day = maker->request != NULL ? maker_day(maker) : pl_date_of_us(entry->time_us);
    out->entry[out->entry_count++] = entry;
    if (maker->request != NULL && entry->effective_date[0] == '\0' &&
        day != pl_date_of_us(entry->time_us)) {
        char text[11]; /* who reads it takes none for the day in UTC */
        entry->effective_date = keep(maker, pl_date_format(day, text));
    }
    maker_dated(maker, entry, day);
    return entry;
}

/* The bytes of the command that its first entry has no room for. */
static void continue_command(struct maker *maker)
{
    struct pl_slice bytes = maker->request->bytes;
    for (size_t at = LEDGER_COMMAND_PART_BYTES; at < bytes.len; at += LEDGER_COMMAND_PART_BYTES) {
        size_t left = bytes.len - at;
        Pledged__V1__Entry *entry = add_entry(maker, 0);
        Pledged__V1__CommandContinued *fact = maker_alloc(maker, sizeof(*fact));
        pledged__v1__command_continued__init(fact);
        fact->bytes.len = left < LEDGER_COMMAND_PART_BYTES ? left : LEDGER_COMMAND_PART_BYTES;
        fact->bytes.data = (uint8_t *)(uintptr_t)bytes.data + at;
        entry->fact_case = FACT(COMMAND_CONTINUED);
        entry->command_continued = fact;
    }
}

Pledged__V1__Entry *maker_entry(struct maker *maker, uint64_t prev_seq)
{
    bool first = maker->out->entry_count == 0;
    Pledged__V1__Entry *entry = add_entry(maker, prev_seq);
    if (first && maker->request != NULL && goes_on(maker->request))
        continue_command(maker);
    return entry;
}

void maker_dated(struct maker *maker, Pledged__V1__Entry *entry, int32_t day)
{
    char text[11];
    if (period_is_closed(maker->ledger, day))
        entry->posting_date = keep(maker, period_posting(maker->ledger, day, text));
    else
        entry->posting_date = (char *)(uintptr_t)protobuf_c_empty_string;
}

uint64_t maker_prev(const struct maker *maker, uint32_t pledge)
{
    for (size_t i = maker->out->entry_count; i > 0; i--) {
        const Pledged__V1__Entry *made = maker->out->entry[i - 1];
        if (pl_id_parse(apply_pledge_of(made), 'P') == (uint64_t)pledge + 1)
            return made->seq;
    }
    return pledge < maker->ledger->pledge_count ? maker->ledger->pledge[pledge].last_seq : 0;
}

/* --- outcome --- */

Pledged__V1__Outcome *maker_outcome(struct maker *maker)
{
    Pledged__V1__Entry *first = maker->out->entry[0];
    PL_ASSERT(maker->out->entry_count != 0);
    if (first->outcome == NULL) {
        first->outcome = maker_alloc(maker, sizeof(*first->outcome));
        pledged__v1__outcome__init(first->outcome);
    }
    return first->outcome;
}

void maker_warn(struct maker *maker, Pledged__V1__WarningKind kind, uint64_t seq)
{
    Pledged__V1__Outcome *outcome = maker_outcome(maker);
    if (outcome->warning == NULL)
        outcome->warning = maker_alloc(maker, WARNINGS_MAX * sizeof(*outcome->warning));
    PL_ASSERT(outcome->n_warning < WARNINGS_MAX);
    Pledged__V1__Warning *warning = maker_take(maker, sizeof(*warning));
    pledged__v1__warning__init(warning);
    warning->kind = kind;
    warning->seq = seq;
    outcome->warning[outcome->n_warning++] = warning;
}

void maker_remaining(struct maker *maker, const struct state_tier *tier, int64_t taken_change)
{
    Pledged__V1__Outcome *outcome = maker_outcome(maker);
    Pledged__V1__Count *remaining = maker_take(maker, sizeof(*remaining));
    pledged__v1__count__init(remaining);
    if (tier->capacity < 0) {
        remaining->value_case = PLEDGED__V1__COUNT__VALUE_UNLIMITED;
        remaining->unlimited = true;
    } else {
        remaining->value_case = PLEDGED__V1__COUNT__VALUE_COUNT;
        remaining->count = tier->capacity - (int64_t)state_tier_taken(tier) - taken_change;
    }
    outcome->tier = (char *)(uintptr_t)tier->code;
    outcome->remaining = remaining;
}

/* --- refusals --- */

/* One row a reason that a decision may give. */
static const char *const reason_messages[] = {
    [REASON(TIER_UNKNOWN)] = "the catalogue has no such tier",
    [REASON(HOLD_TOO_LONG)] = "a hold may not last that long",
    [REASON(AMOUNT_REQUIRED)] = "an amount is needed here",
    [REASON(AMOUNT_NOT_TIER)] = "the amount is below the tier's, or in another currency",
    [REASON(FIELD_INVALID)] = "the value does not fit",
    [REASON(DATE_INVALID)] = "the date does not fit",
    [REASON(AMOUNT_OVERFLOW)] = "the amount is too large",
    [REASON(MONEY_PLAN_MISSING)] = "money was received: say whether to keep, refund or move it",
    [REASON(CONTRIBUTOR_UNKNOWN)] = "there is no such contributor",
    [REASON(CONTACT_UNKNOWN)] = "there is no such person, or no record any more",
    [REASON(PLEDGE_UNKNOWN)] = "there is no such pledge",
    [REASON(ENTRY_UNKNOWN)] = "there is no such entry",
    [REASON(CATALOGUE_UNKNOWN)] = "no catalogue is adopted yet",
    [REASON(PROPOSAL_UNKNOWN)] = "there is no such proposal",
    [REASON(SAME_PERSON)] = "who proposed it cannot approve it: another person has to",
    [REASON(PROPOSAL_CLOSED)] = "the proposal is decided already",
    [REASON(AMOUNT_CHANGED)] = "the proposal was made for another amount: propose it again",
    [REASON(PERMISSION_DENIED)] = "the role does not allow this",
    [REASON(TIER_SOLD_OUT)] = "the tier is sold out",
    [REASON(TIER_NOT_FULL)] = "the tier is not full: hold a slot instead of waiting",
    [REASON(TIER_CLOSED)] = "the offers are closed",
    [REASON(STATE_WRONG)] = "the pledge is not in a stage that allows this",
    [REASON(HAS_SLOT)] = "the contributor already has a slot of this catalogue",
    [REASON(EXTENSIONS_SPENT)] = "the hold was extended as often as allowed",
    [REASON(CAPACITY_BELOW_TAKEN)] = "the capacity would fall below the slots taken",
    [REASON(TIER_IN_USE)] = "a tier with live pledges would disappear",
    [REASON(CATALOGUE_NOT_NEWER)] = "a newer version of this catalogue is needed",
    [REASON(CONTRIBUTOR_DUPLICATE)] = "a contributor of this name exists",
    [REASON(PAYMENT_DUPLICATE)] = "a payment with this bank reference is booked already",
    [REASON(ALREADY_REVERSED)] = "the entry is reversed already",
    [REASON(NOT_REVERSIBLE)] = "an entry of this kind cannot be reversed",
    [REASON(BELOW_ALLOCATED)] = "more than this amount is allocated already",
    [REASON(SAME_TIER)] = "the pledge is in this tier already",
    [REASON(WAITING_AHEAD)] = "others wait for this slot",
    [REASON(SCHEDULE_SUM)] = "the instalments do not add up to the promised amount",
    [REASON(EVIDENCE_MISSING)] = "a document is needed",
    [REASON(BENEFIT_UNKNOWN)] = "the catalogue has no such benefit",
    [REASON(REASON_REQUIRED)] = WORDS("the agreement is not signed yet: a reason is needed"),
    [REASON(NOT_GRANTED)] = "this benefit was not granted",
    [REASON(QUANTITY_SPENT)] = "not so much of this benefit is left",
    [REASON(EXPORTED_ALREADY)] = "this month, or a later one, was exported already",
    [REASON(LEGAL_HOLD)] = "a legal hold is on: nobody of this organisation may be erased now",
    [REASON(ACCOUNT_UNKNOWN)] = "this is not one of the fund's accounts",
    [REASON(STATEMENT_CONFLICT)] = "this contradicts what is in already",
    [REASON(SUM_OVERFLOW)] = "a total of the ledger would leave 64 bits",
    [REASON(TOO_BIG)] = "the ledger holds no more of these",
    [REASON(BANK_ENTRY_UNKNOWN)] = "there is no such bank entry",
    [REASON(ENTRY_SPENT)] = "not so much of this bank entry is free",
    [REASON(PLEDGE_NOT_OPEN)] = "the pledge takes no money: it is not open",
    [REASON(REFUND_UNKNOWN)] = "there is no such refund",
    [REASON(OVER_REFUND)] = "not so much of this bank entry is free to be paid back",
    [REASON(OPEN_ITEMS)] = "something that belongs to the commitment is open",
    [REASON(NOT_DUE)] = "it is not past due yet",
    [REASON(NO_SURPLUS)] = "no free money of a known contributor",
    [REASON(REFUND_STATE)] = "the refund is paid or cancelled already",
    [REASON(OVER_REMAINDER)] = "it is more than is still to be paid",
    [REASON(NUMBER_STALE)] = "the document's number or what it lists is not the next: read again",
    [REASON(NOTHING_RECEIVED)] = "no money came in that has no receipt yet",
    [REASON(RECEIPT_ISSUED)] = "a receipt names this allocation: an approver has to undo it",
    [REASON(PERIOD_UNKNOWN)] = "no such period was closed",
    [REASON(PERIOD_BLOCKED)] = "the period cannot be closed yet",
    [REASON(PERIOD_CLOSED)] = "the period is closed already",
    [REASON(PERIOD_OPEN)] = "the month is not closed yet",
    [REASON(PERIOD_NOT_NEXT)] = "periods are closed in order, and opened in the other order",
    [REASON(RATE_INVALID)] = "this is not a rate of exchange that can be recorded",
    [REASON(RATE_REQUIRED)] =
        "another currency, and no rate of that day: record it, or say what the money counts",
};

const char *reason_message(Pledged__V1__Reason reason)
{
    size_t row = (size_t)reason;
    bool known = row < PL_COUNT(reason_messages) && reason_messages[row] != NULL;
    return known ? reason_messages[row] : "refused";
}

void maker_class(struct maker *maker, Pledged__V1__CommandClass class)
{
    maker->class = class;
}

void maker_refuse(struct maker *maker, Pledged__V1__Reason reason, const char *field,
                  uint64_t deciding_seq, const struct state_pledge *pledge)
{
    struct ledger_decision *out = maker->out;
    PL_ASSERT(maker->request != NULL);
    pledge = pledge != NULL ? pledge : maker->about;
    out->entry_count = 0; /* whatever was begun is dropped: all or nothing */
    Pledged__V1__Entry *entry = maker_entry(maker, pledge != NULL ? pledge->last_seq : 0);
    Pledged__V1__CommandRefused *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__command_refused__init(fact);
    entry->proposal_seq = 0; /* a refusal carries nothing out */
    entry->maker = (char *)(uintptr_t)protobuf_c_empty_string;
    fact->reason = reason;
    fact->field = keep(maker, field);
    fact->deciding_seq = deciding_seq;
    if (pledge != NULL)
        fact->pledge = maker_id(maker, 'P', (uint64_t)(pledge - maker->ledger->pledge) + 1);
    fact->arg = maker_alloc(maker, ARGS_MAX * sizeof(*fact->arg));
    entry->fact_case = FACT(COMMAND_REFUSED);
    entry->command_refused = fact;
    out->answer = LEDGER_REFUSED;
    out->code = ledger_reason_code(reason);
    Pledged__V1__Receipt *none = NULL;
    ledger_receipt(entry, false, maker->arena, &none, &out->refusal);
}

void maker_arg(struct maker *maker, const char *name, const char *value)
{
    Pledged__V1__CommandRefused *fact = maker->out->entry[0]->command_refused;
    PL_ASSERT(fact->n_arg < ARGS_MAX);
    Pledged__V1__Arg *arg = maker_alloc(maker, sizeof(*arg));
    pledged__v1__arg__init(arg);
    arg->name = (char *)(uintptr_t)name;
    arg->value = keep(maker, value);
    fact->arg[fact->n_arg++] = arg;
    Pledged__V1__Receipt *none = NULL;
    ledger_receipt(maker->out->entry[0], false, maker->arena, &none, &maker->out->refusal);
}

void maker_say(struct maker *maker, const char *name, const char *sentence)
{
    maker_arg(maker, name, sentence);
}

void maker_refuse_currency(struct maker *maker, const char *field, uint64_t deciding_seq,
                           const struct state_pledge *pledge, int needed)
{
    maker_refuse(maker, REASON(FIELD_INVALID), field, deciding_seq, pledge);
    maker_arg(maker, "currency", pl_currency_code(needed));
    maker_say(maker, "why", "the amount is in another currency");
}

void maker_arg_number(struct maker *maker, const char *name, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRId64, value);
    maker_arg(maker, name, text);
}
