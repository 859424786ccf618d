/* SPDX-License-Identifier: Apache-2.0
 *
 * private: see private.h.
 */
#include "server/private.h"

#include <string.h>

#include "common/check.h"
#include "common/scan.h"
#include "server/judge.h"
#include "server/ledger/ledger.h"

#define WRONG(arena_, reason_, field_, message_)                                                   \
    judge_refusal(arena_, PLEDGED__V1__REASON__REASON_##reason_, field_, message_)

/* The commitments of a command, one after the other. */
struct named {
    const Pledged__V1__Command *command;
    size_t statement, movement;
};

static ProtobufCBinaryData of_import(struct named *at, const Pledged__V1__ImportStatement *import)
{
    while (at->statement < import->n_statement) {
        const Pledged__V1__BankStatement *bank = import->statement[at->statement];
        while (at->movement < bank->n_movement) {
            ProtobufCBinaryData found = bank->movement[at->movement++]->detail_commitment;
            if (found.len != 0)
                return found;
        }
        at->statement++;
        at->movement = 0;
    }
    return (ProtobufCBinaryData){0, NULL};
}

/* The next one; len 0 if there are no more. */
static ProtobufCBinaryData next_commitment(struct named *at)
{
    if (at->command->command_case == PLEDGED__V1__COMMAND__COMMAND_IMPORT_STATEMENT)
        return of_import(at, at->command->import_statement);
    if (at->command->command_case == PLEDGED__V1__COMMAND__COMMAND_RECORD_CONTACT &&
        at->movement++ == 0)
        return at->command->record_contact->commitment;
    return (ProtobufCBinaryData){0, NULL};
}

size_t private_commitments(const Pledged__V1__Command *command)
{
    struct named at = {.command = command};
    size_t count = 0;
    while (next_commitment(&at).len != 0)
        count++;
    return count;
}

bool private_may_erase(const Pledged__V1__Command *command)
{
    /* an approval may carry out an erasure that was proposed: its receipt tells */
    return command->command_case == PLEDGED__V1__COMMAND__COMMAND_ERASE_CONTACT ||
           command->command_case == PLEDGED__V1__COMMAND__COMMAND_APPROVE;
}

/* --- the form of a record --- */

static bool plain_text(const char *text, size_t most, unsigned allowed)
{
    return strlen(text) <= most && pl_utf8_is_steady(text, allowed);
}

static Pledged__V1__Refusal *check_contact(uint32_t rules, struct pl_slice record,
                                           struct pl_arena *arena)
{
    ProtobufCMessage *message = NULL;
    struct pl_scan_error error;
    if (!pl_is_ok(
            pl_unpack(&pledged__v1__contact__descriptor, record, 16, arena, &message, &error)))
        return WRONG(arena, FIELD_INVALID, "record.record", "it is no packed Contact");
    const Pledged__V1__Contact *contact = (const void *)message;
    const unsigned allowed = rules >= 11 ? 0 : PL_TEXT_TURNS;
    if (rules >= 11 ? pl_utf8_is_blank(contact->name) : contact->name[0] == '\0')
        return WRONG(arena, FIELD_REQUIRED, "contact.name", "a name is needed");
    const struct {
        const char *field, *text;
        size_t most;
    } texts[] = {{"contact.name", contact->name, 200},
                 {"contact.function", contact->function, 200},
                 {"contact.email", contact->email, 200},
                 {"contact.phone", contact->phone, 64}};
    for (size_t i = 0; i < PL_COUNT(texts); i++) {
        if (!plain_text(texts[i].text, texts[i].most, allowed))
            return WRONG(arena, FIELD_INVALID, texts[i].field,
                         WORDS("the text is too long, or has control characters"));
    }
    return NULL;
}

static Pledged__V1__Refusal *check_payer(struct pl_slice record, struct pl_arena *arena)
{
    ProtobufCMessage *message = NULL;
    struct pl_scan_error error;
    if (!pl_is_ok(
            pl_unpack(&pledged__v1__payer_detail__descriptor, record, 16, arena, &message, &error)))
        return WRONG(arena, FIELD_INVALID, "record.record", "it is no packed PayerDetail");
    const Pledged__V1__PayerDetail *payer = (const void *)message;
    /* What a bank sends is a fact, with all that turns the order of a line in it. */
    const unsigned allowed = PL_TEXT_TURNS;
    if (!plain_text(payer->name, 600, allowed) || !plain_text(payer->account, 64, allowed) ||
        !plain_text(payer->text, 3000, allowed))
        return WRONG(arena, FIELD_INVALID, "payer_detail",
                     WORDS("a text is too long, or has control characters"));
    return NULL;
}

static Pledged__V1__Refusal *check_form(uint32_t rules, const Pledged__V1__Command *command,
                                        struct pl_slice record, struct pl_arena *arena)
{
    if (command->command_case == PLEDGED__V1__COMMAND__COMMAND_RECORD_CONTACT)
        return check_contact(rules, record, arena);
    if (command->command_case == PLEDGED__V1__COMMAND__COMMAND_IMPORT_STATEMENT)
        return check_payer(record, arena);
    return NULL;
}

/* --- the rows --- */

static Pledged__V1__Refusal *check_row(uint32_t rules, const Pledged__V1__Command *command,
                                       const Pledged__V1__PrivateRecord *record,
                                       ProtobufCBinaryData commitment, struct pl_arena *arena,
                                       struct persons_row *ret)
{
    uint8_t made[LEDGER_COMMITMENT_BYTES];
    if (record->salt.len != PERSONS_SALT_BYTES)
        return WRONG(arena, FIELD_INVALID, "record.salt", "a salt has 32 bytes");
    if (record->record.len == 0 || record->record.len > PERSONS_RECORD_BYTES_MAX)
        return WRONG(arena, FIELD_INVALID, "record.record", WORDS("a record has 1 to 4096 bytes"));
    ret->record = pl_slice(record->record.data, record->record.len);
    memcpy(ret->salt, record->salt.data, sizeof(ret->salt));
    persons_commit(ret->salt, ret->record, made);
    if (!pl_slice_eq(pl_slice(made, sizeof(made)), pl_slice(commitment.data, commitment.len)) ||
        !pl_slice_eq(pl_slice(made, sizeof(made)),
                     pl_slice(record->commitment.data, record->commitment.len)))
        return WRONG(arena, FIELD_INVALID, "record.commitment",
                     "it is not the HMAC-SHA-256 of this salt and record, or the command names "
                     "another one");
    memcpy(ret->commitment, made, sizeof(ret->commitment));
    return check_form(rules, command, ret->record, arena);
}

/* Records come in the order in which the command names their commitments. */
Pledged__V1__Refusal *private_read(uint32_t rules,
                                   const Pledged__V1__ExecutePrivateRequest *request,
                                   struct pl_arena *arena, struct persons_row **ret,
                                   size_t *ret_count)
{
    size_t count = private_commitments(request->command);
    bool import = request->command->command_case == PLEDGED__V1__COMMAND__COMMAND_IMPORT_STATEMENT;
    if (count == 0 && request->n_record == 0 && import)
        return NULL; /* nobody is named; it may have come this way for its size */
    if (count == 0 || count > PRIVATE_RECORDS_MAX || request->n_record != count)
        return WRONG(arena, FIELD_INVALID, "record",
                     "each commitment of the command needs its record, in the same order, and "
                     "nothing else travels with it");
    struct persons_row *row = pl_arena_alloc(arena, count * sizeof(*row));
    if (row == NULL)
        return WRONG(arena, TOO_BIG, "", "the request is too large");
    struct named at = {.command = request->command};
    for (size_t i = 0; i < count; i++) {
        Pledged__V1__Refusal *found = check_row(rules, request->command, request->record[i],
                                                next_commitment(&at), arena, &row[i]);
        if (found != NULL)
            return found;
    }
    *ret = row;
    *ret_count = count;
    return NULL;
}
