/* SPDX-License-Identifier: Apache-2.0
 *
 * validate: what can be said of a command without knowing the ledger. Each field that is wrong is
 * named by its path; the first one ends the look. Happy path: NULL. Failure: the refusal, in the
 * caller's arena; where that is spent, a constant one. Previous hop: server/worker, any thread.
 */
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/ids.h"
#include "common/money.h"
#include "common/scan.h"
#include "server/ledger/postings.h"
#include "server/ledger/rate.h"
#include "server/ledger/receipt.h"
#include "server/ledger/schedule.h"
#include "server/ledger/statement_form.h"

enum {
    REASON_MAX = 1000,
    NAME_BYTES_MAX = 200,
    REFERENCE_MAX = 140,
    EVIDENCE_MAX = 16,
    REFS_MAX = 8,
};

struct judge {
    struct pl_arena *arena;
    const Pledged__V1__Command *command;
    uint32_t rules; /* the version that judges */
    Pledged__V1__Refusal *refusal;
};

const Pledged__V1__Refusal ledger_too_large = {
    .base = PROTOBUF_C_MESSAGE_INIT(&pledged__v1__refusal__descriptor),
    .reason = REASON(TOO_BIG),
    .field = (char *)(uintptr_t) "",
    .message = (char *)(uintptr_t) "the request is too large",
};

static bool wrong(struct judge *judge, Pledged__V1__Reason reason, const char *field,
                  const char *message)
{
    if (judge->refusal != NULL)
        return false;
    Pledged__V1__Refusal *made = pl_arena_alloc(judge->arena, sizeof(*made));
    if (made == NULL) {
        judge->refusal = (Pledged__V1__Refusal *)(uintptr_t)&ledger_too_large;
        return false;
    }
    pledged__v1__refusal__init(made);
    made->reason = reason;
    made->field = (char *)(uintptr_t)field;
    made->message = (char *)(uintptr_t)message;
    judge->refusal = made;
    return false;
}

/* A text that is too long says how long it may be; without memory it is refused all the same. */
static bool too_long(struct judge *judge, const char *field, size_t most)
{
    bool first = judge->refusal == NULL;
    (void)wrong(judge, REASON(FIELD_TOO_LONG), field, "the text is too long");
    Pledged__V1__Arg *arg = pl_arena_alloc(judge->arena, sizeof(*arg));
    Pledged__V1__Arg **args = pl_arena_alloc(judge->arena, sizeof(Pledged__V1__Arg *));
    char *bytes = pl_arena_printf(judge->arena, "%zu", most);
    if (!first || arg == NULL || args == NULL || bytes == NULL ||
        judge->refusal->reason != REASON(FIELD_TOO_LONG))
        return false;
    pledged__v1__arg__init(arg);
    arg->name = (char *)(uintptr_t) "max_bytes";
    arg->value = bytes;
    args[0] = arg;
    judge->refusal->arg = args;
    judge->refusal->n_arg = 1;
    return false;
}

static bool text(struct judge *judge, const char *value, size_t least, size_t most,
                 const char *field)
{
    size_t len = strlen(value);
    if (len < least)
        return wrong(judge, REASON(FIELD_REQUIRED), field, "a value is needed");
    if (len > most)
        return too_long(judge, field, most);
    if (!pl_utf8_is_steady(value,
                           judge->rules >= 10 ? 0 : PL_TEXT_TURNS)) /* older ledgers have some */
        return wrong(judge, REASON(FIELD_INVALID), field, "control characters are not allowed");
    return true;
}

static bool id(struct judge *judge, const char *value, char prefix, const char *field)
{
    if (value[0] == '\0')
        return wrong(judge, REASON(FIELD_REQUIRED), field, "an id is needed");
    if (pl_id_parse(value, prefix) != 0)
        return true;
    return wrong(judge, REASON(FIELD_INVALID), field,
                 prefix == 'P'   ? WORDS("a pledge id looks like P000042")
                 : prefix == 'B' ? WORDS("a bank entry's id looks like B000310")
                 : prefix == 'K' ? WORDS("a person's id looks like K000004")
                 : prefix == 'R' ? WORDS("a refund's id looks like R000007")
                                 : WORDS("a contributor id looks like C000017"));
}

