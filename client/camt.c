/* SPDX-License-Identifier: Apache-2.0
 *
 * camt: from elements to movements. Paths are those of the schemas: N is an entry (Ntry), T one of
 * its transactions (NtryDtls/TxDtls). Happy path: every entry gives its movements, the balances
 * agree. Failure: the first element that is wrong, with its path and line.
 */
#include "client/camt.h"

#include <inttypes.h>
#include <stdio.h>

#include "client/camt_xml.h"
#include "client/text.h"
#include "common/check.h"
#include "common/date.h"
#include "common/money.h"
#include "common/reference.h"

#define REASON(name_) PLEDGED__V1__REASON__REASON_##name_

enum {
    ACCOUNT_MAX = 34,
    REF_MAX = 35,
    PARTY_MAX = 140,
    TEXT_MAX = 500,
    TEXT_PARTS_MAX = 20,
    RATE_MAX = 14,
    CODE_MAX = 4
};

struct reader {
    struct camt_xml xml;
    struct pl_arena *arena;
    bool v8;
    struct camt_file *file;
    size_t movements; /* of the whole file */
    /* of the statement that is being read */
    struct camt_statement *statement;
    struct camt_movement *room; /* for CAMT_MOVEMENTS_MAX */
    size_t room_used;
    const xmlNode *node;
};

#define WRONG(reader_, node_, reason_, ...)                                                        \
    camt_xml_wrong(&(reader_)->xml, (node_), REASON(reason_), __VA_ARGS__)

static struct pl_status text_of(struct reader *reader, const xmlNode *from, const char *path,
                                size_t most, const char **ret)
{
    return camt_xml_text(&reader->xml, camt_xml_find(from, path), most, ret);
}

/* --- amounts --- */

enum camt_amount_problem camt_amount(const char *text, int exponent, int64_t *ret_minor)
{
    int64_t minor = 0;
    int decimals = 0;
    bool point = false, digits = false;
    for (text += *text == '+'; *text != '\0'; text++) {
        if (*text == '.' && !point) {
            point = true;
            continue;
        }
        if (*text < '0' || *text > '9')
            return CAMT_AMOUNT_SYNTAX;
        digits = true;
        if (point && ++decimals > 5)
            return CAMT_AMOUNT_PRECISION;
        if (point && decimals > exponent) {
            if (*text != '0')
                return CAMT_AMOUNT_PRECISION;
            continue;
        }
        if (__builtin_mul_overflow(minor, 10, &minor) ||
            __builtin_add_overflow(minor, *text - '0', &minor))
            return CAMT_AMOUNT_OVERFLOW;
    }
    if (!digits)
        return CAMT_AMOUNT_SYNTAX;
    for (; decimals < exponent; decimals++) {
        if (__builtin_mul_overflow(minor, 10, &minor))
            return CAMT_AMOUNT_OVERFLOW;
    }
    *ret_minor = minor;
    return CAMT_AMOUNT_OK;
}

static struct pl_status currency_of(struct reader *reader, const xmlNode *node, char ret[4])
{
    xmlChar *text = xmlGetNoNsProp((xmlNode *)(uintptr_t)node, (const xmlChar *)"Ccy");
    bool known = text != NULL && pl_currency_index((const char *)text) >= 0;
    struct pl_status status =
        known ? pl_ok()
              : WRONG(reader, node, CURRENCY_UNKNOWN, _("'%.20s' is not a currency of ISO 4217"),
                      text == NULL ? "" : (const char *)text);
    if (known)
        memcpy(ret, text, 4);
    xmlFree(text);
    return status;
}

/* An amount without its sign, and its currency. */
static struct pl_status amount_of(struct reader *reader, const xmlNode *node, int64_t *ret_minor,
                                  char ret_currency[4])
{
    const char *text;
    PL_TRY(currency_of(reader, node, ret_currency));
    PL_TRY(camt_xml_text(&reader->xml, node, 64, &text));
    switch (camt_amount(text, pl_currency_exponent(ret_currency), ret_minor)) {
    case CAMT_AMOUNT_OK:
        return pl_ok();
    case CAMT_AMOUNT_SYNTAX:
        return WRONG(reader, node, FIELD_INVALID, _("'%s' is no amount"), text);
    case CAMT_AMOUNT_PRECISION:
        return WRONG(reader, node, AMOUNT_PRECISION, _("'%s' has more decimals than %s has"), text,
                     ret_currency);
    case CAMT_AMOUNT_OVERFLOW:
        return WRONG(reader, node, AMOUNT_OVERFLOW, _("'%s' is more than can be counted"), text);
    }
    PL_UNREACHABLE();
}

