/* SPDX-License-Identifier: Apache-2.0
 *
 * fixture: a ledger with a small catalogue, and one-line ways to give it commands. Every accepted
 * or refused command goes the whole way: validate, decide, pack, unpack, check, apply.
 */
#ifndef TEST_LEDGER_FIXTURE_H
#define TEST_LEDGER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off: cmocka needs the ones above first */
#include <cmocka.h>
/* clang-format on */

#include "common/hash.h"
#include "common/money.h"
#include "common/scan.h"
#include "server/ledger/change.h"

#define DAY_US (86400LL * 1000000)

struct world {
    struct ledger *ledger;
    struct pl_arena arena;
    int64_t now_us;
    uint64_t next_request;
    Pledged__V1__Role role;    /* of who acts; 0: clerk */
    struct ledger_actor actor; /* who acts; person NULL: anna, a clerk */
    const char *day;           /* effective date of what is given; NULL: the command says it */
    /* packed entries, for replay */
    struct pl_slice *entry;
    size_t entry_count, entry_cap;
    /* of the last command */
    enum ledger_answer answer;
    Pledged__V1__Receipt *receipt;
    Pledged__V1__Refusal *refusal;
    enum pl_code code;
    size_t made; /* entries */
};

static inline void world_keep(struct world *world, const Pledged__V1__Entry *entry)
{
    if (world->entry_count == world->entry_cap) {
        world->entry_cap = world->entry_cap != 0 ? world->entry_cap * 2 : 64;
        world->entry = reallocarray(world->entry, world->entry_cap, sizeof(*world->entry));
    }
    size_t len = pledged__v1__entry__get_packed_size(entry);
    uint8_t *bytes = malloc(len + 1);
    pledged__v1__entry__pack(entry, bytes);
    world->entry[world->entry_count++] = pl_slice(bytes, len);
}

static inline void world_apply(struct world *world, const struct ledger_decision *decision)
{
    for (size_t i = 0; i < decision->entry_count; i++) {
        ProtobufCMessage *again = NULL;
        world_keep(world, decision->entry[i]);
        assert_true(pl_is_ok(pl_unpack_trusted(&pledged__v1__entry__descriptor,
                                               world->entry[world->entry_count - 1], &world->arena,
                                               &again)));
        struct pl_status status = ledger_check(world->ledger, (Pledged__V1__Entry *)again);
        if (!pl_is_ok(status))
            fail_msg("entry %zu does not pass its own check: %s", world->entry_count, status.what);
        ledger_apply(world->ledger, (Pledged__V1__Entry *)again);
    }
}

/* Gives one command; the result is in the world. */
static inline void give(struct world *world, Pledged__V1__Command *command)
{
    uint8_t id[16] = {0};
    struct ledger_decision decision;
    ProtobufCMessage *parsed = NULL;
    world->receipt = NULL;
    world->refusal = NULL;
    if (world->day != NULL)
        command->effective_date = (char *)(uintptr_t)world->day;
    if (command->request_id.len == 0) {
        world->next_request++;
        memcpy(id, &world->next_request, sizeof(world->next_request));
        command->request_id = (ProtobufCBinaryData){16, id};
    }
    struct pl_slice bytes = pl_pack(&command->base, &world->arena);
    assert_true(pl_is_ok(
        pl_unpack_trusted(&pledged__v1__command__descriptor, bytes, &world->arena, &parsed)));
    world->refusal = ledger_validate((Pledged__V1__Command *)parsed, &world->arena);
    world->made = 0;
    if (world->refusal != NULL) {
        world->answer = LEDGER_INVALID;
        world->code = ledger_reason_code(world->refusal->reason);
        return;
    }
    struct ledger_request request = {
        .command = (Pledged__V1__Command *)parsed,
        .bytes = bytes,
        .actor = world->actor.person != NULL
                     ? world->actor
                     : (struct ledger_actor){"anna",
                                             world->role != 0 ? world->role
                                                              : PLEDGED__V1__ROLE__ROLE_CLERK,
                                             "uri:x", "CN=ca"},
        .now_us = world->now_us};
    pl_sha256(bytes, request.digest);
    ledger_decide(world->ledger, &request, &world->arena, &decision);
    world->answer = decision.answer;
    world->code = decision.code;
    world->made = decision.entry_count;
    ledger_receipt(decision.entry[0], false, &world->arena, &world->receipt, &world->refusal);
    world_apply(world, &decision);
    world->now_us += 1000;
}

