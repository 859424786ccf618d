/* SPDX-License-Identifier: Apache-2.0
 *
 * export_journal: journals for hledger and for beancount. Both get the same accounts, the same
 * transactions and the same order; they differ in how a line is written. Accounts have numbers of
 * pledges and payments in their names, never names of people or organisations.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/export_form.h"
#include "client/text.h"
#include "client/verify_tree.h"
#include "common/check.h"
#include "common/date.h"
#include "common/ids.h"
#include "common/money.h"

enum { ACCOUNT_MAX = 64, HASH_SHOWN = 16 };

enum account {
    ACCOUNT_MEMO,
    ACCOUNT_CONTRA,
    ACCOUNT_RECEIVABLE,
    ACCOUNT_DEFERRED,
    ACCOUNT_BANK,
    ACCOUNT_UNALLOCATED,
    ACCOUNT_ADVANCE,
    ACCOUNT_REFUND,
    ACCOUNT_WRITTEN_OFF,
    ACCOUNT_DIFFERENCE,
    ACCOUNT_EXCHANGE,
    ACCOUNT_SUSPENSE,
    ACCOUNT_CHARGES,
};

/* What each movement adds to, and what it takes from. */
static const enum account sides[][2] = {
    [EXPORT_PLEDGED] = {ACCOUNT_MEMO, ACCOUNT_CONTRA},
    [EXPORT_COMMITTED] = {ACCOUNT_RECEIVABLE, ACCOUNT_DEFERRED},
    [EXPORT_RECEIVED] = {ACCOUNT_BANK, ACCOUNT_UNALLOCATED},
    [EXPORT_ALLOCATED] = {ACCOUNT_UNALLOCATED, ACCOUNT_RECEIVABLE},
    [EXPORT_ADVANCED] = {ACCOUNT_UNALLOCATED, ACCOUNT_ADVANCE},
    [EXPORT_SETTLED] = {ACCOUNT_ADVANCE, ACCOUNT_RECEIVABLE},
    [EXPORT_EXCHANGED] = {ACCOUNT_UNALLOCATED, ACCOUNT_EXCHANGE},
    [EXPORT_CONVERTED] = {ACCOUNT_EXCHANGE, ACCOUNT_RECEIVABLE},
    [EXPORT_PREPAID] = {ACCOUNT_EXCHANGE, ACCOUNT_ADVANCE},
    [EXPORT_REFUND_ORDERED] = {ACCOUNT_UNALLOCATED, ACCOUNT_REFUND},
    [EXPORT_REFUND_PAID] = {ACCOUNT_REFUND, ACCOUNT_BANK},
    [EXPORT_WRITTEN_OFF] = {ACCOUNT_WRITTEN_OFF, ACCOUNT_RECEIVABLE},
    [EXPORT_DIFFERENCE] = {ACCOUNT_DIFFERENCE, ACCOUNT_RECEIVABLE},
    [EXPORT_DIFFERENCE_BEFORE] = {ACCOUNT_DIFFERENCE, ACCOUNT_ADVANCE},
    [EXPORT_WITHDRAWN] = {ACCOUNT_SUSPENSE, ACCOUNT_BANK},
    [EXPORT_REFUND_MATCHED] = {ACCOUNT_REFUND, ACCOUNT_SUSPENSE},
    [EXPORT_TAKEN_BACK] = {ACCOUNT_UNALLOCATED, ACCOUNT_SUSPENSE},
    [EXPORT_CHARGED] = {ACCOUNT_CHARGES, ACCOUNT_SUSPENSE},
    [EXPORT_CHARGED_BACK] = {ACCOUNT_UNALLOCATED, ACCOUNT_CHARGES},
};

/* Which bank entry an account is of; 0: it is of a pledge. */
static uint64_t bank_entry_of(enum account account, const struct export_move *move)
{
    if (account == ACCOUNT_SUSPENSE && move->debit != 0)
        return move->debit;
    bool of_one =
        account == ACCOUNT_UNALLOCATED || account == ACCOUNT_REFUND || account == ACCOUNT_SUSPENSE;
    return of_one ? move->bank_entry : 0;
}