/* CdtDbtInd under a node: +1 credit, -1 debit. */
static struct pl_status sign_of(struct reader *reader, const xmlNode *under, int *ret)
{
    const xmlNode *node = camt_xml_child(under, "CdtDbtInd");
    const char *text;
    if (node == NULL)
        return WRONG(reader, under, FIELD_REQUIRED, _("%s is missing"), "CdtDbtInd");
    PL_TRY(camt_xml_text(&reader->xml, node, 8, &text));
    *ret = strcmp(text, "CRDT") == 0 ? 1 : strcmp(text, "DBIT") == 0 ? -1 : 0;
    return *ret != 0 ? pl_ok()
                     : WRONG(reader, node, FIELD_INVALID, _("'%s' is neither CRDT nor DBIT"), text);
}

/* An amount in the currency of the account. */
static struct pl_status account_amount(struct reader *reader, const xmlNode *node,
                                       int64_t *ret_minor)
{
    char currency[4];
    PL_TRY(amount_of(reader, node, ret_minor, currency));
    if (strcmp(currency, reader->statement->currency) != 0)
        return WRONG(reader, node, FIELD_INVALID, _("%s, but the account is in %s"), currency,
                     reader->statement->currency);
    return pl_ok();
}

/* --- dates --- */

/* Dt (YYYY-MM-DD) or DtTm (its day, as written). */
static struct pl_status date_of(struct reader *reader, const xmlNode *choice, char ret[11])
{
    const xmlNode *node = camt_xml_child(choice, "Dt");
    const char *text;
    if (node == NULL)
        node = camt_xml_child(choice, "DtTm");
    if (node == NULL)
        return WRONG(reader, choice, FIELD_REQUIRED, _("%s is missing"), "Dt");
    PL_TRY(camt_xml_text(&reader->xml, node, 64, &text));
    (void)snprintf(ret, 11, "%.10s", text);
    bool whole = text[0] != '\0' && (strlen(text) == 10 || strchr("TZ+-", text[10]) != NULL);
    return whole && pl_date_valid(ret)
               ? pl_ok()
               : WRONG(reader, node, DATE_INVALID, _("'%s' is no date"), text);
}

/* A dateTime that stands in the element itself. */
static struct pl_status day_of(struct reader *reader, const xmlNode *node, char ret[11])
{
    const char *text;
    ret[0] = '\0';
    if (node == NULL)
        return pl_ok();
    PL_TRY(camt_xml_text(&reader->xml, node, 64, &text));
    (void)snprintf(ret, 11, "%.10s", text);
    return pl_date_valid(ret) ? pl_ok()
                              : WRONG(reader, node, DATE_INVALID, _("'%s' is no date"), text);
}

/* --- texts --- */

static char *without_blanks(struct reader *reader, const char *text)
{
    char *out = pl_arena_strdup(reader->arena, text);
    size_t used = 0;
    for (; out != NULL && *text != '\0'; text++) {
        if (*text != ' ')
            out[used++] = (char)(*text >= 'a' && *text <= 'z' ? *text - 'a' + 'A' : *text);
    }
    if (out != NULL)
        out[used] = '\0';
    return out;
}

static struct pl_status reference_of(struct reader *reader, const xmlNode *details,
                                     const char **ret)
{
    const xmlNode *structured = camt_xml_find(details, "RmtInf/Strd");
    *ret = "";
    for (; structured != NULL && (*ret)[0] == '\0'; structured = camt_xml_next(structured)) {
        const char *text;
        PL_TRY(text_of(reader, structured, "CdtrRefInf/Ref", 64, &text));
        *ret = without_blanks(reader, text);
        if (*ret == NULL)
            return text_no_memory();
    }
    return pl_ok();
}

/* A structured reference that is none of ours (its check digits do not fit, or it is an invoice's
 * number) is still what the payer wrote, and somebody has to find the pledge by it. */
static const char *unread(const char *reference)
{
    char found[PL_REFERENCE_BYTES];
    return pl_reference_read(reference, found) == PL_REFERENCE_NONE ? reference : "";
}