/* Lets time pass; expiries and promotions are recorded. */
static inline void pass(struct world *world, int64_t us)
{
    struct ledger_decision decision;
    world->now_us += us;
    for (int i = 0; i < 100000; i++) {
        ledger_decide_due(world->ledger, world->now_us, &world->arena, &decision);
        if (decision.answer == LEDGER_NOTHING)
            return;
        world_apply(world, &decision);
    }
    fail_msg("expiry does not end");
}

/* --- a catalogue: top (1 slot), duo (2 slots), many (no limit), ask (on request) --- */

static inline Pledged__V1__Text **test_text(struct pl_arena *arena, const char *text)
{
    Pledged__V1__Text **list = pl_arena_alloc(arena, sizeof(*list));
    list[0] = pl_arena_alloc(arena, sizeof(**list));
    pledged__v1__text__init(list[0]);
    list[0]->lang = pl_arena_strdup(arena, "fr");
    list[0]->text = pl_arena_strdup(arena, text);
    list[0]->authentic = true;
    return list;
}

static inline Pledged__V1__Tier *test_tier(struct pl_arena *arena, const char *code,
                                           int64_t capacity, int64_t minor)
{
    Pledged__V1__Tier *tier = pl_arena_alloc(arena, sizeof(*tier));
    pledged__v1__tier__init(tier);
    tier->code = pl_arena_strdup(arena, code);
    tier->group = pl_arena_strdup(arena, "all");
    tier->n_label = 1;
    tier->label = test_text(arena, code);
    tier->capacity = pl_arena_alloc(arena, sizeof(*tier->capacity));
    pledged__v1__count__init(tier->capacity);
    tier->capacity->value_case =
        capacity < 0 ? PLEDGED__V1__COUNT__VALUE_UNLIMITED : PLEDGED__V1__COUNT__VALUE_COUNT;
    if (capacity < 0)
        tier->capacity->unlimited = true;
    else
        tier->capacity->count = capacity;
    if (minor == 0) {
        tier->price_case = PLEDGED__V1__TIER__PRICE_ON_REQUEST;
        tier->on_request = true;
    } else {
        tier->price_case = PLEDGED__V1__TIER__PRICE_AMOUNT;
        tier->amount = pl_arena_alloc(arena, sizeof(*tier->amount));
        pledged__v1__money__init(tier->amount);
        tier->amount->minor = minor;
        tier->amount->currency = pl_arena_strdup(arena, "CHF");
    }
    return tier;
}

static inline Pledged__V1__Catalogue *test_catalogue(struct pl_arena *arena, uint32_t version,
                                                     int64_t duo_capacity)
{
    Pledged__V1__Catalogue *c = pl_arena_alloc(arena, sizeof(*c));
    pledged__v1__catalogue__init(c);
    c->code = pl_arena_strdup(arena, "test-2026");
    c->version = version;
    c->n_title = 1;
    c->title = test_text(arena, "essai");
    c->fund = pl_arena_alloc(arena, sizeof(*c->fund));
    pledged__v1__fund__init(c->fund);
    c->fund->currency = pl_arena_strdup(arena, "CHF");
    c->fund->n_name = 1;
    c->fund->name = test_text(arena, "fonds");
    c->n_group = 1;
    c->group = pl_arena_alloc(arena, sizeof(*c->group));
    c->group[0] = pl_arena_alloc(arena, sizeof(**c->group));
    pledged__v1__group__init(c->group[0]);
    c->group[0]->code = pl_arena_strdup(arena, "all");
    c->group[0]->n_label = 1;
    c->group[0]->label = test_text(arena, "tous");
    c->n_tier = 4;
    c->tier = pl_arena_alloc(arena, 4 * sizeof(*c->tier));
    c->tier[0] = test_tier(arena, "top", 1, 25000000);
    c->tier[1] = test_tier(arena, "duo", duo_capacity, 15000000);
    c->tier[2] = test_tier(arena, "many", -1, 5000000);
    c->tier[3] = test_tier(arena, "ask", -1, 0);
    c->policy = pl_arena_alloc(arena, sizeof(*c->policy));
    pledged__v1__catalogue_policy__init(c->policy);
    c->policy->hold_default_s = 14 * 86400;
    c->policy->hold_max_s = 60 * 86400;
    c->policy->hold_extensions_max = 2;
    c->policy->promotion_hold_s = 7 * 86400;
    return c;
}

