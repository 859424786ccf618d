/* SPDX-License-Identifier: Apache-2.0
 *
 * statement_form: see statement_form.h. Happy path: nothing is wrong. Failure: the first thing that
 * is, by its field and with words.
 */
#include "server/ledger/statement_form.h"

#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/money.h"
#include "common/reference.h"
#include "server/ledger/learn.h"

#define KIND(name_) PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_##name_

enum { STATEMENTS_MAX = 64, TEXT_MAX = 64 };

static bool text_fine(const char *text, size_t most)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            return false;
    }
    return len <= most;
}

static bool texts_fine(const Pledged__V1__Movement *movement)
{
    const char *const texts[] = {
        movement->bank_ref,  movement->batch_ref,     movement->entry_ref,
        movement->uetr,      movement->rate,          movement->end_to_end_id,
        movement->reference, movement->return_reason, movement->bank_code};
    for (size_t i = 0; i < PL_COUNT(texts); i++) {
        if (!text_fine(texts[i], TEXT_MAX))
            return false;
    }
    return true;
}

struct wrong {
    Pledged__V1__Reason reason;
    const char *field, *why;
};

static bool say(struct wrong *wrong, Pledged__V1__Reason reason, const char *field, const char *why)
{
    *wrong = (struct wrong){reason, field, why};
    return false;
}

static bool day_fine(const char *day, bool needed, const char *field, struct wrong *wrong)
{
    if (day[0] == '\0')
        return !needed || say(wrong, REASON(DATE_INVALID), field, "a date is needed");
    const char *why = pl_date_wrong(day);
    return why == NULL || say(wrong, REASON(DATE_INVALID), field, why);
}

static bool movement_fine(const Pledged__V1__Movement *movement, struct wrong *wrong)
{
    if (movement->kind == KIND(UNSPECIFIED))
        return say(wrong, REASON(FIELD_REQUIRED), STATEMENT_FIELD ".movement.kind",
                   "a kind is needed");
    if (movement->minor == 0 || movement->minor == INT64_MIN)
        return say(wrong, REASON(AMOUNT_REQUIRED), STATEMENT_FIELD ".movement.minor",
                   "a movement has an amount");
    if (!day_fine(movement->booking_date, true, STATEMENT_FIELD ".movement.booking_date", wrong) ||
        !day_fine(movement->value_date, true, STATEMENT_FIELD ".movement.value_date", wrong))
        return false;
    if (!texts_fine(movement))
        return say(wrong, REASON(FIELD_INVALID), STATEMENT_FIELD ".movement",
                   "a text is longer than 64 bytes or holds control characters");
    if (movement->reference[0] != '\0' && !pl_reference_valid(movement->reference))
        return say(wrong, REASON(FIELD_INVALID), STATEMENT_FIELD ".movement.reference",
                   "the checksum of the creditor reference does not hold");
    if (movement->instructed != NULL && pl_currency_index(movement->instructed->currency) < 0)
        return say(wrong, REASON(CURRENCY_UNKNOWN), STATEMENT_FIELD ".movement.instructed.currency",
                   "not a currency of ISO 4217");
    if (movement->charges != NULL &&
        (pl_currency_index(movement->charges->currency) < 0 || movement->charges->minor <= 0))
        return say(wrong, REASON(FIELD_INVALID), STATEMENT_FIELD ".movement.charges",
                   "charges are more than nothing, in a currency of ISO 4217");
    if (movement->detail_parts > LEARN_ALL_PARTS ||
        (movement->detail_parts != 0 && movement->detail_commitment.len == 0))
        return say(wrong, REASON(FIELD_INVALID), STATEMENT_FIELD ".movement.detail_parts",
                   "parts of a record are 1 to 7, where there is a record");
    if (movement->detail_commitment.len != 0 && movement->detail_commitment.len != 32)
        return say(wrong, REASON(FIELD_INVALID), STATEMENT_FIELD ".movement.detail_commitment",
                   "a commitment has 32 bytes");
    return true;
}