/* RmtInf/Ustrd, as often as it stands there, then what the bank adds. `first`: before all that. */
static struct pl_status free_text_of(struct reader *reader, const xmlNode *entry,
                                     const xmlNode *details, const char *first, const char **ret)
{
    const xmlNode *part = camt_xml_find(details, "RmtInf/Ustrd");
    const char *text;
    char *all = pl_arena_strdup(reader->arena, first);
    for (int i = 0; part != NULL && i < TEXT_PARTS_MAX; i++, part = camt_xml_next(part)) {
        PL_TRY(camt_xml_text(&reader->xml, part, TEXT_MAX, &text));
        all = all == NULL
                  ? NULL
                  : pl_arena_printf(reader->arena, "%s%s%s", all, all[0] == '\0' ? "" : " ", text);
    }
    PL_TRY(text_of(reader, details != NULL ? details : entry,
                   details != NULL ? "AddtlTxInf" : "AddtlNtryInf", TEXT_MAX, &text));
    if (all != NULL && text[0] != '\0')
        all = pl_arena_printf(reader->arena, "%s%s%s", all, all[0] == '\0' ? "" : " ", text);
    *ret = all;
    return all != NULL ? pl_ok() : text_no_memory();
}

/* Who paid; who was paid, where money left. In 001.08 a party is wrapped once more. */
static struct pl_status payer_of(struct reader *reader, const xmlNode *details, bool credit,
                                 struct camt_movement *movement)
{
    const xmlNode *parties = camt_xml_child(details, "RltdPties");
    const xmlNode *party = camt_xml_child(parties, credit ? "Dbtr" : "Cdtr");
    const xmlNode *account = camt_xml_child(parties, credit ? "DbtrAcct" : "CdtrAcct");
    if (party == NULL)
        party = camt_xml_child(parties, credit ? "UltmtDbtr" : "UltmtCdtr");
    PL_TRY(text_of(reader, party, reader->v8 ? "Pty/Nm" : "Nm", PARTY_MAX, &movement->payer));
    return text_of(reader, account, "Id/IBAN", 34, &movement->payer_iban);
}

/* --- one movement --- */

static struct pl_status new_movement(struct reader *reader, const xmlNode *node,
                                     enum camt_kind kind, int64_t minor, struct camt_movement **ret)
{
    if (reader->movements >= CAMT_MOVEMENTS_MAX)
        return WRONG(reader, node, TOO_BIG,
                     _("more than %d movements in one file; ask the bank for shorter periods"),
                     CAMT_MOVEMENTS_MAX);
    reader->movements++;
    struct camt_movement *movement = &reader->room[reader->room_used++];
    *movement = (struct camt_movement){
        .kind = kind,
        .minor = minor,
        .bank_ref = "",
        .batch_ref = "",
        .entry_ref = "",
        .uetr = "",
        .end_to_end_id = "",
        .reference = "",
        .return_reason = "",
        .rate = "",
        .bank_code = "",
        .payer = "",
        .payer_iban = "",
        .text = "",
        .line = xmlGetLineNo((xmlNode *)(uintptr_t)node),
    };
    reader->statement->movement_count++;
    *ret = movement;
    return pl_ok();
}

static struct pl_status set_dates(struct reader *reader, const xmlNode *entry,
                                  struct camt_movement *movement)
{
    const xmlNode *booked = camt_xml_child(entry, "BookgDt");
    const xmlNode *value = camt_xml_child(entry, "ValDt");
    if (booked == NULL && value == NULL)
        return WRONG(reader, entry, FIELD_REQUIRED, _("%s is missing"), "BookgDt");
    PL_TRY(date_of(reader, booked != NULL ? booked : value, movement->booking_date));
    return date_of(reader, value != NULL ? value : booked, movement->value_date);
}

/* What the payer ordered, where it is not what arrived. */
static struct pl_status set_instructed(struct reader *reader, const xmlNode *details,
                                       struct camt_movement *movement)
{
    const xmlNode *ordered = camt_xml_find(details, "AmtDtls/InstdAmt");
    const xmlNode *amount = camt_xml_child(ordered, "Amt");
    if (amount == NULL) {
        ordered = camt_xml_find(details, "AmtDtls/TxAmt");
        amount = camt_xml_child(ordered, "Amt");
    }
    if (amount == NULL)
        return pl_ok();
    int64_t minor;
    char currency[4];
    PL_TRY(amount_of(reader, amount, &minor, currency));
    if (strcmp(currency, reader->statement->currency) == 0 &&
        (minor == movement->minor || minor == -movement->minor))
        return pl_ok();
    movement->instructed_minor = minor;
    memcpy(movement->instructed_currency, currency, sizeof(currency));
    const xmlNode *rate = camt_xml_find(ordered, "CcyXchg/XchgRate");
    if (rate == NULL)
        rate = camt_xml_find(details, "AmtDtls/TxAmt/CcyXchg/XchgRate");
    return camt_xml_text(&reader->xml, rate, RATE_MAX, &movement->rate);
}

