/* SPDX-License-Identifier: Apache-2.0
 *
 * options: the table of options and a parser without state. getopt_long is not used: it abbreviates
 * names (a script would break when a new option appears) and prints its own messages.
 */
#include "client/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/text.h"
#include "common/check.h"
#include "common/nearest.h"

static const struct option_rule rules[OPTION_COUNT] = {
    [OPTION_CONFIG] = {"config", 0, false, "FILE",
                       N_("profiles (default: $XDG_CONFIG_HOME/pledge/config)")},
    [OPTION_PROFILE] = {"profile", 0, false, "NAME", N_("section of that file to use")},
    [OPTION_SERVER] = {"server", 0, false, "HOST:PORT", N_("where the daemon is (port 7443)")},
    [OPTION_CA] = {"ca", 0, false, "FILE", N_("certificate of the authority that is trusted")},
    [OPTION_CERT] = {"cert", 0, false, "FILE", N_("own certificate")},
    [OPTION_KEY] = {"key", 0, false, "FILE", N_("key of that certificate")},
    [OPTION_FORMAT] = {"format", 0, false, "table|plain|json|csv",
                       N_("form of the answer (default: table on a terminal, else plain)")},
    [OPTION_LANG] = {"lang", 0, false, "fr|en", N_("language of the words")},
    [OPTION_TIMEOUT] = {"timeout", 0, false, "TIME",
                        N_("give up after this long, retries included (default 10s)")},
    [OPTION_NO_COLOR] = {"no-color", 0, false, NULL, N_("no colours")},
    [OPTION_QUIET] = {"quiet", 'q', false, NULL, N_("no words besides the answer")},
    [OPTION_HELP] = {"help", 'h', false, NULL, N_("explain the command and do nothing")},
    [OPTION_VERSION] = {"version", 0, false, NULL, N_("say which version this is")},
    [OPTION_REQUEST_ID] = {"request-id", 0, false, "UUID",
                           N_("repeat or name a request; otherwise a new id is made")},
    [OPTION_EFFECTIVE_DATE] = {"effective-date", 0, false, "YYYY-MM-DD",
                               N_("business date (otherwise the day it is recorded)")},
    [OPTION_REASON] = {"reason", 0, false, "TEXT", N_("why; no personal data")},
    [OPTION_EVIDENCE] = {"evidence", 0, true, "FILE",
                         N_("document; its SHA-256 is recorded, not its content (repeatable)")},
    [OPTION_EVIDENCE_KIND] = {"evidence-kind", 0, false, "KIND",
                              N_("letter, agreement, statement, ...")},
    [OPTION_FILED_AS] = {"filed-as", 0, false, "TEXT",
                         N_("where the file plan keeps the document")},
    [OPTION_DRY_RUN] = {"dry-run", 0, false, NULL, N_("rehearse: answer, but record nothing")},
    [OPTION_AT_LEAST] = {"at-least", 0, false, "N",
                         N_("say it by the exit code: 0 if N or more are left, else 1")},
    [OPTION_TOTALS] = {"totals", 0, false, NULL, N_("sums over all live pledges")},
    [OPTION_BY] = {"by", 0, false, "tier|category|month|currency", N_("one line for each")},
    [OPTION_TIER] = {"tier", 0, false, "TIER", N_("code or alias of a tier")},
    [OPTION_FREE] = {"free", 0, false, NULL, N_("a free contribution to the fund, without a tier")},
    [OPTION_STAGE] = {"stage", 0, true, "STAGE", N_("only this stage (repeatable)")},
    [OPTION_CONTRIBUTOR] = {"contributor", 0, false, "ID", N_("contributor, for example C000017")},
    [OPTION_KIND] = {"kind", 0, false, "KIND", N_("kind of contributor, or of entry")},
    [OPTION_MONEY] = {"money", 0, false, "none|part|paid|over|refund-due",
                      N_("only this state of payment")},
    [OPTION_CURRENCY] = {"currency", 0, false, "CODE", N_("ISO 4217 code, for example CHF")},
    [OPTION_AMOUNT] = {"amount", 0, false, "AMOUNT", N_("decimal number, for example 150000.00")},
    [OPTION_EXPIRES_BEFORE] = {"expires-before", 0, false, "YYYY-MM-DD",
                               N_("holds that end before the end of this day")},
    [OPTION_SINCE_SEQ] = {"since-seq", 0, false, "N", N_("changed by entry N or later")},
    [OPTION_CATALOGUE] = {"catalogue", 0, false, "CODE",
                          N_("another catalogue than the one in force")},
    [OPTION_NAME] = {"name", 0, false, "NAME",
                     N_("name of the organisation, of the person, or of a new key")},
    [OPTION_COUNTRY] = {"country", 0, false, "CC", N_("ISO 3166 code, for example CH")},
    [OPTION_ITU_MEMBERSHIP] = {"itu-membership", 0, false,
                               "member-state|sector-member|associate|academia",
                               N_("its place in the Union")},
    [OPTION_REF] = {"ref", 0, true, "SYSTEM:ID", N_("identifier in another system (repeatable)")},
    [OPTION_NAME_CONTAINS] = {"name-contains", 0, false, "TEXT", N_("only names with this text")},
    [OPTION_FOR] = {"for", 0, false, "TIME", N_("how long: 90s, 15m, 36h, 14d, 2w")},
    [OPTION_UNTIL] = {"until", 0, false, "YYYY-MM-DD",
                      N_("to the end of this day where the fund is (or an RFC 3339 moment)")},
    [OPTION_IN_KIND] = {"in-kind", 0, false, NULL, N_("goods or services instead of money")},
    [OPTION_CAMPAIGN] = {"campaign", 0, false, "TEXT", N_("campaign it came from")},
    [OPTION_AGREEMENT_REF] = {"agreement-ref", 0, false, "TEXT", N_("reference of the agreement")},
    [OPTION_PUBLISH] = {"publish", 0, false, "yes|no|after",
                        N_("may it be published (after: once announced)")},
    [OPTION_MONEY_PLAN] = {"money-plan", 0, false, "keep|refund|move",
                           N_("what becomes of money already received")},
    [OPTION_VALUE_DATE] = {"value-date", 0, false, "YYYY-MM-DD", N_("value date of the bank")},
    [OPTION_BANK_REF] = {"bank-ref", 0, false, "TEXT",
                         N_("the bank's reference; each is recorded once only")},
    [OPTION_PAYER] = {"payer", 0, false, "ADDRESS",
                      N_("who pays: 'NAME;STREET;NUMBER;POSTAL CODE;TOWN;COUNTRY'")},
    [OPTION_WAIVE] = {"waive", 0, false, NULL,
                      N_("close although money of the month is not matched, or benefits are open")},
    [OPTION_SETTLED] = {"settled", 0, false, "'AMOUNT CURRENCY'",
                        N_("what it counts for the pledge, in the pledge's currency")},
    [OPTION_OTHER_PAYEE] = {"other-payee", 0, false, NULL,
                            N_("not to who paid: an approver decides that")},
    [OPTION_PLEDGE] = {"pledge", 0, false, "ID", N_("pledge, for example P000042")},
    [OPTION_ALL] = {"all", 0, false, NULL, N_("all of them, not only what is open or in force")},
    [OPTION_UNALLOCATED] = {"unallocated", 0, false, NULL,
                            N_("only payments with money that is not allocated")},
    [OPTION_OURS] = {"ours", 0, false, NULL,
                     N_("only movements with a reference of the fund; the others as one sum")},
    [OPTION_TAKE] = {"take", 0, true, "REF",
                     N_("with --ours: also the movement with this reference of the bank "
                        "(repeatable)")},
    [OPTION_QUEUE] = {"queue", 0, false, "REASON",
                      N_("only those that wait for this reason, for example amount-differs")},
    [OPTION_STATEMENT] = {"statement", 0, false, "ID", N_("statement, for example S000003")},
    [OPTION_OLDER_THAN] = {"older-than", 0, false, "TIME",
                           N_("booked longer ago than this, for example 30d")},
    [OPTION_OUTPUT] = {"output", 'o', false, "FILE",
                       N_("write to this file; it appears only when it is complete")},
    [OPTION_AS] = {"as", 0, false, "FORM",
                   N_("of dump: bin (default), jsonl, csv, hledger, beancount or iati; of "
                      "postings: csv (default), hledger or beancount")},
    [OPTION_FROM_SEQ] = {"from-seq", 0, false, "N", N_("first entry (default 1)")},
    [OPTION_TO_SEQ] = {"to-seq", 0, false, "N", N_("last entry (default: the newest)")},
    [OPTION_SAFE] =
        {"safe", 0, false, NULL,
         N_(
             "csv for spreadsheets: text that would run as a formula gets a ' before it, and marks "
             "that turn a line are blanks")},
    [OPTION_SINCE] = {"since", 0, false, "FILE", N_("a checkpoint of this ledger that you kept")},
    [OPTION_QUICK] = {"quick", 0, false, NULL, N_("bytes and signatures only, not the rules")},
    [OPTION_SIZE] = {"size", 0, false, "N", N_("how many to draw")},
    [OPTION_SEED] = {"seed", 0, false, "TEXT", N_("same seed, same ledger: same sample")},
    [OPTION_MONETARY] = {"monetary", 0, false, NULL,
                         N_("draw units of money, not entries: large amounts are likelier")},
    [OPTION_INIT] = {"init", 0, false, NULL, N_("make the key if it is not there")},
    [OPTION_LOG] = {"log", 0, true, "VKEY",
                    N_("verifier key of a log to follow, or a file with it (repeatable)")},
    [OPTION_STATE] = {"state", 0, false, "DIR", N_("where it keeps what it signed")},
    [OPTION_LISTEN] = {"listen", 0, false, "HOST:PORT", N_("where it waits for requests")},
    [OPTION_FUNCTION] = {"function", 0, false, "TEXT", N_("what the person does there")},
    [OPTION_EMAIL] = {"email", 0, false, "TEXT", N_("e-mail address of the person")},
    [OPTION_PHONE] = {"phone", 0, false, "TEXT", N_("telephone number of the person")},
    [OPTION_PERIOD] = {"period", 0, false, "YYYY-MM", N_("the month")},
    [OPTION_PRELIMINARY] = {"preliminary", 0, false, NULL,
                            N_("a file to look at, marked as such; nothing is recorded")},
    [OPTION_ACCOUNTS] = {"accounts", 0, false, "FILE",
                         N_("table of accounts: csv with event,debit,credit,cost_centre")},
    [OPTION_AT] = {"at", 0, false, "YYYY-MM-DD", N_("as of this day (default: today)")},
    [OPTION_SOURCE] = {"source", 0, false, "TEXT", N_("who publishes the rate, as 'UN Treasury'")},
    [OPTION_FILE] = {"file", 0, false, "FILE",
                     N_("rates as csv with date,currency,rate,source (or without source)")},
    [OPTION_DAYS] = {"days", 0, false, "N",
                     N_("and what falls due within so many days (default 30)")},
    [OPTION_DUE] = {"due", 0, true, "DAY:AMOUNT",
                    N_("a part of the promise, for example 2026-03-31:50000.00 (repeatable)")},
    [OPTION_PARTS] = {"parts", 0, false, "N", N_("so many equal parts; the last takes the rest")},
    [OPTION_FIRST] = {"first", 0, false, "YYYY-MM-DD", N_("with --parts: the first is due then")},
    [OPTION_EVERY] = {"every", 0, false, "TIME",
                      N_("with --parts: how far apart, for example 3m (default 1m)")},
    [OPTION_INSTALMENT] = {"instalment", 0, false, "N",
                           N_("only this part of the pledge's schedule")},
    [OPTION_QUANTITY] = {"quantity", 0, false, "N",
                         N_("how much of it, in its unit (default: all that is left)")},
    [OPTION_CONTACT] = {"contact", 0, false, "ID", N_("one person, for example K000004")},
};

