/* SPDX-License-Identifier: Apache-2.0
 *
 * policy: see policy.h. Happy path: values go into the draft in the order of the file. Failure: the
 * words of the first value that does not fit; config says in which line.
 */
#include "server/policy.h"

#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/money.h"
#include "common/reference.h"
#include "common/zone.h"
#include "server/ledger/ledger.h"

#define ZONE_DIR     "/usr/share/zoneinfo"
#define ZONE_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_+-"

static const char too_large[] = "the file is too large";

void policy_init(struct policy_draft *draft)
{
    memset(draft, 0, sizeof(*draft));
    pledged__v1__policy_adopted__init(&draft->message);
    pledged__v1__policy_creditor__init(&draft->creditor);
    draft->message.rules = LEDGER_RULES;
    draft->message.proposal_ttl_s = 30 * 86400LL;
    draft->message.unallocated_limit_s = 30 * 86400LL;
    draft->message.four_eyes = draft->four_eyes;
    draft->message.difference_limit = draft->limit;
    draft->message.account = draft->account;
}

/* Cuts the next item off a list with commas; without blanks around it. False: the end. */
static bool next_item(const char **at, char *item, size_t size, bool *ret_fits)
{
    if (**at == '\0')
        return false;
    size_t len = strcspn(*at, ",");
    const char *begin = *at + strspn(*at, " \t");
    const char *end = *at + len;
    *at = *end == ',' ? end + 1 : end;
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    size_t used = end > begin ? (size_t)(end - begin) : 0;
    *ret_fits = used != 0 && used < size;
    memcpy(item, begin, *ret_fits ? used : 0);
    item[*ret_fits ? used : 0] = '\0';
    return true;
}

static const char *set_four_eyes(struct policy_draft *draft, const char *value)
{
    static const char *const names[] = {"commit",     "cancel",    "refund", "write-off",
                                        "difference", "catalogue", "period", "exception",
                                        "extension",  "erase",     "surplus"};
    _Static_assert(PL_COUNT(names) == POLICY_CLASSES, "every class has a name, in order");
    bool on[POLICY_CLASSES] = {false}, fits = true;
    char item[32];
    const char *at = value;
    while (next_item(&at, item, sizeof(item), &fits)) {
        size_t i = 0;
        while (i < POLICY_CLASSES && strcmp(names[i], item) != 0)
            i++;
        if (!fits || i == POLICY_CLASSES)
            return "names with commas are needed, of commit, cancel, refund, write-off, "
                   "difference, "
                   "catalogue, period, exception, extension, erase, surplus; or nothing";
        on[i] = true;
    }
    draft->message.n_four_eyes = 0;
    for (size_t i = 0; i < POLICY_CLASSES; i++) {
        if (on[i])
            draft->four_eyes[draft->message.n_four_eyes++] = (Pledged__V1__CommandClass)(i + 1);
    }
    return NULL;
}

static const char *read_limit(char *item, struct pl_arena *arena, Pledged__V1__Money **ret)
{
    static const char wanted[] = "amounts with commas are needed, like 50.00 CHF, 50.00 EUR";
    char *blank = strrchr(item, ' ');
    int64_t minor = 0;
    if (blank == NULL)
        return wanted;
    *blank = '\0';
    int currency = pl_currency_index(blank + 1);
    if (currency < 0 || pl_decimal_parse(item, pl_currency_exponent(blank + 1), &minor) != 0 ||
        minor < 0)
        return wanted;
    Pledged__V1__Money *made = pl_arena_alloc(arena, sizeof(*made));
    if (made == NULL)
        return too_large;
    pledged__v1__money__init(made);
    made->minor = minor;
    made->currency = (char *)(uintptr_t)pl_currency_code(currency);
    *ret = made;
    return NULL;
}

static const char *set_limits(struct policy_draft *draft, struct pl_arena *arena, const char *value)
{
    char item[48];
    bool fits = true;
    const char *at = value;
    draft->message.n_difference_limit = 0;
    while (next_item(&at, item, sizeof(item), &fits)) {
        Pledged__V1__Money *limit = NULL;
        const char *wrong = read_limit(item, arena, &limit);
        if (wrong != NULL)
            return wrong;
        for (size_t i = 0; i < draft->message.n_difference_limit; i++) {
            if (strcmp(draft->limit[i]->currency, limit->currency) == 0)
                return "one amount a currency is needed";
        }
        if (draft->message.n_difference_limit == POLICY_LIMITS_MAX)
            return "fewer amounts are needed";
        draft->limit[draft->message.n_difference_limit++] = limit;
    }
    return NULL;
}