/* BkTxCd of an entry, or of one of its transactions, which knows better. */
static struct pl_status set_code(struct reader *reader, const xmlNode *under,
                                 struct camt_movement *movement)
{
    const xmlNode *domain = camt_xml_find(under, "BkTxCd/Domn");
    const char *code, *family, *sub;
    if (domain == NULL)
        return pl_ok();
    PL_TRY(text_of(reader, domain, "Cd", CODE_MAX, &code));
    PL_TRY(text_of(reader, domain, "Fmly/Cd", CODE_MAX, &family));
    PL_TRY(text_of(reader, domain, "Fmly/SubFmlyCd", CODE_MAX, &sub));
    movement->bank_code = pl_arena_printf(reader->arena, "%s/%s/%s", code, family, sub);
    return movement->bank_code != NULL ? pl_ok() : text_no_memory();
}

/* Chrgs: the total where it is told, else the records of the first one's currency. What the bank
 * gave back counts against what it took. */
static struct pl_status set_charges(struct reader *reader, const xmlNode *under,
                                    struct camt_movement *movement)
{
    const xmlNode *charges = camt_xml_child(under, "Chrgs");
    const xmlNode *total = camt_xml_child(charges, "TtlChrgsAndTaxAmt");
    const xmlNode *record = total == NULL ? camt_xml_child(charges, "Rcrd") : NULL;
    char first[4] = "", currency[4];
    int64_t sum = 0, minor;
    if (total != NULL)
        PL_TRY(amount_of(reader, total, &sum, first));
    for (; record != NULL; record = camt_xml_next(record)) {
        const xmlNode *amount = camt_xml_child(record, "Amt");
        int sign = -1;
        if (amount == NULL)
            continue;
        PL_TRY(amount_of(reader, amount, &minor, currency));
        if (camt_xml_child(record, "CdtDbtInd") != NULL)
            PL_TRY(sign_of(reader, record, &sign));
        if (first[0] == '\0')
            memcpy(first, currency, sizeof(first));
        if (strcmp(first, currency) == 0 && !pl_add64(sum, -sign * minor, &sum))
            return WRONG(reader, amount, AMOUNT_OVERFLOW, _("the details add up to too much"));
    }
    if (sum > 0) {
        movement->charges_minor = sum;
        memcpy(movement->charges_currency, first, sizeof(first));
    }
    return pl_ok();
}

static struct pl_status set_details(struct reader *reader, const xmlNode *entry,
                                    const xmlNode *details, struct camt_movement *movement)
{
    PL_TRY(text_of(reader, details, "Refs/UETR", 36, &movement->uetr));
    PL_TRY(text_of(reader, details, "Refs/EndToEndId", REF_MAX, &movement->end_to_end_id));
    if (strcmp(movement->end_to_end_id, "NOTPROVIDED") == 0)
        movement->end_to_end_id = "";
    PL_TRY(reference_of(reader, details, &movement->reference));
    PL_TRY(free_text_of(reader, entry, details, unread(movement->reference), &movement->text));
    PL_TRY(payer_of(reader, details, movement->minor > 0, movement));
    PL_TRY(text_of(reader, details, "RtrInf/Rsn/Cd", REF_MAX, &movement->return_reason));
    if (movement->return_reason[0] == '\0')
        PL_TRY(text_of(reader, details, "RtrInf/Rsn/Prtry", REF_MAX, &movement->return_reason));
    if (movement->kind == CAMT_PAYMENT && camt_xml_child(details, "RtrInf") != NULL)
        movement->kind = CAMT_RETURN;
    PL_TRY(set_code(reader, details, movement));
    PL_TRY(set_charges(reader, details, movement));
    return set_instructed(reader, details, movement);
}

/* --- one entry --- */

struct entry {
    const xmlNode *node;
    int sign;
    int64_t minor; /* signed */
    bool reversal;
    const char *bank_ref, *entry_ref;
    size_t details;             /* transactions that are told */
    int64_t batch_count;        /* transactions that there are; 0: not told */
    struct camt_movement dates; /* of the entry; its movements share them */
};

/* Transactions of an entry, over all its NtryDtls. */
static const xmlNode *next_details(const struct entry *entry, const xmlNode *current)
{
    const xmlNode *group =
        current == NULL ? camt_xml_child(entry->node, "NtryDtls") : current->parent;
    const xmlNode *found =
        current == NULL ? camt_xml_child(group, "TxDtls") : camt_xml_next(current);
    while (found == NULL && group != NULL) {
        group = camt_xml_next(group);
        found = camt_xml_child(group, "TxDtls");
    }
    return found;
}

