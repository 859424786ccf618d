/* SPDX-License-Identifier: Apache-2.0
 *
 * text: tables of words, and where gettext finds the French ones. English is the language of the
 * source, so a missing catalogue leaves English.
 */
#include "client/text.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/check.h"

/* --- language --- */

static enum text_language current = TEXT_ENGLISH;

bool text_language_parse(const char *text, enum text_language *ret)
{
    size_t len = strcspn(text, "_.@:-");
    if (len == 2 && strncmp(text, "fr", 2) == 0)
        *ret = TEXT_FRENCH;
    else if (len == 2 && strncmp(text, "en", 2) == 0)
        *ret = TEXT_ENGLISH;
    else
        return false;
    return true;
}

enum text_language text_language_of_environment(void)
{
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    const char *locale = "";
    for (size_t i = 0; i < PL_COUNT(names) && *locale == '\0'; i++) {
        const char *value = getenv(names[i]);
        locale = value == NULL ? "" : value;
    }
    enum text_language language = TEXT_ENGLISH;
    if (strcmp(locale, "C") == 0 || strcmp(locale, "POSIX") == 0)
        return language;
    /* LANGUAGE is a list, most wanted first */
    const char *wanted = getenv("LANGUAGE");
    while (wanted != NULL && *wanted != '\0') {
        if (text_language_parse(wanted, &language))
            return language;
        wanted += strcspn(wanted, ":");
        wanted += *wanted == ':';
    }
    (void)text_language_parse(locale, &language);
    return language;
}

static bool has_catalogue(const char *dir)
{
    char path[4096 + 64];
    int used = snprintf(path, sizeof(path), "%s/fr/LC_MESSAGES/pledge.mo", dir);
    return used > 0 && (size_t)used < sizeof(path) && access(path, R_OK) == 0;
}

/* bin/pledge finds locale/ beside bin/ in a build tree, share/locale/ where it was installed. */
static void bind_catalogue(void)
{
    char dir[4096];
    ssize_t len = readlink("/proc/self/exe", dir, sizeof(dir) - 32);
    for (int up = 0; len > 0 && up < 2; up++) {
        while (len > 0 && dir[len - 1] != '/')
            len--;
        len -= len > 0;
    }
    static const char *const places[] = {"/locale", "/share/locale"};
    for (size_t i = 0; len > 0 && i < PL_COUNT(places); i++) {
        (void)snprintf(dir + len, sizeof(dir) - (size_t)len, "%s", places[i]);
        if (has_catalogue(dir)) {
            (void)bindtextdomain("pledge", dir);
            return;
        }
    }
    (void)bindtextdomain("pledge", CLIENT_LOCALE_DIR);
}

void text_use(enum text_language language)
{
    current = language;
    /* glibc looks at LANGUAGE in every locale but the one called "C" */
    (void)setlocale(LC_ALL, "C.UTF-8");
    (void)setenv("LANGUAGE", language == TEXT_FRENCH ? "fr" : "en", 1);
    bind_catalogue();
    (void)bind_textdomain_codeset("pledge", "UTF-8");
    (void)textdomain("pledge");
}

enum text_language text_language(void)
{
    return current;
}

const char *text_language_code(void)
{
    return current == TEXT_FRENCH ? "fr" : "en";
}

/* --- closed lists --- */

struct word {
    int value;
    const char *code;
    const char *label;
};

