/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what is wrong in itself is refused without any state, with the reason and the path of the
 * first wrong field (G9); what is right passes.
 */
#include "common/check.h"
#include "fixture.h"

static struct pl_arena arena;
static Pledged__V1__Command c;
static uint8_t request_id[16] = {1}, sha256[32] = {2};
static Pledged__V1__Document document, *documents[17];
static Pledged__V1__Money money;
static Pledged__V1__ExternalRef ref, *refs[9];

static char *text_of(size_t len)
{
    char *text = pl_arena_alloc(&arena, len + 1);
    memset(text, 'x', len);
    return text;
}

static void begin(void)
{
    pledged__v1__command__init(&c);
    pledged__v1__document__init(&document);
    pledged__v1__money__init(&money);
    pledged__v1__external_ref__init(&ref);
    c.request_id = (ProtobufCBinaryData){16, request_id};
    c.reason = (char *)"because";
    document.sha256 = (ProtobufCBinaryData){32, sha256};
    document.kind = (char *)"agreement";
    money.minor = 5;
    money.currency = (char *)"CHF";
    ref.system = (char *)"erp";
    ref.id = (char *)"4711";
    for (size_t i = 0; i < 17; i++)
        documents[i] = &document;
    for (size_t i = 0; i < 9; i++)
        refs[i] = &ref;
    c.evidence = documents;
}

static void assert_fine(void)
{
    Pledged__V1__Refusal *refusal = ledger_validate(&c, &arena);
    if (refusal != NULL)
        fail_msg("%d %s: %s", (int)refusal->reason, refusal->field, refusal->message);
}

static void assert_wrong(Pledged__V1__Reason reason, const char *field)
{
    Pledged__V1__Refusal *refusal = ledger_validate(&c, &arena);
    assert_non_null(refusal);
    assert_string_equal(refusal->field, field);
    assert_int_equal(refusal->reason, reason);
    assert_string_not_equal(refusal->message, "");
    assert_int_equal(refusal->seq, 0);
}

/* Each wrong value alone, with everything else right. */
#define WRONG(place_, value_, reason_, field_)                                                     \
    do {                                                                                           \
        __typeof__(place_) old_ = place_;                                                          \
        place_ = value_;                                                                           \
        assert_wrong(REASON(reason_), field_);                                                     \
        place_ = old_;                                                                             \
        assert_fine();                                                                             \
    } while (0)
#define FINE(place_, value_)                                                                       \
    do {                                                                                           \
        __typeof__(place_) old_ = place_;                                                          \
        place_ = value_;                                                                           \
        assert_fine();                                                                             \
        place_ = old_;                                                                             \
    } while (0)

static void test_fields_of_all_commands(void **state)
{
    (void)state;
    Pledged__V1__Wait body = PLEDGED__V1__WAIT__INIT;
    begin();
    assert_wrong(REASON(COMMAND_MISSING), "command");
    body.tier = (char *)"duo";
    body.contributor = (char *)"C000001";
    c.command_case = COMMAND(WAIT);
    c.wait = &body;
    assert_fine();
    WRONG(c.request_id.len, 15, REQUEST_ID_INVALID, "request_id");
    WRONG(c.request_id.len, 0, REQUEST_ID_INVALID, "request_id");
    WRONG(c.effective_date, (char *)"2026-02-29", DATE_INVALID, "effective_date");
    WRONG(c.effective_date, (char *)"26-02-01", DATE_INVALID, "effective_date");
    FINE(c.effective_date, (char *)"2028-02-29");
    WRONG(c.reason, text_of(1001), FIELD_TOO_LONG, "reason");
    FINE(c.reason, text_of(1000));
    c.reason = text_of(1001);
    const Pledged__V1__Refusal *refusal = ledger_validate(&c, &arena);
    assert_int_equal(refusal->n_arg, 1); /* and it says how long it may be */
    assert_string_equal(refusal->arg[0]->name, "max_bytes");
    assert_string_equal(refusal->arg[0]->value, "1000");
    c.reason = (char *)"";
    FINE(c.reason, (char *)"");
    WRONG(c.reason, (char *)"a\x1b[2J", FIELD_INVALID, "reason");
    WRONG(c.reason, (char *)"a\x7f", FIELD_INVALID, "reason");
    WRONG(c.n_evidence, 17, FIELD_TOO_LONG, "evidence");
    c.n_evidence = 16;
    assert_fine();
    WRONG(document.sha256.len, 31, FIELD_INVALID, "evidence.sha256");
    WRONG(document.bytes, -1, FIELD_INVALID, "evidence.sha256");
    WRONG(document.kind, (char *)"", FIELD_REQUIRED, "evidence.kind");
    WRONG(document.kind, text_of(33), FIELD_TOO_LONG, "evidence.kind");
    WRONG(document.filed_as, text_of(301), FIELD_TOO_LONG, "evidence.filed_as");
    WRONG(body.tier, (char *)"", FIELD_REQUIRED, "wait.tier");
    WRONG(body.tier, text_of(65), FIELD_TOO_LONG, "wait.tier");
    WRONG(body.contributor, (char *)"", FIELD_REQUIRED, "wait.contributor");
    WRONG(body.contributor, (char *)"P000001", FIELD_INVALID, "wait.contributor");
    WRONG(body.contributor, (char *)"C000000", FIELD_INVALID, "wait.contributor");
    WRONG(body.contributor, (char *)"C1", FIELD_INVALID, "wait.contributor");
}

