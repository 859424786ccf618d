/* SPDX-License-Identifier: Apache-2.0
 *
 * failure: composed from the reason's sentence, the named values of the refusal and the entries it
 * refers to. Texts of the daemon are shown only for reasons that this release does not know.
 */
#include "client/failure.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "client/options.h"
#include "client/text.h"
#include "client/when.h"
#include "common/check.h"
#include "common/json.h"
#include "common/money.h"
#include "common/scan.h"

struct pl_status failure_set(struct failure *failure, enum pl_code code, Pledged__V1__Reason reason,
                             const char *field, const char *format, ...)
{
    failure->code = code;
    failure->reason = reason;
    failure->retryable = pl_code_retryable(code);
    (void)snprintf(failure->field, sizeof(failure->field), "%s", field);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(failure->message, sizeof(failure->message), format, args);
    va_end(args);
    return (struct pl_status){code, 0, "", PL_WHERE};
}

/* Appends to a message that may be cut, never overrun. */
__attribute__((format(printf, 2, 3))) static void add(struct failure *failure, const char *format,
                                                      ...)
{
    size_t used = strlen(failure->message);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(failure->message + used, sizeof(failure->message) - used, format, args);
    va_end(args);
}

/* Names of values as the ledger calls them, in words. */
static const char *arg_words(const char *name)
{
    static const char *const names[][2] = {
        {"account", N_("account")},
        {"statement", N_("statement")},
        {"known_as", N_("known as")},
        {"tier", N_("tier")},
        {"pledge", N_("pledge")},
        {"contributor", N_("contributor")},
        {"catalogue", N_("catalogue")},
        {"stage", N_("stage")},
        {"amount", N_("amount")},
        {"currency", N_("currency")},
        {"capacity", N_("places")},
        {"taken", N_("taken")},
        {"waiting", N_("waiting")},
        {"next", N_("next in the queue")},
        {"max", N_("limit")},
        {"max_s", N_("limit")},
        {"seq", N_("entry")},
        {"version", N_("version")},
        {"closes", N_("last day")},
        {"bank_entry", N_("payment")},
        {"receipt", N_("receipt")},
        {"number", N_("next number")},
        {"minor", N_("amount")},
        {"sum_minor", N_("sum")},
        {"amount_minor", N_("amount")},
        {"count", N_("how many")},
        {"bank_entries", N_("payments")},
        {"benefit", N_("benefit")},
        {"closed", N_("closed up to")},
        {"date", N_("day")},
        {"today", N_("today")},
        {"earliest", N_("earliest day possible")},
        {"expires_us", N_("ends")},
        {"asked_us", N_("asked for")},
        {"due", N_("due")},
        {"last", N_("last")},
        {"left", N_("left")},
        {"period", N_("period")},
        {"person", N_("person")},
        {"proposed_minor", N_("proposed for")},
        {"now_minor", N_("would be now")},
        {"outstanding_minor", N_("still to be paid")},
        {"unallocated_minor", N_("not allocated")},
        {"refund", N_("refund")},
        {"state", N_("state")},
        {"benefits", N_("benefits neither delivered nor declined")},
        {"payments_in_other_currency", N_("payments in another currency, not allocated")},
        {"refunds", N_("refunds not yet paid")},
        {"why", N_("because")},
        {"use", N_("instead")},
    };
    for (size_t i = 0; i < PL_COUNT(names); i++) {
        if (strcmp(names[i][0], name) == 0)
            return _(names[i][1]);
    }
    return name;
}

static const char *stage_words(const char *value)
{
    char code[32];
    size_t i = 0;
    const char *from = strncmp(value, "STAGE_", 6) == 0 ? value + 6 : value;
    for (; from[i] != '\0' && i + 1 < sizeof(code); i++)
        code[i] = (char)(from[i] >= 'A' && from[i] <= 'Z' ? from[i] - 'A' + 'a' : from[i]);
    code[i] = '\0';
    int stage;
    return text_parse(TEXT_STAGE, code, &stage) ? text_label(TEXT_STAGE, stage) : gettext(value);
}

/* Of what the refusal is about. */
static const char *state_words(const Pledged__V1__Refusal *refusal, const char *value)
{
    enum text_list list =
        refusal->reason == PLEDGED__V1__REASON__REASON_REFUND_STATE ? TEXT_REFUND : TEXT_PROPOSAL;
    int state;
    return text_parse(list, value, &state) ? text_label(list, state) : value;
}

static const Pledged__V1__Arg *find_arg(const Pledged__V1__Refusal *refusal, const char *name)
{
    for (size_t i = 0; i < refusal->n_arg; i++) {
        if (strcmp(refusal->arg[i]->name, name) == 0)
            return refusal->arg[i];
    }
    return NULL;
}

static bool is_amount(const Pledged__V1__Arg *arg)
{
    const char *end = strrchr(arg->name, '_'); /* "minor", "outstanding_minor" */
    return strcmp(end == NULL ? arg->name : end + 1, "minor") == 0;
}