static const struct word kinds[] = {
    {PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_GOVERNMENT, "government", N_("government")},
    {PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_PRIVATE_SECTOR, "private-sector",
     N_("private sector")},
    {PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_CIVIL_SOCIETY, "civil-society",
     N_("civil society")},
    {PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_ACADEMIA, "academia", N_("academia")},
    {PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_INTERNATIONAL_ORGANISATION,
     "international-organisation", N_("international organisation")},
};
static const struct word stages[] = {
    {PLEDGED__V1__STAGE__STAGE_WAITING, "waiting", N_("waiting")},
    {PLEDGED__V1__STAGE__STAGE_HELD, "held", N_("held")},
    {PLEDGED__V1__STAGE__STAGE_PLEDGED, "pledged", N_("pledged")},
    {PLEDGED__V1__STAGE__STAGE_COMMITTED, "committed", N_("committed")},
    {PLEDGED__V1__STAGE__STAGE_CLOSED, "closed", N_("closed")},
    {PLEDGED__V1__STAGE__STAGE_EXPIRED, "expired", N_("expired")},
    {PLEDGED__V1__STAGE__STAGE_WITHDRAWN, "withdrawn", N_("withdrawn")},
    {PLEDGED__V1__STAGE__STAGE_CANCELLED, "cancelled", N_("cancelled")},
};
static const struct word moneys[] = {
    {PLEDGED__V1__MONEY_STATE__MONEY_STATE_NONE, "none", N_("nothing received")},
    {PLEDGED__V1__MONEY_STATE__MONEY_STATE_PART, "part", N_("part paid")},
    {PLEDGED__V1__MONEY_STATE__MONEY_STATE_PAID, "paid", N_("paid")},
    {PLEDGED__V1__MONEY_STATE__MONEY_STATE_OVER, "over", N_("overpaid")},
    {PLEDGED__V1__MONEY_STATE__MONEY_STATE_REFUND_DUE, "refund-due", N_("refund due")},
};
static const struct word roles[] = {
    {PLEDGED__V1__ROLE__ROLE_PUBLIC, "public", N_("public")},
    {PLEDGED__V1__ROLE__ROLE_READER, "reader", N_("reader")},
    {PLEDGED__V1__ROLE__ROLE_CLERK, "clerk", N_("clerk")},
    {PLEDGED__V1__ROLE__ROLE_APPROVER, "approver", N_("approver")},
    {PLEDGED__V1__ROLE__ROLE_AUDITOR, "auditor", N_("auditor")},
    {PLEDGED__V1__ROLE__ROLE_ADMIN, "admin", N_("administrator")},
    {PLEDGED__V1__ROLE__ROLE_DAEMON, "daemon", N_("the daemon")},
};
static const struct word pledge_kinds[] = {
    {PLEDGED__V1__PLEDGE_KIND__PLEDGE_KIND_CASH, "cash", N_("cash")},
    {PLEDGED__V1__PLEDGE_KIND__PLEDGE_KIND_IN_KIND, "in-kind", N_("in kind")},
};
static const struct word purposes[] = {
    {PLEDGED__V1__PURPOSE__PURPOSE_FORUM, "forum", N_("forum")},
    {PLEDGED__V1__PURPOSE__PURPOSE_FUND, "fund", N_("fund")},
};
static const struct word publishes[] = {
    {PLEDGED__V1__PUBLISH__PUBLISH_YES, "yes", N_("yes")},
    {PLEDGED__V1__PUBLISH__PUBLISH_NO, "no", N_("no")},
    {PLEDGED__V1__PUBLISH__PUBLISH_AFTER, "after", N_("after the announcement")},
};
static const struct word differences[] = {
    {PLEDGED__V1__DIFFERENCE_KIND__DIFFERENCE_KIND_FEE, "fee", N_("bank charges")},
    {PLEDGED__V1__DIFFERENCE_KIND__DIFFERENCE_KIND_EXCHANGE, "exchange", N_("exchange")},
};
static const struct word refund_states[] = {
    {PLEDGED__V1__REFUND_STATE__REFUND_STATE_ORDERED, "ordered", N_("ordered")},
    {PLEDGED__V1__REFUND_STATE__REFUND_STATE_PAID, "paid", N_("paid")},
    {PLEDGED__V1__REFUND_STATE__REFUND_STATE_CANCELLED, "cancelled", N_("order cancelled")},
};
static const struct word money_plans[] = {
    {PLEDGED__V1__MONEY_PLAN__MONEY_PLAN_KEEP, "keep", N_("keep")},
    {PLEDGED__V1__MONEY_PLAN__MONEY_PLAN_REFUND, "refund", N_("pay back")},
    {PLEDGED__V1__MONEY_PLAN__MONEY_PLAN_MOVE, "move", N_("move")},
};
static const struct word units[] = {
    {PLEDGED__V1__UNIT__UNIT_ONCE, "once", "✓"},
    {PLEDGED__V1__UNIT__UNIT_MINUTE, "minute", N_("min")},
    {PLEDGED__V1__UNIT__UNIT_SECOND, "second", N_("s")},
    {PLEDGED__V1__UNIT__UNIT_SEAT, "seat", N_("seats")},
    {PLEDGED__V1__UNIT__UNIT_PERSON, "person", N_("persons")},
    {PLEDGED__V1__UNIT__UNIT_PIN, "pin", N_("pins")},
    {PLEDGED__V1__UNIT__UNIT_STAND, "stand", N_("stand")},
    {PLEDGED__V1__UNIT__UNIT_ROOM, "room", N_("room")},
};
static const struct word phases[] = {
    {PLEDGED__V1__PHASE__PHASE_BEFORE, "before", N_("before")},
    {PLEDGED__V1__PHASE__PHASE_DURING, "during", N_("during")},
    {PLEDGED__V1__PHASE__PHASE_AFTER, "after", N_("after")},
};
static const struct word bys[] = {
    {PLEDGED__V1__TOTALS_BY__TOTALS_BY_TIER, "tier", N_("Tier")},
    {PLEDGED__V1__TOTALS_BY__TOTALS_BY_CATEGORY, "category", N_("Category")},
    {PLEDGED__V1__TOTALS_BY__TOTALS_BY_MONTH, "month", N_("Month")},
    {PLEDGED__V1__TOTALS_BY__TOTALS_BY_CURRENCY, "currency", N_("Currency")},
};
static const struct word receipts[] = {
    {PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_NEW, "NEW", N_("recorded")},
    {PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_REPLAY, "REPLAY",
     N_("recorded before under this request id; this is the original answer")},
    {PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_DRY_RUN, "DRY_RUN",
     N_("rehearsed only; nothing was recorded")},
};
#define CLASS(name_) PLEDGED__V1__COMMAND_CLASS__COMMAND_CLASS_##name_
static const struct word classes[] = {
    {CLASS(COMMIT), "commit", N_("signature")},
    {CLASS(CANCEL), "cancel", N_("cancellation")},
    {CLASS(REFUND), "refund", N_("refund")},
    {CLASS(WRITE_OFF), "write-off", N_("write-off")},
    {CLASS(DIFFERENCE), "difference", N_("difference above the limit")},
    {CLASS(CATALOGUE), "catalogue", N_("catalogue")},
    {CLASS(PERIOD), "period", N_("accounting period")},
    {CLASS(EXCEPTION), "exception", N_("less than the tier's amount")},
    {CLASS(EXTENSION), "extension", N_("hold extended again")},
    {CLASS(ERASE), "erase", N_("erasure of a person's data")},
    {CLASS(SURPLUS), "surplus", N_("surplus moved")},
};
#undef CLASS
static const struct word proposal_states[] = {
    {PLEDGED__V1__PROPOSAL_STATE__PROPOSAL_STATE_OPEN, "open", N_("waits")},
    {PLEDGED__V1__PROPOSAL_STATE__PROPOSAL_STATE_APPROVED, "approved", N_("approved")},
    {PLEDGED__V1__PROPOSAL_STATE__PROPOSAL_STATE_REJECTED, "rejected", N_("rejected")},
    {PLEDGED__V1__PROPOSAL_STATE__PROPOSAL_STATE_EXPIRED, "expired", N_("expired")},
};
static const struct word facts[] = {
    {PLEDGED__V1__ENTRY__FACT_LEDGER_CREATED, "ledger_created", N_("ledger created")},
    {PLEDGED__V1__ENTRY__FACT_ROSTER_ADOPTED, "roster_adopted", N_("roster adopted")},
    {PLEDGED__V1__ENTRY__FACT_POLICY_ADOPTED, "policy_adopted", N_("policy adopted")},
    {PLEDGED__V1__ENTRY__FACT_CATALOGUE_ADOPTED, "catalogue_adopted", N_("catalogue adopted")},
    {PLEDGED__V1__ENTRY__FACT_COMMAND_REFUSED, "command_refused", N_("command refused")},
    {PLEDGED__V1__ENTRY__FACT_PROPOSED, "proposed", N_("proposed")},
    {PLEDGED__V1__ENTRY__FACT_PROPOSAL_REJECTED, "proposal_rejected", N_("proposal rejected")},
    {PLEDGED__V1__ENTRY__FACT_PROPOSAL_EXPIRED, "proposal_expired", N_("proposal expired")},
    {PLEDGED__V1__ENTRY__FACT_CONTRIBUTOR_ADDED, "contributor_added", N_("contributor added")},
    {PLEDGED__V1__ENTRY__FACT_CONTRIBUTOR_AMENDED, "contributor_amended",
     N_("contributor amended")},
    {PLEDGED__V1__ENTRY__FACT_CONTACT_RECORDED, "contact_recorded", N_("person recorded")},
    {PLEDGED__V1__ENTRY__FACT_SUBJECT_ERASED, "subject_erased", N_("persons erased")},
    {PLEDGED__V1__ENTRY__FACT_LEGAL_HOLD_SET, "legal_hold_set", N_("legal hold set or lifted")},
    {PLEDGED__V1__ENTRY__FACT_HOLD_PLACED, "hold_placed", N_("hold placed")},
    {PLEDGED__V1__ENTRY__FACT_HOLD_EXTENDED, "hold_extended", N_("hold extended")},
    {PLEDGED__V1__ENTRY__FACT_HOLD_EXPIRED, "hold_expired", N_("hold expired")},
    {PLEDGED__V1__ENTRY__FACT_WAIT_ADDED, "wait_added", N_("queued")},
    {PLEDGED__V1__ENTRY__FACT_WAIT_PROMOTED, "wait_promoted", N_("promoted from the queue")},
    {PLEDGED__V1__ENTRY__FACT_PLEDGE_MADE, "pledge_made", N_("pledge made")},
    {PLEDGED__V1__ENTRY__FACT_COMMITMENT_SIGNED, "commitment_signed", N_("commitment signed")},
    {PLEDGED__V1__ENTRY__FACT_COMMITMENT_AMENDED, "commitment_amended", N_("commitment amended")},
    {PLEDGED__V1__ENTRY__FACT_TIER_CHANGED, "tier_changed", N_("tier changed")},
    {PLEDGED__V1__ENTRY__FACT_WITHDRAWN, "withdrawn", N_("pledge withdrawn")},
    {PLEDGED__V1__ENTRY__FACT_CANCELLED, "cancelled", N_("commitment cancelled")},
    {PLEDGED__V1__ENTRY__FACT_BENEFIT_CLAIMED, "benefit_claimed", N_("benefit claimed")},
    {PLEDGED__V1__ENTRY__FACT_BENEFIT_DECLINED, "benefit_declined", N_("benefit declined")},
    {PLEDGED__V1__ENTRY__FACT_BENEFIT_DELIVERED, "benefit_delivered", N_("benefit delivered")},
    {PLEDGED__V1__ENTRY__FACT_POSTINGS_EXPORTED, "postings_exported", N_("postings exported")},
    {PLEDGED__V1__ENTRY__FACT_PAYMENT_RECORDED, "payment_recorded", N_("payment recorded")},
    {PLEDGED__V1__ENTRY__FACT_ALLOCATED, "allocated", N_("money allocated")},
    {PLEDGED__V1__ENTRY__FACT_REVERSED, "reversed", N_("entry reversed")},
    {PLEDGED__V1__ENTRY__FACT_PERIOD_CLOSED, "period_closed", N_("period closed")},
    {PLEDGED__V1__ENTRY__FACT_PERIOD_REOPENED, "period_reopened", N_("period opened again")},
    {PLEDGED__V1__ENTRY__FACT_RECEIPT_ISSUED, "receipt_issued", N_("receipt issued")},
    {PLEDGED__V1__ENTRY__FACT_CERTIFICATE_ISSUED, "certificate_issued", N_("certificate issued")},
    {PLEDGED__V1__ENTRY__FACT_PLEDGE_CLOSED, "pledge_closed", N_("pledge closed")},
    {PLEDGED__V1__ENTRY__FACT_REFUND_ORDERED, "refund_ordered", N_("refund ordered")},
    {PLEDGED__V1__ENTRY__FACT_REFUND_PAID, "refund_paid", N_("refund paid")},
    {PLEDGED__V1__ENTRY__FACT_REFUND_CANCELLED, "refund_cancelled", N_("refund cancelled")},
    {PLEDGED__V1__ENTRY__FACT_SCHEDULE_SET, "schedule_set", N_("schedule set")},
    {PLEDGED__V1__ENTRY__FACT_WRITTEN_OFF, "written_off", N_("written off")},
    {PLEDGED__V1__ENTRY__FACT_DIFFERENCE_ACCEPTED, "difference_accepted",
     N_("difference accepted")},
    {PLEDGED__V1__ENTRY__FACT_RATE_RECORDED, "rate_recorded", N_("rate recorded")},
    {PLEDGED__V1__ENTRY__FACT_STATEMENT_IMPORTED, "statement_imported", N_("statement came in")},
    {PLEDGED__V1__ENTRY__FACT_BANK_ENTRY_RECORDED, "bank_entry_recorded",
     N_("bank entry recorded")},
    {PLEDGED__V1__ENTRY__FACT_STATEMENT_REPEATED, "statement_repeated",
     N_("statement came in again")},
    {PLEDGED__V1__ENTRY__FACT_PAYMENT_CONFIRMED, "payment_confirmed",
     N_("payment confirmed by the bank")},
    {PLEDGED__V1__ENTRY__FACT_PAYER_LEARNED, "payer_learned", N_("payer learned")},
    {PLEDGED__V1__ENTRY__FACT_MOVEMENT_LEARNED, "movement_learned", N_("more said of a movement")},
    {PLEDGED__V1__ENTRY__FACT_BANK_REVERSAL, "bank_reversal", N_("taken back by the bank")},
    {PLEDGED__V1__ENTRY__FACT_COMMAND_CONTINUED, "command_continued", N_("command goes on")},
    {PLEDGED__V1__ENTRY__FACT_CHARGE_BOOKED, "charge_booked", N_("charge of the bank booked")},
    {PLEDGED__V1__ENTRY__FACT_REFUND_RETURNED, "refund_returned", N_("refund came back")},
};
static const struct word memberships[] = {
    {1, "member-state", N_("Member State")},
    {2, "sector-member", N_("Sector Member")},
    {3, "associate", N_("Associate")},
    {4, "academia", N_("Academia")},
};