/* What is looked at last is looked at as well. */
static void test_the_last_field_of_several_commands(void **state)
{
    (void)state;
    Pledged__V1__MatchReversal reversal = PLEDGED__V1__MATCH_REVERSAL__INIT;
    begin();
    reversal.bank_entry = reversal.original = (char *)"B000001";
    c.command_case = COMMAND(MATCH_REVERSAL);
    c.match_reversal = &reversal;
    assert_fine();
    WRONG(reversal.original, (char *)"P000001", FIELD_INVALID, "match_reversal.original");
    WRONG(reversal.bank_entry, (char *)"B1", FIELD_INVALID, "match_reversal.bank_entry");
    WRONG(c.reason, (char *)"", REASON_REQUIRED, "reason");

    Pledged__V1__MatchRefund refunded = PLEDGED__V1__MATCH_REFUND__INIT;
    refunded.bank_entry = (char *)"B000001";
    refunded.refund = (char *)"R000001";
    c.command_case = COMMAND(MATCH_REFUND);
    c.match_refund = &refunded;
    assert_fine();
    WRONG(refunded.bank_entry, (char *)"R000001", FIELD_INVALID, "match_refund.bank_entry");
    WRONG(refunded.refund, (char *)"B000001", FIELD_INVALID, "match_refund.refund");

    Pledged__V1__SetLegalHold hold = PLEDGED__V1__SET_LEGAL_HOLD__INIT;
    hold.contributor = (char *)"C000001";
    c.command_case = COMMAND(SET_LEGAL_HOLD);
    c.set_legal_hold = &hold;
    assert_fine();
    WRONG(hold.contributor, (char *)"K000001", FIELD_INVALID, "set_legal_hold.contributor");
    WRONG(c.reason, (char *)"", REASON_REQUIRED, "reason");

    Pledged__V1__EraseContact erase = PLEDGED__V1__ERASE_CONTACT__INIT;
    erase.contact = (char *)"K000001";
    c.command_case = COMMAND(ERASE_CONTACT);
    c.erase_contact = &erase;
    assert_fine();
    WRONG(erase.contact, (char *)"C000001", FIELD_INVALID, "erase_contact.contact");
    WRONG(c.reason, (char *)"", REASON_REQUIRED, "reason");

    Pledged__V1__Refund refund = PLEDGED__V1__REFUND__INIT;
    refund.bank_entry = (char *)"B000001";
    refund.other_payee = true;
    c.n_evidence = 1;
    c.command_case = COMMAND(REFUND);
    c.refund = &refund;
    assert_fine();
    WRONG(c.reason, (char *)"", REASON_REQUIRED, "reason"); /* for another than who paid */
    refund.other_payee = false;
    FINE(c.reason, (char *)"");

    Pledged__V1__ClaimBenefit claim = PLEDGED__V1__CLAIM_BENEFIT__INIT;
    claim.pledge = (char *)"P000001";
    claim.benefit = (char *)"VIS6";
    c.command_case = COMMAND(CLAIM_BENEFIT);
    c.claim_benefit = &claim;
    assert_fine();
    WRONG(claim.quantity, -1, FIELD_INVALID, "claim_benefit.quantity");
    FINE(claim.quantity, 1);

    Pledged__V1__Extend extend = PLEDGED__V1__EXTEND__INIT;
    extend.pledge = (char *)"P000001";
    extend.until_case = PLEDGED__V1__EXTEND__UNTIL_FOR_S;
    extend.for_s = 60;
    c.command_case = COMMAND(EXTEND);
    c.extend = &extend;
    assert_fine();
    WRONG(extend.for_s, 0, FIELD_INVALID, "extend.for_s");
    WRONG(c.reason, (char *)"", REASON_REQUIRED, "reason");
}

