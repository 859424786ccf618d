/* SPDX-License-Identifier: Apache-2.0
 *
 * story: one ledger in which nearly everything happens once: every kind of command and of fact,
 * refusals too. Tests damage its entries, commands and saved state one piece at a time.
 */
#ifndef TEST_LEDGER_STORY_H
#define TEST_LEDGER_STORY_H

#include "common/date.h"
#include "common/ids.h"
#include "common/reference.h"
#include "desk.h"

#define STORY_IBAN   "CH9300762011623852957"
#define STORY_DOLLAR "CH5604835012345678009"
#define STORY_SHARED "CH3908704016075473007"
/* Facts that came later and are not told yet. */
#define STORY_LACKS_MOST 10
#define S_(text_)        ((char *)(uintptr_t)(text_))

/* One command with a document and a reason; the rest of the line fills `body`. */
#define SAY(world_, type_, case_, member_, ...)                                                    \
    do {                                                                                           \
        COMMAND_INIT_(command);                                                                    \
        Pledged__V1__Document document, *paper[1];                                                 \
        Pledged__V1__##type_ body = PLEDGED__V1__##case_##__INIT;                                  \
        with_evidence(&command, &document, paper, "agreement");                                    \
        __VA_ARGS__;                                                                               \
        command.command_case = COMMAND(case_);                                                     \
        command.member_ = &body;                                                                   \
        give(world_, &command);                                                                    \
    } while (0)

static uint8_t story_sha256[32] = {4, 5, 6};
#define STORY_SHA256 ((ProtobufCBinaryData){32, story_sha256})

static inline void act_as(struct world *w, const char *person, Pledged__V1__Role role)
{
    w->actor = (struct ledger_actor){person, role, person, "CN=ca"};
}

/* --- the policy: three accounts, a creditor, four eyes for the classes in `bits` --- */

static inline void story_policy(struct world *w, uint32_t bits)
{
    static uint8_t sha256[32] = {99};
    Pledged__V1__PolicyAdopted policy = PLEDGED__V1__POLICY_ADOPTED__INIT;
    Pledged__V1__CommandClass classes[16];
    Pledged__V1__PolicyAccount account[3], *accounts[3];
    Pledged__V1__PolicyCreditor creditor = PLEDGED__V1__POLICY_CREDITOR__INIT;
    Pledged__V1__Money francs = PLEDGED__V1__MONEY__INIT, *limits[] = {&francs};
    struct ledger_decision decision;
    sha256[1]++;
    policy.sha256 = (ProtobufCBinaryData){32, sha256};
    policy.rules = LEDGER_RULES;
    policy.proposal_ttl_s = 7 * 86400;
    policy.unallocated_limit_s = 30 * 86400;
    policy.clock_jump_limit_s = 3600;
    francs.minor = 5000;
    francs.currency = S_("CHF");
    policy.n_difference_limit = 1;
    policy.difference_limit = limits;
    policy.four_eyes = classes;
    for (int i = 1; i <= 11; i++) {
        if ((bits >> i & 1) != 0)
            classes[policy.n_four_eyes++] = (Pledged__V1__CommandClass)i;
    }
    for (size_t i = 0; i < 3; i++) {
        pledged__v1__policy_account__init(&account[i]);
        account[i].account = S_(i == 0 ? "CHF01" : i == 1 ? "USD01" : "CHF02");
        account[i].iban = S_(i == 0 ? STORY_IBAN : i == 1 ? STORY_DOLLAR : STORY_SHARED);
        account[i].currency = S_(i == 1 ? "USD" : "CHF");
        account[i].shared = i == 2;
        accounts[i] = &account[i];
    }
    policy.n_account = 3;
    policy.account = accounts;
    creditor.name = S_("Fund");
    creditor.town = S_("Geneva");
    creditor.country = S_("CH");
    policy.creditor = &creditor;
    struct ledger_start start = {.policy = &policy};
    ledger_decide_start(w->ledger, &start, w->now_us, &w->arena, &decision);
    assert_int_equal(decision.entry_count, 1);
    world_apply(w, &decision);
    w->now_us += 1000;
}

/* --- statements --- */

static inline Pledged__V1__Movement *movement(struct world *w, int64_t minor, const char *date,
                                              const char *bank_ref, const char *reference)
{
    Pledged__V1__Movement *m = pl_arena_alloc(&w->arena, sizeof(*m));
    pledged__v1__movement__init(m);
    m->kind = PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT;
    m->minor = minor;
    m->booking_date = m->value_date = pl_arena_strdup(&w->arena, date);
    m->bank_ref = pl_arena_strdup(&w->arena, bank_ref);
    m->reference = pl_arena_strdup(&w->arena, reference);
    return m;
}