static const char *set_time(const char *value, int64_t least, int64_t *ret)
{
    int64_t seconds = 0;
    if (strcmp(value, "0") == 0 && least == 0) {
        *ret = 0;
        return NULL;
    }
    if (!pl_is_ok(pl_duration_parse(value, &seconds)) || seconds < 1 || seconds > 3650 * 86400LL)
        return least == 0 ? "a time like 30d is needed, or 0" : "a time like 30d is needed";
    *ret = seconds;
    return NULL;
}

static const char *set_text(struct pl_arena *arena, const char *value, size_t most, char **ret)
{
    if (strlen(value) > most)
        return "a shorter text is needed";
    *ret = pl_arena_strdup(arena, value);
    return *ret != NULL ? NULL : too_large;
}

static const char *set_creditor(struct policy_draft *draft, struct pl_arena *arena,
                                const char *name, const char *value)
{
    struct {
        const char *name;
        size_t most; /* what a slip has room for */
        char **place;
    } fields[] = {
        {"name", 70, &draft->creditor.name},     {"street", 70, &draft->creditor.street},
        {"number", 16, &draft->creditor.number}, {"postal_code", 16, &draft->creditor.postal_code},
        {"town", 35, &draft->creditor.town},     {"country", 2, &draft->creditor.country},
    };
    size_t i = 0;
    while (i < PL_COUNT(fields) && strcmp(fields[i].name, name) != 0)
        i++;
    PL_ASSERT(i < PL_COUNT(fields)); /* config knows the names */
    if (strcmp(name, "country") == 0 &&
        (strlen(value) != 2 || strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 2))
        return "two capital letters are needed, like CH";
    draft->message.creditor = &draft->creditor;
    return set_text(arena, value, fields[i].most, fields[i].place);
}

/* The last line of what the machine knows of a zone: the rule of its years to come (RFC 9636). */
static const char *rule_of(const char *name, char rule[PL_ZONE_BYTES])
{
    enum { PATH_BYTES = 128, FILE_MOST = 1 << 14 };
    static const char unknown[] = "this machine knows no such time zone: a name like Europe/Zurich "
                                  "is needed, or a rule like CET-1CEST,M3.5.0,M10.5.0/3";
    char bytes[FILE_MOST], path[PATH_BYTES];
    if (strspn(name, ZONE_LETTERS) != strlen(name) || name[0] == '/' ||
        snprintf(path, sizeof(path), ZONE_DIR "/%s", name) >= PATH_BYTES)
        return unknown;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return unknown;
    size_t len = fread(bytes, 1, sizeof(bytes) - 1, file);
    (void)fclose(file);
    if (len < 4 || memcmp(bytes, "TZif", 4) != 0 || bytes[len - 1] != '\n')
        return unknown;
    bytes[len - 1] = '\0';
    const char *last = memrchr(bytes, '\n', len - 1);
    struct pl_zone zone;
    if (last == NULL || last[1] == '\0' || !pl_is_ok(pl_zone_parse(last + 1, &zone)))
        return unknown;
    (void)snprintf(rule, PL_ZONE_BYTES, "%s", last + 1);
    return NULL;
}

/* A name that this machine knows, or a rule; NULL, or what is needed instead. */
static const char *read_zone(const char *value, char rule[PL_ZONE_BYTES])
{
    struct pl_zone zone;
    if (value[0] == '\0' || !pl_is_ok(pl_zone_parse(value, &zone)))
        return rule_of(value, rule);
    (void)snprintf(rule, PL_ZONE_BYTES, "%s", value);
    return NULL;
}

static bool same_change(const struct pl_zone_change *one, const struct pl_zone_change *other)
{
    return one->month == other->month && one->week == other->week &&
           one->weekday == other->weekday && one->second == other->second;
}

bool policy_same_zone(const char *one, const char *other)
{
    char rule[PL_ZONE_BYTES];
    struct pl_zone zone[2];
    for (size_t i = 0; i < 2; i++) {
        const char *value = i == 0 ? one : other;
        if (read_zone(value[0] == '\0' ? "UTC0" : value, rule) != NULL ||
            !pl_is_ok(pl_zone_parse(rule, &zone[i])))
            return false;
    }
    return zone[0].east == zone[1].east && zone[0].has_summer == zone[1].has_summer &&
           (!zone[0].has_summer || (zone[0].summer_east == zone[1].summer_east &&
                                    same_change(&zone[0].begin, &zone[1].begin) &&
                                    same_change(&zone[0].end, &zone[1].end)));
}

static const char *set_zone(struct policy_draft *draft, struct pl_arena *arena, const char *value)
{
    char rule[PL_ZONE_BYTES] = "";
    const char *wrong = read_zone(value, rule);
    return wrong != NULL ? wrong
                         : set_text(arena, rule, PL_ZONE_BYTES - 1, &draft->message.time_zone);
}