static void test_organisations(void **state)
{
    (void)state;
    Pledged__V1__AddContributor body = PLEDGED__V1__ADD_CONTRIBUTOR__INIT;
    begin();
    body.name = (char *)"Ministry";
    body.kind = PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_GOVERNMENT;
    c.command_case = COMMAND(ADD_CONTRIBUTOR);
    c.add_contributor = &body;
    assert_fine();
    WRONG(body.name, (char *)"", FIELD_REQUIRED, "add_contributor.name");
    WRONG(body.name, (char *)"    ", FIELD_REQUIRED, "add_contributor.name");
    WRONG(body.name, (char *)"\u00A0\u200B \uFEFF", FIELD_REQUIRED, "add_contributor.name");
    FINE(body.name, (char *)"\u00A0\u7D0D");
    body.name = (char *)"\u00A0";
    assert_null(ledger_validate_by(10, &c, &arena)); /* as older ledgers have it */
    body.name = (char *)"Ministry";
    FINE(body.name,
         (char *)"\u0645\u06CC\u200C\u0634\u0648\u062F"); /* Persian needs a mark without width */
    WRONG(body.name, text_of(201), FIELD_TOO_LONG, "add_contributor.name");
    FINE(body.name, text_of(200));
    WRONG(body.name, (char *)"a\tb", FIELD_INVALID, "add_contributor.name");
    WRONG(body.kind, 0, FIELD_REQUIRED, "add_contributor.kind");
    WRONG(body.country, (char *)"ch", FIELD_INVALID, "add_contributor.country");
    WRONG(body.country, (char *)"CHE", FIELD_INVALID, "add_contributor.country");
    FINE(body.country, (char *)"CH");
    WRONG(body.itu_membership, (char *)"friend", FIELD_INVALID, "add_contributor.itu_membership");
    FINE(body.itu_membership, (char *)"sector-member");
    body.external_ref = refs;
    WRONG(body.n_external_ref, 9, FIELD_TOO_LONG, "add_contributor.external_ref");
    body.n_external_ref = 8;
    assert_fine();
    WRONG(ref.system, (char *)"", FIELD_REQUIRED, "add_contributor.external_ref");
    WRONG(ref.id, text_of(129), FIELD_TOO_LONG, "add_contributor.external_ref");
    Pledged__V1__AmendContributor again = PLEDGED__V1__AMEND_CONTRIBUTOR__INIT;
    again.contributor = (char *)"C000001";
    again.name = body.name;
    again.kind = body.kind;
    c.command_case = COMMAND(AMEND_CONTRIBUTOR);
    c.amend_contributor = &again;
    assert_fine();
    WRONG(again.contributor, (char *)"", FIELD_REQUIRED, "amend_contributor.contributor");
    WRONG(again.name, (char *)"   ", FIELD_REQUIRED, "amend_contributor.name");
    WRONG(again.itu_membership, (char *)"friend", FIELD_INVALID,
          "amend_contributor.itu_membership");
    WRONG(again.name, (char *)"", FIELD_REQUIRED, "amend_contributor.name");
    WRONG(again.kind, 0, FIELD_REQUIRED, "amend_contributor.kind");
    WRONG(again.country, (char *)"X", FIELD_INVALID, "amend_contributor.country");
    WRONG(again.itu_membership, (char *)"x", FIELD_INVALID, "amend_contributor.itu_membership");
}