/* The account's name; *ret_number tells it from others of its kind. */
static const char *account_name(enum account account, const struct export_move *move,
                                uint64_t *ret_number, char out[ACCOUNT_MAX])
{
    char id[24];
    uint64_t bank_entry = bank_entry_of(account, move);
    const char *number =
        bank_entry != 0 ? pl_id_format('B', bank_entry, id) : pl_id_format('P', move->pledge, id);
    static const char *const names[] = {
        [ACCOUNT_MEMO] = "Equity:Memo:Pledged",
        [ACCOUNT_CONTRA] = "Equity:Memo:Contra",
        [ACCOUNT_RECEIVABLE] = "Assets:Receivable",
        [ACCOUNT_DEFERRED] = "Liabilities:Deferred",
        [ACCOUNT_BANK] = "Assets:Bank",
        [ACCOUNT_UNALLOCATED] = "Liabilities:Unallocated",
        [ACCOUNT_ADVANCE] = "Liabilities:Advance",
        [ACCOUNT_REFUND] = "Liabilities:Refund",
        [ACCOUNT_WRITTEN_OFF] = "Expenses:WrittenOff",
        [ACCOUNT_DIFFERENCE] = "Expenses:Difference",
        [ACCOUNT_EXCHANGE] = "Equity:Exchange",
        [ACCOUNT_SUSPENSE] = "Assets:Suspense",
        [ACCOUNT_CHARGES] = "Expenses:BankCharges",
    };
    *ret_number = bank_entry != 0 ? bank_entry : move->pledge;
    if (account == ACCOUNT_CONTRA || account == ACCOUNT_EXCHANGE || account == ACCOUNT_CHARGES) {
        *ret_number = 0;
        (void)snprintf(out, ACCOUNT_MAX, "%s", names[account]);
    } else if (account == ACCOUNT_BANK) {
        *ret_number = (uint64_t)move->currency;
        (void)snprintf(out, ACCOUNT_MAX, "%s:%s", names[account], pl_currency_code(move->currency));
    } else {
        (void)snprintf(out, ACCOUNT_MAX, "%s:%s", names[account], number);
    }
    return out;
}

static const char *amount_of(int64_t minor, int currency, char out[32])
{
    return pl_decimal_format(minor, pl_currency_exponent(pl_currency_code(currency)), out);
}

/* --- declarations: each account and commodity before its first use --- */

static struct pl_status declare_currency(struct export *export, int currency, struct pl_buf *out)
{
    const char *code = pl_currency_code(currency);
    int exponent = pl_currency_exponent(code);
    if (export->currencies[currency])
        return pl_ok();
    export->currencies[currency] = true;
    if (export->form == EXPORT_BEANCOUNT)
        return pl_buf_printf(out, "1970-01-01 commodity %s\n", code);
    return pl_buf_printf(out, "commodity %s 1000.%.*s\n", code, exponent, "0000");
}

static struct pl_status declare_account(struct export *export, enum account account,
                                        const struct export_move *move, struct pl_buf *out)
{
    char name[ACCOUNT_MAX];
    uint64_t key[2] = {(uint64_t)account, 0};
    (void)account_name(account, move, &key[1], name);
    if (pl_map_get(&export->accounts, key) != NULL)
        return pl_ok();
    uint8_t here = 1;
    pl_map_put(&export->accounts, key, &here);
    return export->form == EXPORT_BEANCOUNT ? pl_buf_printf(out, "1970-01-01 open %s\n", name)
                                            : pl_buf_printf(out, "account %s\n", name);
}

static struct pl_status declare(struct export *export, struct pl_buf *out)
{
    for (size_t i = 0; i < export->books.moves; i++) {
        const struct export_move *move = &export->books.move[i];
        if (!export_wants(export, move))
            continue;
        PL_TRY(declare_currency(export, move->currency, out));
        PL_TRY(declare_account(export, sides[move->kind][0], move, out));
        PL_TRY(declare_account(export, sides[move->kind][1], move, out));
    }
    return pl_ok();
}

/* --- transactions --- */

static struct pl_status add_posting(const struct export *export, enum account account,
                                    const struct export_move *move, int64_t minor,
                                    struct pl_buf *out)
{
    char name[ACCOUNT_MAX], amount[32];
    uint64_t number;
    (void)account_name(account, move, &number, name);
    (void)amount_of(minor, move->currency, amount);
    const char *currency = pl_currency_code(move->currency);
    return export->form == EXPORT_BEANCOUNT
               ? pl_buf_printf(out, "  %-40s  %s %s\n", name, amount, currency)
               : pl_buf_printf(out, "    %-40s  %s %s\n", name, currency, amount);
}

static struct pl_status add_postings(const struct export *export, struct pl_buf *out)
{
    for (size_t i = 0; i < export->books.moves; i++) {
        const struct export_move *move = &export->books.move[i];
        if (!export_wants(export, move))
            continue;
        PL_TRY(add_posting(export, sides[move->kind][0], move, move->minor, out));
        PL_TRY(add_posting(export, sides[move->kind][1], move, -move->minor, out));
    }
    return pl_buf_append_str(out, "\n");
}