static const struct word statement_kinds[] = {
    {1, "statement", N_("statement")},
    {2, "notification", N_("notification")},
};

static const struct word movement_kinds[] = {
    {1, "payment", N_("payment")},   {2, "charge", N_("charge")}, {3, "batch", N_("batch")},
    {4, "reversal", N_("reversal")}, {5, "return", N_("return")},
};

static const struct word queue_reasons[] = {
    {1, "no-reference", N_("no reference")},
    {2, "pledge-unknown", N_("reference of no pledge")},
    {3, "amount-differs", N_("amount differs")},
    {4, "currency-differs", N_("currency differs")},
    {5, "pledge-not-open", N_("pledge is not open")},
    {6, "batch-details", N_("waits for the details")},
    {7, "charge", N_("charge")},
    {8, "reversal", N_("reversal")},
    {9, "return", N_("return")},
    {10, "debit", N_("money left")},
};

static const struct word suggestion_kinds[] = {
    {1, "reference", N_("its reference")},
    {2, "amount", N_("what is still to be paid")},
    {3, "instructed", N_("as the payer ordered it")},
    {4, "instalment", N_("what is due next")},
    {5, "promised", N_("what was promised")},
    {6, "currency", N_("same currency")},
    {7, "refund-named", N_("it names the refund")},
    {8, "refund-amount", N_("amount of the refund")},
    {9, "return-named", N_("it names the refund that comes back")},
    {10, "return-amount", N_("amount of a refund that was paid")},
};