/* opening + movements + remainder = closing; a notification has no balances. */
static bool balanced(const Pledged__V1__BankStatement *bank, struct wrong *wrong)
{
    int64_t sum = bank->opening_minor;
    for (size_t i = 0; i < bank->n_movement; i++) {
        if (!pl_add64(sum, bank->movement[i]->minor, &sum))
            return say(wrong, REASON(AMOUNT_OVERFLOW), STATEMENT_FIELD ".movement.minor",
                       "the movements add up to too much");
    }
    if (bank->remainder != NULL && !pl_add64(sum, bank->remainder->minor, &sum))
        return say(wrong, REASON(AMOUNT_OVERFLOW), STATEMENT_FIELD ".remainder.minor",
                   "the movements add up to too much");
    return bank->kind == PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_NOTIFICATION ||
           sum == bank->closing_minor ||
           say(wrong, REASON(STATEMENT_UNBALANCED), STATEMENT_FIELD ".closing_minor",
               "the opening balance, the movements and the remainder are not the closing balance");
}

static bool bank_fine(const Pledged__V1__BankStatement *bank, struct wrong *wrong)
{
    bool notification = bank->kind == PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_NOTIFICATION;
    if (bank->kind == PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_UNSPECIFIED)
        return say(wrong, REASON(FIELD_REQUIRED), STATEMENT_FIELD ".kind", "a kind is needed");
    if (bank->account[0] == '\0' || bank->id[0] == '\0')
        return say(wrong, REASON(FIELD_REQUIRED), STATEMENT_FIELD ".account",
                   "an account and an id are needed");
    if (!text_fine(bank->account, 34) || !text_fine(bank->id, TEXT_MAX))
        return say(wrong, REASON(FIELD_TOO_LONG), STATEMENT_FIELD ".account",
                   "the text is too long");
    if (pl_currency_index(bank->currency) < 0)
        return say(wrong, REASON(CURRENCY_UNKNOWN), STATEMENT_FIELD ".currency",
                   "not a currency of ISO 4217");
    if (!day_fine(bank->created, true, STATEMENT_FIELD ".created", wrong) ||
        !day_fine(bank->from_date, false, STATEMENT_FIELD ".from_date", wrong) ||
        !day_fine(bank->to_date, false, STATEMENT_FIELD ".to_date", wrong))
        return false;
    if (notification && (bank->opening_minor != 0 || bank->closing_minor != 0))
        return say(wrong, REASON(FIELD_INVALID), STATEMENT_FIELD ".opening_minor",
                   "a notification has no balances");
    if (bank->remainder != NULL && bank->remainder->count < 0)
        return say(wrong, REASON(FIELD_INVALID), STATEMENT_FIELD ".remainder.count",
                   "a count is not negative");
    for (size_t i = 0; i < bank->n_movement; i++) {
        if (!movement_fine(bank->movement[i], wrong))
            return false;
    }
    return balanced(bank, wrong);
}

static bool all_fine(const Pledged__V1__ImportStatement *command, struct wrong *wrong)
{
    size_t movements = 0;
    if (command->file_sha256.len != 32)
        return say(wrong, REASON(FIELD_INVALID), "import_statement.file_sha256",
                   "a SHA-256 has 32 bytes");
    if (!text_fine(command->message_id, TEXT_MAX))
        return say(wrong, REASON(FIELD_TOO_LONG), "import_statement.message_id",
                   "the text is too long");
    if (command->n_statement == 0 || command->n_statement > STATEMENTS_MAX)
        return say(wrong, REASON(FIELD_REQUIRED), STATEMENT_FIELD, "1 to 64 statements are needed");
    for (size_t i = 0; i < command->n_statement; i++)
        movements += command->statement[i]->n_movement;
    if (movements > LEDGER_MOVEMENTS_MAX)
        return say(wrong, REASON(TOO_BIG), STATEMENT_FIELD ".movement",
                   "at most 10000 movements a file");
    for (size_t i = 0; i < command->n_statement; i++) {
        if (!bank_fine(command->statement[i], wrong))
            return false;
    }
    return true;
}

const char *statement_form_wrong(const Pledged__V1__ImportStatement *command,
                                 Pledged__V1__Reason *ret_reason, const char **ret_field)
{
    struct wrong wrong = {.why = NULL};
    if (all_fine(command, &wrong))
        return NULL;
    *ret_reason = wrong.reason;
    *ret_field = wrong.field;
    return wrong.why;
}