static inline Pledged__V1__Movement *movement_of(struct world *w, Pledged__V1__MovementKind kind,
                                                 int64_t minor, const char *bank_ref)
{
    Pledged__V1__Movement *m = movement(w, minor, "2026-02-03", bank_ref, "");
    m->kind = kind;
    return m;
}
#define MOVES(name_) PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_##name_

/* The creditor reference of a pledge. */
static inline const char *refers(struct world *w, uint64_t pledge)
{
    char out[PL_REFERENCE_BYTES];
    return pl_arena_strdup(&w->arena, pl_reference_scor(pledge, out));
}

/* Of the account in francs; what closes it is what its movements add up to. The list ends with
 * NULL. */
static inline Pledged__V1__BankStatement *
bank_statement(struct world *w, const char *id, int64_t opening, Pledged__V1__Movement *const *list)
{
    Pledged__V1__BankStatement *bank = pl_arena_alloc(&w->arena, sizeof(*bank));
    pledged__v1__bank_statement__init(bank);
    bank->kind = PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT;
    bank->account = S_(STORY_IBAN);
    bank->currency = S_("CHF");
    bank->id = pl_arena_strdup(&w->arena, id);
    bank->created = S_("2026-02-04");
    bank->from_date = S_("2026-02-01");
    bank->to_date = S_("2026-02-03");
    bank->opening_minor = bank->closing_minor = opening;
    while (list[bank->n_movement] != NULL)
        bank->closing_minor += list[bank->n_movement++]->minor;
    bank->movement =
        pl_arena_memdup(&w->arena, list, (bank->n_movement + 1) * sizeof(*bank->movement));
    return bank;
}

static inline void import_all(struct world *w, Pledged__V1__BankStatement **list, size_t count)
{
    SAY(w, ImportStatement, IMPORT_STATEMENT, import_statement, body.file_sha256 = STORY_SHA256;
        body.message_id = S_("MSG-1"); body.n_statement = count; body.statement = list;
        command.n_evidence = 0);
}

static inline void import_one(struct world *w, Pledged__V1__BankStatement *bank)
{
    import_all(w, &bank, 1);
}

/* --- benefits --- */

static inline void *story_list_of_one(struct pl_arena *arena,
                                      const ProtobufCMessageDescriptor *type)
{
    void **list = pl_arena_alloc(arena, sizeof(*list));
    list[0] = pl_arena_alloc(arena, type->sizeof_message);
    protobuf_c_message_init(type, list[0]);
    return list;
}

/* The test catalogue, with seats for the tiers `many` and `duo`, an event and aliases. */
static inline Pledged__V1__Catalogue *story_catalogue(struct world *w, uint32_t version)
{
    struct pl_arena *arena = &w->arena;
    Pledged__V1__Catalogue *c = test_catalogue(arena, version, 3);
    static char *alias[] = {(char *)"double"};
    c->tier[1]->n_alias = 1;
    c->tier[1]->alias = alias;
    if (version == 1) { /* and then no more */
        Pledged__V1__Tier **five = pl_arena_alloc(arena, 5 * sizeof(*five));
        memcpy(five, c->tier, 4 * sizeof(*five));
        five[4] = test_tier(arena, "gone", 2, 1000000);
        c->tier = five;
        c->n_tier = 5;
    }
    c->n_section = c->n_benefit = 1;
    c->section = story_list_of_one(arena, &pledged__v1__section__descriptor);
    c->section[0]->code = S_("VIS");
    c->section[0]->n_label = 1;
    c->section[0]->label = test_text(arena, "visibilité");
    c->benefit = story_list_of_one(arena, &pledged__v1__benefit__descriptor);
    c->benefit[0]->code = S_("VIS6");
    c->benefit[0]->section = S_("VIS");
    c->benefit[0]->n_label = 1;
    c->benefit[0]->label = test_text(arena, "places");
    c->benefit[0]->phase = PLEDGED__V1__PHASE__PHASE_DURING;
    c->benefit[0]->asset = PLEDGED__V1__ASSET__ASSET_NONE;
    c->n_grant = 2;
    c->grant = pl_arena_alloc(arena, 2 * sizeof(*c->grant));
    for (size_t i = 0; i < 2; i++) {
        c->grant[i] = pl_arena_alloc(arena, sizeof(**c->grant));
        pledged__v1__grant__init(c->grant[i]);
        c->grant[i]->tier = S_(i == 0 ? "many" : "duo");
        c->grant[i]->benefit = S_("VIS6");
        c->grant[i]->quantity = 5;
        c->grant[i]->unit = PLEDGED__V1__UNIT__UNIT_SEAT;
    }
    c->event = pl_arena_alloc(arena, sizeof(*c->event));
    pledged__v1__event__init(c->event);
    c->event->n_name = 1;
    c->event->name = test_text(arena, "forum");
    c->event->starts = S_("2026-07-06");
    c->event->ends = S_("2026-07-10");
    return c;
}