/* The pledge that an entry's movements are about. */
static const char *subject_of(const struct export *export, char out[24])
{
    return pl_id_format('P', export->books.move[0].pledge, out);
}

static const char *hash_of(struct pl_slice bytes, char out[2 * PL_SHA256_BYTES + 1])
{
    uint8_t hash[PL_SHA256_BYTES];
    verify_tree_leaf(bytes, hash);
    pl_hex(pl_slice(hash, sizeof(hash)), out);
    return out;
}

/* What a currency was worth on a day. It moves nothing; a later one of the day takes its place. */
static struct pl_status price(struct export *export, const Pledged__V1__Rate *rate,
                              struct pl_buf *out)
{
    char text[32];
    int currency = rate != NULL ? pl_currency_index(rate->currency) : -1;
    if (currency < 0 || !pl_date_valid(rate->date) || rate->scale > 18)
        return pl_fail(CORRUPT, "an entry holds a rate that is none");
    PL_TRY(declare_currency(export, currency, out));
    PL_TRY(declare_currency(export, pl_currency_index("CHF"), out));
    (void)pl_decimal_format(rate->mantissa, (int)rate->scale, text);
    return export->form == EXPORT_BEANCOUNT
               ? pl_buf_printf(out, "%s price %s %s CHF\n\n", rate->date, rate->currency, text)
               : pl_buf_printf(out, "P %s %s CHF %s\n\n", rate->date, rate->currency, text);
}

static struct pl_status transaction(struct export *export, const Pledged__V1__Entry *entry,
                                    struct pl_slice bytes, struct pl_buf *out)
{
    if (entry->fact_case == PLEDGED__V1__ENTRY__FACT_RATE_RECORDED)
        return price(export, entry->rate_recorded->rate, out);
    char pledge[24], hash[2 * PL_SHA256_BYTES + 1];
    const char *what = text_code(TEXT_FACT, (int)entry->fact_case);
    PL_TRY(declare(export, out));
    (void)hash_of(bytes, hash);
    (void)subject_of(export, pledge);
    if (export->form == EXPORT_BEANCOUNT)
        PL_TRY(pl_buf_printf(out, "%s * \"%s %s\" ^%s\n  seq: \"%" PRIu64 "\"\n  hash: \"%.*s\"\n",
                             export->books.date, what, pledge, pledge, entry->seq, HASH_SHOWN,
                             hash));
    else
        PL_TRY(pl_buf_printf(out, "%s * (%" PRIu64 ") %s %s  ; seq:%" PRIu64 ", hash:%.*s\n",
                             export->books.date, entry->seq, what, pledge, entry->seq, HASH_SHOWN,
                             hash));
    return add_postings(export, out);
}

/* --- begin and end --- */

static struct pl_status begin(struct export *export, const Pledged__V1__Entry *first,
                              struct pl_buf *out)
{
    const char *origin = first->fact_case == PLEDGED__V1__ENTRY__FACT_LEDGER_CREATED
                             ? first->ledger_created->origin
                             : "";
    PL_TRY(pl_buf_append_str(out, "; pledges and payments of the ledger "));
    for (const char *p = origin; *p != '\0'; p++) {
        if ((unsigned char)*p >= ' ') /* one line stays one line */
            PL_TRY(pl_buf_append(out, p, 1));
    }
    PL_TRY(pl_buf_append_str(out, "\n"));
    return export->form == EXPORT_BEANCOUNT ? pl_ok() : pl_buf_append_str(out, "decimal-mark .\n");
}

/* Each line of the checkpoint behind "; ", so that it can be taken out again. */
static struct pl_status end(struct export *export, const Pledged__V1__DumpTrailer *trailer,
                            struct pl_buf *out)
{
    (void)export;
    PL_TRY(pl_buf_printf(out, "; entries up to %" PRIu64 "; their checkpoint:\n", trailer->to_seq));
    for (const char *line = trailer->checkpoint; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        PL_TRY(pl_buf_append_str(out, len == 0 ? ";" : "; "));
        PL_TRY(pl_buf_append(out, line, len));
        PL_TRY(pl_buf_append_str(out, "\n"));
        line += len + (line[len] == '\n');
    }
    return pl_ok();
}

const struct export_form_ops export_hledger = {begin, transaction, end};
const struct export_form_ops export_beancount = {begin, transaction, end};