static void test_holds_and_extensions(void **state)
{
    (void)state;
    Pledged__V1__Hold body = PLEDGED__V1__HOLD__INIT;
    begin();
    body.tier = (char *)"duo";
    body.contributor = (char *)"C000001";
    c.command_case = COMMAND(HOLD);
    c.hold = &body;
    assert_fine(); /* the catalogue's length */
    body.until_case = PLEDGED__V1__HOLD__UNTIL_FOR_S;
    body.for_s = 1;
    assert_fine();
    WRONG(body.for_s, 0, FIELD_INVALID, "hold.for_s");
    WRONG(body.for_s, INT64_MIN, FIELD_INVALID, "hold.for_s");
    body.until_case = PLEDGED__V1__HOLD__UNTIL_UNTIL_US;
    body.until_us = 1;
    WRONG(body.until_us, 0, FIELD_INVALID, "hold.until_us");
    WRONG(body.tier, (char *)"", FIELD_REQUIRED, "hold.tier");
    WRONG(body.contributor, (char *)"x", FIELD_INVALID, "hold.contributor");
    Pledged__V1__Extend more = PLEDGED__V1__EXTEND__INIT;
    more.pledge = (char *)"P000001";
    more.until_case = PLEDGED__V1__EXTEND__UNTIL_FOR_S;
    more.for_s = 60;
    c.command_case = COMMAND(EXTEND);
    c.extend = &more;
    assert_fine();
    WRONG(more.for_s, -1, FIELD_INVALID, "extend.for_s");
    WRONG(more.pledge, (char *)"C000001", FIELD_INVALID, "extend.pledge");
    c.n_evidence = 1; /* a paper is no reason */
    WRONG(c.reason, (char *)"", REASON_REQUIRED, "reason");
}

static void test_submissions(void **state)
{
    (void)state;
    Pledged__V1__Submit body = PLEDGED__V1__SUBMIT__INIT;
    begin();
    body.contributor = (char *)"C000001";
    c.command_case = COMMAND(SUBMIT);
    c.submit = &body;
    assert_wrong(REASON(FIELD_REQUIRED), "submit.offer");
    body.offer_case = PLEDGED__V1__SUBMIT__OFFER_TIER;
    body.tier = (char *)"duo";
    assert_fine(); /* the tier's amount */
    WRONG(body.contributor, (char *)"", FIELD_REQUIRED, "submit.contributor");
    WRONG(body.tier, (char *)"", FIELD_REQUIRED, "submit.tier");
    body.amount = &money;
    WRONG(money.minor, 0, AMOUNT_NOT_POSITIVE, "submit.amount.minor");
    WRONG(money.minor, INT64_MIN, AMOUNT_NOT_POSITIVE, "submit.amount.minor");
    WRONG(money.currency, (char *)"chf", CURRENCY_UNKNOWN, "submit.amount.currency");
    WRONG(money.currency, (char *)"", CURRENCY_UNKNOWN, "submit.amount.currency");
    WRONG(body.campaign, text_of(65), FIELD_TOO_LONG, "submit.campaign");
    WRONG(body.agreement_ref, text_of(141), FIELD_TOO_LONG, "submit.agreement_ref");
    body.external_ref = refs;
    WRONG(body.n_external_ref, 9, FIELD_TOO_LONG, "submit.external_ref");
    body.offer_case = PLEDGED__V1__SUBMIT__OFFER_FREE;
    body.free = true;
    assert_fine();
    WRONG(body.free, false, FIELD_INVALID, "submit.free");
    WRONG(body.amount, NULL, AMOUNT_REQUIRED, "submit.amount");
    body.offer_case = PLEDGED__V1__SUBMIT__OFFER__NOT_SET;
    body.pledge = (char *)"P000001";
    body.contributor = (char *)"";
    assert_fine(); /* of a hold: it knows the rest */
    static const char *const steer[] = {"a\x1B[2J",
                                        "a\x7F",
                                        "a\xC2\x85"
                                        "b",
                                        "a\xC2\x9B"
                                        "2J",
                                        "\xE2\x80\xA8",
                                        "a\xE2\x80\xAE"
                                        "b",
                                        "\xE2\x81\xA6",
                                        "\xE2\x81\xA9"};
    static const char *const read[] = {"\xC2\xA0", "\xE2\x80\x8F\xD8\xB9", "\xE2\x80\xAF",
                                       "\xE2\x81\xA5"};
    for (size_t i = 0; i < PL_COUNT(steer); i++) {
        WRONG(c.reason, (char *)(uintptr_t)steer[i], FIELD_INVALID, "reason");
        c.reason = (char *)(uintptr_t)steer[i];
        if (i > 1)
            assert_null(ledger_validate_by(9, &c, &arena)); /* as older ledgers have it */
        c.reason = (char *)(uintptr_t) "because";
    }
    for (size_t i = 0; i < PL_COUNT(read); i++) {
        c.reason = (char *)(uintptr_t)read[i];
        assert_fine();
    }
    WRONG(c.reason, (char *)"", REASON_REQUIRED, "reason");
    c.reason = (char *)"";
    assert_non_null(ledger_validate_by(4, &c, &arena));
    assert_null(ledger_validate_by(3, &c, &arena)); /* as older ledgers have it */
    c.n_evidence = 1;
    assert_fine(); /* the letter itself */
    c.n_evidence = 0;
    c.reason = (char *)"because";
    WRONG(body.pledge, (char *)"P1", FIELD_INVALID, "submit.pledge");
    WRONG(body.contributor, (char *)"x", FIELD_INVALID, "submit.contributor");
}