const struct option_rule *options_rule(enum option option)
{
    return &rules[option];
}

static struct pl_status unknown(const char *dashes, const char *name, struct failure *failure)
{
    const char *known[OPTION_COUNT];
    for (size_t i = 0; i < OPTION_COUNT; i++)
        known[i] = rules[i].name;
    const char *near = pl_nearest(name, known, OPTION_COUNT);
    if (near != NULL)
        return failure_usage(failure, _("there is no option %s%s; did you mean --%s?"), dashes,
                             name, near);
    return failure_usage(failure, _("there is no option %s%s ('pledge help' lists them)"), dashes,
                         name);
}

static struct pl_status add_value(struct options *options, enum option option, const char *text,
                                  struct failure *failure)
{
    size_t count = options->value[option].count;
    /* Wrappers and aliases set where and how; whoever types more wins. What is done is said once.
     */
    if (option <= OPTION_VERSION)
        options->value[option].count = count = 0;
    if (count > 0 && !rules[option].many)
        return failure_usage(failure, _("--%s was given twice"), rules[option].name);
    if (count >= OPTION_VALUES_MAX)
        return failure_usage(failure, _("--%s was given more than %d times"), rules[option].name,
                             (int)OPTION_VALUES_MAX);
    options->value[option].text[options->value[option].count++] = text;
    return pl_ok();
}