/* --- the chapters --- */

static inline void story_persons(struct world *w)
{
    uint8_t commitment[LEDGER_COMMITMENT_BYTES];
    for (uint8_t i = 1; i <= 4; i++) {
        memset(commitment, i, sizeof(commitment));
        SAY(w, RecordContact, RECORD_CONTACT, record_contact,
            body.contributor = S_(i < 3 ? "C000001" : "C000002");
            body.commitment = ((ProtobufCBinaryData){sizeof(commitment), commitment}));
        assert_accepted(w);
    }
    SAY(w, SetLegalHold, SET_LEGAL_HOLD, set_legal_hold, body.contributor = S_("C000001");
        body.on = true);
    assert_accepted(w);
    SAY(w, EraseContact, ERASE_CONTACT, erase_contact, body.contact = S_("K000001"));
    assert_refused(w, LEGAL_HOLD);
    SAY(w, SetLegalHold, SET_LEGAL_HOLD, set_legal_hold, body.contributor = S_("C000001"));
    assert_accepted(w);
    SAY(w, EraseContact, ERASE_CONTACT, erase_contact, body.contact = S_("K000001"));
    assert_accepted(w);
    SAY(w, EraseContact, ERASE_CONTACT, erase_contact, body.contributor = S_("C000002"));
    assert_accepted(w);
    SAY(w, SetLegalHold, SET_LEGAL_HOLD, set_legal_hold, body.contributor = S_("C000003");
        body.on = true);
    assert_accepted(w);
}

/* P000001 expires, P000002 is promoted and pledges, P000003 waits, P000004 is withdrawn. */
static inline void story_queue(struct world *w)
{
    hold(w, "top", "C000001", 86400);
    assert_accepted(w);
    hold(w, "top", "C000002", 0);
    assert_refused(w, TIER_SOLD_OUT);
    wait_in(w, "top", "C000002");
    assert_accepted(w);
    wait_in(w, "top", "C000003");
    assert_accepted(w);
    extend_hold(w, "P000001", 2 * 86400);
    assert_accepted(w);
    pass(w, 3 * DAY_US);
    submit(w, "P000002", NULL, NULL, 0, NULL);
    assert_accepted(w);
    hold(w, "double", "C000004", 0);
    assert_accepted(w);
    change_tier(w, "P000004", "many", 0);
    assert_accepted(w);
    withdraw(w, "P000004");
    assert_accepted(w);
}

/* P000005 (duo, committed, amended), P000006 (many, changed to duo), P000007 (free, dollars),
 * P000008 (cancelled with money), P000009 (ask, in kind, many words). */
static inline void story_promises(struct world *w)
{
    submit(w, NULL, "C000001", "duo", 0, NULL);
    commit(w, "P000005");
    assert_accepted(w);
    amend(w, "P000005", 20000000, "CHF");
    assert_accepted(w);
    submit(w, NULL, "C000004", "many", 0, NULL);
    commit(w, "P000006");
    change_tier(w, "P000006", "duo", 0);
    assert_accepted(w);
    submit(w, NULL, "C000005", NULL, 100000, "USD");
    assert_accepted(w);
    submit(w, NULL, "C000006", NULL, 300000, "CHF");
    commit(w, "P000008");
    pay(w, "P000008", 200000, "CHF", "BANK-8");
    cancel(w, "P000008", PLEDGED__V1__MONEY_PLAN__MONEY_PLAN_KEEP);
    assert_accepted(w);
    Pledged__V1__ExternalRef ref = PLEDGED__V1__EXTERNAL_REF__INIT, *refs[] = {&ref};
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    ref.system = S_("erp");
    ref.id = S_("4711");
    money.minor = 7700000;
    money.currency = S_("CHF");
    SAY(w, Submit, SUBMIT, submit, body.contributor = S_("C000005");
        body.offer_case = PLEDGED__V1__SUBMIT__OFFER_TIER; body.tier = S_("ask");
        body.amount = &money; body.kind = PLEDGED__V1__PLEDGE_KIND__PLEDGE_KIND_IN_KIND;
        body.campaign = S_("spring"); body.agreement_ref = S_("A-1"); body.n_external_ref = 1;
        body.publish = PLEDGED__V1__PUBLISH__PUBLISH_NO; body.external_ref = refs);
    assert_accepted(w);
}