static const struct {
    const struct word *word;
    size_t count;
} lists[TEXT_LISTS] = {
    [TEXT_KIND] = {kinds, PL_COUNT(kinds)},
    [TEXT_STAGE] = {stages, PL_COUNT(stages)},
    [TEXT_MONEY] = {moneys, PL_COUNT(moneys)},
    [TEXT_ROLE] = {roles, PL_COUNT(roles)},
    [TEXT_PLEDGE_KIND] = {pledge_kinds, PL_COUNT(pledge_kinds)},
    [TEXT_PURPOSE] = {purposes, PL_COUNT(purposes)},
    [TEXT_PUBLISH] = {publishes, PL_COUNT(publishes)},
    [TEXT_MONEY_PLAN] = {money_plans, PL_COUNT(money_plans)},
    [TEXT_DIFFERENCE] = {differences, PL_COUNT(differences)},
    [TEXT_REFUND] = {refund_states, PL_COUNT(refund_states)},
    [TEXT_UNIT] = {units, PL_COUNT(units)},
    [TEXT_PHASE] = {phases, PL_COUNT(phases)},
    [TEXT_BY] = {bys, PL_COUNT(bys)},
    [TEXT_RECEIPT] = {receipts, PL_COUNT(receipts)},
    [TEXT_CLASS] = {classes, PL_COUNT(classes)},
    [TEXT_PROPOSAL] = {proposal_states, PL_COUNT(proposal_states)},
    [TEXT_FACT] = {facts, PL_COUNT(facts)},
    [TEXT_STATEMENT_KIND] = {statement_kinds, PL_COUNT(statement_kinds)},
    [TEXT_MOVEMENT] = {movement_kinds, PL_COUNT(movement_kinds)},
    [TEXT_QUEUE] = {queue_reasons, PL_COUNT(queue_reasons)},
    [TEXT_SUGGESTION] = {suggestion_kinds, PL_COUNT(suggestion_kinds)},
    [TEXT_MEMBERSHIP] = {memberships, PL_COUNT(memberships)},
};

static const struct word *find_value(enum text_list list, int value)
{
    for (size_t i = 0; i < lists[list].count; i++) {
        if (lists[list].word[i].value == value)
            return &lists[list].word[i];
    }
    return NULL;
}

static const struct word *find_code(enum text_list list, const char *code)
{
    for (size_t i = 0; i < lists[list].count; i++) {
        if (strcmp(lists[list].word[i].code, code) == 0)
            return &lists[list].word[i];
    }
    return NULL;
}

/* A newer daemon may know more than this client. */
static const char *unknown_value(int value)
{
    static char text[16];
    (void)snprintf(text, sizeof(text), "%d", value);
    return text;
}

const char *text_code(enum text_list list, int value)
{
    const struct word *word = find_value(list, value);
    if (word != NULL)
        return word->code;
    return value == 0 ? NULL : unknown_value(value);
}

const char *text_label(enum text_list list, int value)
{
    const struct word *word = find_value(list, value);
    if (word != NULL)
        return _(word->label);
    return value == 0 ? NULL : unknown_value(value);
}

const char *text_label_of_code(enum text_list list, const char *code)
{
    const struct word *word = find_code(list, code);
    return word == NULL ? code : _(word->label);
}

bool text_parse(enum text_list list, const char *code, int *ret)
{
    const struct word *word = find_code(list, code);
    if (word == NULL)
        return false;
    *ret = word->value;
    return true;
}