static bool same_name(const char *rule, const char *name, size_t len)
{
    return strlen(rule) == len && strncmp(rule, name, len) == 0;
}

/* An option found in word *at; a value that stands in the next word moves *at. */
static struct pl_status take(struct options *options, enum option option, const char *attached,
                             int argc, char **argv, int *at, struct failure *failure)
{
    const struct option_rule *rule = &rules[option];
    if (rule->value == NULL) {
        if (attached != NULL)
            return failure_usage(failure, _("--%s takes no value"), rule->name);
        return add_value(options, option, "", failure);
    }
    if (attached == NULL) {
        if (*at + 1 >= argc)
            return failure_usage(failure, _("--%s needs a value: --%s %s"), rule->name, rule->name,
                                 rule->value);
        attached = argv[++*at];
    }
    return add_value(options, option, attached, failure);
}

static struct pl_status parse_long(struct options *options, int argc, char **argv, int *at,
                                   struct failure *failure)
{
    const char *name = argv[*at] + 2;
    size_t len = strcspn(name, "=");
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (same_name(rules[i].name, name, len))
            return take(options, (enum option)i, name[len] == '=' ? name + len + 1 : NULL, argc,
                        argv, at, failure);
    }
    return unknown("--", name, failure);
}

static struct pl_status parse_short(struct options *options, int argc, char **argv, int *at,
                                    struct failure *failure)
{
    const char *name = argv[*at] + 1;
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (rules[i].letter != 0 && rules[i].letter == name[0])
            return take(options, (enum option)i, name[1] != '\0' ? name + 1 : NULL, argc, argv, at,
                        failure);
    }
    return unknown("-", name, failure);
}