static inline void story_money(struct world *w)
{
    pay(w, "P000005", 5000000, "CHF", "BANK-1");
    assert_accepted(w);
    uint64_t allocated = w->receipt->seq + 1;
    pay(w, "P000005", 1000, "EUR", "BANK-2"); /* another currency: kept */
    assert_accepted(w);
    char euros[16];
    (void)snprintf(euros, sizeof(euros), "%s", w->receipt->outcome->bank_entry);
    allocate(w, euros, "P000005", 400, "EUR", 390, "CHF");
    assert_accepted(w);
    pay(w, "P000007", 150000, "USD", "BANK-3"); /* more than was promised */
    char dollars[16];
    (void)snprintf(dollars, sizeof(dollars), "%s", w->receipt->outcome->bank_entry);
    pay(w, "P000006", 100, "CHF", "");
    reverse(w, w->receipt->seq);
    assert_accepted(w);
    uint64_t seqs[] = {allocated, allocated + 2};
    for (int late = 1; late >= 0; late--) {
        SAY(w, IssueReceipt, ISSUE_RECEIPT, issue_receipt, body.pledge = S_("P000005");
            body.number = S_(late ? "Q000002" : "Q000001"); body.document_sha256 = STORY_SHA256;
            body.n_allocation_seq = 2; body.allocation_seq = seqs);
        assert_int_equal(w->answer, late ? LEDGER_REFUSED : LEDGER_ACCEPTED);
    }
    SAY(w, IssueCertificate, ISSUE_CERTIFICATE, issue_certificate, body.pledge = S_("P000005");
        body.number = S_("Z000001"); body.document_sha256 = STORY_SHA256);
    assert_accepted(w);
    pay(w, "P000006", 300000, "CHF", "BANK-4");
    uint64_t moved = w->receipt->seq + 1;
    reallocate(w, moved, "P000005", 100000, "CHF");
    assert_accepted(w);
    convert(w, dollars, 20000, "USD");
    assert_accepted(w);
    refund(w, dollars, 10000, "USD");
    assert_accepted(w);
    refund(w, dollars, 5000, "USD");
    assert_accepted(w);
    refund_cancel(w, "R000002");
    assert_accepted(w);
    refund_paid(w, "R000001", 10000, "USD", "BANK-5");
    assert_accepted(w);
}

static inline void story_benefits(struct world *w)
{
    SAY(w, ClaimBenefit, CLAIM_BENEFIT, claim_benefit, body.pledge = S_("P000005");
        body.benefit = S_("VIS6"); body.quantity = 3);
    assert_accepted(w);
    SAY(w, DeclineBenefit, DECLINE_BENEFIT, decline_benefit, body.pledge = S_("P000005");
        body.benefit = S_("VIS6"); body.quantity = 1);
    assert_accepted(w);
    SAY(w, DeliverBenefit, DELIVER_BENEFIT, deliver_benefit, body.pledge = S_("P000005");
        body.benefit = S_("VIS6"); body.quantity = 2);
    assert_accepted(w);
}