static bool day(struct judge *judge, const char *value, const char *field)
{
    if (value[0] == '\0' || pl_date_valid(value))
        return true;
    return wrong(judge, REASON(DATE_INVALID), field, pl_date_wrong(value));
}

static bool month(struct judge *judge, const char *value, const char *field)
{
    char first[16];
    if (value[0] == '\0')
        return wrong(judge, REASON(FIELD_REQUIRED), field, "a month is needed");
    (void)snprintf(first, sizeof(first), "%.8s-01", value);
    if (pl_date_valid(first))
        return true;
    return wrong(judge, REASON(DATE_INVALID), field,
                 pl_date_formed(first) ? WORDS("there is no such month")
                                       : WORDS("a month has the form YYYY-MM"));
}

static bool money(struct judge *judge, const Pledged__V1__Money *value, bool needed,
                  const char *field, const char *currency_field, const char *minor_field)
{
    if (value == NULL)
        return needed ? wrong(judge, REASON(AMOUNT_REQUIRED), field, "an amount is needed") : true;
    if (pl_currency_index(value->currency) < 0)
        return wrong(judge, REASON(CURRENCY_UNKNOWN), currency_field, "not a currency of ISO 4217");
    if (value->minor > 0)
        return true;
    return wrong(judge, REASON(AMOUNT_NOT_POSITIVE), minor_field,
                 "the amount must be more than zero");
}
#define MONEY(judge_, value_, needed_, field_)                                                     \
    money(judge_, value_, needed_, field_, field_ ".currency", field_ ".minor")

static bool refs(struct judge *judge, Pledged__V1__ExternalRef *const *ref, size_t count,
                 const char *field)
{
    if (count > REFS_MAX)
        return wrong(judge, REASON(FIELD_TOO_LONG), field, "at most 8 external references");
    for (size_t i = 0; i < count; i++) {
        if (!text(judge, ref[i]->system, 1, 64, field) || !text(judge, ref[i]->id, 1, 128, field))
            return false;
    }
    return true;
}

static bool common_fields(struct judge *judge)
{
    const Pledged__V1__Command *command = judge->command;
    if (command->request_id.len != LEDGER_REQUEST_ID_BYTES)
        return wrong(judge, REASON(REQUEST_ID_INVALID), "request_id", "16 bytes are needed");
    if (command->command_case == COMMAND(_NOT_SET))
        return wrong(judge, REASON(COMMAND_MISSING), "command", "no command is given");
    if (!day(judge, command->effective_date, "effective_date") ||
        !text(judge, command->reason, 0, REASON_MAX, "reason"))
        return false;
    if (command->n_evidence > EVIDENCE_MAX)
        return wrong(judge, REASON(FIELD_TOO_LONG), "evidence", "at most 16 documents");
    for (size_t i = 0; i < command->n_evidence; i++) {
        const Pledged__V1__Document *document = command->evidence[i];
        if (document->sha256.len != 32 || document->bytes < 0)
            return wrong(judge, REASON(FIELD_INVALID), "evidence.sha256",
                         "a SHA-256 has 32 bytes, a size is not negative");
        if (!text(judge, document->kind, 1, 32, "evidence.kind") ||
            !text(judge, document->filed_as, 0, 300, "evidence.filed_as"))
            return false;
    }
    return true;
}

static bool has_evidence(struct judge *judge, const char *kind)
{
    const Pledged__V1__Command *command = judge->command;
    if (command->n_evidence == 0)
        return wrong(judge, REASON(EVIDENCE_MISSING), "evidence", "a document is needed");
    bool found = kind == NULL;
    for (size_t i = 0; i < command->n_evidence; i++)
        found = found || strcmp(command->evidence[i]->kind, kind) == 0;
    if (found)
        return true;
    return wrong(judge, REASON(EVIDENCE_MISSING), "evidence.kind",
                 "one document must be the signed agreement (kind agreement)");
}