static void test_commitments(void **state)
{
    (void)state;
    Pledged__V1__Commit body = PLEDGED__V1__COMMIT__INIT;
    begin();
    body.pledge = (char *)"P000001";
    c.command_case = COMMAND(COMMIT);
    c.commit = &body;
    assert_wrong(REASON(EVIDENCE_MISSING), "evidence");
    c.n_evidence = 1;
    assert_fine();
    WRONG(document.kind, (char *)"letter", EVIDENCE_MISSING, "evidence.kind");
    WRONG(body.pledge, (char *)"", FIELD_REQUIRED, "commit.pledge");
    Pledged__V1__AmendPledge amended = PLEDGED__V1__AMEND_PLEDGE__INIT;
    amended.pledge = (char *)"P000001";
    amended.amount = &money;
    document.kind = (char *)"letter";
    c.command_case = COMMAND(AMEND_PLEDGE);
    c.amend_pledge = &amended;
    assert_fine();
    WRONG(amended.amount, NULL, AMOUNT_REQUIRED, "amend_pledge.amount");
    WRONG(money.minor, -1, AMOUNT_NOT_POSITIVE, "amend_pledge.amount.minor");
    WRONG(c.n_evidence, 0, EVIDENCE_MISSING, "evidence");
    WRONG(amended.pledge, (char *)"x", FIELD_INVALID, "amend_pledge.pledge");
    Pledged__V1__Cancel ended = PLEDGED__V1__CANCEL__INIT;
    ended.pledge = (char *)"P000001";
    c.command_case = COMMAND(CANCEL);
    c.cancel = &ended;
    assert_fine(); /* whether a plan is needed depends on the money */
    WRONG(c.n_evidence, 0, EVIDENCE_MISSING, "evidence");
    WRONG(ended.pledge, (char *)"", FIELD_REQUIRED, "cancel.pledge");
}

static void test_changes_and_withdrawals(void **state)
{
    (void)state;
    Pledged__V1__ChangeTier body = PLEDGED__V1__CHANGE_TIER__INIT;
    begin();
    body.pledge = (char *)"P000001";
    body.tier = (char *)"top";
    c.command_case = COMMAND(CHANGE_TIER);
    c.change_tier = &body;
    assert_fine();
    WRONG(body.tier, (char *)"", FIELD_REQUIRED, "change_tier.tier");
    WRONG(body.pledge, (char *)"", FIELD_REQUIRED, "change_tier.pledge");
    body.amount = &money;
    WRONG(money.currency, (char *)"XXX", CURRENCY_UNKNOWN, "change_tier.amount.currency");
    Pledged__V1__Withdraw gone = PLEDGED__V1__WITHDRAW__INIT;
    gone.pledge = (char *)"P000001";
    c.command_case = COMMAND(WITHDRAW);
    c.withdraw = &gone;
    assert_fine();
    WRONG(c.reason, (char *)"", REASON_REQUIRED, "reason");
    c.n_evidence = 1;
    FINE(c.reason, (char *)""); /* here a paper will do */
    WRONG(gone.pledge, (char *)"P", FIELD_INVALID, "withdraw.pledge");
}