/* Every kind of movement and every reason to queue it; some money is known by hand already. */
static inline void story_statements(struct world *w)
{
    pay(w, "P000006", 4321, "CHF", "HAND-1");
    Pledged__V1__Movement *twin = movement(w, 777, "2026-02-03", "TWIN", "");
    Pledged__V1__Movement *first[] = {movement(w, 4321, "2026-02-03", "HAND-1", refers(w, 6)),
                                      movement(w, 25000000, "2026-02-03", "S-1", refers(w, 2)),
                                      movement(w, 1000, "2026-02-03", "S-2", refers(w, 5)),
                                      movement(w, 1100, "2026-02-03", "S-3", refers(w, 999)),
                                      movement(w, 1200, "2026-02-03", "S-4", refers(w, 7)),
                                      movement(w, 1300, "2026-02-03", "S-5", refers(w, 8)),
                                      movement(w, 1400, "2026-02-03", "S-6", ""),
                                      movement(w, -1500, "2026-02-03", "S-7", ""),
                                      movement_of(w, MOVES(CHARGE), -20, "S-8"),
                                      movement_of(w, MOVES(BATCH), 3000, "S-9"),
                                      movement_of(w, MOVES(REVERSAL), -1400, "S-10"),
                                      movement_of(w, MOVES(RETURN), -1100, "S-11"),
                                      twin,
                                      twin,
                                      NULL};
    first[4]->instructed = pl_arena_alloc(&w->arena, sizeof(*first[4]->instructed));
    pledged__v1__money__init(first[4]->instructed);
    first[4]->instructed->minor = 1234;
    first[4]->instructed->currency = S_("USD");
    first[6]->end_to_end_id = S_("E2E");
    first[6]->uetr = S_("uetr-1");
    first[6]->detail_commitment = STORY_SHA256;
    Pledged__V1__BankStatement *bank = bank_statement(w, "ST-1", 500, first);
    bank->sequence = 1;
    import_one(w, bank);
    assert_accepted(w);
    import_one(w, bank);
    assert_accepted(w);
    assert_true(w->receipt->outcome->statement[0]->already_in);
    Pledged__V1__Movement *detail[] = {movement(w, 1000, "2026-02-03", "S-9a", ""),
                                       movement(w, 2000, "2026-02-03", "S-9b", ""), NULL};
    detail[0]->batch_ref = detail[1]->batch_ref = S_("S-9");
    bank = bank_statement(w, "NT-1", 0, detail);
    bank->kind = PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_NOTIFICATION;
    bank->closing_minor = 0;
    import_one(w, bank);
    assert_accepted(w);
    uint8_t *payer = pl_arena_alloc(&w->arena, 32);
    memset(payer, 77, 32);
    first[7]->detail_commitment = (ProtobufCBinaryData){32, payer}; /* who paid, only now */
    import_one(w, bank_statement(w, "ST-1B", 500, (Pledged__V1__Movement *[]){first[7], NULL}));
    assert_accepted(w);
    assert_int_equal(w->receipt->outcome->statement[0]->learned, 1);
    match_reversal(w, "B000018", "B000014");
    assert_accepted(w);
    Pledged__V1__Movement *ours[] = {movement(w, 50, "2026-02-03", "SH-1", ""), NULL};
    Pledged__V1__Remainder rest = PLEDGED__V1__REMAINDER__INIT;
    rest.count = 7;
    rest.minor = 900;
    bank = bank_statement(w, "SH-1", 0, ours);
    bank->account = S_(STORY_SHARED);
    bank->remainder = &rest;
    bank->closing_minor += rest.minor;
    import_one(w, bank);
    assert_accepted(w);
}

/* Paid by hand: `date` is what the clerk typed. */
static inline void pay_on(struct world *w, const char *pledge, int64_t minor, const char *date)
{
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    money.minor = minor;
    money.currency = S_("CHF");
    SAY(w, Pay, PAY, pay, body.pledge = S_(pledge); body.amount = &money;
        body.value_date = S_(date));
    assert_accepted(w);
}

/* R000005 comes back, which is a mistake first, and the bank gives a charge back. */
static inline void story_returns(struct world *w)
{
    Pledged__V1__Movement *third[] = {movement_of(w, MOVES(RETURN), 1580, "BACK-1"),
                                      movement(w, 33, "2026-02-03", "GIVEN-1", ""), NULL};
    char back[24], given[24];
    third[0]->end_to_end_id = S_("R000005");
    import_one(w, bank_statement(w, "ST-3", 0, third));
    assert_accepted(w);
    pl_id_format('B', w->ledger->bank_entry_count - 1, back);
    pl_id_format('B', w->ledger->bank_entry_count, given);
    match_refund(w, back, "R000005");
    assert_accepted(w);
    reverse(w, w->receipt->seq);
    assert_accepted(w);
    match_refund(w, back, "R000005");
    assert_accepted(w);
    book_charge(w, given);
    assert_accepted(w);
}

/* P000011 (free) is paid, confirmed, and the bank takes the money back; a refund leaves the account
 * and is seen there; what one knows by hand and the other by statement is one. */