/* In French what each code means stands behind it. */
static const char *code_words(const struct word *word, struct pl_arena *arena)
{
    const char *label = _(word->label), *made = NULL;
    if (text_language() == TEXT_FRENCH && strcmp(label, word->code) != 0)
        made = pl_arena_printf(arena, "%s (%s)", word->code, label);
    return made == NULL ? word->code : made;
}

const char *text_codes(enum text_list list, struct pl_arena *arena)
{
    const char *all = "";
    for (size_t i = 0; i < lists[list].count; i++) {
        const char *more = pl_arena_printf(arena, "%s%s%s", all, i == 0 ? "" : ", ",
                                           code_words(&lists[list].word[i], arena));
        all = more == NULL ? all : more;
    }
    return all;
}

/* --- reasons --- */

static const struct {
    Pledged__V1__Reason reason;
    const char *sentence;
} reasons[] = {
    {PLEDGED__V1__REASON__REASON_FIELD_REQUIRED, N_("a value that is needed is missing")},
    {PLEDGED__V1__REASON__REASON_FIELD_INVALID, N_("this value is not possible here")},
    {PLEDGED__V1__REASON__REASON_FIELD_TOO_LONG, N_("a text is too long")},
    {PLEDGED__V1__REASON__REASON_REQUEST_ID_INVALID, N_("the request id is not 16 bytes")},
    {PLEDGED__V1__REASON__REASON_COMMAND_MISSING, N_("the request says nothing to do")},
    {PLEDGED__V1__REASON__REASON_CURRENCY_UNKNOWN,
     N_("this is not the code of a currency (ISO 4217, for example CHF)")},
    {PLEDGED__V1__REASON__REASON_AMOUNT_REQUIRED,
     N_("an amount is needed: give --amount and --currency")},
    {PLEDGED__V1__REASON__REASON_AMOUNT_PRECISION,
     N_("the amount has more digits after the point than its currency has")},
    {PLEDGED__V1__REASON__REASON_AMOUNT_NOT_POSITIVE, N_("the amount must be more than zero")},
    {PLEDGED__V1__REASON__REASON_AMOUNT_OVERFLOW, N_("the amount is too large")},
    {PLEDGED__V1__REASON__REASON_DATE_INVALID, N_("this day is not possible here")},
    {PLEDGED__V1__REASON__REASON_UNKNOWN_FIELD,
     N_("the daemon does not know a part of this request; it may be older than this program")},
    {PLEDGED__V1__REASON__REASON_NOT_UTF8, N_("a text is not valid UTF-8")},
    {PLEDGED__V1__REASON__REASON_CATALOGUE_INVALID,
     N_("the catalogue is wrong and was refused whole")},
    {PLEDGED__V1__REASON__REASON_EVIDENCE_MISSING,
     N_("a document is needed: give --evidence FILE")},
    {PLEDGED__V1__REASON__REASON_MONEY_PLAN_MISSING,
     N_("say what becomes of the money received: give --money-plan keep, refund or move")},
    {PLEDGED__V1__REASON__REASON_REASON_REQUIRED, N_("say why (--reason)")},
    {PLEDGED__V1__REASON__REASON_TIER_UNKNOWN, N_("the catalogue has no such tier")},
    {PLEDGED__V1__REASON__REASON_HOLD_TOO_LONG,
     N_("a hold may not last that long under the rules of the catalogue")},
    {PLEDGED__V1__REASON__REASON_AMOUNT_NOT_TIER,
     N_("the amount is below the price of the tier or in another currency")},
    {PLEDGED__V1__REASON__REASON_TOO_BIG, N_("the request or its answer is too large")},
    {PLEDGED__V1__REASON__REASON_CONTRIBUTOR_UNKNOWN, N_("there is no such contributor")},
    {PLEDGED__V1__REASON__REASON_SCHEDULE_SUM,
     N_("the instalments do not add up to the promised amount")},
    {PLEDGED__V1__REASON__REASON_BENEFIT_UNKNOWN,
     N_("the catalogue of this pledge has no such benefit")},
    {PLEDGED__V1__REASON__REASON_NOT_GRANTED, N_("this pledge does not have this benefit")},
    {PLEDGED__V1__REASON__REASON_QUANTITY_SPENT, N_("not so much of this benefit is left")},
    {PLEDGED__V1__REASON__REASON_EXPORTED_ALREADY,
     N_("this month, or a later one, was handed to the accounting system already")},
    {PLEDGED__V1__REASON__REASON_CONTACT_UNKNOWN,
     N_("there is no such person, or the record is erased")},
    {PLEDGED__V1__REASON__REASON_LEGAL_HOLD,
     N_("a legal hold is on: no person of this organisation may be erased now")},
    {PLEDGED__V1__REASON__REASON_PLEDGE_UNKNOWN, N_("there is no such pledge")},
    {PLEDGED__V1__REASON__REASON_ENTRY_UNKNOWN, N_("there is no such entry")},
    {PLEDGED__V1__REASON__REASON_CATALOGUE_UNKNOWN,
     N_("no catalogue, or not this one, has been adopted")},
    {PLEDGED__V1__REASON__REASON_TIER_SOLD_OUT, N_("every place of this tier is taken")},
    {PLEDGED__V1__REASON__REASON_TIER_NOT_FULL,
     N_("this tier still has places: take one instead of waiting")},
    {PLEDGED__V1__REASON__REASON_TIER_CLOSED, N_("this tier is no longer offered")},
    {PLEDGED__V1__REASON__REASON_STATE_WRONG,
     N_("the pledge is not at a stage where this can be done")},
    {PLEDGED__V1__REASON__REASON_HAS_SLOT,
     N_("this contributor already has a place of this catalogue")},
    {PLEDGED__V1__REASON__REASON_EXTENSIONS_SPENT,
     N_("this hold was extended as often as the rules allow")},
    {PLEDGED__V1__REASON__REASON_CAPACITY_BELOW_TAKEN,
     N_("a tier would have fewer places than are taken")},
    {PLEDGED__V1__REASON__REASON_TIER_IN_USE, N_("a tier that has live pledges would disappear")},
    {PLEDGED__V1__REASON__REASON_CATALOGUE_NOT_NEWER,
     N_("this catalogue is not newer than the one in force")},
    {PLEDGED__V1__REASON__REASON_CONTRIBUTOR_DUPLICATE,
     N_("a contributor of this name exists already")},
    {PLEDGED__V1__REASON__REASON_PAYMENT_DUPLICATE,
     N_("this bank reference has been recorded already")},
    {PLEDGED__V1__REASON__REASON_ALREADY_REVERSED, N_("this entry has been reversed already")},
    {PLEDGED__V1__REASON__REASON_NOT_REVERSIBLE, N_("an entry of this kind cannot be reversed")},
    {PLEDGED__V1__REASON__REASON_BELOW_ALLOCATED,
     N_("the amount would be below the money already allocated")},
    {PLEDGED__V1__REASON__REASON_SAME_TIER, N_("the pledge has this tier already")},
    {PLEDGED__V1__REASON__REASON_WAITING_AHEAD,
     N_("others are waiting for this place: join the queue with 'pledge wait'")},
    {PLEDGED__V1__REASON__REASON_PROPOSAL_UNKNOWN, N_("there is no such proposal")},
    {PLEDGED__V1__REASON__REASON_PROPOSAL_CLOSED, N_("the proposal is decided already")},
    {PLEDGED__V1__REASON__REASON_AMOUNT_CHANGED,
     N_("the proposal was made for another amount: propose it again")},
    {PLEDGED__V1__REASON__REASON_SAME_PERSON,
     N_("who proposed it cannot approve it: another person has to")},
    {PLEDGED__V1__REASON__REASON_STATEMENT_UNBALANCED,
     N_("the statement does not add up: opening balance and movements are not the closing "
        "balance; nothing was taken in")},
    {PLEDGED__V1__REASON__REASON_ACCOUNT_UNKNOWN,
     N_("this is not one of the fund's accounts; nothing was taken in")},
    {PLEDGED__V1__REASON__REASON_STATEMENT_CONFLICT,
     N_("this contradicts what is in already; nothing was taken in")},
    {PLEDGED__V1__REASON__REASON_BANK_ENTRY_UNKNOWN, N_("there is no such bank entry")},
    {PLEDGED__V1__REASON__REASON_PERIOD_UNKNOWN, N_("no such period was closed")},
    {PLEDGED__V1__REASON__REASON_PERIOD_BLOCKED,
     N_("the period cannot be closed: it is not over, or money of it is not matched (match it, or "
        "give --waive and --reason)")},
    {PLEDGED__V1__REASON__REASON_PERIOD_CLOSED, N_("this period is closed already")},
    {PLEDGED__V1__REASON__REASON_PERIOD_OPEN, N_("this month is not closed yet")},
    {PLEDGED__V1__REASON__REASON_PERIOD_NOT_NEXT,
     N_("periods are closed in order, and opened again in the other order")},
    {PLEDGED__V1__REASON__REASON_ENTRY_SPENT, N_("not so much of this bank entry is free")},
    {PLEDGED__V1__REASON__REASON_PLEDGE_NOT_OPEN,
     N_("this pledge takes no money: it is not open; the money stays with its bank entry")},
    {PLEDGED__V1__REASON__REASON_REFUND_UNKNOWN, N_("there is no such refund")},
    {PLEDGED__V1__REASON__REASON_OVER_REFUND,
     N_("not so much of this bank entry is free to be paid back")},
    {PLEDGED__V1__REASON__REASON_OPEN_ITEMS,
     N_("something that belongs to this commitment is still open")},
    {PLEDGED__V1__REASON__REASON_NOT_DUE, N_("its last instalment is not past due yet")},
    {PLEDGED__V1__REASON__REASON_NO_SURPLUS,
     N_("this bank entry has no free money of a known contributor")},
    {PLEDGED__V1__REASON__REASON_REFUND_STATE, N_("this refund is paid or cancelled already")},
    {PLEDGED__V1__REASON__REASON_OVER_REMAINDER, N_("that is more than is still to be paid")},
    {PLEDGED__V1__REASON__REASON_NOTHING_RECEIVED,
     N_("no money came in for this pledge that has no receipt yet")},
    {PLEDGED__V1__REASON__REASON_NUMBER_STALE,
     N_("another document was faster: its number, or what it lists, is taken")},
    {PLEDGED__V1__REASON__REASON_RECEIPT_ISSUED,
     N_("a receipt names this allocation: only an approver may undo it")},
    {PLEDGED__V1__REASON__REASON_RATE_INVALID,
     N_("this is not a rate of exchange that can be recorded: what one unit is worth in CHF, more "
        "than zero, with at most 15 digits, 12 of them after the point, for a day that has come")},
    {PLEDGED__V1__REASON__REASON_RATE_UNKNOWN,
     N_("no rate of this currency is recorded for that day, nor for one before it")},
    {PLEDGED__V1__REASON__REASON_RATE_REQUIRED,
     N_("the currencies differ, and no rate of the value date or of the 31 days before it is "
        "recorded: record it with 'pledge rates add', or say with --settled what the money "
        "counts")},
    {PLEDGED__V1__REASON__REASON_SUM_OVERFLOW, N_("a total of the ledger would become too large")},
    {PLEDGED__V1__REASON__REASON_PERMISSION_DENIED, N_("your role may not do this")},
    {PLEDGED__V1__REASON__REASON_REQUEST_ID_REUSED,
     N_("this request id was used for something else")},
    {PLEDGED__V1__REASON__REASON_REQUEST_ID_FOREIGN,
     N_("this request id was used by somebody else")},
    {PLEDGED__V1__REASON__REASON_UNAUTHENTICATED,
     N_("the daemon does not know who you are: your certificate is on no roster")},
    {PLEDGED__V1__REASON__REASON_BUSY, N_("the daemon is busy; nothing was done, try again")},
    {PLEDGED__V1__REASON__REASON_NO_SPACE,
     N_("the daemon's disk is full; nothing was done, try again when there is room")},
    {PLEDGED__V1__REASON__REASON_DATA_GONE, N_("the daemon's data directory was moved or removed; "
                                               "nothing was done, an operator has to put "
                                               "it back")},
    {PLEDGED__V1__REASON__REASON_UNAVAILABLE, N_("the daemon is starting or stopping; try again")},
    {PLEDGED__V1__REASON__REASON_DEADLINE,
     N_("the time was up before the daemon took the request; nothing was done")},
    {PLEDGED__V1__REASON__REASON_CLOCK_STOPPED,
     N_("the daemon's clock jumped; an operator has to look at it")},
    {PLEDGED__V1__REASON__REASON_OUTCOME_UNKNOWN, N_("it is not known whether this was recorded")},
    {PLEDGED__V1__REASON__REASON_INTERNAL, N_("the daemon's rules contradict themselves about "
                                              "this: a mistake in the program; nothing was "
                                              "recorded")},
};