/* The amount of one transaction in the account's currency; *ret_told false: it does not say. */
static struct pl_status details_amount(struct reader *reader, const struct entry *entry,
                                       const xmlNode *details, int64_t *ret, bool *ret_told)
{
    static const char *const paths[] = {"Amt", "AmtDtls/TxAmt/Amt", "AmtDtls/CntrValAmt/Amt"};
    int sign = entry->sign;
    *ret_told = false;
    if (camt_xml_child(details, "CdtDbtInd") != NULL)
        PL_TRY(sign_of(reader, details, &sign));
    for (size_t i = 0; i < PL_COUNT(paths) && !*ret_told; i++) {
        const xmlNode *node = camt_xml_find(details, paths[i]);
        char currency[4];
        int64_t minor = 0;
        if (node == NULL)
            continue;
        PL_TRY(amount_of(reader, node, &minor, currency));
        *ret_told = strcmp(currency, reader->statement->currency) == 0;
        *ret = *ret_told ? sign * minor : 0;
    }
    return pl_ok();
}

static struct pl_status add_movement(struct reader *reader, const struct entry *entry,
                                     const xmlNode *details, enum camt_kind kind, int64_t minor,
                                     struct camt_movement **ret)
{
    if (minor == 0)
        return WRONG(reader, details != NULL ? details : entry->node, AMOUNT_NOT_POSITIVE,
                     _("the amount is zero"));
    PL_TRY(new_movement(reader, details != NULL ? details : entry->node, kind, minor, ret));
    memcpy((*ret)->booking_date, entry->dates.booking_date, 11);
    memcpy((*ret)->value_date, entry->dates.value_date, 11);
    (*ret)->entry_ref = entry->entry_ref;
    return set_code(reader, entry->node, *ret);
}

/* Every transaction by itself; what they leave over is a charge, in sight. */
static struct pl_status add_all_details(struct reader *reader, const struct entry *entry)
{
    int64_t rest = entry->minor;
    for (const xmlNode *details = next_details(entry, NULL); details != NULL;
         details = next_details(entry, details)) {
        struct camt_movement *movement;
        int64_t minor;
        bool told;
        PL_TRY(details_amount(reader, entry, details, &minor, &told));
        if (!told && entry->details > 1)
            return WRONG(reader, details, AMOUNT_REQUIRED,
                         _("a transaction of a batch without an amount in %s"),
                         reader->statement->currency);
        minor = told ? minor : entry->minor;
        if (__builtin_sub_overflow(rest, minor, &rest))
            return WRONG(reader, details, AMOUNT_OVERFLOW, _("the details add up to too much"));
        PL_TRY(add_movement(reader, entry, details, entry->reversal ? CAMT_REVERSAL : CAMT_PAYMENT,
                            minor, &movement));
        PL_TRY(text_of(reader, details, "Refs/AcctSvcrRef", REF_MAX, &movement->bank_ref));
        if (entry->details > 1 || entry->batch_count > 1)
            movement->batch_ref = entry->bank_ref;
        else if (movement->bank_ref[0] == '\0')
            movement->bank_ref = entry->bank_ref;
        PL_TRY(set_details(reader, entry->node, details, movement));
        if (entry->details == 1 && camt_xml_child(details, "Chrgs") == NULL)
            PL_TRY(set_charges(reader, entry->node, movement));
    }
    if (rest == 0)
        return pl_ok();
    struct camt_movement *charge;
    if (entry->details == 1) /* its amount is not the entry's: they are known together */
        reader->room[reader->room_used - 1].batch_ref = entry->bank_ref;
    PL_TRY(add_movement(reader, entry, NULL, CAMT_CHARGE, rest, &charge));
    charge->batch_ref = entry->bank_ref;
    return pl_ok();
}

static struct pl_status add_without_details(struct reader *reader, const struct entry *entry)
{
    struct camt_movement *movement;
    enum camt_kind kind = entry->reversal          ? CAMT_REVERSAL
                          : entry->batch_count > 1 ? CAMT_BATCH
                                                   : CAMT_PAYMENT;
    PL_TRY(add_movement(reader, entry, NULL, kind, entry->minor, &movement));
    movement->bank_ref = entry->bank_ref;
    movement->batch_count = kind == CAMT_BATCH ? (uint32_t)entry->batch_count : 0;
    PL_TRY(set_charges(reader, entry->node, movement));
    return free_text_of(reader, entry->node, NULL, "", &movement->text);
}