static inline void story_bank(struct world *w)
{
    submit(w, NULL, "C000003", NULL, 5000, "CHF");
    assert_string_equal(w->receipt->outcome->pledge, "P000011");
    pay(w, "P000011", 5000, "CHF", "HAND-2");
    assert_string_equal(w->receipt->outcome->bank_entry, "B000025");
    refund(w, "B000001", 500, "CHF");
    assert_accepted(w);
    pay_on(w, "P000006", 70, "2026-02-01");
    pay_on(w, "P000006", 80, "2026-02-03");
    Pledged__V1__Movement *second[] = {movement(w, 5000, "2026-02-03", "HAND-2", ""),
                                       movement_of(w, MOVES(RETURN), -5000, "RET-2"),
                                       movement(w, -500, "2026-02-03", "OUT-1", ""),
                                       movement(w, 70, "2026-02-03", "S-50", refers(w, 6)),
                                       movement(w, 80, "2026-02-03", "S-51", ""),
                                       movement(w, 60, "2026-02-03", "S-52", ""),
                                       movement(w, -1600, "2026-02-03", "OUT-2", ""),
                                       movement(w, -1650, "2026-02-03", "OUT-3", ""),
                                       NULL};
    second[6]->end_to_end_id = S_("R000005");                 /* as ordered */
    second[7]->end_to_end_id = S_("R000006");                 /* not so much */
    for (int64_t minor = 1500; minor <= 1700; minor += 100) { /* R000004 to R000006 */
        refund(w, "B000001", minor, "CHF");
        assert_accepted(w);
    }
    Pledged__V1__Movement *again[] = {second[5], NULL};
    Pledged__V1__BankStatement *both[] = {bank_statement(w, "ST-2", 0, second),
                                          bank_statement(w, "NT-2", 0, again)};
    both[1]->kind = PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_NOTIFICATION;
    both[1]->closing_minor = 0;
    import_all(w, both, 2);
    assert_accepted(w);
    assert_int_equal(w->receipt->outcome->statement[0]->confirmed, 3);
    assert_int_equal(w->receipt->outcome->statement[1]->known, 1);
    match_reversal(w, "B000028", "B000025");
    assert_accepted(w);
    refund_paid(w, "R000003", 500, "CHF", "OUT-1");
    assert_accepted(w);
    pay_on(w, "P000005", 60, "2026-02-03"); /* a statement brought it: allocated */
    assert_int_equal(w->receipt->outcome->n_warning, 1);
    book_charge(w, "B000016");
    assert_accepted(w);
    reverse(w, w->receipt->seq);
    assert_accepted(w);
    book_charge(w, "B000016");
    assert_accepted(w);
    story_returns(w);
}

static inline void story_terms(struct world *w)
{
    Pledged__V1__Money half = PLEDGED__V1__MONEY__INIT, settled = PLEDGED__V1__MONEY__INIT;
    Pledged__V1__Money euros = PLEDGED__V1__MONEY__INIT;
    Pledged__V1__Instalment first = PLEDGED__V1__INSTALMENT__INIT, last = first;
    Pledged__V1__Instalment *parts[] = {&first, &last};
    half.minor = 10000000;
    half.currency = settled.currency = S_("CHF");
    first.amount = last.amount = &half;
    first.due = S_("2026-02-10");
    last.due = S_("2026-03-01");
    SAY(w, SetSchedule, SET_SCHEDULE, set_schedule, body.pledge = S_("P000005");
        body.n_instalment = 2; body.instalment = parts);
    assert_accepted(w);
    Pledged__V1__Rate rate[4], *rates[4];
    euros.currency = S_("EUR");
    for (size_t i = 0; i < 4; i++) { /* two currencies, two days, and one that is put right */
        rates[i] = &rate[i];
        pledged__v1__rate__init(&rate[i]);
        rate[i].currency = S_(i % 2 == 0 ? "EUR" : "USD");
        rate[i].date = S_(i < 2 ? "2026-01-30" : "2026-02-02");
        rate[i].mantissa = 9412 + (int64_t)i;
        rate[i].scale = 4;
        rate[i].source = S_("central bank");
    }
    SAY(w, RecordRates, RECORD_RATES, record_rates, body.n_rate = 4; body.rate = rates);
    assert_accepted(w);
    SAY(w, RecordRates, RECORD_RATES, record_rates, body.n_rate = 1; body.rate = rates);
    assert_accepted(w);
    allocate(w, "B000003", "P000006", 100, "EUR", 95, "CHF");
    assert_accepted(w);
    uint64_t allocated = w->receipt->seq;
    euros.minor = 50;
    settled.minor = 48;
    SAY(w, Reallocate, REALLOCATE, reallocate, body.seq = allocated; body.pledge = S_("P000005");
        body.amount = &euros; body.settled = &settled);
    assert_accepted(w);
    submit(w, NULL, "C000003", "duo", 0, NULL);
    SAY(w, DeliverBenefit, DELIVER_BENEFIT, deliver_benefit, body.pledge = S_("P000012");
        body.benefit = S_("VIS6"); body.quantity = 1);
    assert_accepted(w);               /* with a reason: the agreement is not signed yet */
    hold(w, "gone", "C000006", 3600); /* and expires */
    assert_accepted(w);
    pay(w, "P000012", 700, "CHF", "BANK-9");
    allocated = w->receipt->seq + 1;
    for (int differs = 1; differs >= 0; differs--) { /* one currency: it counts what it is */
        euros.minor = 200;
        euros.currency = S_("CHF");
        settled.minor = 200 + differs;
        SAY(w, Reallocate, REALLOCATE, reallocate, body.seq = allocated;
            body.pledge = S_("P000005"); body.amount = &euros; body.settled = &settled);
        assert_int_equal(w->answer, differs ? LEDGER_REFUSED : LEDGER_ACCEPTED);
    }
}