/* --- commands --- */

#define COMMAND_INIT_(name_)                                                                       \
    Pledged__V1__Command name_ = PLEDGED__V1__COMMAND__INIT;                                       \
    name_.reason = (char *)"a reason"

static inline void adopt(struct world *world, Pledged__V1__Catalogue *catalogue)
{
    COMMAND_INIT_(command);
    Pledged__V1__AdoptCatalogue body = PLEDGED__V1__ADOPT_CATALOGUE__INIT;
    body.catalogue = catalogue;
    command.command_case = COMMAND(ADOPT_CATALOGUE);
    command.adopt_catalogue = &body;
    give(world, &command);
}

static inline void add_contributor(struct world *world, const char *name)
{
    COMMAND_INIT_(command);
    Pledged__V1__AddContributor body = PLEDGED__V1__ADD_CONTRIBUTOR__INIT;
    body.name = (char *)(uintptr_t)name;
    body.kind = PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_GOVERNMENT;
    command.command_case = COMMAND(ADD_CONTRIBUTOR);
    command.add_contributor = &body;
    give(world, &command);
}

static inline void amend_contributor(struct world *world, const char *id, const char *name,
                                     const char *country, const char *membership)
{
    COMMAND_INIT_(command);
    Pledged__V1__AmendContributor body = PLEDGED__V1__AMEND_CONTRIBUTOR__INIT;
    body.contributor = (char *)(uintptr_t)id;
    body.name = (char *)(uintptr_t)name;
    body.kind = PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_ACADEMIA;
    body.country = (char *)(uintptr_t)country;
    body.itu_membership = (char *)(uintptr_t)membership;
    command.command_case = COMMAND(AMEND_CONTRIBUTOR);
    command.amend_contributor = &body;
    give(world, &command);
}

static inline void hold(struct world *world, const char *tier, const char *contributor,
                        int64_t for_s)
{
    COMMAND_INIT_(command);
    Pledged__V1__Hold body = PLEDGED__V1__HOLD__INIT;
    body.tier = (char *)(uintptr_t)tier;
    body.contributor = (char *)(uintptr_t)contributor;
    if (for_s != 0) {
        body.until_case = PLEDGED__V1__HOLD__UNTIL_FOR_S;
        body.for_s = for_s;
    }
    command.command_case = COMMAND(HOLD);
    command.hold = &body;
    give(world, &command);
}

static inline void extend_hold(struct world *world, const char *pledge, int64_t for_s)
{
    COMMAND_INIT_(command);
    Pledged__V1__Extend body = PLEDGED__V1__EXTEND__INIT;
    body.pledge = (char *)(uintptr_t)pledge;
    body.until_case = PLEDGED__V1__EXTEND__UNTIL_FOR_S;
    body.for_s = for_s;
    command.command_case = COMMAND(EXTEND);
    command.extend = &body;
    give(world, &command);
}

static inline void wait_in(struct world *world, const char *tier, const char *contributor)
{
    COMMAND_INIT_(command);
    Pledged__V1__Wait body = PLEDGED__V1__WAIT__INIT;
    body.tier = (char *)(uintptr_t)tier;
    body.contributor = (char *)(uintptr_t)contributor;
    command.command_case = COMMAND(WAIT);
    command.wait = &body;
    give(world, &command);
}