/* Name of an enum value without its type's prefix. */
static const char *enum_name(const ProtobufCEnumDescriptor *type, int value, const char *prefix)
{
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(type, value);
    if (found == NULL)
        return unknown_value(value);
    size_t len = strlen(prefix);
    return strncmp(found->name, prefix, len) == 0 ? found->name + len : found->name;
}

const char *text_reason_code(Pledged__V1__Reason reason)
{
    if (reason == PLEDGED__V1__REASON__REASON_UNSPECIFIED)
        return "";
    return enum_name(&pledged__v1__reason__descriptor, (int)reason, "REASON_");
}

const char *text_reason(Pledged__V1__Reason reason)
{
    for (size_t i = 0; i < PL_COUNT(reasons); i++) {
        if (reasons[i].reason == reason)
            return _(reasons[i].sentence);
    }
    return NULL;
}

/* --- warnings --- */

const char *text_warning_code(Pledged__V1__WarningKind kind)
{
    return enum_name(&pledged__v1__warning_kind__descriptor, (int)kind, "WARNING_KIND_");
}

static const struct word warnings[] = {
    {PLEDGED__V1__WARNING_KIND__WARNING_KIND_EVENT_PAST, "", N_("the event is already over")},
    {PLEDGED__V1__WARNING_KIND__WARNING_KIND_PAYMENT_SIMILAR, "",
     N_("another payment has the same pledge, amount and value date: is this one new?")},
    {PLEDGED__V1__WARNING_KIND__WARNING_KIND_PAYMENT_SURPLUS, "",
     N_("more than was promised came in; the rest is kept unallocated")},
    {PLEDGED__V1__WARNING_KIND__WARNING_KIND_PAYMENT_CURRENCY, "",
     N_("the payment is in another currency than the pledge; it is kept unallocated")},
    {PLEDGED__V1__WARNING_KIND__WARNING_KIND_PLEDGE_NOT_OPEN, "",
     N_("the pledge is not open; the money is kept unallocated")},
    {PLEDGED__V1__WARNING_KIND__WARNING_KIND_PAYMENT_IMPORTED, "PAYMENT_IMPORTED",
     N_("a bank statement had brought this money already; it was allocated, not booked again")},
    {PLEDGED__V1__WARNING_KIND__WARNING_KIND_PROPOSAL_SIMILAR, "PROPOSAL_SIMILAR",
     N_("a proposal of the very same waits already: is this one another?")},
    {PLEDGED__V1__WARNING_KIND__WARNING_KIND_FOUR_EYES_OFF, "",
     N_("one person did this alone: the policy does not ask for a second")},
};