/* Over all its NtryDtls. A single transaction that stands for several tells no details. */
static struct pl_status batch_count_of(struct reader *reader, struct entry *entry)
{
    const xmlNode *group = camt_xml_child(entry->node, "NtryDtls");
    const xmlNode *node = NULL;
    for (; group != NULL; group = camt_xml_next(group)) {
        const xmlNode *told = camt_xml_find(group, "Btch/NbOfTxs");
        const char *text;
        int64_t count = 0;
        PL_TRY(camt_xml_text(&reader->xml, told, 15, &text));
        node = told != NULL ? told : node;
        if (told != NULL && (camt_amount(text, 0, &count) != CAMT_AMOUNT_OK || count > 1000000 ||
                             strspn(text, "0123456789") != strlen(text)))
            return WRONG(reader, told, FIELD_INVALID, _("'%s' is no number of transactions"), text);
        entry->batch_count += count;
    }
    if (entry->details == 1 && entry->batch_count > 1)
        entry->details = 0;
    if (node != NULL && entry->details != 0 && (size_t)entry->batch_count != entry->details)
        return WRONG(reader, node, FIELD_INVALID,
                     _("%" PRId64 " transactions are announced, %zu are told"), entry->batch_count,
                     entry->details);
    return pl_ok();
}

/* BOOK, or not yet. In 001.08 the code is wrapped once more. */
static struct pl_status is_booked(struct reader *reader, const xmlNode *node, bool *ret)
{
    const xmlNode *status = camt_xml_child(node, "Sts");
    const char *text;
    if (status == NULL)
        return WRONG(reader, node, FIELD_REQUIRED, _("%s is missing"), "Sts");
    PL_TRY(
        camt_xml_text(&reader->xml, reader->v8 ? camt_xml_child(status, "Cd") : status, 64, &text));
    *ret = strcmp(text, "BOOK") == 0;
    return pl_ok();
}

static struct pl_status read_entry(struct reader *reader, const xmlNode *node)
{
    struct entry entry = {.node = node};
    const xmlNode *amount = camt_xml_child(node, "Amt");
    const char *reversal;
    bool booked = false;
    PL_TRY(is_booked(reader, node, &booked));
    if (!booked) {
        reader->statement->not_booked++;
        return pl_ok();
    }
    if (amount == NULL)
        return WRONG(reader, node, FIELD_REQUIRED, _("%s is missing"), "Amt");
    PL_TRY(account_amount(reader, amount, &entry.minor));
    PL_TRY(sign_of(reader, node, &entry.sign));
    entry.minor *= entry.sign;
    PL_TRY(text_of(reader, node, "RvslInd", 8, &reversal));
    entry.reversal = strcmp(reversal, "true") == 0 || strcmp(reversal, "1") == 0;
    PL_TRY(text_of(reader, node, "AcctSvcrRef", REF_MAX, &entry.bank_ref));
    PL_TRY(text_of(reader, node, "NtryRef", REF_MAX, &entry.entry_ref));
    PL_TRY(set_dates(reader, node, &entry.dates));
    for (const xmlNode *details = next_details(&entry, NULL); details != NULL;
         details = next_details(&entry, details))
        entry.details++;
    PL_TRY(batch_count_of(reader, &entry));
    return entry.details != 0 ? add_all_details(reader, &entry)
                              : add_without_details(reader, &entry);
}

/* --- one statement --- */

/* The balance of one kind (OPBD, CLBD, PRCD), signed; false: it is not told. */
static struct pl_status balance_of(struct reader *reader, const char *kind, int64_t *ret,
                                   bool *ret_told)
{
    const xmlNode *balance = camt_xml_child(reader->node, "Bal");
    *ret_told = false;
    for (; balance != NULL && !*ret_told; balance = camt_xml_next(balance)) {
        const char *code;
        int sign;
        PL_TRY(text_of(reader, balance, "Tp/CdOrPrtry/Cd", REF_MAX, &code));
        if (strcmp(code, kind) != 0)
            continue;
        const xmlNode *amount = camt_xml_child(balance, "Amt");
        if (amount == NULL)
            return WRONG(reader, balance, FIELD_REQUIRED, _("%s is missing"), "Amt");
        PL_TRY(account_amount(reader, amount, ret));
        PL_TRY(sign_of(reader, balance, &sign));
        *ret *= sign;
        *ret_told = true;
    }
    return pl_ok();
}

/* Sum of the movements, reversals with the sign as it stands or the other way round. */
static bool sum_of(const struct camt_statement *statement, bool turned, int64_t *ret)
{
    int64_t sum = statement->opening;
    for (size_t i = 0; i < statement->movement_count; i++) {
        const struct camt_movement *movement = &statement->movement[i];
        bool turn = turned && movement->kind == CAMT_REVERSAL;
        if (!pl_add64(sum, turn ? -movement->minor : movement->minor, &sum))
            return false;
    }
    *ret = sum;
    return true;
}