/* Minor units and their currency come as two values; people read one amount. */
static bool add_amount(struct failure *failure, const Pledged__V1__Refusal *refusal,
                       const char *words, const char *value)
{
    const Pledged__V1__Arg *currency = find_arg(refusal, "currency");
    int exponent = currency == NULL ? -1 : pl_currency_exponent(currency->value);
    char text[32];
    int64_t minor = 0;
    if (exponent < 0 || !options_parse_number(value, 0, INT64_MAX, &minor))
        return false;
    add(failure, _("%s: %s %s"), words, currency->value, pl_decimal_format(minor, exponent, text));
    return true;
}

static void add_seconds(struct failure *failure, const char *value)
{
    int64_t seconds = 0;
    if (!options_parse_number(value, 0, INT64_MAX, &seconds))
        return;
    if (seconds % 86400 == 0)
        add(failure, _("limit: %lld days"), (long long)(seconds / 86400));
    else
        add(failure, _("limit: %lld seconds"), (long long)seconds);
}

static void add_arg(struct failure *failure, const Pledged__V1__Refusal *refusal,
                    const Pledged__V1__Arg *arg)
{
    const char *words = refusal->reason == PLEDGED__V1__REASON__REASON_AMOUNT_NOT_TIER
                            ? _("price") /* the tier's, not the amount that was given */
                            : arg_words(arg->name);
    if (is_amount(arg) && add_amount(failure, refusal, words, arg->value))
        return;
    if (strcmp(arg->name, "max_bytes") == 0) {
        add(failure, _("at most %s bytes"), arg->value);
        return;
    }
    if (strcmp(arg->name, "max_s") == 0) {
        add_seconds(failure, arg->value);
        return;
    }
    const char *end = strrchr(arg->name, '_'); /* "expires_us" */
    int64_t moment_us;
    char moment[40];
    if (end != NULL && strcmp(end, "_us") == 0 &&
        options_parse_number(arg->value, 0, INT64_MAX, &moment_us)) {
        add(failure, _("%s: %s"), arg_words(arg->name),
            when_format_end(moment_us, moment)); /* all of them are ends */
        return;
    }
    bool sentence = strcmp(arg->name, "why") == 0 || strcmp(arg->name, "use") == 0;
    add(failure, _("%s: %s"), arg_words(arg->name),
        strcmp(arg->name, "stage") == 0     ? stage_words(arg->value)
        : strcmp(arg->name, "state") == 0   ? state_words(refusal, arg->value)
        : sentence && arg->value[0] != '\0' ? gettext(arg->value)
                                            : arg->value);
}

static void add_args_words(struct failure *failure, const Pledged__V1__Refusal *refusal)
{
    bool whole_amount = false, any = false; /* an amount names its currency */
    const char *before = " (";
    for (size_t i = 0; i < refusal->n_arg; i++)
        whole_amount = whole_amount || is_amount(refusal->arg[i]);
    for (size_t i = 0; i < refusal->n_arg; i++) {
        if (whole_amount && strcmp(refusal->arg[i]->name, "currency") == 0)
            continue;
        add(failure, "%s", before);
        add_arg(failure, refusal, refusal->arg[i]);
        before = _("; ");
        any = true;
    }
    if (any)
        add(failure, ")");
}

/* What the reason cannot say: which form a value should have, or what else would do. A decided
 * refusal says it in values. */
static void add_message(struct failure *failure, const Pledged__V1__Refusal *refusal)
{
    const char *message = refusal->message;
    if (message[0] == '\0' || refusal->n_arg != 0)
        return;
    if (refusal->reason == PLEDGED__V1__REASON__REASON_CATALOGUE_INVALID)
        add(failure, ": \"%s\"", message); /* it quotes the catalogue's own words */
    else if (refusal->reason == PLEDGED__V1__REASON__REASON_FIELD_INVALID ||
             refusal->reason == PLEDGED__V1__REASON__REASON_REASON_REQUIRED)
        add(failure, _(": %s"), gettext(message));
}

/* Of a reason that is of several sorts the message says which: a month is no day, and a list that
 * is too long no text. What a rule has against a day is in its values, and comes first. */
static bool message_is_closer(const Pledged__V1__Refusal *refusal)
{
    if (refusal->reason == PLEDGED__V1__REASON__REASON_DATE_INVALID)
        return refusal->message[0] != '\0' && find_arg(refusal, "why") == NULL;
    return refusal->reason == PLEDGED__V1__REASON__REASON_FIELD_TOO_LONG && refusal->n_arg == 0 &&
           refusal->message[0] != '\0' && strcmp(refusal->message, "the text is too long") != 0;
}

/* What a statement contradicts is not taken in; of single bank entries that is no answer. NULL: the
 * reason's own words do. */
static const char *conflict_words(const Pledged__V1__Refusal *refusal)
{
    if (refusal->reason != PLEDGED__V1__REASON__REASON_STATEMENT_CONFLICT)
        return NULL;
    if (strncmp(refusal->field, "book_charge.", strlen("book_charge.")) == 0)
        return _("this is no charge of the bank: it is no movement of a statement, or it was taken "
                 "back, or it came in and is used for something else");
    if (strncmp(refusal->field, "match_", strlen("match_")) == 0)
        return _("these two do not belong together: their kinds or sums do not match, or one of "
                 "them was taken back or is used for something else");
    return NULL;
}