static bool has_reason(struct judge *judge, bool or_evidence)
{
    const Pledged__V1__Command *command = judge->command;
    if (command->reason[0] != '\0' || (or_evidence && command->n_evidence != 0))
        return true;
    if (or_evidence)
        return wrong(judge, REASON(REASON_REQUIRED), "reason", "a reason or a document is needed");
    return wrong(judge, REASON(REASON_REQUIRED), "reason", "a reason is needed");
}

/* --- by command --- */

static bool organisation(struct judge *judge, const char *name, Pledged__V1__ContributorKind kind,
                         const char *country, const char *membership, bool amending)
{
    static const char *const memberships[] = {"", "member-state", "sector-member", "associate",
                                              "academia"};
    bool known = false;
    if (!text(judge, name, 1, NAME_BYTES_MAX,
              amending ? "amend_contributor.name" : "add_contributor.name"))
        return false;
    /* older ledgers have names of other spaces */
    if (judge->rules >= 11 ? pl_utf8_is_blank(name) : strspn(name, " ") == strlen(name))
        return wrong(judge, REASON(FIELD_REQUIRED),
                     amending ? "amend_contributor.name" : "add_contributor.name",
                     "a name is needed");
    if (kind == PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_UNSPECIFIED)
        return wrong(judge, REASON(FIELD_REQUIRED),
                     amending ? "amend_contributor.kind" : "add_contributor.kind",
                     "a kind is needed");
    bool letters = strlen(country) == 2 && strspn(country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 2;
    if (country[0] != '\0' && !letters)
        return wrong(judge, REASON(FIELD_INVALID),
                     amending ? "amend_contributor.country" : "add_contributor.country",
                     "a country has two capital letters (ISO 3166)");
    for (size_t i = 0; i < PL_COUNT(memberships); i++)
        known = known || strcmp(membership, memberships[i]) == 0;
    if (known)
        return true;
    return wrong(judge, REASON(FIELD_INVALID),
                 amending ? "amend_contributor.itu_membership" : "add_contributor.itu_membership",
                 "member-state, sector-member, associate, academia, or nothing");
}

static bool tier_word(struct judge *judge, const char *value, const char *field)
{
    return text(judge, value, 1, 64, field);
}

static bool length(struct judge *judge, bool given, int64_t seconds, const char *field)
{
    if (!given || seconds > 0)
        return true;
    return wrong(judge, REASON(FIELD_INVALID), field, "more than zero is needed");
}

static bool benefit(struct judge *judge, const char *pledge, const char *code, int64_t quantity,
                    const char *const field[3])
{
    return id(judge, pledge, 'P', field[0]) && text(judge, code, 1, 32, field[1]) &&
           (quantity >= 0 || wrong(judge, REASON(FIELD_INVALID), field[2],
                                   "a quantity is not negative; 0 is all that is left"));
}
#define BENEFIT(judge_, command_, name_)                                                           \
    benefit(judge_, (command_)->pledge, (command_)->benefit, (command_)->quantity,                 \
            (const char *const[]){name_ ".pledge", name_ ".benefit", name_ ".quantity"})

static bool export_postings(struct judge *judge)
{
    const Pledged__V1__ExportPostings *command = judge->command->export_postings;
    enum { CONTROLS_MAX = 200 };
    if (postings_month(command->period) < 0)
        return wrong(judge, REASON(DATE_INVALID), "export_postings.period",
                     "a month has the form YYYY-MM");
    if (command->sha256.len != 32)
        return wrong(judge, REASON(FIELD_INVALID), "export_postings.sha256",
                     "a SHA-256 has 32 bytes");
    if (command->n_control > CONTROLS_MAX)
        return wrong(judge, REASON(FIELD_TOO_LONG), "export_postings.control",
                     "at most 200 currencies");
    for (size_t i = 0; i < command->n_control; i++) {
        if (!MONEY(judge, command->control[i], true, "export_postings.control"))
            return false;
    }
    return true;
}

static bool record_contact(struct judge *judge)
{
    const Pledged__V1__RecordContact *command = judge->command->record_contact;
    if (!id(judge, command->contributor, 'C', "record_contact.contributor"))
        return false;
    if (command->commitment.len == LEDGER_COMMITMENT_BYTES)
        return true;
    return wrong(judge, REASON(FIELD_INVALID), "record_contact.commitment",
                 "a commitment has 32 bytes");
}

static bool erase_contact(struct judge *judge)
{
    const Pledged__V1__EraseContact *command = judge->command->erase_contact;
    bool all = command->contributor[0] != '\0', one = command->contact[0] != '\0';
    bool payer = command->bank_entry[0] != '\0';
    if (all + one + payer != 1)
        return wrong(judge, REASON(FIELD_REQUIRED), "erase_contact.contact",
                     "one person, a contributor, or a bank entry: exactly one of them");
    bool fine = all   ? id(judge, command->contributor, 'C', "erase_contact.contributor")
                : one ? id(judge, command->contact, 'K', "erase_contact.contact")
                      : id(judge, command->bank_entry, 'B', "erase_contact.bank_entry");
    return fine && has_reason(judge, true);
}

static bool submit(struct judge *judge)
{
    const Pledged__V1__Submit *command = judge->command->submit;
    bool held = command->pledge[0] != '\0';
    if (held && !id(judge, command->pledge, 'P', "submit.pledge"))
        return false;
    if ((!held || command->contributor[0] != '\0') &&
        !id(judge, command->contributor, 'C', "submit.contributor"))
        return false;
    if (!held && command->offer_case == PLEDGED__V1__SUBMIT__OFFER__NOT_SET)
        return wrong(judge, REASON(FIELD_REQUIRED), "submit.offer",
                     "a tier, or a free contribution, is needed");
    bool is_free = command->offer_case == PLEDGED__V1__SUBMIT__OFFER_FREE;
    if (is_free && !command->free)
        return wrong(judge, REASON(FIELD_INVALID), "submit.free", "true is the only value");
    if (command->offer_case == PLEDGED__V1__SUBMIT__OFFER_TIER &&
        !tier_word(judge, command->tier, "submit.tier"))
        return false;
    return MONEY(judge, command->amount, is_free, "submit.amount") &&
           text(judge, command->campaign, 0, 64, "submit.campaign") &&
           text(judge, command->agreement_ref, 0, REFERENCE_MAX, "submit.agreement_ref") &&
           refs(judge, command->external_ref, command->n_external_ref, "submit.external_ref") &&
           (judge->rules < 4 || has_reason(judge, true)); /* the letter, or where it is */
}

static bool pay(struct judge *judge)
{
    const Pledged__V1__Pay *command = judge->command->pay;
    bool refund = command->refund[0] != '\0';
    if (refund && command->pledge[0] != '\0')
        return wrong(judge, REASON(FIELD_INVALID), "pay.refund", "a pledge or a refund, not both");
    return (refund ? id(judge, command->refund, 'R', "pay.refund")
                   : id(judge, command->pledge, 'P', "pay.pledge")) &&
           MONEY(judge, command->amount, true, "pay.amount") &&
           day(judge, command->value_date, "pay.value_date") &&
           text(judge, command->bank_ref, 0, REFERENCE_MAX, "pay.bank_ref");
}

static bool document(struct judge *judge, const char *number, char prefix,
                     const ProtobufCBinaryData *sha256, const char *number_field,
                     const char *sha256_field)
{
    if (pl_id_parse(number, prefix) == 0)
        return wrong(judge, REASON(FIELD_INVALID), number_field,
                     "a receipt's number looks like Q000042, a certificate's like Z000042");
    if (sha256->len == 32)
        return true;
    return wrong(judge, REASON(FIELD_INVALID), sha256_field, "a SHA-256 has 32 bytes");
}

static bool accept_difference(struct judge *judge)
{
    const Pledged__V1__AcceptDifference *command = judge->command->accept_difference;
    if (command->kind == PLEDGED__V1__DIFFERENCE_KIND__DIFFERENCE_KIND_UNSPECIFIED)
        return wrong(judge, REASON(FIELD_REQUIRED), "accept_difference.kind",
                     "a kind is needed: fee or exchange");
    return id(judge, command->bank_entry, 'B', "accept_difference.bank_entry") &&
           id(judge, command->pledge, 'P', "accept_difference.pledge") &&
           MONEY(judge, command->amount, false, "accept_difference.amount") &&
           has_reason(judge, false);
}

static bool reallocate(struct judge *judge)
{
    const Pledged__V1__Reallocate *command = judge->command->reallocate;
    if (command->seq == 0)
        return wrong(judge, REASON(FIELD_REQUIRED), "reallocate.seq", "an entry number is needed");
    return id(judge, command->pledge, 'P', "reallocate.pledge") &&
           MONEY(judge, command->amount, false, "reallocate.amount") &&
           MONEY(judge, command->settled, false, "reallocate.settled") && has_evidence(judge, NULL);
}

static bool refund(struct judge *judge)
{
    const Pledged__V1__Refund *command = judge->command->refund;
    return id(judge, command->bank_entry, 'B', "refund.bank_entry") &&
           MONEY(judge, command->amount, false, "refund.amount") && has_evidence(judge, NULL) &&
           (command->contributor[0] == '\0' ||
            id(judge, command->contributor, 'C', "refund.contributor")) &&
           (!command->other_payee || has_reason(judge, false));
}

static bool import_statement(struct judge *judge)
{
    const Pledged__V1__ImportStatement *command = judge->command->import_statement;
    Pledged__V1__Reason reason = REASON(UNSPECIFIED);
    const char *field = "";
    const char *why = statement_form_wrong(command, &reason, &field);
    if (why == NULL)
        return true;
    return wrong(judge, reason, field, why);
}

static bool adopt_catalogue(struct judge *judge)
{
    const Pledged__V1__AdoptCatalogue *command = judge->command->adopt_catalogue;
    if (judge->refusal == NULL)
        judge->refusal = catalogue_validate(command->catalogue, judge->rules, judge->arena);
    return judge->refusal == NULL;
}

static bool add_contributor(struct judge *judge)
{
    const Pledged__V1__AddContributor *command = judge->command->add_contributor;
    return organisation(judge, command->name, command->kind, command->country,
                        command->itu_membership, false) &&
           refs(judge, command->external_ref, command->n_external_ref,
                "add_contributor.external_ref");
}

static bool amend_contributor(struct judge *judge)
{
    const Pledged__V1__AmendContributor *command = judge->command->amend_contributor;
    return id(judge, command->contributor, 'C', "amend_contributor.contributor") &&
           organisation(judge, command->name, command->kind, command->country,
                        command->itu_membership, true) &&
           refs(judge, command->external_ref, command->n_external_ref,
                "amend_contributor.external_ref");
}

static bool claim_benefit(struct judge *judge)
{
    const Pledged__V1__ClaimBenefit *command = judge->command->claim_benefit;
    return BENEFIT(judge, command, "claim_benefit");
}

static bool decline_benefit(struct judge *judge)
{
    const Pledged__V1__DeclineBenefit *command = judge->command->decline_benefit;
    return BENEFIT(judge, command, "decline_benefit");
}

static bool deliver_benefit(struct judge *judge)
{
    const Pledged__V1__DeliverBenefit *command = judge->command->deliver_benefit;
    return BENEFIT(judge, command, "deliver_benefit");
}

static bool set_legal_hold(struct judge *judge)
{
    const Pledged__V1__SetLegalHold *command = judge->command->set_legal_hold;
    return id(judge, command->contributor, 'C', "set_legal_hold.contributor") &&
           has_reason(judge, true);
}

static bool hold(struct judge *judge)
{
    const Pledged__V1__Hold *command = judge->command->hold;
    return tier_word(judge, command->tier, "hold.tier") &&
           id(judge, command->contributor, 'C', "hold.contributor") &&
           length(judge, command->until_case == PLEDGED__V1__HOLD__UNTIL_FOR_S, command->for_s,
                  "hold.for_s") &&
           length(judge, command->until_case == PLEDGED__V1__HOLD__UNTIL_UNTIL_US,
                  command->until_us, "hold.until_us");
}

static bool extend(struct judge *judge)
{
    const Pledged__V1__Extend *command = judge->command->extend;
    return id(judge, command->pledge, 'P', "extend.pledge") && has_reason(judge, false) &&
           length(judge, command->until_case == PLEDGED__V1__EXTEND__UNTIL_FOR_S, command->for_s,
                  "extend.for_s") &&
           length(judge, command->until_case == PLEDGED__V1__EXTEND__UNTIL_UNTIL_US,
                  command->until_us, "extend.until_us");
}

static bool wait(struct judge *judge)
{
    const Pledged__V1__Wait *command = judge->command->wait;
    return tier_word(judge, command->tier, "wait.tier") &&
           id(judge, command->contributor, 'C', "wait.contributor");
}

static bool commit(struct judge *judge)
{
    const Pledged__V1__Commit *command = judge->command->commit;
    return id(judge, command->pledge, 'P', "commit.pledge") && has_evidence(judge, "agreement");
}

static bool amend_pledge(struct judge *judge)
{
    const Pledged__V1__AmendPledge *command = judge->command->amend_pledge;
    return id(judge, command->pledge, 'P', "amend_pledge.pledge") &&
           MONEY(judge, command->amount, true, "amend_pledge.amount") && has_evidence(judge, NULL);
}

static bool change_tier(struct judge *judge)
{
    const Pledged__V1__ChangeTier *command = judge->command->change_tier;
    return id(judge, command->pledge, 'P', "change_tier.pledge") &&
           tier_word(judge, command->tier, "change_tier.tier") &&
           MONEY(judge, command->amount, false, "change_tier.amount");
}

static bool withdraw(struct judge *judge)
{
    const Pledged__V1__Withdraw *command = judge->command->withdraw;
    return id(judge, command->pledge, 'P', "withdraw.pledge") && has_reason(judge, true);
}

static bool cancel(struct judge *judge)
{
    const Pledged__V1__Cancel *command = judge->command->cancel;
    return id(judge, command->pledge, 'P', "cancel.pledge") && has_evidence(judge, NULL);
}

static bool close_period(struct judge *judge)
{
    const Pledged__V1__ClosePeriod *command = judge->command->close_period;
    if (command->head_root.len != 32)
        return wrong(judge, REASON(FIELD_INVALID), "close_period.head_root",
                     "the root of a signed checkpoint has 32 bytes");
    return month(judge, command->period, "close_period.period") &&
           (!command->waive || has_reason(judge, false));
}

static bool reopen_period(struct judge *judge)
{
    const Pledged__V1__ReopenPeriod *command = judge->command->reopen_period;
    return month(judge, command->period, "reopen_period.period") && has_reason(judge, false);
}

static bool allocate(struct judge *judge)
{
    const Pledged__V1__Allocate *command = judge->command->allocate;
    return id(judge, command->bank_entry, 'B', "allocate.bank_entry") &&
           id(judge, command->pledge, 'P', "allocate.pledge") &&
           MONEY(judge, command->amount, false, "allocate.amount") &&
           MONEY(judge, command->settled, false, "allocate.settled");
}

static bool issue_receipt(struct judge *judge)
{
    const Pledged__V1__IssueReceipt *command = judge->command->issue_receipt;
    if (command->n_allocation_seq > RECEIPT_ALLOCATIONS_MAX)
        return wrong(judge, REASON(FIELD_TOO_LONG), "issue_receipt.allocation_seq",
                     "at most 100 allocations");
    return id(judge, command->pledge, 'P', "issue_receipt.pledge") &&
           document(judge, command->number, 'Q', &command->document_sha256, "issue_receipt.number",
                    "issue_receipt.document_sha256");
}

static bool issue_certificate(struct judge *judge)
{
    const Pledged__V1__IssueCertificate *command = judge->command->issue_certificate;
    return id(judge, command->pledge, 'P', "issue_certificate.pledge") &&
           document(judge, command->number, 'Z', &command->document_sha256,
                    "issue_certificate.number", "issue_certificate.document_sha256");
}

static bool approve(struct judge *judge)
{
    const Pledged__V1__Approve *command = judge->command->approve;
    if (command->seq != 0)
        return true;
    return wrong(judge, REASON(FIELD_REQUIRED), "approve.seq",
                 "the number of a proposal is needed");
}

static bool reject(struct judge *judge)
{
    const Pledged__V1__Reject *command = judge->command->reject;
    if (command->seq == 0)
        return wrong(judge, REASON(FIELD_REQUIRED), "reject.seq",
                     "the number of a proposal is needed");
    return has_reason(judge, false);
}

static bool set_schedule(struct judge *judge)
{
    const Pledged__V1__SetSchedule *command = judge->command->set_schedule;
    Pledged__V1__Reason reason = REASON(UNSPECIFIED);
    const char *field = "";
    if (!id(judge, command->pledge, 'P', "set_schedule.pledge"))
        return false;
    const char *why = schedule_wrong(command, &reason, &field);
    return why == NULL ? has_reason(judge, true) : wrong(judge, reason, field, why);
}

static bool close(struct judge *judge)
{
    const Pledged__V1__Close *command = judge->command->close;
    return id(judge, command->pledge, 'P', "close.pledge") &&
           (!command->waive_benefits || has_reason(judge, false));
}

static bool convert(struct judge *judge)
{
    const Pledged__V1__Convert *command = judge->command->convert;
    return id(judge, command->bank_entry, 'B', "convert.bank_entry") &&
           MONEY(judge, command->amount, false, "convert.amount") && has_evidence(judge, NULL);
}

static bool cancel_refund(struct judge *judge)
{
    const Pledged__V1__CancelRefund *command = judge->command->cancel_refund;
    return id(judge, command->refund, 'R', "cancel_refund.refund") && has_reason(judge, false);
}

static bool write_off(struct judge *judge)
{
    const Pledged__V1__WriteOff *command = judge->command->write_off;
    return id(judge, command->pledge, 'P', "write_off.pledge") &&
           MONEY(judge, command->amount, false, "write_off.amount") && has_reason(judge, false);
}

static bool is_rate(struct judge *judge, const Pledged__V1__Rate *rate)
{
    if (pl_currency_index(rate->currency) < 0)
        return wrong(judge, REASON(CURRENCY_UNKNOWN), "record_rates.rate.currency",
                     "not a currency of ISO 4217");
    if (strcmp(rate->currency, RATE_HOME) == 0)
        return wrong(judge, REASON(RATE_INVALID), "record_rates.rate.currency",
                     "rates are given in CHF: it has none itself");
    if (!pl_date_valid(rate->date))
        return wrong(judge, REASON(DATE_INVALID), "record_rates.rate.date",
                     pl_date_wrong(rate->date));
    if (rate->mantissa <= 0 || rate->mantissa > RATE_MANTISSA_MAX)
        return wrong(judge, REASON(RATE_INVALID), "record_rates.rate.mantissa",
                     "a rate is more than zero, and has at most 15 digits");
    if (rate->scale > RATE_SCALE_MAX)
        return wrong(judge, REASON(RATE_INVALID), "record_rates.rate.scale",
                     "a rate has at most 12 digits after the point");
    return text(judge, rate->source, 1, RATE_SOURCE_MAX, "record_rates.rate.source");
}

static bool record_rates(struct judge *judge)
{
    const Pledged__V1__RecordRates *command = judge->command->record_rates;
    if (command->n_rate == 0)
        return wrong(judge, REASON(FIELD_REQUIRED), "record_rates.rate", "a rate is needed");
    if (command->n_rate > RATE_COMMAND_MAX)
        return wrong(judge, REASON(FIELD_TOO_LONG), "record_rates.rate",
                     "at most 100 rates in one command");
    for (size_t i = 0; i < command->n_rate; i++) {
        const Pledged__V1__Rate *rate = command->rate[i];
        if (!is_rate(judge, rate))
            return false;
        for (size_t j = 0; j < i; j++) {
            if (strcmp(command->rate[j]->currency, rate->currency) == 0 &&
                strcmp(command->rate[j]->date, rate->date) == 0)
                return wrong(judge, REASON(RATE_INVALID), "record_rates.rate.date",
                             "two rates of one currency for one day");
        }
    }
    return true;
}

static bool reverse(struct judge *judge)
{
    const Pledged__V1__Reverse *command = judge->command->reverse;
    if (command->seq == 0)
        return wrong(judge, REASON(FIELD_REQUIRED), "reverse.seq", "an entry number is needed");
    return has_reason(judge, false);
}

static bool match_reversal(struct judge *judge)
{
    const Pledged__V1__MatchReversal *command = judge->command->match_reversal;
    return id(judge, command->bank_entry, 'B', "match_reversal.bank_entry") &&
           id(judge, command->original, 'B', "match_reversal.original") && has_reason(judge, true);
}

static bool match_refund(struct judge *judge)
{
    const Pledged__V1__MatchRefund *command = judge->command->match_refund;
    return id(judge, command->bank_entry, 'B', "match_refund.bank_entry") &&
           id(judge, command->refund, 'R', "match_refund.refund");
}

static bool book_charge(struct judge *judge)
{
    return id(judge, judge->command->book_charge->bank_entry, 'B', "book_charge.bank_entry");
}

/* One row a command. */
static bool (*const rows[])(struct judge *judge) = {
    [COMMAND(ADOPT_CATALOGUE)] = adopt_catalogue,
    [COMMAND(ADD_CONTRIBUTOR)] = add_contributor,
    [COMMAND(AMEND_CONTRIBUTOR)] = amend_contributor,
    [COMMAND(CLAIM_BENEFIT)] = claim_benefit,
    [COMMAND(DECLINE_BENEFIT)] = decline_benefit,
    [COMMAND(DELIVER_BENEFIT)] = deliver_benefit,
    [COMMAND(EXPORT_POSTINGS)] = export_postings,
    [COMMAND(RECORD_CONTACT)] = record_contact,
    [COMMAND(ERASE_CONTACT)] = erase_contact,
    [COMMAND(SET_LEGAL_HOLD)] = set_legal_hold,
    [COMMAND(HOLD)] = hold,
    [COMMAND(EXTEND)] = extend,
    [COMMAND(WAIT)] = wait,
    [COMMAND(SUBMIT)] = submit,
    [COMMAND(COMMIT)] = commit,
    [COMMAND(AMEND_PLEDGE)] = amend_pledge,
    [COMMAND(CHANGE_TIER)] = change_tier,
    [COMMAND(WITHDRAW)] = withdraw,
    [COMMAND(CANCEL)] = cancel,
    [COMMAND(PAY)] = pay,
    [COMMAND(CLOSE_PERIOD)] = close_period,
    [COMMAND(REOPEN_PERIOD)] = reopen_period,
    [COMMAND(ALLOCATE)] = allocate,
    [COMMAND(ISSUE_RECEIPT)] = issue_receipt,
    [COMMAND(ISSUE_CERTIFICATE)] = issue_certificate,
    [COMMAND(APPROVE)] = approve,
    [COMMAND(REJECT)] = reject,
    [COMMAND(SET_SCHEDULE)] = set_schedule,
    [COMMAND(CLOSE)] = close,
    [COMMAND(REALLOCATE)] = reallocate,
    [COMMAND(CONVERT)] = convert,
    [COMMAND(REFUND)] = refund,
    [COMMAND(CANCEL_REFUND)] = cancel_refund,
    [COMMAND(WRITE_OFF)] = write_off,
    [COMMAND(ACCEPT_DIFFERENCE)] = accept_difference,
    [COMMAND(RECORD_RATES)] = record_rates,
    [COMMAND(REVERSE)] = reverse,
    [COMMAND(IMPORT_STATEMENT)] = import_statement,
    [COMMAND(MATCH_REVERSAL)] = match_reversal,
    [COMMAND(MATCH_REFUND)] = match_refund,
    [COMMAND(BOOK_CHARGE)] = book_charge,
};

static bool by_command(struct judge *judge)
{
    size_t command = (size_t)judge->command->command_case;
    if (command < sizeof(rows) / sizeof(rows[0]) && rows[command] != NULL)
        return rows[command](judge);
    return wrong(judge, REASON(COMMAND_MISSING), "command", "no command is given");
}

Pledged__V1__Refusal *ledger_validate_by(uint32_t rules, const Pledged__V1__Command *command,
                                         struct pl_arena *arena)
{
    struct judge judge = {.arena = arena, .command = command, .rules = rules};
    (void)(common_fields(&judge) && by_command(&judge));
    return judge.refusal;
}

Pledged__V1__Refusal *ledger_validate(const Pledged__V1__Command *command, struct pl_arena *arena)
{
    return ledger_validate_by(LEDGER_RULES, command, arena);
}