/* Banks disagree on the sign of a reversal; the balances know which one was meant. */
static struct pl_status check_balance(struct reader *reader)
{
    struct camt_statement *statement = reader->statement;
    bool opening = false, closing = false;
    PL_TRY(balance_of(reader, "OPBD", &statement->opening, &opening));
    if (!opening)
        PL_TRY(balance_of(reader, "PRCD", &statement->opening, &opening));
    PL_TRY(balance_of(reader, "CLBD", &statement->closing, &closing));
    if (!opening || !closing)
        return WRONG(reader, reader->node, STATEMENT_UNBALANCED, _("the %s balance is missing"),
                     opening ? "CLBD" : "OPBD");
    int64_t sum;
    if (!sum_of(statement, false, &sum))
        return WRONG(reader, reader->node, AMOUNT_OVERFLOW, _("the movements add up to too much"));
    if (sum == statement->closing)
        return pl_ok();
    int64_t other;
    if (sum_of(statement, true, &other) && other == statement->closing) {
        for (size_t i = 0; i < statement->movement_count; i++) {
            struct camt_movement *movement = &statement->movement[i];
            movement->minor = movement->kind == CAMT_REVERSAL ? -movement->minor : movement->minor;
        }
        return pl_ok();
    }
    char is[32], says[32];
    int exponent = pl_currency_exponent(statement->currency);
    return WRONG(reader, reader->node, STATEMENT_UNBALANCED,
                 _("opening balance and movements add up to %s, the closing balance is %s"),
                 pl_decimal_format(sum, exponent, is),
                 pl_decimal_format(statement->closing, exponent, says));
}

/* The account's currency: its own, else that of the first amount. */
static struct pl_status read_account(struct reader *reader)
{
    struct camt_statement *statement = reader->statement;
    const xmlNode *account = camt_xml_child(reader->node, "Acct");
    const char *id, *currency;
    PL_TRY(text_of(reader, account, "Id/IBAN", 64, &id));
    if (id[0] == '\0')
        PL_TRY(text_of(reader, account, "Id/Othr/Id", 64, &id));
    if (id[0] == '\0')
        return WRONG(reader, reader->node, FIELD_REQUIRED, _("%s is missing"), "Acct/Id");
    statement->account = without_blanks(reader, id);
    if (statement->account == NULL)
        return text_no_memory();
    if (strlen(statement->account) > ACCOUNT_MAX)
        return WRONG(reader, camt_xml_child(account, "Id"), FIELD_TOO_LONG,
                     _("%zu bytes, at most %zu are accepted"), strlen(statement->account),
                     (size_t)ACCOUNT_MAX);
    PL_TRY(text_of(reader, account, "Ccy", 8, &currency));
    if (currency[0] != '\0') {
        if (pl_currency_index(currency) < 0)
            return WRONG(reader, camt_xml_child(account, "Ccy"), CURRENCY_UNKNOWN,
                         _("'%.20s' is not a currency of ISO 4217"), currency);
        (void)snprintf(statement->currency, sizeof(statement->currency), "%s", currency);
        return pl_ok();
    }
    const xmlNode *amount = camt_xml_find(reader->node, "Bal/Amt");
    if (amount == NULL)
        amount = camt_xml_find(reader->node, "Ntry/Amt");
    if (amount == NULL)
        return WRONG(reader, reader->node, FIELD_REQUIRED, _("%s is missing"), "Acct/Ccy");
    return currency_of(reader, amount, statement->currency);
}

static struct pl_status read_sequence(struct reader *reader)
{
    const xmlNode *node = camt_xml_child(reader->node, "ElctrncSeqNb");
    const char *text;
    int64_t number = 0;
    PL_TRY(camt_xml_text(&reader->xml, node, 18, &text));
    if (node != NULL && camt_amount(text, 0, &number) != CAMT_AMOUNT_OK)
        return WRONG(reader, node, FIELD_INVALID, _("'%s' is no number"), text);
    reader->statement->sequence = (uint64_t)number;
    return pl_ok();
}

static struct pl_status read_statement(struct reader *reader, const xmlNode *node)
{
    struct camt_statement *statement = reader->statement;
    reader->node = node;
    statement->line = xmlGetLineNo((xmlNode *)(uintptr_t)node);
    statement->movement = &reader->room[reader->room_used];
    PL_TRY(text_of(reader, node, "Id", REF_MAX, &statement->id));
    if (statement->id[0] == '\0')
        return WRONG(reader, node, FIELD_REQUIRED, _("%s is missing"), "Id");
    PL_TRY(read_sequence(reader));
    const xmlNode *created = camt_xml_child(node, "CreDtTm");
    if (created == NULL) /* optional in 001.08: the message has one */
        created = camt_xml_find(node->parent, "GrpHdr/CreDtTm");
    if (created == NULL)
        return WRONG(reader, node, FIELD_REQUIRED, _("%s is missing"), "CreDtTm");
    PL_TRY(day_of(reader, created, statement->created));
    PL_TRY(day_of(reader, camt_xml_find(node, "FrToDt/FrDtTm"), statement->from));
    PL_TRY(day_of(reader, camt_xml_find(node, "FrToDt/ToDtTm"), statement->to));
    PL_TRY(read_account(reader));
    for (const xmlNode *entry = camt_xml_child(node, "Ntry"); entry != NULL;
         entry = camt_xml_next(entry))
        PL_TRY(read_entry(reader, entry));
    return statement->notification ? pl_ok() : check_balance(reader);
}