/* tier NULL: free; pledge NULL: new; minor 0: no amount given */
static inline void submit(struct world *world, const char *pledge, const char *contributor,
                          const char *tier, int64_t minor, const char *currency)
{
    COMMAND_INIT_(command);
    Pledged__V1__Submit body = PLEDGED__V1__SUBMIT__INIT;
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    if (pledge != NULL)
        body.pledge = (char *)(uintptr_t)pledge;
    if (contributor != NULL)
        body.contributor = (char *)(uintptr_t)contributor;
    if (tier != NULL) {
        body.offer_case = PLEDGED__V1__SUBMIT__OFFER_TIER;
        body.tier = (char *)(uintptr_t)tier;
    } else if (pledge == NULL) {
        body.offer_case = PLEDGED__V1__SUBMIT__OFFER_FREE;
        body.free = true;
    }
    if (minor != 0) {
        money.minor = minor;
        money.currency = (char *)(uintptr_t)currency;
        body.amount = &money;
    }
    command.command_case = COMMAND(SUBMIT);
    command.submit = &body;
    give(world, &command);
}

static inline void with_evidence(Pledged__V1__Command *command, Pledged__V1__Document *document,
                                 Pledged__V1__Document **list, const char *kind)
{
    static uint8_t sha256[32] = {1, 2, 3};
    pledged__v1__document__init(document);
    document->sha256 = (ProtobufCBinaryData){32, sha256};
    document->bytes = 12;
    document->kind = (char *)(uintptr_t)kind;
    list[0] = document;
    command->n_evidence = 1;
    command->evidence = list;
}

static inline void commit(struct world *world, const char *pledge)
{
    COMMAND_INIT_(command);
    Pledged__V1__Document document, *list[1];
    Pledged__V1__Commit body = PLEDGED__V1__COMMIT__INIT;
    with_evidence(&command, &document, list, "agreement");
    body.pledge = (char *)(uintptr_t)pledge;
    command.command_case = COMMAND(COMMIT);
    command.commit = &body;
    give(world, &command);
}

static inline void amend(struct world *world, const char *pledge, int64_t minor,
                         const char *currency)
{
    COMMAND_INIT_(command);
    Pledged__V1__Document document, *list[1];
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    Pledged__V1__AmendPledge body = PLEDGED__V1__AMEND_PLEDGE__INIT;
    with_evidence(&command, &document, list, "letter");
    money.minor = minor;
    money.currency = (char *)(uintptr_t)currency;
    body.pledge = (char *)(uintptr_t)pledge;
    body.amount = &money;
    command.command_case = COMMAND(AMEND_PLEDGE);
    command.amend_pledge = &body;
    give(world, &command);
}

static inline void change_tier(struct world *world, const char *pledge, const char *tier,
                               int64_t minor)
{
    COMMAND_INIT_(command);
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    Pledged__V1__ChangeTier body = PLEDGED__V1__CHANGE_TIER__INIT;
    body.pledge = (char *)(uintptr_t)pledge;
    body.tier = (char *)(uintptr_t)tier;
    if (minor != 0) {
        money.minor = minor;
        money.currency = (char *)"CHF";
        body.amount = &money;
    }
    command.command_case = COMMAND(CHANGE_TIER);
    command.change_tier = &body;
    give(world, &command);
}

static inline void withdraw(struct world *world, const char *pledge)
{
    COMMAND_INIT_(command);
    Pledged__V1__Withdraw body = PLEDGED__V1__WITHDRAW__INIT;
    body.pledge = (char *)(uintptr_t)pledge;
    command.command_case = COMMAND(WITHDRAW);
    command.withdraw = &body;
    give(world, &command);
}