static inline void story_close(struct world *w, bool closing, const char *month, uint64_t seen)
{
    if (closing)
        SAY(w, ClosePeriod, CLOSE_PERIOD, close_period, body.period = S_(month);
            body.head_root = STORY_SHA256; body.head_size = seen; body.waive = true);
    else
        SAY(w, ReopenPeriod, REOPEN_PERIOD, reopen_period, body.period = S_(month));
}

static inline void story_rate(struct world *w, const char *date, int64_t mantissa)
{
    Pledged__V1__Rate rate = PLEDGED__V1__RATE__INIT, *list[] = {&rate};
    rate.currency = S_("USD");
    rate.date = S_(date);
    rate.mantissa = mantissa;
    rate.scale = 3;
    rate.source = S_("UN");
    SAY(w, RecordRates, RECORD_RATES, record_rates, body.rate = list; body.n_rate = 1);
    assert_accepted(w);
}

/* Dollars that pay for a promise in francs, by the rate of their day. */
static inline void story_exchange(struct world *w)
{
    char pledge[24], entry[24];
    act_as(w, "anna", PLEDGED__V1__ROLE__ROLE_CLERK);
    story_rate(w, "2026-01-05", 870);
    submit(w, NULL, "C000001", NULL, 9000, "CHF");
    assert_accepted(w);
    (void)snprintf(pledge, sizeof(pledge), "%s", w->receipt->outcome->pledge);
    pay(w, pledge, 10000, "USD", "");
    assert_accepted(w);
    (void)snprintf(entry, sizeof(entry), "%s", w->receipt->outcome->bank_entry);
    char today[11];
    story_rate(w, pl_date_format(pl_date_of_us(w->now_us), today), 880);
    SAY(w, Allocate, ALLOCATE, allocate, body.bank_entry = S_(entry); body.pledge = S_(pledge));
    assert_accepted(w);
}

static inline void story_months(struct world *w)
{
    pass(w, 40 * DAY_US);
    write_off(w, "P000006", 100, "CHF");
    Pledged__V1__Money sum = PLEDGED__V1__MONEY__INIT, *sums[] = {&sum};
    sum.minor = 12300;
    sum.currency = S_("CHF");
    story_close(w, true, "2026-01", 20);
    assert_accepted(w);
    story_close(w, true, "2026-02", 30);
    assert_accepted(w);
    story_close(w, false, "2026-02", 0);
    assert_accepted(w);
    story_close(w, true, "2026-02", 40);
    assert_accepted(w);
    for (int month = 1; month <= 2; month++) {
        SAY(w, ExportPostings, EXPORT_POSTINGS, export_postings,
            body.period = S_(month == 1 ? "2026-01" : "2026-02");
            body.to_seq = w->ledger->size; body.sha256 = STORY_SHA256; body.count = 3;
            body.n_control = 1; body.control = sums);
        assert_accepted(w);
    }
    COMMAND_INIT_(late); /* posted to the first open month */
    Pledged__V1__Pay body = PLEDGED__V1__PAY__INIT;
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    money.minor = 600;
    money.currency = S_("CHF");
    body.pledge = S_("P000005");
    body.amount = &money;
    body.value_date = late.effective_date = S_("2026-02-20");
    body.bank_ref = S_("LATE-1");
    late.command_case = COMMAND(PAY);
    late.pay = &body;
    give(w, &late);
    assert_accepted(w);
    assert_string_not_equal(world_last(w)->posting_date, "");
}