/* --- the file --- */

/* What a kind of message is called in it. A report of the day has balances of the moment, which
 * close nothing: it is a notification. */
struct form {
    const char *message, *part;
    bool notification;
};

/* Which kind of message, and which version: both are in the namespace. */
static struct pl_status read_version(struct reader *reader, const xmlNode *root,
                                     const struct form **ret)
{
    static const struct form report = {"BkToCstmrAcctRpt", "Rpt", true};
    static const struct form statement = {"BkToCstmrStmt", "Stmt", false};
    static const struct form notification = {"BkToCstmrDbtCdtNtfctn", "Ntfctn", true};
    static const struct {
        const char *uri;
        const struct form *form;
        bool v8;
    } known[] = {
        {"urn:iso:std:iso:20022:tech:xsd:camt.052.001.04", &report, false},
        {"urn:iso:std:iso:20022:tech:xsd:camt.052.001.08", &report, true},
        {"urn:iso:std:iso:20022:tech:xsd:camt.053.001.04", &statement, false},
        {"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08", &statement, true},
        {"urn:iso:std:iso:20022:tech:xsd:camt.054.001.04", &notification, false},
        {"urn:iso:std:iso:20022:tech:xsd:camt.054.001.08", &notification, true},
    };
    const char *uri =
        root->ns != NULL && root->ns->href != NULL ? (const char *)root->ns->href : "";
    for (size_t i = 0; i < PL_COUNT(known); i++) {
        if (strcmp(uri, known[i].uri) != 0 || strcmp((const char *)root->name, "Document") != 0)
            continue;
        *ret = known[i].form;
        reader->v8 = known[i].v8;
        return pl_ok();
    }
    return WRONG(reader, root, FIELD_INVALID,
                 _("'%.60s' is none of camt.052, camt.053 and camt.054, versions 001.04 and "
                   "001.08"),
                 uri);
}

static struct pl_status read_file(struct reader *reader)
{
    const xmlNode *root = xmlDocGetRootElement(reader->xml.document);
    const struct form *form = NULL;
    PL_TRY(read_version(reader, root, &form));
    PL_ASSERT(form != NULL); /* gcc's analyzer cannot see it */
    const xmlNode *message = camt_xml_child(root, form->message);
    if (message == NULL)
        return WRONG(reader, root, FIELD_REQUIRED, _("%s is missing"), form->message);
    PL_TRY(text_of(reader, message, "GrpHdr/MsgId", REF_MAX, &reader->file->message_id));
    const xmlNode *node = camt_xml_child(message, form->part);
    size_t count = 0;
    for (const xmlNode *each = node; each != NULL; each = camt_xml_next(each))
        count++;
    if (count == 0)
        return WRONG(reader, message, FIELD_REQUIRED, _("%s is missing"), form->part);
    reader->room = pl_arena_alloc(reader->arena, CAMT_MOVEMENTS_MAX * sizeof(*reader->room));
    reader->file->statement = pl_arena_alloc(reader->arena, count * sizeof(struct camt_statement));
    if (reader->file->statement == NULL || reader->room == NULL)
        return text_no_memory();
    for (; node != NULL; node = camt_xml_next(node)) {
        reader->statement = &reader->file->statement[reader->file->statement_count++];
        *reader->statement = (struct camt_statement){.notification = form->notification};
        PL_TRY(read_statement(reader, node));
    }
    return pl_ok();
}

struct pl_status camt_read(struct pl_slice bytes, const char *name, struct pl_arena *arena,
                           struct failure *failure, struct camt_file **ret)
{
    struct reader reader = {
        .xml = {.file = name, .arena = arena, .failure = failure},
        .arena = arena,
        .file = pl_arena_alloc(arena, sizeof(struct camt_file)),
    };
    if (reader.file == NULL)
        return text_no_memory();
    PL_TRY(camt_xml_open(&reader.xml, bytes));
    struct pl_status status = read_file(&reader);
    camt_xml_close(&reader.xml);
    *ret = reader.file;
    return status;
}