static inline void cancel(struct world *world, const char *pledge, Pledged__V1__MoneyPlan plan)
{
    COMMAND_INIT_(command);
    Pledged__V1__Document document, *list[1];
    Pledged__V1__Cancel body = PLEDGED__V1__CANCEL__INIT;
    with_evidence(&command, &document, list, "letter");
    body.pledge = (char *)(uintptr_t)pledge;
    body.money_plan = plan;
    command.command_case = COMMAND(CANCEL);
    command.cancel = &body;
    give(world, &command);
}

static inline void pay(struct world *world, const char *pledge, int64_t minor, const char *currency,
                       const char *bank_ref)
{
    COMMAND_INIT_(command);
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    Pledged__V1__Pay body = PLEDGED__V1__PAY__INIT;
    money.minor = minor;
    money.currency = (char *)(uintptr_t)currency;
    body.pledge = (char *)(uintptr_t)pledge;
    body.amount = &money;
    body.bank_ref = (char *)(uintptr_t)bank_ref;
    command.command_case = COMMAND(PAY);
    command.pay = &body;
    give(world, &command);
}

static inline void reverse(struct world *world, uint64_t seq)
{
    COMMAND_INIT_(command);
    Pledged__V1__Reverse body = PLEDGED__V1__REVERSE__INIT;
    body.seq = seq;
    command.command_case = COMMAND(REVERSE);
    command.reverse = &body;
    give(world, &command);
}

/* Closes a month, or opens it again. waive: although something stands against the closing. */
static inline void set_period(struct world *world, bool closing, const char *period, bool waive)
{
    static uint8_t root[32];
    COMMAND_INIT_(command);
    Pledged__V1__ClosePeriod close = PLEDGED__V1__CLOSE_PERIOD__INIT;
    Pledged__V1__ReopenPeriod open = PLEDGED__V1__REOPEN_PERIOD__INIT;
    close.period = open.period = (char *)(uintptr_t)period;
    close.waive = waive;
    close.head_root = (ProtobufCBinaryData){sizeof(root), root};
    command.command_case = closing ? COMMAND(CLOSE_PERIOD) : COMMAND(REOPEN_PERIOD);
    if (closing)
        command.close_period = &close;
    else
        command.reopen_period = &open;
    give(world, &command);
}

/* --- the world --- */

/* minor 0: as much as fits. settled 0: the currencies are the same. */
static inline void allocate(struct world *world, const char *bank_entry, const char *pledge,
                            int64_t minor, const char *currency, int64_t settled,
                            const char *settled_currency)
{
    Pledged__V1__Command command = PLEDGED__V1__COMMAND__INIT;
    Pledged__V1__Allocate body = PLEDGED__V1__ALLOCATE__INIT;
    Pledged__V1__Money amount = PLEDGED__V1__MONEY__INIT, counted = PLEDGED__V1__MONEY__INIT;
    amount.minor = minor;
    amount.currency = (char *)(uintptr_t)currency;
    counted.minor = settled;
    counted.currency = (char *)(uintptr_t)settled_currency;
    body.bank_entry = (char *)(uintptr_t)bank_entry;
    body.pledge = (char *)(uintptr_t)pledge;
    body.amount = minor != 0 ? &amount : NULL;
    body.settled = settled != 0 ? &counted : NULL;
    command.command_case = COMMAND(ALLOCATE);
    command.allocate = &body;
    give(world, &command);
}

static inline void world_init(struct world *world)
{
    static const uint8_t id[16] = {7};
    static uint8_t sha256[32] = {9};
    struct ledger_decision decision;
    Pledged__V1__RosterAdopted roster = PLEDGED__V1__ROSTER_ADOPTED__INIT;
    Pledged__V1__PolicyAdopted policy = PLEDGED__V1__POLICY_ADOPTED__INIT;
    roster.sha256 = policy.sha256 = (ProtobufCBinaryData){32, sha256};
    struct ledger_start start = {"example.org/test", id, &roster, &policy};
    memset(world, 0, sizeof(*world));
    pl_arena_init(&world->arena, (size_t)1 << 30);
    world->ledger = ledger_new();
    world->now_us = 1770000000LL * 1000000; /* February 2026 */
    ledger_decide_start(world->ledger, &start, world->now_us, &world->arena, &decision);
    assert_int_equal(decision.entry_count, 3);
    world_apply(world, &decision);
    ledger_decide_start(world->ledger, &start, world->now_us, &world->arena, &decision);
    assert_int_equal(decision.answer, LEDGER_NOTHING); /* told once */
}