static inline void story_decide_on(struct world *w, uint64_t seq, bool approving)
{
    if (approving)
        SAY(w, Approve, APPROVE, approve, body.seq = seq);
    else
        SAY(w, Reject, REJECT, reject, body.seq = seq);
}

static inline void story_eyes(struct world *w)
{
    story_policy(w, ~0u);
    accept_fee(w, "B000001", "P000005", 0, NULL);
    accept_fee(w, "B000002", "P000005", 4000, "CHF");
    assert_accepted(w);
    commit(w, "P000009");
    assert_accepted(w);
    uint64_t committed = w->receipt->seq;
    story_decide_on(w, committed, true);
    assert_refused(w, SAME_PERSON);
    adopt(w, story_catalogue(w, 2));
    uint64_t adopted = w->receipt->seq;
    cancel(w, "P000006", PLEDGED__V1__MONEY_PLAN__MONEY_PLAN_REFUND);
    uint64_t rejected = w->receipt->seq;
    write_off(w, "P000005", 1000, "CHF");
    assert_accepted(w);
    uint64_t forgiven = w->receipt->seq;
    act_as(w, "bert", PLEDGED__V1__ROLE__ROLE_APPROVER);
    story_decide_on(w, committed, true);
    assert_accepted(w);
    story_decide_on(w, adopted, true);
    assert_accepted(w);
    story_decide_on(w, rejected, false);
    assert_accepted(w);
    story_decide_on(w, forgiven, true);
    assert_accepted(w);
    for (int late = 0; late <= 1; late++) { /* about no pledge: one is rejected, one is forgotten */
        adopt(w, story_catalogue(w, 3));
        assert_accepted(w);
        if (!late)
            story_decide_on(w, w->receipt->seq, false);
        assert_accepted(w);
    }
    act_as(w, "anna", PLEDGED__V1__ROLE__ROLE_CLERK);
    cancel(w, "P000006", PLEDGED__V1__MONEY_PLAN__MONEY_PLAN_MOVE);
    assert_accepted(w);
    pass(w, 8 * DAY_US); /* nobody decides it */
    commit(w, "P000002");
    assert_accepted(w);
    act_as(w, "bert", PLEDGED__V1__ROLE__ROLE_APPROVER);
    story_decide_on(w, w->receipt->seq, true);
    assert_accepted(w);
    close_pledge(w, "P000002");
    assert_accepted(w);
    act_as(w, "anna", PLEDGED__V1__ROLE__ROLE_CLERK);
    refund(w, "B000001", 1000, "CHF"); /* and one that waits still */
    assert_accepted(w);
    Pledged__V1__Catalogue *other = story_catalogue(w, 2);
    other->code = S_("other-2027");
    adopt(w, other);
    assert_accepted(w);
    act_as(w, "bert", PLEDGED__V1__ROLE__ROLE_APPROVER);
    story_decide_on(w, w->receipt->seq, true);
    assert_accepted(w);
    act_as(w, "anna", PLEDGED__V1__ROLE__ROLE_CLERK);
}

static inline void story_tell(struct world *w)
{
    world_init(w);
    story_policy(w, 0);
    adopt(w, story_catalogue(w, 1));
    assert_accepted(w);
    for (int i = 1; i <= 6; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "Ministry %d", i);
        add_contributor(w, name);
    }
    SAY(w, AmendContributor, AMEND_CONTRIBUTOR, amend_contributor, body.contributor = S_("C000002");
        body.name = S_("Ministry Two"); body.country = S_("FR");
        body.kind = PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_ACADEMIA;
        body.itu_membership = S_("academia"));
    assert_accepted(w);
    story_persons(w);
    story_rate(w, "2026-01-05", 885);
    story_queue(w);
    story_promises(w);
    story_money(w);
    story_benefits(w);
    story_statements(w);
    story_bank(w);
    story_terms(w);
    assert_balanced(w);
    story_months(w);
    story_eyes(w);
    story_exchange(w);
    assert_balanced(w);
}

#endif
