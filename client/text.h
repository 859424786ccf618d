/* SPDX-License-Identifier: Apache-2.0
 *
 * text: words. What people read comes from here in French or English (gettext, domain "pledge");
 * the codes that programs read are the same in every language.
 *
 * The process-wide locale is always C.UTF-8, so that numbers and files look the same everywhere;
 * only the message language changes (LANGUAGE). One thread.
 */
#ifndef CLIENT_TEXT_H
#define CLIENT_TEXT_H

#include <libintl.h>
#include <stdbool.h>

#include "common/arena.h"
#include "common/h2client.h"
#include "common/status.h"
#include "pledged/v1/entry.pb-c.h"
#include "pledged/v1/service.pb-c.h"
#include "pledged/v1/types.pb-c.h"

#define _(text_)  gettext(text_)
#define N_(text_) text_
/* No memory, or more than one command may have of it: one sentence for whatever it was. */
#define text_no_memory() pl_fail(TOO_BIG, "this does not fit into memory")

enum text_language { TEXT_ENGLISH, TEXT_FRENCH };

/* Language of the environment: LC_ALL, LC_MESSAGES, LANG (LANGUAGE before them unless they say C).
 */
enum text_language text_language_of_environment(void);
/* "fr" and "en" (also fr_CH.UTF-8 and the like). False if it is neither. */
bool text_language_parse(const char *text, enum text_language *ret);
/* Finds the catalogues (beside the program, else where it was installed) and switches to a
 * language. May be called again. */
void text_use(enum text_language language);
enum text_language text_language(void);
const char *text_language_code(void); /* "fr" or "en" */

/* Closed lists of the API, as codes for programs ("private-sector") and words for people. */
enum text_list {
    TEXT_KIND,           /* ContributorKind */
    TEXT_STAGE,          /* Stage */
    TEXT_MONEY,          /* MoneyState */
    TEXT_ROLE,           /* Role */
    TEXT_PLEDGE_KIND,    /* PledgeKind */
    TEXT_PURPOSE,        /* Purpose */
    TEXT_PUBLISH,        /* Publish */
    TEXT_MONEY_PLAN,     /* MoneyPlan */
    TEXT_DIFFERENCE,     /* DifferenceKind */
    TEXT_REFUND,         /* RefundState */
    TEXT_UNIT,           /* Unit */
    TEXT_PHASE,          /* Phase */
    TEXT_BY,             /* TotalsBy */
    TEXT_RECEIPT,        /* ReceiptKind */
    TEXT_CLASS,          /* CommandClass */
    TEXT_PROPOSAL,       /* ProposalState */
    TEXT_FACT,           /* Entry.fact_case */
    TEXT_STATEMENT_KIND, /* StatementKind */
    TEXT_MOVEMENT,       /* MovementKind */
    TEXT_QUEUE,          /* QueueReason */
    TEXT_SUGGESTION,     /* SuggestionKind */
    TEXT_MEMBERSHIP,     /* Contributor.itu_membership; the number is our own */
    TEXT_LISTS,
};
/* NULL for 0 (unspecified); a number as text for what this release does not know. */
const char *text_code(enum text_list list, int value);
const char *text_label(enum text_list list, int value);
/* Label of a code, or the code itself. */
const char *text_label_of_code(enum text_list list, const char *code);
bool text_parse(enum text_list list, const char *code, int *ret);
/* "government, private-sector, ..." for messages, in French with words: "government (gouvernement),
 * ...". Lives in the arena. */
const char *text_codes(enum text_list list, struct pl_arena *arena);

/* "TIER_SOLD_OUT"; "" for unspecified. */
const char *text_reason_code(Pledged__V1__Reason reason);
/* One sentence that says what the rule is; NULL for a reason this release does not know. */
const char *text_reason(Pledged__V1__Reason reason);
/* "PAYMENT_SURPLUS" and its sentence. */
const char *text_warning_code(Pledged__V1__WarningKind kind);
const char *text_warning(Pledged__V1__WarningKind kind);
/* Why a daemon that runs does not do it, in its own words (English); NULL: it is starting or
 * stopping, which the reason says. */
const char *text_unavailable(const char *message);
/* What an operating failure is called, without its cause. */
const char *text_failure(enum pl_code code);
/* What the system says of an errno; "" for a number that is none. */
const char *text_errno(int number);
/* What stood between us and the daemon: where, what, why, as far as each is known; "" if nothing
 * is.
 */
const char *text_connection(struct pl_arena *arena, const struct pl_h2client_error *error);

/* The text in this language; else the authentic one; else the first; "" if there is none. */
const char *text_pick(Pledged__V1__Text *const *texts, size_t count, const char *language);

#endif