const char *text_warning(Pledged__V1__WarningKind kind)
{
    for (size_t i = 0; i < PL_COUNT(warnings); i++) {
        if (warnings[i].value == (int)kind)
            return _(warnings[i].label);
    }
    return text_warning_code(kind);
}

/* --- why a daemon that runs does not do it --- */

const char *text_unavailable(const char *message)
{
    /* its words, as far as they are the same every time, and ours */
    static const struct {
        const char *part, *words;
    } known[] = {
        {"the server is ", NULL},
        {"restored from a backup",
         N_("the ledger is read-only: it was restored from a backup, and the operator has not "
            "confirmed yet that it is the newest")},
        {"this ledger is older than what was signed",
         N_("the ledger is read-only: it is older than what it has signed; the operator has to "
            "look at it")},
        {"this ledger is not the one that was signed",
         N_("the ledger is read-only: it is not the one that it has signed; the operator has to "
            "look at it")},
        {" is damaged or signed by an unknown key",
         N_("the ledger is read-only: what the daemon keeps of its signatures cannot be used; the "
            "operator has to look at it")},
        {"the data directory was moved or removed",
         N_("the daemon's data directory was moved or removed; nothing was done, an operator has "
            "to put it back")},
        {"the disk is full", N_("the daemon's disk is full")},
        {"the disk is read-only",
         N_("the daemon's disk is read-only; nothing was done, an operator has to look at it")},
        {"too many files are open",
         N_("the daemon has too many files open; nothing was done, an operator has to look at "
            "it")},
        {"may not write to its directory",
         N_("the daemon may not write to its data directory; nothing was done, an operator has "
            "to look at it")},
        {"the disk does not work",
         N_("the daemon's disk does not work; nothing was done, an operator has to look at it")},
        {"the rules contradict themselves",
         N_("the ledger is read-only: what is due cannot be recorded, by a mistake in the daemon; "
            "the operator has to look at it")},
        {"there is no signed checkpoint",
         N_("no signed checkpoint covers that now; 'pledge status' says whether the ledger is "
            "read-only, and why")},
        {"the proof cannot be made now", N_("the proof cannot be made now; the operator has to "
                                            "look at it")},
        {"the role of this person changed", N_("your role changed just now; try again")},
        {"the records of persons cannot be read now",
         N_("the records of persons cannot be read now; the operator has to look at it")},
        {"the log cannot be ", N_("the log cannot be read now; the operator has to look at it")},
        {"the original entry cannot be read now",
         N_("the original entry cannot be read now; repeat with the same request id")},
        {"the record cannot be kept now",
         N_("the record cannot be kept now; nothing was recorded; repeat with the same request "
            "id")},
        {"not recorded", N_("nothing was recorded; repeat with the same request id")},
    };
    for (size_t i = 0; i < PL_COUNT(known); i++) {
        if (strstr(message, known[i].part) != NULL)
            return known[i].words == NULL ? NULL : _(known[i].words);
    }
    return message[0] == '\0' ? NULL : message; /* a newer daemon's */
}