/* From now on under rules that say which version they are of, in a time zone ("": UTC). */
static inline void world_set_zone(struct world *world, uint32_t rules, const char *zone)
{
    static uint8_t sha256[32] = {50};
    Pledged__V1__PolicyAdopted policy = PLEDGED__V1__POLICY_ADOPTED__INIT;
    struct ledger_start start = {.policy = &policy};
    struct ledger_decision decision;
    sha256[1]++;
    policy.sha256 = (ProtobufCBinaryData){sizeof(sha256), sha256};
    policy.rules = rules;
    policy.time_zone = (char *)(uintptr_t)zone;
    ledger_decide_start(world->ledger, &start, world->now_us, &world->arena, &decision);
    world_apply(world, &decision);
}

static inline void world_set_rules(struct world *world, uint32_t rules)
{
    world_set_zone(world, rules, "");
}

static inline void world_fini(struct world *world)
{
    for (size_t i = 0; i < world->entry_count; i++)
        free((void *)(uintptr_t)world->entry[i].data);
    free(world->entry);
    ledger_free(world->ledger);
    pl_arena_fini(&world->arena);
}

/* With the test catalogue and contributors C000001 to C00000n. */
static inline void world_ready(struct world *world, int contributors)
{
    world_init(world);
    adopt(world, test_catalogue(&world->arena, 1, 2));
    assert_int_equal(world->answer, LEDGER_ACCEPTED);
    for (int i = 1; i <= contributors; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "Ministry %d", i);
        add_contributor(world, name);
        assert_int_equal(world->answer, LEDGER_ACCEPTED);
    }
}

/* --- the log and the saved form --- */

/* The refusal says why in a sentence for people. */
static inline void assert_says(const struct world *world, const char *sentence)
{
    const char *said = "";
    for (size_t i = 0; i < world->refusal->n_arg; i++) {
        if (strcmp(world->refusal->arg[i]->name, "why") == 0)
            said = world->refusal->arg[i]->value;
    }
    assert_string_equal(said, sentence);
}

/* A fresh copy of the entry `place` (from 0), which may be changed. */
static inline Pledged__V1__Entry *world_entry(struct world *world, size_t place)
{
    ProtobufCMessage *message = NULL;
    assert_true(place < world->entry_count);
    assert_true(pl_is_ok(pl_unpack_trusted(&pledged__v1__entry__descriptor, world->entry[place],
                                           &world->arena, &message)));
    return (Pledged__V1__Entry *)message;
}

/* The newest one. */
static inline Pledged__V1__Entry *world_last(struct world *world)
{
    return world_entry(world, world->entry_count - 1);
}

/* Of a ledger that has accounts which no policy of its log names. */
static inline void take_accounts(struct ledger *ledger, const struct ledger *from)
{
    size_t bytes = from->account_count * sizeof(*ledger->account);
    if (bytes == 0 || ledger->account_count != 0)
        return;
    free(ledger->account);
    ledger->account = malloc(bytes);
    memcpy(ledger->account, from->account, bytes);
    ledger->account_count = from->account_count;
}

/* The ledger as it was before the entry `place`; the caller frees it. */
static inline struct ledger *world_before(struct world *world, size_t place)
{
    struct ledger *ledger = ledger_new();
    for (size_t i = 0; i < place; i++) {
        Pledged__V1__Entry *entry = world_entry(world, i);
        assert_true(pl_is_ok(ledger_check(ledger, entry)));
        ledger_apply(ledger, entry);
        take_accounts(ledger, world->ledger);
    }
    return ledger;
}