/* "-" is a file name and "-5" an amount, both are words. */
static bool is_word(const char *text)
{
    return text[0] != '-' || text[1] == '\0' || (text[1] >= '0' && text[1] <= '9');
}

struct pl_status options_parse(int argc, char **argv, struct options *ret, struct failure *failure)
{
    *ret = (struct options){0};
    bool only_words = false;
    for (int at = 1; at < argc; at++) {
        if (only_words || is_word(argv[at])) {
            if (ret->arg_count == OPTION_ARGS_MAX)
                return failure_usage(failure, _("there are too many words, from '%s' on"),
                                     argv[at]);
            ret->arg[ret->arg_count++] = argv[at];
        } else if (strcmp(argv[at], "--") == 0) {
            only_words = true;
        } else if (argv[at][1] == '-') {
            PL_TRY(parse_long(ret, argc, argv, &at, failure));
        } else {
            PL_TRY(parse_short(ret, argc, argv, &at, failure));
        }
    }
    return pl_ok();
}

struct pl_status options_only(const struct options *options, option_set allowed,
                              const char *command, struct failure *failure)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (options->value[i].count > 0 && (allowed & OPTION_BIT(i)) == 0)
            return failure_usage(failure,
                                 _("'pledge %s' does not take --%s ('pledge help %s' explains it)"),
                                 command, rules[i].name, command);
    }
    return pl_ok();
}

bool options_parse_number(const char *text, int64_t least, int64_t most, int64_t *ret)
{
    if (text[0] < '0' || text[0] > '9')
        return false;
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < least || value > most)
        return false;
    *ret = value;
    return true;
}

struct pl_status options_number(const struct options *options, enum option option, int64_t least,
                                int64_t most, int64_t *ret, struct failure *failure)
{
    const char *text = options_get(options, option);
    if (text == NULL || options_parse_number(text, least, most, ret))
        return pl_ok();
    if (most < 1000000) /* more than that is no limit that a person reaches */
        return failure_usage(failure,
                             _("--%s %s: a whole number from %" PRId64 " to %" PRId64 " is needed"),
                             rules[option].name, text, least, most);
    return failure_usage(failure, _("--%s %s: a whole number from %" PRId64 " on is needed"),
                         rules[option].name, text, least);
}