/* --- operating failures --- */

static const struct word failures[] = {
    {PL_E_INVALID, "", N_("the input is wrong")},
    {PL_E_NOT_FOUND, "", N_("not found")},
    {PL_E_REFUSED, "", N_("refused by a rule")},
    {PL_E_STALE, "", N_("the request id was used for something else")},
    {PL_E_DENIED, "", N_("not permitted")},
    {PL_E_UNAUTHENTICATED, "", N_("the daemon does not accept who you are")},
    {PL_E_BUSY, "", N_("the daemon is busy")},
    {PL_E_TOO_BIG, "", N_("too large")},
    {PL_E_TIMEOUT, "", N_("no answer in time")},
    {PL_E_CANCELLED, "", N_("the call was cancelled")},
    {PL_E_UNAVAILABLE, "", N_("the daemon cannot be reached")},
    {PL_E_NO_SPACE, "", N_("the daemon's disk is full")},
    {PL_E_UNKNOWN_OUTCOME, "", N_("the outcome is unknown")},
    {PL_E_UNIMPLEMENTED, "", N_("the daemon does not know this call; it may be older")},
    {PL_E_IO, "", N_("reading or writing failed")},
    {PL_E_CORRUPT, "", N_("damaged data")},
    {PL_E_MISSING, "", N_("entries are missing")},
    {PL_E_CONFIG, "", N_("wrong configuration")},
    {PL_E_USAGE, "", N_("wrong usage")},
    {PL_E_NO_INPUT, "", N_("no such file")},
};

const char *text_failure(enum pl_code code)
{
    for (size_t i = 0; i < PL_COUNT(failures); i++) {
        if (failures[i].value == (int)code)
            return _(failures[i].label);
    }
    return _("this is a mistake in the program or in the daemon");
}

/* --- texts of the catalogue --- */

const char *text_errno(int number)
{
    static const struct {
        int number;
        const char *words;
    } causes[] = {
        {ENOENT, N_("No such file or directory")},
        {EACCES, N_("Permission denied")},
        {EPERM, N_("Operation not permitted")},
        {EEXIST, N_("File exists")},
        {EISDIR, N_("Is a directory")},
        {ENOTDIR, N_("Not a directory")},
        {ENAMETOOLONG, N_("File name too long")},
        {EFBIG, N_("File too large")},
        {ENOSPC, N_("No space left on device")},
        {EDQUOT, N_("Disk quota exceeded")},
        {EROFS, N_("Read-only file system")},
        {EIO, N_("Input/output error")},
        {EPIPE, N_("Broken pipe")},
        {ECONNREFUSED, N_("Connection refused")},
        {ECONNRESET, N_("Connection reset by peer")},
        {ETIMEDOUT, N_("Connection timed out")},
        {EHOSTUNREACH, N_("No route to host")},
        {ENETUNREACH, N_("Network is unreachable")},
        {EADDRINUSE, N_("Address already in use")},
    };
    for (size_t i = 0; i < PL_COUNT(causes); i++) {
        if (causes[i].number == number)
            return _(causes[i].words);
    }
    const char *words = strerrordesc_np(number);
    return words == NULL ? "" : words;
}

/* What is said, by OpenSSL or for it, where a certificate does not do; anything else stays in its
 * words. */
static const char *tls_reason(const char *why)
{
    static const char *const known[] = {
        N_("unable to get local issuer certificate"),
        N_("unable to get issuer certificate"),
        N_("self-signed certificate"),
        N_("self-signed certificate in certificate chain"),
        N_("certificate has expired"),
        N_("certificate is not yet valid"),
        N_("hostname mismatch"),
        N_("IP address mismatch"),
        N_("tlsv1 alert unknown ca"),
        N_("tlsv1 alert access denied"),
        N_("tlsv13 alert certificate required"),
        N_("sslv3 alert bad certificate"),
        N_("sslv3 alert certificate expired"),
        N_("sslv3 alert certificate revoked"),
        N_("sslv3 alert certificate unknown"),
        N_("it has a pass phrase, and one without is needed"),
        N_("this is no private key"),
        N_("there is no certificate in it"),
        N_("key values mismatch"),
        N_("wrong version number"),
    };
    for (size_t i = 0; i < PL_COUNT(known); i++) {
        if (strcmp(known[i], why) == 0)
            return _(known[i]);
    }
    return why;
}

const char *text_connection(struct pl_arena *arena, const struct pl_h2client_error *error)
{
    const char *parts[] = {error->where, error->what == NULL ? "" : gettext(error->what),
                           error->sys_errno == 0 ? tls_reason(error->why)
                                                 : text_errno(error->sys_errno)};
    const char *all = "";
    for (size_t i = 0; i < PL_COUNT(parts); i++) {
        if (parts[i][0] == '\0')
            continue;
        all = all[0] == '\0' ? parts[i] : pl_arena_printf(arena, _("%s: %s"), all, parts[i]);
        if (all == NULL)
            return error->text;
    }
    return all;
}

const char *text_pick(Pledged__V1__Text *const *texts, size_t count, const char *language)
{
    const Pledged__V1__Text *best = NULL;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(texts[i]->lang, language) == 0)
            return texts[i]->text;
        if (best == NULL || (texts[i]->authentic && !best->authentic))
            best = texts[i];
    }
    return best == NULL ? "" : best->text;
}