static void test_payments_and_reversals(void **state)
{
    (void)state;
    Pledged__V1__Pay body = PLEDGED__V1__PAY__INIT;
    begin();
    body.pledge = (char *)"P000001";
    body.amount = &money;
    c.command_case = COMMAND(PAY);
    c.pay = &body;
    assert_fine();
    WRONG(body.pledge, (char *)"", FIELD_REQUIRED, "pay.pledge");
    WRONG(body.amount, NULL, AMOUNT_REQUIRED, "pay.amount");
    WRONG(money.minor, 0, AMOUNT_NOT_POSITIVE, "pay.amount.minor");
    WRONG(body.value_date, (char *)"2026-13-01", DATE_INVALID, "pay.value_date");
    WRONG(body.bank_ref, text_of(141), FIELD_TOO_LONG, "pay.bank_ref");
    FINE(body.bank_ref, text_of(140));
    Pledged__V1__Reverse back = PLEDGED__V1__REVERSE__INIT;
    back.seq = 7;
    c.command_case = COMMAND(REVERSE);
    c.reverse = &back;
    assert_fine();
    WRONG(back.seq, 0, FIELD_REQUIRED, "reverse.seq");
    c.n_evidence = 1;
    WRONG(c.reason, (char *)"", REASON_REQUIRED, "reason");
}

static void test_catalogues_are_looked_into(void **state)
{
    (void)state;
    Pledged__V1__AdoptCatalogue body = PLEDGED__V1__ADOPT_CATALOGUE__INIT;
    begin();
    c.command_case = COMMAND(ADOPT_CATALOGUE);
    c.adopt_catalogue = &body;
    assert_wrong(REASON(CATALOGUE_INVALID), "adopt_catalogue.catalogue");
    body.catalogue = test_catalogue(&arena, 1, 2);
    assert_fine();
    WRONG(body.catalogue->version, 0, CATALOGUE_INVALID, "adopt_catalogue.catalogue.version");
}

static void test_a_spent_arena_still_refuses(void **state)
{
    (void)state;
    struct pl_arena none;
    begin();
    pl_arena_init(&none, 0);
    Pledged__V1__Refusal *refusal = ledger_validate(&c, &none);
    assert_non_null(refusal);
    assert_int_equal(refusal->reason, REASON(TOO_BIG));
    assert_null(refusal->arg);
    Pledged__V1__AdoptCatalogue body = PLEDGED__V1__ADOPT_CATALOGUE__INIT;
    c.command_case = COMMAND(ADOPT_CATALOGUE);
    c.adopt_catalogue = &body;
    assert_int_equal(ledger_validate(&c, &none)->reason, REASON(TOO_BIG));
    pl_arena_fini(&none);
}

static void test_every_command_of_the_proto_has_a_row(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *type = &pledged__v1__command__descriptor;
    size_t commands = 0;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
            continue;
        begin();
        ProtobufCMessage *body =
            protobuf_c_message_unpack(field->descriptor, NULL, 0, (const uint8_t *)"");
        c.command_case = (Pledged__V1__Command__CommandCase)field->id;
        c.approve = (Pledged__V1__Approve *)body; /* all members are pointers */
        const Pledged__V1__Refusal *refusal = ledger_validate(&c, &arena);
        if (refusal != NULL)
            if (refusal->reason == REASON(COMMAND_MISSING))
                fail_msg("%s", field->name);
        protobuf_c_message_free_unpacked(body, NULL);
        commands++;
    }
    assert_true(commands > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_of_all_commands),
        cmocka_unit_test(test_the_last_field_of_several_commands),
        cmocka_unit_test(test_organisations),
        cmocka_unit_test(test_holds_and_extensions),
        cmocka_unit_test(test_submissions),
        cmocka_unit_test(test_commitments),
        cmocka_unit_test(test_changes_and_withdrawals),
        cmocka_unit_test(test_payments_and_reversals),
        cmocka_unit_test(test_catalogues_are_looked_into),
        cmocka_unit_test(test_every_command_of_the_proto_has_a_row),
        cmocka_unit_test(test_a_spent_arena_still_refuses),
    };
    pl_arena_init(&arena, 1 << 26);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pl_arena_fini(&arena);
    return failed;
}