struct pl_status failure_set_refusal(struct failure *failure, enum pl_code code,
                                     const Pledged__V1__Refusal *refusal)
{
    const char *sentence =
        message_is_closer(refusal) ? gettext(refusal->message) : text_reason(refusal->reason);
    const char *closer = refusal->reason == PLEDGED__V1__REASON__REASON_UNAVAILABLE
                             ? text_unavailable(refusal->message)
                             : conflict_words(refusal);
    if (closer != NULL)
        sentence = closer;
    if (sentence == NULL)
        sentence = refusal->message[0] != '\0' ? refusal->message : text_failure(code);
    struct pl_status status =
        failure_set(failure, code, refusal->reason, refusal->field, "%s", sentence);
    failure->refusal = refusal;
    failure->seq = refusal->seq;
    failure->deciding_seq = refusal->deciding_seq;
    failure->replay = refusal->replay;
    failure->retryable = refusal->retryable;
    add_args_words(failure, refusal);
    add_message(failure, refusal);
    if (refusal->field[0] != '\0')
        add(failure, _("; field %s"), refusal->field);
    if (refusal->deciding_seq != 0)
        add(failure, _("; decided by entry %" PRIu64), refusal->deciding_seq);
    if (refusal->seq != 0)
        add(failure, _("; this refusal is entry %" PRIu64), refusal->seq);
    return status;
}

void failure_complete(struct failure *failure, struct pl_status status)
{
    if (failure->message[0] != '\0' && failure->code == status.code)
        return;
    struct pl_status same =
        failure_set(failure, status.code, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "", "%s",
                    text_failure(status.code));
    if (status.what[0] != '\0')
        add(failure, _(": %s"), gettext(status.what));
    if (status.sys_errno != 0)
        add(failure, _(": %s"), text_errno(status.sys_errno));
    (void)same;
}

const char *failure_reason(const struct failure *failure)
{
    const char *reason = text_reason_code(failure->reason);
    return *reason != '\0' ? reason : pl_code_name(failure->code);
}

static struct pl_status add_args_json(const struct failure *failure, struct pl_buf *out)
{
    PL_TRY(pl_buf_append_str(out, ", \"arg\": {"));
    for (size_t i = 0; failure->refusal != NULL && i < failure->refusal->n_arg; i++) {
        PL_TRY(pl_buf_append_str(out, i == 0 ? "" : ", "));
        PL_TRY(pl_json_string(out, failure->refusal->arg[i]->name));
        PL_TRY(pl_buf_append_str(out, ": "));
        PL_TRY(pl_json_string(out, failure->refusal->arg[i]->value));
    }
    return pl_buf_append_str(out, "}");
}

struct pl_status failure_json(const struct failure *failure, struct pl_buf *out)
{
    PL_TRY(pl_buf_printf(out, "{\"code\": %d, \"reason\": \"%s\", \"message\": ",
                         pl_code_exit(failure->code), failure_reason(failure)));
    PL_TRY(pl_json_string(out, failure->message));
    PL_TRY(pl_buf_printf(out, ", \"retryable\": %s, \"seq\": %" PRIu64 ", \"field\": ",
                         failure->retryable ? "true" : "false", failure->seq));
    PL_TRY(pl_json_string(out, failure->field));
    PL_TRY(pl_buf_printf(out, ", \"deciding_seq\": %" PRIu64 ", \"request_id\": \"%s\"",
                         failure->deciding_seq, failure->request_id));
    PL_TRY(pl_buf_printf(out, ", \"replay\": %s, \"uncertain\": %s, \"status\": \"%s\"",
                         failure->replay ? "true" : "false", failure->uncertain ? "true" : "false",
                         pl_code_name(failure->code)));
    PL_TRY(add_args_json(failure, out));
    return pl_buf_append_str(out, "}\n");
}

/* A message may quote somebody else: nothing in it may steer a terminal. */
static void blank_controls(char *text)
{
    for (char *at = text; *at != '\0'; at++) {
        size_t control = *at == '\n' ? 0 : pl_utf8_control(at);
        memset(at, ' ', control);
        at += control > 1 ? control - 1 : 0;
    }
}

void failure_words(const struct failure *failure, FILE *out)
{
    char message[sizeof(failure->message)];
    memcpy(message, failure->message, sizeof(message));
    blank_controls(message);
    (void)fprintf(out, _("pledge: %s\n"), message);
    if (failure->replay)
        (void)fprintf(out, "%s\n", _("This is the original answer to a repeated request id."));
    if (failure->uncertain)
        (void)fprintf(out,
                      _("It may have been recorded or not. Repeat the same command with\n"
                        "  --request-id %s\n"
                        "until there is an answer: nothing is ever done twice under one id.\n"),
                      failure->request_id);
    else if (failure->request_id[0] != '\0' && failure->retryable)
        (void)fprintf(out, _("Nothing was recorded. The request id was %s.\n"),
                      failure->request_id);
}