const char *policy_set(struct policy_draft *draft, struct pl_arena *arena, const char *name,
                       const char *value)
{
    if (strcmp(name, "four_eyes") == 0)
        return set_four_eyes(draft, value);
    if (strcmp(name, "proposal_ttl") == 0)
        return set_time(value, 1, &draft->message.proposal_ttl_s);
    if (strcmp(name, "unallocated_limit") == 0)
        return set_time(value, 0, &draft->message.unallocated_limit_s);
    if (strcmp(name, "time_zone") == 0)
        return set_zone(draft, arena, value);
    if (strcmp(name, "difference_limit") == 0)
        return set_limits(draft, arena, value);
    return set_creditor(draft, arena, name, value);
}

static Pledged__V1__PolicyAccount *find_account(struct policy_draft *draft, struct pl_arena *arena,
                                                const char *name)
{
    for (size_t i = 0; i < draft->message.n_account; i++) {
        if (strcmp(draft->account[i]->account, name) == 0)
            return draft->account[i];
    }
    Pledged__V1__PolicyAccount *made = pl_arena_alloc(arena, sizeof(*made));
    if (made == NULL || draft->message.n_account == POLICY_ACCOUNTS_MAX)
        return NULL;
    pledged__v1__policy_account__init(made);
    made->account = pl_arena_strdup(arena, name);
    if (made->account == NULL)
        return NULL;
    draft->account[draft->message.n_account++] = made;
    return made;
}

static const char *set_iban(struct pl_arena *arena, const char *value, bool qr, char **ret)
{
    char iban[PL_IBAN_BYTES];
    if (!pl_iban_read(value, iban))
        return "an account number (IBAN) with a right checksum is needed";
    if (pl_iban_qr(iban) != qr)
        return qr ? "a QR-IBAN is needed" : "this is a QR-IBAN: it belongs into qr_iban";
    return set_text(arena, iban, sizeof(iban), ret);
}

const char *policy_account_set(struct policy_draft *draft, struct pl_arena *arena, const char *name,
                               const char *key, const char *value, bool *ret_known)
{
    size_t len = strlen(name);
    *ret_known = true;
    if (len == 0 || len > 16 || strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != len)
        return "the name of an account has 1 to 16 capital letters and digits, like CHF01";
    Pledged__V1__PolicyAccount *account = find_account(draft, arena, name);
    if (account == NULL)
        return "fewer accounts are needed";
    if (strcmp(key, "iban") == 0)
        return set_iban(arena, value, false, &account->iban);
    if (strcmp(key, "qr_iban") == 0)
        return set_iban(arena, value, true, &account->qr_iban);
    if (strcmp(key, "bank") == 0)
        return set_text(arena, value, 70, &account->bank);
    if (strcmp(key, "bic") == 0)
        return set_text(arena, value, 11, &account->bic);
    if (strcmp(key, "number") == 0) /* of an account that has no IBAN */
        return set_text(arena, value, 34, &account->iban);
    if (strcmp(key, "shared") == 0) {
        account->shared = strcmp(value, "yes") == 0;
        return account->shared || strcmp(value, "no") == 0 ? NULL : "yes or no is needed";
    }
    *ret_known = strcmp(key, "currency") == 0;
    if (!*ret_known)
        return NULL;
    if (pl_currency_index(value) < 0)
        return "a currency of ISO 4217 is needed, like CHF";
    return set_text(arena, value, 3, &account->currency);
}

const char *policy_complete(struct policy_draft *draft)
{
    const Pledged__V1__PolicyCreditor *creditor = draft->message.creditor;
    if (creditor != NULL && (creditor->name[0] == '\0' || creditor->postal_code[0] == '\0' ||
                             creditor->town[0] == '\0' || creditor->country[0] == '\0'))
        return "[creditor] needs name, postal_code, town and country";
    for (size_t i = 0; i < draft->message.n_account; i++) {
        const Pledged__V1__PolicyAccount *account = draft->account[i];
        if (account->iban[0] == '\0' || account->currency[0] == '\0') {
            (void)snprintf(draft->wrong, sizeof(draft->wrong),
                           "[account %.64s] needs currency, and iban or number", account->account);
            return draft->wrong;
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(account->iban, draft->account[j]->iban) != 0)
                continue;
            (void)snprintf(draft->wrong, sizeof(draft->wrong),
                           "[account %.64s] and [account %.64s] have one iban",
                           draft->account[j]->account, account->account);
            return draft->wrong;
        }
    }
    return NULL;
}