/* An entry of the daemon itself that could be the next one: number, time and chain fit. */
static inline void world_follows(const struct world *world, Pledged__V1__Entry *entry,
                                 const char *pledge)
{
    const struct state_pledge *known = state_pledge(world->ledger, pledge);
    entry->seq = ledger_size(world->ledger) + 1;
    entry->time_us = ledger_last_time_us(world->ledger) + 1;
    entry->request_id.len = entry->command.len = entry->command_digest.len = 0;
    entry->cause_seq = 0;
    entry->prev_seq = known != NULL ? known->last_seq : 0;
}

struct saved {
    uint8_t *data; /* owns */
    size_t len, at;
};

static inline struct pl_status saved_keep(void *arg, struct pl_slice piece)
{
    struct saved *saved = arg;
    saved->data = realloc(saved->data, saved->len + piece.len);
    memcpy(saved->data + saved->len, piece.data, piece.len);
    saved->len += piece.len;
    return pl_ok();
}

static inline struct pl_status saved_take(void *arg, uint8_t *into, size_t len)
{
    struct saved *saved = arg;
    if (saved->len - saved->at < len)
        return pl_fail(CORRUPT, "the end");
    memcpy(into, saved->data + saved->at, len);
    saved->at += len;
    return pl_ok();
}

static inline struct saved world_save(const struct ledger *ledger)
{
    struct saved saved = {0};
    assert_true(pl_is_ok(ledger_save(ledger, saved_keep, &saved)));
    return saved;
}

/* What a start from a snapshot would work with; the caller frees it. */
static inline struct ledger *world_reloaded(const struct ledger *ledger)
{
    struct saved saved = world_save(ledger);
    struct ledger *loaded = NULL;
    assert_true(pl_is_ok(ledger_load(saved_take, &saved, &loaded)));
    assert_int_equal(saved.at, saved.len);
    free(saved.data);
    return loaded;
}

/* Saved bytes and sums alike. */
static inline void assert_same_state(const struct ledger *a, const struct ledger *b)
{
    uint8_t left[32], right[32];
    ledger_digest(a, left);
    ledger_digest(b, right);
    assert_memory_equal(left, right, sizeof(left));
    for (size_t d = 0; d < STATE_DIMENSIONS; d++) {
        assert_int_equal(a->tally[d].count, b->tally[d].count);
        for (size_t i = 0; i < a->tally[d].count; i++) {
            const struct state_tally *x = &a->tally[d].line[i], *y = &b->tally[d].line[i];
            assert_string_equal(x->key, y->key);
            assert_int_equal(x->currency, y->currency);
            assert_int_equal(x->pledges, y->pledges);
            assert_int_equal(x->pledged, y->pledged);
            assert_int_equal(x->committed, y->committed);
            assert_int_equal(x->received, y->received);
            assert_int_equal(x->allocated, y->allocated);
            assert_int_equal(x->unallocated, y->unallocated);
        }
    }
}

/* Sums of one currency; zeros where there is no line. */
static inline struct state_tally sums_by(const struct ledger *ledger, enum state_dimension by,
                                         const char *key, const char *currency)
{
    const struct state_tallies *tallies = &ledger->tally[by];
    for (size_t i = 0; i < tallies->count; i++) {
        if (strcmp(tallies->line[i].key, key) == 0 &&
            strcmp(pl_currency_code(tallies->line[i].currency), currency) == 0)
            return tallies->line[i];
    }
    return (struct state_tally){.currency = -1};
}

#define assert_accepted(world_)                                                                    \
    do {                                                                                           \
        if ((world_)->answer != LEDGER_ACCEPTED)                                                   \
            fail_msg("refused: %d %s", (int)(world_)->refusal->reason, (world_)->refusal->field);  \
    } while (0)
#define assert_refused(world_, reason_)                                                            \
    do {                                                                                           \
        assert_int_not_equal((world_)->answer, LEDGER_ACCEPTED);                                   \
        assert_int_equal((world_)->refusal->reason, REASON(reason_));                              \
    } while (0)

#endif
