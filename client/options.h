/* SPDX-License-Identifier: Apache-2.0
 *
 * options: the command line. One name space of options: each has the same form in every command
 * that takes it; a command says which ones it takes. Options may stand anywhere; "--" ends them.
 *
 * What is typed wrong is a usage failure (exit 64) that names the nearest known word.
 */
#ifndef CLIENT_OPTIONS_H
#define CLIENT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/failure.h"
#include "common/check.h"

enum option {
    /* every command */
    OPTION_CONFIG,
    OPTION_PROFILE,
    OPTION_SERVER,
    OPTION_CA,
    OPTION_CERT,
    OPTION_KEY,
    OPTION_FORMAT,
    OPTION_LANG,
    OPTION_TIMEOUT,
    OPTION_NO_COLOR,
    OPTION_QUIET,
    OPTION_HELP,
    OPTION_VERSION,
    /* every write; --request-id is taken everywhere so that it may stand among the global ones */
    OPTION_REQUEST_ID,
    OPTION_EFFECTIVE_DATE,
    OPTION_REASON,
    OPTION_EVIDENCE,
    OPTION_EVIDENCE_KIND,
    OPTION_FILED_AS,
    OPTION_DRY_RUN,
    /* of single commands */
    OPTION_AT_LEAST,
    OPTION_TOTALS,
    OPTION_BY,
    OPTION_TIER,
    OPTION_FREE,
    OPTION_STAGE,
    OPTION_CONTRIBUTOR,
    OPTION_KIND,
    OPTION_MONEY,
    OPTION_CURRENCY,
    OPTION_AMOUNT,
    OPTION_EXPIRES_BEFORE,
    OPTION_SINCE_SEQ,
    OPTION_CATALOGUE,
    OPTION_NAME,
    OPTION_COUNTRY,
    OPTION_ITU_MEMBERSHIP,
    OPTION_REF,
    OPTION_NAME_CONTAINS,
    OPTION_FOR,
    OPTION_UNTIL,
    OPTION_IN_KIND,
    OPTION_CAMPAIGN,
    OPTION_AGREEMENT_REF,
    OPTION_PUBLISH,
    OPTION_MONEY_PLAN,
    OPTION_VALUE_DATE,
    OPTION_BANK_REF,
    OPTION_SETTLED,
    OPTION_WAIVE,
    OPTION_PAYER,
    OPTION_OTHER_PAYEE,
    OPTION_PLEDGE,
    OPTION_ALL,
    OPTION_UNALLOCATED,
    OPTION_OURS,
    OPTION_TAKE,
    OPTION_QUEUE,
    OPTION_STATEMENT,
    OPTION_OLDER_THAN,
    OPTION_OUTPUT,
    OPTION_AS,
    OPTION_FROM_SEQ,
    OPTION_TO_SEQ,
    OPTION_SAFE,
    OPTION_SINCE,
    OPTION_QUICK,
    OPTION_SIZE,
    OPTION_SEED,
    OPTION_MONETARY,
    OPTION_INIT,
    OPTION_LOG,
    OPTION_STATE,
    OPTION_LISTEN,
    OPTION_FUNCTION,
    OPTION_EMAIL,
    OPTION_PHONE,
    OPTION_CONTACT,
    OPTION_QUANTITY,
    OPTION_AT,
    OPTION_PERIOD,
    OPTION_PRELIMINARY,
    OPTION_ACCOUNTS,
    OPTION_DAYS,
    OPTION_DUE,
    OPTION_PARTS,
    OPTION_FIRST,
    OPTION_EVERY,
    OPTION_INSTALMENT,
    OPTION_SOURCE,
    OPTION_FILE,
    OPTION_COUNT,
};
/* A set of options. C has no wider constant expressions than those of the compiler's own type. */
typedef unsigned __int128 option_set;
_Static_assert(OPTION_COUNT <= 8 * sizeof(option_set), "a set of options has a bit for each");
#define OPTION_BIT(option_) ((option_set)1 << (option_))
#define OPTIONS_EVERY       (OPTION_BIT(OPTION_REQUEST_ID + 1) - 1)
#define OPTIONS_WRITE       (OPTION_BIT(OPTION_DRY_RUN + 1) - OPTION_BIT(OPTION_EFFECTIVE_DATE))

struct option_rule {
    const char *name;  /* without dashes */
    char letter;       /* short form; 0: none */
    bool many;         /* may be given several times */
    const char *value; /* placeholder for help; NULL: a switch */
    const char *words; /* for help, to be translated */
};
const struct option_rule *options_rule(enum option option);

enum { OPTION_VALUES_MAX = 64, OPTION_ARGS_MAX = 256 };
struct options {
    const char *arg[OPTION_ARGS_MAX]; /* words that are no options, the command first */
    size_t arg_count;
    struct {
        const char *text[OPTION_VALUES_MAX]; /* borrowed from argv */
        size_t count;
    } value[OPTION_COUNT];
};

/* argv[0] is skipped. Everything is borrowed from argv. */
PL_MUST_CHECK struct pl_status options_parse(int argc, char **argv, struct options *ret,
                                             struct failure *failure);
static inline bool options_has(const struct options *options, enum option option)
{
    return options->value[option].count > 0;
}
/* The value given last, or NULL. */
static inline const char *options_get(const struct options *options, enum option option)
{
    size_t count = options->value[option].count;
    return count == 0 ? NULL : options->value[option].text[count - 1];
}
/* Of an option that the command requires (commands.c): never NULL. */
static inline const char *options_required(const struct options *options, enum option option)
{
    const char *text = options_get(options, option);
    PL_ASSERT(text != NULL);
    return text;
}
/* Fails if an option outside `allowed` was given; `command` is for the message. */
PL_MUST_CHECK struct pl_status options_only(const struct options *options, option_set allowed,
                                            const char *command, struct failure *failure);
/* A whole number from least to most; *ret stays as it is if the option was not given. */
PL_MUST_CHECK struct pl_status options_number(const struct options *options, enum option option,
                                              int64_t least, int64_t most, int64_t *ret,
                                              struct failure *failure);
bool options_parse_number(const char *text, int64_t least, int64_t most, int64_t *ret);

#endif
